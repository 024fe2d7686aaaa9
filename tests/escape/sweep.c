/* SPDX-License-Identifier: Apache-2.0 */
/* sweep.c - every call of syscalls.tbl with one argument replaced: a pointer, a count, a number, a descriptor that the guest must not have. */
#include "sweep.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

typedef struct Sweep {
    int call, argument;
} Sweep;

/* Calls that end or block the caller, or signal others, by nature. */
static bool is_left_out(int call)
{
    static const int left_out[] = {CALL_exit, CALL_exit_group, CALL_pause, CALL_fork, CALL_vfork, CALL_clone, CALL_kill, CALL_tkill, CALL_tgkill};
    for (size_t i = 0; i < COUNT(left_out); i++) {
        if (call == left_out[i]) {
            return true;
        }
    }
    return false;
}

static const char *argument_name(const Sweep *sweep)
{
    const char *name = calls[sweep->call].names;
    for (int i = 0; i < sweep->argument; i++) {
        name += strcspn(name, ",") + 1;
    }
    return say("%s(%.*s)", calls[sweep->call].name, (int)strcspn(name, ","), name);
}

/* A mask of everything would keep out the alarm that ends a child. */
static bool blocks_signals(int call)
{
    return call == CALL_rt_sigprocmask || call == CALL_rt_sigsuspend || call == CALL_rt_sigtimedwait || call == CALL_ppoll || call == CALL_pselect6 ||
        call == CALL_epoll_pwait;
}

/* One child an argument; what it prints is the row. A child that dies is the runtime's failure: none of this may kill a guest. */
static void each(const char *kinds, int (*function)(void *sweep))
{
    for (int call = 0; call < CALL_COUNT; call++) {
        for (int argument = 0; calls[call].kinds[argument] != '\0'; argument++) {
            Sweep sweep = {call, argument};
            if (strchr(kinds, calls[call].kinds[argument]) == NULL || is_left_out(call)) {
                continue;
            }
            const int status = child_run(function, &sweep, 10);
            if (status != 0) {
                row(false, argument_name(&sweep), "the caller lives", child_name(status));
            }
        }
    }
}

/* --- descriptors --- */

/* Not EBADF by design: a dup2 target above the limit is EBADF as on Linux, signalfd takes -1 for "a new one". */
static int attack_descriptor(void *argument)
{
    const Sweep *sweep = argument;
    static const int32_t extremes[] = {1100, 2047, 3000, 4095, 65536, INT_MAX, -2, -99, -101, INT_MIN};
    const char *failed = NULL;
    for (int i = 0; i < 41 + (int)COUNT(extremes); i++) {
        int64_t a[6];
        const int32_t fd = i < 40 ? 1024 + i : i == 40 ? -1 : extremes[i - 41];
        if (fd == -1 && (sweep->call == CALL_signalfd || sweep->call == CALL_signalfd4)) {
            continue;
        }
        arguments_for(sweep->call, sweep->argument, a);
        a[sweep->argument] = fd;
        const int64_t r = raw_call(sweep->call, a);
        /* Without a writable layer the first of two names already says so. */
        if (r != -EBADF && !(mode == MODE_PLAIN && r == -EROFS && sweep->argument == 2)) {
            failed = say("%s for %d", result_name(r), fd);
        }
    }
    const bool is_well = is_alive();
    row(failed == NULL && is_well, argument_name(sweep), "EBADF for 51 numbers of the runtime and beyond, and the container works", failed != NULL ? failed
        : is_well ? "so" : "no program starts");
    return 0;
}

void sweep_descriptors(void)
{
    arguments_init();
    each("fa", attack_descriptor);
}

/* --- pointers --- */

/* Arguments that are no pointers to read or write through with the other arguments as they are, or that answer something else first. */
static const struct { int call; const char *name, *want, *reason; } exceptions[] = {
    {CALL_mmap, "address", ">=0", "a range: a hint"},
    {CALL_munmap, "address", "EINVAL", "a range"},
    {CALL_mprotect, "address", "EINVAL|ENOMEM", "a range"},
    {CALL_mremap, "address", "EINVAL|EFAULT", "a range"},
    {CALL_mremap, "new_address", ">=0|EINVAL|ENOMEM|EFAULT", "a range that may be free; then the old one is gone"},
    {CALL_madvise, "address", "EINVAL|ENOMEM", "a range"},
    {CALL_msync, "address", "EINVAL|ENOMEM", "a range"},
    {CALL_mincore, "address", "EINVAL|ENOMEM", "a range"},
    {CALL_mlock, "address", "ENOMEM", "a range"},
    {CALL_munlock, "address", "ENOMEM", "a range"},
    {CALL_brk, "address", ">=0", "a range: answers the old end"},
    {CALL_set_tid_address, "address", ">=0", "remembered only"},
    {CALL_set_robust_list, "head", "EINVAL", "remembered only, when the size is right"},
    {CALL_getcpu, "unused", "0", "not looked at"},
    {CALL_nanosleep, "remain", "0", "written after EINTR only"},
    {CALL_clock_nanosleep, "remain", "0", "written after EINTR only"},
    {CALL_chroot, "path", "EPERM", "not looked at"},
    {CALL_sched_setscheduler, "param", "EFAULT|EINVAL", "policy first"},
    {CALL_getgroups, "list", "EFAULT|0", "there may be none to write"},
    {CALL_setgroups, "list", "EFAULT|EPERM", "not allowed in any case"},
    {CALL_futex, "address", "EFAULT|EINVAL", "alignment first"},
    {CALL_futex, "address2", "EFAULT|EINVAL", "alignment first"},
    {CALL_recvfrom, "address", "EFAULT|4", "an unnamed sender: nothing to write"},
};

static const char *want_of(const Sweep *sweep)
{
    for (size_t i = 0; i < COUNT(exceptions); i++) {
        if (exceptions[i].call == sweep->call && strcmp(argument_name(sweep), say("%s(%s)", calls[sweep->call].name, exceptions[i].name)) == 0) {
            return exceptions[i].want;
        }
    }
    /* Without a file system to bind in there is no listening socket. */
    return mode == MODE_PLAIN && (sweep->call == CALL_accept || sweep->call == CALL_accept4) ? "EINVAL" : "EFAULT";
}

static bool is_range_argument(const Sweep *sweep)
{
    for (size_t i = 0; i < COUNT(exceptions); i++) {
        if (exceptions[i].want == want_of(sweep) && exceptions[i].call == sweep->call && strncmp(exceptions[i].reason, "a range", 7) == 0) {
            return true;
        }
    }
    return false;
}

static int attack_pointer(void *argument)
{
    const Sweep *sweep = argument;
    const uint32_t end = memory_size();
    const uint32_t bad[] = {end, end - 1, end + PAGE, 0xffffffffu, 0xfffffff0u, 0xfffffff8u, 0xfffff000u, 0x80000000u, (uint32_t)P(none_page),
        (uint32_t)P(none_page) + PAGE - 1};
    const uint32_t partly[] = {(uint32_t)P(none_page) - 1, (uint32_t)P(none_page) - 4, 1, 3, 0};
    const char *want = want_of(sweep), *failed = NULL;
    int64_t a[6];
    const bool is_range = is_range_argument(sweep);
    for (size_t i = 0; i < COUNT(bad); i++) {
        if (is_range && i >= 8) {
            continue; /* the inaccessible page is a page all the same */
        }
        arguments_for(sweep->call, sweep->argument, a);
        a[sweep->argument] = bad[i];
        const int64_t r = raw_call(sweep->call, a);
        if (!is_wanted(want, r)) {
            failed = say("%s for 0x%x", result_name(r), bad[i]);
        }
    }
    for (size_t i = 0; i < COUNT(partly) && sweep->call != CALL_rt_sigsuspend; i++) { /* some of it is there: any answer, but no death */
        if (sweep->call == CALL_munmap || sweep->call == CALL_brk) {
            continue;
        }
        arguments_for(sweep->call, sweep->argument, a);
        a[sweep->argument] = partly[i];
        (void)raw_call(sweep->call, a);
    }
    row(failed == NULL, argument_name(sweep), want, failed != NULL ? failed : "so for every address out of range");
    return 0;
}

/* --- counts and other numbers --- */

static int attack_number(void *argument)
{
    const Sweep *sweep = argument;
    static const int64_t numbers[] = {0x20000001, 0x40000000, 0x7fffffff, 0x80000000, 0xffffffff, 0xfffffff8, 0x15555556, 0x10000, 1025, 4097, -1, 0x7f,
        0x100000000,
                                      INT64_MAX, INT64_MIN, 0x8000000000, 0x12345678};
    const char *failed = NULL;
    memset(area + AREA_SIZE, 0xa5, PAGE); /* whatever is answered, nothing is written beyond the buffers that were given */
    for (size_t i = 0; i < COUNT(numbers); i++) {
        int64_t a[6];
        if (sweep->call == CALL_fallocate && sweep->argument >= 2 && numbers[i] > 65536) {
            continue; /* would be granted, and fill the memory of the machine */
        }
        arguments_for(sweep->call, sweep->argument, a);
        a[sweep->argument] = numbers[i];
        const int64_t r = raw_call(sweep->call, a);
        alarm(10);
        if (r < -4095) {
            failed = say("%lld for 0x%llx", (long long)r, (unsigned long long)numbers[i]);
        }
    }
    for (size_t i = 0; i < PAGE; i++) {
        failed = area[AREA_SIZE + i] != 0xa5 ? "memory beside the buffers was written" : failed;
    }
    row(failed == NULL, argument_name(sweep), "an error or a value, nothing written elsewhere", failed != NULL ? failed : "so for 17 numbers");
    return 0;
}

/* Counts of structures whose product with their size does not fit. */
static void counts(void)
{
    static const int64_t bad[] = {0x20000001, 0x7fffffff, 0x80000000, 0xffffffff, 0x15555556, 0x10000001};
    static const struct { int call, argument; const char *want; } rows_[] = {
        {CALL_readv, 2, "EINVAL"}, {CALL_writev, 2, "EINVAL"}, {CALL_preadv, 2, "EINVAL"}, {CALL_pwritev, 2, "EINVAL"}, {CALL_poll, 1, "EINVAL"},
        {CALL_ppoll, 1, "EINVAL"}, {CALL_epoll_wait, 2, "EINVAL|EFAULT"}, {CALL_epoll_pwait, 2, "EINVAL|EFAULT"}, {CALL_getgroups, 0, "EINVAL"},
        {CALL_setgroups, 0, "EINVAL"}, {CALL_read, 2, "EFAULT"}, {CALL_write, 2, "EFAULT"}, {CALL_pread64, 2, "EFAULT"}, {CALL_getrandom, 1, "EFAULT"},
        {CALL_getdents64, 2, "EFAULT|EINVAL"}, {CALL_sendto, 2, "EFAULT"}, {CALL_recvfrom, 2, "EFAULT"}, {CALL_bind, 2, "EINVAL"}, {CALL_connect, 2, "EINVAL"},
        {CALL_setsockopt, 4, "EINVAL"}, {CALL_openat2, 3, "E2BIG"}, {CALL_rt_sigprocmask, 3, "EINVAL"}, {CALL_rt_sigaction, 3, "EINVAL"},
            {CALL_rt_sigpending, 1, "EINVAL"},
    };
    for (size_t i = 0; i < COUNT(rows_); i++) {
        const char *failed = NULL;
        for (size_t k = 0; k < COUNT(bad); k++) {
            int64_t a[6];
            arguments_for(rows_[i].call, rows_[i].argument, a);
            a[rows_[i].argument] = bad[k];
            const int64_t r = raw_call(rows_[i].call, a);
            failed = is_wanted(rows_[i].want, r) ? failed : say("%s for 0x%llx", result_name(r), (long long)bad[k]);
        }
        row(failed == NULL, say("%s: a count or size of 0x20000001, 0x7fffffff, -1", calls[rows_[i].call].name), rows_[i].want, failed != NULL ? failed
            : "so for all");
    }
}

/* --- structures full of one number --- */

static void interrupt(int number) { (void)number; }

static int attack_contents(void *argument);

static void each_contents(void)
{
    for (int call = 0; call < CALL_COUNT; call++) {
        for (int argument = 0; calls[call].kinds[argument] != '\0'; argument++) {
            Sweep sweep = {call, argument};
            const bool is_mask = blocks_signals(call) && argument >= (call == CALL_pselect6 ? 5 : call == CALL_ppoll ? 3 : call == CALL_epoll_pwait ? 4 : 0);
            if (calls[call].kinds[argument] == 'p' && !is_left_out(call) && !is_mask) {
                const int status = child_run(attack_contents, &sweep, 10);
                if (status != 0) {
                    row(false, say("%s: contents", argument_name(&sweep)), "the caller lives", child_name(status));
                }
            }
        }
    }
}

static int attack_contents(void *argument)
{
    const Sweep *sweep = argument;
    static const int64_t fills[] = {INT64_MAX, INT64_MIN, -1, 0x4000000000000000, 999999999, 1000000000, 0x7fffffff7fffffff, (int64_t)0x8000000080000000,
        0x0101010101010101};
    const struct itimerval soon = {{0, 5000}, {0, 5000}};
    const char *failed = NULL;
    alarm(0);
    signal(SIGALRM, interrupt);
    for (size_t i = 0; i < COUNT(fills); i++) {
        int64_t a[6];
        arguments_for(sweep->call, sweep->argument, a);
        for (uint32_t at = 0; at < 512 && a[sweep->argument] >= P(area) && a[sweep->argument] < P(area + AREA_SIZE) - 1024; at += 8) {
            memcpy((void *)(uintptr_t)(a[sweep->argument] + at), &fills[i], 8);
        }
        setitimer(ITIMER_REAL, &soon, NULL); /* what would wait for ever is interrupted */
        const int64_t r = raw_call(sweep->call, a);
        setitimer(ITIMER_REAL, &(struct itimerval){{0}}, NULL);
        failed = r < -4095 && sweep->call != CALL_times ? say("%lld", (long long)r) : failed;
    }
    row(failed == NULL, say("%s: what it points to is full of one number", argument_name(sweep)), "an error or a value", failed != NULL ? failed
        : "so for 9 numbers");
    return 0;
}

/* --- pointers inside of structures --- */

static void inner(const char *name, const char *want, int call, int64_t fd, const uint32_t *words, size_t count, int64_t last)
{
    memcpy(area, words, count * sizeof words[0]);
    const int64_t a[6] = {fd, P(area), last, 0, 0, 0};
    expect(name, want, raw_call(call, a));
}

static void inside_structures(void)
{
    const uint32_t end = memory_size(), good = (uint32_t)P(area + 1024);
    int pair[2];
    (void)!socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair);
    const int file = file_open();
    const uint32_t addresses[] = {end, end - 1, 0xfffffff0, (uint32_t)P(none_page), 0x80000000};
    for (size_t i = 0; i < COUNT(addresses); i++) {
        const uint32_t bad = addresses[i], iov[4] = {good, 4, bad, 64}, huge[4] = {good, 0xffffffff, good, 0xffffffff};
        inner(say("readv: an iovec at 0x%x", bad), bad == (uint32_t)P(none_page) ? ">=0|EFAULT" : "EFAULT", CALL_readv, file, iov, 4, 2);
        inner(say("writev: an iovec at 0x%x", bad), bad == (uint32_t)P(none_page) ? ">=0|EFAULT" : "EFAULT", CALL_writev, file, iov, 4, 2);
        inner("writev: iovecs longer than memory", "EFAULT", CALL_writev, file, huge, 4, 2);
        (void)!write(pair[0], "x", 1);
        const uint32_t name[9] = {bad, 110, good, 0, 0, 0, 0, 0, 0}, vector[9] = {0, 0, bad, 4, 0, 0, 0, 0, 0}, control[9] = {0, 0, good, 0, 0, bad, 64, 0, 0};
        inner(say("sendmsg: msg_name 0x%x", bad), "EFAULT", CALL_sendmsg, pair[0], name, 9, 0);
        inner(say("sendmsg: msg_iov 0x%x", bad), "EFAULT", CALL_sendmsg, pair[0], vector, 9, 0);
        inner(say("sendmsg: msg_control 0x%x", bad), "EFAULT", CALL_sendmsg, pair[0], control, 9, 0);
        inner(say("recvmsg: msg_iov 0x%x", bad), "EFAULT", CALL_recvmsg, pair[1], vector, 9, 0);
    }
    for (size_t i = 0; i < 3; i++) {
        const uint32_t lengths[] = {0x7fffffff, 0xffffffff, 0x20000001};
        const uint32_t many[9] = {0, 0, good, lengths[i], 0, 0, 0, 0, 0}, name[9] = {good, lengths[i], good, 0, 0, 0, 0, 0, 0}, control[9] = {0, 0, good,
            0, 0, good, lengths[i], 0, 0};
        inner(say("sendmsg: msg_iovlen 0x%x", lengths[i]), "EMSGSIZE", CALL_sendmsg, pair[0], many, 9, 0);
        inner(say("recvmsg: msg_iovlen 0x%x", lengths[i]), "EMSGSIZE", CALL_recvmsg, pair[1], many, 9, 0);
        inner(say("sendmsg: msg_namelen 0x%x", lengths[i]), "EINVAL", CALL_sendmsg, pair[0], name, 9, 0);
        inner(say("sendmsg: msg_controllen 0x%x", lengths[i]), "ENOBUFS|EINVAL", CALL_sendmsg, pair[0], control, 9, 0);
    }
    const uint32_t strings[] = {good, 0xfffffff0, 0};
    memcpy(area + 2048, strings, sizeof strings);
    expect("execve: a string of argv out of memory", "EFAULT", CALL(execve, P("/data/denied"), P(area + 2048), 0));
    expect("execve: a string of envp out of memory", "EFAULT", CALL(execve, P("/data/denied"), 0, P(area + 2048)));
    expect("execve: argv that runs into the end of memory", "EFAULT", CALL(execve, P("/data/denied"), (int64_t)end - 4, 0));
    expect("prctl(PR_SET_NAME) out of memory", "EFAULT", CALL(prctl, 15, 0xfffffff0));
    expect("prctl(PR_GET_NAME) out of memory", "EFAULT", CALL(prctl, 16, end - 1));
    expect("prctl(PR_GET_PDEATHSIG) out of memory", "EFAULT", CALL(prctl, 2, end));
    const int64_t mask[2] = {0xfffffff0, 8};
    memcpy(area, mask, sizeof mask);
    expect("pselect6: a mask out of memory", "EFAULT", CALL(pselect6, 0, 0, 0, 0, 0, P(area)));
    expect("fcntl(F_GETLK) out of memory", "EFAULT", CALL(fcntl, file, 5, 0xfffffff0));
    expect("fcntl(F_SETOWN_EX) out of memory", "EFAULT", CALL(fcntl, file, 15, end - 4));
}

/* Left out at random: what blocks, ends or changes the caller, takes its memory away, or closes the door of the root behind it. */
static bool is_unwelcome(int call)
{
    static const int calls_[] = {
        CALL_rt_sigsuspend, CALL_wait4, CALL_waitid, CALL_alarm, CALL_setitimer, CALL_fallocate, CALL_munmap, CALL_mmap, CALL_mremap, CALL_mprotect,
            CALL_madvise, CALL_brk, CALL_execve,
        CALL_execveat, CALL_rt_sigprocmask, CALL_close, CALL_close_range, CALL_dup2, CALL_dup3, CALL_setrlimit, CALL_prlimit64, CALL_futex, CALL_ppoll,
            CALL_poll, CALL_select,
        CALL_pselect6, CALL_epoll_wait, CALL_epoll_pwait, CALL_clock_nanosleep, CALL_nanosleep, CALL_rt_sigaction, CALL_rt_sigtimedwait,
            CALL_rt_sigqueueinfo, CALL_flock, CALL_mlock, CALL_ftruncate, CALL_copy_file_range, CALL_sendfile,
        CALL_truncate, CALL_chmod, CALL_fchmod, CALL_fchmodat, CALL_fchmodat2, CALL_umask, CALL_chown, CALL_lchown, CALL_fchown, CALL_fchownat};
    for (size_t i = 0; i < COUNT(calls_); i++) {
        if (call == calls_[i]) {
            return true;
        }
    }
    return is_left_out(call);
}

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    return *state ^= *state << 17;
}

/* A seeded sequence of calls with good arguments and hostile ones mixed: the same in every run. What is good lies in area, so that no answer can
 * hit the program itself. */
static int attack_at_random(void *argument)
{
    uint64_t state = 88172645463325252ull + (uint64_t)(uintptr_t)argument;
    for (int round = 0; round < 4000; round++) {
        int64_t a[6];
        const int call = (int)(next_random(&state) % CALL_COUNT);
        if (is_unwelcome(call)) {
            continue;
        }
        arguments_for(call, -1, a);
        for (int i = 0; calls[call].kinds[i] != '\0'; i++) {
            const uint64_t random = next_random(&state);
            const int64_t pointers[] = {memory_size() - (int64_t)(random >> 60), 0xffffffff, P(none_page) - 2, 0, 0xfffffff0,
                P(area) + (int64_t)(random >> 52)};
            const int64_t numbers[] = {0x7fffffff, 0xffffffff, -1, 0, RUNTIME_FD, 1024, 16, INT64_MIN};
            if (random % 3 == 0) {
                const char kind = calls[call].kinds[i];
                a[i] = kind == 'p' ? pointers[random / 3 % 6] : kind == 'S' ? pointers[random / 3 % 5] : numbers[random / 3 % 8];
            }
        }
        (void)raw_call(call, a);
    }
    return is_alive() ? 0 : 1;
}

void theme_pointers(void)
{
    arguments_init();
    each("pS", attack_pointer);
    each("uUixoDX", attack_number);
    each_contents();
    counts();
    inside_structures();
    for (int seed = 0; seed < 4; seed++) {
        const int status = child_run(attack_at_random, (void *)(uintptr_t)(unsigned)(seed * 7919), 30);
        row(status == 0, say("4000 calls at random, seed %d", seed), "exit 0, and a program starts afterwards", child_name(status));
    }
    expect_alive("all pointers");
}
