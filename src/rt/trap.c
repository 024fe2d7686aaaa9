/* SPDX-License-Identifier: Apache-2.0 */
/*
 * trap.c - from a fault or an explicit trap to its end: caught by rt_instance_call, taken by the embedder's hook, or
 * one line on stderr and death by the signal Linux would have used.
 *
 *   fault -> handler (alternate stack) -> classify by ADDRESS -> trap_raise
 *   compiled code -> runtime->trap ----------------------------------^
 *   rt function, host function -> rt_trap ---------------------------^
 *
 * Classified by the fault's address, not by pc: LLVM turns guest loops into memcpy calls, whose faults lie in the
 * runtime (reference/engines.md section 3). Handlers have SA_NODEFER and an empty mask, so leaving one by a stack
 * switch leaves the signal mask as it was. Safe: all of it is async-signal-safe.
 */
#include "rt/rt-int.h"
#include "rt/report-int.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include "base/must.h"

typedef struct TrapRow {
    const char *name; /* the spec suite's wording */
    int signal;
} TrapRow;

static const TrapRow trap_rows[_RT_TRAP_N] = { /* ORDER: RtTrap */
    [RT_TRAP_NONE] = {"no trap", SIGABRT},
    [RT_TRAP_UNREACHABLE] = {"unreachable", SIGILL},
    [RT_TRAP_INTEGER_DIVIDE_BY_ZERO] = {"integer divide by zero", SIGFPE},
    [RT_TRAP_INTEGER_OVERFLOW] = {"integer overflow", SIGFPE},
    [RT_TRAP_INVALID_CONVERSION] = {"invalid conversion to integer", SIGFPE},
    [RT_TRAP_MEMORY_OUT_OF_BOUNDS] = {"out of bounds memory access", SIGSEGV},
    [RT_TRAP_TABLE_OUT_OF_BOUNDS] = {"out of bounds table access", SIGSEGV},
    [RT_TRAP_UNDEFINED_ELEMENT] = {"undefined element", SIGSEGV},
    [RT_TRAP_UNINITIALIZED_ELEMENT] = {"uninitialized element", SIGSEGV},
    [RT_TRAP_INDIRECT_CALL_MISMATCH] = {"indirect call type mismatch", SIGILL},
    [RT_TRAP_STACK_OVERFLOW] = {"call stack exhausted", SIGSEGV},
    [RT_TRAP_UNALIGNED_ATOMIC] = {"unaligned atomic", SIGBUS},
    [RT_TRAP_EXPECTED_SHARED] = {"expected shared memory", SIGILL},
    [RT_TRAP_NULL_REFERENCE] = {"null reference", SIGSEGV},
    [RT_TRAP_BAD_LONGJMP] = {"longjmp into a dead frame", SIGABRT},
    [RT_TRAP_UNCAUGHT_EXCEPTION] = {"uncaught exception", SIGABRT},
    [RT_TRAP_UNSUPPORTED] = {"code the compiler does not generate", SIGILL},
    [RT_TRAP_HOST] = {"raised by a host function", SIGABRT},
    [RT_TRAP_EXCEPTION_MEMORY] = {"too many live exceptions", SIGABRT},
};

static const int trap_signals[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE};
#define TRAP_SIGNAL_COUNT (sizeof(trap_signals) / sizeof(trap_signals[0]))

static RtTrapHook trap_hook;
static RtSignalHook signal_hook;
static struct sigaction old_actions[TRAP_SIGNAL_COUNT]; /* what a fault that is not the guest's gets back */

void rt_set_trap_hook(RtTrapHook hook) { trap_hook = hook; }
void rt_set_signal_hook(RtSignalHook hook) { signal_hook = hook; }

const char *rt_trap_name(RtTrap trap) { return (uint32_t)trap < _RT_TRAP_N ? trap_rows[trap].name : "unknown trap"; }
int rt_trap_signal(RtTrap trap) { return (uint32_t)trap < _RT_TRAP_N ? trap_rows[trap].signal : SIGABRT; }

/* --- the end --- */

void rt_die(int signal)
{
    struct sigaction action = {.sa_handler = SIG_DFL};
    sigset_t set;
    (void)sigaction(signal, &action, NULL);
    (void)sigemptyset(&set);
    (void)sigaddset(&set, signal);
    (void)pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    (void)syscall(SYS_tgkill, getpid(), (pid_t)syscall(SYS_gettid), signal);
    /* Still here: PID 1 of a namespace gets no default action from kill(2), only from a real fault (kernel/signal.c, force_sig). */
    if (signal == SIGSEGV || signal == SIGBUS) {
        __asm__ volatile("movq $0, %%rax\n\tmovq (%%rax), %%rax" ::: "rax", "memory");
    } else if (signal == SIGILL) {
        __asm__ volatile("ud2");
    } else if (signal == SIGFPE) {
        __asm__ volatile("xorl %%ecx, %%ecx\n\tmovl $1, %%eax\n\tcltd\n\tidivl %%ecx" ::: "rax", "rcx", "rdx");
    }
    _exit(128 + signal);
}

/* --- from a place to its end --- */

static void trap_raise(RtInstance *instance, RtTrapInfo *info) __attribute__((noreturn));
static void trap_raise(RtInstance *instance, RtTrapInfo *info)
{
    Activation *activation = rt_activation;
    if (activation != NULL && activation->is_catching) {
        if (activation->info != NULL) {
            report_describe(info);
            *activation->info = *info;
        }
        activation_leave(activation, ((uint64_t)info->trap << 8) | LEAVE_TRAP);
    }
    report_describe(info);
    report_core(instance, info);
    if (trap_hook != NULL) {
        trap_hook(instance, info);
    } else {
        report_print(info);
    }
    rt_die(info->signal);
}

static RtTrapInfo trap_info(RtTrap trap, uint64_t pc)
{
    return (RtTrapInfo){.trap = trap, .signal = rt_trap_signal(trap), .guest_address = UINT64_MAX, .wasm_offset = UINT64_MAX, .pc = pc};
}

void rt_op_trap(RtInstance *instance, uint32_t trap)
{
    /* The call is the last instruction of its block: one byte back lies in it. */
    RtTrapInfo info = trap_info((RtTrap)trap, (uint64_t)(uintptr_t)__builtin_return_address(0) - 1);
    const uint64_t *frame = __builtin_frame_address(0); /* the saved rbp, the return address */
    report_callers(&info, &(JumpContext){.rip = info.pc + 1, .rsp = (uint64_t)(uintptr_t)(frame + 2), .rbp = frame[0]});
    trap_raise(instance, &info);
}

void trap_at(RtInstance *instance, RtTrap trap, uint64_t pc)
{
    RtTrapInfo info = trap_info(trap, pc);
    trap_raise(instance, &info);
}

/*
 * The guest's pc when a host or runtime function traps: the first word above our frames that points into guest code is the
 * return address of the call (host frames hold no other). Only for the report.
 */
__attribute__((no_sanitize("address", "undefined"))) static uint64_t caller_pc(const RtPrivate *private, uint64_t *ret_stack)
{
    const uint64_t *at = __builtin_frame_address(0);
    const uint64_t *top = (const uint64_t *)(const void *)private->stack_top;
    if ((const uint8_t *)at < private->stack_bottom || at >= top) {
        return 0;
    }
    for (uint32_t i = 0; i < 2048 && at + i < top; i++) {
        if (loaded_find(at[i]) != NULL) {
            *ret_stack = (uint64_t)(uintptr_t)(at + i + 1);
            return at[i] - 1;
        }
    }
    return 0;
}

void rt_trap(RtInstance *instance, RtTrap trap)
{
    const Activation *activation = rt_activation;
    uint64_t stack = 0;
    RtTrapInfo info = trap_info(trap, activation != NULL ? caller_pc(instance_private(activation->instance), &stack) : 0);
    if (stack != 0) {
        report_callers(&info, &(JumpContext){.rip = info.pc + 1, .rsp = stack});
    }
    trap_raise(instance, &info);
}

/* --- faults --- */

static RtTrap fault_classify(int signal, uint64_t address, uint64_t pc, const Activation *activation, RtTrapInfo *info)
{
    const RtPrivate *private = instance_private(activation->instance);
    if (signal == SIGSEGV || signal == SIGBUS) {
        const MemoryMap *map = memory_find(address);
        if (map != NULL) {
            info->guest_address = address - (uint64_t)(uintptr_t)map->memory.base;
            return RT_TRAP_MEMORY_OUT_OF_BOUNDS;
        }
        const uint64_t bottom = (uint64_t)(uintptr_t)private->stack_bottom;
        return address < bottom && bottom - address <= RT_STACK_GUARD ? RT_TRAP_STACK_OVERFLOW : RT_TRAP_NONE;
    }
    const RtLoaded *loaded = loaded_find(pc);
    if (loaded == NULL) {
        return RT_TRAP_NONE;
    }
    if (signal == SIGFPE) {
        return RT_TRAP_INTEGER_DIVIDE_BY_ZERO;
    }
    const uint8_t *code = (const uint8_t *)(uintptr_t)pc;
    const bool is_ud2 = loaded->object->text_end - code >= 2 && code[0] == 0x0f && code[1] == 0x0b;
    return is_ud2 ? RT_TRAP_UNREACHABLE : RT_TRAP_NONE;
}

/*
 * Not the guest's: the handler that was there before us gets it (an embedder's, a sanitizer's), and we stay installed. Where there was
 * none the default disposition comes back: a fault happens again when we return, a sent signal is sent again.
 */
static void pass_on(const struct sigaction *old, int signal, siginfo_t *si, void *context, bool is_fault)
{
    if ((old->sa_flags & SA_SIGINFO) != 0) {
        old->sa_sigaction(signal, si, context);
    } else if (old->sa_handler != SIG_DFL && old->sa_handler != SIG_IGN) {
        old->sa_handler(signal);
    } else if (is_fault || old->sa_handler == SIG_DFL) { /* a fault cannot be ignored */
        (void)sigaction(signal, &(struct sigaction){.sa_handler = SIG_DFL}, NULL);
        if (!is_fault) {
            (void)syscall(SYS_tgkill, getpid(), (pid_t)syscall(SYS_gettid), signal);
        }
    }
}

static void handler(int signal, siginfo_t *si, void *context)
{
    const Activation *activation = rt_activation;
    const bool is_fault = si->si_code > 0; /* made by the kernel; a sent one has <= 0 (sigaction(2)) */
    if (is_fault && activation != NULL) {
        const ucontext_t *uc = context;
        const uint64_t pc = (uint64_t)uc->uc_mcontext.gregs[REG_RIP], address = (uint64_t)(uintptr_t)si->si_addr;
        RtTrapInfo info = trap_info(RT_TRAP_NONE, pc);
        info.trap = fault_classify(signal, address, pc, activation, &info);
        if (info.trap != RT_TRAP_NONE) {
            info.signal = signal;
            info.fault_address = signal == SIGILL || signal == SIGFPE ? 0 : address;
            const greg_t *registers = uc->uc_mcontext.gregs;
            report_callers(&info, &(JumpContext){.rip = pc + 1, .rsp = (uint64_t)registers[REG_RSP], .rbp = (uint64_t)registers[REG_RBP]});
            trap_raise(activation->instance, &info);
        }
    }
    if (!is_fault && signal_hook != NULL) {
        signal_hook(signal, si, context);
        return;
    }
    for (size_t i = 0; i < TRAP_SIGNAL_COUNT; i++) {
        if (trap_signals[i] == signal) {
            pass_on(&old_actions[i], signal, si, context, is_fault);
        }
    }
}

int trap_handlers_install(Error *err)
{
    static bool is_installed;
    if (is_installed) {
        return 0;
    }
    struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER};
    (void)sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < TRAP_SIGNAL_COUNT; i++) {
        if (sigaction(trap_signals[i], &action, &old_actions[i]) < 0) {
            return error_set(err, errno, "rt: cannot install the trap handler");
        }
    }
    if (pthread_atfork(NULL, NULL, rt_after_fork) != 0) {
        return error_set(err, ENOMEM, "rt: cannot register the fork handler");
    }
    is_installed = true;
    return 0;
}
