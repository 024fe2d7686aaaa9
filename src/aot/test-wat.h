/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-wat.h - what the unit tests of src/aot share: modules from their text form. Only test-*.c include it.
 */
#pragma once

#include <fcntl.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/must.h"

#define WAT2WASM "/usr/bin/wat2wasm"

/* Every test skips without it. */
static bool has_wat2wasm(void)
{
    const bool has_it = access(WAT2WASM, X_OK) == 0;
    if (!has_it) {
        printf("1..0 # SKIP %s is not installed (package wabt)\n", WAT2WASM);
    }
    return has_it;
}

/* @path: where the binary goes; the text lies beside it. */
static void wat_to_wasm(const char *text, size_t text_size, const char *path)
{
    char source[256];
    must(snprintf(source, sizeof(source), "%s.wat", path) < (int)sizeof(source));
    must(file_write_atomic(AT_FDCWD, source, text, text_size, 0600, NULL) == 0);
    const char *arguments[] = {WAT2WASM, "--enable-all", "--debug-names", source, "-o", path, NULL};
    char *environment[] = {NULL};
    pid_t pid;
    int status;
    must(posix_spawn(&pid, WAT2WASM, NULL, NULL, (char **)arguments, environment) == 0); /* which does not change them */
    must(waitpid(pid, &status, 0) == pid && status == 0);
}
