/* SPDX-License-Identifier: Apache-2.0 */
/*
 * link.c - modules -> one megabinary: what may be linked, and the order of the steps (link-int.h).
 */
#include "wasm/link.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/must.h"
#include "wasm/link-int.h"

/* --- what may be linked --- */

typedef struct LinkAbi { /* an import module and what it says about a program; the list is open */
    const char *module;
    EntryAbi abi;
    bool is_decisive; /* a program that imports from several: a decisive one names its ABI */
} LinkAbi;

static const LinkAbi link_abis[] = {
    {"wasi_snapshot_preview1", ENTRY_ABI_WASI, false},
    {"wasi", ENTRY_ABI_WASI, false}, /* wasi-threads: thread-spawn */
    {"wali", ENTRY_ABI_WALI, true},
    {"recompiler", ENTRY_ABI_WASI, false}, /* ready: doc/snapshots.md */
};

static const char *const thread_exports[] = {"__wasm_thread_start_libc", "wasi_thread_start"};

static const LinkAbi *abi_find(WasmSlice module)
{
    for (size_t i = 0; i < sizeof(link_abis) / sizeof(link_abis[0]); i++) {
        if (module.size == strlen(link_abis[i].module) && memcmp(module.bytes, link_abis[i].module, module.size) == 0) {
            return &link_abis[i];
        }
    }
    return NULL;
}

#define refuse(linker, ...) error_set((linker)->err, EINVAL, __VA_ARGS__)

static int imports_check(Linker *linker, LinkProgram *program)
{
    static const char *const kinds[_WASM_EXTERN_N] = {"function", "table", "memory", "global", "tag"};
    program->abi = ENTRY_ABI_WASI;
    for (uint32_t i = 0; i < program->module->import_count; i++) {
        const WasmImport *import = &program->module->imports[i];
        const int module_size = import->module.size < 64 ? (int)import->module.size : 64;
        const int name_size = import->name.size < 64 ? (int)import->name.size : 64;
        const LinkAbi *abi = abi_find(import->module);
        if (import->kind == WASM_EXTERN_MEMORY && program->module->memories[0].limits.is_shared) {
            continue; /* programs with threads import theirs (wasm-ld --import-memory): it becomes the megabinary's own */
        }
        if (import->kind != WASM_EXTERN_FUNC) {
            return refuse(linker, "imports a %s (%.*s.%.*s): only functions and a shared memory can be imported",
                          import->kind < _WASM_EXTERN_N ? kinds[import->kind] : "thing", module_size,
                          (const char *)import->module.bytes, name_size, (const char *)import->name.bytes);
        }
        if (!abi) {
            return refuse(linker, "imports %.*s.%.*s: the ABI is neither wasi_snapshot_preview1 nor wali", module_size,
                          (const char *)import->module.bytes, name_size, (const char *)import->name.bytes);
        }
        if (abi->is_decisive) {
            program->abi = abi->abi;
        }
    }
    return 0;
}

static int shape_check(Linker *linker, const WasmModule *module)
{
    if (!wasm_module_has_plain_types(module)) { /* outside of bodies; those: link-scan.c */
        return refuse(linker, "uses typed function references: they cannot be linked");
    }
    if (module->memory_count > 1) {
        return refuse(linker, "has %u memories: one can be linked", module->memory_count);
    }
    if (module->memory_count == 1 && module->memories[0].limits.is_64) {
        return refuse(linker, "has a 64-bit memory");
    }
    if (module->memory_count == 1 && wasm_page_log2(&module->memories[0].limits) != WASM_PAGE_LOG2) {
        return refuse(linker, "has a memory with pages of 1 byte");
    }
    if (module->table_count > 1) {
        return refuse(linker, "has %u tables: one can be linked", module->table_count);
    }
    if (module->table_count == 1) {
        const WasmTable *table = &module->tables[0];
        if (table->type != WASM_FUNCREF || table->limits.is_64 || table->has_init || table->limits.minimum > LIMIT_TABLE_ELEMENTS) {
            return refuse(linker, "has a table that is not a plain table of functions");
        }
    }
    return 0;
}

static bool func_type_is(const WasmModule *module, uint32_t func_index, uint32_t i32_param_count)
{
    const WasmFuncType *type = wasm_func_type(module, func_index);
    for (uint32_t i = 0; i < type->param_count; i++) {
        if (type->types[i] != WASM_I32) {
            return false;
        }
    }
    return type->param_count == i32_param_count && type->result_count == 0;
}

static int funcs_find(Linker *linker, LinkProgram *program)
{
    const WasmModule *module = program->module;
    program->start_func = wasm_module_export(module, "_start", WASM_EXTERN_FUNC);
    if (program->start_func == UINT32_MAX) {
        return refuse(linker, "exports no function _start: not a program");
    }
    if (!func_type_is(module, program->start_func, 0)) {
        return refuse(linker, "_start has parameters or results");
    }
    program->init_func = module->has_start ? module->start_func : LINK_NONE;
    program->thread_func = LINK_NONE;
    for (size_t i = 0; i < sizeof(thread_exports) / sizeof(thread_exports[0]); i++) {
        const uint32_t func_index = wasm_module_export(module, thread_exports[i], WASM_EXTERN_FUNC);
        if (func_index == UINT32_MAX || program->thread_func != LINK_NONE) {
            continue;
        }
        if (!func_type_is(module, func_index, 2)) {
            return refuse(linker, "%s is not of type (i32, i32) -> ()", thread_exports[i]);
        }
        program->thread_func = func_index;
    }
    return 0;
}

static int globals_eval(Linker *linker, LinkProgram *program)
{
    program->globals = arena_new_array(&linker->arena, program->module->global_count, LinkConst);
    if (!program->globals) {
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < program->module->global_count; i++) {
        const WasmGlobal *global = &program->module->globals[i];
        const int r = link_const_eval(linker, program, global->init, i, &program->globals[i]);
        if (r < 0) {
            return r;
        }
        must(program->globals[i].type == global->type); /* validated */
    }
    return 0;
}

static int program_check(Linker *linker, LinkProgram *program)
{
    int r = imports_check(linker, program);
    r = r < 0 ? r : shape_check(linker, program->module);
    r = r < 0 ? r : funcs_find(linker, program);
    return r < 0 ? r : globals_eval(linker, program);
}

static int name_compare(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int names_check(Linker *linker, const LinkInput *inputs)
{
    const char **names = arena_array(&linker->arena, linker->program_count, sizeof(*names));
    if (!names) {
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < linker->program_count; i++) {
        if (!inputs[i].name || !entries_name_is_valid(inputs[i].name, strlen(inputs[i].name))) {
            return refuse(linker, "entry name \"%.64s\": 1 to 255 bytes of A-Z a-z 0-9 . _ / + - are allowed",
                          inputs[i].name ? inputs[i].name : "");
        }
        names[i] = inputs[i].name;
    }
    qsort(names, linker->program_count, sizeof(*names), name_compare);
    for (uint32_t i = 1; i < linker->program_count; i++) {
        if (strcmp(names[i - 1], names[i]) == 0) {
            return error_set(linker->err, EEXIST, "entry %s: two inputs of that name", names[i]);
        }
    }
    return 0;
}

/* --- steps --- */

static int programs_init(Linker *linker, const LinkInput *inputs)
{
    uint64_t func_count = 0;
    linker->programs = arena_new_array(&linker->arena, linker->program_count, LinkProgram);
    if (!linker->programs) {
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < linker->program_count; i++) {
        LinkProgram *program = &linker->programs[i];
        program->name = inputs[i].name;
        program->module = inputs[i].module;
        program->index = i;
        program->node_base = (uint32_t)func_count;
        func_count += program->module->func_count;
        linker->input_size += program->module->bytes.size;
        if (func_count > LINK_INPUT_FUNCTIONS) {
            return error_set(linker->err, E2BIG, "more than %u functions in the inputs", LINK_INPUT_FUNCTIONS);
        }
        const int r = program_check(linker, program);
        if (r < 0) {
            return error_wrap(linker->err, r, "entry %s", program->name);
        }
    }
    linker->func_count = (uint32_t)func_count;
    linker->funcs = arena_new_array(&linker->arena, linker->func_count, LinkFunc);
    if (!linker->funcs) {
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < linker->program_count; i++) {
        const LinkProgram *program = &linker->programs[i];
        for (uint32_t k = 0; k < program->module->func_count; k++) {
            linker->funcs[program->node_base + k] =
                (LinkFunc){.program = i, .import = LINK_NONE, .type = LINK_NONE, .class_index = LINK_NONE};
        }
    }
    return 0;
}

static int programs_scan(Linker *linker)
{
    for (uint32_t i = 0; i < linker->program_count; i++) {
        const int r = link_scan(linker, &linker->programs[i]);
        if (r < 0) {
            return error_wrap(linker->err, r, "entry %s", linker->programs[i].name);
        }
    }
    return 0;
}

static int link_run(Linker *linker, const LinkInput *inputs, Buf *out)
{
    int r = names_check(linker, inputs);
    r = r < 0 ? r : programs_init(linker, inputs);
    r = r < 0 ? r : link_merge_init(linker);
    r = r < 0 ? r : programs_scan(linker);
    r = r < 0 ? r : link_fold(linker);
    r = r < 0 ? r : link_classes_number(linker);
    r = r < 0 ? r : link_entries_fill(linker);
    return r < 0 ? r : link_emit(linker, out);
}

static void stats_fill(const Linker *linker, uint64_t output_size, LinkStats *ret_stats)
{
    *ret_stats = (LinkStats){
        .entry_count = linker->program_count,
        .input_size = linker->input_size,
        .output_size = output_size,
        .output_func_count = linker->defined_count,
        .folded_size = linker->folded_size,
    };
    for (uint32_t i = 0; i < linker->program_count; i++) {
        const WasmModule *module = linker->programs[i].module;
        ret_stats->input_func_count += module->func_count - module->imported_func_count;
    }
}

int link_megabinary(const LinkInput *inputs, size_t input_count, Buf *ret_megabinary, LinkStats *ret_stats, Error *err)
{
    if (input_count == 0) {
        return error_set(err, EINVAL, "nothing to link");
    }
    if (input_count > LIMIT_ENTRIES) {
        return error_set(err, E2BIG, "%zu programs: one megabinary holds at most %u", input_count, LIMIT_ENTRIES);
    }
    Error own = ERROR_INIT;
    Linker linker = {
        .arena = ARENA_INIT(LINK_ARENA_SIZE),
        .err = &own,
        .program_count = (uint32_t)input_count,
        .code = BUF_INIT(LINK_CODE_SIZE),
        .edges = BUF_INIT(LINK_CODE_SIZE),
        .queue = BUF_INIT(LINK_CODE_SIZE),
    };
    const size_t start = ret_megabinary->size;
    int r = link_run(&linker, inputs, ret_megabinary);
    if (r == 0 && ret_megabinary->size - start > LIMIT_MODULE_SIZE) {
        r = error_set(&own, E2BIG, "the megabinary is larger than %u bytes", LIMIT_MODULE_SIZE);
    }
    if (r == 0 && ret_stats) {
        stats_fill(&linker, ret_megabinary->size - start, ret_stats);
    }
    if (r < 0) {
        ret_megabinary->size = start; /* nothing half written is left */
        if (own.code == 0) {
            r = error_set(&own, -r, "%s", r == -ENOMEM ? "out of memory" : "over the limits");
        }
        if (err) {
            *err = own;
        }
    }
    arena_deinit(&linker.arena);
    buf_deinit(&linker.code);
    buf_deinit(&linker.edges);
    buf_deinit(&linker.queue);
    return r;
}
