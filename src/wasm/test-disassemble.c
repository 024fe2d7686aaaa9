/* SPDX-License-Identifier: Apache-2.0 */
/* test-disassemble.c - the text of instructions, and bodies that end early. tests/command compares whole modules with wabt's objdump. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/tap.h"
#include "wasm/disassemble.h"
#include "wasm/test-hex.h"

typedef struct Text {
    Buf buf;
    int stop_at; /* instructions until emit refuses; < 0 never */
} Text;

static int text_emit(void *context, uint64_t offset, uint32_t depth, const char *text)
{
    Text *out = context;
    if (out->stop_at-- == 0) {
        return -EIO;
    }
    buf_append_format(&out->buf, "%s%u:%u:%s", out->buf.size > 0 ? ";" : "", (unsigned)offset, depth, text);
    return 0;
}

/* Type 0: (i32) -> (f32), function 0 imported, function 1 "f\n" with the body given. */
static int disassemble(const char *body, uint32_t func_index, Text *out)
{
    Arena arena = ARENA_INIT(16u << 20);
    char text[1024];
    size_t size;
    const WasmModule *module;
    WasmNames names = {0};
    Error err = ERROR_INIT;
    must(snprintf(text, sizeof(text),
                  "01(01 60 01 7f 01 7d) 02(01 ('m') ('n') 00 00) 03(01 00) 0a(01 (%s)) 00(('name') 01(01 01('f' 0a)))", body) < (int)sizeof(text));
    uint8_t *bytes = hex_module(text, &size);
    must(wasm_module_read(bytes, size, &arena, &module, &err) == 0);
    must(wasm_names_read(module, &arena, &names) == 0);
    const int r = wasm_disassemble_each(module, &names, func_index, text_emit, out, &err);
    must((r < 0 && r != -EIO) == (err.code != 0));
    free(bytes);
    arena_deinit(&arena);
    return r;
}

static void row(const char *body, const char *want)
{
    Text out = {.buf = BUF_INIT(1u << 20), .stop_at = -1};
    const int r = disassemble(body, 1, &out);
    const char *got = out.buf.bytes != NULL ? (const char *)out.buf.bytes : "";
    if (r != 0 || strcmp(got, want) != 0) {
        printf("# %s\n# want %s\n# got  %s (%d)\n", body, want, got, r);
    }
    must(r == 0 && strcmp(got, want) == 0);
    buf_deinit(&out.buf);
}

/* The first instruction is at byte 34 of the module. */
static void test_rows(void)
{
    row("00 41 7f 10 01 0b", "34:0:i32.const -1;36:0:call 1 (f_);38:0:end");
    row("00 02 7d 03 40 0b 43 00 00 c0 7f 0b 0b", "34:0:block (result f32);36:1:loop;38:1:end;39:1:f32.const nan:0x7fc00000;44:0:end;45:0:end");
    row("00 41 00 02 00 0b 0b", "34:0:i32.const 0;36:0:block (type 0) (i32) -> (f32);38:0:end;39:0:end");
    row("00 0e 02 00 01 02 0b", "34:0:br_table 0 1 2;39:0:end");
    row("00 28 02 08 29 43 01 ff ff ff ff 0f 0b", "34:0:i32.load offset=8 align=4;37:0:i64.load 1 offset=4294967295 align=8;45:0:end");
    row("00 1f 40 02 00 00 00 02 00 0b 0b", "34:0:try_table (catch 0 0) (catch_all 0);42:0:end;43:0:end");
    row("00 06 40 07 00 19 0b 0b", "34:0:try;36:0:catch 0;38:0:catch_all;39:0:end;40:0:end");
    row("00 fd 15 0f 0b", "34:0:i8x16.extract_lane_s 15;37:0:end");
    row("00 1c 01 7c 44 00 00 00 00 00 00 04 c0 0b", "34:0:select (result f64);37:0:f64.const -0x1.4p+1;46:0:end");
}

static void test_failures(void)
{
    Text out = {.buf = BUF_INIT(1u << 20), .stop_at = -1};
    must(disassemble("00 0b", 0, &out) == -EINVAL); /* imported */
    must(disassemble("00 0b", 2, &out) == -EINVAL);
    must(disassemble("00 41", 1, &out) == -EBADMSG);
    must(disassemble("05", 1, &out) == -EBADMSG);
    must(out.buf.size == 0);
    must(disassemble("00 01 ff", 1, &out) == -EBADMSG && out.buf.size > 0); /* what comes before it is shown */
    out.stop_at = 1;
    must(disassemble("00 01 01 01 0b", 1, &out) == -EIO);
    buf_deinit(&out.buf);
}

int main(void)
{
    static const TapCase cases[] = {{"instructions as text", test_rows}, {"bodies that end early, functions without one", test_failures}};
    return tap_main(cases, TAP_COUNT(cases));
}
