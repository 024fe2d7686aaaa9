/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cache.c - one object per (megabinary, code generation), made at most once.
 *
 *   CACHE/objects/<megabinary sha256>-<16 hex of the variant>.so    0400; before .so "-<16 hex>" of its layout (cache-layout.c), or "-record"
 *   CACHE/objects/<same>.sum      what the object was when it was made: size, inode, ctime, SHA-256
 *   CACHE/objects/.lock-<same>    held while compiling
 *   CACHE/objects/.new-<same>     output of the compiler under construction
 *   CACHE/units/                  the compiler's own: objects of partitions (aot/unit-cache.c)
 *
 * I1 An object gets its name only after the compiler succeeded, the loader accepted it and it is on disk.
 * I2 An object is used when owner, mode, link count, size, inode and ctime are as recorded, or else when its SHA-256 is: what was
 *    truncated, replaced, edited or made by somebody else is removed and compiled again.
 * I3 The directory is ours alone (0700): another owner or mode is refused with a hint, never repaired.
 */
#include "image/cache.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/interrupt.h"
#include "base/must.h"
#include "base/workdir.h"
#include "image/cache-int.h"
#include "rt/rt.h"

#define NAME_SIZE 160

typedef struct ObjectSum { /* the .sum file: fixed layout, host byte order; it never leaves this host */
    uint64_t magic;
    uint64_t size;
    uint64_t inode;
    int64_t ctime_s;
    int64_t ctime_ns;
    Digest digest;
} ObjectSum;
#define SUM_MAGIC 0x31304d5553435221ull
_Static_assert(sizeof(ObjectSum) == 72, "on-disk layout");

typedef struct CacheSlot {
    int dir_fd; /* borrowed */
    char name[NAME_SIZE];      /* <hex>-<variant> */
    char object[NAME_SIZE + 8];
    char sum[NAME_SIZE + 8];
} CacheSlot;

static int directory_open(const char *cache_dir, char **ret_path, int *ret_fd, Error *err)
{
    _cleanup_(freep) char *path = NULL;
    if (asprintf(&path, "%s/objects", cache_dir) < 0) {
        path = NULL;
        return error_set(err, ENOMEM, "cache: out of memory");
    }
    int r = dir_make(cache_dir, 0700, err);
    r = r < 0 ? r : dir_make(path, 0700, err);
    if (r < 0) {
        return r;
    }
    _cleanup_(fd_closep) int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    struct stat status;
    if (fd < 0 || fstat(fd, &status) < 0) {
        return error_set(err, errno, "cache: %s: %s", path, strerror(errno));
    }
    if (status.st_uid != geteuid() || (status.st_mode & 077) != 0) {
        r = error_set(err, EACCES, "cache: %s is not ours alone (owner %u, mode %04o)", path, status.st_uid, status.st_mode & 07777);
        return error_hint(err, r, "chown it to the user who runs recompiler and chmod 0700 it, or choose another --cache-dir");
    }
    *ret_path = steal(&path);
    *ret_fd = steal_fd(&fd);
    return 0;
}

static int slot_init(CacheSlot *slot, int dir_fd, const CacheConfig *config, const Digest *megabinary, const CacheLayout *layout)
{
    char hex[DIGEST_HEX_SIZE + 1];
    char variant[DIGEST_HEX_SIZE + 1];
    char suffix[CACHE_SUFFIX_SIZE];
    const int r = cache_variant(config, variant);
    if (r < 0) {
        return r;
    }
    layout_suffix(layout, suffix);
    digest_hex(megabinary, hex);
    slot->dir_fd = dir_fd;
    (void)snprintf(slot->name, sizeof(slot->name), "%s-%.*s%s", hex, (int)CACHE_VARIANT_SIZE, variant, config->is_recording ? CACHE_RECORD_SUFFIX : suffix);
    (void)snprintf(slot->object, sizeof(slot->object), "%s.so", slot->name);
    (void)snprintf(slot->sum, sizeof(slot->sum), "%s.sum", slot->name);
    return 0;
}

static void sum_fill(ObjectSum *sum, const struct stat *status)
{
    sum->magic = SUM_MAGIC;
    sum->size = (uint64_t)status->st_size;
    sum->inode = status->st_ino;
    sum->ctime_s = status->st_ctim.tv_sec;
    sum->ctime_ns = status->st_ctim.tv_nsec;
}

static int sum_read(const CacheSlot *slot, ObjectSum *ret_sum)
{
    _cleanup_(fd_closep) int fd = openat(slot->dir_fd, slot->sum, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    size_t got = 0;
    if (fd < 0 || fd_read_full(fd, ret_sum, sizeof(*ret_sum), &got) < 0 || got != sizeof(*ret_sum) || ret_sum->magic != SUM_MAGIC) {
        return -ENOENT;
    }
    return 0;
}

/* A good object's fd, or -ENOENT: nothing there, or what is there is not the file we made. */
static int object_reuse(const CacheSlot *slot, int *ret_fd)
{
    _cleanup_(fd_closep) int fd = openat(slot->dir_fd, slot->object, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    struct stat status;
    ObjectSum sum;
    if (fd < 0 || fstat(fd, &status) < 0 || !S_ISREG(status.st_mode) || status.st_uid != geteuid() ||
        (status.st_mode & 0222) != 0 || status.st_nlink != 1 || sum_read(slot, &sum) < 0 || sum.size != (uint64_t)status.st_size) {
        return -ENOENT;
    }
    ObjectSum now = {.digest = sum.digest};
    sum_fill(&now, &status);
    if (memcmp(&now, &sum, sizeof(now)) != 0) {
        Digest digest;
        if (sha256_fd(fd, &digest, NULL) < 0 || !digest_equals(&digest, &sum.digest)) {
            return -ENOENT;
        }
    }
    *ret_fd = steal_fd(&fd);
    return 0;
}

/* The compiler's output becomes the object: loaded once as a check, recorded, renamed. */
static int object_adopt(const CacheSlot *slot, const char *fresh, const Digest *megabinary, Error *err)
{
    _cleanup_(fd_closep) int fd = openat(slot->dir_fd, fresh, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0 || fchmod(fd, 0400) < 0 || fsync(fd) < 0) {
        return error_set(err, errno, "cache: the compiled object");
    }
    RtLoaded *loaded = NULL;
    int r = rt_object_open(fd, 3, megabinary, &loaded, err);
    if (r < 0) {
        return error_wrap(err, r, "cache: the compiled object is not usable");
    }
    (void)rt_object_close(loaded);
    ObjectSum sum = {0};
    r = sha256_fd(fd, &sum.digest, NULL);
    if (r < 0) {
        return error_set(err, -r, "cache: cannot hash the compiled object");
    }
    if (renameat(slot->dir_fd, fresh, slot->dir_fd, slot->object) < 0) {
        return error_set(err, errno, "cache: cannot name the compiled object");
    }
    struct stat status; /* after the rename, which changes ctime */
    if (fstat(fd, &status) < 0) {
        return error_set(err, errno, "cache: the compiled object");
    }
    sum_fill(&sum, &status);
    return file_write_atomic(slot->dir_fd, slot->sum, &sum, sizeof(sum), 0400, err);
}

static int lock_take(const CacheSlot *slot, int *ret_fd, Error *err)
{
    char name[NAME_SIZE + 8];
    (void)snprintf(name, sizeof(name), ".lock-%s", slot->name);
    _cleanup_(fd_closep) int fd = openat(slot->dir_fd, name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        return error_set(err, errno, "cache: lock");
    }
    while (flock(fd, LOCK_EX) < 0) {
        if (errno != EINTR || interrupt_check() < 0) {
            return error_set(err, errno, "cache: lock");
        }
    }
    *ret_fd = steal_fd(&fd);
    return 0;
}

/* Under the lock. */
static int object_make(const CacheConfig *config, const CacheSlot *slot, const char *directory, int megabinary_fd,
                       const Digest *megabinary, int profile_fd, Error *err)
{
    char fresh[NAME_SIZE + 8];
    char output[LIMIT_PATH_SIZE];
    (void)snprintf(fresh, sizeof(fresh), ".new-%s", slot->name);
    if (snprintf(output, sizeof(output), "%s/%s", directory, fresh) >= (int)sizeof(output)) {
        return error_set(err, ENAMETOOLONG, "cache: path too long");
    }
    (void)unlinkat(slot->dir_fd, slot->object, 0);
    (void)unlinkat(slot->dir_fd, slot->sum, 0);
    (void)unlinkat(slot->dir_fd, fresh, 0);
    int r = compiler_run(config, megabinary_fd, megabinary, profile_fd, output, err);
    if (r == 0) {
        r = object_adopt(slot, fresh, megabinary, err);
    }
    if (r < 0) {
        (void)unlinkat(slot->dir_fd, fresh, 0);
        work_dir_sweep(slot->dir_fd, ".recompiler-compile-"); /* of a compiler that was killed */
    }
    return r;
}

/* The object of that layout. Return: 0; -ESTALE as layout_open(); others. */
static int object_get(const CacheConfig *config, int dir_fd, const char *directory, int megabinary_fd, const Digest *megabinary, CacheLayout *layout,
                      int *ret_fd, Error *err)
{
    CacheSlot slot;
    CacheConfig better = *config;
    better.opt_level = CACHE_OPT_DEFAULT;
    if (config->opt_level == 0 && slot_init(&slot, dir_fd, &better, megabinary, layout) == 0 && object_reuse(&slot, ret_fd) == 0) {
        return 0;
    }
    int r = slot_init(&slot, dir_fd, config, megabinary, layout);
    if (r < 0) {
        return error_set(err, -r, "cache: cannot name the object");
    }
    if (object_reuse(&slot, ret_fd) == 0) {
        return 0;
    }
    if (!config->is_compile_allowed) {
        r = error_set(err, ENOENT, "cache: no object for megabinary sha256:%.64s", slot.name);
        return error_hint(err, r, "compile it first: recompiler prepare IMAGE");
    }
    _cleanup_(fd_closep) int lock_fd = -1;
    _cleanup_(fd_closep) int profile_fd = -1;
    r = lock_take(&slot, &lock_fd, err);
    if (r < 0 || object_reuse(&slot, ret_fd) == 0) {
        return r;
    }
    r = layout_open(dir_fd, megabinary, layout, &profile_fd, err);
    r = r < 0 ? r : object_make(config, &slot, directory, megabinary_fd, megabinary, profile_fd, err);
    if (r == 0 && object_reuse(&slot, ret_fd) < 0) {
        r = error_set(err, EIO, "cache: the object changed while it was written");
    }
    return r;
}

int cache_object(const CacheConfig *config, int megabinary_fd, const Digest *megabinary, int *ret_fd, Error *err)
{
    must(config != NULL && megabinary != NULL && ret_fd != NULL);
    must(!config->is_recording || (config->profile == NULL && !config->is_profile_forgotten));
    _cleanup_(freep) char *directory = NULL;
    _cleanup_(fd_closep) int dir_fd = -1;
    int r = directory_open(config->cache_dir, &directory, &dir_fd, err);
    if (r < 0) {
        return r;
    }
    CacheLayout layout = {.text = BUF_INIT(PROFILE_SIZE_MAXIMUM)};
    const bool is_remembered = config->profile != NULL || config->is_profile_forgotten;
    if (config->profile != NULL) {
        r = layout_given(config->profile, &layout, err);
    } else if (!config->is_profile_forgotten && !config->is_recording) {
        layout_kept(dir_fd, megabinary, &layout);
    }
    r = r < 0 ? r : object_get(config, dir_fd, directory, megabinary_fd, megabinary, &layout, ret_fd, err);
    if (layout.is_laid_out && r == -ESTALE) { /* never of a profile that was given */
        layout_kept(dir_fd, megabinary, &layout);
        r = object_get(config, dir_fd, directory, megabinary_fd, megabinary, &layout, ret_fd, err);
    }
    if (layout.is_laid_out && config->profile == NULL && (r == -ESTALE || (r == -ENOENT && !config->is_compile_allowed))) {
        layout.is_laid_out = false; /* what is remembered has no object and can or may get none: any object will do */
        r = object_get(config, dir_fd, directory, megabinary_fd, megabinary, &layout, ret_fd, err);
    }
    if (r == 0 && is_remembered) {
        r = layout_remember(dir_fd, megabinary, &layout, err);
        if (r < 0) {
            *ret_fd = fd_close(*ret_fd);
        }
    }
    buf_deinit(&layout.text);
    return r;
}
