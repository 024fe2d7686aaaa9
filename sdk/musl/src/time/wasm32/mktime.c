/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mktime - by trying, as glibc does it, because what it answers for an hour that is there twice or not at all shows from where it began.
 *
 * A guess is turned into local time; how far that is from what was asked for is added to the guess, until nothing is missing. The first guess
 * takes the distance from UTC that the last call found (0 before), so an hour that is there twice is the one that is nearer to that.
 * An hour that was left out makes the guesses swing between two times: the one with the other summer time than asked for is the answer, or that
 * in summer time. When the time is found but summer time is not as asked for, a day near it, one a week tried, lends its distance from UTC.
 */
#include "../time_impl.h"
#include <errno.h>
#include <limits.h>
#include <stdbool.h>

#define STRIDE_S 601200 /* a bit less than a week: summer time of less has not been seen anywhere */
#define REACH_S 268828200 /* the longest time without a change in the tables was 536454000 s (Africa/Casablanca aside); half of that and a stride */
#define TRIES 6

static long long last_distance; /* local time minus UTC is -last_distance */

static bool local(long long t, struct tm *ret_tm)
{
	*ret_tm = (struct tm){0};
	__secs_to_zone(t, 0, &ret_tm->tm_isdst, &ret_tm->__tm_gmtoff, 0, &ret_tm->__tm_zone);
	return __secs_to_tm(t + ret_tm->__tm_gmtoff, ret_tm) == 0;
}

static bool is_other(int asked, int found)
{
	return asked >= 0 && found >= 0 && !asked != !found;
}

/* The guess that has the local time ASKED, or the better of two that it swings between. */
static bool find(long long asked, int is_summer, long long *t, struct tm *ret_tm)
{
	long long before = *t, before_that = *t;
	int was_summer = 0;
	for (int tries = 0; tries < TRIES; tries++) {
		if (!local(*t, ret_tm)) return false;
		const long long missing = asked - (*t + ret_tm->__tm_gmtoff);
		if (!missing) return true;
		const int summer = ret_tm->tm_isdst != 0;
		if (*t == before_that && *t != before && (is_summer < 0 ? was_summer <= summer : (is_summer != 0) != summer)) return true;
		before_that = before;
		before = *t;
		*t += missing;
		was_summer = summer;
	}
	return false;
}

static bool borrow(long long asked, int is_summer, long long *t, struct tm *tm)
{
	struct tm near;
	for (long long far = STRIDE_S; far < REACH_S; far += STRIDE_S) {
		for (int side = -1; side < 2; side += 2) {
			if (!local(*t + far * side, &near)) return false;
			if (!is_other(is_summer, near.tm_isdst)) {
				*t = asked - near.__tm_gmtoff;
				return local(*t, tm);
			}
		}
	}
	*t += is_summer ? -3600 : 3600; /* a zone without summer time: if it had one, it would be an hour */
	return local(*t, tm);
}

time_t mktime(struct tm *tm)
{
	struct tm found, minute = *tm;
	minute.tm_sec = tm->tm_sec < 0 ? 0 : tm->tm_sec > 59 ? 59 : tm->tm_sec; /* seconds beyond are added when the minute is found */
	const int beyond = tm->tm_sec - minute.tm_sec;
	const long long asked = __tm_to_secs(&minute), first = asked + last_distance;
	long long t = first;
	if (!find(asked, tm->tm_isdst, &t, &found) || (is_other(tm->tm_isdst, found.tm_isdst) && !borrow(asked, tm->tm_isdst, &t, &found))) {
		errno = EOVERFLOW;
		return -1;
	}
	last_distance += t - first;
	t += beyond;
	if (beyond && !local(t, &found)) {
		errno = EOVERFLOW;
		return -1;
	}
	*tm = found;
	return t;
}
