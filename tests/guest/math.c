/* SPDX-License-Identifier: Apache-2.0 */
/* Results that are exact or correctly rounded everywhere, and sums that show a wrong function. */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int main(void)
{
    printf("%.17g %.17g %.17g\n", sqrt(2.0), floor(-2.5), ceil(2.1));
    printf("%.17g %.17g %.17g %.17g\n", trunc(-2.7), round(2.5), rint(2.5), nearbyint(3.5));
    printf("%.17g %.17g %.17g\n", fmod(10.5, 3), remainder(10.5, 3), fma(2, 3, 4));
    int exponent;
    printf("%.17g %d %.17g\n", frexp(48.0, &exponent), exponent, ldexp(0.75, 4));
    printf("%.17g %.17g %.17g\n", fabs(-3.0), copysign(1, -0.0), hypot(3, 4));
    printf("%.10f %.10f %.10f %.10f %.10f\n", sin(1), cos(1), tan(1), atan2(1, 2), exp(1));
    printf("%.10f %.10f %.10f %.10f\n", log(10), log2(8), log10(1000), pow(2, 0.5));
    printf("%.8f %.8f %.8f\n", sinh(1), erf(0.5), tgamma(5.5));
    double sum = 0;
    for (int i = 1; i < 100000; i++) {
        sum += sin(i) / i;
    }
    printf("%.9f\n", sum);
    printf("%d %d %d\n", isnan(NAN) != 0, isinf(INFINITY) != 0, signbit(-0.0) != 0);
    printf("%d %d %lld\n", (int)-2.9, (int)2.9, (long long)1e18);
    volatile int divisor = 7;
    printf("%d %d %u\n", -20 / divisor, -20 % divisor, 4000000000u / (unsigned)divisor);
    volatile uint64_t big = 0xfedcba9876543210ull;
    printf("%llu %llx %lld\n", (unsigned long long)(big / 12345), (unsigned long long)(big << 5), (long long)((int64_t)big >> 9));
    printf("%d %d %d\n", __builtin_clzll(big), __builtin_ctzll(big), __builtin_popcountll(big));
    printf("%.15Lg\n", 1.0L / 3);
    srand(1);
    printf("%d\n", rand() == rand());
    return 0;
}
