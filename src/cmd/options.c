/* SPDX-License-Identifier: Apache-2.0 */
/*
 * options.c - global options from the environment, the configuration file and the defaults; numbers; where things lie.
 */
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "cmd/cmd.h"

CmdOptions opt_global;

const struct option cmd_global_options[] = {
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

bool cmd_is_global_option(const char *text)
{
    const size_t size = strncmp(text, "--", 2) == 0 ? strcspn(text + 2, "=") : 0;
    for (const struct option *option = cmd_global_options; option->name != NULL; option++) {
        if (size > 0 && strlen(option->name) == size && strncmp(option->name, text + 2, size) == 0) {
            return true;
        }
    }
    return false;
}

typedef struct OptionRow {
    const char *environment;
    const char *key; /* in the configuration file */
    const char **value;
} OptionRow;

/* By /etc/passwd: other sources of getpwuid(3) are shared libraries, which this executable has none of. */
static const char *home_of_user(uid_t uid)
{
    FILE *file = fopen("/etc/passwd", "re");
    const char *home = "/nonexistent";
    for (const struct passwd *user; file != NULL && (user = fgetpwent(file)) != NULL;) {
        if (user->pw_uid == uid && user->pw_dir != NULL && user->pw_dir[0] == '/') {
            home = user->pw_dir; /* in a buffer of libc's that only the next call changes */
            break;
        }
    }
    if (file != NULL) {
        (void)fclose(file);
    }
    return home;
}

static const char *default_directory(const char *root_path, const char *variable, const char *home_part)
{
    if (geteuid() == 0) {
        return root_path;
    }
    char *path = NULL;
    const char *base = getenv(variable);
    const char *home = getenv("HOME");
    if (home == NULL || home[0] != '/') { /* not a place that everybody may write to, such as /tmp: it holds what is trusted */
        home = home_of_user(geteuid());
    }
    int size = -1;
    if (base != NULL && base[0] == '/') {
        size = asprintf(&path, "%s/recompiler", base);
    } else {
        size = asprintf(&path, "%s/%s/recompiler", home, home_part);
    }
    return size < 0 ? root_path : path; /* lives as long as the process */
}

static int config_read(const OptionRow *rows, size_t count, bool is_required, Error *err)
{
    _cleanup_(freep) char *bytes = NULL;
    size_t size = 0;
    Error own = ERROR_INIT;
    int r = file_read(AT_FDCWD, opt_global.config_path, 1u << 20, &bytes, &size, &own);
    if (r == -ENOENT && !is_required) {
        return 0;
    }
    if (r < 0) {
        return error_set(err, -r, "%s", own.message);
    }
    json_error_t error;
    json_t *json = json_loadb(bytes, size, JSON_REJECT_DUPLICATES, &error);
    if (!json_is_object(json)) {
        json_decref(json);
        return error_set(err, EBADMSG, "%s: line %d: %s", opt_global.config_path, error.line, json == NULL ? error.text : "an object is expected");
    }
    const char *key;
    json_t *value;
    r = 0;
    json_object_foreach(json, key, value) {
        size_t i = 0;
        while (i < count && strcmp(rows[i].key, key) != 0) {
            i++;
        }
        if (i == count || json_string_length(value) == 0) {
            r = error_set(err, EBADMSG, "%s: %s: %s", opt_global.config_path, key, i == count ? "unknown key" : "a string that is not empty is expected");
            break;
        }
        if (*rows[i].value == NULL) {
            *rows[i].value = strdup(json_string_value(value)); /* lives as long as the process */
        }
    }
    json_decref(json);
    return r;
}

int cmd_options_load(Error *err)
{
    const OptionRow rows[] = {
        {"RECOMPILER_TRUST", "trust", &opt_global.trust_dir},         {"RECOMPILER_STATE_DIR", "state_dir", &opt_global.state_dir},
        {"RECOMPILER_CACHE_DIR", "cache_dir", &opt_global.cache_dir}, {"RECOMPILER_POLICY", "policy", &opt_global.policy_path},
        {"RECOMPILER_LOG_LEVEL", "log_level", &opt_global.log_level},
    };
    const size_t count = sizeof(rows) / sizeof(rows[0]);
    for (size_t i = 0; i < count; i++) {
        const char *value = getenv(rows[i].environment);
        if (*rows[i].value == NULL && value != NULL && value[0] != '\0') {
            *rows[i].value = value;
        }
    }
    const char *json = getenv("RECOMPILER_JSON");
    json = json != NULL ? json : "";
    if (strchr("01", json[0]) == NULL || (json[0] != '\0' && json[1] != '\0')) {
        return error_set(err, EINVAL, "RECOMPILER_JSON=%s: 0 or 1 is expected", json);
    }
    opt_global.is_json = opt_global.is_json || json[0] == '1';
    const char *config = getenv("RECOMPILER_CONFIG");
    const bool is_config_named = opt_global.config_path != NULL || (config != NULL && config[0] != '\0');
    if (opt_global.config_path == NULL) {
        opt_global.config_path = is_config_named ? config : "/etc/recompiler/config.json";
    }
    const int r = config_read(rows, count, is_config_named, err);
    if (r < 0) {
        return r;
    }
    if (opt_global.trust_dir == NULL) {
        opt_global.trust_dir = "/etc/recompiler/trust.d";
    }
    if (opt_global.state_dir == NULL) {
        opt_global.state_dir = default_directory("/var/lib/recompiler", "XDG_STATE_HOME", ".local/state");
    }
    if (opt_global.cache_dir == NULL) {
        opt_global.cache_dir = default_directory("/var/cache/recompiler", "XDG_CACHE_HOME", ".cache");
    }
    if (opt_global.log_level == NULL) {
        opt_global.log_level = "info";
    }
    if (strcmp(opt_global.log_level, "error") != 0 && strcmp(opt_global.log_level, "info") != 0 && strcmp(opt_global.log_level, "debug") != 0) {
        return error_set(err, EINVAL, "log level %s: error, info or debug is expected", opt_global.log_level);
    }
    opt_global.is_quiet = strcmp(opt_global.log_level, "error") == 0;
    return 0;
}

int cmd_number(const char *text, uint64_t maximum, uint64_t *ret_value)
{
    uint64_t value = 0;
    if (text[0] == '\0') {
        return -EINVAL;
    }
    for (; *text != '\0'; text++) {
        if (*text < '0' || *text > '9' || __builtin_mul_overflow(value, 10u, &value) ||
            __builtin_add_overflow(value, (uint64_t)(*text - '0'), &value)) {
            return -EINVAL;
        }
    }
    if (value > maximum) {
        return -ERANGE;
    }
    *ret_value = value;
    return 0;
}

int cmd_size(const char *text, uint64_t *ret_size)
{
    char digits[32];
    const size_t size = strlen(text);
    if (size == 0 || size >= sizeof(digits)) {
        return -EINVAL;
    }
    uint64_t unit = 1;
    size_t digit_count = size;
    switch (text[size - 1]) {
    case 'b': case 'B': digit_count--; break;
    case 'k': case 'K': unit = 1ull << 10; digit_count--; break;
    case 'm': case 'M': unit = 1ull << 20; digit_count--; break;
    case 'g': case 'G': unit = 1ull << 30; digit_count--; break;
    default: break;
    }
    memcpy(digits, text, digit_count);
    digits[digit_count] = '\0';
    uint64_t value = 0;
    const int r = cmd_number(digits, UINT64_MAX, &value);
    if (r < 0) {
        return r;
    }
    return __builtin_mul_overflow(value, unit, ret_size) ? -ERANGE : 0;
}

bool cmd_cpu_is_known(const char *name)
{
    static const char *const names[] = {"x86-64-v2", "x86-64-v3", "x86-64-v4", "native"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (strcmp(names[i], name) == 0) {
            return true;
        }
    }
    return false;
}

int cmd_audit_path(char *path, size_t size)
{
    const int written = snprintf(path, size, "%s/audit.log", opt_global.state_dir);
    return written < 0 || (size_t)written >= size ? -ENAMETOOLONG : 0;
}

/* Whoever can rename in it can take the rollback memory and the audit log away. */
int cmd_state_check(Error *err)
{
    struct stat status;
    const char *path = opt_global.state_dir;
    if (stat(path, &status) < 0 || !S_ISDIR(status.st_mode)) {
        return 0; /* made later, or told then */
    }
    if ((status.st_uid == geteuid() || status.st_uid == 0) && (status.st_mode & 022) == 0) {
        return 0;
    }
    const int r = error_set(err, EACCES, "state directory %s can be changed by others (owner %u, mode %04o)", path, status.st_uid, status.st_mode & 07777);
    return error_hint(err, r, "chown it to the user who runs recompiler and chmod go-w it, or choose another --state-dir");
}

int cmd_work_dir(const char *what, WorkDir *ret_work, Error *err)
{
    char prefix[64];
    const char *parent = getenv("TMPDIR");
    (void)snprintf(prefix, sizeof(prefix), "recompiler.%s-", what);
    return work_dir_make(parent != NULL && parent[0] == '/' ? parent : "/tmp", prefix, ret_work, err);
}
