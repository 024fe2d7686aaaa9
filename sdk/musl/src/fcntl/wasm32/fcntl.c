/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fcntl() - the variable argument is an int or a pointer in practice, both 4 bytes here, while long has 8: reading a
 * long would take its upper half from whatever lies behind the argument.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include "syscall.h"

int fcntl(int fd, int cmd, ...)
{
	va_list ap;
	va_start(ap, cmd);
	int arg = va_arg(ap, int);
	va_end(ap);
	switch (cmd) {
	case F_SETFL:
		return syscall(SYS_fcntl, fd, F_SETFL, (long)(arg | O_LARGEFILE));
	case F_SETLKW:
	case F_SETLK:
	case F_GETLK:
	case F_OFD_SETLK:
	case F_OFD_SETLKW:
	case F_OFD_GETLK:
	case F_GETOWN_EX:
	case F_SETOWN_EX:
		return syscall(SYS_fcntl, fd, cmd, (unsigned long)(unsigned)arg);
	case F_GETOWN: {
		struct f_owner_ex ex;
		int ret = __syscall(SYS_fcntl, fd, F_GETOWN_EX, &ex);
		if (ret == -EINVAL) return syscall(SYS_fcntl, fd, cmd, (long)arg);
		if (ret) return __syscall_ret(ret);
		return ex.type == F_OWNER_PGRP ? -ex.pid : ex.pid;
	}
	default:
		return syscall(SYS_fcntl, fd, cmd, (long)arg);
	}
}
