/* SPDX-License-Identifier: Apache-2.0 */
/*
 * zygote-int.h - the messages between caller, keeper, zygote, templates and children, and the caller's books. Not included outside src/zygote.
 *
 * Every channel is a SOCK_SEQPACKET pair, one message a packet: each arrives whole with its descriptors or not at all.
 *
 *   caller -> zygote     ControlMessage TEMPLATE (1 descriptor: the template's end of its channel)      answer: ForkAnswer
 *   caller -> template   ControlMessage FORK (1 descriptor: the child's end of its channel)      answer: ForkAnswer
 *   caller -> child      DispatchHeader and strings (descriptors: stdio, exe, script, control groups)   answer: StartAnswer
 *   zygote (of templates), template (of its children) -> keeper -> caller   EndMessage
 */
#pragma once

#include <sched.h>
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
void template_main(ZygoteInner *inner, const char *entry, int channel_fd) __attribute__((noreturn));

typedef enum ChildState { CHILD_NONE = 0, CHILD_PARKED, CHILD_RUNNING, CHILD_LET_GO /* its channel is closed, or it is on its way */, CHILD_ENDED } ChildState;

typedef struct Child {
    ChildState state;
    bool was_parked;
    bool is_timed_out;
    pid_t pid;
    pid_t template_pid;
    int fd, pid_fd;     /* owned: our end of its channel; for signals */
    uint32_t next;      /* index in a list, NONE at its end */
    uint32_t template;
    int32_t processor;  /* what it is bound to while it is parked, -1 nothing */
    uint32_t nest;
    uint64_t id;
    uint64_t deadline_ms; /* 0: none */
    ZygoteEnd end;      /* CHILD_ENDED */
} Child;
#define NONE UINT32_MAX

typedef struct Template {
    char entry[ZYGOTE_ENTRY_SIZE];
    pid_t pid;
    int fd;             /* owned: our end of its channel; -1: not there (not yet, or it died) */
    uint32_t parked;    /* first of the list */
    uint32_t parked_count, target, minimum, maximum;
    uint64_t used_ms;   /* last spawn */
} Template;

typedef struct Nest { /* one keeper with its zygote: a policy generation */
    pid_t keeper;
    pid_t zygote;
    int control_fd, end_fd; /* owned, -1 */
    uint32_t child_count;   /* of ours that have not ended */
    bool is_old;            /* another policy holds: ends with its last instance */
} Nest;
#define NESTS 8u

struct Zygote {
    ContainerConfig config;
    ZygoteOptions options;
    RtLoaded *loaded;
    Audit *log, *relay; /* NULL: no audit */
    int log_fd;
    AuditRecord common;
    Gate *gate;
    int root_fd, epoll_fd;
    GateVerdict *verdict;
    cpu_set_t processors; /* the caller's, so its children's */
    char *buffer;       /* ZYGOTE_INLINE_SIZE, then as needed */
    size_t buffer_size;
    Nest nests[NESTS];
    uint32_t nest;      /* the present one */
    Template templates[ZYGOTE_TEMPLATES];
    uint32_t template_count;
    Child *children;    /* options.process_max */
    uint32_t *by_pid;   /* index + 1 of the child with that pid, 0 none */
    uint32_t free, ended, ended_last;
    uint32_t running_count, parked_count;
    uint64_t next_id;
    struct ZygoteHint { uint32_t hash, template_1; } hints[ZYGOTE_HINTS]; /* which template (+ 1) a path got last: whom to wake early, never whom to start */
    ZygoteStats stats;
};

int nest_start(Zygote *zygote, Error *err) WARN_UNUSED;
void nest_stop(Zygote *zygote, uint32_t index);
int zygote_revive(Zygote *zygote, Error *err) WARN_UNUSED; /* the present nest has died: another one */

Template *template_get(Zygote *zygote, const char *entry);
/* child_new() - a child of the template, forked now. Return: 0, -EAGAIN, -ECHILD. */
int child_new(Zygote *zygote, Template *template, bool is_parked, uint32_t *ret_child, Error *err) WARN_UNUSED;
int child_fork_answer(Zygote *zygote, Template *template, uint32_t index) WARN_UNUSED; /* its pid; a dispatch may be sent before */
void child_free(Zygote *zygote, uint32_t index);
void template_forget(Zygote *zygote, Template *template); /* lets its parked children go */
/* child_unpark() - takes one of the list, NONE when it is empty. */
uint32_t child_unpark(Zygote *zygote, Template *template);
void child_ended(Zygote *zygote, uint32_t index, ZygoteEndKind kind, int status, const EndMessage *message);
void ends_take(Zygote *zygote, uint32_t nest);
uint64_t zygote_now_ms(void);
