/* SPDX-License-Identifier: Apache-2.0 */
#include "base/interrupt.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>

#define PATIENCE 3 /* signals until the process is killed: timeout(1) alone sends two */

static const int caught[] = {SIGINT, SIGTERM, SIGHUP, SIGPIPE, SIGXFSZ};
#define CAUGHT_COUNT (sizeof(caught) / sizeof(caught[0]))

static volatile sig_atomic_t last_signal;
static volatile sig_atomic_t signal_count;
static volatile sig_atomic_t is_pipe_broken;
static struct sigaction found[CAUGHT_COUNT];
static bool is_active;

static void on_signal(int number)
{
    if (number == SIGPIPE || number == SIGXFSZ) {
        is_pipe_broken = is_pipe_broken || number == SIGPIPE;
        return;
    }
    last_signal = number;
    signal_count = signal_count + 1;
    if (signal_count >= PATIENCE) {
        (void)signal(number, SIG_DFL);
        (void)raise(number); /* delivered when the handler returns */
    }
}

void interrupt_begin(void)
{
    struct sigaction action = {.sa_handler = on_signal}; /* no SA_RESTART: a wait must end */
    if (is_active) {
        return;
    }
    (void)sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < CAUGHT_COUNT; i++) {
        if (sigaction(caught[i], NULL, &found[i]) == 0 && (found[i].sa_handler != SIG_IGN || caught[i] == SIGXFSZ)) {
            (void)sigaction(caught[i], &action, NULL);
        }
    }
    is_active = true;
}

void interrupt_end(void)
{
    for (size_t i = 0; is_active && i < CAUGHT_COUNT; i++) {
        (void)sigaction(caught[i], &found[i], NULL);
    }
    is_active = false;
}

int interrupt_check(void)
{
    return last_signal != 0 ? -EINTR : 0;
}

int interrupt_signal(void)
{
    return (int)last_signal;
}

bool interrupt_was_pipe(void)
{
    return is_pipe_broken != 0;
}
