/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Civil calendar arithmetic on days since 1970-01-01 (proleptic Gregorian), done here because timegm() accepts dates
 * that do not exist.
 */
#include "manifest/time-text.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/must.h"

#define SECONDS_PER_DAY 86400
#define SECONDS_MAX 253402300799ll /* 9999-12-31T23:59:59Z */

static bool is_leap(int64_t year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static int64_t month_days(int64_t year, int64_t month)
{
    static const int8_t days[12] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    must(month >= 1 && month <= 12);
    return days[month - 1] + (month == 2 && is_leap(year) ? 1 : 0);
}

/* Days from 1970-01-01 to the first of January of year. */
static int64_t year_days(int64_t year)
{
    const int64_t before = year - 1;
    return (year - 1970) * 365 + (before / 4 - before / 100 + before / 400) - (1969 / 4 - 1969 / 100 + 1969 / 400);
}

/* count decimal digits at text; -1 when one of them is none. */
static int64_t digits(const char *text, size_t count)
{
    int64_t value = 0;
    for (size_t i = 0; i < count; i++) {
        if (text[i] < '0' || text[i] > '9') {
            return -1;
        }
        value = value * 10 + (text[i] - '0');
    }
    return value;
}

int time_parse(const char *text, int64_t *ret_seconds)
{
    must(text != NULL && ret_seconds != NULL);
    if (strlen(text) != TIME_TEXT_SIZE - 1 || text[4] != '-' || text[7] != '-' || text[10] != 'T' || text[13] != ':' ||
        text[16] != ':' || text[19] != 'Z') {
        return -EINVAL;
    }
    const int64_t year = digits(text, 4);
    const int64_t month = digits(text + 5, 2);
    const int64_t day = digits(text + 8, 2);
    const int64_t hour = digits(text + 11, 2);
    const int64_t minute = digits(text + 14, 2);
    const int64_t second = digits(text + 17, 2);
    if (year < 1970 || month < 1 || month > 12 || day < 1 || day > month_days(year, month) || hour < 0 || hour > 23 ||
        minute < 0 || minute > 59 || second < 0 || second > 59) {
        return -EINVAL;
    }
    int64_t days = year_days(year) + day - 1;
    for (int64_t m = 1; m < month; m++) {
        days += month_days(year, m);
    }
    *ret_seconds = days * SECONDS_PER_DAY + hour * 3600 + minute * 60 + second;
    return 0;
}

void time_print(int64_t seconds, char text[TIME_TEXT_SIZE])
{
    const int64_t clamped = seconds < 0 ? 0 : seconds > SECONDS_MAX ? SECONDS_MAX : seconds;
    const int64_t days = clamped / SECONDS_PER_DAY;
    const int64_t rest = clamped % SECONDS_PER_DAY;
    int64_t year = 1970 + days / 366; /* never too high; a few steps up */
    while (year_days(year + 1) <= days) {
        year++;
    }
    int64_t month = 1;
    int64_t day = days - year_days(year);
    while (day >= month_days(year, month)) {
        day -= month_days(year, month);
        month++;
    }
    /* The modulo changes nothing; it shows the compiler that the text fits. */
    const int length = snprintf(text, TIME_TEXT_SIZE, "%04u-%02u-%02uT%02u:%02u:%02uZ", (unsigned)year % 10000u,
                                (unsigned)month % 100u, (unsigned)(day + 1) % 100u, (unsigned)(rest / 3600) % 100u,
                                (unsigned)(rest / 60 % 60) % 100u, (unsigned)(rest % 60) % 100u);
    must(length == TIME_TEXT_SIZE - 1);
}
