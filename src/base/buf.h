/* SPDX-License-Identifier: Apache-2.0 */
/*
 * buf.h - a growable byte buffer with a maximum fixed at init.
 *
 * Invariants: I1 size <= capacity <= max_size. I2 bytes is NULL exactly when capacity is 0.
 * I3 when bytes is not NULL, bytes[size] is NUL (one spare byte is always allocated).
 * A failed append leaves the buffer as it was and makes it sticky-failed: later appends do nothing and
 * buf_error() answers -ENOMEM (allocation) or -E2BIG (maximum), so writers may check once at the end.
 */
#pragma once

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

typedef struct Buf {
    uint8_t *bytes; /* owned */
    size_t size;
    size_t capacity;
    size_t max_size;
    int error; /* sticky, -errno */
} Buf;

#define BUF_INIT(max_size_) ((Buf){.max_size = (max_size_)})

void buf_deinit(Buf *buf);
void buf_clear(Buf *buf);
int buf_error(const Buf *buf) WARN_UNUSED;
int buf_reserve(Buf *buf, size_t extra_size);
/* buf_append() - bytes must not lie in the buffer itself. */
void buf_append(Buf *buf, const void *bytes, size_t size);
void buf_append_byte(Buf *buf, uint8_t byte);
void buf_append_string(Buf *buf, const char *string);
void buf_append_format(Buf *buf, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Appends zero bytes until size is a multiple of alignment (a power of two). */
void buf_align(Buf *buf, size_t alignment);
void buf_append_u32le(Buf *buf, uint32_t value);
void buf_append_u64le(Buf *buf, uint64_t value);
/* LEB128 as wasm core 5.2.2 writes it, shortest form. */
void buf_append_uleb(Buf *buf, uint64_t value);
void buf_append_sleb(Buf *buf, int64_t value);
/* JSON string with quotes, escaped; invalid UTF-8 becomes U+FFFD. */
void buf_append_json(Buf *buf, const char *string, size_t size);
/* Hands the bytes over (caller frees with free()); the buffer becomes empty. NULL after a failed append or without memory. */
uint8_t *buf_steal(Buf *buf, size_t *ret_size);
