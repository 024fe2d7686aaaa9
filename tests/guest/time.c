/* SPDX-License-Identifier: Apache-2.0 */
/* Calendars in several zones, strftime, strptime, hours that are not there or there twice, clocks that move, sleeping. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static void zones(void)
{
    static const char *const names[] = {"UTC", "EST5EDT,M3.2.0,M11.1.0", "Europe/Berlin", "Asia/Kolkata", "CET-1CEST,M3.5.0,M10.5.0/3",
                                        "QQQ+3:30", "<+0330>-3:30", "UTC-14", "NZST-12NZDT,M9.5.0,M4.1.0/3", "AAA24", "IST-2IDT,J100,J300", "ABC3DEF,100,300/1:30",
                                        "Nowhere/City", "garbage", "A1", "EST5", "", ":UTC", ":Europe/Berlin", "/usr/share/zoneinfo/Asia/Kolkata", "AB-1", "ABCD+5:30:10"};
    for (size_t z = 0; z < sizeof names / sizeof names[0]; z++) {
        setenv("TZ", names[z], 1);
        tzset();
        printf("[%s] %s\n", names[z], tzname[0]);
        for (time_t t = 0; t < 4500000000; t += 149999999) {
            struct tm tm;
            char text[64];
            localtime_r(&t, &tm);
            strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S %z %Z %a %j %U", &tm);
            printf("%ld %s %d\n", (long)t, text, mktime(&tm) == t);
        }
    }
}

static void changes(void)
{
    static const int days[][5] = {{121, 2, 28, 2, 30}, {121, 9, 31, 2, 30}, {121, 2, 28, 1, 59}, {121, 2, 28, 3, 0}, {121, 9, 31, 1, 59}, {121, 9, 31, 3, 0}};
    setenv("TZ", "Europe/Berlin", 1);
    tzset();
    for (size_t i = 0; i < sizeof days / sizeof days[0] * 2; i++) {
        for (int isdst = -1; isdst < 2; isdst++) {
            struct tm before = {.tm_year = 120, .tm_mon = i % 2 ? 6 : 0, .tm_mday = 1, .tm_sec = -7, .tm_isdst = -1};
            (void)mktime(&before); /* glibc remembers the last offset and begins with it */
            struct tm tm = {.tm_year = days[i / 2][0], .tm_mon = days[i / 2][1], .tm_mday = days[i / 2][2], .tm_hour = days[i / 2][3], .tm_min = days[i / 2][4], .tm_isdst = isdst};
            const time_t t = mktime(&tm);
            printf("%zu %d: %ld %02d:%02d %s\n", i, isdst, (long)t, tm.tm_hour, tm.tm_min, tm.tm_zone);
        }
    }
}

/* Any dates, some near a change, with what was remembered from the one before; not before 1970, where glibc counts rules of TZ wrongly. */
static void many_dates(void)
{
    static const char *const names[] = {"UTC", "Europe/Berlin", "Asia/Kolkata", "CET-1CEST,M3.5.0,M10.5.0/3", "EST5EDT,M3.2.0,M11.1.0", "XST+3:30"};
    unsigned random = 1;
    for (int i = 0; i < 3000; i++) {
        if (i % 50 == 0) {
            setenv("TZ", names[i / 50 % (sizeof names / sizeof names[0])], 1);
        }
        int n[6];
        for (int k = 0; k < 6; k++) {
            random = random * 1103515245 + 12345;
            n[k] = (int)(random >> 16 & 0x7fff);
        }
        struct tm tm = {.tm_year = 75 + n[0] % 60, .tm_mon = n[1] % 12, .tm_mday = 1 + n[2] % 31, .tm_hour = n[3] % 24, .tm_min = n[4] % 60, .tm_isdst = n[5] % 3 - 1};
        if (i % 2) {
            tm.tm_year = 121, tm.tm_mon = n[1] % 2 ? 2 : 9, tm.tm_mday = n[1] % 2 ? 28 : 31, tm.tm_hour = 1 + n[3] % 3;
        } else if (i % 8 == 0) {
            tm.tm_mday += n[2] - 16000, tm.tm_hour += n[3] - 16000, tm.tm_sec = n[4] - 16000, tm.tm_year = 180;
        }
        const time_t t = mktime(&tm);
        printf("%ld %d %02d:%02d:%02d %s\n", (long)t, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, tm.tm_zone);
    }
}

static void formats(void)
{
    static const char letters[] = "aAbBcCdDeFgGhHIjklmMnpPrRsStTuUVwWxXyYzZ%EOLNQ+";
    static const char *const flags[] = {"", "_", "-", "0", "^", "#", "10", "05", "_8", "E", "O", "-E", ":"};
    static const time_t times[] = {0, 1616900000, 1605000000, -59000000000, 253402300800, 1230768000};
    setenv("TZ", "Europe/Berlin", 1);
    tzset();
    for (size_t i = 0; i < sizeof times / sizeof times[0]; i++) {
        for (int is_local = 0; is_local < 2; is_local++) {
            struct tm tm = *(is_local ? localtime : gmtime)(&times[i]);
            for (size_t f = 0; f < sizeof flags / sizeof flags[0]; f++) {
                for (const char *letter = letters; *letter != '\0'; letter++) {
                    char format[16];
                    char text[128];
                    char small[4];
                    snprintf(format, sizeof format, "%%%s%c.", flags[f], *letter);
                    printf("%s%zu ", strftime(text, sizeof text, format, &tm) > 0 ? text : "0", strftime(small, 4, format, &tm));
                }
            }
            printf("\n");
        }
    }
}

static void parse(void)
{
    static const char *const rows[][2] = {
        {"2024-02-29 12:34:56", "%Y-%m-%d %H:%M:%S"}, {"2024 060", "%Y %j"}, {"2024 10 3", "%Y %U %w"}, {"2024 10 3", "%Y %W %u"}, {"20 24", "%C %y"},
        {"Thu Mar  5 23:51:47 2015", "%c"}, {"11:30 pm", "%I:%M %p"}, {"12:00 AM", "%I:%M %p"}, {"5 Mar 21", "%d %b %y"}, {"1425599621", "%s"},
        {"Thu, 05 Mar 2015 23:51:47 +0130", "%a, %d %b %Y %H:%M:%S %z"}, {"23:59:60 -03", "%T %z"}, {"Z", "%z"}, {"CET x", "%Z %n%%"}, {"69 68", "%y %y"},
        {"march", "%B"}, {"24", "%H"}, {"  7", "%e"}, {"7", "%k"}, {"03/05/15", "%D"}, {"2015-03-05", "%F"}, {"x", "x"}, {"x", "y"}, {"1", "%-m"}, {"1", "%5m"}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct tm tm = {.tm_mday = 1, .tm_year = 100};
        const char *rest = strptime(rows[i][0], rows[i][1], &tm);
        printf("[%s] [%s]: %s", rows[i][0], rows[i][1], rest != NULL ? rest : "(null)");
        if (rest != NULL) {
            printf(" %d-%d-%d %d:%d:%d %d %d %ld", tm.tm_year, tm.tm_mon, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, tm.tm_wday, tm.tm_yday, tm.tm_gmtoff);
        }
        printf("\n");
    }
}

int main(void)
{
    zones();
    changes();
    many_dates();
    formats();
    parse();
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
