/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rollback memory: which serial of which name this node has accepted last, so that an old signed document cannot come
 * back.
 *
 * STATE/rollback/serials, a text file that is replaced as a whole (temporary file, fsync, rename, fsync of the
 * directory):
 *
 *     recompiler-rollback 1
 *     clock 1767225600                                  newest `created` accepted: time never runs below it
 *     manifest example.org/toolbox 7 <64 hex>           role, name, serial, SHA-256 of the document; sorted by nothing
 *     sha256 <64 hex>                                   of all bytes above this line
 *
 * STATE/rollback/lock serialises writers (OFD lock) and says, once it is not empty, that `serials` has existed: without
 * it a deleted state would look like a fresh node. Whatever is unreadable, damaged or missing then closes the node:
 * every verification fails until somebody looks. What this cannot see: a whole directory that was put back from an
 * older copy (that takes root or a TPM counter).
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/cleanup.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/interrupt.h"
#include "base/limits.h"
#include "base/must.h"
#include "manifest/json-strict.h"
#include "manifest/manifest-int.h"
#include "manifest/trust.h"

#define STATE_MAX (16u << 20) /* bytes of serials; about 100,000 names */
#define STATE_HEAD "recompiler-rollback 1"
#define TAIL_SIZE (7u + DIGEST_HEX_SIZE + 1u) /* "sha256 " hex "\n" */

typedef struct Entry {
    const char *role; /* point into State.text, or are borrowed from the caller */
    const char *name;
    uint64_t serial;
    Digest digest;
} Entry;

typedef struct State {
    char *text;     /* owned */
    Entry *entries; /* owned */
    size_t count;
    int64_t clock;
} State;

static void state_deinit(State *state)
{
    free(state->text);
    free(state->entries);
}

static int state_closed(Error *err, const char *state_dir, const char *why)
{
    return error_hint(
        err,
        error_set(err, EIO, "rollback state %s/rollback: %s; nothing is accepted until this is solved", state_dir, why),
        "restore the directory from a backup; removing it lets this node accept any serial again");
}

/* Decimal digits only, at most maximum. */
static bool number_parse(const char *text, uint64_t maximum, uint64_t *ret_value)
{
    uint64_t value = 0;
    if (*text == '\0' || strlen(text) > 19) {
        return false;
    }
    for (; *text != '\0'; text++) {
        if (*text < '0' || *text > '9') {
            return false;
        }
        value = value * 10 + (uint64_t)(*text - '0');
    }
    *ret_value = value;
    return value <= maximum;
}

static bool role_is_valid(const char *role)
{
    const size_t length = strlen(role);
    return length >= 1 && length <= 32 && strspn(role, "abcdefghijklmnopqrstuvwxyz-") == length;
}

/* "role name serial hex"; cut in place. */
static bool entry_parse(char *line, Entry *entry)
{
    char *const role = strsep(&line, " ");
    char *const name = strsep(&line, " ");
    char *const serial = strsep(&line, " ");
    if (role == NULL || name == NULL || serial == NULL || line == NULL) {
        return false;
    }
    entry->role = role;
    entry->name = name;
    return role_is_valid(role) && manifest_name_is_valid(name) &&
           number_parse(serial, JSON_INTEGER_MAX, &entry->serial) &&
           digest_parse(line, strlen(line), &entry->digest) == 0;
}

/* The checksum line; cuts it off. Return: 0; -EBADMSG; -ENOMEM. */
static int state_check(char *text, size_t size)
{
    Digest stored;
    Digest actual;
    if (size < TAIL_SIZE || strlen(text) != size || text[size - 1] != '\n') {
        return -EBADMSG;
    }
    char *const tail = text + size - TAIL_SIZE;
    if (memcmp(tail, "sha256 ", 7) != 0 || digest_parse(tail + 7, DIGEST_HEX_SIZE, &stored) < 0) {
        return -EBADMSG;
    }
    const int r = sha256(text, size - TAIL_SIZE, &actual);
    if (r < 0) {
        return r;
    }
    *tail = '\0';
    return digest_equals(&stored, &actual) ? 0 : -EBADMSG;
}

static int state_parse(State *state, size_t size)
{
    const int r = state_check(state->text, size);
    if (r < 0) {
        return r;
    }
    size_t line_count = 0;
    for (const char *p = state->text; *p != '\0'; p++) {
        line_count += *p == '\n';
    }
    state->entries = calloc(line_count + 1, sizeof(Entry));
    if (state->entries == NULL) {
        return -ENOMEM;
    }
    char *rest = state->text;
    const char *head = strsep(&rest, "\n");
    const char *clock = rest != NULL ? strsep(&rest, "\n") : NULL;
    uint64_t seconds = 0;
    if (strcmp(head, STATE_HEAD) != 0 || clock == NULL || strncmp(clock, "clock ", 6) != 0 ||
        !number_parse(clock + 6, JSON_INTEGER_MAX, &seconds)) {
        return -EBADMSG;
    }
    state->clock = (int64_t)seconds;
    while (rest != NULL && *rest != '\0') {
        char *line = strsep(&rest, "\n");
        if (!entry_parse(line, &state->entries[state->count])) {
            return -EBADMSG;
        }
        state->count++;
    }
    return 0;
}

/* Opens STATE/rollback. Return: fd; -ENOENT when there is none. Others than us and root must not be able to write
 * there. */
static int state_open(const char *state_dir, Error *err)
{
    char path[LIMIT_PATH_SIZE];
    if (snprintf(path, sizeof(path), "%s/rollback", state_dir) >= (int)sizeof(path)) {
        return error_set(err, ENAMETOOLONG, "state directory: name too long");
    }
    _cleanup_(fd_closep) int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) {
        return errno == ENOENT ? -ENOENT : state_closed(err, state_dir, strerror(errno));
    }
    struct stat status;
    if (fstat(fd, &status) < 0) {
        return state_closed(err, state_dir, strerror(errno));
    }
    if ((status.st_uid != geteuid() && status.st_uid != 0) || (status.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
        return state_closed(err, state_dir, "belongs to another user or is writable by group or others");
    }
    return steal_fd(&fd);
}

/* Is the lock file there and not empty: has `serials` existed? */
static bool state_is_enrolled(int directory_fd)
{
    struct stat status;
    return fstatat(directory_fd, "lock", &status, AT_SYMLINK_NOFOLLOW) == 0 && status.st_size > 0;
}

static int state_read_from(int directory_fd, const char *state_dir, State *state, Error *err)
{
    size_t size = 0;
    int r = 0;
    /* Twice: between the two looks another process may have written both files for the first time. */
    for (int i = 0; i < 2; i++) {
        r = file_read(directory_fd, "serials", STATE_MAX, &state->text, &size, NULL);
        if (r != -ENOENT || !state_is_enrolled(directory_fd)) {
            break;
        }
    }
    if (r == -ENOENT) {
        return state_is_enrolled(directory_fd) ? state_closed(err, state_dir, "the file `serials` was removed") : 0;
    }
    if (r == -ENOMEM) {
        return error_set(err, ENOMEM, "out of memory");
    }
    if (r < 0) {
        return state_closed(err, state_dir, strerror(-r));
    }
    r = state_parse(state, size);
    return r == -EBADMSG ? state_closed(err, state_dir, "the file `serials` is damaged")
           : r < 0       ? error_set(err, -r, "out of memory")
                         : 0;
}

/* Reads the state; a node without one has an empty state. */
static int state_read(const char *state_dir, State *state, Error *err)
{
    _cleanup_(fd_closep) int directory_fd = -1;
    const int r = state_open(state_dir, err);
    if (r < 0) {
        return r == -ENOENT ? 0 : r;
    }
    directory_fd = r;
    return state_read_from(directory_fd, state_dir, state, err);
}

static Entry *state_find(const State *state, const char *role, const char *name)
{
    for (size_t i = 0; i < state->count; i++) {
        if (strcmp(state->entries[i].role, role) == 0 && strcmp(state->entries[i].name, name) == 0) {
            return &state->entries[i];
        }
    }
    return NULL;
}

static int entry_compare(const Entry *entry, const char *name, uint64_t serial, const Digest *digest, Error *err)
{
    if (entry == NULL || serial > entry->serial) {
        return 0;
    }
    if (serial < entry->serial) {
        return error_set(err, ESTALE, "rollback: %s has serial %" PRIu64 ", but %" PRIu64 " was accepted before", name,
                         serial, entry->serial);
    }
    if (!digest_equals(&entry->digest, digest)) {
        return error_hint(err,
                          error_set(err, ESTALE,
                                    "rollback: %s has serial %" PRIu64 " like the accepted one, but other bytes", name,
                                    serial),
                          "a changed document needs a higher serial");
    }
    return 0;
}

static int arguments_check(const char *role, const char *name, uint64_t serial, Error *err)
{
    if (!role_is_valid(role) || !manifest_name_is_valid(name) || serial > JSON_INTEGER_MAX) {
        return error_set(err, EINVAL, "rollback: bad role, name or serial");
    }
    return 0;
}

int rollback_check(const char *state_dir, const char *role, const char *name, uint64_t serial, const Digest *digest,
                   Error *err)
{
    must(state_dir != NULL && role != NULL && name != NULL && digest != NULL);
    int r = arguments_check(role, name, serial, err);
    if (r < 0) {
        return r;
    }
    _cleanup_(state_deinit) State state = {0};
    r = state_read(state_dir, &state, err);
    return r < 0 ? r : entry_compare(state_find(&state, role, name), name, serial, digest, err);
}

int rollback_clock(const char *state_dir, int64_t *ret_seconds, Error *err)
{
    must(state_dir != NULL && ret_seconds != NULL);
    _cleanup_(state_deinit) State state = {0};
    const int r = state_read(state_dir, &state, err);
    if (r == 0) {
        *ret_seconds = state.clock;
    }
    return r;
}

static void write_entry(Buf *text, const Entry *entry)
{
    char hex[DIGEST_HEX_SIZE + 1];
    digest_hex(&entry->digest, hex);
    buf_append_format(text, "%s %s %" PRIu64 " %s\n", entry->role, entry->name, entry->serial, hex);
}

/*
 * The file as a whole, under the writers' lock. The temporary name is always the same, so that a recorder that is
 * killed in the middle leaves at most one file, which the next one overwrites.
 */
static int state_replace(int directory_fd, const void *bytes, size_t size)
{
    _cleanup_(fd_closep) int fd =
        openat(directory_fd, "serials.new", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    int r = fd < 0 ? -errno : fd_write_full(fd, bytes, size);
    if (r == 0 && (fsync(fd) < 0 || renameat(directory_fd, "serials.new", directory_fd, "serials") < 0)) {
        r = -errno;
    }
    if (r == 0) {
        return fsync(directory_fd) < 0 ? -errno : 0;
    }
    (void)unlinkat(directory_fd, "serials.new", 0); /* best effort: the next recorder overwrites it */
    return r;
}

static int state_write(int directory_fd, const State *state, const Entry *added, Error *err)
{
    _cleanup_(buf_deinit) Buf text = BUF_INIT(STATE_MAX);
    buf_append_format(&text, STATE_HEAD "\nclock %" PRId64 "\n", state->clock);
    for (size_t i = 0; i < state->count; i++) {
        write_entry(&text, &state->entries[i]);
    }
    if (added != NULL) {
        write_entry(&text, added);
    }
    Digest digest;
    char hex[DIGEST_HEX_SIZE + 1];
    int r = buf_error(&text);
    r = r < 0 ? r : sha256(text.bytes, text.size, &digest);
    if (r < 0) {
        return error_set(err, -r, "rollback state: too large or out of memory");
    }
    digest_hex(&digest, hex);
    buf_append_format(&text, "sha256 %s\n", hex);
    r = buf_error(&text);
    if (r < 0) {
        return error_set(err, -r, "rollback state: too large or out of memory");
    }
    r = state_replace(directory_fd, text.bytes, text.size);
    return r < 0 ? error_set(err, -r, "rollback state: cannot be written: %s", strerror(-r)) : 0;
}

/* Takes the writers' lock; it is held until the descriptor is closed. */
static int state_lock(int directory_fd, Error *err)
{
    _cleanup_(fd_closep) int fd = openat(directory_fd, "lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        return error_set(err, EIO, "rollback state: lock: %s", strerror(errno));
    }
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    while (fcntl(fd, F_OFD_SETLKW, &lock) < 0) {
        if (errno != EINTR || interrupt_check() < 0) {
            return error_set(err, EIO, "rollback state: lock: %s", strerror(errno));
        }
    }
    return steal_fd(&fd);
}

/* After `serials` is safely there: from now on its absence means that it was removed. */
static int state_enrol(int directory_fd, int lock_fd, Error *err)
{
    if (state_is_enrolled(directory_fd)) {
        return 0;
    }
    int r = fd_write_full(lock_fd, "enrolled\n", 9);
    if (r == 0 && fsync(lock_fd) < 0) {
        r = -errno;
    }
    return r < 0 ? error_set(err, -r, "rollback state: lock: %s", strerror(-r)) : 0;
}

static int record_locked(int directory_fd, int lock_fd, const char *state_dir, const Entry *entry, int64_t created,
                         Error *err)
{
    _cleanup_(state_deinit) State state = {0};
    int r = state_read_from(directory_fd, state_dir, &state, err);
    if (r < 0) {
        return r;
    }
    Entry *old = state_find(&state, entry->role, entry->name);
    r = entry_compare(old, entry->name, entry->serial, &entry->digest, err); /* another process may have been faster */
    if (r < 0) {
        return r;
    }
    if (old != NULL && old->serial == entry->serial && created <= state.clock) {
        return state_enrol(directory_fd, lock_fd, err); /* nothing new: no write, no fsync, unless a crash left that out */
    }
    if (old != NULL) {
        old->serial = entry->serial;
        old->digest = entry->digest;
    }
    state.clock = created > state.clock ? created : state.clock;
    r = state_write(directory_fd, &state, old == NULL ? entry : NULL, err);
    return r < 0 ? r : state_enrol(directory_fd, lock_fd, err);
}

int rollback_record_at(const char *state_dir, const char *role, const char *name, uint64_t serial, const Digest *digest,
                       int64_t created, Error *err)
{
    must(state_dir != NULL && role != NULL && name != NULL && digest != NULL);
    int r = arguments_check(role, name, serial, err);
    if (r < 0) {
        return r;
    }
    char path[LIMIT_PATH_SIZE];
    if (snprintf(path, sizeof(path), "%s/rollback", state_dir) >= (int)sizeof(path)) {
        return error_set(err, ENAMETOOLONG, "state directory: name too long");
    }
    if (access(path, F_OK) < 0) {
        r = dir_make(path, 0700, err);
        if (r < 0) {
            return error_wrap(err, r, "rollback state");
        }
    }
    _cleanup_(fd_closep) int directory_fd = state_open(state_dir, err);
    if (directory_fd < 0) {
        return directory_fd == -ENOENT ? state_closed(err, state_dir, "was removed meanwhile") : directory_fd;
    }
    _cleanup_(fd_closep) int lock_fd = state_lock(directory_fd, err);
    if (lock_fd < 0) {
        return lock_fd;
    }
    const Entry entry = {.role = role, .name = name, .serial = serial, .digest = *digest};
    return record_locked(directory_fd, lock_fd, state_dir, &entry, created, err);
}

int rollback_record(const char *state_dir, const char *role, const char *name, uint64_t serial, const Digest *digest,
                    Error *err)
{
    return rollback_record_at(state_dir, role, name, serial, digest, 0, err);
}
