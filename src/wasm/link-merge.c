/* SPDX-License-Identifier: Apache-2.0 */
/*
 * link-merge.c - merged indices, given on first use in the order of use (globals: before).
 *
 *   types      equal structure, one index (only function types exist)
 *   imports    equal module, name and type, one import
 *   globals    the n-th mutable global of a type in every program is the same slot; immutable ones are folded into code
 *   tags       the n-th tag of a type in every program is the same tag
 *   data       equal bytes, one segment, but two passive segments of one program stay two: each can be dropped alone
 *   elements   segments that code names stay alone; those that only stubs apply are kept once
 *
 * Sharing slots across programs is right because an instance only ever runs one entry.
 */
#include <errno.h>
#include <string.h>

#include "base/limits.h"
#include "base/must.h"
#include "wasm/link-int.h"

/* --- hashing: 8 bytes a step, folded 64x64 -> 128 multiplication (the idea of wyhash) --- */

static uint64_t hash_mix(uint64_t a, uint64_t b)
{
    const unsigned __int128 product = (unsigned __int128)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

uint64_t link_hash(const void *bytes, size_t size, uint64_t seed)
{
    const uint8_t *at = bytes;
    uint64_t hash = hash_mix(seed ^ 0x9e3779b97f4a7c15u, (uint64_t)size ^ 0xd6e8feb86659fd93u);
    for (; size >= 8; size -= 8, at += 8) {
        uint64_t word;
        memcpy(&word, at, 8);
        hash = hash_mix(hash ^ word, 0xa0761d6478bd642fu);
    }
    uint64_t tail = 0;
    if (size > 0) {
        memcpy(&tail, at, size);
    }
    return hash_mix(hash ^ tail, 0xe7037ed1a0b428dbu);
}

/* --- index: open addressing; a cursor walks the candidates of a hash --- */

static int index_init(Linker *linker, LinkIndex *index, size_t max_count)
{
    size_t capacity = 16;
    while (capacity / 2 < max_count) {
        capacity *= 2;
    }
    index->hashes = arena_new_array(&linker->arena, capacity, uint64_t);
    index->ids = arena_new_array(&linker->arena, capacity, uint32_t);
    if (!index->hashes || !index->ids) {
        return -ENOMEM;
    }
    memset(index->ids, 0xff, capacity * sizeof(uint32_t));
    index->mask = capacity - 1;
    return 0;
}

/* The next id with that hash. *cursor starts at hash. LINK_NONE: no more; *cursor is where to add. */
static uint32_t index_next(const LinkIndex *index, uint64_t hash, size_t *cursor)
{
    for (size_t i = *cursor & index->mask;; i = (i + 1) & index->mask) {
        if (index->ids[i] == LINK_NONE) {
            *cursor = i;
            return LINK_NONE;
        }
        if (index->hashes[i] == hash) {
            *cursor = i + 1;
            return index->ids[i];
        }
    }
}

static void index_add(LinkIndex *index, uint64_t hash, size_t cursor, uint32_t id)
{
    must(index->ids[cursor] == LINK_NONE);
    index->hashes[cursor] = hash;
    index->ids[cursor] = id;
}

static int over_limit(const Linker *linker, const char *what, uint32_t limit)
{
    return error_set(linker->err, E2BIG, "more than %u %s in the megabinary", limit, what);
}

/* --- what the inputs hold at most decides all array sizes --- */

typedef struct MergeTotals {
    size_t types, imports, globals, tags, datas, elems;
} MergeTotals;

static int arrays_init(Linker *linker, const MergeTotals *totals)
{
    int r = index_init(linker, &linker->type_index, totals->types);
    r = r < 0 ? r : index_init(linker, &linker->import_index, totals->imports);
    r = r < 0 ? r : index_init(linker, &linker->global_index, totals->globals);
    r = r < 0 ? r : index_init(linker, &linker->tag_index, totals->tags);
    r = r < 0 ? r : index_init(linker, &linker->data_index, totals->datas);
    r = r < 0 ? r : index_init(linker, &linker->elem_index, totals->elems);
    if (r < 0) {
        return r;
    }
    linker->types = arena_array(&linker->arena, totals->types, sizeof(*linker->types));
    linker->imports = arena_new_array(&linker->arena, totals->imports, LinkImport);
    linker->globals = arena_new_array(&linker->arena, totals->globals, LinkSlot);
    linker->tags = arena_new_array(&linker->arena, totals->tags, LinkSlot);
    linker->datas = arena_new_array(&linker->arena, totals->datas, LinkData);
    linker->elems = arena_new_array(&linker->arena, totals->elems, LinkElem);
    const bool have_all = linker->types && linker->imports && linker->globals && linker->tags && linker->datas && linker->elems;
    return have_all ? 0 : -ENOMEM;
}

static uint32_t *none_array(Linker *linker, uint32_t count)
{
    uint32_t *array = arena_new_array(&linker->arena, count, uint32_t);
    if (array && count > 0) {
        memset(array, 0xff, count * sizeof(uint32_t));
    }
    return array;
}

/* Ordinals of mutable globals among those of their type. Value types are bytes here: GC types are not read. */
static void orders_fill_globals(LinkProgram *program)
{
    uint32_t counts[256] = {0};
    for (uint32_t i = 0; i < program->module->global_count; i++) {
        const WasmGlobal *global = &program->module->globals[i];
        if (global->is_mutable) {
            program->global_orders[i] = counts[global->type & 0xffu]++;
        }
    }
}

static int program_init(Linker *linker, LinkProgram *program)
{
    const WasmModule *module = program->module;
    program->types = none_array(linker, module->type_count);
    program->global_orders = none_array(linker, module->global_count);
    program->global_slots = none_array(linker, module->global_count);
    program->tag_orders = none_array(linker, module->tag_count);
    program->tags = none_array(linker, module->tag_count);
    program->datas = none_array(linker, module->data_count);
    program->elems = none_array(linker, module->elem_count);
    program->elem_items = arena_array(&linker->arena, module->elem_count, sizeof(*program->elem_items));
    if (!program->types || !program->global_orders || !program->global_slots || !program->tag_orders || !program->tags ||
        !program->datas || !program->elems || !program->elem_items) {
        return -ENOMEM;
    }
    orders_fill_globals(program);
    return 0;
}

static int global_slots_make(Linker *linker);

int link_merge_init(Linker *linker)
{
    MergeTotals totals = {.types = 1, .datas = 1, .elems = 3}; /* the stubs' type; empty segments, one a type */
    for (uint32_t i = 0; i < linker->program_count; i++) {
        const WasmModule *module = linker->programs[i].module;
        const int r = program_init(linker, &linker->programs[i]);
        if (r < 0) {
            return r;
        }
        totals.types += module->type_count;
        totals.imports += module->import_count;
        totals.globals += module->global_count;
        totals.tags += module->tag_count;
        totals.datas += module->data_count;
        totals.elems += module->elem_count;
    }
    const int r = arrays_init(linker, &totals);
    return r < 0 ? r : global_slots_make(linker);
}

/* --- types --- */

int link_type_add(Linker *linker, const WasmFuncType *type, uint32_t *ret_index)
{
    const size_t size = ((size_t)type->param_count + type->result_count) * sizeof(WasmValType);
    const uint64_t hash = link_hash(type->types, size, type->param_count);
    size_t cursor = hash;
    for (uint32_t id; (id = index_next(&linker->type_index, hash, &cursor)) != LINK_NONE;) {
        if (wasm_func_type_equals(linker->types[id], type)) {
            *ret_index = id;
            return 0;
        }
    }
    if (linker->type_count == LIMIT_TYPES) {
        return over_limit(linker, "types", LIMIT_TYPES);
    }
    index_add(&linker->type_index, hash, cursor, linker->type_count);
    linker->types[linker->type_count] = type;
    *ret_index = linker->type_count++;
    return 0;
}

int link_type(Linker *linker, LinkProgram *program, uint32_t type_index, uint32_t *ret_index)
{
    must(type_index < program->module->type_count);
    if (program->types[type_index] == LINK_NONE) {
        const int r = link_type_add(linker, &program->module->types[type_index], &program->types[type_index]);
        if (r < 0) {
            return r;
        }
    }
    *ret_index = program->types[type_index];
    return 0;
}

/* --- imports --- */

static bool slice_equals(WasmSlice a, WasmSlice b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.bytes, b.bytes, a.size) == 0);
}

int link_import(Linker *linker, LinkProgram *program, uint32_t func_index, uint32_t *ret_index)
{
    const WasmFunc *func = &program->module->funcs[func_index];
    const WasmImport *import = &program->module->imports[func->import_index];
    uint32_t type;
    const int r = link_type(linker, program, func->type_index, &type);
    if (r < 0) {
        return r;
    }
    const uint64_t hash = link_hash(import->name.bytes, import->name.size,
                                    link_hash(import->module.bytes, import->module.size, type));
    size_t cursor = hash;
    for (uint32_t id; (id = index_next(&linker->import_index, hash, &cursor)) != LINK_NONE;) {
        const LinkImport *other = &linker->imports[id];
        if (other->type == type && slice_equals(other->name, import->name) && slice_equals(other->module, import->module)) {
            *ret_index = id;
            return 0;
        }
    }
    if (linker->import_count == LIMIT_IMPORTS) {
        return over_limit(linker, "imports", LIMIT_IMPORTS);
    }
    index_add(&linker->import_index, hash, cursor, linker->import_count);
    linker->imports[linker->import_count] = (LinkImport){import->module, import->name, type};
    *ret_index = linker->import_count++;
    return 0;
}

/* --- globals and tags: slots --- */

static int slot_find(Linker *linker, LinkIndex *index, LinkSlot *slots, uint32_t *count, uint32_t limit, LinkSlot key,
                     uint32_t *ret_index)
{
    const uint64_t hash = hash_mix((uint64_t)key.type << 32 | key.ordinal, 0x9e3779b97f4a7c15u);
    size_t cursor = hash;
    for (uint32_t id; (id = index_next(index, hash, &cursor)) != LINK_NONE;) {
        if (slots[id].type == key.type && slots[id].ordinal == key.ordinal) {
            *ret_index = id;
            return 0;
        }
    }
    if (*count == limit) {
        return over_limit(linker, "globals or tags", limit);
    }
    index_add(index, hash, cursor, *count);
    slots[*count] = key;
    *ret_index = (*count)++;
    return 0;
}

static int global_slot(Linker *linker, const LinkProgram *program, uint32_t global_index, uint32_t *ret_index)
{
    const LinkSlot key = {program->module->globals[global_index].type, program->global_orders[global_index]};
    return slot_find(linker, &linker->global_index, linker->globals, &linker->global_count, LIMIT_GLOBALS, key, ret_index);
}

/*
 * Slots exist before any code is read, in the programs' order, used or not: so among the slots of one type the first is
 * the first of every program. The compiler finds __stack_pointer by that (the first mutable i32).
 */
static int global_slots_make(Linker *linker)
{
    for (uint32_t i = 0; i < linker->program_count; i++) {
        const LinkProgram *program = &linker->programs[i];
        for (uint32_t k = 0; k < program->module->global_count; k++) {
            uint32_t slot;
            const int r = program->module->globals[k].is_mutable ? global_slot(linker, program, k, &slot) : 0;
            if (r < 0) {
                return r;
            }
        }
    }
    return 0;
}

int link_global(Linker *linker, LinkProgram *program, uint32_t global_index, uint32_t *ret_index)
{
    must(global_index < program->module->global_count && program->module->globals[global_index].is_mutable);
    if (program->global_slots[global_index] == LINK_NONE) {
        const int r = global_slot(linker, program, global_index, &program->global_slots[global_index]);
        if (r < 0) {
            return r;
        }
    }
    *ret_index = program->global_slots[global_index];
    return 0;
}

/* Tags of equal type before this one: computed for all tags of the program when the first is used. */
static int tag_order(Linker *linker, LinkProgram *program, uint32_t tag_index, uint32_t *ret_order)
{
    if (program->tag_orders[tag_index] == LINK_NONE) {
        uint32_t *counts = arena_new_array(&linker->arena, program->module->type_count, uint32_t);
        if (!counts) {
            return -ENOMEM;
        }
        /* Types of the input may repeat: count by the first type index of equal structure, which is the merged one. */
        uint32_t *first = none_array(linker, linker->type_count + program->module->type_count);
        if (!first) {
            return -ENOMEM;
        }
        for (uint32_t i = 0; i < program->module->tag_count; i++) {
            const uint32_t type_index = program->module->tags[i].type_index;
            uint32_t merged;
            const int r = link_type(linker, program, type_index, &merged);
            if (r < 0) {
                return r;
            }
            if (first[merged] == LINK_NONE) {
                first[merged] = type_index;
            }
            program->tag_orders[i] = counts[first[merged]]++;
        }
    }
    *ret_order = program->tag_orders[tag_index];
    return 0;
}

int link_tag(Linker *linker, LinkProgram *program, uint32_t tag_index, uint32_t *ret_index)
{
    must(tag_index < program->module->tag_count);
    if (program->tags[tag_index] == LINK_NONE) {
        LinkSlot key;
        int r = tag_order(linker, program, tag_index, &key.ordinal);
        r = r < 0 ? r : link_type(linker, program, program->module->tags[tag_index].type_index, &key.type);
        r = r < 0 ? r : slot_find(linker, &linker->tag_index, linker->tags, &linker->tag_count, LIMIT_TAGS, key,
                                  &program->tags[tag_index]);
        if (r < 0) {
            return r;
        }
    }
    *ret_index = program->tags[tag_index];
    return 0;
}

/* --- data segments --- */

/* @user: the program that uses it as a passive segment of its own, LINK_NONE for a stub's use. */
static int data_add(Linker *linker, WasmSlice bytes, uint32_t user, uint32_t *ret_index)
{
    const uint64_t hash = link_hash(bytes.bytes, bytes.size, 0);
    size_t cursor = hash;
    for (uint32_t id; (id = index_next(&linker->data_index, hash, &cursor)) != LINK_NONE;) {
        LinkData *data = &linker->datas[id];
        if (slice_equals(data->bytes, bytes) && (user == LINK_NONE || data->last_user != user)) {
            data->last_user = user == LINK_NONE ? data->last_user : user;
            *ret_index = id;
            return 0;
        }
    }
    if (linker->data_count == LIMIT_SEGMENTS) {
        return over_limit(linker, "data segments", LIMIT_SEGMENTS);
    }
    index_add(&linker->data_index, hash, cursor, linker->data_count);
    linker->datas[linker->data_count] = (LinkData){bytes, user};
    *ret_index = linker->data_count++;
    return 0;
}

int link_data_active(Linker *linker, WasmSlice bytes, uint32_t *ret_index)
{
    return data_add(linker, bytes, LINK_NONE, ret_index);
}

int link_data_operand(Linker *linker, LinkProgram *program, uint32_t data_index, uint32_t *ret_index)
{
    must(data_index < program->module->data_count);
    const WasmDataSegment *segment = &program->module->datas[data_index];
    if (segment->mode == WASM_SEGMENT_ACTIVE) {
        /* Dropped by instantiation (wasm core 4.5.4), and a dropped segment is an empty one. */
        return data_add(linker, (WasmSlice){NULL, 0}, LINK_NONE, ret_index);
    }
    int r = 0;
    if (program->datas[data_index] == LINK_NONE) {
        r = data_add(linker, segment->bytes, program->index, &program->datas[data_index]);
    }
    *ret_index = program->datas[data_index];
    return r;
}

/* --- element segments --- */

int link_elem_add(Linker *linker, WasmValType type, const uint32_t *items, uint32_t count, uint32_t *ret_index)
{
    if (linker->elem_count == LIMIT_SEGMENTS - 1) { /* one more for the declarative segment */
        return over_limit(linker, "element segments", LIMIT_SEGMENTS);
    }
    linker->elems[linker->elem_count] = (LinkElem){.type = type, .count = count, .items = items};
    *ret_index = linker->elem_count++;
    return 0;
}

int link_elem_active(Linker *linker, WasmValType type, const uint32_t *items, uint32_t count, uint32_t *ret_index)
{
    const size_t size = (size_t)count * sizeof(uint32_t);
    const uint64_t hash = link_hash(items, size, type);
    size_t cursor = hash;
    for (uint32_t id; (id = index_next(&linker->elem_index, hash, &cursor)) != LINK_NONE;) {
        const LinkElem *elem = &linker->elems[id];
        if (elem->type == type && elem->count == count && (count == 0 || memcmp(elem->items, items, size) == 0)) {
            *ret_index = id;
            return 0;
        }
    }
    const int r = link_elem_add(linker, type, items, count, ret_index);
    if (r == 0) {
        index_add(&linker->elem_index, hash, cursor, *ret_index);
    }
    return r;
}
