/* SPDX-License-Identifier: Apache-2.0 */
/* Eight bytes at a time: linear memory takes unaligned loads, and the first difference is found with a byte swap. */
#include <string.h>
#include <stdint.h>

typedef uint64_t __attribute__((__may_alias__, __aligned__(1))) word;

int memcmp(const void *left, const void *right, size_t n)
{
	const unsigned char *l = left, *r = right;
	for (; n >= 8; l += 8, r += 8, n -= 8) {
		uint64_t a = *(const word *)l, b = *(const word *)r;
		if (a != b) {
			a = __builtin_bswap64(a), b = __builtin_bswap64(b);
			return a < b ? -1 : 1;
		}
	}
	for (; n; l++, r++, n--) if (*l != *r) return *l - *r;
	return 0;
}
