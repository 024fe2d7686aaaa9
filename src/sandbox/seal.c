/* SPDX-License-Identifier: Apache-2.0 */
/*
 * seal.c - the second net, in the order in which each step is still allowed.
 *
 *   securebits, capability sets   need CAP_SETPCAP, so they come first
 *   no_new_privs                  what follows may then be done without privilege
 *   undumpable                    no ptrace and no /proc/PID/mem from a process of the same user
 *   MDWE                          kernel 6.3: no mapping gains PROT_EXEC; a second lock beside seccomp's
 *   Landlock                      EXECUTE nowhere (exec of a path), no signals and abstract sockets out of the domain
 *   seccomp                       last: it refuses all of the above
 *
 * A live canary ends it: an execve that does not answer EACCES means that the net does not hold, and is an error.
 */
#include <errno.h>
#include <linux/capability.h>
#include <linux/seccomp.h>
#include <linux/securebits.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/must.h"
#include "sandbox/sandbox-int.h"
#include "seccomp-filters.h"

#ifndef PR_SET_MDWE
#define PR_SET_MDWE 65
#endif
#define MDWE_REFUSE_EXEC_GAIN 1ul
#define MFD_NOEXEC_SEAL_ 0x0008u
/* Linux 6.14: SECBIT_EXEC_RESTRICT_FILE, SECBIT_EXEC_DENY_INTERACTIVE and their locks. */
#define SECUREBITS_EXEC 0xf00ul
#define SECUREBITS_BASE \
    (SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_NO_SETUID_FIXUP | SECBIT_NO_SETUID_FIXUP_LOCKED | SECBIT_KEEP_CAPS_LOCKED | \
     SECBIT_NO_CAP_AMBIENT_RAISE | SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED)

int capabilities_drop(Error *err)
{
    /* Without CAP_SETPCAP these fail, and then nothing could be regained by them either. */
    if (prctl(PR_SET_SECUREBITS, SECUREBITS_BASE | SECUREBITS_EXEC, 0, 0, 0) < 0) {
        (void)prctl(PR_SET_SECUREBITS, SECUREBITS_BASE, 0, 0, 0);
    }
    for (unsigned long capability = 0; capability < 64; capability++) {
        if (prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) < 0) {
            break; /* EINVAL past the last one; EPERM without CAP_SETPCAP */
        }
    }
    (void)prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    const struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
    const struct __user_cap_data_struct none[2] = {{0}, {0}};
    if (syscall(SYS_capset, &header, none) < 0) {
        return error_set(err, errno, "cannot drop capabilities: %s", strerror(errno));
    }
    return 0;
}

static bool has_memfd_seal(void)
{
    const int fd = memfd_create("", MFD_CLOEXEC | MFD_NOEXEC_SEAL_);
    fd_close(fd);
    return fd >= 0 || errno != EINVAL;
}

static int seccomp_load(const struct sock_fprog *program)
{
    return syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, program) < 0 ? -errno : 0;
}

int seccomp_seal(const SandboxSealConfig *config, Error *err)
{
    const struct sock_fprog *arguments = &seccomp_arguments[config->has_network][has_memfd_seal()][config->is_audit_only];
    const struct sock_fprog *names = &seccomp_names[config->is_zygote][config->is_audit_only];
    /* In this order: the filter of names refuses seccomp(2). */
    int r = seccomp_load(arguments);
    if (r == 0) {
        r = seccomp_load(names);
    }
    return r < 0 ? error_set(err, -r, "cannot load the seccomp filter: %s", strerror(-r)) : 0;
}

int sandbox_seal(const SandboxSealConfig *config, Error *err)
{
    must(config);
    int r = capabilities_drop(err);
    if (r < 0) {
        return r;
    }
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0) {
        return error_set(err, errno, "cannot set no_new_privs: %s", strerror(errno));
    }
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0) {
        return error_set(err, errno, "cannot become undumpable: %s", strerror(errno));
    }
    if (!config->is_audit_only) {
        (void)prctl(PR_SET_MDWE, MDWE_REFUSE_EXEC_GAIN, 0, 0, 0); /* older kernels do not have it */
        r = landlock_seal(config->root, err);
        if (r < 0) {
            return r;
        }
    }
    r = seccomp_seal(config, err);
    if (r < 0) {
        return r;
    }
    if (!config->is_audit_only && (syscall(SYS_execve, NULL, NULL, NULL) != -1 || errno != EACCES)) {
        return error_set(err, EPERM, "the seccomp filter does not hold: execve answers %s", error_name(errno));
    }
    return 0;
}
