/* SPDX-License-Identifier: Apache-2.0 */
/* fork, pipes, exec of itself, wait statuses, inherited and close-on-exec descriptors, environment, zombies, orphans' groups. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static int wait_status(pid_t pid)
{
    int status = -1;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "child") == 0) {
        printf("child: argc %d argv2 [%s] env [%s] fd7 %d fd8 %d\n", argc, argv[2], getenv("FROM_PARENT") ? getenv("FROM_PARENT") : "(none)",
               fcntl(7, F_GETFD) >= 0, fcntl(8, F_GETFD) >= 0);
        return 42;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    for (int i = 0; i < 10; i++) {
        const pid_t pid = fork();
        if (pid == 0) {
            _exit(i);
        }
        printf("%d ", wait_status(pid));
    }
    printf("\n");
    int fds[2];
    if (pipe(fds) < 0) {
        return 1;
    }
    const pid_t producer = fork();
    if (producer == 0) {
        close(fds[0]);
        for (int i = 0; i < 20000; i++) {
            dprintf(fds[1], "line %d\n", i);
        }
        _exit(0);
    }
    close(fds[1]);
    char buffer[4096];
    size_t total = 0;
    unsigned hash = 0;
    for (ssize_t n; (n = read(fds[0], buffer, sizeof buffer)) > 0; total += (size_t)n) {
        for (ssize_t i = 0; i < n; i++) {
            hash = hash * 31 + (unsigned char)buffer[i];
        }
    }
    close(fds[0]);
    printf("pipe: %zu bytes, hash %u, status %d\n", total, hash, wait_status(producer));

    const int null = open("/dev/null", O_RDONLY);
    dup2(null, 7);
    dup2(null, 8);
    fcntl(8, F_SETFD, FD_CLOEXEC);
    const pid_t executed = fork();
    if (executed == 0) {
        setenv("FROM_PARENT", "yes\nwith two lines", 1);
        char *const arguments[] = {argv[0], "child", "a b", "", NULL};
        execv(argv[0], arguments);
        _exit(127);
    }
    printf("exec: %d\n", wait_status(executed));
    const pid_t missing = fork();
    if (missing == 0) {
        execl("/no/such/program", "x", (char *)NULL);
        _exit(errno == ENOENT ? 9 : 10);
    }
    printf("missing: %d\n", wait_status(missing));
    const pid_t vforked = vfork();
    if (vforked == 0) {
        _exit(5);
    }
    printf("vfork: %d\n", wait_status(vforked));
    const pid_t killed = fork();
    if (killed == 0) {
        for (;;) {
            pause();
        }
    }
    kill(killed, SIGKILL);
    printf("killed: %d\n", wait_status(killed));
    printf("no children: %d\n", wait(NULL) < 0 && errno == ECHILD);
    const pid_t group = fork();
    if (group == 0) {
        setpgid(0, 0);
        _exit(getpgrp() != getpid());
    }
    printf("group: %d\n", wait_status(group));
    const pid_t session = fork();
    if (session == 0) {
        _exit(setsid() != getpid() || getsid(0) != getpid());
    }
    printf("session: %d\n", wait_status(session));
    return 0;
}
