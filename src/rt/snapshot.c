/* SPDX-License-Identifier: Apache-2.0 */
/*
 * snapshot.c - the digest of an instance.
 */
#include "rt/snapshot.h"

#include <string.h>

#include "rt/rt-int.h"

#define PAGE 4096u
#define HOLE (1ull << 63) /* in the number of a page that cannot be read */

static int memory_digest(const RtMemory *memory, int64_t (*copy)(void *to, const void *from, size_t size), Hasher *hasher)
{
    static const uint8_t zero[PAGE];
    uint8_t page[PAGE];
    int r = hasher_update(hasher, &memory->size, sizeof(memory->size));
    for (uint64_t at = 0; r == 0 && at < memory->size; at += PAGE) {
        uint64_t number = at / PAGE;
        const uint64_t size = memory->size - at < PAGE ? memory->size - at : PAGE;
        if (copy(page, memory->base + at, size) < 0) {
            number |= HOLE;
        } else if (memcmp(page, zero, size) == 0) {
            continue;
        }
        r = hasher_update(hasher, &number, sizeof(number));
        r = r < 0 || (number & HOLE) != 0 ? r : hasher_update(hasher, page, size);
    }
    return r;
}

/* A reference is an address of the object or of a table here: which function it is says as much. */
static int globals_digest(const RtInstance *instance, const RtLoaded *loaded, Hasher *hasher)
{
    const RtGlobal *globals = (const RtGlobal *)(const void *)((const uint8_t *)instance + instance->object->globals_offset);
    int r = 0;
    for (uint32_t i = 0; r == 0 && i < instance->object->global_count; i++) {
        RtGlobal value = globals[i];
        if (loaded_has(loaded, value.pointer, sizeof(RtFuncRef), 0)) {
            const RtFuncRef *reference = value.pointer;
            value = (RtGlobal){.i64 = reference->func_index};
        }
        r = hasher_update(hasher, &value, sizeof(value));
    }
    return r;
}

static int tables_digest(const RtInstance *instance, Hasher *hasher)
{
    int r = 0;
    for (uint32_t i = 0; r == 0 && i < instance->object->table_count; i++) {
        const RtTable *table = rt_instance_table((RtInstance *)(uintptr_t)instance, i);
        r = table == NULL ? 0 : hasher_update(hasher, &table->size, sizeof(table->size));
        for (uint32_t k = 0; table != NULL && r == 0 && k < table->size; k++) {
            const uint32_t slot[2] = {table->elems[k].signature, table->elems[k].signature != 0 ? table->elems[k].func_index : 0};
            r = hasher_update(hasher, slot, sizeof(slot));
        }
    }
    return r;
}

int rt_instance_digest(const RtInstance *instance, int64_t (*copy)(void *to, const void *from, size_t size), Hasher *hasher)
{
    const RtLoaded *loaded = loaded_find((uint64_t)(uintptr_t)instance->entry->start_code);
    int r = instance->memory == NULL ? 0 : memory_digest(instance->memory, copy, hasher);
    r = r < 0 || loaded == NULL ? r : globals_digest(instance, loaded, hasher);
    return r < 0 ? r : tables_digest(instance, hasher);
}
