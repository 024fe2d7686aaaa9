/* SPDX-License-Identifier: Apache-2.0 */
/*
 * write.c - a tree (and what lies on top of it) to a directory, an OCI layout or an archive of one.
 *
 *   root tree --tar--> blobs/sha256/A  (layer 0)        |  plain directory: both trees copied into one
 *   top tree  --tar--> blobs/sha256/B  (layer 1)        |
 *   config, manifest, index.json, oci-layout --> OUT/ or OUT.tar[.gz|.zst]
 *
 * Layers are plain tars (no compression): unpacking is what `run` waits for the first time, and registries compress by
 * themselves where they want to. Sorted, numeric owners, no atime or ctime, what is added has the build's time: equal trees
 * give equal bytes.
 * Everything is written in a work directory beside OUT (.recompiler-image-XXXXXX), synced, then renamed.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/interrupt.h"
#include "base/must.h"
#include "base/workdir.h"
#include "image/image-int.h"
#include "image/tree.h"

#define CONFIG_MAX_SIZE (4u << 20)
#define WORK_PREFIX ".recompiler-image-"
#define ARTEFACTS_NAME ".recompiler"
#define RESOLVE_PLAIN (0x08u /* RESOLVE_BENEATH */ | 0x04u /* RESOLVE_NO_SYMLINKS */)

/* One of the trees that an image is made of. */
typedef struct WriteTree {
    const char *path;
    int base_fd;               /* of the tree below: a directory that it has keeps the mode and owner it has there; -1: none */
    bool is_without_artefacts; /* /.recompiler of an earlier build stays behind */
    const int64_t *time;       /* mtime of all that is in it, for equal bytes of equal builds; NULL: each its own */
} WriteTree;

static bool is_artefact(const char *path)
{
    const size_t size = strlen(ARTEFACTS_NAME);
    return strncmp(path, ARTEFACTS_NAME, size) == 0 && (path[size] == '\0' || path[size] == '/');
}

static bool is_left_out(const WriteTree *tree, const TreeNode *node)
{
    if (is_artefact(node->path)) {
        return tree->is_without_artefacts;
    }
    if (tree->base_fd < 0 || !S_ISDIR(node->status->st_mode)) {
        return false;
    }
    _cleanup_(fd_closep) int fd =
        fd_openat2(tree->base_fd, node->path[0] != '\0' ? node->path : ".", O_PATH | O_DIRECTORY | O_CLOEXEC, 0, RESOLVE_PLAIN);
    return fd >= 0;
}

/* The first path of a hard link, unless that one is left out. */
static const char *link_target(const WriteTree *tree, const TreeNode *node)
{
    const bool is_lost = node->link_target != NULL && tree->is_without_artefacts && is_artefact(node->link_target);
    return is_lost ? NULL : node->link_target;
}

/* --- tar of a tree --- */

typedef struct TarSink {
    struct archive *archive; /* borrowed */
    const WriteTree *tree;
} TarSink;

static int file_append(struct archive *archive, int fd, uint64_t size, Error *err)
{
    uint8_t block[64 << 10];
    uint64_t done = 0;
    while (done < size) {
        size_t got = 0;
        const size_t want = size - done < sizeof(block) ? (size_t)(size - done) : sizeof(block);
        int r = interrupt_check();
        r = r < 0 ? r : fd_pread_full(fd, block, want, done, &got);
        if (r < 0 || got == 0) {
            return error_set(err, r < 0 ? -r : EIO, "file changed or could not be read while it was packed");
        }
        if (archive_write_data(archive, block, got) != (la_ssize_t)got) {
            return archive_failed(archive, "archive", err);
        }
        done += got;
    }
    return 0;
}

static int tar_visit(void *context, const TreeNode *node, Error *err)
{
    const TarSink *sink = context;
    const mode_t mode = node->status->st_mode;
    if (!S_ISDIR(mode) && !S_ISREG(mode) && !S_ISLNK(mode) && !S_ISFIFO(mode)) {
        return 0; /* sockets and devices: a container's /dev is made by the runtime */
    }
    if (is_left_out(sink->tree, node)) {
        return 0;
    }
    if (strncmp(node->name, ".wh.", 4) == 0) {
        return error_set(err, EINVAL, "/%s: in a layer that name means that a file is removed", node->path);
    }
    char path[LIMIT_PATH_SIZE + 64];
    (void)snprintf(path, sizeof(path), "%s%s", node->path[0] != '\0' ? node->path : ".", S_ISDIR(mode) ? "/" : "");
    const char *target = link_target(sink->tree, node);
    struct archive_entry *entry = archive_entry_new();
    if (entry == NULL) {
        return error_set(err, ENOMEM, "archive: out of memory");
    }
    char link[LIMIT_PATH_SIZE];
    archive_entry_set_pathname(entry, path);
    archive_entry_set_mode(entry, mode);
    archive_entry_set_uid(entry, node->status->st_uid);
    archive_entry_set_gid(entry, node->status->st_gid);
    archive_entry_set_mtime(entry, sink->tree->time != NULL ? (time_t)*sink->tree->time : node->status->st_mtime, 0);
    int r = 0;
    _cleanup_(fd_closep) int fd = -1;
    if (target != NULL) {
        archive_entry_set_hardlink(entry, target);
        archive_entry_set_size(entry, 0);
    } else if (S_ISLNK(mode)) {
        const ssize_t size = readlinkat(node->parent_fd, node->name, link, sizeof(link) - 1);
        link[size > 0 ? size : 0] = '\0';
        r = size < 0 ? error_set(err, errno, "/%s: cannot read the link", node->path) : 0;
        archive_entry_set_symlink(entry, link);
    } else if (S_ISREG(mode)) {
        archive_entry_set_size(entry, node->status->st_size);
        fd = openat(node->parent_fd, node->name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
        r = fd < 0 ? error_set(err, errno, "/%s: cannot open", node->path) : 0;
    }
    /* A warning says that a name is not ASCII: its bytes are then written as they are, marked hdrcharset=BINARY. */
    if (r == 0 && archive_write_header(sink->archive, entry) < ARCHIVE_WARN) {
        r = archive_failed(sink->archive, path, err);
    }
    if (r == 0 && fd >= 0) {
        r = file_append(sink->archive, fd, (uint64_t)node->status->st_size, err);
        r = r < 0 ? error_wrap(err, r, "/%s", node->path) : 0;
    }
    archive_entry_free(entry);
    return r;
}

/* filter: 0 none, ARCHIVE_FILTER_GZIP, ARCHIVE_FILTER_ZSTD. Named one by one: the library's own choice by number would link all of them. */
static int filter_add(struct archive *archive, int filter)
{
    switch (filter) {
    case ARCHIVE_FILTER_GZIP: return archive_write_add_filter_gzip(archive);
    case ARCHIVE_FILTER_ZSTD: return archive_write_add_filter_zstd(archive);
    default: return ARCHIVE_OK;
    }
}

static int tree_pack(const WriteTree *tree, int fd, int filter, Error *err)
{
    _cleanup_(archive_freep) struct archive *archive = archive_write_new();
    if (archive == NULL) {
        return error_set(err, ENOMEM, "archive: out of memory");
    }
    (void)archive_write_set_format_pax_restricted(archive);
    (void)archive_write_set_bytes_in_last_block(archive, 1);
    if (filter_add(archive, filter) != ARCHIVE_OK) {
        return archive_failed(archive, "archive filter", err);
    }
    if (filter == ARCHIVE_FILTER_GZIP) {
        (void)archive_write_set_filter_option(archive, "gzip", "timestamp", NULL); /* reproducible */
    }
    if (archive_write_open_fd(archive, fd) != ARCHIVE_OK) {
        return archive_failed(archive, "archive", err);
    }
    TarSink sink = {.archive = archive, .tree = tree};
    int r = tree_visit(tree->path, tar_visit, &sink, err);
    if (r < 0) {
        return r;
    }
    return archive_write_close(archive) == ARCHIVE_OK ? 0 : archive_failed(archive, "archive", err);
}

/* --- OCI layout --- */

typedef struct Blob {
    Digest digest;
    uint64_t size;
} Blob;

static int blob_name(int blobs_fd, const char *temporary, const Digest *digest, Error *err)
{
    char hex[DIGEST_HEX_SIZE + 1];
    digest_hex(digest, hex);
    return renameat(blobs_fd, temporary, blobs_fd, hex) < 0 ? error_set(err, errno, "blob %s", hex) : 0;
}

static int blob_write(int blobs_fd, const Buf *bytes, Blob *ret_blob, Error *err)
{
    int r = buf_error(bytes);
    r = r < 0 ? r : sha256(bytes->bytes, bytes->size, &ret_blob->digest);
    if (r < 0) {
        return error_set(err, -r, "image: cannot make a blob");
    }
    ret_blob->size = bytes->size;
    r = file_write_atomic(blobs_fd, "blob", bytes->bytes, bytes->size, 0644, err);
    return r < 0 ? r : blob_name(blobs_fd, "blob", &ret_blob->digest, err);
}

static int layer_write(int blobs_fd, const WriteTree *tree, Blob *ret_blob, Error *err)
{
    _cleanup_(fd_closep) int fd = openat(blobs_fd, "layer", O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (fd < 0) {
        return error_set(err, errno, "image: cannot make a layer");
    }
    int r = tree_pack(tree, fd, 0, err);
    if (r < 0) {
        return r;
    }
    r = sha256_fd(fd, &ret_blob->digest, &ret_blob->size);
    return r < 0 ? error_set(err, -r, "image: cannot read the layer back") : blob_name(blobs_fd, "layer", &ret_blob->digest, err);
}

static void json_strings(Buf *buf, const char *key, const char *const *strings, size_t count)
{
    if (count == 0) {
        return;
    }
    buf_append_format(buf, ",\"%s\":[", key);
    for (size_t i = 0; i < count; i++) {
        buf_append_string(buf, i > 0 ? "," : "");
        buf_append_json(buf, strings[i], strlen(strings[i]));
    }
    buf_append_string(buf, "]");
}

static void config_text(const ImageWriteConfig *config, const Blob *layers, size_t layer_count, Buf *buf)
{
    static const char *const default_env[] = {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"};
    const ImageConfigFields none = {.env = default_env, .env_count = 1, .working_dir = "/", .user = ""};
    const ImageConfigFields *fields = config->config != NULL && config->config->working_dir != NULL ? config->config : &none;
    char created[32];
    const time_t seconds = (time_t)config->created;
    struct tm utc;
    (void)strftime(created, sizeof(created), "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&seconds, &utc));
    buf_append_format(buf, "{\"created\":\"%s\",\"architecture\":\"amd64\",\"os\":\"linux\",\"config\":{\"WorkingDir\":", created);
    const char *directory = fields->working_dir[0] != '\0' ? fields->working_dir : "/";
    buf_append_json(buf, directory, strlen(directory));
    if (fields->user != NULL && fields->user[0] != '\0') {
        buf_append_string(buf, ",\"User\":");
        buf_append_json(buf, fields->user, strlen(fields->user));
    }
    json_strings(buf, "Env", fields->env_count > 0 ? fields->env : default_env, fields->env_count > 0 ? fields->env_count : 1);
    json_strings(buf, "Entrypoint", fields->entrypoint, fields->entrypoint_count);
    json_strings(buf, "Cmd", fields->cmd, fields->cmd_count);
    buf_append_string(buf, "},\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[");
    for (size_t i = 0; i < layer_count; i++) {
        char hex[DIGEST_HEX_SIZE + 1];
        digest_hex(&layers[i].digest, hex);
        buf_append_format(buf, "%s\"sha256:%s\"", i > 0 ? "," : "", hex);
    }
    buf_append_string(buf, "]}}");
}

static void descriptor_text(Buf *buf, const char *media_type, const Blob *blob)
{
    char hex[DIGEST_HEX_SIZE + 1];
    digest_hex(&blob->digest, hex);
    buf_append_format(buf, "{\"mediaType\":\"%s\",\"digest\":\"sha256:%s\",\"size\":%" PRIu64, media_type, hex, blob->size);
}

static void index_text(const char *reference_name, const Blob *manifest, Buf *buf)
{
    buf_append_string(buf, "{\"schemaVersion\":2,\"mediaType\":\"application/vnd.oci.image.index.v1+json\",\"manifests\":[");
    descriptor_text(buf, "application/vnd.oci.image.manifest.v1+json", manifest);
    buf_append_string(buf, ",\"platform\":{\"architecture\":\"amd64\",\"os\":\"linux\"}");
    if (reference_name != NULL) {
        buf_append_string(buf, ",\"annotations\":{\"org.opencontainers.image.ref.name\":");
        buf_append_json(buf, reference_name, strlen(reference_name));
        buf_append_string(buf, "}");
    }
    buf_append_string(buf, "}]}");
}

static int documents_write(int layout_fd, int blobs_fd, const ImageWriteConfig *config, const Blob *layers, size_t layer_count, Error *err)
{
    static const char layout[] = "{\"imageLayoutVersion\":\"1.0.0\"}";
    Buf buf = BUF_INIT(CONFIG_MAX_SIZE);
    Blob config_blob;
    Blob manifest_blob;
    config_text(config, layers, layer_count, &buf);
    int r = blob_write(blobs_fd, &buf, &config_blob, err);
    buf_clear(&buf);
    if (r == 0) {
        buf_append_string(&buf, "{\"schemaVersion\":2,\"mediaType\":\"application/vnd.oci.image.manifest.v1+json\",\"config\":");
        descriptor_text(&buf, "application/vnd.oci.image.config.v1+json", &config_blob);
        buf_append_string(&buf, "},\"layers\":[");
        for (size_t i = 0; i < layer_count; i++) {
            buf_append_string(&buf, i > 0 ? "," : "");
            descriptor_text(&buf, "application/vnd.oci.image.layer.v1.tar", &layers[i]);
            buf_append_string(&buf, "}");
        }
        buf_append_string(&buf, "]}");
        r = blob_write(blobs_fd, &buf, &manifest_blob, err);
    }
    buf_clear(&buf);
    if (r == 0) {
        index_text(config->reference_name, &manifest_blob, &buf);
        r = buf_error(&buf);
        r = r < 0 ? r : file_write_atomic(layout_fd, "index.json", buf.bytes, buf.size, 0644, err);
    }
    if (r == 0) {
        r = file_write_atomic(layout_fd, "oci-layout", layout, sizeof(layout) - 1, 0644, err);
    }
    buf_deinit(&buf);
    return r;
}

static int layout_write(const WriteTree trees[2], int layout_fd, const ImageWriteConfig *config, Error *err)
{
    if (mkdirat(layout_fd, "blobs", 0755) < 0 || mkdirat(layout_fd, "blobs/sha256", 0755) < 0) {
        return error_set(err, errno, "image: cannot make blobs");
    }
    _cleanup_(fd_closep) int blobs_fd = openat(layout_fd, "blobs/sha256", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (blobs_fd < 0) {
        return error_set(err, errno, "image: cannot open blobs");
    }
    Blob layers[2];
    size_t layer_count = 0;
    int r = 0;
    for (size_t i = 0; i < 2 && r == 0; i++) {
        if (trees[i].path != NULL) {
            if (config->progress != NULL) {
                config->progress(config->progress_context, "layer", i, 2);
            }
            r = layer_write(blobs_fd, &trees[i], &layers[layer_count++], err);
        }
    }
    return r < 0 ? r : documents_write(layout_fd, blobs_fd, config, layers, layer_count, err);
}

/* --- plain directory --- */

/*
 * Where path goes: its parent directory, never through a symbolic link. The tree is not trusted, and what the top tree adds
 * must not leave the image by a link that the lower tree left in its way.
 */
static int place_open(int out_fd, const char *path, int *ret_fd, const char **ret_name)
{
    char parent[LIMIT_PATH_SIZE] = ".";
    const char *slash = strrchr(path, '/');
    if (slash != NULL) {
        (void)snprintf(parent, sizeof(parent), "%.*s", (int)(slash - path), path);
    }
    const int fd = fd_openat2(out_fd, parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0, RESOLVE_PLAIN);
    if (fd < 0) {
        return fd;
    }
    *ret_fd = fd;
    *ret_name = slash != NULL ? slash + 1 : path[0] != '\0' ? path : ".";
    return 0;
}

static int node_copy(const TreeNode *node, int place_fd, const char *name)
{
    const mode_t mode = node->status->st_mode;
    if (S_ISDIR(mode)) {
        return mkdirat(place_fd, name, 0755) < 0 && errno != EEXIST ? -errno : 0;
    }
    if (S_ISLNK(mode)) {
        char link[LIMIT_PATH_SIZE];
        const ssize_t size = readlinkat(node->parent_fd, node->name, link, sizeof(link) - 1);
        link[size > 0 ? size : 0] = '\0';
        return size < 0 || symlinkat(link, place_fd, name) < 0 ? -errno : 0;
    }
    _cleanup_(fd_closep) int in = openat(node->parent_fd, node->name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    _cleanup_(fd_closep) int out = openat(place_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    uint64_t size = 0;
    return in < 0 || out < 0 ? -errno : fd_copy(in, out, LIMIT_IMAGE_SIZE, &size);
}

static int metadata_copy(const TreeNode *node, const int64_t *time, int place_fd, const char *name)
{
    const struct stat *status = node->status;
    if (geteuid() == 0 && fchownat(place_fd, name, status->st_uid, status->st_gid, AT_SYMLINK_NOFOLLOW) < 0) {
        return -errno;
    }
    if (!S_ISLNK(status->st_mode) && fchmodat(place_fd, name, status->st_mode & 07777, 0) < 0) { /* just made: no link */
        return -errno;
    }
    const struct timespec mtime = time != NULL ? (struct timespec){.tv_sec = (time_t)*time} : status->st_mtim;
    const struct timespec times[2] = {mtime, mtime};
    return utimensat(place_fd, name, times, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
}

typedef struct CopySink {
    int out_fd; /* borrowed */
    const WriteTree *tree;
} CopySink;

static int copy_visit(void *context, const TreeNode *node, Error *err)
{
    const CopySink *sink = context;
    const int out_fd = sink->out_fd;
    const mode_t mode = node->status->st_mode;
    if ((!S_ISDIR(mode) && !S_ISREG(mode) && !S_ISLNK(mode)) || is_left_out(sink->tree, node)) {
        return 0;
    }
    const char *target = link_target(sink->tree, node);
    _cleanup_(fd_closep) int place_fd = -1;
    const char *name = NULL;
    struct stat old;
    struct stat place;
    int r = place_open(out_fd, node->path, &place_fd, &name);
    r = r == 0 && fstat(place_fd, &place) < 0 ? -errno : r;
    if (r == 0 && fstatat(place_fd, name, &old, AT_SYMLINK_NOFOLLOW) == 0 && !(S_ISDIR(mode) && S_ISDIR(old.st_mode))) {
        r = tree_remove(place_fd, name, err); /* the top tree wins */
        if (r < 0) {
            return r;
        }
    }
    if (r == 0 && target != NULL) {
        _cleanup_(fd_closep) int target_fd = -1;
        const char *target_name = NULL;
        r = place_open(out_fd, target, &target_fd, &target_name);
        if (r == 0 && linkat(target_fd, target_name, place_fd, name, 0) < 0) {
            r = -errno;
        }
    } else if (r == 0) {
        r = node_copy(node, place_fd, name);
        r = r < 0 ? r : metadata_copy(node, sink->tree->time, place_fd, name);
    }
    const struct timespec times[2] = {place.st_mtim, place.st_mtim}; /* what was copied, not when */
    if (r == 0 && node->path[0] != '\0' && futimens(place_fd, times) < 0) {
        r = -errno;
    }
    return r < 0 ? error_set(err, -r, "/%s: cannot copy: %s", node->path, strerror(-r)) : 0;
}

/* --- the call --- */

static bool ends_with(const char *text, const char *end)
{
    const size_t size = strlen(text);
    const size_t end_size = strlen(end);
    return size >= end_size && strcmp(text + size - end_size, end) == 0;
}

static ImageFormat format_choose(const char *out, const ImageWriteConfig *config)
{
    if (config->format != IMAGE_FORMAT_AUTO) {
        return config->format;
    }
    if (ends_with(out, ".tar") || ends_with(out, ".tar.gz") || ends_with(out, ".tgz") || ends_with(out, ".tar.zst")) {
        return IMAGE_FORMAT_ARCHIVE;
    }
    return ends_with(out, ".oci") || ends_with(out, "/oci") ? IMAGE_FORMAT_OCI_DIRECTORY : IMAGE_FORMAT_DIRECTORY;
}

/* Of two builds to one name one wins: nothing but an empty directory is replaced, and that only by a directory. */
static int image_name_give(const char *temporary, const char *out, Error *err)
{
    int r = renameat2(AT_FDCWD, temporary, AT_FDCWD, out, RENAME_NOREPLACE);
    struct stat status;
    if (r < 0 && ((errno == EEXIST && lstat(out, &status) == 0 && S_ISDIR(status.st_mode)) || errno == EINVAL)) {
        r = rename(temporary, out); /* EINVAL: a file system without RENAME_NOREPLACE */
    }
    if (r == 0) {
        return 0;
    }
    const bool is_taken = errno == EEXIST || errno == ENOTEMPTY || errno == EISDIR;
    return is_taken ? error_set(err, EEXIST, "%s exists already", out) : error_set(err, errno, "%s: %s", out, strerror(errno));
}

/* What is at out keeps its mode and owner, and goes into the work directory, or away, as the new image takes its place. */
static int image_replace(const char *fresh, const char *work, const char *out, Error *err)
{
    char old[LIMIT_PATH_SIZE + 16];
    struct stat status;
    (void)snprintf(old, sizeof(old), "%s/old", work);
    int r = stat(out, &status) < 0 || chmod(fresh, status.st_mode & 07777) < 0 ? -1 : 0;
    if (r == 0 && geteuid() == 0) {
        r = lchown(fresh, status.st_uid, status.st_gid);
    }
    if (r == 0 && !S_ISDIR(status.st_mode)) {
        r = rename(fresh, out);
    } else if (r == 0) {
        r = renameat2(AT_FDCWD, fresh, AT_FDCWD, out, RENAME_EXCHANGE);
        if (r < 0 && errno == EINVAL && rename(out, old) == 0) { /* a file system without RENAME_EXCHANGE */
            r = rename(fresh, out);
            const int code = errno;
            (void)(r < 0 ? rename(old, out) : 0);
            errno = code;
        }
    }
    return r < 0 ? error_set(err, errno, "%s: cannot be replaced: %s", out, strerror(errno)) : 0;
}

/* Nothing there, or an empty directory for a directory. */
static bool is_name_free(const char *out, ImageFormat format)
{
    struct stat status;
    if (lstat(out, &status) < 0) {
        return true;
    }
    if (format == IMAGE_FORMAT_ARCHIVE || !S_ISDIR(status.st_mode)) {
        return false;
    }
    DIR *dir = opendir(out);
    const struct dirent *item = NULL;
    while (dir != NULL && (item = readdir(dir)) != NULL && (strcmp(item->d_name, ".") == 0 || strcmp(item->d_name, "..") == 0)) {
    }
    if (dir != NULL) {
        (void)closedir(dir);
    }
    return dir != NULL && item == NULL;
}

/* A tree in the work directory -> archive file there, synced. */
static int archive_from_layout(const char *layout_path, const char *out, const char *archive_path, const ImageWriteConfig *config, Error *err)
{
    _cleanup_(fd_closep) int fd = open(archive_path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (fd < 0) {
        return error_set(err, errno, "%s: cannot create", archive_path);
    }
    const int filter = ends_with(out, ".zst") ? ARCHIVE_FILTER_ZSTD : ends_with(out, "gz") ? ARCHIVE_FILTER_GZIP : 0;
    const WriteTree layout = {.path = layout_path, .base_fd = -1, .time = &config->created};
    const int r = tree_pack(&layout, fd, filter, err);
    return r == 0 && fsync(fd) < 0 ? error_set(err, errno, "%s: cannot write", out) : r;
}

static int tree_write(const WriteTree trees[2], const char *work, ImageFormat format, const ImageWriteConfig *config, Error *err)
{
    _cleanup_(fd_closep) int work_fd = open(work, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (work_fd < 0) {
        return error_set(err, errno, "%s: %s", work, strerror(errno));
    }
    if (format != IMAGE_FORMAT_DIRECTORY) {
        return layout_write(trees, work_fd, config, err);
    }
    int r = 0;
    for (size_t i = 0; i < 2 && r == 0; i++) {
        CopySink sink = {.out_fd = work_fd, .tree = &trees[i]};
        r = trees[i].path == NULL ? 0 : tree_visit(trees[i].path, copy_visit, &sink, err);
    }
    return r;
}

static int parent_work_dir(const char *out, WorkDir *ret_work, Error *err)
{
    char parent[LIMIT_PATH_SIZE] = ".";
    const char *slash = strrchr(out, '/');
    if (slash != NULL) {
        (void)snprintf(parent, sizeof(parent), "%.*s", slash == out ? 1 : (int)(slash - out), out);
    }
    const int r = work_dir_make(parent, WORK_PREFIX, ret_work, err);
    return r < 0 ? error_wrap(err, r, "%s", out) : 0;
}

static int image_write_in(const WriteTree trees[2], const char *work, const char *out, ImageFormat format, const ImageWriteConfig *config,
                          Error *err)
{
    char image[LIMIT_PATH_SIZE + 16];
    char archive[LIMIT_PATH_SIZE + 16];
    (void)snprintf(image, sizeof(image), "%s/image", work);
    (void)snprintf(archive, sizeof(archive), "%s/archive", work);
    if (mkdir(image, 0755) < 0) {
        return error_set(err, errno, "%s: %s", image, strerror(errno));
    }
    int r = tree_write(trees, image, format, config, err);
    if (r == 0 && format == IMAGE_FORMAT_ARCHIVE) {
        r = archive_from_layout(image, out, archive, config, err);
    }
    const char *fresh = format == IMAGE_FORMAT_ARCHIVE ? archive : image;
    return r < 0 ? r : config->is_replacing ? image_replace(fresh, work, out, err) : image_name_give(fresh, out, err);
}

int image_write(const char *root_path, const char *top_path, const char *out, const ImageWriteConfig *config, Error *err)
{
    must(root_path != NULL && out != NULL && config != NULL);
    const ImageFormat format = format_choose(out, config);
    if (!config->is_replacing && !is_name_free(out, format)) {
        return error_set(err, EEXIST, "%s exists already", out);
    }
    _cleanup_(fd_closep) int root_fd = open(root_path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (root_fd < 0) {
        return error_set(err, errno, "%s: cannot open the directory", root_path);
    }
    const WriteTree trees[2] = {{.path = root_path, .base_fd = -1, .is_without_artefacts = config->is_artefacts_replaced},
                                {.path = top_path, .base_fd = root_fd, .time = &config->created}};
    WorkDir work = WORK_DIR_INIT;
    int r = parent_work_dir(out, &work, err);
    if (r == 0) {
        r = image_write_in(trees, work.path, out, format, config, err);
    }
    work_dir_remove(&work);
    return r;
}

/* --- formats that are never written ---
 * A helper of libarchive's tar writer lies in the object with the table of all its writers. In a static link these would bring nettle, libxml2 and
 * bzip2 with them; defined here, they stay out. */

#define FORMAT_ABSENT(name) \
    int archive_write_set_format_##name(struct archive *archive) \
    { \
        (void)archive; \
        return ARCHIVE_FATAL; \
    }
FORMAT_ABSENT(7zip)
FORMAT_ABSENT(iso9660)
FORMAT_ABSENT(mtree)
FORMAT_ABSENT(mtree_classic)
FORMAT_ABSENT(warc)
FORMAT_ABSENT(xar)
FORMAT_ABSENT(zip)
