/* SPDX-License-Identifier: Apache-2.0 */
/* ioctl.c - requests on terminals, sockets, files, pipes, devices: what is not on the runtime's list is ENOTTY and never reaches the kernel. */
#include "guest.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

/* The list of src/vk/ioctl.c, with the bytes that each may write. A request that is added there is added here with its reason. */
static const struct { uint32_t request, size; } listed[] = {
    {0x5401, 36}, {0x5402, 0}, {0x5403, 0}, {0x5404, 0}, {0x5413, 8}, {0x5414, 0}, {0x540f, 4}, {0x5410, 0}, {0x5429, 4}, {0x540e, 0}, {0x5422, 0}, {0x540c, 0},
    {0x540d, 0}, {0x5411, 4}, {0x5409, 0}, {0x5425, 0}, {0x540a, 0}, {0x540b, 0}, {0x80045430, 4}, {0x40045431, 0}, {0x80045439, 4}, {0x5415, 4}, {0x5424,
        4}, {0x5420, 0},
    {0x541b, 4}, {0x5421, 0}, {0x5452, 0}, {0x5451, 0}, {0x5450, 0}, {0x8905, 4}, {0x8903, 4}, {0x8904, 4}, {0x40049409, 0}, {0x8912, 8},
    {0x8910, 40}, {0x8933, 40}, {0x8913, 40}, {0x8915, 40}, {0x8917, 40}, {0x8919, 40}, {0x891b, 40}, {0x891d, 40}, {0x8921, 40}, {0x8927, 40}, {0x8942, 40},
};

static int size_of(uint32_t request)
{
    for (size_t i = 0; i < COUNT(listed); i++) {
        if (listed[i].request == request) {
            return (int)listed[i].size;
        }
    }
    return -1;
}

static uint8_t zone[4096];
enum { AT = 1024 };

typedef struct Finding {
    const char *text;
    int tried;
} Finding;

static void try(int fd, uint32_t request, Finding *finding)
{
    const int size = size_of(request);
    memset(zone + AT - 64, 0xa5, 512);
    memset(zone + AT, 0, 4); /* requests that read one find a zero */
    const int64_t r = CALL(ioctl, fd, request, P(zone + AT));
    finding->tried++;
    if (size < 0 && r != -ENOTTY) {
        finding->text = say("%s for 0x%x", result_name(r), request);
    }
    for (int i = -64; i < 448; i++) {
        if ((i < 0 || i >= (size < 4 ? 4 : size)) && zone[AT + i] != 0xa5) {
            finding->text = say("0x%x wrote byte %d, it may write %d", request, i, size);
            return;
        }
    }
    if (size > 0 && host_pointer(zone + AT, (size_t)(size + 7) & ~(size_t)7) >= 0) {
        finding->text = say("0x%x answered an address of the host", request);
    }
}

static void sweep(const char *name, int fd)
{
    Finding finding = {NULL, 0};
    if (fd < 0) {
        row(false, say("ioctl on %s", name), "a descriptor", "none");
        return;
    }
    for (uint32_t request = 0; request < 0x10000; request++) {
        if (request == 0x5450 || request == 0x5451 || request == 0x5421 || request == 0x5452) {
            continue; /* flags of the descriptor: known to be harmless, and in the way */
        }
        if ((request & 0xff00) == 0x5400 || (request & 0xff00) == 0x8900 || request % 7 == 0 || (request & 0xff) < 4) {
            try(fd, request, &finding);
        }
    }
    static const char types[] = "Tfk#XBCPVWYEFHIJKLMNQRSUabcdhilmnopqrstuvwxz\x12\x89\x94\x99\xa3\xab\xae\xaf\xb0\xb1\xc0\xcb\xdb\xdd\xde\xf3\xfd";
    static const uint32_t sizes[] = {0, 4, 8, 16, 24, 40, 256, 0x3fff};
    for (uint32_t direction = 0; direction < 4; direction++) {
        for (size_t i = 0; i < sizeof types - 1; i++) {
            for (size_t k = 0; k < COUNT(sizes); k++) {
                for (uint32_t number = 0; number < 64; number += i < 3 ? 1 : 5) {
                    try(fd, direction << 30 | sizes[k] << 16 | (uint32_t)(uint8_t)types[i] << 8 | number, &finding);
                }
            }
        }
    }
    row(finding.text == NULL, say("%d ioctl requests on %s", finding.tried, name), "ENOTTY but for the listed ones, and no byte too much",
        finding.text == NULL ? "so" : finding.text);
}

static void named(const char *what, int fd)
{
    static const struct { const char *name; uint32_t request; } requests[] = {
        {"TIOCSTI", 0x5412}, {"TIOCLINUX", 0x541c}, {"TIOCCONS", 0x541d}, {"TIOCSETD", 0x5423}, {"TIOCGPTPEER", 0x5441}, {"TIOCGSERIAL", 0x541e},
            {"TIOCSIG", 0x40045436},
        {"TIOCVHANGUP", 0x5437}, {"KDSETMODE", 0x4b3a}, {"VT_ACTIVATE", 0x5606}, {"PIO_FONTX", 0x4b6c}, {"FIOSETOWN", 0x8901}, {"SIOCSPGRP", 0x8902},
            {"SIOCGIFMAP", 0x8970},
        {"SIOCSIFADDR", 0x8916}, {"SIOCSIFFLAGS", 0x8914}, {"SIOCADDRT", 0x890b}, {"SIOCETHTOOL", 0x8946}, {"FS_IOC_SETFLAGS", 0x40086602},
            {"FS_IOC_FSSETXATTR", 0x401c5820},
        {"FICLONERANGE", 0x4020940d}, {"FIDEDUPERANGE", 0xc0189436}, {"FIFREEZE", 0xc0045877}, {"FITRIM", 0xc0185879}, {"FIBMAP", 1}, {"FS_IOC_FIEMAP",
            0xc020660b},
        {"FS_IOC_ENABLE_VERITY", 0x40806685}, {"BLKRRPART", 0x125f}, {"NS_GET_USERNS", 0xb701}, {"NS_GET_PARENT", 0xb702}, {"UFFDIO_API", 0xc018aa3f},
        {"PERF_EVENT_IOC_SET_BPF", 0x40042408}, {"KVM_CREATE_VM", 0xae01}, {"TUNSETIFF", 0x400454ca}, {"LOOP_SET_FD", 0x4c00}, {"RNDADDENTROPY", 0x40085203},
        {"PROCMAP_QUERY", 0xc0686611}, {"PAGEMAP_SCAN", 0xc0606610}, {"SECCOMP_IOCTL_NOTIF_RECV", 0xc0502100}, {"FUSE_DEV_IOC_CLONE", 0x8004e500},
            {"AUTOFS_IOC_READY", 0x9360}};
    for (size_t i = 0; i < COUNT(requests); i++) {
        expect(say("%s on %s", requests[i].name, what), "ENOTTY", CALL(ioctl, fd, requests[i].request, P(zone + AT)));
    }
}

/* The list of interfaces is a structure with a pointer inside. */
static void interfaces(void)
{
    const int fd = (int)CALL(socket, AF_INET, SOCK_DGRAM, 0);
    if (mode == MODE_PLAIN) {
        expect("a network socket to ask for interfaces", "EACCES|EAFNOSUPPORT", fd);
        return;
    }
    static const uint32_t bad[] = {0xfffffff0u, 0x80000000u, 0xffffffffu};
    for (size_t i = 0; i < COUNT(bad); i++) {
        uint32_t conf[2] = {400, bad[i]};
        expect(say("SIOCGIFCONF into 0x%x", bad[i]), "EFAULT", CALL(ioctl, fd, 0x8912, P(conf)));
        expect(say("SIOCGIFCONF at 0x%x", bad[i]), "EFAULT", CALL(ioctl, fd, 0x8912, bad[i]));
    }
    static const uint32_t sizes[] = {0, 1, 39, 40, 41, 0x7fffffff, 0x80000000, 0xffffffff};
    const char *failed = NULL;
    for (size_t i = 0; i < COUNT(sizes); i++) {
        memset(zone, 0xa5, sizeof zone);
        uint32_t conf[2] = {sizes[i], (uint32_t)P(zone + AT)};
        const int64_t r = CALL(ioctl, fd, 0x8912, P(conf));
        const uint32_t room = sizes[i] > 2048 ? 2048 : sizes[i];
        for (uint32_t k = 0; k < sizeof zone; k++) {
            failed = zone[k] != 0xa5 && (k < AT || k >= AT + room) ? say("wrote byte %d with room for 0x%x", (int)k - AT, sizes[i]) : failed;
        }
        failed = host_pointer(zone + AT, 2048) >= 0 ? "an address of the host" : r < 0 ? result_name(r) : failed;
    }
    row(failed == NULL, "SIOCGIFCONF with 8 sizes", "no byte too much", failed == NULL ? "so" : failed);
    close(fd);
}

void theme_ioctl(void)
{
    int ends[2], pair[2];
    (void)!pipe(ends);
    (void)!socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
    const int terminal = open("/dev/ptmx", O_RDWR | O_NOCTTY), pts = open("/dev/pts/ptmx", O_RDWR | O_NOCTTY);
    row((terminal >= 0 || pts >= 0) == (mode != MODE_PLAIN), "a terminal of the container's own", mode == MODE_PLAIN ? "none" : "one", terminal >= 0 ||
        pts >= 0 ? "one" : "none");
    const int terminal_fd = terminal >= 0 ? terminal : pts;
    if (terminal_fd >= 0) {
        sweep("a terminal", terminal_fd);
        named("a terminal", terminal_fd);
    }
    sweep("a socket", pair[0]);
    if (mode != MODE_PLAIN) {
        sweep("a network socket", (int)CALL(socket, AF_INET, SOCK_STREAM, 0));
    }
    sweep("a file", file_open());
    sweep("a directory", open("/etc", O_RDONLY | O_DIRECTORY));
    sweep("a pipe", ends[0]);
    sweep("/dev/null", open("/dev/null", O_RDWR));
    sweep("/dev/random", open("/dev/random", O_RDONLY));
    sweep("an event descriptor", eventfd(0, 0));
    sweep("a served file of /proc", open("/proc/self/maps", O_RDONLY));
    sweep("the program's file", open("/proc/self/exe", O_RDONLY));
    named("a socket", pair[0]);
    named("a file", file_open());
    named("a served file of /proc", open("/proc/self/maps", O_RDONLY));
    interfaces();
    expect("ioctl on an O_PATH descriptor", "EBADF|ENOTTY", CALL(ioctl, open("/etc", O_PATH), 0x5401, P(zone)));
    expect_alive("all of it");
}
