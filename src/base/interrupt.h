/* SPDX-License-Identifier: Apache-2.0 */
/*
 * interrupt.h - a signal that would end the process becomes an error of the work in progress, so that what is half made is
 * removed on the way out. Loops over bytes, files and waiting ask interrupt_check(); whoever called interrupt_begin() ends the
 * process by the signal in the end.
 *
 * SIGINT, SIGTERM and SIGHUP (unless ignored) are remembered; the third one kills at once. SIGPIPE and SIGXFSZ only make the
 * write fail (EPIPE, EFBIG). One thread a process; a process that never calls interrupt_begin() is never interrupted.
 */
#pragma once

#include <stdbool.h>

#include "base/error.h"

void interrupt_begin(void);
/* interrupt_end() - the dispositions that interrupt_begin() found. What was remembered stays. */
void interrupt_end(void);
/* interrupt_check() - Return: 0; -EINTR a signal came. */
int interrupt_check(void) WARN_UNUSED;
/* interrupt_signal() - that signal, or 0. */
int interrupt_signal(void);
/* interrupt_was_pipe() - a write went to a pipe that nobody reads. */
bool interrupt_was_pipe(void);
