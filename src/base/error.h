/* SPDX-License-Identifier: Apache-2.0 */
/*
 * error.h - how a failure travels from where it is found to where it is shown.
 *
 * A function that can fail returns int: 0 done; < 0 is -errno, fatal, handed
 * on unchanged; > 0 is a MODULE_E_* code that the direct caller handles. Where
 * a human needs words the last argument is Error *err: caller-owned, fixed
 * size, no heap, untouched on success, NULL allowed.
 *
 *     return error_set(err, EBADMSG, "manifest: duplicate key %s", key);   -> -EBADMSG
 *     r = x(..., err); if (r < 0) return error_wrap(err, r, "layer %zu", i);
 *
 * The errno chosen is what the user sees as (ERRNAME) on the error line.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define ERROR_MESSAGE_SIZE 480

typedef struct Error {
    int code;                         /* positive errno value, 0 when unset */
    int line;                         /* source line that raised it */
    const char *file;                 /* static string */
    uint64_t offset;                  /* byte offset in the input, UINT64_MAX when there is none */
    char message[ERROR_MESSAGE_SIZE]; /* one line, NUL-terminated, printable */
    char hint[ERROR_MESSAGE_SIZE / 2]; /* what the user can do; empty when nothing */
} Error;

#define ERROR_INIT ((Error){.offset = UINT64_MAX})

/*
 * error_set() - raise: fill *err (if not NULL) and return -code.
 * Control and non-ASCII bytes of the formatted text are escaped as \xNN, so untrusted names are safe to pass.
 */
#define error_set(err, code_, ...) error_set_at((err), (code_), __FILE__, __LINE__, __VA_ARGS__)
int error_set_at(Error *err, int code, const char *file, int line, const char *format, ...)
    __attribute__((format(printf, 5, 6), cold));

/* error_wrap() - put "WHERE: " in front of the message of an error that is on its way; returns r unchanged. */
int error_wrap(Error *err, int r, const char *format, ...) __attribute__((format(printf, 3, 4), cold));

/* error_hint() - set the hint line of an error that is on its way; returns r unchanged. */
int error_hint(Error *err, int r, const char *format, ...) __attribute__((format(printf, 3, 4), cold));

/* error_at() - note the byte offset in the input; returns r unchanged. */
int error_at(Error *err, int r, uint64_t offset);

/* text_printable() - source as printable ASCII on one line, other bytes as \xNN; cut with "..." where target ends. size > 4. */
void text_printable(char *target, size_t size, const char *source);

/* error_name() - "EACCES" for 13; "E?" for a number without a name. Also knows EKEYREJECTED, ENOKEY, EKEYEXPIRED, ESTALE. */
const char *error_name(int code);

#define WARN_UNUSED __attribute__((warn_unused_result))

/* error_ignore() - for a result that is ignored on purpose (clean-up after a first error); say why at the call. */
static inline void error_ignore(int r) { (void)r; }
