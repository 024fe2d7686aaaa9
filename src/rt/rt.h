/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rt.h - what runs compiled code: loader of objects, instances, traps, memory and table operations, setjmp.
 *
 * Life cycle:  rt_object_open -> (fork) -> rt_instance_new -> rt_instance_start ... (rt_instance_replace on execve)
 * One process has at most one memory at object->memory_base. rt allocates everything at instance start; nothing on
 * the paths compiled code calls. Thread rule: an RtInstance belongs to one thread; RtMemory and tables are shared.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "abi/abi.h"
#include "base/error.h"
#include "base/hash.h"

typedef struct RtLoaded RtLoaded; /* a mapped object */

/*
 * rt_object_open() - check and map an object file read-only and executable, apply its RELATIVE relocations.
 * @fd: borrowed; a private duplicate is kept (moved to >= minimum_fd) so that memory images can be mapped.
 * @expected: SHA-256 of the megabinary it must have been made from; NULL to not check.
 * Every ELF header, program header, relocation and RtObject field is checked against the file's size before it is used;
 * a truncated, foreign or damaged file is -EBADMSG, another ABI version or lesser CPU -ENOEXEC.
 */
int rt_object_open(int fd, int minimum_fd, const Digest *expected, RtLoaded **ret_loaded, Error *err) WARN_UNUSED;
RtLoaded *rt_object_close(RtLoaded *loaded);
const RtObject *rt_object(const RtLoaded *loaded);
const RtEntry *rt_object_entry(const RtLoaded *loaded, const char *name); /* NULL when there is none */

/* How a function import is bound: return the C function for (module, name, signature text) or NULL. */
typedef const void *(*RtResolve)(void *context, const char *module, const char *name, const char *signature);

typedef struct RtInstanceConfig {
    RtResolve resolve;
    void *resolve_context;
    void *host;                   /* becomes instance->host */
    uint32_t page_limit;          /* cap on linear memory in WASM pages; 0: the module's maximum */
    size_t native_stack_size;     /* 0: LIMIT_NATIVE_STACK */
} RtInstanceConfig;

/*
 * rt_instance_new() - reserve memory and stack, bind imports, apply an entry's images, table and globals.
 * Return: 0; -ENOENT an import has no binding (err names it); -ENOMEM; -EINVAL.
 */
int rt_instance_new(RtLoaded *loaded, const RtEntry *entry, const RtInstanceConfig *config, RtInstance **ret_instance, Error *err) WARN_UNUSED;
RtInstance *rt_instance_free(RtInstance *instance);

/*
 * rt_instance_run() - call the entry's init and start code on the instance's own native stack; installs the trap
 * handlers (SIGSEGV SIGBUS SIGILL SIGFPE on an alternate stack) on first use. Returns when the start code returns or
 * rt_instance_exit() is called; a trap calls the trap hook and, if that returns, dies by the signal Linux would use.
 * Return: the exit value given to rt_instance_exit(), 0 when start returned.
 */
int rt_instance_run(RtInstance *instance);
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
    const uint64_t limit = (uint64_t)__atomic_load_n(&instance->memory->page_count, __ATOMIC_RELAXED) * RT_PAGE_SIZE;
    return size <= limit && address <= limit - size ? instance->memory_base + address : NULL;
}
/* rt_guest_string() - length of the NUL-terminated string at address, at most max_size bytes with the NUL. Return: length, -EFAULT, -ENAMETOOLONG. */
int64_t rt_guest_string(const RtInstance *instance, GuestAddr address, size_t max_size);

/* Calls into the guest from a host function (signal handlers). Traps propagate as any trap. The function is given by table slot. Return: 0 or -EINVAL (no such slot or other type). */
int rt_call_i(RtInstance *instance, uint32_t table_slot, uint32_t a) WARN_UNUSED;
int rt_call_iii(RtInstance *instance, uint32_t table_slot, uint32_t a, uint32_t b, uint32_t c) WARN_UNUSED;
uint32_t rt_table_slot_signature(const RtInstance *instance, uint32_t table_slot); /* 0: null or out of range */


/* Raise a trap from a host function. */
void rt_trap(RtInstance *instance, RtTrap trap) __attribute__((noreturn));
const char *rt_trap_name(RtTrap trap);   /* the spec suite's wording */
int rt_trap_signal(RtTrap trap);         /* SIGSEGV ... */

typedef struct RtTrapInfo {
    RtTrap trap;
    uint64_t fault_address;   /* host address, 0 when not by a fault */
    uint64_t guest_address;   /* fault address - memory base when inside the reservation, else UINT64_MAX */
    char func_name[256];      /* from the object's symbols: guest name, or "func[N]" */
    uint64_t wasm_offset;     /* byte offset in the megabinary (from .debug_line), UINT64_MAX unknown */
    uint64_t pc;
} RtTrapInfo;
/* The hook runs on the alternate stack (async-signal context): it may print with write(2), siglongjmp, _exit. NULL: default, one line on stderr:
 * "recompiler: trap: out of bounds memory access in strlen at wasm offset 0x1234 (guest address 0xdeadbeef)". */
typedef void (*RtTrapHook)(RtInstance *instance, const RtTrapInfo *info);
void rt_set_trap_hook(RtTrapHook hook);
RtInstance *rt_current(void); /* the instance running on this thread, NULL outside */
