/* SPDX-License-Identifier: Apache-2.0 */
/* Words that scripts compare: strerror, strsignal, getopt's complaints, names and addresses, assert. */
#define _GNU_SOURCE
#include <assert.h>
#include <dlfcn.h>
#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <netdb.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void try(const char *first, const char *second)
{
    static const struct option options[] = {
        {"needs", required_argument, NULL, 'n'}, {"plain", no_argument, NULL, 'p'}, {"planet", no_argument, NULL, 'q'}, {NULL, 0, NULL, 0}};
    char *arguments[] = {"prog", (char *)first, (char *)second, NULL};
    optind = 0;
    const int r = getopt_long(second == NULL ? 2 : 3, arguments, "ab:", options, NULL);
    printf("%s: %d %s\n", first, r, optarg != NULL ? optarg : "-");
}

int main(void)
{
    static const int numbers[] = {0, EPERM, ENOENT, ESRCH, EINTR, EIO, ENXIO, E2BIG, ENOEXEC, EBADF, ECHILD, EAGAIN, ENOMEM, EACCES, EFAULT, EBUSY,
        EEXIST, EXDEV, ENODEV, ENOTDIR, EISDIR, EINVAL, ENFILE, EMFILE, ENOTTY, ETXTBSY, EFBIG, ENOSPC, ESPIPE, EROFS, EMLINK, EPIPE, EDOM, ERANGE,
        EDEADLK, ENAMETOOLONG, ENOSYS, ENOTEMPTY, ELOOP, EOVERFLOW, EILSEQ, ENOTSOCK, EADDRINUSE, ECONNREFUSED, ETIMEDOUT, EHOSTUNREACH, ENOTSUP, 4000, -5};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        printf("%d %s\n", numbers[i], strerror(numbers[i]));
    }
    for (int s = -1; s < 67; s++) {
        printf("%d %s\n", s, strsignal(s));
    }
    for (int i = -11; i < 7; i++) {
        printf("%d %s; %s\n", i, gai_strerror(i), hstrerror(i));
    }
    if (dlopen("nosuch.so", RTLD_NOW) == NULL) {
        printf("%s\n", dlerror());
    }
    if (dlopen("/no/such.so", RTLD_NOW) == NULL) {
        printf("%s\n", dlerror());
    }
    printf("%d %s\n", putenv("=x"), getlogin() != NULL ? "somebody" : strerror(errno));
    for (double x = -4.5; x < 5; x += 0.5) {
        printf("%.14g %.14g\n", gamma(x), exp10(x));
    }
    fflush(stdout);
    dup2(1, 2);
    setvbuf(stdout, NULL, _IONBF, 0);
    try("-a", NULL);
    try("-z", NULL);
    try("-b", NULL);
    try("-b", "x");
    try("--needs", NULL);
    try("--needs=5", NULL);
    try("--plain=5", NULL);
    try("--nothing", NULL);
    errno = ENOENT;
    perror("perror");
    if (fork() == 0) {
        program_invocation_short_name = "prog";
        __assert_fail("errno == 0", "file.c", 7, "function");
    }
    int status = 0;
    (void)wait(&status);
    printf("%d\n", WTERMSIG(status));
    return 0;
}
