/* SPDX-License-Identifier: Apache-2.0 */
/* Includes the source so that syncing, renaming and writing can be made to fail. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static struct {
    int fsync_errno, rename_errno, close_errno;
    int fsync_after; /* this many succeed first */
} fault;

static int test_fsync(int fd)
{
    if (fault.fsync_errno && fault.fsync_after-- <= 0) {
        errno = fault.fsync_errno;
        return -1;
    }
    return fsync(fd);
}

static int test_renameat(int from, const char *old, int to, const char *new)
{
    if (fault.rename_errno) {
        errno = fault.rename_errno;
        return -1;
    }
    return renameat(from, old, to, new);
}

static int test_close(int fd)
{
    const int r = close(fd);
    if (fault.close_errno) {
        errno = fault.close_errno;
        return -1;
    }
    return r;
}
#define fsync test_fsync
#define renameat test_renameat
#define close test_close
#include "base/file.c"
#undef fsync
#undef renameat
#undef close

#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "base/tap.h"

static char directory[] = "/tmp/test-file-XXXXXX";
static int directory_fd = -1;

static void cleanup(void)
{
    if (directory_fd >= 0) {
        memset(&fault, 0, sizeof fault);
        if (tree_remove(AT_FDCWD, directory, NULL) < 0) {
            (void)fprintf(stderr, "cannot remove %s\n", directory);
        }
    }
}

static void put(const char *name, const char *text)
{
    const int fd = openat(directory_fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    must(fd >= 0 && fd_write_full(fd, text, strlen(text)) == 0 && close(fd) == 0);
}

static size_t entry_count(int at, const char *name)
{
    const int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *list = fdopendir(fd);
    must(list);
    size_t count = 0;
    while (readdir(list)) {
        count++;
    }
    (void)closedir(list);
    return count - 2;
}

static void test_read(void)
{
    char *bytes = NULL;
    size_t size = 7;
    Error err = ERROR_INIT;
    put("a", "hello");
    must(file_read(directory_fd, "a", 5, &bytes, &size, &err) == 0 && size == 5 && strcmp(bytes, "hello") == 0);
    free(bytes);
    must(file_read(directory_fd, "a", SIZE_MAX, &bytes, &size, &err) == 0 && size == 5);
    free(bytes);
    bytes = NULL;
    must(file_read(directory_fd, "a", 4, &bytes, &size, &err) == -EFBIG && bytes == NULL && size == 5);
    must(strstr(err.message, "a: larger than the limit of 4 bytes"));
    must(file_read(directory_fd, "none", 4, &bytes, &size, &err) == -ENOENT);
    must(file_read(directory_fd, ".", 4, &bytes, &size, &err) == -EISDIR);
    must(mkfifoat(directory_fd, "fifo", 0600) == 0);
    must(file_read(directory_fd, "fifo", 4, &bytes, &size, NULL) == -EINVAL); /* and does not wait for a writer */
    must(file_read(AT_FDCWD, "/dev/zero", 4, &bytes, &size, NULL) == -EINVAL);
    put("empty", "");
    must(file_read(directory_fd, "empty", 0, &bytes, &size, &err) == 0 && size == 0 && bytes[0] == '\0');
    free(bytes);
    /* Says size 0, has bytes. */
    must(file_read(AT_FDCWD, "/proc/self/maps", 1u << 20, &bytes, &size, &err) == 0 && size > 100);
    must(strlen(bytes) == size);
    free(bytes);
    must(file_read(AT_FDCWD, "/proc/self/maps", 10, &bytes, &size, &err) == -EFBIG);
}

static void test_map(void)
{
    FileMap map = {0};
    Error err = ERROR_INIT;
    put("m", "mapped");
    must(file_map(directory_fd, "m", 6, &map, &err) == 0 && map.size == 6 && memcmp(map.bytes, "mapped", 6) == 0);
    file_unmap(&map);
    must(map.bytes == NULL);
    file_unmap(&map);
    file_unmap(NULL);
    must(file_map(directory_fd, "m", 5, &map, &err) == -EFBIG && map.bytes == NULL);
    must(strncmp(err.message, "m: file of 6 bytes", 18) == 0);
    put("m", "");
    must(file_map(directory_fd, "m", 0, &map, &err) == 0 && map.size == 0 && map.bytes != NULL);
    file_unmap(&map);
    must(file_map(directory_fd, ".", 9, &map, &err) == -EISDIR);
    must(file_map(directory_fd, "fifo", 9, &map, &err) == -EINVAL);
    must(file_map(directory_fd, "none", 9, &map, &err) == -ENOENT);
    must(file_map_fd(-1, 9, &map, &err) == -EBADF);
}

static void test_write_replaces_whole(void)
{
    Error err = ERROR_INIT;
    struct stat status;
    char *bytes;
    size_t size;
    const mode_t old_mask = umask(077);
    must(file_write_atomic(directory_fd, "w", "one", 3, 0640, &err) == 0);
    must(file_write_atomic(directory_fd, "w", "second", 6, 0604, &err) == 0);
    (void)umask(old_mask);
    must(fstatat(directory_fd, "w", &status, 0) == 0 && (status.st_mode & 07777) == 0604);
    must(file_read(directory_fd, "w", 100, &bytes, &size, &err) == 0 && strcmp(bytes, "second") == 0);
    free(bytes);
    /* A link is replaced, not followed. */
    must(symlinkat("w", directory_fd, "link") == 0);
    must(file_write_atomic(directory_fd, "link", "x", 1, 0644, &err) == 0);
    must(fstatat(directory_fd, "link", &status, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(status.st_mode));
    must(fstatat(directory_fd, "w", &status, 0) == 0 && status.st_size == 6);
    /* Path with a directory. */
    must(mkdirat(directory_fd, "sub", 0755) == 0);
    must(file_write_atomic(directory_fd, "sub/x", "x", 1, 0644, &err) == 0 && entry_count(directory_fd, "sub") == 1);
    char name[300];
    memset(name, 'n', sizeof name);
    name[255] = '\0';
    must(file_write_atomic(directory_fd, name, "x", 1, 0644, &err) == 0); /* NAME_MAX is usable */
    name[255] = 'n';
    name[299] = '\0';
    must(file_write_atomic(directory_fd, name, "x", 1, 0644, &err) == -ENAMETOOLONG);
    must(file_write_atomic(directory_fd, "", "x", 1, 0644, &err) == -EINVAL);
    must(file_write_atomic(directory_fd, "sub/", "x", 1, 0644, &err) == -EINVAL);
    must(file_write_atomic(directory_fd, "sub/..", "x", 1, 0644, &err) == -EINVAL);
    must(file_write_atomic(directory_fd, "none/x", "x", 1, 0644, &err) == -ENOENT);
    must(file_write_atomic(directory_fd, "sub", "x", 1, 0644, &err) == -EISDIR);
    must(entry_count(directory_fd, "sub") == 1);
}

static void test_write_failure_leaves_nothing(void)
{
    Error err = ERROR_INIT;
    char *bytes;
    size_t size;
    put("keep", "old");
    const size_t before = entry_count(directory_fd, ".");
    fault.fsync_errno = EIO;
    must(file_write_atomic(directory_fd, "keep", "new", 3, 0644, &err) == -EIO);
    fault.fsync_errno = 0;
    fault.rename_errno = ENOSPC;
    must(file_write_atomic(directory_fd, "keep", "new", 3, 0644, &err) == -ENOSPC);
    fault.rename_errno = 0;
    fault.close_errno = EDQUOT;
    must(file_write_atomic(directory_fd, "keep", "new", 3, 0644, &err) == -EDQUOT);
    fault.close_errno = 0;
    must(entry_count(directory_fd, ".") == before);
    must(file_read(directory_fd, "keep", 100, &bytes, &size, &err) == 0 && strcmp(bytes, "old") == 0);
    free(bytes);
    /* The directory's own sync: reported, unless the file system has none. */
    fault.fsync_errno = EIO;
    fault.fsync_after = 1;
    must(file_write_atomic(directory_fd, "keep", "new", 3, 0644, &err) == -EIO);
    fault.fsync_errno = EINVAL;
    fault.fsync_after = 1;
    must(file_write_atomic(directory_fd, "keep", "new", 3, 0644, &err) == 0);
    fault.fsync_errno = 0;
    /* No space: a file size limit answers EFBIG in the middle of the write. */
    const pid_t pid = fork();
    must(pid >= 0);
    if (pid == 0) {
        const struct rlimit limit = {.rlim_cur = 1000, .rlim_max = 1000};
        static char large[5000];
        must(signal(SIGXFSZ, SIG_IGN) != SIG_ERR && setrlimit(RLIMIT_FSIZE, &limit) == 0);
        _exit(file_write_atomic(directory_fd, "keep", large, sizeof large, 0644, NULL) == -EFBIG ? 0 : 1);
    }
    int status;
    must(waitpid(pid, &status, 0) == pid && status == 0);
    must(entry_count(directory_fd, ".") == before);
}

static void test_dir_make(void)
{
    Error err = ERROR_INIT;
    struct stat status;
    char path[300];
    (void)snprintf(path, sizeof path, "%s/d/e//f/", directory);
    must(dir_make(path, 0700, &err) == 0 && dir_make(path, 0700, &err) == 0);
    must(fstatat(directory_fd, "d/e/f", &status, 0) == 0 && (status.st_mode & 0777) == 0700);
    must(fstatat(directory_fd, "d/e", &status, 0) == 0 && (status.st_mode & 0700) == 0700);
    must(dir_make("/", 0755, &err) == 0 && dir_make(".", 0755, &err) == 0);
    must(dir_make("", 0755, &err) == -ENOENT);
    put("plain", "x");
    (void)snprintf(path, sizeof path, "%s/plain", directory);
    must(dir_make(path, 0700, &err) == -ENOTDIR);
    (void)snprintf(path, sizeof path, "%s/plain/x", directory);
    must(dir_make(path, 0700, &err) == -ENOTDIR);
    must(symlinkat("nowhere", directory_fd, "dangling") == 0);
    (void)snprintf(path, sizeof path, "%s/dangling", directory);
    must(dir_make(path, 0700, &err) == -EEXIST);
    char longest[5000];
    memset(longest, 'a', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    must(dir_make(longest, 0700, &err) == -ENAMETOOLONG);
}

static void test_tree_remove(void)
{
    Error err = ERROR_INIT;
    struct stat status;
    must(mkdirat(directory_fd, "t", 0755) == 0 && mkdirat(directory_fd, "outside", 0755) == 0);
    put("outside/stays", "x");
    put("t/file", "x");
    must(symlinkat("../outside", directory_fd, "t/link") == 0 && symlinkat("/", directory_fd, "t/root") == 0);
    must(mkdirat(directory_fd, "t/closed", 0755) == 0);
    put("t/closed/x", "x");
    must(fchmodat(directory_fd, "t/closed", 0, 0) == 0);
    must(mkfifoat(directory_fd, "t/fifo", 0600) == 0);
    for (int i = 0; i < 1000; i++) {
        char name[32];
        (void)snprintf(name, sizeof name, "t/m%d", i);
        must(mkdirat(directory_fd, name, 0755) == 0);
    }
    must(tree_remove(directory_fd, "t", &err) == 0);
    must(fstatat(directory_fd, "t", &status, 0) < 0 && errno == ENOENT);
    must(fstatat(directory_fd, "outside/stays", &status, 0) == 0);

    must(symlinkat("outside", directory_fd, "t") == 0);
    must(tree_remove(directory_fd, "t", &err) == 0);
    must(fstatat(directory_fd, "outside/stays", &status, 0) == 0);
    must(tree_remove(directory_fd, "t", &err) == 0 && tree_remove(directory_fd, "none/x", &err) == 0);
    must(tree_remove(directory_fd, "outside/..", &err) == -EINVAL && tree_remove(directory_fd, "", &err) == -EINVAL);
    must(tree_remove(directory_fd, ".", &err) == -EINVAL && tree_remove(AT_FDCWD, "/", &err) == -EINVAL);
    must(tree_remove(directory_fd, "outside/stays/x", &err) == -ENOTDIR);
}

static void test_tree_remove_deep(void)
{
    Error err = ERROR_INIT;
    struct stat status;
    /* 3000 levels, a branch at each; few descriptors. */
    int fd = openat(directory_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (int i = 0; i < 3000; i++) {
        const char *name = i == 0 ? "deep" : "d";
        must(mkdirat(fd, name, 0755) == 0);
        const int next = openat(fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        must(next >= 0 && close(fd) == 0);
        fd = next;
        must(mkdirat(fd, "side", 0755) == 0 && symlinkat("x", fd, "side/l") == 0);
    }
    (void)close(fd);
    struct rlimit limit, old;
    must(getrlimit(RLIMIT_NOFILE, &old) == 0);
    limit = old;
    limit.rlim_cur = 64;
    must(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    must(tree_remove(directory_fd, "deep", &err) == 0);
    must(setrlimit(RLIMIT_NOFILE, &old) == 0);
    must(fstatat(directory_fd, "deep", &status, 0) < 0 && errno == ENOENT);
}

static void test_tree_remove_stays_on_its_mount(void)
{
    if (geteuid() != 0) {
        tap_skip("mounting needs root");
        return;
    }
    must(mkdirat(directory_fd, "mounted", 0755) == 0 && mkdirat(directory_fd, "mounted/inner", 0755) == 0);
    const pid_t pid = fork();
    must(pid >= 0);
    if (pid == 0) {
        char path[300];
        Error err = ERROR_INIT;
        struct stat status;
        if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0) {
            _exit(77);
        }
        (void)snprintf(path, sizeof path, "%s/mounted/inner", directory);
        must(mount("tmpfs", path, "tmpfs", 0, NULL) == 0);
        must(mkdirat(directory_fd, "mounted/inner/kept", 0755) == 0);
        must(mkdirat(directory_fd, "mounted/inner/kept/x", 0755) == 0);
        const int r = tree_remove(directory_fd, "mounted", &err);
        must(r == -EBUSY || r == -EXDEV);
        must(fstatat(directory_fd, "mounted/inner/kept/x", &status, 0) == 0);
        must(umount(path) == 0);
        /* A bind mount of the same file system too. */
        char source[300];
        (void)snprintf(source, sizeof source, "%s/outside", directory);
        must(mount(source, path, NULL, MS_BIND, NULL) == 0);
        must(tree_remove(directory_fd, "mounted/inner", &err) < 0);
        must(fstatat(directory_fd, "outside/stays", &status, 0) == 0);
        _exit(0);
    }
    int status;
    must(waitpid(pid, &status, 0) == pid);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77) {
        tap_skip("no mount namespace here");
    } else {
        must(status == 0);
    }
}

static void test_path_is_clean(void)
{
    static const char *const good[] = {"a", "/a", "a/b", "/a/b.c/..d", "...", "a/.b", "/usr/bin/[", " "};
    static const char *const bad[] = {"", "/", "//", ".", "..", "/..", "a/", "a//b", "//a", "./a", "a/.", "a/../b", "../a", "a/.."};
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        must(path_is_clean(good[i]));
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        must(!path_is_clean(bad[i]));
    }
    char path[LIMIT_PATH_SIZE + 1];
    memset(path, 'a', sizeof path);
    path[LIMIT_PATH_SIZE - 1] = '\0';
    must(path_is_clean(path));
    path[LIMIT_PATH_SIZE - 1] = 'a';
    path[LIMIT_PATH_SIZE] = '\0';
    must(!path_is_clean(path));
}

static void on_abort(int signal_number)
{
    cleanup();
    (void)signal(signal_number, SIG_DFL);
    (void)raise(signal_number);
}

int main(void)
{
    must(mkdtemp(directory));
    directory_fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    must(directory_fd >= 0);
    (void)atexit(cleanup);
    (void)signal(SIGABRT, on_abort); /* a failed must() leaves no files either */
    static const TapCase cases[] = {
        {"read", test_read},
        {"map", test_map},
        {"write replaces whole files", test_write_replaces_whole},
        {"failed write leaves nothing", test_write_failure_leaves_nothing},
        {"make directories", test_dir_make},
        {"remove a tree", test_tree_remove},
        {"remove a deep tree with few descriptors", test_tree_remove_deep},
        {"removal stays on its mount", test_tree_remove_stays_on_its_mount},
        {"clean paths", test_path_is_clean},
    };
    return tap_main(cases, TAP_COUNT(cases));
}
