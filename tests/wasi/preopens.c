/* SPDX-License-Identifier: Apache-2.0 */
/* preopens.c - prints the directories that a WASI program finds open, its environment, and what opening a directory for writing answers. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <wasi/api.h>

extern char **environ;

int main(void)
{
    __wasi_prestat_t stat;
    for (__wasi_fd_t fd = 3; __wasi_fd_prestat_get(fd, &stat) == 0; fd++) {
        char name[256] = "";
        __wasi_fd_t opened;
        if (stat.u.dir.pr_name_len < sizeof(name) && __wasi_fd_prestat_dir_name(fd, (uint8_t *)name, stat.u.dir.pr_name_len) == 0) {
            printf("open %s", name);
            printf(" %d", __wasi_path_open(fd, 0, "here", 0, __WASI_RIGHTS_FD_READ, 0, 0, &opened) == 0);
            printf(" %d", __wasi_path_open(fd, 0, "../here", 0, __WASI_RIGHTS_FD_READ, 0, 0, &opened) == 0);
            printf(" %d\n", __wasi_path_open(fd, 0, ".", __WASI_OFLAGS_DIRECTORY, __WASI_RIGHTS_FD_READ | __WASI_RIGHTS_FD_WRITE, 0, 0, &opened) == __WASI_ERRNO_ISDIR);
        }
    }
    for (char **pair = environ; pair != NULL && *pair != NULL; pair++) {
        printf("env %s\n", *pair);
    }
    return 0;
}
