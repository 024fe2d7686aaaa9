/* SPDX-License-Identifier: Apache-2.0 */
/*
 * instr.h - one instruction at a time: the decoder that validator, linker and compiler share.
 *
 * Opcodes and their immediates are rows of opcodes.tbl (generated into build/gen/opcodes.h by tools/gen-opcodes):
 *     code  name  IMM  params  results  feature
 * A prefixed opcode is (prefix << 16 | sub), e.g. memory.copy = 0xfc000a, v128.load = 0xfd0000, i32.atomic.load = 0xfe0010.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "wasm/module.h"

typedef enum WasmImm {
    WASM_IMM_NONE,
    WASM_IMM_BLOCK,        /* block type */
    WASM_IMM_INDEX,        /* one u32: local, global, func, label, tag, table, elem, data ... (index) */
    WASM_IMM_INDEX2,       /* two u32 (index, index2): call_indirect type,table; memory.init data,mem; table.copy dst,src; memory.copy dst,src */
    WASM_IMM_BR_TABLE,     /* labels: see wasm_br_table_next */
    WASM_IMM_SELECT_T,     /* vector of value types; exactly one is taken (type) */
    WASM_IMM_REF_TYPE,     /* ref.null (type) */
    WASM_IMM_I32,
    WASM_IMM_I64,
    WASM_IMM_F32,
    WASM_IMM_F64,
    WASM_IMM_V128,         /* 16 bytes: v128.const, i8x16.shuffle */
    WASM_IMM_MEMARG,       /* align, offset, memory index */
    WASM_IMM_MEMARG_LANE,
    WASM_IMM_LANE,
    WASM_IMM_ZERO,         /* a reserved byte that must be 0 (atomic.fence) */
    WASM_IMM_TRY_TABLE,    /* block type, then catch clauses */
    _WASM_IMM_N
} WasmImm;

typedef enum WasmBlockKind { WASM_BLOCK_EMPTY, WASM_BLOCK_VALUE, WASM_BLOCK_TYPE } WasmBlockKind;

typedef struct WasmBlockType {
    WasmBlockKind kind;
    WasmValType value;   /* BLOCK_VALUE: the one result */
    uint32_t type_index; /* BLOCK_TYPE */
} WasmBlockType;

typedef struct WasmMemArg {
    uint32_t align_log2;
    uint32_t memory_index;
    uint64_t offset;
    bool has_index;  /* bit 6 was set: the index was written (multi-memory) */
    bool is_wide;    /* the offset was written with more than 5 bytes or exceeds 32 bits (memory64) */
} WasmMemArg;

typedef struct WasmCatch { /* try_table clause */
    uint8_t kind; /* 0 catch, 1 catch_ref, 2 catch_all, 3 catch_all_ref */
    uint32_t tag_index;
    uint32_t label;
} WasmCatch;

typedef struct WasmInstr {
    uint32_t opcode;
    WasmImm imm;
    size_t start; /* byte offset of the instruction in the code slice */
    size_t end;   /* byte offset after it */
    union {
        WasmBlockType block;
        struct {
            uint32_t index;
            uint32_t index2;
        };
        WasmValType type;
        int32_t i32;
        int64_t i64;
        uint32_t f32_bits;
        uint64_t f64_bits;
        uint8_t v128[16];
    };
    WasmMemArg memarg;
    uint8_t lane;
    /* BR_TABLE and TRY_TABLE: the list's bytes; count labels (the default label is one more) or clauses. */
    uint32_t list_count;
    size_t list_start;
} WasmInstr;

/*
 * wasm_instr_read() - decode the instruction at position in code.
 * @module_offset: byte offset of code[0] in the module, for errors.
 * Return: 0; -EBADMSG malformed or unknown opcode ("illegal opcode ff"); ret_instr->end is the next position.
 */
int wasm_instr_read(WasmSlice code, uint64_t module_offset, size_t position, WasmInstr *ret_instr, Error *err) WARN_UNUSED;

/* Iterate a BR_TABLE list: *position starts at instr->list_start; called list_count + 1 times (last one is the default). */
uint32_t wasm_br_table_next(WasmSlice code, size_t *position);
/* Iterate a TRY_TABLE list: called list_count times. */
WasmCatch wasm_catch_next(WasmSlice code, size_t *position);

/* Locals declarations at the head of a function body. */
typedef struct WasmLocals {
    uint32_t count;       /* without parameters */
    size_t code_start;    /* where the instructions begin in the body */
} WasmLocals;
/*
 * wasm_locals_read() - types: caller's array for LIMIT_LOCALS values, or NULL to only count; types[0] is the first declared
 * local (index param_count). Return: 0; -EBADMSG; -E2BIG parameters and locals exceed LIMIT_LOCALS.
 */
int wasm_locals_read(WasmSlice body, uint64_t module_offset, uint32_t param_count, WasmValType *types, WasmLocals *ret_locals, Error *err) WARN_UNUSED;

/* "i32.add"; NULL for an unknown opcode. */
const char *wasm_opcode_name(uint32_t opcode);
