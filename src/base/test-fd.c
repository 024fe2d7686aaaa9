/* SPDX-License-Identifier: Apache-2.0 */
/* Includes the source so that calls can be made to fail, to be interrupted and to do less than asked. */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static struct {
    int range_errno;    /* copy_file_range fails with this; -1: answers 0 */
    int sendfile_errno; /* sendfile likewise */
    int noexec_errno;   /* memfd_create with MFD_NOEXEC_SEAL */
    int seal_errno;     /* F_ADD_SEALS, seal_passes times */
    int seal_passes;
    int openat2_again;  /* how many times openat2 answers EAGAIN */
    int openat2_count;
    size_t most;        /* bytes one read, pread or write moves; 0: no limit */
    unsigned interrupt; /* every second call answers EINTR */
} fault;

static int fault_interrupts(void)
{
    if (fault.interrupt == 0 || (++fault.interrupt & 1)) {
        return 0;
    }
    errno = EINTR;
    return 1;
}

static size_t fault_size(size_t size)
{
    return fault.most && size > fault.most ? fault.most : size;
}

static ssize_t test_read(int fd, void *bytes, size_t size)
{
    return fault_interrupts() ? -1 : read(fd, bytes, fault_size(size));
}

static ssize_t test_pread(int fd, void *bytes, size_t size, off_t offset)
{
    return fault_interrupts() ? -1 : pread(fd, bytes, fault_size(size), offset);
}

static ssize_t test_write(int fd, const void *bytes, size_t size)
{
    return fault_interrupts() ? -1 : write(fd, bytes, fault_size(size));
}

static ssize_t fault_answer(int code)
{
    errno = code;
    return code == -1 ? 0 : -1;
}

static ssize_t test_copy_file_range(int in, off_t *in_offset, int out, off_t *out_offset, size_t size, unsigned flags)
{
    return fault.range_errno ? fault_answer(fault.range_errno)
                             : copy_file_range(in, in_offset, out, out_offset, fault_size(size), flags);
}

static ssize_t test_sendfile(int out, int in, off_t *offset, size_t size)
{
    return fault.sendfile_errno ? fault_answer(fault.sendfile_errno) : sendfile(out, in, offset, fault_size(size));
}

static int test_memfd_create(const char *name, unsigned flags)
{
    if (fault.noexec_errno && (flags & 0x8u)) {
        errno = fault.noexec_errno;
        return -1;
    }
    return memfd_create(name, flags);
}

static int test_fcntl(int fd, int command, int argument)
{
    if (fault.seal_errno && command == F_ADD_SEALS && fault.seal_passes-- > 0) {
        errno = fault.seal_errno;
        return -1;
    }
    return fcntl(fd, command, argument);
}

static long test_syscall(long number, int dirfd, const char *path, const void *how, size_t size)
{
    fault.openat2_count++;
    if (fault.openat2_again > 0) {
        fault.openat2_again--;
        errno = EAGAIN;
        return -1;
    }
    return syscall(number, dirfd, path, how, size);
}
#define read test_read
#define pread test_pread
#define write test_write
#define copy_file_range test_copy_file_range
#define sendfile test_sendfile
#define memfd_create test_memfd_create
#define fcntl test_fcntl
#define syscall test_syscall
#include "base/fd.c"
#undef read
#undef pread
#undef write
#undef copy_file_range
#undef sendfile
#undef memfd_create
#undef fcntl
#undef syscall

#include "base/tap.h"

#define CONTENT_SIZE 200000u
static uint8_t content[CONTENT_SIZE];
static uint8_t answer[CONTENT_SIZE + 10];

static int content_file(size_t size)
{
    const int fd = memfd_create("test-fd", MFD_CLOEXEC);
    must(fd >= 0 && fd_write_full(fd, content, size) == 0 && lseek(fd, 0, SEEK_SET) == 0);
    return fd;
}

static int open_count(void)
{
    int count = 0;
    for (int fd = 0; fd < 256; fd++) {
        count += fcntl(fd, F_GETFD) >= 0;
    }
    return count;
}

static void test_close(void)
{
    int fd = dup(0);
    must(fd >= 0);
    errno = EDOM;
    must(fd_close(fd) == -1 && errno == EDOM && fcntl(fd, F_GETFD) < 0);
    errno = EDOM;
    must(fd_close(-1) == -1 && fd_close(fd) == -1 && errno == EDOM);
    fd_closep(&fd);
    must(fd == -1);
}

static void test_full_transfers(void)
{
    size_t size = 99;
    for (unsigned round = 0; round < 2; round++) {
        fault.most = round ? 777 : 0;
        fault.interrupt = round;
        const int fd = content_file(CONTENT_SIZE);
        must(fd_read_full(fd, answer, sizeof answer, &size) == 0 && size == CONTENT_SIZE);
        must(memcmp(answer, content, CONTENT_SIZE) == 0);
        must(fd_read_full(fd, answer, 10, &size) == 0 && size == 0);
        must(fd_pread_full(fd, answer, 1000, CONTENT_SIZE - 10, &size) == 0 && size == 10);
        must(memcmp(answer, content + CONTENT_SIZE - 10, 10) == 0);
        must(fd_pread_full(fd, answer, 1000, CONTENT_SIZE + 5, &size) == 0 && size == 0);
        fd_close(fd);
    }
    fault.most = 0;
    fault.interrupt = 0;
    const int fd = content_file(1);
    must(fd_pread_full(fd, answer, 10, UINT64_MAX - 5, &size) == -EOVERFLOW);
    must(fd_pread_full(fd, answer, 10, INT64_MAX - 5, &size) == -EOVERFLOW);
    fd_close(fd);
    must(fd_read_full(fd, answer, 1, &size) == -EBADF && fd_write_full(fd, answer, 1) == -EBADF);
    must(fd_write_full(-1, answer, 0) == 0);
}

static void check_copy(size_t size, uint64_t max_size, int expected)
{
    const int in = content_file(size);
    const int out = content_file(0);
    uint64_t copied = 12345;
    must(fd_copy(in, out, max_size, &copied) == expected);
    if (expected == 0) {
        size_t read_size;
        must(copied == size && lseek(out, 0, SEEK_SET) == 0);
        must(fd_read_full(out, answer, sizeof answer, &read_size) == 0 && read_size == size);
        must(memcmp(answer, content, size) == 0);
    } else {
        must(copied == 12345);
    }
    fd_close(in);
    fd_close(out);
}

static void test_copy_every_way(void)
{
    static const int answers[] = {0, -1, ENOSYS, EXDEV, EINVAL};
    for (size_t i = 0; i < 5; i++) {
        for (size_t j = 0; j < 5; j++) {
            fault.range_errno = answers[i];
            fault.sendfile_errno = answers[j];
            fault.most = j % 2 ? 1000 : 0;
            check_copy(0, 0, 0);
            check_copy(0, 10, 0);
            check_copy(1, 0, -EFBIG);
            check_copy(65536, 65536, 0);
            check_copy(CONTENT_SIZE, CONTENT_SIZE, 0);
            check_copy(CONTENT_SIZE, CONTENT_SIZE - 1, -EFBIG);
            check_copy(CONTENT_SIZE, UINT64_MAX, 0);
        }
    }
    fault.range_errno = EIO;
    check_copy(10, 10, -EIO);
    memset(&fault, 0, sizeof fault);

    /* A file of procfs says size 0 and copy_file_range copies nothing of it. */
    const int in = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
    const int out = content_file(0);
    uint64_t copied;
    must(in >= 0 && fd_copy(in, out, 1u << 20, &copied) == 0 && copied > 100);
    fd_close(in);
    fd_close(out);
}

static void test_copy_to_full_device(void)
{
    const int in = content_file(CONTENT_SIZE);
    const int out = open("/dev/full", O_WRONLY | O_CLOEXEC);
    must(out >= 0 && fd_copy(in, out, UINT64_MAX, NULL) == -ENOSPC);
    fd_close(in);
    fd_close(out);
}

static void check_sealed(int fd, size_t size)
{
    size_t read_size;
    struct stat status;
    must(fd_pread_full(fd, answer, sizeof answer, 0, &read_size) == 0 && read_size == size);
    must(memcmp(answer, content, size) == 0);
    must(lseek(fd, 0, SEEK_CUR) == 0);
    must(write(fd, "x", 1) < 0 && errno == EPERM);
    must(ftruncate(fd, 0) < 0 || size == 0);
    must(ftruncate(fd, (off_t)size + 1) < 0 && errno == EPERM);
    must(fcntl(fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE) < 0 && errno == EPERM);
    must(mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) == MAP_FAILED);
    must(fstat(fd, &status) == 0 && (status.st_mode & 0111) == 0);
    must(fcntl(fd, F_GETFD) == FD_CLOEXEC);
}

static void test_seal_copy(void)
{
    static const size_t sizes[] = {0, 1, 65536, CONTENT_SIZE};
    static const struct { int sendfile_errno, noexec_errno; size_t most; } ways[] = {
        {0, 0, 0}, {EINVAL, 0, 0}, {EINVAL, EINVAL, 3000}, {0, EINVAL, 3000}, {-1, 0, 0}};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        for (size_t j = 0; j < sizeof ways / sizeof ways[0]; j++) {
            fault.sendfile_errno = ways[j].sendfile_errno;
            fault.noexec_errno = ways[j].noexec_errno;
            fault.most = ways[j].most;
            const int in = content_file(sizes[i]);
            int copy = -1;
            uint64_t size = 0;
            must(lseek(in, 0, SEEK_END) == (off_t)sizes[i]); /* the position is not used */
            must(fd_seal_copy(in, "copy", sizes[i], &copy, &size) == 0 && size == sizes[i]);
            check_sealed(copy, sizes[i]);
            fd_close(copy);
            if (sizes[i]) {
                const int before = open_count();
                copy = -7;
                must(fd_seal_copy(in, "copy", sizes[i] - 1, &copy, &size) == -EFBIG);
                must(copy == -7 && open_count() == before);
            }
            must(lseek(in, 0, SEEK_CUR) == (off_t)sizes[i]);
            must(fd_seal_bytes(content, sizes[i], "bytes", &copy) == 0);
            check_sealed(copy, sizes[i]);
            fd_close(copy);
            fd_close(in);
        }
    }
    memset(&fault, 0, sizeof fault);
}

static void test_seal_copy_failures(void)
{
    int ends[2], copy = -7;
    const int before = open_count();
    const int in = content_file(10);
    char name[4096];
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    must(fd_seal_copy(in, name, UINT64_MAX, &copy, NULL) == 0); /* a long name is cut */
    fd_close(copy);
    fault.seal_errno = EBUSY; /* pages of the copy are in use: another copy is tried */
    fault.seal_passes = 2;
    must(fd_seal_copy(in, "x", 10, &copy, NULL) == 0);
    fd_close(copy);
    fault.seal_passes = 2;
    must(fd_seal_bytes(content, 10, "x", &copy) == 0);
    fd_close(copy);
    copy = -7;
    fault.seal_passes = 100;
    must(fd_seal_copy(in, "x", 10, &copy, NULL) == -EBUSY && copy == -7 && fault.seal_passes == 96);
    fault.seal_errno = 0;
    fault.noexec_errno = EMFILE;
    must(fd_seal_copy(in, "x", 10, &copy, NULL) == -EMFILE);
    fault.noexec_errno = 0;
    must(pipe(ends) == 0);
    must(fd_seal_copy(ends[0], "x", 10, &copy, NULL) == -ESPIPE);
    fd_close(ends[0]);
    fd_close(ends[1]);
    fd_close(in);
    must(fd_seal_copy(-1, "x", 10, &copy, NULL) == -EBADF);
    must(open_count() == before);
}

static void test_move_high(void)
{
    int high = -7;
    const int fd = dup(0);
    must(fd >= 0 && fd_move_high(fd, 100, &high) == 0 && high >= 100);
    must(fcntl(fd, F_GETFD) < 0 && fcntl(high, F_GETFD) == FD_CLOEXEC);
    must(fcntl(high, F_SETFD, 0) == 0);
    int same = -1;
    must(fd_move_high(high, 100, &same) == 0 && same == high && fcntl(same, F_GETFD) == FD_CLOEXEC);
    must(fd_move_high(high, 1 << 30, &same) == -EINVAL);
    must(fcntl(high, F_GETFD) >= 0); /* still ours */
    fd_close(high);
    must(fd_move_high(high, 200, &same) == -EBADF);
}

static void test_openat2(void)
{
    int fd = fd_openat2(AT_FDCWD, "/dev/null", O_RDONLY | O_CLOEXEC, 0, 0);
    must(fd >= 0);
    fd_close(fd);
    must(fd_openat2(AT_FDCWD, "/nonexistent", O_RDONLY, 0, 0) == -ENOENT);
    must(fd_openat2(AT_FDCWD, "/proc/self/exe", O_RDONLY, 0, RESOLVE_NO_SYMLINKS) == -ELOOP);
    must(fd_openat2(AT_FDCWD, "/dev/null", UINT64_MAX, 0, 0) == -EINVAL);

    fault.openat2_again = 20;
    fd = fd_openat2(AT_FDCWD, "/dev", O_PATH | O_CLOEXEC, 0, RESOLVE_NO_MAGICLINKS);
    must(fd >= 0);
    fd_close(fd);
    fault.openat2_again = 1; /* O_NONBLOCK's EAGAIN is the caller's */
    must(fd_openat2(AT_FDCWD, "/dev", O_PATH, 0, 0) == -EAGAIN);
    fault.openat2_again = 1000000;
    fault.openat2_count = 0;
    must(fd_openat2(AT_FDCWD, "/dev", O_PATH, 0, RESOLVE_IN_ROOT) == -EAGAIN && fault.openat2_count < 1000);
    fault.openat2_again = 0;
}

int main(void)
{
    for (size_t i = 0; i < CONTENT_SIZE; i++) {
        content[i] = (uint8_t)(i * 31 + (i >> 8));
    }
    static const TapCase cases[] = {
        {"close keeps errno", test_close},
        {"full transfers", test_full_transfers},
        {"copy every way", test_copy_every_way},
        {"copy to a full device", test_copy_to_full_device},
        {"sealed copy", test_seal_copy},
        {"sealed copy failures", test_seal_copy_failures},
        {"move high", test_move_high},
        {"openat2", test_openat2},
    };
    return tap_main(cases, TAP_COUNT(cases));
}
