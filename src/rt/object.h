/* SPDX-License-Identifier: Apache-2.0 */
/*
 * object.h - objects: compiled modules, checked and mapped from their files.
 *
 * Thread rule: one thread opens an object and uses its entries for the first time (or checks all by rt_object_check()); after that it is only read.
 */
#pragma once

#include "abi/abi.h"
#include "base/error.h"
#include "base/hash.h"

typedef struct RtLoaded RtLoaded; /* a mapped object */

/*
 * rt_object_open() - check and map an object file read-only and executable, apply its RELATIVE relocations.
 * @fd: borrowed; a private duplicate is kept (moved to >= minimum_fd) so that memory images can be mapped.
 * @expected: SHA-256 of the megabinary it must have been made from; NULL to not check.
 * Every ELF header, program header, relocation and RtObject field is checked against the file's size before it is used;
 * a truncated, foreign or damaged file is -EBADMSG, another ABI version or lesser CPU -ENOEXEC.
 */
int rt_object_open(int fd, int minimum_fd, const Digest *expected, RtLoaded **ret_loaded, Error *err) WARN_UNUSED;
RtLoaded *rt_object_close(RtLoaded *loaded);
const RtObject *rt_object(const RtLoaded *loaded);
int rt_object_fd(const RtLoaded *loaded); /* the private duplicate */
const RtEntry *rt_object_entry(const RtLoaded *loaded, const char *name); /* NULL when there is none */
/* rt_object_check() - check every entry's images, table and globals now (a zygote does, so that its children need not);
 * otherwise an entry is checked when it is first used. Return: 0 or -EBADMSG. */
int rt_object_check(RtLoaded *loaded, Error *err) WARN_UNUSED;
/* rt_object_share() - relocated pages become those of a sealed memory file, of which fork(2) copies no page tables. Return: 0, or what mmap(2) said. */
int rt_object_share(const RtLoaded *loaded, Error *err) WARN_UNUSED;
