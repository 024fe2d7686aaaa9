/* SPDX-License-Identifier: Apache-2.0 */
/*
 * zygote-pool.c - the caller's lists: templates, parked children, and how many of them there should be.
 *
 *   NONE -> PARKED (child_new, refill) -> RUNNING (spawn) -> ENDED (its end was told) -> NONE (the caller took it)
 *             `-> let go (channel closed: it exits by itself) -> NONE when its end is told
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/must.h"
#include "zygote/zygote-caller.h"

#define ANSWER_MS 10000 /* a template that does not answer for that long is stuck [guess] */

/* --- templates --- */

/* Are these two dispatches for the same program, arguments, environment and directory? The file is the same program's by the gate's word. */
static bool words_equal(const Template *template, const char *dispatch, size_t size)
{
    DispatchHeader own, other;
    if (template->words == NULL || size != template->words_size || size < sizeof(own)) {
        return false;
    }
    memcpy(&own, template->words, sizeof(own));
    memcpy(&other, dispatch, sizeof(other));
    return own.argc == other.argc && own.envc == other.envc && (other.flags & ~(uint32_t)DISPATCH_BOUND) == 0 &&
           memcmp(template->words + sizeof(own), dispatch + sizeof(own), size - sizeof(own)) == 0;
}

Template *template_warm(Zygote *zygote, const char *entry, const char *dispatch, size_t size)
{
    for (uint32_t i = 0; i < zygote->template_count; i++) {
        if (strcmp(zygote->templates[i].entry, entry) == 0 && words_equal(&zygote->templates[i], dispatch, size)) {
            return &zygote->templates[i];
        }
    }
    return NULL;
}

static Template *template_slot(Zygote *zygote)
{
    Template *template = NULL;
    if (zygote->template_count < ZYGOTE_TEMPLATES) {
        template = &zygote->templates[zygote->template_count++];
        template->words = NULL;
        return template;
    }
    for (uint32_t i = 0; i < ZYGOTE_TEMPLATES; i++) { /* the one that was not used for the longest time, if it has no fixed pool */
        Template *other = &zygote->templates[i];
        if (other->maximum == 0 && (template == NULL || other->used_ms < template->used_ms)) {
            template = other;
        }
    }
    if (template != NULL) {
        template_forget(zygote, template);
    }
    return template;
}

Template *template_get(Zygote *zygote, const char *entry, const char *words, size_t words_size)
{
    if (words != NULL) {
        Template *warm = template_warm(zygote, entry, words, words_size);
        if (warm != NULL) {
            return warm;
        }
    }
    for (uint32_t i = 0; words == NULL && i < zygote->template_count; i++) {
        if (zygote->templates[i].words == NULL && strcmp(zygote->templates[i].entry, entry) == 0) {
            return &zygote->templates[i];
        }
    }
    if (strlen(entry) >= ZYGOTE_ENTRY_SIZE) {
        return NULL;
    }
    char *copy = words != NULL ? malloc(words_size) : NULL;
    Template *template = words != NULL && copy == NULL ? NULL : template_slot(zygote);
    if (template == NULL) {
        free(copy);
        return NULL;
    }
    free(template->words);
    *template = (Template){.fd = -1, .parked = NONE, .words = copy, .words_size = words_size};
    memcpy(template->entry, entry, strlen(entry) + 1);
    if (copy != NULL) {
        memcpy(copy, words, words_size);
    }
    return template;
}

static int answer_wait(int fd, void *answer, size_t capacity, int64_t *ret_size)
{
    struct pollfd polled = {.fd = fd, .events = POLLIN};
    int fds[ZYGOTE_FDS_MAX];
    size_t fd_count = 0;
    int count;
    do {
        count = poll(&polled, 1, ANSWER_MS);
    } while (count < 0 && errno == EINTR);
    if (count <= 0) {
        return count < 0 ? -errno : -ETIMEDOUT;
    }
    *ret_size = message_receive(fd, answer, capacity, 0, fds, &fd_count);
    return *ret_size < 0 ? (int)*ret_size : *ret_size == 0 ? -ECHILD : 0;
}

/* A pair of which the other end goes to a process of the zygote, and ours is out of the way of what is started later. */
static int channel_new(int *ret_ours, int *ret_theirs)
{
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0) {
        return -errno;
    }
    *ret_ours = ends[0];
    *ret_theirs = ends[1];
    return 0;
}

/* Its first answer comes from the zygote, the second from itself. */
int template_open(Zygote *zygote, Template *template, Error *err)
{
    if (template->fd >= 0) {
        return 0;
    }
    int r = zygote_revive(zygote, err);
    if (r < 0) {
        return r;
    }
    int ours = -1, theirs = -1;
    r = channel_new(&ours, &theirs);
    if (r < 0) {
        return error_set(err, -r, "zygote: socketpair");
    }
    ControlMessage message = {.magic = ZYGOTE_MAGIC, .kind = CONTROL_TEMPLATE, .is_warm = template->words != NULL};
    memcpy(message.entry, template->entry, sizeof(message.entry));
    template->pid = 0;
    r = message_send(zygote->nests[zygote->nest].control_fd, &message, sizeof(message), &theirs, 1);
    (void)fd_close(theirs);
    r = r < 0 || template->words == NULL ? r : message_send(ours, template->words, template->words_size, NULL, 0);
    StartAnswer answer;
    for (uint32_t needed = 2; r == 0 && needed > 0; needed--) { /* in any order */
        int64_t size = 0;
        r = answer_wait(ours, &answer, sizeof(answer), &size);
        if (r == 0 && size == (int64_t)sizeof(ForkAnswer)) {
            memcpy(&template->pid, &answer, sizeof(template->pid));
            r = template->pid < 0 ? template->pid : 0;
        }
        if (r == 0 && size == (int64_t)sizeof(WarmAnswer)) {
            WarmAnswer warm;
            memcpy(&warm, &answer, sizeof(warm));
            r = template->has_digest && !digest_equals(&template->digest, &warm.digest) ? -EBADMSG : 0;
            template->digest = template->has_digest ? template->digest : warm.digest;
        }
        if (r == 0 && size == (int64_t)sizeof(answer)) {
            answer.error.file = __FILE__;
            (void)fd_close(ours);
            if (err != NULL) {
                *err = answer.error;
            }
            return answer.error.code > 0 ? -answer.error.code : -EIO;
        }
    }
    if (r < 0) {
        (void)fd_close(ours);
        if (r == -ETIMEDOUT && template->pid > 0) {
            (void)kill(template->pid, SIGKILL); /* it runs its program and would not notice that nobody waits; its end was not told, so it was not reaped */
        }
        return error_set(err, r == -EBADMSG ? EBADMSG : ECHILD, "zygote: no template of %s: %s", template->entry,
                         r == -EBADMSG ? "its snapshot is not what it was" : error_name(-r));
    }
    template->fd = ours;
    return 0;
}

void template_forget(Zygote *zygote, Template *template)
{
    for (uint32_t index; (index = child_unpark(zygote, template)) != NONE;) {
        zygote->children[index].fd = fd_close(zygote->children[index].fd); /* it reads the end of the channel and exits */
    }
    template->fd = fd_close(template->fd);
}

/* --- children --- */

uint32_t child_unpark(Zygote *zygote, Template *template)
{
    const uint32_t index = template->parked;
    if (index != NONE) {
        Child *child = &zygote->children[index];
        template->parked = child->next;
        template->parked_count--;
        zygote->parked_count--;
        child->next = NONE;
        child->state = CHILD_LET_GO;
    }
    return index;
}

void child_free(Zygote *zygote, uint32_t index)
{
    Child *child = &zygote->children[index];
    (void)fd_close(child->fd);
    (void)fd_close(child->pid_fd);
    *child = (Child){.fd = -1, .pid_fd = -1, .next = zygote->free};
    zygote->free = index;
}

/* A pid that is used again before the end of its former owner was taken: that end is on its way. */
static void pid_claim(Zygote *zygote, pid_t pid, uint32_t index)
{
    for (int round = 0; zygote->by_pid[pid] != 0 && round < ANSWER_MS; round++) {
        struct pollfd polled = {.fd = zygote->epoll_fd, .events = POLLIN};
        (void)poll(&polled, 1, 1);
        for (uint32_t i = 0; i < NESTS; i++) {
            ends_take(zygote, i);
        }
    }
    if (zygote->by_pid[pid] != 0) {
        zygote->children[zygote->by_pid[pid] - 1].pid = 0; /* never told: ZYGOTE_LOST when the nest ends */
    }
    zygote->by_pid[pid] = index + 1;
}

static int child_fork_ask(const Template *template, bool is_parked, Child *child)
{
    int theirs = -1;
    int r = channel_new(&child->fd, &theirs);
    if (r < 0) {
        return r;
    }
    const int own = is_parked ? sched_getcpu() : -1;
    child->processor = own < CPU_SETSIZE ? own : -1;
    const ControlMessage message = {.magic = ZYGOTE_MAGIC, .kind = CONTROL_FORK, .is_parked = is_parked, .processor = child->processor};
    r = message_send(template->fd, &message, sizeof(message), &theirs, 1);
    (void)fd_close(theirs);
    return r;
}

int child_fork_answer(Zygote *zygote, Template *template, uint32_t index)
{
    ForkAnswer answer;
    int64_t size = 0;
    int r = answer_wait(template->fd, &answer, sizeof(answer), &size);
    r = r < 0 ? r : size != (int64_t)sizeof(answer) || answer.pid == 0 || answer.pid >= ZYGOTE_PID_MAX ? -EBADMSG : answer.pid < 0 ? answer.pid : 0;
    if (r == 0) {
        zygote->children[index].pid = answer.pid;
        pid_claim(zygote, answer.pid, index);
    }
    return r;
}

int child_new(Zygote *zygote, Template *template, bool is_parked, uint32_t *ret_child, Error *err)
{
    const uint32_t index = zygote->free;
    if (index == NONE) {
        return error_set(err, EAGAIN, "zygote: %u processes are running or parked, the limit", zygote->options.process_max);
    }
    Child *child = &zygote->children[index];
    int r = 0;
    for (int attempt = 0; attempt < 2; attempt++) { /* a template that has died is made again, once */
        r = template_open(zygote, template, err);
        if (r < 0) {
            return r;
        }
        r = child_fork_ask(template, is_parked, child);
        if (r == 0) {
            zygote->free = child->next;
            *child = (Child){.state = CHILD_LET_GO, .processor = child->processor, .fd = child->fd, .pid_fd = -1, .next = NONE, .nest = zygote->nest,
                             .template = (uint32_t)(template - zygote->templates), .template_pid = template->pid};
            zygote->nests[zygote->nest].child_count++;
            *ret_child = index;
            return 0;
        }
        child->fd = fd_close(child->fd);
        template->fd = fd_close(template->fd);
    }
    return error_set(err, ECHILD, "zygote: no child of %s: %s", template->entry, error_name(-r));
}

/* --- policy: how many should be parked --- */

int zygote_pool(Zygote *zygote, const char *program, uint32_t minimum, uint32_t maximum, Error *err)
{
    must(program != NULL && minimum <= maximum);
    const GateRequest request = {.dirfd = AT_FDCWD, .cwd = "/", .path = program, .argv0 = program, .pid = (uint32_t)getpid(), .is_record_deferred = true};
    int r = gate_decide(zygote->gate, &request, zygote->verdict);
    r = r < 0 ? error_set(err, -r, "%s: the exec gate failed", program) : r;
    if (r == 0 && zygote->verdict->kind == GATE_DENY) {
        const int code = zygote->verdict->error > 0 ? zygote->verdict->error : EACCES;
        r = error_set(err, code, "%s: %s", program, zygote->verdict->reason);
    }
    Template *template = r < 0 ? NULL : template_get(zygote, zygote->verdict->row.entry, NULL, 0);
    gate_verdict_deinit(zygote->verdict);
    if (r == 0 && template == NULL) {
        r = error_set(err, ENOSPC, "zygote: more than %u pools", ZYGOTE_TEMPLATES);
    }
    if (r == 0) {
        template->minimum = minimum;
        template->maximum = maximum;
        template->target = minimum > template->target ? minimum : template->target < maximum ? template->target : maximum;
    }
    return r;
}

/* Halves the target of what nobody asks for, and lets the surplus go. */
static void template_decay(Zygote *zygote, Template *template, uint64_t now_ms)
{
    if (template->target > template->minimum && now_ms - template->used_ms >= ZYGOTE_DECAY_MS) {
        template->target = template->target / 2 > template->minimum ? template->target / 2 : template->minimum;
        template->used_ms = now_ms;
    }
    while (template->parked_count > template->target) {
        const uint32_t index = child_unpark(zygote, template);
        zygote->children[index].fd = fd_close(zygote->children[index].fd);
    }
}

static bool is_room(const Zygote *zygote)
{
    return zygote->free != NONE && ((uint64_t)zygote->parked_count + 1) * ZYGOTE_CHILD_SIZE <= zygote->options.memory_max;
}

static int child_park(Zygote *zygote, Template *template, Error *err)
{
    uint32_t index = NONE;
    int r = child_new(zygote, template, true, &index, err);
    if (r < 0) {
        return r;
    }
    r = child_fork_answer(zygote, template, index);
    if (r < 0) {
        zygote->nests[zygote->nest].child_count--;
        child_free(zygote, index);
        template->fd = fd_close(template->fd);
        return error_set(err, -r, "zygote: no child of %s: %s", template->entry, error_name(-r));
    }
    Child *child = &zygote->children[index];
    if (zygote->parked_count < zygote->ahead_maximum) {
        child->pid_fd = (int)syscall(SYS_pidfd_open, child->pid, 0); /* -1: it has ended already, or another attempt is made when it is told */
    }
    child->state = CHILD_PARKED;
    child->next = template->parked;
    template->parked = index;
    template->parked_count++;
    zygote->parked_count++;
    return 0;
}

int zygote_refill(Zygote *zygote, uint32_t most, Error *err)
{
    const uint64_t now_ms = zygote_now_ms();
    uint64_t missing = 0;
    for (uint32_t i = 0; i < zygote->template_count; i++) {
        Template *template = &zygote->templates[i];
        template_decay(zygote, template, now_ms);
        while (template->parked_count < template->target && most > 0 && is_room(zygote)) {
            const int r = child_park(zygote, template, err);
            if (r < 0) {
                return r;
            }
            most--;
        }
        missing += is_room(zygote) ? template->target - template->parked_count : 0;
    }
    return missing > INT32_MAX ? INT32_MAX : (int)missing;
}
