/* SPDX-License-Identifier: Apache-2.0 */
/* Keys, trust directories, envelopes (golden vectors made by openssl), rollback memory, manifest_verify() with its
 * index cache. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/limits.h"
#include "base/must.h"
#include "manifest/key.h"
#include "manifest/trust.h"

#define GOLDEN "tests/golden/manifest/"
#define KEYS GOLDEN "keys-for-tests-only/"
#define NOW 1768000000        /* 2026-01-09 */
#define GOLDEN_NOW 1780000000 /* 2026-05-28: expired.json is expired */

static int test_count;
static char scratch[] = "/tmp/test-trust-XXXXXX";

static void ok(const char *name)
{
    printf("ok %d - %s\n", ++test_count, name);
}

static char *path_in(const char *name)
{
    static char paths[4][LIMIT_PATH_SIZE];
    static int next;
    char *path = paths[next++ % 4];
    must(snprintf(path, LIMIT_PATH_SIZE, "%s/%s", scratch, name) < LIMIT_PATH_SIZE);
    return path;
}

static char *read_or_fail(const char *path, size_t *ret_size)
{
    char *bytes = NULL;
    Error err = ERROR_INIT;
    if (file_read(AT_FDCWD, path, 1 << 20, &bytes, ret_size, &err) < 0) {
        printf("Bail out! run this test in the repository: %s\n", err.message);
        exit(1);
    }
    return bytes;
}

static void write_file(const char *path, const void *bytes, size_t size, mode_t mode)
{
    Error err = ERROR_INIT;
    must(file_write_atomic(AT_FDCWD, path, bytes, size, mode, &err) == 0);
    must(chmod(path, mode) == 0);
}

static void write_text(const char *path, const char *text, mode_t mode)
{
    write_file(path, text, strlen(text), mode);
}

static void copy_file(const char *from, const char *to, mode_t mode)
{
    size_t size = 0;
    _cleanup_(freep) char *bytes = read_or_fail(from, &size);
    write_file(to, bytes, size, mode);
}

/* A fresh trust directory with the named golden keys ("a,b"). */
static const char *trust_directory(const char *keys, unsigned threshold)
{
    const char *directory = path_in("trust");
    must(tree_remove(AT_FDCWD, directory, NULL) == 0);
    must(mkdir(directory, 0755) == 0 && chmod(directory, 0755) == 0);
    for (const char *key = keys; *key != '\0'; key += key[1] == ',' ? 2 : 1) {
        char from[256];
        char to[256];
        must(snprintf(from, sizeof(from), KEYS "%c.pub", *key) > 0);
        must(snprintf(to, sizeof(to), "trust/%c.pub", *key) > 0);
        copy_file(from, path_in(to), 0644);
    }
    if (threshold > 1) {
        char text[16];
        must(snprintf(text, sizeof(text), "%u\n", threshold) > 0);
        write_text(path_in("trust/threshold"), text, 0644);
    }
    return directory;
}

static Trust *trust_of(const char *keys, unsigned threshold)
{
    Trust *trust = NULL;
    Error err = ERROR_INIT;
    if (trust_load(trust_directory(keys, threshold), &trust, &err) < 0) {
        printf("# %s\n", err.message);
        must(false);
    }
    return trust;
}

static void run_case(const char *name, const char *keys, unsigned threshold, const char *document, const char *envelope,
                     const char *expected, unsigned signer_count)
{
    char path[512];
    size_t document_size = 0;
    size_t envelope_size = 0;
    must(snprintf(path, sizeof(path), GOLDEN "%s", document) > 0);
    _cleanup_(freep) char *bytes = read_or_fail(path, &document_size);
    _cleanup_(freep) char *signature = NULL;
    if (strcmp(envelope, "-") != 0) {
        must(snprintf(path, sizeof(path), GOLDEN "%s", envelope) > 0);
        signature = read_or_fail(path, &envelope_size);
    }
    _cleanup_(trust_freep) Trust *trust = trust_of(keys, threshold);
    const ManifestVerifyConfig config = {.trust = trust, .now = GOLDEN_NOW};
    ManifestVerified verified = {0};
    Error err = ERROR_INIT;
    const int r = manifest_verify(&config, bytes, document_size, signature, envelope_size, NULL, NULL, &verified, &err);
    const char *got = r == 0 ? "0" : error_name(-r);
    if (strcmp(got, expected) != 0 || verified.signers.count != signer_count) {
        printf("not ok %d - golden %s\n# got %s, %u signers: %s\n# want %s, %u\n", ++test_count, name, got,
               verified.signers.count, err.message, expected, signer_count);
        exit(1);
    }
    manifest_free(verified.manifest);
    printf("ok %d - golden %s\n", ++test_count, name);
}

static void test_golden(void)
{
    size_t size = 0;
    _cleanup_(freep) char *rows = read_or_fail(GOLDEN "cases", &size);
    char *rest = rows;
    for (char *line = strsep(&rest, "\n"); line != NULL; line = strsep(&rest, "\n")) {
        char name[64], keys[16], document[64], envelope[64], expected[32];
        unsigned threshold = 0;
        unsigned signers = 0;
        if (line[0] == '#' || line[0] == '\0') {
            continue;
        }
        must(sscanf(line, "%63s %15s %u %63s %63s %31s %u", name, keys, &threshold, document, envelope, expected,
                    &signers) == 7);
        run_case(name, keys, threshold, document, envelope, expected, signers);
    }
}

static int run_program(const char *command)
{
    const int status = system(command);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 255;
}

static void test_openssl(void)
{
    if (run_program("command -v openssl >/dev/null") != 0) {
        printf("ok %d - openssl makes the golden vectors # SKIP no openssl command here\n", ++test_count);
        return;
    }
    char command[1024];
    must(snprintf(command, sizeof(command), GOLDEN "make-vectors %s/vectors", scratch) > 0);
    must(run_program(command) == 0);
    must(snprintf(command, sizeof(command), "for f in %s/vectors/*; do cmp \"$f\" " GOLDEN "${f##*/} || exit 1; done",
                  scratch) > 0);
    must(run_program(command) == 0);
    ok("openssl makes the golden vectors, byte for byte");
    /* The other way round: our key and our signature under openssl. */
    char id[DIGEST_HEX_SIZE + 1];
    uint8_t secret[64];
    Error err = ERROR_INIT;
    must(key_generate(path_in("ours"), id, &err) == 0 && key_load_secret(path_in("ours.key"), secret, &err) == 0);
    Buf envelope = BUF_INIT(1 << 16);
    must(envelope_sign(NULL, 0, "t", "hello", 5, secret, &envelope, &err) == 0);
    const char *base64 = strstr((const char *)envelope.bytes, "\"sig\": \"");
    must(base64 != NULL);
    must(snprintf(command, sizeof(command),
                  "cd %s && printf 'DSSEv1 1 t 5 hello' >m && echo '%.88s' | openssl base64 -d -A >s && "
                  "openssl pkeyutl -verify -rawin -pubin -inkey ours.pub -in m -sigfile s >/dev/null && openssl pkey "
                  "-in ours.key -noout",
                  scratch, base64 + 8) > 0);
    must(run_program(command) == 0);
    buf_deinit(&envelope);
    ok("openssl reads our keys and verifies our signature");
}

/* L of Ed25519, little-endian: S + L is the other representative of S that a lax verifier accepts. */
static const uint8_t ORDER[32] = {0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7,
                                  0xa2, 0xde, 0xf9, 0xde, 0x14, 0,    0,    0,    0,    0,    0,
                                  0,    0,    0,    0,    0,    0,    0,    0,    0,    0x10};

static void test_malleated(void)
{
    uint8_t secret[64];
    uint8_t signature[64];
    char base64[128];
    char text[512];
    Error err = ERROR_INIT;
    _cleanup_(trust_freep) Trust *trust = trust_of("a", 1);
    copy_file(KEYS "a.key", path_in("a.key"), 0600);
    must(key_load_secret(path_in("a.key"), secret, &err) == 0);
    static const char message[] = "DSSEv1 1 t 5 hello";
    must(crypto_sign_detached(signature, NULL, (const uint8_t *)message, strlen(message), secret) == 0);
    for (int round = 0; round < 2; round++) {
        (void)sodium_bin2base64(base64, sizeof(base64), signature, 64, sodium_base64_VARIANT_ORIGINAL);
        const int length =
            snprintf(text, sizeof(text), "{\"payloadType\":\"t\",\"signatures\":[{\"sig\":\"%s\"}]}", base64);
        must(length > 0);
        const int r = envelope_verify(trust, text, (size_t)length, "t", "hello", 5, NULL, &err);
        must(r == (round == 0 ? 0 : -ENOKEY)); /* without a key id there is no key to blame */
        unsigned carry = 0;
        for (int i = 0; i < 32; i++) {
            carry += (unsigned)signature[32 + i] + ORDER[i];
            signature[32 + i] = (uint8_t)carry;
            carry >>= 8;
        }
    }
    ok("signature with S + L is refused, without a key id too");
}

/* 64 signatures that nobody made over 16 MiB, with one good one last. */
static void test_budget(void)
{
    uint8_t secret[64];
    Error err = ERROR_INIT;
    TrustSigners signers;
    _cleanup_(trust_freep) Trust *trust = trust_of("ab", 1);
    must(key_load_secret(path_in("a.key"), secret, &err) == 0);
    const size_t size = 16u << 20;
    _cleanup_(freep) char *payload = calloc(1, size);
    must(payload != NULL);
    for (int round = 0; round < 2; round++) { /* hints of nobody; hints of a trusted key */
        Buf good = BUF_INIT(1 << 20);
        Buf text = BUF_INIT(1 << 20);
        must(envelope_sign(NULL, 0, "t", payload, size, secret, &good, &err) == 0);
        const char *last = strstr((const char *)good.bytes, "    {\"keyid\"");
        buf_append_string(&text, "{\"payloadType\":\"t\",\"signatures\":[");
        for (int i = 0; i < 63; i++) {
            char bad[89];
            memset(bad, 'A', 86);
            memcpy(bad + 86, "==", 3);
            bad[0] = (char)('A' + i % 26);
            buf_append_format(&text, "{\"keyid\":\"%s\",\"sig\":\"%s\"},", round == 0 ? "x" : trust_key(trust, 1)->id,
                              bad);
        }
        const size_t bad_size = text.size - 1;
        buf_append_string(&text, last);
        const clock_t start = clock();
        int r = envelope_verify(trust, (char *)text.bytes, text.size, "t", payload, size, &signers, &err);
        must(round == 0 ? r == 0 && signers.count == 1 : r == 0 || r == -EKEYREJECTED);
        text.size = bad_size;
        buf_append_string(&text, "]}");
        r = envelope_verify(trust, (char *)text.bytes, text.size, "t", payload, size, &signers, &err);
        must(r == (round == 0 ? -ENOKEY : -EKEYREJECTED));
        const double seconds = (double)(clock() - start) / CLOCKS_PER_SEC;
        printf("# %.2f s of processor time\n", seconds);
        must(seconds < 30);
        buf_deinit(&good);
        buf_deinit(&text);
    }
    ok("64 signatures of nobody over 16 MiB: bounded work, the good one with a right hint is found");
}

static void write_public(const char *path, const uint8_t key[32])
{
    static const uint8_t prefix[12] = {0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00};
    uint8_t der[44];
    char base64[80];
    char pem[256];
    memcpy(der, prefix, 12);
    memcpy(der + 12, key, 32);
    (void)sodium_bin2base64(base64, sizeof(base64), der, 44, sodium_base64_VARIANT_ORIGINAL);
    must(snprintf(pem, sizeof(pem), "-----BEGIN PUBLIC KEY-----\n%s\n-----END PUBLIC KEY-----\n", base64) > 0);
    write_text(path, pem, 0644);
}

static void expect_trust(const char *name, int expected, const char *fragment)
{
    Trust *trust = NULL;
    Error err = ERROR_INIT;
    const int r = trust_load(path_in("trust"), &trust, &err);
    if (r != expected || (fragment != NULL && strstr(err.message, fragment) == NULL)) {
        printf("not ok %d - %s\n# got %d \"%s\"\n# want %d \"%s\"\n", ++test_count, name, r, err.message, expected,
               fragment);
        exit(1);
    }
    trust_free(trust);
    ok(name);
}

static void test_weak_keys(void)
{
    static const char *const weak[] = {
        "0000000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000000",
        "0100000000000000000000000000000000000000000000000000000000000080",
        "0000000000000000000000000000000000000000000000000000000000000080",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        /* not canonical: y = p + 3, and a canonical y that is on no curve point: y = 2 */
        "f0ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "0200000000000000000000000000000000000000000000000000000000000000",
    };
    for (size_t i = 0; i < sizeof(weak) / sizeof(weak[0]); i++) {
        uint8_t key[32];
        must(sodium_hex2bin(key, 32, weak[i], 64, NULL, NULL, NULL) == 0);
        must(!key_is_acceptable(key));
        (void)trust_directory("a", 1);
        write_public(path_in("trust/weak.pub"), key);
        Trust *trust = NULL;
        Error err = ERROR_INIT;
        must(trust_load(path_in("trust"), &trust, &err) == -EBADMSG && strstr(err.message, "weak.pub: weak") != NULL);
    }
    /* Mixed order: a good point plus a point of order 8 is on the curve but outside the prime-order group. */
    uint8_t good[32], torsion[32], mixed[32], secret[64];
    must(crypto_sign_keypair(good, secret) == 0 && key_is_acceptable(good));
    must(sodium_hex2bin(torsion, 32, weak[4], 64, NULL, NULL, NULL) == 0);
    if (crypto_core_ed25519_add(mixed, good, torsion) == 0) {
        must(!key_is_acceptable(mixed));
    }
    ok("keys of small order, of mixed order and not canonical ones are refused and named");
}

static void test_trust_directory(void)
{
    (void)trust_directory("ab", 1);
    copy_file(KEYS "a.pub", path_in("trust/again.pub"), 0644);
    write_text(path_in("trust/README"), "not a key", 0644);
    Trust *trust = NULL;
    Error err = ERROR_INIT;
    must(trust_load(path_in("trust"), &trust, &err) == 0 && trust_key_count(trust) == 2 && trust_threshold(trust) == 1);
    must(strcmp(trust_key(trust, 0)->name, "a") == 0 && strcmp(trust_key(trust, 1)->name, "b") == 0);
    trust = trust_free(trust);
    ok("same key in two files is one key; other files are ignored");
    must(rename(path_in("trust/b.pub"), path_in("elsewhere")) == 0 &&
         symlink("../elsewhere", path_in("trust/b.pub")) == 0);
    expect_trust("symbolic link to a key", 0, NULL);
    must(chmod(path_in("trust/a.pub"), 0664) == 0);
    expect_trust("key file writable by the group", -EACCES, "a.pub: writable");
    must(chmod(path_in("trust/a.pub"), 0646) == 0);
    expect_trust("key file writable by others", -EACCES, "a.pub: writable");
    must(chmod(path_in("trust/a.pub"), 0644) == 0 && chmod(path_in("trust"), 0777) == 0);
    expect_trust("directory writable by others", -EACCES, "directory: writable");
    must(chmod(path_in("trust"), 0755) == 0);
    write_text(path_in("trust/threshold"), "3\n", 0644);
    expect_trust("threshold above the number of keys", -ENOKEY, "threshold is 3");
    static const char *const thresholds[] = {"0", "", "-1", "1x", "1 ", "99999999999", "0x2", "\n"};
    for (size_t i = 0; i < sizeof(thresholds) / sizeof(thresholds[0]); i++) {
        write_text(path_in("trust/threshold"), thresholds[i], 0644);
        must(trust_load(path_in("trust"), &trust, &err) == -EBADMSG);
    }
    ok("malformed thresholds");
    must(unlink(path_in("trust/threshold")) == 0);
    static const char *const keys[] = {
        "",
        "hello",
        "-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----\n",
        ("-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==\n-----END PUBLIC "
        "KEY-----\n"),
        "-----BEGIN PRIVATE KEY-----\nMCowBQYDK2VwAyEA\n-----END PRIVATE KEY-----\n",
    };
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        write_text(path_in("trust/bad.pub"), keys[i], 0644);
        must(trust_load(path_in("trust"), &trust, &err) == -EBADMSG && strstr(err.message, "bad.pub") != NULL);
    }
    ok("malformed keys are named");
    must(unlink(path_in("trust/bad.pub")) == 0 && mkfifo(path_in("trust/fifo.pub"), 0644) == 0);
    expect_trust("FIFO does not block", -EBADMSG, "fifo.pub: not a regular file");
    (void)trust_directory("", 1);
    expect_trust("empty directory", -ENOKEY, "no trusted keys");
    must(rmdir(path_in("trust")) == 0);
    expect_trust("missing directory", -ENOKEY, "no such trust directory");
}

static void test_keys(void)
{
    char id[DIGEST_HEX_SIZE + 1];
    uint8_t secret[64];
    Error err = ERROR_INIT;
    must(key_generate(path_in("k"), id, &err) == 0);
    struct stat status;
    must(stat(path_in("k.key"), &status) == 0 && (status.st_mode & 07777) == 0600);
    must(stat(path_in("k.pub"), &status) == 0 && (status.st_mode & 07777) == 0644);
    must(key_generate(path_in("k"), id, &err) == -EEXIST);
    must(unlink(path_in("k.key")) == 0 && key_generate(path_in("k"), id, &err) == -EEXIST &&
         access(path_in("k.key"), F_OK) < 0);
    must(unlink(path_in("k.pub")) == 0 && key_generate(path_in("k"), id, &err) == 0);
    ok("key pair is made with its modes and never overwritten");
    must(chmod(path_in("k.key"), 0640) == 0 && key_load_secret(path_in("k.key"), secret, &err) == -EACCES);
    must(key_load_secret(path_in("k.pub"), secret, &err) == -EACCES); /* 0644 */
    must(chmod(path_in("k.pub"), 0600) == 0 && key_load_secret(path_in("k.pub"), secret, &err) == -EBADMSG);
    must(key_load_secret(path_in("none"), secret, &err) == -ENOENT);
    ok("private key: readable by others, public, missing");
}

static void test_sign(void)
{
    uint8_t a[64], b[64];
    Error err = ERROR_INIT;
    TrustSigners signers;
    _cleanup_(trust_freep) Trust *trust = trust_of("ab", 2);
    copy_file(KEYS "a.key", path_in("a.key"), 0600);
    copy_file(KEYS "b.key", path_in("b.key"), 0600);
    must(key_load_secret(path_in("a.key"), a, &err) == 0 && key_load_secret(path_in("b.key"), b, &err) == 0);
    Buf one = BUF_INIT(1 << 16), two = BUF_INIT(1 << 16), three = BUF_INIT(1 << 16);
    must(envelope_sign(NULL, 0, "t", "x", 1, a, &one, &err) == 0);
    must(envelope_sign((char *)one.bytes, one.size, "t", "x", 1, b, &two, &err) == 0);
    must(envelope_verify(trust, (char *)two.bytes, two.size, "t", "x", 1, &signers, &err) == 0 && signers.count == 2);
    must(envelope_sign((char *)two.bytes, two.size, "t", "y", 1, a, &three, &err) == 0); /* replaces a's */
    must(three.size == two.size);
    must(envelope_verify(trust, (char *)three.bytes, three.size, "t", "y", 1, &signers, &err) == -EKEYREJECTED);
    buf_clear(&three);
    must(envelope_sign((char *)one.bytes, one.size, "u", "x", 1, a, &three, &err) == -EBADMSG && three.size == 0);
    buf_deinit(&one);
    buf_deinit(&two);
    buf_deinit(&three);
    ok("second signature is added, own one replaced, other type refused");
    uint8_t bytes[8];
    must(base64_decode_strict("QQ==", 4, bytes, 8) == 1 && bytes[0] == 'A' &&
         base64_decode_strict("QUI=", 4, bytes, 8) == 2);
    static const char *const bad[] = {
        "QR==", "QUJ=", "Q===", "====", "QQ", "Q=Q=", "QQ= ", " QQ=", "QQ==QQ==", "Q-_=", ""};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        must(base64_decode_strict(bad[i], strlen(bad[i]), bytes, 8) == -EBADMSG);
    }
    ok("base64 has one text per value");
}

static void test_rollback(void)
{
    Error err = ERROR_INIT;
    Digest one, two;
    must(sha256("1", 1, &one) == 0 && sha256("2", 1, &two) == 0);
    _cleanup_(freep) char *state = strdup(path_in("state"));
    must(state != NULL);
    must(rollback_check(state, "manifest", "n", 5, &one, &err) == 0);
    must(rollback_record(state, "manifest", "n", 5, &one, &err) == 0);
    must(rollback_check(state, "manifest", "n", 5, &one, &err) == 0);
    must(rollback_check(state, "manifest", "n", 5, &two, &err) == -ESTALE);
    must(rollback_check(state, "manifest", "n", 4, &one, &err) == -ESTALE);
    must(rollback_check(state, "manifest", "n", 6, &two, &err) == 0);
    must(rollback_check(state, "policy", "n", 1, &two, &err) == 0 &&
         rollback_check(state, "manifest", "m", 1, &two, &err) == 0);
    must(rollback_record(state, "manifest", "n", 4, &one, &err) == -ESTALE);
    must(rollback_record(state, "policy", "n", 1, &two, &err) == 0 &&
         rollback_record(state, "manifest", "n", 9, &two, &err) == 0);
    must(rollback_check(state, "manifest", "n", 8, &two, &err) == -ESTALE &&
         rollback_check(state, "policy", "n", 0, &two, &err) == -ESTALE);
    ok("lower serial, same serial with other bytes, other names and roles");
    struct stat before, after;
    _cleanup_(freep) char *serials = strdup(path_in("state/rollback/serials"));
    must(serials != NULL && stat(serials, &before) == 0);
    must(rollback_record(state, "manifest", "n", 9, &two, &err) == 0 && stat(serials, &after) == 0 &&
         before.st_ino == after.st_ino);
    ok("the same again writes nothing");
    size_t size = 0;
    _cleanup_(freep) char *good = read_or_fail(serials, &size);
    for (size_t i = 0; i < size; i++) {
        good[i] ^= 1;
        write_file(serials, good, size, 0600);
        good[i] ^= 1;
        must(rollback_check(state, "manifest", "n", 10, &two, &err) == -EIO && strstr(err.message, "damaged") != NULL &&
             err.hint[0] != '\0');
        must(rollback_record(state, "manifest", "n", 10, &two, &err) == -EIO);
        write_file(serials, good, i, 0600);
        must(rollback_check(state, "manifest", "n", 10, &two, &err) == -EIO);
    }
    ok("every flipped byte and truncation of the state closes");
    must(unlink(serials) == 0);
    must(rollback_check(state, "manifest", "n", 10, &two, &err) == -EIO && strstr(err.message, "removed") != NULL);
    ok("removed state closes");
    write_file(serials, good, size, 0600);
    write_file(path_in("state/rollback/lock"), "", 0, 0600); /* what a crash between the two writes of the first record leaves */
    must(rollback_record(state, "manifest", "n", 9, &two, &err) == 0 && unlink(serials) == 0);
    must(rollback_check(state, "manifest", "n", 10, &two, &err) == -EIO && strstr(err.message, "removed") != NULL);
    ok("removed state closes after a crash before it was enrolled");
    write_file(serials, good, size, 0600);
    must(chmod(path_in("state/rollback"), 0770) == 0 && rollback_check(state, "manifest", "n", 10, &two, &err) == -EIO);
    must(chmod(path_in("state/rollback"), 0700) == 0 && rollback_check(state, "manifest", "n", 10, &two, &err) == 0);
    ok("state writable by others closes");
    must(rollback_record_at(state, "manifest", "n", 10, &two, NOW, &err) == 0);
    int64_t clock = 0;
    must(rollback_clock(state, &clock, &err) == 0 && clock == NOW);
    must(rollback_record_at(state, "manifest", "n", 11, &two, NOW - 9, &err) == 0 &&
         rollback_clock(state, &clock, &err) == 0 && clock == NOW);
    must(rollback_check(state, "manifest", "bad name", 1, &one, &err) == -EINVAL &&
         rollback_record(state, "Role", "n", 1, &one, &err) == -EINVAL);
    ok("clock floor only rises; names with spaces are refused");
    /* Eight writers at once: nothing is lost, nothing goes back. */
    for (unsigned i = 0; i < 8; i++) {
        if (fork() == 0) {
            char name[16];
            must(snprintf(name, sizeof(name), "w%u", i) > 0);
            for (uint64_t serial = 1; serial <= 20; serial++) {
                must(rollback_record(state, "manifest", name, serial, &one, NULL) == 0);
                const int r = rollback_record(state, "manifest", "shared", serial, &one, NULL);
                must(r == 0 || r == -ESTALE);
            }
            _exit(0);
        }
    }
    for (unsigned i = 0; i < 8; i++) {
        int status = 0;
        must(wait(&status) > 0 && status == 0);
    }
    for (unsigned i = 0; i < 8; i++) {
        char name[16];
        must(snprintf(name, sizeof(name), "w%u", i) > 0);
        must(rollback_check(state, "manifest", name, 19, &one, &err) == -ESTALE &&
             rollback_check(state, "manifest", name, 20, &one, &err) == 0);
    }
    must(rollback_check(state, "manifest", "shared", 19, &one, &err) == -ESTALE);
    ok("eight concurrent writers");
}

typedef struct Report {
    char text[512];
} Report;

static void report_line(void *context, const char *check, bool is_ok, const char *detail)
{
    Report *report = context;
    must(detail != NULL);
    const size_t used = strlen(report->text);
    must(snprintf(report->text + used, sizeof(report->text) - used, "%s%s ", is_ok ? "" : "!", check) > 0);
}

static void test_verify(void)
{
    _cleanup_(trust_freep) Trust *trust = trust_of("a", 1);
    _cleanup_(freep) char *state = strdup(path_in("verify-state"));
    _cleanup_(freep) char *cache = strdup(path_in("verify-cache"));
    must(state != NULL && cache != NULL);
    ManifestVerifyConfig config = {
        .trust = trust, .now = NOW, .state_dir = state, .cache_dir = cache, .is_record = true};
    static const struct {
        const char *document, *envelope;
        int64_t now;
        int expected;
        const char *report;
    } steps[] = {
        {"valid.json", "valid-a.sig", NOW, 0, "signature format expiry rollback "},
        {"valid.json", "valid-a.sig", NOW, 0, "signature format expiry rollback "}, /* now from the cache */
        {"older.json", "older-a.sig", NOW, -ESTALE, "signature format expiry !rollback "},
        {"same-serial.json", "same-serial-a.sig", NOW, -ESTALE, "signature format expiry !rollback "},
        {"changed.json", "valid-a.sig", NOW, -EKEYREJECTED, "!signature "},
        {"valid.json", "unknown-key.sig", NOW, -ENOKEY, "!signature "},
        {"future.json", "future-a.sig", NOW, -EKEYEXPIRED, "signature format !expiry "},
        {"expired.json", "expired-a.sig", NOW + 40ll * 86400, -EKEYEXPIRED, "signature format !expiry "},
        {"expired.json", "expired-a.sig", NOW, 0,
         "signature format expiry rollback "}, /* 2026-01-09: not yet expired */
        {"future.json", "future-a.sig", 4070908800 + 5, 0,
         "signature format expiry rollback "}, /* 2099: floor moves up */
        {"expired.json", "expired-a.sig", NOW, -EKEYEXPIRED,
         "signature format !expiry "}, /* clock set back: the floor holds */
    };
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        char path[256];
        size_t size = 0, envelope_size = 0;
        must(snprintf(path, sizeof(path), GOLDEN "%s", steps[i].document) > 0);
        _cleanup_(freep) char *bytes = read_or_fail(path, &size);
        must(snprintf(path, sizeof(path), GOLDEN "%s", steps[i].envelope) > 0);
        _cleanup_(freep) char *envelope = read_or_fail(path, &envelope_size);
        ManifestVerified verified = {0};
        Error err = ERROR_INIT;
        Report report = {0};
        config.now = steps[i].now;
        const int r =
            manifest_verify(&config, bytes, size, envelope, envelope_size, report_line, &report, &verified, &err);
        if (r != steps[i].expected || strcmp(report.text, steps[i].report) != 0) {
            printf("not ok - verify step %zu: got %d \"%s\" %s\n", i, r, report.text, err.message);
            exit(1);
        }
        manifest_free(verified.manifest);
    }
    ok("verify: order of checks, report, rollback, expiry, clock floor");

    /* A damaged, foreign or readable cache file changes nothing but time. */
    size_t size = 0, envelope_size = 0;
    _cleanup_(freep) char *bytes = read_or_fail(GOLDEN "valid.json", &size);
    _cleanup_(freep) char *envelope = read_or_fail(GOLDEN "valid-a.sig", &envelope_size);
    Digest digest, other;
    char hex[DIGEST_HEX_SIZE + 1], other_hex[DIGEST_HEX_SIZE + 1], name[256], other_name[256];
    must(sha256(bytes, size, &digest) == 0);
    digest_hex(&digest, hex);
    must(snprintf(name, sizeof(name), "%s/manifests/%s.idx", cache, hex) > 0);
    struct stat status;
    must(stat(name, &status) == 0 && (status.st_mode & 07777) == 0600);
    size_t other_size = 0;
    _cleanup_(freep) char *other_bytes = read_or_fail(GOLDEN "expired.json", &other_size);
    must(sha256(other_bytes, other_size, &other) == 0);
    digest_hex(&other, other_hex);
    must(snprintf(other_name, sizeof(other_name), "%s/manifests/%s.idx", cache, other_hex) > 0);
    config.state_dir = NULL;
    for (int round = 0; round < 4; round++) {
        if (round == 0) {
            write_text(name, "garbage", 0600);
        } else if (round == 1) {
            must(rename(other_name, name) == 0); /* a good index of another manifest */
        } else if (round == 2) {
            must(unlink(name) == 0 && symlink("/dev/zero", name) == 0);
        } else {
            must(chmod(name, 0666) == 0);
        }
        ManifestVerified verified = {0};
        Error err = ERROR_INIT;
        must(manifest_verify(&config, bytes, size, envelope, envelope_size, NULL, NULL, &verified, &err) == 0);
        must(manifest_serial(verified.manifest) == 7 && digest_equals(manifest_digest(verified.manifest), &digest));
        manifest_free(verified.manifest);
        must(lstat(name, &status) == 0 && S_ISREG(status.st_mode) && (status.st_mode & 07777) == 0600 &&
             status.st_size > 200);
    }
    ok("cache: garbage, another manifest's index, a link to a device, a writable file are rebuilt");
}

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    must(sodium_init() >= 0 && mkdtemp(scratch) != NULL);
    test_golden();
    test_openssl();
    test_malleated();
    test_budget();
    test_weak_keys();
    test_trust_directory();
    test_keys();
    test_sign();
    test_rollback();
    test_verify();
    must(tree_remove(AT_FDCWD, scratch, NULL) == 0);
    printf("1..%d\n", test_count);
    return 0;
}
