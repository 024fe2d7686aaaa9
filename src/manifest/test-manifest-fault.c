/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Every allocation of every entry point fails once: the first, the second, ... until the call succeeds. Each time it
 * must answer with an error, leave the outputs alone and give back all memory. And a recorder of serials is killed at
 * random moments: the state stays whole.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/limits.h"
#include "base/must.h"
#include "manifest/audit.h"
#include "manifest/gate.h"
#include "manifest/policy.h"
#include "manifest/trust.h"

#define GOLDEN "tests/golden/manifest/"
#define NOW 1768000000

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define HAS_FAULTS 0 /* the sanitizer owns malloc */
#else
#define HAS_FAULTS 1
#endif

static int test_count;
static char scratch[] = "/tmp/test-fault-XXXXXX";
static long fail_at; /* 0: never */
static long live_count;

#if HAS_FAULTS
/* Exported, so that the libraries allocate here too. */
#define EXPORTED __attribute__((visibility("default")))
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *pointer, size_t size);
void __libc_free(void *pointer);

static bool is_failing(void)
{
    return fail_at > 0 && --fail_at == 0;
}

EXPORTED void *malloc(size_t size)
{
    void *pointer = is_failing() ? NULL : __libc_malloc(size);
    live_count += pointer != NULL;
    errno = pointer != NULL ? errno : ENOMEM;
    return pointer;
}

EXPORTED void *calloc(size_t count, size_t size)
{
    void *pointer = is_failing() ? NULL : __libc_calloc(count, size);
    live_count += pointer != NULL;
    errno = pointer != NULL ? errno : ENOMEM;
    return pointer;
}

EXPORTED void *realloc(void *old, size_t size)
{
    void *pointer = is_failing() ? NULL : __libc_realloc(old, size);
    live_count += pointer != NULL && old == NULL;
    errno = pointer != NULL ? errno : ENOMEM;
    return pointer;
}

EXPORTED void free(void *pointer)
{
    live_count -= pointer != NULL;
    __libc_free(pointer);
}
#endif

static char *document, *envelope;
static size_t document_size, envelope_size;
static Trust *trust;
static Gate *gate;
static GateVerdict verdict;

static const char *in(const char *name)
{
    static char path[256];
    must(snprintf(path, sizeof(path), "%s/%s", scratch, name) < (int)sizeof(path));
    return path;
}

static int do_parse(void)
{
    Manifest *manifest = NULL;
    const int r = manifest_parse(document, document_size, &manifest, NULL);
    must((r == 0) == (manifest != NULL));
    manifest_free(manifest);
    return r;
}

static int do_verify(void)
{
    const ManifestVerifyConfig config = {.trust = trust, .now = NOW, .state_dir = in("state"), .is_record = true};
    ManifestVerified verified = {0};
    const int r =
        manifest_verify(&config, document, document_size, envelope, envelope_size, NULL, NULL, &verified, NULL);
    must((r == 0) == (verified.manifest != NULL));
    manifest_free(verified.manifest);
    return r;
}

static int do_trust(void)
{
    Trust *loaded = NULL;
    const int r = trust_load(in("trust"), &loaded, NULL);
    must((r == 0) == (loaded != NULL));
    trust_free(loaded);
    return r;
}

static int do_policy(void)
{
    static const char text[] =
        "{\"mediaType\":\"application/vnd.recompiler.policy.v1+json\",\"serial\":3,\"mode\":\"enforce\","
        "\"deny\":[\"sha256:2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae\"],"
        "\"minimum_serial\":{\"a\":1,\"b\":2}}";
    Policy *policy = NULL;
    const int r = policy_parse(text, strlen(text), &policy, NULL);
    must((r == 0) == (policy != NULL));
    policy_free(policy);
    return r;
}

static int do_sign(void)
{
    static const uint8_t seed[32] = {1};
    uint8_t public_key[32], secret_key[64];
    must(crypto_sign_seed_keypair(public_key, secret_key, seed) == 0);
    Buf out = BUF_INIT(1u << 20);
    const int r = envelope_sign(envelope, envelope_size, MANIFEST_MEDIA_TYPE, "x", 1, secret_key, &out, NULL);
    must(r == 0 || out.size == 0);
    buf_deinit(&out);
    return r;
}

static int do_decide(void)
{
    const GateRequest request = {.dirfd = AT_FDCWD, .cwd = "/", .path = "/foo", .argv0 = "foo"};
    const int r = gate_decide(gate, &request, &verdict);
    must((r == 0) == (verdict.kind == GATE_ALLOW)); /* a failure of ours never allows */
    gate_verdict_deinit(&verdict);
    return r;
}

static int do_audit(void)
{
    Audit *audit = NULL;
    int r = audit_open(in("audit"), 3, &audit, NULL);
    if (r == 0) {
        const AuditRecord record = {.reason = "r", .path = "/x", .is_allowed = true};
        r = audit_append(audit, &record);
        audit_close(audit);
    }
    return r;
}

static int call_failing(int (*call)(void), long n)
{
    fail_at = n;
    return call();
}

static void inject(const char *name, int (*call)(void))
{
    if (!HAS_FAULTS) {
        printf("ok %d - %s # SKIP the sanitizer owns malloc\n", ++test_count, name);
        return;
    }
    must(call() == 0); /* once, so that libraries have what they keep */
    long failures = 0;
    for (long n = 1;; n++) {
        /* Often: OpenSSL keeps a record of its last 16 errors, so only what grows with every failure is a leak. */
        for (int i = 0; i < 20; i++) {
            (void)call_failing(call, n);
        }
        const long before = live_count;
        const int r = call_failing(call, n);
        if (live_count != before) {
            printf("not ok - %s: allocation %ld: %ld blocks leaked (result %d)\n", name, n, live_count - before, r);
            exit(1);
        }
        if (fail_at > 0) { /* was not reached */
            fail_at = 0;
            must(r == 0);
            break;
        }
        if (r != 0 && r != -ENOMEM) {
            printf("not ok - %s: allocation %ld: %s\n", name, n, error_name(-r));
            exit(1);
        }
        failures += r < 0;
    }
    printf("ok %d - %s: %ld allocations fail, one at a time\n", ++test_count, name, failures);
}

static void test_kill(void)
{
    unsigned state = 5;
    uint64_t serial = 1;
    Digest digest = {0};
    for (int round = 0; round < 40; round++) {
        const pid_t child = fork();
        must(child >= 0);
        if (child == 0) {
            for (uint64_t next = serial + 1;; next++) {
                must(rollback_record(in("killed"), "manifest", "n", next, &digest, NULL) == 0);
            }
        }
        const struct timespec pause = {.tv_nsec = (long)(rand_r(&state) % 20000000)};
        (void)nanosleep(&pause, NULL);
        must(kill(child, SIGKILL) == 0 && waitpid(child, NULL, 0) == child);
        /* Whole, and never lower than before. */
        must(rollback_check(in("killed"), "manifest", "n", UINT32_MAX, &digest, NULL) == 0);
        must(serial == 1 || rollback_check(in("killed"), "manifest", "n", serial - 1, &digest, NULL) == -ESTALE);
        while (rollback_check(in("killed"), "manifest", "n", serial, &digest, NULL) == -ESTALE) {
            serial++;
        }
    }
    int file_count = 0;
    DIR *directory = opendir(in("killed/rollback"));
    must(directory != NULL);
    while (readdir(directory) != NULL) {
        file_count++;
    }
    must(closedir(directory) == 0 && file_count <= 5); /* . .. serials lock and one temporary file */
    printf("# reached serial %llu\n", (unsigned long long)serial);
    must(serial > 1);
    printf("ok %d - recorder killed 40 times: the state is whole and never lower\n", ++test_count);
}

static void test_full_disk(void)
{
    Digest digest = {0};
    struct rlimit old;
    must(rollback_record(in("full"), "manifest", "n", 1, &digest, NULL) == 0);
    must(getrlimit(RLIMIT_FSIZE, &old) == 0 && signal(SIGXFSZ, SIG_IGN) != SIG_ERR);
    const struct rlimit small = {.rlim_cur = 20, .rlim_max = old.rlim_max};
    must(setrlimit(RLIMIT_FSIZE, &small) == 0);
    must(rollback_record(in("full"), "manifest", "n", 2, &digest, NULL) == -EFBIG);
    must(setrlimit(RLIMIT_FSIZE, &old) == 0);
    must(rollback_check(in("full"), "manifest", "n", 0, &digest, NULL) == -ESTALE);
    must(rollback_check(in("full"), "manifest", "n", 1, &digest, NULL) == 0);
    must(access(in("full/rollback/serials.new"), F_OK) < 0);
    printf("ok %d - no space for the state: an error, the old state stays\n", ++test_count);
}

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    Error err = ERROR_INIT;
    must(sodium_init() >= 0 && mkdtemp(scratch) != NULL);
    if (file_read(AT_FDCWD, GOLDEN "valid.json", 1 << 20, &document, &document_size, &err) < 0 ||
        file_read(AT_FDCWD, GOLDEN "valid-a.sig", 1 << 20, &envelope, &envelope_size, &err) < 0) {
        printf("Bail out! run this test in the repository: %s\n", err.message);
        return 1;
    }
    char *key = NULL;
    size_t key_size = 0;
    must(file_read(AT_FDCWD, GOLDEN "keys-for-tests-only/a.pub", 1 << 20, &key, &key_size, NULL) == 0);
    must(mkdir(in("trust"), 0755) == 0 &&
         file_write_atomic(AT_FDCWD, in("trust/a.pub"), key, key_size, 0644, NULL) == 0);
    must(trust_load(in("trust"), &trust, NULL) == 0);
    must(mkdir(in("root"), 0755) == 0 && file_write_atomic(AT_FDCWD, in("root/foo"), "foo", 3, 0755, NULL) == 0);
    Manifest *manifest = NULL;
    must(manifest_parse(document, document_size, &manifest, NULL) == 0);
    const int root_fd = open(in("root"), O_PATH | O_DIRECTORY | O_CLOEXEC);
    const GateConfig config = {
        .root_fd = root_fd, .lower_fd = -1, .upper_fd = -1, .manifest = manifest, .minimum_fd = 100};
    must(root_fd >= 0 && gate_new(&config, &gate, NULL) == 0);

    inject("manifest_parse", do_parse);
    inject("manifest_verify", do_verify);
    inject("trust_load", do_trust);
    inject("policy_parse", do_policy);
    inject("envelope_sign", do_sign);
    inject("gate_decide", do_decide);
    inject("audit", do_audit);
    test_kill();
    test_full_disk();

    gate_free(gate);
    manifest_free(manifest);
    trust_free(trust);
    free(key);
    free(document);
    free(envelope);
    must(tree_remove(AT_FDCWD, scratch, NULL) == 0);
    printf("1..%d\n", test_count);
    return 0;
}
