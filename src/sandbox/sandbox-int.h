/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sandbox-int.h - shared inside src/sandbox only: kernel interfaces that Debian 12's headers lack, control groups.
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
#define LANDLOCK_ACCESS_REFER (1ull << 13) /* ABI 2: link and rename from one directory to another */
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

/* --- what a guest must not find beneath its root (cover.c) --- */
/* cover_place() - an empty read-only directory over the one behind place_fd. */
int cover_place(int place_fd);
bool cover_is_procfs(int fd);
/* cover_procfs() - every procfs mounted beneath root_fd (a mount's root) is covered. Before the host's /proc is out of reach. */
int cover_procfs(int root_fd, Error *err) WARN_UNUSED;

/* --- control groups --- */
typedef enum CgroupController { CGROUP_MEMORY, CGROUP_PIDS, CGROUP_CPU, _CGROUP_N } CgroupController;

/* A mounted hierarchy as this process sees it: the directory of its own group. */
typedef struct CgroupPlace {
    bool is_found;
    char mount[512]; /* where it is mounted */
    char own[1024];  /* directory of this process's group, below mount */
} CgroupPlace;

typedef struct CgroupPlaces {
    CgroupPlace unified;             /* v2 */
    CgroupPlace legacy[_CGROUP_N];   /* v1, one for each controller */
} CgroupPlaces;

/* cgroup_places_read() - from the text of /proc/self/mountinfo and /proc/self/cgroup (arguments, so that tests can give others). */
void cgroup_places_read(const char *mountinfo, const char *own, CgroupPlaces *ret_places);
int cgroup_places_find(CgroupPlaces *ret_places);
/* cgroup_new_at() - sandbox_cgroup_new() on given places. */
int cgroup_new_at(const CgroupPlaces *places, bool is_root, const char *name, const SandboxLimits *limits, SandboxCgroup **ret_cgroup,
                  const char **ret_note, Error *err) WARN_UNUSED;
/* cgroup_describe() - "v1: memory pids cpu". */
void cgroup_describe(const SandboxCgroup *cgroup, char *text, size_t text_size);
/* cgroup_word() - is word one of the blank-separated words of text? */
bool cgroup_word(const char *text, const char *word);
/* cgroup_read() - at most size-1 bytes and a NUL. Return: 0 or -errno. */
int cgroup_read(int directory_fd, const char *file, char *text, size_t size);
