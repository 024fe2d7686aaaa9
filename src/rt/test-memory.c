/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-memory.c - linear memory, tables, segments, atomics: exact bounds, limits, growth, replace at the fixed base.
 */
#include "rt/test-int.h"

#include <pthread.h>
#include <sys/mman.h>
#include <time.h>

static RtLoaded *loaded;

typedef struct Op {
    void (*body)(RtInstance *instance);
} Op;

static void op_main(RtInstance *instance, void *argument) { ((const Op *)argument)->body(instance); }

static RtTrap trap_of(RtInstance *instance, void (*body)(RtInstance *))
{
    Op op = {.body = body};
    return rt_instance_call(instance, op_main, &op, NULL);
}

static RtInstance *plain_instance(Script *script)
{
    RtInstance *instance = script_instance(loaded, NULL, script);
    must(rt_instance_instantiate(instance, NULL) == RT_TRAP_NONE);
    return instance;
}

static void test_growth(void)
{
    Error err = ERROR_INIT;
    RtMemory *memory = NULL;
    must(rt_memory_new(0, 1, 10, 5, false, &memory, &err) == 0);
    must(memory->page_count == 1 && memory->page_maximum == 10 && memory->page_limit == 5);
    memory->base[65535] = 1;
    must(rt_memory_grow(memory, 0) == 1 && rt_memory_grow(memory, 4) == 1 && memory->page_count == 5);
    memory->base[5 * 65536 - 1] = memory->base[65535];
    must(rt_memory_grow(memory, 1) == UINT32_MAX && rt_memory_grow(memory, UINT32_MAX) == UINT32_MAX && memory->page_count == 5);
    memory = rt_memory_free(memory);
    must(rt_memory_new(0, 6, 10, 5, false, &memory, &err) == -ENOMEM && memory == NULL);
    must(rt_memory_new(0, 65536, 65536, 0, false, &memory, &err) == 0 && memory->page_count == 65536);
    memory->base[(4ull << 30) - 1] = 7;
    must(rt_memory_grow(memory, 1) == UINT32_MAX);
    memory = rt_memory_free(memory);
}

static void test_fixed_base(void)
{
#if defined(RT_HAS_ASAN) || defined(__SANITIZE_THREAD__)
    (void)printf("# fixed base: skipped, the sanitizer's shadow may lie there\n");
#else
    Error err = ERROR_INIT;
    RtMemory *memory = NULL, *second = NULL;
    must(rt_memory_new(RT_MEMORY_BASE_DEFAULT, 1, 1, 0, false, &memory, &err) == 0 && (uintptr_t)memory->base == RT_MEMORY_BASE_DEFAULT);
    must(rt_memory_new(RT_MEMORY_BASE_DEFAULT, 1, 1, 0, false, &second, &err) == -EEXIST); /* never over somebody else's */
    memory = rt_memory_free(memory);
    must(rt_memory_new(RT_MEMORY_BASE_DEFAULT, 1, 1, 0, false, &memory, &err) == 0);
    memory = rt_memory_free(memory);
#endif
}

#define CALL(member, ...) instance->runtime->member(instance, __VA_ARGS__)
#define END (2u * 65536u)
#define BODY(name, statement) static void name(RtInstance *instance) { statement; }
BODY(copy_edge, (CALL(memory_copy, END, 0, 0), CALL(memory_copy, 0, END, 0), CALL(memory_copy, END - 4, 0, 4)))
BODY(copy_past_dst, CALL(memory_copy, END - 3, 0, 4))
BODY(copy_past_src, CALL(memory_copy, 0, END - 3, 4))
BODY(copy_zero_past, CALL(memory_copy, END + 1, 0, 0))
BODY(copy_wrap, CALL(memory_copy, 0, 8, UINT32_MAX))
BODY(fill_edge, (CALL(memory_fill, END, 1, 0), CALL(memory_fill, END - 1, 0x1ff, 1)))
BODY(fill_past, CALL(memory_fill, END - 1, 0, 2))
BODY(init_edge, (CALL(memory_init, 1, END, 3, 0), CALL(memory_init, 1, END - 3, 0, 3)))
BODY(init_past_src, CALL(memory_init, 1, 0, 1, 3))
BODY(init_past_dst, CALL(memory_init, 1, END - 2, 0, 3))
BODY(init_dropped, CALL(memory_init, 0, 0, 0, 1))
BODY(init_dropped_zero, CALL(memory_init, 0, 0, 0, 0))
BODY(table_get_past, CALL(table_get, 0, 4))
BODY(table_set_past, CALL(table_set, 0, 4, NULL))
BODY(table_fill_edge, CALL(table_fill, 0, 4, NULL, 0))
BODY(table_fill_past, CALL(table_fill, 0, 4, NULL, 1))
BODY(table_copy_edge, (CALL(table_copy, 0, 0, 4, 4, 0), CALL(table_copy, 0, 0, 2, 1, 2)))
BODY(table_copy_past, CALL(table_copy, 0, 0, 3, 1, 2))
BODY(table_init_past, CALL(table_init, 0, 1, 3, 0, 2))
BODY(table_init_dropped, CALL(table_init, 0, 0, 0, 0, 1))
BODY(wait_unshared, CALL(atomic_wait32, 64, 0, 0))
BODY(wait_unaligned, CALL(atomic_wait32, 62, 0, 0))
BODY(wait_past, CALL(atomic_wait64, END, 0, 0))
BODY(notify_unaligned, CALL(atomic_notify, 2, 0))
BODY(notify_past, CALL(atomic_notify, END, 0))

static void test_bounds(void)
{
    const struct { void (*body)(RtInstance *); RtTrap trap; } rows[] = {
        {copy_edge, RT_TRAP_NONE}, {copy_past_dst, RT_TRAP_MEMORY_OUT_OF_BOUNDS}, {copy_past_src, RT_TRAP_MEMORY_OUT_OF_BOUNDS},
        {copy_zero_past, RT_TRAP_MEMORY_OUT_OF_BOUNDS}, {copy_wrap, RT_TRAP_MEMORY_OUT_OF_BOUNDS}, {fill_edge, RT_TRAP_NONE},
        {fill_past, RT_TRAP_MEMORY_OUT_OF_BOUNDS}, {init_edge, RT_TRAP_NONE}, {init_past_src, RT_TRAP_MEMORY_OUT_OF_BOUNDS},
        {init_past_dst, RT_TRAP_MEMORY_OUT_OF_BOUNDS}, {init_dropped, RT_TRAP_MEMORY_OUT_OF_BOUNDS}, {init_dropped_zero, RT_TRAP_NONE},
        {table_get_past, RT_TRAP_TABLE_OUT_OF_BOUNDS}, {table_set_past, RT_TRAP_TABLE_OUT_OF_BOUNDS}, {table_fill_edge, RT_TRAP_NONE},
        {table_fill_past, RT_TRAP_TABLE_OUT_OF_BOUNDS}, {table_copy_edge, RT_TRAP_NONE}, {table_copy_past, RT_TRAP_TABLE_OUT_OF_BOUNDS},
        {table_init_past, RT_TRAP_TABLE_OUT_OF_BOUNDS}, {table_init_dropped, RT_TRAP_TABLE_OUT_OF_BOUNDS},
        {wait_unshared, RT_TRAP_EXPECTED_SHARED}, {wait_unaligned, RT_TRAP_UNALIGNED_ATOMIC}, {wait_past, RT_TRAP_MEMORY_OUT_OF_BOUNDS},
        {notify_unaligned, RT_TRAP_UNALIGNED_ATOMIC}, {notify_past, RT_TRAP_MEMORY_OUT_OF_BOUNDS},
    };
    Script script = {0};
    RtInstance *instance = plain_instance(&script);
    const RtTable *table = rt_instance_table(instance, 0);
    must(memcmp(instance->memory_base + 16, "hello", 6) == 0 && rt_instance_global(instance, 1)->i32 == 42);
    must(table->elems[1].signature != 0 && table->elems[2].signature == 0 && table->elems[3].signature == 0);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const RtTrap trap = trap_of(instance, rows[i].body);
        if (trap != rows[i].trap) {
            (void)printf("# row %zu: got %s want %s\n", i, rt_trap_name(trap), rt_trap_name(rows[i].trap));
            must(false && "row");
        }
    }
    must(instance->memory_base[END - 1] == 'l' && table->elems[3].signature == 0 && table->elems[2].func_index == 4);
    (void)rt_instance_free(instance);
}

BODY(tables, {
    void *ref = CALL(table_get, 0, 1);
    must(ref == &instance->object->funcs[4] && CALL(table_get, 0, 0) == NULL);
    must(CALL(table_grow, 0, ref, 13) == UINT32_MAX && CALL(table_grow, 0, ref, UINT32_MAX) == UINT32_MAX);
    must(CALL(table_grow, 0, ref, 12) == 4 && CALL(table_get, 0, 15) == ref && CALL(table_grow, 0, NULL, 0) == 16);
    CALL(table_fill, 0, 4, NULL, 12);
    must(CALL(table_get, 0, 15) == NULL);
    CALL(elem_set, 1, 1, ref);
    CALL(table_init, 0, 1, 8, 0, 2);
    must(CALL(table_get, 0, 8) == NULL && CALL(table_get, 0, 9) == ref);
    CALL(table_copy, 0, 0, 9, 8, 3); /* overlapping, upwards */
    must(CALL(table_get, 0, 9) == NULL && CALL(table_get, 0, 10) == ref);
    CALL(memory_copy, 17, 16, 4);
    must(memcmp(instance->memory_base + 16, "hhell", 5) == 0);
})

static void test_tables(void)
{
    Script script = {0};
    RtInstance *instance = plain_instance(&script);
    must(trap_of(instance, tables) == RT_TRAP_NONE);
    (void)rt_instance_free(instance);
}

/* --- atomics between threads --- */

static RtInstance *shared_instance;
static uint32_t wait_results[4];

static void *wait_in_thread(void *argument)
{
    Error err = ERROR_INIT;
    RtInstance *instance = NULL;
    uint32_t *result = argument;
    must(rt_instance_new_thread(shared_instance, NULL, 1u << 20, &instance, &err) == 0);
    must(instance->memory == shared_instance->memory && rt_instance_global(instance, 1)->i32 == 42);
    *result = result - wait_results < 2 ? CALL(atomic_wait32, 128, 0, -1) : CALL(atomic_wait64, 256, 1ull << 40, -1);
    (void)rt_instance_free(instance);
    return NULL;
}

static void test_atomics(void)
{
    Script script = {0};
    pthread_t threads[4];
    RtInstance *instance = shared_instance = plain_instance(&script);
    instance->memory->is_shared = true;
    const uint64_t wide = 1ull << 40;
    memcpy(instance->memory_base + 256, &wide, sizeof(wide));
    must(CALL(atomic_wait32, 128, 1, -1) == 1 && CALL(atomic_wait32, 128, 0, 2000000) == 2 && CALL(atomic_wait64, 256, 0, -1) == 1);
    must(CALL(atomic_notify, 128, UINT32_MAX) == 0);
    for (size_t i = 0; i < 4; i++) {
        wait_results[i] = 9;
        must(pthread_create(&threads[i], NULL, wait_in_thread, &wait_results[i]) == 0);
    }
    uint32_t narrow = 0, broad = 0;
    for (uint32_t i = 0; i < 5000 && (narrow < 2 || broad < 2); i++) {
        narrow += CALL(atomic_notify, 128, 1);
        broad += CALL(atomic_notify, 256, UINT32_MAX);
        const struct timespec pause = {.tv_nsec = 1000000};
        (void)nanosleep(&pause, NULL);
    }
    must(narrow == 2 && broad == 2);
    for (size_t i = 0; i < 4; i++) {
        must(pthread_join(threads[i], NULL) == 0 && wait_results[i] == 0);
    }
    (void)rt_instance_free(instance);
}

static void test_strings(void)
{
    Script script = {0};
    RtInstance *instance = plain_instance(&script);
    must(rt_guest_string(instance, 16, 100) == 5 && rt_guest_string(instance, 16, 6) == 5 && rt_guest_string(instance, 16, 5) == -ENAMETOOLONG);
    instance->memory_base[END - 1] = 'x';
    must(rt_guest_string(instance, END - 1, 100) == -EFAULT && rt_guest_string(instance, END, 100) == -EFAULT);
    must(rt_guest(instance, END, 0) != NULL && rt_guest(instance, END, 1) == NULL && rt_guest(instance, UINT32_MAX, UINT64_MAX) == NULL);
    (void)rt_instance_free(instance);
}

/* Instances come and go without leaving mappings behind. */
static size_t map_count(void)
{
    FILE *maps = fopen("/proc/self/maps", "re");
    size_t count = 0;
    must(maps != NULL);
    for (int c; (c = fgetc(maps)) != EOF;) {
        count += c == '\n';
    }
    (void)fclose(maps);
    return count;
}

static void test_leaks(void)
{
    Script script = {0};
    (void)rt_instance_free(plain_instance(&script));
    const size_t before = map_count();
    for (uint32_t i = 0; i < 200; i++) {
        (void)rt_instance_free(plain_instance(&script));
        (void)rt_instance_free(script_instance(loaded, "main", &script));
    }
    must(map_count() <= before + 4);
}

int main(void)
{
    loaded = fixture_open(TEST_FIXTURE);
    (void)printf("1..7\n");
    test_growth();
    ok("growth and limits");
    test_fixed_base();
    ok("fixed base is taken once");
    test_bounds();
    ok("bounds of bulk operations");
    test_tables();
    ok("tables");
    test_atomics();
    ok("wait and notify");
    test_strings();
    ok("guest strings");
    test_leaks();
    ok("no mappings left behind");
    loaded = rt_object_close(loaded);
    return 0;
}
