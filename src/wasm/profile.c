/* SPDX-License-Identifier: Apache-2.0 */
/*
 * profile.c - the text form of a profile, strictly: what profile_write() writes and nothing else.
 *
 *   recompiler-profile 1
 *   megabinary sha256:<64 hex>
 *   functions 3
 *   17
 *   4
 *   230
 *
 * The count makes a file that was cut short known. Source: doc/formats/profile.md.
 */
#include "wasm/profile.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/limits.h"
#include "base/must.h"

#define HEAD "recompiler-profile 1\n"
#define MEGABINARY "megabinary "
#define TAGGED_SIZE (sizeof("sha256:") - 1 + DIGEST_HEX_SIZE)
#define FUNCTIONS "functions "

typedef struct ProfileReader {
    const char *bytes;
    size_t size, position;
    Error *err;
} ProfileReader;

static int wrong(const ProfileReader *reader, const char *what)
{
    return error_at(reader->err, error_set(reader->err, EBADMSG, "not a profile: %s at byte %zu", what, reader->position), reader->position);
}

static bool text_take(ProfileReader *reader, const char *text)
{
    const size_t size = strlen(text);
    if (reader->size - reader->position < size || memcmp(reader->bytes + reader->position, text, size) != 0) {
        return false;
    }
    reader->position += size;
    return true;
}

/* A decimal number below limit without leading zeros, and the end of its line. */
static bool number_take(ProfileReader *reader, uint32_t limit, uint32_t *ret_number)
{
    uint64_t number = 0;
    size_t at = reader->position;
    while (at < reader->size && reader->bytes[at] >= '0' && reader->bytes[at] <= '9' && number < limit) {
        number = number * 10 + (uint64_t)(reader->bytes[at++] - '0');
    }
    const size_t digits = at - reader->position;
    if (digits == 0 || number >= limit || (digits > 1 && reader->bytes[reader->position] == '0') || at == reader->size || reader->bytes[at] != '\n') {
        return false;
    }
    reader->position = at + 1;
    *ret_number = (uint32_t)number;
    return true;
}

static bool bit_set(uint8_t *bits, uint32_t index)
{
    const uint8_t bit = (uint8_t)(1u << (index % 8));
    const bool was_set = (bits[index / 8] & bit) != 0;
    bits[index / 8] |= bit;
    return was_set;
}

static int head_read(ProfileReader *reader, Profile *profile)
{
    if (!text_take(reader, HEAD)) {
        return wrong(reader, "its first line is not \"recompiler-profile 1\"");
    }
    char tagged[TAGGED_SIZE + 1] = "";
    if (!text_take(reader, MEGABINARY) || reader->size - reader->position <= TAGGED_SIZE || reader->bytes[reader->position + TAGGED_SIZE] != '\n') {
        return wrong(reader, "no line \"megabinary sha256:...\"");
    }
    memcpy(tagged, reader->bytes + reader->position, TAGGED_SIZE);
    if (strlen(tagged) != TAGGED_SIZE || digest_parse_tagged(tagged, &profile->megabinary) < 0) {
        return wrong(reader, "no digest");
    }
    reader->position += TAGGED_SIZE + 1;
    if (!text_take(reader, FUNCTIONS) || !number_take(reader, LIMIT_FUNCTIONS + 1, &profile->func_count)) {
        return wrong(reader, "no count of functions");
    }
    return (reader->size - reader->position) / 2 >= profile->func_count ? 0 : wrong(reader, "fewer functions than it says");
}

static int funcs_read(ProfileReader *reader, Profile *profile)
{
    _cleanup_(freep) uint8_t *seen = calloc(1, LIMIT_FUNCTIONS / 8 + 1);
    profile->funcs = profile->func_count > 0 ? calloc(profile->func_count, sizeof(*profile->funcs)) : NULL;
    if (seen == NULL || (profile->func_count > 0 && profile->funcs == NULL)) {
        return error_set(reader->err, ENOMEM, "profile: out of memory");
    }
    for (uint32_t i = 0; i < profile->func_count; i++) {
        const size_t start = reader->position;
        if (!number_take(reader, LIMIT_FUNCTIONS, &profile->funcs[i])) {
            return wrong(reader, start == reader->size ? "fewer functions than it says" : "no function");
        }
        if (bit_set(seen, profile->funcs[i])) {
            reader->position = start;
            return wrong(reader, "a function for the second time");
        }
    }
    return reader->position == reader->size ? 0 : wrong(reader, "more than it says");
}

int profile_read(const void *bytes, size_t size, Profile *ret_profile, Error *err)
{
    ProfileReader reader = {.bytes = bytes, .size = size, .err = err};
    Profile profile = {0};
    must(bytes != NULL && ret_profile != NULL);
    if (size > PROFILE_SIZE_MAXIMUM) {
        return error_set(err, EBADMSG, "not a profile: %zu bytes are too many", size);
    }
    int r = head_read(&reader, &profile);
    r = r < 0 ? r : funcs_read(&reader, &profile);
    if (r < 0) {
        profile_deinit(&profile);
        return r;
    }
    *ret_profile = profile;
    return 0;
}

int profile_is_for(const Profile *profile, const Digest *megabinary, Error *err)
{
    char hex[DIGEST_HEX_SIZE + 1];
    if (digest_equals(&profile->megabinary, megabinary)) {
        return 0;
    }
    digest_hex(&profile->megabinary, hex);
    return error_set(err, ESTALE, "the profile was recorded from another megabinary, sha256:%s", hex);
}

void profile_write(const Profile *profile, Buf *buf)
{
    char hex[DIGEST_HEX_SIZE + 1];
    digest_hex(&profile->megabinary, hex);
    buf_append_format(buf, HEAD MEGABINARY "sha256:%s\n" FUNCTIONS "%" PRIu32 "\n", hex, profile->func_count);
    for (uint32_t i = 0; i < profile->func_count; i++) {
        buf_append_format(buf, "%" PRIu32 "\n", profile->funcs[i]);
    }
}

static int compare_calls(const void *a, const void *b)
{
    const uint64_t left = *(const uint64_t *)a;
    const uint64_t right = *(const uint64_t *)b;
    return left < right ? -1 : left > right;
}

int profile_extend(Profile *profile, const uint32_t *slots, uint32_t count)
{
    must(count <= LIMIT_FUNCTIONS && profile->func_count <= LIMIT_FUNCTIONS);
    _cleanup_(freep) uint8_t *known = calloc(1, LIMIT_FUNCTIONS / 8 + 1);
    _cleanup_(freep) uint64_t *calls = calloc((size_t)count + 1, sizeof(*calls));
    if (known == NULL || calls == NULL) {
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < profile->func_count; i++) {
        (void)bit_set(known, profile->funcs[i]);
    }
    uint32_t call_count = 0;
    for (uint32_t i = 0; i < count; i++) {
        const uint32_t when = __atomic_load_n(&slots[i], __ATOMIC_RELAXED); /* read once: whoever writes it may still be there */
        if (when != 0 && !bit_set(known, i)) {
            calls[call_count++] = (uint64_t)when << 32 | i;
        }
    }
    if (call_count == 0) {
        return 0;
    }
    uint32_t *funcs = realloc(profile->funcs, ((size_t)profile->func_count + call_count) * sizeof(*funcs));
    if (funcs == NULL) {
        return -ENOMEM;
    }
    qsort(calls, call_count, sizeof(*calls), compare_calls);
    for (uint32_t i = 0; i < call_count; i++) {
        funcs[profile->func_count + i] = (uint32_t)calls[i];
    }
    profile->funcs = funcs;
    profile->func_count += call_count;
    return 0;
}

void profile_deinit(Profile *profile)
{
    free(profile->funcs);
    *profile = (Profile){0};
}
