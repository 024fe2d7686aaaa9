/* SPDX-License-Identifier: Apache-2.0 */
/* kernels-core.c - the twelve kernels that bench/engine began with: loops, integers, floating point, calls, memory. */

#include "kernels.h"

enum { MATRIX = 256 };

static uint64_t kernel_matmul(void)
{
    static double a[MATRIX][MATRIX], b[MATRIX][MATRIX], c[MATRIX][MATRIX];
    uint32_t seed = 1;
    for (int i = 0; i < MATRIX; i++) {
        for (int j = 0; j < MATRIX; j++) {
            a[i][j] = random_next(&seed) % 100;
            b[i][j] = random_next(&seed) % 100;
        }
    }
    for (int i = 0; i < MATRIX; i++) {
        for (int j = 0; j < MATRIX; j++) {
            double sum = 0;
            for (int k = 0; k < MATRIX; k++) {
                sum += a[i][k] * b[k][j];
            }
            c[i][j] = sum;
        }
    }
    uint64_t check = 0;
    for (int i = 0; i < MATRIX; i++) {
        check = check * 31 + bits_of(c[i][(i * 7) % MATRIX]);
    }
    return check;
}

enum { SIEVE = 8000000 };

static uint64_t kernel_sieve(void)
{
    static uint8_t composite[SIEVE];
    memset(composite, 0, sizeof(composite));
    uint64_t count = 0;
    for (uint32_t i = 2; i < SIEVE; i++) {
        if (composite[i]) {
            continue;
        }
        count++;
        for (uint32_t j = i + i; j < SIEVE; j += i) {
            composite[j] = 1;
        }
    }
    return count;
}

enum { BYTES = 4 << 20 };
static uint8_t bytes[BYTES];

static void bytes_fill(void)
{
    uint32_t seed = 42;
    for (size_t i = 0; i < BYTES; i++) {
        bytes[i] = (uint8_t)random_next(&seed);
    }
}

static uint64_t kernel_crc32(void)
{
    static uint32_t table[256];
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t value = i;
        for (int bit = 0; bit < 8; bit++) {
            value = value & 1 ? value >> 1 ^ 0xedb88320u : value >> 1;
        }
        table[i] = value;
    }
    bytes_fill();
    uint32_t crc = ~0u;
    for (int pass = 0; pass < 4; pass++) {
        for (size_t i = 0; i < BYTES; i++) {
            crc = crc >> 8 ^ table[(crc ^ bytes[i]) & 0xff];
        }
    }
    return ~crc;
}

static uint32_t sha_constants[64];

/* The constants are fractional parts of cube roots of primes; made here by integer search rather than listed. */
static void sha_constants_make(void)
{
    int count = 0;
    for (uint32_t prime = 2; count < 64; prime++) {
        int is_prime = 1;
        for (uint32_t divisor = 2; divisor * divisor <= prime; divisor++) {
            is_prime = is_prime && prime % divisor != 0;
        }
        if (!is_prime) {
            continue;
        }
        double root = 1;
        for (int step = 0; step < 60; step++) {
            root = (2 * root + prime / (root * root)) / 3;
        }
        sha_constants[count++] = (uint32_t)((root - (uint32_t)root) * 4294967296.0);
    }
}

static void sha_block(uint32_t state[8], const uint8_t *block)
{
    uint32_t w[64];
    for (int i = 0; i < 16; i++) {
        w[i] = (uint32_t)block[4 * i] << 24 | (uint32_t)block[4 * i + 1] << 16 | (uint32_t)block[4 * i + 2] << 8 | block[4 * i + 3];
    }
    for (int i = 16; i < 64; i++) {
        const uint32_t low = rotate_right(w[i - 15], 7) ^ rotate_right(w[i - 15], 18) ^ w[i - 15] >> 3;
        const uint32_t high = rotate_right(w[i - 2], 17) ^ rotate_right(w[i - 2], 19) ^ w[i - 2] >> 10;
        w[i] = w[i - 16] + low + w[i - 7] + high;
    }
    uint32_t v[8];
    memcpy(v, state, sizeof(v));
    for (int i = 0; i < 64; i++) {
        const uint32_t one = v[7] + (rotate_right(v[4], 6) ^ rotate_right(v[4], 11) ^ rotate_right(v[4], 25)) + ((v[4] & v[5]) ^ (~v[4] & v[6])) + sha_constants[i] + w[i];
        const uint32_t two = (rotate_right(v[0], 2) ^ rotate_right(v[0], 13) ^ rotate_right(v[0], 22)) + ((v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]));
        memmove(v + 1, v, 7 * sizeof(v[0]));
        v[4] += one;
        v[0] = one + two;
    }
    for (int i = 0; i < 8; i++) {
        state[i] += v[i];
    }
}

static uint64_t kernel_sha256(void)
{
    uint32_t state[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    sha_constants_make();
    bytes_fill();
    for (size_t at = 0; at < BYTES; at += 64) {
        sha_block(state, bytes + at);
    }
    return (uint64_t)state[0] << 32 | state[7];
}

static int value_compare(const void *left, const void *right)
{
    const uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;
    return a < b ? -1 : a > b;
}

enum { SORTED = 400000 };

/* Own quicksort with a comparison through a pointer: the C library's differ, and the call is the point. */
static void values_sort(uint32_t *values, size_t count, int (*compare)(const void *, const void *))
{
    while (count > 16) {
        const uint32_t pivot = values[count / 2];
        size_t low = 0, high = count - 1;
        for (;;) {
            while (compare(&values[low], &pivot) < 0) {
                low++;
            }
            while (compare(&values[high], &pivot) > 0) {
                high--;
            }
            if (low >= high) {
                break;
            }
            const uint32_t swapped = values[low];
            values[low++] = values[high];
            values[high--] = swapped;
        }
        values_sort(values, low, compare);
        values += low;
        count -= low;
    }
    for (size_t i = 1; i < count; i++) {
        for (size_t j = i; j > 0 && compare(&values[j - 1], &values[j]) > 0; j--) {
            const uint32_t swapped = values[j];
            values[j] = values[j - 1];
            values[j - 1] = swapped;
        }
    }
}

static uint64_t kernel_qsort(void)
{
    static uint32_t values[SORTED];
    int (*volatile compare)(const void *, const void *) = value_compare; /* volatile: not to be inlined away */
    uint32_t seed = 7;
    for (size_t i = 0; i < SORTED; i++) {
        values[i] = random_next(&seed);
    }
    values_sort(values, SORTED, compare);
    uint64_t check = 0;
    for (size_t i = 0; i < SORTED; i++) {
        check = check * 31 + values[i];
    }
    return check;
}

enum { BODIES = 5 };

static double square_root(double value) /* the instruction on every engine; sqrt() without -lm and errno */
{
    return __builtin_sqrt(value);
}

static uint64_t kernel_nbody(void)
{
    double x[BODIES][3], v[BODIES][3], mass[BODIES];
    for (int i = 0; i < BODIES; i++) {
        mass[i] = 1.0 / (1 + i);
        for (int k = 0; k < 3; k++) {
            x[i][k] = i * 3 + k * k + 1;
            v[i][k] = (i - k) * 0.01;
        }
    }
    for (int step = 0; step < 400000; step++) {
        for (int i = 0; i < BODIES; i++) {
            for (int j = i + 1; j < BODIES; j++) {
                const double d[3] = {x[i][0] - x[j][0], x[i][1] - x[j][1], x[i][2] - x[j][2]};
                const double distance = d[0] * d[0] + d[1] * d[1] + d[2] * d[2];
                const double magnitude = 0.001 / (distance * square_root(distance));
                for (int k = 0; k < 3; k++) {
                    v[i][k] -= d[k] * mass[j] * magnitude;
                    v[j][k] += d[k] * mass[i] * magnitude;
                }
            }
        }
        for (int i = 0; i < BODIES; i++) {
            for (int k = 0; k < 3; k++) {
                x[i][k] += 0.001 * v[i][k];
            }
        }
    }
    return bits_of(x[0][0]) ^ bits_of(v[4][2]);
}

static uint64_t kernel_mandelbrot(void)
{
    uint64_t inside = 0;
    for (int row = 0; row < 300; row++) {
        for (int column = 0; column < 300; column++) {
            const double cr = column / 150.0 - 1.5, ci = row / 150.0 - 1.0;
            double zr = 0, zi = 0;
            int step = 0;
            for (; step < 200 && zr * zr + zi * zi < 4; step++) {
                const double next = zr * zr - zi * zi + cr;
                zi = 2 * zr * zi + ci;
                zr = next;
            }
            inside += (uint64_t)step;
        }
    }
    return inside;
}

enum { BUCKETS = 1 << 16, WORDS = 300000 };

static uint64_t kernel_strhash(void)
{
    static char words[WORDS][12];
    static uint32_t first[BUCKETS], next[WORDS], seen[WORDS];
    uint32_t seed = 3, distinct = 0;
    uint64_t hits = 0;
    memset(first, 0, sizeof(first));
    for (uint32_t i = 0; i < WORDS; i++) {
        uint32_t value = random_next(&seed) % 150000;
        char *word = words[distinct];
        size_t length = 0;
        uint32_t hash = 2166136261u;
        do {
            word[length] = (char)('a' + value % 26);
            hash = (hash ^ (uint8_t)word[length++]) * 16777619u;
            value /= 26;
        } while (value != 0);
        word[length] = '\0';
        uint32_t *slot = &first[hash % BUCKETS];
        uint32_t at = *slot;
        while (at != 0 && strcmp(words[at - 1], word) != 0) {
            at = next[at - 1];
        }
        if (at != 0) {
            hits += ++seen[at - 1];
            continue;
        }
        next[distinct] = *slot;
        seen[distinct++] = 0;
        *slot = distinct;
    }
    return hits << 20 ^ distinct;
}

enum Code { CODE_PUSH, CODE_LOAD, CODE_STORE, CODE_ADD, CODE_MULTIPLY, CODE_LESS, CODE_JUMP_IF, CODE_XOR, CODE_END };

static uint64_t kernel_bytecode(void)
{
    /* i = 0; s = 1; do { s = s * 31 + i; s ^= i; i = i + 1; } while (i < 2000000); */
    static const uint32_t program[] = {
        CODE_PUSH, 0, CODE_STORE, 0, CODE_PUSH, 1, CODE_STORE, 1,
        CODE_LOAD, 1, CODE_PUSH, 31, CODE_MULTIPLY, CODE_LOAD, 0, CODE_ADD, CODE_STORE, 1,
        CODE_LOAD, 1, CODE_LOAD, 0, CODE_XOR, CODE_STORE, 1,
        CODE_LOAD, 0, CODE_PUSH, 1, CODE_ADD, CODE_STORE, 0,
        CODE_LOAD, 0, CODE_PUSH, 2000000, CODE_LESS, CODE_JUMP_IF, 8, CODE_END,
    };
    const uint32_t *volatile start = program; /* volatile: the interpreter, not this program, is to be compiled */
    const uint32_t *code = start, *at = code;
    uint32_t stack[16], variables[4] = {0}, *top = stack;
    for (;;) {
        switch ((enum Code)*at++) {
        case CODE_PUSH: *top++ = *at++; break;
        case CODE_LOAD: *top++ = variables[*at++ & 3]; break;
        case CODE_STORE: variables[*at++ & 3] = *--top; break;
        case CODE_ADD: top--; top[-1] += top[0]; break;
        case CODE_MULTIPLY: top--; top[-1] *= top[0]; break;
        case CODE_XOR: top--; top[-1] ^= top[0]; break;
        case CODE_LESS: top--; top[-1] = top[-1] < top[0]; break;
        case CODE_JUMP_IF: at = *--top ? code + at[0] : at + 1; break;
        case CODE_END: return variables[1];
        }
    }
}

static uint64_t fib(uint32_t n)
{
    return n < 2 ? n : fib(n - 1) + fib(n - 2);
}

static uint64_t kernel_fib(void)
{
    volatile uint32_t n = 33;
    return fib(n);
}

static uint64_t kernel_copy(void)
{
    static uint8_t target[BYTES];
    bytes_fill();
    uint64_t check = 0;
    for (uint32_t pass = 0; pass < 100; pass++) {
        memcpy(target, bytes, BYTES);
        bytes[pass] ^= target[BYTES - 1 - pass]; /* the next copy depends on this one */
        check = check * 31 + target[pass * 4099];
    }
    return check;
}

typedef struct Node {
    struct Node *left, *right;
    uint32_t key;
} Node;

static uint64_t kernel_tree(void)
{
    enum { NODES = 100000 };
    static Node nodes[NODES];
    Node *root = NULL;
    uint32_t seed = 11, count = 0;
    for (uint32_t i = 0; i < NODES; i++) {
        const uint32_t key = random_next(&seed);
        Node **slot = &root;
        while (*slot != NULL && (*slot)->key != key) {
            slot = key < (*slot)->key ? &(*slot)->left : &(*slot)->right;
        }
        if (*slot == NULL) {
            nodes[count] = (Node){.key = key};
            *slot = &nodes[count++];
        }
    }
    uint64_t depth = 0;
    for (uint32_t i = 0; i < count; i++) {
        for (const Node *node = root; node->key != nodes[i].key; depth++) {
            node = nodes[i].key < node->key ? node->left : node->right;
        }
    }
    return depth;
}

const Kernel kernels[] = {
    {"matmul", kernel_matmul}, {"sieve", kernel_sieve}, {"crc32", kernel_crc32}, {"sha256", kernel_sha256},
    {"qsort", kernel_qsort}, {"nbody", kernel_nbody}, {"mandelbrot", kernel_mandelbrot}, {"strhash", kernel_strhash},
    {"bytecode", kernel_bytecode}, {"fib", kernel_fib}, {"copy", kernel_copy}, {"tree", kernel_tree}, {NULL, NULL},
};
