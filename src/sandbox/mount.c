/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mount.c - mounts by the descriptor interface (Linux 5.12): made detached, given their attributes, then moved to a place
 * that is named by a descriptor. No path of the guest's tree is ever walked by its text.
 */
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "sandbox/sandbox-int.h"

#define FD_PATH_SIZE 32
#define DEV_SIZE (64u << 10)    /* bytes: a directory of nodes */
#define SHM_SIZE (64ull << 20)  /* bytes; docker's default */

static int fs_set(int fs_fd, const char *key, const char *value)
{
    return fsconfig(fs_fd, FSCONFIG_SET_STRING, key, value, 0) < 0 ? -errno : 0;
}

/* Creates the superblock configured in fs_fd and mounts it, detached. */
static int fs_mount(int fs_fd, uint64_t attributes, int *ret_fd)
{
    if (fsconfig(fs_fd, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0) {
        return -errno;
    }
    const int fd = fsmount(fs_fd, FSMOUNT_CLOEXEC, (unsigned)attributes);
    if (fd < 0) {
        return -errno;
    }
    *ret_fd = fd;
    return 0;
}

int mount_tmpfs(const char *mode, uint64_t size, uint64_t attributes, int *ret_fd)
{
    _cleanup_(fd_closep) int fs_fd = fsopen("tmpfs", FSOPEN_CLOEXEC);
    char text[32];
    if (fs_fd < 0) {
        return -errno;
    }
    int r = fs_set(fs_fd, "mode", mode);
    if (r == 0 && size) {
        (void)snprintf(text, sizeof text, "%llu", (unsigned long long)size);
        r = fs_set(fs_fd, "size", text);
    }
    return r < 0 ? r : fs_mount(fs_fd, attributes, ret_fd);
}

int mount_overlay(const char *lower, int upper_fd, int work_fd, uint64_t attributes, bool is_user, int *ret_fd)
{
    _cleanup_(fd_closep) int fs_fd = fsopen("overlay", FSOPEN_CLOEXEC);
    char path[FD_PATH_SIZE];
    if (fs_fd < 0) {
        return -errno;
    }
    int r = fs_set(fs_fd, "lowerdir", lower);
    if (r == 0 && upper_fd >= 0) {
        (void)snprintf(path, sizeof path, "/proc/self/fd/%d", upper_fd);
        r = fs_set(fs_fd, "upperdir", path);
    }
    if (r == 0 && work_fd >= 0) {
        (void)snprintf(path, sizeof path, "/proc/self/fd/%d", work_fd);
        r = fs_set(fs_fd, "workdir", path);
    }
    /* An image must not steer the overlay by extended attributes of its files. */
    if (r == 0 && !is_user) {
        r = fs_set(fs_fd, "redirect_dir", "nofollow");
        r = r == 0 ? fs_set(fs_fd, "metacopy", "off") : r;
    }
    /* A file of a read-only layer that has several names is not joined to what one of them becomes in the upper layer: the gate
     * looks at each name by itself. Kernels without the option have no index either. */
    if (r == 0) {
        (void)fsconfig(fs_fd, FSCONFIG_SET_STRING, "index", "off", 0);
    }
    if (r == 0 && is_user && fsconfig(fs_fd, FSCONFIG_SET_FLAG, "userxattr", NULL, 0) < 0) {
        r = -errno;
    }
    /* The upper layer is a tmpfs that ends with the container: nothing to sync. */
    if (r == 0 && upper_fd >= 0) {
        (void)fsconfig(fs_fd, FSCONFIG_SET_FLAG, "volatile", NULL, 0);
    }
    return r < 0 ? r : fs_mount(fs_fd, attributes, ret_fd);
}

int mount_clone(int dirfd, const char *path, uint64_t attributes, bool is_recursive, int *ret_fd)
{
    const unsigned recursive = is_recursive ? AT_RECURSIVE : 0;
    const unsigned empty = *path ? 0 : AT_EMPTY_PATH;
    _cleanup_(fd_closep) int fd = open_tree(dirfd, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | recursive | empty);
    struct mount_attr change = {.attr_set = attributes};
    if (fd < 0) {
        return -errno;
    }
    if (attributes && mount_setattr(fd, "", AT_EMPTY_PATH | recursive, &change, sizeof change) < 0) {
        return -errno;
    }
    *ret_fd = steal_fd(&fd);
    return 0;
}

int mount_attach(int mount_fd, int target_fd)
{
    return move_mount(mount_fd, "", target_fd, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0 ? -errno : 0;
}

/* --- /dev --- */

typedef struct DeviceNode {
    const char *name, *path;
    unsigned major, minor;
} DeviceNode;

static const DeviceNode nodes[] = {
    {"null", "/dev/null", 1, 3},     {"zero", "/dev/zero", 1, 5},       {"full", "/dev/full", 1, 7},
    {"random", "/dev/random", 1, 8}, {"urandom", "/dev/urandom", 1, 9}, {"tty", "/dev/tty", 5, 0},
};
#define NODE_COUNT (sizeof nodes / sizeof nodes[0])

static const struct { const char *target, *name; } links[] = {
    {"/proc/self/fd", "fd"},       {"/proc/self/fd/0", "stdin"}, {"/proc/self/fd/1", "stdout"},
    {"/proc/self/fd/2", "stderr"}, {"pts/ptmx", "ptmx"},
};

/* What can be made before /dev is attached: nodes (or, without CAP_MKNOD, files to bind the host's nodes on), links. */
static int dev_fill(int dev_fd, bool *ret_is_bound)
{
    bool is_bound = false;
    for (size_t i = 0; i < NODE_COUNT; i++) {
        if (!is_bound && mknodat(dev_fd, nodes[i].name, S_IFCHR | 0666, makedev(nodes[i].major, nodes[i].minor)) < 0) {
            if (errno != EPERM) {
                return -errno;
            }
            is_bound = true;
        }
        if (is_bound && mknodat(dev_fd, nodes[i].name, S_IFREG | 0666, 0) < 0) {
            return -errno;
        }
    }
    for (size_t i = 0; i < sizeof links / sizeof links[0]; i++) {
        if (symlinkat(links[i].target, dev_fd, links[i].name) < 0) {
            return -errno;
        }
    }
    if (mkdirat(dev_fd, "pts", 0755) < 0 || mkdirat(dev_fd, "shm", 01777) < 0) {
        return -errno;
    }
    *ret_is_bound = is_bound;
    return 0;
}

static int attach_at(int mount_fd, int directory_fd, const char *name)
{
    return move_mount(mount_fd, "", directory_fd, name, MOVE_MOUNT_F_EMPTY_PATH) < 0 ? -errno : 0;
}

static int dev_bind_nodes(int dev_fd)
{
    for (size_t i = 0; i < NODE_COUNT; i++) {
        _cleanup_(fd_closep) int node_fd = -1;
        int r = mount_clone(AT_FDCWD, nodes[i].path, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC, false, &node_fd);
        if (r == 0) {
            r = attach_at(node_fd, dev_fd, nodes[i].name);
        }
        if (r < 0) {
            return r;
        }
    }
    return 0;
}

static int dev_mount_pts(int dev_fd)
{
    _cleanup_(fd_closep) int fs_fd = fsopen("devpts", FSOPEN_CLOEXEC);
    _cleanup_(fd_closep) int pts_fd = -1;
    if (fs_fd < 0) {
        return -errno;
    }
    int r = fs_set(fs_fd, "ptmxmode", "0666");
    r = r == 0 ? fs_set(fs_fd, "mode", "0620") : r;
    r = r == 0 ? fs_mount(fs_fd, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC, &pts_fd) : r;
    return r == 0 ? attach_at(pts_fd, dev_fd, "pts") : r;
}

int mount_dev(int directory_fd, Error *err)
{
    _cleanup_(fd_closep) int dev_fd = -1;
    _cleanup_(fd_closep) int shm_fd = -1;
    bool is_bound = false;
    const mode_t old_mask = umask(0);
    int r = mount_tmpfs("0755", DEV_SIZE, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC, &dev_fd);
    r = r == 0 ? dev_fill(dev_fd, &is_bound) : r;
    (void)umask(old_mask);
    r = r == 0 ? mount_attach(dev_fd, directory_fd) : r;
    if (r == 0 && is_bound) {
        r = dev_bind_nodes(dev_fd);
    }
    r = r == 0 ? dev_mount_pts(dev_fd) : r;
    r = r == 0 ? mount_tmpfs("1777", SHM_SIZE, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC, &shm_fd) : r;
    r = r == 0 ? attach_at(shm_fd, dev_fd, "shm") : r;
    return r < 0 ? error_set(err, -r, "cannot make /dev: %s", strerror(-r)) : 0;
}

int loopback_up(void)
{
    struct ifreq request = {.ifr_name = "lo"};
    _cleanup_(fd_closep) int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return -errno;
    }
    request.ifr_flags = IFF_UP | IFF_RUNNING;
    return ioctl(fd, SIOCSIFFLAGS, &request) < 0 ? -errno : 0;
}
