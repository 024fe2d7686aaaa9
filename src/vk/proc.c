/* SPDX-License-Identifier: Apache-2.0 */
/*
 * proc.c - processes: fork, exit, wait, ids, limits, scheduling, and facts about the system.
 *
 * A guest process is a host process; most calls are the kernel's own. What is kept here: RLIMIT_NOFILE (the host's is higher, for
 * the runtime's descriptors), RLIMIT_STACK, RLIMIT_AS, RLIMIT_DATA, RLIMIT_RSS (the host's count the reservation of linear memory).
 * RLIMIT_FSIZE is the host's, but only its soft limit: the runtime lifts it for its own copies.
 */
#include "vk-int.h"

#include <linux/capability.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/sysinfo.h>
#include <sys/times.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

_Static_assert(sizeof(struct rusage) == sizeof(WaliRusage), "same layout on a 64-bit host");
_Static_assert(sizeof(struct rlimit) == sizeof(WaliRlimit), "same layout on a 64-bit host");

int64_t vk_sys_fork(Vk *vk)
{
    uint64_t old;
    const uint64_t all = UINT64_MAX;
    const int family = vk_family_begin(vk);
    if (family < 0) {
        return family;
    }
    /* No signal may be captured in the child before it has forgotten the parent's. */
    (void)vk_sys4(SYS_rt_sigprocmask, SIG_SETMASK, VK_PTR(&all), VK_PTR(&old), sizeof old);
    int64_t pid;
    if (__atomic_load_n(&vk->has_had_threads, __ATOMIC_ACQUIRE)) {
        pid = vk_threads_fork(vk);
    } else { /* without fork(3)'s handlers and locks of stdio and malloc: one thread, outside of both */
        pid = _Fork();
        pid = pid < 0 ? -errno : pid;
    }
    const int64_t r = pid;
    if (pid == 0) {
        vk_self->tid = getpid();
        rt_after_fork();
        vk_family_add(vk, getpid()); /* both sides: each may need it first */
        vk_signals_forget(vk);
    } else if (pid > 0) {
        vk_family_add(vk, (int32_t)pid);
    }
    (void)vk_sys4(SYS_rt_sigprocmask, SIG_SETMASK, VK_PTR(&old), 0, sizeof old);
    return r;
}

int64_t vk_sys_vfork(Vk *vk) { return vk_sys_fork(vk); }

int64_t vk_sys_clone(Vk *vk, int64_t flags, GuestAddr stack, GuestAddr parent_tid, GuestAddr child_tid, int64_t tls)
{
    (void)tls;
    const uint64_t allowed = CSIGNAL | CLONE_PARENT_SETTID | CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID | CLONE_VFORK;
    if (((uint64_t)flags & ~allowed) != 0) {
        return (flags & (CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWCGROUP)) != 0 ? -EPERM : -ENOSYS;
    }
    if (stack != 0 || (flags & CSIGNAL) != SIGCHLD) {
        return -EINVAL;
    }
    const int64_t pid = vk_sys_fork(vk);
    const int32_t id = pid == 0 ? getpid() : (int32_t)pid;
    if (pid == 0 && (flags & CLONE_CHILD_SETTID) != 0) {
        (void)vk_copy_out(vk, child_tid, &id, sizeof id);
    } else if (pid > 0 && (flags & CLONE_PARENT_SETTID) != 0) {
        (void)vk_copy_out(vk, parent_tid, &id, sizeof id);
    }
    return pid;
}

int64_t vk_sys_exit_group(Vk *vk, int32_t status)
{
    (void)vk;
    if (vk_self != NULL && vk_self->robust_list != 0) {
        vk_robust_release(vk_self);
    }
    for (;;) {
        (void)vk_sys1(SYS_exit_group, status);
    }
}

int64_t vk_sys_exit(Vk *vk, int32_t status)
{
    if (vk_self == vk->leader && !vk_has_threads(vk)) {
        return vk_sys_exit_group(vk, status);
    }
    vk_thread_leave(vk_self, VK_END_EXIT, status);
}

int64_t vk_sys_wait4(Vk *vk, int32_t pid, GuestAddr status_address, uint32_t options, GuestAddr usage_address)
{
    int32_t status = 0;
    WaliRusage usage;
    if ((options & ~(uint32_t)(WNOHANG | WUNTRACED | WCONTINUED | __WALL | __WCLONE | __WNOTHREAD)) != 0) {
        return -EINVAL;
    }
    const int64_t r = vk_block(vk, SYS_wait4, pid, VK_PTR(&status), options, usage_address == 0 ? 0 : VK_PTR(&usage), 0, 0);
    if (r <= 0) {
        return r;
    }
    if (WIFEXITED(status) || WIFSIGNALED(status)) {
        vk_family_remove(vk, (int32_t)r);
    }
    if (status_address != 0 && vk_copy_out(vk, status_address, &status, sizeof status) < 0) {
        return -EFAULT;
    }
    return usage_address != 0 && vk_copy_out(vk, usage_address, &usage, sizeof usage) < 0 ? -EFAULT : r;
}

int64_t vk_sys_waitid(Vk *vk, int32_t type, int32_t id, GuestAddr info_address, uint32_t options, GuestAddr usage_address)
{
    siginfo_t info = {0};
    WaliRusage usage = {0};
    if (type != P_ALL && type != P_PID && type != P_PGID) {
        return -EINVAL;
    }
    const int64_t r = vk_block(vk, SYS_waitid, type, id, VK_PTR(&info), options, usage_address == 0 ? 0 : VK_PTR(&usage), 0);
    if (r < 0) {
        return r;
    }
    if (info.si_pid > 0 && (options & WNOWAIT) == 0 && (info.si_code == CLD_EXITED || info.si_code == CLD_KILLED || info.si_code == CLD_DUMPED)) {
        vk_family_remove(vk, info.si_pid);
    }
    if (info_address != 0) {
        WaliSiginfo out = {.si_signo = info.si_signo, .si_errno = info.si_errno, .si_code = info.si_code};
        out.fields.child.pid = info.si_pid;
        out.fields.child.uid = info.si_uid;
        out.fields.child.status = info.si_status;
        if (vk_copy_out(vk, info_address, &out, sizeof out) < 0) {
            return -EFAULT;
        }
    }
    return usage_address != 0 && info.si_pid != 0 && vk_copy_out(vk, usage_address, &usage, sizeof usage) < 0 ? -EFAULT : r;
}

/* Calls without pointers that the kernel answers as they are. */
#define DIRECT0(name)                      \
    int64_t vk_sys_##name(Vk *vk)          \
    {                                      \
        (void)vk;                          \
        return vk_sys0(SYS_##name);        \
    }
#define DIRECT1(name)                          \
    int64_t vk_sys_##name(Vk *vk, int32_t a)   \
    {                                          \
        (void)vk;                              \
        return vk_sys1(SYS_##name, a);         \
    }
#define DIRECT2(name)                                     \
    int64_t vk_sys_##name(Vk *vk, int32_t a, int32_t b)   \
    {                                                     \
        (void)vk;                                         \
        return vk_sys2(SYS_##name, a, b);                 \
    }
#define DIRECT3(name)                                                \
    int64_t vk_sys_##name(Vk *vk, int32_t a, int32_t b, int32_t c)   \
    {                                                                \
        (void)vk;                                                    \
        return vk_sys3(SYS_##name, a, b, c);                         \
    }
DIRECT0(getpid) DIRECT0(getppid) DIRECT0(gettid) DIRECT0(getpgrp) DIRECT0(setsid)
DIRECT0(getuid) DIRECT0(geteuid) DIRECT0(getgid) DIRECT0(getegid) DIRECT0(sched_yield)
DIRECT1(setuid) DIRECT1(setgid) DIRECT1(setfsuid) DIRECT1(setfsgid)
DIRECT1(sched_get_priority_max) DIRECT1(sched_get_priority_min)
DIRECT2(setreuid) DIRECT2(setregid) DIRECT2(setpgid)
DIRECT3(setresuid) DIRECT3(setresgid)

int64_t vk_sys_getpgid(Vk *vk, int32_t pid) { return vk_pid_is_ours(vk, pid) ? vk_sys1(SYS_getpgid, pid) : -ESRCH; }
int64_t vk_sys_getsid(Vk *vk, int32_t pid) { return vk_pid_is_ours(vk, pid) ? vk_sys1(SYS_getsid, pid) : -ESRCH; }

static int64_t three_ids(Vk *vk, long number, GuestAddr a, GuestAddr b, GuestAddr c)
{
    uint32_t ids[3];
    const int64_t r = vk_sys3(number, VK_PTR(&ids[0]), VK_PTR(&ids[1]), VK_PTR(&ids[2]));
    if (r < 0) {
        return r;
    }
    return vk_copy_out(vk, a, &ids[0], 4) < 0 || vk_copy_out(vk, b, &ids[1], 4) < 0 || vk_copy_out(vk, c, &ids[2], 4) < 0 ? -EFAULT : 0;
}

int64_t vk_sys_getresuid(Vk *vk, GuestAddr a, GuestAddr b, GuestAddr c) { return three_ids(vk, SYS_getresuid, a, b, c); }
int64_t vk_sys_getresgid(Vk *vk, GuestAddr a, GuestAddr b, GuestAddr c) { return three_ids(vk, SYS_getresgid, a, b, c); }

int64_t vk_sys_getgroups(Vk *vk, int32_t count, GuestAddr list)
{
    uint32_t *host = count > 0 && count <= 65536 ? vk_guest(vk, list, (uint64_t)count * 4) : NULL;
    if (count != 0 && host == NULL) {
        return count < 0 || count > 65536 ? -EINVAL : -EFAULT;
    }
    return vk_sys2(SYS_getgroups, count, VK_PTR(host));
}

int64_t vk_sys_setgroups(Vk *vk, uint32_t count, GuestAddr list)
{
    const uint32_t *host = count <= 65536 ? vk_guest(vk, list, (uint64_t)count * 4) : NULL;
    return host == NULL ? (count > 65536 ? -EINVAL : -EFAULT) : vk_sys2(SYS_setgroups, count, VK_PTR(host));
}

int64_t vk_sys_prctl(Vk *vk, int32_t option, int64_t arg2, int64_t arg3, int64_t arg4, int64_t arg5)
{
    char name[16] = {0};
    int32_t value = 0;
    const GuestAddr address = (GuestAddr)arg2; /* upper halves are undefined: the guest's variadic longs */
    (void)arg3;
    (void)arg4;
    (void)arg5;
    switch (option) {
    case PR_SET_NAME: {
        const int64_t r = vk_copy_string(vk, name, sizeof name, address);
        if (r == -EFAULT) {
            return r;
        }
        name[15] = '\0';
        if (vk_self == vk->leader) {
            memcpy(vk->comm, name, sizeof name);
        }
        return vk_sys2(SYS_prctl, PR_SET_NAME, VK_PTR(name));
    }
    case PR_GET_NAME:
        if (vk_self == vk->leader) {
            return vk_copy_out(vk, address, vk->comm, sizeof vk->comm);
        }
        (void)vk_sys2(SYS_prctl, PR_GET_NAME, VK_PTR(name));
        return vk_copy_out(vk, address, name, sizeof name);
    case PR_SET_PDEATHSIG:
        return vk_sys2(SYS_prctl, option, (uint32_t)arg2);
    case PR_GET_PDEATHSIG:
    case PR_GET_CHILD_SUBREAPER: {
        const int64_t r = vk_sys2(SYS_prctl, option, VK_PTR(&value));
        return r < 0 ? r : vk_copy_out(vk, address, &value, sizeof value);
    }
    case PR_SET_CHILD_SUBREAPER: case PR_SET_TIMERSLACK:
        return vk_sys2(SYS_prctl, option, (uint32_t)arg2);
    case PR_GET_TIMERSLACK:
        return vk_sys1(SYS_prctl, option);
    case PR_SET_NO_NEW_PRIVS:
        return (uint32_t)arg2 == 1 ? 0 : -EINVAL; /* always on */
    case PR_GET_NO_NEW_PRIVS:
        return 1;
    case PR_GET_SECUREBITS:
        return vk_securebits(vk);
    case PR_GET_DUMPABLE: case PR_GET_KEEPCAPS:
        return 0;
    case PR_SET_DUMPABLE: case PR_SET_KEEPCAPS:
        return (uint32_t)arg2 == 0 ? 0 : -EPERM;
    default:
        return -EINVAL;
    }
}

static bool limit_is_kept(int32_t resource)
{
    return resource == RLIMIT_NOFILE || resource == RLIMIT_STACK || resource == RLIMIT_AS || resource == RLIMIT_DATA || resource == RLIMIT_RSS ||
           resource == RLIMIT_FSIZE;
}

static void file_size_set(const Vk *vk, uint64_t soft)
{
    const struct rlimit limit = {.rlim_cur = soft, .rlim_max = vk->file_size_max};
    if (vk->limits[RLIMIT_FSIZE][0] != vk->file_size_max) {
        must(setrlimit(RLIMIT_FSIZE, &limit) == 0);
    }
}

/* The limit is the process's: it comes back when the last of several threads is done. */
void vk_file_size_lift(Vk *vk)
{
    VK_GUARD(&vk->file_lock);
    if (vk->file_size_lifts++ == 0) {
        file_size_set(vk, vk->file_size_max);
    }
}

void vk_file_size_restore(Vk *vk)
{
    VK_GUARD(&vk->file_lock);
    must(vk->file_size_lifts > 0);
    if (--vk->file_size_lifts == 0) {
        file_size_set(vk, vk->limits[RLIMIT_FSIZE][0]);
    }
}

/* A limit that the vkernel keeps: what it was, and unless limit is NULL what it is from now on. */
static int64_t limit_change(Vk *vk, int32_t resource, const WaliRlimit *limit, WaliRlimit *ret_old)
{
    VK_GUARD(&vk->file_lock);
    uint64_t *kept = vk->limits[resource];
    *ret_old = (WaliRlimit){kept[0], kept[1]};
    if (limit == NULL) {
        return 0;
    }
    if (limit->rlim_max > kept[1]) {
        return -EPERM;
    }
    if (resource == RLIMIT_FSIZE) {
        file_size_set(vk, vk->file_size_max); /* back from what it was, should the new one be the maximum */
    }
    __atomic_store_n(&kept[0], limit->rlim_cur, __ATOMIC_RELAXED); /* vk_fd_new() reads it without the lock */
    kept[1] = limit->rlim_max;
    if (resource == RLIMIT_FSIZE && vk->file_size_lifts == 0) {
        file_size_set(vk, kept[0]);
    }
    return 0;
}

int64_t vk_sys_prlimit64(Vk *vk, int32_t pid, int32_t resource, GuestAddr new_address, GuestAddr old_address)
{
    WaliRlimit new_limit = {0}, old_limit;
    if (pid != 0 && pid != getpid()) {
        return vk_pid_is_ours(vk, pid) ? -EPERM : -ESRCH;
    }
    if (resource < 0 || resource >= (int32_t)RLIM_NLIMITS) {
        return -EINVAL;
    }
    if (new_address != 0 && vk_copy_in(vk, &new_limit, new_address, sizeof new_limit) < 0) {
        return -EFAULT;
    }
    if (new_address != 0 && new_limit.rlim_cur > new_limit.rlim_max) {
        return -EINVAL;
    }
    if (limit_is_kept(resource)) {
        const int64_t r = limit_change(vk, resource, new_address != 0 ? &new_limit : NULL, &old_limit);
        if (r < 0) {
            return r;
        }
    } else {
        const int64_t r = vk_sys4(SYS_prlimit64, 0, resource, new_address == 0 ? 0 : VK_PTR(&new_limit), VK_PTR(&old_limit));
        if (r < 0) {
            return r;
        }
    }
    return old_address == 0 ? 0 : vk_copy_out(vk, old_address, &old_limit, sizeof old_limit);
}

int64_t vk_sys_getrlimit(Vk *vk, int32_t resource, GuestAddr limit) { return limit == 0 ? -EFAULT : vk_sys_prlimit64(vk, 0, resource, 0, limit); }
int64_t vk_sys_setrlimit(Vk *vk, int32_t resource, GuestAddr limit) { return limit == 0 ? -EFAULT : vk_sys_prlimit64(vk, 0, resource, limit, 0); }

int64_t vk_sys_getrusage(Vk *vk, int32_t who, GuestAddr address)
{
    WaliRusage usage;
    const int64_t r = vk_sys2(SYS_getrusage, who, VK_PTR(&usage));
    return r < 0 ? r : vk_copy_out(vk, address, &usage, sizeof usage);
}

int64_t vk_sys_times(Vk *vk, GuestAddr address)
{
    WaliTms used;
    const int64_t r = vk_sys1(SYS_times, VK_PTR(&used));
    return r >= 0 && address != 0 && vk_copy_out(vk, address, &used, sizeof used) < 0 ? -EFAULT : r;
}

int64_t vk_sys_getpriority(Vk *vk, int32_t which, int32_t who)
{
    return which != PRIO_USER && !vk_tid_is_ours(vk, who) ? -ESRCH : vk_sys2(SYS_getpriority, which, who);
}

int64_t vk_sys_setpriority(Vk *vk, int32_t which, int32_t who, int32_t priority)
{
    if ((which == PRIO_USER && vk->has_family) || (which != PRIO_USER && !vk_tid_is_ours(vk, who))) {
        return -EPERM;
    }
    return vk_sys3(SYS_setpriority, which, who, priority);
}

int64_t vk_sys_sched_getaffinity(Vk *vk, int32_t pid, uint32_t size, GuestAddr address)
{
    uint64_t mask[1024 / 64] = {0};
    if (!vk_tid_is_ours(vk, pid)) {
        return -ESRCH;
    }
    const uint32_t use = size < sizeof mask ? size : (uint32_t)sizeof mask;
    const int64_t r = vk_sys3(SYS_sched_getaffinity, pid, use, VK_PTR(mask));
    return r > 0 && vk_copy_out(vk, address, mask, (size_t)r) < 0 ? -EFAULT : r;
}

int64_t vk_sys_sched_setaffinity(Vk *vk, int32_t pid, uint32_t size, GuestAddr address)
{
    uint64_t mask[1024 / 64] = {0};
    const uint32_t use = size < sizeof mask ? size : (uint32_t)sizeof mask;
    if (!vk_tid_is_ours(vk, pid)) {
        return -ESRCH;
    }
    return vk_copy_in(vk, mask, address, use) < 0 ? -EFAULT : vk_sys3(SYS_sched_setaffinity, pid, use, VK_PTR(mask));
}

int64_t vk_sys_sched_getscheduler(Vk *vk, int32_t pid) { return vk_tid_is_ours(vk, pid) ? vk_sys1(SYS_sched_getscheduler, pid) : -ESRCH; }

int64_t vk_sys_sched_setscheduler(Vk *vk, int32_t pid, int32_t policy, GuestAddr address)
{
    WaliSchedParam param;
    if (!vk_tid_is_ours(vk, pid)) {
        return -ESRCH;
    }
    return vk_copy_in(vk, &param, address, sizeof param) < 0 ? -EFAULT : vk_sys3(SYS_sched_setscheduler, pid, policy, VK_PTR(&param));
}

int64_t vk_sys_sched_getparam(Vk *vk, int32_t pid, GuestAddr address)
{
    WaliSchedParam param = {0};
    const int64_t r = vk_tid_is_ours(vk, pid) ? vk_sys2(SYS_sched_getparam, pid, VK_PTR(&param)) : -ESRCH;
    return r < 0 ? r : vk_copy_out(vk, address, &param, sizeof param);
}

int64_t vk_sys_sched_setparam(Vk *vk, int32_t pid, GuestAddr address)
{
    WaliSchedParam param;
    if (!vk_tid_is_ours(vk, pid)) {
        return -ESRCH;
    }
    return vk_copy_in(vk, &param, address, sizeof param) < 0 ? -EFAULT : vk_sys2(SYS_sched_setparam, pid, VK_PTR(&param));
}

int64_t vk_sys_uname(Vk *vk, GuestAddr address)
{
    struct utsname host;
    _Static_assert(sizeof(struct utsname) == sizeof(WaliUtsname), "same layout");
    const int64_t r = vk_sys1(SYS_uname, VK_PTR(&host));
    if (r < 0) {
        return r;
    }
    if (vk->config.hostname != NULL) {
        memset(host.nodename, 0, sizeof host.nodename);
        (void)snprintf(host.nodename, sizeof host.nodename, "%s", vk->config.hostname);
    }
    return vk_copy_out(vk, address, &host, sizeof host);
}

int64_t vk_sys_sysinfo(Vk *vk, GuestAddr address)
{
    struct sysinfo host;
    const int64_t r = vk_sys1(SYS_sysinfo, VK_PTR(&host));
    if (r < 0) {
        return r;
    }
    WaliSysinfo out = {
        .uptime = host.uptime, .loads = {host.loads[0], host.loads[1], host.loads[2]}, .totalram = host.totalram, .freeram = host.freeram,
        .sharedram = host.sharedram, .bufferram = host.bufferram, .totalswap = host.totalswap, .freeswap = host.freeswap,
        .procs = host.procs, .totalhigh = host.totalhigh, .freehigh = host.freehigh, .mem_unit = host.mem_unit,
    };
    return vk_copy_out(vk, address, &out, sizeof out);
}

int64_t vk_sys_getcpu(Vk *vk, GuestAddr cpu_address, GuestAddr node_address, GuestAddr unused)
{
    uint32_t cpu = 0, node = 0;
    (void)unused;
    const int64_t r = vk_sys3(SYS_getcpu, VK_PTR(&cpu), VK_PTR(&node), 0);
    if (r < 0) {
        return r;
    }
    if (cpu_address != 0 && vk_copy_out(vk, cpu_address, &cpu, sizeof cpu) < 0) {
        return -EFAULT;
    }
    return node_address == 0 ? 0 : vk_copy_out(vk, node_address, &node, sizeof node);
}

int64_t vk_sys_personality(Vk *vk, uint32_t persona)
{
    (void)vk;
    return persona == UINT32_MAX || persona == 0 ? 0 : -EPERM;
}

/* Header of capget and capset. Return: words of each set, or < 0; what is not a version answers with the one that is (capget(2)). */
static int64_t capability_header(Vk *vk, GuestAddr header, pid_t *ret_pid)
{
    struct { uint32_t version; int32_t pid; } in;
    if (vk_copy_in(vk, &in, header, sizeof in) < 0) {
        return -EFAULT;
    }
    if (in.version != _LINUX_CAPABILITY_VERSION_1 && in.version != _LINUX_CAPABILITY_VERSION_2 && in.version != _LINUX_CAPABILITY_VERSION_3) {
        in.version = _LINUX_CAPABILITY_VERSION_3;
        return vk_copy_out(vk, header, &in, sizeof in.version) < 0 ? -EFAULT : -EINVAL;
    }
    *ret_pid = in.pid;
    return in.version == _LINUX_CAPABILITY_VERSION_1 ? 1 : 2;
}

/* Nobody in a container has a capability. */
int64_t vk_sys_capget(Vk *vk, GuestAddr header, GuestAddr data)
{
    pid_t pid;
    const int64_t words = capability_header(vk, header, &pid);
    if (words < 0) {
        return words == -EINVAL && data == 0 ? 0 : words;
    }
    const struct { uint32_t effective, permitted, inheritable; } none[2] = {0};
    if (pid < 0) {
        return -EINVAL;
    }
    if (!vk_pid_is_ours(vk, pid) || (pid != 0 && vk_sys2(SYS_kill, (uint64_t)pid, 0) == -ESRCH)) {
        return -ESRCH;
    }
    return data == 0 ? 0 : vk_copy_out(vk, data, none, (size_t)words * sizeof none[0]);
}

int64_t vk_sys_capset(Vk *vk, GuestAddr header, GuestAddr data)
{
    pid_t pid;
    const int64_t words = capability_header(vk, header, &pid);
    if (words < 0) {
        return words;
    }
    if (pid != 0 && pid != getpid()) {
        return -EPERM;
    }
    uint32_t sets[6] = {0}; /* effective, permitted, inheritable of the low and of the high word */
    if (vk_copy_in(vk, sets, data, (size_t)words * 3 * sizeof sets[0]) < 0) {
        return -EFAULT;
    }
    for (size_t i = 0; i < 6; i++) {
        if (sets[i] != 0) {
            return -EPERM;
        }
    }
    return 0;
}

int64_t vk_sys_getrandom(Vk *vk, GuestAddr buf, uint32_t size, uint32_t flags)
{
    void *host = vk_guest(vk, buf, size);
    return host == NULL ? -EFAULT : vk_block(vk, SYS_getrandom, VK_PTR(host), size, flags, 0, 0, 0);
}
