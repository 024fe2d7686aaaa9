/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DSSE envelopes, detached: {"payloadType": T, "signatures": [{"keyid": K, "sig": BASE64}]}, no "payload".
 *
 * What is signed is PAE = "DSSEv1" SP LEN(type) SP type SP LEN(payload) SP payload, lengths in decimal bytes (DSSE v1
 * protocol). The type in the PAE is the one the caller expects, so a signature made for another role never verifies
 * here; the type named in the envelope is only compared for a clearer message. A key id is a hint for the order in
 * which keys are tried, nothing more.
 */
#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/limits.h"
#include "base/must.h"
#include "manifest/json-strict.h"
#include "manifest/key.h"
#include "manifest/trust.h"

#define SIGNATURE_SIZE 64u
#define KEY_ID_MAX 1024u
/* Work on signatures that do not verify: about half a second. Each counts its message and the fixed cost of a verification
 * (55 us, as much as 32 KiB of hashing [measured]). A legitimate envelope has its hints right and needs none of it. */
#define FAILED_SIZE_MAX (256ull << 20)
#define FAILED_SIZE_LEAST (32u << 10)

_Static_assert(crypto_sign_BYTES == SIGNATURE_SIZE, "libsodium's Ed25519");

typedef struct EnvelopeSignature {
    const char *key_id; /* "" when the envelope gives none; borrowed from the JSON */
    uint8_t bytes[SIGNATURE_SIZE];
} EnvelopeSignature;

typedef struct Envelope {
    json_t *json; /* owned */
    size_t count;
    EnvelopeSignature signatures[LIMIT_SIGNATURES];
} Envelope;

static void envelope_deinit(Envelope *envelope)
{
    json_freep(&envelope->json);
}

static int parse_signature(const json_t *object, size_t index, EnvelopeSignature *signature, Error *err)
{
    static const char *const keys[] = {"keyid", "sig"};
    char pointer[64];
    (void)snprintf(pointer, sizeof(pointer), "/signatures/%zu", index);
    if (!json_is_object(object)) {
        return error_set(err, EBADMSG, "%s: must be an object", pointer);
    }
    const char *text = "";
    signature->key_id = "";
    int r = json_known_keys(object, pointer, keys, 2, NULL, err);
    if (r == 0 && json_object_get(object, "keyid") != NULL) {
        r = json_need_string(object, pointer, "keyid", KEY_ID_MAX, &signature->key_id, err);
    }
    r = r < 0 ? r : json_need_string(object, pointer, "sig", 256, &text, err);
    if (r < 0) {
        return r;
    }
    if (base64_decode_strict(text, strlen(text), signature->bytes, SIGNATURE_SIZE) != (int)SIGNATURE_SIZE) {
        return error_set(err, EBADMSG, "%s/sig: must be strict base64 of 64 bytes", pointer);
    }
    return 0;
}

static int envelope_parse(Envelope *envelope, const char *bytes, size_t size, const char *payload_type, Error *err)
{
    static const char *const keys[] = {"payloadType", "signatures"};
    int r = json_strict_load(bytes, size, LIMIT_SIGNATURE_SIZE, &envelope->json, err);
    if (r < 0) {
        return r;
    }
    const json_t *root = envelope->json;
    if (!json_is_object(root)) {
        return error_set(err, EBADMSG, "must be an object");
    }
    const char *type = "";
    json_t *signatures = NULL;
    r = json_known_keys(root, "", keys, 2, NULL, err);
    r = r < 0 ? r : json_need_string(root, "", "payloadType", 255, &type, err);
    r = r < 0 ? r : json_need_array(root, "", "signatures", LIMIT_SIGNATURES, &signatures, err);
    if (r < 0) {
        return r;
    }
    if (strcmp(type, payload_type) != 0) {
        return error_set(err, EBADMSG, "/payloadType: is for \"%.100s\", not for \"%s\"", type, payload_type);
    }
    envelope->count = json_array_size(signatures);
    must(envelope->count <= LIMIT_SIGNATURES);
    for (size_t i = 0; r == 0 && i < envelope->count; i++) {
        r = parse_signature(json_array_get(signatures, i), i, &envelope->signatures[i], err);
    }
    return r;
}

/* The pre-authentication encoding; one contiguous copy because libsodium's Ed25519 wants the whole message. */
static int pae_build(const char *payload_type, const void *payload, size_t payload_size, uint8_t **ret_bytes,
                     size_t *ret_size)
{
    char head[512];
    const int head_size =
        snprintf(head, sizeof(head), "DSSEv1 %zu %s %zu ", strlen(payload_type), payload_type, payload_size);
    must(head_size > 0 && (size_t)head_size < sizeof(head));
    size_t size;
    if (__builtin_add_overflow((size_t)head_size, payload_size, &size)) {
        return -E2BIG;
    }
    uint8_t *bytes = malloc(size);
    if (bytes == NULL) {
        return -ENOMEM;
    }
    memcpy(bytes, head, (size_t)head_size);
    if (payload_size > 0) {
        memcpy(bytes + head_size, payload, payload_size);
    }
    *ret_bytes = bytes;
    *ret_size = size;
    return 0;
}

typedef struct Tally {
    TrustSigners signers;
    uint64_t failed_size;     /* bytes hashed for signatures that did not verify */
    bool is_over_budget;      /* stopped trying */
    const TrustKey *rejected; /* a trusted key that is named by a signature which no key verifies */
} Tally;

typedef struct Message { /* what was signed */
    const uint8_t *bytes;
    size_t size;
} Message;

static bool tally_has(const Tally *tally, const TrustKey *key)
{
    for (uint32_t i = 0; i < tally->signers.count; i++) {
        if (tally->signers.keys[i] == key) {
            return true;
        }
    }
    return false;
}

static void tally_add(Tally *tally, const TrustKey *key)
{
    if (!tally_has(tally, key)) { /* a key counts once, however often it signed */
        must(tally->signers.count < LIMIT_SIGNATURES);
        tally->signers.keys[tally->signers.count++] = key;
    }
}

/*
 * Does key verify signature? Verifying hashes the whole message, so 64 bad signatures times the keys of the directory
 * times a message of 64 MiB would be minutes of work for an image that nobody signed: failures have a budget, successes
 * need none.
 */
static bool tally_try(Tally *tally, const EnvelopeSignature *signature, const TrustKey *key, const Message *message)
{
    if (tally->failed_size > FAILED_SIZE_MAX) {
        tally->is_over_budget = true;
        return false;
    }
    if (crypto_sign_verify_detached(signature->bytes, message->bytes, message->size, key->public_key) == 0) {
        tally_add(tally, key);
        return true;
    }
    tally->failed_size += message->size + FAILED_SIZE_LEAST;
    return false;
}

static const TrustKey *key_by_id(const Trust *trust, const char *id)
{
    for (size_t i = 0; i < trust_key_count(trust); i++) {
        if (strcmp(trust_key(trust, i)->id, id) == 0) {
            return trust_key(trust, i);
        }
    }
    return NULL;
}

/* Signatures whose hint is right first; then every other one with every key: a wrong hint must not hide a good
 * signature. */
static void tally_all(Tally *tally, const Trust *trust, const Envelope *envelope, const Message *message)
{
    bool is_done[LIMIT_SIGNATURES] = {false};
    for (size_t i = 0; i < envelope->count; i++) {
        const TrustKey *hinted = key_by_id(trust, envelope->signatures[i].key_id);
        is_done[i] =
            hinted != NULL && (tally_has(tally, hinted) || tally_try(tally, &envelope->signatures[i], hinted, message));
    }
    for (size_t i = 0; i < envelope->count; i++) {
        const TrustKey *hinted = key_by_id(trust, envelope->signatures[i].key_id);
        for (size_t k = 0; k < trust_key_count(trust) && !is_done[i]; k++) {
            const TrustKey *key = trust_key(trust, k);
            is_done[i] = key != hinted && tally_try(tally, &envelope->signatures[i], key, message);
        }
        if (!is_done[i] && tally->rejected == NULL) {
            tally->rejected = hinted;
        }
    }
}

static int tally_judge(const Tally *tally, const Trust *trust, size_t signature_count, Error *err)
{
    const uint32_t threshold = trust_threshold(trust);
    if (tally->signers.count >= threshold) {
        return 0;
    }
    if (tally->rejected != NULL) {
        return error_hint(err,
                          error_set(err, EKEYREJECTED, "bad signature: the bytes are not what key %s (%.16s) signed",
                                    tally->rejected->name, tally->rejected->id),
                          "the file was changed after signing, or the signature belongs to another file");
    }
    if (signature_count == 0) {
        return error_set(err, ENOKEY, "not signed: the envelope has no signatures");
    }
    if (tally->is_over_budget) {
        return error_set(err, ENOKEY, "too many signatures that no trusted key made: gave up");
    }
    if (tally->signers.count > 0) {
        return error_set(err, ENOKEY, "signed by %u of %u required trusted keys", tally->signers.count, threshold);
    }
    return error_hint(err, error_set(err, ENOKEY, "not signed by a trusted key"),
                      "put the signer's .pub file into the trust directory if you trust it");
}

static int verify_parsed(const Trust *trust, const Envelope *envelope, const char *payload_type, const void *payload,
                         size_t payload_size, TrustSigners *ret_signers, Error *err)
{
    _cleanup_(freep) uint8_t *message = NULL;
    size_t message_size = 0;
    int r = pae_build(payload_type, payload, payload_size, &message, &message_size);
    if (r < 0) {
        return error_set(err, -r, "cannot build the signed message");
    }
    Tally tally = {0};
    tally_all(&tally, trust, envelope, &(Message){.bytes = message, .size = message_size});
    r = tally_judge(&tally, trust, envelope->count, err);
    if (r == 0 && ret_signers != NULL) {
        *ret_signers = tally.signers;
    }
    return r;
}

int envelope_verify(const Trust *trust, const char *envelope, size_t envelope_size, const char *payload_type,
                    const void *payload, size_t payload_size, TrustSigners *ret_signers, Error *err)
{
    must(trust != NULL && payload_type != NULL && (payload != NULL || payload_size == 0));
    if (envelope == NULL || envelope_size == 0) {
        return error_hint(err, error_set(err, ENOKEY, "signature: missing or empty"), "sign it with `recompiler sign`");
    }
    _cleanup_(envelope_deinit) Envelope parsed = {0};
    int r = envelope_parse(&parsed, envelope, envelope_size, payload_type, err);
    if (r == 0) {
        r = verify_parsed(trust, &parsed, payload_type, payload, payload_size, ret_signers, err);
    }
    return r < 0 ? error_wrap(err, r, "signature") : 0;
}

static void write_signature(Buf *text, const char *key_id, const uint8_t signature[SIGNATURE_SIZE], size_t index)
{
    char base64[128];
    must(sodium_bin2base64(base64, sizeof(base64), signature, SIGNATURE_SIZE, sodium_base64_VARIANT_ORIGINAL) != NULL);
    buf_append_string(text, index == 0 ? "\n" : ",\n");
    buf_append_string(text, "    {\"keyid\": ");
    buf_append_json(text, key_id, strlen(key_id));
    buf_append_format(text, ", \"sig\": \"%s\"}", base64);
}

/* Is this one of the signer's own? Judged by the signature, and by the key id for one over other bytes. */
static bool is_replaced(const EnvelopeSignature *old, const char *id, const uint8_t *public_key, const uint8_t *message,
                        size_t message_size)
{
    return strcmp(old->key_id, id) == 0 ||
           crypto_sign_verify_detached(old->bytes, message, message_size, public_key) == 0;
}

static int sign_parsed(const Envelope *old, const char *payload_type, const void *payload, size_t payload_size,
                       const uint8_t secret_key[64], Buf *text, Error *err)
{
    _cleanup_(freep) uint8_t *message = NULL;
    size_t message_size = 0;
    char id[DIGEST_HEX_SIZE + 1];
    uint8_t public_key[KEY_PUBLIC_SIZE];
    uint8_t signature[SIGNATURE_SIZE];
    must(crypto_sign_ed25519_sk_to_pk(public_key, secret_key) == 0);
    int r = key_id(public_key, id);
    r = r < 0 ? r : pae_build(payload_type, payload, payload_size, &message, &message_size);
    if (r < 0) {
        return error_set(err, -r, "cannot build the signed message");
    }
    must(crypto_sign_detached(signature, NULL, message, message_size, secret_key) == 0);
    buf_append_string(text, "{\n  \"payloadType\": ");
    buf_append_json(text, payload_type, strlen(payload_type));
    buf_append_string(text, ",\n  \"signatures\": [");
    size_t count = 0;
    for (size_t i = 0; i < old->count; i++) {
        if (!is_replaced(&old->signatures[i], id, public_key, message, message_size)) {
            write_signature(text, old->signatures[i].key_id, old->signatures[i].bytes, count++);
        }
    }
    if (count == LIMIT_SIGNATURES) {
        return error_set(err, E2BIG, "more than %u signatures", LIMIT_SIGNATURES);
    }
    write_signature(text, id, signature, count);
    buf_append_string(text, "\n  ]\n}\n");
    r = buf_error(text);
    return r < 0 ? error_set(err, -r, "envelope too large") : 0;
}

int envelope_sign(const char *envelope, size_t envelope_size, const char *payload_type, const void *payload,
                  size_t payload_size, const uint8_t secret_key[64], Buf *ret_envelope, Error *err)
{
    must(payload_type != NULL && secret_key != NULL && ret_envelope != NULL);
    _cleanup_(envelope_deinit) Envelope old = {0};
    _cleanup_(buf_deinit) Buf text = BUF_INIT(LIMIT_SIGNATURE_SIZE);
    int r = 0;
    if (envelope != NULL && envelope_size > 0) {
        r = envelope_parse(&old, envelope, envelope_size, payload_type, err);
    }
    r = r < 0 ? r : sign_parsed(&old, payload_type, payload, payload_size, secret_key, &text, err);
    if (r < 0) {
        return error_wrap(err, r, "signature");
    }
    buf_append(ret_envelope, text.bytes, text.size);
    r = buf_error(ret_envelope);
    return r < 0 ? error_set(err, -r, "signature: does not fit the output buffer") : 0;
}
