/* SPDX-License-Identifier: Apache-2.0 */
/*
 * oci.c - from index.json (OCI image layout 1.0) or manifest.json (docker save) to the list of layers and the config.
 *
 *   index.json --(digest)--> [image index --(platform)-->] image manifest --(digest)--> config, layers
 *
 * Every blob that is parsed is first compared with the digest that names it, so what index.json names is what is used.
 * The numbers of manifests, layers and strings are bounded by limits.h.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "image/image-int.h"

static void json_freep(json_t **json)
{
    json_decref(*json);
}

static int json_parse(const char *bytes, size_t size, const char *what, json_t **ret_json, Error *err)
{
    json_error_t error;
    json_t *json = json_loadb(bytes, size, JSON_REJECT_DUPLICATES, &error);
    if (json == NULL) {
        return error_set(err, EBADMSG, "image: %s: line %d: %s", what, error.line, error.text);
    }
    *ret_json = json;
    return 0;
}

/* A blob by digest, compared with it, parsed. */
static int blob_json(const OciSource *source, const Digest *digest, json_t **ret_json, Error *err)
{
    char hex[DIGEST_HEX_SIZE + 1];
    char name[32 + DIGEST_HEX_SIZE];
    digest_hex(digest, hex);
    (void)snprintf(name, sizeof(name), "blobs/sha256/%s", hex);
    _cleanup_(freep) char *bytes = NULL;
    size_t size = 0;
    int r = source_read(source, name, LIMIT_OCI_JSON_SIZE, &bytes, &size, err);
    if (r < 0) {
        return r;
    }
    Digest actual;
    r = sha256(bytes, size, &actual);
    if (r < 0) {
        return error_set(err, -r, "image: SHA-256 failed");
    }
    if (!digest_equals(&actual, digest)) {
        return error_set(err, EBADMSG, "image: blob sha256:%s has other bytes", hex);
    }
    return json_parse(bytes, size, name, ret_json, err);
}

static int descriptor_digest(const json_t *descriptor, const char *what, Digest *ret_digest, Error *err)
{
    const char *text = json_string_value(json_object_get(descriptor, "digest"));
    if (text == NULL || digest_parse_tagged(text, ret_digest) < 0) {
        return error_set(err, EBADMSG, "image: %s: no sha256 digest", what);
    }
    return 0;
}

static bool platform_fits(const json_t *descriptor)
{
    const json_t *platform = json_object_get(descriptor, "platform");
    if (platform == NULL) {
        return true;
    }
    const char *os = json_string_value(json_object_get(platform, "os"));
    const char *architecture = json_string_value(json_object_get(platform, "architecture"));
    return os != NULL && architecture != NULL && strcmp(os, "linux") == 0 &&
           (strcmp(architecture, "amd64") == 0 || strcmp(architecture, "wasm") == 0);
}

static int string_copy(const json_t *value, Arena *arena, const char **ret_string, Error *err)
{
    const char *text = json_is_string(value) ? json_string_value(value) : "";
    *ret_string = arena_strndup(arena, text, strlen(text));
    return *ret_string != NULL ? 0 : error_set(err, ENOMEM, "image: out of memory");
}

/* index.json -> digest of the image manifest; one nested image index is followed. The name is that of the outermost. */
static int index_choose(const OciSource *source, const json_t *index, int depth, Arena *arena, OciPlan *plan, Digest *ret_digest, Error *err)
{
    const json_t *manifests = json_object_get(index, "manifests");
    if (!json_is_array(manifests) || json_array_size(manifests) == 0 || depth > 2) {
        return error_set(err, EBADMSG, "image: index has no manifests");
    }
    const json_t *chosen = NULL;
    for (size_t i = 0; i < json_array_size(manifests) && chosen == NULL; i++) {
        const json_t *descriptor = json_array_get(manifests, i);
        if (platform_fits(descriptor)) {
            chosen = descriptor;
        }
    }
    if (chosen == NULL) {
        return error_set(err, ENOTSUP, "image: no manifest for linux/amd64");
    }
    Digest digest;
    int r = descriptor_digest(chosen, "index", &digest, err);
    if (r == 0 && depth == 0) {
        const json_t *name = json_object_get(json_object_get(chosen, "annotations"), "org.opencontainers.image.ref.name");
        r = string_copy(name, arena, &plan->config.reference_name, err);
    }
    if (r < 0) {
        return r;
    }
    _cleanup_(json_freep) json_t *blob = NULL;
    r = blob_json(source, &digest, &blob, err);
    if (r < 0) {
        return r;
    }
    if (json_object_get(blob, "manifests") != NULL) {
        return index_choose(source, blob, depth + 1, arena, plan, ret_digest, err);
    }
    *ret_digest = digest;
    return 0;
}

static int strings_copy(const json_t *array, Arena *arena, const char *const **ret_strings, size_t *ret_count, Error *err)
{
    const size_t count = json_is_array(array) ? json_array_size(array) : 0;
    if (count > LIMIT_ARG_COUNT) {
        return error_set(err, E2BIG, "image: config has too many strings");
    }
    const char **strings = arena_new_array(arena, count + 1, const char *);
    for (size_t i = 0; strings != NULL && i < count; i++) {
        const json_t *item = json_array_get(array, i);
        if (!json_is_string(item)) {
            return error_set(err, EBADMSG, "image: config: a string is expected");
        }
        strings[i] = arena_strndup(arena, json_string_value(item), json_string_length(item));
        if (strings[i] == NULL) {
            strings = NULL;
        }
    }
    if (strings == NULL) {
        return error_set(err, ENOMEM, "image: out of memory");
    }
    *ret_strings = strings;
    *ret_count = count;
    return 0;
}

/* The image config: run defaults and the diff ids, which must be as many as the layers. */
static int config_read(const json_t *config, Arena *arena, OciPlan *plan, Error *err)
{
    const json_t *fields = json_object_get(config, "config");
    ImageConfigFields *out = &plan->config;
    int r = strings_copy(json_object_get(fields, "Env"), arena, &out->env, &out->env_count, err);
    if (r == 0) {
        r = strings_copy(json_object_get(fields, "Cmd"), arena, &out->cmd, &out->cmd_count, err);
    }
    if (r == 0) {
        r = strings_copy(json_object_get(fields, "Entrypoint"), arena, &out->entrypoint, &out->entrypoint_count, err);
    }
    if (r == 0) {
        r = string_copy(json_object_get(fields, "WorkingDir"), arena, &out->working_dir, err);
    }
    if (r == 0) {
        r = string_copy(json_object_get(fields, "User"), arena, &out->user, err);
    }
    if (r < 0) {
        return r;
    }
    const json_t *ids = json_object_get(json_object_get(config, "rootfs"), "diff_ids");
    if (!json_is_array(ids) || json_array_size(ids) != plan->layer_count) {
        return error_set(err, EBADMSG, "image: config: diff_ids do not match the layers");
    }
    for (size_t i = 0; i < plan->layer_count; i++) {
        const char *text = json_string_value(json_array_get(ids, i));
        if (text == NULL || digest_parse_tagged(text, &plan->layers[i].diff_id) < 0) {
            return error_set(err, EBADMSG, "image: config: diff_ids[%zu] is not a sha256 digest", i);
        }
    }
    return 0;
}

static int oci_manifest_read(const OciSource *source, const Digest *digest, Arena *arena, OciPlan *plan, Error *err)
{
    _cleanup_(json_freep) json_t *manifest = NULL;
    int r = blob_json(source, digest, &manifest, err);
    if (r < 0) {
        return r;
    }
    const json_t *layers = json_object_get(manifest, "layers");
    if (!json_is_array(layers) || json_array_size(layers) == 0 || json_array_size(layers) > LIMIT_LAYERS) {
        return error_set(err, EBADMSG, "image: manifest: between 1 and %u layers are expected", LIMIT_LAYERS);
    }
    plan->layer_count = json_array_size(layers);
    for (size_t i = 0; i < plan->layer_count; i++) {
        OciLayer *layer = &plan->layers[i];
        r = descriptor_digest(json_array_get(layers, i), "layer", &layer->digest, err);
        if (r < 0) {
            return r;
        }
        char hex[DIGEST_HEX_SIZE + 1];
        digest_hex(&layer->digest, hex);
        layer->has_digest = true;
        layer->name = arena_alloc(arena, 32 + DIGEST_HEX_SIZE);
        if (layer->name == NULL) {
            return error_set(err, ENOMEM, "image: out of memory");
        }
        (void)snprintf(layer->name, 32 + DIGEST_HEX_SIZE, "blobs/sha256/%s", hex);
    }
    Digest config_digest;
    r = descriptor_digest(json_object_get(manifest, "config"), "config", &config_digest, err);
    if (r < 0) {
        return r;
    }
    _cleanup_(json_freep) json_t *config = NULL;
    r = blob_json(source, &config_digest, &config, err);
    return r < 0 ? r : config_read(config, arena, plan, err);
}

/* docker save without an OCI layout: manifest.json names config and layers as members. The config's diff ids are the authority. */
static int docker_manifest_read(const OciSource *source, const json_t *list, Arena *arena, OciPlan *plan, Error *err)
{
    const json_t *first = json_array_get(list, 0);
    const json_t *layers = json_object_get(first, "Layers");
    const char *config_name = json_string_value(json_object_get(first, "Config"));
    if (config_name == NULL || !json_is_array(layers) || json_array_size(layers) == 0 || json_array_size(layers) > LIMIT_LAYERS) {
        return error_set(err, EBADMSG, "image: manifest.json: Config and Layers are expected");
    }
    plan->layer_count = json_array_size(layers);
    for (size_t i = 0; i < plan->layer_count; i++) {
        const char *name = json_string_value(json_array_get(layers, i));
        if (name == NULL) {
            return error_set(err, EBADMSG, "image: manifest.json: a layer name is expected");
        }
        plan->layers[i].has_digest = false;
        plan->layers[i].name = arena_strndup(arena, name, strlen(name));
        if (plan->layers[i].name == NULL) {
            return error_set(err, ENOMEM, "image: out of memory");
        }
    }
    _cleanup_(freep) char *bytes = NULL;
    size_t size = 0;
    int r = string_copy(json_array_get(json_object_get(first, "RepoTags"), 0), arena, &plan->config.reference_name, err);
    r = r < 0 ? r : source_read(source, config_name, LIMIT_OCI_JSON_SIZE, &bytes, &size, err);
    if (r < 0) {
        return r;
    }
    _cleanup_(json_freep) json_t *config = NULL;
    r = json_parse(bytes, size, config_name, &config, err);
    return r < 0 ? r : config_read(config, arena, plan, err);
}

int oci_plan_read(const OciSource *source, Arena *arena, OciPlan *ret_plan, Error *err)
{
    _cleanup_(freep) char *bytes = NULL;
    size_t size = 0;
    _cleanup_(json_freep) json_t *json = NULL;
    Error first = ERROR_INIT;
    int r = source_read(source, "index.json", LIMIT_OCI_JSON_SIZE, &bytes, &size, &first);
    if (r == 0) {
        r = json_parse(bytes, size, "index.json", &json, err);
        Digest digest;
        if (r == 0) {
            r = index_choose(source, json, 0, arena, ret_plan, &digest, err);
        }
        return r < 0 ? r : oci_manifest_read(source, &digest, arena, ret_plan, err);
    }
    if (r != -ENOENT) {
        return error_set(err, -r, "%s", first.message);
    }
    r = source_read(source, "manifest.json", LIMIT_OCI_JSON_SIZE, &bytes, &size, &first);
    if (r == -ENOENT) {
        r = error_set(err, EINVAL, "not an image: neither index.json nor manifest.json is in it");
        return error_hint(err, r, "expected a root directory, an OCI layout, or an archive made by skopeo, docker save or recompiler build");
    }
    if (r < 0) {
        return error_set(err, -r, "%s", first.message);
    }
    r = json_parse(bytes, size, "manifest.json", &json, err);
    return r < 0 ? r : docker_manifest_read(source, json, arena, ret_plan, err);
}
