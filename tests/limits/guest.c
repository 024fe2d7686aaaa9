/* SPDX-License-Identifier: Apache-2.0 */
/* guest.c - one program that ends, misbehaves or looks around as its first argument says; tests/limits/run looks at what comes of it. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;
static volatile int zero;
static volatile sig_atomic_t got_signal;

__attribute__((noinline)) static void crash_unreachable(void) { __builtin_trap(); }
__attribute__((noinline)) static int crash_divide(int value) { return value / zero; }
__attribute__((noinline)) static int crash_bounds(void) { return *(volatile int *)(uintptr_t)0xfffffff0u; }
__attribute__((noinline)) static int crash_recursion(int depth)
{
    volatile char block[64] = {(char)depth};
    return crash_recursion(depth + 1) + block[depth & 63];
}
static int takes_two(int a, int b) { return a + b; }
__attribute__((noinline)) static void crash_indirect(void)
{
    void (*volatile function)(double) = (void (*)(double))(void (*)(void))takes_two;
    function(1.0);
}

static void signal_note(int number) { got_signal = number; }

static int do_signals(void)
{
    static const int numbers[] = {SIGTERM, SIGINT, SIGHUP, SIGUSR1};
    struct sigaction action = {.sa_handler = signal_note};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        sigaction(numbers[i], &action, NULL);
    }
    puts("ready");
    fflush(stdout);
    while (got_signal == 0) {
        pause();
    }
    printf("got %d\n", (int)got_signal);
    return 40 + got_signal;
}

static int do_hog(void)
{
    size_t total = 0;
    for (;;) {
        char *volatile block = malloc(1 << 20);
        if (block == NULL) {
            printf("ENOMEM after some\n");
            return 12;
        }
        for (size_t i = 0; i < 1 << 20; i += 4096) ((volatile char *)block)[i] = 1;
        total += 1 << 20;
        if (total > 900u << 20) {
            printf("no limit\n");
            return 1;
        }
    }
}

static int do_forks(void)
{
    int count = 0;
    for (;;) {
        const pid_t pid = fork();
        if (pid < 0) {
            printf("refused after %s: %s\n", count > 0 ? "some" : "none", strerror(errno));
            return 11;
        }
        if (pid == 0) {
            sleep(1000);
            _exit(0);
        }
        if (++count > 500) {
            printf("no limit\n");
            return 1;
        }
    }
}

static void do_bomb(void)
{
    for (;;) {
        (void)fork();
    }
}

static int do_daemon(void)
{
    if (fork() == 0) {
        setsid();
        if (fork() == 0) {
            for (;;) {
                sleep(1000);
            }
        }
        _exit(0);
    }
    wait(NULL);
    return 7;
}

static int do_write(const char *path)
{
    const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    if (fd < 0) {
        printf("open: %s\n", strerror(errno));
        return 1;
    }
    const ssize_t r = write(fd, "text\n", 5);
    printf("%s\n", r == 5 ? "written" : strerror(errno));
    return r == 5 ? 0 : 1;
}

/* Changes that need no write access to the file, only its owner. */
static int do_meta(const char *path)
{
    const struct timespec times[2] = {{.tv_sec = 1}, {.tv_sec = 1}};
    const int fd = open(path, O_RDONLY);
    printf("fchmod: %s\n", fchmod(fd, 0666) == 0 ? "done" : strerror(errno));
    printf("futimens: %s\n", futimens(fd, times) == 0 ? "done" : strerror(errno));
    printf("fchown: %s\n", fchown(fd, getuid(), getgid()) == 0 ? "done" : strerror(errno));
    printf("chmod: %s\n", chmod(path, 0666) == 0 ? "done" : strerror(errno));
    return 0;
}

/* Tries what is not listed after it has forbidden itself to write files. */
static int do_hide(void)
{
    const struct rlimit none = {0};
    char *const words[] = {"secret", NULL};
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &none);
    execv("/etc/passwd", words);
    return errno == EACCES ? 0 : 1;
}

/* RLIMIT_FSIZE is about the files a program writes, not about what the runtime copies for it. */
static int do_small_files(void)
{
    char bytes[65536];
    char *const words[] = {"copy", "exit", "21", NULL};
    const struct rlimit none = {0};
    struct rlimit now;
    ssize_t size;
    const int from = open("/bin/guest", O_RDONLY), to = open("/tmp/copy", O_WRONLY | O_CREAT, 0755);
    while ((size = read(from, bytes, sizeof bytes)) > 0) {
        write(to, bytes, (size_t)size);
    }
    close(to);
    signal(SIGXFSZ, SIG_IGN);
    const int r = setrlimit(RLIMIT_FSIZE, &none);
    const int file = open("/tmp/new", O_WRONLY | O_CREAT, 0644), status = open("/proc/self/status", O_RDONLY);
    printf("set %d get %d limit %d %d\n", r, getrlimit(RLIMIT_FSIZE, &now), (int)now.rlim_cur, (int)now.rlim_max);
    printf("write %s status %d\n", write(file, "x", 1) < 0 ? strerror(errno) : "done", status >= 0 && read(status, bytes, sizeof bytes) > 0);
    printf("raise %d\n", setrlimit(RLIMIT_FSIZE, &(struct rlimit){.rlim_cur = 1, .rlim_max = 1}) < 0 && errno == EPERM);
    fflush(stdout);
    signal(SIGXFSZ, SIG_DFL);
    execv("/tmp/copy", words);
    printf("exec: %s\n", strerror(errno));
    return 1;
}

/* An interpreter that takes its time: prints the file of the #! line's script. */
static int do_slow_cat(const char *path)
{
    char bytes[512];
    usleep(500000);
    const int fd = open(path, O_RDONLY);
    const ssize_t size = read(fd, bytes, sizeof bytes);
    printf("%s: %.*s", path, size > 0 ? (int)size : 0, bytes);
    return size > 0 ? 0 : 1;
}

/* A copy of a listed script is started by descriptor (or by path) and written over while its interpreter starts. */
static int do_swap_script(bool is_by_descriptor, const char *path)
{
    char bytes[512];
    char *const words[] = {"s", NULL};
    const int from = open(path, O_RDONLY), to = open("/tmp/s", O_RDWR | O_CREAT, 0755);
    write(to, bytes, (size_t)read(from, bytes, sizeof bytes));
    close(to);
    const int fd = open("/tmp/s", O_RDONLY);
    const pid_t pid = fork();
    if (pid == 0) {
        if (is_by_descriptor) {
            fexecve(fd, words, environ);
        }
        execv("/tmp/s", words);
        _exit(9);
    }
    usleep(200000);
    const int over = open("/tmp/s", O_WRONLY);
    write(over, "evil", 4);
    waitpid(pid, NULL, 0);
    return 0;
}

static void do_again(void)
{
    char *const words[] = {"guest", "again", NULL};
    execv("/bin/guest", words);
}

/* Children that start themselves again and again, all stopped at one moment: some of them in the middle of a decision. */
static void do_freeze(void)
{
    pid_t children[24];
    for (int i = 0; i < 24; i++) {
        children[i] = fork();
        if (children[i] == 0) {
            do_again();
        }
    }
    usleep(500000);
    for (int i = 0; i < 24; i++) {
        kill(children[i], SIGSTOP);
    }
    puts("ready");
    fflush(stdout);
    for (;;) {
        sleep(1000);
    }
}

static int do_network(void)
{
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (fd < 0) {
        printf("socket: %s\n", strerror(errno));
    } else {
        struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(53), .sin_addr.s_addr = htonl(0x08080808)};
        const int r = connect(fd, (struct sockaddr *)&address, sizeof address);
        printf("connect: %s\n", r == 0 ? "done" : strerror(errno));
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        address.sin_port = htons(9);
        printf("loopback: %s\n", connect(fd, (struct sockaddr *)&address, sizeof address) == 0 ? "done" : strerror(errno));
    }
    for (int i = 1; i < 64; i++) {
        struct ifreq request = {.ifr_ifindex = i};
        if (fd >= 0 && ioctl(fd, SIOCGIFNAME, &request) == 0) {
            printf("interface %s\n", request.ifr_name);
        }
    }
    return 0;
}

static int do_files(void)
{
    int count = 0;
    while (open("/dev/null", O_RDONLY) >= 0 && count < 5000) {
        count++;
    }
    printf("%d %s\n", count, strerror(errno));
    return 0;
}

static int do_show(int argc, char **argv)
{
    size_t arg_size = 0, env_size = 0, env_count = 0;
    char cwd[4096];
    for (int i = 0; i < argc; i++) {
        arg_size += strlen(argv[i]) + 1;
    }
    for (char **pair = environ; *pair != NULL; pair++, env_count++) {
        env_size += strlen(*pair) + 1;
    }
    printf("argc=%d arg_size=%zu env_count=%zu env_size=%zu\n", argc, arg_size, env_count, env_size);
    const char *value = getenv("SHOW");
    printf("uid=%d gid=%d euid=%d cwd=%s SHOW=%s HOME=%s pid=%d\n", (int)getuid(), (int)getgid(), (int)geteuid(), getcwd(cwd, sizeof cwd),
           value != NULL ? value : "(none)", getenv("HOME"), (int)getpid());
    char host[256] = "";
    gethostname(host, sizeof host);
    printf("host=%s\n", host);
    return 0;
}

static int do_ends(void)
{
    for (int fd = 0; fd < 3; fd++) {
        struct stat status;
        if (fstat(fd, &status) < 0) {
            return 100 + errno;
        }
    }
    for (int fd = 3; fd < 1100; fd++) { /* nothing of the runtime's is open for a guest */
        if (fcntl(fd, F_GETFD) >= 0) {
            printf("open: %d\n", fd);
            return 50;
        }
    }
    puts("three");
    return 0;
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "";
    const int number = argc > 2 ? atoi(argv[2]) : 0;
    if (strcmp(what, "exit") == 0) return number;
    if (strcmp(what, "signal") == 0) { raise(number); return 99; }
    if (strcmp(what, "unreachable") == 0) crash_unreachable();
    if (strcmp(what, "divide") == 0) return crash_divide(argc);
    if (strcmp(what, "bounds") == 0) return crash_bounds();
    if (strcmp(what, "recursion") == 0) return crash_recursion(argc);
    if (strcmp(what, "indirect") == 0) crash_indirect();
    if (strcmp(what, "abort") == 0) abort();
    if (strcmp(what, "loop") == 0) for (;;) zero++;
    if (strcmp(what, "sleep") == 0) { puts("ready"); fflush(stdout); for (;;) sleep(1000); }
    if (strcmp(what, "nap") == 0) return usleep((useconds_t)number * 1000) == 0 ? 4 : 99;
    if (strcmp(what, "signals") == 0) return do_signals();
    if (strcmp(what, "hog") == 0) return do_hog();
    if (strcmp(what, "forks") == 0) return do_forks();
    if (strcmp(what, "bomb") == 0) do_bomb();
    if (strcmp(what, "daemon") == 0) return do_daemon();
    if (strcmp(what, "write") == 0) return do_write(argv[2]);
    if (strcmp(what, "hide") == 0) return do_hide();
    if (strcmp(what, "again") == 0) do_again();
    if (strcmp(what, "slow-cat") == 0) return do_slow_cat(argv[2]);
    if (strcmp(what, "swap-script") == 0) return do_swap_script(number == 1, argv[3]);
    if (strcmp(what, "small-files") == 0) return do_small_files();
    if (strcmp(what, "freeze") == 0) do_freeze();
    if (strcmp(what, "meta") == 0) return do_meta(argv[2]);
    if (strcmp(what, "network") == 0) return do_network();
    if (strcmp(what, "files") == 0) return do_files();
    if (strcmp(what, "show") == 0) return do_show(argc, argv);
    if (strcmp(what, "ends") == 0) return do_ends();
    if (strcmp(what, "flood") == 0) for (;;) if (write(1, "0123456789abcdef", 16) < 0) return 200 + (errno == EPIPE);
    return 98;
}
