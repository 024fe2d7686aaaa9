/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lines.c - the custom section "recompiler.lines": written by the linker, read by the compiler.
 *
 * Rows are stored function by function as differences, so that a row takes three or four bytes.
 */
#include "wasm/lines.h"

#include <errno.h>
#include <string.h>

#include "base/limits.h"
#include "base/must.h"
#include "wasm/bytes-int.h"

uint32_t lines_find(const WasmLines *lines, uint64_t offset)
{
    uint32_t low = 0, high = lines->row_count; /* rows [0, low) begin at or before offset, [high, ...) after it */
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        if (lines->rows[middle].offset <= offset) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low > 0 ? low - 1 : UINT32_MAX;
}

/* --- write --- */

/* The rows [*ret_first, *ret_end) that begin in the function's body. */
static void func_rows(const WasmLines *lines, const WasmFunc *func, uint32_t *ret_first, uint32_t *ret_end)
{
    const uint32_t before = func->body_offset > 0 ? lines_find(lines, func->body_offset - 1) : UINT32_MAX;
    *ret_first = before == UINT32_MAX ? 0 : before + 1;
    uint32_t end = *ret_first;
    while (end < lines->row_count && lines->rows[end].offset < func->body_offset + func->body.size) {
        end++;
    }
    *ret_end = end;
}

int lines_write(const WasmLines *lines, const WasmModule *module, Buf *buf)
{
    buf_append_byte(buf, LINES_VERSION);
    buf_append_uleb(buf, lines->file_count);
    for (uint32_t i = 0; i < lines->file_count; i++) {
        const size_t size = strlen(lines->files[i]);
        must(size > 0 && size <= LINES_PATH_SIZE);
        buf_append_uleb(buf, size);
        buf_append(buf, lines->files[i], size);
    }
    uint32_t first, end, count = 0;
    for (uint32_t i = module->imported_func_count; i < module->func_count; i++) {
        func_rows(lines, &module->funcs[i], &first, &end);
        count += end > first;
    }
    buf_append_uleb(buf, count);
    uint32_t previous = 0;
    for (uint32_t i = module->imported_func_count; i < module->func_count; i++) {
        func_rows(lines, &module->funcs[i], &first, &end);
        if (end == first) {
            continue;
        }
        buf_append_uleb(buf, i - previous);
        buf_append_uleb(buf, end - first);
        previous = i;
        uint64_t offset = module->funcs[i].body_offset;
        int64_t line = 0;
        for (uint32_t k = first; k < end; k++) {
            const WasmLine *row = &lines->rows[k];
            buf_append_uleb(buf, row->offset - offset);
            buf_append_uleb(buf, row->file);
            buf_append_sleb(buf, (int64_t)row->line - line);
            offset = row->offset;
            line = row->line;
        }
    }
    return buf_error(buf);
}

/* --- read --- */

static int files_read(const WasmBytes *bytes, size_t *position, Arena *arena, WasmLines *lines)
{
    uint32_t count;
    int r = wasm_u32_read(bytes, position, &count);
    if (r < 0) {
        return r;
    }
    if (count > LINES_FILES_MAXIMUM || count > bytes->end - *position) {
        return wasm_bytes_error(bytes, *position, EBADMSG, "%u files", count);
    }
    const char **files = arena_array(arena, count, sizeof(*files));
    if (files == NULL) {
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < count; i++) {
        uint32_t size = 0;
        WasmSlice name;
        r = wasm_u32_read(bytes, position, &size);
        r = r < 0 ? r : wasm_slice_read(bytes, position, size, &name);
        if (r < 0) {
            return r;
        }
        if (size == 0 || size > LINES_PATH_SIZE || memchr(name.bytes, '\0', size) != NULL) {
            return wasm_bytes_error(bytes, *position, EBADMSG, "name of file %u", i);
        }
        files[i] = arena_strndup(arena, (const char *)name.bytes, size);
        if (files[i] == NULL) {
            return -ENOMEM;
        }
    }
    lines->files = files;
    lines->file_count = count;
    return 0;
}

static int row_read(const WasmBytes *bytes, size_t *position, const WasmLines *lines, bool is_first, WasmLine *row)
{
    uint32_t delta = 0, file = 0;
    int64_t line_delta = 0;
    const size_t start = *position;
    int r = wasm_u32_read(bytes, position, &delta);
    r = r < 0 ? r : wasm_u32_read(bytes, position, &file);
    r = r < 0 ? r : wasm_s64_read(bytes, position, &line_delta);
    if (r < 0) {
        return r;
    }
    const bool is_in_order = (is_first || delta > 0) && delta <= UINT32_MAX - row->offset;
    if (!is_in_order || file >= lines->file_count || line_delta < -(int64_t)row->line || line_delta > INT32_MAX - (int64_t)row->line) {
        return wasm_bytes_error(bytes, start, EBADMSG, "row of a line");
    }
    row->offset += delta;
    row->file = file;
    row->line = (uint32_t)(row->line + line_delta);
    return 0;
}

static int func_read(const WasmBytes *bytes, size_t *position, const WasmModule *module, uint64_t *func_index, const WasmLines *lines, Buf *rows)
{
    uint32_t delta = 0, count = 0;
    const size_t start = *position;
    int r = wasm_u32_read(bytes, position, &delta);
    r = r < 0 ? r : wasm_u32_read(bytes, position, &count);
    if (r < 0) {
        return r;
    }
    const bool is_first = rows->size == 0;
    *func_index += delta;
    if ((delta == 0 && !is_first) || *func_index >= module->func_count || module->funcs[*func_index].is_imported || count == 0) {
        return wasm_bytes_error(bytes, start, EBADMSG, "function of a line");
    }
    const WasmFunc *func = &module->funcs[*func_index];
    WasmLine row = {.offset = (uint32_t)func->body_offset};
    for (uint32_t i = 0; i < count; i++) {
        r = row_read(bytes, position, lines, i == 0, &row);
        if (r < 0) {
            return r;
        }
        if (row.offset - func->body_offset >= func->body.size) {
            return wasm_bytes_error(bytes, start, EBADMSG, "row outside of its function");
        }
        buf_append(rows, &row, sizeof(row));
        if (buf_error(rows) < 0) {
            return buf_error(rows);
        }
    }
    const WasmLine end = {.offset = (uint32_t)(func->body_offset + func->body.size)}; /* what follows may have no rows */
    buf_append(rows, &end, sizeof(end));
    return buf_error(rows);
}

static int section_read(const WasmCustom *custom, const WasmModule *module, Arena *arena, WasmLines *lines, Error *err)
{
    const WasmBytes bytes = {.bytes = custom->bytes.bytes, .end = custom->bytes.size, .offset = custom->offset, .err = err};
    Buf rows = BUF_INIT((size_t)LINES_ROWS_MAXIMUM * sizeof(WasmLine));
    size_t position = 0;
    uint8_t version = 0;
    uint32_t func_count = 0;
    uint64_t func_index = 0;
    int r = wasm_byte_read(&bytes, &position, &version);
    if (r == 0 && version != LINES_VERSION) {
        r = wasm_bytes_error(&bytes, 0, EBADMSG, "version %u", version);
    }
    r = r < 0 ? r : files_read(&bytes, &position, arena, lines);
    r = r < 0 ? r : wasm_u32_read(&bytes, &position, &func_count);
    for (uint32_t i = 0; r == 0 && i < func_count; i++) {
        r = func_read(&bytes, &position, module, &func_index, lines, &rows);
    }
    if (r == 0 && position != bytes.end) {
        r = wasm_bytes_error(&bytes, position, EBADMSG, "bytes after the end");
    }
    WasmLine *copy = r == 0 ? arena_new_array(arena, rows.size / sizeof(WasmLine), WasmLine) : NULL;
    if (r == 0 && copy == NULL) {
        r = -ENOMEM;
    }
    if (r == 0 && rows.size > 0) {
        memcpy(copy, rows.bytes, rows.size);
        lines->rows = copy;
        lines->row_count = (uint32_t)(rows.size / sizeof(WasmLine));
    }
    buf_deinit(&rows);
    return r;
}

int lines_read(const WasmModule *module, Arena *arena, WasmLines *ret_lines, Error *err)
{
    WasmLines lines = {0};
    const WasmCustom *found = NULL;
    for (uint32_t i = 0; i < module->custom_count; i++) {
        const WasmCustom *custom = &module->customs[i];
        if (custom->name.size != strlen(LINES_SECTION_NAME) || memcmp(custom->name.bytes, LINES_SECTION_NAME, custom->name.size) != 0) {
            continue;
        }
        if (found != NULL) {
            return error_set(err, EBADMSG, "two sections " LINES_SECTION_NAME);
        }
        found = custom;
    }
    const int r = found != NULL ? section_read(found, module, arena, &lines, err) : 0;
    if (r < 0) {
        return r == -ENOMEM ? error_set(err, ENOMEM, "out of memory") : error_wrap(err, r, "section " LINES_SECTION_NAME);
    }
    *ret_lines = lines;
    return 0;
}
