/* SPDX-License-Identifier: Apache-2.0 */
/*
 * emit-memory.c - loads and stores of linear memory, bulk operations on memory and tables.
 *
 * address = base + zext(i32 index) + offset: at most 33 bits above the base, inside the reservation, so the MMU finds what
 * is out of bounds. Accesses are volatile (unless options->is_fast_memory): LLVM must neither drop a load that may trap
 * nor move a store over one. With a constant base the sum folds to [register + displacement].
 */
#include "aot/aot-int.h"

LLVMValueRef emit_address(Emit *e, uint64_t offset)
{
    LLVMValueRef index = LLVMBuildZExt(e->builder, emit_pop(e), e->unit->i64, "");
    return offset == 0 ? index : LLVMBuildAdd(e->builder, index, emit_i64(e, offset), "");
}

/* @address: guest address as i64, below 2^33. */
LLVMValueRef emit_pointer(Emit *e, LLVMValueRef address)
{
    if (e->memory_base != NULL) {
        return LLVMBuildGEP2(e->builder, e->unit->i8, e->memory_base, &address, 1, "");
    }
    const uint64_t base = e->unit->plan->options->memory_base;
    return LLVMBuildIntToPtr(e->builder, LLVMBuildAdd(e->builder, address, emit_i64(e, base), ""), e->unit->ptr, "");
}

void emit_mark_memory(Emit *e, LLVMValueRef access)
{
    LLVMSetMetadata(access, e->unit->kind_tbaa, e->unit->tbaa_memory);
    LLVMSetVolatile(access, !e->unit->plan->options->is_fast_memory);
}

LLVMValueRef emit_load_memory(Emit *e, LLVMTypeRef type, LLVMValueRef pointer)
{
    LLVMValueRef load = LLVMBuildLoad2(e->builder, type, pointer, "");
    LLVMSetAlignment(load, 1);
    emit_mark_memory(e, load);
    return load;
}

void emit_store_memory(Emit *e, LLVMValueRef value, LLVMValueRef pointer)
{
    LLVMValueRef store = LLVMBuildStore(e->builder, value, pointer);
    LLVMSetAlignment(store, 1);
    emit_mark_memory(e, store);
}

static void emit_load(Emit *e, const WasmInstr *instr, LLVMTypeRef memory_type, LLVMTypeRef type, bool is_signed)
{
    LLVMValueRef value = emit_load_memory(e, memory_type, emit_pointer(e, emit_address(e, instr->memarg.offset)));
    if (memory_type != type) {
        value = is_signed ? LLVMBuildSExt(e->builder, value, type, "") : LLVMBuildZExt(e->builder, value, type, "");
    }
    emit_push(e, value);
}

static void emit_store(Emit *e, const WasmInstr *instr, LLVMTypeRef memory_type)
{
    LLVMValueRef value = emit_pop(e);
    LLVMValueRef pointer = emit_pointer(e, emit_address(e, instr->memarg.offset));
    if (LLVMTypeOf(value) != memory_type) {
        value = LLVMBuildTrunc(e->builder, value, memory_type, "");
    }
    emit_store_memory(e, value, pointer);
}

static void emit_memory_size(Emit *e)
{
    const Plan *plan = e->unit->plan;
    LLVMValueRef memory = emit_load_instance(e, e->unit->ptr, emit_field(e, offsetof(RtInstance, memory)), true);
    LLVMValueRef offset = emit_i64(e, offsetof(RtMemory, page_count));
    LLVMValueRef load = emit_load_instance(e, e->unit->i32, LLVMBuildInBoundsGEP2(e->builder, e->unit->i8, memory, &offset, 1, ""), false);
    if (plan->module->memories[0].limits.is_shared) {
        LLVMSetOrdering(load, LLVMAtomicOrderingSequentiallyConsistent);
        LLVMSetAlignment(load, 4);
    }
    emit_push(e, load);
}

bool emit_memory(Emit *e, const WasmInstr *instr)
{
    const Unit *u = e->unit;
    switch (instr->opcode) {
    case WASM_OP_I32_LOAD: emit_load(e, instr, u->i32, u->i32, false); break;
    case WASM_OP_I64_LOAD: emit_load(e, instr, u->i64, u->i64, false); break;
    case WASM_OP_F32_LOAD: emit_load(e, instr, u->f32, u->f32, false); break;
    case WASM_OP_F64_LOAD: emit_load(e, instr, u->f64, u->f64, false); break;
    case WASM_OP_I32_LOAD8_S: emit_load(e, instr, u->i8, u->i32, true); break;
    case WASM_OP_I32_LOAD8_U: emit_load(e, instr, u->i8, u->i32, false); break;
    case WASM_OP_I32_LOAD16_S: emit_load(e, instr, u->i16, u->i32, true); break;
    case WASM_OP_I32_LOAD16_U: emit_load(e, instr, u->i16, u->i32, false); break;
    case WASM_OP_I64_LOAD8_S: emit_load(e, instr, u->i8, u->i64, true); break;
    case WASM_OP_I64_LOAD8_U: emit_load(e, instr, u->i8, u->i64, false); break;
    case WASM_OP_I64_LOAD16_S: emit_load(e, instr, u->i16, u->i64, true); break;
    case WASM_OP_I64_LOAD16_U: emit_load(e, instr, u->i16, u->i64, false); break;
    case WASM_OP_I64_LOAD32_S: emit_load(e, instr, u->i32, u->i64, true); break;
    case WASM_OP_I64_LOAD32_U: emit_load(e, instr, u->i32, u->i64, false); break;
    case WASM_OP_I32_STORE: emit_store(e, instr, u->i32); break;
    case WASM_OP_I64_STORE: emit_store(e, instr, u->i64); break;
    case WASM_OP_F32_STORE: emit_store(e, instr, u->f32); break;
    case WASM_OP_F64_STORE: emit_store(e, instr, u->f64); break;
    case WASM_OP_I32_STORE8:
    case WASM_OP_I64_STORE8: emit_store(e, instr, u->i8); break;
    case WASM_OP_I32_STORE16:
    case WASM_OP_I64_STORE16: emit_store(e, instr, u->i16); break;
    case WASM_OP_I64_STORE32: emit_store(e, instr, u->i32); break;
    case WASM_OP_MEMORY_SIZE: emit_memory_size(e); break;
    case WASM_OP_MEMORY_GROW: {
        LLVMValueRef delta = emit_pop(e);
        emit_push(e, emit_runtime_call(e, offsetof(RtRuntime, memory_grow), u->i32, &delta, 1));
        break;
    }
    default: return false;
    }
    return true;
}

/* Pops count operands behind the leading immediates in args and calls the runtime. */
static LLVMValueRef bulk_call(Emit *e, size_t offset, LLVMTypeRef result, LLVMValueRef *args, unsigned first, unsigned count)
{
    must(first + count <= 6);
    for (unsigned i = count; i > 0; i--) {
        args[first + i - 1] = emit_pop(e);
    }
    return emit_runtime_call(e, offset, result, args, first + count);
}

static void emit_table_size(Emit *e, uint32_t table)
{
    LLVMValueRef offset = emit_i64(e, offsetof(RtTable, size));
    LLVMValueRef pointer = LLVMBuildInBoundsGEP2(e->builder, e->unit->i8, emit_table_address(e, table), &offset, 1, "");
    emit_push(e, emit_load_instance(e, e->unit->i32, pointer, false));
}

static bool emit_table(Emit *e, const WasmInstr *instr)
{
    const Unit *u = e->unit;
    LLVMValueRef args[6] = {emit_i32(e, instr->index)};
    switch (instr->opcode) {
    case WASM_OP_TABLE_GET: emit_push(e, bulk_call(e, offsetof(RtRuntime, table_get), u->ptr, args, 1, 1)); break;
    case WASM_OP_TABLE_SET: bulk_call(e, offsetof(RtRuntime, table_set), u->void_type, args, 1, 2); break;
    case WASM_OP_TABLE_SIZE: emit_table_size(e, instr->index); break;
    case WASM_OP_TABLE_GROW: emit_push(e, bulk_call(e, offsetof(RtRuntime, table_grow), u->i32, args, 1, 2)); break;
    case WASM_OP_TABLE_FILL: bulk_call(e, offsetof(RtRuntime, table_fill), u->void_type, args, 1, 3); break;
    case WASM_OP_TABLE_COPY:
        args[1] = emit_i32(e, instr->index2);
        bulk_call(e, offsetof(RtRuntime, table_copy), u->void_type, args, 2, 3);
        break;
    case WASM_OP_TABLE_INIT: /* the binary format has the segment first */
        args[0] = emit_i32(e, instr->index2);
        args[1] = emit_i32(e, instr->index);
        bulk_call(e, offsetof(RtRuntime, table_init), u->void_type, args, 2, 3);
        break;
    case WASM_OP_ELEM_DROP: bulk_call(e, offsetof(RtRuntime, elem_drop), u->void_type, args, 1, 0); break;
    default: return false;
    }
    return true;
}

#define INLINE_SIZE_MAXIMUM 64u /* bytes of a memory.copy or memory.fill that become loads and stores */

/* Pieces of 16, 8, 4, 2 and 1 bytes that make up size, lowest first. Return: how many. */
static unsigned split_size(const Unit *u, uint32_t size, LLVMTypeRef *types, uint32_t *offsets)
{
    const LLVMTypeRef pieces[] = {u->i64x2, u->i64, u->i32, u->i16, u->i8};
    const uint32_t sizes[] = {16, 8, 4, 2, 1};
    unsigned count = 0;
    uint32_t done = 0;
    for (unsigned i = 0; i < 5; i++) {
        for (; size - done >= sizes[i]; done += sizes[i]) {
            types[count] = pieces[i];
            offsets[count++] = done;
        }
    }
    return count;
}

/*
 * A small copy or fill of constant size without a call. Everything is loaded before anything is stored, so operands may
 * overlap, and the highest piece is stored first: when the range is out of bounds that store traps and nothing is written.
 */
static bool emit_small(Emit *e, bool is_copy)
{
    const Unit *u = e->unit;
    LLVMValueRef size = e->stack[e->stack_count - 1];
    LLVMTypeRef types[INLINE_SIZE_MAXIMUM / 16 + 4];
    uint32_t offsets[INLINE_SIZE_MAXIMUM / 16 + 4];
    LLVMValueRef values[INLINE_SIZE_MAXIMUM / 16 + 4];
    if (LLVMIsAConstantInt(size) == NULL || LLVMConstIntGetZExtValue(size) - 1 >= INLINE_SIZE_MAXIMUM) {
        return false; /* size 0 too: its address is checked by the runtime */
    }
    const unsigned count = split_size(u, (uint32_t)LLVMConstIntGetZExtValue(emit_pop(e)), types, offsets);
    LLVMValueRef source = is_copy ? emit_address(e, 0) : LLVMBuildZExt(e->builder, LLVMBuildTrunc(e->builder, emit_pop(e), u->i8, ""), u->i64, "");
    if (!is_copy) {
        source = LLVMBuildMul(e->builder, source, emit_i64(e, 0x0101010101010101ull), "");
    }
    LLVMValueRef target = emit_address(e, 0);
    for (unsigned i = 0; i < count; i++) {
        if (is_copy) {
            values[i] = emit_load_memory(e, types[i], emit_pointer(e, LLVMBuildAdd(e->builder, source, emit_i64(e, offsets[i]), "")));
        } else if (types[i] == u->i64x2) {
            LLVMValueRef low = LLVMBuildInsertElement(e->builder, LLVMGetPoison(u->i64x2), source, emit_i32(e, 0), "");
            values[i] = LLVMBuildInsertElement(e->builder, low, source, emit_i32(e, 1), "");
        } else {
            values[i] = types[i] == u->i64 ? source : LLVMBuildTrunc(e->builder, source, types[i], "");
        }
    }
    for (unsigned i = count; i > 0; i--) {
        emit_store_memory(e, values[i - 1], emit_pointer(e, LLVMBuildAdd(e->builder, target, emit_i64(e, offsets[i - 1]), "")));
    }
    return true;
}

bool emit_bulk(Emit *e, const WasmInstr *instr)
{
    const Unit *u = e->unit;
    LLVMValueRef args[6] = {emit_i32(e, instr->index)};
    if ((instr->opcode == WASM_OP_MEMORY_COPY || instr->opcode == WASM_OP_MEMORY_FILL) && emit_small(e, instr->opcode == WASM_OP_MEMORY_COPY)) {
        return true;
    }
    switch (instr->opcode) {
    case WASM_OP_MEMORY_INIT: bulk_call(e, offsetof(RtRuntime, memory_init), u->void_type, args, 1, 3); break;
    case WASM_OP_MEMORY_COPY: bulk_call(e, offsetof(RtRuntime, memory_copy), u->void_type, args, 0, 3); break;
    case WASM_OP_MEMORY_FILL: bulk_call(e, offsetof(RtRuntime, memory_fill), u->void_type, args, 0, 3); break;
    case WASM_OP_DATA_DROP: bulk_call(e, offsetof(RtRuntime, data_drop), u->void_type, args, 1, 0); break;
    default: return emit_table(e, instr);
    }
    return true;
}
