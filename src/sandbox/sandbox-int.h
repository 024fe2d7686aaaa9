/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sandbox-int.h - shared inside src/sandbox only: kernel interfaces that Debian 12's headers lack, control group managers.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "sandbox/sandbox.h"

/* --- Landlock (landlock(7); ABI 6 adds scoped) --- */
#define LANDLOCK_ACCESS_EXECUTE (1ull << 0)
#define LANDLOCK_ACCESS_WRITE_FILE (1ull << 1)
#define LANDLOCK_ACCESS_READ_FILE (1ull << 2)
#define LANDLOCK_ACCESS_READ_DIR (1ull << 3)
#define LANDLOCK_SCOPED_ABSTRACT_SOCKET (1ull << 0)
#define LANDLOCK_SCOPED_SIGNAL (1ull << 1)

typedef struct LandlockAttributes {
    uint64_t handled_access_fs, handled_access_net, scoped;
} LandlockAttributes;

/* landlock_abi() - 0 when the kernel has no Landlock or it is off. */
int landlock_abi(void);
int landlock_create(const LandlockAttributes *attributes, int abi); /* fd or -errno */
/* landlock_seal() - EXECUTE nowhere; see SandboxSealConfig.root. Needs no_new_privs. */
int landlock_seal(const SandboxRoot *root, Error *err) WARN_UNUSED;

/* capabilities_drop() - bounding, ambient, inheritable, permitted and effective sets emptied, securebits locked. */
int capabilities_drop(Error *err) WARN_UNUSED;

/* seccomp_seal() - both filters of seccomp.tbl. */
int seccomp_seal(const SandboxSealConfig *config, Error *err) WARN_UNUSED;

/* --- mounts (mount.c): everything is made as a detached mount first and then moved to its place --- */
int mount_tmpfs(const char *mode, uint64_t size, uint64_t attributes, int *ret_fd);
int mount_overlay(const char *lower, int upper_fd, int work_fd, uint64_t attributes, bool is_user, int *ret_fd);
/* mount_clone() - a private copy of the mount tree at path with attributes added to every mount in it. */
int mount_clone(int dirfd, const char *path, uint64_t attributes, bool is_recursive, int *ret_fd);
int mount_attach(int mount_fd, int target_fd);
/* mount_dev() - a new /dev on directory_fd. */
int mount_dev(int directory_fd, Error *err) WARN_UNUSED;
int loopback_up(void);

/* --- control groups: one manager for each kernel interface --- */
#define CGROUP_CONTROLLERS 3
typedef enum CgroupController { CGROUP_MEMORY, CGROUP_PIDS, CGROUP_CPU } CgroupController;

struct SandboxCgroup {
    bool is_unified;                       /* v2: one directory, kept in fds[0] for every controller */
    int parent_fds[CGROUP_CONTROLLERS];    /* owned; -1 when the controller is not there */
    int fds[CGROUP_CONTROLLERS];           /* owned; the group's directory */
    char name[128];
};

/* cgroup_parents_v1/v2() - opens (making it if needed) the directory our groups are made in. Return: 0; -ENOENT none usable. */
int cgroup_parents_v1(SandboxCgroup *cgroup);
int cgroup_parents_v2(SandboxCgroup *cgroup, const SandboxLimits *limits);
int cgroup_write(int directory_fd, const char *file, const char *text);
int cgroup_write_number(int directory_fd, const char *file, uint64_t value);
/* cgroup_read() - at most size-1 bytes and a NUL. Return: bytes or -errno. */
ssize_t cgroup_read(int directory_fd, const char *file, char *text, size_t size);
/* cgroup_field() - the number after "name " at a line start; false when there is none. */
bool cgroup_field(const char *text, const char *name, uint64_t *ret_value);
