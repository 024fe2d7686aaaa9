/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gate.h - the exec gate: one function decides every start of a program (design.md section 8).
 *
 *   request (one host copy of path) -> resolve to one fd -> size test -> digest (stored, or of a private sealed copy) -> look up -> verdict
 *
 * Used by `recompiler run` for the first program and by the vkernel for every guest execve. It never executes anything and
 * changes nothing of the process; it opens descriptors and closes them again except those handed over in the verdict.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/hash.h"
#include "base/limits.h"
#include "manifest/manifest.h"

typedef struct Gate Gate;
typedef struct Audit Audit;   /* audit.h */
typedef struct Policy Policy; /* policy.h */

/* Digests of the files of one read-only layer, stored at unpacking (image/store). Return: 0 with digest and size filled, or -ENOENT when path (inside the root, clean) has no stored digest. */
typedef int (*GateStoredDigest)(void *context, const char *path, Digest *ret_digest, uint64_t *ret_size);

typedef struct GateConfig {
    int root_fd;                 /* O_PATH directory of the container's root as the guest sees it; borrowed */
    int lower_fd;                /* read-only merged lower root (the image as unpacked), -1 when there is none: no fast path */
    int upper_fd;                /* the writable layer's directory, -1 when the root is read-only */
    GateStoredDigest stored_digest; /* NULL: no fast path */
    void *stored_context;
    const Manifest *manifest;    /* borrowed */
    const Policy *policy;        /* may be NULL: enforce, no fleet lists */
    Audit *audit;                /* may be NULL */
    const char *container;       /* names for the audit records */
    const char *image;
    const char *const *keys; size_t key_count; /* ids of the manifest's signers */
    int minimum_fd;              /* descriptors of the gate live at or above this number */
} GateConfig;

typedef enum GateVerdictKind { GATE_DENY = 0, GATE_ALLOW = 1 } GateVerdictKind;

typedef struct GateStep { /* one file of the #! chain, for --explain */
    char path[LIMIT_PATH_SIZE];
    char resolved[LIMIT_PATH_SIZE]; /* path beneath the root after symlinks */
    Digest digest;
    uint64_t size;
    bool has_digest;
    bool is_script;
    const char *reason;             /* static: "in manifest", "stored digest", "not in manifest", "size not listed", ... */
} GateStep;

typedef struct GateRequest {
    int dirfd;              /* as execveat: AT_FDCWD means cwd below */
    const char *cwd;        /* guest's absolute cwd, clean, used for a relative path; "/" by default */
    const char *path;       /* host copy */
    bool is_fd_exec;        /* execveat(fd, "", AT_EMPTY_PATH): dirfd is the file */
    bool is_nofollow;       /* AT_SYMLINK_NOFOLLOW */
    const char *argv0;
    uint32_t pid;           /* guest's pid for the audit */
    const char *applet;     /* NULL or basename(argv0): must be declared by the row when the row declares applets */
} GateRequest;

typedef struct GateVerdict {
    GateVerdictKind kind;
    int error;              /* deny: errno for the guest: EACCES; ENOENT ENOTDIR ELOOP ENAMETOOLONG ... for resolution */
    const char *reason;     /* static text */
    ManifestRow row;        /* allow: the program to start (for scripts: the interpreter's row) */
    int file_fd;            /* allow: what /proc/self/exe refers to (sealed copy or lower file), O_CLOEXEC, owned by the receiver; -1 otherwise */
    int script_fd;          /* scripts: sealed copy of the script for the interpreter, owned by the receiver; -1 otherwise */
    char script_path[LIMIT_PATH_SIZE];     /* path to pass as the interpreter's argument */
    char interpreter_arg[LIMIT_SCRIPT_LINE]; /* optional argument of the #! line, empty when none */
    char interpreter_path[LIMIT_PATH_SIZE];  /* becomes argv[0] when a script was resolved */
    uint32_t step_count;
    GateStep steps[LIMIT_SCRIPT_CHAIN + 1]; /* step 0 is the requested file */
    uint64_t duration_ns;
} GateVerdict;

int gate_new(const GateConfig *config, Gate **ret_gate, Error *err) WARN_UNUSED;
Gate *gate_free(Gate *gate);
/*
 * gate_decide() - the decision; writes the audit record (allow and deny). Always fills *ret_verdict.
 * Return: 0 when a verdict was reached (allow or deny); < 0 only for failures of the gate itself (-EMFILE, -ENOMEM, -EIO): the caller denies with that errno.
 * Safe: after fork; not from signal handlers; one call at a time in a process (threads: the vkernel's exec lock).
 */
int gate_decide(Gate *gate, const GateRequest *request, GateVerdict *ret_verdict) WARN_UNUSED;
/* gate_check_file() - an interpreter is about to take code from this open file (sh file, . file). Return: 0 allowed, -EACCES. Hashes a private copy. */
int gate_check_file(Gate *gate, int fd, const char *path, uint32_t pid);
void gate_verdict_deinit(GateVerdict *verdict); /* closes what was not taken */
