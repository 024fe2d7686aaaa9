/* SPDX-License-Identifier: Apache-2.0 */
#include "simd16.h"

SIMD size_t strlen(const char *s)
{
	const uintptr_t offset = (uintptr_t)s & 15;
	const char *block = s - offset;
	const uint32_t mask = BITS16(*(const bytes16_aligned *)block == SPLAT16(0)) >> offset;
	if (mask) return __builtin_ctz(mask);
	for (;;) {
		block += 16;
		const bytes16 equal = *(const bytes16_aligned *)block == SPLAT16(0);
		if (ANY16(equal)) return block - s + __builtin_ctz(BITS16(equal));
	}
}
