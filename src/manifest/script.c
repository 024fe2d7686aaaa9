/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The file's first 256 bytes, zero-filled; the line ends at the first newline, or, without one, at the last of these
 * bytes provided that the interpreter's name ends before it (else it may be cut in the middle, and a cut name is
 * another file).
 */
#include "manifest/script.h"

#include <errno.h>
#include <string.h>

#include "base/must.h"

static bool is_space(char c)
{
    return c == ' ' || c == '\t';
}

/* First position from..to that is no space; to + 1 when there is none. */
static size_t skip_spaces(const char *line, size_t from, size_t to)
{
    while (from <= to && is_space(line[from])) {
        from++;
    }
    return from;
}

/* First position from..to that is a space or NUL; to + 1 when there is none. */
static size_t find_end(const char *line, size_t from, size_t to)
{
    while (from <= to && !is_space(line[from]) && line[from] != '\0') {
        from++;
    }
    return from;
}

static void copy_text(char target[LIMIT_SCRIPT_LINE], const char *line, size_t from, size_t to)
{
    const size_t length = strnlen(line + from, to - from);
    must(length < LIMIT_SCRIPT_LINE);
    memcpy(target, line + from, length);
    target[length] = '\0';
}

int script_line_parse(const void *bytes, size_t size, ScriptLine *ret_line)
{
    must(bytes != NULL || size == 0);
    char line[LIMIT_SCRIPT_LINE] = {0};
    const size_t last = sizeof(line) - 1;
    memcpy(line, size > 0 ? bytes : "", size < sizeof(line) ? size : sizeof(line));
    if (line[0] != '#' || line[1] != '!') {
        return -ENOEXEC;
    }
    size_t end = last;
    const char *newline = memchr(line, '\n', sizeof(line));
    if (newline != NULL) {
        end = (size_t)(newline - line);
    } else {
        const size_t name = skip_spaces(line, 2, last);
        if (name > last || find_end(line, name, last) > last) {
            return -ENOEXEC;
        }
    }
    while (end > 2 && is_space(line[end - 1])) {
        end--;
    }
    const size_t name = skip_spaces(line, 2, end);
    if (name >= end || line[name] == '\0') {
        return -ENOEXEC;
    }
    const size_t name_end = find_end(line, name, end - 1);
    ScriptLine result = {0};
    copy_text(result.interpreter, line, name, name_end);
    if (name_end < end && line[name_end] != '\0') {
        const size_t argument = skip_spaces(line, name_end, end - 1);
        if (argument < end) {
            copy_text(result.argument, line, argument, end);
        }
    }
    *ret_line = result;
    return 0;
}
