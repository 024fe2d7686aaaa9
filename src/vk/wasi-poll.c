/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wasi-poll.c - poll_oneoff and sock_*.
 */
#include "wasi-int.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>

enum { EVENT_CLOCK = 0, EVENT_READ = 1, EVENT_WRITE = 2 };
enum { CLOCK_FLAG_ABSOLUTE = 1, EVENT_HANGUP = 1 };
enum { RECV_PEEK = 1, RECV_WAITALL = 2, RECV_TRUNCATED = 1, SHUTDOWN_READ = 1, SHUTDOWN_WRITE = 2, ACCEPT_NONBLOCK = 4 };
#define WASI_SUBSCRIPTIONS 4096u /* bound of one poll_oneoff [guess] */
#define WASI_IOV_COUNT 1024u

typedef struct PollState {
    WasiSubscription subscription;
    WasiErrno error;      /* known before waiting */
    int64_t deadline_ns;  /* clocks: on the monotonic clock or, absolute realtime, converted to it */
} PollState;

static int64_t now_ns(int clock)
{
    struct timespec now;
    (void)clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static WasiErrno clock_prepare(PollState *state)
{
    static const int clocks[] = {CLOCK_REALTIME, CLOCK_MONOTONIC};
    const uint32_t clock = state->subscription.clock.clock;
    if (clock >= 2) {
        return clock < 4 ? WASI_E_NOTSUP : WASI_E_INVAL; /* CPU-time clocks cannot be waited for */
    }
    const uint64_t timeout = state->subscription.clock.timeout;
    const int64_t monotonic = now_ns(CLOCK_MONOTONIC);
    int64_t wait = timeout > INT64_MAX ? INT64_MAX : (int64_t)timeout;
    if ((state->subscription.clock.flags & CLOCK_FLAG_ABSOLUTE) != 0) {
        const int64_t now = now_ns(clocks[clock]);
        wait = wait > now ? wait - now : 0;
    }
    if (__builtin_add_overflow(monotonic, wait, &state->deadline_ns)) {
        state->deadline_ns = INT64_MAX;
    }
    return WASI_E_SUCCESS;
}

/* Fills the pollfd of one subscription; answers the earliest deadline through *deadline. */
static void subscription_prepare(Vk *vk, PollState *state, struct pollfd *polled, int64_t *deadline)
{
    *polled = (struct pollfd){.fd = -1};
    WasiSlot *slot;
    switch (state->subscription.tag) {
    case EVENT_CLOCK:
        state->error = clock_prepare(state);
        if (state->error == WASI_E_SUCCESS && state->deadline_ns < *deadline) {
            *deadline = state->deadline_ns;
        }
        break;
    case EVENT_READ:
    case EVENT_WRITE:
        state->error = wasi_slot(vk, state->subscription.fd.fd, WASI_RIGHT_POLL, &slot);
        if (state->error == WASI_E_SUCCESS) {
            *polled = (struct pollfd){.fd = (int)state->subscription.fd.fd, .events = state->subscription.tag == EVENT_READ ? POLLIN : POLLOUT};
        }
        break;
    default: state->error = WASI_E_INVAL; break;
    }
    if (state->error != WASI_E_SUCCESS) {
        *deadline = 0; /* there is an event already */
    }
}

static uint64_t readable_size(int fd)
{
    struct stat status;
    int available = 0;
    if (fstat(fd, &status) == 0 && S_ISREG(status.st_mode)) {
        const off_t position = lseek(fd, 0, SEEK_CUR);
        return position >= 0 && status.st_size > position ? (uint64_t)(status.st_size - position) : 0;
    }
    return ioctl(fd, FIONREAD, &available) == 0 && available > 0 ? (uint64_t)available : 0;
}

/* The event of a subscription, if it has one now. */
static bool event_make(const PollState *state, const struct pollfd *polled, int64_t now, WasiEvent *event)
{
    *event = (WasiEvent){.userdata = state->subscription.userdata, .error = (uint16_t)state->error, .type = state->subscription.tag};
    if (state->error != WASI_E_SUCCESS) {
        return true;
    }
    if (state->subscription.tag == EVENT_CLOCK) {
        return now >= state->deadline_ns;
    }
    if (polled->revents == 0) {
        return false;
    }
    if ((polled->revents & POLLNVAL) != 0) {
        event->error = WASI_E_BADF;
    } else if (state->subscription.tag == EVENT_READ) {
        event->byte_count = readable_size(polled->fd);
    }
    event->flags = (polled->revents & (POLLHUP | POLLERR)) != 0 ? EVENT_HANGUP : 0;
    return true;
}

static WasiErrno poll_wait(Vk *vk, const PollState *states, struct pollfd *polled, uint32_t count, int64_t deadline, uint32_t out, uint32_t ret)
{
    for (;;) {
        struct timespec wait;
        struct timespec *wait_pointer = NULL;
        if (deadline != INT64_MAX) {
            const int64_t left = deadline == 0 ? 0 : deadline - now_ns(CLOCK_MONOTONIC);
            wait.tv_sec = left > 0 ? left / 1000000000 : 0;
            wait.tv_nsec = left > 0 ? left % 1000000000 : 0;
            wait_pointer = &wait;
        }
        const int64_t r = vk_block(vk, SYS_ppoll, VK_PTR(polled), count, VK_PTR(wait_pointer), 0, 8, 0);
        if (r < 0) {
            return wasi_errno(r);
        }
        const int64_t now = now_ns(CLOCK_MONOTONIC);
        uint32_t event_count = 0;
        for (uint32_t i = 0; i < count; i++) {
            WasiEvent event;
            if (event_make(&states[i], &polled[i], now, &event)) {
                if (vk_copy_out(vk, out + event_count * (uint32_t)sizeof event, &event, sizeof event) < 0) {
                    return WASI_E_FAULT;
                }
                event_count++;
            }
        }
        if (event_count > 0) {
            return wasi_put(vk, ret, &event_count, sizeof event_count);
        }
    }
}

static uint32_t wasi_poll_oneoff(RtInstance *instance, uint32_t in, uint32_t out, uint32_t count, uint32_t ret)
{
    Vk *vk = wasi_vk(instance);
    if (count == 0 || count > WASI_SUBSCRIPTIONS) {
        return WASI_E_INVAL;
    }
    if (rt_guest(instance, in, (uint64_t)count * sizeof(WasiSubscription)) == NULL || rt_guest(instance, out, (uint64_t)count * sizeof(WasiEvent)) == NULL) {
        return WASI_E_FAULT;
    }
    PollState *states = calloc(count, sizeof *states); /* bounded by WASI_SUBSCRIPTIONS; a wait follows, so not a hot path */
    struct pollfd *polled = calloc(count, sizeof *polled);
    WasiErrno error = states == NULL || polled == NULL ? WASI_E_NOMEM : WASI_E_SUCCESS;
    int64_t deadline = INT64_MAX;
    for (uint32_t i = 0; error == WASI_E_SUCCESS && i < count; i++) {
        if (vk_copy_in(vk, &states[i].subscription, in + i * (uint32_t)sizeof(WasiSubscription), sizeof(WasiSubscription)) < 0) {
            error = WASI_E_FAULT;
        } else {
            subscription_prepare(vk, &states[i], &polled[i], &deadline);
        }
    }
    error = error != WASI_E_SUCCESS ? error : poll_wait(vk, states, polled, count, deadline, out, ret);
    free(states);
    free(polled);
    return error;
}

/* --- sockets --- */

static WasiErrno socket_slot(Vk *vk, uint32_t fd, uint64_t rights, WasiSlot **ret_slot)
{
    const WasiErrno error = wasi_slot(vk, fd, 0, ret_slot);
    if (error != WASI_E_SUCCESS) {
        return error;
    }
    if ((*ret_slot)->type != WASI_TYPE_SOCKET_STREAM && (*ret_slot)->type != WASI_TYPE_SOCKET_DGRAM) {
        return WASI_E_NOTSOCK;
    }
    return wasi_slot(vk, fd, rights, ret_slot);
}

static uint32_t wasi_sock_accept(RtInstance *instance, uint32_t fd, uint32_t flags, uint32_t ret)
{
    Vk *vk = wasi_vk(instance);
    WasiSlot *slot;
    WasiErrno error = socket_slot(vk, fd, WASI_RIGHT_SOCK_ACCEPT, &slot);
    if (error != WASI_E_SUCCESS) {
        return error;
    }
    if ((flags & ~(uint32_t)ACCEPT_NONBLOCK) != 0) {
        return WASI_E_INVAL;
    }
    const int64_t host_fd = vk_block(vk, SYS_accept4, fd, 0, 0, SOCK_CLOEXEC | ((flags & ACCEPT_NONBLOCK) != 0 ? SOCK_NONBLOCK : 0), 0, 0);
    uint32_t guest_fd = 0;
    error = wasi_adopt(vk, host_fd, WASI_RIGHTS_SOCKET, 0, &guest_fd);
    return error != WASI_E_SUCCESS ? error : wasi_put(vk, ret, &guest_fd, sizeof guest_fd);
}

static uint32_t wasi_sock_recv(RtInstance *instance, uint32_t fd, uint32_t address, uint32_t count, uint32_t flags, uint32_t ret_size, uint32_t ret_flags)
{
    Vk *vk = wasi_vk(instance);
    WasiSlot *slot;
    struct iovec iovecs[WASI_IOV_COUNT];
    WasiErrno error = socket_slot(vk, fd, WASI_RIGHT_FD_READ, &slot);
    if (error == WASI_E_SUCCESS && ((flags & ~(uint32_t)(RECV_PEEK | RECV_WAITALL)) != 0 || count > WASI_IOV_COUNT)) {
        error = WASI_E_INVAL;
    }
    error = error != WASI_E_SUCCESS ? error : wasi_errno(vk_copy_iovec(vk, iovecs, address, (int32_t)count));
    if (error != WASI_E_SUCCESS) {
        return error;
    }
    struct msghdr message = {.msg_iov = iovecs, .msg_iovlen = count};
    const int host_flags = ((flags & RECV_PEEK) != 0 ? MSG_PEEK : 0) | ((flags & RECV_WAITALL) != 0 ? MSG_WAITALL : 0);
    const int64_t got = vk_block(vk, SYS_recvmsg, fd, VK_PTR(&message), host_flags, 0, 0, 0);
    if (got < 0) {
        return wasi_errno(got);
    }
    const uint32_t size = (uint32_t)got;
    const uint16_t out_flags = (message.msg_flags & MSG_TRUNC) != 0 ? RECV_TRUNCATED : 0;
    error = wasi_put(vk, ret_size, &size, sizeof size);
    return error != WASI_E_SUCCESS ? error : wasi_put(vk, ret_flags, &out_flags, sizeof out_flags);
}

static uint32_t wasi_sock_send(RtInstance *instance, uint32_t fd, uint32_t address, uint32_t count, uint32_t flags, uint32_t ret_size)
{
    Vk *vk = wasi_vk(instance);
    WasiSlot *slot;
    struct iovec iovecs[WASI_IOV_COUNT];
    WasiErrno error = socket_slot(vk, fd, WASI_RIGHT_FD_WRITE, &slot);
    if (error == WASI_E_SUCCESS && (flags != 0 || count > WASI_IOV_COUNT)) {
        error = WASI_E_INVAL;
    }
    error = error != WASI_E_SUCCESS ? error : wasi_errno(vk_copy_iovec(vk, iovecs, address, (int32_t)count));
    if (error != WASI_E_SUCCESS) {
        return error;
    }
    const struct msghdr message = {.msg_iov = iovecs, .msg_iovlen = count};
    const int64_t done = vk_block(vk, SYS_sendmsg, fd, VK_PTR(&message), MSG_NOSIGNAL, 0, 0, 0);
    if (done < 0) {
        return wasi_errno(done);
    }
    const uint32_t size = (uint32_t)done;
    return wasi_put(vk, ret_size, &size, sizeof size);
}

static uint32_t wasi_sock_shutdown(RtInstance *instance, uint32_t fd, uint32_t how)
{
    Vk *vk = wasi_vk(instance);
    WasiSlot *slot;
    const WasiErrno error = socket_slot(vk, fd, WASI_RIGHT_SOCK_SHUTDOWN, &slot);
    if (error != WASI_E_SUCCESS) {
        return error;
    }
    if (how == 0 || how > (SHUTDOWN_READ | SHUTDOWN_WRITE)) {
        return WASI_E_INVAL;
    }
    const int host_how = how == SHUTDOWN_READ ? SHUT_RD : how == SHUTDOWN_WRITE ? SHUT_WR : SHUT_RDWR;
    return wasi_errno(vk_sys2(SYS_shutdown, fd, host_how));
}

#define ROW(name, signature) {#name, signature, (const void *)wasi_##name}
const WasiRow wasi_poll_rows[] = {
    ROW(poll_oneoff, "iiii:i"),  ROW(sock_accept, "iii:i"),  ROW(sock_recv, "iiiiii:i"),
    ROW(sock_send, "iiiii:i"),   ROW(sock_shutdown, "ii:i"), {NULL, NULL, NULL},
};
