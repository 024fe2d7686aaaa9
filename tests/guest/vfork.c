/* SPDX-License-Identifier: Apache-2.0 */
/* vfork: the parent waits for exec or exit and sees what the child left in the stack; descriptors stay as they were. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static int try_exec(const char *path)
{
    volatile int failed = 0;
    char *arguments[] = {(char *)path, "-c", "exit 3", NULL};
    const pid_t pid = vfork();
    if (pid == 0) {
        execv(path, arguments);
        failed = errno;
        _exit(111);
    }
    int status = 0;
    if (waitpid(pid, &status, 0) != pid) {
        printf("waitpid failed\n");
    }
    printf("%s: failed %d status %d\n", path, failed, WEXITSTATUS(status));
    return failed;
}

static int next_fd(void)
{
    const int fd = open("/dev/null", O_RDONLY);
    close(fd);
    return fd;
}

int main(void)
{
    const int before = next_fd();
    try_exec("/bin/sh");
    try_exec("/nosuch/program");
    try_exec("/");
    printf("descriptors %d\n", next_fd() == before);

    volatile char text[3000];
    memset((char *)text, 'a', sizeof text);
    pid_t pid = vfork();
    if (pid == 0) {
        memset((char *)text, 'b', sizeof text);
        usleep(50000);
        _exit(4);
    }
    printf("array %c%c\n", text[0], text[2999]);
    int status;
    printf("ended %d\n", waitpid(pid, &status, 0) == pid && WEXITSTATUS(status) == 4);

    /* The child becomes two: its own end is enough. */
    volatile int mark = 1;
    pid = vfork();
    if (pid == 0) {
        if (fork() == 0) {
            usleep(300000);
            _exit(0);
        }
        mark = 2;
        _exit(0);
    }
    printf("mark %d %d\n", mark, waitpid(pid, &status, 0) == pid);

    /* All its descriptors closed and used for something else: nothing of ours goes there. */
    pid = vfork();
    if (pid == 0) {
        for (int fd = 3; fd < 200; fd++) {
            close(fd);
        }
        const int fd = open("file", O_RDWR | O_CREAT, 0600);
        for (int other = fd + 1; other < 200; other++) {
            dup2(fd, other);
        }
        _exit(0);
    }
    waitpid(pid, &status, 0);
    printf("file %ld\n", (long)lseek(open("file", O_RDONLY), 0, SEEK_END));

    pid = vfork();
    if (pid == 0) {
        kill(getpid(), SIGKILL);
    }
    waitpid(pid, &status, 0);
    printf("killed %d\n", WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    return 0;
}
