/* SPDX-License-Identifier: Apache-2.0 */
/* kernels-simd.c - 128-bit vectors written out: a cipher, text, pixels, floating point. A module of its own: wasm2c of Debian has no SIMD. */

#include "kernels.h"
#include "simd128.h"

enum { BYTES = 1 << 20 };
static uint8_t bytes[BYTES + 64], output[2 * BYTES + 64];
static float floats[BYTES / 4];

static void bytes_fill(uint32_t seed)
{
    for (size_t i = 0; i < BYTES; i++) {
        bytes[i] = (uint8_t)random_next(&seed);
    }
}

static uint64_t bytes_check(const uint8_t *from, size_t size)
{
    uint64_t check = size;
    for (size_t i = 0; i < size; i += 251) {
        check = check_next(check, from[i]);
    }
    return check;
}

#define ROTATE(v, by) vector_or(words_left(v, by), words_right(v, 32 - (by)))
#define HALF_ROUND(a, b, c, d)                                                                   \
    a = words_add(a, b), d = vector_xor(d, a), d = ROTATE(d, 16), c = words_add(c, d), b = vector_xor(b, c), b = ROTATE(b, 12), \
    a = words_add(a, b), d = vector_xor(d, a), d = ROTATE(d, 8), c = words_add(c, d), b = vector_xor(b, c), b = ROTATE(b, 7)

static uint64_t kernel_chacha(void)
{
    static const uint32_t start[16] = {0x61707865, 0x3320646e, 0x79622d32, 0x6b206574, 1, 2, 3, 4, 5, 6, 7, 8, 0, 9, 10, 11};
    bytes_fill(1);
    for (int pass = 0; pass < 8; pass++) {
        for (uint32_t at = 0; at < BYTES; at += 64) {
            uint32_t state[16];
            memcpy(state, start, sizeof(state));
            state[12] = at;
            Vector a = vector_load(state), b = vector_load(state + 4), c = vector_load(state + 8), d = vector_load(state + 12);
            const Vector a0 = a, b0 = b, c0 = c, d0 = d;
            for (int round = 0; round < 10; round++) {
                HALF_ROUND(a, b, c, d);
                b = words_shuffle(b, 1, 2, 3, 0), c = words_shuffle(c, 2, 3, 0, 1), d = words_shuffle(d, 3, 0, 1, 2);
                HALF_ROUND(a, b, c, d);
                b = words_shuffle(b, 3, 0, 1, 2), c = words_shuffle(c, 2, 3, 0, 1), d = words_shuffle(d, 1, 2, 3, 0);
            }
            vector_store(bytes + at, vector_xor(vector_load(bytes + at), words_add(a, a0)));
            vector_store(bytes + at + 16, vector_xor(vector_load(bytes + at + 16), words_add(b, b0)));
            vector_store(bytes + at + 32, vector_xor(vector_load(bytes + at + 32), words_add(c, c0)));
            vector_store(bytes + at + 48, vector_xor(vector_load(bytes + at + 48), words_add(d, d0)));
        }
    }
    return bytes_check(bytes, BYTES);
}

/* Hexadecimal text and the count of one byte, 16 at a time. */
static uint64_t kernel_hex(void)
{
    static const char digits[] = "0123456789abcdef";
    bytes_fill(2);
    uint32_t count = 0;
    for (int pass = 0; pass < 200; pass++) {
        const Vector table = vector_load(digits), low_mask = bytes_splat(15), wanted = bytes_splat(pass);
        for (uint32_t at = 0; at < BYTES; at += 16) {
            const Vector v = vector_load(bytes + at);
            count += (uint32_t)__builtin_popcount(bytes_mask(bytes_equal(v, wanted)));
            const Vector high = bytes_look_up(table, vector_and(words_right(v, 4), low_mask)), low = bytes_look_up(table, vector_and(v, low_mask));
            vector_store(output + 2 * at, high);
            vector_store(output + 2 * at + 16, low);
        }
        bytes[pass] ^= output[pass * 31];
    }
    return bytes_check(output, BYTES) ^ count;
}

/* Lower case for letters: comparisons and masks. */
static uint64_t kernel_lower(void)
{
    bytes_fill(3);
    for (int pass = 0; pass < 300; pass++) {
        for (uint32_t at = 0; at < BYTES; at += 16) {
            const Vector v = vector_load(bytes + at);
            const Vector is_upper = vector_and(bytes_greater(v, bytes_splat('A' - 1)), bytes_greater(bytes_splat('Z' + 1), v));
            vector_store(output + at, vector_or(v, vector_and(is_upper, bytes_splat(0x20))));
        }
        bytes[pass * 17] ^= output[pass * 13];
    }
    return bytes_check(output, BYTES);
}

/* Two images blended by 8-bit weights, and averaged. */
static uint64_t kernel_blend(void)
{
    bytes_fill(4);
    memset(output, 77, sizeof(output));
    for (int pass = 0; pass < 160; pass++) {
        const Vector weight = shorts_splat(pass), rest = shorts_splat(256 - pass);
        for (uint32_t at = 0; at < BYTES; at += 16) {
            const Vector a = vector_load(bytes + at), b = vector_load(output + at);
            const Vector low = shorts_right(shorts_add(shorts_multiply(shorts_low(a), weight), shorts_multiply(shorts_low(b), rest)), 8);
            const Vector high = shorts_right(shorts_add(shorts_multiply(shorts_high(a), weight), shorts_multiply(shorts_high(b), rest)), 8);
            vector_store(output + at, bytes_minimum(bytes_average(shorts_pack(low, high), a), bytes_splat(250)));
        }
    }
    return bytes_check(output, BYTES);
}

/* A filter of eight taps over 16-bit samples by multiply-and-add. */
static uint64_t kernel_filter(void)
{
    static const int16_t taps[8] = {-3, 5, 21, 41, 41, 21, 5, -3};
    bytes_fill(5);
    const Vector weights = vector_load(taps);
    uint64_t check = 0;
    for (int pass = 0; pass < 60; pass++) {
        Vector sum = words_splat(pass);
        for (uint32_t at = 0; at + 16 <= BYTES; at += 2) {
            sum = words_add(sum, shorts_dot(vector_load(bytes + at), weights));
        }
        int32_t words[4];
        vector_store(words, sum);
        check = check_next(check, (uint32_t)(words[0] + words[1]) ^ (uint64_t)(uint32_t)(words[2] - words[3]) << 32);
        bytes[pass] ^= (uint8_t)check;
    }
    return check;
}

static uint64_t kernel_floats(void)
{
    uint32_t seed = 6;
    for (size_t i = 0; i < sizeof(floats) / sizeof(floats[0]); i++) {
        floats[i] = 1.0f + (float)(random_next(&seed) % 1000) / 1000.0f;
    }
    for (int pass = 0; pass < 150; pass++) {
        const Vector a = floats_splat(0.75f), b = floats_splat(0.3f + (float)pass / 100), limit = floats_splat(1.5f);
        for (size_t i = 0; i < sizeof(floats) / sizeof(floats[0]); i += 4) {
            const Vector v = vector_load(&floats[i]);
            const Vector next = floats_add(floats_multiply(v, a), b);
            const Vector is_low = floats_less(next, limit);
            vector_store(&floats[i], vector_or(vector_and(is_low, next), vector_and(floats_subtract(floats_root(next), a), vector_xor(is_low, words_splat(~0u)))));
        }
    }
    uint64_t check = 1;
    for (size_t i = 0; i < sizeof(floats) / sizeof(floats[0]); i += 97) {
        uint32_t bits;
        memcpy(&bits, &floats[i], sizeof(bits));
        check = check_next(check, bits);
    }
    return check;
}

const Kernel kernels[] = {
    {"simd-chacha", kernel_chacha}, {"simd-hex", kernel_hex}, {"simd-lower", kernel_lower}, {"simd-blend", kernel_blend},
    {"simd-filter", kernel_filter}, {"simd-floats", kernel_floats}, {NULL, NULL},
};
