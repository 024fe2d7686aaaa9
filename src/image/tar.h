/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tar.h - finds one member of an uncompressed tar file without unpacking anything: what every `run` of an archive does.
 *
 * Unpacking is libarchive's (unpack.c); this is the part on the hot path, where loading libarchive and the twelve
 * libraries it needs costs more than everything else of the look-up (1.4 of 3.3 ms of a process's start [measured]).
 * Reads POSIX ustar, pax (path, size) and GNU long names. Source: POSIX.1-2017 pax, tar(5).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"

typedef struct TarMember {
    uint64_t offset; /* of the first data byte in the file */
    uint64_t size;   /* the file has that many bytes from offset on */
} TarMember;

/* tar_is_plain() - does the file begin with a tar header (not compressed)? */
bool tar_is_plain(int fd);

/*
 * tar_find() - the first regular member of that name (a leading "./" of the member's name does not count).
 * Cost: one 512-byte read a member. Return: 0; -ENOENT; -EBADMSG damaged or truncated; -E2BIG too many members.
 */
int tar_find(int fd, const char *name, TarMember *ret_member, Error *err) WARN_UNUSED;
