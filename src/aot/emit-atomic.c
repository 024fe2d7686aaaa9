/* SPDX-License-Identifier: Apache-2.0 */
/*
 * emit-atomic.c - the threads proposal: sequentially consistent accesses that trap when not naturally aligned.
 */
#include "aot/aot-int.h"

/* The opcodes of one operation come in this order: i32, i64, i32 8-bit, i32 16-bit, i64 8-bit, i64 16-bit, i64 32-bit. */
static LLVMTypeRef atomic_type(const Emit *e, unsigned which)
{
    const Unit *u = e->unit;
    const LLVMTypeRef types[] = {u->i32, u->i64, u->i8, u->i16, u->i8, u->i16, u->i32};
    must(which < sizeof(types) / sizeof(types[0]));
    return types[which];
}

static LLVMTypeRef result_type(const Emit *e, unsigned which)
{
    return which == 1 || which >= 4 ? e->unit->i64 : e->unit->i32;
}

static LLVMValueRef aligned_pointer(Emit *e, const WasmInstr *instr, LLVMTypeRef type)
{
    const unsigned size = LLVMGetIntTypeWidth(type) / 8;
    LLVMValueRef address = emit_address(e, &instr->memarg, type);
    if (size > 1) {
        LLVMValueRef low = LLVMBuildAnd(e->builder, address, emit_i64(e, size - 1), "");
        emit_trap_if(e, LLVMBuildICmp(e->builder, LLVMIntNE, low, emit_i64(e, 0), ""), RT_TRAP_UNALIGNED_ATOMIC);
    }
    return emit_pointer(e, instr->memarg.memory_index, address);
}

static LLVMValueRef narrow(Emit *e, LLVMValueRef value, LLVMTypeRef type)
{
    return LLVMTypeOf(value) == type ? value : LLVMBuildTrunc(e->builder, value, type, "");
}

static void push_widened(Emit *e, LLVMValueRef value, LLVMTypeRef type)
{
    emit_push(e, LLVMTypeOf(value) == type ? value : LLVMBuildZExt(e->builder, value, type, ""));
}

static void mark_atomic(Emit *e, LLVMValueRef access, LLVMTypeRef type)
{
    LLVMSetAlignment(access, LLVMGetIntTypeWidth(type) / 8);
    LLVMSetMetadata(access, e->unit->kind_tbaa, e->unit->tbaa_memory);
    LLVMSetVolatile(access, 1);
}

static void emit_atomic_load(Emit *e, const WasmInstr *instr, unsigned which)
{
    LLVMTypeRef type = atomic_type(e, which);
    LLVMValueRef load = LLVMBuildLoad2(e->builder, type, aligned_pointer(e, instr, type), "");
    LLVMSetOrdering(load, LLVMAtomicOrderingSequentiallyConsistent);
    mark_atomic(e, load, type);
    push_widened(e, load, result_type(e, which));
}

static void emit_atomic_store(Emit *e, const WasmInstr *instr, unsigned which)
{
    LLVMTypeRef type = atomic_type(e, which);
    LLVMValueRef value = narrow(e, emit_pop(e), type);
    LLVMValueRef store = LLVMBuildStore(e->builder, value, aligned_pointer(e, instr, type));
    LLVMSetOrdering(store, LLVMAtomicOrderingSequentiallyConsistent);
    mark_atomic(e, store, type);
}

static void emit_atomic_rmw(Emit *e, const WasmInstr *instr, LLVMAtomicRMWBinOp operation, unsigned which)
{
    LLVMTypeRef type = atomic_type(e, which);
    LLVMValueRef value = narrow(e, emit_pop(e), type);
    LLVMValueRef pointer = aligned_pointer(e, instr, type);
    LLVMValueRef old = LLVMBuildAtomicRMW(e->builder, operation, pointer, value, LLVMAtomicOrderingSequentiallyConsistent, 0);
    mark_atomic(e, old, type);
    push_widened(e, old, result_type(e, which));
}

static void emit_atomic_cmpxchg(Emit *e, const WasmInstr *instr, unsigned which)
{
    LLVMTypeRef type = atomic_type(e, which);
    LLVMTypeRef wide = result_type(e, which);
    LLVMValueRef replacement = narrow(e, emit_pop(e), type);
    LLVMValueRef expected = emit_pop(e);
    LLVMValueRef pointer = aligned_pointer(e, instr, type);
    /* Both are wrapped to the width of the access (threads proposal, compare exchange), also an expected value that does not fit. */
    LLVMValueRef pair = LLVMBuildAtomicCmpXchg(e->builder, pointer, narrow(e, expected, type), replacement, LLVMAtomicOrderingSequentiallyConsistent,
                                               LLVMAtomicOrderingSequentiallyConsistent, 0);
    mark_atomic(e, pair, type);
    push_widened(e, LLVMBuildExtractValue(e->builder, pair, 0, ""), wide);
}

/* The address of a wait or notify, which the runtime checks: one that overflows 64 bits is out of bounds here already. */
static LLVMValueRef parked_address(Emit *e, const WasmInstr *instr)
{
    LLVMValueRef index = emit_widen(e, emit_pop(e));
    LLVMValueRef address = LLVMBuildAdd(e->builder, index, emit_i64(e, instr->memarg.offset), "");
    if (e->unit->plan->module->memories[instr->memarg.memory_index].limits.is_64) {
        emit_trap_if(e, LLVMBuildICmp(e->builder, LLVMIntULT, address, index, ""), RT_TRAP_MEMORY_OUT_OF_BOUNDS);
    }
    return address;
}

/* Pops count operands and the address. */
static void emit_parked(Emit *e, const WasmInstr *instr, size_t plain_offset, size_t any_offset, unsigned count)
{
    LLVMValueRef args[4];
    for (unsigned i = count; i > 0; i--) {
        args[1 + i] = emit_pop(e);
    }
    args[1] = parked_address(e, instr);
    args[0] = emit_i32(e, instr->memarg.memory_index);
    if (emit_memory_is_plain(e, instr->memarg.memory_index)) {
        emit_push(e, emit_runtime_call(e, plain_offset, e->unit->i32, args + 1, count + 1));
    } else {
        emit_push(e, emit_runtime_call(e, any_offset, e->unit->i32, args, count + 2));
    }
}

bool emit_atomic(Emit *e, const WasmInstr *instr)
{
    static const LLVMAtomicRMWBinOp operations[] = {LLVMAtomicRMWBinOpAdd, LLVMAtomicRMWBinOpSub, LLVMAtomicRMWBinOpAnd,
                                                    LLVMAtomicRMWBinOpOr,  LLVMAtomicRMWBinOpXor, LLVMAtomicRMWBinOpXchg};
    const uint32_t op = instr->opcode;
    if (op == WASM_OP_MEMORY_ATOMIC_NOTIFY) {
        emit_parked(e, instr, offsetof(RtRuntime, atomic_notify), offsetof(RtRuntime, atomic_notify_any), 1);
    } else if (op == WASM_OP_MEMORY_ATOMIC_WAIT32) {
        emit_parked(e, instr, offsetof(RtRuntime, atomic_wait32), offsetof(RtRuntime, atomic_wait32_any), 2);
    } else if (op == WASM_OP_MEMORY_ATOMIC_WAIT64) {
        emit_parked(e, instr, offsetof(RtRuntime, atomic_wait64), offsetof(RtRuntime, atomic_wait64_any), 2);
    } else if (op == WASM_OP_ATOMIC_FENCE) {
        LLVMBuildFence(e->builder, LLVMAtomicOrderingSequentiallyConsistent, 0, "");
    } else if (op >= WASM_OP_I32_ATOMIC_LOAD && op <= WASM_OP_I64_ATOMIC_LOAD32_U) {
        emit_atomic_load(e, instr, op - WASM_OP_I32_ATOMIC_LOAD);
    } else if (op >= WASM_OP_I32_ATOMIC_STORE && op <= WASM_OP_I64_ATOMIC_STORE32) {
        emit_atomic_store(e, instr, op - WASM_OP_I32_ATOMIC_STORE);
    } else if (op >= WASM_OP_I32_ATOMIC_RMW_ADD && op <= WASM_OP_I64_ATOMIC_RMW32_XCHG_U) {
        const unsigned row = op - WASM_OP_I32_ATOMIC_RMW_ADD;
        emit_atomic_rmw(e, instr, operations[row / 7], row % 7);
    } else if (op >= WASM_OP_I32_ATOMIC_RMW_CMPXCHG && op <= WASM_OP_I64_ATOMIC_RMW32_CMPXCHG_U) {
        emit_atomic_cmpxchg(e, instr, op - WASM_OP_I32_ATOMIC_RMW_CMPXCHG);
    } else {
        return false;
    }
    return true;
}
