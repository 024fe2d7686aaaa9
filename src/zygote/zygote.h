/* SPDX-License-Identifier: Apache-2.0 */
/*
 * zygote.h - instances in microseconds: processes that are forked and sealed before anybody asks for them.
 *
 *   caller (the exec gate decides here; never runs guest code)
 *     `- keeper: adopts and ends what instances leave behind; dies with the caller
 *          `- zygote: object mapped and checked, sealed, reaps; never runs guest code
 *               |- template of an entry: its instance made up to the first instruction; never runs guest code, but for a snapshot's (zygote_pool_warm)
 *                    |- parked child: waits for one message
 *                    `- instance: a parked child (or a child forked for it) that was told what to be
 *
 * A spawn asks the gate (path -> digest -> verdict, one audit record, nothing remembered), takes a parked child of the verdict's entry, or has one
 * forked, and sends it arguments and descriptors in one message. Isolation is what `recompiler run` gives where there are no namespaces: paths resolved
 * beneath the image's root, which is read-only; no_new_privs, no capabilities, seccomp, a Landlock domain for each instance, so that siblings cannot
 * signal each other. An instance's first process adopts its orphans, as process 1 of a container does; when it ends the keeper kills the rest.
 *
 * Life cycle:  zygote_start -> (zygote_pool) -> zygote_spawn ... zygote_next_end ... -> zygote_stop.      Thread rule: one thread at a time, and the thread that
 * calls zygote_start() must live on: its end ends all instances (PR_SET_PDEATHSIG). What the caller has in memory is in every child's: start zygotes from a
 * process without secrets. doc/decisions/014-zygote.md has the figures behind this.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "sandbox/container.h"

#define ZYGOTE_PROCESSES_MAX 16384u /* parked and running children of one zygote */
#define ZYGOTE_CHILD_SIZE (192u << 10) /* bytes that one parked child is taken to cost, kernel memory included [measured: bench/density: 44 and 136 KiB] */

typedef struct Zygote Zygote;

typedef struct ZygoteOptions {
    uint32_t process_max;   /* parked and running children; 0: 1024, at most ZYGOTE_PROCESSES_MAX */
    uint64_t memory_max;    /* bytes that parked children may cost together (at ZYGOTE_CHILD_SIZE each); 0: a sixteenth of the machine's memory */
    bool is_lean;           /* parked children touch no page ahead: 40 KiB less for each, some 25 us more at dispatch */
} ZygoteOptions;

/*
 * zygote_start() - keeper and zygote for one image under one policy.
 * @config: as for container_run(); program, argv, envp, cwd are not looked at (each request has its own); mounts must be empty. Copied where it is
 * needed later, but what it points to (manifest, policy, keys, strings) is borrowed until zygote_stop(). object_fd is borrowed for the call.
 * Return: 0; -EINVAL volumes, which need namespaces; -EBADMSG the object is not what the manifest says; -EMFILE ...
 */
int zygote_start(const ContainerConfig *config, const ZygoteOptions *options, Zygote **ret_zygote, Error *err) WARN_UNUSED;
/* zygote_stop() - kills everything that runs or is parked, waits for it. NULL is fine. */
Zygote *zygote_stop(Zygote *zygote);
/* zygote_set_policy() - from the next spawn on; parked children of the old generation end, running instances keep the policy they have. Borrowed. */
int zygote_set_policy(Zygote *zygote, const Policy *policy, Error *err) WARN_UNUSED;

/*
 * zygote_pool() - keep between minimum and maximum children parked for the entry of this program. The target begins at minimum, doubles when a spawn finds
 * none, and halves every ZYGOTE_DECAY_MS without a spawn. No children are made now: zygote_refill() does. Return: 0; -EACCES the gate says no (not recorded).
 */
#define ZYGOTE_DECAY_MS 10000u
int zygote_pool(Zygote *zygote, const char *program, uint32_t minimum, uint32_t maximum, Error *err) WARN_UNUSED;
/* zygote_refill() - makes at most `most` of the children that are missing; for a caller that has nothing better to do. Return: how many are still missing; < 0. */
int zygote_refill(Zygote *zygote, uint32_t most, Error *err) WARN_UNUSED;

typedef struct ZygoteRequest {
    const char *program;                  /* path in the image, absolute or relative to cwd */
    const char *const *argv; size_t argc; /* at least one */
    const char *const *envp; size_t envc;
    const char *cwd;                      /* absolute, or NULL: "/" */
    int stdio[3];                         /* borrowed; a directory is refused */
    uint32_t page_limit;                  /* linear memory in WASM pages, 0: the zygote's limit */
    SandboxLimits limits;                 /* memory, pids: as rlimits, for what cgroup does not hold; never more than the zygote's */
    const SandboxCgroup *cgroup;          /* NULL: stays in the caller's */
    uint64_t timeout_ms;                  /* 0: none; zygote_next_end() enforces it */
} ZygoteRequest;

/*
 * zygote_pool_warm() - a snapshot: the program is run to its ready point (recompiler.ready, or its first read from descriptor 0) and children are forked from
 * there, for spawns with the same program, argv, envp and cwd; the gate decides each of them as ever. It runs twice, and both runs must agree in
 * SHA-256 over memory, globals, tables and signal dispositions; doc/snapshots.md says what a program may do before. stdio and limits of the request are not
 * looked at. Return: 0 and the digest; -EACCES denied; -EINVAL a script; -ENOTSUP not of the wali ABI; -EPERM a call that a snapshot must not depend on
 * (err names it); -EBADMSG the runs differ; -ECHILD it ended before.
 */
int zygote_pool_warm(Zygote *zygote, const ZygoteRequest *request, uint32_t minimum, uint32_t maximum, Digest *ret_digest, Error *err) WARN_UNUSED;

typedef struct ZygoteInstance {
    uint64_t id;     /* never used twice */
    pid_t pid;
    bool was_parked;
} ZygoteInstance;

/*
 * zygote_spawn() - decide, then dispatch. Does not wait for the program.
 * Return: 0; -EACCES denied, -ENOENT -ENOTDIR -ELOOP not found (err is the line of interfaces.md section 1); -EAGAIN process_max is reached; -E2BIG;
 * -ECHILD the zygote died and could not be started again.
 * Cost with a parked child: one decision and one sendmsg.
 */
int zygote_spawn(Zygote *zygote, const ZygoteRequest *request, ZygoteInstance *ret_instance, Error *err) WARN_UNUSED;

typedef enum ZygoteEndKind {
    ZYGOTE_EXITED,      /* status: exit code */
    ZYGOTE_SIGNALED,    /* status: signal */
    ZYGOTE_TIMED_OUT,
    ZYGOTE_NOT_STARTED, /* no guest instruction was executed: error says why; it may be spawned again */
    ZYGOTE_LOST,        /* the zygote or its keeper died: the instance was killed with it */
} ZygoteEndKind;

typedef struct ZygoteEnd {
    uint64_t id;
    pid_t pid;
    ZygoteEndKind kind;
    int status;
    uint64_t start_ns;       /* CLOCK_MONOTONIC, last step before the first guest instruction; 0 not known */
    uint64_t user_us, system_us, memory_peak; /* bytes: largest resident size of the first process and what it waited for */
    Error error;
} ZygoteEnd;

/* zygote_next_end() - the next instance that has ended, with everything it had started. timeout_ms as poll(2). Return: 1 and *ret_end; 0 none yet; < 0. */
int zygote_next_end(Zygote *zygote, int timeout_ms, ZygoteEnd *ret_end, Error *err) WARN_UNUSED;
/* zygote_event_fd() - for an outer poll(2): readable when zygote_next_end(0) has something to do. Includes audit records of the instances. */
int zygote_event_fd(const Zygote *zygote);
/* zygote_kill() - a signal to the instance's first process; SIGKILL ends the whole of it. Return: 0; -ESRCH it has ended. */
int zygote_kill(Zygote *zygote, uint64_t id, int signal) WARN_UNUSED;

typedef struct ZygoteStats {
    uint32_t parked_count, running_count, template_count;
    uint64_t hit_count, miss_count;   /* spawns that found a parked child, or not */
    uint64_t parked_lost_count;       /* parked children that died by themselves */
    uint64_t zygote_lost_count;       /* zygotes that died and were started again */
    pid_t keeper_pid, zygote_pid;
} ZygoteStats;
void zygote_stats(const Zygote *zygote, ZygoteStats *ret_stats);
