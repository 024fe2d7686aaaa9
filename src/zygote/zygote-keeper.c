/* SPDX-License-Identifier: Apache-2.0 */
/*
 * zygote-keeper.c - keeper and zygote.
 *
 *   zygote: seals itself, forks and reaps templates; each template reaps its instances; both tell the keeper of each end
 *   keeper: after each end kills what has become its own child by it, then tells the caller
 *
 * An instance's first process adopts its orphans (PR_SET_CHILD_SUBREAPER), so what it leaves behind becomes the keeper's when it
 * ends and not before: every child of the keeper but the zygote is to be killed, and nobody has to keep a list that a guest could falsify.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/must.h"
#include "zygote/zygote-int.h"

#define EXIT_OWN_FAILURE 125
#define PARENT_DIED SIGRTMAX

static volatile sig_atomic_t zygote_pid; /* for the keeper's handler; the keeper has one thread */

static void side_fail(const ZygoteSide *side, const Error *error) __attribute__((noreturn));
static void side_fail(const ZygoteSide *side, const Error *error)
{
    const StartAnswer answer = {.start_ns = 0, .error = *error};
    (void)message_send(side->control_fd, &answer, sizeof(answer), NULL, 0);
    _exit(EXIT_OWN_FAILURE);
}

/* --- zygote --- */

bool ends_report(int end_fd)
{
    for (;;) {
        struct rusage usage;
        int status = 0;
        const pid_t pid = wait4(-1, &status, WNOHANG, &usage);
        if (pid <= 0) {
            return pid == 0;
        }
        const EndMessage message = {
            .kind = END_PROCESS,
            .pid = pid,
            .status = status,
            .user_us = (uint64_t)usage.ru_utime.tv_sec * 1000000u + (uint64_t)usage.ru_utime.tv_usec,
            .system_us = (uint64_t)usage.ru_stime.tv_sec * 1000000u + (uint64_t)usage.ru_stime.tv_usec,
            .memory_peak = (uint64_t)usage.ru_maxrss * 1024u,
        };
        if (message_send(end_fd, &message, sizeof(message), NULL, 0) < 0) {
            _exit(EXIT_OWN_FAILURE); /* no keeper, nobody to work for */
        }
    }
}

static void template_fork(ZygoteInner *inner, const ControlMessage *message, int channel_fd, int control_fd, int signal_fd)
{
    const pid_t pid = fork();
    if (pid == 0) {
        (void)fd_close(control_fd);
        (void)fd_close(signal_fd);
        template_main(inner, message, channel_fd);
    }
    const ForkAnswer answer = {.pid = pid < 0 ? -errno : pid};
    (void)message_send(channel_fd, &answer, sizeof(answer), NULL, 0);
    (void)fd_close(channel_fd);
}

/* One message of the caller. It dies with us when it cannot be understood. */
static void control_take(ZygoteInner *inner, int control_fd, int signal_fd)
{
    ControlMessage message;
    int fds[ZYGOTE_FDS_MAX];
    size_t fd_count = 0;
    const int64_t got = message_receive(control_fd, &message, sizeof(message), MSG_CMSG_CLOEXEC, fds, &fd_count);
    if (got == 0) {
        _exit(0); /* the caller stops us, or is gone */
    }
    if (got != (int64_t)sizeof(message) || message.magic != ZYGOTE_MAGIC || memchr(message.entry, '\0', sizeof(message.entry)) == NULL) {
        _exit(EXIT_OWN_FAILURE);
    }
    if (message.kind == CONTROL_TEMPLATE && fd_count == 1) {
        template_fork(inner, &message, fds[0], control_fd, signal_fd);
    } else {
        _exit(EXIT_OWN_FAILURE);
    }
}

static void zygote_main(const ZygoteSide *side, const SandboxRoot *root, int end_fd, pid_t keeper) __attribute__((noreturn));
static void zygote_main(const ZygoteSide *side, const SandboxRoot *root, int end_fd, pid_t keeper)
{
    Error error = ERROR_INIT;
    ZygoteInner inner = {.config = side->config, .options = side->options, .loaded = side->loaded, .relay = side->relay, .root = *root,
                         .again_fd = -1, .end_fd = end_fd, .pid = getpid()};
    const SandboxLimits none = {0};
    const SandboxSealConfig seal = {
        .has_network = side->config->is_network_host, .is_zygote = true, .minimum_fd = CONTAINER_MINIMUM_FD, .root = root};
    sigset_t signals;
    (void)signal(PARENT_DIED, SIG_DFL);
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != keeper) {
        _exit(EXIT_OWN_FAILURE);
    }
    (void)sigemptyset(&signals);
    (void)sigaddset(&signals, SIGCHLD);
    (void)sigprocmask(SIG_SETMASK, &signals, NULL);
    int signal_fd = signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
    int r = signal_fd < 0 ? error_set(&error, errno, "zygote: signalfd") : 0;
    r = r < 0 ? r : sandbox_again_open(CONTAINER_MINIMUM_FD, &inner.again_fd, &error);
    r = r < 0 ? r : sandbox_rlimits(&none, &error);
    r = r < 0 ? r : sandbox_seal(&seal, &error);
    if (r < 0) {
        side_fail(side, &error);
    }
    const StartAnswer answer = {.start_ns = (uint64_t)getpid()};
    if (message_send(side->control_fd, &answer, sizeof(answer.start_ns), NULL, 0) < 0) {
        _exit(EXIT_OWN_FAILURE);
    }
    struct pollfd polled[2] = {{.fd = side->control_fd, .events = POLLIN}, {.fd = signal_fd, .events = POLLIN}};
    for (;;) {
        if (poll(polled, 2, -1) < 0 && errno != EINTR) {
            _exit(EXIT_OWN_FAILURE);
        }
        if (polled[1].revents != 0) {
            struct signalfd_siginfo info;
            error_ignore((int)read(signal_fd, &info, sizeof(info))); /* what it says is asked anew */
            (void)ends_report(end_fd);
        }
        if (polled[0].revents != 0) {
            control_take(&inner, side->control_fd, signal_fd);
        }
    }
}

/* --- keeper --- */

static void end_zygote(int number)
{
    (void)number;
    if (zygote_pid > 0) {
        (void)kill((pid_t)zygote_pid, SIGKILL);
    } else {
        _exit(EXIT_OWN_FAILURE);
    }
}

/* Everything but the four that are needed is the caller's business. They move to CONTAINER_MINIMUM_FD and above. */
static int fds_keep(ZygoteSide *side)
{
    int kept[4] = {side->control_fd, side->end_fd, rt_object_fd(side->loaded), side->relay != NULL ? audit_fd(side->relay) : -1};
    int r = fd_move_high(side->control_fd, CONTAINER_MINIMUM_FD, &side->control_fd);
    r = r < 0 ? r : fd_move_high(side->end_fd, CONTAINER_MINIMUM_FD, &side->end_fd);
    kept[0] = side->control_fd;
    kept[1] = side->end_fd;
    for (unsigned first = 3; r == 0 && first != 0;) {
        unsigned next = UINT_MAX;
        for (size_t i = 0; i < 4; i++) {
            next = kept[i] >= (int)first && (unsigned)kept[i] < next ? (unsigned)kept[i] : next;
        }
        if (next > first && close_range(first, next == UINT_MAX ? next : next - 1, 0) < 0) {
            return -errno;
        }
        first = next == UINT_MAX ? 0 : next + 1;
    }
    return r;
}

static int null_open(void)
{
    const int fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    int r = fd < 0 ? -errno : 0;
    for (int target = 0; r == 0 && target < 2; target++) {
        r = dup2(fd, target) < 0 ? -errno : 0;
    }
    (void)(fd > 1 ? fd_close(fd) : -1);
    return r;
}

static int enter(const ZygoteSide *side, SandboxRoot *ret_root, Error *err)
{
    const ContainerConfig *config = side->config;
    const char *const lower_dirs[1] = {config->image_root};
    const SandboxConfig sandbox = {
        .lower_dirs = lower_dirs,
        .lower_count = 1,
        .hostname = config->hostname,
        .is_network_host = config->is_network_host,
        .uid = config->uid,
        .gid = config->gid,
        .groups = config->groups,
        .group_count = config->group_count,
        .minimum_fd = CONTAINER_MINIMUM_FD,
        .is_plain = true,
    };
    return sandbox_enter(&sandbox, ret_root, err);
}

/* Until the zygote ends: its side of the pair is closed when it and all its children are gone. */
static void ends_pass(const ZygoteSide *side, int inner_fd, pid_t zygote) __attribute__((noreturn));
static void ends_pass(const ZygoteSide *side, int inner_fd, pid_t zygote)
{
    for (;;) {
        EndMessage message;
        int fds[ZYGOTE_FDS_MAX];
        size_t fd_count = 0;
        if (message_receive(inner_fd, &message, sizeof(message), 0, fds, &fd_count) != (int64_t)sizeof(message)) {
            break;
        }
        orphans_sweep(zygote);
        error_ignore(message_send(side->end_fd, &message, sizeof(message), NULL, 0)); /* a caller that is gone: PARENT_DIED comes */
    }
    int status = 0;
    (void)kill(zygote, SIGKILL);
    while (waitpid(zygote, &status, 0) < 0 && errno == EINTR) {
    }
    orphans_end();
    const EndMessage last = {.kind = END_ZYGOTE, .pid = zygote, .status = status};
    error_ignore(message_send(side->end_fd, &last, sizeof(last), NULL, 0)); /* as above */
    _exit(0);
}

void keeper_main(ZygoteSide *side)
{
    Error error = ERROR_INIT;
    SandboxRoot root = {.root_fd = -1, .lower_fd = -1, .upper_fd = -1};
    int inner[2];
    const struct sigaction action = {.sa_handler = end_zygote};
    const pid_t self = getpid();
    sigset_t none;
    (void)sigaction(PARENT_DIED, &action, NULL);
    (void)prctl(PR_SET_PDEATHSIG, PARENT_DIED);
    if (getppid() != side->parent) {
        _exit(EXIT_OWN_FAILURE);
    }
    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    for (int number = 1; number < 32; number++) { /* the caller's handlers are not ours */
        (void)signal(number, number == SIGINT || number == SIGQUIT || number == SIGTERM || number == SIGHUP ? SIG_IGN : SIG_DFL);
    }
    audit_forget(side->log);
    int r = fds_keep(side);
    r = r < 0 ? r : null_open();
    if (r < 0) {
        error_ignore(error_set(&error, -r, "zygote: descriptors"));
        side_fail(side, &error);
    }
    orphans_adopt();
    r = enter(side, &root, &error);
    if (r == 0 && socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, inner) < 0) {
        r = error_set(&error, errno, "zygote: socketpair");
    }
    int end_fd = -1;
    r = r < 0 ? r : fd_move_high(inner[1], CONTAINER_MINIMUM_FD, &end_fd);
    const pid_t pid = r < 0 ? -1 : fork();
    if (pid < 0) {
        error_ignore(error.code != 0 ? 0 : error_set(&error, r < 0 ? -r : errno, "zygote: cannot be forked"));
        side_fail(side, &error);
    }
    if (pid == 0) {
        (void)close(inner[0]);
        (void)close(side->end_fd);
        zygote_main(side, &root, end_fd, self);
    }
    zygote_pid = pid;
    if (getppid() != side->parent) {
        end_zygote(0); /* it died while there was nobody to kill */
    }
    (void)fd_close(end_fd);
    (void)fd_close(side->control_fd);
    ends_pass(side, inner[0], pid);
}
