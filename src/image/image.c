/* SPDX-License-Identifier: Apache-2.0 */
/*
 * image.c - finds out what an image name is and gives its tree, config and artefacts.
 *
 *   name -> directory with oci-layout -> OCI source -> plan -> store tree
 *        -> directory                 -> the tree itself
 *        -> regular file              -> archive source -> plan -> store tree
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/must.h"
#include "image/image-int.h"

#define IMAGE_ARENA_SIZE (64u << 20)

struct Image {
    char *name;      /* owned */
    char *root_path; /* owned */
    bool is_directory;
    Arena arena;     /* config strings */
    OciPlan plan;
    DigestIndex digests;
};

Image *image_close(Image *image)
{
    if (image != NULL) {
        digests_close(&image->digests);
        arena_deinit(&image->arena);
        free(image->root_path);
        free(image->name);
        free(image);
    }
    return NULL;
}

void image_closep(Image **image)
{
    *image = image_close(*image);
}

static int archive_image(Image *image, const OciSource *source, const char *store_dir, ImageProgress progress, void *context, Error *err)
{
    int r = oci_plan_read(source, &image->arena, &image->plan, err);
    if (r < 0) {
        return r;
    }
    return store_tree(store_dir, source, &image->plan, progress, context, &image->root_path, &image->digests, err);
}

static int image_find(Image *image, int fd, const char *store_dir, ImageProgress progress, void *context, Error *err)
{
    struct stat status;
    if (fstat(fd, &status) < 0) {
        return error_set(err, errno, "cannot stat");
    }
    if (S_ISREG(status.st_mode)) {
        uint64_t passed_size = 0;
        const OciSource source = {.dir_fd = -1, .archive_fd = fd, .passed_size = &passed_size};
        return archive_image(image, &source, store_dir, progress, context, err);
    }
    if (!S_ISDIR(status.st_mode)) {
        return error_set(err, EINVAL, "not an image: neither a directory nor a regular file");
    }
    if (faccessat(fd, "oci-layout", F_OK, AT_SYMLINK_NOFOLLOW) == 0 && faccessat(fd, "index.json", F_OK, AT_SYMLINK_NOFOLLOW) == 0) {
        const OciSource source = {.dir_fd = fd, .archive_fd = -1};
        return archive_image(image, &source, store_dir, progress, context, err);
    }
    image->is_directory = true;
    image->root_path = realpath(image->name, NULL);
    return image->root_path != NULL ? 0 : error_set(err, errno, "cannot resolve the path");
}

int image_open(const char *name, const char *store_dir, ImageProgress progress, void *context, Image **ret_image, Error *err)
{
    must(name != NULL && ret_image != NULL);
    _cleanup_(fd_closep) int fd = open(name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) {
        return error_set(err, errno, "%s: cannot open the image: %s", name, strerror(errno));
    }
    _cleanup_(image_closep) Image *image = calloc(1, sizeof(*image));
    if (image == NULL || (image->name = strdup(name)) == NULL) {
        return error_set(err, ENOMEM, "%s: out of memory", name);
    }
    image->arena = ARENA_INIT(IMAGE_ARENA_SIZE);
    image->plan.config.working_dir = "";
    image->plan.config.user = "";
    image->plan.config.reference_name = "";
    const int r = image_find(image, fd, store_dir, progress, context, err);
    if (r < 0) {
        return error_wrap(err, r, "%s", name);
    }
    *ret_image = steal(&image);
    return 0;
}

const char *image_name(const Image *image)
{
    return image->name;
}

bool image_is_directory(const Image *image)
{
    return image->is_directory;
}

const char *image_root_path(const Image *image)
{
    return image->root_path;
}

const ImageConfigFields *image_config(const Image *image)
{
    return &image->plan.config;
}

int image_stored_digest(void *context, const char *path, Digest *ret_digest, uint64_t *ret_size)
{
    const Image *image = context;
    return digests_find(&image->digests, path, ret_digest, ret_size);
}

/* --- artefacts --- */

/* A regular file of /.recompiler, never through a symlink: the folder is part of the image, which is not trusted yet. */
static int artefact_open(int root_fd, const char *path, int *ret_fd, uint64_t *ret_size, Error *err)
{
    _cleanup_(fd_closep) int fd = fd_openat2(root_fd, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0,
                                             0x08 | 0x04 | 0x02 /* BENEATH | NO_SYMLINKS | NO_MAGICLINKS */);
    if (fd < 0) {
        return fd == -ENOENT ? -ENOENT : error_set(err, -fd, "/%s: %s", path, strerror(-fd));
    }
    struct stat status;
    if (fstat(fd, &status) < 0) {
        return error_set(err, errno, "/%s: %s", path, strerror(errno));
    }
    if (!S_ISREG(status.st_mode)) {
        return error_set(err, EBADMSG, "/%s is not a regular file", path);
    }
    *ret_size = (uint64_t)status.st_size;
    *ret_fd = steal_fd(&fd);
    return 0;
}

static int artefact_read(int root_fd, const char *path, size_t max_size, char **ret_bytes, size_t *ret_size, Error *err)
{
    _cleanup_(fd_closep) int fd = -1;
    uint64_t size = 0;
    int r = artefact_open(root_fd, path, &fd, &size, err);
    if (r < 0) {
        return r;
    }
    if (size > max_size) {
        return error_set(err, E2BIG, "/%s is larger than %zu bytes", path, max_size);
    }
    _cleanup_(freep) char *bytes = malloc((size_t)size + 1);
    if (bytes == NULL) {
        return error_set(err, ENOMEM, "/%s: out of memory", path);
    }
    size_t got = 0;
    r = fd_read_full(fd, bytes, (size_t)size, &got);
    if (r < 0) {
        return error_set(err, -r, "/%s: %s", path, strerror(-r));
    }
    bytes[got] = '\0';
    *ret_bytes = steal(&bytes);
    *ret_size = got;
    return 0;
}

int image_artefacts(const Image *image, ImageArtefacts *ret_artefacts, Error *err)
{
    _cleanup_(fd_closep) int root_fd = open(image->root_path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (root_fd < 0) {
        return error_set(err, errno, "%s: %s", image->root_path, strerror(errno));
    }
    ImageArtefacts artefacts = {.megabinary_fd = -1};
    int r = artefact_read(root_fd, ".recompiler/manifest.json", LIMIT_MANIFEST_SIZE, &artefacts.manifest, &artefacts.manifest_size, err);
    if (r == -ENOENT) {
        r = error_set(err, ENODATA, "%s has no /.recompiler/manifest.json", image->name);
        return error_hint(err, r, "make the image with: recompiler build --from SRC OUT");
    }
    if (r == 0) {
        r = artefact_read(root_fd, ".recompiler/manifest.sig", LIMIT_SIGNATURE_SIZE, &artefacts.signature, &artefacts.signature_size, err);
        r = r == -ENOENT ? 0 : r;
    }
    if (r == 0) {
        r = artefact_open(root_fd, ".recompiler/megabinary.wasm", &artefacts.megabinary_fd, &artefacts.megabinary_size, err);
        r = r == -ENOENT ? 0 : r;
    }
    if (r < 0) {
        image_artefacts_deinit(&artefacts);
        return r == -ENODATA ? r : error_wrap(err, r, "%s", image->name); /* ENODATA names it */
    }
    *ret_artefacts = artefacts;
    return 0;
}

void image_artefacts_deinit(ImageArtefacts *artefacts)
{
    free(artefacts->manifest);
    free(artefacts->signature);
    artefacts->manifest = NULL;
    artefacts->signature = NULL;
    artefacts->megabinary_fd = fd_close(artefacts->megabinary_fd);
}
