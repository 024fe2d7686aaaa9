/* SPDX-License-Identifier: Apache-2.0 */
/*
 * enter.c - from an ordinary child process to one that sees nothing but its container.
 *
 *   unshare -> (id maps) -> mounts private -> lower directories and volumes opened -> scratch tmpfs over the first lower
 *   directory -> overlay on scratch/root -> /dev, /proc, volumes, any procfs in them covered -> pivot -> host detached -> loopback, hostname, ids
 *
 * The scratch tmpfs (upper, work, root) needs a place in the mount tree, because an overlay's upper directory must lie in the
 * caller's mount namespace. The first lower directory is used: it is certain to exist, it is held by descriptor, and the
 * covering is seen by this namespace only. The guest never sees the scratch: pivoting detaches it together with the host.
 *
 * A read-only root has an upper layer too, with nothing but missing mount points in it; the mount is made read-only.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <grp.h>
#include <linux/openat2.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/fd.h"
#include "base/limits.h"
#include "base/must.h"
#include "manifest/manifest.h"
#include "sandbox/sandbox-int.h"

#define VOLUME_ATTRIBUTES (MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC)
#define ROOT_ATTRIBUTES VOLUME_ATTRIBUTES /* nothing native starts anywhere; the gate and access() read the mode bits instead */
#define LOWER_TEXT_SIZE (LIMIT_LAYERS * 24u)
#define VOLUMES_MAX 256u

/* What is under way between the steps. */
typedef struct Entering {
    const SandboxConfig *config;
    bool is_user;      /* in a user namespace of its own */
    bool is_overlay;
    int *lower_fds;    /* owned */
    int *volume_fds;   /* owned: detached mounts, -1 once attached */
    int scratch_fd;    /* mount of the scratch tmpfs */
    int upper_fd, lower_fd, root_fd;
} Entering;

static void fds_free(int *fds, size_t count)
{
    for (size_t i = 0; fds && i < count; i++) {
        fds[i] = fd_close(fds[i]);
    }
    free(fds);
}

static int *fds_new(size_t count)
{
    int *fds = calloc(count ? count : 1, sizeof *fds);
    for (size_t i = 0; fds && i < count; i++) {
        fds[i] = -1;
    }
    return fds;
}

static void entering_deinit(Entering *entering)
{
    fds_free(entering->lower_fds, entering->config->lower_count);
    fds_free(entering->volume_fds, entering->config->mount_count);
    fd_closep(&entering->scratch_fd);
    fd_closep(&entering->upper_fd);
    fd_closep(&entering->lower_fd);
    fd_closep(&entering->root_fd);
}

/* --- namespaces --- */

static int write_text(const char *path, const char *text)
{
    _cleanup_(fd_closep) int fd = open(path, O_WRONLY | O_CLOEXEC);
    return fd < 0 ? -errno : fd_write_full(fd, text, strlen(text));
}

/* The guest's ids are this process's own outside: an unprivileged user may map no others. */
static int map_ids(uid_t outside_uid, gid_t outside_gid, const SandboxConfig *config)
{
    char text[64];
    (void)snprintf(text, sizeof text, "%u %u 1\n", config->uid, outside_uid);
    int r = write_text("/proc/self/uid_map", text);
    r = r == 0 ? write_text("/proc/self/setgroups", "deny") : r;
    (void)snprintf(text, sizeof text, "%u %u 1\n", config->gid, outside_gid);
    return r == 0 ? write_text("/proc/self/gid_map", text) : r;
}

/* In a plain chroot "/" is no mount: nothing can be pivoted there, and mounts cannot be made private. */
static bool root_is_mount(void)
{
    struct statx status;
    if (statx(AT_FDCWD, "/", AT_STATX_DONT_SYNC, 0, &status) < 0) {
        return false;
    }
    return !(status.stx_attributes_mask & STATX_ATTR_MOUNT_ROOT) || (status.stx_attributes & STATX_ATTR_MOUNT_ROOT);
}

/* Return: 0 entered; -EPERM and the like: this machine does not allow it, nothing was changed. */
static int enter_namespaces(Entering *entering)
{
    const SandboxConfig *config = entering->config;
    if (!root_is_mount()) {
        return -EPERM;
    }
    const uid_t outside_uid = geteuid();
    const gid_t outside_gid = getegid();
    int flags = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWIPC | CLONE_NEWUTS;
    flags |= config->is_network_host ? 0 : CLONE_NEWNET;
    if (outside_uid == 0 && unshare(flags) == 0) {
        return 0;
    }
    if (unshare(CLONE_NEWUSER | flags) < 0) {
        return -errno;
    }
    entering->is_user = true;
    return map_ids(outside_uid, outside_gid, config);
}

/* --- preparation: everything that is named by a host path --- */

static int open_host_paths(Entering *entering, Error *err)
{
    const SandboxConfig *config = entering->config;
    for (size_t i = 0; i < config->lower_count; i++) {
        entering->lower_fds[i] = open(config->lower_dirs[i], O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (entering->lower_fds[i] < 0) {
            return error_set(err, errno, "%s: %s", config->lower_dirs[i], strerror(errno));
        }
    }
    for (size_t i = 0; i < config->mount_count; i++) {
        const SandboxMount *volume = &config->mounts[i];
        const uint64_t attributes = VOLUME_ATTRIBUTES | (volume->is_read_only ? MOUNT_ATTR_RDONLY : 0);
        const int r = mount_clone(AT_FDCWD, volume->source, attributes, true, &entering->volume_fds[i]);
        if (r < 0) {
            return error_set(err, -r, "volume %s: %s", volume->source, strerror(-r));
        }
        if (cover_is_procfs(entering->volume_fds[i])) {
            return error_set(err, EPERM, "volume %s: a procfs shows the runtime's own memory", volume->source);
        }
    }
    return 0;
}

/* "/proc/self/fd/9:/proc/self/fd/8": overlayfs wants the topmost first. */
static void lower_text(const Entering *entering, char text[LOWER_TEXT_SIZE])
{
    size_t used = 0;
    text[0] = '\0';
    for (size_t i = entering->config->lower_count; i-- > 0;) {
        const int size = snprintf(text + used, LOWER_TEXT_SIZE - used, "/proc/self/fd/%d%s", entering->lower_fds[i], i ? ":" : "");
        must(size > 0 && (size_t)size < LOWER_TEXT_SIZE - used);
        used += (size_t)size;
    }
}

static int make_scratch(Entering *entering)
{
    const uint64_t size = entering->config->upper_size;
    int r = mount_tmpfs("0755", size, ROOT_ATTRIBUTES, &entering->scratch_fd);
    if (r < 0) {
        return r;
    }
    const int scratch_fd = entering->scratch_fd;
    r = mount_attach(scratch_fd, entering->lower_fds[0]);
    if (r < 0) {
        return r;
    }
    if (mkdirat(scratch_fd, "upper", 0755) < 0 || mkdirat(scratch_fd, "work", 0755) < 0 || mkdirat(scratch_fd, "root", 0755) < 0) {
        return -errno;
    }
    /* A whiteout: the image's artefacts are not the guest's, and a writable copy would show other ones than what decides. */
    if (mknodat(scratch_fd, "upper/.recompiler", S_IFCHR, makedev(0, 0)) < 0) {
        return -errno;
    }
    entering->upper_fd = openat(scratch_fd, "upper", O_PATH | O_DIRECTORY | O_CLOEXEC);
    return entering->upper_fd < 0 ? -errno : 0;
}

/* The guest's root gets the owner and mode of the topmost layer's root: overlayfs takes them from the upper directory. */
static int copy_root_mode(const Entering *entering)
{
    struct stat status;
    const int top_fd = entering->lower_fds[entering->config->lower_count - 1];
    if (fstat(top_fd, &status) < 0) {
        return -errno;
    }
    if (!entering->is_user && fchownat(entering->upper_fd, "", status.st_uid, status.st_gid, AT_EMPTY_PATH) < 0) {
        return -errno;
    }
    return fchmodat(entering->scratch_fd, "upper", status.st_mode & 07777, 0) < 0 ? -errno : 0;
}

/* The lower layers' own mount, where the gate finds files that the container has not touched. */
static int make_lower(Entering *entering, const char *text)
{
    if (entering->config->lower_count > 1) {
        return mount_overlay(text, -1, -1, ROOT_ATTRIBUTES | MOUNT_ATTR_RDONLY, entering->is_user, &entering->lower_fd);
    }
    return mount_clone(entering->lower_fds[0], "", ROOT_ATTRIBUTES | MOUNT_ATTR_RDONLY, true, &entering->lower_fd);
}

static int make_overlay(Entering *entering)
{
    char text[LOWER_TEXT_SIZE];
    _cleanup_(fd_closep) int work_fd = -1;
    _cleanup_(fd_closep) int place_fd = -1;
    lower_text(entering, text);
    /* Cloned before the scratch covers the first lower directory. */
    int r = make_lower(entering, text);
    r = r == 0 ? make_scratch(entering) : r;
    r = r == 0 ? copy_root_mode(entering) : r;
    if (r < 0) {
        return r;
    }
    work_fd = openat(entering->scratch_fd, "work", O_PATH | O_DIRECTORY | O_CLOEXEC);
    place_fd = openat(entering->scratch_fd, "root", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (work_fd < 0 || place_fd < 0) {
        return -errno;
    }
    r = mount_overlay(text, entering->upper_fd, work_fd, ROOT_ATTRIBUTES, entering->is_user, &entering->root_fd);
    return r == 0 ? mount_attach(entering->root_fd, place_fd) : r;
}

/* A plain directory used in place: its own mount over itself. */
static int make_bind(Entering *entering)
{
    int r = mount_clone(entering->lower_fds[0], "", ROOT_ATTRIBUTES, true, &entering->root_fd);
    return r == 0 ? mount_attach(entering->root_fd, entering->lower_fds[0]) : r;
}

/* --- inside the root --- */

/*
 * open_place() - O_PATH of path inside the root, made where it is missing: directories, and at the end a directory or an empty
 * file. Links are followed inside the root only.
 */
static int open_place(int root_fd, const char *path, bool is_directory, bool is_made)
{
    const uint64_t resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS;
    int fd = fd_openat2(root_fd, path, O_PATH | O_CLOEXEC, 0, resolve);
    if (fd != -ENOENT || !is_made) {
        return fd;
    }
    char prefix[LIMIT_PATH_SIZE];
    const size_t size = strlen(path);
    if (size == 0 || size >= sizeof prefix) {
        return -ENAMETOOLONG;
    }
    /* Each missing component is made in its parent, which is opened inside the root. */
    for (size_t end = 1; end <= size; end++) {
        const bool is_last = end == size;
        if ((!is_last && path[end] != '/') || path[end - 1] == '/') {
            continue;
        }
        size_t start = end;
        while (start > 0 && path[start - 1] != '/') {
            start--;
        }
        memcpy(prefix, path, start);
        prefix[start] = '\0';
        _cleanup_(fd_closep) int parent_fd = fd_openat2(root_fd, start ? prefix : ".", O_PATH | O_DIRECTORY | O_CLOEXEC, 0, resolve);
        if (parent_fd < 0) {
            const int r = parent_fd;
            parent_fd = -1;
            return r;
        }
        memcpy(prefix, path + start, end - start);
        prefix[end - start] = '\0';
        const int r = !is_last || is_directory ? mkdirat(parent_fd, prefix, 0755) : mknodat(parent_fd, prefix, S_IFREG | 0644, 0);
        if (r < 0 && errno != EEXIST) {
            return -errno;
        }
    }
    return fd_openat2(root_fd, path, O_PATH | O_CLOEXEC, 0, resolve);
}

/* A directory of the root itself, no link. Return: fd, or -ENOENT when it is not there and must not be made. */
static int open_own_directory(const Entering *entering, const char *name)
{
    const uint64_t flags = O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    int fd = fd_openat2(entering->root_fd, name, flags, 0, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
    if (fd == -ENOENT && entering->is_overlay) {
        if (mkdirat(entering->root_fd, name, 0755) < 0) {
            return -errno;
        }
        fd = fd_openat2(entering->root_fd, name, flags, 0, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
    }
    return fd;
}

/* Without an upper layer to hide them in: the guest sees manifest and megabinary as they are in the image (design.md section 5). */
static int protect_artefacts(const Entering *entering, Error *err)
{
    const uint64_t flags = O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    _cleanup_(fd_closep) int mount_fd = -1;
    _cleanup_(fd_closep) int place_fd = fd_openat2(entering->root_fd, &MANIFEST_DIR[1], flags, 0, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
    if (place_fd == -ENOENT || place_fd == -ENOTDIR || place_fd == -ELOOP) {
        return 0; /* not an image of ours: a program of it has no manifest to be found in */
    }
    int r = place_fd < 0 ? place_fd : mount_clone(place_fd, "", ROOT_ATTRIBUTES | MOUNT_ATTR_RDONLY, true, &mount_fd);
    r = r == 0 ? mount_attach(mount_fd, place_fd) : r;
    return r < 0 ? error_set(err, -r, "cannot make " MANIFEST_DIR " read-only: %s", strerror(-r)) : 0;
}

static int furnish_root(Entering *entering, Error *err)
{
    _cleanup_(fd_closep) int dev_fd = open_own_directory(entering, "dev");
    if (dev_fd >= 0) {
        const int r = mount_dev(dev_fd, err);
        if (r < 0) {
            return r;
        }
    } else if (dev_fd != -ENOENT) {
        return error_set(err, -dev_fd, "/dev of the image is no directory");
    }
    _cleanup_(fd_closep) int proc_place_fd = open_own_directory(entering, "proc");
    if (proc_place_fd >= 0) {
        const int r = cover_place(proc_place_fd);
        if (r < 0) {
            return error_set(err, -r, "cannot make /proc: %s", strerror(-r));
        }
    } else if (proc_place_fd != -ENOENT) {
        return error_set(err, -proc_place_fd, "/proc of the image is no directory");
    }
    return entering->is_overlay ? 0 : protect_artefacts(entering, err);
}

static int attach_volumes(Entering *entering, Error *err)
{
    const SandboxConfig *config = entering->config;
    for (size_t i = 0; i < config->mount_count; i++) {
        struct stat status;
        const char *target = config->mounts[i].target;
        if (fstat(entering->volume_fds[i], &status) < 0) {
            return error_set(err, errno, "volume %s: %s", config->mounts[i].source, strerror(errno));
        }
        _cleanup_(fd_closep) int place_fd = open_place(entering->root_fd, target, S_ISDIR(status.st_mode), entering->is_overlay);
        const int r = place_fd < 0 ? place_fd : mount_attach(entering->volume_fds[i], place_fd);
        if (r < 0) {
            return error_set(err, -r, "volume target %s: %s", target, strerror(-r));
        }
    }
    return 0;
}

/* "/" becomes the root; the host's tree is detached from this namespace. */
static int pivot(Entering *entering)
{
    if (fchdir(entering->root_fd) < 0 || syscall(SYS_pivot_root, ".", ".") < 0) {
        return -errno;
    }
    /* The old root lies on top of the new one now; "." still names it. */
    if (umount2(".", MNT_DETACH) < 0 || chdir("/") < 0) {
        return -errno;
    }
    return 0;
}

static int make_root_read_only(const Entering *entering)
{
    struct mount_attr change = {.attr_set = MOUNT_ATTR_RDONLY};
    return mount_setattr(entering->root_fd, "", AT_EMPTY_PATH, &change, sizeof change) < 0 ? -errno : 0;
}

/* --- at the end --- */

/* Root of a user namespace that was made without the privilege to map groups (user_namespaces(7), "deny"): nobody in it can change them. */
static bool groups_are_denied(void)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[2] = {{0}};
    return errno == EPERM && syscall(SYS_capget, &header, data) == 0 && (data[0].effective >> CAP_SETGID & 1) != 0;
}

static int set_ids(const Entering *entering, Error *err)
{
    const SandboxConfig *config = entering->config;
    int death_signal = 0;
    (void)prctl(PR_GET_PDEATHSIG, &death_signal);
    /* In a user namespace only the one mapped pair exists, and setgroups is denied. */
    if (!entering->is_user && geteuid() == 0 && setgroups(config->group_count, config->groups) < 0 && !groups_are_denied()) {
        return error_set(err, errno, "cannot set groups: %s", strerror(errno));
    }
    if (setresgid(config->gid, config->gid, config->gid) < 0 || setresuid(config->uid, config->uid, config->uid) < 0) {
        return error_set(err, errno, "cannot become user %u:%u: %s", config->uid, config->gid, strerror(errno));
    }
    /* A change of ids clears it. */
    if (death_signal && prctl(PR_SET_PDEATHSIG, death_signal) < 0) {
        return error_set(err, errno, "cannot set the parent death signal: %s", strerror(errno));
    }
    return 0;
}

static int hand_over(int *fd, int minimum_fd, int *ret_fd, Error *err)
{
    if (*fd < 0) {
        *ret_fd = -1;
        return 0;
    }
    const int r = fd_move_high(*fd, minimum_fd, ret_fd);
    if (r < 0) {
        return error_set(err, -r, "cannot move a descriptor above %d: %s", minimum_fd, strerror(-r));
    }
    *fd = -1;
    return 0;
}

static int hand_over_root(Entering *entering, SandboxRoot *root, Error *err)
{
    const int minimum_fd = entering->config->minimum_fd;
    int r = hand_over(&entering->root_fd, minimum_fd, &root->root_fd, err);
    r = r == 0 ? hand_over(&entering->lower_fd, minimum_fd, &root->lower_fd, err) : r;
    return r == 0 ? hand_over(&entering->upper_fd, minimum_fd, &root->upper_fd, err) : r;
}

/* Without namespaces: the one directory, resolved beneath by the vkernel, read-only by Landlock (SandboxSealConfig.root). */
static int enter_plainly(Entering *entering, int cause, SandboxRoot *ret_root, Error *err)
{
    const SandboxConfig *config = entering->config;
    SandboxRoot root = {.root_fd = -1, .lower_fd = -1, .upper_fd = -1};
    const char *missing = config->lower_count != 1 ? "several layers" : config->mount_count ? "volumes" : NULL;
    if (missing) {
        const int r = error_set(err, cause, "%s need namespaces, and this machine does not allow them: %s", missing, strerror(cause));
        return error_hint(err, r, "run as root, or allow unprivileged user namespaces (recompiler doctor)");
    }
    entering->root_fd = open(config->lower_dirs[0], O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (entering->root_fd < 0) {
        return error_set(err, errno, "%s: %s", config->lower_dirs[0], strerror(errno));
    }
    int r = geteuid() == 0 ? set_ids(entering, err) : 0;
    r = r == 0 ? hand_over_root(entering, &root, err) : r;
    if (r == 0) {
        *ret_root = root;
    }
    return r;
}

static int enter_rest(Entering *entering, Error *err)
{
    const SandboxConfig *config = entering->config;
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0) {
        return error_set(err, errno, "cannot make mounts private: %s", strerror(errno));
    }
    int r = open_host_paths(entering, err);
    if (r < 0) {
        return r;
    }
    entering->is_overlay = config->is_ephemeral || config->is_read_only || config->lower_count > 1;
    r = entering->is_overlay ? make_overlay(entering) : make_bind(entering);
    if (r < 0) {
        return error_set(err, -r, "cannot mount the root: %s", strerror(-r));
    }
    r = furnish_root(entering, err);
    r = r == 0 ? attach_volumes(entering, err) : r;
    if (r == 0 && (config->mount_count > 0 || !entering->is_overlay)) { /* an overlay alone shows no other mounts */
        r = cover_procfs(entering->root_fd, err);
    }
    if (r < 0) {
        return r;
    }
    r = config->is_read_only ? make_root_read_only(entering) : 0;
    r = r == 0 ? pivot(entering) : r;
    if (r < 0) {
        return error_set(err, -r, "cannot change the root: %s", strerror(-r));
    }
    if (!config->is_network_host && (r = loopback_up()) < 0) {
        return error_set(err, -r, "cannot bring lo up: %s", strerror(-r));
    }
    if (config->hostname && sethostname(config->hostname, strlen(config->hostname)) < 0) {
        return error_set(err, errno, "hostname %s: %s", config->hostname, strerror(errno));
    }
    return set_ids(entering, err);
}

int sandbox_enter(const SandboxConfig *config, SandboxRoot *ret_root, Error *err)
{
    must(config && config->minimum_fd >= 0);
    if (config->lower_count == 0 || config->lower_count > LIMIT_LAYERS || config->mount_count > VOLUMES_MAX) {
        return error_set(err, EINVAL, "sandbox: %zu layers and %zu volumes", config->lower_count, config->mount_count);
    }
    _cleanup_(entering_deinit) Entering entering = {
        .config = config, .scratch_fd = -1, .upper_fd = -1, .lower_fd = -1, .root_fd = -1};
    entering.lower_fds = fds_new(config->lower_count);
    entering.volume_fds = fds_new(config->mount_count);
    if (!entering.lower_fds || !entering.volume_fds) {
        return error_set(err, ENOMEM, "sandbox: out of memory");
    }
    int r = config->is_plain ? -EPERM : enter_namespaces(&entering);
    if (r < 0 && !entering.is_user) {
        return enter_plainly(&entering, -r, ret_root, err);
    }
    if (r < 0) {
        return error_set(err, -r, "cannot map ids into the user namespace: %s", strerror(-r));
    }
    const mode_t old_mask = umask(022); /* mount points are for the guest, not for our caller */
    r = enter_rest(&entering, err);
    (void)umask(old_mask);
    if (r < 0) {
        return r;
    }
    SandboxRoot root = {.root_fd = -1, .lower_fd = -1, .upper_fd = -1, .is_private = true, .is_namespaced = true, .is_network_own = !config->is_network_host};
    r = hand_over_root(&entering, &root, err);
    if (r == 0) {
        *ret_root = root;
    }
    return r;
}
