/* SPDX-License-Identifier: Apache-2.0 */
/*
 * share.h - what the programs of a megabinary share: how much larger it would be with a copy of everything for each.
 */
#pragma once

#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"
#include "wasm/entries.h"
#include "wasm/module.h"

typedef struct WasmShare {
    uint32_t shared_func_count; /* functions that more than one entry can reach */
    uint64_t saved_code_size;   /* bytes: each function's body once for every entry that can reach it, but the first */
    uint64_t saved_data_size;   /* bytes: likewise for the data segments that entries start with */
} WasmShare;

/*
 * wasm_share_measure() - walk from every entry over calls, ref.func and element segments.
 * @module: read, not necessarily valid. @entries: of that module (entries_read()).
 * Return: 0; -EBADMSG a body that cannot be decoded or an index out of range; -E2BIG more work than entries times edges
 *         of any honest image (the caller shows nothing then); -ENOMEM.
 */
int wasm_share_measure(const WasmModule *module, const MegaEntries *entries, Arena *arena, WasmShare *ret_share, Error *err) WARN_UNUSED;
