/* SPDX-License-Identifier: Apache-2.0 */
/* The linker lays out thread-local variables; of the main thread only its record is to be filled in. */
#define SYSCALL_NO_TLS 1
#include "pthread_impl.h"
#include "libc.h"
#include "atomic.h"
#include "syscall.h"

volatile int __thread_list_lock;
_Thread_local struct pthread __wali_thread;

int __init_tp(void *p)
{
	pthread_t td = p;
	td->self = td;
	libc.can_do_threads = 0;
	td->detach_state = DT_JOINABLE;
	td->tid = __syscall(SYS_set_tid_address, &__thread_list_lock);
	td->locale = &libc.global_locale;
	td->robust_list.head = &td->robust_list.head;
	td->next = td->prev = td;
	return 0;
}

void *__copy_tls(unsigned char *mem)
{
	return mem;
}

static void static_init_tls(size_t *aux)
{
	(void)aux;
	__init_tp(&__wali_thread);
}

weak_alias(static_init_tls, __init_tls);
