/* SPDX-License-Identifier: Apache-2.0 */
/*
 * exception-int.h - what exception.c (objects), unwind.c (frames), switch.S (the throw) and instance.c (where the pool lies) share.
 */
#pragma once

#include "base/limits.h"
#include "rt/rt-int.h"

#define RT_EXCEPTION_UNIT 64u                    /* bytes: an exception of two values */
#define RT_EXCEPTION_UNITS 65536u                /* in the pool of one instance: 4 MiB */
#define RT_EXCEPTION_CLASSES 9u                  /* block sizes 1 << n units: LIMIT_PARAMS values fit in the largest */
#define RT_UNWIND_ROWS 512u                      /* call sites remembered */

typedef struct UnwindRow { /* what a call site means: made from .eh_frame */
    uint64_t return_address; /* 0: empty */
    uint64_t pad;            /* 0: no handler here */
    int32_t cfa_offset;      /* CFA = rsp or rbp + cfa_offset */
    int32_t argument_size;   /* bytes pushed for the call, to be dropped before the landing pad */
    int32_t offsets[6];      /* rbx rbp r12-r15 from the CFA; 0: not saved */
    uint32_t is_rbp;
    uint32_t reserved[3];
} UnwindRow;
_Static_assert(sizeof(UnwindRow) == 64, "a cache line");

typedef struct ExceptionPool { /* touched only when used */
    RtValue tail_arguments[LIMIT_PARAMS + 8];
    UnwindRow rows[RT_UNWIND_ROWS];
    uint8_t starts[RT_EXCEPTION_UNITS];
    uint8_t storage[(size_t)RT_EXCEPTION_UNITS * RT_EXCEPTION_UNIT] __attribute__((aligned(64)));
} ExceptionPool;
_Static_assert((RT_EXCEPTION_UNIT << (RT_EXCEPTION_CLASSES - 1)) >= sizeof(RtException) + LIMIT_PARAMS * sizeof(RtValue), "every tag fits");

RtException *rt_exception_new(RtInstance *instance, const void *tag, uint32_t value_count);
void rt_exception_free(RtInstance *instance, RtException *exception);
/* rt_exception_throw() - switch.S: collects the caller's registers for rt_unwind. */
void rt_exception_throw(RtInstance *instance, RtException *exception) __attribute__((noreturn));
void rt_unwind(RtInstance *instance, RtException *exception, JumpContext *context) __attribute__((noreturn));
/* unwind_check() - the head of the object's index of call frames. Return: 0 or -EBADMSG. */
int unwind_check(const RtLoaded *loaded, Error *err) WARN_UNUSED;
/* unwind_step() - from a frame of guest code to its caller's, for reports. @context: rip is a return address. Return: false when that cannot be known.
 * Safe: async-signal. */
bool unwind_step(const RtPrivate *private, JumpContext *context);
void unwind_forget(void); /* an object was unmapped */
/* exceptions_reset() - forget all exceptions (execve). */
void exceptions_reset(RtPrivate *private);
