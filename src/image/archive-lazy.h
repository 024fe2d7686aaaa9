/* SPDX-License-Identifier: Apache-2.0 */
/*
 * archive-lazy.h - libarchive, loaded when an image is unpacked or written and not before.
 *
 * Include it instead of archive.h and archive_entry.h. Every function the folder uses is a row below; its calls go through
 * the table that archive_load() fills from the shared library. Why: libarchive brings twelve libraries with it, which a
 * `run` of an unpacked image pays for and does not use (1.4 ms of every start [measured]). The types stay the library's own:
 * a row whose name or type does not exist is a compile error.
 */
#pragma once

#include <archive.h>
#include <archive_entry.h>

#include "base/error.h"

#define ARCHIVE_FUNCTIONS(X) \
    X(archive_entry_filetype) \
    X(archive_entry_free) \
    X(archive_entry_gid) \
    X(archive_entry_hardlink) \
    X(archive_entry_mtime) \
    X(archive_entry_mtime_nsec) \
    X(archive_entry_new) \
    X(archive_entry_pathname) \
    X(archive_entry_perm) \
    X(archive_entry_set_gid) \
    X(archive_entry_set_hardlink) \
    X(archive_entry_set_mode) \
    X(archive_entry_set_mtime) \
    X(archive_entry_set_pathname) \
    X(archive_entry_set_size) \
    X(archive_entry_set_symlink) \
    X(archive_entry_set_uid) \
    X(archive_entry_size) \
    X(archive_entry_symlink) \
    X(archive_entry_uid) \
    X(archive_errno) \
    X(archive_error_string) \
    X(archive_free) \
    X(archive_read_data) \
    X(archive_read_new) \
    X(archive_read_next_header) \
    X(archive_read_open) \
    X(archive_read_open_fd) \
    X(archive_read_support_filter_gzip) \
    X(archive_read_support_filter_xz) \
    X(archive_read_support_filter_zstd) \
    X(archive_read_support_format_empty) \
    X(archive_read_support_format_raw) \
    X(archive_read_support_format_tar) \
    X(archive_write_add_filter) \
    X(archive_write_close) \
    X(archive_write_data) \
    X(archive_write_header) \
    X(archive_write_new) \
    X(archive_write_open_fd) \
    X(archive_write_set_bytes_in_last_block) \
    X(archive_write_set_filter_option) \
    X(archive_write_set_format_pax_restricted)

typedef struct ArchiveFunctions {
#define X(name) __typeof__(&name) name;
    ARCHIVE_FUNCTIONS(X)
#undef X
} ArchiveFunctions;

/* Written once by archive_load(), read-only afterwards: the state of a loaded library, which is global by nature. */
extern ArchiveFunctions archive_functions;

/* archive_load() - before the first use. Return: 0; -ENOSYS libarchive cannot be loaded (err says why). Thread rule: one thread. */
int archive_load(Error *err) WARN_UNUSED;

#ifndef ARCHIVE_LAZY_TABLE
#define archive_entry_filetype archive_functions.archive_entry_filetype
#define archive_entry_free archive_functions.archive_entry_free
#define archive_entry_gid archive_functions.archive_entry_gid
#define archive_entry_hardlink archive_functions.archive_entry_hardlink
#define archive_entry_mtime archive_functions.archive_entry_mtime
#define archive_entry_mtime_nsec archive_functions.archive_entry_mtime_nsec
#define archive_entry_new archive_functions.archive_entry_new
#define archive_entry_pathname archive_functions.archive_entry_pathname
#define archive_entry_perm archive_functions.archive_entry_perm
#define archive_entry_set_gid archive_functions.archive_entry_set_gid
#define archive_entry_set_hardlink archive_functions.archive_entry_set_hardlink
#define archive_entry_set_mode archive_functions.archive_entry_set_mode
#define archive_entry_set_mtime archive_functions.archive_entry_set_mtime
#define archive_entry_set_pathname archive_functions.archive_entry_set_pathname
#define archive_entry_set_size archive_functions.archive_entry_set_size
#define archive_entry_set_symlink archive_functions.archive_entry_set_symlink
#define archive_entry_set_uid archive_functions.archive_entry_set_uid
#define archive_entry_size archive_functions.archive_entry_size
#define archive_entry_symlink archive_functions.archive_entry_symlink
#define archive_entry_uid archive_functions.archive_entry_uid
#define archive_errno archive_functions.archive_errno
#define archive_error_string archive_functions.archive_error_string
#define archive_free archive_functions.archive_free
#define archive_read_data archive_functions.archive_read_data
#define archive_read_new archive_functions.archive_read_new
#define archive_read_next_header archive_functions.archive_read_next_header
#define archive_read_open archive_functions.archive_read_open
#define archive_read_open_fd archive_functions.archive_read_open_fd
#define archive_read_support_filter_gzip archive_functions.archive_read_support_filter_gzip
#define archive_read_support_filter_xz archive_functions.archive_read_support_filter_xz
#define archive_read_support_filter_zstd archive_functions.archive_read_support_filter_zstd
#define archive_read_support_format_empty archive_functions.archive_read_support_format_empty
#define archive_read_support_format_raw archive_functions.archive_read_support_format_raw
#define archive_read_support_format_tar archive_functions.archive_read_support_format_tar
#define archive_write_add_filter archive_functions.archive_write_add_filter
#define archive_write_close archive_functions.archive_write_close
#define archive_write_data archive_functions.archive_write_data
#define archive_write_header archive_functions.archive_write_header
#define archive_write_new archive_functions.archive_write_new
#define archive_write_open_fd archive_functions.archive_write_open_fd
#define archive_write_set_bytes_in_last_block archive_functions.archive_write_set_bytes_in_last_block
#define archive_write_set_filter_option archive_functions.archive_write_set_filter_option
#define archive_write_set_format_pax_restricted archive_functions.archive_write_set_format_pax_restricted
#endif
