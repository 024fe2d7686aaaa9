/* SPDX-License-Identifier: Apache-2.0 */
/*
 * strcspn, and through it strpbrk, strsep and strtok. A set of up to sixteen bytes, the usual case, is compared with sixteen bytes of the string at a
 * time; musl's bit map, nine bytes of which must be set one after the other through memory, serves larger ones.
 */
#include "simd16.h"

static size_t span_by_map(const char *s, const char *set)
{
	const char *a = s;
	uint64_t map[4] = {1, 0, 0, 0};
	for (; *set; set++) map[(unsigned char)*set / 64] |= 1ull << (unsigned char)*set % 64;
	while (!(map[(unsigned char)*s / 64] >> (unsigned char)*s % 64 & 1)) s++;
	return s - a;
}

SIMD size_t strcspn(const char *s, const char *set)
{
	const uintptr_t offset = (uintptr_t)s & 15;
	const char *block = s - offset, *c;
	bytes16 bytes = *(const bytes16_aligned *)block;
	bytes16 found = bytes == SPLAT16(0);
	for (c = set; *c; c++) {
		if (c - set == 16) return span_by_map(s, set);
		found |= bytes == SPLAT16(*c);
	}
	const uint32_t mask = BITS16(found) >> offset;
	if (mask) return __builtin_ctz(mask);
	for (;;) {
		block += 16;
		bytes = *(const bytes16_aligned *)block;
		found = bytes == SPLAT16(0);
		for (c = set; *c; c++) found |= bytes == SPLAT16(*c);
		if (ANY16(found)) return block - s + __builtin_ctz(BITS16(found));
	}
}
