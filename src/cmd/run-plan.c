/* SPDX-License-Identifier: Apache-2.0 */
/*
 * run-plan.c - what the options of `run` mean for this image: program path, user, environment, limits.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/must.h"
#include "cmd/run-int.h"

#define DEFAULT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#define RESOLVE_INSIDE (0x10u | 0x02u) /* RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS */

bool run_name_is_good(const char *name)
{
    if (!isalnum((unsigned char)name[0]) || strlen(name) > 63) {
        return false;
    }
    for (; *name != '\0'; name++) {
        if (!isalnum((unsigned char)*name) && strchr("_.-", *name) == NULL) {
            return false;
        }
    }
    return true;
}

/* --- users: numbers, or names of the image's /etc/passwd and /etc/group --- */

static int id_find(int root_fd, const char *file, const char *name, uint64_t *ret_id, uint64_t *ret_group)
{
    _cleanup_(fd_closep) int fd = fd_openat2(root_fd, file, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0, RESOLVE_INSIDE);
    _cleanup_(freep) char *text = malloc((1u << 20) + 1);
    size_t size = 0;
    if (fd < 0 || text == NULL || fd_read_full(fd, text, 1u << 20, &size) < 0) {
        return -ENOENT;
    }
    text[size] = '\0';
    char *rest = text;
    char *line;
    while ((line = strsep(&rest, "\n")) != NULL) {
        const char *own_name = strsep(&line, ":");
        const char *password = strsep(&line, ":");
        const char *id = strsep(&line, ":");
        const char *group = strsep(&line, ":");
        if (own_name != NULL && password != NULL && id != NULL && strcmp(own_name, name) == 0 && cmd_number(id, UINT32_MAX - 1, ret_id) == 0) {
            if (ret_group != NULL && group != NULL && cmd_number(group, UINT32_MAX - 1, ret_group) < 0) {
                return -EBADMSG;
            }
            return 0;
        }
    }
    return -ENOENT;
}

static int user_resolve(const char *user, const char *root_path, ContainerConfig *container, Error *err)
{
    char copy[256];
    if (user == NULL || user[0] == '\0') {
        return 0;
    }
    if (snprintf(copy, sizeof(copy), "%s", user) >= (int)sizeof(copy)) {
        return error_set(err, EINVAL, "user %s: too long", user);
    }
    char *group_text = strchr(copy, ':');
    if (group_text != NULL) {
        *group_text++ = '\0';
    }
    _cleanup_(fd_closep) int root_fd = open(root_path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    uint64_t uid = 0;
    uint64_t gid = 0;
    if (cmd_number(copy, UINT32_MAX - 1, &uid) < 0 && id_find(root_fd, "etc/passwd", copy, &uid, &gid) < 0) {
        return error_set(err, EINVAL, "user %s: not in the image's /etc/passwd", copy);
    }
    if (group_text != NULL && cmd_number(group_text, UINT32_MAX - 1, &gid) < 0 && id_find(root_fd, "etc/group", group_text, &gid, NULL) < 0) {
        return error_set(err, EINVAL, "group %s: not in the image's /etc/group", group_text);
    }
    container->uid = (uid_t)uid;
    container->gid = (gid_t)gid;
    return 0;
}

/* --- environment --- */

static const char *env_get(const char *const *env, size_t count, const char *name)
{
    const size_t size = strlen(name);
    for (size_t i = count; i-- > 0;) {
        if (strncmp(env[i], name, size) == 0 && env[i][size] == '=') {
            return env[i] + size + 1;
        }
    }
    return NULL;
}

/* A later setting of a name replaces the earlier one in its place. */
static void env_put(const char **env, size_t *count, const char *pair)
{
    const size_t size = (size_t)(strchrnul(pair, '=') - pair);
    for (size_t i = 0; i < *count; i++) {
        if (strncmp(env[i], pair, size) == 0 && env[i][size] == '=') {
            env[i] = pair;
            return;
        }
    }
    env[(*count)++] = pair;
}

static int environment_make(const RunOptions *options, const ImageConfigFields *config, RunPlan *plan, Error *err)
{
    plan->envp = calloc(config->env_count + options->env_count + 8, sizeof(*plan->envp));
    if (plan->envp == NULL) {
        return error_set(err, ENOMEM, "out of memory");
    }
    size_t count = 0;
    for (size_t i = 0; i < config->env_count && !options->has_plain_env; i++) {
        if (strchr(config->env[i], '=') != NULL) {
            env_put(plan->envp, &count, config->env[i]);
        }
    }
    if (!options->has_plain_env && env_get(plan->envp, count, "PATH") == NULL) {
        env_put(plan->envp, &count, "PATH=" DEFAULT_PATH);
    }
    if (!options->has_plain_env && env_get(plan->envp, count, "HOME") == NULL) {
        env_put(plan->envp, &count, plan->container.uid == 0 ? "HOME=/root" : "HOME=/");
    }
    if (options->is_terminal) {
        env_put(plan->envp, &count, "TERM=xterm");
    }
    for (size_t i = 0; i < options->env_count; i++) {
        env_put(plan->envp, &count, options->env[i]);
    }
    plan->container.envp = plan->envp;
    plan->container.envc = count;
    return 0;
}

/* --- program: a name without a slash is looked for on the container's PATH, as docker does --- */

static int program_find(const RunOptions *options, const char *root_path, RunPlan *plan, Error *err)
{
    const char *name = options->argv[0];
    if (strchr(name, '/') != NULL) {
        if (snprintf(plan->program, sizeof(plan->program), "%s", name) >= (int)sizeof(plan->program)) {
            return error_set(err, ENAMETOOLONG, "%.64s...: path too long", name);
        }
        return 0;
    }
    _cleanup_(fd_closep) int root_fd = open(root_path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    const char *path = env_get(plan->container.envp, plan->container.envc, "PATH");
    while (path != NULL && *path != '\0') {
        const size_t size = strcspn(path, ":");
        if (size > 0 && size < sizeof(plan->program) &&
            snprintf(plan->program, sizeof(plan->program), "%.*s/%s", (int)size, path, name) < (int)sizeof(plan->program)) {
            _cleanup_(fd_closep) int fd = fd_openat2(root_fd, plan->program, O_PATH | O_CLOEXEC, 0, RESOLVE_INSIDE);
            struct stat status;
            if (fd >= 0 && fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && (status.st_mode & 0111) != 0) {
                return 0;
            }
        }
        path += size;
        path += *path == ':';
    }
    return error_set(err, ENOENT, "%s: not found on the container's PATH", name);
}

static uint64_t smaller(uint64_t a, uint64_t b)
{
    return a == 0 ? b : b == 0 ? a : a < b ? a : b;
}

static void limits_merge(const RunOptions *options, const Manifest *manifest, ContainerConfig *container)
{
    ManifestLimits own;
    manifest_limits(manifest, &own);
    container->limits = options->limits;
    container->limits.memory_size = smaller(options->limits.memory_size, own.memory_size);
    container->limits.pids_count = smaller(options->limits.pids_count, own.pids_count);
    container->limits.open_files_count = own.open_files_count;
    container->timeout_ms = smaller(options->timeout_ms, own.timeout_ms);
}

int run_plan(const RunOptions *options, const Loaded *loaded, RunPlan *ret_plan, Error *err)
{
    must(options->argc > 0);
    RunPlan *plan = ret_plan;
    memset(plan, 0, sizeof(*plan));
    const Manifest *manifest = loaded->verified.manifest;
    const ImageConfigFields *config = image_config(loaded->image);
    const bool has_store = !image_is_directory(loaded->image);
    plan->container = (ContainerConfig){
        .preopens = options->has_preopens ? options->preopens : NULL,
        .preopen_count = options->preopen_count,
        .name = options->name,
        .image = options->image,
        .image_root = image_root_path(loaded->image),
        .is_image_writable = !has_store,
        .stored_digest = has_store ? image_stored_digest : NULL,
        .stored_context = loaded->image,
        .manifest = manifest,
        .policy = loaded->policy,
        .keys = plan->keys,
        .object_fd = -1,
        .megabinary = *manifest_megabinary_digest(manifest),
        .program = plan->program,
        .argv = options->argv,
        .argc = options->argc,
        .hostname = options->name,
        .mounts = options->mounts,
        .mount_count = options->mount_count,
        .is_read_only = options->is_read_only,
        .is_network_host = options->is_network_host,
        .is_tracing = options->is_tracing,
    };
    for (uint32_t i = 0; i < loaded->verified.signers.count; i++) {
        plan->keys[plan->container.key_count++] = loaded->verified.signers.keys[i]->id;
    }
    if (cmd_audit_path(plan->audit_path, sizeof(plan->audit_path)) == 0) {
        plan->container.audit_path = plan->audit_path;
    }
    plan->container.cwd = options->workdir != NULL ? options->workdir : config->working_dir[0] != '\0' ? config->working_dir : "/";
    if (plan->container.cwd[0] != '/') {
        return error_set(err, EINVAL, "--workdir %s: an absolute path is expected", plan->container.cwd);
    }
    limits_merge(options, manifest, &plan->container);
    int r = user_resolve(options->user != NULL ? options->user : config->user, plan->container.image_root, &plan->container, err);
    r = r < 0 ? r : environment_make(options, config, plan, err);
    return r < 0 ? r : program_find(options, plan->container.image_root, plan, err);
}

void run_plan_deinit(RunPlan *plan)
{
    free(plan->envp);
    plan->envp = NULL;
}
