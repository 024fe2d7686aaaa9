/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Real groups where this machine lets us (v1 or v2, whichever is there), and the v2 code on a tree of plain files: the source
 * is included so that making a directory can put the files in it that the kernel would.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool is_fake;                 /* mkdirat fills directories, unlinkat empties them */
static const char *fake_controllers; /* of new directories */
static const char *const fake_files[] = {"cgroup.controllers", "cgroup.subtree_control", "cgroup.procs", "cgroup.kill", "memory.max",
                                         "memory.swap.max", "memory.events", "memory.peak", "pids.max", "cpu.max"};
#define FAKE_FILES (sizeof fake_files / sizeof fake_files[0])

static int test_mkdirat(int at, const char *name, mode_t mode)
{
    const int r = mkdirat(at, name, mode);
    if (r == 0 && is_fake) {
        const int directory_fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        for (size_t i = 0; i < FAKE_FILES; i++) {
            const int fd = openat(directory_fd, fake_files[i], O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
            if (i == 0 && write(fd, fake_controllers, strlen(fake_controllers)) < 0) {
                return -1;
            }
            (void)close(fd);
        }
        (void)close(directory_fd);
    }
    return r;
}

static int test_unlinkat(int at, const char *name, int flags)
{
    if (is_fake && flags == AT_REMOVEDIR) {
        const int directory_fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        /* As in the kernel, only groups in the way make it busy. */
        for (size_t i = 0; directory_fd >= 0 && i < FAKE_FILES; i++) {
            (void)unlinkat(directory_fd, fake_files[i], 0);
        }
        if (directory_fd >= 0) {
            (void)close(directory_fd);
        }
    }
    return unlinkat(at, name, flags);
}
#define mkdirat test_mkdirat
#define unlinkat test_unlinkat
#include "sandbox/cgroup.c"
#undef mkdirat
#undef unlinkat

#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "base/file.h"
#include "base/limits.h"
#include "base/tap.h"

static char top[] = "/tmp/test-cgroup-XXXXXX";
static pid_t main_pid;
static SandboxCgroup *group; /* the case's, removed when it fails as well */

static void cleanup(void)
{
    if (getpid() != main_pid) {
        return;
    }
    is_fake = false;
    group = sandbox_cgroup_free(group);
    if (tree_remove(AT_FDCWD, top, NULL) < 0) {
        (void)fprintf(stderr, "cannot remove %s\n", top);
    }
}

static void on_abort(int number)
{
    cleanup();
    (void)signal(number, SIG_DFL);
    (void)raise(number);
}

static void group_free(void)
{
    group = sandbox_cgroup_free(group);
}

/* --- finding --- */

static void test_places_of_v1(void)
{
    CgroupPlaces places;
    cgroup_places_read("30 20 0:26 / /sys/fs/cgroup/memory rw,relatime shared:9 - cgroup cgroup rw,memory\n"
                       "31 20 0:27 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
                       "32 20 0:28 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n",
                       "9:name=systemd:/\n4:memory:/a/b\n1:cpu,cpuacct:/x\n8:pids:/\n0::/\n", &places);
    must(places.legacy[CGROUP_MEMORY].is_found && strcmp(places.legacy[CGROUP_MEMORY].own, "/sys/fs/cgroup/memory/a/b") == 0);
    must(places.legacy[CGROUP_CPU].is_found && strcmp(places.legacy[CGROUP_CPU].own, "/sys/fs/cgroup/cpu,cpuacct/x") == 0);
    must(!places.legacy[CGROUP_PIDS].is_found);
    must(places.unified.is_found && strcmp(places.unified.own, "/sys/fs/cgroup/unified") == 0);
}

static void test_places_in_a_container(void)
{
    CgroupPlaces places;
    /* Bind-mounted part of the hierarchy, no group namespace. */
    cgroup_places_read("1 2 0:1 /docker/abc /sys/fs/cgroup ro - cgroup2 cgroup rw\n", "0::/docker/abc/inner\n", &places);
    must(places.unified.is_found && strcmp(places.unified.own, "/sys/fs/cgroup/inner") == 0);
    cgroup_places_read("1 2 0:1 /docker/abc /sys/fs/cgroup ro - cgroup2 cgroup rw\n", "0::/elsewhere\n", &places);
    must(places.unified.is_found && strcmp(places.unified.own, "/sys/fs/cgroup") == 0);
    cgroup_places_read("1 2 0:1 / /sys/fs/cgroup ro - cgroup2 cgroup rw\n", "0::/../outside\n", &places);
    must(places.unified.is_found && strcmp(places.unified.own, "/sys/fs/cgroup") == 0);
    cgroup_places_read("1 2 0:1 / /with\\040blank rw - cgroup2 cgroup rw\n", "0::/x\n", &places);
    must(places.unified.is_found && strcmp(places.unified.own, "/with blank/x") == 0);
}

static void test_places_of_garbage(void)
{
    static const char *const texts[] = {"", "\n\n", " - ", "1 2 3 4 5 6 - cgroup", "1 - cgroup2 x y", "- - - - - - - cgroup2 c d",
                                        "1 2 0:1 / /m rw - cgroup2 c rw", "::::", "0::", "0:memory", ":memory:/", "0::/x\n:::\n"};
    CgroupPlaces places;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        for (size_t j = 0; j < sizeof texts / sizeof texts[0]; j++) {
            cgroup_places_read(texts[i], texts[j], &places);
        }
    }
    char longest[6000];
    memset(longest, 'a', sizeof longest);
    memcpy(longest, "1 2 0:1 / /", 11);
    memcpy(longest + sizeof longest - 30, " rw - cgroup2 c rw\n", 20);
    cgroup_places_read(longest, "0::/x\n", &places);
    must(!places.unified.is_found);
}

/* --- v2 on plain files --- */

static void put_file(const char *directory, const char *name, const char *text)
{
    char path[300];
    (void)snprintf(path, sizeof path, "%s/%s", directory, name);
    must(file_write_atomic(AT_FDCWD, path, text, strlen(text), 0644, NULL) == 0);
}

static void expect_file(const char *name, const char *expected)
{
    char text[256];
    must(cgroup_read(group->fd[0], name, text, sizeof text) == 0);
    must(strcmp(text, expected) == 0);
}

static CgroupPlaces fake_tree(const char *controllers)
{
    CgroupPlaces places = {.unified = {.is_found = true}};
    must(tree_remove(AT_FDCWD, top, NULL) == 0 && mkdir(top, 0755) == 0);
    put_file(top, "cgroup.controllers", controllers);
    put_file(top, "cgroup.subtree_control", "");
    (void)snprintf(places.unified.mount, sizeof places.unified.mount, "%s", top);
    (void)snprintf(places.unified.own, sizeof places.unified.own, "%s/user/session", top);
    return places;
}

static void test_v2_limits(void)
{
    const SandboxLimits limits = {.memory_size = 12345678, .pids_count = 77, .cpus = 1.5};
    const char *note = "x";
    is_fake = true;
    fake_controllers = "cpuset cpu io memory pids\n";
    const CgroupPlaces places = fake_tree("cpu memory pids\n");
    must(cgroup_new_at(&places, true, "box", &limits, &group, &note, NULL) == 0 && group && note == NULL);
    expect_file("memory.max", "12345678");
    expect_file("memory.swap.max", "0");
    expect_file("pids.max", "77");
    expect_file("cpu.max", "150000 100000");
    must(cgroup_write(group->fd[0], "memory.events", "low 0\noom 3\noom_kill 2\n") == 0);
    must(cgroup_write(group->fd[0], "memory.peak", "4096\n") == 0);
    must(sandbox_cgroup_was_oom(group) && sandbox_cgroup_memory_peak(group) == 4096);
    must(sandbox_cgroup_add(group, 4242, NULL) == 0);
    expect_file("cgroup.procs", "4242");
    must(cgroup_write(group->fd[0], "cgroup.procs", "") == 0 && ftruncate(openat(group->fd[0], "cgroup.procs", O_WRONLY), 0) == 0);
    const int kill_fd = openat(group->fd[0], "cgroup.kill", O_RDONLY | O_CLOEXEC);
    group_free();
    char text[8] = "";
    must(read(kill_fd, text, 7) == 1 && text[0] == '1');
    (void)close(kill_fd);
    char path[300];
    (void)snprintf(path, sizeof path, "%s/recompiler", top);
    must(access(path, F_OK) == -1);
    is_fake = false;
}

static void test_v2_delegated(void)
{
    const SandboxLimits limits = {.memory_size = 1u << 20};
    const char *note = NULL;
    char path[300];
    is_fake = true;
    fake_controllers = "memory pids\n";
    const CgroupPlaces places = fake_tree("cpu memory pids\n");
    (void)snprintf(path, sizeof path, "%s/user", top);
    must(mkdir(path, 0755) == 0);
    put_file(path, "cgroup.subtree_control", "");
    (void)snprintf(path, sizeof path, "%s/user/session", top);
    must(mkdir(path, 0755) == 0);
    must(cgroup_new_at(&places, false, "box", &limits, &group, &note, NULL) == 0 && group);
    (void)snprintf(path, sizeof path, "%s/user/recompiler/box", top);
    must(access(path, F_OK) == 0); /* beside our own group, never in it */
    group_free();
    must(access(path, F_OK) == -1);
    is_fake = false;
}

static void test_v2_without_controllers(void)
{
    const SandboxLimits limits = {.memory_size = 1u << 20, .pids_count = 3, .cpus = 1};
    const char *note = NULL;
    SandboxCgroup *none = (SandboxCgroup *)(uintptr_t)1;
    is_fake = true;
    CgroupPlaces places = fake_tree("hugetlb\n");
    must(cgroup_new_at(&places, true, "box", &limits, &none, &note, NULL) == 0 && none == NULL && strstr(note, "rlimits"));
    /* Offered at the top, not handed down to children. */
    fake_controllers = "hugetlb\n";
    places = fake_tree("memory pids cpu\n");
    must(cgroup_new_at(&places, true, "box", &limits, &none, &note, NULL) == 0 && none == NULL && strstr(note, "cpus is ignored"));
    char path[300];
    (void)snprintf(path, sizeof path, "%s/recompiler", top);
    must(access(path, F_OK) == -1);
    /* cpu missing: a note, and the rest holds. */
    fake_controllers = "memory pids\n";
    places = fake_tree("memory pids\n");
    const SandboxLimits memory_only = {.memory_size = 1u << 20};
    must(cgroup_new_at(&places, true, "box", &memory_only, &group, &note, NULL) == 0 && group && note == NULL);
    group_free();
    is_fake = false;
}

static void test_bad_arguments(void)
{
    static const char *const names[] = {"", ".", "..", "a/b", "/", ".hidden", "a\nb", "recompiler"};
    const SandboxLimits none = {0};
    const SandboxLimits infinite = {.cpus = __builtin_inf()}, negative = {.cpus = -1}, nan_cpus = {.cpus = __builtin_nan("")};
    const char *note;
    Error err = ERROR_INIT;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        must(sandbox_cgroup_new(names[i], &none, &group, &note, &err) == -EINVAL && !group);
    }
    must(sandbox_cgroup_new("x", &infinite, &group, &note, &err) == -EINVAL && !group);
    must(sandbox_cgroup_new("x", &negative, &group, &note, &err) == -EINVAL && !group);
    must(sandbox_cgroup_new("x", &nan_cpus, &group, &note, &err) == -EINVAL && !group);
    must(!sandbox_cgroup_was_oom(NULL) && sandbox_cgroup_memory_peak(NULL) == 0 && sandbox_cgroup_free(NULL) == NULL);
}

/* --- real groups --- */

static char group_name[64];

/* false: skipped, with a reason. */
static bool group_new(const SandboxLimits *limits, CgroupController needed)
{
    const char *note = NULL;
    Error err = ERROR_INIT;
    (void)snprintf(group_name, sizeof group_name, "test-cgroup-%d", main_pid);
    must(sandbox_cgroup_new(group_name, limits, &group, &note, &err) == 0);
    if (!group) {
        tap_skip(note);
        return false;
    }
    if (!group->has_controller[needed]) {
        group_free();
        tap_skip(note ? note : "the controller is not there");
        return false;
    }
    return true;
}

/* A child that waits for the go and then runs. */
static pid_t child_in_group(void (*run)(void))
{
    int ends[2];
    char go;
    must(pipe2(ends, O_CLOEXEC) == 0);
    const pid_t pid = fork();
    must(pid >= 0);
    if (pid == 0) {
        (void)signal(SIGABRT, SIG_DFL);
        (void)close(ends[1]);
        must(read(ends[0], &go, 1) == 1);
        run();
        _exit(0);
    }
    must(sandbox_cgroup_add(group, pid, NULL) == 0 && write(ends[1], "g", 1) == 1);
    (void)close(ends[0]);
    (void)close(ends[1]);
    return pid;
}

/* By what was opened before: the process that joins has other ids and sees another root. */
static void test_join(void)
{
    const SandboxLimits limits = {.memory_size = 64u << 20, .pids_count = 10};
    if (!group_new(&limits, CGROUP_PIDS)) {
        return;
    }
    SandboxJoin join = SANDBOX_JOIN_INIT;
    must(sandbox_cgroup_join_open(group, 100, &join, NULL) == 0);
    int ends[2];
    char byte;
    must(pipe2(ends, O_CLOEXEC) == 0);
    const pid_t pid = fork();
    must(pid >= 0);
    if (pid == 0) {
        must(chroot("/proc/self") == 0 && chdir("/") == 0 && setresgid(65534, 65534, 65534) == 0 && setresuid(65534, 65534, 65534) == 0);
        must(sandbox_cgroup_join(&join, NULL) == 0);
        for (size_t i = 0; i < _CGROUP_N; i++) {
            must(join.fds[i] == -1);
        }
        must(write(ends[1], "j", 1) == 1);
        (void)pause();
    }
    (void)close(ends[1]);
    must(read(ends[0], &byte, 1) == 1);
    (void)close(ends[0]);
    for (size_t i = 0; i < _CGROUP_N; i++) {
        char text[64], want[32];
        must(group->fd[i] < 0 || join.fds[i] >= 100);
        must(group->fd[i] < 0 || cgroup_read(group->fd[i], group->is_unified ? "cgroup.procs" : "tasks", text, sizeof text) == 0);
        (void)snprintf(want, sizeof want, "%d\n", pid);
        must(group->fd[i] < 0 || strcmp(text, want) == 0);
        (void)close(join.fds[i]);
    }
    int status;
    must(kill(pid, SIGKILL) == 0 && waitpid(pid, &status, 0) == pid);
    group_free();
}

static void run_hog(void)
{
    uint8_t *memory = mmap(NULL, 256u << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    must(memory != MAP_FAILED);
    memset(memory, 1, 256u << 20);
}

static void test_memory_limit(void)
{
    const SandboxLimits limits = {.memory_size = 32u << 20};
    if (!group_new(&limits, CGROUP_MEMORY)) {
        return;
    }
    must(!sandbox_cgroup_was_oom(group));
    const pid_t pid = child_in_group(run_hog);
    int status;
    must(waitpid(pid, &status, 0) == pid && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    must(sandbox_cgroup_was_oom(group));
    const uint64_t peak = sandbox_cgroup_memory_peak(group);
    must(peak > (16u << 20) && peak <= (33u << 20));
    group_free();
}

static void run_fork_bomb(void)
{
    pid_t children[64];
    int count = 0;
    while (count < 64) {
        const pid_t pid = fork();
        if (pid == 0) {
            (void)pause();
            _exit(0);
        }
        if (pid < 0) {
            break;
        }
        children[count++] = pid;
    }
    const bool is_held = errno == EAGAIN && count == 7; /* this process is the eighth */
    for (int i = 0; i < count; i++) {
        (void)kill(children[i], SIGKILL);
    }
    _exit(is_held ? 0 : 1);
}

static void test_pids_limit(void)
{
    const SandboxLimits limits = {.pids_count = 8};
    if (!group_new(&limits, CGROUP_PIDS)) {
        return;
    }
    const pid_t pid = child_in_group(run_fork_bomb);
    int status;
    must(waitpid(pid, &status, 0) == pid && status == 0);
    group_free();
}

static void run_busy(void)
{
    for (volatile uint64_t i = 0;; i++) {
    }
}

static void test_cpu_limit(void)
{
    const SandboxLimits limits = {.cpus = 0.1};
    if (!group_new(&limits, CGROUP_CPU)) {
        return;
    }
    const pid_t pid = child_in_group(run_busy);
    const struct timespec time = {.tv_sec = 1};
    struct rusage usage;
    int status;
    (void)nanosleep(&time, NULL);
    must(kill(pid, SIGKILL) == 0 && wait4(pid, &status, 0, &usage) == pid);
    must(usage.ru_utime.tv_sec == 0 && usage.ru_utime.tv_usec < 400000); /* 0.1 s a second, and room for rounding */
    group_free();
}

static void run_stubborn(void)
{
    (void)signal(SIGTERM, SIG_IGN);
    for (int i = 0; i < 3; i++) {
        if (fork() == 0) {
            (void)setsid();
        }
    }
    for (;;) {
        (void)pause();
    }
}

static void test_free_kills_and_removes(void)
{
    const SandboxLimits limits = {.pids_count = 64};
    char text[256];
    if (!group_new(&limits, CGROUP_PIDS)) {
        return;
    }
    const int group_fd = dup(group->fd[group->is_unified ? 0 : CGROUP_PIDS]);
    const pid_t pid = child_in_group(run_stubborn);
    /* In use: the same name cannot be taken. */
    SandboxCgroup *second = NULL;
    const char *note;
    must(sandbox_cgroup_new(group_name, &limits, &second, &note, NULL) < 0 && !second);
    const struct timespec time = {.tv_nsec = 50000000};
    (void)nanosleep(&time, NULL);
    group_free();
    int status;
    must(waitpid(pid, &status, 0) == pid && WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    must(cgroup_read(group_fd, "cgroup.procs", text, sizeof text) < 0); /* the directory is gone */
    (void)close(group_fd);
}

static void test_stale_directory_is_taken_over(void)
{
    const SandboxLimits limits = {.pids_count = 64};
    if (!group_new(&limits, CGROUP_PIDS)) {
        return;
    }
    SandboxCgroup *stale = group; /* as after a crash: directories are there, nobody is in them */
    group = NULL;
    must(group_new(&limits, CGROUP_PIDS));
    const pid_t pid = child_in_group(run_stubborn);
    for (size_t i = 0; i < _CGROUP_N; i++) {
        fd_closep(&stale->fd[i]);
        fd_closep(&stale->parent_fd[i]);
        fd_closep(&stale->base_fd[i]);
    }
    free(stale);
    group_free();
    must(waitpid(pid, NULL, 0) == pid);
}

/* --- rlimits --- */

static void run_rlimits(void)
{
    const SandboxLimits limits = {.memory_size = 16u << 20, .pids_count = 5, .open_files_count = 64};
    struct rlimit limit;
    must(sandbox_rlimits(&limits, NULL) == 0);
    must(getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur > LIMIT_GUEST_FDS && limit.rlim_cur == limit.rlim_max);
    must(getrlimit(RLIMIT_CORE, &limit) == 0 && limit.rlim_max == 0);
    must(getrlimit(RLIMIT_NPROC, &limit) == 0 && limit.rlim_max == 5);
}

static void run_data_limit(void)
{
    const SandboxLimits limits = {.memory_size = 16u << 20};
    must(sandbox_rlimits(&limits, NULL) == 0);
    /* Reserving address space is free, using it is not. */
    uint8_t *memory = mmap(NULL, 8ull << 30, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    must(memory != MAP_FAILED && mprotect(memory, 8u << 20, PROT_READ | PROT_WRITE) == 0);
    must(mprotect(memory, 200u << 20, PROT_READ | PROT_WRITE) == -1 && errno == ENOMEM);
    must(mmap(NULL, 200u << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED && errno == ENOMEM);
}

static void run_rlimits_with_group(void)
{
    const SandboxLimits limits = {.memory_size = 16u << 20, .pids_count = 5, .cpus = 1};
    const SandboxCgroup memory_only = {.has_controller = {[CGROUP_MEMORY] = true}};
    SandboxLimits rest = sandbox_cgroup_rest(NULL, &limits);
    must(rest.memory_size == limits.memory_size && rest.pids_count == 5 && rest.cpus > 0);
    rest = sandbox_cgroup_rest(&memory_only, &limits);
    must(rest.memory_size == 0 && rest.pids_count == 5 && rest.cpus > 0);
    struct rlimit before, after;
    must(getrlimit(RLIMIT_DATA, &before) == 0 && sandbox_rlimits(&rest, NULL) == 0 && getrlimit(RLIMIT_DATA, &after) == 0);
    must(before.rlim_max == after.rlim_max && getrlimit(RLIMIT_NPROC, &after) == 0 && after.rlim_max == 5);
}

static void run_rlimits_too_low(void)
{
    const struct rlimit low = {.rlim_cur = 256, .rlim_max = 256};
    const SandboxLimits none = {0};
    Error err = ERROR_INIT;
    must(setrlimit(RLIMIT_NOFILE, &low) == 0 && sandbox_rlimits(&none, &err) == -EMFILE && err.hint[0]);
}

static void test_rlimits(void)
{
    void (*const runs[])(void) = {run_rlimits, run_rlimits_with_group, run_rlimits_too_low};
    for (size_t i = 0; i < sizeof runs / sizeof runs[0]; i++) {
        const pid_t pid = fork();
        must(pid >= 0);
        if (pid == 0) {
            (void)signal(SIGABRT, SIG_DFL);
            runs[i]();
            _exit(0);
        }
        int status;
        must(waitpid(pid, &status, 0) == pid && status == 0);
    }
}

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define HAS_SHADOW true /* the sanitizer's shadow memory counts as data */
#else
#define HAS_SHADOW false
#endif

static void test_data_limit(void)
{
    if (HAS_SHADOW) {
        tap_skip("the sanitizer's own memory is above the limit");
        return;
    }
    const pid_t pid = fork();
    must(pid >= 0);
    if (pid == 0) {
        (void)signal(SIGABRT, SIG_DFL);
        run_data_limit();
        _exit(0);
    }
    int status;
    must(waitpid(pid, &status, 0) == pid && status == 0);
}

static void test_probes(void)
{
    SandboxProbe probes[32];
    const size_t count = sandbox_probe(probes, 32);
    must(count >= 8 && sandbox_probe(probes, 3) == 3);
    must(sandbox_probe(probes, 32) == count);
    for (size_t i = 0; i < count; i++) {
        must(probes[i].name && probes[i].remedy && probes[i].detail[0] && memchr(probes[i].detail, 0, sizeof probes[i].detail));
        /* AddressSanitizer's shadow lies where linear memory would. */
        must(probes[i].is_available || !probes[i].is_needed || (HAS_SHADOW && strcmp(probes[i].name, "memory base") == 0));
        (void)printf("# %s: %s: %s\n", probes[i].name, probes[i].is_available ? "yes" : "no", probes[i].detail);
    }
}

int main(void)
{
    main_pid = getpid();
    must(mkdtemp(top));
    (void)atexit(cleanup);
    (void)signal(SIGABRT, on_abort);
    static const TapCase cases[] = {
        {"places of v1", test_places_of_v1},
        {"places in a container", test_places_in_a_container},
        {"places of garbage", test_places_of_garbage},
        {"v2 limits", test_v2_limits},
        {"v2 delegated", test_v2_delegated},
        {"v2 without controllers", test_v2_without_controllers},
        {"bad arguments", test_bad_arguments},
        {"a process joins with other ids and another root", test_join},
        {"memory limit kills", test_memory_limit},
        {"pids limit holds", test_pids_limit},
        {"cpu limit holds", test_cpu_limit},
        {"free kills and removes", test_free_kills_and_removes},
        {"stale directory is taken over", test_stale_directory_is_taken_over},
        {"rlimits", test_rlimits},
        {"data limit", test_data_limit},
        {"probes", test_probes},
    };
    return tap_main(cases, TAP_COUNT(cases));
}
