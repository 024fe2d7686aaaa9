/* SPDX-License-Identifier: Apache-2.0 */
/*
 * probe.c - live canaries: each tries the thing itself in a child that is thrown away. Configuration is never believed: there are
 * kernels whose list of security modules names one that then refuses to work.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "abi/abi.h"
#include "base/fd.h"
#include "base/must.h"
#include "sandbox/sandbox-int.h"

#define DETAIL_SIZE sizeof(((SandboxProbe *)0)->detail)
#define PROBE_SECONDS 10u
#define MEMORY_RESERVATION ((8ull << 30) + (64u << 10)) /* abi.h: linear memory and guard */

/* Runs in the child. Return: does it work? detail: what was seen. */
typedef bool ProbeFunction(char *detail);

typedef struct ProbeCase {
    const char *name;
    bool is_needed;
    ProbeFunction *run;
    const char *remedy;
} ProbeCase;

static bool answer(char *detail, bool is_available, const char *text)
{
    (void)snprintf(detail, DETAIL_SIZE, "%.*s", (int)DETAIL_SIZE - 1, text);
    return is_available;
}

static bool answer_errno(char *detail, const char *what)
{
    (void)snprintf(detail, DETAIL_SIZE, "%s: %s", what, error_name(errno));
    return false;
}

static bool probe_user_namespace(char *detail)
{
    /* As nobody: what root may do says nothing about others. */
    if (geteuid() == 0 && (setresgid(65534, 65534, 65534) < 0 || setresuid(65534, 65534, 65534) < 0)) {
        return answer_errno(detail, "setresuid");
    }
    if (unshare(CLONE_NEWUSER) < 0) {
        return answer_errno(detail, "unshare as an ordinary user");
    }
    return answer(detail, true, "an ordinary user may make one");
}

static bool probe_root(char *detail)
{
    static const char *const lower_dirs[] = {"/etc"};
    const SandboxConfig config = {
        .lower_dirs = lower_dirs, .lower_count = 1, .is_ephemeral = true, .is_network_host = true, .hostname = "canary", .minimum_fd = 100,
        .uid = geteuid(), .gid = getegid()};
    SandboxRoot root;
    Error err = ERROR_INIT;
    if (sandbox_enter(&config, &root, &err) < 0) {
        return answer(detail, false, err.message);
    }
    if (!root.is_namespaced) {
        return answer(detail, false, "not allowed: paths are resolved beneath the image's directory, which stays read-only");
    }
    const int fd = open("/canary", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) {
        return answer_errno(detail, "write to the overlay");
    }
    struct stat status;
    if (fstatat(root.lower_fd, "canary", &status, 0) == 0) {
        return answer(detail, false, "a write reached the image's directory");
    }
    return answer(detail, true, "overlay on tmpfs, pivoted");
}

static bool probe_network(char *detail)
{
    const int flags = geteuid() == 0 ? CLONE_NEWNET : CLONE_NEWUSER | CLONE_NEWNET;
    if (unshare(flags) < 0) {
        return answer_errno(detail, "unshare");
    }
    return loopback_up() < 0 ? answer(detail, false, "lo does not come up") : answer(detail, true, "own network with lo");
}

static bool probe_seal(char *detail)
{
    const SandboxSealConfig config = {.has_network = true};
    Error err = ERROR_INIT;
    if (sandbox_seal(&config, &err) < 0) {
        return answer(detail, false, err.message);
    }
    if (execl("/proc/self/exe", "canary", (char *)NULL) != -1 || errno != EACCES) {
        return answer_errno(detail, "execve answers");
    }
    if (mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) != MAP_FAILED) {
        return answer(detail, false, "memory can be made executable");
    }
    if (syscall(SYS_ptrace, 0L, 0L, 0L, 0L) != -1 || errno != EPERM) { /* PTRACE_TRACEME */
        return answer(detail, false, "ptrace is open");
    }
    return answer(detail, true, "execve EACCES, PROT_EXEC EACCES, ptrace EPERM");
}

static bool probe_landlock(char *detail)
{
    const int abi = landlock_abi();
    Error err = ERROR_INIT;
    if (abi == 0) {
        return answer_errno(detail, "landlock_create_ruleset");
    }
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 || landlock_seal(NULL, &err) < 0) {
        return answer(detail, false, err.message);
    }
    if (execl("/proc/self/exe", "canary", (char *)NULL) != -1 || errno != EACCES) {
        return answer_errno(detail, "execve answers");
    }
    (void)snprintf(detail, DETAIL_SIZE, "ABI %d, execve EACCES%s", abi, abi >= 6 ? ", signals and abstract sockets scoped" : "");
    return true;
}

static bool probe_cgroup(char *detail)
{
    const SandboxLimits limits = {.memory_size = 64u << 20, .pids_count = 16, .cpus = 1};
    SandboxCgroup *cgroup = NULL;
    const char *note = NULL;
    char name[32];
    Error err = ERROR_INIT;
    (void)snprintf(name, sizeof name, "canary-%d", getpid());
    if (sandbox_cgroup_new(name, &limits, &cgroup, &note, &err) < 0) {
        return answer(detail, false, err.message);
    }
    if (!cgroup) {
        return answer(detail, false, note);
    }
    const pid_t pid = fork();
    if (pid == 0) {
        for (;;) {
            (void)pause();
        }
    }
    const bool is_added = pid > 0 && sandbox_cgroup_add(cgroup, pid, &err) == 0;
    cgroup_describe(cgroup, detail, DETAIL_SIZE);
    if (note) {
        const size_t used = strlen(detail);
        (void)snprintf(detail + used, DETAIL_SIZE - used, " (%s)", note);
    }
    if (pid > 0) {
        (void)kill(pid, SIGKILL);
        (void)waitpid(pid, NULL, 0);
    }
    (void)sandbox_cgroup_free(cgroup);
    return is_added ? true : answer(detail, false, err.message);
}

static bool probe_memfd(char *detail)
{
    const int fd = memfd_create("canary", MFD_CLOEXEC | 0x0008u);
    return fd < 0 ? answer_errno(detail, "memfd_create with MFD_NOEXEC_SEAL") : answer(detail, true, "memory files are sealed against execution");
}

static bool probe_memory(char *detail)
{
    void *const base = (void *)(uintptr_t)RT_MEMORY_BASE_DEFAULT;
    void *const memory = mmap(base, MEMORY_RESERVATION, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
    if (memory == MAP_FAILED) {
        return answer_errno(detail, "mmap of 8 GiB at the memory base");
    }
    (void)snprintf(detail, DETAIL_SIZE, "8 GiB of address space at 0x%llx", (unsigned long long)RT_MEMORY_BASE_DEFAULT);
    return memory == base;
}

static bool probe_openat2(char *detail)
{
    const int fd = fd_openat2(AT_FDCWD, "/", O_PATH | O_CLOEXEC, 0, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
    if (fd < 0) {
        errno = -fd;
        return answer_errno(detail, "openat2");
    }
    return answer(detail, true, "RESOLVE_IN_ROOT");
}

static bool probe_descriptors(char *detail)
{
    const SandboxLimits none = {0};
    Error err = ERROR_INIT;
    return sandbox_rlimits(&none, &err) < 0 ? answer(detail, false, err.message) : answer(detail, true, "enough");
}

static const ProbeCase cases[] = {
    {"seccomp", true, probe_seal, "a kernel with CONFIG_SECCOMP_FILTER"},
    {"openat2", true, probe_openat2, "Linux 5.6 or newer"},
    {"memory base", true, probe_memory, "ulimit -v unlimited; vm.overcommit_memory other than 2"},
    {"descriptors", true, probe_descriptors, "ulimit -Hn 4096"},
    {"root file system", false, probe_root,
     "run as root, or allow unprivileged user namespaces (kernel.unprivileged_userns_clone=1, user.max_user_namespaces)"},
    {"network namespace", false, probe_network, "a kernel with CONFIG_NET_NS; without it sockets are refused by seccomp"},
    {"user namespaces", false, probe_user_namespace,
     "kernel.unprivileged_userns_clone=1, kernel.apparmor_restrict_unprivileged_userns=0, user.max_user_namespaces>0"},
    {"landlock", false, probe_landlock, "boot with lsm=landlock,... (Linux 5.13); seccomp alone holds without it"},
    {"control groups", false, probe_cgroup, "run as root, or get a delegated group (systemd-run --user --scope -p Delegate=yes)"},
    {"memfd noexec", false, probe_memfd, "Linux 6.3; seccomp alone holds without it"},
};

/* The child's whole life. */
static void run_child(const ProbeCase *probe, int write_fd) __attribute__((noreturn));
static void run_child(const ProbeCase *probe, int write_fd)
{
    char message[1 + DETAIL_SIZE] = {0};
    const struct rlimit no_core = {0};
    (void)setrlimit(RLIMIT_CORE, &no_core);
    (void)alarm(PROBE_SECONDS);
    message[0] = probe->run(message + 1) ? 1 : 0;
    _exit(fd_write_full(write_fd, message, sizeof message) < 0);
}

static void run_probe(const ProbeCase *probe, SandboxProbe *ret_probe)
{
    char message[1 + DETAIL_SIZE] = {0};
    int ends[2];
    size_t size = 0;
    *ret_probe = (SandboxProbe){.name = probe->name, .is_needed = probe->is_needed, .remedy = probe->remedy};
    if (pipe2(ends, O_CLOEXEC) < 0) {
        (void)answer_errno(ret_probe->detail, "pipe");
        return;
    }
    const pid_t pid = fork();
    if (pid == 0) {
        run_child(probe, ends[1]);
    }
    fd_close(ends[1]);
    if (pid < 0) {
        (void)answer_errno(ret_probe->detail, "fork");
    } else if (fd_read_full(ends[0], message, sizeof message, &size) < 0 || size != sizeof message) {
        (void)answer(ret_probe->detail, false, "the canary died");
    } else {
        message[sizeof message - 1] = '\0';
        ret_probe->is_available = answer(ret_probe->detail, message[0] == 1, message + 1);
    }
    fd_close(ends[0]);
    while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR) {
    }
}

size_t sandbox_probe(SandboxProbe *probes, size_t capacity)
{
    size_t count = sizeof cases / sizeof cases[0];
    must(probes);
    count = count < capacity ? count : capacity;
    for (size_t i = 0; i < count; i++) {
        run_probe(&cases[i], &probes[i]);
    }
    return count;
}
