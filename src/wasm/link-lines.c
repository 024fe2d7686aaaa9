/* SPDX-License-Identifier: Apache-2.0 */
/*
 * link-lines.c - the custom section "recompiler.lines": source lines of the programs that have DWARF, moved to where their
 * instructions are in the megabinary.
 *
 * Rewriting a body changes operands and their sizes but neither the number nor the order of its instructions, so the n-th instruction of
 * the program's function is the n-th of the merged one: both are walked side by side. A function that several programs share has the lines
 * of the first that has any. Without DWARF in any program nothing is written.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/limits.h"
#include "base/must.h"
#include "wasm/instr.h"
#include "wasm/lines.h"
#include "wasm/link-int.h"

typedef struct LineLinker {
    Linker *linker;
    WasmLines *programs;      /* by program */
    uint32_t *first_files;    /* by program: index of its file 0 among all */
    const WasmModule *merged;
    Buf rows;                 /* WasmLine of the megabinary */
} LineLinker;

/* The row of an instruction of the program's function, NULL when it has none. */
static const WasmLine *row_of(const WasmLines *lines, const WasmFunc *func, uint64_t offset)
{
    const uint32_t index = lines_find(lines, offset);
    if (index == UINT32_MAX) {
        return NULL;
    }
    const WasmLine *row = &lines->rows[index];
    return row->line != 0 && row->offset >= func->body_offset ? row : NULL;
}

static int row_add(LineLinker *line_linker, uint64_t offset, const WasmLine *row, uint32_t first_file, WasmLine *last)
{
    const WasmLine moved = {.offset = (uint32_t)offset, .file = row != NULL ? row->file + first_file : 0, .line = row != NULL ? row->line : 0};
    if (moved.line == last->line && (moved.line == 0 || moved.file == last->file)) {
        return 0;
    }
    *last = moved;
    buf_append(&line_linker->rows, &moved, sizeof(moved));
    return buf_error(&line_linker->rows);
}

static int func_move(LineLinker *line_linker, const LinkProgram *program, const WasmFunc *from, const WasmFunc *to)
{
    const WasmLines *lines = &line_linker->programs[program->index];
    const size_t start_size = line_linker->rows.size;
    WasmLocals from_locals, to_locals;
    WasmLine last = {0};
    int r = wasm_locals_read(from->body, 0, 0, NULL, &from_locals, NULL);
    r = r < 0 ? r : wasm_locals_read(to->body, 0, 0, NULL, &to_locals, NULL);
    must(r == 0); /* both are read and validated, or written by us */
    WasmInstr old = {.end = from_locals.code_start}, new = {.end = to_locals.code_start};
    /* A prologue that overflows the stack is at the function's beginning, where optimised code has no row of its own. */
    const WasmLine *prologue = row_of(lines, from, from->body_offset);
    prologue = prologue != NULL ? prologue : row_of(lines, from, from->body_offset + from_locals.code_start);
    r = row_add(line_linker, to->body_offset, prologue, line_linker->first_files[program->index], &last);
    while (r == 0 && old.end < from->body.size && new.end < to->body.size) {
        r = wasm_instr_read(from->body, 0, old.end, &old, NULL);
        r = r < 0 ? r : wasm_instr_read(to->body, 0, new.end, &new, NULL);
        must(r == 0);
        const WasmLine *row = row_of(lines, from, from->body_offset + old.start);
        r = row_add(line_linker, to->body_offset + new.start, row, line_linker->first_files[program->index], &last);
    }
    if (r == 0 && (old.end != from->body.size || new.end != to->body.size)) {
        line_linker->rows.size = start_size; /* not the same instructions: no lines are better than wrong ones */
    }
    return r;
}

/* By class: the first node whose program has lines, LINK_NONE when none has. */
static uint32_t *sources_find(LineLinker *line_linker)
{
    const Linker *linker = line_linker->linker;
    uint32_t *sources = arena_new_array(&line_linker->linker->arena, linker->class_count, uint32_t);
    for (uint32_t i = 0; sources != NULL && i < linker->class_count; i++) {
        sources[i] = LINK_NONE;
    }
    for (uint32_t node = 0; sources != NULL && node < linker->func_count; node++) {
        const LinkFunc *func = &linker->funcs[node];
        const bool has_lines = line_linker->programs[func->program].row_count > 0;
        if (func->is_reached && func->import == LINK_NONE && has_lines && sources[func->class_index] == LINK_NONE) {
            sources[func->class_index] = node;
        }
    }
    return sources;
}

static int funcs_move(LineLinker *line_linker)
{
    const Linker *linker = line_linker->linker;
    const uint32_t *sources = sources_find(line_linker);
    int r = sources != NULL ? 0 : -ENOMEM;
    for (uint32_t i = 0; r == 0 && i < linker->defined_count; i++) {
        const uint32_t node = sources[linker->funcs[linker->defined_leader[i]].class_index];
        if (node != LINK_NONE) {
            const LinkProgram *program = &linker->programs[linker->funcs[node].program];
            r = func_move(line_linker, program, &program->module->funcs[node - program->node_base], &line_linker->merged->funcs[linker->import_count + i]);
        }
    }
    return r;
}

typedef struct FileName {
    const char *name;
    uint32_t index; /* before */
} FileName;

static int names_compare(const void *a, const void *b)
{
    const FileName *left = a;
    const FileName *right = b;
    const int order = strcmp(left->name, right->name);
    return order != 0 ? order : left->index < right->index ? -1 : 1;
}

/* Keeps the files that rows name, equal names once, in the order of their names; the rows are renumbered. */
static int files_compact(LineLinker *line_linker, const char **files, uint32_t *file_count)
{
    Arena *arena = &line_linker->linker->arena;
    WasmLine *rows = (WasmLine *)(void *)line_linker->rows.bytes;
    const size_t row_count = line_linker->rows.size / sizeof(*rows);
    FileName *names = arena_new_array(arena, *file_count, FileName);
    uint32_t *renumbered = arena_new_array(arena, *file_count, uint32_t);
    bool *is_used = arena_new_array(arena, *file_count, bool);
    if (names == NULL || renumbered == NULL || is_used == NULL) {
        return -ENOMEM;
    }
    uint32_t used = 0, kept = 0;
    for (size_t i = 0; i < row_count; i++) {
        if (rows[i].line != 0 && !is_used[rows[i].file]) {
            is_used[rows[i].file] = true;
            names[used++] = (FileName){files[rows[i].file], rows[i].file};
        }
    }
    if (used > 1) {
        qsort(names, used, sizeof(*names), names_compare);
    }
    for (uint32_t i = 0; i < used; i++) {
        kept += i == 0 || strcmp(names[i].name, names[i - 1].name) != 0 ? 1 : 0;
        renumbered[names[i].index] = kept - 1;
    }
    for (uint32_t i = 0; i < used; i++) { /* not in the loop above: files still had the names to be compared */
        files[renumbered[names[i].index]] = names[i].name;
    }
    for (size_t i = 0; i < row_count; i++) {
        rows[i].file = rows[i].line != 0 ? renumbered[rows[i].file] : 0;
    }
    *file_count = kept;
    return 0;
}

static int section_make(LineLinker *line_linker, Buf *out)
{
    const Linker *linker = line_linker->linker;
    uint64_t file_count = 0;
    for (uint32_t i = 0; i < linker->program_count; i++) {
        line_linker->first_files[i] = (uint32_t)file_count;
        file_count += line_linker->programs[i].row_count > 0 ? line_linker->programs[i].file_count : 0;
    }
    if (file_count > LINES_FILES_MAXIMUM) {
        return 0; /* without lines rather than without a megabinary */
    }
    const char **files = arena_array(&line_linker->linker->arena, file_count, sizeof(*files));
    if (files == NULL) {
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < linker->program_count; i++) {
        const WasmLines *lines = &line_linker->programs[i];
        if (lines->row_count > 0 && lines->file_count > 0) {
            memcpy(files + line_linker->first_files[i], lines->files, lines->file_count * sizeof(*files));
        }
    }
    int r = funcs_move(line_linker);
    uint32_t kept_count = (uint32_t)file_count;
    r = r < 0 ? r : files_compact(line_linker, files, &kept_count);
    const WasmLines all = {.file_count = kept_count, .files = files, .row_count = (uint32_t)(line_linker->rows.size / sizeof(WasmLine)),
                           .rows = (const WasmLine *)(const void *)line_linker->rows.bytes};
    _cleanup_(buf_deinit) Buf section = BUF_INIT(LIMIT_MODULE_SIZE);
    if (r == 0 && all.row_count > 0) {
        buf_append_uleb(&section, strlen(LINES_SECTION_NAME));
        buf_append_string(&section, LINES_SECTION_NAME);
        r = lines_write(&all, line_linker->merged, &section);
        link_section_write(out, 0, &section);
    }
    return r;
}

int link_lines_write(Linker *linker, size_t start, Buf *out)
{
    LineLinker line_linker = {.linker = linker, .rows = BUF_INIT((size_t)LINES_ROWS_MAXIMUM * sizeof(WasmLine))};
    line_linker.programs = arena_new_array(&linker->arena, linker->program_count, WasmLines);
    line_linker.first_files = arena_new_array(&linker->arena, linker->program_count, uint32_t);
    if (line_linker.programs == NULL || line_linker.first_files == NULL) {
        return -ENOMEM;
    }
    int r = 0;
    bool has_rows = false;
    for (uint32_t i = 0; r == 0 && i < linker->program_count; i++) {
        r = lines_from_dwarf(linker->programs[i].module, &linker->arena, &line_linker.programs[i]);
        has_rows |= line_linker.programs[i].row_count > 0;
    }
    if (r < 0 || !has_rows) {
        return r;
    }
    if (buf_error(out) < 0) {
        return buf_error(out);
    }
    /* The section goes behind what is read here: a copy, because appending may move the bytes. */
    WasmSlice copy = {(const uint8_t *)arena_strndup(&linker->arena, (const char *)out->bytes + start, out->size - start), out->size - start};
    if (copy.bytes == NULL) {
        return -ENOMEM;
    }
    r = wasm_module_read(copy.bytes, copy.size, &linker->arena, &line_linker.merged, linker->err);
    r = r < 0 ? r : section_make(&line_linker, out);
    buf_deinit(&line_linker.rows);
    return r == -E2BIG ? 0 : r;
}
