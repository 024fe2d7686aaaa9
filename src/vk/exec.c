/* SPDX-License-Identifier: Apache-2.0 */
/*
 * exec.c - execve: one host copy of path, argv and envp; the gate decides; a miss changes nothing.
 *
 * Order: copy -> gate_decide() -> find the entry -> build the new argv -> (point of no return) close close-on-exec
 * descriptors, reset handlers, swap the strings -> rt_instance_replace(), which does not come back. Should it fail after the
 * point of no return the process is killed, as Linux does.
 */
#include "vk-int.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* What the kernel does for "#!": interpreter, its one argument, the script's path, the caller's arguments from the second on. */
int vk_script_arguments(const GateVerdict *verdict, VkArguments *arguments, VkStrings *argv)
{
    VkStrings fresh = vk_strings_begin(arguments);
    const char *const head[] = {verdict->interpreter_path, verdict->interpreter_arg, verdict->script_path};
    int r = 0;
    for (size_t i = 0; r == 0 && i < 3; i++) {
        r = i == 1 && head[i][0] == '\0' ? 0 : vk_strings_append(arguments, &fresh, head[i], strlen(head[i]));
    }
    for (uint32_t i = 1; r == 0 && i < argv->count; i++) {
        r = vk_strings_append(arguments, &fresh, argv->bytes + argv->starts[i], strlen(argv->bytes + argv->starts[i]));
    }
    if (r == 0) {
        *argv = fresh;
    }
    return r;
}

static void close_cloexec(Vk *vk)
{
    for (uint32_t word = 0; word < LIMIT_GUEST_FDS / 64; word++) {
        uint64_t bits = vk->maybe_cloexec[word]; /* the other threads are gone */
        while (bits != 0) {
            const uint32_t fd = word * 64 + (uint32_t)__builtin_ctzll(bits);
            bits &= bits - 1;
            const int64_t flags = fd < (uint32_t)vk->config.minimum_fd ? vk_sys2(SYS_fcntl, fd, F_GETFD) : -EBADF;
            if (flags >= 0 && (flags & FD_CLOEXEC) != 0) {
                (void)vk_sys1(SYS_close, fd);
            }
        }
        vk->maybe_cloexec[word] = 0;
    }
}

/* The point of no return. */
static void commit(Vk *vk, GateVerdict *verdict, VkArguments *arguments, const VkStrings *argv, const VkStrings *envp)
{
    close_cloexec(vk);
    vk_signals_reset_for_exec(vk);
    vk->argv = *argv;
    vk->envp = *envp;
    (void)fd_close(vk->exe_fd);
    (void)fd_close(vk->script_fd);
    vk->program_flags = verdict->row.flags;
    vk->exe_fd = steal_fd(&verdict->file_fd);
    vk->script_fd = steal_fd(&verdict->script_fd);
    const uint32_t last = verdict->step_count == 0 ? 0 : verdict->step_count - 1;
    vk->exe_path = vk_arguments_path(arguments, verdict->steps[last].resolved);
    vk->script_path = vk->script_fd >= 0 ? vk_arguments_path(arguments, verdict->script_path) : NULL;
    vk_self->clear_tid = vk_self->robust_list = 0;
    vk_self->is_program = true;
    vk_comm_set(vk, verdict->steps[0].path);
    vk_wasi_forget(vk);
    must(vk_map_setup(vk) == 0);
    vk_unlock(&vk->exec_lock); /* nobody else is there */
}

/* In the thread that becomes the program: the leader. */
static void start_program(RtInstance *instance, void *argument)
{
    Vk *vk = argument;
    const RtEntry *entry = rt_object_entry(vk->config.loaded, vk->verdict->row.entry);
    must(entry != NULL && instance == vk->instance);
    commit(vk, vk->verdict, vk->exec_job.arguments, &vk->exec_job.argv, &vk->exec_job.envp);
    Error err = ERROR_INIT;
    const int r = rt_instance_replace(instance, vk->config.loaded, entry, &err);
    vk_log_once(err.code != 0 ? err.message : error_name(-r), "execve");
    (void)vk_sys2(SYS_kill, getpid(), SIGKILL);
    _exit(127);
}

static int64_t start_entry(Vk *vk, GateVerdict *verdict, VkArguments *arguments, VkStrings *argv, const VkStrings *envp)
{
    const RtEntry *entry = verdict->row.entry != NULL ? rt_object_entry(vk->config.loaded, verdict->row.entry) : NULL;
    if (entry == NULL) {
        return -EACCES;
    }
    const int e = verdict->script_fd >= 0 ? vk_script_arguments(verdict, arguments, argv) : 0;
    if (e < 0) {
        return e;
    }
    vk->exec_job = (struct VkExecJob){.arguments = arguments, .argv = *argv, .envp = *envp};
    if (vk_self->robust_list != 0) {
        vk_robust_release(vk_self);
    }
    if (vk->threads->next != NULL) { /* the leader stays in the list when it is parked */
        vk_threads_stop(vk);
        if (vk_self != vk->leader) {
            vk_exec_hand_over(vk, start_program);
        }
    }
    start_program(vk->instance, vk);
    __builtin_unreachable();
}

static int64_t exec_path(Vk *vk, GateRequest *request, char *cwd, GuestAddr argv_address, GuestAddr envp_address)
{
    VkArguments *arguments = vk_arguments_begin(vk);
    VkStrings argv = vk_strings_begin(arguments);
    int64_t r = vk_strings_append_guest(vk, arguments, &argv, argv_address);
    if (r == 0 && argv.count == 0) {
        r = vk_strings_append(arguments, &argv, "", 0); /* Linux 5.18: an empty argv becomes {""} */
    }
    VkStrings envp = vk_strings_begin(arguments);
    r = r < 0 ? r : vk_strings_append_guest(vk, arguments, &envp, envp_address);
    if (r == 0 && argv.size + envp.size > LIMIT_ARG_SIZE) {
        r = -E2BIG;
    }
    if (r < 0) {
        return r;
    }
    const int64_t size = vk_cwd(vk, cwd);
    if (size < 0 && request->path[0] != '/' && !request->is_fd_exec && request->dirfd == AT_FDCWD) {
        return -ENOENT;
    }
    request->cwd = size < 0 ? "/" : cwd;
    request->argv0 = argv.bytes;
    const char *slash = strrchr(argv.bytes, '/');
    request->applet = slash != NULL ? slash + 1 : argv.bytes + (argv.bytes[0] == '-'); /* "-sh": a login shell */
    request->pid = (uint32_t)getpid();
    vk_file_size_lift(vk);
    r = gate_decide(vk->config.gate, request, vk->verdict);
    vk_file_size_restore(vk);
    if (r == 0) {
        const int denied = vk->verdict->error > 0 ? vk->verdict->error : EACCES;
        r = vk->verdict->kind == GATE_ALLOW ? start_entry(vk, vk->verdict, arguments, &argv, &envp) : -denied;
        gate_verdict_deinit(vk->verdict);
    }
    return r;
}

/* /proc/self/exe, /proc/self/fd/N, /dev/fd/N: that descriptor. A frame of its own for the path in a VkFile. */
static int __attribute__((noinline)) served_request(Vk *vk, GateRequest *request)
{
    VkFile file;
    if (!vk_file_find(vk, request->path, &file)) {
        return 0;
    }
    if (file.kind != VK_FILE_FD) {
        return -EACCES;
    }
    if (file.fd != vk->exe_fd && vk_fd_is_bad(vk, file.fd)) {
        return -ENOENT;
    }
    request->dirfd = file.fd;
    request->is_fd_exec = true;
    request->path = "";
    return 0;
}

int64_t vk_sys_execve(Vk *vk, GuestAddr path_address, GuestAddr argv, GuestAddr envp)
{
    return vk_sys_execveat(vk, AT_FDCWD, path_address, argv, envp, 0);
}

#define AT_EXECVE_CHECK_ 0x10000u /* linux/fcntl.h of 6.14: only the descriptor form, which is the one its documentation recommends */

static int64_t execveat_locked(Vk *vk, int32_t dirfd, GuestAddr path_address, GuestAddr argv, GuestAddr envp, uint32_t flags)
{
    char *const path = vk->exec_text;
    int r = vk_copy_path(vk, path, path_address);
    if (r < 0) {
        return r;
    }
    if ((flags & AT_EXECVE_CHECK_) != 0) {
        return flags == (AT_EXECVE_CHECK_ | AT_EMPTY_PATH) && path[0] == '\0' ? vk_exec_check(vk, dirfd) : -EINVAL;
    }
    if ((flags & ~(uint32_t)(AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW)) != 0) {
        return -EINVAL;
    }
    const bool is_fd_exec = path[0] == '\0' && (flags & AT_EMPTY_PATH) != 0;
    if (path[0] == '\0' && !is_fd_exec) {
        return -ENOENT;
    }
    if ((is_fd_exec || path[0] != '/') && (is_fd_exec ? vk_fd_is_bad(vk, dirfd) : vk_at_is_bad(vk, dirfd))) {
        return -EBADF;
    }
    GateRequest request = {.dirfd = dirfd, .path = path, .is_fd_exec = is_fd_exec, .is_nofollow = (flags & AT_SYMLINK_NOFOLLOW) != 0};
    r = !is_fd_exec && vk_file_may_be(path) ? served_request(vk, &request) : 0;
    return r < 0 ? r : exec_path(vk, &request, path + strlen(path) + 1, argv, envp);
}

int64_t vk_sys_execveat(Vk *vk, int32_t dirfd, GuestAddr path_address, GuestAddr argv, GuestAddr envp, uint32_t flags)
{
    if (vk_exec_lock(vk) < 0) {
        return -EINTR; /* never seen: the thread ends */
    }
    const int64_t r = execveat_locked(vk, dirfd, path_address, argv, envp, flags);
    vk_unlock(&vk->exec_lock);
    return r;
}

bool vk_is_script(const Vk *vk, const char *path)
{
    return vk->script_fd >= 0 && strcmp(path, vk->script_path) == 0;
}

int64_t vk_script_take(Vk *vk, bool is_cloexec)
{
    VK_GUARD(&vk->file_lock);
    if (vk->script_fd < 0) {
        return -ENOENT; /* another thread was faster */
    }
    int64_t fd = vk_sys3(SYS_fcntl, vk->script_fd, is_cloexec ? F_DUPFD_CLOEXEC : F_DUPFD, 0);
    if (fd >= 0) {
        (void)vk_sys3(SYS_lseek, fd, 0, SEEK_SET);
    }
    fd = vk_fd_new(vk, fd, is_cloexec);
    if (fd >= 0) { /* a failure must not leave the next open with the file as it is now */
        vk->script_fd = fd_close(vk->script_fd);
    }
    return fd;
}

#define SECBIT_EXEC_RESTRICT_FILE_ (1u << 8)      /* linux/securebits.h of 6.14; Debian 12's headers are older */
#define SECBIT_EXEC_DENY_INTERACTIVE_ (1u << 10)

uint32_t vk_securebits(const Vk *vk)
{
    const bool is_interpreter = (vk->program_flags & MANIFEST_INTERPRETER) != 0;
    const bool is_inline_denied = (vk->program_flags & MANIFEST_DENY_INLINE) != 0;
    return (is_interpreter ? SECBIT_EXEC_RESTRICT_FILE_ : 0) | (is_inline_denied ? SECBIT_EXEC_DENY_INTERACTIVE_ : 0);
}

int vk_exec_check(Vk *vk, int32_t fd)
{
    if (vk_fd_is_bad(vk, fd) || vk_sys2(SYS_fcntl, fd, F_GETFD) < 0) {
        return -EBADF;
    }
    if ((vk->program_flags & MANIFEST_INTERPRETER) == 0) {
        return 0;
    }
    if (vk->config.gate == NULL) {
        return -EACCES;
    }
    char path[LIMIT_PATH_SIZE];
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    int copy = -1;
    vk_file_size_lift(vk);
    const int r = gate_check_file_copy(vk->config.gate, fd, path, (uint32_t)getpid(), &copy);
    vk_file_size_restore(vk);
    if (r < 0) {
        return r;
    }
    /* From here on the guest's descriptor is what was hashed: a change of the file after the check changes nothing. */
    const int64_t position = vk_sys3(SYS_lseek, fd, 0, SEEK_CUR);
    const int64_t flags = vk_sys2(SYS_fcntl, fd, F_GETFD);
    int64_t done = position < 0 ? position : vk_sys3(SYS_lseek, copy, position, SEEK_SET);
    done = done < 0 ? done : vk_sys3(SYS_dup3, copy, fd, flags > 0 ? O_CLOEXEC : 0);
    (void)fd_close(copy);
    return done < 0 ? -EACCES : 0;
}
