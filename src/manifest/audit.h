/* SPDX-License-Identifier: Apache-2.0 */
/*
 * audit.h - the audit log: one JSON line a decision, each with the SHA-256 of the line before (`prev`).
 *
 * {seq, time, container, image, pid, argv0, path, sha256, size, verdict, reason, entry, manifest {name, serial, sha256},
 *  key, policy, us, prev}. Appended under a lock (OFD lock) by many processes of many containers: seq and prev come from
 * the last record of the file. Denials are rate-limited per container (counted exactly; a summary record carries the count).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/hash.h"

typedef struct Audit Audit;

typedef struct AuditRecord {
    const char *container, *image, *argv0, *path; /* untrusted; escaped */
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

/* audit_open() - FILE for appending (created 0600). The fd is moved to >= minimum_fd. */
int audit_open(const char *path, int minimum_fd, Audit **ret_audit, Error *err) WARN_UNUSED;
Audit *audit_close(Audit *audit);
int audit_append(Audit *audit, const AuditRecord *record) WARN_UNUSED;
/* audit_verify() - walk the chain. Return: 0; -EBADMSG (err: which line, removed / changed / reordered). ret_count: good records. */
int audit_verify(int fd, uint64_t *ret_count, Error *err) WARN_UNUSED;
