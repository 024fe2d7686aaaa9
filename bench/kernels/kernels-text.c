/* SPDX-License-Identifier: Apache-2.0 */
/* kernels-text.c - compression (LZ77, Huffman), parsing (JSON, numbers), string search, sorting of words. Written for this project. */

#include "kernels.h"

enum { TEXT_SIZE = 2 << 20 };
static uint8_t text[TEXT_SIZE + 16], packed[TEXT_SIZE * 2], unpacked[TEXT_SIZE + 16];

/* Words of a small vocabulary, so that there is something to find and to compress. */
static void text_make(uint32_t seed)
{
    static const char *const words[] = {"the ", "compiler ", "of ", "memory ", "and ", "a ", "module ", "is ", "linked ", "to ", "run ", "fast ",
                                        "container ", "signed ", "manifest ", "entry, ", "hash. ", "table; ", "\n", "0x7f"};
    size_t size = 0;
    while (size < TEXT_SIZE) {
        const uint32_t draw = random_next(&seed);
        const char *word = words[(draw & 0xff) * (draw >> 8 & 0xff) * 20 >> 16];
        while (*word != '\0' && size < TEXT_SIZE) {
            text[size++] = (uint8_t)*word++;
        }
        if (draw % 5 == 0 && size < TEXT_SIZE) {
            text[size++] = (uint8_t)('a' + draw % 26);
        }
    }
}

static uint64_t bytes_check(const uint8_t *bytes, size_t size)
{
    uint64_t check = size;
    for (size_t i = 0; i < size; i += 61) {
        check = check_next(check, bytes[i]);
    }
    return check;
}

static uint32_t load32(const uint8_t *at)
{
    uint32_t value;
    memcpy(&value, at, sizeof(value));
    return value;
}

/* lz: greedy matches of at least 4 bytes within 64 KiB; a token is (literals, match length), as in LZ4. */

static uint8_t *length_write(uint8_t *to, size_t length)
{
    for (; length >= 255; length -= 255) {
        *to++ = 255;
    }
    *to++ = (uint8_t)length;
    return to;
}

static size_t lz_pack(void)
{
    static uint32_t last[1 << 14];
    memset(last, 0xff, sizeof(last));
    uint8_t *to = packed;
    size_t at = 0, start = 0;
    while (at + 4 <= TEXT_SIZE) {
        const uint32_t word = load32(text + at), hash = word * 2654435761u >> 18, seen = last[hash];
        last[hash] = (uint32_t)at;
        if (seen == ~0u || at - seen > 0xffff || load32(text + seen) != word) {
            at++;
            continue;
        }
        size_t length = 4;
        while (at + length < TEXT_SIZE && text[seen + length] == text[at + length]) {
            length++;
        }
        to = length_write(to, at - start);
        memcpy(to, text + start, at - start);
        to += at - start;
        to = length_write(to, length);
        *to++ = (uint8_t)(at - seen);
        *to++ = (uint8_t)((at - seen) >> 8);
        at += length;
        start = at;
    }
    to = length_write(to, TEXT_SIZE - start);
    memcpy(to, text + start, TEXT_SIZE - start);
    return (size_t)(to - packed) + TEXT_SIZE - start;
}

static const uint8_t *length_read(const uint8_t *from, size_t *length)
{
    *length = 0;
    do {
        *length += *from;
    } while (*from++ == 255);
    return from;
}

static size_t lz_unpack(size_t size)
{
    const uint8_t *from = packed, *end = packed + size;
    size_t at = 0, length;
    for (;;) {
        from = length_read(from, &length);
        for (size_t i = 0; i < length; i++) {
            unpacked[at++] = *from++;
        }
        if (from >= end) {
            return at;
        }
        from = length_read(from, &length);
        const size_t back = from[0] | (size_t)from[1] << 8;
        from += 2;
        for (size_t i = 0; i < length; i++, at++) {
            unpacked[at] = unpacked[at - back];
        }
    }
}

static uint64_t kernel_lz(void)
{
    text_make(1);
    const size_t size = lz_pack();
    const size_t again = lz_unpack(size);
    return memcmp(text, unpacked, TEXT_SIZE) == 0 && again == TEXT_SIZE ? bytes_check(packed, size) : 0;
}

/* huffman: count, tree, canonical code, encode, decode bit by bit. */

static uint8_t code_lengths[256];
static uint32_t codes[256];

static void huffman_lengths(const uint32_t counts[256])
{
    uint32_t weight[512], parent[512], alive[512], alive_count = 0, next = 256;
    for (uint32_t i = 0; i < 256; i++) {
        weight[i] = counts[i];
        if (counts[i] != 0) {
            alive[alive_count++] = i;
        }
    }
    while (alive_count > 1) {
        for (int k = 0; k < 2; k++) { /* the two lightest go to the end */
            for (uint32_t i = 0; i + 1 < alive_count - (uint32_t)k; i++) {
                if (weight[alive[i]] < weight[alive[alive_count - 1 - (uint32_t)k]]) {
                    const uint32_t swapped = alive[i];
                    alive[i] = alive[alive_count - 1 - (uint32_t)k];
                    alive[alive_count - 1 - (uint32_t)k] = swapped;
                }
            }
        }
        const uint32_t a = alive[--alive_count], b = alive[--alive_count];
        parent[a] = parent[b] = next;
        weight[next] = weight[a] + weight[b];
        alive[alive_count++] = next++;
    }
    for (uint32_t i = 0; i < 256; i++) {
        code_lengths[i] = 0;
        for (uint32_t at = i; counts[i] != 0 && at != next - 1; at = parent[at]) {
            code_lengths[i]++;
        }
    }
}

static void huffman_codes(uint32_t firsts[33], uint32_t starts[33], uint8_t symbols[256])
{
    uint32_t code = 0, at = 0;
    for (uint32_t length = 1; length <= 32; length++) {
        firsts[length] = code;
        starts[length] = at;
        for (uint32_t i = 0; i < 256; i++) {
            if (code_lengths[i] == length) {
                codes[i] = code++;
                symbols[at++] = (uint8_t)i;
            }
        }
        code <<= 1;
    }
}

static uint64_t kernel_huffman(void)
{
    uint32_t counts[256] = {0}, firsts[33], starts[33];
    uint8_t symbols[256];
    text_make(2);
    for (size_t i = 0; i < TEXT_SIZE; i++) {
        counts[text[i]]++;
    }
    huffman_lengths(counts);
    huffman_codes(firsts, starts, symbols);
    uint64_t bits = 0;
    uint32_t held = 0;
    size_t size = 0;
    for (size_t i = 0; i < TEXT_SIZE; i++) {
        bits = bits << code_lengths[text[i]] | codes[text[i]];
        held += code_lengths[text[i]];
        while (held >= 8) {
            held -= 8;
            packed[size++] = (uint8_t)(bits >> held);
        }
    }
    packed[size++] = (uint8_t)(bits << (8 - held));
    uint32_t code = 0, length = 0;
    size_t done = 0;
    for (size_t i = 0; i < size && done < TEXT_SIZE; i++) {
        for (int bit = 7; bit >= 0 && done < TEXT_SIZE; bit--) {
            code = code << 1 | (packed[i] >> bit & 1);
            length++;
            const uint32_t count = starts[length < 32 ? length + 1 : 32] - starts[length];
            if (code - firsts[length] < count) {
                unpacked[done++] = symbols[starts[length] + code - firsts[length]];
                code = length = 0;
            }
        }
    }
    return memcmp(text, unpacked, TEXT_SIZE) == 0 ? bytes_check(packed, size) : 0;
}

/* json: text is written once, then parsed to a tree of nodes and summed. */

typedef struct Value {
    enum { JSON_NULL, JSON_BOOL, JSON_NUMBER, JSON_STRING, JSON_ARRAY, JSON_OBJECT } kind;
    struct Value *first, *next; /* of arrays and objects */
    const char *key, *string;
    uint32_t key_size, size;
    double number;
} Value;

static char json[1 << 20];
static Value pool[120000];
static uint32_t pool_count;

static void json_make(void)
{
    uint32_t seed = 3;
    char *to = json;
    *to++ = '[';
    while (to < json + sizeof(json) - 400) {
        const uint32_t draw = random_next(&seed);
        const char *const pieces[] = {"{\"id\": ", "#", ", \"name\": \"user-", "#", "\", \"tags\": [\"a\", \"b\\n\", \"", "#", "\"], \"score\": ", "#", ".25e1, \"on\": ",
                                      draw & 1 ? "true" : "null", ", \"in\": {\"x\": -", "#", ", \"y\": []}},\n "};
        for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
            if (pieces[i][0] == '#') {
                for (uint32_t number = random_next(&seed) % 100000 + 1; number != 0; number /= 10) {
                    *to++ = (char)('1' + number % 9);
                }
            } else {
                const size_t size = strlen(pieces[i]);
                memcpy(to, pieces[i], size);
                to += size;
            }
        }
    }
    memcpy(to, "0]", 3);
}

static const char *space_skip(const char *at)
{
    while (*at == ' ' || *at == '\n' || *at == '\t' || *at == '\r') {
        at++;
    }
    return at;
}

static const char *string_parse(const char *at, const char **ret_text, uint32_t *ret_size)
{
    const char *start = ++at;
    while (*at != '"') {
        at += *at == '\\' ? 2 : 1;
    }
    *ret_text = start;
    *ret_size = (uint32_t)(at - start);
    return at + 1;
}

static const char *number_parse(const char *at, double *ret_number)
{
    const int is_negative = *at == '-';
    double number = 0, scale = 1;
    at += is_negative;
    for (; *at >= '0' && *at <= '9'; at++) {
        number = number * 10 + (*at - '0');
    }
    if (*at == '.') {
        for (at++; *at >= '0' && *at <= '9'; at++) {
            number = number * 10 + (*at - '0');
            scale *= 10;
        }
    }
    if (*at == 'e') {
        int exponent = 0;
        for (at++; *at >= '0' && *at <= '9'; at++) {
            exponent = exponent * 10 + (*at - '0');
        }
        while (exponent-- > 0) {
            number *= 10;
        }
    }
    *ret_number = (is_negative ? -number : number) / scale;
    return at;
}

static const char *value_parse(const char *at, Value *value)
{
    at = space_skip(at);
    switch (*at) {
    case '[':
    case '{': {
        const int is_object = *at == '{';
        Value **link = &value->first;
        value->kind = is_object ? JSON_OBJECT : JSON_ARRAY;
        for (at = space_skip(at + 1); *at != ']' && *at != '}'; at = space_skip(*at == ',' ? at + 1 : at)) {
            Value *child = &pool[pool_count++];
            *child = (Value){0};
            if (is_object) {
                at = space_skip(string_parse(space_skip(at), &child->key, &child->key_size)) + 1;
            }
            at = space_skip(value_parse(at, child));
            *link = child;
            link = &child->next;
        }
        return at + 1;
    }
    case '"': value->kind = JSON_STRING; return string_parse(at, &value->string, &value->size);
    case 't':
    case 'n': value->kind = *at == 't' ? JSON_BOOL : JSON_NULL; return at + 4;
    case 'f': value->kind = JSON_BOOL; return at + 5;
    default: value->kind = JSON_NUMBER; return number_parse(at, &value->number);
    }
}

static double value_sum(const Value *value)
{
    double sum = value->kind == JSON_NUMBER ? value->number : value->kind == JSON_STRING ? value->size : value->kind;
    for (const Value *child = value->first; child != NULL; child = child->next) {
        sum += value_sum(child) + child->key_size;
    }
    return sum;
}

static uint64_t kernel_json(void)
{
    uint64_t check = 1;
    if (json[0] == '\0') {
        json_make();
    }
    for (int pass = 0; pass < 4; pass++) {
        Value root = {0};
        pool_count = 0;
        value_parse(json, &root);
        check = check_next(check, bits_of(value_sum(&root)) ^ pool_count);
    }
    return check;
}

/* search: Horspool's algorithm and the plain one for several needles. */

static uint32_t horspool_count(const char *needle)
{
    const size_t size = strlen(needle);
    uint32_t skip[256], count = 0;
    for (int i = 0; i < 256; i++) {
        skip[i] = (uint32_t)size;
    }
    for (size_t i = 0; i + 1 < size; i++) {
        skip[(uint8_t)needle[i]] = (uint32_t)(size - 1 - i);
    }
    for (size_t at = 0; at + size <= TEXT_SIZE; at += skip[text[at + size - 1]]) {
        size_t i = size;
        while (i > 0 && text[at + i - 1] == (uint8_t)needle[i - 1]) {
            i--;
        }
        count += i == 0;
    }
    return count;
}

static uint32_t plain_count(const char *needle)
{
    const size_t size = strlen(needle);
    uint32_t count = 0;
    for (size_t at = 0; at + size <= TEXT_SIZE; at++) {
        size_t i = 0;
        while (i < size && text[at + i] == (uint8_t)needle[i]) {
            i++;
        }
        count += i == size;
    }
    return count;
}

static uint64_t kernel_search(void)
{
    static const char *const needles[] = {"container ", "manifest entry", "hash. the", "the compiler of memory", "zz"};
    uint64_t check = 1;
    text_make(4);
    for (size_t i = 0; i < sizeof(needles) / sizeof(needles[0]); i++) {
        const uint32_t count = horspool_count(needles[i]);
        check = check_next(check, count == plain_count(needles[i]) ? count : ~0u);
    }
    return check;
}

const Kernel kernels[] = {
    {"lz", kernel_lz}, {"huffman", kernel_huffman}, {"json", kernel_json}, {"search", kernel_search}, {NULL, NULL},
};
