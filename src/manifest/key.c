/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How it works: an Ed25519 SPKI is 12 fixed bytes and the key, a PKCS#8 is 16 fixed bytes and the seed (RFC 8410
 * section 7, shortest DER). So the DER is compared, not parsed: there is one encoding of every key and nothing to get
 * wrong.
 *
 * A public key of small order makes signatures forgeable without a secret: with A = identity, R = S*B verifies any
 * message under verifiers that do not look (OpenSSL 3.0 does not, libsodium does; [measured]). They are refused when a
 * key is loaded.
 */
#include "manifest/key.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/limits.h"
#include "base/must.h"
#include "manifest/trust.h"

#define SEED_SIZE 32u

static const uint8_t SPKI_PREFIX[12] = {0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00};
static const uint8_t PKCS8_PREFIX[16] = {0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06,
                                         0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20};

_Static_assert(crypto_sign_PUBLICKEYBYTES == KEY_PUBLIC_SIZE && crypto_sign_SECRETKEYBYTES == KEY_SECRET_SIZE &&
                   crypto_sign_SEEDBYTES == SEED_SIZE,
               "libsodium's Ed25519");

/*
 * The y coordinates of the eight points of small order with every encoding of them, sign bit cleared (the sign bit is
 * masked before comparing). libsodium's point check refuses them too; the list is what we can read and test on its own.
 */
static const uint8_t SMALL_ORDER[7][KEY_PUBLIC_SIZE] = {
    {0}, /* y = 0: order 4 */
    {1}, /* y = 1: the identity */
    {0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0,
     0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05}, /* order 8 */
    {0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f,
     0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a}, /* order 8 */
    {0xec, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
     0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f}, /* y = p-1: order 2 */
    {0xed, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
     0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f}, /* y = p, not canonical
                                                                                                 */
    {0xee, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
     0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f}, /* y = p+1, not
                                                                                                   canonical */
};

bool key_is_acceptable(const uint8_t public_key[KEY_PUBLIC_SIZE])
{
    uint8_t masked[KEY_PUBLIC_SIZE];
    memcpy(masked, public_key, KEY_PUBLIC_SIZE);
    masked[KEY_PUBLIC_SIZE - 1] &= 0x7f;
    for (size_t i = 0; i < sizeof(SMALL_ORDER) / sizeof(SMALL_ORDER[0]); i++) {
        if (memcmp(masked, SMALL_ORDER[i], KEY_PUBLIC_SIZE) == 0) {
            return false;
        }
    }
    return crypto_core_ed25519_is_valid_point(public_key) == 1;
}

static int base64_value(char c)
{
    if (c >= 'A' && c <= 'Z') {
        return c - 'A';
    }
    if (c >= 'a' && c <= 'z') {
        return c - 'a' + 26;
    }
    if (c >= '0' && c <= '9') {
        return c - '0' + 52;
    }
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

int base64_decode_strict(const char *text, size_t text_size, uint8_t *bytes, size_t capacity)
{
    if (text_size == 0 || text_size % 4 != 0 || text_size > (1u << 20)) {
        return -EBADMSG;
    }
    const size_t padding = text[text_size - 1] != '=' ? 0 : text[text_size - 2] != '=' ? 1 : 2;
    const size_t size = text_size / 4 * 3 - padding;
    if (size > capacity) {
        return -EBADMSG;
    }
    uint32_t bits = 0;
    uint32_t bit_count = 0;
    size_t used = 0;
    for (size_t i = 0; i < text_size - padding; i++) {
        const int value = base64_value(text[i]);
        if (value < 0) {
            return -EBADMSG;
        }
        bits = (bits << 6 | (uint32_t)value) & 0xffffffu;
        bit_count += 6;
        if (bit_count >= 8) {
            bit_count -= 8;
            bytes[used++] = (uint8_t)(bits >> bit_count);
        }
    }
    if ((bits & ((1u << bit_count) - 1)) != 0) {
        return -EBADMSG; /* the same bytes would have a second text */
    }
    must(used == size);
    return (int)size;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* The base64 between BEGIN and END lines of `label`, white space removed, decoded to exactly der_size bytes. */
static int pem_decode(const char *text, size_t size, const char *label, uint8_t *der, size_t der_size)
{
    char begin[64];
    char end[64];
    (void)snprintf(begin, sizeof(begin), "-----BEGIN %s-----", label);
    (void)snprintf(end, sizeof(end), "-----END %s-----", label);
    const char *position = text;
    const char *const limit = text + size;
    while (position < limit && is_space(*position)) {
        position++;
    }
    if ((size_t)(limit - position) < strlen(begin) || memcmp(position, begin, strlen(begin)) != 0) {
        return -EBADMSG;
    }
    position += strlen(begin);
    char body[128];
    size_t body_size = 0;
    for (; position < limit && *position != '-'; position++) {
        if (is_space(*position)) {
            continue;
        }
        if (body_size == sizeof(body)) {
            return -EBADMSG;
        }
        body[body_size++] = *position;
    }
    if ((size_t)(limit - position) < strlen(end) || memcmp(position, end, strlen(end)) != 0) {
        return -EBADMSG;
    }
    position += strlen(end);
    while (position < limit && is_space(*position)) {
        position++;
    }
    const int decoded = position == limit ? base64_decode_strict(body, body_size, der, der_size) : -EBADMSG;
    sodium_memzero(body, sizeof(body));
    return decoded == (int)der_size ? 0 : -EBADMSG;
}

int key_parse_public(const char *text, size_t size, uint8_t ret_public_key[KEY_PUBLIC_SIZE], Error *err)
{
    uint8_t der[sizeof(SPKI_PREFIX) + KEY_PUBLIC_SIZE];
    if (pem_decode(text, size, "PUBLIC KEY", der, sizeof(der)) < 0 ||
        memcmp(der, SPKI_PREFIX, sizeof(SPKI_PREFIX)) != 0) {
        return error_set(err, EBADMSG, "not an Ed25519 public key in PEM");
    }
    if (!key_is_acceptable(der + sizeof(SPKI_PREFIX))) {
        return error_set(err, EBADMSG,
                         "weak Ed25519 public key: small order or not canonical, anybody could sign for it");
    }
    memcpy(ret_public_key, der + sizeof(SPKI_PREFIX), KEY_PUBLIC_SIZE);
    return 0;
}

int key_parse_secret(const char *text, size_t size, uint8_t ret_secret_key[KEY_SECRET_SIZE], Error *err)
{
    uint8_t der[sizeof(PKCS8_PREFIX) + SEED_SIZE];
    uint8_t public_key[KEY_PUBLIC_SIZE];
    int r = pem_decode(text, size, "PRIVATE KEY", der, sizeof(der));
    if (r < 0 || memcmp(der, PKCS8_PREFIX, sizeof(PKCS8_PREFIX)) != 0) {
        r = error_set(err, EBADMSG, "not an Ed25519 private key in PEM (PKCS#8, not encrypted)");
    } else {
        must(crypto_sign_seed_keypair(public_key, ret_secret_key, der + sizeof(PKCS8_PREFIX)) == 0);
    }
    sodium_memzero(der, sizeof(der));
    return r;
}

int key_id(const uint8_t public_key[KEY_PUBLIC_SIZE], char ret_id[DIGEST_HEX_SIZE + 1])
{
    Digest digest;
    const int r = sha256(public_key, KEY_PUBLIC_SIZE, &digest);
    if (r == 0) {
        digest_hex(&digest, ret_id);
    }
    return r;
}

int key_load_secret(const char *path, uint8_t ret_secret_key[64], Error *err)
{
    must(path != NULL && ret_secret_key != NULL);
    _cleanup_(fd_closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) {
        return error_set(err, errno, "%s: %s", path, strerror(errno));
    }
    struct stat status;
    if (fstat(fd, &status) < 0) {
        return error_set(err, errno, "%s: %s", path, strerror(errno));
    }
    if (!S_ISREG(status.st_mode) || status.st_size > (off_t)KEY_FILE_MAX) {
        return error_set(err, EBADMSG, "%s: not a key file", path);
    }
    if ((status.st_mode & (S_IRWXG | S_IRWXO)) != 0) {
        return error_hint(err, error_set(err, EACCES, "%s: private key is accessible to group or others", path),
                          "chmod 600 %s", path);
    }
    char text[KEY_FILE_MAX];
    size_t size = 0;
    int r = fd_read_full(fd, text, sizeof(text), &size);
    if (r < 0) {
        r = error_set(err, -r, "%s: %s", path, strerror(-r));
    } else {
        r = error_wrap(err, key_parse_secret(text, size, ret_secret_key, err), "%s", path);
    }
    sodium_memzero(text, sizeof(text));
    return r;
}

/* Writes PEM of prefix + raw as a new file; never over an existing one. */
static int key_file_create(const char *path, mode_t mode, const char *label, const uint8_t *prefix, size_t prefix_size,
                           const uint8_t raw[32], Error *err)
{
    uint8_t der[64];
    char base64[128];
    char pem[256];
    must(prefix_size + 32 <= sizeof(der));
    memcpy(der, prefix, prefix_size);
    memcpy(der + prefix_size, raw, 32);
    must(sodium_bin2base64(base64, sizeof(base64), der, prefix_size + 32, sodium_base64_VARIANT_ORIGINAL) != NULL);
    const int length = snprintf(pem, sizeof(pem), "-----BEGIN %s-----\n%s\n-----END %s-----\n", label, base64, label);
    must(length > 0 && (size_t)length < sizeof(pem));
    int r = 0;
    _cleanup_(fd_closep) int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
    if (fd < 0) {
        r = error_set(err, errno, "%s: %s", path,
                      errno == EEXIST ? "exists and is never overwritten" : strerror(errno));
    } else {
        r = fchmod(fd, mode) < 0 ? -errno : fd_write_full(fd, pem, (size_t)length);
        if (r == 0 && fsync(fd) < 0) {
            r = -errno;
        }
        if (r < 0) {
            (void)unlink(path);
            r = error_set(err, -r, "%s: %s", path, strerror(-r));
        }
    }
    sodium_memzero(der, sizeof(der));
    sodium_memzero(base64, sizeof(base64));
    sodium_memzero(pem, sizeof(pem));
    return r;
}

static int key_generate_files(const char *secret_path, const char *public_path,
                              const uint8_t secret_key[KEY_SECRET_SIZE], const uint8_t public_key[KEY_PUBLIC_SIZE],
                              Error *err)
{
    if (access(public_path, F_OK) == 0) {
        return error_set(err, EEXIST, "%s: exists and is never overwritten", public_path);
    }
    int r = key_file_create(secret_path, 0600, "PRIVATE KEY", PKCS8_PREFIX, sizeof(PKCS8_PREFIX), secret_key, err);
    if (r < 0) {
        return r;
    }
    r = key_file_create(public_path, 0644, "PUBLIC KEY", SPKI_PREFIX, sizeof(SPKI_PREFIX), public_key, err);
    if (r < 0) {
        (void)unlink(secret_path); /* the file made above: no half pair is left */
    }
    return r;
}

int key_generate(const char *name, char ret_id[DIGEST_HEX_SIZE + 1], Error *err)
{
    must(name != NULL && ret_id != NULL);
    if (sodium_init() < 0) {
        return error_set(err, EIO, "libsodium has no random source");
    }
    char secret_path[LIMIT_PATH_SIZE];
    char public_path[LIMIT_PATH_SIZE];
    if (snprintf(secret_path, sizeof(secret_path), "%s.key", name) >= (int)sizeof(secret_path) ||
        snprintf(public_path, sizeof(public_path), "%s.pub", name) >= (int)sizeof(public_path)) {
        return error_set(err, ENAMETOOLONG, "%s: name too long", name);
    }
    uint8_t public_key[KEY_PUBLIC_SIZE];
    uint8_t secret_key[KEY_SECRET_SIZE];
    must(crypto_sign_keypair(public_key, secret_key) == 0);
    char id[DIGEST_HEX_SIZE + 1];
    int r = key_id(public_key, id);
    if (r < 0) {
        r = error_set(err, -r, "SHA-256 failed");
    } else {
        r = key_generate_files(secret_path, public_path, secret_key, public_key,
                               err); /* the seed is the secret key's first half */
    }
    sodium_memzero(secret_key, sizeof(secret_key));
    if (r == 0) {
        memcpy(ret_id, id, sizeof(id));
    }
    return r;
}
