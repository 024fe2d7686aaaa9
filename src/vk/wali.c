/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wali.c - the personality of the WebAssembly Linux Interface: binds `wali.*` imports to the calls of syscalls.tbl.
 *
 * A thunk is what compiled code calls. Its usual way is one flag, the call, the flag again. When a signal is pending or
 * tracing is on it goes through vk_call_slow().
 */
#include "vk-int.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define LIST(...) __VA_ARGS__

enum {
#define X(name, signature, flags, kinds, names, prototype, parameters, array, call) ROW_##name,
    VK_SYSCALLS(X)
#undef X
    _ROW_N
};

#define X(name, signature, flags, kinds, names, prototype, parameters, array, call)                 \
    static int64_t call_##name(Vk *vk, const uint64_t *a)                                           \
    {                                                                                               \
        (void)a;                                                                                    \
        return vk_sys_##name call;                                                                  \
    }                                                                                               \
    static uint64_t thunk_##name parameters                                                         \
    {                                                                                               \
        Vk *vk = instance->host;                                                                    \
        const uint64_t a[6] = {LIST array};                                                         \
        if (unlikely(__atomic_load_n(&instance->interrupt, __ATOMIC_RELAXED) != 0 || vk->is_slow)) { \
            return (uint64_t)vk_call_slow(vk, ROW_##name, a);                                       \
        }                                                                                           \
        const int64_t result = vk_sys_##name call;                                                  \
        if (unlikely(__atomic_load_n(&instance->interrupt, __ATOMIC_RELAXED) != 0)) {               \
            return (uint64_t)vk_call_finish(vk, ROW_##name, a, result);                             \
        }                                                                                           \
        return (uint64_t)result;                                                                    \
    }
VK_SYSCALLS(X)
#undef X

const VkRow vk_rows[] = {
#define X(name, signature, flags, kinds, names, prototype, parameters, array, call) \
    {#name, signature, flags, kinds, call_##name, (const void *)thunk_##name},
    VK_SYSCALLS(X)
#undef X
};

static const char *const denied[] = {
#define X(name) #name,
    VK_DENIED(X)
#undef X
};

int64_t vk_call_finish(Vk *vk, uint32_t row, const uint64_t *a, int64_t result)
{
    for (;;) {
        const bool is_barred = vk_self->is_restart_barred;
        vk_self->is_restart_barred = false;
        const bool is_restart = vk_signals_deliver(vk) && !is_barred;
        if (result != -EINTR || !is_restart || (vk_rows[row].flags & VK_ROW_RESTART) == 0) {
            return result;
        }
        result = vk_rows[row].call(vk, a);
        if (!vk_is_interrupted(vk)) {
            return result;
        }
    }
}

int64_t vk_call_slow(Vk *vk, uint32_t row, const uint64_t *a)
{
    must(row < _ROW_N);
    if (vk_is_interrupted(vk)) {
        (void)vk_signals_deliver(vk); /* arrived while the guest computed: before the call, so it does not end the call */
    }
    uint64_t changed[6];
    int64_t result = 0;
    if (vk->is_warmed) {
        memcpy(changed, a, sizeof(changed));
        a = changed;
    }
    if (!vk->is_warmed || !vk_warm_slow(vk, &vk_rows[row], changed, &result)) {
        result = vk_rows[row].call(vk, a);
    }
    if (vk_is_interrupted(vk)) {
        result = vk_call_finish(vk, row, a, result);
    }
    if (vk->is_tracing) {
        vk_trace_call(vk, &vk_rows[row], a, result);
    }
    return result;
}

/*
 * --- calls without a row. Any parameters, but no other result than one integer: the answer lies in one register, and what a guest would read as a
 * float, a vector or a second result is what the runtime left in the others, an address for instance. ---
 */
static bool result_is_integer(const char *signature)
{
    const char *result = strchr(signature, ':');
    return result != NULL && (strcmp(result, ":I") == 0 || strcmp(result, ":i") == 0 || strcmp(result, ":") == 0);
}

static uint64_t answer_eperm(RtInstance *instance)
{
    (void)instance;
    return (uint64_t)(int64_t)-EPERM;
}

/* Unknown calls: a slot a name, so that the first use can be logged with its name. */
#define UNKNOWN_MAX 64
static char unknown_names[UNKNOWN_MAX][40];
static uint32_t unknown_count;
static bool is_unknown_logged[UNKNOWN_MAX];

static uint64_t answer_enosys(uint32_t slot)
{
    if (!__atomic_exchange_n(&is_unknown_logged[slot], true, __ATOMIC_RELAXED)) {
        vk_log_once("system call is not implemented (ENOSYS)", unknown_names[slot]);
    }
    return (uint64_t)(int64_t)-ENOSYS;
}

#define SLOT(n) static uint64_t unknown_##n(RtInstance *instance) { (void)instance; return answer_enosys(n); }
#define SLOTS_8(a) SLOT(a##0) SLOT(a##1) SLOT(a##2) SLOT(a##3) SLOT(a##4) SLOT(a##5) SLOT(a##6) SLOT(a##7)
#define EACH_8(X) X(00) X(01) X(02) X(03) X(04) X(05) X(06) X(07)
EACH_8(SLOTS_8)
#define NAMES_8(a) unknown_##a##0, unknown_##a##1, unknown_##a##2, unknown_##a##3, unknown_##a##4, unknown_##a##5, unknown_##a##6, unknown_##a##7,
static uint64_t (*const unknown_slots[UNKNOWN_MAX])(RtInstance *) = {EACH_8(NAMES_8)}; /* the suffixes are octal numbers 000 .. 077 */

static const void *bind_unknown(const char *name)
{
    for (uint32_t i = 0; i < unknown_count; i++) {
        if (strcmp(unknown_names[i], name) == 0) {
            return (const void *)unknown_slots[i];
        }
    }
    const uint32_t slot = unknown_count < UNKNOWN_MAX - 1 ? unknown_count++ : UNKNOWN_MAX - 1;
    (void)snprintf(unknown_names[slot], sizeof unknown_names[slot], "%s", slot == UNKNOWN_MAX - 1 ? "SYS_..." : name);
    return (const void *)unknown_slots[slot];
}

void vk_log_once(const char *what, const char *name)
{
    char line[160];
    const int size = snprintf(line, sizeof line, "recompiler: vkernel: %s: %s\n", name, what);
    if (size > 0) {
        (void)!write(STDERR_FILENO, line, (size_t)size < sizeof line ? (size_t)size : sizeof line - 1);
    }
}

/* --- start, arguments, environment --- */

static uint32_t wali_init(RtInstance *instance)
{
    (void)instance;
    return 0;
}

static void wali_proc_exit(RtInstance *instance, uint32_t status)
{
    (void)vk_sys_exit_group(instance->host, (int32_t)status);
}

static uint32_t wali_argc(RtInstance *instance)
{
    return ((Vk *)instance->host)->argv.count;
}

static uint32_t wali_argv_len(RtInstance *instance, uint32_t index)
{
    const VkStrings *argv = &((Vk *)instance->host)->argv;
    return index < argv->count ? (uint32_t)strlen(argv->bytes + argv->starts[index]) : 0;
}

static uint32_t wali_copy_argv(RtInstance *instance, uint32_t buffer, uint32_t index)
{
    Vk *vk = instance->host;
    if (index >= vk->argv.count) {
        return (uint32_t)-EINVAL;
    }
    const char *string = vk->argv.bytes + vk->argv.starts[index];
    return (uint32_t)vk_copy_out(vk, buffer, string, strlen(string) + 1);
}

/*
 * The path of a file of lines, as published. Behind its NUL, where there is room for all of it: a byte WALI_ENVIRON_INLINE, the entries
 * with a NUL each, one NUL more. Our SDK reads that and saves opening, reading and closing a file at every start.
 */
static uint32_t wali_envfile(RtInstance *instance, uint32_t buffer, uint32_t size)
{
    static const char head[] = VK_ENVIRON_LINES_PATH "\0" WALI_ENVIRON_INLINE;
    const size_t path_size = sizeof VK_ENVIRON_LINES_PATH, inline_size = sizeof head - 1 + ((Vk *)instance->host)->envp.size + 1;
    Vk *vk = instance->host;
    if (size < path_size) {
        return 0;
    }
    if (inline_size > size) {
        return vk_copy_out(vk, buffer, head, path_size) == 0 ? 1 : 0;
    }
    const uint32_t entries = buffer + (uint32_t)sizeof head - 1, end = entries + vk->envp.size;
    return vk_copy_out(vk, buffer, head, sizeof head - 1) == 0 && vk_copy_out(vk, entries, vk->envp.bytes, vk->envp.size) == 0 &&
           vk_copy_out(vk, end, "", 1) == 0;
}

/* As published: function is a table slot of type (i32 tid, i32 argument) -> (). Return: the thread's id, < 0 when there is none. */
static uint32_t wali_thread_spawn(RtInstance *instance, uint32_t function, uint32_t argument)
{
    Vk *vk = instance->host;
    if (vk_is_interrupted(vk)) {
        (void)vk_signals_deliver(vk);
    }
    return function == UINT32_MAX ? (uint32_t)-EINVAL : (uint32_t)vk_thread_spawn(vk, function, argument);
}

static const struct {
    const char *name;
    const char *signature;
    const void *function;
} others[] = {
    {"__init", ":i", (const void *)wali_init},
    {"__deinit", ":i", (const void *)wali_init},
    {"__proc_exit", "i:", (const void *)wali_proc_exit},
    {"__cl_get_argc", ":i", (const void *)wali_argc},
    {"__cl_get_argv_len", "i:i", (const void *)wali_argv_len},
    {"__cl_copy_argv", "ii:i", (const void *)wali_copy_argv},
    {"__get_init_envfile", "ii:i", (const void *)wali_envfile},
    {"__wasm_thread_spawn", "ii:i", (const void *)wali_thread_spawn},
};

const void *vk_wali_resolve(const char *name, const char *signature)
{
    if (strncmp(name, "SYS_", 4) != 0) {
        for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
            if (strcmp(others[i].name, name) == 0) {
                return strcmp(others[i].signature, signature) == 0 ? others[i].function : NULL;
            }
        }
        return NULL;
    }
    for (size_t i = 0; i < _ROW_N; i++) {
        if (strcmp(vk_rows[i].name, name + 4) == 0) {
            /* exit does not come back: programs of the published tool chain also import it without a result */
            const bool is_exit = (i == ROW_exit || i == ROW_exit_group) && strcmp(signature, "i:") == 0;
            return is_exit || strcmp(vk_rows[i].signature, signature) == 0 ? vk_rows[i].thunk : NULL;
        }
    }
    if (!result_is_integer(signature)) {
        return NULL;
    }
    for (size_t i = 0; i < sizeof denied / sizeof denied[0]; i++) {
        if (strcmp(denied[i], name + 4) == 0) {
            return (const void *)answer_eperm;
        }
    }
    return bind_unknown(name);
}
