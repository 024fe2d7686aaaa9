/* SPDX-License-Identifier: Apache-2.0 */
/*
 * emit-memory.c - loads and stores of linear memory, bulk operations on memory and tables.
 *
 * address = base + index + offset. What is checked by code depends on the memory's type alone (abi.h):
 *   32-bit, pages of 64 KiB  nothing: at most 33 bits above the base, inside the reservation
 *   64-bit, pages of 64 KiB  index against a constant: behind it lies more reserved space than a usual offset can reach. So growth needs no
 *                            look at the size, LLVM hoists and merges the compares, and the MMU finds what is past the size
 *   pages of 1 byte          the end against the size, which the MMU does not know exactly
 * Accesses are volatile (unless options->is_fast_memory): LLVM must neither drop a load that may trap nor move a store over one.
 * With a constant base (memory 0) the sum folds to [register + displacement].
 */
#include "aot/aot-int.h"

static const WasmLimits *limits_of(const Emit *e, uint32_t memory) { return &e->unit->plan->module->memories[memory].limits; }

bool emit_memory_is_plain(const Emit *e, uint32_t memory)
{
    return memory == 0 && !limits_of(e, memory)->is_64 && wasm_page_log2(limits_of(e, memory)) == WASM_PAGE_LOG2;
}

LLVMValueRef emit_widen(Emit *e, LLVMValueRef value)
{
    return LLVMTypeOf(value) == e->unit->i64 ? value : LLVMBuildZExt(e->builder, value, e->unit->i64, "");
}

/*
 * What an instance keeps of a memory, a field of its RtMemorySlot: it never changes, so it is loaded where the function begins, whichever
 * path needs it first, and LLVM merges the loads.
 */
static LLVMValueRef slot_load(Emit *e, uint32_t memory, size_t field)
{
    LLVMBasicBlockRef current = LLVMGetInsertBlock(e->builder);
    LLVMBasicBlockRef first = LLVMGetEntryBasicBlock(e->function);
    LLVMMetadataRef line = LLVMGetCurrentDebugLocation2(e->builder);
    LLVMValueRef before = LLVMGetFirstInstruction(first);
    if (before != NULL) {
        LLVMPositionBuilderBefore(e->builder, before);
    }
    LLVMValueRef slot = emit_field(e, e->unit->plan->memories_offset + memory * (uint32_t)sizeof(RtMemorySlot) + (uint32_t)field);
    LLVMValueRef load = emit_load_instance(e, e->unit->ptr, slot, true);
    emit_at(e, current);
    LLVMSetCurrentDebugLocation2(e->builder, line);
    return load;
}

static LLVMValueRef memory_field(Emit *e, uint32_t memory, size_t field, LLVMTypeRef type)
{
    LLVMValueRef pointer = slot_load(e, memory, offsetof(RtMemorySlot, memory));
    LLVMValueRef offset = emit_i64(e, field);
    LLVMValueRef load = emit_load_instance(e, type, LLVMBuildInBoundsGEP2(e->builder, e->unit->i8, pointer, &offset, 1, ""), false);
    if (limits_of(e, memory)->is_shared) { /* other threads grow it */
        LLVMSetOrdering(load, LLVMAtomicOrderingSequentiallyConsistent);
        LLVMSetAlignment(load, LLVMGetIntTypeWidth(type) / 8);
    }
    return load;
}

static void trap_always(Emit *e)
{
    emit_trap_if(e, LLVMConstInt(e->unit->i1, 1, 0), RT_TRAP_MEMORY_OUT_OF_BOUNDS);
}

static void check_wide(Emit *e, LLVMValueRef index, uint64_t offset, uint64_t size)
{
    uint64_t most = RT_MEMORY64_SIZE - 1;
    if (offset > RT_MEMORY64_GUARD - size) { /* could reach behind the reservation */
        if (offset > RT_MEMORY64_SIZE - size) {
            trap_always(e);
            return;
        }
        most = RT_MEMORY64_SIZE - size - offset;
    }
    emit_trap_if(e, LLVMBuildICmp(e->builder, LLVMIntUGT, index, emit_i64(e, most), ""), RT_TRAP_MEMORY_OUT_OF_BOUNDS);
}

/* index + offset + size <= bytes, as index < bytes - (offset + size - 1), where a difference below 0 is 0. */
static void check_exact(Emit *e, uint32_t memory, LLVMValueRef index, uint64_t offset, uint64_t size)
{
    uint64_t tail;
    if (__builtin_add_overflow(offset, size - 1, &tail)) {
        trap_always(e);
        return;
    }
    LLVMValueRef args[] = {memory_field(e, memory, offsetof(RtMemory, size), e->unit->i64), emit_i64(e, tail)};
    LLVMValueRef end = emit_intrinsic(e, "llvm.usub.sat", e->unit->i64, args, 2);
    emit_trap_if(e, LLVMBuildICmp(e->builder, LLVMIntUGE, index, end, ""), RT_TRAP_MEMORY_OUT_OF_BOUNDS);
}

static LLVMValueRef checked_address(Emit *e, uint32_t memory, LLVMValueRef index, uint64_t offset, uint64_t size)
{
    index = emit_widen(e, index);
    if (wasm_page_log2(limits_of(e, memory)) != WASM_PAGE_LOG2) {
        check_exact(e, memory, index, offset, size);
    } else if (limits_of(e, memory)->is_64) {
        check_wide(e, index, offset, size);
    }
    return offset == 0 ? index : LLVMBuildAdd(e->builder, index, emit_i64(e, offset), "");
}

LLVMValueRef emit_address(Emit *e, const WasmMemArg *memarg, LLVMTypeRef type)
{
    const uint64_t size = LLVMStoreSizeOfType(LLVMGetModuleDataLayout(e->unit->module), type);
    return checked_address(e, memarg->memory_index, emit_pop(e), memarg->offset, size);
}

LLVMValueRef emit_pointer(Emit *e, uint32_t memory, LLVMValueRef address)
{
    const uint64_t constant = e->unit->plan->options->memory_base;
    if (memory == 0 && e->memory_base == NULL) {
        return LLVMBuildIntToPtr(e->builder, LLVMBuildAdd(e->builder, address, emit_i64(e, constant), ""), e->unit->ptr, "");
    }
    LLVMValueRef base = memory == 0 ? e->memory_base : slot_load(e, memory, offsetof(RtMemorySlot, base));
    return LLVMBuildGEP2(e->builder, e->unit->i8, base, &address, 1, "");
}

LLVMValueRef emit_access(Emit *e, const WasmMemArg *memarg, LLVMTypeRef type)
{
    return emit_pointer(e, memarg->memory_index, emit_address(e, memarg, type));
}

LLVMValueRef emit_table_index(Emit *e, LLVMValueRef index)
{
    if (LLVMTypeOf(index) != e->unit->i64) {
        return index;
    }
    LLVMValueRef args[] = {index, emit_i64(e, UINT32_MAX)}; /* no table is as large: LIMIT_TABLE_ELEMENTS */
    return LLVMBuildTrunc(e->builder, emit_intrinsic(e, "llvm.umin", e->unit->i64, args, 2), e->unit->i32, "");
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
    LLVMValueRef value = emit_load_memory(e, memory_type, emit_access(e, &instr->memarg, memory_type));
    if (memory_type != type) {
        value = is_signed ? LLVMBuildSExt(e->builder, value, type, "") : LLVMBuildZExt(e->builder, value, type, "");
    }
    emit_push(e, value);
}

static void emit_store(Emit *e, const WasmInstr *instr, LLVMTypeRef memory_type)
{
    LLVMValueRef value = emit_pop(e);
    LLVMValueRef pointer = emit_access(e, &instr->memarg, memory_type);
    if (LLVMTypeOf(value) != memory_type) {
        value = LLVMBuildTrunc(e->builder, value, memory_type, "");
    }
    emit_store_memory(e, value, pointer);
}

static void emit_memory_size(Emit *e, uint32_t memory)
{
    LLVMValueRef count = memory_field(e, memory, offsetof(RtMemory, page_count), e->unit->i32);
    emit_push(e, limits_of(e, memory)->is_64 ? emit_widen(e, count) : count);
}

static void emit_memory_grow(Emit *e, uint32_t memory)
{
    LLVMValueRef delta = emit_pop(e);
    if (emit_memory_is_plain(e, memory)) {
        emit_push(e, emit_runtime_call(e, offsetof(RtRuntime, memory_grow), e->unit->i32, &delta, 1));
        return;
    }
    LLVMValueRef args[] = {emit_i32(e, memory), emit_widen(e, delta)};
    LLVMValueRef old = emit_runtime_call(e, offsetof(RtRuntime, memory_grow_any), e->unit->i64, args, 2);
    emit_push(e, limits_of(e, memory)->is_64 ? old : LLVMBuildTrunc(e->builder, old, e->unit->i32, ""));
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
    case WASM_OP_MEMORY_SIZE: emit_memory_size(e, instr->index); break;
    case WASM_OP_MEMORY_GROW: emit_memory_grow(e, instr->index); break;
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
    LLVMValueRef size = emit_load_instance(e, e->unit->i32, pointer, false);
    emit_push(e, e->unit->plan->module->tables[table].limits.is_64 ? emit_widen(e, size) : size);
}

/* A size is far below 2^31, so a failure, -1, is told from it by its sign. */
static void emit_table_grow(Emit *e, uint32_t table)
{
    LLVMValueRef args[3] = {emit_i32(e, table)};
    args[2] = emit_table_index(e, emit_pop(e));
    args[1] = emit_pop(e);
    LLVMValueRef old = emit_runtime_call(e, offsetof(RtRuntime, table_grow), e->unit->i32, args, 3);
    emit_push(e, e->unit->plan->module->tables[table].limits.is_64 ? LLVMBuildSExt(e->builder, old, e->unit->i64, "") : old);
}

/* Indices and sizes of 64-bit tables among the operands of an instruction: nothing else there is an i64. */
static void narrow_operands(Emit *e, uint32_t count)
{
    must(count <= e->stack_count);
    for (uint32_t i = 0; i < count; i++) {
        LLVMValueRef *operand = &e->stack[e->stack_count - 1 - i];
        *operand = emit_table_index(e, *operand);
    }
}

static bool has_three_operands(uint32_t opcode)
{
    return opcode == WASM_OP_TABLE_FILL || opcode == WASM_OP_TABLE_COPY || opcode == WASM_OP_TABLE_INIT;
}

static bool emit_table(Emit *e, const WasmInstr *instr)
{
    const Unit *u = e->unit;
    LLVMValueRef args[6] = {emit_i32(e, instr->index)};
    narrow_operands(e, instr->opcode == WASM_OP_TABLE_GET ? 1 : instr->opcode == WASM_OP_TABLE_SET ? 2 : has_three_operands(instr->opcode) ? 3 : 0);
    switch (instr->opcode) {
    case WASM_OP_TABLE_GET: emit_push(e, bulk_call(e, offsetof(RtRuntime, table_get), u->ptr, args, 1, 1)); break;
    case WASM_OP_TABLE_SET: bulk_call(e, offsetof(RtRuntime, table_set), u->void_type, args, 1, 2); break;
    case WASM_OP_TABLE_SIZE: emit_table_size(e, instr->index); break;
    case WASM_OP_TABLE_GROW: emit_table_grow(e, instr->index); break;
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
static bool emit_small(Emit *e, bool is_copy, uint32_t to, uint32_t from)
{
    const Unit *u = e->unit;
    LLVMValueRef size = e->stack[e->stack_count - 1];
    LLVMTypeRef types[INLINE_SIZE_MAXIMUM / 16 + 4];
    uint32_t offsets[INLINE_SIZE_MAXIMUM / 16 + 4];
    LLVMValueRef values[INLINE_SIZE_MAXIMUM / 16 + 4];
    if (LLVMIsAConstantInt(size) == NULL || LLVMConstIntGetZExtValue(size) - 1 >= INLINE_SIZE_MAXIMUM) {
        return false; /* size 0 too: its address is checked by the runtime */
    }
    const uint32_t bytes = (uint32_t)LLVMConstIntGetZExtValue(emit_pop(e));
    const unsigned count = split_size(u, bytes, types, offsets);
    LLVMValueRef source = is_copy ? checked_address(e, from, emit_pop(e), 0, bytes)
                                  : LLVMBuildZExt(e->builder, LLVMBuildTrunc(e->builder, emit_pop(e), u->i8, ""), u->i64, "");
    if (!is_copy) {
        source = LLVMBuildMul(e->builder, source, emit_i64(e, 0x0101010101010101ull), "");
    }
    LLVMValueRef target = checked_address(e, to, emit_pop(e), 0, bytes);
    for (unsigned i = 0; i < count; i++) {
        if (is_copy) {
            values[i] = emit_load_memory(e, types[i], emit_pointer(e, from, LLVMBuildAdd(e->builder, source, emit_i64(e, offsets[i]), "")));
        } else if (types[i] == u->i64x2) {
            LLVMValueRef low = LLVMBuildInsertElement(e->builder, LLVMGetPoison(u->i64x2), source, emit_i32(e, 0), "");
            values[i] = LLVMBuildInsertElement(e->builder, low, source, emit_i32(e, 1), "");
        } else {
            values[i] = types[i] == u->i64 ? source : LLVMBuildTrunc(e->builder, source, types[i], "");
        }
    }
    for (unsigned i = count; i > 0; i--) {
        emit_store_memory(e, values[i - 1], emit_pointer(e, to, LLVMBuildAdd(e->builder, target, emit_i64(e, offsets[i - 1]), "")));
    }
    return true;
}

/* memory.init (segment, memory), memory.copy (to, from), memory.fill where another than the plain memory 0 takes part. */
static void emit_bulk_any(Emit *e, const WasmInstr *instr)
{
    LLVMTypeRef void_type = e->unit->void_type;
    LLVMValueRef args[5];
    const unsigned last = instr->opcode == WASM_OP_MEMORY_FILL ? 3 : 4;
    for (unsigned i = last; i > last - 3; i--) {
        args[i] = emit_pop(e);
    }
    args[0] = emit_i32(e, instr->opcode == WASM_OP_MEMORY_INIT ? instr->index2 : instr->index);
    args[last - 2] = emit_widen(e, args[last - 2]); /* the destination */
    if (instr->opcode == WASM_OP_MEMORY_INIT) {
        args[1] = emit_i32(e, instr->index);
        emit_runtime_call(e, offsetof(RtRuntime, memory_init_any), void_type, args, 5);
        return;
    }
    args[last] = emit_widen(e, args[last]); /* the size */
    if (instr->opcode == WASM_OP_MEMORY_FILL) {
        emit_runtime_call(e, offsetof(RtRuntime, memory_fill_any), void_type, args, 4);
        return;
    }
    args[1] = emit_i32(e, instr->index2);
    args[3] = emit_widen(e, args[3]);
    emit_runtime_call(e, offsetof(RtRuntime, memory_copy_any), void_type, args, 5);
}

static bool emit_memory_bulk(Emit *e, const WasmInstr *instr)
{
    const bool is_copy = instr->opcode == WASM_OP_MEMORY_COPY;
    LLVMTypeRef void_type = e->unit->void_type;
    LLVMValueRef args[6] = {emit_i32(e, instr->index)};
    if (!is_copy && instr->opcode != WASM_OP_MEMORY_FILL && instr->opcode != WASM_OP_MEMORY_INIT) {
        return false;
    }
    const uint32_t memory = instr->opcode == WASM_OP_MEMORY_INIT ? instr->index2 : instr->index;
    if (instr->opcode != WASM_OP_MEMORY_INIT && emit_small(e, is_copy, memory, is_copy ? instr->index2 : memory)) {
        return true;
    }
    if (!emit_memory_is_plain(e, memory) || (is_copy && !emit_memory_is_plain(e, instr->index2))) {
        emit_bulk_any(e, instr);
    } else if (instr->opcode == WASM_OP_MEMORY_INIT) {
        bulk_call(e, offsetof(RtRuntime, memory_init), void_type, args, 1, 3);
    } else {
        bulk_call(e, is_copy ? offsetof(RtRuntime, memory_copy) : offsetof(RtRuntime, memory_fill), void_type, args, 0, 3);
    }
    return true;
}

bool emit_bulk(Emit *e, const WasmInstr *instr)
{
    LLVMValueRef args[6] = {emit_i32(e, instr->index)};
    if (instr->opcode == WASM_OP_DATA_DROP) {
        bulk_call(e, offsetof(RtRuntime, data_drop), e->unit->void_type, args, 1, 0);
        return true;
    }
    return emit_memory_bulk(e, instr) || emit_table(e, instr);
}
