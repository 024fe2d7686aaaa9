/* SPDX-License-Identifier: Apache-2.0 */
/* setjmp in loops, across several frames, nested, with volatile locals; sigsetjmp restores the mask. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

static jmp_buf outer;
static sigjmp_buf with_mask;

static void __attribute__((noinline)) dive(int depth, jmp_buf to, int value)
{
    volatile char pad[64];
    pad[0] = (char)depth;
    if (depth == 0) {
        longjmp(to, value);
    }
    dive(depth - 1, to, value + pad[0] * 0);
}

static int __attribute__((noinline)) catch_one(int value)
{
    jmp_buf here;
    volatile int count = 0;
    const int r = setjmp(here);
    if (r == 0) {
        count++;
        dive(5, here, value);
    }
    return r * 10 + count;
}

int main(void)
{
    volatile int loop = 0;
    for (int i = 0; i < 5; i++) {
        printf("catch %d\n", catch_one(i));
    }
    const int r = setjmp(outer);
    printf("setjmp %d loop %d\n", r, loop);
    if (loop++ < 3) {
        dive(loop * 3, outer, loop);
    }
    int hits = 0;
    for (volatile int i = 0; i < 20000; i++) {
        jmp_buf inner;
        if (setjmp(inner) == 0) {
            if (i % 2 == 0) {
                longjmp(inner, 1);
            }
        } else {
            hits = i;
        }
    }
    printf("hits %d\n", hits);
    sigset_t set;
    sigset_t now;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    if (sigsetjmp(with_mask, 1) == 0) {
        sigprocmask(SIG_BLOCK, &set, NULL);
        siglongjmp(with_mask, 7);
    }
    sigprocmask(SIG_SETMASK, NULL, &now);
    printf("blocked after siglongjmp with mask: %d\n", sigismember(&now, SIGUSR1));
    if (sigsetjmp(with_mask, 0) == 0) {
        sigprocmask(SIG_BLOCK, &set, NULL);
        siglongjmp(with_mask, 7);
    }
    sigprocmask(SIG_SETMASK, NULL, &now);
    printf("blocked after siglongjmp without mask: %d\n", sigismember(&now, SIGUSR1));
    return 0;
}
