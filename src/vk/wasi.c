/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wasi.c - the wasi personality: state, arguments, clocks, random, process; binds the imports of all wasi files.
 */
#include "wasi-int.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define WASI_SIGNALS 31

/* --- state --- */

uint8_t wasi_type_of(int host_fd)
{
    struct stat status;
    if (fstat(host_fd, &status) < 0) {
        return WASI_TYPE_UNKNOWN;
    }
    switch (status.st_mode & S_IFMT) {
    case S_IFBLK: return WASI_TYPE_BLOCK_DEVICE;
    case S_IFCHR: return WASI_TYPE_CHARACTER_DEVICE;
    case S_IFDIR: return WASI_TYPE_DIRECTORY;
    case S_IFREG: return WASI_TYPE_REGULAR_FILE;
    case S_IFLNK: return WASI_TYPE_SYMBOLIC_LINK;
    case S_IFSOCK: {
        int type = 0;
        socklen_t size = sizeof type;
        return getsockopt(host_fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_DGRAM ? WASI_TYPE_SOCKET_DGRAM : WASI_TYPE_SOCKET_STREAM;
    }
    default: return WASI_TYPE_UNKNOWN; /* pipes have no type in preview 1 */
    }
}

static uint64_t rights_of(uint8_t type, int host_fd)
{
    const int flags = fcntl(host_fd, F_GETFL);
    uint64_t rights = WASI_RIGHTS_STREAM;
    if (type == WASI_TYPE_REGULAR_FILE) {
        rights = WASI_RIGHTS_FILE;
    } else if (type == WASI_TYPE_DIRECTORY) {
        return WASI_RIGHTS_DIRECTORY;
    } else if (type == WASI_TYPE_SOCKET_STREAM || type == WASI_TYPE_SOCKET_DGRAM) {
        rights = WASI_RIGHTS_SOCKET;
    }
    if (flags >= 0 && (flags & O_ACCMODE) == O_RDONLY) {
        rights &= ~(uint64_t)(WASI_RIGHT_FD_WRITE | WASI_RIGHT_FD_ALLOCATE | WASI_RIGHT_FD_FILESTAT_SET_SIZE);
    } else if (flags >= 0 && (flags & O_ACCMODE) == O_WRONLY) {
        rights &= ~(uint64_t)WASI_RIGHT_FD_READ;
    }
    return rights;
}

static void slot_open(Wasi *wasi, uint32_t fd, uint64_t rights, uint64_t inheriting)
{
    const uint8_t type = wasi_type_of((int)fd);
    wasi->slots[fd] = (WasiSlot){.is_open = true, .type = type, .rights = rights & rights_of(type, (int)fd), .inheriting = inheriting};
    if (type == WASI_TYPE_DIRECTORY) {
        wasi->slots[fd].inheriting = inheriting & (WASI_RIGHTS_DIRECTORY | WASI_RIGHTS_FILE | WASI_RIGHTS_SOCKET);
    }
}

/* @text: "DIR" or "DIR::NAME": the guest sees NAME. */
static void preopen_make(Vk *vk, Wasi *wasi, const char *text)
{
    char directory[LIMIT_PATH_SIZE];
    const char *separator = strstr(text, "::");
    const size_t size = separator != NULL ? (size_t)(separator - text) : strlen(text);
    const char *name = separator != NULL ? separator + 2 : text;
    if (size >= sizeof(directory)) {
        vk_log_once("wasi: cannot preopen", name);
        return;
    }
    memcpy(directory, text, size);
    directory[size] = '\0';
    const int64_t fd = fd_openat2(vk->config.root_fd, directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0, 0x10 | 0x02 /* IN_ROOT | NO_MAGICLINKS */);
    if (fd < 0 || fd >= vk->fd_limit) {
        vk_log_once("wasi: cannot preopen", name);
        (void)fd_close((int)fd);
        return;
    }
    slot_open(wasi, (uint32_t)fd, WASI_RIGHTS_ALL, WASI_RIGHTS_ALL);
    wasi->slots[fd].preopen = name;
    wasi->slots[fd].is_root = strcmp(directory, "/") == 0;
}

static void wasi_make(Vk *vk)
{
    static const char *const root_only[] = {"/"};
    Wasi *wasi = calloc(1, sizeof *wasi);
    if (wasi == NULL) {
        rt_trap(vk_self->instance, RT_TRAP_HOST);
    }
    for (uint32_t fd = 0; fd < 3; fd++) {
        if (fcntl((int)fd, F_GETFD) >= 0) {
            slot_open(wasi, fd, WASI_RIGHTS_ALL, 0);
        } else {
            (void)open("/dev/null", O_RDWR); /* keeps the number taken, so that a preopen does not become stdin */
        }
    }
    (void)vk_sys3(SYS_close_range, 3, vk->fd_limit - 1, 0);
    const char *const *names = vk->config.preopens != NULL ? vk->config.preopens : root_only;
    const size_t count = vk->config.preopens != NULL ? vk->config.preopen_count : 1;
    for (size_t i = 0; i < count; i++) {
        preopen_make(vk, wasi, names[i]);
    }
    __atomic_store_n(&vk->wasi, wasi, __ATOMIC_RELEASE);
}

void vk_wasi_forget(Vk *vk)
{
    free(vk->wasi);
    vk->wasi = NULL;
}

Vk *wasi_vk(RtInstance *instance)
{
    Vk *vk = instance->host;
    if (unlikely(__atomic_load_n(&vk->wasi, __ATOMIC_ACQUIRE) == NULL)) {
        VK_GUARD(&vk->wasi_lock);
        if (vk->wasi == NULL) {
            wasi_make(vk);
        }
    }
    return vk;
}

WasiErrno wasi_slot(Vk *vk, uint32_t fd, uint64_t rights, WasiSlot **ret_slot)
{
    if (fd >= vk->fd_limit || !vk->wasi->slots[fd].is_open) {
        return WASI_E_BADF;
    }
    WasiSlot *slot = &vk->wasi->slots[fd];
    if ((slot->rights & rights) != rights) {
        return WASI_E_NOTCAPABLE;
    }
    *ret_slot = slot;
    return WASI_E_SUCCESS;
}

WasiErrno wasi_adopt(Vk *vk, int64_t host_fd, uint64_t rights, uint64_t inheriting, uint32_t *ret_fd)
{
    if (host_fd < 0) {
        return wasi_errno(host_fd);
    }
    if (host_fd >= vk->fd_limit) {
        (void)fd_close((int)host_fd);
        return WASI_E_MFILE;
    }
    VK_GUARD(&vk->wasi_lock);
    must(!vk->wasi->slots[host_fd].is_open);
    slot_open(vk->wasi, (uint32_t)host_fd, rights, inheriting);
    *ret_fd = (uint32_t)host_fd;
    return WASI_E_SUCCESS;
}

/* --- arguments and environment --- */

static WasiErrno strings_get(RtInstance *instance, const VkStrings *strings, GuestAddr pointers, GuestAddr bytes)
{
    const Vk *vk = instance->host;
    for (uint32_t i = 0; i < strings->count; i++) {
        const uint32_t address = bytes + strings->starts[i];
        if (vk_copy_out(vk, pointers + 4 * i, &address, 4) < 0) {
            return WASI_E_FAULT;
        }
    }
    return wasi_put(vk, bytes, strings->bytes, strings->size);
}

static WasiErrno strings_sizes(RtInstance *instance, const VkStrings *strings, GuestAddr count, GuestAddr size)
{
    const Vk *vk = instance->host;
    const WasiErrno error = wasi_put(vk, count, &strings->count, 4);
    return error != WASI_E_SUCCESS ? error : wasi_put(vk, size, &strings->size, 4);
}

static uint32_t wasi_args_get(RtInstance *instance, uint32_t pointers, uint32_t bytes)
{
    return strings_get(instance, &wasi_vk(instance)->argv, pointers, bytes);
}

static uint32_t wasi_args_sizes_get(RtInstance *instance, uint32_t count, uint32_t size)
{
    return strings_sizes(instance, &wasi_vk(instance)->argv, count, size);
}

static uint32_t wasi_environ_get(RtInstance *instance, uint32_t pointers, uint32_t bytes)
{
    return strings_get(instance, &wasi_vk(instance)->envp, pointers, bytes);
}

static uint32_t wasi_environ_sizes_get(RtInstance *instance, uint32_t count, uint32_t size)
{
    return strings_sizes(instance, &wasi_vk(instance)->envp, count, size);
}

/* --- clocks, random --- */

static int clock_host(uint32_t clock)
{
    static const int clocks[] = {CLOCK_REALTIME, CLOCK_MONOTONIC, CLOCK_PROCESS_CPUTIME_ID, CLOCK_THREAD_CPUTIME_ID};
    return clock < sizeof clocks / sizeof clocks[0] ? clocks[clock] : -1;
}

static WasiErrno clock_put(const Vk *vk, const struct timespec *time, GuestAddr to)
{
    const uint64_t nanoseconds = (uint64_t)time->tv_sec * 1000000000u + (uint64_t)time->tv_nsec;
    return wasi_put(vk, to, &nanoseconds, sizeof nanoseconds);
}

static uint32_t wasi_clock_res_get(RtInstance *instance, uint32_t clock, uint32_t to)
{
    struct timespec time;
    const int host = clock_host(clock);
    if (host < 0) {
        return WASI_E_INVAL;
    }
    return clock_getres(host, &time) < 0 ? wasi_errno(errno) : clock_put(instance->host, &time, to);
}

static uint32_t wasi_clock_time_get(RtInstance *instance, uint32_t clock, uint64_t precision, uint32_t to)
{
    struct timespec time;
    const int host = clock_host(clock);
    (void)precision; /* always the best there is */
    if (host < 0) {
        return WASI_E_INVAL;
    }
    return clock_gettime(host, &time) < 0 ? wasi_errno(errno) : clock_put(instance->host, &time, to);
}

static uint32_t wasi_random_get(RtInstance *instance, uint32_t to, uint32_t size)
{
    uint8_t *bytes = rt_guest(instance, to, size);
    if (bytes == NULL) {
        return WASI_E_FAULT;
    }
    while (size > 0) {
        const ssize_t got = getrandom(bytes, size, 0); /* the kernel checks the pages: EFAULT, not a fault */
        if (got < 0 && errno != EINTR) {
            return wasi_errno(errno);
        }
        if (got > 0) {
            bytes += got;
            size -= (uint32_t)got;
        }
    }
    return WASI_E_SUCCESS;
}

/* --- process --- */

static void wasi_proc_exit(RtInstance *instance, uint32_t code)
{
    (void)instance;
    (void)vk_sys1(SYS_exit_group, code & 0xff);
    __builtin_unreachable();
}

static uint32_t wasi_proc_raise(RtInstance *instance, uint32_t signal)
{
    static const uint8_t signals[WASI_SIGNALS] = {0, SIGHUP, SIGINT, SIGQUIT, SIGILL, SIGTRAP, SIGABRT, SIGBUS, SIGFPE, SIGKILL, SIGUSR1,
                                                  SIGSEGV, SIGUSR2, SIGPIPE, SIGALRM, SIGTERM, SIGCHLD, SIGCONT, SIGSTOP, SIGTSTP, SIGTTIN,
                                                  SIGTTOU, SIGURG, SIGXCPU, SIGXFSZ, SIGVTALRM, SIGPROF, SIGWINCH, SIGPOLL, SIGPWR, SIGSYS};
    (void)instance;
    if (signal >= WASI_SIGNALS) {
        return WASI_E_INVAL;
    }
    return signal == 0 ? WASI_E_SUCCESS : wasi_errno(vk_sys2(SYS_kill, getpid(), signals[signal]));
}

static uint32_t wasi_sched_yield(RtInstance *instance)
{
    (void)instance;
    return wasi_errno(vk_sys0(SYS_sched_yield));
}

/* wasi-threads: a positive id below 2^29, or a negative number. */
static uint32_t wasi_thread_spawn(RtInstance *instance, uint32_t argument)
{
    return (uint32_t)vk_thread_spawn(instance->host, UINT32_MAX, argument);
}

const void *vk_wasi_threads_resolve(const char *name, const char *signature)
{
    const bool is_spawn = strcmp(name, "thread-spawn") == 0 || strcmp(name, "thread_spawn") == 0; /* the second: before the name was settled */
    return is_spawn && strcmp(signature, "i:i") == 0 ? (const void *)wasi_thread_spawn : NULL;
}

/* --- binding --- */

#define ROW(name, signature) {#name, signature, (const void *)wasi_##name}
static const WasiRow own_rows[] = {
    ROW(args_get, "ii:i"),           ROW(args_sizes_get, "ii:i"),    ROW(environ_get, "ii:i"), ROW(environ_sizes_get, "ii:i"),
    ROW(clock_res_get, "ii:i"),      ROW(clock_time_get, "iIi:i"),   ROW(random_get, "ii:i"),  ROW(proc_exit, "i:"),
    ROW(proc_raise, "i:i"),          ROW(sched_yield, ":i"),         {NULL, NULL, NULL},
};

const void *vk_wasi_resolve(const char *name, const char *signature)
{
    const WasiRow *const tables[] = {own_rows, wasi_fd_rows, wasi_path_rows, wasi_poll_rows};
    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++) {
        for (const WasiRow *row = tables[i]; row->name != NULL; row++) {
            if (strcmp(row->name, name) == 0) {
                return strcmp(row->signature, signature) == 0 ? row->function : NULL;
            }
        }
    }
    return NULL;
}
