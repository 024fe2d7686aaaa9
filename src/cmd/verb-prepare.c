/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verb-prepare.c - recompiler prepare: verify, compile, keep.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "cmd/cmd.h"
#include "cmd/prepare-int.h"
#include "cmd/profile-int.h"

/* @profile_count: functions of the profile that was given; < 0: none was. @warm: taken over. */
static void print_ready(const char *image, const Loaded *loaded, uint64_t object_size, double seconds, int64_t profile_count, json_t *warm)
{
    const CacheReport *compile = &loaded->compile;
    const char *name = manifest_name(loaded->verified.manifest);
    const uint32_t compiled_count = compile->functions.total_count - compile->functions.cached_count;
    if (opt_global.is_json) {
        json_t *json = json_pack("{s:o, s:s, s:I, s:f, s:b}", "image", cmd_json_text(image), "name", name, "object_size", (json_int_t)object_size,
                                 "seconds", seconds, "compiled", compile->is_compiled);
        if (json != NULL && compile->is_compiled) {
            json_object_update_new(json, json_pack("{s:I, s:I, s:f, s:I}", "functions", (json_int_t)compile->functions.total_count, "functions_compiled",
                                                   (json_int_t)compiled_count, "compile_seconds", (double)compile->compile_ms / 1000,
                                                   "compiler_peak_memory", (json_int_t)compile->peak_size));
        }
        if (json != NULL && profile_count >= 0) {
            json_object_set_new(json, "profile_functions", json_integer(profile_count));
        }
        if (json != NULL && json_array_size(warm) > 0) {
            json_object_set(json, "snapshots", warm);
        }
        json_decref(warm);
        cmd_print_json(json);
        return;
    }
    printf("%s: ready (%s, object %.1f MiB, %.2f s", cmd_text(image), name, (double)object_size / 1048576.0, seconds);
    if (compile->is_compiled) {
        printf("; %u functions, %u of them compiled, compiler's memory %.0f MiB", compile->functions.total_count, compiled_count,
               (double)compile->peak_size / 1048576.0);
    }
    if (profile_count >= 0) {
        printf("; profile of %" PRId64 " functions", profile_count);
    }
    printf(")\n");
    for (size_t i = 0; i < json_array_size(warm); i++) {
        const json_t *row = json_array_get(warm, i);
        printf("  %s: snapshot %s\n", cmd_text(json_string_value(json_object_get(row, "path"))), json_string_value(json_object_get(row, "snapshot")));
    }
    json_decref(warm);
}

/* The object, laid out by that profile: its path, "none", or NULL for the one that the cache remembers. */
static int compile(const char *profile_path, LoadConfig *config, Loaded *loaded, int64_t *ret_profile_count, Error *err)
{
    Profile profile = {0};
    int r = 0;
    config->is_profile_forgotten = profile_path != NULL && strcmp(profile_path, "none") == 0;
    if (profile_path != NULL && !config->is_profile_forgotten) {
        r = cmd_profile_read(profile_path, manifest_megabinary_digest(loaded->verified.manifest), &profile, err);
        config->profile = &profile;
        *ret_profile_count = profile.func_count;
    }
    r = r < 0 ? r : load_object(loaded, config, err);
    config->profile = NULL;
    profile_deinit(&profile);
    return r;
}

int verb_prepare(int argc, char **argv)
{
    static const struct option options[] = {{"help", no_argument, NULL, 'h'},  {"json", no_argument, NULL, 'j'}, {"jobs", required_argument, NULL, 'n'},
                                            {"cpu", required_argument, NULL, 'c'}, {"opt", required_argument, NULL, 'o'},
                                            {"no-snapshots", no_argument, NULL, 's'}, {"profile", required_argument, NULL, 'p'},
                                            {NULL, 0, NULL, 0}};
    LoadConfig config = LOAD_CONFIG_INIT;
    config.is_recorded = true;
    const char *profile_path = NULL;
    uint64_t jobs = 0;
    bool is_warm_wanted = true;
    int option;
    while ((option = getopt_long(argc, argv, "hn:", options, NULL)) != -1) {
        switch (option) {
        case 'h': return cmd_help("prepare");
        case 'j': opt_global.is_json = true; break;
        case 'c':
            config.cpu = optarg;
            if (!cmd_cpu_is_known(optarg)) {
                return cmd_usage("prepare", "--cpu %s: x86-64-v2, x86-64-v3, x86-64-v4 or native is expected", optarg);
            }
            break;
        case 's': is_warm_wanted = false; break;
        case 'p': profile_path = optarg; break;
        case 'o':
            config.opt_level = cmd_opt_level(optarg);
            if (config.opt_level < 0) {
                return cmd_usage("prepare", "--opt %s: 0, 1, 2 or 3 is expected", optarg);
            }
            break;
        case 'n':
            if (cmd_number(optarg, 1024, &jobs) < 0) {
                return cmd_usage("prepare", "--jobs %s: a number is expected", optarg);
            }
            break;
        default: return cmd_option_wrong("prepare", argv, options);
        }
    }
    if (optind + 1 != argc) {
        return cmd_usage("prepare", "one IMAGE is expected");
    }
    config.job_count = (uint32_t)jobs;
    struct timespec begin;
    struct timespec end;
    (void)clock_gettime(CLOCK_MONOTONIC, &begin);
    Loaded loaded;
    Error err = ERROR_INIT;
    int r = load_image(argv[optind], &config, &loaded, &err);
    if (r < 0) {
        return cmd_fail("prepare", r, &err, EXIT_OWN_FAILURE);
    }
    json_t *warm = json_array();
    int64_t profile_count = -1;
    r = compile(profile_path, &config, &loaded, &profile_count, &err);
    r = r < 0 || !is_warm_wanted ? r : prepare_warm(argv[optind], &loaded, warm, &err);
    if (r < 0) {
        json_decref(warm);
        load_deinit(&loaded);
        return cmd_fail("prepare", r, &err, EXIT_OWN_FAILURE);
    }
    (void)clock_gettime(CLOCK_MONOTONIC, &end);
    struct stat status = {0};
    (void)fstat(loaded.object_fd, &status);
    const double seconds = (double)(end.tv_sec - begin.tv_sec) + (double)(end.tv_nsec - begin.tv_nsec) / 1e9;
    print_ready(argv[optind], &loaded, (uint64_t)status.st_size, seconds, profile_count, warm);
    load_deinit(&loaded);
    return 0;
}
