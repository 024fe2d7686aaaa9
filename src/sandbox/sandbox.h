/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sandbox.h - what surrounds guest processes: namespaces, root file system, cgroups v1 and v2, rlimits, and the second
 * net (no_new_privs, seccomp, Landlock). Each part says whether it holds; `recompiler doctor` prints it from live probes.
 *
 * Parent:  sandbox_cgroup_new -> fork -> (child) sandbox_enter -> fork as pid 1's child -> sandbox_seal -> guest
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"

typedef struct SandboxMount { const char *source, *target; bool is_read_only; } SandboxMount; /* -v: target inside the root */

typedef struct SandboxConfig {
    const char *const *lower_dirs; size_t lower_count; /* read-only layers, lowest first; a plain directory: one, mounted as is (bind) when !is_ephemeral */
    bool is_ephemeral;          /* overlay with a tmpfs upper that vanishes with the container */
    bool is_read_only;          /* --read-only: no upper */
    const SandboxMount *mounts; size_t mount_count;
    const char *hostname;
    bool is_network_host;       /* false: own empty network namespace with lo up */
    uint64_t upper_size;        /* tmpfs size limit in bytes, 0: half of memory */
    uid_t uid; gid_t gid;       /* guest credentials, after set-up */
    const gid_t *groups; size_t group_count;
    int minimum_fd;
    bool is_plain;              /* no namespaces also where they could be made: one lower directory, read-only */
} SandboxConfig;

typedef struct SandboxRoot {
    int root_fd;      /* O_PATH of the guest's root */
    int lower_fd;     /* merged lower tree's own mount, -1 when none */
    int upper_fd;     /* upper directory, -1 when none */
    bool is_private;  /* pivoted: the process's "/" is the guest's root */
    bool is_namespaced;
    bool is_network_own; /* a network namespace of its own: abstract sockets in it are the container's */
} SandboxRoot;

/*
 * sandbox_enter() - in a fresh child: user namespace when not root, mount, pid, ipc, uts, (net) namespaces; mounts the root (overlay), /dev (null zero full
 * random urandom tty pts shm), an empty /proc (the vkernel serves proc files), /tmp as the image has it, -v mounts (nosuid,nodev,noexec); pivots.
 * After it the next fork is pid 1 of the container. Where namespaces are not allowed: is_namespaced false, root_fd = the only lower dir, read-only.
 */
int sandbox_enter(const SandboxConfig *config, SandboxRoot *ret_root, Error *err) WARN_UNUSED;

typedef struct SandboxSealConfig {
    bool has_network;    /* AF_INET and AF_INET6 sockets may be made: the host's network is wanted, or the container has its own namespace (however empty) */
    bool is_audit_only;  /* never in production: log instead of refuse */
    bool is_zygote;      /* sandbox_seal_again() will be called in children */
    int minimum_fd;
    const SandboxRoot *root; /* from sandbox_enter(), may be NULL. Without namespaces Landlock keeps signals and abstract sockets inside and allows
                                only reading beneath root_fd; on the host's network it keeps abstract sockets inside; with NULL: both */
} SandboxSealConfig;
/*
 * sandbox_seal() - the second net, irreversible, inherited: capabilities emptied, no_new_privs, Landlock (EXECUTE nowhere), seccomp: architecture check (kill), execve/execveat ->
 * EACCES, PROT_EXEC mmap/mprotect/pkey_mprotect/shmat(SHM_EXEC) -> EACCES, the dangerous list -> EPERM, everything not needed by the vkernel -> ENOSYS.
 * Call after the object is mapped and relocated, before the first guest instruction.
 */
int sandbox_seal(const SandboxSealConfig *config, Error *err) WARN_UNUSED;
/*
 * What a sealed process that forks instances (src/zygote) cannot share with them: one Landlock domain for all would let them send each other signals.
 * sandbox_again_open() - before sandbox_seal() with is_zygote: a descriptor at minimum_fd or above, -1 where the kernel has no such scope.
 * sandbox_seal_again() - in the child: a domain of its own inside the zygote's; closes the descriptor, without which the call can do nothing more.
 */
int sandbox_again_open(int minimum_fd, int *ret_fd, Error *err) WARN_UNUSED;
int sandbox_seal_again(int *fd, Error *err) WARN_UNUSED;

typedef struct SandboxLimits { uint64_t memory_size; uint64_t pids_count; double cpus; uint64_t open_files_count; } SandboxLimits; /* 0: none */
typedef struct SandboxCgroup SandboxCgroup;
/* sandbox_cgroup_new() - v2 where controllers are there, else v1 hierarchies, else NULL with ret_note saying what falls back to rlimits. */
int sandbox_cgroup_new(const char *name, const SandboxLimits *limits, SandboxCgroup **ret_cgroup, const char **ret_note, Error *err) WARN_UNUSED;
int sandbox_cgroup_add(SandboxCgroup *cgroup, pid_t pid, Error *err) WARN_UNUSED;
/* sandbox_cgroup_join_open() - what a process needs to join later, when it may have other ids and another root: descriptors, at minimum_fd or above.
 * sandbox_cgroup_join() - the caller, a process with one thread, and what it forks from now on; closes them. Cost in v1: a thread that moves itself
 * takes no lock of all processes, which sandbox_cgroup_add() waits for 10 to 15 ms when nobody has just done so (RCU grace period) [measured]. */
#define SANDBOX_JOIN_INIT {.fds = {-1, -1, -1}}
typedef struct SandboxJoin { int fds[3]; } SandboxJoin; /* one a hierarchy, -1 none */
int sandbox_cgroup_join_open(const SandboxCgroup *cgroup, int minimum_fd, SandboxJoin *ret_join, Error *err) WARN_UNUSED;
int sandbox_cgroup_join(SandboxJoin *join, Error *err) WARN_UNUSED;
bool sandbox_cgroup_was_oom(const SandboxCgroup *cgroup);
uint64_t sandbox_cgroup_memory_peak(const SandboxCgroup *cgroup);
/* Kills what is left in it, waits, removes the directories. */
SandboxCgroup *sandbox_cgroup_free(SandboxCgroup *cgroup);
/* sandbox_cgroup_rest() - those of limits that no controller of the group holds; all without a group. They are for sandbox_rlimits(). */
SandboxLimits sandbox_cgroup_rest(const SandboxCgroup *cgroup, const SandboxLimits *limits);
int sandbox_rlimits(const SandboxLimits *limits, Error *err) WARN_UNUSED;
/* sandbox_rlimits_lower() - memory and processes only, in a child of a process that called the above. */
int sandbox_rlimits_lower(const SandboxLimits *limits, Error *err) WARN_UNUSED;

typedef struct SandboxProbe { const char *name; bool is_available; bool is_needed; char detail[160]; const char *remedy; } SandboxProbe;
/* sandbox_probe() - live canaries (each in a child): user ns, mount ns, overlay, seccomp, landlock ABI, cgroup v1/v2 controllers, memfd_noexec, low memory base mappable. Return: how many were filled in. */
size_t sandbox_probe(SandboxProbe *probes, size_t capacity);
