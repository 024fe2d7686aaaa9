/* SPDX-License-Identifier: Apache-2.0 */
/*
 * adapt.c - how indirect calls of the wrong type are made to fit (adapt.h).
 *
 *   slots_fill    element segments          -> type of the function in each slot of table 0
 *   calls_find    every body                -> which types are called; whether anything changes the table
 *   adapters_make                           -> for each called type the other types it can meet
 *   module_write  sections copied, with types, functions, bodies and names of the adapters at the end, so that no index changes
 */
#include "wasm/adapt.h"

#include <errno.h>
#include <string.h>

#include "base/limits.h"
#include "base/must.h"
#include "wasm/bytes-int.h"
#include "wasm/instr.h"

#define NO_TYPE UINT32_MAX
#define ADAPTER_NAME "indirect_call.adapted"

enum { /* wasm core 5.4 */
    OP_CALL_INDIRECT = 0x11,
    OP_CALL = 0x10,
    OP_TABLE_SET = 0x26,
    OP_TABLE_INIT = 0xfc000c,
    OP_TABLE_COPY = 0xfc000e,
    OP_TABLE_GROW = 0xfc000f,
    OP_TABLE_FILL = 0xfc0011,
};
enum { SECTION_CUSTOM = 0, SECTION_TYPE = 1, SECTION_FUNCTION = 3, SECTION_CODE = 10 };

typedef struct Adapt {
    const WasmModule *module;
    Arena *arena;
    Error *err;
    uint32_t *canonical;    /* type index -> the first index of an equal type */
    uint32_t slot_count;
    uint32_t *slots;        /* slot -> canonical type, NO_TYPE: empty */
    bool *is_called;        /* by canonical type */
    bool *is_stored;        /* by canonical type: in some slot */
    uint32_t *adapters;     /* by canonical type: its number, NO_TYPE */
    uint32_t *labels;       /* work space of one adapter: by canonical type, label of its block */
    bool is_table_changed;
    AdaptStats stats;
} Adapt;

/* --- what fits --- */

static bool is_integer(WasmValType type)
{
    return type == WASM_I32 || type == WASM_I64;
}

static bool value_fits(WasmValType from, WasmValType to)
{
    return from == to || (is_integer(from) && is_integer(to));
}

/* Can a call of type `called` be given to a function of type `actual`? */
static bool type_fits(const WasmFuncType *called, const WasmFuncType *actual)
{
    for (uint32_t i = 0; i < called->param_count && i < actual->param_count; i++) {
        if (!value_fits(called->types[i], actual->types[i])) {
            return false;
        }
    }
    for (uint32_t i = called->param_count; i < actual->param_count; i++) {
        if (!is_integer(actual->types[i]) && actual->types[i] != WASM_F32 && actual->types[i] != WASM_F64) {
            return false; /* no zero of it in C */
        }
    }
    if (called->result_count > 1 || actual->result_count > 1) {
        return false;
    }
    if (called->result_count == 0) {
        return true;
    }
    const WasmValType wanted = called->types[called->param_count];
    return actual->result_count == 0 ? wanted != WASM_FUNCREF && wanted != WASM_EXTERNREF && wanted != WASM_V128
                                     : value_fits(actual->types[actual->param_count], wanted);
}

/* --- the table --- */

static uint32_t item_type(const Adapt *adapt, const WasmElemSegment *segment, uint32_t i)
{
    const WasmModule *module = adapt->module;
    if (segment->func_indices != NULL) {
        return adapt->canonical[module->funcs[segment->func_indices[i]].type_index];
    }
    WasmInstr instr;
    const WasmConstExpr expr = segment->exprs[i];
    if (wasm_instr_read(expr.code, expr.offset, 0, &instr, NULL) == 0 && instr.opcode == 0xd2 /* ref.func */) {
        return adapt->canonical[module->funcs[instr.index].type_index];
    }
    return NO_TYPE;
}

/* Return: 0; 1: the table cannot be known before the program runs. */
static int slots_fill(Adapt *adapt)
{
    const WasmModule *module = adapt->module;
    if (module->table_count == 0 || module->imported_table_count != 0 || module->tables[0].has_init ||
        module->tables[0].limits.minimum > LIMIT_BR_TABLE) {
        return 1;
    }
    adapt->slot_count = (uint32_t)module->tables[0].limits.minimum;
    adapt->slots = arena_new_array(adapt->arena, adapt->slot_count + 1, uint32_t);
    if (adapt->slots == NULL) {
        return -ENOMEM;
    }
    memset(adapt->slots, 0xff, (adapt->slot_count + 1) * sizeof(uint32_t));
    for (uint32_t i = 0; i < module->elem_count; i++) {
        const WasmElemSegment *segment = &module->elems[i];
        WasmInstr offset;
        if (segment->mode != WASM_SEGMENT_ACTIVE || segment->table_index != 0) {
            continue;
        }
        if (wasm_instr_read(segment->offset.code, segment->offset.offset, 0, &offset, NULL) < 0 || offset.imm != WASM_IMM_I32) {
            return 1;
        }
        for (uint32_t k = 0; k < segment->item_count; k++) {
            const uint64_t slot = (uint64_t)(uint32_t)offset.i32 + k;
            if (slot >= adapt->slot_count) {
                return 1; /* it traps when it is instantiated */
            }
            adapt->slots[slot] = item_type(adapt, segment, k);
            if (adapt->slots[slot] != NO_TYPE) {
                adapt->is_stored[adapt->slots[slot]] = true;
            }
        }
    }
    return 0;
}

static int body_find(Adapt *adapt, const WasmFunc *func)
{
    WasmLocals locals;
    int r = wasm_locals_read(func->body, func->body_offset, 0, NULL, &locals, adapt->err);
    WasmInstr instr = {.end = locals.code_start};
    while (r == 0 && instr.end < func->body.size) {
        r = wasm_instr_read(func->body, func->body_offset, instr.end, &instr, adapt->err);
        switch (r == 0 ? instr.opcode : 0) {
        case OP_CALL_INDIRECT:
            adapt->is_called[adapt->canonical[instr.index]] |= instr.index2 == 0;
            break;
        case OP_TABLE_SET: case OP_TABLE_INIT: case OP_TABLE_COPY: case OP_TABLE_GROW: case OP_TABLE_FILL:
            adapt->is_table_changed = true;
            break;
        default:
            break;
        }
    }
    return r;
}

static void adapters_make(Adapt *adapt)
{
    const WasmModule *module = adapt->module;
    for (uint32_t called = 0; called < module->type_count; called++) {
        bool is_needed = false;
        const bool has_room = module->types[called].param_count < LIMIT_PARAMS; /* for the index */
        for (uint32_t stored = 0; adapt->is_called[called] && has_room && stored < module->type_count && !is_needed; stored++) {
            is_needed = adapt->is_stored[stored] && stored != called && type_fits(&module->types[called], &module->types[stored]);
        }
        if (is_needed) {
            adapt->adapters[called] = adapt->stats.adapter_count++;
        }
    }
}

/* --- bodies --- */

static void convert_write(Buf *code, WasmValType from, WasmValType to)
{
    if (from != to) {
        buf_append_byte(code, to == WASM_I32 ? 0xa7 /* i32.wrap_i64 */ : 0xac /* i64.extend_i32_s */);
    }
}

static void zero_write(Buf *code, WasmValType type)
{
    static const uint8_t zeros[8] = {0};
    buf_append_byte(code, type == WASM_I32 ? 0x41 : type == WASM_I64 ? 0x42 : type == WASM_F32 ? 0x43 : 0x44);
    buf_append(code, zeros, is_integer(type) ? 1 : type == WASM_F32 ? 4 : 8);
}

static void call_write(Buf *code, const WasmFuncType *called, const WasmFuncType *actual, uint32_t actual_index)
{
    for (uint32_t i = 0; i < actual->param_count; i++) {
        if (i < called->param_count) {
            buf_append_byte(code, 0x20); /* local.get */
            buf_append_uleb(code, i);
            convert_write(code, called->types[i], actual->types[i]);
        } else {
            zero_write(code, actual->types[i]);
        }
    }
    buf_append_byte(code, 0x20);
    buf_append_uleb(code, called->param_count);
    buf_append_byte(code, OP_CALL_INDIRECT);
    buf_append_uleb(code, actual_index);
    buf_append_byte(code, 0);
    if (called != actual && called->result_count == 0 && actual->result_count == 1) {
        buf_append_byte(code, 0x1a); /* drop */
    } else if (called != actual && called->result_count == 1) {
        const WasmValType wanted = called->types[called->param_count];
        if (actual->result_count == 0) {
            zero_write(code, wanted);
        } else {
            convert_write(code, actual->types[actual->param_count], wanted);
        }
    }
    buf_append_byte(code, 0x0f); /* return */
}

static void adapter_write(const Adapt *adapt, uint32_t called, Buf *code)
{
    const WasmModule *module = adapt->module;
    const WasmFuncType *type = &module->types[called];
    uint32_t count = 0;
    for (uint32_t stored = 0; stored < module->type_count; stored++) {
        const bool has_block = adapt->is_stored[stored] && stored != called && type_fits(type, &module->types[stored]);
        adapt->labels[stored] = has_block ? ++count : 0;
    }
    buf_append_byte(code, 0); /* no locals */
    for (uint32_t i = 0; i <= count; i++) {
        buf_append_byte(code, 0x02); /* block */
        buf_append_byte(code, 0x40);
    }
    buf_append_byte(code, 0x20);
    buf_append_uleb(code, type->param_count);
    buf_append_byte(code, 0x0e); /* br_table */
    buf_append_uleb(code, adapt->slot_count);
    for (uint32_t i = 0; i < adapt->slot_count; i++) {
        buf_append_uleb(code, adapt->slots[i] == NO_TYPE ? 0 : adapt->labels[adapt->slots[i]]);
    }
    buf_append_uleb(code, 0);
    buf_append_byte(code, 0x0b);
    call_write(code, type, type, called); /* the type it asks for, or a trap */
    for (uint32_t stored = 0; stored < module->type_count; stored++) {
        if (adapt->labels[stored] != 0) {
            buf_append_byte(code, 0x0b);
            call_write(code, type, &module->types[stored], stored);
        }
    }
    buf_append_byte(code, 0x0b);
}

static int body_write(Adapt *adapt, const WasmFunc *func, Buf *code)
{
    WasmLocals locals;
    int r = wasm_locals_read(func->body, func->body_offset, 0, NULL, &locals, adapt->err);
    WasmInstr instr = {.end = locals.code_start};
    size_t copied = 0;
    while (r == 0 && instr.end < func->body.size) {
        r = wasm_instr_read(func->body, func->body_offset, instr.end, &instr, adapt->err);
        if (r == 0 && instr.opcode == OP_CALL_INDIRECT && instr.index2 == 0) {
            const uint32_t adapter = adapt->adapters[adapt->canonical[instr.index]];
            if (adapter != NO_TYPE) {
                buf_append(code, func->body.bytes + copied, instr.start - copied);
                copied = instr.end;
                buf_append_byte(code, OP_CALL);
                buf_append_uleb(code, adapt->module->func_count + adapter);
                adapt->stats.call_count++;
            }
        }
    }
    buf_append(code, func->body.bytes + copied, func->body.size - copied);
    return r;
}

/* --- sections --- */

static void sized_write(Buf *out, const Buf *contents)
{
    buf_append_uleb(out, contents->size);
    buf_append(out, contents->bytes, contents->size);
}

static void types_write(const Adapt *adapt, WasmSlice rest, Buf *out)
{
    const WasmModule *module = adapt->module;
    buf_append_uleb(out, (uint64_t)module->type_count + adapt->stats.adapter_count);
    buf_append(out, rest.bytes, rest.size);
    for (uint32_t called = 0; called < module->type_count; called++) {
        const WasmFuncType *type = &module->types[called];
        if (adapt->adapters[called] == NO_TYPE) {
            continue;
        }
        buf_append_byte(out, 0x60);
        buf_append_uleb(out, (uint64_t)type->param_count + 1);
        for (uint32_t i = 0; i < type->param_count; i++) {
            buf_append_byte(out, (uint8_t)type->types[i]);
        }
        buf_append_byte(out, WASM_I32);
        buf_append_uleb(out, type->result_count);
        for (uint32_t i = 0; i < type->result_count; i++) {
            buf_append_byte(out, (uint8_t)type->types[type->param_count + i]);
        }
    }
}

static int code_write(Adapt *adapt, Buf *out)
{
    const WasmModule *module = adapt->module;
    Buf body = BUF_INIT((size_t)LIMIT_BODY_SIZE + 8u * LIMIT_BR_TABLE);
    int r = 0;
    buf_append_uleb(out, (uint64_t)(module->func_count - module->imported_func_count) + adapt->stats.adapter_count);
    for (uint32_t i = module->imported_func_count; r == 0 && i < module->func_count; i++) {
        body.size = 0;
        r = body_write(adapt, &module->funcs[i], &body);
        sized_write(out, &body);
    }
    for (uint32_t called = 0; r == 0 && called < module->type_count; called++) {
        if (adapt->adapters[called] != NO_TYPE) {
            body.size = 0;
            adapter_write(adapt, called, &body);
            sized_write(out, &body);
        }
    }
    r = r < 0 ? r : buf_error(&body);
    buf_deinit(&body);
    return r;
}

/* Subsection 1 of the name section with the adapters' names at its end (its indices ascend); the rest as it is. */
static void names_write(const Adapt *adapt, WasmSlice contents, Buf *out)
{
    const WasmBytes bytes = {.bytes = contents.bytes, .end = contents.size};
    size_t position = 0;
    uint8_t id;
    uint32_t size;
    WasmSlice part;
    while (wasm_byte_read(&bytes, &position, &id) == 0 && wasm_u32_read(&bytes, &position, &size) == 0 &&
           wasm_slice_read(&bytes, &position, size, &part) == 0) {
        const WasmBytes inner = {.bytes = part.bytes, .end = part.size};
        size_t at = 0;
        uint32_t count;
        Buf names = BUF_INIT((size_t)LIMIT_MODULE_SIZE);
        if (id == 1 && wasm_u32_read(&inner, &at, &count) == 0) {
            buf_append_uleb(&names, (uint64_t)count + adapt->stats.adapter_count);
            buf_append(&names, part.bytes + at, part.size - at);
            for (uint32_t i = 0; i < adapt->stats.adapter_count; i++) {
                buf_append_uleb(&names, (uint64_t)adapt->module->func_count + i);
                buf_append_uleb(&names, strlen(ADAPTER_NAME));
                buf_append_string(&names, ADAPTER_NAME);
            }
        } else {
            buf_append(&names, part.bytes, part.size);
        }
        buf_append_byte(out, id);
        sized_write(out, &names);
        buf_deinit(&names);
    }
}

static int section_write(Adapt *adapt, uint8_t id, WasmSlice contents, Buf *out)
{
    static const char name_mark[] = "\4name";
    const WasmBytes bytes = {.bytes = contents.bytes, .end = contents.size};
    size_t at = 0;
    uint32_t count = 0;
    int r = id == SECTION_TYPE || id == SECTION_FUNCTION ? wasm_u32_read(&bytes, &at, &count) : 0;
    const WasmSlice rest = {contents.bytes + at, contents.size - at};
    if (id == SECTION_TYPE) {
        types_write(adapt, rest, out);
    } else if (id == SECTION_FUNCTION) {
        buf_append_uleb(out, (uint64_t)count + adapt->stats.adapter_count);
        buf_append(out, rest.bytes, rest.size);
        for (uint32_t i = 0; i < adapt->stats.adapter_count; i++) {
            buf_append_uleb(out, (uint64_t)adapt->module->type_count + i);
        }
    } else if (id == SECTION_CODE) {
        r = code_write(adapt, out);
    } else if (id == SECTION_CUSTOM && contents.size >= 5 && memcmp(contents.bytes, name_mark, 5) == 0) {
        buf_append(out, name_mark, 5);
        names_write(adapt, (WasmSlice){contents.bytes + 5, contents.size - 5}, out);
    } else {
        buf_append(out, contents.bytes, contents.size);
    }
    return r;
}

static int module_write(Adapt *adapt, Buf *out)
{
    const WasmBytes bytes = {.bytes = adapt->module->bytes.bytes, .end = adapt->module->bytes.size, .err = adapt->err};
    size_t position = 8;
    int r = 0;
    buf_append(out, bytes.bytes, position); /* magic and version */
    while (r == 0 && position < bytes.end) {
        uint8_t id = 0;
        uint32_t size = 0;
        WasmSlice contents = {NULL, 0};
        Buf section = BUF_INIT((size_t)LIMIT_MODULE_SIZE);
        r = wasm_byte_read(&bytes, &position, &id);
        r = r < 0 ? r : wasm_u32_read(&bytes, &position, &size);
        r = r < 0 ? r : wasm_slice_read(&bytes, &position, size, &contents);
        r = r < 0 ? r : section_write(adapt, id, contents, &section);
        r = r < 0 ? r : buf_error(&section);
        buf_append_byte(out, id);
        sized_write(out, &section);
        buf_deinit(&section);
    }
    return r < 0 ? r : buf_error(out);
}

static int adapt_init(Adapt *adapt)
{
    const WasmModule *module = adapt->module;
    const size_t count = (size_t)module->type_count + 1;
    adapt->canonical = arena_new_array(adapt->arena, count, uint32_t);
    adapt->adapters = arena_new_array(adapt->arena, count, uint32_t);
    adapt->labels = arena_new_array(adapt->arena, count, uint32_t);
    adapt->is_called = arena_new_array(adapt->arena, count, bool);
    adapt->is_stored = arena_new_array(adapt->arena, count, bool);
    if (!adapt->canonical || !adapt->adapters || !adapt->labels || !adapt->is_called || !adapt->is_stored) {
        return -ENOMEM;
    }
    memset(adapt->adapters, 0xff, count * sizeof(uint32_t));
    for (uint32_t i = 0; i < module->type_count; i++) {
        uint32_t first = 0;
        while (!wasm_func_type_equals(&module->types[first], &module->types[i])) {
            first++;
        }
        adapt->canonical[i] = first;
    }
    return 0;
}

#define ADAPT_TYPES 4096u /* types of one C program; every pair of them is looked at [guess] */

int wasm_adapt_calls(const WasmModule *module, Arena *arena, Buf *out, AdaptStats *ret_stats, Error *err)
{
    Adapt adapt = {.module = module, .arena = arena, .err = err};
    *ret_stats = adapt.stats;
    int r = module->type_count > ADAPT_TYPES || !wasm_module_has_plain_types(module) ? 1 : adapt_init(&adapt);
    r = r != 0 ? r : slots_fill(&adapt);
    for (uint32_t i = module->imported_func_count; r == 0 && i < module->func_count; i++) {
        r = body_find(&adapt, &module->funcs[i]);
    }
    if (r == 0) {
        adapters_make(&adapt);
    }
    if (r == 0 && !adapt.is_table_changed && adapt.stats.adapter_count > 0) {
        r = module_write(&adapt, out);
        *ret_stats = adapt.stats;
    }
    return r < 0 ? error_set(err, -r, "indirect calls cannot be adapted") : 0;
}

bool wasm_is_foreign(const WasmModule *module)
{
    static const char mark[] = "recompiler.sdk";
    for (uint32_t i = 0; i < module->custom_count; i++) {
        const WasmSlice name = module->customs[i].name;
        if (name.size == strlen(mark) && memcmp(name.bytes, mark, name.size) == 0) {
            return false;
        }
    }
    for (uint32_t i = 0; i < module->import_count; i++) {
        const WasmSlice name = module->imports[i].module;
        if (name.size == 4 && memcmp(name.bytes, "wali", 4) == 0) {
            return true;
        }
    }
    return false;
}
