/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wali-abi.h - structures as a WALI guest lays them out: wasm32 with 32-bit pointers and size_t, and with 64-bit long,
 * time_t, off_t, ino_t, dev_t, nlink_t and clock_t. This is the reference for the vkernel and for the guest SDK; it is
 * plain C without host headers, so that the SDK can compile it for the guest and compare its own layouts.
 *
 * Calls: import module "wali", function "SYS_<linux name>"; pointers, int, size_t, fds, ids are i32; long and off_t are
 * i64; the result is one i64: >= 0, or -errno with Linux x86-64 numbers. Flags (O_*, MAP_*, SIG*, AF_*, ioctl requests)
 * have their x86-64 values. Source: the WALI specification (types, calls), musl's arch/generic/bits.
 *
 * Facts that are easy to get wrong:
 *  - k_sigaction is packed: flags (64 bit) directly after the 32-bit handler. The mask is 8 bytes (sigsetsize must be 8).
 *  - epoll_event is packed (12 bytes). cmsghdr has a pad after cmsg_len, and headers follow each other 8-aligned.
 *  - fcntl's and prctl's arguments are i64 whose upper half is undefined when the guest passed an int or a pointer.
 *  - SIG_DFL is 0, SIG_ERR -1 and SIG_IGN -2 (not 1, which can be a function's table slot) in published modules and in our SDK.
 *  - a handler of signal S is a table slot called with (i32 S), or with SA_SIGINFO (i32 S, WaliSiginfo *, WaliUcontext *).
 *  - start: `_start` calls __init() -> 0, then __get_init_envfile(buf, size): 1 when buf received the path of a readable
 *    file of "NAME=VALUE\n" lines (entries with a newline are left out), then argc/argv by __cl_get_argc(),
 *    __cl_get_argv_len(i) (without NUL), __cl_copy_argv(buf, i) (with NUL, returns 0). Exact environment: the file
 *    /proc/self/environ, entries NUL-terminated.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define WALI_NSIG 65            /* signals 1 .. 64 */
#define WALI_SIGSET_SIZE 8      /* sigsetsize of every rt_sig* call */
#define WALI_PAGE_SIZE 4096     /* of mmap, munmap, mprotect; memory.grow keeps its 65536 */
#define WALI_NOFILE 1024        /* RLIMIT_NOFILE a guest starts with */
#define WALI_PATH_MAX 4096
#define WALI_IOV_MAX 1024

typedef uint32_t WaliPointer;   /* guest address or table slot */

#define WALI_CHECK(type_, size_) _Static_assert(sizeof(type_) == (size_), #type_ " has the guest's size")
#define WALI_AT(type_, field_, offset_) _Static_assert(offsetof(type_, field_) == (offset_), #type_ "." #field_)

/* --- time --- */
typedef struct WaliTimespec { int64_t tv_sec, tv_nsec; } WaliTimespec;
typedef struct WaliTimeval { int64_t tv_sec, tv_usec; } WaliTimeval;
typedef struct WaliTimezone { int32_t tz_minuteswest, tz_dsttime; } WaliTimezone;
typedef struct WaliItimerval { WaliTimeval it_interval, it_value; } WaliItimerval;
typedef struct WaliItimerspec { WaliTimespec it_interval, it_value; } WaliItimerspec;
typedef struct WaliTms { int64_t tms_utime, tms_stime, tms_cutime, tms_cstime; } WaliTms;
typedef struct WaliUtimbuf { int64_t actime, modtime; } WaliUtimbuf;
WALI_CHECK(WaliTimespec, 16);
WALI_CHECK(WaliTimeval, 16);
WALI_CHECK(WaliTimezone, 8);
WALI_CHECK(WaliItimerval, 32);
WALI_CHECK(WaliItimerspec, 32);
WALI_CHECK(WaliTms, 32);
WALI_CHECK(WaliUtimbuf, 16);

/* --- files --- */
typedef struct WaliStat { /* stat, lstat, fstat, newfstatat: as on x86-64 */
    uint64_t st_dev, st_ino, st_nlink;
    uint32_t st_mode, st_uid, st_gid, pad0;
    uint64_t st_rdev;
    int64_t st_size, st_blksize, st_blocks;
    WaliTimespec st_atim, st_mtim, st_ctim;
    int64_t unused[3];
} WaliStat;
WALI_CHECK(WaliStat, 144);
WALI_AT(WaliStat, st_mode, 24);
WALI_AT(WaliStat, st_size, 48);
WALI_AT(WaliStat, st_atim, 72);

typedef struct WaliStatxTime { int64_t tv_sec; uint32_t tv_nsec; int32_t pad; } WaliStatxTime;
typedef struct WaliStatx {
    uint32_t stx_mask, stx_blksize;
    uint64_t stx_attributes;
    uint32_t stx_nlink, stx_uid, stx_gid;
    uint16_t stx_mode, pad1;
    uint64_t stx_ino, stx_size, stx_blocks, stx_attributes_mask;
    WaliStatxTime stx_atime, stx_btime, stx_ctime, stx_mtime;
    uint32_t stx_rdev_major, stx_rdev_minor, stx_dev_major, stx_dev_minor;
    uint64_t spare[14];
} WaliStatx;
WALI_CHECK(WaliStatxTime, 16);
WALI_CHECK(WaliStatx, 256);
WALI_AT(WaliStatx, stx_atime, 64);

typedef struct WaliStatfs {
    uint64_t f_type, f_bsize, f_blocks, f_bfree, f_bavail, f_files, f_ffree;
    int32_t f_fsid[2];
    uint64_t f_namelen, f_frsize, f_flags, f_spare[4];
} WaliStatfs;
WALI_CHECK(WaliStatfs, 120);

typedef struct WaliDirent64 { /* getdents64: d_reclen is a multiple of 8 */
    uint64_t d_ino;
    int64_t d_off;
    uint16_t d_reclen;
    uint8_t d_type;
    char d_name[];
} WaliDirent64;
WALI_AT(WaliDirent64, d_name, 19);

typedef struct WaliIovec { WaliPointer iov_base; uint32_t iov_len; } WaliIovec;
typedef struct WaliFlock { /* F_GETLK 5, F_SETLK 6, F_SETLKW 7; F_OFD_* 36 37 38 */
    int16_t l_type, l_whence;
    int32_t pad0;
    int64_t l_start, l_len;
    int32_t l_pid, pad1;
} WaliFlock;
typedef struct WaliOwnerEx { int32_t type, pid; } WaliOwnerEx;
typedef struct WaliOpenHow { uint64_t flags, mode, resolve; } WaliOpenHow;
WALI_CHECK(WaliIovec, 8);
WALI_CHECK(WaliFlock, 32);
WALI_AT(WaliFlock, l_start, 8);
WALI_AT(WaliFlock, l_pid, 24);
WALI_CHECK(WaliOpenHow, 24);

/* --- polling --- */
typedef struct WaliPollfd { int32_t fd; int16_t events, revents; } WaliPollfd;
typedef struct WaliFdSet { uint64_t bits[16]; } WaliFdSet;
typedef struct __attribute__((packed)) WaliEpollEvent { uint32_t events; uint64_t data; } WaliEpollEvent;
typedef struct WaliPselectMask { int64_t set, size; } WaliPselectMask; /* 6th argument of pselect6 points to it: musl passes two longs (upper half of set undefined) */
WALI_CHECK(WaliPollfd, 8);
WALI_CHECK(WaliPselectMask, 16);
WALI_CHECK(WaliFdSet, 128);
WALI_CHECK(WaliEpollEvent, 12);

/* --- terminals --- */
#define WALI_KERNEL_NCCS 19
typedef struct WaliTermios { /* what TCGETS and TCSETS move; musl's struct termios (NCCS 32) is longer */
    uint32_t c_iflag, c_oflag, c_cflag, c_lflag;
    uint8_t c_line, c_cc[WALI_KERNEL_NCCS];
} WaliTermios;
typedef struct WaliWinsize { uint16_t ws_row, ws_col, ws_xpixel, ws_ypixel; } WaliWinsize;
WALI_CHECK(WaliTermios, 36);
WALI_CHECK(WaliWinsize, 8);

/* --- signals --- */
#define WALI_SIG_DFL 0u
#define WALI_SIG_IGN 0xfffffffeu /* -2: published musl's <signal.h>; our SDK leaves slots 1..3 empty as well */
typedef struct __attribute__((packed)) WaliSigaction { /* rt_sigaction's k_sigaction */
    uint32_t handler;  /* WALI_SIG_DFL, WALI_SIG_IGN, else a table slot (1 is SIG_IGN only where slot 1 is null) */
    uint64_t flags;
    uint32_t restorer; /* not used */
    uint64_t mask;
} WaliSigaction;
typedef struct WaliSigset { uint64_t bits[16]; } WaliSigset; /* user space sigset_t: 128 bytes, 8 of them used */
typedef struct WaliStack { WaliPointer ss_sp; int32_t ss_flags; uint32_t ss_size; } WaliStack;
typedef struct WaliSiginfo { /* the union's fields have no si_ prefix: libc defines macros of those names */
    int32_t si_signo, si_errno, si_code, pad0;
    union {
        uint8_t pad[112];
        struct { int32_t pid; uint32_t uid; uint32_t value; } queue;
        struct { int32_t pid; uint32_t uid; int32_t status; int32_t pad; int64_t utime, stime; } child;
        struct { int32_t timerid, overrun; uint32_t value; } timer;
        struct { WaliPointer addr; int16_t addr_lsb; } fault;
        struct { int64_t band; int32_t fd; } poll;
    } fields;
} WaliSiginfo;
typedef struct WaliUcontext { /* third argument of an SA_SIGINFO handler; only uc_sigmask is filled in */
    uint64_t uc_flags;
    WaliPointer uc_link;
    WaliStack uc_stack;
    uint64_t uc_mcontext[32];
    WaliSigset uc_sigmask;
    uint64_t fpregs[64];
} WaliUcontext;
typedef struct WaliSignalfdSiginfo {
    uint32_t ssi_signo;
    int32_t ssi_errno, ssi_code;
    uint32_t ssi_pid, ssi_uid;
    int32_t ssi_fd;
    uint32_t ssi_tid, ssi_band, ssi_overrun, ssi_trapno;
    int32_t ssi_status, ssi_int;
    uint64_t ssi_ptr, ssi_utime, ssi_stime, ssi_addr;
    uint16_t ssi_addr_lsb, pad2;
    int32_t ssi_syscall;
    uint64_t ssi_call_addr;
    uint32_t ssi_arch;
    uint8_t pad[28];
} WaliSignalfdSiginfo;
WALI_CHECK(WaliSigaction, 24);
WALI_AT(WaliSigaction, flags, 4);
WALI_AT(WaliSigaction, mask, 16);
WALI_CHECK(WaliStack, 12);
WALI_CHECK(WaliSiginfo, 128);
WALI_AT(WaliSiginfo, fields.child.status, 24);
WALI_AT(WaliSiginfo, fields.child.utime, 32);
WALI_AT(WaliSiginfo, fields.queue.value, 24);
WALI_CHECK(WaliUcontext, 24 + 256 + 128 + 512);
WALI_AT(WaliUcontext, uc_sigmask, 280);
WALI_CHECK(WaliSignalfdSiginfo, 128);

/* --- processes and the system --- */
typedef struct WaliRusage { /* the kernel writes these 144 bytes; musl's struct has 128 more */
    WaliTimeval ru_utime, ru_stime;
    int64_t ru_maxrss, ru_ixrss, ru_idrss, ru_isrss, ru_minflt, ru_majflt, ru_nswap, ru_inblock, ru_oublock;
    int64_t ru_msgsnd, ru_msgrcv, ru_nsignals, ru_nvcsw, ru_nivcsw;
} WaliRusage;
typedef struct WaliRlimit { uint64_t rlim_cur, rlim_max; } WaliRlimit; /* getrlimit, setrlimit, prlimit64 */
typedef struct WaliSysinfo { /* the kernel's 112 bytes; musl's struct is longer */
    int64_t uptime;
    uint64_t loads[3], totalram, freeram, sharedram, bufferram, totalswap, freeswap;
    uint16_t procs, pad;
    uint32_t pad2;
    uint64_t totalhigh, freehigh;
    uint32_t mem_unit, pad3;
} WaliSysinfo;
typedef struct WaliUtsname { char sysname[65], nodename[65], release[65], version[65], machine[65], domainname[65]; } WaliUtsname;
typedef struct WaliSchedParam { int32_t sched_priority; } WaliSchedParam;
WALI_CHECK(WaliRusage, 144);
WALI_CHECK(WaliRlimit, 16);
WALI_CHECK(WaliSysinfo, 112);
WALI_AT(WaliSysinfo, totalhigh, 88);
WALI_AT(WaliSysinfo, mem_unit, 104);
WALI_CHECK(WaliUtsname, 390);

/* --- sockets: sockaddr_* are byte for byte Linux's --- */
typedef struct WaliMsghdr {
    WaliPointer msg_name;
    uint32_t msg_namelen;
    WaliPointer msg_iov;
    int32_t msg_iovlen, pad1;
    WaliPointer msg_control;
    uint32_t msg_controllen;
    int32_t pad2;
    int32_t msg_flags;
} WaliMsghdr;
typedef struct WaliCmsghdr { uint32_t cmsg_len; int32_t pad; int32_t cmsg_level, cmsg_type; } WaliCmsghdr;
typedef struct WaliUcred { int32_t pid; uint32_t uid, gid; } WaliUcred;
typedef struct WaliLinger { int32_t l_onoff, l_linger; } WaliLinger;
typedef struct WaliSockaddrUn { uint16_t sun_family; char sun_path[108]; } WaliSockaddrUn;
WALI_CHECK(WaliMsghdr, 36);
WALI_AT(WaliMsghdr, msg_control, 20);
WALI_CHECK(WaliCmsghdr, 16);
WALI_CHECK(WaliUcred, 12);
WALI_CHECK(WaliSockaddrUn, 110);
