/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proc-files.c - the files of /proc (and a few of /dev) that a guest may see; the host's procfs is never shown.
 *
 * A path is recognised by its text after "//", "." and ".." are taken out. What is in the lists below is made here; every
 * other name beneath /proc is left to the root's own /proc, which is an empty directory, or refused when a procfs is
 * mounted there (path.c). So a path that is not recognised, because of a symlink in it, finds nothing.
 *
 *   text        made into a sealed memfd when it is opened: one snapshot, like reading the real file once
 *   descriptor  /proc/self/fd/N, /dev/fd/N, /dev/stdin, /proc/self/exe: a duplicate of that descriptor
 *   device      /dev/null and a few others of the host, when the root is not private and has no /dev of its own
 */
#include "vk-int.h"

#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysinfo.h>
#include <sys/sysmacros.h>
#include <sys/times.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"

#define TEXT_MAX (LIMIT_ARG_SIZE + 65536u)

static void text_environ(Vk *vk, Buf *buf) { buf_append(buf, vk->envp.bytes, vk->envp.size); }
static void text_cmdline(Vk *vk, Buf *buf) { buf_append(buf, vk->argv.bytes, vk->argv.size); }
static void text_comm(Vk *vk, Buf *buf) { buf_append_format(buf, "%s\n", vk->comm); }

/* For the start code of WALI programs (wali-abi.h): one variable a line. A value with a newline cannot be said and is left out. */
static void text_environ_lines(Vk *vk, Buf *buf)
{
    for (uint32_t i = 0; i < vk->envp.count; i++) {
        const char *entry = vk->envp.bytes + vk->envp.starts[i];
        if (strchr(entry, '\n') == NULL && entry[0] != '\0') {
            buf_append_format(buf, "%s\n", entry);
        }
    }
}

static void text_maps(Vk *vk, Buf *buf)
{
    const uint64_t size = (uint64_t)vk->instance->memory->page_count * RT_PAGE_SIZE;
    buf_append_format(buf, "00000000-%08" PRIx64 " rw-p 00000000 00:00 0 %24s\n", size, "[memory]");
}

static void text_stat(Vk *vk, Buf *buf)
{
    struct tms times_used;
    (void)times(&times_used);
    const uint64_t size = (uint64_t)vk->instance->memory->page_count * RT_PAGE_SIZE;
    buf_append_format(buf, "%d (%s) R %d %d %d 0 -1 0 0 0 0 0 %ld %ld %ld %ld 20 0 1 0 0 %" PRIu64 " 0 18446744073709551615", getpid(),
                      vk->comm, getppid(), getpgrp(), getsid(0), times_used.tms_utime, times_used.tms_stime, times_used.tms_cutime,
                      times_used.tms_cstime, size);
    for (int field = 26; field <= 52; field++) {
        buf_append_string(buf, " 0");
    }
    buf_append_string(buf, "\n");
}

static void text_status(Vk *vk, Buf *buf)
{
    const uint64_t size_kb = (uint64_t)vk->instance->memory->page_count * (RT_PAGE_SIZE / 1024);
    uid_t uid[3];
    gid_t gid[3];
    (void)getresuid(&uid[0], &uid[1], &uid[2]);
    (void)getresgid(&gid[0], &gid[1], &gid[2]);
    buf_append_format(buf, "Name:\t%s\nState:\tR (running)\nTgid:\t%d\nPid:\t%d\nPPid:\t%d\nTracerPid:\t0\n", vk->comm, getpid(), getpid(), getppid());
    buf_append_format(buf, "Uid:\t%u\t%u\t%u\t%u\nGid:\t%u\t%u\t%u\t%u\n", uid[0], uid[1], uid[2], uid[1], gid[0], gid[1], gid[2], gid[1]);
    buf_append_format(buf, "FDSize:\t%u\nVmSize:\t%8" PRIu64 " kB\nThreads:\t%u\n", vk->fd_limit, size_kb, vk_thread_count(vk));
}

static void text_statm(Vk *vk, Buf *buf)
{
    const uint64_t pages = (uint64_t)vk->instance->memory->page_count * (RT_PAGE_SIZE / WALI_PAGE_SIZE);
    buf_append_format(buf, "%" PRIu64 " %" PRIu64 " 0 0 0 %" PRIu64 " 0\n", pages, pages, pages);
}

static void text_mounts(Vk *vk, Buf *buf)
{
    /* As other runtimes name it; df(1) of busybox passes over anything called "rootfs". */
    buf_append_format(buf, "overlay / overlay %s 0 0\n", vk->config.is_root_read_only ? "ro" : "rw");
}

static void text_limits(Vk *vk, Buf *buf)
{
    buf_append_format(buf, "%-26s%-21s%-21s%-10s\n", "Limit", "Soft Limit", "Hard Limit", "Units");
    buf_append_format(buf, "%-26s%-21" PRIu32 "%-21" PRIu32 "%-10s\n", "Max open files", (uint32_t)vk->limits[RLIMIT_NOFILE][0], (uint32_t)vk->limits[RLIMIT_NOFILE][1], "files");
}

static void text_cpuinfo(Vk *vk, Buf *buf)
{
    (void)vk;
    cpu_set_t set;
    CPU_ZERO(&set);
    (void)sched_getaffinity(0, sizeof set, &set);
    for (int i = 0; i < CPU_COUNT(&set); i++) {
        buf_append_format(buf, "processor\t: %d\nvendor_id\t: wasm32\nmodel name\t: WebAssembly\ncpu cores\t: %d\n\n", i, CPU_COUNT(&set));
    }
}

static void text_meminfo(Vk *vk, Buf *buf)
{
    (void)vk;
    struct sysinfo info;
    if (sysinfo(&info) != 0) {
        return;
    }
    const uint64_t unit = info.mem_unit;
    const struct { const char *name; uint64_t size; } rows[] = {
        {"MemTotal:", info.totalram * unit}, {"MemFree:", info.freeram * unit}, {"MemAvailable:", info.freeram * unit},
        {"Buffers:", info.bufferram * unit}, {"Cached:", 0}, {"Shmem:", info.sharedram * unit},
        {"SwapTotal:", info.totalswap * unit}, {"SwapFree:", info.freeswap * unit},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        buf_append_format(buf, "%-15s%9" PRIu64 " kB\n", rows[i].name, rows[i].size / 1024);
    }
}

static void text_uptime(Vk *vk, Buf *buf)
{
    (void)vk;
    struct timespec now;
    (void)clock_gettime(CLOCK_BOOTTIME, &now);
    buf_append_format(buf, "%ld.%02ld 0.00\n", now.tv_sec, now.tv_nsec / 10000000);
}

static void text_loadavg(Vk *vk, Buf *buf)
{
    (void)vk;
    struct sysinfo info;
    if (sysinfo(&info) == 0) {
        for (int i = 0; i < 3; i++) {
            buf_append_format(buf, "%lu.%02lu ", info.loads[i] >> 16, (info.loads[i] & 0xffff) * 100 >> 16);
        }
        buf_append_format(buf, "1/%u %d\n", info.procs, getpid());
    }
}

static void text_version(Vk *vk, Buf *buf)
{
    (void)vk;
    struct utsname name;
    (void)uname(&name);
    buf_append_format(buf, "%s version %s (recompiler) %s\n", name.sysname, name.release, name.version);
}

static void text_cpu_stat(Vk *vk, Buf *buf)
{
    (void)vk;
    struct timespec up;
    (void)clock_gettime(CLOCK_BOOTTIME, &up);
    buf_append_format(buf, "cpu  0 0 0 0 0 0 0 0 0 0\nctxt 0\nbtime %ld\nprocesses 1\nprocs_running 1\nprocs_blocked 0\n", time(NULL) - up.tv_sec);
}

static void text_filesystems(Vk *vk, Buf *buf)
{
    (void)vk;
    buf_append_string(buf, "nodev\trootfs\nnodev\ttmpfs\n");
}

static void text_hostname(Vk *vk, Buf *buf)
{
    struct utsname name;
    (void)uname(&name);
    buf_append_format(buf, "%s\n", vk->config.hostname != NULL ? vk->config.hostname : name.nodename);
}

static void text_ostype(Vk *vk, Buf *buf)
{
    (void)vk;
    buf_append_string(buf, "Linux\n");
}

static void text_osrelease(Vk *vk, Buf *buf)
{
    (void)vk;
    struct utsname name;
    (void)uname(&name);
    buf_append_format(buf, "%s\n", name.release);
}

static void text_pid_max(Vk *vk, Buf *buf)
{
    (void)vk;
    buf_append_string(buf, "4194304\n");
}

static void text_overcommit(Vk *vk, Buf *buf)
{
    (void)vk;
    buf_append_string(buf, "0\n");
}

static void text_uuid(Vk *vk, Buf *buf)
{
    (void)vk;
    uint8_t b[16];
    if (vk_sys3(SYS_getrandom, VK_PTR(b), sizeof b, 0) == (int64_t)sizeof b) {
        b[6] = (uint8_t)((b[6] & 0x0f) | 0x40);
        b[8] = (uint8_t)((b[8] & 0x3f) | 0x80);
        buf_append_format(buf, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x\n", b[0], b[1], b[2], b[3], b[4], b[5], b[6],
                          b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14], b[15]);
    }
}

/* The allow-list. Names are relative to /proc; "self/" also stands for the process's own number and thread-self. */
static const struct {
    const char *name;
    void (*make)(Vk *vk, Buf *buf);
} texts[] = {
    {"self/environ", text_environ}, {"self/environ.lines", text_environ_lines}, {"self/cmdline", text_cmdline}, {"self/comm", text_comm},
    {"self/maps", text_maps}, {"self/stat", text_stat}, {"self/status", text_status}, {"self/statm", text_statm},
    {"self/mounts", text_mounts}, {"self/limits", text_limits}, {"mounts", text_mounts}, {"cpuinfo", text_cpuinfo},
    {"meminfo", text_meminfo}, {"uptime", text_uptime}, {"loadavg", text_loadavg}, {"version", text_version}, {"stat", text_cpu_stat},
    {"filesystems", text_filesystems}, {"sys/kernel/hostname", text_hostname}, {"sys/kernel/ostype", text_ostype},
    {"sys/kernel/osrelease", text_osrelease}, {"sys/kernel/pid_max", text_pid_max}, {"sys/kernel/random/uuid", text_uuid},
    {"sys/vm/overcommit_memory", text_overcommit},
};

static const char *const devices[] = {"/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty"};

/* "//", "." and ".." taken out by text. Return: false when it does not fit. */
static bool clean_path(const char *path, char out[LIMIT_PATH_SIZE])
{
    size_t size = 0;
    while (*path != '\0') {
        while (*path == '/') {
            path++;
        }
        const size_t part = strcspn(path, "/");
        if (part == 2 && path[0] == '.' && path[1] == '.') {
            while (size > 0 && out[--size] != '/') {
            }
        } else if (part > 0 && !(part == 1 && path[0] == '.')) {
            if (size + part + 2 > LIMIT_PATH_SIZE) {
                return false;
            }
            out[size++] = '/';
            memcpy(out + size, path, part);
            size += part;
        }
        path += part;
    }
    out[size] = '\0';
    return true;
}

/* What readlink of /proc/self/fd/N answers. Regular files keep it empty: their path is not kept. */
static void name_descriptor(Vk *vk, VkFile *file)
{
    struct stat status;
    file->target[0] = '\0';
    if (file->fd < 0 || vk_sys2(SYS_fstat, file->fd, VK_PTR(&status)) < 0) {
        return;
    }
    if (S_ISFIFO(status.st_mode)) {
        (void)snprintf(file->target, sizeof file->target, "pipe:[%ju]", (uintmax_t)status.st_ino);
    } else if (S_ISSOCK(status.st_mode)) {
        (void)snprintf(file->target, sizeof file->target, "socket:[%ju]", (uintmax_t)status.st_ino);
    } else if (S_ISCHR(status.st_mode)) {
        const unsigned kind = major(status.st_rdev), number = minor(status.st_rdev);
        static const char *const memory_devices[] = {[3] = "null", [5] = "zero", [7] = "full", [8] = "random", [9] = "urandom"};
        if (kind >= 136 && kind <= 143) {
            (void)snprintf(file->target, sizeof file->target, "/dev/pts/%u", (kind - 136) * 256 + number);
        } else if (kind == 1 && number < sizeof memory_devices / sizeof memory_devices[0] && memory_devices[number] != NULL) {
            (void)snprintf(file->target, sizeof file->target, "/dev/%s", memory_devices[number]);
        } else if (kind == 5 && number == 0) {
            memcpy(file->target, "/dev/tty", sizeof "/dev/tty");
        }
    }
    (void)vk;
}

static bool set_descriptor(Vk *vk, VkFile *file, const char *digits)
{
    uint32_t fd = 0;
    if (*digits == '\0') {
        return false;
    }
    for (; *digits != '\0'; digits++) {
        if (*digits < '0' || *digits > '9' || fd > LIMIT_GUEST_FDS) {
            file->kind = VK_FILE_REFUSED;
            return true;
        }
        fd = fd * 10 + (uint32_t)(*digits - '0');
    }
    file->fd = (int)fd;
    file->kind = fd < vk->fd_limit && vk_sys2(SYS_fcntl, fd, F_GETFD) >= 0 ? VK_FILE_FD : VK_FILE_REFUSED;
    if (file->kind == VK_FILE_FD) {
        name_descriptor(vk, file);
    }
    return true;
}

static void set_link(VkFile *file, const char *target)
{
    file->kind = VK_FILE_LINK;
    (void)snprintf(file->target, sizeof file->target, "%s", target);
}

static bool find_dev(Vk *vk, const char *path, VkFile *file)
{
    static const char *const standard[] = {"/dev/stdin", "/dev/stdout", "/dev/stderr"};
    for (int i = 0; i < 3; i++) {
        if (strcmp(path, standard[i]) == 0) {
            return set_descriptor(vk, file, (const char[3][2]){"0", "1", "2"}[i]);
        }
    }
    if (strncmp(path, "/dev/fd/", 8) == 0) {
        return set_descriptor(vk, file, path + 8);
    }
    if (strcmp(path, "/dev/fd") == 0) {
        set_link(file, "/proc/self/fd");
        return true;
    }
    for (size_t i = 0; !vk->config.is_root_private && i < sizeof devices / sizeof devices[0]; i++) {
        if (strcmp(path, devices[i]) == 0) {
            file->kind = VK_FILE_DEVICE;
            file->device = devices[i];
            return true;
        }
    }
    return false;
}

static bool find_self(Vk *vk, const char *name, VkFile *file)
{
    if (strcmp(name, "exe") == 0) {
        file->kind = vk->exe_fd >= 0 ? VK_FILE_FD : VK_FILE_REFUSED;
        file->fd = vk->exe_fd;
        (void)snprintf(file->target, sizeof file->target, "%s", vk->exe_path != NULL ? vk->exe_path : "");
        return true;
    }
    if (strcmp(name, "cwd") == 0) {
        file->kind = vk_cwd(vk, file->target) < 0 ? VK_FILE_REFUSED : VK_FILE_LINK;
        return true;
    }
    if (strcmp(name, "root") == 0) {
        set_link(file, "/");
        return true;
    }
    return strncmp(name, "fd/", 3) == 0 && set_descriptor(vk, file, name + 3);
}

static bool __attribute__((noinline)) file_find(Vk *vk, const char *path, VkFile *file)
{
    char clean[LIMIT_PATH_SIZE];
    if (!clean_path(path, clean)) {
        return false;
    }
    file->kind = VK_FILE_NONE;
    file->fd = -1;
    file->target[0] = '\0';
    if (strncmp(clean, "/dev/", 5) == 0) {
        return find_dev(vk, clean, file);
    }
    if (strncmp(clean, "/proc/", 6) != 0) {
        return false;
    }
    char name[LIMIT_PATH_SIZE];
    char own[24];
    const char *rest = clean + 6;
    const size_t part = strcspn(rest, "/");
    (void)snprintf(own, sizeof own, "%d", getpid());
    const bool is_self = (part == 4 && strncmp(rest, "self", 4) == 0) || (part == 11 && strncmp(rest, "thread-self", 11) == 0) ||
                         (part == strlen(own) && strncmp(rest, own, part) == 0);
    if (is_self && rest[part] == '\0') {
        set_link(file, own);
        return true;
    }
    (void)snprintf(name, sizeof name, "%s%s", is_self ? "self" : "", is_self ? rest + part : rest);
    if (is_self && find_self(vk, name + 5, file)) {
        return true;
    }
    for (uint32_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        if (strcmp(texts[i].name, name) == 0) {
            file->kind = VK_FILE_TEXT;
            file->index = i;
            return true;
        }
    }
    file->kind = VK_FILE_REFUSED;
    return true;
}

/* Nearly every path is none of ours: no frame with path buffers for those. */
bool vk_file_may_be(const char *path)
{
    if (path[0] != '/') {
        return false;
    }
    while (*path == '/' || (*path == '.' && path[1] == '/')) {
        path++;
    }
    return strncmp(path, "proc", 4) == 0 || strncmp(path, "dev", 3) == 0;
}

bool vk_file_find(Vk *vk, const char *path, VkFile *file)
{
    const bool is_found = vk_file_may_be(path) && file_find(vk, path, file);
    if (is_found) {
        vk_warm_refuse(vk, path, "of /proc and /dev, not of the image");
    }
    return is_found;
}

/* Fills and seals a memfd. Another thread may have put something else behind its number: that must not get the text. */
static int text_write(Vk *vk, int fd, const Buf *buf)
{
    const int64_t pinned = vk_fd_pin(vk, fd);
    if (pinned < 0) {
        return (int)pinned;
    }
    if (pinned != fd && vk_sys2(SYS_fcntl, pinned, F_GET_SEALS) < 0) {
        return (int)vk_fd_unpin(fd, pinned, -EBADF);
    }
    vk_file_size_lift(vk);
    const int r = fd_write_full((int)pinned, buf->bytes, buf->size);
    vk_file_size_restore(vk);
    (void)vk_sys3(SYS_lseek, pinned, 0, SEEK_SET);
    (void)vk_sys3(SYS_fcntl, pinned, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL);
    return (int)vk_fd_unpin(fd, pinned, r);
}

static int64_t open_text(Vk *vk, const VkFile *file, uint32_t flags)
{
    if ((flags & O_ACCMODE) != O_RDONLY) {
        return -EACCES;
    }
    Buf buf = BUF_INIT(TEXT_MAX);
    texts[file->index].make(vk, &buf);
    int64_t fd = buf_error(&buf);
    if (fd == 0) {
        fd = vk_sys2(SYS_memfd_create, VK_PTR("proc"), ((flags & O_CLOEXEC) != 0 ? MFD_CLOEXEC : 0u) | MFD_ALLOW_SEALING | 0x8u /* MFD_NOEXEC_SEAL */);
        if (fd == -EINVAL) { /* before Linux 6.3 */
            fd = vk_sys2(SYS_memfd_create, VK_PTR("proc"), ((flags & O_CLOEXEC) != 0 ? MFD_CLOEXEC : 0u) | MFD_ALLOW_SEALING);
        }
    }
    const int r = fd < 0 ? 0 : text_write(vk, (int)fd, &buf);
    if (r < 0) {
        (void)vk_sys1(SYS_close, fd);
        fd = r;
    }
    buf_deinit(&buf);
    return vk_fd_new(vk, fd, (flags & O_CLOEXEC) != 0);
}

int64_t vk_file_open(Vk *vk, const VkFile *file, uint32_t flags)
{
    const bool is_cloexec = (flags & O_CLOEXEC) != 0;
    if ((flags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL)) {
        return -EEXIST;
    }
    switch (file->kind) {
    case VK_FILE_TEXT:
        return open_text(vk, file, flags);
    case VK_FILE_FD: {
        const bool is_exe = file->fd == vk->exe_fd;
        if (is_exe && (flags & O_ACCMODE) != O_RDONLY) {
            return -ETXTBSY;
        }
        const int64_t fd = vk_sys3(SYS_fcntl, file->fd, is_cloexec ? F_DUPFD_CLOEXEC : F_DUPFD, 0);
        if (fd >= 0 && is_exe) {
            (void)vk_sys3(SYS_lseek, fd, 0, SEEK_SET);
        } else if (fd >= 0 && (flags & O_TRUNC) != 0 && (flags & O_ACCMODE) != O_RDONLY) {
            (void)vk_sys2(SYS_ftruncate, fd, 0); /* pipes and terminals say EINVAL: nothing to do there */
        }
        return vk_fd_new(vk, fd, is_cloexec);
    }
    case VK_FILE_DEVICE:
        return vk_fd_new(vk, vk_sys4(SYS_openat, AT_FDCWD, VK_PTR(file->device), (flags & (O_ACCMODE | O_NONBLOCK | O_CLOEXEC | O_NOCTTY | O_APPEND)), 0), is_cloexec);
    case VK_FILE_LINK:
        if (file->target[0] == '/' && (flags & O_NOFOLLOW) == 0 && strncmp(file->target, "/proc", 5) != 0) { /* cwd, root */
            return vk_fd_new(vk, vk_open_path(vk, AT_FDCWD, file->target, flags & (O_PATH | O_DIRECTORY | O_CLOEXEC), 0, 0), is_cloexec);
        }
        return (flags & O_NOFOLLOW) != 0 ? -ELOOP : -EACCES;
    default:
        return -ENOENT;
    }
}

int vk_file_stat(Vk *vk, const VkFile *file, bool is_follow, WaliStat *ret_stat)
{
    struct stat status = {0};
    WaliStat out = {.st_nlink = 1, .st_blksize = 1024, .st_uid = getuid(), .st_gid = getgid()};
    const bool is_link = file->kind == VK_FILE_LINK || file->kind == VK_FILE_FD;
    if (file->kind == VK_FILE_REFUSED || file->kind == VK_FILE_NONE) {
        return -ENOENT;
    }
    if (is_link && !is_follow) {
        out.st_mode = S_IFLNK | 0777;
        out.st_size = (int64_t)strlen(file->target);
    } else if (file->kind == VK_FILE_TEXT) {
        out.st_mode = S_IFREG | 0444;
    } else if (file->kind == VK_FILE_LINK) {
        out.st_mode = S_IFDIR | 0555; /* self, cwd, root: directories all */
        out.st_nlink = 2;
    } else {
        const int64_t r = file->kind == VK_FILE_FD ? vk_sys2(SYS_fstat, file->fd, VK_PTR(&status))
                                                   : vk_sys4(SYS_newfstatat, AT_FDCWD, VK_PTR(file->device), VK_PTR(&status), 0);
        if (r < 0) {
            return (int)r;
        }
        out = (WaliStat){.st_dev = status.st_dev, .st_ino = status.st_ino, .st_nlink = status.st_nlink, .st_mode = status.st_mode,
                         .st_uid = status.st_uid, .st_gid = status.st_gid, .st_rdev = status.st_rdev, .st_size = status.st_size,
                         .st_blksize = status.st_blksize, .st_blocks = status.st_blocks,
                         .st_atim = {status.st_atim.tv_sec, status.st_atim.tv_nsec}, .st_mtim = {status.st_mtim.tv_sec, status.st_mtim.tv_nsec},
                         .st_ctim = {status.st_ctim.tv_sec, status.st_ctim.tv_nsec}};
    }
    (void)vk;
    *ret_stat = out;
    return 0;
}
