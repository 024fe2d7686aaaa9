/* SPDX-License-Identifier: Apache-2.0 */
/*
 * emit-reference.c - typed function references (wasm core 4.6.7, 4.6.9): null checks and calls through a reference.
 *
 * A reference to a function points to its RtFuncRef, whose code can be called as it is: validation knows the type, so there is no
 * signature to compare, and what is left of a call_indirect is the null check. A program is one object, whose functions all
 * take the one instance. An embedder may link instances (objects compiled with thunks): a reference to a function of another object
 * is told by its address and goes through the runtime, which knows code that puts that function's own instance first.
 */
#include "aot/throw-int.h"

static LLVMValueRef pop_non_null(Emit *e)
{
    LLVMValueRef ref = emit_pop(e);
    emit_trap_if(e, LLVMBuildIsNull(e->builder, ref, ""), RT_TRAP_NULL_REFERENCE);
    return ref;
}

static LLVMValueRef ref_field(Emit *e, LLVMValueRef ref, LLVMTypeRef type, uint64_t offset)
{
    LLVMValueRef index = emit_i64(e, offset);
    return emit_load_instance(e, type, LLVMBuildInBoundsGEP2(e->builder, e->unit->i8, ref, &index, 1, ""), true);
}

/* What to call, and the callee's number in this object, or UINT32_MAX. */
static LLVMValueRef ref_code(Emit *e, LLVMValueRef ref, LLVMValueRef *ret_func_index)
{
    Unit *unit = e->unit;
    if (!unit->plan->options->has_thunks) {
        *ret_func_index = ref_field(e, ref, unit->i32, offsetof(RtFuncRef, func_index));
        return ref_field(e, ref, unit->ptr, offsetof(RtFuncRef, code));
    }
    LLVMBasicBlockRef own = emit_new_block(e), foreign = emit_new_block(e), last = emit_new_block(e);
    LLVMValueRef offset = LLVMBuildSub(e->builder, LLVMBuildPtrToInt(e->builder, ref, unit->i64, ""),
                                       LLVMBuildPtrToInt(e->builder, emit_func_ref(e, 0), unit->i64, ""), "");
    LLVMValueRef size = emit_i64(e, (uint64_t)unit->plan->module->func_count * sizeof(RtFuncRef));
    LLVMBuildCondBr(e->builder, LLVMBuildICmp(e->builder, LLVMIntULT, offset, size, ""), own, foreign);
    emit_at(e, own);
    LLVMValueRef own_code = ref_field(e, ref, unit->ptr, offsetof(RtFuncRef, code));
    LLVMValueRef own_index = ref_field(e, ref, unit->i32, offsetof(RtFuncRef, func_index));
    LLVMBuildBr(e->builder, last);
    emit_at(e, foreign);
    LLVMValueRef foreign_code = emit_runtime_call(e, offsetof(RtRuntime, ref_code), unit->ptr, &ref, 1);
    LLVMBuildBr(e->builder, last);
    emit_at(e, last);
    LLVMValueRef code = LLVMBuildPhi(e->builder, unit->ptr, ""), index = LLVMBuildPhi(e->builder, unit->i32, "");
    LLVMValueRef codes[] = {own_code, foreign_code}, indices[] = {own_index, emit_i32(e, UINT32_MAX)};
    LLVMBasicBlockRef blocks[] = {own, foreign};
    LLVMAddIncoming(code, codes, blocks, 2);
    LLVMAddIncoming(index, indices, blocks, 2);
    *ret_func_index = index;
    return code;
}

static void emit_call_ref(Emit *e, uint32_t type_index, bool is_tail)
{
    LLVMValueRef func_index;
    LLVMValueRef code = ref_code(e, pop_non_null(e), &func_index);
    emit_call_code(e, type_index, code, func_index, is_tail);
}

/* The label's values lie below the reference; where it does not branch the reference is on the stack again. */
static void emit_br_on_null(Emit *e, uint32_t label)
{
    LLVMValueRef ref = emit_pop(e);
    (void)emit_br_when(e, LLVMBuildIsNull(e->builder, ref, ""), label);
    emit_push(e, ref);
}

/* The reference is the last of the label's values. */
static void emit_br_on_non_null(Emit *e, uint32_t label)
{
    LLVMValueRef ref = e->stack[e->stack_count - 1];
    (void)emit_br_when(e, LLVMBuildIsNotNull(e->builder, ref, ""), label);
    (void)emit_pop(e);
}

bool emit_reference(Emit *e, const WasmInstr *instr)
{
    switch (instr->opcode) {
    case WASM_OP_REF_AS_NON_NULL: emit_push(e, pop_non_null(e)); return true;
    case WASM_OP_BR_ON_NULL: emit_br_on_null(e, instr->index); return true;
    case WASM_OP_BR_ON_NON_NULL: emit_br_on_non_null(e, instr->index); return true;
    case WASM_OP_CALL_REF: emit_call_ref(e, instr->index, false); return true;
    case WASM_OP_RETURN_CALL_REF: emit_call_ref(e, instr->index, true); return true;
    default: return false;
    }
}
