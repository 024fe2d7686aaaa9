/* SPDX-License-Identifier: Apache-2.0 */
/*
 * emit-call.c - calls: direct, through imports, through tables, setjmp and longjmp, tail calls.
 *
 * Plain calls are `notail`, so that endless recursion runs into the stack's guard. A tail call to a function of the
 * caller's own type is `musttail`; to another type it is `tail`, which LLVM turns into a jump when all arguments are in
 * registers. In the C convention the caller owns the arguments on the stack, so a callee of another type with such arguments would have no
 * room for them. Functions of such a type (plan->is_tail_type) therefore have two symbols: the body, which takes its arguments
 * from instance->tail_arguments, and an entry of the C convention that stores them there and jumps. Tail calls jump to the body.
 * Everything else - tables, references, exports, imports - has the C convention only. A foreign function (another instance's) has no body that
 * could be found: such a tail call is a call. So is one in a function that called setjmp.
 *
 * More results than registers go through an area of the first caller's frame (abi.h), which a tail call hands on.
 *
 * A call that an exception may leave is an invoke when a frame of this function wants to see it (emit-exception.c).
 */
#include <string.h>

#include "aot/throw-int.h"

/* Pops the arguments of type into args after the instance and, unless it is NULL, the area of the results. */
static unsigned pop_args(Emit *e, const WasmFuncType *type, LLVMValueRef area, LLVMValueRef *args)
{
    unsigned count = 0;
    args[count++] = e->instance;
    if (area != NULL) {
        args[count++] = area;
    }
    e->stack_count -= type->param_count;
    for (uint32_t i = 0; i < type->param_count; i++) {
        args[count++] = e->stack[e->stack_count + i];
    }
    return count;
}

/* Room for the results of a call in this function's frame: allocated once per call, in the first block. */
static LLVMValueRef new_result_area(Emit *e, uint32_t count)
{
    LLVMBasicBlockRef current = LLVMGetInsertBlock(e->builder);
    LLVMBasicBlockRef first = LLVMGetEntryBasicBlock(e->function);
    LLVMMetadataRef line = LLVMGetCurrentDebugLocation2(e->builder);
    LLVMValueRef before = LLVMGetFirstInstruction(first);
    if (before != NULL) {
        LLVMPositionBuilderBefore(e->builder, before);
    }
    LLVMTypeRef slot = LLVMArrayType2(e->unit->i64, sizeof(RtValue) / sizeof(uint64_t));
    LLVMValueRef area = LLVMBuildAlloca(e->builder, LLVMArrayType2(slot, count), "");
    emit_at(e, current);
    LLVMSetCurrentDebugLocation2(e->builder, line);
    return area;
}

static void push_results(Emit *e, const WasmFuncType *type, LLVMValueRef call, LLVMValueRef area)
{
    if (area != NULL) {
        for (uint32_t i = 0; i < type->result_count; i++) {
            emit_push(e, emit_value_load(e, type->types[type->param_count + i], area, i));
        }
    } else if (type->result_count == 1) {
        emit_push(e, call);
    } else {
        for (uint32_t i = 0; i < type->result_count; i++) {
            emit_push(e, LLVMBuildExtractValue(e->builder, call, i, ""));
        }
    }
}

static void finish_tail_call(Emit *e, LLVMValueRef call, LLVMTypeRef type)
{
    const bool is_same_type = type == LLVMGlobalGetValueType(e->function);
    if (e->jump_depth != NULL) { /* the records must go after the callee: an ordinary call */
        emit_store_instance(e, e->jump_depth, emit_field(e, offsetof(RtInstance, jump_depth)));
    } else {
        LLVMSetTailCallKind(call, is_same_type ? LLVMTailCallKindMustTail : LLVMTailCallKindTail);
    }
    if (LLVMGetReturnType(type) == e->unit->void_type) {
        LLVMBuildRetVoid(e->builder);
    } else {
        LLVMBuildRet(e->builder, call);
    }
    e->is_reachable = false;
}

static void finish_call(Emit *e, const WasmFuncType *type, LLVMTypeRef llvm_type, LLVMValueRef callee, bool is_tail, bool may_throw)
{
    LLVMValueRef args[LIMIT_PARAMS + 2];
    LLVMValueRef area = NULL;
    if (unit_has_result_area(type)) {
        area = is_tail ? LLVMGetParam(e->function, 1) : new_result_area(e, type->result_count);
    }
    const unsigned count = pop_args(e, type, area, args);
    LLVMBasicBlockRef pad = may_throw && (!is_tail || e->jump_depth != NULL) ? emit_landing_pad(e) : NULL;
    LLVMValueRef call;
    if (pad != NULL) {
        LLVMBasicBlockRef next = emit_new_block(e);
        call = LLVMBuildInvoke2(e->builder, llvm_type, callee, args, count, next, pad, "");
        emit_at(e, next);
    } else {
        call = LLVMBuildCall2(e->builder, llvm_type, callee, args, count, "");
        LLVMSetTailCallKind(call, LLVMTailCallKindNoTail);
    }
    if (!may_throw) {
        unit_set_call_attribute(e->unit, call, "nounwind");
    }
    if (is_tail) {
        finish_tail_call(e, call, llvm_type);
        return;
    }
    push_results(e, type, call, area);
}

/* --- tail calls with arguments in memory --- */

static LLVMValueRef tail_arguments(Emit *e)
{
    return emit_load_instance(e, e->unit->ptr, emit_field(e, offsetof(RtInstance, tail_arguments)), true);
}

LLVMValueRef emit_tail_argument(Emit *e, uint32_t index) { return emit_value_load(e, e->type->types[index], tail_arguments(e), index); }

static void jump_to_body(Emit *e, uint32_t type_index, LLVMValueRef body)
{
    LLVMTypeRef type = unit_tail_type(e->unit, type_index);
    LLVMValueRef args[] = {e->instance, LLVMCountParams(e->function) > 1 ? LLVMGetParam(e->function, 1) : NULL};
    LLVMValueRef call = LLVMBuildCall2(e->builder, type, body, args, LLVMCountParamTypes(type), "");
    finish_tail_call(e, call, type);
}

static void emit_body_call(Emit *e, uint32_t type_index, LLVMValueRef body)
{
    const WasmFuncType *type = &e->unit->plan->module->types[type_index];
    LLVMValueRef arguments = tail_arguments(e);
    e->stack_count -= type->param_count;
    for (uint32_t i = 0; i < type->param_count; i++) {
        emit_value_store(e, e->stack[e->stack_count + i], arguments, i);
    }
    jump_to_body(e, type_index, body);
}

/* The function of the C convention: its arguments go to memory, then its body. */
void emit_tail_entry(Unit *unit, uint32_t func_index)
{
    const uint32_t type_index = unit->plan->module->funcs[func_index].type_index;
    const WasmFuncType *type = &unit->plan->module->types[type_index];
    LLVMValueRef function = unit_func(unit, func_index);
    Emit e = {.unit = unit, .builder = unit->builder, .function = function, .instance = LLVMGetParam(function, 0)};
    unit_set_func_attributes(unit, function, true);
    LLVMSetCurrentDebugLocation2(unit->builder, NULL);
    unit_set_attribute(unit, function, "noinline"); /* no line of its own to inline */
    emit_at(&e, emit_new_block(&e));
    const unsigned first = unit_has_result_area(type) ? 2 : 1;
    LLVMValueRef arguments = tail_arguments(&e);
    for (uint32_t i = 0; i < type->param_count; i++) {
        emit_value_store(&e, LLVMGetParam(function, first + i), arguments, i);
    }
    jump_to_body(&e, type_index, unit_tail_func(unit, func_index));
}

/* --- any callee --- */

void emit_call_code(Emit *e, uint32_t type_index, LLVMValueRef code, LLVMValueRef func_index, bool is_tail)
{
    Unit *unit = e->unit;
    const WasmFuncType *type = &unit->plan->module->types[type_index];
    if (is_tail && func_index != NULL && unit->plan->is_tail_type[type_index] && e->jump_depth == NULL) {
        LLVMBasicBlockRef own = emit_new_block(e), jump = emit_new_block(e), other = emit_new_block(e);
        LLVMValueRef is_own = LLVMBuildICmp(e->builder, LLVMIntULT, func_index, emit_i32(e, unit->plan->module->func_count), "");
        LLVMBuildCondBr(e->builder, is_own, own, other);
        emit_at(e, own);
        LLVMValueRef number = LLVMBuildZExt(e->builder, func_index, unit->i64, "");
        LLVMValueRef slot = LLVMBuildInBoundsGEP2(e->builder, unit->ptr, unit_tail_bodies(unit), &number, 1, "");
        LLVMValueRef body = emit_load_instance(e, unit->ptr, slot, true);
        LLVMValueRef has_body = LLVMBuildICmp(e->builder, LLVMIntNE, body, LLVMConstNull(unit->ptr), "");
        LLVMBuildCondBr(e->builder, has_body, jump, other);
        emit_at(e, jump);
        const uint32_t stack_count = e->stack_count;
        emit_body_call(e, type_index, body);
        e->stack_count = stack_count;
        emit_at(e, other);
    }
    finish_call(e, type, unit_func_type(unit, type_index), code, is_tail, unit->plan->has_exceptions);
}

/*
 * setjmp returns twice: the guest's own stack pointer, which lives in a global, is set again after it, because after a
 * longjmp it still has the value of the frame that jumped.
 */
static void emit_setjmp(Emit *e, JumpKind kind)
{
    const uint32_t global = e->unit->plan->stack_pointer_global;
    LLVMValueRef save_mask = kind == JUMP_SIGSETJMP ? emit_pop(e) : NULL;
    LLVMValueRef buffer = emit_pop(e);
    LLVMValueRef mask_kind = emit_i32(e, 0);
    if (save_mask != NULL) {
        LLVMValueRef is_saved = LLVMBuildICmp(e->builder, LLVMIntNE, save_mask, emit_i32(e, 0), "");
        mask_kind = LLVMBuildSelect(e->builder, is_saved, emit_i32(e, 0x101), emit_i32(e, 1), "");
    }
    LLVMValueRef stack_pointer = global != UINT32_MAX ? emit_global_get(e, global) : NULL;
    LLVMValueRef args[] = {buffer, mask_kind};
    LLVMValueRef call = emit_runtime_call(e, offsetof(RtRuntime, setjmp), e->unit->i32, args, 2);
    unit_set_call_attribute(e->unit, call, "returns_twice");
    if (stack_pointer != NULL) {
        emit_global_set(e, global, stack_pointer);
    }
    emit_push(e, call);
}

static void emit_longjmp(Emit *e)
{
    LLVMValueRef value = emit_pop(e);
    LLVMValueRef buffer = emit_pop(e);
    LLVMValueRef args[] = {buffer, value};
    LLVMValueRef call = emit_runtime_call(e, offsetof(RtRuntime, longjmp), e->unit->void_type, args, 2);
    unit_set_call_attribute(e->unit, call, "noreturn");
    unit_set_call_attribute(e->unit, call, "nomerge");
    LLVMBuildUnreachable(e->builder);
    e->is_reachable = false;
}

void emit_call(Emit *e, uint32_t func_index, bool is_tail)
{
    const Plan *plan = e->unit->plan;
    const WasmModule *module = plan->module;
    const WasmFuncType *type = wasm_func_type(module, func_index);
    LLVMTypeRef llvm_type = unit_func_type(e->unit, module->funcs[func_index].type_index);
    const bool may_throw = plan->may_throw[func_index] != 0;
    const bool is_imported = func_index < module->imported_func_count;
    if (!is_imported && is_tail && plan->is_tail_type[module->funcs[func_index].type_index] && e->jump_depth == NULL) {
        emit_body_call(e, module->funcs[func_index].type_index, unit_tail_func(e->unit, func_index));
        return;
    }
    const JumpKind kind = is_imported ? (JumpKind)plan->jump_kinds[func_index] : JUMP_NONE;
    if (kind == JUMP_LONGJMP) {
        emit_longjmp(e);
    } else if (kind != JUMP_NONE && !is_tail) {
        emit_setjmp(e, kind);
    } else if (kind != JUMP_NONE) { /* the frame of such a setjmp would be dead at once */
        emit_trap(e, emit_i32(e, RT_TRAP_UNSUPPORTED));
        e->is_reachable = false;
    } else { /* an import: its thunk, which jumps to what is in the slot, so that slots are not known here (meta.c) */
        const bool is_self = !is_imported && &module->funcs[func_index] == e->func;
        finish_call(e, type, llvm_type, is_self ? e->self : unit_func(e->unit, func_index), is_tail, may_throw);
    }
}

/* void rc_indirect_trap(instance, table, index, signature): says which of the three checks of call_indirect failed. */
static LLVMValueRef indirect_trap(Unit *unit)
{
    if (unit->indirect_trap != NULL) {
        return unit->indirect_trap;
    }
    LLVMTypeRef types[] = {unit->ptr, unit->ptr, unit->i32};
    LLVMValueRef function = LLVMAddFunction(unit->module, "rc_indirect_trap", LLVMFunctionType(unit->void_type, types, 3, 0));
    LLVMSetLinkage(function, LLVMInternalLinkage);
    unit_set_func_attributes(unit, function, true);
    unit_set_attribute(unit, function, "noinline");
    unit_set_attribute(unit, function, "cold");
    LLVMBuilderRef builder = LLVMCreateBuilderInContext(unit->context);
    Emit e = {.unit = unit, .builder = builder, .function = function, .instance = LLVMGetParam(function, 0)};
    LLVMValueRef table = LLVMGetParam(function, 1);
    LLVMValueRef index = LLVMGetParam(function, 2);
    emit_at(&e, emit_new_block(&e));
    LLVMValueRef size_offset = emit_i64(&e, offsetof(RtTable, size));
    LLVMValueRef size = emit_load_instance(&e, unit->i32, LLVMBuildInBoundsGEP2(builder, unit->i8, table, &size_offset, 1, ""), false);
    LLVMBasicBlockRef inside = emit_new_block(&e);
    LLVMBasicBlockRef outside = emit_new_block(&e);
    LLVMBasicBlockRef last = emit_new_block(&e);
    LLVMBuildCondBr(builder, LLVMBuildICmp(builder, LLVMIntULT, index, size, ""), inside, outside);
    emit_at(&e, outside);
    LLVMBuildBr(builder, last);
    emit_at(&e, inside);
    LLVMValueRef offset = LLVMBuildShl(builder, LLVMBuildZExt(builder, index, unit->i64, ""), emit_i64(&e, 4), "");
    offset = LLVMBuildAdd(builder, offset, emit_i64(&e, offsetof(RtTableElem, signature)), "");
    LLVMValueRef elems = emit_load_instance(&e, unit->ptr, table, false);
    LLVMValueRef signature = emit_load_instance(&e, unit->i32, LLVMBuildGEP2(builder, unit->i8, elems, &offset, 1, ""), false);
    LLVMValueRef is_null = LLVMBuildICmp(builder, LLVMIntEQ, signature, emit_i32(&e, 0), "");
    LLVMValueRef kind = LLVMBuildSelect(builder, is_null, emit_i32(&e, RT_TRAP_UNINITIALIZED_ELEMENT), emit_i32(&e, RT_TRAP_INDIRECT_CALL_MISMATCH), "");
    LLVMBuildBr(builder, last);
    emit_at(&e, last);
    LLVMValueRef phi = LLVMBuildPhi(builder, unit->i32, "");
    LLVMValueRef values[] = {emit_i32(&e, RT_TRAP_UNDEFINED_ELEMENT), kind};
    LLVMBasicBlockRef blocks[] = {outside, inside};
    LLVMAddIncoming(phi, values, blocks, 2);
    /* A jump, not a call: the runtime sees the return address of the call_indirect. */
    LLVMValueRef call = emit_runtime_call(&e, offsetof(RtRuntime, trap), unit->void_type, &phi, 1);
    LLVMSetTailCallKind(call, LLVMTailCallKindTail);
    LLVMBuildRetVoid(builder);
    LLVMDisposeBuilder(builder);
    unit->indirect_trap = function;
    return function;
}

/* The code pointer of table[index] when it has that signature; else a trap. *ret_func_index: the slot's, when wanted. */
static LLVMValueRef emit_table_callee(Emit *e, uint32_t table_index, LLVMValueRef index, uint32_t signature_id, LLVMValueRef *ret_func_index)
{
    Unit *unit = e->unit;
    const bool is_constant = unit->plan->is_table_constant && table_index == 0;
    LLVMValueRef table = emit_table_address(e, table_index);
    LLVMValueRef size_offset = emit_i64(e, offsetof(RtTable, size));
    LLVMValueRef size = emit_load_instance(e, unit->i32, LLVMBuildInBoundsGEP2(e->builder, unit->i8, table, &size_offset, 1, ""), is_constant);
    LLVMBasicBlockRef inside = emit_new_block(e);
    LLVMBasicBlockRef failed = emit_new_block(e);
    LLVMBasicBlockRef good = emit_new_block(e);
    LLVMValueRef is_outside = LLVMBuildICmp(e->builder, LLVMIntUGE, index, size, "");
    LLVMSetMetadata(LLVMBuildCondBr(e->builder, is_outside, failed, inside), unit->kind_prof, unit->unlikely);
    emit_at(e, inside);
    LLVMValueRef elems = emit_load_instance(e, unit->ptr, table, is_constant);
    LLVMValueRef offset = LLVMBuildShl(e->builder, LLVMBuildZExt(e->builder, index, unit->i64, ""), emit_i64(e, 4), "");
    LLVMValueRef elem = LLVMBuildGEP2(e->builder, unit->i8, elems, &offset, 1, "");
    LLVMValueRef signature_offset = emit_i64(e, offsetof(RtTableElem, signature));
    LLVMValueRef signature = emit_load_instance(e, unit->i32, LLVMBuildGEP2(e->builder, unit->i8, elem, &signature_offset, 1, ""), is_constant);
    LLVMValueRef is_other = LLVMBuildICmp(e->builder, LLVMIntNE, signature, emit_i32(e, signature_id), "");
    LLVMSetMetadata(LLVMBuildCondBr(e->builder, is_other, failed, good), unit->kind_prof, unit->unlikely);
    emit_at(e, failed);
    LLVMValueRef args[] = {e->instance, table, index};
    LLVMValueRef trap = indirect_trap(unit);
    LLVMValueRef call = LLVMBuildCall2(e->builder, LLVMGlobalGetValueType(trap), trap, args, 3, "");
    unit_set_call_attribute(unit, call, "noreturn");
    unit_set_call_attribute(unit, call, "nomerge");
    unit_set_call_attribute(unit, call, "cold");
    LLVMBuildUnreachable(e->builder);
    emit_at(e, good);
    if (ret_func_index != NULL) {
        LLVMValueRef at = emit_i64(e, offsetof(RtTableElem, func_index));
        *ret_func_index = emit_load_instance(e, unit->i32, LLVMBuildGEP2(e->builder, unit->i8, elem, &at, 1, ""), is_constant);
    }
    return emit_load_instance(e, unit->ptr, elem, is_constant);
}

void emit_call_indirect(Emit *e, uint32_t type_index, uint32_t table_index, bool is_tail)
{
    const Plan *plan = e->unit->plan;
    LLVMValueRef index = emit_table_index(e, emit_pop(e));
    LLVMValueRef func_index = NULL;
    const bool wants_body = is_tail && plan->is_tail_type[type_index];
    LLVMValueRef code = emit_table_callee(e, table_index, index, plan->signature_ids[type_index], wants_body ? &func_index : NULL);
    if (is_tail) {
        emit_call_code(e, type_index, code, func_index, true);
    } else {
        emit_guessed_call(e, type_index, code);
    }
}
