/* SPDX-License-Identifier: Apache-2.0 */
/* Calendars in several zones, strftime, strptime, clocks that move, sleeping. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

int main(void)
{
    const char *zones[] = {"UTC", "EST5EDT,M3.2.0,M11.1.0", "Europe/Berlin", "Asia/Kolkata"};
    for (size_t z = 0; z < 4; z++) {
        setenv("TZ", zones[z], 1);
        tzset();
        for (time_t t = 0; t < 1800000000; t += 299999999) {
            struct tm tm;
            char text[64];
            localtime_r(&t, &tm);
            strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S %z %a %j %U", &tm);
            printf("%ld %s %d\n", (long)t, text, mktime(&tm) == t);
        }
    }
    setenv("TZ", "UTC", 1);
    tzset();
    struct tm tm = {0};
    strptime("2024-02-29 12:34:56", "%Y-%m-%d %H:%M:%S", &tm);
    printf("%ld %d %d\n", (long)timegm(&tm), tm.tm_wday, tm.tm_yday);
    struct timespec a;
    struct timespec b;
    clock_gettime(CLOCK_MONOTONIC, &a);
    usleep(20000);
    clock_gettime(CLOCK_MONOTONIC, &b);
    const long long ns = (b.tv_sec - a.tv_sec) * 1000000000LL + b.tv_nsec - a.tv_nsec;
    printf("slept %d\n", ns >= 20000000 && ns < 2000000000);
    struct timeval now;
    gettimeofday(&now, NULL);
    printf("now %d %d\n", now.tv_sec > 1700000000, labs((long)(time(NULL) - now.tv_sec)) < 2);
    clock_getres(CLOCK_MONOTONIC, &a);
    printf("resolution %d\n", a.tv_sec == 0 && a.tv_nsec > 0);
    struct timespec until = {0, 1};
    printf("nanosleep %d\n", nanosleep(&until, NULL));
    return 0;
}
