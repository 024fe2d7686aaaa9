/* SPDX-License-Identifier: Apache-2.0 */
/*
 * spec.h - what the files of the spec runner share.
 *
 *   spec-runner.c   commands of one .json (made from a .wast by wast.py, or by wabt's wast2json)
 *   spec-module.c   compile, link and instantiate modules; the spectest host module; references between instances
 *   spec-value.c    arguments and expected results
 *   spec-thunk.S    a pool of thunks: calls into another instance need its RtInstance as first argument
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/error.h"
#include "rt/rt.h"
#include "wasm/module.h"

typedef struct SpecModule {
    Arena arena;
    uint8_t *bytes;
    size_t size;
    const WasmModule *module;
    const char **signatures; /* wasm_signatures_make() */
    RtLoaded *loaded;
    RtInstance *instance;
    uint32_t next_import; /* while instantiating */
    bool is_kept;         /* named or registered: later commands may use it */
} SpecModule;

/* Something that can be imported. */
typedef struct SpecExtern {
    WasmExternKind kind;
    const char *signature; /* functions, tags */
    void *tag;
    const void *code;      /* functions: what to put into the import slot */
    RtTable *table;
    RtMemory *memory;
    RtGlobal *global;
    char type[WASM_TYPE_TEXT_SIZE]; /* globals, tables: wasm_type_text() */
    WasmValType value_type; /* globals: of their module */
    bool is_mutable;
    WasmLimits limits;     /* tables, memories: now */
} SpecExtern;

typedef enum SpecStage { SPEC_READ, SPEC_VALIDATE, SPEC_LINK, SPEC_COMPILE, SPEC_INSTANTIATE, SPEC_DONE } SpecStage;

/* spec_module_new() - up to SPEC_DONE or where it stopped. *ret_trap: when instantiation trapped. */
SpecStage spec_module_new(const char *path, SpecModule **ret_module, RtTrap *ret_trap, Error *err);
/* spec_module_check() - only read and validate. Return: SPEC_DONE or where it stopped. */
SpecStage spec_module_check(const char *path, Error *err);
/* spec_module_hints() - is a valid module's section of branch hints refused? */
bool spec_module_hints_refused(const char *path, Error *err);
/* spec_export() - find an export of a module. Return: false when there is none. */
bool spec_export(SpecModule *from, const char *name, size_t name_size, SpecExtern *ret_extern);
/* spec_register() - make a module importable by name. */
void spec_register(const char *name, size_t name_size, SpecModule *module);
/* spec_invoke() - call an exported function. Return: NULL, or why not. */
const char *spec_invoke(SpecModule *module, const char *name, size_t name_size, const RtValue *args, RtValue *results, RtTrap *ret_trap);
typedef struct SpecOptions {
    const char *work_dir, *cpu;
    int opt_level;
    bool has_proposals;
    bool is_base_fixed; /* memory at RT_MEMORY_BASE_DEFAULT, as programs have it, wherever the place is free; else base 0 */
} SpecOptions;
void spec_modules_init(const SpecOptions *options);
/* spec_fixed_count() - how many modules had their memory at the fixed base. */
uint32_t spec_fixed_count(void);

/* spec_value_read() - an argument. Return: false when its type is not known. */
bool spec_value_read(json_t *json, RtValue *ret_value);
/* spec_value_check() - is value what is expected? Writes words for the failure. */
bool spec_value_check(json_t *expected, const RtValue *value, char *text, size_t text_size);

#define SPEC_THUNKS 16384
typedef struct SpecThunkTarget { /* ORDER: spec-thunk.S */
    RtInstance *instance;
    const void *code;
} SpecThunkTarget;
extern SpecThunkTarget spec_thunk_targets[SPEC_THUNKS];
extern const uint8_t spec_thunks_first[];  /* 16 bytes each: instance in rdi */
extern const uint8_t spec_thunks_second[]; /* instance in rsi: results returned in memory */
