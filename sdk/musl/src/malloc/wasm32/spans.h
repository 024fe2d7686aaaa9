/* SPDX-License-Identifier: Apache-2.0 */
/*
 * spans.h - small blocks in front of musl's allocator, which costs three times glibc's on them.
 *
 * Linear memory is cut into spans of 64 KiB. A span holds blocks of one class: 16, 32, ... 1024 bytes; class[address >> 16] says which, and
 * 0 says that the address belongs to musl's allocator. Blocks given back are kept in a list per class, last in, first out; memory of spans is
 * never returned. There are no threads in this libc yet, so there is no lock.
 */
#include <stdint.h>
#include <stddef.h>
#include <features.h>

#define SPAN_SHIFT 16
#define SPAN_SIZE (1u << SPAN_SHIFT)
#define SPAN_UNIT 16u
#define SPAN_LARGEST 1024u
#define SPAN_CLASSES (SPAN_LARGEST / SPAN_UNIT + 1)

extern hidden unsigned char __span_class[1u << (32 - SPAN_SHIFT)];
extern hidden void *__span_list[SPAN_CLASSES];

hidden void *__span_malloc(size_t);
hidden void *__span_carve(unsigned class);
hidden void *__libc_malloc_impl(size_t);

/* Blocks that musl's allocator maps one by one: the last few that were freed are kept and used again (large.c). */
#define LARGE_SMALLEST 131052u /* mallocng's MMAP_THRESHOLD */
hidden size_t __large_round(size_t); /* bytes to ask for, at least the argument */
hidden void *__large_take(size_t); /* NULL: none that fits */
hidden int __large_give(void *);   /* 0: not kept */
hidden void __large_drop(void);    /* memory is short */

static inline unsigned span_class_of(const void *p)
{
	return __span_class[(uintptr_t)p >> SPAN_SHIFT];
}
