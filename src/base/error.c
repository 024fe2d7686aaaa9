/* SPDX-License-Identifier: Apache-2.0 */
/*
 * error.c - filling the caller's Error.
 *
 * Text goes through two buffers: vsnprintf into a raw one, then an escaping copy into the Error, so that a message is
 * printable ASCII on one line whatever untrusted bytes were formatted into it. An escape is never cut in two; text that
 * does not fit ends in "...". No allocation, so it works when memory is what has run out.
 */
#include "base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/must.h"

/* text_escape() - copies source into target as printable ASCII; target always ends in NUL. */
static void text_escape(char *target, size_t target_size, const char *source, bool is_truncated)
{
    static const char hex[] = "0123456789abcdef";
    const size_t room = target_size - sizeof "...";
    size_t used = 0;

    must(target_size > sizeof "...");
    for (; *source; source++) {
        const unsigned char byte = (unsigned char)*source;
        const bool is_plain = byte >= 0x20 && byte < 0x7f;
        if (used + (is_plain ? 1 : 4) > room) {
            is_truncated = true;
            break;
        }
        if (is_plain) {
            target[used++] = (char)byte;
            continue;
        }
        target[used++] = '\\';
        target[used++] = 'x';
        target[used++] = hex[byte >> 4];
        target[used++] = hex[byte & 15];
    }
    if (is_truncated) {
        memcpy(target + used, "...", 3);
        used += 3;
    }
    target[used] = '\0';
}

void text_printable(char *target, size_t size, const char *source)
{
    text_escape(target, size, source, false);
}

__attribute__((format(printf, 3, 0))) static void text_format(char *target, size_t target_size, const char *format, va_list arguments)
{
    char raw[ERROR_MESSAGE_SIZE];
    const int size = vsnprintf(raw, sizeof raw, format, arguments);
    if (size < 0) {
        raw[0] = '\0';
    }
    text_escape(target, target_size, raw, size >= (int)sizeof raw);
}

int error_set_at(Error *err, int code, const char *file, int line, const char *format, ...)
{
    must(code > 0);
    if (!err) {
        return -code;
    }
    /* Formatted first: an argument may point into *err itself. */
    char message[ERROR_MESSAGE_SIZE];
    va_list arguments;
    va_start(arguments, format);
    text_format(message, sizeof message, format, arguments);
    va_end(arguments);

    *err = (Error){.code = code, .file = file, .line = line, .offset = UINT64_MAX};
    memcpy(err->message, message, sizeof message);
    return -code;
}

int error_wrap(Error *err, int r, const char *format, ...)
{
    if (!err || r >= 0) {
        return r;
    }
    char where[ERROR_MESSAGE_SIZE];
    va_list arguments;
    va_start(arguments, format);
    text_format(where, sizeof where, format, arguments);
    va_end(arguments);

    char inner[ERROR_MESSAGE_SIZE];
    if (err->code != 0) {
        memcpy(inner, err->message, sizeof inner);
    } else {
        /* A callee without words: its errno has to do. */
        *err = (Error){.code = -r, .offset = UINT64_MAX};
        (void)snprintf(inner, sizeof inner, "%s", strerror(-r));
    }
    char joined[2 * ERROR_MESSAGE_SIZE + 2];
    (void)snprintf(joined, sizeof joined, "%s: %s", where, inner);
    /* Both parts are escaped already and escaping plain text changes nothing, so this only cuts. */
    text_escape(err->message, sizeof err->message, joined, false);
    return r;
}

int error_hint(Error *err, int r, const char *format, ...)
{
    if (!err || r >= 0) {
        return r;
    }
    va_list arguments;
    va_start(arguments, format);
    text_format(err->hint, sizeof err->hint, format, arguments);
    va_end(arguments);
    return r;
}

int error_at(Error *err, int r, uint64_t offset)
{
    /* The first to know is the most exact. */
    if (err && r < 0 && err->offset == UINT64_MAX) {
        err->offset = offset;
    }
    return r;
}

const char *error_name(int code)
{
    const char *name = code > 0 ? strerrorname_np(code) : NULL;
    return name ? name : "E?";
}
