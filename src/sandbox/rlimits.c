/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rlimits.c - what setrlimit(2) can hold: always the descriptors and core dumps, and memory and processes where there is no
 * control group to do it better.
 *
 * RLIMIT_AS cannot limit memory: linear memory reserves 8 GiB of address space. RLIMIT_DATA counts private writable
 * mappings only, per process. RLIMIT_NPROC counts per user and user namespace, and does not bind root.
 */
#include <errno.h>
#include <string.h>
#include <sys/resource.h>

#include "base/limits.h"
#include "base/must.h"
#include "sandbox/sandbox-int.h"

#define RUNTIME_FDS 3072u            /* above the guest's; the vkernel keeps the guest's own limit */
#define RUNTIME_DATA (64ull << 20)   /* bytes: native stacks, tables, libc */

/* Lowers both limits; never raises the hard one. */
static int limit_lower(__rlimit_resource_t resource, uint64_t value)
{
    struct rlimit limit;
    if (getrlimit(resource, &limit) < 0) {
        return -errno;
    }
    limit.rlim_max = limit.rlim_max < value ? limit.rlim_max : value;
    limit.rlim_cur = limit.rlim_max;
    return setrlimit(resource, &limit) < 0 ? -errno : 0;
}

int sandbox_rlimits_lower(const SandboxLimits *limits, Error *err)
{
    uint64_t size;
    if (__builtin_add_overflow(limits->memory_size, RUNTIME_DATA, &size)) {
        size = UINT64_MAX;
    }
    int r = limits->memory_size ? limit_lower(RLIMIT_DATA, size) : 0;
    r = r == 0 && limits->pids_count ? limit_lower(RLIMIT_NPROC, limits->pids_count) : r;
    return r < 0 ? error_set(err, -r, "cannot set a resource limit: %s", strerror(-r)) : 0;
}

int sandbox_rlimits(const SandboxLimits *limits, Error *err)
{
    must(limits);
    /* open_files_count is the vkernel's: the runtime's own descriptors lie above the guest's. */
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) < 0) {
        return error_set(err, errno, "cannot read the descriptor limit: %s", strerror(errno));
    }
    if (files.rlim_max <= LIMIT_GUEST_FDS) {
        const int r = error_set(err, EMFILE, "the hard limit of %llu descriptors is too low", (unsigned long long)files.rlim_max);
        return error_hint(err, r, "ulimit -Hn of at least %u is needed", LIMIT_GUEST_FDS + 256u);
    }
    int r = limit_lower(RLIMIT_NOFILE, LIMIT_GUEST_FDS + RUNTIME_FDS);
    r = r == 0 ? limit_lower(RLIMIT_CORE, 0) : r;
    return r < 0 ? error_set(err, -r, "cannot set a resource limit: %s", strerror(-r)) : sandbox_rlimits_lower(limits, err);
}
