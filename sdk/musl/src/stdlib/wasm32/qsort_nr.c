/* SPDX-License-Identifier: Apache-2.0 */
/*
 * qsort, qsort_r: merge sort from the top down. Equal elements keep their order, as in glibc, on which programs rely without knowing; and it
 * compares n log2 n - n times where musl's smoothsort, which needs no memory and is what remains when there is none, does twice as often.
 *
 *   [ left half | right half ]  sorted each, merged into space, copied back but for what is left of the right half
 *
 * Elements of more than 32 bytes are not moved: pointers to them are sorted, then each element goes to its place, once.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define STACK_SPACE 1024
#define DIRECT_WIDTH 32

typedef int compare2(const void *, const void *);
typedef int compare3(const void *, const void *, void *);
void __smoothsort_r(void *, size_t, size_t, compare3 *, void *);

typedef struct sort {
	compare2 *plain; /* or, when it is 0, the other with its argument */
	compare3 *with_argument;
	void *argument;
	size_t width; /* of what is moved */
	int is_indirect;
	char *space; /* count * width bytes */
} sort;

static inline int compare(const sort *s, const void *left, const void *right)
{
	if (s->is_indirect) left = *(void *const *)left, right = *(void *const *)right;
	return s->plain ? s->plain(left, right) : s->with_argument(left, right, s->argument);
}

__attribute__((__always_inline__)) static inline void merge(const sort *s, char *left, size_t left_count, size_t right_count, size_t width)
{
	char *const start = left, *right = left + left_count * width, *to = s->space;
	while (left_count && right_count) {
		if (compare(s, left, right) <= 0) {
			memcpy(to, left, width);
			left += width, left_count--;
		} else {
			memcpy(to, right, width);
			right += width, right_count--;
		}
		to += width;
	}
	memcpy(to, left, left_count * width);
	to += left_count * width;
	memcpy(start, s->space, to - s->space);
}

static void sort_range(const sort *s, char *start, size_t count)
{
	if (count < 2) return;
	const size_t half = count / 2;
	sort_range(s, start, half);
	sort_range(s, start + half * s->width, count - half);
	switch (s->width) {
	case 4: merge(s, start, half, count - half, 4); break;
	case 8: merge(s, start, half, count - half, 8); break;
	default: merge(s, start, half, count - half, s->width); break;
	}
}

/* order[i]: the element that belongs at place i. Each cycle of places is gone round once. */
static void move_to_places(char *base, char **order, size_t count, size_t width, char *element)
{
	for (size_t i = 0; i < count; i++) {
		if (order[i] == base + i * width) continue;
		memcpy(element, base + i * width, width);
		size_t place = i;
		for (char *from = order[i]; from != base + i * width; from = order[place]) {
			memcpy(base + place * width, from, width);
			order[place] = base + place * width;
			place = (from - base) / width;
		}
		memcpy(base + place * width, element, width);
		order[place] = base + place * width;
	}
}

static int plain_by_argument(const void *left, const void *right, void *function)
{
	return ((compare2 *)function)(left, right);
}

static void sort_all(sort *s, char *base, size_t count, size_t width)
{
	if (count < 2 || !width) return;
	s->is_indirect = width > DIRECT_WIDTH;
	s->width = s->is_indirect ? sizeof(char *) : width;
	char on_stack[STACK_SPACE] __attribute__((__aligned__(16)));
	size_t size;
	char *space = on_stack;
	/* Indirect: the pointers, the space for merging them, one element. */
	if (__builtin_mul_overflow(count, s->is_indirect ? 2 * sizeof(char *) : width, &size) ||
	    (s->is_indirect && __builtin_add_overflow(size, width, &size))) space = 0;
	if (space && size > sizeof on_stack) {
		const int saved = errno;
		space = malloc(size);
		errno = saved;
	}
	if (!space) {
		__smoothsort_r(base, count, width, s->plain ? plain_by_argument : s->with_argument, s->plain ? (void *)s->plain : s->argument);
		return;
	}
	if (s->is_indirect) {
		char **order = (char **)space;
		s->space = (char *)(order + count);
		for (size_t i = 0; i < count; i++) order[i] = base + i * width;
		sort_range(s, space, count);
		move_to_places(base, order, count, width, s->space + count * sizeof(char *));
	} else {
		s->space = space;
		sort_range(s, base, count);
	}
	if (space != on_stack) free(space);
}

void qsort(void *base, size_t count, size_t width, compare2 *function)
{
	sort_all(&(sort){.plain = function}, base, count, width);
}

void __qsort_r(void *base, size_t count, size_t width, compare3 *function, void *argument)
{
	sort_all(&(sort){.with_argument = function, .argument = argument}, base, count, width);
}

extern __typeof__(__qsort_r) qsort_r __attribute__((__weak__, __alias__("__qsort_r")));
