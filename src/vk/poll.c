/* SPDX-License-Identifier: Apache-2.0 */
/*
 * poll.c - waiting for descriptors: poll, select, epoll. The arrays are copied to the host, so that a descriptor of the runtime
 * in them can be answered as the closed descriptor it is for the guest (POLLNVAL, EBADF).
 */
#include "vk-int.h"

#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/time.h>
#include <time.h>

_Static_assert(sizeof(struct pollfd) == sizeof(WaliPollfd), "same layout");
_Static_assert(sizeof(struct epoll_event) == sizeof(WaliEpollEvent), "same layout on x86-64");

static int64_t do_poll(Vk *vk, GuestAddr address, uint64_t count, const struct timespec *timeout, const uint64_t *mask)
{
    struct pollfd host[LIMIT_GUEST_FDS];
    if (count > vk->fd_limit || count > LIMIT_GUEST_FDS) {
        return -EINVAL;
    }
    if (vk_copy_in(vk, host, address, count * sizeof host[0]) < 0) {
        return -EFAULT;
    }
    int64_t bad = 0;
    uint8_t is_bad[LIMIT_GUEST_FDS / 8] = {0};
    for (uint64_t i = 0; i < count; i++) {
        host[i].revents = 0;
        if (host[i].fd >= 0 && vk_fd_is_bad(vk, host[i].fd)) {
            is_bad[i / 8] |= (uint8_t)(1u << (i % 8));
            host[i].fd = -1;
            bad++;
        }
    }
    const struct timespec zero = {0};
    struct timespec copy = {0}; /* the kernel writes the rest of the time into it */
    if (timeout != NULL) {
        copy = bad > 0 ? zero : *timeout;
    } else if (bad > 0) {
        timeout = &zero;
    }
    const int64_t r = vk_block(vk, SYS_ppoll, VK_PTR(host), count, timeout == NULL ? 0 : VK_PTR(&copy), VK_PTR(mask), sizeof *mask, 0);
    if (r < 0) {
        return r;
    }
    for (uint64_t i = 0; i < count; i++) {
        const int16_t revents = (is_bad[i / 8] >> (i % 8) & 1) != 0 ? POLLNVAL : host[i].revents;
        if (vk_copy_out(vk, (GuestAddr)(address + i * sizeof(WaliPollfd) + offsetof(WaliPollfd, revents)), &revents, sizeof revents) < 0) {
            return -EFAULT;
        }
    }
    return r + bad;
}

int64_t vk_sys_poll(Vk *vk, GuestAddr fds, int64_t count, int32_t timeout_ms)
{
    const struct timespec timeout = {.tv_sec = timeout_ms / 1000, .tv_nsec = timeout_ms % 1000 * 1000000L};
    return do_poll(vk, fds, (uint64_t)count & UINT32_MAX, timeout_ms < 0 ? NULL : &timeout, NULL);
}

int64_t vk_sys_ppoll(Vk *vk, GuestAddr fds, int64_t count, GuestAddr timeout_address, GuestAddr mask_address, uint32_t size)
{
    struct timespec timeout;
    struct timespec *timeout_pointer;
    uint64_t mask;
    uint64_t *mask_pointer;
    int r = vk_copy_timespec(vk, &timeout, timeout_address, &timeout_pointer);
    r = r < 0 ? r : vk_copy_mask(vk, &mask, mask_address, size, &mask_pointer);
    return r < 0 ? r : do_poll(vk, fds, (uint64_t)count & UINT32_MAX, timeout_pointer, mask_pointer);
}

static int64_t do_select(Vk *vk, int32_t count, const GuestAddr addresses[3], struct timespec *timeout, const uint64_t *mask)
{
    uint64_t sets[3][LIMIT_GUEST_FDS / 64];
    uint64_t pointers[3];
    if (count < 0) {
        return -EINVAL;
    }
    count = count > LIMIT_GUEST_FDS ? LIMIT_GUEST_FDS : count;
    const size_t size = ((size_t)count + 63) / 64 * 8;
    for (int i = 0; i < 3; i++) {
        pointers[i] = 0;
        if (addresses[i] == 0) {
            continue;
        }
        if (vk_copy_in(vk, sets[i], addresses[i], size) < 0) {
            return -EFAULT;
        }
        for (int32_t fd = (int32_t)vk->fd_limit; fd < count; fd++) {
            if ((sets[i][fd / 64] >> (fd % 64) & 1) != 0) {
                return -EBADF;
            }
        }
        pointers[i] = VK_PTR(sets[i]);
    }
    const struct { const uint64_t *mask; uint64_t size; } pair = {mask, sizeof *mask};
    const int64_t r = vk_block(vk, SYS_pselect6, count, pointers[0], pointers[1], pointers[2], VK_PTR(timeout), mask == NULL ? 0 : VK_PTR(&pair));
    for (int i = 0; r >= 0 && i < 3; i++) {
        if (addresses[i] != 0 && vk_copy_out(vk, addresses[i], sets[i], size) < 0) {
            return -EFAULT;
        }
    }
    return r;
}

int64_t vk_sys_select(Vk *vk, int32_t count, GuestAddr read, GuestAddr write, GuestAddr except, GuestAddr timeout_address)
{
    WaliTimeval time;
    struct timespec timeout;
    if (timeout_address != 0) {
        if (vk_copy_in(vk, &time, timeout_address, sizeof time) < 0) {
            return -EFAULT;
        }
        if (time.tv_sec < 0 || time.tv_usec < 0) {
            return -EINVAL;
        }
        timeout.tv_nsec = time.tv_usec % 1000000 * 1000;
        if (__builtin_add_overflow(time.tv_sec, time.tv_usec / 1000000, &timeout.tv_sec)) {
            return -EINVAL;
        }
    }
    const GuestAddr sets[3] = {read, write, except};
    const int64_t r = do_select(vk, count, sets, timeout_address == 0 ? NULL : &timeout, NULL);
    if (timeout_address != 0) { /* Linux writes the time that is left: select(2) */
        time = (WaliTimeval){.tv_sec = timeout.tv_sec, .tv_usec = timeout.tv_nsec / 1000};
        (void)vk_copy_out(vk, timeout_address, &time, sizeof time);
    }
    return r;
}

int64_t vk_sys_pselect6(Vk *vk, int32_t count, GuestAddr read, GuestAddr write, GuestAddr except, GuestAddr timeout_address, GuestAddr mask_address)
{
    struct timespec timeout;
    struct timespec *timeout_pointer;
    uint64_t mask;
    uint64_t *mask_pointer = NULL;
    int r = vk_copy_timespec(vk, &timeout, timeout_address, &timeout_pointer);
    if (r == 0 && mask_address != 0) {
        WaliPselectMask pair;
        r = vk_copy_in(vk, &pair, mask_address, sizeof pair);
        r = r < 0 ? r : vk_copy_mask(vk, &mask, (GuestAddr)pair.set, (uint64_t)pair.size & UINT32_MAX, &mask_pointer);
    }
    const GuestAddr sets[3] = {read, write, except};
    return r < 0 ? r : do_select(vk, count, sets, timeout_pointer, mask_pointer);
}

int64_t vk_sys_epoll_create(Vk *vk, int32_t size) { return size <= 0 ? -EINVAL : vk_sys_epoll_create1(vk, 0); }

int64_t vk_sys_epoll_create1(Vk *vk, uint32_t flags)
{
    return vk_fd_new(vk, vk_sys1(SYS_epoll_create1, flags), (flags & EPOLL_CLOEXEC) != 0);
}

int64_t vk_sys_epoll_ctl(Vk *vk, int32_t epfd, int32_t operation, int32_t fd, GuestAddr address)
{
    struct epoll_event event = {0};
    if (vk_fd_is_bad(vk, epfd) || vk_fd_is_bad(vk, fd)) {
        return -EBADF;
    }
    if (operation != EPOLL_CTL_DEL && vk_copy_in(vk, &event, address, sizeof event) < 0) {
        return -EFAULT;
    }
    return vk_sys4(SYS_epoll_ctl, epfd, operation, fd, VK_PTR(&event));
}

static int64_t do_epoll_wait(Vk *vk, int32_t epfd, GuestAddr events, int32_t count, int32_t timeout_ms, const uint64_t *mask)
{
    if (vk_fd_is_bad(vk, epfd)) {
        return -EBADF;
    }
    if (count <= 0 || (uint32_t)count > INT32_MAX / sizeof(WaliEpollEvent)) {
        return -EINVAL;
    }
    void *host = vk_guest(vk, events, (uint64_t)count * sizeof(WaliEpollEvent)); /* same layout: the kernel writes it */
    return host == NULL ? -EFAULT : vk_block(vk, SYS_epoll_pwait, epfd, VK_PTR(host), count, timeout_ms, VK_PTR(mask), sizeof *mask);
}

int64_t vk_sys_epoll_wait(Vk *vk, int32_t epfd, GuestAddr events, int32_t count, int32_t timeout_ms)
{
    return do_epoll_wait(vk, epfd, events, count, timeout_ms, NULL);
}

int64_t vk_sys_epoll_pwait(Vk *vk, int32_t epfd, GuestAddr events, int32_t count, int32_t timeout_ms, GuestAddr mask_address, uint32_t size)
{
    uint64_t mask;
    uint64_t *pointer;
    const int r = vk_copy_mask(vk, &mask, mask_address, size, &pointer);
    return r < 0 ? r : do_epoll_wait(vk, epfd, events, count, timeout_ms, pointer);
}
