/* SPDX-License-Identifier: Apache-2.0 */
/*
 * dwarf.c - .debug_line of a module to rows (DWARF 5 section 6.2): one pass over every unit's line program.
 *
 * The bytes are untrusted: every read is bounded by the unit, a damaged unit ends the reading and keeps what came before. A row
 * takes at least one byte of the section, so no count is believed. Sequences of functions that the program's linker dropped
 * begin at -1 or -2 and lie outside of the code section.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/must.h"
#include "wasm/lines.h"

typedef struct Cursor { /* failed is sticky and reads give 0 */
    const uint8_t *bytes;
    size_t position, end;
    bool has_failed;
} Cursor;

typedef struct RawLine {
    uint64_t address;  /* from the start of the code section's contents */
    uint32_t file, line;
    uint32_t order;
    bool is_end;
} RawLine;

typedef struct Unit {
    uint16_t version;
    uint8_t minimum_length, line_range, opcode_base;
    int8_t line_base;
    uint8_t lengths[256];
    size_t end;
    uint32_t first_file; /* Dwarf.files index of the unit's file 0 (version 5) or 1 */
    uint32_t file_count;
} Unit;

typedef struct Dwarf {
    const WasmModule *module;
    Arena *arena;
    WasmSlice strings, line_strings; /* .debug_str, .debug_line_str */
    Buf files;  /* const char * */
    Buf rows;   /* RawLine */
} Dwarf;

static uint64_t read_le(Cursor *cursor, unsigned size)
{
    uint64_t value = 0;
    if (cursor->has_failed || cursor->end - cursor->position < size) {
        cursor->has_failed = true;
        return 0;
    }
    for (unsigned i = 0; i < size; i++) {
        value |= (uint64_t)cursor->bytes[cursor->position++] << (8 * i);
    }
    return value;
}

static uint64_t read_leb(Cursor *cursor, bool is_signed)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 70; shift += 7) {
        const uint8_t byte = (uint8_t)read_le(cursor, 1);
        value |= shift < 64 ? (uint64_t)(byte & 0x7f) << shift : 0;
        if ((byte & 0x80) == 0) {
            return is_signed && (byte & 0x40) != 0 && shift + 7 < 64 ? value | (~0ull << (shift + 7)) : value;
        }
    }
    cursor->has_failed = true;
    return 0;
}

static void read_skip(Cursor *cursor, uint64_t size)
{
    if (size > cursor->end - cursor->position) {
        cursor->has_failed = true;
    } else {
        cursor->position += (size_t)size;
    }
}

/* A NUL-terminated string of a section, "" when it has no end there. */
static const char *string_at(WasmSlice section, uint64_t offset)
{
    return offset < section.size && memchr(section.bytes + offset, '\0', section.size - (size_t)offset) != NULL ? (const char *)section.bytes + offset : "";
}

static const char *read_string(Cursor *cursor)
{
    const WasmSlice rest = {cursor->bytes + cursor->position, cursor->end - cursor->position};
    if (cursor->has_failed || memchr(rest.bytes, '\0', rest.size) == NULL) {
        cursor->has_failed = true;
        return "";
    }
    const char *text = (const char *)rest.bytes;
    cursor->position += strlen(text) + 1;
    return text;
}

/* --- directories and files --- */

static int file_add(Dwarf *dwarf, const char *directory, const char *name)
{
    const bool is_joined = directory[0] != '\0' && name[0] != '/';
    char path[LINES_PATH_SIZE + 1];
    size_t size = 0;
    for (const char *at = is_joined ? directory : name; *at != '\0' && size < LINES_PATH_SIZE; at++) {
        path[size++] = *at;
    }
    if (is_joined && size < LINES_PATH_SIZE) {
        path[size++] = '/';
    }
    for (const char *at = is_joined ? name : ""; *at != '\0' && size < LINES_PATH_SIZE; at++) {
        path[size++] = *at;
    }
    for (size_t i = 0; i < size; i++) {
        path[i] = (uint8_t)path[i] < 0x20 || path[i] == 0x7f ? '_' : path[i];
    }
    const char *copy = arena_strndup(dwarf->arena, size > 0 ? path : "?", size > 0 ? size : 1);
    if (copy == NULL) {
        return -ENOMEM;
    }
    buf_append(&dwarf->files, &copy, sizeof(copy));
    return buf_error(&dwarf->files);
}

/* One attribute of a version 5 entry. @ret_text: set for path attributes; @ret_number for directory indices. */
static void form_read(Dwarf *dwarf, Cursor *cursor, uint64_t form, unsigned offset_size, const char **ret_text, uint64_t *ret_number)
{
    switch (form) {
    case 0x08: *ret_text = read_string(cursor); break;                                            /* DW_FORM_string */
    case 0x0e: *ret_text = string_at(dwarf->strings, read_le(cursor, offset_size)); break;        /* DW_FORM_strp */
    case 0x1f: *ret_text = string_at(dwarf->line_strings, read_le(cursor, offset_size)); break;   /* DW_FORM_line_strp */
    case 0x0b: *ret_number = read_le(cursor, 1); break;
    case 0x05: *ret_number = read_le(cursor, 2); break;
    case 0x06: *ret_number = read_le(cursor, 4); break;
    case 0x07: *ret_number = read_le(cursor, 8); break;
    case 0x0f: *ret_number = read_leb(cursor, false); break;
    case 0x1e: read_skip(cursor, 16); break;                                                      /* DW_FORM_data16: MD5 */
    case 0x09: read_skip(cursor, read_leb(cursor, false)); break;                                 /* DW_FORM_block */
    default: cursor->has_failed = true; break;
    }
}

typedef struct Entry5 {
    const char *path;
    uint64_t directory;
} Entry5;

/* A version 5 table: emit for each entry. Return: 0 or -ENOMEM. */
static int table5_read(Dwarf *dwarf, Cursor *cursor, unsigned offset_size, int (*emit)(Dwarf *, void *, const Entry5 *), void *context)
{
    uint64_t formats[256][2];
    const unsigned format_count = (unsigned)read_le(cursor, 1);
    for (unsigned i = 0; i < format_count; i++) {
        formats[i][0] = read_leb(cursor, false);
        formats[i][1] = read_leb(cursor, false);
    }
    const uint64_t count = read_leb(cursor, false);
    if (format_count == 0 && count > 0) {
        cursor->has_failed = true; /* entries of no bytes: the count would be believed */
    }
    for (uint64_t i = 0; i < count && !cursor->has_failed; i++) {
        Entry5 entry = {.path = ""};
        for (unsigned k = 0; k < format_count; k++) {
            const char *text = "";
            uint64_t number = 0;
            form_read(dwarf, cursor, formats[k][1], offset_size, &text, &number);
            entry.path = formats[k][0] == 1 ? text : entry.path;             /* DW_LNCT_path */
            entry.directory = formats[k][0] == 2 ? number : entry.directory; /* DW_LNCT_directory_index */
        }
        const int r = cursor->has_failed ? 0 : emit(dwarf, context, &entry);
        if (r < 0) {
            return r;
        }
    }
    return 0;
}

typedef struct Directories {
    Buf names; /* const char * */
} Directories;

static const char *directory_at(const Directories *directories, uint64_t index)
{
    return index < directories->names.size / sizeof(char *) ? ((const char *const *)(const void *)directories->names.bytes)[index] : "";
}

static int directory_add(Dwarf *dwarf, void *context, const Entry5 *entry)
{
    Directories *directories = context;
    (void)dwarf;
    buf_append(&directories->names, &entry->path, sizeof(entry->path));
    return buf_error(&directories->names);
}

static int file5_add(Dwarf *dwarf, void *context, const Entry5 *entry)
{
    return file_add(dwarf, directory_at(context, entry->directory), entry->path);
}

/* Versions 2 to 4: lists that end with an empty name; directory 0 is the compilation's, which is not said here. */
static int tables4_read(Dwarf *dwarf, Cursor *cursor, Directories *directories)
{
    Entry5 entry = {.path = ""};
    int r = directory_add(dwarf, directories, &entry);
    while (r == 0 && (entry.path = read_string(cursor))[0] != '\0') {
        r = directory_add(dwarf, directories, &entry);
    }
    while (r == 0 && (entry.path = read_string(cursor))[0] != '\0') {
        entry.directory = read_leb(cursor, false);
        (void)read_leb(cursor, false); /* modification time */
        (void)read_leb(cursor, false); /* size */
        r = file5_add(dwarf, directories, &entry);
    }
    return r;
}

static int tables_read(Dwarf *dwarf, Cursor *cursor, Unit *unit, unsigned offset_size)
{
    Directories directories = {.names = BUF_INIT(64u << 20)};
    unit->first_file = (uint32_t)(dwarf->files.size / sizeof(char *));
    int r;
    if (unit->version == 5) {
        r = table5_read(dwarf, cursor, offset_size, directory_add, &directories);
        r = r < 0 ? r : table5_read(dwarf, cursor, offset_size, file5_add, &directories);
    } else {
        r = tables4_read(dwarf, cursor, &directories);
    }
    unit->file_count = (uint32_t)(dwarf->files.size / sizeof(char *)) - unit->first_file;
    buf_deinit(&directories.names);
    return r;
}

/* --- one unit --- */

/* Return: 0 (cursor->has_failed at the end or when damaged) or -ENOMEM; then the cursor stands at the first opcode. */
static int unit_read(Dwarf *dwarf, Cursor *cursor, Unit *unit)
{
    unsigned offset_size = 4;
    uint64_t length = read_le(cursor, 4);
    if (length == 0xffffffff) {
        offset_size = 8;
        length = read_le(cursor, 8);
    }
    if (cursor->has_failed || length > cursor->end - cursor->position) {
        cursor->has_failed = true;
        return 0;
    }
    unit->end = cursor->position + (size_t)length;
    unit->version = (uint16_t)read_le(cursor, 2);
    if (unit->version == 5) {
        read_skip(cursor, 2); /* address and segment selector sizes */
    }
    const uint64_t header_length = read_le(cursor, offset_size);
    if (unit->version < 2 || unit->version > 5 || cursor->position > unit->end || header_length > unit->end - cursor->position) {
        cursor->has_failed = true;
        return 0;
    }
    const size_t start = cursor->position + (size_t)header_length;
    unit->minimum_length = (uint8_t)read_le(cursor, 1);
    read_skip(cursor, unit->version >= 4 ? 2 : 1); /* maximum operations per instruction, default_is_stmt */
    unit->line_base = (int8_t)read_le(cursor, 1);
    unit->line_range = (uint8_t)read_le(cursor, 1);
    unit->opcode_base = (uint8_t)read_le(cursor, 1);
    for (unsigned i = 1; i < unit->opcode_base; i++) {
        unit->lengths[i] = (uint8_t)read_le(cursor, 1);
    }
    Cursor tables = {.bytes = cursor->bytes, .position = cursor->position, .end = start, .has_failed = cursor->has_failed || start < cursor->position};
    const int r = tables.has_failed ? 0 : tables_read(dwarf, &tables, unit, offset_size);
    cursor->has_failed = tables.has_failed || unit->line_range == 0 || unit->opcode_base == 0;
    cursor->position = start;
    return r;
}

typedef struct State {
    uint64_t address, file, line;
} State;

static int row_add(Dwarf *dwarf, const Unit *unit, const State *state, bool is_end)
{
    const uint64_t file = unit->version == 5 ? state->file : state->file - 1;
    const bool is_known = file < unit->file_count && state->line <= INT32_MAX && !is_end;
    const RawLine row = {.address = state->address, .file = is_known ? unit->first_file + (uint32_t)file : 0, .line = is_known ? (uint32_t)state->line : 0,
                         .order = (uint32_t)(dwarf->rows.size / sizeof(RawLine)), .is_end = is_end};
    buf_append(&dwarf->rows, &row, sizeof(row));
    return buf_error(&dwarf->rows);
}

/* Return: does the opcode end a sequence? */
static bool extended_run(Cursor *cursor, State *state)
{
    const uint64_t size = read_leb(cursor, false);
    const size_t start = cursor->position;
    if (size == 0 || size > cursor->end - start) {
        cursor->has_failed = true;
        return false;
    }
    const uint8_t opcode = (uint8_t)read_le(cursor, 1);
    if (opcode == 2 && size <= 9) { /* DW_LNE_set_address */
        state->address = read_le(cursor, (unsigned)size - 1);
    }
    cursor->position = start + (size_t)size;
    return opcode == 1; /* DW_LNE_end_sequence */
}

/* Return: does the opcode make a row? */
static bool standard_run(Cursor *cursor, const Unit *unit, uint8_t opcode, State *state)
{
    switch (opcode) {
    case 1: return true;                                                               /* DW_LNS_copy */
    case 2: state->address += read_leb(cursor, false) * unit->minimum_length; return false;
    case 3: state->line += read_leb(cursor, true); return false;                       /* DW_LNS_advance_line, wraps */
    case 4: state->file = read_leb(cursor, false); return false;
    case 8: state->address += (uint64_t)((255u - unit->opcode_base) / unit->line_range) * unit->minimum_length; return false;
    case 9: state->address += read_le(cursor, 2); return false;
    default:
        for (unsigned i = 0; i < unit->lengths[opcode]; i++) {
            (void)read_leb(cursor, false);
        }
        return false;
    }
}

static int program_run(Dwarf *dwarf, Cursor *cursor, const Unit *unit)
{
    static const State first = {.file = 1, .line = 1};
    State state = first;
    int r = 0;
    while (r == 0 && cursor->position < cursor->end && !cursor->has_failed) {
        const uint8_t opcode = (uint8_t)read_le(cursor, 1);
        bool is_end = false, has_row;
        if (opcode >= unit->opcode_base) {
            const unsigned adjusted = (unsigned)opcode - unit->opcode_base;
            state.address += (uint64_t)(adjusted / unit->line_range) * unit->minimum_length;
            state.line += (uint64_t)(int64_t)(unit->line_base + (int)(adjusted % unit->line_range));
            has_row = true;
        } else if (opcode == 0) {
            has_row = is_end = extended_run(cursor, &state);
        } else {
            has_row = standard_run(cursor, unit, opcode, &state);
        }
        r = has_row && !cursor->has_failed ? row_add(dwarf, unit, &state, is_end) : 0;
        state = is_end ? first : state;
    }
    return r;
}

static int units_read(Dwarf *dwarf, WasmSlice section)
{
    Cursor cursor = {.bytes = section.bytes, .end = section.size};
    int r = 0;
    while (r == 0 && cursor.position < cursor.end && !cursor.has_failed) {
        Unit unit = {0};
        r = unit_read(dwarf, &cursor, &unit);
        if (r == 0 && !cursor.has_failed) {
            Cursor program = {.bytes = section.bytes, .position = cursor.position, .end = unit.end};
            r = program_run(dwarf, &program, &unit);
            cursor.position = unit.end;
            cursor.has_failed = program.has_failed;
        }
    }
    return r == -E2BIG ? 0 : r; /* over the limits: what fits is kept */
}

/* --- rows in order --- */

/* By address; at one address the end of the sequence before comes first. */
static int rows_compare(const void *a, const void *b)
{
    const RawLine *left = a;
    const RawLine *right = b;
    if (left->address != right->address) {
        return left->address < right->address ? -1 : 1;
    }
    if (left->is_end != right->is_end) {
        return left->is_end ? -1 : 1;
    }
    return left->order < right->order ? -1 : 1;
}

static int rows_finish(Dwarf *dwarf, WasmLines *ret_lines)
{
    const size_t count = dwarf->rows.size / sizeof(RawLine);
    RawLine *raw = (RawLine *)(void *)dwarf->rows.bytes;
    WasmLine *rows = arena_new_array(dwarf->arena, count, WasmLine);
    const char **files = arena_array(dwarf->arena, dwarf->files.size / sizeof(char *), sizeof(char *));
    if (rows == NULL || files == NULL) {
        return -ENOMEM;
    }
    if (count > 0) {
        qsort(raw, count, sizeof(*raw), rows_compare);
    }
    if (dwarf->files.size > 0) {
        memcpy(files, dwarf->files.bytes, dwarf->files.size);
    }
    const uint64_t base = dwarf->module->code_section_offset, limit = dwarf->module->bytes.size;
    uint32_t used = 0;
    for (size_t i = 0; i < count && raw[i].address < limit - base; i++) {
        const WasmLine row = {.offset = (uint32_t)(base + raw[i].address), .file = raw[i].file, .line = raw[i].line};
        if (used > 0 && rows[used - 1].offset == row.offset) {
            rows[used - 1] = row; /* the last row of an address counts */
        } else if (used == 0 || rows[used - 1].line != row.line || rows[used - 1].file != row.file) {
            rows[used++] = row;
        }
    }
    *ret_lines = (WasmLines){.file_count = (uint32_t)(dwarf->files.size / sizeof(char *)), .files = files, .row_count = used, .rows = rows};
    return 0;
}

static WasmSlice custom_find(const WasmModule *module, const char *name)
{
    for (uint32_t i = 0; i < module->custom_count; i++) {
        if (module->customs[i].name.size == strlen(name) && memcmp(module->customs[i].name.bytes, name, strlen(name)) == 0) {
            return module->customs[i].bytes;
        }
    }
    return (WasmSlice){NULL, 0};
}

int lines_from_dwarf(const WasmModule *module, Arena *arena, WasmLines *ret_lines)
{
    const WasmSlice section = custom_find(module, ".debug_line");
    *ret_lines = (WasmLines){0};
    if (section.size == 0 || module->code_section_offset == 0) {
        return 0;
    }
    must(module->code_section_offset <= module->bytes.size && module->bytes.size <= UINT32_MAX);
    Dwarf dwarf = {.module = module, .arena = arena, .strings = custom_find(module, ".debug_str"), .line_strings = custom_find(module, ".debug_line_str"),
                   .files = BUF_INIT((size_t)LINES_FILES_MAXIMUM * sizeof(char *)), .rows = BUF_INIT((size_t)LINES_ROWS_MAXIMUM * sizeof(RawLine))};
    int r = units_read(&dwarf, section);
    r = r < 0 ? r : rows_finish(&dwarf, ret_lines);
    buf_deinit(&dwarf.files);
    buf_deinit(&dwarf.rows);
    return r;
}
