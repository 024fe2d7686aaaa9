/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verb-build.c - recompiler build: tree + modules -> megabinary + manifest -> signed image.
 *
 *   open SRC -> scan (build-scan.c) -> link -> top layer { megabinary.wasm, manifest.json, manifest.sig, created programs } -> image_write
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/must.h"
#include "cmd/build-int.h"
#include "wasm/entries.h"

enum { BUILD_FROM = 256, BUILD_PROGRAM, BUILD_RECIPE, BUILD_NAME, BUILD_SERIAL, BUILD_SIGN, BUILD_EXPIRES };

static const struct option build_options[] = {
    {"help", no_argument, NULL, 'h'},
    {"json", no_argument, NULL, 'j'},
    {"from", required_argument, NULL, BUILD_FROM},
    {"program", required_argument, NULL, BUILD_PROGRAM},
    {"recipe", required_argument, NULL, BUILD_RECIPE},
    {"name", required_argument, NULL, BUILD_NAME},
    {"serial", required_argument, NULL, BUILD_SERIAL},
    {"expires", required_argument, NULL, BUILD_EXPIRES},
    {"sign-with", required_argument, NULL, BUILD_SIGN},
    {NULL, 0, NULL, 0},
};

static int link_modules(BuildState *state, Buf *megabinary, LinkStats *stats, Error *err)
{
    LinkInput *inputs = arena_new_array(state->arena, state->module_count + 1, LinkInput);
    if (inputs == NULL) {
        return error_set(err, ENOMEM, "out of memory");
    }
    for (size_t i = 0; i < state->module_count; i++) {
        inputs[i] = (LinkInput){.name = state->modules[i].entry, .module = state->modules[i].module};
    }
    return link_megabinary(inputs, state->module_count, megabinary, stats, err);
}

/* What was linked must pass our own reader; it also tells each entry's ABI. */
static int entries_check(BuildState *state, const Buf *megabinary, MegaEntries *ret_entries, Error *err)
{
    const WasmModule *module = NULL;
    int r = wasm_module_read(megabinary->bytes, megabinary->size, state->arena, &module, err);
    r = r < 0 ? r : wasm_module_validate(module, &WASM_FEATURES_DEFAULT, err);
    r = r < 0 ? r : entries_read(module, state->arena, ret_entries, err);
    return r < 0 ? error_wrap(err, r, "linked megabinary") : 0;
}

static int manifest_make(BuildState *state, const Buf *megabinary, const MegaEntries *entries, Buf *manifest, Error *err)
{
    const BuildRequest *request = state->request;
    ManifestProgramSpec *programs = arena_new_array(state->arena, state->program_count + 1, ManifestProgramSpec);
    ManifestScriptSpec *scripts = arena_new_array(state->arena, state->script_count + 1, ManifestScriptSpec);
    ManifestSpec spec = {
        .name = request->name,
        .serial = request->serial,
        .created = request->created,
        .expires = request->expires,
        .megabinary_size = megabinary->size,
        .programs = programs,
        .program_count = state->program_count,
        .scripts = scripts,
        .script_count = state->script_count,
        .tools_json = request->tools_json,
        .limits_json = request->limits_json,
    };
    if (programs == NULL || scripts == NULL || sha256(megabinary->bytes, megabinary->size, &spec.megabinary_digest) < 0) {
        return error_set(err, ENOMEM, "out of memory");
    }
    for (size_t i = 0; i < state->program_count; i++) {
        const BuildProgram *program = &state->programs[i];
        const MegaEntry *entry = entries_find(entries, state->modules[program->module_index].entry);
        must(entry != NULL);
        programs[i] = (ManifestProgramSpec){
            .digest = program->digest, .size = program->size, .entry = entry->name, .abi = entry->abi == ENTRY_ABI_WALI ? "wali" : "wasi",
            .paths = program->paths, .path_count = program->path_count, .applets = program->applets, .applet_count = program->applet_count,
            .flags = program->flags};
    }
    for (size_t i = 0; i < state->script_count; i++) {
        const BuildScript *script = &state->scripts[i];
        scripts[i] = (ManifestScriptSpec){.digest = script->digest, .size = script->size, .interpreter = script->interpreter,
                                          .paths = script->paths, .path_count = script->path_count};
    }
    return manifest_write(&spec, manifest, err);
}

static int envelope_make(const BuildRequest *request, const Buf *manifest, Buf *envelope, Error *err)
{
    for (size_t i = 0; i < request->key_count; i++) {
        uint8_t secret_key[64];
        Buf next = BUF_INIT(LIMIT_SIGNATURE_SIZE);
        int r = key_load_secret(request->keys[i], secret_key, err);
        r = r < 0 ? r : envelope_sign((const char *)envelope->bytes, envelope->size, MANIFEST_MEDIA_TYPE, manifest->bytes, manifest->size, secret_key,
                                      &next, err);
        sodium_memzero(secret_key, sizeof(secret_key));
        if (r < 0) {
            buf_deinit(&next);
            return error_wrap(err, r, "%s", request->keys[i]);
        }
        buf_deinit(envelope);
        *envelope = next;
    }
    return 0;
}

static int artefact_write(const BuildState *state, const char *name, const Buf *bytes, Error *err)
{
    char path[LIMIT_PATH_SIZE];
    if (snprintf(path, sizeof(path), "%s/.recompiler/%s", state->top_path, name) >= (int)sizeof(path)) {
        return error_set(err, ENAMETOOLONG, "%s", name);
    }
    const int r = buf_error(bytes);
    return r < 0 ? error_set(err, -r, "%s: %s", name, strerror(-r)) : file_write_atomic(AT_FDCWD, path, bytes->bytes, bytes->size, 0644, err);
}

static int artefacts_make(BuildState *state, LinkStats *stats, Error *err)
{
    Buf megabinary = BUF_INIT(LIMIT_MODULE_SIZE);
    Buf manifest = BUF_INIT(LIMIT_MANIFEST_SIZE);
    Buf envelope = BUF_INIT(LIMIT_SIGNATURE_SIZE);
    MegaEntries entries;
    char path[LIMIT_PATH_SIZE];
    (void)snprintf(path, sizeof(path), "%s/.recompiler", state->top_path);
    int r = dir_make(path, 0755, err);
    r = r < 0 ? r : link_modules(state, &megabinary, stats, err);
    r = r < 0 ? r : entries_check(state, &megabinary, &entries, err);
    r = r < 0 ? r : manifest_make(state, &megabinary, &entries, &manifest, err);
    r = r < 0 ? r : envelope_make(state->request, &manifest, &envelope, err);
    r = r < 0 ? r : artefact_write(state, "megabinary.wasm", &megabinary, err);
    r = r < 0 ? r : artefact_write(state, "manifest.json", &manifest, err);
    if (r == 0 && state->request->key_count > 0) {
        r = artefact_write(state, "manifest.sig", &envelope, err);
    }
    buf_deinit(&megabinary);
    buf_deinit(&manifest);
    buf_deinit(&envelope);
    return r;
}

static void summary_print(const BuildState *state, const LinkStats *stats)
{
    const BuildRequest *request = state->request;
    if (opt_global.is_json) {
        cmd_print_json(json_pack("{s:o, s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:b, s:O}", "image", cmd_json_text(request->out), "name", request->name, "serial",
                                 (json_int_t)request->serial, "programs", (json_int_t)state->program_count, "scripts",
                                 (json_int_t)state->script_count, "entries", (json_int_t)stats->entry_count, "megabinary_size",
                                 (json_int_t)stats->output_size, "functions", (json_int_t)stats->output_func_count, "functions_input",
                                 (json_int_t)stats->input_func_count, "saved_size", (json_int_t)stats->folded_size, "signed",
                                 request->key_count > 0, "warnings", state->warnings));
        return;
    }
    printf("%s: %s serial %" PRIu64 "\n  %zu programs, %zu scripts, %u entries\n  megabinary %" PRIu64 " bytes, %u functions (%u before folding, %" PRIu64
           " bytes saved)\n  %s\n",
           cmd_text(request->out), request->name, request->serial, state->program_count, state->script_count, stats->entry_count, stats->output_size,
           stats->output_func_count, stats->input_func_count, stats->folded_size,
           request->key_count > 0 ? "signed" : "not signed: recompiler sign IMAGE --key NAME.key");
    for (size_t i = 0; i < state->module_count; i++) {
        if (state->modules[i].adapted != NULL) {
            printf("  %s: %u indirect calls adapted\n", state->modules[i].entry, state->modules[i].adapt_stats.call_count);
        }
    }
}

/* --- defaults --- */

static int defaults_fill(BuildRequest *request, Error *err)
{
    if (request->serial == 0) {
        request->serial = 1;
    }
    if (request->name == NULL) {
        const char *slash = strrchr(request->out, '/');
        const char *base = slash != NULL && slash[1] != '\0' ? slash + 1 : request->out;
        const size_t size = strcspn(base, ".");
        const size_t name_size = size + sizeof("localhost/image");
        char *name = arena_alloc(request->arena, name_size);
        if (name == NULL) {
            return error_set(err, ENOMEM, "out of memory");
        }
        (void)snprintf(name, name_size, "localhost/%.*s", size > 0 ? (int)size : 5, size > 0 ? base : "image");
        request->name = name;
    }
    if (request->created == NULL) {
        const char *epoch = getenv("SOURCE_DATE_EPOCH");
        uint64_t seconds = (uint64_t)time(NULL);
        if (epoch != NULL && cmd_number(epoch, INT32_MAX, &seconds) < 0) {
            return error_set(err, EINVAL, "SOURCE_DATE_EPOCH=%s: a number is expected", epoch);
        }
        request->created_time = (int64_t)seconds;
        const time_t now = (time_t)seconds;
        struct tm utc;
        char *text = arena_alloc(request->arena, 32);
        if (text == NULL) {
            return error_set(err, ENOMEM, "out of memory");
        }
        (void)strftime(text, 32, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &utc));
        request->created = text;
        return 0;
    }
    struct tm utc = {0};
    const char *end = strptime(request->created, "%Y-%m-%dT%H:%M:%SZ", &utc);
    if (end == NULL || *end != '\0') {
        return error_set(err, EINVAL, "created %s: RFC 3339 UTC is expected", request->created);
    }
    request->created_time = (int64_t)timegm(&utc);
    return 0;
}

/* OUT's directory must be there, and not in the tree that is copied: the copy would hold itself. */
static int out_check(const BuildRequest *request, const Image *image, Error *err)
{
    char parent[LIMIT_PATH_SIZE];
    const char *slash = strrchr(request->out, '/');
    if (strlen(request->out) >= sizeof(parent)) {
        return error_set(err, ENAMETOOLONG, "%s: path too long", request->out);
    }
    (void)snprintf(parent, sizeof(parent), "%.*s", slash == NULL ? 1 : slash == request->out ? 1 : (int)(slash - request->out),
                   slash == NULL ? "." : request->out);
    _cleanup_(freep) char *real = realpath(parent, NULL);
    if (real == NULL) {
        return error_set(err, errno, "%s: %s: %s", request->out, parent, strerror(errno));
    }
    const char *root = image != NULL && image_is_directory(image) ? image_root_path(image) : NULL;
    const size_t root_size = root == NULL ? 0 : strcmp(root, "/") == 0 ? 0 : strlen(root);
    if (root != NULL && strncmp(real, root, root_size) == 0 && (real[root_size] == '/' || real[root_size] == '\0')) {
        return error_set(err, EINVAL, "%s lies in %s, which is what is copied", request->out, request->from);
    }
    return 0;
}

static int build_in(BuildRequest *request, const char *work, Error *err)
{
    char top[LIMIT_PATH_SIZE + 8];
    char empty[LIMIT_PATH_SIZE + 8];
    (void)snprintf(top, sizeof(top), "%s/top", work);
    (void)snprintf(empty, sizeof(empty), "%s/empty", work);
    const struct timespec times[2] = {{.tv_sec = (time_t)request->created_time}, {.tv_sec = (time_t)request->created_time}}; /* reproducible */
    if (mkdir(top, 0755) < 0 || mkdir(empty, 0755) < 0 || utimensat(AT_FDCWD, empty, times, 0) < 0) {
        return error_set(err, errno, "%s: %s", work, strerror(errno));
    }
    _cleanup_(image_closep) Image *image = NULL;
    int r = request->from == NULL ? 0 : image_open(request->from, opt_global.state_dir, cmd_image_progress, NULL, &image, err);
    cmd_progress_end();
    r = r < 0 ? r : out_check(request, image, err);
    if (r < 0) {
        return r;
    }
    BuildState state = {
        .arena = request->arena, .request = request, .root_path = image != NULL ? image_root_path(image) : empty, .top_path = top, .warnings = json_array()};
    LinkStats stats = {0};
    r = build_scan(&state, err);
    if (r == 0 && state.program_count == 0) {
        r = error_set(err, ENODATA, "no programs: no executable of the tree is a WASM module and no --program is given");
    }
    r = r < 0 ? r : artefacts_make(&state, &stats, err);
    const ImageWriteConfig config = {
        .config = image != NULL ? image_config(image) : NULL, .reference_name = request->name, .created = request->created_time,
        .is_artefacts_replaced = true};
    r = r < 0 ? r : image_write(state.root_path, top, request->out, &config, err);
    if (r == 0) {
        summary_print(&state, &stats);
    }
    for (size_t i = 0; i < state.module_count; i++) {
        file_unmap(&state.modules[i].map);
        free(state.modules[i].adapted);
    }
    json_decref(state.warnings);
    return r;
}

static int option_take(BuildRequest *request, int option, const char **recipe, Error *err)
{
    switch (option) {
    case 'j': opt_global.is_json = true; return 0;
    case BUILD_FROM: request->from = optarg; return 0;
    case BUILD_NAME: request->name = optarg; return 0;
    case BUILD_RECIPE: *recipe = optarg; return 0;
    case BUILD_EXPIRES: request->expires = optarg; return 0;
    case BUILD_SERIAL: return cmd_number(optarg, (1ull << 53) - 1, &request->serial) < 0 || request->serial == 0 ? error_set(err, EINVAL, "--serial %s: a positive number is expected", optarg) : 0;
    case BUILD_SIGN:
        if (request->key_count == LIMIT_SIGNATURES) {
            return error_set(err, E2BIG, "--sign-with: too many keys");
        }
        request->keys[request->key_count++] = optarg;
        return 0;
    case BUILD_PROGRAM: {
        char *equals = strchr(optarg, '=');
        BuildMapping *mapping = NULL;
        if (equals == NULL) {
            return error_set(err, EINVAL, "--program %s: PATH=MODULE.wasm is expected", optarg);
        }
        *equals = '\0';
        return build_mapping_add(request, optarg, equals + 1, &mapping, err);
    }
    default: return -EINVAL;
    }
}

int verb_build(int argc, char **argv)
{
    _cleanup_(arena_deinit) Arena arena = ARENA_INIT(BUILD_ARENA_SIZE);
    BuildRequest request = {.arena = &arena};
    const char *recipe = NULL;
    Error err = ERROR_INIT;
    int option;
    while ((option = getopt_long(argc, argv, "h", build_options, NULL)) != -1) {
        if (option == 'h') {
            return cmd_help("build");
        }
        if (option == '?') {
            return cmd_option_wrong("build", argv, build_options);
        }
        if (option_take(&request, option, &recipe, &err) < 0) {
            return cmd_usage("build", "%s", err.message);
        }
    }
    if (optind + 1 != argc) {
        return cmd_usage("build", "one OUT is expected");
    }
    size_t out_size = strlen(argv[optind]);
    while (out_size > 1 && argv[optind][out_size - 1] == '/') {
        argv[optind][--out_size] = '\0'; /* "image/" is "image" */
    }
    if (out_size == 0) {
        return cmd_usage("build", "OUT: a path is expected");
    }
    request.out = argv[optind];
    WorkDir work = WORK_DIR_INIT;
    int r = recipe != NULL ? build_recipe_read(&request, recipe, &err) : 0;
    r = r < 0 ? r : defaults_fill(&request, &err);
    r = r < 0 ? r : cmd_work_dir("build", &work, &err);
    r = r < 0 ? r : build_in(&request, work.path, &err);
    work_dir_remove(&work);
    return r < 0 ? cmd_fail("build", r, &err, EXIT_OWN_FAILURE) : 0;
}
