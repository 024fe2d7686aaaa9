/* SPDX-License-Identifier: Apache-2.0 */
/*
 * meta-record.c - an object that records first calls: what every call and every function reference goes to before the function itself.
 *
 *     f.record(instance, ...):  if (instance->recording[1 + index] == 0) { instance->recording[1 + index] = ++instance->recording[0]; }
 *                               jump f(instance, ...)
 *
 * All processes and threads of a container share the words (rt_set_recording), so the numbers are the order of first calls among all of
 * them. Two that call a function for the first time at once both take a number; either may stay.
 */
#include "aot/throw-int.h"

#define RECORDING_ALIGNMENT 4u

static LLVMValueRef word_at(Emit *e, LLVMValueRef words, uint64_t index)
{
    LLVMValueRef offset = emit_i64(e, index * sizeof(uint32_t));
    return LLVMBuildInBoundsGEP2(e->builder, e->unit->i8, words, &offset, 1, "");
}

static void note_call(Emit *e, uint32_t func_index)
{
    LLVMBuilderRef builder = e->builder;
    LLVMBasicBlockRef first = emit_new_block(e), call = emit_new_block(e);
    LLVMValueRef words = emit_load_instance(e, e->unit->ptr, emit_field(e, offsetof(RtInstance, recording)), true);
    LLVMValueRef slot = word_at(e, words, 1ull + func_index);
    LLVMValueRef when = LLVMBuildLoad2(builder, e->unit->i32, slot, "");
    LLVMSetOrdering(when, LLVMAtomicOrderingMonotonic);
    LLVMSetAlignment(when, RECORDING_ALIGNMENT);
    LLVMValueRef is_first = LLVMBuildICmp(builder, LLVMIntEQ, when, emit_i32(e, 0), "");
    LLVMSetMetadata(LLVMBuildCondBr(builder, is_first, first, call), e->unit->kind_prof, e->unit->unlikely);
    emit_at(e, first);
    LLVMValueRef before = LLVMBuildAtomicRMW(builder, LLVMAtomicRMWBinOpAdd, words, emit_i32(e, 1), LLVMAtomicOrderingMonotonic, 0);
    LLVMValueRef store = LLVMBuildStore(builder, LLVMBuildAdd(builder, before, emit_i32(e, 1), ""), slot);
    LLVMSetOrdering(store, LLVMAtomicOrderingMonotonic);
    LLVMSetAlignment(store, RECORDING_ALIGNMENT);
    LLVMBuildBr(builder, call);
    emit_at(e, call);
}

static void record_call(Unit *unit, uint32_t func_index, LLVMValueRef function, LLVMTypeRef type, ExternalKind kind)
{
    char name[512];
    LLVMValueRef args[LIMIT_PARAMS + 2];
    Emit e = {.unit = unit, .builder = unit->builder, .function = function, .instance = LLVMGetParam(function, 0)};
    unit_final_name(unit->plan, &(External){.func_index = func_index, .kind = kind}, name, sizeof(name));
    unit_set_func_attributes(unit, function, true);
    LLVMSetCurrentDebugLocation2(unit->builder, NULL);
    emit_at(&e, emit_new_block(&e));
    note_call(&e, func_index);
    LLVMGetParams(function, args);
    LLVMValueRef call = LLVMBuildCall2(unit->builder, type, unit_add_func(unit, name, type), args, LLVMCountParams(function), "");
    LLVMSetTailCallKind(call, LLVMTailCallKindMustTail);
    if (LLVMGetReturnType(type) == unit->void_type) {
        LLVMBuildRetVoid(unit->builder);
    } else {
        LLVMBuildRet(unit->builder, call);
    }
}

void meta_record(Unit *unit)
{
    const WasmModule *module = unit->plan->module;
    for (uint32_t i = module->imported_func_count; i < module->func_count; i++) {
        const uint32_t type_index = module->funcs[i].type_index;
        record_call(unit, i, unit_func(unit, i), unit_func_type(unit, type_index), EXTERNAL_FUNC);
        if (unit->plan->is_tail_type[type_index]) {
            record_call(unit, i, unit_tail_func(unit, i), unit_tail_type(unit, type_index), EXTERNAL_BODY);
        }
    }
}
