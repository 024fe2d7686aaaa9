/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz-lines.c - any module's .debug_line and "recompiler.lines": rows in order and in range, and what is accepted is written again as it was.
 */
#include <errno.h>
#include <string.h>

#include "base/must.h"
#include "wasm/lines.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void rows_check(const WasmLines *lines, const WasmModule *module)
{
    for (uint32_t i = 0; i < lines->row_count; i++) {
        must(i == 0 || lines->rows[i].offset > lines->rows[i - 1].offset);
        must(lines->rows[i].line == 0 || lines->rows[i].file < lines->file_count);
        must(lines->rows[i].offset <= module->bytes.size);
        must(lines_find(lines, lines->rows[i].offset) == i);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    Arena arena = ARENA_INIT(1u << 30);
    const WasmModule *module;
    WasmLines lines;
    if (wasm_module_read(bytes, size, &arena, &module, NULL) == 0) {
        must(lines_from_dwarf(module, &arena, &lines) == 0);
        rows_check(&lines, module);
        if (lines_read(module, &arena, &lines, NULL) == 0) {
            rows_check(&lines, module);
            Buf again = BUF_INIT(1u << 30);
            WasmLines same;
            must(lines_write(&lines, module, &again) == 0);
            must(lines.row_count == 0 || again.size > 3);
            buf_deinit(&again);
            must(lines_read(module, &arena, &same, NULL) == 0 && same.row_count == lines.row_count);
        }
    }
    arena_deinit(&arena);
    return 0;
}
