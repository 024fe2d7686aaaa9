/* SPDX-License-Identifier: Apache-2.0 */
/*
 * table.c - tables: slots hold copies of RtFuncRef, so that call_indirect loads code and signature at once.
 *
 * Slots up to the table's maximum (LIMIT_TABLE_ELEMENTS at most) are reserved as address space when the table is made;
 * growing is one mprotect at most: elems never moves. A table whose elems point into the object (is_table_constant)
 * has capacity 0 and is never written: the compiler says that nothing changes it.
 * Source: wasm core 4.4.6 (table instructions): bounds are checked first, then the copy behaves like memmove.
 */
#include "rt/rt-int.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/limits.h"
#include "base/must.h"

#define FOREIGN_BIT 0x80000000u

static RtShareHook share_hook;
static RtLookupHook lookup_hook;

void rt_set_reference_hooks(RtShareHook share, RtLookupHook lookup)
{
    share_hook = share;
    lookup_hook = lookup;
}

/* Makes slots [0, size) usable; slots are fresh zeroes. */
static int storage_open(const RtTable *table, uint32_t size)
{
    const size_t bytes = (size_t)size * sizeof(RtTableElem);
    return bytes == 0 || mprotect(table->elems, bytes, PROT_READ | PROT_WRITE) == 0 ? 0 : -errno;
}

int table_init_storage(RtTable *table, uint32_t minimum, uint32_t maximum, bool is_funcref, Error *err)
{
    const uint32_t capacity = maximum < LIMIT_TABLE_ELEMENTS ? maximum : LIMIT_TABLE_ELEMENTS;
    if (minimum > capacity) {
        return error_set(err, ENOMEM, "table: %u slots are over the limit of %u", minimum, LIMIT_TABLE_ELEMENTS);
    }
    *table = (RtTable){.size = minimum, .maximum = maximum, .capacity = capacity, .is_funcref = is_funcref};
    if (capacity > 0) {
        void *elems = mmap(NULL, (size_t)capacity * sizeof(RtTableElem), PROT_NONE,
                           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (elems == MAP_FAILED) {
            const int error = errno;
            *table = (RtTable){0};
            return error_set(err, error, "table: cannot reserve %u slots", capacity);
        }
        table->elems = elems;
        if (storage_open(table, minimum) < 0) {
            table_deinit_storage(table);
            return error_set(err, ENOMEM, "table: no memory for %u slots", minimum);
        }
    }
    return 0;
}

void table_deinit_storage(RtTable *table)
{
    if (table->capacity > 0) {
        (void)munmap(table->elems, (size_t)table->capacity * sizeof(RtTableElem));
    }
    *table = (RtTable){0};
}

int rt_table_new(uint32_t minimum, uint32_t maximum, bool is_funcref, RtTable **ret_table, Error *err)
{
    RtTable *table = calloc(1, sizeof(*table));
    if (table == NULL) {
        return error_set(err, ENOMEM, "table: out of memory");
    }
    const int r = table_init_storage(table, minimum, maximum, is_funcref, err);
    if (r < 0) {
        free(table);
        return r;
    }
    *ret_table = table;
    return 0;
}

RtTable *rt_table_free(RtTable *table)
{
    if (table != NULL) {
        table_deinit_storage(table);
        free(table);
    }
    return NULL;
}

RtTable *table_of(const RtInstance *instance, uint32_t index)
{
    const RtObject *object = instance->object;
    dbg_must(index < object->table_count);
    RtTable *slot = (RtTable *)((uintptr_t)instance + object->tables_offset) + index;
    return object->table_descs[index].is_imported ? *(RtTable **)slot : slot;
}

RtTable *rt_instance_table(RtInstance *instance, uint32_t index)
{
    return index < instance->object->table_count ? table_of(instance, index) : NULL;
}

static RtTableElem elem_make(RtInstance *instance, const RtTable *table, void *ref)
{
    if (ref == NULL) {
        return (RtTableElem){0};
    }
    if (!table->is_funcref) {
        return (RtTableElem){.code = ref, .signature = 1};
    }
    const RtFuncRef *func = ref;
    if (share_hook != NULL && (func->func_index & FOREIGN_BIT) == 0) {
        func = share_hook(instance, func);
    }
    return *func;
}

static void *elem_ref(const RtInstance *instance, const RtTable *table, RtTableElem elem)
{
    if (elem.signature == 0) {
        return NULL;
    }
    if (!table->is_funcref) {
        return (void *)(uintptr_t)elem.code;
    }
    if ((elem.func_index & FOREIGN_BIT) != 0) {
        return lookup_hook != NULL ? (void *)(uintptr_t)lookup_hook(elem.func_index) : NULL;
    }
    return (void *)(uintptr_t)&instance->object->funcs[elem.func_index];
}

static void bounds_check(RtInstance *instance, uint64_t start, uint64_t size, uint64_t limit)
{
    if (size > limit || start > limit - size) {
        rt_trap(instance, RT_TRAP_TABLE_OUT_OF_BOUNDS);
    }
}

void *rt_op_table_get(RtInstance *instance, uint32_t table_index, uint32_t index)
{
    const RtTable *table = table_of(instance, table_index);
    bounds_check(instance, index, 1, table->size);
    return elem_ref(instance, table, table->elems[index]);
}

void rt_op_table_set(RtInstance *instance, uint32_t table_index, uint32_t index, void *ref)
{
    RtTable *table = table_of(instance, table_index);
    bounds_check(instance, index, 1, table->size);
    table->elems[index] = elem_make(instance, table, ref);
}

uint32_t rt_op_table_grow(RtInstance *instance, uint32_t table_index, void *ref, uint32_t delta)
{
    RtTable *table = table_of(instance, table_index);
    const uint32_t old = table->size;
    if (delta == 0) {
        return old;
    }
    if (old > table->capacity || delta > table->capacity - old || storage_open(table, old + delta) < 0) {
        return UINT32_MAX;
    }
    const RtTableElem elem = elem_make(instance, table, ref);
    for (uint32_t i = 0; i < delta && elem.signature != 0; i++) { /* fresh slots are null already */
        table->elems[old + i] = elem;
    }
    table->size = old + delta;
    return old;
}

void rt_op_table_fill(RtInstance *instance, uint32_t table_index, uint32_t index, void *ref, uint32_t size)
{
    RtTable *table = table_of(instance, table_index);
    bounds_check(instance, index, size, table->size);
    const RtTableElem elem = elem_make(instance, table, ref);
    for (uint32_t i = 0; i < size; i++) {
        table->elems[index + i] = elem;
    }
}

void rt_op_table_copy(RtInstance *instance, uint32_t dst_table, uint32_t src_table, uint32_t dst, uint32_t src, uint32_t size)
{
    RtTable *to = table_of(instance, dst_table);
    const RtTable *from = table_of(instance, src_table);
    bounds_check(instance, src, size, from->size);
    bounds_check(instance, dst, size, to->size);
    if (size > 0) {
        memmove(to->elems + dst, from->elems + src, (size_t)size * sizeof(RtTableElem));
    }
}

static uint8_t *dropped_bits(const RtInstance *instance)
{
    return (uint8_t *)(uintptr_t)instance + instance->object->dropped_offset + ((size_t)instance->object->data_count + 63) / 64 * 8;
}

void rt_op_table_init(RtInstance *instance, uint32_t table_index, uint32_t elem_index, uint32_t dst, uint32_t src, uint32_t size)
{
    dbg_must(elem_index < instance->object->elem_count);
    const RtElemSegment *segment = &instance->object->elems[elem_index];
    const RtPrivate *private = instance_private(instance);
    const bool is_dropped = (dropped_bits(instance)[elem_index / 8] >> (elem_index % 8) & 1) != 0;
    RtTable *table = table_of(instance, table_index);
    bounds_check(instance, src, size, is_dropped ? 0 : segment->count);
    bounds_check(instance, dst, size, table->size);
    const RtFuncRef *const *refs = segment->refs;
    if (refs == NULL && size > 0) {
        refs = private->elem_refs + private->elem_offsets[elem_index];
    }
    for (uint32_t i = 0; i < size; i++) {
        table->elems[dst + i] = elem_make(instance, table, (void *)(uintptr_t)refs[src + i]);
    }
}

void rt_op_elem_drop(RtInstance *instance, uint32_t elem_index)
{
    dbg_must(elem_index < instance->object->elem_count);
    dropped_bits(instance)[elem_index / 8] |= (uint8_t)(1u << (elem_index % 8));
}

void rt_op_elem_set(RtInstance *instance, uint32_t elem_index, uint32_t item, void *ref)
{
    const RtPrivate *private = instance_private(instance);
    dbg_must(elem_index < instance->object->elem_count && item < instance->object->elems[elem_index].count);
    private->elem_refs[private->elem_offsets[elem_index] + item] = ref;
}

const void *rt_op_ref_code(RtInstance *instance, const void *ref)
{
    const RtFuncRef *func = ref;
    return share_hook != NULL && (func->func_index & FOREIGN_BIT) == 0 ? share_hook(instance, func)->code : func->code;
}
