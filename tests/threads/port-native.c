/* SPDX-License-Identifier: Apache-2.0 */
/* port-native.c - port.h on Linux with pthreads. */
#include "port.h"

#include <errno.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static const char *first = "";

static void *body(void *pointer)
{
    Thread *thread = pointer;
    thread->function(thread->argument);
    return NULL;
}

Thread *thread_spawn(void (*function)(void *), void *argument)
{
    Thread *thread = calloc(1, sizeof *thread);
    thread->function = function;
    thread->argument = argument;
    pthread_t id;
    if (pthread_create(&id, NULL, body, thread) != 0) {
        free(thread);
        return NULL;
    }
    thread->host = (void *)id;
    return thread;
}

void thread_join(Thread *thread)
{
    pthread_join((pthread_t)thread->host, NULL);
    free(thread);
}

int futex_wait(uint32_t *word, uint32_t value, int64_t timeout_ns)
{
    const struct timespec timeout = {timeout_ns / 1000000000, timeout_ns % 1000000000};
    const long r = syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, value, timeout_ns < 0 ? NULL : &timeout, NULL, 0);
    return r == 0 ? 0 : errno == EAGAIN ? 1 : errno == ETIMEDOUT ? 2 : 3;
}

uint32_t futex_wake(uint32_t *word, uint32_t count)
{
    return (uint32_t)syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, count > INT32_MAX ? INT32_MAX : count, NULL, NULL, 0);
}

void put(const char *text)
{
    (void)!write(1, text, strlen(text));
}

void put_number(const char *name, uint64_t value)
{
    char line[160];
    (void)snprintf(line, sizeof line, "%s %llu\n", name, (unsigned long long)value);
    put(line);
}

void quit(int status) { _exit(status); }
const char *argument(void) { return first; }
void yield(void) { sched_yield(); }

uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

int main(int argc, char **argv)
{
    first = argc > 1 ? argv[1] : "";
    return run();
}
