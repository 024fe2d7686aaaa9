/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-read.c - the reader's rules, one row each, with the whole message; and what a read module looks like.
 */
#include <errno.h>
#include <stdio.h>

#include "base/limits.h"
#include "base/tap.h"
#include "wasm/instr.h"
#include "wasm/module.h"
#include "wasm/test-hex.h"

typedef struct ReadRow {
    const char *title;
    const char *module;
    int code;            /* positive errno, 0: read */
    const char *message; /* whole */
} ReadRow;

static const ReadRow rows[] = {
#include "wasm/test-read-rows.h"
};

static void test_rows(void)
{
    bool is_good = true;

    for (size_t i = 0; i < TAP_COUNT(rows); i++) {
        Arena arena = ARENA_INIT(16u << 20);
        Error err = ERROR_INIT;
        const WasmModule *module = NULL;
        size_t size;
        uint8_t *bytes = hex_module(rows[i].module, &size);
        const int r = wasm_module_read(bytes, size, &arena, &module, &err);
        if (r != -rows[i].code || strcmp(err.message, rows[i].message) != 0 || (r == 0) != (module != NULL)) {
            is_good = false;
            (void)printf("# %s\n#   got  %s \"%s\"\n#   want %s \"%s\"\n", rows[i].title, r ? error_name(-r) : "0",
                         err.message, rows[i].code ? error_name(rows[i].code) : "0", rows[i].message);
        }
        arena_deinit(&arena);
        free(bytes);
    }
    must(is_good);
}

/* Every prefix of a module with all sections is refused or read, never read past. */
static void test_truncated(void)
{
    size_t size;
    uint8_t *bytes = hex_module("01(01 60 01 7f 01 7f) 02(01 ('m') ('f') 00 00) 03(01 00) 04(01 70 00 01) 05(01 01 01 02)"
                                "0d(01 00 00) 06(01 7f 00 41 00 0b) 07(01 ('x') 00 00) 08(00) 09(01 00 41 00 0b 01 00)"
                                "0c(01) 0a(01 (01 01 7f 20 00 0b)) 0b(01 00 41 00 0b ('ab')) 00(('c') 'zz')", &size);

    for (size_t cut = 0; cut <= size; cut++) {
        Arena arena = ARENA_INIT(1u << 20);
        const WasmModule *module = NULL;
        uint8_t *copy = malloc(cut ? cut : 1);
        must(copy);
        memcpy(copy, bytes, cut);
        const int r = wasm_module_read(copy, cut, &arena, &module, NULL);
        must(r == 0 || r == -EBADMSG);
        must(cut != size || r == 0);
        arena_deinit(&arena);
        free(copy);
    }
    free(bytes);
}

static bool slice_is(WasmSlice slice, const char *text)
{
    return slice.size == strlen(text) && memcmp(slice.bytes, text, slice.size) == 0;
}

static void test_contents(void)
{
    Arena arena = ARENA_INIT(1u << 20);
    const WasmModule *module = NULL;
    size_t size;
    uint8_t *bytes = hex_module("00(('first') 01) 01(02 60 02 7f 7e 01 7d 60 00 00) 02(02 ('env') ('call') 00 00 ('env') ('g') 03 7f 01)"
                                "03(02 01 01) 04(01 6f 01 05 09) 05(01 03 01 10) 0d(01 00 01) 06(01 7e 00 42 7f 0b)"
                                "07(01 ('main') 00 01) 08(02) 09(02 01 00 02 01 02 07 70 01 d0 70 0b) 0c(02)"
                                "0a(02 (00 0b) (00 01 0b)) 0b(02 01 ('xyz') 02 00 41 08 0b ('q')) 00(('last'))", &size);

    must(wasm_module_read(bytes, size, &arena, &module, NULL) == 0);
    must(module->bytes.bytes == bytes && module->bytes.size == size);
    must(module->type_count == 2 && module->types[0].param_count == 2 && module->types[0].result_count == 1);
    must(module->types[0].types[0] == WASM_I32 && module->types[0].types[1] == WASM_I64 && module->types[0].types[2] == WASM_F32);
    must(module->import_count == 2 && slice_is(module->imports[1].name, "g") && module->imports[1].kind == WASM_EXTERN_GLOBAL);
    must(module->func_count == 3 && module->imported_func_count == 1 && module->funcs[0].is_imported);
    must(module->funcs[2].type_index == 1 && module->funcs[2].body.size == 3);
    must(module->bytes.bytes[module->funcs[2].body_offset + 1] == 0x01);
    must(wasm_func_type(module, 1)->param_count == 0);
    must(module->table_count == 1 && module->tables[0].type == WASM_EXTERNREF && module->tables[0].limits.minimum == 5 &&
         module->tables[0].limits.maximum == 9 && module->tables[0].limits.has_maximum);
    must(module->memory_count == 1 && module->memories[0].limits.is_shared && module->memories[0].limits.maximum == 16);
    must(module->tag_count == 1 && module->tags[0].type_index == 1);
    must(module->global_count == 2 && module->globals[0].is_imported && module->globals[0].is_mutable);
    must(module->globals[1].type == WASM_I64 && module->globals[1].init.code.size == 3 &&
         module->bytes.bytes[module->globals[1].init.offset] == 0x42);
    must(wasm_module_export(module, "main", WASM_EXTERN_FUNC) == 1);
    must(wasm_module_export(module, "main", WASM_EXTERN_MEMORY) == UINT32_MAX);
    must(wasm_module_export(module, "mai", WASM_EXTERN_FUNC) == UINT32_MAX);
    must(module->has_start && module->start_func == 2);
    must(module->elem_count == 2 && module->elems[0].mode == WASM_SEGMENT_PASSIVE && module->elems[0].item_count == 2 &&
         module->elems[0].func_indices[1] == 2);
    must(module->elems[1].mode == WASM_SEGMENT_DECLARATIVE && module->elems[1].exprs && module->elems[1].exprs[0].code.size == 3);
    must(module->has_data_count && module->data_count == 2 && module->datas[0].mode == WASM_SEGMENT_PASSIVE &&
         slice_is(module->datas[0].bytes, "xyz") && module->datas[1].mode == WASM_SEGMENT_ACTIVE);
    must(module->custom_count == 2 && slice_is(module->customs[0].name, "first") && module->customs[0].after_section == 0 &&
         slice_is(module->customs[1].name, "last") && module->customs[1].after_section == 11);
    arena_deinit(&arena);
    free(bytes);
}

static void test_names(void)
{
    static const char *const sections[] = {
        "00(04'name' 00(01 'm') 01(02 00 01'a' 01 01'b'))", /* the module's name, then two functions */
        "00(04'name' 01(02 00 01'a' 01 01'b') 07(ff))",     /* an unknown subsection behind */
        "00(04'name' 01(05 00 01'a' 01 01'b' 09 01'c'))",   /* says five: what is there is taken */
    };

    for (size_t i = 0; i < TAP_COUNT(sections); i++) {
        Arena arena = ARENA_INIT(1u << 20);
        const WasmModule *module = NULL;
        WasmNames names;
        char text[256];
        size_t size;
        (void)snprintf(text, sizeof(text), "01(01 60 00 00) 03(02 00 00) 0a(02 (00 0b) (00 0b)) %s", sections[i]);
        uint8_t *bytes = hex_module(text, &size);
        must(wasm_module_read(bytes, size, &arena, &module, NULL) == 0);
        must(wasm_names_read(module, &arena, &names) == 0);
        must(names.func_count == 2 && slice_is(names.funcs[0], "a") && slice_is(names.funcs[1], "b"));
        must(i != 0 || slice_is(names.module, "m"));
        arena_deinit(&arena);
        free(bytes);
    }
}

/* A module that says how much it has must not cost memory before it shows it. */
static void test_bounded_memory(void)
{
    static const char *const modules[] = {
        "01(ffffff07 60 00 00)", "02(ffff04 00 00 00 00)", "03(ffff7f 00)", "09(ff ff 3f 00)", "0b(ff ff 3f 00)", "07(ffff04 00 00 00)",
    };

    for (size_t i = 0; i < TAP_COUNT(modules); i++) {
        Arena arena = ARENA_INIT(64u << 20);
        const WasmModule *module = NULL;
        size_t size;
        uint8_t *bytes = hex_module(modules[i], &size);
        must(wasm_module_read(bytes, size, &arena, &module, NULL) < 0);
        must(arena.used_size < (64u << 10));
        arena_deinit(&arena);
        free(bytes);
    }
}

static void test_no_memory(void)
{
    size_t size;
    uint8_t *bytes = hex_module("01(01 60 00 00) 03(01 00) 0a(01 (00 0b)) 00(('c'))", &size);

    for (size_t max_size = 0; max_size < 40000; max_size += 16) {
        Arena arena = ARENA_INIT(max_size);
        const WasmModule *module = NULL;
        const int r = wasm_module_read(bytes, size, &arena, &module, NULL);
        must(r == 0 || r == -ENOMEM);
        must(max_size < 30000 || r == 0);
        arena_deinit(&arena);
    }
    free(bytes);
}

static void test_instructions(void)
{
    size_t size;
    uint8_t *bytes = hex_module("= fd0c 000102030405060708090a0b0c0d0e0f  0e 02 01 02 03  28 42 01 8002  1f 40 02 00 05 00 02 01  fe10 02 04", &size);
    const WasmSlice code = {.bytes = bytes, .size = size};
    WasmInstr instr;

    must(wasm_instr_read(code, 100, 0, &instr, NULL) == 0);
    must(instr.opcode == 0xfd000c && instr.imm == WASM_IMM_V128 && instr.v128[15] == 15 && instr.end == 18);
    must(wasm_instr_read(code, 100, instr.end, &instr, NULL) == 0);
    must(instr.opcode == 0x0e && instr.list_count == 2);
    size_t position = instr.list_start;
    must(wasm_br_table_next(code, &position) == 1 && wasm_br_table_next(code, &position) == 2 &&
         wasm_br_table_next(code, &position) == 3 && position == instr.end);
    must(wasm_instr_read(code, 100, instr.end, &instr, NULL) == 0);
    must(instr.opcode == 0x28 && instr.memarg.align_log2 == 2 && instr.memarg.memory_index == 1 && instr.memarg.offset == 256 &&
         instr.memarg.has_index && !instr.memarg.is_wide);
    must(wasm_instr_read(code, 100, instr.end, &instr, NULL) == 0);
    must(instr.opcode == 0x1f && instr.block.kind == WASM_BLOCK_EMPTY && instr.list_count == 2);
    position = instr.list_start;
    const WasmCatch first = wasm_catch_next(code, &position);
    const WasmCatch second = wasm_catch_next(code, &position);
    must(first.kind == 0 && first.tag_index == 5 && first.label == 0 && second.kind == 2 && second.label == 1);
    must(wasm_instr_read(code, 100, instr.end, &instr, NULL) == 0);
    must(instr.opcode == 0xfe0010 && instr.end == size);
    must(strcmp(wasm_opcode_name(0xfe0010), "i32.atomic.load") == 0 && strcmp(wasm_opcode_name(0x6a), "i32.add") == 0);
    must(!wasm_opcode_name(0xff) && !wasm_opcode_name(0xfd0140) && !wasm_opcode_name(0xfd009a) && !wasm_opcode_name(UINT32_MAX));
    free(bytes);
}

static void test_locals(void)
{
    static WasmValType types[LIMIT_LOCALS];
    WasmLocals locals;
    size_t size;
    uint8_t *bytes = hex_module("= 03 02 7f 00 7e 01 7c 0b", &size);
    const WasmSlice body = {.bytes = bytes, .size = size};

    must(wasm_locals_read(body, 0, 7, types, &locals, NULL) == 0);
    must(locals.count == 3 && locals.code_start == 7 && types[0] == WASM_I32 && types[1] == WASM_I32 && types[2] == WASM_F64);
    must(wasm_locals_read(body, 0, LIMIT_LOCALS - 3, NULL, &locals, NULL) == 0);
    must(wasm_locals_read(body, 0, LIMIT_LOCALS - 2, NULL, &locals, NULL) == -E2BIG);
    free(bytes);
}

int main(void)
{
    static const TapCase cases[] = {
        {"rows", test_rows},
        {"truncated", test_truncated},
        {"contents", test_contents},
        {"names", test_names},
        {"bounded memory", test_bounded_memory},
        {"no memory", test_no_memory},
        {"instructions", test_instructions},
        {"locals", test_locals},
    };

    return tap_main(cases, TAP_COUNT(cases));
}
