/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-trap.c - running, leaving, replacing, trapping: what a guest's fault becomes, in the words on stderr and in the
 * signal the process dies by.
 */
#include "rt/test-int.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <ucontext.h>

static RtLoaded *loaded;

static void test_run(void)
{
    const uint32_t commands[] = {0};
    Script script = {.commands = commands};
    RtInstance *instance = script_instance(loaded, "main", &script);
    must(rt_current() == NULL);
    must(rt_instance_run(instance) == 0 && rt_current() == NULL);
    const uint32_t expected[] = {555, 0x11111111, 0x22222222, 42, 4};
    must(script.report_count == 5 && memcmp(script.reports, expected, sizeof(expected)) == 0);
    must(*(uint32_t *)rt_guest(instance, 100, 4) == 77 && rt_guest(instance, 131072, 1) == NULL && rt_guest(instance, 131072, 0) != NULL);
    (void)rt_instance_free(instance);
}

static void exit_at(RtInstance *instance, uint32_t command)
{
    if (command == 99) {
        rt_instance_exit(instance, 1234);
    }
}

static void test_exit(void)
{
    const uint32_t commands[] = {99};
    Script script = {.commands = commands, .at_command = exit_at};
    RtInstance *instance = script_instance(loaded, "main", &script);
    must(rt_instance_run(instance) == 1234 && rt_current() == NULL);
    (void)rt_instance_free(instance);
}

static RtLoaded *other_object;

static void replace_at(RtInstance *instance, uint32_t command)
{
    Error err = ERROR_INIT;
    if (command == 98) {
        /* A program that does not fit is refused and nothing has changed. */
        instance_private(instance)->config.page_limit = 100;
        must(rt_instance_replace(instance, loaded, rt_object_entry(loaded, "vast"), &err) == -ENOMEM);
        must(*(uint32_t *)rt_guest(instance, 100, 4) == 77 && instance->entry == rt_object_entry(loaded, "main"));
        (void)rt_instance_replace(instance, other_object, rt_object_entry(other_object, "other"), &err);
        must(false && "replace returned");
    }
}

static void test_replace(void)
{
    const uint32_t commands[] = {98};
    Script script = {.commands = commands, .at_command = replace_at};
    other_object = fixture_open(TEST_FIXTURE);
    RtInstance *instance = script_instance(loaded, "main", &script);
    must(rt_instance_run(instance) == 0);
    const uint32_t expected[] = {4000 + 0x33, 0, 43, 3, 0};
    must(script.report_count == 10 && memcmp(script.reports + 5, expected, sizeof(expected)) == 0);
    must(instance->object == rt_object(other_object));
    (void)rt_instance_free(instance);
    other_object = rt_object_close(other_object);
}

static void call_handlers(RtInstance *instance, uint32_t command)
{
    if (command == 97) {
        must(rt_table_slot_signature(instance, 0) == 0 && rt_table_slot_signature(instance, 4) == 0);
        must(rt_call_i(instance, 1, 5) == 0 && rt_call_iii(instance, 2, 1, 2, 3) == 0);
        must(rt_call_i(instance, 2, 5) == -EINVAL && rt_call_i(instance, 0, 5) == -EINVAL && rt_call_i(instance, 400, 5) == -EINVAL);
        rt_instance_exit(instance, 0);
    }
}

static void test_calls(void)
{
    const uint32_t commands[] = {97};
    Script script = {.commands = commands, .at_command = call_handlers};
    RtInstance *instance = script_instance(loaded, "main", &script);
    must(rt_instance_run(instance) == 0 && script.report_count == 7 && script.reports[5] == 105 && script.reports[6] == 10203);
    (void)rt_instance_free(instance);
}

static void test_missing_import(void)
{
    Error err = ERROR_INIT;
    RtInstance *instance = NULL;
    const RtInstanceConfig config = {.host = NULL};
    must(rt_instance_new(loaded, rt_object_entry(loaded, "main"), &config, &instance, &err) == -ENOENT);
    must(strstr(err.message, "test.report") != NULL);
}

typedef struct TrapCase {
    uint32_t commands[3];
    const char *text; /* of the line on stderr */
    int signal;
    RtTrap trap;
} TrapCase;

static const TrapCase trap_cases[] = {
    {{1}, "out of bounds memory access in guest_load at wasm offset 0x", SIGSEGV, RT_TRAP_MEMORY_OUT_OF_BOUNDS},
    {{2}, "call stack exhausted in guest_recurse at wasm offset 0x", SIGSEGV, RT_TRAP_STACK_OVERFLOW},
    {{3}, "unreachable in guest_unreachable at wasm offset 0x", SIGILL, RT_TRAP_UNREACHABLE},
    {{4}, "integer divide by zero in guest_divide at wasm offset 0x", SIGFPE, RT_TRAP_INTEGER_DIVIDE_BY_ZERO},
    {{5}, "integer overflow in guest_main at wasm offset 0x", SIGFPE, RT_TRAP_INTEGER_OVERFLOW},
    {{7}, "longjmp into a dead frame in jump_deep at wasm offset 0x", SIGABRT, RT_TRAP_BAD_LONGJMP},
    {{12, 100}, "longjmp into a dead frame in guest_main at wasm offset 0x", SIGABRT, RT_TRAP_BAD_LONGJMP},
    {{12, 131068}, "out of bounds memory access in guest_main at wasm offset 0x", SIGSEGV, RT_TRAP_MEMORY_OUT_OF_BOUNDS},
    {{13}, "out of bounds memory access in guest_main at wasm offset 0x", SIGSEGV, RT_TRAP_MEMORY_OUT_OF_BOUNDS},
    {{14}, "(guest address 0x1ffffffff)\n", SIGSEGV, RT_TRAP_MEMORY_OUT_OF_BOUNDS},
};
#define TRAP_CASE_COUNT (sizeof(trap_cases) / sizeof(trap_cases[0]))

static bool is_blocked_first;

static void die_in_guest(void *argument)
{
    const TrapCase *trap_case = argument;
    Script script = {.commands = trap_case->commands};
    if (is_blocked_first) {
        sigset_t all;
        (void)sigfillset(&all);
        (void)sigprocmask(SIG_BLOCK, &all, NULL);
        (void)signal(SIGABRT, SIG_IGN);
    }
    (void)rt_instance_run(script_instance(loaded, "main", &script));
}

static void test_deaths(void)
{
    char text[1024];
    for (size_t i = 0; i < TRAP_CASE_COUNT; i++) {
        const int status = in_child(die_in_guest, (void *)(uintptr_t)&trap_cases[i], text, sizeof(text));
        /* The kernel kills at once when a fault's signal is blocked: then there is no line. */
        const bool has_line = strstr(text, trap_cases[i].text) != NULL && strncmp(text, "recompiler: trap: ", 18) == 0 &&
                              strchr(text, '\n') == text + strlen(text) - 1;
        if (!WIFSIGNALED(status) || WTERMSIG(status) != trap_cases[i].signal || !(has_line || (is_blocked_first && text[0] == '\0'))) {
            (void)printf("# case %zu: status 0x%x, wanted signal %d and '%s', got '%s'\n", i, (unsigned)status, trap_cases[i].signal,
                         trap_cases[i].text, text);
            must(false && "trap case");
        }
    }
}

/* The offset printed is the line of the source: here of fixture-object.c. */
static void test_offset(void)
{
    char text[1024];
    (void)in_child(die_in_guest, (void *)(uintptr_t)&trap_cases[0], text, sizeof(text));
    const char *at = strstr(text, "wasm offset 0x");
    must(at != NULL);
    const unsigned long line = strtoul(at + 14, NULL, 16);
    must(line > 30 && line < 80); /* guest_load is there */
    must(strstr(text, "(guest address 0x20000)") != NULL);
}


static void run_main(RtInstance *instance, void *argument)
{
    (void)argument;
    instance->object->invoke_v(instance, instance->entry->start_code);
}

static void test_caught(void)
{
    for (uint32_t round = 0; round < 50; round++) {
        for (size_t i = 0; i < TRAP_CASE_COUNT; i++) {
            Script script = {.commands = trap_cases[i].commands};
            RtInstance *instance = script_instance(loaded, "main", &script);
            RtTrapInfo info = {.trap = RT_TRAP_NONE};
            must(rt_instance_call(instance, run_main, NULL, round % 2 ? &info : NULL) == trap_cases[i].trap && rt_current() == NULL);
            must(round % 2 == 0 || (info.trap == trap_cases[i].trap && info.signal == trap_cases[i].signal && info.func_name[0] != '\0'));
            const uint32_t again[] = {6, 9, 0}; /* and the instance still works */
            script = (Script){.commands = again};
            must(rt_instance_call(instance, run_main, NULL, NULL) == RT_TRAP_NONE && script.report_count == 6 && script.reports[5] == 9);
            (void)rt_instance_free(instance);
        }
    }
}

static int trap_hook_count;
static void leave_by_hook(RtInstance *instance, const RtTrapInfo *info)
{
    must(instance == rt_current() && info->trap == RT_TRAP_UNREACHABLE);
    trap_hook_count++;
    rt_instance_exit(instance, 77);
}

static void test_hook(void)
{
    const uint32_t commands[] = {3};
    Script script = {.commands = commands};
    RtInstance *instance = script_instance(loaded, "main", &script);
    rt_set_trap_hook(leave_by_hook);
    must(rt_instance_run(instance) == 77 && trap_hook_count == 1);
    rt_set_trap_hook(NULL);
    (void)rt_instance_free(instance);
}

/* A fault that is not the guest's: no trap line, default disposition. */
static void host_fault(void *argument)
{
    (void)argument;
    const uint32_t commands[] = {15};
    Script script = {.commands = commands};
    (void)signal(SIGSEGV, SIG_DFL); /* not a sanitizer's */
    (void)rt_instance_run(script_instance(loaded, "main", &script));
}

static volatile int sent_count;
static void on_sent(int signal, void *siginfo, void *context)
{
    const siginfo_t *si = siginfo;
    must(signal == SIGFPE && si->si_pid == getpid() && context != NULL);
    sent_count++;
}

static void test_foreign_faults(void)
{
    char text[1024];
    const int status = in_child(host_fault, NULL, text, sizeof(text));
    must(WIFSIGNALED(status) ? WTERMSIG(status) == SIGSEGV : WEXITSTATUS(status) == 1); /* 1: a sanitizer reports it */
    must(strstr(text, "recompiler: trap") == NULL);
    rt_set_signal_hook(on_sent);
    must(kill(getpid(), SIGFPE) == 0 && sent_count == 1);
    rt_set_signal_hook(NULL);
}

static void die_as_asked(void *argument) { rt_die(*(int *)argument); }

static void test_die(void)
{
    const int signals[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGKILL, SIGTERM};
    char text[64];
    for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
        const int status = in_child(die_as_asked, (void *)(uintptr_t)&signals[i], text, sizeof(text));
        must(WIFSIGNALED(status) && WTERMSIG(status) == signals[i]);
    }
}

/* A forked guest goes on in the child: stack, memory, traps. */
static void fork_at(RtInstance *instance, uint32_t command)
{
    Script *script = instance->host;
    if (command == 96) {
        static const uint32_t child_commands[] = {6, 9, 0};
        const pid_t child = fork();
        must(child >= 0);
        if (child == 0) {
            script->commands = child_commands;
            script->reports[0] = 1;
        } else {
            int status;
            must(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 9);
            rt_instance_exit(instance, 0);
        }
    }
}

static void test_fork(void)
{
    const uint32_t commands[] = {96, 15};
    Script script = {.commands = commands, .at_command = fork_at};
    RtInstance *instance = script_instance(loaded, "main", &script);
    must(rt_instance_run(instance) == 0);
    if (script.reports[0] == 1) { /* the child: 555 was overwritten, then five more, then 0 and 9 from jump_round */
        _exit(script.report_count == 7 ? (int)script.reports[6] : 1);
    }
    (void)rt_instance_free(instance);
}

int main(void)
{
#if defined(__SANITIZE_THREAD__)
    (void)printf("1..0 # SKIP the sanitizer delays signals and knows no guest stacks\n");
    return 0;
#endif
    loaded = fixture_open(TEST_FIXTURE);
    (void)printf("1..12\n");
    test_run();
    ok("run an entry");
    test_exit();
    ok("exit from a host function");
    test_replace();
    ok("replace by an entry of another object");
    test_calls();
    ok("host calls guest functions by table slot");
    test_missing_import();
    ok("an import without binding is named");
    test_caught();
    ok("traps caught");
    test_hook();
    ok("trap hook leaves the guest");
    test_fork();
    ok("fork of a running guest");
    test_deaths();
    ok("traps end the process by the right signal");
    is_blocked_first = true;
    test_deaths();
    is_blocked_first = false;
    ok("also when every signal is blocked");
    test_offset();
    ok("wasm offset and guest address");
    test_foreign_faults();
    test_die();
    ok("faults and signals that are not the guest's");
    loaded = rt_object_close(loaded);
    return 0;
}
