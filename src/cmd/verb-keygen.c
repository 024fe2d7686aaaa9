/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verb-keygen.c - recompiler keygen, sign: the two verbs that touch secret keys.
 */
#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/interrupt.h"
#include "cmd/cmd.h"

int verb_keygen(int argc, char **argv)
{
    static const struct option options[] = {{"help", no_argument, NULL, 'h'}, {"json", no_argument, NULL, 'j'}, {NULL, 0, NULL, 0}};
    int option;
    while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
        if (option == 'h') {
            return cmd_help("keygen");
        }
        if (option != 'j') {
            return cmd_option_wrong("keygen", argv, options);
        }
        opt_global.is_json = true;
    }
    if (optind + 1 != argc) {
        return cmd_usage("keygen", "one NAME is expected");
    }
    char id[DIGEST_HEX_SIZE + 1];
    Error err = ERROR_INIT;
    const int r = key_generate(argv[optind], id, &err);
    if (r < 0) {
        return cmd_fail("keygen", r, &err, EXIT_OWN_FAILURE);
    }
    if (opt_global.is_json) {
        char secret[LIMIT_PATH_SIZE];
        char public[LIMIT_PATH_SIZE];
        (void)snprintf(secret, sizeof(secret), "%s.key", argv[optind]);
        (void)snprintf(public, sizeof(public), "%s.pub", argv[optind]);
        cmd_print_json(json_pack("{s:s, s:o, s:o}", "keyid", id, "secret", cmd_json_text(secret), "public", cmd_json_text(public)));
    } else {
        printf("%s.key  secret key, mode 0600: keep it\n%s.pub  public key: put it into the trust directory of the nodes\nkeyid %s\n",
               cmd_text(argv[optind]), cmd_text(argv[optind]), id);
    }
    return 0;
}

/* A directory image: only manifest.sig changes. */
static int sign_directory(const Image *image, const Buf *envelope, Error *err)
{
    _cleanup_(fd_closep) int root_fd = open(image_root_path(image), O_PATH | O_DIRECTORY | O_CLOEXEC);
    _cleanup_(fd_closep) int dir_fd = root_fd < 0 ? -1 : fd_openat2(root_fd, ".recompiler", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0, 0x08 | 0x04);
    if (dir_fd < 0) {
        return error_set(err, ENOENT, "%s/.recompiler", image_root_path(image));
    }
    return file_write_atomic(dir_fd, "manifest.sig", envelope->bytes, envelope->size, 0644, err);
}

/* An archive or layout: written anew with the new signature on top, then it takes the old one's place. */
static int sign_archive(const Image *image, const Manifest *manifest, const Buf *envelope, Error *err)
{
    WorkDir work = WORK_DIR_INIT;
    char path[LIMIT_PATH_SIZE + 32];
    int r = cmd_work_dir("sign", &work, err);
    if (r < 0) {
        return r;
    }
    (void)snprintf(path, sizeof(path), "%s/.recompiler", work.path);
    r = chmod(work.path, 0755) < 0 || mkdir(path, 0755) < 0 ? error_set(err, errno, "%s: %s", path, strerror(errno)) : 0;
    (void)snprintf(path, sizeof(path), "%s/.recompiler/manifest.sig", work.path);
    r = r < 0 ? r : file_write_atomic(AT_FDCWD, path, envelope->bytes, envelope->size, 0644, err);
    struct stat status;
    _cleanup_(freep) char *name = realpath(image_name(image), NULL); /* a link stays a link */
    r = r == 0 && (name == NULL || stat(name, &status) < 0) ? error_set(err, errno, "%s: %s", image_name(image), strerror(errno)) : r;
    if (r == 0) {
        const char *reference = image_config(image)->reference_name;
        const ImageWriteConfig config = {.format = S_ISDIR(status.st_mode) ? IMAGE_FORMAT_OCI_DIRECTORY : IMAGE_FORMAT_ARCHIVE,
                                         .config = image_config(image),
                                         .reference_name = reference[0] != '\0' ? reference : manifest_name(manifest),
                                         .created = manifest_created_time(manifest),
                                         .is_replacing = true};
        r = image_write(image_root_path(image), work.path, name, &config, err);
    }
    work_dir_remove(&work);
    return r;
}

/* Two that sign one image at once must not lose a signature: the lock is on what the name leads to after it was waited for. */
static int image_lock(const char *name, int *ret_fd, Error *err)
{
    for (;;) {
        struct stat by_fd;
        struct stat by_name;
        _cleanup_(fd_closep) int fd = open(name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
        if (fd < 0) {
            return error_set(err, errno, "%s: cannot open the image: %s", name, strerror(errno));
        }
        while (flock(fd, LOCK_EX) < 0) {
            if (errno != EINTR || interrupt_check() < 0) {
                return error_set(err, errno, "%s: cannot lock the image", name);
            }
        }
        if (fstat(fd, &by_fd) < 0 || stat(name, &by_name) < 0) {
            return error_set(err, errno, "%s: %s", name, strerror(errno));
        }
        if (by_fd.st_ino == by_name.st_ino && by_fd.st_dev == by_name.st_dev) {
            *ret_fd = steal_fd(&fd);
            return 0;
        }
    }
}

static int sign_image(const char *name, const uint8_t secret_key[64], Error *err)
{
    _cleanup_(fd_closep) int lock_fd = -1;
    _cleanup_(image_closep) Image *image = NULL;
    int r = image_lock(name, &lock_fd, err);
    r = r < 0 ? r : image_open(name, opt_global.state_dir, cmd_image_progress, NULL, &image, err);
    cmd_progress_end();
    ImageArtefacts artefacts = {.megabinary_fd = -1};
    r = r < 0 ? r : image_artefacts(image, &artefacts, err);
    if (r < 0) {
        return r;
    }
    Manifest *manifest = NULL; /* never sign what nobody could load */
    r = manifest_parse(artefacts.manifest, artefacts.manifest_size, &manifest, err);
    Buf envelope = BUF_INIT(LIMIT_SIGNATURE_SIZE);
    if (r == 0) {
        r = envelope_sign(artefacts.signature, artefacts.signature_size, MANIFEST_MEDIA_TYPE, artefacts.manifest, artefacts.manifest_size,
                          secret_key, &envelope, err);
    }
    if (r == 0) {
        r = image_is_directory(image) ? sign_directory(image, &envelope, err) : sign_archive(image, manifest, &envelope, err);
    }
    buf_deinit(&envelope);
    (void)manifest_free(manifest);
    image_artefacts_deinit(&artefacts);
    return r;
}

int verb_sign(int argc, char **argv)
{
    static const struct option options[] = {
        {"help", no_argument, NULL, 'h'}, {"json", no_argument, NULL, 'j'}, {"key", required_argument, NULL, 'k'}, {NULL, 0, NULL, 0}};
    const char *key = NULL;
    int option;
    while ((option = getopt_long(argc, argv, "hk:", options, NULL)) != -1) {
        switch (option) {
        case 'h': return cmd_help("sign");
        case 'j': opt_global.is_json = true; break;
        case 'k': key = optarg; break;
        default: return cmd_option_wrong("sign", argv, options);
        }
    }
    if (optind + 1 != argc || key == NULL) {
        return cmd_usage("sign", "IMAGE and --key KEY are expected");
    }
    uint8_t secret_key[64];
    Error err = ERROR_INIT;
    int r = key_load_secret(key, secret_key, &err);
    r = r < 0 ? r : sign_image(argv[optind], secret_key, &err);
    sodium_memzero(secret_key, sizeof(secret_key));
    if (r < 0) {
        return cmd_fail("sign", r, &err, EXIT_OWN_FAILURE);
    }
    if (opt_global.is_json) {
        cmd_print_json(json_pack("{s:o, s:b}", "image", cmd_json_text(argv[optind]), "signed", 1));
    } else {
        printf("%s: signed with %s\n", cmd_text(argv[optind]), cmd_text(key));
    }
    return 0;
}
