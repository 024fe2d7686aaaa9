/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include "atomic.h"
#include "spans.h"

void free(void *p)
{
	if (!p) return;
	const unsigned class = span_class_of(p);
	if (!class) {
		if (!__large_give(p)) __libc_free(p);
		return;
	}
	if (p == __span_list[class]) a_crash(); /* freed twice in a row */
	*(void **)p = __span_list[class];
	__span_list[class] = p;
}
