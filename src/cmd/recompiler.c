/* SPDX-License-Identifier: Apache-2.0 */
/*
 * recompiler.c - the command: global options, then one verb.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/interrupt.h"
#include "cmd/cmd.h"
#include "cmd/version.h"

#define FILES_MIN 64u

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
    if (optarg != NULL && optarg[0] == '\0') {
        return -EINVAL;
    }
    switch (option) {
    case 'j': opt_global.is_json = true; return 0;
    case 'l': opt_global.log_level = optarg; return 0;
    case 't': opt_global.trust_dir = optarg; return 0;
    case 's': opt_global.state_dir = optarg; return 0;
    case 'c': opt_global.cache_dir = optarg; return 0;
    case 'p': opt_global.policy_path = optarg; return 0;
    case 'f': opt_global.config_path = optarg; return 0;
    default: return -ENOTSUP;
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
    const bool is_written = !cmd_is_output_lost();
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

/* A closed 0, 1 or 2 would be the next file that is opened: an error line would go into it, and the guest would inherit it. */
static int standard_fds_fill(void)
{
    for (int fd = 0; fd < 3; fd++) {
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", fd == STDERR_FILENO ? O_WRONLY : O_RDONLY) != fd) {
            return -EBADF;
        }
    }
    return 0;
}

static int verb_run_it(const CmdVerb *verb, int argc, char **argv)
{
    Error err = ERROR_INIT;
    if (argc == 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
        return finish(verb->name, cmd_help(verb->name)); /* whatever the configuration is */
    }
    int r = cmd_options_load(&err);
    r = r == 0 && verb->has_work ? files_check(&err) : r;
    r = r == 0 && verb->has_work && verb->run != verb_keygen ? cmd_state_check(&err) : r;
    if (r < 0) {
        return cmd_fail(verb->name, r, &err, r == -EINVAL ? EXIT_USAGE : own_failure(verb->name));
    }
    if (verb->has_work) {
        interrupt_begin();
    }
    optind = 0; /* glibc: start anew, also resets the permutation state */
    return finish(verb->name, verb->run(argc, argv));
}

int main(int argc, char **argv)
{
    int option;
    bool is_version = false;
    opterr = 0;
    /* What the caller left open is not the compiler's. Only marked: an image may be named /dev/fd/N. */
    (void)close_range(3, UINT_MAX, CLOSE_RANGE_CLOEXEC);
    if (standard_fds_fill() < 0) {
        return EXIT_OWN_FAILURE;
    }
    (void)signal(SIGCHLD, SIG_DFL); /* a caller that ignores it has its children reaped by the kernel: ours have statuses that are waited for */
    while ((option = getopt_long(argc, argv, "+hV", cmd_global_options, NULL)) != -1) {
        if (option == 'h') {
            print_help(stdout);
            return finish("help", 0);
        }
        is_version = is_version || option == 'V';
        const int r = option == 'V' ? 0 : option_take(option);
        if (r == -EINVAL) {
            return cmd_usage(NULL, "%s is empty", argv[optind - 1][0] != '\0' ? argv[optind - 1] : argv[optind - 2]);
        }
        if (r < 0) {
            return cmd_option_wrong(NULL, argv, cmd_global_options);
        }
    }
    if (is_version) { /* --json may come after it */
        version_print();
        return finish("version", 0);
    }
    if (optind >= argc) {
        print_help(stderr);
        return EXIT_USAGE;
    }
    const bool is_help = strcmp(argv[optind], "help") == 0;
    const char *word = is_help && optind + 1 < argc ? argv[optind + 1] : argv[optind];
    const CmdVerb *verb = verb_find(word);
    if (is_help && (verb != NULL || optind + 1 >= argc)) {
        if (verb != NULL) {
            (void)cmd_help(verb->name);
        } else {
            print_help(stdout);
        }
        return finish("help", 0);
    }
    return verb != NULL ? verb_run_it(verb, argc - optind, argv + optind) : cmd_usage(NULL, "%s: no such verb", word);
}
