/* SPDX-License-Identifier: Apache-2.0 */
/* syscall() with a number that is not a constant: this one file imports every call there is. */
#define _BSD_SOURCE
#include <stdarg.h>
#include <unistd.h>
#include "syscall.h"

#undef syscall

long __wali_syscall_any(long n, long a, long b, long c, long d, long e, long f)
{
	return __syscall_ret(__syscall6(n, a, b, c, d, e, f));
}

long syscall(long n, ...)
{
	va_list ap;
	va_start(ap, n);
	long a = va_arg(ap, long);
	long b = va_arg(ap, long);
	long c = va_arg(ap, long);
	long d = va_arg(ap, long);
	long e = va_arg(ap, long);
	long f = va_arg(ap, long);
	va_end(ap);
	return __wali_syscall_any(n, a, b, c, d, e, f);
}
