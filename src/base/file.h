/* SPDX-License-Identifier: Apache-2.0 */
/*
 * file.h - whole files and directories: bounded reads, atomic writes, trees.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"

/* A file mapped read-only. bytes is a private mapping; file_map_fd() leaves the fd to the caller. size 0 gives bytes non-NULL and no mapping. */
typedef struct FileMap {
    const uint8_t *bytes;
    size_t size;
} FileMap;

int file_map_fd(int fd, uint64_t max_size, FileMap *ret_map, Error *err) WARN_UNUSED;
int file_map(int dirfd, const char *path, uint64_t max_size, FileMap *ret_map, Error *err) WARN_UNUSED;
void file_unmap(FileMap *map);

/* file_read() - regular file of at most max_size bytes into a fresh NUL-terminated buffer (free()). Does not block on a FIFO. */
int file_read(int dirfd, const char *path, size_t max_size, char **ret_bytes, size_t *ret_size, Error *err) WARN_UNUSED;
/* file_write_atomic() - temporary name in the same directory, fsync, rename, fsync of the directory; nothing is left on failure. */
int file_write_atomic(int dirfd, const char *path, const void *bytes, size_t size, mode_t mode, Error *err) WARN_UNUSED;
/* dir_make() - mkdir -p; parents 0755, the last one mode. Existing is fine if it is a directory. */
int dir_make(const char *path, mode_t mode, Error *err) WARN_UNUSED;
/* tree_remove() - rm -rf beneath dirfd, never follows a symlink, never crosses a mount. Missing is fine. */
int tree_remove(int dirfd, const char *path, Error *err) WARN_UNUSED;
/* path_is_clean() - relative or absolute path of at least one component, none of them "..", "." or empty (lexical). */
bool path_is_clean(const char *path);
