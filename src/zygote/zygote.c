/* SPDX-License-Identifier: Apache-2.0 */
/*
 * zygote.c - the caller's side: start and end of zygotes, and the spawn.
 *
 * A spawn in its order: gate -> child of the verdict's entry (parked, or forked now) -> one message -> audit record. The record is written after the
 * message so that nobody waits for a disk; that it cannot be written never changed a decision.
 */
#include "zygote/zygote.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/sysinfo.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/must.h"
#include "zygote/zygote-caller.h"

#define PROCESSES_DEFAULT 1024u
#define START_MS 10000

/* --- nests --- */

/* The first word of the zygote (or what went wrong in the keeper). */
static int start_wait(int control_fd, pid_t *ret_zygote, Error *err)
{
    StartAnswer answer = {.start_ns = 0};
    int fds[ZYGOTE_FDS_MAX];
    size_t fd_count = 0;
    const int64_t got = message_receive(control_fd, &answer, sizeof(answer), 0, fds, &fd_count);
    if (got == (int64_t)sizeof(answer) && answer.error.code > 0) {
        answer.error.file = __FILE__;
        if (err != NULL) {
            *err = answer.error;
        }
        return -answer.error.code;
    }
    if (got != (int64_t)sizeof(answer.start_ns)) {
        return error_set(err, ECHILD, "zygote: it died while it was started");
    }
    *ret_zygote = (pid_t)answer.start_ns;
    return 0;
}

static int nest_fork(Zygote *zygote, Nest *nest, Error *err)
{
    int control[2] = {-1, -1}, end[2] = {-1, -1};
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, control) < 0 || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, end) < 0) {
        const int r = error_set(err, errno, "zygote: socketpair");
        (void)fd_close(control[0]);
        (void)fd_close(control[1]);
        return r;
    }
    ZygoteSide side = {.config = &zygote->config, .options = &zygote->options, .loaded = zygote->loaded, .log = zygote->log, .relay = zygote->relay,
                       .control_fd = control[1], .end_fd = end[1], .parent = getpid()};
    const pid_t pid = fork();
    if (pid == 0) {
        keeper_main(&side);
    }
    const int error = errno;
    (void)fd_close(control[1]);
    (void)fd_close(end[1]);
    *nest = (Nest){.keeper = pid, .control_fd = control[0], .end_fd = end[0]};
    return pid < 0 ? error_set(err, error, "zygote: fork") : start_wait(control[0], &nest->zygote, err);
}

int nest_start(Zygote *zygote, Error *err)
{
    uint32_t index = 0;
    while (index < NESTS && zygote->nests[index].keeper > 0) {
        index++;
    }
    if (index == NESTS) {
        return error_set(err, EAGAIN, "zygote: instances of %u older policies are still running", NESTS - 1);
    }
    Nest *nest = &zygote->nests[index];
    int r = nest_fork(zygote, nest, err);
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = index};
    if (r == 0 && epoll_ctl(zygote->epoll_fd, EPOLL_CTL_ADD, nest->end_fd, &event) < 0) {
        r = error_set(err, errno, "zygote: epoll");
    }
    if (r < 0) {
        nest_stop(zygote, index);
        return r;
    }
    zygote->nest = index;
    return 0;
}

void nest_stop(Zygote *zygote, uint32_t index)
{
    Nest *nest = &zygote->nests[index];
    nest->control_fd = fd_close(nest->control_fd); /* the zygote ends, its children by it, the rest by the keeper */
    if (nest->keeper > 0) {
        while (waitpid(nest->keeper, NULL, 0) < 0 && errno == EINTR) {
        }
    }
    nest->end_fd = fd_close(nest->end_fd);
    *nest = (Nest){.control_fd = -1, .end_fd = -1};
}

int zygote_revive(Zygote *zygote, Error *err)
{
    if (zygote->nests[zygote->nest].keeper > 0 && !zygote->nests[zygote->nest].is_old) {
        return 0;
    }
    return nest_start(zygote, err);
}

/* --- start and stop --- */

#define AHEAD_MAXIMUM 1024

/* A parked child needs one descriptor, the second one is only quicker: it may have a quarter of what the process may open. */
static uint32_t ahead_maximum(void)
{
    struct rlimit limit = {0};
    (void)getrlimit(RLIMIT_NOFILE, &limit);
    return limit.rlim_cur / 4 < AHEAD_MAXIMUM ? (uint32_t)(limit.rlim_cur / 4) : AHEAD_MAXIMUM;
}

static void lists_init(Zygote *zygote)
{
    zygote->free = zygote->ended = zygote->ended_last = NONE;
    for (uint32_t i = zygote->options.process_max; i-- > 0;) {
        zygote->children[i] = (Child){.fd = -1, .pid_fd = -1, .next = zygote->free};
        zygote->free = i;
    }
    for (uint32_t i = 0; i < NESTS; i++) {
        zygote->nests[i] = (Nest){.control_fd = -1, .end_fd = -1};
    }
}

/* The caller's books, which are nobody else's business: a fork does not get them, and need not copy their page tables (30 us). */
static void *books_map(size_t size)
{
    void *books = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (books == MAP_FAILED || madvise(books, size, MADV_DONTFORK) < 0) {
        (void)(books != MAP_FAILED ? munmap(books, size) : 0);
        return NULL;
    }
    return books;
}

static int memory_make(Zygote *zygote, const ZygoteOptions *options, Error *err)
{
    struct sysinfo machine;
    zygote->options = options != NULL ? *options : (ZygoteOptions){0};
    if (zygote->options.process_max == 0) {
        zygote->options.process_max = PROCESSES_DEFAULT;
    }
    if (zygote->options.process_max > ZYGOTE_PROCESSES_MAX) {
        return error_set(err, EINVAL, "zygote: %u processes, at most %u", zygote->options.process_max, ZYGOTE_PROCESSES_MAX);
    }
    if (zygote->options.memory_max == 0) {
        zygote->options.memory_max = sysinfo(&machine) == 0 ? (uint64_t)machine.totalram * machine.mem_unit / 16 : 64ull << 20;
    }
    zygote->children = books_map(zygote->options.process_max * sizeof(Child));
    zygote->verdict = calloc(1, sizeof(GateVerdict));
    zygote->buffer_size = ZYGOTE_INLINE_SIZE;
    zygote->buffer = malloc(zygote->buffer_size);
    zygote->by_pid = books_map(ZYGOTE_PID_MAX * sizeof(uint32_t));
    if (zygote->children == NULL || zygote->verdict == NULL || zygote->buffer == NULL || zygote->by_pid == NULL) {
        return error_set(err, ENOMEM, "zygote: out of memory");
    }
    zygote->verdict->file_fd = zygote->verdict->script_fd = -1;
    zygote->ahead_maximum = ahead_maximum();
    lists_init(zygote);
    return 0;
}

static int audit_make(Zygote *zygote, Error *err)
{
    const ContainerConfig *config = &zygote->config;
    if (config->audit_path == NULL) {
        return 0;
    }
    int r = audit_open(config->audit_path, 3, &zygote->log, err);
    r = r < 0 ? r : audit_guest(zygote->log, CONTAINER_MINIMUM_FD, &zygote->relay, &zygote->log_fd, err);
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = NESTS};
    if (r == 0 && epoll_ctl(zygote->epoll_fd, EPOLL_CTL_ADD, zygote->log_fd, &event) < 0) {
        r = error_set(err, errno, "zygote: epoll");
    }
    zygote->common = (AuditRecord){
        .container = config->name,
        .image = config->image,
        .manifest_name = manifest_name(config->manifest),
        .manifest_serial = manifest_serial(config->manifest),
        .manifest_digest = manifest_digest(config->manifest),
        .key = config->key_count > 0 ? config->keys[0] : NULL,
    };
    return r;
}

static int gate_make(Zygote *zygote, Error *err)
{
    const ContainerConfig *config = &zygote->config;
    GateConfig gate_config;
    zygote->root_fd = open(config->image_root, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (zygote->root_fd < 0) {
        return error_set(err, errno, "%s: %s", config->image_root, strerror(errno));
    }
    container_gate_config(config, zygote->log, &gate_config);
    gate_config.root_fd = zygote->root_fd;
    gate_config.minimum_fd = 3; /* no guest plays with this process's descriptors */
    gate_config.lower_fd = config->stored_digest != NULL ? zygote->root_fd : -1;
    return gate_new(&gate_config, &zygote->gate, err);
}

int zygote_start(const ContainerConfig *config, const ZygoteOptions *options, Zygote **ret_zygote, Error *err)
{
    must(config != NULL && ret_zygote != NULL && config->manifest != NULL);
    if (config->mount_count > 0) {
        return error_set(err, EINVAL, "zygote: volumes need namespaces");
    }
    int r = container_files_limit(err);
    Zygote *zygote = r < 0 ? NULL : calloc(1, sizeof(*zygote));
    if (zygote == NULL) {
        return r < 0 ? r : error_set(err, ENOMEM, "zygote: out of memory");
    }
    zygote->config = *config;
    zygote->root_fd = zygote->log_fd = -1;
    (void)sched_getaffinity(0, sizeof(zygote->processors), &zygote->processors);
    zygote->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    r = zygote->epoll_fd < 0 ? error_set(err, errno, "zygote: epoll") : memory_make(zygote, options, err);
    r = r < 0 ? r : rt_object_open(config->object_fd, CONTAINER_MINIMUM_FD, &config->megabinary, &zygote->loaded, err);
    r = r < 0 ? r : rt_object_check(zygote->loaded, err);
    r = r < 0 ? r : rt_object_share(zygote->loaded, err);
    r = r < 0 ? r : container_entries_check(config->manifest, zygote->loaded, err);
    r = r < 0 ? r : audit_make(zygote, err);
    r = r < 0 ? r : gate_make(zygote, err);
    r = r < 0 ? r : nest_start(zygote, err);
    if (r < 0) {
        (void)zygote_stop(zygote);
        return r;
    }
    *ret_zygote = zygote;
    return 0;
}

Zygote *zygote_stop(Zygote *zygote)
{
    if (zygote == NULL) {
        return NULL;
    }
    for (uint32_t i = 0; i < NESTS; i++) {
        if (zygote->nests[i].keeper > 0) {
            nest_stop(zygote, i);
        }
    }
    for (uint32_t i = 0; i < zygote->template_count; i++) {
        (void)fd_close(zygote->templates[i].fd);
        free(zygote->templates[i].words);
    }
    for (uint32_t i = 0; zygote->children != NULL && i < zygote->options.process_max; i++) {
        (void)fd_close(zygote->children[i].fd);
    }
    if (zygote->log_fd >= 0) {
        for (int i = 0; i < 1024 && audit_receive(zygote->log, zygote->log_fd, &zygote->common) > 0; i++) { /* nobody sends any more */
        }
    }
    (void)gate_free(zygote->gate);
    (void)audit_close(zygote->relay);
    (void)audit_close(zygote->log);
    (void)fd_close(zygote->log_fd);
    (void)rt_object_close(zygote->loaded);
    (void)fd_close(zygote->root_fd);
    (void)fd_close(zygote->epoll_fd);
    if (zygote->by_pid != NULL) {
        (void)munmap(zygote->by_pid, ZYGOTE_PID_MAX * sizeof(uint32_t));
    }
    if (zygote->children != NULL) {
        (void)munmap(zygote->children, zygote->options.process_max * sizeof(Child));
    }
    free(zygote->verdict);
    free(zygote->buffer);
    free(zygote);
    return NULL;
}

int zygote_set_policy(Zygote *zygote, const Policy *policy, Error *err)
{
    const Policy *old_policy = zygote->config.policy;
    const uint32_t old = zygote->nest;
    zygote->config.policy = policy;
    const int r = nest_start(zygote, err);
    if (r < 0) {
        zygote->config.policy = old_policy;
        return r;
    }
    gate_set_policy(zygote->gate, policy);
    for (uint32_t i = 0; i < zygote->template_count; i++) {
        template_forget(zygote, &zygote->templates[i]);
    }
    if (zygote->nests[old].keeper > 0) {
        zygote->nests[old].is_old = true;
        ends_take(zygote, old); /* without instances it ends now */
    }
    return 0;
}

int zygote_event_fd(const Zygote *zygote) { return zygote->epoll_fd; }

void zygote_stats(const Zygote *zygote, ZygoteStats *ret_stats)
{
    *ret_stats = zygote->stats;
    ret_stats->parked_count = zygote->parked_count;
    ret_stats->running_count = zygote->running_count;
    for (uint32_t i = 0; i < zygote->template_count; i++) {
        ret_stats->template_count += zygote->templates[i].fd >= 0;
    }
    ret_stats->keeper_pid = zygote->nests[zygote->nest].keeper;
    ret_stats->zygote_pid = zygote->nests[zygote->nest].zygote;
}
