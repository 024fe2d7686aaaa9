/* SPDX-License-Identifier: Apache-2.0 */
/* signals.c - handlers, alternate stacks, restartable sequences, robust lists, futexes: addresses that the kernel would follow in the host's memory. */
#include "guest.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* The wali ABI's struct: 32-bit handler, then flags without padding. */
typedef struct __attribute__((packed)) Action {
    uint32_t handler;
    uint64_t flags;
    uint32_t restorer;
    uint64_t mask;
} Action;

static volatile sig_atomic_t handled;
static void note(int number) { handled += number > 0; }
static void wrong_type(double value) { handled += value > 0; }

static int raise_with(void *argument)
{
    (void)CALL(rt_sigaction, SIGUSR1, P(argument), 0, 8);
    (void)CALL(kill, getpid(), SIGUSR1);
    (void)getppid(); /* handlers run at the next call */
    return 5;
}

static void handlers(void)
{
    static const uint32_t slots[] = {3, 0xfffff, 0x7fffffff, 0x80000000, 0xffffffff, 0xfffffffd, 0x40000000, 0x00401000};
    for (size_t i = 0; i < COUNT(slots); i++) {
        for (int k = 0; k < 2; k++) {
            Action action = {.handler = slots[i], .flags = k == 0 ? 0 : 4 /* SA_SIGINFO */, .restorer = 0x401000};
            const char *got = child_name(child_run(raise_with, &action, 10));
            row(strcmp(got, "signal 4") == 0 || strcmp(got, "signal 11") == 0, say("a handler at table slot 0x%x%s", slots[i], k == 0 ? ""
                : " with SA_SIGINFO"), "signal 4 or 11 (a trap)", got);
        }
    }
    Action action = {.handler = (uint32_t)(uintptr_t)wrong_type};
    const char *got = child_name(child_run(raise_with, &action, 10));
    row(strcmp(got, "signal 4") == 0, "a handler of another type", "signal 4 (a trap)", got);
    action = (Action){.handler = (uint32_t)(uintptr_t)note, .flags = ~4ull, .restorer = 0xffffffff, .mask = ~0ull};
    got = child_name(child_run(raise_with, &action, 10));
    row(strcmp(got, "exit 5") == 0, "a handler with every flag but SA_SIGINFO, and a mask of everything", "exit 5", got);
    expect("rt_sigaction of signal 0", "EINVAL", CALL(rt_sigaction, 0, P(&action), 0, 8));
    expect("rt_sigaction of signal 65", "EINVAL", CALL(rt_sigaction, 65, P(&action), 0, 8));
    expect("rt_sigaction of signal -1", "EINVAL", CALL(rt_sigaction, -1, P(&action), 0, 8));
    expect("rt_sigaction of SIGKILL", "EINVAL", CALL(rt_sigaction, SIGKILL, P(&action), 0, 8));
    expect("rt_sigaction with a mask of 16 bytes", "EINVAL", CALL(rt_sigaction, SIGUSR1, P(&action), 0, 16));
}

/* The runtime's own signals: the guest's wish is remembered, never installed. */
static int own_fault(void *argument)
{
    const int number = *(const int *)argument;
    Action action = {.handler = (uint32_t)(uintptr_t)note};
    (void)CALL(rt_sigaction, number, P(&action), 0, 8);
    (void)CALL(kill, getpid(), number);
    (void)getppid();
    return handled != 0 ? 7 : 6;
}

static int blocked_fault(void *argument)
{
    const uint64_t all = ~0ull;
    (void)argument;
    (void)CALL(rt_sigprocmask, SIG_SETMASK, P(&all), 0, 8);
    return *(volatile int *)(uintptr_t)0xfffffff0u;
}

static int faked_fault(void *argument)
{
    int ends[2];
    (void)!pipe(ends);
    (void)CALL(fcntl, ends[0], 10 /* F_SETSIG */, *(const int *)argument);
    (void)CALL(fcntl, ends[0], F_SETOWN, getpid());
    (void)CALL(fcntl, ends[0], F_SETFL, 020000 /* O_ASYNC */);
    (void)!write(ends[1], "x", 1);
    (void)getppid();
    return 6;
}

static void runtime_signals(void)
{
    static const int numbers[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE};
    for (size_t i = 0; i < COUNT(numbers); i++) {
        const char *want = say("signal %d", numbers[i]);
        const char *got = child_name(child_run(own_fault, (void *)&numbers[i], 10));
        row(strcmp(got, want) == 0, say("kill(self, %d) with a handler for it", numbers[i]), want, got);
        got = child_name(child_run(faked_fault, (void *)&numbers[i], 10));
        row(strcmp(got, want) == 0, say("signal %d by F_SETSIG, which says where it comes from", numbers[i]), want, got);
    }
    if (getenv("WITHOUT_FAULTS") == NULL) { /* tests/escape/run says when */
        const char *got = child_name(child_run(blocked_fault, NULL, 10));
        row(strcmp(got, "signal 11") == 0, "an access out of bounds with every signal blocked", "signal 11", got);
    }
    struct { int32_t words[4]; int32_t rest[28]; } info = {{0}};
    static const int codes[] = {0, 1, 2, 0x80, 0x7fffffff};
    for (size_t i = 0; i < COUNT(codes); i++) { /* what only the kernel may say */
        info.words[2] = codes[i];
        expect(say("rt_sigqueueinfo with si_code %d", codes[i]), "EPERM", CALL(rt_sigqueueinfo, getpid(), SIGSEGV, P(&info)));
    }
}

static void stacks(void)
{
    typedef struct { uint32_t sp; int32_t flags; uint32_t size; } Stack;
    Stack stack = {0xdeadb000, 0, 0x7fffffff}, old = {1, 1, 1};
    expect("sigaltstack with an address out of memory: remembered only", "0", CALL(sigaltstack, P(&stack), 0));
    expect("sigaltstack answers", "0", CALL(sigaltstack, 0, P(&old)));
    row(old.sp == 0xdeadb000 && old.size == 0x7fffffff, "what it answers is the guest's", "0xdeadb000 0x7fffffff", say("0x%x 0x%x", old.sp, old.size));
    Action action = {.handler = (uint32_t)(uintptr_t)note, .flags = 0x08000000 /* SA_ONSTACK */};
    handled = 0;
    (void)CALL(rt_sigaction, SIGUSR2, P(&action), 0, 8);
    (void)CALL(kill, getpid(), SIGUSR2);
    (void)getppid();
    row(handled == 1, "a handler with SA_ONSTACK on it", "1 call", say("%d", (int)handled));
    stack.flags = 0x70;
    expect("sigaltstack with unknown flags", "EINVAL", CALL(sigaltstack, P(&stack), 0));
    stack = (Stack){0, 0, 100};
    expect("sigaltstack of 100 bytes", "ENOMEM", CALL(sigaltstack, P(&stack), 0));
    stack = (Stack){0, 2, 0};
    expect("sigaltstack off", "0", CALL(sigaltstack, P(&stack), 0));
}

static int tid_child(void *argument)
{
    (void)CALL(set_tid_address, P(argument));
    return 0;
}

/* Robust lists are the vkernel's to walk: {next, offset, pending} of a list of {next}. */
static const struct { const char *name; uint32_t next, offset, pending; } robust_lists[] = {
    {"lies out of memory", 0, 0, 0},
    {"leads out of memory", 0xfffffff0u, 4, 0xfffffffcu},
    {"has locks out of memory", 1, 0x80000000u, 0xfffffff3u},
    {"never ends", 1, 4, 0},
    {"is at odd addresses", 3, 1, 3},
};

static int robust_child(void *argument)
{
    uint32_t *words = ((void **)argument)[0];
    const size_t index = (size_t)*((int **)argument)[1];
    static uint32_t head[3], loop[2];
    loop[0] = P(loop);
    const uint32_t next = robust_lists[index].next;
    head[0] = next == 1 ? P(loop) : next == 3 ? P(words) + 1 : next;
    head[1] = robust_lists[index].offset;
    head[2] = robust_lists[index].pending == 3 ? P(words) + 3 : robust_lists[index].pending;
    return CALL(set_robust_list, index == 0 ? 0xfffffff8u : P(head), 12) == 0 ? 0 : 1;
}

static int sleep_long(void *argument)
{
    (void)argument;
    sleep(100);
    return 0;
}

static void addresses_the_kernel_keeps(void)
{
    uint32_t *words = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    words[0] = 0x5a5a5a5a;
    expect("set_robust_list of a 64-bit process", "EINVAL", CALL(set_robust_list, P(words), 24));
    for (size_t i = 0; i < COUNT(robust_lists); i++) {
        int index = (int)i;
        words[1] = words[2] = 0;
        expect(say("a child with a robust list that %s ends", robust_lists[i].name), "0", child_run(robust_child, (void *[]){words, &index}, 10));
        row(words[0] == 0x5a5a5a5a, "what is not its lock stays", "unchanged", say("0x%x", words[0]));
    }
    expect("set_tid_address out of memory", ">=0", CALL(set_tid_address, 0xfffffff0));
    expect("set_tid_address at 1", ">=0", CALL(set_tid_address, 1));
    expect("a child with such an address ends", "0", child_run(tid_child, words, 10));
    row(words[0] == 0x5a5a5a5a, "the kernel does not clear it", "unchanged", say("0x%x", words[0]));
    expect("clone with CLONE_CHILD_CLEARTID out of memory", ">=0", ({
        const int64_t pid = CALL(clone, SIGCHLD | 0x01300000, 0, 0xfffffff0, 0xfffffff0, 0);
        if (pid == 0) {
            _exit(0);
        }
        wait(NULL);
        pid;
    }));
    static const uint32_t bad[] = {0xfffffff0u, 0xfffffffcu, 0x80000000u, 0xffffffffu};
    static const int operations[] = {0, 1, 3, 4, 5, 9, 10, 128, 129, 131, 132, 133, 0x180 | 9};
    const char *failed = NULL;
    for (size_t i = 0; i < COUNT(bad); i++) {
        for (size_t k = 0; k < COUNT(operations); k++) {
            const int64_t first = CALL(futex, bad[i], operations[k], 1, 0, P(words), 1), second = CALL(futex, P(words), operations[k], 0, 0, bad[i], 1);
            const bool is_two = operations[k] % 128 >= 3 && operations[k] % 128 <= 5;
            if ((first != -EFAULT && first != -EINVAL) || (is_two && second != -EFAULT && second != -EINVAL)) {
                failed = say("%s, %s for operation %d at 0x%x", result_name(first), result_name(second), operations[k], bad[i]);
            }
        }
    }
    row(failed == NULL, "futex operations on addresses out of memory", "EFAULT or EINVAL", failed == NULL ? "so" : failed);
    static const int strange[] = {2, 6, 7, 8, 11, 12, 13, 14, 64, 127, 0x200, 0x400, -1};
    for (size_t i = 0; i < COUNT(strange); i++) { /* FD, LOCK_PI, UNLOCK_PI, TRYLOCK_PI, WAIT_REQUEUE_PI ... */
        expect(say("futex operation %d", strange[i]), "ENOSYS", CALL(futex, P(words), strange[i], 0, 0, P(words + 1), 0));
    }
    expect("futex at an odd address", "EINVAL", CALL(futex, P(words) + 1, 1, 1, 0, 0, 0));
    expect("FUTEX_WAKE_OP writes inside of memory only", ">=0", CALL(futex, P(words), 5, 1, 1, P(words + 4), 0x00001000));
}

/* --- floods: the queue between kernel and guest is bounded --- */

static int flood(void *argument)
{
    Action action = {.handler = (uint32_t)(uintptr_t)note, .flags = 4};
    struct { int32_t words[4]; int32_t rest[28]; } info = {{0, 0, -1, 0}};
    (void)argument;
    action.flags = 0;
    for (int number = 34; number <= 64; number++) {
        (void)CALL(rt_sigaction, number, P(&action), 0, 8);
    }
    const uint64_t all = ~0ull, none = 0;
    for (int round = 0; round < 3; round++) {
        (void)CALL(rt_sigprocmask, SIG_SETMASK, P(&all), 0, 8);
        for (int i = 0; i < 2000; i++) {
            (void)CALL(rt_sigqueueinfo, getpid(), 34 + i % 31, P(&info));
        }
        (void)CALL(rt_sigprocmask, SIG_SETMASK, P(&none), 0, 8);
        (void)getppid();
    }
    return handled > 0 ? 0 : 1;
}

static int storm(void *argument)
{
    (void)argument;
    signal(SIGALRM, note);
    signal(SIGVTALRM, note);
    const struct itimerval every = {{0, 50}, {0, 50}};
    setitimer(ITIMER_REAL, &every, NULL);
    setitimer(ITIMER_VIRTUAL, &every, NULL);
    const time_t end = time(NULL) + 1;
    int count = 0;
    while (time(NULL) <= end && count < 200000) {
        const int fd = open(count % 3 == 0 ? "/proc/self/status" : count % 3 == 1 ? "/etc/passwd" : "/links/chain", O_RDONLY);
        char text[256];
        (void)!read(fd, text, sizeof text);
        close(fd);
        if (count++ % 500 == 0 && fork() == 0) {
            _exit(0);
        }
    }
    while (wait(NULL) > 0 || errno == EINTR) {
    }
    return handled > 100 ? 0 : 1;
}

static void others(void)
{
    expect("kill(1, SIGKILL): init of the container", mode == MODE_PLAIN ? "ESRCH" : "0|EPERM", CALL(kill, 1, SIGKILL));
    expect("kill(1, SIGSTOP)", mode == MODE_PLAIN ? "ESRCH" : "0|EPERM", CALL(kill, 1, SIGSTOP));
    expect("tgkill(1, 1, SIGKILL)", mode == MODE_PLAIN ? "ESRCH" : "0|EPERM", CALL(tgkill, 1, 1, SIGKILL));
    if (mode == MODE_PLAIN) { /* the parent is the container's init, which is no guest's */
        expect("kill(parent, 0)", "ESRCH", CALL(kill, getppid(), 0));
        expect("tkill(parent, 0)", "ESRCH", CALL(tkill, getppid(), 0));
        expect("kill(INT_MIN, 0)", "ESRCH|EPERM", CALL(kill, INT32_MIN, 0));
        expect("kill(-parent, 0)", "ESRCH", CALL(kill, -getppid(), 0));
        expect("getpgid(parent)", "ESRCH", CALL(getpgid, getppid()));
        expect("sched_setaffinity(parent)", "ESRCH", CALL(sched_setaffinity, getppid(), 8, P(&(uint64_t){1})));
        expect("setpriority(parent)", "EPERM|ESRCH", CALL(setpriority, 0, getppid(), 5));
        expect("setpriority of the user", "EPERM", CALL(setpriority, 2, 0, 5));
        expect("F_SETOWN of the parent", "EPERM", CALL(fcntl, 0, F_SETOWN, getppid()));
    }
    const pid_t pid = fork();
    if (pid == 0) {
        _exit(sleep_long(NULL));
    }
    expect("kill(-1, SIGKILL): only what is the container's", "0", CALL(kill, -1, SIGKILL));
    int status = 0;
    waitpid(pid, &status, 0);
    row(WIFSIGNALED(status), "it ended the guest's other process", "signal 9", child_name(status));
    expect_alive("kill(1), kill(-1)");
}

void theme_signals(void)
{
    handlers();
    runtime_signals();
    stacks();
    addresses_the_kernel_keeps();
    int status = child_run(flood, NULL, 30);
    row(status == 0, "6000 queued real-time signals", "exit 0", child_name(status));
    const pid_t pid = fork(); /* its own alarms: child_run's would be in the way */
    if (pid == 0) {
        _exit(storm(NULL));
    }
    waitpid(pid, &status, 0);
    row(status == 0, "20000 timer signals a second during opens and forks", "exit 0", child_name(status));
    others();
}
