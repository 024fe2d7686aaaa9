/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
int main(int argc, char **argv)
{
    printf("hello %d\n", argc);
    for (int i = 1; i < argc; i++) {
        printf("[%s]\n", argv[i]);
    }
    fprintf(stderr, "to stderr\n");
    return 3;
}
