/* SPDX-License-Identifier: Apache-2.0 */
/*
 * image-int.h - shared inside src/image: where an OCI image's blobs come from, what is unpacked, the digest index.
 */
#pragma once

#include <archive.h>
#include <archive_entry.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/arena.h"
#include "base/cleanup.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/limits.h"
#include "image/image.h"

/* --- source.c: named blobs of a layout directory or of an archive --- */

typedef struct OciSource {
    int dir_fd;     /* layout directory, or -1 */
    int archive_fd; /* archive file, or -1 */
    uint64_t *passed_size; /* of a compressed archive: bytes unpacked so far while members were looked for; borrowed, or NULL for a directory */
} OciSource;

typedef struct OciStream {
    int fd;                  /* owned, or -1 */
    int member_fd;           /* borrowed: an uncompressed archive whose member begins at offset; or -1 */
    uint64_t offset;
    uint64_t taken_size;     /* of the member, read already */
    struct archive *archive; /* owned, or NULL: a compressed archive, positioned at the member's data */
    uint64_t size;           /* bytes of the member */
} OciStream;
#define OCI_STREAM_INIT ((OciStream){.fd = -1, .member_fd = -1})

/* Return: 0; -ENOENT; -EBADMSG; -E2BIG. bytes is NUL-terminated, free(). */
int source_read(const OciSource *source, const char *name, size_t max_size, char **ret_bytes, size_t *ret_size, Error *err) WARN_UNUSED;
int source_open(const OciSource *source, const char *name, OciStream *ret_stream, Error *err) WARN_UNUSED;
/* Return: bytes read, 0 at the end, -errno. */
ssize_t stream_read(OciStream *stream, void *bytes, size_t size);
void stream_close(OciStream *stream);
/* unpack_limit() - how many bytes may come out of that many stored bytes: limits.h. */
uint64_t unpack_limit(uint64_t stored_size);
void archive_freep(struct archive **archive);
/* libarchive's error as ours: -ENOSPC and friends kept, else -EBADMSG. */
int archive_failed(struct archive *archive, const char *what, Error *err);

/* --- oci.c: index -> manifest -> config --- */

typedef struct OciLayer {
    char *name;        /* member of the source, owned by the plan's arena */
    Digest digest;     /* of the blob as stored; has_digest false in docker archives */
    bool has_digest;
    Digest diff_id;    /* of the uncompressed tar */
} OciLayer;

typedef struct OciPlan {
    size_t layer_count;
    OciLayer layers[LIMIT_LAYERS];
    ImageConfigFields config;
} OciPlan;

int oci_plan_read(const OciSource *source, Arena *arena, OciPlan *ret_plan, Error *err) WARN_UNUSED;

/* --- unpack.c: one layer onto a tree --- */

typedef struct Unpack Unpack; /* one tree being made: remembers which inode got which digest */

int unpack_new(int root_fd, Unpack **ret_unpack) WARN_UNUSED;
Unpack *unpack_free(Unpack *unpack);
void unpack_freep(Unpack **unpack);
int unpack_layer(Unpack *unpack, OciStream *stream, const OciLayer *layer, ImageProgress progress, void *context, Error *err) WARN_UNUSED;
/* The digest recorded for a regular file of that inode number. Return: 0 or -ENOENT. */
int unpack_digest(const Unpack *unpack, uint64_t inode, Digest *ret_digest, uint64_t *ret_size);

/* --- digests.c: path -> digest index of an unpacked tree --- */

typedef struct DigestIndex {
    FileMap map;
} DigestIndex;

/* Walks the tree and writes `digests` into dir_fd. */
int digests_write(int dir_fd, int root_fd, const Unpack *unpack, Error *err) WARN_UNUSED;
/* Opens and checks it: every offset, the order, the checksum. */
int digests_open(int dir_fd, DigestIndex *ret_index, Error *err) WARN_UNUSED;
void digests_close(DigestIndex *index);
int digests_find(const DigestIndex *index, const char *path, Digest *ret_digest, uint64_t *ret_size);

/* --- store.c --- */

/* store_tree() - STORE/images/<key>, unpacked now when missing. ret_path is malloc'd. */
int store_tree(const char *store_dir, const OciSource *source, const OciPlan *plan, ImageProgress progress, void *context,
               char **ret_path, DigestIndex *ret_index, Error *err) WARN_UNUSED;
