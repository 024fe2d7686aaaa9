/* SPDX-License-Identifier: Apache-2.0 */
/*
 * emit-func.c - one function body: structured control flow to basic blocks.
 *
 * Operands live in SSA values; a block's results (a loop's parameters) are phis of the block that a branch goes to.
 * Locals are allocas that LLVM's SROA turns into SSA values. Code after an unconditional branch is skipped up to the
 * end or else of its block, so the operand stack never has the polymorphic bottom of validation.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "aot/throw-int.h"

/* Recursion (self_copy_count). A factor of copies is at most SELF_CALLS_MAXIMUM per level. */
#define SELF_CALLS_MAXIMUM 3u
#define SELF_COPIES_MAXIMUM 8u
#define SELF_SIZE_MAXIMUM 450u /* instructions that the copies add */

static void push_phi(Emit *e, LLVMValueRef phi)
{
    if (e->phi_count == e->phi_capacity) {
        e->phi_capacity = e->phi_capacity == 0 ? 64 : e->phi_capacity * 2;
        e->phis = realloc(e->phis, e->phi_capacity * sizeof(*e->phis));
        must(e->phis != NULL);
    }
    e->phis[e->phi_count++] = phi;
}

static void push_phis(Emit *e, LLVMBasicBlockRef block, const WasmValType *types, uint32_t count)
{
    LLVMBasicBlockRef current = LLVMGetInsertBlock(e->builder);
    emit_at(e, block);
    for (uint32_t i = 0; i < count; i++) {
        push_phi(e, LLVMBuildPhi(e->builder, unit_value_type(e->unit, types[i]), ""));
    }
    emit_at(e, current);
}

static Frame *push_frame(Emit *e, const Frame *frame)
{
    if (e->frame_count == e->frame_capacity) {
        e->frame_capacity = e->frame_capacity == 0 ? 64 : e->frame_capacity * 2;
        e->frames = realloc(e->frames, e->frame_capacity * sizeof(*e->frames));
        must(e->frames != NULL);
    }
    e->frames[e->frame_count] = *frame;
    return &e->frames[e->frame_count++];
}

static Frame *frame_at(Emit *e, uint32_t label)
{
    must(label < e->frame_count);
    return &e->frames[e->frame_count - 1 - label];
}

static uint32_t label_arity(const Frame *frame)
{
    return frame->opcode == WASM_OP_LOOP ? frame->param_count : frame->result_count;
}

/* The operands on top of the stack become this edge's values of the target's phis. Called once for each edge. */
void emit_branch_values(Emit *e, Frame *frame)
{
    const uint32_t arity = label_arity(frame);
    LLVMBasicBlockRef from = LLVMGetInsertBlock(e->builder);
    must(e->stack_count >= arity);
    for (uint32_t i = 0; i < arity; i++) {
        LLVMValueRef value = e->stack[e->stack_count - arity + i];
        LLVMAddIncoming(e->phis[frame->phi_base + i], &value, &from, 1);
    }
    frame->is_target_used = true;
}

void emit_open_block(Emit *e, const WasmInstr *instr)
{
    const WasmModule *module = e->unit->plan->module;
    Frame frame = {.opcode = instr->opcode};
    const WasmValType single = instr->block.value;
    const WasmValType *params = NULL;
    const WasmValType *results = &single;
    if (instr->block.kind == WASM_BLOCK_TYPE) {
        const WasmFuncType *type = &module->types[instr->block.type_index];
        frame.param_count = type->param_count;
        frame.result_count = type->result_count;
        params = type->types;
        results = type->types + type->param_count;
    } else {
        frame.result_count = instr->block.kind == WASM_BLOCK_VALUE ? 1 : 0;
    }
    LLVMValueRef condition = instr->opcode == WASM_OP_IF ? emit_pop(e) : NULL;
    frame.stack_base = e->stack_count - frame.param_count;
    frame.phi_base = e->phi_count;
    frame.target = emit_new_block(e);
    if (instr->opcode == WASM_OP_LOOP) {
        push_phis(e, frame.target, params, frame.param_count);
        emit_branch_values(e, &frame);
        LLVMBuildBr(e->builder, frame.target);
        emit_at(e, frame.target);
        for (uint32_t i = 0; i < frame.param_count; i++) {
            e->stack[frame.stack_base + i] = e->phis[frame.phi_base + i];
        }
    } else {
        push_phis(e, frame.target, results, frame.result_count);
    }
    if (instr->opcode == WASM_OP_IF) {
        for (uint32_t i = 0; i < frame.param_count; i++) {
            push_phi(e, e->stack[frame.stack_base + i]);
        }
        LLVMBasicBlockRef then_block = emit_new_block(e);
        frame.else_block = emit_new_block(e);
        LLVMValueRef is_true = LLVMBuildICmp(e->builder, LLVMIntNE, condition, emit_i32(e, 0), "");
        emit_hint(e, LLVMBuildCondBr(e->builder, is_true, then_block, frame.else_block), instr->start);
        emit_at(e, then_block);
    }
    push_frame(e, &frame);
}

/* Starts the else part: the block's parameters are on the stack again. */
static void enter_else(Emit *e, Frame *frame)
{
    emit_at(e, frame->else_block);
    frame->else_block = NULL;
    e->stack_count = frame->stack_base;
    for (uint32_t i = 0; i < frame->param_count; i++) {
        emit_push(e, e->phis[frame->phi_base + frame->result_count + i]);
    }
    e->is_reachable = true;
}

void emit_leave_to_target(Emit *e, Frame *frame)
{
    if (e->is_reachable) {
        emit_branch_values(e, frame);
        LLVMBuildBr(e->builder, frame->target);
    }
    e->is_reachable = false;
}

static void close_function(Emit *e)
{
    LLVMValueRef results[LIMIT_RESULTS];
    const uint32_t count = e->type->result_count;
    for (uint32_t i = 0; i < count; i++) {
        results[i] = e->stack[e->stack_count - count + i];
    }
    if (e->jump_depth != NULL) {
        emit_store_instance(e, e->jump_depth, emit_field(e, offsetof(RtInstance, jump_depth)));
    }
    const bool has_area = unit_has_result_area(e->type);
    for (uint32_t i = 0; i < count && has_area; i++) {
        emit_value_store(e, results[i], LLVMGetParam(e->function, 1), i);
    }
    if (count == 0 || has_area) {
        LLVMBuildRetVoid(e->builder);
    } else if (count == 1) {
        LLVMBuildRet(e->builder, results[0]);
    } else {
        LLVMBuildAggregateRet(e->builder, results, count);
    }
}

void emit_close_block(Emit *e)
{
    Frame *frame = frame_at(e, 0);
    if (frame->opcode == WASM_OP_LOOP) {
        /* A loop's end is no branch target: what falls through stays on the stack. */
        e->phi_count = frame->phi_base;
        e->frame_count--;
        return;
    }
    emit_leave_to_target(e, frame);
    emit_handlers(e);
    if (frame->else_block != NULL) { /* if without else: its parameters are its results */
        enter_else(e, frame);
        emit_leave_to_target(e, frame);
    }
    e->stack_count = frame->stack_base;
    if (frame->is_target_used) {
        emit_at(e, frame->target);
        e->is_reachable = true;
        for (uint32_t i = 0; i < frame->result_count; i++) {
            emit_push(e, e->phis[frame->phi_base + i]);
        }
    } else {
        LLVMDeleteBasicBlock(frame->target);
    }
    e->phi_count = frame->phi_base;
    e->frame_count--;
    if (e->frame_count == 0 && e->is_reachable) {
        close_function(e);
    }
}

LLVMValueRef emit_br_when(Emit *e, LLVMValueRef is_true, uint32_t label)
{
    Frame *frame = frame_at(e, label);
    LLVMBasicBlockRef next = emit_new_block(e);
    emit_branch_values(e, frame);
    LLVMValueRef branch = LLVMBuildCondBr(e->builder, is_true, frame->target, next);
    emit_at(e, next);
    return branch;
}

static void emit_br_if(Emit *e, const WasmInstr *instr)
{
    LLVMValueRef condition = emit_pop(e);
    emit_hint(e, emit_br_when(e, LLVMBuildICmp(e->builder, LLVMIntNE, condition, emit_i32(e, 0), ""), instr->index), instr->start);
}

static void emit_br_table(Emit *e, const WasmInstr *instr, WasmSlice code)
{
    LLVMValueRef index = emit_pop(e);
    LLVMBasicBlockRef block = LLVMGetInsertBlock(e->builder);
    /* The default comes last in the list but first in LLVM's switch: start with a placeholder. */
    LLVMValueRef branch = LLVMBuildSwitch(e->builder, index, block, instr->list_count);
    size_t position = instr->list_start;
    for (uint32_t i = 0; i <= instr->list_count; i++) {
        Frame *frame = frame_at(e, wasm_br_table_next(code, &position));
        emit_branch_values(e, frame);
        if (i < instr->list_count) {
            LLVMAddCase(branch, emit_i32(e, i), frame->target);
        } else {
            LLVMSetSuccessor(branch, 0, frame->target);
        }
    }
    e->is_reachable = false;
}

static void emit_select(Emit *e)
{
    LLVMValueRef condition = emit_pop(e);
    LLVMValueRef b = emit_pop(e);
    LLVMValueRef a = emit_pop(e);
    LLVMValueRef is_true = LLVMBuildICmp(e->builder, LLVMIntNE, condition, emit_i32(e, 0), "");
    emit_push(e, LLVMBuildSelect(e->builder, is_true, a, b, ""));
}

static void branch_always(Emit *e, uint32_t label)
{
    emit_leave_to_target(e, frame_at(e, label));
}

bool emit_control(Emit *e, const WasmInstr *instr, WasmSlice code)
{
    switch (instr->opcode) {
    case WASM_OP_NOP: break;
    case WASM_OP_UNREACHABLE:
        emit_trap(e, emit_i32(e, RT_TRAP_UNREACHABLE));
        e->is_reachable = false;
        break;
    case WASM_OP_BLOCK:
    case WASM_OP_LOOP:
    case WASM_OP_IF: emit_open_block(e, instr); break;
    case WASM_OP_ELSE: {
        Frame *frame = frame_at(e, 0);
        emit_leave_to_target(e, frame);
        enter_else(e, frame);
        break;
    }
    case WASM_OP_END: emit_close_block(e); break;
    case WASM_OP_BR: branch_always(e, instr->index); break;
    case WASM_OP_BR_IF: emit_br_if(e, instr); break;
    case WASM_OP_BR_TABLE: emit_br_table(e, instr, code); break;
    case WASM_OP_RETURN: branch_always(e, e->frame_count - 1); break;
    case WASM_OP_CALL: emit_call(e, instr->index, false); break;
    case WASM_OP_CALL_INDIRECT: emit_call_indirect(e, instr->index, instr->index2, false); break;
    case WASM_OP_RETURN_CALL: emit_call(e, instr->index, true); break;
    case WASM_OP_RETURN_CALL_INDIRECT: emit_call_indirect(e, instr->index, instr->index2, true); break;
    case WASM_OP_DROP: (void)emit_pop(e); break;
    case WASM_OP_SELECT:
    case WASM_OP_SELECT_T: emit_select(e); break;
    default: return emit_exception(e, instr);
    }
    return true;
}

/* Unreachable code is not translated, only followed to where its block continues. */
static void skip_instr(Emit *e, const WasmInstr *instr, WasmSlice code)
{
    switch (instr->opcode) {
    case WASM_OP_BLOCK:
    case WASM_OP_LOOP:
    case WASM_OP_IF:
    case WASM_OP_TRY:
    case WASM_OP_TRY_TABLE: e->skip_depth++; break;
    case WASM_OP_CATCH:
    case WASM_OP_CATCH_ALL:
    case WASM_OP_ELSE:
        if (e->skip_depth == 0) {
            (void)emit_control(e, instr, code);
        }
        break;
    case WASM_OP_DELEGATE:
    case WASM_OP_END:
        if (e->skip_depth == 0) {
            (void)emit_control(e, instr, code);
        } else {
            e->skip_depth--;
        }
        break;
    default: break;
    }
}

static int emit_instr(Emit *e, const WasmInstr *instr, WasmSlice code)
{
    if (!e->is_reachable) {
        skip_instr(e, instr, code);
        return 0;
    }
    const uint64_t offset = e->func->body_offset + instr->start;
    LLVMSetCurrentDebugLocation2(e->builder, LLVMDIBuilderCreateDebugLocation(e->unit->context, unit_line(e->unit, offset), 0, e->scope, NULL));
    bool is_done;
    switch (instr->opcode >> 16) {
    case 0xfc: is_done = emit_bulk(e, instr) || emit_numeric(e, instr); break;
    case 0xfd: is_done = emit_simd(e, instr); break;
    case 0xfe: is_done = emit_atomic(e, instr); break;
    default:
        is_done = emit_variable(e, instr) || emit_control(e, instr, code) || emit_reference(e, instr) ||
                  emit_memory(e, instr) || emit_numeric(e, instr) || emit_bulk(e, instr);
        break;
    }
    if (!is_done) {
        const char *name = wasm_opcode_name(instr->opcode);
        return error_set(e->unit->err, ENOTSUP, "instruction %s at byte offset 0x%llx is not supported", name != NULL ? name : "?", (unsigned long long)offset);
    }
    return 0;
}

static void emit_prologue(Emit *e, uint32_t func_index, const WasmLocals *locals)
{
    Unit *unit = e->unit;
    const Plan *plan = unit->plan;
    const FuncScan *scan = &plan->scans[func_index];
    const char *name = plan->inline_names[func_index];
    const unsigned line = unit_line(unit, e->func->body_offset);
    e->scope = LLVMDIBuilderCreateFunction(unit->debug_builder, unit->debug_file, name, strlen(name), "", 0, unit->debug_file, line,
                                           unit->debug_type, 0, 1, line, LLVMDIFlagZero, 1);
    LLVMSetSubprogram(e->function, e->scope);
    unit_set_func_attributes(unit, e->function, scan->has_tail_call);
    unit->has_tail_call |= scan->has_tail_call;
    if (plan->has_exceptions && !plan->may_throw[func_index]) {
        unit_set_attribute(unit, e->function, "nounwind");
    }
    if (scan->calls_setjmp) {
        unit_set_attribute(unit, e->function, "noinline");
    }
    e->instance = LLVMGetParam(e->function, 0);
    emit_at(e, emit_new_block(e));
    LLVMSetCurrentDebugLocation2(e->builder, LLVMDIBuilderCreateDebugLocation(unit->context, line, 0, e->scope, NULL));
    if (plan->options->memory_base == 0 && plan->module->memory_count > 0) {
        e->memory_base = emit_load_instance(e, unit->ptr, emit_field(e, offsetof(RtInstance, memory_base)), true);
    }
    if (scan->calls_setjmp) {
        e->jump_depth = emit_load_instance(e, unit->i32, emit_field(e, offsetof(RtInstance, jump_depth)), false);
    }
    const uint32_t param_count = e->type->param_count;
    const uint32_t first = unit_has_result_area(e->type) ? 2 : 1;
    for (uint32_t i = 0; i < param_count + locals->count; i++) {
        LLVMTypeRef type = unit_value_type(unit, e->local_types[i]);
        e->locals[i] = LLVMBuildAlloca(e->builder, type, "");
        LLVMValueRef value = i >= param_count ? LLVMConstNull(type)
                             : plan->is_tail_type[e->func->type_index] ? emit_tail_argument(e, i)
                                                                       : LLVMGetParam(e->function, first + i);
        LLVMBuildStore(e->builder, value, e->locals[i]);
    }
    Frame frame = {.result_count = e->type->result_count, .target = emit_new_block(e), .is_trying = scan->calls_setjmp && plan->may_throw[func_index]};
    push_phis(e, frame.target, e->type->types + param_count, frame.result_count);
    push_frame(e, &frame);
    e->is_reachable = true;
}

static int emit_body(Emit *e, uint32_t func_index)
{
    const WasmSlice code = e->func->body;
    WasmLocals locals;
    int r = wasm_locals_read(code, e->func->body_offset, e->type->param_count, NULL, &locals, e->unit->err);
    if (r < 0) {
        return r;
    }
    const size_t count = (size_t)e->type->param_count + locals.count;
    e->locals = calloc(count + 1, sizeof(*e->locals));
    e->local_types = calloc(count + 1, sizeof(*e->local_types));
    must(e->locals != NULL && e->local_types != NULL);
    memcpy(e->local_types, e->type->types, e->type->param_count * sizeof(*e->local_types));
    r = wasm_locals_read(code, e->func->body_offset, e->type->param_count, e->local_types + e->type->param_count, &locals, e->unit->err);
    if (r == 0 && e->unit->plan->scans[func_index].has_rethrow) {
        r = emit_scan_rethrows(e, locals.code_start);
    }
    if (r < 0) {
        return r;
    }
    emit_prologue(e, func_index, &locals);
    WasmInstr instr = {.end = locals.code_start};
    while (r == 0 && instr.end < code.size) {
        r = wasm_instr_read(code, e->func->body_offset, instr.end, &instr, e->unit->err);
        if (r == 0) {
            r = emit_instr(e, &instr, code);
        }
    }
    must(r < 0 || e->frame_count == 0);
    return r;
}

static int emit_into(Unit *unit, uint32_t func_index, LLVMValueRef function, LLVMValueRef self)
{
    const WasmModule *module = unit->plan->module;
    Emit e = {.unit = unit, .builder = unit->builder, .func = &module->funcs[func_index], .type = wasm_func_type(module, func_index),
              .function = function, .self = self};
    const WasmHints *hints = &unit->plan->hints;
    e.hint = plan_hints(hints, func_index);
    e.hints_end = plan_hints(hints, func_index + 1);
    const int r = emit_body(&e, func_index);
    free(e.locals);
    free(e.local_types);
    free(e.stack);
    free(e.phis);
    free(e.frames);
    free(e.rethrown);
    return r < 0 ? error_wrap(unit->err, r, "function %u (%s)", func_index, unit->plan->debug_names[func_index]) : 0;
}

/* How many levels of a recursion become one function. LLVM never inlines a function into itself; gcc does, up to about as many instructions. */
static uint32_t self_copy_count(const Unit *unit, uint32_t func_index)
{
    const FuncScan *scan = &unit->plan->scans[func_index];
    const bool is_tail_type = unit->plan->is_tail_type[unit->plan->module->funcs[func_index].type_index];
    const bool needs_frame = is_tail_type || scan->has_tail_call || scan->has_jump;
    if (unit->plan->options->opt_level < 2 || needs_frame || scan->self_calls == 0 || scan->self_calls > SELF_CALLS_MAXIMUM) {
        return 0;
    }
    uint32_t copies = 0;
    uint64_t bodies = 1, size = 0;
    while (copies < SELF_COPIES_MAXIMUM) {
        bodies *= scan->self_calls;
        size += scan->instr_count * bodies;
        if (size > SELF_SIZE_MAXIMUM) {
            break;
        }
        copies++;
    }
    return copies;
}

int emit_function(Unit *unit, uint32_t func_index)
{
    const WasmFunc *func = &unit->plan->module->funcs[func_index];
    must(!func->is_imported);
    const bool is_tail_type = unit->plan->is_tail_type[func->type_index];
    LLVMValueRef function = is_tail_type ? unit_tail_func(unit, func_index) : unit_func(unit, func_index);
    LLVMValueRef self = unit_func(unit, func_index);
    int r = 0;
    for (uint32_t i = self_copy_count(unit, func_index); i > 0 && r == 0; i--) { /* the last copy calls the function */
        LLVMValueRef copy = unit_add_copy(unit, func_index);
        r = emit_into(unit, func_index, copy, self);
        self = copy;
    }
    r = r < 0 ? r : emit_into(unit, func_index, function, self);
    unit_set_section(function);
    if (is_tail_type && r == 0) {
        emit_tail_entry(unit, func_index);
        unit_set_section(unit_func(unit, func_index));
    }
    return r;
}
