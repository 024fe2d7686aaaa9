/* SPDX-License-Identifier: Apache-2.0 */
/*
 * emit-exception.c - throw, try and its catches, in both forms: legacy and exnref.
 *
 * A frame that catches (try, try_table, the body of a function that called setjmp) has a dispatch block with the exception as
 * its phi. Into it lead
 *   the frame's landing pad: where the runtime's unwinder goes when a call inside of the frame (an invoke) is left by an exception
 *   a throw in the frame itself: the exception is made and the block branched to, nothing is unwound
 *   the dispatch of a frame inside of it that did not catch, or delegates
 * The dispatch compares tags and branches to a catch or outwards; past the outermost frame the runtime goes on unwinding with this
 * function's own frame. Pads take everything (`catch ptr null`), so they need no type tables.
 *
 * Values are copied out of the exception when it is caught. It is given back at once unless an exnref is made of it or a rethrow
 * in the catch wants it (rt/exception.c). Tags are told apart by address (abi.h).
 */
#include <stdlib.h>
#include <string.h>

#include "aot/throw-int.h"

#define NO_FRAME UINT32_MAX

/* The innermost catching frame among the first `count` frames. */
static uint32_t handler_below(const Emit *e, uint32_t count)
{
    while (count > 0) {
        if (e->frames[--count].is_trying) {
            return count;
        }
    }
    return NO_FRAME;
}

static LLVMValueRef dispatch_phi(Emit *e, uint32_t frame_index)
{
    Frame *frame = &e->frames[frame_index];
    if (frame->dispatch == NULL) {
        LLVMBasicBlockRef current = LLVMGetInsertBlock(e->builder);
        frame->dispatch = emit_new_block(e);
        emit_at(e, frame->dispatch);
        frame->exception = LLVMBuildPhi(e->builder, e->unit->ptr, "");
        emit_at(e, current);
    }
    return frame->exception;
}

/* Leaves this block with an exception: to the innermost handler among the first `count` frames, or out of the function. */
static void unwind_to(Emit *e, LLVMValueRef exception, uint32_t count)
{
    const uint32_t index = handler_below(e, count);
    if (index != NO_FRAME) {
        LLVMValueRef phi = dispatch_phi(e, index);
        LLVMBasicBlockRef from = LLVMGetInsertBlock(e->builder);
        LLVMAddIncoming(phi, &exception, &from, 1);
        LLVMBuildBr(e->builder, e->frames[index].dispatch);
        return;
    }
    LLVMValueRef call = emit_runtime_call_throwing(e, offsetof(RtRuntime, exception_throw), e->unit->void_type, &exception, 1);
    unit_set_call_attribute(e->unit, call, "noreturn");
    unit_set_call_attribute(e->unit, call, "nomerge");
    LLVMBuildUnreachable(e->builder);
}

/* Where a call that may throw continues when it does; NULL: in a caller of this function. */
LLVMBasicBlockRef emit_landing_pad(Emit *e)
{
    const uint32_t index = handler_below(e, e->frame_count);
    if (index == NO_FRAME) {
        return NULL;
    }
    if (e->frames[index].pad == NULL) {
        Unit *unit = e->unit;
        LLVMBasicBlockRef current = LLVMGetInsertBlock(e->builder);
        LLVMValueRef phi = dispatch_phi(e, index);
        LLVMBasicBlockRef pad = emit_new_block(e);
        LLVMTypeRef fields[] = {unit->ptr, unit->i32};
        emit_at(e, pad);
        LLVMValueRef landing = LLVMBuildLandingPad(e->builder, LLVMStructTypeInContext(unit->context, fields, 2, 0), NULL, 1, "");
        LLVMAddClause(landing, LLVMConstNull(unit->ptr));
        LLVMValueRef exception = LLVMBuildExtractValue(e->builder, landing, 0, "");
        LLVMAddIncoming(phi, &exception, &pad, 1);
        LLVMBuildBr(e->builder, e->frames[index].dispatch);
        if (!LLVMHasPersonalityFn(e->function)) {
            LLVMSetPersonalityFn(e->function, unit_personality(unit));
        }
        e->frames[index].pad = pad;
        emit_at(e, current);
    }
    return e->frames[index].pad;
}

static LLVMValueRef exception_field(Emit *e, LLVMValueRef exception, uint64_t offset)
{
    LLVMValueRef index = emit_i64(e, offset);
    return LLVMBuildInBoundsGEP2(e->builder, e->unit->i8, exception, &index, 1, "");
}

static LLVMValueRef tag_identity(Emit *e, uint32_t tag_index)
{
    const Plan *plan = e->unit->plan;
    LLVMValueRef slot = emit_field(e, plan->tags_offset + tag_index * 8);
    return plan->module->tags[tag_index].is_imported ? emit_load_instance(e, e->unit->ptr, slot, true) : slot;
}

static const WasmFuncType *tag_type(const Emit *e, uint32_t tag_index)
{
    const WasmModule *module = e->unit->plan->module;
    return &module->types[module->tags[tag_index].type_index];
}

static void emit_throw(Emit *e, uint32_t tag_index)
{
    const WasmFuncType *type = tag_type(e, tag_index);
    LLVMValueRef args[] = {tag_identity(e, tag_index), emit_i32(e, type->param_count)};
    LLVMValueRef exception = emit_runtime_call(e, offsetof(RtRuntime, exception_new), e->unit->ptr, args, 2);
    LLVMValueRef values = exception_field(e, exception, offsetof(RtException, values));
    e->stack_count -= type->param_count;
    for (uint32_t i = 0; i < type->param_count; i++) {
        emit_value_store(e, e->stack[e->stack_count + i], values, i);
    }
    unwind_to(e, exception, e->frame_count);
    e->is_reachable = false;
}

/* A reference to it may exist from now on. */
static void expose(Emit *e, LLVMValueRef exception)
{
    LLVMValueRef state = exception_field(e, exception, offsetof(RtException, state));
    LLVMValueRef owner = emit_load_instance(e, e->unit->ptr, exception_field(e, exception, offsetof(RtException, owner)), false);
    LLVMValueRef is_own = LLVMBuildICmp(e->builder, LLVMIntEQ, owner, e->instance, "");
    LLVMValueRef flags = LLVMBuildSelect(e->builder, is_own, emit_i32(e, RT_EXCEPTION_EXPOSED), emit_i32(e, RT_EXCEPTION_EXPOSED | RT_EXCEPTION_FOREIGN), "");
    LLVMValueRef old = emit_load_instance(e, e->unit->i32, state, false);
    emit_store_instance(e, LLVMBuildOr(e->builder, old, flags, ""), state);
}

static void push_values(Emit *e, LLVMValueRef exception, uint32_t tag_index)
{
    const WasmFuncType *type = tag_type(e, tag_index);
    LLVMValueRef values = exception_field(e, exception, offsetof(RtException, values));
    for (uint32_t i = 0; i < type->param_count; i++) {
        emit_push(e, emit_value_load(e, type->types[i], values, i));
    }
}

static void give_back(Emit *e, LLVMValueRef exception)
{
    (void)emit_runtime_call(e, offsetof(RtRuntime, exception_free), e->unit->void_type, &exception, 1);
}

/* Branches on the tag: the builder is in the block for a match; returns the block for the others. */
static LLVMBasicBlockRef match_tag(Emit *e, LLVMValueRef exception, uint32_t tag_index)
{
    LLVMBasicBlockRef match = emit_new_block(e), other = emit_new_block(e);
    LLVMValueRef tag = emit_load_instance(e, e->unit->ptr, exception_field(e, exception, offsetof(RtException, tag)), false);
    LLVMBuildCondBr(e->builder, LLVMBuildICmp(e->builder, LLVMIntEQ, tag, tag_identity(e, tag_index), ""), match, other);
    emit_at(e, match);
    return other;
}

/* --- try ... catch --- */

static bool is_rethrown(const Emit *e, size_t start)
{
    return e->rethrown != NULL && (e->rethrown[start / 8] >> (start % 8) & 1) != 0;
}

static void emit_catch(Emit *e, const WasmInstr *instr)
{
    Frame *frame = &e->frames[e->frame_count - 1];
    emit_leave_to_target(e, frame);
    if (frame->is_trying) { /* the first one */
        frame->is_trying = false;
        frame->next_dispatch = frame->dispatch;
    }
    frame->opcode = instr->opcode;
    e->stack_count = frame->stack_base;
    if (frame->next_dispatch == NULL) { /* nothing in the body throws, or a catch_all came before */
        return;
    }
    emit_at(e, frame->next_dispatch);
    frame->next_dispatch = instr->opcode == WASM_OP_CATCH ? match_tag(e, frame->exception, instr->index) : NULL;
    if (instr->opcode == WASM_OP_CATCH) {
        push_values(e, frame->exception, instr->index);
    }
    if (is_rethrown(e, instr->start)) {
        expose(e, frame->exception);
    } else {
        give_back(e, frame->exception);
    }
    e->is_reachable = true;
}

/* The clauses of a try_table that ends; their labels count from outside of it. */
static void emit_clauses(Emit *e, uint32_t frame_index)
{
    Frame *frame = &e->frames[frame_index];
    LLVMValueRef exception = frame->exception;
    size_t position = frame->list_start;
    LLVMBasicBlockRef next = frame->dispatch;
    const uint32_t stack_count = e->stack_count;
    for (uint32_t i = 0; i < frame->list_count && next != NULL; i++) {
        const WasmCatch clause = wasm_catch_next(e->func->body, &position);
        const bool has_tag = clause.kind < 2, has_ref = clause.kind % 2 != 0;
        emit_at(e, next);
        next = has_tag ? match_tag(e, exception, clause.tag_index) : NULL;
        if (has_tag) {
            push_values(e, exception, clause.tag_index);
        }
        if (has_ref) {
            expose(e, exception);
            emit_push(e, exception);
        } else {
            give_back(e, exception);
        }
        must(clause.label < frame_index);
        Frame *target = &e->frames[frame_index - 1 - clause.label];
        emit_branch_values(e, target);
        LLVMBuildBr(e->builder, target->target);
        e->stack_count = stack_count;
    }
    frame->next_dispatch = next;
}

/* The innermost frame ends, its results are phis already: what its handlers do. The frame is still there. */
void emit_handlers(Emit *e)
{
    const uint32_t index = e->frame_count - 1;
    Frame *frame = &e->frames[index];
    if (frame->is_trying) {
        frame->is_trying = false;
        frame->next_dispatch = frame->dispatch;
    }
    if (frame->next_dispatch == NULL) {
        return;
    }
    if (frame->opcode == WASM_OP_TRY_TABLE) {
        e->stack_count = frame->stack_base;
        emit_clauses(e, index);
    }
    if (e->frames[index].next_dispatch != NULL) {
        emit_at(e, e->frames[index].next_dispatch);
        if (index == 0) { /* a function that called setjmp */
            emit_store_instance(e, e->jump_depth, emit_field(e, offsetof(RtInstance, jump_depth)));
        }
        unwind_to(e, e->frames[index].exception, index);
    }
}

/* try ... delegate l: as if the body stood directly in the block that l names, counted from outside of the try. */
static void emit_delegate(Emit *e, uint32_t label)
{
    const uint32_t index = e->frame_count - 1;
    must(label < index);
    emit_leave_to_target(e, &e->frames[index]);
    e->frames[index].is_trying = false;
    if (e->frames[index].dispatch != NULL) {
        emit_at(e, e->frames[index].dispatch);
        unwind_to(e, e->frames[index].exception, index - label);
    }
    emit_close_block(e);
}

static void emit_throw_ref(Emit *e)
{
    LLVMValueRef exception = emit_pop(e);
    emit_trap_if(e, LLVMBuildICmp(e->builder, LLVMIntEQ, exception, LLVMConstNull(e->unit->ptr), ""), RT_TRAP_NULL_REFERENCE);
    unwind_to(e, exception, e->frame_count);
    e->is_reachable = false;
}

bool emit_exception(Emit *e, const WasmInstr *instr)
{
    switch (instr->opcode) {
    case WASM_OP_TRY:
    case WASM_OP_TRY_TABLE: {
        emit_open_block(e, instr);
        Frame *frame = &e->frames[e->frame_count - 1];
        frame->is_trying = true;
        frame->list_count = instr->list_count;
        frame->list_start = instr->list_start;
        return true;
    }
    case WASM_OP_CATCH:
    case WASM_OP_CATCH_ALL: emit_catch(e, instr); return true;
    case WASM_OP_DELEGATE: emit_delegate(e, instr->index); return true;
    case WASM_OP_THROW: emit_throw(e, instr->index); return true;
    case WASM_OP_THROW_REF: emit_throw_ref(e); return true;
    case WASM_OP_RETHROW: {
        must(instr->index < e->frame_count);
        const Frame *frame = &e->frames[e->frame_count - 1 - instr->index];
        unwind_to(e, frame->exception, e->frame_count);
        e->is_reachable = false;
        return true;
    }
    default: return false;
    }
}

/* --- which catches are rethrown --- */

/* Follows labels through a body and sets a bit for the position of each catch that a rethrow names. */
static int rethrows_mark(const WasmFunc *func, size_t start, uint8_t *bits, size_t *catches, Error *err)
{
    size_t depth = 1; /* catches[0]: the function's own label */
    WasmInstr instr = {.end = start};
    while (instr.end < func->body.size) {
        const int r = wasm_instr_read(func->body, func->body_offset, instr.end, &instr, err);
        if (r < 0) {
            return r;
        }
        switch (instr.opcode) {
        case WASM_OP_BLOCK:
        case WASM_OP_LOOP:
        case WASM_OP_IF:
        case WASM_OP_TRY:
        case WASM_OP_TRY_TABLE: catches[depth++] = SIZE_MAX; break;
        case WASM_OP_CATCH:
        case WASM_OP_CATCH_ALL: catches[depth - 1] = instr.start; break;
        case WASM_OP_DELEGATE:
        case WASM_OP_END: depth--; break;
        case WASM_OP_RETHROW:
            if (instr.index < depth && catches[depth - 1 - instr.index] != SIZE_MAX) {
                const size_t at = catches[depth - 1 - instr.index];
                bits[at / 8] |= (uint8_t)(1u << (at % 8));
            }
            break;
        default: break;
        }
        must(depth > 0 || instr.end == func->body.size); /* the module is validated */
    }
    return 0;
}

int emit_scan_rethrows(Emit *e, size_t start)
{
    const size_t size = e->func->body.size;
    e->rethrown = calloc(size / 8 + 1, 1);
    size_t *catches = calloc(size + 2, sizeof(*catches)); /* a block takes a byte at least */
    must(e->rethrown != NULL && catches != NULL);
    catches[0] = SIZE_MAX;
    const int r = rethrows_mark(e->func, start, e->rethrown, catches, e->unit->err);
    free(catches);
    return r;
}
