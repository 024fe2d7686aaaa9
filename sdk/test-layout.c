/* SPDX-License-Identifier: Apache-2.0 */
/* Compiled for the guest: the libc's structures are what the vkernel reads and writes (src/vk/wali-abi.h). Nothing runs. */
#define _GNU_SOURCE
#include "wali-abi.h"

enum {
    INFO_PID = offsetof(WaliSiginfo, fields.child.pid),
    INFO_STATUS = offsetof(WaliSiginfo, fields.child.status),
    INFO_UTIME = offsetof(WaliSiginfo, fields.child.utime),
    INFO_VALUE = offsetof(WaliSiginfo, fields.queue.value),
    INFO_ADDRESS = offsetof(WaliSiginfo, fields.fault.addr),
    INFO_BAND = offsetof(WaliSiginfo, fields.poll.band),
};
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysinfo.h>
#include <sys/time.h>
#include <sys/times.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <sys/utsname.h>
#include <termios.h>
#include <time.h>
#include <ucontext.h>
#include <utime.h>

#define SAME_SIZE(ours, theirs) _Static_assert(sizeof(ours) == sizeof(theirs), #ours " and " #theirs)
#define SAME_FIELD(ours, field, theirs, their_field)                                                                 \
    _Static_assert(offsetof(ours, field) == offsetof(theirs, their_field) &&                                          \
                   sizeof(((ours *)0)->field) == sizeof(((theirs *)0)->their_field), #ours "." #field)

SAME_SIZE(struct timespec, WaliTimespec);
SAME_FIELD(struct timespec, tv_nsec, WaliTimespec, tv_nsec);
SAME_SIZE(struct timeval, WaliTimeval);
SAME_SIZE(struct timezone, WaliTimezone);
SAME_SIZE(struct itimerval, WaliItimerval);
SAME_SIZE(struct itimerspec, WaliItimerspec);
SAME_SIZE(struct tms, WaliTms);
SAME_SIZE(struct utimbuf, WaliUtimbuf);
SAME_SIZE(struct stat, WaliStat);
SAME_FIELD(struct stat, st_nlink, WaliStat, st_nlink);
SAME_FIELD(struct stat, st_mode, WaliStat, st_mode);
SAME_FIELD(struct stat, st_rdev, WaliStat, st_rdev);
SAME_FIELD(struct stat, st_size, WaliStat, st_size);
SAME_FIELD(struct stat, st_blksize, WaliStat, st_blksize);
SAME_FIELD(struct stat, st_blocks, WaliStat, st_blocks);
SAME_FIELD(struct stat, st_atim, WaliStat, st_atim);
SAME_FIELD(struct stat, st_ctim, WaliStat, st_ctim);
#ifdef STATX_TYPE
SAME_SIZE(struct statx, WaliStatx);
SAME_FIELD(struct statx, stx_mtime, WaliStatx, stx_mtime);
#endif
SAME_SIZE(struct statfs, WaliStatfs);
SAME_FIELD(struct statfs, f_namelen, WaliStatfs, f_namelen);
SAME_FIELD(struct dirent, d_reclen, WaliDirent64, d_reclen);
SAME_FIELD(struct dirent, d_type, WaliDirent64, d_type);
_Static_assert(offsetof(struct dirent, d_name) == offsetof(WaliDirent64, d_name), "dirent.d_name");
SAME_SIZE(struct iovec, WaliIovec);
SAME_SIZE(struct flock, WaliFlock);
SAME_FIELD(struct flock, l_start, WaliFlock, l_start);
SAME_FIELD(struct flock, l_pid, WaliFlock, l_pid);
SAME_SIZE(struct f_owner_ex, WaliOwnerEx);
SAME_SIZE(struct pollfd, WaliPollfd);
SAME_SIZE(fd_set, WaliFdSet);
SAME_SIZE(struct epoll_event, WaliEpollEvent);
SAME_FIELD(struct epoll_event, data, WaliEpollEvent, data);
_Static_assert(sizeof(struct termios) >= sizeof(WaliTermios), "termios");
SAME_FIELD(struct termios, c_lflag, WaliTermios, c_lflag);
_Static_assert(offsetof(struct termios, c_cc) == offsetof(WaliTermios, c_cc), "termios.c_cc");
SAME_SIZE(struct winsize, WaliWinsize);
SAME_SIZE(sigset_t, WaliSigset);
SAME_SIZE(stack_t, WaliStack);
SAME_FIELD(stack_t, ss_size, WaliStack, ss_size);
SAME_SIZE(siginfo_t, WaliSiginfo);
SAME_FIELD(siginfo_t, si_code, WaliSiginfo, si_code);
_Static_assert(offsetof(siginfo_t, si_pid) == INFO_PID, "siginfo_t.si_pid");
_Static_assert(offsetof(siginfo_t, si_status) == INFO_STATUS, "siginfo_t.si_status");
_Static_assert(offsetof(siginfo_t, si_utime) == INFO_UTIME, "siginfo_t.si_utime");
_Static_assert(offsetof(siginfo_t, si_value) == INFO_VALUE, "siginfo_t.si_value");
_Static_assert(offsetof(siginfo_t, si_addr) == INFO_ADDRESS, "siginfo_t.si_addr");
_Static_assert(offsetof(siginfo_t, si_band) == INFO_BAND, "siginfo_t.si_band");
SAME_SIZE(ucontext_t, WaliUcontext);
SAME_FIELD(ucontext_t, uc_stack, WaliUcontext, uc_stack);
SAME_FIELD(ucontext_t, uc_sigmask, WaliUcontext, uc_sigmask);
SAME_SIZE(struct signalfd_siginfo, WaliSignalfdSiginfo);
_Static_assert(sizeof(struct rusage) >= sizeof(WaliRusage), "rusage");
SAME_FIELD(struct rusage, ru_nivcsw, WaliRusage, ru_nivcsw);
SAME_SIZE(struct rlimit, WaliRlimit);
_Static_assert(sizeof(struct sysinfo) >= sizeof(WaliSysinfo), "sysinfo");
SAME_FIELD(struct sysinfo, totalhigh, WaliSysinfo, totalhigh);
SAME_FIELD(struct sysinfo, mem_unit, WaliSysinfo, mem_unit);
SAME_SIZE(struct utsname, WaliUtsname);
SAME_SIZE(struct msghdr, WaliMsghdr);
SAME_FIELD(struct msghdr, msg_iov, WaliMsghdr, msg_iov);
SAME_FIELD(struct msghdr, msg_control, WaliMsghdr, msg_control);
SAME_FIELD(struct msghdr, msg_flags, WaliMsghdr, msg_flags);
SAME_SIZE(struct cmsghdr, WaliCmsghdr);
SAME_FIELD(struct cmsghdr, cmsg_type, WaliCmsghdr, cmsg_type);
SAME_SIZE(struct ucred, WaliUcred);
SAME_SIZE(struct linger, WaliLinger);
SAME_SIZE(struct sockaddr_un, WaliSockaddrUn);
_Static_assert(sizeof(long) == 8 && sizeof(void *) == 4 && sizeof(size_t) == 4 && sizeof(off_t) == 8 && sizeof(time_t) == 8, "data model");
_Static_assert((unsigned)SIG_IGN == WALI_SIG_IGN, "SIG_IGN");
_Static_assert(_NSIG == WALI_NSIG, "signals");
