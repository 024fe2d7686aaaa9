/* SPDX-License-Identifier: Apache-2.0 */
/*
 * wasi-int.h - inside of the wasi personality (wasi_snapshot_preview1): its descriptor table, structures and errors.
 *
 * A WASI descriptor has the number of the host descriptor behind it; the table adds what the host does not know: rights,
 * the name of a preopened directory, the flags it was opened with. At the program's first call the table is made: 0, 1, 2
 * as inherited, then the preopened directories from 3 on; other inherited descriptors are closed, because wasi-libc ends
 * its search for preopens at the first number that is not one (doc/quirks.md).
 *
 * Invariants: I1 slot.type != 0 iff the number is open for the program. I2 rights only shrink. I3 a path never leaves the
 * directory it is relative to: openat2 with RESOLVE_BENEATH (or, for the preopened "/", RESOLVE_IN_ROOT after a
 * lexical check, so that absolute symlinks of the image work).
 * Source: the WASI preview 1 witx (wasi_snapshot_preview1); layouts are asserted below.
 */
#pragma once

#include <stdint.h>

#include "vk-int.h"

#define WASI_RIGHTS_ALL ((1ull << 30) - 1)
enum {
    WASI_RIGHT_FD_DATASYNC = 1 << 0, WASI_RIGHT_FD_READ = 1 << 1, WASI_RIGHT_FD_SEEK = 1 << 2, WASI_RIGHT_FD_SET_FLAGS = 1 << 3,
    WASI_RIGHT_FD_SYNC = 1 << 4, WASI_RIGHT_FD_TELL = 1 << 5, WASI_RIGHT_FD_WRITE = 1 << 6, WASI_RIGHT_FD_ADVISE = 1 << 7,
    WASI_RIGHT_FD_ALLOCATE = 1 << 8, WASI_RIGHT_PATH_CREATE_DIRECTORY = 1 << 9, WASI_RIGHT_PATH_CREATE_FILE = 1 << 10,
    WASI_RIGHT_PATH_LINK_SOURCE = 1 << 11, WASI_RIGHT_PATH_LINK_TARGET = 1 << 12, WASI_RIGHT_PATH_OPEN = 1 << 13,
    WASI_RIGHT_FD_READDIR = 1 << 14, WASI_RIGHT_PATH_READLINK = 1 << 15, WASI_RIGHT_PATH_RENAME_SOURCE = 1 << 16,
    WASI_RIGHT_PATH_RENAME_TARGET = 1 << 17, WASI_RIGHT_PATH_FILESTAT_GET = 1 << 18, WASI_RIGHT_PATH_FILESTAT_SET_SIZE = 1 << 19,
    WASI_RIGHT_PATH_FILESTAT_SET_TIMES = 1 << 20, WASI_RIGHT_FD_FILESTAT_GET = 1 << 21, WASI_RIGHT_FD_FILESTAT_SET_SIZE = 1 << 22,
    WASI_RIGHT_FD_FILESTAT_SET_TIMES = 1 << 23, WASI_RIGHT_PATH_SYMLINK = 1 << 24, WASI_RIGHT_PATH_REMOVE_DIRECTORY = 1 << 25,
    WASI_RIGHT_PATH_UNLINK_FILE = 1 << 26, WASI_RIGHT_POLL = 1 << 27, WASI_RIGHT_SOCK_SHUTDOWN = 1 << 28, WASI_RIGHT_SOCK_ACCEPT = 1 << 29,
};
#define WASI_RIGHTS_FILE \
    (WASI_RIGHT_FD_DATASYNC | WASI_RIGHT_FD_READ | WASI_RIGHT_FD_SEEK | WASI_RIGHT_FD_SET_FLAGS | WASI_RIGHT_FD_SYNC | WASI_RIGHT_FD_TELL | \
     WASI_RIGHT_FD_WRITE | WASI_RIGHT_FD_ADVISE | WASI_RIGHT_FD_ALLOCATE | WASI_RIGHT_FD_FILESTAT_GET | WASI_RIGHT_FD_FILESTAT_SET_SIZE | \
     WASI_RIGHT_FD_FILESTAT_SET_TIMES | WASI_RIGHT_POLL)
#define WASI_RIGHTS_DIRECTORY \
    (WASI_RIGHT_FD_SET_FLAGS | WASI_RIGHT_FD_SYNC | WASI_RIGHT_FD_DATASYNC | WASI_RIGHT_FD_ADVISE | WASI_RIGHT_PATH_CREATE_DIRECTORY | \
     WASI_RIGHT_PATH_CREATE_FILE | WASI_RIGHT_PATH_LINK_SOURCE | WASI_RIGHT_PATH_LINK_TARGET | WASI_RIGHT_PATH_OPEN | \
     WASI_RIGHT_FD_READDIR | WASI_RIGHT_PATH_READLINK | WASI_RIGHT_PATH_RENAME_SOURCE | WASI_RIGHT_PATH_RENAME_TARGET | \
     WASI_RIGHT_PATH_FILESTAT_GET | WASI_RIGHT_PATH_FILESTAT_SET_SIZE | WASI_RIGHT_PATH_FILESTAT_SET_TIMES | \
     WASI_RIGHT_FD_FILESTAT_GET | WASI_RIGHT_FD_FILESTAT_SET_TIMES | WASI_RIGHT_PATH_SYMLINK | WASI_RIGHT_PATH_REMOVE_DIRECTORY | \
     WASI_RIGHT_PATH_UNLINK_FILE | WASI_RIGHT_POLL)
#define WASI_RIGHTS_SOCKET \
    (WASI_RIGHT_FD_READ | WASI_RIGHT_FD_WRITE | WASI_RIGHT_FD_SET_FLAGS | WASI_RIGHT_FD_FILESTAT_GET | WASI_RIGHT_POLL | \
     WASI_RIGHT_SOCK_SHUTDOWN | WASI_RIGHT_SOCK_ACCEPT)
#define WASI_RIGHTS_STREAM \
    (WASI_RIGHT_FD_READ | WASI_RIGHT_FD_WRITE | WASI_RIGHT_FD_SET_FLAGS | WASI_RIGHT_FD_FILESTAT_GET | WASI_RIGHT_POLL)

typedef enum WasiType {
    WASI_TYPE_UNKNOWN = 0, WASI_TYPE_BLOCK_DEVICE, WASI_TYPE_CHARACTER_DEVICE, WASI_TYPE_DIRECTORY, WASI_TYPE_REGULAR_FILE,
    WASI_TYPE_SOCKET_DGRAM, WASI_TYPE_SOCKET_STREAM, WASI_TYPE_SYMBOLIC_LINK,
} WasiType;

typedef struct WasiSlot {
    bool is_open;
    uint8_t type;          /* WasiType */
    bool is_root;          /* the preopened "/" */
    uint64_t rights;
    uint64_t inheriting;
    const char *preopen;   /* guest name of a preopened directory, borrowed from VkConfig; NULL otherwise */
} WasiSlot;

typedef struct Wasi {
    WasiSlot slots[LIMIT_GUEST_FDS];
} Wasi;

typedef uint32_t WasiErrno; /* __wasi_errno_t, 16 bits, returned as i32 */
enum {
    WASI_E_SUCCESS = 0, WASI_E_2BIG = 1, WASI_E_BADF = 8, WASI_E_FAULT = 21, WASI_E_INVAL = 28, WASI_E_IO = 29, WASI_E_ISDIR = 31,
    WASI_E_NAMETOOLONG = 37, WASI_E_NOTDIR = 54, WASI_E_NOTSOCK = 57, WASI_E_NOTSUP = 58, WASI_E_OVERFLOW = 61, WASI_E_PERM = 63, WASI_E_ROFS = 69,
    WASI_E_NOTCAPABLE = 76, WASI_E_ACCES = 2, WASI_E_NOENT = 44, WASI_E_NOMEM = 48, WASI_E_ILSEQ = 25, WASI_E_MFILE = 33,
};

/* Guest structures (wasm32, little-endian). */
typedef struct WasiFdstat { uint8_t type; uint8_t pad0; uint16_t flags; uint32_t pad1; uint64_t rights; uint64_t inheriting; } WasiFdstat;
typedef struct WasiFilestat { uint64_t dev, ino; uint8_t type; uint8_t pad[7]; uint64_t nlink, size, atim, mtim, ctim; } WasiFilestat;
typedef struct WasiDirent { uint64_t next, ino; uint32_t name_size; uint8_t type; uint8_t pad[3]; } WasiDirent;
typedef struct WasiPrestat { uint32_t tag; uint32_t name_size; } WasiPrestat;
typedef struct WasiSubscription {
    uint64_t userdata;
    uint8_t tag;
    uint8_t pad[7];
    union {
        struct { uint32_t clock; uint32_t pad; uint64_t timeout; uint64_t precision; uint16_t flags; uint16_t pad1[3]; } clock;
        struct { uint32_t fd; uint32_t pad[7]; } fd;
    };
} WasiSubscription;
typedef struct WasiEvent { uint64_t userdata; uint16_t error; uint8_t type; uint8_t pad[5]; uint64_t byte_count; uint16_t flags; uint16_t pad1[3]; } WasiEvent;
_Static_assert(sizeof(WasiFdstat) == 24 && sizeof(WasiFilestat) == 64 && sizeof(WasiDirent) == 24 && sizeof(WasiPrestat) == 8, "witx layouts");
_Static_assert(sizeof(WasiSubscription) == 48 && sizeof(WasiEvent) == 32, "witx layouts");

/* wasi_errno() - Linux errno (positive or negative) to WASI's; unknown -> IO and one log line. The only crossing. */
WasiErrno wasi_errno(int64_t error);

/* wasi_vk() - the vkernel of an instance with its WASI state made; never NULL. */
Vk *wasi_vk(RtInstance *instance);
/* wasi_slot() - an open descriptor that has all of rights. Return: WASI_E_SUCCESS, BADF, NOTCAPABLE. */
WasiErrno wasi_slot(Vk *vk, uint32_t fd, uint64_t rights, WasiSlot **ret_slot);
/* wasi_adopt() - a fresh host descriptor becomes an open slot (closed again on failure). */
WasiErrno wasi_adopt(Vk *vk, int64_t host_fd, uint64_t rights, uint64_t inheriting, uint32_t *ret_fd);
uint8_t wasi_type_of(int host_fd);
void wasi_filestat_fill(const struct stat *status, WasiFilestat *ret_stat);
/* wasi_times() - fst_flags and two timestamps to timespecs for utimensat(2). INVAL when a flag and its NOW are both set. */
WasiErrno wasi_times(uint64_t atim, uint64_t mtim, uint32_t flags, struct timespec ret_times[2]);
static inline WasiErrno wasi_put(const Vk *vk, GuestAddr to, const void *from, size_t size)
{
    return vk_copy_out(vk, to, from, size) < 0 ? WASI_E_FAULT : WASI_E_SUCCESS;
}

/* Rows: name, signature text, function. Each file lists its own. */
typedef struct WasiRow { const char *name; const char *signature; const void *function; } WasiRow;
extern const WasiRow wasi_fd_rows[];
extern const WasiRow wasi_path_rows[];
extern const WasiRow wasi_poll_rows[];
