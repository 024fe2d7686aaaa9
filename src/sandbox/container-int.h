/* SPDX-License-Identifier: Apache-2.0 */
/*
 * container-int.h - shared by the parent's side (container.c) and the children's (container-child.c).
 */
#pragma once

#include <signal.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/error.h"
#include "manifest/audit.h"
#include "manifest/gate.h"
#include "rt/rt.h"
#include "sandbox/container.h"

typedef enum StartReportKind { /* what a child tells the parent */
    START_REPORT_INIT = 1,     /* pid: host pid of the container's init, a child of A */
    START_REPORT_CHILD,        /* the same, but it is the parent's own child, and A ends now */
    START_REPORT_READY,        /* the guest's first instruction follows */
    START_REPORT_DENIED,       /* error: the denial */
    START_REPORT_FAILED,       /* error: why */
} StartReportKind;

typedef struct StartReport {
    StartReportKind kind;
    pid_t pid;
    uint64_t ready_us;
    Error error; /* error.file is not valid in another process image: same image here, set anew all the same */
} StartReport;
_Static_assert(sizeof(StartReport) <= 4096, "one atomic write to a pipe");

typedef struct ContainerStart {
    RtLoaded *loaded;
    Audit *log;   /* of the parent: the file */
    int log_fd;   /* of the parent: where records of the container come in, -1 none */
    Audit *audit; /* of the container's processes: a relay to log */
    SandboxLimits rest; /* limits that no control group holds */
    SandboxCgroup *cgroup; /* of the parent, NULL none */
    SandboxJoin join;      /* of init: to be in it */
    int report_fd;
    pid_t parent;
    sigset_t old_signals;
    uint64_t begin_us;
} ContainerStart;

/* container_child() - A. Never returns. */
void container_child(const ContainerConfig *config, ContainerStart *start) __attribute__((noreturn));
/* The last component of argv[0]: what a multi-call program chooses by; the gate checks it against the applets its row declares. */
const char *container_applet(const ContainerConfig *config);
