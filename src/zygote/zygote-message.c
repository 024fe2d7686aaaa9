/* SPDX-License-Identifier: Apache-2.0 */
/*
 * zygote-message.c - packets with descriptors, and the dispatch: what turns a parked child into an instance.
 *
 * The caller is trusted more than its children, and the other way round nothing is: a message is checked as if anybody had sent it.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/must.h"
#include "zygote/zygote-int.h"

uint64_t zygote_now_ns(void)
{
    struct timespec now;
    must(clock_gettime(CLOCK_MONOTONIC, &now) == 0);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

uint64_t zygote_now_ms(void) { return zygote_now_ns() / 1000000u; }

int message_send(int socket_fd, const void *bytes, size_t size, const int *fds, size_t fd_count)
{
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(ZYGOTE_FDS_MAX * sizeof(int))];
    } control = {.bytes = {0}};
    struct iovec part = {.iov_base = (void *)(uintptr_t)bytes, .iov_len = size};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    must(fd_count <= ZYGOTE_FDS_MAX && size > 0);
    if (fd_count > 0) {
        message.msg_control = control.bytes;
        message.msg_controllen = CMSG_SPACE(fd_count * sizeof(int));
        control.header.cmsg_level = SOL_SOCKET;
        control.header.cmsg_type = SCM_RIGHTS;
        control.header.cmsg_len = CMSG_LEN(fd_count * sizeof(int));
        memcpy(CMSG_DATA(&control.header), fds, fd_count * sizeof(int));
    }
    for (;;) {
        const ssize_t sent = sendmsg(socket_fd, &message, MSG_NOSIGNAL);
        if (sent == (ssize_t)size) {
            return 0;
        }
        if (sent >= 0 || errno != EINTR) {
            return sent >= 0 ? -EIO : -errno;
        }
    }
}

/* Takes the descriptors out of a message. Return: false when there are others than one list of them. */
static bool fds_take(struct msghdr *message, int fds[ZYGOTE_FDS_MAX], size_t *ret_count)
{
    bool is_good = (message->msg_flags & MSG_CTRUNC) == 0;
    *ret_count = 0;
    for (struct cmsghdr *header = CMSG_FIRSTHDR(message); header != NULL; header = CMSG_NXTHDR(message, header)) {
        if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS || *ret_count > 0) {
            is_good = false;
            continue;
        }
        const size_t count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        if (count > ZYGOTE_FDS_MAX) {
            is_good = false;
            continue;
        }
        memcpy(fds, CMSG_DATA(header), count * sizeof(int));
        *ret_count = count;
    }
    return is_good;
}

int64_t message_receive(int socket_fd, void *bytes, size_t capacity, int flags, int fds[ZYGOTE_FDS_MAX], size_t *ret_fd_count)
{
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(ZYGOTE_FDS_MAX * sizeof(int))];
    } control;
    struct iovec part = {.iov_base = bytes, .iov_len = capacity};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof(control.bytes)};
    ssize_t got;
    do {
        got = recvmsg(socket_fd, &message, flags);
    } while (got < 0 && errno == EINTR);
    *ret_fd_count = 0;
    if (got < 0) {
        return -errno;
    }
    if (!fds_take(&message, fds, ret_fd_count) || (message.msg_flags & MSG_TRUNC) != 0) {
        for (size_t i = 0; i < *ret_fd_count; i++) {
            (void)fd_close(fds[i]);
        }
        *ret_fd_count = 0;
        return -EBADMSG;
    }
    return got;
}

/* --- dispatch --- */

/* count strings from *cursor on. Return: false when they do not end before end. */
static bool strings_skip(const char **cursor, const char *end, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        const char *nul = memchr(*cursor, '\0', (size_t)(end - *cursor));
        if (nul == NULL) {
            return false;
        }
        *cursor = nul + 1;
    }
    return true;
}

int dispatch_parse(const char *bytes, size_t size, Dispatch *ret_dispatch)
{
    Dispatch dispatch;
    if (size < sizeof(dispatch.header) || size > ZYGOTE_DISPATCH_MAX) {
        return -EBADMSG;
    }
    memcpy(&dispatch.header, bytes, sizeof(dispatch.header));
    const DispatchHeader *header = &dispatch.header;
    if (header->magic != ZYGOTE_MAGIC || header->size != size || header->argc == 0 || header->argc > LIMIT_ARG_COUNT || header->envc > LIMIT_ARG_COUNT ||
        header->join_count > 3 || header->reserved != 0 || (header->flags & ~(uint32_t)(DISPATCH_FILE | DISPATCH_SCRIPT | DISPATCH_BOUND)) != 0) {
        return -EBADMSG;
    }
    const char *cursor = bytes + sizeof(*header);
    const char *const end = bytes + size;
    dispatch.argv = cursor;
    bool is_good = strings_skip(&cursor, end, header->argc);
    dispatch.envp = cursor;
    is_good = is_good && strings_skip(&cursor, end, header->envc);
    for (uint32_t i = 0; is_good && i < DISPATCH_TEXTS; i++) {
        dispatch.text[i] = cursor;
        is_good = strings_skip(&cursor, end, 1) && cursor - dispatch.text[i] <= LIMIT_PATH_SIZE;
    }
    if (!is_good || cursor != end || dispatch.text[TEXT_CWD][0] != '/' || dispatch.text[TEXT_ENTRY][0] == '\0') {
        return -EBADMSG;
    }
    *ret_dispatch = dispatch;
    return 0;
}

typedef struct Writer {
    char *bytes;
    size_t size, capacity;
} Writer;

static bool string_write(Writer *writer, const char *string)
{
    const size_t size = strlen(string) + 1;
    if (size > writer->capacity - writer->size) {
        return false;
    }
    memcpy(writer->bytes + writer->size, string, size);
    writer->size += size;
    return true;
}

int64_t dispatch_write(char *buffer, size_t capacity, const DispatchHeader *header, const ZygoteRequest *request, const char *const text[DISPATCH_TEXTS])
{
    must(capacity >= sizeof(*header));
    Writer writer = {.bytes = buffer, .size = sizeof(*header), .capacity = capacity};
    bool is_good = true;
    for (size_t i = 0; is_good && i < request->argc; i++) {
        is_good = string_write(&writer, request->argv[i]);
    }
    for (size_t i = 0; is_good && i < request->envc; i++) {
        is_good = string_write(&writer, request->envp[i]);
    }
    for (size_t i = 0; is_good && i < DISPATCH_TEXTS; i++) {
        is_good = string_write(&writer, text[i]);
    }
    if (!is_good) {
        return -E2BIG;
    }
    DispatchHeader whole = *header;
    whole.size = (uint32_t)writer.size;
    memcpy(buffer, &whole, sizeof(whole));
    return (int64_t)writer.size;
}
