/* SPDX-License-Identifier: Apache-2.0 */
/*
 * meta-lines.c - the section .rc_lines of an object: source file and line by byte offset in the megabinary, for trap reports.
 *
 * Made from the megabinary's "recompiler.lines" when there is one. The runtime reads it from the file when a guest dies; layout:
 * RtLinesHeader in abi.h.
 */
#include <string.h>

#include "aot/aot-int.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "wasm/lines.h"

int meta_lines(Unit *unit)
{
    WasmLines lines;
    const int r = lines_read(unit->plan->module, unit->plan->arena, &lines, unit->err);
    if (r < 0 || lines.row_count == 0) {
        return r;
    }
    _cleanup_(buf_deinit) Buf bytes = BUF_INIT((size_t)2 << 30);
    buf_append_u32le(&bytes, RT_LINES_MAGIC);
    buf_append_u32le(&bytes, lines.file_count);
    buf_append_u32le(&bytes, lines.row_count);
    buf_append_u32le(&bytes, 0);
    for (uint32_t i = 0; i < lines.row_count; i++) {
        buf_append_u32le(&bytes, lines.rows[i].offset);
        buf_append_u32le(&bytes, lines.rows[i].file);
        buf_append_u32le(&bytes, lines.rows[i].line);
    }
    uint64_t text_offset = 0;
    for (uint32_t i = 0; i < lines.file_count; i++) {
        buf_append_u32le(&bytes, (uint32_t)text_offset);
        text_offset += strlen(lines.files[i]) + 1;
    }
    for (uint32_t i = 0; i < lines.file_count; i++) {
        buf_append(&bytes, lines.files[i], strlen(lines.files[i]) + 1);
    }
    if (buf_error(&bytes) < 0) {
        return error_set(unit->err, -buf_error(&bytes), "the table of source lines");
    }
    LLVMValueRef global = meta_data_bytes(unit, "rc_lines", bytes.bytes, bytes.size);
    LLVMSetLinkage(global, LLVMExternalLinkage); /* nothing refers to it: private, it would go */
    LLVMSetVisibility(global, LLVMHiddenVisibility);
    LLVMSetSection(global, RT_LINES_SECTION);
    LLVMSetAlignment(global, 4);
    return 0;
}
