/* SPDX-License-Identifier: Apache-2.0 */
/*
 * link-entries.c - what each program starts with, in merged indices: the records of "recompiler.entries".
 *
 * Active segments are checked here against the program's own minimum sizes: instantiation would fail on one that does
 * not fit, so a program that has one can never run and is refused.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/must.h"
#include "wasm/link-int.h"

static int offset_eval(Linker *linker, const LinkProgram *program, WasmConstExpr expr, uint32_t *ret_offset)
{
    LinkConst value;
    const int r = link_const_eval(linker, program, expr, program->module->global_count, &value);
    if (r < 0) {
        return r;
    }
    if (value.type != WASM_I32) {
        return error_set(linker->err, EINVAL, "segment offset that is not an i32");
    }
    *ret_offset = (uint32_t)value.value[0];
    return 0;
}

static int global_compare(const void *a, const void *b)
{
    const EntryGlobal *x = a, *y = b;
    return x->global_index < y->global_index ? -1 : x->global_index > y->global_index;
}

/* Mutable globals that code uses: the slots to set. */
static int globals_fill(Linker *linker, const LinkProgram *program, MegaEntry *entry)
{
    EntryGlobal *globals = arena_new_array(&linker->arena, program->module->global_count, EntryGlobal);
    if (!globals) {
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < program->module->global_count; i++) {
        if (program->global_slots[i] == LINK_NONE) {
            continue;
        }
        const LinkConst *value = &program->globals[i];
        EntryGlobal *global = &globals[entry->global_count++];
        *global = (EntryGlobal){.global_index = program->global_slots[i], .value = {value->value[0], value->value[1]}};
        if (value->type == WASM_FUNCREF && value->value[0] != 0) {
            global->value[0] = (uint64_t)link_func_index(linker, program->node_base + (uint32_t)value->value[0] - 1) + 1;
        }
    }
    qsort(globals, entry->global_count, sizeof(*globals), global_compare);
    entry->globals = globals;
    return 0;
}

/* node + 1 -> merged function index + 1 */
static int items_resolve(Linker *linker, const uint32_t *items, uint32_t count, const uint32_t **ret_items)
{
    uint32_t *resolved = arena_new_array(&linker->arena, count, uint32_t);
    if (!resolved) {
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < count; i++) {
        resolved[i] = items[i] == 0 ? 0 : link_func_index(linker, items[i] - 1) + 1;
    }
    *ret_items = resolved;
    return 0;
}

static int elem_fill(Linker *linker, const LinkProgram *program, uint32_t i, EntryElem *elems, MegaEntry *entry)
{
    const WasmElemSegment *segment = &program->module->elems[i];
    uint32_t slot = 0;
    int r = offset_eval(linker, program, segment->offset, &slot);
    if (r < 0) {
        return r;
    }
    if (slot > entry->table_size || segment->item_count > entry->table_size - slot) {
        return error_set(linker->err, EINVAL, "element segment %u is out of bounds of the table", i);
    }
    if (segment->item_count == 0) {
        return 0;
    }
    const uint32_t *items;
    r = items_resolve(linker, program->elem_items[i], segment->item_count, &items);
    EntryElem *elem = &elems[entry->elem_count];
    r = r < 0 ? r : link_elem_active(linker, segment->type, items, segment->item_count, &elem->elem_index);
    if (r == 0) {
        elem->slot = slot;
        entry->elem_count++;
    }
    return r;
}

static int data_fill(Linker *linker, const LinkProgram *program, uint32_t i, EntryData *datas, MegaEntry *entry)
{
    const WasmDataSegment *segment = &program->module->datas[i];
    const uint64_t memory_size = entry->memory_minimum * LINK_PAGE_SIZE;
    uint32_t address = 0;
    int r = offset_eval(linker, program, segment->offset, &address);
    if (r < 0) {
        return r;
    }
    if (address > memory_size || segment->bytes.size > memory_size - address) {
        return error_set(linker->err, EINVAL, "data segment %u is out of bounds of the memory", i);
    }
    if (segment->bytes.size == 0) {
        return 0;
    }
    EntryData *data = &datas[entry->data_count];
    r = link_data_active(linker, segment->bytes, &data->data_index);
    if (r == 0) {
        data->address = address;
        entry->data_count++;
    }
    return r;
}

static int segments_fill(Linker *linker, const LinkProgram *program, MegaEntry *entry)
{
    EntryElem *elems = arena_new_array(&linker->arena, program->module->elem_count, EntryElem);
    EntryData *datas = arena_new_array(&linker->arena, program->module->data_count, EntryData);
    if (!elems || !datas) {
        return -ENOMEM;
    }
    int r = 0;
    for (uint32_t i = 0; r == 0 && i < program->module->elem_count; i++) {
        if (program->module->elems[i].mode == WASM_SEGMENT_ACTIVE) {
            r = elem_fill(linker, program, i, elems, entry);
        }
    }
    for (uint32_t i = 0; r == 0 && i < program->module->data_count; i++) {
        if (program->module->datas[i].mode == WASM_SEGMENT_ACTIVE) {
            r = data_fill(linker, program, i, datas, entry);
        }
    }
    entry->elems = elems;
    entry->datas = datas;
    return r;
}

static uint32_t func_or_none(const Linker *linker, const LinkProgram *program, uint32_t func_index)
{
    return func_index == LINK_NONE ? LINK_NONE : link_func_index(linker, program->node_base + func_index);
}

static int entry_fill(Linker *linker, const LinkProgram *program, MegaEntry *entry)
{
    const WasmModule *module = program->module;
    *entry = (MegaEntry){
        .name = program->name,
        .abi = program->abi,
        .start_func = func_or_none(linker, program, program->start_func),
        .init_func = func_or_none(linker, program, program->init_func),
        .thread_func = func_or_none(linker, program, program->thread_func),
        .table_size = module->table_count ? (uint32_t)module->tables[0].limits.minimum : 0,
    };
    if (module->memory_count) {
        const WasmLimits *limits = &module->memories[0].limits;
        entry->memory_minimum = limits->minimum;
        entry->memory_maximum = limits->has_maximum ? limits->maximum : LINK_PAGES_MAXIMUM;
        entry->is_memory_shared = limits->is_shared;
    }
    const int r = globals_fill(linker, program, entry);
    return r < 0 ? r : segments_fill(linker, program, entry);
}

static int entry_compare(const void *a, const void *b)
{
    return strcmp(((const MegaEntry *)a)->name, ((const MegaEntry *)b)->name);
}

int link_entries_fill(Linker *linker)
{
    MegaEntry *entries = arena_new_array(&linker->arena, linker->program_count, MegaEntry);
    if (!entries) {
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < linker->elem_count; i++) { /* the passive segments of programs */
        const int r = items_resolve(linker, linker->elems[i].items, linker->elems[i].count, &linker->elems[i].items);
        if (r < 0) {
            return r;
        }
    }
    for (uint32_t i = 0; i < linker->program_count; i++) {
        const int r = entry_fill(linker, &linker->programs[i], &entries[i]);
        if (r < 0) {
            return error_wrap(linker->err, r, "entry %s", linker->programs[i].name);
        }
    }
    qsort(entries, linker->program_count, sizeof(*entries), entry_compare);
    for (uint32_t i = 0; i < linker->program_count; i++) {
        entries[i].stub_func = linker->import_count + linker->defined_count + i;
    }
    linker->entries = (MegaEntries){.count = linker->program_count, .entries = entries};
    return 0;
}
