/* SPDX-License-Identifier: Apache-2.0 */
/*
 * link-int.h - what the files of the linker share. Never included outside link*.c.
 *
 * A link goes through these steps; each has one file:
 *
 *     link.c         check inputs, ABI, name the entries          Linker, LinkProgram
 *     link-const.c   evaluate every constant expression           LinkConst
 *     link-scan.c    walk what each program reaches; rewrite      LinkFunc, Linker.code, Linker.edges
 *                    bodies to merged indices
 *     link-merge.c   give types, imports, globals, tags and       LinkIndex and the arrays it points into
 *                    segments their merged index on first use
 *     link-fold.c    equal functions -> one class                 LinkFunc.class_index
 *     link-emit.c    number the classes, write sections           class_func
 *     link-names.c   the name section
 *     link-lines.c   source lines of programs that have DWARF
 *     link-entries.c what each program starts with                Linker.entries
 *
 * Every function of every input is a *node*, numbered program after program. A rewritten body (its *code*) has final
 * indices everywhere except for function operands, which are left out: the operand of the k-th call is edge k of the
 * node. Two bodies are equal exactly when their codes are equal bytes and their edges lead to equal functions.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"
#include "wasm/entries.h"
#include "wasm/link.h"
#include "wasm/module.h"

#define LINK_NONE UINT32_MAX
#define LINK_ARENA_SIZE ((size_t)32 << 30) /* address space bound, not use: use is linear in the inputs' size */
#define LINK_CODE_SIZE ((size_t)8 << 30)   /* rewritten bodies of all inputs */
#define LINK_INPUT_FUNCTIONS (64u << 20)   /* nodes */
#define LINK_PAGE_SIZE 65536u
#define LINK_PAGES_MAXIMUM 65536u          /* 4 GiB: a 32-bit memory without a maximum */
#define LINK_CONST_DEPTH 64u               /* operands of one constant expression waiting on its stack [guess] */

typedef struct LinkConst {
    WasmValType type;
    uint64_t value[2]; /* as EntryGlobal.value; a function reference is the input's function index + 1 */
} LinkConst;

typedef struct LinkFunc { /* one node */
    size_t code_offset;   /* in Linker.code */
    uint32_t code_size;
    uint32_t type;        /* merged type */
    uint32_t import;      /* merged import, LINK_NONE for a defined function */
    uint32_t first_edge;
    uint32_t edge_count;
    uint32_t class_index; /* link_fold(): LINK_NONE when not reached */
    uint32_t program;
    bool is_reached;
    bool is_taken;        /* its reference is stored in a table, a global or made by ref.func */
    bool is_declared;     /* operand of a ref.func: must occur in a declarative segment */
} LinkFunc;

typedef struct LinkEdge {
    uint32_t position; /* byte offset in the code where the operand belongs */
    uint32_t target;   /* node */
} LinkEdge;

typedef struct LinkImport {
    WasmSlice module;
    WasmSlice name;
    uint32_t type;
} LinkImport;

typedef struct LinkSlot { /* a merged global or tag: the ordinal-th of its type in each program */
    uint32_t type;        /* globals: value type; tags: merged type */
    uint32_t ordinal;
} LinkSlot;

typedef struct LinkData {
    WasmSlice bytes;
    uint32_t last_user; /* the last program that uses it as a passive segment: it must not get it twice */
} LinkData;

typedef struct LinkElem { /* a merged element segment */
    WasmValType type;
    uint32_t count;
    const uint32_t *items; /* node + 1, 0 = null; link_emit() turns nodes into merged function indices */
} LinkElem;

typedef struct LinkIndex { /* hash -> candidates for an id; open addressing, filled up to half */
    uint64_t *hashes;
    uint32_t *ids; /* LINK_NONE: free */
    size_t mask;
} LinkIndex;

typedef struct LinkProgram {
    const char *name;
    const WasmModule *module;
    EntryAbi abi;
    uint32_t index;
    uint32_t node_base;
    uint32_t start_func; /* function indices of the input; LINK_NONE when there is none */
    uint32_t init_func;
    uint32_t thread_func;
    LinkConst *globals;      /* value of each global at the start */
    uint32_t *global_orders; /* mutable ones: ordinal among those of equal type */
    uint32_t *global_slots;  /* merged index, LINK_NONE until used; likewise below */
    uint32_t *tag_orders;
    uint32_t *tags;
    uint32_t *types;
    uint32_t *datas;
    uint32_t *elems;
    const uint32_t **elem_items; /* by element segment: node + 1, 0 = null; NULL for segments that nothing uses */
} LinkProgram;

typedef struct Linker {
    Arena arena;
    Error *err;
    LinkProgram *programs;
    uint32_t program_count;
    LinkFunc *funcs; /* nodes */
    uint32_t func_count;
    uint64_t input_size;

    Buf code;  /* rewritten bodies */
    Buf edges; /* LinkEdge */
    Buf queue; /* nodes to scan, uint32_t */

    const WasmFuncType **types;
    uint32_t type_count;
    LinkIndex type_index;
    LinkImport *imports;
    uint32_t import_count;
    LinkIndex import_index;
    LinkSlot *globals;
    uint32_t global_count;
    LinkIndex global_index;
    LinkSlot *tags;
    uint32_t tag_count;
    LinkIndex tag_index;
    LinkData *datas;
    uint32_t data_count;
    LinkIndex data_index;
    LinkElem *elems;
    uint32_t elem_count;
    LinkIndex elem_index;

    uint32_t class_count; /* classes of reached functions, imports included */
    uint32_t *class_leader; /* class -> lowest node */
    uint32_t *class_func;   /* class -> merged function index */
    bool *class_is_shared;  /* class -> used by more than one program */
    uint32_t defined_count; /* merged functions that are neither imports nor stubs */
    uint32_t *defined_leader; /* merged function - import_count -> node */

    MegaEntries entries;
    uint64_t folded_size;
} Linker;

/* --- link-const.c --- */
/* Evaluate with the globals before global_count known. */
int link_const_eval(Linker *linker, const LinkProgram *program, WasmConstExpr expr, uint32_t global_count, LinkConst *ret_value) WARN_UNUSED;

/* --- link-merge.c --- */
int link_merge_init(Linker *linker) WARN_UNUSED;
/* Merged index for an index of the program, given on first use. All fail with -ENOMEM or -E2BIG only. */
int link_type_add(Linker *linker, const WasmFuncType *type, uint32_t *ret_index) WARN_UNUSED;
int link_type(Linker *linker, LinkProgram *program, uint32_t type_index, uint32_t *ret_index) WARN_UNUSED;
int link_import(Linker *linker, LinkProgram *program, uint32_t func_index, uint32_t *ret_index) WARN_UNUSED;
int link_global(Linker *linker, LinkProgram *program, uint32_t global_index, uint32_t *ret_index) WARN_UNUSED;
int link_tag(Linker *linker, LinkProgram *program, uint32_t tag_index, uint32_t *ret_index) WARN_UNUSED;
/* What memory.init and data.drop of that segment mean in the megabinary. */
int link_data_operand(Linker *linker, LinkProgram *program, uint32_t data_index, uint32_t *ret_index) WARN_UNUSED;
/* The passive segment with these bytes, for the stub. */
int link_data_active(Linker *linker, WasmSlice bytes, uint32_t *ret_index) WARN_UNUSED;
/* The passive segment with these items (final function indices + 1), for the stub. */
int link_elem_active(Linker *linker, WasmValType type, const uint32_t *items, uint32_t count, uint32_t *ret_index) WARN_UNUSED;
/* A segment of its own, for table.init and elem.drop. */
int link_elem_add(Linker *linker, WasmValType type, const uint32_t *items, uint32_t count, uint32_t *ret_index) WARN_UNUSED;
uint64_t link_hash(const void *bytes, size_t size, uint64_t seed);

/* --- link-scan.c --- */
/* Everything reachable of a program: fills LinkFunc of its nodes, appends code and edges. */
int link_scan(Linker *linker, LinkProgram *program) WARN_UNUSED;

/* --- link-fold.c --- */
int link_fold(Linker *linker) WARN_UNUSED;

/* --- link-entries.c: Pre: functions have their merged index. --- */
int link_entries_fill(Linker *linker) WARN_UNUSED;

/* --- link-emit.c, link-names.c, link-lines.c --- */
int link_classes_number(Linker *linker) WARN_UNUSED;
int link_emit(Linker *linker, Buf *out) WARN_UNUSED;
int link_names_write(Linker *linker, Buf *out) WARN_UNUSED;
/* The megabinary so far begins at start in out. */
int link_lines_write(Linker *linker, size_t start, Buf *out) WARN_UNUSED;
void link_section_write(Buf *out, uint8_t id, const Buf *contents);

static inline const LinkEdge *link_edges(const Linker *linker, const LinkFunc *func)
{
    return (const LinkEdge *)(const void *)linker->edges.bytes + func->first_edge;
}

/* The function index of a node in the megabinary. Pre: link_classes_number() and the node is reached. */
static inline uint32_t link_func_index(const Linker *linker, uint32_t node)
{
    return linker->class_func[linker->funcs[node].class_index];
}
