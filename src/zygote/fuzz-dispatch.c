/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as a dispatch: what is accepted has exactly the strings it says, all inside.
 */
#include <stdlib.h>
#include <string.h>

#include "base/must.h"
#include "zygote/zygote-int.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    Dispatch dispatch;
    char *copy = malloc(size + 1); /* not NUL-terminated within size */
    must(copy != NULL);
    memcpy(copy, bytes, size);
    if (dispatch_parse(copy, size, &dispatch) == 0) {
        const char *cursor = dispatch.argv;
        for (uint32_t i = 0; i < dispatch.header.argc + dispatch.header.envc + DISPATCH_TEXTS; i++) {
            cursor += strlen(cursor) + 1;
        }
        must(cursor == copy + size && dispatch.text[TEXT_CWD][0] == '/');
    }
    free(copy);
    return 0;
}
