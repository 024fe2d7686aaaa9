/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The trust directory. It is read once, in name order, and either as a whole or not at all: one bad key file is an
 * error that names the file, because a directory that is half loaded can no longer reach its threshold, or reaches it
 * with the wrong keys.
 */
#include "manifest/trust.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/limits.h"
#include "base/must.h"
#include "manifest/key.h"

struct Trust {
    TrustKey *keys; /* owned */
    size_t key_count;
    uint32_t threshold;
};

Trust *trust_free(Trust *trust)
{
    if (trust != NULL) {
        free(trust->keys);
        free(trust);
    }
    return NULL;
}

void trust_freep(Trust **trust)
{
    *trust = trust_free(*trust);
}

size_t trust_key_count(const Trust *trust)
{
    return trust->key_count;
}

const TrustKey *trust_key(const Trust *trust, size_t index)
{
    must(index < trust->key_count);
    return &trust->keys[index];
}

uint32_t trust_threshold(const Trust *trust)
{
    return trust->threshold;
}

/* Only root and we ourselves may be able to change what is trusted. */
static int trust_check_owner(const struct stat *status, const char *what, Error *err)
{
    if (status->st_uid != geteuid() && status->st_uid != 0) {
        return error_hint(err, error_set(err, EACCES, "%s: belongs to another user (%u)", what, status->st_uid),
                          "chown it to root or to the user who runs recompiler");
    }
    if ((status->st_mode & (S_IWGRP | S_IWOTH)) != 0) {
        return error_hint(err, error_set(err, EACCES, "%s: writable by group or others", what), "chmod go-w it");
    }
    return 0;
}

/* A regular file (symbolic links are followed), at most KEY_FILE_MAX bytes. */
static int trust_read(int directory_fd, const char *name, char *bytes, size_t *ret_size, Error *err)
{
    _cleanup_(fd_closep) int fd = openat(directory_fd, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    struct stat status;
    if (fd < 0 || fstat(fd, &status) < 0) {
        return error_set(err, errno, "%s: %s", name, strerror(errno));
    }
    if (!S_ISREG(status.st_mode)) {
        return error_set(err, EBADMSG, "%s: not a regular file", name);
    }
    int r = trust_check_owner(&status, name, err);
    if (r < 0) {
        return r;
    }
    if (status.st_size > (off_t)KEY_FILE_MAX) {
        return error_set(err, EBADMSG, "%s: too large", name);
    }
    r = fd_read_full(fd, bytes, KEY_FILE_MAX, ret_size);
    return r < 0 ? error_set(err, -r, "%s: %s", name, strerror(-r)) : 0;
}

static int trust_add_key(Trust *trust, int directory_fd, const char *file, Error *err)
{
    char text[KEY_FILE_MAX];
    size_t size = 0;
    TrustKey key = {0};
    int r = trust_read(directory_fd, file, text, &size, err);
    if (r < 0) {
        return r;
    }
    r = key_parse_public(text, size, key.public_key, err);
    if (r < 0) {
        return error_wrap(err, r, "%s", file);
    }
    for (size_t i = 0; i < trust->key_count; i++) {
        if (memcmp(trust->keys[i].public_key, key.public_key, KEY_PUBLIC_SIZE) == 0) {
            return 0; /* the same key under two names is one key */
        }
    }
    if (trust->key_count == LIMIT_TRUST_KEYS) {
        return error_set(err, E2BIG, "more than %u keys", LIMIT_TRUST_KEYS);
    }
    r = key_id(key.public_key, key.id);
    if (r < 0) {
        return error_set(err, -r, "SHA-256 failed");
    }
    const size_t name_size = strlen(file) - strlen(".pub");
    must(name_size < sizeof(key.name));
    memcpy(key.name, file, name_size);
    TrustKey *keys = reallocarray(trust->keys, trust->key_count + 1, sizeof(*keys));
    if (keys == NULL) {
        return error_set(err, ENOMEM, "out of memory");
    }
    trust->keys = keys;
    trust->keys[trust->key_count++] = key;
    return 0;
}

/* DIR/threshold: decimal digits and at most one newline. Missing: 1. */
static int trust_read_threshold(Trust *trust, int directory_fd, Error *err)
{
    trust->threshold = 1;
    if (faccessat(directory_fd, "threshold", F_OK, AT_SYMLINK_NOFOLLOW) < 0 && errno == ENOENT) {
        return 0;
    }
    char text[KEY_FILE_MAX];
    size_t size = 0;
    const int r = trust_read(directory_fd, "threshold", text, &size, err);
    if (r < 0) {
        return r;
    }
    size -= size > 0 && text[size - 1] == '\n' ? 1 : 0;
    uint32_t value = 0;
    for (size_t i = 0; i < size && value <= LIMIT_TRUST_KEYS; i++) {
        if (text[i] < '0' || text[i] > '9') {
            value = 0;
            break;
        }
        value = value * 10 + (uint32_t)(text[i] - '0');
    }
    if (value < 1 || value > LIMIT_SIGNATURES) {
        return error_set(err, EBADMSG, "threshold: must be a decimal number from 1 to %u", LIMIT_SIGNATURES);
    }
    trust->threshold = value;
    return 0;
}

static int is_key_file(const struct dirent *entry)
{
    const size_t length = strlen(entry->d_name);
    return length > 4 && entry->d_name[0] != '.' && strcmp(entry->d_name + length - 4, ".pub") == 0;
}

static int compare_names(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name); /* not alphasort: that one depends on the locale */
}

static int trust_add_keys(Trust *trust, int directory_fd, Error *err)
{
    struct dirent **entries = NULL;
    const int count = scandirat(directory_fd, ".", &entries, is_key_file, compare_names);
    if (count < 0) {
        return error_set(err, errno, "%s", strerror(errno));
    }
    int r = 0;
    for (int i = 0; i < count; i++) {
        if (r == 0) {
            r = trust_add_key(trust, directory_fd, entries[i]->d_name, err);
        }
        free(entries[i]);
    }
    free(entries);
    return r;
}

static int trust_load_from(Trust *trust, int directory_fd, Error *err)
{
    struct stat status;
    if (fstat(directory_fd, &status) < 0) {
        return error_set(err, errno, "%s", strerror(errno));
    }
    int r = trust_check_owner(&status, "trust directory", err);
    r = r < 0 ? r : trust_add_keys(trust, directory_fd, err);
    r = r < 0 ? r : trust_read_threshold(trust, directory_fd, err);
    if (r < 0) {
        return r;
    }
    if (trust->key_count == 0) {
        return error_hint(err, error_set(err, ENOKEY, "no trusted keys (*.pub)"),
                          "make a key with `recompiler keygen NAME` and put NAME.pub there");
    }
    if (trust->threshold > trust->key_count) {
        return error_set(err, ENOKEY, "threshold is %u but there are only %zu keys", trust->threshold,
                         trust->key_count);
    }
    return 0;
}

int trust_load(const char *directory, Trust **ret_trust, Error *err)
{
    must(directory != NULL && ret_trust != NULL);
    _cleanup_(trust_freep) Trust *trust = calloc(1, sizeof(*trust));
    if (trust == NULL) {
        return error_set(err, ENOMEM, "out of memory");
    }
    _cleanup_(fd_closep) int directory_fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (directory_fd < 0 && errno == ENOENT) {
        return error_hint(
            err, error_set(err, ENOKEY, "%s: no such trust directory", directory),
            "make a key with `recompiler keygen NAME` and put NAME.pub there, or name another directory with --trust");
    }
    if (directory_fd < 0) {
        return error_set(err, errno, "%s: %s", directory, strerror(errno));
    }
    const int r = trust_load_from(trust, directory_fd, err);
    if (r < 0) {
        return error_wrap(err, r, "%s", directory);
    }
    *ret_trust = steal(&trust);
    return 0;
}
