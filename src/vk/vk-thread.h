/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vk-thread.h - guest threads: what one thread of a guest process has for itself, and the locks around what they share.
 *
 * A guest thread is a host thread with an instance of its own on the process's linear memory (rt_instance_new_thread). The
 * Vk is shared; vk_self is the calling thread's part of it. Included by vk-int.h only.
 *
 *   spawn -> running -> exit(2), return -------------------------> gone          (worker)
 *                    -> stopped by another thread's execve ------> gone
 *            running -> exit(2), stopped --> parked --> execve --> running       (leader: the thread whose id is the process's)
 *
 * Locks are taken in the order exec, threads, wasi, actions, files, map; none is held while guest code runs or a call of the guest blocks.
 */
#pragma once

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "rt/rt.h"
#include "vk/vk.h"
#include "vk/wali-abi.h"

typedef struct VkLock {
    uint32_t word; /* futex: 0 free, 1 held, 2 held and waited for */
} VkLock;

void vk_lock_wait(VkLock *lock); /* contended */
void vk_lock_wake(VkLock *lock);
static inline VkLock *vk_lock(VkLock *lock)
{
    uint32_t expected = 0;
    if (__builtin_expect(!__atomic_compare_exchange_n(&lock->word, &expected, 1, false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED), 0)) {
        vk_lock_wait(lock);
    }
    return lock;
}
static inline void vk_unlock(VkLock *lock)
{
    if (__builtin_expect(__atomic_exchange_n(&lock->word, 0, __ATOMIC_RELEASE) == 2, 0)) {
        vk_lock_wake(lock);
    }
}
static inline void vk_unlockp(VkLock **lock) { vk_unlock(*lock); }
/* VK_GUARD() - hold the lock to the end of the block. */
#define VK_GUARD(lock) _cleanup_(vk_unlockp) VkLock *guard_ __attribute__((unused)) = vk_lock(lock)

#define VK_QUEUE_SIZE 64u /* captured signals that wait for delivery; a power of two */

typedef struct VkSignals {
    uint64_t captured;               /* bit S-1: S is in the queue (standard signals are queued once) */
    uint32_t head;                   /* of the queue below */
    uint32_t tail;
    GuestAddr scratch;               /* guest page for siginfo and ucontext, 0 until the first SA_SIGINFO delivery */
    uint32_t scratch_next;
    WaliStack stack;                 /* sigaltstack: remembered, never used */
    siginfo_t queue[VK_QUEUE_SIZE];  /* written by the host handler at head, read at tail by the same thread; last: rarely touched */
} VkSignals;

typedef enum VkEnd { VK_END_RETURN = 0, VK_END_EXIT, VK_END_STOP } VkEnd;

typedef struct VkThread VkThread;
struct VkThread {
    Vk *vk;
    RtInstance *instance;
    VkThread *next;           /* in vk->threads, under the lock of threads */
    int32_t tid;              /* 0 until it runs */
    uint32_t references;      /* of the spawner and of the thread */
    bool is_parked;           /* leader only: waits for an execve to take over or for the end of the process */
    bool is_program;          /* runs an entry's _start: its return is the end of the process */
    bool is_restart_barred;   /* the call that answered EINTR is not to be repeated */
    uint32_t must_stop;       /* another thread's execve wants us gone */
    VkEnd end;                /* why the guest was left */
    GuestAddr clear_tid;      /* set_tid_address: written when the thread ends; the host never learns the address */
    GuestAddr robust_list;    /* set_robust_list: walked by the vkernel */
    uint32_t start_slot;      /* table slot of its function, UINT32_MAX: the entry's */
    uint32_t start_argument;
    uint64_t mask;            /* signal mask it begins with */
    VkSignals signals;        /* last, for its queue */
};

extern _Thread_local VkThread *vk_self;

/* --- thread.c --- */
void vk_threads_setup(Vk *vk);            /* the calling thread becomes the leader */
/* vk_thread_spawn() - a new guest thread. Return: its id, -EAGAIN, -ENOMEM, -EINVAL (not a function of its type), -ENOSYS. */
int64_t vk_thread_spawn(Vk *vk, uint32_t slot, uint32_t argument);
/* vk_thread_leave() - leave the guest; the thread ends where it began. */
void vk_thread_leave(VkThread *self, VkEnd end, int status) __attribute__((noreturn));
/* vk_thread_ended() - on the host's stack, after the guest was left. Returns for workers only, which then have nothing left. */
void vk_thread_ended(VkThread *self, int status);
bool vk_has_threads(const Vk *vk);        /* more than the calling one */
uint32_t vk_thread_count(Vk *vk);
/* vk_tid_is_ours() - a thread of this process or a process of the container. */
bool vk_tid_is_ours(const Vk *vk, int32_t tid);
/* vk_threads_stop() - execve: every other thread is gone or parked when it returns. */
void vk_threads_stop(Vk *vk);
/* vk_exec_lock() - one execve at a time. Return: 0; -EINTR when another thread's execve wants this thread gone. */
int vk_exec_lock(Vk *vk) WARN_UNUSED;
/* vk_exec_hand_over() - the leader goes on with run(leader's instance, vk); the calling worker ends. */
void vk_exec_hand_over(Vk *vk, void (*run)(RtInstance *instance, void *vk)) __attribute__((noreturn));
/* vk_threads_fork() - fork(2) of a process that has or had threads: only the caller is in the child. Return: as fork(2). */
int64_t vk_threads_fork(Vk *vk);

/* --- futex.c --- */
void vk_robust_release(VkThread *self);   /* its robust mutexes are marked, their waiters woken */
void vk_clear_tid(VkThread *self);
