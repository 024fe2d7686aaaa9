/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wasi-path.c - path_*: calls on names beneath an open directory.
 *
 *   guest path --copy once--> checked text --split--> parent directory (openat2 beneath) + last name --> *at call
 *
 * A path that is absolute or climbs above its directory is NOTCAPABLE. Calls that act on a name open the parent and
 * never follow the last component; calls that act on the object follow it only when the guest asked to.
 */
#include "wasi-int.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

enum { OFLAG_CREAT = 1, OFLAG_DIRECTORY = 2, OFLAG_EXCL = 4, OFLAG_TRUNC = 8 };
enum { FDFLAG_APPEND = 1, FDFLAG_DSYNC = 2, FDFLAG_NONBLOCK = 4, FDFLAG_RSYNC = 8, FDFLAG_SYNC = 16 };
#define LOOKUP_FOLLOW 1u
#define PROC_MAGIC 0x9fa0

typedef struct WasiPath {
    char text[LIMIT_PATH_SIZE];
    size_t size;
    bool has_slash;  /* ended in '/': only a directory will do */
    WasiSlot *slot;
    uint32_t fd;
} WasiPath;

/* Lexically at or below its start: what RESOLVE_IN_ROOT would silently clamp must be refused for the preopened "/". */
static bool is_climbing(const char *path)
{
    int depth = 0;
    while (*path != '\0') {
        const size_t part = strcspn(path, "/");
        if (part == 2 && path[0] == '.' && path[1] == '.') {
            if (--depth < 0) {
                return true;
            }
        } else if (part > 0 && !(part == 1 && path[0] == '.')) {
            depth++;
        }
        path += part;
        path += strspn(path, "/");
    }
    return false;
}

static WasiErrno path_take(Vk *vk, uint32_t fd, uint64_t rights, uint32_t address, uint32_t size, WasiPath *ret_path)
{
    WasiErrno error = wasi_slot(vk, fd, 0, &ret_path->slot);
    if (error != WASI_E_SUCCESS) {
        return error;
    }
    if (ret_path->slot->type != WASI_TYPE_DIRECTORY) {
        return WASI_E_NOTDIR;
    }
    error = wasi_slot(vk, fd, rights, &ret_path->slot);
    if (error != WASI_E_SUCCESS) {
        return error;
    }
    if (size >= LIMIT_PATH_SIZE) {
        return WASI_E_NAMETOOLONG;
    }
    if (vk_copy_in(vk, ret_path->text, address, size) < 0) {
        return WASI_E_FAULT;
    }
    ret_path->text[size] = '\0';
    if (strlen(ret_path->text) != size) {
        return WASI_E_ILSEQ; /* NUL inside */
    }
    if (size == 0) {
        return WASI_E_NOENT;
    }
    if (ret_path->text[0] == '/' || is_climbing(ret_path->text)) {
        return WASI_E_NOTCAPABLE;
    }
    ret_path->size = size;
    ret_path->has_slash = ret_path->text[size - 1] == '/';
    ret_path->fd = fd;
    return WASI_E_SUCCESS;
}

static int64_t open_beneath(const Vk *vk, const WasiPath *path, const char *text, uint64_t flags, uint64_t mode)
{
    const uint64_t resolve = (path->slot->is_root ? 0x10u /* IN_ROOT */ : 0x08u /* BENEATH */) | 0x02u /* NO_MAGICLINKS */;
    const uint64_t more = O_CLOEXEC | ((flags & O_PATH) != 0 ? 0u : O_NOCTTY); /* openat2(2): EINVAL for what O_PATH ignores */
    const int64_t fd = fd_openat2((int)path->fd, text, flags | more, mode, resolve);
    struct statfs status;
    if (fd >= 0 && vk->has_raw_proc && fstatfs((int)fd, &status) == 0 && status.f_type == PROC_MAGIC) {
        (void)fd_close((int)fd);
        return -EACCES; /* the host's procfs is never the guest's */
    }
    return fd;
}

static bool is_read_only(const Vk *vk)
{
    return vk->config.is_root_read_only;
}

/* The directory that holds the last name. name points into path->text. Return: fd or -errno. */
static int64_t parent_open(const Vk *vk, WasiPath *path, const char **ret_name)
{
    while (path->size > 1 && path->text[path->size - 1] == '/') {
        path->text[--path->size] = '\0';
    }
    char *slash = strrchr(path->text, '/');
    const char *name = slash == NULL ? path->text : slash + 1;
    const char *directory = slash == NULL ? "." : path->text;
    if (slash != NULL) {
        *slash = '\0';
    }
    *ret_name = name;
    return open_beneath(vk, path, directory, O_PATH | O_DIRECTORY, 0);
}

static bool is_dots(const char *name)
{
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

/* --- open --- */

static uint64_t open_flags(const WasiSlot *slot, uint32_t oflags, uint64_t rights, uint32_t fdflags, bool is_following)
{
    (void)slot;
    const bool is_read = (rights & (WASI_RIGHT_FD_READ | WASI_RIGHT_FD_READDIR)) != 0;
    const bool is_write = (rights & (WASI_RIGHT_FD_WRITE | WASI_RIGHT_FD_ALLOCATE | WASI_RIGHT_FD_FILESTAT_SET_SIZE)) != 0;
    uint64_t flags = (oflags & OFLAG_DIRECTORY) != 0 ? O_RDONLY : is_read && is_write ? O_RDWR : is_write ? O_WRONLY : O_RDONLY;
    flags |= (oflags & OFLAG_CREAT) != 0 ? O_CREAT : 0;
    flags |= (oflags & OFLAG_DIRECTORY) != 0 ? O_DIRECTORY : 0;
    flags |= (oflags & OFLAG_EXCL) != 0 ? O_EXCL : 0;
    flags |= (oflags & OFLAG_TRUNC) != 0 ? O_TRUNC : 0;
    flags |= (fdflags & FDFLAG_APPEND) != 0 ? O_APPEND : 0;
    flags |= (fdflags & FDFLAG_DSYNC) != 0 ? O_DSYNC : 0;
    flags |= (fdflags & (FDFLAG_SYNC | FDFLAG_RSYNC)) != 0 ? O_SYNC : 0;
    flags |= (fdflags & FDFLAG_NONBLOCK) != 0 ? O_NONBLOCK : 0;
    flags |= is_following ? 0 : O_NOFOLLOW;
    return flags;
}

static const char *skip_start(const char *path)
{
    while (path[0] == '/' || (path[0] == '.' && path[1] == '/')) {
        path++;
    }
    return path;
}

/* The script that this program interprets, by the name it was given: what it reads is what was hashed (vk_is_script(); wasi-libc has cut the start). */
static bool is_script(const Vk *vk, const WasiPath *path, uint64_t flags)
{
    return vk->script_fd >= 0 && path->slot->is_root && (flags & (O_ACCMODE | O_CREAT | O_TRUNC | O_DIRECTORY)) == O_RDONLY &&
           strcmp(skip_start(path->text), skip_start(vk->script_path)) == 0;
}

static uint32_t wasi_path_open(RtInstance *instance, uint32_t fd, uint32_t lookup, uint32_t address, uint32_t size, uint32_t oflags, uint64_t rights,
                               uint64_t inheriting, uint32_t fdflags, uint32_t ret)
{
    Vk *vk = wasi_vk(instance);
    WasiPath path;
    uint64_t needed = WASI_RIGHT_PATH_OPEN;
    needed |= (oflags & OFLAG_CREAT) != 0 ? WASI_RIGHT_PATH_CREATE_FILE : 0;
    needed |= (oflags & OFLAG_TRUNC) != 0 ? WASI_RIGHT_PATH_FILESTAT_SET_SIZE : 0;
    WasiErrno error = path_take(vk, fd, needed, address, size, &path);
    if (error != WASI_E_SUCCESS) {
        return error;
    }
    if ((oflags & ~15u) != 0 || (fdflags & ~31u) != 0 || (oflags & (OFLAG_CREAT | OFLAG_DIRECTORY)) == (OFLAG_CREAT | OFLAG_DIRECTORY)) {
        return WASI_E_INVAL;
    }
    if ((oflags & OFLAG_DIRECTORY) != 0 && (rights & WASI_RIGHT_FD_WRITE) != 0) {
        return WASI_E_ISDIR; /* as open(2) with O_RDWR | O_DIRECTORY */
    }
    const uint64_t granted = rights & path.slot->inheriting;
    const uint64_t flags = open_flags(path.slot, oflags, granted, fdflags, (lookup & LOOKUP_FOLLOW) != 0);
    if (is_read_only(vk) && ((flags & (O_CREAT | O_TRUNC)) != 0 || (flags & O_ACCMODE) != O_RDONLY)) {
        return WASI_E_ROFS;
    }
    const int64_t host_fd =
        is_script(vk, &path, flags) ? vk_script_take(vk, true) : open_beneath(vk, &path, path.text, flags, (flags & O_CREAT) != 0 ? 0666 : 0);
    uint32_t guest_fd = 0;
    error = wasi_adopt(vk, host_fd, granted, inheriting & path.slot->inheriting, &guest_fd);
    if (error != WASI_E_SUCCESS) {
        return error;
    }
    error = wasi_put(vk, ret, &guest_fd, sizeof guest_fd);
    if (error != WASI_E_SUCCESS) {
        vk->wasi->slots[guest_fd] = (WasiSlot){.is_open = false};
        (void)fd_close((int)guest_fd);
    }
    return error;
}

/* --- objects --- */

static uint32_t wasi_path_filestat_get(RtInstance *instance, uint32_t fd, uint32_t lookup, uint32_t address, uint32_t size, uint32_t ret)
{
    Vk *vk = wasi_vk(instance);
    WasiPath path;
    struct stat status;
    const WasiErrno error = path_take(vk, fd, WASI_RIGHT_PATH_FILESTAT_GET, address, size, &path);
    if (error != WASI_E_SUCCESS) {
        return error;
    }
    _cleanup_(fd_closep) int host_fd = (int)open_beneath(vk, &path, path.text, O_PATH | ((lookup & LOOKUP_FOLLOW) != 0 ? 0 : O_NOFOLLOW), 0);
    if (host_fd < 0) {
        return wasi_errno(host_fd);
    }
    if (fstat(host_fd, &status) < 0) {
        return wasi_errno(errno);
    }
    WasiFilestat out;
    wasi_filestat_fill(&status, &out);
    return wasi_put(vk, ret, &out, sizeof out);
}

static uint32_t wasi_path_filestat_set_times(RtInstance *instance, uint32_t fd, uint32_t lookup, uint32_t address, uint32_t size, uint64_t atim,
                                             uint64_t mtim, uint32_t flags)
{
    Vk *vk = wasi_vk(instance);
    WasiPath path;
    struct timespec times[2];
    WasiErrno error = path_take(vk, fd, WASI_RIGHT_PATH_FILESTAT_SET_TIMES, address, size, &path);
    error = error != WASI_E_SUCCESS ? error : wasi_times(atim, mtim, flags, times);
    if (error != WASI_E_SUCCESS) {
        return error;
    }
    if (is_read_only(vk)) {
        return WASI_E_ROFS;
    }
    _cleanup_(fd_closep) int host_fd = (int)open_beneath(vk, &path, path.text, O_PATH | ((lookup & LOOKUP_FOLLOW) != 0 ? 0 : O_NOFOLLOW), 0);
    if (host_fd < 0) {
        return wasi_errno(host_fd);
    }
    return wasi_errno(vk_sys4(SYS_utimensat, host_fd, VK_PTR(""), VK_PTR(times), AT_EMPTY_PATH));
}

static uint32_t wasi_path_readlink(RtInstance *instance, uint32_t fd, uint32_t address, uint32_t size, uint32_t to, uint32_t to_size, uint32_t ret)
{
    Vk *vk = wasi_vk(instance);
    WasiPath path;
    char target[LIMIT_PATH_SIZE];
    WasiErrno error = path_take(vk, fd, WASI_RIGHT_PATH_READLINK, address, size, &path);
    if (error != WASI_E_SUCCESS) {
        return error;
    }
    _cleanup_(fd_closep) int host_fd = (int)open_beneath(vk, &path, path.text, O_PATH | O_NOFOLLOW, 0);
    if (host_fd < 0) {
        return wasi_errno(host_fd);
    }
    const ssize_t got = readlinkat(host_fd, "", target, sizeof target);
    if (got < 0) {
        return errno == ENOENT ? WASI_E_INVAL : wasi_errno(errno); /* ENOENT with an empty path: not a symlink */
    }
    const uint32_t used = (uint32_t)got < to_size ? (uint32_t)got : to_size;
    error = wasi_put(vk, to, target, used);
    return error != WASI_E_SUCCESS ? error : wasi_put(vk, ret, &used, sizeof used);
}

/* --- names --- */

/* One name beneath a directory for the calls that make or remove it. */
typedef struct WasiName {
    WasiPath path;
    int parent_fd;
    const char *name;
} WasiName;

static WasiErrno name_take(Vk *vk, uint32_t fd, uint64_t rights, uint32_t address, uint32_t size, WasiName *ret_name)
{
    const WasiErrno error = path_take(vk, fd, rights, address, size, &ret_name->path);
    if (error != WASI_E_SUCCESS) {
        return error;
    }
    if (is_read_only(vk)) {
        return WASI_E_ROFS;
    }
    const int64_t parent = parent_open(vk, &ret_name->path, &ret_name->name);
    if (parent < 0) {
        return wasi_errno(parent);
    }
    ret_name->parent_fd = (int)parent;
    return WASI_E_SUCCESS;
}

static uint32_t wasi_path_create_directory(RtInstance *instance, uint32_t fd, uint32_t address, uint32_t size)
{
    WasiName name;
    const WasiErrno error = name_take(wasi_vk(instance), fd, WASI_RIGHT_PATH_CREATE_DIRECTORY, address, size, &name);
    if (error != WASI_E_SUCCESS) {
        return error;
    }
    const int64_t r = is_dots(name.name) ? -EEXIST : vk_sys3(SYS_mkdirat, name.parent_fd, VK_PTR(name.name), 0777);
    (void)fd_close(name.parent_fd);
    return wasi_errno(r);
}

static uint32_t wasi_path_remove_directory(RtInstance *instance, uint32_t fd, uint32_t address, uint32_t size)
{
    WasiName name;
    const WasiErrno error = name_take(wasi_vk(instance), fd, WASI_RIGHT_PATH_REMOVE_DIRECTORY, address, size, &name);
    if (error != WASI_E_SUCCESS) {
        return error;
    }
    const int64_t r = is_dots(name.name) ? -EINVAL : vk_sys3(SYS_unlinkat, name.parent_fd, VK_PTR(name.name), AT_REMOVEDIR);
    (void)fd_close(name.parent_fd);
    return wasi_errno(r);
}

static uint32_t wasi_path_unlink_file(RtInstance *instance, uint32_t fd, uint32_t address, uint32_t size)
{
    WasiName name;
    const WasiErrno error = name_take(wasi_vk(instance), fd, WASI_RIGHT_PATH_UNLINK_FILE, address, size, &name);
    if (error != WASI_E_SUCCESS) {
        return error;
    }
    struct stat status;
    int64_t r = is_dots(name.name) ? -EISDIR : 0;
    if (r == 0 && name.path.has_slash) { /* "file/" names a directory or nothing: unlink(2) */
        r = fstatat(name.parent_fd, name.name, &status, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : S_ISDIR(status.st_mode) ? -EISDIR : -ENOTDIR;
    }
    r = r < 0 ? r : vk_sys3(SYS_unlinkat, name.parent_fd, VK_PTR(name.name), 0);
    (void)fd_close(name.parent_fd);
    return wasi_errno(r);
}

static uint32_t wasi_path_symlink(RtInstance *instance, uint32_t target_address, uint32_t target_size, uint32_t fd, uint32_t address, uint32_t size)
{
    Vk *vk = wasi_vk(instance);
    char target[LIMIT_PATH_SIZE];
    WasiName name;
    if (target_size >= sizeof target) {
        return WASI_E_NAMETOOLONG;
    }
    if (vk_copy_in(vk, target, target_address, target_size) < 0) {
        return WASI_E_FAULT;
    }
    target[target_size] = '\0';
    if (strlen(target) != target_size) {
        return WASI_E_ILSEQ;
    }
    if (target[0] == '/') {
        return WASI_E_NOTCAPABLE; /* would name what is outside of the directory */
    }
    const WasiErrno error = name_take(vk, fd, WASI_RIGHT_PATH_SYMLINK, address, size, &name);
    if (error != WASI_E_SUCCESS) {
        return error;
    }
    struct stat status;
    int64_t r = 0;
    if (name.path.has_slash) {
        r = fstatat(name.parent_fd, name.name, &status, AT_SYMLINK_NOFOLLOW) == 0 ? -EEXIST : -ENOENT;
    }
    r = r < 0 ? r : vk_sys3(SYS_symlinkat, VK_PTR(target), name.parent_fd, VK_PTR(name.name));
    (void)fd_close(name.parent_fd);
    return wasi_errno(r);
}

static uint32_t wasi_path_rename(RtInstance *instance, uint32_t fd, uint32_t address, uint32_t size, uint32_t to_fd, uint32_t to_address, uint32_t to_size)
{
    Vk *vk = wasi_vk(instance);
    WasiName from;
    WasiName to;
    WasiErrno error = name_take(vk, fd, WASI_RIGHT_PATH_RENAME_SOURCE, address, size, &from);
    if (error != WASI_E_SUCCESS) {
        return error;
    }
    error = name_take(vk, to_fd, WASI_RIGHT_PATH_RENAME_TARGET, to_address, to_size, &to);
    if (error == WASI_E_SUCCESS) {
        struct stat status;
        int64_t r = 0;
        if ((from.path.has_slash || to.path.has_slash) && fstatat(from.parent_fd, from.name, &status, AT_SYMLINK_NOFOLLOW) == 0 && !S_ISDIR(status.st_mode)) {
            r = -ENOTDIR;
        }
        r = r < 0 ? r : vk_sys5(SYS_renameat2, from.parent_fd, VK_PTR(from.name), to.parent_fd, VK_PTR(to.name), 0);
        error = wasi_errno(r);
        (void)fd_close(to.parent_fd);
    }
    (void)fd_close(from.parent_fd);
    return error;
}

static uint32_t wasi_path_link(RtInstance *instance, uint32_t fd, uint32_t lookup, uint32_t address, uint32_t size, uint32_t to_fd, uint32_t to_address,
                               uint32_t to_size)
{
    Vk *vk = wasi_vk(instance);
    WasiName from;
    WasiName to;
    if ((lookup & LOOKUP_FOLLOW) != 0) {
        return WASI_E_INVAL; /* following needs a descriptor of the target: linkat(2) wants a capability for it */
    }
    WasiErrno error = name_take(vk, fd, WASI_RIGHT_PATH_LINK_SOURCE, address, size, &from);
    if (error != WASI_E_SUCCESS) {
        return error;
    }
    error = name_take(vk, to_fd, WASI_RIGHT_PATH_LINK_TARGET, to_address, to_size, &to);
    if (error == WASI_E_SUCCESS) {
        error = to.path.has_slash ? WASI_E_NOENT : wasi_errno(vk_sys5(SYS_linkat, from.parent_fd, VK_PTR(from.name), to.parent_fd, VK_PTR(to.name), 0));
        (void)fd_close(to.parent_fd);
    }
    (void)fd_close(from.parent_fd);
    return error;
}

#define ROW(name, signature) {#name, signature, (const void *)wasi_##name}
const WasiRow wasi_path_rows[] = {
    ROW(path_open, "iiiiiIIii:i"),         ROW(path_filestat_get, "iiiii:i"),  ROW(path_filestat_set_times, "iiiiIIi:i"),
    ROW(path_readlink, "iiiiii:i"),        ROW(path_create_directory, "iii:i"), ROW(path_remove_directory, "iii:i"),
    ROW(path_unlink_file, "iii:i"),        ROW(path_symlink, "iiiii:i"),       ROW(path_rename, "iiiiii:i"),
    ROW(path_link, "iiiiiii:i"),           {NULL, NULL, NULL},
};
