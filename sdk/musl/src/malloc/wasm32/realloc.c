/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>
#include "spans.h"

void *realloc(void *p, size_t n)
{
	if (!p) return malloc(n);
	const unsigned class = span_class_of(p);
	if (!class && n > SPAN_LARGEST) return __libc_realloc(p, n);
	size_t kept = n; /* from a large block to a small one: all that is wanted is there */
	if (class) {
		const size_t size = class * SPAN_UNIT;
		if (n <= size && (n > size / 2 || size <= 64)) return p;
		if (size < n) kept = size;
	}
	void *moved = malloc(n);
	if (!moved) return 0;
	memcpy(moved, p, kept);
	free(p);
	return moved;
}
