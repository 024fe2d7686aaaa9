/* SPDX-License-Identifier: Apache-2.0 */
/*
 * validate-special.c - variables, tables and memory management: instructions whose types come from the module
 * (wasm core 3.3.5 - 3.3.7).
 */
#include <errno.h>

#include "opcodes.h"
#include "wasm/validate-int.h"

static WasmValType local_type(const Validator *v, uint32_t index)
{
    uint32_t low = 0;
    uint32_t high = v->run_count;

    if (index < v->type->param_count)
        return v->type->types[index];
    index -= v->type->param_count;
    if (index < LOCALS_FLAT_N)
        return v->flat[index];
    while (low < high) { /* the first run that ends after index */
        const uint32_t middle = low + (high - low) / 2;
        if (v->runs[middle].end <= index)
            low = middle + 1;
        else
            high = middle;
    }
    must(low < v->run_count);
    return v->runs[low].type;
}

static int local_check(Validator *v)
{
    const uint32_t index = v->instr.index;

    if (index >= v->local_count)
        return validate_error(v, EINVAL, "unknown local %u", index);
    const WasmValType type = local_type(v, index);
    if (v->instr.opcode == WASM_OP_LOCAL_GET) {
        if (v->has_unset_locals && !validate_local_is_set(v, index))
            return validate_error(v, EINVAL, "local %u has no value yet: uninitialized local", index);
        return validate_push(v, type);
    }
    const int r = validate_pop(v, type);
    if (v->has_unset_locals)
        validate_local_set(v, index);
    return r < 0 || v->instr.opcode == WASM_OP_LOCAL_SET ? r : validate_push(v, type);
}

static int global_check(Validator *v)
{
    const uint32_t index = v->instr.index;

    if (index >= v->module->global_count)
        return validate_error(v, EINVAL, "unknown global %u", index);
    const WasmGlobal *global = &v->module->globals[index];
    if (v->instr.opcode == WASM_OP_GLOBAL_GET)
        return validate_push(v, global->type);
    if (!global->is_mutable)
        return validate_error(v, EINVAL, "global %u: global is immutable", index);
    return validate_pop(v, global->type);
}

static int table_find(const Validator *v, uint32_t index, const WasmTable **ret_table)
{
    if (index >= v->module->table_count)
        return validate_error(v, EINVAL, "unknown table %u", index);
    *ret_table = &v->module->tables[index];
    return 0;
}

/* Operands of the given types, the last one on top. 0 ends the list early. */
static int pop_three(Validator *v, WasmValType first, WasmValType second, WasmValType third)
{
    const WasmValType types[3] = {first, second, third};

    return validate_pop_list(v, (TypeList){types, third ? 3u : second ? 2u : 1u});
}

static int table_access_check(Validator *v)
{
    const WasmTable *table = NULL;
    int r = table_find(v, v->instr.index, &table);

    if (r < 0)
        return r;
    must(table);
    const WasmValType address = validate_address_type(table->limits.is_64);
    switch (v->instr.opcode) {
    case WASM_OP_TABLE_GET:
        r = validate_pop(v, address);
        return r < 0 ? r : validate_push(v, table->type);
    case WASM_OP_TABLE_SET:
        return pop_three(v, address, table->type, 0);
    case WASM_OP_TABLE_SIZE:
        return validate_push(v, address);
    case WASM_OP_TABLE_GROW:
        r = pop_three(v, table->type, address, 0);
        return r < 0 ? r : validate_push(v, address);
    default: /* table.fill */
        return pop_three(v, address, table->type, address);
    }
}

static int elem_check(const Validator *v, uint32_t index)
{
    return index < v->module->elem_count ? 0 : validate_error(v, EINVAL, "unknown elem segment %u", index);
}

static int table_init_check(Validator *v)
{
    const WasmTable *table = NULL;
    int r = table_find(v, v->instr.index2, &table);

    if (r >= 0)
        r = elem_check(v, v->instr.index);
    if (r < 0)
        return r;
    if (!validate_matches(v, wasm_elem_type(&v->module->elems[v->instr.index]), table->type))
        return validate_error(v, EINVAL, "segment and table hold different references: type mismatch");
    return pop_three(v, validate_address_type(table->limits.is_64), WASM_I32, WASM_I32);
}

static int table_copy_check(Validator *v)
{
    const WasmTable *to = NULL;
    const WasmTable *from = NULL;
    int r = table_find(v, v->instr.index, &to);

    if (r >= 0)
        r = table_find(v, v->instr.index2, &from);
    if (r < 0)
        return r;
    must(to && from);
    if (!validate_matches(v, from->type, to->type))
        return validate_error(v, EINVAL, "tables hold different references: type mismatch");
    return pop_three(v, validate_address_type(to->limits.is_64), validate_address_type(from->limits.is_64),
                     validate_address_type(to->limits.is_64 && from->limits.is_64));
}

/* A memory index as immediate. Without multi-memory it is a reserved zero byte, not a LEB128 (2.0, 5.4.6). */
static int memory_find(const Validator *v, uint32_t index, size_t end, const WasmMemory **ret_memory)
{
    if (!v->features->multi_memory) {
        if (index != 0)
            return validate_error(v, ENOTSUP, "memory %u, multi-memory is off: zero byte expected", index);
        if (v->bytes.bytes[end - 2] & 0x80u)
            return validate_error(v, EBADMSG, "zero byte expected");
    }
    if (index >= v->module->memory_count)
        return validate_error(v, EINVAL, "unknown memory %u", index);
    *ret_memory = &v->module->memories[index];
    return 0;
}

static int memory_check(Validator *v)
{
    const WasmMemory *memory = NULL;
    int r = memory_find(v, v->instr.index, v->instr.end, &memory);

    if (r < 0)
        return r;
    const WasmValType address = validate_address_type(memory->limits.is_64);
    if (v->instr.opcode == WASM_OP_MEMORY_FILL)
        return pop_three(v, address, WASM_I32, address);
    if (v->instr.opcode == WASM_OP_MEMORY_GROW) {
        r = validate_pop(v, address);
        if (r < 0)
            return r;
    }
    return validate_push(v, address);
}

static int memory_copy_check(Validator *v)
{
    const WasmMemory *to = NULL;
    const WasmMemory *from = NULL;
    int r = memory_find(v, v->instr.index2, v->instr.end, &from);

    if (r >= 0)
        r = memory_find(v, v->instr.index, v->instr.end - 1, &to);
    if (r < 0)
        return r;
    return pop_three(v, validate_address_type(to->limits.is_64), validate_address_type(from->limits.is_64),
                     validate_address_type(to->limits.is_64 && from->limits.is_64));
}

static int data_check(const Validator *v, uint32_t index)
{
    if (index >= v->module->data_count)
        return validate_error(v, EINVAL, "unknown data segment %u", index);
    return v->module->has_data_count ? 0 : validate_error(v, EBADMSG, "data count section required");
}

static int memory_init_check(Validator *v)
{
    const WasmMemory *memory = NULL;
    int r = memory_find(v, v->instr.index2, v->instr.end, &memory);

    if (r >= 0)
        r = data_check(v, v->instr.index);
    return r < 0 ? r : pop_three(v, validate_address_type(memory->limits.is_64), WASM_I32, WASM_I32);
}

/* 128-bit values are two i64 operands each. */
static int wide_check(Validator *v)
{
    static const WasmValType types[4] = {WASM_I64, WASM_I64, WASM_I64, WASM_I64};
    const bool is_multiply = v->instr.opcode >= WASM_OP_I64_MUL_WIDE_S;
    const int r = validate_pop_list(v, (TypeList){types, is_multiply ? 2 : 4});

    return r < 0 ? r : validate_push_list(v, (TypeList){types, 2});
}

int validate_special(Validator *v)
{
    switch (v->instr.opcode) {
    case WASM_OP_LOCAL_GET:
    case WASM_OP_LOCAL_SET:
    case WASM_OP_LOCAL_TEE:
        return local_check(v);
    case WASM_OP_GLOBAL_GET:
    case WASM_OP_GLOBAL_SET:
        return global_check(v);
    case WASM_OP_TABLE_GET:
    case WASM_OP_TABLE_SET:
    case WASM_OP_TABLE_SIZE:
    case WASM_OP_TABLE_GROW:
    case WASM_OP_TABLE_FILL:
        return table_access_check(v);
    case WASM_OP_TABLE_INIT:
        return table_init_check(v);
    case WASM_OP_TABLE_COPY:
        return table_copy_check(v);
    case WASM_OP_ELEM_DROP:
        return elem_check(v, v->instr.index);
    case WASM_OP_MEMORY_SIZE:
    case WASM_OP_MEMORY_GROW:
    case WASM_OP_MEMORY_FILL:
        return memory_check(v);
    case WASM_OP_MEMORY_COPY:
        return memory_copy_check(v);
    case WASM_OP_MEMORY_INIT:
        return memory_init_check(v);
    case WASM_OP_DATA_DROP:
        return data_check(v, v->instr.index);
    case WASM_OP_I64_ADD128:
    case WASM_OP_I64_SUB128:
    case WASM_OP_I64_MUL_WIDE_S:
    case WASM_OP_I64_MUL_WIDE_U:
        return wide_check(v);
    default:
        must(false && "a special instruction without a rule");
        return -EINVAL;
    }
}
