/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-fault.c - what happens when the kernel or the allocator says no: the 1st, 2nd, ... Nth calloc, mmap or mprotect fails
 * until the operation succeeds. Every failure is an error with words, leaves no mapping, descriptor or memory behind, and
 * leaves an instance that was to be replaced as it was.
 *
 * These functions are defined here, before the C library's.
 */
#include "rt/test-int.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#if defined(RT_HAS_ASAN) || defined(__SANITIZE_THREAD__)
int main(void)
{
    (void)printf("1..0 # SKIP the sanitizer has its own calloc and mmap\n");
    return 0;
}
#else

extern void *__libc_calloc(size_t count, size_t size);
extern void __libc_free(void *block);

static uint32_t countdown; /* 0: off; 1: the next call fails */
static bool has_failed;

static bool fault_now(void)
{
    if (countdown == 0 || --countdown > 0) {
        return false;
    }
    has_failed = true;
    errno = ENOMEM;
    return true;
}

/* What calloc gave and free has not taken back. (mallinfo counts blocks in the thread's cache as used.) */
static void *live[256];
static size_t live_count;

void *calloc(size_t count, size_t size)
{
    void *block = fault_now() ? NULL : __libc_calloc(count, size);
    if (block != NULL && live_count < sizeof(live) / sizeof(live[0])) {
        live[live_count++] = block;
    }
    return block;
}

void free(void *block)
{
    for (size_t i = 0; block != NULL && i < live_count; i++) {
        if (live[i] == block) {
            live[i] = live[--live_count];
            break;
        }
    }
    __libc_free(block);
}

void *mmap(void *address, size_t size, int protection, int flags, int fd, off_t offset)
{
    return fault_now() ? MAP_FAILED : (void *)syscall(SYS_mmap, address, size, protection, flags, fd, offset);
}

int mprotect(void *address, size_t size, int protection)
{
    return fault_now() ? -1 : (int)syscall(SYS_mprotect, address, size, protection);
}

/* --- what must not grow --- */

typedef struct Usage {
    size_t maps, fds, blocks;
} Usage;

static Usage usage_now(void)
{
    char text[65536];
    Usage usage = {.blocks = live_count};
    const int maps = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
    must(maps >= 0);
    for (ssize_t n; (n = read(maps, text, sizeof(text))) > 0;) {
        for (ssize_t i = 0; i < n; i++) {
            usage.maps += text[i] == '\n';
        }
    }
    (void)close(maps);
    for (int fd = 0; fd < 512; fd++) {
        usage.fds += fcntl(fd, F_GETFD) >= 0;
    }
    return usage;
}

/* Runs operation with the Nth call failing, N from 1 on, until it is done without a failure. Return: how often it failed. */
static uint32_t sweep(int (*operation)(Error *err))
{
    uint32_t failures = 0;
    Error err = ERROR_INIT;
    must(operation(&err) == 0); /* once before, for what is made once in a process */
    for (uint32_t n = 1; n < 200; n++) {
        const Usage before = usage_now();
        err = ERROR_INIT;
        has_failed = false;
        countdown = n;
        const int r = operation(&err);
        countdown = 0;
        const Usage after = usage_now();
        must(r == 0 || (r == -ENOMEM && err.code == ENOMEM && err.message[0] != '\0'));
        must(after.fds == before.fds && after.blocks == before.blocks && after.maps <= before.maps);
        if (!has_failed) {
            must(r == 0);
            return failures;
        }
        failures += r < 0;
    }
    must(false && "the operation ends");
    return 0;
}

static RtLoaded *loaded;
static Script script;
static RtInstance *running;

static int open_and_close(Error *err)
{
    RtLoaded *object = NULL;
    const int fd = fixture_fd(TEST_FIXTURE);
    const int r = rt_object_open(fd, 100, NULL, &object, err);
    (void)close(fd);
    (void)rt_object_close(object);
    return r;
}

static int make_and_free(Error *err)
{
    RtInstance *instance = NULL;
    const RtInstanceConfig config = {.resolve = host_resolve, .host = &script, .native_stack_size = 1u << 20};
    const int r = rt_instance_new(loaded, rt_object_entry(loaded, "main"), &config, &instance, err);
    if (r == 0) { /* an image that could not be mapped was copied */
        must(*(const uint32_t *)(const void *)(instance->memory_base + 8192) == 0x22222222);
    }
    (void)rt_instance_free(instance);
    return r;
}

static int make_thread(Error *err)
{
    RtInstance *instance = NULL;
    const int r = rt_instance_new_thread(running, NULL, 1u << 20, &instance, err);
    (void)rt_instance_free(instance);
    return r;
}

static int grow(Error *err)
{
    RtMemory *memory = NULL;
    int r = rt_memory_new(0, 1, 10, 0, false, &memory, err);
    if (r == 0) {
        const uint32_t old = rt_memory_grow(memory, 3);
        must((old == 1 && memory->page_count == 4) || (old == UINT32_MAX && memory->page_count == 1));
        r = old == 1 ? 0 : error_set(err, ENOMEM, "memory did not grow");
    }
    (void)rt_memory_free(memory);
    return r;
}

/* Replacing in a child for every N: an error that changed nothing, the new program, or death by SIGKILL after the point of no return. */
static uint32_t replace_n;

static void replace_at(RtInstance *instance, uint32_t command)
{
    Error err = ERROR_INIT;
    (void)command;
    countdown = replace_n;
    const int r = rt_instance_replace(instance, loaded, rt_object_entry(loaded, "other"), &err);
    countdown = 0;
    must(r == -ENOMEM && err.message[0] != '\0' && instance->entry == rt_object_entry(loaded, "main"));
    must(*(uint32_t *)(void *)(instance->memory_base + 100) == 77 && instance->memory->page_count == 2);
    rt_instance_exit(instance, 10);
}

static void replace_in_child(void *argument)
{
    (void)argument;
    script.at_command = replace_at;
    const int value = rt_instance_run(running);
    if (value == 10) {
        _exit(10); /* refused */
    }
    must(value == 0 && script.report_count == 10 && script.reports[5] == 4000 + 0x33);
    _exit(has_failed ? 12 : 11); /* 12: an image was copied instead of mapped */
}

static void test_replace(void)
{
    char text[1024];
    uint32_t refused = 0, killed = 0, copied = 0;
    for (replace_n = 1; replace_n < 100; replace_n++) {
        const int status = in_child(replace_in_child, NULL, text, sizeof(text));
        if (WIFSIGNALED(status)) {
            must(WTERMSIG(status) == SIGKILL && text[0] == '\0');
            killed++;
            continue;
        }
        const int code = WEXITSTATUS(status);
        must(code == 10 || code == 11 || code == 12);
        refused += code == 10;
        copied += code == 12;
        if (code == 11) {
            break;
        }
    }
    /* Between entries of one object nothing is allocated: what can be refused is room for the instance. */
    must(refused >= 1 && killed >= 1 && copied == 1 && replace_n < 100);
    (void)printf("# replace: %u refused, %u killed, %u with a copied image\n", refused, killed, copied);
}

int main(void)
{
    static const uint32_t commands[] = {0};
    loaded = fixture_open(TEST_FIXTURE);
    (void)printf("1..5\n");
    must(sweep(open_and_close) >= 8);
    ok("rt_object_open");
    must(sweep(make_and_free) >= 8);
    ok("rt_instance_new");
    must(sweep(grow) >= 3);
    ok("rt_memory_new, rt_memory_grow");
    script = (Script){.commands = commands};
    running = script_instance(loaded, "main", &script);
    must(sweep(make_thread) >= 4);
    ok("rt_instance_new_thread");
    test_replace();
    ok("rt_instance_replace");
    (void)rt_instance_free(running);
    loaded = rt_object_close(loaded);
    return 0;
}
#endif
