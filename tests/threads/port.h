/* SPDX-License-Identifier: Apache-2.0 */
/*
 * port.h - what the programs of this folder need of a system, three times: native (pthreads, Linux), wasi-threads and WALI without any libc. So
 * the same source runs everywhere and nothing but compiler, runtime and vkernel stands between it and the host.
 *
 *   thread_spawn, thread_join    a joined thread's stack is used again
 *   futex_wait, futex_wake       WALI by SYS_futex, wasi by memory.atomic.wait32 and notify
 *   put, put_number, quit        output with one write a line; quit ends the process
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define load(p) __atomic_load_n((p), __ATOMIC_SEQ_CST)
#define store(p, v) __atomic_store_n((p), (v), __ATOMIC_SEQ_CST)
#define add(p, v) __atomic_fetch_add((p), (v), __ATOMIC_SEQ_CST)

typedef struct Thread { /* ORDER of the first three: start.s */
    uint8_t *stack_top;
    uint8_t *tls;
    uint32_t is_done; /* futex */
    void (*function)(void *);
    void *argument;
    void *host;
    struct Thread *next;
} Thread;

Thread *thread_spawn(void (*function)(void *), void *argument); /* NULL: refused */
void thread_join(Thread *thread);
int futex_wait(uint32_t *word, uint32_t value, int64_t timeout_ns); /* 0 woken, 1 value differs, 2 timed out, 3 interrupted; < 0 ns: no time-out */
uint32_t futex_wake(uint32_t *word, uint32_t count);
void put(const char *text);
void put_number(const char *name, uint64_t value);
void quit(int status) __attribute__((noreturn));
const char *argument(void); /* the first, or "" */
uint64_t now_ns(void);
void yield(void);

static inline bool same(const char *a, const char *b)
{
    for (; *a == *b; a++, b++) {
        if (*a == '\0') {
            return true;
        }
    }
    return false;
}

/* A mutex of three states: free, held, held and waited for. */
static inline void mutex_lock(uint32_t *mutex)
{
    uint32_t free = 0;
    if (!__atomic_compare_exchange_n(mutex, &free, 1, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) {
        while (__atomic_exchange_n(mutex, 2, __ATOMIC_ACQUIRE) != 0) {
            (void)futex_wait(mutex, 2, -1);
        }
    }
}
static inline void mutex_unlock(uint32_t *mutex)
{
    if (__atomic_exchange_n(mutex, 0, __ATOMIC_RELEASE) == 2) {
        (void)futex_wake(mutex, 1);
    }
}

int run(void); /* the program */
