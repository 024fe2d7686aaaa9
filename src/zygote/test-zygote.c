/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The dispatch as bytes, and packets with descriptors. Processes are tested by tests/zygote/run.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/tap.h"
#include "zygote/zygote-int.h"

static const char *const argv[] = {"lua", "-e", ""};
static const char *const envp[] = {"A=b"};
static const char *const text[DISPATCH_TEXTS] = {"/tmp", "bin/lua", "/bin/lua", "/usr/bin/lua", "", "", ""};

static size_t message_make(char *buffer, size_t capacity)
{
    const DispatchHeader header = {.magic = ZYGOTE_MAGIC, .argc = 3, .envc = 1, .page_limit = 77};
    const ZygoteRequest request = {.argv = argv, .argc = 3, .envp = envp, .envc = 1};
    const int64_t size = dispatch_write(buffer, capacity, &header, &request, text);
    must(size > 0);
    return (size_t)size;
}

static void test_round(void)
{
    char buffer[512];
    Dispatch dispatch;
    const size_t size = message_make(buffer, sizeof(buffer));
    must(dispatch_parse(buffer, size, &dispatch) == 0);
    must(dispatch.header.argc == 3 && dispatch.header.page_limit == 77 && dispatch.header.size == size);
    must(strcmp(dispatch.argv, "lua") == 0 && strcmp(dispatch.argv + 4, "-e") == 0 && strcmp(dispatch.envp, "A=b") == 0);
    must(strcmp(dispatch.text[TEXT_CWD], "/tmp") == 0 && strcmp(dispatch.text[TEXT_ENTRY], "bin/lua") == 0);
    must(strcmp(dispatch.text[TEXT_RESOLVED], "/usr/bin/lua") == 0);
}

static void test_every_length(void)
{
    char buffer[512];
    Dispatch dispatch;
    const size_t size = message_make(buffer, sizeof(buffer));
    for (size_t shorter = 0; shorter < size; shorter++) {
        must(dispatch_parse(buffer, shorter, &dispatch) == -EBADMSG);
        DispatchHeader header;
        if (shorter >= sizeof(header)) { /* also when the header agrees with it */
            char copy[512];
            memcpy(copy, buffer, size);
            memcpy(&header, copy, sizeof(header));
            header.size = (uint32_t)shorter;
            memcpy(copy, &header, sizeof(header));
            must(dispatch_parse(copy, shorter, &dispatch) == -EBADMSG);
        }
    }
    must(dispatch_parse(buffer, size + 1, &dispatch) == -EBADMSG);
}

static void test_fields(void)
{
    static const struct { size_t offset; uint32_t value; } rows[] = {
        {offsetof(DispatchHeader, magic), 1},       {offsetof(DispatchHeader, size), 0},       {offsetof(DispatchHeader, argc), 0},
        {offsetof(DispatchHeader, argc), 2},        {offsetof(DispatchHeader, argc), 4},       {offsetof(DispatchHeader, argc), UINT32_MAX},
        {offsetof(DispatchHeader, envc), 0},        {offsetof(DispatchHeader, envc), 2},       {offsetof(DispatchHeader, envc), UINT32_MAX},
        {offsetof(DispatchHeader, join_count), 4},  {offsetof(DispatchHeader, flags), 8},      {offsetof(DispatchHeader, reserved), 1},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char buffer[512];
        Dispatch dispatch;
        const size_t size = message_make(buffer, sizeof(buffer));
        memcpy(buffer + rows[i].offset, &rows[i].value, sizeof(rows[i].value));
        must(dispatch_parse(buffer, size, &dispatch) == -EBADMSG);
    }
}

static void test_too_long(void)
{
    char buffer[512];
    const DispatchHeader header = {.magic = ZYGOTE_MAGIC, .argc = 3, .envc = 1};
    const ZygoteRequest request = {.argv = argv, .argc = 3, .envp = envp, .envc = 1};
    const size_t size = message_make(buffer, sizeof(buffer));
    must(dispatch_write(buffer, size - 1, &header, &request, text) == -E2BIG);
    must(dispatch_write(buffer, size, &header, &request, text) == (int64_t)size);
}

static void test_packets(void)
{
    int ends[2], got[ZYGOTE_FDS_MAX], many[ZYGOTE_FDS_MAX];
    char bytes[16];
    size_t count = 9;
    must(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) == 0);
    for (size_t i = 0; i < ZYGOTE_FDS_MAX; i++) {
        many[i] = ends[0];
    }
    must(message_receive(ends[1], bytes, sizeof(bytes), MSG_DONTWAIT, got, &count) == -EAGAIN && count == 0);
    must(message_send(ends[0], "abc", 3, many, ZYGOTE_FDS_MAX) == 0 && message_send(ends[0], "x", 1, NULL, 0) == 0);
    must(message_receive(ends[1], bytes, sizeof(bytes), 0, got, &count) == 3 && count == ZYGOTE_FDS_MAX && memcmp(bytes, "abc", 3) == 0);
    for (size_t i = 0; i < count; i++) {
        must(fcntl(got[i], F_GETFD) == 0);
        (void)fd_close(got[i]);
    }
    must(message_receive(ends[1], bytes, sizeof(bytes), 0, got, &count) == 1 && count == 0);
    /* One that does not fit is refused as a whole, and its descriptors are closed. */
    must(message_send(ends[0], "0123456789abcdefX", 17, many, 2) == 0);
    const int next = dup(0);
    (void)fd_close(next);
    must(message_receive(ends[1], bytes, sizeof(bytes), 0, got, &count) == -EBADMSG && count == 0);
    const int again = dup(0);
    must(again == next);
    (void)fd_close(again);
    (void)fd_close(ends[1]);
    must(message_send(ends[0], "x", 1, NULL, 0) == -EPIPE);
    (void)fd_close(ends[0]);
}

int main(void)
{
    static const TapCase cases[] = {{"round", test_round}, {"every-length", test_every_length}, {"fields", test_fields}, {"too-long", test_too_long},
                                    {"packets", test_packets}};
    return tap_main(cases, TAP_COUNT(cases));
}
