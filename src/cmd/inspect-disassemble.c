/* SPDX-License-Identifier: Apache-2.0 */
/*
 * inspect-disassemble.c - recompiler inspect --disassemble WHAT: functions of the megabinary as text.
 *
 * WHAT is an entry (its start function, and before it the module's own start section's), a function's name, func[N] or N.
 * Nothing is started and no signature is required: it is for looking at what one would not run.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/limits.h"
#include "cmd/inspect-int.h"
#include "wasm/disassemble.h"
#include "wasm/entries.h"

#define DISASSEMBLE_ARENA_SIZE (1u << 30)
#define NAME_SIZE 256

typedef struct Disassembly {
    const WasmModule *module;
    WasmNames names;
    uint32_t count;      /* functions shown */
    json_t *functions;   /* --json: owned until it is printed */
    json_t *instructions; /* of the function being shown, borrowed */
} Disassembly;

static int instruction_show(void *context, uint64_t offset, uint32_t depth, const char *text)
{
    const Disassembly *d = context;
    if (d->instructions != NULL) {
        return json_array_append_new(d->instructions, json_pack("{s:I, s:s}", "offset", (json_int_t)offset, "text", text)) == 0 ? 0 : -ENOMEM;
    }
    printf("  0x%06" PRIx64 "  %*s%s\n", offset, (int)(depth < 40 ? depth : 40) * 2, "", text);
    return ferror(stdout) ? -EIO : 0;
}

static int function_show(Disassembly *d, uint32_t func_index, const char *role, Error *err)
{
    const WasmModule *module = d->module;
    if (func_index >= module->func_count || module->funcs[func_index].is_imported) {
        return error_set(err, EINVAL, "function %" PRIu32 " %s", func_index,
                         func_index < module->func_count ? "is imported: it has no body" : "does not exist");
    }
    const WasmFunc *func = &module->funcs[func_index];
    char name[NAME_SIZE];
    Buf type = BUF_INIT(1u << 20);
    wasm_func_name_text(&d->names, func_index, name, sizeof(name));
    wasm_func_type_text(wasm_func_type(module, func_index), &type);
    int r = buf_error(&type) < 0 ? error_set(err, ENOMEM, "out of memory") : 0;
    if (r == 0 && d->functions != NULL) {
        d->instructions = json_array();
        json_array_append_new(d->functions, json_pack("{s:I, s:s, s:s, s:s, s:I, s:I, s:o}", "index", (json_int_t)func_index, "name", name, "role", role,
                                                      "type", (const char *)type.bytes, "offset", (json_int_t)func->body_offset, "size",
                                                      (json_int_t)func->body.size, "instructions", d->instructions));
    } else if (r == 0) {
        printf("%sfunc[%" PRIu32 "]%s%s%s %s  %s%soffset 0x%" PRIx64 ", %zu bytes\n", d->count > 0 ? "\n" : "", func_index, name[0] != '\0' ? " (" : "", name,
               name[0] != '\0' ? ")" : "", (const char *)type.bytes, role, role[0] != '\0' ? ", " : "", func->body_offset, func->body.size);
    }
    r = r < 0 ? r : wasm_disassemble_each(module, &d->names, func_index, instruction_show, d, err);
    buf_deinit(&type);
    d->count++;
    return r;
}

/* "func[12]" or "12". */
static bool index_parse(const char *text, uint32_t *ret_index)
{
    char digits[16];
    const size_t length = strlen(text);
    uint64_t value;
    if (strncmp(text, "func[", 5) == 0 && length > 6 && length < 5 + sizeof(digits) && text[length - 1] == ']') {
        memcpy(digits, text + 5, length - 6);
        digits[length - 6] = '\0';
        text = digits;
    }
    if (cmd_number(text, UINT32_MAX, &value) < 0) {
        return false;
    }
    *ret_index = (uint32_t)value;
    return true;
}

static int selection_show(Disassembly *d, const MegaEntries *entries, const char *what, Error *err)
{
    const MegaEntry *entry = entries_find(entries, what);
    uint32_t func_index;
    if (entry != NULL) {
        int r = entry->init_func != UINT32_MAX ? function_show(d, entry->init_func, "start section", err) : 0;
        r = r < 0 ? r : function_show(d, entry->start_func, "start", err);
        return r == 0 && entry->thread_func != UINT32_MAX ? function_show(d, entry->thread_func, "thread start", err) : r;
    }
    if (index_parse(what, &func_index)) {
        return function_show(d, func_index, "", err);
    }
    for (uint32_t i = d->module->imported_func_count; i < d->module->func_count; i++) {
        char name[NAME_SIZE];
        wasm_func_name_text(&d->names, i, name, sizeof(name));
        if (strcmp(name, what) == 0) { /* several programs may have a function of that name */
            const int r = function_show(d, i, "", err);
            if (r < 0) {
                return r;
            }
        }
    }
    return d->count > 0 ? 0 : error_set(err, ENOENT, "%s: no such entry or function (an entry, a function's name, func[N] or N)", cmd_text(what));
}

int inspect_disassemble(const ImageArtefacts *artefacts, const char *what, Error *err)
{
    FileMap map = {0};
    Arena arena = ARENA_INIT(DISASSEMBLE_ARENA_SIZE);
    MegaEntries entries = {0};
    Disassembly d = {.functions = opt_global.is_json ? json_array() : NULL};
    int r = artefacts->megabinary_fd < 0 ? error_set(err, ENOENT, "the image has no megabinary")
                                         : file_map_fd(artefacts->megabinary_fd, LIMIT_MODULE_SIZE, &map, err);
    r = r < 0 ? r : wasm_module_read(map.bytes, map.size, &arena, &d.module, err);
    r = r < 0 ? r : wasm_names_read(d.module, &arena, &d.names);
    r = r < 0 ? r : entries_read(d.module, &arena, &entries, err);
    r = r < 0 ? r : selection_show(&d, &entries, what, err);
    if (r == 0 && d.functions != NULL) {
        cmd_print_json(json_pack("{s:O}", "functions", d.functions));
    }
    json_decref(d.functions);
    arena_deinit(&arena);
    file_unmap(&map);
    return r;
}
