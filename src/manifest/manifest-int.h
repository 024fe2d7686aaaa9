/* SPDX-License-Identifier: Apache-2.0 */
/*
 * manifest-int.h - the flat index of a manifest, shared by manifest.c (reads), manifest-parse.c (builds).
 *
 *   | header 224 | digests 32 x rows | rows 40 x rows | sizes 8 x n | lists 4 x n | strings, ends in NUL |
 *
 * Numbers are little-endian; doc/formats/manifest.md has the offsets and the "valid if and only if" rule that
 * manifest_from_index() checks. A string reference is an offset into the strings; 0 is the empty string and means
 * "none".
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/hash.h"
#include "manifest/manifest.h"

#define INDEX_MAGIC "RCMIDX\x01\n"
#define INDEX_CHECKSUM_START 40u /* the checksum covers the bytes from here to the end */
#define MANIFEST_NAME_MAX 255u
#define MANIFEST_ENTRY_MAX 1024u

typedef struct IndexHeader {
    char magic[8];
    uint8_t checksum[DIGEST_SIZE]; /* SHA-256 of the bytes from INDEX_CHECKSUM_START to total_size */
    uint64_t total_size;
    uint8_t manifest_digest[DIGEST_SIZE];
    uint8_t megabinary_digest[DIGEST_SIZE];
    uint64_t megabinary_size;
    uint64_t serial;
    int64_t created_time;
    int64_t expires_time; /* INT64_MAX: never */
    uint64_t limits[5];   /* memory, pids, timeout_ms, open_files, output_bytes; 0: not given */
    uint32_t name;        /* string references */
    uint32_t created;
    uint32_t megabinary_path;
    uint32_t tools; /* compact JSON array */
    uint32_t tool_count;
    uint32_t row_count;
    uint32_t size_count;
    uint32_t list_count;
    uint32_t string_size; /* bytes of the string area */
    uint32_t reserved;    /* 0 */
} IndexHeader;

typedef struct IndexRow {
    uint64_t size;
    uint32_t entry; /* string references */
    uint32_t abi;
    uint32_t interpreter;
    uint32_t flags;
    uint32_t path_start; /* index into lists */
    uint32_t path_count;
    uint32_t applet_start;
    uint32_t applet_count;
} IndexRow;

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the index is written as it lies in memory");
_Static_assert(offsetof(IndexHeader, total_size) == INDEX_CHECKSUM_START,
               "the checksum covers everything after itself");
_Static_assert(sizeof(IndexHeader) == 224, "doc/formats/manifest.md");
_Static_assert(sizeof(IndexRow) == 40, "doc/formats/manifest.md");

struct Manifest {
    const uint8_t *bytes; /* the index; owned when `owned` is set, else borrowed */
    size_t size;
    uint8_t *owned;
    IndexHeader header; /* a copy, aligned */
    const uint8_t *digests;
    const uint8_t *rows;
    const uint8_t *sizes;
    const uint8_t *lists;
    const char *strings;
};

/* Text rules of both directions. */
bool manifest_name_is_valid(const char *name);      /* 1..255 of [A-Za-z0-9._/:@+-], begins with a letter or digit */
bool manifest_entry_is_valid(const char *entry);    /* 1..1024 printable ASCII without space, '"' and '\' */
bool manifest_applet_is_valid(const char *applet);  /* 1..64 of [A-Za-z0-9._+-[] */
bool manifest_path_is_valid(const char *path);      /* absolute, clean, < LIMIT_PATH_SIZE, no control bytes */
bool manifest_file_name_is_valid(const char *name); /* one component of [A-Za-z0-9._-], no leading dot */
