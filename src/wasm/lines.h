/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lines.h - which source file and line an instruction comes from.
 *
 *   program.wasm  .debug_line (DWARF 4, 5)  --lines_from_dwarf-->  WasmLines of the program
 *   link          positions in bodies change, so the rows are moved and kept in the custom section "recompiler.lines"
 *   megabinary    "recompiler.lines"        --lines_read-------->  WasmLines of the megabinary -> the object, for trap reports
 *
 * Layout and "valid if and only if" of the section: doc/formats/megabinary.md. Line information is never needed for running: a damaged
 * .debug_line gives the rows that could be read, a damaged "recompiler.lines" is an error for who reads it.
 * Source: DWARF 5 section 6.2; WebAssembly tool conventions, "DWARF for WebAssembly" (addresses count from the code section's contents).
 */
#pragma once

#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"
#include "wasm/module.h"

#define LINES_SECTION_NAME "recompiler.lines"
#define LINES_VERSION 1u
#define LINES_FILES_MAXIMUM (1u << 20)
#define LINES_PATH_SIZE 4096u          /* bytes of one file name, without a NUL */
#define LINES_ROWS_MAXIMUM (64u << 20)

typedef struct WasmLine {
    uint32_t offset; /* byte offset in the module where the row begins; it holds up to the next row */
    uint32_t file;   /* index of WasmLines.files */
    uint32_t line;   /* 0: no source */
} WasmLine;

typedef struct WasmLines {
    uint32_t file_count;
    const char *const *files; /* in the arena; printable ASCII or UTF-8 as the compiler wrote it, never empty */
    uint32_t row_count;       /* 0: nothing known */
    const WasmLine *rows;     /* offsets strictly ascending */
} WasmLines;

/* lines_from_dwarf() - from the .debug_line section of a program. Return: 0 (also without or with damaged DWARF); -ENOMEM. */
int lines_from_dwarf(const WasmModule *module, Arena *arena, WasmLines *ret_lines) WARN_UNUSED;

/* lines_read() - from "recompiler.lines"; the rows of a function are closed by one of line 0 at its end.
 * Return: 0 (row_count 0 when there is no such section); -EBADMSG; -ENOMEM. */
int lines_read(const WasmModule *module, Arena *arena, WasmLines *ret_lines, Error *err) WARN_UNUSED;

/* lines_write() - append the contents of "recompiler.lines": only rows that lie in function bodies count. */
int lines_write(const WasmLines *lines, const WasmModule *module, Buf *buf) WARN_UNUSED;

/* lines_find() - the row that covers the byte offset. Return: its index or UINT32_MAX. */
uint32_t lines_find(const WasmLines *lines, uint64_t offset);
