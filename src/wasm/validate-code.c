/* SPDX-License-Identifier: Apache-2.0 */
/*
 * validate-code.c - the stack machine, and every instruction whose types opcodes.tbl gives.
 *
 * One pass: decode, look up the row, pop its parameters, push its result. Rows marked special have code of their own
 * in validate-control.c and validate-special.c. Lists of types are compared as memory, so that a branch or call with a
 * thousand operands in hostile code costs nanoseconds.
 */
#include <errno.h>
#include <string.h>

#include "opcodes.h"
#include "wasm/validate-int.h"

int validate_operands_grow(Validator *v, uint32_t extra_count)
{
    uint64_t capacity = v->operand_capacity ? v->operand_capacity : 512;

    if ((uint64_t)v->operand_count + extra_count > LIMIT_OPERANDS)
        return validate_error(v, E2BIG, "more than %u operands on the stack", LIMIT_OPERANDS);
    while (capacity < (uint64_t)v->operand_count + extra_count || capacity == v->operand_capacity)
        capacity *= 2;
    if (capacity > LIMIT_OPERANDS)
        capacity = LIMIT_OPERANDS;
    WasmValType *operands = arena_new_array(&v->scratch, (size_t)capacity, WasmValType);
    if (!operands)
        return validate_no_memory(v);
    if (v->operand_count)
        memcpy(operands, v->operands, v->operand_count * sizeof(*operands));
    v->operands = operands;
    v->operand_capacity = (uint32_t)capacity;
    return 0;
}

/* pop_val() of the appendix when the fast path does not apply. */
int validate_pop_any(Validator *v, WasmValType *ret_type)
{
    dbg_must(v->operand_count >= v->frame->height);
    if (v->operand_count == v->frame->height) {
        if (!v->frame->is_unreachable)
            return validate_error(v, EINVAL, "the stack is empty: type mismatch");
        *ret_type = TYPE_ANY;
        return 0;
    }
    *ret_type = v->operands[--v->operand_count];
    return 0;
}

int validate_pop_slow(Validator *v, WasmValType want)
{
    WasmValType have = TYPE_ANY;
    const int r = validate_pop_any(v, &have);

    if (r < 0)
        return r;
    if (validate_matches(v, have, want))
        return 0;
    return validate_error(v, EINVAL, "wants %s, has %s: type mismatch", validate_type_name(want),
                          validate_type_name(have));
}

int validate_pop_list(Validator *v, TypeList list)
{
    const uint32_t have_count = v->operand_count - v->frame->height;
    const int r = validate_top_list(v, list);

    if (r < 0)
        return r;
    v->operand_count -= have_count < list.count ? have_count : list.count;
    return 0;
}

int validate_push_list(Validator *v, TypeList list)
{
    if (list.count == 0)
        return 0;
    if (v->operand_capacity - v->operand_count < list.count) {
        const int r = validate_operands_grow(v, list.count);
        if (r < 0)
            return r;
    }
    memcpy(v->operands + v->operand_count, list.types, list.count * sizeof(*list.types));
    v->operand_count += list.count;
    return 0;
}

int validate_top_list(Validator *v, TypeList list)
{
    const uint32_t have_count = v->operand_count - v->frame->height;
    const uint32_t count = have_count < list.count ? have_count : list.count;
    const WasmValType *have = v->operands + v->operand_count - count;
    const WasmValType *want = list.types + list.count - count;

    if (have_count < list.count && !v->frame->is_unreachable)
        return validate_error(v, EINVAL, "wants %u values, has %u: type mismatch", list.count, have_count);
    if (count == 0 || memcmp(have, want, count * sizeof(*want)) == 0)
        return 0;
    for (uint32_t i = 0; i < count; i++) {
        if (!validate_matches(v, have[i], want[i])) {
            return validate_error(v, EINVAL, "wants %s, has %s: type mismatch", validate_type_name(want[i]),
                                  validate_type_name(have[i]));
        }
    }
    return 0;
}

void validate_unreachable(Validator *v)
{
    v->operand_count = v->frame->height;
    v->frame->is_unreachable = true;
}

int validate_frame_push(Validator *v, uint32_t opcode, TypeList start, TypeList end)
{
    if (v->frame_count > LIMIT_NESTING)
        return validate_error(v, E2BIG, "blocks nested deeper than %u", LIMIT_NESTING);
    if (v->frame_count == v->frame_capacity) {
        const uint32_t capacity = v->frame_capacity ? v->frame_capacity * 2 : 64;
        Frame *frames = arena_new_array(&v->scratch, capacity, Frame);
        if (!frames)
            return validate_no_memory(v);
        if (v->frame_count)
            memcpy(frames, v->frames, v->frame_count * sizeof(*frames));
        v->frames = frames;
        v->frame_capacity = capacity;
    }
    v->frame = &v->frames[v->frame_count++];
    *v->frame = (Frame){.opcode = opcode, .height = v->operand_count, .init_height = v->init_count, .start = start, .end = end};
    return validate_push_list(v, start);
}

/* A memory access: its memory, alignment (exact for atomics), and offset. */
static int memarg_check(Validator *v, const WasmOpcode *row, WasmValType *ret_address)
{
    const WasmMemArg *memarg = &v->instr.memarg;

    if (memarg->has_index && !v->features->multi_memory)
        return validate_error(v, ENOTSUP, "multi-memory is off: malformed memop flags");
    if (memarg->memory_index >= v->module->memory_count)
        return validate_error(v, EINVAL, "unknown memory %u", memarg->memory_index);
    const WasmMemory *memory = &v->module->memories[memarg->memory_index];
    const uint32_t natural = (uint32_t)__builtin_ctz(row->size);
    if (memarg->align_log2 > natural)
        return validate_error(v, EINVAL, "alignment must not be larger than natural");
    if (row->feature == WASM_FEATURE_THREADS && memarg->align_log2 != natural)
        return validate_error(v, EINVAL, "atomic alignment must be natural");
    if (memarg->offset > UINT32_MAX && !memory->limits.is_64 && v->features->memory64)
        return validate_error(v, EINVAL, "offset out of range"); /* 3.0: offsets are u64 for either address type */
    if (memarg->is_wide && !memory->limits.is_64 && !v->features->memory64) { /* what a u32 would have said: 5 bytes hold 35 bits */
        const bool is_large = memarg->offset > UINT32_MAX && memarg->offset >> 35 == 0;
        return validate_error(v, EBADMSG, "offset out of range: %s",
                              is_large ? "integer too large" : "integer representation too long");
    }
    *ret_address = validate_address_type(memory->limits.is_64);
    return 0;
}

/* Immediates whose values are limited: lane indices. */
static int lane_check(const Validator *v, const WasmOpcode *row)
{
    const WasmInstr *instr = &v->instr;

    if (instr->imm == WASM_IMM_LANE && instr->lane >= row->size)
        return validate_error(v, EINVAL, "lane %u of %u: invalid lane index", instr->lane, row->size);
    if (instr->imm == WASM_IMM_MEMARG_LANE && instr->lane >= 16 / row->size)
        return validate_error(v, EINVAL, "lane %u of %u: invalid lane index", instr->lane, 16 / row->size);
    if (instr->opcode == WASM_OP_I8X16_SHUFFLE) {
        for (size_t i = 0; i < 16; i++) {
            if (instr->v128[i] >= 32)
                return validate_error(v, EINVAL, "lane %u of 32: invalid lane index", instr->v128[i]);
        }
    }
    return 0;
}

/* An instruction whose row says all about its types. */
static inline int plain_check(Validator *v, const WasmOpcode *row)
{
    WasmValType address = WASM_I32;
    int r;

    if (row->size != 0 && row->imm != WASM_IMM_LANE) {
        r = memarg_check(v, row, &address);
        if (r < 0)
            return r;
    }
    if (row->imm == WASM_IMM_LANE || row->imm == WASM_IMM_MEMARG_LANE || row->imm == WASM_IMM_V128) {
        r = lane_check(v, row);
        if (r < 0)
            return r;
    }
    for (unsigned i = row->param_count; i > 0; i--) {
        const WasmValType want = row->params[i - 1];
        r = validate_pop(v, want == WASM_ADDR ? address : want);
        if (r < 0)
            return r;
    }
    return row->result ? validate_push(v, row->result) : 0;
}

/* One instruction. Return: 0; 1 the end of the expression; < 0. */
static inline int instr_check(Validator *v, const WasmOpcode *row)
{
    if (__builtin_expect(row->feature > WASM_FEATURE_NONE, 0)) {
        const int r = validate_feature(v, (WasmFeature)row->feature);
        if (r < 0)
            return r;
    }
    if (!row->is_special)
        return plain_check(v, row);
    if (v->instr.opcode <= WASM_OP_TRY_TABLE)
        return validate_control(v);
    return (v->instr.opcode & ~0xfu) == 0xd0 ? validate_reference(v) : validate_special(v);
}

/* Locals of the body: runs and the flat table. Return in *ret_position where the code begins. */
static int locals_read(Validator *v, WasmSlice body, size_t *ret_position)
{
    WasmLocals locals;
    size_t at = 0;
    uint32_t group_count = 0;
    uint32_t total = 0;
    char text[64];
    int r = wasm_locals_read(body, v->bytes.offset, v->type->param_count, NULL, &locals, v->err);

    if (r >= 0)
        r = wasm_u32_read(&v->bytes, &at, &group_count);
    if (r < 0)
        return r;
    v->run_count = 0;
    v->has_unset_locals = false;
    for (uint32_t i = 0; i < group_count; i++) {
        const size_t start = at;
        uint32_t count = 0;
        WasmValType type = 0;
        r = wasm_u32_read(&v->bytes, &at, &count);
        if (r >= 0)
            r = wasm_value_type_read(&v->bytes, &at, &type);
        if (r < 0)
            return r;
        r = wasm_type_is_ref(type) ? validate_type_words(v, type, v->module->type_count, text, sizeof(text)) : 0;
        if (r < 0)
            return wasm_bytes_error(&v->bytes, start, -r, "%s", text);
        if (count == 0)
            continue;
        for (uint32_t k = total; k < LOCALS_FLAT_N && k < total + count; k++)
            v->flat[k] = type;
        total += count;
        must(v->run_count < LIMIT_LOCALS);
        v->runs[v->run_count++] = (LocalRun){.end = total, .type = type};
        v->has_unset_locals |= wasm_type_is_ref(type) && !wasm_type_is_nullable(type);
    }
    must(total == locals.count && at == locals.code_start);
    v->local_count = v->type->param_count + total;
    *ret_position = at;
    return v->has_unset_locals ? validate_locals_start(v) : 0;
}

int validate_body(Validator *v, uint32_t func_index)
{
    const WasmFunc *func = &v->module->funcs[func_index];
    size_t position = 0;

    v->type = &v->module->types[func->type_index];
    v->bytes = (WasmBytes){.bytes = func->body.bytes, .end = func->body.size, .offset = func->body_offset, .err = v->err};
    v->results = (TypeList){v->type->types + v->type->param_count, v->type->result_count};
    int r = locals_read(v, func->body, &position);
    if (r < 0)
        return r;
    v->instr.start = position;
    v->instr.opcode = WASM_OP_BLOCK;
    v->operand_count = 0;
    v->frame_count = 0;
    v->init_count = 0;
    r = validate_frame_push(v, WASM_OP_BLOCK, (TypeList){NULL, 0}, v->results);
    while (r == 0) {
        if (position >= v->bytes.end)
            return wasm_bytes_error(&v->bytes, position, EBADMSG, "the body has no end: END opcode expected");
        r = wasm_instr_decode(&v->bytes, position, &v->instr);
        if (r < 0)
            return r;
        position = v->instr.end;
        r = instr_check(v, wasm_opcode_row(v->instr.opcode));
    }
    if (r < 0)
        return r;
    if (position != v->bytes.end)
        return wasm_bytes_error(&v->bytes, position, EBADMSG, "instructions after the last end: section size mismatch");
    return 0;
}

/* What a constant expression may consist of (3.3.10 and the extended-const proposal). */
static int const_instr_check(Validator *v)
{
    const WasmInstr *instr = &v->instr;

    switch (instr->opcode) {
    case WASM_OP_END:
    case WASM_OP_I32_CONST:
    case WASM_OP_I64_CONST:
    case WASM_OP_F32_CONST:
    case WASM_OP_F64_CONST:
    case WASM_OP_V128_CONST:
    case WASM_OP_REF_NULL:
    case WASM_OP_REF_FUNC:
        return 0;
    case WASM_OP_I32_ADD:
    case WASM_OP_I32_SUB:
    case WASM_OP_I32_MUL:
    case WASM_OP_I64_ADD:
    case WASM_OP_I64_SUB:
    case WASM_OP_I64_MUL:
        if (!v->features->extended_const) {
            return validate_error(v, ENOTSUP,
                                  "extended constant expressions are off: constant expression required");
        }
        return 0;
    case WASM_OP_GLOBAL_GET:
        if (instr->index >= v->known_globals)
            return validate_error(v, EINVAL, "unknown global %u", instr->index);
        if (v->module->globals[instr->index].is_mutable)
            return validate_error(v, EINVAL, "global %u is mutable: constant expression required", instr->index);
        return 0;
    default:
        return validate_error(v, EINVAL, "constant expression required");
    }
}

int validate_const_expr(Validator *v, const WasmConstExpr *expr, WasmValType type, uint32_t known_globals)
{
    size_t position = 0;

    v->bytes = (WasmBytes){.bytes = expr->code.bytes, .end = expr->code.size, .offset = expr->offset, .err = v->err};
    v->type = NULL;
    v->results = (TypeList){&type, 1};
    v->known_globals = known_globals;
    v->instr.start = 0;
    v->instr.opcode = WASM_OP_BLOCK;
    v->operand_count = 0;
    v->frame_count = 0;
    int r = validate_frame_push(v, WASM_OP_BLOCK, (TypeList){NULL, 0}, v->results);
    while (r == 0) {
        r = wasm_instr_decode(&v->bytes, position, &v->instr);
        if (r < 0)
            return r;
        position = v->instr.end;
        r = const_instr_check(v);
        if (r < 0)
            return r;
        r = instr_check(v, wasm_opcode_row(v->instr.opcode));
    }
    if (r < 0)
        return r;
    must(position == v->bytes.end); /* wasm_reader_expr() found this end */
    return 0;
}
