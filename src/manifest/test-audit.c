/* SPDX-License-Identifier: Apache-2.0 */
/* The audit chain: many writers, tampering of every kind, torn lines, full disk, rate limit with exact counts,
 * escaping. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/limits.h"
#include "base/must.h"
#include "manifest/audit.h"

static int test_count;
static char path[] = "/tmp/test-audit-XXXXXX";

static void ok(const char *name)
{
    printf("ok %d - %s\n", ++test_count, name);
}

static AuditRecord record_of(bool is_allowed)
{
    static Digest digest;
    return (AuditRecord){.container = "c1",
                         .image = "i",
                         .argv0 = "ls",
                         .path = "/bin/ls",
                         .pid = 7,
                         .digest = &digest,
                         .size = 9,
                         .is_allowed = is_allowed,
                         .reason = "because",
                         .entry = is_allowed ? "bin/ls" : NULL,
                         .manifest_name = "m",
                         .manifest_serial = 3,
                         .manifest_digest = &digest,
                         .key = "k",
                         .duration_us = 12};
}

static int verify(uint64_t *ret_count, char message[ERROR_MESSAGE_SIZE])
{
    _cleanup_(fd_closep) int fd = open(path, O_RDONLY | O_CLOEXEC);
    Error err = ERROR_INIT;
    must(fd >= 0);
    const int r = audit_verify(fd, ret_count, &err);
    memcpy(message, err.message, ERROR_MESSAGE_SIZE);
    return r;
}

static void expect_good(uint64_t expected)
{
    uint64_t count = 0;
    char message[ERROR_MESSAGE_SIZE];
    const int r = verify(&count, message);
    if (r != 0 || count != expected) {
        printf("not ok - verify: %d %s, %" PRIu64 " records, want %" PRIu64 "\n", r, message, count, expected);
        exit(1);
    }
}

static void expect_bad(const char *fragment)
{
    uint64_t count = 0;
    char message[ERROR_MESSAGE_SIZE];
    const int r = verify(&count, message);
    if (r != -EBADMSG || strstr(message, fragment) == NULL) {
        printf("not ok - verify: got %d \"%s\", want \"%s\"\n", r, message, fragment);
        exit(1);
    }
}

static Audit *open_log(void)
{
    Audit *audit = NULL;
    Error err = ERROR_INIT;
    must(audit_open(path, 100, &audit, &err) == 0);
    return audit;
}

static void write_bytes(const char *bytes, size_t size)
{
    _cleanup_(fd_closep) int fd = open(path, O_WRONLY | O_TRUNC | O_CREAT | O_CLOEXEC, 0600);
    must(fd >= 0 && fd_write_full(fd, bytes, size) == 0);
}

static void test_record(void)
{
    Audit *audit = open_log();
    AuditRecord record = record_of(true);
    char odd[5000];
    memset(odd, '\x01', sizeof(odd) - 1);
    odd[sizeof(odd) - 1] = '\0';
    must(audit_append(audit, &record) == 0);
    record.path = "/a\"b\n\xff{\"seq\":9";
    record.argv0 = NULL;
    must(audit_append(audit, &record) == 0);
    record.path = record.argv0 = record.container = record.image = record.reason = record.entry = record.key = odd;
    must(audit_append(audit, &record) == 0);
    record = record_of(false);
    record.digest = NULL;
    must(audit_append(audit, &record) == 0);
    audit_close(audit);
    expect_good(4);
    _cleanup_(freep) char *bytes = NULL;
    size_t size = 0;
    must(file_read(AT_FDCWD, path, 1 << 20, &bytes, &size, NULL) == 0);
    char *line = strchr(bytes, '\n');
    must(line != NULL);
    *line = '\0';
    json_t *json = json_loads(bytes, JSON_REJECT_DUPLICATES, NULL);
    static const char *const keys[] = {"seq",      "time",   "container", "image",   "pid",    "argv0",
                                       "path",     "sha256", "size",      "verdict", "reason", "entry",
                                       "manifest", "key",    "policy",    "us",      "prev"};
    must(json != NULL && json_object_size(json) == sizeof(keys) / sizeof(keys[0]));
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        must(json_object_get(json, keys[i]) != NULL);
    }
    must(strcmp(json_string_value(json_object_get(json, "verdict")), "allow") == 0);
    const char *time_text = json_string_value(json_object_get(json, "time"));
    must(strlen(time_text) == 24 && time_text[19] == '.' && time_text[23] == 'Z');
    json_decref(json);
    struct stat status;
    must(stat(path, &status) == 0 && (status.st_mode & 07777) == 0600);
    ok("records have every field; hostile text stays inside its string");
}

static void test_tampering(void)
{
    write_bytes("", 0);
    Audit *audit = open_log();
    const AuditRecord record = record_of(true);
    for (int i = 0; i < 6; i++) {
        must(audit_append(audit, &record) == 0);
    }
    audit_close(audit);
    _cleanup_(freep) char *good = NULL;
    size_t size = 0;
    must(file_read(AT_FDCWD, path, 1 << 20, &good, &size, NULL) == 0);
    char *lines[7];
    lines[0] = good;
    for (int i = 1; i < 7; i++) {
        lines[i] = strchr(lines[i - 1], '\n') + 1;
    }
    must(lines[6] == good + size);
    for (size_t i = 0; i < size; i++) { /* every byte of every line but the last, whose hash nobody holds yet */
        if (good + i >= lines[5]) {
            break;
        }
        good[i] ^= 1;
        write_bytes(good, size);
        expect_bad("line");
        good[i] ^= 1;
    }
    ok("a changed byte anywhere before the last record is found");
    _cleanup_(freep) char *changed = malloc(size * 2);
    must(changed != NULL);
    const size_t first = (size_t)(lines[1] - lines[0]);
    write_bytes(lines[1], size - first);
    expect_bad("line 1: 1 records before it were removed");
    const size_t two = (size_t)(lines[2] - good);
    const size_t three = (size_t)(lines[3] - good);
    memcpy(changed, good, two);
    memcpy(changed + two, lines[3], size - three);
    write_bytes(changed, size - (three - two));
    expect_bad("line 3: 1 records before it were removed");
    memcpy(changed, good, two); /* 1 2 4 3 5 6 */
    memcpy(changed + two, lines[3], (size_t)(lines[4] - lines[3]));
    memcpy(changed + two + (lines[4] - lines[3]), lines[2], (size_t)(lines[3] - lines[2]));
    memcpy(changed + (lines[4] - good), lines[4], size - (size_t)(lines[4] - good));
    write_bytes(changed, size);
    expect_bad("line 3: 1 records before it were removed");
    memcpy(changed, good, size);
    memcpy(changed + size, lines[5], (size_t)(lines[6] - lines[5]));
    write_bytes(changed, size + (size_t)(lines[6] - lines[5]));
    expect_bad("line 7: reordered or repeated");
    ok("removed, reordered and repeated records are found");
    /* A torn tail: every possible cut. */
    for (size_t cut = (size_t)(lines[5] - good); cut < size; cut += 7) {
        write_bytes(good, cut);
        if (cut > (size_t)(lines[5] - good)) {
            expect_bad("torn");
        }
        audit = open_log();
        must(audit_append(audit, &record) == 0);
        audit_close(audit);
        expect_good(cut > (size_t)(lines[5] - good) ? 7 : 6); /* 5 old, repair, new */
    }
    ok("torn last record is removed, and the log says so");
}

static void test_full_disk(void)
{
    write_bytes("", 0);
    Audit *audit = open_log();
    const AuditRecord record = record_of(true);
    must(audit_append(audit, &record) == 0);
    struct stat status;
    must(stat(path, &status) == 0);
    struct rlimit old;
    must(getrlimit(RLIMIT_FSIZE, &old) == 0 && signal(SIGXFSZ, SIG_IGN) != SIG_ERR);
    const struct rlimit small = {.rlim_cur = (rlim_t)status.st_size + 100, .rlim_max = old.rlim_max};
    must(setrlimit(RLIMIT_FSIZE, &small) == 0);
    for (int i = 0; i < 3; i++) {
        must(audit_append(audit, &record) == -EFBIG);
    }
    expect_good(1);
    must(setrlimit(RLIMIT_FSIZE, &old) == 0);
    must(audit_append(audit, &record) == 0);
    audit_close(audit);
    expect_good(3);
    _cleanup_(freep) char *bytes = NULL;
    size_t size = 0;
    must(file_read(AT_FDCWD, path, 1 << 20, &bytes, &size, NULL) == 0 && strstr(bytes, "\"lost\":3") != NULL);
    ok("no space: nothing half written, the number of lost records follows");
}

/* Sum of "suppressed" and number of denial records in the log. */
static void count_denials(uint64_t *ret_written, uint64_t *ret_suppressed)
{
    _cleanup_(freep) char *bytes = NULL;
    size_t size = 0;
    must(file_read(AT_FDCWD, path, 64 << 20, &bytes, &size, NULL) == 0);
    *ret_written = *ret_suppressed = 0;
    char *rest = bytes;
    for (char *line = strsep(&rest, "\n"); line != NULL && *line != '\0'; line = strsep(&rest, "\n")) {
        *ret_written += strstr(line, "\"verdict\":\"deny\"") != NULL;
        const char *suppressed = strstr(line, "\"suppressed\":");
        *ret_suppressed += suppressed != NULL ? strtoull(suppressed + 13, NULL, 10) : 0;
    }
}

static void test_rate(void)
{
    write_bytes("", 0);
    Audit *audit = open_log();
    const AuditRecord denial = record_of(false);
    const AuditRecord allow = record_of(true);
    for (int child = 0; child < 10; child++) { /* a fork bomb: one bucket for all */
        if (fork() == 0) {
            for (int i = 0; i < 10000; i++) {
                must(audit_append(audit, &denial) == 0);
            }
            _exit(0);
        }
    }
    for (int child = 0; child < 10; child++) {
        int status = 0;
        must(wait(&status) > 0 && status == 0);
    }
    must(audit_append(audit, &allow) == 0); /* allows are always logged */
    must(audit_append(audit, &denial) == 0);
    audit_close(audit);
    uint64_t written = 0;
    uint64_t suppressed = 0;
    count_denials(&written, &suppressed);
    printf("# %" PRIu64 " written, %" PRIu64 " suppressed\n", written, suppressed);
    must(written + suppressed == 100001 && written >= AUDIT_BURST && written < 2 * AUDIT_BURST);
    uint64_t count = 0;
    char message[ERROR_MESSAGE_SIZE];
    must(verify(&count, message) == 0);
    ok("100,001 denials of ten processes: rate limited, exact count, log small");
}

static void test_writers(void)
{
    write_bytes("", 0);
    Audit *shared = open_log();
    const AuditRecord record = record_of(true);
    for (int child = 0; child < 8; child++) {
        if (fork() == 0) {
            Audit *own = child % 2 == 0 ? shared : open_log(); /* same open file description, or another one */
            for (int i = 0; i < 500; i++) {
                must(audit_append(own, &record) == 0);
            }
            _exit(0);
        }
    }
    for (int child = 0; child < 8; child++) {
        int status = 0;
        must(wait(&status) > 0 && status == 0);
    }
    audit_close(shared);
    expect_good(4000);
    ok("eight concurrent writers, forked and independent, one chain");
}

static void test_stopped_holder(void)
{
    write_bytes("", 0);
    int pipe_fds[2];
    must(pipe(pipe_fds) == 0);
    const pid_t child = fork();
    if (child == 0) {
        const int fd = open(path, O_RDWR | O_CLOEXEC);
        struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
        must(fd >= 0 && fcntl(fd, F_SETLK, &lock) == 0 && write(pipe_fds[1], "x", 1) == 1);
        pause();
        _exit(0);
    }
    char byte;
    must(read(pipe_fds[0], &byte, 1) == 1);
    Audit *audit = open_log();
    const AuditRecord record = record_of(true);
    must(audit_append(audit, &record) == -EAGAIN); /* and not for ever */
    must(kill(child, SIGKILL) == 0 && waitpid(child, NULL, 0) == child);
    must(audit_append(audit, &record) == 0);
    audit_close(audit);
    expect_good(2); /* "lost": 1 and the record */
    fd_close(pipe_fds[0]);
    fd_close(pipe_fds[1]);
    ok("a process that holds the lock and sleeps does not stop the others");
}

static void test_relay_content(void)
{
    write_bytes("", 0);
    Audit *log = open_log();
    Audit *relay = NULL;
    int fd = -1;
    must(audit_guest(log, 200, &relay, &fd, NULL) == 0);
    AuditRecord record = record_of(true);
    record.image = record.container = "forged";
    record.manifest_name = record.key = "forged";
    const AuditRecord common = record_of(true);
    char longest[LIMIT_PATH_SIZE];
    memset(longest, 'p', sizeof(longest) - 1);
    longest[sizeof(longest) - 1] = '\0';
    must(audit_append(log, &common) == 0 && audit_append(relay, &record) == 0);
    record = record_of(false);
    record.path = record.argv0 = longest;
    record.digest = NULL;
    must(audit_append(relay, &record) == 0 && audit_receive(log, fd, &common) == 0);
    must(audit_close(relay) == NULL && audit_close(log) == NULL);
    fd_close(fd);
    expect_good(3);
    _cleanup_(freep) char *bytes = NULL;
    size_t size = 0;
    must(file_read(AT_FDCWD, path, 1 << 20, &bytes, &size, NULL) == 0);
    must(strstr(bytes, "forged") == NULL && strstr(bytes, longest) != NULL);
    /* Line by line the same, apart from seq, time and prev. */
    const char *first = strstr(bytes, "\"container\"");
    const char *second = first != NULL ? strstr(first + 1, "\"container\"") : NULL;
    must(second != NULL && strncmp(first, second, strcspn(first, "}")) == 0);
    ok("a relayed record is a record; container, image and manifest are the receiver's");
}

/* What a guest can do to a process of its own. */
static void guest_process(Audit *relay)
{
    const AuditRecord record = record_of(true);
    const struct rlimit none = {0};
    (void)signal(SIGXFSZ, SIG_IGN);
    must(setrlimit(RLIMIT_FSIZE, &none) == 0 && audit_append(relay, &record) == 0);
    for (;;) {
        const int ignored = audit_append(relay, &record); /* until it is stopped */
        (void)ignored;
    }
}

static void test_relay_of_a_guest(void)
{
    write_bytes("", 0);
    Audit *log = open_log();
    Audit *other = open_log();
    Audit *relay = NULL;
    int fd = -1;
    const AuditRecord common = record_of(true);
    const struct timespec moment = {.tv_nsec = 1000000};
    must(audit_guest(log, 200, &relay, &fd, NULL) == 0);
    for (int i = 0; i < 20; i++) {
        const pid_t child = fork();
        if (child == 0) {
            audit_forget(log);
            guest_process(relay);
        }
        must(nanosleep(&moment, NULL) == 0 && audit_receive(log, fd, &common) >= 0 && kill(child, SIGSTOP) == 0);
        must(audit_append(other, &common) == 0); /* another container is not kept waiting */
        must(kill(child, SIGKILL) == 0 && waitpid(child, NULL, 0) == child);
    }
    while (audit_receive(log, fd, &common) > 0) {
    }
    audit_close(relay);
    audit_close(log);
    audit_close(other);
    fd_close(fd);
    uint64_t count = 0;
    char message[ERROR_MESSAGE_SIZE];
    must(verify(&count, message) == 0 && count >= 40);
    ok("a guest that stops its processes or may write no file keeps no record out");
}

static void test_relay_garbage(void)
{
    write_bytes("", 0);
    Audit *log = open_log();
    Audit *relay = NULL;
    int fd = -1;
    uint8_t bytes[16384];
    const AuditRecord common = record_of(true);
    must(audit_guest(log, 200, &relay, &fd, NULL) == 0);
    memset(bytes, 0xff, sizeof(bytes));
    const size_t sizes[] = {0, 1, 79, 80, 81, 8192, sizeof(bytes)};
    for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        must(send(200, bytes, sizes[i], 0) == (ssize_t)sizes[i] && audit_receive(log, fd, &common) == 0);
    }
    must(audit_append(relay, &common) == 0 && audit_receive(log, fd, &common) == 0);
    int r = 0;
    for (int i = 0; i < 10000 && r == 0; i++) { /* nobody reads: in the end the sender gives up, after half a second */
        r = audit_append(relay, &common);
    }
    must(r == -EAGAIN);
    audit_close(relay);
    while (audit_receive(log, fd, &common) > 0) {
    }
    audit_close(log);
    fd_close(fd);
    uint64_t count = 0;
    char message[ERROR_MESSAGE_SIZE];
    _cleanup_(freep) char *text = NULL;
    size_t size = 0;
    must(verify(&count, message) == 0 && file_read(AT_FDCWD, path, 1 << 20, &text, &size, NULL) == 0);
    must(strstr(text, "\"lost\":7") != NULL);
    ok("what is no record is counted as lost");
}

static void test_open(void)
{
    Audit *audit = NULL;
    Error err = ERROR_INIT;
    must(unlink(path) == 0 && symlink("/etc/passwd", path) == 0);
    must(audit_open(path, 0, &audit, &err) == -ELOOP);
    must(unlink(path) == 0 && mkfifo(path, 0600) == 0);
    must(audit_open(path, 0, &audit, &err) == -EINVAL);
    must(unlink(path) == 0);
    ok("a link or FIFO is no log");
}

int main(void)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    const int fd = mkstemp(path);
    must(fd >= 0);
    fd_close(fd);
    test_record();
    test_tampering();
    test_full_disk();
    test_rate();
    test_writers();
    test_stopped_holder();
    test_relay_content();
    test_relay_of_a_guest();
    test_relay_garbage();
    test_open();
    printf("1..%d\n", test_count);
    return 0;
}
