/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fs-names.c - calls that change names and inodes: link, unlink, rename, mkdir, mode, owner, times, size.
 */
#include "vk-int.h"

#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#ifndef SYS_fchmodat2
#define SYS_fchmodat2 452 /* Linux 6.6; Debian 12's headers do not know it */
#endif

/* One path, parent and last name, one call. */
static int64_t on_name(Vk *vk, int32_t dirfd, GuestAddr address, long number, uint64_t b, uint64_t c)
{
    char path[LIMIT_PATH_SIZE];
    VkPlace place;
    int64_t r = vk_copy_path(vk, path, address);
    r = r < 0 ? r : vk_place(vk, dirfd, path, VK_PLACE_PARENT, true, &place);
    if (r < 0) {
        return r;
    }
    r = vk_sys4(number, place.fd, VK_PTR(place.name), b, c);
    vk_place_deinit(&place);
    return r;
}

int64_t vk_sys_unlinkat(Vk *vk, int32_t dirfd, GuestAddr path, uint32_t flags) { return on_name(vk, dirfd, path, SYS_unlinkat, flags, 0); }
int64_t vk_sys_unlink(Vk *vk, GuestAddr path) { return on_name(vk, AT_FDCWD, path, SYS_unlinkat, 0, 0); }
int64_t vk_sys_rmdir(Vk *vk, GuestAddr path) { return on_name(vk, AT_FDCWD, path, SYS_unlinkat, AT_REMOVEDIR, 0); }
int64_t vk_sys_mkdirat(Vk *vk, int32_t dirfd, GuestAddr path, uint32_t mode) { return on_name(vk, dirfd, path, SYS_mkdirat, mode, 0); }
int64_t vk_sys_mkdir(Vk *vk, GuestAddr path, uint32_t mode) { return on_name(vk, AT_FDCWD, path, SYS_mkdirat, mode, 0); }

int64_t vk_sys_mknodat(Vk *vk, int32_t dirfd, GuestAddr path, uint32_t mode, int64_t device)
{
    const uint32_t type = mode & S_IFMT;
    if (type == S_IFCHR || type == S_IFBLK) {
        return -EPERM; /* devices come from the sandbox, never from a guest */
    }
    return on_name(vk, dirfd, path, SYS_mknodat, mode, (uint64_t)device);
}

int64_t vk_sys_mknod(Vk *vk, GuestAddr path, uint32_t mode, uint32_t device) { return vk_sys_mknodat(vk, AT_FDCWD, path, mode, device); }

int64_t vk_sys_symlinkat(Vk *vk, GuestAddr target_address, int32_t dirfd, GuestAddr address)
{
    char target[LIMIT_PATH_SIZE];
    char path[LIMIT_PATH_SIZE];
    VkPlace place;
    int64_t r = vk_copy_path(vk, target, target_address);
    r = r < 0 ? r : vk_copy_path(vk, path, address);
    r = r < 0 ? r : vk_place(vk, dirfd, path, VK_PLACE_PARENT, true, &place);
    if (r < 0) {
        return r;
    }
    r = vk_sys3(SYS_symlinkat, VK_PTR(target), place.fd, VK_PTR(place.name));
    vk_place_deinit(&place);
    return r;
}

int64_t vk_sys_symlink(Vk *vk, GuestAddr target, GuestAddr path) { return vk_sys_symlinkat(vk, target, AT_FDCWD, path); }

/* Two paths. */
static int64_t on_two_names(Vk *vk, int32_t olddirfd, GuestAddr old_address, int32_t newdirfd, GuestAddr new_address, long number, uint64_t flags)
{
    char old_path[LIMIT_PATH_SIZE];
    char new_path[LIMIT_PATH_SIZE];
    VkPlace from, to;
    int64_t r = vk_copy_path(vk, old_path, old_address);
    r = r < 0 ? r : vk_copy_path(vk, new_path, new_address);
    r = r < 0 ? r : vk_place(vk, olddirfd, old_path, VK_PLACE_PARENT, true, &from);
    if (r < 0) {
        return r;
    }
    r = vk_place(vk, newdirfd, new_path, VK_PLACE_PARENT, true, &to);
    if (r == 0) {
        r = vk_sys5(number, from.fd, VK_PTR(from.name), to.fd, VK_PTR(to.name), flags);
        vk_place_deinit(&to);
    }
    vk_place_deinit(&from);
    return r;
}

int64_t vk_sys_renameat2(Vk *vk, int32_t olddirfd, GuestAddr old_path, int32_t newdirfd, GuestAddr new_path, uint32_t flags)
{
    if ((flags & ~(uint32_t)(RENAME_NOREPLACE | RENAME_EXCHANGE)) != 0) {
        return -EINVAL; /* RENAME_WHITEOUT makes a device */
    }
    return on_two_names(vk, olddirfd, old_path, newdirfd, new_path, SYS_renameat2, flags);
}

int64_t vk_sys_renameat(Vk *vk, int32_t olddirfd, GuestAddr old_path, int32_t newdirfd, GuestAddr new_path)
{
    return vk_sys_renameat2(vk, olddirfd, old_path, newdirfd, new_path, 0);
}

int64_t vk_sys_rename(Vk *vk, GuestAddr old_path, GuestAddr new_path) { return vk_sys_renameat2(vk, AT_FDCWD, old_path, AT_FDCWD, new_path, 0); }

int64_t vk_sys_linkat(Vk *vk, int32_t olddirfd, GuestAddr old_path, int32_t newdirfd, GuestAddr new_path, uint32_t flags)
{
    if ((flags & ~(uint32_t)AT_SYMLINK_FOLLOW) != 0) {
        return (flags & AT_EMPTY_PATH) != 0 ? -ENOENT : -EINVAL; /* as without CAP_DAC_READ_SEARCH: linkat(2) */
    }
    /* Shared root: the last component must not be followed by the kernel, a symlink there could lead out of the root. */
    return on_two_names(vk, olddirfd, old_path, newdirfd, new_path, SYS_linkat, vk->config.is_root_private ? flags : 0);
}

int64_t vk_sys_link(Vk *vk, GuestAddr old_path, GuestAddr new_path) { return vk_sys_linkat(vk, AT_FDCWD, old_path, AT_FDCWD, new_path, 0); }

static bool is_lent(const Vk *vk, const struct stat *status)
{
    for (size_t i = 0; i < sizeof vk->lent / sizeof vk->lent[0]; i++) {
        if (vk->lent[i].is_there && vk->lent[i].device == status->st_dev && vk->lent[i].number == status->st_ino) {
            return true;
        }
    }
    return false;
}

bool vk_is_lent(const Vk *vk, int32_t fd)
{
    struct stat status;
    return fstat(fd, &status) == 0 && is_lent(vk, &status);
}

/* A root that cannot be remounted read-only: its files are never opened for writing (fs.c), so one that is not comes from it. Of pipes, sockets
 * and devices the file system tells. */
static bool is_of_root(const Vk *vk, int32_t fd, const struct stat *status)
{
    struct stat root;
    const int64_t flags = vk_sys2(SYS_fcntl, fd, F_GETFL);
    const bool is_named = S_ISREG(status->st_mode) || S_ISDIR(status->st_mode) || S_ISLNK(status->st_mode);
    if (flags < 0 || is_named) {
        return flags < 0 || (flags & O_PATH) != 0 || (flags & O_ACCMODE) == O_RDONLY;
    }
    return fstat(vk->config.root_fd, &root) < 0 || status->st_dev == root.st_dev;
}

int vk_inode_check(const Vk *vk, int32_t fd)
{
    const bool is_read_only = vk->config.is_root_read_only && !vk->config.is_root_private;
    struct stat status;
    if (fd == AT_FDCWD) {
        return is_read_only ? -EROFS : 0;
    }
    if (fstat(fd, &status) < 0) {
        return is_read_only && errno != EBADF ? -EROFS : 0; /* the call itself says what is wrong */
    }
    if (is_lent(vk, &status)) {
        return -EPERM;
    }
    struct stat exe;
    if (vk->exe_fd >= 0 && fstat(vk->exe_fd, &exe) == 0 && exe.st_dev == status.st_dev && exe.st_ino == status.st_ino) {
        return -EROFS; /* the image's file, or the copy of it that was hashed */
    }
    return is_read_only && is_of_root(vk, fd, &status) ? -EROFS : 0;
}

/* chmod on an O_PATH descriptor needs fchmodat2 (Linux 6.6); before, the file is opened. */
static int64_t change_mode(const VkPlace *place, uint32_t mode)
{
    if ((place->flags & (AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW)) == 0) {
        return vk_sys3(SYS_fchmodat, place->fd, VK_PTR(place->name), mode);
    }
    const int64_t r = vk_sys4(SYS_fchmodat2, place->fd, VK_PTR(place->name), mode, place->flags);
    if (r != -ENOSYS || place->owned_fd < 0) {
        return r == -ENOSYS ? -EOPNOTSUPP : r;
    }
    char self[64];
    (void)snprintf(self, sizeof self, "/proc/self/fd/%d", place->owned_fd);
    return vk_sys3(SYS_fchmodat, AT_FDCWD, VK_PTR(self), mode);
}

int64_t vk_sys_fchmodat2(Vk *vk, int32_t dirfd, GuestAddr address, uint32_t mode, uint32_t flags)
{
    char path[LIMIT_PATH_SIZE];
    VkPlace place;
    int64_t r = vk_copy_path(vk, path, address);
    if (r == 0 && (flags & ~(uint32_t)(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)) != 0) {
        r = -EINVAL;
    }
    if (r == 0 && path[0] == '\0' && (flags & AT_EMPTY_PATH) != 0) {
        return vk_sys_fchmod(vk, dirfd, mode);
    }
    r = r < 0 ? r : vk_place(vk, dirfd, path, (flags & AT_SYMLINK_NOFOLLOW) != 0 ? VK_PLACE_NOFOLLOW : VK_PLACE_FOLLOW, true, &place);
    if (r < 0) {
        return r;
    }
    r = change_mode(&place, mode & 07777);
    vk_place_deinit(&place);
    return r;
}

int64_t vk_sys_fchmodat(Vk *vk, int32_t dirfd, GuestAddr path, uint32_t mode, uint32_t flags)
{
    return vk_sys_fchmodat2(vk, dirfd, path, mode, flags);
}

int64_t vk_sys_chmod(Vk *vk, GuestAddr path, uint32_t mode) { return vk_sys_fchmodat2(vk, AT_FDCWD, path, mode, 0); }

int64_t vk_sys_fchmod(Vk *vk, int32_t fd, uint32_t mode)
{
    const int64_t pinned = vk_fd_is_bad(vk, fd) ? -EBADF : vk_fd_pin(vk, fd);
    if (pinned < 0) {
        return pinned;
    }
    const int r = vk_inode_check(vk, (int32_t)pinned);
    return vk_fd_unpin(fd, pinned, r < 0 ? r : vk_sys2(SYS_fchmod, pinned, mode & 07777));
}

int64_t vk_sys_fchownat(Vk *vk, int32_t dirfd, GuestAddr address, int32_t uid, int32_t gid, uint32_t flags)
{
    char path[LIMIT_PATH_SIZE];
    VkPlace place;
    int64_t r = vk_copy_path(vk, path, address);
    if (r == 0 && (flags & ~(uint32_t)(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)) != 0) {
        r = -EINVAL;
    }
    if (r == 0 && path[0] == '\0' && (flags & AT_EMPTY_PATH) != 0) {
        return vk_sys_fchown(vk, dirfd, uid, gid);
    }
    r = r < 0 ? r : vk_place(vk, dirfd, path, (flags & AT_SYMLINK_NOFOLLOW) != 0 ? VK_PLACE_NOFOLLOW : VK_PLACE_FOLLOW, true, &place);
    if (r < 0) {
        return r;
    }
    r = vk_sys5(SYS_fchownat, place.fd, VK_PTR(place.name), (uint32_t)uid, (uint32_t)gid, place.flags);
    vk_place_deinit(&place);
    return r;
}

int64_t vk_sys_chown(Vk *vk, GuestAddr path, int32_t uid, int32_t gid) { return vk_sys_fchownat(vk, AT_FDCWD, path, uid, gid, 0); }
int64_t vk_sys_lchown(Vk *vk, GuestAddr path, int32_t uid, int32_t gid) { return vk_sys_fchownat(vk, AT_FDCWD, path, uid, gid, AT_SYMLINK_NOFOLLOW); }

int64_t vk_sys_fchown(Vk *vk, int32_t fd, int32_t uid, int32_t gid)
{
    const int64_t pinned = vk_fd_is_bad(vk, fd) ? -EBADF : vk_fd_pin(vk, fd);
    if (pinned < 0) {
        return pinned;
    }
    const int r = vk_inode_check(vk, (int32_t)pinned);
    return vk_fd_unpin(fd, pinned, r < 0 ? r : vk_sys3(SYS_fchown, pinned, (uint32_t)uid, (uint32_t)gid));
}

/* Of what a descriptor (or AT_FDCWD) names. */
static int64_t set_times_of(const Vk *vk, int32_t fd, uint64_t name, const struct timespec *times, uint64_t flags)
{
    const int64_t pinned = vk_fd_pin(vk, fd);
    if (pinned < 0 && fd != AT_FDCWD) {
        return pinned;
    }
    const int r = vk_inode_check(vk, (int32_t)pinned);
    return vk_fd_unpin(fd, pinned, r < 0 ? r : vk_sys4(SYS_utimensat, pinned, name, VK_PTR(times), flags));
}

static int64_t set_times(Vk *vk, int32_t dirfd, const char *path, const struct timespec *times, uint32_t flags)
{
    VkPlace place;
    int64_t r = vk_place(vk, dirfd, path, (flags & AT_SYMLINK_NOFOLLOW) != 0 ? VK_PLACE_NOFOLLOW : VK_PLACE_FOLLOW, true, &place);
    if (r < 0) {
        return r;
    }
    r = vk_sys4(SYS_utimensat, place.fd, VK_PTR(place.name), VK_PTR(times), place.flags);
    vk_place_deinit(&place);
    return r;
}

int64_t vk_sys_utimensat(Vk *vk, int32_t dirfd, GuestAddr address, GuestAddr times_address, uint32_t flags)
{
    char path[LIMIT_PATH_SIZE];
    struct timespec times[2];
    if (times_address != 0 && vk_copy_in(vk, times, times_address, sizeof times) < 0) {
        return -EFAULT;
    }
    const struct timespec *pointer = times_address != 0 ? times : NULL;
    if ((flags & ~(uint32_t)(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)) != 0) {
        return -EINVAL;
    }
    if (address == 0) { /* futimens */
        return vk_fd_is_bad(vk, dirfd) ? -EBADF : set_times_of(vk, dirfd, 0, pointer, 0);
    }
    int r = vk_copy_path(vk, path, address);
    if (r < 0) {
        return r;
    }
    if (path[0] == '\0' && (flags & AT_EMPTY_PATH) != 0) {
        return vk_at_is_bad(vk, dirfd) ? -EBADF : set_times_of(vk, dirfd, VK_PTR(""), pointer, AT_EMPTY_PATH);
    }
    return set_times(vk, dirfd, path, pointer, flags);
}

int64_t vk_sys_futimesat(Vk *vk, int32_t dirfd, GuestAddr address, GuestAddr times_address)
{
    char path[LIMIT_PATH_SIZE];
    WaliTimeval times[2];
    struct timespec host[2];
    const int r = vk_copy_path(vk, path, address);
    if (r < 0) {
        return r;
    }
    if (times_address == 0) {
        return set_times(vk, dirfd, path, NULL, 0);
    }
    if (vk_copy_in(vk, times, times_address, sizeof times) < 0) {
        return -EFAULT;
    }
    for (int i = 0; i < 2; i++) {
        if (times[i].tv_usec < 0 || times[i].tv_usec >= 1000000) {
            return -EINVAL;
        }
        host[i] = (struct timespec){.tv_sec = times[i].tv_sec, .tv_nsec = times[i].tv_usec * 1000};
    }
    return set_times(vk, dirfd, path, host, 0);
}

int64_t vk_sys_utimes(Vk *vk, GuestAddr path, GuestAddr times) { return vk_sys_futimesat(vk, AT_FDCWD, path, times); }

int64_t vk_sys_utime(Vk *vk, GuestAddr address, GuestAddr times_address)
{
    char path[LIMIT_PATH_SIZE];
    WaliUtimbuf times;
    const int r = vk_copy_path(vk, path, address);
    if (r < 0) {
        return r;
    }
    if (times_address == 0) {
        return set_times(vk, AT_FDCWD, path, NULL, 0);
    }
    if (vk_copy_in(vk, &times, times_address, sizeof times) < 0) {
        return -EFAULT;
    }
    const struct timespec host[2] = {{.tv_sec = times.actime}, {.tv_sec = times.modtime}};
    return set_times(vk, AT_FDCWD, path, host, 0);
}

int64_t vk_sys_truncate(Vk *vk, GuestAddr address, int64_t size)
{
    char path[LIMIT_PATH_SIZE];
    const int r = vk_copy_path(vk, path, address);
    if (r < 0 || size < 0) {
        return r < 0 ? r : -EINVAL;
    }
    if (vk->config.is_root_private) {
        return vk_sys2(SYS_truncate, VK_PTR(path), size);
    }
    if (vk->config.is_root_read_only) {
        return -EROFS;
    }
    const int64_t fd = vk_open_path(vk, AT_FDCWD, path, O_WRONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0, 0);
    if (fd < 0) {
        return fd;
    }
    const int64_t e = vk_sys2(SYS_ftruncate, fd, size);
    (void)vk_sys1(SYS_close, fd);
    return e;
}
