/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-hex.h - modules written by hand in tests: hexadecimal bytes with sizes filled in.
 *
 *     "01(01 60 00 00) 03(01 00) 0a(01 (00 0b))"    ( ... ) is the LEB128 size of what is inside, then that
 *     "07(01 ('main') 00 00)"                       'text' is its bytes
 *
 * The module header is put in front unless the text starts with "=". Only test-*.c and fuzz-*.c include this.
 */
#pragma once

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/must.h"

/* Appends up to the closing parenthesis or the end. Return: the text after it. */
static inline const char *hex_append(const char *text, Buf *buf)
{
    while (*text && *text != ')') {
        if (*text == '(') {
            Buf inner = BUF_INIT(16u << 20);
            text = hex_append(text + 1, &inner);
            must(*text == ')');
            text++;
            buf_append_uleb(buf, inner.size);
            if (inner.size)
                buf_append(buf, inner.bytes, inner.size);
            buf_deinit(&inner);
        } else if (*text == '\'') {
            for (text++; *text != '\''; text++) {
                must(*text);
                buf_append_byte(buf, (uint8_t)*text);
            }
            text++;
        } else if (isspace((unsigned char)*text)) {
            text++;
        } else {
            const char pair[3] = {text[0], text[1], 0};
            char *end;
            const unsigned long byte = strtoul(pair, &end, 16);
            must(end == pair + 2);
            buf_append_byte(buf, (uint8_t)byte);
            text += 2;
        }
    }
    return text;
}

/* A module of exactly its size in malloc()ed memory, so that a sanitizer sees one byte too many. The caller frees. */
static inline uint8_t *hex_module(const char *text, size_t *ret_size)
{
    static const uint8_t header[8] = {0, 'a', 's', 'm', 1, 0, 0, 0};
    Buf buf = BUF_INIT(16u << 20);

    if (*text == '=')
        text++;
    else
        buf_append(&buf, header, sizeof(header));
    text = hex_append(text, &buf);
    must(!*text && buf_error(&buf) == 0);
    uint8_t *bytes = malloc(buf.size ? buf.size : 1);
    must(bytes);
    if (buf.size)
        memcpy(bytes, buf.bytes, buf.size);
    *ret_size = buf.size;
    buf_deinit(&buf);
    return bytes;
}
