/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stress.c - eight threads on one memory, everything checked by the program itself. Every line is the same natively and for both ABIs.
 */
#include "port.h"

#define THREADS 8u
#define ROUNDS 20000u

static uint32_t failures;

static void check(const char *what, bool is_good)
{
    if (!is_good) {
        put("FAILED: ");
        put(what);
        put("\n");
        failures++;
    }
}

static void run_threads(void (*function)(void *))
{
    Thread *threads[THREADS];
    for (uintptr_t i = 0; i < THREADS; i++) {
        threads[i] = thread_spawn(function, (void *)i);
        if (threads[i] == NULL) {
            put("FAILED: cannot spawn\n");
            quit(1);
        }
    }
    for (uint32_t i = 0; i < THREADS; i++) {
        thread_join(threads[i]);
    }
}

/* --- mutex: a plain counter under it --- */

static uint32_t mutex;
static uint64_t plain_counter;

static void mutex_thread(void *unused)
{
    (void)unused;
    for (uint32_t i = 0; i < ROUNDS; i++) {
        mutex_lock(&mutex);
        plain_counter++;
        mutex_unlock(&mutex);
    }
}

/* --- condition variables: a bounded queue, half producers, half consumers --- */

#define SLOTS 16u
static struct {
    uint32_t mutex, not_full, not_empty; /* the last two count events */
    uint32_t head, tail;
    uint64_t slots[SLOTS];
} queue;
static uint64_t consumed_sum;

static void condition_wait(uint32_t *condition)
{
    const uint32_t seen = load(condition);
    mutex_unlock(&queue.mutex);
    (void)futex_wait(condition, seen, -1);
    mutex_lock(&queue.mutex);
}

static void condition_signal(uint32_t *condition)
{
    add(condition, 1);
    (void)futex_wake(condition, 1);
}

static void queue_thread(void *pointer)
{
    const uint64_t number = (uintptr_t)pointer;
    for (uint64_t i = 0; i < ROUNDS; i++) {
        mutex_lock(&queue.mutex);
        if (number % 2 == 0) {
            while (queue.head - queue.tail == SLOTS) {
                condition_wait(&queue.not_full);
            }
            queue.slots[queue.head++ % SLOTS] = number * ROUNDS + i;
            condition_signal(&queue.not_empty);
        } else {
            while (queue.head == queue.tail) {
                condition_wait(&queue.not_empty);
            }
            consumed_sum += queue.slots[queue.tail++ % SLOTS];
            condition_signal(&queue.not_full);
        }
        mutex_unlock(&queue.mutex);
    }
}

/* --- sequence lock: readers never see half of a write --- */

static uint32_t sequence;
static uint64_t words[4];
static uint64_t seqlock_reads;

static void seqlock_thread(void *pointer)
{
    if (pointer == NULL) {
        for (uint64_t i = 1; i <= ROUNDS; i++) {
            store(&sequence, sequence + 1);
            for (uint32_t k = 0; k < 4; k++) {
                __atomic_store_n(&words[k], i * (k + 1), __ATOMIC_SEQ_CST);
            }
            store(&sequence, sequence + 1);
        }
        return;
    }
    for (uint32_t done = 0; done < 1000;) {
        uint64_t copy[4];
        const uint32_t before = load(&sequence);
        for (uint32_t k = 0; k < 4; k++) {
            copy[k] = __atomic_load_n(&words[k], __ATOMIC_SEQ_CST);
        }
        if (before % 2 != 0 || load(&sequence) != before) {
            yield();
            continue;
        }
        if (copy[1] != 2 * copy[0] || copy[2] != 3 * copy[0] || copy[3] != 4 * copy[0]) {
            check("seqlock", false);
        }
        done++;
    }
    add(&seqlock_reads, 1000);
}

/* --- lock-free stack: index and tag in one 64-bit word --- */

#define NODES 64u
static uint64_t stack_top_word; /* low half: index + 1, high half: tag */
static uint32_t node_next[NODES];
static uint32_t node_owner[NODES];
static uint64_t pops;

static void stack_push(uint32_t node)
{
    uint64_t old = load(&stack_top_word), new;
    do {
        store(&node_next[node], (uint32_t)old);
        new = ((old >> 32) + 1) << 32 | (node + 1);
    } while (!__atomic_compare_exchange_n(&stack_top_word, &old, new, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST));
}

static uint32_t stack_pop(void) /* index + 1, 0: empty */
{
    uint64_t old = load(&stack_top_word), new;
    do {
        if ((uint32_t)old == 0) {
            return 0;
        }
        new = ((old >> 32) + 1) << 32 | load(&node_next[(uint32_t)old - 1]);
    } while (!__atomic_compare_exchange_n(&stack_top_word, &old, new, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST));
    return (uint32_t)old;
}

static void stack_thread(void *unused)
{
    (void)unused;
    for (uint32_t i = 0; i < ROUNDS; i++) {
        const uint32_t node = stack_pop();
        if (node == 0) {
            continue;
        }
        if (add(&node_owner[node - 1], 1) != 0) {
            check("stack: a node in two hands", false);
        }
        add(&node_owner[node - 1], (uint32_t)-1);
        add(&pops, 1);
        stack_push(node - 1);
    }
}

/* --- widths: atomic bytes, halves, words and double words next to each other in one cache line --- */

static struct {
    uint64_t wide;
    uint32_t word;
    uint16_t half[2];
    uint8_t byte[4];
    uint32_t bits;
} mixed;

static void widths_thread(void *pointer)
{
    const uint32_t number = (uint32_t)(uintptr_t)pointer;
    for (uint32_t i = 0; i < ROUNDS; i++) {
        add(&mixed.wide, 0x100000001ull);
        add(&mixed.word, 3);
        add(&mixed.half[number % 2], 1);
        add(&mixed.byte[number % 4], 1);
        (void)__atomic_fetch_xor(&mixed.bits, 1u << number, __ATOMIC_SEQ_CST);
        uint8_t byte = load(&mixed.byte[number % 4]);
        (void)__atomic_compare_exchange_n(&mixed.byte[number % 4], &byte, byte, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
    }
}

/* --- thread-local storage: fresh in every thread --- */

static _Thread_local uint32_t local_value = 41;
static _Thread_local uint32_t local_zero;
static uint32_t local_good;

static void local_thread(void *pointer)
{
    const uint32_t number = (uint32_t)(uintptr_t)pointer;
    bool is_good = local_value == 41 && local_zero == 0;
    local_value += number;
    local_zero = number;
    for (uint32_t i = 0; i < 100; i++) {
        yield();
        is_good = is_good && local_value == 41 + number && local_zero == number;
    }
    add(&local_good, is_good);
}

/* --- spawn and end --- */

static uint32_t spawned;

static void short_thread(void *unused)
{
    (void)unused;
    add(&spawned, 1);
}

static void spawner_thread(void *unused)
{
    (void)unused;
    for (uint32_t i = 0; i < 10000 / THREADS; i++) {
        Thread *thread = thread_spawn(short_thread, NULL);
        if (thread == NULL) {
            check("spawn", false);
            return;
        }
        thread_join(thread);
    }
}

/* --- wait and wake --- */

static uint32_t gate_word, woken, sleeping;

static void sleeper_thread(void *unused)
{
    (void)unused;
    add(&sleeping, 1);
    while (load(&gate_word) == 0) {
        if (futex_wait(&gate_word, 0, -1) == 0) {
            add(&woken, 1);
            return;
        }
    }
}

static void wait_test(void)
{
    uint32_t word = 5;
    const uint64_t start = now_ns();
    check("wait: other value", futex_wait(&word, 4, -1) == 1);
    check("wait: time-out", futex_wait(&word, 5, 20000000) == 2 && now_ns() - start >= 20000000);
    check("wake: nobody", futex_wake(&word, 10) == 0);
    Thread *threads[THREADS];
    for (uint32_t i = 0; i < THREADS; i++) {
        threads[i] = thread_spawn(sleeper_thread, NULL);
    }
    uint32_t count = 0;
    const uint32_t steps[] = {1, 2, 5};
    for (uint32_t i = 0; i < 3; i++) { /* exactly as many as asked for; they are all asleep sooner or later */
        uint32_t left = steps[i];
        while (left > 0) {
            const uint32_t got = futex_wake(&gate_word, left);
            check("wake: more than asked for", got <= left);
            left -= got;
            count += got;
            yield();
        }
    }
    for (uint32_t i = 0; i < THREADS; i++) {
        thread_join(threads[i]);
    }
    check("wake: count", count == THREADS && load(&woken) == THREADS);
}

/* --- barrier: nobody is a round ahead --- */

static uint32_t barrier_count, barrier_round, phase[THREADS];

static void barrier_wait(void)
{
    const uint32_t round = load(&barrier_round);
    if (add(&barrier_count, 1) == THREADS - 1) {
        store(&barrier_count, 0);
        add(&barrier_round, 1);
        (void)futex_wake(&barrier_round, UINT32_MAX);
        return;
    }
    while (load(&barrier_round) == round) {
        (void)futex_wait(&barrier_round, round, -1);
    }
}

static void barrier_thread(void *pointer)
{
    const uint32_t number = (uint32_t)(uintptr_t)pointer;
    for (uint32_t i = 0; i < 500; i++) {
        store(&phase[number], i);
        barrier_wait();
        for (uint32_t k = 0; k < THREADS; k++) {
            const uint32_t other = load(&phase[k]);
            if (other != i) {
                check("barrier", false);
            }
        }
        barrier_wait();
    }
}

/* --- memory.grow against accesses and other growth --- */

static uint64_t grown_pages;

static void grow_thread(void *pointer)
{
#if defined(__wasm__)
    const uint32_t number = (uint32_t)(uintptr_t)pointer;
    for (uint32_t i = 0; i < 100; i++) {
        const size_t old = __builtin_wasm_memory_grow(0, 1 + number % 2);
        if (old == SIZE_MAX) {
            check("grow", false);
            return;
        }
        volatile uint32_t *page = (volatile uint32_t *)(old * 65536);
        const uint32_t mark = number << 16 | i;
        for (uint32_t k = 0; k < (1 + number % 2) * 16384; k += 1024) { /* ours alone and zero, up to the last word */
            if (page[k] != 0) {
                check("grow: not zero", false);
            }
            page[k] = mark;
        }
        if (__builtin_wasm_memory_size(0) < old + 1 + number % 2) {
            check("grow: size went back", false);
        }
        page[(1 + number % 2) * 16384 - 1] = mark;
        yield();
        for (uint32_t k = 0; k < (1 + number % 2) * 16384; k += 1024) {
            if (page[k] != mark) {
                check("grow: page given twice", false);
            }
        }
        add(&grown_pages, 1 + number % 2);
    }
#else
    add(&grown_pages, 100 * (1 + (uintptr_t)pointer % 2));
#endif
}

int run(void)
{
    run_threads(mutex_thread);
    put_number("mutex", plain_counter);
    run_threads(queue_thread);
    put_number("queue", consumed_sum);
    run_threads(seqlock_thread);
    put_number("seqlock", seqlock_reads);
    for (uint32_t i = 0; i < NODES; i++) {
        stack_push(i);
    }
    run_threads(stack_thread);
    uint32_t nodes = 0;
    while (stack_pop() != 0) {
        nodes++;
    }
    put_number("stack: nodes", nodes);
    put_number("stack: pops", pops);
    run_threads(widths_thread);
    put_number("widths", mixed.wide);
    put_number("widths", mixed.word + mixed.half[0] + mixed.half[1] + mixed.byte[0] + mixed.byte[3] + mixed.bits);
    run_threads(local_thread);
    put_number("locals", local_good);
    run_threads(barrier_thread);
    put_number("barrier", barrier_round);
    wait_test();
    run_threads(grow_thread);
    put_number("grow", grown_pages);
    run_threads(spawner_thread);
    put_number("spawned", spawned);
    put_number("failures", failures);
    return failures != 0;
}
