/* SPDX-License-Identifier: Apache-2.0 */
/*
 * large.c - blocks of 128 KiB and more that were freed, kept to be used again.
 *
 * musl's allocator maps each of them and unmaps it: a program that makes and drops strings of that size (jq's join) spends its time in page faults;
 * glibc raises its threshold for such programs. Kept are the last four of at most 8 MiB, 16 MiB in all; the oldest goes first.
 */
#include <stdlib.h>
#include <malloc.h>
#include "atomic.h"
#include "spans.h"

#define KEPT_COUNT 4
#define KEPT_LARGEST (8u << 20)
#define KEPT_TOTAL (16u << 20)
#define MAPPED_EXTRA 20u /* mallocng: header and end */

static struct { void *p; size_t size; } kept[KEPT_COUNT]; /* oldest first, p 0 behind the last */
static size_t total;

static void *kept_remove(int i)
{
	void *p = kept[i].p;
	total -= kept[i].size;
	for (; i + 1 < KEPT_COUNT; i++) kept[i] = kept[i + 1];
	kept[KEPT_COUNT - 1].p = 0;
	return p;
}

/*
 * A sixteenth more at most, to a step that grows with n: the block then also serves the next somewhat longer string. What is not
 * touched costs address space only. mallocng adds 20 bytes, which still have to fit the last page.
 */
size_t __large_round(size_t n)
{
	if (n > KEPT_LARGEST - KEPT_LARGEST / 8) return n;
	const size_t step = (size_t)1 << (27 - __builtin_clz(n));
	return ((n + MAPPED_EXTRA + step - 1) & -step) - MAPPED_EXTRA;
}

void *__large_take(size_t n)
{
	int best = -1;
	for (int i = 0; i < KEPT_COUNT && kept[i].p; i++) {
		const size_t size = kept[i].size;
		if (size >= n && size - n <= n / 4 && (best < 0 || size < kept[best].size)) best = i;
	}
	return best < 0 ? 0 : kept_remove(best);
}

int __large_give(void *p)
{
	const size_t size = malloc_usable_size(p); /* checks that p is a block */
	if (size < LARGE_SMALLEST || size > KEPT_LARGEST) return 0;
	int count = 0;
	for (; count < KEPT_COUNT && kept[count].p; count++)
		if (kept[count].p == p) a_crash(); /* freed twice */
	while (count == KEPT_COUNT || total + size > KEPT_TOTAL) {
		__libc_free(kept_remove(0));
		count--;
	}
	kept[count].p = p;
	kept[count].size = size;
	total += size;
	return 1;
}

void __large_drop(void)
{
	while (kept[0].p) __libc_free(kept_remove(0));
}
