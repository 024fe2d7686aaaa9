/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Records on their way from a guest's process to the process that writes the log.
 *
 *   guest: gate -> audit_append() -> rate limit -> one datagram -> audit_receive() in the container's parent -> file
 *
 * A guest can stop its processes, starve them of CPU time and forbid them to write files. While each of them wrote the
 * log itself, one that was stopped with the log's lock in its hands kept the records of every container of the node
 * out of the log, and delayed each of their execs by the time they waited. A datagram is handed over as a whole or not
 * at all, and holds nothing.
 *
 * The receiver trusts nobody: what names container, image, manifest and signer is its own, sizes are checked, and a
 * datagram that does not add up is counted as a lost record.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/limits.h"
#include "base/must.h"
#include "manifest/audit-int.h"

#define RECEIVE_MAX 256 /* datagrams in one call: the caller has other things to watch */

typedef enum MessageFlag {
    MESSAGE_ALLOWED = 1u << 0,
    MESSAGE_DIGEST = 1u << 1,
    MESSAGE_ARGV0 = 1u << 2, /* else NULL */
    MESSAGE_PATH = 1u << 3,
    MESSAGE_ENTRY = 1u << 4,
} MessageFlag;

typedef struct Message { /* followed by the strings, in the order of their sizes, without NUL */
    uint32_t pid;
    uint32_t flags;
    uint64_t size;
    uint64_t policy_generation;
    uint64_t duration_us;
    Digest digest;
    uint32_t argv0_size, path_size, reason_size, entry_size;
} Message;
_Static_assert(sizeof(Message) == 80, "no padding travels");

typedef struct MessageText {
    char argv0[AUDIT_TEXT_MAX + 1];
    char path[LIMIT_PATH_SIZE + 1];
    char reason[AUDIT_TEXT_MAX + 1];
    char entry[AUDIT_TEXT_MAX + 1];
} MessageText;

int audit_guest(Audit *log, int minimum_fd, Audit **ret_relay, int *ret_fd, Error *err)
{
    must(log != NULL && !log->is_relay && minimum_fd >= 0);
    int ends[2];
    const struct timeval wait = {.tv_usec = AUDIT_WAIT_NS / 1000};
    Audit *relay = calloc(1, sizeof(*relay));
    if (relay == NULL) {
        return error_set(err, ENOMEM, "audit: out of memory");
    }
    if (socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, ends) < 0) {
        const int code = errno;
        free(relay);
        return error_set(err, code, "audit: %s", strerror(code));
    }
    int high = -1;
    int r = setsockopt(ends[0], SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof(wait)) < 0 ? -errno : 0;
    r = r < 0 ? r : fd_move_high(ends[0], minimum_fd, &high);
    if (r < 0) {
        fd_close(ends[0]);
        fd_close(ends[1]);
        free(relay);
        return error_set(err, -r, "audit: %s", strerror(-r));
    }
    *relay = (Audit){.fd = high, .is_relay = true, .shared = log->shared};
    *ret_relay = relay;
    *ret_fd = ends[1];
    return 0;
}

/* --- sending --- */

static uint32_t text_part(struct iovec *part, const char *text, size_t max_size)
{
    const size_t size = text != NULL ? strnlen(text, max_size) : 0;
    *part = (struct iovec){.iov_base = (void *)(uintptr_t)text, .iov_len = size};
    return (uint32_t)size;
}

static uint64_t now_ns(void)
{
    struct timespec now;
    must(clock_gettime(CLOCK_MONOTONIC, &now) == 0);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

int relay_send(const Audit *relay, const AuditRecord *record)
{
    Message message = {.pid = record->pid,
                       .size = record->size,
                       .policy_generation = record->policy_generation,
                       .duration_us = record->duration_us};
    struct iovec parts[5] = {{.iov_base = &message, .iov_len = sizeof(message)}};
    message.flags = (record->is_allowed ? MESSAGE_ALLOWED : 0u) | (record->digest != NULL ? MESSAGE_DIGEST : 0u) |
                    (record->argv0 != NULL ? MESSAGE_ARGV0 : 0u) | (record->path != NULL ? MESSAGE_PATH : 0u) |
                    (record->entry != NULL ? MESSAGE_ENTRY : 0u);
    if (record->digest != NULL) {
        message.digest = *record->digest;
    }
    message.argv0_size = text_part(&parts[1], record->argv0, AUDIT_TEXT_MAX);
    message.path_size = text_part(&parts[2], record->path, LIMIT_PATH_SIZE);
    message.reason_size = text_part(&parts[3], record->reason, AUDIT_TEXT_MAX);
    message.entry_size = text_part(&parts[4], record->entry, AUDIT_TEXT_MAX);
    const struct msghdr header = {.msg_iov = parts, .msg_iovlen = 5};
    const uint64_t start_ns = now_ns();
    while (sendmsg(relay->fd, &header, MSG_NOSIGNAL) < 0) {
        if (errno != EINTR) {
            return -errno;
        }
        if (now_ns() - start_ns > AUDIT_WAIT_NS) { /* a guest whose timer keeps interrupting it */
            return -EAGAIN;
        }
    }
    return 0;
}

/* --- receiving --- */

/* The next size bytes as a string. Return: false when they are not there or too many. */
static bool text_take(const uint8_t *bytes, size_t bytes_size, size_t *at, uint32_t size, char *text, size_t max_size)
{
    if (size > max_size || size > bytes_size - *at) {
        return false;
    }
    memcpy(text, bytes + *at, size);
    text[size] = '\0';
    *at += size;
    return true;
}

static bool message_parse(const uint8_t *bytes, size_t size, Message *message, MessageText *text)
{
    size_t at = sizeof(*message);
    if (size < sizeof(*message)) {
        return false;
    }
    memcpy(message, bytes, sizeof(*message));
    return text_take(bytes, size, &at, message->argv0_size, text->argv0, AUDIT_TEXT_MAX) &&
           text_take(bytes, size, &at, message->path_size, text->path, LIMIT_PATH_SIZE) &&
           text_take(bytes, size, &at, message->reason_size, text->reason, AUDIT_TEXT_MAX) &&
           text_take(bytes, size, &at, message->entry_size, text->entry, AUDIT_TEXT_MAX) && at == size;
}

static int message_write(Audit *log, const Message *message, const MessageText *text, const AuditRecord *common)
{
    AuditRecord record = *common;
    record.pid = message->pid;
    record.size = message->size;
    record.policy_generation = message->policy_generation;
    record.duration_us = message->duration_us;
    record.is_allowed = (message->flags & MESSAGE_ALLOWED) != 0;
    record.digest = (message->flags & MESSAGE_DIGEST) != 0 ? &message->digest : NULL;
    record.argv0 = (message->flags & MESSAGE_ARGV0) != 0 ? text->argv0 : NULL;
    record.path = (message->flags & MESSAGE_PATH) != 0 ? text->path : NULL;
    record.entry = (message->flags & MESSAGE_ENTRY) != 0 ? text->entry : NULL;
    record.reason = text->reason;
    return audit_write(log, &record);
}

int audit_receive(Audit *log, int fd, const AuditRecord *common)
{
    must(log != NULL && !log->is_relay && fd >= 0 && common != NULL);
    _Alignas(8) uint8_t bytes[sizeof(Message) + sizeof(MessageText)];
    Message message;
    MessageText text;
    for (int i = 0; i < RECEIVE_MAX; i++) {
        const ssize_t size = recv(fd, bytes, sizeof(bytes), MSG_DONTWAIT | MSG_TRUNC);
        if (size < 0 && errno == EINTR) {
            continue;
        }
        if (size < 0) {
            return errno == EAGAIN ? 0 : -errno;
        }
        if ((size_t)size > sizeof(bytes) || !message_parse(bytes, (size_t)size, &message, &text)) {
            atomic_fetch_add(&log->shared->lost_count, 1);
            continue;
        }
        const int ignored = message_write(log, &message, &text, common);
        (void)ignored; /* counted as lost; the others may fit */
    }
    return 1;
}
