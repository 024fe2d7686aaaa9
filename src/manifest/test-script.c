/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The #! parser against the kernel's own: thousands of lines are executed for real, with this very program as
 * interpreter, which prints the arguments the kernel gave it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/must.h"
#include "manifest/script.h"

#define LINES 1000

static int test_count;
static char scratch[] = "/tmp/ts-XXXXXX";
static char script[64];

static void ok(const char *name)
{
    printf("ok %d - %s\n", ++test_count, name);
}

static void expect(const char *bytes, size_t size, const char *interpreter, const char *argument)
{
    ScriptLine line;
    const int r = script_line_parse(bytes, size, &line);
    if (interpreter == NULL
            ? r != -ENOEXEC
            : r != 0 || strcmp(line.interpreter, interpreter) != 0 || strcmp(line.argument, argument) != 0) {
        printf("not ok - %.*s: %d \"%s\" \"%s\"\n", (int)size, bytes, r, r == 0 ? line.interpreter : "",
               r == 0 ? line.argument : "");
        exit(1);
    }
}

static void test_table(void)
{
    static const struct {
        const char *text, *interpreter, *argument;
    } cases[] = {
        {"#!/bin/sh\n", "/bin/sh", ""},
        {"#!/bin/sh", "/bin/sh", ""},
        {"#! \t /bin/sh -e  -u \t\nx", "/bin/sh", "-e  -u"},
        {"#!/bin/sh\r\n", "/bin/sh\r", ""},
        {"#!/bin/sh -e\r\n", "/bin/sh", "-e\r"},
        {"#!sh\n", "sh", ""},
        {"#!\n", NULL, NULL},
        {"#!   \n/bin/sh\n", NULL, NULL},
        {"#!", NULL, NULL},
        {"", NULL, NULL},
        {"#", NULL, NULL},
        {" #!/bin/sh\n", NULL, NULL},
        {"\x7f"
         "ELF",
         NULL, NULL},
        {"#!/bin/sh ", "/bin/sh", ""},
        {"#!/bin/sh\t-x", "/bin/sh", "-x"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        expect(cases[i].text, strlen(cases[i].text), cases[i].interpreter, cases[i].argument);
    }
    char line[600];
    memset(line, 'a', sizeof(line));
    memcpy(line, "#!/", 3);
    expect(line, sizeof(line), NULL, NULL); /* the name may be cut */
    line[200] = ' ';
    char name[300], argument[300];
    memset(name, 'a', sizeof(name));
    name[0] = '/';
    name[198] = '\0';
    memset(argument, 'a', sizeof(argument));
    argument[54] = '\0'; /* bytes 201..254: the last of the 256 is not part of the line */
    expect(line, sizeof(line), name, argument);
    line[255] = '\n';
    expect(line, sizeof(line), name, argument);
    expect("#!/bin/a\0b c\n", 13, "/bin/a", "");
    ok("table of lines");
}

/* Runs the script; its output ("<argv1>\0<argv2>\0.." of the interpreter, argv[0] first). Return: 0 or the errno of
 * execve. */
static int run_script(char *output, size_t capacity, size_t *ret_size)
{
    int pipe_fds[2];
    must(pipe2(pipe_fds, O_CLOEXEC) == 0);
    const pid_t child = fork();
    must(child >= 0);
    if (child == 0) {
        char *const argv[] = {script, NULL};
        char *const envp[] = {NULL};
        must(dup2(pipe_fds[1], 1) == 1);
        execve(script, argv, envp);
        _exit(errno);
    }
    fd_close(pipe_fds[1]);
    must(fd_read_full(pipe_fds[0], output, capacity, ret_size) == 0);
    fd_close(pipe_fds[0]);
    int status = 0;
    must(waitpid(child, &status, 0) == child && WIFEXITED(status));
    return WEXITSTATUS(status);
}

/* A line made of a few pieces, so that all rules meet each other. */
static size_t random_line(char *line, size_t capacity, unsigned *state)
{
    char interpreter[64];
    (void)snprintf(interpreter, sizeof(interpreter), "%s/i", scratch);
    const char *const pieces[] = {
        " ", "\t", interpreter, interpreter, "x", "-a", "\r", "\n", "\\", "   ", "interpreters-argument-that-is-long"};
    size_t size = 2;
    memcpy(line, "#!", 2);
    const unsigned count = (unsigned)rand_r(state) % 14;
    for (unsigned i = 0; i < count; i++) {
        const unsigned choice = (unsigned)rand_r(state) % 13;
        if (choice == 11) {
            line[size++] = '\0';
        } else if (choice == 12) { /* up to the end of what the kernel looks at */
            const size_t until = 240 + (size_t)rand_r(state) % 24;
            while (size < until) {
                line[size++] = rand_r(state) % 40 == 0 ? ' ' : 'y';
            }
        } else {
            const char *piece = i == 0 && choice > 3 ? interpreter : pieces[choice];
            must(size + strlen(piece) < capacity);
            memcpy(line + size, piece, strlen(piece));
            size += strlen(piece);
        }
    }
    return size;
}

static void mismatch(const char *line, size_t size, int code, const char *output, const ScriptLine *ours, int r)
{
    printf("not ok - line of %zu bytes: ", size);
    for (size_t i = 0; i < size; i++) {
        printf(line[i] >= 0x20 && line[i] < 0x7f ? "%c" : "\\x%02x", line[i]);
    }
    printf("\n# kernel: %d \"%s\" \"%s\"\n# ours: %d \"%s\" \"%s\"\n", code, output, output + strlen(output) + 1, r,
           ours->interpreter, ours->argument);
    exit(1);
}

static void test_kernel(void)
{
    unsigned state = 20261124;
    unsigned run_count = 0;
    unsigned refused_count = 0;
    for (int i = 0; i < LINES; i++) {
        char line[1024];
        char output[2048] = {0};
        size_t output_size = 0;
        const size_t size = random_line(line, sizeof(line) - 1, &state);
        line[size] = '\0';
        _cleanup_(fd_closep) int fd = open(script, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);
        must(fd >= 0 && fd_write_full(fd, line, size) == 0);
        fd = fd_close(fd);
        const int code = run_script(output, sizeof(output) - 2, &output_size);
        ScriptLine ours = {0};
        const int r = script_line_parse(line, size, &ours);
        if (code == 0) {
            /* argv: interpreter, [argument], script */
            const char *argument = output + strlen(output) + 1;
            if (strcmp(argument, script) == 0 && argument + strlen(argument) + 1 == output + output_size) {
                argument = "";
            }
            if (r != 0 || strcmp(ours.interpreter, output) != 0 || strcmp(ours.argument, argument) != 0) {
                mismatch(line, size, code, output, &ours, r);
            }
            run_count++;
        } else {
            /* ENOENT, EACCES, ENOTDIR..: the kernel found a name that is none of a program; ENOEXEC: no usable line. */
            const size_t name = 2 + strspn(line + 2, " \t");
            const bool is_empty =
                name >= size || line[name] == '\0'; /* the kernel then opens "", we say ENOEXEC at once */
            if ((code == ENOEXEC) != (r == -ENOEXEC) && !(is_empty && r == -ENOEXEC)) {
                mismatch(line, size, code, output, &ours, r);
            }
            refused_count++;
        }
    }
    printf("# %u lines started the interpreter, %u did not\n", run_count, refused_count);
    must(run_count > LINES / 10 && refused_count > LINES / 10);
    ok("1000 lines give what the kernel gives");
}

int main(int argc, char **argv)
{
    if (argc > 0 && strlen(argv[0]) > 2 && strcmp(argv[0] + strlen(argv[0]) - 2, "/i") == 0) {
        for (int i = 0; i < argc; i++) {
            must(fd_write_full(1, argv[i], strlen(argv[i]) + 1) == 0);
        }
        return 0;
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    test_table();
    char self[LIMIT_PATH_SIZE];
    const ssize_t size = readlink("/proc/self/exe", self, sizeof(self) - 1);
    must(mkdtemp(scratch) != NULL);
    char link_path[64];
    must(snprintf(script, sizeof(script), "%s/s", scratch) > 0 &&
         snprintf(link_path, sizeof(link_path), "%s/i", scratch) > 0);
    if (size < 0) {
        printf("ok %d - lines against the kernel # SKIP no /proc/self/exe here\n", ++test_count);
    } else {
        self[size] = '\0';
        must(symlink(self, link_path) == 0);
        test_kernel();
    }
    must(tree_remove(AT_FDCWD, scratch, NULL) == 0);
    printf("1..%d\n", test_count);
    return 0;
}
