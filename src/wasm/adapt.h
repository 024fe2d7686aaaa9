/* SPDX-License-Identifier: Apache-2.0 */
/*
 * adapt.h - C programs that call functions through pointers of another type.
 *
 * K&R code and casts such as `(int (*)(void *))free` work natively, because the caller's registers are what the callee looks at.
 * A call_indirect of another type traps (wasm core 4.4.8.9), and bash, for one, ends that way in every engine. wasm_adapt_calls()
 * rewrites a module so that such a call does what the machine does: what the callee does not take is dropped, what is missing is
 * zero, a result nobody gave is zero, integers are extended or cut. The result is a standard module again.
 *
 *     call_indirect T  ->  call adapter_T      adapter_T(arguments, index): br_table over the slots of the table, which never
 *                                              changes: to call_indirect F with the arguments made to fit, or to call_indirect T
 *
 * Only types that can meet in the table get an adapter. Nothing becomes possible for a program that its code could not do itself.
 */
#pragma once

#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"
#include "wasm/module.h"

typedef struct AdaptStats {
    uint32_t adapter_count;
    uint32_t call_count; /* call_indirect instructions that became calls of an adapter */
} AdaptStats;

/*
 * wasm_adapt_calls() - write module, with its indirect calls adapted, to out (appended).
 * @module: read and validated.   @arena: for work space; nothing of it is referred to by out.
 * Return: 0 (stats->call_count 0: out is untouched, because there is nothing to adapt or the table is not constant or too large);
 *         -ENOMEM, -E2BIG.
 */
int wasm_adapt_calls(const WasmModule *module, Arena *arena, Buf *out, AdaptStats *ret_stats, Error *err) WARN_UNUSED;

/* wasm_is_foreign() - a module of the wali ABI that was not made by our SDK, whose crt1 leaves the custom section "recompiler.sdk". */
bool wasm_is_foreign(const WasmModule *module);
