/* SPDX-License-Identifier: Apache-2.0 */
/* manifest.json bytes -> parse -> index -> from_index -> write -> parse: what is accepted survives the round trip. */
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/must.h"
#include "manifest/manifest.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

/* Everything the accessors can reach, so that a bad offset is a crash here. */
static void read_all(const Manifest *m, ManifestProgramSpec *programs, ManifestScriptSpec *scripts, ManifestSpec *spec)
{
    for (size_t i = 0; i < manifest_row_count(m); i++) {
        ManifestRow row;
        manifest_row(m, i, &row);
        must(manifest_find(m, &row.digest) == (int64_t)i && manifest_has_size(m, row.size));
        const char **paths = calloc(row.path_count + 1u, sizeof(*paths));
        for (uint32_t p = 0; p < row.path_count; p++) {
            paths[p] = manifest_row_path(m, i, p);
        }
        if ((row.flags & MANIFEST_SCRIPT) != 0) {
            scripts[spec->script_count++] = (ManifestScriptSpec){.digest = row.digest,
                                                                 .size = row.size,
                                                                 .interpreter = row.interpreter,
                                                                 .paths = paths,
                                                                 .path_count = row.path_count};
            continue;
        }
        size_t applet_count = 0;
        while (manifest_row_applet(m, i, (uint32_t)applet_count) != NULL) {
            applet_count++;
        }
        const char **applets = calloc(applet_count + 1, sizeof(*applets));
        for (size_t a = 0; a < applet_count; a++) {
            applets[a] = manifest_row_applet(m, i, (uint32_t)a);
        }
        programs[spec->program_count++] = (ManifestProgramSpec){.digest = row.digest,
                                                                .size = row.size,
                                                                .entry = row.entry,
                                                                .abi = row.abi,
                                                                .paths = paths,
                                                                .path_count = row.path_count,
                                                                .applets = applets,
                                                                .applet_count = applet_count,
                                                                .flags = row.flags};
    }
}

static void write_again(const Manifest *m)
{
    ManifestProgramSpec *programs = calloc(manifest_row_count(m) + 1, sizeof(*programs));
    ManifestScriptSpec *scripts = calloc(manifest_row_count(m) + 1, sizeof(*scripts));
    ManifestSpec spec = {.name = manifest_name(m),
                         .serial = manifest_serial(m),
                         .created = manifest_created(m),
                         .megabinary_digest = *manifest_megabinary_digest(m),
                         .megabinary_size = manifest_megabinary_size(m),
                         .programs = programs,
                         .scripts = scripts,
                         .tools_json = manifest_tools_json(m)};
    must(programs != NULL && scripts != NULL);
    read_all(m, programs, scripts, &spec);
    Buf text = BUF_INIT(16u << 20);
    Error err = ERROR_INIT;
    must(manifest_write(&spec, &text, &err) == 0);
    Manifest *again = NULL;
    must(manifest_parse((const char *)text.bytes, text.size, &again, &err) == 0);
    must(manifest_row_count(again) == manifest_row_count(m) && manifest_tool_count(again) == manifest_tool_count(m));
    manifest_free(again);
    buf_deinit(&text);
    for (size_t i = 0; i < spec.program_count; i++) {
        free((void *)(uintptr_t)programs[i].paths);
        free((void *)(uintptr_t)programs[i].applets);
    }
    for (size_t i = 0; i < spec.script_count; i++) {
        free((void *)(uintptr_t)scripts[i].paths);
    }
    free(programs);
    free(scripts);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    Manifest *m = NULL;
    Error err = ERROR_INIT;
    if (manifest_parse((const char *)bytes, size, &m, &err) < 0) {
        must(m == NULL && err.code != 0 && err.message[0] != '\0');
        return 0;
    }
    const uint8_t *index = NULL;
    size_t index_size = 0;
    manifest_index(m, &index, &index_size);
    uint8_t *copy = malloc(index_size);
    must(copy != NULL);
    memcpy(copy, index, index_size);
    Manifest *loaded = NULL;
    must(manifest_from_index(copy, index_size, &loaded, &err) == 0);
    write_again(loaded);
    manifest_free(loaded);
    free(copy);
    manifest_free(m);
    return 0;
}
