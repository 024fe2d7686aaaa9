/* SPDX-License-Identifier: Apache-2.0 */
/*
 * validate.c - the module's own rules (wasm core 3.4): types, imports, tables, memories, globals, tags, exports, start,
 * segments; then every body (validate-code.c). Sections are checked in the order of the binary format, so the first
 * error is the one nearest to the start of the file.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "opcodes.h"
#include "wasm/validate-int.h"

#define SCRATCH_SIZE (64u << 20) /* operands (LIMIT_OPERANDS * 4, twice for growing), frames, runs, bitmap, exports */

/* Raise for something that has no byte offset of its own: "global section: global 3: TEXT". */
#define module_error(v_, section_, code_, ...) \
    error_wrap((v_)->err, error_set((v_)->err, (code_), __VA_ARGS__), "%s section", (section_))

int validate_no_memory(const Validator *v)
{
    return error_set(v->err, ENOMEM, "out of memory");
}

const char *validate_type_name(WasmValType type)
{
    switch (type) {
    case WASM_I32:
        return "i32";
    case WASM_I64:
        return "i64";
    case WASM_F32:
        return "f32";
    case WASM_F64:
        return "f64";
    case WASM_V128:
        return "v128";
    case WASM_FUNCREF:
        return "funcref";
    case WASM_EXTERNREF:
        return "externref";
    case WASM_EXNREF:
        return "exnref";
    case TYPE_ANY:
        return "any type";
    case TYPE_REF_ANY:
        return "any reference";
    case WASM_NULLFUNCREF:
        return "nullfuncref";
    case WASM_NULLEXTERNREF:
        return "nullexternref";
    case WASM_NULLEXNREF:
        return "nullexnref";
    default:
        if (wasm_type_has_index(type))
            return wasm_type_is_nullable(type) ? "(ref null $type)" : "(ref $type)";
        switch (wasm_type_nullable(type)) {
        case WASM_FUNCREF:
            return "(ref func)";
        case WASM_EXTERNREF:
            return "(ref extern)";
        case WASM_EXNREF:
            return "(ref exn)";
        default:
            return "a reference that is not null";
        }
    }
}

static bool feature_is_on(const WasmFeatures *features, WasmFeature feature)
{
    switch (feature) {
    case WASM_FEATURE_TAIL_CALL:
        return features->tail_call;
    case WASM_FEATURE_THREADS:
        return features->threads;
    case WASM_FEATURE_LEGACY_EXCEPTIONS:
        return features->legacy_exceptions;
    case WASM_FEATURE_EXNREF:
        return features->exnref;
    case WASM_FEATURE_EXCEPTIONS:
        return features->legacy_exceptions || features->exnref;
    case WASM_FEATURE_RELAXED_SIMD:
        return features->relaxed_simd;
    case WASM_FEATURE_FUNCTION_REFERENCES:
        return features->function_references;
    case WASM_FEATURE_WIDE_ARITHMETIC:
        return features->wide_arithmetic;
    default:
        return feature == WASM_FEATURE_NONE;
    }
}

int validate_feature(const Validator *v, WasmFeature feature)
{
    return feature_is_on(v->features, feature) ? 0 : validate_error(v, ENOTSUP, "%s are off", wasm_feature_name(feature));
}

int validate_type(const Validator *v, WasmValType type)
{
    char text[64];
    const int r = wasm_type_is_ref(type) ? validate_type_words(v, type, v->module->type_count, text, sizeof(text)) : 0;

    return r < 0 ? validate_error(v, -r, "%s", text) : 0;
}

/* validate_type() where there is no instruction; types before type_count may be named. */
static int declared_type_check(const Validator *v, const char *section, WasmValType type, uint32_t type_count)
{
    char text[64];
    const int r = wasm_type_is_ref(type) ? validate_type_words(v, type, type_count, text, sizeof(text)) : 0;

    return r < 0 ? module_error(v, section, -r, "%s", text) : 0;
}

static int types_check(Validator *v)
{
    for (uint32_t i = 0; i < v->module->type_count; i++) {
        const WasmFuncType *type = &v->module->types[i];
        for (uint32_t k = 0; k < type->param_count + type->result_count; k++) {
            const uint32_t known = type->group_count > 1 ? type->group_first + type->group_count : i + 1;
            const int r = declared_type_check(v, "type", type->types[k], known);
            if (r < 0)
                return r;
        }
        if (type->group_count > 0 && !v->features->function_references)
            return module_error(v, "type", ENOTSUP, "type %u: %s are off", i, wasm_feature_name(WASM_FEATURE_FUNCTION_REFERENCES));
    }
    return 0;
}

static int funcs_check(Validator *v)
{
    for (uint32_t i = 0; i < v->module->func_count; i++) {
        const WasmFunc *func = &v->module->funcs[i];
        if (func->type_index >= v->module->type_count) {
            return module_error(v, func->is_imported ? "import" : "function", EINVAL, "function %u: unknown type %u", i,
                                func->type_index);
        }
    }
    return 0;
}

/* 32-bit limits with a bound that has more bits: no such number before memory64. */
static int bounds_check(const Validator *v, const char *section, const char *what, uint32_t index, const WasmLimits *limits)
{
    const bool is_large = !limits->is_64 && (limits->minimum > UINT32_MAX || (limits->has_maximum && limits->maximum > UINT32_MAX));

    return is_large && !v->features->memory64 ? module_error(v, section, EBADMSG, "%s %u: integer too large", what, index) : 0;
}

static int tables_check(Validator *v)
{
    for (uint32_t i = 0; i < v->module->table_count; i++) {
        const WasmTable *table = &v->module->tables[i];
        const WasmLimits *limits = &table->limits;
        const char *section = table->is_imported ? "import" : "table";
        int r = declared_type_check(v, section, table->type, v->module->type_count);
        if (r < 0)
            return r;
        r = bounds_check(v, section, "table", i, limits);
        if (r < 0)
            return r;
        if (limits->is_64 && !v->features->memory64)
            return module_error(v, section, ENOTSUP, "table %u: memory64 is off", i);
        if (!limits->is_64 && (limits->minimum > UINT32_MAX || (limits->has_maximum && limits->maximum > UINT32_MAX)))
            return module_error(v, section, EINVAL, "table %u: table size must be at most 2^32 - 1", i);
        if (limits->minimum > limits->maximum)
            return module_error(v, section, EINVAL, "table %u: size minimum must not be greater than maximum", i);
        if (!table->has_init && !table->is_imported && !wasm_type_is_nullable(table->type))
            return module_error(v, section, EINVAL, "table %u: references without a default and no initialiser: type mismatch", i);
        if (!table->has_init)
            continue;
        if (!v->features->table_init)
            return module_error(v, section, ENOTSUP, "table %u: table initialisers are off", i);
        r = validate_const_expr(v, &table->init, table->type, v->module->imported_global_count);
        if (r < 0)
            return error_wrap(v->err, r, "table section: table %u", i);
    }
    return 0;
}

/* The most pages that an address type can count: 4 GiB or 2^64 bytes, but never more than the address type's largest number. */
static uint64_t pages_maximum(const WasmLimits *limits)
{
    if (wasm_page_log2(limits) == 0)
        return limits->is_64 ? UINT64_MAX : UINT32_MAX;
    return 1ull << ((limits->is_64 ? 64 : 32) - WASM_PAGE_LOG2);
}

static int page_size_check(const Validator *v, const char *section, uint32_t index, const WasmLimits *limits)
{
    if (!limits->has_page_size)
        return 0;
    if (!v->features->custom_page_sizes)
        return module_error(v, section, ENOTSUP, "memory %u: custom page sizes are off", index);
    if (limits->page_size_log2 != 0 && limits->page_size_log2 != WASM_PAGE_LOG2) {
        return module_error(v, section, EINVAL, "memory %u: a page of 2^%u bytes: invalid custom page size", index,
                            limits->page_size_log2);
    }
    return 0;
}

static int memories_check(Validator *v)
{
    if (v->module->memory_count > 1 && !v->features->multi_memory) {
        return module_error(v, v->module->imported_memory_count > 1 ? "import" : "memory", ENOTSUP,
                            "multi-memory is off: multiple memories");
    }
    for (uint32_t i = 0; i < v->module->memory_count; i++) {
        const WasmLimits *limits = &v->module->memories[i].limits;
        const char *section = v->module->memories[i].is_imported ? "import" : "memory";
        int r = bounds_check(v, section, "memory", i, limits);
        if (r >= 0)
            r = page_size_check(v, section, i, limits);
        if (r < 0)
            return r;
        const uint64_t pages = pages_maximum(limits);
        if (limits->is_64 && !v->features->memory64)
            return module_error(v, section, ENOTSUP, "memory %u: memory64 is off", i);
        if (limits->is_shared && !v->features->threads)
            return module_error(v, section, ENOTSUP, "memory %u is shared: threads are off", i);
        if (limits->minimum > pages || (limits->has_maximum && limits->maximum > pages)) {
            return module_error(v, section, EINVAL, pages == UINT32_MAX ? "memory %u: memory size must be at most 2^32 - 1 bytes"
                                                    : limits->is_64     ? "memory %u: memory size must be at most 2^48 pages"
                                                                        : "memory %u: memory size must be at most 65536 pages (4GiB)", i);
        }
        if (limits->minimum > limits->maximum)
            return module_error(v, section, EINVAL, "memory %u: size minimum must not be greater than maximum", i);
        if (limits->is_shared && !limits->has_maximum)
            return module_error(v, section, EINVAL, "memory %u: shared memory must have maximum", i);
    }
    return 0;
}

static int tags_check(Validator *v)
{
    for (uint32_t i = 0; i < v->module->tag_count; i++) {
        const WasmTag *tag = &v->module->tags[i];
        const char *section = tag->is_imported ? "import" : "tag";
        if (!feature_is_on(v->features, WASM_FEATURE_EXCEPTIONS))
            return module_error(v, section, ENOTSUP, "tag %u: exceptions are off", i);
        if (tag->type_index >= v->module->type_count)
            return module_error(v, section, EINVAL, "tag %u: unknown type %u", i, tag->type_index);
        if (v->module->types[tag->type_index].result_count != 0)
            return module_error(v, section, EINVAL, "tag %u: non-empty tag result type", i);
    }
    return 0;
}

/*
 * Which globals a constant expression may name: 2.0 and extended-const say imported ones; 3.0 says every global before
 * it, which is taken with extended_const.
 */
static uint32_t known_globals(const Validator *v, uint32_t before)
{
    return v->features->extended_const ? before : v->module->imported_global_count;
}

static int globals_check(Validator *v)
{
    for (uint32_t i = 0; i < v->module->global_count; i++) {
        const WasmGlobal *global = &v->module->globals[i];
        int r = declared_type_check(v, global->is_imported ? "import" : "global", global->type, v->module->type_count);
        if (r >= 0 && !global->is_imported) {
            r = validate_const_expr(v, &global->init, global->type, known_globals(v, i));
            if (r < 0)
                (void)error_wrap(v->err, r, "global section: global %u", i);
        }
        if (r < 0)
            return r;
    }
    return 0;
}

static uint32_t space_count(const WasmModule *module, WasmExternKind kind)
{
    switch (kind) {
    case WASM_EXTERN_FUNC:
        return module->func_count;
    case WASM_EXTERN_TABLE:
        return module->table_count;
    case WASM_EXTERN_MEMORY:
        return module->memory_count;
    case WASM_EXTERN_GLOBAL:
        return module->global_count;
    default:
        return module->tag_count;
    }
}

static int exports_compare(const void *a, const void *b)
{
    const WasmSlice *first = &(*(const WasmExport *const *)a)->name;
    const WasmSlice *second = &(*(const WasmExport *const *)b)->name;

    if (first->size != second->size)
        return first->size < second->size ? -1 : 1;
    return first->size ? memcmp(first->bytes, second->bytes, first->size) : 0;
}

static int exports_check(Validator *v)
{
    static const char *const kinds[_WASM_EXTERN_N] = {"function", "table", "memory", "global", "tag"};
    const WasmModule *module = v->module;
    const WasmExport **sorted = arena_new_array(&v->scratch, module->export_count, const WasmExport *);

    if (!sorted)
        return validate_no_memory(v);
    for (uint32_t i = 0; i < module->export_count; i++) {
        const WasmExport *export = &module->exports[i];
        if (export->index >= space_count(module, export->kind))
            return module_error(v, "export", EINVAL, "unknown %s %u", kinds[export->kind], export->index);
        sorted[i] = export;
    }
    if (module->export_count > 1)
        qsort(sorted, module->export_count, sizeof(*sorted), exports_compare);
    for (uint32_t i = 1; i < module->export_count; i++) {
        if (exports_compare(&sorted[i - 1], &sorted[i]) == 0) {
            return module_error(v, "export", EINVAL, "%.*s: duplicate export name",
                                (int)(sorted[i]->name.size < 100 ? sorted[i]->name.size : 100),
                                (const char *)sorted[i]->name.bytes);
        }
    }
    return 0;
}

static int start_check(Validator *v)
{
    const WasmModule *module = v->module;

    if (!module->has_start)
        return 0;
    if (module->start_func >= module->func_count)
        return module_error(v, "start", EINVAL, "unknown function %u", module->start_func);
    const WasmFuncType *type = wasm_func_type(module, module->start_func);
    if (type->param_count != 0 || type->result_count != 0)
        return module_error(v, "start", EINVAL, "function %u takes or returns values: start function", module->start_func);
    return 0;
}

static int elem_check(Validator *v, const WasmElemSegment *segment)
{
    const WasmModule *module = v->module;
    const uint32_t globals = known_globals(v, module->global_count);
    int r = 0;

    char text[64];

    r = validate_type_words(v, segment->type, module->type_count, text, sizeof(text));
    if (r < 0)
        return error_set(v->err, -r, "%s", text);
    if (segment->mode == WASM_SEGMENT_ACTIVE) {
        if (segment->table_index >= module->table_count)
            return error_set(v->err, EINVAL, "unknown table %u", segment->table_index);
        const WasmTable *table = &module->tables[segment->table_index];
        if (!validate_matches(v, wasm_elem_type(segment), table->type)) {
            return error_set(v->err, EINVAL, "%s for a table of %s: type mismatch", validate_type_name(wasm_elem_type(segment)),
                             validate_type_name(table->type));
        }
        r = validate_const_expr(v, &segment->offset, validate_address_type(table->limits.is_64), globals);
    }
    for (uint32_t i = 0; r >= 0 && i < segment->item_count; i++) {
        if (segment->exprs)
            r = validate_const_expr(v, &segment->exprs[i], segment->type, globals);
        else if (segment->func_indices[i] >= module->func_count)
            r = error_set(v->err, EINVAL, "unknown function %u", segment->func_indices[i]);
    }
    return r;
}

static int elems_check(Validator *v)
{
    for (uint32_t i = 0; i < v->module->elem_count; i++) {
        const int r = elem_check(v, &v->module->elems[i]);
        if (r < 0)
            return error_wrap(v->err, r, "element section: segment %u", i);
    }
    return 0;
}

static int datas_check(Validator *v)
{
    const WasmModule *module = v->module;

    for (uint32_t i = 0; module->datas && i < module->data_count; i++) {
        const WasmDataSegment *segment = &module->datas[i];
        if (segment->mode != WASM_SEGMENT_ACTIVE)
            continue;
        if (segment->memory_index >= module->memory_count)
            return module_error(v, "data", EINVAL, "segment %u: unknown memory %u", i, segment->memory_index);
        const bool is_64 = module->memories[segment->memory_index].limits.is_64;
        const int r = validate_const_expr(v, &segment->offset, validate_address_type(is_64),
                                          known_globals(v, module->global_count));
        if (r < 0)
            return error_wrap(v->err, r, "data section: segment %u", i);
    }
    return 0;
}

static void declare(Validator *v, uint32_t index)
{
    if (index < v->module->func_count)
        v->declared[index / 64] |= 1ull << (index % 64);
}

/* Functions that a constant expression names. Its instructions were decoded by the reader. */
static void declare_expr(Validator *v, const WasmConstExpr *expr)
{
    WasmInstr instr;

    for (size_t position = 0; position < expr->code.size; position = instr.end) {
        must(wasm_instr_read(expr->code, expr->offset, position, &instr, NULL) == 0);
        if (instr.opcode == WASM_OP_REF_FUNC)
            declare(v, instr.index);
    }
}

/* C.refs (3.4.10): functions that occur outside of bodies and the start function. */
static int declared_new(Validator *v)
{
    const WasmModule *module = v->module;

    v->declared = arena_new_array(&v->scratch, module->func_count / 64 + 1, uint64_t);
    if (!v->declared)
        return validate_no_memory(v);
    for (uint32_t i = 0; i < module->export_count; i++) {
        if (module->exports[i].kind == WASM_EXTERN_FUNC)
            declare(v, module->exports[i].index);
    }
    for (uint32_t i = module->imported_global_count; i < module->global_count; i++)
        declare_expr(v, &module->globals[i].init);
    for (uint32_t i = 0; i < module->table_count; i++) {
        if (module->tables[i].has_init)
            declare_expr(v, &module->tables[i].init);
    }
    for (uint32_t i = 0; i < module->elem_count; i++) {
        const WasmElemSegment *segment = &module->elems[i];
        for (uint32_t k = 0; k < segment->item_count; k++) {
            if (segment->exprs)
                declare_expr(v, &segment->exprs[k]);
            else
                declare(v, segment->func_indices[k]);
        }
    }
    return 0;
}

static int bodies_check(Validator *v)
{
    for (uint32_t i = v->module->imported_func_count; i < v->module->func_count; i++) {
        const int r = validate_body(v, i);
        if (r < 0)
            return error_wrap(v->err, r, "code section: function %u", i);
    }
    return 0;
}

int wasm_module_validate(const WasmModule *module, const WasmFeatures *features, Error *err)
{
    static int (*const checks[])(Validator *) = {declared_new,  types_check,  funcs_check,   tables_check,
                                                 memories_check, tags_check,  globals_check, exports_check,
                                                 start_check,   elems_check,  bodies_check,  datas_check};
    Arena scratch = ARENA_INIT(SCRATCH_SIZE);
    Validator *v = arena_new(&scratch, Validator);
    int r = 0;

    must(module && features);
    if (v) {
        *v = (Validator){.module = module, .features = features, .err = err};
        v->scratch = (Arena)ARENA_INIT(SCRATCH_SIZE);
        v->runs = arena_new_array(&v->scratch, LIMIT_LOCALS, LocalRun);
    }
    if (!v || !v->runs) {
        r = error_set(err, ENOMEM, "out of memory");
    } else {
        for (size_t i = 0; r >= 0 && i < sizeof(checks) / sizeof(checks[0]); i++)
            r = checks[i](v);
        if (v->has_no_memory)
            r = error_set(err, ENOMEM, "no memory to compare %u types", module->type_count);
    }
    if (v)
        arena_deinit(&v->scratch);
    arena_deinit(&scratch);
    return r < 0 ? r : 0;
}
