/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-compile.c - modules are compiled, the objects inspected, loaded and run.
 *
 * Modules are written in the text format and made by wat2wasm (wabt) at test time; without it the test is skipped.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "abi/signature.h"
#include "aot/compile.h"
#include "aot/test-wat.h"
#include "base/buf.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/limits.h"
#include "base/must.h"
#include "rt/rt.h"
#include "wasm/entries.h"
#include "wasm/link.h"

static char test_dir[] = "/tmp/test-compile-XXXXXX";
static char work_dir[64];
static int test_count;

static void passed(const char *name)
{
    printf("ok %d - %s\n", ++test_count, name);
}

static void path_in(char *path, size_t size, const char *name)
{
    must(snprintf(path, size, "%s/%s", test_dir, name) < (int)size);
}

static bool is_work_dir_empty(void)
{
    DIR *dir = opendir(work_dir);
    must(dir != NULL);
    int count = 0;
    while (readdir(dir) != NULL) {
        count++;
    }
    closedir(dir);
    return count == 2; /* . and .. */
}

typedef struct Module {
    Arena arena;
    FileMap map;
    const WasmModule *module;
} Module;

static Module module_from(const char *text)
{
    char binary[128];
    path_in(binary, sizeof(binary), "module.wasm");
    wat_to_wasm(text, strlen(text), binary);
    Module result = {.arena = ARENA_INIT(64u << 20)};
    Error err = ERROR_INIT;
    must(file_map(AT_FDCWD, binary, LIMIT_MODULE_SIZE, &result.map, NULL) == 0);
    must(wasm_module_read(result.map.bytes, result.map.size, &result.arena, &result.module, &err) == 0);
    if (wasm_module_validate(result.module, &WASM_FEATURES_DEFAULT, &err) < 0) {
        printf("# %s\n", err.message);
        must(false && "module is valid");
    }
    return result;
}

static void module_release(Module *module)
{
    arena_deinit(&module->arena);
    file_unmap(&module->map);
}

static CompileOptions default_options(void)
{
    return (CompileOptions){.opt_level = 2, .job_count = 1, .cpu = "x86-64-v2", .memory_base = RT_MEMORY_BASE_DEFAULT, .has_thunks = true,
                            .digest = {{1, 2, 3}}, .work_dir = work_dir};
}

static RtLoaded *compile_and_load(const Module *module, const CompileOptions *options, const char *name)
{
    char path[128];
    Error err = ERROR_INIT;
    RtLoaded *loaded = NULL;
    path_in(path, sizeof(path), name);
    if (compile_module(module->module, options, path, &err) < 0) {
        printf("# %s\n", err.message);
        must(false && "compiles");
    }
    must(is_work_dir_empty());
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    must(fd >= 0);
    if (rt_object_open(fd, 100, &options->digest, &loaded, &err) < 0) {
        printf("# %s\n", err.message);
        must(false && "loads");
    }
    (void)fd_close(fd);
    return loaded;
}

typedef struct Call {
    const RtExport *export;
    RtValue args[4];
    RtValue results[8];
} Call;

static void do_call(RtInstance *instance, void *argument)
{
    Call *call = argument;
    call->export->thunk(instance, call->args, call->results);
}

static RtTrap call_export(RtInstance *instance, const char *name, Call *call)
{
    const RtObject *object = instance->object;
    for (uint32_t i = 0; i < object->export_count; i++) {
        if (strcmp(object->exports[i].name, name) == 0) {
            call->export = &object->exports[i];
            return rt_instance_call(instance, do_call, call, NULL);
        }
    }
    must(false && "exported");
    return RT_TRAP_NONE;
}

static uint32_t host_add_one(RtInstance *instance, uint32_t value)
{
    must(instance != NULL);
    return value + 1;
}

static uint32_t host_unused(RtInstance *instance, uint32_t a, uint32_t b)
{
    (void)instance;
    return a + b;
}

static const void *resolve(void *context, const char *module, const char *name, const char *signature)
{
    (void)context;
    if (strcmp(module, "wali") == 0) {
        return (const void *)host_unused;
    }
    return strcmp(module, "env") == 0 && strcmp(name, "add_one") == 0 && strcmp(signature, "i:i") == 0 ? (const void *)host_add_one : NULL;
}

static RtInstance *start_plain(RtLoaded *loaded)
{
    const RtInstanceConfig config = {.resolve = resolve};
    RtInstance *instance = NULL;
    Error err = ERROR_INIT;
    if (rt_instance_new(loaded, NULL, &config, &instance, &err) < 0) {
        printf("# %s\n", err.message);
        must(false && "instance");
    }
    must(rt_instance_instantiate(instance, NULL) == RT_TRAP_NONE);
    return instance;
}

static const char main_text[] =
    "(module (import \"env\" \"add_one\" (func $add_one (param i32) (result i32)))"
    " (import \"wali\" \"setjmp\" (func $setjmp (param i32) (result i32)))"
    " (import \"wali\" \"longjmp\" (func $longjmp (param i32 i32)))"
    " (global $sp (mut i32) (i32.const 60000)) (global $count (export \"count\") (mut i32) (i32.const 5))"
    " (memory (export \"memory\") 1 2) (table 6 funcref) (elem (i32.const 1) $factorial $add_one $pair)"
    " (data (i32.const 100) \"abcdefgh\")"
    " (func $factorial (export \"factorial\") (param i32) (result i32) (if (result i32) (i32.eqz (local.get 0)) (then (i32.const 1))"
    "   (else (i32.mul (local.get 0) (call $factorial (i32.sub (local.get 0) (i32.const 1)))))))"
    " (func $pair (export \"pair\") (param i32 i64) (result i64 i32 f32) (local.get 1) (local.get 0) (f32.const 1.5))"
    " (func (export \"indirect\") (param i32 i32) (result i32) (call_indirect (param i32) (result i32) (local.get 0) (local.get 1)))"
    " (func (export \"load\") (param i32) (result i32) (i32.load (local.get 0)))"
    " (func (export \"drop_load\") (param i32) (drop (i32.load offset=4294967295 (local.get 0))))"
    " (func (export \"divide\") (param i32 i32) (result i32) (i32.div_s (local.get 0) (local.get 1)))"
    " (func (export \"remainder\") (param i32 i32) (result i32) (i32.rem_s (local.get 0) (local.get 1)))"
    " (func (export \"truncate\") (param f64) (result i32) (i32.trunc_f64_s (local.get 0)))"
    " (func (export \"times_one\") (param f32) (result f32) (f32.mul (local.get 0) (f32.const 1)))"
    " (func (export \"minimum\") (param f32 f32) (result f32) (f32.min (local.get 0) (local.get 1)))"
    " (func (export \"minimum_nan\") (param f32) (result f32) (f32.min (f32.const -nan:0x400001) (local.get 0)))"
    " (func (export \"maximum_nan\") (param f32) (result f32) (f32.max (local.get 0) (f32.const nan)))"
    " (func (export \"maximum_lanes\") (param f32) (result f32) (f32x4.extract_lane 1"
    "   (f32x4.max (f32x4.splat (local.get 0)) (v128.const f32x4 1 nan:0x200001 2 3))))"
    " (func (export \"round_trip\") (param f32) (result f32) (f32.demote_f64 (f64.promote_f32 (local.get 0))))"
    " (func (export \"copy\") (param i32 i32) (memory.copy (local.get 0) (local.get 1) (i32.const 61)))"
    " (func (export \"fill\") (param i32 i32) (memory.fill (local.get 0) (local.get 1) (i32.const 27)))"
    " (func $forever (export \"forever\") (result i32) (call $forever))"
    " (func $even (export \"even\") (param i32) (result i32) (if (i32.eqz (local.get 0)) (then (return (i32.const 1)))) (return_call $odd (i32.sub (local.get 0) (i32.const 1))))"
    " (func $odd (param i32) (result i32) (if (i32.eqz (local.get 0)) (then (return (i32.const 0)))) (return_call $even (i32.sub (local.get 0) (i32.const 1))))"
    " (func $deep (param i32) (global.set $sp (i32.sub (global.get $sp) (i32.const 100))) (if (i32.eqz (local.get 0)) (then (call $longjmp (i32.const 16) (i32.const 7))))"
    "   (call $deep (i32.sub (local.get 0) (i32.const 1))))"
    " (func (export \"jump\") (param i32) (result i32 i32) (local i32) (local.set 1 (call $setjmp (i32.const 16)))"
    "   (if (i32.eqz (local.get 1)) (then (call $deep (local.get 0)))) (local.get 1) (global.get $sp)))";

static void check_calls(RtInstance *instance)
{
    Call call = {.args = {{.i32 = 10}}};
    must(call_export(instance, "factorial", &call) == RT_TRAP_NONE && call.results[0].i32 == 3628800);
    call = (Call){.args = {{.i32 = 9}, {.i64 = 1ull << 40}}};
    must(call_export(instance, "pair", &call) == RT_TRAP_NONE);
    must(call.results[0].i64 == 1ull << 40 && call.results[1].i32 == 9 && call.results[2].f32 == 1.5f);
    call = (Call){.args = {{.i32 = 41}, {.i32 = 2}}};
    must(call_export(instance, "indirect", &call) == RT_TRAP_NONE && call.results[0].i32 == 42);
    call = (Call){.args = {{.i32 = 5}, {.i32 = 1}}};
    must(call_export(instance, "indirect", &call) == RT_TRAP_NONE && call.results[0].i32 == 120);
    call = (Call){.args = {{.i32 = 100}}};
    must(call_export(instance, "load", &call) == RT_TRAP_NONE && call.results[0].i32 == 0x64636261);
    call = (Call){.args = {{.i32 = 0x80000000u}, {.i32 = UINT32_MAX}}};
    must(call_export(instance, "remainder", &call) == RT_TRAP_NONE && call.results[0].i32 == 0);
    call = (Call){.args = {{.i32 = 10000000}}};
    must(call_export(instance, "even", &call) == RT_TRAP_NONE && call.results[0].i32 == 1);
}

static void check_traps(RtInstance *instance)
{
    static const struct {
        const char *name;
        RtValue a, b;
        RtTrap trap;
    } rows[] = {
        {"indirect", {.i32 = 1}, {.i32 = 6}, RT_TRAP_UNDEFINED_ELEMENT},
        {"indirect", {.i32 = 1}, {.i32 = UINT32_MAX}, RT_TRAP_UNDEFINED_ELEMENT},
        {"indirect", {.i32 = 1}, {.i32 = 5}, RT_TRAP_UNINITIALIZED_ELEMENT},
        {"indirect", {.i32 = 1}, {.i32 = 3}, RT_TRAP_INDIRECT_CALL_MISMATCH},
        {"load", {.i32 = 65533}, {.i32 = 0}, RT_TRAP_MEMORY_OUT_OF_BOUNDS},
        {"load", {.i32 = UINT32_MAX}, {.i32 = 0}, RT_TRAP_MEMORY_OUT_OF_BOUNDS},
        {"drop_load", {.i32 = UINT32_MAX}, {.i32 = 0}, RT_TRAP_MEMORY_OUT_OF_BOUNDS},
        {"divide", {.i32 = 1}, {.i32 = 0}, RT_TRAP_INTEGER_DIVIDE_BY_ZERO},
        {"divide", {.i32 = 0x80000000u}, {.i32 = UINT32_MAX}, RT_TRAP_INTEGER_OVERFLOW},
        {"remainder", {.i32 = 1}, {.i32 = 0}, RT_TRAP_INTEGER_DIVIDE_BY_ZERO},
        {"truncate", {.f64 = 2147483648.0}, {.i32 = 0}, RT_TRAP_INTEGER_OVERFLOW},
        {"truncate", {.i64 = 0x7ff8000000000000}, {.i32 = 0}, RT_TRAP_INVALID_CONVERSION},
        {"forever", {.i32 = 0}, {.i32 = 0}, RT_TRAP_STACK_OVERFLOW},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        Call call = {.args = {rows[i].a, rows[i].b}};
        const RtTrap trap = call_export(instance, rows[i].name, &call);
        if (trap != rows[i].trap) {
            printf("# %s: %s instead of %s\n", rows[i].name, rt_trap_name(trap), rt_trap_name(rows[i].trap));
            must(false && "the right trap");
        }
    }
    Call call = {.args = {{.f64 = -2147483648.9}}};
    must(call_export(instance, "truncate", &call) == RT_TRAP_NONE && call.results[0].i32 == 0x80000000u);
}

/* Small copies and fills are loads and stores: they must overlap as memmove does and write all or nothing. */
static void check_bulk(RtInstance *instance)
{
    uint8_t *memory = rt_guest(instance, 0, 65536);
    uint8_t expected[100];
    for (int i = 0; i < 100; i++) {
        memory[1000 + i] = (uint8_t)(i * 7 + 1);
    }
    memcpy(expected, memory + 1000, 100);
    memmove(expected + 5, expected, 61);
    Call call = {.args = {{.i32 = 1005}, {.i32 = 1000}}};
    must(call_export(instance, "copy", &call) == RT_TRAP_NONE && memcmp(memory + 1000, expected, 100) == 0);
    memmove(expected, expected + 9, 61);
    call = (Call){.args = {{.i32 = 1000}, {.i32 = 1009}}};
    must(call_export(instance, "copy", &call) == RT_TRAP_NONE && memcmp(memory + 1000, expected, 100) == 0);
    memset(expected + 3, 0xa5, 27);
    call = (Call){.args = {{.i32 = 1003}, {.i32 = 0x123456a5}}};
    must(call_export(instance, "fill", &call) == RT_TRAP_NONE && memcmp(memory + 1000, expected, 100) == 0);
    for (uint32_t address = 65536 - 60; address < 65536; address += 7) {
        call = (Call){.args = {{.i32 = address}, {.i32 = 1000}}};
        must(call_export(instance, "copy", &call) == RT_TRAP_MEMORY_OUT_OF_BOUNDS && memory[address] == 0 && memory[65535] == 0);
        call = (Call){.args = {{.i32 = 1000}, {.i32 = address}}};
        must(call_export(instance, "copy", &call) == RT_TRAP_MEMORY_OUT_OF_BOUNDS && memcmp(memory + 1000, expected, 100) == 0);
    }
    call = (Call){.args = {{.i32 = 65536 - 26}, {.i32 = 1}}};
    must(call_export(instance, "fill", &call) == RT_TRAP_MEMORY_OUT_OF_BOUNDS && memory[65536 - 26] == 0 && memory[65535] == 0);
}

/* A signalling NaN comes out of every arithmetic operation as a quiet one, also where LLVM could drop the operation. */
static void check_nans(RtInstance *instance)
{
    static const char *const names[] = {"times_one", "round_trip", "minimum"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        Call call = {.args = {{.i32 = 0x7fa00000}, {.f32 = 1}}};
        must(call_export(instance, names[i], &call) == RT_TRAP_NONE && (call.results[0].i32 & 0x7fc00000) == 0x7fc00000);
    }
    static const char *const constants[] = {"minimum_nan", "maximum_nan", "maximum_lanes"}; /* once the other operand twice (found by fuzz-diff) */
    for (size_t i = 0; i < sizeof(constants) / sizeof(constants[0]); i++) {
        Call call = {.args = {{.f32 = 0}}};
        must(call_export(instance, constants[i], &call) == RT_TRAP_NONE && (call.results[0].i32 & 0x7fc00000) == 0x7fc00000);
    }
}

static void check_jumps(RtInstance *instance)
{
    for (uint32_t depth = 0; depth < 50; depth++) {
        Call call = {.args = {{.i32 = depth}}};
        must(call_export(instance, "jump", &call) == RT_TRAP_NONE);
        must(call.results[0].i32 == 7 && call.results[1].i32 == 60000); /* the guest's stack pointer is back */
        must(instance->jump_depth == 0);
    }
}

static void test_run(const char *cpu, int opt_level, uint64_t memory_base, const char *name)
{
    Module module = module_from(main_text);
    CompileOptions options = default_options();
    options.cpu = cpu;
    options.opt_level = opt_level;
    options.memory_base = memory_base;
    RtLoaded *loaded = compile_and_load(&module, &options, "run.so");
    const RtObject *object = rt_object(loaded);
    must(object->memory_base == memory_base && object->import_func_count == 3 && object->entry_count == 0);
    must(object->has_memory == 1 && object->memory_minimum == 1 && object->memory_maximum == 2);
    must(object->funcs[0].signature == signature_id("i:i") && object->text_begin < object->text_end);
    must(object->datas[0].size == 8 && memcmp(object->datas[0].bytes, "abcdefgh", 8) == 0);
    RtInstance *instance = start_plain(loaded);
    check_calls(instance);
    check_traps(instance);
    check_nans(instance);
    check_bulk(instance);
    check_jumps(instance);
    (void)rt_instance_free(instance);
    (void)rt_object_close(loaded);
    module_release(&module);
    passed(name);
}

/* More results than registers: through memory, also of imports, tables and tail calls, without a frame per tail call. */
static const char results_text[] =
    "(module (import \"env\" \"many\" (func $many (param i32) (result i32 i64 f32 f64 i32 i32)))"
    " (type $t (func (param i32) (result i32 i64 f32 f64 i32 i32))) (table 2 funcref) (elem (i32.const 0) $many $down)"
    " (func $down (type $t) (if (local.get 0) (then (return_call $down (i32.sub (local.get 0) (i32.const 1)))))"
    "   (i32.const 1) (i64.const 2) (f32.const 3) (f64.const 4) (i32.const 5) (i32.const 6))"
    " (func (export \"down\") (type $t) (return_call $down (local.get 0)))"
    " (func (export \"import\") (type $t) (return_call $many (local.get 0)))"
    " (func (export \"table\") (type $t) (return_call_indirect (type $t) (i32.const 7) (local.get 0)))"
    " (func (export \"sum\") (param i32) (result i32) (local i32 i32 i64 f32 f64 i32 i32)"
    "   (loop (call $many (local.get 0)) (local.set 7) (local.set 6) (local.set 5) (local.set 4) (local.set 3) (local.set 2)"
    "     (local.set 1 (i32.add (local.get 1) (i32.add (local.get 7) (i32.trunc_f64_s (local.get 5)))))"
    "     (br_if 0 (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))"
    "   (local.get 1)))";

static void host_many(RtInstance *instance, RtValue results[], uint32_t value)
{
    must(instance != NULL);
    results[0].i32 = value;
    results[1].i64 = 2;
    results[2].f32 = 3;
    results[3].f64 = 4;
    results[4].i32 = 5;
    results[5].i32 = 6;
}

static const void *resolve_many(void *context, const char *module, const char *name, const char *signature)
{
    (void)context;
    return strcmp(module, "env") == 0 && strcmp(name, "many") == 0 && strcmp(signature, "i:iIfFii") == 0 ? (const void *)host_many : NULL;
}

static void check_many(RtInstance *instance, const char *name, uint32_t argument, uint32_t first)
{
    Call call = {.args = {{.i32 = argument}}};
    must(call_export(instance, name, &call) == RT_TRAP_NONE);
    must(call.results[0].i32 == first && call.results[1].i64 == 2 && call.results[2].f32 == 3);
    must(call.results[3].f64 == 4 && call.results[4].i32 == 5 && call.results[5].i32 == 6);
}

static void test_results(int opt_level)
{
    Module module = module_from(results_text);
    CompileOptions options = default_options();
    options.opt_level = opt_level;
    RtLoaded *loaded = compile_and_load(&module, &options, "results.so");
    const RtInstanceConfig config = {.resolve = resolve_many};
    RtInstance *instance = NULL;
    must(rt_instance_new(loaded, NULL, &config, &instance, NULL) == 0 && rt_instance_instantiate(instance, NULL) == RT_TRAP_NONE);
    check_many(instance, "down", 3000000, 1);
    check_many(instance, "import", 9, 9);
    check_many(instance, "table", 0, 7);
    check_many(instance, "table", 1, 1);
    Call call = {.args = {{.i32 = 1000000}}};
    must(call_export(instance, "sum", &call) == RT_TRAP_NONE && call.results[0].i32 == 10000000);
    (void)rt_instance_free(instance);
    (void)rt_object_close(loaded);
    module_release(&module);
}

/* --- entries --- */

static const char program_text[] =
    "(module (import \"wasi_snapshot_preview1\" \"proc_exit\" (func (param i32))) (memory (export \"memory\") 40 50) (global (mut i32) (i32.const 4711))"
    " (table 4 funcref) (elem (i32.const 1) $f $g)"
    " (data (i32.const 4000) \"first-first\") (data (i32.const 4006) \"SECOND\") (data (i32.const 70000) \"near\") (data (i32.const 2000000) \"far\")"
    " (func $f (export \"_start\") (i32.store (i32.const 0) (global.get 0)) (call_indirect (i32.const 2)))"
    " (func $g (global.set 0 (i32.add (global.get 0) (i32.const 1)))))";

static void check_images(const RtEntry *entry)
{
    must(entry->image_count == 2 && entry->images[0].address == 0 && entry->images[0].size == 73728);
    must(entry->images[1].address == 1998848 && entry->images[1].size == 4096);
    must((uintptr_t)entry->images[0].bytes % 4096 == 0 && (uintptr_t)entry->images[1].bytes % 4096 == 0);
    must(memcmp(entry->images[0].bytes + 4000, "first-SECOND", 12) == 0);
    must(memcmp(entry->images[0].bytes + 70000, "near", 4) == 0 && memcmp(entry->images[1].bytes + 2000000 - 1998848, "far", 3) == 0);
}

static void test_entries(void)
{
    Module program = module_from(program_text);
    const LinkInput inputs[] = {{"b", program.module}, {"a", program.module}};
    Buf buf = BUF_INIT(1u << 20);
    LinkStats stats;
    Error err = ERROR_INIT;
    must(link_megabinary(inputs, 2, &buf, &stats, &err) == 0);
    Module mega = {.arena = ARENA_INIT(64u << 20)};
    must(wasm_module_read(buf.bytes, buf.size, &mega.arena, &mega.module, &err) == 0);
    must(wasm_module_validate(mega.module, &WASM_FEATURES_DEFAULT, &err) == 0);
    const CompileOptions options = default_options();
    RtLoaded *loaded = compile_and_load(&mega, &options, "entries.so");
    must(rt_object_check(loaded, &err) == 0);
    const RtObject *object = rt_object(loaded);
    must(object->entry_count == 2 && strcmp(object->entries[0].name, "a") == 0 && strcmp(object->entries[1].name, "b") == 0);
    must(object->is_table_constant == 1);
    for (uint32_t i = 0; i < 2; i++) {
        const RtEntry *entry = &object->entries[i];
        check_images(entry);
        must(entry->table_size == 4 && entry->table[0].signature == 0 && entry->table[3].signature == 0);
        must(entry->table[1].signature == signature_id(":") && entry->table[1].code == entry->start_code);
        must(entry->memory_minimum == 40 && entry->memory_maximum == 50 && entry->abi == ENTRY_ABI_WASI && entry->init_code == NULL);
        must(entry->global_count == 1 && entry->globals[0].value.i32 == 4711);
    }
    (void)rt_object_close(loaded);
    arena_deinit(&mega.arena);
    module_release(&program);
    buf_deinit(&buf);
    passed("entries: images, tables, globals");
}

/* --- many functions, several partitions --- */

static char *many_functions(void)
{
    Buf buf = BUF_INIT(8u << 20);
    buf_append_string(&buf, "(module (memory 1)");
    for (int i = 0; i < 700; i++) {
        buf_append_format(&buf,
                          "(func $f%d (param i32) (result i32) (local i32) (local.set 1 (i32.load offset=%d (local.get 0)))"
                          " (loop (local.set 1 (i32.mul (local.get 1) (i32.const %d))) (local.set 0 (i32.sub (local.get 0) (i32.const 1)))"
                          " (br_if 0 (local.get 0))) %s (local.get 1))",
                          i, i * 4, i * 26543, i == 0 ? "" : "(if (i32.eqz (local.get 0)) (then (return (call $f0 (local.get 1)))))");
    }
    buf_append_string(&buf, "(export \"f\" (func $f699)))");
    must(buf_error(&buf) == 0);
    size_t size;
    return (char *)buf_steal(&buf, &size);
}

static void count_progress(void *context, const CompileProgress *progress)
{
    const uint32_t done_count = progress->done_count, total_count = progress->total_count;
    uint32_t *last = context;
    must(done_count <= total_count && total_count == 700 && done_count >= *last);
    *last = done_count;
}

static void test_determinism(void)
{
    char *text = many_functions();
    Module module = module_from(text);
    char *bytes[2];
    size_t sizes[2];
    for (uint32_t i = 0; i < 2; i++) {
        CompileOptions options = default_options();
        uint32_t last = 0;
        char path[128];
        options.job_count = i == 0 ? 1 : 3;
        options.progress = count_progress;
        options.progress_context = &last;
        RtLoaded *loaded = compile_and_load(&module, &options, "many.so");
        (void)rt_object_close(loaded);
        must(last == 700);
        path_in(path, sizeof(path), "many.so");
        must(file_read(AT_FDCWD, path, 64u << 20, &bytes[i], &sizes[i], NULL) == 0);
    }
    must(sizes[0] == sizes[1] && memcmp(bytes[0], bytes[1], sizes[0]) == 0);
    free(bytes[0]);
    free(bytes[1]);
    free(text);
    module_release(&module);
    passed("the same object from 1 and 3 threads");
}

/* --- instructions that must not be chosen --- */

/* Rotates are rol and ror: the levels' own tuning makes shld of them (0f a4), which AMD's processors take six times as long for. */
static void test_tuning(void)
{
    static const char *const cpus[] = {"x86-64-v2", "x86-64-v3", "x86-64-v4"};
    static const uint8_t shld[] = {0x0f, 0xa4};
    Module module = module_from("(module (func (export \"f\") (param i32 i32) (result i32)"
                                " (i32.rotl (i32.xor (i32.rotl (local.get 0) (i32.const 7)) (local.get 1)) (i32.const 12))))");
    for (size_t i = 0; i < sizeof(cpus) / sizeof(cpus[0]); i++) {
        CompileOptions options = default_options();
        options.cpu = cpus[i];
        char path[128];
        path_in(path, sizeof(path), "rotate.so");
        must(compile_module(module.module, &options, path, NULL) == 0);
        char *bytes = NULL;
        size_t size = 0;
        must(file_read(AT_FDCWD, path, 64u << 20, &bytes, &size, NULL) == 0);
        must(memmem(bytes, size, shld, sizeof(shld)) == NULL);
        free(bytes);
    }
    module_release(&module);
    passed("rotates are not double shifts");
}

/* --- recursion: copies of a body that call one another, and are all inlined --- */

static const char recursion_text[] =
    "(module (import \"wali\" \"setjmp\" (func $setjmp (param i32) (result i32))) (memory (export \"memory\") 1 1)"
    " (func $fib (export \"fib\") (param i32) (result i32) (if (result i32) (i32.lt_u (local.get 0) (i32.const 2)) (then (local.get 0))"
    "   (else (i32.add (call $fib (i32.sub (local.get 0) (i32.const 1))) (call $fib (i32.sub (local.get 0) (i32.const 2)))))))"
    /* What is no parameter is 0 in every activation, also in a loop around the call. */
    " (func $locals (export \"locals\") (param i32) (result i32) (local i32 i32)"
    "   (if (i32.eqz (local.get 0)) (then (return (i32.add (local.get 1) (i32.const 1)))))"
    "   (loop (local.set 2 (i32.add (i32.mul (local.get 2) (i32.const 3)) (call $locals (i32.sub (local.get 0) (i32.const 1)))))"
    "     (br_if 0 (i32.lt_u (local.tee 1 (i32.add (local.get 1) (i32.const 1))) (i32.const 3))))"
    "   (i32.add (local.get 2) (local.get 1)))"
    " (func $wide (param i32 i64 f32 f64 i32 i32 i32 i64) (result i32 i64 f32 f64 i32 i64)"
    "   (if (i32.eqz (local.get 0)) (then (return (local.get 4) (local.get 1) (local.get 2) (local.get 3) (local.get 5) (local.get 7))))"
    "   (call $wide (i32.sub (local.get 0) (i32.const 1)) (i64.add (local.get 1) (i64.const 2)) (f32.add (local.get 2) (f32.const 0.5))"
    "     (f64.mul (local.get 3) (f64.const 2)) (local.get 5) (local.get 6) (local.get 4) (i64.add (local.get 7) (i64.const 1))))"
    " (func (export \"wide\") (param i32) (result i32 i64 f32 f64 i32 i64)"
    "   (call $wide (local.get 0) (i64.const 5) (f32.const 1) (f64.const 1) (i32.const 10) (i32.const 20) (i32.const 30) (i64.const 7)))"
    " (func $trap (export \"trap\") (param i32) (result i32) (i32.store (i32.const 0) (local.get 0)) (drop (i32.div_u (i32.const 9) (local.get 0)))"
    "   (i32.add (i32.const 1) (call $trap (i32.sub (local.get 0) (i32.const 1)))))"
    " (func $store (export \"store\") (param i32) (result i32) (i32.store (local.get 0) (local.get 0))"
    "   (call $store (i32.add (local.get 0) (i32.const 10000))))"
    " (func $endless (export \"endless\") (param i32) (result i32) (i32.add (call $endless (local.get 0)) (call $endless (local.get 0))))"
    " (func $tail (export \"tail\") (param i32) (result i32) (if (i32.eqz (local.get 0)) (then (return (i32.const 3))))"
    "   (drop (call $tail (i32.const 0))) (return_call $tail (i32.sub (local.get 0) (i32.const 1))))"
    " (func $jump (export \"jump\") (param i32) (result i32) (if (i32.eqz (local.get 0)) (then (return (i32.const 9))))"
    "   (drop (call $setjmp (i32.const 16))) (i32.add (call $jump (i32.sub (local.get 0) (i32.const 1))) (i32.const 2))))";

/* Calls that are guessed: one's slots are changed, one is null, one has another type, one throws, one comes from outside, one calls itself through the table. */
static const char guess_text[] =
    "(module (import \"env\" \"add_one\" (func $add_one (param i32) (result i32))) (memory (export \"memory\") 1 1) (global $depth (mut i32) (i32.const 0))"
    " (type $u (func (param i32) (result i32))) (type $b (func (param i32 i32) (result i32))) (type $v (func (param i64))) (tag $e (param i32))"
    " (table $t 12 funcref) (elem (i32.const 1) $add_one $twice $again $throw $sum $note $not)"
    " (func $twice (type $u) (i32.mul (local.get 0) (i32.const 2)))"
    " (func $again (type $u) (if (result i32) (i32.lt_s (local.get 0) (i32.const 1)) (then (i32.const 100))"
    "   (else (i32.add (i32.const 1) (call_indirect (type $u) (i32.sub (local.get 0) (i32.const 3)) (i32.const 3))))))"
    " (func $throw (type $u) (if (i32.and (local.get 0) (i32.const 1)) (then (throw $e (local.get 0)))) (i32.div_u (i32.const 70) (local.get 0)))"
    " (func $sum (type $b) (i32.sub (local.get 0) (local.get 1)))"
    " (func $note (type $v) (i64.store (i32.const 8) (local.get 0))) (func $not (type $v) (i64.store (i32.const 8) (i64.xor (i64.const -1) (local.get 0))))"
    " (func (export \"unary\") (param i32) (result i32) (call_indirect (type $u) (i32.const 6) (local.get 0)))"
    " (func (export \"caught\") (param i32) (result i32) (try (result i32)"
    "   (do (call_indirect (type $u) (local.get 0) (i32.const 4))) (catch $e)))"
    " (func (export \"uncaught\") (param i32) (result i32) (call_indirect (type $u) (local.get 0) (i32.const 4)))"
    " (func (export \"binary\") (param i32) (result i32) (call_indirect (type $b) (local.get 0) (i32.const 9) (i32.const 5)))"
    " (func (export \"nothing\") (param i32) (result i64) (call_indirect (type $v) (i64.const 5) (local.get 0)) (i64.load (i32.const 8)))"
    " (func (export \"changed\") (param i32) (result i32) (local i32) (table.copy $t $t (i32.const 8) (i32.const 2) (i32.const 1))"
    "   (table.copy $t $t (i32.const 2) (i32.const 1) (i32.const 1))"
    "   (local.set 1 (call_indirect (type $u) (local.get 0) (i32.const 2))) (table.copy $t $t (i32.const 2) (i32.const 8) (i32.const 1))"
    "   (i32.add (local.get 1) (call_indirect (type $u) (local.get 0) (i32.const 2))))"
    " (func (export \"outside\") (param i32) (result i32) (call_indirect (type $u) (local.get 0) (i32.const 1))))";

/* --- what only optimised code does differs in no result --- */

#define INLINE_NAMES 8u
#define INLINE_ARGUMENTS 13u

typedef struct Outcome {
    RtTrap traps[INLINE_NAMES][INLINE_ARGUMENTS];
    RtValue results[INLINE_NAMES][INLINE_ARGUMENTS][6];
} Outcome;

static const struct {
    const char *text;
    const char *word; /* that the code has before it is optimised, and the code without optimisation not */
    const char *names[INLINE_NAMES];
} inline_rows[] = {
    {recursion_text, "@rc.copy", {"fib", "locals", "wide", "trap", "store", "endless", "tail", "jump"}},
    {guess_text, ", @rc.own.", {"unary", "caught", "uncaught", "binary", "nothing", "changed", "outside"}},
};

static bool does_dump_name(const char *suffix, const char *word)
{
    char path[128];
    char *text = NULL;
    size_t size = 0;
    must(snprintf(path, sizeof(path), "%s/unit-1.%s.ll", test_dir, suffix) < (int)sizeof(path));
    must(file_read(AT_FDCWD, path, 64u << 20, &text, &size, NULL) == 0);
    const bool is_found = memmem(text, size, word, strlen(word)) != NULL;
    free(text);
    return is_found;
}

static void inline_run(size_t row, int opt_level, Outcome *ret_outcome)
{
    Module module = module_from(inline_rows[row].text);
    CompileOptions options = default_options();
    options.opt_level = opt_level;
    options.dump_ir_dir = test_dir;
    RtLoaded *loaded = compile_and_load(&module, &options, "inline.so");
    must(does_dump_name("in", inline_rows[row].word) == (opt_level >= 2) && !does_dump_name("out", "@rc.copy"));
    RtInstance *instance = start_plain(loaded);
    for (size_t i = 0; i < INLINE_NAMES && inline_rows[row].names[i] != NULL; i++) {
        for (uint32_t argument = 0; argument < INLINE_ARGUMENTS; argument++) {
            Call call = {.args = {{.i32 = argument}}};
            ret_outcome->traps[i][argument] = call_export(instance, inline_rows[row].names[i], &call);
            memcpy(ret_outcome->results[i][argument], call.results, sizeof(ret_outcome->results[i][argument]));
        }
    }
    (void)rt_instance_free(instance);
    (void)rt_object_close(loaded);
    module_release(&module);
}

static void check_recursion(const Outcome *plain)
{
    must(plain->results[0][12][0].i32 == 144 && plain->results[6][12][0].i32 == 3 && plain->results[7][12][0].i32 == 33);
    must(plain->traps[3][5] == RT_TRAP_INTEGER_DIVIDE_BY_ZERO && plain->traps[4][5] == RT_TRAP_MEMORY_OUT_OF_BOUNDS);
    must(plain->traps[5][5] == RT_TRAP_STACK_OVERFLOW);
}

static void check_guesses(const Outcome *plain)
{
    static const RtTrap traps[INLINE_ARGUMENTS] = {
        RT_TRAP_UNINITIALIZED_ELEMENT, RT_TRAP_NONE, RT_TRAP_NONE, RT_TRAP_NONE, RT_TRAP_NONE, RT_TRAP_INDIRECT_CALL_MISMATCH, RT_TRAP_INDIRECT_CALL_MISMATCH,
        RT_TRAP_INDIRECT_CALL_MISMATCH, RT_TRAP_UNINITIALIZED_ELEMENT, RT_TRAP_UNINITIALIZED_ELEMENT, RT_TRAP_UNINITIALIZED_ELEMENT,
        RT_TRAP_UNINITIALIZED_ELEMENT, RT_TRAP_UNDEFINED_ELEMENT};
    must(memcmp(plain->traps[0], traps, sizeof(traps)) == 0);
    must(plain->results[0][1][0].i32 == 7 && plain->results[0][2][0].i32 == 12 && plain->results[0][3][0].i32 == 102 && plain->results[0][4][0].i32 == 11);
    must(plain->results[1][5][0].i32 == 5 && plain->results[1][10][0].i32 == 7 && plain->traps[1][0] == RT_TRAP_INTEGER_DIVIDE_BY_ZERO);
    must(plain->traps[2][5] != RT_TRAP_NONE && plain->results[3][4][0].i32 == UINT32_MAX - 4 && plain->results[4][6][0].i64 == 5);
    must(plain->results[4][7][0].i64 == ~5ull && plain->results[5][3][0].i32 == 10 && plain->results[6][3][0].i32 == 4);
}

static void test_inlining(void)
{
    static Outcome plain, other;
    for (size_t row = 0; row < sizeof(inline_rows) / sizeof(inline_rows[0]); row++) {
        memset(&plain, 0, sizeof(plain));
        memset(&other, 0, sizeof(other));
        inline_run(row, 0, &plain);
        (row == 0 ? check_recursion : check_guesses)(&plain);
        for (int opt_level = 1; opt_level <= 3; opt_level++) {
            inline_run(row, opt_level, &other);
            must(memcmp(&plain, &other, sizeof(plain)) == 0);
        }
    }
    passed("recursion and guessed callees are inlined and compute the same");
}

/* --- what is refused leaves nothing --- */

static void expect_refused(const char *text, const CompileOptions *options, int code, const char *words)
{
    Module module = module_from(text);
    Error err = ERROR_INIT;
    char path[128];
    path_in(path, sizeof(path), "refused.so");
    must(compile_module(module.module, options, path, &err) == -code);
    if (strstr(err.message, words) == NULL) {
        printf("# %s\n", err.message);
        must(false && "says why");
    }
    must(access(path, F_OK) < 0 && is_work_dir_empty());
    module_release(&module);
}

static void test_refused(void)
{
    CompileOptions options = default_options();
    expect_refused("(module (import \"wali\" \"setjmp\" (func (param i64) (result i32))))", &options, ENOTSUP, "import wali.setjmp has type I:i");
    options.cpu = "pentium";
    expect_refused("(module)", &options, EINVAL, "unknown CPU pentium");
    options = default_options();
    options.memory_base = 12345;
    expect_refused("(module)", &options, EINVAL, "memory base");
    passed("what is refused leaves nothing");
}

int main(void)
{
    if (!has_wat2wasm()) {
        return 0;
    }
    must(mkdtemp(test_dir) != NULL);
    path_in(work_dir, sizeof(work_dir), "work");
    must(mkdir(work_dir, 0700) == 0);
    test_run("x86-64-v2", 2, RT_MEMORY_BASE_DEFAULT, "run: O2, fixed base");
    test_run("x86-64-v2", 0, 0, "run: O0, loaded base");
    test_run("x86-64-v2", 1, 0x4000000000ull, "run: O1, base beyond a displacement");
    test_run("native", 3, 0, "run: O3, this machine's CPU");
    for (int opt_level = 0; opt_level <= 3; opt_level++) {
        test_results(opt_level);
    }
    passed("more results than registers");
    test_entries();
    test_determinism();
    test_tuning();
    test_inlining();
    test_refused();
    printf("1..%d\n", test_count);
    must(tree_remove(AT_FDCWD, test_dir, NULL) == 0);
    return 0;
}
