/* SPDX-License-Identifier: Apache-2.0 */
/*
 * compile.h - module -> object (design.md section 5). The only folder that includes llvm-c.
 *
 * Works in partitions: runs of functions with borders that their contents decide (deterministic: nothing of the machine),
 * every partition is one LLVM module with its own context, compiled by a pool of job_count threads or taken from the cache
 * of units, and the objects are linked by lld (child process) to one ELF64 shared object with RELATIVE relocations only.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/hash.h"
#include "wasm/module.h"
#include "wasm/profile.h"

typedef struct CompileProgress {
    uint32_t done_count, total_count; /* functions */
    uint32_t cached_count;            /* of done_count: in partitions that were in the cache of units */
    uint32_t cached_unit_count, unit_count; /* partitions */
} CompileProgress;

#define COMPILE_CPU_AARCH64 "aarch64" /* code generation only: nothing here loads it */

typedef struct CompileOptions {
    int opt_level;           /* 0 .. 3; default 2 */
    uint32_t job_count;      /* threads; 0: one a CPU */
    const char *cpu;         /* LLVM CPU name: "x86-64-v2" (default), "x86-64-v3", "native"; or COMPILE_CPU_AARCH64: an object for another machine */
    uint64_t memory_base;    /* RT_MEMORY_BASE_DEFAULT, another constant, or 0 = loaded from the instance */
    bool has_thunks;         /* emit RtExport thunks (spec runner, embedding API) */
    bool is_recording;       /* every first call of a function is written to RtInstance.recording */
    const Profile *profile;  /* the order of the code (layout.c); NULL: the module's. Never changes the code itself */
    bool is_fast_memory;     /* leave out volatile on linear memory accesses: faster, drops dead trapping loads (not the default) */
    const char *dump_ir_dir; /* for debugging; NULL */
    Digest digest;           /* SHA-256 of the module's bytes, recorded in the object */
    const char *work_dir;    /* existing private directory for temporary files */
    struct UnitCache *unit_cache; /* objects of partitions from earlier compilations (unit-cache.h); NULL: none. Never changes the object */
    void (*progress)(void *context, const CompileProgress *progress); /* may be NULL; called from one thread */
    void *progress_context;
} CompileOptions;

/* compile_module() - a validated module (with or without "recompiler.entries") to an object file at output_path
 * (created; removed on failure). Return: 0; -ENOTSUP (a feature by name); -ENOMEM; -EIO; err says which function. */
int compile_module(const WasmModule *module, const CompileOptions *options, const char *output_path, Error *err) WARN_UNUSED;

/* compile_version() - "LLVM 22.1.8" and our own code-generation version: part of the cache key. */
const char *compile_version(void);
