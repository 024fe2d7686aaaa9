/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cgroup.c - one control group a container, in a directory "recompiler" of ours.
 *
 *   v2  MOUNT/recompiler/NAME when root; else in the nearest delegated ancestor of our own group. One directory.
 *   v1  below our own group in each controller's hierarchy, so that limits put on us hold: OWN/recompiler/NAME.
 *
 * v2 is taken when it has the memory and pids controllers. A directory left by a crash is taken over when it is empty.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/must.h"
#include "sandbox/sandbox-int.h"

#define PARENT_NAME "recompiler"
#define NAME_SIZE 128
#define CPU_PERIOD_US 100000u
#define CPU_QUOTA_MIN_US 1000u
#define KILL_ATTEMPTS 2000      /* of 1 ms each */
#define REMOVE_ATTEMPTS 200

struct SandboxCgroup {
    bool is_unified;
    int base_fd[_CGROUP_N];   /* owned: the directory that "recompiler" lies in; v2 uses index 0 only */
    int parent_fd[_CGROUP_N]; /* owned: "recompiler" */
    int fd[_CGROUP_N];        /* owned: the group; -1 when there is no such controller */
    bool has_controller[_CGROUP_N];
    char name[NAME_SIZE];
};

static const char *const unified_names[_CGROUP_N] = {"memory", "pids", "cpu"};

int cgroup_read(int directory_fd, const char *file, char *text, size_t size)
{
    size_t read_size = 0;
    _cleanup_(fd_closep) int fd = openat(directory_fd, file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) {
        return -errno;
    }
    const int r = fd_read_full(fd, text, size - 1, &read_size);
    text[r < 0 ? 0 : read_size] = '\0';
    return r;
}

static void fds_close(int *fds, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        fds[i] = fd_close(fds[i]);
    }
}

static int cgroup_write(int directory_fd, const char *file, const char *text)
{
    _cleanup_(fd_closep) int fd = openat(directory_fd, file, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
    return fd < 0 ? -errno : fd_write_full(fd, text, strlen(text));
}

static int cgroup_write_number(int directory_fd, const char *file, uint64_t value)
{
    char text[32];
    (void)snprintf(text, sizeof text, "%llu", (unsigned long long)value);
    return cgroup_write(directory_fd, file, text);
}

/* The number after "NAME " at the start of a line. */
static bool field_number(const char *text, const char *name, uint64_t *ret_value)
{
    const size_t size = strlen(name);
    for (const char *line = text; line; line = strchr(line, '\n'), line = line ? line + 1 : NULL) {
        if (strncmp(line, name, size) == 0 && line[size] == ' ') {
            *ret_value = strtoull(line + size + 1, NULL, 10);
            return true;
        }
    }
    return false;
}

static int open_directory(int at_fd, const char *path)
{
    const int fd = openat(at_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    return fd < 0 ? -errno : fd;
}

/* mkdir and open "recompiler" in base. A neighbour may remove it, empty, at any moment. */
static int open_parent(int base_fd)
{
    if (mkdirat(base_fd, PARENT_NAME, 0755) < 0 && errno != EEXIST) {
        return -errno;
    }
    return open_directory(base_fd, PARENT_NAME);
}

/* The group's directory in parent, which is opened again if a neighbour has just removed it. */
static int make_group(SandboxCgroup *cgroup, size_t i)
{
    for (int attempt = 0; attempt < 10; attempt++) {
        if (mkdirat(cgroup->parent_fd[i], cgroup->name, 0755) == 0) {
            cgroup->fd[i] = open_directory(cgroup->parent_fd[i], cgroup->name);
            return cgroup->fd[i] < 0 ? cgroup->fd[i] : 0;
        }
        if (errno == EEXIST && unlinkat(cgroup->parent_fd[i], cgroup->name, AT_REMOVEDIR) < 0) {
            return -EEXIST; /* in use, or not ours */
        } else if (errno == ENOENT || errno == ENODEV) {
            fd_close(cgroup->parent_fd[i]);
            cgroup->parent_fd[i] = open_parent(cgroup->base_fd[i]);
            if (cgroup->parent_fd[i] < 0) {
                return cgroup->parent_fd[i];
            }
        } else if (errno != EEXIST && errno != 0) {
            return -errno;
        }
    }
    return -EBUSY;
}

/* The kernel takes no quota under 1 ms. */
static uint64_t cpu_quota_us(const SandboxLimits *limits)
{
    const uint64_t quota = (uint64_t)(limits->cpus * CPU_PERIOD_US);
    return quota < CPU_QUOTA_MIN_US ? CPU_QUOTA_MIN_US : quota;
}

static bool is_wanted(const SandboxLimits *limits, size_t i)
{
    return i == CGROUP_MEMORY ? limits->memory_size != 0 : i == CGROUP_PIDS ? limits->pids_count != 0 : limits->cpus > 0;
}

/* --- v2 --- */

/* Lets the children of directory have the controllers; those that are refused stay away. */
static void enable_controllers(int directory_fd)
{
    for (size_t i = 0; i < _CGROUP_N; i++) {
        char text[16];
        (void)snprintf(text, sizeof text, "+%s", unified_names[i]);
        (void)cgroup_write(directory_fd, "cgroup.subtree_control", text);
    }
}

/* Tries base/recompiler/NAME. Return: 0; < 0 not here, nothing is left. */
static int unified_try(SandboxCgroup *cgroup, const char *base, const SandboxLimits *limits)
{
    char text[256];
    cgroup->base_fd[0] = open_directory(AT_FDCWD, base);
    if (cgroup->base_fd[0] < 0) {
        return cgroup->base_fd[0];
    }
    enable_controllers(cgroup->base_fd[0]);
    cgroup->parent_fd[0] = open_parent(cgroup->base_fd[0]);
    int r = cgroup->parent_fd[0] < 0 ? cgroup->parent_fd[0] : 0;
    if (r == 0) {
        enable_controllers(cgroup->parent_fd[0]);
        r = make_group(cgroup, 0);
    }
    r = r == 0 ? cgroup_read(cgroup->fd[0], "cgroup.controllers", text, sizeof text) : r;
    for (size_t i = 0; r == 0 && i < _CGROUP_N; i++) {
        cgroup->has_controller[i] = cgroup_word(text, unified_names[i]);
        r = is_wanted(limits, i) && !cgroup->has_controller[i] ? -ENOENT : 0;
    }
    if (r < 0) {
        (void)unlinkat(cgroup->parent_fd[0], cgroup->name, AT_REMOVEDIR);
        (void)unlinkat(cgroup->base_fd[0], PARENT_NAME, AT_REMOVEDIR);
        fd_closep(&cgroup->fd[0]);
        fd_closep(&cgroup->parent_fd[0]);
        fd_closep(&cgroup->base_fd[0]);
    }
    return r;
}

static int unified_new(SandboxCgroup *cgroup, const CgroupPlace *place, bool is_root, const SandboxLimits *limits)
{
    char base[sizeof place->own];
    char text[256];
    _cleanup_(fd_closep) int mount_fd = open_directory(AT_FDCWD, place->mount);
    if (mount_fd < 0) {
        return -ENOENT;
    }
    int r = cgroup_read(mount_fd, "cgroup.controllers", text, sizeof text);
    if (r < 0 || !cgroup_word(text, "memory") || !cgroup_word(text, "pids")) {
        return -ENOENT;
    }
    cgroup->is_unified = true;
    if (is_root && unified_try(cgroup, place->mount, limits) == 0) {
        return 0;
    }
    /* Our own group holds processes, so that only its ancestors may have children with controllers. */
    (void)snprintf(base, sizeof base, "%s", place->own);
    const size_t mount_size = strlen(place->mount);
    for (char *slash = strrchr(base, '/'); slash && (size_t)(slash - base) >= mount_size; slash = strrchr(base, '/')) {
        *slash = '\0';
        if (access(base, W_OK) == 0 && unified_try(cgroup, base, limits) == 0) {
            return 0;
        }
    }
    cgroup->is_unified = false;
    return -ENOENT;
}

static int unified_limit(const SandboxCgroup *cgroup, const SandboxLimits *limits)
{
    const int fd = cgroup->fd[0];
    char text[64];
    int r = 0;
    if (limits->memory_size) {
        r = cgroup_write_number(fd, "memory.max", limits->memory_size);
        /* Absent without swap. */
        const int swap = cgroup_write_number(fd, "memory.swap.max", 0);
        r = r == 0 && swap < 0 && swap != -ENOENT ? swap : r;
    }
    if (r == 0 && limits->pids_count) {
        r = cgroup_write_number(fd, "pids.max", limits->pids_count);
    }
    if (r == 0 && limits->cpus > 0) {
        (void)snprintf(text, sizeof text, "%llu %u", (unsigned long long)cpu_quota_us(limits), CPU_PERIOD_US);
        r = cgroup_write(fd, "cpu.max", text);
    }
    return r;
}

/* --- v1 --- */

/* Memory always (for the peak, and to find every process again); the others only for a limit: joining one costs a lock of the kernel. */
static int legacy_new(SandboxCgroup *cgroup, const CgroupPlaces *places, const SandboxLimits *limits)
{
    size_t count = 0;
    int failure = -ENOENT;
    for (size_t i = 0; i < _CGROUP_N; i++) {
        const CgroupPlace *place = &places->legacy[i];
        const bool is_used = place->is_found && (i == CGROUP_MEMORY || is_wanted(limits, i));
        cgroup->base_fd[i] = is_used ? open_directory(AT_FDCWD, place->own) : -1;
        if (cgroup->base_fd[i] < 0) {
            continue;
        }
        cgroup->parent_fd[i] = open_parent(cgroup->base_fd[i]);
        const int r = cgroup->parent_fd[i] < 0 ? cgroup->parent_fd[i] : make_group(cgroup, i);
        if (r == -EEXIST) {
            return r;
        }
        failure = r < 0 ? r : failure;
        cgroup->has_controller[i] = r == 0;
        count += r == 0;
    }
    return count ? 0 : failure == -EEXIST ? failure : -ENOENT;
}

static int legacy_limit(const SandboxCgroup *cgroup, const SandboxLimits *limits)
{
    int r = 0;
    if (limits->memory_size && cgroup->has_controller[CGROUP_MEMORY]) {
        const int fd = cgroup->fd[CGROUP_MEMORY];
        r = cgroup_write_number(fd, "memory.limit_in_bytes", limits->memory_size);
        /* Memory and swap together; absent without swap accounting. */
        const int swap = cgroup_write_number(fd, "memory.memsw.limit_in_bytes", limits->memory_size);
        r = r == 0 && swap < 0 && swap != -ENOENT ? swap : r;
    }
    if (r == 0 && limits->pids_count && cgroup->has_controller[CGROUP_PIDS]) {
        r = cgroup_write_number(cgroup->fd[CGROUP_PIDS], "pids.max", limits->pids_count);
    }
    if (r == 0 && limits->cpus > 0 && cgroup->has_controller[CGROUP_CPU]) {
        r = cgroup_write_number(cgroup->fd[CGROUP_CPU], "cpu.cfs_period_us", CPU_PERIOD_US);
        r = r == 0 ? cgroup_write_number(cgroup->fd[CGROUP_CPU], "cpu.cfs_quota_us", cpu_quota_us(limits)) : r;
    }
    return r;
}

/* --- both --- */

static bool name_is_good(const char *name)
{
    const size_t size = strlen(name);
    return size > 0 && size < NAME_SIZE && name[0] != '.' && !strpbrk(name, "/\n") && strcmp(name, PARENT_NAME) != 0;
}

SandboxLimits sandbox_cgroup_rest(const SandboxCgroup *cgroup, const SandboxLimits *limits)
{
    SandboxLimits rest = *limits;
    if (cgroup) {
        rest.memory_size = cgroup->has_controller[CGROUP_MEMORY] ? 0 : rest.memory_size;
        rest.pids_count = cgroup->has_controller[CGROUP_PIDS] ? 0 : rest.pids_count;
        rest.cpus = cgroup->has_controller[CGROUP_CPU] ? 0 : rest.cpus;
    }
    return rest;
}

/* What the limits that were asked for fall back to; NULL: nothing. */
static const char *fallback_note(const SandboxCgroup *cgroup, const SandboxLimits *limits)
{
    const SandboxLimits rest = sandbox_cgroup_rest(cgroup, limits);
    if (!cgroup) {
        return rest.cpus > 0 ? "no control group may be made: memory and pids limits hold per process and per user other than root (rlimits), cpus is ignored"
                         : "no control group may be made: memory and pids limits hold per process and per user other than root (rlimits)";
    }
    if (rest.memory_size) {
        return "no memory controller: the memory limit holds per process (rlimit)";
    }
    if (rest.pids_count) {
        return "no pids controller: the pids limit holds per user other than root (rlimit)";
    }
    return rest.cpus > 0 ? "no cpu controller: cpus is ignored" : NULL;
}

static void sandbox_cgroup_freep(SandboxCgroup **cgroup)
{
    *cgroup = sandbox_cgroup_free(*cgroup);
}

int cgroup_new_at(const CgroupPlaces *places, bool is_root, const char *name, const SandboxLimits *limits, SandboxCgroup **ret_cgroup,
                  const char **ret_note, Error *err)
{
    _cleanup_(sandbox_cgroup_freep) SandboxCgroup *cgroup = NULL;
    if (!name_is_good(name)) {
        return error_set(err, EINVAL, "control group: bad name %s", name);
    }
    if (!(limits->cpus >= 0 && limits->cpus <= 1e6)) {
        return error_set(err, EINVAL, "control group: bad number of cpus");
    }
    cgroup = calloc(1, sizeof *cgroup);
    if (!cgroup) {
        return error_set(err, ENOMEM, "control group: out of memory");
    }
    for (size_t i = 0; i < _CGROUP_N; i++) {
        cgroup->base_fd[i] = cgroup->parent_fd[i] = cgroup->fd[i] = -1;
    }
    (void)snprintf(cgroup->name, sizeof cgroup->name, "%s", name);

    int r = places->unified.is_found ? unified_new(cgroup, &places->unified, is_root, limits) : -ENOENT;
    if (r == -ENOENT) {
        r = legacy_new(cgroup, places, limits);
    }
    if (r == -ENOENT) {
        *ret_cgroup = NULL;
        *ret_note = fallback_note(NULL, limits);
        return 0;
    }
    if (r < 0) {
        return error_set(err, -r, "control group %s: %s", name, r == -EEXIST ? "a container of that name is running" : strerror(-r));
    }
    r = cgroup->is_unified ? unified_limit(cgroup, limits) : legacy_limit(cgroup, limits);
    if (r < 0) {
        return error_set(err, -r, "control group %s: cannot set limits: %s", name, strerror(-r));
    }
    *ret_note = fallback_note(cgroup, limits);
    *ret_cgroup = steal(&cgroup);
    return 0;
}

int sandbox_cgroup_new(const char *name, const SandboxLimits *limits, SandboxCgroup **ret_cgroup, const char **ret_note, Error *err)
{
    CgroupPlaces places;
    const int r = cgroup_places_find(&places);
    if (r < 0) {
        places = (CgroupPlaces){0}; /* no /proc: no control groups */
    }
    return cgroup_new_at(&places, geteuid() == 0, name, limits, ret_cgroup, ret_note, err);
}

int sandbox_cgroup_add(SandboxCgroup *cgroup, pid_t pid, Error *err)
{
    must(cgroup && pid > 0);
    for (size_t i = 0; i < _CGROUP_N; i++) {
        const int r = cgroup->fd[i] < 0 ? 0 : cgroup_write_number(cgroup->fd[i], "cgroup.procs", (uint64_t)pid);
        if (r < 0) {
            return error_set(err, -r, "control group %s: cannot add process %d: %s", cgroup->name, pid, strerror(-r));
        }
    }
    return 0;
}

int sandbox_cgroup_join_open(const SandboxCgroup *cgroup, int minimum_fd, SandboxJoin *ret_join, Error *err)
{
    must(cgroup && ret_join);
    const char *file = cgroup->is_unified ? "cgroup.procs" : "tasks";
    *ret_join = (SandboxJoin)SANDBOX_JOIN_INIT;
    for (size_t i = 0; i < _CGROUP_N; i++) {
        const int fd = cgroup->fd[i] < 0 ? -1 : openat(cgroup->fd[i], file, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
        int r = fd < 0 && cgroup->fd[i] >= 0 ? -errno : 0;
        r = fd < 0 ? r : fd_move_high(fd, minimum_fd, &ret_join->fds[i]);
        if (r < 0) {
            fd_close(fd);
            fds_close(ret_join->fds, _CGROUP_N);
            return error_set(err, -r, "control group %s: cannot open %s: %s", cgroup->name, file, strerror(-r));
        }
    }
    return 0;
}

int sandbox_cgroup_join(SandboxJoin *join, Error *err)
{
    must(join);
    int r = 0;
    for (size_t i = 0; r == 0 && i < _CGROUP_N; i++) {
        r = join->fds[i] < 0 ? 0 : fd_write_full(join->fds[i], "0", 1);
    }
    fds_close(join->fds, _CGROUP_N);
    return r < 0 ? error_set(err, -r, "control group: cannot join: %s", strerror(-r)) : 0;
}

bool sandbox_cgroup_was_oom(const SandboxCgroup *cgroup)
{
    char text[1024];
    uint64_t count = 0;
    if (!cgroup || !cgroup->has_controller[CGROUP_MEMORY]) {
        return false;
    }
    const int fd = cgroup->fd[CGROUP_MEMORY]; /* index 0 in v2 as well */
    const int r = cgroup_read(fd, cgroup->is_unified ? "memory.events" : "memory.oom_control", text, sizeof text);
    return r == 0 && field_number(text, "oom_kill", &count) && count > 0;
}
_Static_assert(CGROUP_MEMORY == 0, "v2 keeps its only directory at the memory controller's place");

uint64_t sandbox_cgroup_memory_peak(const SandboxCgroup *cgroup)
{
    char text[64];
    if (!cgroup || !cgroup->has_controller[CGROUP_MEMORY]) {
        return 0;
    }
    const int fd = cgroup->fd[CGROUP_MEMORY];
    int r = cgroup_read(fd, cgroup->is_unified ? "memory.peak" : "memory.max_usage_in_bytes", text, sizeof text);
    if (r == -ENOENT) {
        r = cgroup_read(fd, "memory.current", text, sizeof text); /* v2 before Linux 5.19 */
    }
    return r == 0 ? strtoull(text, NULL, 10) : 0;
}

void cgroup_describe(const SandboxCgroup *cgroup, char *text, size_t text_size)
{
    (void)snprintf(text, text_size, "%s:%s%s%s", cgroup->is_unified ? "v2" : "v1", cgroup->has_controller[CGROUP_MEMORY] ? " memory" : "",
                   cgroup->has_controller[CGROUP_PIDS] ? " pids" : "", cgroup->has_controller[CGROUP_CPU] ? " cpu" : "");
}

static void sleep_1ms(void)
{
    const struct timespec time = {.tv_nsec = 1000000};
    (void)nanosleep(&time, NULL);
}

/* Kills what is in the group. Return: how many there were. */
static size_t kill_members(int fd)
{
    char text[8192];
    size_t count = 0;
    if (cgroup_read(fd, "cgroup.procs", text, sizeof text) < 0) {
        return 0;
    }
    char *rest = NULL;
    for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        const long pid = strtol(line, NULL, 10);
        count++;
        if (pid > 0 && pid != getpid()) {
            (void)kill((pid_t)pid, SIGKILL);
        }
    }
    return count;
}

static void group_end(SandboxCgroup *cgroup, size_t i)
{
    if (cgroup->fd[i] >= 0) {
        /* v2 since 5.14: everything at once, newly forked processes included. */
        const int r = cgroup->is_unified ? cgroup_write(cgroup->fd[i], "cgroup.kill", "1") : -ENOENT;
        for (int attempt = 0; attempt < KILL_ATTEMPTS; attempt++) {
            const size_t count = kill_members(cgroup->fd[i]);
            if (count == 0) {
                break;
            }
            if (r == 0 || attempt > 0) {
                sleep_1ms();
            }
        }
        fd_closep(&cgroup->fd[i]);
        /* The last process may still be on its way out. */
        for (int attempt = 0; attempt < REMOVE_ATTEMPTS; attempt++) {
            if (unlinkat(cgroup->parent_fd[i], cgroup->name, AT_REMOVEDIR) == 0 || errno != EBUSY) {
                break;
            }
            sleep_1ms();
        }
    }
    fd_closep(&cgroup->parent_fd[i]);
    if (cgroup->base_fd[i] >= 0) {
        (void)unlinkat(cgroup->base_fd[i], PARENT_NAME, AT_REMOVEDIR); /* fails while others use it */
        fd_closep(&cgroup->base_fd[i]);
    }
}

SandboxCgroup *sandbox_cgroup_free(SandboxCgroup *cgroup)
{
    if (cgroup) {
        for (size_t i = 0; i < _CGROUP_N; i++) {
            group_end(cgroup, i);
        }
        free(cgroup);
    }
    return NULL;
}
