/* SPDX-License-Identifier: Apache-2.0 */
/*
 * arena.c - blocks in a list; the head block is the one being filled.
 *
 *     arena -> [block: next size used | data ......free] -> [block] -> ...
 *
 * An allocation that would waste much of a new block gets a block of its own behind the head. Blocks come from calloc,
 * so memory is zeroed without touching it. Under AddressSanitizer every allocation is a block of exactly its size:
 * a read past the end of an array is then found instead of landing in a neighbour.
 *
 * I1 used_size <= max_size. I2 every returned pointer is aligned to 16.
 */
#include "base/arena.h"

#include <stdlib.h>
#include <string.h>

#include "base/must.h"

#if defined(__SANITIZE_ADDRESS__)
#define ARENA_EXACT 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ARENA_EXACT 1
#endif
#endif
#ifndef ARENA_EXACT
#define ARENA_EXACT 0
#endif

#define ARENA_ALIGNMENT 16u
#define ARENA_BLOCK_FIRST (16u << 10)
#define ARENA_BLOCK_LARGEST (1u << 20)

struct ArenaBlock {
    ArenaBlock *next;
    size_t size; /* bytes of data */
    size_t used;
    size_t padding;
    unsigned char data[];
};
_Static_assert(sizeof(ArenaBlock) % ARENA_ALIGNMENT == 0, "data is aligned as calloc aligns the block");

static ArenaBlock *block_new(size_t size)
{
    size_t total;
    if (__builtin_add_overflow(size, sizeof(ArenaBlock), &total)) {
        return NULL;
    }
    ArenaBlock *block = calloc(1, total);
    if (block) {
        block->size = size;
    }
    return block;
}

void arena_deinit(Arena *arena)
{
    if (!arena) {
        return;
    }
    for (ArenaBlock *block = arena->blocks; block;) {
        ArenaBlock *next = block->next;
        free(block);
        block = next;
    }
    arena->blocks = NULL;
    arena->used_size = 0;
}

/* A block for one allocation only, put behind the head so that the head stays the one being filled. */
static void *alloc_alone(Arena *arena, size_t size)
{
    ArenaBlock *block = block_new(size);
    if (!block) {
        return NULL;
    }
    block->used = size;
    if (arena->blocks) {
        block->next = arena->blocks->next;
        arena->blocks->next = block;
    } else {
        arena->blocks = block;
    }
    return block->data;
}

void *arena_alloc(Arena *arena, size_t size)
{
    must(arena->used_size <= arena->max_size);
    size_t rounded;
    if (size == 0) {
        size = 1;
    }
    if (__builtin_add_overflow(size, ARENA_ALIGNMENT - 1, &rounded)) {
        return NULL;
    }
    rounded &= ~(size_t)(ARENA_ALIGNMENT - 1);
    if (rounded > arena->max_size - arena->used_size) {
        return NULL;
    }

    ArenaBlock *head = arena->blocks;
    void *memory;
    if (ARENA_EXACT) {
        memory = alloc_alone(arena, size);
    } else if (head && rounded <= head->size - head->used) {
        memory = head->data + head->used;
        head->used += rounded;
    } else {
        size_t block_size = head ? head->size * 2 : ARENA_BLOCK_FIRST;
        block_size = block_size < ARENA_BLOCK_FIRST ? ARENA_BLOCK_FIRST : block_size;
        block_size = block_size > ARENA_BLOCK_LARGEST ? ARENA_BLOCK_LARGEST : block_size;
        if (rounded > block_size / 4) {
            memory = alloc_alone(arena, rounded);
        } else {
            ArenaBlock *block = block_new(block_size);
            if (!block) {
                return NULL;
            }
            block->next = head;
            arena->blocks = block;
            memory = block->data;
            block->used = rounded;
        }
    }
    if (memory) {
        arena->used_size += rounded;
    }
    return memory;
}

void *arena_array(Arena *arena, size_t count, size_t size)
{
    size_t total;
    if (__builtin_mul_overflow(count, size, &total)) {
        return NULL;
    }
    return arena_alloc(arena, total);
}

char *arena_strndup(Arena *arena, const char *string, size_t size)
{
    size_t total;
    if (__builtin_add_overflow(size, 1, &total)) {
        return NULL;
    }
    char *copy = arena_alloc(arena, total);
    if (copy && size) {
        memcpy(copy, string, size);
    }
    return copy;
}
