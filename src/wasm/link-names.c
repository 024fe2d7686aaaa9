/* SPDX-License-Identifier: Apache-2.0 */
/*
 * link-names.c - the name section: what backtraces and profilers show.
 *
 *     import                                    <module>.<name>
 *     function of one program                   <entry>.<name in the program's name section>
 *     function folded across several programs   <name>, of the first program that has it
 *     start stub                                entry:<entry>
 */
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/limits.h"
#include "base/must.h"
#include "wasm/bytes-int.h"
#include "wasm/link-int.h"

static void name_assoc_write(Buf *section, uint32_t index, WasmSlice head, const char *separator, WasmSlice tail)
{
    const size_t separator_size = strlen(separator);
    buf_append_uleb(section, index);
    buf_append_uleb(section, head.size + separator_size + tail.size);
    buf_append(section, head.bytes, head.size);
    buf_append(section, separator, separator_size);
    buf_append(section, tail.bytes, tail.size);
}

static WasmSlice string_slice(const char *string)
{
    return (WasmSlice){(const uint8_t *)string, strlen(string)};
}

/* The name of a node, empty when it has none that can be used. */
static WasmSlice node_name(const Linker *linker, const WasmNames *names, uint32_t node)
{
    const LinkFunc *func = &linker->funcs[node];
    const uint32_t index = node - linker->programs[func->program].node_base;
    const WasmSlice none = {0};
    if (index >= names[func->program].func_count) {
        return none;
    }
    const WasmSlice name = names[func->program].funcs[index];
    /* Room for "<entry>." below the reader's limit. */
    return name.size > 0 && name.size <= LIMIT_NAME_SIZE - 256 && wasm_utf8_is_valid(name) ? name : none;
}

/* All names of functions; returns how many. With section NULL it only counts. */
static uint32_t func_names_write(const Linker *linker, const WasmNames *names, Buf *section)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < linker->import_count; i++) {
        const LinkImport *import = &linker->imports[i];
        if (import->module.size + import->name.size < LIMIT_NAME_SIZE) {
            if (section) {
                name_assoc_write(section, i, import->module, ".", import->name);
            }
            count++;
        }
    }
    for (uint32_t i = 0; i < linker->defined_count; i++) {
        const LinkFunc *leader = &linker->funcs[linker->defined_leader[i]];
        const WasmSlice name = node_name(linker, names, linker->defined_leader[i]);
        if (name.size == 0) {
            continue;
        }
        const bool is_shared = linker->class_is_shared[leader->class_index];
        if (section && is_shared) {
            name_assoc_write(section, linker->import_count + i, name, "", (WasmSlice){0});
        } else if (section) {
            name_assoc_write(section, linker->import_count + i, string_slice(linker->programs[leader->program].name), ".", name);
        }
        count++;
    }
    for (uint32_t i = 0; i < linker->entries.count; i++, count++) {
        const MegaEntry *entry = &linker->entries.entries[i];
        if (section) {
            name_assoc_write(section, entry->stub_func, string_slice("entry"), ":", string_slice(entry->name));
        }
    }
    return count;
}

int link_names_write(Linker *linker, Buf *out)
{
    WasmNames *names = arena_new_array(&linker->arena, linker->program_count, WasmNames);
    if (!names) {
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < linker->program_count; i++) {
        const int r = wasm_names_read(linker->programs[i].module, &linker->arena, &names[i]);
        if (r < 0) {
            return r;
        }
    }
    _cleanup_(buf_deinit) Buf funcs = BUF_INIT(LIMIT_MODULE_SIZE);
    buf_append_uleb(&funcs, func_names_write(linker, names, NULL));
    (void)func_names_write(linker, names, &funcs);
    _cleanup_(buf_deinit) Buf section = BUF_INIT(LIMIT_MODULE_SIZE);
    buf_append(&section, "\4name", 5);
    link_section_write(&section, 1, &funcs); /* subsection 1 has the form of a section */
    link_section_write(out, 0, &section);
    return buf_error(out);
}
