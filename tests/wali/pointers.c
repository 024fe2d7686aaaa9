/* SPDX-License-Identifier: Apache-2.0 */
/* pointers.c - functions called through pointers of another type, as K&R programs and casts of callbacks do. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int calls;

static void takes_nothing(void) { calls++; }
static int takes_int(int a) { return a + calls; }
static void takes_pointer(void *p) { calls += *(int *)p; }
static long takes_two(int a, long b) { return a * 100 + b; }
static long takes_long(long a) { return a / 2; }
static double takes_double(double a) { return a * 2; }
static char *gives_text(void) { return "text"; }
static int takes_four(int a, int b, int c, int d) { return a + b * 10 + (c | d) * 0; }

typedef int (*Function)(void *);
typedef void (*Cleanup)(int);
typedef int (*Method)(int, int, int);
typedef double (*Scale)(double);

/* Not constant for the compiler. */
static void *volatile table[] = {(void *)takes_nothing, (void *)takes_int, (void *)takes_pointer, (void *)takes_two, (void *)takes_long,
                                 (void *)takes_double, (void *)gives_text, (void *)takes_four, (void *)free, (void *)puts};

int main(int argc, char **argv)
{
    int seven = 7;
    ((Function)table[0])(&seven);
    printf("%d\n", calls);
    ((Cleanup)table[1])(5);
    ((Method)table[0])(1, 2, 3);
    printf("%d\n", calls);
    printf("%d\n", ((Method)table[1])(40, 9, 9));
    ((Function)table[2])(&seven);
    printf("%d\n", calls);
    printf("%d\n", ((int (*)(int, int))table[3])(4, 2));
    printf("%d\n", ((int (*)(int))table[4])(84));
    printf("%.1f\n", ((Scale)table[5])(10.5));
    printf("%s\n", ((char *(*)(int, int))table[6])(1, 2));
    printf("%d\n", ((int (*)(int, int))table[7])(3, 4));
    ((Function)table[8])(malloc(10));
    ((void (*)(const char *, int))table[9])("through puts", 1);
    if (argc > 1 && strcmp(argv[1], "wrong") == 0) { /* no way to make it fit: a double where an int is */
        printf("%f\n", ((Scale)table[1])(1.5));
    }
    return argc > 1 && strcmp(argv[1], "empty") == 0 ? ((Method)(void *)0x7000)(1, 2, 3) : 0;
}
