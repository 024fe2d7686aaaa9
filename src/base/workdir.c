/* SPDX-License-Identifier: Apache-2.0 */
/*
 * workdir.c - make, hold, sweep.
 *
 * Between mkdtemp(3) and flock(2) a neighbour may take the new directory for one that was left and remove it: whether the name
 * still leads to the directory that is held is looked at afterwards, and if not another one is made.
 */
#include "base/workdir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/must.h"

#define MAKE_ATTEMPTS 16

void work_dir_sweep(int dirfd_, const char *prefix)
{
    const int own_fd = openat(dirfd_, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = own_fd < 0 ? NULL : fdopendir(own_fd);
    if (dir == NULL) {
        (void)fd_close(own_fd);
        return;
    }
    const struct dirent *entry;
    while ((entry = readdir(dir)) != NULL) {
        if (strncmp(entry->d_name, prefix, strlen(prefix)) != 0) {
            continue;
        }
        struct stat status;
        _cleanup_(fd_closep) int fd = openat(own_fd, entry->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd >= 0 && fstat(fd, &status) == 0 && status.st_uid == geteuid() && flock(fd, LOCK_EX | LOCK_NB) == 0) {
            error_ignore(tree_remove(own_fd, entry->d_name, NULL)); /* tried again by the next one */
        }
    }
    (void)closedir(dir);
}

/* Holds work->path. Return: true it is still the directory of that name. */
static bool work_dir_hold(WorkDir *work)
{
    struct stat by_fd;
    struct stat by_name;
    _cleanup_(fd_closep) int fd = open(work->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0 || fstat(fd, &by_fd) < 0 || lstat(work->path, &by_name) < 0 ||
        by_fd.st_ino != by_name.st_ino || by_fd.st_dev != by_name.st_dev) {
        return false;
    }
    work->lock_fd = steal_fd(&fd);
    return true;
}

int work_dir_make(const char *parent, const char *prefix, WorkDir *ret_work, Error *err)
{
    must(parent != NULL && prefix != NULL && prefix[0] != '\0');
    WorkDir work = WORK_DIR_INIT;
    _cleanup_(fd_closep) int parent_fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (parent_fd < 0) {
        return error_set(err, errno, "%s: %s", parent, strerror(errno));
    }
    work_dir_sweep(parent_fd, prefix);
    for (int attempt = 0; attempt < MAKE_ATTEMPTS; attempt++) {
        if (snprintf(work.path, sizeof(work.path), "%s/%sXXXXXX", parent, prefix) >= (int)sizeof(work.path)) {
            return error_set(err, ENAMETOOLONG, "%.64s...: path too long", parent);
        }
        if (mkdtemp(work.path) == NULL) {
            return error_set(err, errno, "%s: cannot make a work directory: %s", parent, strerror(errno));
        }
        if (work_dir_hold(&work)) {
            *ret_work = work;
            return 0;
        }
        (void)rmdir(work.path); /* gone, or not held: then it is empty */
    }
    return error_set(err, EBUSY, "%s: cannot hold a work directory", parent);
}

void work_dir_remove(WorkDir *work)
{
    if (work->path[0] != '\0') {
        error_ignore(tree_remove(AT_FDCWD, work->path, NULL));
        work->path[0] = '\0';
    }
    work->lock_fd = fd_close(work->lock_fd);
}
