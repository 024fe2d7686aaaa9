/* SPDX-License-Identifier: Apache-2.0 */
/*
 * spec-validate.c - run the modules of the WebAssembly test suite through reader and validator.
 *
 *     spec-validate [-v] (--2.0|--3.0) FILE.json... [(--2.0|--3.0) FILE.json...] [--skip NAME REASON]...
 *
 * FILE.json is what tests/spec/wast.py or wast2json makes of FILE.wast. Prints TAP, one test a file, and last
 * "spec-validate: modules N passed N failed N skipped". Exit 0 when nothing failed and something passed.
 *
 * A command is judged by what the suite says of its module: "module", "assert_uninstantiable", "assert_unlinkable" must
 * be accepted; "assert_malformed" must be -EBADMSG, "assert_invalid" must be read and be -EINVAL. Rows where another
 * answer is right are in exception_reason(). With --2.0 every feature beyond the standard is off, so that a refusal by
 * name (-ENOTSUP) is right for what 2.0 has not; with --3.0 all are on, and a refusal by name is a skip.
 */
#include <errno.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "base/limits.h"
#include "base/must.h"
#include "wasm/module.h"

typedef struct Totals {
    unsigned passed, failed, skipped;
    unsigned text;             /* of the skipped ones: in text format */
    unsigned worded, wordless; /* refusals whose message has the suite's text; those that have not */
} Totals;

typedef enum Verdict { VERDICT_ACCEPT, VERDICT_MALFORMED, VERDICT_INVALID, VERDICT_NONE } Verdict;

static bool opt_verbose;

static Verdict expected_verdict(const char *type)
{
    if (strcmp(type, "module") == 0 || strcmp(type, "assert_uninstantiable") == 0 || strcmp(type, "assert_unlinkable") == 0)
        return VERDICT_ACCEPT;
    if (strcmp(type, "assert_malformed") == 0)
        return VERDICT_MALFORMED;
    if (strcmp(type, "assert_invalid") == 0)
        return VERDICT_INVALID;
    return VERDICT_NONE;
}

/* The whole file in malloc()ed memory of exactly its size, so that a sanitizer sees one byte too many. */
static uint8_t *file_load(const char *path, size_t *ret_size)
{
    FILE *file = fopen(path, "rb");
    long size;

    if (!file)
        return NULL;
    must(fseek(file, 0, SEEK_END) == 0);
    size = ftell(file);
    must(size >= 0);
    rewind(file);
    uint8_t *bytes = malloc(size > 0 ? (size_t)size : 1);
    must(bytes);
    must(fread(bytes, 1, (size_t)size, file) == (size_t)size);
    (void)fclose(file);
    *ret_size = (size_t)size;
    return bytes;
}

/* Read and validate. *ret_is_read: reading alone succeeded. */
static int module_check(const char *path, const WasmFeatures *features, bool *ret_is_read, Error *err)
{
    Arena arena = ARENA_INIT(1u << 30);
    const WasmModule *module = NULL;
    size_t size = 0;
    uint8_t *bytes = file_load(path, &size);

    if (!bytes)
        return error_set(err, ENOENT, "%s: cannot be read", path);
    int r = wasm_module_read(bytes, size, &arena, &module, err);
    *ret_is_read = r == 0;
    if (r == 0)
        r = wasm_module_validate(module, features, err);
    arena_deinit(&arena);
    free(bytes);
    return r;
}

/* Is -E2BIG the right answer for this row? Only where the suite's text is about a size. */
static bool is_size_text(const char *text)
{
    return strcmp(text, "too many locals") == 0;
}

/* Rows that are judged differently, and why. NULL for all others. */
static const char *exception_reason(const char *json_name, const char *text, Verdict want, int r)
{
    if (strcmp(json_name, "binary.json") == 0 && want == VERDICT_MALFORMED && r == -EINVAL && strcmp(text, "unexpected end") == 0)
        return "malformed after an invalid instruction: bodies are decoded and typed in one pass";
    if (strncmp(json_name, "threads_", 8) == 0 && r == 0 &&
        (strcmp(text, "multiple tables") == 0 || strcmp(text, "multiple memories") == 0))
        return "the threads proposal's tests are of WebAssembly 1.0: one table, one memory";
    return NULL;
}

static bool is_right(Verdict want, int r, bool is_read, const char *text, bool is_20)
{
    switch (want) {
    case VERDICT_ACCEPT:
        return r == 0;
    case VERDICT_MALFORMED:
        return r == -EBADMSG || (r == -E2BIG && is_size_text(text)) || (is_20 && r == -ENOTSUP);
    case VERDICT_INVALID:
        return is_read && (r == -EINVAL || (is_20 && r == -ENOTSUP));
    default:
        return false;
    }
}

/* "# WHY FILE:LINE TYPE: MESSAGE" */
static void say(const char *why, const char *json_name, json_t *command, const char *message)
{
    const char *text = json_string_value(json_object_get(command, "text"));

    (void)printf("# %s %s:%d %s: %s; suite: \"%s\"\n", why, json_name,
                 (int)json_integer_value(json_object_get(command, "line")),
                 json_string_value(json_object_get(command, "type")), message, text ? text : "accepted");
}

static void command_run(json_t *command, const char *folder, const char *json_name, bool is_20, Totals *totals)
{
    const WasmFeatures features = is_20 ? (WasmFeatures){false} : WASM_FEATURES_ALL;
    const char *type = json_string_value(json_object_get(command, "type"));
    const char *filename = json_string_value(json_object_get(command, "filename"));
    const char *module_type = json_string_value(json_object_get(command, "module_type"));
    const char *text = json_string_value(json_object_get(command, "text"));
    const Verdict want = type ? expected_verdict(type) : VERDICT_NONE;
    char path[4096];
    bool is_read = false;
    Error err = ERROR_INIT;

    if (want == VERDICT_NONE || !filename)
        return;
    if (module_type && strcmp(module_type, "text") == 0) { /* about the text format, which we do not read */
        totals->skipped++;
        totals->text++;
        return;
    }
    must((size_t)snprintf(path, sizeof(path), "%s/%s", folder, filename) < sizeof(path));
    const int r = module_check(path, &features, &is_read, &err);
    if (is_right(want, r, is_read, text ? text : "", is_20)) {
        const bool has_text = want != VERDICT_ACCEPT && text && strstr(err.message, text) != NULL;
        totals->passed++;
        totals->worded += has_text;
        totals->wordless += want != VERDICT_ACCEPT && text && !has_text;
        if (opt_verbose && want != VERDICT_ACCEPT && !has_text)
            say("other words", json_name, command, err.message);
        return;
    }
    const char *reason = exception_reason(json_name, text ? text : "", want, r);
    if (reason || (r == -ENOTSUP && !is_20)) {
        totals->skipped++;
        say("skip", json_name, command, reason ? reason : err.message);
        return;
    }
    totals->failed++;
    say(r == 0 ? "FAIL accepted" : error_name(-r), json_name, command, r == 0 ? filename : err.message);
}

static void json_run(const char *path, bool is_20, unsigned number, Totals *totals)
{
    const Totals before = *totals;
    json_error_t error;
    json_t *root = json_load_file(path, JSON_ALLOW_NUL, &error);
    char *copy = strdup(path);
    json_t *command;
    size_t index;

    must(copy);
    const char *folder = dirname(copy);
    const char *json_name = path + strlen(folder) + 1;
    json_name += strncmp(json_name, "3.0_", 4) == 0 ? 4 : 0; /* as tests/spec/run names them */
    if (!root) {
        (void)printf("# FAIL %s: %s\n", path, error.text);
        totals->failed++;
    }
    json_array_foreach(json_object_get(root, "commands"), index, command)
        command_run(command, folder, json_name, is_20, totals);
    (void)printf("%sok %u - %s/%s: %u modules\n", totals->failed == before.failed ? "" : "not ", number,
                 is_20 ? "2.0" : "3.0", json_name, totals->passed - before.passed);
    json_decref(root);
    free(copy);
}

static unsigned plan(int argc, char **argv, int first)
{
    unsigned count = 0;

    for (int i = first; i < argc; i++) {
        if (strcmp(argv[i], "--skip") == 0)
            i += 2;
        else if (strncmp(argv[i], "--", 2) == 0)
            continue;
        count++;
    }
    return count;
}

int main(int argc, char **argv)
{
    Totals totals = {0};
    bool is_20 = true;
    int first = 1;
    unsigned number = 0;

    if (argc > 1 && strcmp(argv[1], "-v") == 0) {
        opt_verbose = true;
        first++;
    }
    if (argc <= first) {
        (void)fprintf(stderr, "usage: spec-validate [-v] (--2.0|--3.0) FILE.json... [--skip NAME REASON]...\n");
        return 2;
    }
    (void)setvbuf(stdout, NULL, _IOLBF, 0); /* progress through a pipe */
    (void)printf("1..%u\n", plan(argc, argv, first));
    for (int i = first; i < argc; i++) {
        if (strcmp(argv[i], "--2.0") == 0 || strcmp(argv[i], "--3.0") == 0) {
            is_20 = strcmp(argv[i], "--2.0") == 0;
        } else if (strcmp(argv[i], "--skip") == 0 && i + 2 < argc) {
            (void)printf("ok %u - %s # SKIP %s\n", ++number, argv[i + 1], argv[i + 2]);
            i += 2;
        } else {
            json_run(argv[i], is_20, ++number, &totals);
        }
    }
    (void)printf("# skipped modules in text format, which this reader does not take: %u\n", totals.text);
    (void)printf("# refusals with the suite's text in their message: %u, with other words: %u\n", totals.worded, totals.wordless);
    (void)printf("spec-validate: modules %u passed %u failed %u skipped\n", totals.passed, totals.failed, totals.skipped);
    return totals.failed == 0 && totals.passed > 0 ? 0 : 1;
}
