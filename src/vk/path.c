/* SPDX-License-Identifier: Apache-2.0 */
/*
 * path.c - from a guest's path to something beneath its root.
 *
 * Private root (the process's "/" is the guest's): the kernel resolves everything, a path is passed as it is.
 *
 * Shared root (no namespaces): the process keeps the guest's current directory as its own, and
 *   absolute path   openat2(root, RESOLVE_IN_ROOT): "..", and absolute symlinks stay inside;
 *   relative path   openat2(dirfd, RESOLVE_BENEATH); when that answers EXDEV (a ".." or an absolute symlink leaves dirfd) the
 *                   directory's own path is asked from the kernel (getcwd), the root's path is cut off its front, and the
 *                   joined path is resolved in the root. A directory that is not beneath the root resolves nothing.
 * Calls that take a name, not a descriptor, get the parent directory's descriptor and the last component, which the
 * kernel never follows for them; calls that follow get an O_PATH descriptor of the object and AT_EMPTY_PATH.
 */
#include "vk-int.h"

#include <linux/magic.h>
#include <linux/openat2.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#define RESOLVE_ROOT (RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS)
#define RESOLVE_DIR (RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS)

static int64_t call_openat2(Vk *vk, int dirfd, const char *path, uint64_t flags, uint64_t mode, uint64_t resolve)
{
    const struct open_how how = {.flags = flags, .mode = mode, .resolve = resolve};
    int64_t r = -EAGAIN;
    for (int tries = 0; r == -EAGAIN && tries < 32; tries++) { /* a rename elsewhere made the resolution uncertain: openat2(2) */
        r = vk->instance != NULL ? vk_block(vk, SYS_openat2, dirfd, VK_PTR(path), VK_PTR(&how), sizeof how, 0, 0)
                                 : vk_sys4(SYS_openat2, dirfd, VK_PTR(path), VK_PTR(&how), sizeof how);
    }
    return r;
}

/*
 * With several threads the process's directory cannot be changed for a moment: others resolve paths. A child that shares the memory but
 * not the directory asks instead. It runs on a stack of its own while we wait, as vfork does, and touches nothing but its job.
 */
typedef struct PathJob {
    int dirfd;
    char *path;
    int64_t result;
} PathJob;

static int path_child(void *argument)
{
    PathJob *job = argument;
    int64_t r = vk_sys1(SYS_fchdir, job->dirfd);
    job->result = r < 0 ? r : vk_sys2(SYS_getcwd, VK_PTR(job->path), LIMIT_PATH_SIZE);
    (void)vk_sys1(SYS_exit, 0);
    return 0;
}

static int64_t __attribute__((noinline)) directory_path_threaded(int dirfd, char path[LIMIT_PATH_SIZE])
{
    _Alignas(16) char stack[8192];
    PathJob job = {.dirfd = dirfd, .path = path, .result = -EIO};
    uint64_t old = 0;
    const uint64_t all = UINT64_MAX;
    (void)vk_sys4(SYS_rt_sigprocmask, SIG_SETMASK, VK_PTR(&all), VK_PTR(&old), sizeof old); /* no handler runs in the child */
    const pid_t pid = clone(path_child, stack + sizeof stack, CLONE_VM | CLONE_VFORK, &job);
    const int error = errno;
    if (pid > 0) {
        (void)vk_sys4(SYS_wait4, pid, 0, __WCLONE, 0); /* without an exit signal it is nobody else's to find */
    }
    (void)vk_sys4(SYS_rt_sigprocmask, SIG_SETMASK, VK_PTR(&old), 0, sizeof old);
    return pid < 0 ? -error : job.result;
}

/* Host path of a directory; the process's own directory is left as it was. */
static int64_t directory_path(const Vk *vk, int dirfd, char path[LIMIT_PATH_SIZE])
{
    if (dirfd == AT_FDCWD) {
        return vk_sys2(SYS_getcwd, VK_PTR(path), LIMIT_PATH_SIZE);
    }
    if (vk_has_threads(vk)) {
        return directory_path_threaded(dirfd, path);
    }
    _cleanup_(fd_closep) int here = (int)vk_sys4(SYS_openat, AT_FDCWD, VK_PTR("."), O_PATH | O_DIRECTORY | O_CLOEXEC, 0);
    if (here < 0) {
        return here;
    }
    int64_t r = vk_sys1(SYS_fchdir, dirfd);
    if (r < 0) {
        return r;
    }
    r = vk_sys2(SYS_getcwd, VK_PTR(path), LIMIT_PATH_SIZE);
    must(vk_sys1(SYS_fchdir, here) == 0);
    return r;
}

/* Path of a directory in the guest's root. Return: length, -ENOENT when it is not beneath the root. */
static int64_t guest_directory(Vk *vk, int dirfd, char path[LIMIT_PATH_SIZE])
{
    char host[LIMIT_PATH_SIZE];
    const int64_t r = directory_path(vk, dirfd, host);
    if (r < 0) {
        return r;
    }
    if (host[0] != '/') {
        return -ENOENT; /* "(unreachable)" */
    }
    const char *rest = host;
    if (!vk->config.is_root_private) {
        if (strncmp(host, vk->root_path, vk->root_path_size) != 0 ||
            (host[vk->root_path_size] != '/' && host[vk->root_path_size] != '\0')) {
            return -ENOENT;
        }
        rest = host + vk->root_path_size;
    }
    if (*rest == '\0') {
        rest = "/";
    }
    const size_t size = strlen(rest);
    memcpy(path, rest, size + 1);
    return (int64_t)size;
}

int64_t vk_cwd(Vk *vk, char path[LIMIT_PATH_SIZE])
{
    return guest_directory(vk, AT_FDCWD, path);
}

static int64_t check_not_proc(Vk *vk, int64_t fd)
{
    struct statfs info;
    if (fd >= 0 && vk->has_raw_proc && fstatfs((int)fd, &info) == 0 && info.f_type == PROC_SUPER_MAGIC) {
        (void)vk_sys1(SYS_close, fd);
        return -EACCES;
    }
    return fd;
}

int64_t vk_open_path(Vk *vk, int32_t dirfd, const char *path, uint64_t flags, uint64_t mode, uint64_t resolve)
{
    if (vk->config.is_root_private) {
        if (resolve != 0) {
            return call_openat2(vk, dirfd, path, flags, mode, resolve);
        }
        return vk_block(vk, SYS_openat, dirfd, VK_PTR(path), flags, mode, 0, 0);
    }
    if (vk->has_raw_proc && vk->has_had_threads) { /* check_not_proc() sees a descriptor that another thread has seen too */
        resolve |= RESOLVE_NO_XDEV;
    }
    if (path[0] == '/') {
        return check_not_proc(vk, call_openat2(vk, vk->config.root_fd, path, flags, mode, RESOLVE_ROOT | (resolve & ~(uint64_t)RESOLVE_BENEATH)));
    }
    int64_t r = call_openat2(vk, dirfd, path, flags, mode, RESOLVE_DIR | (resolve & ~(uint64_t)RESOLVE_IN_ROOT));
    if (r == -EXDEV && (resolve & (RESOLVE_BENEATH | RESOLVE_IN_ROOT)) == 0) {
        char joined[2 * LIMIT_PATH_SIZE];
        const int64_t size = guest_directory(vk, dirfd, joined);
        if (size < 0) {
            return size;
        }
        joined[size] = '/';
        const size_t rest = strlen(path);
        if ((size_t)size + rest + 2 > LIMIT_PATH_SIZE) {
            return -ENAMETOOLONG;
        }
        memcpy(joined + size + 1, path, rest + 1);
        r = call_openat2(vk, vk->config.root_fd, joined, flags, mode, RESOLVE_ROOT | resolve);
    }
    return check_not_proc(vk, r);
}

/* Split off the last component: "a/b/c/" -> "a/b/" (in buffer) and "c/" (points into path). */
static int split_last(const char *path, char buffer[LIMIT_PATH_SIZE], const char **ret_name)
{
    size_t end = strlen(path);
    while (end > 0 && path[end - 1] == '/') {
        end--;
    }
    size_t start = end;
    while (start > 0 && path[start - 1] != '/') {
        start--;
    }
    if (end == 0) { /* only slashes: the root itself */
        memcpy(buffer, "/", 2);
        *ret_name = ".";
        return 0;
    }
    if (start == 0) {
        memcpy(buffer, ".", 2);
    } else {
        memcpy(buffer, path, start);
        buffer[start] = '\0';
    }
    *ret_name = path + start;
    return 0;
}

int vk_place(Vk *vk, int32_t dirfd, const char *path, VkPlaceKind kind, bool is_write, VkPlace *place)
{
    place->owned_fd = -1;
    place->fd = dirfd;
    place->name = path;
    place->flags = kind == VK_PLACE_NOFOLLOW ? AT_SYMLINK_NOFOLLOW : 0;
    if (path[0] != '/' && vk_at_is_bad(vk, dirfd)) {
        return -EBADF;
    }
    if (path[0] == '\0') {
        return -ENOENT;
    }
    if (vk->config.is_root_private) {
        return 0;
    }
    int64_t fd;
    if (kind == VK_PLACE_PARENT) {
        const int r = split_last(path, place->buffer, &place->name);
        if (r < 0) {
            return r;
        }
        fd = vk_open_path(vk, dirfd, place->buffer, O_PATH | O_DIRECTORY | O_CLOEXEC, 0, 0);
    } else {
        fd = vk_open_path(vk, dirfd, path, O_PATH | O_CLOEXEC | (kind == VK_PLACE_NOFOLLOW ? O_NOFOLLOW : 0), 0, 0);
        place->name = "";
        place->flags = AT_EMPTY_PATH;
    }
    if (fd < 0) {
        return (int)fd;
    }
    if (vk_has_threads(vk)) {
        /* A guest's number for a moment: another thread may have put something else there, which is beneath the root or lent by the caller. */
        const int64_t pinned = vk_fd_pin(vk, (int32_t)fd);
        (void)vk_sys1(SYS_close, fd);
        if (pinned < 0 || vk_is_lent(vk, (int32_t)pinned)) {
            return pinned < 0 ? (int)pinned : (int)vk_fd_unpin(-1, pinned, -EPERM);
        }
        fd = pinned;
    }
    place->fd = place->owned_fd = (int)fd;
    if (is_write && vk->config.is_root_read_only) {
        vk_place_deinit(place);
        return -EROFS;
    }
    return 0;
}

void vk_place_deinit(VkPlace *place)
{
    if (place->owned_fd >= 0) {
        (void)vk_sys1(SYS_close, place->owned_fd);
        place->owned_fd = -1;
    }
}

int vk_chdir(Vk *vk, const char *path)
{
    if (vk->config.is_root_private) {
        return (int)vk_sys1(SYS_chdir, VK_PTR(path));
    }
    const int64_t fd = vk_open_path(vk, AT_FDCWD, path, O_PATH | O_DIRECTORY | O_CLOEXEC, 0, 0);
    if (fd < 0) {
        return (int)fd;
    }
    const int64_t r = vk_sys1(SYS_fchdir, fd);
    (void)vk_sys1(SYS_close, fd);
    return (int)r;
}

int vk_path_setup(Vk *vk, Error *err)
{
    char path[LIMIT_PATH_SIZE];
    if (!vk->config.is_root_private) {
        const int64_t r = directory_path(vk, vk->config.root_fd, path);
        if (r < 0) {
            return error_set(err, (int)-r, "vkernel: path of the root");
        }
        size_t size = strlen(path);
        while (size > 0 && path[size - 1] == '/') {
            size--;
        }
        path[size] = '\0';
        vk->root_path = strdup(path);
        if (vk->root_path == NULL) {
            return error_set(err, ENOMEM, "vkernel: out of memory");
        }
        vk->root_path_size = size;
    }
    struct statfs info;
    _cleanup_(fd_closep) int proc = (int)call_openat2(vk, vk->config.root_fd, "proc", O_PATH | O_CLOEXEC, 0, RESOLVE_IN_ROOT);
    vk->has_raw_proc = proc >= 0 && fstatfs(proc, &info) == 0 && info.f_type == PROC_SUPER_MAGIC;
    if (vk->has_raw_proc && vk->config.is_root_private) {
        return error_set(err, EPERM, "vkernel: a procfs is mounted at /proc of the guest");
    }
    int r = vk->config.argc > 0 ? vk_lent_look(vk, err) : 0; /* else they are not there yet */
    if (r < 0) {
        return r;
    }
    r = vk_chdir(vk, vk->config.cwd != NULL && vk->config.cwd[0] == '/' ? vk->config.cwd : "/");
    return r < 0 ? error_set(err, -r, "vkernel: working directory %s", vk->config.cwd) : 0;
}

int vk_lent_look(Vk *vk, Error *err)
{
    for (int fd = 0; fd < 3; fd++) { /* a directory of the host as standard input would be a way out of the root */
        struct stat status;
        vk->lent[fd].is_there = fstat(fd, &status) == 0;
        if (vk->lent[fd].is_there && S_ISDIR(status.st_mode)) {
            return error_set(err, EISDIR, "vkernel: descriptor %d is a directory", fd);
        }
        vk->lent[fd].device = vk->lent[fd].is_there ? status.st_dev : 0;
        vk->lent[fd].number = vk->lent[fd].is_there ? status.st_ino : 0;
    }
    return 0;
}
