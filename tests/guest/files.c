/* SPDX-License-Identifier: Apache-2.0 */
/* open flags, seek, pread/pwrite, readv/writev, truncate, stat, links, rename, permissions, directories, errors. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

static int compare(const void *left, const void *right)
{
    return strcmp(*(char *const *)left, *(char *const *)right);
}

int main(void)
{
    char buffer[64];
    umask(022);
    printf("mkdir %d again %d\n", mkdir("d", 0755), mkdir("d", 0755) < 0 ? errno == EEXIST : -1);
    chdir("d");
    int fd = open("a", O_RDWR | O_CREAT | O_EXCL, 0640);
    printf("write %d\n", (int)write(fd, "hello, world\n", 13));
    printf("excl %d\n", open("a", O_RDWR | O_CREAT | O_EXCL, 0640) < 0 && errno == EEXIST);
    printf("seek %d %d %d\n", (int)lseek(fd, 7, SEEK_SET), (int)lseek(fd, -2, SEEK_END), (int)lseek(fd, 5, SEEK_CUR));
    printf("pread %d %.5s\n", (int)pread(fd, buffer, 5, 7), buffer);
    printf("pwrite %d\n", (int)pwrite(fd, "W", 1, 7));
    struct iovec parts[2] = {{"one ", 4}, {"two\n", 4}};
    lseek(fd, 0, SEEK_END);
    printf("writev %d\n", (int)writev(fd, parts, 2));
    struct stat st;
    fstat(fd, &st);
    printf("size %d mode %o links %d regular %d\n", (int)st.st_size, st.st_mode & 07777, (int)st.st_nlink, S_ISREG(st.st_mode));
    printf("truncate %d size %d\n", ftruncate(fd, 5), fstat(fd, &st) == 0 ? (int)st.st_size : -1);
    close(fd);
    printf("closed %d\n", read(fd, buffer, 1) < 0 && errno == EBADF);
    printf("link %d symlink %d\n", link("a", "b"), symlink("a", "c"));
    lstat("c", &st);
    const ssize_t n = readlink("c", buffer, sizeof buffer);
    printf("lstat link %d readlink %.*s\n", S_ISLNK(st.st_mode), (int)n, buffer);
    stat("b", &st);
    printf("links %d\n", (int)st.st_nlink);
    printf("rename %d unlink %d\n", rename("b", "e"), unlink("a"));
    printf("dangling %d\n", open("c", O_RDONLY) < 0 && errno == ENOENT);
    printf("notdir %d\n", open("e/x", O_RDONLY) < 0 && errno == ENOTDIR);
    printf("isdir %d\n", open(".", O_WRONLY) < 0 && errno == EISDIR);
    printf("chmod %d %o\n", chmod("e", 0600), stat("e", &st) == 0 ? st.st_mode & 07777 : 0);
    struct timespec times[2] = {{1000000000, 5}, {1100000000, 7}};
    utimensat(AT_FDCWD, "e", times, 0);
    stat("e", &st);
    printf("times %ld.%ld %ld.%ld\n", (long)st.st_atim.tv_sec, (long)st.st_atim.tv_nsec, (long)st.st_mtim.tv_sec, (long)st.st_mtim.tv_nsec);
    for (int i = 0; i < 300; i++) {
        snprintf(buffer, sizeof buffer, "file-with-a-longer-name-%03d", i);
        close(open(buffer, O_WRONLY | O_CREAT, 0644));
    }
    char *names[400];
    int count = 0;
    DIR *dir = opendir(".");
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        names[count++] = strdup(entry->d_name);
    }
    rewinddir(dir);
    int again = 0;
    while (readdir(dir) != NULL) {
        again++;
    }
    closedir(dir);
    qsort(names, (size_t)count, sizeof names[0], compare);
    printf("entries %d %d first %s %s last %s\n", count, again, names[0], names[2], names[count - 1]);
    for (int i = 0; i < count; i++) {
        unlink(names[i]);
    }
    chdir("..");
    printf("rmdir %d again %d\n", rmdir("d"), rmdir("d") < 0 && errno == ENOENT);
    fd = open("flags", O_WRONLY | O_CREAT | O_APPEND | O_TRUNC, 0644);
    write(fd, "abc", 3);
    lseek(fd, 0, SEEK_SET);
    write(fd, "def", 3);
    printf("append %d nonblock %d\n", (fcntl(fd, F_GETFL) & O_APPEND) != 0, (fcntl(fd, F_GETFL) & O_NONBLOCK) != 0);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    printf("append %d nonblock %d\n", (fcntl(fd, F_GETFL) & O_APPEND) != 0, (fcntl(fd, F_GETFL) & O_NONBLOCK) != 0);
    const int copy = fcntl(fd, F_DUPFD_CLOEXEC, 20);
    printf("dupfd %d %d\n", copy >= 20, fcntl(copy, F_GETFD) == FD_CLOEXEC);
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 1, .l_len = 2};
    printf("lock %d\n", fcntl(fd, F_SETLK, &lock));
    close(fd);
    fd = open("flags", O_RDONLY);
    printf("content %.*s\n", (int)read(fd, buffer, sizeof buffer), buffer);
    unlink("flags");
    fd = memfd_create("m", MFD_CLOEXEC);
    printf("memfd %d written %d sealed %d\n", fd >= 0, (int)write(fd, "abc", 3), fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE) < 0 && errno == EPERM);
    close(fd);
    fd = memfd_create("m", MFD_ALLOW_SEALING);
    printf("memfd %d cloexec %d seals %d", fd >= 0, fcntl(fd, F_GETFD), fcntl(fd, F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SEAL));
    printf(" grow %d seal %d\n", write(fd, "abc", 3) < 0 && errno == EPERM, fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE) < 0 && errno == EPERM);
    close(fd);
    char *real = realpath("/usr/../tmp/./", NULL);
    printf("realpath %s access %d %d\n", real, access("/tmp", W_OK), access("/nonexistent", F_OK) < 0 && errno == ENOENT);
    return 0;
}
