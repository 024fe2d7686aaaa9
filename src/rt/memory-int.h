/* SPDX-License-Identifier: Apache-2.0 */
/*
 * memory-int.h - linear memories inside of src/rt: the list of them, and what compiled code calls. Included by rt-int.h.
 */
#pragma once

#include <stdint.h>

#include "abi/abi.h"
#include "base/error.h"

typedef struct MemoryMap MemoryMap;
struct MemoryMap {
    RtMemory memory;      /* first: RtMemory * and MemoryMap * are the same address */
    uint32_t lock;        /* 0 free; growth of shared memories */
    uint32_t reserved;
    uint64_t reservation; /* bytes of address space from the base */
    MemoryMap *next;      /* all memories of the process: read by the signal handler */
};

/* memory_reset() - fresh zeroed memory of new limits on the same reservation (execve). */
int memory_reset(MemoryMap *map, const RtMemoryDesc *desc, uint64_t byte_limit) WARN_UNUSED;
/* memory_find() - the memory whose reservation has address. Safe: async-signal. */
const MemoryMap *memory_find(uint64_t address);
uint64_t memory_size(const RtInstance *instance); /* bytes of memory 0 */
uint64_t memory_bytes(const RtMemory *memory);
RtMemory *memory_of(const RtInstance *instance, uint32_t index);
void memory_after_fork(void); /* nobody of the child holds a lock */

/* --- runtime functions, in RtRuntime's order; rt_op_data_drop() too --- */

uint32_t rt_op_memory_grow(RtInstance *instance, uint32_t delta_pages);
void rt_op_memory_init(RtInstance *instance, uint32_t data_index, uint32_t dst, uint32_t src, uint32_t size);
void rt_op_memory_copy(RtInstance *instance, uint32_t dst, uint32_t src, uint32_t size);
void rt_op_memory_fill(RtInstance *instance, uint32_t dst, uint32_t value, uint32_t size);
void rt_op_data_drop(RtInstance *instance, uint32_t data_index);
uint64_t rt_op_memory_grow_any(RtInstance *instance, uint32_t memory, uint64_t delta_pages);
void rt_op_memory_init_any(RtInstance *instance, uint32_t memory, uint32_t data_index, uint64_t dst, uint32_t src, uint32_t size);
void rt_op_memory_copy_any(RtInstance *instance, uint32_t dst_memory, uint32_t src_memory, uint64_t dst, uint64_t src, uint64_t size);
void rt_op_memory_fill_any(RtInstance *instance, uint32_t memory, uint64_t dst, uint32_t value, uint64_t size);
