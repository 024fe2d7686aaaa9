/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz-path.c - what a guest can reach by names: calls of both personalities on paths, in a root that is only a directory.
 *
 *   PLACE/outside/secret, outside/marker -> MARKER      never seen, never changed
 *   PLACE/root/...                                      the guest's; made anew for each input
 *
 * An input is a list of calls: number of the call, directory, flags, path, second path. A byte of a path below 32 stands for a word, so
 * that ".." and names of the tree are found at once. After each call: no new descriptor leads outside (the kernel tells its path), no
 * answer names the inode or the text of what is outside, nothing outside has changed.
 */
#include "wasi-int.h"

#include <dirent.h>
#include <ftw.h>
#include <sanitizer/lsan_interface.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "abi/abi.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

#define MARKER "/the/marker"
#define FIRST_FD 3
#define FD_LIMIT 64 /* guest descriptors; the root's own is above */
#define CALLS_MAX 64

/* Guest addresses: two paths, a buffer, a result. */
enum { PATH_A = 0, PATH_B = 8192, BUFFER = 16384, RESULT = 32768, BUFFER_SIZE = 8192 };

static const char *const words[32] = {
    "\0", "..", ".", "/", "a", "b", "up", "abs", "loop", "out", "file", "../", "/..", "a/b", "../../", "root", "outside", "secret", "marker",
    "proc", "proc/self/fd/", "proc/self/cwd", "dev/null", "self", "fd", "64", "dir", "deep", "//", "./", "tmp", "x",
};

typedef struct Input {
    const uint8_t *bytes;
    size_t size;
} Input;

typedef struct State {
    char place[64];
    char root[80];
    char outside[80];
    int outside_fd;
    struct stat outside_before[3]; /* directory, secret, marker */
    ino_t parent_inode;
    Vk *vk;
    RtInstance instance;
    RtMemory memory;
} State;

static State state;

/* --- the place --- */

static void outside_stat(struct stat status[3])
{
    must(fstat(state.outside_fd, &status[0]) == 0 && fstatat(state.outside_fd, "secret", &status[1], AT_SYMLINK_NOFOLLOW) == 0 &&
         fstatat(state.outside_fd, "marker", &status[2], AT_SYMLINK_NOFOLLOW) == 0);
}

static void outside_check(void)
{
    struct stat now[3];
    outside_stat(now);
    for (int i = 0; i < 3; i++) {
        const struct stat *old = &state.outside_before[i];
        must(now[i].st_ino == old->st_ino && now[i].st_mode == old->st_mode && now[i].st_nlink == old->st_nlink && now[i].st_size == old->st_size);
        must(now[i].st_mtim.tv_sec == old->st_mtim.tv_sec && now[i].st_mtim.tv_nsec == old->st_mtim.tv_nsec);
        must(now[i].st_ctim.tv_sec == old->st_ctim.tv_sec && now[i].st_ctim.tv_nsec == old->st_ctim.tv_nsec);
    }
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *ftw)
{
    (void)status;
    (void)type;
    return ftw->level == 0 ? 0 : remove(path);
}

static void file_make(int dirfd, const char *name)
{
    const int fd = openat(dirfd, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    must(fd >= 0 && write(fd, "text", 4) == 4);
    (void)close(fd);
}

static void root_make(void)
{
    (void)chmod(state.root, 0755);
    (void)nftw(state.root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    const int root = open(state.root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    must(root >= 0);
    static const char *const folders[] = {"a", "a/b", "dir", "dir/deep", "tmp", "dev"};
    static const char *const links[][2] = {{"..", "up"}, {"../..", "a/up"}, {"../../..", "a/b/up"}, {"loop", "loop"}, {"../outside", "out"},
                                           {"../../outside/secret", "a/out"}, {"a/b", "x"}};
    for (size_t i = 0; i < sizeof folders / sizeof folders[0]; i++) {
        must(mkdirat(root, folders[i], 0755) == 0);
    }
    for (size_t i = 0; i < sizeof links / sizeof links[0]; i++) {
        must(symlinkat(links[i][0], root, links[i][1]) == 0);
    }
    must(symlinkat(state.outside, root, "abs") == 0 && symlinkat("/a", root, "dir/abs") == 0);
    file_make(root, "file");
    file_make(root, "a/file");
    file_make(root, "a/b/file");
    (void)close(root);
}

static void place_remove(void)
{
    (void)chdir("/");
    (void)nftw(state.place, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    (void)rmdir(state.place);
}

static void place_make(void)
{
    (void)snprintf(state.place, sizeof state.place, "%s/rc-fuzz-path-XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    must(mkdtemp(state.place) != NULL && atexit(place_remove) == 0);
    (void)snprintf(state.root, sizeof state.root, "%s/root", state.place);
    (void)snprintf(state.outside, sizeof state.outside, "%s/outside", state.place);
    must(mkdir(state.root, 0755) == 0 && mkdir(state.outside, 0755) == 0);
    state.outside_fd = fcntl(open(state.outside, O_RDONLY | O_DIRECTORY | O_CLOEXEC), F_DUPFD_CLOEXEC, FD_LIMIT);
    must(state.outside_fd >= FD_LIMIT);
    file_make(state.outside_fd, "secret");
    must(symlinkat(MARKER, state.outside_fd, "marker") == 0);
    struct stat parent;
    must(stat(state.place, &parent) == 0);
    state.parent_inode = parent.st_ino;
    outside_stat(state.outside_before);
}

/* --- the guest --- */

static void guest_make(void)
{
    static const char *const preopens[] = {"/", "/a"};
    place_make();
    root_make();
    const VkConfig config = {
        .root_fd = fcntl(open(state.root, O_PATH | O_DIRECTORY | O_CLOEXEC), F_DUPFD_CLOEXEC, FD_LIMIT),
        .minimum_fd = FD_LIMIT,
        .cwd = "/",
        .preopens = preopens,
        .preopen_count = 2,
    };
    must(vk_new(&config, &state.vk, NULL) == 0);
    __lsan_register_root_region(state.vk, sizeof *state.vk); /* a mapping of its own: what it points to would count as lost */
    state.memory = (RtMemory){.base = calloc(1, RT_PAGE_SIZE), .page_count = 1, .page_maximum = 1, .page_limit = 1, .size = RT_PAGE_SIZE, .page_size_log2 = 16};
    state.instance = (RtInstance){.memory_base = state.memory.base, .memory = &state.memory, .host = state.vk};
    must(state.memory.base != NULL);
    state.vk->instance = &state.instance;
    state.vk->main_thread.instance = &state.instance;
}

static void guest_reset(void)
{
    must(close_range(FIRST_FD, FD_LIMIT - 1, 0) == 0);
    vk_wasi_forget(state.vk);
    root_make();
    must(chdir(state.root) == 0); /* the guest's directory; the old one may be gone */
    memset(state.memory.base, 0, RT_PAGE_SIZE);
}

static void descriptors_check(void)
{
    for (int fd = FIRST_FD; fd < FD_LIMIT; fd++) {
        char link[32], target[LIMIT_PATH_SIZE];
        (void)snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
        const ssize_t size = readlink(link, target, sizeof target - 1);
        if (size < 0) {
            continue;
        }
        target[size] = '\0';
        const size_t root_size = strlen(state.root);
        const bool is_inside = strncmp(target, state.root, root_size) == 0 && strchr("/ ", target[root_size]) != NULL; /* or the end */
        /* What the vkernel serves itself: text of /proc in a memfd, the harmless devices. */
        const bool is_served = strncmp(target, "/memfd:", 7) == 0 || strcmp(target, "/dev/null") == 0;
        must(is_inside || is_served);
    }
    char here[LIMIT_PATH_SIZE];
    must(getcwd(here, sizeof here) == NULL || strncmp(here, state.root, strlen(state.root)) == 0);
}

/* No answer may be about what is outside. */
static void answer_check(void)
{
    uint64_t inode;
    for (size_t at = BUFFER; at < BUFFER + 256; at += 8) {
        memcpy(&inode, state.memory.base + at, sizeof inode);
        must(inode != state.parent_inode);
        for (int i = 0; i < 3; i++) {
            must(inode != state.outside_before[i].st_ino);
        }
    }
    must(memmem(state.memory.base + BUFFER, BUFFER_SIZE, MARKER, strlen(MARKER)) == NULL);
    memset(state.memory.base + BUFFER, 0, BUFFER_SIZE);
}

/* --- the input --- */

static uint8_t take(Input *input)
{
    if (input->size == 0) {
        return 0;
    }
    input->size--;
    return *input->bytes++;
}

static uint32_t path_take(Input *input, uint32_t address)
{
    const uint32_t count = take(input) % 24u;
    uint32_t size = 0;
    char *to = (char *)state.memory.base + address;
    for (uint32_t i = 0; i < count; i++) {
        const uint8_t byte = take(input);
        if (byte >= 32) {
            to[size++] = (char)byte;
        } else if (byte > 0) {
            const size_t word_size = strlen(words[byte]);
            memcpy(to + size, words[byte], word_size);
            size += (uint32_t)word_size;
        } else {
            to[size++] = '\0';
        }
    }
    to[size] = '\0';
    return size;
}

static int32_t directory_take(Input *input)
{
    const uint8_t choice = take(input);
    if (choice >= 128) {
        return choice == 255 ? -1 : choice == 254 ? state.vk->config.root_fd : FIRST_FD + choice % FD_LIMIT;
    }
    return choice % 4 == 0 ? AT_FDCWD : FIRST_FD + choice % 8;
}

static int64_t wali(const char *name, const uint64_t arguments[6])
{
    const VkRow *row = vk_rows;
    while (strcmp(row->name, name) != 0) {
        row++; /* every name of calls[] is a row */
    }
    return row->call(state.vk, arguments);
}

static void wali_call(Input *input, uint8_t number)
{
    static const struct { const char *name; const char *arguments; } calls[] = {
        /* d directory, p first path, q second path, b buffer, s its size, f flags, m mode, 0 zero */
        {"open", "pfm"}, {"openat", "dpfm"}, {"stat", "pb"}, {"lstat", "pb"}, {"newfstatat", "dpbf"}, {"statx", "dpfxb"}, {"access", "pm"},
        {"readlink", "pbs"}, {"readlinkat", "dpbs"}, {"unlink", "p"}, {"unlinkat", "dpf"}, {"rmdir", "p"}, {"mkdir", "pm"}, {"mkdirat", "dpm"},
        {"rename", "pq"}, {"renameat2", "dpdqf"}, {"link", "pq"}, {"linkat", "dpdqf"}, {"symlink", "qp"}, {"symlinkat", "qdp"}, {"chmod", "pm"},
        {"chdir", "p"}, {"fchdir", "d"}, {"truncate", "p0"}, {"utimensat", "dp0f"}, {"mknodat", "dpm0"}, {"statfs", "pb"}, {"getcwd", "bs"},
        {"faccessat2", "dpmf"}, {"fchmodat2", "dpmf"}, {"fchownat", "dp00f"}, {"getdents64", "dbs"}, {"dup", "d"}, {"creat", "pm"},
    };
    static const uint32_t flags[] = {0, O_PATH, O_DIRECTORY, O_NOFOLLOW, O_CREAT | O_RDWR, O_CREAT | O_EXCL | O_WRONLY, O_TRUNC | O_WRONLY, O_PATH | O_NOFOLLOW,
                                     AT_SYMLINK_NOFOLLOW, AT_EMPTY_PATH, AT_SYMLINK_FOLLOW, AT_REMOVEDIR, O_TMPFILE | O_RDWR, 1, 2, O_APPEND | O_WRONLY};
    static const uint32_t modes[] = {0755, 0, 0100644, 0010644, 0140755, 0777, 04755, 7};
    const size_t chosen = number % (sizeof calls / sizeof calls[0]);
    uint64_t arguments[6] = {0};
    for (size_t i = 0; calls[chosen].arguments[i] != '\0'; i++) {
        switch (calls[chosen].arguments[i]) {
        case 'd': arguments[i] = (uint32_t)directory_take(input); break;
        case 'p': (void)path_take(input, PATH_A); arguments[i] = PATH_A; break;
        case 'q': (void)path_take(input, PATH_B); arguments[i] = PATH_B; break;
        case 'b': arguments[i] = BUFFER; break;
        case 's': arguments[i] = BUFFER_SIZE; break;
        case 'f': arguments[i] = flags[take(input) % (sizeof flags / sizeof flags[0])] | (uint32_t)O_NONBLOCK * (calls[chosen].name[0] == 'o'); break;
        case 'm': arguments[i] = modes[take(input) % (sizeof modes / sizeof modes[0])]; break;
        case 'x': arguments[i] = 0x7ff; break;
        default: break;
        }
    }
    const bool is_directory_listed = strcmp(calls[chosen].name, "getdents64") == 0; /* ".." of the root has its parent's number, as in any chroot */
    (void)wali(calls[chosen].name, arguments);
    if (is_directory_listed) {
        memset(state.memory.base + BUFFER, 0, BUFFER_SIZE);
    }
}

typedef uint32_t Call3(RtInstance *, uint32_t, uint32_t, uint32_t);
typedef uint32_t Call5(RtInstance *, uint32_t, uint32_t, uint32_t, uint32_t, uint32_t);
typedef uint32_t Call6(RtInstance *, uint32_t, uint32_t, uint32_t, uint32_t, uint32_t, uint32_t);
typedef uint32_t Call7(RtInstance *, uint32_t, uint32_t, uint32_t, uint32_t, uint32_t, uint32_t, uint32_t);
typedef uint32_t CallOpen(RtInstance *, uint32_t, uint32_t, uint32_t, uint32_t, uint32_t, uint64_t, uint64_t, uint32_t, uint32_t);
typedef uint32_t CallTimes(RtInstance *, uint32_t, uint32_t, uint32_t, uint32_t, uint64_t, uint64_t, uint32_t);

/* One of the rows of wasi-path.c, called by its signature. */
static void wasi_call(Input *input, uint8_t number)
{
    const WasiRow *const row = &wasi_path_rows[number % 10];
    RtInstance *const self = &state.instance;
    (void)wasi_vk(self);
    const uint32_t fd = (uint32_t)directory_take(input), to_fd = (uint32_t)directory_take(input);
    const uint32_t flags = take(input);
    const uint32_t a = path_take(input, PATH_A), b = path_take(input, PATH_B);
    const char *name = row->name + strlen("path_");
    if (strcmp(name, "open") == 0) {
        const uint64_t rights = (flags & 32) != 0 ? WASI_RIGHTS_ALL : WASI_RIGHT_FD_READ;
        ((CallOpen *)row->function)(self, fd, flags & 1, PATH_A, a, (flags >> 1) & 15, rights, WASI_RIGHTS_ALL, (flags >> 6) << 2, RESULT);
    } else if (strcmp(name, "filestat_get") == 0) {
        ((Call5 *)row->function)(self, fd, flags & 1, PATH_A, a, BUFFER);
    } else if (strcmp(name, "filestat_set_times") == 0) {
        ((CallTimes *)row->function)(self, fd, flags & 1, PATH_A, a, 1, 2, flags >> 1);
    } else if (strcmp(name, "readlink") == 0) {
        ((Call6 *)row->function)(self, fd, PATH_A, a, BUFFER, BUFFER_SIZE, RESULT);
    } else if (strcmp(name, "symlink") == 0) {
        ((Call5 *)row->function)(self, PATH_B, b, fd, PATH_A, a);
    } else if (strcmp(name, "rename") == 0) {
        ((Call6 *)row->function)(self, fd, PATH_A, a, to_fd, PATH_B, b);
    } else if (strcmp(name, "link") == 0) {
        ((Call7 *)row->function)(self, fd, flags & 1, PATH_A, a, to_fd, PATH_B, b);
    } else { /* create_directory, remove_directory, unlink_file */
        ((Call3 *)row->function)(self, fd, PATH_A, a);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    if (state.vk == NULL) {
        guest_make();
    }
    Input input = {bytes, size};
    guest_reset();
    for (int i = 0; i < CALLS_MAX && input.size > 0; i++) {
        const uint8_t call = take(&input);
        if ((call & 1) != 0) {
            wasi_call(&input, call >> 1);
        } else {
            wali_call(&input, call >> 1);
        }
        descriptors_check();
        answer_check();
        outside_check();
    }
    return 0;
}
