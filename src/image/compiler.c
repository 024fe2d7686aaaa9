/* SPDX-License-Identifier: Apache-2.0 */
/*
 * compiler.c - runs recompiler-compile for the cache: one child, three descriptors, a deadline.
 *
 * The child sandboxes itself before it reads a byte of the megabinary (recompiler-compile.c). Here: a clean environment,
 * its own process group (so that lld goes with it), SIGKILL for the group at the deadline or when this process dies.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/interrupt.h"
#include "base/must.h"
#include "image/cache-int.h"

#define COMPILER_NAME "recompiler-compile"
#define DEFAULT_MEMORY_LIMIT (8ull << 30)
#define DEFAULT_TIMEOUT_S 3600u
#define CHILD_MEGABINARY_FD 3
#define CHILD_PROGRESS_FD 4
#define CHILD_PROFILE_FD 5

typedef struct CompilerOutput {
    char line[512];      /* last complete or partial line of stderr */
    size_t line_size;
    bool is_line_over;   /* the next byte starts a new line */
    char progress[64];
    size_t progress_size;
    CacheReport report;
} CompilerOutput;

/* Beside our own executable, then where it is installed, then PATH. */
static int compiler_find(const CacheConfig *config, char path[LIMIT_PATH_SIZE], Error *err)
{
    if (config->compiler != NULL) {
        (void)snprintf(path, LIMIT_PATH_SIZE, "%s", config->compiler);
        return access(path, X_OK) == 0 ? 0 : error_set(err, errno, "compiler %s: %s", path, strerror(errno));
    }
    char own[LIMIT_PATH_SIZE];
    const ssize_t size = readlink("/proc/self/exe", own, sizeof(own) - 1);
    if (size > 0) {
        own[size] = '\0';
        char *slash = strrchr(own, '/');
        if (slash != NULL) {
            static const char *const places[] = {"", "../libexec/recompiler/", "../lib/recompiler/", "../"};
            slash[1] = '\0';
            for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
                if (snprintf(path, LIMIT_PATH_SIZE, "%s%s" COMPILER_NAME, own, places[i]) < LIMIT_PATH_SIZE && access(path, X_OK) == 0) {
                    return 0;
                }
            }
        }
    }
    static const char *const directories[] = {"/usr/libexec/recompiler/", "/usr/local/bin/", "/usr/bin/"};
    for (size_t i = 0; i < sizeof(directories) / sizeof(directories[0]); i++) {
        (void)snprintf(path, LIMIT_PATH_SIZE, "%s" COMPILER_NAME, directories[i]);
        if (access(path, X_OK) == 0) {
            return 0;
        }
    }
    const int r = error_set(err, ENOENT, COMPILER_NAME " is not installed");
    return error_hint(err, r, "it belongs beside the recompiler command; build or install it, or prepare the image on another host");
}

static int child_fd_place(int from, int to)
{
    if (from == to) {
        return fcntl(from, F_SETFD, 0);
    }
    return dup2(from, to) < 0 ? -1 : 0;
}

/* In the child. Only async-signal-safe calls. */
static void compiler_exec(const char *path, char *const argv[], int megabinary_fd, int progress_fd, int profile_fd, int error_fd, int null_fd)
{
    static char path_text[] = "PATH=/usr/bin:/bin";
    static char locale_text[] = "LC_ALL=C";
    char *const environment[] = {path_text, locale_text, NULL};
    (void)setpgid(0, 0);
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    /* The sources were moved above 10 before, so no target is overwritten before it is used. */
    if (dup2(null_fd, 0) < 0 || dup2(null_fd, 1) < 0 || dup2(error_fd, 2) < 0 ||
        child_fd_place(megabinary_fd, CHILD_MEGABINARY_FD) < 0 || child_fd_place(progress_fd, CHILD_PROGRESS_FD) < 0 ||
        (profile_fd >= 0 && child_fd_place(profile_fd, CHILD_PROFILE_FD) < 0)) {
        _exit(125);
    }
    (void)execve(path, argv, environment);
    _exit(125);
}

static void output_take(CompilerOutput *output, const char *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (output->is_line_over) {
            output->line_size = 0;
            output->is_line_over = false;
        }
        if (bytes[i] == '\n') {
            output->is_line_over = true;
        } else if (output->line_size + 1 < sizeof(output->line)) {
            output->line[output->line_size++] = bytes[i];
        }
        output->line[output->line_size] = '\0';
    }
}

/* Lines "done total from-the-cache". */
static void progress_take(const CacheConfig *config, CompilerOutput *output, const char *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (bytes[i] != '\n' && output->progress_size + 1 < sizeof(output->progress)) {
            output->progress[output->progress_size++] = bytes[i];
            continue;
        }
        output->progress[output->progress_size] = '\0';
        output->progress_size = 0;
        CacheProgress now = {0};
        if (sscanf(output->progress, "%" SCNu32 " %" SCNu32 " %" SCNu32, &now.done_count, &now.total_count, &now.cached_count) == 3 && now.total_count > 0) {
            output->report.functions = now;
            if (config->progress != NULL) {
                config->progress(config->progress_context, &now);
            }
        }
    }
}

static int64_t now_ms(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Reads both pipes until they close. Return: 0, -ETIMEDOUT or -EINTR. */
static int compiler_follow(const CacheConfig *config, int error_fd, int progress_fd, CompilerOutput *output)
{
    const int64_t deadline = now_ms() + (int64_t)(config->timeout_s != 0 ? config->timeout_s : DEFAULT_TIMEOUT_S) * 1000;
    struct pollfd polled[2] = {{.fd = error_fd, .events = POLLIN}, {.fd = progress_fd, .events = POLLIN}};
    while (polled[0].fd >= 0 || polled[1].fd >= 0) {
        const int64_t left = deadline - now_ms();
        if (left <= 0 || interrupt_check() < 0) {
            return left <= 0 ? -ETIMEDOUT : -EINTR;
        }
        if (poll(polled, 2, left > INT_MAX ? INT_MAX : (int)left) < 0 && errno != EINTR) {
            return -errno;
        }
        for (int i = 0; i < 2; i++) {
            char bytes[512];
            if (polled[i].fd < 0 || polled[i].revents == 0) {
                continue;
            }
            const ssize_t got = read(polled[i].fd, bytes, sizeof(bytes));
            if (got == 0 || (got < 0 && errno != EINTR && errno != EAGAIN)) {
                polled[i].fd = -1;
            } else if (got > 0 && i == 0) {
                output_take(output, bytes, (size_t)got);
            } else if (got > 0) {
                progress_take(config, output, bytes, (size_t)got);
            }
        }
    }
    return 0;
}

static int compiler_wait(pid_t pid, int followed, CompilerOutput *output, Error *err)
{
    if (followed < 0) {
        (void)kill(-pid, SIGKILL);
        (void)kill(pid, SIGKILL);
    }
    int status = 0;
    struct rusage usage;
    while (wait4(pid, &status, 0, &usage) < 0) {
        if (errno != EINTR) {
            return error_set(err, errno, "compiler: cannot wait for it");
        }
    }
    output->report.peak_size = (uint64_t)usage.ru_maxrss * 1024;
    if (followed < 0) {
        return error_set(err, -followed, "compiler: stopped: %s", followed == -ETIMEDOUT ? "it took too long" : "pipe");
    }
    if (WIFSIGNALED(status)) {
        return error_set(err, EIO, "compiler: killed by signal %d (%s)%s%s", WTERMSIG(status), strsignal(WTERMSIG(status)),
                         output->line_size > 0 ? ": " : "", output->line);
    }
    if (WEXITSTATUS(status) != 0) {
        const bool is_disk_full = strstr(output->line, "ENOSPC") != NULL || strstr(output->line, "No space left") != NULL;
        return error_set(err, is_disk_full ? ENOSPC : EIO, "compiler: exit status %d%s%s", WEXITSTATUS(status),
                         output->line_size > 0 ? ": " : "", output->line);
    }
    return 0;
}

/* argv texts, kept while the child starts. */
typedef struct CompilerArgs {
    char opt[16], jobs[16], base[32], expect[DIGEST_HEX_SIZE + 1], memory[32], time[32], progress[16], input[32], units[LIMIT_PATH_SIZE];
    char *argv[27];
} CompilerArgs;

static int args_fill(CompilerArgs *args, const CacheConfig *config, const Digest *megabinary, bool has_profile, const char *output)
{
    (void)snprintf(args->opt, sizeof(args->opt), "%d", config->opt_level);
    (void)snprintf(args->jobs, sizeof(args->jobs), "%" PRIu32, config->job_count);
    (void)snprintf(args->base, sizeof(args->base), "0x%" PRIx64, cache_memory_base());
    digest_hex(megabinary, args->expect);
    (void)snprintf(args->memory, sizeof(args->memory), "%" PRIu64,
                   config->memory_limit_size != 0 ? config->memory_limit_size : (uint64_t)DEFAULT_MEMORY_LIMIT);
    (void)snprintf(args->time, sizeof(args->time), "%u", config->timeout_s != 0 ? config->timeout_s : DEFAULT_TIMEOUT_S);
    (void)snprintf(args->progress, sizeof(args->progress), "%d", CHILD_PROGRESS_FD);
    (void)snprintf(args->input, sizeof(args->input), "/proc/self/fd/%d", CHILD_MEGABINARY_FD);
    if (snprintf(args->units, sizeof(args->units), "%s/units", config->cache_dir) >= (int)sizeof(args->units)) {
        return -ENAMETOOLONG;
    }
    static const char *const profile[] = {"--profile", "/proc/self/fd/5"};
    _Static_assert(CHILD_PROFILE_FD == 5, "the path above");
    const char *const list[] = {COMPILER_NAME, "--cpu", config->cpu != NULL ? config->cpu : "x86-64-v2", "--opt", args->opt,
                                "--jobs", args->jobs, "--memory-base", args->base, "--expect-sha256", args->expect, "--memory-limit",
                                args->memory, "--time-limit", args->time, "--progress-fd", args->progress, "--unit-cache", args->units};
    const char *const more[] = {config->is_recording ? "--record" : NULL, has_profile ? profile[0] : NULL, has_profile ? profile[1] : NULL,
                                args->input, output};
    const size_t list_count = sizeof(list) / sizeof(list[0]), more_count = sizeof(more) / sizeof(more[0]);
    _Static_assert((sizeof(list) + sizeof(more)) / sizeof(list[0]) < sizeof(args->argv) / sizeof(args->argv[0]), "argv fits");
    size_t count = 0;
    for (size_t i = 0; i < list_count + more_count; i++) {
        const char *word = i < list_count ? list[i] : more[i - list_count];
        if (word != NULL) {
            args->argv[count++] = (char *)(uintptr_t)word; /* execve(2) takes char *const[] and does not write */
        }
    }
    args->argv[count] = NULL;
    return 0;
}

int compiler_run(const CacheConfig *config, int megabinary_fd, const Digest *megabinary, int profile_fd, const char *output, Error *err)
{
    char path[LIMIT_PATH_SIZE];
    int r = compiler_find(config, path, err);
    if (r < 0) {
        return r;
    }
    CompilerArgs args;
    r = args_fill(&args, config, megabinary, profile_fd >= 0, output);
    if (r < 0) {
        return error_set(err, -r, "compiler: path too long");
    }
    int error_pipe[2] = {-1, -1};
    int progress_pipe[2] = {-1, -1};
    _cleanup_(fd_closep) int input_fd = fcntl(megabinary_fd, F_DUPFD_CLOEXEC, 10);
    _cleanup_(fd_closep) int layout_fd = profile_fd < 0 ? -1 : fcntl(profile_fd, F_DUPFD_CLOEXEC, 10);
    _cleanup_(fd_closep) int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (input_fd < 0 || null_fd < 0 || (profile_fd >= 0 && layout_fd < 0) || pipe2(error_pipe, O_CLOEXEC) < 0 || pipe2(progress_pipe, O_CLOEXEC) < 0) {
        r = error_set(err, errno, "compiler: cannot start it");
        (void)fd_close(error_pipe[0]);
        (void)fd_close(error_pipe[1]);
        return r;
    }
    const int child_error_fd = fcntl(error_pipe[1], F_DUPFD_CLOEXEC, 10);
    const int child_progress_fd = fcntl(progress_pipe[1], F_DUPFD_CLOEXEC, 10);
    const pid_t pid = child_error_fd < 0 || child_progress_fd < 0 ? -1 : fork();
    if (pid == 0) {
        compiler_exec(path, args.argv, input_fd, child_progress_fd, layout_fd, child_error_fd, null_fd);
    }
    const int fork_error = errno;
    (void)fd_close(child_error_fd);
    (void)fd_close(child_progress_fd);
    (void)fd_close(error_pipe[1]);
    (void)fd_close(progress_pipe[1]);
    if (pid < 0) {
        r = error_set(err, fork_error, "compiler: cannot start it");
    } else {
        CompilerOutput text = {.report = {.is_compiled = true}};
        const int64_t begin = now_ms();
        const int followed = compiler_follow(config, error_pipe[0], progress_pipe[0], &text);
        r = compiler_wait(pid, followed, &text, err);
        text.report.compile_ms = (uint64_t)(now_ms() - begin);
        if (config->report != NULL) {
            *config->report = text.report;
        }
    }
    (void)fd_close(error_pipe[0]);
    (void)fd_close(progress_pipe[0]);
    return r;
}
