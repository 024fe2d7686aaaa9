/* SPDX-License-Identifier: Apache-2.0 */
/*
 * source.c - blobs by name from a layout directory or an archive.
 *
 * An archive is scanned from its start for every member asked for: an uncompressed one by tar.c (one read a member, and image
 * tools write few members), a compressed one by libarchive. Names are compared after removing a leading "./".
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/interrupt.h"
#include "image/image-int.h"
#include "image/tar.h"

#define READ_BLOCK_SIZE (256u << 10)

void archive_freep(struct archive **archive)
{
    if (*archive != NULL) {
        (void)archive_free(*archive);
    }
}

int archive_failed(struct archive *archive, const char *what, Error *err)
{
    const int code = archive_errno(archive);
    const char *text = archive_error_string(archive);
    const int chosen = code == ENOMEM || code == ENOSPC || code == EDQUOT || code == EFBIG || code == EROFS || code == EIO ? code : EBADMSG;
    return error_set(err, chosen, "%s: %s", what, text != NULL ? text : "damaged archive");
}

uint64_t unpack_limit(uint64_t stored_size)
{
    const uint64_t most = (LIMIT_IMAGE_SIZE - LIMIT_UNPACK_FREE) / LIMIT_UNPACK_RATIO;
    return LIMIT_UNPACK_FREE + (stored_size < most ? stored_size : most) * LIMIT_UNPACK_RATIO;
}

/* Every search unpacks what lies before the member: 64 of them must not make hours of a few megabytes. */
static int member_pass(const OciSource *source, uint64_t archive_size, int64_t member_size, Error *err)
{
    const uint64_t limit = LIMIT_UNPACK_FREE + archive_size * LIMIT_UNPACK_RATIO;
    if (member_size < 0 || (uint64_t)member_size > limit || *source->passed_size > limit - (uint64_t)member_size) {
        return error_set(err, E2BIG, "archive: unpacks to far more than an image of its size");
    }
    *source->passed_size += (uint64_t)member_size;
    return 0;
}

static int source_scan(const OciSource *source, const char *name, struct archive **ret_archive, uint64_t *ret_size, Error *err)
{
    const int archive_fd = source->archive_fd;
    struct stat status;
    if (fstat(archive_fd, &status) < 0) {
        return error_set(err, errno, "archive: cannot stat");
    }
    _cleanup_(archive_freep) struct archive *archive = archive_read_new();
    if (archive == NULL) {
        return error_set(err, ENOMEM, "archive: out of memory");
    }
    (void)archive_read_support_format_tar(archive);
    (void)archive_read_support_filter_gzip(archive);
    (void)archive_read_support_filter_zstd(archive);
    (void)archive_read_support_filter_xz(archive);
    if (lseek(archive_fd, 0, SEEK_SET) < 0) {
        return error_set(err, errno, "archive: cannot seek (is it a regular file?)");
    }
    if (archive_read_open_fd(archive, archive_fd, READ_BLOCK_SIZE) != ARCHIVE_OK) {
        return archive_failed(archive, "archive", err);
    }
    for (uint32_t member = 0; member < LIMIT_IMAGE_FILES; member++) {
        struct archive_entry *entry = NULL;
        int r = archive_read_next_header(archive, &entry);
        if (interrupt_check() < 0) {
            return error_set(err, EINTR, "archive: stopped");
        }
        if (r == ARCHIVE_EOF) {
            return error_set(err, ENOENT, "archive: no member %s", name);
        }
        if (r != ARCHIVE_OK && r != ARCHIVE_WARN) {
            return archive_failed(archive, "archive", err);
        }
        const char *path = archive_entry_pathname(entry);
        if (path != NULL && strncmp(path, "./", 2) == 0) {
            path += 2;
        }
        if (path != NULL && strcmp(path, name) == 0 && archive_entry_filetype(entry) == AE_IFREG) {
            *ret_size = (uint64_t)archive_entry_size(entry);
            *ret_archive = steal(&archive);
            return 0;
        }
        r = member_pass(source, (uint64_t)status.st_size, archive_entry_size(entry), err);
        if (r < 0) {
            return r;
        }
    }
    return error_set(err, E2BIG, "archive: too many members");
}

int source_open(const OciSource *source, const char *name, OciStream *ret_stream, Error *err)
{
    if (!path_is_clean(name) || name[0] == '/') {
        return error_set(err, EBADMSG, "image: bad member name %s", name);
    }
    if (source->archive_fd >= 0 && tar_is_plain(source->archive_fd)) {
        TarMember member;
        const int r = tar_find(source->archive_fd, name, &member, err);
        if (r < 0) {
            return r;
        }
        *ret_stream = (OciStream){.fd = -1, .member_fd = source->archive_fd, .offset = member.offset, .size = member.size};
        return 0;
    }
    if (source->archive_fd >= 0) {
        struct archive *archive = NULL;
        uint64_t size = 0;
        const int r = source_scan(source, name, &archive, &size, err);
        if (r < 0) {
            return r;
        }
        *ret_stream = (OciStream){.fd = -1, .member_fd = -1, .archive = archive, .size = size};
        return 0;
    }
    _cleanup_(fd_closep) int fd = fd_openat2(source->dir_fd, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0,
                                             0x08 /* RESOLVE_BENEATH */ | 0x02 /* RESOLVE_NO_MAGICLINKS */);
    if (fd < 0) {
        return error_set(err, -fd, "image: %s: %s", name, strerror(-fd));
    }
    struct stat status;
    if (fstat(fd, &status) < 0 || !S_ISREG(status.st_mode)) {
        return error_set(err, EBADMSG, "image: %s is not a regular file", name);
    }
    *ret_stream = (OciStream){.fd = steal_fd(&fd), .member_fd = -1, .size = (uint64_t)status.st_size};
    return 0;
}

static ssize_t member_read(OciStream *stream, void *bytes, size_t size)
{
    const uint64_t left = stream->size - stream->taken_size;
    size_t got = 0;
    const int r = fd_pread_full(stream->member_fd, bytes, size < left ? size : (size_t)left, stream->offset + stream->taken_size, &got);
    stream->taken_size += got;
    return r < 0 ? r : (ssize_t)got;
}

ssize_t stream_read(OciStream *stream, void *bytes, size_t size)
{
    if (stream->member_fd >= 0) {
        return member_read(stream, bytes, size);
    }
    if (stream->archive != NULL) {
        const la_ssize_t r = archive_read_data(stream->archive, bytes, size);
        return r < 0 ? -EBADMSG : (ssize_t)r;
    }
    for (;;) {
        const ssize_t r = read(stream->fd, bytes, size);
        if (r >= 0) {
            return r;
        }
        if (errno != EINTR) {
            return -errno;
        }
    }
}

void stream_close(OciStream *stream)
{
    stream->fd = fd_close(stream->fd);
    if (stream->archive != NULL) {
        (void)archive_free(stream->archive);
        stream->archive = NULL;
    }
}

int source_read(const OciSource *source, const char *name, size_t max_size, char **ret_bytes, size_t *ret_size, Error *err)
{
    OciStream stream = OCI_STREAM_INIT;
    int r = source_open(source, name, &stream, err);
    if (r < 0) {
        return r;
    }
    if (stream.size > max_size) {
        stream_close(&stream);
        return error_set(err, E2BIG, "image: %s is larger than %zu bytes", name, max_size);
    }
    const size_t size = (size_t)stream.size;
    _cleanup_(freep) char *bytes = malloc(size + 1);
    size_t done = 0;
    while (bytes != NULL && done < size) {
        const ssize_t got = stream_read(&stream, bytes + done, size - done);
        if (got <= 0) {
            break;
        }
        done += (size_t)got;
    }
    stream_close(&stream);
    if (bytes == NULL) {
        return error_set(err, ENOMEM, "image: out of memory");
    }
    if (done != size) {
        return error_set(err, EBADMSG, "image: %s is truncated", name);
    }
    bytes[size] = '\0';
    *ret_bytes = steal(&bytes);
    *ret_size = size;
    return 0;
}
