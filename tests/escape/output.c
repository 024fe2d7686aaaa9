/* SPDX-License-Identifier: Apache-2.0 */
/*
 * output.c - every call that writes a structure: into a buffer of 0xa5 with red zones on both sides. Exactly the documented bytes are written,
 * none is left as it was inside, and none looks like an address of the host.
 */
#include "guest.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ZONE = 16384, AT = 4096 };
static _Alignas(16) uint8_t zone[ZONE];
static uint8_t *const out = zone + AT;

static void prepare(void) { memset(zone, 0xa5, sizeof zone); }

/* The judgement on what a call wrote. skipped: the offset of 8 bytes that are random by nature (f_fsid), or -1. */
static const char *judge(size_t size, int skipped, bool may_leave_gaps)
{
    for (int i = 0; i < ZONE; i++) {
        if (zone[i] != 0xa5 && (i < AT || i >= AT + (int)size)) {
            return say("byte %d was written", i - AT);
        }
    }
    size_t untouched = 0;
    for (size_t at = 0; at + 8 <= size; at += 8) {
        const uint64_t old = 0xa5a5a5a5a5a5a5a5ull;
        untouched += memcmp(out + at, &old, 8) == 0;
    }
    if (size > 0 && size < 8) {
        untouched = memcmp(out, "\xa5\xa5\xa5\xa5\xa5\xa5\xa5", size) == 0;
    }
    if (untouched > 0 && !may_leave_gaps) {
        return say("%d pieces of 8 bytes were not written", (int)untouched);
    }
    if (skipped >= 0) {
        memset(out + skipped, 0, 8);
    }
    const int64_t pointer = host_pointer(out, size + 7);
    if (pointer >= 0) {
        uint64_t value;
        memcpy(&value, out + pointer, 8);
        return say("an address of the host at %d: 0x%llx", (int)pointer, (unsigned long long)value);
    }
    return NULL;
}

static void check_all(const char *name, size_t size, int64_t result, int skipped, bool may_leave_gaps)
{
    const char *problem = result < 0 ? result_name(result) : judge(size, skipped, may_leave_gaps);
    row(problem == NULL, name, say("%d bytes, all written, nothing of the host", (int)size), problem == NULL ? "so" : problem);
}

static void check(const char *name, size_t size, int64_t result) { check_all(name, size, result, -1, false); }

#define WRITES(size, name, ...) (prepare(), check(#name, size, CALL(name, __VA_ARGS__)))

static void of_files(void)
{
    const int fd = file_open(), directory = open("/etc", O_RDONLY | O_DIRECTORY);
    WRITES(144, stat, P("/etc/passwd"), P(out));
    WRITES(144, lstat, P("/links/etc"), P(out));
    WRITES(144, fstat, fd, P(out));
    WRITES(144, newfstatat, directory, P("passwd"), P(out), 0);
    prepare();
    check("stat of a served file", 144, CALL(stat, P("/proc/self/status"), P(out)));
    prepare();
    check("lstat of /proc/self/exe", 144, CALL(lstat, P("/proc/self/exe"), P(out)));
    prepare();
    check("stat of /dev/null", 144, CALL(stat, P("/dev/null"), P(out)));
    prepare();
    check("fstat of a pipe", 144, CALL(fstat, 1, P(out)));
    WRITES(256, statx, directory, P("passwd"), 0, 0xfff, P(out));
    prepare();
    check("statx with every mask bit that is not reserved", 256, CALL(statx, directory, P("passwd"), 0, 0x7fffffff, P(out)));
    prepare();
    check_all("statfs", 120, CALL(statfs, P("/etc"), P(out)), 56, false);
    prepare();
    check_all("fstatfs", 120, CALL(fstatfs, fd, P(out)), 56, false);
    prepare();
    const int64_t r = CALL(getdents64, directory, P(out), 2048);
    check_all("getdents64", r > 0 ? (size_t)r : 0, r, -1, true);
    prepare();
    expect("getdents64 with room for nothing", "EINVAL", CALL(getdents64, open("/etc", O_RDONLY | O_DIRECTORY), P(out), 8));
    row(judge(0, -1, false) == NULL, "it writes nothing", "nothing", judge(0, -1, false) == NULL ? "nothing" : "something");
    prepare();
    check("readlink into 3 bytes", 3, CALL(readlink, P("/links/etc"), P(out), 3));
    prepare();
    check("readlink of a served link into 2 bytes", 2, CALL(readlink, P("/proc/self/exe"), P(out), 2));
    prepare();
    check("getcwd", 2, CALL(getcwd, P(out), 100));
    prepare();
    check("read of 5 bytes", 5, CALL(read, fd, P(out), 5));
    prepare();
    check("fcntl(F_GETLK)", 32, (memset(out, 0, 32), CALL(fcntl, fd, 5, P(out))));
    prepare();
    check("fcntl(F_GETOWN_EX)", 8, CALL(fcntl, fd, 16, P(out)));
    WRITES(8, pipe, P(out));
    prepare();
    check("splice: the offset", 8, (memset(out, 0, 8), CALL(sendfile, ({ int ends[2]; (void)!pipe(ends); ends[1]; }), fd, P(out), 4)));
}

static void of_the_system(void)
{
    WRITES(112, sysinfo, P(out));
    WRITES(390, uname, P(out));
    prepare();
    check("getcpu: the processor", 4, CALL(getcpu, P(out), 0, 0));
    prepare();
    check("getcpu: the node", 4, CALL(getcpu, 0, P(out), 0));
    prepare();
    check("getcpu: a cache that nobody uses", 0, CALL(getcpu, 0, 0, P(out)));
    WRITES(32, times, P(out));
    static const int who[] = {0, -1, 1};
    for (size_t i = 0; i < COUNT(who); i++) {
        prepare();
        check(say("getrusage(%d)", who[i]), 144, CALL(getrusage, who[i], P(out)));
    }
    for (int resource = 0; resource < 16; resource++) {
        prepare();
        check(say("getrlimit(%d)", resource), 16, CALL(getrlimit, resource, P(out)));
        prepare();
        check(say("prlimit64(%d)", resource), 16, CALL(prlimit64, 0, resource, 0, P(out)));
    }
    static const int sizes[] = {8, 16, 128, 136, 1024, 4096};
    for (size_t i = 0; i < COUNT(sizes); i++) {
        prepare();
        const int64_t r = CALL(sched_getaffinity, 0, sizes[i], P(out));
        check(say("sched_getaffinity of %d bytes", sizes[i]), r > 0 && r <= sizes[i] ? (size_t)r : 0, r);
    }
    static const int small[] = {0, 1, 4, 7, 9};
    for (size_t i = 0; i < COUNT(small); i++) {
        prepare();
        const int64_t r = CALL(sched_getaffinity, 0, small[i], P(out));
        const char *problem = judge(0, -1, false);
        row(r == -EINVAL && problem == NULL, say("sched_getaffinity of %d bytes", small[i]), "EINVAL, nothing written", problem != NULL ? problem
            : result_name(r));
    }
    WRITES(4, sched_getparam, 0, P(out));
    prepare();
    check("getresuid", 12, CALL(getresuid, P(out), P(out + 4), P(out + 8)));
    prepare();
    check("getresgid", 12, CALL(getresgid, P(out), P(out + 4), P(out + 8)));
    prepare();
    const int64_t groups = CALL(getgroups, 200, P(out));
    check("getgroups", groups > 0 ? (size_t)groups * 4 : 0, groups);
    prepare();
    check("prctl(PR_GET_NAME)", 16, CALL(prctl, 16, P(out)));
    prepare();
    check("prctl(PR_GET_PDEATHSIG)", 4, CALL(prctl, 2, P(out)));
    prepare();
    check("prctl(PR_GET_CHILD_SUBREAPER)", 4, CALL(prctl, 37, P(out)));
    prepare();
    check("getrandom", 100, CALL(getrandom, P(out), 100, 0));
    prepare();
    check_all("mincore of 5 pages", 5, CALL(mincore, 65536, 5 * 4096, P(out)), -1, true);
}

static void of_time(void)
{
    static const int clocks[] = {0, 1, 2, 3, 4, 5, 6, 7, 11};
    for (size_t i = 0; i < COUNT(clocks); i++) {
        prepare();
        check(say("clock_gettime(%d)", clocks[i]), 16, CALL(clock_gettime, clocks[i], P(out)));
        prepare();
        check(say("clock_getres(%d)", clocks[i]), 16, CALL(clock_getres, clocks[i], P(out)));
    }
    prepare();
    check("gettimeofday", 16, CALL(gettimeofday, P(out), 0));
    prepare();
    check("gettimeofday: the zone", 8, CALL(gettimeofday, 0, P(out)));
    WRITES(8, time, P(out));
    for (int which = 0; which < 3; which++) {
        prepare();
        check(say("getitimer(%d)", which), 32, CALL(getitimer, which, P(out)));
        const struct itimerval none = {{0}};
        prepare();
        check(say("setitimer(%d): the old value", which), 32, CALL(setitimer, which, P(&none), P(out)));
    }
    const int fd = timerfd_create(CLOCK_MONOTONIC, 0);
    const struct itimerspec later = {{1, 2}, {3, 4}};
    prepare();
    check("timerfd_settime: the old value", 32, CALL(timerfd_settime, fd, 0, P(&later), P(out)));
    WRITES(32, timerfd_gettime, fd, P(out));
}

/* --- signals --- */

static uint8_t info_seen[128], context_seen[920];
static volatile sig_atomic_t seen;

static void look(int number, siginfo_t *info, void *context)
{
    memcpy(info_seen, info, sizeof info_seen);
    memcpy(context_seen, context, sizeof context_seen);
    seen = number;
}

static int exit_3(void *argument)
{
    (void)argument;
    return 3;
}

static void delivered(const char *name)
{
    (void)getppid();
    const int64_t in_info = host_pointer(info_seen, sizeof info_seen), in_context = host_pointer(context_seen, sizeof context_seen);
    row(seen != 0 && in_info < 0 && in_context < 0, name, "siginfo and ucontext without an address of the host",
        seen == 0 ? "not delivered" : say("siginfo %lld, ucontext %lld", (long long)in_info, (long long)in_context));
    seen = 0;
}

static void of_signals(void)
{
    struct sigaction action = {.sa_sigaction = look, .sa_flags = SA_SIGINFO};
    static const int numbers[] = {SIGUSR1, SIGCHLD, SIGALRM, SIGIO, SIGPIPE, 40};
    for (size_t i = 0; i < COUNT(numbers); i++) {
        sigaction(numbers[i], &action, NULL);
    }
    raise(SIGUSR1);
    delivered("siginfo of kill");
    int32_t info[32] = {0, 0, -1, 0, 0, 0, 0x12345678, 0x7fff1234};
    (void)CALL(rt_sigqueueinfo, getpid(), 40, P(info));
    delivered("siginfo of rt_sigqueueinfo");
    row(memcmp(info_seen + 24, "\x78\x56\x34\x12", 4) == 0, "its value is the sender's 32 bits", "0x12345678", say("0x%x",
        *(uint32_t *)(void *)(info_seen + 24)));
    (void)child_run(exit_3, NULL, 10);
    delivered("siginfo of SIGCHLD");
    (void)CALL(setitimer, 0, P(&((struct itimerval){{0}, {0, 1000}})), 0);
    usleep(20000);
    delivered("siginfo of a timer");
    int ends[2];
    (void)!pipe(ends);
    fcntl(ends[0], F_SETOWN, getpid());
    fcntl(ends[0], F_SETFL, 020000);
    (void)!write(ends[1], "x", 1);
    delivered("siginfo of SIGIO");
    close(ends[0]);
    (void)!write(ends[1], "x", 1);
    delivered("siginfo of SIGPIPE");
    prepare();
    check("rt_sigaction: the old action", 24, CALL(rt_sigaction, SIGUSR1, 0, P(out), 8));
    prepare();
    check("rt_sigprocmask: the old mask", 8, CALL(rt_sigprocmask, 0, 0, P(out), 8));
    WRITES(8, rt_sigpending, P(out), 8);
    prepare();
    check("rt_sigpending of 3 bytes", 3, CALL(rt_sigpending, P(out), 3));
    WRITES(12, sigaltstack, 0, P(out));
    for (size_t i = 0; i < COUNT(numbers); i++) {
        signal(numbers[i], SIG_DFL);
    }
}

static void of_children(void)
{
    const uint64_t mask = 1ull << (SIGUSR2 - 1), second[2] = {1, 0};
    (void)CALL(rt_sigprocmask, 0, P(&mask), 0, 8);
    raise(SIGUSR2);
    prepare();
    check("rt_sigtimedwait", 128, CALL(rt_sigtimedwait, P(&mask), P(out), P(second), 8));
    const int fd = (int)CALL(signalfd4, -1, P(&mask), 8, 0);
    raise(SIGUSR2);
    prepare();
    check("signalfd: one record", 128, CALL(read, fd, P(out), 4096));
    static const int kinds[] = {0, 1, 2};
    for (size_t i = 0; i < COUNT(kinds); i++) {
        const pid_t pid = fork();
        if (pid == 0) {
            if (kinds[i] == 1) {
                raise(SIGKILL);
            }
            _exit(3);
        }
        prepare();
        if (kinds[i] == 2) {
            check("wait4: status", 4, CALL(wait4, pid, P(out), 0, 0));
        } else {
            check(say("waitid, kind %d", kinds[i]), 128, CALL(waitid, P_PID, pid, P(out), WEXITED | WNOWAIT, 0));
            prepare();
            check("wait4: usage", 144, CALL(wait4, pid, 0, 0, P(out)));
        }
    }
    if (fork() == 0) {
        _exit(3);
    }
    prepare();
    check("waitid: usage", 144, CALL(waitid, P_ALL, 0, 0, WEXITED, P(out)));
    prepare();
    check("waitid with WNOHANG and nobody there", 0, CALL(waitid, P_ALL, 0, P(out), WEXITED | WNOHANG, 0) == -ECHILD ? 0 : -1);
}

/* --- sockets and polling --- */

static void message(uint32_t words[9], const uint32_t *iov, uint32_t name, uint32_t name_size, uint32_t control, uint32_t control_size)
{
    const uint32_t values[9] = {name, name_size, (uint32_t)P(iov), 1, 0xa5a5a5a5, control, control_size, 0xa5a5a5a5, 0xa5a5a5a5};
    memcpy(words, values, sizeof values);
}

static void of_messages(void)
{
    int pair[2];
    const int on = 1;
    (void)!socketpair(AF_UNIX, SOCK_DGRAM, 0, pair);
    setsockopt(pair[1], SOL_SOCKET, 16 /* SO_PASSCRED */, &on, sizeof on);
    setsockopt(pair[1], SOL_SOCKET, 29 /* SO_TIMESTAMP */, &on, sizeof on);
    char byte = 'x';
    const uint32_t iov[2] = {(uint32_t)P(&byte), 1};
    _Alignas(8) uint8_t control[24] = {20, 0, 0, 0, 0xa5, 0xa5, 0xa5, 0xa5, 1, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0};
    uint32_t words[9];
    static const uint32_t rooms[] = {512, 100, 48, 32, 24, 20, 17, 16, 8, 4, 1, 0, 0x7fffffff, 0xffffffff};
    for (size_t i = 0; i < COUNT(rooms); i++) {
        message(words, iov, 0, 0, (uint32_t)P(control), 20);
        const int64_t sent = CALL(sendmsg, pair[0], P(words), 0);
        prepare();
        message(words, iov, 0, 0, (uint32_t)P(out), rooms[i]);
        const int64_t r = CALL(recvmsg, pair[1], P(words), 0);
        const uint32_t got = words[6];
        check_all(say("recvmsg: rights, credentials, time with room for 0x%x", rooms[i]), got <= rooms[i] ? got : 0, sent < 0 ? sent : r, -1, true);
        row(words[4] == 0xa5a5a5a5 && words[7] == 0xa5a5a5a5 && got <= rooms[i] && got <= 4096, "its header", "the padding as it was, no more than the room",
            say("%x %x, %u", words[4], words[7], got));
        for (int fd = 40; fd < 60; fd++) {
            close(fd);
        }
    }
    static const uint32_t name_rooms[] = {200, 128, 110, 3, 2, 1, 0, 0x7fffffff};
    for (size_t i = 0; i < COUNT(name_rooms); i++) {
        (void)!write(pair[0], "x", 1);
        prepare();
        message(words, iov, (uint32_t)P(out), name_rooms[i], 0, 0);
        const int64_t r = CALL(recvmsg, pair[1], P(words), 0);
        check_all(say("recvmsg: an address with room for 0x%x", name_rooms[i]), words[1] < name_rooms[i] ? words[1] : name_rooms[i], r, -1, true);
    }
    close(pair[0]);
    close(pair[1]);
}

static void of_sockets(void)
{
    int pair[2];
    (void)!socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
    static const int32_t rooms[] = {0, 1, 2, 16, 110, 128, 1000, 0x7fffffff};
    for (size_t i = 0; i < COUNT(rooms); i++) {
        int32_t size = rooms[i];
        prepare();
        const int64_t r = CALL(getsockname, pair[0], P(out), P(&size));
        check_all(say("getsockname with room for %d", rooms[i]), (size_t)(size < rooms[i] ? size : rooms[i]), r, -1, true);
        size = rooms[i];
        prepare();
        (void)!write(pair[1], "x", 1);
        const int64_t r2 = CALL(recvfrom, pair[0], P(&(char){0}), 1, 0, P(out), P(&size));
        check_all(say("recvfrom: an address with room for %d", rooms[i]), (size_t)(size < rooms[i] ? size : rooms[i]), r2, -1, true);
    }
    int32_t negative = -1;
    expect("getsockname with room for -1", "EINVAL", CALL(getsockname, pair[0], P(out), P(&negative)));
    expect("getsockopt with room for -1", "EINVAL", CALL(getsockopt, pair[0], 1, 3, P(out), P(&negative)));
    const int network = (int)CALL(socket, AF_INET, SOCK_STREAM, 0);
    const char *failed = NULL;
    int answered = 0;
    for (int level = 0; level < 60; level++) {
        for (int option = 0; option < 128; option++) {
            for (int k = 0; k < 2; k++) {
                static const int32_t lengths[] = {3, 4, 17, 512, 2000};
                for (size_t i = 0; i < COUNT(lengths); i++) {
                    int32_t size = lengths[i];
                    prepare();
                    const int64_t r = CALL(getsockopt, k == 0 ? pair[0] : network, level, option, P(out), P(&size));
                    const char *problem = r < 0 ? judge(0, -1, true) : size < 0 || size > lengths[i] ? say("size %d", size) : judge((size_t)size, -1, true);
                    answered += r >= 0;
                    failed = problem != NULL ? say("level %d option %d size %d: %s", level, option, lengths[i], problem) : failed;
                }
            }
        }
    }
    row(failed == NULL && answered > 50, "getsockopt of 60 levels, 128 options, 5 sizes, two sockets", "within the room, nothing of the host",
        failed == NULL ? say("%d answers, so", answered) : failed);
    WRITES(8, socketpair, 1, 1, 0, P(out));
}

static void of_polling(void)
{
    const int epoll_fd = epoll_create1(0);
    int ends[2];
    (void)!pipe(ends);
    _Alignas(4) uint8_t event[12] = {4, 0, 0, 0, 0xef, 0xcd, 0xab, 0x89, 0x67, 0x45, 0x23, 0xa1};
    (void)CALL(epoll_ctl, epoll_fd, 1, ends[1], P(event));
    WRITES(12, epoll_wait, epoll_fd, P(out), 10, 0);
    row(memcmp(out, event, 12) == 0, "epoll_wait answers the guest's own data", "its 64 bits", memcmp(out, event, 12) == 0 ? "its 64 bits" : "others");
    prepare();
    const int32_t polled[2] = {ends[1], 4};
    memcpy(out, polled, sizeof polled);
    check("poll: one entry", 8, CALL(poll, P(out), 1, 0));
    prepare();
    memset(out, 0, 8);
    check("select: one word of a set", 8, CALL(select, 8, P(out), 0, 0, P((char[16]){0})));
    prepare();
    memset(out, 0, 16);
    check("select: the time that is left", 16, CALL(select, 0, 0, 0, 0, P(out)));
}

void theme_output(void)
{
    of_files();
    of_the_system();
    of_time();
    of_children();
    of_signals();
    of_messages();
    of_sockets();
    of_polling();
    expect_alive("all of it");
}
