/* SPDX-License-Identifier: Apache-2.0 */
/*
 * host.c - runs every export of an object and prints what happens, for tests/compile-fuzz/run only.
 *
 *     host OBJECT
 *     log VALUE            the module called an import
 *     NAME: VALUES|trap    an export was called with zeros
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "rt/rt.h"

#define VALUE_MAXIMUM 1000

static void show(char type, const RtValue *value)
{
    switch (type) {
    case 'i': printf(" %d", (int)value->i32); break;
    case 'I': printf(" %lld", (long long)value->i64); break;
    case 'f': value->f32 != value->f32 ? printf(" nan") : printf(" %x", value->i32); break;
    default: value->f64 != value->f64 ? printf(" nan") : printf(" %llx", (unsigned long long)value->i64); break;
    }
}

static void log_value(char type, RtValue value)
{
    printf("log");
    show(type, &value);
    printf("\n");
}

static void log_i32(RtInstance *instance, uint32_t value) { (void)instance; log_value('i', (RtValue){.i32 = value}); }
static void log_i64(RtInstance *instance, uint64_t value) { (void)instance; log_value('I', (RtValue){.i64 = value}); }
static void log_f32(RtInstance *instance, float value) { (void)instance; log_value('f', (RtValue){.f32 = value}); }
static void log_f64(RtInstance *instance, double value) { (void)instance; log_value('F', (RtValue){.f64 = value}); }
static void log_v128(RtInstance *instance) { (void)instance; }

static const void *resolve(void *context, const char *module, const char *name, const char *signature)
{
    (void)context;
    (void)module;
    (void)name;
    switch (signature[0]) {
    case 'i': return (const void *)log_i32;
    case 'I': return (const void *)log_i64;
    case 'f': return (const void *)log_f32;
    case 'F': return (const void *)log_f64;
    default: return (const void *)log_v128;
    }
}

typedef struct Call {
    const RtExport *export;
    RtValue args[VALUE_MAXIMUM], results[VALUE_MAXIMUM];
} Call;

static void run(RtInstance *instance, void *argument)
{
    Call *call = argument;
    call->export->thunk(instance, call->args, call->results);
}

static void call_export(RtInstance *instance, const RtExport *export)
{
    static Call call;
    if (export->thunk == NULL || strpbrk(export->signature, "vrex") != NULL) {
        return;
    }
    memset(&call, 0, sizeof(call));
    call.export = export;
    const RtTrap trap = rt_instance_call(instance, run, &call, NULL);
    printf("%s:", export->name);
    if (trap != RT_TRAP_NONE) {
        printf(" trap");
    }
    const char *types = strchr(export->signature, ':') + 1;
    for (size_t i = 0; trap == RT_TRAP_NONE && types[i] != '\0'; i++) {
        show(types[i], &call.results[i]);
    }
    printf("\n");
}

int main(int argc, char **argv)
{
    Error err = ERROR_INIT;
    RtLoaded *loaded = NULL;
    RtInstance *instance = NULL;
    const RtInstanceConfig config = {.resolve = resolve};
    const int fd = argc == 2 ? open(argv[1], O_RDONLY | O_CLOEXEC) : -1;
    if (fd < 0 || rt_object_open(fd, 50, NULL, &loaded, &err) < 0 || rt_instance_new(loaded, NULL, &config, &instance, &err) < 0) {
        fprintf(stderr, "host: %s\n", err.message);
        return 1;
    }
    if (rt_instance_instantiate(instance, NULL) != RT_TRAP_NONE) {
        printf("start: trap\n");
        return 0;
    }
    const RtObject *object = rt_object(loaded);
    for (uint32_t i = 0; i < object->export_count; i++) {
        call_export(instance, &object->exports[i]);
    }
    return 0;
}
