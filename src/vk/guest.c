/* SPDX-License-Identifier: Apache-2.0 */
/*
 * guest.c - reading and writing guest memory from the host.
 *
 * Bounds are checked against the current size of linear memory; inside it a page may still be inaccessible, because the
 * guest unmapped or protected it or truncated a file it had mapped. Copies therefore run in vk_copy_raw() (syscall.S), and
 * a fault handler placed in front of rt's turns a fault there into -EFAULT; every other fault goes on to rt.
 */
#include "vk-int.h"

#include <limits.h>
#include <string.h>
#include <sys/uio.h>
#include <time.h>
#include <ucontext.h>

static struct sigaction previous_segv, previous_bus;

static void handle_fault(int number, siginfo_t *info, void *context)
{
    ucontext_t *user = context;
    const uintptr_t pc = (uintptr_t)user->uc_mcontext.gregs[REG_RIP];
    if (info->si_code > 0 && pc >= (uintptr_t)vk_copy_begin && pc < (uintptr_t)vk_copy_end) {
        user->uc_mcontext.gregs[REG_RIP] = (greg_t)(uintptr_t)vk_copy_fault;
        return;
    }
    const struct sigaction *previous = number == SIGBUS ? &previous_bus : &previous_segv;
    if ((previous->sa_flags & SA_SIGINFO) != 0) {
        previous->sa_sigaction(number, info, context);
    } else if (previous->sa_handler != SIG_DFL && previous->sa_handler != SIG_IGN) {
        previous->sa_handler(number);
    } else {
        (void)sigaction(number, &(struct sigaction){.sa_handler = SIG_DFL}, NULL);
    }
}

void vk_fault_install(Vk *vk)
{
    if (vk->has_fault_handler) {
        return;
    }
    must(sigaction(SIGSEGV, NULL, &previous_segv) == 0 && sigaction(SIGBUS, NULL, &previous_bus) == 0);
    struct sigaction action = previous_segv;
    action.sa_sigaction = handle_fault;
    action.sa_flags |= SA_SIGINFO | SA_ONSTACK;
    must(sigaction(SIGSEGV, &action, NULL) == 0);
    action = previous_bus;
    action.sa_sigaction = handle_fault;
    action.sa_flags |= SA_SIGINFO | SA_ONSTACK;
    must(sigaction(SIGBUS, &action, NULL) == 0);
    vk->has_fault_handler = true;
}

int64_t vk_copy_string(const Vk *vk, char *to, size_t capacity, GuestAddr from)
{
    const uint64_t limit = (uint64_t)__atomic_load_n(&vk->instance->memory->page_count, __ATOMIC_RELAXED) * RT_PAGE_SIZE;
    if (from >= limit) {
        return -EFAULT;
    }
    const uint64_t room = limit - from;
    const int64_t length = vk_string_raw(to, (const char *)vk->instance->memory_base + from, room < capacity ? room : capacity);
    if (length >= 0) {
        return length;
    }
    return length == -2 && room >= capacity ? -ENAMETOOLONG : -EFAULT;
}

int vk_copy_path(const Vk *vk, char path[LIMIT_PATH_SIZE], GuestAddr from)
{
    const int64_t r = vk_copy_string(vk, path, LIMIT_PATH_SIZE, from);
    return r < 0 ? (int)r : 0;
}

int vk_copy_iovec(const Vk *vk, struct iovec *to, GuestAddr from, int32_t count)
{
    if (count < 0 || count > WALI_IOV_MAX) {
        return -EINVAL;
    }
    uint64_t total = 0;
    WaliIovec part[16];
    for (int32_t i = 0; i < count; i += 16) {
        const int32_t n = count - i < 16 ? count - i : 16;
        if (vk_copy_in(vk, part, from + (uint32_t)i * 8u, (size_t)n * sizeof part[0]) < 0) {
            return -EFAULT;
        }
        for (int32_t k = 0; k < n; k++) {
            void *base = vk_guest(vk, part[k].iov_base, part[k].iov_len);
            if (base == NULL) {
                if (part[k].iov_len != 0) {
                    return -EFAULT;
                }
                base = vk->instance->memory_base; /* an empty piece may point anywhere */
            }
            total += part[k].iov_len;
            to[i + k] = (struct iovec){.iov_base = base, .iov_len = part[k].iov_len};
        }
    }
    return total > INT_MAX ? -EINVAL : 0;
}

int vk_copy_timespec(const Vk *vk, struct timespec *to, GuestAddr from, struct timespec **ret)
{
    _Static_assert(sizeof(WaliTimespec) == sizeof(struct timespec), "same layout on a 64-bit host");
    *ret = NULL;
    if (from == 0) {
        return 0;
    }
    if (vk_copy_in(vk, to, from, sizeof *to) < 0) {
        return -EFAULT;
    }
    *ret = to;
    return 0;
}
