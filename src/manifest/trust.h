/* SPDX-License-Identifier: Apache-2.0 */
/*
 * trust.h - who may sign: keys, DSSE envelopes, thresholds, expiry, rollback memory.
 *
 * Ed25519 by libsodium over the DSSE pre-authentication encoding of the raw bytes. Verified before a byte is parsed.
 * Causes are told apart by errno: EKEYREJECTED bad signature, ENOKEY no signature by a trusted key (or too few for the threshold),
 * EKEYEXPIRED expired, ESTALE rollback, EBADMSG malformed envelope or other bytes.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/hash.h"
#include "manifest/manifest.h"

typedef struct TrustKey {
    uint8_t public_key[32];
    char id[DIGEST_HEX_SIZE + 1]; /* SHA-256 of the 32 raw bytes, hex: the DSSE keyid */
    char name[256];               /* file name without .pub */
} TrustKey;

typedef struct Trust Trust; /* a set of keys and a threshold */

/* trust_load() - every file of DIR that ends in .pub (SPKI PEM, Ed25519). A small-order, non-canonical or malformed key is an error that names the file: a
 * trust directory is not half loaded. Same key in two files counts once. Optional DIR/threshold: a decimal number >= 1.
 * Return: 0; -ENOKEY no keys (err.hint: recompiler keygen); -EBADMSG; -EACCES the directory or a file is writable by others, or belongs to
 * somebody who is neither root nor us. */
int trust_load(const char *directory, Trust **ret_trust, Error *err) WARN_UNUSED;
Trust *trust_free(Trust *trust);
void trust_freep(Trust **trust);
size_t trust_key_count(const Trust *trust);
const TrustKey *trust_key(const Trust *trust, size_t index);
uint32_t trust_threshold(const Trust *trust);

typedef struct TrustSigners { uint32_t count; const TrustKey *keys[64]; } TrustSigners;

/* envelope_verify() - detached DSSE envelope over payload. payload_type is what the caller expects. */
int envelope_verify(const Trust *trust, const char *envelope, size_t envelope_size, const char *payload_type,
                    const void *payload, size_t payload_size, TrustSigners *ret_signers, Error *err) WARN_UNUSED;
/* envelope_sign() - add a signature to an existing envelope (or NULL, 0 for a new one); appends the new envelope's text. A second signature by the same key replaces the first. */
int envelope_sign(const char *envelope, size_t envelope_size, const char *payload_type, const void *payload, size_t payload_size,
                  const uint8_t secret_key[64], Buf *ret_envelope, Error *err) WARN_UNUSED;

/* key_generate() - NAME.key (PKCS#8 PEM, 0600) and NAME.pub (SPKI PEM, 0644); never overwrites (-EEXIST). */
int key_generate(const char *name, char ret_id[DIGEST_HEX_SIZE + 1], Error *err) WARN_UNUSED;
/* key_load_secret() - PKCS#8 PEM; wiped by the caller with sodium_memzero. Refuses a file readable by others (-EACCES). */
int key_load_secret(const char *path, uint8_t ret_secret_key[64], Error *err) WARN_UNUSED;

/* Rollback memory: {serial, sha256} per manifest name and role, in state_dir. */
/* rollback_check() - Return: 0 newer or the same; -ESTALE lower serial or same serial with other bytes; -EIO state unreadable or damaged (closed). */
int rollback_check(const char *state_dir, const char *role, const char *name, uint64_t serial, const Digest *digest, Error *err) WARN_UNUSED;
/* rollback_record() - after all checks, before activation; atomic, fsynced, locked against concurrent runs; never lowers. */
int rollback_record(const char *state_dir, const char *role, const char *name, uint64_t serial, const Digest *digest, Error *err) WARN_UNUSED;

/* rollback_record_at() - as rollback_record(), and moves the clock floor up to `created` (seconds since 1970): a clock that is set back does not make
 * an expired document valid again. rollback_clock() - the floor, 0 when nothing was recorded. */
int rollback_record_at(const char *state_dir, const char *role, const char *name, uint64_t serial, const Digest *digest, int64_t created,
                       Error *err) WARN_UNUSED;
int rollback_clock(const char *state_dir, int64_t *ret_seconds, Error *err) WARN_UNUSED;

/* Everything about one image's manifest in order: signature -> parse -> expiry -> rollback. now: seconds since 1970. */
typedef struct ManifestVerified { Manifest *manifest; TrustSigners signers; } ManifestVerified;
typedef struct ManifestVerifyConfig {
    const Trust *trust;
    const char *state_dir;  /* rollback memory; NULL: not checked (inspect) */
    const char *cache_dir;  /* compiled indexes by manifest digest; NULL: not used */
    int64_t now;
    bool is_record;         /* remember the serial on success */
} ManifestVerifyConfig;
/* One line a check, for `verify`: name "signature", "format", "expiry", "rollback", ...; ok; detail. May be NULL. */
typedef void (*VerifyReport)(void *context, const char *check, bool is_ok, const char *detail);
int manifest_verify(const ManifestVerifyConfig *config, const char *bytes, size_t size, const char *envelope, size_t envelope_size,
                    VerifyReport report, void *report_context, ManifestVerified *ret_verified, Error *err) WARN_UNUSED;
