/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Path -> O_PATH descriptor beneath the container's root, and the same path without links.
 *
 * The kernel does every look-up (openat2, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS) and the last one also with
 * RESOLVE_NO_SYMLINKS. So when it succeeds, the text that was given to it is the real path of the descriptor it
 * returned: there is no second look-up that could see another tree. Where it meets a link (ELOOP) the first link of the
 * text is read and put into the text, at most 40 times as in Linux (MAXSYMLINKS). A link that changes between two steps
 * gives the file at the old or at the new place, as it does in Linux.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/must.h"
#include "manifest/gate-int.h"

#define LINKS_MAX 40
#define RESOLVE_TEXT (RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_SYMLINKS)

int gate_fd_high(const Gate *gate, int fd)
{
    if (fd < 0 || fd >= gate->config.minimum_fd) {
        return fd;
    }
    int high = -1;
    const int r = fd_move_high(fd, gate->config.minimum_fd, &high);
    if (r < 0) {
        fd_close(fd);
        return r;
    }
    return high;
}

void gate_name_deinit(GateName *name)
{
    if (name->is_owned) {
        name->fd = fd_close(name->fd);
    }
}

/* Removes "." and ".." and doubled slashes, in place. Right because no component of the text is a link. What is written never gets ahead of what
 * is read: each component had a slash before it. */
static void normalise(char path[LIMIT_PATH_SIZE])
{
    size_t size = 0;
    must(path[0] == '/');
    for (const char *p = path; *p != '\0';) {
        p += strspn(p, "/");
        const size_t length = strcspn(p, "/");
        if (length == 2 && memcmp(p, "..", 2) == 0) {
            while (size > 0 && path[--size] != '/') {
            }
        } else if (length > 0 && !(length == 1 && p[0] == '.')) {
            path[size++] = '/';
            memmove(path + size, p, length);
            size += length;
        }
        p += length;
        must(size < LIMIT_PATH_SIZE);
    }
    path[size] = '\0';
    if (size == 0) {
        memcpy(path, "/", 2);
    }
}

/* A link of procfs that leads to an object, not to a path (exe, root, cwd, fd/N): its text says nothing about what it
 * opens. */
static bool is_magic_link(const Gate *gate, int link_fd, const char *prefix)
{
    struct statfs filesystem;
    if (fstatfs(link_fd, &filesystem) < 0) {
        return true;
    }
    if (filesystem.f_type != PROC_SUPER_MAGIC) {
        return false;
    }
    const int fd =
        fd_openat2(gate->config.root_fd, prefix, O_PATH | O_CLOEXEC, 0, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
    fd_close(fd);
    return fd == -ELOOP;
}

/* text[start, end) is the link behind link_fd: puts its target in its place. */
static int replace_link(int link_fd, char text[LIMIT_PATH_SIZE], size_t start, size_t end)
{
    char target[LIMIT_PATH_SIZE];
    const ssize_t target_size = readlinkat(link_fd, "", target, sizeof(target));
    if (target_size < 0) {
        return -errno;
    }
    if (target_size == 0) {
        return -ENOENT;
    }
    const size_t keep = target[0] == '/' ? 0 : start;
    const size_t rest_size = strlen(text + end) + 1;
    if (keep + (size_t)target_size + rest_size > LIMIT_PATH_SIZE) {
        return -ENAMETOOLONG;
    }
    memmove(text + keep + target_size, text + end, rest_size);
    memcpy(text + keep, target, (size_t)target_size);
    return 0;
}

/* Finds the first link in text and replaces it by its target. Return: 0; -ELOOP for the last one with is_nofollow;
 * errors of the look-up. */
static int expand_link(const Gate *gate, char text[LIMIT_PATH_SIZE], bool is_nofollow)
{
    for (size_t end = 0; text[end] != '\0';) {
        const size_t start = end + strspn(text + end, "/");
        end = start + strcspn(text + start, "/");
        if (end == start) {
            break;
        }
        const char saved = text[end];
        text[end] = '\0';
        _cleanup_(fd_closep) int fd = gate_fd_high(
            gate, fd_openat2(gate->config.root_fd, text, O_PATH | O_NOFOLLOW | O_CLOEXEC, 0, RESOLVE_TEXT));
        struct stat status;
        int r = fd < 0 ? fd : fstat(fd, &status) < 0 ? -errno : 0;
        if (r == 0 && S_ISLNK(status.st_mode) && is_magic_link(gate, fd, text)) {
            r = -EACCES;
        }
        text[end] = saved;
        if (r < 0) {
            return r;
        }
        if (S_ISLNK(status.st_mode)) {
            return saved == '\0' && is_nofollow ? -ELOOP : replace_link(fd, text, start, end);
        }
    }
    return 0; /* the link is gone meanwhile: look again */
}

/* text is absolute; it is rewritten while links are expanded. */
static int resolve_text(const Gate *gate, char text[LIMIT_PATH_SIZE], bool is_nofollow, GateName *name)
{
    for (int links = 0; links <= LINKS_MAX; links++) {
        _cleanup_(fd_closep) int fd = gate_fd_high(
            gate, fd_openat2(gate->config.root_fd, text, O_PATH | O_NOFOLLOW | O_CLOEXEC, 0, RESOLVE_TEXT));
        const int r_status = fd >= 0 ? gate_status(fd, &name->status, &name->mount) : 0;
        if (r_status < 0) {
            return r_status;
        }
        if (fd >= 0 && !S_ISLNK(name->status.st_mode)) {
            normalise(text);
            name->path = text;
            name->fd = steal_fd(&fd);
            name->is_owned = true;
            name->directory_fd = gate->config.root_fd;
            name->open_path = name->path;
            name->resolve = RESOLVE_TEXT;
            return 0;
        }
        if (fd < 0 && fd != -ELOOP) {
            return fd;
        }
        const int r = expand_link(gate, text, is_nofollow);
        if (r < 0) {
            return r;
        }
    }
    return -ELOOP;
}

/* execveat(dirfd, relative path): the directory's own path is not known here, so the path has to stay beneath it. */
static int resolve_beneath(const Gate *gate, const GateRequest *request, GateName *name)
{
    const uint64_t resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
    const uint64_t flags = O_PATH | O_CLOEXEC | (request->is_nofollow ? (uint64_t)O_NOFOLLOW : 0u);
    const int fd = gate_fd_high(gate, fd_openat2(request->dirfd, request->path, flags, 0, resolve));
    if (fd < 0) {
        return fd == -EXDEV ? -EACCES : fd;
    }
    name->fd = fd;
    name->is_owned = true;
    name->directory_fd = request->dirfd;
    name->open_path = request->path;
    name->resolve = resolve;
    const int r = gate_status(fd, &name->status, &name->mount);
    return r < 0 ? r : S_ISLNK(name->status.st_mode) ? -ELOOP : 0;
}

int gate_resolve(const Gate *gate, const GateRequest *request, char text[LIMIT_PATH_SIZE], GateName *ret_name)
{
    if (request->is_fd_exec) {
        ret_name->fd = request->dirfd;
        return request->dirfd < 0 ? -EBADF : 0;
    }
    const char *path = request->path;
    must(path != NULL);
    if (path[0] == '\0') {
        return -ENOENT;
    }
    if (strlen(path) >= LIMIT_PATH_SIZE) {
        return -ENAMETOOLONG;
    }
    if (path[0] != '/' && request->dirfd != AT_FDCWD) {
        return resolve_beneath(gate, request, ret_name);
    }
    const char *cwd = path[0] == '/' ? "" : request->cwd != NULL ? request->cwd : "";
    const size_t cwd_size = strnlen(cwd, LIMIT_PATH_SIZE), slash_size = path[0] == '/' ? 0 : 1, path_size = strlen(path);
    if (cwd_size + slash_size + path_size >= LIMIT_PATH_SIZE) {
        return -ENAMETOOLONG;
    }
    memcpy(text, cwd, cwd_size);
    memcpy(text + cwd_size, "/", slash_size);
    memcpy(text + cwd_size + slash_size, path, path_size + 1);
    return resolve_text(gate, text, request->is_nofollow, ret_name);
}
