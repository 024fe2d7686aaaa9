/* SPDX-License-Identifier: Apache-2.0 */
/* sockets.c - sockets of the host: by an abstract name, by a path, by a network that is not the container's. */
#include "guest.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define REFUSED "ECONNREFUSED|EPERM|EACCES|ENOENT|ENOTDIR|ENOTSOCK|EXDEV|ELOOP"

static uint32_t address(struct sockaddr_un *name, const char *path, bool is_abstract)
{
    memset(name, 0, sizeof *name);
    name->sun_family = AF_UNIX;
    snprintf(name->sun_path + is_abstract, sizeof name->sun_path - 1, "%s", path);
    return (uint32_t)(offsetof(struct sockaddr_un, sun_path) + is_abstract + strlen(path));
}

static void abstract(void)
{
    struct sockaddr_un name;
    const uint32_t size = address(&name, "recompiler-escape", true);
    const int stream = socket(AF_UNIX, SOCK_STREAM, 0), datagram = socket(AF_UNIX, SOCK_DGRAM, 0);
    expect("connect to an abstract socket of the host", REFUSED, CALL(connect, stream, P(&name), size));
    struct sockaddr_un other;
    const uint32_t other_size = address(&other, "recompiler-escape.d", true);
    expect("connect a datagram socket to it", REFUSED, CALL(connect, datagram, P(&other), other_size));
    expect("sendto an abstract socket of the host", REFUSED, CALL(sendto, datagram, P("x"), 1, 0, P(&other), other_size));
    uint32_t iov[2] = {(uint32_t)P("x"), 1};
    const uint32_t message[9] = {(uint32_t)P(&other), other_size, (uint32_t)P(iov), 1, 0, 0, 0, 0, 0};
    expect("sendmsg to an abstract socket of the host", REFUSED, CALL(sendmsg, datagram, P(message), 0));
    close(stream);
    close(datagram);
}

static void by_path(void)
{
    const char *const paths[] = {say("%s/socket", outside), say("../../../../../..%s/socket", outside), say("/links/up%s/socket", outside),
        "/links/outside/socket", "/links/outside-up/socket",
                                 "/proc/self/fd/1030", "/proc/self/fd/0", "/proc/1/root/socket", say("/proc/self/root%s/socket", outside)};
    for (size_t i = 0; i < COUNT(paths); i++) {
        struct sockaddr_un name;
        const uint32_t size = address(&name, paths[i], false);
        const int stream = socket(AF_UNIX, SOCK_STREAM, 0), datagram = socket(AF_UNIX, SOCK_DGRAM, 0);
        expect(say("connect to %s", paths[i]), REFUSED, CALL(connect, stream, P(&name), size));
        expect(say("connect to %s with the whole structure", paths[i]), REFUSED, CALL(connect, stream, P(&name), sizeof name));
        snprintf(name.sun_path + strlen(name.sun_path), 3, ".d");
        expect(say("sendto %s.d", paths[i]), REFUSED, CALL(sendto, datagram, P("x"), 1, 0, P(&name), size + 2));
        close(stream);
        close(datagram);
    }
    const char *const places[] = {say("%s/made", outside), "/links/outside/made", "/links/outside-up/made", "/links/secret-up", "/proc/made", "..",
        "/links/up"};
    for (size_t i = 0; i < COUNT(places); i++) {
        struct sockaddr_un name;
        const uint32_t size = address(&name, places[i], false);
        const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
        expect(say("bind to %s", places[i]), "<0", CALL(bind, fd, P(&name), size));
        close(fd);
    }
}

/* Addresses of odd sizes. */
static void sizes(void)
{
    struct sockaddr_un name;
    (void)address(&name, "/tmp/x", false);
    static const uint32_t odd[] = {0, 1, 2, 3, 111, 127, 128, 129, 200, 0x7fffffff, 0xffffffff};
    for (size_t i = 0; i < COUNT(odd); i++) {
        const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
        expect(say("connect with an address of %u bytes", odd[i]), "<0", CALL(connect, fd, P(&name), odd[i]));
        (void)CALL(bind, fd, P(&name), odd[i]);
        close(fd);
    }
    memset(name.sun_path, 'x', sizeof name.sun_path);
    const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    expect("connect to a path without an end", "ENOENT|ENAMETOOLONG|EINVAL|ECONNREFUSED", CALL(connect, fd, P(&name), sizeof name));
    name.sun_family = AF_INET;
    expect("connect of a unix socket to another family", "EINVAL|ECONNREFUSED", CALL(connect, fd, P(&name), sizeof name));
    close(fd);
}

/* The container's own still work where there is a place for them. */
static void own(void)
{
    struct sockaddr_un name;
    const uint32_t size = address(&name, "/tmp/own-socket", false);
    const int server = socket(AF_UNIX, SOCK_STREAM, 0), client = socket(AF_UNIX, SOCK_STREAM, 0);
    expect("bind in /tmp", mode == MODE_PLAIN ? "EROFS|EACCES" : "0", CALL(bind, server, P(&name), size));
    (void)CALL(listen, server, 5);
    expect("connect to it", mode == MODE_PLAIN ? "<0" : "0", CALL(connect, client, P(&name), size));
    close(server);
    close(client);
}

void theme_sockets(void)
{
    abstract();
    by_path();
    sizes();
    own();
    expect_alive("all of it");
}
