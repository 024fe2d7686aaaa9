/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fd.c - whole transfers over calls that may do less than asked, be interrupted, or not be there.
 */
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/interrupt.h"
#include "base/must.h"

#ifndef MFD_NOEXEC_SEAL
#define MFD_NOEXEC_SEAL 0x0008U /* Linux 6.3 */
#endif

#define COPY_CHUNK_SIZE (64u << 10)
#define COPY_CALL_SIZE (1u << 30) /* most bytes asked of one copying call */
#define MEMFD_NAME_SIZE 200u      /* memfd_create(2) takes 249 */
#define SEAL_ATTEMPTS 4
#define OPENAT2_ATTEMPTS 64       /* openat2(2): -EAGAIN when a rename raced with RESOLVE_IN_ROOT or BENEATH */

int fd_close(int fd)
{
    if (fd >= 0) {
        const int saved = errno;
        /* EINTR too means closed on Linux; nothing else can be done about an error here. */
        (void)close(fd);
        errno = saved;
    }
    return -1;
}

void fd_closep(int *fd)
{
    *fd = fd_close(*fd);
}

int fd_read_full(int fd, void *bytes, size_t size, size_t *ret_size)
{
    size_t done = 0;
    while (done < size) {
        const ssize_t n = read(fd, (uint8_t *)bytes + done, size - done);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return -errno;
        }
        if (n == 0) {
            break;
        }
        done += (size_t)n;
    }
    *ret_size = done;
    return 0;
}

int fd_pread_full(int fd, void *bytes, size_t size, uint64_t offset, size_t *ret_size)
{
    size_t done = 0;
    if (offset > INT64_MAX - (uint64_t)(size & INT64_MAX)) {
        return -EOVERFLOW;
    }
    while (done < size) {
        const ssize_t n = pread(fd, (uint8_t *)bytes + done, size - done, (off_t)(offset + done));
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return -errno;
        }
        if (n == 0) {
            break;
        }
        done += (size_t)n;
    }
    *ret_size = done;
    return 0;
}

int fd_write_full(int fd, const void *bytes, size_t size)
{
    size_t done = 0;
    while (done < size) {
        const ssize_t n = write(fd, (const uint8_t *)bytes + done, size - done);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return -errno;
        }
        done += (size_t)n;
    }
    return 0;
}

/* The three ways to move bytes from the position of in to the position of out, the cheapest first. */
typedef enum CopyWay { COPY_RANGE, COPY_SENDFILE, COPY_BUFFER } CopyWay;

static ssize_t copy_once(CopyWay way, int in, int out, size_t size)
{
    if (way == COPY_RANGE) {
        return copy_file_range(in, NULL, out, NULL, size, 0);
    }
    if (way == COPY_SENDFILE) {
        return sendfile(out, in, NULL, size);
    }
    uint8_t chunk[COPY_CHUNK_SIZE];
    const ssize_t n = read(in, chunk, size < sizeof chunk ? size : sizeof chunk);
    if (n > 0) {
        const int r = fd_write_full(out, chunk, (size_t)n);
        if (r < 0) {
            errno = -r;
            return -1;
        }
    }
    return n;
}

static bool copy_is_unsupported(int code)
{
    return code == EXDEV || code == EINVAL || code == ENOSYS || code == EOPNOTSUPP || code == EBADF || code == EPERM ||
           code == ETXTBSY || code == EISDIR || code == EACCES;
}

int fd_copy(int in, int out, uint64_t max_size, uint64_t *ret_size)
{
    CopyWay way = COPY_RANGE;
    uint64_t done = 0;
    while (done < max_size) {
        const uint64_t rest = max_size - done;
        const int stopped = interrupt_check();
        if (stopped < 0) {
            return stopped;
        }
        const ssize_t n = copy_once(way, in, out, rest < COPY_CALL_SIZE ? (size_t)rest : COPY_CALL_SIZE);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (way != COPY_BUFFER && ((n < 0 && copy_is_unsupported(errno)) || n == 0)) {
            /* 0 is not believed either: files of procfs answer 0 to copy_file_range and still have bytes. */
            way++;
            continue;
        }
        if (n < 0) {
            return -errno;
        }
        if (n == 0) {
            break;
        }
        done += (uint64_t)n;
    }
    if (done == max_size) {
        uint8_t probe;
        size_t size;
        const int r = fd_read_full(in, &probe, 1, &size);
        if (r < 0) {
            return r;
        }
        if (size) {
            return -EFBIG;
        }
    }
    if (ret_size) {
        *ret_size = done;
    }
    return 0;
}

static int memfd_new(const char *name, int *ret_fd)
{
    char short_name[MEMFD_NAME_SIZE + 1];
    (void)snprintf(short_name, sizeof short_name, "%s", name);
    int fd = memfd_create(short_name, MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL);
    if (fd < 0 && errno == EINVAL) {
        fd = memfd_create(short_name, MFD_CLOEXEC | MFD_ALLOW_SEALING); /* before Linux 6.3 */
        if (fd >= 0 && fchmod(fd, 0600) < 0) {
            const int r = -errno;
            fd_close(fd);
            return r;
        }
    }
    if (fd < 0) {
        return -errno;
    }
    *ret_fd = fd;
    return 0;
}

/* Copies from offset 0 without using the file position of in. */
static int copy_from_start(int in, int out, uint64_t max_size, uint64_t *ret_size)
{
    uint8_t chunk[COPY_CHUNK_SIZE];
    uint64_t done = 0;
    bool is_sendfile = true;
    for (;;) {
        /* One byte more than allowed is asked for, to see whether there is one. */
        const uint64_t rest = max_size - done + (max_size < UINT64_MAX);
        const size_t ask = rest < COPY_CALL_SIZE ? (size_t)rest : COPY_CALL_SIZE;
        off_t position = (off_t)done;
        ssize_t n;
        if (is_sendfile) {
            n = sendfile(out, in, &position, ask);
            if ((n < 0 && copy_is_unsupported(errno)) || n == 0) {
                is_sendfile = false;
                continue;
            }
        } else {
            n = pread(in, chunk, ask < sizeof chunk ? ask : sizeof chunk, position);
        }
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return -errno;
        }
        if (n == 0) {
            break;
        }
        if (!is_sendfile) {
            const int r = fd_write_full(out, chunk, (size_t)n);
            if (r < 0) {
                return r;
            }
        }
        done += (uint64_t)n;
        if (done > max_size) {
            return -EFBIG;
        }
    }
    *ret_size = done;
    return 0;
}

typedef struct Source { /* of a sealed file: bytes, or (NULL) what fd has */
    const void *bytes;
    int fd;
    uint64_t size; /* of the bytes; of fd at most */
} Source;

static int seal_once(const Source *source, const char *name, int *ret_fd, uint64_t *ret_size)
{
    _cleanup_(fd_closep) int copy = -1;
    uint64_t size = source->size;
    int r = memfd_new(name, &copy);
    if (r < 0) {
        return r;
    }
    r = source->bytes != NULL ? fd_write_full(copy, source->bytes, (size_t)size) : copy_from_start(source->fd, copy, source->size, &size);
    if (r < 0) {
        return r;
    }
    if (fcntl(copy, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_GROW | F_SEAL_SHRINK | F_SEAL_SEAL) < 0) {
        return -errno;
    }
    if (lseek(copy, 0, SEEK_SET) < 0) {
        return -errno;
    }
    *ret_fd = steal_fd(&copy);
    if (ret_size) {
        *ret_size = size;
    }
    return 0;
}

/* The kernel seals nothing while somebody holds a page of it, and it may be the kernel itself (migration, a list that is drained late): it waits for
 * 150 ms, then says EBUSY (memfd_wait_for_pins in mm/memfd.c). Another copy has other pages. */
static int seal(const Source *source, const char *name, int *ret_fd, uint64_t *ret_size)
{
    int r = -EBUSY;
    for (int attempt = 0; r == -EBUSY && attempt < SEAL_ATTEMPTS; attempt++) {
        r = seal_once(source, name, ret_fd, ret_size);
    }
    return r;
}

int fd_seal_copy(int fd, const char *name, uint64_t max_size, int *ret_fd, uint64_t *ret_size)
{
    return seal(&(Source){.fd = fd, .size = max_size}, name, ret_fd, ret_size);
}

int fd_seal_bytes(const void *bytes, size_t size, const char *name, int *ret_fd)
{
    must(bytes != NULL);
    return seal(&(Source){.bytes = bytes, .size = size}, name, ret_fd, NULL);
}

int fd_move_high(int fd, int minimum, int *ret_fd)
{
    must(fd >= 0 && minimum >= 0);
    if (fd >= minimum) {
        if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0) {
            return -errno;
        }
        *ret_fd = fd;
        return 0;
    }
    const int high = fcntl(fd, F_DUPFD_CLOEXEC, minimum);
    if (high < 0) {
        return -errno;
    }
    fd_close(fd);
    *ret_fd = high;
    return 0;
}

int fd_openat2(int dirfd, const char *path, uint64_t flags, uint64_t mode, uint64_t resolve)
{
    const struct open_how how = {.flags = flags, .mode = mode, .resolve = resolve};
    for (int attempt = 0;; attempt++) {
        const long fd = syscall(SYS_openat2, dirfd, path, &how, sizeof how);
        if (fd >= 0) {
            return (int)fd;
        }
        if (errno != EAGAIN || resolve == 0 || attempt == OPENAT2_ATTEMPTS) {
            return -errno; /* EINTR too: a guest that waits in open() of a FIFO must see its signal */
        }
    }
}
