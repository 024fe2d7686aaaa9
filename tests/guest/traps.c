/* SPDX-License-Identifier: Apache-2.0 */
/* How processes die: each child does one thing wrong, the parent prints the signal. */
#define _GNU_SOURCE
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile int zero;

static void do_abort(void)
{
    abort();
}

static void do_divide(void)
{
    zero = 5 / zero;
}

static void do_trap(void)
{
    __builtin_trap();
}

static void do_kill(void)
{
    kill(getpid(), SIGKILL);
}

static void do_pipe(void)
{
    int fds[2];
    pipe(fds);
    close(fds[0]);
    write(fds[1], "x", 1);
}

static void do_exit(void)
{
    exit(300);
}

int main(void)
{
    static const struct {
        const char *name;
        void (*run)(void);
    } cases[] = {{"abort", do_abort}, {"divide", do_divide}, {"trap", do_trap}, {"kill", do_kill}, {"pipe", do_pipe}, {"exit", do_exit}};
    const struct rlimit no_core = {0, 0};
    setrlimit(RLIMIT_CORE, &no_core);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        fflush(stdout);
        const pid_t pid = fork();
        if (pid == 0) {
            close(2);
            cases[i].run();
            _exit(0);
        }
        int status;
        waitpid(pid, &status, 0);
        printf("%s: %s %d\n", cases[i].name, WIFSIGNALED(status) ? "signal" : "exit", WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
    }
    return 0;
}
