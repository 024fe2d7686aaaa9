/* SPDX-License-Identifier: Apache-2.0 */
/*
 * unit-cache.c - one file a unit, in a directory that is ours alone (0700).
 *
 *   <64 hex of the key>         UnitHeader, then the object; 0400
 *   .new-<16 hex>               under construction; an old one was left by a process that was killed
 *
 * Files are not synced: one that a crash of the machine cut short, or left full of zeros, fails its digest and is made again. A use sets
 * the time of modification, so that the oldest is what was not needed for longest.
 */
#include "aot/unit-cache.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/must.h"

#define TEMPORARY_PREFIX ".new-"
#define TEMPORARY_AGE_S 3600

typedef struct UnitHeader { /* host byte order; it never leaves this host */
    uint64_t magic;
    uint64_t size;
    Digest key;
    Digest digest; /* of this header with digest zero, then the object */
} UnitHeader;
#define UNIT_MAGIC 0x0a3154494e554352ull /* "RCUNIT1\n" */
_Static_assert(sizeof(UnitHeader) == 80, "on-disk layout");

struct UnitCache {
    int dir_fd; /* owned */
    uint64_t size_maximum;
};

int unit_cache_open(const char *path, uint64_t size_maximum, UnitCache **ret_cache, Error *err)
{
    must(path != NULL && ret_cache != NULL);
    const int r = dir_make(path, 0700, err);
    if (r < 0) {
        return r;
    }
    _cleanup_(fd_closep) int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    struct stat status;
    if (fd < 0 || fstat(fd, &status) < 0) {
        return error_set(err, errno, "%s", path);
    }
    if (status.st_uid != geteuid() || (status.st_mode & 077) != 0) {
        return error_set(err, EACCES, "%s is not ours alone (owner %u, mode %04o)", path, status.st_uid, status.st_mode & 07777);
    }
    UnitCache *cache = malloc(sizeof(*cache));
    if (cache == NULL) {
        return error_set(err, ENOMEM, "out of memory");
    }
    *cache = (UnitCache){.dir_fd = steal_fd(&fd), .size_maximum = size_maximum};
    *ret_cache = cache;
    return 0;
}

static int header_digest(const UnitHeader *header, const uint8_t *bytes, Digest *ret_digest)
{
    UnitHeader plain = *header;
    memset(&plain.digest, 0, sizeof(plain.digest));
    _cleanup_(hasher_freep) Hasher *hasher = NULL;
    int r = hasher_new(&hasher);
    r = r < 0 ? r : hasher_update(hasher, &plain, sizeof(plain));
    r = r < 0 ? r : hasher_update(hasher, bytes, plain.size);
    return r < 0 ? r : hasher_finish(hasher, ret_digest);
}

/* Reads a file whose name is the key. Return: false when it is not what was written under that name. */
static bool entry_read(int fd, const Digest *key, Buf *object)
{
    struct stat status;
    UnitHeader header;
    size_t got = 0;
    if (fstat(fd, &status) < 0 || !S_ISREG(status.st_mode) || status.st_uid != geteuid() || (status.st_mode & 0277) != 0 || status.st_nlink != 1 ||
        fd_read_full(fd, &header, sizeof(header), &got) < 0 || got != sizeof(header) || header.magic != UNIT_MAGIC ||
        !digest_equals(&header.key, key) || header.size != (uint64_t)status.st_size - sizeof(header) || header.size > object->max_size ||
        buf_reserve(object, header.size) < 0 || fd_read_full(fd, object->bytes, header.size, &got) < 0 || got != header.size) {
        return false;
    }
    Digest digest;
    if (header_digest(&header, object->bytes, &digest) < 0 || !digest_equals(&digest, &header.digest)) {
        return false;
    }
    object->size = header.size;
    object->bytes[object->size] = 0;
    return true;
}

bool unit_cache_get(UnitCache *cache, const Digest *key, Buf *object)
{
    char name[DIGEST_HEX_SIZE + 1];
    must(object->size == 0);
    digest_hex(key, name);
    _cleanup_(fd_closep) int fd = openat(cache->dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
    if (fd < 0 && errno == ENOENT) {
        return false;
    }
    if (fd < 0 || !entry_read(fd, key, object)) {
        (void)unlinkat(cache->dir_fd, name, 0); /* a directory of that name stays, and this unit is never cached */
        return false;
    }
    (void)futimens(fd, NULL);
    return true;
}

void unit_cache_put(UnitCache *cache, const Digest *key, const Buf *object)
{
    UnitHeader header = {.magic = UNIT_MAGIC, .size = object->size, .key = *key};
    char name[DIGEST_HEX_SIZE + 1], temporary[32];
    uint64_t random;
    if (object->size > cache->size_maximum / 8 || header_digest(&header, object->bytes, &header.digest) < 0 ||
        getrandom(&random, sizeof(random), 0) != (ssize_t)sizeof(random)) {
        return;
    }
    digest_hex(key, name);
    (void)snprintf(temporary, sizeof(temporary), TEMPORARY_PREFIX "%016" PRIx64, random);
    _cleanup_(fd_closep) int fd = openat(cache->dir_fd, temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0400);
    if (fd < 0) {
        return;
    }
    if (fd_write_full(fd, &header, sizeof(header)) < 0 || fd_write_full(fd, object->bytes, object->size) < 0 ||
        renameat(cache->dir_fd, temporary, cache->dir_fd, name) < 0) {
        (void)unlinkat(cache->dir_fd, temporary, 0);
    }
}

/* --- eviction --- */

typedef struct Entry {
    char name[DIGEST_HEX_SIZE + 1];
    struct timespec time;
    uint64_t size;
} Entry;

static int compare_entries(const void *a, const void *b)
{
    const Entry *left = a;
    const Entry *right = b;
    if (left->time.tv_sec != right->time.tv_sec) {
        return left->time.tv_sec < right->time.tv_sec ? -1 : 1;
    }
    return left->time.tv_nsec != right->time.tv_nsec ? (left->time.tv_nsec < right->time.tv_nsec ? -1 : 1) : strcmp(left->name, right->name);
}

static bool is_entry_name(const char *name)
{
    return strlen(name) == DIGEST_HEX_SIZE && strspn(name, "0123456789abcdef") == DIGEST_HEX_SIZE;
}

/* All entries; what was left under construction long ago is removed on the way. */
static void entries_list(const UnitCache *cache, DIR *dir, Buf *entries, uint64_t *ret_size)
{
    const time_t now = time(NULL);
    const struct dirent *item;
    *ret_size = 0;
    while ((item = readdir(dir)) != NULL) {
        struct stat status;
        const bool is_temporary = strncmp(item->d_name, TEMPORARY_PREFIX, sizeof(TEMPORARY_PREFIX) - 1) == 0;
        if ((!is_temporary && !is_entry_name(item->d_name)) || fstatat(cache->dir_fd, item->d_name, &status, AT_SYMLINK_NOFOLLOW) < 0) {
            continue;
        }
        if (is_temporary) {
            if (now - status.st_mtim.tv_sec > TEMPORARY_AGE_S) {
                (void)unlinkat(cache->dir_fd, item->d_name, 0);
            }
            continue;
        }
        Entry entry = {.time = status.st_mtim, .size = (uint64_t)status.st_size};
        memcpy(entry.name, item->d_name, sizeof(entry.name));
        buf_append(entries, &entry, sizeof(entry));
        *ret_size += entry.size;
    }
}

static void evict(const UnitCache *cache)
{
    const int fd = openat(cache->dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (dir == NULL) {
        (void)fd_close(fd);
        return;
    }
    Buf entries = BUF_INIT(1u << 30);
    uint64_t size;
    entries_list(cache, dir, &entries, &size);
    closedir(dir);
    const size_t count = entries.size / sizeof(Entry);
    if (size > cache->size_maximum && count > 0) {
        Entry *list = (Entry *)(void *)entries.bytes;
        qsort(list, count, sizeof(*list), compare_entries);
        for (size_t i = 0; i < count && size > cache->size_maximum / 8 * 7; i++) {
            size -= unlinkat(cache->dir_fd, list[i].name, 0) == 0 ? list[i].size : 0;
        }
    }
    buf_deinit(&entries);
}

void unit_cache_close(UnitCache *cache)
{
    if (cache != NULL) {
        evict(cache);
        (void)fd_close(cache->dir_fd);
        free(cache);
    }
}
