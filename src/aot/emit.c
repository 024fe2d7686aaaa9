/* SPDX-License-Identifier: Apache-2.0 */
/*
 * emit.c - what every family of instructions uses: operand stack, instance fields, runtime calls, traps.
 *
 * A trap is a call of runtime->trap in a block of its own. The call is `nomerge`, so each keeps its line (the wasm
 * offset) and the return address tells where the guest trapped.
 */
#include <stdlib.h>
#include <string.h>

#include "aot/throw-int.h"

void emit_push(Emit *e, LLVMValueRef value)
{
    if (e->stack_count == e->stack_capacity) {
        e->stack_capacity = e->stack_capacity == 0 ? 256 : e->stack_capacity * 2;
        e->stack = realloc(e->stack, e->stack_capacity * sizeof(*e->stack));
        must(e->stack != NULL);
    }
    e->stack[e->stack_count++] = value;
}

LLVMValueRef emit_pop(Emit *e)
{
    must(e->stack_count > 0); /* the module is validated */
    return e->stack[--e->stack_count];
}

LLVMValueRef emit_i32(Emit *e, uint32_t value)
{
    return LLVMConstInt(e->unit->i32, value, 0);
}

LLVMValueRef emit_i64(Emit *e, uint64_t value)
{
    return LLVMConstInt(e->unit->i64, value, 0);
}

LLVMValueRef emit_intrinsic(Emit *e, const char *name, LLVMTypeRef type, LLVMValueRef *args, unsigned arg_count)
{
    LLVMTypeRef func_type;
    LLVMValueRef function = unit_intrinsic(e->unit, name, &type, type == NULL ? 0 : 1, &func_type);
    return LLVMBuildCall2(e->builder, func_type, function, args, arg_count, "");
}

LLVMValueRef emit_field(Emit *e, uint32_t offset)
{
    LLVMValueRef index = emit_i64(e, offset);
    return LLVMBuildInBoundsGEP2(e->builder, e->unit->i8, e->instance, &index, 1, "");
}

static LLVMValueRef value_slot(Emit *e, LLVMValueRef values, uint32_t index)
{
    LLVMValueRef offset = emit_i64(e, (uint64_t)index * sizeof(RtValue));
    return LLVMBuildInBoundsGEP2(e->builder, e->unit->i8, values, &offset, 1, "");
}

LLVMValueRef emit_value_load(Emit *e, WasmValType type, LLVMValueRef values, uint32_t index)
{
    LLVMValueRef load = LLVMBuildLoad2(e->builder, unit_value_type(e->unit, type), value_slot(e, values, index), "");
    LLVMSetAlignment(load, _Alignof(RtValue));
    return load;
}

void emit_value_store(Emit *e, LLVMValueRef value, LLVMValueRef values, uint32_t index)
{
    LLVMSetAlignment(LLVMBuildStore(e->builder, value, value_slot(e, values, index)), _Alignof(RtValue));
}

LLVMValueRef emit_load_instance(Emit *e, LLVMTypeRef type, LLVMValueRef pointer, bool is_invariant)
{
    LLVMValueRef load = LLVMBuildLoad2(e->builder, type, pointer, "");
    LLVMSetMetadata(load, e->unit->kind_tbaa, e->unit->tbaa_instance);
    if (type == e->unit->i64x2) {
        LLVMSetAlignment(load, 8); /* RtGlobal's */
    }
    if (is_invariant) {
        LLVMSetMetadata(load, e->unit->kind_invariant, e->unit->empty_node);
    }
    return load;
}

LLVMValueRef emit_store_instance(Emit *e, LLVMValueRef value, LLVMValueRef pointer)
{
    LLVMValueRef store = LLVMBuildStore(e->builder, value, pointer);
    LLVMSetMetadata(store, e->unit->kind_tbaa, e->unit->tbaa_instance);
    if (LLVMTypeOf(value) == e->unit->i64x2) {
        LLVMSetAlignment(store, 8);
    }
    return store;
}

/* The runtime's functions never change while guest code runs: both loads are invariant. */
LLVMValueRef emit_runtime_call_throwing(Emit *e, size_t offset, LLVMTypeRef result, LLVMValueRef *args, unsigned arg_count)
{
    LLVMValueRef all[8];
    LLVMTypeRef types[8];
    must(arg_count < 8 && offset < sizeof(RtRuntime));
    all[0] = e->instance;
    types[0] = e->unit->ptr;
    for (unsigned i = 0; i < arg_count; i++) {
        all[i + 1] = args[i];
        types[i + 1] = LLVMTypeOf(args[i]);
    }
    LLVMValueRef runtime = emit_load_instance(e, e->unit->ptr, emit_field(e, offsetof(RtInstance, runtime)), true);
    LLVMValueRef index = emit_i64(e, offset);
    LLVMValueRef slot = LLVMBuildInBoundsGEP2(e->builder, e->unit->i8, runtime, &index, 1, "");
    LLVMValueRef code = emit_load_instance(e, e->unit->ptr, slot, true);
    LLVMTypeRef type = LLVMFunctionType(result, types, arg_count + 1, 0);
    LLVMValueRef call = LLVMBuildCall2(e->builder, type, code, all, arg_count + 1, "");
    LLVMSetTailCallKind(call, LLVMTailCallKindNoTail);
    return call;
}

LLVMValueRef emit_runtime_call(Emit *e, size_t offset, LLVMTypeRef result, LLVMValueRef *args, unsigned arg_count)
{
    LLVMValueRef call = emit_runtime_call_throwing(e, offset, result, args, arg_count);
    unit_set_call_attribute(e->unit, call, "nounwind");
    return call;
}

LLVMBasicBlockRef emit_new_block(Emit *e)
{
    return LLVMAppendBasicBlockInContext(e->unit->context, e->function, "");
}

void emit_at(Emit *e, LLVMBasicBlockRef block)
{
    LLVMPositionBuilderAtEnd(e->builder, block);
}

void emit_trap(Emit *e, LLVMValueRef trap)
{
    LLVMValueRef call = emit_runtime_call(e, offsetof(RtRuntime, trap), e->unit->void_type, &trap, 1);
    unit_set_call_attribute(e->unit, call, "noreturn");
    unit_set_call_attribute(e->unit, call, "nomerge");
    unit_set_call_attribute(e->unit, call, "cold");
    LLVMBuildUnreachable(e->builder);
}

/* A body is walked once from start to end, and hints are in that order. */
void emit_hint(Emit *e, LLVMValueRef branch, size_t start)
{
    while (e->hint < e->hints_end && e->hint->offset < start) {
        e->hint++;
    }
    if (e->hint < e->hints_end && e->hint->offset == start) {
        LLVMSetMetadata(branch, e->unit->kind_prof, e->unit->hints[e->hint->is_likely]);
    }
}

void emit_trap_if(Emit *e, LLVMValueRef condition, RtTrap trap)
{
    if (LLVMIsAConstantInt(condition) != NULL && LLVMConstIntGetZExtValue(condition) == 0) {
        return;
    }
    LLVMBasicBlockRef trap_block = emit_new_block(e);
    LLVMBasicBlockRef next = emit_new_block(e);
    LLVMValueRef branch = LLVMBuildCondBr(e->builder, condition, trap_block, next);
    LLVMSetMetadata(branch, e->unit->kind_prof, e->unit->unlikely);
    emit_at(e, trap_block);
    emit_trap(e, emit_i32(e, trap));
    emit_at(e, next);
}

LLVMValueRef emit_global_address(Emit *e, uint32_t global_index)
{
    const Plan *plan = e->unit->plan;
    LLVMValueRef slot = emit_field(e, plan->globals_offset + global_index * (uint32_t)sizeof(RtGlobal));
    return plan->module->globals[global_index].is_imported ? emit_load_instance(e, e->unit->ptr, slot, true) : slot;
}

LLVMValueRef emit_global_get(Emit *e, uint32_t global_index)
{
    const WasmGlobal *global = &e->unit->plan->module->globals[global_index];
    return emit_load_instance(e, unit_value_type(e->unit, global->type), emit_global_address(e, global_index), false);
}

/*
 * LLVM may keep a global in a register over accesses that trap and write it later. In a guest's process nobody can tell,
 * because the process ends; an embedder may look at the instance afterwards, so with thunks the order is kept.
 */
void emit_global_set(Emit *e, uint32_t global_index, LLVMValueRef value)
{
    LLVMValueRef store = emit_store_instance(e, value, emit_global_address(e, global_index));
    LLVMSetVolatile(store, e->unit->plan->options->has_thunks);
}

LLVMValueRef emit_table_address(Emit *e, uint32_t table_index)
{
    const Plan *plan = e->unit->plan;
    LLVMValueRef slot = emit_field(e, plan->tables_offset + table_index * (uint32_t)sizeof(RtTable));
    return plan->module->tables[table_index].is_imported ? emit_load_instance(e, e->unit->ptr, slot, true) : slot;
}

LLVMValueRef emit_func_ref(Emit *e, uint32_t func_index)
{
    return unit_func_ref(e->unit, func_index);
}

bool emit_variable(Emit *e, const WasmInstr *instr)
{
    const WasmValType *types = e->local_types;
    switch (instr->opcode) {
    case WASM_OP_LOCAL_GET:
        emit_push(e, LLVMBuildLoad2(e->builder, unit_value_type(e->unit, types[instr->index]), e->locals[instr->index], ""));
        return true;
    case WASM_OP_LOCAL_SET:
        LLVMBuildStore(e->builder, emit_pop(e), e->locals[instr->index]);
        return true;
    case WASM_OP_LOCAL_TEE:
        LLVMBuildStore(e->builder, e->stack[e->stack_count - 1], e->locals[instr->index]);
        return true;
    case WASM_OP_GLOBAL_GET:
        emit_push(e, emit_global_get(e, instr->index));
        return true;
    case WASM_OP_GLOBAL_SET:
        emit_global_set(e, instr->index, emit_pop(e));
        return true;
    default:
        return false;
    }
}
