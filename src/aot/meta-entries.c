/* SPDX-License-Identifier: Apache-2.0 */
/*
 * meta-entries.c - bakes what the entries of a megabinary start with: memory images, table images, globals.
 *
 * A memory image is a run of pages, page-aligned in the file and in memory, so that the loader maps it instead of
 * copying. Segments that lie closer than IMAGE_GAP share a run; where data overlaps the later segment wins, as the
 * entry's start stub would do it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "aot/aot-int.h"

#define IMAGE_PAGE 4096ull
#define IMAGE_GAP (64ull << 10)        /* bytes of zeros that are stored rather than starting another run */
#define IMAGE_TOTAL_MAXIMUM (2ull << 30) /* bytes of all images of one entry */

typedef struct Range {
    uint64_t start;
    uint64_t end;
} Range;

static int compare_ranges(const void *a, const void *b)
{
    const Range *left = a;
    const Range *right = b;
    return left->start != right->start ? (left->start < right->start ? -1 : 1) : 0;
}

/* Merges the pages that segments touch into runs. Return: count of runs, in place. */
static uint32_t merge_ranges(Range *ranges, uint32_t count)
{
    uint32_t merged = 0;
    if (count > 1) {
        qsort(ranges, count, sizeof(*ranges), compare_ranges);
    }
    for (uint32_t i = 0; i < count; i++) {
        if (merged > 0 && ranges[i].start <= ranges[merged - 1].end + IMAGE_GAP) {
            ranges[merged - 1].end = ranges[i].end > ranges[merged - 1].end ? ranges[i].end : ranges[merged - 1].end;
        } else {
            ranges[merged++] = ranges[i];
        }
    }
    return merged;
}

static int entry_ranges(Unit *unit, const MegaEntry *entry, Range *ranges, uint32_t *ret_count)
{
    const WasmModule *module = unit->plan->module;
    uint64_t total = 0;
    uint32_t count = 0;
    for (uint32_t i = 0; i < entry->data_count; i++) {
        const EntryData *data = &entry->datas[i];
        const uint64_t size = module->datas[data->data_index].bytes.size;
        const uint64_t memory_size = entry->memory_minimum * RT_PAGE_SIZE;
        if (data->address > memory_size || size > memory_size - data->address) {
            return error_set(unit->err, EBADMSG, "entry %s: data segment %u does not fit into the memory", entry->name, data->data_index);
        }
        if (size > 0) {
            ranges[count].start = data->address & ~(IMAGE_PAGE - 1);
            ranges[count++].end = (data->address + size + IMAGE_PAGE - 1) & ~(IMAGE_PAGE - 1);
        }
    }
    count = merge_ranges(ranges, count);
    for (uint32_t i = 0; i < count; i++) {
        total += ranges[i].end - ranges[i].start;
    }
    if (total > IMAGE_TOTAL_MAXIMUM) {
        return error_set(unit->err, E2BIG, "entry %s: the memory image has %llu bytes", entry->name, (unsigned long long)total);
    }
    *ret_count = count;
    return 0;
}

static LLVMValueRef image_bytes(Unit *unit, const MegaEntry *entry, const Range *range)
{
    const WasmModule *module = unit->plan->module;
    uint8_t *bytes = calloc(1, range->end - range->start);
    must(bytes != NULL);
    for (uint32_t i = 0; i < entry->data_count; i++) {
        const EntryData *data = &entry->datas[i];
        const WasmSlice source = module->datas[data->data_index].bytes;
        if (source.size > 0 && data->address >= range->start && data->address < range->end) {
            must(source.size <= range->end - data->address);
            memcpy(bytes + (data->address - range->start), source.bytes, source.size);
        }
    }
    LLVMValueRef global = meta_data_bytes(unit, "rc_image", bytes, range->end - range->start);
    LLVMSetAlignment(global, IMAGE_PAGE);
    LLVMSetSection(global, ".rc_images");
    free(bytes);
    return global;
}

static int entry_images(Unit *unit, const MegaEntry *entry, LLVMValueRef *ret_images, uint32_t *ret_count)
{
    Range *ranges = calloc(entry->data_count + 1u, sizeof(*ranges));
    must(ranges != NULL);
    const int r = entry_ranges(unit, entry, ranges, ret_count);
    if (r == 0) {
        LLVMValueRef *values = calloc(*ret_count + 1u, sizeof(*values));
        must(values != NULL);
        for (uint32_t i = 0; i < *ret_count; i++) {
            LLVMValueRef fields[] = {image_bytes(unit, entry, &ranges[i]), meta_u64(unit, ranges[i].start), meta_u64(unit, ranges[i].end - ranges[i].start)};
            values[i] = meta_struct(unit, fields, 3);
        }
        *ret_images = meta_array(unit, "rc_images", values[0] != NULL ? LLVMTypeOf(values[0]) : unit->i8, values, *ret_count);
        free(values);
    }
    free(ranges);
    return r;
}

static LLVMValueRef table_elem(Unit *unit, uint32_t func_index)
{
    const Plan *plan = unit->plan;
    LLVMValueRef fields[] = {unit_func(unit, func_index), meta_u32(unit, plan->signature_ids[plan->module->funcs[func_index].type_index]),
                             meta_u32(unit, func_index)};
    return meta_struct(unit, fields, 3);
}

static int entry_table(Unit *unit, const MegaEntry *entry, LLVMValueRef *ret_table)
{
    const WasmModule *module = unit->plan->module;
    LLVMValueRef null_fields[] = {LLVMConstNull(unit->ptr), meta_u32(unit, 0), meta_u32(unit, 0)};
    LLVMValueRef null_elem = meta_struct(unit, null_fields, 3);
    LLVMValueRef *slots = calloc(entry->table_size + 1u, sizeof(*slots));
    must(slots != NULL);
    for (uint32_t i = 0; i < entry->table_size; i++) {
        slots[i] = null_elem;
    }
    int r = 0;
    for (uint32_t i = 0; i < entry->elem_count && r == 0; i++) {
        const EntryElem *elem = &entry->elems[i];
        const WasmElemSegment *segment = &module->elems[elem->elem_index];
        if (elem->slot > entry->table_size || segment->item_count > entry->table_size - elem->slot) {
            r = error_set(unit->err, EBADMSG, "entry %s: element segment %u does not fit into the table", entry->name, elem->elem_index);
        }
        for (uint32_t k = 0; k < segment->item_count && r == 0; k++) {
            bool is_null;
            uint32_t func_index;
            if (!meta_elem_item(unit->plan, segment, k, &is_null, &func_index)) {
                r = error_set(unit->err, EBADMSG, "entry %s: element segment %u is not constant", entry->name, elem->elem_index);
            } else {
                slots[elem->slot + k] = is_null ? null_elem : table_elem(unit, func_index);
            }
        }
    }
    if (r == 0) {
        *ret_table = meta_array(unit, "rc_table", LLVMTypeOf(null_elem), slots, entry->table_size);
    }
    free(slots);
    return r;
}

/* RtGlobalInit rows differ in type (integers or pointers), so they are fields of one struct instead of an array. */
static LLVMValueRef entry_globals(Unit *unit, const MegaEntry *entry)
{
    const WasmModule *module = unit->plan->module;
    LLVMValueRef *rows = calloc(entry->global_count + 1u, sizeof(*rows));
    must(rows != NULL);
    for (uint32_t i = 0; i < entry->global_count; i++) {
        const EntryGlobal *global = &entry->globals[i];
        const WasmValType type = module->globals[global->global_index].type;
        const bool is_ref = type == WASM_FUNCREF || type == WASM_EXTERNREF || type == WASM_EXNREF;
        LLVMValueRef low = meta_u64(unit, global->value[0]);
        if (is_ref) {
            low = global->value[0] == 0 || type != WASM_FUNCREF ? LLVMConstNull(unit->ptr) : meta_const_ref(unit, (uint32_t)(global->value[0] - 1));
        }
        LLVMValueRef fields[] = {meta_u32(unit, global->global_index), meta_u32(unit, 0), low, meta_u64(unit, type == WASM_V128 ? global->value[1] : 0)};
        rows[i] = meta_struct(unit, fields, 4);
    }
    LLVMValueRef result = LLVMConstNull(unit->ptr);
    if (entry->global_count > 0) {
        LLVMValueRef all = meta_struct(unit, rows, entry->global_count);
        result = meta_array(unit, "rc_globals", LLVMTypeOf(all), &all, 1);
    }
    free(rows);
    return result;
}

/* Bitmap of the segments whose bytes are in the images. */
static LLVMValueRef entry_applied(Unit *unit, const MegaEntry *entry)
{
    const size_t size = (unit->plan->module->data_count + 63u) / 64 * 8;
    uint8_t *bitmap = calloc(1, size + 1);
    must(bitmap != NULL);
    for (uint32_t i = 0; i < entry->data_count; i++) {
        bitmap[entry->datas[i].data_index / 8] |= (uint8_t)(1u << entry->datas[i].data_index % 8);
    }
    LLVMValueRef result = meta_data_bytes(unit, "rc_applied", bitmap, size);
    free(bitmap);
    return result;
}

static int meta_entry(Unit *unit, const MegaEntry *entry, LLVMValueRef *ret_row)
{
    LLVMValueRef images = NULL;
    LLVMValueRef table = NULL;
    uint32_t image_count = 0;
    int r = entry_images(unit, entry, &images, &image_count);
    if (r == 0) {
        r = entry_table(unit, entry, &table);
    }
    if (r < 0) {
        return r;
    }
    LLVMValueRef null = LLVMConstNull(unit->ptr);
    LLVMValueRef fields[] = {
        meta_string(unit, entry->name, strlen(entry->name)),
        unit_func(unit, entry->start_func),
        entry->init_func != UINT32_MAX ? unit_func(unit, entry->init_func) : null,
        images,
        table,
        entry_globals(unit, entry),
        meta_u32(unit, image_count),
        meta_u32(unit, entry->table_size),
        meta_u32(unit, entry->global_count),
        meta_u32(unit, entry->abi),
        meta_u32(unit, (uint32_t)entry->memory_minimum),
        meta_u32(unit, (uint32_t)(entry->memory_maximum > 65536 ? 65536 : entry->memory_maximum)),
        meta_u32(unit, entry->is_memory_shared),
        meta_u32(unit, 0),
        entry_applied(unit, entry),
        entry->thread_func != UINT32_MAX ? unit_func(unit, entry->thread_func) : null,
    };
    *ret_row = meta_struct(unit, fields, sizeof(fields) / sizeof(fields[0]));
    must(LLVMABISizeOfType(LLVMGetModuleDataLayout(unit->module), LLVMTypeOf(*ret_row)) == sizeof(RtEntry));
    return 0;
}

int meta_entries(Unit *unit, LLVMValueRef *ret_entries)
{
    const MegaEntries *entries = &unit->plan->entries;
    LLVMValueRef *rows = calloc(entries->count + 1u, sizeof(*rows));
    must(rows != NULL);
    int r = 0;
    for (uint32_t i = 0; i < entries->count && r == 0; i++) {
        r = meta_entry(unit, &entries->entries[i], &rows[i]);
    }
    if (r == 0) {
        *ret_entries = meta_array(unit, "rc_entries", rows[0] != NULL ? LLVMTypeOf(rows[0]) : unit->i8, rows, entries->count);
    }
    free(rows);
    return r;
}
