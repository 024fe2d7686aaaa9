/* SPDX-License-Identifier: Apache-2.0 */
/*
 * zygote-template.c - the template of an entry, and what a child of it does until its first guest instruction.
 *
 * The template has made gate, vkernel and the entry's instance; none of it has run. It reaps its children; when the caller has no more
 * use for it, it stays until the last of them has ended. (CLONE_PARENT would let the zygote reap, but then the seccomp filter would have to
 * allow it, and a program that has broken out could leave its instance by it.) A child parks in one recvmsg(2): with descriptors 0, 1 and 2
 * closed, the first three of the message land there.
 *
 * Waking by that message was measured against a futex on a shared page: 13.3 us against 9.0 us, but descriptors have to come by a message all
 * the same, and then the futex is one step more (21.8 us). A shared page would also be something that one instance could write and another reads.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/must.h"
#include "vk/vk.h"
#include "wasm/entries.h"
#include "zygote/zygote-int.h"

#define EXIT_OWN_FAILURE 125
#define STDIO_FDS 3u
#define ALERT_NS 40000u /* as long as a decision takes, and some; then the processor is for others */

/* What a child receives: in memory that is there before the fork, and untouched until then. */
static char receive_buffer[ZYGOTE_INLINE_SIZE] __attribute__((aligned(4096)));
static GateVerdict verdict;
static struct Warm { /* of a warm template, for the hooks that the vkernel calls */
    const ZygoteInner *inner;
    Vk *vk;
    int template_fd, signal_fd; /* -1: not a warm one */
} warm = {.template_fd = -1, .signal_fd = -1};
static cpu_set_t processors; /* of the template: those of its instances */

static void child_fail(int channel_fd, const Error *error) __attribute__((noreturn));
static void child_fail(int channel_fd, const Error *error)
{
    const StartAnswer answer = {.start_ns = 0, .error = *error};
    error_ignore(message_send(channel_fd, &answer, sizeof(answer), NULL, 0)); /* nobody is there: nobody to tell */
    _exit(EXIT_OWN_FAILURE);
}

/* --- after the message --- */

/* The bytes of a long dispatch: mapped for as long as the process lives. */
static int file_map_dispatch(int fd, const char **ret_bytes, size_t *ret_size)
{
    struct stat status;
    if (fstat(fd, &status) < 0) {
        return -errno;
    }
    if (!S_ISREG(status.st_mode) || status.st_size <= 0 || (uint64_t)status.st_size > ZYGOTE_DISPATCH_MAX) {
        return -EBADMSG;
    }
    void *bytes = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (bytes == MAP_FAILED) {
        return -errno;
    }
    *ret_bytes = bytes;
    *ret_size = (size_t)status.st_size;
    return 0;
}

/* Descriptors to where they belong: 0, 1, 2; the rest above the guest's. Return: 0 or -errno; fds are closed or placed in any case of 0. */
static int fds_place(const DispatchHeader *header, int fds[ZYGOTE_FDS_MAX], size_t count, SandboxJoin *join)
{
    const size_t script = (header->flags & DISPATCH_SCRIPT) != 0 ? 1 : 0;
    if (count != STDIO_FDS + 1 + script + header->join_count) {
        return -EBADMSG;
    }
    for (size_t i = 0; i < STDIO_FDS; i++) {
        if (fds[i] != (int)i) {
            return -EBADF;
        }
    }
    for (size_t i = STDIO_FDS; i < count; i++) {
        const int r = fd_move_high(fds[i], CONTAINER_MINIMUM_FD, &fds[i]);
        if (r < 0) {
            return r;
        }
    }
    verdict.file_fd = fds[STDIO_FDS];
    verdict.script_fd = script != 0 ? fds[STDIO_FDS + 1] : -1;
    for (size_t i = 0; i < header->join_count; i++) {
        join->fds[i] = fds[STDIO_FDS + 1 + script + i];
    }
    return 0;
}

/* The caller's decision in the form in which the vkernel takes one. */
static void verdict_fill(const Dispatch *dispatch)
{
    const bool is_script = (dispatch->header.flags & DISPATCH_SCRIPT) != 0;
    verdict.kind = GATE_ALLOW;
    verdict.row.entry = dispatch->text[TEXT_ENTRY];
    verdict.row.flags = dispatch->header.program_flags;
    verdict.step_count = is_script ? 2 : 1;
    verdict.steps[0].path = dispatch->text[TEXT_PATH];
    verdict.steps[verdict.step_count - 1].resolved = dispatch->text[TEXT_RESOLVED];
    verdict.interpreter_path = dispatch->text[TEXT_INTERPRETER];
    verdict.interpreter_arg = dispatch->text[TEXT_ARGUMENT];
    verdict.script_path = dispatch->text[TEXT_SCRIPT];
}

static int limits_set(const DispatchHeader *header, SandboxJoin *join, Error *err)
{
    int r = header->join_count > 0 ? sandbox_cgroup_join(join, err) : 0;
    if (r == 0 && (header->memory_size > 0 || header->pids_count > 0)) {
        const SandboxLimits limits = {.memory_size = header->memory_size, .pids_count = header->pids_count};
        r = sandbox_rlimits_lower(&limits, err);
    }
    return r;
}

/* From the message to the guest. Comes back with an error, and in a fork of a warm template with 0. */
static int dispatch_run(Vk *vk, int channel_fd, const char *bytes, size_t size, int fds[ZYGOTE_FDS_MAX], size_t fd_count, Error *err)
{
    Dispatch dispatch;
    SandboxJoin join = SANDBOX_JOIN_INIT;
    int r = dispatch_parse(bytes, size, &dispatch);
    r = r < 0 ? r : fds_place(&dispatch.header, fds, fd_count, &join);
    if (r < 0) {
        return error_set(err, -r, "zygote: a dispatch that cannot be understood");
    }
    verdict_fill(&dispatch);
    const VkRequest request = {
        .argv = dispatch.argv,
        .argc = dispatch.header.argc,
        .envp = dispatch.envp,
        .envc = dispatch.header.envc,
        .cwd = dispatch.text[TEXT_CWD],
        .page_limit = dispatch.header.page_limit,
        .open_files_count = dispatch.header.open_files_count,
    };
    r = limits_set(&dispatch.header, &join, err);
    r = r < 0 ? r : warm.template_fd >= 0 ? vk_warm_resume(vk, verdict.file_fd, request.page_limit, err) : vk_request(vk, &request, err);
    if (r < 0) {
        return r;
    }
    const StartAnswer answer = {.start_ns = zygote_now_ns()};
    r = message_send(channel_fd, &answer, sizeof(answer.start_ns), NULL, 0);
    if (r < 0) {
        _exit(EXIT_OWN_FAILURE); /* the caller is gone */
    }
    (void)fd_close(channel_fd);
    if (warm.template_fd >= 0) {
        return 0;
    }
    r = vk_run(vk, &verdict, err); /* comes back only when the program could not be started after all */
    dprintf(STDERR_FILENO, "recompiler: %s: %s (%s)\n", dispatch.text[TEXT_PATH], err->message, error_name(-r));
    _exit(EXIT_OWN_FAILURE);
}

/* --- the child --- */

/*
 * The way of a dispatch, once for nothing: after a fork every page of code has to be found again (0.5 us each 64 KiB) and every page that is written has
 * to be copied (2.5 us), which is better done before anybody waits. Nothing is left of it but the pages.
 */
static void rehearse(Vk *vk)
{
    static const char *const words[] = {"x"};
    static const char *const text[DISPATCH_TEXTS] = {"/", "x", "x", "x", "x", "x", "x"};
    const DispatchHeader header = {.magic = ZYGOTE_MAGIC, .argc = 1, .envc = 1};
    const ZygoteRequest request = {.argv = words, .argc = 1, .envp = words, .envc = 1};
    Dispatch dispatch;
    int fds[ZYGOTE_FDS_MAX] = {-1, -1, -1, -1};
    const int64_t size = dispatch_write(receive_buffer, sizeof(receive_buffer), &header, &request, text);
    must(size > 0 && dispatch_parse(receive_buffer, (size_t)size, &dispatch) == 0);
    verdict_fill(&dispatch);
    verdict.file_fd = verdict.script_fd = -1;
    error_ignore(fd_move_high(0, CONTAINER_MINIMUM_FD, &fds[0])); /* no such descriptor, nor the next */
    error_ignore(message_send(-1, &size, sizeof(size), fds, 4));
    Error error = ERROR_INIT;
    const SandboxLimits none = {0};
    error_ignore(sandbox_rlimits_lower(&none, &error)); /* none: its code only */
    (void)sched_getaffinity(0, sizeof(processors), &processors);
    (void)zygote_now_ns();
    vk_rehearse(vk, &(const VkRequest){.argv = dispatch.argv, .argc = 1, .envp = dispatch.envp, .envc = 1, .cwd = "/"});
}

/*
 * A message of one byte comes before a dispatch whose decision is under way, so that waking up (10 us and more) and deciding happen at the same time.
 * It is a guess: nothing may follow it. Then the next wait blocks again.
 */
static int64_t dispatch_wait(int channel_fd, int fds[ZYGOTE_FDS_MAX], size_t *ret_fd_count)
{
    int64_t got = message_receive(channel_fd, receive_buffer, sizeof(receive_buffer), 0, fds, ret_fd_count);
    while (got == ZYGOTE_ALERT_SIZE) {
        const uint64_t until_ns = zygote_now_ns() + ALERT_NS;
        do {
            got = message_receive(channel_fd, receive_buffer, sizeof(receive_buffer), MSG_DONTWAIT, fds, ret_fd_count);
        } while (got == -EAGAIN && zygote_now_ns() < until_ns);
        if (got == -EAGAIN) {
            got = message_receive(channel_fd, receive_buffer, sizeof(receive_buffer), 0, fds, ret_fd_count);
        }
    }
    return got;
}

/* To the caller's processor (zygote-spawn.c: processor_lend), and away from it before anything else is done. */
static void bind_to(int32_t processor)
{
    cpu_set_t one;
    CPU_ZERO(&one);
    if (processor >= 0 && processor < CPU_SETSIZE) {
        CPU_SET((size_t)processor, &one);
        (void)sched_setaffinity(0, sizeof(one), &one); /* not one of ours: it stays where it is */
    }
}

static void unbind(int64_t got)
{
    DispatchHeader header;
    if (got >= (int64_t)sizeof(header)) {
        memcpy(&header, receive_buffer, sizeof(header));
        if ((header.flags & DISPATCH_BOUND) != 0 && sched_setaffinity(0, sizeof(processors), &processors) < 0) {
            _exit(EXIT_OWN_FAILURE); /* one processor for ever is not what was asked for */
        }
    }
}

/* Comes back in a fork of a warm template only, with everything in its place. */
static void child_park(const ZygoteInner *inner, Vk *vk, int channel_fd, const ControlMessage *how)
{
    Error error = ERROR_INIT;
    int fds[ZYGOTE_FDS_MAX];
    size_t fd_count = 0;
    int again_fd = inner->again_fd;
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != inner->pid) {
        _exit(EXIT_OWN_FAILURE);
    }
    (void)prctl(PR_SET_CHILD_SUBREAPER, 1);
    int r = sandbox_seal_again(&again_fd, &error);
    if (r < 0) {
        child_fail(channel_fd, &error);
    }
    if (warm.template_fd >= 0) {
        (void)close_range(0, 2, 0); /* those of the way to the ready point */
    } else if (how->is_parked && !inner->options->is_lean) {
        rehearse(vk);
    }
    if (how->is_parked) {
        bind_to(how->processor);
    }
    const int64_t got = dispatch_wait(channel_fd, fds, &fd_count);
    if (got == 0) {
        _exit(0); /* not needed any more */
    }
    unbind(got);
    const char *bytes = receive_buffer;
    size_t size = got > 0 ? (size_t)got : 0;
    if (got >= (int64_t)sizeof(DispatchHeader)) {
        DispatchHeader header;
        memcpy(&header, receive_buffer, sizeof(header));
        if ((header.flags & DISPATCH_FILE) != 0 && fd_count > 0) {
            const int file_fd = fds[--fd_count];
            r = file_map_dispatch(file_fd, &bytes, &size);
            (void)fd_close(file_fd);
        }
    }
    r = got < 0 ? error_set(&error, (int)-got, "zygote: receiving a dispatch") : r < 0 ? error_set(&error, -r, "zygote: a dispatch in a file") : 0;
    r = r < 0 ? r : dispatch_run(vk, channel_fd, bytes, size, fds, fd_count, &error);
    if (r < 0) {
        child_fail(channel_fd, &error);
    }
}

/* Not by fork(3): its handlers and locks are not needed in a process with one thread, and cost. */
static pid_t child_fork(const ZygoteInner *inner, Vk *vk, int template_fd, int signal_fd, int channel_fd, const ControlMessage *how)
{
    const pid_t pid = (pid_t)syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL);
    if (pid == 0) {
        sigset_t none;
        (void)sigemptyset(&none);
        (void)sigprocmask(SIG_SETMASK, &none, NULL);
        rt_after_fork();
        (void)close(template_fd);
        (void)close(signal_fd);
        (void)close(inner->end_fd);
        child_park(inner, vk, channel_fd, how);
    }
    return pid < 0 ? -errno : pid;
}

/* --- the template --- */

static int template_make(const ZygoteInner *inner, const char *entry_name, bool is_warm, Vk **ret_vk, Error *err)
{
    const ContainerConfig *config = inner->config;
    const RtEntry *entry = rt_object_entry(inner->loaded, entry_name);
    GateConfig gate_config;
    Gate *gate = NULL;
    container_gate_config(config, inner->relay, &gate_config);
    gate_config.root_fd = inner->root.root_fd;
    gate_config.lower_fd = config->stored_digest != NULL ? inner->root.root_fd : -1;
    int r = entry == NULL ? error_set(err, ENOENT, "zygote: the object has no entry %s", entry_name) : gate_new(&gate_config, &gate, err);
    if (r < 0) {
        return r;
    }
    const VkConfig vk_config = {
        .root_fd = inner->root.root_fd,
        .minimum_fd = CONTAINER_MINIMUM_FD,
        .gate = gate,
        .loaded = inner->loaded,
        .cwd = "/",
        .page_limit = config->limits.memory_size >> 16 > 65536 ? 65536 : (uint32_t)(config->limits.memory_size >> 16),
        .hostname = config->hostname,
        .is_network_allowed = config->is_network_host,
        .is_network_shared = true,
        .is_root_read_only = true,
        .open_files_count = config->limits.open_files_count < LIMIT_GUEST_FDS ? (uint32_t)config->limits.open_files_count : 0,
        .is_tracing = config->is_tracing,
    };
    r = vk_new(&vk_config, ret_vk, err);
    if (r == 0 && is_warm && entry->abi != ENTRY_ABI_WALI) {
        return error_set(err, ENOTSUP, "snapshot: %s is of the wasi ABI, only wali programs can be one", entry_name);
    }
    return r < 0 ? r : vk_prepare(*ret_vk, entry, err);
}

/* One message of the caller. Return: < 0 when there is nobody any more, or nobody to understand; 1 in a fork of a warm template that is to go on. */
static int fork_take(const ZygoteInner *inner, Vk *vk, int fd, int signal_fd)
{
    ControlMessage message;
    int fds[ZYGOTE_FDS_MAX];
    size_t fd_count = 0;
    const int64_t got = message_receive(fd, &message, sizeof(message), MSG_CMSG_CLOEXEC, fds, &fd_count);
    int child_fd = -1;
    if (got != (int64_t)sizeof(message) || message.magic != ZYGOTE_MAGIC || message.kind != CONTROL_FORK || fd_count != 1 ||
        fd_move_high(fds[0], CONTAINER_MINIMUM_FD, &child_fd) < 0) {
        return -1;
    }
    const ForkAnswer answer = {.pid = child_fork(inner, vk, fd, signal_fd, child_fd, &message)};
    if (answer.pid == 0) {
        return 1;
    }
    (void)fd_close(child_fd);
    return message_send(fd, &answer, sizeof(answer), NULL, 0);
}

/* Comes back in a fork of a warm template only. */
static void template_serve(const ZygoteInner *inner, Vk *vk, int fd, int signal_fd)
{
    struct pollfd polled[2] = {{.fd = fd, .events = POLLIN}, {.fd = signal_fd, .events = POLLIN}};
    bool is_wanted = true, has_children = false;
    while (is_wanted || has_children) {
        if (poll(polled, 2, -1) < 0 && errno != EINTR) {
            break;
        }
        if (polled[0].revents != 0) {
            const int r = fork_take(inner, vk, fd, signal_fd);
            if (r > 0) {
                return;
            }
            is_wanted = r == 0;
            polled[0].fd = is_wanted ? fd : -1;
            polled[0].revents = 0;
        }
        if (polled[1].revents != 0) {
            struct signalfd_siginfo info;
            error_ignore((int)read(signal_fd, &info, sizeof(info))); /* what it says is asked anew */
        }
        has_children = (polled[1].revents == 0 && is_wanted) || ends_report(inner->end_fd);
    }
    _exit(0);
}

/* --- a warm template --- */

static void warm_refused(void *context, const char *call, const char *why)
{
    Error error = ERROR_INIT;
    (void)context;
    error_ignore(error_set(&error, EPERM, "snapshot: %s: %s (doc/snapshots.md)", call, why));
    child_fail(warm.template_fd, &error);
}

typedef struct KernelAction { /* the kernel's struct sigaction, as it is */
    uint64_t words[4];
} KernelAction;

/*
 * On the program's stack. The program may have done to SIGCHLD what it liked: while the template serves, it is the template's. A fork
 * goes on in the program with what the program had.
 */
static void warm_ready(void *context)
{
    Error error = ERROR_INIT;
    WarmAnswer answer = {.start_ns = zygote_now_ns()};
    KernelAction own = {.words = {0}}, programs;
    sigset_t child, mask;
    (void)context;
    int r = vk_warm_digest(warm.vk, &answer.digest);
    if (r < 0) {
        error_ignore(error_set(&error, -r, "snapshot: its digest"));
        child_fail(warm.template_fd, &error);
    }
    (void)sigemptyset(&child);
    (void)sigaddset(&child, SIGCHLD);
    must(sigprocmask(SIG_BLOCK, &child, &mask) == 0 && syscall(SYS_rt_sigaction, SIGCHLD, &own, &programs, 8) == 0);
    if (message_send(warm.template_fd, &answer, sizeof(answer), NULL, 0) < 0) {
        _exit(EXIT_OWN_FAILURE);
    }
    template_serve(warm.inner, warm.vk, warm.template_fd, warm.signal_fd);
    must(syscall(SYS_rt_sigaction, SIGCHLD, &programs, NULL, 8) == 0 && sigprocmask(SIG_SETMASK, &mask, NULL) == 0);
}

/* Runs the program to its ready point; descriptors 0, 1 and 2 are pipes of nobody meanwhile. */
static int warm_run(const ZygoteInner *inner, Vk *vk, int fd, int signal_fd, Error *err)
{
    int fds[ZYGOTE_FDS_MAX], ends[2];
    size_t fd_count = 0;
    Dispatch dispatch;
    const int64_t got = message_receive(fd, receive_buffer, sizeof(receive_buffer), 0, fds, &fd_count);
    int r = got <= 0 || fd_count > 0 ? -EBADMSG : dispatch_parse(receive_buffer, (size_t)got, &dispatch);
    if (r == 0 && (pipe(ends) < 0 || ends[0] != STDIN_FILENO || ends[1] != STDOUT_FILENO || dup(STDOUT_FILENO) != STDERR_FILENO)) {
        r = -EMFILE;
    }
    int again_fd = r < 0 ? -1 : fcntl(inner->again_fd, F_DUPFD_CLOEXEC, CONTAINER_MINIMUM_FD);
    if (r < 0) {
        return error_set(err, -r, "snapshot: a dispatch that cannot be understood");
    }
    r = inner->again_fd >= 0 ? sandbox_seal_again(&again_fd, err) : 0;
    const VkRequest request = {.argv = dispatch.argv, .argc = dispatch.header.argc, .envp = dispatch.envp, .envc = dispatch.header.envc,
                               .cwd = dispatch.text[TEXT_CWD], .page_limit = dispatch.header.page_limit};
    r = r < 0 ? r : vk_request(vk, &request, err);
    if (r < 0) {
        return r;
    }
    verdict_fill(&dispatch);
    verdict.file_fd = verdict.script_fd = -1;
    static VkWarm hooks = {.ready = warm_ready, .refused = warm_refused};
    hooks.now_s = manifest_created_time(inner->config->manifest);
    warm = (struct Warm){.inner = inner, .vk = vk, .template_fd = fd, .signal_fd = signal_fd};
    vk_warm(vk, &hooks);
    return vk_run(vk, &verdict, err);
}

void template_main(ZygoteInner *inner, const ControlMessage *message, int channel_fd)
{
    Error error = ERROR_INIT;
    Vk *vk = NULL;
    sigset_t signals;
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != inner->pid) {
        _exit(EXIT_OWN_FAILURE);
    }
    inner->pid = getpid();
    (void)sched_getaffinity(0, sizeof(processors), &processors);
    (void)sigemptyset(&signals);
    (void)sigaddset(&signals, SIGCHLD);
    (void)sigprocmask(SIG_SETMASK, &signals, NULL);
    for (int number = 1; number < 32; number++) { /* the keeper ignores what a terminal sends; a program must not */
        (void)signal(number, SIG_DFL);
    }
    (void)close_range(0, 2, 0);
    int fd = -1, signal_fd = -1;
    int r = fd_move_high(channel_fd, CONTAINER_MINIMUM_FD, &fd);
    const int made = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
    r = r < 0 ? r : made < 0 ? -errno : fd_move_high(made, CONTAINER_MINIMUM_FD, &signal_fd);
    r = r < 0 ? error_set(&error, -r, "zygote: descriptors") : template_make(inner, message->entry, message->is_warm != 0, &vk, &error);
    if (r == 0 && message->is_warm != 0) {
        r = warm_run(inner, vk, fd, signal_fd, &error);
    }
    if (r < 0) {
        child_fail(fd >= 0 ? fd : channel_fd, &error);
    }
    const StartAnswer ready = {.start_ns = zygote_now_ns()};
    if (message_send(fd, &ready, sizeof(ready.start_ns), NULL, 0) < 0) {
        _exit(EXIT_OWN_FAILURE);
    }
    template_serve(inner, vk, fd, signal_fd);
    _exit(EXIT_OWN_FAILURE); /* not a warm one: it does not come back */
}
