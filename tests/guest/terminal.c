/* SPDX-License-Identifier: Apache-2.0 */
/* tty calls without a terminal; a pseudo terminal where the system gives one is in the shell's own tests. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

int main(void)
{
    const int fd = open("/dev/null", O_RDWR);
    struct termios settings;
    struct winsize size;
    printf("tcgetattr %d %d\n", tcgetattr(fd, &settings), errno == ENOTTY);
    printf("winsize %d %d\n", ioctl(fd, TIOCGWINSZ, &size), errno == ENOTTY);
    printf("tcgetpgrp %d %d\n", (int)tcgetpgrp(fd), errno == ENOTTY);
    int fds[2];
    int waiting = -1;
    pipe(fds);
    write(fds[1], "abcde", 5);
    printf("fionread %d %d\n", ioctl(fds[0], FIONREAD, &waiting), waiting);
    return 0;
}
