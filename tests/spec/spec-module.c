/* SPDX-License-Identifier: Apache-2.0 */
/*
 * spec-module.c - modules of the suite: read, validate, link, compile with base 0 and thunks, instantiate.
 *
 * Compiled code gets its instance as first argument, so a function that crosses instances (an import, or a
 * reference in a shared table) goes through a thunk that puts the owner's instance there. Modules are never freed:
 * later ones may hold their functions, tables and memories, and the process ends with its .wast file.
 */
#include "spec.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "aot/compile.h"
#include "base/cleanup.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/must.h"

#define FOREIGN_BIT 0x80000000u
#define MODULES_MAX 4096u

static SpecOptions options;
static WasmFeatures features;

/* The module whose memory lies at the fixed base, and how many there were. */
static SpecModule *base_owner;
static uint32_t fixed_count;

static SpecModule *modules[MODULES_MAX]; /* instantiated, also those whose start trapped */
static uint32_t module_count;

typedef struct Registered {
    const char *name;
    size_t size;
    SpecModule *module;
} Registered;
static Registered registered[MODULES_MAX];
static uint32_t registered_count;

/* --- thunks --- */

SpecThunkTarget spec_thunk_targets[SPEC_THUNKS];
static RtFuncRef thunk_refs[SPEC_THUNKS]; /* as table slots hold them */
static uint32_t thunk_count;

/* Does LLVM return these results in memory, with a hidden first argument? (X86CallingConv.td: RAX RDX RCX, XMM0-1, vectors to XMM3) */
static bool is_returned_in_memory(const char *signature)
{
    uint32_t integers = 0, vectors = 0;
    bool is_full = false;
    for (const char *at = strchr(signature, ':') + 1; *at != '\0' && *at != '@'; at++) {
        at = *at == '{' ? strchr(at, '}') : at;
        if (*at == 'v') {
            is_full |= ++vectors > 4;
        } else if (*at == 'f' || *at == 'F') {
            is_full |= ++vectors > 2;
        } else {
            is_full |= ++integers > 3;
        }
    }
    return is_full;
}

static const RtFuncRef *thunk_new(RtInstance *instance, const void *code, const char *signature, uint32_t signature_id)
{
    must(thunk_count < SPEC_THUNKS);
    const uint32_t i = thunk_count++;
    spec_thunk_targets[i] = (SpecThunkTarget){.instance = instance, .code = code};
    thunk_refs[i] = (RtFuncRef){.code = (is_returned_in_memory(signature) ? spec_thunks_second : spec_thunks_first) + 16 * (size_t)i,
                                .signature = signature_id,
                                .func_index = FOREIGN_BIT | i};
    return &thunk_refs[i];
}

/* A thunk to a function of an instance; the same one each time. */
static const RtFuncRef *func_thunk(SpecModule *owner, uint32_t func_index)
{
    const RtFuncRef *ref = &rt_object(owner->loaded)->funcs[func_index];
    for (uint32_t i = 0; i < thunk_count; i++) {
        if (spec_thunk_targets[i].instance == owner->instance && spec_thunk_targets[i].code == ref->code) {
            return &thunk_refs[i];
        }
    }
    return thunk_new(owner->instance, ref->code, owner->signatures[owner->module->funcs[func_index].type_index], ref->signature);
}

/* RtShareHook: references point into their object's list of functions; that names the owner. */
static const RtFuncRef *share(RtInstance *instance, const RtFuncRef *ref)
{
    (void)instance;
    for (uint32_t i = 0; i < module_count; i++) {
        const RtObject *object = rt_object(modules[i]->loaded);
        const uint64_t offset = (uint64_t)((uintptr_t)ref - (uintptr_t)object->funcs);
        if (offset < (uint64_t)object->func_count * sizeof(RtFuncRef)) {
            return func_thunk(modules[i], (uint32_t)(offset / sizeof(RtFuncRef)));
        }
    }
    must(false && "a reference of no instance");
    return NULL;
}

static const RtFuncRef *lookup(uint32_t func_index)
{
    const uint32_t i = func_index & ~FOREIGN_BIT;
    must(i < thunk_count);
    return &thunk_refs[i];
}

/* --- spectest --- */

static void print_nothing(RtInstance *instance) { (void)instance; }

static RtMemory *spectest_memory, *spectest_shared;
static RtTable *spectest_table, *spectest_table64;
static RtGlobal spectest_globals[4];

void spec_modules_init(const SpecOptions *wanted)
{
    Error err = ERROR_INIT;
    options = *wanted;
    features = options.has_proposals ? WASM_FEATURES_DEFAULT : (WasmFeatures){0};
    features.function_references = features.table_init = options.has_proposals;
    must(rt_memory_new(0, 1, 2, 0, false, &spectest_memory, &err) == 0);
    must(rt_memory_new(0, 1, 2, 0, true, &spectest_shared, &err) == 0);
    must(rt_table_new(10, 20, true, &spectest_table, &err) == 0);
    must(rt_table_new(10, 20, true, &spectest_table64, &err) == 0);
    spectest_globals[0].i32 = 666;
    spectest_globals[1].i64 = 666;
    spectest_globals[2].f32 = 666.6f;
    spectest_globals[3].f64 = 666.6;
    rt_set_reference_hooks(share, lookup);
}

static bool spectest_export(const char *name, SpecExtern *ret)
{
    static const struct { const char *name, *signature; } funcs[] = {
        {"print", ":"}, {"print_i32", "i:"}, {"print_i64", "I:"}, {"print_f32", "f:"}, {"print_f64", "F:"}, {"print_i32_f32", "if:"},
        {"print_f64_f64", "FF:"}};
    static const struct { const char *name, *type; } globals[] = {
        {"global_i32", "i"}, {"global_i64", "I"}, {"global_f32", "f"}, {"global_f64", "F"}};
    for (size_t i = 0; i < sizeof(funcs) / sizeof(funcs[0]); i++) {
        if (strcmp(funcs[i].name, name) == 0) { /* arguments are ignored, so one function serves all types */
            *ret = (SpecExtern){.kind = WASM_EXTERN_FUNC, .signature = funcs[i].signature, .code = (const void *)(uintptr_t)print_nothing};
            return true;
        }
    }
    for (size_t i = 0; i < sizeof(globals) / sizeof(globals[0]); i++) {
        if (strcmp(globals[i].name, name) == 0) {
            *ret = (SpecExtern){.kind = WASM_EXTERN_GLOBAL, .global = &spectest_globals[i]};
            memcpy(ret->type, globals[i].type, 2);
            return true;
        }
    }
    if (strcmp(name, "table") == 0) {
        *ret = (SpecExtern){.kind = WASM_EXTERN_TABLE, .type = "r", .table = spectest_table,
                            .limits = {.minimum = spectest_table->size, .maximum = 20, .has_maximum = true}};
        return true;
    }
    if (strcmp(name, "table64") == 0) {
        *ret = (SpecExtern){.kind = WASM_EXTERN_TABLE, .type = "r", .table = spectest_table64,
                            .limits = {.minimum = spectest_table64->size, .maximum = 20, .has_maximum = true, .is_64 = true}};
        return true;
    }
    if (strcmp(name, "memory") == 0) {
        *ret = (SpecExtern){.kind = WASM_EXTERN_MEMORY, .memory = spectest_memory,
                            .limits = {.minimum = spectest_memory->page_count, .maximum = 2, .has_maximum = true}};
        return true;
    }
    if (strcmp(name, "shared_memory") == 0) { /* the threads proposal's tests */
        *ret = (SpecExtern){.kind = WASM_EXTERN_MEMORY, .memory = spectest_shared,
                            .limits = {.minimum = spectest_shared->page_count, .maximum = 2, .has_maximum = true, .is_shared = true}};
        return true;
    }
    return false;
}

/* --- exports and imports --- */

static bool slice_is(WasmSlice slice, const char *name, size_t size) { return slice.size == size && memcmp(slice.bytes, name, size) == 0; }

static const WasmExport *export_find(const WasmModule *module, const char *name, size_t size)
{
    for (uint32_t i = 0; i < module->export_count; i++) {
        if (slice_is(module->exports[i].name, name, size)) {
            return &module->exports[i];
        }
    }
    return NULL;
}

bool spec_export(SpecModule *from, const char *name, size_t name_size, SpecExtern *ret)
{
    const WasmModule *module = from->module;
    const WasmExport *export = export_find(module, name, name_size);
    if (export == NULL) {
        return false;
    }
    const uint32_t index = export->index;
    *ret = (SpecExtern){.kind = export->kind};
    switch (export->kind) {
    case WASM_EXTERN_FUNC:
        ret->signature = from->signatures[module->funcs[index].type_index];
        ret->code = func_thunk(from, index)->code;
        return true;
    case WASM_EXTERN_TABLE:
        ret->table = rt_instance_table(from->instance, index);
        must(wasm_type_text(module->tables[index].type, from->signatures, ret->type) == 0);
        ret->limits = module->tables[index].limits;
        ret->limits.minimum = ret->table->size;
        return true;
    case WASM_EXTERN_MEMORY:
        ret->memory = rt_instance_memory(from->instance, index);
        ret->limits = module->memories[index].limits;
        ret->limits.minimum = ret->memory->page_count;
        return true;
    case WASM_EXTERN_GLOBAL:
        ret->global = rt_instance_global(from->instance, index);
        must(wasm_type_text(module->globals[index].type, from->signatures, ret->type) == 0);
        ret->value_type = module->globals[index].type;
        ret->is_mutable = module->globals[index].is_mutable;
        return true;
    case WASM_EXTERN_TAG:
        ret->tag = rt_instance_tag(from->instance, index);
        ret->signature = from->signatures[module->tags[index].type_index];
        return true;
    default:
        return false;
    }
}

void spec_register(const char *name, size_t name_size, SpecModule *module)
{
    must(registered_count < MODULES_MAX);
    module->is_kept = true;
    char *copy = malloc(name_size + 1);
    must(copy != NULL);
    memcpy(copy, name, name_size);
    registered[registered_count++] = (Registered){.name = copy, .size = name_size, .module = module};
}

static bool import_find(const WasmImport *import, SpecExtern *ret)
{
    for (uint32_t i = registered_count; i > 0; i--) { /* the last one of a name counts */
        if (slice_is(import->module, registered[i - 1].name, registered[i - 1].size)) {
            return spec_export(registered[i - 1].module, (const char *)import->name.bytes, import->name.size, ret);
        }
    }
    if (slice_is(import->module, "spectest", 8)) {
        char name[64];
        if (import->name.size < sizeof(name)) {
            memcpy(name, import->name.bytes, import->name.size);
            name[import->name.size] = '\0';
            return strlen(name) == import->name.size && spectest_export(name, ret);
        }
    }
    return false;
}

/* wasm core 4.5.2.2 (import matching) */
static bool limits_match(const WasmLimits *have, const WasmLimits *want)
{
    return have->minimum >= want->minimum && (!want->has_maximum || (have->has_maximum && have->maximum <= want->maximum)) &&
           have->is_shared == want->is_shared && have->is_64 == want->is_64 && wasm_page_log2(have) == wasm_page_log2(want);
}

/* Subtyping of value types across modules (wasm core 3.3): equal, or a reference of the same hierarchy that may be less. */
static bool type_matches(WasmValType have_type, const char *have, WasmValType want_type, const char *want)
{
    if (strcmp(have, want) == 0) {
        return true;
    }
    if (!wasm_type_is_ref(have_type) || !wasm_type_is_ref(want_type) || (wasm_type_is_nullable(have_type) && !wasm_type_is_nullable(want_type))) {
        return false;
    }
    const WasmValType want_heap = wasm_type_nullable(want_type), have_heap = wasm_type_nullable(have_type);
    if (want_heap == WASM_FUNCREF && wasm_type_is_func(have_type)) {
        return true;
    }
    return !wasm_type_has_index(have_type) && !wasm_type_has_index(want_type) ? have_heap == want_heap : strcmp(have + (have[1] == '!') + 1, want + 1) == 0;
}

static bool import_matches(const SpecModule *importer, const WasmImport *import, const SpecExtern *have)
{
    const WasmModule *module = importer->module;
    char type[WASM_TYPE_TEXT_SIZE];
    if (have->kind != import->kind) {
        return false;
    }
    switch (import->kind) {
    case WASM_EXTERN_FUNC:
        return strcmp(importer->signatures[module->funcs[import->index].type_index], have->signature) == 0;
    case WASM_EXTERN_TABLE:
        must(wasm_type_text(module->tables[import->index].type, importer->signatures, type) == 0);
        return strcmp(have->type, type) == 0 && limits_match(&have->limits, &module->tables[import->index].limits);
    case WASM_EXTERN_MEMORY:
        return limits_match(&have->limits, &module->memories[import->index].limits);
    case WASM_EXTERN_GLOBAL:
        must(wasm_type_text(module->globals[import->index].type, importer->signatures, type) == 0);
        return have->is_mutable == module->globals[import->index].is_mutable &&
               (have->is_mutable ? strcmp(have->type, type) == 0 : type_matches(have->value_type, have->type, module->globals[import->index].type, type));
    case WASM_EXTERN_TAG:
        return strcmp(importer->signatures[module->tags[import->index].type_index], have->signature) == 0;
    default:
        return false;
    }
}

static int link_check(const SpecModule *importer, Error *err)
{
    for (uint32_t i = 0; i < importer->module->import_count; i++) {
        const WasmImport *import = &importer->module->imports[i];
        SpecExtern have;
        if (!import_find(import, &have)) {
            return error_set(err, ENOENT, "unknown import %.*s", (int)import->name.size, (const char *)import->name.bytes);
        }
        if (!import_matches(importer, import, &have)) {
            return error_set(err, EINVAL, "incompatible import type %.*s", (int)import->name.size, (const char *)import->name.bytes);
        }
    }
    return 0;
}

/* RtResolve: rt asks for the functions in the order of the imports (a name may hold NUL bytes, so names do not do). */
static const void *resolve_func(void *context, const char *module, const char *name, const char *signature)
{
    SpecModule *importer = context;
    (void)module;
    (void)name;
    (void)signature;
    while (importer->module->imports[importer->next_import].kind != WASM_EXTERN_FUNC) {
        importer->next_import++;
    }
    SpecExtern have;
    return import_find(&importer->module->imports[importer->next_import++], &have) ? have.code : NULL;
}

static void *resolve_extern(void *context, const RtImportDesc *import)
{
    SpecModule *importer = context;
    SpecExtern have;
    if (!import_find(&importer->module->imports[import - rt_object(importer->loaded)->imports], &have)) {
        return NULL;
    }
    return have.kind == WASM_EXTERN_TABLE    ? (void *)have.table
           : have.kind == WASM_EXTERN_MEMORY ? (void *)have.memory
           : have.kind == WASM_EXTERN_TAG    ? have.tag
                                             : (void *)have.global;
}

/* --- from bytes to instance --- */

uint32_t spec_fixed_count(void) { return fixed_count; }

static bool imports_only_funcs(const WasmModule *module)
{
    for (uint32_t i = 0; i < module->import_count; i++) {
        if (module->imports[i].kind != WASM_EXTERN_FUNC) {
            return false;
        }
    }
    return true;
}

/* Ends the instance at the fixed base if nothing can use it any more: no name, and its functions are in no other's table. */
static void base_release(void)
{
    if (base_owner == NULL || base_owner->is_kept || !imports_only_funcs(base_owner->module)) {
        return;
    }
    for (uint32_t i = 0; i < module_count; i++) {
        if (modules[i] == base_owner) {
            modules[i] = modules[--module_count];
        }
    }
    for (uint32_t i = 0; i < thunk_count; i++) { /* the next instance may get the same address */
        if (spec_thunk_targets[i].instance == base_owner->instance) {
            spec_thunk_targets[i] = (SpecThunkTarget){0};
        }
    }
    (void)rt_instance_free(base_owner->instance);
    (void)rt_object_close(base_owner->loaded);
    base_owner = NULL;
}

static uint64_t base_choose(SpecModule *module)
{
    if (!options.is_base_fixed || module->module->memory_count == 0 || module->module->imported_memory_count > 0) {
        return 0;
    }
    base_release();
    if (base_owner != NULL) {
        return 0;
    }
    base_owner = module;
    fixed_count++;
    return RT_MEMORY_BASE_DEFAULT;
}

static int module_compile(SpecModule *module, Error *err)
{
    char path[PATH_MAX];
    static uint32_t count;
    (void)snprintf(path, sizeof(path), "%s/%u.so", options.work_dir, count++);
    CompileOptions compile = {.opt_level = options.opt_level, .job_count = 1, .cpu = options.cpu, .has_thunks = true,
                              .work_dir = options.work_dir, .memory_base = base_choose(module)};
    int r = sha256(module->bytes, module->size, &compile.digest);
    if (r == 0) {
        r = compile_module(module->module, &compile, path, err);
    }
    if (r < 0) {
        return r;
    }
    _cleanup_(fd_closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
    (void)unlink(path);
    return fd < 0 ? error_set(err, errno, "object does not open") : rt_object_open(fd, 3, &compile.digest, &module->loaded, err);
}

static SpecStage module_start(SpecModule *module, RtTrap *ret_trap, Error *err)
{
    const RtInstanceConfig config = {.resolve = resolve_func, .resolve_context = module, .resolve_extern = resolve_extern,
                                     .native_stack_size = 1u << 20};
    if (module_compile(module, err) < 0 || rt_instance_new(module->loaded, NULL, &config, &module->instance, err) < 0) {
        base_owner = base_owner == module ? NULL : base_owner;
        return SPEC_COMPILE;
    }
    must(module_count < MODULES_MAX);
    modules[module_count++] = module;
    *ret_trap = rt_instance_instantiate(module->instance, NULL);
    return *ret_trap == RT_TRAP_NONE ? SPEC_DONE : SPEC_INSTANTIATE;
}

static SpecStage module_load(const char *path, SpecModule *module, Error *err)
{
    char *bytes = NULL;
    module->arena = ARENA_INIT(256u << 20);
    if (file_read(AT_FDCWD, path, 64u << 20, &bytes, &module->size, err) < 0) {
        return SPEC_READ;
    }
    module->bytes = (uint8_t *)bytes;
    if (wasm_module_read(module->bytes, module->size, &module->arena, &module->module, err) < 0) {
        return SPEC_READ;
    }
    if (wasm_module_validate(module->module, &features, err) < 0) {
        return SPEC_VALIDATE;
    }
    must(wasm_signatures_make(module->module, &module->arena, &module->signatures, NULL) == 0);
    return SPEC_DONE;
}

bool spec_module_hints_refused(const char *path, Error *err)
{
    SpecModule module = {0};
    WasmHints hints;
    const bool is_refused = module_load(path, &module, err) == SPEC_DONE && wasm_hints_read(module.module, &module.arena, &hints, err) == -EBADMSG;
    arena_deinit(&module.arena);
    free(module.bytes);
    return is_refused;
}

SpecStage spec_module_check(const char *path, Error *err)
{
    SpecModule module = {0};
    const SpecStage stage = module_load(path, &module, err);
    arena_deinit(&module.arena);
    free(module.bytes);
    return stage;
}

SpecStage spec_module_new(const char *path, SpecModule **ret_module, RtTrap *ret_trap, Error *err)
{
    SpecModule *module = calloc(1, sizeof(*module));
    must(module != NULL);
    *ret_trap = RT_TRAP_NONE;
    *ret_module = module;
    const SpecStage stage = module_load(path, module, err);
    if (stage != SPEC_DONE) {
        return stage;
    }
    if (link_check(module, err) < 0) {
        return SPEC_LINK;
    }
    return module_start(module, ret_trap, err);
}

/* --- calls --- */

typedef struct Invocation {
    const RtExport *export;
    const RtValue *args;
    RtValue *results;
} Invocation;

static void invocation_main(RtInstance *instance, void *argument)
{
    const Invocation *invocation = argument;
    invocation->export->thunk(instance, invocation->args, invocation->results);
}

const char *spec_invoke(SpecModule *module, const char *name, size_t name_size, const RtValue *args, RtValue *results, RtTrap *ret_trap)
{
    const WasmExport *export = export_find(module->module, name, name_size);
    if (export == NULL || export->kind != WASM_EXTERN_FUNC) {
        return "no such function";
    }
    Invocation invocation = {.export = &rt_object(module->loaded)->exports[export - module->module->exports], .args = args, .results = results};
    if (invocation.export->thunk == NULL) {
        return "export without a thunk";
    }
    *ret_trap = rt_instance_call(module->instance, invocation_main, &invocation, NULL);
    return NULL;
}
