/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test-profile.c - the text form of profiles: golden rows of what is refused and at which byte, there and back, cut at every size; extending.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/tap.h"
#include "wasm/profile.h"

#define HEX "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define START "recompiler-profile 1\nmegabinary sha256:" HEX "\n" /* 21 + 83 bytes */
#define GOOD START "functions 4\n17\n0\n1999999\n4\n"

typedef struct ProfileRow {
    const char *title;
    const char *text;
    uint64_t offset; /* of the error */
} ProfileRow;

static const ProfileRow refused[] = {
    {"nothing", "", 0},
    {"an ELF file", "\x7f" "ELF", 0},
    {"version 2", "recompiler-profile 2\n", 0},
    {"version 10", "recompiler-profile 10\n", 0},
    {"CR LF", "recompiler-profile 1\r\n", 0},
    {"no megabinary", "recompiler-profile 1\nfunctions 0\n", 21},
    {"a short digest", "recompiler-profile 1\nmegabinary sha256:0123\nfunctions 0\n", 32},
    {"a digest in upper case", "recompiler-profile 1\nmegabinary sha256:0123456789ABCDEF0123456789abcdef0123456789abcdef0123456789abcdef\nfunctions 0\n", 32},
    {"another hash", "recompiler-profile 1\nmegabinary sha512:" HEX "\nfunctions 0\n", 32},
    {"a digest and a blank", "recompiler-profile 1\nmegabinary sha256:" HEX " \nfunctions 0\n", 32},
    {"no count", START, 104},
    {"an empty count", START "functions \n", 114},
    {"a negative count", START "functions -1\n", 114},
    {"a count with a leading zero", START "functions 01\n7\n", 114},
    {"a count beyond all functions", START "functions 2000001\n", 114},
    {"a count beyond 64 bits", START "functions 18446744073709551617\n7\n", 114},
    {"more functions promised than bytes", START "functions 2000000\n1\n2\n", 122},
    {"the last line cut short", START "functions 2\n17\n4", 119},
    {"the last line missing", START "functions 2\n1700\n", 121},
    {"a line too many", START "functions 1\n17\n4\n", 119},
    {"a byte too many", START "functions 1\n17\n ", 119},
    {"a NUL too many", START "functions 1\n17\n", 119},
    {"an empty line", START "functions 2\n17\n\n", 119},
    {"an index with a leading zero", START "functions 2\n017\n4\n", 116},
    {"an index with a blank", START "functions 2\n 17\n4\n", 116},
    {"a hexadecimal index", START "functions 2\n0x17\n4\n", 116},
    {"an index beyond all functions", START "functions 2\n2000000\n4\n", 116},
    {"an index beyond 32 bits", START "functions 2\n4294967297\n4\n", 116},
    {"a function twice", START "functions 3\n17\n4\n17\n", 121},
};

static void test_refused(void)
{
    for (size_t i = 0; i < TAP_COUNT(refused); i++) {
        const ProfileRow *row = &refused[i];
        const size_t size = strlen(row->text) + (strstr(row->title, "NUL") != NULL);
        Profile profile = {.func_count = 77};
        Error err = ERROR_INIT;
        const int r = profile_read(row->text, size, &profile, &err);
        if (r != -EBADMSG || err.offset != row->offset || profile.func_count != 77) {
            printf("# %s: got %d at %llu (%s)\n", row->title, r, (unsigned long long)err.offset, err.message);
            must(false && "refused at that byte");
        }
    }
}

static void test_there_and_back(void)
{
    static const uint32_t funcs[] = {17, 0, LIMIT_FUNCTIONS - 1, 4};
    Profile profile;
    Buf buf = BUF_INIT(PROFILE_SIZE_MAXIMUM);
    must(profile_read(GOOD, strlen(GOOD), &profile, NULL) == 0);
    must(profile.func_count == 4 && memcmp(profile.funcs, funcs, sizeof(funcs)) == 0);
    profile_write(&profile, &buf);
    must(buf.size == strlen(GOOD) && memcmp(buf.bytes, GOOD, buf.size) == 0);
    profile_deinit(&profile);
    for (size_t size = 0; size < buf.size; size++) { /* in memory of its own: a read beyond it is seen by AddressSanitizer */
        char *cut = malloc(size + 1);
        must(cut != NULL);
        char *bytes = cut + 1;
        memcpy(bytes, buf.bytes, size);
        must(profile_read(bytes, size, &profile, NULL) == -EBADMSG);
        free(cut);
    }
    buf_deinit(&buf);
    must(profile_read(START "functions 0\n", strlen(START "functions 0\n"), &profile, NULL) == 0 && profile.func_count == 0 && profile.funcs == NULL);
}

/* All functions there can be: the maximum size holds them. */
static void test_largest(void)
{
    Profile profile = {.func_count = LIMIT_FUNCTIONS, .funcs = calloc(LIMIT_FUNCTIONS, sizeof(uint32_t))};
    Buf buf = BUF_INIT(PROFILE_SIZE_MAXIMUM);
    must(profile.funcs != NULL);
    for (uint32_t i = 0; i < LIMIT_FUNCTIONS; i++) {
        profile.funcs[i] = LIMIT_FUNCTIONS - 1 - i;
    }
    profile_write(&profile, &buf);
    must(buf_error(&buf) == 0);
    profile_deinit(&profile);
    must(profile_read(buf.bytes, buf.size, &profile, NULL) == 0 && profile.func_count == LIMIT_FUNCTIONS && profile.funcs[0] == LIMIT_FUNCTIONS - 1);
    profile_deinit(&profile);
    must(profile_read(buf.bytes, (size_t)PROFILE_SIZE_MAXIMUM + 1, &profile, NULL) == -EBADMSG); /* refused by its size: not read */
    buf_deinit(&buf);
}

static void test_digest(void)
{
    Profile profile;
    Digest digest;
    Error err = ERROR_INIT;
    must(profile_read(GOOD, strlen(GOOD), &profile, NULL) == 0 && digest_parse(HEX, 64, &digest) == 0);
    must(profile_is_for(&profile, &digest, &err) == 0);
    digest.bytes[31] ^= 1;
    must(profile_is_for(&profile, &digest, &err) == -ESTALE && strstr(err.message, "another megabinary, sha256:" HEX) != NULL);
    profile_deinit(&profile);
}

static void test_extend(void)
{
    static const uint32_t slots[] = {0, 9, 3, 0, 3, 1, UINT32_MAX}; /* 5, then 2 and 4 at once, 1, 6 */
    static const uint32_t first[] = {5, 2, 4, 1, 6};
    static const uint32_t later[] = {7, 9, 3, 8, 3, 1, UINT32_MAX};
    static const uint32_t both[] = {5, 2, 4, 1, 6, 0, 3};
    Profile profile = {0};
    must(profile_extend(&profile, slots, 0) == 0 && profile.func_count == 0);
    must(profile_extend(&profile, slots, TAP_COUNT(slots)) == 0);
    must(profile.func_count == 5 && memcmp(profile.funcs, first, sizeof(first)) == 0);
    must(profile_extend(&profile, slots, TAP_COUNT(slots)) == 0 && profile.func_count == 5);
    must(profile_extend(&profile, later, TAP_COUNT(later)) == 0);
    must(profile.func_count == 7 && memcmp(profile.funcs, both, sizeof(both)) == 0);
    profile_deinit(&profile);
}

int main(void)
{
    static const TapCase cases[] = {
        {"what is no profile is refused at its byte", test_refused},
        {"there and back; cut at every size", test_there_and_back},
        {"as many functions as there can be", test_largest},
        {"for the megabinary it names only", test_digest},
        {"extending keeps the order and every function once", test_extend},
    };
    return tap_main(cases, TAP_COUNT(cases));
}
