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

/* Blocks of 100 KB to 10 MB: libc keeps some of those that were freed. */
static void large(unsigned state)
{
    unsigned char *own[6] = {0};
    size_t own_sizes[6] = {0};
    for (int round = 0; round < 600; round++) {
        state = state * 1664525 + 1013904223;
        const unsigned slot = (state >> 10) % 6;
        const size_t size = round % 30 == 0 ? 10000000 : 100000 + (state >> 8) % 1500000;
        for (size_t i = 0; own[slot] != NULL && i < own_sizes[slot]; i += 4099) {
            bad += own[slot][i] != (unsigned char)(slot + i);
        }
        if ((state >> 24) % 3 == 0) {
            own[slot] = realloc(own[slot], size);
            for (size_t i = 0; i < size && i < own_sizes[slot]; i += 4099) {
                bad += own[slot][i] != (unsigned char)(slot + i);
            }
        } else {
            const int is_zeroed = (state >> 24) % 3 == 1;
            free(own[slot]);
            own[slot] = is_zeroed ? calloc(size, 1) : malloc(size);
            for (size_t i = 0; is_zeroed && i < size; i += 509) {
                bad += own[slot][i] != 0;
            }
        }
        own_sizes[slot] = size;
        bad += malloc_usable_size(own[slot]) < size;
        for (size_t i = 0; i < size; i += 4099) {
            own[slot][i] = (unsigned char)(slot + i);
        }
    }
    for (int i = 0; i < 6; i++) {
        free(own[i]);
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
    large(state);
    printf("bad %lu\n", bad);
    return 0;
}
