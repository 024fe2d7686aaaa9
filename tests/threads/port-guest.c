/* SPDX-License-Identifier: Apache-2.0 */
/* port-guest.c - port.h for wasm32 without libc: with -DWALI the WebAssembly Linux Interface, else wasi_snapshot_preview1 and wasi-threads. */
#include "port.h"
#include "wali.h"

#define STACK_SIZE 65536u

void *memset(void *to, int value, size_t size)
{
    __builtin_memset(to, value, size); /* memory.fill */
    return to;
}
void *memcpy(void *to, const void *from, size_t size)
{
    __builtin_memcpy(to, from, size); /* memory.copy */
    return to;
}

void thread_start(uint32_t tid, Thread *thread);
void thread_main(uint32_t tid, Thread *thread)
{
    (void)tid;
    thread->function(thread->argument);
}

static uint32_t pool_lock;
static Thread *pool;

/* Linear memory that nobody else has: several threads may ask at once. */
static uint8_t *fresh(size_t size)
{
    const size_t pages = __builtin_wasm_memory_grow(0, (size + 65535) / 65536);
    return pages == SIZE_MAX ? NULL : (uint8_t *)(pages * 65536);
}

static Thread *thread_get(void)
{
    mutex_lock(&pool_lock);
    Thread *thread = pool;
    pool = thread != NULL ? thread->next : NULL;
    mutex_unlock(&pool_lock);
    if (thread != NULL) {
        return thread;
    }
    const size_t tls_size = (__builtin_wasm_tls_size() + 15) & ~(size_t)15;
    uint8_t *block = fresh(STACK_SIZE + tls_size + 4096);
    if (block == NULL) {
        return NULL;
    }
    thread = (Thread *)(void *)block;
    thread->tls = block + ((sizeof *thread + 63) & ~(size_t)63);
    thread->stack_top = block + STACK_SIZE + tls_size + 4080;
    return thread;
}

static void thread_put(Thread *thread)
{
    mutex_lock(&pool_lock);
    thread->next = pool;
    pool = thread;
    mutex_unlock(&pool_lock);
}

Thread *thread_spawn(void (*function)(void *), void *argument)
{
    Thread *thread = thread_get();
    if (thread == NULL) {
        return NULL;
    }
    thread->function = function;
    thread->argument = argument;
    store(&thread->is_done, 0);
    if (host_spawn(thread_start, thread) < 0) {
        thread_put(thread);
        return NULL;
    }
    return thread;
}

void thread_join(Thread *thread)
{
    while (load(&thread->is_done) == 0) {
        (void)__builtin_wasm_memory_atomic_wait32((int *)&thread->is_done, 0, -1);
    }
    thread_put(thread);
}

void put(const char *text)
{
    size_t size = 0;
    while (text[size] != '\0') {
        size++;
    }
    host_write(text, size);
}

void put_number(const char *name, uint64_t value)
{
    char line[160], digits[24];
    size_t size = 0, count = 0;
    for (; name[size] != '\0'; size++) {
        line[size] = name[size];
    }
    line[size++] = ' ';
    do {
        digits[count++] = (char)('0' + value % 10);
        value /= 10;
    } while (value != 0);
    while (count > 0) {
        line[size++] = digits[--count];
    }
    line[size++] = '\n';
    host_write(line, size);
}

#if defined(WALI)
int futex_wait(uint32_t *word, uint32_t value, int64_t timeout_ns)
{
    const int64_t timeout[2] = {timeout_ns / 1000000000, timeout_ns % 1000000000};
    const int64_t r = SYS_futex(word, 128 /* FUTEX_WAIT_PRIVATE */, (int)value, timeout_ns < 0 ? NULL : (void *)timeout, NULL, 0);
    return r == 0 ? 0 : r == -11 ? 1 : r == -110 ? 2 : 3;
}
uint32_t futex_wake(uint32_t *word, uint32_t count)
{
    return (uint32_t)SYS_futex(word, 129, (int)(count > INT32_MAX ? INT32_MAX : count), NULL, NULL, 0);
}
void quit(int status)
{
    (void)SYS_exit_group(status);
    __builtin_unreachable();
}
void yield(void) { (void)SYS_sched_yield(); }
uint64_t now_ns(void)
{
    int64_t now[2];
    (void)SYS_clock_gettime(1, now);
    return (uint64_t)now[0] * 1000000000u + (uint64_t)now[1];
}
const char *argument(void)
{
    static char text[256];
    return cl_get_argc() > 1 && cl_get_argv_len(1) < sizeof text && cl_copy_argv(text, 1) >= 0 ? text : "";
}
#else
int futex_wait(uint32_t *word, uint32_t value, int64_t timeout_ns)
{
    return __builtin_wasm_memory_atomic_wait32((int *)word, (int)value, timeout_ns);
}
uint32_t futex_wake(uint32_t *word, uint32_t count) { return (uint32_t)__builtin_wasm_memory_atomic_notify((int *)word, count); }
void quit(int status) { wasi_proc_exit(status); }
void yield(void) { (void)wasi_sched_yield(); }
uint64_t now_ns(void)
{
    uint64_t now = 0;
    (void)wasi_clock_time_get(1, 1, &now);
    return now;
}
const char *argument(void)
{
    static char text[1024];
    static char *pointers[64];
    uint32_t count = 0, size = 0;
    if (wasi_args_sizes_get(&count, &size) != 0 || count > 64 || size > sizeof text || wasi_args_get(pointers, text) != 0) {
        return "";
    }
    return count > 1 ? pointers[1] : "";
}
#endif

void _start(void);
void _start(void) { quit(run()); }
