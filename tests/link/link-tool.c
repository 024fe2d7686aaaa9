/* SPDX-License-Identifier: Apache-2.0 */
/*
 * link-tool.c - the linker as a command, for tests/link/run only.
 *
 *     link-tool OUT NAME=MODULE.wasm...     link, check that the programs are still the same, print statistics as "key value" lines
 *     link-tool --entries MEGABINARY        read, validate, print the entries
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/file.h"
#include "base/limits.h"
#include "wasm/entries.h"
#include "wasm/link.h"
#include "wasm/module.h"
#include "wasm/test-link-check.h"

#define MAX_INPUTS LIMIT_ENTRIES

static int fail(int r, const char *what, const Error *err)
{
    fprintf(stderr, "link-tool: %s: %s (%s)\n", what, err->message, error_name(-r));
    return 1;
}

/* Read, not mapped: a build that writes the file meanwhile must not change what was validated. The caller frees. */
static int load(const char *path, Arena *arena, char **ret_bytes, const WasmModule **ret_module, Error *err)
{
    const WasmFeatures features = WASM_FEATURES_DEFAULT;
    size_t size = 0;
    int r = file_read(AT_FDCWD, path, LIMIT_MODULE_SIZE, ret_bytes, &size, err);
    r = r < 0 ? r : wasm_module_read((const uint8_t *)*ret_bytes, size, arena, ret_module, err);
    return r < 0 ? r : wasm_module_validate(*ret_module, &features, err);
}

static double now_ms(void)
{
    struct timespec time;
    (void)clock_gettime(CLOCK_MONOTONIC, &time);
    return (double)time.tv_sec * 1e3 + (double)time.tv_nsec / 1e6;
}

static void print_stats(const LinkStats *stats, double ms)
{
    printf("entries %" PRIu32 "\ninput_size %" PRIu64 "\noutput_size %" PRIu64 "\n", stats->entry_count, stats->input_size,
           stats->output_size);
    printf("input_functions %" PRIu32 "\noutput_functions %" PRIu32 "\nfolded_size %" PRIu64 "\nmilliseconds %.1f\n",
           stats->input_func_count, stats->output_func_count, stats->folded_size, ms);
}

/* Aborts when a program is not what it was. */
static int check(const Buf *mega, const LinkInput *inputs, size_t count, Error *err)
{
    const WasmFeatures features = WASM_FEATURES_DEFAULT;
    Arena arena = ARENA_INIT((size_t)16 << 30);
    const WasmModule *module;
    MegaEntries entries;
    int r = wasm_module_read(mega->bytes, mega->size, &arena, &module, err);
    r = r < 0 ? r : wasm_module_validate(module, &features, err);
    r = r < 0 ? r : entries_read(module, &arena, &entries, err);
    for (size_t i = 0; r == 0 && i < count; i++) {
        Arena scratch = ARENA_INIT((size_t)16 << 30);
        link_check(inputs[i].module, module, entries_find(&entries, inputs[i].name), &scratch);
        arena_deinit(&scratch);
    }
    arena_deinit(&arena);
    return r;
}

static int do_link(int argc, char **argv)
{
    static LinkInput inputs[MAX_INPUTS];
    static char *files[MAX_INPUTS];
    Arena arena = ARENA_INIT((size_t)16 << 30);
    Error err = ERROR_INIT;
    if (argc - 2 > (int)MAX_INPUTS) {
        return 2;
    }
    for (int i = 2; i < argc; i++) {
        char *path = strchr(argv[i], '=');
        if (!path) {
            return 2;
        }
        *path++ = '\0';
        inputs[i - 2].name = argv[i];
        const int r = load(path, &arena, &files[i - 2], &inputs[i - 2].module, &err);
        if (r < 0) {
            return fail(r, path, &err);
        }
    }
    Buf out = BUF_INIT(LIMIT_MODULE_SIZE);
    LinkStats stats;
    const double start = now_ms();
    int r = link_megabinary(inputs, (size_t)argc - 2, &out, &stats, &err);
    const double end = now_ms();
    r = r < 0 ? r : check(&out, inputs, (size_t)argc - 2, &err);
    if (r == 0) {
        r = file_write_atomic(AT_FDCWD, argv[1], out.bytes, out.size, 0644, &err);
    }
    if (r < 0) {
        return fail(r, argv[1], &err);
    }
    print_stats(&stats, end - start);
    buf_deinit(&out);
    arena_deinit(&arena);
    for (int i = 2; i < argc; i++) {
        free(files[i - 2]);
    }
    return 0;
}

static int do_entries(const char *path)
{
    Arena arena = ARENA_INIT((size_t)16 << 30);
    Error err = ERROR_INIT;
    char *file = NULL;
    const WasmModule *module;
    MegaEntries entries;
    int r = load(path, &arena, &file, &module, &err);
    r = r < 0 ? r : entries_read(module, &arena, &entries, &err);
    if (r < 0) {
        return fail(r, path, &err);
    }
    for (uint32_t i = 0; i < entries.count; i++) {
        const MegaEntry *entry = &entries.entries[i];
        printf("%s abi=%s memory=%" PRIu64 "..%" PRIu64 "%s table=%" PRIu32 " init=%s thread=%s globals=%" PRIu32
               " elems=%" PRIu32 " datas=%" PRIu32 "\n",
               entry->name, entry->abi == ENTRY_ABI_WALI ? "wali" : "wasi", entry->memory_minimum, entry->memory_maximum,
               entry->is_memory_shared ? " shared" : "", entry->table_size, entry->init_func != UINT32_MAX ? "yes" : "no",
               entry->thread_func != UINT32_MAX ? "yes" : "no", entry->global_count, entry->elem_count, entry->data_count);
    }
    arena_deinit(&arena);
    free(file);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "--entries") == 0) {
        return do_entries(argv[2]);
    }
    if (argc >= 3) {
        return do_link(argc, argv);
    }
    fprintf(stderr, "usage: link-tool OUT NAME=MODULE.wasm... | link-tool --entries MEGABINARY\n");
    return 2;
}
