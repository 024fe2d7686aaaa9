/* SPDX-License-Identifier: Apache-2.0 */
/*
 * profile.h - which functions of a megabinary were called, in the order of their first calls: what an object's code is laid out by.
 *
 *   run --record-profile   first calls --profile_write-->  FILE        prepare --profile   FILE --profile_read--> order of the link
 *
 * Functions are indices, so a profile is good for the one megabinary whose digest it names. A profile is untrusted: the worst that one can
 * do is a bad order. Layout and "valid if and only if": doc/formats/profile.md.
 */
#pragma once

#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/hash.h"

#define PROFILE_VERSION 1u
#define PROFILE_SIZE_MAXIMUM (32u << 20) /* LIMIT_FUNCTIONS lines of seven digits, the head */

typedef struct Profile {
    Digest megabinary;
    uint32_t func_count;
    uint32_t *funcs; /* owned; each once, below LIMIT_FUNCTIONS; NULL when there are none */
} Profile;

/* profile_read() - Return: 0; -EBADMSG it is no profile (err: what, at which byte); -ENOMEM. */
int profile_read(const void *bytes, size_t size, Profile *ret_profile, Error *err) WARN_UNUSED;
/* profile_is_for() - was it recorded from that megabinary? Return: 0; -ESTALE it was not. */
int profile_is_for(const Profile *profile, const Digest *megabinary, Error *err) WARN_UNUSED;
/* profile_write() - append the file's bytes: equal profiles give equal bytes. */
void profile_write(const Profile *profile, Buf *buf);
/* profile_extend() - put the functions of a recording that are not there yet behind those that are. slots[i] says when function i was first called
 * (0: never), the earlier the smaller; of equal ones the lower index goes first. Pre: count <= LIMIT_FUNCTIONS. Return: 0; -ENOMEM. */
int profile_extend(Profile *profile, const uint32_t *slots, uint32_t count) WARN_UNUSED;
void profile_deinit(Profile *profile);
