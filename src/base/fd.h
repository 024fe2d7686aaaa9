/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fd.h - descriptors: born O_CLOEXEC, closed by scope, whole reads and writes.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"

/* fd_close() - close if >= 0; returns -1. errno is preserved. */
int fd_close(int fd);
void fd_closep(int *fd);
/* fd_read_full() - reads until size or end of file; EINTR is retried. Return: 0, ret_size says how much; < 0 -errno. */
int fd_read_full(int fd, void *bytes, size_t size, size_t *ret_size) WARN_UNUSED;
int fd_pread_full(int fd, void *bytes, size_t size, uint64_t offset, size_t *ret_size) WARN_UNUSED;
int fd_write_full(int fd, const void *bytes, size_t size) WARN_UNUSED;
/* fd_copy() - up to max_size bytes from in to out (copy_file_range, sendfile, read/write in turn). -EFBIG past max_size. */
int fd_copy(int in, int out, uint64_t max_size, uint64_t *ret_size) WARN_UNUSED;
/* fd_seal_copy() - a sealed memfd (no write, grow, shrink; noexec) with the bytes of fd from offset 0, at most max_size (else -EFBIG). */
int fd_seal_copy(int fd, const char *name, uint64_t max_size, int *ret_fd, uint64_t *ret_size) WARN_UNUSED;
int fd_seal_bytes(const void *bytes, size_t size, const char *name, int *ret_fd) WARN_UNUSED; /* the same with these bytes */
/* fd_move_high() - dup to >= minimum with O_CLOEXEC and close the old one (one that is there already only gets FD_CLOEXEC). */
int fd_move_high(int fd, int minimum, int *ret_fd) WARN_UNUSED;
/* fd_openat2() - openat2(2) by number (glibc 2.36 has no wrapper); resolve = RESOLVE_* bits. -EAGAIN of a rename race is retried. Return: fd or -errno. */
int fd_openat2(int dirfd, const char *path, uint64_t flags, uint64_t mode, uint64_t resolve);
