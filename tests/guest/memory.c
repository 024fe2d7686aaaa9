/* SPDX-License-Identifier: Apache-2.0 */
/* malloc patterns, realloc, calloc, alignment; mmap anonymous, of files, shared between processes, fixed, munmap and reuse; mremap. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

int main(void)
{
    unsigned state = 1;
    void *blocks[512] = {0};
    size_t sizes[512] = {0};
    unsigned bad = 0;
    for (int round = 0; round < 40000; round++) {
        state = state * 1103515245 + 12345;
        const unsigned slot = (state >> 16) % 512;
        if (blocks[slot] != NULL) {
            const unsigned char *bytes = blocks[slot];
            for (size_t i = 0; i < sizes[slot]; i += 97) {
                bad += bytes[i] != (unsigned char)slot;
            }
            if (state & 0x8000) {
                free(blocks[slot]);
                blocks[slot] = NULL;
                continue;
            }
        }
        const size_t size = (state >> 8) % (round % 100 == 0 ? 300000 : 700) + 1;
        blocks[slot] = realloc(blocks[slot], size);
        sizes[slot] = size;
        memset(blocks[slot], (int)slot, size);
    }
    printf("malloc: bad %u\n", bad);
    void *aligned = NULL;
    printf("aligned %d %d\n", posix_memalign(&aligned, 4096, 100), (int)((uintptr_t)aligned % 4096));
    const char *zeroed = calloc(1000, 1000);
    size_t sum = 0;
    for (size_t i = 0; i < 1000000; i++) {
        sum += (unsigned char)zeroed[i];
    }
    printf("calloc %zu\n", sum);
    printf("too much %d\n", malloc((size_t)-1 / 2) == NULL);

    const int fd = open("mapped", O_RDWR | O_CREAT | O_TRUNC, 0600);
    char page[4096];
    for (int i = 0; i < 4; i++) {
        memset(page, 'a' + i, sizeof page);
        write(fd, page, sizeof page);
    }
    const char *private = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 4096);
    printf("map %d %c %c\n", private != MAP_FAILED, private[0], private[4096]);
    ((char *)private)[0] = 'X';
    pread(fd, page, 1, 4096);
    printf("private %c\n", page[0]);
    char *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    shared[1] = 'S';
    msync(shared, 4096, MS_SYNC);
    pread(fd, page, 2, 0);
    printf("shared %.2s\n", page);
    munmap(shared, 4096);
    munmap((void *)private, 8192);
    close(fd);
    unlink("mapped");

    volatile int *cell = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    volatile int *mine = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    *cell = 1;
    *mine = 1;
    const pid_t pid = fork();
    if (pid == 0) {
        *cell = 77;
        *mine = 77;
        _exit(0);
    }
    waitpid(pid, NULL, 0);
    printf("between processes %d %d\n", *cell, *mine);
    char *area = mmap(NULL, 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    memset(area, 'z', 65536);
    char *fixed = mmap(area + 8192, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
    printf("fixed %d %d %c\n", fixed == area + 8192, fixed[0], area[8191]);
    char *bigger = mremap(area, 65536, 262144, MREMAP_MAYMOVE);
    printf("mremap %d %c %d\n", bigger != MAP_FAILED, bigger[100], bigger[200000]);
    munmap(bigger, 262144);
    for (int i = 0; i < 2000; i++) {
        char *p = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (p == MAP_FAILED) {
            printf("mmap failed in round %d\n", i);
            return 1;
        }
        p[i % 4096] = 1;
        munmap(p, 1 << 20);
    }
    printf("mmap again and again\n");
    return 0;
}
