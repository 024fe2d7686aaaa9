/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gate.h - the exec gate: one function decides every start of a program (design.md section 8).
 *
 *   request (one host copy of path) -> resolve to one fd -> size test -> digest (stored, or of a private sealed copy) -> look up -> verdict
 *
 * Used by `recompiler run` for the first program and by the vkernel for every guest execve. It never executes anything and
 * changes nothing of the process; it opens descriptors and closes them again except those handed over in the verdict.
 *
 * Monitor mode lets pass what only the policy refuses (deny-list, fleet allow-list, minimum serial) and says so in the reason; a file that is not in the
 * manifest has no entry to start and is refused in every mode.
 *
 * System calls after gate_new(): openat2 openat statx newfstatat fstatfs faccessat2 getgroups geteuid readlinkat memfd_create copy_file_range sendfile read
 * pread64 write lseek fcntl(F_ADD_SEALS F_GET_SEALS F_DUPFD_CLOEXEC F_SETFD F_GETFL) close clock_gettime; audit: sendmsg, of a log itself F_SETLK F_OFD_SETLK ftruncate clock_nanosleep; no /proc is needed (only an O_PATH
 * descriptor given to is_fd_exec is reopened through /proc/self/fd, and refused where that is not there).
 *
 * Threads of the guest may play with descriptor numbers while a decision runs: every descriptor is moved to >= minimum_fd first and judged there.
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
    bool is_noexec_checked;      /* refuse files on noexec mounts, as Linux does. Default false: the container's own mounts are noexec on purpose (second net),
                                    so the flag of the mount says nothing about what the operator wants; a run on plain host mounts sets it */
} GateConfig;

#define GATE_EXPLAIN_MAX (1ull << 30)
#define GATE_ARGV_MAX (2 * LIMIT_SCRIPT_CHAIN + 1)
#define GATE_TEXT_SIZE (2 * (LIMIT_SCRIPT_CHAIN + 1) * LIMIT_PATH_SIZE) /* path and resolved path of each step */

typedef enum GateVerdictKind { GATE_DENY = 0, GATE_ALLOW = 1 } GateVerdictKind;

typedef struct GateStep { /* one file of the #! chain, for --explain */
    const char *path;     /* in the verdict's text, like the next */
    const char *resolved; /* path beneath the root after symlinks; empty until it is known */
    Digest digest;
    uint64_t size;
    bool has_digest;
    bool is_script;
    bool is_stored;                 /* the digest was stored at unpacking: nothing was read */
    char argument[LIMIT_SCRIPT_LINE]; /* scripts: optional argument of the #! line, empty when none */
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
    const char *applet;     /* NULL or basename(argv0): must be declared by the row when the row declares applets. A leading '-' (login shell) is ignored;
                               for the interpreter of a script its own base name is taken */
    bool is_record_deferred; /* no audit record yet: gate_record() when it is known who starts it */
    bool is_explaining;     /* for words to a human: hash even what the size test already denies (at most GATE_EXPLAIN_MAX bytes); the verdict is the same */
} GateRequest;

typedef struct GateVerdict {
    GateVerdictKind kind;
    int error;              /* deny: errno for the guest: EACCES; ENOENT ENOTDIR ELOOP ENAMETOOLONG ... for resolution */
    const char *reason;     /* static text */
    ManifestRow row;        /* allow: the program to start (for scripts: the interpreter's row) */
    int file_fd;            /* allow: what /proc/self/exe refers to (sealed copy or lower file), O_CLOEXEC, owned by the receiver; -1 otherwise */
    int script_fd;          /* scripts: sealed copy of the script for the interpreter, owned by the receiver; -1 otherwise */
    const char *script_path;      /* scripts: path to pass as the interpreter's argument; empty otherwise, like the next two */
    const char *interpreter_arg;  /* optional argument of the #! line, empty when none */
    const char *interpreter_path; /* becomes argv[0] when a script was resolved */
    uint32_t step_count;
    uint32_t text_size;           /* bytes of text that are used */
    uint64_t duration_ns;
    GateStep steps[LIMIT_SCRIPT_CHAIN + 1]; /* step 0 is the requested file */
    char text[GATE_TEXT_SIZE];    /* one path behind the other, so that a decision touches one page of it, not ten */
} GateVerdict; /* points into itself: not to be copied */

int gate_new(const GateConfig *config, Gate **ret_gate, Error *err) WARN_UNUSED;
Gate *gate_free(Gate *gate);
/*
 * gate_decide() - the decision; writes the audit record (allow and deny). Always fills *ret_verdict.
 * Return: 0 when a verdict was reached (allow or deny); < 0 only for failures of the gate itself (-EMFILE, -ENOMEM, -EIO): the caller denies with that errno.
 * Safe: after fork; not from signal handlers; one call at a time in a process (threads: the vkernel's exec lock).
 */
int gate_decide(Gate *gate, const GateRequest *request, GateVerdict *ret_verdict) WARN_UNUSED;
/* gate_record() - the audit record of a decision that was made with is_record_deferred; request->pid may be another by now. */
void gate_record(const Gate *gate, const GateRequest *request, const GateVerdict *verdict);
/*
 * gate_argv() - what replaces argv[0], as Linux builds it: program, [argument, script]... from the innermost #! line to the requested file. For a
 * plain program: argv0 of the request stays, count is 0. Strings point into the verdict. Return: count (0 or 2..GATE_ARGV_MAX).
 */
size_t gate_argv(const GateVerdict *verdict, const char *argv[GATE_ARGV_MAX]);
/* gate_set_policy() - use another policy from the next decision on (reload); borrowed. One decision sees exactly one policy. */
void gate_set_policy(Gate *gate, const Policy *policy);
/* gate_check_file() - an interpreter is about to take code from this open file (sh file, . file). Return: 0 allowed, -EACCES. Hashes a private copy.
 * The file may change afterwards: who can should use gate_check_file_copy() and let the interpreter read the sealed copy that was hashed (fd >= minimum_fd, owned by the caller). */
int gate_check_file(Gate *gate, int fd, const char *path, uint32_t pid);
int gate_check_file_copy(Gate *gate, int fd, const char *path, uint32_t pid, int *ret_copy_fd);
void gate_verdict_deinit(GateVerdict *verdict); /* closes what was not taken */
