/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rt.h - what runs compiled code: instances (of the objects of rt/object.h), traps, memory and table operations, setjmp.
 *
 * Life cycle:  rt_object_open -> (fork) -> rt_instance_new -> rt_instance_start ... (rt_instance_replace on execve)
 * One process has at most one memory at object->memory_base. rt allocates everything at instance start; nothing on
 * the paths compiled code calls. Thread rule: an RtInstance belongs to one thread; RtMemory and tables are shared.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "abi/abi.h"
#include "base/error.h"
#include "rt/object.h"

/* How a function import is bound: return the C function for (module, name, signature text) or NULL. */
typedef const void *(*RtResolve)(void *context, const char *module, const char *name, const char *signature);

/* How an imported table, memory, global or tag is bound (plain modules only): the owner's RtTable, RtMemory, RtGlobal or
 * rt_instance_tag(), or NULL. */
typedef void *(*RtResolveExtern)(void *context, const RtImportDesc *import);

typedef struct RtInstanceConfig {
    RtResolve resolve;
    void *resolve_context;
    void *host;                   /* becomes instance->host */
    uint32_t page_limit;          /* cap on each linear memory in pages of 64 KiB; 0: the module's maximum */
    size_t native_stack_size;     /* 0: LIMIT_NATIVE_STACK */
    RtResolveExtern resolve_extern; /* NULL: such an import is -ENOENT */
} RtInstanceConfig;

/*
 * rt_instance_new() - reserve memory and stack, bind imports, apply an entry's images, table and globals.
 * Return: 0; -ENOENT an import has no binding (err names it); -ENOMEM; -EINVAL.
 */
int rt_instance_new(RtLoaded *loaded, const RtEntry *entry, const RtInstanceConfig *config, RtInstance **ret_instance, Error *err) WARN_UNUSED;
RtInstance *rt_instance_free(RtInstance *instance);
int rt_instance_limit(RtInstance *instance, uint32_t page_limit) WARN_UNUSED; /* before it is started. Return: 0; -ENOMEM it has more pages already */
void rt_instance_touch(RtInstance *instance); /* writes to the pages that every start of its entry writes, reads its first code (src/zygote) */

/*
 * rt_instance_run() - call the entry's init and start code on the instance's own native stack; installs the trap handlers (SIGSEGV SIGBUS SIGILL SIGFPE on
 * an alternate stack) on first use. Returns when the start code returns or rt_instance_exit() is called; a trap calls the trap hook and, if that returns,
 * dies by the signal Linux would use. Return: the exit value given to rt_instance_exit(), 0 when start returned. */
int rt_instance_run(RtInstance *instance);

/*
 * rt_instance_call() - run a host function on the instance's native stack with traps caught (embedding, spec runner). A plain module
 * is instantiated in this way: rt_instance_instantiate() runs object->instantiate.
 * Return: RT_TRAP_NONE when it returned or called rt_instance_exit(); else the trap, described in *ret_info (may be NULL).
 */
struct RtTrapInfo;
RtTrap rt_instance_call(RtInstance *instance, void (*function)(RtInstance *, void *), void *argument, struct RtTrapInfo *ret_info);
RtTrap rt_instance_instantiate(RtInstance *instance, struct RtTrapInfo *ret_info);
/*
 * rt_instance_new_thread() - an instance for another thread of the same guest: shares parent's memory and object; globals and tables are the entry's
 * initial ones (of a plain module: copies of the parent's); own stack and setjmp records. Freed when the thread ends, by whoever is not on its stack.
 */
int rt_instance_new_thread(RtInstance *parent, void *host, size_t native_stack_size, RtInstance **ret_instance, Error *err) WARN_UNUSED;
/* rt_instance_run_with() - run a host function on the instance's stack; traps are not caught. What it calls may replace the instance (execve). */
int rt_instance_run_with(RtInstance *instance, void (*function)(RtInstance *, void *), void *argument);
/* rt_instance_run_thread() - a guest thread: the start section, then the function of type (i32, i32) -> () in a table slot, or with slot UINT32_MAX
 * the entry's thread_code. Return: 0, or the exit value. */
int rt_instance_run_thread(RtInstance *instance, uint32_t table_slot, uint32_t a, uint32_t b);
/* rt_instance_take_memory() - in the child of a thread's fork: the memory belongs to this thread's instance from now on. */
void rt_instance_take_memory(RtInstance *instance, RtInstance *owner);
/* rt_instance_exit() - leave the guest from a host function: unwinds the guest's stack to rt_instance_run(). */
void rt_instance_exit(RtInstance *instance, int value) __attribute__((noreturn));

/*
 * rt_instance_replace() - execve: called from a host function. Fresh memory (zero + images of the entry, perhaps of another
 * object), table and globals, no setjmp records; then starts the entry on an empty stack. Does not return on success.
 * Everything that can fail is done before the old state is touched: a return < 0 leaves the instance as it was.
 */
int rt_instance_replace(RtInstance *instance, RtLoaded *loaded, const RtEntry *entry, Error *err);

/* Guest memory for host functions: NULL when [address, address + size) is not inside the current memory. size 0 is fine at the end. */
static inline void *rt_guest(const RtInstance *instance, GuestAddr address, uint64_t size)
{
    const uint64_t limit = __atomic_load_n(&instance->memory->size, __ATOMIC_RELAXED);
    return size <= limit && address <= limit - size ? instance->memory_base + address : NULL;
}
/* rt_guest_string() - length of the NUL-terminated string at address, at most max_size bytes with the NUL. Return: length, -EFAULT, -ENAMETOOLONG. */
int64_t rt_guest_string(const RtInstance *instance, GuestAddr address, size_t max_size);

/* Calls into the guest from a host function (signal handlers). Traps propagate as any trap. The function is given by table slot. Return: 0 or -EINVAL (no such slot or other type). */
int rt_call_i(RtInstance *instance, uint32_t table_slot, uint32_t a) WARN_UNUSED;
int rt_call_ii(RtInstance *instance, uint32_t table_slot, uint32_t a, uint32_t b) WARN_UNUSED;
int rt_call_iii(RtInstance *instance, uint32_t table_slot, uint32_t a, uint32_t b, uint32_t c) WARN_UNUSED;
uint32_t rt_table_slot_signature(const RtInstance *instance, uint32_t table_slot); /* 0: null or out of range */

/* Raise a trap from a host function. */
void rt_trap(RtInstance *instance, RtTrap trap) __attribute__((noreturn));
const char *rt_trap_name(RtTrap trap);   /* the spec suite's wording */
int rt_trap_signal(RtTrap trap);         /* SIGSEGV ... */

#define RT_TRAP_FRAMES 16u

typedef struct RtTrapInfo {
    RtTrap trap;
    int signal;               /* what the process dies by: rt_trap_signal(trap), SIGBUS for a guest file mapping past its end */
    uint64_t fault_address;   /* host address, 0 when not by a fault */
    uint64_t guest_address;   /* fault address - memory base when inside the reservation, else UINT64_MAX */
    char func_name[256];      /* from the object's symbols: guest name, or "func[N]" */
    uint64_t wasm_offset;     /* byte offset in the megabinary (from .debug_line), UINT64_MAX unknown */
    char source_file[256];    /* where the program had DWARF lines; "" unknown */
    uint32_t source_line;     /* 0 unknown */
    uint64_t pc;
    uint32_t frame_count;     /* callers that are known */
    uint64_t frames[RT_TRAP_FRAMES]; /* a pc in each caller, the nearest first */
} RtTrapInfo;
/*
 * The hook runs in async-signal context (on the alternate stack after a fault): it may print with write(2), siglongjmp, _exit.
 * NULL: default, one line on stderr:
 * "recompiler: trap: out of bounds memory access in strlen at wasm offset 0x1234 (guest address 0xdeadbeef)", with " at FILE:LINE" before
 * " at wasm offset" where it is known.
 */
typedef void (*RtTrapHook)(RtInstance *instance, const RtTrapInfo *info);
void rt_set_trap_hook(RtTrapHook hook);
/* rt_set_core_fd() - a descriptor (borrowed) to which every trap that ends this process writes one JSON line: trap, signal, pid, entry, guest address,
 * size of memory, frames with function, wasm offset and source line. No host address, no contents of memory. -1: none (the default). */
void rt_set_core_fd(int fd);
RtInstance *rt_current(void); /* the instance running on this thread, NULL outside */
bool rt_is_guest_code(uint64_t pc); /* does pc lie in a mapped object's code? Safe: async-signal */

/*
 * SIGSEGV, SIGBUS, SIGILL and SIGFPE belong to rt: they must not be blocked on the host (the kernel would kill without a
 * word), whatever the guest's mask says. One that is not a guest's fault and was sent (kill(2), si_code <= 0) is given to
 * this hook, so that the vkernel can treat it as a guest signal; without a hook the process dies by it.
 */
typedef void (*RtSignalHook)(int signal, void *siginfo, void *ucontext);
void rt_set_signal_hook(RtSignalHook hook);

/*
 * memory.atomic.wait sleeps here, so that a guest signal can wake it: wait is futex(2) FUTEX_WAIT with an absolute monotonic deadline (NULL: none); when
 * instance->interrupt is set after it, the waiter leaves its queue, interrupted() runs (and may not return), and the guest is told that it was woken.
 */
typedef struct RtWaitHooks {
    void (*wait)(RtInstance *instance, const uint32_t *word, uint32_t value, const struct timespec *deadline);
    void (*interrupted)(RtInstance *instance);
} RtWaitHooks;
void rt_set_wait_hooks(const RtWaitHooks *hooks); /* borrowed; NULL: not interruptible */

/* rt_after_fork() - in the child of a fork: forget what other threads of the parent held. fork(3) calls it by itself, a raw clone(2) must. */
void rt_after_fork(void);

/* rt_die() - end this process by a signal's default action whatever its disposition and mask; also as PID 1. */
void rt_die(int signal) __attribute__((noreturn));

/* The guest's signal mask for sigsetjmp: get returns it, set restores it at siglongjmp. NULL: masks are not saved. */
void rt_set_mask_hooks(uint64_t (*get)(RtInstance *), void (*set)(RtInstance *, uint64_t mask));

/*
 * References between instances (embedding, spec runner). share: called for every non-null function reference that is stored in a
 * table; answers what to store, so that code of another instance can call it (func_index with bit 31 set). lookup: a bit 31
 * func_index back to its reference. NULL: references are stored as they are, which is right while tables are not shared.
 */
typedef const RtFuncRef *(*RtShareHook)(RtInstance *instance, const RtFuncRef *ref);
typedef const RtFuncRef *(*RtLookupHook)(uint32_t func_index);
void rt_set_reference_hooks(RtShareHook share, RtLookupHook lookup);

/* Memories and tables that belong to the embedder. */
int rt_memory_new(uint64_t base, uint32_t page_minimum, uint32_t page_maximum, uint32_t page_limit, bool is_shared, RtMemory **ret_memory,
                  Error *err) WARN_UNUSED;
/* rt_memory_new_as() - any type of memory. @byte_limit: cap in bytes, 0 none. Pre: page_size_log2 is 0 or 16. */
int rt_memory_new_as(uint64_t base, const RtMemoryDesc *desc, uint64_t byte_limit, RtMemory **ret_memory, Error *err) WARN_UNUSED;
RtMemory *rt_memory_free(RtMemory *memory);
uint32_t rt_memory_grow(RtMemory *memory, uint32_t delta_pages); /* old size in pages or UINT32_MAX */
int rt_table_new(uint32_t minimum, uint32_t maximum, bool is_funcref, RtTable **ret_table, Error *err) WARN_UNUSED;
RtTable *rt_table_free(RtTable *table);

/* What the object exports, as this instance has it: NULL when the index is not of that kind. */
RtMemory *rt_instance_memory(RtInstance *instance, uint32_t index);
RtTable *rt_instance_table(RtInstance *instance, uint32_t index);
RtGlobal *rt_instance_global(RtInstance *instance, uint32_t index);
/* rt_instance_tag() - a tag's identity, for RtResolveExtern of an instance that imports it. */
void *rt_instance_tag(RtInstance *instance, uint32_t index);
/* rt_exception_count() - exceptions whose memory has not been taken back (tests). */
uint32_t rt_exception_count(const RtInstance *instance);
