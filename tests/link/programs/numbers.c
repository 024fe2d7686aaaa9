/* SPDX-License-Identifier: Apache-2.0 */
/* Floating point, 64-bit arithmetic, static constructors, large initialised and zeroed data. */
#include <math.h>
#include <stdint.h>
#include <stdio.h>

static double table[4096];
static const uint32_t primes[] = {2, 3, 5, 7, 11, 13, 17, 19, 23, 29};
static int constructed;

__attribute__((constructor)) static void construct(void)
{
    constructed = 17;
}

int main(void)
{
    uint64_t product = 1;
    for (unsigned i = 0; i < sizeof(primes) / sizeof(primes[0]); i++) {
        product *= primes[i];
    }
    double sum = 0;
    for (int i = 0; i < 4096; i++) {
        table[i] = sqrt(i) * sin(i);
        sum += table[i];
    }
    printf("constructed %d\nproduct %llu\nsum %.12f\npow %g\n", constructed, (unsigned long long)product, sum, pow(2.5, 7.5));
    return 3;
}
