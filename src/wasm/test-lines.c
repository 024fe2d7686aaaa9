/* SPDX-License-Identifier: Apache-2.0 */
/* test-lines.c - .debug_line written by hand, the section "recompiler.lines" there and back, and both of them damaged. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/tap.h"
#include "wasm/lines.h"
#include "wasm/link.h"
#include "wasm/test-hex.h"

/* Two functions of three instructions: the code section's contents begin at byte 21, bodies at 23 and 29. */
#define CODE "01(01 60 00 00) 03(02 00 00) 0a(02 (00 01 01 01 0b) (00 01 01 01 0b))"
/* Version 4: opcode_base 13, line_base -5, line_range 14; "a.c" in directory 1 "/src", "b.c" in none. */
#define LENGTHS "0d 00 01 01 01 01 00 00 00 01 00 00 01"
#define TABLES4 "01 01 01 fb 0e " LENGTHS " '/src' 00 00 'a.c' 00 01 00 00 'b.c' 00 00 00 00 00"
/* Address 3 (byte 24) line 7, +1 (25) line 9 of file 2, end at 8 (29); then address 8: line 20, end at 13. */
#define PROGRAM "00 05 02 03 00 00 00  03 06 01  04 02 22  02 04 00 01 01  00 05 02 08 00 00 00 03 13 01 02 05 00 01 01"

typedef struct Case {
    Arena arena;
    uint8_t *bytes;
    size_t size;
    const WasmModule *module;
} Case;

static void case_make(Case *c, const char *text)
{
    *c = (Case){.arena = ARENA_INIT(64u << 20)};
    c->bytes = hex_module(text, &c->size);
    must(wasm_module_read(c->bytes, c->size, &c->arena, &c->module, NULL) == 0);
}

static void case_end(Case *c)
{
    free(c->bytes);
    arena_deinit(&c->arena);
}

/* A unit of version 4 with its two lengths; sizes are those of the hexadecimal text. */
static char *unit4(const char *tables, const char *program)
{
    static char text[4096];
    size_t table_size = 0, program_size = 0;
    Buf buf = BUF_INIT(65536);
    must(*hex_append(tables, &buf) == '\0');
    table_size = buf.size;
    must(*hex_append(program, &buf) == '\0');
    program_size = buf.size - table_size;
    buf_deinit(&buf);
    must(snprintf(text, sizeof(text), CODE "00(('.debug_line') %02x %02x 00 00 04 00 %02x 00 00 00 %s %s)", (unsigned)(6 + table_size + program_size) & 0xff,
                  (unsigned)(6 + table_size + program_size) >> 8, (unsigned)table_size, tables, program) < (int)sizeof(text));
    return text;
}

static void row_is(const WasmLines *lines, uint64_t offset, const char *file, uint32_t line)
{
    const uint32_t index = lines_find(lines, offset);
    const WasmLine *row = index != UINT32_MAX ? &lines->rows[index] : NULL;
    must((row != NULL ? row->line : 0) == line);
    must(line == 0 || (row->file < lines->file_count && strcmp(lines->files[row->file], file) == 0));
}

static void test_version4(void)
{
    Case c;
    WasmLines lines;
    case_make(&c, unit4(TABLES4, PROGRAM));
    must(c.module->funcs[0].body_offset == 23 && c.module->code_section_offset == 21);
    must(lines_from_dwarf(c.module, &c.arena, &lines) == 0);
    must(lines.file_count == 2 && lines.row_count == 4);
    row_is(&lines, 23, "", 0);
    row_is(&lines, 24, "/src/a.c", 7);
    row_is(&lines, 25, "b.c", 9);
    row_is(&lines, 28, "b.c", 9);
    row_is(&lines, 29, "/src/a.c", 20);
    row_is(&lines, 34, "", 0);
    row_is(&lines, UINT64_MAX, "", 0);
    case_end(&c);
}

static void test_version5(void)
{
    static const char tables[] = "01 01 01 fb 0e " LENGTHS
                                 " 01 01 1f 02 00 00 00 00 05 00 00 00"                        /* directories: "/src", "inc" by line_strp */
                                 " 03 01 08 02 0b 05 1e 02 'a.c' 00 00 '0123456789abcdef' '/b.c' 00 01 '0123456789abcdef'"; /* files: string, data1, MD5 */
    static const char program[] = "00 05 02 03 00 00 00 04 00 03 06 01 04 01 22 02 04 00 01 01";
    char text[4096];
    Buf buf = BUF_INIT(65536);
    must(*hex_append(tables, &buf) == '\0');
    const unsigned table_size = (unsigned)buf.size;
    must(*hex_append(program, &buf) == '\0');
    must(snprintf(text, sizeof(text), CODE "00(('.debug_line_str') '/src' 00 'inc' 00) 00(('.debug_line') %02x 00 00 00 05 00 04 00 %02x 00 00 00 %s %s)",
                  (unsigned)buf.size + 8, table_size, tables, program) < (int)sizeof(text));
    buf_deinit(&buf);
    Case c;
    WasmLines lines;
    case_make(&c, text);
    must(lines_from_dwarf(c.module, &c.arena, &lines) == 0);
    must(lines.file_count == 2 && lines.row_count == 3);
    row_is(&lines, 24, "/src/a.c", 7);
    row_is(&lines, 25, "/b.c", 9);
    row_is(&lines, 29, "", 0);
    case_end(&c);
}

/* Cut anywhere and with every byte changed: no crash, and never rows out of order or files that are not there. */
static void lines_check(const WasmLines *lines)
{
    for (uint32_t i = 0; i < lines->row_count; i++) {
        must(i == 0 || lines->rows[i].offset > lines->rows[i - 1].offset);
        must(lines->rows[i].line == 0 || lines->rows[i].file < lines->file_count);
    }
}

static void damaged_check(const uint8_t *bytes, size_t size)
{
    Arena arena = ARENA_INIT(64u << 20);
    const WasmModule *module;
    WasmLines lines;
    Error err = ERROR_INIT;
    if (wasm_module_read(bytes, size, &arena, &module, NULL) == 0) {
        must(lines_from_dwarf(module, &arena, &lines) == 0);
        lines_check(&lines);
        const int r = lines_read(module, &arena, &lines, &err);
        must(r == 0 || r == -EBADMSG);
        if (r == 0) {
            lines_check(&lines);
        }
    }
    arena_deinit(&arena);
}

static void test_damaged(void)
{
    static const char *const more[] = {"", CODE "00(('recompiler.lines') 01 01 01 'x' 01 00 02 01 00 05 02 00 7e)"};
    for (int which = 0; which < 2; which++) {
        size_t size;
        uint8_t *bytes = hex_module(which == 0 ? unit4(TABLES4, PROGRAM) : more[which], &size);
        for (size_t i = 36; i < size; i++) {
            const uint8_t old = bytes[i];
            for (unsigned value = 0; value < 256; value += value < 4 || value > 250 ? 1 : 7) {
                bytes[i] = (uint8_t)value;
                damaged_check(bytes, size);
            }
            bytes[i] = old;
        }
        free(bytes);
    }
}

static int section_read(const char *contents, WasmLines *lines, Arena *arena)
{
    char text[1024];
    size_t size;
    const WasmModule *module;
    must(snprintf(text, sizeof(text), CODE "00(('recompiler.lines') %s)", contents) < (int)sizeof(text));
    uint8_t *bytes = hex_module(text, &size);
    must(wasm_module_read(bytes, size, arena, &module, NULL) == 0);
    const int r = lines_read(module, arena, lines, NULL);
    free(bytes);
    return r;
}

static void test_section(void)
{
    static const char *const bad[] = {"", "02 00 00", "01 01 00 00", "01 01 01 00 00", "01 01 01 'x' 01 00 00", /* no rows */
                                      "01 01 01 'x' 01 02 01 01 00 01",                                         /* no such function */
                                      "01 01 01 'x' 01 00 01 01 01 01", "01 01 01 'x' 01 00 01 05 00 01",       /* file, outside of the body */
                                      "01 01 01 'x' 01 00 02 01 00 01 00 00 01", "01 01 01 'x' 01 00 01 01 00 7f", /* not ascending, line below 0 */
                                      "01 01 01 'x' 02 00 01 01 00 01 00 01 01 00 01", "01 00 00 00"};          /* one function twice, a byte too many */
    Arena arena = ARENA_INIT(64u << 20);
    WasmLines lines;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        must(section_read(bad[i], &lines, &arena) == -EBADMSG);
    }
    must(section_read("01 00 00", &lines, &arena) == 0 && lines.row_count == 0);
    must(section_read("01 02 08 '/src/a.c' 03 'b.c' 01 00 02 01 00 07 01 01 02", &lines, &arena) == 0 && lines.row_count == 3);
    row_is(&lines, 23, "", 0);
    row_is(&lines, 24, "/src/a.c", 7);
    row_is(&lines, 25, "b.c", 9);
    row_is(&lines, 28, "", 0); /* the end of the body */
    arena_deinit(&arena);
}

/* A program with lines and one without through the linker: the rows are where the instructions are now, and written again they are the same bytes. */
static void test_link(void)
{
    Case c, plain;
    WasmLines lines;
    Buf out = BUF_INIT(1u << 20);
    case_make(&c, unit4(TABLES4 "", PROGRAM));
    case_end(&c);
    char with[4096];
    must(snprintf(with, sizeof(with), "%s", unit4(TABLES4, PROGRAM)) < (int)sizeof(with));
    const char *debug = strstr(with, "00(('.debug_line')");
    char text[8192];
    /* "_start" calls function 1, whose index grows by two bytes of LEB128 in the megabinary at most: offsets move. */
    must(snprintf(text, sizeof(text),
                  "01(01 60 00 00) 03(02 00 00) 07(01 ('_start') 00 00) 0a(02 (00 01 10 01 0b) (00 01 01 01 0b)) %s", debug) < (int)sizeof(text));
    case_make(&c, text);
    case_make(&plain, "01(01 60 00 00) 03(01 00) 07(01 ('_start') 00 00) 0a(01 (00 0b))");
    must(lines_from_dwarf(c.module, &c.arena, &lines) == 0 && lines.row_count == 4);
    const LinkInput inputs[] = {{"plain", plain.module}, {"debug", c.module}};
    must(link_megabinary(inputs, 2, &out, NULL, NULL) == 0);
    const WasmModule *merged;
    must(wasm_module_read(out.bytes, out.size, &c.arena, &merged, NULL) == 0);
    must(lines_read(merged, &c.arena, &lines, NULL) == 0 && lines.row_count > 0);
    lines_check(&lines);
    /* Functions: plain's _start, debug's _start, the function it calls, two stubs. */
    row_is(&lines, merged->funcs[0].body_offset + 1, "", 0);
    row_is(&lines, merged->funcs[1].body_offset + 1, "/src/a.c", 7);
    Buf again = BUF_INIT(1u << 20);
    must(lines_write(&lines, merged, &again) == 0);
    const WasmSlice section = merged->customs[merged->custom_count - 1].bytes;
    must(section.size == again.size && memcmp(section.bytes, again.bytes, again.size) == 0);
    buf_deinit(&again);
    buf_deinit(&out);
    case_end(&plain);
    case_end(&c);
}

int main(void)
{
    static const TapCase cases[] = {{"DWARF 4", test_version4}, {"DWARF 5", test_version5}, {"damaged", test_damaged}, {"recompiler.lines", test_section},
                                    {"linked", test_link}};
    return tap_main(cases, TAP_COUNT(cases));
}
