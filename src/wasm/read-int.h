/* SPDX-License-Identifier: Apache-2.0 */
/*
 * read-int.h - what the two halves of the reader share: read.c (module, sections of declarations) and
 * read-segments.c (elements, code, data: the sections that carry contents).
 */
#pragma once

#include "base/arena.h"
#include "base/limits.h"
#include "wasm/bytes-int.h"
#include "wasm/module.h"

typedef union ImportDesc { /* by kind of the import */
    uint32_t type_index;   /* function, tag */
    WasmTable table;
    WasmMemory memory;
    WasmGlobal global;
} ImportDesc;

typedef struct Reader {
    WasmBytes bytes;          /* of the whole module; end is that of the current section */
    Arena *arena;
    WasmModule *module;       /* being built */
    WasmFunc *funcs;          /* module->funcs while bodies are still to come */
    ImportDesc *import_descs; /* import_count of them */
    uint32_t custom_capacity;
    uint32_t type_capacity;
    uint8_t last_section;     /* id of the last non-custom section */
    bool has_space[_WASM_EXTERN_N];
    bool has_code;
    WasmValType type_buffer[LIMIT_PARAMS + LIMIT_RESULTS]; /* of the function type being read */
} Reader;

/* raise -ENOMEM */
int wasm_reader_no_memory(const Reader *reader);
/* A vector's count: at most limit, and count * item_size must fit into the bytes that are left. */
int wasm_reader_count(const Reader *reader, size_t *position, uint32_t limit, uint32_t item_size, const char *what,
                      uint32_t *ret_count) WARN_UNUSED;
/* expr: up to its end opcode, every instruction decoded. */
int wasm_reader_expr(const Reader *reader, size_t *position, WasmConstExpr *ret_expr) WARN_UNUSED;

int wasm_reader_elements(Reader *reader, size_t *position) WARN_UNUSED;
int wasm_reader_codes(Reader *reader, size_t *position) WARN_UNUSED;
int wasm_reader_datas(Reader *reader, size_t *position) WARN_UNUSED;
int wasm_reader_data_count(Reader *reader, size_t *position) WARN_UNUSED;
