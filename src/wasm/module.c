/* SPDX-License-Identifier: Apache-2.0 */
/*
 * module.c - questions about a module that was read: exports, types, debug names.
 */
#include "wasm/module.h"

#include <errno.h>
#include <string.h>

#include "wasm/bytes-int.h"

uint32_t wasm_module_export(const WasmModule *module, const char *name, WasmExternKind kind)
{
    const size_t size = strlen(name);

    for (uint32_t i = 0; i < module->export_count; i++) {
        const WasmExport *export = &module->exports[i];
        if (export->kind == kind && export->name.size == size && memcmp(export->name.bytes, name, size) == 0)
            return export->index;
    }
    return UINT32_MAX;
}

bool wasm_func_type_equals(const WasmFuncType *a, const WasmFuncType *b)
{
    if (a == b)
        return true;
    return a->param_count == b->param_count && a->result_count == b->result_count &&
           memcmp(a->types, b->types, sizeof(*a->types) * ((size_t)a->param_count + a->result_count)) == 0;
}

static bool is_plain(WasmValType type)
{
    return !wasm_type_is_ref(type) || type == WASM_FUNCREF || type == WASM_EXTERNREF || type == WASM_EXNREF;
}

bool wasm_module_has_plain_types(const WasmModule *module)
{
    bool all = true;

    for (uint32_t i = 0; i < module->type_count; i++) {
        const WasmFuncType *type = &module->types[i];
        all &= type->group_count == 0;
        for (uint32_t k = 0; k < type->param_count + type->result_count; k++)
            all &= is_plain(type->types[k]);
    }
    for (uint32_t i = 0; i < module->table_count; i++)
        all &= is_plain(module->tables[i].type);
    for (uint32_t i = 0; i < module->global_count; i++)
        all &= is_plain(module->globals[i].type);
    for (uint32_t i = 0; i < module->elem_count; i++)
        all &= is_plain(module->elems[i].type);
    return all;
}

/* namemap of subsection 1: (function index, name)*. Stops at the first thing that is wrong. */
static void func_names_read(const WasmBytes *bytes, size_t position, uint32_t func_count, WasmSlice *funcs)
{
    uint32_t count;

    if (wasm_u32_read(bytes, &position, &count) < 0)
        return;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t index;
        WasmSlice name;
        if (wasm_u32_read(bytes, &position, &index) < 0 || wasm_name_read(bytes, &position, &name) < 0)
            return;
        if (index < func_count)
            funcs[index] = name;
    }
}

static const WasmCustom *name_section(const WasmModule *module)
{
    for (uint32_t i = 0; i < module->custom_count; i++) {
        const WasmSlice *name = &module->customs[i].name;
        if (name->size == 4 && memcmp(name->bytes, "name", 4) == 0)
            return &module->customs[i];
    }
    return NULL;
}

int wasm_names_read(const WasmModule *module, Arena *arena, WasmNames *ret_names)
{
    const WasmCustom *custom = name_section(module);
    WasmNames names = {.func_count = module->func_count};
    WasmSlice *funcs = arena_new_array(arena, module->func_count, WasmSlice);

    if (!funcs)
        return -ENOMEM;
    names.funcs = funcs;
    if (custom) {
        const WasmBytes bytes = {.bytes = custom->bytes.bytes, .end = custom->bytes.size, .offset = custom->offset};
        size_t position = 0;
        while (position < bytes.end) {
            uint8_t id;
            uint32_t size;
            WasmSlice contents;
            if (wasm_byte_read(&bytes, &position, &id) < 0 || wasm_u32_read(&bytes, &position, &size) < 0 ||
                wasm_slice_read(&bytes, &position, size, &contents) < 0)
                break;
            const WasmBytes inner = {.bytes = contents.bytes, .end = contents.size};
            size_t at = 0;
            if (id == 0)
                names.module = wasm_name_read(&inner, &at, &names.module) < 0 ? (WasmSlice){NULL, 0} : names.module;
            else if (id == 1)
                func_names_read(&inner, 0, module->func_count, funcs);
        }
    }
    *ret_names = names;
    return 0;
}
