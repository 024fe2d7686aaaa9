/* SPDX-License-Identifier: Apache-2.0 */
/*
 * time.c - clocks, sleeping, interval timers. Clocks are read through libc, which asks the vDSO.
 */
#include "vk-int.h"

#include <string.h>
#include <sys/time.h>
#include <time.h>

int64_t vk_sys_clock_gettime(Vk *vk, int32_t clock, GuestAddr address)
{
    struct timespec time;
    if (clock_gettime(clock, &time) != 0) {
        return -errno;
    }
    const WaliTimespec out = {.tv_sec = time.tv_sec, .tv_nsec = time.tv_nsec};
    return vk_copy_out(vk, address, &out, sizeof out);
}

int64_t vk_sys_clock_getres(Vk *vk, int32_t clock, GuestAddr address)
{
    struct timespec time;
    if (clock_getres(clock, &time) != 0) {
        return -errno;
    }
    const WaliTimespec out = {.tv_sec = time.tv_sec, .tv_nsec = time.tv_nsec};
    return address == 0 ? 0 : vk_copy_out(vk, address, &out, sizeof out);
}

int64_t vk_sys_clock_nanosleep(Vk *vk, int32_t clock, uint32_t flags, GuestAddr request, GuestAddr remain)
{
    struct timespec time;
    struct timespec *pointer;
    const int e = vk_copy_timespec(vk, &time, request, &pointer);
    if (e < 0 || pointer == NULL) {
        return e < 0 ? e : -EFAULT;
    }
    struct timespec rest = time; /* when a signal came before the sleep began, all of it is left */
    const int64_t r = vk_block(vk, SYS_clock_nanosleep, clock, flags, VK_PTR(&time), VK_PTR(&rest), 0, 0);
    if (r == -EINTR && remain != 0 && (flags & TIMER_ABSTIME) == 0) {
        const WaliTimespec out = {.tv_sec = rest.tv_sec, .tv_nsec = rest.tv_nsec};
        return vk_copy_out(vk, remain, &out, sizeof out) < 0 ? -EFAULT : r;
    }
    return r;
}

int64_t vk_sys_nanosleep(Vk *vk, GuestAddr request, GuestAddr remain)
{
    return vk_sys_clock_nanosleep(vk, CLOCK_MONOTONIC, 0, request, remain);
}

int64_t vk_sys_gettimeofday(Vk *vk, GuestAddr tv, GuestAddr tz)
{
    struct timeval time;
    (void)gettimeofday(&time, NULL);
    const WaliTimeval out = {.tv_sec = time.tv_sec, .tv_usec = time.tv_usec};
    const WaliTimezone zone = {0};
    if (tv != 0 && vk_copy_out(vk, tv, &out, sizeof out) < 0) {
        return -EFAULT;
    }
    return tz != 0 ? vk_copy_out(vk, tz, &zone, sizeof zone) : 0;
}

int64_t vk_sys_time(Vk *vk, GuestAddr address)
{
    const int64_t now = time(NULL);
    if (address != 0 && vk_copy_out(vk, address, &now, sizeof now) < 0) {
        return -EFAULT;
    }
    return now;
}

_Static_assert(sizeof(WaliItimerval) == sizeof(struct itimerval), "same layout on a 64-bit host");

int64_t vk_sys_getitimer(Vk *vk, int32_t which, GuestAddr address)
{
    WaliItimerval value;
    const int64_t r = vk_sys2(SYS_getitimer, which, VK_PTR(&value));
    return r < 0 ? r : vk_copy_out(vk, address, &value, sizeof value);
}

int64_t vk_sys_setitimer(Vk *vk, int32_t which, GuestAddr new_address, GuestAddr old_address)
{
    WaliItimerval new_value = {0};
    WaliItimerval old_value;
    if (new_address != 0 && vk_copy_in(vk, &new_value, new_address, sizeof new_value) < 0) {
        return -EFAULT;
    }
    const int64_t r = vk_sys3(SYS_setitimer, which, VK_PTR(&new_value), VK_PTR(&old_value));
    return r == 0 && old_address != 0 ? vk_copy_out(vk, old_address, &old_value, sizeof old_value) : r;
}

int64_t vk_sys_alarm(Vk *vk, uint32_t seconds)
{
    (void)vk;
    return vk_sys1(SYS_alarm, seconds);
}
