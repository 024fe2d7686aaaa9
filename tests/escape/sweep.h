/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sweep.h - arguments with which each call of syscalls.tbl would do something harmless, so that one of them can be replaced by a hostile one
 * and the answer is about that one.
 */
#pragma once

#include "guest.h"

#define AREA_SIZE 65536u
#define PAGE 4096u

extern uint8_t area[AREA_SIZE + PAGE]; /* what pointers point to: zeros; and a page behind it */
extern uint8_t *none_page, *spare;    /* an inaccessible page with an accessible one before it; two pages of plain memory */

/* arguments_init() - makes the descriptors and pages that arguments refer to; once. */
void arguments_init(void);
/*
 * arguments_for() - good arguments of a call. argument: the one that will be replaced, -1 none: some calls look at it only with certain others
 * beside it. What the call consumes (a zombie, a pending signal, a connection) is made anew.
 */
void arguments_for(int call, int argument, int64_t a[6]);
