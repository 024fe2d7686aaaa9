/* SPDX-License-Identifier: Apache-2.0 */
/*
 * unpack.c - one layer (a tar, perhaps compressed) onto the tree of the layers below it.
 *
 *   stream --(blob digest)--> raw+filter reader --(diff id)--> tar reader --> openat2 beneath the tree's root
 *
 * Two libarchive readers are chained so that both the stored bytes and the uncompressed tar are hashed as they pass.
 * Invariants: I1 every path is resolved by openat2(RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS) for its parent and used by
 * its last component without following, so no entry leaves the tree. I2 a file's bytes are hashed while they are written;
 * the digest belongs to the inode, which nobody else can reach before the tree is renamed into place. I3 nothing of a
 * layer counts before both digests matched.
 * Source: OCI image spec, layer.md (whiteouts, opaque whiteouts, hard links).
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/interrupt.h"
#include "base/must.h"
#include "image/image-int.h"

#define WHITEOUT_PREFIX ".wh."
#define WHITEOUT_OPAQUE ".wh..wh..opq"
#define STREAM_BLOCK_SIZE (256u << 10)
#define HOLE_SIZE_MIN 4096u
#define RESOLVE_INSIDE (0x10u /* RESOLVE_IN_ROOT */ | 0x02u /* RESOLVE_NO_MAGICLINKS */)

typedef struct FileDigest {
    uint64_t inode; /* 0: free slot */
    uint64_t size;
    Digest digest;
} FileDigest;

struct Unpack {
    int root_fd;          /* borrowed */
    FileDigest *slots;    /* owned: open addressing by inode, power of two */
    size_t slot_count;
    size_t used_count;
    uint64_t *made;       /* owned: hashes of the paths the current layer made, for opaque whiteouts; open addressing, 0 free */
    size_t made_count;
    size_t made_used;
    uint64_t total_size;  /* bytes of all files */
    uint64_t stored_size; /* bytes of all layers as they are stored, read so far */
    uint64_t file_count;
};

/* What flows through the two readers. */
typedef struct LayerFlow {
    Unpack *unpack; /* borrowed */
    OciStream *stream;
    Hasher *stored_hasher; /* owned: bytes as stored; NULL when the archive has no digest for them */
    Hasher *tar_hasher;    /* owned: uncompressed tar */
    struct archive *raw;   /* owned: decompressor */
    uint8_t *stored_block; /* owned */
    uint8_t *tar_block;    /* owned */
    uint64_t stored_size;
    uint64_t tar_size;
    ImageProgress progress;
    void *context;
} LayerFlow;

int unpack_new(int root_fd, Unpack **ret_unpack)
{
    _cleanup_(unpack_freep) Unpack *unpack = calloc(1, sizeof(*unpack));
    if (unpack == NULL) {
        return -ENOMEM;
    }
    unpack->root_fd = root_fd;
    unpack->slot_count = 1024;
    unpack->made_count = 1024;
    unpack->slots = calloc(unpack->slot_count, sizeof(*unpack->slots));
    unpack->made = calloc(unpack->made_count, sizeof(*unpack->made));
    if (unpack->slots == NULL || unpack->made == NULL) {
        return -ENOMEM;
    }
    *ret_unpack = steal(&unpack);
    return 0;
}

Unpack *unpack_free(Unpack *unpack)
{
    if (unpack != NULL) {
        free(unpack->slots);
        free(unpack->made);
        free(unpack);
    }
    return NULL;
}

void unpack_freep(Unpack **unpack)
{
    *unpack = unpack_free(*unpack);
}

static size_t inode_slot(const Unpack *unpack, uint64_t inode)
{
    size_t slot = (size_t)(inode * 0x9e3779b97f4a7c15ull) & (unpack->slot_count - 1);
    while (unpack->slots[slot].inode != 0 && unpack->slots[slot].inode != inode) {
        slot = (slot + 1) & (unpack->slot_count - 1);
    }
    return slot;
}

static int digest_remember(Unpack *unpack, uint64_t inode, const Digest *digest, uint64_t size)
{
    if (unpack->used_count * 2 >= unpack->slot_count) {
        FileDigest *old = unpack->slots;
        const size_t old_count = unpack->slot_count;
        FileDigest *grown = calloc(old_count * 2, sizeof(*grown));
        if (grown == NULL) {
            return -ENOMEM;
        }
        unpack->slots = grown;
        unpack->slot_count = old_count * 2;
        for (size_t i = 0; i < old_count; i++) {
            if (old[i].inode != 0) {
                unpack->slots[inode_slot(unpack, old[i].inode)] = old[i];
            }
        }
        free(old);
    }
    const size_t slot = inode_slot(unpack, inode);
    unpack->used_count += unpack->slots[slot].inode == 0;
    unpack->slots[slot] = (FileDigest){.inode = inode, .size = size, .digest = *digest};
    return 0;
}

int unpack_digest(const Unpack *unpack, uint64_t inode, Digest *ret_digest, uint64_t *ret_size)
{
    const FileDigest *slot = &unpack->slots[inode_slot(unpack, inode)];
    if (inode == 0 || slot->inode != inode) {
        return -ENOENT;
    }
    *ret_digest = slot->digest;
    *ret_size = slot->size;
    return 0;
}

static uint64_t path_hash(const char *path)
{
    uint64_t hash = 1469598103934665603ull;
    for (; *path != '\0'; path++) {
        hash = (hash ^ (uint8_t)*path) * 1099511628211ull;
    }
    return hash == 0 ? 1 : hash;
}

static bool made_find(const Unpack *unpack, uint64_t hash, size_t *ret_slot)
{
    size_t slot = (size_t)hash & (unpack->made_count - 1);
    while (unpack->made[slot] != 0 && unpack->made[slot] != hash) {
        slot = (slot + 1) & (unpack->made_count - 1);
    }
    *ret_slot = slot;
    return unpack->made[slot] == hash;
}

static int made_remember(Unpack *unpack, const char *path)
{
    if (unpack->made_used * 2 >= unpack->made_count) {
        uint64_t *old = unpack->made;
        const size_t old_count = unpack->made_count;
        uint64_t *grown = calloc(old_count * 2, sizeof(*grown));
        if (grown == NULL) {
            return -ENOMEM;
        }
        unpack->made = grown;
        unpack->made_count = old_count * 2;
        for (size_t i = 0; i < old_count; i++) {
            size_t slot = 0;
            if (old[i] != 0 && !made_find(unpack, old[i], &slot)) {
                unpack->made[slot] = old[i];
            }
        }
        free(old);
    }
    size_t slot = 0;
    const uint64_t hash = path_hash(path);
    if (!made_find(unpack, hash, &slot)) {
        unpack->made[slot] = hash;
        unpack->made_used++;
    }
    return 0;
}

/* --- paths --- */

/* "./a//b/" -> "a/b"; "" for the root itself. "..", over-long names and too many of them are refused. */
static int path_clean(const char *path, char clean[LIMIT_PATH_SIZE])
{
    size_t size = 0;
    int depth = 0;
    while (*path != '\0') {
        const size_t part = strcspn(path, "/");
        if (part == 2 && path[0] == '.' && path[1] == '.') {
            return -EBADMSG;
        }
        if (part > 0 && !(part == 1 && path[0] == '.')) {
            if (++depth > LIMIT_TREE_DEPTH) {
                return -ELOOP;
            }
            if (part > NAME_MAX || size + part + 2 > LIMIT_PATH_SIZE) {
                return -ENAMETOOLONG;
            }
            if (size > 0) {
                clean[size++] = '/';
            }
            memcpy(clean + size, path, part);
            size += part;
        }
        path += part;
        path += strspn(path, "/");
    }
    clean[size] = '\0';
    return 0;
}

/* A directory's mtime as it was before something was made or removed in it: that of the layer, not of the unpacking. */
static int mtime_restore(int dir_fd, const struct stat *before)
{
    const struct timespec times[2] = {before->st_mtim, before->st_mtim};
    return utimensat(dir_fd, "", times, AT_EMPTY_PATH) < 0 ? -errno : 0;
}

/* A directory that no member of a layer names: its mtime is 0. */
static int directory_make(int parent, const char *name)
{
    static const struct timespec times[2] = {{0}, {0}};
    struct stat before;
    if (fstat(parent, &before) < 0) {
        return -errno;
    }
    if (mkdirat(parent, name, 0755) < 0) {
        return errno == EEXIST ? 0 : -errno;
    }
    return utimensat(parent, name, times, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : mtime_restore(parent, &before);
}

/* Makes the directories of a clean path that are missing, from the root on; the fd of the last one. */
static int directories_make(Unpack *unpack, char *path)
{
    _cleanup_(fd_closep) int parent = fcntl(unpack->root_fd, F_DUPFD_CLOEXEC, 3);
    for (char *name = path; parent >= 0;) {
        char *end = strchrnul(name, '/');
        const char after = *end;
        *end = '\0';
        int fd = fd_openat2(unpack->root_fd, path, O_PATH | O_DIRECTORY | O_CLOEXEC, 0, RESOLVE_INSIDE);
        if (fd == -ENOENT) {
            fd = ++unpack->file_count > LIMIT_IMAGE_FILES ? -E2BIG : directory_make(parent, name);
            fd = fd < 0 ? fd : fd_openat2(unpack->root_fd, path, O_PATH | O_DIRECTORY | O_CLOEXEC, 0, RESOLVE_INSIDE);
        }
        *end = after;
        (void)fd_close(parent);
        parent = fd;
        if (after == '\0') {
            break;
        }
        name = end + 1;
    }
    return parent < 0 ? parent : steal_fd(&parent);
}

/* Opens the parent directory of a clean path, making what is missing; *ret_name is the last component. */
static int parent_open(Unpack *unpack, char *path, const char **ret_name)
{
    char *slash = strrchr(path, '/');
    if (slash == NULL) {
        *ret_name = path;
        return fcntl(unpack->root_fd, F_DUPFD_CLOEXEC, 3);
    }
    *ret_name = slash + 1;
    *slash = '\0';
    int fd = fd_openat2(unpack->root_fd, path, O_PATH | O_DIRECTORY | O_CLOEXEC, 0, RESOLVE_INSIDE);
    fd = fd == -ENOENT ? directories_make(unpack, path) : fd;
    *slash = '/';
    return fd;
}

/* --- entries --- */

/* Whatever is at parent/name that is not a directory wanted as a directory goes away. */
static int place_clear(int parent, const char *name, bool is_directory_wanted)
{
    struct stat status;
    if (fstatat(parent, name, &status, AT_SYMLINK_NOFOLLOW) < 0) {
        return errno == ENOENT ? 0 : -errno;
    }
    if (S_ISDIR(status.st_mode)) {
        return is_directory_wanted ? 0 : tree_remove(parent, name, NULL);
    }
    return unlinkat(parent, name, 0) < 0 ? -errno : 0;
}

static int owner_and_times(int parent, const char *name, struct archive_entry *entry, bool is_symlink)
{
    if (geteuid() == 0 && fchownat(parent, name, (uid_t)archive_entry_uid(entry), (gid_t)archive_entry_gid(entry), AT_SYMLINK_NOFOLLOW) < 0) {
        return -errno;
    }
    if (!is_symlink && fchmodat(parent, name, archive_entry_perm(entry) & 07777, 0) < 0) {
        return -errno;
    }
    const struct timespec times[2] = {
        {.tv_sec = archive_entry_mtime(entry), .tv_nsec = archive_entry_mtime_nsec(entry)},
        {.tv_sec = archive_entry_mtime(entry), .tv_nsec = archive_entry_mtime_nsec(entry)},
    };
    return utimensat(parent, name, times, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
}

/* Zeros become a hole: what a small layer blows up to costs no disk. */
static int block_write(int fd, const uint8_t *block, size_t size)
{
    const bool is_zero = block[0] == 0 && memcmp(block, block + 1, size - 1) == 0;
    if (size >= HOLE_SIZE_MIN && is_zero) {
        return lseek(fd, (off_t)size, SEEK_CUR) < 0 ? -errno : 0;
    }
    return fd_write_full(fd, block, size);
}

static int file_make(Unpack *unpack, struct archive *archive, int parent, const char *name)
{
    _cleanup_(fd_closep) int fd = openat(parent, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0) {
        return -errno;
    }
    _cleanup_(hasher_freep) Hasher *hasher = NULL;
    int r = hasher_new(&hasher);
    if (r < 0) {
        return r;
    }
    uint8_t block[64 << 10];
    uint64_t size = 0;
    for (;;) {
        const la_ssize_t got = archive_read_data(archive, block, sizeof(block));
        if (interrupt_check() < 0) {
            return -EINTR;
        }
        if (got == 0) {
            break;
        }
        if (got < 0) {
            return -EBADMSG;
        }
        size += (uint64_t)got;
        if (unpack->total_size + size > unpack_limit(unpack->stored_size)) {
            return -E2BIG;
        }
        r = hasher_update(hasher, block, (size_t)got);
        if (r == 0) {
            r = block_write(fd, block, (size_t)got);
        }
        if (r < 0) {
            return r;
        }
    }
    unpack->total_size += size;
    struct stat status;
    Digest digest;
    r = hasher_finish(hasher, &digest);
    if (r == 0 && (ftruncate(fd, (off_t)size) < 0 || fstat(fd, &status) < 0)) { /* the last block may be a hole */
        r = -errno;
    }
    return r < 0 ? r : digest_remember(unpack, status.st_ino, &digest, size);
}

static int hardlink_make(Unpack *unpack, const char *target, int parent, const char *name)
{
    char clean[LIMIT_PATH_SIZE];
    int r = path_clean(target, clean);
    if (r < 0 || clean[0] == '\0') {
        return r < 0 ? r : -EBADMSG;
    }
    const char *target_name = NULL;
    _cleanup_(fd_closep) int target_parent = parent_open(unpack, clean, &target_name);
    if (target_parent < 0) {
        return target_parent;
    }
    struct stat status;
    if (fstatat(target_parent, target_name, &status, AT_SYMLINK_NOFOLLOW) < 0) {
        return -errno;
    }
    if (S_ISDIR(status.st_mode)) {
        return -EBADMSG;
    }
    return linkat(target_parent, target_name, parent, name, 0) < 0 ? -errno : 0;
}

/* Opaque: what lower layers put into the directory goes; what this layer made stays. */
static int opaque_apply(const Unpack *unpack, int parent, const char *parent_path)
{
    int fd = openat(parent, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return -errno;
    }
    DIR *dir = fdopendir(fd);
    if (dir == NULL) {
        (void)fd_close(fd);
        return -ENOMEM;
    }
    int r = 0;
    const struct dirent *item;
    while (r == 0 && (item = readdir(dir)) != NULL) {
        char path[LIMIT_PATH_SIZE + NAME_MAX + 2];
        size_t slot = 0;
        if (strcmp(item->d_name, ".") == 0 || strcmp(item->d_name, "..") == 0) {
            continue;
        }
        (void)snprintf(path, sizeof(path), "%s%s%s", parent_path, parent_path[0] != '\0' ? "/" : "", item->d_name);
        if (!made_find(unpack, path_hash(path), &slot)) {
            r = tree_remove(dirfd(dir), item->d_name, NULL);
        }
    }
    (void)closedir(dir);
    return r;
}

static int whiteout_apply(Unpack *unpack, int parent, const char *name, char *path)
{
    if (strcmp(name, WHITEOUT_OPAQUE) == 0) {
        char *slash = strrchr(path, '/');
        if (slash != NULL) {
            *slash = '\0';
        } else {
            path[0] = '\0';
        }
        return opaque_apply(unpack, parent, path);
    }
    const char *hidden = name + strlen(WHITEOUT_PREFIX);
    if (hidden[0] == '\0' || strcmp(hidden, ".") == 0 || strcmp(hidden, "..") == 0) {
        return -EBADMSG;
    }
    return tree_remove(parent, hidden, NULL);
}

/* A directory, file or symlink of the layer; devices and sockets are passed over (the container's /dev is made by us). */
static int node_make(Unpack *unpack, struct archive *archive, struct archive_entry *entry, int parent, const char *name)
{
    const char *target = archive_entry_hardlink(entry);
    const mode_t type = archive_entry_filetype(entry);
    int r = place_clear(parent, name, target == NULL && type == AE_IFDIR);
    if (r < 0) {
        return r;
    }
    if (target != NULL) {
        return hardlink_make(unpack, target, parent, name);
    }
    if (type == AE_IFDIR) {
        if (mkdirat(parent, name, 0755) < 0 && errno != EEXIST) {
            return -errno;
        }
    } else if (type == AE_IFREG) {
        if (archive_entry_size(entry) < 0 || (uint64_t)archive_entry_size(entry) > LIMIT_IMAGE_SIZE) {
            return -E2BIG;
        }
        r = file_make(unpack, archive, parent, name);
    } else if (type == AE_IFLNK) {
        const char *link = archive_entry_symlink(entry);
        r = link == NULL ? -EBADMSG : symlinkat(link, parent, name) < 0 ? -errno : 0;
    } else if (type == AE_IFIFO) {
        r = mkfifoat(parent, name, 0600) < 0 ? -errno : 0;
    } else {
        return 0;
    }
    return r < 0 ? r : owner_and_times(parent, name, entry, type == AE_IFLNK);
}

static const char *reason(int r)
{
    switch (r) {
    case -EBADMSG: return "damaged, or not allowed in a layer";
    case -E2BIG: return "more bytes than an image of this size may have";
    case -ELOOP: return "nested too deep, or a loop of links";
    default: return strerror(-r);
    }
}

/* "./" of a layer. The tree must stay readable for us. */
static int root_set(const Unpack *unpack, struct archive_entry *entry)
{
    const struct timespec times[2] = {{.tv_sec = archive_entry_mtime(entry)}, {.tv_sec = archive_entry_mtime(entry)}};
    if (geteuid() == 0 && fchown(unpack->root_fd, (uid_t)archive_entry_uid(entry), (gid_t)archive_entry_gid(entry)) < 0) {
        return -1;
    }
    return fchmod(unpack->root_fd, (archive_entry_perm(entry) & 0777) | 0500) < 0 ? -1 : futimens(unpack->root_fd, times);
}

static int entry_apply(Unpack *unpack, struct archive *archive, struct archive_entry *entry, Error *err)
{
    const char *raw_path = archive_entry_pathname(entry);
    char path[LIMIT_PATH_SIZE];
    int r = raw_path == NULL ? -EBADMSG : path_clean(raw_path, path);
    if (r < 0) {
        return error_set(err, -r, "layer: bad path %s: %s", raw_path != NULL ? raw_path : "(none)", reason(r));
    }
    if (++unpack->file_count > LIMIT_IMAGE_FILES) {
        return error_set(err, E2BIG, "layer: more than %u files", LIMIT_IMAGE_FILES);
    }
    if (path[0] == '\0') {
        return root_set(unpack, entry) < 0 ? error_set(err, errno, "layer: root directory") : 0;
    }
    char walk[LIMIT_PATH_SIZE];
    (void)snprintf(walk, sizeof(walk), "%s", path);
    const char *name = NULL;
    _cleanup_(fd_closep) int parent = parent_open(unpack, walk, &name);
    struct stat before;
    if (parent < 0) {
        return error_set(err, -parent, "layer: %s: cannot open its directory: %s", path, reason(parent));
    }
    if (fstat(parent, &before) < 0) {
        return error_set(err, errno, "layer: %s: its directory", path);
    }
    if (strncmp(name, WHITEOUT_PREFIX, strlen(WHITEOUT_PREFIX)) == 0) {
        r = whiteout_apply(unpack, parent, name, path);
    } else {
        r = made_remember(unpack, path);
        r = r < 0 ? r : node_make(unpack, archive, entry, parent, name);
    }
    r = r < 0 ? r : mtime_restore(parent, &before);
    return r < 0 ? error_set(err, -r, "layer: %s: %s", path, reason(r)) : 0;
}

/* --- the two readers --- */

static la_ssize_t stored_read(struct archive *archive, void *context, const void **ret_block)
{
    (void)archive;
    LayerFlow *flow = context;
    const ssize_t got = stream_read(flow->stream, flow->stored_block, STREAM_BLOCK_SIZE);
    if (got > 0 && flow->stored_hasher != NULL && hasher_update(flow->stored_hasher, flow->stored_block, (size_t)got) < 0) {
        return -1;
    }
    if (got > 0) {
        flow->stored_size += (uint64_t)got;
        flow->unpack->stored_size += (uint64_t)got;
        if (flow->progress != NULL) {
            flow->progress(flow->context, "unpack", flow->stored_size, flow->stream->size);
        }
    }
    *ret_block = flow->stored_block;
    return got;
}

static la_ssize_t tar_read(struct archive *archive, void *context, const void **ret_block)
{
    (void)archive;
    LayerFlow *flow = context;
    const la_ssize_t got = archive_read_data(flow->raw, flow->tar_block, STREAM_BLOCK_SIZE);
    flow->tar_size += got > 0 ? (uint64_t)got : 0;
    if (flow->tar_size > 2 * unpack_limit(flow->unpack->stored_size) || interrupt_check() < 0) {
        return -1; /* files are counted where they are made: this is a flood of headers */
    }
    if (got > 0 && hasher_update(flow->tar_hasher, flow->tar_block, (size_t)got) < 0) {
        return -1;
    }
    *ret_block = flow->tar_block;
    return got;
}

static void flow_deinit(LayerFlow *flow)
{
    flow->stored_hasher = hasher_free(flow->stored_hasher);
    flow->tar_hasher = hasher_free(flow->tar_hasher);
    archive_freep(&flow->raw);
    free(flow->stored_block);
    free(flow->tar_block);
}

static int flow_init(LayerFlow *flow, const OciLayer *layer, Error *err)
{
    int r = hasher_new(&flow->tar_hasher);
    if (r == 0 && layer->has_digest) {
        r = hasher_new(&flow->stored_hasher);
    }
    flow->stored_block = malloc(STREAM_BLOCK_SIZE);
    flow->tar_block = malloc(STREAM_BLOCK_SIZE);
    flow->raw = archive_read_new();
    if (r < 0 || flow->stored_block == NULL || flow->tar_block == NULL || flow->raw == NULL) {
        return error_set(err, ENOMEM, "layer: out of memory");
    }
    (void)archive_read_support_format_raw(flow->raw);
    (void)archive_read_support_format_empty(flow->raw);
    (void)archive_read_support_filter_gzip(flow->raw);
    (void)archive_read_support_filter_zstd(flow->raw);
    if (archive_read_open(flow->raw, flow, NULL, stored_read, NULL) != ARCHIVE_OK) {
        return archive_failed(flow->raw, "layer", err);
    }
    struct archive_entry *entry = NULL;
    const int header = archive_read_next_header(flow->raw, &entry);
    return header == ARCHIVE_OK || header == ARCHIVE_EOF ? 0 : archive_failed(flow->raw, "layer", err);
}

/* The rest of a stream. Return: 0; -E2BIG more than padding; other < 0 its error. */
static int rest_read(LayerFlow *flow, la_ssize_t (*read_block)(struct archive *, void *, const void **))
{
    const void *block = NULL;
    uint64_t size = 0;
    la_ssize_t got;
    while ((got = read_block(NULL, flow, &block)) > 0) {
        size += (uint64_t)got;
        if (size > LIMIT_LAYER_PADDING) {
            return -E2BIG;
        }
    }
    return (int)got;
}

/* Reads both streams to their ends (padding after the tar counts) and compares the digests. */
static int flow_finish(LayerFlow *flow, const OciLayer *layer, Error *err)
{
    int got = rest_read(flow, tar_read);
    if (got < 0 && got != -E2BIG) {
        return archive_failed(flow->raw, "layer", err);
    }
    got = got < 0 ? got : rest_read(flow, stored_read);
    if (got == -E2BIG) {
        return error_set(err, E2BIG, "layer %s: more than %u bytes after its end", layer->name, LIMIT_LAYER_PADDING);
    }
    Digest digest;
    int r = got < 0 ? got : hasher_finish(flow->tar_hasher, &digest);
    if (r == 0 && !digest_equals(&digest, &layer->diff_id)) {
        return error_set(err, EBADMSG, "layer %s: its contents do not have the diff id of the image config", layer->name);
    }
    if (r == 0 && flow->stored_hasher != NULL) {
        r = hasher_finish(flow->stored_hasher, &digest);
        if (r == 0 && !digest_equals(&digest, &layer->digest)) {
            return error_set(err, EBADMSG, "layer %s: its bytes do not have that digest", layer->name);
        }
    }
    return r < 0 ? error_set(err, -r, "layer %s: cannot be read", layer->name) : 0;
}

static int tar_apply(Unpack *unpack, LayerFlow *flow, Error *err)
{
    _cleanup_(archive_freep) struct archive *tar = archive_read_new();
    if (tar == NULL) {
        return error_set(err, ENOMEM, "layer: out of memory");
    }
    (void)archive_read_support_format_tar(tar);
    (void)archive_read_support_format_empty(tar);
    if (archive_read_open(tar, flow, NULL, tar_read, NULL) != ARCHIVE_OK) {
        return archive_failed(tar, "layer", err);
    }
    for (;;) {
        struct archive_entry *entry = NULL;
        const int header = archive_read_next_header(tar, &entry);
        if (header == ARCHIVE_EOF) {
            return 0;
        }
        if (header != ARCHIVE_OK && header != ARCHIVE_WARN) {
            return archive_failed(tar, "layer", err);
        }
        const int r = interrupt_check() < 0 ? error_set(err, EINTR, "layer: stopped") : entry_apply(unpack, tar, entry, err);
        if (r < 0) {
            return r;
        }
    }
}

int unpack_layer(Unpack *unpack, OciStream *stream, const OciLayer *layer, ImageProgress progress, void *context, Error *err)
{
    must(unpack != NULL && stream != NULL);
    memset(unpack->made, 0, unpack->made_count * sizeof(*unpack->made));
    unpack->made_used = 0;
    LayerFlow flow = {.unpack = unpack, .stream = stream, .progress = progress, .context = context};
    int r = flow_init(&flow, layer, err);
    if (r == 0) {
        r = tar_apply(unpack, &flow, err);
    }
    if (r == 0) {
        r = flow_finish(&flow, layer, err);
    }
    flow_deinit(&flow);
    return r;
}
