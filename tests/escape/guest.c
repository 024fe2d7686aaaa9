/* SPDX-License-Identifier: Apache-2.0 */
/* guest.c - the attacker: picks the theme that its arguments name, and the helpers that all themes use. */
#include "guest.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

int mode;
const char *outside = "/nonexistent";

int64_t raw_call(int number, const int64_t *arguments) { return calls[number].call(arguments); }

static char *buffer_next(void)
{
    static char buffers[16][512];
    static unsigned next;
    return buffers[next++ % COUNT(buffers)];
}

const char *say(const char *format, ...)
{
    char *text = buffer_next();
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, 512, format, arguments);
    va_end(arguments);
    return text;
}

static const struct { int number; const char *name; } errors[] = {
    {EPERM, "EPERM"}, {ENOENT, "ENOENT"}, {ESRCH, "ESRCH"}, {EINTR, "EINTR"}, {EIO, "EIO"}, {ENXIO, "ENXIO"}, {E2BIG, "E2BIG"}, {ENOEXEC, "ENOEXEC"},
    {EBADF, "EBADF"}, {ECHILD, "ECHILD"}, {EAGAIN, "EAGAIN"}, {ENOMEM, "ENOMEM"}, {EACCES, "EACCES"}, {EFAULT, "EFAULT"}, {EBUSY, "EBUSY"},
    {EEXIST, "EEXIST"}, {EXDEV, "EXDEV"}, {ENODEV, "ENODEV"}, {ENOTDIR, "ENOTDIR"}, {EISDIR, "EISDIR"}, {EINVAL, "EINVAL"}, {EMFILE, "EMFILE"},
    {ENOTTY, "ENOTTY"}, {EFBIG, "EFBIG"}, {ENOSPC, "ENOSPC"}, {ESPIPE, "ESPIPE"}, {EROFS, "EROFS"}, {EPIPE, "EPIPE"}, {ERANGE, "ERANGE"},
    {EDEADLK, "EDEADLK"}, {ENAMETOOLONG, "ENAMETOOLONG"}, {ENOSYS, "ENOSYS"}, {ENOTEMPTY, "ENOTEMPTY"}, {ELOOP, "ELOOP"}, {EOVERFLOW, "EOVERFLOW"},
    {ENOTSOCK, "ENOTSOCK"}, {EDESTADDRREQ, "EDESTADDRREQ"}, {EMSGSIZE, "EMSGSIZE"}, {EPROTOTYPE, "EPROTOTYPE"}, {ENOPROTOOPT, "ENOPROTOOPT"},
    {EPROTONOSUPPORT, "EPROTONOSUPPORT"}, {ESOCKTNOSUPPORT, "ESOCKTNOSUPPORT"}, {EOPNOTSUPP, "EOPNOTSUPP"}, {EAFNOSUPPORT, "EAFNOSUPPORT"},
    {EADDRINUSE, "EADDRINUSE"}, {EADDRNOTAVAIL, "EADDRNOTAVAIL"}, {ENETUNREACH, "ENETUNREACH"}, {ECONNRESET, "ECONNRESET"}, {ENOBUFS, "ENOBUFS"},
    {EISCONN, "EISCONN"}, {ENOTCONN, "ENOTCONN"}, {ETIMEDOUT, "ETIMEDOUT"}, {ECONNREFUSED, "ECONNREFUSED"}, {EALREADY, "EALREADY"},
    {EINPROGRESS, "EINPROGRESS"}, {ETXTBSY, "ETXTBSY"}, {ECONNABORTED, "ECONNABORTED"},
};

const char *result_name(int64_t result)
{
    for (size_t i = 0; i < COUNT(errors); i++) {
        if (result == -errors[i].number) {
            return errors[i].name;
        }
    }
    return say("%lld", (long long)result);
}

void row(bool is_good, const char *name, const char *want, const char *got)
{
    char line[1600];
    const int size = snprintf(line, sizeof line, "%s - %s: want %s, got %s\n", is_good ? "ok" : "not ok", name, want, got);
    (void)!write(1, line, (size_t)size < sizeof line ? (size_t)size : sizeof line - 1);
}

bool is_wanted(const char *want, int64_t got)
{
    const char *name = result_name(got);
    for (const char *word = want; *word != '\0'; word += *word == '|') {
        const size_t size = strcspn(word, "|");
        if ((strlen(name) == size && memcmp(word, name, size) == 0) || (size == 3 && memcmp(word, ">=0", 3) == 0 && got >= 0) ||
            (size == 2 && memcmp(word, "<0", 2) == 0 && got < 0)) {
            return true;
        }
        word += size;
    }
    return false;
}

void expect(const char *name, const char *want, int64_t got) { row(is_wanted(want, got), name, want, result_name(got)); }

/* --- children --- */

int child_run(int (*function)(void *argument), void *argument, unsigned seconds)
{
    const pid_t pid = fork();
    int status = -1;
    if (pid < 0) {
        return -1;
    }
    if (pid == 0) {
        alarm(seconds);
        _exit(function(argument));
    }
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    return status;
}

const char *child_name(int status)
{
    return status == -1 ? "no child" : WIFSIGNALED(status) ? say("signal %d", WTERMSIG(status)) : say("exit %d", WEXITSTATUS(status));
}

static int start_program(void *argument)
{
    (void)argument;
    char *const words[] = {"guest", "alive", NULL};
    execv("/bin/guest", words);
    return errno;
}

bool is_alive(void)
{
    const int status = child_run(start_program, NULL, 20);
    return WIFEXITED(status) && WEXITSTATUS(status) == 77;
}

void expect_alive(const char *name)
{
    const bool is_good = is_alive();
    row(is_good, say("the container works after %s", name), "a program starts", is_good ? "it started" : "it did not start");
}

/* --- files, memory --- */

int file_open(void)
{
    int fd = -1;
    if (mode == MODE_PLAIN) {
        fd = (int)CALL(memfd_create, P("file"), 0);
    } else {
        char path[] = "/tmp/file.XXXXXX";
        fd = mkstemp(path);
        unlink(path);
    }
    if (fd >= 0) {
        (void)!write(fd, "0123456789abcdef", 16);
        lseek(fd, 0, SEEK_SET);
    }
    return fd;
}

uint32_t memory_size(void) { return (uint32_t)__builtin_wasm_memory_size(0) * 65536u; }

/* Native code and libraries of a 64-bit host lie at 0x55.. and 0x7f.., linear memory (8 GiB from 0x40000000) where the buffer itself tells. */
int64_t host_pointer(const void *bytes, size_t size)
{
    const uint64_t here = 0x40000000u + (uint64_t)(uintptr_t)bytes;
    for (size_t at = 0; at + 8 <= size; at += 8) {
        uint64_t value;
        memcpy(&value, (const char *)bytes + at, sizeof value);
        const uint64_t high = value >> 32;
        if ((high >= 0x5500 && high <= 0x56ff) || (high >= 0x7e00 && high <= 0x7fff) || (value >= here - 65536 && value < here + 65536)) {
            return (int64_t)at;
        }
    }
    return -1;
}

static const struct { const char *name; void (*run)(void); } themes[] = {
    {"proc", theme_proc}, {"volumes", theme_volumes}, {"descriptors", theme_descriptors}, {"memory", theme_memory}, {"signals", theme_signals},
    {"calls", theme_calls}, {"ioctl", theme_ioctl}, {"output", theme_output}, {"pointers", theme_pointers}, {"races", theme_races},
    {"files", theme_files}, {"sockets", theme_sockets}, {"limits", theme_limits},
};

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "alive") == 0) {
        return 77;
    }
    if (argc == 2 && strcmp(argv[1], "scan") == 0) {
        return scan_for_pattern();
    }
    if (argc < 4) {
        return 98;
    }
    mode = strcmp(argv[2], "root") == 0 ? MODE_ROOT : strcmp(argv[2], "user") == 0 ? MODE_USER : MODE_PLAIN;
    outside = argv[3];
    for (size_t i = 0; i < COUNT(themes); i++) {
        if (strcmp(themes[i].name, argv[1]) == 0) {
            themes[i].run();
            (void)!write(1, "done\n", 5);
            return 0;
        }
    }
    return 99;
}
