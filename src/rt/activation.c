/* SPDX-License-Identifier: Apache-2.0 */
/*
 * activation.c - entering and leaving guest stacks.
 *
 *   host stack                       guest stack of the instance
 *   rt_instance_run
 *     activation_enter --switch-->   activation_main -> function -> guest code -> host function
 *        ^                                                                         | rt_instance_exit,
 *        '------------------------- rt_switch_leave -------------------------------' trap caught, replace
 *
 * Frames that are left are dropped without any clean-up: guest code has none, and a host function that calls
 * rt_instance_exit, rt_trap or touches guest memory must own nothing at that moment.
 * A host function may enter again (embedding): the new activation then goes on below it on the same stack.
 * Thread rule: rt_activation is the innermost activation of this thread.
 */
#include "rt/rt-int.h"

#include <signal.h>

#include "base/must.h"

#if defined(RT_HAS_ASAN)
#include <sanitizer/asan_interface.h>
#include <sanitizer/common_interface_defs.h>
#endif

_Thread_local Activation *rt_activation;
static _Thread_local uint64_t activation_count;

RtInstance *rt_current(void) { return rt_activation != NULL ? rt_activation->instance : NULL; }

static void activation_main(void *argument)
{
    Activation *activation = argument;
#if defined(RT_HAS_ASAN)
    __sanitizer_finish_switch_fiber(NULL, &activation->host_bottom, &activation->host_size);
#endif
    activation->function(activation->instance, activation->argument);
    activation_leave(activation, 0);
}

uint64_t activation_enter(Activation *activation)
{
    RtInstance *instance = activation->instance;
    const RtPrivate *private = instance_private(instance);
    const uint8_t *here = __builtin_frame_address(0);
    const bool is_inside = here >= private->stack_bottom && here < private->stack_top;
    const stack_t alt_stack = {.ss_sp = private->alt_stack, .ss_size = RT_ALT_STACK_SIZE};
    stack_t old_alt_stack;

    activation->previous = rt_activation;
    activation->id = ++activation_count;
    activation->jump_depth = instance->jump_depth;
    must(sigaltstack(&alt_stack, &old_alt_stack) == 0); /* fails only on a wrong size or on the alternate stack itself */
    rt_activation = activation;
#if defined(RT_HAS_ASAN)
    __sanitizer_start_switch_fiber(&activation->fake_stack, private->stack_bottom, (size_t)(private->stack_top - private->stack_bottom));
#endif
    const uint64_t how = rt_switch_enter(&activation->host_stack, is_inside ? NULL : private->stack_top, activation_main, activation);
#if defined(RT_HAS_ASAN)
    __sanitizer_finish_switch_fiber(activation->fake_stack, NULL, NULL);
    if (!is_inside) {
        __asan_unpoison_memory_region(private->stack_bottom, (size_t)(private->stack_top - private->stack_bottom));
    }
#endif
    rt_activation = activation->previous;
    instance->jump_depth = activation->jump_depth;
    (void)sigaltstack(&old_alt_stack, NULL);
    return how;
}

void activation_leave(Activation *activation, uint64_t how)
{
#if defined(RT_HAS_ASAN)
    __sanitizer_start_switch_fiber(NULL, activation->host_bottom, activation->host_size);
#endif
    rt_switch_leave(activation->host_stack, how);
}

static void entry_main(RtInstance *instance, void *argument)
{
    const RtObject *object = instance->object;
    (void)argument;
    must(instance->entry != NULL);
    if (instance->entry->init_code != NULL) {
        object->invoke_v(instance, instance->entry->init_code);
    }
    object->invoke_v(instance, instance->entry->start_code);
}

int rt_instance_run(RtInstance *instance)
{
    return rt_instance_run_with(instance, entry_main, NULL);
}

int rt_instance_run_with(RtInstance *instance, void (*function)(RtInstance *, void *), void *argument)
{
    Activation activation = {.instance = instance, .function = function, .argument = argument, .is_restartable = true};
    while (activation_enter(&activation) == LEAVE_RESTART) {
        instance->jump_depth = 0;
        activation.function = entry_main;
    }
    return activation.exit_value;
}

typedef struct ThreadCall {
    uint32_t slot, a, b;
    bool is_entry;
    int result;
} ThreadCall;

/* A thread's instance is a fresh one of the module: its start section runs too (LLVM's initialises memory once for all of them). */
static void thread_call(RtInstance *instance, void *argument)
{
    ThreadCall *call = argument;
    if (instance->entry->init_code != NULL) {
        instance->object->invoke_v(instance, instance->entry->init_code);
    }
    if (call->is_entry) {
        instance->object->invoke_ii(instance, instance->entry->thread_code, call->a, call->b);
    } else {
        call->result = rt_call_ii(instance, call->slot, call->a, call->b);
    }
}

int rt_instance_run_thread(RtInstance *instance, uint32_t table_slot, uint32_t a, uint32_t b)
{
    ThreadCall call = {.slot = table_slot, .a = a, .b = b, .is_entry = table_slot == UINT32_MAX};
    must(instance->entry != NULL && (!call.is_entry || instance->entry->thread_code != NULL));
    return rt_instance_run_with(instance, thread_call, &call);
}

RtTrap rt_instance_call(RtInstance *instance, void (*function)(RtInstance *, void *), void *argument, RtTrapInfo *ret_info)
{
    Activation activation = {.instance = instance, .function = function, .argument = argument, .is_catching = true, .info = ret_info};
    const uint64_t how = activation_enter(&activation);
    return (how & 0xff) == LEAVE_TRAP ? (RtTrap)(how >> 8) : RT_TRAP_NONE;
}

static void instantiate_main(RtInstance *instance, void *argument)
{
    (void)argument;
    instance->object->instantiate(instance);
}

RtTrap rt_instance_instantiate(RtInstance *instance, RtTrapInfo *ret_info)
{
    return instance->object->instantiate != NULL ? rt_instance_call(instance, instantiate_main, NULL, ret_info) : RT_TRAP_NONE;
}

void rt_instance_exit(RtInstance *instance, int value)
{
    Activation *activation = rt_activation;
    must(activation != NULL && instance != NULL);
    activation->exit_value = value;
    activation_leave(activation, LEAVE_EXIT);
}
