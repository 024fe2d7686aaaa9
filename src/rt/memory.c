/* SPDX-License-Identifier: Apache-2.0 */
/*
 * memory.c - linear memory: RT_MEMORY_RESERVATION bytes of address space of which the first page_count pages can be
 * read and written, the rest is PROT_NONE, so that the MMU finds every access out of bounds. Growing is one mprotect
 * (1.5 us [measured]); the base never moves.
 *
 * Thread rule: growth of one memory is serialised by MemoryMap.lock; page_count is published after the pages are there.
 * The list of memories is changed by host code only and read by the signal handler.
 * Source: wasm core 4.4.7 (memory instructions), bulk operations check all bounds first.
 */
#include "rt/rt-int.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/must.h"

#define PAGES_MAX 65536u

static MemoryMap *memory_list;

static uint8_t *reservation_new(uint64_t base)
{
    const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | (base != 0 ? MAP_FIXED_NOREPLACE : 0);
    void *start = mmap((void *)(uintptr_t)base, RT_MEMORY_RESERVATION, PROT_NONE, flags, -1, 0);
    if (start == MAP_FAILED) {
        return NULL;
    }
    if (base != 0 && (uintptr_t)start != base) { /* a kernel before 4.17 takes the address as a hint */
        (void)munmap(start, RT_MEMORY_RESERVATION);
        errno = EEXIST;
        return NULL;
    }
    return start;
}

static int limits_set(MemoryMap *map, uint32_t page_minimum, uint32_t page_maximum, uint32_t page_limit, bool is_shared)
{
    const uint32_t maximum = page_maximum < PAGES_MAX ? page_maximum : PAGES_MAX;
    const uint32_t limit = page_limit != 0 && page_limit < maximum ? page_limit : maximum;
    if (page_minimum > limit) {
        return -ENOMEM;
    }
    if (page_minimum > 0 && mprotect(map->memory.base, (size_t)page_minimum * RT_PAGE_SIZE, PROT_READ | PROT_WRITE) < 0) {
        return -errno;
    }
    map->memory.page_maximum = page_maximum;
    map->memory.page_limit = limit;
    map->memory.is_shared = is_shared;
    __atomic_store_n(&map->memory.page_count, page_minimum, __ATOMIC_RELEASE);
    return 0;
}

int rt_memory_new(uint64_t base, uint32_t page_minimum, uint32_t page_maximum, uint32_t page_limit, bool is_shared, RtMemory **ret_memory,
                  Error *err)
{
    MemoryMap *map = calloc(1, sizeof(*map));
    if (map == NULL) {
        return error_set(err, ENOMEM, "memory: out of memory");
    }
    map->memory.base = reservation_new(base);
    if (map->memory.base == NULL) {
        const int error = errno;
        free(map);
        return error_set(err, error, "memory: cannot reserve %llu bytes at 0x%llx", (unsigned long long)RT_MEMORY_RESERVATION,
                         (unsigned long long)base);
    }
    const int r = limits_set(map, page_minimum, page_maximum, page_limit, is_shared);
    if (r < 0) {
        (void)munmap(map->memory.base, RT_MEMORY_RESERVATION);
        free(map);
        return error_set(err, -r, "memory: %u pages are over the limit of %u", page_minimum, page_limit);
    }
    map->next = memory_list;
    __atomic_store_n(&memory_list, map, __ATOMIC_RELEASE);
    *ret_memory = &map->memory;
    return 0;
}

RtMemory *rt_memory_free(RtMemory *memory)
{
    if (memory == NULL) {
        return NULL;
    }
    MemoryMap *map = (MemoryMap *)memory;
    for (MemoryMap **link = &memory_list; *link != NULL; link = &(*link)->next) {
        if (*link == map) {
            __atomic_store_n(link, map->next, __ATOMIC_RELEASE);
            break;
        }
    }
    (void)munmap(memory->base, RT_MEMORY_RESERVATION);
    free(map);
    return NULL;
}

/* One mmap over the whole reservation drops everything the old program mapped there. */
int memory_reset(MemoryMap *map, uint32_t page_minimum, uint32_t page_maximum, uint32_t page_limit, bool is_shared)
{
    __atomic_store_n(&map->memory.page_count, 0, __ATOMIC_RELEASE);
    if (mmap(map->memory.base, RT_MEMORY_RESERVATION, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0) ==
        MAP_FAILED) {
        return -errno;
    }
    return limits_set(map, page_minimum, page_maximum, page_limit, is_shared);
}

const MemoryMap *memory_find(uint64_t address)
{
    for (const MemoryMap *map = __atomic_load_n(&memory_list, __ATOMIC_ACQUIRE); map != NULL; map = map->next) {
        if (address - (uint64_t)(uintptr_t)map->memory.base < RT_MEMORY_RESERVATION) {
            return map;
        }
    }
    return NULL;
}

void memory_after_fork(void)
{
    for (MemoryMap *map = memory_list; map != NULL; map = map->next) {
        if (map->lock != 0) {
            map->lock = 0;
        }
    }
}

uint32_t rt_memory_grow(RtMemory *memory, uint32_t delta_pages)
{
    MemoryMap *map = (MemoryMap *)memory;
    while (__atomic_exchange_n(&map->lock, 1, __ATOMIC_ACQUIRE) != 0) {
        (void)sched_yield();
    }
    const uint32_t old = memory->page_count;
    uint32_t result = UINT32_MAX;
    if (delta_pages <= memory->page_limit - old) {
        if (delta_pages == 0 || mprotect(memory->base + (size_t)old * RT_PAGE_SIZE, (size_t)delta_pages * RT_PAGE_SIZE,
                                         PROT_READ | PROT_WRITE) == 0) {
            __atomic_store_n(&memory->page_count, old + delta_pages, __ATOMIC_RELEASE);
            result = old;
        }
    }
    __atomic_store_n(&map->lock, 0, __ATOMIC_RELEASE);
    return result;
}

uint64_t memory_size(const RtInstance *instance)
{
    return (uint64_t)__atomic_load_n(&instance->memory->page_count, __ATOMIC_ACQUIRE) * RT_PAGE_SIZE;
}

int64_t rt_guest_string(const RtInstance *instance, GuestAddr address, size_t max_size)
{
    const uint64_t limit = memory_size(instance);
    if (address >= limit) {
        return -EFAULT;
    }
    const uint64_t rest = limit - address;
    const size_t size = rest < max_size ? (size_t)rest : max_size;
    const uint8_t *start = instance->memory_base + address;
    const uint8_t *end = memchr(start, '\0', size);
    if (end != NULL) {
        return end - start;
    }
    return size < max_size ? -EFAULT : -ENAMETOOLONG;
}

/* --- what compiled code calls --- */

static uint8_t *dropped_bits(const RtInstance *instance) { return (uint8_t *)(uintptr_t)instance + instance->object->dropped_offset; }

uint32_t rt_op_memory_grow(RtInstance *instance, uint32_t delta_pages) { return rt_memory_grow(instance->memory, delta_pages); }

static void bounds_check(RtInstance *instance, uint64_t start, uint64_t size, uint64_t limit)
{
    if (size > limit || start > limit - size) {
        rt_trap(instance, RT_TRAP_MEMORY_OUT_OF_BOUNDS);
    }
}

void rt_op_memory_init(RtInstance *instance, uint32_t data_index, uint32_t dst, uint32_t src, uint32_t size)
{
    dbg_must(data_index < instance->object->data_count);
    const RtDataSegment *data = &instance->object->datas[data_index];
    const bool is_dropped = (dropped_bits(instance)[data_index / 8] >> (data_index % 8) & 1) != 0;
    bounds_check(instance, src, size, is_dropped ? 0 : data->size);
    bounds_check(instance, dst, size, memory_size(instance));
    if (size > 0) {
        memcpy(instance->memory_base + dst, data->bytes + src, size);
    }
}

void rt_op_memory_copy(RtInstance *instance, uint32_t dst, uint32_t src, uint32_t size)
{
    const uint64_t limit = memory_size(instance);
    bounds_check(instance, src, size, limit);
    bounds_check(instance, dst, size, limit);
    memmove(instance->memory_base + dst, instance->memory_base + src, size);
}

void rt_op_memory_fill(RtInstance *instance, uint32_t dst, uint32_t value, uint32_t size)
{
    bounds_check(instance, dst, size, memory_size(instance));
    memset(instance->memory_base + dst, (int)(value & 0xff), size);
}

void rt_op_data_drop(RtInstance *instance, uint32_t data_index)
{
    dbg_must(data_index < instance->object->data_count);
    dropped_bits(instance)[data_index / 8] |= (uint8_t)(1u << (data_index % 8));
}
