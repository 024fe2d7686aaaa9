/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verb-run.c - recompiler run: options -> verified image -> container -> exit status.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/interrupt.h"
#include "cmd/cmd.h"
#include "cmd/profile-int.h"
#include "cmd/run-int.h"
#include "manifest/audit.h"
#include "rt/rt.h"

enum { RUN_READ_ONLY = 256, RUN_MEMORY, RUN_CPUS, RUN_PIDS, RUN_TIMEOUT, RUN_NETWORK, RUN_NAME, RUN_STATS, RUN_STRACE, RUN_EXPLAIN, RUN_CPU,
       RUN_CORE, RUN_UNSETENV, RUN_WASI_DIR, RUN_OPT, RUN_RECORD };

static const struct option run_options[] = {
    {"help", no_argument, NULL, 'h'},
    {"json", no_argument, NULL, 'j'},
    {"env", required_argument, NULL, 'e'},
    {"workdir", required_argument, NULL, 'w'},
    {"user", required_argument, NULL, 'u'},
    {"interactive", no_argument, NULL, 'i'},
    {"tty", no_argument, NULL, 't'},
    {"volume", required_argument, NULL, 'v'},
    {"read-only", no_argument, NULL, RUN_READ_ONLY},
    {"memory", required_argument, NULL, RUN_MEMORY},
    {"cpus", required_argument, NULL, RUN_CPUS},
    {"pids-limit", required_argument, NULL, RUN_PIDS},
    {"timeout", required_argument, NULL, RUN_TIMEOUT},
    {"network", required_argument, NULL, RUN_NETWORK},
    {"name", required_argument, NULL, RUN_NAME},
    {"stats", no_argument, NULL, RUN_STATS},
    {"strace", no_argument, NULL, RUN_STRACE},
    {"explain", no_argument, NULL, RUN_EXPLAIN},
    {"cpu", required_argument, NULL, RUN_CPU},
    {"opt", required_argument, NULL, RUN_OPT},
    {"core", required_argument, NULL, RUN_CORE},
    {"record-profile", required_argument, NULL, RUN_RECORD},
    {"unsetenv-all", no_argument, NULL, RUN_UNSETENV},
    {"wasi-dir", required_argument, NULL, RUN_WASI_DIR},
    {NULL, 0, NULL, 0},
};

static int decimal(const char *text, double maximum, double *ret_value)
{
    char *end = NULL;
    if (!isdigit((unsigned char)text[0])) {
        return -EINVAL;
    }
    errno = 0;
    const double value = strtod(text, &end);
    if (errno != 0 || *end != '\0' || !(value > 0) || value > maximum) {
        return -EINVAL;
    }
    *ret_value = value;
    return 0;
}

static int volume_add(RunOptions *options, const char *text)
{
    if (options->mount_count == RUN_LISTS) {
        return -E2BIG;
    }
    _cleanup_(freep) char *copy = strdup(text);
    char *target = copy != NULL ? strchr(copy, ':') : NULL;
    if (target == NULL || target == copy) {
        return -EINVAL;
    }
    *target++ = '\0';
    SandboxMount *mount = &options->mounts[options->mount_count];
    *mount = (SandboxMount){.source = copy, .target = target};
    char *flags = strchr(target, ':');
    if (flags != NULL) {
        *flags++ = '\0';
        mount->is_read_only = strcmp(flags, "ro") == 0;
        if (!mount->is_read_only && strcmp(flags, "rw") != 0) {
            return -EINVAL;
        }
    }
    if (target[0] != '/' || !path_is_clean(target)) {
        return -EINVAL;
    }
    options->mount_count++;
    copy = NULL; /* lives as long as the process */
    return 0;
}

/* "none", or a directory of the image, perhaps with the name that the guest gets to see: wasmtime's --dir HOST::GUEST. */
static int preopen_add(RunOptions *options, const char *text)
{
    const char *separator = strstr(text, "::");
    options->has_preopens = true;
    if (strcmp(text, "none") == 0) {
        return 0;
    }
    if (options->preopen_count == RUN_LISTS) {
        return -E2BIG;
    }
    options->preopens[options->preopen_count++] = text;
    return text[0] == '/' && (separator == NULL || separator[2] != '\0') ? 0 : -EINVAL;
}

static int env_add(RunOptions *options, const char *text)
{
    if (options->env_count == RUN_LISTS) {
        return -E2BIG;
    }
    if (text[0] == '\0' || text[0] == '=') {
        return -EINVAL;
    }
    if (strchr(text, '=') == NULL) { /* NAME alone: passed on from our environment, as docker does */
        const char *value = getenv(text);
        char *pair = NULL;
        if (value == NULL) {
            return 0;
        }
        if (asprintf(&pair, "%s=%s", text, value) < 0) {
            return -ENOMEM;
        }
        options->env[options->env_count++] = pair;
        return 0;
    }
    options->env[options->env_count++] = text;
    return 0;
}

/* What the value of an option must be. */
static const char *option_expects(int option)
{
    static const struct { int option; const char *text; } rows[] = {
        {'e', "NAME or NAME=VALUE is expected"},
        {'w', "an absolute path is expected"},
        {'v', "SRC:DST, SRC:DST:ro or SRC:DST:rw is expected, DST an absolute path without . and .."},
        {RUN_MEMORY, "a size of at least 1m is expected, e.g. 64m or 2g"},
        {RUN_CPUS, "a number above 0 and up to 4096 is expected, e.g. 1.5"},
        {RUN_WASI_DIR, "DIR, DIR::NAME or none is expected, DIR an absolute path of the image"},
        {RUN_PIDS, "a number from 1 to 4194304 is expected"},
        {RUN_TIMEOUT, "seconds above 0 and up to 1000000000 are expected, e.g. 2.5"},
        {RUN_NETWORK, "none or host is expected"},
        {RUN_CPU, "x86-64-v2, x86-64-v3, x86-64-v4 or native is expected"},
        {RUN_OPT, "0, 1, 2 or 3 is expected"},
        {RUN_NAME, "1 to 63 letters, digits and . _ - are expected, a letter or digit first"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (rows[i].option == option) {
            return rows[i].text;
        }
    }
    return "not a value this option takes";
}

static int option_refuse(int option, int r)
{
    const struct option *row = run_options;
    while (row->name != NULL && row->val != option) {
        row++;
    }
    return cmd_usage("run", "--%s %s: %s", row->name, optarg, r == -E2BIG ? "given too often" : option_expects(option));
}

/* One option. Return: 0; < 0 the value is wrong. */
static int option_take(RunOptions *options, int option)
{
    uint64_t number = 0;
    double real = 0;
    int r = 0;
    switch (option) {
    case 'j': opt_global.is_json = true; break;
    case 'e': r = env_add(options, optarg); break;
    case 'w':
        options->workdir = optarg;
        r = optarg[0] == '/' ? 0 : -EINVAL;
        break;
    case 'u': options->user = optarg; break;
    case 'i': break; /* stdin is always passed on */
    case 't': options->is_terminal = true; break;
    case 'v': r = volume_add(options, optarg); break;
    case RUN_READ_ONLY: options->is_read_only = true; break;
    case RUN_MEMORY:
        r = cmd_size(optarg, &options->limits.memory_size);
        r = r == 0 && options->limits.memory_size < (1u << 20) ? -ERANGE : r;
        break;
    case RUN_CPUS: r = decimal(optarg, 4096, &options->limits.cpus); break;
    case RUN_PIDS:
        r = cmd_number(optarg, 1u << 22, &number);
        r = r == 0 && number == 0 ? -ERANGE : r;
        options->limits.pids_count = number;
        break;
    case RUN_TIMEOUT:
        r = decimal(optarg, 1e9, &real);
        options->timeout_ms = (uint64_t)(real * 1000.0) + (real * 1000.0 < 1.0);
        break;
    case RUN_NETWORK:
        options->is_network_host = strcmp(optarg, "host") == 0;
        r = options->is_network_host || strcmp(optarg, "none") == 0 ? 0 : -EINVAL;
        break;
    case RUN_NAME:
        options->name = optarg;
        r = run_name_is_good(optarg) ? 0 : -EINVAL;
        break;
    case RUN_STATS: options->is_stats = true; break;
    case RUN_STRACE: options->is_tracing = true; break;
    case RUN_EXPLAIN: options->is_explain = true; break;
    case RUN_CORE: options->core_path = optarg; break;
    case RUN_RECORD: options->record_path = optarg; break;
    case RUN_UNSETENV: options->has_plain_env = true; break;
    case RUN_WASI_DIR: r = preopen_add(options, optarg); break;
    case RUN_CPU:
        options->cpu = optarg;
        r = cmd_cpu_is_known(optarg) ? 0 : -EINVAL;
        break;
    case RUN_OPT:
        options->opt_level = cmd_opt_level(optarg);
        r = options->opt_level < 0 ? -EINVAL : 0;
        break;
    default: r = -ENOTSUP; break;
    }
    return r;
}

/* A refusal before the gate could speak is recorded too: the operator's log must show every attempt. */
static void refusal_audit(const RunOptions *options, int r, const Error *err)
{
    char path[LIMIT_PATH_SIZE];
    Audit *audit = NULL;
    if (interrupt_check() < 0) {
        return; /* nothing was refused */
    }
    if (cmd_audit_path(path, sizeof(path)) < 0 || audit_open(path, 3, &audit, NULL) < 0) {
        return; /* the refusal itself is reported on stderr */
    }
    char reason[ERROR_MESSAGE_SIZE + 32];
    (void)snprintf(reason, sizeof(reason), "image refused: %s (%s)", err->message, error_name(-r));
    const AuditRecord record = {
        .container = options->name,
        .image = options->image,
        .argv0 = options->argv[0],
        .path = options->argv[0],
        .pid = (uint32_t)getpid(),
        .is_allowed = false,
        .reason = reason,
    };
    error_ignore(audit_append(audit, &record)); /* as above */
    (void)audit_close(audit);
}

static void stats_print(const ContainerResult *result)
{
    fprintf(stderr,
            "recompiler: stats: start_us=%" PRIu64 " wall_us=%" PRIu64 " user_us=%" PRIu64 " system_us=%" PRIu64 " memory_peak_bytes=%" PRIu64 "\n",
            result->start_us, result->wall_us, result->user_us, result->system_us, result->memory_peak);
}

static int exit_code(const ContainerConfig *container, const ContainerResult *result, Error *err)
{
    opt_global.is_json = opt_global.is_json && (result->end == CONTAINER_DENIED || result->end == CONTAINER_NOT_FOUND); /* else stdout is the guest's */
    switch (result->end) {
    case CONTAINER_EXITED: return result->status;
    case CONTAINER_SIGNALED: return 128 + result->status;
    case CONTAINER_DENIED: return cmd_fail("run", -err->code, err, EXIT_DENIED);
    case CONTAINER_NOT_FOUND: return cmd_fail("run", -err->code, err, EXIT_NOT_FOUND);
    case CONTAINER_TIMED_OUT:
        return cmd_fail("run", error_set(err, ETIMEDOUT, "%s: stopped after %" PRIu64 " ms", container->argv[0], container->timeout_ms), err, EXIT_TIMED_OUT);
    case CONTAINER_OUT_OF_MEMORY:
        return cmd_fail("run", error_set(err, ENOMEM, "%s: killed: over the memory limit", container->argv[0]), err, 128 + SIGKILL);
    default: return EXIT_OWN_FAILURE;
    }
}

/* Where guests that trap write their core summaries: inherited by them, among the runtime's descriptors. */
static int core_open(const char *path, int *ret_fd, Error *err)
{
    if (path == NULL) {
        return 0;
    }
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC | O_NOCTTY, 0600);
    int r = fd < 0 ? -errno : fd_move_high(fd, CONTAINER_MINIMUM_FD, &fd);
    if (r < 0) {
        return error_set(err, -r, "--core %s: %s", cmd_text(path), strerror(-r));
    }
    rt_set_core_fd(fd);
    *ret_fd = fd;
    return 0;
}

static int run_recorded(const RunOptions *options, Loaded *loaded, RunPlan *plan)
{
    Error err = ERROR_INIT;
    LoadConfig config = LOAD_CONFIG_INIT;
    config.cpu = options->cpu;
    config.opt_level = options->opt_level;
    config.is_recording = options->record_path != NULL;
    config.is_optimised_later = options->record_path == NULL;
    int r = load_object(loaded, &config, &err);
    if (r < 0) {
        refusal_audit(options, r, &err);
        return cmd_fail("run", r, &err, EXIT_OWN_FAILURE);
    }
    plan->container.object_fd = loaded->object_fd;
    _cleanup_(fd_closep) int core_fd = -1;
    r = core_open(options->core_path, &core_fd, &err);
    if (r < 0) {
        return cmd_fail("run", r, &err, EXIT_OWN_FAILURE);
    }
    ContainerResult result;
    interrupt_end(); /* from here on the signals are the guest's */
    r = interrupt_check();
    r = r < 0 ? r : container_run(&plan->container, &result, &err);
    if (r == -EBADMSG || r == -ENOEXEC) {
        refusal_audit(options, r, &err); /* the object is not what the manifest says */
    }
    if (r < 0) {
        return cmd_fail("run", r, &err, EXIT_OWN_FAILURE);
    }
    if (result.note != NULL && !opt_global.is_quiet) {
        fprintf(stderr, "recompiler: run: note: %s\n", result.note);
    }
    if (options->is_stats) {
        stats_print(&result);
    }
    return exit_code(&plan->container, &result, &err);
}

static int run_planned(const RunOptions *options, Loaded *loaded, RunPlan *plan)
{
    Error err = ERROR_INIT;
    RunRecord record;
    if (options->is_explain) {
        return run_explain(&plan->container, loaded);
    }
    int r = run_record_begin(&record, options->record_path, &plan->container.megabinary, &err);
    if (r < 0) {
        return cmd_fail("run", r, &err, EXIT_OWN_FAILURE);
    }
    const int code = run_recorded(options, loaded, plan);
    r = run_record_end(&record, &err);
    return r < 0 ? cmd_fail("run", r, &err, EXIT_OWN_FAILURE) : code;
}

static int run_loaded(const RunOptions *options, Loaded *loaded)
{
    Error err = ERROR_INIT;
    RunPlan plan;
    const int r = run_plan(options, loaded, &plan, &err);
    const int code = r == 0 ? run_planned(options, loaded, &plan)
                            : cmd_fail("run", r, &err, r == -ENOENT ? EXIT_NOT_FOUND : EXIT_OWN_FAILURE);
    run_plan_deinit(&plan);
    return code;
}

int verb_run(int argc, char **argv)
{
    (void)close_range(CONTAINER_MINIMUM_FD, UINT_MAX, 0); /* where the runtime's live: a container closes the caller's below */
    static RunOptions options; /* large lists; one run a process */
    char name[64];
    (void)snprintf(name, sizeof(name), "run-%d", (int)getpid());
    options = (RunOptions){.name = name, .opt_level = CACHE_OPT_DEFAULT};
    int option;
    while ((option = getopt_long(argc, argv, "+he:w:u:itv:", run_options, NULL)) != -1) {
        if (option == 'h') {
            return cmd_help("run");
        }
        const int r = option_take(&options, option);
        if (r == -ENOTSUP) {
            return cmd_option_wrong("run", argv, run_options);
        }
        if (r < 0) {
            return option_refuse(option, r);
        }
    }
    if (optind + 2 > argc) {
        return cmd_usage("run", "IMAGE and PATH are expected");
    }
    options.image = argv[optind];
    options.argv = (const char *const *)(argv + optind + 1);
    options.argc = (size_t)(argc - optind - 1);
    LoadConfig config = LOAD_CONFIG_INIT;
    config.is_recorded = !options.is_explain;
    Loaded loaded;
    Error err = ERROR_INIT;
    const int r = load_image(options.image, &config, &loaded, &err);
    if (r < 0) {
        refusal_audit(&options, r, &err);
        return cmd_fail("run", r, &err, EXIT_OWN_FAILURE);
    }
    const int code = run_loaded(&options, &loaded);
    load_deinit(&loaded);
    return code;
}
