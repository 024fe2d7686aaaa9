/* SPDX-License-Identifier: Apache-2.0 */
/*
 * buf.c - growth by doubling up to the maximum, one spare byte for the NUL that is always there.
 */
#include "base/buf.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/must.h"

#define BUF_FIRST_CAPACITY 64u

static void buf_check(const Buf *buf)
{
    must(buf->size <= buf->capacity);
    must((buf->bytes == NULL) == (buf->capacity == 0));
}

void buf_deinit(Buf *buf)
{
    if (!buf) {
        return;
    }
    free(buf->bytes);
    *buf = (Buf){.max_size = buf->max_size};
}

void buf_clear(Buf *buf)
{
    buf_check(buf);
    buf->size = 0;
    buf->error = 0;
    if (buf->bytes) {
        buf->bytes[0] = 0;
    }
}

int buf_error(const Buf *buf)
{
    return buf->error;
}

int buf_reserve(Buf *buf, size_t extra_size)
{
    buf_check(buf);
    if (buf->error) {
        return buf->error;
    }
    /* SIZE_MAX has no room for the spare byte. */
    const size_t max_size = buf->max_size == SIZE_MAX ? SIZE_MAX - 1 : buf->max_size;
    if (buf->size > max_size || extra_size > max_size - buf->size) {
        return buf->error = -E2BIG;
    }
    const size_t needed = buf->size + extra_size;
    if (needed <= buf->capacity) {
        return 0;
    }
    size_t capacity = buf->capacity > max_size / 2 ? max_size : buf->capacity * 2;
    capacity = capacity < BUF_FIRST_CAPACITY ? BUF_FIRST_CAPACITY : capacity;
    capacity = capacity < needed ? needed : capacity;
    capacity = capacity > max_size ? max_size : capacity;
    uint8_t *bytes = realloc(buf->bytes, capacity + 1);
    if (!bytes) {
        return buf->error = -ENOMEM;
    }
    bytes[buf->size] = 0;
    buf->bytes = bytes;
    buf->capacity = capacity;
    return 0;
}

void buf_append(Buf *buf, const void *bytes, size_t size)
{
    if (size == 0 || buf_reserve(buf, size) < 0) {
        return;
    }
    memcpy(buf->bytes + buf->size, bytes, size);
    buf->size += size;
    buf->bytes[buf->size] = 0;
}

void buf_append_byte(Buf *buf, uint8_t byte)
{
    buf_append(buf, &byte, 1);
}

void buf_append_string(Buf *buf, const char *string)
{
    buf_append(buf, string, strlen(string));
}

void buf_append_format(Buf *buf, const char *format, ...)
{
    if (buf->error) {
        return;
    }
    va_list arguments, again;
    va_start(arguments, format);
    va_copy(again, arguments);
    const size_t room = buf->capacity - buf->size;
    const int size = vsnprintf((char *)(buf->bytes ? buf->bytes + buf->size : NULL), buf->bytes ? room + 1 : 0, format,
                               arguments);
    va_end(arguments);
    if (size < 0) {
        buf->error = -ENOMEM;
    } else if ((size_t)size > room && buf_reserve(buf, (size_t)size) == 0) {
        (void)vsnprintf((char *)(buf->bytes + buf->size), (size_t)size + 1, format, again);
    }
    va_end(again);
    if (buf->error == 0 && size > 0) {
        buf->size += (size_t)size;
    }
    if (buf->bytes) {
        buf->bytes[buf->size] = 0;
    }
}

void buf_align(Buf *buf, size_t alignment)
{
    must(alignment && (alignment & (alignment - 1)) == 0);
    const size_t extra_size = -buf->size & (alignment - 1);
    if (extra_size == 0 || buf_reserve(buf, extra_size) < 0) {
        return;
    }
    memset(buf->bytes + buf->size, 0, extra_size + 1);
    buf->size += extra_size;
}

static void buf_append_le(Buf *buf, uint64_t value, size_t size)
{
    uint8_t bytes[8];
    for (size_t i = 0; i < size; i++) {
        bytes[i] = (uint8_t)(value >> (8 * i));
    }
    buf_append(buf, bytes, size);
}

void buf_append_u32le(Buf *buf, uint32_t value)
{
    buf_append_le(buf, value, 4);
}

void buf_append_u64le(Buf *buf, uint64_t value)
{
    buf_append_le(buf, value, 8);
}

void buf_append_uleb(Buf *buf, uint64_t value)
{
    uint8_t bytes[10];
    size_t size = 0;
    do {
        const uint8_t low = value & 0x7f;
        value >>= 7;
        bytes[size++] = (uint8_t)(low | (value ? 0x80 : 0));
    } while (value);
    buf_append(buf, bytes, size);
}

void buf_append_sleb(Buf *buf, int64_t value)
{
    uint8_t bytes[10];
    size_t size = 0;
    bool is_last;
    do {
        const uint8_t low = value & 0x7f;
        value >>= 7; /* arithmetic in gcc and clang */
        is_last = (value == 0 && !(low & 0x40)) || (value == -1 && (low & 0x40));
        bytes[size++] = (uint8_t)(low | (is_last ? 0 : 0x80));
    } while (!is_last);
    buf_append(buf, bytes, size);
}

/*
 * utf8_sequence_size() - how many bytes the well-formed sequence at bytes has, 0 when there is none (RFC 3629: no
 * overlong forms, no surrogates, at most U+10FFFF).
 */
static size_t utf8_sequence_size(const uint8_t *bytes, size_t size)
{
    const uint8_t lead = bytes[0];
    size_t length;
    uint8_t low = 0x80, high = 0xbf; /* bounds of the second byte */
    if (lead < 0x80) {
        return 1;
    } else if (lead >= 0xc2 && lead <= 0xdf) {
        length = 2;
    } else if (lead >= 0xe0 && lead <= 0xef) {
        length = 3;
        low = lead == 0xe0 ? 0xa0 : low;
        high = lead == 0xed ? 0x9f : high;
    } else if (lead >= 0xf0 && lead <= 0xf4) {
        length = 4;
        low = lead == 0xf0 ? 0x90 : low;
        high = lead == 0xf4 ? 0x8f : high;
    } else {
        return 0;
    }
    if (size < length || bytes[1] < low || bytes[1] > high) {
        return 0;
    }
    for (size_t i = 2; i < length; i++) {
        if ((bytes[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    return length;
}

static void buf_append_json_byte(Buf *buf, uint8_t byte)
{
    static const char letters[32] = {['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r'};
    const char letter = byte < 32 ? letters[byte] : (byte == '"' || byte == '\\') ? (char)byte : '\0';
    if (letter) {
        const uint8_t pair[2] = {'\\', (uint8_t)letter};
        buf_append(buf, pair, 2);
    } else if (byte < 32) {
        buf_append_format(buf, "\\u%04x", byte);
    } else {
        buf_append_byte(buf, byte);
    }
}

void buf_append_json(Buf *buf, const char *string, size_t size)
{
    const uint8_t *bytes = (const uint8_t *)string;
    buf_append_byte(buf, '"');
    for (size_t i = 0; i < size && !buf->error;) {
        /* Runs of plain ASCII are the usual case. */
        size_t run = i;
        while (run < size && bytes[run] >= 32 && bytes[run] < 0x80 && bytes[run] != '"' && bytes[run] != '\\') {
            run++;
        }
        if (run > i) {
            buf_append(buf, bytes + i, run - i);
            i = run;
            continue;
        }
        const size_t length = utf8_sequence_size(bytes + i, size - i);
        if (length == 1) {
            buf_append_json_byte(buf, bytes[i]);
        } else if (length > 1) {
            buf_append(buf, bytes + i, length);
        } else {
            buf_append_string(buf, "\xef\xbf\xbd"); /* U+FFFD */
        }
        i += length ? length : 1;
    }
    buf_append_byte(buf, '"');
}

uint8_t *buf_steal(Buf *buf, size_t *ret_size)
{
    buf_check(buf);
    if (buf->error) {
        return NULL;
    }
    uint8_t *bytes = buf->bytes ? buf->bytes : calloc(1, 1);
    if (bytes && ret_size) {
        *ret_size = buf->size;
    }
    if (bytes) {
        *buf = (Buf){.max_size = buf->max_size};
    }
    return bytes;
}
