/* SPDX-License-Identifier: Apache-2.0 */
/*
 * source-line.c - byte offset in the megabinary -> source file and line, from the object's section .rc_lines.
 *
 * Runs in signal handlers: no allocation, a binary search with pread(2), every position checked against the section, which the
 * loader checked against the file. A damaged table gives no line.
 */
#include "rt/symbols-int.h"

#include <string.h>
#include <unistd.h>

_Static_assert(sizeof(RtLinesHeader) == 16 && sizeof(RtLinesRow) == 12, "layout of .rc_lines");

static bool range_read(const RtLoaded *loaded, uint64_t offset, void *bytes, size_t size)
{
    const FileRange *range = &loaded->sources;
    return offset <= range->size && size <= range->size - offset &&
           pread(loaded->fd, bytes, size, (off_t)(range->offset + offset)) == (ssize_t)size;
}

/* The last row that begins at or before wasm_offset. */
static bool row_find(const RtLoaded *loaded, uint32_t row_count, uint64_t wasm_offset, RtLinesRow *ret_row)
{
    uint32_t low = 0, high = row_count;
    RtLinesRow row;
    bool is_found = false;
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        if (!range_read(loaded, sizeof(RtLinesHeader) + (uint64_t)middle * sizeof(row), &row, sizeof(row))) {
            return false;
        }
        if (row.offset <= wasm_offset) {
            *ret_row = row;
            is_found = true;
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return is_found;
}

uint32_t symbol_source(const RtLoaded *loaded, uint64_t wasm_offset, char *file, size_t file_size)
{
    RtLinesHeader header;
    RtLinesRow row = {0};
    uint32_t text = 0;
    char name[256];
    file[0] = '\0';
    if (!range_read(loaded, 0, &header, sizeof(header)) || header.magic != RT_LINES_MAGIC || !row_find(loaded, header.row_count, wasm_offset, &row) ||
        row.line == 0 || row.file >= header.file_count) {
        return 0;
    }
    const uint64_t files = sizeof(header) + (uint64_t)header.row_count * sizeof(row), texts = files + (uint64_t)header.file_count * sizeof(text);
    if (!range_read(loaded, files + (uint64_t)row.file * sizeof(text), &text, sizeof(text)) || texts + text >= loaded->sources.size) {
        return 0;
    }
    const uint64_t rest = loaded->sources.size - texts - text;
    const size_t size = rest < sizeof(name) ? (size_t)rest : sizeof(name);
    if (!range_read(loaded, texts + text, name, size)) {
        return 0;
    }
    size_t i = 0;
    for (; i < size && name[i] != '\0' && i + 1 < file_size; i++) {
        file[i] = name[i] >= ' ' && name[i] <= '~' ? name[i] : '?'; /* untrusted: nothing a terminal obeys */
    }
    file[i] = '\0';
    return row.line;
}
