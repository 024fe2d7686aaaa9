/* SPDX-License-Identifier: Apache-2.0 */
/*
 * landlock.c - a ruleset that handles EXECUTE and allows it nowhere.
 *
 * A domain refuses every link and rename from one directory to another (EXDEV), handled or not, unless a rule gives REFER. In
 * namespaces it is given beneath the root: there is nothing that a file could be moved out of, as all places have the same rights.
 * ABI 1 has no REFER; there mv copies, as between file systems.
 *
 * Where the guest has no namespaces of its own, the ruleset also keeps its signals and abstract sockets inside, and limits the
 * file system to reading beneath the guest's root (and the harmless devices): the vkernel resolves every path beneath the root
 * already; this holds when it errs. On the host's network (also with namespaces: --network host) abstract sockets are kept inside.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "sandbox/sandbox-int.h"

#define LANDLOCK_CREATE_RULESET_VERSION_ 1u
#define LANDLOCK_RULE_PATH_BENEATH_ 1

/* landlock_path_beneath_attr is packed in the kernel's interface. */
typedef struct __attribute__((packed)) LandlockPath {
    uint64_t allowed_access;
    int32_t parent_fd;
} LandlockPath;
_Static_assert(sizeof(LandlockPath) == 12, "struct landlock_path_beneath_attr");

int landlock_abi(void)
{
    const long abi = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION_);
    return abi < 0 ? 0 : (int)abi;
}

int landlock_create(const LandlockAttributes *attributes, int abi)
{
    /* Older kernels refuse a structure with more than they know only if it is not zero; pass what they know. */
    const size_t size = abi >= 6 ? 24 : abi >= 4 ? 16 : 8;
    const long fd = syscall(SYS_landlock_create_ruleset, attributes, size, 0);
    return fd < 0 ? -errno : (int)fd;
}

/* Every file right that this ABI knows. */
static uint64_t all_rights(int abi)
{
    return (1ull << (abi >= 5 ? 16 : abi >= 3 ? 15 : abi >= 2 ? 14 : 13)) - 1;
}

static int allow_beneath(int ruleset_fd, int directory_fd, uint64_t rights)
{
    const LandlockPath rule = {.allowed_access = rights, .parent_fd = directory_fd};
    return syscall(SYS_landlock_add_rule, ruleset_fd, LANDLOCK_RULE_PATH_BENEATH_, &rule, 0) < 0 ? -errno : 0;
}

/* Reading beneath the root; reading and writing the devices a program of any container may use. */
static int allow_reading(int ruleset_fd, int root_fd)
{
    static const char *const devices[] = {"/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty"};
    int r = allow_beneath(ruleset_fd, root_fd, LANDLOCK_ACCESS_READ_FILE | LANDLOCK_ACCESS_READ_DIR);
    for (size_t i = 0; r == 0 && i < sizeof devices / sizeof devices[0]; i++) {
        _cleanup_(fd_closep) int fd = open(devices[i], O_PATH | O_CLOEXEC | O_NOFOLLOW);
        if (fd >= 0) {
            r = allow_beneath(ruleset_fd, fd, LANDLOCK_ACCESS_READ_FILE | LANDLOCK_ACCESS_WRITE_FILE);
        }
    }
    return r;
}

int landlock_seal(const SandboxRoot *root, Error *err)
{
    const int abi = landlock_abi();
    const bool is_namespaced = root && root->is_namespaced;
    if (abi == 0) {
        return 0; /* `recompiler doctor` says so */
    }
    const bool is_limited = root && !root->is_namespaced && root->root_fd >= 0;
    const bool is_referring = is_namespaced && root->root_fd >= 0 && abi >= 2;
    const uint64_t signals = is_namespaced ? 0 : (uint64_t)LANDLOCK_SCOPED_SIGNAL;
    const uint64_t sockets = root && root->is_network_own ? 0 : (uint64_t)LANDLOCK_SCOPED_ABSTRACT_SOCKET;
    const LandlockAttributes attributes = {
        .handled_access_fs = is_limited ? all_rights(abi) : LANDLOCK_ACCESS_EXECUTE | (is_referring ? LANDLOCK_ACCESS_REFER : 0),
        .scoped = abi < 6 ? 0u : signals | sockets,
    };
    _cleanup_(fd_closep) int ruleset_fd = landlock_create(&attributes, abi);
    if (ruleset_fd < 0) {
        const int r = ruleset_fd;
        ruleset_fd = -1;
        return error_set(err, -r, "cannot make a Landlock ruleset: %s", strerror(-r));
    }
    if (is_limited || is_referring) {
        const int r = is_limited ? allow_reading(ruleset_fd, root->root_fd) : allow_beneath(ruleset_fd, root->root_fd, LANDLOCK_ACCESS_REFER);
        if (r < 0) {
            return error_set(err, -r, "cannot add a Landlock rule: %s", strerror(-r));
        }
    }
    if (syscall(SYS_landlock_restrict_self, ruleset_fd, 0) < 0) {
        return error_set(err, errno, "cannot enforce Landlock: %s", strerror(errno));
    }
    return 0;
}

int sandbox_again_open(int minimum_fd, int *ret_fd, Error *err)
{
    const int abi = landlock_abi();
    *ret_fd = -1;
    if (abi < 6) {
        return 0;
    }
    const LandlockAttributes attributes = {
        .handled_access_fs = LANDLOCK_ACCESS_EXECUTE,
        .scoped = (uint64_t)LANDLOCK_SCOPED_SIGNAL | (uint64_t)LANDLOCK_SCOPED_ABSTRACT_SOCKET,
    };
    const int fd = landlock_create(&attributes, abi);
    const int r = fd < 0 ? fd : fd_move_high(fd, minimum_fd, ret_fd);
    return r < 0 ? error_set(err, -r, "cannot make a Landlock ruleset: %s", strerror(-r)) : 0;
}

int sandbox_seal_again(int *fd, Error *err)
{
    if (*fd < 0) {
        return 0;
    }
    if (syscall(SYS_landlock_restrict_self, *fd, 0) < 0) {
        return error_set(err, errno, "cannot enforce Landlock: %s", strerror(errno));
    }
    *fd = fd_close(*fd);
    return 0;
}
