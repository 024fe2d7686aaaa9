/* SPDX-License-Identifier: Apache-2.0 */
/*
 * instr.c - the instruction decoder: opcode, row of opcodes.tbl, immediate by its kind (wasm core 5.4).
 *
 * Everything that a byte sequence alone can be wrong about is refused here; what needs the module (indices, types,
 * a memory's address size, features) is the validator's.
 */
#include "wasm/instr.h"

#include <errno.h>
#include <string.h>

#include "base/limits.h"
#include "base/must.h"
#include "wasm/bytes-int.h"
#include "wasm/opcode-int.h"

/* 5.4.1 blocktype: 0x40, a value type, or a type index as positive s33. */
static int block_type_read(const WasmBytes *bytes, size_t *position, WasmBlockType *ret_block)
{
    if (*position >= bytes->end)
        return wasm_bytes_error(bytes, *position, EBADMSG, "unexpected end of section or function");
    const uint8_t byte = bytes->bytes[*position];
    if (byte == 0x40u) {
        (*position)++;
        *ret_block = (WasmBlockType){.kind = WASM_BLOCK_EMPTY};
        return 0;
    }
    if ((byte & 0xc0u) == 0x40u) { /* a negative number of one byte */
        *ret_block = (WasmBlockType){.kind = WASM_BLOCK_VALUE};
        return wasm_value_type_read(bytes, position, &ret_block->value);
    }
    const size_t start = *position;
    int64_t index;
    const int r = wasm_s33_read(bytes, position, &index);
    if (r < 0)
        return r;
    if (index < 0)
        return wasm_bytes_error(bytes, start, EBADMSG, "malformed block type");
    *ret_block = (WasmBlockType){.kind = WASM_BLOCK_TYPE, .type_index = (uint32_t)index};
    return 0;
}

/* 5.4.6 memarg: bit 6 of the alignment says that a memory index follows (3.0). */
static int memarg_read(const WasmBytes *bytes, size_t *position, WasmMemArg *ret_memarg)
{
    const size_t start = *position;
    uint32_t flags;
    uint32_t memory_index = 0;
    int r = wasm_u32_read(bytes, position, &flags);

    if (r < 0)
        return r;
    if (flags >= 0x80u)
        return wasm_bytes_error(bytes, start, EBADMSG, "malformed memop flags");
    if (flags & 0x40u) {
        r = wasm_u32_read(bytes, position, &memory_index);
        if (r < 0)
            return r;
    }
    ret_memarg->align_log2 = flags & 0x3fu;
    ret_memarg->memory_index = memory_index;
    ret_memarg->has_index = flags & 0x40u;
    ret_memarg->is_wide = false;
    if (*position < bytes->end && bytes->bytes[*position] < 0x80u) {
        ret_memarg->offset = bytes->bytes[(*position)++];
        return 0;
    }
    const size_t offset_start = *position;
    r = wasm_u64_read(bytes, position, &ret_memarg->offset);
    ret_memarg->is_wide = r >= 0 && (*position - offset_start > 5 || ret_memarg->offset > UINT32_MAX);
    return r;
}

/* count labels and the default one, each a u32. */
static int br_table_read(const WasmBytes *bytes, size_t *position, WasmInstr *instr)
{
    const size_t start = *position;
    uint32_t label;
    int r = wasm_u32_read(bytes, position, &instr->list_count);

    if (r < 0)
        return r;
    if (instr->list_count >= bytes->end - *position) /* a label is at least one byte */
        return wasm_bytes_error(bytes, start, EBADMSG, "unexpected end of section or function");
    if (instr->list_count > LIMIT_BR_TABLE) {
        return wasm_bytes_error(bytes, start, E2BIG, "br_table with %u labels, the limit is %u", instr->list_count,
                                LIMIT_BR_TABLE);
    }
    instr->list_start = *position;
    for (uint32_t i = 0; i <= instr->list_count; i++) {
        r = wasm_u32_read(bytes, position, &label);
        if (r < 0)
            return r;
    }
    return 0;
}

static int catch_read(const WasmBytes *bytes, size_t *position, WasmCatch *ret_catch)
{
    const size_t start = *position;
    int r = wasm_byte_read(bytes, position, &ret_catch->kind);

    if (r < 0)
        return r;
    if (ret_catch->kind > 3)
        return wasm_bytes_error(bytes, start, EBADMSG, "malformed catch clause");
    ret_catch->tag_index = 0;
    if (ret_catch->kind < 2) {
        r = wasm_u32_read(bytes, position, &ret_catch->tag_index);
        if (r < 0)
            return r;
    }
    return wasm_u32_read(bytes, position, &ret_catch->label);
}

static int try_table_read(const WasmBytes *bytes, size_t *position, WasmInstr *instr)
{
    WasmCatch clause;
    int r = block_type_read(bytes, position, &instr->block);

    if (r < 0)
        return r;
    r = wasm_u32_read(bytes, position, &instr->list_count);
    if (r < 0)
        return r;
    instr->list_start = *position;
    for (uint32_t i = 0; i < instr->list_count; i++) { /* ends at the latest at the end of the bytes */
        r = catch_read(bytes, position, &clause);
        if (r < 0)
            return r;
    }
    return 0;
}

/* vec(valtype); the validator refuses any number but one ("invalid result arity"). */
static int select_types_read(const WasmBytes *bytes, size_t *position, WasmInstr *instr)
{
    WasmValType type;
    int r = wasm_u32_read(bytes, position, &instr->list_count);

    instr->type = 0;
    for (uint32_t i = 0; r >= 0 && i < instr->list_count; i++) {
        r = wasm_value_type_read(bytes, position, &type);
        if (r >= 0 && i == 0)
            instr->type = type;
    }
    return r;
}

/* size raw bytes into ret_bytes (little endian is what both the format and our hosts use). */
static int raw_read(const WasmBytes *bytes, size_t *position, void *ret_bytes, size_t size)
{
    if (size > bytes->end - *position)
        return wasm_bytes_error(bytes, bytes->end, EBADMSG, "unexpected end of section or function");
    memcpy(ret_bytes, bytes->bytes + *position, size);
    *position += size;
    return 0;
}

static int zero_read(const WasmBytes *bytes, size_t *position)
{
    const size_t start = *position;
    uint8_t byte;
    const int r = wasm_byte_read(bytes, position, &byte);

    if (r < 0)
        return r;
    return byte == 0 ? 0 : wasm_bytes_error(bytes, start, EBADMSG, "zero byte expected");
}

static int immediate_read(const WasmBytes *bytes, size_t *position, WasmInstr *instr)
{
    int r;

    switch (instr->imm) {
    case WASM_IMM_NONE:
        return 0;
    case WASM_IMM_BLOCK:
        return block_type_read(bytes, position, &instr->block);
    case WASM_IMM_INDEX:
        return wasm_u32_read(bytes, position, &instr->index);
    case WASM_IMM_INDEX2:
        r = wasm_u32_read(bytes, position, &instr->index);
        return r < 0 ? r : wasm_u32_read(bytes, position, &instr->index2);
    case WASM_IMM_BR_TABLE:
        return br_table_read(bytes, position, instr);
    case WASM_IMM_SELECT_T:
        return select_types_read(bytes, position, instr);
    case WASM_IMM_REF_TYPE:
        return wasm_heap_type_read(bytes, position, &instr->type);
    case WASM_IMM_I32:
        return wasm_s32_read(bytes, position, &instr->i32);
    case WASM_IMM_I64:
        return wasm_s64_read(bytes, position, &instr->i64);
    case WASM_IMM_F32:
        return raw_read(bytes, position, &instr->f32_bits, 4);
    case WASM_IMM_F64:
        return raw_read(bytes, position, &instr->f64_bits, 8);
    case WASM_IMM_V128:
        return raw_read(bytes, position, instr->v128, 16);
    case WASM_IMM_MEMARG:
        return memarg_read(bytes, position, &instr->memarg);
    case WASM_IMM_MEMARG_LANE:
        r = memarg_read(bytes, position, &instr->memarg);
        return r < 0 ? r : wasm_byte_read(bytes, position, &instr->lane);
    case WASM_IMM_LANE:
        return wasm_byte_read(bytes, position, &instr->lane);
    case WASM_IMM_ZERO:
        return zero_read(bytes, position);
    case WASM_IMM_TRY_TABLE:
        return try_table_read(bytes, position, instr);
    case _WASM_IMM_N:
        break;
    }
    must(false && "an immediate kind without a reader");
    return -EINVAL;
}

/* Prefixed opcode: a u32 follows (5.4). Return its row or the error for an opcode that is not in the table. */
static int prefixed_read(const WasmBytes *bytes, size_t start, size_t *position, uint8_t prefix, uint32_t *ret_opcode)
{
    uint32_t sub;
    const int r = wasm_u32_read(bytes, position, &sub);

    if (r < 0)
        return r;
    *ret_opcode = (uint32_t)prefix << 16 | (sub & 0xffffu);
    if (prefix == 0xfb)
        return wasm_bytes_error(bytes, start, ENOTSUP, "%s: illegal opcode fb %02x", WASM_GC_REFUSED, sub);
    if (sub > 0xffffu || !wasm_opcode_find(*ret_opcode))
        return wasm_bytes_error(bytes, start, EBADMSG, "illegal opcode %02x %02x", prefix, sub);
    return 0;
}

int wasm_instr_decode(const WasmBytes *bytes, size_t position, WasmInstr *ret_instr)
{
    size_t at = position;
    int r;

    if (at >= bytes->end)
        return wasm_bytes_error(bytes, at, EBADMSG, "unexpected end of section or function");
    const uint8_t byte = bytes->bytes[at++];
    uint32_t opcode = byte;
    if (byte >= 0xfb && byte <= 0xfe) {
        r = prefixed_read(bytes, position, &at, byte, &opcode);
        if (r < 0)
            return r;
    }
    const WasmOpcode *row = wasm_opcode_row(opcode);
    if (row->feature == WASM_FEATURE_GC)
        return wasm_bytes_error(bytes, position, ENOTSUP, "%s: %s", row->name, WASM_GC_REFUSED);
    if (!row->name)
        return wasm_bytes_error(bytes, position, EBADMSG, "illegal opcode %02x", byte);
    ret_instr->opcode = opcode;
    ret_instr->imm = (WasmImm)row->imm;
    ret_instr->start = position;
    ret_instr->list_count = 0;
    r = immediate_read(bytes, &at, ret_instr);
    if (r < 0)
        return r;
    ret_instr->end = at;
    return 0;
}

int wasm_instr_read(WasmSlice code, uint64_t module_offset, size_t position, WasmInstr *ret_instr, Error *err)
{
    const WasmBytes bytes = {.bytes = code.bytes, .end = code.size, .offset = module_offset, .err = err};

    must(position <= code.size);
    return wasm_instr_decode(&bytes, position, ret_instr);
}

/* The lists were read once by wasm_instr_read(): what fails here is the caller's mistake. */
uint32_t wasm_br_table_next(WasmSlice code, size_t *position)
{
    const WasmBytes bytes = {.bytes = code.bytes, .end = code.size};
    uint32_t label;

    must(wasm_u32_read(&bytes, position, &label) == 0);
    return label;
}

WasmCatch wasm_catch_next(WasmSlice code, size_t *position)
{
    const WasmBytes bytes = {.bytes = code.bytes, .end = code.size};
    WasmCatch clause;

    must(catch_read(&bytes, position, &clause) == 0);
    return clause;
}

int wasm_locals_read(WasmSlice body, uint64_t module_offset, uint32_t param_count, WasmValType *types,
                     WasmLocals *ret_locals, Error *err)
{
    const WasmBytes bytes = {.bytes = body.bytes, .end = body.size, .offset = module_offset, .err = err};
    size_t at = 0;
    uint32_t group_count;
    uint64_t total = 0;
    int r = wasm_u32_read(&bytes, &at, &group_count);

    for (uint32_t i = 0; r >= 0 && i < group_count; i++) {
        const size_t start = at;
        uint32_t count;
        WasmValType type;
        r = wasm_u32_read(&bytes, &at, &count);
        if (r >= 0)
            r = wasm_value_type_read(&bytes, &at, &type);
        if (r < 0)
            break;
        total += count;
        if (total > UINT32_MAX)
            return wasm_bytes_error(&bytes, start, EBADMSG, "too many locals");
        if (param_count > LIMIT_LOCALS || total > LIMIT_LOCALS - param_count) {
            return wasm_bytes_error(&bytes, start, E2BIG, "%llu locals, the limit is %u: too many locals",
                                    (unsigned long long)(total + param_count), LIMIT_LOCALS);
        }
        for (uint64_t k = total - count; types && k < total; k++)
            types[k] = type;
    }
    if (r < 0)
        return r;
    *ret_locals = (WasmLocals){.count = (uint32_t)total, .code_start = at};
    return 0;
}
