/* SPDX-License-Identifier: Apache-2.0 */
/* descriptors.c - the runtime's descriptors lie in the guest's own table, at 1024 and above: no call reaches, covers, closes or sends them. */
#include "guest.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* A row that also fails when the container does not work afterwards. */
static void attack(const char *name, const char *want, int64_t got)
{
    const bool is_well = is_alive();
    row(is_well && is_wanted(want, got), name, want, is_well ? result_name(got) : say("%s, and no program starts any more", result_name(got)));
}

static void one_by_one(void)
{
    static const int numbers[] = {1024, 1025, 1026, 1027, 1028, 1029, 1030, 1031, 1032, 1033, 1034, 1035, 1100, 4095};
    const char *failed = NULL;
    for (size_t i = 0; i < COUNT(numbers); i++) { /* whichever of them are open */
        if (CALL(close, numbers[i]) != -EBADF || CALL(fcntl, numbers[i], F_SETFD, 0) != -EBADF || CALL(dup, numbers[i]) != -EBADF) {
            failed = say("%d", numbers[i]);
        }
    }
    row(failed == NULL, "close, dup, fcntl of 1024 .. 4095", "EBADF", failed == NULL ? "EBADF" : failed);
    attack("dup2 onto 1024", "EBADF", CALL(dup2, 0, 1024));
    attack("dup2 onto 1030", "EBADF", CALL(dup2, 0, RUNTIME_FD));
    attack("dup2 onto itself: 1030", "EBADF", CALL(dup2, RUNTIME_FD, RUNTIME_FD));
    attack("dup2 onto -1", "EBADF", CALL(dup2, 0, -1));
    attack("dup3 onto 1030", "EBADF", CALL(dup3, 0, RUNTIME_FD, O_CLOEXEC));
    attack("fcntl(F_DUPFD, 1024)", "EINVAL", CALL(fcntl, 0, F_DUPFD, 1024));
    attack("fcntl(F_DUPFD, 1030)", "EINVAL", CALL(fcntl, 0, F_DUPFD, RUNTIME_FD));
    attack("fcntl(F_DUPFD_CLOEXEC, 4000)", "EINVAL", CALL(fcntl, 0, F_DUPFD_CLOEXEC, 4000));
    attack("fcntl(F_DUPFD, -1)", "EINVAL", CALL(fcntl, 0, F_DUPFD, -1));
    attack("fcntl(F_DUPFD, 2^32 + 3): the upper half is no argument", ">=0", CALL(fcntl, 0, F_DUPFD, 0x100000003));
    attack("fcntl(F_DUPFD, 1023): the last one", "1023", CALL(fcntl, 0, F_DUPFD, 1023));
    attack("close of it", "0", CALL(close, 1023));
    attack("ioctl(FIOCLEX) of 1030", "EBADF", CALL(ioctl, RUNTIME_FD, 0x5451, 0));
    attack("ioctl(FICLONE) from 1030", "EBADF", CALL(ioctl, file_open(), 0x40049409, RUNTIME_FD));
}

static void ranges(void)
{
    const int kept = dup(1);
    attack("close_range(1024, ~0)", "0", CALL(close_range, 1024, 0xffffffff, 0));
    attack("close_range(3, ~0): the guest's own only", "0", CALL(close_range, 3, 0xffffffff, 0));
    attack("it closed the guest's", "EBADF", CALL(fcntl, kept, F_GETFD, 0));
    attack("close_range(1023, 1030)", "0", CALL(close_range, 1023, RUNTIME_FD, 0));
    attack("close_range(3, ~0, CLOEXEC), then an exec", "0", CALL(close_range, 3, 0xffffffff, 4));
    attack("close_range(3, ~0, UNSHARE)", "0", CALL(close_range, 3, 0xffffffff, 2));
    attack("close_range(0x80000000, ~0)", "0", CALL(close_range, 0x80000000, 0xffffffff, 0));
    attack("close_range(5, 4)", "EINVAL", CALL(close_range, 5, 4, 0));
}

static void waiting(void)
{
    struct pollfd polled[3] = {{.fd = RUNTIME_FD, .events = POLLIN | POLLOUT}, {.fd = 1024, .events = POLLIN}, {.fd = -5, .events = POLLIN}};
    attack("poll of 1030, 1024 and -5: two answers", "2", CALL(poll, P(polled), 3, 0));
    row(polled[0].revents == POLLNVAL && polled[1].revents == POLLNVAL && polled[2].revents == 0, "poll says POLLNVAL", "0x20 0x20 0x0",
        say("0x%x 0x%x 0x%x", polled[0].revents, polled[1].revents, polled[2].revents));
    attack("poll without a time limit does not wait for them", "2", CALL(poll, P(polled), 2, -1));
    uint64_t sets[64] = {0};
    sets[RUNTIME_FD / 64] = 1ull << RUNTIME_FD % 64;
    attack("select with nfds 2048 and 1030 in the set", "EBADF|0", CALL(select, 2048, P(sets), 0, 0, P(&sets[40])));
    row(sets[RUNTIME_FD / 64] == 1ull << RUNTIME_FD % 64, "select does not touch the set above 1024", "unchanged", say("%llx",
        (unsigned long long)sets[RUNTIME_FD / 64]));
    attack("select with nfds -1", "EINVAL", CALL(select, -1, P(sets), 0, 0, 0));
    struct epoll_event event = {.events = EPOLLIN};
    const int epoll_fd = epoll_create1(0);
    attack("epoll_ctl adds 1030", "EBADF", CALL(epoll_ctl, epoll_fd, EPOLL_CTL_ADD, RUNTIME_FD, P(&event)));
    attack("epoll_ctl removes 1030", "EBADF", CALL(epoll_ctl, epoll_fd, EPOLL_CTL_DEL, RUNTIME_FD, 0));
    attack("epoll_ctl on 1030", "EBADF", CALL(epoll_ctl, RUNTIME_FD, EPOLL_CTL_ADD, 0, P(&event)));
    close(epoll_fd);
}

static int64_t send_fds(int socket_fd, const int *fds, size_t count, size_t length)
{
    _Alignas(8) char control[CMSG_SPACE(sizeof(int) * 8)] = {0};
    char byte = 'x';
    struct iovec iov = {&byte, 1};
    struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = CMSG_SPACE(count * sizeof(int))};
    struct cmsghdr *head = CMSG_FIRSTHDR(&message);
    head->cmsg_level = SOL_SOCKET;
    head->cmsg_type = SCM_RIGHTS;
    head->cmsg_len = length;
    memcpy(CMSG_DATA(head), fds, count * sizeof(int));
    return CALL(sendmsg, socket_fd, P(&message), MSG_DONTWAIT);
}

static void sending(void)
{
    int pair[2];
    (void)!socketpair(AF_UNIX, SOCK_DGRAM, 0, pair);
    const int bad[] = {RUNTIME_FD, 1024, 4095, -1}, mixed[] = {0, RUNTIME_FD}, late[] = {0, 1, 2, 0, 1, 1024};
    for (size_t i = 0; i < COUNT(bad); i++) {
        attack(say("SCM_RIGHTS of %d", bad[i]), "EBADF", send_fds(pair[0], &bad[i], 1, CMSG_LEN(sizeof(int))));
    }
    attack("SCM_RIGHTS of 0 and 1030", "EBADF", send_fds(pair[0], mixed, 2, CMSG_LEN(sizeof mixed)));
    attack("SCM_RIGHTS with 1024 at its end", "EBADF", send_fds(pair[0], late, 6, CMSG_LEN(sizeof late)));
    attack("SCM_RIGHTS with a length that is no multiple of 4", ">=0|EBADF|EINVAL", send_fds(pair[0], mixed, 2, CMSG_LEN(sizeof mixed) - 1));
    attack("SCM_RIGHTS with a length of 0", "EINVAL", send_fds(pair[0], mixed, 2, 0));
    attack("SCM_RIGHTS with a length of 15", "EINVAL", send_fds(pair[0], mixed, 2, 15));
    attack("SCM_RIGHTS with a length of 2^32 - 1", "EINVAL", send_fds(pair[0], mixed, 2, 0xffffffffu));
    int got = 0;
    char byte;
    while (CALL(recvfrom, pair[1], P(&byte), 1, MSG_DONTWAIT, 0, 0) >= 0) {
        got++;
    }
    row(got <= 1, "none of the refused messages arrived", "0 or 1", say("%d", got));
    close(pair[0]);
    close(pair[1]);
}

/* With all 1024 taken, what the kernel would number 1024 and above must not exist for the guest. */
static int full_table(void *argument)
{
    int pair[2], ends[2] = {-1, -1};
    (void)argument;
    (void)!socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
    const int64_t sent = send_fds(pair[0], (int[]){0, 1, 2}, 3, CMSG_LEN(3 * sizeof(int)));
    int last = 0;
    for (int fd; (fd = (int)CALL(dup, 0)) >= 0;) {
        last = fd;
    }
    row(last == 1023, "dup until it fails: the last number", "1023", say("%d", last));
    expect("dup in a full table", "EMFILE", CALL(dup, 0));
    expect("open in a full table", "EMFILE", CALL(open, P("/etc/passwd"), 0, 0));
    expect("open of /proc/self/maps in a full table", "EMFILE", CALL(open, P("/proc/self/maps"), 0, 0));
    expect("open of /proc/self/exe in a full table", "EMFILE", CALL(open, P("/proc/self/exe"), 0, 0));
    expect("pipe in a full table", "EMFILE", CALL(pipe, P(ends)));
    expect("socketpair in a full table", "EMFILE", CALL(socketpair, 1, 1, 0, P(ends)));
    expect("epoll_create in a full table", "EMFILE", CALL(epoll_create1, 0));
    expect("memfd_create in a full table", "EMFILE", CALL(memfd_create, P("x"), 0));
    expect("eventfd in a full table", "EMFILE", CALL(eventfd2, 0, 0));
    expect("inotify_init in a full table", "EMFILE", CALL(inotify_init1, 0));
    expect("fcntl(F_DUPFD) in a full table", "EMFILE", CALL(fcntl, 0, F_DUPFD, 0));
    row(ends[0] == -1 && ends[1] == -1, "no numbers were told", "-1 -1", say("%d %d", ends[0], ends[1]));
    _Alignas(8) char control[256] = {0};
    char byte;
    struct iovec iov = {&byte, 1};
    struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    const int64_t r = CALL(recvmsg, pair[1], P(&message), 0);
    const struct cmsghdr *head = CMSG_FIRSTHDR(&message);
    bool is_above = false;
    for (size_t i = 0; head != NULL && i + CMSG_LEN(0) < head->cmsg_len; i += 4) {
        int fd;
        memcpy(&fd, (const char *)CMSG_DATA(head) + i, 4);
        is_above = is_above || fd >= 0;
    }
    row(sent == 1 && r == 1 && !is_above && (message.msg_flags & MSG_CTRUNC) != 0, "SCM_RIGHTS into a full table", "MSG_CTRUNC and no number",
        say("%lld, flags 0x%x%s", (long long)r, message.msg_flags, is_above ? ", a number" : ""));
    const char *open_fd = NULL;
    for (int fd = 1024; fd < 4200; fd++) {
        open_fd = CALL(fcntl, fd, F_GETFD, 0) != -EBADF ? say("%d", fd) : open_fd;
    }
    row(open_fd == NULL, "nothing above 1023 is there", "EBADF", open_fd == NULL ? "EBADF" : open_fd);
    expect_alive("a full table");
    return 0;
}

static void limits(void)
{
    struct rlimit limit = {4096, 4096};
    attack("setrlimit(RLIMIT_NOFILE, 4096)", "EPERM", CALL(setrlimit, RLIMIT_NOFILE, P(&limit)));
    limit.rlim_cur = limit.rlim_max = RLIM_INFINITY;
    attack("setrlimit(RLIMIT_NOFILE, infinity)", "EPERM", CALL(setrlimit, RLIMIT_NOFILE, P(&limit)));
    limit.rlim_cur = 0x100000400;
    limit.rlim_max = 1024;
    attack("setrlimit(RLIMIT_NOFILE) with a soft limit above the hard one", "EINVAL", CALL(setrlimit, RLIMIT_NOFILE, P(&limit)));
    attack("prlimit of the parent", "EPERM|ESRCH", CALL(prlimit64, getppid(), RLIMIT_NOFILE, P(&limit), 0));
    limit.rlim_cur = limit.rlim_max = 0;
    if (fork() == 0) { /* no descriptor for the guest is no reason for the runtime to have none */
        expect("setrlimit(RLIMIT_NOFILE, 0)", "0", CALL(setrlimit, RLIMIT_NOFILE, P(&limit)));
        expect("open under it", "EMFILE", CALL(open, P("/etc/passwd"), 0, 0));
        expect("dup2 onto 5 under it", "EBADF", CALL(dup2, 0, 5));
        expect("read of descriptor 0 under it", "0", CALL(read, 0, P(&limit), 1));
        expect_alive("RLIMIT_NOFILE 0");
        _exit(0);
    }
    wait(NULL);
}

static void by_path_and_address(void)
{
    static const char *const paths[] = {"/proc/self/fd/1030", "/dev/fd/1030", "/proc/self/fd/1024", "/proc/thread-self/fd/1030", "/dev/fd/01030",
        "/proc/self/fd/4294968326"};
    for (size_t i = 0; i < COUNT(paths); i++) {
        expect(say("open(%s)", paths[i]), "ENOENT", CALL(open, P(paths[i]), O_RDONLY, 0));
        expect(say("open(%s, O_PATH)", paths[i]), "ENOENT", CALL(open, P(paths[i]), O_PATH, 0));
        expect(say("execve(%s)", paths[i]), "ENOENT|EACCES", CALL(execve, P(paths[i]), 0, 0));
    }
    attack("mmap of 1030", "EBADF", CALL(mmap, 0, 4096, PROT_READ, MAP_SHARED, RUNTIME_FD, 0));
    attack("mmap of 1030 over the guest's memory", "EBADF", CALL(mmap, 65536, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED, RUNTIME_FD, 0));
    attack("execveat(1030, AT_EMPTY_PATH)", "EBADF", CALL(execveat, RUNTIME_FD, P(""), 0, 0, 0x1000));
    attack("execveat(1030, AT_EXECVE_CHECK)", "EBADF", CALL(execveat, RUNTIME_FD, P(""), 0, 0, 0x11000));
    attack("openat(1030, \"bin/guest\")", "EBADF", CALL(openat, RUNTIME_FD, P("bin/guest"), 0, 0));
    attack("openat(1030, \"../..\")", "EBADF", CALL(openat, RUNTIME_FD, P("../.."), O_PATH, 0));
    attack("newfstatat(1030, AT_EMPTY_PATH)", "EBADF", CALL(newfstatat, RUNTIME_FD, P(""), P(&(struct stat){0}), AT_EMPTY_PATH));
    attack("statx(1030, AT_EMPTY_PATH)", "EBADF", CALL(statx, RUNTIME_FD, P(""), AT_EMPTY_PATH, 0x7ff, P((char[256]){0})));
    attack("faccessat2(1030, AT_EMPTY_PATH)", "EBADF", CALL(faccessat2, RUNTIME_FD, P(""), 0, AT_EMPTY_PATH));
    attack("fchownat(1030, AT_EMPTY_PATH)", "EBADF", CALL(fchownat, RUNTIME_FD, P(""), 0, 0, AT_EMPTY_PATH));
    attack("fchmodat2(1030, AT_EMPTY_PATH)", "EBADF", CALL(fchmodat2, RUNTIME_FD, P(""), 0777, AT_EMPTY_PATH));
    attack("utimensat(1030, NULL)", "EBADF", CALL(utimensat, RUNTIME_FD, 0, 0, 0));
    attack("utimensat(1030, AT_EMPTY_PATH)", "EBADF", CALL(utimensat, RUNTIME_FD, P(""), 0, AT_EMPTY_PATH));
    attack("linkat(1030, AT_EMPTY_PATH)", "EBADF|ENOENT|EINVAL", CALL(linkat, RUNTIME_FD, P(""), AT_FDCWD, P("/tmp/x"), AT_EMPTY_PATH));
    attack("fchdir(1030)", "EBADF", CALL(fchdir, RUNTIME_FD));
    attack("clock_gettime of a descriptor's clock: 1030", "EINVAL|ENODEV", CALL(clock_gettime, (~(uint32_t)RUNTIME_FD << 3 | 3), P((char[16]){0})));
}

void theme_descriptors(void)
{
    one_by_one();
    ranges();
    waiting();
    sending();
    const int status = child_run(full_table, NULL, 30);
    row(status == 0, "a full table", "exit 0", child_name(status));
    limits();
    by_path_and_address();
    sweep_descriptors();
    expect_alive("all of it");
}
