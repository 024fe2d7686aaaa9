/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-layout.c - objects that record first calls, and objects laid out by a profile: what they do is the same, and no unit is compiled again.
 *
 * The module is written in the text format and made by wat2wasm (wabt) at test time; without it the test is skipped. Its functions are too long
 * to be inlined, and are in two partitions.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "aot/compile.h"
#include "aot/test-wat.h"
#include "aot/unit-cache.h"
#include "base/cleanup.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/limits.h"
#include "base/must.h"
#include "base/tap.h"
#include "rt/recording.h"
#include "rt/rt.h"

#define LONG_COUNT 110u
/* Indices: the import, then f0 to f109, then these. */
enum { FIRST_FUNC = 1, MANY = FIRST_FUNC + LONG_COUNT, TAIL, GO, LATER, FUNC_COUNT };
#define F(number) (FIRST_FUNC + (number))

static char test_dir[] = "/tmp/test-layout-XXXXXX";
static char work_dir[64], cache_dir[64];
static Arena arena = ARENA_INIT(256u << 20);
static const WasmModule *module;
static const Digest digest = {{1, 2, 3}};
static uint32_t result_of_go, result_of_later; /* of an object that is compiled as any other */

static void long_write(Buf *text, uint32_t local, uint32_t seed)
{
    for (uint32_t k = 0; k < 100; k++) {
        buf_append_format(text, "(local.set %u (i32.mul (i32.xor (local.get %u) (i32.const %u)) (i32.load offset=%u (i32.const 0))))\n", local, local,
                          seed * 1000 + k, 4 * k);
    }
}

static void text_write(Buf *text)
{
    buf_append_string(text, "(module (type $t (func (param i32) (result i32))) (import \"env\" \"host\" (func $host (type $t))) (memory 1)\n"
                            "(table funcref (elem $f33 $f7 $host))\n");
    for (uint32_t i = 0; i < LONG_COUNT; i++) {
        buf_append_format(text, "(func $f%u (type $t)\n", i);
        long_write(text, 0, i);
        if (i == 33) {
            buf_append_string(text, "(local.set 0 (i32.add (local.get 0) (call $f2 (i32.const 1))))\n");
        } else if (i == 5) { /* calls itself once */
            buf_append_string(text, "(if (i32.load offset=2000 (i32.const 0)) (then (i32.store offset=2000 (i32.const 0) (i32.const 0))\n"
                                    "(local.set 0 (i32.add (local.get 0) (call $f5 (i32.const 0))))))\n");
        }
        buf_append_string(text, "(local.get 0))\n");
    }
    buf_append_string(text, "(func $many (param i64 i64 i64 i64 i64 i64 i64 i64) (result i32) (local i32)\n");
    long_write(text, 8, 2000);
    buf_append_string(text, "(i32.add (local.get 8) (i32.wrap_i64 (i64.add (local.get 0) (local.get 7)))))\n(func $tail (type $t)\n");
    long_write(text, 0, 3000);
    buf_append_string(text, "(return_call $many (i64.extend_i32_u (local.get 0)) (i64.const 0) (i64.const 0) (i64.const 0) (i64.const 0)\n"
                            "(i64.const 0) (i64.const 0) (i64.const 7)))\n"
                            "(func $go (export \"go\") (result i32) (i32.store offset=2000 (i32.const 0) (i32.const 1))\n"
                            "(i32.add (i32.add (i32.add (call $f5 (i32.const 1)) (call $f70 (i32.const 2)))\n"
                            "(i32.add (call_indirect (type $t) (i32.const 3) (i32.const 0)) (call $tail (i32.const 5))))\n"
                            "(i32.add (call $host (i32.const 6)) (call_indirect (type $t) (i32.const 3) (i32.const 2)))))\n"
                            "(func $later (export \"later\") (result i32) (i32.add (call $f70 (i32.const 2)) (call $f1 (i32.const 3)))))\n");
}

static const WasmModule *module_from(const Buf *text)
{
    char binary[128];
    const WasmModule *result;
    (void)snprintf(binary, sizeof(binary), "%s/module.wasm", test_dir);
    must(buf_error(text) == 0);
    wat_to_wasm((const char *)text->bytes, text->size, binary);
    FileMap map; /* as long as the process */
    must(file_map(AT_FDCWD, binary, LIMIT_MODULE_SIZE, &map, NULL) == 0 && wasm_module_read(map.bytes, map.size, &arena, &result, NULL) == 0);
    must(wasm_module_validate(result, &WASM_FEATURES_DEFAULT, NULL) == 0);
    return result;
}

static void module_make(void)
{
    Buf text = BUF_INIT(64u << 20);
    text_write(&text);
    module = module_from(&text);
    must(module->func_count == FUNC_COUNT);
    buf_deinit(&text);
}

typedef struct Object {
    char path[128];
    char *bytes; /* owned */
    size_t size;
    CompileProgress progress;
} Object;

static void keep_progress(void *context, const CompileProgress *progress)
{
    *(CompileProgress *)context = *progress;
}

static int compile_try(int opt_level, bool is_recording, const Profile *profile, bool has_cache, Object *object, Error *err)
{
    CompileOptions options = {.opt_level = opt_level, .job_count = 2, .cpu = "x86-64-v2", .memory_base = RT_MEMORY_BASE_DEFAULT, .digest = digest,
                              .work_dir = work_dir, .has_thunks = true, .progress = keep_progress, .progress_context = &object->progress,
                              .is_recording = is_recording, .profile = profile};
    (void)snprintf(object->path, sizeof(object->path), "%s/object", test_dir);
    must(!has_cache || unit_cache_open(cache_dir, UNIT_CACHE_SIZE_DEFAULT, &options.unit_cache, NULL) == 0);
    const int r = compile_module(module, &options, object->path, err);
    unit_cache_close(options.unit_cache);
    return r;
}

static Object compile(int opt_level, bool is_recording, const Profile *profile, bool has_cache)
{
    Object object = {0};
    Error err = ERROR_INIT;
    if (compile_try(opt_level, is_recording, profile, has_cache, &object, &err) < 0) {
        printf("# %s\n", err.message);
        must(false && "compiles");
    }
    must(file_read(AT_FDCWD, object.path, 64u << 20, &object.bytes, &object.size, NULL) == 0);
    return object;
}

static RtLoaded *load(const Object *object)
{
    RtLoaded *loaded = NULL;
    Error err = ERROR_INIT;
    const int fd = open(object->path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || rt_object_open(fd, 100, &digest, &loaded, &err) < 0) {
        printf("# %s\n", err.message);
        must(false && "loads");
    }
    (void)fd_close(fd);
    return loaded;
}

static uint32_t host(RtInstance *instance, uint32_t value)
{
    must(instance != NULL);
    return value + 1000;
}

static const void *resolve(void *context, const char *name, const char *field, const char *signature)
{
    (void)context;
    return strcmp(name, "env") == 0 && strcmp(field, "host") == 0 && strcmp(signature, "i:i") == 0 ? (const void *)host : NULL;
}

static RtInstance *start(RtLoaded *loaded)
{
    const RtInstanceConfig config = {.resolve = resolve};
    RtInstance *instance = NULL;
    must(rt_instance_new(loaded, NULL, &config, &instance, NULL) == 0 && rt_instance_instantiate(instance, NULL) == RT_TRAP_NONE);
    return instance;
}

static void call_thunk(RtInstance *instance, void *result)
{
    RtValue *values = result;
    const RtExport *export = values[0].pointer;
    export->thunk(instance, values, values);
}

static uint32_t call(RtInstance *instance, const char *name)
{
    const RtObject *object = instance->object;
    for (uint32_t i = 0; i < object->export_count; i++) {
        if (strcmp(object->exports[i].name, name) == 0) {
            RtValue values[1] = {{.pointer = (void *)(uintptr_t)&object->exports[i]}};
            must(rt_instance_call(instance, call_thunk, values, NULL) == RT_TRAP_NONE);
            return values[0].i32;
        }
    }
    must(false && "exported");
    return 0;
}

static uint32_t *words_make(void)
{
    uint32_t *words = mmap(NULL, (1 + FUNC_COUNT) * sizeof(uint32_t), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    must(words != MAP_FAILED);
    return words;
}

static void words_are(const uint32_t *words, const uint32_t *order, uint32_t count)
{
    Profile profile = {0};
    must(words[0] == count && profile_extend(&profile, words + 1, FUNC_COUNT) == 0);
    for (uint32_t i = 0; i < count; i++) {
        if (i >= profile.func_count || profile.funcs[i] != order[i]) {
            printf("# call %u: function %u instead of %u\n", i, i < profile.func_count ? profile.funcs[i] : UINT32_MAX, order[i]);
            must(false && "recorded in the order of first calls");
        }
    }
    must(profile.func_count == count);
    profile_deinit(&profile);
}

static void results_make(void)
{
    Object object = compile(0, false, NULL, false);
    RtLoaded *loaded = load(&object);
    RtInstance *instance = start(loaded);
    result_of_go = call(instance, "go");
    result_of_later = call(instance, "later");
    (void)rt_instance_free(instance);
    (void)rt_object_close(loaded);
    free(object.bytes);
}

/* Of the process and of its child; results are those of an object that does not record. */
static void check_recording(int opt_level, bool has_cache)
{
    static const uint32_t order[] = {GO, F(5), F(70), F(33), F(2), TAIL, MANY, LATER, F(1)};
    Object object = compile(opt_level, true, NULL, has_cache);
    must(!has_cache || object.progress.cached_unit_count == object.progress.unit_count);
    RtLoaded *loaded = load(&object);
    uint32_t *words = words_make();
    rt_set_recording(words, FUNC_COUNT);
    RtInstance *instance = start(loaded);
    RtInstance *thread = NULL;
    must(call(instance, "go") == result_of_go);
    words_are(words, order, 7);
    must(call(instance, "go") == result_of_go);
    words_are(words, order, 7);
    const pid_t pid = fork();
    if (pid == 0) {
        _exit(call(instance, "later") == result_of_later ? 0 : 1);
    }
    int status;
    must(pid > 0 && waitpid(pid, &status, 0) == pid && status == 0);
    words_are(words, order, 9);
    must(rt_instance_new_thread(instance, NULL, 0, &thread, NULL) == 0 && thread->recording == words);
    (void)rt_instance_free(thread);
    (void)rt_instance_free(instance);
    (void)rt_object_close(loaded);
    rt_set_recording(NULL, 0);
    (void)munmap(words, (1 + FUNC_COUNT) * sizeof(uint32_t));
    free(object.bytes);
}

static void test_recording(void)
{
    for (int opt_level = 0; opt_level <= 3; opt_level++) {
        check_recording(opt_level, false);
    }
}

static void test_recording_units(void)
{
    Object plain = compile(2, false, NULL, true);
    must(plain.progress.unit_count == 2 && plain.progress.cached_unit_count == 0);
    free(plain.bytes);
    check_recording(2, true);
}

static void test_nobody_takes_them(void)
{
    const RtInstanceConfig config = {.resolve = resolve};
    Object object = compile(0, true, NULL, true);
    RtLoaded *loaded = load(&object);
    RtInstance *instance = NULL;
    uint32_t *words = words_make();
    must(rt_object(loaded)->is_recording == 1 && rt_instance_new(loaded, NULL, &config, &instance, NULL) == -EINVAL);
    rt_set_recording(words, FUNC_COUNT - 1);
    must(rt_instance_new(loaded, NULL, &config, &instance, NULL) == -EINVAL);
    rt_set_recording(words, FUNC_COUNT);
    must(rt_instance_new(loaded, NULL, &config, &instance, NULL) == 0 && instance->recording == words);
    (void)rt_instance_free(instance);
    (void)rt_object_close(loaded);
    free(object.bytes);
    object = compile(0, false, NULL, true); /* one that does not record leaves the words alone */
    loaded = load(&object);
    instance = start(loaded);
    must(rt_object(loaded)->is_recording == 0 && instance->recording == NULL && call(instance, "later") == result_of_later && words[0] == 0);
    rt_set_recording(NULL, 0);
    (void)rt_instance_free(instance);
    (void)rt_object_close(loaded);
    (void)munmap(words, (1 + FUNC_COUNT) * sizeof(uint32_t));
    free(object.bytes);
}

/* The functions of the profile lie together, in its order, before all others. */
static void check_order(const RtObject *object, const Profile *profile)
{
    const uint8_t *end = object->text_begin;
    for (uint32_t i = 0; i < profile->func_count; i++) {
        const uint8_t *code = object->funcs[profile->funcs[i]].code;
        must(code > end && code < object->text_end);
        end = code;
    }
    for (uint32_t i = FIRST_FUNC; i < FUNC_COUNT; i++) {
        bool is_listed = false;
        for (uint32_t k = 0; k < profile->func_count; k++) {
            is_listed |= profile->funcs[k] == i;
        }
        must(is_listed || (const uint8_t *)object->funcs[i].code > end);
    }
}

static void test_layout(void)
{
    static uint32_t funcs[] = {GO, F(70), MANY, F(2), TAIL};
    const Profile profile = {.func_count = TAP_COUNT(funcs), .funcs = funcs}, none = {0};
    Object plain = compile(2, false, NULL, true);
    Object laid_out = compile(2, false, &profile, true);
    must(plain.progress.cached_unit_count == plain.progress.unit_count && laid_out.progress.cached_unit_count == plain.progress.unit_count);
    RtLoaded *loaded = load(&laid_out);
    check_order(rt_object(loaded), &profile);
    RtInstance *instance = start(loaded);
    must(call(instance, "go") == result_of_go && call(instance, "later") == result_of_later);
    (void)rt_instance_free(instance);
    (void)rt_object_close(loaded);
    Object again = compile(2, false, &profile, false);
    must(again.size == laid_out.size && memcmp(again.bytes, laid_out.bytes, again.size) == 0);
    Object empty = compile(2, false, &none, true);
    must(plain.size == empty.size && memcmp(plain.bytes, empty.bytes, plain.size) == 0);
    must(plain.size != laid_out.size || memcmp(plain.bytes, laid_out.bytes, plain.size) != 0);
    free(plain.bytes);
    free(laid_out.bytes);
    free(again.bytes);
    free(empty.bytes);
}

static void test_refused(void)
{
    static uint32_t rows[][2] = {{GO, 0}, {GO, FUNC_COUNT}, {LIMIT_FUNCTIONS - 1, GO}};
    for (size_t i = 0; i < TAP_COUNT(rows); i++) {
        const Profile profile = {.func_count = 2, .funcs = rows[i]};
        Object object = {0};
        Error err = ERROR_INIT;
        must(compile_try(2, false, &profile, true, &object, &err) == -EBADMSG && strstr(err.message, "profile: ") != NULL);
        must(access(object.path, F_OK) < 0 || unlink(object.path) == 0); /* an earlier one's */
    }
}

/* Functions of one instruction each: in one unit they would have more sections than an object file's header can count. */
static void test_many_sections(void)
{
    const WasmModule *usual = module;
    Buf text = BUF_INIT(64u << 20);
    buf_append_string(&text, "(module\n");
    for (uint32_t i = 0; i < 40000; i++) {
        buf_append_string(&text, "(func)\n");
    }
    buf_append_string(&text, "(func (export \"last\") (result i32) (i32.const 7)))\n");
    module = module_from(&text);
    buf_deinit(&text);
    Object object = compile(0, false, NULL, false);
    must(object.progress.unit_count == 5 && object.progress.total_count == 40001); /* 8192 in each */
    RtLoaded *loaded = load(&object);
    RtInstance *instance = start(loaded);
    must(call(instance, "last") == 7);
    (void)rt_instance_free(instance);
    (void)rt_object_close(loaded);
    free(object.bytes);
    module = usual;
}

int main(void)
{
    static const TapCase cases[] = {
        {"first calls are recorded in their order, children's too", test_recording},
        {"recording compiles no unit again", test_recording_units},
        {"an object that records and nobody takes it is refused", test_nobody_takes_them},
        {"a profile orders the code, and that is all", test_layout},
        {"a profile with functions that are not there is refused", test_refused},
        {"forty thousand functions of one instruction", test_many_sections},
    };
    if (!has_wat2wasm()) {
        return 0;
    }
    must(mkdtemp(test_dir) != NULL);
    (void)snprintf(work_dir, sizeof(work_dir), "%s/work", test_dir);
    (void)snprintf(cache_dir, sizeof(cache_dir), "%s/units", test_dir);
    must(mkdir(work_dir, 0700) == 0);
    module_make();
    results_make();
    const int result = tap_main(cases, TAP_COUNT(cases));
    arena_deinit(&arena);
    must(tree_remove(AT_FDCWD, test_dir, NULL) == 0);
    return result;
}
