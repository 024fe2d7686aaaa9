/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ours.c - compiles and runs modules for tests/fuzz-diff/run: one process for many modules, a fork of it for each.
 *
 *     stdin    OPT BASE CPU FAST PATH       one line a module; BASE in hex, 0: loaded from the instance; FAST 1: --fast-memory
 *     stdout   NAME: VALUES | trap KIND     an export without parameters was called
 *              log VALUE                    the module called an import
 *              state MEMORY GLOBALS TABLES  after each call (engine.mjs prints the same)
 *              end STATUS                   0, or why the fork ended early
 *
 * Numbers are printed as the bits of a double, because JavaScript does not know whether a number was an i32 or an f32.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "aot/compile.h"
#include "base/file.h"
#include "base/must.h"
#include "rt/rt.h"
#include "wasm/module.h"

#define VALUES_MAX 1000
#define FORK_SECONDS 60
#define HASHED_PAGES 4u

typedef struct Request {
    int opt_level, is_fast_memory;
    unsigned long long memory_base;
    char cpu[64], path[4096];
} Request;

static void print_number(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof(bits));
    value != value ? printf(" nan") : printf(" %" PRIx64, bits);
}

static void print_value(char type, const RtValue *value)
{
    switch (type) {
    case 'i': print_number((int32_t)value->i32); break;
    case 'I': printf(" %" PRIu64 "n", value->i64); break;
    case 'f': print_number(value->f32); break;
    case 'F': print_number(value->f64); break;
    default: printf(value->pointer == NULL ? " null" : " ref"); break;
    }
}

static void log_value(char type, RtValue value)
{
    printf("log");
    print_value(type, &value);
    printf("\n");
}

static void log_i32(RtInstance *instance, uint32_t value) { (void)instance; log_value('i', (RtValue){.i32 = value}); }
static void log_i64(RtInstance *instance, uint64_t value) { (void)instance; log_value('I', (RtValue){.i64 = value}); }
static void log_f32(RtInstance *instance, float value) { (void)instance; log_value('f', (RtValue){.f32 = value}); }
static void log_f64(RtInstance *instance, double value) { (void)instance; log_value('F', (RtValue){.f64 = value}); }
static void log_v128(RtInstance *instance) { (void)instance; }

static const void *resolve(void *context, const char *module, const char *name, const char *signature)
{
    (void)context;
    (void)module;
    (void)name;
    switch (signature[0]) {
    case 'i': return (const void *)log_i32;
    case 'I': return (const void *)log_i64;
    case 'f': return (const void *)log_f32;
    case 'F': return (const void *)log_f64;
    default: return (const void *)log_v128;
    }
}

/* FNV-1a over 32-bit words: of at most HASHED_PAGES pages at the start and of the last page. */
static uint32_t memory_hash(const RtMemory *memory)
{
    uint32_t hash = 2166136261u ^ memory->page_count;
    for (uint32_t page = 0; page < memory->page_count; page++) {
        if (page >= HASHED_PAGES && page != memory->page_count - 1) {
            continue;
        }
        const uint8_t *at = memory->base + (size_t)page * RT_PAGE_SIZE;
        for (uint32_t i = 0; i < RT_PAGE_SIZE; i += 4) {
            uint32_t word;
            memcpy(&word, at + i, 4);
            hash = (hash ^ word) * 16777619u;
        }
    }
    return hash;
}

static void print_state(RtInstance *instance, const WasmModule *module)
{
    static const struct { WasmValType type; char letter; } letters[] = {{WASM_I32, 'i'}, {WASM_I64, 'I'}, {WASM_F32, 'f'}, {WASM_F64, 'F'}};
    printf("state");
    for (uint32_t i = 0; i < module->export_count; i++) {
        const WasmExport *export = &module->exports[i];
        if (export->kind == WASM_EXTERN_MEMORY && export->index == 0) {
            printf(" %" PRIx32, memory_hash(instance->memory));
        } else if (export->kind == WASM_EXTERN_TABLE) {
            printf(" %" PRIu32, rt_instance_table(instance, export->index)->size);
        } else if (export->kind == WASM_EXTERN_GLOBAL) {
            for (size_t k = 0; k < sizeof(letters) / sizeof(letters[0]); k++) {
                if (letters[k].type == module->globals[export->index].type) {
                    print_value(letters[k].letter, rt_instance_global(instance, export->index));
                }
            }
        }
    }
    printf("\n");
}

typedef struct Call {
    const RtExport *export;
    RtValue args[1], results[VALUES_MAX];
} Call;

static void run_call(RtInstance *instance, void *argument)
{
    Call *call = argument;
    call->export->thunk(instance, call->args, call->results);
}

static void call_export(RtInstance *instance, const RtExport *export)
{
    static Call call;
    if (export->signature == NULL || export->signature[0] != ':') {
        return;
    }
    if (strchr(export->signature, 'v') != NULL) {
        printf("%s: skip\n", export->name);
        return;
    }
    memset(&call, 0, sizeof(call));
    call.export = export;
    const RtTrap trap = rt_instance_call(instance, run_call, &call, NULL);
    printf("%s:", export->name);
    if (trap != RT_TRAP_NONE) {
        printf(" trap %s", rt_trap_name(trap));
    }
    for (size_t i = 1; trap == RT_TRAP_NONE && export->signature[i] != '\0'; i++) {
        print_value(export->signature[i], &call.results[i - 1]);
    }
    printf("\n");
}

static int module_run(const Request *request, const WasmModule *module, RtLoaded *loaded, Error *err)
{
    RtInstance *instance = NULL;
    const RtInstanceConfig config = {.resolve = resolve, .native_stack_size = 1u << 20};
    (void)request;
    if (rt_instance_new(loaded, NULL, &config, &instance, err) < 0) {
        return -1;
    }
    const RtTrap trap = rt_instance_instantiate(instance, NULL);
    if (trap != RT_TRAP_NONE) {
        printf("start: trap %s\n", rt_trap_name(trap));
        return 0;
    }
    print_state(instance, module);
    const RtObject *object = rt_object(loaded);
    for (uint32_t i = 0; i < object->export_count; i++) {
        if (object->exports[i].kind == WASM_EXTERN_FUNC) {
            call_export(instance, &object->exports[i]);
            print_state(instance, module);
        }
    }
    return 0;
}

static int module_compile_and_run(const Request *request, const char *work, Error *err)
{
    char *bytes = NULL, target[4200];
    size_t size = 0;
    const WasmModule *module = NULL;
    const WasmFeatures features = WASM_FEATURES_DEFAULT;
    Arena arena = ARENA_INIT(256u << 20);
    RtLoaded *loaded = NULL;
    CompileOptions options = {.opt_level = request->opt_level, .job_count = 1, .cpu = request->cpu, .memory_base = request->memory_base,
                              .has_thunks = true, .is_fast_memory = request->is_fast_memory != 0, .work_dir = work};
    (void)snprintf(target, sizeof(target), "%s/object.so", work);
    if (file_read(AT_FDCWD, request->path, 64u << 20, &bytes, &size, err) < 0 ||
        wasm_module_read((const uint8_t *)bytes, size, &arena, &module, err) < 0 || wasm_module_validate(module, &features, err) < 0 ||
        compile_module(module, &options, target, err) < 0) {
        return -1;
    }
    const int fd = open(target, O_RDONLY | O_CLOEXEC);
    (void)unlink(target);
    if (fd < 0 || rt_object_open(fd, 50, NULL, &loaded, err) < 0) {
        return -1;
    }
    return module_run(request, module, loaded, err);
}

static int fork_run(const Request *request, const char *work)
{
    int status = 0;
    (void)fflush(stdout);
    const pid_t pid = fork();
    must(pid >= 0);
    if (pid == 0) {
        Error err = ERROR_INIT;
        (void)alarm(FORK_SECONDS);
        (void)setvbuf(stdout, NULL, _IOLBF, 65536); /* what was printed before a crash counts */
        if (module_compile_and_run(request, work, &err) < 0) {
            printf("refused: %s\n", err.message);
        }
        (void)fflush(stdout);
        _exit(0);
    }
    must(waitpid(pid, &status, 0) == pid);
    return status;
}

int main(int argc, char **argv)
{
    static char line[8192];
    static Request request;
    if (argc != 2) {
        (void)fprintf(stderr, "usage: fuzz-diff-ours WORK-FOLDER\n");
        return 2;
    }
    while (fgets(line, sizeof(line), stdin) != NULL) {
        if (sscanf(line, "%d %llx %63s %d %4095[^\n]", &request.opt_level, &request.memory_base, request.cpu, &request.is_fast_memory,
                   request.path) != 5) {
            (void)fprintf(stderr, "fuzz-diff-ours: what is this: %s", line);
            return 2;
        }
        const int status = fork_run(&request, argv[1]);
        printf("end %d\n", status);
        (void)fflush(stdout);
    }
    return 0;
}
