/* SPDX-License-Identifier: Apache-2.0 */
/*
 * audit-int.h - shared by audit.c (the file) and audit-relay.c (records of processes that a guest controls).
 */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/hash.h"
#include "manifest/audit.h"

/* Bytes of one untrusted string that are logged; of the path LIMIT_PATH_SIZE. Escaped, at worst sixfold, all fit
 * AUDIT_LINE_MAX. */
#define AUDIT_TEXT_MAX 1024u
/* Nobody waits longer for the log's lock or for the process that writes it. */
#define AUDIT_WAIT_NS 500000000u

typedef struct AuditShared { /* in memory shared by forked processes */
    _Atomic uint64_t empty_at_ns;
    _Atomic uint64_t suppressed_count; /* denials above the rate, not yet in a summary */
    _Atomic uint64_t lost_count;       /* records that could not be written */
} AuditShared;

struct Audit {
    int fd;              /* owned: the file; of a relay its socket */
    bool is_relay;       /* shared belongs to the log then */
    AuditShared *shared; /* owned mapping */
    Buf line;            /* reused */
    uint64_t end;        /* file size after our last record; UINT64_MAX: not known */
    uint64_t seq;        /* of the last record, 0: none */
    Digest prev;         /* of the last record, zeros: none */
};

/* audit_write() - one record into the file, whatever the rate; what cannot be written is counted as lost. */
int audit_write(Audit *audit, const AuditRecord *record) WARN_UNUSED;
/* relay_send() - one record to whoever calls audit_receive(). Return: 0; -EAGAIN after AUDIT_WAIT_NS; -errno. */
int relay_send(const Audit *relay, const AuditRecord *record) WARN_UNUSED;
