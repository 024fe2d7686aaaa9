/* SPDX-License-Identifier: Apache-2.0 */
/*
 * workdir.h - a directory for what is under construction: its owner holds it by flock(2), so one that nobody holds was left by a
 * process that was killed, and whoever makes the next one there removes it.
 */
#pragma once

#include "base/error.h"
#include "base/limits.h"

typedef struct WorkDir {
    char path[LIMIT_PATH_SIZE]; /* "" when there is none */
    int lock_fd;                /* owned */
} WorkDir;

#define WORK_DIR_INIT ((WorkDir){.lock_fd = -1})

/*
 * work_dir_make() - PARENT/<prefix>XXXXXX, mode 0700, empty, held; sweeps first.
 * @prefix: of ours alone: whatever directory of that name nobody holds is removed.
 */
int work_dir_make(const char *parent, const char *prefix, WorkDir *ret_work, Error *err) WARN_UNUSED;
/* work_dir_remove() - with all that is in it; best effort, because the next one sweeps. Nothing happens to an empty WorkDir. */
void work_dir_remove(WorkDir *work);
/* work_dir_sweep() - removes the directories of dirfd with that prefix that nobody holds. */
void work_dir_sweep(int dirfd, const char *prefix);
