/* SPDX-License-Identifier: Apache-2.0 */
/*
 * __clone() for posix_spawn, system and popen, which ask for CLONE_VM|CLONE_VFORK: a fork serves, because they report a
 * failed exec through a pipe and not through shared memory. Anything else (threads) does not come through here.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include "pthread_impl.h"
#include "syscall.h"

int __clone(int (*func)(void *), void *stack, int flags, void *arg, ...)
{
	(void)stack;
	if ((flags & ~(CLONE_VM|CLONE_VFORK)) != SIGCHLD) return -ENOSYS;
	int pid = __syscall(SYS_fork);
	if (pid) return pid;
	__pthread_self()->tid = __syscall(SYS_gettid);
	__syscall(SYS_exit_group, func(arg));
	a_crash();
	return 0;
}
