/* SPDX-License-Identifier: Apache-2.0 */
/* strchr is this and a look at what was found. */
#include "simd16.h"

SIMD char *__strchrnul(const char *s, int c)
{
	const uintptr_t offset = (uintptr_t)s & 15;
	const char *block = s - offset;
	const bytes16 wanted = SPLAT16(c);
	bytes16 bytes = *(const bytes16_aligned *)block;
	const uint32_t mask = BITS16((bytes == SPLAT16(0)) | (bytes == wanted)) >> offset;
	if (mask) return (char *)s + __builtin_ctz(mask);
	for (;;) {
		block += 16;
		bytes = *(const bytes16_aligned *)block;
		const bytes16 found = (bytes == SPLAT16(0)) | (bytes == wanted);
		if (ANY16(found)) return (char *)block + __builtin_ctz(BITS16(found));
	}
}

weak_alias(__strchrnul, strchrnul);
