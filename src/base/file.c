/* SPDX-License-Identifier: Apache-2.0 */
/*
 * file.c - whole files and directories.
 *
 * tree_remove() keeps at most TREE_OPEN_DEPTH descriptors: what lies deeper is renamed up into the top directory and
 * removed from there, so that a tree made a million levels deep by a guest costs neither descriptors nor stack.
 */
#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/fd.h"
#include "base/limits.h"
#include "base/must.h"

#define TREE_OPEN_DEPTH 24u
#define READ_FIRST_SIZE 4096u
#define TEMPORARY_NAME_SIZE 32u

static const uint8_t no_bytes[1];

/* Opens a file that must be regular; a FIFO does not block, a device is not touched further than open(2) does. */
static int open_regular(int dirfd, const char *path, int *ret_fd, struct stat *ret_stat, Error *err)
{
    _cleanup_(fd_closep) int fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) {
        return error_set(err, errno, "%s: %s", path, strerror(errno));
    }
    if (fstat(fd, ret_stat) < 0) {
        return error_set(err, errno, "%s: %s", path, strerror(errno));
    }
    if (!S_ISREG(ret_stat->st_mode)) {
        return error_set(err, S_ISDIR(ret_stat->st_mode) ? EISDIR : EINVAL, "%s: not a regular file", path);
    }
    *ret_fd = steal_fd(&fd);
    return 0;
}

int file_map_fd(int fd, uint64_t max_size, FileMap *ret_map, Error *err)
{
    struct stat status;
    if (fstat(fd, &status) < 0) {
        return error_set(err, errno, "stat: %s", strerror(errno));
    }
    if (!S_ISREG(status.st_mode)) {
        return error_set(err, S_ISDIR(status.st_mode) ? EISDIR : EINVAL, "not a regular file");
    }
    const uint64_t size = (uint64_t)status.st_size;
    if (size > max_size || size > SIZE_MAX) {
        return error_set(err, EFBIG, "file of %llu bytes is larger than the limit of %llu", (unsigned long long)size,
                         (unsigned long long)max_size);
    }
    if (size == 0) {
        *ret_map = (FileMap){.bytes = no_bytes, .size = 0};
        return 0;
    }
    void *bytes = mmap(NULL, (size_t)size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (bytes == MAP_FAILED) {
        return error_set(err, errno, "mmap of %llu bytes: %s", (unsigned long long)size, strerror(errno));
    }
    *ret_map = (FileMap){.bytes = bytes, .size = (size_t)size};
    return 0;
}

int file_map(int dirfd, const char *path, uint64_t max_size, FileMap *ret_map, Error *err)
{
    _cleanup_(fd_closep) int fd = -1;
    struct stat status;
    int r = open_regular(dirfd, path, &fd, &status, err);
    if (r < 0) {
        return r;
    }
    r = file_map_fd(fd, max_size, ret_map, err);
    return r < 0 ? error_wrap(err, r, "%s", path) : r;
}

void file_unmap(FileMap *map)
{
    if (map && map->bytes && map->bytes != no_bytes) {
        must(munmap((void *)(uintptr_t)map->bytes, map->size) == 0);
    }
    if (map) {
        *map = (FileMap){0};
    }
}

int file_read(int dirfd, const char *path, size_t max_size, char **ret_bytes, size_t *ret_size, Error *err)
{
    _cleanup_(fd_closep) int fd = -1;
    _cleanup_(buf_deinit) Buf buf = BUF_INIT(max_size == SIZE_MAX ? max_size : max_size + 1);
    struct stat status;
    int r = open_regular(dirfd, path, &fd, &status, err);
    if (r < 0) {
        return r;
    }
    if ((uint64_t)status.st_size > max_size) {
        goto too_large;
    }
    /* The size is a hint only: files of procfs and cgroupfs say 0, and a file may grow while it is read. */
    size_t ask = status.st_size > 0 ? (size_t)status.st_size + 1 : READ_FIRST_SIZE;
    for (;;) {
        const size_t room = buf.max_size - buf.size;
        ask = ask > room ? room : ask;
        if (ask == 0) {
            goto too_large;
        }
        r = buf_reserve(&buf, ask);
        if (r < 0) {
            return error_set(err, -r, "%s: out of memory for %zu bytes", path, buf.size + ask);
        }
        size_t size;
        r = fd_read_full(fd, buf.bytes + buf.size, ask, &size);
        if (r < 0) {
            return error_set(err, -r, "%s: %s", path, strerror(-r));
        }
        buf.size += size;
        buf.bytes[buf.size] = 0;
        if (size < ask) {
            break;
        }
        ask = buf.size;
    }
    if (buf.size > max_size) {
        goto too_large;
    }
    *ret_bytes = (char *)buf_steal(&buf, ret_size);
    must(*ret_bytes);
    return 0;

too_large:
    return error_set(err, EFBIG, "%s: larger than the limit of %zu bytes", path, max_size);
}

/* path -> the directory part (in directory, at least ".") and where the last component starts. */
static int path_split(const char *path, char directory[LIMIT_PATH_SIZE], const char **ret_name)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    const size_t size = slash ? (size_t)(slash - path) : 0;
    if (*name == '\0' || strcmp(name, ".") == 0 || strcmp(name, "..") == 0) {
        return -EINVAL;
    }
    if (size >= LIMIT_PATH_SIZE - 1 || strlen(name) > 255) {
        return -ENAMETOOLONG;
    }
    if (!slash) {
        memcpy(directory, ".", 2);
    } else if (size == 0) {
        memcpy(directory, "/", 2);
    } else {
        memcpy(directory, path, size);
        directory[size] = '\0';
    }
    *ret_name = name;
    return 0;
}

static int temporary_name(char name[TEMPORARY_NAME_SIZE])
{
    uint64_t random;
    if (getrandom(&random, sizeof random, 0) != (ssize_t)sizeof random) {
        return -EIO;
    }
    (void)snprintf(name, TEMPORARY_NAME_SIZE, ".tmp-%016llx", (unsigned long long)random);
    return 0;
}

static int write_and_sync(int fd, const void *bytes, size_t size, mode_t mode)
{
    const int r = fd_write_full(fd, bytes, size);
    if (r < 0) {
        return r;
    }
    /* The mode asked for, whatever the umask is. */
    if (fchmod(fd, mode) < 0 || fsync(fd) < 0) {
        return -errno;
    }
    return 0;
}

int file_write_atomic(int dirfd, const char *path, const void *bytes, size_t size, mode_t mode, Error *err)
{
    _cleanup_(fd_closep) int directory_fd = -1;
    char directory[LIMIT_PATH_SIZE];
    char temporary[TEMPORARY_NAME_SIZE];
    const char *name;
    int r = path_split(path, directory, &name);
    if (r < 0) {
        return error_set(err, -r, "%s: not a usable file name", path);
    }
    directory_fd = openat(dirfd, directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory_fd < 0) {
        return error_set(err, errno, "%s: %s", directory, strerror(errno));
    }
    r = temporary_name(temporary);
    if (r < 0) {
        return error_set(err, -r, "%s: no random bytes", path);
    }
    int fd = openat(directory_fd, temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        return error_set(err, errno, "%s: %s", path, strerror(errno));
    }
    r = write_and_sync(fd, bytes, size, mode);
    if (close(fd) < 0 && r == 0) {
        r = -errno; /* network file systems report a full disk here */
    }
    if (r == 0 && renameat(directory_fd, temporary, directory_fd, name) < 0) {
        r = -errno;
    }
    if (r < 0) {
        (void)unlinkat(directory_fd, temporary, 0);
        return error_set(err, -r, "%s: %s", path, strerror(-r));
    }
    /* The file is there under its name; some file systems cannot sync a directory (EINVAL) and need not. */
    if (fsync(directory_fd) < 0 && errno != EINVAL) {
        return error_set(err, errno, "%s: %s", directory, strerror(errno));
    }
    return 0;
}

/* Makes one directory; an existing one (or a link to one) is fine. */
static int dir_make_one(const char *path, mode_t mode)
{
    struct stat status;
    if (mkdir(path, mode) == 0) {
        return 0;
    }
    const int code = errno;
    /* EROFS and EACCES may hide that it is there already. */
    if (stat(path, &status) == 0) {
        return S_ISDIR(status.st_mode) ? 0 : -ENOTDIR;
    }
    return -code;
}

int dir_make(const char *path, mode_t mode, Error *err)
{
    char prefix[LIMIT_PATH_SIZE];
    const size_t size = strlen(path);
    if (size == 0 || size >= sizeof prefix) {
        return error_set(err, size ? ENAMETOOLONG : ENOENT, "%.64s: not a usable directory name", path);
    }
    memcpy(prefix, path, size + 1);
    for (size_t i = 1; i < size; i++) {
        if (prefix[i] != '/' || prefix[i - 1] == '/') {
            continue;
        }
        size_t rest = i;
        while (prefix[rest] == '/') {
            rest++;
        }
        if (prefix[rest] == '\0') {
            break; /* trailing slashes: this was the last component */
        }
        prefix[i] = '\0';
        const int r = dir_make_one(prefix, 0755);
        if (r < 0) {
            return error_set(err, -r, "%s: %s", prefix, strerror(-r));
        }
        prefix[i] = '/';
    }
    const int r = dir_make_one(path, mode);
    return r < 0 ? error_set(err, -r, "%s: %s", path, strerror(-r)) : 0;
}

typedef struct TreeRemoval {
    int top_fd;
    uint64_t moved_count;
    bool has_moved; /* something was renamed into the top directory: list it again */
} TreeRemoval;

static int tree_remove_entry(TreeRemoval *removal, int parent_fd, const char *name, unsigned depth);

/* A directory of this mount and no link. A directory closed to its owner is opened up first. */
static int open_subdirectory(int parent_fd, const char *name)
{
    const uint64_t flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK;
    const uint64_t resolve = RESOLVE_NO_XDEV | RESOLVE_NO_SYMLINKS | RESOLVE_BENEATH;
    int fd = fd_openat2(parent_fd, name, flags, 0, resolve);
    if (fd == -EACCES && fchmodat(parent_fd, name, 0700, AT_SYMLINK_NOFOLLOW) == 0) {
        fd = fd_openat2(parent_fd, name, flags, 0, resolve);
    }
    return fd;
}

/* Empties the directory; takes fd. */
static int tree_clear(TreeRemoval *removal, int fd, unsigned depth)
{
    DIR *directory = fdopendir(fd);
    if (!directory) {
        const int r = -errno;
        fd_close(fd);
        return r;
    }
    (void)fchmod(fd, 0700); /* helps an owner who is not root; root does not need it */
    int r = 0;
    for (;;) {
        errno = 0;
        const struct dirent *entry = readdir(directory);
        if (!entry) {
            r = -errno;
            break;
        }
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) {
            continue;
        }
        r = tree_remove_entry(removal, dirfd(directory), entry->d_name, depth);
        if (r < 0) {
            break;
        }
    }
    (void)closedir(directory);
    return r;
}

/* Renames parent/name to a fresh name in the top directory. */
static int tree_move_up(TreeRemoval *removal, int parent_fd, const char *name)
{
    char fresh[TEMPORARY_NAME_SIZE];
    const int r = temporary_name(fresh);
    if (r < 0) {
        return r;
    }
    if (renameat(parent_fd, name, removal->top_fd, fresh) < 0) {
        return -errno;
    }
    removal->moved_count++;
    removal->has_moved = true;
    return 0;
}

static int tree_remove_entry(TreeRemoval *removal, int parent_fd, const char *name, unsigned depth)
{
    if (unlinkat(parent_fd, name, 0) == 0 || errno == ENOENT) {
        return 0;
    }
    const int code = errno;
    if (code != EISDIR && code != EPERM && code != EACCES) {
        return -code;
    }
    if (unlinkat(parent_fd, name, AT_REMOVEDIR) == 0 || errno == ENOENT) {
        return 0;
    }
    if (errno == ENOTDIR) {
        return -code; /* a file that may not be removed */
    }
    if (errno != ENOTEMPTY && errno != EEXIST) {
        return -errno;
    }
    if (depth >= TREE_OPEN_DEPTH) {
        return tree_move_up(removal, parent_fd, name);
    }
    const int fd = open_subdirectory(parent_fd, name);
    if (fd < 0) {
        return fd == -ENOENT ? 0 : fd;
    }
    const int r = tree_clear(removal, fd, depth + 1);
    if (r < 0) {
        return r;
    }
    return unlinkat(parent_fd, name, AT_REMOVEDIR) == 0 || errno == ENOENT ? 0 : -errno;
}

int tree_remove(int dirfd, const char *path, Error *err)
{
    _cleanup_(fd_closep) int parent_fd = -1;
    _cleanup_(fd_closep) int top_fd = -1;
    char directory[LIMIT_PATH_SIZE];
    const char *name;
    int r = path_split(path, directory, &name);
    if (r < 0) {
        return error_set(err, -r, "%s: not a usable file name", path);
    }
    parent_fd = openat(dirfd, directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (parent_fd < 0) {
        return errno == ENOENT ? 0 : error_set(err, errno, "%s: %s", directory, strerror(errno));
    }
    struct stat status;
    if (fstatat(parent_fd, name, &status, AT_SYMLINK_NOFOLLOW) < 0) {
        return errno == ENOENT ? 0 : error_set(err, errno, "%s: %s", path, strerror(errno));
    }
    if (!S_ISDIR(status.st_mode)) {
        r = unlinkat(parent_fd, name, 0) < 0 ? -errno : 0;
    } else {
        top_fd = open_subdirectory(parent_fd, name);
        TreeRemoval removal = {.top_fd = top_fd, .has_moved = true};
        r = top_fd < 0 ? top_fd : 0;
        /* Ends: each pass removes every directory it has moved up in the pass before. */
        while (r == 0 && removal.has_moved) {
            removal.has_moved = false;
            const int fd = openat(top_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
            r = fd < 0 ? -errno : tree_clear(&removal, fd, 0);
        }
        if (r == 0 && unlinkat(parent_fd, name, AT_REMOVEDIR) < 0) {
            r = -errno;
        }
    }
    if (r < 0 && r != -ENOENT) {
        return error_set(err, -r, "%s: cannot remove: %s", path, strerror(-r));
    }
    return 0;
}

bool path_is_clean(const char *path)
{
    const char *component = path[0] == '/' ? path + 1 : path;
    for (;;) {
        const size_t size = strcspn(component, "/");
        const bool is_dots = component[0] == '.' && (size == 1 || (size == 2 && component[1] == '.'));
        if (size == 0 || is_dots) {
            return false;
        }
        if (component[size] == '\0') {
            return strlen(path) < LIMIT_PATH_SIZE;
        }
        component += size + 1;
    }
}
