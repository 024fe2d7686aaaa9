/* SPDX-License-Identifier: Apache-2.0 */
/*
 * read-segments.c - the sections with contents: element, data count, code, data (wasm core 5.5.12 - 5.5.15).
 */
#include <errno.h>

#include "base/must.h"
#include "wasm/read-int.h"

/* vec(funcidx) */
static int func_items_read(const Reader *reader, size_t *position, WasmElemSegment *segment)
{
    int r = wasm_reader_count(reader, position, LIMIT_TABLE_ELEMENTS, 1, "elements", &segment->item_count);

    if (r < 0)
        return r;
    uint32_t *items = arena_new_array(reader->arena, segment->item_count, uint32_t);
    if (!items)
        return wasm_reader_no_memory(reader);
    for (uint32_t i = 0; i < segment->item_count; i++) {
        r = wasm_u32_read(&reader->bytes, position, &items[i]);
        if (r < 0)
            return r;
    }
    segment->func_indices = items;
    return 0;
}

/* vec(expr) */
static int expr_items_read(const Reader *reader, size_t *position, WasmElemSegment *segment)
{
    int r = wasm_reader_count(reader, position, LIMIT_TABLE_ELEMENTS, 1, "elements", &segment->item_count);

    if (r < 0)
        return r;
    WasmConstExpr *items = arena_new_array(reader->arena, segment->item_count, WasmConstExpr);
    if (!items)
        return wasm_reader_no_memory(reader);
    for (uint32_t i = 0; i < segment->item_count; i++) {
        r = wasm_reader_expr(reader, position, &items[i]);
        if (r < 0)
            return r;
    }
    segment->exprs = items;
    return 0;
}

/* elemkind: only 0x00, function references */
static int element_kind_read(const Reader *reader, size_t *position)
{
    const size_t start = *position;
    uint8_t kind = 0;
    const int r = wasm_byte_read(&reader->bytes, position, &kind);

    if (r < 0)
        return r;
    return kind == 0 ? 0 : wasm_bytes_error(&reader->bytes, start, EBADMSG, "malformed element kind");
}

/*
 * elem. Flags: bit 0 passive or declarative, bit 1 explicit table index (active) or declarative, bit 2 expressions.
 * Flags 0 and 4 leave table and type out: table 0, funcref.
 */
static int element_read(const Reader *reader, size_t *position, WasmElemSegment *segment)
{
    const size_t start = *position;
    uint32_t flags;
    int r = wasm_u32_read(&reader->bytes, position, &flags);

    if (r < 0)
        return r;
    if (flags > 7)
        return wasm_bytes_error(&reader->bytes, start, EBADMSG, "malformed elements segment kind");
    segment->type = WASM_FUNCREF;
    segment->mode = !(flags & 1) ? WASM_SEGMENT_ACTIVE : flags & 2 ? WASM_SEGMENT_DECLARATIVE : WASM_SEGMENT_PASSIVE;
    if (segment->mode == WASM_SEGMENT_ACTIVE) {
        if (flags & 2)
            r = wasm_u32_read(&reader->bytes, position, &segment->table_index);
        if (r >= 0)
            r = wasm_reader_expr(reader, position, &segment->offset);
    }
    if (r >= 0 && (flags & 3)) {
        r = flags & 4 ? wasm_ref_type_read(&reader->bytes, position, &segment->type)
                      : element_kind_read(reader, position);
    }
    if (r < 0)
        return r;
    return flags & 4 ? expr_items_read(reader, position, segment) : func_items_read(reader, position, segment);
}

int wasm_reader_elements(Reader *reader, size_t *position)
{
    WasmModule *module = reader->module;
    int r = wasm_reader_count(reader, position, LIMIT_SEGMENTS, 2, "element segments", &module->elem_count);

    if (r < 0)
        return r;
    WasmElemSegment *segments = arena_new_array(reader->arena, module->elem_count, WasmElemSegment);
    if (!segments)
        return wasm_reader_no_memory(reader);
    for (uint32_t i = 0; i < module->elem_count; i++) {
        r = element_read(reader, position, &segments[i]);
        if (r < 0)
            return r;
    }
    module->elems = segments;
    return 0;
}

int wasm_reader_data_count(Reader *reader, size_t *position)
{
    WasmModule *module = reader->module;
    const size_t start = *position;
    const int r = wasm_u32_read(&reader->bytes, position, &module->data_count);

    if (r < 0)
        return r;
    if (module->data_count > LIMIT_SEGMENTS) {
        return wasm_bytes_error(&reader->bytes, start, E2BIG, "%u data segments, the limit is %u", module->data_count,
                                LIMIT_SEGMENTS);
    }
    module->has_data_count = true;
    return 0;
}

/* code: the size, then locals and instructions, which are the validator's to decode */
static int code_read(const Reader *reader, size_t *position, WasmFunc *func)
{
    const size_t start = *position;
    uint32_t size;
    int r = wasm_u32_read(&reader->bytes, position, &size);

    if (r < 0)
        return r;
    func->body_offset = reader->bytes.offset + *position;
    r = wasm_slice_read(&reader->bytes, position, size, &func->body);
    if (r < 0)
        return r;
    if (size > LIMIT_BODY_SIZE) {
        return wasm_bytes_error(&reader->bytes, start, E2BIG, "a function body of %u bytes, the limit is %u", size,
                                LIMIT_BODY_SIZE);
    }
    return 0;
}

int wasm_reader_codes(Reader *reader, size_t *position)
{
    WasmModule *module = reader->module;
    const size_t start = *position;
    uint32_t count;

    module->code_section_offset = reader->bytes.offset + *position;
    int r = wasm_reader_count(reader, position, LIMIT_FUNCTIONS, 1, "functions", &count);
    if (r < 0)
        return r;
    if (count != module->func_count - module->imported_func_count) {
        return wasm_bytes_error(&reader->bytes, start, EBADMSG,
                                "function and code section have inconsistent lengths");
    }
    reader->has_code = true;
    for (uint32_t i = module->imported_func_count; i < module->func_count; i++) {
        r = code_read(reader, position, &reader->funcs[i]);
        if (r < 0)
            return r;
    }
    return 0;
}

/* data. Flags: 0 active in memory 0, 1 passive, 2 active with a memory index */
static int data_read(const Reader *reader, size_t *position, WasmDataSegment *segment)
{
    const size_t start = *position;
    uint32_t flags;
    uint32_t size;
    int r = wasm_u32_read(&reader->bytes, position, &flags);

    if (r < 0)
        return r;
    if (flags > 2)
        return wasm_bytes_error(&reader->bytes, start, EBADMSG, "malformed data segment kind");
    segment->mode = flags == 1 ? WASM_SEGMENT_PASSIVE : WASM_SEGMENT_ACTIVE;
    if (flags == 2)
        r = wasm_u32_read(&reader->bytes, position, &segment->memory_index);
    if (r >= 0 && flags != 1)
        r = wasm_reader_expr(reader, position, &segment->offset);
    if (r >= 0)
        r = wasm_u32_read(&reader->bytes, position, &size);
    if (r < 0)
        return r;
    return wasm_slice_read(&reader->bytes, position, size, &segment->bytes);
}

int wasm_reader_datas(Reader *reader, size_t *position)
{
    WasmModule *module = reader->module;
    const size_t start = *position;
    uint32_t count;
    int r = wasm_reader_count(reader, position, LIMIT_SEGMENTS, 2, "data segments", &count);

    if (r < 0)
        return r;
    if (module->has_data_count && module->data_count != count) {
        return wasm_bytes_error(&reader->bytes, start, EBADMSG,
                                "data count and data section have inconsistent lengths");
    }
    WasmDataSegment *segments = arena_new_array(reader->arena, count, WasmDataSegment);
    if (!segments)
        return wasm_reader_no_memory(reader);
    for (uint32_t i = 0; i < count; i++) {
        r = data_read(reader, position, &segments[i]);
        if (r < 0)
            return r;
    }
    module->data_count = count;
    module->datas = segments;
    return 0;
}
