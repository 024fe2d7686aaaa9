/* SPDX-License-Identifier: Apache-2.0 */
/* Arguments, environment, exit code. */
#include <stdio.h>
#include <stdlib.h>

static void at_exit(void)
{
    printf("at exit\n");
}

int main(int argc, char **argv)
{
    atexit(at_exit);
    for (int i = 0; i < argc; i++) {
        printf("argv[%d]=%s\n", i, argv[i]);
    }
    const char *value = getenv("LINK_TEST");
    printf("LINK_TEST=%s\n", value ? value : "(unset)");
    return 40 + argc;
}
