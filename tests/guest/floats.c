/* SPDX-License-Identifier: Apache-2.0 */
/* Random doubles and floats through printf and strtod: both libraries round correctly, so every digit must agree. */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t state = 88172645463325252ull;

static uint64_t next(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

static uint64_t hash_text(uint64_t hash, const char *text)
{
    for (; *text != '\0'; text++) {
        hash = (hash ^ (unsigned char)*text) * 1099511628211ull;
    }
    return hash;
}

int main(void)
{
    static const char *const formats[] = {"%.17g", "%.15g", "%.14g", "%g", "%.3f", "%e", "%.0f", "%.20e", "%#g", "%+012.4f", "%.1000g"};
    for (size_t f = 0; f < sizeof formats / sizeof formats[0]; f++) {
        uint64_t hash = 14695981039346656037ull;
        unsigned differing = 0;
        for (int i = 0; i < 4000; i++) {
            const uint64_t bits = next();
            double value;
            memcpy(&value, &bits, sizeof value);
            if (i % 2 == 0) {
                value = (double)(int64_t)bits / 65536.0;
            }
            if (isnan(value)) {
                continue;
            }
            char text[2000];
            snprintf(text, sizeof text, formats[f], value);
            hash = hash_text(hash, text);
            if (f == 0) {
                differing += strtod(text, NULL) != value;
            }
        }
        printf("%s %016llx %u\n", formats[f], (unsigned long long)hash, differing);
    }
    uint64_t hash = 14695981039346656037ull;
    for (int i = 0; i < 20000; i++) {
        char text[64];
        const int digits = 1 + (int)(next() % 30);
        int n = 0;
        for (int d = 0; d < digits; d++) {
            text[n++] = (char)('0' + next() % 10);
            if (d == digits / 2) {
                text[n++] = '.';
            }
        }
        snprintf(text + n, sizeof text - (size_t)n, "e%d", (int)(next() % 660) - 340);
        const double value = strtod(text, NULL);
        const float narrow = strtof(text, NULL);
        uint64_t bits;
        uint32_t narrow_bits;
        memcpy(&bits, &value, sizeof bits);
        memcpy(&narrow_bits, &narrow, sizeof narrow_bits);
        hash = (hash ^ bits) * 1099511628211ull;
        hash = (hash ^ narrow_bits) * 1099511628211ull;
    }
    printf("strtod %016llx\n", (unsigned long long)hash);
    printf("%Lg %.30Lg %La\n", 0.1L == (long double)0.1 ? 0.0L : 1.0L, 0.5L, 1.0L == 1 ? 2.0L * 0 : 1.0L);
    return 0;
}
