/* SPDX-License-Identifier: Apache-2.0 */
/* Handlers, SA_SIGINFO, masks, pending, sigsuspend, nesting, SIG_IGN, one-shot, EINTR, alarm, raise from a handler, longjmp out of one. */
#define _GNU_SOURCE
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile sig_atomic_t count;
static volatile sig_atomic_t last;
static volatile int info_pid_is_mine;
static sigjmp_buf jump;

static void on_signal(int number)
{
    count++;
    last = number;
}

static void on_info(int number, siginfo_t *info, void *context)
{
    (void)context;
    last = number;
    info_pid_is_mine = info->si_pid == getpid() && info->si_signo == number;
}

static void on_nested(int number)
{
    printf("enter %d\n", number == SIGUSR1 ? 1 : 2);
    if (number == SIGUSR1) {
        raise(SIGUSR2);
    }
    printf("leave %d\n", number == SIGUSR1 ? 1 : 2);
}

static void on_jump(int number)
{
    siglongjmp(jump, number);
}

static void set(int number, void (*handler)(int), int flags)
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = handler;
    action.sa_flags = flags;
    sigaction(number, &action, NULL);
}

int main(void)
{
    set(SIGUSR1, on_signal, 0);
    for (int i = 0; i < 1000; i++) {
        raise(SIGUSR1);
    }
    printf("count %d last %d\n", (int)count, last == SIGUSR1);
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_sigaction = on_info;
    action.sa_flags = SA_SIGINFO;
    sigaction(SIGUSR2, &action, NULL);
    kill(getpid(), SIGUSR2);
    printf("info %d %d\n", last == SIGUSR2, info_pid_is_mine);

    sigset_t block;
    sigset_t pending;
    sigset_t empty;
    sigemptyset(&empty);
    sigemptyset(&block);
    sigaddset(&block, SIGUSR1);
    sigprocmask(SIG_BLOCK, &block, NULL);
    count = 0;
    raise(SIGUSR1);
    raise(SIGUSR1);
    sigpending(&pending);
    printf("blocked: count %d pending %d\n", (int)count, sigismember(&pending, SIGUSR1));
    const int r = sigsuspend(&empty);
    printf("sigsuspend %d %d count %d\n", r, errno == EINTR, (int)count);
    sigprocmask(SIG_UNBLOCK, &block, NULL);

    set(SIGUSR1, on_nested, 0);
    set(SIGUSR2, on_nested, 0);
    raise(SIGUSR1);

    set(SIGUSR1, SIG_IGN, 0);
    raise(SIGUSR1);
    sigaction(SIGUSR1, NULL, &action);
    printf("ignored %d\n", action.sa_handler == SIG_IGN);

    set(SIGUSR1, on_signal, SA_RESETHAND);
    raise(SIGUSR1);
    sigaction(SIGUSR1, NULL, &action);
    printf("one shot %d\n", action.sa_handler == SIG_DFL);

    set(SIGALRM, on_signal, 0);
    int fds[2];
    char byte;
    if (pipe(fds) < 0) {
        return 1;
    }
    struct itimerval timer = {{0, 0}, {0, 20000}};
    setitimer(ITIMER_REAL, &timer, NULL);
    const ssize_t n = read(fds[0], &byte, 1);
    printf("read interrupted %d %d\n", (int)n, errno == EINTR);
    set(SIGALRM, on_signal, SA_RESTART);
    const pid_t writer = fork();
    if (writer == 0) {
        usleep(120000);
        _exit(write(fds[1], "x", 1) != 1);
    }
    timer.it_value.tv_usec = 20000;
    setitimer(ITIMER_REAL, &timer, NULL);
    printf("read restarted %d\n", (int)read(fds[0], &byte, 1));
    waitpid(writer, NULL, 0);

    for (volatile int i = 0; i < 50; i++) {
        set(SIGUSR1, on_jump, 0);
        if (sigsetjmp(jump, 1) == 0) {
            raise(SIGUSR1);
            printf("not reached\n");
        }
    }
    printf("jumped out of handlers\n");
    volatile unsigned long spin = 0;
    count = 0;
    set(SIGALRM, on_signal, 0);
    timer.it_value.tv_usec = 30000;
    setitimer(ITIMER_REAL, &timer, NULL);
    while (count == 0) {
        spin += (unsigned long)getppid(); /* handlers run at system calls */
    }
    printf("loop left by a signal\n");
    fflush(stdout);
    const pid_t child = fork();
    if (child == 0) {
        raise(SIGTERM);
        _exit(0);
    }
    int status;
    waitpid(child, &status, 0);
    printf("child died of SIGTERM: %d\n", WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
    return 0;
}
