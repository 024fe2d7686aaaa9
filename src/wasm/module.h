/* SPDX-License-Identifier: Apache-2.0 */
/*
 * module.h - a WASM module as read from its bytes: what reader, validator, linker and compiler share.
 *
 * A WasmModule is allocated in the caller's Arena and borrows the module's bytes (names, function bodies,
 * segment contents are slices into them): both must outlive it. It is never changed after wasm_module_read().
 * Index spaces put imports first (wasm core 2.5.1). Safe: read-only, so any number of threads may share it.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"

/*
 * A value type. The low 8 bits are the byte of the binary format (5.3). Numbers, vectors and the short forms of nullable
 * references (0x70 = funcref = (ref null func)) are that byte alone. The long forms carry their heap type above it:
 *     WASM_REF_NULL | index << 8                      (ref null $index)
 *     WASM_REF | index << 8                           (ref $index)
 *     WASM_REF | byte << 8 | WASM_REF_ABSTRACT        (ref func) ...
 * so every type has one representation, except that indices of equal types may differ (wasm_types_canonical).
 */
typedef uint32_t WasmValType;
#define WASM_I32 0x7fu
#define WASM_I64 0x7eu
#define WASM_F32 0x7du
#define WASM_F64 0x7cu
#define WASM_V128 0x7bu
#define WASM_FUNCREF 0x70u
#define WASM_EXTERNREF 0x6fu
#define WASM_EXNREF 0x69u
#define WASM_NULLFUNCREF 0x73u /* bottom types of the three hierarchies: only null is of them */
#define WASM_NULLEXTERNREF 0x72u
#define WASM_NULLEXNREF 0x74u
#define WASM_REF_NULL 0x63u
#define WASM_REF 0x64u
#define WASM_REF_ABSTRACT 0x80000000u
#define WASM_REF_INDEX_MAX 0x7fffffu /* what is over it is read as it: no module has so many types (limits.h) */

static inline bool wasm_type_is_ref(WasmValType type)
{
    const uint32_t byte = type & 0xffu;
    return byte == WASM_REF_NULL || byte == WASM_REF || byte == WASM_FUNCREF || byte == WASM_EXTERNREF || byte == WASM_EXNREF ||
           (byte >= WASM_NULLEXTERNREF && byte <= WASM_NULLEXNREF);
}

static inline bool wasm_type_has_index(WasmValType type)
{
    return ((type & 0xffu) == WASM_REF_NULL || (type & 0xffu) == WASM_REF) && (type & WASM_REF_ABSTRACT) == 0;
}

/* Pre: wasm_type_has_index(). */
static inline uint32_t wasm_type_index(WasmValType type) { return type >> 8; }

/* Pre for the rest: wasm_type_is_ref(). */
static inline bool wasm_type_is_nullable(WasmValType type) { return (type & 0xffu) != WASM_REF; }

static inline WasmValType wasm_type_nullable(WasmValType type)
{
    if (wasm_type_is_nullable(type))
        return type;
    return type & WASM_REF_ABSTRACT ? type >> 8 & 0xffu : (type & ~0xffu) | WASM_REF_NULL;
}

static inline WasmValType wasm_type_non_null(WasmValType type)
{
    if (!wasm_type_is_nullable(type))
        return type;
    return (type & 0xffu) == WASM_REF_NULL ? (type & ~0xffu) | WASM_REF : WASM_REF_ABSTRACT | type << 8 | WASM_REF;
}

/* References to functions, of whatever type: what a table of functions holds. */
static inline bool wasm_type_is_func(WasmValType type)
{
    const WasmValType heap = wasm_type_nullable(type);
    return heap == WASM_FUNCREF || heap == WASM_NULLFUNCREF || wasm_type_has_index(heap);
}

typedef struct WasmSlice { /* bytes of the module, borrowed */
    const uint8_t *bytes;
    size_t size;
} WasmSlice;

typedef struct WasmFuncType {
    uint32_t param_count;
    uint32_t result_count;
    const WasmValType *types; /* params, then results */
    uint32_t group_first;     /* recursive group of the type section (3.0): its first type and how many; 0: alone */
    uint32_t group_count;
} WasmFuncType;

typedef struct WasmLimits {
    uint64_t minimum;
    uint64_t maximum; /* UINT64_MAX when !has_maximum */
    bool has_maximum;
    bool is_shared;
    bool is_64;
    bool has_page_size;     /* custom page sizes: memories only */
    uint8_t page_size_log2; /* as written, when has_page_size; valid: 0 and 16 */
} WasmLimits;

typedef enum WasmExternKind { /* ORDER: binary format 5.5.5 */
    WASM_EXTERN_FUNC = 0,
    WASM_EXTERN_TABLE = 1,
    WASM_EXTERN_MEMORY = 2,
    WASM_EXTERN_GLOBAL = 3,
    WASM_EXTERN_TAG = 4,
    _WASM_EXTERN_N
} WasmExternKind;

typedef struct WasmImport {
    WasmSlice module;
    WasmSlice name;
    WasmExternKind kind;
    uint32_t index; /* in its kind's index space */
} WasmImport;

typedef struct WasmExport {
    WasmSlice name;
    WasmExternKind kind;
    uint32_t index;
} WasmExport;

/* A constant expression: the bytes between (and without) start and the final end opcode, and where they are. */
typedef struct WasmConstExpr {
    WasmSlice code;      /* includes the final 0x0b */
    uint64_t offset;     /* byte offset in the module */
} WasmConstExpr;

typedef struct WasmFunc {
    uint32_t type_index;
    bool is_imported;
    uint32_t import_index; /* in imports, when is_imported */
    WasmSlice body;        /* locals and code, without the size; empty when imported */
    uint64_t body_offset;  /* byte offset of body in the module */
} WasmFunc;

typedef struct WasmTable {
    WasmValType type;
    WasmLimits limits;
    bool is_imported;
    bool has_init;          /* 3.0: table with an initialiser expression */
    WasmConstExpr init;
} WasmTable;

typedef struct WasmMemory {
    WasmLimits limits; /* in pages: 1 << wasm_page_log2() bytes */
    bool is_imported;
} WasmMemory;

typedef struct WasmGlobal {
    WasmValType type;
    bool is_mutable;
    bool is_imported;
    WasmConstExpr init; /* when !is_imported */
} WasmGlobal;

typedef struct WasmTag {
    uint32_t type_index;
    bool is_imported;
} WasmTag;

typedef enum WasmSegmentMode { WASM_SEGMENT_ACTIVE, WASM_SEGMENT_PASSIVE, WASM_SEGMENT_DECLARATIVE } WasmSegmentMode;

typedef struct WasmElemSegment {
    WasmSegmentMode mode;
    WasmValType type;
    uint32_t table_index;
    WasmConstExpr offset;          /* active */
    uint32_t item_count;
    const uint32_t *func_indices;  /* item_count function indices, or NULL when items are expressions */
    const WasmConstExpr *exprs;    /* item_count expressions, or NULL */
} WasmElemSegment;

/* Segments of function indices hold references that are not null. */
static inline WasmValType wasm_elem_type(const WasmElemSegment *segment)
{
    return segment->func_indices ? wasm_type_non_null(WASM_FUNCREF) : segment->type;
}

typedef struct WasmDataSegment {
    WasmSegmentMode mode; /* ACTIVE or PASSIVE */
    uint32_t memory_index;
    WasmConstExpr offset; /* active */
    WasmSlice bytes;
} WasmDataSegment;

typedef struct WasmCustom {
    WasmSlice name;
    WasmSlice bytes;   /* without the name */
    uint64_t offset;
    uint8_t after_section; /* id of the last non-custom section before it */
} WasmCustom;

typedef struct WasmModule {
    WasmSlice bytes; /* the whole module, borrowed */
    uint32_t type_count;
    const WasmFuncType *types;
    uint32_t import_count;
    const WasmImport *imports;
    uint32_t func_count, imported_func_count;
    const WasmFunc *funcs;
    uint32_t table_count, imported_table_count;
    const WasmTable *tables;
    uint32_t memory_count, imported_memory_count;
    const WasmMemory *memories;
    uint32_t global_count, imported_global_count;
    const WasmGlobal *globals;
    uint32_t tag_count, imported_tag_count;
    const WasmTag *tags;
    uint32_t export_count;
    const WasmExport *exports;
    bool has_start;
    uint32_t start_func;
    uint32_t elem_count;
    const WasmElemSegment *elems;
    bool has_data_count;
    uint32_t data_count;
    const WasmDataSegment *datas;
    uint32_t custom_count;
    const WasmCustom *customs;
    uint64_t code_section_offset; /* byte offset of the code section's contents; trap reports add body offsets */
} WasmModule;

/* Proposals beyond WebAssembly 2.0 that validation accepts; reading always recognises them so that errors can name them. */
typedef struct WasmFeatures {
    bool tail_call;
    bool extended_const; /* also 3.0's rule that global.get may name any immutable global before, not only imported ones */
    bool threads;
    bool legacy_exceptions;
    bool exnref;
    bool multi_memory;
    bool memory64;
    bool relaxed_simd;
    bool table_init; /* 3.0: a table with an initialiser expression */
    bool function_references; /* typed function references: (ref null? ht), call_ref, locals without a default */
    bool custom_page_sizes;
    bool wide_arithmetic;
} WasmFeatures;

#define WASM_FEATURES_ALL                                                                                                     \
    ((WasmFeatures){.tail_call = true, .extended_const = true, .threads = true, .legacy_exceptions = true, .exnref = true,    \
                    .multi_memory = true, .memory64 = true, .relaxed_simd = true, .table_init = true, .function_references = true, \
                    .custom_page_sizes = true, .wide_arithmetic = true})
/* What a megabinary may use today: everything the compiler generates code for. */
#define WASM_FEATURES_DEFAULT ((WasmFeatures){.tail_call = true, .extended_const = true, .threads = true, \
                                              .legacy_exceptions = true, .exnref = true, .multi_memory = true, \
                                              .memory64 = true, .relaxed_simd = true, .custom_page_sizes = true, \
                                              .wide_arithmetic = true, .table_init = true, .function_references = true})

/*
 * wasm_module_read() - decode the binary format (wasm core 5): sections, LEB128, limits, UTF-8, counts; not types.
 * @bytes/@size: borrowed for the life of the module.
 * Return: 0; -EBADMSG malformed (err: section name and byte offset; message ends with the spec suite's wording where
 *         it has one, e.g. "unexpected end", "integer representation too long"); -ENOTSUP a known proposal not taken
 *         (GC, component model), by name; -E2BIG over limits.h; -ENOMEM.
 */
int wasm_module_read(const uint8_t *bytes, size_t size, Arena *arena, const WasmModule **ret_module, Error *err) WARN_UNUSED;

/*
 * wasm_module_validate() - wasm core 3 and appendix A: indices, types, constant expressions, every function body.
 * Return: 0; -EBADMSG malformed body; -EINVAL invalid (err says "type mismatch", "unknown local", ... and the byte offset);
 *         -ENOTSUP uses a feature that is off, by name.
 */
int wasm_module_validate(const WasmModule *module, const WasmFeatures *features, Error *err) WARN_UNUSED;

/* The export of that name and kind. Return: its index or UINT32_MAX. */
uint32_t wasm_module_export(const WasmModule *module, const char *name, WasmExternKind kind);
/* Debug name of a function from the "name" custom section (parsed on first use into the arena by wasm_names_read). */
typedef struct WasmNames {
    uint32_t func_count;
    const WasmSlice *funcs; /* func_count slices, size 0 when unnamed */
    WasmSlice module;
} WasmNames;
/* A malformed name section is not an error: what could be read is there. Return: 0 or -ENOMEM. */
int wasm_names_read(const WasmModule *module, Arena *arena, WasmNames *ret_names) WARN_UNUSED;

/* Branch hints of the custom section metadata.code.branch_hint, in the order of functions and offsets. */
typedef struct WasmHint {
    uint32_t func_index;
    uint32_t offset; /* of an if or br_if in the function's body */
    bool is_likely;
} WasmHint;
typedef struct WasmHints {
    uint32_t count;
    const WasmHint *hints;
} WasmHints;
/*
 * wasm_hints_read() - Pre: the module is valid. No section: no hints.
 * Return: 0; -EBADMSG something is wrong in the section, and none of it is used; -ENOMEM. *ret_hints is written in any case.
 */
int wasm_hints_read(const WasmModule *module, Arena *arena, WasmHints *ret_hints, Error *err) WARN_UNUSED;

#define WASM_PAGE_LOG2 16u /* a page of a memory that does not say otherwise */
static inline uint32_t wasm_page_log2(const WasmLimits *limits)
{
    return limits->has_page_size ? limits->page_size_log2 : WASM_PAGE_LOG2;
}

static inline const WasmFuncType *wasm_func_type(const WasmModule *module, uint32_t func_index)
{
    return &module->types[module->funcs[func_index].type_index];
}
/*
 * Are the types of a module those of 2.0 (and exnref), each a group of its own? Bodies are not looked at. Linker and adapter take no
 * other modules: types that name types would have to be renumbered, and found equal across programs.
 */
bool wasm_module_has_plain_types(const WasmModule *module);
/* Equal parameters and results, type indices in them compared as numbers. */
bool wasm_func_type_equals(const WasmFuncType *a, const WasmFuncType *b);

/*
 * wasm_signatures_make() - a text for each type of a valid module that is the same in any module exactly for equal types (iso-recursive,
 * wasm core 3.1.3): parameters, ':', results; i=i32 I=i64 f=f32 F=f64 v=v128 r=funcref e=externref x=exnref; other references in braces.
 * Return: 0 or -ENOMEM.
 */
int wasm_signatures_make(const WasmModule *module, Arena *arena, const char ***ret_texts, Error *err) WARN_UNUSED;
/* The text of one value type, in the same language, into text (WASM_TYPE_TEXT_SIZE). @signatures: of wasm_signatures_make(). */
#define WASM_TYPE_TEXT_SIZE 40
int wasm_type_text(WasmValType type, const char *const *signatures, char *text) WARN_UNUSED;
/* For each type the lowest index of an equal type. */
int wasm_types_canonical(const WasmModule *module, Arena *arena, uint32_t **ret_canonical, Error *err) WARN_UNUSED;
