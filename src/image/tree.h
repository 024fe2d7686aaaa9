/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tree.h - visits every node of a directory tree in sorted order, once, with hard links recognised. What builders
 * (image_write, `recompiler build`) share. Never follows a symlink, never crosses to what is not below the root.
 */
#pragma once

#include <sys/stat.h>

#include "base/error.h"

typedef struct TreeNode {
    const char *path;        /* relative to the root, no leading '/', "" for the root itself */
    const char *name;        /* last component */
    int parent_fd;           /* O_PATH directory of the node; name relative to it ("." for the root) */
    const struct stat *status;
    const char *link_target; /* path of the first node with this inode, or NULL */
} TreeNode;

/* Return: 0 to go on; < 0 stops the walk with that error. */
typedef int (*TreeVisitor)(void *context, const TreeNode *node, Error *err);

/* tree_visit() - parents before children; siblings in byte order. Return: 0, the visitor's error, -ELOOP too deep, -E2BIG too many nodes. */
int tree_visit(const char *root_path, TreeVisitor visitor, void *context, Error *err) WARN_UNUSED;
