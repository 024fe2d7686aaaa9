/* SPDX-License-Identifier: Apache-2.0 */
/*
 * spec-runner.c - run one file of the WebAssembly test suite through reader, validator, compiler and runtime.
 *
 *     spec-runner [--opt N] [--cpu CPU] [--3.0] [--fixed] [--verbose] --work DIR FILE.json
 *
 * Without --3.0 every feature beyond WebAssembly 2.0 is off. Prints a line for every command that failed or was skipped, and last "FILE: commands N passed N failed N skipped N". A
 * progress file DIR/progress holds "DONE PASSED SKIPPED TOTAL" after every command, so that a crash costs only what comes after it.
 * Exit 0 when nothing failed.
 */
#include "spec.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/must.h"

#define VALUES_MAX 64u
#define NAMES_MAX 4096u

typedef enum Outcome { PASSED, FAILED, SKIPPED } Outcome;

typedef struct Named {
    const char *name;
    SpecModule *module;
} Named;

typedef struct Run {
    const char *folder; /* of the .json: module files lie there */
    SpecModule *current;
    Named named[NAMES_MAX];
    uint32_t named_count;
    struct {
        const char *name, *file;
    } definitions[NAMES_MAX]; /* 3.0: modules to be instantiated later, any number of times */
    uint32_t definition_count;
    bool has_proposals;
    bool is_of_threads; /* a file of the threads proposal, whose tests are of older standards otherwise */
    bool is_skipping;  /* the current module was skipped */
    bool has_skipped;  /* any was: others may want to import from it */
    char why[1024]; /* of a failure or skip */
} Run;

static const char *member(json_t *json, const char *name) { return json_string_value(json_object_get(json, name)); }

static Outcome fail(Run *run, const char *format, ...) __attribute__((format(printf, 2, 3)));
static Outcome fail(Run *run, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(run->why, sizeof(run->why), format, arguments);
    va_end(arguments);
    return FAILED;
}

static SpecModule *module_named(Run *run, const char *name)
{
    if (name == NULL) {
        return run->current;
    }
    for (uint32_t i = run->named_count; i > 0; i--) {
        if (strcmp(run->named[i - 1].name, name) == 0) {
            return run->named[i - 1].module;
        }
    }
    return NULL;
}

static SpecStage module_open(Run *run, const char *file, SpecModule **ret_module, RtTrap *ret_trap, Error *err)
{
    char path[PATH_MAX];
    if (file == NULL) {
        (void)error_set(err, ENOENT, "no module of that name");
        return SPEC_READ;
    }
    (void)snprintf(path, sizeof(path), "%s/%s", run->folder, file);
    return spec_module_new(path, ret_module, ret_trap, err);
}

/* Modules of later standards use features that the compiler refuses by name: they and what is asked of them are skipped. */
static Outcome skip(Run *run, const char *format, ...) __attribute__((format(printf, 2, 3)));
static Outcome skip(Run *run, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(run->why, sizeof(run->why), format, arguments);
    va_end(arguments);
    return SKIPPED;
}

/* Which feature a refusal names: without the place, so that skips can be counted. */
static const char *feature_name(const char *message)
{
    static const struct { const char *words, *name; } features[] = {
        {"multi-memory", NULL}, {"memory64", NULL},
        {"garbage collection", "garbage collection (GC)"}, {"relaxed SIMD", NULL}, {"component", NULL}, {"threads", NULL},
        {"custom page sizes", NULL}, {"wide arithmetic", NULL}, {"typed function references", NULL},
        {"non-null references", "typed function references"}, {"table initialisers", NULL}};
    for (size_t i = 0; i < sizeof(features) / sizeof(features[0]); i++) {
        if (strstr(message, features[i].words) != NULL) {
            return features[i].name != NULL ? features[i].name : features[i].words;
        }
    }
    return message;
}

static Outcome run_module(Run *run, const char *file, const char *name)
{
    Error err = ERROR_INIT;
    RtTrap trap;
    SpecModule *module;
    run->current = NULL;
    run->is_skipping = false;
    const SpecStage stage = module_open(run, file, &module, &trap, &err);
    if (stage < SPEC_INSTANTIATE && err.code == ENOTSUP && run->has_proposals) {
        run->is_skipping = run->has_skipped = true;
        return skip(run, "not supported: %s", feature_name(err.message));
    }
    if (stage != SPEC_DONE) {
        return fail(run, "module not accepted: %s", stage == SPEC_INSTANTIATE ? rt_trap_name(trap) : err.message);
    }
    run->current = module;
    if (name != NULL) {
        must(run->named_count < NAMES_MAX);
        module->is_kept = true;
        run->named[run->named_count++] = (Named){.name = name, .module = module};
    }
    return PASSED;
}

/* A definition is a module that nothing runs yet: it must be read and valid. */
static Outcome run_definition(Run *run, json_t *command)
{
    Error err = ERROR_INIT;
    char path[PATH_MAX];
    const char *name = member(command, "name"), *file = member(command, "filename");
    must(file != NULL && run->definition_count < NAMES_MAX);
    run->definitions[run->definition_count].name = name != NULL ? name : "";
    run->definitions[run->definition_count++].file = file;
    (void)snprintf(path, sizeof(path), "%s/%s", run->folder, file);
    if (spec_module_check(path, &err) != SPEC_DONE) {
        return err.code == ENOTSUP && run->has_proposals ? skip(run, "not supported: %s", feature_name(err.message))
                                                         : fail(run, "module not accepted: %s", err.message);
    }
    return PASSED;
}

static Outcome run_instance(Run *run, json_t *command)
{
    const char *name = member(command, "module");
    for (uint32_t i = run->definition_count; i > 0; i--) { /* the last one when it says no name */
        if (name == NULL || strcmp(run->definitions[i - 1].name, name) == 0) {
            return run_module(run, run->definitions[i - 1].file, member(command, "instance"));
        }
    }
    return fail(run, "no definition");
}

static Outcome run_register(Run *run, json_t *command)
{
    SpecModule *module = module_named(run, member(command, "name"));
    json_t *as = json_object_get(command, "as");
    if (module == NULL || as == NULL) {
        return fail(run, "no module to register");
    }
    spec_register(json_string_value(as), json_string_length(as), module);
    return PASSED;
}

/* Performs an action. Return: NULL or why it could not be; a trap is a result. */
static const char *action_perform(Run *run, json_t *action, RtValue *results, RtTrap *ret_trap)
{
    static RtValue args[VALUES_MAX];
    SpecModule *module = module_named(run, member(action, "module"));
    json_t *field = json_object_get(action, "field"), *list = json_object_get(action, "args");
    const char *type = member(action, "type");
    *ret_trap = RT_TRAP_NONE;
    if (module == NULL || field == NULL || type == NULL) {
        return "no module";
    }
    if (strcmp(type, "get") == 0) {
        SpecExtern export;
        if (!spec_export(module, json_string_value(field), json_string_length(field), &export) || export.kind != WASM_EXTERN_GLOBAL) {
            return "no such global";
        }
        results[0] = *export.global;
        return NULL;
    }
    if (json_array_size(list) > VALUES_MAX) {
        return "too many arguments";
    }
    for (size_t i = 0; i < json_array_size(list); i++) {
        if (!spec_value_read(json_array_get(list, i), &args[i])) {
            return "argument of unknown type";
        }
    }
    return spec_invoke(module, json_string_value(field), json_string_length(field), args, results, ret_trap);
}

static Outcome run_return(Run *run, json_t *command)
{
    static RtValue results[VALUES_MAX];
    RtTrap trap;
    json_t *expected = json_object_get(command, "expected");
    must(json_array_size(expected) <= VALUES_MAX);
    const char *why = action_perform(run, json_object_get(command, "action"), results, &trap);
    if (why != NULL || trap != RT_TRAP_NONE) {
        return fail(run, "%s", why != NULL ? why : rt_trap_name(trap));
    }
    const bool is_checked = strcmp(member(command, "type"), "assert_return") == 0;
    for (size_t i = 0; is_checked && i < json_array_size(expected); i++) {
        if (!spec_value_check(json_array_get(expected, i), &results[i], run->why, sizeof(run->why))) {
            return FAILED;
        }
    }
    return PASSED;
}

/* The suite's words begin with ours or ours with the suite's ("uninitialized element 7"). call_ref and ref.as_non_null trap alike. */
static bool is_same_trap(const char *got, const char *want)
{
    if (strcmp(want, "null function reference") == 0) {
        want = "null reference";
    }
    const size_t a = strlen(got), b = strlen(want);
    return strncmp(got, want, a < b ? a : b) == 0;
}

static Outcome run_trap(Run *run, json_t *command)
{
    static RtValue results[VALUES_MAX];
    RtTrap trap;
    const char *text = member(command, "text"), *why = action_perform(run, json_object_get(command, "action"), results, &trap);
    if (why != NULL || trap == RT_TRAP_NONE) {
        return fail(run, "%s", why != NULL ? why : "returned, a trap was expected");
    }
    return text != NULL && is_same_trap(rt_trap_name(trap), text) ? PASSED : fail(run, "got '%s' want '%s'", rt_trap_name(trap), text);
}

static Outcome run_exception(Run *run, json_t *command)
{
    static RtValue results[VALUES_MAX];
    RtTrap trap;
    const char *why = action_perform(run, json_object_get(command, "action"), results, &trap);
    if (why != NULL || trap != RT_TRAP_UNCAUGHT_EXCEPTION) {
        return fail(run, "%s, an exception was expected", why != NULL ? why : rt_trap_name(trap));
    }
    return PASSED;
}

static Outcome run_refusal(Run *run, json_t *command, SpecStage first, SpecStage last)
{
    Error err = ERROR_INIT;
    RtTrap trap;
    SpecModule *module;
    const char *type = member(command, "module_type"), *text = member(command, "text");
    if (type != NULL && strcmp(type, "text") == 0) {
        return skip(run, "in text format, which nothing of ours reads");
    }
    if (run->current != NULL) {
        run->current->is_kept = true; /* it is asked again after this one */
    }
    const SpecStage stage = module_open(run, member(command, "filename"), &module, &trap, &err);
    const bool is_component = strstr(err.message, "component") != NULL && text != NULL && strcmp(text, "unknown binary version") == 0;
    if (err.code == ENOTSUP && is_component) {
        return PASSED; /* told from other versions by name */
    }
    if (err.code == ENOTSUP && stage <= SPEC_VALIDATE && run->has_proposals) {
        return skip(run, "refused, as it should be, but for a feature that is not supported: %s", feature_name(err.message));
    }
    if (stage < first || stage > last) {
        return fail(run, "want '%s', got stage %d: %s", text, (int)stage, stage == SPEC_INSTANTIATE ? rt_trap_name(trap) : err.message);
    }
    if (stage == SPEC_INSTANTIATE && !is_same_trap(rt_trap_name(trap), text)) {
        return fail(run, "got '%s' want '%s'", rt_trap_name(trap), text);
    }
    /* Also right: a limit, when that is what the suite is after; in 2.0 a feature beyond it, refused by name. */
    const bool is_plain = err.code == EBADMSG || err.code == EINVAL;
    const bool is_limit = err.code == E2BIG && text != NULL && strstr(err.message, text) != NULL;
    if (stage <= SPEC_VALIDATE && !is_plain && !is_limit && !(err.code == ENOTSUP && !run->has_proposals)) {
        return fail(run, "want '%s', refused for another reason: %s", text, err.message);
    }
    return PASSED;
}

/* What is wrong in a custom section makes no module invalid (wasm core 5.5.3): it is the section that is refused. */
static Outcome run_custom(Run *run, json_t *command)
{
    Error err = ERROR_INIT;
    char path[PATH_MAX];
    const char *file = member(command, "filename"), *text = member(command, "text");
    must(file != NULL && text != NULL);
    (void)snprintf(path, sizeof(path), "%s/%s", run->folder, file);
    if (strstr(text, "branch_hint") == NULL) {
        return fail(run, "no reader for: %s", text);
    }
    return spec_module_hints_refused(path, &err) ? PASSED : fail(run, "want '%s', got %s", text, err.code == 0 ? "hints" : err.message);
}

static Outcome run_checked(Run *run, json_t *command)
{
    const char *type = member(command, "type");
    must(type != NULL);
    if (member(command, "unconverted") != NULL) {
        return fail(run, "the text reader refuses it: %s", member(command, "unconverted"));
    }
    if (strcmp(type, "module") == 0) {
        return run_module(run, member(command, "filename"), member(command, "name"));
    }
    if (strcmp(type, "module_definition") == 0) {
        return run_definition(run, command);
    }
    if (strcmp(type, "module_instance") == 0) {
        return run_instance(run, command);
    }
    if (strcmp(type, "register") == 0) {
        return run_register(run, command);
    }
    if (strcmp(type, "assert_return") == 0 || strcmp(type, "action") == 0) {
        return run_return(run, command);
    }
    if (strcmp(type, "assert_trap") == 0 || strcmp(type, "assert_exhaustion") == 0) {
        return run_trap(run, command);
    }
    if (strcmp(type, "assert_exception") == 0) {
        return run_exception(run, command);
    }
    if (strcmp(type, "assert_malformed") == 0 || strcmp(type, "assert_malformed_custom") == 0) {
        return run_refusal(run, command, SPEC_READ, SPEC_VALIDATE);
    }
    if (strcmp(type, "assert_invalid_custom") == 0) {
        return run_custom(run, command);
    }
    if (strcmp(type, "assert_invalid") == 0) {
        return run_refusal(run, command, SPEC_VALIDATE, SPEC_VALIDATE);
    }
    if (strcmp(type, "assert_unlinkable") == 0) {
        return run_refusal(run, command, SPEC_LINK, SPEC_LINK);
    }
    if (strcmp(type, "assert_uninstantiable") == 0) {
        return run_refusal(run, command, SPEC_INSTANTIATE, SPEC_INSTANTIATE);
    }
    return fail(run, "unknown command: %s", member(command, "text") != NULL ? member(command, "text") : type);
}

static Outcome run_command(Run *run, json_t *command)
{
    const bool is_module = strncmp(member(command, "type"), "module", 6) == 0;
    if (run->is_skipping && !is_module && json_object_get(command, "filename") == NULL) {
        return skip(run, "asks a module that was skipped");
    }
    const Outcome outcome = run_checked(run, command);
    if (outcome == FAILED && run->has_skipped && (strstr(run->why, "unknown import") != NULL || strstr(run->why, "no module") != NULL)) {
        run->is_skipping |= is_module;
        return skip(run, "needs a module that was skipped");
    }
    if (outcome == FAILED && run->is_of_threads && strstr(run->why, "want 'multiple tables'") != NULL) {
        return skip(run, "true of WebAssembly 1.0 only: one table");
    }
    if (outcome == FAILED && run->is_of_threads && strstr(run->why, "want 'multiple memories'") != NULL) {
        return skip(run, "true of WebAssembly 2.0 only: one memory");
    }
    return outcome;
}

static void progress_write(int fd, size_t done, const size_t *counts, size_t total)
{
    char text[128];
    const int size = snprintf(text, sizeof(text), "%10zu %10zu %10zu %10zu\n", done, counts[PASSED], counts[SKIPPED], total);
    must(pwrite(fd, text, (size_t)size, 0) == size);
}

static int run_file(const char *path, const char *work, bool has_proposals, bool is_verbose)
{
    static Run run;
    static char folder[PATH_MAX], progress[PATH_MAX];
    json_error_t json_error;
    json_t *root = json_load_file(path, JSON_ALLOW_NUL, &json_error);
    if (root == NULL) {
        (void)printf("%s: %s\n", path, json_error.text);
        return 2;
    }
    (void)snprintf(folder, sizeof(folder), "%s", path);
    char *slash = strrchr(folder, '/');
    must(slash != NULL);
    *slash = '\0';
    run.folder = folder;
    run.is_of_threads = strstr(slash + 1, "_threads_") != NULL;
    run.has_proposals = has_proposals;
    (void)snprintf(progress, sizeof(progress), "%s/progress", work);
    const int progress_fd = open(progress, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    must(progress_fd >= 0);
    json_t *commands = json_object_get(root, "commands");
    const size_t total = json_array_size(commands);
    size_t counts[3] = {0};
    for (size_t i = 0; i < total; i++) {
        json_t *command = json_array_get(commands, i);
        const Outcome outcome = run_command(&run, command);
        counts[outcome]++;
        progress_write(progress_fd, i + 1, counts, total);
        if (outcome == FAILED || (outcome == SKIPPED && is_verbose)) {
            (void)printf("%s:%lld: %s: %s: %s\n", slash + 1, (long long)json_integer_value(json_object_get(command, "line")),
                         member(command, "type"), outcome == FAILED ? "failed" : "skipped", run.why);
            (void)fflush(stdout);
        }
    }
    (void)printf("%s: commands %zu passed %zu failed %zu skipped %zu\n", slash + 1, total, counts[PASSED], counts[FAILED], counts[SKIPPED]);
    return counts[FAILED] == 0 ? 0 : 1;
}

int main(int argc, char **argv)
{
    SpecOptions options = {.opt_level = 1, .cpu = "x86-64-v2"};
    const char *file = NULL;
    bool is_verbose = false;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--opt") == 0 && i + 1 < argc) {
            options.opt_level = argv[++i][0] - '0';
        } else if (strcmp(argv[i], "--cpu") == 0 && i + 1 < argc) {
            options.cpu = argv[++i];
        } else if (strcmp(argv[i], "--work") == 0 && i + 1 < argc) {
            options.work_dir = argv[++i];
        } else if (strcmp(argv[i], "--3.0") == 0) {
            options.has_proposals = true;
        } else if (strcmp(argv[i], "--fixed") == 0) {
            options.is_base_fixed = true;
        } else if (strcmp(argv[i], "--verbose") == 0) {
            is_verbose = true;
        } else {
            file = argv[i];
        }
    }
    if (options.work_dir == NULL || file == NULL || options.opt_level < 0 || options.opt_level > 3) {
        (void)fprintf(stderr, "usage: spec-runner [--opt N] [--cpu CPU] [--3.0] [--fixed] [--verbose] --work DIR FILE.json\n");
        return 2;
    }
    spec_modules_init(&options);
    const int status = run_file(file, options.work_dir, options.has_proposals, is_verbose);
    if (options.is_base_fixed) {
        (void)printf("modules at the fixed base: %u\n", spec_fixed_count());
    }
    return status;
}
