/* SPDX-License-Identifier: Apache-2.0 */
/*
 * family.c - which processes a guest may signal and change.
 *
 * In a pid namespace the kernel knows: there are no others. Without one (run without root) the guest shares the user's
 * processes; then the container's own pids are kept in a bitmap that all of them share (set at fork, cleared at wait), and
 * everything else does not exist for the guest. A pid that the kernel gave to somebody else after its process was reaped by
 * a parent outside is possible only for orphans: the bit of a dead orphan is cleared when a signal to it answers ESRCH.
 * The bitmap is made by the first fork: a program that never forks needs none.
 */
#include "vk-int.h"

#include <sys/mman.h>
#include <unistd.h>

#define PID_MAX (1u << 22) /* PID_MAX_LIMIT of a 64-bit kernel */

int vk_family_begin(Vk *vk)
{
    if (!vk->has_family || __atomic_load_n(&vk->family, __ATOMIC_ACQUIRE) != NULL) {
        return 0;
    }
    uint64_t *none = NULL;
    uint64_t *bits = mmap(NULL, PID_MAX / 8, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (bits == MAP_FAILED) {
        return -ENOMEM;
    }
    if (!__atomic_compare_exchange_n(&vk->family, &none, bits, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
        (void)munmap(bits, PID_MAX / 8); /* another thread forks, too */
        return 0;
    }
    vk_family_add(vk, getpid());
    return 0;
}

void vk_family_set(Vk *vk, int32_t pid)
{
    if (pid > 0 && (uint32_t)pid < PID_MAX) {
        __atomic_fetch_or(&vk->family[pid / 64], 1ull << (pid % 64), __ATOMIC_RELAXED);
    }
}

void vk_family_remove(Vk *vk, int32_t pid)
{
    if (vk->family != NULL && pid > 0 && (uint32_t)pid < PID_MAX) {
        __atomic_fetch_and(&vk->family[pid / 64], ~(1ull << (pid % 64)), __ATOMIC_RELAXED);
    }
}

bool vk_pid_is_ours(const Vk *vk, int32_t pid)
{
    if (!vk->has_family || pid == 0) {
        return true;
    }
    if (vk->family == NULL) {
        return pid == getpid();
    }
    return pid > 0 && (uint32_t)pid < PID_MAX && (__atomic_load_n(&vk->family[pid / 64], __ATOMIC_RELAXED) >> (pid % 64) & 1) != 0;
}

/* kill(-1): every process of the container but this one. */
static int64_t kill_all(Vk *vk, int32_t number)
{
    const int32_t self = getpid();
    int64_t result = -ESRCH;
    for (uint32_t word = 0; word < PID_MAX / 64; word++) {
        for (uint64_t bits = __atomic_load_n(&vk->family[word], __ATOMIC_RELAXED); bits != 0; bits &= bits - 1) {
            const int32_t pid = (int32_t)(word * 64 + (uint32_t)__builtin_ctzll(bits));
            if (pid != self && vk_family_kill(vk, pid, number) == 0) {
                result = 0;
            }
        }
    }
    return result;
}

int64_t vk_family_kill(Vk *vk, int32_t pid, int32_t number)
{
    if (!vk->has_family) {
        return vk_sys2(SYS_kill, pid, number);
    }
    if (pid == -1) {
        return vk->family != NULL ? kill_all(vk, number) : -ESRCH;
    }
    if (pid == 0) { /* own group; when its leader is the user's shell, only this process counts */
        return vk_sys2(SYS_kill, vk_pid_is_ours(vk, getpgrp()) ? 0 : getpid(), number);
    }
    if (pid == INT32_MIN || !vk_pid_is_ours(vk, pid < 0 ? -pid : pid)) {
        return -ESRCH;
    }
    const int64_t r = vk_sys2(SYS_kill, pid, number);
    if (r == -ESRCH && pid > 0) {
        vk_family_remove(vk, pid);
    }
    return r;
}
