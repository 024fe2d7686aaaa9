/* SPDX-License-Identifier: Apache-2.0 */
/*
 * symbols-int.h - names for places in guest code (symbols.c, source-line.c): safe in signal handlers, they read the object file with pread(2).
 */
#pragma once

#include "rt/rt-int.h"

/* symbol_name() - the function's name from .symtab, "" when unknown. */
void symbol_name(const RtLoaded *loaded, uint64_t pc, char *name, size_t name_size);
/* symbol_line() - byte offset in the megabinary from .debug_line, UINT64_MAX when unknown. */
uint64_t symbol_line(const RtLoaded *loaded, uint64_t pc);
/* symbol_source() - the source line from .rc_lines, and the file's name cut to what fits; 0 and "" when unknown. */
uint32_t symbol_source(const RtLoaded *loaded, uint64_t wasm_offset, char *file, size_t file_size);
