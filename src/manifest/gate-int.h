/* SPDX-License-Identifier: Apache-2.0 */
/*
 * gate-int.h - the parts of the gate: gate-resolve.c (path -> descriptor), gate-open.c (descriptor -> digest), gate.c
 * (digest -> verdict).
 *
 * Return values inside the gate: 0 and > 0 results; < 0 a -errno that either is for the guest (gate_is_guest_error())
 * or is a failure of the gate itself, which the caller denies with.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "manifest/gate.h"

struct Gate {
    GateConfig config;   /* a copy; what it points to is borrowed */
    uint64_t root_mount; /* mount id of the root, 0: unknown, no fast path */
    bool is_root_noexec; /* that mount is noexec: the kernel's answer about x bits says nothing there */
};

/* A name that was resolved. path is absolute beneath the root without links, "." and ".."; empty when the file came as
 * a descriptor. */
typedef struct GateName {
    int fd; /* O_PATH, or the caller's own descriptor; owned when is_owned */
    bool is_owned;
    const char *path; /* in the buffer given to gate_resolve(), or "" */
    struct stat status; /* of fd, when is_owned */
    uint64_t mount;     /* mount id of fd when is_owned, 0 unknown */
    int directory_fd; /* how to open it again: name beneath directory_fd with resolve; -1: it came as a descriptor */
    const char *open_path;
    uint64_t resolve;
} GateName;

/* An open file that was judged. */
typedef struct GateFile {
    int fd; /* readable, >= minimum_fd, owned */
    uint64_t size;
    Digest digest;
    bool has_digest;
    bool is_stored;     /* lower file with stored digest; otherwise fd is a sealed copy once has_digest is set */
    const char *reason; /* why it cannot be executed, static */
} GateFile;

#define GATE_NAME_INIT ((GateName){.fd = -1, .directory_fd = -1, .path = ""})
#define GATE_FILE_INIT ((GateFile){.fd = -1})

/* gate_fd_high() - fd (or a -errno, handed on) moved to >= minimum_fd. */
int gate_fd_high(const Gate *gate, int fd);
/* gate_status() - fstat(2) and the mount id in one call. Return: 0 or -errno. */
int gate_status(int fd, struct stat *ret_status, uint64_t *ret_mount) WARN_UNUSED;
/* gate_resolve() - one path of a request beneath the root. buffer: LIMIT_PATH_SIZE bytes that live as long as the name. ret_name must be
 * deinitialised in every case. */
int gate_resolve(const Gate *gate, const GateRequest *request, char buffer[LIMIT_PATH_SIZE], GateName *ret_name) WARN_UNUSED;
void gate_name_deinit(GateName *name);

/* gate_open() - regular file with an x bit; stored digest, or an open file with its size. reason is set with -EACCES.
 */
int gate_open(const Gate *gate, const GateName *name, GateFile *file) WARN_UNUSED;
/* gate_hash() - replaces file->fd by a sealed copy and hashes that. Nothing to do for a stored digest. */
int gate_hash(const Gate *gate, GateFile *file) WARN_UNUSED;
void gate_file_deinit(GateFile *file);
