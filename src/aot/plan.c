/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plan.c - what is decided about a module before code is generated.
 *
 * Everything here depends on the module and the options only, never on the machine or on the number of threads:
 * the same module gives the same object byte for byte.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "abi/signature.h"
#include "aot/throw-int.h"

typedef struct TypeText {
    const char *signature;
    uint32_t id, index;
} TypeText;

/* Equal signatures are neighbours, the first type before the others. */
static int compare_types(const void *a, const void *b)
{
    const TypeText *left = a, *right = b;
    const int texts = left->id != right->id ? (left->id < right->id ? -1 : 1) : strcmp(left->signature, right->signature);
    return texts != 0 ? texts : left->index < right->index ? -1 : left->index > right->index;
}

static int plan_signatures(Plan *plan, Error *err)
{
    const WasmModule *module = plan->module;
    plan->signature_ids = arena_new_array(plan->arena, module->type_count, uint32_t);
    plan->first_equal = arena_new_array(plan->arena, module->type_count, uint32_t);
    TypeText *sorted = arena_new_array(plan->arena, module->type_count, TypeText);
    if (plan->signature_ids == NULL || plan->first_equal == NULL || sorted == NULL) {
        return error_set(err, ENOMEM, "out of memory");
    }
    const int r = wasm_signatures_make(module, plan->arena, &plan->signatures, err);
    if (r < 0) {
        return r;
    }
    for (uint32_t i = 0; i < module->type_count; i++) {
        plan->signature_ids[i] = signature_id(plan->signatures[i]);
        sorted[i] = (TypeText){plan->signatures[i], plan->signature_ids[i], i};
    }
    if (module->type_count > 0) {
        qsort(sorted, module->type_count, sizeof(*sorted), compare_types);
    }
    for (uint32_t i = 0; i < module->type_count; i++) {
        const bool has_same_id = i > 0 && sorted[i - 1].id == sorted[i].id;
        if (has_same_id && strcmp(sorted[i - 1].signature, sorted[i].signature) != 0) {
            return error_set(err, ENOTSUP, "function types %s and %s have the same signature id", sorted[i - 1].signature, sorted[i].signature);
        }
        plan->first_equal[sorted[i].index] = has_same_id ? plan->first_equal[sorted[i - 1].index] : sorted[i].index;
    }
    return 0;
}

/*
 * Functions of one program are called "<entry>.<name>", those that several share "<name>" (wasm/link-names.c): the code of a function
 * should not differ by that. Return: bytes to leave out; entries' names may contain dots.
 */
static size_t entry_prefix_size(const Plan *plan, WasmSlice name)
{
    char entry[256];
    for (size_t i = 0; i + 1 < name.size && i < sizeof(entry); i++) {
        if (name.bytes[i] == '.' && plan->entries.count > 0) {
            memcpy(entry, name.bytes, i);
            entry[i] = '\0';
            if (memchr(entry, '\0', i) == NULL && entries_find(&plan->entries, entry) != NULL) {
                return i + 1;
            }
        }
    }
    return 0;
}

/*
 * Link names: the guest's name with everything but [A-Za-z0-9_.$] as '_', and "[index]": unique, and never equal to the name
 * of a C library function, which LLVM would take for that function.
 */
static int plan_names(Plan *plan, Error *err)
{
    const WasmModule *module = plan->module;
    WasmNames names = {0};
    if (wasm_names_read(module, plan->arena, &names) < 0) {
        return error_set(err, ENOMEM, "out of memory");
    }
    plan->symbols = arena_new_array(plan->arena, module->func_count, const char *);
    plan->debug_names = arena_new_array(plan->arena, module->func_count, const char *);
    plan->inline_names = arena_new_array(plan->arena, module->func_count, const char *);
    if (plan->symbols == NULL || plan->debug_names == NULL || plan->inline_names == NULL) {
        return error_set(err, ENOMEM, "out of memory");
    }
    for (uint32_t i = 0; i < module->func_count; i++) {
        const WasmSlice name = i < names.func_count ? names.funcs[i] : (WasmSlice){NULL, 0};
        const size_t size = name.size > 200 ? 200 : name.size;
        char text[256];
        for (size_t k = 0; k < size; k++) {
            const char c = (char)name.bytes[k];
            const bool is_plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.' || c == '$';
            text[k] = is_plain ? c : '_';
        }
        memcpy(text + size, "func", size == 0 ? 5 : 0);
        const size_t text_size = size == 0 ? 4 : size;
        plan->debug_names[i] = arena_strndup(plan->arena, text, text_size);
        const int tail = snprintf(text + text_size, sizeof(text) - text_size, "[%u]", i);
        plan->symbols[i] = arena_strndup(plan->arena, text, text_size + (size_t)tail);
        if (plan->symbols[i] == NULL || plan->debug_names[i] == NULL) {
            return error_set(err, ENOMEM, "out of memory");
        }
        const size_t prefix_size = entry_prefix_size(plan, name);
        plan->inline_names[i] = plan->debug_names[i] + (prefix_size < size ? prefix_size : 0);
    }
    return 0;
}

static bool slice_is(WasmSlice slice, const char *text)
{
    return slice.size == strlen(text) && memcmp(slice.bytes, text, slice.size) == 0;
}

/* wali.setjmp (i32) -> i32, wali.sigsetjmp (i32 i32) -> i32, wali.longjmp (i32 i32): any other type is refused. */
static int plan_jumps(Plan *plan, Error *err)
{
    static const struct {
        const char *name;
        const char *signature;
        JumpKind kind;
    } rows[] = {
        {"setjmp", "i:i", JUMP_SETJMP}, {"_setjmp", "i:i", JUMP_SETJMP},
        {"sigsetjmp", "ii:i", JUMP_SIGSETJMP}, {"longjmp", "ii:", JUMP_LONGJMP},
        {"siglongjmp", "ii:", JUMP_LONGJMP},
    };
    const WasmModule *module = plan->module;
    plan->jump_kinds = arena_new_array(plan->arena, module->imported_func_count, uint8_t);
    if (plan->jump_kinds == NULL) {
        return error_set(err, ENOMEM, "out of memory");
    }
    plan->stack_pointer_global = UINT32_MAX;
    for (uint32_t i = 0; i < module->imported_func_count; i++) {
        const WasmImport *import = &module->imports[module->funcs[i].import_index];
        for (size_t k = 0; slice_is(import->module, "wali") && k < sizeof(rows) / sizeof(rows[0]); k++) {
            if (!slice_is(import->name, rows[k].name)) {
                continue;
            }
            const char *signature = plan->signatures[module->funcs[i].type_index];
            if (strcmp(signature, rows[k].signature) != 0) {
                return error_set(err, ENOTSUP, "import wali.%s has type %s, not %s", rows[k].name, signature, rows[k].signature);
            }
            plan->jump_kinds[i] = (uint8_t)rows[k].kind;
        }
    }
    /* The first mutable i32 global is where LLVM's toolchains keep __stack_pointer. */
    for (uint32_t i = 0; i < module->global_count && plan->stack_pointer_global == UINT32_MAX; i++) {
        if (module->globals[i].is_mutable && module->globals[i].type == WASM_I32) {
            plan->stack_pointer_global = i;
        }
    }
    return 0;
}

static int plan_layout(Plan *plan, Error *err)
{
    const WasmModule *module = plan->module;
    const uint64_t dropped_size = ((module->data_count + 63ull) / 64 + (module->elem_count + 63ull) / 64) * 8;
    uint64_t offset = sizeof(RtInstance);
    plan->tables_offset = (uint32_t)offset;
    offset = (offset + sizeof(RtTable) * module->table_count + 15) & ~15ull;
    plan->globals_offset = (uint32_t)offset;
    offset += sizeof(RtGlobal) * module->global_count;
    plan->tags_offset = (uint32_t)offset;
    offset += 8ull * module->tag_count;
    plan->memories_offset = (uint32_t)offset;
    offset += sizeof(RtMemorySlot) * module->memory_count;
    plan->imports_offset = (uint32_t)offset; /* after what code addresses: one import more must not change the code of all others */
    offset = (offset + 8ull * module->imported_func_count + 15) & ~15ull;
    plan->dropped_offset = (uint32_t)offset;
    offset = (offset + dropped_size + 15) & ~15ull;
    if (offset > INT32_MAX) {
        return error_set(err, E2BIG, "an instance would need %llu bytes", (unsigned long long)offset);
    }
    plan->instance_size = (uint32_t)offset;
    return 0;
}

bool plan_has_stack_arguments(const WasmFuncType *type)
{
    uint32_t integers = unit_has_result_area(type) ? 2 : 1, vectors = 0; /* the instance, the area of the results */
    for (uint32_t i = 0; i < type->param_count; i++) {
        const bool is_vector = type->types[i] == WASM_F32 || type->types[i] == WASM_F64 || type->types[i] == WASM_V128;
        integers += !is_vector;
        vectors += is_vector;
    }
    return integers > 6 || vectors > 8; /* x86-64; aarch64 has 8 and 8 */
}

/* Valid, but more than an instance is given: refused before code is made of it. */
static int plan_tables(const WasmModule *module, Error *err)
{
    for (uint32_t i = 0; i < module->table_count; i++) {
        if (module->tables[i].limits.minimum > LIMIT_TABLE_ELEMENTS) {
            return error_set(err, E2BIG, "table %u: %llu elements, the limit is %u", i,
                             (unsigned long long)module->tables[i].limits.minimum, LIMIT_TABLE_ELEMENTS);
        }
    }
    return 0;
}

const WasmHint *plan_hints(const WasmHints *hints, uint32_t func_index)
{
    uint32_t low = 0, high = hints->count;
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        if (hints->hints[middle].func_index < func_index) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return hints->hints + low;
}

/* A section with anything wrong in it is not used. */
static int plan_read_hints(Plan *plan, Error *err)
{
    return wasm_hints_read(plan->module, plan->arena, &plan->hints, NULL) == -ENOMEM ? error_set(err, ENOMEM, "out of memory") : 0;
}

static int plan_entries(Plan *plan, Error *err)
{
    Error entries_error = ERROR_INIT;
    const int r = entries_read(plan->module, plan->arena, &plan->entries, &entries_error);
    if (r < 0 && r != -ENODATA) {
        if (err != NULL) {
            *err = entries_error;
        }
        return r;
    }
    plan->has_entries = r == 0;
    for (uint32_t i = 0; plan->has_entries && i < plan->module->table_count; i++) {
        if (plan->module->tables[i].has_init) { /* an entry's table is baked; nothing evaluates initialisers */
            return error_set(err, ENOTSUP, "a table with an initialiser in a megabinary");
        }
    }
    return 0;
}

int plan_make(const WasmModule *module, const CompileOptions *options, Arena *arena, Plan *ret_plan, Error *err)
{
    must(module != NULL && options != NULL);
    static int (*const steps[])(Plan *, Error *) = {plan_signatures, plan_entries, plan_names, plan_read_hints, plan_jumps, plan_throws,
                                                  plan_layout, plan_scan, plan_guesses, plan_partitions};
    Plan plan = {.module = module, .options = options, .arena = arena};
    int r = plan_tables(module, err);
    for (size_t i = 0; r == 0 && i < sizeof(steps) / sizeof(steps[0]); i++) {
        r = steps[i](&plan, err);
    }
    if (r < 0) {
        return r;
    }
    plan.is_table_constant = plan_is_table_constant(&plan);
    *ret_plan = plan;
    return 0;
}
