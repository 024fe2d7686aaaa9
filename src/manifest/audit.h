/* SPDX-License-Identifier: Apache-2.0 */
/*
 * audit.h - the audit log: one JSON line a decision, each with the SHA-256 of the line before (`prev`). doc/formats/audit.md.
 *
 * {seq, time, container, image, pid, argv0, path, sha256, size, verdict, reason, entry, manifest {name, serial, sha256},
 *  key, policy, us, prev}. Appended under a lock by one process for each container, and by others: seq and prev come from
 * the last record of the file. Guests' processes reach it by a relay. Denials are rate-limited per container: AUDIT_BURST at once,
 * then one every AUDIT_INTERVAL_NS; those above are counted exactly and a summary record carries the count. The count is shared by all processes forked after audit_open().
 *
 * Threads: one call at a time per Audit (the gate's rule). Fork: a child uses its copy.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/hash.h"

#define AUDIT_BURST 200u
#define AUDIT_INTERVAL_NS 50000000u /* 20 denials a second in the long run [guess] */
#define AUDIT_LINE_MAX 65536u       /* bytes of one record */

typedef struct Audit Audit;

typedef struct AuditRecord {
    const char *container, *image, *argv0, *path; /* untrusted; escaped; NULL is written as null */
    uint32_t pid;
    const Digest *digest; /* NULL: not known */
    uint64_t size;
    bool is_allowed;
    const char *reason;
    const char *entry;          /* NULL when denied */
    const char *manifest_name; uint64_t manifest_serial; const Digest *manifest_digest;
    const char *key;            /* first signer's id or NULL */
    uint64_t policy_generation;
    uint64_t duration_us;
} AuditRecord;

/*
 * audit_open() - FILE for appending (created 0600). The fd is moved to >= minimum_fd. Return: 0; -EINVAL not a regular file; -ELOOP a symbolic link;
 * -EACCES somebody other than root and us can write it.
 */
int audit_open(const char *path, int minimum_fd, Audit **ret_audit, Error *err) WARN_UNUSED;
/* audit_close() - writes what was only counted so far (by this and all forked processes) and closes. NULL is fine. */
Audit *audit_close(Audit *audit);
/*
 * audit_append() - one record, or one more on the count of denials above the rate. A torn last line (crash, full disk) is cut off first and
 * a repair record says how much. Return: 0; -errno when nothing could be written: then the next record carries the number of lost ones.
 */
int audit_append(Audit *audit, const AuditRecord *record) WARN_UNUSED;
/*
 * audit_guest() - an Audit for the processes of a container, which a guest can stop, slow down and limit: what it is given goes through a socket
 * (at >= minimum_fd) to *ret_fd, whence audit_receive() writes it. It shares rate limit and counts with log, which must live longer.
 */
int audit_guest(Audit *log, int minimum_fd, Audit **ret_relay, int *ret_fd, Error *err) WARN_UNUSED;
/*
 * audit_receive() - writes what waits in fd. @common: container, image, manifest_* and key of every record; the rest is the sender's.
 * Return: 0 nothing is left; 1 perhaps more; -errno fd is not usable. Records that cannot be written are counted as lost.
 */
int audit_receive(Audit *log, int fd, const AuditRecord *common) WARN_UNUSED;
/* audit_fd() - the descriptor it writes to: a process that closes all others keeps it. */
int audit_fd(const Audit *audit);
/* audit_forget() - in a forked child that must not hold the file: closes it, writes nothing. */
void audit_forget(Audit *audit);
/* audit_verify() - walk the chain. Return: 0; -EBADMSG (err: which line, removed / changed / reordered). ret_count: good records. */
int audit_verify(int fd, uint64_t *ret_count, Error *err) WARN_UNUSED;
