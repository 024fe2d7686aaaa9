/* SPDX-License-Identifier: Apache-2.0 */
/*
 * must.h - assertions about our own code, on in every build.
 *
 * must(x) states what a correct caller or a correct piece of our own code
 * guarantees; a failure prints the expression and aborts this process (one
 * process per instance, so a bug kills one guest). Never use it on bytes that
 * come from a guest, a file or a socket: those are errors (error.h).
 * dbg_must(x) is for checks that are costly or hot: on when RC_DEBUG is set.
 */
#pragma once

#include <stdbool.h>

/* Prints "must: FILE:LINE: EXPR" to stderr with write(2) and aborts. Safe in signal handlers. */
void must_fail(const char *expression, const char *file, int line) __attribute__((noreturn, cold));

#define must(x) (__builtin_expect(!!(x), 1) ? (void)0 : must_fail(#x, __FILE__, __LINE__))

#ifdef RC_DEBUG
#define dbg_must(x) must(x)
#else
#define dbg_must(x) ((void)sizeof(!!(x)))
#endif
