/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store.c - unpacked images by content.
 *
 *   STORE/images/<key>/fs        the tree, layers applied in order
 *   STORE/images/<key>/digests   digests.c
 *   STORE/images/.lock-<key>     taken while unpacking; STORE/images/.tmp-<key> is the tree under construction
 *
 * key = SHA-256 over "recompiler-tree-1\n" and the diff ids: the tree depends on nothing else. A tree gets its name by
 * rename(2) after every digest matched and its index is on disk; an interrupted unpacking leaves only .tmp-<key>, which
 * the next one removes under the lock. Two concurrent opens of one image unpack once.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/interrupt.h"
#include "base/must.h"
#include "image/image-int.h"

static int plan_key(const OciPlan *plan, char hex[DIGEST_HEX_SIZE + 1])
{
    static const char label[] = "recompiler-tree-1\n";
    _cleanup_(hasher_freep) Hasher *hasher = NULL;
    int r = hasher_new(&hasher);
    r = r < 0 ? r : hasher_update(hasher, label, sizeof(label) - 1);
    for (size_t i = 0; r == 0 && i < plan->layer_count; i++) {
        r = hasher_update(hasher, plan->layers[i].diff_id.bytes, DIGEST_SIZE);
    }
    Digest key;
    r = r < 0 ? r : hasher_finish(hasher, &key);
    if (r == 0) {
        digest_hex(&key, hex);
    }
    return r;
}

/* The images directory must be ours alone: what lies in it is trusted as verified. */
static int images_open(const char *store_dir, char **ret_path, int *ret_fd, Error *err)
{
    _cleanup_(freep) char *path = NULL;
    if (asprintf(&path, "%s/images", store_dir) < 0) {
        path = NULL;
        return error_set(err, ENOMEM, "store: out of memory");
    }
    int r = dir_make(store_dir, 0700, err);
    r = r < 0 ? r : dir_make(path, 0700, err);
    if (r < 0) {
        return r;
    }
    _cleanup_(fd_closep) int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    struct stat status;
    if (fd < 0 || fstat(fd, &status) < 0) {
        return error_set(err, errno, "store: %s: %s", path, strerror(errno));
    }
    if (status.st_uid != geteuid() || (status.st_mode & 077) != 0) {
        r = error_set(err, EACCES, "store: %s is not ours alone (owner %u, mode %04o)", path, status.st_uid, status.st_mode & 07777);
        return error_hint(err, r, "chown it to the user who runs recompiler and chmod 0700 it, or choose another --state-dir");
    }
    *ret_path = steal(&path);
    *ret_fd = steal_fd(&fd);
    return 0;
}

static int layers_apply(int tree_fd, int root_fd, const OciSource *source, const OciPlan *plan, ImageProgress progress,
                        void *context, Error *err)
{
    _cleanup_(unpack_freep) Unpack *unpack = NULL;
    int r = unpack_new(root_fd, &unpack);
    if (r < 0) {
        return error_set(err, -r, "store: cannot start unpacking");
    }
    for (size_t i = 0; i < plan->layer_count; i++) {
        OciStream stream = OCI_STREAM_INIT;
        r = source_open(source, plan->layers[i].name, &stream, err);
        if (r < 0) {
            return r;
        }
        r = unpack_layer(unpack, &stream, &plan->layers[i], progress, context, err);
        stream_close(&stream);
        if (r < 0) {
            return error_wrap(err, r, "layer %zu", i);
        }
    }
    return digests_write(tree_fd, root_fd, unpack, err);
}

/* Under the lock: makes .tmp-<key>, fills it, renames it to <key>. Nothing is left on failure. */
static int tree_make(int images_fd, const char *key, const OciSource *source, const OciPlan *plan, ImageProgress progress,
                     void *context, Error *err)
{
    char temporary[8 + DIGEST_HEX_SIZE];
    (void)snprintf(temporary, sizeof(temporary), ".tmp-%s", key);
    int r = tree_remove(images_fd, temporary, err);
    if (r < 0) {
        return r;
    }
    if (mkdirat(images_fd, temporary, 0700) < 0) {
        return error_set(err, errno, "store: cannot make %s: %s", temporary, strerror(errno));
    }
    _cleanup_(fd_closep) int tree_fd = openat(images_fd, temporary, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (tree_fd < 0 || mkdirat(tree_fd, "fs", 0755) < 0) {
        r = error_set(err, errno, "store: cannot make %s/fs", temporary);
    } else {
        _cleanup_(fd_closep) int root_fd = openat(tree_fd, "fs", O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
        r = root_fd < 0 ? error_set(err, errno, "store: fs") : layers_apply(tree_fd, root_fd, source, plan, progress, context, err);
    }
    if (r == 0 && syncfs(tree_fd) < 0) {
        r = error_set(err, errno, "store: cannot write to disk");
    }
    if (r == 0 && renameat(images_fd, temporary, images_fd, key) < 0) {
        r = error_set(err, errno, "store: cannot name the tree");
    }
    if (r < 0) {
        error_ignore(tree_remove(images_fd, temporary, NULL)); /* the first error is the one to report */
    }
    return r;
}

static int lock_take(int images_fd, const char *key, int *ret_fd, Error *err)
{
    char name[8 + DIGEST_HEX_SIZE];
    (void)snprintf(name, sizeof(name), ".lock-%s", key);
    _cleanup_(fd_closep) int fd = openat(images_fd, name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        return error_set(err, errno, "store: lock %s: %s", name, strerror(errno));
    }
    while (flock(fd, LOCK_EX) < 0) {
        if (errno != EINTR || interrupt_check() < 0) {
            return error_set(err, errno, "store: lock %s: %s", name, strerror(errno));
        }
    }
    *ret_fd = steal_fd(&fd);
    return 0;
}

static int index_open(int images_fd, const char *key, DigestIndex *ret_index, Error *err)
{
    _cleanup_(fd_closep) int fd = openat(images_fd, key, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) {
        return errno == ENOENT ? -ENOENT : error_set(err, errno, "store: %s: %s", key, strerror(errno));
    }
    return digests_open(fd, ret_index, err);
}

int store_tree(const char *store_dir, const OciSource *source, const OciPlan *plan, ImageProgress progress, void *context,
               char **ret_path, DigestIndex *ret_index, Error *err)
{
    must(plan->layer_count > 0 && plan->layer_count <= LIMIT_LAYERS);
    char key[DIGEST_HEX_SIZE + 1];
    _cleanup_(freep) char *images_path = NULL;
    _cleanup_(fd_closep) int images_fd = -1;
    int r = plan_key(plan, key);
    if (r < 0) {
        return error_set(err, -r, "store: SHA-256 failed");
    }
    r = images_open(store_dir, &images_path, &images_fd, err);
    if (r < 0) {
        return r;
    }
    Error index_error = ERROR_INIT;
    r = index_open(images_fd, key, ret_index, &index_error);
    if (r < 0) {
        _cleanup_(fd_closep) int lock_fd = -1;
        r = lock_take(images_fd, key, &lock_fd, err);
        if (r < 0) {
            return r;
        }
        r = index_open(images_fd, key, ret_index, &index_error);
        if (r < 0) {
            /* Missing, or its index is damaged: then the tree cannot be trusted either. */
            r = tree_remove(images_fd, key, err);
            r = r < 0 ? r : tree_make(images_fd, key, source, plan, progress, context, err);
            r = r < 0 ? r : index_open(images_fd, key, ret_index, err);
        }
        if (r < 0) {
            return r;
        }
    }
    if (asprintf(ret_path, "%s/%s/fs", images_path, key) < 0) {
        digests_close(ret_index);
        return error_set(err, ENOMEM, "store: out of memory");
    }
    return 0;
}
