/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers out of text: value, where reading stopped and errno, of strtol, strtod and their kin; then many random ones. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

static const char *const texts[] = {
    "", "0", "-0", "+0", "1", "-1", "+1", " 12", "\t\n 34x", "x", "-", "+", "--1", "+-1", "- 1", "0x", "0x1f", "0X1F", "-0x10", "0xg", "0x-1", "010", "08", "0b101", "z", "Zz",
    "2147483647", "2147483648", "-2147483648", "-2147483649", "4294967295", "4294967296", "9223372036854775807", "9223372036854775808", "-9223372036854775808",
    "-9223372036854775809", "18446744073709551615", "18446744073709551616", "-18446744073709551615", "-18446744073709551616", "99999999999999999999999999",
    "1.5", ".5", "5.", ".", "-.", "1e", "1e+", "1e5", "1e-5", "1E5x", "e5", ".e5", "1e400", "-1e400", "1e-400", "1e-320", "4.9e-324", "2.4e-324", "2.5e-324", "1e99999999999", "1e-99999999999",
    "0e99999999999", "0x1p4", "0x1p", "0x.8", "0x.", "0x.p1", "0x1.8p-1", "0x1p1024", "0x1p-1080", "inf", "INF", "infinity", "infinit", "in", "-inf", "nan", "NAN", "nan(", "nan()", "nan(12)",
    "nan(a b)", "nan(abc", "-nan", "na", "1,5", "1 2", "1_0", "0x1.fffffffffffff8p1023", "0x1.fffffffffffff7p1023", "1.7976931348623158e308", "1.7976931348623159e308",
    "0.1000000000000000055511151231257827021181583404541015625", "123456789012345678901234567890", "1e23", "8.5e22", "00000000000000000000000000000000001", "1e0000000000000000001",
};

static void show(const char *what, const char *text, const char *end)
{
    printf(" %s end %td errno %d\n", what, end - text, errno);
}

static unsigned next(unsigned *state)
{
    *state = *state * 1103515245 + 12345;
    return *state >> 16;
}

/* Digits, points and exponents near the ends of the range, and what lies just beside the middle between two numbers. */
static void many(void)
{
    static const char digits[] = "00123456789abcdef", decimal[] = "00123456789";
    unsigned state = 1;
    uint64_t sum = 0;
    for (int i = 0; i < 60000; i++) {
        char text[128];
        size_t size = 0;
        const int is_hex = i % 2;
        if (is_hex) {
            size = (size_t)sprintf(text, "0x");
        }
        const unsigned before = next(&state) % 6, after = next(&state) % (next(&state) % 4 == 0 ? 40 : 20);
        const int fill = next(&state) % 3 == 0;
        for (unsigned k = 0; k < before; k++) {
            text[size++] = is_hex ? digits[next(&state) % 17] : decimal[next(&state) % 11];
        }
        text[size++] = '.';
        for (unsigned k = 0; k < after; k++) {
            text[size++] = fill && k > 3 ? (is_hex ? "08f7"[next(&state) % 2 + (k < 12 ? 0 : 2)] : '9') : is_hex ? digits[next(&state) % 17] : decimal[next(&state) % 11];
        }
        const int range = is_hex ? 1140 : 345;
        const int exponent = next(&state) % 3 == 0 ? (int)(next(&state) % 300) - 150 : (int)(next(&state) % (unsigned)(2 * range)) - range;
        sprintf(text + size, "%c%d", is_hex ? 'p' : 'e', next(&state) % 4 == 0 ? (exponent < 0 ? -1 : 1) * (range - 1 - 40 + (int)(next(&state) % 60)) : exponent);
        errno = 0;
        const double d = strtod(text, NULL);
        const int d_errno = errno;
        errno = 0;
        const double f = strtof(text, NULL);
        uint64_t bits[2];
        memcpy(&bits[0], &d, 8);
        memcpy(&bits[1], &f, 8);
        sum = sum * 31 + bits[0] * 7 + bits[1] + (uint64_t)d_errno * 3 + (uint64_t)errno;
        if (i % 97 == 0 || i > 59900) {
            printf("%s %a %d %a %d\n", text, d, d_errno, f, errno);
        }
        if (i % 200 == 0) {
            printf("%d: %016" PRIx64 "\n", i, sum);
            sum = 0;
        }
    }
}

int main(void)
{
    static const int bases[] = {0, 10, 16, 8, 2, 36};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        const char *text = texts[i];
        char *end;
        printf("[%s]\n", text);
        for (size_t b = 0; b < sizeof bases / sizeof bases[0]; b++) {
            errno = 0;
            printf(" %ld", strtol(text, &end, bases[b]));
            show("l", text, end);
            errno = 0;
            printf(" %lu", strtoul(text, &end, bases[b]));
            show("ul", text, end);
            errno = 0;
            printf(" %" PRIdMAX, strtoimax(text, &end, bases[b]));
            show("imax", text, end);
        }
        errno = 0;
        printf(" %a", strtod(text, &end));
        show("d", text, end);
        errno = 0;
        printf(" %a", (double)strtof(text, &end));
        show("f", text, end);
        wchar_t wide[64], *wide_end;
        if (mbstowcs(wide, text, 64) < 64) {
            errno = 0;
            printf(" wide %ld", wcstol(wide, &wide_end, 0));
            printf(" %td %d", wide_end - wide, errno);
            errno = 0;
            printf(" %a", wcstod(wide, &wide_end));
            printf(" %td %d\n", wide_end - wide, errno);
        }
    }
    many();
    errno = 0;
    printf("base 1: %ld %d\n", strtol("1", NULL, 1), errno);
    errno = 0;
    printf("base 37: %ld %d\n", strtol("1", NULL, 37), errno);
    errno = 0;
    printf("atoi %d %d atof %g %d\n", atoi("x"), errno, atof("y"), errno);
    return 0;
}
