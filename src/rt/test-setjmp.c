/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-setjmp.c - jumps of guests: values, dead frames, copied and forged buffers, records of one frame, exhaustion,
 * masks, a forked child.
 */
#include "rt/test-int.h"

#include <stdlib.h>

static RtLoaded *loaded;

static void run_main(RtInstance *instance, void *argument)
{
    (void)argument;
    instance->object->invoke_v(instance, instance->entry->start_code);
}

/* Runs commands; the first four reports are guest_main's greeting. */
static RtTrap run(const uint32_t *commands, void (*at_command)(RtInstance *, uint32_t), Script *ret_script)
{
    *ret_script = (Script){.commands = commands, .at_command = at_command};
    RtInstance *instance = script_instance(loaded, "main", ret_script);
    const RtTrap trap = rt_instance_call(instance, run_main, NULL, NULL);
    must(instance->jump_depth == 0);
    (void)rt_instance_free(instance);
    return trap;
}

static void test_values(void)
{
    const uint32_t commands[] = {6, 5, 6, 0, 6, UINT32_MAX, 0};
    Script script;
    must(run(commands, NULL, &script) == RT_TRAP_NONE);
    const uint32_t expected[] = {0, 5, 0, 1, 0, UINT32_MAX};
    must(script.report_count == 10 && memcmp(script.reports + 4, expected, sizeof(expected)) == 0);
}

static void test_one_frame(void)
{
    const uint32_t commands[] = {10, 0};
    Script script;
    must(run(commands, NULL, &script) == RT_TRAP_NONE);
    const uint32_t expected[] = {11, 12, 13};
    must(script.report_count == 7 && memcmp(script.reports + 4, expected, sizeof(expected)) == 0);
}

static void test_loop(void)
{
    const uint32_t commands[] = {8, 1000000, 8, 3, 0};
    Script script;
    must(run(commands, NULL, &script) == RT_TRAP_NONE);
    must(script.report_count == 6 && script.reports[4] == 1 && script.reports[5] == 1);
}

static void test_dead(void)
{
    const uint32_t commands[] = {7};
    Script script;
    must(run(commands, NULL, &script) == RT_TRAP_BAD_LONGJMP);
}

/* What a hostile guest writes into a buffer: {index, generation} of nothing, of a dead record, of huge numbers. */
static void forge_at(RtInstance *instance, uint32_t command)
{
    const uint32_t forged[][2] = {{0, 0}, {1, 1}, {UINT32_MAX, 1}, {RT_JUMP_RECORDS, 1}, {0, UINT32_MAX}};
    if (command >= 2000) {
        memcpy(instance->memory_base + 1000, forged[command - 2000], 8);
        ((Script *)instance->host)->commands++;
    }
}

static void test_forged(void)
{
    Script script;
    for (uint32_t i = 0; i < 5; i++) {
        const uint32_t commands[] = {6, 5, 2000 + i, 12, 1000};
        must(run(commands, forge_at, &script) == RT_TRAP_BAD_LONGJMP);
    }
    const uint32_t outside[] = {12, 131072 - 7};
    must(run(outside, NULL, &script) == RT_TRAP_MEMORY_OUT_OF_BOUNDS);
}

static void test_exhaustion(void)
{
    Script script;
    const uint32_t fits[] = {9, 1000, 9, 1000, 0};
    must(run(fits, NULL, &script) == RT_TRAP_NONE);
    RtInstance *instance = NULL;
    Error err = ERROR_INIT;
    const uint32_t too_many[] = {9, RT_JUMP_RECORDS + 10, 0};
    script = (Script){.commands = too_many};
    const RtInstanceConfig config = {.resolve = host_resolve, .host = &script, .native_stack_size = 64u << 20};
    must(rt_instance_new(loaded, rt_object_entry(loaded, "main"), &config, &instance, &err) == 0);
    must(rt_instance_call(instance, run_main, NULL, NULL) == RT_TRAP_STACK_OVERFLOW);
    const uint32_t again[] = {6, 3, 0}; /* the side stack is empty again */
    script = (Script){.commands = again};
    must(rt_instance_call(instance, run_main, NULL, NULL) == RT_TRAP_NONE && script.reports[5] == 3);
    (void)rt_instance_free(instance);
}

static uint64_t guest_mask;
static uint64_t get_mask(RtInstance *instance) { must(instance == rt_current()); return guest_mask; }
static void set_mask(RtInstance *instance, uint64_t mask) { must(instance == rt_current()); guest_mask = mask; }
static void change_mask(RtInstance *instance, uint32_t command)
{
    (void)instance;
    if (command == 500) {
        guest_mask = 2;
    }
}

static void test_mask(void)
{
    const struct { uint32_t kind; uint64_t after; } cases[] = {{0, 2}, {1, 2}, {1 | 0x100, 1}};
    rt_set_mask_hooks(get_mask, set_mask);
    for (size_t i = 0; i < 3; i++) {
        const uint32_t commands[] = {11, cases[i].kind, 500, 0};
        Script script;
        guest_mask = 1;
        must(run(commands, change_mask, &script) == RT_TRAP_NONE && script.reports[4] == 5 && guest_mask == cases[i].after);
    }
    rt_set_mask_hooks(NULL, NULL);
}

/* A record made before a fork is good in the child, and the jump does not disturb the parent. */
static bool is_child;
static void fork_at(RtInstance *instance, uint32_t command)
{
    (void)instance;
    if (command == 500) {
        const pid_t child = fork();
        must(child >= 0);
        is_child = child == 0;
        int status;
        must(is_child || (waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 5));
    }
}

static void test_fork(void)
{
    const uint32_t commands[] = {11, 0, 500, 0};
    Script script;
    must(run(commands, fork_at, &script) == RT_TRAP_NONE && script.report_count == 5 && script.reports[4] == 5);
    if (is_child) {
        _exit((int)script.reports[4]);
    }
}

int main(void)
{
    loaded = fixture_open(TEST_FIXTURE);
    (void)printf("1..8\n");
    test_values();
    ok("values; 0 becomes 1");
    test_one_frame();
    ok("two buffers in one frame");
    test_loop();
    ok("a loop around setjmp uses one record");
    test_dead();
    ok("dead frame");
    test_forged();
    ok("forged buffers");
    test_exhaustion();
    ok("side stack full");
    test_mask();
    ok("sigsetjmp saves the guest's mask");
    test_fork();
    ok("a forked child");
    loaded = rt_object_close(loaded);
    return 0;
}
