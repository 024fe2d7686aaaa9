/* SPDX-License-Identifier: Apache-2.0 */
/*
 * recompiler.c - the command: global options, then one verb.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/interrupt.h"
#include "cmd/cmd.h"
#include "cmd/version.h"

#define FILES_MIN 64u

static const struct option global_options[] = {
    {"json", no_argument, NULL, 'j'},
    {"log-level", required_argument, NULL, 'l'},
    {"trust", required_argument, NULL, 't'},
    {"state-dir", required_argument, NULL, 's'},
    {"cache-dir", required_argument, NULL, 'c'},
    {"policy", required_argument, NULL, 'p'},
    {"config", required_argument, NULL, 'f'},
    {"help", no_argument, NULL, 'h'},
    {"version", no_argument, NULL, 'V'},
    {NULL, 0, NULL, 0},
};

static void print_help(FILE *out)
{
    fputs("recompiler - run Linux containers whose programs are WebAssembly, chosen by SHA-256\n\n"
          "usage: recompiler [GLOBAL] VERB [OPTIONS] ARGS...\n\nverbs:\n", out);
    for (size_t i = 0; i < cmd_verb_count; i++) {
        fprintf(out, "  %-12s %s\n", cmd_verbs[i].name, cmd_verbs[i].summary);
    }
    fputs("\nglobal options (each also as RECOMPILER_<NAME>, e.g. RECOMPILER_TRUST):\n"
          "  --json             machine output on stdout\n"
          "  --log-level LEVEL  error, info (default), debug\n"
          "  --trust DIR        public keys *.pub whose signatures count (default /etc/recompiler/trust.d)\n"
          "  --state-dir DIR    unpacked images, rollback memory, audit log\n"
          "  --cache-dir DIR    compiled objects\n"
          "  --policy FILE      signed node policy\n"
          "  --config FILE      defaults for all of these (default /etc/recompiler/config.json)\n"
          "  --version          versions and CPU features\n\n"
          "recompiler VERB --help shows a verb's options and an example.\n", out);
}

static const CmdVerb *verb_find(const char *name)
{
    for (size_t i = 0; i < cmd_verb_count; i++) {
        if (strcmp(cmd_verbs[i].name, name) == 0) {
            return &cmd_verbs[i];
        }
    }
    return NULL;
}

static int option_take(int option)
{
    switch (option) {
    case 'j': opt_global.is_json = true; return 0;
    case 'l': opt_global.log_level = optarg; return 0;
    case 't': opt_global.trust_dir = optarg; return 0;
    case 's': opt_global.state_dir = optarg; return 0;
    case 'c': opt_global.cache_dir = optarg; return 0;
    case 'p': opt_global.policy_path = optarg; return 0;
    case 'f': opt_global.config_path = optarg; return 0;
    default: return -1;
    }
}

/* verify says 0 or 1, whatever the reason. */
static int own_failure(const char *verb)
{
    return strcmp(verb, "verify") == 0 ? 1 : EXIT_OWN_FAILURE;
}

/* Cleaning up takes descriptors: with fewer than these nothing is begun. */
static int files_check(Error *err)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= FILES_MIN) {
        return 0;
    }
    limit.rlim_cur = FILES_MIN < limit.rlim_max ? FILES_MIN : limit.rlim_max;
    if (limit.rlim_cur < FILES_MIN || setrlimit(RLIMIT_NOFILE, &limit) < 0) {
        const int r = error_set(err, EMFILE, "%u descriptors are needed, the limit is %llu", FILES_MIN, (unsigned long long)limit.rlim_cur);
        return error_hint(err, r, "raise it: ulimit -n 1024");
    }
    return 0;
}

/* Ends by the signal that stopped the work, now that nothing of it is left. */
static void die_by(int number)
{
    interrupt_end();
    (void)signal(number, SIG_DFL);
    (void)raise(number);
}

static int finish(const char *verb, int code)
{
    const bool is_written = fflush(stdout) == 0 && ferror(stdout) == 0;
    if (interrupt_signal() != 0 && code != 0) {
        die_by(interrupt_signal());
    }
    if (is_written) {
        return code;
    }
    if (interrupt_was_pipe()) {
        die_by(SIGPIPE);
    }
    if (code == 0) {
        fprintf(stderr, "recompiler: %s: stdout: cannot write (EIO)\n", verb);
    }
    return code != 0 ? code : own_failure(verb);
}

int main(int argc, char **argv)
{
    int option;
    opterr = 0;
    while ((option = getopt_long(argc, argv, "+hV", global_options, NULL)) != -1) {
        if (option == 'h') {
            print_help(stdout);
            return 0;
        }
        if (option == 'V') {
            version_print();
            return 0;
        }
        if (option_take(option) < 0) {
            return cmd_option_wrong(NULL, argv, global_options);
        }
    }
    if (optind >= argc) {
        print_help(stderr);
        return EXIT_USAGE;
    }
    if (strcmp(argv[optind], "help") == 0) {
        const CmdVerb *topic = optind + 1 < argc ? verb_find(argv[optind + 1]) : NULL;
        if (topic != NULL) {
            return cmd_help(topic->name);
        }
        print_help(stdout);
        return 0;
    }
    const CmdVerb *verb = verb_find(argv[optind]);
    if (verb == NULL) {
        return cmd_usage(NULL, "%s: no such verb", argv[optind]);
    }
    Error err = ERROR_INIT;
    const int r = cmd_options_load(&err);
    if (r < 0) {
        return cmd_fail(verb->name, r, &err, own_failure(verb->name));
    }
    argc -= optind;
    argv += optind;
    optind = 0; /* glibc: start anew, also resets the permutation state */
    if (verb->has_work) {
        if (files_check(&err) < 0) {
            return cmd_fail(verb->name, -err.code, &err, own_failure(verb->name));
        }
        interrupt_begin();
    }
    return finish(verb->name, verb->run(argc, argv));
}
