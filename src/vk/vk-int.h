/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vk-int.h - inside of the vkernel: its state and the helpers every family of calls uses. Not included outside src/vk.
 *
 * Errors inside are -errno of Linux, which is what the guest gets; nothing here allocates on a hot path. The state belongs
 * to one process, its threads share it (vk-thread.h says what each has for itself); after fork the child's copy is its own. Invariants:
 *   I1 a guest descriptor is in 0 .. fd_limit-1 <= minimum_fd; every call that takes one asks vk_fd_is_bad() first.
 *   I2 guest memory is read once into host memory (vk_copy_in), checked there, and written back by vk_copy_out; both answer
 *      -EFAULT for addresses outside memory and for pages the guest made inaccessible.
 *   I3 a call that may block goes through vk_block(), so that a guest signal cannot be lost between check and call.
 */
#pragma once

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/limits.h"
#include "base/must.h"
#include "syscalls.h"
#include "vk/vk.h"
#include "vk/vk-thread.h"
#include "vk/wali-abi.h"

#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

#define VK_ROW_RESTART 1u

typedef struct VkRow {
    const char *name;
    const char *signature;
    uint32_t flags;
    const char *kinds; /* one letter an argument, see tools/gen-syscalls */
    int64_t (*call)(Vk *vk, const uint64_t *a);
    const void *thunk;
} VkRow;

/* Strings of argv or envp in one block: what the guest sees and what an exec hands over. */
typedef struct VkArguments { /* arguments.c: one of two areas, in which lists of strings are made */
    char *area;           /* owned by the vkernel, reserved at its start */
    uint32_t list_count;
    uint32_t size;        /* bytes that the lists and paths have */
} VkArguments;

typedef struct VkStrings {
    const char *area;     /* the area they are in */
    char *bytes;          /* count NUL-terminated strings */
    uint32_t *starts;     /* offsets of the strings in bytes */
    uint32_t count;
    uint32_t size;
} VkStrings;

typedef struct VkAction { /* what the guest asked for with rt_sigaction */
    uint64_t flags;
    uint64_t mask;
    uint32_t handler;
} VkAction;

/* The kernel's struct sigaction: glibc refuses 32 and 33, which it keeps for itself. */
typedef struct VkHostAction {
    void (*handler)(int, siginfo_t *, void *);
    uint64_t flags;
    void (*restorer)(void);
    uint64_t mask;
} VkHostAction;
#define VK_SA_RESTORER 0x04000000u

typedef struct VkMap {
    uint64_t *used;       /* bitmap over the 4 KiB pages of linear memory: 1 = in use */
    uint64_t *special;    /* 1 = not plain private zero-filled read-write memory */
    uint64_t *backed;     /* 1 = of a file or shared; only looked at when has_backed */
    bool has_backed;
    uint32_t known_pages; /* WASM pages of linear memory that the bitmaps know about */
    uint64_t brk_start, brk_now, brk_end;
    uint64_t search;      /* 4 KiB page where the next search starts */
    bool is_ready;
    VkLock lock;          /* around everything of this structure and what the host maps in linear memory */
} VkMap;

struct Vk {
    VkConfig config;
    RtInstance *instance;     /* the leader's: for the memory, which all threads share */
    uint32_t fd_limit;        /* guest descriptors are below it; RLIMIT_NOFILE can be lower, for new ones */
    bool is_tracing;
    bool is_slow;             /* is_tracing or is_warmed: calls go through vk_call_slow() */
    bool is_warmed;           /* the program was started under vk_warm() */
    const VkWarm *warm;       /* borrowed: until the ready point, then NULL */
    uint64_t warm_random;
    bool has_raw_proc;        /* a procfs is mounted beneath the root: what lands in it is refused */
    bool has_fault_handler;
    bool has_family;          /* no pid namespace: only processes of the family are the guest's; before the first fork that is this one */
    VkMap map;
    VkArguments arguments[2];
    VkStrings argv, envp;
    char *exec_text;          /* owned: path of an execve, behind it the directory; 2 * LIMIT_PATH_SIZE bytes */
    int exe_fd;               /* what /proc/self/exe is, >= minimum_fd, or -1 */
    int script_fd;            /* sealed copy of the script that the interpreter will open, or -1 */
    const char *exe_path;     /* in the program's arguments, like the next */
    const char *script_path;  /* NULL when script_fd is -1 */
    char comm[16];
    uint32_t program_flags;   /* ManifestFlag of the program that runs: interpreters are told to ask */
    char *root_path;          /* host path of the root when it is not private, without trailing slash; owned */
    size_t root_path_size;
    uint64_t maybe_cloexec[LIMIT_GUEST_FDS / 64]; /* superset of the guest's close-on-exec descriptors */
    uint64_t limits[16][2];   /* rlimits the vkernel keeps itself (proc.c) */
    uint64_t file_size_max;   /* the host's hard RLIMIT_FSIZE, never lowered */
    uint64_t *family;         /* shared by the container's processes: bitmap of their pids; NULL in a pid namespace, and before the first fork */
    GateVerdict *verdict;     /* owned; room for one exec decision */
    struct VkInode { uint64_t device, number; bool is_there; } lent[3]; /* what the caller passed as standard input, output, error */
    struct Wasi *wasi;        /* owned: descriptors of the wasi personality, NULL until the program's first wasi call */
    VkThread *threads;        /* all, under thread_lock */
    VkThread *leader;         /* the one whose id is the process's */
    uint32_t thread_count;    /* those that have not ended */
    uint32_t stop_event;      /* futex: changes when a thread ends or parks */
    uint32_t has_job;         /* futex: an execve waits for the leader */
    uint32_t thread_ends;     /* how many there were */
    int32_t leader_status;
    bool is_stopping;         /* an execve: nobody is spawned */
    bool has_had_threads;
    void (*job)(RtInstance *instance, void *vk);
    struct VkExecJob { VkArguments *arguments; VkStrings argv, envp; } exec_job;
    VkLock exec_lock;         /* exec_text, verdict, arguments, the gate; interruptible: vk_exec_lock() */
    VkLock thread_lock, wasi_lock, action_lock;
    VkLock file_lock;         /* script_fd, file_size_lifts */
    uint32_t file_size_lifts;
    VkAction actions[WALI_NSIG]; /* under action_lock */
    VkThread main_thread;     /* last, for its queue */
};

/* --- syscall.S: the host's system calls --- */
/* vk_syscall_blocking() - the call numbered nr unless *interrupt is set (then -EINTR); the two cannot be torn apart, see sig.c. */
int64_t vk_syscall_blocking(const uint32_t *interrupt, long nr, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f);
extern const char vk_syscall_begin[], vk_syscall_end[], vk_syscall_interrupted[];
/* vk_copy_raw() - memcpy that survives a fault. Return: 0, or -1 after a fault. vk_string_raw(): strlcpy-like; length, -1 fault, -2 too long. */
int64_t vk_copy_raw(void *to, const void *from, size_t size);
int64_t vk_string_raw(char *to, const char *from, size_t capacity);
extern const char vk_copy_begin[], vk_copy_end[], vk_copy_fault[];
void vk_sigreturn(void); /* the restorer of a VkHostAction */

static inline int64_t vk_sys6(long nr, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e, uint64_t f)
{
    register uint64_t r10 __asm__("r10") = d;
    register uint64_t r8 __asm__("r8") = e;
    register uint64_t r9 __asm__("r9") = f;
    int64_t result;
    __asm__ volatile("syscall" : "=a"(result) : "a"(nr), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9) : "rcx", "r11", "memory");
    return result;
}
#define VK_ARG(x) ((uint64_t)(x))
#define VK_PTR(x) ((uint64_t)(uintptr_t)(x))
#define vk_sys0(nr) vk_sys6((nr), 0, 0, 0, 0, 0, 0)
#define vk_sys1(nr, a) vk_sys6((nr), VK_ARG(a), 0, 0, 0, 0, 0)
#define vk_sys2(nr, a, b) vk_sys6((nr), VK_ARG(a), VK_ARG(b), 0, 0, 0, 0)
#define vk_sys3(nr, a, b, c) vk_sys6((nr), VK_ARG(a), VK_ARG(b), VK_ARG(c), 0, 0, 0)
#define vk_sys4(nr, a, b, c, d) vk_sys6((nr), VK_ARG(a), VK_ARG(b), VK_ARG(c), VK_ARG(d), 0, 0)
#define vk_sys5(nr, a, b, c, d, e) vk_sys6((nr), VK_ARG(a), VK_ARG(b), VK_ARG(c), VK_ARG(d), VK_ARG(e), 0)
#define vk_block(vk, nr, a, b, c, d, e, f) \
    vk_syscall_blocking(&vk_self->instance->interrupt, (nr), VK_ARG(a), VK_ARG(b), VK_ARG(c), VK_ARG(d), VK_ARG(e), VK_ARG(f))

/* --- guest.c: guest memory --- */
static inline void *vk_guest(const Vk *vk, GuestAddr address, uint64_t size) { return rt_guest(vk->instance, address, size); }
/* vk_copy_in(), vk_copy_out() - Return: 0 or -EFAULT. */
static inline int vk_copy_in(const Vk *vk, void *to, GuestAddr from, size_t size)
{
    const void *host = vk_guest(vk, from, size);
    return likely(host != NULL) && likely(vk_copy_raw(to, host, size) == 0) ? 0 : -EFAULT;
}
static inline int vk_copy_out(const Vk *vk, GuestAddr to, const void *from, size_t size)
{
    void *host = vk_guest(vk, to, size);
    return likely(host != NULL) && likely(vk_copy_raw(host, from, size) == 0) ? 0 : -EFAULT;
}
/* vk_copy_string() - NUL-terminated string into to. Return: length, -EFAULT, -ENAMETOOLONG. */
int64_t vk_copy_string(const Vk *vk, char *to, size_t capacity, GuestAddr from) WARN_UNUSED;
/* vk_copy_path() - as vk_copy_string() for a path of LIMIT_PATH_SIZE; 0 or -errno. */
int vk_copy_path(const Vk *vk, char path[LIMIT_PATH_SIZE], GuestAddr from) WARN_UNUSED;
/* vk_copy_iovec() - count guest iovecs as host ones, every range inside memory. Return: 0, -EINVAL, -EFAULT. */
struct iovec;
int vk_copy_iovec(const Vk *vk, struct iovec *to, GuestAddr from, int32_t count) WARN_UNUSED;
/* vk_copy_timespec() - NULL address: *ret is NULL; else *ret = to, checked to be a valid time. */
struct timespec;
int vk_copy_timespec(const Vk *vk, struct timespec *to, GuestAddr from, struct timespec **ret) WARN_UNUSED;
/* vk_fault_install() - from now on a fault inside vk_copy_raw() is -EFAULT; called before the first page becomes inaccessible. */
void vk_fault_install(Vk *vk);

/* --- descriptors --- */
static inline bool vk_fd_is_bad(const Vk *vk, int32_t fd) { return unlikely((uint32_t)fd >= vk->fd_limit); }
static inline bool vk_at_is_bad(const Vk *vk, int32_t fd) { return fd != AT_FDCWD && vk_fd_is_bad(vk, fd); }
static inline void vk_note_cloexec(Vk *vk, int64_t fd)
{
    const uint64_t bit = 1ull << ((uint64_t)fd % 64);
    if ((__atomic_load_n(&vk->maybe_cloexec[(uint64_t)fd / 64], __ATOMIC_RELAXED) & bit) == 0) {
        __atomic_fetch_or(&vk->maybe_cloexec[(uint64_t)fd / 64], bit, __ATOMIC_RELAXED);
    }
}
/*
 * vk_fd_pin() - a descriptor that no other thread can exchange between a check of what it is and the call on it: fd itself while there is no other
 * thread, else a duplicate above the guest's numbers. Return: it or -errno. vk_fd_unpin() gives it back, and passes r on.
 */
int64_t vk_fd_pin(const Vk *vk, int32_t fd);
static inline int64_t vk_fd_unpin(int32_t fd, int64_t pinned, int64_t r)
{
    if (pinned != fd) {
        (void)vk_sys1(SYS_close, pinned);
    }
    return r;
}
/* vk_fd_new() - a descriptor the kernel just made for the guest: refuses one above the limit (-EMFILE, closed). r < 0 passes through. */
int64_t vk_fd_new(Vk *vk, int64_t fd, bool is_cloexec);

/* --- family.c: which processes a guest may touch --- */
/* vk_family_begin() - before a fork: makes the list. Cost: nothing after the first. Return: 0 or -ENOMEM. */
int vk_family_begin(Vk *vk) WARN_UNUSED;
void vk_family_set(Vk *vk, int32_t pid);
static inline void vk_family_add(Vk *vk, int32_t pid)
{
    if (vk->family != NULL) { /* a pid namespace needs no list */
        vk_family_set(vk, pid);
    }
}
void vk_family_remove(Vk *vk, int32_t pid);
/* vk_pid_is_ours() - the process (or process group) belongs to this container. Always true in a pid namespace. */
bool vk_pid_is_ours(const Vk *vk, int32_t pid);
int64_t vk_family_kill(Vk *vk, int32_t pid, int32_t number);

/* --- warm.c --- */
/* vk_warm_slow() - a call of a program that was or is warmed. Return: true: *ret_result is the answer; false: make it, with arguments a. */
bool vk_warm_slow(Vk *vk, const VkRow *row, uint64_t a[6], int64_t *ret_result);
void vk_warm_refuse(const Vk *vk, const char *call, const char *why); /* nothing unless a snapshot is being made; then it does not return */
void vk_warm_stat(const Vk *vk, WaliStat *status);
uint64_t vk_warm_ready(RtInstance *instance); /* import recompiler.ready */

/* --- proc.c --- */
/* vk_file_size_lift() - what the runtime writes for itself (audit log, sealed copies, served files) is not under the guest's RLIMIT_FSIZE, which
 * would end a denied execve by SIGXFSZ before its record is written. vk_file_size_restore() - the guest goes on. */
void vk_file_size_lift(Vk *vk);
void vk_file_size_restore(Vk *vk);

/* --- path.c --- */
typedef struct VkPlace {
    int fd;           /* directory, or the object itself (then name is "") */
    int flags;        /* AT_EMPTY_PATH or AT_SYMLINK_NOFOLLOW or 0 for the *at call */
    const char *name;
    int owned_fd;     /* closed by vk_place_deinit(), -1 none */
    char buffer[LIMIT_PATH_SIZE];
} VkPlace;

typedef enum VkPlaceKind {
    VK_PLACE_FOLLOW = 0,   /* the object, last symlink followed */
    VK_PLACE_NOFOLLOW = 1, /* the object or the symlink itself */
    VK_PLACE_PARENT = 2,   /* directory and last name, for calls that make or remove names */
} VkPlaceKind;

/* vk_place() - turn (dirfd, path) into what an *at call may be given without leaving the root. is_write: it changes the file system. */
int vk_place(Vk *vk, int32_t dirfd, const char *path, VkPlaceKind kind, bool is_write, VkPlace *place) WARN_UNUSED;
void vk_place_deinit(VkPlace *place);
/* vk_open_path() - open beneath the root with host flags. Return: fd or -errno. May block on a FIFO (interruptible). */
int64_t vk_open_path(Vk *vk, int32_t dirfd, const char *path, uint64_t flags, uint64_t mode, uint64_t resolve) WARN_UNUSED;
/* vk_cwd() - the guest's current directory, absolute in its root. Return: length or -errno. */
int64_t vk_cwd(Vk *vk, char path[LIMIT_PATH_SIZE]) WARN_UNUSED;
int vk_chdir(Vk *vk, const char *path) WARN_UNUSED;
int vk_path_setup(Vk *vk, Error *err) WARN_UNUSED;
int vk_lent_look(Vk *vk, Error *err) WARN_UNUSED; /* what 0, 1 and 2 are; a directory is -EISDIR */

/* --- fs-names.c --- */
/* vk_inode_check() - may the inode behind a descriptor (or AT_FDCWD) get another mode, owner or time? Return: 0, -EROFS (a root that is read-only
 * without a mount that says so), -EPERM (a file or terminal of the caller's, which is only lent: its mode could become set-user-id). */
int vk_inode_check(const Vk *vk, int32_t fd) WARN_UNUSED;
bool vk_is_lent(const Vk *vk, int32_t fd); /* the file behind a descriptor is one of the caller's */

/* --- proc-files.c: paths the vkernel serves itself --- */
typedef enum VkFileKind { VK_FILE_NONE = 0, VK_FILE_TEXT, VK_FILE_LINK, VK_FILE_FD, VK_FILE_DEVICE, VK_FILE_REFUSED } VkFileKind;
typedef struct VkFile {
    VkFileKind kind;
    int fd;               /* VK_FILE_FD: the guest's descriptor (or exe_fd) the path stands for */
    uint32_t index;       /* VK_FILE_TEXT: which generator */
    const char *device;   /* VK_FILE_DEVICE: host path */
    char target[LIMIT_PATH_SIZE]; /* VK_FILE_LINK, VK_FILE_FD: what readlink answers */
} VkFile;
/* vk_file_find() - is (dirfd, path) served by the vkernel? Fast "no" for everything not beneath /proc and /dev. */
bool vk_file_find(Vk *vk, const char *path, VkFile *ret_file);
bool vk_file_may_be(const char *path); /* false: vk_file_find() would say no; asked before room for a VkFile is made */
int64_t vk_file_open(Vk *vk, const VkFile *file, uint32_t flags);
int vk_file_stat(Vk *vk, const VkFile *file, bool is_follow, WaliStat *ret_stat);
#define VK_ENVIRON_LINES_PATH "/proc/self/environ.lines"
#define WALI_ENVIRON_INLINE "\x01" /* known to the SDK's __libc_start_main.c */

/* --- sig.c --- */
void vk_signals_setup(void); /* once: sigsetjmp saves, siglongjmp restores the guest's mask */
void vk_signals_reset_for_exec(Vk *vk);
void vk_signals_reinstall(Vk *vk); /* what libc took away when it made its first thread */
void vk_signals_forget(Vk *vk); /* child of fork: pending signals are the parent's */
/* vk_signals_deliver() - run the guest handlers of captured signals. Return: true when a call that answered EINTR is to be repeated. */
bool vk_signals_deliver(Vk *vk);
/* Calls with a temporary mask: checked copy of the guest's mask. Return: 0, -EFAULT, -EINVAL (size). *ret NULL when address is 0. */
int vk_copy_mask(const Vk *vk, uint64_t *mask, GuestAddr address, uint64_t size, uint64_t **ret) WARN_UNUSED;

/* --- mem.c --- */
int vk_map_setup(Vk *vk);      /* before the first guest instruction of a program */
int64_t vk_map_allocate(Vk *vk, uint64_t size); /* fresh zeroed guest memory; address or -ENOMEM */

/* --- wasi.c --- */
void vk_wasi_forget(Vk *vk); /* exec: the next program starts with a table of its own */

/* --- exec.c --- */
/* vk_script_arguments() - argv of a "#!" verdict: interpreter, its argument, the script's path, the caller's from the second on; a new list. */
int vk_script_arguments(const GateVerdict *verdict, VkArguments *arguments, VkStrings *argv) WARN_UNUSED;

/* --- arguments.c: strings of a program, see there --- */
void vk_comm_set(Vk *vk, const char *path); /* vk.c */
Vk *vk_reserve(void); /* a zeroed Vk with its verdict and areas; NULL: no memory */
void vk_release(Vk *vk);
VkArguments *vk_arguments_begin(Vk *vk); /* the area that the running program does not use, emptied */
VkStrings vk_strings_begin(VkArguments *arguments);
/* All append to the list that was begun last. Return: 0, -E2BIG; for a guest's array (NULL: an empty one) also -EFAULT. */
int vk_strings_append(VkArguments *arguments, VkStrings *strings, const char *string, size_t length) WARN_UNUSED;
int vk_strings_append_list(VkArguments *arguments, VkStrings *strings, const char *const *list, size_t count) WARN_UNUSED;
int vk_strings_append_guest(Vk *vk, VkArguments *arguments, VkStrings *strings, GuestAddr array) WARN_UNUSED;
const char *vk_arguments_path(VkArguments *arguments, const char *path); /* a copy in the area */
/* vk_is_script() - does path name the script that was started, of which script_fd is the copy that was hashed? (As text: that is what it was given.) */
bool vk_is_script(const Vk *vk, const char *path);
/* vk_script_take() - that copy as a descriptor of the guest, once. Return: fd or -errno. */
int64_t vk_script_take(Vk *vk, bool is_cloexec) WARN_UNUSED;
/* vk_exec_check() - an interpreter asks whether an open file may be run as source (execveat with AT_EXECVE_CHECK, Linux 6.14). For a program
 * marked MANIFEST_INTERPRETER the gate decides and the descriptor becomes the sealed copy that was hashed. Return: 0, -EACCES, -EBADF. */
int vk_exec_check(Vk *vk, int32_t fd) WARN_UNUSED;
/* vk_securebits() - what prctl(PR_GET_SECUREBITS) tells an interpreter: EXEC_RESTRICT_FILE, EXEC_DENY_INTERACTIVE. */
uint32_t vk_securebits(const Vk *vk);

/* --- proc.c --- */
/* vk_file_size_lift() - the guest's RLIMIT_FSIZE does not hold for what the runtime writes between lift and restore (sealed copies). */
void vk_file_size_lift(Vk *vk);
void vk_file_size_restore(Vk *vk);

/* --- wali.c, trace.c --- */
extern const VkRow vk_rows[];
int64_t vk_call_slow(Vk *vk, uint32_t row, const uint64_t *a);
int64_t vk_call_finish(Vk *vk, uint32_t row, const uint64_t *a, int64_t result);
void vk_trace_call(Vk *vk, const VkRow *row, const uint64_t *a, int64_t result);
void vk_log_once(const char *what, const char *name); /* one line on stderr */

/* Every call of syscalls.tbl. */
#define VK_DECLARE(name, signature, flags, kinds, names, prototype, parameters, array, call) int64_t vk_sys_##name prototype;
VK_SYSCALLS(VK_DECLARE)
#undef VK_DECLARE
