/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-link.c - the linker on small modules written by hand. Every link is also walked side by side with its inputs
 * (test-link-check.h), so a case only has to say what is special about it.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/tap.h"
#include "wasm/link.h"
#include "wasm/share.h"
#include "wasm/test-hex.h"
#include "wasm/test-link-check.h"

/* --- memory that runs out --- */

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) || defined(__clang__)
#define CAN_FAIL_ALLOCATION 0
#else
#define CAN_FAIL_ALLOCATION 1
static long allocation_budget = -1; /* allocations that succeed; -1: all */

void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *memory, size_t size);
void *calloc(size_t count, size_t size);
void *realloc(void *memory, size_t size);

static bool allocation_fails(void)
{
    if (allocation_budget == 0) {
        return true;
    }
    allocation_budget -= allocation_budget > 0;
    return false;
}

void *calloc(size_t count, size_t size)
{
    return allocation_fails() ? NULL : __libc_calloc(count, size);
}

void *realloc(void *memory, size_t size)
{
    return allocation_fails() ? NULL : __libc_realloc(memory, size);
}
#endif

/* --- linking texts of test-hex.h --- */

#define PROGRAMS_MAX 8

typedef struct Linked {
    Arena arena;
    uint8_t *bytes[PROGRAMS_MAX];
    LinkInput inputs[PROGRAMS_MAX];
    size_t count;
    Buf mega;
    LinkStats stats;
    const WasmModule *module;
    MegaEntries entries;
    Error err;
    int r;
} Linked;

static const char *const names[PROGRAMS_MAX] = {"p0", "p1", "p2", "p3", "p4", "p5", "p6", "p7"};

static void link_deinit(Linked *linked)
{
    for (size_t i = 0; i < linked->count; i++) {
        free(linked->bytes[i]);
    }
    arena_deinit(&linked->arena);
    buf_deinit(&linked->mega);
}

static void inputs_load(Linked *linked, const char *const *texts)
{
    *linked = (Linked){.arena = ARENA_INIT(256u << 20), .mega = BUF_INIT(256u << 20), .err = ERROR_INIT};
    for (; texts[linked->count]; linked->count++) {
        size_t size;
        LinkInput *input = &linked->inputs[linked->count];
        linked->bytes[linked->count] = hex_module(texts[linked->count], &size);
        must(wasm_module_read(linked->bytes[linked->count], size, &linked->arena, &input->module, &linked->err) == 0);
        must(wasm_module_validate(input->module, &WASM_FEATURES_ALL, &linked->err) == 0);
        input->name = names[linked->count];
    }
}

static void mega_check(Linked *linked)
{
    must(linked->stats.output_size == linked->mega.size && linked->stats.entry_count == linked->count);
    must(wasm_module_read(linked->mega.bytes, linked->mega.size, &linked->arena, &linked->module, &linked->err) == 0);
    must(wasm_module_validate(linked->module, &WASM_FEATURES_ALL, &linked->err) == 0);
    must(entries_read(linked->module, &linked->arena, &linked->entries, &linked->err) == 0);
    must(linked->entries.count == linked->count);
    for (size_t i = 0; i < linked->count; i++) {
        const MegaEntry *entry = entries_find(&linked->entries, linked->inputs[i].name);
        must(entry);
        link_check(linked->inputs[i].module, linked->module, entry, &linked->arena);
    }
}

static void link_texts(Linked *linked, const char *const *texts)
{
    inputs_load(linked, texts);
    linked->r = link_megabinary(linked->inputs, linked->count, &linked->mega, &linked->stats, &linked->err);
    if (linked->r == 0) {
        mega_check(linked);
    } else {
        must(linked->mega.size == 0 && linked->err.code == -linked->r && linked->err.message[0]);
    }
}

#define LINK(linked_, ...) link_texts((linked_), (const char *const[]){__VA_ARGS__, NULL})

/* --- cases --- */

#define START_EXPORT "07(01 ('_start') 00 00)"

static void test_smallest(void)
{
    Linked linked;
    LINK(&linked, "01(01 60 00 00) 03(01 00) " START_EXPORT " 0a(01 (00 0b))");
    must(linked.r == 0);
    const MegaEntry *entry = &linked.entries.entries[0];
    must(linked.module->func_count == 2 && linked.module->memory_count == 1 && linked.module->table_count == 0);
    must(linked.module->export_count == 2 && entry->stub_func == 1 && entry->start_func == 0);
    must(entry->abi == ENTRY_ABI_WASI && entry->memory_minimum == 0 && entry->memory_maximum == 0);
    must(entry->init_func == UINT32_MAX && entry->thread_func == UINT32_MAX);
    link_deinit(&linked);
}

static void test_types_and_imports_once(void)
{
    Linked linked;
    /* fd_close and _start calling it; in the second module with types in another order and twice, and one import more. */
    LINK(&linked,
         "01(02 60 00 00 60 01 7f 01 7f) 02(01 ('wasi_snapshot_preview1') ('fd_close') 00 01) 03(01 00)"
         "07(01 ('_start') 00 01) 0a(01 (00 41 07 10 00 1a 0b))",
         "01(04 60 01 7f 01 7f 60 02 7e 7e 00 60 01 7f 01 7f 60 00 00)"
         "02(02 ('wasi_snapshot_preview1') ('sched_yield') 00 02 ('wasi_snapshot_preview1') ('fd_close') 00 00) 03(01 03)"
         "07(01 ('_start') 00 02) 0a(01 (00 41 07 10 01 1a 0b))");
    must(linked.r == 0);
    must(linked.module->imported_func_count == 1); /* sched_yield is never called */
    must(linked.module->type_count == 2 && linked.stats.output_func_count == 1 && linked.stats.input_func_count == 2);
    must(linked.stats.folded_size > 0);
    link_deinit(&linked);
}

static void test_imports_of_two_types(void)
{
    Linked linked;
    LINK(&linked,
         "01(02 60 00 00 60 01 7f 00) 02(01 ('wali') ('SYS_x') 00 01) 03(01 00) 07(01 ('_start') 00 01) 0a(01 (00 41 07 10 00 0b))",
         "01(02 60 00 00 60 01 7e 00) 02(01 ('wali') ('SYS_x') 00 01) 03(01 00) 07(01 ('_start') 00 01) 0a(01 (00 42 07 10 00 0b))");
    must(linked.r == 0 && linked.module->imported_func_count == 2);
    must(linked.entries.entries[0].abi == ENTRY_ABI_WALI && linked.entries.entries[1].abi == ENTRY_ABI_WALI);
    link_deinit(&linked);
}

/* even and odd: types () -> (), (i32) -> i32. Calls padded as a relocatable linker leaves them. */
#define EVEN(odd) "(00 20 00 45 04 40 41 01 0f 0b 20 00 41 01 6b 10 " odd " 0b)"
#define ODD(even) "(00 20 00 45 04 40 41 00 0f 0b 20 00 41 01 6b 10 " even " 0b)"
#define RECURSION_HEAD "01(02 60 00 00 60 01 7f 01 7f) "

static void test_mutual_recursion_folds(void)
{
    Linked linked;
    LINK(&linked,
         RECURSION_HEAD "03(03 00 01 01) " START_EXPORT " 0a(03 (00 41 05 10 01 1a 0b) " EVEN("82 80 80 80 00") ODD("01") ")",
         RECURSION_HEAD "03(03 01 01 00) 07(01 ('_start') 00 02) 0a(03 " ODD("01") EVEN("00") " (00 41 06 10 01 1a 0b))");
    must(linked.r == 0);
    must(linked.stats.output_func_count == 4); /* two _start, one even, one odd */
    link_deinit(&linked);
    /* One of them differs: nothing of the pair folds. */
    LINK(&linked,
         RECURSION_HEAD "03(03 00 01 01) " START_EXPORT " 0a(03 (00 41 05 10 01 1a 0b) " EVEN("02") ODD("01") ")",
         RECURSION_HEAD "03(03 01 01 00) 07(01 ('_start') 00 02)"
         "0a(03 (00 20 00 45 04 40 41 02 0f 0b 20 00 41 01 6b 10 01 0b) " EVEN("00") " (00 41 06 10 01 1a 0b))");
    must(linked.r == 0);
    must(linked.stats.output_func_count == 6);
    link_deinit(&linked);
}

/* What programs share: a function that both call (5 bytes), one that both have in their table (7), a segment of 4 bytes. */
#define SHARE_HEAD "01(02 60 00 00 60 00 01 7f) 03(04 00 01 01 00) 04(01 70 00 04) 05(01 00 01) " START_EXPORT " 09(01 00 41 01 0b 01 02) "
#define SHARE_CALLED "(00 41 ff 00 0b)"
#define SHARE_TAKEN "(00 41 ff ff ff 00 0b)"
#define SHARE_UNUSED "(00 01 0b)"
#define SHARE_DATA " 0b(01 00 41 08 0b ('same'))"

static void test_share(void)
{
    Linked linked;
    WasmShare share;
    LINK(&linked, SHARE_HEAD "0a(04 (00 10 01 1a 0b) " SHARE_CALLED SHARE_TAKEN SHARE_UNUSED ")" SHARE_DATA,
         SHARE_HEAD "0a(04 (00 10 01 1a 01 0b) " SHARE_CALLED SHARE_TAKEN SHARE_UNUSED ")" SHARE_DATA,
         SHARE_HEAD "0a(04 (00 10 01 1a 01 01 0b) " SHARE_CALLED "(00 41 02 0b)" SHARE_UNUSED ")");
    must(linked.r == 0);
    must(wasm_share_measure(linked.module, &linked.entries, &linked.arena, &share, &linked.err) == 0);
    must(share.shared_func_count == 2 && share.saved_code_size == 5 + 5 + 7 && share.saved_data_size == 4);
    link_deinit(&linked);
    LINK(&linked, SHARE_HEAD "0a(04 (00 10 01 1a 0b) " SHARE_CALLED SHARE_TAKEN SHARE_UNUSED ")" SHARE_DATA);
    must(wasm_share_measure(linked.module, &linked.entries, &linked.arena, &share, &linked.err) == 0);
    must(share.shared_func_count == 0 && share.saved_code_size == 0 && share.saved_data_size == 0);
    link_deinit(&linked);
}

/* Functions 1, 2, 3 are equal; the table holds 1 and 2; _start calls 3. */
#define SAME_BODY "(00 41 0c 0b)"
#define TAKEN_PROGRAM                                                                                     \
    "01(02 60 00 00 60 00 01 7f) 03(04 00 01 01 01) 04(01 70 00 04) " START_EXPORT                        \
    " 09(01 00 41 01 0b 02 01 02) 0a(04 (00 10 03 1a 0b) " SAME_BODY SAME_BODY SAME_BODY ")"

static void test_address_taken_stay_apart(void)
{
    Linked linked;
    LINK(&linked, TAKEN_PROGRAM);
    must(linked.r == 0 && linked.stats.output_func_count == 4);
    link_deinit(&linked);
    LINK(&linked, TAKEN_PROGRAM, TAKEN_PROGRAM);
    must(linked.r == 0 && linked.stats.output_func_count == 4); /* across programs they do fold */
    link_deinit(&linked);
    /* A program where nobody takes the address folds its three, and with the first of the others. */
    LINK(&linked, TAKEN_PROGRAM,
         "01(02 60 00 00 60 00 01 7f) 03(04 00 01 01 01) " START_EXPORT " 0a(04 (00 10 01 1a 10 02 1a 10 03 1a 0b) " SAME_BODY
             SAME_BODY SAME_BODY ")");
    must(linked.r == 0 && linked.stats.output_func_count == 5);
    link_deinit(&linked);
}

static void test_dead_functions_dropped(void)
{
    Linked linked;
    /* 1 is called only by 2, which nobody calls; 3 is in a passive segment that no code names. */
    LINK(&linked, "01(01 60 00 00) 03(04 00 00 00 00) " START_EXPORT
                  " 09(01 01 00 01 03) 0a(04 (00 0b) (00 01 0b) (00 10 01 0b) (00 01 01 0b))");
    must(linked.r == 0 && linked.stats.output_func_count == 1 && linked.module->elem_count == 0);
    must(linked.stats.input_func_count == 4);
    link_deinit(&linked);
}

/* Mutable i64, i32 (= the stack pointer), immutable i32; _start: sp = const + (i32)big. */
static void test_global_slots(void)
{
    Linked linked;
    LINK(&linked,
         "01(01 60 00 00) 03(01 00) 06(03 7e 01 42 09 0b 7f 01 41 10 0b 7f 00 41 20 0b) " START_EXPORT
         "0a(01 (00 23 02 23 00 a7 6a 24 01 0b))",
         /* __tls_base (second mutable i32) is used first: slots still keep the order of declaration. */
         "01(01 60 00 00) 03(01 00) 06(03 7f 01 41 05 0b 7f 01 41 06 0b 7e 01 42 07 0b) " START_EXPORT
         "0a(01 (00 41 00 24 01 41 00 24 00 42 00 24 02 0b))");
    must(linked.r == 0);
    must(linked.module->global_count == 3);
    for (uint32_t i = 0; i < 3; i++) {
        must(linked.module->globals[i].is_mutable);
    }
    must(linked.module->globals[0].type == WASM_I64 && linked.module->globals[1].type == WASM_I32);
    const MegaEntry *entry = entries_find(&linked.entries, "p1");
    must(entry->global_count == 3);
    must(entry->globals[1].global_index == 1 && entry->globals[1].value[0] == 5); /* the first i32 of p1, the first i32 */
    must(entry->globals[2].global_index == 2 && entry->globals[2].value[0] == 6);
    link_deinit(&linked);
}

/* Immutable globals in segment offsets, extended constants, references; a mutable funcref whose function only it names. */
static void test_constants(void)
{
    Linked linked;
    LINK(&linked,
         "01(01 60 00 00) 03(03 00 00 00) 04(01 70 00 08) 05(01 00 01)"
         "06(05 7f 00 41 03 0b 7f 00 23 00 41 04 6c 41 02 6b 0b 70 00 d2 01 0b 70 01 d2 02 0b 7e 01 42 01 42 02 7c 42 7f 7e 0b) "
         START_EXPORT
         " 09(01 04 23 00 0b 02 d2 01 0b d0 70 0b)"
         "0a(03 (00 23 02 24 03 23 04 1a 23 01 1a 0b) (00 0b) (00 01 0b)) 0b(01 00 23 01 0b 03 61 62 63)");
    must(linked.r == 0);
    const MegaEntry *entry = &linked.entries.entries[0];
    must(entry->datas[0].address == 10 && entry->elems[0].slot == 3 && entry->table_size == 8);
    must(entry->global_count == 2 && linked.stats.output_func_count == 3);
    must(entry->globals[0].value[0] == 2 + 1 || entry->globals[1].value[0] == 2 + 1); /* function 2 as a reference */
    must(entry->globals[0].value[0] == (uint64_t)-3 || entry->globals[1].value[0] == (uint64_t)-3);
    link_deinit(&linked);
}

static void test_segments(void)
{
    Linked linked;
    /* Segments 0 active, 1 and 2 passive and equal: memory.init 1, data.drop 2, memory.init 0 (which is dropped: empty). */
    LINK(&linked,
         "01(01 60 00 00) 03(01 00) 05(01 00 01) " START_EXPORT " 0c(03)"
         "0a(01 (00 41 00 41 00 41 02 fc 08 01 00 fc 09 02 41 00 41 00 41 00 fc 08 00 00 0b))"
         "0b(03 00 41 08 0b 02 'hi' 01 02 'hi' 01 02 'hi')",
         "01(01 60 00 00) 03(01 00) 05(01 00 01) " START_EXPORT " 0a(01 (00 0b)) 0b(01 00 41 20 0b 02 'hi')");
    must(linked.r == 0);
    must(linked.module->data_count == 3); /* hi, hi (twin), empty: the active ones share */
    must(linked.entries.entries[0].data_count == 1 && linked.entries.entries[1].data_count == 1);
    must(linked.entries.entries[0].datas[0].data_index == linked.entries.entries[1].datas[0].data_index);
    link_deinit(&linked);
}

static void test_tags(void)
{
    Linked linked;
    LINK(&linked,
         "01(02 60 00 00 60 01 7f 00) 03(01 00) 0d(02 00 00 00 01) " START_EXPORT " 0a(01 (00 41 01 08 01 0b))",
         "01(02 60 01 7f 00 60 00 00) 03(01 01) 0d(03 00 00 00 01 00 00) " START_EXPORT
         " 0a(01 (00 06 40 41 01 08 02 07 00 1a 19 08 01 0b 0b))");
    must(linked.r == 0 && linked.module->tag_count == 3); /* i32 twice, () once */
    link_deinit(&linked);
}

static void test_limits_merge(void)
{
    Linked linked;
    LINK(&linked,
         "01(01 60 00 00) 03(01 00) 04(01 70 01 02 03) 05(01 01 01 05) " START_EXPORT " 0a(01 (00 0b))",
         "01(01 60 00 00) 03(01 00) 04(01 70 01 04 09) 05(01 03 02 04) " START_EXPORT " 0a(01 (00 0b))");
    must(linked.r == 0);
    const WasmLimits *memory = &linked.module->memories[0].limits, *table = &linked.module->tables[0].limits;
    must(memory->minimum == 2 && memory->maximum == 5 && memory->is_shared);
    must(table->minimum == 4 && table->maximum == 9 && table->has_maximum);
    must(!linked.entries.entries[0].is_memory_shared && linked.entries.entries[1].is_memory_shared);
    must(linked.entries.entries[0].memory_maximum == 5 && linked.entries.entries[1].table_size == 4);
    link_deinit(&linked);
    /* One without a maximum: none for the module, unless it is shared. */
    LINK(&linked, "01(01 60 00 00) 03(01 00) 05(01 00 01) " START_EXPORT " 0a(01 (00 0b))",
         "01(01 60 00 00) 03(01 00) 05(01 01 02 04) " START_EXPORT " 0a(01 (00 0b))");
    must(linked.r == 0 && !linked.module->memories[0].limits.has_maximum);
    must(linked.entries.entries[0].memory_maximum == 65536 && linked.entries.entries[1].memory_maximum == 4);
    link_deinit(&linked);
    LINK(&linked, "01(01 60 00 00) 03(01 00) 05(01 00 01) " START_EXPORT " 0a(01 (00 0b))",
         "01(01 60 00 00) 03(01 00) 05(01 03 02 04) " START_EXPORT " 0a(01 (00 0b))");
    must(linked.r == 0 && linked.module->memories[0].limits.maximum == 65536 && linked.module->memories[0].limits.is_shared);
    link_deinit(&linked);
}

static void test_start_section_and_thread(void)
{
    Linked linked;
    LINK(&linked, "01(02 60 00 00 60 02 7f 7f 00) 03(03 00 00 01)"
                  "07(02 ('_start') 00 00 ('__wasm_thread_start_libc') 00 02) 08(01) 0a(03 (00 0b) (00 01 0b) (00 01 01 0b))");
    must(linked.r == 0 && linked.stats.output_func_count == 3);
    const MegaEntry *entry = &linked.entries.entries[0];
    must(entry->init_func != UINT32_MAX && entry->thread_func != UINT32_MAX && !linked.module->has_start);
    must(wasm_module_export(linked.module, "thread:p0", WASM_EXTERN_FUNC) == entry->thread_func);
    link_deinit(&linked);
    /* wasi-threads as wasm-ld and rustc make them: the shared memory is imported, spawn comes from a module of its own */
    LINK(&linked, "01(03 60 00 00 60 02 7f 7f 00 60 01 7f 01 7f) 02(02 ('env') ('memory') 02 03 02 04 ('wasi') ('thread-spawn') 00 02) 03(02 00 01)"
                  "07(02 ('_start') 00 01 ('wasi_thread_start') 00 02) 0a(02 (00 41 05 10 00 1a 0b) (00 0b))");
    must(linked.r == 0 && linked.module->import_count == 1 && linked.module->imported_func_count == 1 && !linked.module->memories[0].is_imported);
    must(linked.module->memories[0].limits.is_shared && linked.module->memories[0].limits.minimum == 2 && linked.module->memories[0].limits.maximum == 4);
    must(linked.entries.entries[0].abi == ENTRY_ABI_WASI && linked.entries.entries[0].thread_func != UINT32_MAX && linked.entries.entries[0].is_memory_shared);
    link_deinit(&linked);
}

/* Every kind of operand, shortest and as relocatable linkers pad it; the rest of the module is the same. */
static const char operands_head[] = "01(01 60 00 00) 03(01 00) 04(01 70 00 02) 05(01 00 01) 0d(01 00 00) 06(01 7f 01 41 01 0b) " START_EXPORT;
static const char *const operands[][2] = {
    {"01 02 7f", "81 00 82 00 7f"},                           /* locals */
    {"41 05 21 00", "41 85 80 80 80 00 21 80 00"},            /* i32.const, local.set */
    {"42 7f 1a", "42 ff 7f 1a"},                              /* i64.const */
    {"23 00 24 00", "23 80 00 24 80 80 00"},                  /* global.get, global.set */
    {"41 00 28 02 04 1a", "41 80 00 28 82 00 84 00 1a"},      /* i32.load */
    {"41 00 41 00 41 00 fc 0e 00 00", "41 00 41 00 41 00 fc 8e 00 80 00 80 00"}, /* table.copy */
    {"41 00 41 00 41 00 fc 0a 00 00", "41 00 41 00 41 00 fc 8a 00 00 00"},       /* memory.copy */
    {"41 00 fd 00 04 00 1a", "41 00 fd 80 00 84 00 80 00 1a"},                   /* v128.load */
    {"41 00 fd 0c 'sixteen bytes !!' fd 54 00 00 03 1a", "41 00 fd 0c 'sixteen bytes !!' fd d4 00 80 00 80 00 03 1a"},
    {"02 40 0b 02 7f 41 01 0b 1a 02 00 0b", "02 40 0b 02 7f 41 81 00 0b 1a 02 80 00 0b"}, /* block types */
    {"41 01 41 02 41 00 1c 01 7f 1a", "41 01 41 02 41 00 1c 81 00 7f 1a"},       /* select with a type */
    {"02 40 41 00 0e 01 00 00 0b", "02 40 41 00 0e 01 00 00 0b"},                /* br_table: tools do not pad it */
    {"d0 70 1a d2 00 1a", "d0 70 1a d2 80 80 80 80 00 1a"},                      /* ref.null, ref.func */
    {"06 40 08 00 07 00 19 0b", "06 40 08 80 00 07 80 00 19 0b"},                /* try, throw, catch, catch_all */
    {"1f 40 02 00 00 00 02 00 0b", "1f 40 82 00 00 80 00 80 00 02 80 00 0b"},    /* try_table */
    {"41 00 11 00 00 10 00", "41 00 11 80 00 80 00 10 80 80 80 80 00"},          /* call_indirect, call */
    {"41 00 d0 70 26 00 fc 10 00 1a", "41 00 d0 70 26 80 00 fc 90 00 80 00 1a"}, /* table.set, table.size */
    {"41 00 fe 10 02 00 1a", "41 00 fe 90 00 82 00 80 00 1a"},                   /* i32.atomic.load */
};

static void test_padding(void)
{
    for (size_t k = 0; k < TAP_COUNT(operands); k++) {
        char texts[2][512];
        for (int i = 0; i < 2; i++) {
            const char *locals = k == 0 ? "" : "01 02 7f";
            must((size_t)snprintf(texts[i], sizeof(texts[i]), "%s 0a(01 (%s %s 0b))", operands_head, locals, operands[k][i]) < sizeof(texts[i]));
        }
        Linked linked;
        LINK(&linked, texts[0], texts[1]);
        if (linked.r != 0 || linked.stats.output_func_count != 1) {
            printf("# %s and %s: %s\n", operands[k][0], operands[k][1], linked.err.message);
            must(false);
        }
        link_deinit(&linked);
    }
}

static WasmSlice func_name(const Linked *linked, Arena *arena, uint32_t func_index)
{
    WasmNames found;
    must(wasm_names_read(linked->module, arena, &found) == 0);
    return found.funcs[func_index];
}

static bool name_is(WasmSlice name, const char *text)
{
    return name.size == strlen(text) && memcmp(name.bytes, text, name.size) == 0;
}

static void test_name_section(void)
{
    static const char *const texts[] = {
        "01(01 60 00 00) 02(01 ('wali') ('SYS_sync') 00 00) 03(03 00 00 00) 07(01 ('_start') 00 01)"
        "0a(03 (00 10 00 10 02 10 03 0b) (00 01 0b) (00 01 01 0b)) 00(('name') 01(04 00('sync') 01('_start') 02('shared') 03('own')))",
        "01(01 60 00 00) 03(02 00 00) " START_EXPORT " 0a(02 (00 10 01 0b) (00 01 0b)) 00(('name') 01(02 00('_start') 01('other')))",
        "01(01 60 00 00) 03(01 00) " START_EXPORT " 0a(01 (00 01 01 01 0b)) 00(('name') 01(01 00('\xff')))", NULL};
    Linked linked;
    link_texts(&linked, texts);
    must(linked.r == 0);
    must(name_is(func_name(&linked, &linked.arena, 0), "wali.SYS_sync"));
    must(name_is(func_name(&linked, &linked.arena, 1), "p0._start"));
    must(name_is(func_name(&linked, &linked.arena, 2), "shared")); /* of two programs: the first one's name */
    must(name_is(func_name(&linked, &linked.arena, 3), "p0.own"));
    must(name_is(func_name(&linked, &linked.arena, 4), "p1._start"));
    must(func_name(&linked, &linked.arena, 5).size == 0); /* not UTF-8 */
    must(name_is(func_name(&linked, &linked.arena, 8), "entry:p2"));
    link_deinit(&linked);
}

typedef struct Refusal {
    const char *text;
    int r;
    const char *message;
} Refusal;

static void test_refused(void)
{
    static const Refusal refusals[] = {
        {"01(01 60 00 00) 03(01 00) 0a(01 (00 0b))", -EINVAL, "no function _start"},
        {"01(01 60 01 7f 00) 03(01 00) " START_EXPORT " 0a(01 (00 0b))", -EINVAL, "_start has parameters"},
        {"01(01 60 00 01 7f) 03(01 00) " START_EXPORT " 0a(01 (00 41 00 0b))", -EINVAL, "_start has parameters"},
        {"01(01 60 00 00) 02(01 ('env') ('m') 02 00 01) 03(01 00) " START_EXPORT " 0a(01 (00 0b))", -EINVAL, "imports a memory"},
        {"01(01 60 00 00) 02(01 ('wali') ('t') 01 70 00 01) 03(01 00) " START_EXPORT " 0a(01 (00 0b))", -EINVAL, "imports a table"},
        {"01(01 60 00 00) 02(01 ('wali') ('g') 03 7f 00) 03(01 00) " START_EXPORT " 0a(01 (00 0b))", -EINVAL, "imports a global"},
        {"01(01 60 00 00) 02(01 ('wali') ('g') 04 00 00) 03(01 00) " START_EXPORT " 0a(01 (00 0b))", -EINVAL, "imports a tag"},
        {"01(01 60 00 00) 02(01 ('env') ('f') 00 00) 03(01 00) 07(01 ('_start') 00 01) 0a(01 (00 0b))", -EINVAL, "env.f"},
        {"01(01 60 00 00) 03(01 00) 04(02 70 00 01 70 00 01) " START_EXPORT " 0a(01 (00 0b))", -EINVAL, "2 tables"},
        {"01(01 60 00 00) 03(01 00) 04(01 6f 00 01) " START_EXPORT " 0a(01 (00 0b))", -EINVAL, "plain table"},
        {"01(01 60 00 00) 03(01 00) 05(02 00 01 00 01) " START_EXPORT " 0a(01 (00 0b))", -EINVAL, "2 memories"},
        {"01(01 60 00 00) 03(01 00) 05(01 04 01) " START_EXPORT " 0a(01 (00 0b))", -EINVAL, "64-bit memory"},
        {"01(01 60 00 00) 03(01 00) 05(01 00 01) " START_EXPORT " 0a(01 (00 0b)) 0b(01 00 41 ff ff 03 0b 02 'hi')", -EINVAL,
         "data segment 0 is out of bounds"},
        {"01(01 60 00 00) 03(01 00) 05(01 00 01) " START_EXPORT " 0a(01 (00 0b)) 0b(01 00 41 7f 0b 00)", -EINVAL,
         "data segment 0 is out of bounds"},
        {"01(01 60 00 00) 03(01 00) 04(01 70 00 02) " START_EXPORT " 09(01 00 41 02 0b 01 00) 0a(01 (00 0b))", -EINVAL,
         "element segment 0 is out of bounds"},
        {"01(02 60 00 00 60 01 7f 00) 03(02 00 01) 07(02 ('_start') 00 00 ('wasi_thread_start') 00 01) 0a(02 (00 0b) (00 0b))", -EINVAL,
         "wasi_thread_start"},
        {"01(02 60 00 00 60 01 63 00 00) 03(01 00) " START_EXPORT " 0a(01 (00 0b))", -EINVAL, "typed function references"},
        {"01(02 60 00 00 4e 01 60 01 7f 00) 03(01 00) " START_EXPORT " 0a(01 (00 0b))", -EINVAL, "typed function references"},
        {"01(01 60 00 00) 03(01 00) 06(01 63 00 00 d0 00 0b) " START_EXPORT " 0a(01 (00 0b))", -EINVAL, "typed function references"},
        {"01(01 60 00 00) 03(01 00) " START_EXPORT " 0a(01 (01 01 63 00 0b))", -EINVAL, "typed function references"},
        {"01(01 60 00 00) 03(01 00) " START_EXPORT " 0a(01 (00 d0 00 1a 0b))", -EINVAL, "typed function references"},
        {"01(01 60 00 00) 03(01 00) " START_EXPORT " 0a(01 (00 00 14 00 0b))", -EINVAL, "typed function references"},
        {"01(01 60 00 00) 03(01 00) " START_EXPORT " 0a(01 (00 02 63 00 00 0b 1a 0b))", -EINVAL, "typed function references"},
        {"01(01 60 00 00) 03(01 00) " START_EXPORT " 0a(01 (00 00 1c 01 63 00 1a 0b))", -EINVAL, "typed function references"},
    };
    for (size_t i = 0; i < TAP_COUNT(refusals); i++) {
        Linked linked;
        LINK(&linked, "01(01 60 00 00) 03(01 00) " START_EXPORT " 0a(01 (00 0b))", refusals[i].text);
        if (linked.r != refusals[i].r || !strstr(linked.err.message, refusals[i].message) || !strstr(linked.err.message, "entry p1: ")) {
            printf("# case %zu: %d %s\n", i, linked.r, linked.err.message);
            must(false);
        }
        link_deinit(&linked);
    }
}

static void test_names(void)
{
    Linked linked;
    const char *const texts[] = {"01(01 60 00 00) 03(01 00) " START_EXPORT " 0a(01 (00 0b))",
                                 "01(01 60 00 00) 03(01 00) " START_EXPORT " 0a(01 (00 01 0b))", NULL};
    static const char *const bad[] = {"", "a b", "a:b", "\xc3\xa4", NULL};
    char longest[257] = {0};
    inputs_load(&linked, texts);
    for (size_t i = 0; i < TAP_COUNT(bad); i++) {
        linked.inputs[1].name = bad[i];
        must(link_megabinary(linked.inputs, 2, &linked.mega, &linked.stats, &linked.err) == -EINVAL);
    }
    memset(longest, 'x', 256);
    linked.inputs[1].name = longest;
    must(link_megabinary(linked.inputs, 2, &linked.mega, &linked.stats, NULL) == -EINVAL);
    longest[255] = '\0';
    linked.err = ERROR_INIT;
    must(link_megabinary(linked.inputs, 2, &linked.mega, &linked.stats, &linked.err) == 0 && linked.err.code == 0);
    mega_check(&linked);
    linked.inputs[1].name = "p0";
    must(link_megabinary(linked.inputs, 2, &linked.mega, &linked.stats, &linked.err) == -EEXIST);
    must(link_megabinary(linked.inputs, 0, &linked.mega, &linked.stats, &linked.err) == -EINVAL);
    must(link_megabinary(linked.inputs, 4097, &linked.mega, &linked.stats, &linked.err) == -E2BIG);
    link_deinit(&linked);
}

static void test_append_and_limit(void)
{
    Linked linked;
    LINK(&linked, TAKEN_PROGRAM, TAKEN_PROGRAM);
    must(linked.r == 0);
    Buf behind = BUF_INIT(1u << 20);
    buf_append_string(&behind, "before");
    must(link_megabinary(linked.inputs, 2, &behind, NULL, NULL) == 0);
    must(behind.size == 6 + linked.mega.size && memcmp(behind.bytes + 6, linked.mega.bytes, linked.mega.size) == 0);
    buf_deinit(&behind);
    for (size_t size = 0; size < linked.mega.size; size += 7) {
        Buf small = BUF_INIT(size);
        Error err = ERROR_INIT;
        must(link_megabinary(linked.inputs, 2, &small, NULL, &err) == -E2BIG && small.size == 0 && err.code == E2BIG);
        buf_deinit(&small);
    }
    link_deinit(&linked);
}

static void test_out_of_memory(void)
{
#if CAN_FAIL_ALLOCATION
    Linked linked;
    LINK(&linked, TAKEN_PROGRAM, "01(01 60 00 00) 03(01 00) 05(01 00 01) 06(01 7f 01 41 07 0b) " START_EXPORT
                                 " 0a(01 (00 23 00 1a 0b)) 0b(01 00 41 08 0b 02 'hi')");
    must(linked.r == 0);
    int r = -ENOMEM;
    for (long budget = 0; r == -ENOMEM; budget++) {
        Buf out = BUF_INIT(1u << 20);
        Error err = ERROR_INIT;
        must(budget < 10000);
        allocation_budget = budget;
        r = link_megabinary(linked.inputs, 2, &out, NULL, &err);
        allocation_budget = -1;
        must(r == 0 || (r == -ENOMEM && out.size == 0 && err.code == ENOMEM && err.message[0]));
        must(r < 0 || (out.size == linked.mega.size && memcmp(out.bytes, linked.mega.bytes, out.size) == 0));
        buf_deinit(&out);
    }
    must(r == 0);
    link_deinit(&linked);
#else
    tap_skip("allocation is the sanitizer's in this build");
#endif
}

/* A chain of equal bodies in which only the last differs: rounds of rehashing would need as many rounds as functions. */
static void chain_make(Buf *module, uint32_t count, const char *last)
{
    Buf section = BUF_INIT(64u << 20);
    buf_append(module, "\0asm\1\0\0\0\1\4\1\x60\0\0", 14);
    buf_append_uleb(&section, count);
    for (uint32_t i = 0; i < count; i++) {
        buf_append_byte(&section, 0);
    }
    buf_append_byte(module, 3);
    buf_append_uleb(module, section.size);
    buf_append(module, section.bytes, section.size);
    buf_append(module, "\7\12\1\6_start\0\0", 12);
    buf_clear(&section);
    buf_append_uleb(&section, count);
    for (uint32_t i = 0; i + 1 < count; i++) {
        Buf body = BUF_INIT(64);
        buf_append(&body, "\0\x10", 2);
        buf_append_uleb(&body, i + 1);
        buf_append_byte(&body, 0x0b);
        buf_append_uleb(&section, body.size);
        buf_append(&section, body.bytes, body.size);
        buf_deinit(&body);
    }
    buf_append_uleb(&section, strlen(last) + 2);
    buf_append_byte(&section, 0);
    buf_append_string(&section, last);
    buf_append_byte(&section, 0x0b);
    buf_append_byte(module, 10);
    buf_append_uleb(module, section.size);
    buf_append(module, section.bytes, section.size);
    must(buf_error(&section) == 0 && buf_error(module) == 0);
    buf_deinit(&section);
}

static void test_long_chains(void)
{
    enum { COUNT = 200000 };
    Linked linked = {.arena = ARENA_INIT(1u << 30), .mega = BUF_INIT(64u << 20), .err = ERROR_INIT};
    Buf modules[3] = {BUF_INIT(64u << 20), BUF_INIT(64u << 20), BUF_INIT(64u << 20)};
    static const char *const lasts[3] = {"\x01", "\x01", "\x01\x01"}; /* nop; nop; nop nop */
    for (int i = 0; i < 3; i++) {
        chain_make(&modules[i], COUNT, lasts[i]);
        must(wasm_module_read(modules[i].bytes, modules[i].size, &linked.arena, &linked.inputs[i].module, &linked.err) == 0);
        must(wasm_module_validate(linked.inputs[i].module, &WASM_FEATURES_DEFAULT, &linked.err) == 0);
        linked.inputs[i].name = names[i];
    }
    const clock_t start = clock();
    must(link_megabinary(linked.inputs, 3, &linked.mega, &linked.stats, &linked.err) == 0);
    must(linked.stats.output_func_count == 2 * COUNT);
    printf("# 3 chains of %d functions: %.2f s; were it quadratic, hours\n", COUNT, (double)(clock() - start) / CLOCKS_PER_SEC);
    for (int i = 0; i < 3; i++) {
        buf_deinit(&modules[i]);
    }
    link_deinit(&linked);
}

int main(void)
{
    static const TapCase cases[] = {
        {"the smallest program", test_smallest},
        {"types and imports once, unused imports dropped", test_types_and_imports_once},
        {"an import of two types is two imports", test_imports_of_two_types},
        {"mutually recursive functions fold", test_mutual_recursion_folds},
        {"what programs share is measured", test_share},
        {"address-taken functions of one program stay apart", test_address_taken_stay_apart},
        {"dead functions are dropped", test_dead_functions_dropped},
        {"global slots by type and position", test_global_slots},
        {"constants are evaluated and folded", test_constants},
        {"segments: passive twins, dropped ones", test_segments},
        {"tags by type and position", test_tags},
        {"limits of memory and table", test_limits_merge},
        {"start section and thread function", test_start_section_and_thread},
        {"padding goes: operands of every kind", test_padding},
        {"name section", test_name_section},
        {"what can not be linked is refused by name", test_refused},
        {"entry names", test_names},
        {"output is appended, nothing half is left at the limit", test_append_and_limit},
        {"running out of memory at every allocation", test_out_of_memory},
        {"folding is not quadratic in long call chains", test_long_chains},
    };
    return tap_main(cases, TAP_COUNT(cases));
}
