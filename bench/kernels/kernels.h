/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kernels.h - small programs for bench/engine: one source, built natively and once as a WASI module.
 *
 * Every module of bench/kernels and bench/programs is kernel-main.c and one file with an array `kernels`. A kernel returns a
 * checksum that depends on all its work; sizes are chosen for 10 to 100 ms a round natively. Unsigned arithmetic throughout:
 * nothing here is undefined, and no function is used whose result the C library decides.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

typedef struct Kernel {
    const char *name; /* NULL ends the array */
    uint64_t (*run)(void);
} Kernel;

extern const Kernel kernels[];

static inline uint32_t random_next(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

static inline uint64_t bits_of(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof(bits));
    return bits;
}

static inline uint32_t rotate_right(uint32_t value, int by)
{
    return value >> by | value << (32 - by);
}

static inline uint64_t check_next(uint64_t check, uint64_t value)
{
    return (check ^ value) * 1099511628211u;
}
