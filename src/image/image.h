/* SPDX-License-Identifier: Apache-2.0 */
/*
 * image.h - an image as the user names it (plain directory, OCI layout directory, OCI or docker archive) and the
 * store where its layers lie unpacked.
 *
 * Archives and layouts are unpacked once, by content: STORE/images/<key>/fs, where key is the SHA-256 of the diff ids of
 * the layers, next to STORE/images/<key>/digests (path -> SHA-256, size of every regular file, computed while unpacking;
 * doc/formats/store.md). Every blob is checked against its descriptor's digest and every layer against its diff id
 * before the tree gets its name. A second open of the same image reads index.json, manifest and config only. Plain
 * directories are used where they are and have no stored digests.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/hash.h"

typedef struct Image Image;

typedef struct ImageConfigFields { /* of the OCI config: defaults for run */
    const char *const *env; size_t env_count;
    const char *const *cmd; size_t cmd_count;        /* Cmd */
    const char *const *entrypoint; size_t entrypoint_count;
    const char *working_dir; /* "" when absent */
    const char *user;
    const char *reference_name; /* org.opencontainers.image.ref.name of the index, or the first RepoTag; "" when absent */
} ImageConfigFields;

typedef void (*ImageProgress)(void *context, const char *what, uint64_t done, uint64_t total);

/*
 * image_open() - find out what `name` is; unpack what the store lacks (progress is called).
 * @store_dir: created 0700 when missing. Concurrent opens of one image unpack once (lock file).
 * Return: 0; -ENOENT; -EBADMSG malformed or digest mismatch (err names blob and hash); -ENOSPC; -E2BIG over limits.h; -EINVAL not an image.
 * Whiteouts, hard links, symlinks, modes, owners, mtimes, xattrs as the OCI image spec says; device nodes are skipped with a note; ".." and absolute
 * link targets never leave the layer.
 */
int image_open(const char *name, const char *store_dir, ImageProgress progress, void *context, Image **ret_image, Error *err) WARN_UNUSED;
Image *image_close(Image *image);
void image_closep(Image **image);

const char *image_name(const Image *image);
bool image_is_directory(const Image *image);      /* plain root directory: used in place */
const char *image_root_path(const Image *image);  /* absolute host path of the read-only tree with all layers applied, or of the plain directory */
const ImageConfigFields *image_config(const Image *image);
/* image_stored_digest() - GateStoredDigest over the unpacked tree; context is the Image. A plain directory has none. */
int image_stored_digest(void *context, const char *path, Digest *ret_digest, uint64_t *ret_size);

/* The three files of /.recompiler, read from the image's root through openat2 beneath it; regular files only. */
typedef struct ImageArtefacts {
    char *manifest; size_t manifest_size;     /* owned, free() */
    char *signature; size_t signature_size;   /* owned; NULL when missing */
    int megabinary_fd;                        /* read-only, -1 when missing */
    uint64_t megabinary_size;
} ImageArtefacts;
/* Return: 0; -ENODATA no /.recompiler (hint: recompiler build); -EBADMSG; -E2BIG. */
int image_artefacts(const Image *image, ImageArtefacts *ret_artefacts, Error *err) WARN_UNUSED;
void image_artefacts_deinit(ImageArtefacts *artefacts);

typedef enum ImageFormat { IMAGE_FORMAT_AUTO, IMAGE_FORMAT_DIRECTORY, IMAGE_FORMAT_OCI_DIRECTORY, IMAGE_FORMAT_ARCHIVE } ImageFormat;

typedef struct ImageWriteConfig {
    ImageFormat format;            /* AUTO: an archive when out ends in .tar, .tar.gz, .tgz, .tar.zst; an OCI directory when
                                      out ends in "/oci" or ".oci" or has an oci-layout file; else a plain directory */
    const ImageConfigFields *config; /* kept in the image's config; NULL: defaults */
    const char *reference_name;    /* org.opencontainers.image.ref.name, or NULL */
    int64_t created;               /* seconds since 1970, for reproducible output */
    bool is_replacing;             /* out is there and becomes the new image, with the mode and owner it has, in one step */
    bool is_artefacts_replaced;    /* /.recompiler of root_path stays behind: top_path has all of it */
    ImageProgress progress;
    void *progress_context;
} ImageWriteConfig;

/*
 * image_write() - the tree at root_path (lower layer) and the tree at top_path (top layer, wins) to out.
 * An existing out is refused (-EEXIST) unless it is an empty directory or is_replacing. Written in a work directory beside it and
 * renamed: nothing partial is left. top_path may be NULL.
 */
int image_write(const char *root_path, const char *top_path, const char *out, const ImageWriteConfig *config, Error *err) WARN_UNUSED;
