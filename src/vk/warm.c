/* SPDX-License-Identifier: Apache-2.0 */
/*
 * warm.c - the fence around a program that runs to its ready point, to be forked from there (src/zygote/zygote-warm.c).
 *
 *   vk_warm -> vk_run: every call of the program goes through warm_call()
 *                 |- allowed: memory, signal dispositions, identity, reading the image's files
 *                 |- answered: clocks stand at one instant, random bytes are a stream everybody can compute, the thread's id is WARM_TID
 *                 |- refused: what would show the host, change anything or be remembered wrongly; the snapshot fails and names the call
 *                 `- ready: recompiler.ready, or the first read from descriptor 0
 *   ready -> hook -> (in each fork) vk_warm_resume -> the program goes on, the fence is gone
 *
 * I1 What is in memory at the ready point depends on the image, arguments and environment only. vk_warm_digest() is how that is checked: two
 * derivations in two processes must agree. I2 No descriptor but 0, 1 and 2 is open there, no thread, timer or child exists.
 * I3 WARM_TID is no process's id (above PID_MAX_LIMIT); after the ready point it stands for the caller in calls that take an id, because
 * libc keeps the id that set_tid_address() told it (raise(), owners of locks).
 */
#include "vk-int.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/hash.h"
#include "base/must.h"
#include "rt/snapshot.h"
#include "wasm/module.h"

#define WARM_TID 0x3ffffffe /* fits FUTEX_TID_MASK */

enum WarmKind { WARM_REFUSED = 0, WARM_ALLOWED, WARM_READ, WARM_OPEN, WARM_FCNTL, WARM_IOCTL, WARM_CLOCK, WARM_DAYTIME, WARM_TIME, WARM_RANDOM, WARM_ID,
                WARM_PRCTL, WARM_END, WARM_MMAP };

static const struct { const char *name; enum WarmKind kind; } rules[] = {
    {"read", WARM_READ}, {"readv", WARM_READ}, {"pread64", WARM_ALLOWED}, {"preadv", WARM_ALLOWED}, {"lseek", WARM_ALLOWED}, {"close", WARM_ALLOWED},
    {"fcntl", WARM_FCNTL}, {"ioctl", WARM_IOCTL}, {"fadvise", WARM_ALLOWED}, {"fadvise64", WARM_ALLOWED}, {"readahead", WARM_ALLOWED},
    {"open", WARM_OPEN}, {"openat", WARM_OPEN}, {"access", WARM_ALLOWED}, {"faccessat", WARM_ALLOWED}, {"faccessat2", WARM_ALLOWED},
    {"readlink", WARM_ALLOWED}, {"readlinkat", WARM_ALLOWED}, {"getcwd", WARM_ALLOWED}, {"umask", WARM_ALLOWED},
    {"brk", WARM_ALLOWED}, {"mmap", WARM_MMAP}, {"munmap", WARM_ALLOWED}, {"mprotect", WARM_ALLOWED}, {"mremap", WARM_ALLOWED}, {"madvise", WARM_ALLOWED},
    {"getuid", WARM_ALLOWED}, {"geteuid", WARM_ALLOWED}, {"getgid", WARM_ALLOWED}, {"getegid", WARM_ALLOWED}, {"getresuid", WARM_ALLOWED},
    {"getresgid", WARM_ALLOWED}, {"getgroups", WARM_ALLOWED}, {"prctl", WARM_PRCTL},
    {"set_tid_address", WARM_ID}, {"gettid", WARM_ID}, {"set_robust_list", WARM_ALLOWED},
    {"rt_sigaction", WARM_ALLOWED}, {"rt_sigprocmask", WARM_ALLOWED}, {"sigaltstack", WARM_ALLOWED},
    {"exit", WARM_END}, {"exit_group", WARM_END},
    {"clock_gettime", WARM_CLOCK}, {"clock_getres", WARM_ALLOWED}, {"gettimeofday", WARM_DAYTIME}, {"time", WARM_TIME}, {"getrandom", WARM_RANDOM},
    {"stat", WARM_ALLOWED}, {"lstat", WARM_ALLOWED}, {"fstat", WARM_ALLOWED}, {"newfstatat", WARM_ALLOWED}, /* vk_warm_stat() */
};

static enum WarmKind rule_of(const char *name)
{
    for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
        if (strcmp(rules[i].name, name) == 0) {
            return rules[i].kind;
        }
    }
    return WARM_REFUSED;
}

static void refuse(const Vk *vk, const char *call, const char *why) __attribute__((noreturn));
static void refuse(const Vk *vk, const char *call, const char *why)
{
    vk->warm->refused(vk->warm->context, call, why);
    abort();
}

void vk_warm_refuse(const Vk *vk, const char *call, const char *why)
{
    if (vk->warm != NULL) {
        refuse(vk, call, why);
    }
}

/* What is of the host, and not of the image: where a file lies, and when that was. */
void vk_warm_stat(const Vk *vk, WaliStat *status)
{
    const WaliTimespec now = {.tv_sec = vk->warm->now_s};
    status->st_dev = 0;
    status->st_ino = 1;
    status->st_blksize = 4096;
    status->st_blocks = (status->st_size + 511) / 512;
    status->st_nlink = 1;
    status->st_atim = status->st_mtim = status->st_ctim = now;
}

/*
 * A program of the wali ABI may import from the other one, whose calls do not come through here: until the ready point they lead to
 * wasi_refused(), whatever their parameters, of which it looks at the first only.
 */
static uint64_t wasi_refused(RtInstance *instance)
{
    refuse(instance->host, "a call of WASI", "not possible before the ready point");
}

static void wasi_bind(Vk *vk, bool is_refused)
{
    const RtObject *object = vk->instance->object;
    const void **slots = (const void **)(void *)((uint8_t *)vk->instance + object->imports_offset);
    for (uint32_t i = 0; i < object->import_count; i++) {
        const RtImportDesc *import = &object->imports[i];
        if (import->kind == WASM_EXTERN_FUNC && import->index < object->import_func_count && strncmp(import->module, "wasi", 4) == 0) {
            slots[import->index] = is_refused ? (const void *)wasi_refused : vk_resolve(vk, import->module, import->name, import->signature);
        }
    }
}

/* The same for everybody who asks the same number of times: nobody may take it for a secret (doc/security.md). */
static int64_t random_fill(Vk *vk, GuestAddr address, uint64_t size)
{
    uint8_t block[64];
    if (size > UINT32_MAX) {
        return -EFAULT;
    }
    for (uint64_t done = 0; done < size;) {
        for (size_t i = 0; i < sizeof(block); i += 8) { /* splitmix64 */
            uint64_t z = vk->warm_random += 0x9e3779b97f4a7c15u;
            z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
            z = (z ^ z >> 27) * 0x94d049bb133111ebu;
            z ^= z >> 31;
            memcpy(block + i, &z, 8);
        }
        const uint64_t part = size - done < sizeof(block) ? size - done : sizeof(block);
        if (vk_copy_out(vk, (GuestAddr)(address + done), block, part) < 0) {
            return -EFAULT;
        }
        done += part;
    }
    return (int64_t)size;
}

static int64_t answer_time(Vk *vk, enum WarmKind kind, const uint64_t *a)
{
    const int64_t now = vk->warm->now_s;
    if (kind == WARM_CLOCK) { /* those that count from 1970; the others have not begun, so that none goes backwards */
        const uint64_t clock = a[0];
        const bool is_real = clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE || clock == CLOCK_TAI;
        const WaliTimespec out = {.tv_sec = is_real ? now : 0};
        return vk_copy_out(vk, (GuestAddr)a[1], &out, sizeof(out));
    }
    if (kind == WARM_DAYTIME) {
        const WaliTimeval out = {.tv_sec = now};
        return a[0] == 0 ? 0 : vk_copy_out(vk, (GuestAddr)a[0], &out, sizeof(out));
    }
    return a[0] != 0 && vk_copy_out(vk, (GuestAddr)a[0], &now, sizeof(now)) < 0 ? -EFAULT : now;
}

static void nothing_open(const Vk *vk)
{
    for (int fd = 3; fd < vk->config.minimum_fd; fd++) {
        if (fcntl(fd, F_GETFD) >= 0) {
            refuse(vk, "the ready point", "a file is open");
        }
    }
    if (vk_has_threads(vk)) {
        refuse(vk, "the ready point", "threads run");
    }
}

static void ready(Vk *vk)
{
    nothing_open(vk);
    const VkWarm *warm = vk->warm;
    warm->ready(warm->context);
}

/* Return: true: *ret_result is the answer; false: the call is made. */
static bool warm_call(Vk *vk, const char *name, const uint64_t *a, int64_t *ret_result)
{
    const enum WarmKind kind = rule_of(name);
    switch (kind) {
    case WARM_ALLOWED:
        return false;
    case WARM_READ:
        if ((int32_t)a[0] == 0) {
            ready(vk);
        }
        return false;
    case WARM_OPEN: {
        const uint64_t flags = a[strcmp(name, "openat") == 0 ? 2 : 1];
        if ((flags & (O_ACCMODE | O_CREAT | O_TRUNC)) != O_RDONLY) {
            refuse(vk, name, "a file is opened for writing");
        }
        return false;
    }
    case WARM_FCNTL:
        if (a[1] != F_GETFD && a[1] != F_SETFD && a[1] != F_GETFL) {
            refuse(vk, name, "only F_GETFD, F_SETFD and F_GETFL");
        }
        return false;
    case WARM_IOCTL:
        *ret_result = -ENOTTY; /* no terminal is there yet */
        return true;
    case WARM_CLOCK: case WARM_DAYTIME: case WARM_TIME:
        *ret_result = answer_time(vk, kind, a);
        return true;
    case WARM_RANDOM:
        *ret_result = random_fill(vk, (GuestAddr)a[0], a[1]);
        return true;
    case WARM_ID:
        if (strcmp(name, "set_tid_address") == 0) {
            vk_self->clear_tid = (GuestAddr)a[0];
        }
        *ret_result = WARM_TID;
        return true;
    case WARM_PRCTL:
        *ret_result = -EINVAL; /* names and properties of the process are its instances' */
        return true;
    case WARM_MMAP:
        if ((a[3] & MAP_TYPE) != MAP_PRIVATE) {
            refuse(vk, name, "memory that instances would share");
        }
        return false;
    case WARM_END:
        refuse(vk, name, "the program ended before its ready point");
    case WARM_REFUSED:
        break;
    }
    refuse(vk, name, "not possible before the ready point");
}

/* Calls that take a thread's or process's id first; tgkill's second. */
static const char *const id_calls[] = {"kill", "tkill", "tgkill", "rt_sigqueueinfo", "sched_getaffinity", "sched_setaffinity", "sched_getscheduler",
                                       "sched_setscheduler", "sched_getparam", "sched_setparam"};

bool vk_warm_slow(Vk *vk, const VkRow *row, uint64_t a[6], int64_t *ret_result)
{
    if (vk->warm != NULL) {
        return warm_call(vk, row->name, a, ret_result);
    }
    for (size_t k = 0; k < sizeof(id_calls) / sizeof(id_calls[0]); k++) {
        for (size_t i = 0; i < 2 && strcmp(row->name, id_calls[k]) == 0; i++) {
            if ((int32_t)a[i] == WARM_TID && (i == 0 || strcmp(row->name, "tgkill") == 0)) {
                a[i] = (uint64_t)vk_sys0(SYS_gettid);
            }
        }
    }
    return false;
}

uint64_t vk_warm_ready(RtInstance *instance)
{
    Vk *vk = instance->host;
    if (vk->warm != NULL) {
        ready(vk);
    }
    return 0;
}

void vk_warm(Vk *vk, const VkWarm *warm)
{
    must(vk->warm == NULL && warm->ready != NULL && warm->refused != NULL);
    vk->warm = warm;
    vk->is_slow = vk->is_warmed = true;
    wasi_bind(vk, true);
}

int vk_warm_digest(const Vk *vk, Digest *ret_digest)
{
    _cleanup_(hasher_freep) Hasher *hasher = NULL;
    int r = hasher_new(&hasher);
    r = r < 0 ? r : rt_instance_digest(vk->instance, vk_copy_raw, hasher);
    r = r < 0 ? r : hasher_update(hasher, vk->actions, sizeof(vk->actions));
    return r < 0 ? r : hasher_finish(hasher, ret_digest);
}

int vk_warm_resume(Vk *vk, int exe_fd, uint32_t page_limit, Error *err)
{
    must(vk->warm != NULL);
    vk->warm = NULL;
    wasi_bind(vk, false);
    vk->exe_fd = exe_fd;
    vk_self->tid = (int32_t)vk_sys0(SYS_gettid);
    vk_signals_forget(vk);
    if (page_limit > 0 && page_limit != vk->config.page_limit) {
        vk->config.page_limit = page_limit;
        const int r = rt_instance_limit(vk->instance, page_limit);
        if (r < 0) {
            return error_set(err, -r, "memory: the snapshot has more than the limit of %u pages", page_limit);
        }
    }
    return vk_lent_look(vk, err);
}
