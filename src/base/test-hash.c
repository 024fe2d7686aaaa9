/* SPDX-License-Identifier: Apache-2.0 */
#include "base/hash.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/tap.h"

static void expect_hex(const Digest *digest, const char *expected)
{
    char hex[DIGEST_HEX_SIZE + 1];
    digest_hex(digest, hex);
    must(strcmp(hex, expected) == 0);
}

/* FIPS 180-4 examples. */
static const char empty_hex[] = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
static const char abc_hex[] = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
static const char million_hex[] = "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0";

static void test_known_digests(void)
{
    Digest digest;
    must(sha256("", 0, &digest) == 0);
    expect_hex(&digest, empty_hex);
    must(sha256("abc", 3, &digest) == 0);
    expect_hex(&digest, abc_hex);
}

static void test_hasher_is_reusable(void)
{
    Hasher *hasher = NULL;
    Digest digest;
    must(hasher_new(&hasher) == 0);
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < 1000000 / 10; i++) {
            must(hasher_update(hasher, "aaaaaaaaaa", 10) == 0);
        }
        must(hasher_finish(hasher, &digest) == 0);
        expect_hex(&digest, million_hex);
        must(hasher_finish(hasher, &digest) == 0);
        expect_hex(&digest, empty_hex);
    }
    hasher_freep(&hasher);
    must(hasher == NULL && hasher_free(NULL) == NULL);
}

static void test_file(void)
{
    const int fd = memfd_create("test-hash", MFD_CLOEXEC);
    must(fd >= 0);
    Digest digest, whole;
    uint64_t size = 1;
    must(sha256_fd(fd, &digest, &size) == 0 && size == 0);
    expect_hex(&digest, empty_hex);

    /* Around the chunk size, with the position elsewhere. */
    static uint8_t bytes[3 * 65536 + 1];
    for (size_t i = 0; i < sizeof bytes; i++) {
        bytes[i] = (uint8_t)(i * 7 + (i >> 8));
    }
    static const size_t sizes[] = {1, 65535, 65536, 65537, 131072, 3 * 65536 + 1};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        must(ftruncate(fd, 0) == 0 && lseek(fd, 0, SEEK_SET) == 0);
        must(fd_write_full(fd, bytes, sizes[i]) == 0);
        must(sha256_fd(fd, &digest, &size) == 0 && size == sizes[i]);
        must(sha256(bytes, sizes[i], &whole) == 0 && digest_equals(&digest, &whole));
        must(lseek(fd, 0, SEEK_CUR) == (off_t)sizes[i]);
        must(sha256_fd(fd, &digest, NULL) == 0);
    }
    (void)close(fd);
    must(sha256_fd(fd, &digest, &size) == -EBADF);
    int ends[2];
    must(pipe(ends) == 0);
    must(sha256_fd(ends[0], &digest, &size) == -ESPIPE);
    (void)close(ends[0]);
    (void)close(ends[1]);
}

static void test_parse(void)
{
    Digest digest, expected;
    char text[128];
    must(sha256("abc", 3, &expected) == 0);
    must(digest_parse(abc_hex, 64, &digest) == 0 && digest_equals(&digest, &expected));
    must(digest_parse(abc_hex, 63, &digest) == -EINVAL);
    (void)snprintf(text, sizeof text, "%s0", abc_hex);
    must(digest_parse(text, 65, &digest) == -EINVAL);
    must(digest_parse("", 0, &digest) == -EINVAL);
    /* Every position refuses upper case, the neighbours of the digits, NUL, and bytes above ASCII. */
    static const char bad[] = {'A', 'F', 'g', '/', ':', '`', ' ', 'x', '\0', '\xe4'};
    for (size_t i = 0; i < 64; i++) {
        for (size_t j = 0; j < sizeof bad; j++) {
            memcpy(text, abc_hex, 65);
            text[i] = bad[j];
            must(digest_parse(text, 64, &digest) == -EINVAL);
        }
    }
    must(digest_equals(&digest, &expected)); /* written on success only */

    (void)snprintf(text, sizeof text, "sha256:%s", abc_hex);
    must(digest_parse_tagged(text, &digest) == 0);
    text[0] = 'S';
    must(digest_parse_tagged(text, &digest) == -EINVAL);
    (void)snprintf(text, sizeof text, "sha256:%s ", abc_hex);
    must(digest_parse_tagged(text, &digest) == -EINVAL);
    must(digest_parse_tagged("sha256:", &digest) == -EINVAL);
    must(digest_parse_tagged("", &digest) == -EINVAL);
    must(digest_parse_tagged(abc_hex, &digest) == -EINVAL);
}

int main(void)
{
    static const TapCase cases[] = {
        {"known digests", test_known_digests}, {"hasher is reusable", test_hasher_is_reusable},
        {"file", test_file},                   {"parse", test_parse},
    };
    return tap_main(cases, TAP_COUNT(cases));
}
