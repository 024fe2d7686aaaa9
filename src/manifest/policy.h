/* SPDX-License-Identifier: Apache-2.0 */
/*
 * policy.h - the node's policy: fleet allow-list and deny-list of digests, mode, minimum serials (design.md section 5).
 *
 * A signed JSON document (doc/formats/policy.md): {mediaType application/vnd.recompiler.policy.v1+json, name?, serial, created?, expires?,
 * mode "enforce"|"monitor", allow?[], deny?[], minimum_serial?{}}. Digests are kept as sorted arrays: a look-up is one binary search.
 * A loaded Policy does not change and may be shared by threads and across fork.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/hash.h"
#include "manifest/trust.h"

#define POLICY_MEDIA_TYPE "application/vnd.recompiler.policy.v1+json"

typedef struct Policy Policy;

/*
 * policy_load() - PATH and PATH.sig, verified by trust. @state_dir: rollback memory (role "policy") and clock floor; NULL: not looked at.
 * @now: seconds since 1970. @is_recorded: remember the serial (false: only compare it). Return: 0; errors as manifest_verify().
 */
int policy_load(const char *path, const Trust *trust, const char *state_dir, int64_t now, bool is_recorded, Policy **ret_policy, Error *err) WARN_UNUSED;
/* policy_parse() - the bytes alone, no signature: for `policy show` of an unsigned draft, and fuzzers. */
int policy_parse(const char *bytes, size_t size, Policy **ret_policy, Error *err) WARN_UNUSED;
Policy *policy_free(Policy *policy);
void policy_freep(Policy **policy);
bool policy_is_denied(const Policy *policy, const Digest *digest);       /* NULL policy: false */
bool policy_has_allow_list(const Policy *policy);
bool policy_is_allowed(const Policy *policy, const Digest *digest);      /* true without an allow-list */
bool policy_is_monitor(const Policy *policy);
uint64_t policy_generation(const Policy *policy);                        /* the serial; 0 for NULL */
uint64_t policy_minimum_serial(const Policy *policy, const char *name);  /* 0: none */

/* What `policy show` and edits need. */
const char *policy_name(const Policy *policy);
int64_t policy_expires_time(const Policy *policy); /* INT64_MAX: never */
size_t policy_allow_count(const Policy *policy);
const Digest *policy_allow_at(const Policy *policy, size_t index); /* sorted */
size_t policy_deny_count(const Policy *policy);
const Digest *policy_deny_at(const Policy *policy, size_t index);
size_t policy_minimum_count(const Policy *policy);
const char *policy_minimum_at(const Policy *policy, size_t index, uint64_t *ret_serial); /* sorted by name */

typedef struct PolicyMinimum { const char *name; uint64_t serial; } PolicyMinimum;
typedef struct PolicySpec {
    const char *name;    /* NULL: "node" */
    uint64_t serial;
    const char *created; /* RFC 3339 UTC or NULL */
    const char *expires; /* or NULL */
    bool is_monitor;
    bool has_allow_list;
    const Digest *allow; size_t allow_count; /* any order; duplicates are written once */
    const Digest *deny; size_t deny_count;
    const PolicyMinimum *minimums; size_t minimum_count;
} PolicySpec;
/* policy_write() - append the JSON text, sorted and stable; it parses with policy_parse() or the call fails. */
int policy_write(const PolicySpec *spec, Buf *buf, Error *err) WARN_UNUSED;
