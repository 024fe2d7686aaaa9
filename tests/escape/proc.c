/* SPDX-License-Identifier: Apache-2.0 */
/* proc.c - a raw view of a process: every file of procfs that would show the runtime, by every way of naming it. */
#include "guest.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/wait.h>
#include <unistd.h>

#define PROC_MAGIC 0x9fa0

/* Every way to get something out of a name; is_link: the name itself is a link that may be looked at. Return: what worked, or NULL. */
static const char *way_into(const char *path, bool is_link)
{
    static const struct { const char *name; int flags; } opens[] = {
        {"open(O_RDONLY)", O_RDONLY}, {"open(O_RDWR)", O_RDWR}, {"open(O_WRONLY)", O_WRONLY}, {"open(O_PATH)", O_PATH},
        {"open(O_PATH|O_NOFOLLOW)", O_PATH | O_NOFOLLOW}, {"open(O_DIRECTORY)", O_DIRECTORY}, {"open(O_TRUNC)", O_WRONLY | O_TRUNC},
    };
    struct stat status;
    struct statfs system;
    char text[256];
    char statx_bytes[256];
    for (size_t i = 0; i < COUNT(opens); i++) {
        const int fd = is_link && (opens[i].flags & O_NOFOLLOW) != 0 ? -1 : open(path, opens[i].flags | O_NONBLOCK | O_CLOEXEC);
        if (fd >= 0) {
            close(fd);
            return opens[i].name;
        }
    }
    return stat(path, &status) == 0                                                              ? "stat"
           : !is_link && lstat(path, &status) == 0                                               ? "lstat"
           : CALL(statx, AT_FDCWD, P(path), 0, 0x7ff, P(statx_bytes)) == 0                       ? "statx"
           : access(path, F_OK) == 0                                                             ? "access"
           : !is_link && readlink(path, text, sizeof text) >= 0                                  ? "readlink"
           : statfs(path, &system) == 0                                                          ? "statfs"
           : truncate(path, 0) == 0                                                              ? "truncate"
           : chmod(path, 0777) == 0                                                              ? "chmod"
           : chdir(path) == 0                                                                    ? "chdir"
           : CALL(linkat, AT_FDCWD, P(path), AT_FDCWD, P("/tmp/linked"), AT_SYMLINK_FOLLOW) == 0 ? "linkat"
           : CALL(inotify_add_watch, open("/nosuch", 0), P(path), 0xfff) >= 0                    ? "inotify"
                                                                                                 : NULL;
}

static const char *way_in(const char *path) { return way_into(path, false); }

static void refuse(const char *path)
{
    const char *way = way_in(path);
    row(way == NULL, path, "refused in every way", way == NULL ? "refused" : way);
}

static const char *const own_files[] = {
    "mem", "pagemap", "smaps", "smaps_rollup", "numa_maps", "auxv", "syscall", "stack", "wchan", "io", "sched", "schedstat", "map_files",
    "map_files/40000000-40001000", "clear_refs", "coredump_filter", "oom_score_adj", "oom_adj", "attr/current", "attr/exec", "loginuid", "sessionid",
    "timerslack_ns", "personality", "uid_map", "gid_map", "setgroups", "projid_map", "mountinfo", "mountstats", "cgroup", "cpuset", "autogroup",
    "ns/mnt", "ns/pid", "ns/net", "ns/user", "net/tcp", "net/unix", "fdinfo/0", "fdinfo/1030", "fd/1024", "fd/1030", "fd/4095", "fd/-1", "fd/00001030",
    "fd/4294968326", "fd/0x406", "fd/1030/..", "task", "children", "patch_state", "seccomp_cache", "arch_status", "ksm_stat", "latency",
    "root/etc/passwd", "cwd/etc", "exe/x",
};

static void own(const char *prefix)
{
    const char *failed = NULL;
    for (size_t i = 0; i < COUNT(own_files); i++) {
        const char *path = say("%s/%s", prefix, own_files[i]);
        const char *way = way_in(path);
        if (way != NULL) {
            failed = say("%s of %s", way, path);
        }
    }
    row(failed == NULL, say("%d names beneath %s", (int)COUNT(own_files), prefix), "refused in every way", failed == NULL ? "refused" : failed);
}

/* Of other processes not even the harmless files are served. */
static void others(const char *who, pid_t pid)
{
    static const char *const more[] = {"status", "stat", "statm", "maps", "environ", "cmdline", "comm", "limits", "mounts", "exe", "root", "cwd", "fd",
        "fd/0", "fd/1"};
    const char *failed = NULL;
    for (size_t i = 0; i < COUNT(more) + COUNT(own_files); i++) {
        const char *path = say("/proc/%d/%s", (int)pid, i < COUNT(more) ? more[i] : own_files[i - COUNT(more)]);
        const char *way = way_in(path);
        failed = way != NULL ? say("%s of %s", way, path) : failed;
    }
    row(failed == NULL, say("%d names beneath /proc/N of %s", (int)(COUNT(more) + COUNT(own_files)), who), "refused in every way", failed == NULL
        ? "refused" : failed);
}

static void of_others(void)
{
    int ends[2];
    char byte;
    (void)!pipe(ends);
    const pid_t pid = fork();
    if (pid == 0) {
        close(ends[1]);
        _exit((int)read(ends[0], &byte, 1));
    }
    others("a forked child", pid);
    others("the parent", getppid());
    others("process 1", 1);
    close(ends[1]);
    waitpid(pid, NULL, 0);
    if (fork() == 0) { /* and the child's view of its parent */
        others("the guest that forked", getppid());
        _exit(0);
    }
    wait(NULL);
}

static const char *const global_files[] = {
    "kcore", "kallsyms", "kmsg", "sysrq-trigger", "keys", "key-users", "slabinfo", "vmallocinfo", "iomem", "ioports", "modules", "timer_list",
    "interrupts", "softirqs", "config.gz", "kpagecount", "kpageflags", "kpagecgroup", "pagetypeinfo", "zoneinfo", "vmstat", "diskstats", "partitions",
    "swaps", "locks", "cgroups", "consoles", "devices", "misc", "mtrr", "cmdline", "execdomains", "fb", "dma", "crypto", "buddyinfo", "schedstat",
    "bus/pci/devices", "irq/0", "acpi", "scsi/scsi", "tty/drivers", "sysvipc/shm", "net/unix", "driver", "asound", "pressure/cpu", "bootconfig",
    "sys/kernel/core_pattern", "sys/kernel/modprobe", "sys/kernel/hotplug", "sys/kernel/ns_last_pid", "sys/kernel/sysrq", "sys/kernel/randomize_va_space",
    "sys/kernel/yama/ptrace_scope", "sys/kernel/kptr_restrict", "sys/kernel/unprivileged_bpf_disabled", "sys/kernel/cap_last_cap", "sys/vm/drop_caches",
    "sys/vm/mmap_min_addr", "sys/vm/memfd_noexec", "sys/fs/protected_symlinks", "sys/fs/suid_dumpable", "sys/fs/binfmt_misc/register", "sys/net/core/somaxconn",
    "sys/user/max_user_namespaces", "self/../1/mem",
};

static void of_the_machine(void)
{
    for (size_t i = 0; i < COUNT(global_files); i++) {
        refuse(say("/proc/%s", global_files[i]));
    }
    static const char *const others_of_host[] = {"/dev/mem", "/dev/kmem", "/dev/port", "/dev/kmsg", "/dev/sda", "/dev/vda", "/dev/loop0", "/dev/fuse",
        "/dev/kvm",
        "/dev/userfaultfd", "/dev/net/tun", "/dev/fd/1030", "/dev/fd/../mem", "/dev/fd/-1", "/dev/pts/../mem", "/sys/kernel", "/sys/fs/cgroup",
            "/sys/kernel/debug",
        "/sys/kernel/security", "/sys/firmware/efi"};
    for (size_t i = 0; i < COUNT(others_of_host); i++) {
        refuse(others_of_host[i]);
    }
}

/* --- spellings of the same thing --- */

static const char *const spellings[] = {
    "/proc/./self//mem", "//proc/self/mem", "/proc//self/./mem", "/proc/self/../self/mem", "/etc/../proc/self/mem", "/nosuch/../proc/self/mem",
    "/./proc/self/mem", "/../../proc/self/mem", "/proc/self/mem/", "/proc/self/mem/.", "/proc/thread-self/mem", "/proc/self/root/proc/self/mem",
    "/proc/self/root/proc/1/mem", "/proc/self/cwd/proc/self/mem", "/proc/self/cwd/../proc/self/mem", "/proc/self/fd/../mem", "/proc/self/fd/0/../../mem",
    "/proc/self/task/../mem", "/proc/self/exe/../mem", "/proc/self/root/../proc/self/mem", "/dev/stdin/../mem", "/dev/fd/../../proc/self/mem",
    "/dev/../proc/self/mem", "/dev/./../proc/self/mem", "/proc/self/mem/../mem", "/proc/self/ns/../mem", "/proc/SELF/mem", "/proc/self /mem",
    "/links/proc/self/mem", "/links/proc/1/mem", "/links/self/mem", "/links/chain/self/mem", "/links/fd/1030", "/links/up/proc/self/mem",
};
static const char *const image_links[] = {"/links/mem", "/links/maps", "/links/exe"}; /* made before the container started */

static void by_spelling(void)
{
    for (size_t i = 0; i < COUNT(spellings); i++) {
        refuse(spellings[i]);
    }
    for (size_t i = 0; i < COUNT(image_links); i++) {
        const char *way = way_into(image_links[i], true);
        row(way == NULL, say("through the link %s", image_links[i]), "refused in every way", way == NULL ? "refused" : way);
    }
    refuse(say("/proc/%d/mem", (int)getpid()));
    refuse(say("/proc/self/task/%d/mem", (int)getpid()));
    refuse(say("/proc/%d/task/%d/mem", (int)getpid(), (int)getpid()));
    refuse(say("/proc/0%d/mem", (int)getpid()));
    refuse(say("/proc/%d/../self/mem", (int)getpid()));
}

static void by_link(void)
{
    if (mode == MODE_PLAIN) {
        expect("a symlink to /proc/self/mem: the root is read-only", "EROFS", CALL(symlink, P("/proc/self/mem"), P("/tmp/link")));
        return;
    }
    static const char *const targets[] = {"/proc/self/mem", "/proc/self/maps", "../proc/self/mem", "/proc/self/fd/1030", "/proc/1/mem", "//proc/./self/mem"};
    for (size_t i = 0; i < COUNT(targets); i++) {
        (void)!symlink(targets[i], "/tmp/link");
        const char *way = way_in("/tmp/link/.");
        const int fd = open("/tmp/link", O_RDONLY);
        row(way == NULL && fd < 0, say("a symlink to %s", targets[i]), "refused", way != NULL ? way : fd >= 0 ? "opened" : "refused");
        close(fd);
        unlink("/tmp/link");
    }
    expect("link(/proc/self/mem)", "ENOENT", link("/proc/self/mem", "/tmp/hard") < 0 ? -errno : 0);
    expect("link(/proc/self/maps): a served file has no inode to link", "ENOENT|EXDEV", link("/proc/self/maps", "/tmp/hard") < 0 ? -errno : 0);
    expect("rename(/proc/self/exe)", "<0", rename("/proc/self/exe", "/tmp/hard") < 0 ? -errno : 0);
    expect("mkdir(/proc/self)", "EROFS|EEXIST|EACCES", mkdir("/proc/self", 0755) < 0 ? -errno : 0);
    expect("symlink at /proc/x", "EROFS|EACCES", symlink("/", "/proc/x") < 0 ? -errno : 0);
    (void)!symlink("/proc", "/tmp/way");
    refuse("/tmp/way/self/mem");
    refuse("/tmp/way/self/maps");
    unlink("/tmp/way");
}

static void by_directory(void)
{
    static const char *const starts[] = {"/proc", "/proc/self/root/proc", "/proc/self/root", "/proc/self/cwd", "/", "/dev", "/proc/self/fd", "/proc/self"};
    static const char *const names[] = {"self/mem", "proc/self/mem", "../proc/self/mem", "mem", "1/mem", "../../proc/1/mem", "fd/../proc/self/mem",
        "./self/maps", "fd/1030"};
    const char *failed = NULL;
    for (size_t i = 0; i < COUNT(starts); i++) {
        const int fd = open(starts[i], O_PATH | O_DIRECTORY);
        const bool is_there = chdir(starts[i]) == 0;
        for (size_t k = 0; k < COUNT(names); k++) {
            const uint64_t how[3] = {O_RDONLY, 0, k % 3 == 0 ? 0x08 : k % 3 == 1 ? 0x10 : 0}; /* RESOLVE_BENEATH, RESOLVE_IN_ROOT */
            if ((fd >= 0 && openat(fd, names[k], O_RDONLY) >= 0) || (fd >= 0 && openat(fd, names[k], O_PATH) >= 0) ||
                (fd >= 0 && CALL(openat2, fd, P(names[k]), P(how), sizeof how) >= 0) || (is_there && open(names[k], O_RDONLY) >= 0) ||
                (is_there && CALL(openat2, AT_FDCWD, P(names[k]), P(how), sizeof how) >= 0)) {
                failed = say("%s from %s", names[k], starts[i]);
            }
        }
        close(fd);
        chdir("/");
    }
    row(failed == NULL, "relative names from a descriptor of, or a chdir to, /proc and others", "refused", failed == NULL ? "refused" : failed);
}

/* A descriptor of /proc from another process, and reopening by its number. */
static void by_descriptor(void)
{
    int pair[2], got = -1;
    char control[CMSG_SPACE(sizeof(int))] = {0}, byte = 'x';
    struct iovec iov = {&byte, 1};
    struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    (void)!socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
    if (fork() == 0) {
        const int fd = open("/proc", O_RDONLY | O_DIRECTORY);
        struct cmsghdr *head = CMSG_FIRSTHDR(&message);
        head->cmsg_level = SOL_SOCKET;
        head->cmsg_type = SCM_RIGHTS;
        head->cmsg_len = CMSG_LEN(sizeof fd);
        memcpy(CMSG_DATA(head), &fd, sizeof fd);
        _exit(sendmsg(pair[1], &message, 0) == 1 ? 0 : 1);
    }
    wait(NULL);
    if (recvmsg(pair[0], &message, 0) == 1 && CMSG_FIRSTHDR(&message) != NULL) {
        memcpy(&got, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof got);
    }
    row(got >= 0, "/proc itself comes through a socket", "a descriptor", result_name(got));
    const int fd = openat(got, "self/mem", O_RDONLY);
    expect("self/mem from a /proc that another process opened", "ENOENT|EACCES", fd < 0 ? -errno : fd);
    const int path_fd = open("/etc/passwd", O_PATH);
    const int again = open(say("/proc/self/fd/%d", path_fd), O_RDWR);
    const int64_t r = again < 0 ? -errno : write(again, "x", 1) < 0 ? -errno : 1;
    expect("an O_PATH descriptor reopened by /proc/self/fd/N gains nothing", "EBADF|EACCES|ENOENT|EROFS", r);
    const int read_only = open("/etc/passwd", O_RDONLY);
    const int writable = open(say("/dev/fd/%d", read_only), O_RDWR);
    expect("a read-only descriptor reopened by /dev/fd/N gains nothing", "EBADF|EACCES|EROFS", writable < 0 ? -errno : write(writable, "x", 1) < 0 ? -errno
        : 1);
}

/* --- what is served --- */

static bool shows_host(const char *text, const char **ret_what)
{
    static const char *const words[] = {"7ff", "7fe", "7f0", "555555", "40000000", "recompiler", "LOG_LEVEL", "megabinary", ".so", "vdso", "[stack]",
        "/objects/"};
    for (size_t i = 0; i < COUNT(words); i++) {
        if (strstr(text, words[i]) != NULL) {
            *ret_what = words[i];
            return true;
        }
    }
    if (strstr(text, outside) != NULL) {
        *ret_what = "a path of the host";
        return true;
    }
    return false;
}

static void served(void)
{
    static const char *const names[] = {"maps", "stat", "status", "statm", "environ", "environ.lines", "cmdline", "comm", "mounts", "limits"};
    for (size_t i = 0; i < COUNT(names); i++) {
        char text[8192] = "";
        const char *path = say("/proc/self/%s", names[i]);
        const char *what = "nothing of the host";
        const int fd = open(path, O_RDONLY);
        const ssize_t size = read(fd, text, sizeof text - 1);
        for (ssize_t k = 0; k < size; k++) {
            text[k] = text[k] == '\0' ? '\n' : text[k];
        }
        char *own_argument = strstr(text, outside); /* our own argument vector names it */
        if (own_argument != NULL && strcmp(names[i], "cmdline") == 0) {
            memset(own_argument, ' ', strlen(outside));
        }
        const bool is_bad = fd < 0 || size <= 0 || shows_host(text, &what);
        row(!is_bad, say("%s is the vkernel's", path), "nothing of the host", fd < 0 ? "not there" : what);
        expect(say("writing %s", path), "EACCES|EPERM|EBADF", open(path, O_RDWR) < 0 ? -errno : write(fd, "x", 1) < 0 ? -errno : 1);
        expect(say("a served %s is sealed", path), "<0", ftruncate(fd, 0) < 0 && mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED
            ? -errno : 0);
        close(fd);
    }
    char maps[4096] = "";
    const int fd = open("/proc/self/maps", O_RDONLY);
    (void)!read(fd, maps, sizeof maps - 1);
    const char *end = strchr(maps, '\n');
    row(strncmp(maps, "00000000-", 9) == 0 && end != NULL && end[1] == '\0', "/proc/self/maps has one line, the guest's memory", "00000000-...",
        maps[0] != '\0' ? say("%.40s", maps) : "nothing");
    close(fd);
}

static void served_links(void)
{
    static const struct { const char *path, *want; } links[] = {
        {"/proc/self/exe", "/bin/guest"}, {"/proc/self/root", "/"}, {"/proc/self/cwd", "/"}, {"/proc/thread-self/exe", "/bin/guest"}};
    for (size_t i = 0; i < COUNT(links); i++) {
        char target[512] = "";
        const ssize_t size = readlink(links[i].path, target, sizeof target - 1);
        row(size > 0 && strcmp(target, links[i].want) == 0, say("readlink %s", links[i].path), links[i].want, size < 0 ? strerror(errno) : target);
    }
    const char *failed = NULL;
    for (int fd = 0; fd < 3; fd++) {
        char target[512] = "";
        const ssize_t size = readlink(say("/proc/self/fd/%d", fd), target, sizeof target - 1);
        if (size > 0 && strncmp(target, "pipe:", 5) != 0 && strncmp(target, "/dev/", 5) != 0) {
            failed = say("%d: %s", fd, target);
        }
    }
    row(failed == NULL, "readlink /proc/self/fd/0, 1, 2 names no host path", "pipe, device or nothing", failed == NULL ? "so" : failed);
    static const char *const roots[] = {"/", "/proc", "/dev", "/sys", "/etc"};
    for (size_t i = 0; i < COUNT(roots); i++) {
        struct statfs system = {0};
        (void)statfs(roots[i], &system);
        row(system.f_type != PROC_MAGIC && system.f_type != 0x62656572, say("statfs %s", roots[i]), "neither procfs nor sysfs", say("%lx",
            (unsigned long)system.f_type));
    }
}

static void own_program(void)
{
    const int fd = open("/proc/self/exe", O_RDONLY);
    row(fd >= 0, "/proc/self/exe can be read", "a descriptor", result_name(fd < 0 ? -errno : fd));
    expect("write to /proc/self/exe", "EBADF|EPERM", CALL(write, fd, P("x"), 1));
    expect("ftruncate of /proc/self/exe", "EINVAL|EPERM|EBADF", CALL(ftruncate, fd, 0));
    expect("fchmod of /proc/self/exe", "EROFS|EPERM", CALL(fchmod, fd, 0777));
    expect("fchown of /proc/self/exe", "EROFS|EPERM", CALL(fchown, fd, getuid(), getgid()));
    expect("futimens of /proc/self/exe", "EROFS|EPERM", CALL(utimensat, fd, 0, 0, 0));
    expect("open(/proc/self/exe, O_RDWR)", "ETXTBSY|EACCES|EROFS", CALL(open, P("/proc/self/exe"), O_RDWR, 0));
    expect("mmap of /proc/self/exe, shared and writable", "EACCES|EPERM", CALL(mmap, 0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
    expect("mmap of /proc/self/exe with PROT_EXEC", "EACCES", CALL(mmap, 0, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0));
    expect("execve of /proc/self/mem", "<0", CALL(execve, P("/proc/self/mem"), 0, 0));
    expect("execve of /proc/self/fd/1030", "<0", CALL(execve, P("/proc/self/fd/1030"), 0, 0));
    expect("execve of /proc/1/exe", "<0", CALL(execve, P("/proc/1/exe"), 0, 0));
}

void theme_proc(void)
{
    own("/proc/self");
    own("/proc/thread-self");
    own(say("/proc/%d", (int)getpid()));
    own(say("/proc/self/task/%d", (int)getpid()));
    of_others();
    of_the_machine();
    by_spelling();
    by_link();
    by_directory();
    by_descriptor();
    served();
    served_links();
    own_program();
}

/* Run with the host's "/" and its /proc shown as volumes: no procfs may come along. */
void theme_volumes(void)
{
    static const char *const names[] = {"self/mem", "self/maps", "self/environ", "self/exe", "self/fd", "self/root/etc", "self/cwd", "self/status",
        "1/mem", "1/environ", "1/root/etc",
                                        "thread-self/mem", "self/task", "kcore", "kallsyms", "sysrq-trigger", "sys/kernel/core_pattern", "self/fd/1030",
                                            "self/map_files"};
    for (size_t i = 0; i < COUNT(names); i++) {
        refuse(say("/host/proc/%s", names[i]));
    }
    struct statfs system = {0};
    expect("statfs of /host/proc", "0", statfs("/host/proc", &system) < 0 ? -errno : 0);
    row(system.f_type != PROC_MAGIC, "the procfs beneath the volume is covered", "no procfs", say("%lx", (unsigned long)system.f_type));
    expect("the volume itself is there", "0", access("/host/etc/passwd", R_OK) < 0 ? -errno : 0);
    expect("execve of a program of the host", "EACCES", CALL(execve, P("/host/bin/true"), 0, 0));
    if (mode == MODE_ROOT) {
        expect("mknod in a volume", "EPERM", CALL(mknod, P(say("/host%s/device", outside)), 020666, 0x103));
    }
}
