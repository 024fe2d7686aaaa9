/* SPDX-License-Identifier: Apache-2.0 */
/*
 * arena.h - many small allocations with one life time (one module compile, one manifest), freed once.
 * Not thread safe. Memory is zeroed. The maximum is fixed at init: beyond it allocation answers NULL.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

typedef struct ArenaBlock ArenaBlock;

typedef struct Arena {
    ArenaBlock *blocks; /* owned */
    size_t used_size;
    size_t max_size;
} Arena;

#define ARENA_INIT(max_size_) ((Arena){.max_size = (max_size_)})

void arena_deinit(Arena *arena);
/* arena_alloc() - size bytes, zeroed, aligned to 16. Return: NULL when out of memory or over the maximum. size 0 gives a valid pointer. */
void *arena_alloc(Arena *arena, size_t size) __attribute__((malloc));
/* arena_array() - count * size with the multiplication checked. */
void *arena_array(Arena *arena, size_t count, size_t size) __attribute__((malloc));
/* arena_strndup() - exactly size bytes (all readable; a NUL among them is kept) and a NUL after them. */
char *arena_strndup(Arena *arena, const char *string, size_t size);
#define arena_new(arena, Type) ((Type *)arena_alloc((arena), sizeof(Type)))
#define arena_new_array(arena, count, Type) ((Type *)arena_array((arena), (count), sizeof(Type)))
