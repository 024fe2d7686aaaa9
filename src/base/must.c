/* SPDX-License-Identifier: Apache-2.0 */
/*
 * must.c - the one place where a programming error ends the process.
 *
 * Only write(2) and abort(3) are used, so a must() in a signal handler or in a child between fork and exec is fine.
 */
#include "base/must.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Appends as much of text as fits and returns the new end. */
static char *line_append(char *end, const char *limit, const char *text)
{
    while (*text && end < limit) {
        *end++ = *text++;
    }
    return end;
}

void must_fail(const char *expression, const char *file, int line)
{
    char text[512];
    char digits[12];
    char *digit = digits + sizeof digits - 1;
    const char *limit = text + sizeof text - 1; /* the newline always fits */

    *digit = '\0';
    unsigned rest = line < 0 ? 0u : (unsigned)line;
    do {
        *--digit = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest);

    char *end = line_append(text, limit, "must: ");
    end = line_append(end, limit, file);
    end = line_append(end, limit, ":");
    end = line_append(end, limit, digit);
    end = line_append(end, limit, ": ");
    end = line_append(end, limit, expression);
    *end++ = '\n';
    /* Nothing can be done about a failed write: the process ends anyway. */
    if (write(STDERR_FILENO, text, (size_t)(end - text)) < 0) {
        abort();
    }
    abort();
}
