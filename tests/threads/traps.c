/* SPDX-License-Identifier: Apache-2.0 */
/* traps.c - a thread that ends the process: by a trap, by an exit status, or because the main program returned. The argument says how. */
#include "port.h"

static volatile uint32_t sink;
static uint32_t never;

/* Deep in native frames only: the guest's own stack is not used. */
static __attribute__((noinline)) uint32_t dive_native(uint32_t depth)
{
    return depth == UINT32_MAX ? 0 : dive_native(depth + 1) * 3 + sink;
}

static void trapping_thread(void *unused)
{
    const char *how = argument();
    (void)unused;
#if defined(__wasm__)
    if (same(how, "unreachable")) {
        __builtin_trap();
    }
    if (same(how, "bounds")) {
        sink = *(volatile uint32_t *)(uintptr_t)0xfffffff0u;
    }
    if (same(how, "divide")) {
        sink = 1000 / sink;
    }
    if (same(how, "overflow")) {
        sink = dive_native(0);
    }
    if (same(how, "unaligned")) {
        sink = __atomic_load_n((uint32_t *)(uintptr_t)0x10002u, __ATOMIC_SEQ_CST);
    }
    if (same(how, "unaligned-wait")) {
        (void)__builtin_wasm_memory_atomic_wait32((int *)0x10002, 0, 0);
    }
    if (same(how, "wait-bounds")) {
        (void)__builtin_wasm_memory_atomic_wait32((int *)0xfffffff0u, 0, 0);
    }
#endif
    if (same(how, "exit")) {
        quit(7);
    }
    if (same(how, "return")) {
        for (;;) {
            sink++;
        }
    }
}

int run(void)
{
    Thread *busy = thread_spawn(trapping_thread, NULL);
    if (busy == NULL) {
        return 99;
    }
    if (same(argument(), "return")) {
        return 3;
    }
    if (same(argument(), "exit")) {
        for (;;) { /* no system call: only the process's end stops this */
            sink++;
        }
    }
    (void)futex_wait(&never, 0, -1);
    return 98;
}
