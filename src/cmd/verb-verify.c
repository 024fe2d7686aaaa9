/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verb-verify.c - recompiler verify, prepare: check an image; check and compile it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/cleanup.h"
#include "base/fd.h"
#include "base/file.h"
#include "cmd/cmd.h"
#include "wasm/entries.h"
#include "wasm/module.h"

#define VERIFY_ARENA_SIZE (1u << 30)

static void check_print(void *context, const char *check, bool is_ok, const char *detail)
{
    json_t *list = context;
    if (list != NULL) {
        json_array_append_new(list, json_pack("{s:s, s:b, s:o}", "check", check, "ok", is_ok, "detail", cmd_json_text(detail)));
    } else {
        printf("%-4s %-12s %s\n", is_ok ? "ok" : "FAIL", check, cmd_text(detail));
    }
}

/* Every path the manifest names, against the digest it is named for. run would only deny these files; verify says no. */
static int files_check(const Loaded *loaded, json_t *list, Error *err)
{
    const Manifest *manifest = loaded->verified.manifest;
    _cleanup_(fd_closep) int root_fd = open(image_root_path(loaded->image), O_PATH | O_DIRECTORY | O_CLOEXEC);
    size_t good = 0;
    size_t bad = 0;
    for (size_t i = 0; i < manifest_row_count(manifest); i++) {
        ManifestRow row;
        manifest_row(manifest, i, &row);
        for (uint32_t p = 0; p < row.path_count; p++) {
            const char *path = manifest_row_path(manifest, i, p);
            _cleanup_(fd_closep) int fd = fd_openat2(root_fd, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK, 0, 0x10 | 0x02);
            struct stat status;
            Digest digest;
            const bool is_same = fd >= 0 && fstat(fd, &status) == 0 && S_ISREG(status.st_mode) && sha256_fd(fd, &digest, NULL) == 0 &&
                                 digest_equals(&digest, &row.digest);
            good += is_same;
            bad += !is_same;
            if (!is_same) {
                char detail[LIMIT_PATH_SIZE + 64];
                (void)snprintf(detail, sizeof(detail), "%s: %s; it will be denied", path, fd < 0 ? "missing" : "has other bytes");
                check_print(list, "file", false, detail);
            }
        }
    }
    char detail[96];
    (void)snprintf(detail, sizeof(detail), "%zu files as the manifest says, %zu not", good, bad);
    check_print(list, "files", bad == 0, detail);
    return bad == 0 ? 0 : error_set(err, EBADMSG, "%s: %s", image_name(loaded->image), detail);
}

/* Every program's entry must be in the megabinary with the ABI that the manifest says: whoever signed may have mixed two builds. */
static int entries_compare(const Manifest *manifest, const MegaEntries *entries, Error *err)
{
    for (size_t i = 0; i < manifest_row_count(manifest); i++) {
        ManifestRow row;
        manifest_row(manifest, i, &row);
        const MegaEntry *entry = row.entry != NULL ? entries_find(entries, row.entry) : NULL;
        if (row.entry != NULL && entry == NULL) {
            return error_set(err, EBADMSG, "entry %s of the manifest is not in the megabinary", row.entry);
        }
        if (entry != NULL && strcmp(row.abi, entries_abi_name(entry->abi)) != 0) {
            return error_set(err, EBADMSG, "entry %s is %s in the manifest and not in the megabinary", row.entry, row.abi);
        }
    }
    return 0;
}

static int entries_check(const Loaded *loaded, json_t *list, Error *err)
{
    FileMap map = {0};
    Arena arena = ARENA_INIT(VERIFY_ARENA_SIZE);
    const WasmModule *module = NULL;
    MegaEntries entries = {0};
    int r = file_map_fd(loaded->artefacts.megabinary_fd, LIMIT_MODULE_SIZE, &map, err);
    r = r < 0 ? r : wasm_module_read(map.bytes, map.size, &arena, &module, err);
    r = r < 0 ? r : entries_read(module, &arena, &entries, err);
    r = r < 0 ? r : entries_compare(loaded->verified.manifest, &entries, err);
    char detail[64];
    (void)snprintf(detail, sizeof(detail), "%u in the megabinary", entries.count);
    check_print(list, "entries", r == 0, r < 0 ? err->message : detail);
    arena_deinit(&arena);
    file_unmap(&map);
    return r < 0 ? error_wrap(err, r, "%s", image_name(loaded->image)) : 0;
}

int verb_verify(int argc, char **argv)
{
    static const struct option options[] = {{"help", no_argument, NULL, 'h'}, {"json", no_argument, NULL, 'j'}, {NULL, 0, NULL, 0}};
    int option;
    while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
        if (option == 'h') {
            return cmd_help("verify");
        }
        if (option != 'j') {
            return cmd_option_wrong("verify", argv, options);
        }
        opt_global.is_json = true;
    }
    if (optind + 1 != argc) {
        return cmd_usage("verify", "one IMAGE is expected");
    }
    json_t *list = opt_global.is_json ? json_array() : NULL;
    LoadConfig config = LOAD_CONFIG_INIT;
    config.report = check_print;
    config.report_context = list;
    config.is_fresh = true; /* an archive is read in full, whatever the store has */
    Loaded loaded;
    Error err = ERROR_INIT;
    int r = load_image(argv[optind], &config, &loaded, &err);
    if (r == 0) {
        r = entries_check(&loaded, list, &err);
        r = r < 0 ? r : files_check(&loaded, list, &err);
        load_deinit(&loaded);
    }
    if (list != NULL) {
        cmd_print_json(json_pack("{s:o, s:b, s:o, s:s, s:s}", "image", cmd_json_text(argv[optind]), "ok", r == 0, "checks", list, "code",
                                 r < 0 ? error_name(-r) : "", "message", err.message));
        opt_global.is_json = false; /* the error is in the document */
    }
    if (r < 0) {
        return cmd_fail("verify", r, &err, 1);
    }
    return 0;
}
