/* SPDX-License-Identifier: Apache-2.0 */
/*
 * output.c - how the command speaks: error lines, help, JSON, progress.
 */
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/interrupt.h"
#include "cmd/cmd.h"

static bool is_progress_open; /* a progress line without its newline is on the terminal */

static bool is_document_lost;

bool cmd_is_output_lost(void)
{
    return fflush(stdout) != 0 || ferror(stdout) != 0 || is_document_lost;
}

int cmd_fail(const char *verb, int r, const Error *err, int exit_code)
{
    Error stopped = ERROR_INIT;
    if (interrupt_signal() != 0) { /* whatever the signal made fail */
        r = error_set(&stopped, EINTR, "stopped by SIG%s", sigabbrev_np(interrupt_signal()));
        err = &stopped;
    }
    const bool has_text = err != NULL && err->message[0] != '\0';
    const char *name = error_name(r < 0 ? -r : r);
    cmd_progress_end();
    fprintf(stderr, "recompiler: %s%s%s (%s)\n", verb != NULL ? verb : "", verb != NULL ? ": " : "", has_text ? err->message : strerror(r < 0 ? -r : r), name);
    if (err != NULL && err->hint[0] != '\0') {
        fprintf(stderr, "hint: %s\n", err->hint);
    }
    if (opt_global.is_json) {
        cmd_print_json(json_pack("{s:{s:s?, s:s, s:s, s:s}}", "error", "verb", verb, "code", name, "message",
                                 has_text ? err->message : strerror(r < 0 ? -r : r), "hint", err != NULL ? err->hint : ""));
    }
    return exit_code;
}

const char *cmd_text(const char *text)
{
    static char ring[8][2 * LIMIT_PATH_SIZE];
    static size_t next;
    next = (next + 1) % (sizeof(ring) / sizeof(ring[0]));
    text_printable(ring[next], sizeof(ring[next]), text);
    return ring[next];
}

json_t *cmd_json_text(const char *text)
{
    json_t *json = text == NULL ? json_null() : json_string(text);
    return json != NULL || text == NULL ? json : json_string(cmd_text(text)); /* no UTF-8 */
}

int cmd_usage(const char *verb, const char *format, ...)
{
    Error err = ERROR_INIT;
    char text[ERROR_MESSAGE_SIZE];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    error_ignore(error_hint(&err, error_set(&err, EINVAL, "%s", text), verb != NULL ? "recompiler %s --help" : "recompiler --help", verb));
    return cmd_fail(verb, -EINVAL, &err, EXIT_USAGE);
}

int cmd_option_wrong(const char *verb, char **argv, const struct option *options)
{
    const char *text = argv[optind - 1];
    while (options->name != NULL && options->val != optopt) {
        options++;
    }
    if (optopt != 0 && options->name != NULL && options->has_arg == required_argument) {
        return cmd_usage(verb, "option --%s needs a value", options->name);
    }
    if (optopt != 0 && options->name != NULL && strncmp(text, "--", 2) == 0 && strchr(text, '=') != NULL) {
        return cmd_usage(verb, "option --%s takes no value", options->name);
    }
    if (verb != NULL && optopt == 0 && cmd_is_global_option(text)) {
        Error err = ERROR_INIT;
        error_ignore(error_hint(&err, error_set(&err, EINVAL, "option %s comes before the verb", text), "recompiler %s ... %s ...", text, verb));
        return cmd_fail(verb, -EINVAL, &err, EXIT_USAGE);
    }
    return optopt != 0 ? cmd_usage(verb, "unknown option -%c", optopt) : cmd_usage(verb, "unknown option %s", text);
}

int cmd_help(const char *verb)
{
    for (size_t i = 0; i < cmd_verb_count; i++) {
        if (strcmp(cmd_verbs[i].name, verb) == 0) {
            fputs(cmd_verbs[i].usage, stdout);
        }
    }
    return 0;
}

void cmd_print_json(json_t *json)
{
    char *text = json_dumps(json, JSON_COMPACT | JSON_SORT_KEYS);
    is_document_lost = is_document_lost || text == NULL; /* out of memory */
    if (text != NULL) {
        (void)puts(text); /* main looks at ferror(3) */
        free(text);
    }
    json_decref(json);
}

void cmd_progress(void *what, uint64_t done, uint64_t total)
{
    static uint64_t last_tenth = UINT64_MAX;
    if (opt_global.is_quiet || total == 0) {
        return;
    }
    const uint64_t percent = done >= total ? 100 : done * 100 / total;
    if (isatty(STDERR_FILENO)) {
        fprintf(stderr, "\r%s %3u%%\033[K", (const char *)what, (unsigned int)percent);
        is_progress_open = true;
    } else if (percent / 25 != last_tenth) {
        last_tenth = percent / 25;
        fprintf(stderr, "%s %u%%\n", (const char *)what, (unsigned int)percent);
    }
}

void cmd_image_progress(void *context, const char *what, uint64_t done, uint64_t total)
{
    (void)context;
    if (isatty(STDERR_FILENO)) {
        cmd_progress((void *)(uintptr_t)what, done, total); /* only printed */
    }
}

static double now_s(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* Silent for the first second. What comes from the cache of units takes next to no time, so only the rest is extrapolated from. */
void cmd_compile_progress(void *context, const CacheProgress *progress)
{
    static double begin, last;
    const double now = now_s();
    const uint32_t compiled = progress->done_count - progress->cached_count;
    (void)context;
    begin = progress->done_count == 0 || begin == 0 ? now : begin;
    if (opt_global.is_quiet || now - begin < 1 || (now - last < 0.1 && progress->done_count < progress->total_count)) {
        return;
    }
    last = now;
    const double seconds_left = compiled == 0 ? 0 : (now - begin) / compiled * (progress->total_count - progress->done_count);
    if (opt_global.is_json) {
        fprintf(stderr, "{\"progress\":{\"what\":\"compile\",\"done\":%u,\"total\":%u,\"cached\":%u,\"seconds\":%.1f,\"seconds_left\":%.1f}}\n",
                progress->done_count, progress->total_count, progress->cached_count, now - begin, seconds_left);
        return;
    }
    char what[128], cached[48] = "";
    if (progress->cached_count > 0) {
        (void)snprintf(cached, sizeof(cached), " (%u unchanged)", progress->cached_count);
    }
    (void)snprintf(what, sizeof(what), "compile %u/%u functions%s, %.0f s left", progress->done_count, progress->total_count, cached, seconds_left);
    cmd_progress(what, progress->done_count, progress->total_count);
}

void cmd_progress_end(void)
{
    if (is_progress_open) {
        fputs("\r\033[K", stderr);
        is_progress_open = false;
    }
}
