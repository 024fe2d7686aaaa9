/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hash.c - SHA-256 by OpenSSL's EVP. The EVP_MD is fetched once per process and kept: EVP_sha256() would be fetched
 * again inside every EVP_DigestInit. A fork inherits it.
 */
#include "base/hash.h"

#include <errno.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/interrupt.h"
#include "base/must.h"

#define HASH_CHUNK_SIZE (64u << 10) /* one read; fits the second-level cache */

struct Hasher {
    EVP_MD_CTX *context; /* owned */
};

static pthread_once_t algorithm_once = PTHREAD_ONCE_INIT;
static EVP_MD *algorithm; /* never freed: lives as long as the process */

static void algorithm_fetch(void)
{
    /* Without memory for its default context OpenSSL 3.0 says so here, and is a null pointer's victim in the fetch. */
    if (OSSL_LIB_CTX_get0_global_default() != NULL) {
        algorithm = EVP_MD_fetch(NULL, "SHA256", NULL);
    }
}

/* Return: 0 or -ENOSYS when this OpenSSL offers no SHA-256. */
static int algorithm_get(const EVP_MD **ret_algorithm)
{
    (void)pthread_once(&algorithm_once, algorithm_fetch);
    if (!algorithm) {
        return -ENOSYS;
    }
    *ret_algorithm = algorithm;
    return 0;
}

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
    const EVP_MD *md;
    Digest digest;
    const int r = algorithm_get(&md);
    if (r < 0) {
        return r;
    }
    if (!EVP_Digest(bytes, size, digest.bytes, NULL, md, NULL)) {
        return -ENOMEM;
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
    const EVP_MD *md;
    _cleanup_(hasher_freep) Hasher *hasher = NULL;
    const int r = algorithm_get(&md);
    if (r < 0) {
        return r;
    }
    hasher = calloc(1, sizeof *hasher);
    if (!hasher) {
        return -ENOMEM;
    }
    hasher->context = EVP_MD_CTX_new();
    if (!hasher->context || !EVP_DigestInit_ex2(hasher->context, md, NULL)) {
        return -ENOMEM;
    }
    *ret_hasher = steal(&hasher);
    return 0;
}

int hasher_update(Hasher *hasher, const void *bytes, size_t size)
{
    return EVP_DigestUpdate(hasher->context, bytes, size) ? 0 : -EIO;
}

int hasher_finish(Hasher *hasher, Digest *ret_digest)
{
    Digest digest;
    unsigned size = 0;
    if (!EVP_DigestFinal_ex(hasher->context, digest.bytes, &size)) {
        return -EIO;
    }
    must(size == DIGEST_SIZE);
    if (!EVP_DigestInit_ex2(hasher->context, algorithm, NULL)) {
        return -ENOMEM;
    }
    *ret_digest = digest;
    return 0;
}

Hasher *hasher_free(Hasher *hasher)
{
    if (hasher) {
        EVP_MD_CTX_free(hasher->context);
        free(hasher);
    }
    return NULL;
}

void hasher_freep(Hasher **hasher)
{
    *hasher = hasher_free(*hasher);
}
