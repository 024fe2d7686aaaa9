/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vk.c - life of a vkernel: made once in the process that will run the guest, lives through guest forks and execs.
 */
#include "vk-int.h"

#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

static void remember_dispositions(Vk *vk)
{
    for (int s = 1; s < WALI_NSIG; s++) { /* what was ignored stays ignored: execve(2), nohup(1) */
        struct sigaction action;
        if (sigaction(s, NULL, &action) == 0 && (action.sa_flags & SA_SIGINFO) == 0 && action.sa_handler == SIG_IGN) {
            vk->signals.actions[s].handler = WALI_SIG_IGN;
        }
    }
    vk->signals.stack = (WaliStack){.ss_flags = SS_DISABLE};
}

int vk_new(const VkConfig *config, Vk **ret_vk, Error *err)
{
    must(config->root_fd >= config->minimum_fd && config->minimum_fd > 2);
    Vk *vk = calloc(1, sizeof *vk);
    if (vk == NULL) {
        return error_set(err, ENOMEM, "vkernel: out of memory");
    }
    vk->config = *config;
    vk->exe_fd = vk->script_fd = -1;
    vk->is_tracing = config->is_tracing;
    vk->fd_limit = (uint32_t)(config->minimum_fd < LIMIT_GUEST_FDS ? config->minimum_fd : LIMIT_GUEST_FDS);
    for (size_t i = 0; i < sizeof vk->limits / sizeof vk->limits[0]; i++) {
        vk->limits[i][0] = vk->limits[i][1] = UINT64_MAX;
    }
    vk->limits[RLIMIT_NOFILE][0] = vk->limits[RLIMIT_NOFILE][1] =
        config->open_files_count > 0 && config->open_files_count < vk->fd_limit ? config->open_files_count : vk->fd_limit;
    vk->limits[RLIMIT_STACK][0] = LIMIT_NATIVE_STACK;
    vk_file_size_setup(vk);
    vk->maybe_cloexec[0] = UINT64_MAX; /* what was inherited is looked at by the first exec */
    remember_dispositions(vk);
    vk_signals_setup();
    vk->verdict = calloc(1, sizeof *vk->verdict);
    int r = vk->verdict == NULL ? error_set(err, ENOMEM, "vkernel: out of memory") : vk_path_setup(vk, err);
    if (r == 0) {
        r = vk_strings_set(&vk->argv, config->argv, config->argc);
    }
    if (r == 0) {
        r = vk_strings_set(&vk->envp, config->envp, config->envc);
    }
    if (r == 0) {
        r = vk_map_setup(vk);
    }
    if (r == 0) {
        r = vk_family_setup(vk);
    }
    if (r < 0) {
        vk_strings_deinit(&vk->argv);
        vk_strings_deinit(&vk->envp);
        free(vk->root_path);
        free(vk->verdict);
        free(vk);
        return err != NULL && err->code != 0 ? r : error_set(err, -r, "vkernel: start");
    }
    *ret_vk = vk;
    return 0;
}

static const char *last_component(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash == NULL ? path : slash + 1;
}

/* Takes the descriptors of the verdict of the first program, as exec.c does for the later ones. */
static int take_verdict(Vk *vk, GateVerdict *verdict)
{
    must(verdict->kind == GATE_ALLOW && verdict->row.entry != NULL);
    const uint32_t last = verdict->step_count == 0 ? 0 : verdict->step_count - 1;
    vk->program_flags = verdict->row.flags;
    vk->exe_fd = steal_fd(&verdict->file_fd);
    vk->exe_path = strdup(verdict->steps[last].resolved);
    if (vk->exe_path == NULL) {
        return -ENOMEM;
    }
    (void)snprintf(vk->comm, sizeof vk->comm, "%s", last_component(verdict->steps[0].path));
    if (verdict->script_fd < 0) {
        return 0;
    }
    vk->script_fd = steal_fd(&verdict->script_fd);
    vk->script_path = strdup(verdict->script_path);
    const char *argv[1024];
    size_t count = 0;
    argv[count++] = verdict->interpreter_path;
    if (verdict->interpreter_arg[0] != '\0') {
        argv[count++] = verdict->interpreter_arg;
    }
    argv[count++] = verdict->script_path;
    for (size_t i = 1; i < vk->config.argc; i++) {
        if (count == sizeof argv / sizeof argv[0]) {
            return -E2BIG;
        }
        argv[count++] = vk->config.argv[i];
    }
    return vk->script_path == NULL ? -ENOMEM : vk_strings_set(&vk->argv, argv, count);
}

int vk_run(Vk *vk, GateVerdict *verdict, Error *err)
{
    const RtEntry *entry = rt_object_entry(vk->config.loaded, verdict->row.entry);
    if (entry == NULL) {
        return error_set(err, ENOENT, "vkernel: the object has no entry %s", verdict->row.entry);
    }
    int r = take_verdict(vk, verdict);
    if (r < 0) {
        return error_set(err, -r, "vkernel: arguments of %s", verdict->row.entry);
    }
    const RtInstanceConfig config = {
        .resolve = vk_resolve,
        .resolve_context = vk,
        .host = vk,
        .page_limit = vk->config.page_limit,
        .native_stack_size = vk->config.native_stack_size,
    };
    r = rt_instance_new(vk->config.loaded, entry, &config, &vk->instance, err);
    if (r < 0) {
        return r;
    }
    vk->instance->host = vk;
    if (vk->instance->memory == NULL) {
        return error_set(err, ENOEXEC, "vkernel: entry %s has no memory", verdict->row.entry);
    }
    const int status = rt_instance_run(vk->instance);
    _exit(status);
}

/* The WASI personality is in wasi.c; a build without that file answers that no such import exists. */
__attribute__((weak)) const void *vk_wasi_resolve(const char *name, const char *signature)
{
    (void)name;
    (void)signature;
    return NULL;
}

const void *vk_resolve(void *context, const char *module, const char *name, const char *signature)
{
    (void)context;
    if (strcmp(module, "wali") == 0) {
        return vk_wali_resolve(name, signature);
    }
    if (strcmp(module, "wasi_snapshot_preview1") == 0) {
        return vk_wasi_resolve(name, signature);
    }
    return NULL;
}
