/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/must.h"
#include "base/tap.h"
#include "base/workdir.h"

static char parent[] = "/tmp/test-workdir-XXXXXX";

static bool is_there(const char *path)
{
    return access(path, F_OK) == 0;
}

static void make_file(const char *directory)
{
    char path[LIMIT_PATH_SIZE + 8];
    (void)snprintf(path, sizeof(path), "%s/file", directory);
    must(file_write_atomic(AT_FDCWD, path, "x", 1, 0600, NULL) == 0);
}

/* What is held stays, what a dead owner left goes, what is not ours by name stays. */
static void test_sweep(void)
{
    WorkDir first = WORK_DIR_INIT;
    WorkDir second = WORK_DIR_INIT;
    char left[LIMIT_PATH_SIZE];
    char other[LIMIT_PATH_SIZE];
    char file[LIMIT_PATH_SIZE];
    must(work_dir_make(parent, "work-", &first, NULL) == 0);
    make_file(first.path);
    (void)snprintf(left, sizeof(left), "%s/work-left", parent);
    (void)snprintf(other, sizeof(other), "%s/other", parent);
    (void)snprintf(file, sizeof(file), "%s/work-file", parent);
    must(mkdir(left, 0700) == 0 && mkdir(other, 0700) == 0 && symlink("other", file) == 0);
    make_file(left);
    make_file(other);
    must(work_dir_make(parent, "work-", &second, NULL) == 0);
    must(is_there(first.path) && is_there(second.path) && strcmp(first.path, second.path) != 0);
    must(!is_there(left) && is_there(other) && is_there(file));
    struct stat status;
    must(stat(second.path, &status) == 0 && (status.st_mode & 0777) == 0700);
    char path[LIMIT_PATH_SIZE];
    (void)snprintf(path, sizeof(path), "%s", first.path);
    work_dir_remove(&first);
    must(!is_there(path) && first.path[0] == '\0' && first.lock_fd == -1);
    work_dir_remove(&first); /* nothing happens */
    second.lock_fd = fd_close(second.lock_fd); /* as if it was killed */
    must(work_dir_make(parent, "work-", &first, NULL) == 0);
    must(!is_there(second.path));
    work_dir_remove(&first);
}

static void test_errors(void)
{
    Error err = ERROR_INIT;
    WorkDir work = WORK_DIR_INIT;
    must(work_dir_make("/nosuch/directory", "work-", &work, &err) == -ENOENT && work.path[0] == '\0');
    must(strstr(err.message, "/nosuch/directory") != NULL);
}

int main(void)
{
    static const TapCase cases[] = {{"sweep", test_sweep}, {"errors", test_errors}};
    must(mkdtemp(parent) != NULL);
    const int code = tap_main(cases, TAP_COUNT(cases));
    must(tree_remove(AT_FDCWD, parent, NULL) == 0);
    return code;
}
