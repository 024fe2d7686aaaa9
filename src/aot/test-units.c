/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-units.c - the cache of units: what an edit costs, that it never changes an object, and what becomes of bad entries.
 *
 * Ten programs are written in the text format, made modules by wat2wasm (wabt) at test time and linked to a megabinary.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "aot/compile.h"
#include "aot/test-wat.h"
#include "aot/unit-cache.h"
#include "base/cleanup.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/limits.h"
#include "base/must.h"
#include "rt/rt.h"
#include "wasm/instr.h"
#include "wasm/link.h"

#define PROGRAM_COUNT 10u
#define FUNC_COUNT 120u /* of a program */

static char test_dir[] = "/tmp/test-units-XXXXXX";
static char work_dir[64], cache_dir[64], object_path[64];
static int opt_level = 0; /* what is cached does not depend on it; the time does */
static int test_count;

static void passed(const char *name)
{
    printf("ok %d - %s\n", ++test_count, name);
}

typedef struct Module {
    Arena arena;
    uint8_t *bytes; /* owned */
    const WasmModule *module;
} Module;

static Module module_read(uint8_t *bytes, size_t size)
{
    Module result = {.arena = ARENA_INIT(256u << 20), .bytes = bytes};
    Error err = ERROR_INIT;
    if (wasm_module_read(bytes, size, &result.arena, &result.module, &err) < 0 ||
        wasm_module_validate(result.module, &WASM_FEATURES_DEFAULT, &err) < 0) {
        printf("# %s\n", err.message);
        must(false && "module is valid");
    }
    return result;
}

static void module_release(Module *module)
{
    arena_deinit(&module->arena);
    free(module->bytes);
}

static Module module_from(const Buf *text)
{
    char binary[128];
    (void)snprintf(binary, sizeof(binary), "%s/module.wasm", test_dir);
    must(buf_error(text) == 0);
    wat_to_wasm((const char *)text->bytes, text->size, binary);
    char *bytes;
    size_t size;
    must(file_read(AT_FDCWD, binary, LIMIT_MODULE_SIZE, &bytes, &size, NULL) == 0);
    return module_read((uint8_t *)bytes, size);
}

static uint32_t next_random(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

/* Some 200 instructions: arithmetic, memory, calls of functions around it, one import, one indirect call. */
static void function_write(Buf *text, uint32_t program, uint32_t index, uint32_t constant, uint32_t *random)
{
    static const char *const operators[] = {"add", "sub", "mul", "xor", "and", "or", "rotl", "shl"};
    buf_append_format(text, "(func $p%u_f%u (param i32 i32) (result i32) (local i32)\n(local.set 2 (i32.const %u))\n", program, index, constant);
    const uint32_t step_count = 20 + next_random(random) % 40;
    for (uint32_t i = 0; i < step_count; i++) {
        const char *operator = operators[next_random(random) % 8];
        buf_append_format(text, "(local.set 2 (i32.%s (local.get 2) (i32.add (local.get %u) (i32.const %u))))\n", operator, i % 2,
                          next_random(random));
        if (i % 8 == 3) {
            buf_append_format(text, "(i32.store offset=%u (i32.and (local.get 2) (i32.const 1023)) (global.get $g))\n", next_random(random) % 4096);
        }
    }
    if (index > 2) {
        buf_append_format(text, "(local.set 2 (call $p%u_f%u (local.get 2) (local.get 0)))\n", program,
                          index - 1 - (index % 3 == 0 ? next_random(random) % 2 : 0));
        buf_append_format(text, "(local.set 2 (call $p%u_f%u (local.get 2) (i32.const 1)))\n", program, index - 1);
        buf_append_format(text, "(if (i32.eqz (local.get 2)) (then (call $exit%s (local.get 1))))\n", index % 7 == 0 ? "2" : "");
    }
    if (index % 16 == 5) {
        buf_append_string(text, "(local.set 2 (call_indirect (type $t) (local.get 0) (local.get 1) (i32.and (local.get 2) (i32.const 3))))\n");
    }
    if (index % 32 == 9) {
        buf_append_format(text, "(local.set 2 (i32.add (local.get 2) (ref.is_null (ref.func $p%u_f1))))\n", program);
    }
    buf_append_string(text, "(local.get 2))\n");
}

/* @edited: function whose constant differs from the usual one; FUNC_COUNT: none. */
static Module program_make(uint32_t program, uint32_t edited)
{
    _cleanup_(buf_deinit) Buf text = BUF_INIT(64u << 20);
    uint32_t random = program + 1;
    buf_append_string(&text, "(module (type $t (func (param i32 i32) (result i32)))\n"
                             "(import \"wasi_snapshot_preview1\" \"proc_exit\" (func $exit (param i32)))\n");
    if (program == 3 || program >= PROGRAM_COUNT) { /* an import that the others do not have */
        buf_append_string(&text, "(import \"wasi_snapshot_preview1\" \"sched_yield\" (func $yield (result i32)))\n");
    }
    buf_append_format(&text, "(memory (export \"memory\") 2) (global $g (mut i32) (i32.const 65536)) (table 4 funcref)\n"
                             "(elem (i32.const 0) $p%u_f0 $p%u_f1 $p%u_f2) (data (i32.const 512) \"data of %u\")\n"
                             "(func $exit2 (param i32) (call $exit (i32.add (local.get 0) (i32.const %u))))\n",
                      program, program, program, program, program);
    for (uint32_t i = 0; i < FUNC_COUNT; i++) {
        const uint32_t constant = program * 1000 + i + (i == edited ? 500000 : 0);
        function_write(&text, program, i, constant, &random);
    }
    buf_append_format(&text, "(func $start (export \"_start\") (drop (call $p%u_f%u (i32.const 1) (i32.const 2)))))\n", program, FUNC_COUNT - 1);
    return module_from(&text);
}

static Module megabinary_make(const Module *programs, const uint32_t *numbers, uint32_t count)
{
    LinkInput inputs[PROGRAM_COUNT + 1];
    char names[PROGRAM_COUNT + 1][16];
    Buf buf = BUF_INIT(64u << 20);
    LinkStats stats;
    Error err = ERROR_INIT;
    for (uint32_t i = 0; i < count; i++) {
        (void)snprintf(names[i], sizeof(names[i]), "program%u", numbers[i]);
        inputs[i] = (LinkInput){names[i], programs[i].module};
    }
    must(link_megabinary(inputs, count, &buf, &stats, &err) == 0);
    size_t size;
    uint8_t *bytes = buf_steal(&buf, &size);
    return module_read(bytes, size);
}

typedef struct Object {
    char *bytes; /* owned */
    size_t size;
    CompileProgress progress;
} Object;

static void keep_progress(void *context, const CompileProgress *progress)
{
    *(CompileProgress *)context = *progress;
}

static Object compile(const Module *module, bool has_cache, uint64_t cache_size)
{
    Object object = {0};
    Error err = ERROR_INIT;
    CompileOptions options = {.opt_level = opt_level, .job_count = 2, .cpu = "x86-64-v2", .memory_base = RT_MEMORY_BASE_DEFAULT, .digest = {{1}},
                              .work_dir = work_dir, .has_thunks = true, .progress = keep_progress, .progress_context = &object.progress};
    must(!has_cache || unit_cache_open(cache_dir, cache_size, &options.unit_cache, &err) == 0);
    if (compile_module(module->module, &options, object_path, &err) < 0) {
        printf("# %s\n", err.message);
        must(false && "compiles");
    }
    unit_cache_close(options.unit_cache);
    must(file_read(AT_FDCWD, object_path, 256u << 20, &object.bytes, &object.size, NULL) == 0);
    must(object.progress.done_count == object.progress.total_count);
    return object;
}

static uint32_t compiled_count(const Object *object)
{
    return object->progress.total_count - object->progress.cached_count;
}

static bool objects_equal(const Object *a, const Object *b)
{
    return a->size == b->size && memcmp(a->bytes, b->bytes, a->size) == 0;
}

/* The module gives the same object with and without the cache. Return: units that were compiled with it. */
static uint32_t check_against_plain(const Module *module, const char *what)
{
    Object with = compile(module, true, UNIT_CACHE_SIZE_DEFAULT);
    Object plain = compile(module, false, 0);
    must(objects_equal(&with, &plain) && plain.progress.cached_count == 0);
    printf("# %s: %u of %u functions, %u of %u units compiled\n", what, compiled_count(&with), with.progress.total_count,
           with.progress.unit_count - with.progress.cached_unit_count, with.progress.unit_count);
    const uint32_t result = with.progress.unit_count - with.progress.cached_unit_count;
    must((result == 0) == (compiled_count(&with) == 0));
    fflush(stdout);
    free(with.bytes);
    free(plain.bytes);
    return result;
}

static void test_edits(Module *programs, const uint32_t *numbers)
{
    Module original = megabinary_make(programs, numbers, PROGRAM_COUNT);
    must(check_against_plain(&original, "cold") > 15);
    must(check_against_plain(&original, "again") == 0);

    Module saved = programs[4];
    programs[4] = program_make(4, 60);
    Module edited = megabinary_make(programs, numbers, PROGRAM_COUNT);
    must(check_against_plain(&edited, "one constant of one of ten programs") == 1);
    module_release(&programs[4]);
    module_release(&edited);

    programs[4] = program_make(PROGRAM_COUNT + 5, FUNC_COUNT); /* another program altogether, with another import */
    Module replaced = megabinary_make(programs, numbers, PROGRAM_COUNT);
    must(check_against_plain(&replaced, "one of ten programs replaced") <= 5);
    module_release(&programs[4]);
    module_release(&replaced);
    programs[4] = saved;

    /* Not the first: indices that cross 128 change the length of code, and with it the places of what comes after in the partition. */
    Module shorter[PROGRAM_COUNT - 1];
    uint32_t shorter_numbers[PROGRAM_COUNT - 1];
    for (uint32_t i = 0; i + 1 < PROGRAM_COUNT; i++) {
        shorter[i] = programs[i < 5 ? i : i + 1];
        shorter_numbers[i] = numbers[i < 5 ? i : i + 1];
    }
    Module fewer = megabinary_make(shorter, shorter_numbers, PROGRAM_COUNT - 1);
    must(check_against_plain(&fewer, "one of ten programs left out") <= 3);
    module_release(&fewer);
    module_release(&original);
    passed("an edit recompiles what it changed; objects are the same with and without the cache");
}

/* --- entries that are not what was written --- */

static uint32_t entry_names(char names[][DIGEST_HEX_SIZE + 1], uint32_t maximum)
{
    DIR *dir = opendir(cache_dir);
    const struct dirent *item;
    uint32_t count = 0;
    must(dir != NULL);
    while ((item = readdir(dir)) != NULL) {
        if (strlen(item->d_name) == DIGEST_HEX_SIZE && count < maximum) {
            memcpy(names[count++], item->d_name, DIGEST_HEX_SIZE + 1);
        }
    }
    closedir(dir);
    return count;
}

static void entry_replace(const char *name, const char *bytes, size_t size)
{
    const int dir_fd = open(cache_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    must(dir_fd >= 0 && unlinkat(dir_fd, name, 0) == 0 && file_write_atomic(dir_fd, name, bytes, size, 0400, NULL) == 0);
    (void)fd_close(dir_fd);
}

static void damage(const char *name, uint32_t way, const char *other)
{
    char path[160], other_path[160];
    char *bytes, *other_bytes;
    size_t size, other_size;
    (void)snprintf(path, sizeof(path), "%s/%.64s", cache_dir, name);
    (void)snprintf(other_path, sizeof(other_path), "%s/%.64s", cache_dir, other);
    must(file_read(AT_FDCWD, path, 64u << 20, &bytes, &size, NULL) == 0 && file_read(AT_FDCWD, other_path, 64u << 20, &other_bytes, &other_size, NULL) == 0);
    switch (way) {
    case 0: entry_replace(name, bytes, size - 1); break;
    case 1: bytes[size / 2] ^= 1; entry_replace(name, bytes, size); break;
    case 2: entry_replace(name, "", 0); break;
    case 3: entry_replace(name, other_bytes, other_size); break; /* whole, but of another key */
    case 4: must(unlink(path) == 0 && symlink(other_path, path) == 0); break;
    case 5: must(chmod(path, 0644) == 0); break;
    case 6: memset(bytes, 0, size); entry_replace(name, bytes, size); break;
    default: must(unlink(path) == 0 && mkfifo(path, 0600) == 0); break;
    }
    free(bytes);
    free(other_bytes);
}

static void test_damage(const Module *module)
{
    static char names[64][DIGEST_HEX_SIZE + 1];
    must(tree_remove(AT_FDCWD, cache_dir, NULL) == 0);
    Object good = compile(module, true, UNIT_CACHE_SIZE_DEFAULT);
    const uint32_t count = entry_names(names, 64);
    must(count >= 9 && count == good.progress.unit_count);
    for (uint32_t i = 0; i < 8; i++) {
        damage(names[i], i, names[8]);
    }
    Object again = compile(module, true, UNIT_CACHE_SIZE_DEFAULT);
    must(objects_equal(&again, &good) && again.progress.cached_unit_count == count - 8);
    Object healed = compile(module, true, UNIT_CACHE_SIZE_DEFAULT);
    must(objects_equal(&healed, &good) && healed.progress.cached_unit_count == count);
    free(good.bytes);
    free(again.bytes);
    free(healed.bytes);
    passed("damaged, foreign and misplaced entries are made again");
}

static void test_directory(const Module *module)
{
    UnitCache *cache;
    must(chmod(cache_dir, 0755) == 0 && unit_cache_open(cache_dir, 1, &cache, NULL) == -EACCES && chmod(cache_dir, 0700) == 0);
    static char names[64][DIGEST_HEX_SIZE + 1];
    const uint32_t before = entry_names(names, 64);
    Object small = compile(module, true, 400u << 10);
    uint64_t size = 0;
    const uint32_t after = entry_names(names, 64);
    for (uint32_t i = 0; i < after; i++) {
        char path[160];
        struct stat status;
        (void)snprintf(path, sizeof(path), "%s/%.64s", cache_dir, names[i]);
        must(stat(path, &status) == 0);
        size += (uint64_t)status.st_size;
    }
    must(after > 0 && after < before && size <= 400u << 10);
    free(small.bytes);
    passed("a directory that others can read is refused; the size is bounded");
}

/* --- line numbers of a partition become offsets in the module --- */

static void call_thunk(RtInstance *instance, void *export)
{
    RtValue results[1] = {{0}};
    ((const RtExport *)export)->thunk(instance, results, results);
}

static void host_exit(RtInstance *instance, uint32_t status)
{
    must(instance != NULL && status != UINT32_MAX);
}

static const void *resolve(void *context, const char *module, const char *name, const char *signature)
{
    (void)context;
    return strcmp(module, "m") == 0 && strcmp(name, "f") == 0 && strcmp(signature, "i:") == 0 ? (const void *)host_exit : NULL;
}

static uint64_t unreachable_offset(const WasmModule *module, uint32_t func_index)
{
    const WasmFunc *func = &module->funcs[func_index];
    WasmInstr instr = {.end = 1}; /* no locals */
    do {
        must(wasm_instr_read(func->body, func->body_offset, instr.end, &instr, NULL) == 0);
    } while (instr.opcode != 0);
    return func->body_offset + instr.start;
}

static void test_lines(void)
{
    _cleanup_(buf_deinit) Buf text = BUF_INIT(64u << 20);
    uint32_t random = 7;
    buf_append_string(&text, "(module (type $t (func (param i32 i32) (result i32))) (import \"m\" \"f\" (func $exit (param i32)))\n"
                             "(memory 1) (global $g (mut i32) (i32.const 0)) (table 4 funcref) (elem (i32.const 0) $p0_f0 $p0_f1)\n"
                             "(func $exit2 (param i32) (call $exit (local.get 0)))\n");
    for (uint32_t i = 0; i < 600; i++) {
        function_write(&text, 0, i, i, &random);
        if (i % 100 == 99) {
            buf_append_format(&text, "(func (export \"trap%u\") (drop (call $p0_f0 (i32.const %u) (i32.const 1))) (unreachable))\n", i / 100, i);
        }
    }
    buf_append_string(&text, ")");
    Module module = module_from(&text);
    opt_level = 2;
    Object first = compile(&module, true, UNIT_CACHE_SIZE_DEFAULT);
    must(first.progress.unit_count > 3);
    free(first.bytes);
    Object second = compile(&module, true, UNIT_CACHE_SIZE_DEFAULT);
    must(second.progress.cached_unit_count == second.progress.unit_count);
    free(second.bytes);
    const int fd = open(object_path, O_RDONLY | O_CLOEXEC);
    RtLoaded *loaded = NULL;
    RtInstance *instance = NULL;
    const RtInstanceConfig config = {.resolve = resolve};
    Error err = ERROR_INIT;
    must(fd >= 0 && rt_object_open(fd, 100, &(Digest){{1}}, &loaded, &err) == 0);
    must(rt_instance_new(loaded, NULL, &config, &instance, &err) == 0 && rt_instance_instantiate(instance, NULL) == RT_TRAP_NONE);
    const RtObject *object = rt_object(loaded);
    must(object->export_count == 6);
    for (uint32_t i = 0; i < object->export_count; i++) {
        RtTrapInfo trap_info;
        must(rt_instance_call(instance, call_thunk, (void *)(uintptr_t)&object->exports[i], &trap_info) == RT_TRAP_UNREACHABLE);
        const uint64_t expected = unreachable_offset(module.module, object->exports[i].index);
        if (trap_info.wasm_offset != expected) {
            printf("# %s: 0x%" PRIx64 " instead of 0x%" PRIx64 "\n", trap_info.func_name, trap_info.wasm_offset, expected);
            fflush(stdout);
            must(false && "the right place");
        }
    }
    (void)rt_instance_free(instance);
    (void)rt_object_close(loaded);
    (void)fd_close(fd);
    module_release(&module);
    passed("places in the module, in every partition, from the cache too");
}

int main(void)
{
    if (!has_wat2wasm()) {
        return 0;
    }
    must(mkdtemp(test_dir) != NULL);
    (void)snprintf(work_dir, sizeof(work_dir), "%s/work", test_dir);
    (void)snprintf(cache_dir, sizeof(cache_dir), "%s/units", test_dir);
    (void)snprintf(object_path, sizeof(object_path), "%s/object.so", test_dir);
    must(mkdir(work_dir, 0700) == 0);
    Module programs[PROGRAM_COUNT];
    uint32_t numbers[PROGRAM_COUNT];
    for (uint32_t i = 0; i < PROGRAM_COUNT; i++) {
        numbers[i] = i;
        programs[i] = program_make(i, FUNC_COUNT);
    }
    test_edits(programs, numbers);
    Module megabinary = megabinary_make(programs, numbers, PROGRAM_COUNT);
    test_damage(&megabinary);
    test_directory(&megabinary);
    test_lines();
    module_release(&megabinary);
    for (uint32_t i = 0; i < PROGRAM_COUNT; i++) {
        module_release(&programs[i]);
    }
    must(tree_remove(AT_FDCWD, test_dir, NULL) == 0);
    printf("1..%d\n", test_count);
    return 0;
}
