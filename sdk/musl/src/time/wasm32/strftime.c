/* SPDX-License-Identifier: Apache-2.0 */
/*
 * strftime as glibc has it (date(1), strftime(3)): %[_-0^#][width][E|O]conversion. What is no conversion stays in the text as it was written.
 * Numbers are filled to their own digits first and then to the width; years have no digits of their own (%Y of 102 is "102").
 */
#include <ctype.h>
#include <langinfo.h>
#include <limits.h>
#include <locale.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include "locale_impl.h"
#include "../time_impl.h"

struct out {
	char *text; /* NULL: only counted */
	size_t size, used;
	int is_full;
	locale_t locale;
};

struct conversion {
	char pad, modifier, letter;
	int is_upper, is_changed, width; /* ^ # */
};

static void put(struct out *out, const char *text, size_t size)
{
	if (out->is_full || size >= out->size - out->used) {
		out->is_full = 1;
		return;
	}
	if (out->text) memcpy(out->text + out->used, text, size);
	out->used += size;
}

static void fill(struct out *out, char c, long long count)
{
	for (; count > 0 && !out->is_full; count--) put(out, &c, 1);
}

static void put_string(struct out *out, const struct conversion *c, const char *text, size_t size, int to_upper, int to_lower)
{
	const size_t start = out->used + (c->width > 0 && (size_t)c->width > size ? c->width - size : 0);
	fill(out, c->pad == '0' ? '0' : ' ', (long long)c->width - (long long)size);
	put(out, text, size);
	if (!out->text || out->is_full) return;
	for (size_t i = start; i < out->used; i++) {
		if (to_lower) out->text[i] = tolower((unsigned char)out->text[i]);
		else if (to_upper) out->text[i] = toupper((unsigned char)out->text[i]);
	}
}

static void put_number(struct out *out, const struct conversion *c, int digits, long long value, char pad_default)
{
	char text[24], *first = text + sizeof text, *end = first;
	const char pad = c->pad ? c->pad : pad_default;
	const char fills = pad == '_' || pad == '-' ? ' ' : '0';
	unsigned long long rest = value < 0 ? -(unsigned long long)value : value;
	const char sign = value < 0 ? '-' : 0;
	do *--first = '0' + rest % 10; while (rest /= 10);
	const int size = end - first;
	long long count = (pad == '-' ? 0 : digits) - size - !!sign;
	if (count < 0) count = 0;
	const long long wide = c->width - size - !!sign;
	if (count < wide) count = wide;
	if (fills == ' ') fill(out, ' ', count);
	if (sign) put(out, &sign, 1);
	if (fills == '0') fill(out, '0', count);
	put(out, first, size);
}

static int is_leap(long long year)
{
	return !(year % 4) && (year % 100 || !(year % 400));
}

/* ISO 8601: days since the Monday of week 1 of the year that the day belongs to; the year moves. */
static int iso_week(const struct tm *tm, long long *year)
{
	const int yday = tm->tm_yday, wday = tm->tm_wday;
	*year = tm->tm_year + 1900LL;
	int days = yday - (yday - wday + 382) % 7 + 3; /* 382: a multiple of 7 above 366, and a Thursday */
	if (days < 0) {
		--*year;
		const int y = yday + 365 + is_leap(*year);
		days = y - (y - wday + 382) % 7 + 3;
	} else {
		const int y = yday - (365 + is_leap(*year));
		const int next = y - (y - wday + 382) % 7 + 3;
		if (next >= 0) {
			++*year;
			days = next;
		}
	}
	return days / 7 + 1;
}

static void format(struct out *out, const char *f, const struct tm *tm);

static void put_format(struct out *out, const struct conversion *c, const char *f, const struct tm *tm)
{
	struct out counted = {.size = SIZE_MAX, .locale = out->locale};
	format(&counted, f, tm);
	const long long missing = c->width - (long long)counted.used;
	if (missing > 0) fill(out, c->pad == '0' ? '0' : ' ', missing);
	const size_t start = out->used;
	format(out, f, tm);
	for (size_t i = start; c->is_upper && out->text && !out->is_full && i < out->used; i++)
		out->text[i] = toupper((unsigned char)out->text[i]);
}

static const char *name_of(struct out *out, int first, int index, int count)
{
	return index < 0 || index >= count ? "?" : __nl_langinfo_l(first + index, out->locale);
}

static const char *zone_of(const struct tm *tm)
{
	const char *zone = __tm_to_tzname(tm);
	return zone ? zone : "";
}

/* Names and texts. Return: 0 when the letter is none of them. */
static int put_text(struct out *out, const struct conversion *c, const struct tm *tm)
{
	const char *text = 0;
	int upper = c->is_upper, lower = 0;
	switch (c->letter) {
	case 'a': text = name_of(out, ABDAY_1, tm->tm_wday, 7); upper |= c->is_changed; break;
	case 'A': text = name_of(out, DAY_1, tm->tm_wday, 7); upper |= c->is_changed; break;
	case 'b': case 'h': text = name_of(out, ABMON_1, tm->tm_mon, 12); upper |= c->is_changed; break;
	case 'B': text = name_of(out, MON_1, tm->tm_mon, 12); upper |= c->is_changed; break;
	case 'n': text = "\n"; break;
	case 't': text = "\t"; break;
	case '%': text = "%"; break;
	case 'P':
	case 'p':
		text = __nl_langinfo_l(tm->tm_hour > 11 ? PM_STR : AM_STR, out->locale);
		lower = c->letter == 'P' || c->is_changed;
		if (lower) upper = 0;
		break;
	case 'Z':
		text = zone_of(tm);
		lower = c->is_changed;
		if (lower) upper = 0;
		break;
	default: return 0;
	}
	put_string(out, c, text, strlen(text), upper, lower);
	return 1;
}

static int put_recursive(struct out *out, const struct conversion *c, const struct tm *tm)
{
	const char *f;
	switch (c->letter) {
	case 'c': f = __nl_langinfo_l(D_T_FMT, out->locale); break;
	case 'D': f = "%m/%d/%y"; break;
	case 'F': f = "%Y-%m-%d"; break;
	case 'r': f = __nl_langinfo_l(T_FMT_AMPM, out->locale); break;
	case 'R': f = "%H:%M"; break;
	case 'T': f = "%H:%M:%S"; break;
	case 'x': f = __nl_langinfo_l(D_FMT, out->locale); break;
	case 'X': f = __nl_langinfo_l(T_FMT, out->locale); break;
	default: return 0;
	}
	put_format(out, c, f, tm);
	return 1;
}

static int hour_of_12(const struct tm *tm)
{
	return tm->tm_hour > 12 ? tm->tm_hour - 12 : tm->tm_hour ? tm->tm_hour : 12;
}

static void put_zone(struct out *out, const struct conversion *c, const struct tm *tm)
{
	if (tm->tm_isdst < 0) return;
	const long minutes = tm->__tm_gmtoff / 60;
	const char sign = minutes < 0 || tm->__tm_gmtoff < 0 ? '-' : '+';
	const long size = minutes < 0 ? -minutes : minutes;
	put_string(out, c, &sign, 1, 0, 0);
	put_number(out, c, 4, size / 60 * 100 + size % 60, 0);
}

static int put_numeric(struct out *out, const struct conversion *c, const struct tm *tm)
{
	const long long year = tm->tm_year + 1900LL;
	long long iso;
	struct tm copy = *tm;
	char seconds[24];
	switch (c->letter) {
	case 'C': put_number(out, c, 1, year / 100 - (year % 100 < 0), 0); break;
	case 'd': put_number(out, c, 2, tm->tm_mday, 0); break;
	case 'e': put_number(out, c, 2, tm->tm_mday, '_'); break;
	case 'g': iso_week(tm, &iso); put_number(out, c, 2, (iso % 100 + 100) % 100, 0); break;
	case 'G': iso_week(tm, &iso); put_number(out, c, 1, iso, 0); break;
	case 'H': put_number(out, c, 2, tm->tm_hour, 0); break;
	case 'I': put_number(out, c, 2, hour_of_12(tm), 0); break;
	case 'j': put_number(out, c, 3, tm->tm_yday + 1LL, 0); break;
	case 'k': put_number(out, c, 2, tm->tm_hour, '_'); break;
	case 'l': put_number(out, c, 2, hour_of_12(tm), '_'); break;
	case 'm': put_number(out, c, 2, tm->tm_mon + 1LL, 0); break;
	case 'M': put_number(out, c, 2, tm->tm_min, 0); break;
	case 's': put_string(out, c, seconds, sprintf(seconds, "%lld", (long long)mktime(&copy)), 0, 0); break;
	case 'S': put_number(out, c, 2, tm->tm_sec, 0); break;
	case 'u': put_number(out, c, 1, (tm->tm_wday - 1 + 7) % 7 + 1, 0); break;
	case 'U': put_number(out, c, 2, (tm->tm_yday - tm->tm_wday + 7) / 7, 0); break;
	case 'V': put_number(out, c, 2, iso_week(tm, &iso), 0); break;
	case 'w': put_number(out, c, 1, tm->tm_wday, 0); break;
	case 'W': put_number(out, c, 2, (tm->tm_yday - (tm->tm_wday - 1 + 7) % 7 + 7) / 7, 0); break;
	case 'y': put_number(out, c, 2, (tm->tm_year % 100 + 100) % 100, 0); break;
	case 'Y': put_number(out, c, 1, year, 0); break;
	case 'z': put_zone(out, c, tm); break;
	default: return 0;
	}
	return 1;
}

static int is_modifier_good(const struct conversion *c)
{
	if (!c->modifier) return 1;
	if (c->modifier == 'E') return !!strchr("cCxXyYnpPrRstTuzZ%", c->letter);
	return !!strchr("bBhCdeHIjklmMSUVwWyGgnpPrRstTuzZ%", c->letter);
}

static void format(struct out *out, const char *f, const struct tm *tm)
{
	for (; *f && !out->is_full; f++) {
		const char *start = f;
		if (*f != '%') {
			put(out, f, 1);
			continue;
		}
		struct conversion c = {.width = -1};
		for (;;) {
			f++;
			if (*f && strchr("_-0", *f)) c.pad = *f;
			else if (*f == '^') c.is_upper = 1;
			else if (*f == '#') c.is_changed = 1;
			else break;
		}
		if (isdigit(*f)) {
			for (c.width = 0; isdigit(*f); f++)
				c.width = c.width > (INT_MAX - 9) / 10 ? INT_MAX - 1 : c.width * 10 + *f - '0';
		}
		if (*f == 'E' || *f == 'O') c.modifier = *f++;
		c.letter = *f;
		if (*f && is_modifier_good(&c) && (put_text(out, &c, tm) || put_recursive(out, &c, tm) || put_numeric(out, &c, tm))) continue;
		if (!*f) f--;
		put_string(out, &c, start, f - start + 1, c.is_upper, 0);
	}
}

size_t __strftime_l(char *restrict s, size_t n, const char *restrict f, const struct tm *restrict tm, locale_t loc)
{
	struct out out = {.text = s, .size = n, .is_full = !n, .locale = loc};
	format(&out, f, tm);
	if (n) s[out.is_full ? n - 1 : out.used] = 0;
	return out.is_full ? 0 : out.used;
}

size_t strftime(char *restrict s, size_t n, const char *restrict f, const struct tm *restrict tm)
{
	return __strftime_l(s, n, f, tm, CURRENT_LOCALE);
}

weak_alias(__strftime_l, strftime_l);
