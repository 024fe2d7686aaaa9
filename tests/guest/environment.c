/* SPDX-License-Identifier: Apache-2.0 */
/* The environment and arguments arrive exactly, whatever bytes are in them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern char **environ;

static void print(const char *text)
{
    for (const unsigned char *p = (const unsigned char *)text; *p != 0; p++) {
        printf(*p > 32 && *p < 127 ? "%c" : "\\%03o", *p);
    }
    printf("\n");
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        print(argv[i]);
    }
    for (char **entry = environ; *entry != NULL; entry++) {
        if (strncmp(*entry, "T_", 2) == 0) {
            print(*entry);
        }
    }
    return 0;
}
