/* SPDX-License-Identifier: Apache-2.0 */
/*
 * recompiler-compile - megabinary -> object, in a process of its own (design.md section 4).
 *
 *   parse options -> open input, make work directory beside OUTPUT -> confine -> hash -> read, validate -> compile
 *   -> fsync -> rename to OUTPUT
 *
 * The work directory ".recompiler-compile-XXXXXX" is held by flock; one that is not held was left by a killed run and
 * is removed by the next. OUTPUT appears whole or not at all.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <llvm-c/Core.h>
#include <llvm-c/ErrorHandling.h>
#include <llvm-c/TargetMachine.h>

#include "abi/abi.h"
#include "aot/compile.h"
#include "aot/confine.h"
#include "aot/unit-cache.h"
#include "base/arena.h"
#include "base/cleanup.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/limits.h"
#include "base/workdir.h"

#define WORK_PREFIX ".recompiler-compile-"
#define MODULE_ARENA_MAXIMUM (8ull << 30)

typedef struct Job {
    CompileOptions compile;
    ConfineOptions confine;
    const char *input;
    const char *output;
    const char *expected_sha256;
    const char *unit_cache_dir;
    const char *profile_path;
    int profile_fd;
    uint64_t unit_cache_size;
    int progress_fd;
    bool is_unconfined;
    char output_dir[PATH_MAX];
    WorkDir work;
    char object_path[PATH_MAX];
} Job;

#if defined(__SANITIZE_ADDRESS__)
/* The leak check starts a tracer, which a confined process may not. */
__attribute__((visibility("default"))) const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "detect_leaks=0";
}
#endif

static void usage(FILE *stream)
{
    fputs("usage: recompiler-compile [OPTIONS] INPUT OUTPUT\n"
          "Compiles a WebAssembly module (a path, or the number of an open descriptor) to an object for this machine.\n"
          "  --cpu CPU            x86-64-v2 (default), x86-64-v3, x86-64-v4 or native; aarch64: code for that machine, to look at\n"
          "  --opt N              0 to 3 (default 2)\n"
          "  --jobs N             threads (default: one a CPU)\n"
          "  --memory-base X      address of linear memory; 0: loaded from the instance (default 0x40000000)\n"
          "  --thunks             entry points for every exported function (spec runner, embedding)\n"
          "  --fast-memory        may drop loads whose value is not used even if they would trap\n"
          "  --profile FILE       lays the code out by the first calls that it lists (a path, or the number of an open descriptor)\n"
          "  --record             calls note the first one in memory that the runtime gives (run --record-profile)\n"
          "  --unit-cache DIR     objects of unchanged partitions come from there, new ones are kept there\n"
          "  --unit-cache-size B  bytes of them at most, the least recently used go first (default 1 GiB)\n"
          "  --progress-fd N      writes \"DONE TOTAL FROM-CACHE\\n\" there: functions\n"
          "  --expect-sha256 HEX  refuse another input\n"
          "  --memory-limit BYTES address space (default: none)\n"
          "  --time-limit S       CPU seconds (default: none)\n"
          "  --dump-ir DIR        writes LLVM IR there (switches the sandbox off)\n"
          "example: recompiler-compile --jobs 4 megabinary.wasm megabinary.so\n",
          stream);
}

static int fail(const char *what, const Error *err)
{
    fprintf(stderr, "recompiler-compile: %s: %s (%s)\n", what, err->message, error_name(err->code));
    return 1;
}

static void print_version(void)
{
    char *cpu = LLVMGetHostCPUName();
    char *features = LLVMGetHostCPUFeatures();
    printf("recompiler-compile %s, ABI %u, host %s %s\n", compile_version(), RT_ABI_VERSION, cpu, features);
    LLVMDisposeMessage(cpu);
    LLVMDisposeMessage(features);
}

static bool parse_number(const char *text, uint64_t maximum, uint64_t *ret_value)
{
    char *end;
    errno = 0;
    const unsigned long long value = strtoull(text, &end, 0);
    if (errno != 0 || end == text || *end != '\0' || text[0] == '-' || value > maximum) {
        return false;
    }
    *ret_value = value;
    return true;
}

enum { OPT_CPU = 256, OPT_OPT, OPT_JOBS, OPT_BASE, OPT_THUNKS, OPT_FAST, OPT_PROGRESS, OPT_SHA, OPT_MEMORY, OPT_TIME, OPT_DUMP, OPT_VERSION, OPT_HELP,
       OPT_UNITS, OPT_UNITS_SIZE, OPT_PROFILE, OPT_RECORD };

static bool take_option(Job *job, int option, const char *text)
{
    uint64_t value = 0;
    bool is_good = true;
    switch (option) {
    case OPT_CPU: job->compile.cpu = text; break;
    case OPT_OPT: is_good = parse_number(text, 3, &value); job->compile.opt_level = (int)value; break;
    case OPT_JOBS: is_good = parse_number(text, 1024, &value); job->compile.job_count = (uint32_t)value; break;
    case OPT_BASE: is_good = parse_number(text, 1ull << 46, &job->compile.memory_base); break;
    case OPT_THUNKS: job->compile.has_thunks = true; break;
    case OPT_FAST: job->compile.is_fast_memory = true; break;
    case OPT_PROGRESS: is_good = parse_number(text, 1 << 20, &value); job->progress_fd = (int)value; break;
    case OPT_SHA: job->expected_sha256 = text; break;
    case OPT_MEMORY: is_good = parse_number(text, UINT64_MAX - 1, &job->confine.memory_limit); break;
    case OPT_TIME: is_good = parse_number(text, UINT32_MAX, &job->confine.time_limit); break;
    case OPT_PROFILE: job->profile_path = text; break;
    case OPT_RECORD: job->compile.is_recording = true; break;
    case OPT_UNITS: job->unit_cache_dir = text; break;
    case OPT_UNITS_SIZE: is_good = parse_number(text, INT64_MAX, &job->unit_cache_size); break;
    case OPT_DUMP: job->compile.dump_ir_dir = text; job->is_unconfined = true; break;
    default: is_good = false; break;
    }
    return is_good;
}

static int parse_options(int argc, char **argv, Job *job)
{
    static const struct option options[] = {
        {"cpu", 1, NULL, OPT_CPU}, {"opt", 1, NULL, OPT_OPT}, {"jobs", 1, NULL, OPT_JOBS}, {"memory-base", 1, NULL, OPT_BASE},
        {"thunks", 0, NULL, OPT_THUNKS}, {"fast-memory", 0, NULL, OPT_FAST}, {"progress-fd", 1, NULL, OPT_PROGRESS},
        {"expect-sha256", 1, NULL, OPT_SHA}, {"memory-limit", 1, NULL, OPT_MEMORY}, {"time-limit", 1, NULL, OPT_TIME},
        {"unit-cache", 1, NULL, OPT_UNITS}, {"unit-cache-size", 1, NULL, OPT_UNITS_SIZE},
        {"profile", 1, NULL, OPT_PROFILE}, {"record", 0, NULL, OPT_RECORD},
        {"dump-ir", 1, NULL, OPT_DUMP}, {"version", 0, NULL, OPT_VERSION}, {"help", 0, NULL, OPT_HELP}, {0},
    };
    int option;
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == OPT_VERSION) {
            print_version();
            return 0;
        }
        if (option == OPT_HELP) {
            usage(stdout);
            return 0;
        }
        if (!take_option(job, option, optarg)) {
            if (option != '?') {
                fprintf(stderr, "recompiler-compile: %s: invalid argument %s (EINVAL)\n", argv[optind - 2], optarg);
            }
            return 2;
        }
    }
    if (argc - optind != 2) {
        usage(stderr);
        return 2;
    }
    job->input = argv[optind];
    job->output = argv[optind + 1];
    return -1;
}

static int open_input(const char *input, const char *what, int *ret_fd, Error *err)
{
    uint64_t number;
    if (input[strspn(input, "0123456789")] == '\0' && parse_number(input, 1 << 20, &number)) {
        *ret_fd = fcntl((int)number, F_DUPFD_CLOEXEC, 3);
    } else {
        *ret_fd = open(input, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    }
    return *ret_fd < 0 ? error_set(err, errno, "cannot open the %s", what) : 0;
}

static int prepare_output(Job *job, Error *err)
{
    const char *slash = strrchr(job->output, '/');
    const int length = slash == NULL ? 1 : slash == job->output ? 1 : (int)(slash - job->output);
    if (snprintf(job->output_dir, sizeof(job->output_dir), "%.*s", length, slash == NULL ? "." : job->output) >= (int)sizeof(job->output_dir)) {
        return error_set(err, ENAMETOOLONG, "the path is too long");
    }
    const int r = work_dir_make(job->output_dir, WORK_PREFIX, &job->work, err);
    if (r == 0 && snprintf(job->object_path, sizeof(job->object_path), "%s/object", job->work.path) >= (int)sizeof(job->object_path)) {
        return error_set(err, ENAMETOOLONG, "the path is too long");
    }
    return r;
}

static void write_progress(void *context, const CompileProgress *progress)
{
    const Job *job = context;
    char line[64];
    const int size = snprintf(line, sizeof(line), "%u %u %u\n", progress->done_count, progress->total_count, progress->cached_count);
    (void)!write(job->progress_fd, line, (size_t)size); /* nobody listening is fine */
}

/* After the digest of the module is known, in the sandbox: a profile is not trusted. */
static int read_profile(const Job *job, Profile *ret_profile, Error *err)
{
    FileMap map;
    int r = file_map_fd(job->profile_fd, PROFILE_SIZE_MAXIMUM, &map, err);
    if (r < 0) {
        return error_wrap(err, r, "profile");
    }
    r = profile_read(map.bytes, map.size, ret_profile, err);
    file_unmap(&map);
    return r < 0 ? r : profile_is_for(ret_profile, &job->compile.digest, err);
}

static int compile_bytes(Job *job, const FileMap *map, Error *err)
{
    int r = sha256(map->bytes, map->size, &job->compile.digest);
    if (r < 0) {
        return error_set(err, -r, "cannot hash the module");
    }
    Digest expected;
    if (job->expected_sha256 != NULL && (digest_parse(job->expected_sha256, strlen(job->expected_sha256), &expected) < 0 ||
                                         !digest_equals(&expected, &job->compile.digest))) {
        char hex[DIGEST_HEX_SIZE + 1];
        digest_hex(&job->compile.digest, hex);
        return error_set(err, EBADMSG, "its SHA-256 is %s, not %s", hex, job->expected_sha256);
    }
    Arena arena = ARENA_INIT(MODULE_ARENA_MAXIMUM);
    const WasmModule *module;
    r = wasm_module_read(map->bytes, map->size, &arena, &module, err);
    if (r == 0) {
        r = wasm_module_validate(module, &WASM_FEATURES_DEFAULT, err);
    }
    Profile profile = {0};
    if (r == 0 && job->profile_path != NULL) {
        r = read_profile(job, &profile, err);
        job->compile.profile = &profile;
    }
    if (r == 0) {
        r = compile_module(module, &job->compile, job->object_path, err);
    }
    job->compile.profile = NULL;
    profile_deinit(&profile);
    arena_deinit(&arena);
    return r;
}

/* The object is on disk before its name is. */
static int publish(const Job *job, Error *err)
{
    _cleanup_(fd_closep) int fd = open(job->object_path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fchmod(fd, 0644) < 0 || fsync(fd) < 0) {
        return error_set(err, errno, "cannot write the object");
    }
    if (rename(job->object_path, job->output) < 0) {
        return error_set(err, errno, "cannot rename the object");
    }
    _cleanup_(fd_closep) int dir_fd = open(job->output_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return dir_fd < 0 || fsync(dir_fd) < 0 ? error_set(err, errno, "cannot sync %s", job->output_dir) : 0;
}

static int run_job(Job *job, int input_fd, Error *err)
{
    const char *missing = NULL;
    job->confine.write_dirs[0] = job->output_dir;
    job->confine.write_dirs[1] = job->unit_cache_dir;
    int r = job->unit_cache_dir == NULL ? 0 : unit_cache_open(job->unit_cache_dir, job->unit_cache_size, &job->compile.unit_cache, err);
    if (r < 0) {
        return error_wrap(err, r, "cache of units");
    }
    r = job->is_unconfined ? 0 : confine_self(&job->confine, &missing, err);
    if (r < 0) {
        return error_wrap(err, r, "sandbox");
    }
    FileMap map;
    r = file_map_fd(input_fd, LIMIT_MODULE_SIZE, &map, err);
    if (r < 0) {
        return r;
    }
    r = compile_bytes(job, &map, err);
    file_unmap(&map);
    return r < 0 ? r : publish(job, err);
}

/* What LLVM's fatal error handler, which has no argument, must know. */
static const Job *running_job;

/* LLVM gave up (out of memory, a bug): the reason in our words, nothing left behind. */
static void on_llvm_error(const char *reason)
{
    fprintf(stderr, "recompiler-compile: %s: LLVM: %s (EIO)\n", running_job->input, reason);
    error_ignore(tree_remove(AT_FDCWD, running_job->work.path, NULL)); /* what is left is removed by the next run */
    _exit(1);
}

/* The work directory stays for the next run to remove: nothing that does so is safe in a signal handler. */
static void on_time_limit(int signal_number)
{
    static const char text[] = "recompiler-compile: the time limit is over (ETIME)\n";
    (void)signal_number;
    (void)!write(STDERR_FILENO, text, sizeof(text) - 1);
    _exit(1);
}

int main(int argc, char **argv)
{
    Job job = {.compile = {.opt_level = 2, .cpu = "x86-64-v2", .memory_base = RT_MEMORY_BASE_DEFAULT}, .unit_cache_size = UNIT_CACHE_SIZE_DEFAULT,
               .progress_fd = -1, .profile_fd = -1, .work = WORK_DIR_INIT};
    const int parsed = parse_options(argc, argv, &job);
    if (parsed >= 0) {
        return parsed;
    }
    (void)signal(SIGCHLD, SIG_DFL); /* the linker is waited for */
    (void)signal(SIGPIPE, SIG_IGN);
    (void)signal(SIGXCPU, on_time_limit);
    if (job.progress_fd >= 0) {
        job.compile.progress = write_progress;
        job.compile.progress_context = &job;
    }
    Error err = ERROR_INIT;
    int input_fd = -1;
    if (open_input(job.input, "module", &input_fd, &err) < 0) {
        return fail(job.input, &err);
    }
    if (job.profile_path != NULL && open_input(job.profile_path, "profile", &job.profile_fd, &err) < 0) {
        return fail(job.profile_path, &err);
    }
    if (prepare_output(&job, &err) < 0) {
        return fail(job.output, &err);
    }
    job.compile.work_dir = job.work.path;
    running_job = &job;
    LLVMInstallFatalErrorHandler(on_llvm_error);
    const int r = run_job(&job, input_fd, &err);
    unit_cache_close(job.compile.unit_cache);
    work_dir_remove(&job.work);
    (void)fd_close(input_fd);
    (void)fd_close(job.profile_fd);
    return r < 0 ? fail(job.input, &err) : 0;
}
