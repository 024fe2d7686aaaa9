/* SPDX-License-Identifier: Apache-2.0 */
/* As strftime: the format as bytes of the locale, and back. */
#include <limits.h>
#include <locale.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>
#include <wchar.h>
#include "locale_impl.h"

hidden size_t __strftime_l(char *restrict, size_t, const char *restrict, const struct tm *restrict, locale_t);

size_t __wcsftime_l(wchar_t *restrict s, size_t n, const wchar_t *restrict f, const struct tm *restrict tm, locale_t loc)
{
	const size_t format_size = wcstombs(0, f, 0);
	if (format_size == (size_t)-1 || n > SIZE_MAX / MB_LEN_MAX) return 0;
	char *format = malloc(format_size + 1), *text = malloc(n * MB_LEN_MAX);
	size_t size = 0;
	if (format && text && wcstombs(format, f, format_size + 1) != (size_t)-1 && __strftime_l(text, n * MB_LEN_MAX, format, tm, loc)) {
		size = mbstowcs(s, text, n);
		if (size == (size_t)-1 || size >= n) size = 0;
	}
	free(format);
	free(text);
	return size;
}

size_t wcsftime(wchar_t *restrict s, size_t n, const wchar_t *restrict f, const struct tm *restrict tm)
{
	return __wcsftime_l(s, n, f, tm, CURRENT_LOCALE);
}

weak_alias(__wcsftime_l, wcsftime_l);
