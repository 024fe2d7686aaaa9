/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sig.c - guest signals.
 *
 *   guest SIG_DFL, SIG_IGN     the host's disposition is the same: the kernel stops, continues, ignores and kills
 *   guest handler              host handler capture(): puts the siginfo into a queue and sets instance->interrupt
 *   system call boundary       vk_signals_deliver() takes it out and calls the guest's handler
 *
 * The signal mask of the process is the guest's mask, always: sigprocmask, ppoll, sigsuspend go to the kernel, and
 * sigsetjmp (rt) saves the same one. What is captured was not blocked then and is delivered even if it is blocked now.
 *
 * A call that may block cannot miss a signal: it runs in vk_syscall_blocking(), and capture() moves an instruction
 * pointer that is between its check of the flag and its syscall instruction to the exit that answers EINTR. The host
 * handlers are installed without SA_RESTART, so a call that already blocks comes back with EINTR as well; whether it is then
 * repeated is decided after the guest's handler ran, by the row in syscalls.tbl and the handler's SA_RESTART.
 *
 * A guest handler that leaves by longjmp unwinds vk_signals_deliver() with it: before the call everything of ours is
 * already in its final state (queue entry taken, mask set), and the scratch slots are handed out in a circle.
 *
 * SIGSEGV, SIGBUS, SIGILL, SIGFPE belong to the runtime: the guest's wish is remembered and reported, never installed, and they
 * cannot be blocked. 32 is the runtime's too (thread.c stops threads by it).
 *
 * Threads: dispositions belong to the process (action_lock), queue, mask and alternate stack to the thread. A signal sent to the process
 * is delivered by the thread in which the kernel ran capture(); one that ends with signals in its queue sends them again.
 */
#include "vk-int.h"

#include <linux/futex.h>
#include <string.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#define SIGNAL_BIT(s) (1ull << ((s) - 1))
#define RUNTIME_SIGNALS (SIGNAL_BIT(SIGSEGV) | SIGNAL_BIT(SIGBUS) | SIGNAL_BIT(SIGILL) | SIGNAL_BIT(SIGFPE))
#define UNCATCHABLE_SIGNALS (SIGNAL_BIT(SIGKILL) | SIGNAL_BIT(SIGSTOP))
#define HANDLER_DEFAULT WALI_SIG_DFL
#define HANDLER_IGNORE WALI_SIG_IGN
#define SCRATCH_SIZE 65536u
#define SCRATCH_SLOT 2048u /* siginfo at 0, ucontext at 256 */
_Static_assert(sizeof(WaliSiginfo) <= 256 && sizeof(WaliUcontext) <= SCRATCH_SLOT - 256, "a slot holds both");
_Static_assert((VK_QUEUE_SIZE & (VK_QUEUE_SIZE - 1)) == 0, "the queue's indices wrap");

/* The host handler: async-signal, all signals blocked. Only the running thread's own part is touched. */
static void capture(int number, siginfo_t *info, void *context)
{
    VkThread *self = vk_self;
    if (self == NULL || self->instance == NULL) {
        return;
    }
    VkSignals *signals = &self->signals;
    const uint64_t bit = SIGNAL_BIT(number);
    const bool is_full = signals->head - signals->tail >= VK_QUEUE_SIZE;
    if (!is_full && ((signals->captured & bit) == 0 || number >= SIGRTMIN)) {
        signals->queue[signals->head % VK_QUEUE_SIZE] = *info;
        __atomic_signal_fence(__ATOMIC_RELEASE);
        signals->head++;
        signals->captured |= bit;
    }
    __atomic_store_n(&self->instance->interrupt, 1, __ATOMIC_RELAXED);
    ucontext_t *user = context;
    const uintptr_t pc = (uintptr_t)user->uc_mcontext.gregs[REG_RIP];
    if (pc >= (uintptr_t)vk_syscall_begin && pc < (uintptr_t)vk_syscall_end) {
        user->uc_mcontext.gregs[REG_RIP] = (greg_t)(uintptr_t)vk_syscall_interrupted;
    }
}

static bool is_function(uint32_t handler)
{
    return handler != HANDLER_DEFAULT && handler != HANDLER_IGNORE;
}

static bool is_host_managed(int number)
{
    return (SIGNAL_BIT(number) & RUNTIME_SIGNALS) == 0 && number != 32;
}

static void install(int number, const VkAction *action)
{
    if (!is_host_managed(number)) {
        return;
    }
    VkHostAction host = {.flags = (action->flags & (SA_NOCLDSTOP | SA_NOCLDWAIT)) | VK_SA_RESTORER, .restorer = vk_sigreturn};
    if (action->handler == HANDLER_DEFAULT) {
        host.handler = NULL; /* SIG_DFL */
    } else if (action->handler == HANDLER_IGNORE) {
        host.handler = (void (*)(int, siginfo_t *, void *))(uintptr_t)SIG_IGN;
    } else {
        host.handler = capture;
        host.flags |= SA_SIGINFO | SA_ONSTACK;
        host.mask = ~RUNTIME_SIGNALS;
    }
    must(vk_sys4(SYS_rt_sigaction, number, VK_PTR(&host), 0, sizeof host.mask) == 0);
}

void vk_signals_reinstall(Vk *vk)
{
    VK_GUARD(&vk->action_lock);
    install(33, &vk->actions[33]);
}

static int64_t set_mask(int how, uint64_t mask, uint64_t *old)
{
    mask &= ~(RUNTIME_SIGNALS | SIGNAL_BIT(32));
    return vk_sys4(SYS_rt_sigprocmask, how, VK_PTR(&mask), VK_PTR(old), sizeof mask);
}

/* For sigsetjmp and siglongjmp, which the compiler lowers itself. */
static uint64_t jump_mask_get(RtInstance *instance)
{
    (void)instance;
    uint64_t mask = 0;
    must(set_mask(SIG_BLOCK, 0, &mask) == 0);
    return mask;
}

static void jump_mask_set(RtInstance *instance, uint64_t mask)
{
    (void)instance;
    must(set_mask(SIG_SETMASK, mask, NULL) == 0);
}

/* memory.atomic.wait, which rt serves: it sleeps as any call that may block. */
static void wait_in_call(RtInstance *instance, const uint32_t *word, uint32_t value, const struct timespec *deadline)
{
    (void)vk_syscall_blocking(&instance->interrupt, SYS_futex, VK_PTR(word), FUTEX_WAIT_BITSET_PRIVATE, value, VK_PTR(deadline), 0,
                              FUTEX_BITSET_MATCH_ANY);
}

static void wait_interrupted(RtInstance *instance)
{
    (void)vk_signals_deliver(instance->host);
}

void vk_signals_setup(void)
{
    static const RtWaitHooks hooks = {.wait = wait_in_call, .interrupted = wait_interrupted};
    rt_set_mask_hooks(jump_mask_get, jump_mask_set);
    rt_set_wait_hooks(&hooks);
}

int vk_copy_mask(const Vk *vk, uint64_t *mask, GuestAddr address, uint64_t size, uint64_t **ret)
{
    *ret = NULL;
    if (address == 0) {
        return 0;
    }
    if (size != WALI_SIGSET_SIZE) {
        return -EINVAL;
    }
    if (vk_copy_in(vk, mask, address, sizeof *mask) < 0) {
        return -EFAULT;
    }
    *mask &= ~(RUNTIME_SIGNALS | SIGNAL_BIT(32));
    *ret = mask;
    return 0;
}

static void convert_siginfo(WaliSiginfo *to, const siginfo_t *from)
{
    memset(to, 0, sizeof *to);
    to->si_signo = from->si_signo;
    to->si_errno = from->si_errno;
    to->si_code = from->si_code;
    if (from->si_code == SI_TIMER) {
        to->fields.timer.overrun = from->si_overrun;
        to->fields.timer.value = (uint32_t)(uintptr_t)from->si_value.sival_ptr;
    } else if (from->si_signo == SIGCHLD && from->si_code > 0) {
        to->fields.child.pid = from->si_pid;
        to->fields.child.uid = from->si_uid;
        to->fields.child.status = from->si_status;
        to->fields.child.utime = from->si_utime;
        to->fields.child.stime = from->si_stime;
    } else if (from->si_signo == SIGIO && from->si_code > 0) {
        to->fields.poll.band = from->si_band;
        to->fields.poll.fd = from->si_fd;
    } else {
        to->fields.queue.pid = from->si_pid;
        to->fields.queue.uid = from->si_uid;
        to->fields.queue.value = (uint32_t)(uintptr_t)from->si_value.sival_ptr;
    }
}

/* Writes siginfo and ucontext for one delivery. Return: their address, 0 when there is no memory for it. */
static GuestAddr fill_scratch(Vk *vk, const siginfo_t *info, uint64_t mask)
{
    VkSignals *signals = &vk_self->signals;
    if (signals->scratch == 0) {
        const int64_t r = vk_map_allocate(vk, SCRATCH_SIZE);
        if (r < 0) {
            return 0;
        }
        signals->scratch = (GuestAddr)r;
    }
    const GuestAddr slot = signals->scratch + (signals->scratch_next++ % (SCRATCH_SIZE / SCRATCH_SLOT)) * SCRATCH_SLOT;
    WaliSiginfo guest_info;
    convert_siginfo(&guest_info, info);
    WaliUcontext user = {.uc_sigmask.bits[0] = mask};
    if (vk_copy_out(vk, slot, &guest_info, sizeof guest_info) < 0 || vk_copy_out(vk, slot + 256, &user, sizeof user) < 0) {
        return 0;
    }
    return slot;
}

/* One guest handler. What must survive a longjmp out of it is done before the call. */
static void run_handler(Vk *vk, const siginfo_t *info)
{
    const int number = info->si_signo;
    vk_lock(&vk->action_lock);
    const VkAction action = vk->actions[number];
    if (is_function(action.handler) && (action.flags & SA_RESETHAND) != 0) {
        vk->actions[number].handler = HANDLER_DEFAULT;
        install(number, &vk->actions[number]);
    }
    vk_unlock(&vk->action_lock);
    if (!is_function(action.handler)) {
        return; /* changed since the capture */
    }
    uint64_t old = 0;
    const uint64_t blocked = action.mask | ((action.flags & SA_NODEFER) != 0 ? 0 : SIGNAL_BIT(number));
    must(set_mask(SIG_BLOCK, blocked, &old) == 0);
    int r;
    const GuestAddr slot = (action.flags & SA_SIGINFO) != 0 ? fill_scratch(vk, info, old) : 0;
    if (slot != 0) {
        r = rt_call_iii(vk_self->instance, action.handler, (uint32_t)number, slot, slot + 256);
    } else {
        r = rt_call_i(vk_self->instance, action.handler, (uint32_t)number);
    }
    if (r < 0) { /* not a function, or not of that type: what a jump to a wrong address does on Linux */
        rt_trap(vk_self->instance, RT_TRAP_INDIRECT_CALL_MISMATCH);
    }
    must(set_mask(SIG_SETMASK, old, NULL) == 0);
}

bool vk_signals_deliver(Vk *vk)
{
    VkThread *self = vk_self;
    VkSignals *signals = &self->signals;
    bool is_restart = true;
    bool is_any = false;
    if (__atomic_load_n(&self->must_stop, __ATOMIC_ACQUIRE) != 0) {
        vk_thread_leave(self, VK_END_STOP, 0);
    }
    for (;;) {
        __atomic_store_n(&self->instance->interrupt, 0, __ATOMIC_RELAXED);
        __atomic_signal_fence(__ATOMIC_SEQ_CST);
        if (signals->head == signals->tail) {
            break;
        }
        const siginfo_t info = signals->queue[signals->tail % VK_QUEUE_SIZE];
        /* captured is changed by capture() too: clear the bit in one instruction, before the entry is given back. */
        __atomic_and_fetch(&signals->captured, ~SIGNAL_BIT(info.si_signo), __ATOMIC_RELAXED);
        __atomic_signal_fence(__ATOMIC_RELEASE);
        signals->tail++;
        if (signals->head != signals->tail) {
            __atomic_store_n(&self->instance->interrupt, 1, __ATOMIC_RELAXED); /* the rest, should the handler not return */
        }
        is_any = true;
        is_restart = is_restart && (vk->actions[info.si_signo].flags & SA_RESTART) != 0;
        run_handler(vk, &info);
    }
    return is_any && is_restart;
}

void vk_signals_forget(Vk *vk)
{
    VkSignals *signals = &vk_self->signals;
    (void)vk;
    if (signals->head != signals->tail || signals->captured != 0) {
        signals->head = signals->tail = 0;
        signals->captured = 0;
    }
    if (vk_self->instance->interrupt != 0) { /* what is not written need not be copied from the parent's page */
        vk_self->instance->interrupt = 0;
    }
}

void vk_signals_reset_for_exec(Vk *vk)
{
    for (int s = 1; s < WALI_NSIG; s++) {
        VkAction *action = &vk->actions[s];
        if (action->handler != HANDLER_IGNORE && action->handler != HANDLER_DEFAULT) {
            *action = (VkAction){.handler = HANDLER_DEFAULT};
            install(s, action);
        } else if (action->flags != 0 || action->mask != 0) {
            action->flags = 0;
            action->mask = 0;
        }
    }
    VkSignals *signals = &vk_self->signals;
    signals->head = signals->tail = 0;
    signals->captured = 0;
    signals->scratch = 0;
    signals->stack = (WaliStack){.ss_flags = SS_DISABLE};
}

bool vk_is_interrupted(const Vk *vk)
{
    (void)vk;
    return vk_self != NULL && vk_self->instance != NULL && __atomic_load_n(&vk_self->instance->interrupt, __ATOMIC_RELAXED) != 0;
}

int64_t vk_sys_rt_sigaction(Vk *vk, int32_t number, GuestAddr new_address, GuestAddr old_address, uint32_t size)
{
    if (number < 1 || number >= WALI_NSIG || size != WALI_SIGSET_SIZE) {
        return -EINVAL;
    }
    WaliSigaction new_action;
    if (new_address != 0) {
        if (vk_copy_in(vk, &new_action, new_address, sizeof new_action) < 0) {
            return -EFAULT;
        }
        if ((SIGNAL_BIT(number) & UNCATCHABLE_SIGNALS) != 0) {
            return -EINVAL;
        }
    }
    VK_GUARD(&vk->action_lock);
    const VkAction old = vk->actions[number];
    if (old_address != 0) {
        const WaliSigaction out = {.handler = old.handler, .flags = old.flags, .mask = old.mask};
        if (vk_copy_out(vk, old_address, &out, sizeof out) < 0) {
            return -EFAULT;
        }
    }
    if (new_address != 0) {
        VkAction *action = &vk->actions[number];
        *action = (VkAction){.flags = new_action.flags, .handler = new_action.handler, .mask = new_action.mask & ~UNCATCHABLE_SIGNALS};
        const bool was_caught = is_function(old.handler);
        const bool is_caught = is_function(action->handler);
        if (!(was_caught && is_caught) || ((old.flags ^ action->flags) & (SA_NOCLDSTOP | SA_NOCLDWAIT)) != 0) {
            install(number, action);
        }
    }
    return 0;
}

int64_t vk_sys_rt_sigprocmask(Vk *vk, int32_t how, GuestAddr set, GuestAddr old_address, uint32_t size)
{
    uint64_t mask;
    uint64_t *pointer;
    uint64_t old = 0;
    if (size != WALI_SIGSET_SIZE) {
        return -EINVAL;
    }
    int r = vk_copy_mask(vk, &mask, set, size, &pointer);
    if (r < 0) {
        return r;
    }
    if (pointer != NULL && how != SIG_BLOCK && how != SIG_UNBLOCK && how != SIG_SETMASK) {
        return -EINVAL;
    }
    r = (int)(pointer != NULL ? set_mask(how, mask, &old) : set_mask(SIG_BLOCK, 0, &old));
    if (r == 0 && old_address != 0) {
        r = vk_copy_out(vk, old_address, &old, sizeof old);
    }
    return r;
}

int64_t vk_sys_rt_sigpending(Vk *vk, GuestAddr set, uint32_t size)
{
    uint64_t mask = 0;
    if (size > WALI_SIGSET_SIZE) {
        return -EINVAL;
    }
    const int64_t r = vk_sys2(SYS_rt_sigpending, VK_PTR(&mask), sizeof mask);
    return r < 0 ? r : vk_copy_out(vk, set, &mask, size);
}

int64_t vk_sys_rt_sigsuspend(Vk *vk, GuestAddr address, uint32_t size)
{
    uint64_t mask;
    uint64_t *pointer;
    const int r = vk_copy_mask(vk, &mask, address, size, &pointer);
    if (r < 0 || pointer == NULL) {
        return r < 0 ? r : -EFAULT;
    }
    return vk_block(vk, SYS_rt_sigsuspend, VK_PTR(pointer), sizeof mask, 0, 0, 0, 0);
}

int64_t vk_sys_pause(Vk *vk)
{
    (void)vk;
    return vk_block(vk, SYS_pause, 0, 0, 0, 0, 0, 0);
}

int64_t vk_sys_rt_sigtimedwait(Vk *vk, GuestAddr set, GuestAddr info_address, GuestAddr timeout, uint32_t size)
{
    uint64_t mask;
    uint64_t *pointer;
    struct timespec time;
    struct timespec *time_pointer;
    int r = vk_copy_mask(vk, &mask, set, size, &pointer);
    if (r < 0 || pointer == NULL) {
        return r < 0 ? r : -EFAULT;
    }
    r = vk_copy_timespec(vk, &time, timeout, &time_pointer);
    if (r < 0) {
        return r;
    }
    siginfo_t info = {0};
    const int64_t number = vk_block(vk, SYS_rt_sigtimedwait, VK_PTR(pointer), VK_PTR(&info), VK_PTR(time_pointer), sizeof mask, 0, 0);
    if (number > 0 && info_address != 0) {
        WaliSiginfo out;
        convert_siginfo(&out, &info);
        r = vk_copy_out(vk, info_address, &out, sizeof out);
        return r < 0 ? r : number;
    }
    return number;
}

int64_t vk_sys_sigaltstack(Vk *vk, GuestAddr new_address, GuestAddr old_address)
{
    WaliStack stack;
    if (new_address != 0) {
        if (vk_copy_in(vk, &stack, new_address, sizeof stack) < 0) {
            return -EFAULT;
        }
        if ((stack.ss_flags & ~(int32_t)(SS_DISABLE | SS_ONSTACK | (1u << 31))) != 0) {
            return -EINVAL;
        }
        if ((stack.ss_flags & SS_DISABLE) == 0 && stack.ss_size < 2048) {
            return -ENOMEM;
        }
    }
    if (old_address != 0 && vk_copy_out(vk, old_address, &vk_self->signals.stack, sizeof vk_self->signals.stack) < 0) {
        return -EFAULT;
    }
    if (new_address != 0) {
        vk_self->signals.stack = (stack.ss_flags & SS_DISABLE) != 0 ? (WaliStack){.ss_flags = SS_DISABLE} : stack;
    }
    return 0;
}

/* Sending: only to processes of the container. */
int64_t vk_sys_kill(Vk *vk, int32_t pid, int32_t number)
{
    return vk_family_kill(vk, pid, number);
}

int64_t vk_sys_tkill(Vk *vk, int32_t tid, int32_t number)
{
    return tid > 0 && !vk_tid_is_ours(vk, tid) ? -ESRCH : vk_sys2(SYS_tkill, tid, number);
}

int64_t vk_sys_tgkill(Vk *vk, int32_t tgid, int32_t tid, int32_t number)
{
    return tgid > 0 && !vk_pid_is_ours(vk, tgid) ? -ESRCH : vk_sys3(SYS_tgkill, tgid, tid, number);
}

int64_t vk_sys_rt_sigqueueinfo(Vk *vk, int32_t pid, int32_t number, GuestAddr address)
{
    WaliSiginfo in;
    if (vk_copy_in(vk, &in, address, sizeof in) < 0) {
        return -EFAULT;
    }
    if (in.si_code >= 0) {
        return -EPERM; /* only the kernel says so: rt_sigqueueinfo(2) */
    }
    if (!vk_pid_is_ours(vk, pid)) {
        return -ESRCH;
    }
    siginfo_t info = {.si_signo = number, .si_code = in.si_code};
    info.si_pid = getpid();
    info.si_uid = getuid();
    info.si_value.sival_ptr = (void *)(uintptr_t)in.fields.queue.value;
    return vk_sys3(SYS_rt_sigqueueinfo, pid, number, VK_PTR(&info));
}
