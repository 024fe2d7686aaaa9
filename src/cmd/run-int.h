/* SPDX-License-Identifier: Apache-2.0 */
/*
 * run-int.h - shared by verb-run.c (options), run-plan.c (what they mean for this image) and run-explain.c.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "cmd/cmd.h"
#include "sandbox/container.h"

#define RUN_LISTS 256

typedef struct RunOptions {
    const char *image;
    const char *const *argv; /* PATH ARGS... */
    size_t argc;
    const char *name;
    const char *workdir;
    const char *user;
    const char *cpu;
    int opt_level;
    const char *record_path; /* NULL: no profile is recorded */
    const char *core_path;   /* NULL: no core summaries */
    const char *env[RUN_LISTS];
    size_t env_count;
    SandboxMount mounts[RUN_LISTS];
    size_t mount_count;
    SandboxLimits limits;
    uint64_t timeout_ms;
    bool is_terminal;
    bool is_read_only;
    bool is_network_host;
    bool is_stats;
    bool is_tracing;
    bool is_explain;
    bool has_plain_env;      /* --unsetenv-all: neither the image's environment nor PATH and HOME */
    bool has_preopens;       /* --wasi-dir was given */
    const char *preopens[RUN_LISTS];
    size_t preopen_count;
} RunOptions;

typedef struct RunPlan {
    ContainerConfig container;
    const char *keys[64];
    const char **envp;             /* lives as long as the process */
    gid_t groups[1];
    char program[LIMIT_PATH_SIZE];
    char audit_path[LIMIT_PATH_SIZE];
} RunPlan;

/* [A-Za-z0-9][A-Za-z0-9_.-]*, at most 63: it names a cgroup and a host. */
bool run_name_is_good(const char *name);

/* run_plan() - options, image config and manifest limits (the smaller of both counts) to a container's configuration.
 * Return: 0; -ENOENT PATH without a slash is not on the image's PATH; -EINVAL user or directory. */
int run_plan(const RunOptions *options, const Loaded *loaded, RunPlan *ret_plan, Error *err) WARN_UNUSED;
void run_plan_deinit(RunPlan *plan); /* also of a plan that failed */

/* run_explain() - the look-up step by step, for people or as the JSON of interfaces.md section 1. Return: exit code 0, 126 or 127. */
int run_explain(const ContainerConfig *config, const Loaded *loaded);
