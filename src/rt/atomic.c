/* SPDX-License-Identifier: Apache-2.0 */
/*
 * atomic.c - memory.atomic.wait and notify: a parking lot. A waiter queues itself in the bucket of its address under the
 * bucket's lock, after comparing the value under the same lock, and sleeps on a futex word of its own; notify
 * takes waiters from the queue in order. So a wake is never lost, 64-bit values need no wide futex, and notify's count is exact.
 *
 * Thread rule: any thread. Fork: a child has one thread, so rt_after_fork() empties what it inherited.
 * Source: threads proposal, "wait" and "notify" (alignment, then bounds, then shared).
 */
#include "rt/rt-int.h"

#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/must.h"

#define BUCKET_COUNT 64u /* power of two */

typedef struct Waiter Waiter;
struct Waiter { /* on the waiting thread's stack */
    Waiter *next;
    const uint8_t *address;
    uint32_t is_woken; /* futex word */
};

typedef struct Bucket {
    uint32_t lock; /* futex: 0 free, 1 held, 2 held with waiters */
    Waiter *first;
    Waiter *last;
} Bucket;

static Bucket buckets[BUCKET_COUNT];
static bool has_waited; /* some thread has been in a bucket: a child has something to forget */

static const RtWaitHooks *wait_hooks;

void rt_set_wait_hooks(const RtWaitHooks *hooks) { wait_hooks = hooks; }

static void futex_wait(const uint32_t *word, uint32_t value, const struct timespec *deadline)
{
    (void)syscall(SYS_futex, word, FUTEX_WAIT_BITSET_PRIVATE, value, deadline, NULL, FUTEX_BITSET_MATCH_ANY);
}

static void futex_wake(const uint32_t *word, int count) { (void)syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, count, NULL, NULL, 0); }

static void bucket_lock(Bucket *bucket)
{
    __atomic_store_n(&has_waited, true, __ATOMIC_RELAXED);
    uint32_t expected = 0;
    if (!__atomic_compare_exchange_n(&bucket->lock, &expected, 1, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) {
        while (__atomic_exchange_n(&bucket->lock, 2, __ATOMIC_ACQUIRE) != 0) {
            futex_wait(&bucket->lock, 2, NULL);
        }
    }
}

static void bucket_unlock(Bucket *bucket)
{
    if (__atomic_exchange_n(&bucket->lock, 0, __ATOMIC_RELEASE) == 2) {
        futex_wake(&bucket->lock, 1);
    }
}

static Bucket *bucket_of(const uint8_t *address)
{
    const uint64_t hash = ((uint64_t)(uintptr_t)address >> 2) * 0x9e3779b97f4a7c15ull;
    return &buckets[hash >> 58];
}

void rt_after_fork(void)
{
    memory_after_fork();
    if (__atomic_load_n(&has_waited, __ATOMIC_RELAXED)) {
        memset(buckets, 0, sizeof(buckets));
    }
}

_Static_assert(BUCKET_COUNT == 64, "hash >> 58");

/* Takes waiter out of the queue if it is still there. */
static bool bucket_remove(Bucket *bucket, const Waiter *waiter)
{
    Waiter *previous = NULL;
    for (Waiter *at = bucket->first; at != NULL; previous = at, at = at->next) {
        if (at == waiter) {
            *(previous != NULL ? &previous->next : &bucket->first) = at->next;
            if (bucket->last == at) {
                bucket->last = previous;
            }
            return true;
        }
    }
    return false;
}

static uint8_t *address_check(RtInstance *instance, const RtMemory *memory, uint64_t address, uint32_t size, bool is_wait)
{
    if (address % size != 0) {
        rt_trap(instance, RT_TRAP_UNALIGNED_ATOMIC);
    }
    const uint64_t limit = memory_bytes(memory);
    if (address >= limit || size > limit - address) {
        rt_trap(instance, RT_TRAP_MEMORY_OUT_OF_BOUNDS);
    }
    if (is_wait && !memory->is_shared) {
        rt_trap(instance, RT_TRAP_EXPECTED_SHARED);
    }
    return memory->base + address;
}

static struct timespec deadline_after(int64_t timeout_ns)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now); /* cannot fail for this clock */
    const int64_t nanoseconds = now.tv_nsec + timeout_ns % 1000000000;
    now.tv_sec += timeout_ns / 1000000000 + nanoseconds / 1000000000; /* < 2^34 s: no overflow */
    now.tv_nsec = nanoseconds % 1000000000;
    return now;
}

static bool deadline_is_over(const struct timespec *deadline)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec > deadline->tv_sec || (now.tv_sec == deadline->tv_sec && now.tv_nsec >= deadline->tv_nsec);
}

/* Leaves the queue. Return: false when notify has taken us out; then it touches us no more. */
static bool unpark(Bucket *bucket, Waiter *self)
{
    bucket_lock(bucket);
    const bool was_queued = bucket_remove(bucket, self);
    bucket_unlock(bucket);
    while (!was_queued && __atomic_load_n(&self->is_woken, __ATOMIC_ACQUIRE) == 0) {
        futex_wait(&self->is_woken, 0, NULL);
    }
    return was_queued;
}

static void park_sleep(RtInstance *instance, const Waiter *self, const struct timespec *deadline)
{
    if (wait_hooks != NULL) {
        wait_hooks->wait(instance, &self->is_woken, 0, deadline);
    } else {
        futex_wait(&self->is_woken, 0, deadline);
    }
}

/* Return: 0 woken, 1 value differs, 2 timed out. */
static uint32_t park(RtInstance *instance, const uint8_t *address, bool is_64, uint64_t expected, int64_t timeout_ns)
{
    const bool has_deadline = timeout_ns >= 0;
    const struct timespec deadline = has_deadline ? deadline_after(timeout_ns) : (struct timespec){0};
    Bucket *bucket = bucket_of(address);
    bucket_lock(bucket);
    const uint64_t value = is_64 ? __atomic_load_n((const uint64_t *)(const void *)address, __ATOMIC_SEQ_CST)
                                 : __atomic_load_n((const uint32_t *)(const void *)address, __ATOMIC_SEQ_CST);
    if (value != expected) {
        bucket_unlock(bucket);
        return 1;
    }
    Waiter self = {.address = address};
    *(bucket->last != NULL ? &bucket->last->next : &bucket->first) = &self;
    bucket->last = &self;
    bucket_unlock(bucket);
    for (;;) {
        park_sleep(instance, &self, has_deadline ? &deadline : NULL);
        if (__atomic_load_n(&self.is_woken, __ATOMIC_ACQUIRE) != 0) {
            return 0;
        }
        if (wait_hooks != NULL && __atomic_load_n(&instance->interrupt, __ATOMIC_RELAXED) != 0) {
            (void)unpark(bucket, &self); /* the handler may leave by longjmp: nothing of ours may be queued */
            wait_hooks->interrupted(instance);
            return 0; /* a spurious wake: to sleep on would lose a notify that came meanwhile */
        }
        if (has_deadline && deadline_is_over(&deadline)) {
            return unpark(bucket, &self) ? 2 : 0;
        }
    }
}

uint32_t rt_atomic_wait32(RtInstance *instance, uint64_t address, uint32_t expected, int64_t timeout_ns)
{
    return park(instance, address_check(instance, instance->memory, address, 4, true), false, expected, timeout_ns);
}

uint32_t rt_atomic_wait64(RtInstance *instance, uint64_t address, uint64_t expected, int64_t timeout_ns)
{
    return park(instance, address_check(instance, instance->memory, address, 8, true), true, expected, timeout_ns);
}

static uint32_t notify(RtInstance *instance, const RtMemory *memory, uint64_t address, uint32_t count)
{
    const uint8_t *start = address_check(instance, memory, address, 4, false);
    if (!memory->is_shared) {
        return 0;
    }
    Bucket *bucket = bucket_of(start);
    uint32_t woken = 0;
    Waiter *taken = NULL, **last = &taken;
    bucket_lock(bucket);
    Waiter *next;
    for (Waiter *at = bucket->first; at != NULL && woken < count; at = next) {
        next = at->next;
        if (at->address == start) {
            (void)bucket_remove(bucket, at);
            *last = at;
            last = &at->next;
            woken++;
        }
    }
    *last = NULL;
    bucket_unlock(bucket);
    /* Without the lock, which those that wake want next; they cannot go before is_woken is set. */
    for (Waiter *at = taken; at != NULL; at = next) {
        next = at->next;
        /* The waiter's frame may be gone after the store; a futex wake of a stale address is harmless (spurious at most). */
        __atomic_store_n(&at->is_woken, 1, __ATOMIC_RELEASE);
        futex_wake(&at->is_woken, 1);
    }
    return woken;
}

uint32_t rt_atomic_notify(RtInstance *instance, uint64_t address, uint32_t count) { return notify(instance, instance->memory, address, count); }

uint32_t rt_atomic_wait32_any(RtInstance *instance, uint32_t memory, uint64_t address, uint32_t expected, int64_t timeout_ns)
{
    return park(instance, address_check(instance, memory_of(instance, memory), address, 4, true), false, expected, timeout_ns);
}

uint32_t rt_atomic_wait64_any(RtInstance *instance, uint32_t memory, uint64_t address, uint64_t expected, int64_t timeout_ns)
{
    return park(instance, address_check(instance, memory_of(instance, memory), address, 8, true), true, expected, timeout_ns);
}

uint32_t rt_atomic_notify_any(RtInstance *instance, uint32_t memory, uint64_t address, uint32_t count)
{
    return notify(instance, memory_of(instance, memory), address, count);
}
