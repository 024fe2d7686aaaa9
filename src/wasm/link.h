/* SPDX-License-Identifier: Apache-2.0 */
/*
 * link.h - modules -> one megabinary (design.md section 5).
 *
 * Every input is a complete module of one program. The result is one standard module: one memory (minimum = the
 * largest minimum, maximum = the largest maximum, shared if any input is), one table, shared global slots (the n-th mutable
 * global of a type; immutable ones become constants in code), all segments passive, per entry an exported start stub
 * "entry:<name>" that sets globals, initialises table and memory, calls the module's own start function and then its
 * "_start", and "thread:<name>" where the module exports a thread function; unreachable functions dropped, identical ones
 * kept once; a "name" section; custom section "recompiler.entries" (entries.h). In full: doc/formats/megabinary.md.
 * Deterministic: same inputs in the same order, same bytes.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "wasm/module.h"

typedef struct LinkInput {
    const char *name;         /* entry name, unique, 1..255 bytes of [A-Za-z0-9._/+-] */
    const WasmModule *module; /* read and validated, borrowed */
} LinkInput;

typedef struct LinkStats {
    uint32_t entry_count;
    uint64_t input_size;         /* bytes of all inputs */
    uint64_t output_size;
    uint32_t input_func_count;   /* defined functions of all inputs */
    uint32_t output_func_count;  /* after folding, start stubs not counted */
    uint64_t folded_size;        /* bytes of code that folding saved */
} LinkStats;

/*
 * link_megabinary() - link inputs into ret_megabinary (appended).
 * Return: 0; -EINVAL an input cannot be linked (err names it and why: no "_start", imports a memory, table or global,
 *         ABI not wasi or wali, multi-memory, memory64); -EEXIST two entries of one name; -E2BIG over limits.h; -ENOMEM.
 */
int link_megabinary(const LinkInput *inputs, size_t input_count, Buf *ret_megabinary, LinkStats *ret_stats, Error *err) WARN_UNUSED;
