/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-link-check.h - is a program of a megabinary still the program it was? Included by test-link.c, fuzz-link.c and tests/link/link-tool.c only.
 *
 * Both modules are walked side by side from the program's roots. Function by function, instruction by instruction they
 * must be the same; an operand in a merged index space must name the equal thing, and the same one each time. It shares
 * no code with the linker, so it finds what linker and stub get wrong together.
 */
#pragma once

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/limits.h"
#include "base/must.h"
#include "wasm/entries.h"
#include "wasm/instr.h"
#include "wasm/module.h"

#define CHECK_NONE UINT32_MAX

typedef struct CheckMap { /* index in the program -> index in the megabinary; back: the other way, where one-to-one */
    uint32_t *to;
    uint32_t *back;
} CheckMap;

typedef struct LinkCheck {
    const WasmModule *program;
    const WasmModule *mega;
    const MegaEntry *entry;
    Arena *arena;
    CheckMap funcs, globals, tags, datas, elems;
    bool *is_taken;
    uint32_t *queue;
    uint32_t queue_count;
} LinkCheck;

static inline uint32_t *check_none_array(Arena *arena, uint32_t count)
{
    uint32_t *array = arena_new_array(arena, count, uint32_t);
    must(array);
    for (uint32_t i = 0; i < count; i++)
        array[i] = CHECK_NONE;
    return array;
}

static inline CheckMap check_map_make(Arena *arena, uint32_t program_count, uint32_t mega_count)
{
    return (CheckMap){check_none_array(arena, program_count), check_none_array(arena, mega_count)};
}

/* Return: whether the pair is new. */
static inline bool check_pair(CheckMap *map, uint32_t from, uint32_t to)
{
    if (map->to[from] != CHECK_NONE) {
        must(map->to[from] == to);
        return false;
    }
    must(map->back[to] == CHECK_NONE);
    map->to[from] = to;
    map->back[to] = from;
    return true;
}

static inline bool check_slice_equals(WasmSlice a, WasmSlice b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.bytes, b.bytes, a.size) == 0);
}

static inline void check_type(const LinkCheck *check, uint32_t program_type, uint32_t mega_type)
{
    must(program_type < check->program->type_count && mega_type < check->mega->type_count);
    must(wasm_func_type_equals(&check->program->types[program_type], &check->mega->types[mega_type]));
}

static inline void check_func(LinkCheck *check, uint32_t from, uint32_t to)
{
    must(from < check->program->func_count && to < check->mega->func_count);
    if (check->funcs.to[from] != CHECK_NONE) {
        must(check->funcs.to[from] == to);
        return;
    }
    check->funcs.to[from] = to;
    const WasmFunc *a = &check->program->funcs[from], *b = &check->mega->funcs[to];
    check_type(check, a->type_index, b->type_index);
    must(a->is_imported == b->is_imported);
    if (a->is_imported) {
        const WasmImport *x = &check->program->imports[a->import_index], *y = &check->mega->imports[b->import_index];
        must(check_slice_equals(x->module, y->module) && check_slice_equals(x->name, y->name));
    } else {
        check->queue[check->queue_count++] = from;
    }
}

/* The single instruction of a constant expression; false for longer ones (extended constants). */
static inline bool check_const_instr(WasmConstExpr expr, WasmInstr *ret_instr)
{
    WasmInstr end;
    must(wasm_instr_read(expr.code, expr.offset, 0, ret_instr, NULL) == 0);
    must(wasm_instr_read(expr.code, expr.offset, ret_instr->end, &end, NULL) == 0);
    return end.opcode == 0x0b;
}

static inline void check_taken(LinkCheck *check, uint32_t from, uint32_t to)
{
    check_func(check, from, to);
    check->is_taken[from] = true;
}

/* Items: function index + 1 or 0; false: not a plain one. */
static inline bool check_item(const WasmElemSegment *segment, uint32_t i, uint32_t *ret_item)
{
    WasmInstr instr;
    if (segment->func_indices) {
        *ret_item = segment->func_indices[i] + 1;
        return true;
    }
    if (!check_const_instr(segment->exprs[i], &instr) || (instr.opcode != 0xd0 && instr.opcode != 0xd2))
        return false;
    *ret_item = instr.opcode == 0xd0 ? 0 : instr.index + 1;
    return true;
}

static inline void check_elem_items(LinkCheck *check, const WasmElemSegment *a, const WasmElemSegment *b)
{
    must(a->item_count == b->item_count && a->type == b->type && b->mode == WASM_SEGMENT_PASSIVE);
    for (uint32_t i = 0; i < a->item_count; i++) {
        uint32_t x, y;
        if (!check_item(a, i, &x))
            continue;
        must(check_item(b, i, &y) && (x == 0) == (y == 0));
        if (x != 0)
            check_taken(check, x - 1, y - 1);
    }
}

static inline void check_elem_operand(LinkCheck *check, uint32_t from, uint32_t to)
{
    const WasmElemSegment *a = &check->program->elems[from], *b = &check->mega->elems[to];
    if (a->mode != WASM_SEGMENT_PASSIVE)
        must(b->item_count == 0 && b->mode == WASM_SEGMENT_PASSIVE);
    else if (check_pair(&check->elems, from, to))
        check_elem_items(check, a, b);
}

static inline void check_data_operand(LinkCheck *check, uint32_t from, uint32_t to)
{
    const WasmDataSegment *a = &check->program->datas[from], *b = &check->mega->datas[to];
    must(b->mode == WASM_SEGMENT_PASSIVE);
    if (a->mode == WASM_SEGMENT_ACTIVE)
        must(b->bytes.size == 0);
    else if (a->bytes.size == 0)
        must(b->bytes.size == 0); /* empty ones may be shared: dropping changes nothing */
    else if (check_pair(&check->datas, from, to))
        must(check_slice_equals(a->bytes, b->bytes));
}

static inline void check_global(LinkCheck *check, uint32_t from, uint32_t to)
{
    must(check->mega->globals[to].is_mutable && check->program->globals[from].type == check->mega->globals[to].type);
    (void)check_pair(&check->globals, from, to);
}

static inline void check_same_const(LinkCheck *check, const WasmInstr *x, const WasmInstr *y)
{
    must(x->opcode == y->opcode);
    switch (x->opcode) {
    case 0x41: must(x->i32 == y->i32); break;
    case 0x42: must(x->i64 == y->i64); break;
    case 0x43: must(x->f32_bits == y->f32_bits); break;
    case 0x44: must(x->f64_bits == y->f64_bits); break;
    case 0xfd000c: must(memcmp(x->v128, y->v128, 16) == 0); break;
    case 0xd0: must(x->type == y->type); break;
    case 0xd2: check_taken(check, x->index, y->index); break;
    default: must(false); /* not a constant */
    }
}

/* An immutable global became the constant it holds. */
static inline void check_folded_global(LinkCheck *check, const WasmGlobal *global, const WasmInstr *y)
{
    WasmInstr x;
    if (check_const_instr(global->init, &x) && x.opcode != 0x23) {
        check_same_const(check, &x, y);
        return;
    }
    must(y->opcode == (global->type == WASM_I32 ? 0x41u : global->type == WASM_I64 ? 0x42u : y->opcode));
    if (y->opcode == 0xd2 && y->index < check->mega->func_count)
        must(global->type == WASM_FUNCREF);
}

static inline void check_block(const LinkCheck *check, const WasmBlockType *x, const WasmBlockType *y)
{
    must(x->kind == y->kind);
    if (x->kind == WASM_BLOCK_VALUE)
        must(x->value == y->value);
    if (x->kind == WASM_BLOCK_TYPE)
        check_type(check, x->type_index, y->type_index);
}

static inline void check_plain(const LinkCheck *check, WasmSlice a, const WasmInstr *x, WasmSlice b, const WasmInstr *y)
{
    size_t at_x = x->list_start, at_y = y->list_start;
    switch (x->imm) {
    case WASM_IMM_BLOCK: check_block(check, &x->block, &y->block); break;
    case WASM_IMM_INDEX: must(x->index == y->index); break;
    case WASM_IMM_INDEX2: must(x->index == y->index && x->index2 == y->index2); break;
    case WASM_IMM_BR_TABLE:
        must(x->list_count == y->list_count);
        for (uint32_t i = 0; i <= x->list_count; i++)
            must(wasm_br_table_next(a, &at_x) == wasm_br_table_next(b, &at_y));
        break;
    case WASM_IMM_SELECT_T:
    case WASM_IMM_REF_TYPE: must(x->type == y->type); break;
    case WASM_IMM_I32: must(x->i32 == y->i32); break;
    case WASM_IMM_I64: must(x->i64 == y->i64); break;
    case WASM_IMM_F32: must(x->f32_bits == y->f32_bits); break;
    case WASM_IMM_F64: must(x->f64_bits == y->f64_bits); break;
    case WASM_IMM_V128: must(memcmp(x->v128, y->v128, 16) == 0); break;
    case WASM_IMM_MEMARG_LANE:
    case WASM_IMM_MEMARG:
        must(x->imm == WASM_IMM_MEMARG || x->lane == y->lane);
        must(x->memarg.align_log2 == y->memarg.align_log2 && x->memarg.offset == y->memarg.offset && y->memarg.memory_index == 0);
        break;
    case WASM_IMM_LANE: must(x->lane == y->lane); break;
    default: break;
    }
}

static inline void check_try_table(LinkCheck *check, WasmSlice a, const WasmInstr *x, WasmSlice b, const WasmInstr *y)
{
    size_t at_x = x->list_start, at_y = y->list_start;
    check_block(check, &x->block, &y->block);
    must(x->list_count == y->list_count);
    for (uint32_t i = 0; i < x->list_count; i++) {
        const WasmCatch p = wasm_catch_next(a, &at_x), q = wasm_catch_next(b, &at_y);
        must(p.kind == q.kind && p.label == q.label);
        if (p.kind <= 1 && check_pair(&check->tags, p.tag_index, q.tag_index))
            check_type(check, check->program->tags[p.tag_index].type_index, check->mega->tags[q.tag_index].type_index);
    }
}

static inline void check_instr(LinkCheck *check, WasmSlice a, const WasmInstr *x, WasmSlice b, const WasmInstr *y)
{
    if (x->opcode == 0x23 && !check->program->globals[x->index].is_mutable) {
        check_folded_global(check, &check->program->globals[x->index], y);
        return;
    }
    must(x->opcode == y->opcode && x->imm == y->imm);
    switch (x->opcode) {
    case 0x07: /* catch */
    case 0x08: /* throw */
        if (check_pair(&check->tags, x->index, y->index))
            check_type(check, check->program->tags[x->index].type_index, check->mega->tags[y->index].type_index);
        break;
    case 0x10: /* call */
    case 0x12: check_func(check, x->index, y->index); break;
    case 0x11: /* call_indirect */
    case 0x13:
        check_type(check, x->index, y->index);
        must(x->index2 == y->index2);
        break;
    case 0x1f: check_try_table(check, a, x, b, y); break;
    case 0x23: /* global.get, global.set */
    case 0x24: check_global(check, x->index, y->index); break;
    case 0xd2: check_taken(check, x->index, y->index); break;
    case 0xfc0008: /* memory.init, data.drop */
    case 0xfc0009: check_data_operand(check, x->index, y->index); break;
    case 0xfc000c: /* table.init, elem.drop */
    case 0xfc000d: check_elem_operand(check, x->index, y->index); break;
    default: check_plain(check, a, x, b, y);
    }
}

static inline void check_body(LinkCheck *check, uint32_t from)
{
    static WasmValType types_a[LIMIT_LOCALS], types_b[LIMIT_LOCALS];
    const WasmFunc *a = &check->program->funcs[from], *b = &check->mega->funcs[check->funcs.to[from]];
    const uint32_t param_count = check->program->types[a->type_index].param_count;
    WasmLocals locals_a, locals_b;
    WasmInstr x, y;
    memset(types_a, 0, sizeof(types_a[0]) * 64); /* what is compared must have been written */
    memset(types_b, 0, sizeof(types_b[0]) * 64);
    must(wasm_locals_read(a->body, 0, param_count, types_a, &locals_a, NULL) == 0);
    must(wasm_locals_read(b->body, 0, param_count, types_b, &locals_b, NULL) == 0);
    must(locals_a.count == locals_b.count && memcmp(types_a, types_b, locals_a.count * sizeof(types_a[0])) == 0);
    size_t at_a = locals_a.code_start, at_b = locals_b.code_start;
    for (; at_a < a->body.size; at_a = x.end, at_b = y.end) {
        must(wasm_instr_read(a->body, 0, at_a, &x, NULL) == 0 && wasm_instr_read(b->body, 0, at_b, &y, NULL) == 0);
        check_instr(check, a->body, &x, b->body, &y);
    }
    must(at_b == b->body.size);
}

static inline void check_active_elems(LinkCheck *check)
{
    uint32_t done = 0;
    for (uint32_t i = 0; i < check->program->elem_count; i++) {
        const WasmElemSegment *segment = &check->program->elems[i];
        WasmInstr offset;
        if (segment->mode != WASM_SEGMENT_ACTIVE || segment->item_count == 0)
            continue;
        must(done < check->entry->elem_count);
        const EntryElem *elem = &check->entry->elems[done++];
        check_elem_items(check, segment, &check->mega->elems[elem->elem_index]);
        if (check_const_instr(segment->offset, &offset) && offset.opcode == 0x41)
            must((uint32_t)offset.i32 == elem->slot);
    }
    must(done == check->entry->elem_count);
}

static inline void check_active_datas(const LinkCheck *check)
{
    uint32_t done = 0;
    for (uint32_t i = 0; i < check->program->data_count; i++) {
        const WasmDataSegment *segment = &check->program->datas[i];
        WasmInstr offset;
        if (segment->mode != WASM_SEGMENT_ACTIVE || segment->bytes.size == 0)
            continue;
        must(done < check->entry->data_count);
        const EntryData *data = &check->entry->datas[done++];
        must(check_slice_equals(segment->bytes, check->mega->datas[data->data_index].bytes));
        if (check_const_instr(segment->offset, &offset) && offset.opcode == 0x41)
            must((uint32_t)offset.i32 == data->address);
    }
    must(done == check->entry->data_count);
}

/* Globals that code uses have in the entry the values they had. Some are only known after more bodies were walked. */
static inline void check_global_values(LinkCheck *check)
{
    for (uint32_t i = 0; i < check->entry->global_count; i++) {
        const EntryGlobal *global = &check->entry->globals[i];
        WasmInstr x;
        uint64_t value[2] = {0, 0};
        const uint32_t from = check->globals.back[global->global_index];
        if (from == CHECK_NONE || !check_const_instr(check->program->globals[from].init, &x))
            continue;
        switch (x.opcode) {
        case 0x41: value[0] = (uint32_t)x.i32; break;
        case 0x42: value[0] = (uint64_t)x.i64; break;
        case 0x43: value[0] = x.f32_bits; break;
        case 0x44: value[0] = x.f64_bits; break;
        case 0xfd000c: memcpy(value, x.v128, 16); break;
        case 0xd0: break;
        case 0xd2:
            must(global->value[0] != 0);
            check_taken(check, x.index, (uint32_t)global->value[0] - 1);
            continue;
        default: continue;
        }
        must(value[0] == global->value[0] && value[1] == global->value[1]);
    }
}

/* Globals that code uses are exactly those that the entry sets. */
static inline void check_global_count(const LinkCheck *check)
{
    uint32_t used_count = 0;
    for (uint32_t i = 0; i < check->program->global_count; i++)
        used_count += check->globals.to[i] != CHECK_NONE;
    must(used_count == check->entry->global_count);
    for (uint32_t i = 0; i < check->entry->global_count; i++)
        must(check->globals.back[check->entry->globals[i].global_index] != CHECK_NONE);
}

/* Function references of one program stay as different as they were. */
static inline void check_identity(const LinkCheck *check)
{
    for (uint32_t i = 0; i < check->program->func_count; i++) {
        const uint32_t to = check->funcs.to[i];
        if (to == CHECK_NONE || check->program->funcs[i].is_imported)
            continue;
        if (check->funcs.back[to] == CHECK_NONE)
            check->funcs.back[to] = i;
        else
            must(!check->is_taken[i] && !check->is_taken[check->funcs.back[to]]);
    }
}

static inline void link_check(const WasmModule *program, const WasmModule *mega, const MegaEntry *entry, Arena *arena)
{
    LinkCheck check = {.program = program, .mega = mega, .entry = entry, .arena = arena};
    check.funcs = check_map_make(arena, program->func_count, mega->func_count);
    check.globals = check_map_make(arena, program->global_count, mega->global_count);
    check.tags = check_map_make(arena, program->tag_count, mega->tag_count);
    check.datas = check_map_make(arena, program->data_count, mega->data_count);
    check.elems = check_map_make(arena, program->elem_count, mega->elem_count);
    check.is_taken = arena_new_array(arena, program->func_count, bool);
    check.queue = arena_new_array(arena, program->func_count, uint32_t);
    must(check.is_taken && check.queue);
    must(entry->init_func == (program->has_start ? entry->init_func : UINT32_MAX));
    must(!program->has_start || entry->init_func != UINT32_MAX);
    if (program->has_start)
        check_func(&check, program->start_func, entry->init_func);
    check_func(&check, wasm_module_export(program, "_start", WASM_EXTERN_FUNC), entry->start_func);
    if (entry->thread_func != UINT32_MAX) {
        const uint32_t libc_start = wasm_module_export(program, "__wasm_thread_start_libc", WASM_EXTERN_FUNC);
        check_func(&check, libc_start != UINT32_MAX ? libc_start : wasm_module_export(program, "wasi_thread_start", WASM_EXTERN_FUNC),
                   entry->thread_func);
    }
    check_active_elems(&check);
    check_active_datas(&check);
    for (uint32_t done = 0; done < check.queue_count;) {
        check_body(&check, check.queue[done++]);
        if (done == check.queue_count)
            check_global_values(&check); /* may reach more functions */
    }
    check_global_count(&check);
    check_identity(&check);
    const uint64_t pages = program->memory_count ? program->memories[0].limits.minimum : 0;
    must(entry->memory_minimum == pages && mega->memories[0].limits.minimum >= pages);
    must(entry->table_size == (program->table_count ? program->tables[0].limits.minimum : 0));
}
