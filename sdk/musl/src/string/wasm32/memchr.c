/* SPDX-License-Identifier: Apache-2.0 */
/* The tail is done bytewise, so nothing behind the buffer is touched. */
#include "simd16.h"

SIMD void *memchr(const void *src, int c, size_t n)
{
	const unsigned char *s = src;
	const bytes16 wanted = SPLAT16(c);
	c = (unsigned char)c;
	for (; n >= 16; s += 16, n -= 16) {
		const bytes16 equal = *(const bytes16_unaligned *)s == wanted;
		if (ANY16(equal)) return (void *)(s + __builtin_ctz(BITS16(equal)));
	}
	for (; n; s++, n--) if (*s == c) return (void *)s;
	return 0;
}
