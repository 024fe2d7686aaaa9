/* SPDX-License-Identifier: Apache-2.0 */
/*
 * setjmp.h - setjmp, sigsetjmp and longjmp are imports that the compiler of the megabinary turns into native
 * returns-twice calls, so they are called directly, never through a function of ours or a pointer.
 */
#ifndef _SETJMP_H
#define _SETJMP_H

#ifdef __cplusplus
extern "C" {
#endif

#include <features.h>
#include <bits/setjmp.h>

typedef struct __jmp_buf_tag {
	__jmp_buf __jb;
	unsigned long __fl;
	unsigned long __ss[128 / sizeof(long)];
} jmp_buf[1];

#define __WALI_IMPORT(name) __attribute__((__import_module__("wali"), __import_name__(name)))
#define __WALI_TWICE __attribute__((__returns_twice__))

int setjmp(jmp_buf) __WALI_TWICE __WALI_IMPORT("setjmp");
_Noreturn void longjmp(jmp_buf, int) __WALI_IMPORT("longjmp");
#define setjmp setjmp

#if defined(_POSIX_SOURCE) || defined(_POSIX_C_SOURCE) || defined(_XOPEN_SOURCE) || defined(_GNU_SOURCE) || defined(_BSD_SOURCE)
typedef jmp_buf sigjmp_buf;
int sigsetjmp(sigjmp_buf, int) __WALI_TWICE __WALI_IMPORT("sigsetjmp");
_Noreturn void siglongjmp(sigjmp_buf, int);
#define sigsetjmp sigsetjmp
#endif

#if defined(_XOPEN_SOURCE) || defined(_GNU_SOURCE) || defined(_BSD_SOURCE)
#define _setjmp setjmp
#define _longjmp longjmp
#endif

#undef __WALI_TWICE
#undef __WALI_IMPORT

#ifdef __cplusplus
}
#endif

#endif
