/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the builder writes: one line a file, sorted by digest, so that two builds of the same input give the same bytes
 * and a diff is readable. The result is parsed again before it is handed out.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/limits.h"
#include "base/must.h"
#include "manifest/json-strict.h"
#include "manifest/manifest-int.h"

static int compare_strings(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int compare_programs(const void *a, const void *b)
{
    const ManifestProgramSpec *const *left = a;
    const ManifestProgramSpec *const *right = b;
    return memcmp((*left)->digest.bytes, (*right)->digest.bytes, DIGEST_SIZE);
}

static int compare_scripts(const void *a, const void *b)
{
    const ManifestScriptSpec *const *left = a;
    const ManifestScriptSpec *const *right = b;
    return memcmp((*left)->digest.bytes, (*right)->digest.bytes, DIGEST_SIZE);
}

static void write_string(Buf *buf, const char *string)
{
    buf_append_json(buf, string, strlen(string));
}

/* "KEY": [..] with the strings sorted. */
static int write_strings(Buf *buf, const char *key, const char *const *strings, size_t count)
{
    _cleanup_(freep) const char **sorted = calloc(count + 1, sizeof(*sorted));
    if (sorted == NULL) {
        return -ENOMEM;
    }
    for (size_t i = 0; i < count; i++) {
        sorted[i] = strings[i];
    }
    qsort(sorted, count, sizeof(*sorted), compare_strings);
    buf_append_format(buf, "\"%s\": [", key);
    for (size_t i = 0; i < count; i++) {
        buf_append_string(buf, i == 0 ? "" : ", ");
        write_string(buf, sorted[i]);
    }
    buf_append_string(buf, "]");
    return 0;
}

static int write_program(Buf *buf, const ManifestProgramSpec *program)
{
    char hex[DIGEST_HEX_SIZE + 1];
    digest_hex(&program->digest, hex);
    buf_append_format(buf, "    \"sha256:%s\": {\"entry\": ", hex);
    write_string(buf, program->entry);
    buf_append_format(buf, ", \"size\": %" PRIu64 ", \"abi\": ", program->size);
    write_string(buf, program->abi);
    buf_append_string(buf, ", ");
    int r = write_strings(buf, "paths", program->paths, program->path_count);
    if (r == 0 && (program->flags & (MANIFEST_INTERPRETER | MANIFEST_DENY_INLINE)) != 0) {
        const char *names[2];
        size_t count = 0;
        if ((program->flags & MANIFEST_DENY_INLINE) != 0) {
            names[count++] = "deny_inline";
        }
        if ((program->flags & MANIFEST_INTERPRETER) != 0) {
            names[count++] = "interpreter";
        }
        buf_append_string(buf, ", ");
        r = write_strings(buf, "flags", names, count);
    }
    if (r == 0 && program->applet_count > 0) {
        buf_append_string(buf, ", ");
        r = write_strings(buf, "applets", program->applets, program->applet_count);
    }
    buf_append_string(buf, (program->flags & MANIFEST_WARM) != 0 ? ", \"warm\": true}" : "}");
    return r;
}

static int write_programs(Buf *buf, const ManifestSpec *spec)
{
    _cleanup_(freep) const ManifestProgramSpec **sorted = calloc(spec->program_count + 1, sizeof(*sorted));
    if (sorted == NULL) {
        return -ENOMEM;
    }
    for (size_t i = 0; i < spec->program_count; i++) {
        sorted[i] = &spec->programs[i];
    }
    qsort(sorted, spec->program_count, sizeof(*sorted), compare_programs);
    buf_append_string(buf, ",\n  \"programs\": {");
    for (size_t i = 0; i < spec->program_count; i++) {
        buf_append_string(buf, i == 0 ? "\n" : ",\n");
        const int r = write_program(buf, sorted[i]);
        if (r < 0) {
            return r;
        }
    }
    buf_append_string(buf, "\n  }");
    return 0;
}

static int write_scripts(Buf *buf, const ManifestSpec *spec)
{
    if (spec->script_count == 0) {
        return 0;
    }
    _cleanup_(freep) const ManifestScriptSpec **sorted = calloc(spec->script_count, sizeof(*sorted));
    if (sorted == NULL) {
        return -ENOMEM;
    }
    for (size_t i = 0; i < spec->script_count; i++) {
        sorted[i] = &spec->scripts[i];
    }
    qsort(sorted, spec->script_count, sizeof(*sorted), compare_scripts);
    buf_append_string(buf, ",\n  \"scripts\": {");
    for (size_t i = 0; i < spec->script_count; i++) {
        char hex[DIGEST_HEX_SIZE + 1];
        digest_hex(&sorted[i]->digest, hex);
        buf_append_format(buf, "%s\n    \"sha256:%s\": {\"size\": %" PRIu64 ", ", i == 0 ? "" : ",", hex,
                          sorted[i]->size);
        const int r = write_strings(buf, "paths", sorted[i]->paths, sorted[i]->path_count);
        if (r < 0) {
            return r;
        }
        buf_append_string(buf, ", \"interpreter\": ");
        write_string(buf, sorted[i]->interpreter);
        buf_append_string(buf, "}");
    }
    buf_append_string(buf, "\n  }");
    return 0;
}

/* A part that arrives as JSON text: parsed on its own first, so that it cannot close our object and go on. */
static int write_json_part(Buf *buf, const char *key, const char *text, Error *err)
{
    if (text == NULL) {
        return 0;
    }
    _cleanup_(json_freep) json_t *part = NULL;
    const int r = json_strict_load(text, strlen(text), LIMIT_MANIFEST_SIZE, &part, err);
    if (r < 0) {
        return error_wrap(err, r, "%s", key);
    }
    _cleanup_(freep) char *compact = json_dumps(part, JSON_COMPACT);
    if (compact == NULL) {
        return error_set(err, ENOMEM, "out of memory");
    }
    buf_append_format(buf, ",\n  \"%s\": ", key);
    buf_append_string(buf, compact);
    return 0;
}

static int write_document(const ManifestSpec *spec, Buf *buf, Error *err)
{
    char hex[DIGEST_HEX_SIZE + 1];
    digest_hex(&spec->megabinary_digest, hex);
    buf_append_string(buf, "{\n  \"mediaType\": \"" MANIFEST_MEDIA_TYPE "\",\n  \"name\": ");
    write_string(buf, spec->name);
    buf_append_format(buf, ",\n  \"serial\": %" PRIu64 ",\n  \"created\": ", spec->serial);
    write_string(buf, spec->created);
    if (spec->expires != NULL) {
        buf_append_string(buf, ",\n  \"expires\": ");
        write_string(buf, spec->expires);
    }
    buf_append_format(buf,
                      ",\n  \"megabinary\": {\"path\": \"megabinary.wasm\", \"sha256\": \"%s\", \"size\": %" PRIu64 "}",
                      hex, spec->megabinary_size);
    int r = write_programs(buf, spec);
    r = r < 0 ? r : write_scripts(buf, spec);
    if (r < 0) {
        return error_set(err, -r, "out of memory");
    }
    r = write_json_part(buf, "tools", spec->tools_json, err);
    r = r < 0 ? r : write_json_part(buf, "limits", spec->limits_json, err);
    buf_append_string(buf, "\n}\n");
    return r;
}

int manifest_write(const ManifestSpec *spec, Buf *buf, Error *err)
{
    must(spec != NULL && buf != NULL);
    _cleanup_(buf_deinit) Buf text = BUF_INIT(LIMIT_MANIFEST_SIZE);
    int r = write_document(spec, &text, err);
    if (r < 0) {
        return error_wrap(err, r, "manifest");
    }
    r = buf_error(&text);
    if (r < 0) {
        return error_set(err, -r, "manifest: larger than %u bytes", LIMIT_MANIFEST_SIZE);
    }
    _cleanup_(manifest_freep) Manifest *check = NULL;
    r = manifest_parse((const char *)text.bytes, text.size, &check, err);
    if (r < 0) {
        return r;
    }
    buf_append(buf, text.bytes, text.size);
    r = buf_error(buf);
    return r < 0 ? error_set(err, -r, "manifest: does not fit the output buffer") : 0;
}
