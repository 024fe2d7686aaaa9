/* SPDX-License-Identifier: Apache-2.0 */
/*
 * script.h - the #! line, read exactly as Linux reads it (fs/binfmt_script.c of Linux 5.1 and later).
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "base/limits.h"

typedef struct ScriptLine {
    char interpreter[LIMIT_SCRIPT_LINE];
    char argument[LIMIT_SCRIPT_LINE]; /* one argument, spaces inside kept; empty when there is none */
} ScriptLine;

/*
 * script_line_parse() - bytes: the first bytes of the file (more than LIMIT_SCRIPT_LINE are ignored, as by Linux).
 * Return: 0; -ENOEXEC: no "#!", no interpreter, or a line so long that the interpreter's name may be cut.
 * Effect of Linux that is kept: a carriage return belongs to the name or argument; a NUL ends them. Not kept: spaces at
 * the very end of a file without a newline give no argument here, an empty one there.
 */
int script_line_parse(const void *bytes, size_t size, ScriptLine *ret_line) WARN_UNUSED;
