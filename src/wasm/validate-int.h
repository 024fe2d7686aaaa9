/* SPDX-License-Identifier: Apache-2.0 */
/*
 * validate-int.h - the machine of wasm core appendix A (validation algorithm), shared by validate.c (module),
 * validate-code.c (stack machine, instructions), validate-control.c (blocks, branches, calls, exceptions),
 * validate-special.c (variables, tables, memory) and validate-reference.c (references, subtyping, locals without a default).
 *
 * Invariants: I1 frame_count > 0 while a body is checked; frame points at the innermost one. I2 operand_count >=
 * frame->height. I3 an operand is a value type or TYPE_ANY, which only unreachable code makes (the appendix's Bot).
 */
#pragma once

#include "base/arena.h"
#include "base/limits.h"
#include "base/must.h"
#include "wasm/bytes-int.h"
#include "wasm/opcode-int.h"

#define TYPE_ANY 0u
#define TYPE_REF_ANY (WASM_REF_ABSTRACT | WASM_REF) /* (ref Bot): what unreachable code leaves where a reference is known to be */

typedef struct TypeList { /* borrowed from the module's types */
    const WasmValType *types;
    uint32_t count;
} TypeList;

typedef struct Frame {
    uint32_t opcode; /* that opened it: block, loop, if, else, try, catch, catch_all, try_table; block for the body */
    bool is_unreachable;
    uint32_t height; /* operands below belong to the outer frame */
    uint32_t init_height; /* of Validator.inits when it was opened */
    TypeList start;
    TypeList end;
} Frame;

typedef struct LocalRun { /* locals of one type; indices without parameters */
    uint32_t end;
    WasmValType type;
} LocalRun;

#define LOCALS_FLAT_N 256u

typedef struct Validator {
    const WasmModule *module;
    const WasmFeatures *features;
    Error *err;
    Arena scratch;
    uint64_t *declared;        /* bitmap over functions: may ref.func name it (C.refs) */
    uint32_t *canonical;       /* wasm_types_canonical(), made when first needed */
    bool has_no_memory;        /* types could not be compared: whatever is said to be invalid may not be */
    WasmValType *singles;      /* lists of one: (ref null $i), (ref $i) of each type; made when first needed */

    /* The expression being checked. */
    WasmBytes bytes;
    WasmInstr instr;
    TypeList results;          /* of the function */
    const WasmFuncType *type;  /* of the function; NULL for a constant expression */
    uint32_t known_globals;    /* constant expression: global.get below this */
    uint32_t local_count;      /* parameters included */
    uint32_t run_count;
    LocalRun *runs;            /* LIMIT_LOCALS */
    WasmValType flat[LOCALS_FLAT_N]; /* the first locals, so that most look-ups are one load */
    bool has_unset_locals;     /* some locals have no default: the two below are in use */
    uint64_t *is_set;          /* bitmap over locals without parameters */
    uint32_t *inits;           /* locals in the order in which they were set */
    uint32_t init_count;

    WasmValType *operands;
    uint32_t operand_count, operand_capacity;
    Frame *frames;
    Frame *frame;              /* &frames[frame_count - 1] */
    uint32_t frame_count, frame_capacity;
} Validator;

/* Raise at the instruction being checked: "offset 0x..: i32.add: TEXT". */
#define validate_error(v_, code_, format_, ...)                                                        \
    wasm_bytes_error(&(v_)->bytes, (v_)->instr.start, (code_), "%s: " format_,                         \
                     wasm_opcode_name((v_)->instr.opcode) __VA_OPT__(, ) __VA_ARGS__)

int validate_no_memory(const Validator *v);
const char *validate_type_name(WasmValType type);
int validate_feature(const Validator *v, WasmFeature feature) WARN_UNUSED;
/* A value type is known, but is its feature on? Raises with the instruction's position. */
int validate_type(const Validator *v, WasmValType type) WARN_UNUSED;

/* --- validate-code.c --- */
int validate_operands_grow(Validator *v, uint32_t extra_count) WARN_UNUSED;
int validate_pop_slow(Validator *v, WasmValType want) WARN_UNUSED;
int validate_pop_any(Validator *v, WasmValType *ret_type) WARN_UNUSED;
int validate_pop_list(Validator *v, TypeList list) WARN_UNUSED;
int validate_push_list(Validator *v, TypeList list) WARN_UNUSED;
/* The operands on top match the list; nothing is popped. */
int validate_top_list(Validator *v, TypeList list) WARN_UNUSED;
void validate_unreachable(Validator *v);
int validate_frame_push(Validator *v, uint32_t opcode, TypeList start, TypeList end) WARN_UNUSED;
int validate_body(Validator *v, uint32_t func_index) WARN_UNUSED;
int validate_const_expr(Validator *v, const WasmConstExpr *expr, WasmValType type, uint32_t known_globals) WARN_UNUSED;

/* --- validate-reference.c --- */
/* have <: want (wasm core 3.3.3 - 3.3.5). May have to allocate; without memory nothing matches. */
bool validate_matches(Validator *v, WasmValType have, WasmValType want);
bool validate_matches_list(Validator *v, TypeList have, TypeList want);
/* A value type's features are on and the type it names exists: 0, or the error code with words in text. */
int validate_type_words(const Validator *v, WasmValType type, uint32_t type_count, char *text, size_t text_size) WARN_UNUSED;
/* The list of one for a block with one result. */
int validate_single(Validator *v, WasmValType type, TypeList *ret_list) WARN_UNUSED;
int validate_pop_ref(Validator *v, WasmValType *ret_type) WARN_UNUSED;
/* Locals of a new body: which must be set before they are read. */
int validate_locals_start(Validator *v) WARN_UNUSED;
void validate_locals_reset(Validator *v, uint32_t init_height);
void validate_local_set(Validator *v, uint32_t index);
bool validate_local_is_set(const Validator *v, uint32_t index);
int validate_reference(Validator *v) WARN_UNUSED;

/* --- validate-control.c --- */
/* An instruction of rows marked special. Return: 0, or 1 when it was the body's last end. */
int validate_control(Validator *v) WARN_UNUSED;
int validate_label(const Validator *v, uint32_t label, TypeList *ret_types) WARN_UNUSED;
/* What every kind of call needs, once the callee's type is known. */
int validate_callee(Validator *v, const WasmFuncType *type, bool is_tail) WARN_UNUSED;
/* The rest of the special rows: variables, tables, memory, references. */
int validate_special(Validator *v) WARN_UNUSED;

static inline int validate_push(Validator *v, WasmValType type)
{
    if (__builtin_expect(v->operand_count == v->operand_capacity, 0)) {
        const int r = validate_operands_grow(v, 1);
        if (r < 0)
            return r;
    }
    v->operands[v->operand_count++] = type;
    return 0;
}

static inline int validate_pop(Validator *v, WasmValType want)
{
    if (__builtin_expect(v->operand_count > v->frame->height && v->operands[v->operand_count - 1] == want, 1)) {
        v->operand_count--;
        return 0;
    }
    return validate_pop_slow(v, want);
}

static inline WasmValType validate_address_type(bool is_64)
{
    return is_64 ? WASM_I64 : WASM_I32;
}
