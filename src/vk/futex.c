/* SPDX-License-Identifier: Apache-2.0 */
/*
 * futex.c - futexes on guest memory, and what a thread leaves behind: clear_child_tid and its robust list.
 *
 * A guest's futex is a host futex on the real address, after the bounds check: so shared mappings work between processes. What the kernel
 * keeps as an address per thread (set_tid_address, set_robust_list) is never given to it: it would be a guest address, or a host
 * address that outlives the guest's memory. The vkernel does that part itself when the thread ends.
 *
 * Robust lists are walked at the end of a thread, at exit_group for the thread that calls it, and before execve; a process that dies by
 * a signal marks nothing (doc/quirks.md).
 */
#include "vk-int.h"

#include <linux/futex.h>
#include <time.h>

#define ROBUST_MAX 2048u /* ROBUST_LIST_LIMIT of Linux */

typedef struct RobustHead { /* struct robust_list_head of a 32-bit process */
    uint32_t next;
    int32_t offset;
    uint32_t pending;
} RobustHead;

int64_t vk_sys_set_tid_address(Vk *vk, GuestAddr address)
{
    (void)vk;
    vk_self->clear_tid = address;
    return vk_sys0(SYS_gettid);
}

int64_t vk_sys_set_robust_list(Vk *vk, GuestAddr head, uint32_t size)
{
    (void)vk;
    if (size != sizeof(RobustHead)) {
        return -EINVAL;
    }
    vk_self->robust_list = head;
    return 0;
}

void vk_clear_tid(VkThread *self)
{
    const Vk *vk = self->vk;
    const GuestAddr address = self->clear_tid;
    self->clear_tid = 0;
    if (address == 0 || address % 4 != 0) {
        return;
    }
    const uint32_t zero = 0;
    if (vk_copy_out(vk, address, &zero, sizeof zero) == 0) {
        (void)vk_sys6(SYS_futex, VK_PTR(vk_guest(vk, address, 4)), FUTEX_WAKE, 1, 0, 0, 0);
    }
}

/* One lock of a list: when it is this thread's, its owner has died. */
static void owner_died(const VkThread *self, GuestAddr address)
{
    const Vk *vk = self->vk;
    uint32_t *word = address % 4 == 0 ? vk_guest(vk, address, 4) : NULL;
    uint32_t value;
    if (word == NULL || vk_copy_in(vk, &value, address, sizeof value) < 0) { /* the page can be read; whether it can be written the kernel says below */
        return;
    }
    if ((value & FUTEX_TID_MASK) != (uint32_t)self->tid) {
        return;
    }
    const uint32_t dead = (value & FUTEX_WAITERS) | FUTEX_OWNER_DIED;
    /* Not one atomic step with the read: who marked itself as waiting in between sleeps already or sees another value, so all are woken. */
    if (vk_copy_out(vk, address, &dead, sizeof dead) == 0) {
        (void)vk_sys6(SYS_futex, VK_PTR(word), FUTEX_WAKE, INT32_MAX, 0, 0, 0);
    }
}

void vk_robust_release(VkThread *self)
{
    const Vk *vk = self->vk;
    const GuestAddr list = self->robust_list;
    RobustHead head;
    self->robust_list = 0;
    if (list == 0 || vk_copy_in(vk, &head, list, sizeof head) < 0) {
        return;
    }
    const GuestAddr pending = head.pending & ~1u;
    GuestAddr at = head.next & ~1u; /* bit 0: a PI futex, which there is none of */
    for (uint32_t i = 0; at != list && i < ROBUST_MAX; i++) {
        uint32_t next;
        const bool is_read = vk_copy_in(vk, &next, at, sizeof next) == 0;
        if (at != pending) {
            owner_died(self, at + (uint32_t)head.offset);
        }
        if (!is_read) {
            break;
        }
        at = next & ~1u;
    }
    if (pending != 0) {
        owner_died(self, pending + (uint32_t)head.offset);
    }
}

int64_t vk_sys_futex(Vk *vk, GuestAddr address, uint32_t operation, int32_t value, GuestAddr timeout_address, GuestAddr address2, int32_t value3)
{
    struct timespec timeout;
    struct timespec *pointer = NULL;
    const uint32_t command = operation & 0x7f; /* FUTEX_CMD_MASK for unsigned */
    const uint32_t flags = operation & (FUTEX_PRIVATE_FLAG | FUTEX_CLOCK_REALTIME);
    void *host = vk_guest(vk, address, 4);
    if (host == NULL) {
        return -EFAULT;
    }
    if (address % 4 != 0 || (operation & (uint32_t)~0x7f) != flags) {
        return address % 4 != 0 ? -EINVAL : -ENOSYS;
    }
    void *host2 = NULL;
    switch (command) {
    case FUTEX_WAIT: case FUTEX_WAIT_BITSET: {
        const int r = vk_copy_timespec(vk, &timeout, timeout_address, &pointer);
        if (r < 0) {
            return r;
        }
        const int64_t done = vk_block(vk, SYS_futex, VK_PTR(host), operation, value, VK_PTR(pointer), 0, (uint32_t)value3);
        /* futex(2): with a relative time-out EINTR stays, whatever SA_RESTART says */
        vk_self->is_restart_barred = done == -EINTR && command == FUTEX_WAIT && pointer != NULL;
        return done;
    }
    case FUTEX_WAKE: case FUTEX_WAKE_BITSET:
        return vk_sys6(SYS_futex, VK_PTR(host), operation, (uint64_t)value, 0, 0, (uint32_t)value3);
    case FUTEX_REQUEUE: case FUTEX_CMP_REQUEUE: case FUTEX_WAKE_OP:
        host2 = vk_guest(vk, address2, 4);
        if (host2 == NULL || address2 % 4 != 0) {
            return host2 == NULL ? -EFAULT : -EINVAL;
        }
        return vk_sys6(SYS_futex, VK_PTR(host), operation, (uint64_t)value, timeout_address /* a count here */, VK_PTR(host2), (uint32_t)value3);
    default:
        return -ENOSYS; /* priority inheritance: the kernel would write host thread ids, which are the guest's, but also keep what dies with it */
    }
}
