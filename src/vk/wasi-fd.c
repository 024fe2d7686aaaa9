/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wasi-fd.c - fd_*: calls on open descriptors.
 */
#include "wasi-int.h"

#include <dirent.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum { FDFLAG_APPEND = 1, FDFLAG_DSYNC = 2, FDFLAG_NONBLOCK = 4, FDFLAG_RSYNC = 8, FDFLAG_SYNC = 16 };
enum { FST_ATIM = 1, FST_ATIM_NOW = 2, FST_MTIM = 4, FST_MTIM_NOW = 8 };

#define WASI_IOV_COUNT 1024u /* UIO_MAXIOV */

void wasi_filestat_fill(const struct stat *status, WasiFilestat *ret_stat)
{
    uint8_t type = WASI_TYPE_UNKNOWN;
    switch (status->st_mode & S_IFMT) {
    case S_IFBLK: type = WASI_TYPE_BLOCK_DEVICE; break;
    case S_IFCHR: type = WASI_TYPE_CHARACTER_DEVICE; break;
    case S_IFDIR: type = WASI_TYPE_DIRECTORY; break;
    case S_IFREG: type = WASI_TYPE_REGULAR_FILE; break;
    case S_IFLNK: type = WASI_TYPE_SYMBOLIC_LINK; break;
    case S_IFSOCK: type = WASI_TYPE_SOCKET_STREAM; break;
    default: break;
    }
    *ret_stat = (WasiFilestat){
        .dev = status->st_dev,
        .ino = status->st_ino,
        .type = type,
        .nlink = status->st_nlink,
        .size = (uint64_t)status->st_size,
        .atim = (uint64_t)status->st_atim.tv_sec * 1000000000u + (uint64_t)status->st_atim.tv_nsec,
        .mtim = (uint64_t)status->st_mtim.tv_sec * 1000000000u + (uint64_t)status->st_mtim.tv_nsec,
        .ctim = (uint64_t)status->st_ctim.tv_sec * 1000000000u + (uint64_t)status->st_ctim.tv_nsec,
    };
}

WasiErrno wasi_times(uint64_t atim, uint64_t mtim, uint32_t flags, struct timespec ret_times[2])
{
    if ((flags & ~(uint32_t)(FST_ATIM | FST_ATIM_NOW | FST_MTIM | FST_MTIM_NOW)) != 0 || (flags & (FST_ATIM | FST_ATIM_NOW)) == (FST_ATIM | FST_ATIM_NOW) ||
        (flags & (FST_MTIM | FST_MTIM_NOW)) == (FST_MTIM | FST_MTIM_NOW)) {
        return WASI_E_INVAL;
    }
    ret_times[0] = (struct timespec){.tv_nsec = UTIME_OMIT};
    ret_times[1] = (struct timespec){.tv_nsec = UTIME_OMIT};
    if ((flags & FST_ATIM) != 0) {
        ret_times[0] = (struct timespec){.tv_sec = (time_t)(atim / 1000000000u), .tv_nsec = (long)(atim % 1000000000u)};
    } else if ((flags & FST_ATIM_NOW) != 0) {
        ret_times[0].tv_nsec = UTIME_NOW;
    }
    if ((flags & FST_MTIM) != 0) {
        ret_times[1] = (struct timespec){.tv_sec = (time_t)(mtim / 1000000000u), .tv_nsec = (long)(mtim % 1000000000u)};
    } else if ((flags & FST_MTIM_NOW) != 0) {
        ret_times[1].tv_nsec = UTIME_NOW;
    }
    return WASI_E_SUCCESS;
}

static WasiErrno iovec_take(const Vk *vk, uint32_t address, uint32_t count, struct iovec *iovecs)
{
    if (count > WASI_IOV_COUNT) {
        return WASI_E_INVAL;
    }
    return wasi_errno(vk_copy_iovec(vk, iovecs, address, (int32_t)count));
}

/* read and write in their four forms; offset is used when is_positioned. */
static WasiErrno transfer(RtInstance *instance, uint32_t fd, uint32_t address, uint32_t count, bool is_write, bool is_positioned, uint64_t offset, uint32_t ret)
{
    Vk *vk = wasi_vk(instance);
    WasiSlot *slot;
    struct iovec iovecs[WASI_IOV_COUNT];
    uint64_t rights = is_write ? WASI_RIGHT_FD_WRITE : WASI_RIGHT_FD_READ;
    if (is_positioned) {
        rights |= WASI_RIGHT_FD_SEEK;
    }
    WasiErrno error = wasi_slot(vk, fd, rights, &slot);
    if (error == WASI_E_NOTCAPABLE && fd < vk->fd_limit && vk->wasi->slots[fd].type == WASI_TYPE_DIRECTORY) {
        return is_write ? WASI_E_BADF : WASI_E_ISDIR;
    }
    if (error == WASI_E_NOTCAPABLE && !is_positioned) {
        error = WASI_E_BADF; /* as read(2) on a descriptor open for writing only */
    }
    error = error != WASI_E_SUCCESS ? error : iovec_take(vk, address, count, iovecs);
    if (error != WASI_E_SUCCESS) {
        return error;
    }
    if (is_positioned && offset > INT64_MAX) {
        return WASI_E_INVAL;
    }
    int64_t done;
    if (is_positioned) {
        done = vk_block(vk, is_write ? SYS_pwritev : SYS_preadv, fd, VK_PTR(iovecs), count, offset, 0, 0);
    } else {
        done = vk_block(vk, is_write ? SYS_writev : SYS_readv, fd, VK_PTR(iovecs), count, 0, 0, 0);
    }
    if (done < 0) {
        return wasi_errno(done);
    }
    const uint32_t size = (uint32_t)done; /* at most 2 GiB by the kernel */
    return wasi_put(vk, ret, &size, sizeof size);
}

static uint32_t wasi_fd_read(RtInstance *instance, uint32_t fd, uint32_t iovecs, uint32_t count, uint32_t ret)
{
    return transfer(instance, fd, iovecs, count, false, false, 0, ret);
}

static uint32_t wasi_fd_write(RtInstance *instance, uint32_t fd, uint32_t iovecs, uint32_t count, uint32_t ret)
{
    return transfer(instance, fd, iovecs, count, true, false, 0, ret);
}

static uint32_t wasi_fd_pread(RtInstance *instance, uint32_t fd, uint32_t iovecs, uint32_t count, uint64_t offset, uint32_t ret)
{
    return transfer(instance, fd, iovecs, count, false, true, offset, ret);
}

static uint32_t wasi_fd_pwrite(RtInstance *instance, uint32_t fd, uint32_t iovecs, uint32_t count, uint64_t offset, uint32_t ret)
{
    return transfer(instance, fd, iovecs, count, true, true, offset, ret);
}

static uint32_t wasi_fd_close(RtInstance *instance, uint32_t fd)
{
    Vk *vk = wasi_vk(instance);
    WasiSlot *slot;
    VK_GUARD(&vk->wasi_lock);
    const WasiErrno error = wasi_slot(vk, fd, 0, &slot);
    if (error != WASI_E_SUCCESS) {
        return error;
    }
    *slot = (WasiSlot){.is_open = false};
    return wasi_errno(vk_sys1(SYS_close, fd));
}

static uint32_t wasi_fd_renumber(RtInstance *instance, uint32_t from, uint32_t to)
{
    Vk *vk = wasi_vk(instance);
    WasiSlot *source;
    WasiSlot *target;
    VK_GUARD(&vk->wasi_lock);
    WasiErrno error = wasi_slot(vk, from, 0, &source);
    error = error != WASI_E_SUCCESS ? error : wasi_slot(vk, to, 0, &target); /* both must be open: witx */
    if (error != WASI_E_SUCCESS || from == to) {
        return error;
    }
    const int64_t r = vk_sys3(SYS_dup3, from, to, O_CLOEXEC);
    if (r < 0) {
        return wasi_errno(r);
    }
    *target = *source;
    *source = (WasiSlot){.is_open = false};
    return wasi_errno(vk_sys1(SYS_close, from));
}

static WasiErrno seek(RtInstance *instance, uint32_t fd, uint64_t rights, int64_t offset, uint32_t whence, uint32_t ret)
{
    static const int whences[] = {SEEK_SET, SEEK_CUR, SEEK_END};
    Vk *vk = wasi_vk(instance);
    WasiSlot *slot;
    if (whence >= 3) {
        return WASI_E_INVAL;
    }
    WasiErrno error = wasi_slot(vk, fd, rights, &slot);
    if (error == WASI_E_NOTCAPABLE) {
        const uint8_t type = vk->wasi->slots[fd].type;
        error = type == WASI_TYPE_DIRECTORY ? WASI_E_BADF : type == WASI_TYPE_REGULAR_FILE ? error : wasi_errno(ESPIPE);
    }
    if (error != WASI_E_SUCCESS) {
        return error;
    }
    const int64_t position = vk_sys3(SYS_lseek, fd, (uint64_t)offset, whences[whence]);
    return position < 0 ? wasi_errno(position) : wasi_put(vk, ret, &position, sizeof position);
}

static uint32_t wasi_fd_seek(RtInstance *instance, uint32_t fd, uint64_t offset, uint32_t whence, uint32_t ret)
{
    const uint64_t rights = offset == 0 && whence == 1 ? WASI_RIGHT_FD_TELL : WASI_RIGHT_FD_SEEK | WASI_RIGHT_FD_TELL;
    return seek(instance, fd, rights, (int64_t)offset, whence, ret);
}

static uint32_t wasi_fd_tell(RtInstance *instance, uint32_t fd, uint32_t ret)
{
    return seek(instance, fd, WASI_RIGHT_FD_TELL, 0, 1, ret);
}

/* fsync-like calls and others that need one right and one host call. */
static WasiErrno simple(RtInstance *instance, uint32_t fd, uint64_t rights, long number, uint64_t a, uint64_t b, uint64_t c)
{
    Vk *vk = wasi_vk(instance);
    WasiSlot *slot;
    const WasiErrno error = wasi_slot(vk, fd, rights, &slot);
    return error != WASI_E_SUCCESS ? error : wasi_errno(vk_sys4(number, fd, a, b, c));
}

static uint32_t wasi_fd_sync(RtInstance *instance, uint32_t fd)
{
    return simple(instance, fd, WASI_RIGHT_FD_SYNC, SYS_fsync, 0, 0, 0);
}

static uint32_t wasi_fd_datasync(RtInstance *instance, uint32_t fd)
{
    return simple(instance, fd, WASI_RIGHT_FD_DATASYNC, SYS_fdatasync, 0, 0, 0);
}

static uint32_t wasi_fd_advise(RtInstance *instance, uint32_t fd, uint64_t offset, uint64_t size, uint32_t advice)
{
    static const int advices[] = {POSIX_FADV_NORMAL, POSIX_FADV_SEQUENTIAL, POSIX_FADV_RANDOM, POSIX_FADV_WILLNEED, POSIX_FADV_DONTNEED, POSIX_FADV_NOREUSE};
    if (advice >= sizeof advices / sizeof advices[0] || offset > INT64_MAX || size > INT64_MAX) {
        return WASI_E_INVAL;
    }
    Vk *vk = wasi_vk(instance);
    if (fd < vk->fd_limit && vk->wasi->slots[fd].is_open && vk->wasi->slots[fd].type == WASI_TYPE_DIRECTORY) {
        return WASI_E_BADF;
    }
    return simple(instance, fd, WASI_RIGHT_FD_ADVISE, SYS_fadvise64, offset, size, (uint64_t)advices[advice]);
}

static uint32_t wasi_fd_allocate(RtInstance *instance, uint32_t fd, uint64_t offset, uint64_t size)
{
    if (offset > INT64_MAX || size > INT64_MAX || size == 0) {
        return WASI_E_INVAL;
    }
    return simple(instance, fd, WASI_RIGHT_FD_ALLOCATE, SYS_fallocate, 0, offset, size);
}

static uint32_t wasi_fd_filestat_set_size(RtInstance *instance, uint32_t fd, uint64_t size)
{
    if (size > INT64_MAX) {
        return WASI_E_INVAL;
    }
    return simple(instance, fd, WASI_RIGHT_FD_FILESTAT_SET_SIZE, SYS_ftruncate, size, 0, 0);
}

static uint32_t wasi_fd_filestat_set_times(RtInstance *instance, uint32_t fd, uint64_t atim, uint64_t mtim, uint32_t flags)
{
    struct timespec times[2];
    Vk *vk = wasi_vk(instance);
    WasiSlot *slot;
    WasiErrno error = wasi_times(atim, mtim, flags, times);
    error = error != WASI_E_SUCCESS ? error : wasi_slot(vk, fd, WASI_RIGHT_FD_FILESTAT_SET_TIMES, &slot);
    if (error != WASI_E_SUCCESS) {
        return error;
    }
    const int64_t pinned = vk_fd_pin(vk, (int32_t)fd);
    if (pinned < 0) {
        return wasi_errno(pinned);
    }
    const int r = vk_inode_check(vk, (int32_t)pinned);
    return wasi_errno(vk_fd_unpin((int32_t)fd, pinned, r < 0 ? r : vk_sys4(SYS_utimensat, pinned, 0, VK_PTR(times), 0)));
}

static uint32_t wasi_fd_filestat_get(RtInstance *instance, uint32_t fd, uint32_t ret)
{
    Vk *vk = wasi_vk(instance);
    WasiSlot *slot;
    struct stat status;
    const WasiErrno error = wasi_slot(vk, fd, WASI_RIGHT_FD_FILESTAT_GET, &slot);
    if (error != WASI_E_SUCCESS) {
        return error;
    }
    if (fstat((int)fd, &status) < 0) {
        return wasi_errno(errno);
    }
    WasiFilestat out;
    wasi_filestat_fill(&status, &out);
    out.type = slot->type;
    return wasi_put(vk, ret, &out, sizeof out);
}

static uint32_t wasi_fd_fdstat_get(RtInstance *instance, uint32_t fd, uint32_t ret)
{
    Vk *vk = wasi_vk(instance);
    WasiSlot *slot;
    const WasiErrno error = wasi_slot(vk, fd, 0, &slot);
    if (error != WASI_E_SUCCESS) {
        return error;
    }
    const int flags = fcntl((int)fd, F_GETFL);
    if (flags < 0) {
        return wasi_errno(errno);
    }
    WasiFdstat out = {.type = slot->type, .rights = slot->rights, .inheriting = slot->inheriting};
    out.flags = (uint16_t)(((flags & O_APPEND) != 0 ? FDFLAG_APPEND : 0) | ((flags & O_NONBLOCK) != 0 ? FDFLAG_NONBLOCK : 0) |
                           ((flags & O_SYNC) == O_SYNC ? FDFLAG_SYNC | FDFLAG_RSYNC : (flags & O_DSYNC) != 0 ? FDFLAG_DSYNC : 0));
    return wasi_put(vk, ret, &out, sizeof out);
}

static uint32_t wasi_fd_fdstat_set_flags(RtInstance *instance, uint32_t fd, uint32_t flags)
{
    Vk *vk = wasi_vk(instance);
    WasiSlot *slot;
    const WasiErrno error = wasi_slot(vk, fd, WASI_RIGHT_FD_SET_FLAGS, &slot);
    if (error != WASI_E_SUCCESS) {
        return error;
    }
    if ((flags & ~31u) != 0) {
        return WASI_E_INVAL;
    }
    if ((flags & (FDFLAG_DSYNC | FDFLAG_SYNC | FDFLAG_RSYNC)) != 0) {
        return WASI_E_NOTSUP; /* Linux cannot change them on an open file: fcntl(2) */
    }
    const int old = fcntl((int)fd, F_GETFL);
    const int wanted = (old & ~(O_APPEND | O_NONBLOCK)) | ((flags & FDFLAG_APPEND) != 0 ? O_APPEND : 0) | ((flags & FDFLAG_NONBLOCK) != 0 ? O_NONBLOCK : 0);
    return old < 0 || fcntl((int)fd, F_SETFL, wanted) < 0 ? wasi_errno(errno) : WASI_E_SUCCESS;
}

static uint32_t wasi_fd_fdstat_set_rights(RtInstance *instance, uint32_t fd, uint64_t rights, uint64_t inheriting)
{
    Vk *vk = wasi_vk(instance);
    WasiSlot *slot;
    const WasiErrno error = wasi_slot(vk, fd, 0, &slot);
    if (error != WASI_E_SUCCESS) {
        return error;
    }
    VK_GUARD(&vk->wasi_lock);
    if ((rights & ~slot->rights) != 0 || (inheriting & ~slot->inheriting) != 0) {
        return WASI_E_NOTCAPABLE;
    }
    slot->rights = rights;
    slot->inheriting = inheriting;
    return WASI_E_SUCCESS;
}

static uint32_t wasi_fd_prestat_get(RtInstance *instance, uint32_t fd, uint32_t ret)
{
    Vk *vk = wasi_vk(instance);
    WasiSlot *slot;
    const WasiErrno error = wasi_slot(vk, fd, 0, &slot);
    const char *preopen = error == WASI_E_SUCCESS ? __atomic_load_n(&slot->preopen, __ATOMIC_RELAXED) : NULL; /* once: another thread may close it */
    if (preopen == NULL) {
        return WASI_E_BADF;
    }
    const WasiPrestat out = {.tag = 0, .name_size = (uint32_t)strlen(preopen)};
    return wasi_put(vk, ret, &out, sizeof out);
}

static uint32_t wasi_fd_prestat_dir_name(RtInstance *instance, uint32_t fd, uint32_t to, uint32_t size)
{
    Vk *vk = wasi_vk(instance);
    WasiSlot *slot;
    const WasiErrno error = wasi_slot(vk, fd, 0, &slot);
    const char *preopen = error == WASI_E_SUCCESS ? __atomic_load_n(&slot->preopen, __ATOMIC_RELAXED) : NULL;
    if (preopen == NULL) {
        return WASI_E_BADF;
    }
    const size_t name_size = strlen(preopen);
    return size < name_size ? WASI_E_NAMETOOLONG : wasi_put(vk, to, preopen, name_size);
}

/* --- readdir --- */

typedef struct HostDirent { /* struct linux_dirent64, getdents64(2) */
    uint64_t ino;
    int64_t next;
    uint16_t size;
    uint8_t type;
    char name[];
} HostDirent;

static uint8_t dirent_type(uint8_t type)
{
    switch (type) {
    case DT_BLK: return WASI_TYPE_BLOCK_DEVICE;
    case DT_CHR: return WASI_TYPE_CHARACTER_DEVICE;
    case DT_DIR: return WASI_TYPE_DIRECTORY;
    case DT_REG: return WASI_TYPE_REGULAR_FILE;
    case DT_LNK: return WASI_TYPE_SYMBOLIC_LINK;
    case DT_SOCK: return WASI_TYPE_SOCKET_STREAM;
    default: return WASI_TYPE_UNKNOWN;
    }
}

/* As much of bytes as fits at *used; the last entry may be cut: witx says so, and the caller asks again. */
static int put_part(const Vk *vk, uint32_t to, uint32_t size, uint32_t *used, const void *bytes, size_t count)
{
    const size_t room = size - *used;
    const size_t part = count < room ? count : room;
    if (vk_copy_out(vk, to + *used, bytes, part) < 0) {
        return -EFAULT;
    }
    *used += (uint32_t)part;
    return 0;
}

static uint32_t wasi_fd_readdir(RtInstance *instance, uint32_t fd, uint32_t to, uint32_t size, uint64_t cookie, uint32_t ret)
{
    Vk *vk = wasi_vk(instance);
    WasiSlot *slot;
    WasiErrno error = wasi_slot(vk, fd, WASI_RIGHT_FD_READDIR, &slot);
    if (error != WASI_E_SUCCESS) {
        return error == WASI_E_NOTCAPABLE && vk->wasi->slots[fd].type != WASI_TYPE_DIRECTORY ? WASI_E_NOTDIR : error;
    }
    if (rt_guest(instance, to, size) == NULL) {
        return WASI_E_FAULT;
    }
    int64_t r = vk_sys3(SYS_lseek, fd, cookie, SEEK_SET); /* the cookie is getdents64's d_off: the kernel's own */
    if (r < 0) {
        return wasi_errno(r);
    }
    uint32_t used = 0;
    while (used < size) {
        _Alignas(8) char block[16 << 10];
        const int64_t got = vk_sys3(SYS_getdents64, fd, VK_PTR(block), sizeof block);
        if (got < 0) {
            return wasi_errno(got);
        }
        if (got == 0) {
            break;
        }
        for (int64_t at = 0; at < got && used < size;) {
            const HostDirent *host = (const HostDirent *)(const void *)(block + at);
            const WasiDirent out = {.next = (uint64_t)host->next, .ino = host->ino, .name_size = (uint32_t)strlen(host->name), .type = dirent_type(host->type)};
            if (put_part(vk, to, size, &used, &out, sizeof out) < 0 || put_part(vk, to, size, &used, host->name, out.name_size) < 0) {
                return WASI_E_FAULT;
            }
            at += host->size;
        }
    }
    return wasi_put(vk, ret, &used, sizeof used);
}

#define ROW(name, signature) {#name, signature, (const void *)wasi_##name}
const WasiRow wasi_fd_rows[] = {
    ROW(fd_read, "iiii:i"),          ROW(fd_write, "iiii:i"),         ROW(fd_pread, "iiiIi:i"),          ROW(fd_pwrite, "iiiIi:i"),
    ROW(fd_close, "i:i"),            ROW(fd_renumber, "ii:i"),        ROW(fd_seek, "iIii:i"),            ROW(fd_tell, "ii:i"),
    ROW(fd_sync, "i:i"),             ROW(fd_datasync, "i:i"),         ROW(fd_advise, "iIIi:i"),          ROW(fd_allocate, "iII:i"),
    ROW(fd_filestat_set_size, "iI:i"), ROW(fd_filestat_set_times, "iIIi:i"), ROW(fd_filestat_get, "ii:i"), ROW(fd_fdstat_get, "ii:i"),
    ROW(fd_fdstat_set_flags, "ii:i"), ROW(fd_fdstat_set_rights, "iII:i"), ROW(fd_prestat_get, "ii:i"),   ROW(fd_prestat_dir_name, "iii:i"),
    ROW(fd_readdir, "iiiIi:i"),      {NULL, NULL, NULL},
};
