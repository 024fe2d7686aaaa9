/* SPDX-License-Identifier: Apache-2.0 */
/* malloc, realloc, calloc, aligned_alloc and free in random order; every block keeps its bytes. */
#define _GNU_SOURCE
#include <malloc.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SLOTS 3000

static unsigned char *blocks[SLOTS];
static size_t sizes[SLOTS];
static unsigned long bad;

static void check(unsigned slot, size_t size)
{
    for (size_t i = 0; blocks[slot] != NULL && i < size; i += 13) {
        bad += blocks[slot][i] != (unsigned char)slot;
    }
}

int main(void)
{
    unsigned state = 1;
    for (int round = 0; round < 200000; round++) {
        state = state * 1664525 + 1013904223;
        const unsigned slot = (state >> 10) % SLOTS;
        size_t size = (state >> 5) % (round % 50 == 0 ? 20000 : 1500);
        check(slot, sizes[slot]);
        switch ((state >> 24) % 4) {
        case 0:
            free(blocks[slot]);
            blocks[slot] = malloc(size);
            break;
        case 1:
            size += size == 0;
            const size_t kept = sizes[slot] < size ? sizes[slot] : size;
            const int was_there = blocks[slot] != NULL;
            blocks[slot] = realloc(blocks[slot], size);
            check(slot, was_there ? kept : 0);
            break;
        case 2:
            free(blocks[slot]);
            blocks[slot] = calloc(1, size);
            for (size_t i = 0; i < size; i++) {
                bad += blocks[slot][i] != 0;
            }
            break;
        default:
            free(blocks[slot]);
            blocks[slot] = aligned_alloc(64, (size + 64) & ~(size_t)63);
            bad += ((uintptr_t)blocks[slot] & 63) != 0;
        }
        sizes[slot] = size;
        bad += malloc_usable_size(blocks[slot]) < size;
        memset(blocks[slot], (int)slot, size);
    }
    printf("bad %lu\n", bad);
    return 0;
}
