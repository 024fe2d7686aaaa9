/* SPDX-License-Identifier: Apache-2.0 */
/* test-adapt.c - adapted modules: what is written, and what is left alone. tests/wali runs some. */
#include <stdlib.h>
#include <string.h>

#include "base/tap.h"
#include "wasm/adapt.h"
#include "wasm/test-hex.h"

typedef struct Case {
    Arena arena;
    uint8_t *bytes;
    const WasmModule *before;
    const WasmModule *after; /* NULL: nothing was written */
    Buf out;
    AdaptStats stats;
} Case;

static void case_make(Case *c, const char *text)
{
    size_t size;
    *c = (Case){.arena = ARENA_INIT(64u << 20), .out = BUF_INIT(16u << 20)};
    c->bytes = hex_module(text, &size);
    must(wasm_module_read(c->bytes, size, &c->arena, &c->before, NULL) == 0);
    must(wasm_module_validate(c->before, &WASM_FEATURES_DEFAULT, NULL) == 0);
    must(wasm_adapt_calls(c->before, &c->arena, &c->out, &c->stats, NULL) == 0);
    must((c->out.size > 0) == (c->stats.call_count > 0));
    if (c->out.size > 0) {
        Error err = ERROR_INIT;
        must(wasm_module_read(c->out.bytes, c->out.size, &c->arena, &c->after, &err) == 0);
        must(wasm_module_validate(c->after, &WASM_FEATURES_DEFAULT, &err) == 0);
    }
}

static void case_end(Case *c)
{
    buf_deinit(&c->out);
    free(c->bytes);
    arena_deinit(&c->arena);
}

/* Types: 0 ()->(), 1 (i32)->i32, 2 (i32 i64)->i64, 3 (f64)->f64, 4 ()->() again. Functions: 0..3 of types 0..3, 4: of type 0 calls all four. */
#define TYPES "01(05 60 00 00 60 01 7f 01 7f 60 02 7f 7e 01 7e 60 01 7c 01 7c 60 00 00)"
#define FUNCTIONS "03(05 00 01 02 03 04)"
#define CALLER "00 41 01 11 00 00  41 05 41 00 11 01 00 1a  41 05 42 06 41 01 11 02 00 1a  44 00 00 00 00 00 00 00 00 41 03 11 03 00 1a 0b"
#define BODIES "0a(05 (00 0b) (00 20 00 0b) (00 20 01 0b) (00 20 00 0b) (" CALLER "))"
#define NAMES "00(('name') 01(02 00('a') 01('b')))"

static void test_adapted(void)
{
    Case c;
    case_make(&c, TYPES FUNCTIONS "04(01 70 00 08) 09(01 00 41 02 0b 04 00 01 02 03)" BODIES NAMES);
    /* ()->() meets all others, (i32)->i32 meets ()->() and (i32 i64)->i64, that meets the first two, (f64)->f64 only ()->(). */
    must(c.stats.adapter_count == 4 && c.stats.call_count == 4);
    must(c.after->func_count == c.before->func_count + 4 && c.after->type_count == c.before->type_count + 4);
    WasmNames names;
    must(wasm_names_read(c.after, &c.arena, &names) == 0);
    must(names.funcs[0].size == 1 && names.funcs[0].bytes[0] == 'a' && names.funcs[1].bytes[0] == 'b' && names.funcs[4].size == 0);
    must(names.funcs[5].size == strlen("indirect_call.adapted") && names.funcs[8].size == names.funcs[5].size);
    /* An adapter takes what the call took, and the index. */
    const WasmFuncType *type = wasm_func_type(c.after, 7);
    must(type->param_count == 3 && type->types[0] == WASM_I32 && type->types[1] == WASM_I64 && type->types[2] == WASM_I32 && type->types[3] == WASM_I64);
    case_end(&c);
}

static void test_untouched(void)
{
    static const char *const texts[] = {
        "",                                                                                     /* nothing at all */
        "01(01 60 00 00) 03(02 00 00) 04(01 70 00 01) 09(01 00 41 00 0b 01 00) 0a(02 (00 0b) (00 41 00 11 00 00 0b))", /* one type */
        TYPES FUNCTIONS "04(01 70 00 08)" BODIES,                                               /* an empty table */
        TYPES FUNCTIONS "04(01 70 00 08) 09(01 00 41 06 0b 04 00 01 02 03)" BODIES,             /* a segment that does not fit */
        /* table.set */
        TYPES FUNCTIONS "04(01 70 00 08) 09(01 00 41 02 0b 04 00 01 02 03)"
                        "0a(05 (00 41 00 d0 70 26 00 0b) (00 20 00 0b) (00 20 01 0b) (00 20 00 0b) (" CALLER "))",
        /* imported */
        "01(02 60 00 00 60 01 7f 00) 02(01 ('a') ('b') 01 70 00 08) 03(02 00 01) 09(01 00 41 00 0b 01 00) 0a(02 (00 0b) (00 41 00 41 00 11 01 00 0b))",
        /* f64 for i32: no call of C's */
        "01(02 60 01 7c 00 60 01 7f 00) 03(02 00 01) 04(01 70 00 01) 09(01 00 41 00 0b 01 00) 0a(02 (00 0b) (00 41 00 41 00 11 01 00 0b))",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        Case c;
        case_make(&c, texts[i]);
        must(c.stats.call_count == 0 && c.after == NULL);
        case_end(&c);
    }
}

static void test_expressions(void)
{
    Case c; /* items as expressions, one null; a second table that is called as it is */
    case_make(&c, "01(02 60 00 00 60 01 7f 00) 03(02 00 01) 04(02 70 00 04 70 00 04) 09(01 04 41 01 0b 03 d2 00 0b d0 70 0b d2 01 0b)"
                  "0a(02 (00 0b) (00 41 00 41 00 11 01 00 41 00 41 00 11 01 01 0b))");
    must(c.stats.adapter_count == 1 && c.stats.call_count == 1);
    case_end(&c);
}

static void test_foreign(void)
{
    static const struct { const char *text; bool is_foreign; } rows[] = {
        {"", false},
        {"01(01 60 00 00) 02(01 ('wali') ('SYS_getpid') 00 00)", true},
        {"01(01 60 00 00) 02(01 ('walii') ('SYS_getpid') 00 00)", false},
        {"01(01 60 00 00) 02(01 ('wasi_snapshot_preview1') ('sched_yield') 00 00)", false},
        {"01(01 60 00 00) 02(01 ('wali') ('SYS_getpid') 00 00) 00(('recompiler.sdk') 31)", false},
        {"01(01 60 00 00) 02(01 ('wali') ('SYS_getpid') 00 00) 00(('recompiler.sdk2') 31)", true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        size_t size;
        Arena arena = ARENA_INIT(1u << 20);
        uint8_t *bytes = hex_module(rows[i].text, &size);
        const WasmModule *module;
        must(wasm_module_read(bytes, size, &arena, &module, NULL) == 0 && wasm_is_foreign(module) == rows[i].is_foreign);
        arena_deinit(&arena);
        free(bytes);
    }
}

int main(void)
{
    static const TapCase cases[] = {
        {"calls of types that can meet are adapted", test_adapted},
        {"left as it is", test_untouched},
        {"items as expressions, a second table", test_expressions},
        {"what is foreign", test_foreign},
    };
    return tap_main(cases, TAP_COUNT(cases));
}
