/* SPDX-License-Identifier: Apache-2.0 */
/*
 * exception.c - exception objects: where they live and when their memory is taken back.
 *
 *   pool of an instance: storage in units of 64 bytes; an exception takes 1, 2, 4 ... 256 of them
 *   starts[unit]   0 never used, 1 + log2(units) of the block that begins here, BLOCK_INSIDE of a later unit of a block
 *   free list per size; blocks are cut off at `bump` and never change their size
 *
 * A catch that makes no exnref gives its exception back at once (rt_exception_free): nobody else can hold it. One that was given
 * out as an exnref, or is kept for a rethrow, is EXPOSED. When twice as many exceptions are there as survived last time, exposed
 * ones that nothing refers to are collected: references are searched for in everything where compiled code can keep one - registers, the
 * stacks of all activations, setjmp records, the instance with its globals, tables, other exceptions - taking any word that points
 * into a live exception for a reference. A loop of any number of throws therefore runs in a few pages.
 *
 * An exception that was given to another instance (FOREIGN), and any exposed one of an instance that shares globals or tables or has
 * references to exceptions in the types of its imports and exports, is never collected. A full pool is a trap.
 * Thread rule: a pool belongs to its instance's thread. Works in a forked child: it is private memory.
 */
#include "rt/exception-int.h"

#include <string.h>

#include "base/must.h"
#include "wasm/module.h"

#define BLOCK_INSIDE 0xffu
#define COLLECT_MINIMUM 256u

static RtException *exception_at(const RtPrivate *private, uint32_t unit)
{
    return (RtException *)(void *)(private->exceptions->storage + (size_t)unit * RT_EXCEPTION_UNIT);
}

static uint32_t unit_of(const RtPrivate *private, const RtException *exception)
{
    return (uint32_t)((uint64_t)((const uint8_t *)exception - private->exceptions->storage) / RT_EXCEPTION_UNIT);
}

static uint32_t size_class(uint32_t value_count)
{
    const uint64_t size = sizeof(RtException) + (uint64_t)value_count * sizeof(RtValue);
    uint32_t class = 0;
    while (((uint64_t)RT_EXCEPTION_UNIT << class) < size) {
        class++;
    }
    return class;
}

_Static_assert(sizeof(((RtPrivate *)0)->exception_free) == RT_EXCEPTION_CLASSES * sizeof(uint32_t), "rt-int.h");

/* --- collection --- */

typedef struct Marker {
    RtPrivate *private;
    uint32_t pending; /* 1 + unit of the first marked exception whose values are to be searched */
} Marker;

static void mark_word(Marker *marker, uint64_t word)
{
    const RtPrivate *private = marker->private;
    const uint64_t offset = word - (uint64_t)(uintptr_t)private->exceptions->storage;
    if (offset >= (uint64_t)private->exception_bump * RT_EXCEPTION_UNIT) {
        return;
    }
    uint32_t unit = (uint32_t)(offset / RT_EXCEPTION_UNIT);
    while (private->exceptions->starts[unit] == BLOCK_INSIDE) {
        unit--;
    }
    RtException *exception = exception_at(private, unit);
    if ((exception->state & (RT_EXCEPTION_LIVE | RT_EXCEPTION_MARKED)) == RT_EXCEPTION_LIVE) {
        exception->state |= RT_EXCEPTION_MARKED;
        exception->link = marker->pending;
        marker->pending = unit + 1;
    }
}

/* Any word may be a reference: also those of frames that AddressSanitizer guards. */
__attribute__((no_sanitize("address", "undefined"))) static void mark_range(Marker *marker, const void *begin, const void *end)
{
    const uintptr_t first = ((uintptr_t)begin + 7) & ~(uintptr_t)7;
    for (const uint64_t *at = (const uint64_t *)first; (uintptr_t)at + 8 <= (uintptr_t)end; at++) {
        mark_word(marker, *at);
    }
}

/* From here up to the innermost activation's entry, then what each host function left of the activation that called it. */
static void mark_stacks(Marker *marker)
{
    const uint8_t *from = __builtin_frame_address(0);
    for (const Activation *activation = rt_activation; activation != NULL; activation = activation->previous) {
        const RtPrivate *private = instance_private(activation->instance);
        if (from >= private->stack_bottom && from < private->stack_top) {
            mark_range(marker, from, private->stack_top);
        }
        from = activation->host_stack;
    }
}

static void mark_instance(Marker *marker, RtInstance *instance)
{
    const RtObject *object = instance->object;
    mark_range(marker, instance, (const uint8_t *)instance + object->instance_size);
    mark_range(marker, marker->private->jumps, marker->private->jumps + instance->jump_depth);
    for (uint32_t i = 0; i < object->table_count; i++) {
        const RtTable *table = table_of(instance, i);
        if (!table->is_funcref) {
            mark_range(marker, table->elems, table->elems + table->size);
        }
    }
}

static bool signature_has_exnref(const char *signature) { return signature != NULL && strchr(signature, 'x') != NULL; }

/* May exnrefs be where we do not search: another instance's globals, tables, frames on a stack that is not active? */
static bool has_shared_references(const RtObject *object)
{
    for (uint32_t i = 0; i < object->import_count; i++) {
        const uint32_t kind = object->imports[i].kind;
        if (kind == WASM_EXTERN_GLOBAL || kind == WASM_EXTERN_TABLE || signature_has_exnref(object->imports[i].signature)) {
            return true;
        }
    }
    for (uint32_t i = 0; i < object->export_count && object->entry_count == 0; i++) {
        const uint32_t kind = object->exports[i].kind;
        if (kind == WASM_EXTERN_GLOBAL || kind == WASM_EXTERN_TABLE || signature_has_exnref(object->exports[i].signature)) {
            return true;
        }
    }
    return false;
}

static void block_free(RtPrivate *private, uint32_t unit)
{
    RtException *exception = exception_at(private, unit);
    const uint32_t class = private->exceptions->starts[unit] - 1u;
    must(class < RT_EXCEPTION_CLASSES);
    exception->state = 0;
    exception->tag = NULL;
    exception->link = private->exception_free[class];
    private->exception_free[class] = unit + 1;
    private->exception_live--;
}

static void sweep(RtPrivate *private, uint32_t kept_flags)
{
    for (uint32_t unit = 0; unit < private->exception_bump; unit += 1u << (private->exceptions->starts[unit] - 1u)) {
        RtException *exception = exception_at(private, unit);
        if ((exception->state & RT_EXCEPTION_LIVE) != 0 && (exception->state & (RT_EXCEPTION_MARKED | kept_flags)) == 0) {
            block_free(private, unit);
        }
        exception->state &= ~RT_EXCEPTION_MARKED;
    }
}

__attribute__((noinline)) static void collect(RtInstance *instance)
{
    RtPrivate *private = instance_private(instance);
    Marker marker = {.private = private};
    __builtin_unwind_init(); /* callee-saved registers go into this frame, which mark_stacks() searches */
    mark_stacks(&marker);
    mark_instance(&marker, instance);
    for (uint32_t unit = 0; unit < private->exception_bump; unit += 1u << (private->exceptions->starts[unit] - 1u)) {
        const RtException *exception = exception_at(private, unit);
        if ((exception->state & RT_EXCEPTION_FOREIGN) != 0) { /* its values are reachable */
            mark_word(&marker, (uint64_t)(uintptr_t)exception);
        }
    }
    while (marker.pending != 0) {
        const RtException *exception = exception_at(private, marker.pending - 1);
        marker.pending = exception->link;
        mark_range(&marker, exception->values, exception->values + exception->value_count);
    }
    sweep(private, has_shared_references(instance->object) ? RT_EXCEPTION_FOREIGN | RT_EXCEPTION_EXPOSED : RT_EXCEPTION_FOREIGN);
    const uint32_t twice = 2 * private->exception_live;
    private->exception_threshold = twice > COLLECT_MINIMUM ? twice : COLLECT_MINIMUM;
}

/* --- allocation --- */

static bool block_cut(RtPrivate *private, uint32_t class)
{
    const uint32_t units = 1u << class, unit = private->exception_bump;
    if (units > RT_EXCEPTION_UNITS - unit) {
        return false;
    }
    uint8_t *starts = private->exceptions->starts + unit;
    starts[0] = (uint8_t)(class + 1);
    memset(starts + 1, BLOCK_INSIDE, units - 1);
    private->exception_bump += units;
    RtException *exception = exception_at(private, unit);
    exception->state = 0;
    exception->link = private->exception_free[class];
    private->exception_free[class] = unit + 1;
    return true;
}

RtException *rt_exception_new(RtInstance *instance, const void *tag, uint32_t value_count)
{
    RtPrivate *private = instance_private(instance);
    const uint32_t class = size_class(value_count);
    must(class < RT_EXCEPTION_CLASSES); /* LIMIT_PARAMS */
    if (private->exception_free[class] == 0) {
        const uint32_t threshold = private->exception_threshold == 0 ? COLLECT_MINIMUM : private->exception_threshold;
        if (private->exception_live >= threshold) {
            collect(instance);
        }
        if (private->exception_free[class] == 0 && !block_cut(private, class)) {
            collect(instance);
            if (private->exception_free[class] == 0) {
                rt_trap(instance, RT_TRAP_EXCEPTION_MEMORY);
            }
        }
    }
    RtException *exception = exception_at(private, private->exception_free[class] - 1);
    private->exception_free[class] = exception->link;
    private->exception_live++;
    *exception = (RtException){.tag = tag, .owner = instance, .value_count = value_count, .state = RT_EXCEPTION_LIVE};
    return exception;
}

void rt_exception_free(RtInstance *instance, RtException *exception)
{
    (void)instance;
    RtPrivate *private = instance_private(exception->owner);
    if ((exception->state & (RT_EXCEPTION_LIVE | RT_EXCEPTION_EXPOSED)) == RT_EXCEPTION_LIVE) {
        block_free(private, unit_of(private, exception));
    }
}

void exceptions_reset(RtPrivate *private)
{
    if (private->exception_bump > 0) {
        memset(private->exceptions->starts, 0, private->exception_bump);
    }
    memset(private->exception_free, 0, sizeof(private->exception_free));
    private->exception_bump = private->exception_live = private->exception_threshold = 0;
}

uint32_t rt_exception_count(const RtInstance *instance) { return instance_private(instance)->exception_live; }
