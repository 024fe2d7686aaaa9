/* SPDX-License-Identifier: Apache-2.0 */
/*
 * manifest.h - manifest.json: parsed strictly, then compiled to a flat read-only index (interfaces.md section 2).
 *
 * Nothing here is called on bytes whose signature was not verified first, except by `inspect --no-verify` and fuzzers.
 * The index is one contiguous block (doc/formats/manifest.md) that is valid when copied, mapped from the cache, or inherited by
 * fork; look-ups are binary searches and take no lock and no allocation.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/hash.h"

#define MANIFEST_MEDIA_TYPE "application/vnd.recompiler.manifest.v1+json"
#define MANIFEST_DIR "/.recompiler"

typedef enum ManifestFlag {
    MANIFEST_INTERPRETER = 1u << 0, /* asks the gate before it takes code from a file */
    MANIFEST_DENY_INLINE = 1u << 1,
    MANIFEST_WARM = 1u << 3,        /* `prepare` proves that it can be a snapshot (doc/snapshots.md) */
    MANIFEST_SCRIPT = 1u << 2,      /* a row of "scripts": interpreter instead of entry */
} ManifestFlag;

/* One permitted file. Strings point into the index. */
typedef struct ManifestRow {
    Digest digest;
    uint64_t size;
    const char *entry;        /* programs: entry name in the megabinary; scripts: NULL */
    const char *abi;          /* programs: "wasi", "wali"; scripts: NULL */
    const char *interpreter;  /* scripts: absolute path */
    uint32_t flags;
    uint32_t path_count;
} ManifestRow;

typedef struct ManifestLimits { /* 0: not given */
    uint64_t memory_size;
    uint64_t pids_count;
    uint64_t timeout_ms;
    uint64_t open_files_count;
    uint64_t output_size;
} ManifestLimits;

typedef struct Manifest Manifest; /* opaque: the index */

/*
 * manifest_parse() - exact bytes of manifest.json. Return: 0; -EBADMSG (err: JSON pointer of the place and why); -E2BIG; -ENOMEM.
 */
int manifest_parse(const char *bytes, size_t size, Manifest **ret_manifest, Error *err) WARN_UNUSED;
Manifest *manifest_free(Manifest *manifest);
void manifest_freep(Manifest **manifest);
/* The flat index of a parsed manifest, for the cache; and back: every offset in it is checked (-EBADMSG). bytes is borrowed by the manifest. */
void manifest_index(const Manifest *manifest, const uint8_t **ret_bytes, size_t *ret_size);
int manifest_from_index(const uint8_t *bytes, size_t size, Manifest **ret_manifest, Error *err) WARN_UNUSED;

const char *manifest_name(const Manifest *manifest);
uint64_t manifest_serial(const Manifest *manifest);
const char *manifest_created(const Manifest *manifest);
int64_t manifest_created_time(const Manifest *manifest);  /* seconds since 1970 */
int64_t manifest_expires_time(const Manifest *manifest);  /* INT64_MAX: never */
const Digest *manifest_digest(const Manifest *manifest);  /* of manifest.json */
const char *manifest_megabinary_path(const Manifest *manifest);
const Digest *manifest_megabinary_digest(const Manifest *manifest);
uint64_t manifest_megabinary_size(const Manifest *manifest);
void manifest_limits(const Manifest *manifest, ManifestLimits *ret_limits);
size_t manifest_row_count(const Manifest *manifest); /* programs and scripts, sorted by digest */
void manifest_row(const Manifest *manifest, size_t index, ManifestRow *ret_row);
const char *manifest_row_path(const Manifest *manifest, size_t row_index, uint32_t path_index);
const char *manifest_row_applet(const Manifest *manifest, size_t row_index, uint32_t applet_index); /* NULL past the end */
size_t manifest_tool_count(const Manifest *manifest);
const char *manifest_tools_json(const Manifest *manifest); /* the "tools" array as compact JSON text, "[]" when absent */
/* manifest_find() - by digest. Return: row index or -1. Cost: < 1 us, no allocation. */
int64_t manifest_find(const Manifest *manifest, const Digest *digest);
/* manifest_has_size() - is any file of that size permitted? A size nobody lists is a miss without reading. */
bool manifest_has_size(const Manifest *manifest, uint64_t size);

/* What the builder hands over to have the JSON written (sorted, stable). */
typedef struct ManifestProgramSpec {
    Digest digest;
    uint64_t size;
    const char *entry;
    const char *abi;
    const char *const *paths; size_t path_count;
    const char *const *applets; size_t applet_count;
    uint32_t flags;
} ManifestProgramSpec;
typedef struct ManifestScriptSpec {
    Digest digest;
    uint64_t size;
    const char *interpreter;
    const char *const *paths; size_t path_count;
} ManifestScriptSpec;
typedef struct ManifestSpec {
    const char *name;
    uint64_t serial;
    const char *created; /* RFC 3339 UTC */
    const char *expires; /* or NULL */
    Digest megabinary_digest;
    uint64_t megabinary_size;
    const ManifestProgramSpec *programs; size_t program_count;
    const ManifestScriptSpec *scripts; size_t script_count;
    const char *tools_json;  /* array text or NULL */
    const char *limits_json; /* object text or NULL */
} ManifestSpec;
/* manifest_write() - append the JSON text; it parses with manifest_parse() or the call fails. */
int manifest_write(const ManifestSpec *spec, Buf *buf, Error *err) WARN_UNUSED;
