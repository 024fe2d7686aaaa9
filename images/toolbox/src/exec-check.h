/* SPDX-License-Identifier: Apache-2.0 */
/*
 * exec-check.h - how an interpreter asks whether it may take code from a file, with the interface of Linux 6.14:
 * prctl(PR_GET_SECUREBITS) says whether to ask, execveat(fd, "", AT_EMPTY_PATH | AT_EXECVE_CHECK) asks. Under recompiler the
 * manifest's flags `interpreter` and `deny_inline` set the bits, and the exec gate answers by the file's SHA-256.
 * Source: Documentation/userspace-api/check_exec.rst.
 */
#pragma once

#include <errno.h>
#include <sys/prctl.h>

#define EXEC_CHECK_RESTRICT_FILE (1 << 8)
#define EXEC_CHECK_DENY_INTERACTIVE (1 << 10)

/* musl has no wrapper of execveat: the call of the wali ABI itself. */
__attribute__((import_module("wali"), import_name("SYS_execveat"))) long long exec_check_execveat(int fd, const char *path, char **argv, char **envp, int flags);

static inline int exec_check_bits(void)
{
    const int bits = prctl(27 /* PR_GET_SECUREBITS */, 0, 0, 0, 0);
    return bits < 0 ? 0 : bits;
}

/* May code be taken from this open file? 0, or -1 with errno (EACCES). */
static inline int exec_check_file(int fd)
{
    if ((exec_check_bits() & EXEC_CHECK_RESTRICT_FILE) == 0) {
        return 0;
    }
    const long long r = exec_check_execveat(fd, "", (char **)0, (char **)0, 0x1000 | 0x10000);
    if (r < 0) {
        errno = (int)-r;
    }
    return r < 0 ? -1 : 0;
}

/* May code be taken from an argument or from standard input? */
static inline int exec_check_is_inline_denied(void)
{
    return (exec_check_bits() & EXEC_CHECK_DENY_INTERACTIVE) != 0;
}
