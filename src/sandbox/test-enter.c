/* SPDX-License-Identifier: Apache-2.0 */
/* Every case enters in a child; what it mounts ends with it. The host's mount table must be the same afterwards. */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/tap.h"
#include "sandbox/sandbox-int.h"

#define MINIMUM_FD 200
#define SKIPPED 77

static char top[] = "/tmp/test-enter-XXXXXX";
static char lower_a[64], lower_b[64], volume[64], hostile[64];
static pid_t main_pid;

static void cleanup(void)
{
    if (getpid() == main_pid && tree_remove(AT_FDCWD, top, NULL) < 0) {
        (void)fprintf(stderr, "cannot remove %s\n", top);
    }
}

static void on_abort(int number)
{
    cleanup();
    (void)signal(number, SIG_DFL);
    (void)raise(number);
}

static void put(const char *directory, const char *name, const char *text)
{
    char path[256];
    (void)snprintf(path, sizeof path, "%s/%s", directory, name);
    const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    must(fd >= 0 && fd_write_full(fd, text, strlen(text)) == 0);
    fd_close(fd);
}

static bool has_text(int at, const char *path, const char *text)
{
    char *bytes = NULL;
    size_t size;
    const bool is_equal = file_read(at, path, 4096, &bytes, &size, NULL) == 0 && strcmp(bytes, text) == 0;
    free(bytes);
    return is_equal;
}

static bool exists(int at, const char *path)
{
    struct stat status;
    return fstatat(at, path, &status, AT_SYMLINK_NOFOLLOW) == 0;
}

static SandboxConfig config_of(const char *const *lower_dirs, size_t count)
{
    return (SandboxConfig){.lower_dirs = lower_dirs, .lower_count = count, .is_ephemeral = true, .hostname = "inside", .minimum_fd = MINIMUM_FD};
}

/* Runs in a child; 77 means that this machine does not let us. */
static void in_child(void (*run)(void))
{
    const pid_t pid = fork();
    must(pid >= 0);
    if (pid == 0) {
        (void)signal(SIGABRT, SIG_DFL);
        (void)alarm(60);
        run();
        _exit(0);
    }
    int status;
    must(waitpid(pid, &status, 0) == pid);
    if (WIFEXITED(status) && WEXITSTATUS(status) == SKIPPED) {
        tap_skip("namespaces are not allowed here");
    } else {
        must(status == 0);
    }
}

/* Enters or ends the child. */
static SandboxRoot enter(const SandboxConfig *config)
{
    SandboxRoot root = {.root_fd = -1};
    Error err = ERROR_INIT;
    const int r = sandbox_enter(config, &root, &err);
    if (r < 0 && strstr(err.message, "need namespaces")) {
        _exit(SKIPPED);
    }
    if (r < 0) {
        (void)fprintf(stderr, "# %s\n", err.message);
    }
    must(r == 0);
    if (!root.is_namespaced) {
        _exit(SKIPPED);
    }
    return root;
}

/* --- cases --- */

static void run_ephemeral(void)
{
    const char *const lower[] = {lower_a};
    const SandboxConfig config = config_of(lower, 1);
    const int host_fd = open(lower_a, O_PATH | O_DIRECTORY | O_CLOEXEC);
    const SandboxRoot root = enter(&config);
    struct stat status, host_status;
    must(root.is_private && root.root_fd >= MINIMUM_FD && root.lower_fd >= MINIMUM_FD && root.upper_fd >= MINIMUM_FD);
    must(fcntl(root.root_fd, F_GETFD) == FD_CLOEXEC);
    must(has_text(AT_FDCWD, "/a", "from a") && has_text(root.root_fd, "a", "from a") && has_text(root.lower_fd, "a", "from a"));
    must(!exists(root.upper_fd, "a"));
    put("/", "new", "n");
    put("/", "a", "changed");
    must(has_text(root.upper_fd, "a", "changed") && has_text(root.lower_fd, "a", "from a") && has_text(host_fd, "a", "from a"));
    must(exists(root.upper_fd, "new") && !exists(host_fd, "new"));
    must(unlink("/etc/deep") == 0 && exists(host_fd, "etc/deep"));
    must(fstatat(root.upper_fd, "etc/deep", &status, AT_SYMLINK_NOFOLLOW) == 0 && S_ISCHR(status.st_mode)); /* whiteout */
    must(stat("/", &status) == 0 && fstat(host_fd, &host_status) == 0);
    must((status.st_mode & 07777) == (host_status.st_mode & 07777) && (status.st_mode & 07777) == 0711);
    must(openat(root.lower_fd, "x", O_WRONLY | O_CREAT | O_CLOEXEC, 0600) == -1 && errno == EROFS);
    struct statvfs flags;
    const unsigned long wanted = ST_NOSUID | ST_NODEV | ST_NOEXEC;
    must(statvfs("/", &flags) == 0 && (flags.f_flag & wanted) == wanted);
    must(fstatvfs(root.lower_fd, &flags) == 0 && (flags.f_flag & wanted) == wanted);
}

static void test_ephemeral(void)
{
    in_child(run_ephemeral);
    must(has_text(AT_FDCWD, lower_a, "") == false);
    char path[128];
    (void)snprintf(path, sizeof path, "%s/a", lower_a);
    must(has_text(AT_FDCWD, path, "from a"));
}

static void run_nothing_of_the_host(void)
{
    const char *const lower[] = {lower_a};
    const SandboxConfig config = config_of(lower, 1);
    (void)enter(&config);
    must(!exists(AT_FDCWD, top) && !exists(AT_FDCWD, "/usr") && !exists(AT_FDCWD, "/proc/self"));
    must(!exists(AT_FDCWD, "/../../usr") && !exists(AT_FDCWD, "/sys/kernel"));
    must(mkdir("/proc/x", 0700) == -1);
    const pid_t pid = fork();
    must(pid >= 0);
    if (pid == 0) {
        must(getpid() == 1 && getppid() == 0);
        must(kill(-1, 0) == -1 && errno == ESRCH);
        _exit(0);
    }
    int status;
    must(waitpid(pid, &status, 0) == pid && status == 0);
    struct utsname name;
    must(uname(&name) == 0 && strcmp(name.nodename, "inside") == 0);
}

static void test_nothing_of_the_host(void)
{
    char before[256], after[256];
    must(gethostname(before, sizeof before) == 0);
    in_child(run_nothing_of_the_host);
    must(gethostname(after, sizeof after) == 0 && strcmp(before, after) == 0);
}

static void check_node(const char *path, unsigned major_number, unsigned minor_number)
{
    struct stat status;
    must(stat(path, &status) == 0 && S_ISCHR(status.st_mode) && (status.st_mode & 0666) == 0666);
    must(major(status.st_rdev) == major_number && minor(status.st_rdev) == minor_number);
}

static void run_dev(void)
{
    const char *const lower[] = {lower_a};
    const SandboxConfig config = config_of(lower, 1);
    char bytes[8] = "xxxxxxx";
    (void)umask(077);
    (void)enter(&config);
    check_node("/dev/null", 1, 3);
    check_node("/dev/zero", 1, 5);
    check_node("/dev/full", 1, 7);
    check_node("/dev/random", 1, 8);
    check_node("/dev/urandom", 1, 9);
    check_node("/dev/tty", 5, 0);
    const int zero_fd = open("/dev/zero", O_RDONLY | O_CLOEXEC);
    const int null_fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
    const int full_fd = open("/dev/full", O_WRONLY | O_CLOEXEC);
    must(read(zero_fd, bytes, 8) == 8 && bytes[0] == 0 && bytes[7] == 0);
    must(write(null_fd, bytes, 8) == 8 && write(full_fd, bytes, 8) == -1 && errno == ENOSPC);
    const int terminal_fd = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    must(terminal_fd >= 0 && unlockpt(terminal_fd) == 0);
    must(exists(AT_FDCWD, "/dev/pts/0") && !exists(AT_FDCWD, "/dev/sda") && !exists(AT_FDCWD, "/dev/kmsg") && !exists(AT_FDCWD, "/dev/mem"));
    must(open("/dev/shm/x", O_RDWR | O_CREAT | O_CLOEXEC, 0600) >= 0);
    struct stat status;
    must(stat("/dev/shm", &status) == 0 && (status.st_mode & 07777) == 01777);
    char target[64];
    const ssize_t size = readlink("/dev/fd", target, sizeof target);
    must(size == 13 && memcmp(target, "/proc/self/fd", 13) == 0);
}

static void test_dev(void)
{
    in_child(run_dev);
}

static void run_layers(void)
{
    const char *const lower[] = {lower_a, lower_b};
    const SandboxConfig config = config_of(lower, 2);
    const SandboxRoot root = enter(&config);
    must(has_text(AT_FDCWD, "/both", "from b") && has_text(AT_FDCWD, "/a", "from a") && has_text(AT_FDCWD, "/b", "from b"));
    must(has_text(root.lower_fd, "both", "from b") && has_text(root.lower_fd, "a", "from a") && has_text(root.lower_fd, "b", "from b"));
    put("/", "both", "mine");
    must(has_text(root.lower_fd, "both", "from b") && has_text(root.upper_fd, "both", "mine"));
    must(openat(root.lower_fd, "x", O_WRONLY | O_CREAT | O_CLOEXEC, 0600) == -1 && errno == EROFS);
}

static void test_layers(void)
{
    in_child(run_layers);
}

static void run_read_only(void)
{
    const char *const lower[] = {lower_b}; /* has neither /dev nor /proc */
    const SandboxMount mounts[] = {{.source = volume, .target = "/data/deep", .is_read_only = false}};
    SandboxConfig config = config_of(lower, 1);
    config.is_read_only = true;
    config.mounts = mounts;
    config.mount_count = 1;
    (void)enter(&config);
    must(open("/x", O_WRONLY | O_CREAT | O_CLOEXEC, 0600) == -1 && errno == EROFS);
    must(open("/b", O_WRONLY | O_CLOEXEC) == -1 && errno == EROFS);
    must(open("/dev/null", O_WRONLY | O_CLOEXEC) >= 0);
    put("/data/deep", "written", "w");
}

static void test_read_only(void)
{
    char path[128];
    in_child(run_read_only);
    (void)snprintf(path, sizeof path, "%s/written", volume);
    must(tap_skip_reason || has_text(AT_FDCWD, path, "w"));
    (void)snprintf(path, sizeof path, "%s/dev", lower_b);
    must(!exists(AT_FDCWD, path));
    (void)snprintf(path, sizeof path, "%s/data", lower_b);
    must(!exists(AT_FDCWD, path));
}

static void run_artefacts(void)
{
    const char *const lower[] = {lower_a};
    const SandboxConfig config = config_of(lower, 1);
    (void)enter(&config);
    must(open("/.recompiler/manifest.json", O_RDONLY | O_CLOEXEC) == -1 && errno == ENOENT);
    must(mkdir("/.recompiler", 0755) == 0 && !exists(AT_FDCWD, "/.recompiler/manifest.json")); /* its own, not a view of the image's */
}

/* In place there is no upper layer to hide them in: read-only. */
static void run_artefacts_in_place(void)
{
    const char *const lower[] = {lower_a};
    SandboxConfig config = config_of(lower, 1);
    config.is_ephemeral = false;
    (void)enter(&config);
    must(has_text(AT_FDCWD, "/.recompiler/manifest.json", "{}"));
    must(open("/.recompiler/manifest.json", O_WRONLY | O_CLOEXEC) == -1 && errno == EROFS);
    must(open("/.recompiler/x", O_WRONLY | O_CREAT | O_CLOEXEC, 0600) == -1 && errno == EROFS);
    must(unlink("/.recompiler/manifest.json") == -1 && errno == EROFS);
    must(rename("/.recompiler", "/other") == -1 && errno == EBUSY && rmdir("/.recompiler") == -1);
}

static void test_artefacts(void)
{
    in_child(run_artefacts);
    in_child(run_artefacts_in_place);
}

static void run_in_place(void)
{
    const char *const lower[] = {lower_b};
    SandboxConfig config = config_of(lower, 1);
    config.is_ephemeral = false;
    const SandboxRoot root = enter(&config);
    must(root.upper_fd == -1 && root.lower_fd == -1);
    put("/", "kept", "k");
}

static void test_in_place(void)
{
    char path[128];
    in_child(run_in_place);
    (void)snprintf(path, sizeof path, "%s/kept", lower_b);
    must(tap_skip_reason || has_text(AT_FDCWD, path, "k"));
    (void)snprintf(path, sizeof path, "%s/dev", lower_b);
    must(!exists(AT_FDCWD, path)); /* nothing is made in a user's directory */
}

static void run_volumes(void)
{
    char file[128];
    (void)snprintf(file, sizeof file, "%s/file", volume);
    const char *const lower[] = {lower_a};
    const SandboxMount mounts[] = {
        {.source = volume, .target = "/ro", .is_read_only = true},
        {.source = volume, .target = "new/deep/place", .is_read_only = false},
        {.source = file, .target = "/etc/file", .is_read_only = true},
        {.source = volume, .target = "/escape/x", .is_read_only = true}, /* escape -> ../../../../etc */
    };
    SandboxConfig config = config_of(lower, 1);
    struct statvfs flags;
    struct stat status;
    config.mounts = mounts;
    config.mount_count = 4;
    (void)umask(077);
    (void)enter(&config);
    must(stat("/new/deep", &status) == 0 && (status.st_mode & 07777) == 0755 && umask(022) == 077);
    must(has_text(AT_FDCWD, "/ro/file", "in volume") && has_text(AT_FDCWD, "/etc/file", "in volume"));
    must(open("/ro/x", O_WRONLY | O_CREAT | O_CLOEXEC, 0600) == -1 && errno == EROFS);
    must(open("/etc/file", O_WRONLY | O_CLOEXEC) == -1 && errno == EROFS);
    put("/new/deep/place", "y", "y");
    must(exists(AT_FDCWD, "/ro/y") && has_text(AT_FDCWD, "/etc/x/file", "in volume"));
    must(statvfs("/new/deep/place", &flags) == 0);
    must((flags.f_flag & (ST_NOSUID | ST_NODEV | ST_NOEXEC)) == (ST_NOSUID | ST_NODEV | ST_NOEXEC));
}

static void test_volumes(void)
{
    in_child(run_volumes);
    must(!exists(AT_FDCWD, "/etc/x"));
}

static void run_hostile(void)
{
    const char *const lower[] = {hostile};
    const SandboxConfig config = config_of(lower, 1);
    SandboxRoot root = {.root_fd = -5};
    Error err = ERROR_INIT;
    const int r = sandbox_enter(&config, &root, &err);
    if (r == 0 && !root.is_namespaced) {
        _exit(SKIPPED); /* nothing was mounted, so nothing was refused */
    }
    must(r < 0 && root.root_fd == -5 && strstr(err.message, "/dev of the image is no directory"));
}

static void run_bad_sources(void)
{
    const char *const lower[] = {lower_a};
    const char *const missing[] = {"/nonexistent/lower"};
    const SandboxMount mounts[] = {{.source = "/nonexistent/source", .target = "/x"}};
    SandboxConfig config = config_of(missing, 1);
    SandboxRoot root;
    Error err = ERROR_INIT;
    must(sandbox_enter(&config, &root, &err) == -ENOENT && strstr(err.message, "/nonexistent/lower"));
    err = ERROR_INIT;
    config = config_of(lower, 1);
    config.mounts = mounts;
    config.mount_count = 1;
    must(sandbox_enter(&config, &root, &err) < 0);
    config = config_of(lower, 0);
    must(sandbox_enter(&config, &root, &err) == -EINVAL);
}

static void test_hostile_images_and_bad_sources(void)
{
    in_child(run_hostile);
    in_child(run_bad_sources);
}

static void run_ids(void)
{
    static const gid_t groups[] = {44, 45};
    const char *const lower[] = {lower_a};
    SandboxConfig config = config_of(lower, 1);
    gid_t list[8];
    int signal_number = 0;
    config.uid = 1234;
    config.gid = 1235;
    config.groups = groups;
    config.group_count = 2;
    must(prctl(PR_SET_PDEATHSIG, SIGKILL) == 0);
    (void)enter(&config);
    must(getuid() == 1234 && geteuid() == 1234 && getgid() == 1235 && getegid() == 1235);
    must(getgroups(8, list) == 2 && list[0] == 44 && list[1] == 45);
    must(setuid(0) == -1 && errno == EPERM);
    must(prctl(PR_GET_PDEATHSIG, &signal_number) == 0 && signal_number == SIGKILL);
}

static void test_ids(void)
{
    if (geteuid() != 0) {
        tap_skip("other ids need root");
        return;
    }
    in_child(run_ids);
}

static void run_network(void)
{
    const char *const lower[] = {lower_a};
    const SandboxConfig config = config_of(lower, 1);
    (void)enter(&config);
    struct ifreq request = {.ifr_name = "lo"};
    const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    must(fd >= 0 && ioctl(fd, SIOCGIFFLAGS, &request) == 0 && (request.ifr_flags & IFF_UP));
    for (int index = 2; index < 64; index++) {
        struct ifreq other = {.ifr_ifindex = index};
        if (ioctl(fd, SIOCGIFNAME, &other) == 0) {
            must(ioctl(fd, SIOCGIFFLAGS, &other) == 0 && !(other.ifr_flags & IFF_UP)); /* tunnel templates of the kernel, down */
        }
    }
}

static void test_network(void)
{
    in_child(run_network);
}

static void run_upper_limit(void)
{
    const char *const lower[] = {lower_a};
    SandboxConfig config = config_of(lower, 1);
    static char chunk[1 << 20];
    config.upper_size = 4u << 20;
    (void)enter(&config);
    const int fd = open("/big", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    int r = 0;
    for (int i = 0; i < 16 && r == 0; i++) {
        r = fd_write_full(fd, chunk, sizeof chunk);
    }
    must(r == -ENOSPC);
}

static void test_upper_limit(void)
{
    in_child(run_upper_limit);
}

static void run_as_nobody(void)
{
    if (geteuid() == 0) {
        must(setgroups(0, NULL) == 0 && setresgid(65534, 65534, 65534) == 0 && setresuid(65534, 65534, 65534) == 0);
        must(prctl(PR_SET_DUMPABLE, 1) == 0);
    }
    const char *const lower[] = {lower_a, lower_b};
    const SandboxMount mounts[] = {{.source = volume, .target = "/v", .is_read_only = true}};
    SandboxConfig config = config_of(lower, 2);
    config.mounts = mounts;
    config.mount_count = 1;
    SandboxRoot root;
    Error err = ERROR_INIT;
    if (sandbox_enter(&config, &root, &err) < 0) {
        must(strstr(err.message, "need namespaces"));
        _exit(SKIPPED);
    }
    must(root.is_namespaced && geteuid() == 0); /* uid 0 inside is nobody outside */
    must(has_text(AT_FDCWD, "/both", "from b") && has_text(AT_FDCWD, "/v/file", "in volume"));
    check_node("/dev/null", 1, 3);
    must(open("/dev/null", O_WRONLY | O_CLOEXEC) >= 0);
    must(!exists(AT_FDCWD, "/usr") && mknod("/node", S_IFCHR | 0666, makedev(1, 3)) == -1);
}

static void test_as_ordinary_user(void)
{
    in_child(run_as_nobody);
}

/* As `unshare --map-root-user` leaves it: root, but groups cannot be set. */
static void run_groups_denied(void)
{
    if (unshare(CLONE_NEWUSER) < 0) {
        _exit(SKIPPED);
    }
    static const char *const files[][2] = {{"/proc/self/setgroups", "deny"}, {"/proc/self/uid_map", "0 0 1"}, {"/proc/self/gid_map", "0 0 1"}};
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        const int fd = open(files[i][0], O_WRONLY | O_CLOEXEC);
        must(fd >= 0 && fd_write_full(fd, files[i][1], strlen(files[i][1])) == 0);
        (void)close(fd);
    }
    must(setgroups(0, NULL) == -1 && errno == EPERM && geteuid() == 0);
    const char *const lower[] = {lower_a, lower_b};
    const SandboxConfig config = config_of(lower, 2);
    const SandboxRoot root = enter(&config);
    must(root.is_namespaced && has_text(AT_FDCWD, "/both", "from b"));
}

static void test_groups_denied(void)
{
    in_child(run_groups_denied);
}

/* In a chroot nobody may make a user namespace: the way without namespaces. */
static void run_plainly(void)
{
    const char *const lower[] = {"/lower-a"};
    const char *const several[] = {"/lower-a", "/lower-b"};
    const SandboxMount mounts[] = {{.source = "/volume", .target = "/v"}};
    SandboxConfig config = config_of(several, 2);
    SandboxRoot root;
    Error err = ERROR_INIT;
    must(chroot(top) == 0 && chdir("/") == 0);
    must(setgroups(0, NULL) == 0 && setresgid(65534, 65534, 65534) == 0 && setresuid(65534, 65534, 65534) == 0);
    must(sandbox_enter(&config, &root, &err) == -EPERM && strstr(err.message, "several layers need namespaces") && err.hint[0]);
    config = config_of(lower, 1);
    config.mounts = mounts;
    config.mount_count = 1;
    must(sandbox_enter(&config, &root, &err) == -EPERM && strstr(err.message, "volumes need namespaces"));
    config = config_of(lower, 1);
    must(sandbox_enter(&config, &root, &err) == 0);
    must(!root.is_namespaced && !root.is_private && root.root_fd >= MINIMUM_FD && root.lower_fd == -1 && root.upper_fd == -1);
    must(has_text(root.root_fd, "a", "from a"));
    must(openat(root.root_fd, "x", O_WRONLY | O_CREAT | O_CLOEXEC, 0600) == -1);
}

static void test_without_namespaces(void)
{
    if (geteuid() != 0) {
        tap_skip("chroot needs root");
        return;
    }
    in_child(run_plainly);
}

static size_t mount_count(void)
{
    char *text = NULL;
    size_t size, count = 0;
    must(file_read(AT_FDCWD, "/proc/self/mountinfo", 1u << 20, &text, &size, NULL) == 0);
    for (size_t i = 0; i < size; i++) {
        count += text[i] == '\n' && i > 0;
    }
    must(!strstr(text, top));
    free(text);
    return count;
}

static void test_host_mounts_are_untouched(void)
{
    must(mount_count() > 0);
}

static void make_directories(void)
{
    char path[128];
    must(mkdtemp(top) && chmod(top, 0755) == 0);
    (void)snprintf(lower_a, sizeof lower_a, "%s/lower-a", top);
    (void)snprintf(lower_b, sizeof lower_b, "%s/lower-b", top);
    (void)snprintf(volume, sizeof volume, "%s/volume", top);
    (void)snprintf(hostile, sizeof hostile, "%s/hostile", top);
    must(mkdir(lower_a, 0755) == 0 && mkdir(lower_b, 0755) == 0 && mkdir(volume, 0777) == 0 && mkdir(hostile, 0755) == 0);
    static const char *const directories[] = {"dev", "proc", "tmp", "etc", "sys", ".recompiler"};
    for (size_t i = 0; i < sizeof directories / sizeof directories[0]; i++) {
        (void)snprintf(path, sizeof path, "%s/%s", lower_a, directories[i]);
        must(mkdir(path, 0755) == 0);
    }
    put(lower_a, "a", "from a");
    put(lower_a, "both", "from a");
    put(lower_a, "etc/deep", "deep");
    put(lower_a, ".recompiler/manifest.json", "{}");
    put(lower_b, "b", "from b");
    put(lower_b, "both", "from b");
    put(volume, "file", "in volume");
    (void)snprintf(path, sizeof path, "%s/escape", lower_a);
    must(symlink("../../../../etc", path) == 0);
    must(chmod(lower_a, 0711) == 0);
    (void)snprintf(path, sizeof path, "%s/dev", hostile);
    must(symlink("/etc", path) == 0);
}

int main(void)
{
    main_pid = getpid();
    (void)umask(022);
    make_directories();
    (void)atexit(cleanup);
    (void)signal(SIGABRT, on_abort);
    const size_t before = mount_count();
    static const TapCase cases[] = {
        {"writes stay in the upper layer", test_ephemeral},
        {"nothing of the host is seen", test_nothing_of_the_host},
        {"/dev", test_dev},
        {"layers", test_layers},
        {"read-only root", test_read_only},
        {"the image's artefacts are read-only", test_artefacts},
        {"directory in place", test_in_place},
        {"volumes", test_volumes},
        {"hostile images and bad sources", test_hostile_images_and_bad_sources},
        {"user, group, groups, parent death signal", test_ids},
        {"network", test_network},
        {"limit of the upper layer", test_upper_limit},
        {"as an ordinary user", test_as_ordinary_user},
        {"root that may not set groups", test_groups_denied},
        {"without namespaces", test_without_namespaces},
        {"host mounts are untouched", test_host_mounts_are_untouched},
    };
    const int result = tap_main(cases, TAP_COUNT(cases));
    must(mount_count() == before);
    return result;
}
