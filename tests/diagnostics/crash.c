/* SPDX-License-Identifier: Apache-2.0 */
/* crash.c - ends in the way its argument says; the lines marked with a name are what a trap report must show. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static volatile int zero;

__attribute__((noinline)) static int out_of_bounds(int *pointer)
{
    return *pointer + 1; /* LINE bounds */
}

__attribute__((noinline)) static int divide(int value)
{
    return value / zero; /* LINE divide */
}

__attribute__((noinline)) static int endless(int depth) /* nothing of it is in linear memory: the native stack runs out */
{
    return zero != 0 ? depth : endless(depth + 1) + endless(depth + 2);
}

__attribute__((noinline)) static void wait_here(void)
{
    puts("waiting");
    fflush(stdout);
    for (;;) {
        zero = 0; /* LINE wait */
    }
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";
    if (strcmp(what, "bounds") == 0) {
        return out_of_bounds((int *)0x7fff0000);
    }
    if (strcmp(what, "divide") == 0) {
        return divide(argc);
    }
    if (strcmp(what, "trap") == 0) {
        __builtin_trap(); /* LINE trap */
    }
    if (strcmp(what, "stack") == 0) {
        return endless(argc);
    }
    if (strcmp(what, "wait") == 0) {
        wait_here();
    }
    return 0;
}
