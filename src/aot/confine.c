/* SPDX-License-Identifier: Apache-2.0 */
/*
 * confine.c - the compiler's cage. The input is hostile and LLVM is large: whoever takes this process over can write
 * files into the output's directory and the cache of units and burn the CPU time that is left, and nothing else.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <seccomp.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "aot/confine.h"
#include "base/cleanup.h"
#include "base/fd.h"

#ifndef LANDLOCK_ACCESS_FS_REFER /* ABI 2, newer than Debian 12's headers */
#define LANDLOCK_ACCESS_FS_REFER (1ull << 13)
#endif
#ifndef LANDLOCK_ACCESS_FS_TRUNCATE /* ABI 3 */
#define LANDLOCK_ACCESS_FS_TRUNCATE (1ull << 14)
#endif

#define ACCESS_FILE (LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_TRUNCATE)
#define ACCESS_READ (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define ACCESS_RUN (LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_EXECUTE)
#define ACCESS_WRITE (ACCESS_READ | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_TRUNCATE | LANDLOCK_ACCESS_FS_REMOVE_DIR | \
                      LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_REFER)

static int set_limit(int resource, uint64_t value, Error *err)
{
    struct rlimit limit;
    if (getrlimit(resource, &limit) < 0) {
        return error_set(err, errno, "getrlimit");
    }
    if (limit.rlim_max == RLIM_INFINITY || value < limit.rlim_max) {
        limit.rlim_max = value;
    }
    limit.rlim_cur = limit.rlim_max;
    return setrlimit(resource, &limit) < 0 ? error_set(err, errno, "setrlimit") : 0;
}

static int confine_limits(const ConfineOptions *options, Error *err)
{
    int r = set_limit(RLIMIT_CORE, 0, err);
    if (r == 0) {
        r = set_limit(RLIMIT_NOFILE, 256, err);
    }
#if !defined(__SANITIZE_ADDRESS__) /* its shadow alone is 16 TiB of address space */
    if (r == 0 && options->memory_limit != 0) {
        r = set_limit(RLIMIT_AS, options->memory_limit, err);
    }
#endif
    if (r == 0 && options->time_limit != 0) { /* SIGXCPU comes at the soft limit, so that the reason can be said */
        const struct rlimit limit = {.rlim_cur = options->time_limit, .rlim_max = options->time_limit + 2};
        r = setrlimit(RLIMIT_CPU, &limit) < 0 ? error_set(err, errno, "setrlimit") : 0;
    }
    return r;
}

/* A path that is not there is no error: distributions differ in where libraries are. */
static int allow_beneath(int ruleset, const char *path, uint64_t access, uint64_t handled, Error *err)
{
    _cleanup_(fd_closep) int fd = open(path, O_PATH | O_CLOEXEC);
    if (fd < 0) {
        return errno == ENOENT ? 0 : error_set(err, errno, "%s", path);
    }
    struct stat status;
    if (fstat(fd, &status) < 0) {
        return error_set(err, errno, "%s", path);
    }
    if (!S_ISDIR(status.st_mode)) {
        access &= ACCESS_FILE;
    }
    const struct landlock_path_beneath_attr rule = {.allowed_access = access & handled, .parent_fd = fd};
    if (syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) < 0) {
        return error_set(err, errno, "landlock rule for %s", path);
    }
    return 0;
}

static int confine_files(const ConfineOptions *options, const char **ret_missing, Error *err)
{
    static const char *const readable[] = {"/usr", "/lib", "/lib64", "/etc/ld.so.cache", "/etc/ld.so.preload", "/dev/null", "/dev/urandom"};
    static const char *const runnable[] = {"/usr/bin/ld.lld-22", "/usr/lib/llvm-22/bin/lld", "/lib64/ld-linux-x86-64.so.2"};
    const int abi = (int)syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
    if (abi < 1) {
        *ret_missing = "Landlock";
        return 0;
    }
    struct landlock_ruleset_attr attributes = {.handled_access_fs = (1ull << 13) - 1};
    attributes.handled_access_fs |= abi >= 2 ? LANDLOCK_ACCESS_FS_REFER : 0;
    attributes.handled_access_fs |= abi >= 3 ? LANDLOCK_ACCESS_FS_TRUNCATE : 0;
    _cleanup_(fd_closep) int ruleset = (int)syscall(SYS_landlock_create_ruleset, &attributes, sizeof(attributes), 0);
    if (ruleset < 0) {
        return error_set(err, errno, "landlock ruleset");
    }
    int r = 0;
    for (size_t i = 0; r == 0 && i < sizeof(options->write_dirs) / sizeof(options->write_dirs[0]); i++) {
        r = options->write_dirs[i] == NULL ? 0 : allow_beneath(ruleset, options->write_dirs[i], ACCESS_WRITE, attributes.handled_access_fs, err);
    }
    for (size_t i = 0; r == 0 && i < sizeof(readable) / sizeof(readable[0]); i++) {
        r = allow_beneath(ruleset, readable[i], ACCESS_READ, attributes.handled_access_fs, err);
    }
    for (size_t i = 0; r == 0 && i < sizeof(runnable) / sizeof(runnable[0]); i++) {
        r = allow_beneath(ruleset, runnable[i], ACCESS_RUN, attributes.handled_access_fs, err);
    }
    if (r == 0 && syscall(SYS_landlock_restrict_self, ruleset, 0) < 0) {
        r = error_set(err, errno, "landlock restrict");
    }
    return r;
}

static int confine_calls(Error *err)
{
    static const int refused[] = {
        SCMP_SYS(socket), SCMP_SYS(socketpair), SCMP_SYS(connect), SCMP_SYS(bind), SCMP_SYS(listen), SCMP_SYS(accept), SCMP_SYS(accept4),
        SCMP_SYS(ptrace), SCMP_SYS(process_vm_readv), SCMP_SYS(process_vm_writev), SCMP_SYS(pidfd_getfd), SCMP_SYS(kcmp),
        SCMP_SYS(bpf), SCMP_SYS(perf_event_open), SCMP_SYS(userfaultfd), SCMP_SYS(io_uring_setup), SCMP_SYS(io_uring_enter),
        SCMP_SYS(unshare), SCMP_SYS(setns), SCMP_SYS(mount), SCMP_SYS(umount2), SCMP_SYS(pivot_root), SCMP_SYS(chroot),
        SCMP_SYS(keyctl), SCMP_SYS(add_key), SCMP_SYS(request_key), SCMP_SYS(init_module), SCMP_SYS(finit_module), SCMP_SYS(kexec_load),
        SCMP_SYS(reboot), SCMP_SYS(swapon), SCMP_SYS(acct), SCMP_SYS(quotactl), SCMP_SYS(open_by_handle_at), SCMP_SYS(personality),
        SCMP_SYS(mknod), SCMP_SYS(mknodat), SCMP_SYS(setuid), SCMP_SYS(setgid), SCMP_SYS(execveat),
    };
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
    if (filter == NULL) {
        return error_set(err, ENOMEM, "seccomp");
    }
    int r = 0;
    for (size_t i = 0; r == 0 && i < sizeof(refused) / sizeof(refused[0]); i++) {
        r = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), refused[i], 0);
    }
    if (r == 0) {
        r = seccomp_load(filter);
    }
    seccomp_release(filter);
    return r < 0 ? error_set(err, -r, "seccomp filter") : 0;
}

int confine_self(const ConfineOptions *options, const char **ret_missing, Error *err)
{
    *ret_missing = NULL;
    int r = confine_limits(options, err);
    if (r < 0) {
        return r;
    }
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) {
        return error_set(err, errno, "no_new_privs");
    }
    r = confine_files(options, ret_missing, err);
    return r < 0 ? r : confine_calls(err);
}
