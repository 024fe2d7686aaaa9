/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tree.c - the walk behind tree.h: recursion over sorted names; hard links by a table of (device, inode) -> first path.
 */
#include "image/tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/interrupt.h"
#include "base/limits.h"

typedef struct TreeLink {
    dev_t device;
    ino_t inode;
    char *path; /* owned; NULL: free slot */
} TreeLink;

typedef struct TreeWalk {
    TreeVisitor visitor;
    void *context;
    TreeLink *links; /* owned: open addressing, power of two */
    size_t link_capacity;
    size_t link_count;
    uint32_t node_count;
} TreeWalk;

static TreeLink *link_slot(const TreeWalk *walk, dev_t device, ino_t inode)
{
    size_t slot = (size_t)((inode ^ (device << 7)) * 0x9e3779b97f4a7c15ull) & (walk->link_capacity - 1);
    while (walk->links[slot].path != NULL && (walk->links[slot].inode != inode || walk->links[slot].device != device)) {
        slot = (slot + 1) & (walk->link_capacity - 1);
    }
    return &walk->links[slot];
}

static int links_grow(TreeWalk *walk)
{
    const size_t old_capacity = walk->link_capacity;
    TreeLink *old = walk->links;
    TreeLink *grown = calloc(old_capacity == 0 ? 256 : old_capacity * 2, sizeof(*grown));
    if (grown == NULL) {
        return -ENOMEM;
    }
    walk->links = grown;
    walk->link_capacity = old_capacity == 0 ? 256 : old_capacity * 2;
    for (size_t i = 0; i < old_capacity; i++) {
        if (old[i].path != NULL) {
            *link_slot(walk, old[i].device, old[i].inode) = old[i];
        }
    }
    free(old);
    return 0;
}

/* The path under which this inode was seen first, or NULL when it is the first time. */
static int link_find(TreeWalk *walk, const struct stat *status, const char *path, const char **ret_target)
{
    *ret_target = NULL;
    if (S_ISDIR(status->st_mode) || status->st_nlink < 2) {
        return 0;
    }
    if (walk->link_count * 2 >= walk->link_capacity) {
        const int r = links_grow(walk);
        if (r < 0) {
            return r;
        }
    }
    TreeLink *slot = link_slot(walk, status->st_dev, status->st_ino);
    if (slot->path != NULL) {
        *ret_target = slot->path;
        return 0;
    }
    *slot = (TreeLink){.device = status->st_dev, .inode = status->st_ino, .path = strdup(path)};
    walk->link_count++;
    return slot->path != NULL ? 0 : -ENOMEM;
}

static int names_compare(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static int names_read(int dir_fd, char ***ret_names, size_t *ret_count)
{
    const int own_fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = own_fd < 0 ? NULL : fdopendir(own_fd);
    if (dir == NULL) {
        const int r = own_fd < 0 ? -errno : -ENOMEM;
        (void)fd_close(own_fd);
        return r;
    }
    char **names = NULL;
    size_t count = 0;
    size_t capacity = 0;
    int r = 0;
    const struct dirent *item;
    while (r == 0 && (item = readdir(dir)) != NULL) {
        if (strcmp(item->d_name, ".") == 0 || strcmp(item->d_name, "..") == 0) {
            continue;
        }
        if (count == capacity) {
            capacity = capacity == 0 ? 64 : capacity * 2;
            char **grown = reallocarray(names, capacity, sizeof(*names));
            if (grown == NULL) {
                r = -ENOMEM;
                break;
            }
            names = grown;
        }
        names[count] = strdup(item->d_name);
        r = names[count++] != NULL ? 0 : -ENOMEM;
    }
    (void)closedir(dir);
    if (count > 0) {
        qsort(names, count, sizeof(*names), names_compare);
    }
    *ret_names = names;
    *ret_count = count;
    return r;
}

static int node_visit(TreeWalk *walk, int parent_fd, const char *name, char *path, size_t path_size, int depth, Error *err);

static int children_visit(TreeWalk *walk, int dir_fd, char *path, size_t path_size, int depth, Error *err)
{
    char **names = NULL;
    size_t count = 0;
    int r = names_read(dir_fd, &names, &count);
    if (r < 0) {
        r = error_set(err, -r, "/%s: cannot list the directory", path);
    }
    for (size_t i = 0; i < count; i++) {
        if (r == 0) {
            const int added = snprintf(path + path_size, LIMIT_PATH_SIZE - path_size, "%s%s", path_size > 0 ? "/" : "", names[i]);
            r = path_size + (size_t)added < LIMIT_PATH_SIZE
                    ? node_visit(walk, dir_fd, names[i], path, path_size + (size_t)added, depth, err)
                    : error_set(err, ENAMETOOLONG, "/%s: path too long", path);
            path[path_size] = '\0';
        }
        free(names[i]);
    }
    free(names);
    return r;
}

static int node_visit(TreeWalk *walk, int parent_fd, const char *name, char *path, size_t path_size, int depth, Error *err)
{
    struct stat status;
    if (interrupt_check() < 0) {
        return error_set(err, EINTR, "/%s: stopped", path);
    }
    if (depth > LIMIT_TREE_DEPTH) {
        return error_set(err, ELOOP, "/%s: nested too deep", path);
    }
    if (++walk->node_count > LIMIT_IMAGE_FILES) {
        return error_set(err, E2BIG, "more than %u files", LIMIT_IMAGE_FILES);
    }
    if (fstatat(parent_fd, name, &status, AT_SYMLINK_NOFOLLOW) < 0) {
        return error_set(err, errno, "/%s: cannot stat", path);
    }
    TreeNode node = {.path = path, .name = name, .parent_fd = parent_fd, .status = &status};
    int r = link_find(walk, &status, path, &node.link_target);
    if (r < 0) {
        return error_set(err, -r, "out of memory");
    }
    r = walk->visitor(walk->context, &node, err);
    if (r < 0 || !S_ISDIR(status.st_mode)) {
        return r;
    }
    _cleanup_(fd_closep) int dir_fd = openat(parent_fd, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (dir_fd < 0) {
        return error_set(err, errno, "/%s: cannot open the directory", path);
    }
    return children_visit(walk, dir_fd, path, path_size, depth + 1, err);
}

int tree_visit(const char *root_path, TreeVisitor visitor, void *context, Error *err)
{
    _cleanup_(fd_closep) int root_fd = open(root_path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (root_fd < 0) {
        return error_set(err, errno, "%s: cannot open the directory", root_path);
    }
    TreeWalk walk = {.visitor = visitor, .context = context};
    char path[LIMIT_PATH_SIZE] = "";
    const int r = node_visit(&walk, root_fd, ".", path, 0, 0, err);
    for (size_t i = 0; i < walk.link_capacity; i++) {
        free(walk.links[i].path);
    }
    free(walk.links);
    return r;
}
