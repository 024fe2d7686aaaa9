/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wasi.c - the same attacks through wasi_snapshot_preview1: descriptors of the runtime, paths out of the preopened directory, rights that grow,
 * pointers and counts that overflow. Raw imports, past wasi-libc. Results are WASI's error numbers: 0 success, 8 BADF, 21 FAULT, 28 INVAL, 44 NOENT,
 * 76 NOTCAPABLE.
 */
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "wasi-calls.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define CALL(name, ...) calls[CALL_##name].call((const int64_t[9]){__VA_ARGS__})
#define P(pointer) ((int64_t)(uint32_t)(uintptr_t)(pointer))
#define TEXT(text) P(text), (int64_t)strlen(text)
enum { BADF = 8, FAULT = 21, INVAL = 28, NOENT = 44, NOTCAPABLE = 76, ROOT = 3, AREA = 32768, RUNTIME_FD = 1030 };
#define ALL_RIGHTS ((1ll << 30) - 1)

static const char *outside;
static bool is_plain;
static _Alignas(4096) uint8_t area[AREA + 4096];
static uint32_t file_fd, directory_fd;

static const char *say(const char *format, ...)
{
    static char buffers[16][512];
    static unsigned next;
    char *text = buffers[next++ % COUNT(buffers)];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, 512, format, arguments);
    va_end(arguments);
    return text;
}

static void put(const char *text)
{
    const uint32_t iov[2] = {(uint32_t)P(text), (uint32_t)strlen(text)};
    uint32_t written;
    (void)CALL(fd_write, 1, P(iov), 1, P(&written));
}

static void row(bool is_good, const char *name, const char *want, const char *got) { put(say("%s - %s: want %s, got %s\n", is_good ? "ok" : "not ok", name,
    want, got)); }

/* want: numbers separated by '|'; "!0": any error. */
static bool is_wanted(const char *want, int32_t got)
{
    const char *name = say("%d", (int)got);
    for (const char *word = want; *word != '\0'; word += *word == '|') {
        const size_t size = strcspn(word, "|");
        if ((strlen(name) == size && memcmp(word, name, size) == 0) || (size == 2 && memcmp(word, "!0", 2) == 0 && got != 0)) {
            return true;
        }
        word += size;
    }
    return false;
}

static void expect(const char *name, const char *want, int32_t got) { row(is_wanted(want, got), name, want, say("%d", (int)got)); }

static int32_t open_at(int64_t fd, const char *path, int64_t oflags, int64_t rights, uint32_t *ret_fd)
{
    const int64_t own_rights = (oflags & 2) != 0 ? rights & ~(1ll << 6) : rights; /* a directory is not opened for FD_WRITE: ISDIR */
    return CALL(path_open, fd, 1, TEXT(path), oflags, own_rights, ALL_RIGHTS, 0, P(ret_fd));
}

static const char *read_text(uint32_t fd)
{
    static char text[64];
    const uint32_t iov[2] = {(uint32_t)P(text), sizeof text - 1};
    uint32_t got = 0;
    memset(text, 0, sizeof text);
    (void)CALL(fd_pread, fd, P(iov), 1, 0, P(&got));
    return text;
}

/* --- arguments with which each call would do something harmless --- */

static void set(int64_t a[9], int64_t b, int64_t c, int64_t d, int64_t e, int64_t f, int64_t g)
{
    const int64_t values[6] = {b, c, d, e, f, g};
    memcpy(a, values, sizeof values);
}

static void arguments_for(int call, int64_t a[9])
{
    static const char name[] = "nosuch", link[] = "links/etc";
    const uint32_t iov[4] = {(uint32_t)P(area), 8, (uint32_t)P(area + 8), 8};
    memset(area, 0, AREA);
    memset(a, 0, 9 * sizeof a[0]);
    memcpy(area + 8192, iov, sizeof iov);
    for (int i = 0; calls[call].kinds[i] != '\0'; i++) {
        const char kind = calls[call].kinds[i];
        const bool is_path = strncmp(calls[call].name, "path_", 5) == 0;
        a[i] = kind == 'f' ? (is_path ? directory_fd : file_fd) : kind == 'p' ? (is_path ? P(name) : P(area + 4096)) : kind == 'n' ? (is_path ? 6 : 16) : 0;
    }
    switch (call) {
    case CALL_fd_read: case CALL_fd_write: set(a, file_fd, P(area + 8192), 2, P(area + 4096), 0, 0); break;
    case CALL_fd_pread: case CALL_fd_pwrite: set(a, file_fd, P(area + 8192), 2, 0, P(area + 4096), 0); break;
    case CALL_fd_filestat_set_size: a[1] = 16; break;
    case CALL_fd_allocate: a[2] = 16; break;
    case CALL_fd_seek: a[2] = 0; break;
    case CALL_fd_readdir: set(a, directory_fd, P(area), 4096, 0, P(area + 8192), 0); break;
    case CALL_fd_prestat_get: case CALL_fd_prestat_dir_name: a[0] = ROOT; break;
    case CALL_fd_renumber: a[1] = directory_fd; break;
    case CALL_path_open: a[8] = P(area + 4096); break;
    case CALL_path_filestat_get: set(a, ROOT, 0, TEXT("etc"), P(area + 4096), 0); break;
    case CALL_path_readlink: set(a, ROOT, TEXT(link), P(area), 64, P(area + 4096)); break;
    case CALL_poll_oneoff: set(a, P(area), P(area + 4096), 1, P(area + 8192), 0, 0); break;
    case CALL_sock_recv: case CALL_sock_send: a[1] = P(area + 8192); a[2] = 2; break;
    case CALL_fd_fdstat_set_rights: set(a, file_fd, ALL_RIGHTS, 0, 0, 0, 0); break;
    default: break;
    }
}

static const char *argument_name(int call, int argument) { return say("%s, argument %d", calls[call].name, argument + 1); }

static void descriptors(void)
{
    static const uint32_t extremes[] = {1100, 2047, 3000, 4095, 65536, 0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff, 500, 1023};
    for (int call = 0; call < CALL_COUNT; call++) {
        for (int argument = 0; calls[call].kinds[argument] != '\0'; argument++) {
            const char *failed = NULL;
            if (calls[call].kinds[argument] != 'f') {
                continue;
            }
            for (int i = 0; i < 40 + (int)COUNT(extremes); i++) {
                int64_t a[9];
                arguments_for(call, a);
                a[argument] = i < 40 ? (uint32_t)(1024 + i) : extremes[i - 40];
                const int32_t r = calls[call].call(a);
                /* of two names the first is looked for before the second descriptor */
                if (r != BADF && !(argument > 2 && r == NOENT) && !(is_plain && r == 69 && argument > 2)) {
                    failed = say("%d for %lld", (int)r, (long long)a[argument]);
                }
            }
            row(failed == NULL, argument_name(call, argument), "8 (BADF) for 51 numbers of the runtime and beyond", failed != NULL ? failed : "so");
        }
    }
    uint32_t written;
    const uint32_t iov[2] = {(uint32_t)P("x"), 1};
    expect("fd_write to 1030", "8", CALL(fd_write, RUNTIME_FD, P(iov), 1, P(&written)));
    expect("fd_renumber of 1 onto 1030", "8", CALL(fd_renumber, 1, RUNTIME_FD));
    expect("fd_renumber of 1030 onto 1", "8", CALL(fd_renumber, RUNTIME_FD, 1));
    expect("path_open beneath 1030", "8", open_at(RUNTIME_FD, "etc", 0, 2, &written));
    int32_t event[8] = {0}, subscription[12] = {0};
    subscription[2] = 1; /* read of a descriptor */
    subscription[4] = RUNTIME_FD;
    expect("poll_oneoff of 1030 answers", "0", CALL(poll_oneoff, P(subscription), P(event), 1, P(&written)));
    row(written == 1 && ((uint16_t *)(void *)event)[4] == BADF, "its event", "error 8", say("%u events, error %u", written, ((uint16_t *)(void *)event)[4]));
}

/* --- pointers and counts --- */

static void pointers(void)
{
    const uint32_t end = (uint32_t)__builtin_wasm_memory_size(0) << 16;
    const uint32_t bad[] = {end, end - 1, end + 4096, 0xffffffff, 0xfffffff0, 0xfffffff8, 0xfffff000, 0x80000000};
    for (int call = 0; call < CALL_COUNT; call++) {
        for (int argument = 0; calls[call].kinds[argument] != '\0'; argument++) {
            const char *failed = NULL;
            if (calls[call].kinds[argument] != 'p') {
                continue;
            }
            /* No socket to try: BADF or NOTSOCK comes first. Nothing of two names is there: the second is not looked at. An unnamed path_open finds nothing. */
            const bool is_late = strncmp(calls[call].name, "sock_", 5) == 0 || (call == CALL_path_open && argument == 8) ||
                                 (is_plain && (call == CALL_fd_write || call == CALL_fd_pwrite)); /* a file that is open for reading */
            for (size_t i = 0; i < COUNT(bad); i++) {
                int64_t a[9];
                arguments_for(call, a);
                if (call == CALL_path_link || call == CALL_path_rename) { /* a first name that is there */
                    const int first = call == CALL_path_link ? 2 : 1;
                    a[first] = P("passwd");
                }
                a[argument] = bad[i];
                if (call == CALL_fd_prestat_dir_name && bad[i] == end - 1) {
                    continue; /* one byte is written: it fits */
                }
                const int32_t r = calls[call].call(a);
                const bool is_read_only = is_plain && (r == 69 || r == NOENT);
                if (r != FAULT && !(is_late && r != 0) && !is_read_only) {
                    failed = say("%d for 0x%x", (int)r, bad[i]);
                }
            }
            row(failed == NULL, argument_name(call, argument), is_late ? "an error" : "21 (FAULT)", failed != NULL ? failed
                : "so for 8 addresses out of range");
        }
    }
}

static void counts(void)
{
    static const uint32_t bad[] = {0x20000001, 0x40000000, 0x7fffffff, 0x80000000, 0xffffffff, 0x10000001, 0x15555556, 1025, 65536};
    for (int call = 0; call < CALL_COUNT; call++) {
        for (int argument = 0; calls[call].kinds[argument] != '\0'; argument++) {
            const char *failed = NULL;
            if (calls[call].kinds[argument] != 'n') {
                continue;
            }
            memset(area + AREA, 0xa5, 4096);
            for (size_t i = 0; i < COUNT(bad); i++) {
                int64_t a[9];
                arguments_for(call, a);
                a[argument] = bad[i];
                const int32_t r = calls[call].call(a);
                /* These write what there is, not what there is room for. */
                const bool is_room = bad[i] <= 65536 || call == CALL_fd_prestat_dir_name || (call == CALL_path_readlink && argument == 4);
                if (r == 0 && !is_room) {
                    failed = say("0 for 0x%x", bad[i]);
                }
            }
            for (size_t i = 0; i < 4096; i++) {
                failed = area[AREA + i] != 0xa5 && call != CALL_random_get ? "memory behind the buffers was written" : failed;
            }
            row(failed == NULL, argument_name(call, argument), "an error for a count or size of 0x20000001, 0x7fffffff, -1", failed != NULL ? failed : "so");
        }
    }
    uint32_t written;
    expect("poll_oneoff of nothing", "28", CALL(poll_oneoff, P(area), P(area + 4096), 0, P(&written)));
    expect("poll_oneoff of 4097", "28", CALL(poll_oneoff, P(area), P(area + 4096), 4097, P(&written)));
    expect("random_get of 4 GiB", "21", CALL(random_get, P(area), 0xffffffff));
    const uint32_t end = (uint32_t)__builtin_wasm_memory_size(0) << 16;
    const uint32_t vectors[][4] = {{(uint32_t)P(area), 8, 0xfffffff0, 64}, {(uint32_t)P(area), 0xffffffff, (uint32_t)P(area), 1}, {end - 4, 8, 0, 0},
        {0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}};
    for (size_t i = 0; i < COUNT(vectors); i++) {
        expect(say("fd_write with vector %d out of memory", (int)i), is_plain ? "8" : "21|28", CALL(fd_write, file_fd, P(vectors[i]), 2, P(&written)));
        expect(say("fd_read with vector %d out of memory", (int)i), "21|28", CALL(fd_read, file_fd, P(vectors[i]), 2, P(&written)));
        expect(say("fd_pread with vector %d out of memory", (int)i), "21|28", CALL(fd_pread, file_fd, P(vectors[i]), 2, 0, P(&written)));
    }
}

/* --- paths --- */

static void unreachable(const char *name, const char *want, int32_t r, uint32_t fd)
{
    row(is_wanted(want, r), name, want, r == 0 ? say("a descriptor; it reads \"%.30s\"", read_text(fd)) : say("%d", (int)r));
    if (r == 0) {
        (void)CALL(fd_close, fd);
    }
}

static void paths(void)
{
    static const char *const starts[] = {"..", "../..", "../../../../../../..", "etc/../..", "etc/../../../..", "./..", "nosuch/../..", "links/../..",
        "links/up/..", "/", "//", "/.."};
    uint32_t fd = 0;
    for (size_t i = 0; i < COUNT(starts); i++) {
        const char *path = say("%s%s/secret", starts[i], outside);
        unreachable(path, "76|44", open_at(ROOT, path, 0, 2, &fd), fd);
        expect(say("path_filestat_get of %s", path), "76|44", CALL(path_filestat_get, ROOT, 1, TEXT(path), P(area)));
        unreachable(starts[i], starts[i][0] == 'l' && starts[i][6] == 'u' ? "76|0" : "76", open_at(ROOT, starts[i], 2, 2, &fd), fd);
        unreachable(say("beneath etc: %s", path), "76|44", open_at(directory_fd, path, 0, 2, &fd), fd);
    }
    static const char *const links[] = {"links/secret", "links/secret-up", "links/outside/secret", "links/outside-up/secret", "links/loop", "links/mem",
        "links/proc/self/mem", "links/self/mem",
                                        "links/fd/1030", "proc/self/mem", "proc/self/maps", "proc/1/mem", "dev/fd/1030", "dev/mem", "proc/self/environ",
                                            "links/exe", "proc/self/exe"};
    for (size_t i = 0; i < COUNT(links); i++) {
        unreachable(links[i], "44|76|32|2", open_at(ROOT, links[i], 0, 2, &fd), fd);
        expect(say("path_filestat_get of %s", links[i]), "44|76|32|2", CALL(path_filestat_get, ROOT, 1, TEXT(links[i]), P(area)));
    }
    uint32_t links_fd = 0;
    (void)open_at(ROOT, "links", 2, ALL_RIGHTS, &links_fd);
    static const char *const beneath[] = {"etc/passwd", "secret-up", "up/etc/passwd", "outside-up/secret", "mem"};
    for (size_t i = 0; i < COUNT(beneath); i++) { /* a directory that is not the root: nothing leads out of it */
        unreachable(say("beneath links: %s", beneath[i]), "76|44|32", open_at(links_fd, beneath[i], 0, 2, &fd), fd);
    }
    static const char zero[] = "etc\0/../../x";
    expect("a path with a NUL inside", "25", CALL(path_open, ROOT, 0, P(zero), sizeof zero - 1, 0, 2, 0, 0, P(&fd)));
    expect("a path of no bytes", "44|28", CALL(path_open, ROOT, 0, P(zero), 0, 0, 2, 0, 0, P(&fd)));
    expect("a path of 4096 bytes", "37", (memset(area, 'x', 8192), CALL(path_open, ROOT, 0, P(area), 4096, 0, 2, 0, 0, P(&fd))));
    expect("path_symlink to an absolute path", is_plain ? "76|69" : "76", CALL(path_symlink, TEXT("/etc"), ROOT, TEXT("tmp/absolute")));
    expect("path_link of .. into the root", "!0", CALL(path_link, ROOT, 0, TEXT(".."), ROOT, TEXT("tmp/up")));
    expect("path_link with SYMLINK_FOLLOW", "28", CALL(path_link, ROOT, 1, TEXT("links/secret-up"), ROOT, TEXT("tmp/followed")));
    expect("path_rename to ../x", "76|69", CALL(path_rename, ROOT, TEXT("data/other"), ROOT, TEXT("../x")));
    expect("path_rename from outside", "76|69", CALL(path_rename, ROOT, TEXT("../x"), ROOT, TEXT("tmp/x")));
    expect("path_create_directory outside", "76|69", CALL(path_create_directory, ROOT, TEXT("../x")));
    expect("path_create_directory through a link", "!0", CALL(path_create_directory, ROOT, TEXT("links/outside/x")));
    expect("path_unlink_file outside", "76|69|44", CALL(path_unlink_file, ROOT, TEXT(say("..%s/secret", outside))));
    expect("path_remove_directory of ..", "76|69", CALL(path_remove_directory, ROOT, TEXT("..")));
    expect("path_filestat_set_times outside", "!0", CALL(path_filestat_set_times, ROOT, 1, TEXT("links/secret-up"), 0, 0, 5));
    expect("path_open creates outside", "!0", open_at(ROOT, "links/outside/new", 1, ALL_RIGHTS, &fd));
    if (!is_plain) {
        (void)CALL(path_symlink, TEXT(say("../../../../../../..%s/secret", outside)), ROOT, TEXT("tmp/climb"));
        unreachable("a symlink made by the guest", "44|76", open_at(ROOT, "tmp/climb", 0, 2, &fd), fd);
    }
}

/* --- rights --- */

static void rights(void)
{
    struct { uint8_t type, pad; uint16_t flags; uint32_t pad2; uint64_t rights, inheriting; } stat;
    uint32_t fd = 0, limited = 0, written, below = 0;
    (void)open_at(ROOT, "data/good", 0, 2 /* FD_READ */, &fd);
    (void)CALL(fd_fdstat_get, fd, P(&stat));
    row(stat.rights == 2, "a file opened with the right to read has no other", "0x2", say("0x%llx", (unsigned long long)stat.rights));
    const uint32_t iov[2] = {(uint32_t)P("x"), 1};
    expect("fd_write without the right", "8|76", CALL(fd_write, fd, P(iov), 1, P(&written)));
    expect("fd_pwrite without the right", "8|76", CALL(fd_pwrite, fd, P(iov), 1, 0, P(&written)));
    expect("fd_filestat_set_size without the right", "76", CALL(fd_filestat_set_size, fd, 0));
    expect("fd_filestat_set_times without the right", "76", CALL(fd_filestat_set_times, fd, 0, 0, 5));
    expect("fd_allocate without the right", "76", CALL(fd_allocate, fd, 0, 16));
    expect("fd_seek without the right", "76", CALL(fd_seek, fd, 0, 0, P(area)));
    expect("fd_filestat_get without the right", "76", CALL(fd_filestat_get, fd, P(area)));
    expect("fd_fdstat_set_flags without the right", "76", CALL(fd_fdstat_set_flags, fd, 1));
    expect("fd_fdstat_set_rights to more", "76", CALL(fd_fdstat_set_rights, fd, ALL_RIGHTS, 0));
    expect("fd_fdstat_set_rights: more to inherit", "76", CALL(fd_fdstat_set_rights, fd, 2, ~0ll));
    expect("fd_fdstat_set_rights to none", "0", CALL(fd_fdstat_set_rights, fd, 0, 0));
    expect("fd_fdstat_set_rights back", "76", CALL(fd_fdstat_set_rights, fd, 2, 0));
    expect("fd_read then", "8|76", CALL(fd_read, fd, P(iov), 1, P(&written)));
    expect("fd_renumber keeps what is left", "0", CALL(fd_renumber, fd, file_fd));
    expect("fd_read of it", "8|76", CALL(fd_read, file_fd, P(iov), 1, P(&written)));
    /* A directory that may hand on nothing but reading. */
    (void)CALL(path_open, ROOT, 1, TEXT("data"), 2, (1 << 13) | (1 << 14) /* PATH_OPEN, FD_READDIR */, 2, 0, P(&limited));
    expect("path_open for more than a directory hands on", "0", open_at(limited, "good", 0, ALL_RIGHTS, &below));
    (void)CALL(fd_fdstat_get, below, P(&stat));
    row(stat.rights == 2, "it gives what the directory had", "0x2", say("0x%llx", (unsigned long long)stat.rights));
    expect("fd_write to it", "8|76", CALL(fd_write, below, P(iov), 1, P(&written)));
    expect("path_open to create there", "76", open_at(limited, "new", 1, ALL_RIGHTS, &fd));
    expect("path_open to truncate there", "76", open_at(limited, "good", 8, ALL_RIGHTS, &fd));
    expect("path_unlink_file there", "76", CALL(path_unlink_file, limited, TEXT("good")));
    expect("path_rename from there", "76", CALL(path_rename, limited, TEXT("good"), ROOT, TEXT("tmp/x")));
    expect("path_rename to there", "76|69|44", CALL(path_rename, ROOT, TEXT("data/nosuch"), limited, TEXT("x")));
    expect("path_link from there", "76", CALL(path_link, limited, 0, TEXT("good"), ROOT, TEXT("tmp/x")));
    expect("path_symlink there", "76", CALL(path_symlink, TEXT("x"), limited, TEXT("y")));
    expect("path_readlink there", "76", CALL(path_readlink, limited, TEXT("good"), P(area), 10, P(&written)));
    expect("path_filestat_get there", "76", CALL(path_filestat_get, limited, 0, TEXT("good"), P(area)));
    expect("path_create_directory there", "76", CALL(path_create_directory, limited, TEXT("x")));
    if (is_plain) { /* a file of the image, which is read-only */
        uint32_t image = 0;
        (void)open_at(ROOT, "data/good", 0, ALL_RIGHTS & ~(1ll << 6 | 1 << 8 | 1 << 22), &image);
        expect("fd_filestat_set_times of a file of the image", "69|76", CALL(fd_filestat_set_times, image, 0, 0, 5));
        expect("path_filestat_set_times of a file of the image", "69", CALL(path_filestat_set_times, ROOT, 0, TEXT("data/good"), 0, 0, 5));
        expect("path_open for writing", "69", open_at(ROOT, "data/good", 0, ALL_RIGHTS, &image));
        expect("path_unlink_file", "69", CALL(path_unlink_file, ROOT, TEXT("data/good")));
    }
    expect("fd_filestat_set_times of standard error", "63|69|76", CALL(fd_filestat_set_times, 2, 0, 0, 5));
}

/* --- readdir, output --- */

static void directories(void)
{
    static const int64_t cookies[] = {1, 2, 3, 7, 100, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff, 0x100000000, INT64_MAX, INT64_MAX - 1, INT64_MIN, -1,
        0x5555555555555555};
    static const uint32_t sizes[] = {0, 1, 23, 24, 25, 100, 4096};
    const char *failed = NULL;
    for (size_t i = 0; i < COUNT(cookies); i++) {
        for (size_t k = 0; k < COUNT(sizes); k++) {
            uint32_t used = 0xffffffff;
            memset(area, 0xa5, AREA);
            const int32_t r = CALL(fd_readdir, directory_fd, P(area), sizes[k], cookies[i], P(&used));
            if (r == 0 && used > sizes[k]) {
                failed = say("%u bytes of %u", used, sizes[k]);
            }
            for (uint32_t at = sizes[k]; at < AREA; at++) {
                failed = area[at] != 0xa5 ? say("byte %u was written with room for %u", at, sizes[k]) : failed;
            }
        }
    }
    row(failed == NULL, "fd_readdir with 15 cookies and 7 sizes", "entries or an error, inside of the room", failed != NULL ? failed : "so");
}

/* size bytes at area + 4096 were written, nothing beside them, and no address of the host among them. */
static void output(const char *name, size_t size, int32_t r)
{
    const char *problem = r != 0 ? say("%d", (int)r) : NULL;
    for (size_t i = 0; i < AREA; i++) {
        problem = area[i] != 0xa5 && (i < 4096 || i >= 4096 + size) ? say("byte %d was written", (int)i - 4096) : problem;
    }
    for (size_t i = 0; i + 8 <= size; i += 8) {
        uint64_t value;
        memcpy(&value, area + 4096 + i, 8);
        const uint64_t high = value >> 32;
        problem = value == 0xa5a5a5a5a5a5a5a5ull ? say("8 bytes at %d were not written", (int)i) : problem;
        problem = (high >= 0x5500 && high <= 0x56ff) || (high >= 0x7e00 && high <= 0x7fff) ? say("an address of the host: 0x%llx",
            (unsigned long long)value) : problem;
    }
    row(problem == NULL, name, say("%d bytes, all written, nothing of the host", (int)size), problem != NULL ? problem : "so");
}

/* A time between two others is a time, whatever it looks like: 26 hours after the start of the machine the monotonic clock begins with 0x55. */
static void output_time(int clock)
{
    uint64_t before = 0, value = 0, after = 0;
    memset(area, 0xa5, AREA);
    int32_t r = CALL(clock_time_get, clock, 0, P(&before));
    r = r != 0 ? r : CALL(clock_time_get, clock, 0, P(area + 4096));
    r = r != 0 ? r : CALL(clock_time_get, clock, 0, P(&after));
    memcpy(&value, area + 4096, sizeof(value));
    const bool is_time = before <= value && value <= after && after - before < 60000000000ull;
    if (is_time) {
        memset(area + 4096, 0, sizeof(value));
    }
    output(say("clock_time_get of clock %d", clock), sizeof(value), r);
    row(is_time, say("clock %d between two readings of it", clock), "a time", is_time ? "a time" : say("0x%llx", (unsigned long long)value));
}

static void outputs(void)
{
    uint8_t *const out = area + 4096;
    uint32_t fd = 0, written;
    (void)open_at(ROOT, "data/good", 0, ALL_RIGHTS & ~(1ll << 6 | 1 << 8 | 1 << 22), &fd);
#define OUT(size, name, ...) (memset(area, 0xa5, AREA), output(#name, size, CALL(name, __VA_ARGS__)))
    OUT(64, fd_filestat_get, fd, P(out));
    OUT(64, path_filestat_get, ROOT, 0, TEXT("etc"), P(out));
    OUT(24, fd_fdstat_get, fd, P(out));
    OUT(24, fd_fdstat_get, 0, P(out));
    OUT(8, fd_prestat_get, ROOT, P(out));
    OUT(1, fd_prestat_dir_name, ROOT, P(out), 1);
    output_time(0);
    output_time(1);
    OUT(8, clock_res_get, 1, P(out));
    OUT(8, fd_tell, fd, P(out));
    OUT(4, path_readlink, ROOT, TEXT("links/etc"), P(out), 100, P(&written));
    OUT(2, path_readlink, ROOT, TEXT("links/etc"), P(out), 2, P(&written));
    OUT(100, random_get, P(out), 100);
    OUT(4, path_open, ROOT, 0, TEXT("data/good"), 0, 2, 0, 0, P(out));
    int64_t subscription[6] = {0x1122334455667788, 0, 1, 0, 0, 0};
    OUT(32, poll_oneoff, P(subscription), P(out), 1, P(&written));
    row(memcmp(out, subscription, 8) == 0, "its userdata is the guest's", "the 64 bits", memcmp(out, subscription, 8) == 0 ? "the 64 bits" : "others");
}

int main(int argc, char **argv)
{
    if (argc < 4) {
        return 98;
    }
    is_plain = strcmp(argv[2], "plain") == 0;
    outside = argv[3];
    (void)open_at(ROOT, "etc", 2, ALL_RIGHTS, &directory_fd);
    if (is_plain) {
        (void)open_at(ROOT, "data/good", 0, ALL_RIGHTS & ~(1ll << 6 | 1 << 8 | 1 << 22), &file_fd);
    } else {
        (void)open_at(ROOT, "tmp/file", 1, ALL_RIGHTS, &file_fd);
    }
    row(file_fd > ROOT && directory_fd > ROOT, "a file and a directory to start from", "descriptors", say("%u %u", file_fd, directory_fd));
    directories();
    outputs();
    paths();
    pointers();
    counts();
    rights();
    (void)open_at(ROOT, "data/good", 0, ALL_RIGHTS & ~(1ll << 6 | 1 << 8 | 1 << 22), &file_fd);
    descriptors();
    put("done\n");
    return 0;
}
