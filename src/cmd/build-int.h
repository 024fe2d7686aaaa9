/* SPDX-License-Identifier: Apache-2.0 */
/*
 * build-int.h - shared by verb-build.c (the flow), build-recipe.c (what is asked for) and build-scan.c (what the tree has).
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/file.h"
#include "base/hash.h"
#include "cmd/cmd.h"
#include "wasm/adapt.h"
#include "wasm/link.h"

#define BUILD_ARENA_SIZE (4ull << 30)

/* Are indirect calls of a module adapted (wasm/adapt.h)? */
typedef enum BuildAdapt { BUILD_ADAPT_AUTO, BUILD_ADAPT_YES, BUILD_ADAPT_NO } BuildAdapt;

/* One mapping asked for: PATH of the image is the program of this module. */
typedef struct BuildMapping {
    const char *path;        /* absolute in the image */
    const char *module_path; /* on the host */
    uint32_t flags;          /* ManifestFlag */
    const char *const *applets;
    size_t applet_count;
    BuildAdapt adapt;
    bool is_used;            /* the path was there, or is created */
} BuildMapping;

/* A file of source without a #! line of its own that an interpreter may take code from. */
typedef struct BuildSource {
    const char *path;        /* absolute in the image */
    const char *interpreter; /* absolute in the image */
} BuildSource;

typedef struct BuildRequest {
    Arena *arena;
    const char *from; /* NULL: empty root */
    const char *out;
    const char *name;
    uint64_t serial;
    const char *created; /* RFC 3339 UTC */
    int64_t created_time;
    const char *expires; /* or NULL */
    BuildMapping *mappings;
    size_t mapping_count;
    size_t mapping_capacity;
    BuildSource *sources;
    size_t source_count;
    const char *tools_json;
    const char *limits_json;
    const char *keys[LIMIT_SIGNATURES];
    size_t key_count;
} BuildRequest;

typedef struct BuildModule { /* one module file, by its bytes */
    Digest digest;
    FileMap map;
    BuildAdapt adapt;   /* as asked for: the same bytes may be there adapted and not */
    uint8_t *adapted;   /* owned: the module's bytes with adapted calls; NULL: as they are */
    AdaptStats adapt_stats;
    const WasmModule *module;
    const char *entry;
} BuildModule;

typedef struct BuildProgram { /* one file content that is a program */
    Digest digest;
    uint64_t size;
    size_t module_index;
    uint32_t flags;
    const char *const *applets;
    size_t applet_count;
    const char **paths; /* arena */
    size_t path_count;
    size_t path_capacity;
} BuildProgram;

typedef struct BuildScript {
    Digest digest;
    uint64_t size;
    const char *interpreter;
    const char **paths;
    size_t path_count;
    size_t path_capacity;
} BuildScript;

typedef struct BuildState {
    Arena *arena;
    BuildRequest *request;
    const char *root_path; /* tree of --from; an empty directory without it */
    const char *top_path;  /* what is added */
    BuildModule *modules;
    size_t module_count, module_capacity;
    BuildProgram *programs;
    size_t program_count, program_capacity;
    BuildScript *scripts;
    size_t script_count, script_capacity;
    size_t denied_count;   /* ELF files without a module */
    json_t *warnings;
} BuildState;

/* build_path_check() - can a program be at this path of the image? */
int build_path_check(const char *path, Error *err) WARN_UNUSED;
int build_mapping_add(BuildRequest *request, const char *path, const char *module_path, BuildMapping **ret_mapping, Error *err) WARN_UNUSED;
/* build_recipe_read() - FILE's keys over what the command line left open. Paths in it are relative to its directory. */
int build_recipe_read(BuildRequest *request, const char *file, Error *err) WARN_UNUSED;
/* build_scan() - walks root_path: fills programs, scripts, warnings; creates in top_path what a mapping names and the tree lacks. */
int build_scan(BuildState *state, Error *err) WARN_UNUSED;
void build_warn(BuildState *state, const char *path, const char *text);
