/* SPDX-License-Identifier: Apache-2.0 */
#include <sys/mman.h>
#include "spans.h"

#define REGION_SIZE (1u << 20)

hidden unsigned char __span_class[1u << (32 - SPAN_SHIFT)];
hidden void *__span_list[SPAN_CLASSES];
static struct { char *next, *end; } fresh[SPAN_CLASSES];
static char *region, *region_end;

hidden void *__mmap(void *, size_t, int, int, int, off_t);

/* A block that was never used, from the class's newest span. The list is empty. */
void *__span_carve(unsigned class)
{
	const size_t size = class * SPAN_UNIT;
	if ((size_t)(fresh[class].end - fresh[class].next) < size) {
		if (region == region_end) {
			char *p = __mmap(0, REGION_SIZE, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS, -1, 0);
			if (p == MAP_FAILED) return __libc_malloc_impl(size);
			region = p + (-(uintptr_t)p & (SPAN_SIZE - 1));
			region_end = region + (p + REGION_SIZE - region) / SPAN_SIZE * SPAN_SIZE;
		}
		__span_class[(uintptr_t)region >> SPAN_SHIFT] = class;
		fresh[class].next = region;
		fresh[class].end = region + SPAN_SIZE;
		region += SPAN_SIZE;
	}
	void *p = fresh[class].next;
	fresh[class].next += size;
	return p;
}
