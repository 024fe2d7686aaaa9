/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verb-audit.c - recompiler audit: print, follow and check the audit log.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "cmd/cmd.h"
#include "manifest/audit.h"

/* What is new in the file, to stdout. Return: 0; 1 stdout cannot be written, which main says; < 0 the file cannot be read. */
static int lines_print(int fd)
{
    char bytes[64 << 10];
    for (;;) {
        const ssize_t size = read(fd, bytes, sizeof(bytes));
        if (size < 0 && errno == EINTR) {
            continue;
        }
        if (size <= 0) {
            return size < 0 ? -errno : fflush(stdout) != 0;
        }
        if (fwrite(bytes, 1, (size_t)size, stdout) != (size_t)size) {
            return 1;
        }
    }
}

static int log_follow(int fd, const char *path)
{
    _cleanup_(fd_closep) int watch_fd = inotify_init1(IN_CLOEXEC);
    if (watch_fd < 0 || inotify_add_watch(watch_fd, path, IN_MODIFY | IN_MOVE_SELF | IN_DELETE_SELF) < 0) {
        return -errno;
    }
    for (;;) {
        const int r = lines_print(fd);
        if (r != 0) {
            return r;
        }
        struct inotify_event events[64];
        const ssize_t size = read(watch_fd, events, sizeof(events));
        if (size < 0 && errno != EINTR) {
            return -errno;
        }
        if (size > 0 && (events[0].mask & (IN_MOVE_SELF | IN_DELETE_SELF)) != 0) {
            return lines_print(fd); /* rotated away: what was written until then */
        }
    }
}

static int log_verify(int fd, const char *path, Error *err)
{
    uint64_t count = 0;
    int r = audit_verify(fd, &count, err);
    r = r < 0 ? error_wrap(err, r, "%s", path) : 0;
    if (opt_global.is_json) {
        cmd_print_json(json_pack("{s:o, s:b, s:I, s:s}", "file", cmd_json_text(path), "ok", r == 0, "records", (json_int_t)count,
                               "message", r < 0 ? err->message : ""));
        opt_global.is_json = false; /* the error is in the document */
    } else if (r == 0) {
        printf("%s: %" PRIu64 " records, chain holds\n", cmd_text(path), count);
    }
    return r;
}

int verb_audit(int argc, char **argv)
{
    static const struct option options[] = {{"help", no_argument, NULL, 'h'},   {"json", no_argument, NULL, 'j'},
                                            {"follow", no_argument, NULL, 'f'}, {"verify", no_argument, NULL, 'v'},
                                            {"file", required_argument, NULL, 'i'}, {NULL, 0, NULL, 0}};
    char path[LIMIT_PATH_SIZE];
    bool is_following = false;
    bool is_verifying = false;
    int option;
    if (cmd_audit_path(path, sizeof(path)) < 0) {
        return cmd_usage("audit", "--state-dir: path too long");
    }
    while ((option = getopt_long(argc, argv, "hf", options, NULL)) != -1) {
        switch (option) {
        case 'h': return cmd_help("audit");
        case 'j': opt_global.is_json = true; break;
        case 'f': is_following = true; break;
        case 'v': is_verifying = true; break;
        case 'i': (void)snprintf(path, sizeof(path), "%s", optarg); break;
        default: return cmd_option_wrong("audit", argv, options);
        }
    }
    if (optind != argc || (is_following && is_verifying)) {
        return cmd_usage("audit", "%s", optind != argc ? "no arguments are expected" : "--follow and --verify exclude each other");
    }
    Error err = ERROR_INIT;
    _cleanup_(fd_closep) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) {
        return cmd_fail("audit", error_set(&err, errno, "%s: cannot open: %s", path, strerror(errno)), &err, 1);
    }
    int r = is_verifying ? log_verify(fd, path, &err) : is_following ? log_follow(fd, path) : lines_print(fd);
    if (r < 0 && err.code == 0) {
        r = error_set(&err, -r, "%s: cannot read: %s", path, strerror(-r));
    }
    return r < 0 ? cmd_fail("audit", r, &err, 1) : 0;
}
