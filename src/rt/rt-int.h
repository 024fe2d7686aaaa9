/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rt-int.h - what the files of src/rt share. Nobody else includes it.
 *
 *   address space of an instance
 *     guard | native stack | RtPrivate ... | RtInstance header, imports, tables, globals, dropped (compiled code's view)
 *     linear memory reservation (MemoryMap), at object->memory_base or anywhere
 *     table slots, side stack of setjmp records, alternate signal stack: one mapping each, touched when used
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "abi/abi.h"
#include "base/error.h"
#include "rt/memory-int.h"
#include "rt/rt.h"

#define RT_OBJECT_SEGMENTS 16u                   /* PT_LOAD headers taken */
#define RT_INSTANCE_SIZE_MAX (64ull << 20)       /* bytes: LIMIT_GLOBALS * 16 + LIMIT_IMPORTS * 8 + LIMIT_TABLES * 32 fit */
#define RT_STACK_GUARD (1ull << 20)              /* bytes below the native stack; larger than any frame libc uses without a probe */
#define RT_STACK_HEADROOM (128ull << 10)         /* bytes that instance->stack_limit keeps for host functions */
#define RT_ALT_STACK_SIZE (64ull << 10)          /* bytes; AVX-512 frames take 3.5 KiB, the vkernel's handlers run here too */
#define RT_JUMP_RECORDS 65536u                   /* live setjmp records of one instance */

/* --- loader.c, check.c --- */

typedef struct RtSegment {
    uint8_t *start;       /* address of the first byte of the segment in this process */
    uint64_t size;        /* bytes in memory */
    uint64_t file_offset;
    uint64_t file_size;
    uint32_t flags;       /* PF_R, PF_W, PF_X */
} RtSegment;

typedef struct FileRange {
    uint64_t offset, size;
} FileRange;

struct RtLoaded {
    int fd;               /* owned */
    uint64_t file_size;
    uint8_t *map;         /* owned: all segments lie in [map, map + map_size) */
    uint64_t map_size;
    uint64_t bias;        /* address in this process - address in the file */
    uint32_t segment_count;
    RtSegment segments[RT_OBJECT_SEGMENTS];
    const RtObject *object;
    bool *is_entry_checked; /* owned: entry_count */
    const uint8_t *unwind_index; /* .eh_frame_hdr; NULL: none. Until the segments are mapped the file's address */
    uint64_t unwind_index_size;
    FileRange symbols, strings, lines; /* .symtab, its string table, .debug_line; size 0 when absent */
    FileRange sources;    /* .rc_lines */
    RtLoaded *next;       /* all mapped objects: read by the signal handler */
};

/* loaded_has() - does [pointer, pointer + size) lie in one segment that has all flags? */
bool loaded_has(const RtLoaded *loaded, const void *pointer, uint64_t size, uint32_t flags);
const RtSegment *loaded_segment(const RtLoaded *loaded, const void *pointer, uint64_t size);
/* loaded_check() - every field of RtObject and what it points to, entries only shallowly. */
int loaded_check(const RtLoaded *loaded, const Digest *expected, Error *err) WARN_UNUSED;
int entry_check(const RtLoaded *loaded, const RtEntry *entry, Error *err) WARN_UNUSED;
/* loaded_startup_map() - maps the pages of what the object's profile says is called after start_code; nothing without a profile. */
void loaded_startup_map(const RtObject *object, const void *start_code);
/* loaded_find() - the object whose guest code has pc, NULL when none has. Safe: async-signal. */
const RtLoaded *loaded_find(uint64_t pc);

/* --- table.c --- */

int table_init_storage(RtTable *table, uint32_t minimum, uint32_t maximum, bool is_funcref, Error *err) WARN_UNUSED;
void table_deinit_storage(RtTable *table);
RtTable *table_of(const RtInstance *instance, uint32_t index);

/* --- jump.c, switch.S --- */

typedef struct JumpContext { /* ORDER: switch.S */
    uint64_t rbx, rbp, r12, r13, r14, r15, rsp, rip;
} JumpContext;

typedef struct JumpRecord {
    JumpContext context;
    uint64_t mask;
    uint64_t activation;  /* id of the stay in which it was made */
    uint32_t buffer;      /* guest address it was made for */
    uint32_t generation;
    uint32_t has_mask;
    uint32_t reserved;
} JumpRecord;

uint32_t rt_jump_setjmp(RtInstance *instance, uint32_t buffer, uint32_t mask_kind);
void rt_jump_longjmp(RtInstance *instance, uint32_t buffer, uint32_t value) __attribute__((noreturn));
/* Called by switch.S with the caller's registers. */
void rt_jump_save(RtInstance *instance, uint32_t buffer, uint32_t mask_kind, const JumpContext *context);
void rt_jump_go(const JumpContext *context, uint64_t value) __attribute__((noreturn));
/* rt_switch_enter() - call function(argument) on another stack (NULL: on this one). Return: 0 when it returned, else the value given to rt_switch_leave(). */
uint64_t rt_switch_enter(void **ret_host_stack, void *stack_top, void (*function)(void *), void *argument);
void rt_switch_leave(void *host_stack, uint64_t value) __attribute__((noreturn));

/* --- atomic.c --- */

uint32_t rt_atomic_wait32(RtInstance *instance, uint64_t address, uint32_t expected, int64_t timeout_ns);
uint32_t rt_atomic_wait64(RtInstance *instance, uint64_t address, uint64_t expected, int64_t timeout_ns);
uint32_t rt_atomic_notify(RtInstance *instance, uint64_t address, uint32_t count);
uint32_t rt_atomic_wait32_any(RtInstance *instance, uint32_t memory, uint64_t address, uint32_t expected, int64_t timeout_ns);
uint32_t rt_atomic_wait64_any(RtInstance *instance, uint32_t memory, uint64_t address, uint64_t expected, int64_t timeout_ns);
uint32_t rt_atomic_notify_any(RtInstance *instance, uint32_t memory, uint64_t address, uint32_t count);

/* --- runtime functions of table.c, in RtRuntime's order --- */

void *rt_op_table_get(RtInstance *instance, uint32_t table_index, uint32_t index);
void rt_op_table_set(RtInstance *instance, uint32_t table_index, uint32_t index, void *ref);
uint32_t rt_op_table_grow(RtInstance *instance, uint32_t table_index, void *ref, uint32_t delta);
void rt_op_table_fill(RtInstance *instance, uint32_t table_index, uint32_t index, void *ref, uint32_t size);
void rt_op_table_copy(RtInstance *instance, uint32_t dst_table, uint32_t src_table, uint32_t dst, uint32_t src, uint32_t size);
void rt_op_table_init(RtInstance *instance, uint32_t table_index, uint32_t elem_index, uint32_t dst, uint32_t src, uint32_t size);
void rt_op_elem_drop(RtInstance *instance, uint32_t elem_index);
void rt_op_elem_set(RtInstance *instance, uint32_t elem_index, uint32_t item, void *ref);
const void *rt_op_ref_code(RtInstance *instance, const void *ref);
void rt_op_trap(RtInstance *instance, uint32_t trap) __attribute__((noreturn));
void trap_at(RtInstance *instance, RtTrap trap, uint64_t pc) __attribute__((noreturn)); /* pc: of the guest */
extern const RtRuntime rt_runtime;

/* --- instance.c, activation.c, trap.c --- */

typedef struct Activation Activation;
struct Activation {       /* one stay on a guest stack: lives on the host's stack */
    Activation *previous;
    RtInstance *instance;
    uint64_t id;          /* never used twice in a thread: setjmp records are valid only in the activation that made them */
    void *host_stack;     /* for rt_switch_leave */
    void (*function)(RtInstance *, void *);
    void *argument;
    bool is_catching;
    bool is_restartable;  /* runs an entry: rt_instance_replace() may start over */
    RtTrapInfo *info;     /* NULL or where a caught trap is described */
    int exit_value;
    uint32_t jump_depth;  /* the instance's at entry */
    void *fake_stack;     /* AddressSanitizer's */
    const void *host_bottom;
    size_t host_size;
};

enum { LEAVE_EXIT = 1, LEAVE_TRAP = 2, LEAVE_RESTART = 3 }; /* low byte of rt_switch_leave's value */

typedef struct RtPrivate {
    RtLoaded *loaded;
    RtInstanceConfig config;
    uint8_t *area;        /* owned mapping: alternate stack, native stack, side stack, this structure, instance */
    size_t area_size;
    uint8_t *stack_bottom; /* lowest usable byte; RT_STACK_GUARD bytes below it fault */
    uint8_t *stack_top;
    uint8_t *alt_stack;   /* in the area: RT_ALT_STACK_SIZE */
    JumpRecord *jumps;    /* in the area: RT_JUMP_RECORDS */
    uint32_t jump_generation;
    bool owns_memory;     /* the object's own memories are this instance's (a thread has its parent's) */
    const RtObject *memory_object; /* whose memories[] the instance has bound */
    const RtFuncRef **elem_refs; /* owned: evaluated items of all segments without refs */
    uint64_t *elem_offsets; /* owned: first item of each segment in elem_refs */
    struct ExceptionPool *exceptions; /* in the area; exception-int.h */
    uint32_t exception_bump;   /* units of the pool that were ever used */
    uint32_t exception_live, exception_threshold;
    uint32_t exception_free[9]; /* RT_EXCEPTION_CLASSES; 1 + first unit of the first free block */
    uint64_t unwind_unloads;   /* rows are void when it is not the process's count */
} RtPrivate;

static inline RtPrivate *instance_private(const RtInstance *instance) { return instance->runtime_private; }

extern _Thread_local Activation *rt_activation;
/* activation_enter() - run activation->function on the instance's stack (or further down when already on it). Return: as rt_switch_enter. */
uint64_t activation_enter(Activation *activation);
/* activation_leave() - unwind to the activation's rt_switch_enter, which returns how. */
void activation_leave(Activation *activation, uint64_t how) __attribute__((noreturn));
int trap_handlers_install(Error *err) WARN_UNUSED;

#if defined(__SANITIZE_ADDRESS__)
#define RT_HAS_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define RT_HAS_ASAN 1
#endif
#endif
