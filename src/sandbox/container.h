/* SPDX-License-Identifier: Apache-2.0 */
/*
 * container.h - one container from verified parts to exit status: sandbox, gate and vkernel put together.
 *
 *   parent (maps the object, never runs guest code)
 *     `- A: cgroup, namespaces, root (sandbox_enter)
 *          `- init: pid 1 of the container: seals itself, reaps, forwards signals
 *               `- guest: gate, vkernel, program
 *
 * Everything that can be refused is refused before A is made. The death of any of parent, A, init ends the container: each
 * has PR_SET_PDEATHSIG towards its maker and pid 1's death kills the rest; where there is no pid namespace A adopts and kills it (orphans.c).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/hash.h"
#include "manifest/gate.h"
#include "rt/rt.h"
#include "sandbox/sandbox.h"

/* Descriptors of the runtime in a guest process live at or above this number; the guest's lie below. */
#define CONTAINER_MINIMUM_FD LIMIT_GUEST_FDS

typedef struct ContainerConfig {
    const char *name;                 /* container name, for cgroup, hostname and audit */
    const char *image;                /* for the audit */
    const char *image_root;           /* read-only tree of the image */
    bool is_image_writable;           /* plain directory used in place: writes go to an overlay all the same */
    GateStoredDigest stored_digest;   /* NULL: none */
    void *stored_context;
    const Manifest *manifest;
    const Policy *policy;
    const char *const *keys; size_t key_count;
    const char *audit_path;           /* NULL: no audit log */
    int object_fd;                    /* of the image's object */
    Digest megabinary;
    const char *program;              /* path in the image: absolute, relative to cwd */
    const char *const *argv; size_t argc;
    const char *const *envp; size_t envc;
    const char *cwd;
    const char *hostname;
    uid_t uid; gid_t gid;
    const gid_t *groups; size_t group_count;
    const SandboxMount *mounts; size_t mount_count;
    bool is_read_only;
    bool is_network_host;
    SandboxLimits limits;
    uint64_t timeout_ms;              /* 0: none */
    bool is_tracing;
    const char *const *preopens; size_t preopen_count; /* as VkConfig's */
} ContainerConfig;

typedef enum ContainerEnd {
    CONTAINER_EXITED,     /* status: exit code */
    CONTAINER_SIGNALED,   /* status: signal number */
    CONTAINER_DENIED,     /* verdict says why */
    CONTAINER_NOT_FOUND,
    CONTAINER_TIMED_OUT,
    CONTAINER_OUT_OF_MEMORY, /* killed by the memory limit; status: SIGKILL */
    _CONTAINER_END_N
} ContainerEnd;

typedef struct ContainerResult {
    ContainerEnd end;
    int status;
    uint64_t start_us;       /* fork of A to the guest's first instruction (last step before it) */
    uint64_t wall_us;
    uint64_t memory_peak;    /* bytes, 0 when not known */
    uint64_t user_us, system_us;
    const char *note;        /* what the limits fell back to, or NULL */
} ContainerResult;

typedef enum ContainerAsk {
    CONTAINER_ASK,
    CONTAINER_ASK_AUDITED, /* write the audit record */
    CONTAINER_ASK_EXPLAIN, /* for words to a human: hash even what the size test already denies */
} ContainerAsk;

/*
 * container_decide() - what the gate says of config->program on the image as it is (no volumes, no writable layer):
 * for --explain and for refusing early. Nothing is made. ret_verdict: gate_verdict_deinit() by the caller.
 */
int container_decide(const ContainerConfig *config, ContainerAsk ask, GateVerdict *ret_verdict, Error *err) WARN_UNUSED;

/* container_run() - run to the end. Return: 0 and *ret_result; < 0 the runtime's own failure (exit code 125). */
int container_run(const ContainerConfig *config, ContainerResult *ret_result, Error *err) WARN_UNUSED;

/* --- parts that src/zygote uses too --- */
void container_gate_config(const ContainerConfig *config, Audit *audit, GateConfig *ret_gate);
/* The denial line of interfaces.md section 1 as an Error. */
void container_denial(const ContainerConfig *config, const GateVerdict *verdict, Error *err);
/* container_entries_check() - every program's entry is in the object, with the ABI that the manifest says. Return: 0 or -EBADMSG. */
int container_entries_check(const Manifest *manifest, const RtLoaded *loaded, Error *err) WARN_UNUSED;
/* container_files_limit() - raises the soft limit of descriptors so that the runtime's have room. */
int container_files_limit(Error *err) WARN_UNUSED;
uint64_t container_now_us(void);

/* --- orphans.c: where there is no pid namespace --- */
/* orphans_adopt() - from now on orphans among our descendants become our children. */
void orphans_adopt(void);
/* orphans_end() - kills all descendants and reaps them. Cost: a look at every process of the machine a round; rounds until none is left. */
void orphans_end(void);
/* orphans_sweep() - kills and reaps every child but `kept`, again until no other is left: what they leave behind comes to us next. */
void orphans_sweep(pid_t kept);
