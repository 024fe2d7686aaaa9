/* SPDX-License-Identifier: Apache-2.0 */
/*
 * strptime as glibc has it: flags and widths of strftime are passed over, numbers may be preceded by spaces, and what follows from the date (weekday, day of
 * the year, or the date from the day or the week of the year) is filled in at the end.
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <langinfo.h>
#include <string.h>
#include <strings.h>
#include <time.h>

struct seen {
	const char *text;
	struct tm *tm;
	int is_12, is_afternoon, century, wants_century, week;
	int is_date, has_wday, has_yday, has_mon, has_mday, has_week; /* has_week: 'U' or 'W' */
};

static int is_leap(int year)
{
	return !(year % 4) && (year % 100 || !(year % 400));
}

static int days_before(int mon, int leap)
{
	static const short days[13] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365};
	return days[mon] + (leap && mon > 1);
}

static int number(struct seen *seen, int from, int to, int digits, int *value)
{
	while (isspace((unsigned char)*seen->text)) seen->text++;
	if (!isdigit((unsigned char)*seen->text)) return 0;
	*value = 0;
	do *value = *value * 10 + *seen->text++ - '0';
	while (--digits > 0 && *value * 10 <= to && isdigit((unsigned char)*seen->text));
	return *value >= from && *value <= to;
}

/* One of count names, whole or short; the longer one that fits. */
static int name(struct seen *seen, int whole, int abbreviated, int count, int *value)
{
	for (int kind = 0; kind < 2; kind++) {
		for (int i = 0; i < count; i++) {
			const char *text = nl_langinfo((kind ? abbreviated : whole) + i);
			const size_t size = strlen(text);
			if (strncasecmp(seen->text, text, size)) continue;
			seen->text += size;
			*value = i;
			return 1;
		}
	}
	return 0;
}

static int half_of_day(struct seen *seen)
{
	for (int i = 0; i < 2; i++) {
		const char *text = nl_langinfo(i ? PM_STR : AM_STR);
		const size_t size = strlen(text);
		if (strncasecmp(seen->text, text, size)) continue;
		seen->text += size;
		seen->is_afternoon = i;
		return 1;
	}
	return 0;
}

/* [+-]hh, [+-]hhmm, [+-]hh:mm or Z */
static int zone_offset(struct seen *seen)
{
	while (isspace((unsigned char)*seen->text)) seen->text++;
	if (*seen->text == 'Z') {
		seen->text++;
		seen->tm->tm_gmtoff = 0;
		return 1;
	}
	const char sign = *seen->text;
	int count = 0, value = 0;
	if (sign != '+' && sign != '-') return 0;
	for (seen->text++; count < 4 && isdigit((unsigned char)*seen->text); ) {
		value = value * 10 + *seen->text++ - '0';
		if (++count == 2 && *seen->text == ':' && isdigit((unsigned char)seen->text[1])) seen->text++;
	}
	if (count == 2) value *= 100;
	else if (count != 4) return 0;
	if (value % 100 >= 60) return 0;
	const long seconds = value / 100 * 3600L + value % 100 * 60;
	seen->tm->tm_gmtoff = sign == '-' ? -seconds : seconds;
	return 1;
}

static int epoch_seconds(struct seen *seen)
{
	time_t seconds = 0;
	if (!isdigit((unsigned char)*seen->text)) return 0;
	do {
		if (__builtin_mul_overflow(seconds, 10, &seconds) || __builtin_add_overflow(seconds, *seen->text - '0', &seconds)) return 0;
	} while (isdigit((unsigned char)*++seen->text));
	return !!localtime_r(&seconds, seen->tm);
}

static int parse(struct seen *seen, const char *format);

static int parse_date(struct seen *seen, char letter)
{
	struct tm *tm = seen->tm;
	int value;
	seen->is_date = 1;
	switch (letter) {
	case 'b': case 'B': case 'h': return (seen->has_mon = name(seen, MON_1, ABMON_1, 12, &tm->tm_mon));
	case 'c': return parse(seen, "%a %b %e %H:%M:%S %Y");
	case 'C': return number(seen, 0, 99, 2, &seen->century);
	case 'd': case 'e': return (seen->has_mday = number(seen, 1, 31, 2, &tm->tm_mday));
	case 'D': case 'x': return parse(seen, "%m/%d/%y");
	case 'F': return parse(seen, "%Y-%m-%d");
	case 'm':
		seen->has_mon = number(seen, 1, 12, 2, &value);
		if (seen->has_mon) tm->tm_mon = value - 1;
		return seen->has_mon;
	case 'y':
		if (!number(seen, 0, 99, 2, &value)) return 0;
		tm->tm_year = value >= 69 ? value : value + 100;
		seen->wants_century = 1;
		return 1;
	case 'Y':
		if (!number(seen, 0, 9999, 4, &value)) return 0;
		tm->tm_year = value - 1900;
		seen->wants_century = 0;
		return 1;
	default: return 0;
	}
}

static int parse_week(struct seen *seen, char letter)
{
	int value;
	switch (letter) {
	case 'a': case 'A': return (seen->has_wday = name(seen, DAY_1, ABDAY_1, 7, &seen->tm->tm_wday));
	case 'g': return number(seen, 0, 99, 2, &value);
	case 'G':
		if (!isdigit((unsigned char)*seen->text)) return 0;
		while (isdigit((unsigned char)*seen->text)) seen->text++;
		return 1;
	case 'j':
		if (!number(seen, 1, 366, 3, &value)) return 0;
		seen->tm->tm_yday = value - 1;
		return (seen->has_yday = 1);
	case 'u':
		if (!number(seen, 1, 7, 1, &value)) return 0;
		seen->tm->tm_wday = value % 7;
		return (seen->has_wday = 1);
	case 'U': case 'W':
		if (!number(seen, 0, 53, 2, &seen->week)) return 0;
		return (seen->has_week = letter);
	case 'V': return number(seen, 0, 53, 2, &value);
	case 'w': return (seen->has_wday = number(seen, 0, 6, 1, &seen->tm->tm_wday));
	default: return 0;
	}
}

static int parse_time(struct seen *seen, char letter)
{
	int value;
	switch (letter) {
	case 'H': case 'k':
		seen->is_12 = 0;
		return number(seen, 0, 23, 2, &seen->tm->tm_hour);
	case 'I': case 'l':
		if (!number(seen, 1, 12, 2, &value)) return 0;
		seen->tm->tm_hour = value % 12;
		return (seen->is_12 = 1);
	case 'M': return number(seen, 0, 59, 2, &seen->tm->tm_min);
	case 'p': return half_of_day(seen);
	case 'r': return parse(seen, "%I:%M:%S %p");
	case 'R': return parse(seen, "%H:%M");
	case 's': return epoch_seconds(seen);
	case 'S': return number(seen, 0, 61, 2, &seen->tm->tm_sec);
	case 'T': case 'X': return parse(seen, "%H:%M:%S");
	case 'z': return zone_offset(seen);
	case 'Z': /* read, not understood */
		while (isspace((unsigned char)*seen->text)) seen->text++;
		while (*seen->text && !isspace((unsigned char)*seen->text)) seen->text++;
		return 1;
	default: return 0;
	}
}

static int parse_one(struct seen *seen, char letter)
{
	if (letter == 'n' || letter == 't') {
		while (isspace((unsigned char)*seen->text)) seen->text++;
		return 1;
	}
	if (letter == '%') return *seen->text++ == '%';
	if (letter && strchr("bBhcCdeDxFmyY", letter)) return parse_date(seen, letter);
	if (letter && strchr("aAgGjuUWVw", letter)) return parse_week(seen, letter);
	return letter && parse_time(seen, letter);
}

static int parse(struct seen *seen, const char *f)
{
	for (; *f; f++) {
		if (isspace((unsigned char)*f)) {
			while (isspace((unsigned char)*seen->text)) seen->text++;
			continue;
		}
		if (*f != '%') {
			if (*seen->text++ != *f) return 0;
			continue;
		}
		do f++; while (*f && strchr("-_0^#", *f));
		while (isdigit((unsigned char)*f)) f++;
		if (*f == 'E' || *f == 'O') {
			const char *allowed = *f++ == 'E' ? "cCyYxX" : "bBdeHImMSUWVwy";
			if (!*f || !strchr(allowed, *f)) return 0;
		}
		if (!parse_one(seen, *f)) return 0;
	}
	return 1;
}

static void set_wday(struct tm *tm)
{
	const int year = tm->tm_year + 1900 - (tm->tm_mon < 2);
	const int wday = -473 + 365 * (tm->tm_year - 70) + year / 4 - (year / 4 / 25 - (year / 4 % 25 < 0)) + year / 4 / 25 / 4 +
		days_before(tm->tm_mon, 0) + tm->tm_mday - 1;
	tm->tm_wday = (wday % 7 + 7) % 7;
}

/* Month and day from the day of the year. */
static void set_month(struct seen *seen)
{
	struct tm *tm = seen->tm;
	const int leap = is_leap(tm->tm_year + 1900);
	int mon = 0;
	while (mon < 12 && days_before(mon, leap) <= tm->tm_yday) mon++;
	if (!seen->has_mon) tm->tm_mon = mon - 1;
	if (!seen->has_mday) tm->tm_mday = tm->tm_yday - days_before(mon - 1, leap) + 1;
}

static void set_from_week(struct seen *seen)
{
	struct tm *tm = seen->tm;
	const struct tm kept = *tm;
	const int first = seen->has_week == 'U' ? 0 : 1;
	tm->tm_mday = 1;
	tm->tm_mon = 0;
	set_wday(tm);
	if (seen->has_mday) tm->tm_mday = kept.tm_mday;
	if (seen->has_mon) tm->tm_mon = kept.tm_mon;
	if (!seen->has_yday)
		tm->tm_yday = (7 - (tm->tm_wday - first)) % 7 + (seen->week - 1) * 7 + (kept.tm_wday - first + 7) % 7;
	if ((!seen->has_mday || !seen->has_mon) && tm->tm_yday >= 0) set_month(seen);
	tm->tm_wday = kept.tm_wday;
}

static void complete(struct seen *seen)
{
	struct tm *tm = seen->tm;
	if (seen->is_12 && seen->is_afternoon) tm->tm_hour += 12;
	if (seen->century >= 0)
		tm->tm_year = (seen->wants_century ? tm->tm_year % 100 : 0) + (seen->century - 19) * 100;
	if (seen->is_date && !seen->has_wday) {
		if (!(seen->has_mon && seen->has_mday) && seen->has_yday) {
			set_month(seen);
			seen->has_mon = seen->has_mday = 1;
		}
		if (seen->has_mon || (unsigned)tm->tm_mon < 12) set_wday(tm);
	}
	if (seen->is_date && !seen->has_yday && (seen->has_mon || (unsigned)tm->tm_mon < 12))
		tm->tm_yday = days_before(tm->tm_mon, is_leap(tm->tm_year + 1900)) + tm->tm_mday - 1;
	if (seen->has_week && seen->has_wday) set_from_week(seen);
}

char *strptime(const char *restrict s, const char *restrict f, struct tm *restrict tm)
{
	struct seen seen = {.text = s, .tm = tm, .century = -1};
	if (!parse(&seen, f)) return 0;
	complete(&seen);
	return (char *)seen.text;
}
