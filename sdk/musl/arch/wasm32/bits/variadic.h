/* SPDX-License-Identifier: Apache-2.0 */
/*
 * variadic.h - syscall() and prctl() take their arguments as long, which is 8 bytes here, while callers pass ints and
 * pointers of 4 bytes. The macros widen every argument: pointers without sign.
 */
#ifndef _BITS_VARIADIC_H
#define _BITS_VARIADIC_H
#if !defined(__cplusplus) && !defined(__WALI_LIBC)
#define __WALI_WIDE(x) ((long)(x))
#define __WALI_COUNT_(a, b, c, d, e, f, g, n, ...) n
#define __WALI_COUNT(...) __WALI_COUNT_(__VA_ARGS__, 7, 6, 5, 4, 3, 2, 1, 0)
#define __WALI_PASTE_(a, b) a##b
#define __WALI_PASTE(a, b) __WALI_PASTE_(a, b)
#define __WALI_WIDE1(n) n, 0L, 0L, 0L, 0L, 0L, 0L
#define __WALI_WIDE2(n, a) n, __WALI_WIDE(a), 0L, 0L, 0L, 0L, 0L
#define __WALI_WIDE3(n, a, b) n, __WALI_WIDE(a), __WALI_WIDE(b), 0L, 0L, 0L, 0L
#define __WALI_WIDE4(n, a, b, c) n, __WALI_WIDE(a), __WALI_WIDE(b), __WALI_WIDE(c), 0L, 0L, 0L
#define __WALI_WIDE5(n, a, b, c, d) n, __WALI_WIDE(a), __WALI_WIDE(b), __WALI_WIDE(c), __WALI_WIDE(d), 0L, 0L
#define __WALI_WIDE6(n, a, b, c, d, e) n, __WALI_WIDE(a), __WALI_WIDE(b), __WALI_WIDE(c), __WALI_WIDE(d), __WALI_WIDE(e), 0L
#define __WALI_WIDE7(n, a, b, c, d, e, f) n, __WALI_WIDE(a), __WALI_WIDE(b), __WALI_WIDE(c), __WALI_WIDE(d), __WALI_WIDE(e), __WALI_WIDE(f)
/* syscall() with a constant number is the import itself, so that the other imports stay out of the program. */
#include <bits/wali-syscalls.h>
int *__errno_location(void) __attribute__((__const__));
long __wali_syscall_any(long, long, long, long, long, long, long);
static __inline __attribute__((__always_inline__)) long
__wali_syscall_user(long __n, long __a, long __b, long __c, long __d, long __e, long __f)
{
	long __r;
	if (!__builtin_constant_p(__n)) return __wali_syscall_any(__n, __a, __b, __c, __d, __e, __f);
	__r = __wali_syscall(__n, __a, __b, __c, __d, __e, __f);
	if (__r >= 0 || __r < -4095) return __r;
	*__errno_location() = -__r;
	return -1;
}
#define __WALI_WIDEN(...) __WALI_PASTE(__WALI_WIDE, __WALI_COUNT(__VA_ARGS__))(__VA_ARGS__)
#endif
#endif
