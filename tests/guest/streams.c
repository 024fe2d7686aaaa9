/* SPDX-License-Identifier: Apache-2.0 */
/* What streams have written, and when: pieces, line buffering, setvbuf, positions, wrong directions, both standard streams on one pipe. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static long size_of(FILE *file)
{
    struct stat status;
    return fstat(fileno(file), &status) == 0 ? (long)status.st_size : -1;
}

static void pieces(int mode)
{
    static char data[20000];
    static const size_t sizes[] = {1, 100, 3995, 1, 4096, 4095, 1, 8191, 2, 10000, 20000, 0, 96, 5000, 1};
    FILE *file = fopen("pieces", "w");
    memset(data, 'x', sizeof data);
    if (mode >= 0) {
        printf("setvbuf %d\n", setvbuf(file, NULL, mode, 0));
    }
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        const size_t n = fwrite(data, 1, sizes[i], file);
        printf("%zu->%ld ", n, size_of(file));
    }
    for (int i = 0; i < 9000; i++) {
        putc('y', file);
        if (i % 1000 == 0) {
            printf("%ld ", size_of(file));
        }
    }
    fputs("line\nrest", file);
    printf("%ld ", size_of(file));
    fprintf(file, "%d%5000d%s", 1, 2, "three");
    printf("%ld ", size_of(file));
    fflush(file);
    printf("%ld\n", size_of(file));
    fclose(file);
}

static void buffers(void)
{
    FILE *file = fopen("buffers", "w");
    static const int modes[] = {_IONBF, _IOLBF, _IOFBF, _IONBF, _IOFBF, _IOLBF};
    for (size_t i = 0; i < sizeof modes / sizeof modes[0]; i++) {
        setvbuf(file, NULL, modes[i], 0);
        fputs("a", file);
        printf("%ld ", size_of(file));
        fputs("b\nc", file);
        printf("%ld ", size_of(file));
        fflush(file);
    }
    printf("\n");
    fclose(file);
}

/* setvbuf between writes: what is pending, and how much the next one may hold back. */
static void changed_buffer(void)
{
    static const int modes[] = {_IOFBF, _IOLBF, _IONBF};
    static char own[64];
    for (int way = 0; way < 3 * 3 * 2; way++) {
        FILE *file = fopen("changed", "w");
        FILE *seen = fopen("changed", "r");
        char *buffer = way / 9 ? own : NULL;
        long sizes[6];
        setvbuf(file, NULL, modes[way % 3], 1024);
        for (int i = 0; i < 6; i++) {
            fputs(i == 1 ? "b\n" : i == 4 ? "\nx" : "a", file);
            if (i == 2) {
                setvbuf(file, modes[way / 3 % 3] == _IONBF ? NULL : buffer, modes[way / 3 % 3], sizeof own);
            }
            fseek(seen, 0, SEEK_END);
            sizes[i] = ftell(seen);
        }
        fclose(file);
        printf("way %d: %ld %ld %ld %ld %ld %ld\n", way, sizes[0], sizes[1], sizes[2], sizes[3], sizes[4], sizes[5]);
        fclose(seen);
    }
    FILE *file = fopen("changed", "w+");
    setvbuf(file, NULL, _IONBF, 0);
    fputs("d", file);
    setvbuf(file, NULL, _IOLBF, 0);
    FILE *seen = fopen("changed", "r");
    for (int i = 0; i < 4; i++) {
        fputs(i == 2 ? "\n" : "e", file);
        fseek(seen, 0, SEEK_END);
        printf("after none: %ld\n", ftell(seen));
    }
    rewind(file);
    setvbuf(file, own, _IOFBF, sizeof own);
    const int first = getc(file);
    setvbuf(file, NULL, _IONBF, 0);
    printf("%c%c %d\n", first, getc(file), setvbuf(file, NULL, 77, 0) != 0);
    fclose(seen);
    fclose(file);
}

static void directions(void)
{
    FILE *file = fopen("directions", "w");
    errno = 0;
    printf("getc of w: %d errno %d error %d\n", getc(file), errno == EBADF, ferror(file) != 0);
    fputs("12345", file);
    fclose(file);
    file = fopen("directions", "r");
    errno = 0;
    printf("putc of r: %d errno %d error %d\n", putc('x', file), errno == EBADF, ferror(file) != 0);
    fclose(file);
    static const char *const modes[] = {"a", "a+", "r", "r+"};
    for (int i = 0; i < 4; i++) {
        file = fopen("directions", modes[i]);
        printf("%s: tell %ld", modes[i], ftell(file));
        if (*modes[i] == 'a') {
            fputs("6", file);
            printf(" then %ld", ftell(file));
        }
        printf("\n");
        fclose(file);
    }
    const int fd = open("directions", O_WRONLY);
    file = fdopen(fd, "a");
    printf("fdopen a: %ld\n", ftell(file));
    fclose(file);
}

static void one_pipe(void)
{
    int ends[2];
    char text[4096];
    fflush(stdout);
    if (pipe(ends) != 0) {
        exit(1);
    }
    const pid_t pid = fork();
    if (pid == 0) {
        dup2(ends[1], 1);
        dup2(ends[1], 2);
        close(ends[0]);
        close(ends[1]);
        printf("first\n");
        fprintf(stderr, "error one\n");
        printf("second\n");
        perror("two");
        for (int i = 0; i < 300; i++) {
            printf("row %d\n", i);
        }
        fprintf(stderr, "error three\n");
        exit(0);
    }
    close(ends[1]);
    size_t size = 0;
    for (ssize_t n; (n = read(ends[0], text + size, sizeof text - size)) > 0;) {
        size += (size_t)n;
    }
    (void)waitpid(pid, NULL, 0);
    printf("pipe %zu: %.40s\n", size, text);
}

int main(void)
{
    setvbuf(stdout, NULL, _IOFBF, 0);
    pieces(-1);
    pieces(_IOLBF);
    pieces(_IOFBF);
    pieces(_IONBF);
    buffers();
    changed_buffer();
    directions();
    one_pipe();
    printf("%d\n", BUFSIZ);
    for (double x = 5e-324; x < 1e-300; x *= 1e3) {
        printf("%a %A %.0a %.3a %.20a %30a|\n", x, -x, x, x, x, x);
    }
    return 0;
}
