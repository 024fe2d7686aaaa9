/* SPDX-License-Identifier: Apache-2.0 */
/*
 * vk.h - the vkernel: serves the system calls of one guest process (design.md section 7).
 *
 * One core (vk/core: files, descriptors, paths, processes, signals, time, sockets on guest memory) under two thin
 * personalities: wasi (wasi_snapshot_preview1) and wali (WebAssembly Linux Interface). A Vk belongs to one process;
 * after a guest fork the child goes on with its copy. instance->host is the Vk.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "manifest/gate.h"
#include "rt/rt.h"

typedef struct Vk Vk;

typedef struct VkConfig {
    int root_fd;              /* O_PATH of the guest's root; >= minimum_fd; paths are resolved beneath it; borrowed for the process's life */
    bool is_root_private;     /* the process's own "/" is the guest's root (pivoted): plain paths are as good as openat2 */
    int minimum_fd;           /* runtime descriptors are >= this number; the guest never sees or makes one there */
    Gate *gate;               /* decides execve; borrowed */
    RtLoaded *loaded;         /* the image's object; borrowed */
    const char *cwd;          /* initial, absolute in the guest's root */
    const char *const *argv;  size_t argc;
    const char *const *envp;  size_t envc;
    uint32_t page_limit;      /* linear memory cap in WASM pages, 0 none */
    size_t native_stack_size; /* 0 default */
    const char *hostname;     /* for uname when there is no UTS namespace, or NULL */
    bool is_network_allowed;
    bool is_network_shared;   /* the network namespace is the host's: abstract AF_UNIX names in it are refused */
    uint32_t open_files_count; /* the guest's RLIMIT_NOFILE, at most LIMIT_GUEST_FDS; 0: that */
    bool is_root_read_only;   /* no namespaces to remount: writes under the root answer EROFS */
    const char *const *preopens; size_t preopen_count; /* WASI: "DIR" or "DIR::NAME", DIR in the guest's root; NULL: {"/"}; not NULL and 0: none */
    bool is_tracing;          /* strace lines on stderr */
} VkConfig;

/* vk_new() - in the process that will run the guest, after the sandbox is closed. Below minimum_fd only 0, 1 and 2 may be open. */
int vk_new(const VkConfig *config, Vk **ret_vk, Error *err) WARN_UNUSED;
/*
 * A vkernel that is made ahead, for a program that is not asked for yet (src/zygote): vk_new() with argc 0, vk_prepare(), then in a child of a
 * fork vk_request(), vk_run(). vk_prepare() makes the entry's instance, up to its first instruction; vk_run() with a verdict of another entry makes it anew.
 */
int vk_prepare(Vk *vk, const RtEntry *entry, Error *err) WARN_UNUSED;
typedef struct VkRequest {
    const char *argv; size_t argc; /* argc strings, one behind the other, each with its NUL */
    const char *envp; size_t envc;
    const char *cwd;
    uint32_t page_limit;           /* 0: that of VkConfig */
    uint32_t open_files_count;     /* 0: that of VkConfig */
} VkRequest;
/* vk_request() - arguments and the like of a vkernel that has none; looks at what 0, 1 and 2 are now. -ENOMEM: page_limit is below what the entry starts with. */
int vk_request(Vk *vk, const VkRequest *request, Error *err) WARN_UNUSED;
/* vk_rehearse() - vk_request(), and of vk_run() what can be undone, so that their pages do not fault then; nothing stays. Before vk_request(). */
void vk_rehearse(Vk *vk, const VkRequest *request);
/*
 * vk_run() - start the entry a verdict allows (takes its descriptors), serve it to its end and end this process in
 * the way the guest ended: _exit(status) or death by its signal. Does not return on success.
 */
int vk_run(Vk *vk, GateVerdict *verdict, Error *err);

/*
 * A program that is run to its ready point and forked from there (warm.c; doc/decisions/023): vk_request(), vk_warm(), vk_run(). ready() is called on the
 * program's stack at its ready point (recompiler.ready, or the first read from descriptor 0) and returns in those processes only in which the program
 * is to go on, after vk_warm_resume() there. refused() is called for a call that a snapshot must not depend on; it does not return. WALI only.
 */
typedef struct VkWarm {
    int64_t now_s;        /* the instant all clocks tell until then */
    void (*ready)(void *context);
    void (*refused)(void *context, const char *call, const char *why);
    void *context;
} VkWarm;
void vk_warm(Vk *vk, const VkWarm *warm); /* borrowed until vk_warm_resume() */
/* vk_warm_digest() - SHA-256 of memory, globals, tables and signal dispositions; equal for equal programs, arguments and files. At the ready point. */
int vk_warm_digest(const Vk *vk, Digest *ret_digest) WARN_UNUSED;
/* vk_warm_resume() - in a fork: descriptors 0, 1, 2 are the instance's; exe_fd is taken; page_limit 0: as before. -ENOMEM: the snapshot is larger. */
int vk_warm_resume(Vk *vk, int exe_fd, uint32_t page_limit, Error *err) WARN_UNUSED;

/* Signals: is a guest signal pending? Called by long host loops. */
bool vk_is_interrupted(const Vk *vk);

/* Personalities. Each resolves one import module; NULL when (name, signature) is not one of its calls. */
const void *vk_wasi_resolve(const char *name, const char *signature);
const void *vk_wasi_threads_resolve(const char *name, const char *signature); /* import module "wasi": thread-spawn */
const void *vk_wali_resolve(const char *name, const char *signature);
/* vk_resolve() - RtResolve over both; context is the Vk or NULL. Unknown wali.SYS_* binds to ENOSYS (logged once). */
const void *vk_resolve(void *context, const char *module, const char *name, const char *signature);
