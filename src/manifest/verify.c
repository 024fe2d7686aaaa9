/* SPDX-License-Identifier: Apache-2.0 */
/*
 * manifest_verify(): signature -> format -> expiry -> rollback -> remember, each on the exact bytes and each a line of
 * the report. Nothing is parsed before the signature holds, and nothing is remembered before every check holds.
 *
 * CACHE/manifests/<sha256 of manifest.json>.idx keeps the compiled index. It is only looked at after the signature over
 * those exact bytes verified, must be a regular file of ours that nobody else can touch, and must carry its own
 * checksum and the manifest's digest. Anything wrong with it means: parse again. The cache can save work, it cannot
 * change an answer.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/limits.h"
#include "base/must.h"
#include "manifest/manifest-int.h"
#include "manifest/time-text.h"
#include "manifest/trust.h"

/* Clocks of builder and node may differ by this much [guess]. */
#define FUTURE_TOLERANCE_S 600
#define INDEX_SIZE_MAX (4ull * LIMIT_MANIFEST_SIZE)

typedef struct Verify {
    const ManifestVerifyConfig *config;
    const char *bytes;
    size_t size;
    VerifyReport report;
    void *report_context;
    Error *err;
} Verify;

static void report_ok(const Verify *verify, const char *check, const char *detail)
{
    if (verify->report != NULL) {
        verify->report(verify->report_context, check, true, detail);
    }
}

static int report_failure(const Verify *verify, const char *check, int r)
{
    if (verify->report != NULL) {
        verify->report(verify->report_context, check, false,
                       verify->err != NULL ? verify->err->message : error_name(-r));
    }
    return r;
}

/* --- the cache of indexes --- */

/* CACHE/manifests, ours alone. Return: fd or -errno. */
static int cache_directory_open(const char *cache_dir, bool is_made)
{
    char path[LIMIT_PATH_SIZE];
    if (snprintf(path, sizeof(path), "%s/manifests", cache_dir) >= (int)sizeof(path)) {
        return -ENAMETOOLONG;
    }
    if (is_made && access(path, F_OK) < 0) {
        const int r = dir_make(path, 0700, NULL);
        if (r < 0) {
            return r;
        }
    }
    _cleanup_(fd_closep) int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    struct stat status;
    if (fd < 0 || fstat(fd, &status) < 0) {
        return -errno;
    }
    if (status.st_uid != geteuid() || (status.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
        return -EACCES;
    }
    return steal_fd(&fd);
}

static void cache_name(const Digest *digest, char name[DIGEST_HEX_SIZE + 5])
{
    digest_hex(digest, name);
    memcpy(name + DIGEST_HEX_SIZE, ".idx", 5);
}

static int cache_read(int directory_fd, const char *name, uint8_t **ret_bytes, size_t *ret_size)
{
    _cleanup_(fd_closep) int fd = openat(directory_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
    struct stat status;
    if (fd < 0 || fstat(fd, &status) < 0) {
        return -errno;
    }
    if (!S_ISREG(status.st_mode) || status.st_uid != geteuid() || (status.st_mode & (S_IRWXG | S_IRWXO)) != 0 ||
        status.st_size <= 0 || (uint64_t)status.st_size > INDEX_SIZE_MAX) {
        return -EACCES;
    }
    const size_t size = (size_t)status.st_size;
    _cleanup_(freep) uint8_t *bytes = malloc(size);
    if (bytes == NULL) {
        return -ENOMEM;
    }
    const int r = fd_read_full(fd, bytes, size, ret_size);
    if (r == 0) {
        *ret_bytes = steal(&bytes);
    }
    return r;
}

/* Return: 0 and the manifest; < 0: not in the cache or not usable. */
static int cache_load(const char *cache_dir, const Digest *digest, Manifest **ret_manifest)
{
    _cleanup_(fd_closep) int directory_fd = cache_directory_open(cache_dir, false);
    if (directory_fd < 0) {
        return directory_fd;
    }
    char name[DIGEST_HEX_SIZE + 5];
    cache_name(digest, name);
    _cleanup_(freep) uint8_t *bytes = NULL;
    size_t size = 0;
    int r = cache_read(directory_fd, name, &bytes, &size);
    if (r < 0) {
        return r;
    }
    _cleanup_(manifest_freep) Manifest *manifest = NULL;
    r = manifest_from_index(bytes, size, &manifest, NULL);
    if (r < 0) {
        return r;
    }
    manifest->owned = steal(&bytes);
    if (!digest_equals(manifest_digest(manifest), digest)) {
        return -EBADMSG;
    }
    *ret_manifest = steal(&manifest);
    return 0;
}

/* Best effort: a cache that cannot be written costs time, nothing else. */
static void cache_store(const char *cache_dir, const Manifest *manifest)
{
    _cleanup_(fd_closep) int directory_fd = cache_directory_open(cache_dir, true);
    if (directory_fd < 0) {
        return;
    }
    char name[DIGEST_HEX_SIZE + 5];
    cache_name(manifest_digest(manifest), name);
    const int ignored = file_write_atomic(directory_fd, name, manifest->bytes, manifest->size, 0600, NULL);
    (void)ignored; /* the next run parses again */
}

/* --- the checks --- */

static int check_signature(const Verify *verify, const char *envelope, size_t envelope_size, TrustSigners *ret_signers)
{
    const Trust *trust = verify->config->trust;
    if (verify->size > LIMIT_MANIFEST_SIZE) {
        return report_failure(verify, "signature",
                              error_set(verify->err, E2BIG, "manifest: larger than %u bytes", LIMIT_MANIFEST_SIZE));
    }
    const int r = envelope_verify(trust, envelope, envelope_size, MANIFEST_MEDIA_TYPE, verify->bytes, verify->size,
                                  ret_signers, verify->err);
    if (r < 0) {
        return report_failure(verify, "signature", r);
    }
    char detail[256];
    (void)snprintf(detail, sizeof(detail), "%u of %u required, first by %.100s (%.16s)", ret_signers->count,
                   trust_threshold(trust), ret_signers->keys[0]->name, ret_signers->keys[0]->id);
    report_ok(verify, "signature", detail);
    return 0;
}

static int check_format(const Verify *verify, Manifest **ret_manifest)
{
    const char *cache_dir = verify->config->cache_dir;
    Digest digest;
    int r = sha256(verify->bytes, verify->size, &digest);
    if (r < 0) {
        return report_failure(verify, "format", error_set(verify->err, -r, "manifest: SHA-256 failed"));
    }
    if (cache_dir == NULL || cache_load(cache_dir, &digest, ret_manifest) < 0) {
        r = manifest_parse(verify->bytes, verify->size, ret_manifest, verify->err);
        if (r < 0) {
            return report_failure(verify, "format", r);
        }
        if (cache_dir != NULL) {
            cache_store(cache_dir, *ret_manifest);
        }
    }
    char detail[512];
    (void)snprintf(detail, sizeof(detail), "%s serial %" PRIu64 ", %zu files, %zu tools", manifest_name(*ret_manifest),
                   manifest_serial(*ret_manifest), manifest_row_count(*ret_manifest),
                   manifest_tool_count(*ret_manifest));
    report_ok(verify, "format", detail);
    return 0;
}

static int check_expiry(const Verify *verify, const Manifest *manifest)
{
    int64_t now = verify->config->now;
    if (verify->config->state_dir != NULL) {
        int64_t floor = 0;
        const int r = rollback_clock(verify->config->state_dir, &floor, verify->err);
        if (r < 0) {
            return report_failure(verify, "expiry", r);
        }
        now = now < floor ? floor : now;
    }
    const int64_t created = manifest_created_time(manifest);
    const int64_t expires = manifest_expires_time(manifest);
    char text[TIME_TEXT_SIZE];
    if (created > now && created - now > FUTURE_TOLERANCE_S) {
        time_print(now, text);
        return report_failure(
            verify, "expiry",
            error_hint(verify->err,
                       error_set(verify->err, EKEYEXPIRED, "manifest: not valid before %s, it is %s now",
                                 manifest_created(manifest), text),
                       "check the clock of this node"));
    }
    if (expires <= now) {
        time_print(expires, text);
        return report_failure(verify, "expiry",
                              error_hint(verify->err,
                                         error_set(verify->err, EKEYEXPIRED, "manifest: expired at %s", text),
                                         "build or sign a newer one"));
    }
    char detail[64] = "never expires";
    if (expires != INT64_MAX) {
        time_print(expires, text);
        (void)snprintf(detail, sizeof(detail), "valid until %s", text);
    }
    report_ok(verify, "expiry", detail);
    return 0;
}

static int check_rollback(const Verify *verify, const Manifest *manifest)
{
    const ManifestVerifyConfig *config = verify->config;
    if (config->state_dir == NULL) {
        return 0;
    }
    int r = rollback_check(config->state_dir, "manifest", manifest_name(manifest), manifest_serial(manifest),
                           manifest_digest(manifest), verify->err);
    if (r == 0 && config->is_record) {
        r = rollback_record_at(config->state_dir, "manifest", manifest_name(manifest), manifest_serial(manifest),
                               manifest_digest(manifest), manifest_created_time(manifest), verify->err);
    }
    if (r < 0) {
        return report_failure(verify, "rollback", r);
    }
    report_ok(verify, "rollback", config->is_record ? "remembered" : "not older than what was accepted before");
    return 0;
}

int manifest_verify(const ManifestVerifyConfig *config, const char *bytes, size_t size, const char *envelope,
                    size_t envelope_size, VerifyReport report, void *report_context, ManifestVerified *ret_verified,
                    Error *err)
{
    must(config != NULL && config->trust != NULL && bytes != NULL && ret_verified != NULL);
    Error local = ERROR_INIT; /* the report wants words even when the caller does not */
    const Verify verify = {.config = config,
                           .bytes = bytes,
                           .size = size,
                           .report = report,
                           .report_context = report_context,
                           .err = err != NULL ? err : &local};
    _cleanup_(manifest_freep) Manifest *manifest = NULL;
    TrustSigners signers = {0};
    int r = check_signature(&verify, envelope, envelope_size, &signers);
    r = r < 0 ? r : check_format(&verify, &manifest);
    r = r < 0 ? r : check_expiry(&verify, manifest);
    r = r < 0 ? r : check_rollback(&verify, manifest);
    if (r < 0) {
        return r;
    }
    *ret_verified = (ManifestVerified){.manifest = steal(&manifest), .signers = signers};
    return 0;
}
