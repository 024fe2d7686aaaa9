/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cache-layout.c - the profile that a megabinary's objects are laid out by: the cache remembers it, so that every later object of that megabinary,
 * of whatever level and CPU and made by whatever command, is laid out by it too.
 *
 *   CACHE/objects/<megabinary sha256>.profile    KeptHeader, then the profile's text; 0400
 *
 * A start reads the header alone: the digest is part of the object's name. The text is read, and checked against the digest, when an object has
 * to be made; one that does not fit is removed, and the object is made without.
 */
#include <errno.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/must.h"
#include "image/cache-int.h"

#define KEPT_MAGIC 0x31464f5250435221ull
#define KEPT_NAME_SIZE (DIGEST_HEX_SIZE + sizeof(".profile"))

typedef struct KeptHeader { /* host byte order; it never leaves this host */
    uint64_t magic;
    uint64_t size;  /* of the text */
    Digest digest;  /* of the text */
} KeptHeader;
_Static_assert(sizeof(KeptHeader) == 48, "on-disk layout");

static void kept_name(const Digest *megabinary, char name[KEPT_NAME_SIZE])
{
    digest_hex(megabinary, name);
    memcpy(name + DIGEST_HEX_SIZE, ".profile", sizeof(".profile"));
}

/* Return: a descriptor behind the header; -ENOENT there is none, or none of ours. */
static int kept_open(int dir_fd, const Digest *megabinary, KeptHeader *ret_header)
{
    char name[KEPT_NAME_SIZE];
    struct stat status;
    size_t got = 0;
    kept_name(megabinary, name);
    _cleanup_(fd_closep) int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
    if (fd < 0 || fstat(fd, &status) < 0 || !S_ISREG(status.st_mode) || status.st_uid != geteuid() || (status.st_mode & 0222) != 0 ||
        fd_read_full(fd, ret_header, sizeof(*ret_header), &got) < 0 || got != sizeof(*ret_header) || ret_header->magic != KEPT_MAGIC ||
        ret_header->size > PROFILE_SIZE_MAXIMUM || ret_header->size != (uint64_t)status.st_size - sizeof(*ret_header)) {
        return -ENOENT;
    }
    return steal_fd(&fd);
}

void layout_kept(int dir_fd, const Digest *megabinary, CacheLayout *layout)
{
    KeptHeader header;
    _cleanup_(fd_closep) int fd = kept_open(dir_fd, megabinary, &header);
    layout->is_laid_out = fd >= 0;
    if (fd >= 0) {
        layout->digest = header.digest;
    }
}

int layout_given(const Profile *profile, CacheLayout *layout, Error *err)
{
    profile_write(profile, &layout->text);
    if (buf_error(&layout->text) < 0 || sha256(layout->text.bytes, layout->text.size, &layout->digest) < 0) {
        return error_set(err, ENOMEM, "profile: out of memory");
    }
    layout->is_laid_out = true;
    return 0;
}

/* The text of a kept one. Return: false: another is kept by now, or it is not what its header says and is gone. */
static bool text_read(int dir_fd, const Digest *megabinary, CacheLayout *layout)
{
    KeptHeader header;
    Digest digest;
    size_t got = 0;
    char name[KEPT_NAME_SIZE];
    _cleanup_(fd_closep) int fd = kept_open(dir_fd, megabinary, &header);
    if (fd >= 0 && !digest_equals(&header.digest, &layout->digest)) {
        return false;
    }
    if (fd >= 0 && buf_reserve(&layout->text, header.size) == 0 && fd_read_full(fd, layout->text.bytes, header.size, &got) == 0 &&
        got == header.size && sha256(layout->text.bytes, got, &digest) == 0 && digest_equals(&digest, &header.digest)) {
        layout->text.size = got;
        return true;
    }
    kept_name(megabinary, name);
    (void)unlinkat(dir_fd, name, 0);
    return false;
}

int layout_open(int dir_fd, const Digest *megabinary, CacheLayout *layout, int *ret_fd, Error *err)
{
    *ret_fd = -1;
    if (!layout->is_laid_out) {
        return 0;
    }
    if (layout->text.size == 0 && !text_read(dir_fd, megabinary, layout)) {
        return -ESTALE;
    }
    const int r = fd_seal_bytes(layout->text.bytes, layout->text.size, "profile", ret_fd);
    return r < 0 ? error_set(err, -r, "cache: memory for the profile") : 0;
}

/* Objects of this megabinary that no start looks for any more: of another layout. What records calls has none. */
static void others_remove(int dir_fd, const Digest *megabinary, const CacheLayout *layout)
{
    char hex[DIGEST_HEX_SIZE + 1], suffix[CACHE_SUFFIX_SIZE];
    const int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (dir == NULL) {
        (void)fd_close(fd);
        return;
    }
    digest_hex(megabinary, hex);
    layout_suffix(layout, suffix);
    const size_t prefix_size = DIGEST_HEX_SIZE + 1 + CACHE_VARIANT_SIZE;
    const struct dirent *item;
    while ((item = readdir(dir)) != NULL) {
        const char *name = item->d_name;
        if (strlen(name) <= prefix_size || strncmp(name, hex, DIGEST_HEX_SIZE) != 0 || name[DIGEST_HEX_SIZE] != '-') {
            continue;
        }
        const char *rest = name + prefix_size; /* "" or "-<layout>" or "-record", then ".so" or ".sum" */
        const size_t size = strcspn(rest, ".");
        const bool is_same = size == strlen(suffix) && memcmp(rest, suffix, size) == 0;
        if (!is_same && strncmp(rest, CACHE_RECORD_SUFFIX ".", sizeof(CACHE_RECORD_SUFFIX)) != 0) {
            (void)unlinkat(dir_fd, name, 0);
        }
    }
    closedir(dir);
}

int layout_remember(int dir_fd, const Digest *megabinary, const CacheLayout *layout, Error *err)
{
    char name[KEPT_NAME_SIZE];
    int r = 0;
    kept_name(megabinary, name);
    if (layout->is_laid_out) {
        const KeptHeader header = {.magic = KEPT_MAGIC, .size = layout->text.size, .digest = layout->digest};
        Buf bytes = BUF_INIT(sizeof(header) + PROFILE_SIZE_MAXIMUM);
        buf_append(&bytes, &header, sizeof(header));
        buf_append(&bytes, layout->text.bytes, layout->text.size);
        r = buf_error(&bytes) < 0 ? error_set(err, ENOMEM, "profile: out of memory")
                                  : file_write_atomic(dir_fd, name, bytes.bytes, bytes.size, 0400, err);
        buf_deinit(&bytes);
    } else if (unlinkat(dir_fd, name, 0) < 0 && errno != ENOENT) {
        r = error_set(err, errno, "cache: cannot forget the profile");
    }
    if (r == 0) {
        others_remove(dir_fd, megabinary, layout);
    }
    return r;
}

void layout_suffix(const CacheLayout *layout, char suffix[CACHE_SUFFIX_SIZE])
{
    char hex[DIGEST_HEX_SIZE + 1];
    suffix[0] = '\0';
    if (layout->is_laid_out) {
        digest_hex(&layout->digest, hex);
        (void)snprintf(suffix, CACHE_SUFFIX_SIZE, "-%.16s", hex);
    }
}
