/* SPDX-License-Identifier: Apache-2.0 */
#include "base/error.h"

#include <errno.h>
#include <string.h>

#include "base/tap.h"

static void test_set_and_null(void)
{
    Error err = ERROR_INIT;
    must(error_set(&err, EBADMSG, "manifest: key %s", "a") == -EBADMSG);
    must(err.code == EBADMSG && err.offset == UINT64_MAX && err.hint[0] == '\0');
    must(strcmp(err.message, "manifest: key a") == 0);
    must(strcmp(err.file, "src/base/test-error.c") == 0 && err.line > 0);
    must(error_set(NULL, EACCES, "%d", 1) == -EACCES);
    must(error_wrap(NULL, -EACCES, "x") == -EACCES);
    must(error_hint(NULL, -EACCES, "x") == -EACCES);
    must(error_at(NULL, -EACCES, 1) == -EACCES);
}

static void test_hostile_bytes_are_escaped(void)
{
    Error err = ERROR_INIT;
    must(error_set(&err, EINVAL, "name %s", "a\nb\x1b[31m\xff\x7f\t") == -EINVAL);
    must(strcmp(err.message, "name a\\x0ab\\x1b[31m\\xff\\x7f\\x09") == 0);
}

static void check_text(const char *text, size_t text_size)
{
    const size_t size = strlen(text);
    must(size < text_size);
    for (size_t i = 0; i < size; i++) {
        must(text[i] >= 0x20 && text[i] < 0x7f);
    }
}

static void test_long_text_is_cut_with_dots(void)
{
    Error err = ERROR_INIT;
    char text[2000];
    /* Every length around the limits, plain and all-escaped: no overflow, no half escape. */
    for (size_t size = 0; size < sizeof text - 1; size++) {
        memset(text, 'a', size);
        text[size] = '\0';
        must(error_set(&err, EINVAL, "%s", text) == -EINVAL);
        check_text(err.message, sizeof err.message);
        must(size <= ERROR_MESSAGE_SIZE - 4 ? strcmp(err.message, text) == 0 : strstr(err.message, "a...") != NULL);
        memset(text, 1, size);
        must(error_set(&err, EINVAL, "%s", text) == -EINVAL);
        check_text(err.message, sizeof err.message);
        const size_t used = strcspn(err.message, ".");
        must(used % 4 == 0);
        must(error_hint(&err, -EINVAL, "%s", text) == -EINVAL);
        check_text(err.hint, sizeof err.hint);
    }
}

static void test_wrap(void)
{
    Error err = ERROR_INIT;
    int r = error_set(&err, ENOENT, "no entry");
    r = error_wrap(&err, r, "layer %d\n", 3);
    must(r == -ENOENT && err.code == ENOENT);
    must(strcmp(err.message, "layer 3\\x0a: no entry") == 0);
    for (int i = 0; i < 300; i++) {
        must(error_wrap(&err, r, "deep %d", i) == -ENOENT);
        check_text(err.message, sizeof err.message);
    }
    must(strncmp(err.message, "deep 299: deep 298: ", 20) == 0);
    /* A callee that set nothing. */
    Error bare = ERROR_INIT;
    must(error_wrap(&bare, -ENOSPC, "write") == -ENOSPC);
    must(bare.code == ENOSPC && strcmp(bare.message, "write: No space left on device") == 0);
}

static void test_success_touches_nothing(void)
{
    Error err = ERROR_INIT;
    must(error_wrap(&err, 0, "x") == 0 && error_hint(&err, 0, "x") == 0 && error_at(&err, 0, 7) == 0);
    must(error_wrap(&err, 5, "x") == 5);
    must(err.code == 0 && err.message[0] == '\0' && err.hint[0] == '\0' && err.offset == UINT64_MAX);
}

static void test_offset_first_wins(void)
{
    Error err = ERROR_INIT;
    const int r = error_set(&err, EBADMSG, "x");
    must(error_at(&err, r, 17) == r && error_at(&err, r, 4) == r);
    must(err.offset == 17);
    must(error_set(&err, EBADMSG, "again") == r && err.offset == UINT64_MAX);
}

static void test_message_of_itself(void)
{
    Error err = ERROR_INIT;
    must(error_set(&err, EIO, "inner") == -EIO);
    must(error_set(&err, EBADMSG, "outer: %s", err.message) == -EBADMSG);
    must(strcmp(err.message, "outer: inner") == 0);
}

static void test_names(void)
{
    must(strcmp(error_name(EACCES), "EACCES") == 0);
    must(strcmp(error_name(EKEYREJECTED), "EKEYREJECTED") == 0);
    must(strcmp(error_name(ENOKEY), "ENOKEY") == 0);
    must(strcmp(error_name(EKEYEXPIRED), "EKEYEXPIRED") == 0);
    must(strcmp(error_name(ESTALE), "ESTALE") == 0);
    must(strcmp(error_name(0), "E?") == 0);
    must(strcmp(error_name(-13), "E?") == 0);
    must(strcmp(error_name(99999), "E?") == 0);
}

int main(void)
{
    static const TapCase cases[] = {
        {"set fills everything, NULL is allowed", test_set_and_null},
        {"hostile bytes are escaped", test_hostile_bytes_are_escaped},
        {"long text is cut with dots", test_long_text_is_cut_with_dots},
        {"wrap", test_wrap},
        {"success touches nothing", test_success_touches_nothing},
        {"first offset wins", test_offset_first_wins},
        {"message may be its own argument", test_message_of_itself},
        {"errno names", test_names},
    };
    return tap_main(cases, TAP_COUNT(cases));
}
