/* SPDX-License-Identifier: Apache-2.0 */
/*
 * disassemble.h - one function as text: an instruction a line, named as in the text format, with its byte offset in the module.
 *
 * For people (recompiler inspect --disassemble): the offsets are those of trap reports. It decodes with instr.h, so it
 * shows exactly what the compiler sees; the module need not be valid, and a malformed body ends with the error.
 * Safe: read-only on the module; any number of threads.
 */
#pragma once

#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "wasm/module.h"

/*
 * wasm_disassemble_each() - every instruction of defined function func_index in order.
 * @emit: offset is the instruction's byte offset in the module, depth its nesting in blocks (the body is 0), text its name and
 *        immediates ("i32.load offset=8", "call 12 (strlen)"), valid during the call. A return < 0 ends the walk and is returned.
 * Names come from names (may have func_count 0) and are made printable ASCII.
 * Return: 0; -EBADMSG malformed body; -EINVAL imported or unknown function; -ENOMEM; what emit returned.
 * Source: wasm core 5.4 (binary format of instructions), 6.5 (text format).
 */
typedef int (*WasmDisassembleEmit)(void *context, uint64_t offset, uint32_t depth, const char *text);
int wasm_disassemble_each(const WasmModule *module, const WasmNames *names, uint32_t func_index, WasmDisassembleEmit emit, void *context,
                          Error *err) WARN_UNUSED;

/* wasm_func_name_text() - the function's name from the name section, printable ASCII, or "" when it has none. */
void wasm_func_name_text(const WasmNames *names, uint32_t func_index, char *text, size_t text_size);

/* wasm_func_type_text() - "(i32 i64) -> (f32)" appended to buf. */
void wasm_func_type_text(const WasmFuncType *type, Buf *buf);
