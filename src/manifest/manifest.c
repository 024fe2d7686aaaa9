/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How it works: a Manifest is a view of the flat index (manifest-int.h). manifest_from_index() checks every count,
 * offset and order once; after that the accessors trust the index and only assert their own arguments. Reads go through
 * memcpy, so the bytes need no alignment.
 *
 * Invariants after manifest_from_index(): I1 the areas fill total_size exactly. I2 digests ascend strictly. I3 sizes
 * ascend strictly and hold the size of every row. I4 every string reference points to the start of a NUL-terminated
 * string inside the string area. I5 path and applet ranges lie inside the lists. I6 a row is a script (interpreter, no
 * entry) or a program (entry and abi).
 */
#include "manifest/manifest.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/limits.h"
#include "base/must.h"
#include "manifest/manifest-int.h"

static bool is_alnum(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* 1..max bytes, each alphanumeric or one of others. */
static bool has_only(const char *text, size_t max, const char *others)
{
    size_t length = 0;
    for (; text[length] != '\0'; length++) {
        if (length >= max || (!is_alnum(text[length]) && strchr(others, text[length]) == NULL)) {
            return false;
        }
    }
    return length > 0;
}

bool manifest_name_is_valid(const char *name)
{
    return is_alnum(name[0]) && has_only(name, MANIFEST_NAME_MAX, "._/:@+-");
}

bool manifest_entry_is_valid(const char *entry)
{
    return has_only(entry, MANIFEST_ENTRY_MAX, "!#$%&'()*+,-./:;<=>?@[]^_`{|}~");
}

bool manifest_applet_is_valid(const char *applet)
{
    return has_only(applet, 64, "._+-[");
}

bool manifest_file_name_is_valid(const char *name)
{
    return name[0] != '.' && has_only(name, 255, "._-");
}

bool manifest_path_is_valid(const char *path)
{
    if (path[0] != '/' || strlen(path) >= LIMIT_PATH_SIZE) {
        return false;
    }
    for (const char *p = path; *p != '\0';) {
        const char *component = p + 1; /* *p is '/' */
        const size_t length = strcspn(component, "/");
        if (length == 0 || (length == 1 && component[0] == '.') || (length == 2 && memcmp(component, "..", 2) == 0)) {
            return false;
        }
        p = component + length;
    }
    for (const char *p = path; *p != '\0'; p++) {
        if ((unsigned char)*p < 0x20 || *p == 0x7f) {
            return false;
        }
    }
    return true;
}

/* --- checks of an index --- */

static int index_bad(Error *err, const char *why)
{
    return error_set(err, EBADMSG, "manifest index: %s", why);
}

static uint32_t list_get(const Manifest *manifest, uint64_t index)
{
    uint32_t value;
    memcpy(&value, manifest->lists + index * sizeof(value), sizeof(value));
    return value;
}

static uint64_t size_get(const Manifest *manifest, uint64_t index)
{
    uint64_t value;
    memcpy(&value, manifest->sizes + index * sizeof(value), sizeof(value));
    return value;
}

static void row_get(const Manifest *manifest, uint64_t index, IndexRow *ret_row)
{
    must(manifest->rows != NULL && index < manifest->header.row_count);
    memcpy(ret_row, manifest->rows + index * sizeof(*ret_row), sizeof(*ret_row));
}

/* I4 for one reference. */
static bool string_is_valid(const Manifest *manifest, uint32_t reference)
{
    return reference < manifest->header.string_size && (reference == 0 || manifest->strings[reference - 1] == '\0');
}

static const char *string_get(const Manifest *manifest, uint32_t reference)
{
    dbg_must(string_is_valid(manifest, reference));
    return manifest->strings + reference;
}

/* I1; fills the area pointers. The sums cannot overflow: every count is below 2^32 and every record below 2^7 bytes. */
static int index_layout(Manifest *manifest, Error *err)
{
    const IndexHeader *header = &manifest->header;
    uint64_t position = sizeof(IndexHeader);
    manifest->digests = manifest->bytes + position;
    position += (uint64_t)header->row_count * DIGEST_SIZE;
    const uint64_t rows = position;
    position += (uint64_t)header->row_count * sizeof(IndexRow);
    const uint64_t sizes = position;
    position += (uint64_t)header->size_count * sizeof(uint64_t);
    const uint64_t lists = position;
    position += (uint64_t)header->list_count * sizeof(uint32_t);
    const uint64_t strings = position;
    position += header->string_size;
    if (position != header->total_size || position != manifest->size) {
        return index_bad(err, "the areas do not add up to its size");
    }
    manifest->rows = manifest->bytes + rows;
    manifest->sizes = manifest->bytes + sizes;
    manifest->lists = manifest->bytes + lists;
    manifest->strings = (const char *)manifest->bytes + strings;
    if (header->string_size == 0 || manifest->strings[0] != '\0' ||
        manifest->strings[header->string_size - 1] != '\0') {
        return index_bad(err, "string area is not terminated");
    }
    return 0;
}

static int index_check_header(const Manifest *manifest, Error *err)
{
    const IndexHeader *header = &manifest->header;
    if (header->reserved != 0 || header->created_time < 0 || header->expires_time < 0) {
        return index_bad(err, "bad header field");
    }
    if (!string_is_valid(manifest, header->name) || !string_is_valid(manifest, header->created) ||
        !string_is_valid(manifest, header->megabinary_path) || !string_is_valid(manifest, header->tools)) {
        return index_bad(err, "string reference out of range");
    }
    const char *tools = string_get(manifest, header->tools);
    const size_t tools_size = strlen(tools);
    if (!manifest_name_is_valid(string_get(manifest, header->name)) ||
        !manifest_file_name_is_valid(string_get(manifest, header->megabinary_path)) || tools_size < 2 ||
        tools[0] != '[' || tools[tools_size - 1] != ']') {
        return index_bad(err, "bad string in the header");
    }
    for (uint32_t i = 1; i < header->size_count; i++) {
        if (size_get(manifest, i - 1) >= size_get(manifest, i)) {
            return index_bad(err, "sizes are not sorted");
        }
    }
    for (uint32_t i = 1; i < header->row_count; i++) {
        const uint8_t *digest = manifest->digests + (size_t)i * DIGEST_SIZE;
        if (memcmp(digest - DIGEST_SIZE, digest, DIGEST_SIZE) >= 0) {
            return index_bad(err, "digests are not sorted");
        }
    }
    return 0;
}

static bool range_is_valid(const Manifest *manifest, uint32_t start, uint32_t count)
{
    return (uint64_t)start + count <= manifest->header.list_count;
}

static int index_check_lists(const Manifest *manifest, const IndexRow *row, Error *err)
{
    if (!range_is_valid(manifest, row->path_start, row->path_count) ||
        !range_is_valid(manifest, row->applet_start, row->applet_count)) {
        return index_bad(err, "list out of range");
    }
    for (uint32_t i = 0; i < row->path_count; i++) {
        const uint32_t path = list_get(manifest, (uint64_t)row->path_start + i);
        if (!string_is_valid(manifest, path) || !manifest_path_is_valid(string_get(manifest, path))) {
            return index_bad(err, "bad path");
        }
    }
    for (uint32_t i = 0; i < row->applet_count; i++) {
        const uint32_t applet = list_get(manifest, (uint64_t)row->applet_start + i);
        if (!string_is_valid(manifest, applet) || !manifest_applet_is_valid(string_get(manifest, applet))) {
            return index_bad(err, "bad applet");
        }
    }
    return 0;
}

static int index_check_row(const Manifest *manifest, uint32_t index, uint64_t *list_total, Error *err)
{
    IndexRow row;
    row_get(manifest, index, &row);
    if (!string_is_valid(manifest, row.entry) || !string_is_valid(manifest, row.abi) ||
        !string_is_valid(manifest, row.interpreter)) {
        return index_bad(err, "string reference out of range");
    }
    const char *entry = string_get(manifest, row.entry);
    const char *abi = string_get(manifest, row.abi);
    const char *interpreter = string_get(manifest, row.interpreter);
    if (row.flags == MANIFEST_SCRIPT) {
        if (entry[0] != '\0' || abi[0] != '\0' || row.applet_count != 0 || !manifest_path_is_valid(interpreter)) {
            return index_bad(err, "bad script row");
        }
    } else if ((row.flags & ~(uint32_t)(MANIFEST_INTERPRETER | MANIFEST_DENY_INLINE | MANIFEST_WARM)) != 0 || interpreter[0] != '\0' ||
               !manifest_entry_is_valid(entry) || (strcmp(abi, "wasi") != 0 && strcmp(abi, "wali") != 0)) {
        return index_bad(err, "bad program row");
    }
    if (!manifest_has_size(manifest, row.size)) {
        return index_bad(err, "size of a row is not in the size table");
    }
    /* Ranges may not overlap beyond what the lists hold: bounds the work on a hostile index. */
    *list_total += (uint64_t)row.path_count + row.applet_count;
    if (*list_total > manifest->header.list_count) {
        return index_bad(err, "lists are used twice");
    }
    return index_check_lists(manifest, &row, err);
}

static int index_check(Manifest *manifest, Error *err)
{
    if (manifest->size < sizeof(IndexHeader)) {
        return index_bad(err, "shorter than its header");
    }
    memcpy(&manifest->header, manifest->bytes, sizeof(IndexHeader));
    if (memcmp(manifest->header.magic, INDEX_MAGIC, sizeof(manifest->header.magic)) != 0) {
        return index_bad(err, "wrong magic or version");
    }
    int r = index_layout(manifest, err);
    if (r < 0) {
        return r;
    }
    Digest checksum;
    r = sha256(manifest->bytes + INDEX_CHECKSUM_START, manifest->size - INDEX_CHECKSUM_START, &checksum);
    if (r < 0) {
        return error_set(err, -r, "manifest index: SHA-256 failed");
    }
    if (memcmp(checksum.bytes, manifest->header.checksum, DIGEST_SIZE) != 0) {
        return index_bad(err, "checksum does not match");
    }
    r = index_check_header(manifest, err);
    uint64_t list_total = 0;
    for (uint32_t i = 0; r == 0 && i < manifest->header.row_count; i++) {
        r = index_check_row(manifest, i, &list_total, err);
    }
    return r;
}

int manifest_from_index(const uint8_t *bytes, size_t size, Manifest **ret_manifest, Error *err)
{
    must(bytes != NULL && ret_manifest != NULL);
    _cleanup_(manifest_freep) Manifest *manifest = calloc(1, sizeof(*manifest));
    if (manifest == NULL) {
        return error_set(err, ENOMEM, "out of memory");
    }
    manifest->bytes = bytes;
    manifest->size = size;
    const int r = index_check(manifest, err);
    if (r < 0) {
        return r;
    }
    *ret_manifest = steal(&manifest);
    return 0;
}

Manifest *manifest_free(Manifest *manifest)
{
    if (manifest != NULL) {
        free(manifest->owned);
        free(manifest);
    }
    return NULL;
}

void manifest_freep(Manifest **manifest)
{
    *manifest = manifest_free(*manifest);
}

/* --- accessors --- */

void manifest_index(const Manifest *manifest, const uint8_t **ret_bytes, size_t *ret_size)
{
    must(manifest != NULL);
    *ret_bytes = manifest->bytes;
    *ret_size = manifest->size;
}

const char *manifest_name(const Manifest *manifest)
{
    return string_get(manifest, manifest->header.name);
}

uint64_t manifest_serial(const Manifest *manifest)
{
    return manifest->header.serial;
}

const char *manifest_created(const Manifest *manifest)
{
    return string_get(manifest, manifest->header.created);
}

int64_t manifest_created_time(const Manifest *manifest)
{
    return manifest->header.created_time;
}

int64_t manifest_expires_time(const Manifest *manifest)
{
    return manifest->header.expires_time;
}

_Static_assert(sizeof(Digest) == DIGEST_SIZE && _Alignof(Digest) == 1, "a Digest may point into raw bytes");

const Digest *manifest_digest(const Manifest *manifest)
{
    return (const Digest *)manifest->header.manifest_digest;
}

const char *manifest_megabinary_path(const Manifest *manifest)
{
    return string_get(manifest, manifest->header.megabinary_path);
}

const Digest *manifest_megabinary_digest(const Manifest *manifest)
{
    return (const Digest *)manifest->header.megabinary_digest;
}

uint64_t manifest_megabinary_size(const Manifest *manifest)
{
    return manifest->header.megabinary_size;
}

void manifest_limits(const Manifest *manifest, ManifestLimits *ret_limits)
{
    const uint64_t *limits = manifest->header.limits;
    *ret_limits = (ManifestLimits){.memory_size = limits[0],
                                   .pids_count = limits[1],
                                   .timeout_ms = limits[2],
                                   .open_files_count = limits[3],
                                   .output_size = limits[4]};
}

size_t manifest_row_count(const Manifest *manifest)
{
    return manifest->header.row_count;
}

/* The empty string is "none"; one that is written is reference 0, but a hostile index may have others. */
static const char *string_or_null(const Manifest *manifest, uint32_t reference)
{
    const char *text = string_get(manifest, reference);
    return text[0] == '\0' ? NULL : text;
}

void manifest_row(const Manifest *manifest, size_t index, ManifestRow *ret_row)
{
    must(index < manifest->header.row_count);
    IndexRow row;
    row_get(manifest, index, &row);
    *ret_row = (ManifestRow){.size = row.size,
                             .flags = row.flags,
                             .path_count = row.path_count,
                             .entry = string_or_null(manifest, row.entry),
                             .abi = string_or_null(manifest, row.abi),
                             .interpreter = string_or_null(manifest, row.interpreter)};
    memcpy(ret_row->digest.bytes, manifest->digests + index * DIGEST_SIZE, DIGEST_SIZE);
}

const char *manifest_row_path(const Manifest *manifest, size_t row_index, uint32_t path_index)
{
    must(row_index < manifest->header.row_count);
    IndexRow row;
    row_get(manifest, row_index, &row);
    must(path_index < row.path_count);
    return string_get(manifest, list_get(manifest, (uint64_t)row.path_start + path_index));
}

const char *manifest_row_applet(const Manifest *manifest, size_t row_index, uint32_t applet_index)
{
    must(row_index < manifest->header.row_count);
    IndexRow row;
    row_get(manifest, row_index, &row);
    if (applet_index >= row.applet_count) {
        return NULL;
    }
    return string_get(manifest, list_get(manifest, (uint64_t)row.applet_start + applet_index));
}

size_t manifest_tool_count(const Manifest *manifest)
{
    return manifest->header.tool_count;
}

const char *manifest_tools_json(const Manifest *manifest)
{
    return string_get(manifest, manifest->header.tools);
}

int64_t manifest_find(const Manifest *manifest, const Digest *digest)
{
    size_t low = 0;
    size_t high = manifest->header.row_count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        const int order = memcmp(digest->bytes, manifest->digests + middle * DIGEST_SIZE, DIGEST_SIZE);
        if (order == 0) {
            return (int64_t)middle;
        }
        if (order < 0) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return -1;
}

bool manifest_has_size(const Manifest *manifest, uint64_t size)
{
    uint32_t low = 0;
    uint32_t high = manifest->header.size_count;
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        const uint64_t value = size_get(manifest, middle);
        if (value == size) {
            return true;
        }
        if (size < value) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return false;
}
