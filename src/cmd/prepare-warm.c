/* SPDX-License-Identifier: Apache-2.0 */
/*
 * prepare-warm.c - programs that the manifest calls warm: each is run to its ready point twice, in the sandbox it will have, so that an image whose
 * claim is not true is refused before anybody relies on it. Arguments: the program's path alone; environment and directory: the image's.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cmd/cmd.h"
#include "cmd/prepare-int.h"
#include "cmd/run-int.h"
#include "zygote/zygote.h"

static int snapshot(Zygote *zygote, const RunPlan *plan, const char *path, json_t *list, Error *err)
{
    const char *const argv[] = {path};
    const ZygoteRequest request = {.program = path, .argv = argv, .argc = 1, .envp = plan->container.envp, .envc = plan->container.envc,
                                   .cwd = plan->container.cwd, .stdio = {0, 0, 0}};
    Digest digest;
    char hex[DIGEST_HEX_SIZE + 1];
    const int r = zygote_pool_warm(zygote, &request, 0, 0, &digest, err);
    if (r < 0) {
        return error_wrap(err, r, "%s is marked warm", path);
    }
    digest_hex(&digest, hex);
    char tagged[sizeof("sha256:") + DIGEST_HEX_SIZE];
    (void)snprintf(tagged, sizeof(tagged), "sha256:%s", hex);
    json_array_append_new(list, json_pack("{s:o, s:s}", "path", cmd_json_text(path), "snapshot", tagged));
    return 0;
}

static bool has_warm(const Manifest *manifest)
{
    ManifestRow row;
    for (size_t i = 0; i < manifest_row_count(manifest); i++) {
        manifest_row(manifest, i, &row);
        if ((row.flags & MANIFEST_WARM) != 0) {
            return true;
        }
    }
    return false;
}

int prepare_warm(const char *image, Loaded *loaded, json_t *list, Error *err)
{
    const Manifest *manifest = loaded->verified.manifest;
    if (!has_warm(manifest)) {
        return 0;
    }
    static RunOptions options; /* large lists; one prepare a process */
    const char *const command[] = {"/"};
    options = (RunOptions){.name = "prepare", .image = image, .argv = command, .argc = 1, .opt_level = CACHE_OPT_DEFAULT};
    RunPlan plan;
    Zygote *zygote = NULL;
    int r = run_plan(&options, loaded, &plan, err);
    if (r < 0) {
        return r;
    }
    plan.container.object_fd = loaded->object_fd;
    r = zygote_start(&plan.container, NULL, &zygote, err);
    for (size_t i = 0; r == 0 && i < manifest_row_count(manifest); i++) {
        ManifestRow row;
        manifest_row(manifest, i, &row);
        const char *path = manifest_row_path(manifest, i, 0);
        if ((row.flags & MANIFEST_WARM) != 0) {
            r = path != NULL ? snapshot(zygote, &plan, path, list, err) : error_set(err, EBADMSG, "a warm program without a path (entry %s)", row.entry);
        }
    }
    (void)zygote_stop(zygote);
    run_plan_deinit(&plan);
    return r;
}
