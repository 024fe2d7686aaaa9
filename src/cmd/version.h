/* SPDX-License-Identifier: Apache-2.0 */
/* version.h - what this build is. */
#pragma once

#define RECOMPILER_VERSION "0.1.0"

/* version_print() - version, ABI version, LLVM version, CPU features; JSON with --json. */
void version_print(void);
