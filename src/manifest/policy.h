/* SPDX-License-Identifier: Apache-2.0 */
/*
 * policy.h - the node's policy: fleet allow-list and deny-list of digests, mode, minimum serials (design.md section 5).
 * First layer: a signed JSON document {mediaType application/vnd.recompiler.policy.v1+json, serial, mode, allow?[], deny[], minimum_serial{}}.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/hash.h"
#include "manifest/trust.h"

#define POLICY_MEDIA_TYPE "application/vnd.recompiler.policy.v1+json"

typedef struct Policy Policy;

/* policy_load() - PATH and PATH.sig, verified by trust. Return: 0; errors as manifest_verify(). */
int policy_load(const char *path, const Trust *trust, Policy **ret_policy, Error *err) WARN_UNUSED;
Policy *policy_free(Policy *policy);
void policy_freep(Policy **policy);
bool policy_is_denied(const Policy *policy, const Digest *digest);       /* NULL policy: false */
bool policy_has_allow_list(const Policy *policy);
bool policy_is_allowed(const Policy *policy, const Digest *digest);      /* true without an allow-list */
bool policy_is_monitor(const Policy *policy);
uint64_t policy_generation(const Policy *policy);
uint64_t policy_minimum_serial(const Policy *policy, const char *name);  /* 0: none */
