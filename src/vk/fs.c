/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fs.c - opening files and asking about them: open, stat, access, readlink, statfs, getdents, cwd. Changing names is in fs-names.c.
 *
 * Every call copies its path once, looks whether the vkernel serves it itself (proc-files.c), and goes on with what
 * path.c says. Host structures are converted field by field.
 */
#include "vk-int.h"

#include <limits.h>
#include <linux/openat2.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#define OPEN_FLAGS                                                                                                           \
    (O_ACCMODE | O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_APPEND | O_NONBLOCK | O_DSYNC | O_SYNC | O_ASYNC | O_DIRECT | 0100000 | \
     O_DIRECTORY | O_NOFOLLOW | O_NOATIME | O_CLOEXEC | O_PATH | O_TMPFILE) /* 0100000: O_LARGEFILE, 0 for a 64-bit libc */

static void convert_stat(WaliStat *to, const struct stat *from)
{
    memset(to, 0, sizeof *to);
    to->st_dev = from->st_dev;
    to->st_ino = from->st_ino;
    to->st_nlink = from->st_nlink;
    to->st_mode = from->st_mode;
    to->st_uid = from->st_uid;
    to->st_gid = from->st_gid;
    to->st_rdev = from->st_rdev;
    to->st_size = from->st_size;
    to->st_blksize = from->st_blksize;
    to->st_blocks = from->st_blocks;
    to->st_atim = (WaliTimespec){from->st_atim.tv_sec, from->st_atim.tv_nsec};
    to->st_mtim = (WaliTimespec){from->st_mtim.tv_sec, from->st_mtim.tv_nsec};
    to->st_ctim = (WaliTimespec){from->st_ctim.tv_sec, from->st_ctim.tv_nsec};
}

static int64_t stat_out(Vk *vk, GuestAddr address, const struct stat *host)
{
    WaliStat out;
    convert_stat(&out, host);
    if (vk->warm != NULL) {
        vk_warm_stat(vk, &out);
    }
    return vk_copy_out(vk, address, &out, sizeof out);
}

/* O_PATH ignores everything but three flags, and openat2 insists on it: openat2(2). */
static uint64_t clean_flags(uint32_t flags)
{
    uint64_t host = flags & OPEN_FLAGS;
    if ((host & O_PATH) != 0) {
        host &= O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    }
    if ((host & 020000000) == 0 || (host & O_DIRECTORY) == 0) { /* __O_TMPFILE needs both bits */
        host &= ~020000000ull;
    }
    return host;
}

/* No namespaces to remount read-only: writing into a directory tree that must not change is refused here. */
static int check_read_only(Vk *vk, int32_t dirfd, const char *path, uint64_t flags)
{
    const bool is_write = (flags & O_ACCMODE) != O_RDONLY || (flags & (O_TRUNC | O_CREAT)) != 0;
    if (!vk->config.is_root_read_only || vk->config.is_root_private || (flags & O_PATH) != 0 || !is_write) {
        return 0;
    }
    if ((flags & O_TMPFILE) == O_TMPFILE) {
        return -EROFS;
    }
    const int64_t fd = vk_open_path(vk, dirfd, path, O_PATH | O_CLOEXEC | (flags & O_NOFOLLOW), 0, 0);
    if (fd < 0) {
        return fd == -ENOENT && (flags & O_CREAT) != 0 ? -EROFS : (int)fd;
    }
    struct stat status;
    const int r = fstat((int)fd, &status) != 0 ? -errno : 0;
    (void)vk_sys1(SYS_close, fd);
    const bool is_change = (flags & O_ACCMODE) != O_RDONLY || (flags & O_TRUNC) != 0;
    return r == 0 && is_change && (S_ISREG(status.st_mode) || S_ISDIR(status.st_mode)) ? -EROFS : r;
}

static int64_t open_copied(Vk *vk, int32_t dirfd, const char *path, uint32_t flags, uint32_t mode, uint64_t resolve)
{
    VkFile file;
    if (path[0] != '/' && vk_at_is_bad(vk, dirfd)) {
        return -EBADF;
    }
    if ((flags & (O_ACCMODE | O_PATH)) == O_RDONLY && vk_is_script(vk, path)) {
        /* The interpreter reads exactly the bytes that were hashed (design.md section 8, step 6): once. Before /dev/fd/N is looked at: a script
         * that was started by descriptor has such a name, and that descriptor shows the file as it is now. */
        return vk_script_take(vk, (flags & O_CLOEXEC) != 0);
    }
    if (vk_file_find(vk, path, &file)) {
        return vk_file_open(vk, &file, flags);
    }
    const uint64_t host_flags = clean_flags(flags);
    const bool has_mode = (host_flags & (O_CREAT | 020000000)) != 0;
    const int r = check_read_only(vk, dirfd, path, host_flags);
    if (r < 0) {
        return r;
    }
    const int64_t fd = vk_open_path(vk, dirfd, path, host_flags, has_mode ? mode & 07777 : 0, resolve);
    return vk_fd_new(vk, fd, (flags & O_CLOEXEC) != 0);
}

int64_t vk_sys_openat(Vk *vk, int32_t dirfd, GuestAddr address, uint32_t flags, uint32_t mode)
{
    char path[LIMIT_PATH_SIZE];
    const int r = vk_copy_path(vk, path, address);
    return r < 0 ? r : open_copied(vk, dirfd, path, flags, mode, 0);
}

int64_t vk_sys_open(Vk *vk, GuestAddr path, uint32_t flags, uint32_t mode) { return vk_sys_openat(vk, AT_FDCWD, path, flags, mode); }
int64_t vk_sys_creat(Vk *vk, GuestAddr path, uint32_t mode) { return vk_sys_openat(vk, AT_FDCWD, path, O_CREAT | O_WRONLY | O_TRUNC, mode); }

int64_t vk_sys_openat2(Vk *vk, int32_t dirfd, GuestAddr address, GuestAddr how_address, uint32_t size)
{
    char path[LIMIT_PATH_SIZE];
    WaliOpenHow how;
    const int r = vk_copy_path(vk, path, address);
    if (r < 0) {
        return r;
    }
    if (size != sizeof how) {
        return size < sizeof how ? -EINVAL : -E2BIG;
    }
    if (vk_copy_in(vk, &how, how_address, sizeof how) < 0) {
        return -EFAULT;
    }
    const uint64_t known = RESOLVE_NO_XDEV | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS | RESOLVE_BENEATH | RESOLVE_IN_ROOT;
    if ((how.flags & ~(uint64_t)OPEN_FLAGS) != 0 || (how.resolve & ~known) != 0) {
        return -EINVAL;
    }
    return open_copied(vk, dirfd, path, (uint32_t)how.flags, (uint32_t)how.mode, how.resolve);
}

static int64_t stat_at(Vk *vk, int32_t dirfd, GuestAddr address, GuestAddr out, uint32_t flags)
{
    char path[LIMIT_PATH_SIZE];
    struct stat status;
    int64_t r = vk_copy_path(vk, path, address);
    if (r < 0) {
        return r;
    }
    if ((flags & ~(uint32_t)(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH | AT_NO_AUTOMOUNT)) != 0) {
        return -EINVAL;
    }
    if (path[0] == '\0' && (flags & AT_EMPTY_PATH) != 0) {
        if (vk_at_is_bad(vk, dirfd)) {
            return -EBADF;
        }
        r = vk_sys4(SYS_newfstatat, dirfd, VK_PTR(""), VK_PTR(&status), AT_EMPTY_PATH);
        return r < 0 ? r : stat_out(vk, out, &status);
    }
    VkFile file;
    const bool is_follow = (flags & AT_SYMLINK_NOFOLLOW) == 0;
    if (vk_file_find(vk, path, &file)) {
        WaliStat served;
        r = vk_file_stat(vk, &file, is_follow, &served);
        return r < 0 ? r : vk_copy_out(vk, out, &served, sizeof served);
    }
    VkPlace place;
    r = vk_place(vk, dirfd, path, is_follow ? VK_PLACE_FOLLOW : VK_PLACE_NOFOLLOW, false, &place);
    if (r < 0) {
        return r;
    }
    r = vk_sys4(SYS_newfstatat, place.fd, VK_PTR(place.name), VK_PTR(&status), place.flags);
    vk_place_deinit(&place);
    return r < 0 ? r : stat_out(vk, out, &status);
}

int64_t vk_sys_stat(Vk *vk, GuestAddr path, GuestAddr out) { return stat_at(vk, AT_FDCWD, path, out, 0); }
int64_t vk_sys_lstat(Vk *vk, GuestAddr path, GuestAddr out) { return stat_at(vk, AT_FDCWD, path, out, AT_SYMLINK_NOFOLLOW); }
int64_t vk_sys_newfstatat(Vk *vk, int32_t dirfd, GuestAddr path, GuestAddr out, uint32_t flags) { return stat_at(vk, dirfd, path, out, flags); }

int64_t vk_sys_fstat(Vk *vk, int32_t fd, GuestAddr out)
{
    struct stat status;
    if (vk_fd_is_bad(vk, fd)) {
        return -EBADF;
    }
    const int64_t r = vk_sys2(SYS_fstat, fd, VK_PTR(&status));
    return r < 0 ? r : stat_out(vk, out, &status);
}

static void convert_statx(WaliStatx *to, const struct statx *from)
{
    memset(to, 0, sizeof *to);
    to->stx_mask = from->stx_mask & (STATX_BASIC_STATS | STATX_BTIME);
    to->stx_blksize = from->stx_blksize;
    to->stx_attributes = from->stx_attributes;
    to->stx_nlink = from->stx_nlink;
    to->stx_uid = from->stx_uid;
    to->stx_gid = from->stx_gid;
    to->stx_mode = from->stx_mode;
    to->stx_ino = from->stx_ino;
    to->stx_size = from->stx_size;
    to->stx_blocks = from->stx_blocks;
    to->stx_attributes_mask = from->stx_attributes_mask;
    to->stx_atime = (WaliStatxTime){.tv_sec = from->stx_atime.tv_sec, .tv_nsec = from->stx_atime.tv_nsec};
    to->stx_btime = (WaliStatxTime){.tv_sec = from->stx_btime.tv_sec, .tv_nsec = from->stx_btime.tv_nsec};
    to->stx_ctime = (WaliStatxTime){.tv_sec = from->stx_ctime.tv_sec, .tv_nsec = from->stx_ctime.tv_nsec};
    to->stx_mtime = (WaliStatxTime){.tv_sec = from->stx_mtime.tv_sec, .tv_nsec = from->stx_mtime.tv_nsec};
    to->stx_rdev_major = from->stx_rdev_major;
    to->stx_rdev_minor = from->stx_rdev_minor;
    to->stx_dev_major = from->stx_dev_major;
    to->stx_dev_minor = from->stx_dev_minor;
}

int64_t vk_sys_statx(Vk *vk, int32_t dirfd, GuestAddr address, uint32_t flags, uint32_t mask, GuestAddr out_address)
{
    char path[LIMIT_PATH_SIZE];
    struct statx host;
    VkPlace place = {.fd = dirfd, .name = "", .flags = AT_EMPTY_PATH, .owned_fd = -1};
    VkFile file;
    int64_t r = vk_copy_path(vk, path, address);
    if (r < 0) {
        return r;
    }
    const bool is_follow = (flags & AT_SYMLINK_NOFOLLOW) == 0;
    if (path[0] == '\0' && (flags & AT_EMPTY_PATH) != 0) {
        r = vk_at_is_bad(vk, dirfd) ? -EBADF : 0;
    } else if (vk_file_find(vk, path, &file)) {
        return -ENOSYS; /* callers fall back to stat, as they do on old kernels */
    } else {
        r = vk_place(vk, dirfd, path, is_follow ? VK_PLACE_FOLLOW : VK_PLACE_NOFOLLOW, false, &place);
    }
    if (r < 0) {
        return r;
    }
    r = vk_sys5(SYS_statx, place.fd, VK_PTR(place.name), (uint32_t)place.flags | (flags & (AT_STATX_SYNC_TYPE | AT_NO_AUTOMOUNT)), mask, VK_PTR(&host));
    vk_place_deinit(&place);
    if (r < 0) {
        return r;
    }
    WaliStatx out;
    convert_statx(&out, &host);
    return vk_copy_out(vk, out_address, &out, sizeof out);
}

static int64_t statfs_out(Vk *vk, GuestAddr address, const struct statfs *from)
{
    WaliStatfs to = {
        .f_type = (uint64_t)from->f_type, .f_bsize = (uint64_t)from->f_bsize, .f_blocks = from->f_blocks, .f_bfree = from->f_bfree,
        .f_bavail = from->f_bavail, .f_files = from->f_files, .f_ffree = from->f_ffree, .f_namelen = (uint64_t)from->f_namelen,
        .f_frsize = (uint64_t)from->f_frsize, .f_flags = (uint64_t)from->f_flags,
    };
    memcpy(to.f_fsid, &from->f_fsid, sizeof to.f_fsid);
    return vk_copy_out(vk, address, &to, sizeof to);
}

int64_t vk_sys_statfs(Vk *vk, GuestAddr address, GuestAddr out)
{
    char path[LIMIT_PATH_SIZE];
    struct statfs host;
    VkPlace place;
    int64_t r = vk_copy_path(vk, path, address);
    r = r < 0 ? r : vk_place(vk, AT_FDCWD, path, VK_PLACE_FOLLOW, false, &place);
    if (r < 0) {
        return r;
    }
    r = place.owned_fd >= 0 ? vk_sys2(SYS_fstatfs, place.fd, VK_PTR(&host)) : vk_sys2(SYS_statfs, VK_PTR(path), VK_PTR(&host));
    vk_place_deinit(&place);
    return r < 0 ? r : statfs_out(vk, out, &host);
}

int64_t vk_sys_fstatfs(Vk *vk, int32_t fd, GuestAddr out)
{
    struct statfs host;
    if (vk_fd_is_bad(vk, fd)) {
        return -EBADF;
    }
    const int64_t r = vk_sys2(SYS_fstatfs, fd, VK_PTR(&host));
    return r < 0 ? r : statfs_out(vk, out, &host);
}

/*
 * X_OK by the mode bits: the kernel answers EACCES for every file of a noexec mount, and all of a container's mounts are
 * noexec (second net), though the gate starts programs from them. Called after the other bits of mode were granted.
 */
static int64_t access_execute(const VkPlace *place)
{
    struct stat status;
    if (fstatat(place->fd, place->name, &status, place->flags & (AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW)) < 0) {
        return -errno;
    }
    if (S_ISDIR(status.st_mode)) {
        return vk_sys4(SYS_faccessat2, place->fd, VK_PTR(place->name), X_OK, (uint32_t)place->flags);
    }
    const uid_t uid = getuid();
    if (uid == 0) {
        return (status.st_mode & 0111) != 0 ? 0 : -EACCES;
    }
    mode_t bit = S_IXOTH;
    if (status.st_uid == uid) {
        bit = S_IXUSR;
    } else if (status.st_gid == getgid() || status.st_gid == getegid()) {
        bit = S_IXGRP;
    } else {
        gid_t groups[NGROUPS_MAX];
        const int count = getgroups(NGROUPS_MAX, groups);
        for (int i = 0; i < count; i++) {
            bit = groups[i] == status.st_gid ? S_IXGRP : bit;
        }
    }
    return (status.st_mode & bit) != 0 ? 0 : -EACCES;
}

int64_t vk_sys_faccessat2(Vk *vk, int32_t dirfd, GuestAddr address, int32_t mode, uint32_t flags)
{
    char path[LIMIT_PATH_SIZE];
    VkPlace place = {.fd = dirfd, .name = "", .flags = AT_EMPTY_PATH, .owned_fd = -1};
    VkFile file;
    int64_t r = vk_copy_path(vk, path, address);
    if (r < 0) {
        return r;
    }
    if ((flags & ~(uint32_t)(AT_EACCESS | AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)) != 0 || (mode & ~7) != 0) {
        return -EINVAL;
    }
    if (path[0] == '\0' && (flags & AT_EMPTY_PATH) != 0) {
        r = vk_at_is_bad(vk, dirfd) ? -EBADF : 0;
    } else if (vk_file_find(vk, path, &file)) {
        WaliStat status;
        r = vk_file_stat(vk, &file, true, &status);
        return r < 0 ? r : ((mode & W_OK) != 0 && file.kind == VK_FILE_TEXT) || ((mode & X_OK) != 0 && file.kind != VK_FILE_FD && !S_ISDIR(status.st_mode)) ? -EACCES : 0;
    } else {
        r = vk_place(vk, dirfd, path, (flags & AT_SYMLINK_NOFOLLOW) != 0 ? VK_PLACE_NOFOLLOW : VK_PLACE_FOLLOW, false, &place);
    }
    if (r < 0) {
        return r;
    }
    r = vk_sys4(SYS_faccessat2, place.fd, VK_PTR(place.name), mode & ~X_OK, (uint32_t)place.flags | (flags & AT_EACCESS));
    if (r == 0 && (mode & X_OK) != 0) {
        r = access_execute(&place);
    }
    vk_place_deinit(&place);
    return r == 0 && (mode & W_OK) != 0 && vk->config.is_root_read_only && !vk->config.is_root_private ? -EROFS : r;
}

int64_t vk_sys_faccessat(Vk *vk, int32_t dirfd, GuestAddr path, int32_t mode, uint32_t flags) { return vk_sys_faccessat2(vk, dirfd, path, mode, flags); }
int64_t vk_sys_access(Vk *vk, GuestAddr path, int32_t mode) { return vk_sys_faccessat2(vk, AT_FDCWD, path, mode, 0); }

int64_t vk_sys_readlinkat(Vk *vk, int32_t dirfd, GuestAddr address, GuestAddr buf, uint32_t size)
{
    char path[LIMIT_PATH_SIZE];
    char target[LIMIT_PATH_SIZE];
    int64_t r = vk_copy_path(vk, path, address);
    if (r < 0) {
        return r;
    }
    if (size == 0 || size > INT32_MAX) {
        return -EINVAL;
    }
    VkFile file;
    if (vk_file_find(vk, path, &file)) {
        if (file.kind != VK_FILE_LINK && (file.kind != VK_FILE_FD || file.target[0] == '\0')) {
            return file.kind == VK_FILE_REFUSED || file.kind == VK_FILE_FD ? -ENOENT : -EINVAL;
        }
        r = (int64_t)strlen(file.target);
        memcpy(target, file.target, (size_t)r);
    } else {
        VkPlace place;
        r = vk_place(vk, dirfd, path, VK_PLACE_NOFOLLOW, false, &place);
        if (r < 0) {
            return r;
        }
        r = vk_sys4(SYS_readlinkat, place.fd, VK_PTR(place.name), VK_PTR(target), sizeof target);
        vk_place_deinit(&place);
        if (r == -ENOENT && place.name[0] == '\0') {
            r = -EINVAL; /* readlinkat(fd, "") of something that is no symlink: readlink(2) says EINVAL for a name */
        }
    }
    if (r > (int64_t)size) {
        r = size;
    }
    return r < 0 ? r : vk_copy_out(vk, buf, target, (size_t)r) < 0 ? -EFAULT : r;
}

int64_t vk_sys_readlink(Vk *vk, GuestAddr path, GuestAddr buf, uint32_t size) { return vk_sys_readlinkat(vk, AT_FDCWD, path, buf, size); }

int64_t vk_sys_getdents64(Vk *vk, int32_t fd, GuestAddr buf, int32_t size)
{
    if (vk_fd_is_bad(vk, fd)) {
        return -EBADF;
    }
    void *host = size < 0 ? NULL : vk_guest(vk, buf, (uint64_t)size); /* same layout: the kernel writes it, padding zeroed */
    return size < 0 ? -EINVAL : host == NULL ? -EFAULT : vk_sys3(SYS_getdents64, fd, VK_PTR(host), size);
}

int64_t vk_sys_chdir(Vk *vk, GuestAddr address)
{
    char path[LIMIT_PATH_SIZE];
    const int r = vk_copy_path(vk, path, address);
    return r < 0 ? r : vk_chdir(vk, path);
}

int64_t vk_sys_fchdir(Vk *vk, int32_t fd)
{
    return vk_fd_is_bad(vk, fd) ? -EBADF : vk_sys1(SYS_fchdir, fd);
}

int64_t vk_sys_getcwd(Vk *vk, GuestAddr buf, uint32_t size)
{
    char path[LIMIT_PATH_SIZE];
    const int64_t length = vk_cwd(vk, path);
    if (length < 0) {
        return length;
    }
    if ((uint64_t)length + 1 > size) {
        return -ERANGE;
    }
    return vk_copy_out(vk, buf, path, (size_t)length + 1) < 0 ? -EFAULT : length + 1;
}

int64_t vk_sys_umask(Vk *vk, uint32_t mask)
{
    (void)vk;
    return vk_sys1(SYS_umask, mask & 0777);
}

int64_t vk_sys_chroot(Vk *vk, GuestAddr path)
{
    (void)vk;
    (void)path;
    return -EPERM;
}

int64_t vk_sys_inotify_add_watch(Vk *vk, int32_t fd, GuestAddr address, uint32_t mask)
{
    char path[LIMIT_PATH_SIZE];
    const int r = vk_copy_path(vk, path, address);
    if (r < 0 || vk_fd_is_bad(vk, fd)) {
        return r < 0 ? r : -EBADF;
    }
    if (vk->config.is_root_private) {
        return vk_sys3(SYS_inotify_add_watch, fd, VK_PTR(path), mask);
    }
    /* inotify takes no directory descriptor: go to the object's directory for the call, and back. */
    VkPlace place;
    int64_t e = vk_place(vk, AT_FDCWD, path, VK_PLACE_PARENT, false, &place);
    if (e < 0) {
        return e;
    }
    _cleanup_(fd_closep) int here = (int)vk_sys4(SYS_openat, AT_FDCWD, VK_PTR("."), O_PATH | O_DIRECTORY | O_CLOEXEC, 0);
    e = here < 0 ? here : vk_sys1(SYS_fchdir, place.fd);
    if (e == 0) { /* the last name is not followed: a symlink in it could leave the root */
        e = strcmp(place.name, "..") == 0 ? -EACCES : vk_sys3(SYS_inotify_add_watch, fd, VK_PTR(place.name), mask | 0x02000000 /* IN_DONT_FOLLOW */);
        must(vk_sys1(SYS_fchdir, here) == 0);
    }
    vk_place_deinit(&place);
    return e;
}
