/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz-link.c - modules cut from the input, linked; what comes out must be valid and still be the same programs.
 *
 * An input that contains a module header is cut at each header: "\0asm....\0asm....". Any other input drives a generator
 * of small valid modules (below), because random bytes rarely are valid modules that have much to link.
 */
#include <errno.h>
#include <string.h>

#include "base/buf.h"
#include "wasm/link.h"
#include "wasm/test-link-check.h"

#define PROGRAMS_MAX 4u

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static const uint8_t header[8] = {0, 'a', 's', 'm', 1, 0, 0, 0};
static const char *const entry_names[PROGRAMS_MAX] = {"d", "a/b", "c", "a"};

/* --- generator: every choice is a byte of the input --- */

typedef struct Choice {
    const uint8_t *bytes;
    size_t size;
} Choice;

static uint32_t choose(Choice *choice, uint32_t count)
{
    if (choice->size == 0)
        return 0;
    choice->size--;
    return *choice->bytes++ % count;
}

typedef struct Shape { /* of the module being made */
    uint32_t func_count; /* defined; there are 4 imports before */
    uint32_t global_count, elem_count, data_count, tag_count;
    bool is_global_mutable[16];
    uint32_t global_kind[16];
    uint32_t func_type[16];
} Shape;

enum { IMPORTS = 4, TYPES = 6, KINDS = 6 };

static const char *const type_texts[TYPES] = { /* "PARAMS:RESULTS" */
    ":", "i:", "i:i", "ii:i", ":ij", "f:",
};

static uint8_t type_byte(char letter)
{
    return letter == 'i' ? 0x7f : letter == 'j' ? 0x7e : 0x7d;
}

static void section_append(Buf *module, uint8_t id, Buf *contents)
{
    buf_append_byte(module, id);
    buf_append_uleb(module, contents->size);
    if (contents->size)
        buf_append(module, contents->bytes, contents->size);
    buf_clear(contents);
}

static void padded_uleb(Buf *buf, uint32_t value, Choice *choice)
{
    if (choose(choice, 4) != 0) {
        buf_append_uleb(buf, value);
        return;
    }
    for (int i = 0; i < 4; i++)
        buf_append_byte(buf, (uint8_t)(0x80 | (value >> (7 * i) & 0x7f)));
    buf_append_byte(buf, (uint8_t)(value >> 28));
}

static void consts_for(Buf *code, const char *letters, Choice *choice)
{
    for (; *letters && *letters != ':'; letters++) {
        if (*letters == 'i') {
            buf_append_byte(code, 0x41);
            padded_uleb(code, choose(choice, 64), choice);
        } else if (*letters == 'j') {
            buf_append(code, "\x42\x05", 2);
        } else {
            buf_append(code, "\x43\0\0\x80\x3f", 5);
        }
    }
}

static const char *results_of(const char *text)
{
    return strchr(text, ':') + 1;
}

static void drops_for(Buf *code, const char *text)
{
    for (const char *result = results_of(text); *result; result++)
        buf_append_byte(code, 0x1a);
}

static void global_const(Buf *code, uint32_t kind, uint32_t func_index)
{
    static const struct {
        const char *bytes;
        size_t size;
    } consts[KINDS] = {{"\x41\x2a", 2}, {"\x42\x7f", 2}, {"\x43\0\0\xc0\x7f", 5}, {"\x44\0\0\0\0\0\0\0\x80", 9},
                       {"\xfd\x0c" "0123456789abcdef", 18}, {"\xd0\x70", 2}};
    if (kind == 5 && func_index % 2) {
        buf_append_byte(code, 0xd2);
        buf_append_uleb(code, func_index);
    } else {
        buf_append(code, consts[kind].bytes, consts[kind].size);
    }
}

static uint32_t func_type_of(const Shape *shape, uint32_t func_index)
{
    static const uint32_t import_types[IMPORTS] = {3, 1, 2, 0};
    return func_index < IMPORTS ? import_types[func_index] : shape->func_type[func_index - IMPORTS];
}

static void code_call(Buf *code, const Shape *shape, Choice *choice)
{
    const uint32_t func_index = choose(choice, IMPORTS + shape->func_count);
    const char *text = type_texts[func_type_of(shape, func_index)];
    consts_for(code, text, choice);
    buf_append_byte(code, 0x10);
    padded_uleb(code, func_index, choice);
    drops_for(code, text);
}

static void code_segment(Buf *code, uint32_t count, uint8_t init, uint8_t drop, Choice *choice)
{
    if (count == 0)
        return;
    const uint32_t index = choose(choice, count);
    const bool is_init = choose(choice, 2);
    if (is_init)
        consts_for(code, "iii", choice);
    buf_append_byte(code, 0xfc);
    buf_append_byte(code, is_init ? init : drop);
    padded_uleb(code, index, choice);
    if (is_init)
        buf_append_byte(code, 0);
}

static void code_global(Buf *code, const Shape *shape, Choice *choice)
{
    if (shape->global_count == 0)
        return;
    const uint32_t index = choose(choice, shape->global_count);
    if (shape->is_global_mutable[index] && choose(choice, 2)) {
        global_const(code, shape->global_kind[index], 0);
        buf_append_byte(code, 0x24);
        padded_uleb(code, index, choice);
    } else {
        buf_append_byte(code, 0x23);
        padded_uleb(code, index, choice);
        buf_append_byte(code, 0x1a);
    }
}

static void code_statement(Buf *code, const Shape *shape, Choice *choice)
{
    uint32_t index;
    switch (choose(choice, 10)) {
    case 0:
    case 1:
    case 2: code_call(code, shape, choice); break;
    case 3: code_global(code, shape, choice); break;
    case 4: code_segment(code, shape->data_count, 0x08, 0x09, choice); break;
    case 5: code_segment(code, shape->elem_count, 0x0c, 0x0d, choice); break;
    case 6: /* call_indirect */
        index = choose(choice, TYPES);
        consts_for(code, type_texts[index], choice);
        consts_for(code, "i", choice);
        buf_append_byte(code, 0x11);
        padded_uleb(code, index, choice);
        buf_append_byte(code, 0);
        drops_for(code, type_texts[index]);
        break;
    case 7: /* ref.func; all functions are declared */
        buf_append_byte(code, 0xd2);
        padded_uleb(code, choose(choice, IMPORTS + shape->func_count), choice);
        buf_append_byte(code, 0x1a);
        break;
    case 8: /* a block of a type index around a load */
        buf_append(code, "\x02\x00\x41\x00\x28\x02", 6);
        padded_uleb(code, choose(choice, 200), choice);
        buf_append(code, "\x1a\x0b", 2);
        break;
    default: /* try, throw, catch */
        if (shape->tag_count) {
            buf_append(code, "\x06\x40\x41\x01\x08", 5);
            buf_append_uleb(code, choose(choice, shape->tag_count));
            buf_append_byte(code, 0x07);
            buf_append_uleb(code, choose(choice, shape->tag_count));
            buf_append(code, "\x1a\x0b", 2);
        }
    }
}

static void bodies_append(Buf *module, const Shape *shape, Choice *choice)
{
    Buf section = BUF_INIT(1u << 20), body = BUF_INIT(1u << 20);
    buf_append_uleb(&section, shape->func_count);
    for (uint32_t i = 0; i < shape->func_count; i++) {
        buf_clear(&body);
        if (choose(choice, 3) == 0)
            buf_append(&body, "\x02\x81\x00\x7f\x02\x7d", 6); /* i32, f32, f32; one count padded */
        else
            buf_append_byte(&body, 0);
        for (uint32_t k = choose(choice, 5); k > 0; k--)
            code_statement(&body, shape, choice);
        consts_for(&body, results_of(type_texts[shape->func_type[i]]), choice);
        buf_append_byte(&body, 0x0b);
        buf_append_uleb(&section, body.size);
        buf_append(&section, body.bytes, body.size);
    }
    section_append(module, 10, &section);
    buf_deinit(&section);
    buf_deinit(&body);
}

static void types_append(Buf *module)
{
    Buf section = BUF_INIT(1u << 20);
    buf_append_byte(&section, TYPES);
    for (uint32_t i = 0; i < TYPES; i++) {
        const char *text = type_texts[i], *results = results_of(text);
        buf_append_byte(&section, 0x60);
        buf_append_uleb(&section, (uint64_t)(results - text - 1));
        for (; *text != ':'; text++)
            buf_append_byte(&section, type_byte(*text));
        buf_append_uleb(&section, strlen(results));
        for (text = results; *text; text++)
            buf_append_byte(&section, type_byte(*text));
    }
    section_append(module, 1, &section);
    buf_deinit(&section);
}

static void imports_append(Buf *module, bool is_wali)
{
    static const char *const names[2][IMPORTS] = {{"fd_write", "proc_exit", "fd_close", "sched_yield"},
                                                  {"SYS_write", "__proc_exit", "fd_close", "SYS_sched_yield"}};
    Buf section = BUF_INIT(1u << 20);
    buf_append_byte(&section, IMPORTS);
    for (uint32_t i = 0; i < IMPORTS; i++) {
        const char *from = is_wali ? "wali" : "wasi_snapshot_preview1";
        buf_append_uleb(&section, strlen(from));
        buf_append_string(&section, from);
        buf_append_uleb(&section, strlen(names[is_wali][i]));
        buf_append_string(&section, names[is_wali][i]);
        buf_append_byte(&section, 0);
        buf_append_uleb(&section, func_type_of(NULL, i));
    }
    section_append(module, 2, &section);
    buf_deinit(&section);
}

static void globals_append(Buf *module, Shape *shape, Choice *choice)
{
    static const uint8_t kinds[KINDS] = {0x7f, 0x7e, 0x7d, 0x7c, 0x7b, 0x70};
    Buf section = BUF_INIT(1u << 20);
    buf_append_uleb(&section, shape->global_count);
    for (uint32_t i = 0; i < shape->global_count; i++) {
        shape->global_kind[i] = choose(choice, KINDS);
        shape->is_global_mutable[i] = choose(choice, 2);
        buf_append_byte(&section, kinds[shape->global_kind[i]]);
        buf_append_byte(&section, shape->is_global_mutable[i]);
        global_const(&section, shape->global_kind[i], choose(choice, IMPORTS + shape->func_count));
        buf_append_byte(&section, 0x0b);
    }
    section_append(module, 6, &section);
    buf_deinit(&section);
}

static void elem_append(Buf *section, const Shape *shape, Choice *choice)
{
    const uint32_t count = choose(choice, 4);
    switch (choose(choice, 4)) {
    case 0: /* active */
        buf_append(section, "\0\x41", 2);
        buf_append_uleb(section, choose(choice, 6));
        buf_append_byte(section, 0x0b);
        break;
    case 1: buf_append(section, "\x01\0", 2); break; /* passive */
    case 2: buf_append(section, "\x03\0", 2); break; /* declarative */
    default: /* passive, of expressions */
        buf_append(section, "\x05\x70", 2);
        buf_append_uleb(section, count);
        for (uint32_t i = 0; i < count; i++) {
            global_const(section, 5, choose(choice, IMPORTS + shape->func_count));
            buf_append_byte(section, 0x0b);
        }
        return;
    }
    buf_append_uleb(section, count);
    for (uint32_t i = 0; i < count; i++)
        buf_append_uleb(section, choose(choice, IMPORTS + shape->func_count));
}

static void elems_append(Buf *module, const Shape *shape, Choice *choice)
{
    Buf section = BUF_INIT(1u << 20);
    buf_append_uleb(&section, (uint64_t)shape->elem_count + 1);
    for (uint32_t i = 0; i < shape->elem_count; i++)
        elem_append(&section, shape, choice);
    buf_append(&section, "\x03\0", 2); /* declares all, so that ref.func is always valid */
    buf_append_uleb(&section, (uint64_t)IMPORTS + shape->func_count);
    for (uint32_t i = 0; i < IMPORTS + shape->func_count; i++)
        buf_append_uleb(&section, i);
    section_append(module, 9, &section);
    buf_append_uleb(&section, shape->data_count);
    section_append(module, 12, &section);
    buf_deinit(&section);
}

static void datas_append(Buf *module, const Shape *shape, Choice *choice)
{
    Buf section = BUF_INIT(1u << 20);
    buf_append_uleb(&section, shape->data_count);
    for (uint32_t i = 0; i < shape->data_count; i++) {
        if (choose(choice, 2))
            buf_append(&section, "\x01", 1);
        else
            buf_append(&section, "\0\x41\x10\x0b", 4);
        const uint32_t size = choose(choice, 4);
        buf_append_uleb(&section, size);
        buf_append(&section, "data", size);
    }
    section_append(module, 11, &section);
    buf_deinit(&section);
}

static void module_make(Buf *module, Choice *choice)
{
    const uint32_t flags = choose(choice, 256);
    Shape shape = {.func_count = 2 + choose(choice, 12), .global_count = choose(choice, 8), .elem_count = choose(choice, 5),
                   .data_count = choose(choice, 5), .tag_count = flags & 1 ? 1 + choose(choice, 3) : 0};
    Buf section = BUF_INIT(1u << 20);
    buf_append(module, header, sizeof(header));
    types_append(module);
    imports_append(module, flags & 2);
    buf_append_uleb(&section, shape.func_count);
    for (uint32_t i = 0; i < shape.func_count; i++) {
        shape.func_type[i] = i == 0 ? 0 : i == 1 ? 0 : choose(choice, TYPES);
        buf_append_uleb(&section, shape.func_type[i]);
    }
    section_append(module, 3, &section);
    buf_append(&section, "\x01\x70\x00\x0a", 4);
    section_append(module, 4, &section);
    buf_append(&section, flags & 4 ? "\x01\x03\x01\x10" : "\x01\x00\x02", flags & 4 ? 4 : 3);
    section_append(module, 5, &section);
    buf_append_uleb(&section, shape.tag_count);
    for (uint32_t i = 0; i < shape.tag_count; i++)
        buf_append(&section, "\x00\x01", 2);
    section_append(module, 13, &section);
    globals_append(module, &shape, choice);
    buf_append(&section, "\x01\x06_start\x00", 9);
    buf_append_uleb(&section, IMPORTS);
    section_append(module, 7, &section);
    if (flags & 8) {
        buf_append_uleb(&section, IMPORTS + 1);
        section_append(module, 8, &section);
    }
    elems_append(module, &shape, choice);
    bodies_append(module, &shape, choice);
    datas_append(module, &shape, choice);
    buf_deinit(&section);
}

/* --- link and check --- */

static void mega_check(const LinkInput *inputs, size_t count, const Buf *mega, const LinkStats *stats)
{
    Arena arena = ARENA_INIT(512u << 20);
    const WasmModule *module;
    MegaEntries entries;
    Error err = ERROR_INIT;
    must(wasm_module_read(mega->bytes, mega->size, &arena, &module, &err) == 0);
    must(wasm_module_validate(module, &WASM_FEATURES_ALL, &err) == 0);
    must(entries_read(module, &arena, &entries, &err) == 0);
    must(entries.count == count && stats->entry_count == count && stats->output_size == mega->size);
    must(module->func_count == module->imported_func_count + stats->output_func_count + count);
    for (size_t i = 0; i < count; i++) {
        const MegaEntry *entry = entries_find(&entries, inputs[i].name);
        must(entry);
        link_check(inputs[i].module, module, entry, &arena);
    }
    arena_deinit(&arena);
}

static void inputs_link(const LinkInput *inputs, size_t count, bool must_link)
{
    Buf mega = BUF_INIT(64u << 20), again = BUF_INIT(64u << 20);
    LinkStats stats;
    Error err = ERROR_INIT;
    const int r = link_megabinary(inputs, count, &mega, &stats, &err);
    if (r == 0) {
        mega_check(inputs, count, &mega, &stats);
        must(link_megabinary(inputs, count, &again, NULL, NULL) == 0);
        must(mega.size == again.size && memcmp(mega.bytes, again.bytes, mega.size) == 0);
    } else {
        must(!must_link && mega.size == 0);
        must(r == -EINVAL || r == -E2BIG);
        must(err.code == -r && err.message[0] != '\0');
    }
    buf_deinit(&mega);
    buf_deinit(&again);
}

/* Return: whether bytes are a module that may be linked. */
static bool module_load(const uint8_t *bytes, size_t size, Arena *arena, const WasmModule **ret_module)
{
    return wasm_module_read(bytes, size, arena, ret_module, NULL) == 0 &&
           wasm_module_validate(*ret_module, &WASM_FEATURES_ALL, NULL) == 0;
}

static void fuzz_cut(const uint8_t *bytes, size_t size)
{
    Arena arena = ARENA_INIT(512u << 20);
    LinkInput inputs[PROGRAMS_MAX];
    size_t count = 0;
    while (size > 0 && count < PROGRAMS_MAX) {
        const uint8_t *next = size > 1 ? memmem(bytes + 1, size - 1, header, sizeof(header)) : NULL;
        const size_t piece = next ? (size_t)(next - bytes) : size;
        if (module_load(bytes, piece, &arena, &inputs[count].module))
            inputs[count].name = entry_names[count], count++;
        bytes += piece;
        size -= piece;
    }
    if (count > 0)
        inputs_link(inputs, count, false);
    arena_deinit(&arena);
}

static void fuzz_generated(const uint8_t *bytes, size_t size)
{
    Choice choice = {bytes, size};
    Arena arena = ARENA_INIT(512u << 20);
    LinkInput inputs[PROGRAMS_MAX];
    Buf modules[PROGRAMS_MAX];
    const uint32_t count = 2 + choose(&choice, PROGRAMS_MAX - 1);
    const bool have_twin = choose(&choice, 2); /* the second is the first once more */
    bool have_bad = false;
    for (uint32_t i = 0; i < count; i++) {
        modules[i] = (Buf)BUF_INIT(4u << 20);
        if (have_twin && i == 1)
            buf_append(&modules[1], modules[0].bytes, modules[0].size);
        else
            module_make(&modules[i], &choice);
        must(buf_error(&modules[i]) == 0);
        inputs[i].name = entry_names[i];
        have_bad |= !module_load(modules[i].bytes, modules[i].size, &arena, &inputs[i].module);
    }
    must(!have_bad); /* the generator makes valid modules only */
    inputs_link(inputs, count, true);
    for (uint32_t i = 0; i < count; i++)
        buf_deinit(&modules[i]);
    arena_deinit(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    if (size >= sizeof(header) && memmem(bytes, size, header, sizeof(header)))
        fuzz_cut(bytes, size);
    else
        fuzz_generated(bytes, size);
    return 0;
}
