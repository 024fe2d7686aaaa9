/* SPDX-License-Identifier: Apache-2.0 */
/*
 * thread.c - guest threads as host threads: spawn, end, execve and fork among several.
 *
 * The host's thread comes from pthread_create, with a small stack of its own; the guest runs on the native stack of its
 * instance (own guard, own alternate stack). All signals are blocked while a thread is set up and while it ends, so no handler
 * finds it half made.
 *
 * Execve with several threads: the caller, holding the exec lock and a verdict that allows, marks the others and sends them KICK. A
 * thread in guest code leaves in the handler: guest frames own nothing. A thread in the vkernel finishes its call first (KICK ends a
 * blocking one, see sig.c) and leaves before it goes back to the guest. KICK is repeated, so that no window has to be closed. The program
 * starts in the leader, whose id is the process's, as on Linux; when another thread asked for it, that one hands over and ends.
 *
 * The leader's host thread never ends before the process: after exit(2) it is parked with all signals blocked.
 */
#include "vk-int.h"

#include <linux/futex.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#include "abi/signature.h"

#define KICK 32                        /* SIGCANCEL of glibc, which nothing here uses; the guest cannot get it (sig.c) */
#define HOST_STACK_SIZE (64u << 10)    /* bytes: thread-local storage, activation_enter, a signal frame at the edges */
#define KICK_AGAIN_NS 1000000          /* 1 ms */
#define SPAWN_TRIES 8                  /* threads that ended are not all gone yet: one more try a millisecond */

_Thread_local VkThread *vk_self;

static void futex_wait_for(const uint32_t *word, uint32_t value, long ns)
{
    const struct timespec timeout = {.tv_nsec = ns};
    (void)vk_sys6(SYS_futex, VK_PTR(word), FUTEX_WAIT_PRIVATE, value, ns != 0 ? VK_PTR(&timeout) : 0, 0, 0);
}

static void futex_wake_all(const uint32_t *word)
{
    (void)vk_sys6(SYS_futex, VK_PTR(word), FUTEX_WAKE_PRIVATE, INT32_MAX, 0, 0, 0);
}

void vk_lock_wait(VkLock *lock)
{
    while (__atomic_exchange_n(&lock->word, 2, __ATOMIC_ACQUIRE) != 0) {
        futex_wait_for(&lock->word, 2, 0);
    }
}

void vk_lock_wake(VkLock *lock)
{
    (void)vk_sys6(SYS_futex, VK_PTR(&lock->word), FUTEX_WAKE_PRIVATE, 1, 0, 0, 0);
}

static uint64_t block_signals(void)
{
    uint64_t old = 0;
    const uint64_t all = UINT64_MAX;
    (void)vk_sys4(SYS_rt_sigprocmask, SIG_SETMASK, VK_PTR(&all), VK_PTR(&old), sizeof old);
    return old;
}

static void restore_signals(uint64_t mask)
{
    (void)vk_sys4(SYS_rt_sigprocmask, SIG_SETMASK, VK_PTR(&mask), 0, sizeof mask);
}

/* --- who there is --- */

bool vk_has_threads(const Vk *vk)
{
    return __atomic_load_n(&vk->thread_count, __ATOMIC_ACQUIRE) > 1;
}

uint32_t vk_thread_count(Vk *vk)
{
    return __atomic_load_n(&vk->thread_count, __ATOMIC_ACQUIRE);
}

bool vk_tid_is_ours(const Vk *vk, int32_t tid)
{
    return vk_pid_is_ours(vk, tid) || (tid > 0 && vk_sys3(SYS_tgkill, getpid(), tid, 0) == 0);
}

static void list_remove(Vk *vk, const VkThread *thread)
{
    VkThread **link = &vk->threads;
    while (*link != thread) {
        link = &(*link)->next;
    }
    *link = thread->next;
}

/* The spawner and the thread itself refer to a VkThread; the last one frees it. */
static void thread_unref(VkThread *thread)
{
    if (__atomic_sub_fetch(&thread->references, 1, __ATOMIC_ACQ_REL) == 0) {
        free(thread);
    }
}

/* --- leaving --- */

void vk_thread_leave(VkThread *self, VkEnd end, int status)
{
    self->end = end;
    rt_instance_exit(self->instance, status);
}

static void kicked(int number, siginfo_t *info, void *context)
{
    VkThread *self = vk_self;
    (void)number;
    (void)info;
    if (self == NULL || self->instance == NULL || __atomic_load_n(&self->must_stop, __ATOMIC_ACQUIRE) == 0) {
        return;
    }
    ucontext_t *user = context;
    const uintptr_t pc = (uintptr_t)user->uc_mcontext.gregs[REG_RIP];
    __atomic_store_n(&self->instance->interrupt, 1, __ATOMIC_RELAXED);
    if (rt_is_guest_code(pc)) {
        vk_thread_leave(self, VK_END_STOP, 0);
    }
    if (pc >= (uintptr_t)vk_syscall_begin && pc < (uintptr_t)vk_syscall_end) {
        user->uc_mcontext.gregs[REG_RIP] = (greg_t)(uintptr_t)vk_syscall_interrupted;
    }
}

/* Signals sent to the process that this thread had taken: somebody else's now. */
static void pass_signals_on(const VkSignals *signals)
{
    for (uint32_t i = signals->tail; i != signals->head; i++) {
        const siginfo_t *info = &signals->queue[i % VK_QUEUE_SIZE];
        if (info->si_code != SI_TKILL) {
            (void)vk_sys2(SYS_kill, getpid(), info->si_signo);
        }
    }
}

static void worker_ended(VkThread *self)
{
    Vk *vk = self->vk;
    pass_signals_on(&self->signals);
    vk_lock(&vk->thread_lock); /* a fork in between must not find an instance that is half gone */
    RtInstance *instance = self->instance;
    self->instance = NULL;
    vk_unlock(&vk->thread_lock);
    (void)rt_instance_free(instance);
    if (self->end != VK_END_STOP) {
        vk_robust_release(self);
        vk_clear_tid(self);
    }
    vk_lock(&vk->thread_lock);
    list_remove(vk, self);
    vk->thread_ends++;
    const uint32_t left = __atomic_sub_fetch(&vk->thread_count, 1, __ATOMIC_ACQ_REL);
    const int status = vk->leader_status;
    __atomic_add_fetch(&vk->stop_event, 1, __ATOMIC_RELEASE);
    vk_unlock(&vk->thread_lock);
    futex_wake_all(&vk->stop_event);
    vk_self = NULL;
    thread_unref(self);
    if (left == 0) {
        (void)vk_sys_exit_group(vk, status); /* the leader has parked: its status is the process's */
    }
}

/* Waits for the end of the process, which others bring, or for an execve. */
static void leader_park(VkThread *self, int status)
{
    Vk *vk = self->vk;
    if (self->end == VK_END_EXIT) {
        vk_robust_release(self);
        vk_clear_tid(self);
        self->signals.tail = self->signals.head; /* what it had taken: the others' */
    }
    vk_lock(&vk->thread_lock);
    uint32_t left = vk->thread_count;
    if (self->end == VK_END_EXIT) {
        vk->leader_status = status;
        left = __atomic_sub_fetch(&vk->thread_count, 1, __ATOMIC_ACQ_REL);
    }
    self->is_parked = true;
    __atomic_add_fetch(&vk->stop_event, 1, __ATOMIC_RELEASE);
    vk_unlock(&vk->thread_lock);
    futex_wake_all(&vk->stop_event);
    if (left == 0) {
        (void)vk_sys_exit_group(vk, status);
    }
    while (__atomic_load_n(&vk->has_job, __ATOMIC_ACQUIRE) == 0) {
        futex_wait_for(&vk->has_job, 0, 0);
    }
    vk_lock(&vk->thread_lock);
    self->is_parked = false;
    vk->is_stopping = false;
    vk->has_job = 0;
    vk_unlock(&vk->thread_lock);
    self->must_stop = 0;
    self->end = VK_END_RETURN;
    self->instance->interrupt = 0;
}

void vk_thread_ended(VkThread *self, int status)
{
    (void)block_signals();
    if (self->vk->leader != self) {
        worker_ended(self);
        return;
    }
    for (;;) {
        if (self->end == VK_END_RETURN && self->is_program) {
            (void)vk_sys_exit_group(self->vk, status);
        }
        self->end = self->end == VK_END_STOP ? VK_END_STOP : VK_END_EXIT;
        if (self->end == VK_END_EXIT) {
            pass_signals_on(&self->signals);
        }
        leader_park(self, status);
        restore_signals(self->mask);
        status = rt_instance_run_with(self->instance, self->vk->job, self->vk);
        (void)block_signals();
    }
}

/* --- spawn --- */

static void *host_main(void *argument)
{
    VkThread *self = argument;
    vk_self = self;
    __atomic_store_n(&self->tid, (int32_t)vk_sys0(SYS_gettid), __ATOMIC_RELEASE);
    (void)vk_sys2(SYS_prctl, 15 /* PR_SET_NAME */, VK_PTR(self->vk->comm));
    restore_signals(self->mask);
    const int status = rt_instance_run_thread(self->instance, self->start_slot, (uint32_t)self->tid, self->start_argument);
    vk_thread_ended(self, status);
    return NULL;
}

/*
 * The id of a thread that may not have run yet: the clock of its processor time has it in its number (clock_getres(2), "dynamic clocks"), so
 * the spawner need not wait for the thread. One that has ended has no clock any more, but had stored its id.
 */
static int32_t host_tid(const VkThread *thread, pthread_t host)
{
    clockid_t clock;
    if (pthread_getcpuclockid(host, &clock) == 0) {
        return ~(clock >> 3);
    }
    return __atomic_load_n(&thread->tid, __ATOMIC_ACQUIRE);
}

static int host_thread(VkThread *thread, int32_t *ret_tid)
{
    pthread_attr_t attr;
    pthread_t host;
    int r = pthread_attr_init(&attr);
    if (r != 0) {
        return -r;
    }
    r = pthread_attr_setstacksize(&attr, HOST_STACK_SIZE);
    r = r != 0 ? r : pthread_create(&host, &attr, host_main, thread);
    if (r == 0) {
        *ret_tid = host_tid(thread, host);
        must(*ret_tid > 0 && pthread_detach(host) == 0);
    }
    (void)pthread_attr_destroy(&attr);
    return -r;
}

static void kick_install(void)
{
    const VkHostAction action = {.handler = kicked, .flags = SA_SIGINFO | SA_ONSTACK | VK_SA_RESTORER, .restorer = vk_sigreturn, .mask = UINT64_MAX};
    must(vk_sys4(SYS_rt_sigaction, KICK, VK_PTR(&action), 0, 8) == 0);
}

/* Linked in before it runs, so that an execve cannot miss it. */
static int list_add(Vk *vk, VkThread *thread)
{
    VK_GUARD(&vk->thread_lock);
    if (vk->is_stopping || vk->thread_count >= LIMIT_GUEST_THREADS) {
        return -EAGAIN;
    }
    thread->next = vk->threads;
    vk->threads = thread;
    __atomic_add_fetch(&vk->thread_count, 1, __ATOMIC_ACQ_REL);
    return 0;
}

static int64_t thread_start(Vk *vk, VkThread *thread)
{
    int32_t tid = 0;
    thread->references = 2;
    thread->mask = block_signals();
    const uint64_t mask = thread->mask;
    int r = list_add(vk, thread);
    if (r == 0) {
        const bool is_first = !__atomic_exchange_n(&vk->has_had_threads, true, __ATOMIC_ACQ_REL);
        if (is_first) {
            kick_install(); /* before the new thread can execve */
        }
        r = host_thread(thread, &tid);
        for (int i = 0; r == -EAGAIN && vk->thread_ends != 0 && i < SPAWN_TRIES; i++) {
            const struct timespec pause = {.tv_nsec = 1000000};
            (void)nanosleep(&pause, NULL);
            r = host_thread(thread, &tid);
        }
        if (is_first) {
            vk_signals_reinstall(vk); /* pthread_create takes 33 for itself the first time */
        }
        if (r < 0) {
            VK_GUARD(&vk->thread_lock);
            list_remove(vk, thread);
            __atomic_sub_fetch(&vk->thread_count, 1, __ATOMIC_ACQ_REL);
        }
    }
    if (r == 0) {
        thread_unref(thread);
    }
    restore_signals(mask);
    return r < 0 ? r : (int64_t)tid;
}

int64_t vk_thread_spawn(Vk *vk, uint32_t slot, uint32_t argument)
{
    vk_warm_refuse(vk, "a thread", "not possible before the ready point");
    VkThread *self = vk_self;
    if (slot == UINT32_MAX && self->instance->entry->thread_code == NULL) {
        return -ENOSYS;
    }
    if (slot != UINT32_MAX && rt_table_slot_signature(self->instance, slot) != signature_id("ii:")) {
        return -EINVAL;
    }
    VkThread *thread = calloc(1, sizeof *thread);
    if (thread == NULL) {
        return -ENOMEM;
    }
    thread->vk = vk;
    thread->start_slot = slot;
    thread->start_argument = argument;
    thread->signals.stack = (WaliStack){.ss_flags = SS_DISABLE};
    int64_t r = rt_instance_new_thread(self->instance, vk, vk->config.native_stack_size, &thread->instance, NULL);
    if (r == 0) {
        r = thread_start(vk, thread);
        if (r < 0) {
            (void)rt_instance_free(thread->instance);
        }
    }
    if (r < 0) {
        free(thread);
    }
    return r;
}

/* --- execve --- */

void vk_threads_stop(Vk *vk)
{
    vk_lock(&vk->thread_lock);
    vk->is_stopping = true;
    for (;;) {
        const uint32_t event = __atomic_load_n(&vk->stop_event, __ATOMIC_ACQUIRE);
        bool is_any = false;
        for (VkThread *thread = vk->threads; thread != NULL; thread = thread->next) {
            if (thread == vk_self || thread->is_parked) {
                continue;
            }
            is_any = true;
            __atomic_store_n(&thread->must_stop, 1, __ATOMIC_RELEASE);
            const int32_t tid = __atomic_load_n(&thread->tid, __ATOMIC_ACQUIRE);
            if (tid != 0) {
                (void)vk_sys3(SYS_tgkill, getpid(), tid, KICK);
            }
        }
        vk_unlock(&vk->thread_lock);
        if (!is_any) {
            break;
        }
        futex_wait_for(&vk->stop_event, event, KICK_AGAIN_NS);
        vk_lock(&vk->thread_lock);
    }
    if (vk->leader == vk_self) {
        vk->is_stopping = false;
    }
}

int vk_exec_lock(Vk *vk)
{
    uint32_t expected = 0;
    if (__atomic_compare_exchange_n(&vk->exec_lock.word, &expected, 1, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) {
        return 0;
    }
    while (__atomic_exchange_n(&vk->exec_lock.word, 2, __ATOMIC_ACQUIRE) != 0) {
        if (__atomic_load_n(&vk_self->must_stop, __ATOMIC_ACQUIRE) != 0) {
            return -EINTR;
        }
        futex_wait_for(&vk->exec_lock.word, 2, 5 * KICK_AGAIN_NS);
    }
    return 0;
}

void vk_exec_hand_over(Vk *vk, void (*run)(RtInstance *instance, void *vk))
{
    VkThread *self = vk_self;
    must(vk->leader != self && vk->leader->is_parked);
    vk->leader->mask = block_signals();
    vk->job = run;
    if (vk->leader->end == VK_END_EXIT) { /* counts again, before this thread is counted out */
        __atomic_add_fetch(&vk->thread_count, 1, __ATOMIC_ACQ_REL);
    }
    __atomic_store_n(&vk->has_job, 1, __ATOMIC_RELEASE);
    futex_wake_all(&vk->has_job);
    vk_thread_leave(self, VK_END_STOP, 0);
}

/* --- fork --- */

static void forked_child(Vk *vk)
{
    VkThread *self = vk_self;
    if (vk->instance != self->instance) {
        rt_instance_take_memory(self->instance, vk->instance);
    }
    VkThread *next;
    for (VkThread *thread = vk->threads; thread != NULL; thread = next) {
        next = thread->next;
        if (thread == self) {
            continue;
        }
        (void)rt_instance_free(thread->instance);
        thread->instance = NULL;
        if (thread != &vk->main_thread) {
            free(thread);
        }
    }
    vk->instance = self->instance;
    vk->leader = vk->threads = self;
    self->next = NULL;
    self->tid = (int32_t)vk_sys0(SYS_gettid);
    self->must_stop = 0;
    vk->thread_count = 1;
    vk->is_stopping = false;
    vk->has_job = 0;
    vk->leader_status = 0;
}

int64_t vk_threads_fork(Vk *vk)
{
    if (vk_exec_lock(vk) < 0) {
        return -EINTR;
    }
    VkLock *const locks[] = {&vk->thread_lock, &vk->wasi_lock, &vk->action_lock, &vk->file_lock, &vk->map.lock};
    for (size_t i = 0; i < sizeof locks / sizeof locks[0]; i++) {
        vk_lock(locks[i]);
    }
    const pid_t pid = fork(); /* with libc's handlers: another thread may be inside malloc */
    const int64_t r = pid < 0 ? -errno : pid;
    for (size_t i = sizeof locks / sizeof locks[0]; i > 0; i--) {
        vk_unlock(locks[i - 1]);
    }
    if (pid == 0) {
        forked_child(vk);
    }
    vk_unlock(&vk->exec_lock);
    return r;
}

void vk_threads_setup(Vk *vk)
{
    VkThread *self = &vk->main_thread;
    self->vk = vk;
    self->instance = vk->instance;
    self->is_program = true;
    self->tid = (int32_t)vk_sys0(SYS_gettid);
    self->signals.stack = (WaliStack){.ss_flags = SS_DISABLE};
    vk->leader = vk->threads = vk_self = self;
    vk->thread_count = 1;
}
