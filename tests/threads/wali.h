/* SPDX-License-Identifier: Apache-2.0 */
/* wali.h - the imports that the programs of this folder use, declared by hand. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define IMPORT(module, name) __attribute__((import_module(module), import_name(name)))
#if defined(WALI)
#define CALL(name) IMPORT("wali", "SYS_" #name) int64_t SYS_##name
CALL(write)(int fd, const void *bytes, size_t size);
CALL(read)(int fd, void *bytes, size_t size);
CALL(futex)(void *word, unsigned operation, int value, void *timeout, void *word2, int value3);
CALL(exit)(int status);
CALL(exit_group)(int status);
CALL(sched_yield)(void);
CALL(clock_gettime)(int clock, void *time);
CALL(nanosleep)(const void *time, void *remain);
CALL(gettid)(void);
CALL(getpid)(void);
CALL(set_tid_address)(void *word);
CALL(set_robust_list)(void *head, size_t size);
CALL(tgkill)(int pid, int tid, int signal);
CALL(tkill)(int tid, int signal);
CALL(kill)(int pid, int signal);
CALL(rt_sigaction)(int signal, const void *action, void *old, size_t size);
CALL(rt_sigprocmask)(int how, const void *set, void *old, size_t size);
CALL(fork)(void);
CALL(wait4)(int pid, int *status, int options, void *usage);
CALL(execve)(const char *path, void *argv, void *envp);
CALL(pipe2)(int *fds, int flags);
CALL(close)(int fd);
CALL(dup2)(int fd, int target);
CALL(fchmod)(int fd, int mode);
CALL(stat)(const char *path, void *status);
CALL(chdir)(const char *path);
CALL(open)(const char *path, int flags, int mode);
CALL(openat)(int dirfd, const char *path, int flags, int mode);
CALL(mmap)(void *address, size_t size, int protection, int flags, int fd, int64_t offset);
CALL(munmap)(void *address, size_t size);
CALL(pause)(void);
IMPORT("wali", "__wasm_thread_spawn") int wasm_thread_spawn(void *function, void *argument);
IMPORT("wali", "__cl_get_argc") unsigned cl_get_argc(void);
IMPORT("wali", "__cl_get_argv_len") unsigned cl_get_argv_len(unsigned index);
IMPORT("wali", "__cl_copy_argv") int cl_copy_argv(char *buffer, unsigned index);
#define host_spawn(function, argument) wasm_thread_spawn((void *)(function), (argument))
#define host_write(bytes, size) ((void)SYS_write(1, (bytes), (size)))
#else
#define CALL(name) IMPORT("wasi_snapshot_preview1", #name)
typedef struct Piece {
    const void *bytes;
    size_t size;
} Piece;
CALL(fd_write) int wasi_fd_write(int fd, const Piece *pieces, size_t count, size_t *ret_size);
CALL(proc_exit) void wasi_proc_exit(int status) __attribute__((noreturn));
CALL(sched_yield) int wasi_sched_yield(void);
CALL(clock_time_get) int wasi_clock_time_get(int clock, uint64_t precision, uint64_t *ret_time);
CALL(args_sizes_get) int wasi_args_sizes_get(uint32_t *ret_count, uint32_t *ret_size);
CALL(args_get) int wasi_args_get(char **pointers, char *bytes);
IMPORT("wasi", "thread-spawn") int wasi_thread_spawn(void *argument);
#define host_spawn(function, argument) wasi_thread_spawn(argument)
#define host_write(bytes, size)                              \
    do {                                                     \
        const Piece piece_ = {(bytes), (size)};              \
        size_t written_;                                     \
        (void)wasi_fd_write(1, &piece_, 1, &written_);       \
    } while (0)
#endif
