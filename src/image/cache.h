/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cache.h - the host's AOT cache: megabinary -> object, compiled at most once (design.md section 5).
 *
 * Name: <megabinary sha256>-<16 hex of SHA-256(compiler version, CPU features, options, RT_ABI_VERSION)>[-<16 hex of SHA-256(profile)>].so in a directory
 * owned by us, mode 0700. A miss
 * starts `recompiler-compile` (cgroup/rlimits, no network, Landlock: writes only its output directory) under a lock file, so
 * concurrent misses compile once. Output goes to a temporary name, is fsynced, loaded once as a check, renamed.
 * The compiler keeps the objects of partitions in CACHE/units, so that a megabinary of which one program changed costs little.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/hash.h"
#include "wasm/profile.h"

#define CACHE_OPT_DEFAULT 2

typedef struct CacheProgress { /* functions */
    uint32_t done_count, total_count;
    uint32_t cached_count; /* of done_count: unchanged since an earlier compilation (aot/unit-cache.h) */
} CacheProgress;

typedef struct CacheReport { /* what cache_object() had to do */
    bool is_compiled;      /* else the object was there and the rest is 0 */
    CacheProgress functions;
    uint64_t compile_ms;
    uint64_t peak_size;    /* bytes of memory of the compiler, of the larger one of it and its linker */
} CacheReport;

typedef struct CacheConfig {
    const char *cache_dir;
    const char *compiler;       /* path of recompiler-compile; NULL: beside /proc/self/exe, then PATH */
    const char *cpu;            /* "x86-64-v2" default */
    int opt_level;              /* 0 to 3; 0 takes an object of CACHE_OPT_DEFAULT where there is one */
    uint32_t job_count;
    uint64_t memory_limit_size; /* of the compiler, 0: default 8 GiB */
    uint32_t timeout_s;         /* 0: default 3600 */
    const Profile *profile;     /* lay the code out by it, and every later object of this megabinary; NULL: by the profile that is remembered, if any */
    bool is_profile_forgotten;  /* by none; what was remembered is forgotten */
    bool is_recording;          /* an object that notes first calls (rt/recording.h); not laid out, and no start without this takes it */
    bool is_compile_allowed;    /* false: a miss is -ENOENT with a hint to `recompiler prepare` */
    void (*progress)(void *context, const CacheProgress *progress);
    void *progress_context;
    CacheReport *report;        /* may be NULL */
} CacheConfig;

/*
 * cache_object() - an fd of the object for the megabinary whose verified digest is given. A truncated, foreign-owned, group/world-writable or damaged
 * file is removed and rebuilt. Return: 0; -EBADMSG megabinary_fd does not have that digest; -ENOSPC; -EIO the compiler failed
 * (err has its last line; signal named when it was killed); -ENOENT. No partial file is left in any case.
 */
int cache_object(const CacheConfig *config, int megabinary_fd, const Digest *megabinary, int *ret_fd, Error *err) WARN_UNUSED;
