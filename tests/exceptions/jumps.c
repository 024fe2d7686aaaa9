/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jumps.c - setjmp and longjmp that clang lowers to WebAssembly's exceptions (-mllvm -wasm-enable-sjlj). The functions that the
 * lowered code calls are in jumps-runtime.c; natively the C library's setjmp is used.
 */
#include <stdint.h>
#include <stdio.h>

#ifdef __wasm__
typedef uint32_t jmp_buf[4];
int setjmp(jmp_buf) __attribute__((returns_twice));
void longjmp(jmp_buf, int) __attribute__((noreturn));
#else
#include <setjmp.h>
#endif

static jmp_buf outer, inner;

__attribute__((noinline)) static void down(int depth, int value)
{
    volatile char room[64];
    room[depth % 64] = (char)depth;
    if (depth == 0) {
        longjmp(value % 2 != 0 ? inner : outer, value);
    }
    down(depth - 1, value);
    room[0]++;
}

__attribute__((noinline)) static int try_inner(int value)
{
    volatile int count = 0;
    const int got = setjmp(inner);
    count++;
    if (got == 0) {
        down(value % 17, value);
    }
    if (count < 5 && got % 5 != 0) {
        longjmp(inner, got + 2);
    }
    return got + count;
}

int main(void)
{
    uint64_t sum = 0;
    for (volatile int value = 1; value < 20000; value++) {
        const int got = setjmp(outer);
        if (got == 0) {
            sum = sum * 31 + (uint64_t)try_inner(value);
        } else {
            sum = sum * 37 + (uint64_t)got;
        }
    }
    printf("%llu\n", (unsigned long long)sum);
    return 0;
}
