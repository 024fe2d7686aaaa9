/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Descriptor -> digest. Two ways:
 *
 * Stored: the file is one of the image and nobody has touched it. Shown by four facts: it lies on the root's own mount
 * (mount id); its path does not exist in the upper layer; the lower layer has a regular file there with the same inode
 * number, size, mode and mtime as the one the guest sees (so no renamed directory, bind mount or other trick stands
 * between); a digest was stored for that path with that size. Then the lower file is opened in its own, read-only tree
 * and nothing is read.
 *
 * Copied: everything else. The bytes are copied to a sealed memfd and the copy is hashed. Only the copy is used
 * afterwards, so later writes, truncation, copy-up and mapped writers have nothing to race with.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/must.h"
#include "manifest/gate-int.h"

/* A FIFO or device that slips in does not block and is refused by fstat. */
#define OPEN_READ (O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)
#define SEALS_NEEDED (F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK)
/* overlayfs with xino puts the layer's number into the high bits of st_ino. */
#define INODE_MASK ((1ull << 48) - 1)

void gate_file_deinit(GateFile *file)
{
    file->fd = fd_close(file->fd);
}

static int refuse(GateFile *file, const char *reason)
{
    file->reason = reason;
    return -EACCES;
}

static bool is_in_group(gid_t gid)
{
    if (gid == getegid()) {
        return true;
    }
    gid_t groups[256]; /* of up to 65536; a process with more than 256 groups is told no, which only ever denies */
    const int count = getgroups(256, groups);
    for (int i = 0; i < count; i++) {
        if (groups[i] == gid) {
            return true;
        }
    }
    return false;
}

/* The mode bits for the caller. Root needs one x bit of any kind. */
static bool mode_is_executable(const struct stat *status)
{
    const mode_t any = S_IXUSR | S_IXGRP | S_IXOTH;
    if (geteuid() == 0) {
        return (status->st_mode & any) != 0;
    }
    if (status->st_uid == geteuid()) {
        return (status->st_mode & S_IXUSR) != 0;
    }
    return (status->st_mode & (is_in_group(status->st_gid) ? S_IXGRP : S_IXOTH)) != 0;
}

int gate_status(int fd, struct stat *ret_status, uint64_t *ret_mount)
{
    struct statx status;
    if (statx(fd, "", AT_EMPTY_PATH | AT_NO_AUTOMOUNT, STATX_BASIC_STATS | STATX_MNT_ID, &status) < 0) {
        return -errno;
    }
    *ret_status = (struct stat){.st_dev = makedev(status.stx_dev_major, status.stx_dev_minor), .st_ino = status.stx_ino, .st_mode = status.stx_mode,
                                .st_nlink = status.stx_nlink, .st_uid = status.stx_uid, .st_gid = status.stx_gid, .st_size = (off_t)status.stx_size,
                                .st_mtim = {.tv_sec = status.stx_mtime.tv_sec, .tv_nsec = status.stx_mtime.tv_nsec}};
    *ret_mount = (status.stx_mask & STATX_MNT_ID) != 0 ? status.stx_mnt_id : 0;
    return 0;
}

/* Is this the mount id of the root? */
static bool is_root_mount(const Gate *gate, uint64_t mount)
{
    return gate->root_mount != 0 && mount == gate->root_mount;
}

/* Execute permission of the caller, access lists included. The kernel answers EACCES for every file of a noexec mount,
 * so there the bits decide. */
static int check_executable(const Gate *gate, int fd, const struct stat *status, uint64_t mount, GateFile *file)
{
    if (is_root_mount(gate, mount) && gate->is_root_noexec && !gate->config.is_noexec_checked) {
        return mode_is_executable(status) ? 0 : refuse(file, "no execute permission");
    }
    if (faccessat(fd, "", X_OK, AT_EMPTY_PATH | AT_EACCESS) == 0) {
        return 0;
    }
    const int code = errno;
    struct statvfs filesystem;
    if (fstatvfs(fd, &filesystem) < 0) {
        return -errno;
    }
    const bool is_noexec = (filesystem.f_flag & ST_NOEXEC) != 0;
    if (is_noexec && gate->config.is_noexec_checked) {
        return refuse(file, "on a noexec mount");
    }
    if (code == EACCES && !is_noexec) {
        return refuse(file, "no execute permission");
    }
    return mode_is_executable(status) ? 0 : refuse(file, "no execute permission");
}

static int check_kind(const Gate *gate, int fd, const struct stat *status, uint64_t mount, GateFile *file)
{
    return S_ISREG(status->st_mode) ? check_executable(gate, fd, status, mount, file) : refuse(file, "not a regular file");
}

/* Only "there is nothing of that name" counts as absent; a link, a whiteout on the way or an error means: look at the
 * bytes. */
static bool is_absent_in_upper(const Gate *gate, const char *path)
{
    if (gate->config.upper_fd < 0) {
        return true;
    }
    const int fd = fd_openat2(gate->config.upper_fd, path, O_PATH | O_NOFOLLOW | O_CLOEXEC, 0,
                              RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS);
    fd_close(fd);
    return fd == -ENOENT;
}

static bool is_same_file(const struct stat *seen, const struct stat *lower)
{
    return (seen->st_ino & INODE_MASK) == (lower->st_ino & INODE_MASK) && seen->st_size == lower->st_size &&
           seen->st_mode == lower->st_mode && seen->st_mtim.tv_sec == lower->st_mtim.tv_sec &&
           seen->st_mtim.tv_nsec == lower->st_mtim.tv_nsec;
}

/* Return: true when file has the stored digest and the lower file's descriptor; false: take the long way. */
static bool open_stored(const Gate *gate, const GateName *name, const struct stat *seen, uint64_t mount, GateFile *file)
{
    const GateConfig *config = &gate->config;
    Digest digest;
    uint64_t size = 0;
    if (config->stored_digest == NULL || config->lower_fd < 0 || name->path[0] == '\0' ||
        !is_root_mount(gate, mount) ||
        config->stored_digest(config->stored_context, name->path, &digest, &size) < 0 ||
        size != (uint64_t)seen->st_size || !is_absent_in_upper(gate, name->path)) {
        return false;
    }
    const uint64_t resolve = RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV;
    _cleanup_(fd_closep) int fd = gate_fd_high(gate, fd_openat2(config->lower_fd, name->path, OPEN_READ, 0, resolve));
    struct stat lower;
    struct stat named;
    /* Twice: by descriptor and by name, because the number may have been replaced before it was moved out of the
     * guest's reach. */
    if (fd < 0 || fstat(fd, &lower) < 0 || fstatat(config->lower_fd, name->path + 1, &named, AT_SYMLINK_NOFOLLOW) < 0 ||
        lower.st_dev != named.st_dev || lower.st_ino != named.st_ino || !is_same_file(seen, &lower)) {
        return false;
    }
    file->fd = steal_fd(&fd);
    file->size = size;
    file->digest = digest;
    file->has_digest = true;
    file->is_stored = true;
    return true;
}

/* A descriptor of the caller (execveat, AT_EMPTY_PATH): duplicated, or opened anew when it cannot be read. */
static int open_given(const Gate *gate, int fd)
{
    const int flags = fcntl(fd, F_GETFL);
    if (flags < 0) {
        return -errno;
    }
    if ((flags & O_PATH) == 0 && (flags & O_ACCMODE) != O_WRONLY) {
        const int copy = fcntl(fd, F_DUPFD_CLOEXEC, gate->config.minimum_fd);
        return copy < 0 ? -errno : copy;
    }
    char path[64];
    struct stat wanted;
    struct stat actual;
    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    if (fstat(fd, &wanted) < 0 || !S_ISREG(wanted.st_mode)) {
        return -EACCES;
    }
    _cleanup_(fd_closep) int again = open(path, OPEN_READ);
    again = again < 0 ? -errno : gate_fd_high(gate, again);
    if (again < 0) {
        return again == -ENOENT || again == -ENOTDIR ? -EACCES : again;
    }
    if (fstat(again, &actual) < 0 || actual.st_dev != wanted.st_dev || actual.st_ino != wanted.st_ino) {
        return -EACCES;
    }
    return steal_fd(&again);
}

int gate_open(const Gate *gate, const GateName *name, GateFile *file)
{
    must(name->fd >= 0 && file->fd < 0);
    struct stat status = name->status;
    uint64_t mount = name->mount;
    int r = name->is_owned ? 0 : gate_status(name->fd, &status, &mount);
    r = r < 0 ? r : check_kind(gate, name->fd, &status, mount, file);
    if (r < 0) {
        return r;
    }
    file->size = (uint64_t)status.st_size;
    if (open_stored(gate, name, &status, mount, file)) {
        return 0;
    }
    file->fd = name->directory_fd < 0
                   ? open_given(gate, name->fd)
                   : gate_fd_high(gate, fd_openat2(name->directory_fd, name->open_path, OPEN_READ, 0, name->resolve));
    if (file->fd < 0) {
        r = file->fd;
        file->fd = -1;
        return r == -ENXIO || r == -EXDEV ? refuse(file, "not a regular file")
               : r == -EACCES             ? refuse(file, "not readable")
                                          : r;
    }
    /* Between the two look-ups the name may have got another file: judge what is open now. It is opened by now without
     * any harm. */
    struct stat opened;
    r = gate_status(file->fd, &opened, &mount);
    if (r < 0) {
        return r;
    }
    if (opened.st_dev != status.st_dev || opened.st_ino != status.st_ino || opened.st_mode != status.st_mode) {
        r = check_kind(gate, file->fd, &opened, mount, file);
    }
    file->size = (uint64_t)opened.st_size;
    return r;
}

int gate_hash(const Gate *gate, GateFile *file)
{
    if (file->has_digest) {
        return 0;
    }
    int copy = -1;
    uint64_t size = 0;
    int r = fd_seal_copy(file->fd, "exec", file->size, &copy, &size);
    if (r < 0) {
        return r == -EFBIG ? refuse(file, "grew while it was read") : r;
    }
    copy = gate_fd_high(gate, copy);
    if (copy < 0) {
        return copy;
    }
    fd_close(file->fd);
    file->fd = copy;
    const int seals = fcntl(copy, F_GET_SEALS);
    if (seals < 0 || (seals & SEALS_NEEDED) != SEALS_NEEDED) {
        return refuse(file, "copy is not sealed");
    }
    r = sha256_fd(copy, &file->digest, &file->size);
    file->has_digest = r == 0;
    return r;
}
