/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check.c - is an RtObject what the compiler would have written? Every count against its limit, every pointer against
 * the mapped segments, so that a damaged cache file is an error (-EBADMSG) at load time instead of a wild access later.
 *
 * What cannot be checked: the bytes of code and of memory images. They are protected by the cache's ownership and
 * digest rules (design.md section 5), not here.
 */
#include "rt/rt-int.h"

#include <elf.h>
#include <errno.h>
#include <string.h>

#include "base/limits.h"
#include "base/must.h"
#include "wasm/module.h"

#define PAGES_MAX 65536u /* wasm core 3.2.4: a 32-bit memory */

static bool has_code(const RtLoaded *loaded, const void *code) { return code != NULL && loaded_has(loaded, code, 1, PF_X); }

static bool has_array(const RtLoaded *loaded, const void *array, uint64_t count, size_t element_size, size_t alignment)
{
    uint64_t size;
    return count == 0 || (!__builtin_mul_overflow(count, element_size, &size) && (uintptr_t)array % alignment == 0 &&
                          loaded_has(loaded, array, size, PF_R));
}

static bool has_string(const RtLoaded *loaded, const char *string)
{
    const RtSegment *segment = loaded_segment(loaded, string, 1);
    if (segment == NULL || (segment->flags & PF_R) == 0) {
        return false;
    }
    const uint64_t rest = segment->size - (uint64_t)((const uint8_t *)string - segment->start);
    return memchr(string, '\0', rest < LIMIT_NAME_SIZE + 1 ? rest : LIMIT_NAME_SIZE + 1) != NULL;
}

static bool is_func_ref(const RtObject *object, const RtFuncRef *ref)
{
    const uint64_t offset = (uint64_t)(uintptr_t)ref - (uint64_t)(uintptr_t)object->funcs;
    return offset % sizeof(RtFuncRef) == 0 && offset / sizeof(RtFuncRef) < object->func_count;
}

static uint64_t cpu_features(void)
{
    __builtin_cpu_init();
    return (__builtin_cpu_supports("x86-64-v2") ? RT_CPU_SSE42 : 0) | (__builtin_cpu_supports("x86-64-v3") ? RT_CPU_AVX2 : 0) |
           (__builtin_cpu_supports("x86-64-v4") ? RT_CPU_AVX512 : 0);
}

static int identity_check(const RtObject *object, const Digest *expected, Error *err)
{
    if (object->magic != RT_OBJECT_MAGIC) {
        return error_set(err, EBADMSG, "object: bad magic 0x%x", object->magic);
    }
    if (object->abi_version != RT_ABI_VERSION) {
        return error_set(err, ENOEXEC, "object: ABI version %u, this runtime has %u", object->abi_version, RT_ABI_VERSION);
    }
    if (memchr(object->target, '\0', sizeof(object->target)) == NULL) {
        return error_set(err, EBADMSG, "object: target is not terminated");
    }
    if ((object->cpu_features & ~cpu_features()) != 0) {
        return error_set(err, ENOEXEC, "object: made for another CPU (%s)", object->target);
    }
    if (expected != NULL && memcmp(object->megabinary_sha256, expected->bytes, DIGEST_SIZE) != 0) {
        return error_set(err, EBADMSG, "object: made from another megabinary");
    }
    return 0;
}

typedef struct Span {
    uint64_t start, end;
} Span;

/* The instance's arrays: inside of instance_size, after the header, aligned, none over another. */
static bool is_layout_valid(const RtObject *object)
{
    const uint64_t dropped_size = ((uint64_t)object->data_count + 63) / 64 * 8 + ((uint64_t)object->elem_count + 7) / 8;
    const Span spans[] = {
        {0, sizeof(RtInstance)},
        {object->imports_offset, object->imports_offset + (uint64_t)object->import_func_count * sizeof(void *)},
        {object->tables_offset, object->tables_offset + (uint64_t)object->table_count * sizeof(RtTable)},
        {object->globals_offset, object->globals_offset + (uint64_t)object->global_count * sizeof(RtGlobal)},
        {object->dropped_offset, object->dropped_offset + dropped_size},
        {object->tags_offset, object->tags_offset + (uint64_t)object->tag_count * sizeof(void *)},
        {object->memories_offset, object->memories_offset + (uint64_t)object->memory_count * sizeof(RtMemorySlot)},
    };
    const size_t count = sizeof(spans) / sizeof(spans[0]);
    for (size_t i = 0; i < count; i++) {
        if (spans[i].start == spans[i].end) {
            continue; /* an empty array may be anywhere */
        }
        if (spans[i].start % (i == 3 ? 16 : 8) != 0 || spans[i].end > object->instance_size) {
            return false;
        }
        for (size_t j = 0; j < i; j++) {
            if (spans[i].start < spans[j].end && spans[j].start < spans[i].end) {
                return false;
            }
        }
    }
    return object->instance_size >= sizeof(RtInstance) && object->instance_size <= RT_INSTANCE_SIZE_MAX;
}

static int counts_check(const RtLoaded *loaded, const RtObject *object, Error *err)
{
    if (object->import_count > LIMIT_IMPORTS || object->import_func_count > object->import_count ||
        object->func_count > LIMIT_FUNCTIONS || object->import_func_count > object->func_count ||
        object->export_count > LIMIT_EXPORTS || object->entry_count > LIMIT_ENTRIES || object->table_count > LIMIT_TABLES ||
        object->global_count > LIMIT_GLOBALS || object->data_count > LIMIT_SEGMENTS || object->elem_count > LIMIT_SEGMENTS ||
        object->tag_count > LIMIT_TAGS || object->memory_count > LIMIT_MEMORIES) {
        return error_set(err, EBADMSG, "object: a count is over its limit");
    }
    if (!is_layout_valid(object)) {
        return error_set(err, EBADMSG, "object: bad instance layout");
    }
    if (object->memory_base % RT_PAGE_SIZE != 0 || object->memory_base >= (1ull << 46) || object->has_memory != (object->memory_count > 0) ||
        (object->has_memory && (object->memory_minimum > object->memory_maximum || object->memory_minimum > PAGES_MAX))) {
        return error_set(err, EBADMSG, "object: bad memory description");
    }
    const uint64_t text_size = (uint64_t)(uintptr_t)object->text_end - (uint64_t)(uintptr_t)object->text_begin;
    if (!loaded_has(loaded, object->text_begin, text_size, PF_X)) {
        return error_set(err, EBADMSG, "object: text outside of the executable segment");
    }
    if (object->startup_end != NULL && (object->startup_end < object->text_begin || object->startup_end > object->text_end)) {
        return error_set(err, EBADMSG, "object: startup code outside of the text");
    }
    if ((object->instantiate != NULL && !has_code(loaded, (const void *)(uintptr_t)object->instantiate)) ||
        !has_code(loaded, (const void *)(uintptr_t)object->invoke_v) || !has_code(loaded, (const void *)(uintptr_t)object->invoke_i) ||
        !has_code(loaded, (const void *)(uintptr_t)object->invoke_iii) || !has_code(loaded, (const void *)(uintptr_t)object->invoke_ii)) {
        return error_set(err, EBADMSG, "object: a call thunk is not code");
    }
    return 0;
}

static uint32_t kind_count(const RtObject *object, uint32_t kind)
{
    switch (kind) {
    case WASM_EXTERN_FUNC:
        return object->func_count;
    case WASM_EXTERN_TABLE:
        return object->table_count;
    case WASM_EXTERN_MEMORY:
        return object->memory_count;
    case WASM_EXTERN_GLOBAL:
        return object->global_count;
    case WASM_EXTERN_TAG:
        return object->tag_count;
    default:
        return 0;
    }
}

static int imports_check(const RtLoaded *loaded, const RtObject *object, Error *err)
{
    if (!has_array(loaded, object->imports, object->import_count, sizeof(RtImportDesc), _Alignof(RtImportDesc))) {
        return error_set(err, EBADMSG, "object: import table outside of the segments");
    }
    for (uint32_t i = 0; i < object->import_count; i++) {
        const RtImportDesc *import = &object->imports[i];
        const bool is_func = import->kind == WASM_EXTERN_FUNC;
        if (!has_string(loaded, import->module) || !has_string(loaded, import->name) ||
            ((is_func || import->signature != NULL) && !has_string(loaded, import->signature)) ||
            import->index >= kind_count(object, import->kind) || (is_func && import->index >= object->import_func_count)) {
            return error_set(err, EBADMSG, "object: bad import %u", i);
        }
    }
    return 0;
}

static int funcs_check(const RtLoaded *loaded, const RtObject *object, Error *err)
{
    if (!has_array(loaded, object->funcs, object->func_count, sizeof(RtFuncRef), _Alignof(RtFuncRef))) {
        return error_set(err, EBADMSG, "object: function table outside of the segments");
    }
    for (uint32_t i = 0; i < object->func_count; i++) {
        const RtFuncRef *ref = &object->funcs[i];
        if (!has_code(loaded, ref->code) || ref->signature == 0 || ref->func_index != i) {
            return error_set(err, EBADMSG, "object: bad function %u", i);
        }
    }
    return 0;
}

static int exports_check(const RtLoaded *loaded, const RtObject *object, Error *err)
{
    if (!has_array(loaded, object->exports, object->export_count, sizeof(RtExport), _Alignof(RtExport))) {
        return error_set(err, EBADMSG, "object: export table outside of the segments");
    }
    for (uint32_t i = 0; i < object->export_count; i++) {
        const RtExport *export = &object->exports[i];
        if (!has_string(loaded, export->name) || (export->signature != NULL && !has_string(loaded, export->signature)) ||
            (export->thunk != NULL && !has_code(loaded, (const void *)(uintptr_t)export->thunk)) ||
            export->index >= kind_count(object, export->kind)) {
            return error_set(err, EBADMSG, "object: bad export %u", i);
        }
    }
    return 0;
}

static int segments_check(const RtLoaded *loaded, const RtObject *object, Error *err)
{
    if (!has_array(loaded, object->datas, object->data_count, sizeof(RtDataSegment), _Alignof(RtDataSegment)) ||
        !has_array(loaded, object->elems, object->elem_count, sizeof(RtElemSegment), _Alignof(RtElemSegment)) ||
        !has_array(loaded, object->table_descs, object->table_count, sizeof(RtTableDesc), _Alignof(RtTableDesc))) {
        return error_set(err, EBADMSG, "object: segment or table list outside of the segments");
    }
    for (uint32_t i = 0; i < object->data_count; i++) {
        if (object->datas[i].size > 0 && !loaded_has(loaded, object->datas[i].bytes, object->datas[i].size, PF_R)) {
            return error_set(err, EBADMSG, "object: bad data segment %u", i);
        }
    }
    for (uint32_t i = 0; i < object->elem_count; i++) {
        const RtElemSegment *elem = &object->elems[i];
        bool is_valid = elem->count <= LIMIT_TABLE_ELEMENTS &&
                        (elem->refs == NULL || has_array(loaded, elem->refs, elem->count, sizeof(void *), _Alignof(void *)));
        for (uint64_t j = 0; is_valid && elem->refs != NULL && j < elem->count; j++) {
            is_valid = elem->refs[j] == NULL || is_func_ref(object, elem->refs[j]);
        }
        if (!is_valid) {
            return error_set(err, EBADMSG, "object: bad element segment %u", i);
        }
    }
    for (uint32_t i = 0; i < object->table_count; i++) {
        if (object->table_descs[i].minimum > LIMIT_TABLE_ELEMENTS) {
            return error_set(err, EBADMSG, "object: table %u is too large", i);
        }
    }
    return 0;
}

/* A memory's type decides what compiled code leaves to the MMU. */
static int memories_check(const RtLoaded *loaded, const RtObject *object, Error *err)
{
    if (!has_array(loaded, object->memory_descs, object->memory_count, sizeof(RtMemoryDesc), _Alignof(RtMemoryDesc))) {
        return error_set(err, EBADMSG, "object: memory list outside of the segments");
    }
    for (uint32_t i = 0; i < object->memory_count; i++) {
        const RtMemoryDesc *desc = &object->memory_descs[i];
        if ((desc->page_size_log2 != 0 && desc->page_size_log2 != 16) || desc->is_64 > 1 || desc->is_shared > 1 || desc->is_imported > 1 ||
            desc->minimum > desc->maximum) {
            return error_set(err, EBADMSG, "object: bad memory %u", i);
        }
    }
    return 0;
}

/* What programs have, the vkernel relies on it: one memory of its own with 32-bit addresses and pages of 64 KiB, or none. */
static bool has_program_memory(const RtObject *object)
{
    const RtMemoryDesc *desc = object->memory_descs;
    return object->memory_count == 0 ||
           (object->memory_count == 1 && desc->page_size_log2 == 16 && desc->is_64 == 0 && desc->is_imported == 0);
}

static int entries_check(const RtLoaded *loaded, const RtObject *object, Error *err)
{
    if (!has_array(loaded, object->entries, object->entry_count, sizeof(RtEntry), _Alignof(RtEntry))) {
        return error_set(err, EBADMSG, "object: entry list outside of the segments");
    }
    for (uint32_t i = 0; i < object->entry_count; i++) {
        if (!has_string(loaded, object->entries[i].name) ||
            (i > 0 && strcmp(object->entries[i - 1].name, object->entries[i].name) >= 0)) {
            return error_set(err, EBADMSG, "object: bad name of entry %u", i);
        }
    }
    return 0;
}

int loaded_check(const RtLoaded *loaded, const Digest *expected, Error *err)
{
    const RtObject *object = loaded->object;
    int r = identity_check(object, expected, err);
    if (r == 0) {
        r = counts_check(loaded, object, err);
    }
    if (r == 0) {
        r = imports_check(loaded, object, err);
    }
    if (r == 0) {
        r = funcs_check(loaded, object, err);
    }
    if (r == 0) {
        r = exports_check(loaded, object, err);
    }
    if (r == 0) {
        r = segments_check(loaded, object, err);
    }
    if (r == 0) {
        r = memories_check(loaded, object, err);
    }
    if (r == 0) {
        r = entries_check(loaded, object, err);
    }
    return r;
}

static bool has_extern_import(const RtObject *object)
{
    for (uint32_t i = 0; i < object->import_count; i++) {
        if (object->imports[i].kind != WASM_EXTERN_FUNC) {
            return true;
        }
    }
    return false;
}

static bool is_entry_valid(const RtLoaded *loaded, const RtObject *object, const RtEntry *entry)
{
    /* An entry's memory is its own: the linker refuses programs that import one. */
    if ((!object->has_memory && (entry->image_count > 0 || entry->memory_minimum > 0)) || has_extern_import(object) || !has_program_memory(object)) {
        return false;
    }
    if (!has_code(loaded, entry->start_code) || (entry->init_code != NULL && !has_code(loaded, entry->init_code)) ||
        (entry->thread_code != NULL && !has_code(loaded, entry->thread_code)) ||
        entry->memory_minimum > entry->memory_maximum || entry->memory_minimum > PAGES_MAX ||
        entry->table_size > LIMIT_TABLE_ELEMENTS || (entry->table_size > 0 && object->table_count == 0) ||
        !has_array(loaded, entry->images, entry->image_count, sizeof(RtImage), _Alignof(RtImage)) ||
        !has_array(loaded, entry->table, entry->table_size, sizeof(RtTableElem), _Alignof(RtTableElem)) ||
        !has_array(loaded, entry->globals, entry->global_count, sizeof(RtGlobalInit), 8) ||
        (entry->data_applied != NULL && !loaded_has(loaded, entry->data_applied, ((uint64_t)object->data_count + 7) / 8, PF_R))) {
        return false;
    }
    const uint64_t memory_size = (uint64_t)entry->memory_minimum * RT_PAGE_SIZE;
    for (uint32_t i = 0; i < entry->image_count; i++) {
        const RtImage *image = &entry->images[i];
        if (image->address % 4096 != 0 || image->size % 4096 != 0 || image->size > memory_size ||
            image->address > memory_size - image->size || !loaded_has(loaded, image->bytes, image->size, PF_R)) {
            return false;
        }
    }
    for (uint32_t i = 0; i < entry->table_size; i++) {
        const RtTableElem *elem = &entry->table[i];
        if (elem->signature != 0 && (!has_code(loaded, elem->code) || elem->func_index >= object->func_count)) {
            return false;
        }
    }
    for (uint32_t i = 0; i < entry->global_count; i++) {
        if (entry->globals[i].global_index >= object->global_count) {
            return false;
        }
    }
    return true;
}

int entry_check(const RtLoaded *loaded, const RtEntry *entry, Error *err)
{
    const RtObject *object = loaded->object;
    const uint64_t offset = (uint64_t)(uintptr_t)entry - (uint64_t)(uintptr_t)object->entries;
    must(offset % sizeof(RtEntry) == 0 && offset / sizeof(RtEntry) < object->entry_count);
    bool *is_checked = &loaded->is_entry_checked[offset / sizeof(RtEntry)];
    if (!*is_checked) {
        if (!is_entry_valid(loaded, object, entry)) {
            return error_set(err, EBADMSG, "object: entry %s is damaged", entry->name);
        }
        *is_checked = true;
    }
    return 0;
}

int rt_object_check(RtLoaded *loaded, Error *err)
{
    int r = 0;
    for (uint32_t i = 0; i < loaded->object->entry_count && r == 0; i++) {
        r = entry_check(loaded, &loaded->object->entries[i], err);
    }
    return r;
}
