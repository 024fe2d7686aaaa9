/* SPDX-License-Identifier: Apache-2.0 */
/* As strcspn: sets of up to sixteen bytes sixteen bytes of the string at a time. The string's end is in no set. */
#include "simd16.h"

static size_t span_by_map(const char *s, const char *set)
{
	const char *a = s;
	uint64_t map[4] = {0, 0, 0, 0};
	for (; *set; set++) map[(unsigned char)*set / 64] |= 1ull << (unsigned char)*set % 64;
	while (map[(unsigned char)*s / 64] >> (unsigned char)*s % 64 & 1) s++;
	return s - a;
}

SIMD size_t strspn(const char *s, const char *set)
{
	const uintptr_t offset = (uintptr_t)s & 15;
	const char *block = s - offset, *c;
	bytes16 bytes = *(const bytes16_aligned *)block;
	bytes16 found = SPLAT16(0);
	for (c = set; *c; c++) {
		if (c - set == 16) return span_by_map(s, set);
		found |= bytes == SPLAT16(*c);
	}
	uint32_t mask = (BITS16(found) ^ 0xffff) >> offset;
	if (mask) return __builtin_ctz(mask);
	for (;;) {
		block += 16;
		bytes = *(const bytes16_aligned *)block;
		found = SPLAT16(0);
		for (c = set; *c; c++) found |= bytes == SPLAT16(*c);
		mask = BITS16(found) ^ 0xffff;
		if (mask) return block - s + __builtin_ctz(mask);
	}
}
