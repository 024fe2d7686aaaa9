/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vfork as fork, with what programs rely on (vfork(2)): the parent goes on when the child has begun another program or ended, and then finds in its own
 * stack what the child left there. That is how a failed exec is reported: "volatile int failed = 0; if (!vfork()) { exec...; failed = errno; _exit(1); }".
 *
 *   parent: [pipe] fork, read ...............................................until the pipe's other end is closed everywhere
 *   child:         exec: closes it.   _exit: writes the stack from the caller of vfork up, ends
 *
 * Static data and the heap are not shared: a libc's own would be among it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#include "pthread_impl.h"
#include "syscall.h"

#define CHANNEL_LEAST 100 /* away from the numbers that a child gives to its redirections */

extern unsigned char __stack_high;
extern hidden void (*__exit_hook)(int is_exit);

static struct { int fd; ino_t inode; const unsigned char *low; } channel;

/* In the child, before it ends or becomes two. */
static void channel_end(int is_exit)
{
	struct stat status;
	__exit_hook = 0;
	/* The program may have closed the number and used it for something of its own. */
	if (fstat(channel.fd, &status) || !S_ISFIFO(status.st_mode) || status.st_ino != channel.inode) return;
	const unsigned char *at = channel.low;
	while (is_exit && at < &__stack_high) {
		const long n = __syscall(SYS_write, channel.fd, at, &__stack_high - at);
		if (n <= 0) break;
		at += n;
	}
	__syscall(SYS_close, channel.fd);
}

/* The pipe's end for the child, at a high number. */
static int channel_open(int ends[2], struct stat *status)
{
	if (pipe2(ends, O_CLOEXEC)) return -1;
	const int high = fcntl(ends[1], F_DUPFD_CLOEXEC, CHANNEL_LEAST);
	if (high >= 0) {
		__syscall(SYS_close, ends[1]);
		ends[1] = high;
	}
	return fstat(ends[1], status);
}

__attribute__((noinline)) static pid_t vfork_from(unsigned char *low)
{
	struct stat status;
	int ends[2], state = errno;
	if (channel_open(ends, &status)) return fork();
	const pid_t pid = fork();
	if (!pid) {
		__syscall(SYS_close, ends[0]);
		channel.fd = ends[1];
		channel.inode = status.st_ino;
		channel.low = low;
		__exit_hook = channel_end;
		return 0;
	}
	if (pid < 0) state = errno;
	__syscall(SYS_close, ends[1]);
	for (unsigned char *at = low; pid > 0; ) {
		const long n = __syscall(SYS_read, ends[0], at, &__stack_high - at);
		if (n > 0) at += n;
		else if (n != -EINTR) break;
	}
	__syscall(SYS_close, ends[0]);
	errno = state;
	return pid;
}

pid_t vfork(void)
{
	unsigned char mark[16]; /* above it are the callers' frames only */
	__asm__ volatile ("" : : "r"(mark) : "memory");
	return vfork_from(mark + sizeof mark);
}
