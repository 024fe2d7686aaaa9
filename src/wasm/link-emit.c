/* SPDX-License-Identifier: Apache-2.0 */
/*
 * link-emit.c - the sections of the megabinary, in the order of wasm core 5.5.
 *
 * Function indices: imports, then one function a class in the order of the classes' lowest nodes (which keeps the
 * neighbourhood of the first program's code), then the start stubs in the order of entry names.
 */
#include <errno.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/limits.h"
#include "base/must.h"
#include "wasm/link-int.h"

static size_t uleb_size(uint64_t value)
{
    size_t size = 1;
    while (value >>= 7) {
        size++;
    }
    return size;
}

static void name_write(Buf *buf, const void *bytes, size_t size)
{
    buf_append_uleb(buf, size);
    buf_append(buf, bytes, size);
}

void link_section_write(Buf *out, uint8_t id, const Buf *contents)
{
    if (buf_error(contents) < 0 && out->error == 0) {
        out->error = buf_error(contents); /* a section that could not be made must not be missing silently */
    }
    buf_append_byte(out, id);
    name_write(out, contents->bytes, contents->size);
}

/* --- numbering --- */

int link_classes_number(Linker *linker)
{
    linker->defined_leader = arena_new_array(&linker->arena, linker->class_count, uint32_t);
    if (!linker->defined_leader) {
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < linker->class_count; i++) {
        const LinkFunc *leader = &linker->funcs[linker->class_leader[i]];
        if (leader->import != LINK_NONE) {
            linker->class_func[i] = leader->import;
            continue;
        }
        linker->class_func[i] = linker->import_count + linker->defined_count;
        linker->defined_leader[linker->defined_count++] = linker->class_leader[i];
    }
    if ((uint64_t)linker->import_count + linker->defined_count + linker->program_count > LIMIT_FUNCTIONS) {
        return error_set(linker->err, E2BIG, "more than %u functions in the megabinary", LIMIT_FUNCTIONS);
    }
    return 0;
}

/* --- types, imports, functions --- */

static void types_write(Linker *linker, Buf *out)
{
    _cleanup_(buf_deinit) Buf section = BUF_INIT(LIMIT_MODULE_SIZE);
    buf_append_uleb(&section, linker->type_count);
    for (uint32_t i = 0; i < linker->type_count; i++) {
        const WasmFuncType *type = linker->types[i];
        buf_append_byte(&section, 0x60);
        buf_append_uleb(&section, type->param_count);
        for (uint32_t k = 0; k < type->param_count + type->result_count; k++) {
            if (k == type->param_count) {
                buf_append_uleb(&section, type->result_count);
            }
            buf_append_byte(&section, (uint8_t)type->types[k]);
        }
        if (type->result_count == 0) {
            buf_append_byte(&section, 0);
        }
    }
    link_section_write(out, 1, &section);
}

static void imports_write(Linker *linker, Buf *out)
{
    if (linker->import_count == 0) {
        return;
    }
    _cleanup_(buf_deinit) Buf section = BUF_INIT(LIMIT_MODULE_SIZE);
    buf_append_uleb(&section, linker->import_count);
    for (uint32_t i = 0; i < linker->import_count; i++) {
        const LinkImport *import = &linker->imports[i];
        name_write(&section, import->module.bytes, import->module.size);
        name_write(&section, import->name.bytes, import->name.size);
        buf_append_byte(&section, WASM_EXTERN_FUNC);
        buf_append_uleb(&section, import->type);
    }
    link_section_write(out, 2, &section);
}

static void functions_write(Linker *linker, uint32_t stub_type, Buf *out)
{
    _cleanup_(buf_deinit) Buf section = BUF_INIT(LIMIT_MODULE_SIZE);
    buf_append_uleb(&section, (uint64_t)linker->defined_count + linker->entries.count);
    for (uint32_t i = 0; i < linker->defined_count; i++) {
        buf_append_uleb(&section, linker->funcs[linker->defined_leader[i]].type);
    }
    for (uint32_t i = 0; i < linker->entries.count; i++) {
        buf_append_uleb(&section, stub_type);
    }
    link_section_write(out, 3, &section);
}

/* --- table, memory, tags, globals, exports --- */

/* The limits that hold every program: largest minimum, largest maximum (none when one has none). */
static void limits_merge(WasmLimits *merged, const WasmLimits *limits, bool is_first)
{
    merged->has_maximum = limits->has_maximum && (is_first || merged->has_maximum);
    merged->minimum = limits->minimum > merged->minimum ? limits->minimum : merged->minimum;
    if (limits->has_maximum && limits->maximum > merged->maximum) {
        merged->maximum = limits->maximum;
    }
    merged->is_shared |= limits->is_shared;
}

static void limits_write(Buf *section, const WasmLimits *limits)
{
    buf_append_byte(section, (uint8_t)((limits->has_maximum ? 1 : 0) | (limits->is_shared ? 2 : 0)));
    buf_append_uleb(section, limits->minimum);
    if (limits->has_maximum) {
        buf_append_uleb(section, limits->maximum);
    }
}

static void table_write(Linker *linker, Buf *out)
{
    WasmLimits merged = {0};
    bool have_table = false;
    for (uint32_t i = 0; i < linker->program_count; i++) {
        const WasmModule *module = linker->programs[i].module;
        if (module->table_count > 0) {
            limits_merge(&merged, &module->tables[0].limits, !have_table);
            have_table = true;
        }
    }
    if (!have_table) {
        return;
    }
    _cleanup_(buf_deinit) Buf section = BUF_INIT(LIMIT_MODULE_SIZE);
    buf_append_byte(&section, 1);
    buf_append_byte(&section, WASM_FUNCREF);
    limits_write(&section, &merged);
    link_section_write(out, 4, &section);
}

/* There is always one: embedders look for the export "memory". */
static void memory_write(Linker *linker, Buf *out)
{
    WasmLimits merged = {0};
    bool have_memory = false;
    for (uint32_t i = 0; i < linker->program_count; i++) {
        const WasmModule *module = linker->programs[i].module;
        if (module->memory_count > 0) {
            limits_merge(&merged, &module->memories[0].limits, !have_memory);
            have_memory = true;
        }
    }
    if (!have_memory || (merged.is_shared && !merged.has_maximum)) {
        merged.maximum = have_memory ? LINK_PAGES_MAXIMUM : 0; /* a shared memory must have a maximum */
        merged.has_maximum = true;
    }
    _cleanup_(buf_deinit) Buf section = BUF_INIT(LIMIT_MODULE_SIZE);
    buf_append_byte(&section, 1);
    limits_write(&section, &merged);
    link_section_write(out, 5, &section);
}

static void tags_write(Linker *linker, Buf *out)
{
    if (linker->tag_count == 0) {
        return;
    }
    _cleanup_(buf_deinit) Buf section = BUF_INIT(LIMIT_MODULE_SIZE);
    buf_append_uleb(&section, linker->tag_count);
    for (uint32_t i = 0; i < linker->tag_count; i++) {
        buf_append_byte(&section, 0);
        buf_append_uleb(&section, linker->tags[i].type);
    }
    link_section_write(out, 13, &section);
}

static void globals_write(Linker *linker, Buf *out)
{
    static const uint64_t zero[2] = {0, 0};
    if (linker->global_count == 0) {
        return;
    }
    _cleanup_(buf_deinit) Buf section = BUF_INIT(LIMIT_MODULE_SIZE);
    buf_append_uleb(&section, linker->global_count);
    for (uint32_t i = 0; i < linker->global_count; i++) {
        buf_append_byte(&section, (uint8_t)linker->globals[i].type);
        buf_append_byte(&section, 1);
        entries_const_write(linker->globals[i].type, zero, &section);
        buf_append_byte(&section, 0x0b);
    }
    link_section_write(out, 6, &section);
}

static void export_write(Buf *section, const char *prefix, const char *name, WasmExternKind kind, uint32_t index)
{
    buf_append_uleb(section, strlen(prefix) + strlen(name));
    buf_append_string(section, prefix);
    buf_append_string(section, name);
    buf_append_byte(section, (uint8_t)kind);
    buf_append_uleb(section, index);
}

static void exports_write(Linker *linker, Buf *out)
{
    _cleanup_(buf_deinit) Buf section = BUF_INIT(LIMIT_MODULE_SIZE);
    uint32_t count = 1 + linker->entries.count;
    for (uint32_t i = 0; i < linker->entries.count; i++) {
        count += linker->entries.entries[i].thread_func != LINK_NONE ? 1 : 0;
    }
    buf_append_uleb(&section, count);
    export_write(&section, "memory", "", WASM_EXTERN_MEMORY, 0);
    for (uint32_t i = 0; i < linker->entries.count; i++) {
        const MegaEntry *entry = &linker->entries.entries[i];
        export_write(&section, "entry:", entry->name, WASM_EXTERN_FUNC, entry->stub_func);
        if (entry->thread_func != LINK_NONE) {
            export_write(&section, "thread:", entry->name, WASM_EXTERN_FUNC, entry->thread_func);
        }
    }
    link_section_write(out, 7, &section);
}

/* --- segments --- */

static void elem_write(Buf *section, const LinkElem *elem)
{
    bool have_null = elem->type != WASM_FUNCREF;
    for (uint32_t i = 0; i < elem->count; i++) {
        have_null |= elem->items[i] == 0;
    }
    buf_append_byte(section, have_null ? 5 : 1);                        /* passive: of expressions, of functions */
    buf_append_byte(section, have_null ? (uint8_t)elem->type : 0);
    buf_append_uleb(section, elem->count);
    for (uint32_t i = 0; i < elem->count; i++) {
        if (have_null) {
            const uint64_t value[2] = {elem->items[i], 0};
            entries_const_write(elem->type, value, section);
            buf_append_byte(section, 0x0b);
        } else {
            buf_append_uleb(section, elem->items[i] - 1);
        }
    }
}

/* Functions that ref.func names must occur outside of code (wasm core 3.4.10, C.refs). */
static int declarations_make(Linker *linker, bool **ret_is_declared, uint32_t *ret_count)
{
    bool *is_declared = arena_new_array(&linker->arena, (size_t)linker->import_count + linker->defined_count, bool);
    if (!is_declared) {
        return -ENOMEM;
    }
    *ret_count = 0;
    for (uint32_t node = 0; node < linker->func_count; node++) {
        if (linker->funcs[node].is_reached && linker->funcs[node].is_declared) {
            bool *slot = &is_declared[link_func_index(linker, node)];
            *ret_count += *slot ? 0 : 1;
            *slot = true;
        }
    }
    *ret_is_declared = is_declared;
    return 0;
}

static int elems_write(Linker *linker, Buf *out)
{
    bool *is_declared;
    uint32_t declared_count;
    const int r = declarations_make(linker, &is_declared, &declared_count);
    if (r < 0 || linker->elem_count + declared_count == 0) {
        return r;
    }
    _cleanup_(buf_deinit) Buf section = BUF_INIT(LIMIT_MODULE_SIZE);
    buf_append_uleb(&section, (uint64_t)linker->elem_count + (declared_count ? 1 : 0));
    for (uint32_t i = 0; i < linker->elem_count; i++) {
        elem_write(&section, &linker->elems[i]);
    }
    if (declared_count > 0) {
        buf_append(&section, "\x03\x00", 2); /* declarative, of functions */
        buf_append_uleb(&section, declared_count);
        for (uint32_t i = 0; i < linker->import_count + linker->defined_count; i++) {
            if (is_declared[i]) {
                buf_append_uleb(&section, i);
            }
        }
    }
    link_section_write(out, 9, &section);
    return 0;
}

static void data_count_write(Linker *linker, Buf *out)
{
    if (linker->data_count > 0) {
        buf_append_byte(out, 12);
        buf_append_uleb(out, uleb_size(linker->data_count));
        buf_append_uleb(out, linker->data_count);
    }
}

static void data_write(Linker *linker, Buf *out)
{
    if (linker->data_count == 0) {
        return;
    }
    uint64_t size = uleb_size(linker->data_count);
    for (uint32_t i = 0; i < linker->data_count; i++) {
        size += 1 + uleb_size(linker->datas[i].bytes.size) + linker->datas[i].bytes.size;
    }
    buf_append_byte(out, 11);
    buf_append_uleb(out, size);
    buf_append_uleb(out, linker->data_count);
    for (uint32_t i = 0; i < linker->data_count; i++) {
        buf_append_byte(out, 1); /* passive */
        name_write(out, linker->datas[i].bytes.bytes, linker->datas[i].bytes.size);
    }
}

/* --- code --- */

static uint64_t body_size(const Linker *linker, const LinkFunc *func)
{
    uint64_t size = func->code_size;
    const LinkEdge *edges = link_edges(linker, func);
    for (uint32_t i = 0; i < func->edge_count; i++) {
        size += uleb_size(link_func_index(linker, edges[i].target));
    }
    return size;
}

static void body_write(const Linker *linker, const LinkFunc *func, Buf *out)
{
    const uint8_t *code = linker->code.bytes + func->code_offset;
    const LinkEdge *edges = link_edges(linker, func);
    uint32_t position = 0;
    for (uint32_t i = 0; i < func->edge_count; i++) {
        must(edges[i].position >= position && edges[i].position <= func->code_size);
        buf_append(out, code + position, edges[i].position - position);
        buf_append_uleb(out, link_func_index(linker, edges[i].target));
        position = edges[i].position;
    }
    buf_append(out, code + position, func->code_size - position);
}

static int stub_context_make(Linker *linker, EntryStubContext *ret_context)
{
    WasmValType *global_types = arena_new_array(&linker->arena, linker->global_count, WasmValType);
    uint64_t *data_sizes = arena_new_array(&linker->arena, linker->data_count, uint64_t);
    uint32_t *elem_counts = arena_new_array(&linker->arena, linker->elem_count, uint32_t);
    const uint32_t **elem_items = arena_array(&linker->arena, linker->elem_count, sizeof(*elem_items));
    if (!global_types || !data_sizes || !elem_counts || !elem_items) {
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < linker->global_count; i++) {
        global_types[i] = linker->globals[i].type;
    }
    for (uint32_t i = 0; i < linker->data_count; i++) {
        data_sizes[i] = linker->datas[i].bytes.size;
    }
    for (uint32_t i = 0; i < linker->elem_count; i++) {
        elem_counts[i] = linker->elems[i].count;
        elem_items[i] = linker->elems[i].items;
    }
    *ret_context = (EntryStubContext){global_types, data_sizes, elem_counts, elem_items};
    return 0;
}

/* The stubs as they stand in the code section, each with its size. */
static int stubs_make(Linker *linker, Buf *stubs)
{
    EntryStubContext context;
    const int r = stub_context_make(linker, &context);
    if (r < 0) {
        return r;
    }
    _cleanup_(buf_deinit) Buf stub = BUF_INIT(LIMIT_BODY_SIZE);
    for (uint32_t i = 0; i < linker->entries.count; i++) {
        buf_clear(&stub);
        entries_stub_write(&linker->entries.entries[i], &context, &stub);
        if (buf_error(&stub) == -E2BIG) {
            return error_set(linker->err, E2BIG, "entry %s: start stub over the limit", linker->entries.entries[i].name);
        }
        if (buf_error(&stub) < 0) {
            return buf_error(&stub);
        }
        name_write(stubs, stub.bytes, stub.size);
    }
    return buf_error(stubs);
}

static int code_write(Linker *linker, Buf *out)
{
    _cleanup_(buf_deinit) Buf stubs = BUF_INIT(LIMIT_MODULE_SIZE);
    int r = stubs_make(linker, &stubs);
    if (r < 0) {
        return r;
    }
    uint64_t size = uleb_size((uint64_t)linker->defined_count + linker->entries.count) + stubs.size;
    for (uint32_t i = 0; i < linker->defined_count; i++) {
        const uint64_t one = body_size(linker, &linker->funcs[linker->defined_leader[i]]);
        if (one > LIMIT_BODY_SIZE) {
            return error_set(linker->err, E2BIG, "a function grows over the limit of %u bytes", LIMIT_BODY_SIZE);
        }
        size += uleb_size(one) + one;
    }
    if (size > LIMIT_MODULE_SIZE) {
        return error_set(linker->err, E2BIG, "the megabinary's code is over the limit of %u bytes", LIMIT_MODULE_SIZE);
    }
    buf_append_byte(out, 10);
    buf_append_uleb(out, size);
    const size_t start = out->size;
    r = buf_reserve(out, size);
    if (r < 0) {
        return r;
    }
    buf_append_uleb(out, (uint64_t)linker->defined_count + linker->entries.count);
    for (uint32_t i = 0; i < linker->defined_count; i++) {
        const LinkFunc *func = &linker->funcs[linker->defined_leader[i]];
        buf_append_uleb(out, body_size(linker, func));
        body_write(linker, func, out);
    }
    buf_append(out, stubs.bytes, stubs.size);
    must(buf_error(out) < 0 || out->size - start == size);
    return buf_error(out);
}

static void folded_count(Linker *linker)
{
    for (uint32_t node = 0; node < linker->func_count; node++) {
        const LinkFunc *func = &linker->funcs[node];
        if (func->is_reached && func->import == LINK_NONE && linker->class_leader[func->class_index] != node) {
            linker->folded_size += body_size(linker, func);
        }
    }
}

static void entries_section_write(Linker *linker, Buf *out)
{
    _cleanup_(buf_deinit) Buf section = BUF_INIT(LIMIT_MODULE_SIZE);
    name_write(&section, ENTRIES_SECTION_NAME, strlen(ENTRIES_SECTION_NAME));
    entries_write(&linker->entries, &section);
    link_section_write(out, 0, &section);
}

int link_emit(Linker *linker, Buf *out)
{
    static const WasmValType no_types[1]; /* not NULL: wasm_func_type_equals() hands it to memcmp() */
    static const WasmFuncType stub_func_type = {.types = no_types};
    uint32_t stub_type;
    int r = link_type_add(linker, &stub_func_type, &stub_type);
    if (r < 0) {
        return r;
    }
    const size_t start = out->size;
    buf_append(out, "\0asm\1\0\0\0", 8);
    types_write(linker, out);
    imports_write(linker, out);
    functions_write(linker, stub_type, out);
    table_write(linker, out);
    memory_write(linker, out);
    tags_write(linker, out);
    globals_write(linker, out);
    exports_write(linker, out);
    r = elems_write(linker, out);
    data_count_write(linker, out);
    r = r < 0 ? r : code_write(linker, out);
    data_write(linker, out);
    entries_section_write(linker, out);
    folded_count(linker);
    r = r < 0 ? r : link_names_write(linker, out);
    r = r < 0 ? r : link_lines_write(linker, start, out);
    return r < 0 ? r : buf_error(out);
}
