/* SPDX-License-Identifier: Apache-2.0 */
/* sort.c - qsort and qsort_r: what is sorted, the order of equal elements, and which pairs are compared in which order, for many widths and counts. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint32_t state = 12345, trace;
static size_t compared;

static uint32_t next_random(void)
{
    state ^= state << 13;
    state ^= state >> 17;
    return state ^= state << 5;
}

/* An element: a key byte, then a number byte, then filler. */
static int by_key(const void *left, const void *right)
{
    const unsigned char *l = left, *r = right;
    trace = trace * 31 + l[0] * 7 + r[0];
    compared++;
    return l[0] - r[0];
}

static int by_argument(const void *left, const void *right, void *sign)
{
    return by_key(left, right) * *(int *)sign;
}

static uint32_t hash_of(const unsigned char *bytes, size_t size)
{
    uint32_t hash = 2166136261u;
    for (size_t i = 0; i < size; i++) {
        hash = (hash ^ bytes[i]) * 16777619u;
    }
    return hash;
}

static void one(size_t count, size_t width, unsigned keys, int sign)
{
    unsigned char *array = malloc(count * width + 1);
    for (size_t i = 0; i < count * width; i++) {
        array[i] = (unsigned char)(i % width == 0 ? next_random() % keys : i % width == 1 ? i / width : next_random());
    }
    array[count * width] = 0xa5;
    trace = 0;
    compared = 0;
    errno = 77;
    if (sign == 0) {
        qsort(array, count, width, by_key);
    } else {
        qsort_r(array, count, width, by_argument, &sign);
    }
    printf("%zu x %zu of %u keys %d: %08x, %zu comparisons %08x, errno %d, end %x\n", count, width, keys, sign, hash_of(array, count * width), compared, trace,
           errno, array[count * width]);
    free(array);
}

int main(void)
{
    static const size_t widths[] = {1, 2, 3, 4, 5, 8, 12, 16, 31, 32, 33, 40, 64, 100, 1000, 5000};
    static const size_t counts[] = {0, 1, 2, 3, 4, 5, 7, 8, 15, 16, 31, 100, 255, 1000};
    for (size_t w = 0; w < sizeof widths / sizeof widths[0]; w++) {
        for (size_t c = 0; c < sizeof counts / sizeof counts[0]; c++) {
            one(counts[c], widths[w], 256, 0);
            one(counts[c], widths[w], 3, 0);
            one(counts[c], widths[w], 17, c % 2 == 0 ? 1 : -1);
        }
    }
    one(200000, 4, 256, 0);
    one(20000, 48, 200, 1);
    return 0;
}
