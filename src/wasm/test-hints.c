/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-hints.c - branch hints: what a section must look like, and that one with an error is not used at all.
 */
#include <errno.h>
#include <stdio.h>

#include "base/tap.h"
#include "wasm/module.h"
#include "wasm/test-hex.h"

/* Function 0 is imported. In 1: if at 3, br_if at 7; in 2: br_if at 5. */
#define MODULE(hints)                                                               \
    "01(01 60 00 00) 02(01 ('m')('f') 00 00) 03(02 00 00) "                         \
    "00(('metadata.code.branch_hint') " hints ") "                                  \
    "0a(02 (00 41 00 04 40 41 01 0d 00 0b 0b) (00 02 40 41 00 0d 00 0b 0b))"

typedef struct HintRow {
    const char *title;
    const char *hints;
    uint32_t count; /* 0: refused */
} HintRow;

static const HintRow rows[] = {
    {"three hints", MODULE("02 01 02 03 01 00 07 01 01 02 01 05 01 01"), 3},
    {"imported function", MODULE("01 00 01 03 01 00"), 0},
    {"unknown function", MODULE("01 03 01 03 01 00"), 0},
    {"functions out of order", MODULE("02 02 01 05 01 01 01 01 03 01 00"), 0},
    {"function twice", MODULE("02 01 01 03 01 00 01 01 07 01 00"), 0},
    {"offsets out of order", MODULE("01 01 02 07 01 00 03 01 01"), 0},
    {"offset twice", MODULE("01 01 02 03 01 00 03 01 01"), 0},
    {"offset of another instruction", MODULE("01 01 01 01 01 00"), 0},
    {"offset in an instruction", MODULE("01 01 01 04 01 00"), 0},
    {"offset after the body", MODULE("01 01 01 40 01 00"), 0},
    {"offset in the locals", MODULE("01 01 01 00 01 00"), 0},
    {"two bytes", MODULE("01 01 01 03 02 00 00"), 0},
    {"value 2", MODULE("01 01 01 03 01 02"), 0},
    {"too short", MODULE("01 01 01 03 01"), 0},
    {"too long", MODULE("01 01 01 03 01 00 00"), 0},
    {"more functions than bytes", MODULE("ffffff7f 01 01 03 01 00"), 0},
    {"more hints than bytes", MODULE("01 01 ffffff7f 03 01 00"), 0},
    {"nothing", MODULE(""), 0},
};

static int hints_read(const char *text, Arena *arena, WasmHints *hints, Error *err)
{
    const WasmModule *module = NULL;
    size_t size;
    uint8_t *bytes = hex_module(text, &size);

    must(wasm_module_read(bytes, size, arena, &module, err) == 0);
    must(wasm_module_validate(module, &WASM_FEATURES_DEFAULT, err) == 0);
    const int r = wasm_hints_read(module, arena, hints, err);
    free(bytes);
    return r;
}

static void test_rows(void)
{
    for (size_t i = 0; i < TAP_COUNT(rows); i++) {
        Arena arena = ARENA_INIT(1u << 20);
        Error err = ERROR_INIT;
        WasmHints hints;
        const int r = hints_read(rows[i].hints, &arena, &hints, &err);
        if (r != (rows[i].count ? 0 : -EBADMSG) || hints.count != rows[i].count) {
            (void)printf("# %s: %d, %u hints: %s\n", rows[i].title, r, hints.count, err.message);
            must(false);
        }
        arena_deinit(&arena);
    }
}

static void test_values(void)
{
    Arena arena = ARENA_INIT(1u << 20);
    Error err = ERROR_INIT;
    WasmHints hints;

    must(hints_read(rows[0].hints, &arena, &hints, &err) == 0 && hints.count == 3);
    must(hints.hints[0].func_index == 1 && hints.hints[0].offset == 3 && !hints.hints[0].is_likely);
    must(hints.hints[1].func_index == 1 && hints.hints[1].offset == 7 && hints.hints[1].is_likely);
    must(hints.hints[2].func_index == 2 && hints.hints[2].offset == 5 && hints.hints[2].is_likely);
    must(hints_read("", &arena, &hints, &err) == 0 && hints.count == 0);
    arena_deinit(&arena);
}

int main(void)
{
    static const TapCase cases[] = {{"sections, good and bad", test_rows}, {"what hints say", test_values}};
    return tap_main(cases, TAP_COUNT(cases));
}
