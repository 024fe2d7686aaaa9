/* SPDX-License-Identifier: Apache-2.0 */
/* system, popen in both directions, posix_spawn with file actions. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    printf("system true %d false %d\n", system("exit 0"), WEXITSTATUS(system("exit 3")));
    fflush(stdout);
    system("echo from the shell");
    char line[128];
    FILE *in = popen("for i in 1 2 3; do echo line $i; done; exit 5", "r");
    while (fgets(line, sizeof line, in) != NULL) {
        fputs(line, stdout);
    }
    printf("pclose %d\n", WEXITSTATUS(pclose(in)));
    FILE *out = popen("while read -r x; do echo \"got $x\"; done", "w");
    fputs("alpha\nbeta\n", out);
    printf("pclose %d\n", WEXITSTATUS(pclose(out)));
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 1, "spawned.txt", O_WRONLY | O_CREAT | O_TRUNC, 0644);
    char *const arguments[] = {"sh", "-c", "echo spawned; exit 4", NULL};
    pid_t pid;
    int status;
    printf("spawn %d\n", posix_spawn(&pid, "/bin/sh", &actions, NULL, arguments, environ));
    waitpid(pid, &status, 0);
    printf("status %d\n", WEXITSTATUS(status));
    FILE *file = fopen("spawned.txt", "r");
    printf("file: %s", fgets(line, sizeof line, file));
    fclose(file);
    unlink("spawned.txt");
    printf("spawn of nothing fails: %d\n", posix_spawn(&pid, "/no/such", NULL, NULL, arguments, environ) != 0);
    return 0;
}
