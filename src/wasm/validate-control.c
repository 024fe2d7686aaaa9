/* SPDX-License-Identifier: Apache-2.0 */
/*
 * validate-control.c - blocks, branches, calls, exceptions, drop and select (wasm core 3.3.2, 3.3.8; appendix A).
 */
#include <errno.h>
#include <string.h>

#include "opcodes.h"
#include "wasm/validate-int.h"

static int block_type_check(Validator *v, TypeList *ret_start, TypeList *ret_end)
{
    const WasmBlockType *block = &v->instr.block;

    *ret_start = *ret_end = (TypeList){NULL, 0};
    if (block->kind == WASM_BLOCK_TYPE) {
        if (block->type_index >= v->module->type_count)
            return validate_error(v, EINVAL, "unknown type %u", block->type_index);
        const WasmFuncType *type = &v->module->types[block->type_index];
        *ret_start = (TypeList){type->types, type->param_count};
        *ret_end = (TypeList){type->types + type->param_count, type->result_count};
    } else if (block->kind == WASM_BLOCK_VALUE) {
        const int r = validate_type(v, block->value);
        if (r < 0)
            return r;
        return validate_single(v, block->value, ret_end);
    }
    return 0;
}

static int block_open(Validator *v)
{
    TypeList start, end;
    int r = block_type_check(v, &start, &end);

    if (r >= 0)
        r = validate_pop_list(v, start);
    return r < 0 ? r : validate_frame_push(v, v->instr.opcode, start, end);
}

/* The innermost block has exactly its results; they are popped, the frame is not. */
static int frame_results_pop(Validator *v)
{
    const int r = validate_pop_list(v, v->frame->end);

    if (r < 0)
        return r;
    if (v->operand_count != v->frame->height) {
        return validate_error(v, EINVAL, "%u values left on the stack: type mismatch",
                              v->operand_count - v->frame->height);
    }
    return 0;
}

/* Another arm of the innermost block: else, catch, catch_all. */
static void frame_reopen(Validator *v, uint32_t opcode)
{
    v->frame->opcode = opcode;
    v->frame->is_unreachable = false;
    v->operand_count = v->frame->height;
    validate_locals_reset(v, v->frame->init_height);
}

static int else_check(Validator *v)
{
    if (v->frame->opcode != WASM_OP_IF)
        return validate_error(v, EBADMSG, "not in an if: END opcode expected");
    const int r = frame_results_pop(v);
    if (r < 0)
        return r;
    frame_reopen(v, WASM_OP_ELSE);
    return validate_push_list(v, v->frame->start);
}

/* The innermost frame goes, its results are pushed to the outer one. Return: 1 when it was the outermost. */
static int frame_pop(Validator *v)
{
    const TypeList end = v->frame->end;

    must(v->frame_count > 0);
    validate_locals_reset(v, v->frame->init_height);
    if (--v->frame_count == 0)
        return 1;
    v->frame = &v->frames[v->frame_count - 1];
    return validate_push_list(v, end);
}

static int end_check(Validator *v)
{
    const Frame *frame = v->frame;
    const int r = frame_results_pop(v);

    if (r < 0)
        return r;
    if (frame->opcode == WASM_OP_IF) { /* without else: what comes in goes out */
        if (!validate_matches_list(v, frame->start, frame->end))
            return validate_error(v, EINVAL, "if without else has other results than parameters: type mismatch");
    }
    return frame_pop(v);
}

int validate_label(const Validator *v, uint32_t label, TypeList *ret_types)
{
    if (label >= v->frame_count)
        return validate_error(v, EINVAL, "unknown label %u", label);
    const Frame *frame = &v->frames[v->frame_count - 1 - label];
    *ret_types = frame->opcode == WASM_OP_LOOP ? frame->start : frame->end;
    return 0;
}

static int br_check(Validator *v)
{
    TypeList types;
    int r = validate_label(v, v->instr.index, &types);

    if (r < 0)
        return r;
    if (v->instr.opcode == WASM_OP_BR_IF) {
        r = validate_pop(v, WASM_I32);
        if (r >= 0)
            r = validate_pop_list(v, types);
        return r < 0 ? r : validate_push_list(v, types);
    }
    r = validate_pop_list(v, types);
    if (r < 0)
        return r;
    validate_unreachable(v);
    return 0;
}

static int br_table_check(Validator *v)
{
    const WasmSlice code = {.bytes = v->bytes.bytes, .size = v->bytes.end};
    size_t position = v->instr.list_start;
    TypeList types = {NULL, 0};
    TypeList checked = {NULL, 0};
    uint32_t arity = 0;
    int r = validate_pop(v, WASM_I32);

    for (uint32_t i = 0; r >= 0 && i <= v->instr.list_count; i++) {
        r = validate_label(v, wasm_br_table_next(code, &position), &types);
        if (r < 0)
            return r;
        if (i == 0)
            arity = types.count;
        else if (types.count != arity)
            return validate_error(v, EINVAL, "labels of %u and %u values: type mismatch", arity, types.count);
        if (i == 0 || types.types != checked.types)
            r = validate_top_list(v, types);
        checked = types;
    }
    if (r < 0)
        return r;
    validate_unreachable(v);
    return 0;
}

static int return_check(Validator *v)
{
    const int r = validate_pop_list(v, v->results);

    if (r < 0)
        return r;
    validate_unreachable(v);
    return 0;
}

int validate_callee(Validator *v, const WasmFuncType *type, bool is_tail)
{
    const TypeList results = {type->types + type->param_count, type->result_count};
    const int r = validate_pop_list(v, (TypeList){type->types, type->param_count});

    if (r < 0)
        return r;
    if (!is_tail)
        return validate_push_list(v, results);
    if (!validate_matches_list(v, results, v->results))
        return validate_error(v, EINVAL, "the callee's results are not the caller's: type mismatch");
    validate_unreachable(v);
    return 0;
}

static int call_check(Validator *v)
{
    if (v->instr.index >= v->module->func_count)
        return validate_error(v, EINVAL, "unknown function %u", v->instr.index);
    return validate_callee(v, wasm_func_type(v->module, v->instr.index), v->instr.opcode == WASM_OP_RETURN_CALL);
}

static int call_indirect_check(Validator *v)
{
    const uint32_t type_index = v->instr.index;
    const uint32_t table_index = v->instr.index2;

    if (table_index >= v->module->table_count)
        return validate_error(v, EINVAL, "unknown table %u", table_index);
    const WasmTable *table = &v->module->tables[table_index];
    if (!wasm_type_is_func(table->type))
        return validate_error(v, EINVAL, "table %u holds %s: type mismatch", table_index, validate_type_name(table->type));
    if (type_index >= v->module->type_count)
        return validate_error(v, EINVAL, "unknown type %u", type_index);
    const int r = validate_pop(v, validate_address_type(table->limits.is_64));
    if (r < 0)
        return r;
    return validate_callee(v, &v->module->types[type_index], v->instr.opcode == WASM_OP_RETURN_CALL_INDIRECT);
}

static int call_ref_check(Validator *v)
{
    const uint32_t index = v->instr.index;

    if (index >= v->module->type_count)
        return validate_error(v, EINVAL, "unknown type %u", index);
    const int r = validate_pop(v, WASM_REF_NULL | index << 8);
    return r < 0 ? r : validate_callee(v, &v->module->types[index], v->instr.opcode == WASM_OP_RETURN_CALL_REF);
}

static int tag_check(const Validator *v, uint32_t tag_index, TypeList *ret_params)
{
    if (tag_index >= v->module->tag_count)
        return validate_error(v, EINVAL, "unknown tag %u", tag_index);
    const WasmFuncType *type = &v->module->types[v->module->tags[tag_index].type_index];
    *ret_params = (TypeList){type->types, type->param_count};
    return 0;
}

static int throw_check(Validator *v)
{
    TypeList params;
    int r = tag_check(v, v->instr.index, &params);

    if (r >= 0)
        r = validate_pop_list(v, params);
    if (r < 0)
        return r;
    validate_unreachable(v);
    return 0;
}

/* catch x, catch_all of the legacy proposal: another arm of a try */
static int catch_check(Validator *v)
{
    TypeList params = {NULL, 0};
    int r;

    if (v->frame->opcode != WASM_OP_TRY && v->frame->opcode != WASM_OP_CATCH)
        return validate_error(v, EBADMSG, "not in a try: END opcode expected");
    r = frame_results_pop(v);
    if (r >= 0 && v->instr.opcode == WASM_OP_CATCH)
        r = tag_check(v, v->instr.index, &params);
    if (r < 0)
        return r;
    frame_reopen(v, v->instr.opcode);
    return validate_push_list(v, params);
}

static int rethrow_check(Validator *v)
{
    TypeList types;
    const int r = validate_label(v, v->instr.index, &types);

    if (r < 0)
        return r;
    const uint32_t opcode = v->frames[v->frame_count - 1 - v->instr.index].opcode;
    if (opcode != WASM_OP_CATCH && opcode != WASM_OP_CATCH_ALL)
        return validate_error(v, EINVAL, "label %u is no catch: invalid rethrow label", v->instr.index);
    validate_unreachable(v);
    return 0;
}

/* delegate l ends a try; its label counts from outside the try */
static int delegate_check(Validator *v)
{
    TypeList types;
    int r;

    if (v->frame->opcode != WASM_OP_TRY)
        return validate_error(v, EBADMSG, "not in a try: END opcode expected");
    r = frame_results_pop(v);
    if (r < 0)
        return r;
    must(v->frame_count > 1); /* the outermost frame is no try */
    r = frame_pop(v);
    return r < 0 ? r : validate_label(v, v->instr.index, &types);
}

/* One clause of try_table: what it passes is what its label, counted from outside, takes. */
static int clause_check(Validator *v, const WasmCatch *clause)
{
    const bool has_reference = clause->kind & 1u;
    TypeList params = {NULL, 0};
    TypeList types = {NULL, 0};
    int r = clause->kind < 2 ? tag_check(v, clause->tag_index, &params) : 0;

    if (r >= 0)
        r = validate_label(v, clause->label, &types);
    if (r < 0)
        return r;
    const bool is_good = types.count == params.count + has_reference &&
                         validate_matches_list(v, params, (TypeList){types.types, params.count}) &&
                         (!has_reference || validate_matches(v, wasm_type_non_null(WASM_EXNREF), types.types[params.count]));
    return is_good ? 0 : validate_error(v, EINVAL, "label %u takes other values than the catch clause gives: type mismatch",
                                        clause->label);
}

static int try_table_check(Validator *v)
{
    const WasmSlice code = {.bytes = v->bytes.bytes, .size = v->bytes.end};
    size_t position = v->instr.list_start;
    int r = 0;

    for (uint32_t i = 0; r >= 0 && i < v->instr.list_count; i++) {
        const WasmCatch clause = wasm_catch_next(code, &position);
        r = clause_check(v, &clause);
    }
    return r < 0 ? r : block_open(v);
}

static int select_check(Validator *v)
{
    WasmValType first = TYPE_ANY;
    WasmValType second = TYPE_ANY;
    int r = validate_pop(v, WASM_I32);

    if (r >= 0)
        r = validate_pop_any(v, &first);
    if (r >= 0)
        r = validate_pop_any(v, &second);
    if (r < 0)
        return r;
    if (wasm_type_is_ref(first) || wasm_type_is_ref(second))
        return validate_error(v, EINVAL, "references need select with a type: type mismatch");
    if (first != second && first != TYPE_ANY && second != TYPE_ANY) {
        return validate_error(v, EINVAL, "of %s and %s: type mismatch", validate_type_name(second),
                              validate_type_name(first));
    }
    return validate_push(v, first == TYPE_ANY ? second : first);
}

static int select_type_check(Validator *v)
{
    const WasmValType type = v->instr.type;
    int r;

    if (v->instr.list_count != 1)
        return validate_error(v, EINVAL, "%u types: invalid result arity", v->instr.list_count);
    r = validate_type(v, type);
    if (r >= 0)
        r = validate_pop(v, WASM_I32);
    if (r >= 0)
        r = validate_pop(v, type);
    if (r >= 0)
        r = validate_pop(v, type);
    return r < 0 ? r : validate_push(v, type);
}

int validate_control(Validator *v)
{
    WasmValType type;
    int r;

    switch (v->instr.opcode) {
    case WASM_OP_UNREACHABLE:
        validate_unreachable(v);
        return 0;
    case WASM_OP_BLOCK:
    case WASM_OP_LOOP:
    case WASM_OP_TRY:
        return block_open(v);
    case WASM_OP_IF:
        r = validate_pop(v, WASM_I32);
        return r < 0 ? r : block_open(v);
    case WASM_OP_ELSE:
        return else_check(v);
    case WASM_OP_END:
        return end_check(v);
    case WASM_OP_BR:
    case WASM_OP_BR_IF:
        return br_check(v);
    case WASM_OP_BR_TABLE:
        return br_table_check(v);
    case WASM_OP_RETURN:
        return return_check(v);
    case WASM_OP_CALL:
    case WASM_OP_RETURN_CALL:
        return call_check(v);
    case WASM_OP_CALL_INDIRECT:
    case WASM_OP_RETURN_CALL_INDIRECT:
        return call_indirect_check(v);
    case WASM_OP_CALL_REF:
    case WASM_OP_RETURN_CALL_REF:
        return call_ref_check(v);
    case WASM_OP_THROW:
        return throw_check(v);
    case WASM_OP_CATCH:
    case WASM_OP_CATCH_ALL:
        return catch_check(v);
    case WASM_OP_RETHROW:
        return rethrow_check(v);
    case WASM_OP_DELEGATE:
        return delegate_check(v);
    case WASM_OP_THROW_REF:
        r = validate_pop(v, WASM_EXNREF);
        if (r >= 0)
            validate_unreachable(v);
        return r;
    case WASM_OP_TRY_TABLE:
        return try_table_check(v);
    case WASM_OP_DROP:
        return validate_pop_any(v, &type);
    case WASM_OP_SELECT:
        return select_check(v);
    case WASM_OP_SELECT_T:
        return select_type_check(v);
    default:
        must(false && "a control instruction without a rule");
        return -EINVAL;
    }
}
