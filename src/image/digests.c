/* SPDX-License-Identifier: Apache-2.0 */
/*
 * digests.c - the digest index of an unpacked tree: path -> SHA-256 and size of every regular file.
 *
 *   header  magic "RCDG" u32, version u32, count u32, strings size u32
 *   rows    count x { path offset u32, reserved u32, size u64, digest 32 bytes }, sorted by path, unique
 *   strings paths without the leading '/', NUL-terminated
 *   trailer SHA-256 of all bytes before it
 * Valid if and only if sizes add up to the file's size, offsets lie in the strings, the last string byte is NUL, rows are
 * strictly ascending and the trailer matches. doc/formats/store.md. All integers little-endian.
 */
#include <dirent.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/must.h"
#include "image/image-int.h"

#define DIGESTS_NAME "digests"
#define DIGESTS_MAGIC 0x47444352u
#define DIGESTS_VERSION 1u
#define DIGESTS_MAX_SIZE (1u << 30)

typedef struct DigestsHeader {
    uint32_t magic;
    uint32_t version;
    uint32_t count;
    uint32_t strings_size;
} DigestsHeader;

typedef struct DigestsRow {
    uint32_t path_offset;
    uint32_t reserved;
    uint64_t size;
    Digest digest;
} DigestsRow;
_Static_assert(sizeof(DigestsHeader) == 16 && sizeof(DigestsRow) == 48, "on-disk layout");

typedef struct RowList {
    DigestsRow *rows; /* owned */
    size_t count;
    size_t capacity;
    Buf strings;
} RowList;

static int row_add(RowList *list, const char *path, const Digest *digest, uint64_t size)
{
    if (list->count == list->capacity) {
        const size_t capacity = list->capacity == 0 ? 256 : list->capacity * 2;
        DigestsRow *rows = reallocarray(list->rows, capacity, sizeof(*rows));
        if (rows == NULL) {
            return -ENOMEM;
        }
        list->rows = rows;
        list->capacity = capacity;
    }
    list->rows[list->count++] = (DigestsRow){.path_offset = (uint32_t)list->strings.size, .size = size, .digest = *digest};
    buf_append(&list->strings, path, strlen(path) + 1);
    return buf_error(&list->strings);
}

/* Takes dir_fd. */
static int tree_walk(int dir_fd, char *path, size_t path_size, int depth, const Unpack *unpack, RowList *list)
{
    DIR *dir = dir_fd < 0 ? NULL : fdopendir(dir_fd);
    if (dir == NULL) {
        const int r = -errno;
        (void)fd_close(dir_fd);
        return r;
    }
    int r = depth > LIMIT_TREE_DEPTH ? -ELOOP : 0;
    const struct dirent *item;
    while (r == 0 && (item = readdir(dir)) != NULL) {
        struct stat status;
        const int size = snprintf(path + path_size, LIMIT_PATH_SIZE - path_size, "%s%s", path_size > 0 ? "/" : "", item->d_name);
        if (strcmp(item->d_name, ".") == 0 || strcmp(item->d_name, "..") == 0 || path_size + (size_t)size >= LIMIT_PATH_SIZE) {
            continue; /* a path longer than PATH_MAX cannot be named in an exec */
        }
        if (fstatat(dir_fd, item->d_name, &status, AT_SYMLINK_NOFOLLOW) < 0) {
            r = -errno;
        } else if (S_ISDIR(status.st_mode)) {
            const int child = openat(dir_fd, item->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
            r = tree_walk(child, path, path_size + (size_t)size, depth + 1, unpack, list);
        } else if (S_ISREG(status.st_mode)) {
            Digest digest;
            uint64_t file_size = 0;
            r = unpack_digest(unpack, status.st_ino, &digest, &file_size);
            r = r < 0 ? r : row_add(list, path, &digest, file_size);
        }
    }
    (void)closedir(dir);
    path[path_size] = '\0';
    return r;
}

static int row_compare(const void *a, const void *b, void *strings)
{
    const DigestsRow *left = a;
    const DigestsRow *right = b;
    return strcmp((const char *)strings + left->path_offset, (const char *)strings + right->path_offset);
}

static int index_emit(RowList *list, Buf *buf)
{
    if (list->count > 0) {
        qsort_r(list->rows, list->count, sizeof(*list->rows), row_compare, list->strings.bytes);
    }
    buf_append_u32le(buf, DIGESTS_MAGIC);
    buf_append_u32le(buf, DIGESTS_VERSION);
    buf_append_u32le(buf, (uint32_t)list->count);
    buf_append_u32le(buf, (uint32_t)list->strings.size);
    for (size_t i = 0; i < list->count; i++) {
        buf_append_u32le(buf, list->rows[i].path_offset);
        buf_append_u32le(buf, 0);
        buf_append_u64le(buf, list->rows[i].size);
        buf_append(buf, list->rows[i].digest.bytes, DIGEST_SIZE);
    }
    buf_append(buf, list->strings.bytes, list->strings.size);
    Digest checksum;
    int r = buf_error(buf);
    if (r == 0) {
        r = sha256(buf->bytes, buf->size, &checksum);
    }
    if (r == 0) {
        buf_append(buf, checksum.bytes, DIGEST_SIZE);
        r = buf_error(buf);
    }
    return r;
}

int digests_write(int dir_fd, int root_fd, const Unpack *unpack, Error *err)
{
    RowList list = {.strings = BUF_INIT(DIGESTS_MAX_SIZE / 2)};
    Buf buf = BUF_INIT(DIGESTS_MAX_SIZE);
    char path[LIMIT_PATH_SIZE] = "";
    int r = tree_walk(openat(root_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), path, 0, 0, unpack, &list);
    if (r == 0) {
        r = index_emit(&list, &buf);
    }
    if (r < 0) {
        r = error_set(err, -r, "store: cannot make the digest index: %s", strerror(-r));
    } else {
        r = file_write_atomic(dir_fd, DIGESTS_NAME, buf.bytes, buf.size, 0600, err);
    }
    free(list.rows);
    buf_deinit(&list.strings);
    buf_deinit(&buf);
    return r;
}

static const DigestsHeader *index_header(const DigestIndex *index)
{
    return (const DigestsHeader *)(const void *)index->map.bytes;
}

static const DigestsRow *index_rows(const DigestIndex *index)
{
    return (const DigestsRow *)(const void *)(index->map.bytes + sizeof(DigestsHeader));
}

static const char *index_strings(const DigestIndex *index)
{
    return (const char *)(index_rows(index) + le32toh(index_header(index)->count));
}

static int index_check(const DigestIndex *index)
{
    if (index->map.size < sizeof(DigestsHeader) + DIGEST_SIZE) {
        return -EBADMSG;
    }
    const DigestsHeader *header = index_header(index);
    const uint64_t count = le32toh(header->count);
    const uint64_t strings_size = le32toh(header->strings_size);
    if (le32toh(header->magic) != DIGESTS_MAGIC || le32toh(header->version) != DIGESTS_VERSION ||
        sizeof(*header) + count * sizeof(DigestsRow) + strings_size + DIGEST_SIZE != index->map.size) {
        return -EBADMSG;
    }
    Digest checksum;
    const int r = sha256(index->map.bytes, index->map.size - DIGEST_SIZE, &checksum);
    if (r < 0 || memcmp(checksum.bytes, index->map.bytes + index->map.size - DIGEST_SIZE, DIGEST_SIZE) != 0) {
        return -EBADMSG;
    }
    const char *strings = index_strings(index);
    if (count > 0 && (strings_size == 0 || strings[strings_size - 1] != '\0')) {
        return -EBADMSG;
    }
    for (uint64_t i = 0; i < count; i++) {
        const uint32_t offset = le32toh(index_rows(index)[i].path_offset);
        if (offset >= strings_size ||
            (i > 0 && strcmp(strings + le32toh(index_rows(index)[i - 1].path_offset), strings + offset) >= 0)) {
            return -EBADMSG;
        }
    }
    return 0;
}

int digests_open(int dir_fd, DigestIndex *ret_index, Error *err)
{
    DigestIndex index = {0};
    int r = file_map(dir_fd, DIGESTS_NAME, DIGESTS_MAX_SIZE, &index.map, err);
    if (r < 0) {
        return r;
    }
    r = index_check(&index);
    if (r < 0) {
        digests_close(&index);
        return error_set(err, -r, "store: the digest index is damaged");
    }
    *ret_index = index;
    return 0;
}

void digests_close(DigestIndex *index)
{
    file_unmap(&index->map);
}

int digests_find(const DigestIndex *index, const char *path, Digest *ret_digest, uint64_t *ret_size)
{
    if (index->map.bytes == NULL) {
        return -ENOENT;
    }
    path += strspn(path, "/");
    const char *strings = index_strings(index);
    const DigestsRow *rows = index_rows(index);
    size_t low = 0;
    size_t high = le32toh(index_header(index)->count);
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        const int order = strcmp(path, strings + le32toh(rows[middle].path_offset));
        if (order == 0) {
            *ret_digest = rows[middle].digest;
            *ret_size = le64toh(rows[middle].size);
            return 0;
        }
        if (order < 0) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    return -ENOENT;
}
