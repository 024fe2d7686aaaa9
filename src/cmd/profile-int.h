/* SPDX-License-Identifier: Apache-2.0 */
/*
 * profile-int.h - the two ends of a profile: run --record-profile (run-record.c) and prepare --profile.
 */
#pragma once

#include "cmd/cmd.h"
#include "wasm/profile.h"

/* cmd_profile_read() - a profile of that megabinary. @path: a regular file. Return: 0; -EBADMSG; -ESTALE of another one; what opening said. */
int cmd_profile_read(const char *path, const Digest *megabinary, Profile *ret_profile, Error *err) WARN_UNUSED;

typedef struct RunRecord {
    const char *path;  /* NULL: nothing is recorded */
    Profile profile;   /* what the file has already */
    uint32_t *words;   /* rt_set_recording() */
} RunRecord;

/* run_record_begin() - before anything is started: a file that is there must be a profile of this megabinary (or empty) and is extended later. */
int run_record_begin(RunRecord *record, const char *path, const Digest *megabinary, Error *err) WARN_UNUSED;
/* run_record_end() - writes the profile if a function was called; releases everything. */
int run_record_end(RunRecord *record, Error *err) WARN_UNUSED;
