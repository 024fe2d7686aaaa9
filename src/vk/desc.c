/* SPDX-License-Identifier: Apache-2.0 */
/*
 * desc.c - calls on descriptors: reading and writing, duplicating, fcntl, pipes, event descriptors.
 *
 * Guest and host share the process's descriptor table. The kernel hands out the lowest free number, so the guest's stay
 * below fd_limit as long as it has fewer than that; vk_fd_new() refuses the first one above, and vk_fd_is_bad() refuses
 * every number above in every call, which is where the runtime's own descriptors live.
 */
#include "vk-int.h"

#include <linux/falloc.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define NOEXEC_SEAL 0x8u /* MFD_NOEXEC_SEAL of Linux 6.3; Debian 12's headers do not know it */

int64_t vk_fd_new(Vk *vk, int64_t fd, bool is_cloexec)
{
    if (fd < 0) {
        return fd;
    }
    if (unlikely((uint64_t)fd >= __atomic_load_n(&vk->limits[RLIMIT_NOFILE][0], __ATOMIC_RELAXED))) {
        (void)vk_sys1(SYS_close, fd);
        return -EMFILE;
    }
    if (is_cloexec) {
        vk_note_cloexec(vk, fd);
    }
    return fd;
}

int64_t vk_fd_pin(const Vk *vk, int32_t fd)
{
    return fd >= 0 && vk_has_threads(vk) ? vk_sys3(SYS_fcntl, fd, F_DUPFD_CLOEXEC, vk->config.minimum_fd) : fd;
}

int64_t vk_sys_read(Vk *vk, int32_t fd, GuestAddr buf, uint32_t count)
{
    void *host = vk_guest(vk, buf, count);
    if (vk_fd_is_bad(vk, fd)) {
        return -EBADF;
    }
    if (unlikely(host == NULL)) {
        return -EFAULT;
    }
    return vk_block(vk, SYS_read, fd, VK_PTR(host), count, 0, 0, 0);
}

int64_t vk_sys_write(Vk *vk, int32_t fd, GuestAddr buf, uint32_t count)
{
    const void *host = vk_guest(vk, buf, count);
    if (vk_fd_is_bad(vk, fd)) {
        return -EBADF;
    }
    if (unlikely(host == NULL)) {
        return -EFAULT;
    }
    return vk_block(vk, SYS_write, fd, VK_PTR(host), count, 0, 0, 0);
}

int64_t vk_sys_pread64(Vk *vk, int32_t fd, GuestAddr buf, uint32_t count, int64_t offset)
{
    void *host = vk_guest(vk, buf, count);
    if (vk_fd_is_bad(vk, fd)) {
        return -EBADF;
    }
    return host == NULL ? -EFAULT : vk_block(vk, SYS_pread64, fd, VK_PTR(host), count, offset, 0, 0);
}

int64_t vk_sys_pwrite64(Vk *vk, int32_t fd, GuestAddr buf, uint32_t count, int64_t offset)
{
    const void *host = vk_guest(vk, buf, count);
    if (vk_fd_is_bad(vk, fd)) {
        return -EBADF;
    }
    return host == NULL ? -EFAULT : vk_block(vk, SYS_pwrite64, fd, VK_PTR(host), count, offset, 0, 0);
}

static int64_t vectored(Vk *vk, long number, int32_t fd, GuestAddr iov, int32_t count, int64_t low, int64_t high)
{
    if (vk_fd_is_bad(vk, fd)) {
        return -EBADF;
    }
    struct iovec host[WALI_IOV_MAX];
    const int r = vk_copy_iovec(vk, host, iov, count);
    return r < 0 ? r : vk_block(vk, number, fd, VK_PTR(host), count, low, high, 0);
}

int64_t vk_sys_readv(Vk *vk, int32_t fd, GuestAddr iov, int32_t count) { return vectored(vk, SYS_readv, fd, iov, count, 0, 0); }
int64_t vk_sys_writev(Vk *vk, int32_t fd, GuestAddr iov, int32_t count) { return vectored(vk, SYS_writev, fd, iov, count, 0, 0); }

int64_t vk_sys_preadv(Vk *vk, int32_t fd, GuestAddr iov, int32_t count, int64_t low, int64_t high)
{
    (void)high; /* only 32-bit kernels look at it; long is 64 bit here: preadv(2) */
    return vectored(vk, SYS_preadv, fd, iov, count, low, 0);
}

int64_t vk_sys_pwritev(Vk *vk, int32_t fd, GuestAddr iov, int32_t count, int64_t low, int64_t high)
{
    (void)high;
    return vectored(vk, SYS_pwritev, fd, iov, count, low, 0);
}

int64_t vk_sys_close(Vk *vk, int32_t fd)
{
    return vk_fd_is_bad(vk, fd) ? -EBADF : vk_sys1(SYS_close, fd);
}

int64_t vk_sys_close_range(Vk *vk, uint32_t first, uint32_t last, uint32_t flags)
{
    if (first > last || (flags & ~(CLOSE_RANGE_CLOEXEC | CLOSE_RANGE_UNSHARE)) != 0) {
        return -EINVAL;
    }
    const uint32_t end = (uint32_t)(vk->config.minimum_fd < LIMIT_GUEST_FDS ? vk->config.minimum_fd : LIMIT_GUEST_FDS);
    if (first >= end) {
        return 0; /* what is above does not exist for the guest */
    }
    last = last < end ? last : end - 1;
    const int64_t r = vk_sys3(SYS_close_range, first, last, flags & CLOSE_RANGE_CLOEXEC);
    for (uint32_t fd = first; r == 0 && (flags & CLOSE_RANGE_CLOEXEC) != 0 && fd <= last; fd++) {
        vk_note_cloexec(vk, fd);
    }
    return r;
}

int64_t vk_sys_lseek(Vk *vk, int32_t fd, int64_t offset, int32_t whence)
{
    return vk_fd_is_bad(vk, fd) ? -EBADF : vk_sys3(SYS_lseek, fd, offset, whence);
}

int64_t vk_sys_dup(Vk *vk, int32_t fd)
{
    return vk_fd_is_bad(vk, fd) ? -EBADF : vk_fd_new(vk, vk_sys1(SYS_dup, fd), false);
}

static bool new_is_bad(const Vk *vk, int32_t fd)
{
    return fd < 0 || (uint64_t)fd >= __atomic_load_n(&vk->limits[RLIMIT_NOFILE][0], __ATOMIC_RELAXED);
}

int64_t vk_sys_dup2(Vk *vk, int32_t fd, int32_t newfd)
{
    return vk_fd_is_bad(vk, fd) || new_is_bad(vk, newfd) ? -EBADF : vk_sys2(SYS_dup2, fd, newfd);
}

int64_t vk_sys_dup3(Vk *vk, int32_t fd, int32_t newfd, uint32_t flags)
{
    if (vk_fd_is_bad(vk, fd) || new_is_bad(vk, newfd)) {
        return -EBADF;
    }
    const int64_t r = vk_sys3(SYS_dup3, fd, newfd, flags);
    return r < 0 ? r : vk_fd_new(vk, r, (flags & O_CLOEXEC) != 0);
}

int64_t vk_sys_pipe(Vk *vk, GuestAddr fds) { return vk_sys_pipe2(vk, fds, 0); }

int64_t vk_sys_pipe2(Vk *vk, GuestAddr address, uint32_t flags)
{
    int fds[2];
    int64_t r = vk_sys2(SYS_pipe2, VK_PTR(fds), flags);
    if (r < 0) {
        return r;
    }
    const bool is_cloexec = (flags & O_CLOEXEC) != 0;
    const int64_t a = vk_fd_new(vk, fds[0], is_cloexec);
    const int64_t b = vk_fd_new(vk, fds[1], is_cloexec);
    r = a < 0 || b < 0 ? -EMFILE : vk_copy_out(vk, address, fds, sizeof fds);
    if (r < 0) {
        if (a >= 0) {
            (void)vk_sys1(SYS_close, a);
        }
        if (b >= 0) {
            (void)vk_sys1(SYS_close, b);
        }
    }
    return r;
}

static int64_t fcntl_lock(Vk *vk, int32_t fd, int32_t command, GuestAddr address)
{
    WaliFlock guest;
    if (vk_copy_in(vk, &guest, address, sizeof guest) < 0) {
        return -EFAULT;
    }
    struct flock lock = {.l_type = guest.l_type, .l_whence = guest.l_whence, .l_start = guest.l_start, .l_len = guest.l_len, .l_pid = guest.l_pid};
    const int64_t r = vk_block(vk, SYS_fcntl, fd, command, VK_PTR(&lock), 0, 0, 0);
    if (r < 0 || (command != F_GETLK && command != F_OFD_GETLK)) {
        return r;
    }
    guest = (WaliFlock){.l_type = lock.l_type, .l_whence = lock.l_whence, .l_start = lock.l_start, .l_len = lock.l_len, .l_pid = lock.l_pid};
    return vk_copy_out(vk, address, &guest, sizeof guest);
}

int64_t vk_sys_fcntl(Vk *vk, int32_t fd, int32_t command, int64_t arg)
{
    const int32_t value = (int32_t)arg; /* the upper half is undefined when the guest passed an int or a pointer */
    if (vk_fd_is_bad(vk, fd)) {
        return -EBADF;
    }
    switch (command) {
    case F_DUPFD:
    case F_DUPFD_CLOEXEC:
        if (new_is_bad(vk, value)) {
            return -EINVAL;
        }
        return vk_fd_new(vk, vk_sys3(SYS_fcntl, fd, command, value), command == F_DUPFD_CLOEXEC);
    case F_SETFD:
        if ((value & FD_CLOEXEC) != 0) {
            vk_note_cloexec(vk, fd);
        }
        return vk_sys3(SYS_fcntl, fd, command, value & FD_CLOEXEC);
    case F_GETFD: case F_GETFL: case F_GETOWN: case F_GETSIG: case F_GETLEASE: case F_GETPIPE_SZ: case F_GET_SEALS:
        return vk_sys3(SYS_fcntl, fd, command, 0);
    case F_SETOWN:
        if (value == INT32_MIN || (value != 0 && !vk_pid_is_ours(vk, value < 0 ? -value : value))) {
            return -EPERM; /* signals to a process that is not the container's */
        }
        return vk_sys3(SYS_fcntl, fd, command, value);
    case F_SETFL: case F_SETPIPE_SZ: case F_ADD_SEALS:
        return vk_sys3(SYS_fcntl, fd, command, value);
    case F_SETSIG:
        return value >= 0 && value < WALI_NSIG ? vk_sys3(SYS_fcntl, fd, command, value) : -EINVAL;
    case F_GETLK: case F_SETLK: case F_SETLKW: case F_OFD_GETLK: case F_OFD_SETLK: case F_OFD_SETLKW:
        return fcntl_lock(vk, fd, command, (GuestAddr)arg);
    case F_SETOWN_EX:
    case F_GETOWN_EX: {
        WaliOwnerEx owner = {0};
        if (command == F_SETOWN_EX && vk_copy_in(vk, &owner, (GuestAddr)arg, sizeof owner) < 0) {
            return -EFAULT;
        }
        if (command == F_SETOWN_EX && owner.pid != 0 && !vk_pid_is_ours(vk, owner.pid)) {
            return -EPERM;
        }
        const int64_t r = vk_sys3(SYS_fcntl, fd, command, VK_PTR(&owner));
        return r == 0 && command == F_GETOWN_EX ? vk_copy_out(vk, (GuestAddr)arg, &owner, sizeof owner) : r;
    }
    default:
        return -EINVAL;
    }
}

int64_t vk_sys_flock(Vk *vk, int32_t fd, uint32_t operation)
{
    return vk_fd_is_bad(vk, fd) ? -EBADF : vk_block(vk, SYS_flock, fd, operation, 0, 0, 0, 0);
}

int64_t vk_sys_fsync(Vk *vk, int32_t fd) { return vk_fd_is_bad(vk, fd) ? -EBADF : vk_sys1(SYS_fsync, fd); }
int64_t vk_sys_fdatasync(Vk *vk, int32_t fd) { return vk_fd_is_bad(vk, fd) ? -EBADF : vk_sys1(SYS_fdatasync, fd); }
int64_t vk_sys_syncfs(Vk *vk, int32_t fd) { return vk_fd_is_bad(vk, fd) ? -EBADF : vk_sys1(SYS_syncfs, fd); }

int64_t vk_sys_sync(Vk *vk)
{
    return vk_sys1(SYS_syncfs, vk->config.root_fd) < 0 ? 0 : 0; /* the guest's root only: sync(2) never fails */
}

int64_t vk_sys_ftruncate(Vk *vk, int32_t fd, int64_t size)
{
    return vk_fd_is_bad(vk, fd) ? -EBADF : vk_sys2(SYS_ftruncate, fd, size);
}

int64_t vk_sys_fallocate(Vk *vk, int32_t fd, uint32_t mode, int64_t offset, int64_t size)
{
    return vk_fd_is_bad(vk, fd) ? -EBADF : vk_block(vk, SYS_fallocate, fd, mode, offset, size, 0, 0);
}

int64_t vk_sys_fadvise(Vk *vk, int32_t fd, int64_t offset, int64_t size, int32_t advice)
{
    return vk_fd_is_bad(vk, fd) ? -EBADF : vk_sys4(SYS_fadvise64, fd, offset, size, advice);
}

int64_t vk_sys_fadvise64(Vk *vk, int32_t fd, int64_t offset, int64_t size, int32_t advice) { return vk_sys_fadvise(vk, fd, offset, size, advice); }

int64_t vk_sys_readahead(Vk *vk, int32_t fd, int64_t offset, uint32_t count)
{
    return vk_fd_is_bad(vk, fd) ? -EBADF : vk_sys3(SYS_readahead, fd, offset, count);
}

/* Calls that move bytes between two descriptors, with offsets in guest memory. */
typedef struct Offset {
    GuestAddr address;
    int64_t value;
} Offset;

static int offset_in(Vk *vk, Offset *offset)
{
    return offset->address == 0 ? 0 : vk_copy_in(vk, &offset->value, offset->address, sizeof offset->value);
}

static int64_t offset_out(Vk *vk, int64_t r, const Offset *offset)
{
    if (r >= 0 && offset->address != 0 && vk_copy_out(vk, offset->address, &offset->value, sizeof offset->value) < 0) {
        return -EFAULT;
    }
    return r;
}

int64_t vk_sys_sendfile(Vk *vk, int32_t out, int32_t in, GuestAddr offset_address, uint32_t count)
{
    Offset offset = {.address = offset_address};
    if (vk_fd_is_bad(vk, out) || vk_fd_is_bad(vk, in)) {
        return -EBADF;
    }
    if (offset_in(vk, &offset) < 0) {
        return -EFAULT;
    }
    const int64_t r = vk_block(vk, SYS_sendfile, out, in, offset_address == 0 ? 0 : VK_PTR(&offset.value), count, 0, 0);
    return offset_out(vk, r, &offset);
}

static int64_t move_between(Vk *vk, long number, int32_t in, GuestAddr in_address, int32_t out, GuestAddr out_address, uint32_t size, uint32_t flags)
{
    Offset from = {.address = in_address};
    Offset to = {.address = out_address};
    if (vk_fd_is_bad(vk, out) || vk_fd_is_bad(vk, in)) {
        return -EBADF;
    }
    if (offset_in(vk, &from) < 0 || offset_in(vk, &to) < 0) {
        return -EFAULT;
    }
    int64_t r = vk_block(vk, number, in, in_address == 0 ? 0 : VK_PTR(&from.value), out, out_address == 0 ? 0 : VK_PTR(&to.value), size, flags);
    r = offset_out(vk, r, &from);
    return offset_out(vk, r, &to);
}

int64_t vk_sys_copy_file_range(Vk *vk, int32_t in, GuestAddr in_offset, int32_t out, GuestAddr out_offset, uint32_t size, uint32_t flags)
{
    return move_between(vk, SYS_copy_file_range, in, in_offset, out, out_offset, size, flags);
}

int64_t vk_sys_splice(Vk *vk, int32_t in, GuestAddr in_offset, int32_t out, GuestAddr out_offset, uint32_t size, uint32_t flags)
{
    return move_between(vk, SYS_splice, in, in_offset, out, out_offset, size, flags);
}

int64_t vk_sys_eventfd(Vk *vk, uint32_t count) { return vk_sys_eventfd2(vk, count, 0); }

int64_t vk_sys_eventfd2(Vk *vk, uint32_t count, uint32_t flags)
{
    return vk_fd_new(vk, vk_sys2(SYS_eventfd2, count, flags), (flags & O_CLOEXEC) != 0);
}

int64_t vk_sys_timerfd_create(Vk *vk, int32_t clock, uint32_t flags)
{
    return vk_fd_new(vk, vk_sys2(SYS_timerfd_create, clock, flags), (flags & O_CLOEXEC) != 0);
}

int64_t vk_sys_timerfd_settime(Vk *vk, int32_t fd, uint32_t flags, GuestAddr new_address, GuestAddr old_address)
{
    WaliItimerspec new_value, old_value;
    _Static_assert(sizeof(WaliItimerspec) == sizeof(struct itimerspec), "same layout on a 64-bit host");
    if (vk_fd_is_bad(vk, fd)) {
        return -EBADF;
    }
    if (vk_copy_in(vk, &new_value, new_address, sizeof new_value) < 0) {
        return -EFAULT;
    }
    const int64_t r = vk_sys4(SYS_timerfd_settime, fd, flags, VK_PTR(&new_value), VK_PTR(&old_value));
    return r == 0 && old_address != 0 ? vk_copy_out(vk, old_address, &old_value, sizeof old_value) : r;
}

int64_t vk_sys_timerfd_gettime(Vk *vk, int32_t fd, GuestAddr address)
{
    WaliItimerspec value;
    if (vk_fd_is_bad(vk, fd)) {
        return -EBADF;
    }
    const int64_t r = vk_sys2(SYS_timerfd_gettime, fd, VK_PTR(&value));
    return r == 0 ? vk_copy_out(vk, address, &value, sizeof value) : r;
}

int64_t vk_sys_signalfd(Vk *vk, int32_t fd, GuestAddr mask, uint32_t size) { return vk_sys_signalfd4(vk, fd, mask, size, 0); }

int64_t vk_sys_signalfd4(Vk *vk, int32_t fd, GuestAddr address, uint32_t size, uint32_t flags)
{
    uint64_t mask;
    uint64_t *pointer;
    const int r = vk_copy_mask(vk, &mask, address, size, &pointer);
    if (r < 0 || pointer == NULL) {
        return r < 0 ? r : -EFAULT;
    }
    if (fd != -1 && vk_fd_is_bad(vk, fd)) {
        return -EBADF;
    }
    return vk_fd_new(vk, vk_sys4(SYS_signalfd4, fd, VK_PTR(pointer), sizeof mask, flags), (flags & O_CLOEXEC) != 0);
}

int64_t vk_sys_inotify_init(Vk *vk) { return vk_sys_inotify_init1(vk, 0); }

int64_t vk_sys_inotify_init1(Vk *vk, uint32_t flags)
{
    return vk_fd_new(vk, vk_sys1(SYS_inotify_init1, flags), (flags & O_CLOEXEC) != 0);
}

int64_t vk_sys_inotify_rm_watch(Vk *vk, int32_t fd, int32_t watch)
{
    return vk_fd_is_bad(vk, fd) ? -EBADF : vk_sys2(SYS_inotify_rm_watch, fd, watch);
}

int64_t vk_sys_memfd_create(Vk *vk, GuestAddr name_address, uint32_t flags)
{
    char name[256];
    const int64_t r = vk_copy_string(vk, name, sizeof name, name_address);
    if (r < 0) {
        return r == -ENAMETOOLONG ? -EINVAL : r;
    }
    if ((flags & ~(uint32_t)(MFD_CLOEXEC | MFD_ALLOW_SEALING | NOEXEC_SEAL)) != 0) { /* MFD_EXEC and huge pages are refused */
        return -EINVAL;
    }
    /* Never executable: where the kernel can say so (6.3) the seccomp filter lets nothing else through. */
    int64_t fd = vk_sys2(SYS_memfd_create, VK_PTR(name), flags | NOEXEC_SEAL);
    if (fd == -EINVAL) {
        fd = vk_sys2(SYS_memfd_create, VK_PTR(name), flags);
    } else if (fd >= 0 && (flags & (MFD_ALLOW_SEALING | NOEXEC_SEAL)) == 0) {
        (void)vk_sys3(SYS_fcntl, fd, F_ADD_SEALS, F_SEAL_SEAL); /* our flag allows seals, the guest did not ask for that */
    }
    return vk_fd_new(vk, fd, (flags & MFD_CLOEXEC) != 0);
}
