/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include "libc.h"
#include "spans.h"

void *__span_malloc(size_t n)
{
	if (n >= LARGE_SMALLEST) {
		void *kept = __large_take(n);
		if (kept) return kept;
		void *fresh = __libc_malloc_impl(__large_round(n));
		if (fresh) return fresh;
		__large_drop();
	}
	if (n > SPAN_LARGEST) return __libc_malloc_impl(n);
	const unsigned class = n ? (n + SPAN_UNIT - 1) / SPAN_UNIT : 1;
	void *p = __span_list[class];
	if (!p) return __span_carve(class);
	__span_list[class] = *(void **)p;
	return p;
}

weak_alias(__span_malloc, malloc);

void *__libc_malloc(size_t n)
{
	return __libc_malloc_impl(n);
}
