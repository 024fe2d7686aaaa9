/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-embed.c - the embedding API: only the public header is used on the API's side. Two instances at once, traps as
 * values, wrong calls refused, the caller's own signal handlers kept.
 */
#include "recompiler.h"

#include "rt/test-int.h"

#include <setjmp.h>
#include <signal.h>
#include <sys/mman.h>

static RecompilerObject *object;

static void report(RecompilerInstance *instance, uint32_t value)
{
    uint32_t *last = recompiler_host(instance);
    *last = value;
    if (value == 666) {
        recompiler_trap(instance);
    }
}

static uint32_t command(RecompilerInstance *instance)
{
    (void)instance;
    return 0;
}

static const void *resolve(void *context, const char *module, const char *name, const char *signature)
{
    (void)module;
    (void)signature;
    must(context == (void *)&object);
    return strcmp(name, "report") == 0 ? (const void *)(uintptr_t)report : (const void *)(uintptr_t)command;
}

static RecompilerInstance *make(uint32_t *host)
{
    RecompilerError error = {0};
    RecompilerInstance *instance = NULL;
    const RecompilerConfig config = {.size = sizeof(config), .resolve = resolve, .resolve_context = (void *)&object, .host = host};
    if (recompiler_instance_new(object, &config, &instance, &error) != 0) {
        (void)printf("# %s\n", error.message);
        must(false && "instance");
    }
    return instance;
}

static void test_open(void)
{
    RecompilerError error = {0};
    char path[PATH_MAX];
    const char *signature = NULL;
    must(recompiler_object_open("/nonexistent", &object, &error) == -ENOENT && error.code == ENOENT && error.message[0] != '\0');
    must(recompiler_object_open("/dev/null", &object, NULL) == -EBADMSG);
    const int fd = fixture_fd("rt-fixture.so");
    (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    must(recompiler_object_open(path, &object, &error) == 0);
    (void)close(fd);
    must(strcmp(recompiler_object_function(object, 1, &signature), "add") == 0 && strcmp(signature, "iI:I") == 0);
    must(recompiler_object_function(object, 3, &signature) == NULL);
}

static void test_calls(void)
{
    RecompilerError error = {0};
    uint32_t first_host = 0, second_host = 0;
    RecompilerInstance *first = make(&first_host), *second = make(&second_host);
    RecompilerValue arguments[2] = {{.i32 = 2}, {.i64 = 1ull << 40}}, result = {0};
    must(recompiler_call(first, "add", arguments, 2, &result, 1, &error) == 0 && result.i64 == (1ull << 40) + 2);
    must(first_host == 2 && second_host == 0);
    memcpy(recompiler_memory(second, 1000, 4), "\x01\x02\x03\x04", 4);
    arguments[0].i32 = 1000;
    must(recompiler_call(second, "load", arguments, 1, &result, 1, &error) == 0 && result.i32 == 0x04030201);
    must(recompiler_call(first, "load", arguments, 1, &result, 1, &error) == 0 && result.i32 == 0);
    must(recompiler_memory_size(first) == 131072 && recompiler_memory(first, 131072, 0) != NULL && recompiler_memory(first, 131072, 1) == NULL);
    must(recompiler_call(first, "sub", arguments, 2, &result, 1, &error) == -ENOENT);
    must(recompiler_call(first, "main", NULL, 0, NULL, 0, &error) == -ENOENT); /* no thunk */
    must(recompiler_call(first, "add", arguments, 1, &result, 1, &error) == -EINVAL);
    must(recompiler_call(first, "add", arguments, 2, &result, 0, &error) == -EINVAL);
    recompiler_instance_free(first);
    recompiler_instance_free(second);
    recompiler_instance_free(NULL);
}

static void test_traps(void)
{
    RecompilerError error = {0};
    uint32_t host = 0;
    RecompilerInstance *instance = make(&host);
    RecompilerValue arguments[2] = {{.i32 = 1u << 20}, {.i64 = 0}}, result;
    for (int i = 0; i < 1000; i++) {
        must(recompiler_call(instance, "load", arguments, 1, &result, 1, i % 2 ? &error : NULL) == RECOMPILER_TRAP);
    }
    must(error.code == 0 && strncmp(error.message, "out of bounds memory access in guest_load at wasm offset 0x", 59) == 0);
    arguments[0].i32 = 666;
    must(recompiler_call(instance, "add", arguments, 2, &result, 1, &error) == RECOMPILER_TRAP && strstr(error.message, "host") != NULL);
    arguments[0].i32 = 1;
    must(recompiler_call(instance, "add", arguments, 2, &result, 1, &error) == 0 && result.i64 == 1);
    recompiler_instance_free(instance);
}

/* The program's own SIGSEGV handler, installed before the runtime's, still gets the program's own faults. */
static sigjmp_buf own_fault;
static void on_own_fault(int signal)
{
    (void)signal;
    siglongjmp(own_fault, 1);
}

static void test_handlers(void)
{
    int *volatile nowhere = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    volatile int fault_count = 0;
    uint32_t host = 0;
    must(nowhere != MAP_FAILED);
    RecompilerInstance *instance = make(&host);
    const RecompilerValue argument = {.i32 = 1u << 20};
    RecompilerValue result;
    for (volatile int i = 0; i < 3; i++) {
        if (sigsetjmp(own_fault, 1) == 0) {
            *nowhere = 0;
        } else {
            fault_count = fault_count + 1;
        }
        must(recompiler_call(instance, "load", &argument, 1, &result, 1, NULL) == RECOMPILER_TRAP); /* and modules' faults to the runtime */
    }
    must(fault_count == 3);
    recompiler_instance_free(instance);
}

int main(void)
{
    const struct sigaction action = {.sa_handler = on_own_fault};
    must(sigaction(SIGSEGV, &action, NULL) == 0);
    (void)printf("1..4\n");
    test_open();
    ok("open");
    test_calls();
    ok("two instances at once");
    test_traps();
    ok("traps are values");
    test_handlers();
    ok("the program's own faults go to its own handler");
    recompiler_object_close(object);
    return 0;
}
