/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hash.c - SHA-256 by OpenSSL's own functions, linked statically: the same code as beneath EVP (SHA extensions of the CPU
 * included) without its registry, whose set-up costs 0.7 ms a process and memory a digest.
 */
#define OPENSSL_SUPPRESS_DEPRECATED /* in favour of EVP, not for a defect */
#include "base/hash.h"

#include <errno.h>
#include <openssl/sha.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/interrupt.h"
#include "base/must.h"

#define HASH_CHUNK_SIZE (64u << 10) /* one read; fits the second-level cache */

struct Hasher {
    SHA256_CTX context;
};

void digest_hex(const Digest *digest, char hex[DIGEST_HEX_SIZE + 1])
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < DIGEST_SIZE; i++) {
        hex[2 * i] = digits[digest->bytes[i] >> 4];
        hex[2 * i + 1] = digits[digest->bytes[i] & 15];
    }
    hex[DIGEST_HEX_SIZE] = '\0';
}

static int digit_value(char digit)
{
    if (digit >= '0' && digit <= '9') {
        return digit - '0';
    }
    if (digit >= 'a' && digit <= 'f') {
        return digit - 'a' + 10;
    }
    return -1;
}

int digest_parse(const char *hex, size_t size, Digest *ret_digest)
{
    Digest digest;
    if (size != DIGEST_HEX_SIZE) {
        return -EINVAL;
    }
    for (size_t i = 0; i < DIGEST_SIZE; i++) {
        const int high = digit_value(hex[2 * i]);
        const int low = digit_value(hex[2 * i + 1]);
        if (high < 0 || low < 0) {
            return -EINVAL;
        }
        digest.bytes[i] = (uint8_t)(high << 4 | low);
    }
    *ret_digest = digest;
    return 0;
}

int digest_parse_tagged(const char *text, Digest *ret_digest)
{
    static const char tag[] = "sha256:";
    if (strncmp(text, tag, sizeof tag - 1) != 0) {
        return -EINVAL;
    }
    const char *hex = text + sizeof tag - 1;
    return digest_parse(hex, strnlen(hex, DIGEST_HEX_SIZE + 1), ret_digest);
}

int sha256(const void *bytes, size_t size, Digest *ret_digest)
{
    SHA256_CTX context;
    Digest digest;
    if (!SHA256_Init(&context) || !SHA256_Update(&context, bytes, size) || !SHA256_Final(digest.bytes, &context)) {
        return -EIO;
    }
    *ret_digest = digest;
    return 0;
}

int sha256_fd(int fd, Digest *ret_digest, uint64_t *ret_size)
{
    _cleanup_(hasher_freep) Hasher *hasher = NULL;
    uint8_t chunk[HASH_CHUNK_SIZE];
    uint64_t offset = 0;
    size_t size;
    int r = hasher_new(&hasher);
    if (r < 0) {
        return r;
    }
    do {
        r = interrupt_check();
        r = r < 0 ? r : fd_pread_full(fd, chunk, sizeof chunk, offset, &size);
        if (r < 0) {
            return r;
        }
        r = hasher_update(hasher, chunk, size);
        if (r < 0) {
            return r;
        }
        offset += size;
    } while (size == sizeof chunk);
    r = hasher_finish(hasher, ret_digest);
    if (r == 0 && ret_size) {
        *ret_size = offset;
    }
    return r;
}

int hasher_new(Hasher **ret_hasher)
{
    _cleanup_(hasher_freep) Hasher *hasher = calloc(1, sizeof *hasher);
    if (!hasher) {
        return -ENOMEM;
    }
    if (!SHA256_Init(&hasher->context)) {
        return -EIO;
    }
    *ret_hasher = steal(&hasher);
    return 0;
}

int hasher_update(Hasher *hasher, const void *bytes, size_t size)
{
    return SHA256_Update(&hasher->context, bytes, size) ? 0 : -EIO;
}

int hasher_finish(Hasher *hasher, Digest *ret_digest)
{
    Digest digest;
    if (!SHA256_Final(digest.bytes, &hasher->context) || !SHA256_Init(&hasher->context)) {
        return -EIO;
    }
    *ret_digest = digest;
    return 0;
}

Hasher *hasher_free(Hasher *hasher)
{
    free(hasher);
    return NULL;
}

void hasher_freep(Hasher **hasher)
{
    *hasher = hasher_free(*hasher);
}
