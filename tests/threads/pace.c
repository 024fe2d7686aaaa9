/* SPDX-License-Identifier: Apache-2.0 */
/* pace.c - how long threads take: a line a case, "name nanoseconds" of one operation. For bench/threads. */
#include "port.h"

#define THREADS 2u
#define TURNS 20000u
#define ADDS 2000000u
#define LOCKS 200000u
#define SPAWNS 1000u

static uint32_t ball;
static uint64_t counter __attribute__((aligned(64)));
static uint32_t mutex __attribute__((aligned(64)));
static uint64_t locked_counter;

/* The ball goes to and fro, each side asleep while the other has it. */
static void player(void *pointer)
{
    const uint32_t own = (uint32_t)(uintptr_t)pointer;
    for (uint32_t i = 0; i < TURNS; i++) {
        while (load(&ball) != own) {
            (void)futex_wait(&ball, 1 - own, -1);
        }
        store(&ball, 1 - own);
        (void)futex_wake(&ball, 1);
    }
}

static void adder(void *unused)
{
    (void)unused;
    for (uint32_t i = 0; i < ADDS; i++) {
        add(&counter, 1);
    }
}

static void locker(void *unused)
{
    (void)unused;
    for (uint32_t i = 0; i < LOCKS; i++) {
        mutex_lock(&mutex);
        locked_counter++;
        mutex_unlock(&mutex);
    }
}

static void nothing(void *unused) { (void)unused; }

static void pair(const char *name, void (*function)(void *), uint64_t operations)
{
    Thread *threads[THREADS];
    const uint64_t start = now_ns();
    for (uintptr_t i = 0; i < THREADS; i++) {
        threads[i] = thread_spawn(function, (void *)i);
    }
    for (uint32_t i = 0; i < THREADS; i++) {
        thread_join(threads[i]);
    }
    put_number(name, (now_ns() - start) * 100 / operations);
}

int run(void)
{
    uint64_t start = now_ns();
    adder(NULL);
    put_number("add", (now_ns() - start) * 100 / ADDS);
    start = now_ns();
    locker(NULL);
    put_number("lock", (now_ns() - start) * 100 / LOCKS);
    pair("add-contended", adder, (uint64_t)THREADS * ADDS);
    pair("lock-contended", locker, (uint64_t)THREADS * LOCKS);
    pair("wake", player, (uint64_t)THREADS * TURNS);
    start = now_ns();
    for (uint32_t i = 0; i < SPAWNS; i++) {
        thread_join(thread_spawn(nothing, NULL));
    }
    put_number("spawn", (now_ns() - start) * 100 / SPAWNS);
    return counter == (1 + THREADS) * (uint64_t)ADDS && locked_counter == (1 + THREADS) * (uint64_t)LOCKS ? 0 : 1;
}
