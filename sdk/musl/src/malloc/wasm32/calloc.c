/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "spans.h"

hidden void *__libc_calloc(size_t, size_t);

void *calloc(size_t m, size_t n)
{
	if (n && m > (size_t)-1/n) {
		errno = ENOMEM;
		return 0;
	}
	n *= m;
	/* Large blocks are often fresh pages, which musl's allocator knows to be zero; a program's own malloc is asked in any case. */
	if (n > SPAN_LARGEST && (void *(*)(size_t))malloc == __span_malloc) return __libc_calloc(1, n);
	void *p = malloc(n);
	return p ? memset(p, 0, n) : 0;
}
