/* SPDX-License-Identifier: Apache-2.0 */
/* Policy documents: strict format, signature by role, expiry, rollback, look-ups. The decisions are tested with the
 * gate. */
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/limits.h"
#include "base/must.h"
#include "manifest/policy.h"

#define NOW 1768000000 /* 2026-01-09 */
#define D1 "sha256:2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae"
#define D2 "sha256:fcde2b2edba56bf408601fb721fe9b5c338d10ee429ea04fae5511b68fbf8fb9"
#define HEAD "{\"mediaType\":\"application/vnd.recompiler.policy.v1+json\",\"serial\":3,\"mode\":\"enforce\""

static int test_count;
static char scratch[] = "/tmp/test-policy-XXXXXX";
static uint8_t secret[64];

static void ok(const char *name)
{
    printf("ok %d - %s\n", ++test_count, name);
}

static const char *in(const char *name)
{
    static char paths[4][256];
    static int next;
    char *path = paths[next++ % 4];
    must(snprintf(path, 256, "%s/%s", scratch, name) < 256);
    return path;
}

static void test_format(void)
{
    static const struct {
        const char *text, *fragment;
    } cases[] = {
        {HEAD "}", NULL},
        {HEAD ",\"deny\":[\"" D1 "\",\"" D2 "\"],\"allow\":[]}", NULL},
        {HEAD ",\"minimum_serial\":{\"a/b\":7}}", NULL},
        {HEAD ",\"deny\":[\"" D1 "\",\"" D1 "\"]}", "twice"},
        {HEAD ",\"deny\":[1]}", "/deny/0"},
        {HEAD ",\"deny\":\"x\"}", "/deny"},
        {HEAD ",\"deny\":[\"2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae\"]}", "/deny/0"},
        {HEAD ",\"mode\":\"monitor\"}", "duplicate"},
        {HEAD ",\"modes\":1}", "unknown key"},
        {HEAD ",\"name\":\"a b\"}", "/name"},
        {HEAD ",\"minimum_serial\":{\"a b\":7}}", "not a manifest name"},
        {HEAD ",\"minimum_serial\":{\"a\":-1}}", "minimum_serial/a"},
        {HEAD ",\"expires\":\"soon\"}", "/expires"},
        {"{\"mediaType\":\"application/vnd.recompiler.manifest.v1+json\"}", "/mediaType"},
        {"{\"mediaType\":\"application/vnd.recompiler.policy.v1+json\",\"serial\":3,\"mode\":\"off\"}", "/mode"},
        {"{\"mediaType\":\"application/vnd.recompiler.policy.v1+json\",\"mode\":\"enforce\"}", "/serial"},
        {"[]", "object"},
        {"", "empty"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        Policy *policy = NULL;
        Error err = ERROR_INIT;
        const int r = policy_parse(cases[i].text, strlen(cases[i].text), &policy, &err);
        if (cases[i].fragment == NULL ? r != 0 : r != -EBADMSG || strstr(err.message, cases[i].fragment) == NULL) {
            printf("not ok - %s: %d %s\n", cases[i].text, r, err.message);
            exit(1);
        }
        policy_free(policy);
    }
    ok("format");
}

static void test_questions(void)
{
    static const size_t count = 100000;
    Digest *digests = calloc(count, sizeof(*digests));
    must(digests != NULL);
    for (size_t i = 0; i < count; i++) {
        must(sha256(&i, sizeof(i), &digests[i]) == 0);
    }
    const PolicyMinimum minimums[] = {{"b", 2}, {"a", 1}, {"c/d", 3}};
    PolicySpec spec = {.serial = 9,
                       .has_allow_list = true,
                       .allow = digests,
                       .allow_count = count / 2,
                       .deny = digests + count / 2,
                       .deny_count = count / 4,
                       .minimums = minimums,
                       .minimum_count = 3};
    Buf text = BUF_INIT(64u << 20);
    Policy *policy = NULL;
    Error err = ERROR_INIT;
    must(policy_write(&spec, &text, &err) == 0 && policy_parse((char *)text.bytes, text.size, &policy, &err) == 0);
    for (size_t i = 0; i < count; i++) {
        must(policy_is_allowed(policy, &digests[i]) == (i < count / 2));
        must(policy_is_denied(policy, &digests[i]) == (i >= count / 2 && i < count / 2 + count / 4));
    }
    must(policy_generation(policy) == 9 && !policy_is_monitor(policy) && policy_has_allow_list(policy) &&
         strcmp(policy_name(policy), "node") == 0);
    must(policy_minimum_serial(policy, "a") == 1 && policy_minimum_serial(policy, "c/d") == 3 &&
         policy_minimum_serial(policy, "c") == 0);
    must(!policy_is_denied(NULL, digests) && policy_is_allowed(NULL, digests) && !policy_is_monitor(NULL) &&
         policy_generation(NULL) == 0);
    policy_free(policy);
    buf_deinit(&text);
    spec.name = "not valid";
    must(policy_write(&spec, &text, &err) == -EBADMSG && text.size == 0);
    free(digests);
    ok("100,000 digests, minimum serials, no policy");
}

static void store(const char *text, const char *type)
{
    Buf envelope = BUF_INIT(1u << 20);
    Error err = ERROR_INIT;
    must(file_write_atomic(AT_FDCWD, in("p.json"), text, strlen(text), 0644, &err) == 0);
    must(envelope_sign(NULL, 0, type, text, strlen(text), secret, &envelope, &err) == 0);
    must(file_write_atomic(AT_FDCWD, in("p.json.sig"), envelope.bytes, envelope.size, 0644, &err) == 0);
    buf_deinit(&envelope);
}

static void expect_load(const char *name, const Trust *trust, int64_t now, int expected)
{
    Policy *policy = NULL;
    Error err = ERROR_INIT;
    const int r = policy_load(in("p.json"), trust, in("state"), now, true, &policy, &err);
    if (r != expected) {
        printf("not ok - %s: %d %s\n", name, r, err.message);
        exit(1);
    }
    policy_free(policy);
    ok(name);
}

static void test_load(void)
{
    char id[DIGEST_HEX_SIZE + 1];
    _cleanup_(trust_freep) Trust *trust = NULL;
    must(mkdir(in("trust"), 0755) == 0 && key_generate(in("trust/k"), id, NULL) == 0);
    must(key_load_secret(in("trust/k.key"), secret, NULL) == 0 && trust_load(in("trust"), &trust, NULL) == 0);
    store(HEAD "}", POLICY_MEDIA_TYPE);
    _cleanup_(policy_freep) Policy *looked_at = NULL;
    must(policy_load(in("p.json"), trust, in("state"), NOW, false, &looked_at, NULL) == 0 && access(in("state"), F_OK) < 0);
    expect_load("signed policy", trust, NOW, 0);
    expect_load("the same again", trust, NOW, 0);
    store(HEAD " }", POLICY_MEDIA_TYPE);
    expect_load("same serial, other bytes", trust, NOW, -ESTALE);
    store("{\"mediaType\":\"application/vnd.recompiler.policy.v1+json\",\"serial\":2,\"mode\":\"enforce\"}",
          POLICY_MEDIA_TYPE);
    expect_load("lower serial", trust, NOW, -ESTALE);
    store(HEAD ",\"expires\":\"2026-01-01T00:00:00Z\"}", POLICY_MEDIA_TYPE);
    expect_load("expired", trust, NOW, -EKEYEXPIRED);
    store(HEAD ",\"created\":\"2027-01-01T00:00:00Z\"}", POLICY_MEDIA_TYPE);
    expect_load("not yet valid", trust, NOW, -EKEYEXPIRED);
    store(HEAD "}", MANIFEST_MEDIA_TYPE);
    expect_load("envelope of a manifest", trust, NOW, -EBADMSG);
    store(HEAD "}", POLICY_MEDIA_TYPE);
    must(file_write_atomic(AT_FDCWD, in("p.json"), HEAD ",\"deny\":[]}", strlen(HEAD ",\"deny\":[]}"), 0644, NULL) ==
         0);
    expect_load("changed after signing", trust, NOW, -EKEYREJECTED);
    must(unlink(in("p.json.sig")) == 0);
    expect_load("not signed", trust, NOW, -ENOKEY);
    must(unlink(in("p.json")) == 0);
    expect_load("missing", trust, NOW, -ENOENT);
}

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    must(sodium_init() >= 0 && mkdtemp(scratch) != NULL);
    test_format();
    test_questions();
    test_load();
    must(tree_remove(AT_FDCWD, scratch, NULL) == 0);
    printf("1..%d\n", test_count);
    return 0;
}
