/* SPDX-License-Identifier: Apache-2.0 */
/* poll, select, epoll, socketpair with a descriptor passed, TCP on the loopback, eventfd. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

int main(void)
{
    int fds[2];
    char buffer[64];
    pipe(fds);
    struct pollfd poller = {.fd = fds[0], .events = POLLIN};
    printf("poll empty %d\n", poll(&poller, 1, 10));
    write(fds[1], "x", 1);
    printf("poll ready %d %d\n", poll(&poller, 1, 1000), poller.revents == POLLIN);
    fd_set set;
    FD_ZERO(&set);
    FD_SET(fds[0], &set);
    struct timeval timeout = {1, 0};
    printf("select %d %d\n", select(fds[0] + 1, &set, NULL, NULL, &timeout), FD_ISSET(fds[0], &set) != 0);
    const int epoll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event event = {.events = EPOLLIN, .data.u64 = 0x123456789abcdefULL};
    epoll_ctl(epoll, EPOLL_CTL_ADD, fds[0], &event);
    memset(&event, 0, sizeof event);
    printf("epoll %d %d %d\n", epoll_wait(epoll, &event, 1, 1000), event.events == EPOLLIN, event.data.u64 == 0x123456789abcdefULL);
    read(fds[0], buffer, 1);
    close(fds[1]);
    printf("hangup %d %d\n", poll(&poller, 1, 1000), (poller.revents & POLLHUP) != 0);

    int pair[2];
    socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
    const pid_t child = fork();
    if (child == 0) {
        union {
            char bytes[CMSG_SPACE(sizeof(int))];
            struct cmsghdr align;
        } control;
        struct iovec part = {"fd", 2};
        memset(&control, 0, sizeof control);
        struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control.bytes};
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof(int));
        int pipe_fds[2];
        pipe(pipe_fds);
        write(pipe_fds[1], "passed", 6);
        memcpy(CMSG_DATA(header), &pipe_fds[0], sizeof(int));
        _exit(sendmsg(pair[1], &message, 0) != 2);
    }
    union {
        char bytes[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control;
    struct iovec part = {buffer, sizeof buffer};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    const ssize_t n = recvmsg(pair[0], &message, 0);
    const struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    int passed = -1;
    if (header != NULL) {
        memcpy(&passed, CMSG_DATA(header), sizeof passed);
    }
    int status;
    waitpid(child, &status, 0);
    printf("recvmsg %d status %d\n", (int)n, status);
    printf("passed %.*s\n", (int)read(passed, buffer, sizeof buffer), buffer);

    const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    const int one = 1;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) < 0 || listen(listener, 1) < 0 ||
        getsockname(listener, (struct sockaddr *)&address, &size) < 0) {
        printf("no loopback\n");
        return 0;
    }
    const pid_t client = fork();
    if (client == 0) {
        const int fd = socket(AF_INET, SOCK_STREAM, 0);
        if (connect(fd, (struct sockaddr *)&address, sizeof address) < 0) {
            _exit(1);
        }
        send(fd, "ping", 4, 0);
        _exit(recv(fd, buffer, sizeof buffer, 0) != 4 || memcmp(buffer, "pong", 4) != 0);
    }
    const int server = accept(listener, NULL, NULL);
    printf("server got %.*s\n", (int)recv(server, buffer, sizeof buffer, 0), buffer);
    send(server, "pong", 4, MSG_NOSIGNAL);
    waitpid(client, &status, 0);
    printf("client %d\n", status);
    const int event_fd = eventfd(3, EFD_NONBLOCK);
    uint64_t value = 0;
    read(event_fd, &value, sizeof value);
    printf("eventfd %d again %d\n", (int)value, read(event_fd, &value, sizeof value) < 0 && errno == EAGAIN);
    struct addrinfo *info = NULL;
    const struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICHOST};
    printf("getaddrinfo %d", getaddrinfo("127.0.0.1", "80", &hints, &info));
    printf(" %s\n", inet_ntop(AF_INET, &((struct sockaddr_in *)info->ai_addr)->sin_addr, buffer, sizeof buffer));
    return 0;
}
