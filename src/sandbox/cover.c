/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cover.c - what a guest must not find beneath its root, whatever its volumes bring along: a procfs. The guest's process is the runtime's, so
 * /proc/self/mem of any procfs is the runtime's memory (design.md section 7).
 *
 * A volume that is a procfs is refused. Mounts that come along below a volume (-v /:/host) are found in mountinfo by the text of their mount points,
 * which starts with the root's, and get an empty read-only directory on top. The text is resolved beneath the root and without links: what is not there
 * by that name cannot be reached by it.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/limits.h"
#include "sandbox/sandbox-int.h"

#define MOUNTINFO_SIZE (16u << 20) /* bytes: 100000 mounts of the kernel's default limit [guess] */

int cover_place(int place_fd)
{
    _cleanup_(fd_closep) int empty_fd = -1;
    const int r = mount_tmpfs("0555", 4096, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC | MOUNT_ATTR_RDONLY, &empty_fd);
    return r < 0 ? r : mount_attach(empty_fd, place_fd);
}

bool cover_is_procfs(int fd)
{
    struct statfs status;
    return fstatfs(fd, &status) == 0 && status.f_type == PROC_SUPER_MAGIC;
}

/* One line of mountinfo, proc(5): "36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw". */
typedef struct MountLine {
    unsigned long long id;
    const char *point; size_t point_size; /* as in the file: blanks are "\040" */
    bool is_procfs;
} MountLine;

/* Return: the next line, NULL at the end; *ret_line.point is NULL when it makes no sense. */
static const char *line_read(const char *text, MountLine *ret_line)
{
    const char *end = strchr(text, '\n');
    *ret_line = (MountLine){.id = strtoull(text, NULL, 10)};
    if (end == NULL) {
        return NULL;
    }
    const char *word = text;
    for (int i = 0; i < 4 && word < end; i++) {
        word += strcspn(word, " \n");
        word += *word == ' ';
    }
    const char *type = strstr(text, " - ");
    if (word < end && type != NULL && type < end) {
        ret_line->point = word;
        ret_line->point_size = strcspn(word, " \n");
        ret_line->is_procfs = strncmp(type, " - proc ", 8) == 0;
    }
    return end + 1;
}

/* The mount point below the root's, "\ooo" undone. Return: false when it is not below, or too long. */
static bool path_below(const MountLine *root, const MountLine *line, char path[LIMIT_PATH_SIZE])
{
    const bool is_whole = root->point_size == 1; /* "/" */
    const size_t skip = is_whole ? 0 : root->point_size;
    if (line->point_size <= skip || memcmp(line->point, root->point, skip) != 0 || line->point[skip] != '/' || line->point_size - skip >= LIMIT_PATH_SIZE) {
        return false;
    }
    size_t size = 0;
    for (size_t i = skip; i < line->point_size; i++) {
        const char *at = line->point + i;
        if (*at == '\\' && line->point_size - i >= 4) {
            path[size++] = (char)((at[1] - '0') << 6 | (at[2] - '0') << 3 | (at[3] - '0'));
            i += 3;
        } else {
            path[size++] = *at;
        }
    }
    path[size] = '\0';
    return true;
}

static int cover_below(int root_fd, const char *path, Error *err)
{
    const uint64_t resolve = RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
    _cleanup_(fd_closep) int place_fd = fd_openat2(root_fd, path, O_PATH | O_CLOEXEC, 0, resolve);
    int r = place_fd;
    if (place_fd >= 0) {
        r = cover_is_procfs(place_fd) ? cover_place(place_fd) : 0;
    } else {
        place_fd = -1;
        r = r == -ENOENT || r == -ENOTDIR || r == -ELOOP || r == -EACCES ? 0 : r; /* covered by something else already */
    }
    return r < 0 ? error_set(err, -r, "cannot cover the procfs at %s: %s", path, strerror(-r)) : 0;
}

int cover_procfs(int root_fd, Error *err)
{
    struct statx status;
    if (statx(root_fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &status) < 0 || (status.stx_mask & STATX_MNT_ID) == 0) {
        return error_set(err, ENOTSUP, "the kernel does not tell mount ids: volumes cannot be looked through");
    }
    _cleanup_(freep) char *text = NULL;
    size_t size = 0;
    int r = file_read(AT_FDCWD, "/proc/self/mountinfo", MOUNTINFO_SIZE, &text, &size, err);
    if (r < 0) {
        return r;
    }
    MountLine root = {0}, line;
    for (const char *at = text; at != NULL && root.point == NULL;) {
        at = line_read(at, &line);
        root = at != NULL && line.id == status.stx_mnt_id ? line : root;
    }
    if (root.point == NULL) {
        return error_set(err, EINVAL, "the root's mount is not in /proc/self/mountinfo");
    }
    char path[LIMIT_PATH_SIZE];
    for (const char *at = text; r == 0 && at != NULL;) {
        at = line_read(at, &line);
        if (at != NULL && line.point != NULL && line.is_procfs && path_below(&root, &line, path)) {
            r = cover_below(root_fd, path, err);
        }
    }
    return r;
}
