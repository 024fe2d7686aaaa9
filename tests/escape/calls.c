/* SPDX-License-Identifier: Apache-2.0 */
/* calls.c - calls that no guest gets, options that change what a process is, new namespaces, families of sockets; and RLIMIT tricks. */
#include "guest.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static void all_refused(void)
{
    for (size_t i = 0; i < refused_count; i++) {
        expect(refused[i].name, refused[i].is_denied ? "EPERM" : "ENOSYS", refused[i].call());
    }
    row(refused_count > 130, "calls without a row that were tried", "more than 130: more than the runtime has slots to name", say("%d", (int)refused_count));
}

static void namespaces(void)
{
    static const struct { const char *name; int64_t flag; } flags[] = {
        {"CLONE_NEWNS", 0x00020000}, {"CLONE_NEWCGROUP", 0x02000000}, {"CLONE_NEWUTS", 0x04000000}, {"CLONE_NEWIPC", 0x08000000},
        {"CLONE_NEWUSER", 0x10000000}, {"CLONE_NEWPID", 0x20000000}, {"CLONE_NEWNET", 0x40000000}, {"all of them", 0x7e020000}};
    for (size_t i = 0; i < COUNT(flags); i++) {
        expect(say("clone with %s", flags[i].name), "EPERM", CALL(clone, flags[i].flag | SIGCHLD, 0, 0, 0, 0));
    }
    static const struct { const char *name, *want; int64_t flags; } others[] = {
        {"CLONE_VM", "ENOSYS", 0x100}, {"CLONE_FS", "ENOSYS", 0x200}, {"CLONE_FILES", "ENOSYS", 0x400}, {"CLONE_SIGHAND", "ENOSYS", 0x800}, {"CLONE_PIDFD",
            "ENOSYS", 0x1000},
        {"CLONE_PTRACE", "ENOSYS", 0x2000}, {"CLONE_PARENT", "ENOSYS", 0x8000}, {"CLONE_THREAD", "ENOSYS", 0x10000}, {"CLONE_SETTLS", "ENOSYS", 0x80000},
        {"CLONE_UNTRACED", "ENOSYS", 0x800000}, {"CLONE_IO", "ENOSYS", 0x80000000}, {"flags above 2^32", "ENOSYS", 0x700000000}};
    for (size_t i = 0; i < COUNT(others); i++) {
        expect(say("clone with %s", others[i].name), others[i].want, CALL(clone, others[i].flags | SIGCHLD, 0, 0, 0, 0));
    }
    static const int numbers[] = {SIGSEGV, SIGBUS, SIGKILL, SIGTRAP, 0, 255, 65};
    for (size_t i = 0; i < COUNT(numbers); i++) { /* a child's end would arrive as a fault of the runtime */
        expect(say("clone with the exit signal %d", numbers[i]), "EINVAL", CALL(clone, numbers[i], 0, 0, 0, 0));
    }
    expect("clone with a stack", "EINVAL", CALL(clone, SIGCHLD, 0x10000, 0, 0, 0));
    expect("chroot", "EPERM", CALL(chroot, P("/")));
    expect("chroot to /data", "EPERM", CALL(chroot, P("/data")));
}

/* prctl: what answers anything but EINVAL or EPERM is listed. */
static void process_options(void)
{
    static const struct { int option; const char *want; } listed[] = {
        {1, "0"}, {2, "0|EFAULT"}, {3, "0"}, {4, "0|EPERM"}, {7, "0"}, {8, "0|EPERM"}, {15, "0|EFAULT"}, {16, "0|EFAULT"}, {27, ">=0"}, {29, "0"}, {30,
            ">=0"}, {36, "0"}, {37, "0|EFAULT"},
        {38, "0|EINVAL"}, {39, "1"}};
    static char buffer[64];
    const char *failed = NULL;
    for (int option = -2; option < 256; option++) {
        const char *want = "EINVAL|EPERM";
        for (size_t i = 0; i < COUNT(listed); i++) {
            want = listed[i].option == option ? listed[i].want : want;
        }
        for (int value = 0; value < 3; value++) {
            const int64_t second[] = {0, P(buffer), 1};
            const int64_t r = CALL(prctl, option, second[value], 0, 0, 0);
            failed = is_wanted(want, r) || (value == 1 && r == -EINVAL) ? failed : say("%s for option %d, want %s", result_name(r), option, want);
        }
    }
    row(failed == NULL, "prctl with the options -2 .. 255", "EINVAL or EPERM but for 15 harmless ones", failed == NULL ? "so" : failed);
    static const struct { const char *name; int64_t option, second, third; } tried[] = {
        {"PR_SET_DUMPABLE 1", 4, 1, 0}, {"PR_SET_DUMPABLE 2", 4, 2, 0}, {"PR_SET_KEEPCAPS 1", 8, 1, 0}, {"PR_SET_SECCOMP", 22, 2, 0}, {"PR_SET_SECUREBITS",
            28, 0, 0},
        {"PR_SET_MM", 35, 1, 0x400000}, {"PR_SET_MM_MAP", 35, 14, 0x400000}, {"PR_CAP_AMBIENT", 47, 2, 21}, {"PR_CAPBSET_DROP", 24, 0, 0},
            {"PR_SET_PTRACER", 0x59616d61, -1, 0},
        {"PR_SET_VMA", 0x53564d41, 0, 0x40000000}, {"PR_SET_SYSCALL_USER_DISPATCH", 59, 1, 0}, {"PR_SET_MDWE", 65, 0, 0}, {"PR_SET_TSC", 26, 2, 0},
            {"PR_SET_THP_DISABLE", 41, 1, 0},
        {"PR_SET_NO_NEW_PRIVS 0", 38, 0, 0}, {"PR_SCHED_CORE", 62, 1, 0}, {"PR_SET_TAGGED_ADDR_CTRL", 55, 1, 0}, {"PR_SET_IO_FLUSHER", 57, 1, 0},
            {"PR_SET_SHADOW_STACK_STATUS", 75, 1, 0}};
    for (size_t i = 0; i < COUNT(tried); i++) {
        expect(say("prctl(%s)", tried[i].name), "EINVAL|EPERM", CALL(prctl, tried[i].option, tried[i].second, tried[i].third, 0, 0));
    }
    static const int64_t personas[] = {0x0040000, 0x0400000, 0x0000008, 0x0100000, 0x0200000, 0x8000000, 1, 0x7fffffff};
    for (size_t i = 0; i < COUNT(personas); i++) { /* ADDR_NO_RANDOMIZE, READ_IMPLIES_EXEC, PER_LINUX32, MMAP_PAGE_ZERO ... */
        expect(say("personality(0x%llx)", (long long)personas[i]), "EPERM", CALL(personality, personas[i]));
    }
}

static void identity(void)
{
    const int64_t other = getuid() == 0 ? 1000 : 0;
    expect("setuid to another", "EPERM|EINVAL", CALL(setuid, other));
    expect("setgid to another", "EPERM|EINVAL", CALL(setgid, other));
    expect("setresuid to another", "EPERM|EINVAL", CALL(setresuid, other, other, other));
    expect("setresgid to another", "EPERM|EINVAL", CALL(setresgid, other, other, other));
    expect("setreuid to another", "EPERM|EINVAL", CALL(setreuid, other, other));
    expect("setregid to another", "EPERM|EINVAL", CALL(setregid, other, other));
    expect("setgroups", "EPERM", CALL(setgroups, 0, 0));
    (void)CALL(setfsuid, other);
    row(CALL(setfsuid, -1) == (int64_t)getuid(), "setfsuid changes nothing", "the same user", result_name(CALL(setfsuid, -1)));
    const int32_t priority = 50;
    expect("sched_setscheduler(SCHED_FIFO)", "EPERM", CALL(sched_setscheduler, 0, 1, P(&priority)));
    expect("setpriority(-20)", "EACCES|EPERM", CALL(setpriority, 0, 0, -20));
    expect("sched_setaffinity of process 1", mode == MODE_PLAIN ? "ESRCH" : "0|EPERM", CALL(sched_setaffinity, 1, 8, P(&(uint64_t){~0ull})));
}

static void socket_families(void)
{
    const char *failed = NULL;
    for (int family = 0; family < 64; family++) {
        for (int type = 1; type < 11; type++) {
            const bool is_listed = family == AF_UNIX || family == AF_INET || family == AF_INET6 || (family == AF_NETLINK && mode != MODE_PLAIN);
            const int64_t r = CALL(socket, family, type, 0);
            if (r >= 0 && (!is_listed || type == SOCK_RAW || type == SOCK_PACKET) && !(family == AF_NETLINK && type == SOCK_RAW) && family != AF_UNIX) {
                failed = say("family %d type %d", family, type);
            }
            (void)(r >= 0 && close((int)r));
        }
        for (int protocol = 1; family == AF_NETLINK && protocol < 32; protocol++) {
            failed = CALL(socket, family, SOCK_RAW, protocol) >= 0 ? say("netlink protocol %d", protocol) : failed;
        }
        if (family != AF_UNIX && CALL(socketpair, family, SOCK_STREAM, 0, P((int[2]){0})) >= 0) {
            failed = say("socketpair of family %d", family);
        }
    }
    row(failed == NULL, "sockets of 64 families, 10 types, all netlink protocols", "unix, inet, route netlink; nothing raw", failed == NULL ? "so" : failed);
    if (mode == MODE_PLAIN) {
        expect("socket(AF_INET) where the network is the host's", "EACCES|EAFNOSUPPORT", CALL(socket, AF_INET, SOCK_STREAM, 0));
    }
    static const struct { const char *name; int level, option; } options[] = {
        {"SO_ATTACH_FILTER", 1, 26}, {"SO_ATTACH_BPF", 1, 50}, {"SO_DETACH_FILTER", 1, 27}, {"SO_ATTACH_REUSEPORT_CBPF", 1, 51},
            {"SO_ATTACH_REUSEPORT_EBPF", 1, 52},
        {"SO_LOCK_FILTER", 1, 44}, {"SO_BINDTODEVICE", 1, 25}, {"SO_MARK", 1, 36}, {"SO_SNDBUFFORCE", 1, 32}, {"SO_RCVBUFFORCE", 1, 33}, {"SO_PEERSEC", 1, 31},
        {"SO_PASSSEC", 1, 34}, {"SO_ZEROCOPY", 1, 60}, {"SO_TXTIME", 1, 61}, {"SO_BUSY_POLL", 1, 46}, {"SO_PEERGROUPS", 1, 59}, {"SO_PASSPIDFD", 1, 76},
        {"SO_PEERPIDFD", 1, 77}, {"SO_DEVMEM_LINEAR", 1, 78}, {"IPT_SO_SET_REPLACE", 0, 64}, {"IPT_SO_SET_ADD_COUNTERS", 0, 65}, {"IP6T_SO_SET_REPLACE",
            41, 64},
        {"MRT_INIT", 0, 200}, {"TCP_MD5SIG", 6, 14}, {"TCP_REPAIR", 6, 19}, {"TCP_ULP", 6, 31}, {"TCP_ZEROCOPY_RECEIVE", 6, 35}, {"TLS_TX", 282, 1},
            {"PACKET_RX_RING", 263, 5},
        {"NETLINK_ADD_MEMBERSHIP", 270, 1}, {"ALG_SET_KEY", 279, 1}, {"SOL_XDP", 283, 1}, {"a level of -1", -1, 1}};
    const int fd = (int)CALL(socket, AF_UNIX, SOCK_STREAM, 0);
    static uint8_t value[256];
    int32_t size = sizeof value;
    for (size_t i = 0; i < COUNT(options); i++) {
        expect(say("setsockopt(%s)", options[i].name), "ENOPROTOOPT", CALL(setsockopt, fd, options[i].level, options[i].option, P(value), 16));
        expect(say("getsockopt(%s)", options[i].name), "ENOPROTOOPT", CALL(getsockopt, fd, options[i].level, options[i].option, P(value), P(&size)));
    }
    expect("sendto with MSG_ZEROCOPY", "EINVAL", CALL(sendto, fd, P(value), 4, 0x4000000, 0, 0));
    close(fd);
}

void theme_calls(void)
{
    all_refused();
    namespaces();
    process_options();
    identity();
    socket_families();
    expect_alive("all of it");
}

/* --- limits: what a guest sets for itself must not blind the runtime --- */

static int execute_denied(void *argument)
{
    (void)argument;
    return (int)-CALL(execve, P("/data/denied"), 0, 0);
}

static int with_file_size(void *argument)
{
    const bool is_ignored = argument != NULL;
    struct rlimit limit = {0, 0};
    char text[64] = "";
    signal(SIGXFSZ, is_ignored ? SIG_IGN : SIG_DFL);
    expect("setrlimit(RLIMIT_FSIZE, 0)", "0", CALL(setrlimit, RLIMIT_FSIZE, P(&limit)));
    expect("execve of an unlisted program under it", "EACCES", -execute_denied(NULL)); /* the driver looks for the record */
    const int fd = open("/proc/self/status", O_RDONLY);
    const int64_t r = read(fd, text, sizeof text);
    row(r > 0, "a served file of /proc under it", "its text", fd < 0 ? result_name(-errno) : say("%lld bytes", (long long)r));
    limit.rlim_cur = limit.rlim_max = 1;
    expect("raising it again", "EPERM", CALL(setrlimit, RLIMIT_FSIZE, P(&limit)));
    expect("getrlimit", "0", CALL(getrlimit, RLIMIT_FSIZE, P(&limit)));
    row(limit.rlim_cur == 0 && limit.rlim_max == 0, "the limit is what was set", "0 0", say("%llu %llu", (unsigned long long)limit.rlim_cur,
        (unsigned long long)limit.rlim_max));
    expect_alive("RLIMIT_FSIZE 0");
    if (is_ignored && mode != MODE_PLAIN) { /* and it holds for the guest */
        expect("the guest's own file under it", "EFBIG", ({
            const int file = open("/tmp/sized", O_RDWR | O_CREAT, 0600);
            const int64_t w = write(file, "x", 1);
            w < 0 ? -errno : w;
        }));
    }
    return 0;
}

static int abort_here(void *argument)
{
    struct rlimit limit = {RLIM_INFINITY, RLIM_INFINITY};
    (void)argument;
    (void)CALL(setrlimit, RLIMIT_CORE, P(&limit));
    (void)chdir("/tmp");
    abort();
}

static void core_dumps(void)
{
    struct rlimit limit = {RLIM_INFINITY, RLIM_INFINITY};
    struct stat status_buffer;
    expect("setrlimit(RLIMIT_CORE, infinity): a core is the runtime's memory", "EPERM", CALL(setrlimit, RLIMIT_CORE, P(&limit)));
    limit.rlim_cur = limit.rlim_max = 1;
    expect("setrlimit(RLIMIT_CORE, 1)", "EPERM", CALL(setrlimit, RLIMIT_CORE, P(&limit)));
    const int status = child_run(abort_here, NULL, 10);
    row(WIFSIGNALED(status) && !WCOREDUMP(status), "a child that aborts", "signal 6, no core", say("%s%s", child_name(status), WCOREDUMP(status)
        ? ", core dumped" : ""));
    expect("/tmp/core", "ENOENT", stat("/tmp/core", &status_buffer) < 0 ? -errno : 0);
}

static void isolation(void)
{
    const bool is_init_child = getpid() == 2, is_writable = mkdir("/tmp/probe", 0755) == 0;
    row(is_init_child == (mode != MODE_PLAIN) && is_writable == (mode != MODE_PLAIN), "the isolation mode that is tested", mode == MODE_PLAIN
        ? "no namespaces, read-only" : "own pids, writable",
        say("pid %d, %s", (int)getpid(), is_writable ? "writable" : "read-only"));
}

void theme_limits(void)
{
    isolation();
    core_dumps();
    int status = child_run(with_file_size, NULL, 20);
    row(status == 0, "RLIMIT_FSIZE 0 with SIGXFSZ as it is", "exit 0", child_name(status));
    status = child_run(with_file_size, (void *)1, 20);
    row(status == 0, "RLIMIT_FSIZE 0 with SIGXFSZ ignored", "exit 0", child_name(status));
    expect("execve of an unlisted program without limits", "EACCES", -execute_denied(NULL));
}
