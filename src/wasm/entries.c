/* SPDX-License-Identifier: Apache-2.0 */
/*
 * entries.c - the section "recompiler.entries": write, read, check.
 *
 * The layout is in doc/formats/megabinary.md; all integers are little-endian and of fixed size. Reading has two
 * stages: parse (every byte is used, every count fits the bytes that are left) and check (what was parsed is true of
 * the module). The last check writes the start stub that the record asks for and compares it with the stub that the
 * module has: so an image baked from the record can not differ from what running the stub would have made.
 */
#include "wasm/entries.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/limits.h"
#include "base/must.h"
#include "wasm/instr.h"

#define ENTRY_FLAG_SHARED 1u
#define ENTRY_NAME_SIZE_MAX 255u
#define ENTRY_GLOBAL_SIZE 20u
#define ENTRY_DATA_SIZE 12u
#define ENTRY_ELEM_SIZE 8u
#define ENTRY_PAGES_MAX 65536u
#define ENTRY_PAGE_SIZE 65536u

bool entries_name_is_valid(const char *name, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        const char c = name[i];
        const bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!is_letter && c != '.' && c != '_' && c != '/' && c != '+' && c != '-') {
            return false;
        }
    }
    return size >= 1 && size <= ENTRY_NAME_SIZE_MAX;
}

const char *entries_abi_name(uint32_t abi)
{
    return abi == ENTRY_ABI_WALI ? "wali" : abi == ENTRY_ABI_WASI ? "wasi" : "";
}

/* --- writing --- */

void entries_write(const MegaEntries *entries, Buf *buf)
{
    buf_append_u32le(buf, ENTRIES_VERSION);
    buf_append_u32le(buf, entries->count);
    for (uint32_t i = 0; i < entries->count; i++) {
        const MegaEntry *entry = &entries->entries[i];
        const size_t name_size = strlen(entry->name);
        must(entries_name_is_valid(entry->name, name_size));
        must(i == 0 || strcmp(entries->entries[i - 1].name, entry->name) < 0);
        buf_append_u32le(buf, (uint32_t)name_size);
        buf_append(buf, entry->name, name_size);
        buf_append_u32le(buf, (uint32_t)entry->abi);
        buf_append_u32le(buf, entry->is_memory_shared ? ENTRY_FLAG_SHARED : 0);
        buf_append_u32le(buf, entry->stub_func);
        buf_append_u32le(buf, entry->start_func);
        buf_append_u32le(buf, entry->init_func);
        buf_append_u32le(buf, entry->thread_func);
        buf_append_u64le(buf, entry->memory_minimum);
        buf_append_u64le(buf, entry->memory_maximum);
        buf_append_u32le(buf, entry->table_size);
        buf_append_u32le(buf, entry->global_count);
        buf_append_u32le(buf, entry->elem_count);
        buf_append_u32le(buf, entry->data_count);
        for (uint32_t k = 0; k < entry->global_count; k++) {
            buf_append_u32le(buf, entry->globals[k].global_index);
            buf_append_u64le(buf, entry->globals[k].value[0]);
            buf_append_u64le(buf, entry->globals[k].value[1]);
        }
        for (uint32_t k = 0; k < entry->elem_count; k++) {
            buf_append_u32le(buf, entry->elems[k].elem_index);
            buf_append_u32le(buf, entry->elems[k].slot);
        }
        for (uint32_t k = 0; k < entry->data_count; k++) {
            buf_append_u32le(buf, entry->datas[k].data_index);
            buf_append_u64le(buf, entry->datas[k].address);
        }
    }
}

void entries_const_write(WasmValType type, const uint64_t value[2], Buf *buf)
{
    switch (type) {
    case WASM_I32:
        buf_append_byte(buf, 0x41);
        buf_append_sleb(buf, (int32_t)(uint32_t)value[0]);
        return;
    case WASM_I64:
        buf_append_byte(buf, 0x42);
        buf_append_sleb(buf, (int64_t)value[0]);
        return;
    case WASM_F32:
        buf_append_byte(buf, 0x43);
        buf_append_u32le(buf, (uint32_t)value[0]);
        return;
    case WASM_F64:
        buf_append_byte(buf, 0x44);
        buf_append_u64le(buf, value[0]);
        return;
    case WASM_V128:
        buf_append(buf, "\xfd\x0c", 2);
        buf_append_u64le(buf, value[0]);
        buf_append_u64le(buf, value[1]);
        return;
    default:
        if (value[0] == 0) {
            buf_append_byte(buf, 0xd0); /* ref.null: the heap type's byte is the reference type's (5.3.2) */
            buf_append_byte(buf, (uint8_t)type);
        } else {
            must(type == WASM_FUNCREF);
            buf_append_byte(buf, 0xd2);
            buf_append_uleb(buf, value[0] - 1);
        }
    }
}

static void stub_i32_const(Buf *buf, uint32_t value)
{
    buf_append_byte(buf, 0x41);
    buf_append_sleb(buf, (int32_t)value);
}

static void stub_elem_write(const EntryElem *elem, const EntryStubContext *context, Buf *buf)
{
    const uint32_t count = context->elem_counts[elem->elem_index];
    if (count > ENTRY_STUB_ITEMS) {
        stub_i32_const(buf, elem->slot);
        stub_i32_const(buf, 0);
        stub_i32_const(buf, count);
        buf_append(buf, "\xfc\x0c", 2); /* table.init */
        buf_append_uleb(buf, elem->elem_index);
        buf_append_byte(buf, 0);
        return;
    }
    for (uint32_t i = 0; i < count && !buf->error; i++) {
        const uint64_t item[2] = {context->elem_items[elem->elem_index][i], 0};
        stub_i32_const(buf, elem->slot + i);
        entries_const_write(WASM_FUNCREF, item, buf);
        buf_append(buf, "\x26\x00", 2); /* table.set */
    }
}

void entries_stub_write(const MegaEntry *entry, const EntryStubContext *context, Buf *buf)
{
    buf_append_byte(buf, 0); /* no locals */
    for (uint32_t i = 0; i < entry->global_count; i++) {
        const EntryGlobal *global = &entry->globals[i];
        entries_const_write(context->global_types[global->global_index], global->value, buf);
        buf_append_byte(buf, 0x24); /* global.set */
        buf_append_uleb(buf, global->global_index);
    }
    for (uint32_t i = 0; i < entry->elem_count && !buf->error; i++) { /* a reader's buffer is as small as the stub it has */
        stub_elem_write(&entry->elems[i], context, buf);
    }
    for (uint32_t i = 0; i < entry->data_count; i++) {
        stub_i32_const(buf, (uint32_t)entry->datas[i].address);
        stub_i32_const(buf, 0);
        stub_i32_const(buf, (uint32_t)context->data_sizes[entry->datas[i].data_index]);
        buf_append(buf, "\xfc\x08", 2); /* memory.init */
        buf_append_uleb(buf, entry->datas[i].data_index);
        buf_append_byte(buf, 0);
    }
    if (entry->init_func != UINT32_MAX) {
        buf_append_byte(buf, 0x10);
        buf_append_uleb(buf, entry->init_func);
    }
    buf_append_byte(buf, 0x10);
    buf_append_uleb(buf, entry->start_func);
    buf_append_byte(buf, 0x0b);
}

/* --- parsing --- */

typedef struct EntriesReader {
    WasmSlice bytes;
    size_t position;
    uint64_t offset; /* of bytes in the module */
    const WasmModule *module;
    Arena *arena;
    Error *err;
} EntriesReader;

#define reader_error(reader, ...) \
    error_at((reader)->err, error_set((reader)->err, EBADMSG, ENTRIES_SECTION_NAME ": " __VA_ARGS__), \
             (reader)->offset + (reader)->position)

static int read_bytes(EntriesReader *reader, size_t size, const uint8_t **ret_bytes)
{
    must(reader->position <= reader->bytes.size);
    if (size > reader->bytes.size - reader->position) {
        return reader_error(reader, "unexpected end");
    }
    *ret_bytes = reader->bytes.bytes + reader->position;
    reader->position += size;
    return 0;
}

static uint64_t bytes_le(const uint8_t *bytes, size_t size)
{
    uint64_t value = 0;
    for (size_t i = size; i > 0; i--) {
        value = value << 8 | bytes[i - 1];
    }
    return value;
}

static int read_u32(EntriesReader *reader, uint32_t *ret_value)
{
    const uint8_t *bytes;
    const int r = read_bytes(reader, 4, &bytes);
    if (r == 0) {
        *ret_value = (uint32_t)bytes_le(bytes, 4);
    }
    return r;
}

static int read_u64(EntriesReader *reader, uint64_t *ret_value)
{
    const uint8_t *bytes;
    const int r = read_bytes(reader, 8, &bytes);
    if (r == 0) {
        *ret_value = bytes_le(bytes, 8);
    }
    return r;
}

/* The bytes of an array of count items: checked to be there before anything is allocated for them. */
static int read_array(EntriesReader *reader, uint32_t count, size_t item_size, const uint8_t **ret_bytes)
{
    size_t size;
    if (__builtin_mul_overflow((size_t)count, item_size, &size)) {
        return reader_error(reader, "unexpected end");
    }
    return read_bytes(reader, size, ret_bytes);
}

static int parse_name(EntriesReader *reader, const char **ret_name)
{
    uint32_t size = 0;
    const uint8_t *bytes = NULL;
    int r = read_u32(reader, &size);
    if (r == 0) {
        r = read_bytes(reader, size, &bytes);
    }
    if (r < 0) {
        return r;
    }
    if (!entries_name_is_valid((const char *)bytes, size)) {
        return reader_error(reader, "bad entry name");
    }
    *ret_name = arena_strndup(reader->arena, (const char *)bytes, size);
    return *ret_name ? 0 : -ENOMEM;
}

static int parse_globals(EntriesReader *reader, MegaEntry *entry)
{
    const uint8_t *bytes;
    const int r = read_array(reader, entry->global_count, ENTRY_GLOBAL_SIZE, &bytes);
    if (r < 0) {
        return r;
    }
    EntryGlobal *globals = arena_new_array(reader->arena, entry->global_count, EntryGlobal);
    if (!globals) {
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < entry->global_count; i++, bytes += ENTRY_GLOBAL_SIZE) {
        globals[i] = (EntryGlobal){.global_index = (uint32_t)bytes_le(bytes, 4),
                                   .value = {bytes_le(bytes + 4, 8), bytes_le(bytes + 12, 8)}};
    }
    entry->globals = globals;
    return 0;
}

static int parse_segments(EntriesReader *reader, MegaEntry *entry)
{
    const uint8_t *bytes;
    int r = read_array(reader, entry->elem_count, ENTRY_ELEM_SIZE, &bytes);
    if (r < 0) {
        return r;
    }
    EntryElem *elems = arena_new_array(reader->arena, entry->elem_count, EntryElem);
    if (!elems) {
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < entry->elem_count; i++, bytes += ENTRY_ELEM_SIZE) {
        elems[i] = (EntryElem){.elem_index = (uint32_t)bytes_le(bytes, 4), .slot = (uint32_t)bytes_le(bytes + 4, 4)};
    }
    entry->elems = elems;
    r = read_array(reader, entry->data_count, ENTRY_DATA_SIZE, &bytes);
    if (r < 0) {
        return r;
    }
    EntryData *datas = arena_new_array(reader->arena, entry->data_count, EntryData);
    if (!datas) {
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < entry->data_count; i++, bytes += ENTRY_DATA_SIZE) {
        datas[i] = (EntryData){.data_index = (uint32_t)bytes_le(bytes, 4), .address = bytes_le(bytes + 4, 8)};
    }
    entry->datas = datas;
    return 0;
}

static int parse_entry(EntriesReader *reader, MegaEntry *entry)
{
    uint32_t abi = 0, flags = 0;
    int r = parse_name(reader, &entry->name);
    uint32_t *const head[] = {&abi, &flags, &entry->stub_func, &entry->start_func, &entry->init_func, &entry->thread_func};
    for (size_t i = 0; r == 0 && i < sizeof(head) / sizeof(head[0]); i++) {
        r = read_u32(reader, head[i]);
    }
    if (r == 0) {
        r = read_u64(reader, &entry->memory_minimum);
    }
    if (r == 0) {
        r = read_u64(reader, &entry->memory_maximum);
    }
    uint32_t *const counts[] = {&entry->table_size, &entry->global_count, &entry->elem_count, &entry->data_count};
    for (size_t i = 0; r == 0 && i < sizeof(counts) / sizeof(counts[0]); i++) {
        r = read_u32(reader, counts[i]);
    }
    if (r < 0) {
        return r;
    }
    if (abi != ENTRY_ABI_WASI && abi != ENTRY_ABI_WALI) {
        return reader_error(reader, "entry %s: unknown ABI %" PRIu32, entry->name, abi);
    }
    if (flags & ~ENTRY_FLAG_SHARED) {
        return reader_error(reader, "entry %s: unknown flags %" PRIx32, entry->name, flags);
    }
    entry->abi = (EntryAbi)abi;
    entry->is_memory_shared = (flags & ENTRY_FLAG_SHARED) != 0;
    r = parse_globals(reader, entry);
    return r < 0 ? r : parse_segments(reader, entry);
}

/* --- checking --- */

static bool func_type_is(const WasmModule *module, uint32_t func_index, uint32_t i32_param_count)
{
    if (func_index >= module->func_count || module->funcs[func_index].type_index >= module->type_count) {
        return false;
    }
    const WasmFuncType *type = wasm_func_type(module, func_index);
    for (uint32_t i = 0; i < type->param_count; i++) {
        if (type->types[i] != WASM_I32) {
            return false;
        }
    }
    return type->param_count == i32_param_count && type->result_count == 0;
}

static bool export_is(const WasmModule *module, const char *prefix, const char *name, uint32_t func_index)
{
    char full[sizeof("thread:") + ENTRY_NAME_SIZE_MAX + 1];
    const size_t prefix_size = strlen(prefix), name_size = strlen(name);
    must(prefix_size + name_size < sizeof(full));
    memcpy(full, prefix, prefix_size);
    memcpy(full + prefix_size, name, name_size + 1);
    return wasm_module_export(module, full, WASM_EXTERN_FUNC) == func_index;
}

static int check_funcs(EntriesReader *reader, const MegaEntry *entry)
{
    const WasmModule *module = reader->module;
    if (!func_type_is(module, entry->stub_func, 0) || module->funcs[entry->stub_func].is_imported) {
        return reader_error(reader, "entry %s: the start stub is not a function without parameters and results", entry->name);
    }
    if (!export_is(module, "entry:", entry->name, entry->stub_func)) {
        return reader_error(reader, "entry %s: the start stub is not exported as entry:%s", entry->name, entry->name);
    }
    if (!func_type_is(module, entry->start_func, 0)) {
        return reader_error(reader, "entry %s: bad start function", entry->name);
    }
    if (entry->init_func != UINT32_MAX && !func_type_is(module, entry->init_func, 0)) {
        return reader_error(reader, "entry %s: bad initialisation function", entry->name);
    }
    if (entry->thread_func != UINT32_MAX && (!func_type_is(module, entry->thread_func, 2) ||
                                             !export_is(module, "thread:", entry->name, entry->thread_func))) {
        return reader_error(reader, "entry %s: bad thread function", entry->name);
    }
    return 0;
}

static int check_memory(EntriesReader *reader, const MegaEntry *entry)
{
    const WasmLimits *limits = &reader->module->memories[0].limits;
    if (entry->memory_minimum > entry->memory_maximum || entry->memory_maximum > ENTRY_PAGES_MAX ||
        entry->memory_minimum > limits->minimum || (limits->has_maximum && entry->memory_maximum > limits->maximum)) {
        return reader_error(reader, "entry %s: memory limits do not fit the module's", entry->name);
    }
    if (entry->is_memory_shared && !limits->is_shared) {
        return reader_error(reader, "entry %s: shared, but the module's memory is not", entry->name);
    }
    if (entry->table_size > (reader->module->table_count ? reader->module->tables[0].limits.minimum : 0)) {
        return reader_error(reader, "entry %s: table size does not fit the module's", entry->name);
    }
    return 0;
}

static bool global_value_fits(const WasmModule *module, WasmValType type, const uint64_t value[2])
{
    switch (type) {
    case WASM_I32:
    case WASM_F32:
        return value[0] <= UINT32_MAX && value[1] == 0;
    case WASM_I64:
    case WASM_F64:
        return value[1] == 0;
    case WASM_V128:
        return true;
    case WASM_FUNCREF:
        return value[0] <= module->func_count && value[1] == 0;
    default:
        return value[0] == 0 && value[1] == 0; /* a null reference */
    }
}

static int check_globals(EntriesReader *reader, const MegaEntry *entry)
{
    const WasmModule *module = reader->module;
    for (uint32_t i = 0; i < entry->global_count; i++) {
        const uint32_t index = entry->globals[i].global_index;
        if (i > 0 && index <= entry->globals[i - 1].global_index) {
            return reader_error(reader, "entry %s: globals not in order", entry->name);
        }
        if (index >= module->global_count || module->globals[index].is_imported || !module->globals[index].is_mutable) {
            return reader_error(reader, "entry %s: global %" PRIu32 " is not a mutable global", entry->name, index);
        }
        if (!global_value_fits(module, module->globals[index].type, entry->globals[i].value)) {
            return reader_error(reader, "entry %s: global %" PRIu32 ": bad value", entry->name, index);
        }
    }
    return 0;
}

static int check_segments(EntriesReader *reader, const MegaEntry *entry)
{
    const WasmModule *module = reader->module;
    const uint64_t memory_size = entry->memory_minimum * ENTRY_PAGE_SIZE;
    for (uint32_t i = 0; i < entry->elem_count; i++) {
        const EntryElem *elem = &entry->elems[i];
        if (elem->elem_index >= module->elem_count) {
            return reader_error(reader, "entry %s: no element segment %" PRIu32, entry->name, elem->elem_index);
        }
        const WasmElemSegment *segment = &module->elems[elem->elem_index];
        if (segment->mode != WASM_SEGMENT_PASSIVE || segment->type != WASM_FUNCREF || elem->slot > entry->table_size ||
            segment->item_count > entry->table_size - elem->slot) {
            return reader_error(reader, "entry %s: element segment %" PRIu32 " does not fit", entry->name, elem->elem_index);
        }
    }
    for (uint32_t i = 0; i < entry->data_count; i++) {
        const EntryData *data = &entry->datas[i];
        if (data->data_index >= module->data_count) {
            return reader_error(reader, "entry %s: no data segment %" PRIu32, entry->name, data->data_index);
        }
        const WasmDataSegment *segment = &module->datas[data->data_index];
        if (segment->mode != WASM_SEGMENT_PASSIVE || data->address > memory_size ||
            segment->bytes.size > memory_size - data->address) {
            return reader_error(reader, "entry %s: data segment %" PRIu32 " does not fit", entry->name, data->data_index);
        }
    }
    return 0;
}

static bool slice_has_prefix(WasmSlice slice, const char *prefix)
{
    const size_t size = strlen(prefix);
    return slice.size >= size && memcmp(slice.bytes, prefix, size) == 0;
}

/* What the rule asks of the module itself. */
static int check_module(EntriesReader *reader, uint32_t entry_count)
{
    const WasmModule *module = reader->module;
    uint32_t stub_count = 0;
    for (uint32_t i = 0; i < module->export_count; i++) {
        stub_count += slice_has_prefix(module->exports[i].name, "entry:") ? 1 : 0;
    }
    if (stub_count != entry_count) {
        return reader_error(reader, "%" PRIu32 " entries, but %" PRIu32 " exports entry:*", entry_count, stub_count);
    }
    if (module->has_start || module->imported_table_count || module->imported_memory_count ||
        module->imported_global_count || module->imported_tag_count) {
        return reader_error(reader, "the module has a start section or imports that are not functions");
    }
    if (module->memory_count != 1 || module->table_count > 1 || module->memories[0].limits.is_64 ||
        wasm_page_log2(&module->memories[0].limits) != WASM_PAGE_LOG2 ||
        wasm_module_export(module, "memory", WASM_EXTERN_MEMORY) != 0) {
        return reader_error(reader, "the module does not have one memory, exported as memory, and at most one table");
    }
    for (uint32_t i = 0; i < module->data_count; i++) {
        if (module->datas[i].mode == WASM_SEGMENT_ACTIVE) {
            return reader_error(reader, "data segment %" PRIu32 " is active", i);
        }
    }
    for (uint32_t i = 0; i < module->elem_count; i++) {
        if (module->elems[i].mode == WASM_SEGMENT_ACTIVE) {
            return reader_error(reader, "element segment %" PRIu32 " is active", i);
        }
    }
    return 0;
}

/* What the stub writer asks, told from the module. The items of a segment are decoded when an entry first uses it. */
typedef struct ModuleContext {
    EntryStubContext stub;
    const uint32_t **elem_items;
    bool *is_stub; /* by function: of an entry before; sharing would let small records ask for much comparing */
} ModuleContext;

static int item_read(EntriesReader *reader, WasmConstExpr expr, uint32_t *ret_item)
{
    WasmInstr instr, end;
    int r = wasm_instr_read(expr.code, expr.offset, 0, &instr, reader->err);
    r = r < 0 ? r : wasm_instr_read(expr.code, expr.offset, instr.end, &end, reader->err);
    if (r < 0) {
        return r;
    }
    const bool is_null = instr.opcode == 0xd0;
    if (end.opcode != 0x0b || (!is_null && (instr.opcode != 0xd2 || instr.index >= reader->module->func_count))) {
        return reader_error(reader, "an element segment has an item that is neither a function nor null");
    }
    *ret_item = is_null ? 0 : instr.index + 1;
    return 0;
}

static int elem_items_read(EntriesReader *reader, ModuleContext *context, uint32_t elem_index)
{
    const WasmElemSegment *segment = &reader->module->elems[elem_index];
    if (context->elem_items[elem_index]) {
        return 0;
    }
    uint32_t *items = arena_new_array(reader->arena, segment->item_count, uint32_t);
    if (!items) {
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < segment->item_count; i++) {
        int r = 0;
        if (segment->func_indices) {
            items[i] = segment->func_indices[i] + 1;
        } else {
            r = item_read(reader, segment->exprs[i], &items[i]);
        }
        if (r < 0) {
            return r;
        }
    }
    context->elem_items[elem_index] = items;
    return 0;
}

static int context_make(const WasmModule *module, Arena *arena, ModuleContext *ret_context)
{
    WasmValType *global_types = arena_new_array(arena, module->global_count, WasmValType);
    uint64_t *data_sizes = arena_new_array(arena, module->data_count, uint64_t);
    uint32_t *elem_counts = arena_new_array(arena, module->elem_count, uint32_t);
    const uint32_t **elem_items = arena_array(arena, module->elem_count, sizeof(*elem_items));
    bool *is_stub = arena_new_array(arena, module->func_count, bool);
    if (!global_types || !data_sizes || !elem_counts || !elem_items || !is_stub) {
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < module->global_count; i++) {
        global_types[i] = module->globals[i].type;
    }
    for (uint32_t i = 0; i < module->data_count; i++) {
        data_sizes[i] = module->datas[i].bytes.size;
    }
    for (uint32_t i = 0; i < module->elem_count; i++) {
        elem_counts[i] = module->elems[i].item_count;
    }
    *ret_context = (ModuleContext){{global_types, data_sizes, elem_counts, elem_items}, elem_items, is_stub};
    return 0;
}

static int check_stub(EntriesReader *reader, const MegaEntry *entry, ModuleContext *context)
{
    if (context->is_stub[entry->stub_func]) {
        return reader_error(reader, "entry %s: the start stub is another entry's", entry->name);
    }
    context->is_stub[entry->stub_func] = true;
    for (uint32_t i = 0; i < entry->elem_count; i++) {
        const int r = elem_items_read(reader, context, entry->elems[i].elem_index);
        if (r < 0) {
            return r;
        }
    }
    const WasmSlice body = reader->module->funcs[entry->stub_func].body;
    _cleanup_(buf_deinit) Buf stub = BUF_INIT(SIZE_MAX);
    if (buf_reserve(&stub, body.size) < 0) {
        return -ENOMEM;
    }
    stub.max_size = stub.capacity; /* a longer one differs anyway */
    entries_stub_write(entry, &context->stub, &stub);
    if (buf_error(&stub) == -ENOMEM) {
        return -ENOMEM;
    }
    if (buf_error(&stub) < 0 || stub.size != body.size || memcmp(stub.bytes, body.bytes, body.size) != 0) {
        return reader_error(reader, "entry %s: the start stub does not do what the entry says", entry->name);
    }
    return 0;
}

static int check_entry(EntriesReader *reader, const MegaEntry *entry, ModuleContext *context)
{
    int r = check_funcs(reader, entry);
    if (r == 0) {
        r = check_memory(reader, entry);
    }
    if (r == 0) {
        r = check_globals(reader, entry);
    }
    if (r == 0) {
        r = check_segments(reader, entry);
    }
    return r < 0 ? r : check_stub(reader, entry, context);
}

static int find_section(const WasmModule *module, const WasmCustom **ret_section, Error *err)
{
    const WasmCustom *found = NULL;
    for (uint32_t i = 0; i < module->custom_count; i++) {
        const WasmSlice name = module->customs[i].name;
        if (name.size == strlen(ENTRIES_SECTION_NAME) && memcmp(name.bytes, ENTRIES_SECTION_NAME, name.size) == 0) {
            if (found) {
                return error_set(err, EBADMSG, ENTRIES_SECTION_NAME ": two sections of that name");
            }
            found = &module->customs[i];
        }
    }
    if (!found) {
        return error_set(err, ENODATA, "not a megabinary: no section " ENTRIES_SECTION_NAME);
    }
    *ret_section = found;
    return 0;
}

static int read_entries(EntriesReader *reader, MegaEntries *ret_entries)
{
    uint32_t version = 0, count = 0;
    int r = read_u32(reader, &version);
    if (r == 0 && version != ENTRIES_VERSION) {
        r = reader_error(reader, "version %" PRIu32 " is not known", version);
    }
    if (r == 0) {
        r = read_u32(reader, &count);
    }
    if (r == 0 && (count == 0 || count > LIMIT_ENTRIES)) {
        r = reader_error(reader, "%" PRIu32 " entries", count);
    }
    if (r == 0) {
        r = check_module(reader, count);
    }
    ModuleContext context;
    if (r == 0) {
        r = context_make(reader->module, reader->arena, &context);
    }
    if (r < 0) {
        return r;
    }
    MegaEntry *entries = arena_new_array(reader->arena, count, MegaEntry);
    if (!entries) {
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < count; i++) {
        r = parse_entry(reader, &entries[i]);
        if (r == 0 && i > 0 && strcmp(entries[i - 1].name, entries[i].name) >= 0) {
            r = reader_error(reader, "entry %s: names not in order", entries[i].name);
        }
        if (r == 0) {
            r = check_entry(reader, &entries[i], &context);
        }
        if (r < 0) {
            return r;
        }
    }
    if (reader->position != reader->bytes.size) {
        return reader_error(reader, "junk after the last entry");
    }
    *ret_entries = (MegaEntries){.count = count, .entries = entries};
    return 0;
}

int entries_read(const WasmModule *module, Arena *arena, MegaEntries *ret_entries, Error *err)
{
    const WasmCustom *section = NULL;
    int r = find_section(module, &section, err);
    if (r < 0) {
        return r;
    }
    must(section);
    EntriesReader reader = {.bytes = section->bytes, .offset = section->offset, .module = module, .arena = arena, .err = err};
    r = read_entries(&reader, ret_entries);
    return r == -ENOMEM ? error_set(err, ENOMEM, ENTRIES_SECTION_NAME ": out of memory") : r;
}

const MegaEntry *entries_find(const MegaEntries *entries, const char *name)
{
    uint32_t low = 0, high = entries->count;
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        const int order = strcmp(entries->entries[middle].name, name);
        if (order == 0) {
            return &entries->entries[middle];
        }
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return NULL;
}
