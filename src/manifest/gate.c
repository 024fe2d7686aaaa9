/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Digest -> verdict. gate_decide() walks the #! chain; each file of it goes through decide_file():
 *
 *   gate_resolve() -> gate_open() -> size test -> gate_hash() -> judge(): deny-list, manifest, fleet allow-list
 *
 * and every outcome, also an error of the gate itself, ends in one audit record. No verdict and no digest is remembered
 * here.
 */
#include "manifest/gate.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/must.h"
#include "manifest/audit.h"
#include "manifest/gate-int.h"
#include "manifest/policy.h"
#include "manifest/script.h"

/* What judge() found. */
typedef struct Judgement {
    bool is_allowed;
    const char *reason;
    int64_t row_index; /* -1: not in the manifest */
} Judgement;

int gate_new(const GateConfig *config, Gate **ret_gate, Error *err)
{
    must(config != NULL && config->manifest != NULL && config->root_fd >= 0 && ret_gate != NULL);
    Gate *gate = calloc(1, sizeof(*gate));
    if (gate == NULL) {
        return error_set(err, ENOMEM, "out of memory");
    }
    gate->config = *config;
    struct statx status;
    if (statx(config->root_fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &status) == 0 &&
        (status.stx_mask & STATX_MNT_ID) != 0) {
        gate->root_mount = status.stx_mnt_id;
    }
    struct statvfs filesystem;
    gate->is_root_noexec = fstatvfs(config->root_fd, &filesystem) == 0 && (filesystem.f_flag & ST_NOEXEC) != 0;
    *ret_gate = gate;
    return 0;
}

Gate *gate_free(Gate *gate)
{
    free(gate);
    return NULL;
}

void gate_set_policy(Gate *gate, const Policy *policy)
{
    must(gate != NULL);
    gate->config.policy = policy;
}

void gate_verdict_deinit(GateVerdict *verdict)
{
    verdict->file_fd = fd_close(verdict->file_fd);
    verdict->script_fd = fd_close(verdict->script_fd);
}

static uint64_t now_ns(void)
{
    struct timespec now;
    must(clock_gettime(CLOCK_MONOTONIC, &now) == 0);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* A -errno that tells the guest about its file, not about us. */
static bool is_guest_error(int r)
{
    switch (-r) {
    case EACCES:
    case ENOENT:
    case ENOTDIR:
    case ELOOP:
    case ENAMETOOLONG:
    case EBADF:
    case EINTR:
        return true;
    default:
        return false;
    }
}

static const char *error_reason(int r)
{
    switch (-r) {
    case ENOENT:
        return "no such file";
    case ENOTDIR:
        return "not a directory";
    case ELOOP:
        return "too many links or a link that may not be followed";
    case ENAMETOOLONG:
        return "name too long";
    case EACCES:
        return "no permission on the way, or the path leaves the root";
    case EBADF:
        return "bad descriptor";
    case EINTR:
        return "interrupted";
    case ENOMEM:
    case ENOSPC:
        return "no memory for a copy to hash";
    case EMFILE:
    case ENFILE:
        return "no descriptor for a copy to hash";
    case EBUSY:
        return "the kernel did not seal the copy to hash";
    case EIO:
        return "the file cannot be read";
    default:
        return "the gate failed";
    }
}

typedef struct Refusal {
    const char *enforced;
    const char *monitored;
} Refusal;

static const Refusal REFUSAL_DENIED = {"denied by policy", "monitor: denied by policy"};
static const Refusal REFUSAL_FLEET = {"not in the fleet allow-list", "monitor: not in the fleet allow-list"};
static const Refusal REFUSAL_SERIAL = {"manifest is older than the policy's minimum serial",
                                       "monitor: manifest is older than the policy's minimum serial"};

/* The policy's refusal of a file that the manifest lists, or NULL. */
static const Refusal *policy_refusal(const Gate *gate, const Policy *policy, const Digest *digest)
{
    const Manifest *manifest = gate->config.manifest;
    if (policy_is_denied(policy, digest)) {
        return &REFUSAL_DENIED;
    }
    if (!policy_is_allowed(policy, digest)) {
        return &REFUSAL_FLEET;
    }
    return manifest_serial(manifest) < policy_minimum_serial(policy, manifest_name(manifest)) ? &REFUSAL_SERIAL : NULL;
}

static Judgement judge(const Gate *gate, const Digest *digest, bool is_stored)
{
    const Policy *policy = gate->config.policy;
    const int64_t index = manifest_find(gate->config.manifest, digest);
    if (index < 0) {
        return (Judgement){.reason = policy_is_denied(policy, digest) ? REFUSAL_DENIED.enforced : "not in the manifest",
                           .row_index = -1};
    }
    const Refusal *refusal = policy_refusal(gate, policy, digest);
    if (refusal != NULL) {
        return (Judgement){.is_allowed = policy_is_monitor(policy),
                           .row_index = index,
                           .reason = policy_is_monitor(policy) ? refusal->monitored : refusal->enforced};
    }
    return (Judgement){.is_allowed = true,
                       .row_index = index,
                       .reason = is_stored ? "in the manifest (stored digest)" : "in the manifest"};
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash != NULL ? slash + 1 : path;
}

static bool applet_is_declared(const Manifest *manifest, size_t row_index, const char *applet)
{
    if (applet == NULL || manifest_row_applet(manifest, row_index, 0) == NULL) {
        return true;
    }
    applet += applet[0] == '-' ? 1 : 0;
    for (uint32_t i = 0;; i++) {
        const char *declared = manifest_row_applet(manifest, row_index, i);
        if (declared == NULL || strcmp(declared, applet) == 0) {
            return declared != NULL;
        }
    }
}

/* --- one file --- */

/* Room for one path in the verdict's text; it is taken when the path is in it. */
static char *text_room(GateVerdict *verdict)
{
    must(verdict->text_size <= GATE_TEXT_SIZE - LIMIT_PATH_SIZE);
    return verdict->text + verdict->text_size;
}

static const char *text_take(GateVerdict *verdict)
{
    const char *text = text_room(verdict);
    verdict->text_size += (uint32_t)strlen(text) + 1;
    return text;
}

static GateStep *step_new(GateVerdict *verdict, const char *path)
{
    must(verdict->step_count <= LIMIT_SCRIPT_CHAIN);
    GateStep *step = &verdict->steps[verdict->step_count++];
    char *room = text_room(verdict);
    const size_t size = strnlen(path, LIMIT_PATH_SIZE - 1);
    memcpy(room, path, size);
    room[size] = '\0';
    step->path = text_take(verdict);
    step->resolved = "";
    step->argument[0] = '\0';
    step->size = 0;
    step->has_digest = false;
    step->is_script = false;
    step->is_stored = false;
    step->reason = "";
    return step;
}

static int deny(GateVerdict *verdict, GateStep *step, int error, const char *reason)
{
    verdict->kind = GATE_DENY;
    verdict->error = error;
    verdict->reason = reason;
    if (step != NULL) {
        step->reason = reason;
    }
    return 0;
}

/* An error on the way: the guest's, or ours (returned as it is, with the verdict saying deny). */
static int deny_error(GateVerdict *verdict, GateStep *step, int r, const char *reason)
{
    (void)deny(verdict, step, -r, reason != NULL ? reason : error_reason(r));
    return is_guest_error(r) ? 0 : r;
}

/* Digest of the file, unless its size already says no. Return: 1 size is not listed; 0; < 0. */
static int find_digest(const Gate *gate, const GateRequest *request, GateFile *file, GateStep *step)
{
    const bool is_listed = manifest_has_size(gate->config.manifest, file->size);
    int r = 0;
    if (is_listed || (request->is_explaining && file->size <= GATE_EXPLAIN_MAX)) {
        r = gate_hash(gate, file);
    }
    step->size = file->size;
    step->has_digest = file->has_digest;
    step->is_stored = file->is_stored;
    if (file->has_digest) {
        step->digest = file->digest;
    }
    return r < 0 ? r : is_listed ? 0 : 1;
}

/*
 * One file of the chain. Return: 0 with ret_row_index >= 0 when it may run (file is filled), 0 with -1 when the verdict
 * is a denial, < 0 failure.
 */
static int decide_file(const Gate *gate, const GateRequest *request, GateVerdict *verdict, GateStep *step,
                       GateFile *file, int64_t *ret_row_index)
{
    _cleanup_(gate_name_deinit) GateName name = GATE_NAME_INIT;
    *ret_row_index = -1;
    int r = gate_resolve(gate, request, text_room(verdict), &name);
    if (r < 0) {
        return deny_error(verdict, step, r, NULL);
    }
    step->resolved = name.path[0] != '\0' ? text_take(verdict) : "";
    r = gate_open(gate, &name, file);
    r = r < 0 ? r : find_digest(gate, request, file, step);
    if (r < 0) {
        return deny_error(verdict, step, r, file->reason);
    }
    if (r == 1) {
        return deny(verdict, step, EACCES, "no file of this size is in the manifest");
    }
    const Judgement judgement = judge(gate, &file->digest, file->is_stored);
    step->reason = judgement.reason;
    if (!judgement.is_allowed) {
        return deny(verdict, step, EACCES, judgement.reason);
    }
    if (!applet_is_declared(gate->config.manifest, (size_t)judgement.row_index, request->applet)) {
        return deny(verdict, step, EACCES, "applet is not declared in the manifest");
    }
    verdict->reason = judgement.reason;
    *ret_row_index = judgement.row_index;
    return 0;
}

/* --- the chain --- */

/* step is a listed script: its #! line, from the bytes that were hashed, must name the interpreter that was signed.
 * Return: as decide_file(). */
static int read_script(GateVerdict *verdict, GateStep *step, const GateFile *file, const ManifestRow *row,
                       bool *ret_is_good)
{
    char head[LIMIT_SCRIPT_LINE];
    size_t size = 0;
    ScriptLine line;
    step->is_script = true;
    *ret_is_good = false;
    const int r = fd_pread_full(file->fd, head, sizeof(head), 0, &size);
    if (r < 0) {
        return deny_error(verdict, step, r, "cannot read the script");
    }
    if (script_line_parse(head, size, &line) < 0) {
        return deny(verdict, step, EACCES, "listed as a script but has no usable #! line");
    }
    if (strcmp(line.interpreter, row->interpreter) != 0) {
        return deny(verdict, step, EACCES, "the script's #! line names another interpreter than the manifest");
    }
    memcpy(step->argument, line.argument, sizeof(step->argument));
    *ret_is_good = true;
    return 0;
}

static void allow(GateVerdict *verdict, const GateStep *program, const GateStep *script, const ManifestRow *row,
                  GateFile *file)
{
    verdict->kind = GATE_ALLOW;
    verdict->error = 0;
    verdict->row = *row;
    verdict->file_fd = steal_fd(&file->fd);
    if (script != NULL) {
        verdict->script_path = script->path;
        verdict->interpreter_arg = script->argument;
        verdict->interpreter_path = program->path;
    }
}

/* Walks the chain until a program (allow) or a denial. */
static int decide_chain(const Gate *gate, const GateRequest *request, GateVerdict *verdict)
{
    GateRequest current = *request;
    char given[64] = "";
    if (request->is_fd_exec) {
        (void)snprintf(given, sizeof(given), "/dev/fd/%d", request->dirfd);
    }
    GateStep *script = NULL;
    for (;;) {
        GateStep *step = step_new(verdict, current.is_fd_exec ? given : current.path != NULL ? current.path : "");
        _cleanup_(gate_file_deinit) GateFile file = GATE_FILE_INIT;
        int64_t row_index = -1;
        int r = decide_file(gate, &current, verdict, step, &file, &row_index);
        if (r < 0 || row_index < 0) {
            return r;
        }
        ManifestRow row;
        manifest_row(gate->config.manifest, (size_t)row_index, &row);
        if ((row.flags & MANIFEST_SCRIPT) == 0) {
            allow(verdict, step, script, &row, &file);
            return 0;
        }
        bool is_good = false;
        r = read_script(verdict, step, &file, &row, &is_good);
        if (r < 0 || !is_good) {
            return r;
        }
        if (verdict->step_count > LIMIT_SCRIPT_CHAIN) {
            return deny(verdict, step, ELOOP, "too many interpreters in a row");
        }
        /* The innermost script is what the interpreter reads; an outer one is the innermost script's own business. */
        verdict->script_fd = fd_close(verdict->script_fd);
        verdict->script_fd = steal_fd(&file.fd);
        script = step;
        current = (GateRequest){.dirfd = AT_FDCWD,
                                .cwd = request->cwd,
                                .path = row.interpreter,
                                .pid = request->pid,
                                .applet = request->applet != NULL ? base_name(row.interpreter) : NULL,
                                .is_explaining = request->is_explaining};
    }
}

/* One record for the requested file; for a script that was refused because of its interpreter the reason says so. */
static void record(const Gate *gate, const char *path, const char *argv0, uint32_t pid, const GateVerdict *verdict,
                   const GateStep *step)
{
    const GateConfig *config = &gate->config;
    if (config->audit == NULL) {
        return;
    }
    const AuditRecord record = {
        .container = config->container,
        .image = config->image,
        .argv0 = argv0,
        .path = path,
        .pid = pid,
        .digest = step != NULL && step->has_digest ? &step->digest : NULL,
        .size = step != NULL ? step->size : 0,
        .is_allowed = verdict->kind == GATE_ALLOW,
        .reason = verdict->reason,
        .entry = verdict->kind == GATE_ALLOW ? verdict->row.entry : NULL,
        .manifest_name = manifest_name(config->manifest),
        .manifest_serial = manifest_serial(config->manifest),
        .manifest_digest = manifest_digest(config->manifest),
        .key = config->key_count > 0 ? config->keys[0] : NULL,
        .policy_generation = policy_generation(config->policy),
        .duration_us = verdict->duration_ns / 1000,
    };
    const int r = audit_append(config->audit, &record);
    (void)r; /* a log that cannot be written changes no decision; audit.c counts and reports what is missing */
}

int gate_decide(Gate *gate, const GateRequest *request, GateVerdict *ret_verdict)
{
    must(gate != NULL && request != NULL && ret_verdict != NULL);
    const uint64_t start_ns = now_ns();
    ret_verdict->kind = GATE_DENY;
    ret_verdict->error = EACCES;
    ret_verdict->reason = "";
    ret_verdict->row = (ManifestRow){0};
    ret_verdict->file_fd = -1;
    ret_verdict->script_fd = -1;
    ret_verdict->script_path = ret_verdict->interpreter_arg = ret_verdict->interpreter_path = "";
    ret_verdict->step_count = 0;
    ret_verdict->text_size = 0;
    const int r = decide_chain(gate, request, ret_verdict);
    if (ret_verdict->kind == GATE_DENY) {
        gate_verdict_deinit(ret_verdict);
    }
    dbg_must((ret_verdict->kind == GATE_ALLOW) == (ret_verdict->file_fd >= 0));
    dbg_must(r == 0 || ret_verdict->kind == GATE_DENY);
    ret_verdict->duration_ns = now_ns() - start_ns;
    if (!request->is_record_deferred) {
        gate_record(gate, request, ret_verdict);
    }
    return r;
}

void gate_record(const Gate *gate, const GateRequest *request, const GateVerdict *verdict)
{
    must(verdict->step_count > 0);
    /* The denied file is the last of the chain: the record carries its digest under the path that was asked for. */
    const uint32_t index = verdict->kind == GATE_ALLOW ? 0 : verdict->step_count - 1;
    const char *path = request->is_fd_exec ? verdict->steps[0].path : request->path;
    record(gate, path, request->argv0, request->pid, verdict, &verdict->steps[index]);
}

size_t gate_argv(const GateVerdict *verdict, const char *argv[GATE_ARGV_MAX])
{
    must(verdict->kind == GATE_ALLOW && verdict->step_count >= 1);
    if (verdict->step_count == 1) {
        return 0;
    }
    size_t count = 0;
    argv[count++] = verdict->steps[verdict->step_count - 1].path;
    for (uint32_t i = verdict->step_count - 1; i-- > 0;) {
        if (verdict->steps[i].argument[0] != '\0') {
            argv[count++] = verdict->steps[i].argument;
        }
        argv[count++] = verdict->steps[i].path;
    }
    must(count <= GATE_ARGV_MAX);
    return count;
}

/* --- code that an interpreter reads --- */

/* The verdict on the bytes of an open file; x bits and paths do not matter here. */
static int check_copy(const Gate *gate, int fd, GateFile *file, const char **ret_reason)
{
    struct stat status;
    *ret_reason = "not a regular file";
    if (fstat(fd, &status) < 0) {
        return -errno;
    }
    if (!S_ISREG(status.st_mode)) {
        return -EACCES;
    }
    file->size = (uint64_t)status.st_size;
    if (!manifest_has_size(gate->config.manifest, file->size)) {
        *ret_reason = "code file: no file of this size is in the manifest";
        return -EACCES;
    }
    *ret_reason = "code file: cannot be read";
    file->fd = fcntl(fd, F_DUPFD_CLOEXEC, gate->config.minimum_fd);
    if (file->fd < 0) {
        return -errno;
    }
    const int r = gate_hash(gate, file);
    if (r < 0) {
        return r;
    }
    const Judgement judgement = judge(gate, &file->digest, false);
    *ret_reason = judgement.is_allowed ? "code file: in the manifest" : judgement.reason;
    return judgement.is_allowed ? 0 : -EACCES;
}

int gate_check_file_copy(Gate *gate, int fd, const char *path, uint32_t pid, int *ret_copy_fd)
{
    must(gate != NULL && fd >= 0 && path != NULL);
    const uint64_t start_ns = now_ns();
    _cleanup_(gate_file_deinit) GateFile file = GATE_FILE_INIT;
    const char *reason = "";
    const int r = check_copy(gate, fd, &file, &reason);
    const GateConfig *config = &gate->config;
    if (config->audit != NULL) {
        const AuditRecord audit = {
            .container = config->container,
            .image = config->image,
            .path = path,
            .pid = pid,
            .digest = file.has_digest ? &file.digest : NULL,
            .size = file.size,
            .is_allowed = r == 0,
            .reason = reason,
            .manifest_name = manifest_name(config->manifest),
            .manifest_serial = manifest_serial(config->manifest),
            .manifest_digest = manifest_digest(config->manifest),
            .key = config->key_count > 0 ? config->keys[0] : NULL,
            .policy_generation = policy_generation(config->policy),
            .duration_us = (now_ns() - start_ns) / 1000,
        };
        const int ignored = audit_append(config->audit, &audit);
        (void)ignored;
    }
    if (r == 0 && ret_copy_fd != NULL) {
        *ret_copy_fd = steal_fd(&file.fd);
    }
    return r == 0 ? 0 : -EACCES; /* whatever went wrong, no code is taken */
}

int gate_check_file(Gate *gate, int fd, const char *path, uint32_t pid)
{
    return gate_check_file_copy(gate, fd, path, pid, NULL);
}
