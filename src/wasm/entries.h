/* SPDX-License-Identifier: Apache-2.0 */
/*
 * entries.h - the custom section "recompiler.entries": what each entry of a megabinary starts with.
 *
 * It lets the compiler bake memory and table images instead of running start stubs. Byte layout and the
 * "valid if and only if" rule: doc/formats/megabinary.md. A reader never trusts it: every index, offset and
 * type is checked against the module here.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/error.h"
#include "wasm/module.h"

#define ENTRIES_SECTION_NAME "recompiler.entries"
#define ENTRIES_VERSION 1u
/* Stubs set the slots of segments up to this size one by one (ref.func, table.set) and larger ones by table.init: binaryen
 * up to version 108, which is Debian 12's, does not know table.init. */
#define ENTRY_STUB_ITEMS 16384u

typedef enum EntryAbi { ENTRY_ABI_WASI = 1, ENTRY_ABI_WALI = 2 } EntryAbi; /* open set: a reader refuses what it does not know */

/* "wasi", "wali": as in the manifest. Return: "" for anything else. */
const char *entries_abi_name(uint32_t abi);

typedef struct EntryGlobal { /* one slot to set before the program starts */
    uint32_t global_index;
    uint64_t value[2];       /* i32/f32 in the low 32 bits; v128 uses both; references: 0 = null, else function index + 1 */
} EntryGlobal;

typedef struct EntryData { /* copy all of passive segment data_index to address */
    uint32_t data_index;
    uint64_t address;
} EntryData;

typedef struct EntryElem { /* copy all of passive element segment elem_index to table slots from slot on */
    uint32_t elem_index;
    uint32_t slot;
} EntryElem;

typedef struct MegaEntry {
    const char *name;        /* NUL-terminated, in the arena */
    EntryAbi abi;
    uint32_t stub_func;      /* exported as "entry:<name>" */
    uint32_t start_func;     /* the program's "_start" after linking */
    uint32_t init_func;      /* the module's start section function, UINT32_MAX when none: called first */
    uint32_t thread_func;    /* what a spawned thread runs, (i32 id, i32 argument) -> (), exported as "thread:<name>"; UINT32_MAX when none */
    uint64_t memory_minimum; /* pages of 64 KiB */
    uint64_t memory_maximum;
    bool is_memory_shared;
    uint32_t table_size;     /* slots */
    uint32_t global_count;
    const EntryGlobal *globals;
    uint32_t data_count;
    const EntryData *datas;
    uint32_t elem_count;
    const EntryElem *elems;
} MegaEntry;

typedef struct MegaEntries {
    uint32_t count;
    const MegaEntry *entries; /* sorted by name, unique */
} MegaEntries;

/*
 * entries_read() - find, parse and check the section, start stubs included: what it says is what the module does.
 * Return: 0; -ENODATA no such section; -EBADMSG malformed or not true of the module; -ENOMEM.
 */
int entries_read(const WasmModule *module, Arena *arena, MegaEntries *ret_entries, Error *err) WARN_UNUSED;
/* entries_write() - append the section's contents (without the custom section's header). */
void entries_write(const MegaEntries *entries, Buf *buf);
/* entries_find() - by name. Return: the entry or NULL. */
const MegaEntry *entries_find(const MegaEntries *entries, const char *name);

/* entries_name_is_valid() - 1..255 bytes of [A-Za-z0-9._/+-]. */
bool entries_name_is_valid(const char *name, size_t size);

/* What a start stub depends on besides its entry. */
typedef struct EntryStubContext {
    const WasmValType *global_types; /* by global index */
    const uint64_t *data_sizes;      /* by data segment */
    const uint32_t *elem_counts;     /* by element segment */
    const uint32_t *const *elem_items; /* by element segment: function index + 1, 0 = null; only for segments of entries */
} EntryStubContext;

/* entries_stub_write() - append the body (without its size) of the start stub: one entry has exactly one possible stub. */
void entries_stub_write(const MegaEntry *entry, const EntryStubContext *context, Buf *buf);
/* entries_const_write() - append the instruction that pushes a constant; a reference's value is 0 or function index + 1. */
void entries_const_write(WasmValType type, const uint64_t value[2], Buf *buf);
