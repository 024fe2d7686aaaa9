/* SPDX-License-Identifier: Apache-2.0 */
#include "pthread_impl.h"
#include "syscall.h"

void __unmapself(void *base, size_t size)
{
	(void)base, (void)size;
	for (;;) __syscall(SYS_exit, 0);
}
