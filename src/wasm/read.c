/* SPDX-License-Identifier: Apache-2.0 */
/*
 * read.c - bytes to WasmModule: one function per grammar symbol of wasm core 5.5, position threaded explicitly.
 *
 *     module -> section* -> types imports funcs tables memories tags globals exports start | elements codes datas
 *                                                                                          ` read-segments.c
 * An index space puts imports first, so its array is made when its own section comes (space_new), or after the last
 * section when there is none. Every array's size is a count that was compared with the bytes that are left, so memory
 * is bounded by the input's size times a small constant, and by the arena.
 */
#include <errno.h>
#include <string.h>

#include "base/must.h"
#include "wasm/read-int.h"

enum { /* section ids (5.5.2) */
    SECTION_CUSTOM,
    SECTION_TYPE,
    SECTION_IMPORT,
    SECTION_FUNC,
    SECTION_TABLE,
    SECTION_MEMORY,
    SECTION_GLOBAL,
    SECTION_EXPORT,
    SECTION_START,
    SECTION_ELEMENT,
    SECTION_CODE,
    SECTION_DATA,
    SECTION_DATA_COUNT,
    SECTION_TAG,
    _SECTION_N
};

int wasm_reader_no_memory(const Reader *reader)
{
    return error_set(reader->bytes.err, ENOMEM, "out of memory");
}

int wasm_reader_count(const Reader *reader, size_t *position, uint32_t limit, uint32_t item_size, const char *what,
                      uint32_t *ret_count)
{
    const size_t start = *position;
    const int r = wasm_u32_read(&reader->bytes, position, ret_count);

    if (r < 0)
        return r;
    must(item_size > 0);
    if (*ret_count > (reader->bytes.end - *position) / item_size)
        return wasm_bytes_error(&reader->bytes, start, EBADMSG, "%u %s: unexpected end of section or function", *ret_count, what);
    if (*ret_count > limit)
        return wasm_bytes_error(&reader->bytes, start, E2BIG, "%u %s, the limit is %u", *ret_count, what, limit);
    return 0;
}

int wasm_reader_expr(const Reader *reader, size_t *position, WasmConstExpr *ret_expr)
{
    const size_t start = *position;
    size_t at = start;
    uint32_t depth = 0; /* of blocks: the validator refuses them, but an expression ends at its own end */
    WasmInstr instr;

    for (;;) {
        const int r = wasm_instr_decode(&reader->bytes, at, &instr);
        if (r < 0)
            return r;
        at = instr.end;
        if (instr.imm == WASM_IMM_BLOCK || instr.imm == WASM_IMM_TRY_TABLE) {
            depth++;
        } else if (instr.opcode == 0x0b) { /* end */
            if (depth == 0)
                break;
            depth--;
        }
    }
    ret_expr->code = (WasmSlice){.bytes = reader->bytes.bytes + start, .size = at - start};
    ret_expr->offset = reader->bytes.offset + start;
    *position = at;
    return 0;
}

/* vec(valtype) into the type buffer from index used on */
static int types_read(Reader *reader, size_t *position, uint32_t used, uint32_t limit, const char *what,
                      uint32_t *ret_count)
{
    int r = wasm_reader_count(reader, position, limit, 1, what, ret_count);

    for (uint32_t i = 0; r >= 0 && i < *ret_count; i++)
        r = wasm_value_type_read(&reader->bytes, position, &reader->type_buffer[used + i]);
    return r;
}

/* functype 5.3.6, after its form */
static int func_type_read(Reader *reader, size_t *position, WasmFuncType *ret_type)
{
    int r = types_read(reader, position, 0, LIMIT_PARAMS, "parameters", &ret_type->param_count);

    if (r < 0)
        return r;
    r = types_read(reader, position, ret_type->param_count, LIMIT_RESULTS, "results", &ret_type->result_count);
    if (r < 0)
        return r;
    const size_t count = ret_type->param_count + ret_type->result_count;
    WasmValType *types = arena_new_array(reader->arena, count, WasmValType);
    if (!types)
        return wasm_reader_no_memory(reader);
    memcpy(types, reader->type_buffer, count * sizeof(*types));
    ret_type->types = types;
    return 0;
}

enum { FORM_FUNC = 0x60, FORM_STRUCT = 0x5f, FORM_ARRAY = 0x5e, FORM_SUB = 0x50, FORM_SUB_FINAL = 0x4f, FORM_REC = 0x4e };

/* subtype: a function type, which is the short form of `sub final` without supertypes. Others belong to garbage collection. */
static int sub_type_read(Reader *reader, size_t *position, WasmFuncType *ret_type)
{
    const size_t start = *position;
    uint8_t form = 0;
    uint32_t super_count = 0;
    int r = wasm_byte_read(&reader->bytes, position, &form);

    if (r >= 0 && form == FORM_SUB_FINAL) {
        r = wasm_u32_read(&reader->bytes, position, &super_count);
        if (r >= 0 && super_count == 0)
            r = wasm_byte_read(&reader->bytes, position, &form);
    }
    if (r < 0)
        return r;
    if (form == FORM_STRUCT || form == FORM_ARRAY || form == FORM_SUB || form == FORM_SUB_FINAL)
        return wasm_bytes_error(&reader->bytes, start, ENOTSUP, "type form %02x: %s", form, WASM_GC_REFUSED);
    if (form != FORM_FUNC)
        return wasm_bytes_error(&reader->bytes, start, EBADMSG, "malformed function type: integer representation too long");
    return func_type_read(reader, position, ret_type);
}

/* Room for count more types; the array grows in the arena. */
static int types_reserve(Reader *reader, uint32_t count)
{
    WasmModule *module = reader->module;
    const uint64_t wanted = (uint64_t)module->type_count + count;
    uint64_t capacity = reader->type_capacity * 2ull > wanted ? reader->type_capacity * 2ull : wanted;

    if (wanted > LIMIT_TYPES)
        return error_set(reader->bytes.err, E2BIG, "more than %u types", LIMIT_TYPES);
    if (wanted <= reader->type_capacity)
        return 0;
    capacity = capacity > LIMIT_TYPES ? LIMIT_TYPES : capacity;
    WasmFuncType *types = arena_new_array(reader->arena, (size_t)capacity, WasmFuncType);
    if (!types)
        return wasm_reader_no_memory(reader);
    if (module->type_count)
        memcpy(types, module->types, module->type_count * sizeof(*types));
    module->types = types;
    reader->type_capacity = (uint32_t)capacity;
    return 0;
}

/* rectype: one type, or a group of types that may name each other (3.0) */
static int rec_type_read(Reader *reader, size_t *position)
{
    WasmModule *module = reader->module;
    const uint32_t first = module->type_count;
    const uint8_t form = *position < reader->bytes.end ? reader->bytes.bytes[*position] : 0;
    uint32_t count = 1;
    int r = 0;

    if (form == FORM_REC) {
        (*position)++;
        r = wasm_reader_count(reader, position, LIMIT_TYPES, 1, "types", &count);
    }
    if (r >= 0)
        r = types_reserve(reader, count);
    for (uint32_t i = 0; r >= 0 && i < count; i++) {
        WasmFuncType *type = (WasmFuncType *)&module->types[first + i];
        if (form != FORM_FUNC)
            *type = (WasmFuncType){.group_first = first, .group_count = count};
        r = sub_type_read(reader, position, type);
        module->type_count++;
    }
    return r;
}

static int type_section_read(Reader *reader, size_t *position)
{
    uint32_t count;
    int r = wasm_reader_count(reader, position, LIMIT_TYPES, 1, "types", &count);

    if (r >= 0)
        r = types_reserve(reader, count);
    for (uint32_t i = 0; r >= 0 && i < count; i++)
        r = rec_type_read(reader, position);
    return r < 0 ? r : 0;
}

/* The custom-page-sizes proposal: log2 of the page's bytes. What no u64 can hold is malformed, what is neither 1 nor 64 KiB invalid. */
static int page_size_read(const Reader *reader, size_t *position, WasmLimits *limits)
{
    const size_t start = *position;
    uint32_t log2;
    const int r = wasm_u32_read(&reader->bytes, position, &log2);

    if (r < 0)
        return r;
    if (log2 >= 64)
        return wasm_bytes_error(&reader->bytes, start, EBADMSG, "a page of 2^%u bytes: invalid custom page size", log2);
    limits->page_size_log2 = (uint8_t)log2;
    return 0;
}

/*
 * A bound of 32-bit limits: what its five bytes can hold beyond 32 bits is malformed in 2.0 and a size out of range in 3.0: the
 * validator knows which.
 */
static int bound_read(const Reader *reader, size_t *position, uint64_t *ret_value)
{
    size_t at = *position;
    uint32_t value32;

    if (wasm_u64_read(&reader->bytes, &at, ret_value) >= 0 && at - *position <= 5) {
        *position = at;
        return 0;
    }
    return wasm_u32_read(&reader->bytes, position, &value32); /* too long, or nothing there: says so */
}

/* limits 5.3.7. Flags: bit 0 maximum, bit 1 shared, bit 2 64 bit, bit 3 custom page size. */
static int limits_read(const Reader *reader, size_t *position, bool is_table, WasmLimits *ret_limits)
{
    const size_t start = *position;
    uint8_t flags = 0;
    int r = wasm_byte_read(&reader->bytes, position, &flags);

    if (r < 0)
        return r;
    if (flags & 0x80u)
        return wasm_bytes_error(&reader->bytes, start, EBADMSG, "malformed limits flags: integer representation too long");
    if (flags > 15 || (is_table && (flags & 10u)))
        return wasm_bytes_error(&reader->bytes, start, EBADMSG, "malformed limits flags: integer too large");
    *ret_limits = (WasmLimits){
        .maximum = UINT64_MAX, .has_maximum = flags & 1u, .is_shared = flags & 2u, .is_64 = flags & 4u, .has_page_size = flags & 8u};
    for (int i = 0; i < (ret_limits->has_maximum ? 2 : 1); i++) {
        uint64_t *value = i == 0 ? &ret_limits->minimum : &ret_limits->maximum;
        if (ret_limits->is_64) {
            r = wasm_u64_read(&reader->bytes, position, value);
        } else {
            r = bound_read(reader, position, value);
        }
        if (r < 0)
            return r;
    }
    return ret_limits->has_page_size ? page_size_read(reader, position, ret_limits) : 0;
}

/* tabletype 5.3.9 */
static int table_type_read(const Reader *reader, size_t *position, WasmTable *ret_table)
{
    const int r = wasm_ref_type_read(&reader->bytes, position, &ret_table->type);

    return r < 0 ? r : limits_read(reader, position, true, &ret_table->limits);
}

/* globaltype 5.3.10 */
static int global_type_read(const Reader *reader, size_t *position, WasmGlobal *ret_global)
{
    int r = wasm_value_type_read(&reader->bytes, position, &ret_global->type);
    if (r < 0)
        return r;
    const size_t start = *position;
    uint8_t mutability = 0;
    r = wasm_byte_read(&reader->bytes, position, &mutability);
    if (r < 0)
        return r;
    if (mutability > 1)
        return wasm_bytes_error(&reader->bytes, start, EBADMSG, "malformed mutability");
    ret_global->is_mutable = mutability == 1;
    return 0;
}

/* tagtype: attribute 0 (exception), type index */
static int tag_type_read(const Reader *reader, size_t *position, uint32_t *ret_type_index)
{
    const size_t start = *position;
    uint8_t attribute = 0;
    const int r = wasm_byte_read(&reader->bytes, position, &attribute);

    if (r < 0)
        return r;
    if (attribute != 0)
        return wasm_bytes_error(&reader->bytes, start, EBADMSG, "malformed tag attribute");
    return wasm_u32_read(&reader->bytes, position, ret_type_index);
}

/* importdesc 5.5.5 */
static int import_desc_read(const Reader *reader, size_t *position, WasmExternKind *ret_kind, ImportDesc *ret_desc)
{
    const size_t start = *position;
    uint8_t kind = 0;
    const int r = wasm_byte_read(&reader->bytes, position, &kind);

    if (r < 0)
        return r;
    if (kind >= _WASM_EXTERN_N)
        return wasm_bytes_error(&reader->bytes, start, EBADMSG, "malformed import kind");
    *ret_kind = (WasmExternKind)kind;
    switch (*ret_kind) {
    case WASM_EXTERN_FUNC:
        return wasm_u32_read(&reader->bytes, position, &ret_desc->type_index);
    case WASM_EXTERN_TABLE:
        ret_desc->table.is_imported = true;
        return table_type_read(reader, position, &ret_desc->table);
    case WASM_EXTERN_MEMORY:
        ret_desc->memory.is_imported = true;
        return limits_read(reader, position, false, &ret_desc->memory.limits);
    case WASM_EXTERN_GLOBAL:
        ret_desc->global.is_imported = true;
        return global_type_read(reader, position, &ret_desc->global);
    default:
        return tag_type_read(reader, position, &ret_desc->type_index);
    }
}

/* How many of a kind are imported (and so far in its index space). */
static uint32_t *imported_count(WasmModule *module, WasmExternKind kind)
{
    switch (kind) {
    case WASM_EXTERN_FUNC:
        return &module->imported_func_count;
    case WASM_EXTERN_TABLE:
        return &module->imported_table_count;
    case WASM_EXTERN_MEMORY:
        return &module->imported_memory_count;
    case WASM_EXTERN_GLOBAL:
        return &module->imported_global_count;
    default:
        return &module->imported_tag_count;
    }
}

static int import_section_read(Reader *reader, size_t *position)
{
    WasmModule *module = reader->module;
    int r = wasm_reader_count(reader, position, LIMIT_IMPORTS, 4, "imports", &module->import_count);

    if (r < 0)
        return r;
    WasmImport *imports = arena_new_array(reader->arena, module->import_count, WasmImport);
    reader->import_descs = arena_new_array(reader->arena, module->import_count, ImportDesc);
    if (!imports || !reader->import_descs)
        return wasm_reader_no_memory(reader);
    for (uint32_t i = 0; i < module->import_count; i++) {
        r = wasm_name_read(&reader->bytes, position, &imports[i].module);
        if (r >= 0)
            r = wasm_name_read(&reader->bytes, position, &imports[i].name);
        if (r >= 0)
            r = import_desc_read(reader, position, &imports[i].kind, &reader->import_descs[i]);
        if (r < 0)
            return r;
        imports[i].index = (*imported_count(module, imports[i].kind))++;
    }
    module->imports = imports;
    return 0;
}

/* The array of an index space, imports filled in. Return in *ret_items; counts are set in the module. */
static int space_new(Reader *reader, WasmExternKind kind, uint32_t defined_count)
{
    WasmModule *module = reader->module;
    const uint32_t count = *imported_count(module, kind) + defined_count; /* both are limited far below 2^31 */
    void *items;

    must(!reader->has_space[kind]);
    reader->has_space[kind] = true;
    switch (kind) {
    case WASM_EXTERN_FUNC:
        module->funcs = reader->funcs = items = arena_new_array(reader->arena, count, WasmFunc);
        module->func_count = count;
        break;
    case WASM_EXTERN_TABLE:
        module->tables = items = arena_new_array(reader->arena, count, WasmTable);
        module->table_count = count;
        break;
    case WASM_EXTERN_MEMORY:
        module->memories = items = arena_new_array(reader->arena, count, WasmMemory);
        module->memory_count = count;
        break;
    case WASM_EXTERN_GLOBAL:
        module->globals = items = arena_new_array(reader->arena, count, WasmGlobal);
        module->global_count = count;
        break;
    default:
        module->tags = items = arena_new_array(reader->arena, count, WasmTag);
        module->tag_count = count;
        break;
    }
    if (!items)
        return wasm_reader_no_memory(reader);
    for (uint32_t i = 0, at = 0; i < module->import_count; i++) {
        const ImportDesc *desc = &reader->import_descs[i];
        if (module->imports[i].kind != kind)
            continue;
        if (kind == WASM_EXTERN_FUNC)
            ((WasmFunc *)items)[at++] = (WasmFunc){.type_index = desc->type_index, .is_imported = true, .import_index = i};
        else if (kind == WASM_EXTERN_TABLE)
            ((WasmTable *)items)[at++] = desc->table;
        else if (kind == WASM_EXTERN_MEMORY)
            ((WasmMemory *)items)[at++] = desc->memory;
        else if (kind == WASM_EXTERN_GLOBAL)
            ((WasmGlobal *)items)[at++] = desc->global;
        else
            ((WasmTag *)items)[at++] = (WasmTag){.type_index = desc->type_index, .is_imported = true};
    }
    return 0;
}

static int func_section_read(Reader *reader, size_t *position)
{
    uint32_t count;
    int r = wasm_reader_count(reader, position, LIMIT_FUNCTIONS, 1, "functions", &count);

    if (r >= 0)
        r = space_new(reader, WASM_EXTERN_FUNC, count);
    if (r < 0)
        return r;
    for (uint32_t i = reader->module->imported_func_count; i < reader->module->func_count; i++) {
        r = wasm_u32_read(&reader->bytes, position, &reader->funcs[i].type_index);
        if (r < 0)
            return r;
    }
    return 0;
}

/* table: a type, or 0x40 0x00, a type and an initialiser (3.0) */
static int table_read(const Reader *reader, size_t *position, WasmTable *table)
{
    if (*position < reader->bytes.end && reader->bytes.bytes[*position] == 0x40) {
        uint8_t zero = 0;
        (*position)++;
        int r = wasm_byte_read(&reader->bytes, position, &zero);
        if (r < 0)
            return r;
        if (zero != 0)
            return wasm_bytes_error(&reader->bytes, *position - 1, EBADMSG, "malformed table: zero byte expected");
        table->has_init = true;
        r = table_type_read(reader, position, table);
        return r < 0 ? r : wasm_reader_expr(reader, position, &table->init);
    }
    return table_type_read(reader, position, table);
}

static int table_section_read(Reader *reader, size_t *position)
{
    WasmModule *module = reader->module;
    uint32_t count;
    int r = wasm_reader_count(reader, position, LIMIT_TABLES, 3, "tables", &count);

    if (r >= 0)
        r = space_new(reader, WASM_EXTERN_TABLE, count);
    if (r < 0)
        return r;
    WasmTable *tables = (WasmTable *)module->tables;
    for (uint32_t i = module->imported_table_count; i < module->table_count; i++) {
        r = table_read(reader, position, &tables[i]);
        if (r < 0)
            return r;
    }
    return 0;
}

static int memory_section_read(Reader *reader, size_t *position)
{
    WasmModule *module = reader->module;
    uint32_t count;
    int r = wasm_reader_count(reader, position, LIMIT_MEMORIES, 2, "memories", &count);

    if (r >= 0)
        r = space_new(reader, WASM_EXTERN_MEMORY, count);
    if (r < 0)
        return r;
    WasmMemory *memories = (WasmMemory *)module->memories;
    for (uint32_t i = module->imported_memory_count; i < module->memory_count; i++) {
        r = limits_read(reader, position, false, &memories[i].limits);
        if (r < 0)
            return r;
    }
    return 0;
}

static int tag_section_read(Reader *reader, size_t *position)
{
    WasmModule *module = reader->module;
    uint32_t count;
    int r = wasm_reader_count(reader, position, LIMIT_TAGS, 2, "tags", &count);

    if (r >= 0)
        r = space_new(reader, WASM_EXTERN_TAG, count);
    if (r < 0)
        return r;
    WasmTag *tags = (WasmTag *)module->tags;
    for (uint32_t i = module->imported_tag_count; i < module->tag_count; i++) {
        r = tag_type_read(reader, position, &tags[i].type_index);
        if (r < 0)
            return r;
    }
    return 0;
}

static int global_section_read(Reader *reader, size_t *position)
{
    WasmModule *module = reader->module;
    uint32_t count;
    int r = wasm_reader_count(reader, position, LIMIT_GLOBALS, 3, "globals", &count);

    if (r >= 0)
        r = space_new(reader, WASM_EXTERN_GLOBAL, count);
    if (r < 0)
        return r;
    WasmGlobal *globals = (WasmGlobal *)module->globals;
    for (uint32_t i = module->imported_global_count; i < module->global_count; i++) {
        r = global_type_read(reader, position, &globals[i]);
        if (r >= 0)
            r = wasm_reader_expr(reader, position, &globals[i].init);
        if (r < 0)
            return r;
    }
    return 0;
}

static int export_section_read(Reader *reader, size_t *position)
{
    WasmModule *module = reader->module;
    int r = wasm_reader_count(reader, position, LIMIT_EXPORTS, 3, "exports", &module->export_count);

    if (r < 0)
        return r;
    WasmExport *exports = arena_new_array(reader->arena, module->export_count, WasmExport);
    if (!exports)
        return wasm_reader_no_memory(reader);
    for (uint32_t i = 0; i < module->export_count; i++) {
        uint8_t kind = 0;
        r = wasm_name_read(&reader->bytes, position, &exports[i].name);
        if (r >= 0)
            r = wasm_byte_read(&reader->bytes, position, &kind);
        if (r < 0)
            return r;
        if (kind >= _WASM_EXTERN_N)
            return wasm_bytes_error(&reader->bytes, *position - 1, EBADMSG, "malformed export kind");
        exports[i].kind = (WasmExternKind)kind;
        r = wasm_u32_read(&reader->bytes, position, &exports[i].index);
        if (r < 0)
            return r;
    }
    module->exports = exports;
    return 0;
}

static int start_section_read(Reader *reader, size_t *position)
{
    reader->module->has_start = true;
    return wasm_u32_read(&reader->bytes, position, &reader->module->start_func);
}

/* customsec 5.5.3: a name, then bytes for whoever knows that name */
static int custom_section_read(Reader *reader, size_t *position)
{
    WasmModule *module = reader->module;
    WasmCustom custom = {.after_section = reader->last_section};
    const size_t start = *position;
    int r = wasm_name_read(&reader->bytes, position, &custom.name);

    if (r < 0)
        return r;
    if (module->custom_count >= LIMIT_CUSTOMS) {
        return wasm_bytes_error(&reader->bytes, start, E2BIG, "more than %u custom sections", LIMIT_CUSTOMS);
    }
    custom.offset = reader->bytes.offset + *position;
    r = wasm_slice_read(&reader->bytes, position, reader->bytes.end - *position, &custom.bytes);
    if (r < 0)
        return r;
    if (module->custom_count == reader->custom_capacity) {
        const uint32_t capacity = reader->custom_capacity ? reader->custom_capacity * 2 : 16;
        WasmCustom *customs = arena_new_array(reader->arena, capacity, WasmCustom);
        if (!customs)
            return wasm_reader_no_memory(reader);
        if (module->custom_count)
            memcpy(customs, module->customs, module->custom_count * sizeof(*customs));
        module->customs = customs;
        reader->custom_capacity = capacity;
    }
    ((WasmCustom *)module->customs)[module->custom_count++] = custom;
    return 0;
}

typedef struct SectionKind {
    const char *name;
    uint8_t order; /* sections come in rising order (5.5.16); custom ones anywhere */
    int (*read)(Reader *reader, size_t *position);
} SectionKind;

static const SectionKind section_kinds[_SECTION_N] = {
    [SECTION_CUSTOM] = {"custom", 0, custom_section_read},
    [SECTION_TYPE] = {"type", 1, type_section_read},
    [SECTION_IMPORT] = {"import", 2, import_section_read},
    [SECTION_FUNC] = {"function", 3, func_section_read},
    [SECTION_TABLE] = {"table", 4, table_section_read},
    [SECTION_MEMORY] = {"memory", 5, memory_section_read},
    [SECTION_TAG] = {"tag", 6, tag_section_read},
    [SECTION_GLOBAL] = {"global", 7, global_section_read},
    [SECTION_EXPORT] = {"export", 8, export_section_read},
    [SECTION_START] = {"start", 9, start_section_read},
    [SECTION_ELEMENT] = {"element", 10, wasm_reader_elements},
    [SECTION_DATA_COUNT] = {"data count", 11, wasm_reader_data_count},
    [SECTION_CODE] = {"code", 12, wasm_reader_codes},
    [SECTION_DATA] = {"data", 13, wasm_reader_datas},
};

/* section: id, size, contents of exactly that size */
static int section_read(Reader *reader, size_t *position)
{
    const size_t module_end = reader->bytes.end;
    const size_t start = *position;
    uint8_t id = 0;
    uint32_t size;
    int r = wasm_byte_read(&reader->bytes, position, &id);

    if (r < 0)
        return r;
    if (id >= _SECTION_N)
        return wasm_bytes_error(&reader->bytes, start, EBADMSG, "section %u: malformed section id", id);
    const SectionKind *kind = &section_kinds[id];
    r = wasm_u32_read(&reader->bytes, position, &size);
    if (r < 0)
        return error_wrap(reader->bytes.err, r, "%s section", kind->name);
    if (size > module_end - *position) {
        r = wasm_bytes_error(&reader->bytes, start, EBADMSG, "length out of bounds");
        return error_wrap(reader->bytes.err, r, "%s section", kind->name);
    }
    if (id != SECTION_CUSTOM) {
        if (kind->order <= section_kinds[reader->last_section].order) {
            r = wasm_bytes_error(&reader->bytes, start, EBADMSG,
                                 "out of order or there twice: unexpected content after last section");
            return error_wrap(reader->bytes.err, r, "%s section", kind->name);
        }
        reader->last_section = id;
    }
    reader->bytes.end = *position + size;
    r = kind->read(reader, position);
    if (r >= 0 && *position != reader->bytes.end)
        r = wasm_bytes_error(&reader->bytes, *position, EBADMSG, "section size mismatch");
    reader->bytes.end = module_end;
    return r < 0 ? error_wrap(reader->bytes.err, r, "%s section", kind->name) : 0;
}

/* magic and version 5.5.16; a component has layer 1 where a module has 0 */
static int header_read(const Reader *reader, size_t *position)
{
    static const uint8_t magic[4] = {0x00, 0x61, 0x73, 0x6d};
    static const uint8_t version[4] = {0x01, 0x00, 0x00, 0x00};
    WasmSlice slice;

    if (reader->bytes.end < 4)
        return wasm_bytes_error(&reader->bytes, reader->bytes.end, EBADMSG, "no WebAssembly module: unexpected end");
    int r = wasm_slice_read(&reader->bytes, position, 4, &slice);
    if (r < 0)
        return r;
    if (memcmp(slice.bytes, magic, 4) != 0)
        return wasm_bytes_error(&reader->bytes, 0, EBADMSG, "no WebAssembly module: magic header not detected");
    if (reader->bytes.end < 8)
        return wasm_bytes_error(&reader->bytes, reader->bytes.end, EBADMSG, "unexpected end");
    r = wasm_slice_read(&reader->bytes, position, 4, &slice);
    if (r < 0)
        return r;
    if (memcmp(slice.bytes, version, 4) == 0)
        return 0;
    if (slice.bytes[2] == 1 && slice.bytes[3] == 0)
        return wasm_bytes_error(&reader->bytes, 4, ENOTSUP, "components (the component model) are not supported");
    return wasm_bytes_error(&reader->bytes, 4, EBADMSG, "unknown binary version");
}

/* What only the whole module can be wrong about, and index spaces without a section of their own. */
static int module_finish(Reader *reader)
{
    const WasmModule *module = reader->module;

    for (unsigned kind = 0; kind < _WASM_EXTERN_N; kind++) {
        if (!reader->has_space[kind]) {
            const int r = space_new(reader, (WasmExternKind)kind, 0);
            if (r < 0)
                return r;
        }
    }
    if (!reader->has_code && module->func_count != module->imported_func_count) {
        return wasm_bytes_error(&reader->bytes, reader->bytes.end, EBADMSG,
                                "function and code section have inconsistent lengths");
    }
    if (module->has_data_count && module->data_count != 0 && !module->datas) {
        return wasm_bytes_error(&reader->bytes, reader->bytes.end, EBADMSG,
                                "data count and data section have inconsistent lengths");
    }
    return 0;
}

int wasm_module_read(const uint8_t *bytes, size_t size, Arena *arena, const WasmModule **ret_module, Error *err)
{
    must(bytes || size == 0);
    if (size > LIMIT_MODULE_SIZE)
        return error_set(err, E2BIG, "a module of %zu bytes, the limit is %u", size, LIMIT_MODULE_SIZE);
    WasmModule *module = arena_new(arena, WasmModule);
    Reader *reader = arena_new(arena, Reader);
    if (!module || !reader)
        return error_set(err, ENOMEM, "out of memory");
    module->bytes = (WasmSlice){.bytes = bytes, .size = size};
    reader->bytes = (WasmBytes){.bytes = bytes, .end = size, .err = err};
    reader->arena = arena;
    reader->module = module;

    size_t position = 0;
    int r = header_read(reader, &position);
    while (r >= 0 && position < size)
        r = section_read(reader, &position);
    if (r >= 0)
        r = module_finish(reader);
    if (r < 0)
        return r;
    *ret_module = module;
    return 0;
}
