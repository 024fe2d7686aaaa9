/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wasm2c-host.c - the WASI calls of the modules of bench/engine, for the C that wabt's wasm2c writes from them: the peer
 * wasm2c-gcc-O3 of bench/engine. Out-of-bounds accesses are found by guard pages, as in ours. Compiled with the generated
 * guest.h on the include path; trusts its module, for it runs only ours.
 */

#include "guest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef struct Z_wasi_snapshot_preview1_instance_t {
    wasm_rt_memory_t *memory;
    int argc;
    char **argv;
} Host;

enum { ERRNO_SUCCESS = 0, ERRNO_BADF = 8, ERRNO_SPIPE = 70 };

static void store32(Host *host, u32 address, u32 value)
{
    memcpy(host->memory->data + address, &value, sizeof(value));
}

static u32 load32(Host *host, u32 address)
{
    u32 value;
    memcpy(&value, host->memory->data + address, sizeof(value));
    return value;
}

u32 Z_wasi_snapshot_preview1Z_args_sizes_get(Host *host, u32 ret_count, u32 ret_size)
{
    u32 size = 0;
    for (int i = 0; i < host->argc; i++) {
        size += (u32)strlen(host->argv[i]) + 1;
    }
    store32(host, ret_count, (u32)host->argc);
    store32(host, ret_size, size);
    return ERRNO_SUCCESS;
}

u32 Z_wasi_snapshot_preview1Z_args_get(Host *host, u32 pointers, u32 bytes)
{
    for (int i = 0; i < host->argc; i++) {
        const size_t size = strlen(host->argv[i]) + 1;
        store32(host, pointers + 4 * (u32)i, bytes);
        memcpy(host->memory->data + bytes, host->argv[i], size);
        bytes += (u32)size;
    }
    return ERRNO_SUCCESS;
}

u32 Z_wasi_snapshot_preview1Z_clock_time_get(Host *host, u32 clock, u64 precision, u32 ret_time)
{
    (void)clock, (void)precision;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    const u64 value = (u64)now.tv_sec * 1000000000u + (u64)now.tv_nsec;
    memcpy(host->memory->data + ret_time, &value, sizeof(value));
    return ERRNO_SUCCESS;
}

u32 Z_wasi_snapshot_preview1Z_fd_close(Host *host, u32 fd)
{
    (void)host, (void)fd;
    return ERRNO_SUCCESS;
}

u32 Z_wasi_snapshot_preview1Z_fd_fdstat_get(Host *host, u32 fd, u32 ret_stat)
{
    if (fd > 2) {
        return ERRNO_BADF;
    }
    memset(host->memory->data + ret_stat, 0, 24);
    host->memory->data[ret_stat] = 2; /* a character device */
    return ERRNO_SUCCESS;
}

u32 Z_wasi_snapshot_preview1Z_fd_seek(Host *host, u32 fd, u64 offset, u32 whence, u32 ret_offset)
{
    (void)host, (void)fd, (void)offset, (void)whence, (void)ret_offset;
    return ERRNO_SPIPE;
}

u32 Z_wasi_snapshot_preview1Z_fd_write(Host *host, u32 fd, u32 vectors, u32 count, u32 ret_size)
{
    u32 written = 0;
    for (u32 i = 0; i < count; i++) {
        const u32 at = load32(host, vectors + 8 * i), size = load32(host, vectors + 8 * i + 4);
        written += (u32)fwrite(host->memory->data + at, 1, size, fd == 2 ? stderr : stdout);
    }
    store32(host, ret_size, written);
    return ERRNO_SUCCESS;
}

/* Files: there are none. The modules link these calls and do not make them. */
#define REFUSED(name, ...) \
    u32 Z_wasi_snapshot_preview1Z_##name(Host *host, __VA_ARGS__) { return (void)host, ERRNO_BADF; }
REFUSED(fd_read, u32 fd, u32 vectors, u32 count, u32 ret_size)
REFUSED(fd_fdstat_set_flags, u32 fd, u32 flags)
REFUSED(fd_renumber, u32 from, u32 to)
REFUSED(fd_prestat_get, u32 fd, u32 ret_prestat)
REFUSED(fd_prestat_dir_name, u32 fd, u32 path, u32 size)
REFUSED(path_open, u32 fd, u32 flags, u32 path, u32 size, u32 open_flags, u64 rights, u64 inheriting, u32 fd_flags, u32 ret_fd)

void Z_wasi_snapshot_preview1Z_proc_exit(Host *host, u32 status)
{
    (void)host;
    exit((int)status);
}

int main(int argc, char **argv)
{
    static Z_guest_instance_t instance;
    static Host host;
    wasm_rt_init();
    Z_guest_init_module();
    host = (Host){.argc = argc, .argv = argv};
    Z_guest_instantiate(&instance, &host);
    host.memory = Z_guestZ_memory(&instance);
    Z_guestZ__start(&instance);
    wasm_rt_free();
    return 0;
}
