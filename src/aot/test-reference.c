/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-reference.c - typed function references as programs get them (objects without thunks) and as embedders do; branch hints in the
 * code that LLVM gets. Each module's start function does what is to be tested and traps where it went wrong.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "aot/compile.h"
#include "base/buf.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/tap.h"
#include "rt/rt.h"
#include "wasm/test-hex.h"

static char test_dir[] = "/tmp/test-reference-XXXXXX";
static char work_dir[64], ir_dir[64], object_path[64];

/* Functions: 0 the start; 1 (i32) -> i32, adds one; 2 unreachable. Types: 0 () -> (), 1 (i32) -> i32, 2 (i32 x 9) -> (). */
#define MODULE(code)                                                                                     \
    "01(03 60 00 00 60 01 7f 01 7f 60 09 7f 7f 7f 7f 7f 7f 7f 7f 7f 00) 03(04 00 01 00 02) 08(00) "       \
    "09(01 03 00 03 01 02 03) 0a(04 (00 " code " 0b) (00 20 00 41 01 6a 0b) (00 00 0b) (00 20 08 41 09 47 04 40 00 0b 0b))"

typedef struct Row {
    const char *title;
    const char *module;
    RtTrap trap;
} Row;

static const Row rows[] = {
    {"call_ref", MODULE("41 29 d2 01 14 01 41 2a 47 04 40 00 0b"), RT_TRAP_NONE},
    {"call_ref of null", MODULE("41 00 d0 01 14 01 1a"), RT_TRAP_NULL_REFERENCE},
    {"return_call_ref", MODULE("d2 02 15 00"), RT_TRAP_UNREACHABLE},
    {"return_call_ref of null", MODULE("d0 00 15 00"), RT_TRAP_NULL_REFERENCE},
    {"return_call_ref with arguments in memory",
     MODULE("41 01 41 02 41 03 41 04 41 05 41 06 41 07 41 08 41 09 d2 03 15 02"), RT_TRAP_NONE},
    {"ref.as_non_null", MODULE("d2 02 d4 d1 04 40 00 0b"), RT_TRAP_NONE},
    {"ref.as_non_null of null", MODULE("d0 00 d4 1a"), RT_TRAP_NULL_REFERENCE},
    {"br_on_null, null", MODULE("02 40 d0 00 d5 00 1a 00 0b"), RT_TRAP_NONE},
    {"br_on_null, a function", MODULE("02 40 d2 02 d5 00 14 00 0b"), RT_TRAP_UNREACHABLE},
    {"br_on_null with values below", MODULE("02 7f 41 07 d0 00 d5 00 1a 1a 41 08 0b 41 07 47 04 40 00 0b"), RT_TRAP_NONE},
    {"br_on_non_null, a function", MODULE("02 64 02 d2 03 d6 00 00 0b 1a"), RT_TRAP_NONE},
    {"br_on_non_null, null", MODULE("02 64 00 d0 00 d6 00 d2 02 0b 14 00"), RT_TRAP_UNREACHABLE},
};

static void module_compile(const char *text, bool has_thunks, const char *dump_dir)
{
    WasmFeatures features = WASM_FEATURES_ALL;
    Arena arena = ARENA_INIT(64u << 20);
    Error err = ERROR_INIT;
    const WasmModule *module = NULL;
    size_t size;
    uint8_t *bytes = hex_module(text, &size);
    const CompileOptions options = {.opt_level = 2, .job_count = 1, .cpu = "x86-64-v2", .has_thunks = has_thunks, .digest = {{1, 2, 3}},
                                    .work_dir = work_dir, .dump_ir_dir = dump_dir};
    int r = wasm_module_read(bytes, size, &arena, &module, &err);
    r = r < 0 ? r : wasm_module_validate(module, &features, &err);
    r = r < 0 ? r : compile_module(module, &options, object_path, &err);
    if (r < 0) {
        printf("# %s\n", err.message);
        must(false && "compiles");
    }
    arena_deinit(&arena);
    free(bytes);
}

static RtTrap module_start(void)
{
    const Digest digest = {{1, 2, 3}};
    const RtInstanceConfig config = {.native_stack_size = 1u << 20};
    Error err = ERROR_INIT;
    RtLoaded *loaded = NULL;
    RtInstance *instance = NULL;
    const int fd = open(object_path, O_RDONLY | O_CLOEXEC);
    must(fd >= 0 && rt_object_open(fd, 3, &digest, &loaded, &err) == 0);
    must(rt_instance_new(loaded, NULL, &config, &instance, &err) == 0);
    const RtTrap trap = rt_instance_instantiate(instance, NULL);
    (void)rt_instance_free(instance);
    (void)rt_object_close(loaded);
    close(fd);
    return trap;
}

static void run_rows(bool has_thunks)
{
    for (size_t i = 0; i < TAP_COUNT(rows); i++) {
        module_compile(rows[i].module, has_thunks, NULL);
        const RtTrap trap = module_start();
        if (trap != rows[i].trap) {
            printf("# %s: got '%s' want '%s'\n", rows[i].title, rt_trap_name(trap), rt_trap_name(rows[i].trap));
            must(false);
        }
    }
}

static void test_program(void) { run_rows(false); }
static void test_embedded(void) { run_rows(true); }

static size_t occurrences(const char *text, const char *word)
{
    size_t count = 0;
    for (const char *at = strstr(text, word); at != NULL; at = strstr(at + 1, word)) {
        count++;
    }
    return count;
}

/* A br_if said to be likely, an if said to be unlikely, and the same code without hints. */
static void test_hints(void)
{
#define BODY "01(01 60 01 7f 00) 03(01 00) 07(01 ('f') 00 00) %s 0a(01 (00 02 40 20 00 0d 00 20 00 04 40 00 0b 0b 0b))"
    static const char *const sections[] = {"00(('metadata.code.branch_hint') 01 00 02 05 01 01 09 01 00)", ""};
    for (size_t i = 0; i < 2; i++) {
        char text[512], path[128];
        char *ir = NULL;
        size_t size;
        must(snprintf(text, sizeof(text), BODY, sections[i]) < (int)sizeof(text));
        module_compile(text, true, ir_dir);
        must(snprintf(path, sizeof(path), "%s/unit-1.in.ll", ir_dir) < (int)sizeof(path));
        must(file_read(AT_FDCWD, path, 16u << 20, &ir, &size, NULL) == 0);
        must(occurrences(ir, "!\"branch_weights\", i32 2000, i32 1}") == (i == 0) && occurrences(ir, "!\"branch_weights\", i32 1, i32 2000}") == (i == 0));
        free(ir);
    }
}

int main(void)
{
    static const TapCase cases[] = {{"references in a program's object", test_program},
                                    {"references in an embedder's object", test_embedded},
                                    {"branch hints become branch weights", test_hints}};
    must(mkdtemp(test_dir) != NULL);
    must(snprintf(work_dir, sizeof(work_dir), "%s/work", test_dir) < (int)sizeof(work_dir));
    must(snprintf(ir_dir, sizeof(ir_dir), "%s/ir", test_dir) < (int)sizeof(ir_dir));
    must(snprintf(object_path, sizeof(object_path), "%s/object.so", test_dir) < (int)sizeof(object_path));
    must(mkdir(work_dir, 0700) == 0 && mkdir(ir_dir, 0700) == 0);
    const int status = tap_main(cases, TAP_COUNT(cases));
    must(tree_remove(AT_FDCWD, test_dir, NULL) == 0);
    return status;
}
