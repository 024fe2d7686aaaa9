/* SPDX-License-Identifier: Apache-2.0 */
/*
 * recompiler.h - what a program can tell the runtime (doc/snapshots.md).
 */
#ifndef _RECOMPILER_H
#define _RECOMPILER_H

#ifdef __cplusplus
extern "C" {
#endif

/* The program is initialised and has done nothing yet that another run must not share. Where no snapshot is being made this does nothing. */
void recompiler_ready(void) __attribute__((import_module("recompiler"), import_name("ready")));

#ifdef __cplusplus
}
#endif
#endif
