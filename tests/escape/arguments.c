/* SPDX-License-Identifier: Apache-2.0 */
/* arguments.c - see sweep.h. Numbers are Linux's for x86-64, which the wali ABI uses: libc's names would hide them. */
#include "sweep.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

_Alignas(4096) uint8_t area[AREA_SIZE + PAGE];
uint8_t *none_page, *spare;
static int file_fd, other_fd, directory_fd, in_fd, out_fd, socket_fd, peer_fd, listen_fd, closed_fd, epoll_fd, timer_fd, inotify_fd;
static struct sockaddr_un listen_name = {.sun_family = AF_UNIX, .sun_path = "/tmp/sweep-socket"};
static struct sockaddr_un new_name = {.sun_family = AF_UNIX, .sun_path = "/tmp/sweep-new"};
static const char *path_file = "/data/good";

enum { TAIL = 32768 }; /* second half of area: structures behind pointers */

static int64_t at(size_t offset) { return P(area + TAIL + offset); }

void arguments_init(void)
{
    int ends[2], pair[2];
    uint8_t *pages = mmap(NULL, 4 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    none_page = pages + PAGE;
    mprotect(none_page, PAGE, PROT_NONE);
    spare = pages + 2 * PAGE;
    file_fd = file_open();
    other_fd = file_open();
    directory_fd = open("/etc", O_RDONLY | O_DIRECTORY);
    (void)!pipe(ends);
    in_fd = ends[0];
    out_fd = ends[1];
    fcntl(in_fd, F_SETFL, O_NONBLOCK);
    fcntl(out_fd, F_SETFL, O_NONBLOCK);
    (void)!socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair);
    socket_fd = pair[0];
    peer_fd = pair[1];
    listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (bind(listen_fd, (struct sockaddr *)&listen_name, sizeof listen_name) == 0) {
        listen(listen_fd, 100);
    }
    epoll_fd = epoll_create1(0);
    struct epoll_event event = {.events = EPOLLOUT};
    epoll_ctl(epoll_fd, EPOLL_CTL_ADD, out_fd, &event);
    (void)!pipe(ends);
    close(ends[1]);
    closed_fd = ends[0];
    epoll_ctl(epoll_fd, EPOLL_CTL_ADD, closed_fd, &event);
    timer_fd = timerfd_create(CLOCK_MONOTONIC, 0);
    inotify_fd = inotify_init1(O_NONBLOCK);
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    sigprocmask(SIG_BLOCK, &set, NULL);
    signal(SIGPIPE, SIG_IGN);
}

static void set(int64_t a[6], int64_t b, int64_t c, int64_t d, int64_t e, int64_t f, int64_t g)
{
    const int64_t values[6] = {b, c, d, e, f, g};
    memcpy(a, values, sizeof values);
}

/* What pointers point to: two iovecs at 0, a msghdr at 64, zeros elsewhere, an int 16 at 2048 (room for an address). */
static void structures_fill(void)
{
    memset(area, 0, AREA_SIZE);
    const uint32_t iov[4] = {(uint32_t)P(area), 8, (uint32_t)P(area + 64), 8};
    const uint32_t message[9] = {0, 0, (uint32_t)at(0), 2, 0, 0, 0, 0, 0};
    const int32_t room = 16;
    memcpy(area + TAIL, iov, sizeof iov);
    memcpy(area + TAIL + 64, message, sizeof message);
    memcpy(area + TAIL + 2048, &room, sizeof room);
}

static bool for_descriptors(int call, int argument, int64_t a[6])
{
    switch (call) {
    case CALL_readv: case CALL_writev: case CALL_preadv: case CALL_pwritev: set(a, file_fd, at(0), 2, 0, 0, 0); break;
    case CALL_ioctl: set(a, in_fd, 0x541b /* FIONREAD */, P(area), 0, 0, 0); break;
    case CALL_fcntl: set(a, file_fd, 3 /* F_GETFL */, 0, 0, 0, 0); break;
    case CALL_flock: set(a, file_fd, 8 /* LOCK_UN */, 0, 0, 0, 0); break;
    case CALL_ftruncate: set(a, file_fd, 16, 0, 0, 0, 0); break;
    case CALL_fallocate: set(a, file_fd, 0, 0, 16, 0, 0); break;
    case CALL_sendfile: set(a, out_fd, file_fd, at(256), 4, 0, 0); break;
    case CALL_copy_file_range: set(a, file_fd, at(256), other_fd, at(264), 4, 0); break;
    case CALL_splice: set(a, file_fd, at(256), out_fd, argument == 3 ? at(264) : 0, 4, 0); break;
    case CALL_dup2: set(a, file_fd, 900, 0, 0, 0, 0); break;
    case CALL_dup3: set(a, file_fd, 900, 0, 0, 0, 0); break;
    case CALL_close_range: set(a, 800, 810, 0, 0, 0, 0); break;
    case CALL_timerfd_create: set(a, 1, 0, 0, 0, 0, 0); break;
    case CALL_timerfd_settime: set(a, timer_fd, 0, at(256), P(area), 0, 0); break;
    case CALL_timerfd_gettime: set(a, timer_fd, P(area), 0, 0, 0, 0); break;
    case CALL_signalfd: case CALL_signalfd4: set(a, -1, at(256), 8, 0, 0, 0); break;
    case CALL_inotify_add_watch: set(a, inotify_fd, P(path_file), 2, 0, 0, 0); break;
    case CALL_inotify_rm_watch: set(a, inotify_fd, 1, 0, 0, 0, 0); break;
    case CALL_poll: area[4] = 1 /* POLLIN of descriptor 0: ready */; set(a, P(area), 1, 0, 0, 0, 0); break;
    case CALL_ppoll: area[4] = 1; set(a, P(area), 1, at(256), at(512), 8, 0); break;
    case CALL_select: area[0] = 1; set(a, 8, P(area), P(area + 128), P(area + 256), at(256), 0); break;
    case CALL_pselect6: area[0] = 1; set(a, 8, P(area), P(area + 128), P(area + 256), at(256), at(512)); break;
    case CALL_epoll_create: set(a, 1, 0, 0, 0, 0, 0); break;
    case CALL_epoll_ctl: set(a, epoll_fd, 3 /* MOD */, out_fd, at(256), 0, 0); break;
    case CALL_epoll_wait: case CALL_epoll_pwait: {
        struct epoll_event event = {.events = EPOLLIN}; /* its end is closed: ready */
        (void)epoll_ctl(epoll_fd, EPOLL_CTL_MOD, closed_fd, &event);
        set(a, epoll_fd, P(area), 4, 0, at(512), 8);
        break;
    }
    default: return false;
    }
    return true;
}

static bool for_files(int call, int64_t a[6])
{
    static const char *const link = "/links/etc";
    switch (call) {
    case CALL_open: set(a, P(path_file), 0, 0, 0, 0, 0); break;
    case CALL_openat: set(a, directory_fd, P("passwd"), 0, 0, 0, 0); break;
    case CALL_openat2: set(a, directory_fd, P("passwd"), at(256), 24, 0, 0); break;
    case CALL_creat: case CALL_unlink: case CALL_rmdir: set(a, P("/nosuch/x"), 0600, 0, 0, 0, 0); break;
    case CALL_newfstatat: set(a, directory_fd, P("passwd"), P(area), 0, 0, 0); break;
    case CALL_statx: set(a, directory_fd, P("passwd"), 0, 0x7ff, P(area), 0); break;
    case CALL_faccessat: case CALL_faccessat2: set(a, directory_fd, P("passwd"), 4, 0, 0, 0); break;
    case CALL_access: set(a, P(path_file), 4, 0, 0, 0, 0); break;
    case CALL_readlink: set(a, P(link), P(area), 64, 0, 0, 0); break;
    case CALL_readlinkat: set(a, directory_fd, P("../links/etc"), P(area), 64, 0, 0); break;
    case CALL_unlinkat: case CALL_mkdirat: case CALL_mknodat: case CALL_fchownat: case CALL_fchmodat: case CALL_fchmodat2:
        set(a, directory_fd, P("nosuch/x"), call == CALL_unlinkat ? 0 : 0600, 0, 0, 0);
        break;
    case CALL_utimensat: set(a, directory_fd, P("nosuch/x"), at(256), 0, 0, 0); break;
    case CALL_futimesat: set(a, directory_fd, P("nosuch/x"), at(256), 0, 0, 0); break;
    case CALL_utime: case CALL_utimes: set(a, P("/nosuch/x"), at(256), 0, 0, 0, 0); break;
    case CALL_mknod: set(a, P("/nosuch/x"), 0100600, 0, 0, 0, 0); break;
    case CALL_rename: case CALL_link: case CALL_symlink: set(a, P("/nosuch/x"), P("/nosuch/y"), 0, 0, 0, 0); break;
    case CALL_renameat: case CALL_renameat2: case CALL_linkat: set(a, directory_fd, P("nosuch-x"), directory_fd, P("nosuch-y"), 0, 0); break;
    case CALL_symlinkat: set(a, P("target"), directory_fd, P("nosuch/y"), 0, 0, 0); break;
    case CALL_getdents64: case CALL_fchdir: set(a, directory_fd, P(area), 512, 0, 0, 0); break;
    case CALL_getcwd: set(a, P(area), 64, 0, 0, 0, 0); break;
    case CALL_chdir: set(a, P("/"), 0, 0, 0, 0, 0); break;
    case CALL_umask: set(a, 022, 0, 0, 0, 0, 0); break;
    case CALL_truncate: set(a, P("/nosuch/x"), 0, 0, 0, 0, 0); break;
    default: return false;
    }
    return true;
}

static bool for_memory_and_processes(int call, int argument, int64_t a[6])
{
    switch (call) {
    case CALL_mmap: set(a, 0, PAGE, 3, 2 /* MAP_PRIVATE */, file_fd, 0); break;
    case CALL_munmap: set(a, P(spare), 0, 0, 0, 0, 0); break;
    case CALL_mprotect: set(a, P(spare), PAGE, 3, 0, 0, 0); break;
    case CALL_mremap: set(a, P(spare), PAGE, PAGE, argument == 4 ? 3 : 0, 0, 0); break;
    case CALL_madvise: case CALL_msync: case CALL_mlock: case CALL_munlock: set(a, P(spare), PAGE, 0, 0, 0, 0); break;
    case CALL_mincore: set(a, P(spare), PAGE, P(area), 0, 0, 0); break;
    case CALL_execve: set(a, P("/data/denied"), at(1024), at(1024), 0, 0, 0); break;
    case CALL_execveat: set(a, directory_fd, P("nosuch"), at(1024), at(1024), 0, 0); break;
    case CALL_wait4:
        if (fork() == 0) {
            _exit(0);
        }
        set(a, -1, P(area), 0, P(area + 64), 0, 0);
        break;
    case CALL_waitid:
        if (fork() == 0) {
            _exit(0);
        }
        set(a, 0 /* P_ALL */, 0, P(area), 4 /* WEXITED */, P(area + 256), 0);
        break;
    case CALL_getgroups: set(a, 64, P(area), 0, 0, 0, 0); break;
    case CALL_setgroups: set(a, 1, P(area), 0, 0, 0, 0); break;
    case CALL_getrlimit: case CALL_setrlimit:
        memset(area + TAIL + 256, 0xff, 16);
        set(a, 6 /* NPROC */, call == CALL_getrlimit ? P(area) : at(256), 0, 0, 0, 0);
        break;
    case CALL_prlimit64:
        memset(area + TAIL + 256, 0xff, 16);
        set(a, 0, 6, argument == 2 ? at(256) : 0, P(area), 0, 0);
        break;
    case CALL_sched_getaffinity: case CALL_sched_setaffinity: set(a, 0, 128, P(area), 0, 0, 0); break;
    case CALL_sched_setscheduler: set(a, 0, 0, at(256), 0, 0, 0); break;
    case CALL_futex: set(a, P(area), argument == 4 ? 3 /* REQUEUE */ : 0 /* WAIT */, 12345, at(256), P(area + 64), 0); break;
    case CALL_prctl: set(a, 16 /* PR_GET_NAME */, P(area), 0, 0, 0, 0); break;
    case CALL_capget: case CALL_capset: {
        const uint32_t version = 0x20080522;
        memcpy(area + TAIL + 256, &version, sizeof version);
        set(a, at(256), P(area), 0, 0, 0, 0);
        break;
    }
    case CALL_personality: set(a, 0xffffffff, 0, 0, 0, 0, 0); break;
    default: return false;
    }
    return true;
}

static bool for_signals_and_time(int call, int argument, int64_t a[6])
{
    const int32_t info[4] = {0, 0, -1, 0}; /* si_code SI_QUEUE */
    switch (call) {
    case CALL_rt_sigaction: set(a, 12, argument == 1 ? at(256) : 0, P(area), 8, 0, 0); break;
    case CALL_rt_sigprocmask: set(a, 0, at(256), P(area), 8, 0, 0); break;
    case CALL_rt_sigpending: set(a, P(area), 8, 0, 0, 0, 0); break;
    case CALL_rt_sigsuspend: set(a, at(256), 8, 0, 0, 0, 0); break;
    case CALL_rt_sigtimedwait: {
        const uint64_t mask = 1ull << (SIGUSR1 - 1);
        memcpy(area + TAIL + 256, &mask, sizeof mask);
        raise(SIGUSR1);
        set(a, at(256), P(area), at(512), 8, 0, 0);
        break;
    }
    case CALL_rt_sigqueueinfo:
        memcpy(area + TAIL + 256, info, sizeof info);
        set(a, getpid(), 0, at(256), 0, 0, 0);
        break;
    case CALL_sigaltstack: set(a, argument == 0 ? at(256) : 0, P(area), 0, 0, 0, 0); break;
    case CALL_getitimer: case CALL_setitimer: set(a, 1 /* VIRTUAL */, argument == 2 || call == CALL_setitimer ? at(256) : P(area), P(area), 0, 0, 0); break;
    case CALL_clock_nanosleep: set(a, 1, 0, at(256), P(area), 0, 0); break;
    case CALL_nanosleep: set(a, at(256), P(area), 0, 0, 0, 0); break;
    default: return false;
    }
    return true;
}

static bool for_sockets(int call, int64_t a[6])
{
    switch (call) {
    case CALL_socketpair: set(a, 1, 1, 0, P(area), 0, 0); break;
    case CALL_bind: set(a, socket_fd, P(&new_name), sizeof new_name, 0, 0, 0); break;
    case CALL_connect: set(a, socket_fd, P(&listen_name), sizeof listen_name, 0, 0, 0); break;
    case CALL_accept: case CALL_accept4: {
        const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
        (void)connect(fd, (struct sockaddr *)&listen_name, sizeof listen_name);
        close(fd);
        set(a, listen_fd, P(area), at(2048), 0, 0, 0);
        break;
    }
    case CALL_listen: set(a, listen_fd, 100, 0, 0, 0, 0); break;
    case CALL_getsockname: case CALL_getpeername: set(a, socket_fd, P(area), at(2048), 0, 0, 0); break;
    case CALL_sendto: set(a, socket_fd, P(area), 4, 0, 0, 16); break;
    case CALL_recvfrom: set(a, socket_fd, P(area), 4, 0, P(area + 64), at(2048)); break;
    case CALL_sendmsg: case CALL_recvmsg: set(a, socket_fd, at(64), 0, 0, 0, 0); break;
    case CALL_shutdown: {
        int pair[2] = {-1, -1}; /* of its own: all children share the others */
        (void)!socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
        close(pair[1]);
        set(a, pair[0], 7, 0, 0, 0, 0);
        break;
    }
    case CALL_setsockopt: set(a, socket_fd, 1, 9 /* SO_KEEPALIVE */, P(area), 4, 0); break;
    case CALL_getsockopt: set(a, socket_fd, 1, 3 /* SO_TYPE */, P(area), at(2048), 0); break;
    case CALL_socket: set(a, 1, 1, 0, 0, 0, 0); break;
    default: return false;
    }
    (void)!write(peer_fd, "data", 4);
    return true;
}

void arguments_for(int call, int argument, int64_t a[6])
{
    structures_fill();
    memset(a, 0, 6 * sizeof a[0]);
    for (size_t i = 0; calls[call].kinds[i] != '\0'; i++) {
        switch (calls[call].kinds[i]) {
        case 'f': a[i] = file_fd; break;
        case 'a': a[i] = directory_fd; break;
        case 'p': a[i] = P(area); break;
        case 'S': a[i] = P(path_file); break;
        case 'u': a[i] = 16; break;
        default: a[i] = 0; break;
        }
    }
    (void)(for_descriptors(call, argument, a) || for_files(call, a) || for_memory_and_processes(call, argument, a) || for_signals_and_time(call, argument,
        a) || for_sockets(call, a));
}
