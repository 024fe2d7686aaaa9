/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-int.h - what the unit tests of src/rt share: opening the fixture object that lies beside the test's executable,
 * and a scripted host. Only test-*.c include it.
 */
#pragma once

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/must.h"
#include "rt/rt-int.h"

/* A sanitizer's shadow may lie where the product puts linear memory. */
#if defined(RT_HAS_ASAN) || defined(__SANITIZE_THREAD__)
#define TEST_FIXTURE "rt-fixture.so"
#else
#define TEST_FIXTURE "rt-fixture-fixed.so"
#endif

static int test_number;
__attribute__((unused)) static void ok(const char *name) { (void)printf("ok %d - %s\n", ++test_number, name); (void)fflush(stdout); }

__attribute__((unused)) static int fixture_fd(const char *name)
{
    char path[PATH_MAX];
    const ssize_t size = readlink("/proc/self/exe", path, sizeof(path) - 64);
    must(size > 0);
    path[size] = '\0';
    char *slash = strrchr(path, '/');
    must(slash != NULL);
    (void)snprintf(slash + 1, 64, "%s", name);
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    must(fd >= 0);
    return fd;
}

__attribute__((unused)) static RtLoaded *fixture_open(const char *name)
{
    Error err = ERROR_INIT;
    RtLoaded *loaded = NULL;
    const int fd = fixture_fd(name);
    if (rt_object_open(fd, 100, NULL, &loaded, &err) != 0) {
        (void)printf("# %s\n", err.message);
        must(false && "fixture opens");
    }
    (void)close(fd);
    return loaded;
}

/* The host: commands given out in order, reports collected. */
typedef struct Script {
    const uint32_t *commands;
    uint32_t reports[64];
    uint32_t report_count;
    void (*at_command)(RtInstance *instance, uint32_t command); /* NULL or called for each */
} Script;

__attribute__((unused)) static void host_report(RtInstance *instance, uint32_t value)
{
    Script *script = instance->host;
    must(rt_current() == instance && script->report_count < 64);
    script->reports[script->report_count++] = value;
}

__attribute__((unused)) static uint32_t host_command(RtInstance *instance)
{
    Script *script = instance->host;
    if (script->at_command != NULL) {
        script->at_command(instance, *script->commands); /* may put other commands in its place */
    }
    return *script->commands++;
}

__attribute__((unused)) static const void *host_resolve(void *context, const char *module, const char *name, const char *signature)
{
    (void)context;
    if (strcmp(module, "test") != 0) {
        return NULL;
    }
    if (strcmp(name, "report") == 0 && strcmp(signature, "i:") == 0) {
        return (const void *)(uintptr_t)host_report;
    }
    return strcmp(name, "command") == 0 && strcmp(signature, ":i") == 0 ? (const void *)(uintptr_t)host_command : NULL;
}

__attribute__((unused)) static RtInstance *script_instance(RtLoaded *loaded, const char *entry, Script *script)
{
    Error err = ERROR_INIT;
    RtInstance *instance = NULL;
    const RtInstanceConfig config = {.resolve = host_resolve, .host = script, .native_stack_size = 1u << 20};
    const int r = rt_instance_new(loaded, entry != NULL ? rt_object_entry(loaded, entry) : NULL, &config, &instance, &err);
    if (r != 0) {
        (void)printf("# %s\n", err.message);
        must(false && "instance");
    }
    return instance;
}

/* Runs body in a child; returns its wait status and what it wrote to stderr. */
__attribute__((unused)) static int in_child(void (*body)(void *), void *argument, char *text, size_t text_size)
{
    int fds[2], status = 0;
    must(pipe2(fds, O_CLOEXEC) == 0);
    const pid_t child = fork();
    must(child >= 0);
    if (child == 0) {
        must(dup2(fds[1], STDERR_FILENO) == STDERR_FILENO);
        body(argument);
        _exit(99);
    }
    (void)close(fds[1]);
    size_t size = 0;
    ssize_t n;
    while (size + 1 < text_size && (n = read(fds[0], text + size, text_size - 1 - size)) > 0) {
        size += (size_t)n;
    }
    text[size] = '\0';
    (void)close(fds[0]);
    must(waitpid(child, &status, 0) == child);
    return status;
}
