/* SPDX-License-Identifier: Apache-2.0 */
/*
 * zygote-spawn.c - one spawn: the gate's decision, a child, a message.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/must.h"
#include "zygote/zygote-caller.h"

#define LENT_MS 1000 /* a child that somebody stopped; beyond the next tick, or the timer itself takes 6 us */
#define ATTEMPTS 16 /* parked children that turn out to be dead */

typedef struct Parcel { /* what is sent: header and strings, descriptors */
    DispatchHeader header;
    const char *text[DISPATCH_TEXTS];
    int fds[ZYGOTE_FDS_MAX];
    size_t fd_count;
    SandboxJoin join;
    int file_fd;       /* -1, or the strings of a long dispatch */
    size_t size;       /* in zygote->buffer, or in the file */
} Parcel;

static int request_check(const ZygoteRequest *request, Error *err)
{
    if (request->argc == 0 || request->argc > LIMIT_ARG_COUNT || request->envc > LIMIT_ARG_COUNT) {
        return error_set(err, request->argc == 0 ? EINVAL : E2BIG, "%s: %zu arguments", request->program, request->argc);
    }
    if (request->cwd != NULL && request->cwd[0] != '/') {
        return error_set(err, EINVAL, "%s: an absolute directory is expected", request->cwd);
    }
    for (size_t i = 0; i < 3; i++) {
        if (request->stdio[i] < 0) {
            return error_set(err, EBADF, "%s: descriptor %zu is not given", request->program, i);
        }
    }
    return 0;
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash != NULL ? slash + 1 : path;
}

static void denial(const Zygote *zygote, const ZygoteRequest *request, Error *err)
{
    ContainerConfig config = zygote->config;
    config.program = request->program;
    container_denial(&config, zygote->verdict, err);
}

static uint32_t pages_of(const Zygote *zygote, const ZygoteRequest *request)
{
    const uint64_t own = zygote->config.limits.memory_size >> 16, asked = request->limits.memory_size >> 16;
    uint64_t pages = request->page_limit;
    pages = asked > 0 && (pages == 0 || asked < pages) ? asked : pages;
    pages = own > 0 && (pages == 0 || own < pages) ? own : pages;
    return pages > 65536 ? 65536 : (uint32_t)pages;
}

static uint64_t smaller(uint64_t a, uint64_t b) { return a == 0 ? b : b == 0 || a < b ? a : b; }

/* Everything but the strings. */
static int parcel_fill(Zygote *zygote, const ZygoteRequest *request, Parcel *parcel, Error *err)
{
    const GateVerdict *verdict = zygote->verdict;
    const bool is_script = verdict->script_fd >= 0;
    SandboxLimits limits = {.memory_size = smaller(zygote->config.limits.memory_size, request->limits.memory_size),
                            .pids_count = smaller(zygote->config.limits.pids_count, request->limits.pids_count)};
    *parcel = (Parcel){.join = SANDBOX_JOIN_INIT, .file_fd = -1};
    memcpy(parcel->fds, request->stdio, sizeof(request->stdio));
    parcel->fds[3] = verdict->file_fd;
    parcel->fd_count = 4;
    if (is_script) {
        parcel->fds[parcel->fd_count++] = verdict->script_fd;
    }
    if (request->cgroup != NULL) {
        const int r = sandbox_cgroup_join_open(request->cgroup, 3, &parcel->join, err);
        if (r < 0) {
            return r;
        }
        limits = sandbox_cgroup_rest(request->cgroup, &limits);
    }
    uint32_t join_count = 0;
    for (size_t i = 0; i < 3; i++) {
        if (parcel->join.fds[i] >= 0) {
            parcel->fds[parcel->fd_count++] = parcel->join.fds[i];
            join_count++;
        }
    }
    parcel->header = (DispatchHeader){
        .magic = ZYGOTE_MAGIC,
        .flags = is_script ? DISPATCH_SCRIPT : 0,
        .argc = (uint32_t)request->argc,
        .envc = (uint32_t)request->envc,
        .join_count = join_count,
        .page_limit = pages_of(zygote, request),
        .open_files_count = request->limits.open_files_count < LIMIT_GUEST_FDS ? (uint32_t)request->limits.open_files_count : 0,
        .program_flags = verdict->row.flags,
        .memory_size = limits.memory_size,
        .pids_count = limits.pids_count,
    };
    const uint32_t last = verdict->step_count - 1;
    const char *const text[DISPATCH_TEXTS] = {request->cwd != NULL ? request->cwd : "/", verdict->row.entry, verdict->steps[0].path,
                                              verdict->steps[last].resolved, verdict->interpreter_path, verdict->interpreter_arg, verdict->script_path};
    memcpy(parcel->text, text, sizeof(text));
    return 0;
}

/* A long dispatch: header alone in the message, all of it in a sealed memory file. */
static int parcel_file(Zygote *zygote, Parcel *parcel, size_t size)
{
    _cleanup_(fd_closep) int fd = -1;
    int r = fd_seal_bytes(zygote->buffer, size, "dispatch", &fd);
    if (r == 0 && parcel->fd_count == ZYGOTE_FDS_MAX) {
        r = -E2BIG;
    }
    if (r == 0) {
        parcel->file_fd = steal_fd(&fd);
        parcel->fds[parcel->fd_count++] = parcel->file_fd;
    }
    return r;
}

static int parcel_write(Zygote *zygote, const ZygoteRequest *request, Parcel *parcel, Error *err)
{
    int64_t size = dispatch_write(zygote->buffer, ZYGOTE_INLINE_SIZE, &parcel->header, request, parcel->text);
    if (size < 0) {
        if (zygote->buffer_size < ZYGOTE_DISPATCH_MAX) {
            char *buffer = realloc(zygote->buffer, ZYGOTE_DISPATCH_MAX);
            if (buffer == NULL) {
                return error_set(err, ENOMEM, "zygote: out of memory");
            }
            zygote->buffer = buffer;
            zygote->buffer_size = ZYGOTE_DISPATCH_MAX;
        }
        parcel->header.flags |= DISPATCH_FILE;
        size = dispatch_write(zygote->buffer, zygote->buffer_size, &parcel->header, request, parcel->text);
        const int r = size < 0 ? (int)size : parcel_file(zygote, parcel, (size_t)size);
        if (r < 0) {
            return error_set(err, -r, "%s: arguments and environment", request->program);
        }
        size = (int64_t)sizeof(DispatchHeader);
    }
    parcel->size = (size_t)size;
    return 0;
}

static void parcel_deinit(Parcel *parcel)
{
    for (size_t i = 0; i < 3; i++) {
        parcel->join.fds[i] = fd_close(parcel->join.fds[i]);
    }
    parcel->file_fd = fd_close(parcel->file_fd);
}

/*
 * Where the child wakes up. When nothing of ours runs yet, the caller has little to do before this instance has started, and the child gets the caller's
 * processor: another would have to be woken from its sleep, which takes 15 to 20 us in a virtual machine. Else any that is free. Parked children are bound
 * to the processor of the caller that had them made, which is usually this one. Return: is it the caller's?
 */
static bool processor_lend(const Zygote *zygote, Child *child, bool is_alone)
{
    const int own = is_alone ? sched_getcpu() : -1;
    if (child->processor == own) {
        return own >= 0;
    }
    cpu_set_t one;
    CPU_ZERO(&one);
    if (own >= 0 && own < CPU_SETSIZE) {
        CPU_SET((size_t)own, &one);
    }
    if (child->pid_fd < 0 || syscall(SYS_pidfd_send_signal, child->pid_fd, 0, NULL, 0) < 0 || /* it has died: its pid may be another's by now */
        sched_setaffinity(child->pid, sizeof(one), own >= 0 ? &one : &zygote->processors) < 0) {
        return false;
    }
    child->processor = own;
    return own >= 0;
}

/*
 * Lets go of the processor until the child's first instruction is next. What it says then wakes this process on another processor, so that both go on; after
 * sched_yield(2) it would only run again when the program sleeps or has ended. The answer stays where it is for zygote-end.c.
 */
static void started_wait(const Child *child)
{
    struct pollfd polled = {.fd = child->fd, .events = POLLIN};
    (void)poll(&polled, 1, LENT_MS);
}

/* The parcel is written before it is known who gets it. */
static void bound_write(Zygote *zygote, bool is_bound)
{
    DispatchHeader header;
    memcpy(&header, zygote->buffer, sizeof(header));
    header.flags = is_bound ? header.flags | DISPATCH_BOUND : header.flags & ~(uint32_t)DISPATCH_BOUND;
    memcpy(zygote->buffer, &header, sizeof(header));
}

/* A parked child that was told, NONE when there is none left that lives. */
static uint32_t parked_tell(Zygote *zygote, Template *template, const Parcel *parcel)
{
    const bool is_alone = zygote->running_count == 0;
    for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
        const uint32_t index = child_unpark(zygote, template);
        if (index == NONE) {
            return NONE;
        }
        Child *child = &zygote->children[index];
        if (child->pid_fd < 0) { /* before the message: that it is taken shows that the child was there, and so that the descriptor is its own */
            child->pid_fd = (int)syscall(SYS_pidfd_open, child->pid, 0);
        }
        const bool is_lent = processor_lend(zygote, child, is_alone);
        bound_write(zygote, child->processor >= 0);
        if (message_send(child->fd, zygote->buffer, parcel->size, parcel->fds, parcel->fd_count) == 0) {
            child->was_parked = true;
            if (is_lent) {
                started_wait(child);
            }
            return index;
        }
        child->fd = fd_close(child->fd); /* it died; its end is on its way */
        zygote->stats.parked_lost_count++;
    }
    return NONE;
}

/* One that is forked for it, perhaps already (@ahead): told before it is there, so that it need not park. */
static int fresh_tell(Zygote *zygote, Template *template, const Parcel *parcel, uint32_t ahead, uint32_t *ret_index, Error *err)
{
    uint32_t index = ahead;
    int r = ahead != NONE ? 0 : child_new(zygote, template, false, &index, err);
    if (r < 0) {
        return r;
    }
    r = message_send(zygote->children[index].fd, zygote->buffer, parcel->size, parcel->fds, parcel->fd_count);
    const int answer = child_fork_answer(zygote, template, index);
    if (answer < 0) {
        zygote->nests[zygote->nest].child_count--;
        child_free(zygote, index);
        template->fd = fd_close(template->fd);
        return error_set(err, ECHILD, "zygote: no child of %s: %s", template->entry, error_name(-answer));
    }
    if (r < 0) {
        zygote->children[index].fd = fd_close(zygote->children[index].fd);
        return error_set(err, ECHILD, "zygote: the child of %s is gone", template->entry);
    }
    zygote->children[index].pid_fd = (int)syscall(SYS_pidfd_open, zygote->children[index].pid, 0); /* -1: it has ended already */
    *ret_index = index;
    return 0;
}

/*
 * While the gate decides, a child of the template that this path got last is being forked, if none is parked. It is a guess like alert(): without a message
 * the child does nothing, and only a decision for this very template sends it one. Not for snapshots, whose choice depends on all of the words.
 */
static uint32_t fork_ahead(Zygote *zygote, uint32_t hash)
{
    const struct ZygoteHint *hint = &zygote->hints[hash % ZYGOTE_HINTS];
    uint32_t index = NONE;
    if (hint->template_1 == 0 || hint->hash != hash || zygote->free == NONE || zygote->children[zygote->free].next == NONE) {
        return NONE; /* nor the last one that there may be */
    }
    Template *template = &zygote->templates[hint->template_1 - 1];
    if (template->fd < 0 || template->parked != NONE || template->words != NULL) {
        return NONE;
    }
    return child_new(zygote, template, false, &index, NULL) < 0 ? NONE : index;
}

/* It was guessed wrong: the child reads the end of its channel and exits. */
static void ahead_drop(Zygote *zygote, uint32_t ahead)
{
    Child *child = &zygote->children[ahead];
    Template *template = &zygote->templates[child->template];
    child->fd = fd_close(child->fd);
    if (child_fork_answer(zygote, template, ahead) < 0) {
        zygote->nests[zygote->nest].child_count--;
        child_free(zygote, ahead);
        template->fd = fd_close(template->fd);
    }
}

static bool ahead_fits(const Zygote *zygote, uint32_t ahead)
{
    return strcmp(zygote->templates[zygote->children[ahead].template].entry, zygote->verdict->row.entry) == 0;
}

static int dispatch(Zygote *zygote, const ZygoteRequest *request, uint32_t ahead, uint32_t *ret_index, Error *err)
{
    Parcel parcel;
    uint32_t index = NONE;
    int r = parcel_fill(zygote, request, &parcel, err);
    r = r < 0 ? r : parcel_write(zygote, request, &parcel, err);
    Template *template = r < 0 ? NULL : template_warm(zygote, zygote->verdict->row.entry, zygote->buffer, parcel.size);
    template = r < 0 || template != NULL ? template : template_get(zygote, zygote->verdict->row.entry, NULL, 0);
    if (r == 0 && template == NULL) {
        r = error_set(err, ENOSPC, "zygote: more than %u pools", ZYGOTE_TEMPLATES);
    }
    if (ahead != NONE && (r < 0 || template != &zygote->templates[zygote->children[ahead].template])) {
        ahead_drop(zygote, ahead);
        ahead = NONE;
    }
    if (r == 0) {
        index = ahead != NONE ? NONE : parked_tell(zygote, template, &parcel);
        zygote->stats.hit_count += index != NONE;
        if (index == NONE) {
            zygote->stats.miss_count++;
            const uint32_t more = template->target < 1 ? 1 : template->target * 2;
            template->target = more < template->maximum ? more : template->maximum;
            r = fresh_tell(zygote, template, &parcel, ahead, &index, err);
        }
    }
    parcel_deinit(&parcel);
    if (template != NULL) {
        template->used_ms = zygote_now_ms();
    }
    *ret_index = index;
    return r;
}

static uint32_t path_hash(const char *path)
{
    uint32_t hash = 2166136261u; /* FNV-1a */
    for (; *path != '\0'; path++) {
        hash = (hash ^ (uint8_t)*path) * 16777619u;
    }
    return hash;
}

/* The child that will probably be told wakes up while the gate decides; the path may stand for another program by now, or for none. */
static void alert(const Zygote *zygote, uint32_t hash)
{
    const struct ZygoteHint *hint = &zygote->hints[hash % ZYGOTE_HINTS];
    if (hint->template_1 > 0 && hint->hash == hash && zygote->templates[hint->template_1 - 1].parked != NONE) {
        const int fd = zygote->children[zygote->templates[hint->template_1 - 1].parked].fd;
        error_ignore(message_send(fd, "", ZYGOTE_ALERT_SIZE, NULL, 0)); /* if it died, the dispatch finds out */
    }
}

int zygote_spawn(Zygote *zygote, const ZygoteRequest *request, ZygoteInstance *ret_instance, Error *err)
{
    must(zygote != NULL && request != NULL && request->program != NULL && ret_instance != NULL);
    int r = request_check(request, err);
    if (r < 0) {
        return r;
    }
    GateRequest gate_request = {
        .dirfd = AT_FDCWD,
        .cwd = request->cwd != NULL ? request->cwd : "/",
        .path = request->program,
        .argv0 = request->argv[0],
        .pid = (uint32_t)getpid(),
        .applet = base_name(request->argv[0]),
        .is_record_deferred = true,
    };
    uint32_t index = NONE;
    const uint32_t hash = path_hash(request->program);
    if (zygote->running_count > 0) {
        alert(zygote, hash);
    }
    uint32_t ahead = fork_ahead(zygote, hash);
    r = gate_decide(zygote->gate, &gate_request, zygote->verdict);
    if (ahead != NONE && (r < 0 || zygote->verdict->kind == GATE_DENY || !ahead_fits(zygote, ahead))) {
        ahead_drop(zygote, ahead);
        ahead = NONE;
        zygote->hints[hash % ZYGOTE_HINTS].template_1 = 0; /* one fork for nothing is enough */
    }
    if (r < 0) {
        r = error_set(err, -r, "%s: the exec gate failed", request->program);
    } else if (zygote->verdict->kind == GATE_DENY) {
        denial(zygote, request, err);
        r = -(zygote->verdict->error > 0 ? zygote->verdict->error : EACCES);
    } else {
        r = dispatch(zygote, request, ahead, &index, err);
    }
    if (index != NONE && r == 0) {
        Child *child = &zygote->children[index];
        child->state = CHILD_RUNNING;
        child->id = ++zygote->next_id;
        child->deadline_ms = request->timeout_ms > 0 ? zygote_now_ms() + request->timeout_ms : 0;
        zygote->running_count++;
        zygote->hints[hash % ZYGOTE_HINTS] = (struct ZygoteHint){.hash = hash, .template_1 = child->template + 1};
        *ret_instance = (ZygoteInstance){.id = child->id, .pid = child->pid, .was_parked = child->was_parked};
        gate_request.pid = (uint32_t)child->pid;
    }
    if (zygote->verdict->step_count > 0) {
        gate_record(zygote->gate, &gate_request, zygote->verdict);
    }
    gate_verdict_deinit(zygote->verdict);
    return r;
}

/* --- warm pools: here, because what is compared at a spawn is made in one place --- */

static int warm_words(Zygote *zygote, const ZygoteRequest *request, size_t *ret_size, Error *err)
{
    const GateVerdict *verdict = zygote->verdict;
    if (verdict->kind == GATE_DENY) {
        return error_set(err, verdict->error > 0 ? verdict->error : EACCES, "%s: %s", request->program, verdict->reason);
    }
    if (verdict->script_fd >= 0) {
        return error_set(err, EINVAL, "%s: a script cannot be a snapshot, its interpreter can", request->program);
    }
    Parcel parcel;
    int r = parcel_fill(zygote, request, &parcel, err);
    parcel.header.memory_size = parcel.header.pids_count = 0;
    const int64_t size = r < 0 ? r : dispatch_write(zygote->buffer, ZYGOTE_INLINE_SIZE, &parcel.header, request, parcel.text);
    parcel_deinit(&parcel);
    *ret_size = size > 0 ? (size_t)size : 0;
    return r < 0 ? r : size < 0 ? error_set(err, E2BIG, "%s: arguments and environment of a snapshot are too long", request->program) : 0;
}

int zygote_pool_warm(Zygote *zygote, const ZygoteRequest *request, uint32_t minimum, uint32_t maximum, Digest *ret_digest, Error *err)
{
    must(request->program != NULL && minimum <= maximum && ret_digest != NULL);
    const GateRequest gate_request = {.dirfd = AT_FDCWD, .cwd = request->cwd != NULL ? request->cwd : "/", .path = request->program,
                                      .argv0 = request->argv[0], .applet = base_name(request->argv[0]), .pid = (uint32_t)getpid(), .is_record_deferred = true};
    size_t size = 0;
    int r = gate_decide(zygote->gate, &gate_request, zygote->verdict);
    r = r < 0 ? error_set(err, -r, "%s: the exec gate failed", request->program) : warm_words(zygote, request, &size, err);
    Template *template = r < 0 ? NULL : template_get(zygote, zygote->verdict->row.entry, zygote->buffer, size);
    gate_verdict_deinit(zygote->verdict);
    if (r == 0 && template == NULL) {
        r = error_set(err, ENOSPC, "zygote: more than %u pools", ZYGOTE_TEMPLATES);
    }
    if (r == 0 && !template->has_digest) { /* twice, in two processes */
        r = template_open(zygote, template, err);
        if (r == 0) {
            const Digest first = template->digest;
            template->fd = fd_close(template->fd);
            r = template_open(zygote, template, err);
            if (r == 0 && !digest_equals(&first, &template->digest)) {
                template->fd = fd_close(template->fd);
                r = error_set(err, EBADMSG, "%s: two runs to the ready point differ: what it holds then depends on more than the image", request->program);
            }
        }
        template->has_digest = r == 0;
        if (r < 0) {
            template->entry[0] = '\0'; /* nobody finds it, and it is the first to be taken */
            template->used_ms = 0;
        }
    }
    if (r == 0) {
        template->minimum = minimum;
        template->maximum = maximum;
        template->target = minimum > template->target ? minimum : template->target < maximum ? template->target : maximum;
        *ret_digest = template->digest;
    }
    return r;
}
