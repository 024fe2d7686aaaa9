/* SPDX-License-Identifier: Apache-2.0 */
/* Function pointers: qsort with several comparisons, a table of operations, pointers compared with each other. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int up(const void *a, const void *b)
{
    const int x = *(const int *)a, y = *(const int *)b;
    return (x > y) - (x < y);
}

static int down(const void *a, const void *b)
{
    return up(b, a);
}

static int same_one(int x)
{
    return x * 3 + 1;
}

static int same_two(int x)
{
    return x * 3 + 1;
}

typedef int Operation(int x);

int main(void)
{
    int numbers[1000];
    unsigned seed = 12345;
    for (int i = 0; i < 1000; i++) {
        seed = seed * 1103515245u + 12345u;
        numbers[i] = (int)(seed >> 8) % 10000;
    }
    qsort(numbers, 1000, sizeof(int), up);
    printf("up %d %d %d\n", numbers[0], numbers[500], numbers[999]);
    qsort(numbers, 1000, sizeof(int), down);
    printf("down %d %d %d\n", numbers[0], numbers[500], numbers[999]);
    Operation *volatile one = same_one, *volatile two = same_two;
    printf("distinct %d, equal results %d\n", one != two, one(7) == two(7));
    return 0;
}
