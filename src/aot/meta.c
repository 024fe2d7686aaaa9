/* SPDX-License-Identifier: Apache-2.0 */
/*
 * meta.c - the unit that describes the object: rc_object and everything it points to (abi.h), import thunks, export
 * thunks, host-to-guest calls.
 *
 * Constants are built field by field in the order of the C structs; meta_object() checks the offsets against them.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "aot/throw-int.h"

LLVMValueRef meta_struct(Unit *unit, LLVMValueRef *fields, unsigned count)
{
    return LLVMConstStructInContext(unit->context, fields, count, 0);
}

static LLVMValueRef add_constant(Unit *unit, const char *name, LLVMValueRef value)
{
    LLVMValueRef global = LLVMAddGlobal(unit->module, LLVMTypeOf(value), name);
    LLVMSetInitializer(global, value);
    LLVMSetGlobalConstant(global, 1);
    LLVMSetLinkage(global, LLVMPrivateLinkage);
    LLVMSetAlignment(global, 16);
    return global;
}

/* An array in the object; its address, or null when it is empty. */
LLVMValueRef meta_array(Unit *unit, const char *name, LLVMTypeRef element, LLVMValueRef *values, size_t count)
{
    return count == 0 ? LLVMConstNull(unit->ptr) : add_constant(unit, name, LLVMConstArray2(element, values, count));
}

LLVMValueRef meta_string(Unit *unit, const char *text, size_t size)
{
    LLVMValueRef global = add_constant(unit, "rc_string", LLVMConstStringInContext2(unit->context, text, size, 0));
    LLVMSetAlignment(global, 1);
    LLVMSetUnnamedAddress(global, LLVMGlobalUnnamedAddr);
    return global;
}

LLVMValueRef meta_data_bytes(Unit *unit, const char *name, const uint8_t *bytes, size_t size)
{
    return size == 0 ? LLVMConstNull(unit->ptr) : add_constant(unit, name, LLVMConstStringInContext2(unit->context, (const char *)bytes, size, 1));
}

LLVMValueRef meta_const_ref(Unit *unit, uint32_t func_index)
{
    must(unit->partition == NULL);
    return unit_func_ref(unit, func_index);
}

static LLVMValueRef add_function(Unit *unit, const char *name, LLVMTypeRef type, Emit *ret_emit)
{
    LLVMValueRef function = LLVMGetNamedFunction(unit->module, name);
    if (function == NULL) {
        function = unit_add_func(unit, name, type);
    }
    unit_set_func_attributes(unit, function, true);
    *ret_emit = (Emit){.unit = unit, .builder = unit->builder, .function = function};
    ret_emit->instance = LLVMCountParams(function) > 0 ? LLVMGetParam(function, 0) : NULL;
    LLVMSetCurrentDebugLocation2(unit->builder, NULL);
    emit_at(ret_emit, emit_new_block(ret_emit));
    return function;
}

/* What funcref values of an imported function point to: jumps to the import slot. */
static LLVMValueRef import_thunk(Unit *unit, uint32_t func_index)
{
    const Plan *plan = unit->plan;
    Emit e;
    LLVMTypeRef type = unit_func_type(unit, plan->module->funcs[func_index].type_index);
    (void)unit_func(unit, func_index); /* one declaration, however it is asked for */
    LLVMValueRef function = add_function(unit, plan->symbols[func_index], type, &e);
    LLVMValueRef args[LIMIT_PARAMS + 2];
    const unsigned count = LLVMCountParams(function);
    LLVMGetParams(function, args);
    LLVMValueRef code = emit_load_instance(&e, unit->ptr, emit_field(&e, plan->imports_offset + func_index * 8), true);
    LLVMValueRef call = LLVMBuildCall2(unit->builder, type, code, args, count, "");
    LLVMSetTailCallKind(call, LLVMTailCallKindMustTail);
    if (LLVMGetReturnType(type) == unit->void_type) {
        LLVMBuildRetVoid(unit->builder);
    } else {
        LLVMBuildRet(unit->builder, call);
    }
    return function;
}

static void meta_funcs(Unit *unit)
{
    const Plan *plan = unit->plan;
    const WasmModule *module = plan->module;
    LLVMValueRef *values = calloc(module->func_count + 1u, sizeof(*values));
    must(values != NULL);
    for (uint32_t i = 0; i < module->func_count; i++) {
        LLVMValueRef fields[] = {i < module->imported_func_count ? import_thunk(unit, i) : unit_func(unit, i),
                                 meta_u32(unit, plan->signature_ids[module->funcs[i].type_index]), meta_u32(unit, i)};
        values[i] = meta_struct(unit, fields, 3);
    }
    LLVMValueRef refs = unit_func_refs(unit);
    LLVMSetInitializer(refs, LLVMConstArray2(LLVMGetElementType(LLVMGlobalGetValueType(refs)), values, module->func_count));
    free(values);
    for (uint32_t i = 0; i < module->func_count; i++) { /* what ref.func names: partitions do not know the index */
        if (plan->scans[i].is_referenced) {
            char name[32];
            unit_final_name(plan, &(External){.func_index = i, .kind = EXTERNAL_REF}, name, sizeof(name));
            LLVMValueRef alias = LLVMAddAlias2(unit->module, unit->i8, 0, meta_const_ref(unit, i), name);
            LLVMSetVisibility(alias, LLVMHiddenVisibility);
        }
    }
}

/* For indirect tail calls: bodies that take their arguments from memory, null for functions of other types and imports. */
static void meta_tail_bodies(Unit *unit)
{
    const Plan *plan = unit->plan;
    const WasmModule *module = plan->module;
    LLVMValueRef *values = calloc(module->func_count + 1u, sizeof(*values));
    must(values != NULL);
    for (uint32_t i = 0; i < module->func_count; i++) {
        const bool has_body = i >= module->imported_func_count && plan->is_tail_type[module->funcs[i].type_index];
        values[i] = has_body ? unit_tail_func(unit, i) : LLVMConstNull(unit->ptr);
    }
    LLVMSetInitializer(unit_tail_bodies(unit), LLVMConstArray2(unit->ptr, values, module->func_count));
    free(values);
}

/* What the frames that catch name as their personality. The runtime unwinds by itself and never calls it. */
static void meta_personality(Unit *unit)
{
    Emit e;
    LLVMValueRef function = add_function(unit, "rc_personality", LLVMFunctionType(unit->void_type, NULL, 0, 0), &e);
    LLVMBuildRetVoid(unit->builder);
    (void)function;
}

static LLVMValueRef meta_imports(Unit *unit)
{
    const Plan *plan = unit->plan;
    const WasmModule *module = plan->module;
    LLVMValueRef *values = calloc(module->import_count + 1u, sizeof(*values));
    must(values != NULL);
    for (uint32_t i = 0; i < module->import_count; i++) {
        const WasmImport *import = &module->imports[i];
        LLVMValueRef signature = LLVMConstNull(unit->ptr);
        if (import->kind == WASM_EXTERN_FUNC) {
            const char *text = plan->signatures[module->funcs[import->index].type_index];
            signature = meta_string(unit, text, strlen(text));
        }
        LLVMValueRef fields[] = {meta_string(unit, (const char *)import->module.bytes, import->module.size),
                                 meta_string(unit, (const char *)import->name.bytes, import->name.size), signature,
                                 meta_u32(unit, import->kind), meta_u32(unit, import->index)};
        values[i] = meta_struct(unit, fields, 5);
    }
    LLVMValueRef result = meta_array(unit, "rc_imports", values[0] != NULL ? LLVMTypeOf(values[0]) : unit->i8, values, module->import_count);
    free(values);
    return result;
}

/* void thunk(instance, const RtValue *args, RtValue *results) */
static LLVMValueRef export_thunk(Unit *unit, uint32_t export_index, uint32_t func_index)
{
    const WasmModule *module = unit->plan->module;
    const WasmFuncType *type = wasm_func_type(module, func_index);
    LLVMTypeRef types[] = {unit->ptr, unit->ptr, unit->ptr};
    char name[64];
    snprintf(name, sizeof(name), "rc_export[%u]", export_index);
    Emit e;
    LLVMValueRef thunk = add_function(unit, name, LLVMFunctionType(unit->void_type, types, 3, 0), &e);
    LLVMValueRef args[LIMIT_PARAMS + 2] = {e.instance, LLVMGetParam(thunk, 2)};
    const bool has_area = unit_has_result_area(type);
    const uint32_t first = has_area ? 2 : 1;
    for (uint32_t i = 0; i < type->param_count; i++) {
        args[first + i] = emit_value_load(&e, type->types[i], LLVMGetParam(thunk, 1), i);
    }
    LLVMTypeRef func_type = unit_func_type(unit, module->funcs[func_index].type_index);
    LLVMValueRef call = LLVMBuildCall2(unit->builder, func_type, unit_func(unit, func_index), args, first + type->param_count, "");
    LLVMSetTailCallKind(call, LLVMTailCallKindNoTail);
    for (uint32_t i = 0; i < type->result_count && !has_area; i++) {
        LLVMValueRef value = type->result_count == 1 ? call : LLVMBuildExtractValue(unit->builder, call, i, "");
        emit_value_store(&e, value, LLVMGetParam(thunk, 2), i);
    }
    LLVMBuildRetVoid(unit->builder);
    return thunk;
}

static LLVMValueRef meta_exports(Unit *unit)
{
    const Plan *plan = unit->plan;
    const WasmModule *module = plan->module;
    LLVMValueRef *values = calloc(module->export_count + 1u, sizeof(*values));
    must(values != NULL);
    for (uint32_t i = 0; i < module->export_count; i++) {
        const WasmExport *export = &module->exports[i];
        LLVMValueRef signature = LLVMConstNull(unit->ptr);
        LLVMValueRef thunk = LLVMConstNull(unit->ptr);
        if (export->kind == WASM_EXTERN_FUNC) {
            const char *text = plan->signatures[module->funcs[export->index].type_index];
            signature = meta_string(unit, text, strlen(text));
            thunk = plan->options->has_thunks ? export_thunk(unit, i, export->index) : thunk;
        }
        LLVMValueRef fields[] = {meta_string(unit, (const char *)export->name.bytes, export->name.size), signature, thunk,
                                 meta_u32(unit, export->kind), meta_u32(unit, export->index)};
        values[i] = meta_struct(unit, fields, 5);
    }
    LLVMValueRef result = meta_array(unit, "rc_exports", values[0] != NULL ? LLVMTypeOf(values[0]) : unit->i8, values, module->export_count);
    free(values);
    return result;
}

static LLVMValueRef meta_datas(Unit *unit)
{
    const WasmModule *module = unit->plan->module;
    LLVMValueRef *values = calloc(module->data_count + 1u, sizeof(*values));
    must(values != NULL);
    for (uint32_t i = 0; i < module->data_count; i++) {
        const WasmSlice bytes = module->datas[i].bytes;
        LLVMValueRef fields[] = {meta_data_bytes(unit, "rc_data", bytes.bytes, bytes.size), meta_u64(unit, bytes.size)};
        values[i] = meta_struct(unit, fields, 2);
    }
    LLVMValueRef result = meta_array(unit, "rc_datas", values[0] != NULL ? LLVMTypeOf(values[0]) : unit->i8, values, module->data_count);
    free(values);
    return result;
}

/* The items of a segment as an array of RtFuncRef pointers; null when one of them is not constant. */
static LLVMValueRef elem_refs(Unit *unit, const WasmElemSegment *segment)
{
    LLVMValueRef *refs = calloc(segment->item_count + 1u, sizeof(*refs));
    must(refs != NULL);
    bool is_constant = true;
    for (uint32_t k = 0; k < segment->item_count && is_constant; k++) {
        bool is_null;
        uint32_t func_index = 0;
        is_constant = meta_elem_item(unit->plan, segment, k, &is_null, &func_index);
        refs[k] = is_null ? LLVMConstNull(unit->ptr) : meta_const_ref(unit, func_index);
    }
    LLVMValueRef result = is_constant ? meta_array(unit, "rc_refs", unit->ptr, refs, segment->item_count) : LLVMConstNull(unit->ptr);
    free(refs);
    return result;
}

static LLVMValueRef meta_elems(Unit *unit)
{
    const WasmModule *module = unit->plan->module;
    LLVMValueRef *values = calloc(module->elem_count + 1u, sizeof(*values));
    must(values != NULL);
    for (uint32_t i = 0; i < module->elem_count; i++) {
        LLVMValueRef fields[] = {elem_refs(unit, &module->elems[i]), meta_u64(unit, module->elems[i].item_count)};
        values[i] = meta_struct(unit, fields, 2);
    }
    LLVMValueRef result = meta_array(unit, "rc_elems", values[0] != NULL ? LLVMTypeOf(values[0]) : unit->i8, values, module->elem_count);
    free(values);
    return result;
}

static LLVMValueRef meta_table_descs(Unit *unit)
{
    const WasmModule *module = unit->plan->module;
    LLVMValueRef *values = calloc(module->table_count + 1u, sizeof(*values));
    must(values != NULL);
    for (uint32_t i = 0; i < module->table_count; i++) {
        const WasmTable *table = &module->tables[i];
        const uint64_t maximum = table->limits.maximum;
        LLVMValueRef fields[] = {meta_u32(unit, (uint32_t)table->limits.minimum), meta_u32(unit, maximum > UINT32_MAX ? UINT32_MAX : (uint32_t)maximum),
                                 meta_u32(unit, wasm_type_is_func(table->type)), meta_u32(unit, table->is_imported)};
        values[i] = meta_struct(unit, fields, 4);
    }
    LLVMValueRef result = meta_array(unit, "rc_tables", values[0] != NULL ? LLVMTypeOf(values[0]) : unit->i8, values, module->table_count);
    free(values);
    return result;
}

/* The most pages that a memory's address type can count; 4 GiB in bytes is one more than a u32. */
static uint64_t pages_maximum(const WasmLimits *limits)
{
    const uint32_t bits = (limits->is_64 ? 64 : 32) - wasm_page_log2(limits);
    return bits == 64 ? UINT64_MAX : 1ull << bits;
}

static LLVMValueRef meta_memory_descs(Unit *unit)
{
    const WasmModule *module = unit->plan->module;
    LLVMValueRef *values = calloc(module->memory_count + 1u, sizeof(*values));
    must(values != NULL);
    for (uint32_t i = 0; i < module->memory_count; i++) {
        const WasmLimits *limits = &module->memories[i].limits;
        LLVMValueRef fields[] = {meta_u64(unit, limits->minimum), meta_u64(unit, limits->has_maximum ? limits->maximum : pages_maximum(limits)),
                                 meta_u32(unit, wasm_page_log2(limits)), meta_u32(unit, limits->is_64), meta_u32(unit, limits->is_shared),
                                 meta_u32(unit, module->memories[i].is_imported)};
        values[i] = meta_struct(unit, fields, 6);
    }
    LLVMValueRef result = meta_array(unit, "rc_memories", values[0] != NULL ? LLVMTypeOf(values[0]) : unit->i8, values, module->memory_count);
    free(values);
    return result;
}

/* void invoke(instance, code, arguments...) */
static LLVMValueRef invoke_thunk(Unit *unit, const char *name, unsigned arg_count)
{
    LLVMTypeRef types[] = {unit->ptr, unit->ptr, unit->i32, unit->i32, unit->i32};
    Emit e;
    LLVMValueRef function = add_function(unit, name, LLVMFunctionType(unit->void_type, types, 2 + arg_count, 0), &e);
    LLVMTypeRef guest_types[] = {unit->ptr, unit->i32, unit->i32, unit->i32};
    LLVMValueRef args[4] = {e.instance};
    for (unsigned i = 0; i < arg_count; i++) {
        args[i + 1] = LLVMGetParam(function, i + 2);
    }
    LLVMTypeRef type = LLVMFunctionType(unit->void_type, guest_types, 1 + arg_count, 0);
    LLVMValueRef call = LLVMBuildCall2(unit->builder, type, LLVMGetParam(function, 1), args, 1 + arg_count, "");
    LLVMSetTailCallKind(call, LLVMTailCallKindNoTail);
    LLVMBuildRetVoid(unit->builder);
    return function;
}

/* A function that marks a place in the code. */
static LLVMValueRef add_mark(Unit *unit, const char *name)
{
    Emit e;
    LLVMTypeRef type = LLVMFunctionType(unit->void_type, &unit->ptr, 1, 0);
    LLVMValueRef function = add_function(unit, name, type, &e);
    LLVMBuildRetVoid(unit->builder);
    return function;
}

/* Behind the functions of the profile (layout.c). */
static LLVMValueRef startup_end(Unit *unit)
{
    const Profile *profile = unit->plan->options->profile;
    if (profile == NULL || profile->func_count == 0) {
        return LLVMConstNull(unit->ptr);
    }
    LLVMValueRef mark = add_mark(unit, STARTUP_END_SYMBOL);
    unit_set_section(mark);
    return mark;
}

static uint64_t cpu_bits(const char *cpu)
{
    if (strcmp(cpu, COMPILE_CPU_AARCH64) == 0) {
        return 0;
    }
    uint64_t bits = RT_CPU_SSE42;
    char *features = strcmp(cpu, "native") == 0 ? LLVMGetHostCPUFeatures() : NULL;
    const bool is_v4 = strcmp(cpu, "x86-64-v4") == 0;
    if (is_v4 || strcmp(cpu, "x86-64-v3") == 0 || (features != NULL && strstr(features, "+avx2") != NULL)) {
        bits |= RT_CPU_AVX2;
    }
    if (is_v4 || (features != NULL && strstr(features, "+avx512f") != NULL)) {
        bits |= RT_CPU_AVX512;
    }
    LLVMDisposeMessage(features);
    return bits;
}

static LLVMValueRef target_text(Unit *unit)
{
    const CompileOptions *options = unit->plan->options;
    char text[64] = {0};
    snprintf(text, sizeof(text), "%s %s O%d base=0x%llx%s%s%s", unit->is_aarch64 ? "aarch64" : "x86_64", options->cpu, options->opt_level,
             (unsigned long long)options->memory_base, options->is_fast_memory ? " fast-memory" : "", options->has_thunks ? " thunks" : "",
             options->is_recording ? " recording" : "");
    return LLVMConstStringInContext2(unit->context, text, sizeof(text), 1);
}

static unsigned add_counts(Unit *unit, LLVMValueRef *fields, unsigned n)
{
    const Plan *plan = unit->plan;
    const WasmModule *module = plan->module;
    const WasmMemory *memory = module->memory_count > 0 ? &module->memories[0] : NULL;
    const uint64_t maximum = memory != NULL && memory->limits.has_maximum ? memory->limits.maximum : 65536;
    const uint32_t minimum = memory == NULL ? 0 : memory->limits.minimum > 65536 ? 65536 : (uint32_t)memory->limits.minimum;
    const uint32_t counts[] = {plan->instance_size, plan->imports_offset, plan->tables_offset, plan->globals_offset, plan->dropped_offset,
                               module->import_count, module->imported_func_count, module->func_count, module->export_count,
                               plan->has_entries ? plan->entries.count : 0, module->table_count, module->global_count, module->data_count,
                               module->elem_count, plan->is_table_constant, memory != NULL, minimum,
                               memory != NULL ? (uint32_t)(maximum > 65536 ? 65536 : maximum) : 0, memory != NULL && memory->limits.is_shared,
                               plan->options->is_recording};
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        fields[n++] = meta_u32(unit, counts[i]);
    }
    return n;
}

static void check_layout(Unit *unit, LLVMTypeRef type, unsigned last)
{
    LLVMTargetDataRef layout = LLVMGetModuleDataLayout(unit->module);
    must(LLVMOffsetOfElement(layout, type, 4) == offsetof(RtObject, memory_base));
    must(LLVMOffsetOfElement(layout, type, 6) == offsetof(RtObject, instance_size));
    must(LLVMOffsetOfElement(layout, type, 26) == offsetof(RtObject, imports));
    must(LLVMOffsetOfElement(layout, type, last) == offsetof(RtObject, table_descs));
    must(LLVMABISizeOfType(layout, type) == sizeof(RtObject));
}

int meta_build(Unit *unit)
{
    const Plan *plan = unit->plan;
    LLVMValueRef begin = add_mark(unit, TEXT_BEGIN_SYMBOL); /* the first function of the first object that is linked: where guest code begins */
    LLVMValueRef end = LLVMAddGlobal(unit->module, unit->i8, "etext");
    LLVMSetVisibility(end, LLVMHiddenVisibility);
    LLVMValueRef entries = LLVMConstNull(unit->ptr);
    int r = plan->has_entries ? meta_entries(unit, &entries) : 0;
    r = r < 0 ? r : meta_lines(unit);
    if (r < 0) {
        return r;
    }
    meta_funcs(unit);
    if (plan->has_tail_types) {
        meta_tail_bodies(unit);
    }
    if (plan->has_exceptions) {
        meta_personality(unit);
    }
    if (plan->options->is_recording) {
        meta_record(unit);
    }
    LLVMValueRef fields[64];
    unsigned n = 0;
    fields[n++] = meta_u32(unit, RT_OBJECT_MAGIC);
    fields[n++] = meta_u32(unit, RT_ABI_VERSION);
    fields[n++] = LLVMConstStringInContext2(unit->context, (const char *)plan->options->digest.bytes, DIGEST_SIZE, 1);
    fields[n++] = target_text(unit);
    fields[n++] = meta_u64(unit, plan->options->memory_base);
    fields[n++] = meta_u64(unit, cpu_bits(plan->options->cpu));
    n = add_counts(unit, fields, n);
    fields[n++] = meta_imports(unit);
    fields[n++] = plan->module->func_count > 0 ? unit_func_refs(unit) : LLVMConstNull(unit->ptr);
    fields[n++] = meta_exports(unit);
    fields[n++] = entries;
    fields[n++] = meta_datas(unit);
    fields[n++] = meta_elems(unit);
    fields[n++] = meta_instantiate(unit);
    fields[n++] = invoke_thunk(unit, "rc_invoke_v", 0);
    fields[n++] = invoke_thunk(unit, "rc_invoke_i", 1);
    fields[n++] = invoke_thunk(unit, "rc_invoke_iii", 3);
    fields[n++] = begin;
    fields[n++] = end;
    fields[n++] = meta_table_descs(unit);
    const unsigned last = n - 1;
    fields[n++] = meta_u32(unit, plan->module->tag_count);
    fields[n++] = meta_u32(unit, plan->tags_offset);
    fields[n++] = invoke_thunk(unit, "rc_invoke_ii", 2);
    fields[n++] = meta_memory_descs(unit);
    fields[n++] = meta_u32(unit, plan->module->memory_count);
    fields[n++] = meta_u32(unit, plan->memories_offset);
    fields[n++] = startup_end(unit);
    for (unsigned i = 0; i < 3; i++) {
        fields[n++] = meta_u64(unit, 0);
    }
    LLVMValueRef value = meta_struct(unit, fields, n);
    check_layout(unit, LLVMTypeOf(value), last);
    LLVMValueRef object = LLVMAddGlobal(unit->module, LLVMTypeOf(value), RT_OBJECT_SYMBOL);
    LLVMSetInitializer(object, value);
    LLVMSetGlobalConstant(object, 1);
    LLVMSetAlignment(object, 16);
    return 0;
}
