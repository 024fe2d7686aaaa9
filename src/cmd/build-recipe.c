/* SPDX-License-Identifier: Apache-2.0 */
/*
 * build-recipe.c - the recipe file of `recompiler build` (doc/build.md):
 *
 *   { "from": "rootfs", "name": "example.org/toolbox", "serial": 1, "created": "...", "expires": "...",
 *     "programs": { "/bin/dash": "dash.wasm" | { "module": "dash.wasm", "flags": ["interpreter"], "applets": ["sh"] } },
 *     "scripts": { "/usr/share/lua/5.4/json.lua": "/usr/bin/lua5.4" }, "tools": [...], "limits": {...} }
 *
 * The command line wins over the file. Unknown keys are errors: a misspelt flag must not weaken an image silently.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "cmd/build-int.h"

#define RECIPE_MAX_SIZE (16u << 20)

int build_path_check(const char *path, Error *err)
{
    if (path[0] != '/' || !path_is_clean(path)) {
        return error_set(err, EINVAL, "program %s: an absolute path without . and .. is expected", path);
    }
    if (strncmp(path, "/.recompiler", 12) == 0 && (path[12] == '\0' || path[12] == '/')) {
        return error_set(err, EINVAL, "program %s: /.recompiler is for the artefacts", path);
    }
    return 0;
}

int build_mapping_add(BuildRequest *request, const char *path, const char *module_path, BuildMapping **ret_mapping, Error *err)
{
    const int r = build_path_check(path, err);
    if (r < 0) {
        return r;
    }
    for (size_t i = 0; i < request->mapping_count; i++) {
        if (strcmp(request->mappings[i].path, path) == 0) {
            return error_set(err, EEXIST, "program %s is given twice", path);
        }
    }
    if (request->mapping_count == request->mapping_capacity) {
        const size_t capacity = request->mapping_capacity == 0 ? 64 : request->mapping_capacity * 2;
        BuildMapping *grown = arena_new_array(request->arena, capacity, BuildMapping);
        if (grown == NULL) {
            return error_set(err, ENOMEM, "out of memory");
        }
        if (request->mapping_count > 0) {
            memcpy(grown, request->mappings, request->mapping_count * sizeof(*grown));
        }
        request->mappings = grown;
        request->mapping_capacity = capacity;
    }
    BuildMapping *mapping = &request->mappings[request->mapping_count];
    *mapping = (BuildMapping){.path = path, .module_path = module_path};
    request->mapping_count++;
    *ret_mapping = mapping;
    return 0;
}

static const char *text_copy(BuildRequest *request, const json_t *value)
{
    return arena_strndup(request->arena, json_string_value(value), json_string_length(value));
}

/* A host path of the recipe, relative to the recipe's own directory. */
static const char *path_join(BuildRequest *request, const char *directory, const json_t *value)
{
    const char *text = json_string_value(value);
    if (text[0] == '/' || directory[0] == '\0') {
        return text_copy(request, value);
    }
    const size_t size = strlen(directory) + strlen(text) + 2;
    char *path = arena_alloc(request->arena, size);
    if (path != NULL) {
        (void)snprintf(path, size, "%s/%s", directory, text);
    }
    return path;
}

static int flags_read(const json_t *flags, const char *path, uint32_t *ret_flags, Error *err)
{
    size_t i;
    const json_t *item;
    if (flags != NULL && !json_is_array(flags)) {
        return error_set(err, EBADMSG, "recipe: %s: flags: an array is expected", path);
    }
    json_array_foreach(flags, i, item) {
        const char *name = json_is_string(item) ? json_string_value(item) : "";
        if (strcmp(name, "interpreter") == 0) {
            *ret_flags |= MANIFEST_INTERPRETER;
        } else if (strcmp(name, "deny_inline") == 0) {
            *ret_flags |= MANIFEST_DENY_INLINE;
        } else if (strcmp(name, "warm") == 0) {
            *ret_flags |= MANIFEST_WARM;
        } else {
            return error_set(err, EBADMSG, "recipe: %s: unknown flag %s", path, name);
        }
    }
    return 0;
}

static int applets_read(BuildRequest *request, const json_t *applets, BuildMapping *mapping, Error *err)
{
    if (applets == NULL) {
        return 0;
    }
    const size_t count = json_array_size(applets);
    const char **names = arena_new_array(request->arena, count + 1, const char *);
    for (size_t i = 0; names != NULL && i < count; i++) {
        if (!json_is_string(json_array_get(applets, i))) {
            return error_set(err, EBADMSG, "recipe: %s: applets: strings are expected", mapping->path);
        }
        names[i] = text_copy(request, json_array_get(applets, i));
    }
    if (names == NULL) {
        return error_set(err, ENOMEM, "out of memory");
    }
    mapping->applets = names;
    mapping->applet_count = count;
    return 0;
}

static int adapt_read(const json_t *value, const char *path, BuildAdapt *ret_adapt, Error *err)
{
    if (value != NULL && !json_is_boolean(value)) {
        return error_set(err, EBADMSG, "recipe: %s: adapt_calls: true or false is expected", path);
    }
    *ret_adapt = value == NULL ? BUILD_ADAPT_AUTO : json_is_true(value) ? BUILD_ADAPT_YES : BUILD_ADAPT_NO;
    return 0;
}

static int program_read(BuildRequest *request, const char *directory, const char *path, const json_t *value, Error *err)
{
    const json_t *module = json_is_object(value) ? json_object_get(value, "module") : value;
    if (!json_is_string(module)) {
        return error_set(err, EBADMSG, "recipe: %s: a module path is expected", path);
    }
    const char *key;
    json_t *member;
    json_object_foreach((json_t *)(uintptr_t)value, key, member) { /* the macro takes no const */
        if (strcmp(key, "module") != 0 && strcmp(key, "flags") != 0 && strcmp(key, "applets") != 0 && strcmp(key, "adapt_calls") != 0) {
            return error_set(err, EBADMSG, "recipe: %s: unknown key %s", path, key);
        }
    }
    for (size_t i = 0; i < request->mapping_count; i++) {
        if (strcmp(request->mappings[i].path, path) == 0) {
            return 0; /* the command line wins */
        }
    }
    BuildMapping *mapping = NULL;
    int r = build_mapping_add(request, arena_strndup(request->arena, path, strlen(path)), path_join(request, directory, module), &mapping, err);
    r = r < 0 ? r : flags_read(json_object_get(value, "flags"), path, &mapping->flags, err);
    r = r < 0 ? r : adapt_read(json_object_get(value, "adapt_calls"), path, &mapping->adapt, err);
    return r < 0 ? r : applets_read(request, json_object_get(value, "applets"), mapping, err);
}

/* Files of source that have no #! line: path -> interpreter. */
static int sources_read(BuildRequest *request, json_t *value, Error *err)
{
    if (!json_is_object(value)) {
        return error_set(err, EBADMSG, "recipe: scripts: an object is expected");
    }
    request->sources = arena_new_array(request->arena, json_object_size(value) + 1, BuildSource);
    if (request->sources == NULL) {
        return error_set(err, ENOMEM, "out of memory");
    }
    const char *path;
    json_t *interpreter;
    json_object_foreach(value, path, interpreter) {
        if (path[0] != '/' || !path_is_clean(path) || !json_is_string(interpreter)) {
            return error_set(err, EBADMSG, "recipe: scripts: %s: an absolute path and its interpreter are expected", path);
        }
        request->sources[request->source_count++] = (BuildSource){
            .path = arena_strndup(request->arena, path, strlen(path)), .interpreter = text_copy(request, interpreter)};
    }
    return 0;
}

static int key_read(BuildRequest *request, const char *directory, const char *key, json_t *value, Error *err)
{
    const struct { const char *key; const char **slot; bool is_path; } texts[] = {
        {"from", &request->from, true}, {"name", &request->name, false}, {"created", &request->created, false}, {"expires", &request->expires, false}};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        if (strcmp(key, texts[i].key) == 0) {
            if (!json_is_string(value)) {
                return error_set(err, EBADMSG, "recipe: %s: a string is expected", key);
            }
            if (*texts[i].slot == NULL) {
                *texts[i].slot = texts[i].is_path ? path_join(request, directory, value) : text_copy(request, value);
            }
            return 0;
        }
    }
    if (strcmp(key, "serial") == 0) {
        if (!json_is_integer(value) || json_integer_value(value) < 1) {
            return error_set(err, EBADMSG, "recipe: serial: a positive integer is expected");
        }
        request->serial = request->serial == 0 ? (uint64_t)json_integer_value(value) : request->serial;
        return 0;
    }
    if (strcmp(key, "tools") == 0 || strcmp(key, "limits") == 0) {
        char *text = json_dumps(value, JSON_COMPACT);
        const char *copy = text == NULL ? NULL : arena_strndup(request->arena, text, strlen(text));
        free(text);
        if (copy == NULL) {
            return error_set(err, ENOMEM, "out of memory");
        }
        *(strcmp(key, "tools") == 0 ? &request->tools_json : &request->limits_json) = copy;
        return 0;
    }
    if (strcmp(key, "scripts") == 0) {
        return sources_read(request, value, err);
    }
    if (strcmp(key, "programs") != 0) {
        return error_set(err, EBADMSG, "recipe: unknown key %s", key);
    }
    const char *path;
    json_t *program;
    int r = json_is_object(value) ? 0 : error_set(err, EBADMSG, "recipe: programs: an object is expected");
    json_object_foreach(value, path, program) {
        r = r < 0 ? r : program_read(request, directory, path, program, err);
    }
    return r;
}

int build_recipe_read(BuildRequest *request, const char *file, Error *err)
{
    _cleanup_(freep) char *bytes = NULL;
    size_t size = 0;
    int r = file_read(AT_FDCWD, file, RECIPE_MAX_SIZE, &bytes, &size, err);
    if (r < 0) {
        return r;
    }
    json_error_t error;
    json_t *recipe = json_loadb(bytes, size, JSON_REJECT_DUPLICATES, &error);
    if (!json_is_object(recipe)) {
        json_decref(recipe);
        return error_set(err, EBADMSG, "recipe %s: line %d: %s", file, error.line, recipe == NULL ? error.text : "an object is expected");
    }
    char directory[LIMIT_PATH_SIZE] = "";
    const char *slash = strrchr(file, '/');
    if (slash != NULL) {
        (void)snprintf(directory, sizeof(directory), "%.*s", (int)(slash - file), file);
    }
    const char *key;
    json_t *value;
    json_object_foreach(recipe, key, value) {
        r = r < 0 ? r : key_read(request, directory, key, value, err);
    }
    json_decref(recipe);
    return r < 0 ? error_wrap(err, r, "%s", file) : 0;
}
