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
            vk->actions[s].handler = WALI_SIG_IGN;
        }
    }
}

static int first_arguments(Vk *vk)
{
    VkArguments *arguments = vk_arguments_begin(vk);
    vk->argv = vk_strings_begin(arguments);
    int r = vk_strings_append_list(arguments, &vk->argv, vk->config.argv, vk->config.argc);
    vk->envp = vk_strings_begin(arguments);
    r = r < 0 ? r : vk_strings_append_list(arguments, &vk->envp, vk->config.envp, vk->config.envc);
    return r == 0 && vk->argv.size + vk->envp.size > LIMIT_ARG_SIZE ? -E2BIG : r;
}

int vk_new(const VkConfig *config, Vk **ret_vk, Error *err)
{
    must(config->root_fd >= config->minimum_fd && config->minimum_fd > 2);
    Vk *vk = vk_reserve();
    if (vk == NULL) {
        return error_set(err, ENOMEM, "vkernel: out of memory");
    }
    vk->config = *config;
    vk->exe_fd = vk->script_fd = -1;
    vk->is_tracing = vk->is_slow = config->is_tracing;
    vk->has_family = !config->is_root_private;
    vk->fd_limit = (uint32_t)(config->minimum_fd < LIMIT_GUEST_FDS ? config->minimum_fd : LIMIT_GUEST_FDS);
    for (size_t i = 0; i < sizeof vk->limits / sizeof vk->limits[0]; i++) {
        vk->limits[i][0] = vk->limits[i][1] = UINT64_MAX;
    }
    vk->limits[RLIMIT_NOFILE][0] = vk->limits[RLIMIT_NOFILE][1] =
        config->open_files_count > 0 && config->open_files_count < vk->fd_limit ? config->open_files_count : vk->fd_limit;
    vk->limits[RLIMIT_STACK][0] = LIMIT_NATIVE_STACK;
    struct rlimit file_size = {.rlim_cur = RLIM_INFINITY, .rlim_max = RLIM_INFINITY};
    (void)getrlimit(RLIMIT_FSIZE, &file_size);
    vk->file_size_max = vk->limits[RLIMIT_FSIZE][1] = file_size.rlim_max;
    vk->limits[RLIMIT_FSIZE][0] = file_size.rlim_cur;
    vk->maybe_cloexec[0] = 7; /* 0, 1, 2 are looked at by the first exec; nothing else is inherited */
    remember_dispositions(vk);
    vk_threads_setup(vk);
    vk_signals_setup();
    int r = vk_path_setup(vk, err);
    r = r < 0 || config->argc == 0 ? r : first_arguments(vk);
    r = r < 0 ? r : vk_map_setup(vk);
    if (r < 0) {
        free(vk->root_path);
        vk_release(vk);
        return err != NULL && err->code != 0 ? r : error_set(err, -r, "vkernel: start");
    }
    *ret_vk = vk;
    return 0;
}

void vk_comm_set(Vk *vk, const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash == NULL ? path : slash + 1;
    const size_t size = strnlen(name, sizeof vk->comm - 1);
    memcpy(vk->comm, name, size);
    memset(vk->comm + size, 0, sizeof vk->comm - size);
}

/* Takes the descriptors of the verdict of the first program, as exec.c does for the later ones. */
static int take_verdict(Vk *vk, GateVerdict *verdict)
{
    must(verdict->kind == GATE_ALLOW && verdict->row.entry != NULL);
    const uint32_t last = verdict->step_count == 0 ? 0 : verdict->step_count - 1;
    vk->program_flags = verdict->row.flags;
    vk->exe_fd = steal_fd(&verdict->file_fd);
    VkArguments *arguments = &vk->arguments[0];
    must(vk->argv.area == arguments->area);
    vk_comm_set(vk, verdict->steps[0].path);
    const int r = verdict->script_fd >= 0 ? vk_script_arguments(verdict, arguments, &vk->argv) : 0;
    if (r < 0) {
        return r;
    }
    vk->exe_path = vk_arguments_path(arguments, verdict->steps[last].resolved);
    vk->script_fd = steal_fd(&verdict->script_fd);
    vk->script_path = vk->script_fd >= 0 ? vk_arguments_path(arguments, verdict->script_path) : NULL;
    return 0;
}

static int list_append(VkArguments *arguments, VkStrings *strings, const char *bytes, size_t count)
{
    int r = 0;
    for (size_t i = 0; r == 0 && i < count; i++) {
        const size_t size = strlen(bytes);
        r = vk_strings_append(arguments, strings, bytes, size);
        bytes += size + 1;
    }
    return r;
}

int vk_request(Vk *vk, const VkRequest *request, Error *err)
{
    must(vk->argv.area == NULL && request->argc > 0);
    VkArguments *arguments = &vk->arguments[0];
    vk->argv = vk_strings_begin(arguments);
    int r = list_append(arguments, &vk->argv, request->argv, request->argc);
    vk->envp = vk_strings_begin(arguments);
    r = r < 0 ? r : list_append(arguments, &vk->envp, request->envp, request->envc);
    if (r < 0 || vk->argv.size + vk->envp.size > LIMIT_ARG_SIZE) {
        return error_set(err, E2BIG, "vkernel: arguments and environment are too long");
    }
    if (request->open_files_count > 0 && request->open_files_count < vk->limits[RLIMIT_NOFILE][1]) {
        vk->limits[RLIMIT_NOFILE][0] = vk->limits[RLIMIT_NOFILE][1] = request->open_files_count;
    }
    if (request->page_limit > 0 && request->page_limit != vk->config.page_limit) { /* else no page is written for it */
        vk->config.page_limit = request->page_limit;
        r = vk->instance == NULL ? 0 : rt_instance_limit(vk->instance, request->page_limit);
        if (r < 0) {
            return error_set(err, -r, "memory: the program starts with more than the limit of %u pages", request->page_limit);
        }
    }
    r = vk_lent_look(vk, err);
    if (r == 0 && strcmp(request->cwd, "/") != 0) { /* where it is already */
        r = vk_chdir(vk, request->cwd);
        r = r < 0 ? error_set(err, -r, "vkernel: working directory %s", request->cwd) : 0;
    }
    return r;
}

void vk_rehearse(Vk *vk, const VkRequest *request)
{
    must(vk->argv.area == NULL && vk->instance != NULL);
    error_ignore(vk_request(vk, request, NULL)); /* descriptors 0, 1 and 2 are not there: nothing fails */
    vk_comm_set(vk, "");
    const RtEntry *volatile entry = rt_object_entry(vk->config.loaded, vk->instance->entry->name);
    rt_instance_touch(vk->instance);
    (void)entry;
    vk->argv = vk->envp = (VkStrings){0};
    vk->arguments[0].list_count = vk->arguments[0].size = 0;
    memset(vk->lent, 0, sizeof(vk->lent));
}

int vk_prepare(Vk *vk, const RtEntry *entry, Error *err)
{
    const RtInstanceConfig config = {
        .resolve = vk_resolve,
        .resolve_context = vk,
        .host = vk,
        .page_limit = vk->config.page_limit,
        .native_stack_size = vk->config.native_stack_size,
    };
    const int r = rt_instance_new(vk->config.loaded, entry, &config, &vk->instance, err);
    if (r < 0) {
        return r;
    }
    vk->instance->host = vk;
    vk_threads_setup(vk); /* the calls of vk_request() look at the thread's instance */
    return vk->instance->memory != NULL ? 0 : error_set(err, ENOEXEC, "vkernel: entry %s has no memory", entry->name);
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
    if (vk->instance != NULL && vk->instance->entry != entry) {
        vk->instance = rt_instance_free(vk->instance);
    }
    r = vk->instance == NULL ? vk_prepare(vk, entry, err) : 0;
    if (r < 0) {
        return r;
    }
    vk_threads_setup(vk); /* again: the process may be a fork of the one that called vk_new() */
    const int status = rt_instance_run(vk->instance);
    vk_thread_ended(vk_self, status);
    _exit(status); /* not reached: the leader comes back only as the end of the process */
}

/* The WASI personality is in wasi.c; a build without that file answers that no such import exists. */
__attribute__((weak)) const void *vk_wasi_resolve(const char *name, const char *signature)
{
    (void)name;
    (void)signature;
    return NULL;
}

__attribute__((weak)) const void *vk_wasi_threads_resolve(const char *name, const char *signature)
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
    if (strcmp(module, "recompiler") == 0) {
        return strcmp(name, "ready") == 0 && strcmp(signature, ":") == 0 ? (const void *)vk_warm_ready : NULL;
    }
    if (strcmp(module, "wasi_snapshot_preview1") == 0) {
        return vk_wasi_resolve(name, signature);
    }
    if (strcmp(module, "wasi") == 0) {
        return vk_wasi_threads_resolve(name, signature);
    }
    return NULL;
}
