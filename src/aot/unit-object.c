/* SPDX-License-Identifier: Apache-2.0 */
/*
 * unit-object.c - puts the object file of a partition into its place in the module.
 *
 * Code generation knows nothing of where in the module a partition is, so that equal partitions of two megabinaries give equal
 * objects, which unit-cache.c keeps. What depends on the place is written here, into ELF and DWARF whose form we know
 * because LLVM made them for us:
 *
 *   symbols   "rc.own.N", "rc.body.N", "rc.external.N" and those of unit-record.c get their link names: a new string table at the end of the file
 *   lines     UNIT_LINE_BIAS + n becomes the byte offset in the module. In the line program a line from the bias on is only reached,
 *             from the start (1) or from code without a line (0), by an advance_line of at least half the bias, which takes
 *             five bytes, as any offset does in padded SLEB128; so nothing moves.
 *
 * An object from the cache has passed its digest; all the same nothing here reads or writes outside of it.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aot/unit-object-int.h"

#define ADVANCE_SIZE 5u
#define ADVANCE_MINIMUM ((int64_t)(UNIT_LINE_BIAS / 2))

int unit_object_malformed(Error *err, const char *what)
{
    return error_set(err, EBADMSG, "object of a unit: %s", what);
}

bool unit_object_section(const Buf *object, const Elf64_Ehdr *header, uint32_t index, Elf64_Shdr *ret_section)
{
    if (index >= header->e_shnum) {
        return false;
    }
    memcpy(ret_section, object->bytes + header->e_shoff + index * sizeof(*ret_section), sizeof(*ret_section));
    return ret_section->sh_type == SHT_NOBITS ||
           (ret_section->sh_offset <= object->size && ret_section->sh_size <= object->size - ret_section->sh_offset);
}

int unit_object_header(const Buf *object, Elf64_Ehdr *ret_header, Error *err)
{
    if (object->size < sizeof(*ret_header) || object->size > UNIT_OBJECT_SIZE_LIMIT) {
        return unit_object_malformed(err, "size");
    }
    memcpy(ret_header, object->bytes, sizeof(*ret_header));
    if (memcmp(ret_header->e_ident, ELFMAG, SELFMAG) != 0 || ret_header->e_type != ET_REL || ret_header->e_shentsize != sizeof(Elf64_Shdr) ||
        ret_header->e_shoff > object->size || ret_header->e_shnum * sizeof(Elf64_Shdr) > object->size - ret_header->e_shoff) {
        return unit_object_malformed(err, "header");
    }
    return 0;
}

/* --- symbols --- */

bool unit_object_number(const char *name, const char *format, uint32_t *ret_number)
{
    const size_t prefix_size = strlen(format) - 2; /* without "%u" */
    char *end;
    if (strncmp(name, format, prefix_size) != 0 || name[prefix_size] < '0' || name[prefix_size] > '9') {
        return false;
    }
    const unsigned long long number = strtoull(name + prefix_size, &end, 10);
    *ret_number = (uint32_t)number;
    return *end == '\0' && number < UINT32_MAX;
}

/* What a symbol of the object stands for. Return: false: for itself. */
static bool symbol_meaning(const Unit *unit, const char *name, External *ret_meaning, bool *ret_is_callee, bool *ret_is_valid)
{
    static const struct { const char *format; ExternalKind kind; bool is_callee; } own[] = {
        {UNIT_OWN_FORMAT, EXTERNAL_FUNC, false}, {UNIT_BODY_FORMAT, EXTERNAL_BODY, false},
        {UNIT_RECORD_FORMAT, EXTERNAL_FUNC, true}, {UNIT_RECORD_BODY_FORMAT, EXTERNAL_BODY, true},
    };
    uint32_t number;
    *ret_is_valid = true;
    for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++) {
        if (unit_object_number(name, own[i].format, &number)) {
            *ret_is_valid = number < unit->partition->end_func - unit->partition->first_func;
            *ret_meaning = (External){.func_index = unit->partition->first_func + number, .kind = own[i].kind};
            *ret_is_callee = own[i].is_callee;
            return true;
        }
    }
    if (unit_object_number(name, UNIT_EXTERNAL_FORMAT, &number)) {
        *ret_is_valid = number < unit->external_count;
        *ret_meaning = *ret_is_valid ? unit->externals[number] : (External){0};
        *ret_is_callee = true;
        return true;
    }
    return false;
}

static int rename_symbols(Buf *object, const Unit *unit, const Elf64_Shdr *table, const Elf64_Shdr *strings, Buf *names, Error *err)
{
    if (strings->sh_type != SHT_STRTAB || strings->sh_size == 0 || object->bytes[strings->sh_offset + strings->sh_size - 1] != '\0') {
        return unit_object_malformed(err, "string table");
    }
    buf_append(names, object->bytes + strings->sh_offset, strings->sh_size);
    for (uint64_t at = 0; table->sh_size - at >= sizeof(Elf64_Sym); at += sizeof(Elf64_Sym)) {
        Elf64_Sym symbol;
        External meaning;
        bool is_callee = false, is_valid;
        memcpy(&symbol, object->bytes + table->sh_offset + at, sizeof(symbol));
        if (symbol.st_name >= strings->sh_size) {
            return unit_object_malformed(err, "symbol name");
        }
        if (symbol_meaning(unit, (const char *)object->bytes + strings->sh_offset + symbol.st_name, &meaning, &is_callee, &is_valid)) {
            char name[512];
            if (!is_valid) {
                return unit_object_malformed(err, "symbol of another partition");
            }
            (is_callee ? unit_callee_name : unit_final_name)(unit->plan, &meaning, name, sizeof(name));
            symbol.st_name = (uint32_t)names->size;
            buf_append(names, name, strlen(name) + 1);
            memcpy(object->bytes + table->sh_offset + at, &symbol, sizeof(symbol));
        }
    }
    return buf_error(names) < 0 ? error_set(err, ENOMEM, "out of memory") : 0;
}

static int place_symbols(Buf *object, const Unit *unit, const Elf64_Ehdr *header, const Elf64_Shdr *table, Error *err)
{
    Elf64_Shdr strings;
    if (!unit_object_section(object, header, table->sh_link, &strings)) {
        return unit_object_malformed(err, "string table");
    }
    Buf names = BUF_INIT(UNIT_OBJECT_SIZE_LIMIT);
    int r = rename_symbols(object, unit, table, &strings, &names, err);
    if (r == 0) {
        strings.sh_offset = object->size;
        strings.sh_size = names.size;
        buf_append(object, names.bytes, names.size);
        r = buf_error(object) < 0 ? error_set(err, ENOMEM, "out of memory") : 0;
    }
    if (r == 0) {
        memcpy(object->bytes + header->e_shoff + table->sh_link * sizeof(strings), &strings, sizeof(strings));
    }
    buf_deinit(&names);
    return r;
}

/* --- lines: DWARF 4, section 6.2 --- */

typedef struct Lines {
    uint8_t *bytes;
    uint64_t position, end;
    int64_t delta;      /* from biased lines to offsets in the module */
    bool has_failed;
    uint8_t opcode_base;
    uint8_t operand_counts[256];
} Lines;

static uint8_t lines_u8(Lines *lines)
{
    if (lines->position >= lines->end) {
        lines->has_failed = true;
        return 0;
    }
    return lines->bytes[lines->position++];
}

static uint64_t lines_le(Lines *lines, uint32_t size)
{
    uint64_t value = 0;
    for (uint32_t i = 0; i < size; i++) {
        value |= (uint64_t)lines_u8(lines) << (8 * i);
    }
    return value;
}

static uint64_t lines_uleb(Lines *lines)
{
    uint64_t value = 0;
    uint8_t byte;
    uint32_t shift = 0;
    do {
        byte = lines_u8(lines);
        value |= shift < 64 ? (uint64_t)(byte & 0x7f) << shift : 0;
        shift += 7;
    } while ((byte & 0x80) != 0 && !lines->has_failed);
    return value;
}

static void lines_skip(Lines *lines, uint64_t size)
{
    if (size > lines->end - lines->position) {
        lines->has_failed = true;
    } else {
        lines->position += size;
    }
}

/* The operand of DW_LNS_advance_line: when it crosses to or from the biased lines it is moved. */
static void advance_line(Lines *lines)
{
    const uint64_t start = lines->position;
    uint32_t shift = 0;
    uint64_t bits = 0;
    uint8_t byte;
    do {
        byte = lines_u8(lines);
        bits |= shift < 64 ? (uint64_t)(byte & 0x7f) << shift : 0;
        shift += 7;
    } while ((byte & 0x80) != 0 && !lines->has_failed);
    int64_t value = (int64_t)((byte & 0x40) != 0 && shift < 64 ? bits | ~0ull << shift : bits);
    if (lines->has_failed || (value < ADVANCE_MINIMUM && value > -ADVANCE_MINIMUM)) {
        return;
    }
    if (lines->position - start != ADVANCE_SIZE) {
        lines->has_failed = true;
        return;
    }
    value += value > 0 ? lines->delta : -lines->delta;
    for (uint32_t i = 0; i < ADVANCE_SIZE; i++) { /* module offsets have 32 bits at most, here are 35 */
        lines->bytes[start + i] = (uint8_t)((value >> (7 * i) & 0x7f) | (i + 1 < ADVANCE_SIZE ? 0x80 : 0));
    }
}

static void line_opcode(Lines *lines)
{
    const uint8_t opcode = lines_u8(lines);
    if (opcode >= lines->opcode_base) {
        return;
    }
    if (opcode == 0) { /* extended */
        lines_skip(lines, lines_uleb(lines));
    } else if (opcode == 3) { /* DW_LNS_advance_line */
        advance_line(lines);
    } else if (opcode == 9) { /* DW_LNS_fixed_advance_pc: the only operand that is no LEB128 */
        lines_skip(lines, 2);
    } else {
        for (uint32_t i = 0; i < lines->operand_counts[opcode]; i++) {
            (void)lines_uleb(lines);
        }
    }
}

static int place_lines(Buf *object, const Unit *unit, const Elf64_Shdr *section, Error *err)
{
    const uint64_t origin = unit->plan->module->funcs[unit->partition->first_func].body_offset;
    Lines lines = {.bytes = object->bytes + section->sh_offset, .end = section->sh_size, .delta = (int64_t)origin - (int64_t)UNIT_LINE_BIAS};
    const uint64_t length = lines_le(&lines, 4);
    if (length != lines.end - 4 || lines_le(&lines, 2) != 4) {
        return unit_object_malformed(err, "line table is not one of DWARF 4");
    }
    const uint64_t header_size = lines_le(&lines, 4);
    const uint64_t start = lines.position + header_size;
    lines_skip(&lines, 5); /* instruction lengths, default_is_stmt, line_base, line_range */
    lines.opcode_base = lines_u8(&lines);
    for (uint32_t i = 1; i < lines.opcode_base; i++) {
        lines.operand_counts[i] = lines_u8(&lines);
    }
    if (lines.has_failed || start < lines.position || start > lines.end) {
        return unit_object_malformed(err, "line table header");
    }
    lines.position = start;
    while (lines.position < lines.end && !lines.has_failed) {
        line_opcode(&lines);
    }
    return lines.has_failed ? unit_object_malformed(err, "line table") : 0;
}

int unit_object_place(Buf *object, const Unit *unit, Error *err)
{
    Elf64_Ehdr header;
    int r = unit_object_header(object, &header, err);
    Elf64_Shdr names;
    if (r < 0 || !unit_object_section(object, &header, header.e_shstrndx, &names)) {
        return r < 0 ? r : unit_object_malformed(err, "section names");
    }
    for (uint32_t i = 0; i < header.e_shnum && r == 0; i++) {
        Elf64_Shdr section;
        static const char lines_name[] = ".debug_line";
        if (!unit_object_section(object, &header, i, &section)) {
            return unit_object_malformed(err, "section header");
        }
        const bool has_name = section.sh_name < names.sh_size && names.sh_size - section.sh_name >= sizeof(lines_name);
        if (section.sh_type == SHT_SYMTAB) {
            r = place_symbols(object, unit, &header, &section, err);
        } else if (section.sh_type == SHT_PROGBITS && has_name &&
                   memcmp(object->bytes + names.sh_offset + section.sh_name, lines_name, sizeof(lines_name)) == 0) {
            r = place_lines(object, unit, &section, err);
        }
    }
    return r;
}
