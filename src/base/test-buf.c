/* SPDX-License-Identifier: Apache-2.0 */
/* Includes the source so that realloc and calloc can be made to fail. */
#include <stdlib.h>

static int alloc_budget = -1; /* calls that succeed; -1: all */

static void *test_realloc(void *memory, size_t size)
{
    if (alloc_budget == 0) {
        return NULL;
    }
    alloc_budget -= alloc_budget > 0;
    return realloc(memory, size);
}

static void *test_calloc(size_t count, size_t size)
{
    return alloc_budget == 0 ? NULL : calloc(count, size);
}
#define realloc test_realloc
#define calloc test_calloc
#include "base/buf.c"
#undef realloc
#undef calloc

#include "base/tap.h"

static void expect(Buf *buf, const void *bytes, size_t size)
{
    must(buf_error(buf) == 0);
    must(buf->size == size);
    must(size == 0 || memcmp(buf->bytes, bytes, size) == 0);
    must(!buf->bytes || buf->bytes[size] == 0);
    buf_clear(buf);
}

static void test_append(void)
{
    Buf buf = BUF_INIT(1u << 20);
    buf_append(&buf, NULL, 0);
    must(buf.bytes == NULL);
    buf_append_string(&buf, "");
    buf_append(&buf, "a\0b", 3);
    buf_append_byte(&buf, 255);
    expect(&buf, "a\0b\xff", 4);
    for (unsigned i = 0; i < 100000; i++) {
        buf_append_byte(&buf, (uint8_t)i);
    }
    must(buf.size == 100000 && buf.bytes[99999] == (99999 & 255) && buf.bytes[100000] == 0);
    buf_deinit(&buf);
    must(buf.bytes == NULL && buf.max_size == 1u << 20);
    buf_deinit(NULL);
}

static void test_maximum_is_sticky(void)
{
    Buf buf = BUF_INIT(10);
    buf_append_string(&buf, "0123456789");
    must(buf_error(&buf) == 0 && buf.capacity == 10);
    buf_append(&buf, "", 0);
    must(buf_error(&buf) == 0);
    buf_append_byte(&buf, 'x');
    must(buf_error(&buf) == -E2BIG && buf.size == 10 && memcmp(buf.bytes, "0123456789", 11) == 0);
    buf.size = 0; /* even with room again it stays failed until cleared */
    buf_append_byte(&buf, 'x');
    must(buf.size == 0 && buf_reserve(&buf, 0) == -E2BIG && buf_steal(&buf, NULL) == NULL);
    buf_clear(&buf);
    buf_append_byte(&buf, 'y');
    expect(&buf, "y", 1);
    must(buf_reserve(&buf, SIZE_MAX) == -E2BIG);
    buf_deinit(&buf);

    Buf none = BUF_INIT(0);
    buf_append_byte(&none, 1);
    must(buf_error(&none) == -E2BIG && none.bytes == NULL);
    buf_deinit(&none);

    Buf huge = BUF_INIT(SIZE_MAX);
    must(buf_reserve(&huge, SIZE_MAX) == -E2BIG);
    buf_deinit(&huge);
}

static void test_out_of_memory(void)
{
    for (int budget = 0; budget < 4; budget++) {
        Buf buf = BUF_INIT(1u << 20);
        alloc_budget = budget;
        size_t appended = 0;
        for (unsigned i = 0; i < 2000; i++) {
            buf_append_format(&buf, "%c", 'a' + i % 26);
            appended += buf_error(&buf) == 0;
        }
        must(buf.size == appended);
        must(buf_error(&buf) == -ENOMEM);
        for (size_t i = 0; i < appended; i++) {
            must(buf.bytes[i] == 'a' + i % 26);
        }
        alloc_budget = -1;
        buf_deinit(&buf);
    }
    Buf buf = BUF_INIT(10);
    alloc_budget = 0;
    must(buf_steal(&buf, NULL) == NULL);
    alloc_budget = -1;
}

static void test_format(void)
{
    Buf buf = BUF_INIT(1000);
    buf_append_format(&buf, "%s", "");
    expect(&buf, "", 0);
    buf_append_format(&buf, "%d-%s", 42, "x");
    expect(&buf, "42-x", 4);
    /* Every length across the growth steps. */
    char text[300];
    for (size_t size = 0; size < sizeof text - 1; size++) {
        Buf fresh = BUF_INIT(1000);
        memset(text, 'q', size);
        text[size] = '\0';
        buf_append_string(&fresh, "ab");
        buf_append_format(&fresh, "%s", text);
        must(buf_error(&fresh) == 0 && fresh.size == size + 2 && fresh.bytes[fresh.size] == 0);
        must(memcmp(fresh.bytes, "ab", 2) == 0 && memcmp(fresh.bytes + 2, text, size) == 0);
        buf_deinit(&fresh);
    }
    buf_append_string(&buf, "keep");
    buf_append_format(&buf, "%2000s", "x");
    must(buf_error(&buf) == -E2BIG && buf.size == 4 && strcmp((char *)buf.bytes, "keep") == 0);
    buf_deinit(&buf);
}

static void test_align(void)
{
    Buf buf = BUF_INIT(64);
    buf_align(&buf, 8);
    must(buf.size == 0);
    buf_append_byte(&buf, 1);
    buf_align(&buf, 1);
    must(buf.size == 1);
    buf_align(&buf, 8);
    expect(&buf, "\1\0\0\0\0\0\0", 8);
    buf_append_byte(&buf, 1);
    buf_align(&buf, 128);
    must(buf_error(&buf) == -E2BIG && buf.size == 1);
    buf_deinit(&buf);
}

static void test_numbers(void)
{
    Buf buf = BUF_INIT(64);
    buf_append_u32le(&buf, 0x04030201);
    buf_append_u64le(&buf, 0x0807060504030201);
    expect(&buf, "\1\2\3\4\1\2\3\4\5\6\7\x08", 12);
    buf_append_uleb(&buf, 0);
    expect(&buf, "\0", 1);
    buf_append_uleb(&buf, 127);
    expect(&buf, "\x7f", 1);
    buf_append_uleb(&buf, 128);
    expect(&buf, "\x80\x01", 2);
    buf_append_uleb(&buf, 624485);
    expect(&buf, "\xe5\x8e\x26", 3);
    buf_append_uleb(&buf, UINT64_MAX);
    expect(&buf, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 10);
    buf_append_sleb(&buf, 0);
    expect(&buf, "\0", 1);
    buf_append_sleb(&buf, -1);
    expect(&buf, "\x7f", 1);
    buf_append_sleb(&buf, 63);
    expect(&buf, "\x3f", 1);
    buf_append_sleb(&buf, 64);
    expect(&buf, "\xc0\x00", 2);
    buf_append_sleb(&buf, -64);
    expect(&buf, "\x40", 1);
    buf_append_sleb(&buf, -65);
    expect(&buf, "\xbf\x7f", 2);
    buf_append_sleb(&buf, -123456);
    expect(&buf, "\xc0\xbb\x78", 3);
    buf_append_sleb(&buf, INT64_MIN);
    expect(&buf, "\x80\x80\x80\x80\x80\x80\x80\x80\x80\x7f", 10);
    buf_append_sleb(&buf, INT64_MAX);
    expect(&buf, "\xff\xff\xff\xff\xff\xff\xff\xff\xff\x00", 10);
    buf_deinit(&buf);
}

static void expect_json(const char *bytes, size_t size, const char *text)
{
    Buf buf = BUF_INIT(1000);
    buf_append_json(&buf, bytes, size);
    expect(&buf, text, strlen(text));
    buf_deinit(&buf);
}

static void test_json(void)
{
#define FFFD "\xef\xbf\xbd"
    expect_json("", 0, "\"\"");
    expect_json("a\"b\\c/", 6, "\"a\\\"b\\\\c/\"");
    expect_json("\0\x1f\n\r\t\b\f\x7f", 8, "\"\\u0000\\u001f\\n\\r\\t\\b\\f\x7f\"");
    expect_json("\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", 9, "\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\"");
    expect_json("\xc0\x80", 2, "\"" FFFD FFFD "\"");             /* overlong NUL */
    expect_json("\xe0\x9f\xbf", 3, "\"" FFFD FFFD FFFD "\"");    /* overlong */
    expect_json("\xed\xa0\x80", 3, "\"" FFFD FFFD FFFD "\"");    /* surrogate */
    expect_json("\xf4\x90\x80\x80", 4, "\"" FFFD FFFD FFFD FFFD "\""); /* above U+10FFFF */
    expect_json("\xf4\x8f\xbf\xbf", 4, "\"\xf4\x8f\xbf\xbf\"");
    expect_json("\xf5\xff\xfe", 3, "\"" FFFD FFFD FFFD "\"");
    expect_json("\xe2\x82", 2, "\"" FFFD FFFD "\"");             /* cut short */
    expect_json("\xe2\x28\xa1z", 4, "\"" FFFD "(" FFFD "z\"");
    Buf small = BUF_INIT(3);
    buf_append_json(&small, "abc", 3);
    must(buf_error(&small) == -E2BIG);
    buf_deinit(&small);
}

static void test_steal(void)
{
    Buf buf = BUF_INIT(100);
    size_t size = 9;
    uint8_t *bytes = buf_steal(&buf, &size);
    must(bytes && size == 0 && bytes[0] == 0);
    free(bytes);
    buf_append_string(&buf, "abc");
    bytes = buf_steal(&buf, &size);
    must(bytes && size == 3 && strcmp((char *)bytes, "abc") == 0);
    must(buf.bytes == NULL && buf.size == 0 && buf.max_size == 100);
    free(bytes);
    buf_deinit(&buf);
}

int main(void)
{
    static const TapCase cases[] = {
        {"append", test_append},  {"maximum is sticky", test_maximum_is_sticky},
        {"out of memory", test_out_of_memory}, {"format", test_format},
        {"align", test_align},    {"little endian and LEB128", test_numbers},
        {"json strings", test_json}, {"steal", test_steal},
    };
    return tap_main(cases, TAP_COUNT(cases));
}
