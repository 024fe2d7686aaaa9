/* SPDX-License-Identifier: Apache-2.0 */
/*
 * zygote-int.h - the messages between caller, keeper, zygote, templates and children. Not included outside src/zygote.
 *
 * Every channel is a SOCK_SEQPACKET pair, one message a packet: each arrives whole with its descriptors or not at all.
 *
 *   caller -> zygote     ControlMessage TEMPLATE (1 descriptor: the template's end of its channel)      answer: ForkAnswer
 *   caller -> template   ControlMessage FORK (1 descriptor: the child's end of its channel)      answer: ForkAnswer
 *   caller -> child      DispatchHeader and strings (descriptors: stdio, exe, script, control groups)   answer: StartAnswer
 *   zygote (of templates), template (of its children) -> keeper -> caller   EndMessage
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include "base/limits.h"
#include "manifest/audit.h"
#include "manifest/gate.h"
#include "sandbox/container.h"
#include "zygote/zygote.h"

#define ZYGOTE_FDS_MAX 8             /* stdio, exe, script, three control groups */
#define ZYGOTE_INLINE_SIZE 65536u    /* bytes of a dispatch that travel in the message; more travel in a sealed memory file */
#define ZYGOTE_DISPATCH_MAX (sizeof(DispatchHeader) + LIMIT_ARG_SIZE + 8u * LIMIT_PATH_SIZE)
#define ZYGOTE_TEMPLATES 64u
#define ZYGOTE_ENTRY_SIZE 256u
#define ZYGOTE_PID_MAX (1 << 22)    /* PID_MAX_LIMIT of a 64-bit kernel */
#define ZYGOTE_ALERT_SIZE 1          /* bytes of a message that only wakes */
#define ZYGOTE_HINTS 64u             /* a power of two */
#define ZYGOTE_MAGIC 0x5a594731u

typedef enum ControlKind { CONTROL_TEMPLATE = 1, CONTROL_FORK } ControlKind;

typedef struct ControlMessage {
    uint32_t magic;
    uint32_t kind;
    uint32_t is_parked;            /* FORK: 0 its dispatch is on its way */
    int32_t processor;             /* FORK, parked: the one it is bound to until its dispatch; -1 none */
    char entry[ZYGOTE_ENTRY_SIZE]; /* TEMPLATE */
    uint32_t is_warm, reserved;    /* TEMPLATE: a dispatch without descriptors follows on its channel */
} ControlMessage;

typedef struct ForkAnswer { int32_t pid; /* or -errno */ } ForkAnswer;
typedef enum DispatchFlag {
    DISPATCH_FILE = 1u << 0,   /* strings and all are in a sealed memory file, the last descriptor */
    DISPATCH_SCRIPT = 1u << 1, /* a descriptor of the script follows that of the program */
    DISPATCH_BOUND = 1u << 2,  /* the child is bound to a processor, and unbinds itself */
} DispatchFlag;

typedef struct DispatchHeader { /* followed by the strings: argv, envp, cwd, entry, path, resolved, interpreter, its argument, script; each with its NUL */
    uint32_t magic;
    uint32_t size;        /* of header and strings */
    uint32_t flags;
    uint32_t argc, envc;
    uint32_t join_count;  /* descriptors of control groups */
    uint32_t page_limit;
    uint32_t open_files_count;
    uint32_t program_flags; /* ManifestFlag */
    uint32_t reserved;
    uint64_t memory_size, pids_count; /* for rlimits */
} DispatchHeader;
_Static_assert(sizeof(DispatchHeader) == 56, "no padding travels");
#define DISPATCH_TEXTS 7u /* strings behind envp */

typedef struct StartAnswer {
    uint64_t start_ns; /* 0: not started, error says why */
    Error error;
} StartAnswer;

typedef struct WarmAnswer { /* of a warm template at its ready point, in place of a start time */
    uint64_t start_ns;
    Digest digest;
} WarmAnswer;
typedef enum EndKind { END_PROCESS = 1, END_ZYGOTE } EndKind;
typedef struct EndMessage {
    uint32_t kind;
    int32_t pid;
    int32_t status; /* as wait(2) gives it */
    uint32_t reserved;
    uint64_t user_us, system_us, memory_peak;
} EndMessage;

/* --- message.c --- */
/* message_send() - one packet; descriptors are borrowed. Return: 0, -errno (-EPIPE: nobody is there). */
int message_send(int socket_fd, const void *bytes, size_t size, const int *fds, size_t fd_count);
/* message_receive() - Return: bytes of the packet (0: the other end is closed), -errno; *ret_fd_count descriptors, owned, without CLOEXEC. A packet or list that was cut is -EBADMSG. */
int64_t message_receive(int socket_fd, void *bytes, size_t capacity, int flags, int fds[ZYGOTE_FDS_MAX], size_t *ret_fd_count);
uint64_t zygote_now_ns(void);
uint64_t zygote_now_ms(void);

typedef struct Dispatch { /* as the child sees it: everything checked. Strings point into the message. */
    DispatchHeader header;
    const char *argv, *envp;
    const char *text[DISPATCH_TEXTS]; /* cwd, entry, path, resolved, interpreter, its argument, script */
} Dispatch;
enum { TEXT_CWD, TEXT_ENTRY, TEXT_PATH, TEXT_RESOLVED, TEXT_INTERPRETER, TEXT_ARGUMENT, TEXT_SCRIPT };
/* dispatch_parse() - valid if and only if: magic, size == header.size, counts within limits, argc > 0, exactly argc + envc + DISPATCH_TEXTS strings fill it. Return: 0 or -EBADMSG. */
int dispatch_parse(const char *bytes, size_t size, Dispatch *ret_dispatch) WARN_UNUSED;
/* dispatch_write() - into buffer. Return: bytes, -E2BIG. */
int64_t dispatch_write(char *buffer, size_t capacity, const DispatchHeader *header, const ZygoteRequest *request, const char *const text[DISPATCH_TEXTS]) WARN_UNUSED;

/* --- keeper.c --- */
typedef struct ZygoteSide { /* what the children's side of one zygote is started with */
    const ContainerConfig *config;
    const ZygoteOptions *options;
    RtLoaded *loaded;
    Audit *log;     /* the caller's: forgotten in the children */
    Audit *relay;   /* NULL: none */
    int control_fd; /* zygote's end */
    int end_fd;     /* keeper's end */
    pid_t parent;
} ZygoteSide;
void keeper_main(ZygoteSide *side) __attribute__((noreturn));
bool ends_report(int end_fd); /* every child that has ended, to the keeper; false: there is no child */
typedef struct ZygoteInner { /* of the zygote, for its templates */
    const ContainerConfig *config;
    const ZygoteOptions *options;
    RtLoaded *loaded;
    Audit *relay;
    SandboxRoot root;
    int again_fd; /* sandbox_again_open() */
    int end_fd;   /* to the keeper */
    pid_t pid;    /* of the zygote; in a template its own */
} ZygoteInner;
void template_main(ZygoteInner *inner, const ControlMessage *message, int channel_fd) __attribute__((noreturn));
