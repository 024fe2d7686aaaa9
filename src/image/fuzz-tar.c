/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz-tar.c - arbitrary bytes as an archive: tar_find() ends, answers only members that lie inside the file.
 */
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/must.h"
#include "image/tar.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    int fd = memfd_create("fuzz", MFD_CLOEXEC);
    must(fd >= 0 && fd_write_full(fd, bytes, size) == 0);
    static const char *const names[] = {"index.json", "manifest.json", "blobs/sha256/00", "a"};
    (void)tar_is_plain(fd);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        TarMember member;
        Error err = ERROR_INIT;
        if (tar_find(fd, names[i], &member, &err) == 0) {
            must(member.size <= size && member.offset <= size - member.size);
        }
    }
    (void)fd_close(fd);
    return 0;
}
