/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-entries.c - recompiler.entries: written and read back; everything that is not true of the module is refused.
 */
#include "wasm/entries.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/tap.h"
#include "wasm/link.h"
#include "wasm/test-hex.h"

/* Two programs: "a" with table, data, globals of three kinds; "b/c" with start section, thread function, shared memory. */
static const char program_a[] =
    "01(01 60 00 00) 03(02 00 00) 04(01 70 00 03) 05(01 00 01) 06(03 7f 01 41 07 0b 7b 01 fd 0c 'sixteen bytes !!' 0b 70 01 d2 01 0b)"
    "07(01 ('_start') 00 00) 09(01 00 41 01 0b 02 01 00)"
    "0a(02 (00 23 00 1a 23 01 1a 23 02 1a 0b) (00 01 0b)) 0b(02 00 41 08 0b 02 'hi' 00 41 09 0b 03 'hey')";
static const char program_b[] =
    "01(02 60 00 00 60 02 7f 7f 00) 02(01 ('wali') ('SYS_sched_yield') 00 00) 03(03 00 00 01) 05(01 03 02 04)"
    "07(02 ('_start') 00 01 ('__wasm_thread_start_libc') 00 03) 08(02) 0a(03 (00 10 00 0b) (00 01 0b) (00 01 01 0b))";

typedef struct Mega {
    Arena arena;
    uint8_t *inputs[2];
    Buf bytes;
    size_t section_start; /* of the custom section, its id included */
    size_t contents_start;
    size_t section_end;
} Mega;

static size_t uleb_at(const Buf *bytes, size_t *position)
{
    size_t value = 0;
    for (unsigned shift = 0;; shift += 7) {
        const uint8_t byte = bytes->bytes[(*position)++];
        value |= (size_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            return value;
        }
    }
}

static void section_find(Mega *mega)
{
    for (size_t position = 8; position < mega->bytes.size;) {
        const size_t start = position;
        const uint8_t id = mega->bytes.bytes[position++];
        const size_t size = uleb_at(&mega->bytes, &position);
        const size_t end = position + size;
        if (id == 0 && mega->bytes.bytes[position] == strlen(ENTRIES_SECTION_NAME)) {
            mega->section_start = start;
            mega->contents_start = position + 1 + strlen(ENTRIES_SECTION_NAME);
            mega->section_end = end;
            return;
        }
        position = end;
    }
    must(false);
}

static void mega_make(Mega *mega)
{
    LinkInput inputs[2] = {{.name = "b/c"}, {.name = "a"}};
    const char *const texts[2] = {program_b, program_a};
    Error err = ERROR_INIT;
    *mega = (Mega){.arena = ARENA_INIT(64u << 20), .bytes = BUF_INIT(1u << 20)};
    for (int i = 0; i < 2; i++) {
        size_t size;
        mega->inputs[i] = hex_module(texts[i], &size);
        must(wasm_module_read(mega->inputs[i], size, &mega->arena, &inputs[i].module, &err) == 0);
        must(wasm_module_validate(inputs[i].module, &WASM_FEATURES_DEFAULT, &err) == 0);
    }
    must(link_megabinary(inputs, 2, &mega->bytes, NULL, &err) == 0);
    section_find(mega);
}

static void mega_deinit(Mega *mega)
{
    free(mega->inputs[0]);
    free(mega->inputs[1]);
    arena_deinit(&mega->arena);
    buf_deinit(&mega->bytes);
}

/* Read bytes as a megabinary. Pre: they are a module. Return: what entries_read() says. */
static int bytes_read(const uint8_t *bytes, size_t size, Arena *arena, MegaEntries *ret_entries, Error *err)
{
    const WasmModule *module;
    /* Exactly its size, so that a sanitizer sees one byte too many. */
    uint8_t *copy = arena_alloc(arena, size);
    must(copy);
    memcpy(copy, bytes, size);
    must(wasm_module_read(copy, size, arena, &module, err) == 0);
    return entries_read(module, arena, ret_entries, err);
}

/* The megabinary with other contents of the section. */
static int contents_read(const Mega *mega, const uint8_t *contents, size_t size, Arena *arena, MegaEntries *ret_entries)
{
    Buf bytes = BUF_INIT(4u << 20);
    Error err = ERROR_INIT;
    buf_append(&bytes, mega->bytes.bytes, mega->section_start);
    buf_append_byte(&bytes, 0);
    buf_append_uleb(&bytes, 1 + strlen(ENTRIES_SECTION_NAME) + size);
    buf_append_byte(&bytes, (uint8_t)strlen(ENTRIES_SECTION_NAME));
    buf_append_string(&bytes, ENTRIES_SECTION_NAME);
    buf_append(&bytes, contents, size);
    buf_append(&bytes, mega->bytes.bytes + mega->section_end, mega->bytes.size - mega->section_end);
    must(buf_error(&bytes) == 0);
    const int r = bytes_read(bytes.bytes, bytes.size, arena, ret_entries, &err);
    must(r == 0 ? err.code == 0 : err.code == -r && err.message[0] != '\0');
    buf_deinit(&bytes);
    return r;
}

static int mega_read(const Mega *mega, Arena *arena, MegaEntries *ret_entries)
{
    return contents_read(mega, mega->bytes.bytes + mega->contents_start, mega->section_end - mega->contents_start, arena, ret_entries);
}

static void test_read(void)
{
    Mega mega;
    MegaEntries entries;
    mega_make(&mega);
    must(mega_read(&mega, &mega.arena, &entries) == 0);
    must(entries.count == 2 && strcmp(entries.entries[0].name, "a") == 0 && strcmp(entries.entries[1].name, "b/c") == 0);
    const MegaEntry *a = entries_find(&entries, "a"), *b = entries_find(&entries, "b/c");
    must(a == &entries.entries[0] && b == &entries.entries[1]);
    must(!entries_find(&entries, "") && !entries_find(&entries, "b") && !entries_find(&entries, "zz"));
    must(a->abi == ENTRY_ABI_WASI && b->abi == ENTRY_ABI_WALI);
    must(a->memory_minimum == 1 && a->memory_maximum == 65536);
    must(b->memory_minimum == 2 && b->memory_maximum == 4 && b->is_memory_shared && !a->is_memory_shared);
    must(a->table_size == 3 && b->table_size == 0);
    must(a->global_count == 3 && b->global_count == 0);
    must(a->globals[0].value[0] == 7 && memcmp(a->globals[1].value, "sixteen bytes !!", 16) == 0 && a->globals[2].value[0] > 0);
    must(a->elem_count == 1 && a->elems[0].slot == 1);
    must(a->data_count == 2 && a->datas[0].address == 8 && a->datas[1].address == 9);
    must(a->init_func == UINT32_MAX && b->init_func != UINT32_MAX && b->thread_func != UINT32_MAX);
    mega_deinit(&mega);
}

static void test_write_what_was_read(void)
{
    Mega mega;
    MegaEntries entries;
    mega_make(&mega);
    must(mega_read(&mega, &mega.arena, &entries) == 0);
    Buf again = BUF_INIT(1u << 20);
    entries_write(&entries, &again);
    must(buf_error(&again) == 0 && again.size == mega.section_end - mega.contents_start);
    must(memcmp(again.bytes, mega.bytes.bytes + mega.contents_start, again.size) == 0);
    buf_deinit(&again);
    mega_deinit(&mega);
}

static void test_absent_and_twice(void)
{
    Mega mega;
    MegaEntries entries;
    Error err = ERROR_INIT;
    mega_make(&mega);
    must(bytes_read(mega.bytes.bytes, mega.section_start, &mega.arena, &entries, &err) == -ENODATA);
    Buf twice = BUF_INIT(1u << 20);
    buf_append(&twice, mega.bytes.bytes, mega.bytes.size);
    buf_append(&twice, mega.bytes.bytes + mega.section_start, mega.section_end - mega.section_start);
    must(bytes_read(twice.bytes, twice.size, &mega.arena, &entries, NULL) == -EBADMSG);
    buf_deinit(&twice);
    mega_deinit(&mega);
}

static void test_truncated_and_longer(void)
{
    Mega mega;
    MegaEntries entries;
    mega_make(&mega);
    const size_t size = mega.section_end - mega.contents_start;
    uint8_t *contents = calloc(1, size + 1);
    must(contents);
    memcpy(contents, mega.bytes.bytes + mega.contents_start, size);
    for (size_t i = 0; i < size; i++) {
        Arena arena = ARENA_INIT(16u << 20);
        must(contents_read(&mega, contents, i, &arena, &entries) == -EBADMSG);
        arena_deinit(&arena);
    }
    must(contents_read(&mega, contents, size, &mega.arena, &entries) == 0);
    must(contents_read(&mega, contents, size + 1, &mega.arena, &entries) == -EBADMSG);
    free(contents);
    mega_deinit(&mega);
}

static bool entry_equals_but_limits(const MegaEntry *a, const MegaEntry *b)
{
    return strcmp(a->name, b->name) == 0 && a->abi == b->abi && a->stub_func == b->stub_func && a->start_func == b->start_func &&
           a->init_func == b->init_func && a->thread_func == b->thread_func && a->global_count == b->global_count &&
           a->data_count == b->data_count && a->elem_count == b->elem_count &&
           memcmp(a->globals, b->globals, a->global_count * sizeof(*a->globals)) == 0 &&
           memcmp(a->elems, b->elems, a->elem_count * sizeof(*a->elems)) == 0;
}

/* Every byte set to every value: whatever is accepted says the same but for smaller memory or table limits or another ABI. */
static void test_every_byte(void)
{
    Mega mega;
    MegaEntries entries, changed;
    mega_make(&mega);
    must(mega_read(&mega, &mega.arena, &entries) == 0);
    const size_t size = mega.section_end - mega.contents_start;
    uint8_t *contents = malloc(size);
    must(contents);
    memcpy(contents, mega.bytes.bytes + mega.contents_start, size);
    size_t accepted = 0;
    for (size_t i = 0; i < size; i++) {
        const uint8_t was = contents[i];
        for (unsigned value = 0; value < 256; value++) {
            Arena arena = ARENA_INIT(16u << 20);
            contents[i] = (uint8_t)value;
            const int r = contents_read(&mega, contents, size, &arena, &changed);
            must(r == 0 || r == -EBADMSG);
            if (r == 0 && value != was) {
                accepted++;
                must(changed.count == entries.count);
                for (uint32_t k = 0; k < entries.count; k++) {
                    MegaEntry entry = changed.entries[k];
                    entry.abi = entries.entries[k].abi; /* 1 and 2 can not be told apart from the module alone */
                    must(entry_equals_but_limits(&entry, &entries.entries[k]));
                    must(changed.entries[k].memory_minimum <= 2 && changed.entries[k].memory_maximum <= 65536);
                    must(changed.entries[k].table_size <= 3);
                }
            }
            arena_deinit(&arena);
        }
        contents[i] = was;
    }
    must(accepted > 2 && accepted < 2000);
    free(contents);
    mega_deinit(&mega);
}

/* A byte of a stub changed so that the module stays valid: the record no longer tells what the stub does. */
static void test_stub_differs(void)
{
    static const struct {
        const char *from, *to; /* 3 bytes each */
    } changes[] = {
        {"\x41\x07\x24", "\x41\x08\x24"}, /* another value of a global */
        {"\x41\x01\xd2", "\x41\x02\xd2"}, /* another slot */
        {"\x41\x08\x41", "\x41\x0b\x41"}, /* another address */
    };
    for (size_t i = 0; i < TAP_COUNT(changes); i++) {
        Mega mega;
        MegaEntries entries;
        mega_make(&mega);
        uint8_t *at = memmem(mega.bytes.bytes, mega.section_start, changes[i].from, 3);
        must(at);
        memcpy(at, changes[i].to, 3);
        must(mega_read(&mega, &mega.arena, &entries) == -EBADMSG);
        mega_deinit(&mega);
    }
}

/* Modules without the linker: the section stands behind texts of test-hex.h that break one rule each. */
static int text_read(const char *text)
{
    Arena arena = ARENA_INIT(16u << 20);
    Error err = ERROR_INIT;
    MegaEntries entries;
    size_t size;
    uint8_t *bytes = hex_module(text, &size);
    const int r = bytes_read(bytes, size, &arena, &entries, &err);
    free(bytes);
    arena_deinit(&arena);
    return r;
}

#define NONE "ff ff ff ff "
#define ZERO "00 00 00 00 "
#define ENTRY_HEAD "01 00 00 00 'x' 01 00 00 00 " ZERO
#define ENTRY_TAIL "01 00 00 00 " ZERO "01 00 00 00 " ZERO ZERO ZERO ZERO ZERO
#define SECTION(count, entry) "00(('recompiler.entries') 01 00 00 00 " count " 00 00 00 " entry ")"
#define GOOD_SECTION SECTION("01", ENTRY_HEAD "01 00 00 00 " ZERO NONE NONE ENTRY_TAIL)
#define TYPES_AND_FUNCS "01(01 60 00 00) 03(02 00 00) "
#define MEMORY "05(01 00 01) "
#define EXPORTS "07(02 ('memory') 02 00 ('entry:x') 00 01) "
#define CODE "0a(02 (00 0b) (00 10 00 0b)) "

static void test_rules_of_the_module(void)
{
    must(text_read(TYPES_AND_FUNCS MEMORY EXPORTS CODE GOOD_SECTION) == 0);
    /* The section may stand anywhere. */
    must(text_read(GOOD_SECTION TYPES_AND_FUNCS MEMORY EXPORTS CODE) == 0);
    /* start section; active data; active elements; imported memory; no memory; memory not exported; a stub too many */
    must(text_read(TYPES_AND_FUNCS MEMORY EXPORTS "08(00) " CODE GOOD_SECTION) == -EBADMSG);
    must(text_read(TYPES_AND_FUNCS MEMORY EXPORTS CODE "0b(01 00 41 00 0b 00) " GOOD_SECTION) == -EBADMSG);
    must(text_read(TYPES_AND_FUNCS "04(01 70 00 01) " MEMORY EXPORTS "09(01 00 41 00 0b 00) " CODE GOOD_SECTION) == -EBADMSG);
    must(text_read("01(01 60 00 00) 02(01 ('m') ('m') 02 00 01) 03(02 00 00) " EXPORTS CODE GOOD_SECTION) == -EBADMSG);
    must(text_read(TYPES_AND_FUNCS "07(01 ('entry:x') 00 01) " CODE GOOD_SECTION) == -EBADMSG);
    must(text_read(TYPES_AND_FUNCS MEMORY "07(01 ('entry:x') 00 01) " CODE GOOD_SECTION) == -EBADMSG);
    must(text_read(TYPES_AND_FUNCS MEMORY "07(03 ('memory') 02 00 ('entry:x') 00 01 ('entry:y') 00 01) " CODE GOOD_SECTION) == -EBADMSG);
    /* the stub under another name; not a function; the start function itself */
    must(text_read(TYPES_AND_FUNCS MEMORY "07(02 ('memory') 02 00 ('entry:y') 00 01) " CODE GOOD_SECTION) == -EBADMSG);
    must(text_read(TYPES_AND_FUNCS MEMORY "07(02 ('memory') 02 00 ('entry:x') 02 00) " CODE GOOD_SECTION) == -EBADMSG);
    must(text_read(TYPES_AND_FUNCS MEMORY "07(02 ('memory') 02 00 ('entry:x') 00 00) " CODE GOOD_SECTION) == -EBADMSG);
    /* two entries with one stub: each record alone is right */
    must(text_read(TYPES_AND_FUNCS MEMORY "07(03 ('memory') 02 00 ('entry:x') 00 01 ('entry:y') 00 01) " CODE
                   SECTION("02", ENTRY_HEAD "01 00 00 00 " ZERO NONE NONE ENTRY_TAIL
                           "01 00 00 00 'y' 01 00 00 00 " ZERO "01 00 00 00 " ZERO NONE NONE ENTRY_TAIL)) == -EBADMSG);
    must(text_read("01(01 60 00 00) 03(03 00 00 00) " MEMORY "07(03 ('memory') 02 00 ('entry:x') 00 01 ('entry:y') 00 02) "
                   "0a(03 (00 0b) (00 10 00 0b) (00 10 00 0b)) "
                   SECTION("02", ENTRY_HEAD "01 00 00 00 " ZERO NONE NONE ENTRY_TAIL
                           "01 00 00 00 'y' 01 00 00 00 " ZERO "02 00 00 00 " ZERO NONE NONE ENTRY_TAIL)) == 0);
    /* a stub with a parameter; one that does more */
    must(text_read("01(02 60 00 00 60 01 7f 00) 03(02 00 01) " MEMORY EXPORTS CODE GOOD_SECTION) == -EBADMSG);
    must(text_read(TYPES_AND_FUNCS MEMORY EXPORTS "0a(02 (00 0b) (00 01 10 00 0b)) " GOOD_SECTION) == -EBADMSG);
    must(text_read(TYPES_AND_FUNCS MEMORY EXPORTS "0a(02 (00 0b) (00 10 80 00 0b)) " GOOD_SECTION) == -EBADMSG);
}

static void test_rules_of_the_record(void)
{
    static const char *const bad[] = {
        /* version 2; no entries; two promised; unknown ABI; unknown flag; shared without a shared memory */
        "00(('recompiler.entries') 02 00 00 00 01 00 00 00 " ENTRY_HEAD "01 00 00 00 " ZERO NONE NONE ENTRY_TAIL ")",
        SECTION("00", ""),
        SECTION("02", ENTRY_HEAD "01 00 00 00 " ZERO NONE NONE ENTRY_TAIL),
        SECTION("01", "01 00 00 00 'x' 03 00 00 00 " ZERO "01 00 00 00 " ZERO NONE NONE ENTRY_TAIL),
        SECTION("01", "01 00 00 00 'x' 01 00 00 00 02 00 00 00 01 00 00 00 " ZERO NONE NONE ENTRY_TAIL),
        SECTION("01", "01 00 00 00 'x' 01 00 00 00 01 00 00 00 01 00 00 00 " ZERO NONE NONE ENTRY_TAIL),
        /* empty name; bad name; name over 255; name size over the end */
        SECTION("01", ZERO "01 00 00 00 " ZERO "01 00 00 00 " ZERO NONE NONE ENTRY_TAIL),
        SECTION("01", "01 00 00 00 ' ' 01 00 00 00 " ZERO "01 00 00 00 " ZERO NONE NONE ENTRY_TAIL),
        SECTION("01", "ff ff ff ff 'x' 01 00 00 00 " ZERO "01 00 00 00 " ZERO NONE NONE ENTRY_TAIL),
        /* functions out of range; an init function that the stub does not call; a thread function of the wrong type */
        SECTION("01", ENTRY_HEAD "02 00 00 00 " ZERO NONE NONE ENTRY_TAIL),
        SECTION("01", ENTRY_HEAD "01 00 00 00 02 00 00 00 " NONE NONE ENTRY_TAIL),
        SECTION("01", ENTRY_HEAD "01 00 00 00 " ZERO ZERO NONE ENTRY_TAIL),
        SECTION("01", ENTRY_HEAD "01 00 00 00 " ZERO NONE ZERO ENTRY_TAIL),
        /* minimum over the module's; maximum under the minimum; maximum over 65536; table without a table */
        SECTION("01", ENTRY_HEAD "01 00 00 00 " ZERO NONE NONE "02 00 00 00 " ZERO "02 00 00 00 " ZERO ZERO ZERO ZERO ZERO),
        SECTION("01", ENTRY_HEAD "01 00 00 00 " ZERO NONE NONE "01 00 00 00 " ZERO ZERO ZERO ZERO ZERO ZERO ZERO),
        SECTION("01", ENTRY_HEAD "01 00 00 00 " ZERO NONE NONE "01 00 00 00 " ZERO "01 00 01 00 " ZERO ZERO ZERO ZERO ZERO),
        SECTION("01", ENTRY_HEAD "01 00 00 00 " ZERO NONE NONE "01 00 00 00 " ZERO "01 00 00 00 " ZERO "01 00 00 00 " ZERO ZERO ZERO),
        /* counts that the bytes do not have; a global, a segment that the module does not have */
        SECTION("01", ENTRY_HEAD "01 00 00 00 " ZERO NONE NONE "01 00 00 00 " ZERO "01 00 00 00 " ZERO ZERO NONE ZERO ZERO),
        SECTION("01", ENTRY_HEAD "01 00 00 00 " ZERO NONE NONE "01 00 00 00 " ZERO "01 00 00 00 " ZERO ZERO ZERO NONE ZERO),
        SECTION("01", ENTRY_HEAD "01 00 00 00 " ZERO NONE NONE "01 00 00 00 " ZERO "01 00 00 00 " ZERO ZERO ZERO ZERO NONE),
        SECTION("01", ENTRY_HEAD "01 00 00 00 " ZERO NONE NONE "01 00 00 00 " ZERO "01 00 00 00 " ZERO ZERO "01 00 00 00 " ZERO ZERO
                      ZERO ZERO ZERO ZERO ZERO),
        SECTION("01", ENTRY_HEAD "01 00 00 00 " ZERO NONE NONE "01 00 00 00 " ZERO "01 00 00 00 " ZERO ZERO ZERO "01 00 00 00 " ZERO
                      ZERO ZERO),
        SECTION("01", ENTRY_HEAD "01 00 00 00 " ZERO NONE NONE "01 00 00 00 " ZERO "01 00 00 00 " ZERO ZERO ZERO ZERO "01 00 00 00 "
                      ZERO ZERO ZERO),
    };
    for (size_t i = 0; i < TAP_COUNT(bad); i++) {
        char text[2048];
        must((size_t)snprintf(text, sizeof(text), "%s%s", TYPES_AND_FUNCS MEMORY EXPORTS CODE, bad[i]) < sizeof(text));
        if (text_read(text) != -EBADMSG) {
            printf("# case %zu was accepted\n", i);
            must(false);
        }
    }
}

static void test_names(void)
{
    char name[256];
    memset(name, 'a', sizeof(name));
    must(entries_name_is_valid("usr/bin/x86_64-linux-gnu.g++-12", 31) && entries_name_is_valid(name, 255));
    must(!entries_name_is_valid(name, 256) && !entries_name_is_valid("", 0) && !entries_name_is_valid("a:b", 3));
    must(!entries_name_is_valid("a\0b", 3) && !entries_name_is_valid("\x80", 1));
}

int main(void)
{
    static const TapCase cases[] = {
        {"reads what the linker wrote", test_read},
        {"writes what was read", test_write_what_was_read},
        {"absent and twice", test_absent_and_twice},
        {"truncated and longer", test_truncated_and_longer},
        {"every byte set to every value", test_every_byte},
        {"a stub that does something else", test_stub_differs},
        {"rules of the module", test_rules_of_the_module},
        {"rules of the record", test_rules_of_the_record},
        {"names", test_names},
    };
    return tap_main(cases, TAP_COUNT(cases));
}
