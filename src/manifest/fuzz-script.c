/* SPDX-License-Identifier: Apache-2.0 */
/* #! lines: what is accepted is a piece of the first line, cut as Linux cuts it. test-script.c compares with the kernel
 * itself. */
#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "base/must.h"
#include "manifest/script.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    ScriptLine line;
    const int r = script_line_parse(bytes, size, &line);
    if (r < 0) {
        must(r == -ENOEXEC);
        return 0;
    }
    must(size > 2 && bytes[0] == '#' && bytes[1] == '!');
    must(line.interpreter[0] != '\0' && strpbrk(line.interpreter, " \t\n") == NULL &&
         strchr(line.argument, '\n') == NULL);
    const size_t seen = size < LIMIT_SCRIPT_LINE ? size : LIMIT_SCRIPT_LINE;
    const uint8_t *name = memmem(bytes, seen, line.interpreter, strlen(line.interpreter));
    must(name != NULL);
    must(memmem(name, seen - (size_t)(name - bytes), line.argument, strlen(line.argument)) != NULL);
    const size_t argument_size = strlen(line.argument);
    must(argument_size == 0 || (line.argument[0] != ' ' && line.argument[0] != '\t'));
    return 0;
}
