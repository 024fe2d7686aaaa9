/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verb-doctor.c - recompiler doctor: what this node can do, found by trying it.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cmd/cmd.h"
#include "sandbox/sandbox.h"

#define PROBES 48

static void probe_add(SandboxProbe *probes, size_t *count, const char *name, bool is_available, bool is_needed, const char *detail, const char *remedy)
{
    if (*count < PROBES) {
        SandboxProbe *probe = &probes[(*count)++];
        *probe = (SandboxProbe){.name = name, .is_available = is_available, .is_needed = is_needed, .remedy = remedy};
        (void)snprintf(probe->detail, sizeof(probe->detail), "%s", detail);
    }
}

static void trust_probe(SandboxProbe *probes, size_t *count)
{
    Error err = ERROR_INIT;
    Trust *trust = NULL;
    char detail[160];
    const int r = trust_load(opt_global.trust_dir, &trust, &err);
    if (r == 0) {
        (void)snprintf(detail, sizeof(detail), "%s: %zu keys, threshold %u", opt_global.trust_dir, trust_key_count(trust), trust_threshold(trust));
    } else {
        (void)snprintf(detail, sizeof(detail), "%.150s", err.message);
    }
    (void)trust_free(trust);
    probe_add(probes, count, "trust directory", r == 0, true, detail, "put the signers' public keys (*.pub) there, or name another with --trust");
}

/* Ours alone, or can be made so. */
static void directory_probe(SandboxProbe *probes, size_t *count, const char *name, const char *path)
{
    struct stat status;
    char detail[160];
    bool is_good = false;
    if (lstat(path, &status) < 0) {
        char parent[LIMIT_PATH_SIZE];
        (void)snprintf(parent, sizeof(parent), "%s", path);
        char *slash;
        while ((slash = strrchr(parent, '/')) != NULL && slash != parent) {
            *slash = '\0';
            if (access(parent, F_OK) == 0) {
                break;
            }
        }
        is_good = access(parent[0] != '\0' ? parent : "/", W_OK) == 0;
        (void)snprintf(detail, sizeof(detail), "%.100s: is made at first use%s", path, is_good ? "" : ", which is not allowed here");
    } else {
        is_good = S_ISDIR(status.st_mode) && status.st_uid == geteuid() && (status.st_mode & 022) == 0;
        (void)snprintf(detail, sizeof(detail), "%.120s: %s", path, is_good ? "ours" : "not a directory of ours alone");
    }
    probe_add(probes, count, name, is_good, true, detail, "chown it to the user who runs recompiler, chmod 0700");
}

static void compiler_probe(SandboxProbe *probes, size_t *count)
{
    char path[LIMIT_PATH_SIZE];
    const ssize_t size = readlink("/proc/self/exe", path, sizeof(path) - 32);
    bool is_found = false;
    if (size > 0) {
        path[size] = '\0';
        char *slash = strrchr(path, '/');
        if (slash != NULL) {
            (void)snprintf(slash + 1, sizeof(path) - (size_t)(slash + 1 - path), "recompiler-compile");
            is_found = access(path, X_OK) == 0;
        }
    }
    is_found = is_found || access("/usr/libexec/recompiler/recompiler-compile", X_OK) == 0 || access("/usr/bin/recompiler-compile", X_OK) == 0;
    probe_add(probes, count, "compiler", is_found, false, is_found ? "recompiler-compile is there" : "only prepared images can run",
              "install recompiler-compile beside the recompiler command");
}

int verb_doctor(int argc, char **argv)
{
    static const struct option options[] = {{"help", no_argument, NULL, 'h'}, {"json", no_argument, NULL, 'j'}, {NULL, 0, NULL, 0}};
    int option;
    while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
        if (option == 'h') {
            return cmd_help("doctor");
        }
        if (option != 'j') {
            return cmd_option_wrong("doctor", argv, options);
        }
        opt_global.is_json = true;
    }
    if (optind != argc) {
        return cmd_usage("doctor", "no arguments are expected");
    }
    static SandboxProbe probes[PROBES];
    size_t count = sandbox_probe(probes, PROBES - 8);
    trust_probe(probes, &count);
    directory_probe(probes, &count, "state directory", opt_global.state_dir);
    directory_probe(probes, &count, "cache directory", opt_global.cache_dir);
    compiler_probe(probes, &count);
    bool is_good = true;
    json_t *list = opt_global.is_json ? json_array() : NULL;
    for (size_t i = 0; i < count; i++) {
        const SandboxProbe *probe = &probes[i];
        is_good = is_good && (probe->is_available || !probe->is_needed);
        if (list != NULL) {
            json_array_append_new(list, json_pack("{s:s, s:b, s:b, s:o, s:s}", "name", probe->name, "available", probe->is_available, "needed",
                                                  probe->is_needed, "detail", cmd_json_text(probe->detail), "remedy",
                                                  probe->remedy != NULL ? probe->remedy : ""));
            continue;
        }
        printf("%-7s %-22s %s\n", probe->is_available ? "ok" : probe->is_needed ? "MISSING" : "absent", probe->name, cmd_text(probe->detail));
        if (!probe->is_available && probe->remedy != NULL) {
            printf("%-7s %-22s -> %s\n", "", "", probe->remedy);
        }
    }
    if (list != NULL) {
        cmd_print_json(json_pack("{s:b, s:o}", "ok", is_good, "probes", list));
    }
    return is_good ? 0 : 1;
}
