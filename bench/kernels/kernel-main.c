/* SPDX-License-Identifier: Apache-2.0 */
/*
 * kernel-main.c - PROGRAM NAME|all ROUNDS prints `NAME CHECKSUM MICROSECONDS` for each kernel: the time of the fastest of ROUNDS
 * rounds after one that is not counted, which lets an engine that compiles at run time finish doing so. The clock is read
 * inside, so that what an engine needs to start does not count.
 */

#include <stdio.h>
#include <time.h>

#include "kernels.h"

static uint64_t now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static void kernel_time(const Kernel *kernel, int rounds)
{
    uint64_t fastest = UINT64_MAX, check = kernel->run();
    for (int round = 0; round < rounds; round++) {
        const uint64_t start = now_us();
        const uint64_t again = kernel->run();
        const uint64_t took = now_us() - start;
        fastest = took < fastest ? took : fastest;
        check = again == check ? check : 0;
    }
    printf("%s %llu %llu\n", kernel->name, (unsigned long long)check, (unsigned long long)fastest);
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: kernels NAME|all ROUNDS\n");
        return 2;
    }
    int found = 0;
    for (const Kernel *kernel = kernels; kernel->name != NULL; kernel++) {
        if (strcmp(argv[1], "all") == 0 || strcmp(argv[1], kernel->name) == 0) {
            kernel_time(kernel, atoi(argv[2]));
            found = 1;
        }
    }
    return found ? 0 : 2;
}
