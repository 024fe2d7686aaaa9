/* SPDX-License-Identifier: Apache-2.0 */
/*
 * manifest.json -> flat index. How it works: json-strict checks the bytes, the parse functions below (one a grammar
 * part, named after its key) check meaning and collect rows, strings and lists in a Build; build_index() sorts the rows
 * by digest, lays the index out and hands it to manifest_from_index(), so that what is emitted passes the same checks
 * as what is loaded.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/limits.h"
#include "base/must.h"
#include "manifest/json-strict.h"
#include "manifest/manifest-int.h"
#include "manifest/time-text.h"

#define PATHS_MAX 65536u /* paths of one file: hard links of a multi-call binary [guess] */
#define TOOLS_MAX 4096u
#define TOOL_ARGS_MAX 4096u
#define TOOL_TEXT_MAX (128u << 10)

typedef struct BuildRow {
    Digest digest;
    IndexRow row;
} BuildRow;

typedef struct Build {
    IndexHeader header;
    BuildRow *rows; /* owned */
    size_t row_count;
    size_t row_capacity;
    uint64_t *sizes; /* owned */
    Buf lists;       /* u32 string references */
    Buf strings;     /* begins with the empty string */
    Error *err;
} Build;

static void build_deinit(Build *build)
{
    free(build->rows);
    free(build->sizes);
    buf_deinit(&build->lists);
    buf_deinit(&build->strings);
}

/* Appends a string; its reference. Failures are sticky in the Buf and seen at the end. */
static uint32_t build_string(Build *build, const char *string)
{
    const size_t reference = build->strings.size;
    buf_append(&build->strings, string, strlen(string) + 1);
    return (uint32_t)reference;
}

static uint32_t build_list_count(const Build *build)
{
    return (uint32_t)(build->lists.size / sizeof(uint32_t));
}

static int build_row_add(Build *build, const BuildRow *row)
{
    must(build->row_count < build->row_capacity);
    build->rows[build->row_count++] = *row;
    return 0;
}

/* --- parts of a row --- */

static int parse_digest_key(Build *build, const char *pointer, const char *key, Digest *ret_digest)
{
    if (digest_parse_tagged(key, ret_digest) < 0) {
        return error_set(build->err, EBADMSG, "%s/%.80s: must be \"sha256:\" and 64 lower-case hex digits", pointer,
                         key);
    }
    return 0;
}

static int parse_paths(Build *build, const json_t *object, const char *pointer, IndexRow *row)
{
    json_t *paths;
    int r = json_need_array(object, pointer, "paths", PATHS_MAX, &paths, build->err);
    row->path_start = build_list_count(build);
    row->path_count = r < 0 ? 0 : (uint32_t)json_array_size(paths);
    for (uint32_t i = 0; r == 0 && i < row->path_count; i++) {
        const char *path;
        r = json_array_string(paths, pointer, i, LIMIT_PATH_SIZE - 1, &path, build->err);
        if (r < 0) {
            return error_wrap(build->err, r, "paths");
        }
        if (!manifest_path_is_valid(path)) {
            return error_set(build->err, EBADMSG,
                             "%s/paths/%u: %.200s: must be an absolute path without empty, \".\" or \"..\" components and control "
                             "characters",
                             pointer, i, path);
        }
        buf_append_u32le(&build->lists, build_string(build, path));
    }
    return r;
}

static int parse_applets(Build *build, const json_t *object, const char *pointer, IndexRow *row)
{
    row->applet_start = build_list_count(build);
    if (json_object_get(object, "applets") == NULL) {
        return 0;
    }
    json_t *applets;
    int r = json_need_array(object, pointer, "applets", PATHS_MAX, &applets, build->err);
    row->applet_count = r < 0 ? 0 : (uint32_t)json_array_size(applets);
    for (uint32_t i = 0; r == 0 && i < row->applet_count; i++) {
        const char *applet;
        r = json_array_string(applets, pointer, i, 64, &applet, build->err);
        if (r < 0) {
            return error_wrap(build->err, r, "applets");
        }
        if (!manifest_applet_is_valid(applet)) {
            return error_set(build->err, EBADMSG, "%s/applets/%u: only letters, digits and . _ + - [ are allowed",
                             pointer, i);
        }
        buf_append_u32le(&build->lists, build_string(build, applet));
    }
    return r;
}

static int parse_flags(Build *build, const json_t *object, const char *pointer, IndexRow *row)
{
    if (json_object_get(object, "flags") == NULL) {
        return 0;
    }
    json_t *flags;
    int r = json_need_array(object, pointer, "flags", 2, &flags, build->err);
    for (size_t i = 0; r == 0 && i < json_array_size(flags); i++) {
        const char *name;
        r = json_array_string(flags, pointer, i, 32, &name, build->err);
        if (r < 0) {
            return error_wrap(build->err, r, "flags");
        }
        const uint32_t flag = strcmp(name, "interpreter") == 0   ? MANIFEST_INTERPRETER
                              : strcmp(name, "deny_inline") == 0 ? MANIFEST_DENY_INLINE
                                                                 : 0;
        if (flag == 0 || (row->flags & flag) != 0) {
            return error_set(build->err, EBADMSG, "%s/flags/%zu: %s", pointer, i,
                             flag == 0 ? "unknown flag" : "given twice");
        }
        row->flags |= flag;
    }
    return r;
}

static int parse_program(Build *build, const char *key, const json_t *object)
{
    static const char *const keys[] = {"entry", "size", "abi", "paths", "flags", "applets", "warm"};
    BuildRow row = {0};
    int r = parse_digest_key(build, "/programs", key, &row.digest);
    if (r < 0) {
        return r;
    }
    char pointer[JSON_POINTER_SIZE];
    (void)snprintf(pointer, sizeof(pointer), "/programs/%s", key); /* 81 bytes: the key was checked */
    if (!json_is_object(object)) {
        return error_set(build->err, EBADMSG, "%s: must be an object", pointer);
    }
    const char *entry = "";
    const char *abi = "";
    r = json_known_keys(object, pointer, keys, sizeof(keys) / sizeof(keys[0]), NULL, build->err);
    r = r < 0 ? r : json_need_string(object, pointer, "entry", MANIFEST_ENTRY_MAX, &entry, build->err);
    r = r < 0 ? r : json_need_integer(object, pointer, "size", 0, JSON_INTEGER_MAX, &row.row.size, build->err);
    r = r < 0 ? r : json_need_string(object, pointer, "abi", 16, &abi, build->err);
    r = r < 0 ? r : parse_paths(build, object, pointer, &row.row);
    r = r < 0 ? r : parse_flags(build, object, pointer, &row.row);
    r = r < 0 ? r : parse_applets(build, object, pointer, &row.row);
    if (r < 0) {
        return r;
    }
    const json_t *warm = json_object_get(object, "warm");
    if (warm != NULL && (!json_is_boolean(warm) || (json_is_true(warm) && strcmp(abi, "wali") != 0))) {
        return error_set(build->err, EBADMSG, "%s/warm: must be true or false, and false if the abi is not \"wali\"", pointer);
    }
    row.row.flags |= json_is_true(warm) ? MANIFEST_WARM : 0;
    if (!manifest_entry_is_valid(entry)) {
        return error_set(build->err, EBADMSG, "%s/entry: must be 1 to %u printable ASCII characters", pointer,
                         MANIFEST_ENTRY_MAX);
    }
    if (strcmp(abi, "wasi") != 0 && strcmp(abi, "wali") != 0) {
        return error_set(build->err, EBADMSG, "%s/abi: must be \"wasi\" or \"wali\"", pointer);
    }
    row.row.entry = build_string(build, entry);
    row.row.abi = build_string(build, abi);
    return build_row_add(build, &row);
}

static int parse_script(Build *build, const char *key, const json_t *object)
{
    static const char *const keys[] = {"size", "paths", "interpreter"};
    BuildRow row = {.row.flags = MANIFEST_SCRIPT};
    int r = parse_digest_key(build, "/scripts", key, &row.digest);
    if (r < 0) {
        return r;
    }
    char pointer[JSON_POINTER_SIZE];
    (void)snprintf(pointer, sizeof(pointer), "/scripts/%s", key);
    if (!json_is_object(object)) {
        return error_set(build->err, EBADMSG, "%s: must be an object", pointer);
    }
    const char *interpreter = "";
    r = json_known_keys(object, pointer, keys, sizeof(keys) / sizeof(keys[0]), NULL, build->err);
    r = r < 0 ? r : json_need_integer(object, pointer, "size", 0, JSON_INTEGER_MAX, &row.row.size, build->err);
    r = r < 0 ? r : parse_paths(build, object, pointer, &row.row);
    r = r < 0 ? r : json_need_string(object, pointer, "interpreter", LIMIT_PATH_SIZE - 1, &interpreter, build->err);
    if (r < 0) {
        return r;
    }
    if (!manifest_path_is_valid(interpreter)) {
        return error_set(build->err, EBADMSG, "%s/interpreter: must be a clean absolute path", pointer);
    }
    row.row.interpreter = build_string(build, interpreter);
    row.row.applet_start = build_list_count(build);
    return build_row_add(build, &row);
}

/* --- top level --- */

static int parse_megabinary(Build *build, const json_t *root)
{
    static const char *const keys[] = {"path", "sha256", "size"};
    json_t *object;
    int r = json_need_object(root, "", "megabinary", &object, build->err);
    if (r < 0) {
        return r;
    }
    const char *path = "";
    const char *hex = "";
    r = json_known_keys(object, "/megabinary", keys, sizeof(keys) / sizeof(keys[0]), NULL, build->err);
    r = r < 0 ? r : json_need_string(object, "/megabinary", "path", 255, &path, build->err);
    r = r < 0 ? r : json_need_string(object, "/megabinary", "sha256", DIGEST_HEX_SIZE, &hex, build->err);
    r = r < 0 ? r
              : json_need_integer(object, "/megabinary", "size", 1, LIMIT_MODULE_SIZE, &build->header.megabinary_size,
                                  build->err);
    if (r < 0) {
        return r;
    }
    if (!manifest_file_name_is_valid(path)) {
        return error_set(build->err, EBADMSG,
                         "/megabinary/path: must be a plain file name of letters, digits and . _ -");
    }
    Digest digest;
    if (digest_parse(hex, strlen(hex), &digest) < 0) {
        return error_set(build->err, EBADMSG, "/megabinary/sha256: must be 64 lower-case hex digits");
    }
    memcpy(build->header.megabinary_digest, digest.bytes, DIGEST_SIZE);
    build->header.megabinary_path = build_string(build, path);
    return 0;
}

static int parse_limits(const json_t *parent, const char *parent_pointer, uint64_t limits[5], Error *err)
{
    static const char *const keys[] = {"memory", "pids", "timeout_ms", "open_files", "output_bytes"};
    if (json_object_get(parent, "limits") == NULL) {
        return 0;
    }
    json_t *object;
    int r = json_need_object(parent, parent_pointer, "limits", &object, err);
    if (r < 0) {
        return r;
    }
    char pointer[JSON_POINTER_SIZE];
    (void)snprintf(pointer, sizeof(pointer), "%s/limits", parent_pointer);
    r = json_known_keys(object, pointer, keys, 5, NULL, err);
    for (size_t i = 0; r == 0 && i < 5; i++) {
        if (json_object_get(object, keys[i]) != NULL) {
            r = json_need_integer(object, pointer, keys[i], 1, JSON_INTEGER_MAX, &limits[i], err);
        }
    }
    return r;
}

/* Optional fields of a tool whose type is all that is fixed here; the agent side gives them meaning. */
static int parse_tool_shape(const json_t *tool, const char *pointer, Error *err)
{
    static const struct {
        const char *key;
        json_type type;
        const char *name;
    } shapes[] = {
        {"title", JSON_STRING, "a string"},        {"description", JSON_STRING, "a string"},
        {"inputSchema", JSON_OBJECT, "an object"}, {"outputSchema", JSON_OBJECT, "an object"},
        {"annotations", JSON_OBJECT, "an object"},
    };
    for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
        const json_t *value = json_object_get(tool, shapes[i].key);
        if (value != NULL && json_typeof(value) != shapes[i].type) {
            return error_set(err, EBADMSG, "%s/%s: must be %s", pointer, shapes[i].key, shapes[i].name);
        }
        if (json_is_string(value) && json_string_length(value) > TOOL_TEXT_MAX) {
            return error_set(err, EBADMSG, "%s/%s: longer than %u bytes", pointer, shapes[i].key, TOOL_TEXT_MAX);
        }
    }
    const json_t *type = json_object_get(json_object_get(tool, "inputSchema"), "type");
    if (type != NULL && (!json_is_string(type) || strcmp(json_string_value(type), "object") != 0)) {
        return error_set(err, EBADMSG, "%s/inputSchema/type: must be \"object\"", pointer);
    }
    uint64_t unused[5] = {0};
    return parse_limits(tool, pointer, unused, err);
}

/* 1..128 of [A-Za-z0-9_.-]: what MCP allows. */
static bool tool_name_is_valid(const char *name)
{
    const size_t length = strlen(name);
    return length >= 1 && length <= 128 &&
           strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-") == length;
}

static int parse_tool(Build *build, const json_t *tool, size_t index, json_t *seen)
{
    static const char *const keys[] = {"name",        "title",        "description", "program", "args",
                                       "inputSchema", "outputSchema", "annotations", "limits"};
    char pointer[JSON_POINTER_SIZE];
    (void)snprintf(pointer, sizeof(pointer), "/tools/%zu", index);
    if (!json_is_object(tool)) {
        return error_set(build->err, EBADMSG, "%s: must be an object", pointer);
    }
    const char *name = "";
    const char *program = "";
    int r = json_known_keys(tool, pointer, keys, sizeof(keys) / sizeof(keys[0]), NULL, build->err);
    r = r < 0 ? r : json_need_string(tool, pointer, "name", 128, &name, build->err);
    r = r < 0 ? r : json_need_string(tool, pointer, "program", LIMIT_PATH_SIZE - 1, &program, build->err);
    r = r < 0 ? r : parse_tool_shape(tool, pointer, build->err);
    if (r < 0) {
        return r;
    }
    if (!tool_name_is_valid(name)) {
        return error_set(build->err, EBADMSG, "%s/name: must be 1 to 128 of letters, digits and _ . -", pointer);
    }
    if (json_object_get(seen, name) != NULL) {
        return error_set(build->err, EBADMSG, "%s/name: given twice", pointer);
    }
    if (json_object_set_new(seen, name, json_true()) < 0) {
        return error_set(build->err, ENOMEM, "out of memory");
    }
    if (!manifest_path_is_valid(program)) {
        return error_set(build->err, EBADMSG, "%s/program: must be a clean absolute path", pointer);
    }
    if (json_object_get(tool, "args") == NULL) {
        return 0;
    }
    json_t *args;
    r = json_need_array(tool, pointer, "args", TOOL_ARGS_MAX, &args, build->err);
    for (size_t i = 0; r == 0 && i < json_array_size(args); i++) {
        const json_t *arg = json_array_get(args, i);
        if (!json_is_string(arg) || json_string_length(arg) > TOOL_TEXT_MAX) {
            r = error_set(build->err, EBADMSG, "%s/args/%zu: must be a string of at most %u bytes", pointer, i,
                          TOOL_TEXT_MAX);
        }
    }
    return r;
}

static int parse_tools(Build *build, const json_t *root)
{
    if (json_object_get(root, "tools") == NULL) {
        build->header.tools = build_string(build, "[]");
        return 0;
    }
    json_t *tools;
    int r = json_need_array(root, "", "tools", TOOLS_MAX, &tools, build->err);
    if (r < 0) {
        return r;
    }
    _cleanup_(json_freep) json_t *seen = json_object();
    if (seen == NULL) {
        return error_set(build->err, ENOMEM, "out of memory");
    }
    for (size_t i = 0; r == 0 && i < json_array_size(tools); i++) {
        r = parse_tool(build, json_array_get(tools, i), i, seen);
    }
    if (r < 0) {
        return r;
    }
    _cleanup_(freep) char *text = json_dumps(tools, JSON_COMPACT);
    if (text == NULL) {
        return error_set(build->err, ENOMEM, "out of memory");
    }
    build->header.tool_count = (uint32_t)json_array_size(tools);
    build->header.tools = build_string(build, text);
    return 0;
}

static int parse_times(Build *build, const json_t *root)
{
    const char *created = "";
    int r = json_need_string(root, "", "created", 64, &created, build->err);
    if (r < 0) {
        return r;
    }
    if (time_parse(created, &build->header.created_time) < 0) {
        return error_set(build->err, EBADMSG, "/created: must look like 2026-01-01T00:00:00Z");
    }
    build->header.created = build_string(build, created);
    build->header.expires_time = INT64_MAX;
    if (json_object_get(root, "expires") == NULL) {
        return 0;
    }
    const char *expires = "";
    r = json_need_string(root, "", "expires", 64, &expires, build->err);
    if (r < 0) {
        return r;
    }
    if (time_parse(expires, &build->header.expires_time) < 0) {
        return error_set(build->err, EBADMSG, "/expires: must look like 2026-01-01T00:00:00Z");
    }
    if (build->header.expires_time <= build->header.created_time) {
        return error_set(build->err, EBADMSG, "/expires: is not after /created");
    }
    return 0;
}

static int parse_extensions(Build *build, const json_t *root, const char *const *keys, size_t key_count)
{
    json_t *extensions = NULL;
    if (json_object_get(root, "extensions") != NULL) {
        int r = json_need_array(root, "", "extensions", 256, &extensions, build->err);
        for (size_t i = 0; r == 0 && i < json_array_size(extensions); i++) {
            const char *name;
            r = json_array_string(extensions, "/extensions", i, 255, &name, build->err);
            for (size_t k = 0; r == 0 && k < key_count; k++) {
                if (strcmp(name, keys[k]) == 0) {
                    r = error_set(build->err, EBADMSG, "/extensions/%zu: names a key of the format", i);
                }
            }
        }
        if (r < 0) {
            return r;
        }
    }
    return json_known_keys(root, "", keys, key_count, extensions, build->err);
}

/* /programs or /scripts: each member through parse_member. */
static int parse_rows(Build *build, json_t *object, int (*parse_member)(Build *, const char *, const json_t *))
{
    const char *key;
    json_t *value;
    json_object_foreach(object, key, value)
    {
        const int r = parse_member(build, key, value);
        if (r < 0) {
            return r;
        }
    }
    return 0;
}

static int parse_files(Build *build, const json_t *root)
{
    json_t *programs = NULL;
    json_t *scripts = NULL;
    int r = json_need_object(root, "", "programs", &programs, build->err);
    if (r == 0 && json_object_get(root, "scripts") != NULL) {
        r = json_need_object(root, "", "scripts", &scripts, build->err);
    }
    if (r < 0) {
        return r;
    }
    build->row_capacity = json_object_size(programs) + json_object_size(scripts);
    build->rows = calloc(build->row_capacity + 1, sizeof(BuildRow)); /* + 1: never a request for nothing */
    build->sizes = calloc(build->row_capacity + 1, sizeof(uint64_t));
    if (build->rows == NULL || build->sizes == NULL) {
        return error_set(build->err, ENOMEM, "out of memory");
    }
    r = parse_rows(build, programs, parse_program);
    if (r == 0 && scripts != NULL) {
        r = parse_rows(build, scripts, parse_script);
    }
    return r;
}

static int parse_root(Build *build, const json_t *root)
{
    static const char *const keys[] = {"mediaType", "name",    "serial", "created", "expires",   "megabinary",
                                       "programs",  "scripts", "tools",  "limits",  "extensions"};
    if (!json_is_object(root)) {
        return error_set(build->err, EBADMSG, "/: must be an object");
    }
    const char *media_type = "";
    const char *name = "";
    int r = json_need_string(root, "", "mediaType", 255, &media_type, build->err);
    if (r == 0 && strcmp(media_type, MANIFEST_MEDIA_TYPE) != 0) {
        r = error_set(build->err, EBADMSG, "/mediaType: must be %s", MANIFEST_MEDIA_TYPE);
    }
    r = r < 0 ? r : parse_extensions(build, root, keys, sizeof(keys) / sizeof(keys[0]));
    r = r < 0 ? r : json_need_string(root, "", "name", MANIFEST_NAME_MAX, &name, build->err);
    if (r == 0 && !manifest_name_is_valid(name)) {
        r = error_set(build->err, EBADMSG,
                      "/name: must be letters, digits and . _ / : @ + -, beginning with a letter or digit");
    }
    if (r < 0) {
        return r;
    }
    build->header.name = build_string(build, name);
    r = json_need_integer(root, "", "serial", 0, JSON_INTEGER_MAX, &build->header.serial, build->err);
    r = r < 0 ? r : parse_times(build, root);
    r = r < 0 ? r : parse_megabinary(build, root);
    r = r < 0 ? r : parse_files(build, root);
    r = r < 0 ? r : parse_tools(build, root);
    return r < 0 ? r : parse_limits(root, "", build->header.limits, build->err);
}

/* --- layout --- */

static int compare_rows(const void *a, const void *b)
{
    return memcmp(((const BuildRow *)a)->digest.bytes, ((const BuildRow *)b)->digest.bytes, DIGEST_SIZE);
}

static int compare_sizes(const void *a, const void *b)
{
    const uint64_t left = *(const uint64_t *)a;
    const uint64_t right = *(const uint64_t *)b;
    return left < right ? -1 : left > right;
}

/* Sorts rows and sizes; a digest that is a program and a script has two meanings. */
static int build_sort(Build *build)
{
    qsort(build->rows, build->row_count, sizeof(BuildRow), compare_rows);
    for (size_t i = 0; i < build->row_count; i++) {
        if (i > 0 && compare_rows(&build->rows[i - 1], &build->rows[i]) == 0) {
            char hex[DIGEST_HEX_SIZE + 1];
            digest_hex(&build->rows[i].digest, hex);
            return error_set(build->err, EBADMSG, "/scripts/sha256:%s: also listed in /programs", hex);
        }
        build->sizes[i] = build->rows[i].row.size;
    }
    qsort(build->sizes, build->row_count, sizeof(uint64_t), compare_sizes);
    size_t count = 0;
    for (size_t i = 0; i < build->row_count; i++) {
        if (i == 0 || build->sizes[i] != build->sizes[i - 1]) {
            build->sizes[count++] = build->sizes[i];
        }
    }
    build->header.size_count = (uint32_t)count;
    return 0;
}

static int build_index(Build *build, Buf *index)
{
    int r = build_sort(build);
    r = r < 0 ? r : buf_error(&build->lists);
    r = r < 0 ? r : buf_error(&build->strings);
    if (r < 0) {
        return r == -EBADMSG ? r : error_set(build->err, -r, "manifest does not fit its index");
    }
    IndexHeader *header = &build->header;
    memcpy(header->magic, INDEX_MAGIC, sizeof(header->magic));
    header->row_count = (uint32_t)build->row_count;
    header->list_count = build_list_count(build);
    header->string_size = (uint32_t)build->strings.size;
    buf_append(index, header, sizeof(*header));
    for (size_t i = 0; i < build->row_count; i++) {
        buf_append(index, build->rows[i].digest.bytes, DIGEST_SIZE);
    }
    for (size_t i = 0; i < build->row_count; i++) {
        buf_append(index, &build->rows[i].row, sizeof(IndexRow));
    }
    buf_append(index, build->sizes, header->size_count * sizeof(uint64_t));
    buf_append(index, build->lists.bytes, build->lists.size);
    buf_append(index, build->strings.bytes, build->strings.size);
    r = buf_error(index);
    if (r < 0) {
        return error_set(build->err, -r, "manifest does not fit its index");
    }
    header->total_size = index->size;
    memcpy(index->bytes, header, sizeof(*header));
    Digest checksum;
    r = sha256(index->bytes + INDEX_CHECKSUM_START, index->size - INDEX_CHECKSUM_START, &checksum);
    if (r < 0) {
        return error_set(build->err, -r, "SHA-256 failed");
    }
    memcpy(index->bytes + offsetof(IndexHeader, checksum), checksum.bytes, DIGEST_SIZE);
    return 0;
}

static int parse_build(Build *build, const char *bytes, size_t size, Manifest **ret_manifest)
{
    _cleanup_(json_freep) json_t *root = NULL;
    int r = json_strict_load(bytes, size, LIMIT_MANIFEST_SIZE, &root, build->err);
    if (r < 0) {
        return r;
    }
    Digest digest;
    r = sha256(bytes, size, &digest);
    if (r < 0) {
        return error_set(build->err, -r, "SHA-256 failed");
    }
    memcpy(build->header.manifest_digest, digest.bytes, DIGEST_SIZE);
    buf_append_byte(&build->strings, 0);
    r = parse_root(build, root);
    if (r < 0) {
        return r;
    }
    _cleanup_(buf_deinit) Buf index = BUF_INIT(4ull * LIMIT_MANIFEST_SIZE);
    r = build_index(build, &index);
    if (r < 0) {
        return r;
    }
    r = manifest_from_index(index.bytes, index.size, ret_manifest, build->err);
    must(r != -EBADMSG); /* what is emitted is valid */
    if (r == 0) {
        (*ret_manifest)->owned = buf_steal(&index, NULL);
    }
    return r;
}

int manifest_parse(const char *bytes, size_t size, Manifest **ret_manifest, Error *err)
{
    must(ret_manifest != NULL);
    Build build = {
        .lists = BUF_INIT(2ull * LIMIT_MANIFEST_SIZE), .strings = BUF_INIT(2ull * LIMIT_MANIFEST_SIZE), .err = err};
    const int r = parse_build(&build, bytes, size, ret_manifest);
    build_deinit(&build);
    return r < 0 ? error_wrap(err, r, "manifest") : 0;
}
