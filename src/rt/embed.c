/* SPDX-License-Identifier: Apache-2.0 */
/*
 * embed.c - the embedding API of include/recompiler.h over rt.h: the same objects and instances under public names, with
 * arguments checked, because the caller is not ours.
 */
#include "recompiler.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "rt/rt.h"
#include "wasm/module.h"

#define EXPORTED __attribute__((visibility("default")))

_Static_assert(sizeof(RecompilerValue) == sizeof(RtValue), "handed on as it is");

static int error_give(RecompilerError *error, int r, const Error *err)
{
    if (error != NULL) {
        error->code = -r;
        (void)snprintf(error->message, sizeof(error->message), "%s", err->message);
    }
    return r;
}

static int trap_give(RecompilerError *error, const RtTrapInfo *info)
{
    if (error != NULL) {
        char place[64] = "";
        if (info->wasm_offset != UINT64_MAX) {
            (void)snprintf(place, sizeof(place), " at wasm offset 0x%llx", (unsigned long long)info->wasm_offset);
        }
        error->code = 0;
        (void)snprintf(error->message, sizeof(error->message), "%s%s%s%s", rt_trap_name(info->trap),
                       info->func_name[0] != '\0' ? " in " : "", info->func_name, place);
    }
    return RECOMPILER_TRAP;
}

EXPORTED int recompiler_object_open(const char *path, RecompilerObject **ret_object, RecompilerError *error)
{
    Error err = ERROR_INIT;
    _cleanup_(fd_closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a FIFO must not hang us */
    const int r = fd < 0 ? error_set(&err, errno, "%s: cannot be opened", path) : rt_object_open(fd, 3, NULL, ret_object, &err);
    return r < 0 ? error_give(error, r, &err) : 0;
}

EXPORTED void recompiler_object_close(RecompilerObject *object) { (void)rt_object_close(object); }

EXPORTED const char *recompiler_object_function(const RecompilerObject *object, size_t index, const char **ret_signature)
{
    const RtObject *tables = rt_object(object);
    for (uint32_t i = 0; i < tables->export_count; i++) {
        if (tables->exports[i].kind == WASM_EXTERN_FUNC && index-- == 0) {
            if (ret_signature != NULL) {
                *ret_signature = tables->exports[i].signature;
            }
            return tables->exports[i].name;
        }
    }
    return NULL;
}

EXPORTED int recompiler_instance_new(RecompilerObject *object, const RecompilerConfig *config, RecompilerInstance **ret_instance,
                                     RecompilerError *error)
{
    Error err = ERROR_INIT;
    RtTrapInfo info = {.trap = RT_TRAP_NONE};
    RecompilerConfig copy = {0};
    RtInstance *instance = NULL;
    if (config->size > sizeof(copy)) {
        return error_give(error, error_set(&err, EINVAL, "the configuration is of a later version"), &err);
    }
    memcpy(&copy, config, config->size);
    const RtInstanceConfig inner = {.resolve = copy.resolve, .resolve_context = copy.resolve_context, .host = copy.host,
                                    .page_limit = copy.page_limit, .native_stack_size = copy.stack_size};
    const int r = rt_instance_new(object, NULL, &inner, &instance, &err);
    if (r < 0) {
        return error_give(error, r, &err);
    }
    if (rt_instance_instantiate(instance, &info) != RT_TRAP_NONE) {
        (void)rt_instance_free(instance);
        return trap_give(error, &info);
    }
    *ret_instance = instance;
    return 0;
}

EXPORTED void recompiler_instance_free(RecompilerInstance *instance) { (void)rt_instance_free(instance); }

static const RtExport *function_find(const RtInstance *instance, const char *name)
{
    const RtObject *object = instance->object;
    for (uint32_t i = 0; i < object->export_count; i++) {
        if (object->exports[i].kind == WASM_EXTERN_FUNC && strcmp(object->exports[i].name, name) == 0) {
            return &object->exports[i];
        }
    }
    return NULL;
}

typedef struct Call {
    const RtExport *export;
    const RtValue *arguments;
    RtValue *results;
} Call;

static void call_main(RtInstance *instance, void *argument)
{
    const Call *call = argument;
    call->export->thunk(instance, call->arguments, call->results);
}

EXPORTED int recompiler_call(RecompilerInstance *instance, const char *name, const RecompilerValue *arguments, size_t argument_count,
                             RecompilerValue *results, size_t result_count, RecompilerError *error)
{
    Error err = ERROR_INIT;
    const RtExport *export = function_find(instance, name);
    if (export == NULL || export->thunk == NULL || export->signature == NULL) {
        return error_give(error, error_set(&err, ENOENT, "no exported function %s%s", name,
                                           export != NULL ? ": the object was compiled without --thunks" : ""), &err);
    }
    const char *colon = strchr(export->signature, ':');
    if (colon == NULL || (size_t)(colon - export->signature) != argument_count || strlen(colon + 1) != result_count) {
        return error_give(error, error_set(&err, EINVAL, "%s has the signature %s, not %zu arguments and %zu results", name,
                                           export->signature, argument_count, result_count), &err);
    }
    Call call = {.export = export, .arguments = (const RtValue *)arguments, .results = (RtValue *)results};
    RtTrapInfo info = {.trap = RT_TRAP_NONE};
    return rt_instance_call(instance, call_main, &call, error != NULL ? &info : NULL) == RT_TRAP_NONE ? 0 : trap_give(error, &info);
}

EXPORTED void *recompiler_host(RecompilerInstance *instance) { return instance->host; }

EXPORTED uint64_t recompiler_memory_size(RecompilerInstance *instance)
{
    return instance->memory == NULL ? 0 : __atomic_load_n(&instance->memory->size, __ATOMIC_RELAXED);
}

EXPORTED void *recompiler_memory(RecompilerInstance *instance, uint64_t address, uint64_t size)
{
    const uint64_t limit = recompiler_memory_size(instance);
    return size <= limit && address <= limit - size && instance->memory != NULL ? instance->memory_base + address : NULL;
}

EXPORTED void recompiler_trap(RecompilerInstance *instance) { rt_trap(instance, RT_TRAP_HOST); }
