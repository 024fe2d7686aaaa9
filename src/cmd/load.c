/* SPDX-License-Identifier: Apache-2.0 */
/*
 * load.c - from an image's name to a verified manifest and its object. The order is the security argument:
 *
 *   open (unpack by content) -> read the three artefacts -> signature over the exact bytes -> parse -> expiry ->
 *   rollback -> node policy's minimum serial -> megabinary's size and digest -> object of that digest
 *
 * The megabinary's digest: the one stored while its layer was unpacked, or, for a plain directory, of its bytes now.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/must.h"
#include "cmd/cmd.h"

void load_deinit(Loaded *loaded)
{
    loaded->object_fd = fd_close(loaded->object_fd);
    loaded->verified.manifest = manifest_free(loaded->verified.manifest);
    loaded->policy = policy_free(loaded->policy);
    image_artefacts_deinit(&loaded->artefacts);
    loaded->image = image_close(loaded->image);
    loaded->trust = trust_free(loaded->trust);
    work_dir_remove(&loaded->fresh_store);
}

static int fresh_store_make(Loaded *loaded, Error *err)
{
    const int r = dir_make(opt_global.state_dir, 0700, err);
    return r < 0 ? r : work_dir_make(opt_global.state_dir, "verify-", &loaded->fresh_store, err);
}

static void report(const LoadConfig *config, const char *check, bool is_ok, const char *detail)
{
    if (config->report != NULL) {
        config->report(config->report_context, check, is_ok, detail);
    }
}

static int megabinary_check(const Loaded *loaded, const LoadConfig *config, Error *err)
{
    const Manifest *manifest = loaded->verified.manifest;
    const ImageArtefacts *artefacts = &loaded->artefacts;
    char path[LIMIT_PATH_SIZE];
    (void)snprintf(path, sizeof(path), ".recompiler/%s", manifest_megabinary_path(manifest));
    if (strcmp(manifest_megabinary_path(manifest), "megabinary.wasm") != 0) {
        return error_set(err, EBADMSG, "manifest: megabinary path %s: only megabinary.wasm is supported", manifest_megabinary_path(manifest));
    }
    if (artefacts->megabinary_fd < 0) {
        report(config, "megabinary", false, "missing");
        return error_set(err, EBADMSG, "%s: /%s is missing", image_name(loaded->image), path);
    }
    Digest digest;
    uint64_t size = artefacts->megabinary_size;
    int r = size != manifest_megabinary_size(manifest) ? 0 : image_stored_digest(loaded->image, path, &digest, &size);
    if (r == -ENOENT) {
        r = sha256_fd(artefacts->megabinary_fd, &digest, &size);
    }
    if (r < 0) {
        return error_set(err, -r, "%s: /%s cannot be read", image_name(loaded->image), path);
    }
    if (size != manifest_megabinary_size(manifest)) {
        report(config, "megabinary", false, "other size");
        return error_set(err, EBADMSG, "%s: /%s has %" PRIu64 " bytes, the manifest says %" PRIu64, image_name(loaded->image), path, size,
                         manifest_megabinary_size(manifest));
    }
    if (!digest_equals(&digest, manifest_megabinary_digest(manifest))) {
        char hex[DIGEST_HEX_SIZE + 1];
        digest_hex(&digest, hex);
        report(config, "megabinary", false, "other bytes");
        return error_set(err, EBADMSG, "%s: /%s has sha256:%s, which is not the manifest's", image_name(loaded->image), path, hex);
    }
    report(config, "megabinary", true, "size and sha256 match");
    return 0;
}

static int policy_check(Loaded *loaded, const LoadConfig *config, int64_t now, Error *err)
{
    if (opt_global.policy_path == NULL) {
        return 0;
    }
    int r = policy_load(opt_global.policy_path, loaded->trust, opt_global.state_dir, now, config->is_recorded, &loaded->policy, err);
    if (r < 0) {
        return error_wrap(err, r, "policy %s", opt_global.policy_path);
    }
    const Manifest *manifest = loaded->verified.manifest;
    const uint64_t minimum = policy_minimum_serial(loaded->policy, manifest_name(manifest));
    if (manifest_serial(manifest) < minimum) {
        report(config, "policy", false, "serial below the node's minimum");
        return error_set(err, ESTALE, "%s: serial %" PRIu64 " of %s is below the node policy's minimum %" PRIu64, image_name(loaded->image),
                         manifest_serial(manifest), manifest_name(manifest), minimum);
    }
    report(config, "policy", true, "serial allowed");
    return 0;
}

int cmd_opt_level(const char *text)
{
    return text[0] >= '0' && text[0] <= '3' && text[1] == '\0' ? text[0] - '0' : -EINVAL;
}

/*
 * The optimised object in a process that outlives this one, with the lowest priority: the next start finds it. Nobody hears of its
 * failure; then the next start that has to compile begins again.
 */
static void optimise_later(const CacheConfig *cache, const Loaded *loaded)
{
    const pid_t child = fork();
    if (child > 0) {
        while (waitpid(child, NULL, 0) < 0 && errno == EINTR) {
        }
    }
    if (child != 0) {
        return;
    }
    if (setsid() < 0 || fork() != 0) {
        _exit(0);
    }
    CacheConfig config = *cache;
    Error err = ERROR_INIT;
    int object_fd = -1;
    config.opt_level = CACHE_OPT_DEFAULT;
    config.progress = NULL;
    config.report = NULL;
    const int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    for (int fd = 0; fd < 3 && null_fd >= 0; fd++) {
        (void)dup2(null_fd, fd);
    }
    (void)setpriority(PRIO_PROCESS, 0, 19);
    error_ignore(cache_object(&config, loaded->artefacts.megabinary_fd, manifest_megabinary_digest(loaded->verified.manifest), &object_fd, &err));
    _exit(0);
}

int load_object(Loaded *loaded, const LoadConfig *config, Error *err)
{
    const CacheConfig cache = {
        .cache_dir = opt_global.cache_dir,
        .cpu = config->cpu,
        .opt_level = config->opt_level,
        .job_count = config->job_count,
        .profile = config->profile,
        .is_profile_forgotten = config->is_profile_forgotten,
        .is_recording = config->is_recording,
        .is_compile_allowed = config->is_compile_allowed,
        .progress = cmd_compile_progress,
        .report = &loaded->compile,
    };
    const int r = cache_object(&cache, loaded->artefacts.megabinary_fd, manifest_megabinary_digest(loaded->verified.manifest),
                               &loaded->object_fd, err);
    cmd_progress_end();
    if (r == 0 && config->is_optimised_later && config->opt_level == 0 && loaded->compile.is_compiled) {
        optimise_later(&cache, loaded);
    }
    return r < 0 ? error_wrap(err, r, "%s", image_name(loaded->image)) : 0;
}

static int image_verify(Loaded *loaded, const LoadConfig *config, Error *err)
{
    int r = trust_load(opt_global.trust_dir, &loaded->trust, err);
    if (r < 0) {
        return r;
    }
    r = image_artefacts(loaded->image, &loaded->artefacts, err);
    if (r < 0) {
        return r;
    }
    if (loaded->artefacts.signature == NULL) {
        report(config, "signature", false, "missing");
        r = error_set(err, ENOKEY, "%s is not signed: /.recompiler/manifest.sig is missing", image_name(loaded->image));
        return error_hint(err, r, "sign it with: recompiler sign %s --key NAME.key", image_name(loaded->image));
    }
    const ManifestVerifyConfig verify = {
        .trust = loaded->trust,
        .state_dir = opt_global.state_dir,
        .cache_dir = opt_global.cache_dir,
        .now = time(NULL),
        .is_record = false,
    };
    r = manifest_verify(&verify, loaded->artefacts.manifest, loaded->artefacts.manifest_size, loaded->artefacts.signature,
                        loaded->artefacts.signature_size, config->report, config->report_context, &loaded->verified, err);
    if (r < 0) {
        return error_wrap(err, r, "%s", image_name(loaded->image));
    }
    r = policy_check(loaded, config, verify.now, err);
    r = r < 0 ? r : megabinary_check(loaded, config, err);
    if (r == 0 && config->is_recorded) {
        /* After every check, before anything is started. */
        const Manifest *manifest = loaded->verified.manifest;
        r = rollback_record_at(opt_global.state_dir, "manifest", manifest_name(manifest), manifest_serial(manifest), manifest_digest(manifest),
                               manifest_created_time(manifest), err);
    }
    return r;
}

int load_image(const char *name, const LoadConfig *config, Loaded *ret_loaded, Error *err)
{
    must(name != NULL && ret_loaded != NULL);
    *ret_loaded = (Loaded){.object_fd = -1, .artefacts = {.megabinary_fd = -1}, .fresh_store = WORK_DIR_INIT};
    int r = config->is_fresh ? fresh_store_make(ret_loaded, err) : 0;
    const char *store = ret_loaded->fresh_store.path[0] != '\0' ? ret_loaded->fresh_store.path : opt_global.state_dir;
    r = r < 0 ? r : image_open(name, store, cmd_image_progress, NULL, &ret_loaded->image, err);
    cmd_progress_end();
    r = r < 0 ? r : image_verify(ret_loaded, config, err);
    if (r == 0 && config->is_object_wanted) {
        r = load_object(ret_loaded, config, err);
    }
    if (r < 0) {
        load_deinit(ret_loaded);
    }
    return r;
}
