/* SPDX-License-Identifier: Apache-2.0 */
/*
 * container.c - the parent's side: decide, limits, fork, wait with a deadline, clean up.
 *
 * The children report through one pipe: a StartReport, written once, either when set-up failed (the Error as it is) or
 * when everything is ready and the guest's first instruction follows. The pipe's end without a report means that the
 * child died during set-up.
 */
#include "sandbox/container.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/must.h"
#include "manifest/audit.h"
#include "sandbox/container-int.h"
#include "wasm/entries.h"

#define RECORD_CALLS 1024 /* of audit_receive(): more than a socket's queue can hold */
#define OWN_PROCESSES 1   /* init is in the group too; a limit of 1 is for one program */

uint64_t container_now_us(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
}

void container_gate_config(const ContainerConfig *config, Audit *audit, GateConfig *ret_gate)
{
    *ret_gate = (GateConfig){
        .root_fd = -1,
        .lower_fd = -1,
        .upper_fd = -1,
        .stored_digest = config->stored_digest,
        .stored_context = config->stored_context,
        .manifest = config->manifest,
        .policy = config->policy,
        .audit = audit,
        .container = config->name,
        .image = config->image,
        .keys = config->keys,
        .key_count = config->key_count,
        .minimum_fd = CONTAINER_MINIMUM_FD,
    };
}

const char *container_applet(const ContainerConfig *config)
{
    const char *name = config->argc > 0 ? config->argv[0] : config->program;
    const char *slash = strrchr(name, '/');
    return slash != NULL ? slash + 1 : name;
}

/* Descriptors at CONTAINER_MINIMUM_FD and above need room: the guest's soft limit is lowered again before it starts. */
int container_files_limit(Error *err)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0) {
        return error_set(err, errno, "container: RLIMIT_NOFILE");
    }
    const rlim_t wanted = CONTAINER_MINIMUM_FD + 64;
    if (limit.rlim_cur >= wanted) {
        return 0;
    }
    limit.rlim_cur = wanted;
    if (limit.rlim_max < wanted) {
        limit.rlim_max = wanted;
    }
    if (setrlimit(RLIMIT_NOFILE, &limit) < 0) {
        const int r = error_set(err, errno, "container: %u descriptors are needed", (unsigned int)wanted);
        return error_hint(err, r, "raise the hard limit: ulimit -Hn 4096");
    }
    return 0;
}

int container_decide(const ContainerConfig *config, ContainerAsk ask, GateVerdict *ret_verdict, Error *err)
{
    int r = container_files_limit(err);
    if (r < 0) {
        return r;
    }
    Audit *audit = NULL;
    if (ask == CONTAINER_ASK_AUDITED && config->audit_path != NULL) {
        r = audit_open(config->audit_path, CONTAINER_MINIMUM_FD, &audit, err);
        if (r < 0) {
            return r;
        }
    }
    _cleanup_(fd_closep) int root_fd = open(config->image_root, O_PATH | O_DIRECTORY | O_CLOEXEC);
    GateConfig gate_config;
    container_gate_config(config, audit, &gate_config);
    gate_config.root_fd = root_fd;
    gate_config.lower_fd = config->stored_digest != NULL ? root_fd : -1;
    Gate *gate = NULL;
    r = root_fd < 0 ? error_set(err, errno, "%s", config->image_root) : gate_new(&gate_config, &gate, err);
    if (r == 0) {
        const GateRequest request = {
            .dirfd = AT_FDCWD,
            .cwd = config->cwd,
            .path = config->program,
            .argv0 = config->argc > 0 ? config->argv[0] : config->program,
            .pid = (uint32_t)getpid(),
            .applet = container_applet(config),
            .is_explaining = ask == CONTAINER_ASK_EXPLAIN,
        };
        r = gate_decide(gate, &request, ret_verdict);
        if (r < 0) {
            r = error_set(err, -r, "%s: the exec gate failed", config->program);
        }
    }
    (void)gate_free(gate);
    (void)audit_close(audit);
    return r;
}

/* --- waiting --- */

typedef struct Wait {
    pid_t pid;      /* of A, later of init where that is our child */
    int pid_fd;
    int report_fd;
    int signal_fd;
    uint64_t deadline_us; /* UINT64_MAX: none */
    bool is_timed_out;
    bool has_report;
    StartReport report;
    Audit *log;     /* NULL: none */
    int log_fd;     /* records of the container */
    AuditRecord common; /* what they have in common */
    pid_t init_pid; /* host pid of the container's init once known */
    uint64_t early_signals; /* bit N: signal N came before init was known */
} Wait;

/* Signals sent to the command go to the container's init, which hands them to the guest. */
static void signal_forward(Wait *wait)
{
    struct signalfd_siginfo info;
    while (read(wait->signal_fd, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
        /* From the terminal's driver the guest has it already: it is in the same process group. */
        const bool is_from_terminal = info.ssi_code == SI_KERNEL;
        if (is_from_terminal) {
            continue;
        }
        if (wait->init_pid > 0) {
            (void)kill(wait->init_pid, (int)info.ssi_signo);
        } else {
            wait->early_signals |= 1ull << info.ssi_signo;
        }
    }
}

static int wait_for(pid_t pid, int *ret_status)
{
    while (waitpid(pid, ret_status, 0) < 0) {
        if (errno != EINTR) {
            return -errno;
        }
    }
    return 0;
}

/* A has made init our child and ends. Without a descriptor for it (the table is full) there is no waiting with a deadline. */
static void init_adopt(Wait *wait, pid_t pid)
{
    int status;
    error_ignore(wait_for(wait->pid, &status));
    (void)fd_close(wait->pid_fd);
    wait->pid = pid;
    wait->pid_fd = (int)syscall(SYS_pidfd_open, pid, 0);
    if (wait->pid_fd < 0) {
        (void)kill(pid, SIGKILL);
    }
}

static void report_take(Wait *wait)
{
    StartReport report;
    size_t size = 0;
    if (fd_read_full(wait->report_fd, &report, sizeof(report), &size) == 0 && size == sizeof(report)) {
        if (report.kind == START_REPORT_INIT || report.kind == START_REPORT_CHILD) {
            wait->init_pid = report.pid;
            if (report.kind == START_REPORT_CHILD) {
                init_adopt(wait, report.pid);
            }
            for (int number = 1; number < 64; number++) {
                if ((wait->early_signals & 1ull << number) != 0) {
                    (void)kill(wait->init_pid, number);
                }
            }
            return;
        }
        wait->report = report;
        wait->has_report = true;
        return;
    }
    wait->report_fd = fd_close(wait->report_fd);
}

/* A that has ended: what it said before is in the pipe, perhaps behind what the guest said. Return: true when init is to be waited for now. */
static bool reports_take(Wait *wait)
{
    const pid_t ended = wait->pid;
    struct pollfd report = {.fd = wait->report_fd, .events = POLLIN};
    while (wait->report_fd >= 0 && wait->pid == ended && poll(&report, 1, 0) > 0) {
        report_take(wait);
    }
    return wait->pid != ended;
}

/* What the container's gate has decided, into the log. Return: true when more may wait. */
static bool records_take(Wait *wait)
{
    const int r = wait->log_fd < 0 ? 0 : audit_receive(wait->log, wait->log_fd, &wait->common);
    if (r < 0) {
        wait->log_fd = -1; /* borrowed */
    }
    return r > 0;
}

/* A lives on to see init's end, and to end what is left where there is no pid namespace. */
static void container_kill(const Wait *wait)
{
    (void)kill(wait->init_pid > 0 ? wait->init_pid : wait->pid, SIGKILL);
}

/* For poll(2): -1 without a deadline, 0 when it is over, else milliseconds, at most what an int holds. */
static int wait_timeout_ms(const Wait *wait)
{
    if (wait->deadline_us == UINT64_MAX || wait->is_timed_out) {
        return -1;
    }
    const uint64_t now = container_now_us();
    const uint64_t left_ms = now >= wait->deadline_us ? 0 : (wait->deadline_us - now + 999) / 1000;
    return left_ms < INT_MAX ? (int)left_ms : INT_MAX;
}

static int container_wait(Wait *wait, int *ret_status, Error *err)
{
    struct pollfd polled[4] = {{.fd = wait->pid_fd, .events = POLLIN},
                               {.fd = wait->report_fd, .events = POLLIN},
                               {.fd = wait->signal_fd, .events = POLLIN},
                               {.fd = wait->log_fd, .events = POLLIN}};
    bool is_ended = false;
    while (!is_ended && wait->pid_fd >= 0) {
        const int timeout_ms = wait_timeout_ms(wait);
        polled[0].fd = wait->pid_fd;
        polled[1].fd = wait->report_fd;
        polled[3].fd = wait->log_fd;
        const pid_t pid = wait->pid;
        const int count = poll(polled, 4, timeout_ms);
        if (count < 0 && errno != EINTR) {
            return error_set(err, errno, "container: poll");
        }
        if (count == 0) {
            if (wait_timeout_ms(wait) == 0) { /* else the deadline is further away than poll(2) can wait at once */
                wait->is_timed_out = true;
                container_kill(wait);
            }
            continue;
        }
        if (count > 0 && polled[1].fd >= 0 && polled[1].revents != 0) {
            report_take(wait);
        }
        if (count > 0 && polled[2].revents != 0) {
            signal_forward(wait);
        }
        if (count > 0 && polled[3].revents != 0) {
            (void)records_take(wait);
        }
        is_ended = count > 0 && polled[0].revents != 0 && pid == wait->pid && !reports_take(wait);
    }
    const int r = wait_for(wait->pid, ret_status);
    if (r < 0) {
        return error_set(err, -r, "container: wait");
    }
    while (wait->report_fd >= 0 && !wait->has_report) {
        report_take(wait);
    }
    for (int i = 0; i < RECORD_CALLS && records_take(wait); i++) { /* nobody sends any more */
    }
    return 0;
}

/* --- keeper: removes the control group when the parent is killed; the processes die by themselves --- */

typedef struct Keeper {
    pid_t pid; /* 0: none */
    int fd;    /* its pipe: one byte ends it, end of file means that the parent is dead */
} Keeper;

/* Best effort: without it a parent that is killed leaves an empty directory, which the next container of that name takes over. */
static void keeper_start(Keeper *keeper, const Wait *wait, SandboxCgroup *cgroup)
{
    int pipe_fds[2];
    if (cgroup == NULL || pipe2(pipe_fds, O_CLOEXEC) < 0) {
        return;
    }
    keeper->pid = fork();
    if (keeper->pid == 0) {
        sigset_t all;
        char byte;
        size_t got = 0;
        (void)sigfillset(&all);
        (void)sigprocmask(SIG_SETMASK, &all, NULL);
        (void)close_range(0, 2, 0); /* whoever reads the command's output must not wait for us */
        (void)fd_close(pipe_fds[1]);
        (void)fd_close(wait->pid_fd);
        (void)fd_close(wait->report_fd);
        (void)fd_close(wait->signal_fd);
        audit_forget(wait->log);
        if (fd_read_full(pipe_fds[0], &byte, 1, &got) == 0 && got == 0) {
            (void)sandbox_cgroup_free(cgroup);
        }
        _exit(0);
    }
    (void)fd_close(pipe_fds[0]);
    if (keeper->pid < 0) {
        keeper->pid = 0;
        (void)fd_close(pipe_fds[1]);
        return;
    }
    keeper->fd = pipe_fds[1];
}

static void keeper_end(const Keeper *keeper)
{
    if (keeper->pid > 0) {
        error_ignore(fd_write_full(keeper->fd, "e", 1)); /* it may have been killed */
        (void)fd_close(keeper->fd);
    }
}

/* It ends while the control group is removed. */
static void keeper_wait(const Keeper *keeper)
{
    int status;
    if (keeper->pid > 0) {
        error_ignore(wait_for(keeper->pid, &status));
    }
}

/* What A's exit status and the report mean. */
static int result_fill(const Wait *wait, int status, const SandboxCgroup *cgroup, ContainerResult *result, Error *err)
{
    if (wait->is_timed_out) {
        result->end = CONTAINER_TIMED_OUT;
        return 0;
    }
    if (!wait->has_report) {
        if (cgroup != NULL && sandbox_cgroup_was_oom(cgroup)) {
            result->end = CONTAINER_OUT_OF_MEMORY;
            result->status = SIGKILL;
            return 0;
        }
        return error_set(err, EIO, "container: it died while it was set up (wait status 0x%x)", (unsigned int)status);
    }
    if (wait->report.kind == START_REPORT_FAILED) {
        if (err != NULL) {
            *err = wait->report.error;
            err->file = __FILE__;
        }
        return -wait->report.error.code;
    }
    if (wait->report.kind == START_REPORT_DENIED) {
        result->end = wait->report.error.code == ENOENT || wait->report.error.code == ENOTDIR ? CONTAINER_NOT_FOUND : CONTAINER_DENIED;
        if (err != NULL) {
            *err = wait->report.error;
        }
        return 0;
    }
    result->start_us = wait->report.ready_us;
    /* init encodes the guest's end: exit code, or 256 would not fit: a signal is told by its own death or 128 + N. */
    if (WIFSIGNALED(status)) {
        result->end = CONTAINER_SIGNALED;
        result->status = WTERMSIG(status);
    } else {
        result->end = CONTAINER_EXITED;
        result->status = WEXITSTATUS(status);
    }
    if (cgroup != NULL && sandbox_cgroup_was_oom(cgroup) && (result->status == SIGKILL || result->status == 128 + SIGKILL)) {
        result->end = CONTAINER_OUT_OF_MEMORY;
        result->status = SIGKILL;
    }
    return 0;
}

static int signals_open(sigset_t *ret_old, int *ret_fd, Error *err)
{
    sigset_t set;
    (void)sigemptyset(&set);
    static const int forwarded[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGCONT, SIGWINCH};
    for (size_t i = 0; i < sizeof(forwarded) / sizeof(forwarded[0]); i++) {
        (void)sigaddset(&set, forwarded[i]);
    }
    if (sigprocmask(SIG_BLOCK, &set, ret_old) < 0) {
        return error_set(err, errno, "container: signals");
    }
    *ret_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    return *ret_fd >= 0 ? 0 : error_set(err, errno, "container: signalfd");
}

/* Refuse before anything is made. A volume may lie over any part of the image: then only the container's own gate can tell. */
static int refuse_early(const ContainerConfig *config, ContainerResult *result, bool *ret_is_refused, Error *err)
{
    *ret_is_refused = false;
    if (config->mount_count > 0) {
        return 0;
    }
    GateVerdict *verdict = calloc(1, sizeof(*verdict));
    if (verdict == NULL) {
        return error_set(err, ENOMEM, "container: out of memory");
    }
    verdict->file_fd = verdict->script_fd = -1;
    int r = container_decide(config, CONTAINER_ASK, verdict, err);
    if (r == 0 && verdict->kind == GATE_DENY) {
        gate_verdict_deinit(verdict);
        r = container_decide(config, CONTAINER_ASK_AUDITED, verdict, err);
        if (r == 0) {
            *ret_is_refused = true;
            container_denial(config, verdict, err);
            result->end = verdict->error == ENOENT || verdict->error == ENOTDIR ? CONTAINER_NOT_FOUND : CONTAINER_DENIED;
            result->status = verdict->error;
        }
    }
    gate_verdict_deinit(verdict);
    free(verdict);
    return r;
}

static void record_common(const ContainerConfig *config, AuditRecord *ret_record)
{
    *ret_record = (AuditRecord){
        .container = config->name,
        .image = config->image,
        .manifest_name = manifest_name(config->manifest),
        .manifest_serial = manifest_serial(config->manifest),
        .manifest_digest = manifest_digest(config->manifest),
        .key = config->key_count > 0 ? config->keys[0] : NULL,
    };
}

static int container_follow(const ContainerConfig *config, ContainerStart *start, SandboxCgroup *cgroup, Keeper *keeper, ContainerResult *result, Error *err)
{
    int report_pipe[2] = {-1, -1};
    sigset_t old;
    Wait wait = {.pid_fd = -1, .report_fd = -1, .signal_fd = -1, .deadline_us = UINT64_MAX, .log = start->log, .log_fd = start->log_fd};
    record_common(config, &wait.common);
    if (pipe2(report_pipe, O_CLOEXEC) < 0) {
        return error_set(err, errno, "container: pipe");
    }
    int r = signals_open(&old, &wait.signal_fd, err);
    if (r < 0) {
        (void)fd_close(report_pipe[0]);
        (void)fd_close(report_pipe[1]);
        return r;
    }
    start->report_fd = report_pipe[1];
    start->cgroup = cgroup;
    start->parent = getpid();
    start->old_signals = old;
    start->begin_us = container_now_us();
    wait.pid = fork();
    if (wait.pid == 0) {
        (void)close(report_pipe[0]);
        (void)close(wait.signal_fd);
        container_child(config, start);
    }
    const int fork_error = errno;
    (void)fd_close(report_pipe[1]);
    start->audit = audit_close(start->audit); /* the container's end */
    wait.report_fd = report_pipe[0];
    if (wait.pid < 0) {
        r = error_set(err, fork_error, "container: fork");
    } else {
        wait.pid_fd = (int)syscall(SYS_pidfd_open, wait.pid, 0);
        r = wait.pid_fd < 0 ? error_set(err, errno, "container: pidfd_open") : 0;
        if (r < 0) {
            (void)kill(wait.pid, SIGKILL);
        }
        if (config->timeout_ms > 0) {
            wait.deadline_us = start->begin_us + config->timeout_ms * 1000;
        }
    }
    if (wait.pid > 0) {
        int status = 0;
        Error wait_error = ERROR_INIT;
        keeper_start(keeper, &wait, cgroup);
        const int waited = wait.pid_fd >= 0 ? container_wait(&wait, &status, &wait_error) : waitpid(wait.pid, &status, 0) < 0 ? -errno : 0;
        if (r == 0) {
            r = waited < 0 ? error_set(err, -waited, "%s", wait_error.message) : result_fill(&wait, status, cgroup, result, err);
        }
        result->wall_us = container_now_us() - start->begin_us;
        keeper_end(keeper);
    }
    (void)fd_close(wait.pid_fd);
    (void)fd_close(wait.report_fd);
    (void)fd_close(wait.signal_fd);
    (void)sigprocmask(SIG_SETMASK, &old, NULL);
    return r;
}

/* Every program's entry must be in the object with the ABI that the manifest says: whoever signed may have mixed two builds. */
int container_entries_check(const Manifest *manifest, const RtLoaded *loaded, Error *err)
{
    for (size_t i = 0; i < manifest_row_count(manifest); i++) {
        ManifestRow row;
        manifest_row(manifest, i, &row);
        const RtEntry *entry = row.entry != NULL ? rt_object_entry(loaded, row.entry) : NULL;
        if (row.entry != NULL && entry == NULL) {
            return error_set(err, EBADMSG, "manifest: entry %s is not in the megabinary", row.entry);
        }
        if (entry != NULL && strcmp(row.abi, entries_abi_name(entry->abi)) != 0) {
            return error_set(err, EBADMSG, "manifest: entry %s is %s, in the megabinary it is %s", row.entry, row.abi, entries_abi_name(entry->abi));
        }
    }
    return 0;
}

int container_run(const ContainerConfig *config, ContainerResult *ret_result, Error *err)
{
    must(config != NULL && ret_result != NULL && config->argc > 0);
    ContainerResult result = {.end = CONTAINER_EXITED};
    bool is_refused = false;
    int r = container_files_limit(err);
    r = r < 0 ? r : refuse_early(config, &result, &is_refused, err);
    if (r < 0 || is_refused) {
        *ret_result = result;
        return r;
    }
    ContainerStart start = {.report_fd = -1, .log_fd = -1, .join = SANDBOX_JOIN_INIT};
    if (config->audit_path != NULL) {
        r = audit_open(config->audit_path, 3, &start.log, err);
        r = r < 0 ? r : audit_guest(start.log, CONTAINER_MINIMUM_FD, &start.audit, &start.log_fd, err);
    }
    SandboxCgroup *cgroup = NULL;
    Keeper keeper = {.pid = 0};
    SandboxLimits limits = config->limits;
    limits.pids_count += limits.pids_count > 0 ? OWN_PROCESSES : 0;
    r = r < 0 ? r : rt_object_open(config->object_fd, CONTAINER_MINIMUM_FD, &config->megabinary, &start.loaded, err);
    r = r < 0 ? r : container_entries_check(config->manifest, start.loaded, err);
    if (r == 0) {
        r = sandbox_cgroup_new(config->name, &limits, &cgroup, &result.note, err);
    }
    start.rest = sandbox_cgroup_rest(cgroup, &config->limits);
    if (r == 0) {
        r = container_follow(config, &start, cgroup, &keeper, &result, err);
    }
    if (cgroup != NULL) {
        result.memory_peak = sandbox_cgroup_memory_peak(cgroup);
        (void)sandbox_cgroup_free(cgroup);
    }
    keeper_wait(&keeper);
    struct rusage usage;
    if (getrusage(RUSAGE_CHILDREN, &usage) == 0) {
        result.user_us = (uint64_t)usage.ru_utime.tv_sec * 1000000u + (uint64_t)usage.ru_utime.tv_usec;
        result.system_us = (uint64_t)usage.ru_stime.tv_sec * 1000000u + (uint64_t)usage.ru_stime.tv_usec;
    }
    (void)rt_object_close(start.loaded);
    (void)audit_close(start.audit);
    (void)audit_close(start.log);
    (void)fd_close(start.log_fd);
    *ret_result = result;
    return r;
}
