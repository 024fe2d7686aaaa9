/* SPDX-License-Identifier: Apache-2.0 */
/*
 * instance.c - makes, replaces and frees instances.
 *
 *   area (one mapping)  | guard | alternate stack | guard | native stack | side stack | exceptions | RtPrivate | RtInstance ... |
 *
 * Making and replacing have two halves: prepare does all that can fail (checks, imports, table storage) without touching
 * the instance; commit writes the new state. What is left after the point of no return of rt_instance_replace is
 * remapping memory the process already has: if the kernel refuses even that, the process dies by SIGKILL as it would on Linux.
 *
 * Invariant: the address of an RtInstance does not change on replace: room for the largest object is reserved.
 * Thread rule: an instance belongs to one thread.
 */
#include "rt/exception-int.h"
#include "rt/recording.h"
#include "rt/rt-int.h"

#include <elf.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "abi/signature.h"
#include "base/cleanup.h"
#include "base/limits.h"
#include "base/must.h"
#include "wasm/module.h"

#define PAGE 4096ull

const RtRuntime rt_runtime = {
    .trap = rt_op_trap,
    .memory_grow = rt_op_memory_grow,
    .memory_init = rt_op_memory_init,
    .memory_copy = rt_op_memory_copy,
    .memory_fill = rt_op_memory_fill,
    .data_drop = rt_op_data_drop,
    .table_get = rt_op_table_get,
    .table_set = rt_op_table_set,
    .table_grow = rt_op_table_grow,
    .table_fill = rt_op_table_fill,
    .table_copy = rt_op_table_copy,
    .table_init = rt_op_table_init,
    .elem_drop = rt_op_elem_drop,
    .atomic_wait32 = rt_atomic_wait32,
    .atomic_wait64 = rt_atomic_wait64,
    .atomic_notify = rt_atomic_notify,
    .setjmp = rt_jump_setjmp,
    .longjmp = rt_jump_longjmp,
    .elem_set = rt_op_elem_set,
    .memory_grow_any = rt_op_memory_grow_any,
    .memory_init_any = rt_op_memory_init_any,
    .memory_copy_any = rt_op_memory_copy_any,
    .memory_fill_any = rt_op_memory_fill_any,
    .atomic_wait32_any = rt_atomic_wait32_any,
    .atomic_wait64_any = rt_atomic_wait64_any,
    .atomic_notify_any = rt_atomic_notify_any,
    .exception_new = rt_exception_new,
    .exception_throw = rt_exception_throw,
    .exception_free = rt_exception_free,
    .ref_code = rt_op_ref_code,
};

/* rt_set_recording() */
static uint32_t *recording;
static uint32_t recording_count;

void rt_set_recording(uint32_t *words, uint32_t count)
{
    must(words != NULL || count == 0);
    recording = words;
    recording_count = count;
}

/* --- prepare: everything that can fail --- */

typedef struct Prepared { /* owned until commit takes it */
    const void **funcs;   /* import_func_count */
    void **externs;       /* import_count: owner of an imported table, memory or global, a tag */
    RtTable *tables;      /* table_count; storage of those that are not imported */
    RtTable few[4];       /* what tables points to when that is enough */
    uint32_t table_count;
    const RtFuncRef **elem_refs;
    uint64_t *elem_offsets;
} Prepared;

static bool table_owns_storage(const RtTable *table) { return table->capacity > 0; }

static void prepared_deinit(Prepared *prepared)
{
    for (uint32_t i = 0; prepared->tables != NULL && i < prepared->table_count; i++) {
        if (table_owns_storage(&prepared->tables[i])) {
            table_deinit_storage(&prepared->tables[i]);
        }
    }
    free(prepared->funcs);
    free(prepared->externs);
    if (prepared->tables != prepared->few) {
        free(prepared->tables);
    }
    free(prepared->elem_refs);
    free(prepared->elem_offsets);
    *prepared = (Prepared){0};
}

/* setjmp and its like are lowered by the compiler (design.md section 7); their import slots are never called. */
static void lowered_import(RtInstance *instance) { rt_trap(instance, RT_TRAP_UNSUPPORTED); }

static bool is_lowered(const char *name)
{
    return strcmp(name, "setjmp") == 0 || strcmp(name, "_setjmp") == 0 || strcmp(name, "sigsetjmp") == 0 ||
           strcmp(name, "longjmp") == 0 || strcmp(name, "siglongjmp") == 0;
}

static int imports_prepare(const RtObject *object, const RtInstanceConfig *config, Prepared *prepared, Error *err)
{
    prepared->funcs = calloc((size_t)object->import_func_count + 1, sizeof(void *));
    prepared->externs = calloc((size_t)object->import_count + 1, sizeof(void *));
    if (prepared->funcs == NULL || prepared->externs == NULL) {
        return error_set(err, ENOMEM, "instance: out of memory");
    }
    for (uint32_t i = 0; i < object->import_count; i++) {
        const RtImportDesc *import = &object->imports[i];
        bool is_bound;
        if (import->kind == WASM_EXTERN_FUNC) {
            const void *code = config->resolve != NULL
                                   ? config->resolve(config->resolve_context, import->module, import->name, import->signature)
                                   : NULL;
            if (code == NULL && is_lowered(import->name)) {
                code = (const void *)(uintptr_t)lowered_import;
            }
            prepared->funcs[import->index] = code;
            is_bound = code != NULL;
        } else {
            prepared->externs[i] = config->resolve_extern != NULL ? config->resolve_extern(config->resolve_context, import) : NULL;
            is_bound = prepared->externs[i] != NULL;
        }
        if (!is_bound) {
            return error_set(err, ENOENT, "import %s.%s %s has no binding", import->module, import->name,
                             import->signature != NULL ? import->signature : "");
        }
    }
    for (uint32_t i = 0; i < object->import_func_count; i++) {
        if (prepared->funcs[i] == NULL) {
            return error_set(err, EBADMSG, "object: imported function %u has no description", i);
        }
    }
    return 0;
}

static int tables_prepare(const RtObject *object, const RtEntry *entry, Prepared *prepared, Error *err)
{
    prepared->table_count = object->table_count;
    prepared->tables = object->table_count <= sizeof(prepared->few) / sizeof(prepared->few[0]) ? prepared->few
                                                                                               : calloc(object->table_count, sizeof(RtTable));
    if (prepared->tables == NULL) {
        return error_set(err, ENOMEM, "instance: out of memory");
    }
    for (uint32_t i = 0; i < object->table_count; i++) {
        const RtTableDesc *desc = &object->table_descs[i];
        RtTable *table = &prepared->tables[i];
        const bool is_baked = entry != NULL && i == 0;
        if (desc->is_imported) {
            continue;
        }
        if (is_baked && object->is_table_constant) {
            *table = (RtTable){.elems = (RtTableElem *)(uintptr_t)entry->table, .size = entry->table_size,
                               .maximum = entry->table_size, .is_funcref = desc->is_funcref};
            continue;
        }
        const uint32_t minimum = is_baked && entry->table_size > desc->minimum ? entry->table_size : desc->minimum;
        const int r = table_init_storage(table, minimum, desc->maximum > minimum ? desc->maximum : minimum, desc->is_funcref != 0, err);
        if (r < 0) {
            return r;
        }
        if (is_baked && entry->table_size > 0) {
            memcpy(table->elems, entry->table, entry->table_size * sizeof(RtTableElem));
        }
    }
    return 0;
}

/* Slots for the items of element segments that instantiate evaluates. */
static int elems_prepare(const RtObject *object, Prepared *prepared, Error *err)
{
    uint64_t count = 0;
    prepared->elem_offsets = calloc((size_t)object->elem_count + 1, sizeof(uint64_t));
    if (prepared->elem_offsets == NULL) {
        return error_set(err, ENOMEM, "instance: out of memory");
    }
    for (uint32_t i = 0; i < object->elem_count; i++) {
        prepared->elem_offsets[i] = count;
        count += object->elems[i].refs == NULL ? object->elems[i].count : 0;
    }
    if (count > LIMIT_TABLE_ELEMENTS) {
        return error_set(err, ENOMEM, "instance: element segments have too many items");
    }
    prepared->elem_refs = calloc((size_t)count + 1, sizeof(RtFuncRef *));
    return prepared->elem_refs != NULL ? 0 : error_set(err, ENOMEM, "instance: out of memory");
}

/* bound: the object whose imports the instance has bound already with this config, or NULL. */
static int prepare(RtLoaded *loaded, const RtEntry *entry, const RtInstanceConfig *config, const RtLoaded *bound, Prepared *prepared, Error *err)
{
    if (loaded->object->is_recording && (recording == NULL || recording_count < loaded->object->func_count)) {
        return error_set(err, EINVAL, "instance: the object records calls and nothing takes them");
    }
    int r = entry != NULL ? entry_check(loaded, entry, err) : 0;
    if (r == 0 && bound != loaded) {
        r = imports_prepare(loaded->object, config, prepared, err);
    }
    if (r == 0) {
        r = tables_prepare(loaded->object, entry, prepared, err);
    }
    if (r == 0 && bound != loaded) {
        r = elems_prepare(loaded->object, prepared, err);
    }
    return r;
}

/* --- commit: nothing fails --- */

static RtTable *table_slots(RtInstance *instance) { return (RtTable *)((uintptr_t)instance + instance->object->tables_offset); }
static void **tag_slots(RtInstance *instance) { return (void **)((uintptr_t)instance + instance->object->tags_offset); }
static RtGlobal *global_slots(RtInstance *instance) { return (RtGlobal *)((uintptr_t)instance + instance->object->globals_offset); }

/* Drops the tables of the present object, and its element slots unless it goes on. */
static void state_drop(RtInstance *instance, bool is_object_kept)
{
    RtPrivate *private = instance_private(instance);
    for (uint32_t i = 0; i < instance->object->table_count; i++) {
        RtTable *table = &table_slots(instance)[i];
        if (!instance->object->table_descs[i].is_imported && table_owns_storage(table)) {
            table_deinit_storage(table);
        }
    }
    if (!is_object_kept) {
        free(private->elem_refs);
        free(private->elem_offsets);
        private->elem_refs = NULL;
        private->elem_offsets = NULL;
    }
}

static void externs_commit(RtInstance *instance, const Prepared *prepared)
{
    const RtObject *object = instance->object;
    for (uint32_t i = 0; prepared->externs != NULL && i < object->import_count; i++) {
        const RtImportDesc *import = &object->imports[i];
        if (import->kind == WASM_EXTERN_TABLE) {
            *(void **)&table_slots(instance)[import->index] = prepared->externs[i];
        } else if (import->kind == WASM_EXTERN_GLOBAL) {
            global_slots(instance)[import->index].pointer = prepared->externs[i];
        } else if (import->kind == WASM_EXTERN_TAG) {
            tag_slots(instance)[import->index] = prepared->externs[i];
        }
    }
}

/* The object's part of an instance whose area is zero. Memory is the caller's business. */
static void commit(RtInstance *instance, RtLoaded *loaded, const RtEntry *entry, Prepared *prepared)
{
    RtPrivate *private = instance_private(instance);
    const RtObject *object = loaded->object;
    if (private->loaded != loaded || private->elem_offsets == NULL) {
        private->loaded = loaded;
        private->elem_refs = steal(&prepared->elem_refs);
        private->elem_offsets = steal(&prepared->elem_offsets);
    }
    instance->object = object;
    instance->entry = entry;
    instance->recording = object->is_recording ? recording : NULL;
    if (object->import_func_count > 0 && prepared->funcs != NULL) {
        memcpy((uint8_t *)instance + object->imports_offset, prepared->funcs, object->import_func_count * sizeof(void *));
    }
    if (object->table_count > 0) {
        memcpy(table_slots(instance), prepared->tables, object->table_count * sizeof(RtTable));
        memset(prepared->tables, 0, object->table_count * sizeof(RtTable));
    }
    externs_commit(instance, prepared);
    if (entry != NULL) {
        for (uint32_t i = 0; i < entry->global_count; i++) {
            global_slots(instance)[entry->globals[i].global_index] = entry->globals[i].value;
        }
        if (entry->data_applied != NULL) {
            memcpy((uint8_t *)instance + object->dropped_offset, entry->data_applied, ((size_t)object->data_count + 7) / 8);
        }
    }
}

/* Maps the entry's initial memory copy-on-write from the object's file; where that does not work, copies it. */
static void images_map(const RtInstance *instance, const RtLoaded *loaded, const RtEntry *entry)
{
    for (uint32_t i = 0; i < entry->image_count; i++) {
        const RtImage *image = &entry->images[i];
        const RtSegment *segment = loaded_segment(loaded, image->bytes, image->size);
        uint8_t *target = instance->memory_base + image->address;
        must(segment != NULL); /* entry_check */
        const uint64_t in_segment = (uint64_t)(image->bytes - segment->start), offset = segment->file_offset + in_segment;
        const bool is_mappable = offset % PAGE == 0 && in_segment <= segment->file_size &&
                                 image->size <= segment->file_size - in_segment && (segment->flags & PF_W) == 0;
        if (image->size > 0 && (!is_mappable || mmap(target, image->size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_FIXED | MAP_NORESERVE,
                                                     loaded->fd, (off_t)offset) == MAP_FAILED)) {
            memcpy(target, image->bytes, image->size);
        }
    }
}

/* --- life cycle --- */

static uint64_t page_round(uint64_t size) { return (size + PAGE - 1) & ~(PAGE - 1); }

/* Makes room for an object's instance; what lies behind stays reserved. */
static int instance_open(RtInstance *instance, const RtObject *object, Error *err)
{
    return mprotect(instance, page_round(object->instance_size), PROT_READ | PROT_WRITE) == 0
               ? 0
               : error_set(err, errno, "instance: no memory for %u bytes", object->instance_size);
}

static int area_new(size_t stack_size, const RtObject *object, RtInstance **ret_instance, Error *err)
{
    const uint64_t stack = page_round(stack_size != 0 ? stack_size : LIMIT_NATIVE_STACK);
    const uint64_t jumps = page_round(RT_JUMP_RECORDS * sizeof(JumpRecord));
    if (stack < 4 * RT_STACK_HEADROOM || stack > (1ull << 40)) {
        return error_set(err, EINVAL, "instance: native stack of %zu bytes", stack_size);
    }
    const uint64_t stack_at = PAGE + RT_ALT_STACK_SIZE + RT_STACK_GUARD, jumps_at = stack_at + stack, exceptions_at = jumps_at + jumps;
    const uint64_t private_at = exceptions_at + page_round(sizeof(ExceptionPool));
    const uint64_t instance_at = private_at + page_round(sizeof(RtPrivate)), size = instance_at + RT_INSTANCE_SIZE_MAX;
    uint8_t *area = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (area == MAP_FAILED) {
        return error_set(err, errno, "instance: no address space for %llu bytes", (unsigned long long)size);
    }
    if (mprotect(area + PAGE, RT_ALT_STACK_SIZE, PROT_READ | PROT_WRITE) < 0 ||
        mprotect(area + stack_at, instance_at + page_round(object->instance_size) - stack_at, PROT_READ | PROT_WRITE) < 0) {
        const int error = errno;
        (void)munmap(area, size);
        return error_set(err, error, "instance: cannot make the native stack");
    }
    RtPrivate *private = (RtPrivate *)(void *)(area + private_at);
    RtInstance *instance = (RtInstance *)(void *)(area + instance_at);
    *private = (RtPrivate){.area = area, .area_size = size, .stack_bottom = area + stack_at, .stack_top = area + jumps_at,
                           .alt_stack = area + PAGE, .jumps = (JumpRecord *)(void *)(area + jumps_at),
                           .exceptions = (ExceptionPool *)(void *)(area + exceptions_at)};
    instance->runtime = &rt_runtime;
    instance->runtime_private = private;
    instance->stack_limit = private->stack_bottom + RT_STACK_HEADROOM;
    instance->tail_arguments = private->exceptions->tail_arguments;
    *ret_instance = instance;
    return 0;
}

/* Memory 0 of an entry is as the entry says, every other one as the object does. */
static RtMemoryDesc memory_shape(const RtObject *object, const RtEntry *entry, uint32_t index)
{
    RtMemoryDesc desc = object->memory_descs[index];
    if (entry != NULL && index == 0) {
        desc.minimum = entry->memory_minimum;
        desc.maximum = entry->memory_maximum;
        desc.is_shared = entry->is_memory_shared != 0;
    }
    return desc;
}

static uint64_t byte_limit(const RtInstanceConfig *config) { return (uint64_t)config->page_limit * RT_PAGE_SIZE; }

static RtMemorySlot *memory_slots(RtInstance *instance, const RtObject *object)
{
    return (RtMemorySlot *)((uintptr_t)instance + object->memories_offset);
}

static RtMemory *memory_imported(const RtObject *object, const Prepared *prepared, uint32_t index)
{
    for (uint32_t i = 0; i < object->import_count; i++) {
        if (object->imports[i].kind == WASM_EXTERN_MEMORY && object->imports[i].index == index) {
            return prepared->externs[i];
        }
    }
    return NULL;
}

/* What compiled code leaves to the MMU depends on the type, so an imported memory must be of it. */
static bool memory_fits(const RtMemory *memory, const RtMemoryDesc *desc)
{
    return memory != NULL && memory->page_size_log2 == desc->page_size_log2 && (memory->is_64 != 0) == (desc->is_64 != 0);
}

/* Binds every memory; those that the instance owns are freed by memories_free() even when this fails half way. */
static int memories_bind(RtInstance *instance, const RtObject *object, const RtEntry *entry, const RtInstanceConfig *config,
                         const Prepared *prepared, Error *err)
{
    RtMemorySlot *slots = memory_slots(instance, object);
    instance_private(instance)->owns_memory = true;
    instance_private(instance)->memory_object = object;
    for (uint32_t i = 0; i < object->memory_count; i++) {
        const RtMemoryDesc desc = memory_shape(object, entry, i);
        if (desc.is_imported) {
            slots[i].memory = memory_imported(object, prepared, i);
            if (!memory_fits(slots[i].memory, &desc)) {
                return error_set(err, EINVAL, "instance: imported memory %u is of another type", i);
            }
        } else {
            const int r = rt_memory_new_as(i == 0 ? object->memory_base : 0, &desc, byte_limit(config), &slots[i].memory, err);
            if (r < 0) {
                return r;
            }
        }
        slots[i].base = slots[i].memory->base;
    }
    if (object->memory_count == 0) {
        return 0;
    }
    instance->memory = slots[0].memory;
    instance->memory_base = slots[0].base;
    if (object->memory_base != 0 && object->memory_base != (uint64_t)(uintptr_t)instance->memory_base) {
        return error_set(err, EINVAL, "instance: the object wants memory at 0x%llx", (unsigned long long)object->memory_base);
    }
    return 0;
}

static void memories_free(RtInstance *instance)
{
    const RtPrivate *private = instance_private(instance);
    const RtObject *object = private->memory_object;
    for (uint32_t i = 0; private->owns_memory && i < object->memory_count; i++) {
        if (!object->memory_descs[i].is_imported) {
            memory_slots(instance, object)[i].memory = rt_memory_free(memory_slots(instance, object)[i].memory);
        }
    }
}

int rt_instance_new(RtLoaded *loaded, const RtEntry *entry, const RtInstanceConfig *config, RtInstance **ret_instance, Error *err)
{
    _cleanup_(prepared_deinit) Prepared prepared = {0};
    RtInstance *instance = NULL;
    int r = trap_handlers_install(err);
    if (r == 0) {
        r = prepare(loaded, entry, config, NULL, &prepared, err);
    }
    if (r == 0) {
        r = area_new(config->native_stack_size, loaded->object, &instance, err);
    }
    if (r < 0) {
        return r;
    }
    instance_private(instance)->config = *config;
    instance->host = config->host;
    r = memories_bind(instance, loaded->object, entry, config, &prepared, err);
    if (r < 0) {
        (void)rt_instance_free(instance);
        return r;
    }
    commit(instance, loaded, entry, &prepared);
    if (entry != NULL) {
        images_map(instance, loaded, entry);
    }
    *ret_instance = instance;
    return 0;
}

RtInstance *rt_instance_free(RtInstance *instance)
{
    if (instance == NULL) {
        return NULL;
    }
    const RtPrivate *private = instance_private(instance);
    if (instance->object != NULL) {
        state_drop(instance, false);
    }
    memories_free(instance);
    (void)munmap(private->area, private->area_size);
    return NULL;
}

int rt_instance_limit(RtInstance *instance, uint32_t page_limit)
{
    RtMemory *memory = instance->memory;
    if (memory != NULL && page_limit != 0) {
        if (memory->page_count > page_limit) {
            return -ENOMEM;
        }
        memory->page_limit = page_limit < memory->page_maximum ? page_limit : memory->page_maximum;
    }
    instance_private(instance)->config.page_limit = page_limit;
    return 0;
}

void rt_instance_touch(RtInstance *instance)
{
    const RtPrivate *private = instance_private(instance);
    volatile uint8_t *const places[] = {private->stack_top - 1, (uint8_t *)instance};
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        *places[i] = *places[i];
    }
    loaded_startup_map(instance->object, instance->entry->start_code);
    (void)*(const volatile uint8_t *)instance->entry->start_code;
    (void)*(const volatile uint8_t *)(uintptr_t)instance->object->invoke_v;
}

/* A plain module has no record of how it began: a thread of it starts with copies of the parent's globals and tables. */
static int tables_copy(RtInstance *parent, Prepared *prepared, Error *err)
{
    const RtObject *object = parent->object;
    int r = 0;
    prepared->table_count = object->table_count;
    prepared->tables = calloc((size_t)object->table_count + 1, sizeof(RtTable));
    if (prepared->tables == NULL) {
        return error_set(err, ENOMEM, "instance: out of memory");
    }
    for (uint32_t i = 0; r == 0 && i < object->table_count; i++) {
        const RtTable *source = &table_slots(parent)[i];
        RtTable *table = &prepared->tables[i];
        if (object->table_descs[i].is_imported || !table_owns_storage(source)) {
            *table = *source;
            continue;
        }
        r = table_init_storage(table, source->size, source->maximum, source->is_funcref != 0, err);
        if (r == 0 && source->size > 0) {
            memcpy(table->elems, source->elems, source->size * sizeof(RtTableElem));
        }
    }
    return r;
}

int rt_instance_new_thread(RtInstance *parent, void *host, size_t native_stack_size, RtInstance **ret_instance, Error *err)
{
    const RtObject *object = parent->object;
    const RtEntry *entry = parent->entry;
    _cleanup_(prepared_deinit) Prepared prepared = {0};
    RtInstance *instance = NULL;
    int r = elems_prepare(object, &prepared, err);
    if (r == 0) { /* tables are not shared (threads proposal): each instance has its own */
        r = entry != NULL ? tables_prepare(object, entry, &prepared, err) : tables_copy(parent, &prepared, err);
    }
    if (r == 0) {
        r = area_new(native_stack_size, object, &instance, err);
    }
    if (r < 0) {
        return r;
    }
    RtPrivate *private = instance_private(instance);
    private->config = instance_private(parent)->config;
    instance->memory = parent->memory;
    instance->memory_base = parent->memory_base;
    instance->host = host;
    const uint32_t copied = entry != NULL ? object->imports_offset : (uint32_t)sizeof(RtInstance);
    const uint32_t copied_end = entry != NULL ? copied + object->import_func_count * (uint32_t)sizeof(void *) : object->instance_size;
    memcpy((uint8_t *)instance + copied, (const uint8_t *)parent + copied, copied_end - copied);
    memcpy(memory_slots(instance, object), memory_slots(parent, object), object->memory_count * sizeof(RtMemorySlot));
    commit(instance, instance_private(parent)->loaded, entry, &prepared);
    *ret_instance = instance;
    return 0;
}

void rt_instance_take_memory(RtInstance *instance, RtInstance *owner)
{
    RtPrivate *private = instance_private(instance), *old = instance_private(owner);
    must(instance->memory == owner->memory && old->owns_memory && !private->owns_memory);
    old->owns_memory = false;
    private->owns_memory = true;
    private->memory_object = old->memory_object;
}

/* Past this point the old program is gone. */
static void replace_commit(RtInstance *instance, RtLoaded *loaded, const RtEntry *entry, Prepared *prepared)
{
    RtPrivate *private = instance_private(instance);
    const RtMemoryDesc shape = memory_shape(loaded->object, entry, 0);
    const RtObject *old = instance->object;
    uint8_t *const start = (uint8_t *)instance;
    /* The same object: its imports stay bound. Another's are written over whatever was there. */
    const uint32_t kept = old->imports_offset;
    const uint32_t kept_end = kept + (prepared->funcs == NULL ? old->import_func_count * (uint32_t)sizeof(void *) : 0);
    state_drop(instance, prepared->funcs == NULL);
    memset(start + sizeof(RtInstance), 0, kept - sizeof(RtInstance));
    memset(start + kept_end, 0, old->instance_size - kept_end);
    instance->jump_depth = 0;
    instance->interrupt = 0;
    exceptions_reset(instance_private(instance));
    if (memory_reset((MemoryMap *)instance->memory, &shape, byte_limit(&private->config)) < 0) {
        rt_die(SIGKILL);
    }
    private->memory_object = loaded->object;
    memory_slots(instance, loaded->object)[0] = (RtMemorySlot){instance->memory_base, instance->memory};
    commit(instance, loaded, entry, prepared);
    images_map(instance, loaded, entry);
}

int rt_instance_replace(RtInstance *instance, RtLoaded *loaded, const RtEntry *entry, Error *err)
{
    RtPrivate *private = instance_private(instance);
    Activation *activation = rt_activation;
    if (activation == NULL || activation->instance != instance || !activation->is_restartable || !private->owns_memory ||
        instance->memory == NULL) {
        return error_set(err, EINVAL, "instance: only the thread that owns the memory can be replaced");
    }
    const RtObject *object = loaded->object;
    if (!object->has_memory || (object->memory_base != 0 && object->memory_base != (uint64_t)(uintptr_t)instance->memory_base)) {
        return error_set(err, EINVAL, "instance: the object wants memory at 0x%llx", (unsigned long long)object->memory_base);
    }
    if (private->config.page_limit != 0 && entry->memory_minimum > private->config.page_limit) {
        return error_set(err, ENOMEM, "memory: %u pages are over the limit of %u", entry->memory_minimum, private->config.page_limit);
    }
    _cleanup_(prepared_deinit) Prepared prepared = {0};
    /* Globals and tables of others are slots too, and are not kept: an object with such imports is bound anew. */
    const bool is_bound = private->loaded == loaded && object->import_count == object->import_func_count;
    int r = prepare(loaded, entry, &private->config, is_bound ? loaded : NULL, &prepared, err);
    if (r == 0) {
        r = instance_open(instance, object, err);
    }
    if (r < 0) {
        return r;
    }
    replace_commit(instance, loaded, entry, &prepared);
    prepared_deinit(&prepared); /* what commit left; the stack switch below runs no cleanups */
    activation_leave(activation, LEAVE_RESTART);
}

/* --- calls and look-ups for host functions --- */

static const RtTableElem *slot_of(const RtInstance *instance, uint32_t table_slot)
{
    if (instance->object->table_count == 0) {
        return NULL;
    }
    const RtTable *table = table_of(instance, 0);
    return table->is_funcref && table_slot < table->size ? &table->elems[table_slot] : NULL;
}

uint32_t rt_table_slot_signature(const RtInstance *instance, uint32_t table_slot)
{
    const RtTableElem *elem = slot_of(instance, table_slot);
    return elem != NULL ? elem->signature : 0;
}

int rt_call_i(RtInstance *instance, uint32_t table_slot, uint32_t a)
{
    const RtTableElem *elem = slot_of(instance, table_slot);
    if (elem == NULL || elem->signature != signature_id("i:")) {
        return -EINVAL;
    }
    instance->object->invoke_i(instance, elem->code, a);
    return 0;
}

int rt_call_ii(RtInstance *instance, uint32_t table_slot, uint32_t a, uint32_t b)
{
    const RtTableElem *elem = slot_of(instance, table_slot);
    if (elem == NULL || elem->signature != signature_id("ii:")) {
        return -EINVAL;
    }
    instance->object->invoke_ii(instance, elem->code, a, b);
    return 0;
}

int rt_call_iii(RtInstance *instance, uint32_t table_slot, uint32_t a, uint32_t b, uint32_t c)
{
    const RtTableElem *elem = slot_of(instance, table_slot);
    if (elem == NULL || elem->signature != signature_id("iii:")) {
        return -EINVAL;
    }
    instance->object->invoke_iii(instance, elem->code, a, b, c);
    return 0;
}

RtGlobal *rt_instance_global(RtInstance *instance, uint32_t index)
{
    const RtObject *object = instance->object;
    if (index >= object->global_count) {
        return NULL;
    }
    for (uint32_t i = 0; i < object->import_count; i++) {
        if (object->imports[i].kind == WASM_EXTERN_GLOBAL && object->imports[i].index == index) {
            return global_slots(instance)[index].pointer;
        }
    }
    return &global_slots(instance)[index];
}

void *rt_instance_tag(RtInstance *instance, uint32_t index)
{
    const RtObject *object = instance->object;
    if (index >= object->tag_count) {
        return NULL;
    }
    void **slot = &tag_slots(instance)[index];
    return *slot != NULL ? *slot : slot; /* only imported tags' slots are written */
}
