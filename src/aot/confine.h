/* SPDX-License-Identifier: Apache-2.0 */
/*
 * confine.h - what recompiler-compile does to itself before it reads a byte of its input.
 */
#pragma once

#include <stdint.h>

#include "base/error.h"

typedef struct ConfineOptions {
    const char *write_dirs[2]; /* the only directories that may be written (the output's, the cache of units); NULL: none */
    uint64_t memory_limit;  /* bytes of address space; 0: none */
    uint64_t time_limit;    /* seconds of CPU time of each process; 0: none */
} ConfineOptions;

/*
 * confine_self() - limits, no_new_privs, Landlock (read: system libraries; execute: the linker; write: write_dirs), seccomp
 * (no sockets, no namespaces, no tracing). A kernel without Landlock is not an error: ret_missing then names it.
 * Effect: for ever, inherited by the linker. Call while single-threaded.
 */
int confine_self(const ConfineOptions *options, const char **ret_missing, Error *err) WARN_UNUSED;
