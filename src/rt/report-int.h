/* SPDX-License-Identifier: Apache-2.0 */
/*
 * report-int.h - what is said of a trap: its place, its callers, the lines on stderr, the core summary (report.c). Safe in signal handlers.
 */
#pragma once

#include "rt/exception-int.h"
#include "rt/rt-int.h"

/* report_callers() - fills info->frames. @start: rip is a return address (or one more than a faulting pc) in guest code, with rsp and rbp
 * as they are in that frame; changed. Nothing when no guest runs on this thread. */
void report_callers(RtTrapInfo *info, JumpContext *start);
/* report_describe() - function, offset and source line of info->pc. */
void report_describe(RtTrapInfo *info);
/* report_print() - the trap and its callers on stderr. */
void report_print(const RtTrapInfo *info);
/* report_core() - one JSON line to the descriptor of rt_set_core_fd(), if there is one. */
void report_core(const RtInstance *instance, const RtTrapInfo *info);
