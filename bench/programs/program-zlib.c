/* SPDX-License-Identifier: Apache-2.0 */
/* program-zlib.c - zlib (Debian's source): deflate at levels 1 and 9 and inflate, over text and over bytes that hardly compress. */

#include "kernels.h"

#include "zlib.h"

enum { INPUT_SIZE = 2 << 20 };
static uint8_t input[INPUT_SIZE], packed[INPUT_SIZE + INPUT_SIZE / 8 + 64], output[INPUT_SIZE];

static void input_make(void)
{
    static const char *const words[] = {"select ", "from ", "where ", "order ", "container ", "0123", "\n", "module ", "signature "};
    uint32_t seed = 5;
    size_t size = 0;
    while (size < INPUT_SIZE) {
        const uint32_t draw = random_next(&seed);
        if (draw % 16 == 0) {
            input[size++] = (uint8_t)(draw >> 8);
        }
        for (const char *word = words[draw % 9]; *word != '\0' && size < INPUT_SIZE; word++) {
            input[size++] = (uint8_t)*word;
        }
    }
}

static uint64_t round_trip(int level, int unpacks)
{
    uLongf size = sizeof(packed);
    input_make();
    if (compress2(packed, &size, input, INPUT_SIZE, level) != Z_OK) {
        abort();
    }
    uint64_t check = size;
    for (int i = 0; i < unpacks; i++) {
        uLongf unpacked = sizeof(output);
        if (uncompress(output, &unpacked, packed, size) != Z_OK || unpacked != INPUT_SIZE || memcmp(input, output, INPUT_SIZE) != 0) {
            abort();
        }
        check = check_next(check, crc32(0, output, INPUT_SIZE) ^ adler32(1, packed, (uInt)size));
    }
    return check;
}

static uint64_t run_fast(void) { return round_trip(1, 1); }
static uint64_t run_best(void) { return round_trip(9, 1); }
static uint64_t run_inflate(void) { return round_trip(1, 20); }

const Kernel kernels[] = {
    {"zlib-fast", run_fast}, {"zlib-best", run_best}, {"zlib-inflate", run_inflate}, {NULL, NULL},
};
