/* SPDX-License-Identifier: Apache-2.0 */
/* Includes the source so that calloc can be made to fail. */
#include <stdlib.h>

static int calloc_budget = -1; /* calls that succeed; -1: all */

static void *test_calloc(size_t count, size_t size)
{
    if (calloc_budget == 0) {
        return NULL;
    }
    calloc_budget -= calloc_budget > 0;
    return calloc(count, size);
}
#define calloc test_calloc
#include "base/arena.c"
#undef calloc

#include "base/tap.h"

static void test_zeroed_aligned_apart(void)
{
    Arena arena = ARENA_INIT(64u << 20);
    unsigned char *pointers[2000];
    for (size_t i = 0; i < 2000; i++) {
        pointers[i] = arena_alloc(&arena, i);
        must(pointers[i] && (uintptr_t)pointers[i] % 16 == 0);
        for (size_t j = 0; j < i; j++) {
            must(pointers[i][j] == 0);
        }
        memset(pointers[i], (int)(i & 255), i);
    }
    for (size_t i = 0; i < 2000; i++) {
        for (size_t j = 0; j < i; j++) {
            must(pointers[i][j] == (i & 255));
        }
    }
    arena_deinit(&arena);
    must(arena.blocks == NULL && arena.used_size == 0);
    arena_deinit(&arena);
    arena_deinit(NULL);
}

static void test_maximum(void)
{
    Arena arena = ARENA_INIT(1024);
    must(arena_alloc(&arena, 1025) == NULL);
    must(arena_alloc(&arena, SIZE_MAX) == NULL);
    must(arena_alloc(&arena, SIZE_MAX - 15) == NULL);
    must(arena_alloc(&arena, 1000) != NULL); /* 1008 after rounding */
    must(arena_alloc(&arena, 17) == NULL);
    must(arena_alloc(&arena, 16) != NULL);
    must(arena_alloc(&arena, 0) == NULL); /* nothing left, not even for an empty one */
    arena_deinit(&arena);

    Arena none = ARENA_INIT(0);
    must(arena_alloc(&none, 1) == NULL && arena_alloc(&none, 0) == NULL);
    arena_deinit(&none);
}

static void test_array_overflow(void)
{
    Arena arena = ARENA_INIT(SIZE_MAX);
    must(arena_array(&arena, SIZE_MAX / 2, 3) == NULL);
    must(arena_array(&arena, 1ull << 33, 1ull << 33) == NULL);
    must(arena_array(&arena, 0, SIZE_MAX) != NULL);
    must(arena_strndup(&arena, "x", SIZE_MAX) == NULL);
    arena_deinit(&arena);
}

static void test_large_blocks(void)
{
    Arena arena = ARENA_INIT(64u << 20);
    char *small = arena_alloc(&arena, 16);
    char *large = arena_alloc(&arena, 8u << 20);
    char *next = arena_alloc(&arena, 16);
    must(small && large && next);
    large[(8u << 20) - 1] = 1;
    must(ARENA_EXACT || next == small + 16); /* the large one did not use up the block being filled */
    arena_deinit(&arena);
}

static void test_strndup(void)
{
    Arena arena = ARENA_INIT(4096);
    char *copy = arena_strndup(&arena, "abcdef", 3);
    must(copy && strcmp(copy, "abc") == 0);
    copy = arena_strndup(&arena, "a\0b", 3);
    must(copy && memcmp(copy, "a\0b", 4) == 0);
    copy = arena_strndup(&arena, NULL, 0);
    must(copy && copy[0] == '\0');
    arena_deinit(&arena);
}

static void test_out_of_memory(void)
{
    for (int budget = 0; budget < 20; budget++) {
        Arena arena = ARENA_INIT(64u << 20);
        size_t answered = 0;
        calloc_budget = budget;
        for (size_t i = 0; i < 64; i++) {
            const size_t used_size = arena.used_size;
            char *memory = arena_alloc(&arena, 5000);
            must(memory || arena.used_size == used_size);
            answered += memory != NULL;
        }
        must(budget == 0 ? answered == 0 : answered > 0);
        calloc_budget = -1;
        must(arena_alloc(&arena, 5000) != NULL); /* usable after the shortage */
        arena_deinit(&arena);
    }
}

int main(void)
{
    static const TapCase cases[] = {
        {"zeroed, aligned, apart", test_zeroed_aligned_apart}, {"maximum", test_maximum},
        {"array overflow", test_array_overflow},               {"large blocks", test_large_blocks},
        {"strndup", test_strndup},                             {"out of memory", test_out_of_memory},
    };
    return tap_main(cases, TAP_COUNT(cases));
}
