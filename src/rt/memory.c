/* SPDX-License-Identifier: Apache-2.0 */
/*
 * memory.c - linear memory: address space of which the first `size` bytes can be read and written, the rest is PROT_NONE, so
 * that the MMU finds what compiled code does not check (abi.h). Growing is one mprotect (1.5 us [measured]); the base never moves.
 *
 *   32-bit    RT_MEMORY_RESERVATION       64-bit    RT_MEMORY64_RESERVATION: no page table is made for what is never opened
 *   pages of 1 byte: opened in host pages; the bytes behind `size` in the last one are never written, so growing finds zeros
 *
 * Thread rule: growth of one memory is serialised by MemoryMap.lock; page_count and size are published after the pages are there.
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

#define HOST_PAGE 4096ull

static MemoryMap *memory_list;

static uint8_t *reservation_new(uint64_t base, uint64_t size)
{
    const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | (base != 0 ? MAP_FIXED_NOREPLACE : 0);
    void *start = mmap((void *)(uintptr_t)base, size, PROT_NONE, flags, -1, 0);
    if (start == MAP_FAILED) {
        return NULL;
    }
    if (base != 0 && (uintptr_t)start != base) { /* a kernel before 4.17 takes the address as a hint */
        (void)munmap(start, size);
        errno = EEXIST;
        return NULL;
    }
    return start;
}

/* Opens host pages so that bytes [from, to) can be used; those before are open. */
static int pages_open(const RtMemory *memory, uint64_t from, uint64_t to)
{
    const uint64_t start = (from + HOST_PAGE - 1) & ~(HOST_PAGE - 1), end = (to + HOST_PAGE - 1) & ~(HOST_PAGE - 1);
    return end <= start || mprotect(memory->base + start, end - start, PROT_READ | PROT_WRITE) == 0 ? 0 : -errno;
}

/* The most pages this runtime gives a memory of such a type: within its reservation, and a count of 32 bits that is never UINT32_MAX
 * for 64-bit memories, whose growth answers -1. */
static uint32_t pages_possible(const RtMemoryDesc *desc)
{
    const uint64_t bytes = desc->is_64 ? RT_MEMORY64_SIZE : 1ull << 32;
    const uint64_t pages = bytes >> desc->page_size_log2, most = desc->is_64 ? UINT32_MAX - 1 : UINT32_MAX;
    return (uint32_t)(pages < most ? pages : most);
}

static int limits_set(MemoryMap *map, const RtMemoryDesc *desc, uint64_t byte_limit)
{
    const uint64_t possible = pages_possible(desc);
    const uint64_t maximum = desc->maximum < possible ? desc->maximum : possible;
    const uint64_t wanted = byte_limit >> desc->page_size_log2;
    const uint64_t limit = byte_limit != 0 && wanted < maximum ? wanted : maximum;
    if (desc->minimum > limit) {
        return -ENOMEM;
    }
    const uint64_t size = desc->minimum << desc->page_size_log2;
    const int r = pages_open(&map->memory, 0, size);
    if (r < 0) {
        return r;
    }
    map->memory.page_maximum = desc->maximum < UINT32_MAX ? (uint32_t)desc->maximum : UINT32_MAX;
    map->memory.page_limit = (uint32_t)limit;
    map->memory.page_size_log2 = desc->page_size_log2;
    map->memory.is_64 = desc->is_64;
    map->memory.is_shared = desc->is_shared;
    __atomic_store_n(&map->memory.page_count, (uint32_t)desc->minimum, __ATOMIC_RELEASE);
    __atomic_store_n(&map->memory.size, size, __ATOMIC_RELEASE);
    return 0;
}

int rt_memory_new_as(uint64_t base, const RtMemoryDesc *desc, uint64_t byte_limit, RtMemory **ret_memory, Error *err)
{
    MemoryMap *map = calloc(1, sizeof(*map));
    must(desc->page_size_log2 == 0 || desc->page_size_log2 == 16);
    if (map == NULL) {
        return error_set(err, ENOMEM, "memory: out of memory");
    }
    map->reservation = desc->is_64 ? RT_MEMORY64_RESERVATION : RT_MEMORY_RESERVATION;
    map->memory.base = reservation_new(base, map->reservation);
    if (map->memory.base == NULL) {
        const int error = errno;
        const uint64_t reservation = map->reservation;
        free(map);
        return error_set(err, error, "memory: cannot reserve %llu bytes at 0x%llx", (unsigned long long)reservation, (unsigned long long)base);
    }
    const int r = limits_set(map, desc, byte_limit);
    if (r < 0) {
        (void)munmap(map->memory.base, map->reservation);
        free(map);
        return error_set(err, -r, "memory: %llu pages of %u bytes are over the limit", (unsigned long long)desc->minimum,
                         1u << desc->page_size_log2);
    }
    map->next = memory_list;
    __atomic_store_n(&memory_list, map, __ATOMIC_RELEASE);
    *ret_memory = &map->memory;
    return 0;
}

int rt_memory_new(uint64_t base, uint32_t page_minimum, uint32_t page_maximum, uint32_t page_limit, bool is_shared, RtMemory **ret_memory,
                  Error *err)
{
    const RtMemoryDesc desc = {.minimum = page_minimum, .maximum = page_maximum, .page_size_log2 = 16, .is_shared = is_shared};
    return rt_memory_new_as(base, &desc, (uint64_t)page_limit * RT_PAGE_SIZE, ret_memory, err);
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
    (void)munmap(memory->base, map->reservation);
    free(map);
    return NULL;
}

/* One mmap over the whole reservation drops everything the old program mapped there. */
int memory_reset(MemoryMap *map, const RtMemoryDesc *desc, uint64_t byte_limit)
{
    must(!desc->is_64 && map->reservation == RT_MEMORY_RESERVATION); /* programs: entry_check */
    __atomic_store_n(&map->memory.page_count, 0, __ATOMIC_RELEASE);
    __atomic_store_n(&map->memory.size, 0, __ATOMIC_RELEASE);
    if (mmap(map->memory.base, map->reservation, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0) == MAP_FAILED) {
        return -errno;
    }
    return limits_set(map, desc, byte_limit);
}

const MemoryMap *memory_find(uint64_t address)
{
    for (const MemoryMap *map = __atomic_load_n(&memory_list, __ATOMIC_ACQUIRE); map != NULL; map = map->next) {
        if (address - (uint64_t)(uintptr_t)map->memory.base < map->reservation) {
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
        const uint64_t size = (uint64_t)(old + delta_pages) << memory->page_size_log2;
        if (pages_open(memory, memory->size, size) == 0) {
            __atomic_store_n(&memory->page_count, old + delta_pages, __ATOMIC_RELEASE);
            __atomic_store_n(&memory->size, size, __ATOMIC_RELEASE);
            result = old;
        }
    }
    __atomic_store_n(&map->lock, 0, __ATOMIC_RELEASE);
    return result;
}

uint64_t memory_bytes(const RtMemory *memory) { return __atomic_load_n(&memory->size, __ATOMIC_ACQUIRE); }

uint64_t memory_size(const RtInstance *instance) { return memory_bytes(instance->memory); }

RtMemory *memory_of(const RtInstance *instance, uint32_t index)
{
    dbg_must(index < instance->object->memory_count);
    return ((const RtMemorySlot *)((uintptr_t)instance + instance->object->memories_offset))[index].memory;
}

RtMemory *rt_instance_memory(RtInstance *instance, uint32_t index)
{
    return index < instance->object->memory_count ? memory_of(instance, index) : NULL;
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

static void init_bytes(RtInstance *instance, const RtMemory *memory, uint32_t data_index, uint64_t dst, uint32_t src, uint32_t size)
{
    dbg_must(data_index < instance->object->data_count);
    const RtDataSegment *data = &instance->object->datas[data_index];
    const bool is_dropped = (dropped_bits(instance)[data_index / 8] >> (data_index % 8) & 1) != 0;
    bounds_check(instance, src, size, is_dropped ? 0 : data->size);
    bounds_check(instance, dst, size, memory_bytes(memory));
    if (size > 0) {
        memcpy(memory->base + dst, data->bytes + src, size);
    }
}

void rt_op_memory_init(RtInstance *instance, uint32_t data_index, uint32_t dst, uint32_t src, uint32_t size)
{
    init_bytes(instance, instance->memory, data_index, dst, src, size);
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

/* --- the same for any memory --- */

uint64_t rt_op_memory_grow_any(RtInstance *instance, uint32_t memory, uint64_t delta_pages)
{
    const uint32_t old = delta_pages <= UINT32_MAX ? rt_memory_grow(memory_of(instance, memory), (uint32_t)delta_pages) : UINT32_MAX;
    return old != UINT32_MAX ? old : UINT64_MAX;
}

void rt_op_memory_init_any(RtInstance *instance, uint32_t memory, uint32_t data_index, uint64_t dst, uint32_t src, uint32_t size)
{
    init_bytes(instance, memory_of(instance, memory), data_index, dst, src, size);
}

void rt_op_memory_copy_any(RtInstance *instance, uint32_t dst_memory, uint32_t src_memory, uint64_t dst, uint64_t src, uint64_t size)
{
    const RtMemory *to = memory_of(instance, dst_memory), *from = memory_of(instance, src_memory);
    bounds_check(instance, src, size, memory_bytes(from));
    bounds_check(instance, dst, size, memory_bytes(to));
    memmove(to->base + dst, from->base + src, size);
}

void rt_op_memory_fill_any(RtInstance *instance, uint32_t memory, uint64_t dst, uint32_t value, uint64_t size)
{
    const RtMemory *to = memory_of(instance, memory);
    bounds_check(instance, dst, size, memory_bytes(to));
    memset(to->base + dst, (int)(value & 0xff), size);
}
