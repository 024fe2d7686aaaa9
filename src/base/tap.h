/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tap.h - the frame of a unit test: a table of cases, TAP on stdout, must() for every check.
 *
 *     static void test_empty(void) { must(buf_error(&buf) == 0); }
 *     int main(void) { static const TapCase cases[] = {{"empty", test_empty}}; return tap_main(cases, 1); }
 *
 * A case that cannot run here calls tap_skip("reason") and returns: tests/run prints the reason. Only test-*.c include this.
 */
#pragma once

#include <stddef.h>
#include <stdio.h>

#include "base/must.h"

typedef struct TapCase {
    const char *name;
    void (*run)(void);
} TapCase;

#define TAP_COUNT(cases) (sizeof(cases) / sizeof(cases)[0])

static const char *tap_skip_reason; /* set by the running case */

static inline void tap_skip(const char *reason)
{
    tap_skip_reason = reason;
}

static inline int tap_main(const TapCase *cases, size_t count)
{
    /* Unbuffered: children forked by a case must not print the lines of earlier cases again. */
    (void)setvbuf(stdout, NULL, _IONBF, 0);
    (void)printf("1..%zu\n", count);
    for (size_t i = 0; i < count; i++) {
        tap_skip_reason = NULL;
        cases[i].run();
        (void)printf("ok %zu - %s%s%s\n", i + 1, cases[i].name, tap_skip_reason ? " # SKIP " : "",
                     tap_skip_reason ? tap_skip_reason : "");
    }
    return 0;
}
