/* SPDX-License-Identifier: Apache-2.0 */
/*
 * races.c - memory that another process changes while a call looks at it (MAP_SHARED after a fork: there are no guest threads yet), and names
 * that are exchanged while they are resolved. Whoever wins gets one of the two things he could have had anyway.
 */
#include "guest.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ROUNDS 20000
#define RENAME_EXCHANGE 2

static uint8_t *shared;      /* a page that both see */
static volatile uint32_t *go;

/* A child that puts the texts into the page, one after the other, until it is killed. */
static pid_t flip(size_t at, const void *first, const void *second, size_t size)
{
    const pid_t pid = fork();
    if (pid == 0) {
        alarm(60);
        for (uint32_t i = 0;; i++) {
            const volatile uint8_t *from = i % 2 == 0 ? first : second;
            for (size_t k = 0; k < size; k++) {
                ((volatile uint8_t *)shared)[at + k] = from[k];
            }
            for (uint32_t k = 0; k < 100 + i % 64; k++) { /* torn and whole ones are seen */
                *go = i;
            }
        }
    }
    while (*go < 10) {
    }
    return pid;
}

/* Goes on until both outcomes were seen, at least for so many rounds and at most for some seconds: the other process may have to wait for a processor. */
typedef struct Race {
    int rounds, minimum;
    time_t end;
} Race;

static Race race_start(int minimum) { return (Race){0, minimum, time(NULL) + 6}; }

static bool race_goes_on(Race *race, bool is_all_seen)
{
    if (race->rounds % 256 == 0) {
        (void)CALL(sched_yield);
    }
    return race->rounds++ < race->minimum || (!is_all_seen && time(NULL) < race->end);
}

static void stop(pid_t pid)
{
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    *go = 0;
}

/* --- a path that changes under open(), stat(), execve() --- */

static ino_t good_inode;
static dev_t good_device;

static bool is_good_file(int fd)
{
    struct stat status;
    char text[64] = "";
    const ssize_t size = pread(fd, text, sizeof text - 1, 0);
    return fstat(fd, &status) == 0 && status.st_ino == good_inode && status.st_dev == good_device && size == 5 && strcmp(text, "good\n") == 0;
}

/* What a torn path may name: a directory or a link's end in the guest's own root, never a file with other content, a procfs, or a place outside. */
static bool is_harmless(int fd)
{
    struct stat status;
    struct statfs system;
    char cwd[512];
    if (is_good_file(fd)) {
        return true;
    }
    if (fstat(fd, &status) < 0 || fstatfs(fd, &system) < 0 || !S_ISDIR(status.st_mode) || system.f_type == 0x9fa0) {
        return false;
    }
    const bool is_inside = CALL(fchdir, fd) == 0 && CALL(getcwd, P(cwd), sizeof cwd) > 0 && cwd[0] == '/' && strncmp(cwd, outside, strlen(outside)) != 0;
    (void)CALL(chdir, P("/"));
    return is_inside;
}

static void paths(void)
{
    char first[64] = "/data/./good", second[64];
    const char *const bad[] = {"/proc/self/mem", "/links/../proc/1/mem", say("/../../../..%s/secret", outside), "/links/secret-up", "/dev/fd/1030",
        "/links/fd/1030"};
    for (size_t i = 0; i < COUNT(bad); i++) {
        int good = 0, other = 0, errors = 0, harmful = 0;
        memset(second, 0, sizeof second);
        snprintf(second, sizeof second, "%s", bad[i]);
        memcpy(shared, first, sizeof first);
        const pid_t pid = flip(0, first, second, sizeof first);
        for (Race race = race_start(ROUNDS / (int)COUNT(bad)); race_goes_on(&race, good > 0 && errors > 0);) {
            const int64_t fd = CALL(open, P(shared), O_RDONLY | O_NONBLOCK, 0);
            if (fd < 0) {
                errors++;
            } else {
                is_good_file((int)fd) ? good++ : other++;
                harmful += !is_harmless((int)fd);
                close((int)fd);
            }
        }
        stop(pid);
        row(harmful == 0 && good > 0 && errors > 0, say("open() of a path that flips to %s", bad[i]), "the good file, a directory of the root, an error",
            say("%d good, %d errors, %d directories, %d harmful", good, errors, other - harmful, harmful));
    }
}

/* What an execve of the flipping path ends in: 77 the listed program, 13 EACCES, 2 ENOENT; anything else is wrong. */
static void programs(void)
{
    static const char first[32] = "/bin/guest", second[32] = "/data/denied";
    char *const words[] = {"guest", "alive", NULL};
    int counts[3] = {0}, other = 0;
    pid_t pid = flip(0, first, second, sizeof first);
    for (Race race = race_start(400); race_goes_on(&race, counts[0] > 0 && counts[1] > 0);) {
        const pid_t child = fork();
        if (child == 0) {
            alarm(20);
            _exit((int)-CALL(execve, P(shared), P(words), 0));
        }
        int status = 0;
        waitpid(child, &status, 0);
        const int code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
        counts[0] += code == 77;
        counts[1] += code == EACCES;
        counts[2] += code == ENOENT;
        other += code != 77 && code != EACCES && code != ENOENT;
    }
    stop(pid);
    row(other == 0 && counts[0] > 0 && counts[1] > 0, "execve() of a path that flips between a listed and an unlisted file",
        "the listed program, EACCES or ENOENT",
        say("%d ran, %d EACCES, %d ENOENT, %d others", counts[0], counts[1], counts[2], other));
    static const char third[32] = "/data/dinied";
    int refused_count_ = 0;
    pid = flip(0, second, third, sizeof second);
    for (int round = 0; round < ROUNDS / 4; round++) {
        refused_count_ += CALL(execve, P(shared), P(words), 0) < 0;
    }
    stop(pid);
    row(refused_count_ == ROUNDS / 4, "execve() of a path that flips between two unlisted files", "refused every time", say("%d of %d", refused_count_,
        ROUNDS / 4));
    const uint32_t good[4] = {(uint32_t)P("guest"), (uint32_t)P("alive"), 0, 0}, bad[4] = {0xfffffff0, 0xffffffff, 1, (uint32_t)P(shared)};
    pid = flip(256, good, bad, sizeof good);
    int denied = 0, faults = 0, strange = 0;
    for (Race race = race_start(ROUNDS / 4); race_goes_on(&race, denied > 0 && faults > 0);) {
        const int64_t r = CALL(execve, P("/data/denied"), P(shared + 256), P(shared + 256));
        denied += r == -EACCES;
        faults += r == -EFAULT;
        strange += r != -EACCES && r != -EFAULT && r != -E2BIG;
    }
    stop(pid);
    row(strange == 0 && denied > 0 && faults > 0, "execve() with argv and envp that flip", "EACCES, EFAULT or E2BIG",
        say("%d EACCES, %d EFAULT, %d strange", denied, faults, strange));
}

/* --- structures that change --- */

static void vectors(void)
{
    static uint8_t target[64];
    const uint32_t good[8] = {(uint32_t)P(target), 8, (uint32_t)P(target + 8), 8, (uint32_t)P(target + 16), 8, (uint32_t)P(target + 24), 8};
    const uint32_t bad[8] = {0xfffffff0, 0xffffffff, 0x80000000, 0x7fffffff, memory_size() - 4, 64, 0xffffffff, 1};
    int strange = 0, done = 0, failed = 0;
    const int file = file_open();
    const pid_t pid = flip(512, good, bad, sizeof good);
    for (Race race = race_start(ROUNDS); race_goes_on(&race, done > 0 && failed > 0);) {
        const int64_t r = race.rounds % 2 == 0 ? CALL(preadv, file, P(shared + 512), 4, 0, 0) : CALL(pwritev, file, P(shared + 512), 4, 0, 0);
        done += r >= 0;
        failed += r < 0;
        strange += (r < 0 && r != -EFAULT && r != -EINVAL) || r > 32 + 64;
    }
    stop(pid);
    row(strange == 0 && done > 0 && failed > 0, "preadv() and pwritev() with iovecs that flip out of memory", "at most the good bytes, EFAULT or EINVAL",
        say("%d done, %d failed, %d strange", done, failed, strange));
}

/* A message whose control part flips between a guest's descriptor and the runtime's, and between lengths. */
static void messages(void)
{
    int pair[2], arrived = 0, wrong = 0, refused_ = 0;
    struct stat mine[64], got;
    const int file = file_open();
    (void)!socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, pair);
    for (int fd = 0; fd < 64; fd++) { /* a torn number may be another one of the guest's */
        mine[fd].st_ino = fstat(fd, &mine[fd]) < 0 ? 0 : mine[fd].st_ino;
    }
    const uint32_t good[6] = {20, 0, 1, 1, (uint32_t)file, 0}, bad[6] = {24, 0, 1, 1, RUNTIME_FD, 1024};
    const uint32_t iov[2] = {(uint32_t)P(shared), 1};
    memcpy(shared + 900, iov, sizeof iov);
    const uint32_t header[9] = {0, 0, (uint32_t)P(shared + 900), 1, 0, (uint32_t)P(shared + 1024), 24, 0, 0}, header2[9] = {0, 0,
        (uint32_t)P(shared + 900), 1, 0, (uint32_t)P(shared + 1024), 0x7fffffff, 0, 0};
    memcpy(shared + 960, header, sizeof header);
    const pid_t pid = flip(1024, good, bad, sizeof good), pid2 = flip(960, header, header2, sizeof header);
    for (Race race = race_start(ROUNDS); race_goes_on(&race, arrived > 0 && refused_ > 0);) {
        _Alignas(8) uint8_t control[64] = {0};
        char byte;
        struct iovec own = {&byte, 1};
        struct msghdr message = {.msg_iov = &own, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
        refused_ += CALL(sendmsg, pair[0], P(shared + 960), 0) < 0;
        while (recvmsg(pair[1], &message, 0) >= 0) {
            const struct cmsghdr *head = CMSG_FIRSTHDR(&message);
            for (size_t i = 0; head != NULL && CMSG_LEN(i + 4) <= head->cmsg_len; i += 4) {
                int fd;
                memcpy(&fd, (const char *)CMSG_DATA(head) + i, 4);
                arrived++;
                bool is_own = false;
                for (int k = 0; k < 64 && fstat(fd, &got) == 0; k++) {
                    is_own = is_own || (got.st_ino == mine[k].st_ino && got.st_dev == mine[k].st_dev);
                }
                wrong += !is_own;
                close(fd);
            }
            message.msg_control = control;
            message.msg_controllen = sizeof control;
        }
    }
    stop(pid);
    stop(pid2);
    row(wrong == 0 && arrived > 0 && refused_ > 0, "sendmsg() whose descriptor flips to 1030 and whose length flips",
        "only the guest's descriptors arrive", say("%d arrived, %d refused, %d wrong", arrived, refused_, wrong));
}

static void others(void)
{
    struct sockaddr_un first = {.sun_family = AF_UNIX, .sun_path = "/nosuch"}, second = {.sun_family = AF_UNIX};
    snprintf(second.sun_path, sizeof second.sun_path, "%s/socket", outside);
    const int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    int connected = 0;
    pid_t pid = flip(2048, &first, &second, sizeof first);
    for (int round = 0; round < ROUNDS / 2; round++) {
        connected += CALL(connect, fd, P(shared + 2048), sizeof first) == 0;
    }
    stop(pid);
    row(connected == 0, "connect() to a path that flips to the host's socket", "never connected", say("%d", connected));
    const uint64_t how[3] = {0, 0, 0x10}, worse[3] = {O_PATH, 0, 0x02};
    int opened = 0;
    const int directory = open("/etc", O_RDONLY | O_DIRECTORY);
    pid = flip(2400, how, worse, sizeof how);
    for (int round = 0; round < ROUNDS / 2; round++) {
        const int64_t r = CALL(openat2, directory, P(say("../../../../..%s/secret", outside)), P(shared + 2400), 24);
        opened += r >= 0;
    }
    stop(pid);
    row(opened == 0, "openat2() whose flags flip", "nothing outside opened", say("%d", opened));
    struct pollfd good = {.fd = 1, .events = POLLOUT}, bad = {.fd = RUNTIME_FD, .events = POLLOUT};
    int strange = 0;
    pid = flip(2600, &good, &bad, 4);
    for (int round = 0; round < ROUNDS; round++) {
        const int64_t r = CALL(poll, P(shared + 2600), 1, 0);
        strange += r < 0 || r > 1;
    }
    stop(pid);
    row(strange == 0, "poll() whose descriptor flips to 1030", "0 or 1", say("%d strange", strange));
}

/* --- names that are exchanged --- */

static pid_t exchange(const char *first, const char *second)
{
    const pid_t pid = fork();
    if (pid == 0) {
        alarm(60);
        for (uint32_t i = 0;; i++) {
            if (CALL(renameat2, AT_FDCWD, P(first), AT_FDCWD, P(second), RENAME_EXCHANGE) < 0) {
                _exit(1);
            }
            *go = i;
        }
    }
    while (*go < 10 && kill(pid, 0) == 0) {
    }
    return pid;
}

static void put(const char *path, const char *text)
{
    const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0755);
    (void)!write(fd, text, strlen(text));
    close(fd);
}

static void exchanged_directories(void)
{
    int good = 0, other = 0, errors = 0;
    mkdir("/tmp/a", 0755);
    put("/tmp/a/secret", "good\n");
    (void)!symlink(outside, "/tmp/b");
    struct stat status;
    (void)stat("/tmp/a/secret", &status);
    good_inode = status.st_ino;
    good_device = status.st_dev;
    pid_t pid = exchange("/tmp/a", "/tmp/b");
    const int top = open("/tmp", O_RDONLY | O_DIRECTORY);
    for (Race race = race_start(ROUNDS); race_goes_on(&race, good > 0 && errors > 0);) {
        const int round = race.rounds;
        const int64_t fd = round % 3 == 0 ? CALL(open, P("/tmp/a/secret"), O_RDONLY, 0) : round % 3 == 1 ? CALL(openat, top, P("a/secret"), O_RDONLY, 0)
            : CALL(open, P("/tmp/b/../a/secret"), O_RDONLY, 0);
        errors += fd < 0;
        if (fd >= 0) {
            is_good_file((int)fd) ? good++ : other++;
            close((int)fd);
        }
    }
    stop(pid);
    row(other == 0 && good > 0 && errors > 0, "open() through a directory that is exchanged with a symlink to the host",
        "the good file or an error, both seen", say("%d good, %d errors, %d others", good, errors, other));
    /* A directory that is moved to another depth while ".." is resolved in it. */
    mkdir("/tmp/x", 0755);
    mkdir("/tmp/x/y", 0755);
    mkdir("/tmp/x/y/z", 0755);
    mkdir("/tmp/w", 0755);
    const int deep = open("/tmp/x/y/z", O_RDONLY | O_DIRECTORY);
    int found = 0;
    pid = fork();
    if (pid == 0) {
        alarm(60);
        for (;;) {
            (void)rename("/tmp/x/y", "/tmp/w/y");
            (void)rename("/tmp/w/y", "/tmp/x/y");
        }
    }
    for (int round = 0; round < ROUNDS; round++) {
        const int64_t fd = CALL(openat, deep, P(say("../../../../../../..%s/secret", outside)), O_RDONLY, 0);
        found += fd >= 0;
    }
    stop(pid);
    row(found == 0, "\"..\" out of a directory that is moved meanwhile", "nothing outside opened", say("%d", found));
}

/* The file behind a name changes between bytes that are listed and bytes that are not. */
static void exchanged_programs(void)
{
    char *const words[] = {"guest", "alive", NULL};
    int ran = 0, denied = 0, other = 0;
    static char block[65536];
    const int from = open("/bin/guest", O_RDONLY), to = open("/tmp/program", O_WRONLY | O_CREAT | O_TRUNC, 0755);
    for (ssize_t size; (size = read(from, block, sizeof block)) > 0;) {
        (void)!write(to, block, (size_t)size);
    }
    close(to);
    const int denied_file = open("/tmp/other", O_WRONLY | O_CREAT | O_TRUNC, 0755);
    (void)lseek(from, 0, SEEK_SET);
    for (ssize_t size; (size = read(from, block, sizeof block)) > 0;) {
        block[size / 2] ^= 1;
        (void)!write(denied_file, block, (size_t)size);
    }
    close(denied_file);
    const pid_t pid = exchange("/tmp/program", "/tmp/other");
    for (Race race = race_start(200); race_goes_on(&race, ran > 0 && denied > 0);) {
        const pid_t child = fork();
        if (child == 0) {
            alarm(20);
            _exit((int)-CALL(execve, P("/tmp/program"), P(words), 0));
        }
        int status = 0;
        waitpid(child, &status, 0);
        const int code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
        ran += code == 77;
        denied += code == EACCES;
        other += code != 77 && code != EACCES;
    }
    stop(pid);
    row(other == 0 && ran > 0 && denied > 0, "execve() of a name that is exchanged between listed and unlisted bytes", "the listed program or EACCES",
        say("%d ran, %d EACCES, %d others", ran, denied, other));
}

void theme_races(void)
{
    struct stat status;
    shared = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    go = (volatile uint32_t *)(void *)(shared + 8000);
    (void)stat("/data/good", &status);
    good_inode = status.st_ino;
    good_device = status.st_dev;
    paths();
    programs();
    vectors();
    messages();
    others();
    if (mode == MODE_PLAIN) {
        expect("names that are exchanged: the root is read-only", "EROFS", CALL(renameat2, AT_FDCWD, P("/data/good"), AT_FDCWD, P("/data/other"),
            RENAME_EXCHANGE));
    } else {
        exchanged_directories();
        exchanged_programs();
    }
    expect_alive("all of it");
}
