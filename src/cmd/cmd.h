/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cmd.h - the recompiler command: global options, verbs, how errors and JSON leave the process. One file a verb.
 */
#pragma once

#include <getopt.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "base/workdir.h"
#include "image/cache.h"
#include "image/image.h"
#include "manifest/gate.h"
#include "manifest/policy.h"
#include "manifest/trust.h"

#define EXIT_OWN_FAILURE 125
#define EXIT_DENIED 126
#define EXIT_NOT_FOUND 127
#define EXIT_TIMED_OUT 124
#define EXIT_USAGE 2

/* Global options: command line, then RECOMPILER_<NAME>, then the configuration file, then the default. */
typedef struct CmdOptions {
    bool is_json;
    bool is_quiet;          /* --log-level error */
    const char *log_level;
    const char *trust_dir;
    const char *state_dir;
    const char *cache_dir;
    const char *policy_path; /* NULL: none */
    const char *config_path;
} CmdOptions;
extern CmdOptions opt_global;
extern const struct option cmd_global_options[]; /* before the verb */

typedef struct CmdVerb {
    const char *name;
    const char *summary;  /* one line for the list */
    const char *usage;    /* whole help text, with an example */
    int (*run)(int argc, char **argv); /* argv[0] is the verb; returns the exit code */
    bool has_work;        /* makes files: a signal must not leave them behind */
} CmdVerb;
extern const CmdVerb cmd_verbs[];
extern const size_t cmd_verb_count;

int verb_keygen(int argc, char **argv);
int verb_build(int argc, char **argv);
int verb_sign(int argc, char **argv);
int verb_verify(int argc, char **argv);
int verb_inspect(int argc, char **argv);
int verb_prepare(int argc, char **argv);
int verb_run(int argc, char **argv);
int verb_audit(int argc, char **argv);
int verb_doctor(int argc, char **argv);
int verb_completion(int argc, char **argv);

/* cmd_fail() - "recompiler: VERB: WHAT: WHY (ERRNAME)" and the hint line on stderr (with --json also {"error": ...} on stdout); returns exit_code. */
int cmd_fail(const char *verb, int r, const Error *err, int exit_code);
/* cmd_text() - text for people: printable ASCII on one line, cut at some kilobytes. Good for the next seven calls. */
const char *cmd_text(const char *text);
/* cmd_json_text() - a JSON string of bytes that need not be UTF-8: then with \xNN for what is not ASCII. NULL: null. */
json_t *cmd_json_text(const char *text);
/* cmd_usage() - a usage error: one line and "hint: recompiler VERB --help"; returns 2. verb NULL: before a verb is known. */
int cmd_usage(const char *verb, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* cmd_option_wrong() - getopt_long(3) said '?': the option is unknown, lacks its value, or takes none. */
int cmd_option_wrong(const char *verb, char **argv, const struct option *options);
/* cmd_is_global_option() - text is one of the options before the verb: "--trust", "--trust=DIR". */
bool cmd_is_global_option(const char *text);
/* cmd_help() - prints the verb's help on stdout; returns 0. */
int cmd_help(const char *verb);
/* cmd_is_output_lost() - flushes stdout: did anything not get there? */
bool cmd_is_output_lost(void);
/* cmd_print_json() - one document and a newline on stdout; takes the reference. */
void cmd_print_json(json_t *json);
/* cmd_progress() - "what done/total" on stderr, in place on a terminal, sparse lines otherwise. Ends with cmd_progress_end(). */
void cmd_progress(void *what, uint64_t done, uint64_t total);
void cmd_image_progress(void *context, const char *what, uint64_t done, uint64_t total);
/* cmd_compile_progress() - counts and time left after the first second; with --json as lines on stderr, stdout being one document. */
void cmd_compile_progress(void *context, const CacheProgress *progress);
void cmd_progress_end(void);
/* cmd_options_load() - environment and configuration file under what the command line gave. */
int cmd_options_load(Error *err) WARN_UNUSED;
/* cmd_number() - a whole decimal number, checked. */
int cmd_number(const char *text, uint64_t maximum, uint64_t *ret_value) WARN_UNUSED;
/* cmd_size() - "64m", "2g", "512k", plain bytes; as docker. */
int cmd_size(const char *text, uint64_t *ret_size) WARN_UNUSED;
/* cmd_cpu_is_known() - for --cpu: the names that the compiler takes. */
bool cmd_cpu_is_known(const char *name);
int cmd_audit_path(char *path, size_t size);
/* cmd_state_check() - the state directory, if it is there, is ours or root's and nobody else can change what lies in it. */
int cmd_state_check(Error *err) WARN_UNUSED;
/* cmd_work_dir() - a work directory in $TMPDIR (else /tmp). */
int cmd_work_dir(const char *what, WorkDir *ret_work, Error *err) WARN_UNUSED;

/* --- load.c: image name -> verified manifest -> object, in the only order there is --- */

typedef struct Loaded {
    Image *image;
    ImageArtefacts artefacts;
    Trust *trust;
    Policy *policy;
    ManifestVerified verified;
    int object_fd;
    CacheReport compile;     /* what load_object() had to do */
    WorkDir fresh_store;     /* removed by load_deinit(); "": the node's store */
} Loaded;

typedef struct LoadConfig {
    bool is_recorded;        /* remember the serial (run, prepare) */
    bool is_object_wanted;
    bool is_compile_allowed;
    bool is_fresh;           /* verify: unpack an archive into a store of its own and remove it again */
    uint32_t job_count;
    const char *cpu;
    int opt_level;           /* 0 to 3, CacheConfig */
    const Profile *profile;  /* CacheConfig */
    bool is_profile_forgotten;
    bool is_recording;
    bool is_optimised_later; /* what was compiled at level 0 now is compiled again in the background */
    VerifyReport report;     /* may be NULL */
    void *report_context;
} LoadConfig;

#define LOAD_CONFIG_INIT ((LoadConfig){.opt_level = CACHE_OPT_DEFAULT, .is_compile_allowed = true})

/* Fails closed at the first thing that is not right. */
int load_image(const char *name, const LoadConfig *config, Loaded *ret_loaded, Error *err) WARN_UNUSED;
/* load_object() - the second half, for callers that verified with is_object_wanted false. */
int load_object(Loaded *loaded, const LoadConfig *config, Error *err) WARN_UNUSED;
void load_deinit(Loaded *loaded);
/* cmd_opt_level() - the value of --opt. Return: 0 to 3, -EINVAL. */
int cmd_opt_level(const char *text) WARN_UNUSED;
