/* SPDX-License-Identifier: Apache-2.0 */
/*
 * zygote-caller.h - the caller's books: nests, templates, children. Not included outside src/zygote.
 */
#pragma once

#include <sched.h>

#include "zygote/zygote-int.h"

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
    char *words;        /* owned: of a warm template the dispatch it was made for, else NULL */
    size_t words_size;
    Digest digest;      /* of the snapshot, when has_digest */
    bool has_digest;
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
    uint32_t ahead_maximum; /* so many parked children have a descriptor for signals; the others get one when they are told (4 us): a process has so many */
    uint64_t next_id;
    struct ZygoteHint { uint32_t hash, template_1; } hints[ZYGOTE_HINTS]; /* which template (+ 1) a path got last: whom to wake early, never whom to start */
    ZygoteStats stats;
};

int nest_start(Zygote *zygote, Error *err) WARN_UNUSED;
void nest_stop(Zygote *zygote, uint32_t index);
int zygote_revive(Zygote *zygote, Error *err) WARN_UNUSED; /* the present nest has died: another one */

/* template_get() - @words: NULL, or the dispatch of a warm one (copied). NULL: no room. */
Template *template_get(Zygote *zygote, const char *entry, const char *words, size_t words_size);
Template *template_warm(Zygote *zygote, const char *entry, const char *dispatch, size_t size); /* that was made for this dispatch, or NULL */
int template_open(Zygote *zygote, Template *template, Error *err) WARN_UNUSED;
/* child_new() - a child of the template, forked now. Return: 0, -EAGAIN, -ECHILD. */
int child_new(Zygote *zygote, Template *template, bool is_parked, uint32_t *ret_child, Error *err) WARN_UNUSED;
int child_fork_answer(Zygote *zygote, Template *template, uint32_t index) WARN_UNUSED; /* its pid; a dispatch may be sent before */
void child_free(Zygote *zygote, uint32_t index);
void template_forget(Zygote *zygote, Template *template); /* lets its parked children go */
/* child_unpark() - takes one of the list, NONE when it is empty. */
uint32_t child_unpark(Zygote *zygote, Template *template);
void child_ended(Zygote *zygote, uint32_t index, ZygoteEndKind kind, int status, const EndMessage *message);
void ends_take(Zygote *zygote, uint32_t nest);
