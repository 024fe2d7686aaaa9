/* SPDX-License-Identifier: Apache-2.0 */
/*
 * opcode-int.h - one row of opcodes.tbl as a C structure: what decoder and validator look up per instruction.
 */
#pragma once

#include <stdint.h>

#include "wasm/instr.h"

#define WASM_ADDR 1u /* in params: the address type of the memory that is accessed */

typedef enum WasmFeature { /* what an instruction needs beyond WebAssembly 2.0 */
    WASM_FEATURE_UNKNOWN,  /* no such opcode: what an empty row of the table says */
    WASM_FEATURE_NONE,
    WASM_FEATURE_TAIL_CALL,
    WASM_FEATURE_THREADS,
    WASM_FEATURE_LEGACY_EXCEPTIONS,
    WASM_FEATURE_EXNREF,
    WASM_FEATURE_EXCEPTIONS, /* legacy or exnref */
    WASM_FEATURE_RELAXED_SIMD,
    WASM_FEATURE_WIDE_ARITHMETIC,
    WASM_FEATURE_FUNCTION_REFERENCES,
    WASM_FEATURE_GC,                  /* never supported: refused by name */
    _WASM_FEATURE_N
} WasmFeature;

typedef struct WasmOpcode {
    const char *name; /* NULL: no such opcode */
    uint8_t imm;      /* WasmImm */
    uint8_t size;     /* MEMARG: bytes accessed; LANE: number of lanes */
    uint8_t feature;  /* WasmFeature */
    uint8_t param_count;
    uint8_t params[3]; /* value types, or WASM_ADDR */
    uint8_t result;    /* 0: none */
    bool is_special;   /* the validator has code for it */
} WasmOpcode;

/* Slots of the table: 256 plain opcodes, then what each prefix has room for. */
#define WASM_OPCODE_FC_N 0x20u
#define WASM_OPCODE_FD_N 0x140u
#define WASM_OPCODE_FE_N 0x50u
#define WASM_OPCODE_SLOT_N (0x100u + WASM_OPCODE_FC_N + WASM_OPCODE_FD_N + WASM_OPCODE_FE_N)
#define WASM_OPCODE_SLOT(code)                                              \
    ((code) < 0x100u                                                        \
         ? (code)                                                           \
         : (code) >> 16 == 0xfcu                                            \
               ? 0x100u + ((code) & 0xffffu)                                \
               : (code) >> 16 == 0xfdu                                      \
                     ? 0x100u + WASM_OPCODE_FC_N + ((code) & 0xffffu)       \
                     : 0x100u + WASM_OPCODE_FC_N + WASM_OPCODE_FD_N + ((code) & 0xffffu))

extern const WasmOpcode wasm_opcodes[WASM_OPCODE_SLOT_N];

/* wasm_opcode_row() - Pre: the opcode came from wasm_instr_read(). */
static inline const WasmOpcode *wasm_opcode_row(uint32_t opcode)
{
    return &wasm_opcodes[WASM_OPCODE_SLOT(opcode)];
}

/* wasm_opcode_find() - any number. Return: its row, or NULL when there is no such opcode. */
const WasmOpcode *wasm_opcode_find(uint32_t opcode);
/* "tail calls": how messages name a feature. */
const char *wasm_feature_name(WasmFeature feature);
