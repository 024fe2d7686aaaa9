/* SPDX-License-Identifier: Apache-2.0 */
/* fork-floor.c - what a fork costs this machine at the least: from clone(2) in a small static program to its child's first line. bench/start compiles it. */
#define _GNU_SOURCE
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static uint64_t now_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

int main(int argc, char **argv)
{
    volatile uint64_t *first = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    for (long i = argc > 1 ? atol(argv[1]) : 0; first != MAP_FAILED && i > 0; i--) {
        (void)usleep(500); /* as the driver does between two spawns */
        const uint64_t before = now_ns();
        const pid_t pid = (pid_t)syscall(SYS_clone, SIGCHLD, NULL, NULL, NULL, NULL);
        if (pid == 0) {
            *first = now_ns();
            _exit(0);
        }
        if (pid < 0 || waitpid(pid, NULL, 0) != pid) {
            return 1;
        }
        (void)printf("%.1f\n", (double)(*first - before) / 1e3);
    }
    return first == MAP_FAILED;
}
