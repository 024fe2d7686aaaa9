/* SPDX-License-Identifier: Apache-2.0 */
/* wasi-cat.c - an interpreter of the other ABI that takes its time: prints the file of the #! line's script. */
#include <stdio.h>
#include <time.h>

int main(int argc, char **argv)
{
    char bytes[512];
    const struct timespec pause = {.tv_nsec = 500000000};
    nanosleep(&pause, NULL);
    FILE *file = fopen(argv[argc - 1], "r");
    const size_t size = file != NULL ? fread(bytes, 1, sizeof bytes, file) : 0;
    printf("%s: %.*s", argv[argc - 1], (int)size, bytes);
    return size > 0 ? 0 : 1;
}
