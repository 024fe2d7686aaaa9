/* SPDX-License-Identifier: Apache-2.0 */
/*
 * zygote-end.c - the ends of instances, parked children and zygotes, and signals to instances.
 *
 * An end that was told is put into the child and the child into the list of the ended, until the caller takes it. Nothing is lost with a zygote: what it
 * has not told is told here when its keeper says that it has died, or when the keeper's own channel ends.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/must.h"
#include "zygote/zygote-caller.h"

/* What the child said before its first guest instruction: when that was, or why there is none. */
static void start_take(Child *child, ZygoteEnd *end)
{
    StartAnswer answer = {.start_ns = 0, .error = ERROR_INIT};
    int fds[ZYGOTE_FDS_MAX];
    size_t fd_count = 0;
    const int64_t got = child->fd < 0 ? 0 : message_receive(child->fd, &answer, sizeof(answer), MSG_DONTWAIT, fds, &fd_count);
    if (got == (int64_t)sizeof(answer.start_ns)) {
        end->start_ns = answer.start_ns;
        return;
    }
    if (got == (int64_t)sizeof(answer)) {
        end->error = answer.error;
        end->error.file = __FILE__;
    } else {
        error_ignore(error_set(&end->error, ECHILD, "instance: it died before its first instruction"));
    }
    end->kind = end->kind == ZYGOTE_LOST ? ZYGOTE_LOST : ZYGOTE_NOT_STARTED;
}

void child_ended(Zygote *zygote, uint32_t index, ZygoteEndKind kind, int status, const EndMessage *message)
{
    Child *child = &zygote->children[index];
    must(child->state == CHILD_RUNNING);
    child->end = (ZygoteEnd){.id = child->id, .pid = child->pid, .kind = child->is_timed_out ? ZYGOTE_TIMED_OUT : kind, .status = status, .error = ERROR_INIT};
    if (message != NULL) {
        child->end.user_us = message->user_us;
        child->end.system_us = message->system_us;
        child->end.memory_peak = message->memory_peak;
    }
    start_take(child, &child->end);
    child->fd = fd_close(child->fd);
    child->pid_fd = fd_close(child->pid_fd);
    child->state = CHILD_ENDED;
    child->next = NONE;
    zygote->running_count--;
    if (zygote->ended == NONE) {
        zygote->ended = index;
    } else {
        zygote->children[zygote->ended_last].next = index;
    }
    zygote->ended_last = index;
}

/* A parked child that nobody told anything: out of its list. */
static void parked_remove(Zygote *zygote, uint32_t index)
{
    Template *template = &zygote->templates[zygote->children[index].template];
    for (uint32_t *link = &template->parked; *link != NONE; link = &zygote->children[*link].next) {
        if (*link == index) {
            *link = zygote->children[index].next;
            template->parked_count--;
            zygote->parked_count--;
            return;
        }
    }
}

static void children_lost(Zygote *zygote, uint32_t nest, pid_t template_pid);

static void process_ended(Zygote *zygote, uint32_t nest, const EndMessage *message)
{
    const uint32_t slot = message->pid > 0 && message->pid < ZYGOTE_PID_MAX ? zygote->by_pid[message->pid] : 0;
    if (slot == 0) {
        children_lost(zygote, nest, message->pid); /* a template: the next who needs it finds its channel closed */
        return;
    }
    const uint32_t index = slot - 1;
    Child *child = &zygote->children[index];
    zygote->by_pid[message->pid] = 0;
    zygote->nests[child->nest].child_count--;
    if (child->state == CHILD_RUNNING) {
        const bool is_signal = WIFSIGNALED(message->status);
        child_ended(zygote, index, is_signal ? ZYGOTE_SIGNALED : ZYGOTE_EXITED, is_signal ? WTERMSIG(message->status) : WEXITSTATUS(message->status), message);
        return;
    }
    if (child->state == CHILD_PARKED) {
        parked_remove(zygote, index);
        zygote->stats.parked_lost_count++;
    }
    child_free(zygote, index);
}

/* What was in a nest, or of one template of it (0: all), has ended with it. */
static void children_lost(Zygote *zygote, uint32_t nest, pid_t template_pid)
{
    for (uint32_t i = 0; i < zygote->options.process_max; i++) {
        Child *child = &zygote->children[i];
        if (child->nest != nest || child->state == CHILD_NONE || child->state == CHILD_ENDED || (template_pid != 0 && child->template_pid != template_pid)) {
            continue;
        }
        if (child->pid > 0 && zygote->by_pid[child->pid] == i + 1) {
            zygote->by_pid[child->pid] = 0;
        }
        zygote->nests[nest].child_count--;
        if (child->state == CHILD_RUNNING) {
            child_ended(zygote, i, ZYGOTE_LOST, SIGKILL, NULL);
            continue;
        }
        if (child->state == CHILD_PARKED) {
            parked_remove(zygote, i);
            zygote->stats.parked_lost_count++;
        }
        child_free(zygote, i);
    }
}

/* The nest has ended, as it was to or by itself. */
static void nest_ended(Zygote *zygote, uint32_t nest)
{
    children_lost(zygote, nest, 0);
    if (nest == zygote->nest) {
        zygote->stats.zygote_lost_count++;
        for (uint32_t i = 0; i < zygote->template_count; i++) {
            zygote->templates[i].fd = fd_close(zygote->templates[i].fd);
        }
    }
    nest_stop(zygote, nest);
}

void ends_take(Zygote *zygote, uint32_t index)
{
    Nest *nest = &zygote->nests[index];
    while (nest->keeper > 0) {
        EndMessage message;
        int fds[ZYGOTE_FDS_MAX];
        size_t fd_count = 0;
        const int64_t got = message_receive(nest->end_fd, &message, sizeof(message), MSG_DONTWAIT, fds, &fd_count);
        if (got == -EAGAIN) {
            break;
        }
        if (got != (int64_t)sizeof(message) || message.kind != END_PROCESS) {
            nest_ended(zygote, index);
            return;
        }
        process_ended(zygote, index, &message);
    }
    if (nest->keeper > 0 && nest->is_old && nest->child_count == 0) {
        nest_stop(zygote, index);
    }
}

/* Kills what is over its time. Return: milliseconds until the next one is, -1 when none has a deadline. */
static int deadlines_look(Zygote *zygote)
{
    const uint64_t now = zygote_now_ms();
    uint64_t first = UINT64_MAX;
    uint32_t left = zygote->running_count;
    for (uint32_t i = 0; i < zygote->options.process_max && left > 0; i++) {
        Child *child = &zygote->children[i];
        if (child->state != CHILD_RUNNING) {
            continue;
        }
        left--;
        if (child->deadline_ms > 0 && !child->is_timed_out && child->deadline_ms <= now) {
            child->is_timed_out = zygote_kill(zygote, child->id, SIGKILL) == 0;
        } else if (child->deadline_ms > 0 && !child->is_timed_out) {
            first = child->deadline_ms < first ? child->deadline_ms : first;
        }
    }
    return first == UINT64_MAX ? -1 : first - now > INT32_MAX ? INT32_MAX : (int)(first - now);
}

static void events_take(Zygote *zygote, const struct epoll_event *events, int count)
{
    for (int i = 0; i < count; i++) {
        if (events[i].data.u32 < NESTS) {
            ends_take(zygote, events[i].data.u32);
        } else if (audit_receive(zygote->log, zygote->log_fd, &zygote->common) < 0) {
            (void)epoll_ctl(zygote->epoll_fd, EPOLL_CTL_DEL, zygote->log_fd, NULL);
        }
    }
}

int zygote_next_end(Zygote *zygote, int timeout_ms, ZygoteEnd *ret_end, Error *err)
{
    const uint64_t until = timeout_ms < 0 ? UINT64_MAX : zygote_now_ms() + (uint64_t)timeout_ms;
    for (bool is_last = false;; is_last = zygote_now_ms() >= until) {
        const uint32_t index = zygote->ended;
        if (index != NONE) {
            *ret_end = zygote->children[index].end;
            zygote->ended = zygote->children[index].next;
            child_free(zygote, index);
            return 1;
        }
        if (is_last || (timeout_ms < 0 && zygote->running_count == 0)) {
            return 0; /* nothing runs: there will be none */
        }
        const int deadline_ms = deadlines_look(zygote);
        const uint64_t now = zygote_now_ms();
        int wait_ms = until == UINT64_MAX ? -1 : until > now ? (int)(until - now) : 0;
        wait_ms = deadline_ms >= 0 && (wait_ms < 0 || deadline_ms < wait_ms) ? deadline_ms : wait_ms;
        struct epoll_event events[NESTS + 1];
        const int count = epoll_wait(zygote->epoll_fd, events, NESTS + 1, wait_ms);
        if (count < 0 && errno != EINTR) {
            return error_set(err, errno, "zygote: epoll");
        }
        events_take(zygote, events, count);
    }
}

int zygote_kill(Zygote *zygote, uint64_t id, int number)
{
    for (uint32_t i = 0; i < zygote->options.process_max; i++) {
        const Child *child = &zygote->children[i];
        if (child->state == CHILD_RUNNING && child->id == id) {
            return child->pid_fd < 0 || syscall(SYS_pidfd_send_signal, child->pid_fd, number, NULL, 0) < 0 ? -ESRCH : 0;
        }
    }
    return -ESRCH;
}
