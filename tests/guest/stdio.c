/* SPDX-License-Identifier: Apache-2.0 */
/* printf of numbers, scanf, buffering, ungetc, memory streams, getline, temporary files. */
#define _GNU_SOURCE
#include <inttypes.h>
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

int main(void)
{
    const double values[] = {0.0, -0.0, 1.0, 0.1, 1.0 / 3, 2.5, 1e10, 1e-10, 123456789.123, 1e100, 5e-324, 1.7976931348623157e308, INFINITY, -INFINITY, M_PI};
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        printf("%f|%.3e|%g|%.17g|%10.2f|%-12g|%+.0f\n", values[i], values[i], values[i], values[i], values[i], values[i], values[i]);
        printf("%a\n", values[i]);
    }
    printf("%d %i %u %x %X %o %c %s %p %%\n", -5, 7, 4000000000u, 255, 255, 8, 'x', "str", (void *)0x1234);
    printf("%ld %lld %zu %td %jd %hd %hhd\n", -5000000000L, 9223372036854775807LL, sizeof(int), (ptrdiff_t)-3, (intmax_t)77, (short)-1, (signed char)-1);
    printf("[%5d] [%-5d] [%05d] [%+d] [% d] [%.3d] [%*d] [%.2s]\n", 42, 42, 42, 42, 42, 7, 6, 42, "abcdef");
    printf("%" PRId64 " %" PRIu64 " %" PRIx32 "\n", INT64_MIN, UINT64_MAX, UINT32_MAX);
    int a = 0;
    double d = 0;
    char word[16] = "";
    printf("%d ", sscanf("12 3.5e2 hello", "%d %lf %15s", &a, &d, word));
    printf("%d %g %s\n", a, d, word);
    printf("%d %d\n", sscanf("0x1F 077", "%i %i", &a, &a), a);
    const char *numbers[] = {"0", "1e5", "-2.5", "inf", "nan", "0x1p4", "1e400", "123abc", "  7", "4.9e-324"};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        char *end;
        const double x = strtod(numbers[i], &end);
        printf("%s -> %g rest [%s]\n", numbers[i], isnan(x) ? 999.0 : x, end);
    }
    printf("%ld %lu %lld\n", strtol("-99", NULL, 10), strtoul("ff", NULL, 16), strtoll("z", NULL, 36));
    FILE *file = tmpfile();
    for (int i = 0; i < 10000; i++) {
        fprintf(file, "row %d\n", i);
    }
    printf("tell %ld\n", ftell(file));
    fseek(file, -9, SEEK_END);
    char *line = NULL;
    size_t size = 0;
    getline(&line, &size, file);
    printf("last %s", line);
    rewind(file);
    int rows = 0;
    while (getline(&line, &size, file) > 0) {
        rows++;
    }
    printf("rows %d eof %d\n", rows, feof(file) != 0);
    fseek(file, 4, SEEK_SET);
    const int c = getc(file);
    ungetc(c, file);
    printf("char %c %c\n", c, getc(file));
    fclose(file);
    char *text = NULL;
    size_t length = 0;
    FILE *memory = open_memstream(&text, &length);
    fprintf(memory, "%s-%d", "mem", 5);
    fclose(memory);
    printf("memstream %s %zu\n", text, length);
    char *made = NULL;
    printf("asprintf %d %s\n", asprintf(&made, "%08.3f", 3.14159), made);
    memory = fmemopen("abc\ndef\n", 8, "r");
    printf("fmemopen %d", fgetc(memory));
    printf(" %s", fgets(text, 4, memory));
    fclose(memory);
    printf("snprintf %d\n", snprintf(word, sizeof word, "%s", "a string that is too long"));
    printf("%s\n", word);
    return 0;
}
