/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How it works: lock, look at the end of the file, append one line with one write, unlock. What the end of the file was
 * after our own last record is remembered, so that the file is read again only when somebody else has written.
 *
 * Two locks, always in this order, on two bytes far beyond any record: a POSIX lock, which belongs to the process and
 * so keeps a forked child and its parent apart, who share one open file description; and an OFD lock, which belongs to
 * the open file and so keeps two Audits of one process apart. Each alone has a hole where the other holds.
 *
 * The rate limit is one 64-bit number (virtual scheduling, GCRA as in ATM's leaky bucket): the time at which the bucket
 * would be empty again. It lies in memory shared with all forked children, so a fork bomb of refused execs has one
 * bucket, not one a process.
 */
#include "manifest/audit-int.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/limits.h"
#include "base/must.h"
#include "manifest/json-strict.h"
#include "manifest/time-text.h"

#define LOCK_POSITION ((off_t)1 << 60)

static uint64_t clock_ns(clockid_t clock)
{
    struct timespec now;
    must(clock_gettime(clock, &now) == 0);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

int audit_open(const char *path, int minimum_fd, Audit **ret_audit, Error *err)
{
    must(path != NULL && ret_audit != NULL && minimum_fd >= 0);
    _cleanup_(fd_closep) int fd =
        open(path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0600);
    struct stat status;
    if (fd < 0 || fstat(fd, &status) < 0) {
        return error_set(err, errno, "audit log %s: %s", path, strerror(errno));
    }
    if (!S_ISREG(status.st_mode)) {
        return error_set(err, EINVAL, "audit log %s: not a regular file", path);
    }
    /* The chain has no key: who can write the file can make another one. */
    if ((status.st_uid != geteuid() && status.st_uid != 0) || (status.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
        return error_set(err, EACCES, "audit log %s: belongs to another user or is writable by group or others", path);
    }
    int high = -1;
    const int r = fd_move_high(fd, minimum_fd, &high);
    if (r < 0) {
        return error_set(err, -r, "audit log %s: %s", path, strerror(-r));
    }
    fd = high;
    Audit *audit = calloc(1, sizeof(*audit));
    void *shared = mmap(NULL, sizeof(AuditShared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (audit == NULL || shared == MAP_FAILED) {
        free(audit);
        if (shared != MAP_FAILED) {
            must(munmap(shared, sizeof(AuditShared)) == 0);
        }
        return error_set(err, ENOMEM, "out of memory");
    }
    audit->fd = steal_fd(&fd);
    audit->shared = shared;
    audit->line = BUF_INIT(AUDIT_LINE_MAX);
    audit->end = UINT64_MAX;
    *ret_audit = audit;
    return 0;
}

/* --- locks --- */

/* Tries for AUDIT_WAIT_NS at most: F_SETLKW has no time limit and a signal must not be needed to get out. */
static int lock_set(int fd, int command, short type, off_t position)
{
    struct flock lock = {.l_type = type, .l_whence = SEEK_SET, .l_start = position, .l_len = 1};
    const uint64_t start_ns = clock_ns(CLOCK_MONOTONIC);
    struct timespec pause = {.tv_nsec = 20000};
    while (fcntl(fd, command, &lock) < 0) {
        const int code = errno;
        if (code != EINTR && code != EAGAIN && code != EACCES) {
            return -code;
        }
        if (clock_ns(CLOCK_MONOTONIC) - start_ns > AUDIT_WAIT_NS) {
            return -EAGAIN;
        }
        (void)nanosleep(&pause, NULL);
        pause.tv_nsec = pause.tv_nsec < 1000000 ? pause.tv_nsec * 2 : pause.tv_nsec;
    }
    return 0;
}

static void audit_unlock(Audit *audit)
{
    (void)lock_set(audit->fd, F_OFD_SETLK, F_UNLCK, LOCK_POSITION + 1);
    (void)lock_set(audit->fd, F_SETLK, F_UNLCK, LOCK_POSITION);
}

static int audit_lock(Audit *audit)
{
    int r = lock_set(audit->fd, F_SETLK, F_WRLCK, LOCK_POSITION);
    if (r == 0) {
        r = lock_set(audit->fd, F_OFD_SETLK, F_WRLCK, LOCK_POSITION + 1);
        if (r < 0) {
            (void)lock_set(audit->fd, F_SETLK, F_UNLCK, LOCK_POSITION);
        }
    }
    return r;
}

/* --- the end of the file --- */

/* The number after `{"seq":` of a line that we wrote. */
static bool line_seq(const char *line, size_t size, uint64_t *ret_seq)
{
    static const char head[] = "{\"seq\":";
    const size_t head_size = sizeof(head) - 1;
    if (size < head_size || memcmp(line, head, head_size) != 0) {
        return false;
    }
    uint64_t value = 0;
    size_t i = head_size;
    for (; i < size && line[i] >= '0' && line[i] <= '9' && value < JSON_INTEGER_MAX / 10; i++) {
        value = value * 10 + (uint64_t)(line[i] - '0');
    }
    *ret_seq = value;
    return i > head_size && i < size && line[i] == ',';
}

/* Start of the line that ends (without its newline) at bytes[end). */
static size_t line_start(const char *bytes, size_t end)
{
    while (end > 0 && bytes[end - 1] != '\n') {
        end--;
    }
    return end;
}

/*
 * Sets end, seq and prev from the file. A tail without newline is torn: *ret_torn_size bytes are cut off. A last line
 * that is not ours starts a new chain over it (its hash becomes prev), so that verify finds the place.
 */
static int audit_read_end(Audit *audit, uint64_t file_size, uint64_t *ret_torn_size)
{
    const size_t window = file_size < 2 * AUDIT_LINE_MAX ? (size_t)file_size : 2 * AUDIT_LINE_MAX;
    _cleanup_(freep) char *bytes = malloc(window + 1);
    if (bytes == NULL) {
        return -ENOMEM;
    }
    size_t size = 0;
    int r = fd_pread_full(audit->fd, bytes, window, file_size - window, &size);
    if (r < 0) {
        return r;
    }
    const size_t whole = line_start(bytes, size); /* just after the last newline */
    const uint64_t torn_size = size - whole;
    if (torn_size > 0 && ftruncate(audit->fd, (off_t)(file_size - torn_size)) < 0) {
        return -errno;
    }
    audit->end = file_size - torn_size;
    audit->seq = 0;
    audit->prev = (Digest){0};
    *ret_torn_size = torn_size;
    if (whole == 0) {
        return 0; /* an empty file, or one line longer than any of ours, which was cut as torn */
    }
    const size_t start = line_start(bytes, whole - 1);
    (void)line_seq(bytes + start, whole - 1 - start, &audit->seq);
    return sha256(bytes + start, whole - 1 - start, &audit->prev);
}

/* --- one line --- */

static void write_bounded(Buf *line, const char *key, const char *text, size_t max_size)
{
    buf_append_format(line, ",\"%s\":", key);
    if (text == NULL) {
        buf_append_string(line, "null");
        return;
    }
    const size_t size = strlen(text);
    buf_append_json(line, text, size < max_size ? size : max_size);
}

static void write_text(Buf *line, const char *key, const char *text)
{
    write_bounded(line, key, text, AUDIT_TEXT_MAX);
}

static void write_digest(Buf *line, const char *key, const Digest *digest)
{
    char hex[DIGEST_HEX_SIZE + 1];
    if (digest == NULL) {
        buf_append_format(line, ",\"%s\":null", key);
        return;
    }
    digest_hex(digest, hex);
    buf_append_format(line, ",\"%s\":\"%s\"", key, hex);
}

static void write_number(Buf *line, const char *key, uint64_t value)
{
    buf_append_format(line, ",\"%s\":%" PRIu64, key, value < JSON_INTEGER_MAX ? value : (uint64_t)JSON_INTEGER_MAX);
}

static void line_begin(Audit *audit)
{
    char text[TIME_TEXT_SIZE];
    const uint64_t now = clock_ns(CLOCK_REALTIME);
    time_print((int64_t)(now / 1000000000u), text);
    buf_clear(&audit->line);
    /* TIME_TEXT_SIZE - 2: without the Z, which follows the milliseconds. */
    buf_append_format(&audit->line, "{\"seq\":%" PRIu64 ",\"time\":\"%.*s.%03uZ\"", audit->seq + 1,
                      (int)TIME_TEXT_SIZE - 2, text, (unsigned)(now / 1000000u % 1000u));
}

/* Ends the line and appends it with one write; on failure the file is as before. */
static int line_write(Audit *audit)
{
    Buf *line = &audit->line;
    char hex[DIGEST_HEX_SIZE + 1];
    digest_hex(&audit->prev, hex);
    buf_append_format(line, ",\"prev\":\"%s\"}", hex);
    Digest digest;
    int r = buf_error(line);
    r = r < 0 ? r : sha256(line->bytes, line->size, &digest);
    buf_append_byte(line, '\n');
    r = r < 0 ? r : buf_error(line);
    if (r < 0) {
        return r;
    }
    r = fd_write_full(audit->fd, line->bytes, line->size);
    if (r < 0) {
        if (ftruncate(audit->fd, (off_t)audit->end) < 0) {
            audit->end = UINT64_MAX; /* torn: the next append repairs it */
        }
        return r;
    }
    audit->end += line->size;
    audit->seq++;
    audit->prev = digest;
    return 0;
}

static int write_note(Audit *audit, const char *event, const char *key, uint64_t value)
{
    line_begin(audit);
    write_text(&audit->line, "event", event);
    write_number(&audit->line, key, value);
    return line_write(audit);
}

static int write_record(Audit *audit, const AuditRecord *record)
{
    line_begin(audit);
    Buf *line = &audit->line;
    write_text(line, "container", record->container);
    write_text(line, "image", record->image);
    write_number(line, "pid", record->pid);
    write_text(line, "argv0", record->argv0);
    write_bounded(line, "path", record->path, LIMIT_PATH_SIZE);
    write_digest(line, "sha256", record->digest);
    write_number(line, "size", record->size);
    write_text(line, "verdict", record->is_allowed ? "allow" : "deny");
    write_text(line, "reason", record->reason);
    write_text(line, "entry", record->entry);
    buf_append_string(line, ",\"manifest\":{\"name\":");
    const char *name = record->manifest_name != NULL ? record->manifest_name : "";
    buf_append_json(line, name, strlen(name));
    write_number(line, "serial", record->manifest_serial);
    write_digest(line, "sha256", record->manifest_digest);
    buf_append_string(line, "}");
    write_text(line, "key", record->key);
    write_number(line, "policy", record->policy_generation);
    write_number(line, "us", record->duration_us);
    return line_write(audit);
}

/* --- appending --- */

/* Takes one denial out of the bucket. Return: false when the bucket is empty. */
static bool rate_take(AuditShared *shared)
{
    const uint64_t now = clock_ns(CLOCK_MONOTONIC);
    uint64_t empty_at = atomic_load(&shared->empty_at_ns);
    for (;;) {
        const uint64_t base = empty_at > now ? empty_at : now;
        if (base - now > (uint64_t)(AUDIT_BURST - 1) * AUDIT_INTERVAL_NS) {
            return false;
        }
        if (atomic_compare_exchange_weak(&shared->empty_at_ns, &empty_at, base + AUDIT_INTERVAL_NS)) {
            return true;
        }
    }
}

/* Counts that wait to be written; a count that cannot be written goes back. */
static int write_counts(Audit *audit)
{
    static const char *const events[2][2] = {{"denials above the rate limit", "suppressed"},
                                             {"records that could not be written", "lost"}};
    _Atomic uint64_t *const counts[2] = {&audit->shared->suppressed_count, &audit->shared->lost_count};
    for (int i = 0; i < 2; i++) {
        const uint64_t count = atomic_exchange(counts[i], 0);
        if (count == 0) {
            continue;
        }
        const int r = write_note(audit, events[i][0], events[i][1], count);
        if (r < 0) {
            atomic_fetch_add(counts[i], count);
            return r;
        }
    }
    return 0;
}

/* record may be NULL: only the counts. */
static int append_locked(Audit *audit, const AuditRecord *record)
{
    struct stat status;
    if (fstat(audit->fd, &status) < 0) {
        return -errno;
    }
    int r = 0;
    uint64_t torn_size = 0;
    if ((uint64_t)status.st_size != audit->end) {
        r = audit_read_end(audit, (uint64_t)status.st_size, &torn_size);
    }
    if (r == 0 && torn_size > 0) {
        r = write_note(audit, "torn record removed", "removed_bytes", torn_size);
    }
    r = r < 0 ? r : write_counts(audit);
    return r < 0 || record == NULL ? r : write_record(audit, record);
}

static int append(Audit *audit, const AuditRecord *record)
{
    int r = audit_lock(audit);
    if (r == 0) {
        r = append_locked(audit, record);
        audit_unlock(audit);
    }
    return r;
}

int audit_write(Audit *audit, const AuditRecord *record)
{
    must(!audit->is_relay);
    const int r = append(audit, record);
    if (r < 0) {
        atomic_fetch_add(&audit->shared->lost_count, 1);
    }
    return r;
}

int audit_append(Audit *audit, const AuditRecord *record)
{
    must(audit != NULL && record != NULL && record->reason != NULL);
    if (!record->is_allowed && !rate_take(audit->shared)) {
        atomic_fetch_add(&audit->shared->suppressed_count, 1);
        return 0;
    }
    if (!audit->is_relay) {
        return audit_write(audit, record);
    }
    const int r = relay_send(audit, record);
    if (r < 0) {
        atomic_fetch_add(&audit->shared->lost_count, 1);
    }
    return r;
}

int audit_fd(const Audit *audit) { return audit->fd; }

void audit_forget(Audit *audit)
{
    if (audit != NULL) {
        audit->fd = fd_close(audit->fd);
    }
}

Audit *audit_close(Audit *audit)
{
    if (audit == NULL) {
        return NULL;
    }
    if (!audit->is_relay) {
        if (atomic_load(&audit->shared->suppressed_count) > 0 || atomic_load(&audit->shared->lost_count) > 0) {
            (void)append(audit, NULL); /* best effort: there is nobody left to tell */
        }
        must(munmap(audit->shared, sizeof(AuditShared)) == 0);
    }
    buf_deinit(&audit->line);
    fd_close(audit->fd);
    free(audit);
    return NULL;
}

/* --- verification --- */

typedef struct Walk {
    uint64_t line_number;
    uint64_t seq; /* of the line before */
    Digest prev;  /* of the line before */
    Error *err;
} Walk;

static int walk_bad(const Walk *walk, const char *why)
{
    return error_set(walk->err, EBADMSG, "audit log: line %" PRIu64 ": %s", walk->line_number, why);
}

static int walk_line(Walk *walk, const char *line, size_t size)
{
    walk->line_number++;
    _cleanup_(json_freep) json_t *json = NULL;
    Digest prev;
    if (json_strict_load(line, size, AUDIT_LINE_MAX, &json, NULL) < 0 || !json_is_object(json)) {
        return walk_bad(walk, "changed: not a record");
    }
    const char *hex = json_string_value(json_object_get(json, "prev"));
    const json_int_t number = json_integer_value(json_object_get(json, "seq"));
    if (hex == NULL || digest_parse(hex, strlen(hex), &prev) < 0 || number < 1) {
        return walk_bad(walk, "changed: not a record");
    }
    const uint64_t seq = (uint64_t)number;
    if (seq <= walk->seq) {
        return walk_bad(walk, "reordered or repeated: its seq is not above the one before");
    }
    if (seq != walk->seq + 1) {
        return error_set(walk->err, EBADMSG, "audit log: line %" PRIu64 ": %" PRIu64 " records before it were removed",
                         walk->line_number, seq - walk->seq - 1);
    }
    if (!digest_equals(&prev, &walk->prev)) {
        return walk_bad(walk, "does not follow from the line before: one of the two was changed");
    }
    walk->seq = seq;
    return sha256(line, size, &walk->prev);
}

/* Hands every whole line of buf to walk_line(); keeps the rest. */
static int walk_buffer(Walk *walk, char *bytes, size_t *size, uint64_t *count)
{
    size_t start = 0;
    for (;;) {
        const char *newline = memchr(bytes + start, '\n', *size - start);
        if (newline == NULL) {
            break;
        }
        const size_t end = (size_t)(newline - bytes);
        const int r = walk_line(walk, bytes + start, end - start);
        if (r < 0) {
            return r;
        }
        (*count)++;
        start = end + 1;
    }
    memmove(bytes, bytes + start, *size - start);
    *size -= start;
    return 0;
}

int audit_verify(int fd, uint64_t *ret_count, Error *err)
{
    must(fd >= 0 && ret_count != NULL);
    const size_t capacity = 4u * AUDIT_LINE_MAX;
    _cleanup_(freep) char *bytes = malloc(capacity);
    if (bytes == NULL) {
        return error_set(err, ENOMEM, "out of memory");
    }
    Walk walk = {.err = err};
    uint64_t offset = 0;
    uint64_t count = 0;
    size_t size = 0;
    for (;;) {
        size_t got = 0;
        int r = fd_pread_full(fd, bytes + size, capacity - size, offset, &got);
        if (r < 0) {
            return error_set(err, -r, "audit log: %s", strerror(-r));
        }
        if (got == 0) {
            break;
        }
        size += got;
        offset += got;
        r = walk_buffer(&walk, bytes, &size, &count);
        *ret_count = count;
        if (r < 0) {
            return r;
        }
        if (size > AUDIT_LINE_MAX) {
            walk.line_number++;
            return walk_bad(&walk, "longer than any record");
        }
    }
    *ret_count = count;
    if (size > 0) {
        walk.line_number++;
        return walk_bad(&walk, "torn: the last line does not end");
    }
    return 0;
}
