/* SPDX-License-Identifier: Apache-2.0 */
/*
 * symbols.c - names a place in guest code for a trap report: function from the object's .symtab, offset in the
 * megabinary from .debug_line, whose line numbers are byte offsets (src/aot emits them so).
 *
 * It runs in signal handlers on a stack of 64 KiB: no allocation, only pread(2) into a window on the stack. The
 * file is not trusted more than by the loader: every read is bounded by the section and the section by the file; a
 * damaged table ends the search. Source: DWARF 4 and 5, section 6.2.
 */
#include "rt/symbols-int.h"

#include <elf.h>
#include <string.h>
#include <unistd.h>

#define WINDOW_SIZE 2048u
#define LINE_STEPS_MAX (64u << 20) /* opcodes executed for one look-up, against an endless program */

typedef struct Reader { /* bytes [position, end) of the file through a window; failed is sticky and reads give 0 */
    int fd;
    uint64_t position, end;
    uint64_t window_offset;
    size_t window_size;
    bool has_failed;
    uint8_t window[WINDOW_SIZE];
} Reader;

static void reader_init(Reader *reader, int fd, uint64_t position, uint64_t size)
{
    reader->fd = fd;
    reader->position = position;
    reader->end = position + size; /* the loader checked the range */
    reader->window_offset = reader->window_size = 0;
    reader->has_failed = false;
}

static uint8_t read_u8(Reader *reader)
{
    if (reader->has_failed || reader->position >= reader->end) {
        reader->has_failed = true;
        return 0;
    }
    if (reader->position < reader->window_offset || reader->position - reader->window_offset >= reader->window_size) {
        const uint64_t rest = reader->end - reader->position;
        const ssize_t n = pread(reader->fd, reader->window, rest < WINDOW_SIZE ? (size_t)rest : WINDOW_SIZE, (off_t)reader->position);
        if (n <= 0) {
            reader->has_failed = true;
            return 0;
        }
        reader->window_offset = reader->position;
        reader->window_size = (size_t)n;
    }
    return reader->window[reader->position++ - reader->window_offset];
}

static uint64_t read_le(Reader *reader, uint32_t size)
{
    uint64_t value = 0;
    for (uint32_t i = 0; i < size; i++) {
        value |= (uint64_t)read_u8(reader) << (8 * i);
    }
    return value;
}

static uint64_t read_uleb(Reader *reader)
{
    uint64_t value = 0;
    for (uint32_t shift = 0; shift < 70; shift += 7) {
        const uint8_t byte = read_u8(reader);
        value |= shift < 64 ? (uint64_t)(byte & 0x7f) << shift : 0;
        if ((byte & 0x80) == 0) {
            return value;
        }
    }
    reader->has_failed = true;
    return 0;
}

static int64_t read_sleb(Reader *reader)
{
    uint64_t value = 0;
    for (uint32_t shift = 0; shift < 70; shift += 7) {
        const uint8_t byte = read_u8(reader);
        value |= shift < 64 ? (uint64_t)(byte & 0x7f) << shift : 0;
        if ((byte & 0x80) == 0) {
            return (int64_t)((byte & 0x40) != 0 && shift + 7 < 64 ? value | (~0ull << (shift + 7)) : value);
        }
    }
    reader->has_failed = true;
    return 0;
}

static void read_skip(Reader *reader, uint64_t size)
{
    if (reader->position > reader->end || size > reader->end - reader->position) {
        reader->has_failed = true;
    } else {
        reader->position += size;
    }
}

/* --- .symtab --- */

static void string_read(const RtLoaded *loaded, uint32_t offset, char *name, size_t name_size)
{
    Reader reader;
    size_t i = 0;
    if (offset < loaded->strings.size) {
        reader_init(&reader, loaded->fd, loaded->strings.offset + offset, loaded->strings.size - offset);
        for (char c; i + 1 < name_size && (c = (char)read_u8(&reader)) != '\0'; i++) {
            name[i] = c >= ' ' && c <= '~' ? c : '?'; /* guest names are untrusted: nothing a terminal obeys */
        }
    }
    name[i] = '\0';
}

void symbol_name(const RtLoaded *loaded, uint64_t pc, char *name, size_t name_size)
{
    const uint64_t address = pc - loaded->bias;
    uint64_t best_address = 0;
    uint32_t best_name = 0;
    Reader reader;
    reader_init(&reader, loaded->fd, loaded->symbols.offset, loaded->symbols.size);
    while (reader.end - reader.position >= sizeof(Elf64_Sym) && !reader.has_failed) {
        const uint32_t symbol_name_offset = (uint32_t)read_le(&reader, 4);
        const uint8_t info = read_u8(&reader);
        read_skip(&reader, 3); /* st_other, st_shndx */
        const uint64_t value = read_le(&reader, 8), size = read_le(&reader, 8);
        if (ELF64_ST_TYPE(info) == STT_FUNC && address >= value && (size == 0 || address - value < size) && value >= best_address &&
            value != 0) {
            best_address = value;
            best_name = symbol_name_offset;
        }
    }
    name[0] = '\0';
    if (best_address != 0) {
        string_read(loaded, best_name, name, name_size);
    }
}

/* --- .debug_line --- */

typedef struct LineProgram {
    uint64_t end; /* file offset */
    uint8_t minimum_length;
    int8_t line_base;
    uint8_t line_range;
    uint8_t opcode_base;
    uint8_t lengths[256];
} LineProgram;

typedef struct LineRow {
    uint64_t address;
    uint64_t line;
    bool is_valid;
} LineRow;

/* The unit's header; afterwards the reader stands at the first opcode. Return: false at the end or when damaged. */
static bool line_header_read(Reader *reader, LineProgram *program)
{
    uint32_t offset_size = 4;
    uint64_t length = read_le(reader, 4);
    if (length == 0xffffffff) {
        offset_size = 8;
        length = read_le(reader, 8);
    }
    if (reader->has_failed || length > reader->end - reader->position) {
        return false;
    }
    program->end = reader->position + length;
    const uint64_t version = read_le(reader, 2);
    if (version < 2 || version > 5) {
        return false;
    }
    if (version == 5) {
        read_skip(reader, 2); /* address and segment selector sizes: DW_LNE_set_address has its own length */
    }
    const uint64_t header_length = read_le(reader, offset_size);
    if (reader->has_failed || reader->position > program->end || header_length > program->end - reader->position) {
        return false;
    }
    const uint64_t start = reader->position + header_length;
    program->minimum_length = read_u8(reader);
    if (version >= 4) {
        read_skip(reader, 1); /* maximum operations per instruction: 1, not VLIW */
    }
    read_skip(reader, 1); /* default_is_stmt */
    program->line_base = (int8_t)read_u8(reader);
    program->line_range = read_u8(reader);
    program->opcode_base = read_u8(reader);
    for (uint32_t i = 1; i < program->opcode_base; i++) {
        program->lengths[i] = read_u8(reader);
    }
    reader->position = start; /* directories and files are not needed */
    return !reader->has_failed && program->line_range != 0 && program->opcode_base != 0;
}

/* A new row: does the last one cover address? */
static bool row_emit(LineRow *last, const LineRow *now, uint64_t address, bool is_end)
{
    const bool is_found = last->is_valid && address >= last->address && address < now->address;
    if (!is_found) {
        *last = *now;
        last->is_valid = !is_end;
    }
    return is_found;
}

static void row_reset(LineRow *row) { *row = (LineRow){.line = 1, .is_valid = true}; }

/* Extended opcode (0). Return: true when it ends a sequence. */
static bool line_extended(Reader *reader, LineRow *row)
{
    const uint64_t size = read_uleb(reader);
    const uint64_t start = reader->position;
    const uint8_t opcode = size > 0 ? read_u8(reader) : 0;
    if (opcode == 2 && size >= 2 && size <= 9) { /* DW_LNE_set_address */
        row->address = read_le(reader, (uint32_t)size - 1);
    } else if (size > 0) {
        read_skip(reader, size - 1);
    }
    if (reader->position != start + size) {
        reader->has_failed = true;
    }
    return opcode == 1; /* DW_LNE_end_sequence */
}

/* Standard opcode below opcode_base. Return: true when it emits a row. */
static bool line_standard(Reader *reader, const LineProgram *program, uint8_t opcode, LineRow *row)
{
    switch (opcode) {
    case 1: /* DW_LNS_copy */
        return true;
    case 2: /* DW_LNS_advance_pc */
        row->address += read_uleb(reader) * program->minimum_length;
        return false;
    case 3: /* DW_LNS_advance_line */
        row->line = (uint32_t)(row->line + (uint64_t)read_sleb(reader));
        return false;
    case 8: /* DW_LNS_const_add_pc */
        row->address += (uint64_t)((255u - program->opcode_base) / program->line_range) * program->minimum_length;
        return false;
    case 9: /* DW_LNS_fixed_advance_pc */
        row->address += read_le(reader, 2);
        return false;
    default: /* set_file, set_column, negate_stmt, ...: skip operands */
        for (uint32_t i = 0; i < program->lengths[opcode]; i++) {
            (void)read_uleb(reader);
        }
        return false;
    }
}

/* Runs one unit's program. Return: true when *last is the row that covers address. */
static bool line_program_find(Reader *reader, const LineProgram *program, uint64_t address, LineRow *last, uint32_t *steps)
{
    LineRow row;
    row_reset(&row);
    *last = (LineRow){0};
    while (reader->position < program->end && !reader->has_failed && (*steps)++ < LINE_STEPS_MAX) {
        const uint8_t opcode = read_u8(reader);
        bool has_row = false, is_end = false;
        if (opcode >= program->opcode_base) {
            const uint32_t adjusted = (uint32_t)opcode - program->opcode_base;
            row.address += (uint64_t)(adjusted / program->line_range) * program->minimum_length;
            row.line = (uint32_t)(row.line + (uint64_t)(int64_t)(program->line_base + (int32_t)(adjusted % program->line_range)));
            has_row = true;
        } else if (opcode == 0) {
            has_row = is_end = line_extended(reader, &row);
        } else {
            has_row = line_standard(reader, program, opcode, &row);
        }
        if (has_row && !reader->has_failed && row_emit(last, &row, address, is_end)) {
            return true;
        }
        if (is_end) {
            row_reset(&row);
        }
    }
    return false;
}

uint64_t symbol_line(const RtLoaded *loaded, uint64_t pc)
{
    const uint64_t address = pc - loaded->bias;
    Reader reader;
    LineProgram program;
    LineRow row;
    uint32_t steps = 0;
    reader_init(&reader, loaded->fd, loaded->lines.offset, loaded->lines.size);
    while (reader.position < reader.end && line_header_read(&reader, &program)) {
        if (line_program_find(&reader, &program, address, &row, &steps)) {
            return row.line != 0 ? row.line : UINT64_MAX; /* line 0: the compiler's own code */
        }
        if (reader.has_failed || steps >= LINE_STEPS_MAX) {
            break;
        }
        reader.position = program.end;
    }
    return UINT64_MAX;
}
