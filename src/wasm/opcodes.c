/* SPDX-License-Identifier: Apache-2.0 */
/*
 * opcodes.c - opcodes.tbl as a table with direct look-up. Holes are zero rows (name NULL, feature UNKNOWN).
 */
#include "opcodes.h" /* build/gen: made from opcodes.tbl */

#include "base/must.h"
#include "wasm/opcode-int.h"

#define ROW(code_, constant_, name_, imm_, size_, param_count_, p0_, p1_, p2_, result_, feature_, special_) \
    [WASM_OPCODE_SLOT(code_##u)] = {                                                                       \
        .name = name_,                                                                                      \
        .imm = WASM_IMM_##imm_,                                                                             \
        .size = size_,                                                                                      \
        .feature = WASM_FEATURE_##feature_,                                                                 \
        .param_count = param_count_,                                                                        \
        .params = {p0_, p1_, p2_},                                                                          \
        .result = result_,                                                                                  \
        .is_special = special_,                                                                             \
    },

const WasmOpcode wasm_opcodes[WASM_OPCODE_SLOT_N] = {WASM_OPCODES(ROW)};

#define CHECK(code_, ...)                                                                      \
    _Static_assert(code_ < 0x100 || (code_ >> 16 == 0xfc && (code_ & 0xffff) < WASM_OPCODE_FC_N) || \
                       (code_ >> 16 == 0xfd && (code_ & 0xffff) < WASM_OPCODE_FD_N) ||         \
                       (code_ >> 16 == 0xfe && (code_ & 0xffff) < WASM_OPCODE_FE_N),           \
                   "the slot table has no room for " #code_);
WASM_OPCODES(CHECK)

const WasmOpcode *wasm_opcode_find(uint32_t opcode)
{
    const uint32_t sub = opcode & 0xffffu;

    switch (opcode >> 16) {
    case 0:
        if (sub >= 0x100u)
            return NULL;
        break;
    case 0xfc:
        if (sub >= WASM_OPCODE_FC_N)
            return NULL;
        break;
    case 0xfd:
        if (sub >= WASM_OPCODE_FD_N)
            return NULL;
        break;
    case 0xfe:
        if (sub >= WASM_OPCODE_FE_N)
            return NULL;
        break;
    default:
        return NULL;
    }
    const WasmOpcode *row = wasm_opcode_row(opcode);
    return row->name ? row : NULL;
}

const char *wasm_opcode_name(uint32_t opcode)
{
    const WasmOpcode *row = wasm_opcode_find(opcode);

    return row ? row->name : NULL;
}

const char *wasm_feature_name(WasmFeature feature)
{
    static const char *const names[_WASM_FEATURE_N] = {
        [WASM_FEATURE_UNKNOWN] = "unknown",
        [WASM_FEATURE_NONE] = "WebAssembly 2.0",
        [WASM_FEATURE_TAIL_CALL] = "tail calls",
        [WASM_FEATURE_THREADS] = "threads",
        [WASM_FEATURE_LEGACY_EXCEPTIONS] = "legacy exceptions",
        [WASM_FEATURE_EXNREF] = "exceptions (exnref)",
        [WASM_FEATURE_EXCEPTIONS] = "exceptions",
        [WASM_FEATURE_RELAXED_SIMD] = "relaxed SIMD instructions",
        [WASM_FEATURE_WIDE_ARITHMETIC] = "wide arithmetic instructions",
        [WASM_FEATURE_FUNCTION_REFERENCES] = "typed function references",
        [WASM_FEATURE_GC] = "garbage collection",
    };

    must(feature < _WASM_FEATURE_N);
    return names[feature];
}
