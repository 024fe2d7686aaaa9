/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-validate.c - the validator's rules, one row each, with the whole message; limits; behaviour without memory.
 */
#include <errno.h>
#include <stdio.h>

#include "base/limits.h"
#include "base/tap.h"
#include "wasm/module.h"
#include "wasm/test-hex.h"

typedef struct ValidateRow {
    const char *title;
    const char *module;
    WasmFeatures features;
    int code;            /* positive errno, 0: valid */
    const char *message; /* whole */
} ValidateRow;

#define NONE {.tail_call = false}
#define DEFAULT WASM_FEATURES_DEFAULT
#define ALL WASM_FEATURES_ALL
#define LEGACY {.legacy_exceptions = true}
#define EXNREF {.exnref = true}

/* One function; its body's code without the last end. */
#define TYPE_V "01(01 60 00 00) "
#define BODY(code) TYPE_V "03(01 00) 0a(01 (00 " code " 0b))"
#define BODY_OF(type, code) "01(01 60 " type ") 03(01 00) 0a(01 (00 " code " 0b))"
#define BODY_I(code) BODY_OF("00 01 7f", code)
#define BODY_L(param, locals, code) "01(01 60 01 " param " 00) 03(01 00) 0a(01 (" locals " " code " 0b))"
#define BODY_TABLE(code) TYPE_V "03(01 00) 04(01 70 00 01) 0a(01 (00 " code " 0b))"
#define BODY_MEM(code) TYPE_V "03(01 00) 05(01 00 01) 0a(01 (00 " code " 0b))"
#define BODY_MEM64(code) TYPE_V "03(01 00) 05(01 04 01) 0a(01 (00 " code " 0b))"
/* Tag 0 takes an i32; type 2 gives i32 and exnref. */
#define BODY_TAG(code) "01(03 60 00 00 60 01 7f 00 60 00 02 7f 69) 03(01 00) 0d(01 00 01) 0a(01 (00 " code " 0b))"
#define BODY_TRY(code) "01(02 60 00 00 60 01 7f 00) 03(01 00) 0d(01 00 01) 0a(01 (00 " code " 0b))"

static const ValidateRow rows[] = {
#include "wasm/test-validate-rows.h"
};

static int validate(const char *text, const WasmFeatures *features, Error *err)
{
    Arena arena = ARENA_INIT(64u << 20);
    const WasmModule *module = NULL;
    size_t size;
    uint8_t *bytes = hex_module(text, &size);
    int r = wasm_module_read(bytes, size, &arena, &module, err);

    if (r == 0)
        r = wasm_module_validate(module, features, err);
    arena_deinit(&arena);
    free(bytes);
    return r;
}

static void test_rows(void)
{
    bool is_good = true;

    for (size_t i = 0; i < TAP_COUNT(rows); i++) {
        Error err = ERROR_INIT;
        const int r = validate(rows[i].module, &rows[i].features, &err);
        if (r != -rows[i].code || strcmp(err.message, rows[i].message) != 0) {
            is_good = false;
            (void)printf("# %s\n#   got  %s \"%s\"\n#   want %s \"%s\"\n", rows[i].title, r ? error_name(-r) : "0",
                         err.message, rows[i].code ? error_name(rows[i].code) : "0", rows[i].message);
        }
    }
    must(is_good);
}

/* head, then part count times, then tail */
static char *repeat(const char *head, const char *part, size_t count, const char *tail)
{
    const size_t size = strlen(head) + strlen(part) * count + strlen(tail) + 1;
    char *text = malloc(size);
    char *at;

    must(text);
    at = stpcpy(text, head);
    for (size_t i = 0; i < count; i++)
        at = stpcpy(at, part);
    (void)stpcpy(at, tail);
    return text;
}

static void limit_check(char *text, int code)
{
    Error err = ERROR_INIT;
    const int r = validate(text, &WASM_FEATURES_DEFAULT, &err);

    if (r != -code)
        (void)printf("# got %d \"%s\", want %d\n", r, err.message, -code);
    must(r == -code);
    free(text);
}

static void test_limits(void)
{
    const size_t operands = LIMIT_OPERANDS / 1000;

    /* blocks: the body is one of LIMIT_NESTING + 1 frames */
    char *ends = repeat("", "0b", LIMIT_NESTING, "0b))");
    limit_check(repeat(TYPE_V "03(01 00) 0a(01 (00", "02 40", LIMIT_NESTING, ends), 0);
    limit_check(repeat(TYPE_V "03(01 00) 0a(01 (00", "02 40", LIMIT_NESTING + 1, ends), E2BIG);
    free(ends);
    /* operands: calls that give a thousand each, then unreachable */
    char *results = repeat("01(01 60 00 e807", "7f", 1000, ") 03(01 00) 0a(01 (00");
    limit_check(repeat(results, "10 00", operands, "00 0b))"), 0);
    limit_check(repeat(results, "10 00", operands + 1, "00 0b))"), E2BIG);
    free(results);
    /* parameters and results */
    limit_check(repeat("01(01 60 e807", "7f", 1000, "00)"), 0);
    limit_check(repeat("01(01 60 e907", "7f", 1001, "00)"), E2BIG);
    limit_check(repeat("01(01 60 00 e907", "7f", 1001, ")"), E2BIG);
    /* br_table: 65,520 labels */
    limit_check(repeat(TYPE_V "03(01 00) 0a(01 (00 41 00 0e f0ff03", "00", LIMIT_BR_TABLE, "00 0b))"), 0);
    limit_check(repeat(TYPE_V "03(01 00) 0a(01 (00 41 00 0e f1ff03", "00", LIMIT_BR_TABLE + 1, "00 0b))"), E2BIG);
    /* names: 100,000 bytes */
    limit_check(repeat("00(a08d06", "61", LIMIT_NAME_SIZE, ")"), 0);
    limit_check(repeat("00(a18d06", "61", LIMIT_NAME_SIZE + 1, ")"), E2BIG);
    /* a body of 8 MiB: 0x00, nops, end */
    limit_check(repeat(TYPE_V "03(01 00) 0a(01 (00 ", "01", LIMIT_BODY_SIZE - 2, "0b))"), 0);
    limit_check(repeat(TYPE_V "03(01 00) 0a(01 (00 ", "01", LIMIT_BODY_SIZE - 1, "0b))"), E2BIG);
    /* custom sections */
    limit_check(repeat("", "00 01 00", LIMIT_CUSTOMS, ""), 0);
    limit_check(repeat("", "00 01 00", LIMIT_CUSTOMS + 1, ""), E2BIG);
}

static void test_type_equality(void)
{
    static const WasmValType types[] = {WASM_I32, WASM_I64, WASM_I32, WASM_I64, WASM_I32};
    const WasmFuncType a = {.param_count = 1, .result_count = 1, .types = types};
    const WasmFuncType b = {.param_count = 1, .result_count = 1, .types = types + 2};
    const WasmFuncType c = {.param_count = 2, .result_count = 0, .types = types};
    const WasmFuncType d = {.param_count = 1, .result_count = 1, .types = types + 1};

    must(wasm_func_type_equals(&a, &a) && wasm_func_type_equals(&a, &b));
    must(!wasm_func_type_equals(&a, &c) && !wasm_func_type_equals(&a, &d));
}

/* The message can be left out, and says where it is when it is not. */
static void test_errors(void)
{
    Error err = ERROR_INIT;

    must(validate(BODY("1a"), &WASM_FEATURES_DEFAULT, NULL) == -EINVAL);
    must(validate(BODY("1a"), &WASM_FEATURES_DEFAULT, &err) == -EINVAL);
    must(err.code == EINVAL && err.offset == 0x17);
}

int main(void)
{
    static const TapCase cases[] = {
        {"rows", test_rows},
        {"limits", test_limits},
        {"type equality", test_type_equality},
        {"errors", test_errors},
    };

    return tap_main(cases, TAP_COUNT(cases));
}
