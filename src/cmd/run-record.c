/* SPDX-License-Identifier: Apache-2.0 */
/*
 * run-record.c - profiles: read for `prepare --profile`, recorded by `run --record-profile`.
 *
 *   begin   the file, if it is there, is a profile of this megabinary; 1 + LIMIT_FUNCTIONS words of shared memory, of which only what is
 *           touched exists
 *   run     the object's code (aot/meta-record.c) notes first calls there, in every process that is forked from this one
 *   end     functions that the file does not have yet go behind those it has; the file is replaced whole
 *
 * The words lie outside of linear memory. A guest that got out of it could write a wrong order into them and nothing else: they are read as
 * numbers, each once.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/limits.h"
#include "cmd/profile-int.h"
#include "rt/recording.h"

#define WORDS_SIZE ((1 + (size_t)LIMIT_FUNCTIONS) * sizeof(uint32_t))

int cmd_profile_read(const char *path, const Digest *megabinary, Profile *ret_profile, Error *err)
{
    _cleanup_(freep) char *bytes = NULL;
    size_t size = 0;
    int r = file_read(AT_FDCWD, path, PROFILE_SIZE_MAXIMUM, &bytes, &size, err);
    if (r < 0) {
        return error_wrap(err, r, "profile");
    }
    r = profile_read(bytes, size, ret_profile, err);
    if (r < 0) {
        r = error_wrap(err, r, "%s", path);
        return error_hint(err, r, "record one: recompiler run --record-profile FILE IMAGE PATH");
    }
    r = profile_is_for(ret_profile, megabinary, err);
    if (r < 0) {
        profile_deinit(ret_profile);
        r = error_wrap(err, r, "%s", path);
        return error_hint(err, r, "functions have numbers that every build of an image gives anew: record another profile");
    }
    return 0;
}

/* What is there already. */
static int before_read(RunRecord *record, const Digest *megabinary, Error *err)
{
    struct stat status;
    record->profile.megabinary = *megabinary;
    if (lstat(record->path, &status) < 0) {
        return errno == ENOENT ? 0 : error_set(err, errno, "--record-profile %s: %s", record->path, strerror(errno));
    }
    if (!S_ISREG(status.st_mode)) {
        return error_set(err, EINVAL, "--record-profile %s: not a regular file", record->path);
    }
    return status.st_size == 0 ? 0 : cmd_profile_read(record->path, megabinary, &record->profile, err);
}

/* A file that cannot be written is known before the program runs. */
static int directory_check(const char *path, Error *err)
{
    const char *slash = strrchr(path, '/');
    _cleanup_(freep) char *directory = slash == NULL ? strdup(".") : strndup(path, slash == path ? 1 : (size_t)(slash - path));
    if (directory == NULL) {
        return error_set(err, ENOMEM, "out of memory");
    }
    return access(directory, W_OK) == 0 ? 0 : error_set(err, errno, "--record-profile %s: %s: %s", path, directory, strerror(errno));
}

int run_record_begin(RunRecord *record, const char *path, const Digest *megabinary, Error *err)
{
    *record = (RunRecord){.path = path};
    if (path == NULL) {
        return 0;
    }
    int r = before_read(record, megabinary, err);
    r = r < 0 ? r : directory_check(path, err);
    void *words = r < 0 ? MAP_FAILED : mmap(NULL, WORDS_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (words == MAP_FAILED) {
        r = r < 0 ? r : error_set(err, errno, "--record-profile: no shared memory");
        profile_deinit(&record->profile);
        return r;
    }
    record->words = words;
    rt_set_recording(record->words, LIMIT_FUNCTIONS);
    return 0;
}

int run_record_end(RunRecord *record, Error *err)
{
    int r = 0;
    if (record->words != NULL && record->words[0] != 0) {
        Buf text = BUF_INIT(PROFILE_SIZE_MAXIMUM);
        r = profile_extend(&record->profile, record->words + 1, LIMIT_FUNCTIONS);
        profile_write(&record->profile, &text);
        r = r < 0 || buf_error(&text) < 0 ? error_set(err, ENOMEM, "profile: out of memory")
                                          : file_write_atomic(AT_FDCWD, record->path, text.bytes, text.size, 0644, err);
        buf_deinit(&text);
    }
    if (record->words != NULL) {
        rt_set_recording(NULL, 0);
        (void)munmap(record->words, WORDS_SIZE);
    }
    profile_deinit(&record->profile);
    *record = (RunRecord){0};
    return r;
}
