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

/* A value type. The low 8 bits are the byte of the binary format (5.3); the upper 24 are kept for type indices. */
typedef uint32_t WasmValType;
#define WASM_I32 0x7fu
#define WASM_I64 0x7eu
#define WASM_F32 0x7du
#define WASM_F64 0x7cu
#define WASM_V128 0x7bu
#define WASM_FUNCREF 0x70u
#define WASM_EXTERNREF 0x6fu
#define WASM_EXNREF 0x69u

typedef struct WasmSlice { /* bytes of the module, borrowed */
    const uint8_t *bytes;
    size_t size;
} WasmSlice;

typedef struct WasmFuncType {
    uint32_t param_count;
    uint32_t result_count;
    const WasmValType *types; /* params, then results */
} WasmFuncType;

typedef struct WasmLimits {
    uint64_t minimum;
    uint64_t maximum; /* UINT64_MAX when !has_maximum */
    bool has_maximum;
    bool is_shared;
    bool is_64;
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
    WasmLimits limits; /* in pages of 64 KiB */
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
} WasmFeatures;

#define WASM_FEATURES_ALL \
    ((WasmFeatures){true, true, true, true, true, true, true, true, true})
/* What a megabinary may use today: everything the compiler generates code for. */
#define WASM_FEATURES_DEFAULT ((WasmFeatures){.tail_call = true, .extended_const = true, .threads = true, \
                                              .legacy_exceptions = true, .exnref = true})

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

static inline const WasmFuncType *wasm_func_type(const WasmModule *module, uint32_t func_index)
{
    return &module->types[module->funcs[func_index].type_index];
}
bool wasm_func_type_equals(const WasmFuncType *a, const WasmFuncType *b);
