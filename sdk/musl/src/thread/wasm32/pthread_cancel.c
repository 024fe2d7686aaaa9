/* SPDX-License-Identifier: Apache-2.0 */
/* A blocked system call cannot be left from a signal handler in a guest, so cancellation is not offered. */
#include "pthread_impl.h"
#include "syscall.h"

hidden long __cancel(void), __syscall_cp_c(void);

long __cancel(void)
{
	return -ECANCELED;
}

void __testcancel(void)
{
}

int pthread_cancel(pthread_t t)
{
	(void)t;
	return ENOSYS;
}
