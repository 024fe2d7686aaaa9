/* SPDX-License-Identifier: Apache-2.0 */
/*
 * recompiler.h - run compiled modules inside of a program of yours. The one installed header; link librecompiler.a and -lcrypto.
 *
 *     recompiler-compile --thunks --memory-base 0 module.wasm module.so
 *
 *     RecompilerError error;
 *     RecompilerObject *object;
 *     RecompilerInstance *instance;
 *     if (recompiler_object_open("module.so", &object, &error) != 0) { puts(error.message); return 1; }
 *     RecompilerConfig config = {.size = sizeof(config), .resolve = my_functions};
 *     if (recompiler_instance_new(object, &config, &instance, &error) != 0) { puts(error.message); return 1; }
 *     RecompilerValue arguments[2] = {{.i32 = 2}, {.i32 = 3}}, result;
 *     if (recompiler_call(instance, "add", arguments, 2, &result, 1, &error) != 0) { puts(error.message); return 1; }
 *
 * There is no compiler and no system interface in here: a module can do what the functions you give it can do. A trap of
 * the module is a return value, never the end of your process. The runtime takes SIGSEGV, SIGBUS, SIGILL and SIGFPE; what is not a
 * module's fault goes on to the handlers that were installed before the first instance was made.
 *
 * Threads: an instance belongs to one thread at a time; objects may be shared. Opening and closing of objects and
 * instances must not run at the same time in two threads.
 * Errors: 0 done; < 0 is -errno; > 0 is a trap (RECOMPILER_TRAP). error may be NULL.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define RECOMPILER_API_VERSION 1
#define RECOMPILER_TRAP 1 /* what recompiler_call answers when the module trapped */

typedef struct RtLoaded RecompilerObject;
typedef struct RtInstance RecompilerInstance;

typedef struct RecompilerError {
    int code;          /* errno value, 0 for a trap */
    char message[512]; /* one line: "out of bounds memory access in strlen at wasm offset 0x1234" */
} RecompilerError;

typedef union RecompilerValue {
    uint32_t i32;
    uint64_t i64;
    float f32;
    double f64;
    void *reference;
    uint8_t v128[16];
} RecompilerValue;

/*
 * How an imported function is bound: the C function for it, or NULL. The signature has a letter for every parameter, ':', and one for
 * every result: i = i32, I = i64, f = f32, F = f64, v = v128, r = funcref, e = externref. "iI:i" is bound to
 * uint32_t function(RecompilerInstance *, uint32_t, uint64_t).
 */
typedef const void *(*RecompilerResolve)(void *context, const char *module, const char *name, const char *signature);

typedef struct RecompilerConfig {
    size_t size;             /* sizeof(RecompilerConfig): later versions append fields */
    RecompilerResolve resolve;
    void *resolve_context;
    void *host;              /* yours: recompiler_host() */
    uint32_t page_limit;     /* cap on memory in pages of 64 KiB; 0: the module's maximum */
    size_t stack_size;       /* bytes; 0: 8 MiB */
} RecompilerConfig;

/* recompiler_object_open() - map an object that recompiler-compile made. Return: -EBADMSG damaged, -ENOEXEC for another CPU or version. */
int recompiler_object_open(const char *path, RecompilerObject **ret_object, RecompilerError *error);
void recompiler_object_close(RecompilerObject *object); /* after its instances; NULL is fine */

/* The exported functions: name and signature of number index; NULL past the last one. */
const char *recompiler_object_function(const RecompilerObject *object, size_t index, const char **ret_signature);

/* recompiler_instance_new() - memory, tables, globals, active segments, start function. Return: RECOMPILER_TRAP when that trapped. */
int recompiler_instance_new(RecompilerObject *object, const RecompilerConfig *config, RecompilerInstance **ret_instance,
                            RecompilerError *error);
void recompiler_instance_free(RecompilerInstance *instance); /* NULL is fine */

/* recompiler_call() - call an exported function. Return: -ENOENT no such function, -EINVAL another number of arguments or results. */
int recompiler_call(RecompilerInstance *instance, const char *name, const RecompilerValue *arguments, size_t argument_count,
                    RecompilerValue *results, size_t result_count, RecompilerError *error);

/* For host functions and between calls. */
void *recompiler_host(RecompilerInstance *instance);
/* recompiler_memory() - bytes [address, address + size) of the module's memory, NULL when they are not all inside. Valid for the instance's life. */
void *recompiler_memory(RecompilerInstance *instance, uint64_t address, uint64_t size);
uint64_t recompiler_memory_size(RecompilerInstance *instance);
/* recompiler_trap() - end the call from inside a host function: recompiler_call answers RECOMPILER_TRAP. The host's frames are dropped. */
void recompiler_trap(RecompilerInstance *instance) __attribute__((noreturn));

#ifdef __cplusplus
}
#endif
