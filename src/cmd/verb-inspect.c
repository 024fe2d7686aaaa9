/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verb-inspect.c - recompiler inspect: what an image says of itself, and whether that is trusted here.
 *
 * The manifest is parsed without its signature being required (the parser takes hostile bytes); the state of the
 * signature is shown next to it and nothing is started.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/arena.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "cmd/inspect-int.h"
#include "wasm/entries.h"
#include "wasm/module.h"
#include "wasm/share.h"

#define INSPECT_ARENA_SIZE (1u << 30)

static json_t *row_json(const Manifest *manifest, size_t index, const ManifestRow *row)
{
    char hex[DIGEST_HEX_SIZE + 1];
    char tagged[8 + DIGEST_HEX_SIZE];
    digest_hex(&row->digest, hex);
    (void)snprintf(tagged, sizeof(tagged), "sha256:%s", hex);
    json_t *paths = json_array();
    for (uint32_t i = 0; i < row->path_count; i++) {
        json_array_append_new(paths, json_string(manifest_row_path(manifest, index, i)));
    }
    json_t *json = json_pack("{s:s, s:I, s:o}", "sha256", tagged, "size", (json_int_t)row->size, "paths", paths);
    if ((row->flags & MANIFEST_SCRIPT) != 0) {
        json_object_set_new(json, "interpreter", json_string(row->interpreter));
        return json;
    }
    json_object_set_new(json, "entry", json_string(row->entry));
    json_object_set_new(json, "abi", json_string(row->abi));
    json_t *flags = json_array();
    if ((row->flags & MANIFEST_INTERPRETER) != 0) {
        json_array_append_new(flags, json_string("interpreter"));
    }
    if ((row->flags & MANIFEST_DENY_INLINE) != 0) {
        json_array_append_new(flags, json_string("deny_inline"));
    }
    json_object_set_new(json, "flags", flags);
    json_object_set_new(json, "warm", json_boolean((row->flags & MANIFEST_WARM) != 0));
    json_t *applets = json_array();
    const char *applet;
    for (uint32_t i = 0; (applet = manifest_row_applet(manifest, index, i)) != NULL; i++) {
        json_array_append_new(applets, json_string(applet));
    }
    json_object_set_new(json, "applets", applets);
    return json;
}

static json_t *signature_json(const ImageArtefacts *artefacts)
{
    json_t *keys = json_array();
    Error err = ERROR_INIT;
    Trust *trust = NULL;
    TrustSigners signers = {0};
    int r = artefacts->signature == NULL ? error_set(&err, ENOKEY, "not signed") : trust_load(opt_global.trust_dir, &trust, &err);
    if (r == 0) {
        r = envelope_verify(trust, artefacts->signature, artefacts->signature_size, MANIFEST_MEDIA_TYPE, artefacts->manifest,
                            artefacts->manifest_size, &signers, &err);
    }
    for (uint32_t i = 0; r == 0 && i < signers.count; i++) {
        json_array_append_new(keys, json_pack("{s:s, s:o}", "keyid", signers.keys[i]->id, "name", cmd_json_text(signers.keys[i]->name)));
    }
    (void)trust_free(trust);
    return json_pack("{s:b, s:o, s:s, s:s}", "trusted", r == 0, "signers", keys, "code", r < 0 ? error_name(-r) : "", "message", err.message);
}

/* Sizes and entries of the megabinary itself; a damaged one is described, not fatal. */
static json_t *megabinary_json(const ImageArtefacts *artefacts)
{
    Error err = ERROR_INIT;
    FileMap map = {0};
    Arena arena = ARENA_INIT(INSPECT_ARENA_SIZE);
    const WasmModule *module = NULL;
    MegaEntries entries = {0};
    int r = artefacts->megabinary_fd < 0 ? error_set(&err, ENOENT, "missing") : file_map_fd(artefacts->megabinary_fd, LIMIT_MODULE_SIZE, &map, &err);
    r = r < 0 ? r : wasm_module_read(map.bytes, map.size, &arena, &module, &err);
    r = r < 0 ? r : entries_read(module, &arena, &entries, &err);
    WasmShare share = {0};
    r = r < 0 ? r : wasm_share_measure(module, &entries, &arena, &share, &err);
    json_t *list = json_array();
    for (uint32_t i = 0; r == 0 && i < entries.count; i++) {
        const MegaEntry *entry = &entries.entries[i];
        json_array_append_new(list, json_pack("{s:s, s:s, s:I, s:I, s:I}", "name", entry->name, "abi", entries_abi_name(entry->abi),
                                              "memory_minimum_pages", (json_int_t)entry->memory_minimum, "memory_maximum_pages",
                                              (json_int_t)entry->memory_maximum, "table_size", (json_int_t)entry->table_size));
    }
    const json_int_t function_count = r == 0 ? (json_int_t)(module->func_count - module->imported_func_count) : 0;
    json_t *json = json_pack("{s:I, s:I, s:I, s:I, s:o, s:s}", "size", (json_int_t)artefacts->megabinary_size, "functions", function_count,
                             "shared_functions", (json_int_t)share.shared_func_count, "saved_size",
                             (json_int_t)(share.saved_code_size + share.saved_data_size), "entries", list, "error", r < 0 ? err.message : "");
    arena_deinit(&arena);
    file_unmap(&map);
    return json;
}

static json_t *image_json(const Image *image, const ImageArtefacts *artefacts, const Manifest *manifest)
{
    json_t *programs = json_array();
    json_t *scripts = json_array();
    for (size_t i = 0; i < manifest_row_count(manifest); i++) {
        ManifestRow row;
        manifest_row(manifest, i, &row);
        json_array_append_new((row.flags & MANIFEST_SCRIPT) != 0 ? scripts : programs, row_json(manifest, i, &row));
    }
    char hex[DIGEST_HEX_SIZE + 1];
    digest_hex(manifest_digest(manifest), hex);
    json_t *tools = json_loads(manifest_tools_json(manifest), 0, NULL);
    return json_pack("{s:o, s:s, s:I, s:s, s:s, s:o, s:o, s:o, s:o, s:o}", "image", cmd_json_text(image_name(image)), "name", manifest_name(manifest), "serial",
                     (json_int_t)manifest_serial(manifest), "created", manifest_created(manifest), "manifest_sha256", hex, "signature",
                     signature_json(artefacts), "megabinary", megabinary_json(artefacts), "programs", programs, "scripts", scripts, "tools",
                     tools != NULL ? tools : json_array());
}

static void paths_print(const json_t *paths)
{
    const size_t count = json_array_size(paths);
    for (size_t i = 0; i < count && i < 4; i++) {
        printf(" %s", cmd_text(json_string_value(json_array_get(paths, i))));
    }
    if (count > 4) {
        printf(" (and %zu more)", count - 4);
    }
    printf("\n");
}

static void image_print(const json_t *json)
{
    size_t index;
    const json_t *item;
    const json_t *signature = json_object_get(json, "signature");
    const json_t *megabinary = json_object_get(json, "megabinary");
    printf("%s serial %" JSON_INTEGER_FORMAT " created %s\nmanifest   sha256:%s\n", json_string_value(json_object_get(json, "name")),
           json_integer_value(json_object_get(json, "serial")), json_string_value(json_object_get(json, "created")),
           json_string_value(json_object_get(json, "manifest_sha256")));
    if (json_is_true(json_object_get(signature, "trusted"))) {
        json_array_foreach(json_object_get(signature, "signers"), index, item) {
            printf("signed by  %s (%s)\n", cmd_text(json_string_value(json_object_get(item, "name"))), json_string_value(json_object_get(item, "keyid")));
        }
    } else {
        printf("signature  NOT trusted here: %s (%s)\n", json_string_value(json_object_get(signature, "message")),
               json_string_value(json_object_get(signature, "code")));
    }
    printf("megabinary %" JSON_INTEGER_FORMAT " bytes, %" JSON_INTEGER_FORMAT " functions, %zu entries%s%s\n",
           json_integer_value(json_object_get(megabinary, "size")), json_integer_value(json_object_get(megabinary, "functions")),
           json_array_size(json_object_get(megabinary, "entries")), json_string_length(json_object_get(megabinary, "error")) > 0 ? "; " : "",
           json_string_value(json_object_get(megabinary, "error")));
    if (json_integer_value(json_object_get(megabinary, "shared_functions")) > 0) {
        printf("shared     %" JSON_INTEGER_FORMAT " functions by several programs, %" JSON_INTEGER_FORMAT " bytes saved\n",
               json_integer_value(json_object_get(megabinary, "shared_functions")), json_integer_value(json_object_get(megabinary, "saved_size")));
    }
    printf("programs\n");
    json_array_foreach(json_object_get(json, "programs"), index, item) {
        printf("  %.19s... %-4s %-24s", json_string_value(json_object_get(item, "sha256")), json_string_value(json_object_get(item, "abi")),
               json_string_value(json_object_get(item, "entry")));
        paths_print(json_object_get(item, "paths"));
    }
    if (json_array_size(json_object_get(json, "scripts")) > 0) {
        printf("scripts\n");
    }
    json_array_foreach(json_object_get(json, "scripts"), index, item) {
        printf("  %.19s... %-29s", json_string_value(json_object_get(item, "sha256")), cmd_text(json_string_value(json_object_get(item, "interpreter"))));
        paths_print(json_object_get(item, "paths"));
    }
    if (json_array_size(json_object_get(json, "tools")) > 0) {
        printf("tools\n");
    }
    json_array_foreach(json_object_get(json, "tools"), index, item) {
        const char *description = json_string_value(json_object_get(item, "description"));
        printf("  %-16s %s\n", json_string_value(json_object_get(item, "name")), cmd_text(description != NULL ? description : ""));
    }
}

int verb_inspect(int argc, char **argv)
{
    static const struct option options[] = {
        {"help", no_argument, NULL, 'h'}, {"json", no_argument, NULL, 'j'}, {"disassemble", required_argument, NULL, 'd'}, {NULL, 0, NULL, 0}};
    const char *disassemble = NULL;
    int option;
    while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
        if (option == 'h') {
            return cmd_help("inspect");
        }
        if (option == 'd') {
            disassemble = optarg;
        } else if (option == 'j') {
            opt_global.is_json = true;
        } else {
            return cmd_option_wrong("inspect", argv, options);
        }
    }
    if (optind + 1 != argc) {
        return cmd_usage("inspect", "one IMAGE is expected");
    }
    Error err = ERROR_INIT;
    _cleanup_(image_closep) Image *image = NULL;
    _cleanup_(manifest_freep) Manifest *manifest = NULL;
    ImageArtefacts artefacts = {.megabinary_fd = -1};
    int r = image_open(argv[optind], opt_global.state_dir, cmd_image_progress, NULL, &image, &err);
    cmd_progress_end();
    r = r < 0 ? r : image_artefacts(image, &artefacts, &err);
    r = r < 0 ? r : manifest_parse(artefacts.manifest, artefacts.manifest_size, &manifest, &err);
    if (r < 0) {
        image_artefacts_deinit(&artefacts);
        return cmd_fail("inspect", r, &err, EXIT_OWN_FAILURE);
    }
    if (disassemble != NULL) {
        r = inspect_disassemble(&artefacts, disassemble, &err);
        image_artefacts_deinit(&artefacts);
        return r < 0 ? cmd_fail("inspect", r, &err, EXIT_OWN_FAILURE) : 0;
    }
    json_t *json = image_json(image, &artefacts, manifest);
    if (opt_global.is_json) {
        cmd_print_json(json);
    } else {
        image_print(json);
        json_decref(json);
    }
    image_artefacts_deinit(&artefacts);
    return 0;
}
