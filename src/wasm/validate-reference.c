/* SPDX-License-Identifier: Apache-2.0 */
/*
 * validate-reference.c - references: subtyping, instructions on them, locals that must be set before they are read
 * (wasm core 3.3: matching; 3.4.7 reference instructions; appendix A: initialisation of locals).
 *
 * A reference that is not null is a subtype of the nullable one; a type of functions is a subtype of func; the bottom type of a
 * hierarchy is a subtype of all of it. Types are equal when their texts are (types.c): that is worked out once, when two different
 * indices are compared for the first time.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "opcodes.h"
#include "wasm/validate-int.h"

/* --- subtyping --- */

static bool is_same_type(Validator *v, uint32_t first, uint32_t second)
{
    if (first == second)
        return true;
    if (first >= v->module->type_count || second >= v->module->type_count)
        return false;
    if (!v->canonical && wasm_types_canonical(v->module, &v->scratch, &v->canonical, NULL) < 0) {
        v->has_no_memory = true;
        return false;
    }
    return v->canonical[first] == v->canonical[second];
}

/* Both as nullable references. */
static bool heap_matches(Validator *v, WasmValType have, WasmValType want)
{
    if (have == want)
        return true;
    if (wasm_type_has_index(have) && wasm_type_has_index(want))
        return is_same_type(v, wasm_type_index(have), wasm_type_index(want));
    if (wasm_type_has_index(have))
        return want == WASM_FUNCREF;
    switch (have) {
    case WASM_NULLFUNCREF:
        return want == WASM_FUNCREF || wasm_type_has_index(want);
    case WASM_NULLEXTERNREF:
        return want == WASM_EXTERNREF;
    case WASM_NULLEXNREF:
        return want == WASM_EXNREF;
    default:
        return false;
    }
}

bool validate_matches(Validator *v, WasmValType have, WasmValType want)
{
    if (have == want || have == TYPE_ANY)
        return true;
    if (!wasm_type_is_ref(have) || !wasm_type_is_ref(want))
        return false;
    if (wasm_type_is_nullable(have) && !wasm_type_is_nullable(want))
        return false;
    return have == TYPE_REF_ANY || heap_matches(v, wasm_type_nullable(have), wasm_type_nullable(want));
}

bool validate_matches_list(Validator *v, TypeList have, TypeList want)
{
    if (have.count != want.count)
        return false;
    if (have.count == 0 || memcmp(have.types, want.types, have.count * sizeof(*have.types)) == 0)
        return true;
    for (uint32_t i = 0; i < have.count; i++) {
        if (!validate_matches(v, have.types[i], want.types[i]))
            return false;
    }
    return true;
}

int validate_type_words(const Validator *v, WasmValType type, uint32_t type_count, char *text, size_t text_size)
{
    const WasmValType heap = wasm_type_nullable(type);
    const bool is_plain = heap == type && (heap == WASM_FUNCREF || heap == WASM_EXTERNREF || heap == WASM_EXNREF);

    if ((heap == WASM_EXNREF || heap == WASM_NULLEXNREF) && !v->features->exnref) {
        (void)snprintf(text, text_size, "%s are off", wasm_feature_name(WASM_FEATURE_EXNREF));
        return -ENOTSUP;
    }
    if (!is_plain && !v->features->function_references) {
        (void)snprintf(text, text_size, "%s are off", wasm_feature_name(WASM_FEATURE_FUNCTION_REFERENCES));
        return -ENOTSUP;
    }
    if (wasm_type_has_index(type) && wasm_type_index(type) >= type_count) {
        (void)snprintf(text, text_size, "unknown type %u", wasm_type_index(type));
        return -EINVAL;
    }
    return 0;
}

int validate_single(Validator *v, WasmValType type, TypeList *ret_list)
{
    static const WasmValType types[] = {
        WASM_I32, WASM_I64, WASM_F32, WASM_F64, WASM_V128, WASM_FUNCREF, WASM_EXTERNREF, WASM_EXNREF,
        WASM_NULLFUNCREF, WASM_NULLEXTERNREF, WASM_NULLEXNREF,
#define NON_NULL(byte_) (WASM_REF_ABSTRACT | (byte_) << 8 | WASM_REF)
        NON_NULL(WASM_FUNCREF), NON_NULL(WASM_EXTERNREF), NON_NULL(WASM_EXNREF),
        NON_NULL(WASM_NULLFUNCREF), NON_NULL(WASM_NULLEXTERNREF), NON_NULL(WASM_NULLEXNREF)};

    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        if (types[i] == type) {
            *ret_list = (TypeList){&types[i], 1};
            return 0;
        }
    }
    must(wasm_type_has_index(type) && wasm_type_index(type) < v->module->type_count);
    if (!v->singles) {
        v->singles = arena_new_array(&v->scratch, (size_t)v->module->type_count * 2, WasmValType);
        if (!v->singles)
            return validate_no_memory(v);
        for (uint32_t i = 0; i < v->module->type_count; i++) {
            v->singles[2 * i] = WASM_REF_NULL | i << 8;
            v->singles[2 * i + 1] = WASM_REF | i << 8;
        }
    }
    *ret_list = (TypeList){&v->singles[2 * wasm_type_index(type) + !wasm_type_is_nullable(type)], 1};
    return 0;
}

/* --- locals that have no default value --- */

int validate_locals_start(Validator *v)
{
    if (!v->is_set) {
        v->is_set = arena_new_array(&v->scratch, LIMIT_LOCALS / 64 + 1, uint64_t);
        v->inits = arena_new_array(&v->scratch, LIMIT_LOCALS, uint32_t);
        if (!v->is_set || !v->inits)
            return validate_no_memory(v);
    }
    uint32_t start = 0;
    memset(v->is_set, 0xff, (LIMIT_LOCALS / 64 + 1) * sizeof(uint64_t));
    for (uint32_t i = 0; i < v->run_count; i++) {
        const WasmValType type = v->runs[i].type;
        for (uint32_t k = start; wasm_type_is_ref(type) && !wasm_type_is_nullable(type) && k < v->runs[i].end; k++)
            v->is_set[k / 64] &= ~(1ull << (k % 64));
        start = v->runs[i].end;
    }
    return 0;
}

bool validate_local_is_set(const Validator *v, uint32_t index)
{
    if (index < v->type->param_count)
        return true;
    index -= v->type->param_count;
    return v->is_set[index / 64] >> (index % 64) & 1u;
}

void validate_local_set(Validator *v, uint32_t index)
{
    if (validate_local_is_set(v, index))
        return;
    index -= v->type->param_count;
    must(v->init_count < LIMIT_LOCALS); /* each local is in the list once */
    v->inits[v->init_count++] = index;
    v->is_set[index / 64] |= 1ull << (index % 64);
}

/* A block ends: what was set in it counts no longer. */
void validate_locals_reset(Validator *v, uint32_t init_height)
{
    while (v->init_count > init_height) {
        const uint32_t index = v->inits[--v->init_count];
        v->is_set[index / 64] &= ~(1ull << (index % 64));
    }
}

/* --- instructions --- */

int validate_pop_ref(Validator *v, WasmValType *ret_type)
{
    const int r = validate_pop_any(v, ret_type);

    if (r < 0)
        return r;
    if (*ret_type == TYPE_ANY)
        *ret_type = TYPE_REF_ANY;
    if (!wasm_type_is_ref(*ret_type))
        return validate_error(v, EINVAL, "wants a reference, has %s: type mismatch", validate_type_name(*ret_type));
    return 0;
}

static int ref_func_check(Validator *v)
{
    const uint32_t index = v->instr.index;

    if (index >= v->module->func_count)
        return validate_error(v, EINVAL, "unknown function %u", index);
    if (!(v->declared[index / 64] >> (index % 64) & 1u))
        return validate_error(v, EINVAL, "function %u: undeclared function reference", index);
    if (!v->features->function_references)
        return validate_push(v, WASM_FUNCREF);
    return validate_push(v, WASM_REF | v->module->funcs[index].type_index << 8);
}

static int ref_null_check(Validator *v)
{
    const int r = validate_type(v, v->instr.type);

    return r < 0 ? r : validate_push(v, v->instr.type);
}

/* br_on_null l: [t* (ref null ht)] -> [t* (ref ht)], with t* of the label */
static int br_on_null_check(Validator *v)
{
    WasmValType type = TYPE_ANY;
    TypeList types;
    int r = validate_label(v, v->instr.index, &types);

    if (r >= 0)
        r = validate_pop_ref(v, &type);
    if (r >= 0)
        r = validate_pop_list(v, types);
    if (r >= 0)
        r = validate_push_list(v, types);
    return r < 0 ? r : validate_push(v, wasm_type_non_null(type));
}

/* br_on_non_null l: [t* (ref null ht)] -> [t*], with t* (ref ht) of the label */
static int br_on_non_null_check(Validator *v)
{
    TypeList types;
    int r = validate_label(v, v->instr.index, &types);

    if (r < 0)
        return r;
    if (types.count == 0 || !wasm_type_is_ref(types.types[types.count - 1]))
        return validate_error(v, EINVAL, "label %u takes no reference: type mismatch", v->instr.index);
    r = validate_pop(v, wasm_type_nullable(types.types[types.count - 1]));
    types.count--;
    if (r >= 0)
        r = validate_pop_list(v, types);
    return r < 0 ? r : validate_push_list(v, types);
}

int validate_reference(Validator *v)
{
    WasmValType type = TYPE_ANY;
    int r;

    switch (v->instr.opcode) {
    case WASM_OP_REF_NULL:
        return ref_null_check(v);
    case WASM_OP_REF_IS_NULL:
        r = validate_pop_ref(v, &type);
        return r < 0 ? r : validate_push(v, WASM_I32);
    case WASM_OP_REF_FUNC:
        return ref_func_check(v);
    case WASM_OP_REF_AS_NON_NULL:
        r = validate_pop_ref(v, &type);
        return r < 0 ? r : validate_push(v, wasm_type_non_null(type));
    case WASM_OP_BR_ON_NULL:
        return br_on_null_check(v);
    case WASM_OP_BR_ON_NON_NULL:
        return br_on_non_null_check(v);
    default:
        must(false && "a reference instruction without a rule");
        return -EINVAL;
    }
}
