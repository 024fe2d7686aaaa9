/* SPDX-License-Identifier: Apache-2.0 */
/*
 * calls.c - a program whose functions are called in a known order: in itself, in a child, and in another
 * program that the child executes. Functions whose names begin with mark_ are what tests/profile/run looks at.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile unsigned sink;

/* Too long to be inlined by any compiler on the way, and all different: the linker of megabinaries keeps equal functions once. */
#define STEP(number) sink = sink * 3 + (number)
#define STEPS(number) STEP(number); STEP(number + 1); STEP(number + 2); STEP(number + 3); STEP(number + 4); STEP(number + 5)
#define MARK(name, number)                                                                                                                    \
    static __attribute__((noinline)) void mark_##name(void)                                                                                   \
    {                                                                                                                                         \
        STEPS(number); STEPS(number + 10); STEPS(number + 20); STEPS(number + 30); STEPS(number + 40); STEPS(number + 50); STEPS(number + 60); \
        STEPS(number + 110); STEPS(number + 120); STEPS(number + 130); STEPS(number + 140); STEPS(number + 150); STEPS(number + 160);          \
    }
MARK(never, 1000)
MARK(last, 2000)
MARK(executed, 3000)
MARK(child, 4000)
MARK(by_pointer, 5000)
MARK(first, 6000)
MARK(again, 7000)
MARK(before_end, 8000)

static void (*volatile const pointers[])(void) = {mark_by_pointer, mark_never};

static void in_child(const char *path)
{
    mark_child();
    execl(path, path, "executed", (char *)NULL);
    perror(path);
    _exit(99);
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";
    if (strcmp(what, "executed") == 0) {
        mark_executed();
        puts("executed");
        return 0;
    }
    if (strcmp(what, "again") == 0) {
        mark_again();
        puts("again");
        return 3;
    }
    if (strcmp(what, "end") == 0) {
        mark_before_end();
        puts("end");
        fflush(stdout);
        (void)raise(SIGTERM);
        return 1;
    }
    if (strcmp(what, "wait") == 0) {
        mark_before_end();
        (void)sleep(60);
        return 1;
    }
    mark_first();
    pointers[0]();
    fflush(stdout);
    const pid_t pid = fork();
    if (pid == 0) {
        in_child("/bin/other");
    }
    int status = 0;
    if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0) {
        return 2;
    }
    mark_last();
    printf("%s %u\n", NAME, sink);
    if (argc > 5) {
        pointers[1]();
    }
    return 0;
}
