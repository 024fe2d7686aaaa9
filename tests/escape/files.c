/* SPDX-License-Identifier: Apache-2.0 */
/* files.c - out of the root by names, links, flags, descriptors and mounts; and into files of the host that the guest was only lent. */
#include "guest.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *readable(int64_t fd)
{
    char text[64] = "";
    if (fd < 0) {
        return result_name(fd);
    }
    const ssize_t size = read((int)fd, text, sizeof text - 1);
    close((int)fd);
    return size > 0 && strncmp(text, SECRET, strlen(SECRET)) == 0 ? "the secret" : say("a file of %d bytes", (int)size);
}

static void unreachable(const char *name, int64_t fd)
{
    const char *got = readable(fd);
    row(fd < 0, name, "an error", got);
}

static void by_name(void)
{
    static const char *const prefixes[] = {"", "/..", "/../../../../../../../../..", "/etc/../../../../..", "/data/./.././../..", "/links/up",
        "/links/../..", "/proc/self/root", "/proc/self/cwd/../..",
                                           "/proc/self/root/../..", "/dev/fd/../../..", "/bin/../links/up", "//", "/nosuch/../.."};
    for (size_t i = 0; i < COUNT(prefixes); i++) {
        const char *path = say("%s%s/secret", prefixes[i], outside);
        unreachable(path, CALL(open, P(path), O_RDONLY, 0));
        row(CALL(stat, P(path), P((char[144]){0})) < 0, say("stat of %s", path), "an error", CALL(stat, P(path), P((char[144]){0})) < 0 ? "an error"
            : "it is there");
        unreachable(say("%s with O_PATH", path), CALL(open, P(path), O_PATH, 0));
    }
    static const char *const links[] = {"/links/secret", "/links/secret-up", "/links/outside/secret", "/links/outside-up/secret", "links/secret-up",
        "./links/outside-up/./secret", "/links/loop"};
    for (size_t i = 0; i < COUNT(links); i++) {
        unreachable(say("a link of the image: %s", links[i]), CALL(open, P(links[i]), O_RDONLY, 0));
        expect(say("access to %s", links[i]), "ENOENT|EACCES|ELOOP|EXDEV", CALL(access, P(links[i]), 0));
        expect(say("truncate of %s", links[i]), "ENOENT|EACCES|ELOOP|EROFS|EXDEV", CALL(truncate, P(links[i]), 0));
        expect(say("chmod of %s", links[i]), "ENOENT|EACCES|ELOOP|EROFS|EXDEV", CALL(chmod, P(links[i]), 0777));
        expect(say("utimensat of %s", links[i]), "ENOENT|EACCES|ELOOP|EROFS|EXDEV", CALL(utimensat, AT_FDCWD, P(links[i]), 0, 0));
    }
    expect("chdir to the outside", "ENOENT|EACCES", CALL(chdir, P(outside)));
    expect("chdir through a link", "ENOENT|EACCES", CALL(chdir, P("/links/outside-up")));
    char cwd[512] = "";
    (void)CALL(chdir, P("/links/up"));
    (void)CALL(getcwd, P(cwd), sizeof cwd);
    row(strcmp(cwd, "/") == 0, "chdir to a link that climbs ends at the root", "/", cwd);
    (void)CALL(chdir, P("/etc"));
    for (int i = 0; i < 40; i++) {
        (void)CALL(chdir, P(".."));
    }
    (void)CALL(getcwd, P(cwd), sizeof cwd);
    row(strcmp(cwd, "/") == 0, "40 times chdir(..)", "/", cwd);
    char longest[4200];
    memset(longest, '/', sizeof longest);
    memcpy(longest + 4000, outside, strlen(outside) + 1);
    expect("a path of 4 KiB of slashes", "ENOENT|ENAMETOOLONG|EACCES", CALL(open, P(longest), 0, 0));
    memset(longest, 'x', sizeof longest);
    expect("a path without an end", "ENAMETOOLONG", CALL(open, P(longest), 0, 0));
    (void)CALL(chdir, P("/"));
}

static void by_descriptor(void)
{
    static const char *const starts[] = {"/", "/etc", "/proc/self/root", "/proc/self/cwd", "/links", "/dev"};
    const char *up = say("../../../../../../../..%s/secret", outside);
    for (size_t i = 0; i < COUNT(starts); i++) {
        const int fd = open(starts[i], O_PATH | O_DIRECTORY);
        unreachable(say("openat(%s, ../../..)", starts[i]), CALL(openat, fd, P(up), O_RDONLY, 0));
        unreachable(say("openat(%s, absolute)", starts[i]), CALL(openat, fd, P(say("%s/secret", outside)), O_RDONLY, 0));
        (void)CALL(fchdir, fd);
        unreachable(say("fchdir(%s), then ../../..", starts[i]), CALL(open, P(up), O_RDONLY, 0));
        (void)CALL(chdir, P("/"));
        close(fd);
    }
    static const uint64_t resolves[] = {0, 0x01, 0x02, 0x04, 0x08, 0x10, 0x12, 0x18, 0x0e, 0x1f};
    const int etc = open("/etc", O_RDONLY | O_DIRECTORY);
    for (size_t i = 0; i < COUNT(resolves); i++) {
        const uint64_t how[3] = {O_RDONLY, 0, resolves[i]};
        unreachable(say("openat2 with resolve 0x%llx: ..", (unsigned long long)resolves[i]), CALL(openat2, etc, P(up), P(how), 24));
        unreachable(say("openat2 with resolve 0x%llx: a link", (unsigned long long)resolves[i]), CALL(openat2, etc, P("../links/secret-up"), P(how), 24));
        unreachable(say("openat2 with resolve 0x%llx: absolute", (unsigned long long)resolves[i]), CALL(openat2, etc, P(say("%s/secret", outside)), P(how),
            24));
    }
    const uint64_t wrong[3] = {1ull << 40, 0, 0}, cached[3] = {0, 0, 0x20}, unknown[3] = {0, 0, 1ull << 33};
    expect("openat2 with unknown flags", "EINVAL", CALL(openat2, etc, P("passwd"), P(wrong), 24));
    expect("openat2 with RESOLVE_CACHED", "EINVAL|EAGAIN", CALL(openat2, etc, P("passwd"), P(cached), 24));
    expect("openat2 with unknown resolve bits", "EINVAL", CALL(openat2, etc, P("passwd"), P(unknown), 24));
    expect("openat2 with a larger structure", "E2BIG|EINVAL", CALL(openat2, etc, P("passwd"), P(wrong), 32));
    expect("fchdir to a file", "ENOTDIR|EBADF", CALL(fchdir, open("/etc/passwd", O_RDONLY)));
}

static void by_link(void)
{
    if (mode == MODE_PLAIN) {
        expect("a symlink to the outside: the root is read-only", "EROFS", CALL(symlink, P(outside), P("/tmp/out")));
        return;
    }
    const char *const targets[] = {outside, say("../../../../../../..%s", outside), "/../..", say("/links/../../..%s", outside), say("//..%s", outside)};
    for (size_t i = 0; i < COUNT(targets); i++) {
        (void)!symlink(targets[i], "/tmp/out");
        unreachable(say("a symlink to %s", targets[i]), CALL(open, P("/tmp/out/secret"), O_RDONLY, 0));
        unreachable(say("relative, a symlink to %s", targets[i]), (chdir("/tmp"), CALL(open, P("out/secret"), O_RDONLY, 0)));
        if (strstr(targets[i], outside) != NULL) { /* "/../.." is the root itself */
            expect(say("creating through a symlink to %s", targets[i]), "ENOENT|EACCES", CALL(open, P("/tmp/out/new"), O_CREAT | O_RDWR, 0644));
        }
        unlink("/tmp/out");
        chdir("/");
    }
    for (int i = 0; i < 45; i++) {
        (void)!symlink(i == 0 ? outside : say("chain%d", i - 1), say("/tmp/chain%d", i));
    }
    unreachable("a chain of 45 symlinks", CALL(open, P("/tmp/chain44/secret"), O_RDONLY, 0));
    const int temporary = (int)CALL(open, P("/tmp"), O_TMPFILE | O_RDWR, 0600);
    row(temporary >= 0, "O_TMPFILE", "a descriptor", result_name(temporary));
    const char *name = say("/proc/self/fd/%d", temporary);
    expect("linkat of /proc/self/fd/N with AT_SYMLINK_FOLLOW", "ENOENT|EXDEV|EACCES", CALL(linkat, AT_FDCWD, P(name), AT_FDCWD, P("/tmp/linked"), 0x400));
    expect("linkat of a descriptor with AT_EMPTY_PATH", "ENOENT|EINVAL", CALL(linkat, temporary, P(""), AT_FDCWD, P("/tmp/linked"), 0x1000));
    expect("linkat of a link out of the root, followed", "ENOENT|EXDEV|EACCES", CALL(linkat, AT_FDCWD, P("/links/secret-up"), AT_FDCWD, P("/tmp/linked"),
        0x400));
    expect("link of /dev/null", "EXDEV|EPERM|EROFS|EACCES", CALL(link, P("/dev/null"), P("/tmp/null")));
    expect("renameat2 with RENAME_WHITEOUT", "EINVAL|EPERM", CALL(renameat2, AT_FDCWD, P("/tmp/a"), AT_FDCWD, P("/tmp/b"), 4));
    expect("renameat2 with unknown flags", "EINVAL", CALL(renameat2, AT_FDCWD, P("/tmp/a"), AT_FDCWD, P("/tmp/b"), 0x80));
    expect("rename over the root", "EBUSY|EINVAL|ENOENT|EXDEV", CALL(rename, P("/tmp"), P("/")));
    expect("rename of ..", "EBUSY|EINVAL|ENOTEMPTY", CALL(rename, P("/tmp/.."), P("/tmp/up")));
    expect("rmdir of the root", "EBUSY", CALL(rmdir, P("/")));
    expect("mkdir of ..", "EEXIST", CALL(mkdir, P(".."), 0755));
}

static void nodes(void)
{
    static const struct { const char *name; int64_t mode, device; } kinds[] = {
        {"/dev/mem", 020666, 0x101}, {"/dev/kmem", 020666, 0x102}, {"/dev/port", 020666, 0x104}, {"/dev/kmsg", 020666, 0x10b}, {"a disk", 060666, 0xfe00},
        {"a loop device", 060666, 0x700}, {"an overlay whiteout", 020000, 0}, {"/dev/null", 020666, 0x103}, {"a device with all mode bits", 027777, 0x101}};
    for (size_t i = 0; i < COUNT(kinds); i++) {
        expect(say("mknod: %s", kinds[i].name), "EPERM", CALL(mknod, P("/tmp/node"), kinds[i].mode, kinds[i].device));
        expect(say("mknodat: %s", kinds[i].name), "EPERM", CALL(mknodat, AT_FDCWD, P("/tmp/node"), kinds[i].mode, kinds[i].device));
    }
    expect("mkdirat with a type in the mode", mode == MODE_PLAIN ? "EROFS" : "0", CALL(mkdirat, AT_FDCWD, P("/tmp/typed"), 020777));
    struct stat status = {0};
    (void)stat("/tmp/typed", &status);
    row(mode == MODE_PLAIN || S_ISDIR(status.st_mode), "it is a directory", "040000", say("%o", (unsigned)status.st_mode & 0170000));
    expect("open with a type in the mode", mode == MODE_PLAIN ? "EROFS|EACCES" : ">=0", CALL(open, P("/tmp/typed-file"), O_CREAT | O_RDWR, 020777));
    status.st_mode = 0;
    (void)stat("/tmp/typed-file", &status);
    row(mode == MODE_PLAIN || S_ISREG(status.st_mode), "it is a file", "0100000", say("%o", (unsigned)status.st_mode & 0170000));
}

/* /.recompiler, /proc and /dev of the running container; files of the image through descriptors that are open for reading. */
static void image(void)
{
    const int program = open("/bin/guest", O_RDONLY), directory = open("/etc", O_RDONLY | O_DIRECTORY), path = open("/bin/guest", O_PATH);
    const char *read_only = mode == MODE_PLAIN ? "EROFS|EPERM" : "0";
    expect("fchmod of a file of the image", read_only, CALL(fchmod, program, 0700)); /* elsewhere the writable layer takes it */
    expect("fchmod of a directory of the image", read_only, CALL(fchmod, directory, 0700));
    expect("fchown of a file of the image", read_only, CALL(fchown, program, getuid(), getgid()));
    expect("futimens of a file of the image", read_only, CALL(utimensat, program, 0, 0, 0));
    expect("utimensat with AT_EMPTY_PATH", read_only, CALL(utimensat, program, P(""), 0, AT_EMPTY_PATH));
    expect("fchmodat2 with AT_EMPTY_PATH", mode == MODE_PLAIN ? "EROFS|EPERM" : "0|EOPNOTSUPP", CALL(fchmodat2, program, P(""), 0700, AT_EMPTY_PATH));
    expect("fchownat with AT_EMPTY_PATH", read_only, CALL(fchownat, directory, P(""), getuid(), getgid(), AT_EMPTY_PATH));
    expect("fchmod of an O_PATH descriptor", "EBADF|EROFS", CALL(fchmod, path, 0777));
    expect("ftruncate of a file that is open for reading", "EINVAL|EBADF|EPERM", CALL(ftruncate, program, 0));
    expect("fallocate of a file that is open for reading", "EBADF", CALL(fallocate, program, 0, 0, 4096));
    expect("write to a file that is open for reading", "EBADF|EPERM", CALL(write, program, P("x"), 1));
    expect("open of it for reading with O_TRUNC", mode == MODE_PLAIN ? "EROFS|EACCES" : ">=0", CALL(open, P("/data/other"), O_RDONLY | O_TRUNC, 0));
    if (mode == MODE_PLAIN) {
        expect("open for writing", "EROFS|EACCES", CALL(open, P("/data/good"), O_RDWR, 0));
        expect("unlink", "EROFS", CALL(unlink, P("/data/good")));
        expect("rename", "EROFS", CALL(rename, P("/data/good"), P("/data/x")));
        expect("link", "EROFS", CALL(link, P("/data/good"), P("/data/x")));
        expect("symlink", "EROFS", CALL(symlink, P("/"), P("/data/x")));
        expect("mkdir", "EROFS", CALL(mkdir, P("/data/x"), 0755));
        expect("chmod", "EROFS", CALL(chmod, P("/data/good"), 0777));
        expect("chown", "EROFS", CALL(chown, P("/data/good"), -1, -1));
        expect("utimes", "EROFS", CALL(utimes, P("/data/good"), 0));
        expect("O_TMPFILE", "EROFS|EACCES", CALL(open, P("/tmp"), O_TMPFILE | O_RDWR, 0600));
        expect("mknod of a FIFO", "EROFS", CALL(mknod, P("/tmp/fifo"), 010600, 0));
    }
    expect("writing the manifest", "<0", CALL(open, P("/.recompiler/manifest.json"), O_WRONLY, 0));
    expect("mkdir in /proc", "EROFS|EACCES", CALL(mkdir, P("/proc/x"), 0755));
    expect("unlink of /dev/null", "EROFS|EPERM|EACCES|EBUSY|0|ENOENT", CALL(unlink, P("/dev/null")));
}

/* Standard error is a file of the host: written to, yes; its mode, owner and times are the host's. */
static void lent(void)
{
    const struct timespec old[2] = {{1, 0}, {1, 0}};
    expect("write to the file that is standard error", "5", CALL(write, 2, P("lent\n"), 5));
    expect("fchmod 04777 of it", "EPERM|EROFS", CALL(fchmod, 2, 04777));
    expect("fchmod 0666 of a duplicate", "EPERM|EROFS", CALL(fchmod, dup(2), 0666));
    expect("fchown of it", "EPERM|EROFS", CALL(fchown, 2, getuid(), getgid()));
    expect("futimens of it", "EPERM|EROFS", CALL(utimensat, 2, 0, P(old), 0));
    expect("utimensat of it with AT_EMPTY_PATH", "EPERM|EROFS", CALL(utimensat, 2, P(""), P(old), AT_EMPTY_PATH));
    expect("fchownat of it with AT_EMPTY_PATH", "EPERM|EROFS", CALL(fchownat, 2, P(""), getuid(), getgid(), AT_EMPTY_PATH));
    expect("fchmodat2 of it with AT_EMPTY_PATH", "EPERM|EROFS", CALL(fchmodat2, 2, P(""), 04777, AT_EMPTY_PATH));
    expect("chmod of /proc/self/fd/2", "<0", CALL(chmod, P("/proc/self/fd/2"), 04777));
    expect("linkat of it", "<0", CALL(linkat, AT_FDCWD, P("/proc/self/fd/2"), AT_FDCWD, P("/tmp/lent"), 0x400));
    expect("openat of it as a directory", "ENOTDIR", CALL(openat, 2, P("secret"), 0, 0));
}

void theme_files(void)
{
    lent();
    by_name();
    by_descriptor();
    by_link();
    nodes();
    image();
    expect_alive("all of it");
}
