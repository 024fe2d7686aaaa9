/* SPDX-License-Identifier: Apache-2.0 */
/*
 * unit.c - one LLVM module: types, declarations, attributes, optimisation, object file.
 *
 * Functions are hidden and called directly across units; the linker resolves them. No attribute that would let LLVM
 * assume progress or return is ever set: a guest loops or overflows its stack exactly where its code says so.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <llvm-c/Analysis.h>
#include <llvm-c/BitWriter.h>
#include <llvm-c/Transforms/PassBuilder.h>

#include "aot/throw-int.h"
#include "base/cleanup.h"
#include "codegen-id.h" /* generated: CODEGEN_ID */

/* Part of the cache key: every change of generated code changes it. */
#define CODEGEN_VERSION "14"

const char *compile_version(void)
{
    static char text[64];
    unsigned major = 0, minor = 0, patch = 0;
    LLVMGetVersion(&major, &minor, &patch);
    snprintf(text, sizeof(text), "LLVM %u.%u.%u codegen " CODEGEN_VERSION, major, minor, patch);
    return text;
}

const char *machine_triple(const CompileOptions *options)
{
    return strcmp(options->cpu, COMPILE_CPU_AARCH64) == 0 ? "aarch64-unknown-linux-gnu" : "x86_64-pc-linux-gnu";
}

LLVMTargetMachineRef machine_new(const CompileOptions *options, Error *err)
{
    LLVMTargetRef target = NULL;
    char *message = NULL;
    const bool is_aarch64 = strcmp(options->cpu, COMPILE_CPU_AARCH64) == 0;
    const char *triple = machine_triple(options);
    if (LLVMGetTargetFromTriple(triple, &target, &message)) {
        error_set(err, ENOTSUP, "%s", message);
        LLVMDisposeMessage(message);
        return NULL;
    }
    const bool is_native = strcmp(options->cpu, "native") == 0;
    char *host_cpu = LLVMGetHostCPUName();
    char *host_features = LLVMGetHostCPUFeatures();
    LLVMTargetMachineOptionsRef machine_options = LLVMCreateTargetMachineOptions();
    LLVMTargetMachineOptionsSetCPU(machine_options, is_native ? host_cpu : is_aarch64 ? "generic" : options->cpu);
    /* Masked loads of AVX-512 and APX's conditional ones do not fault where the mask is 0: a load that a select follows would lose its trap. */
    char features[8192];
    (void)snprintf(features, sizeof(features), "%s%s%s", is_native ? host_features : "", is_native ? "," : "", is_aarch64 ? "" : "-avx512f,-cf");
    LLVMTargetMachineOptionsSetFeatures(machine_options, features);
    LLVMTargetMachineOptionsSetRelocMode(machine_options, LLVMRelocPIC);
    LLVMTargetMachineOptionsSetCodeModel(machine_options, LLVMCodeModelSmall);
    LLVMTargetMachineOptionsSetCodeGenOptLevel(machine_options, options->opt_level == 0 ? LLVMCodeGenLevelNone
                                                                : options->opt_level == 1 ? LLVMCodeGenLevelLess
                                                                                          : LLVMCodeGenLevelDefault);
    LLVMTargetMachineRef machine = LLVMCreateTargetMachineWithOptions(target, triple, machine_options);
    LLVMDisposeTargetMachineOptions(machine_options);
    LLVMDisposeMessage(host_cpu);
    LLVMDisposeMessage(host_features);
    if (machine == NULL) {
        error_set(err, EIO, "LLVM has no target machine for %s", options->cpu);
    }
    return machine;
}

static void unit_init_types(Unit *unit)
{
    LLVMContextRef context = unit->context;
    unit->void_type = LLVMVoidTypeInContext(context);
    unit->i1 = LLVMInt1TypeInContext(context);
    unit->i8 = LLVMInt8TypeInContext(context);
    unit->i16 = LLVMInt16TypeInContext(context);
    unit->i32 = LLVMInt32TypeInContext(context);
    unit->i64 = LLVMInt64TypeInContext(context);
    unit->f32 = LLVMFloatTypeInContext(context);
    unit->f64 = LLVMDoubleTypeInContext(context);
    unit->ptr = LLVMPointerTypeInContext(context, 0);
    unit->i8x16 = LLVMVectorType(unit->i8, 16);
    unit->i16x8 = LLVMVectorType(unit->i16, 8);
    unit->i32x4 = LLVMVectorType(unit->i32, 4);
    unit->i64x2 = LLVMVectorType(unit->i64, 2);
    unit->f32x4 = LLVMVectorType(unit->f32, 4);
    unit->f64x2 = LLVMVectorType(unit->f64, 2);
}

static LLVMMetadataRef node_string(Unit *unit, const char *text)
{
    return LLVMMDStringInContext2(unit->context, text, strlen(text));
}

/* Linear memory and everything of the runtime (instance, tables, import slots) never overlap: two TBAA types tell LLVM. */
static LLVMValueRef tbaa_tag(Unit *unit, LLVMMetadataRef root, const char *name)
{
    LLVMMetadataRef zero = LLVMValueAsMetadata(LLVMConstInt(unit->i64, 0, 0));
    LLVMMetadataRef type_fields[] = {node_string(unit, name), root, zero};
    LLVMMetadataRef type = LLVMMDNodeInContext2(unit->context, type_fields, 3);
    LLVMMetadataRef tag_fields[] = {type, type, zero};
    return LLVMMetadataAsValue(unit->context, LLVMMDNodeInContext2(unit->context, tag_fields, 3));
}

static void unit_init_metadata(Unit *unit)
{
    LLVMMetadataRef root_fields[] = {node_string(unit, "recompiler")};
    LLVMMetadataRef root = LLVMMDNodeInContext2(unit->context, root_fields, 1);
    unit->tbaa_memory = tbaa_tag(unit, root, "linear memory");
    unit->tbaa_instance = tbaa_tag(unit, root, "instance");
    LLVMMetadataRef weights[] = {node_string(unit, "branch_weights"), LLVMValueAsMetadata(LLVMConstInt(unit->i32, 1, 0)),
                                 LLVMValueAsMetadata(LLVMConstInt(unit->i32, 1000000, 0))};
    unit->unlikely = LLVMMetadataAsValue(unit->context, LLVMMDNodeInContext2(unit->context, weights, 3));
    weights[2] = LLVMValueAsMetadata(LLVMConstInt(unit->i32, 2000, 0)); /* as clang's __builtin_expect */
    unit->hints[0] = LLVMMetadataAsValue(unit->context, LLVMMDNodeInContext2(unit->context, weights, 3));
    LLVMMetadataRef likely[] = {weights[0], weights[2], weights[1]};
    unit->hints[1] = LLVMMetadataAsValue(unit->context, LLVMMDNodeInContext2(unit->context, likely, 3));
    unit->empty_node = LLVMMetadataAsValue(unit->context, LLVMMDNodeInContext2(unit->context, NULL, 0));
    unit->kind_tbaa = LLVMGetMDKindIDInContext(unit->context, "tbaa", 4);
    unit->kind_invariant = LLVMGetMDKindIDInContext(unit->context, "invariant.load", 14);
    unit->kind_prof = LLVMGetMDKindIDInContext(unit->context, "prof", 4);
}

static void unit_init_debug(Unit *unit)
{
    static const char producer[] = "recompiler";
    static const char file[] = "megabinary.wasm";
    LLVMAddModuleFlag(unit->module, LLVMModuleFlagBehaviorWarning, "Debug Info Version", 18,
                      LLVMValueAsMetadata(LLVMConstInt(unit->i32, LLVMDebugMetadataVersion(), 0)));
    LLVMAddModuleFlag(unit->module, LLVMModuleFlagBehaviorWarning, "Dwarf Version", 13,
                      LLVMValueAsMetadata(LLVMConstInt(unit->i32, 4, 0)));
    unit->debug_builder = LLVMCreateDIBuilder(unit->module);
    unit->debug_file = LLVMDIBuilderCreateFile(unit->debug_builder, file, sizeof(file) - 1, "/", 1);
    LLVMDIBuilderCreateCompileUnit(unit->debug_builder, LLVMDWARFSourceLanguageC99, unit->debug_file, producer, sizeof(producer) - 1, 1,
                                   "", 0, 0, "", 0, LLVMDWARFEmissionLineTablesOnly, 0, 0, 0, "", 0, "", 0);
    unit->debug_type = LLVMDIBuilderCreateSubroutineType(unit->debug_builder, unit->debug_file, NULL, 0, LLVMDIFlagZero);
}

void unit_init(Unit *unit, const Plan *plan, const Partition *partition, LLVMTargetMachineRef machine, Error *err)
{
    *unit = (Unit){.plan = plan, .partition = partition, .machine = machine, .err = err};
    unit->context = LLVMContextCreate();
    unit->module = LLVMModuleCreateWithNameInContext("megabinary.wasm", unit->context);
    unit->is_aarch64 = strcmp(unit->plan->options->cpu, COMPILE_CPU_AARCH64) == 0;
    LLVMSetTarget(unit->module, machine_triple(unit->plan->options));
    LLVMTargetDataRef layout = LLVMCreateTargetDataLayout(machine);
    LLVMSetModuleDataLayout(unit->module, layout);
    LLVMDisposeTargetData(layout);
    unit->builder = LLVMCreateBuilderInContext(unit->context);
    unit_init_types(unit);
    unit_init_metadata(unit);
    unit_init_debug(unit);
    LLVMAddModuleFlag(unit->module, LLVMModuleFlagBehaviorError, "PIC Level", 9, LLVMValueAsMetadata(LLVMConstInt(unit->i32, 2, 0)));
    unit->func_types = calloc(plan->module->type_count + 1u, sizeof(LLVMTypeRef));
    unit->funcs = calloc(plan->module->func_count + 1u, sizeof(LLVMValueRef));
    unit->bodies = calloc(plan->module->func_count + 1u, sizeof(LLVMValueRef));
    unit->ref_symbols = calloc(plan->module->func_count + 1u, sizeof(LLVMValueRef));
    must(unit->func_types != NULL && unit->funcs != NULL && unit->bodies != NULL && unit->ref_symbols != NULL);
}

void unit_deinit(Unit *unit)
{
    if (unit->context == NULL) {
        return;
    }
    LLVMDisposeDIBuilder(unit->debug_builder);
    LLVMDisposeBuilder(unit->builder);
    LLVMDisposeModule(unit->module);
    LLVMContextDispose(unit->context);
    free(unit->func_types);
    free(unit->funcs);
    free(unit->bodies);
    free(unit->ref_symbols);
    free(unit->externals);
    *unit = (Unit){0};
}

LLVMTypeRef unit_value_type(const Unit *unit, WasmValType type)
{
    switch (type) {
    case WASM_I32: return unit->i32;
    case WASM_I64: return unit->i64;
    case WASM_F32: return unit->f32;
    case WASM_F64: return unit->f64;
    case WASM_V128: return unit->i64x2;
    default: return unit->ptr; /* references */
    }
}

bool unit_has_result_area(const WasmFuncType *type)
{
    uint32_t integers = 0, vectors = 0;
    for (uint32_t i = 0; i < type->result_count; i++) {
        const WasmValType result = type->types[type->param_count + i];
        const bool is_vector = result == WASM_F32 || result == WASM_F64 || result == WASM_V128;
        integers += !is_vector;
        vectors += is_vector;
    }
    return integers > 3 || vectors > 2; /* what the C convention of every target returns in registers */
}

LLVMTypeRef unit_func_type(Unit *unit, uint32_t type_index)
{
    must(type_index < unit->plan->module->type_count);
    if (unit->func_types[type_index] != NULL) {
        return unit->func_types[type_index];
    }
    const WasmFuncType *type = &unit->plan->module->types[type_index];
    LLVMTypeRef params[LIMIT_PARAMS + 2] = {unit->ptr, unit->ptr};
    LLVMTypeRef results[LIMIT_RESULTS];
    must(type->param_count <= LIMIT_PARAMS && type->result_count <= LIMIT_RESULTS);
    const bool has_area = unit_has_result_area(type);
    const uint32_t first = has_area ? 2 : 1;
    for (uint32_t i = 0; i < type->param_count; i++) {
        params[first + i] = unit_value_type(unit, type->types[i]);
    }
    for (uint32_t i = 0; i < type->result_count; i++) {
        results[i] = unit_value_type(unit, type->types[type->param_count + i]);
    }
    LLVMTypeRef result = type->result_count == 0 || has_area ? unit->void_type
                         : type->result_count == 1           ? results[0]
                                                             : LLVMStructTypeInContext(unit->context, results, type->result_count, 0);
    unit->func_types[type_index] = LLVMFunctionType(result, params, first + type->param_count, 0);
    return unit->func_types[type_index];
}

void unit_set_attribute(Unit *unit, LLVMValueRef function, const char *name)
{
    const unsigned kind = LLVMGetEnumAttributeKindForName(name, strlen(name));
    must(kind != 0);
    LLVMAddAttributeAtIndex(function, (LLVMAttributeIndex)LLVMAttributeFunctionIndex, LLVMCreateEnumAttribute(unit->context, kind, 0));
}

void unit_set_call_attribute(Unit *unit, LLVMValueRef call, const char *name)
{
    const unsigned kind = LLVMGetEnumAttributeKindForName(name, strlen(name));
    must(kind != 0);
    LLVMAddCallSiteAttribute(call, (LLVMAttributeIndex)LLVMAttributeFunctionIndex, LLVMCreateEnumAttribute(unit->context, kind, 0));
}

LLVMValueRef unit_personality(Unit *unit)
{
    if (unit->personality == NULL) {
        unit->personality = LLVMGetNamedFunction(unit->module, "rc_personality");
    }
    if (unit->personality == NULL) {
        unit->personality = LLVMAddFunction(unit->module, "rc_personality", LLVMFunctionType(unit->void_type, NULL, 0, 0));
        LLVMSetVisibility(unit->personality, LLVMHiddenVisibility);
    }
    return unit->personality;
}

static void set_string_attribute(Unit *unit, LLVMValueRef function, const char *key, const char *value)
{
    LLVMAddAttributeAtIndex(function, (LLVMAttributeIndex)LLVMAttributeFunctionIndex,
                            LLVMCreateStringAttribute(unit->context, key, (unsigned)strlen(key), value, (unsigned)strlen(value)));
}

void unit_set_func_attributes(Unit *unit, LLVMValueRef function, bool has_tail_call)
{
    if (!unit->plan->has_exceptions) {
        unit_set_attribute(unit, function, "nounwind");
    }
    const unsigned uwtable = LLVMGetEnumAttributeKindForName("uwtable", 7);
    LLVMAddAttributeAtIndex(function, (LLVMAttributeIndex)LLVMAttributeFunctionIndex, LLVMCreateEnumAttribute(unit->context, uwtable, 2));
    set_string_attribute(unit, function, "probe-stack", "inline-asm");
    set_string_attribute(unit, function, "frame-pointer", "none");
    set_string_attribute(unit, function, "no-builtins", "");
    if (strcmp(unit->plan->options->cpu, "native") != 0) {
        /* A level's name brings the tuning of the Intel processors it began with: rotates become shld, which takes six times as long
         * as rol on AMD's. */
        set_string_attribute(unit, function, "tune-cpu", "generic");
    }
    if (!has_tail_call) {
        set_string_attribute(unit, function, "disable-tail-calls", "true");
    }
}

LLVMValueRef unit_add_func(Unit *unit, const char *name, LLVMTypeRef type)
{
    LLVMValueRef function = LLVMAddFunction(unit->module, name, type);
    LLVMSetVisibility(function, LLVMHiddenVisibility);
    if (!unit->plan->has_exceptions) {
        unit_set_attribute(unit, function, "nounwind");
    }
    return function;
}

void unit_set_section(LLVMValueRef function)
{
    char section[64];
    size_t size;
    const char *name = LLVMGetValueName2(function, &size);
    const int length = snprintf(section, sizeof(section), ".text.%.*s", (int)size, name);
    must(length > 0 && (size_t)length < sizeof(section));
    LLVMSetSection(function, section);
}

LLVMValueRef unit_add_copy(Unit *unit, uint32_t func_index)
{
    LLVMValueRef function = LLVMAddFunction(unit->module, "rc.copy", unit_func_type(unit, unit->plan->module->funcs[func_index].type_index));
    LLVMSetLinkage(function, LLVMInternalLinkage);
    unit_set_attribute(unit, function, "alwaysinline");
    return function;
}

static uint32_t add_external(Unit *unit, uint32_t func_index, ExternalKind kind)
{
    if (unit->external_count == unit->external_capacity) {
        unit->external_capacity = unit->external_capacity == 0 ? 64 : unit->external_capacity * 2;
        unit->externals = realloc(unit->externals, unit->external_capacity * sizeof(*unit->externals));
        must(unit->externals != NULL);
    }
    unit->externals[unit->external_count] = (External){.func_index = func_index, .kind = kind};
    return unit->external_count++;
}

void unit_final_name(const Plan *plan, const External *symbol, char *name, size_t size)
{
    const char *func = plan->symbols[symbol->func_index];
    const int length = symbol->kind == EXTERNAL_REF    ? snprintf(name, size, "rc_ref[%u]", symbol->func_index)
                       : symbol->kind == EXTERNAL_BODY ? snprintf(name, size, "%s.body", func)
                                                       : snprintf(name, size, "%s", func);
    must(length > 0 && (size_t)length < size);
}

void unit_callee_name(const Plan *plan, const External *symbol, char *name, size_t size)
{
    unit_final_name(plan, symbol, name, size);
    if (plan->options->is_recording && symbol->kind != EXTERNAL_REF && symbol->func_index >= plan->module->imported_func_count) {
        const size_t length = strlen(name);
        must(snprintf(name + length, size - length, ".record") < (int)(size - length));
    }
}

/* The meta unit uses the final names, a partition names that say nothing of where it is. */
static void symbol_name(Unit *unit, uint32_t func_index, ExternalKind kind, char *name, size_t size)
{
    const Partition *partition = unit->partition;
    const External symbol = {.func_index = func_index, .kind = kind};
    must(func_index < unit->plan->module->func_count);
    if (partition == NULL) {
        unit_callee_name(unit->plan, &symbol, name, size);
    } else if (kind != EXTERNAL_REF && func_index >= partition->first_func && func_index < partition->end_func) {
        snprintf(name, size, kind == EXTERNAL_BODY ? UNIT_BODY_FORMAT : UNIT_OWN_FORMAT, func_index - partition->first_func);
    } else {
        snprintf(name, size, UNIT_EXTERNAL_FORMAT, add_external(unit, func_index, kind));
    }
}

LLVMValueRef unit_func(Unit *unit, uint32_t func_index)
{
    must(func_index < unit->plan->module->func_count);
    if (unit->funcs[func_index] == NULL) {
        char name[512];
        symbol_name(unit, func_index, EXTERNAL_FUNC, name, sizeof(name));
        unit->funcs[func_index] = unit_add_func(unit, name, unit_func_type(unit, unit->plan->module->funcs[func_index].type_index));
        if (unit->plan->has_exceptions && !unit->plan->may_throw[func_index]) {
            unit_set_attribute(unit, unit->funcs[func_index], "nounwind");
        }
    }
    return unit->funcs[func_index];
}

LLVMTypeRef unit_tail_type(Unit *unit, uint32_t type_index)
{
    LLVMTypeRef params[] = {unit->ptr, unit->ptr};
    const unsigned count = unit_has_result_area(&unit->plan->module->types[type_index]) ? 2 : 1;
    return LLVMFunctionType(LLVMGetReturnType(unit_func_type(unit, type_index)), params, count, 0);
}

LLVMValueRef unit_tail_func(Unit *unit, uint32_t func_index)
{
    if (unit->bodies[func_index] == NULL) {
        char name[512];
        symbol_name(unit, func_index, EXTERNAL_BODY, name, sizeof(name));
        unit->bodies[func_index] = unit_add_func(unit, name, unit_tail_type(unit, unit->plan->module->funcs[func_index].type_index));
    }
    return unit->bodies[func_index];
}

LLVMValueRef unit_tail_bodies(Unit *unit)
{
    if (unit->tail_bodies == NULL) {
        unit->tail_bodies = LLVMAddGlobal(unit->module, LLVMArrayType2(unit->ptr, unit->plan->module->func_count), "rc_tail_bodies");
        LLVMSetVisibility(unit->tail_bodies, LLVMHiddenVisibility);
        LLVMSetGlobalConstant(unit->tail_bodies, 1);
        LLVMSetAlignment(unit->tail_bodies, 16);
    }
    return unit->tail_bodies;
}

/* The address of a function's RtFuncRef. */
LLVMValueRef unit_func_ref(Unit *unit, uint32_t func_index)
{
    must(func_index < unit->plan->module->func_count);
    if (unit->partition == NULL) {
        LLVMValueRef offset = LLVMConstInt(unit->i64, (uint64_t)func_index * sizeof(RtFuncRef), 0);
        return LLVMConstInBoundsGEP2(unit->i8, unit_func_refs(unit), &offset, 1);
    }
    if (unit->ref_symbols[func_index] == NULL) {
        char name[512];
        symbol_name(unit, func_index, EXTERNAL_REF, name, sizeof(name));
        LLVMValueRef symbol = LLVMAddGlobal(unit->module, unit->i8, name);
        LLVMSetVisibility(symbol, LLVMHiddenVisibility);
        LLVMSetGlobalConstant(symbol, 1);
        LLVMSetAlignment(symbol, 16);
        unit->ref_symbols[func_index] = symbol;
    }
    return unit->ref_symbols[func_index];
}

/* The line that stands for a byte of the module: unit_object_place() makes it the byte's offset. */
unsigned unit_line(const Unit *unit, uint64_t module_offset)
{
    const uint64_t origin = unit->plan->module->funcs[unit->partition->first_func].body_offset;
    must(module_offset >= origin && module_offset - origin < UNIT_LINE_BIAS / 2);
    return UNIT_LINE_BIAS + (unsigned)(module_offset - origin);
}

LLVMValueRef unit_func_refs(Unit *unit)
{
    if (unit->func_refs == NULL) {
        LLVMTypeRef fields[] = {unit->ptr, unit->i32, unit->i32};
        LLVMTypeRef element = LLVMStructTypeInContext(unit->context, fields, 3, 0);
        unit->func_refs = LLVMAddGlobal(unit->module, LLVMArrayType2(element, unit->plan->module->func_count), "rc_funcs");
        LLVMSetVisibility(unit->func_refs, LLVMHiddenVisibility);
        LLVMSetGlobalConstant(unit->func_refs, 1);
        LLVMSetAlignment(unit->func_refs, 16);
    }
    return unit->func_refs;
}

LLVMValueRef unit_intrinsic(Unit *unit, const char *name, LLVMTypeRef *types, size_t type_count, LLVMTypeRef *ret_type)
{
    const unsigned id = LLVMLookupIntrinsicID(name, strlen(name));
    must(id != 0);
    *ret_type = LLVMIntrinsicGetType(unit->context, id, types, type_count);
    return LLVMGetIntrinsicDeclaration(unit->module, id, types, type_count);
}

LLVMValueRef unit_const_splat(LLVMTypeRef vector, LLVMValueRef element)
{
    LLVMValueRef elements[16];
    const unsigned count = LLVMGetVectorSize(vector);
    must(count <= 16);
    for (unsigned i = 0; i < count; i++) {
        elements[i] = element;
    }
    return LLVMConstVector(elements, count);
}

/*
 * -O2 for code that clang has optimised once already: one round of the scalar and loop passes, inlining between them.
 * Half the time of LLVM's default<O2>, the same speed of code [measured: lua, sqlite3, kernels]. instcombine must not
 * verify its fixpoint: it aborts the process on correct code.
 */
static const char passes_2[] =
    "always-inline,function(sroa,early-cse<memssa>,simplifycfg,instcombine<no-verify-fixpoint>),cgscc(inline),"
    "function(sroa,early-cse<memssa>,jump-threading,correlated-propagation,simplifycfg,reassociate,"
    "loop-mssa(loop-rotate,licm,simple-loop-unswitch),simplifycfg,instcombine<no-verify-fixpoint>,"
    "loop(indvars,loop-deletion,loop-unroll-full),gvn,sccp,bdce,instcombine<no-verify-fixpoint>,adce,"
    "loop-mssa(licm),loop-unroll<O2>,simplifycfg)";

/* At -O0 nothing takes apart again what simplifycfg joins: a return that belongs directly behind a tail call. */
static const char *passes_for(int opt_level, bool has_tail_call)
{
    switch (opt_level) {
    case 0: return has_tail_call ? "function(sroa,early-cse)" : "function(sroa,early-cse,simplifycfg)";
    case 1: return "default<O1>";
    case 2: return passes_2;
    default: return "always-inline,default<O3>";
    }
}

static int unit_optimise(Unit *unit, int opt_level, Error *err)
{
    LLVMPassBuilderOptionsRef options = LLVMCreatePassBuilderOptions();
    LLVMPassBuilderOptionsSetLoopVectorization(options, 0);
    LLVMPassBuilderOptionsSetSLPVectorization(options, 0);
    LLVMErrorRef error = LLVMRunPasses(unit->module, passes_for(opt_level, unit->has_tail_call), unit->machine, options);
    LLVMDisposePassBuilderOptions(options);
    if (error != NULL) {
        char *message = LLVMGetErrorMessage(error);
        const int r = error_set(err, EIO, "LLVM passes: %s", message);
        LLVMDisposeErrorMessage(message);
        return r;
    }
    return 0;
}

static int unit_dump(Unit *unit, const char *dir, const char *name, const char *suffix)
{
    char path[4096];
    char *message = NULL;
    if (snprintf(path, sizeof(path), "%s/%s.%s.ll", dir, name, suffix) >= (int)sizeof(path)) {
        return error_set(unit->err, ENAMETOOLONG, "%s: path too long", dir);
    }
    if (LLVMPrintModuleToFile(unit->module, path, &message)) {
        const int r = error_set(unit->err, EIO, "%s: %s", path, message);
        LLVMDisposeMessage(message);
        return r;
    }
    return 0;
}

int unit_key(Unit *unit, int opt_level, Digest *ret_key)
{
    LLVMDIBuilderFinalize(unit->debug_builder);
    char *cpu = LLVMGetTargetMachineCPU(unit->machine);
    char *features = LLVMGetTargetMachineFeatureString(unit->machine);
    char *triple = LLVMGetTargetMachineTriple(unit->machine);
    LLVMMemoryBufferRef code = LLVMWriteBitcodeToMemoryBuffer(unit->module);
    char text[512];
    const int size = snprintf(text, sizeof(text), "recompiler-unit-1\n%s\n%s\nopt %d\nmachine %s %s %zu\n", CODEGEN_ID, compile_version(),
                              opt_level, triple, cpu, strlen(features));
    must(size > 0 && (size_t)size < sizeof(text));
    _cleanup_(hasher_freep) Hasher *hasher = NULL;
    int r = hasher_new(&hasher);
    r = r < 0 ? r : hasher_update(hasher, text, (size_t)size);
    r = r < 0 ? r : hasher_update(hasher, features, strlen(features));
    r = r < 0 ? r : hasher_update(hasher, LLVMGetBufferStart(code), LLVMGetBufferSize(code));
    r = r < 0 ? r : hasher_finish(hasher, ret_key);
    LLVMDisposeMemoryBuffer(code);
    LLVMDisposeMessage(triple);
    LLVMDisposeMessage(features);
    LLVMDisposeMessage(cpu);
    return r < 0 ? error_set(unit->err, -r, "cannot hash the code") : 0;
}

int unit_compile(Unit *unit, const char *name, int opt_level, Buf *ret_object)
{
    const char *dump_dir = unit->plan->options->dump_ir_dir;
    char *message = NULL;
    LLVMDIBuilderFinalize(unit->debug_builder);
    int r = dump_dir != NULL ? unit_dump(unit, dump_dir, name, "in") : 0;
    if (r < 0) {
        return r;
    }
#ifdef RC_DEBUG /* a broken module is a bug of ours: found early in debug builds, where the time does not matter */
    if (LLVMVerifyModule(unit->module, LLVMReturnStatusAction, &message)) {
        r = error_set(unit->err, EIO, "LLVM: %s", message);
        LLVMDisposeMessage(message);
        return r;
    }
    LLVMDisposeMessage(message);
    message = NULL;
#endif
    r = unit_optimise(unit, opt_level, unit->err);
    if (r == 0 && dump_dir != NULL) {
        r = unit_dump(unit, dump_dir, name, "out");
    }
    if (r < 0) {
        return r;
    }
    /* Through memory: LLVM's own file writer aborts the process when the disk is full. */
    LLVMMemoryBufferRef object = NULL;
    if (LLVMTargetMachineEmitToMemoryBuffer(unit->machine, unit->module, LLVMObjectFile, &message, &object)) {
        r = error_set(unit->err, EIO, "LLVM: %s", message);
        LLVMDisposeMessage(message);
        return r;
    }
    buf_append(ret_object, LLVMGetBufferStart(object), LLVMGetBufferSize(object));
    LLVMDisposeMemoryBuffer(object);
    return buf_error(ret_object) < 0 ? error_set(unit->err, ENOMEM, "out of memory") : 0;
}
