/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include "../meta.h"
#undef malloc
#undef free
#undef realloc
#include "../../wasm32/spans.h"

size_t malloc_usable_size(void *p)
{
	if (!p) return 0;
	const unsigned class = span_class_of(p);
	if (class) return class * SPAN_UNIT;
	struct meta *g = get_meta(p);
	int idx = get_slot_index(p);
	size_t stride = get_stride(g);
	unsigned char *start = g->mem->storage + stride*idx;
	unsigned char *end = start + stride - IB;
	return get_nominal_size(p, end);
}
