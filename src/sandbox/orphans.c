/* SPDX-License-Identifier: Apache-2.0 */
/*
 * orphans.c - the end of a container that has no pid namespace: nothing of it may be left, also what has daemonised.
 *
 * A process that adopts the orphans below it (PR_SET_CHILD_SUBREAPER) is the ancestor of everything the container has
 * started, for ever. Its descendants are found in /proc by their parents, all at once, and killed, again and again until no child
 * is left: what was forked meanwhile is found in the next round, by then as our own child at the latest.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "sandbox/container-int.h"

#define ROUNDS 5000 /* of 1 ms and a look into /proc each */

typedef struct Process {
    pid_t pid, parent;
    bool is_ours;
} Process;

void orphans_adopt(void)
{
    (void)prctl(PR_SET_CHILD_SUBREAPER, 1); /* Linux 3.4 */
}

/* "PID (NAME) STATE PPID ...": the name may hold anything, also ')'. Return: 0 when it cannot be read. */
static pid_t parent_of(int proc_fd, const char *pid)
{
    char path[32], text[512];
    size_t size = 0;
    (void)snprintf(path, sizeof path, "%.16s/stat", pid);
    _cleanup_(fd_closep) int fd = openat(proc_fd, path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fd_read_full(fd, text, sizeof text - 1, &size) < 0) {
        return 0;
    }
    text[size] = '\0';
    const char *name_end = strrchr(text, ')');
    return name_end && strlen(name_end) > 4 ? (pid_t)strtol(name_end + 4, NULL, 10) : 0;
}

/* Return: how many; *ret_list by free(). */
static size_t processes_read(Process **ret_list)
{
    size_t count = 0, capacity = 0;
    DIR *proc = opendir("/proc");
    *ret_list = NULL;
    for (const struct dirent *entry; proc && (entry = readdir(proc)) != NULL;) {
        if (!isdigit((unsigned char)entry->d_name[0])) {
            continue;
        }
        if (count == capacity) {
            capacity = capacity ? 2 * capacity : 256;
            Process *list = reallocarray(*ret_list, capacity, sizeof *list);
            if (!list) {
                break; /* those known so far are killed, the others in the next round */
            }
            *ret_list = list;
        }
        (*ret_list)[count++] = (Process){.pid = (pid_t)strtol(entry->d_name, NULL, 10), .parent = parent_of(dirfd(proc), entry->d_name)};
    }
    if (proc) {
        (void)closedir(proc);
    }
    return count;
}

static bool is_descendant(const Process *list, size_t count, pid_t parent)
{
    if (parent == getpid()) {
        return true;
    }
    for (size_t i = 0; i < count; i++) {
        if (list[i].pid == parent) {
            return list[i].is_ours;
        }
    }
    return false;
}

static void descendants_kill(void)
{
    _cleanup_(freep) Process *list = NULL;
    const size_t count = processes_read(&list);
    bool is_changed = true;
    while (is_changed) { /* as many times as generations, when pids are not in the order of birth */
        is_changed = false;
        for (size_t i = 0; i < count; i++) {
            if (!list[i].is_ours && is_descendant(list, count, list[i].parent)) {
                list[i].is_ours = is_changed = true;
                (void)kill(list[i].pid, SIGKILL);
            }
        }
    }
}

/* The pids of our children as text, without a look at all processes (CONFIG_PROC_CHILDREN). Return: bytes, or 0 when the kernel cannot tell. */
static size_t children_read(char *text, size_t size)
{
    size_t got = 0;
    char path[64];
    (void)snprintf(path, sizeof path, "/proc/self/task/%d/children", (int)getpid());
    _cleanup_(fd_closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fd_read_full(fd, text, size - 1, &got) < 0) {
        got = 0;
    }
    text[got] = '\0';
    return got;
}

/* Return: how many children other than `kept` were sent a SIGKILL. */
static size_t children_kill(pid_t kept)
{
    char text[4096];
    size_t count = 0;
    if (children_read(text, sizeof text) > 0) {
        char *rest = text;
        for (const char *word = strsep(&rest, " "); word != NULL && rest != NULL; word = strsep(&rest, " ")) { /* a last one that is cut: next round */
            const pid_t pid = (pid_t)strtol(word, NULL, 10);
            if (pid > 0 && pid != kept && kill(pid, SIGKILL) == 0) {
                count++;
            }
        }
        return count;
    }
    _cleanup_(freep) Process *list = NULL;
    const size_t all = processes_read(&list);
    for (size_t i = 0; i < all; i++) {
        if (list[i].parent == getpid() && list[i].pid != kept && kill(list[i].pid, SIGKILL) == 0) {
            count++;
        }
    }
    return count;
}

void orphans_sweep(pid_t kept)
{
    const struct timespec pause = {.tv_nsec = 200000};
    for (int round = 0; round < ROUNDS && children_kill(kept) > 0; round++) {
        siginfo_t info;
        do { /* `kept` is for the caller to reap: looked at first, taken only when it is another */
            info.si_pid = 0;
            if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0 || info.si_pid == 0 || info.si_pid == kept) {
                break;
            }
        } while (waitpid(info.si_pid, NULL, 0) > 0);
        if (info.si_pid == kept) {
            return; /* then all the others end by orphans_end() */
        }
        (void)nanosleep(&pause, NULL);
    }
}

void orphans_end(void)
{
    const struct timespec pause = {.tv_nsec = 1000000};
    for (int round = 0; round < ROUNDS; round++) {
        pid_t pid;
        do {
            pid = waitpid(-1, NULL, WNOHANG);
        } while (pid > 0);
        if (pid < 0 && errno == ECHILD) {
            return;
        }
        descendants_kill();
        (void)nanosleep(&pause, NULL);
    }
}
