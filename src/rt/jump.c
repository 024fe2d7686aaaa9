/* SPDX-License-Identifier: Apache-2.0 */
/*
 * jump.c - setjmp and longjmp of guests (design.md section 7).
 *
 * The guest's buffer holds {index, generation}; the native context is a record of the instance's side stack. Records
 * [0, instance->jump_depth) are live; a function that calls setjmp puts jump_depth back when it returns, so its
 * records are dead from then on and whatever the guest wrote into the buffer, a longjmp reaches a live frame or traps.
 *
 * Invariants: I1 the frames of live records are on the native stack, older records belong to older (higher) frames.
 * I2 records of one frame are neighbours. I3 a generation number is never used twice for one index (2^32 setjmps apart).
 * I4 a record counts only in the activation (activation.c) that made it: a trap that was caught unwinds frames of
 * several instances, whose jump_depth nobody puts back, and a jump must not cross the host's frames between two activations.
 * A buffer may be copied and used from the copy (bash does): the buffer's address is no part of the check.
 * Works in a forked child: the side stack is private memory and the native stack comes along.
 */
#include "rt/rt-int.h"

#include <string.h>

#include "base/must.h"

#if defined(RT_HAS_ASAN)
#include <sanitizer/asan_interface.h>
#endif

_Static_assert(sizeof(JumpContext) == 64 && offsetof(JumpContext, rsp) == 48 && offsetof(JumpContext, rip) == 56, "switch.S");

#define MASK_KIND_SIGSETJMP 1u
#define MASK_KIND_SAVE 0x100u

typedef struct GuestJumpBuffer {
    uint32_t index;
    uint32_t generation;
} GuestJumpBuffer;

static uint64_t (*mask_get)(RtInstance *);
static void (*mask_set)(RtInstance *, uint64_t mask);

void rt_set_mask_hooks(uint64_t (*get)(RtInstance *), void (*set)(RtInstance *, uint64_t mask))
{
    mask_get = get;
    mask_set = set;
}

static void *buffer_of(RtInstance *instance, uint32_t address)
{
    void *buffer = instance->memory != NULL ? rt_guest(instance, address, sizeof(GuestJumpBuffer)) : NULL;
    if (buffer == NULL) {
        rt_trap(instance, RT_TRAP_MEMORY_OUT_OF_BOUNDS);
    }
    return buffer;
}

/* Word by word: switch.S has just stored words, and a load of two of them would wait until they are in the cache. */
static void context_copy(JumpContext *to, const JumpContext *from)
{
    const volatile JumpContext *words = from;
    *to = (JumpContext){words->rbx, words->rbp, words->r12, words->r13, words->r14, words->r15, words->rsp, words->rip};
}

/* The record that this call site of this frame made for this buffer before, or a new one. A loop around setjmp must not use up the side stack. */
static uint32_t record_find(const RtPrivate *private, uint32_t depth, uint32_t buffer, const JumpContext *context)
{
    for (uint32_t i = depth; i > 0 && private->jumps[i - 1].context.rsp == context->rsp; i--) {
        const JumpRecord *record = &private->jumps[i - 1];
        if (record->buffer == buffer && record->context.rip == context->rip && record->activation == rt_activation->id) {
            return i - 1;
        }
    }
    return depth;
}

void rt_jump_save(RtInstance *instance, uint32_t buffer, uint32_t mask_kind, const JumpContext *context)
{
    RtPrivate *private = instance_private(instance);
    const uint32_t depth = instance->jump_depth;
    void *guest_buffer = buffer_of(instance, buffer);
    must(depth <= RT_JUMP_RECORDS && rt_activation != NULL);
    const uint32_t index = record_find(private, depth, buffer, context);
    if (index == RT_JUMP_RECORDS) {
        rt_trap(instance, RT_TRAP_STACK_OVERFLOW);
    }
    JumpRecord *record = &private->jumps[index];
    if (index == depth) {
        record->generation = ++private->jump_generation;
        instance->jump_depth = depth + 1;
    }
    context_copy(&record->context, context);
    record->activation = rt_activation->id;
    record->buffer = buffer;
    record->has_mask = (mask_kind & 0xff) == MASK_KIND_SIGSETJMP && (mask_kind & MASK_KIND_SAVE) != 0 && mask_get != NULL;
    record->mask = record->has_mask ? mask_get(instance) : 0;
    const GuestJumpBuffer value = {.index = index, .generation = record->generation};
    memcpy(guest_buffer, &value, sizeof(value));
}

void rt_jump_longjmp(RtInstance *instance, uint32_t buffer, uint32_t value)
{
    RtPrivate *private = instance_private(instance);
    GuestJumpBuffer target;
    memcpy(&target, buffer_of(instance, buffer), sizeof(target)); /* once: another thread may write it */
    const uint32_t old_depth = instance->jump_depth;
    must(old_depth <= RT_JUMP_RECORDS && rt_activation != NULL);
    if (target.index >= old_depth || private->jumps[target.index].generation != target.generation ||
        private->jumps[target.index].activation != rt_activation->id) {
        rt_trap(instance, RT_TRAP_BAD_LONGJMP);
    }
    const JumpRecord *record = &private->jumps[target.index];
    must(record->context.rsp > (uintptr_t)__builtin_frame_address(0)); /* I1: an older frame */
    uint32_t depth = target.index + 1; /* later records of the same frame stay alive: the function has not returned (I2) */
    while (depth < old_depth && private->jumps[depth].context.rsp == record->context.rsp) {
        depth++;
    }
    instance->jump_depth = depth;
    if (record->has_mask && mask_set != NULL) {
        mask_set(instance, record->mask); /* may deliver a pending guest signal, whose handler may longjmp in its turn */
    }
#if defined(RT_HAS_ASAN)
    __asan_handle_no_return();
#endif
    rt_jump_go(&record->context, value != 0 ? value : 1);
}
