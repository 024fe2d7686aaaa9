/* SPDX-License-Identifier: Apache-2.0 */
/* recompiler_ready() of the SDK's header does nothing where no snapshot is made. */
#include <stdio.h>
#if defined(__wasm__)
#include <recompiler.h>
#else
static void recompiler_ready(void) {}
#endif

static unsigned table[100000];

int main(void)
{
    for (unsigned i = 0; i < 100000; i++) {
        table[i] = i * 2654435761u ^ (i > 0 ? table[i - 1] : 1);
    }
    recompiler_ready();
    printf("%u\n", table[99999]);
    return 0;
}
