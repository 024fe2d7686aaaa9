/* SPDX-License-Identifier: Apache-2.0 */
#include "base/must.h"

#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/tap.h"

/* Runs fail() in a child and returns how it died; what it wrote to stderr is in text. */
static int run_failing(void (*fail)(void), char *text, size_t text_size)
{
    int ends[2];
    must(pipe(ends) == 0);
    const pid_t pid = fork();
    must(pid >= 0);
    if (pid == 0) {
        const struct rlimit no_core = {0};
        (void)setrlimit(RLIMIT_CORE, &no_core);
        (void)signal(SIGABRT, SIG_DFL);
        (void)dup2(ends[1], STDERR_FILENO);
        fail();
        _exit(0);
    }
    (void)close(ends[1]);
    size_t used = 0;
    ssize_t n;
    while (used < text_size - 1 && (n = read(ends[0], text + used, text_size - 1 - used)) > 0) {
        used += (size_t)n;
    }
    text[used] = '\0';
    (void)close(ends[0]);
    int status;
    must(waitpid(pid, &status, 0) == pid);
    return status;
}

static void fail_plain(void)
{
    must(1 == 2);
}

static void fail_long(void)
{
    char expression[2000];
    memset(expression, 'x', sizeof expression - 1);
    expression[sizeof expression - 1] = '\0';
    must_fail(expression, "file.c", 2147483647);
}

static void fail_without_stderr(void)
{
    (void)close(STDERR_FILENO);
    must_fail("x", "f", 0);
}

static void test_message(void)
{
    char text[1024];
    const int status = run_failing(fail_plain, text, sizeof text);
    must(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    must(strncmp(text, "must: src/base/test-must.c:", 27) == 0);
    must(strstr(text, ": 1 == 2\n"));
}

static void test_long_expression_is_cut(void)
{
    char text[1024];
    const int status = run_failing(fail_long, text, sizeof text);
    must(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    must(strncmp(text, "must: file.c:2147483647: xxx", 28) == 0);
    must(strlen(text) == 512 && text[511] == '\n');
}

static void test_closed_stderr_still_aborts(void)
{
    char text[64];
    const int status = run_failing(fail_without_stderr, text, sizeof text);
    must(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    must(text[0] == '\0');
}

static void test_value_is_evaluated_once(void)
{
    int count = 0;
    must(++count);
    must(count == 1);
    dbg_must(++count);
#ifdef RC_DEBUG
    must(count == 2);
#else
    must(count == 1); /* type-checked only */
#endif
}

int main(void)
{
    static const TapCase cases[] = {
        {"message has file, line, expression", test_message},
        {"long expression is cut to one line", test_long_expression_is_cut},
        {"closed stderr still aborts", test_closed_stderr_still_aborts},
        {"value is evaluated once", test_value_is_evaluated_once},
    };
    return tap_main(cases, TAP_COUNT(cases));
}
