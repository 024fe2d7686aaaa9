/* SPDX-License-Identifier: Apache-2.0 */
/*
 * container-child.c - the children's side: A (namespaces), init (pid 1), guest.
 *
 * A makes init a child of the command's own process (CLONE_PARENT) and is gone before the guest runs: nobody has to wait for its
 * end. Where there is no pid namespace it stays, as the ancestor of everything that the container has started (orphans.c).
 *
 * Exit statuses on the way up: the guest ends as the program ended; init exits with its code, or 128 + N; an A that stays passes
 * init's status on. A failure before the guest's first instruction is reported through the pipe, so a status then has no meaning.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/limits.h"
#include "base/must.h"
#include "sandbox/container-int.h"
#include "vk/vk.h"

#define EXIT_OWN_FAILURE 125

#define PARENT_DIED SIGRTMAX /* to A, where it has to clean up before it dies */

static volatile sig_atomic_t guest_pid; /* init's child, for the forwarding handler; init has one thread */
static volatile sig_atomic_t init_pid;  /* A's child, for the handler of PARENT_DIED; 0 before it is made */

static void report_send(ContainerStart *start, StartReportKind kind, pid_t pid, const Error *error)
{
    StartReport report = {.kind = kind, .pid = pid, .ready_us = container_now_us() - start->begin_us};
    if (error != NULL) {
        report.error = *error;
    }
    error_ignore(fd_write_full(start->report_fd, &report, sizeof(report))); /* the parent may be gone: then we are about to be killed */
}

static void child_fail(ContainerStart *start, const Error *error) __attribute__((noreturn));
static void child_fail(ContainerStart *start, const Error *error)
{
    report_send(start, START_REPORT_FAILED, 0, error);
    _exit(EXIT_OWN_FAILURE);
}

void container_denial(const ContainerConfig *config, const GateVerdict *verdict, Error *err)
{
    const GateStep *step = verdict->step_count > 0 ? &verdict->steps[verdict->step_count - 1] : NULL;
    char hex[DIGEST_HEX_SIZE + 1];
    if (verdict->error == ENOENT || verdict->error == ENOTDIR) {
        error_ignore(error_set(err, verdict->error, "%s: not found in the image", config->program));
        return;
    }
    if (verdict->error != EACCES) {
        error_ignore(error_set(err, verdict->error, "%s: %s", config->program, verdict->reason));
        return;
    }
    const bool is_unlisted = strcmp(verdict->reason, "not in the manifest") == 0;
    const char *via = step != NULL && verdict->step_count > 1 ? step->path : "";
    const char *colon = via[0] != '\0' ? ": " : "";
    if (step != NULL && step->has_digest) {
        digest_hex(&step->digest, hex);
        error_ignore(error_set(err, EACCES, "%s: permission denied: %s%ssha256:%s %s%s of %s", config->program, via, colon, hex,
                               is_unlisted ? "is " : "", is_unlisted ? "not in the manifest" : verdict->reason, manifest_name(config->manifest)));
    } else {
        error_ignore(error_set(err, EACCES, "%s: permission denied: %s%s%s (manifest of %s)", config->program, via, colon, verdict->reason,
                               manifest_name(config->manifest)));
    }
    error_ignore(error_hint(err, 0, "see why: recompiler run --explain %s %s", config->image, config->program));
}

/* --- guest --- */

static void signals_default(const sigset_t *mask)
{
    for (int number = 1; number < 32; number++) {
        struct sigaction old;
        if (sigaction(number, NULL, &old) == 0 && old.sa_handler != SIG_IGN && old.sa_handler != SIG_DFL) {
            (void)signal(number, SIG_DFL);
        }
    }
    (void)sigprocmask(SIG_SETMASK, mask, NULL);
}

static void guest_main(const ContainerConfig *config, ContainerStart *start, const SandboxRoot *root) __attribute__((noreturn));
static void guest_main(const ContainerConfig *config, ContainerStart *start, const SandboxRoot *root)
{
    Error error = ERROR_INIT;
    GateConfig gate_config;
    if (!root->is_namespaced) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* init is no pid 1: its death ends nothing by itself */
    }
    container_gate_config(config, start->audit, &gate_config);
    gate_config.root_fd = root->root_fd;
    gate_config.lower_fd = config->stored_digest != NULL ? root->lower_fd : -1;
    gate_config.upper_fd = root->upper_fd;
    Gate *gate = NULL;
    Vk *vk = NULL;
    GateVerdict *verdict = calloc(1, sizeof(*verdict));
    int r = verdict == NULL ? error_set(&error, ENOMEM, "container: out of memory") : gate_new(&gate_config, &gate, &error);
    if (r == 0) {
        const GateRequest request = {
            .dirfd = AT_FDCWD, .cwd = config->cwd, .path = config->program, .argv0 = config->argv[0], .pid = (uint32_t)getpid(),
            .applet = container_applet(config)};
        r = gate_decide(gate, &request, verdict);
        if (r < 0) {
            r = error_set(&error, -r, "%s: the exec gate failed", config->program);
        } else if (verdict->kind == GATE_DENY) {
            container_denial(config, verdict, &error);
            report_send(start, START_REPORT_DENIED, 0, &error);
            _exit(126);
        }
    }
    const VkConfig vk_config = {
        .root_fd = root->root_fd,
        .is_root_private = root->is_private,
        .minimum_fd = CONTAINER_MINIMUM_FD,
        .gate = gate,
        .loaded = start->loaded,
        .cwd = config->cwd,
        .argv = config->argv,
        .argc = config->argc,
        .envp = config->envp,
        .envc = config->envc,
        .page_limit = config->limits.memory_size > 0 ? (uint32_t)(config->limits.memory_size >> 16 > 65536 ? 65536 : config->limits.memory_size >> 16) : 0,
        .hostname = root->is_namespaced ? NULL : config->hostname,
        .is_network_allowed = config->is_network_host || root->is_namespaced,
        .is_network_shared = !root->is_network_own,
        .is_root_read_only = !root->is_namespaced,
        .open_files_count = config->limits.open_files_count < LIMIT_GUEST_FDS ? (uint32_t)config->limits.open_files_count : 0,
        .is_tracing = config->is_tracing,
        .preopens = config->preopens,
        .preopen_count = config->preopen_count,
    };
    if (r == 0) {
        r = vk_new(&vk_config, &vk, &error);
    }
    if (r == 0) {
        report_send(start, START_REPORT_READY, 0, NULL);
        start->report_fd = fd_close(start->report_fd);
        signals_default(&start->old_signals);
        r = vk_run(vk, verdict, &error); /* comes back only when the program could not be started */
        r = error_wrap(&error, r, "%s", config->program);
        dprintf(STDERR_FILENO, "recompiler: run: %s (%s)\n", error.message, error_name(-r));
        _exit(EXIT_OWN_FAILURE);
    }
    child_fail(start, &error);
}

/* --- init --- */

static void signal_to_guest(int number)
{
    const int saved = errno;
    if (guest_pid > 0) {
        (void)kill((pid_t)guest_pid, number);
    }
    errno = saved;
}

static void init_signals(void)
{
    static const int forwarded[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGCONT, SIGWINCH};
    struct sigaction action = {.sa_handler = signal_to_guest, .sa_flags = SA_RESTART};
    sigset_t none;
    (void)sigfillset(&action.sa_mask);
    for (size_t i = 0; i < sizeof(forwarded) / sizeof(forwarded[0]); i++) {
        /* The terminal's signals reach the guest by its process group; init only must not die of them. */
        const bool is_terminal = forwarded[i] == SIGINT || forwarded[i] == SIGQUIT || forwarded[i] == SIGWINCH;
        if (is_terminal && isatty(0)) {
            (void)signal(forwarded[i], SIG_IGN);
        } else {
            (void)sigaction(forwarded[i], &action, NULL);
        }
    }
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Reaps everything; ends with the guest. Its exit ends the pid namespace, and with it what the guest left running. */
static void init_reap(pid_t guest) __attribute__((noreturn));
static void init_reap(pid_t guest)
{
    for (;;) {
        int status = 0;
        const pid_t pid = waitpid(-1, &status, 0);
        if (pid < 0 && errno == EINTR) {
            continue;
        }
        if (pid < 0) {
            _exit(EXIT_OWN_FAILURE);
        }
        if (pid == guest) {
            _exit(WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status));
        }
    }
}

static void init_main(const ContainerConfig *config, ContainerStart *start, const SandboxRoot *root) __attribute__((noreturn));
static void init_main(const ContainerConfig *config, ContainerStart *start, const SandboxRoot *root)
{
    Error error = ERROR_INIT;
    /* In a network namespace of its own the guest may use sockets: there is nothing to reach but its loopback. */
    const SandboxSealConfig seal = {
        .has_network = config->is_network_host || root->is_namespaced, .minimum_fd = CONTAINER_MINIMUM_FD, .root = root};
    int r = sandbox_cgroup_join(&start->join, &error);
    r = r < 0 ? r : sandbox_rlimits(&start->rest, &error);
    r = r < 0 ? r : sandbox_seal(&seal, &error);
    if (r < 0) {
        child_fail(start, &error);
    }
    const pid_t pid = fork();
    if (pid < 0) {
        error_ignore(error_set(&error, errno, "container: fork"));
        child_fail(start, &error);
    }
    if (pid == 0) {
        guest_main(config, start, root);
    }
    guest_pid = pid;
    init_signals();
    (void)fd_close(start->report_fd);
    init_reap(pid);
}

/* --- A --- */

/* What init needs is above what the guest may have. */
static int runtime_fds_raise(ContainerStart *start, Error *err)
{
    const int r = fd_move_high(start->report_fd, CONTAINER_MINIMUM_FD, &start->report_fd);
    if (r < 0) {
        return error_set(err, -r, "container: descriptors");
    }
    return start->cgroup == NULL ? 0 : sandbox_cgroup_join_open(start->cgroup, CONTAINER_MINIMUM_FD, &start->join, err);
}

static void sandbox_config_fill(const ContainerConfig *config, const char *const *lower_dirs, SandboxConfig *ret_sandbox)
{
    *ret_sandbox = (SandboxConfig){
        .lower_dirs = lower_dirs,
        .lower_count = 1,
        .is_ephemeral = true,
        .is_read_only = config->is_read_only,
        .mounts = config->mounts,
        .mount_count = config->mount_count,
        .hostname = config->hostname,
        .is_network_host = config->is_network_host,
        .uid = config->uid,
        .gid = config->gid,
        .groups = config->groups,
        .group_count = config->group_count,
        .minimum_fd = CONTAINER_MINIMUM_FD,
    };
}

static void end_init(int number)
{
    (void)number;
    if (init_pid > 0) {
        (void)kill((pid_t)init_pid, SIGKILL);
    } else {
        _exit(EXIT_OWN_FAILURE);
    }
}

/* No pid namespace: A is what ends the rest, so it must not die before. */
static void keep_house(void)
{
    const struct sigaction action = {.sa_handler = end_init};
    orphans_adopt();
    (void)sigaction(PARENT_DIED, &action, NULL);
    (void)prctl(PR_SET_PDEATHSIG, PARENT_DIED);
}

/* Waits for init and passes its status on, when all the rest has ended too. */
static void follow_init(pid_t pid) __attribute__((noreturn));
static void follow_init(pid_t pid)
{
    int status = 0;
    for (;;) {
        const pid_t ended = waitpid(-1, &status, 0);
        if (ended == pid) {
            break;
        }
        if (ended < 0 && errno != EINTR) {
            _exit(EXIT_OWN_FAILURE);
        }
    }
    orphans_end();
    _exit(WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status));
}

/* Init's: whether the parent died before this is seen by its end of the pipe, because it has no number in a new pid namespace. */
static void die_with_parent(const ContainerStart *start)
{
    struct pollfd report = {.fd = start->report_fd, .events = POLLOUT};
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || (poll(&report, 1, 0) > 0 && (report.revents & POLLERR) != 0)) {
        _exit(EXIT_OWN_FAILURE);
    }
}

void container_child(const ContainerConfig *config, ContainerStart *start)
{
    Error error = ERROR_INIT;
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != start->parent) {
        _exit(EXIT_OWN_FAILURE); /* it died before that */
    }
    audit_forget(start->log); /* its file and its lock are out of the container's reach */
    start->log_fd = fd_close(start->log_fd);
    int r = runtime_fds_raise(start, &error);
    if (r < 0) {
        child_fail(start, &error);
    }
    /* Ours are above; what the caller left open, or we for the parent's work, is not the container's. */
    if (close_range(3, CONTAINER_MINIMUM_FD - 1, 0) < 0) {
        error_ignore(error_set(&error, errno, "container: descriptors"));
        child_fail(start, &error);
    }
    const char *const lower_dirs[1] = {config->image_root};
    SandboxConfig sandbox;
    SandboxRoot root = {.root_fd = -1, .lower_fd = -1, .upper_fd = -1};
    sandbox_config_fill(config, lower_dirs, &sandbox);
    r = sandbox_enter(&sandbox, &root, &error);
    if (r < 0) {
        child_fail(start, &error);
    }
    if (!root.is_namespaced) {
        keep_house();
    }
    /* No handler of libc's is to be run, and it holds no lock: this process has one thread. */
    const pid_t pid = root.is_namespaced ? (pid_t)syscall(SYS_clone, CLONE_PARENT | SIGCHLD, NULL, NULL, NULL, NULL) : fork();
    if (pid < 0) {
        error_ignore(error_set(&error, errno, "container: fork"));
        child_fail(start, &error);
    }
    if (pid == 0) {
        (void)signal(PARENT_DIED, SIG_DFL);
        die_with_parent(start);
        init_main(config, start, &root);
    }
    init_pid = pid;
    report_send(start, root.is_namespaced ? START_REPORT_CHILD : START_REPORT_INIT, pid, NULL);
    if (root.is_namespaced) {
        _exit(0);
    }
    start->report_fd = fd_close(start->report_fd);
    (void)signal(SIGINT, SIG_IGN);
    (void)signal(SIGQUIT, SIG_IGN);
    (void)signal(SIGTERM, SIG_IGN);
    follow_init(pid);
}
