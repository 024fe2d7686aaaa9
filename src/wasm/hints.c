/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hints.c - the custom section metadata.code.branch_hint (branch hinting proposal; code metadata in the tool conventions):
 *
 *     section   vec(function: index u32, vec(hint: offset u32, size u32 = 1, value 0 unlikely | 1 likely))
 *
 * Functions and, in a function, offsets come in rising order. An offset counts from the start of the body, its locals included, and is
 * that of an `if` or `br_if`. A hint cannot make code wrong, only slow; but one that is off the mark says that the section belongs to
 * other code, so a section with anything wrong in it is not used at all.
 */
#include <errno.h>
#include <string.h>

#include "base/limits.h"
#include "opcodes.h"
#include "wasm/bytes-int.h"

#define SECTION_NAME "metadata.code.branch_hint"

typedef struct HintReader {
    const WasmModule *module;
    WasmBytes bytes; /* of the section */
    WasmHint *hints;
    uint32_t count, capacity;
} HintReader;

static const WasmCustom *hint_section(const WasmModule *module)
{
    for (uint32_t i = 0; i < module->custom_count; i++) {
        const WasmSlice *name = &module->customs[i].name;
        if (name->size == strlen(SECTION_NAME) && memcmp(name->bytes, SECTION_NAME, name->size) == 0)
            return &module->customs[i];
    }
    return NULL;
}

/* Each hint of a function is at an if or br_if: the body is decoded up to the last of them. */
static int targets_check(const HintReader *reader, const WasmFunc *func, uint32_t first)
{
    WasmLocals locals;
    int r = wasm_locals_read(func->body, func->body_offset, 0, NULL, &locals, reader->bytes.err);

    WasmInstr instr = {.end = r < 0 ? 0 : locals.code_start};
    for (uint32_t i = first; r >= 0 && i < reader->count;) {
        if (instr.end >= func->body.size)
            return error_set(reader->bytes.err, EBADMSG, "no instruction at offset 0x%x of the body: invalid target", reader->hints[i].offset);
        r = wasm_instr_read(func->body, func->body_offset, instr.end, &instr, reader->bytes.err);
        if (r < 0 || instr.start < reader->hints[i].offset)
            continue;
        const bool is_branch = instr.opcode == WASM_OP_IF || instr.opcode == WASM_OP_BR_IF;
        if (instr.start > reader->hints[i].offset || !is_branch)
            return error_set(reader->bytes.err, EBADMSG, "no branch at offset 0x%x of the body: invalid target", reader->hints[i].offset);
        i++;
    }
    return r < 0 ? -EBADMSG : 0; /* the body may be wrong in itself: this section then is, too */
}

static int hint_read(HintReader *reader, size_t *position, WasmHint *hint)
{
    const size_t start = *position;
    uint32_t size = 0;
    uint8_t value = 0;
    int r = wasm_u32_read(&reader->bytes, position, &hint->offset);

    if (r >= 0)
        r = wasm_u32_read(&reader->bytes, position, &size);
    if (r >= 0)
        r = wasm_byte_read(&reader->bytes, position, &value);
    if (r < 0)
        return r;
    if (size != 1 || value > 1)
        return wasm_bytes_error(&reader->bytes, start, EBADMSG, "malformed branch hint");
    hint->is_likely = value == 1;
    return 0;
}

static int func_hints_read(HintReader *reader, size_t *position, uint32_t func_index)
{
    const WasmModule *module = reader->module;
    const size_t start = *position;
    const uint32_t first = reader->count;
    uint32_t count = 0;
    int r = wasm_u32_read(&reader->bytes, position, &count);

    if (r >= 0 && (func_index < module->imported_func_count || func_index >= module->func_count))
        r = wasm_bytes_error(&reader->bytes, start, EBADMSG, "unknown function %u", func_index);
    for (uint32_t i = 0; r >= 0 && i < count; i++) {
        if (reader->count == reader->capacity)
            return wasm_bytes_error(&reader->bytes, *position, EBADMSG, "unexpected end");
        WasmHint *hint = &reader->hints[reader->count++];
        hint->func_index = func_index;
        r = hint_read(reader, position, hint);
        if (r >= 0 && i > 0 && hint[-1].offset >= hint->offset)
            r = wasm_bytes_error(&reader->bytes, start, EBADMSG, "offsets out of order");
    }
    return r < 0 ? r : targets_check(reader, &module->funcs[func_index], first);
}

int wasm_hints_read(const WasmModule *module, Arena *arena, WasmHints *ret_hints, Error *err)
{
    const WasmCustom *custom = hint_section(module);
    uint32_t func_count = 0, func_index = 0, last = 0;
    size_t position = 0;

    *ret_hints = (WasmHints){0};
    if (!custom)
        return 0;
    HintReader reader = {.module = module, .capacity = (uint32_t)(custom->bytes.size / 3)}; /* a hint is three bytes at least */
    reader.bytes = (WasmBytes){.bytes = custom->bytes.bytes, .end = custom->bytes.size, .offset = custom->offset, .err = err};
    reader.hints = arena_new_array(arena, reader.capacity, WasmHint);
    if (!reader.hints)
        return error_set(err, ENOMEM, "out of memory");
    int r = wasm_u32_read(&reader.bytes, &position, &func_count);
    for (uint32_t i = 0; r >= 0 && i < func_count; i++) {
        r = wasm_u32_read(&reader.bytes, &position, &func_index);
        if (r >= 0 && i > 0 && func_index <= last)
            r = wasm_bytes_error(&reader.bytes, position, EBADMSG, "functions out of order");
        if (r >= 0)
            r = func_hints_read(&reader, &position, func_index);
        last = func_index;
    }
    if (r >= 0 && position != custom->bytes.size)
        r = wasm_bytes_error(&reader.bytes, position, EBADMSG, "section size mismatch");
    if (r < 0)
        return error_wrap(err, r, "branch hints");
    *ret_hints = (WasmHints){.count = reader.count, .hints = reader.hints};
    return 0;
}
