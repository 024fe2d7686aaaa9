/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wasi-info.c - the toolbox's WASI program: small answers about its surroundings, through WASI preview 1 only.
 *
 *   wasi-info args ARGS...     the arguments, one a line
 *   wasi-info env NAME...      values of environment variables
 *   wasi-info wc FILE...       lines, words and bytes, as wc prints them (- is standard input)
 *   wasi-info ls DIR           names of a directory, sorted
 *   wasi-info stat PATH        type and size
 *   wasi-info write PATH TEXT  writes a file
 *   wasi-info clock            1 when the monotonic clock moves forward
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static int fail(const char *what)
{
    fprintf(stderr, "wasi-info: %s: %s\n", what, strerror(errno));
    return 1;
}

static int count_file(const char *path)
{
    FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "rb");
    if (file == NULL) {
        return fail(path);
    }
    long lines = 0;
    long words = 0;
    long bytes = 0;
    int in_word = 0;
    for (int c; (c = getc(file)) != EOF; bytes++) {
        lines += c == '\n';
        const int is_space = c == ' ' || (c >= '\t' && c <= '\r');
        words += !is_space && !in_word;
        in_word = !is_space;
    }
    const int is_bad = ferror(file);
    if (file != stdin) {
        fclose(file);
    }
    if (is_bad) {
        return fail(path);
    }
    printf("%ld %ld %ld %s\n", lines, words, bytes, path);
    return 0;
}

static int compare_names(const void *left, const void *right)
{
    return strcmp(*(char *const *)left, *(char *const *)right);
}

static int list_directory(const char *path)
{
    DIR *dir = opendir(path);
    if (dir == NULL) {
        return fail(path);
    }
    char **names = NULL;
    size_t count = 0;
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) {
            continue;
        }
        char **grown = realloc(names, (count + 1) * sizeof(*names));
        if (grown == NULL || (grown[count] = strdup(entry->d_name)) == NULL) {
            return fail(path);
        }
        names = grown;
        count++;
    }
    closedir(dir);
    qsort(names, count, sizeof(*names), compare_names);
    for (size_t i = 0; i < count; i++) {
        puts(names[i]);
    }
    return 0;
}

static int describe(const char *path)
{
    struct stat st;
    if (lstat(path, &st) < 0) {
        return fail(path);
    }
    const char *type = S_ISREG(st.st_mode)   ? "file"
                       : S_ISDIR(st.st_mode) ? "directory"
                       : S_ISLNK(st.st_mode) ? "link"
                                             : "other";
    printf("%s %s %lld\n", path, type, S_ISREG(st.st_mode) ? (long long)st.st_size : 0LL);
    return 0;
}

static int write_file(const char *path, const char *text)
{
    const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    if (fd < 0) {
        return fail(path);
    }
    const size_t size = strlen(text);
    const ssize_t written = write(fd, text, size);
    if (close(fd) < 0 || written != (ssize_t)size) {
        return fail(path);
    }
    return 0;
}

static int check_clock(void)
{
    struct timespec before;
    struct timespec after;
    if (clock_gettime(CLOCK_MONOTONIC, &before) < 0 || clock_gettime(CLOCK_MONOTONIC, &after) < 0) {
        return fail("clock");
    }
    printf("%d\n", after.tv_sec > before.tv_sec || (after.tv_sec == before.tv_sec && after.tv_nsec >= before.tv_nsec));
    return 0;
}

int main(int argc, char **argv)
{
    const char *verb = argc > 1 ? argv[1] : "";
    int status = 0;
    if (strcmp(verb, "args") == 0) {
        for (int i = 2; i < argc; i++) {
            puts(argv[i]);
        }
    } else if (strcmp(verb, "env") == 0) {
        for (int i = 2; i < argc; i++) {
            const char *value = getenv(argv[i]);
            status |= value == NULL;
            puts(value != NULL ? value : "");
        }
    } else if (strcmp(verb, "wc") == 0) {
        for (int i = 2; i < argc; i++) {
            status |= count_file(argv[i]);
        }
    } else if (strcmp(verb, "ls") == 0) {
        status = list_directory(argc > 2 ? argv[2] : ".");
    } else if (strcmp(verb, "stat") == 0) {
        for (int i = 2; i < argc; i++) {
            status |= describe(argv[i]);
        }
    } else if (strcmp(verb, "write") == 0 && argc == 4) {
        status = write_file(argv[2], argv[3]);
    } else if (strcmp(verb, "clock") == 0) {
        status = check_clock();
    } else {
        fprintf(stderr, "usage: wasi-info args|env|wc|ls|stat|write|clock [ARGUMENTS]\n");
        status = 2;
    }
    return fflush(stdout) == 0 ? status : fail("standard output");
}
