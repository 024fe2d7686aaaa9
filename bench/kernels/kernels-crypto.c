/* SPDX-License-Identifier: Apache-2.0 */
/* kernels-crypto.c - ChaCha20 (RFC 8439), BLAKE2s (RFC 7693), AES-128 by tables (FIPS 197). Nothing here is meant to be secure. */

#include "kernels.h"

enum { BYTES = 4 << 20 };
static uint8_t bytes[BYTES];

static void bytes_fill(uint32_t seed)
{
    for (size_t i = 0; i < BYTES; i++) {
        bytes[i] = (uint8_t)random_next(&seed);
    }
}

static uint32_t load_le(const uint8_t *at)
{
    return at[0] | (uint32_t)at[1] << 8 | (uint32_t)at[2] << 16 | (uint32_t)at[3] << 24;
}

static void store_le(uint8_t *at, uint32_t value)
{
    for (int i = 0; i < 4; i++) {
        at[i] = (uint8_t)(value >> 8 * i);
    }
}

static uint64_t bytes_check(void)
{
    uint64_t check = 1;
    for (size_t i = 0; i < BYTES; i += 509) {
        check = check_next(check, bytes[i]);
    }
    return check;
}

#define QUARTER(a, b, c, d)                                          \
    a += b, d = rotate_right(d ^ a, 16), c += d, b = rotate_right(b ^ c, 20), \
    a += b, d = rotate_right(d ^ a, 24), c += d, b = rotate_right(b ^ c, 25)

static uint64_t kernel_chacha20(void)
{
    bytes_fill(1);
    uint32_t state[16] = {0x61707865, 0x3320646e, 0x79622d32, 0x6b206574, 1, 2, 3, 4, 5, 6, 7, 8, 0, 9, 10, 11};
    for (size_t at = 0; at < BYTES; at += 64) {
        uint32_t x[16];
        memcpy(x, state, sizeof(x));
        for (int round = 0; round < 10; round++) {
            QUARTER(x[0], x[4], x[8], x[12]);
            QUARTER(x[1], x[5], x[9], x[13]);
            QUARTER(x[2], x[6], x[10], x[14]);
            QUARTER(x[3], x[7], x[11], x[15]);
            QUARTER(x[0], x[5], x[10], x[15]);
            QUARTER(x[1], x[6], x[11], x[12]);
            QUARTER(x[2], x[7], x[8], x[13]);
            QUARTER(x[3], x[4], x[9], x[14]);
        }
        for (int i = 0; i < 16; i++) {
            uint8_t *word = bytes + at + 4 * i;
            store_le(word, load_le(word) ^ (x[i] + state[i]));
        }
        state[12]++;
    }
    return bytes_check();
}

static const uint8_t blake_order[10][16] = {
    {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}, {14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3},
    {11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4}, {7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8},
    {9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13}, {2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9},
    {12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11}, {13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10},
    {6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5}, {10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0},
};
static const uint32_t blake_start[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};

static void blake_mix(uint32_t v[16], int a, int b, int c, int d, uint32_t x, uint32_t y)
{
    v[a] += v[b] + x;
    v[d] = rotate_right(v[d] ^ v[a], 16);
    v[c] += v[d];
    v[b] = rotate_right(v[b] ^ v[c], 12);
    v[a] += v[b] + y;
    v[d] = rotate_right(v[d] ^ v[a], 8);
    v[c] += v[d];
    v[b] = rotate_right(v[b] ^ v[c], 7);
}

static uint64_t kernel_blake2s(void)
{
    uint32_t h[8];
    bytes_fill(2);
    memcpy(h, blake_start, sizeof(h));
    h[0] ^= 0x01010020;
    for (uint32_t at = 0; at < BYTES; at += 64) {
        uint32_t v[16], m[16];
        for (int i = 0; i < 16; i++) {
            m[i] = load_le(bytes + at + 4 * i);
        }
        memcpy(v, h, sizeof(h));
        memcpy(v + 8, blake_start, sizeof(blake_start));
        v[12] ^= at + 64;
        v[14] ^= at + 64 == BYTES ? ~0u : 0;
        for (int round = 0; round < 10; round++) {
            const uint8_t *s = blake_order[round];
            blake_mix(v, 0, 4, 8, 12, m[s[0]], m[s[1]]);
            blake_mix(v, 1, 5, 9, 13, m[s[2]], m[s[3]]);
            blake_mix(v, 2, 6, 10, 14, m[s[4]], m[s[5]]);
            blake_mix(v, 3, 7, 11, 15, m[s[6]], m[s[7]]);
            blake_mix(v, 0, 5, 10, 15, m[s[8]], m[s[9]]);
            blake_mix(v, 1, 6, 11, 12, m[s[10]], m[s[11]]);
            blake_mix(v, 2, 7, 8, 13, m[s[12]], m[s[13]]);
            blake_mix(v, 3, 4, 9, 14, m[s[14]], m[s[15]]);
        }
        for (int i = 0; i < 8; i++) {
            h[i] ^= v[i] ^ v[i + 8];
        }
    }
    return (uint64_t)h[0] << 32 | h[7];
}

static uint8_t aes_box[256];
static uint32_t aes_table[4][256];

static uint8_t aes_double(uint8_t value)
{
    return (uint8_t)(value << 1 ^ (value & 0x80 ? 0x1b : 0));
}

/* The substitution box by walking the field with the generator 3 and its inverse. */
static void aes_tables_make(void)
{
    uint8_t p = 1, q = 1;
    do {
        p = (uint8_t)(p ^ aes_double(p));
        q = (uint8_t)(q ^ q << 1);
        q = (uint8_t)(q ^ q << 2);
        q = (uint8_t)(q ^ q << 4);
        q = (uint8_t)(q ^ (q & 0x80 ? 0x09 : 0));
        aes_box[p] = (uint8_t)(q ^ (q << 1 | q >> 7) ^ (q << 2 | q >> 6) ^ (q << 3 | q >> 5) ^ (q << 4 | q >> 4) ^ 0x63);
    } while (p != 1);
    aes_box[0] = 0x63;
    for (int i = 0; i < 256; i++) {
        const uint8_t s = aes_box[i], twice = aes_double(s);
        const uint32_t word = twice | (uint32_t)s << 8 | (uint32_t)s << 16 | (uint32_t)(s ^ twice) << 24;
        for (int k = 0; k < 4; k++) {
            aes_table[k][i] = k == 0 ? word : word << 8 * k | word >> (32 - 8 * k);
        }
    }
}

static void aes_key_make(uint32_t key[44])
{
    uint8_t constant = 1;
    for (uint32_t i = 0; i < 4; i++) {
        key[i] = 0x03020100u + 0x04040404u * i;
    }
    for (int i = 4; i < 44; i++) {
        uint32_t word = key[i - 1];
        if (i % 4 == 0) {
            word = word >> 8 | word << 24;
            word = aes_box[word & 255] | (uint32_t)aes_box[word >> 8 & 255] << 8 | (uint32_t)aes_box[word >> 16 & 255] << 16 | (uint32_t)aes_box[word >> 24] << 24;
            word ^= constant;
            constant = aes_double(constant);
        }
        key[i] = key[i - 4] ^ word;
    }
}

static void aes_block(const uint32_t key[44], uint8_t *block)
{
    uint32_t s[4], t[4];
    for (int i = 0; i < 4; i++) {
        s[i] = load_le(block + 4 * i) ^ key[i];
    }
    for (int round = 1; round < 10; round++) {
        for (int i = 0; i < 4; i++) {
            t[i] = aes_table[0][s[i] & 255] ^ aes_table[1][s[(i + 1) & 3] >> 8 & 255] ^ aes_table[2][s[(i + 2) & 3] >> 16 & 255] ^
                   aes_table[3][s[(i + 3) & 3] >> 24] ^ key[4 * round + i];
        }
        memcpy(s, t, sizeof(s));
    }
    for (int i = 0; i < 4; i++) {
        t[i] = aes_box[s[i] & 255] | (uint32_t)aes_box[s[(i + 1) & 3] >> 8 & 255] << 8 | (uint32_t)aes_box[s[(i + 2) & 3] >> 16 & 255] << 16 |
               (uint32_t)aes_box[s[(i + 3) & 3] >> 24] << 24;
        store_le(block + 4 * i, t[i] ^ key[40 + i]);
    }
}

static uint64_t kernel_aes(void)
{
    uint32_t key[44];
    aes_tables_make();
    aes_key_make(key);
    bytes_fill(3);
    for (size_t at = 0; at < BYTES; at += 16) {
        aes_block(key, bytes + at);
    }
    return bytes_check();
}

const Kernel kernels[] = {
    {"chacha20", kernel_chacha20}, {"blake2s", kernel_blake2s}, {"aes", kernel_aes}, {NULL, NULL},
};
