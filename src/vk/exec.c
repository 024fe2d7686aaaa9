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

void vk_strings_deinit(VkStrings *strings)
{
    free(strings->bytes);
    free(strings->starts);
    *strings = (VkStrings){0};
}

int vk_strings_set(VkStrings *strings, const char *const *list, size_t count)
{
    size_t size = 0;
    for (size_t i = 0; i < count; i++) {
        size += strlen(list[i]) + 1;
    }
    if (count > LIMIT_ARG_COUNT || size > LIMIT_ARG_SIZE) {
        return -E2BIG;
    }
    VkStrings fresh = {.bytes = malloc(size + 1), .starts = calloc(count + 1, sizeof(uint32_t))};
    if (fresh.bytes == NULL || fresh.starts == NULL) {
        vk_strings_deinit(&fresh);
        return -ENOMEM;
    }
    for (size_t i = 0; i < count; i++) {
        const size_t part = strlen(list[i]) + 1;
        fresh.starts[fresh.count++] = fresh.size;
        memcpy(fresh.bytes + fresh.size, list[i], part);
        fresh.size += (uint32_t)part;
    }
    vk_strings_deinit(strings);
    *strings = fresh;
    return 0;
}

static int append(VkStrings *strings, const char *string, size_t length)
{
    const size_t room = LIMIT_ARG_SIZE - strings->size;
    if (strings->count >= LIMIT_ARG_COUNT || length + 1 > room) {
        return -E2BIG;
    }
    strings->starts[strings->count++] = strings->size;
    memcpy(strings->bytes + strings->size, string, length);
    strings->bytes[strings->size + length] = '\0';
    strings->size += (uint32_t)length + 1;
    return 0;
}

static int prepare(VkStrings *strings)
{
    *strings = (VkStrings){.bytes = malloc(LIMIT_ARG_SIZE), .starts = malloc(LIMIT_ARG_COUNT * sizeof(uint32_t))};
    return strings->bytes == NULL || strings->starts == NULL ? -ENOMEM : 0;
}

/* Adds the strings of a guest's NULL-terminated array; a NULL array is an empty one, as on Linux. */
static int append_guest(Vk *vk, VkStrings *strings, GuestAddr array)
{
    for (uint32_t i = 0; array != 0; i++) {
        GuestAddr address;
        if (i >= LIMIT_ARG_COUNT) {
            return -E2BIG;
        }
        if (array > UINT32_MAX - 4 * i || vk_copy_in(vk, &address, array + 4 * i, sizeof address) < 0) {
            return -EFAULT;
        }
        if (address == 0) {
            return 0;
        }
        if (strings->count >= LIMIT_ARG_COUNT) {
            return -E2BIG;
        }
        size_t room = LIMIT_ARG_SIZE - strings->size;
        room = room < LIMIT_ARG_STRING_SIZE ? room : LIMIT_ARG_STRING_SIZE;
        const int64_t length = vk_copy_string(vk, strings->bytes + strings->size, room, address);
        if (length < 0) {
            return length == -ENAMETOOLONG ? -E2BIG : (int)length;
        }
        strings->starts[strings->count++] = strings->size;
        strings->size += (uint32_t)length + 1;
    }
    return 0;
}

/* What the kernel does for "#!": interpreter, its one argument, the script's path, the caller's arguments from the second on. */
static int script_arguments(const GateVerdict *verdict, const VkStrings *old, VkStrings *fresh)
{
    int r = append(fresh, verdict->interpreter_path, strlen(verdict->interpreter_path));
    if (r == 0 && verdict->interpreter_arg[0] != '\0') {
        r = append(fresh, verdict->interpreter_arg, strlen(verdict->interpreter_arg));
    }
    if (r == 0) {
        r = append(fresh, verdict->script_path, strlen(verdict->script_path));
    }
    for (uint32_t i = 1; r == 0 && i < old->count; i++) {
        r = append(fresh, old->bytes + old->starts[i], strlen(old->bytes + old->starts[i]));
    }
    return r;
}

static void close_cloexec(Vk *vk)
{
    for (uint32_t word = 0; word < LIMIT_GUEST_FDS / 64; word++) {
        uint64_t bits = vk->maybe_cloexec[word];
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
static void commit(Vk *vk, GateVerdict *verdict, VkStrings *argv, VkStrings *envp, char *exe_path, char *script_path)
{
    close_cloexec(vk);
    vk_signals_reset_for_exec(vk);
    vk_strings_deinit(&vk->argv);
    vk_strings_deinit(&vk->envp);
    vk->argv = *argv;
    vk->envp = *envp;
    *argv = *envp = (VkStrings){0};
    (void)fd_close(vk->exe_fd);
    (void)fd_close(vk->script_fd);
    vk->program_flags = verdict->row.flags;
    vk->exe_fd = steal_fd(&verdict->file_fd);
    vk->script_fd = steal_fd(&verdict->script_fd);
    free(vk->exe_path);
    free(vk->script_path);
    vk->exe_path = exe_path;
    vk->script_path = script_path;
    vk->clear_tid = 0;
    const char *slash = strrchr(verdict->steps[0].path, '/');
    (void)snprintf(vk->comm, sizeof vk->comm, "%s", slash == NULL ? verdict->steps[0].path : slash + 1);
    vk_wasi_forget(vk);
    must(vk_map_setup(vk) == 0);
}

static int64_t start_entry(Vk *vk, GateVerdict *verdict, VkStrings *argv, VkStrings *envp)
{
    const RtEntry *entry = verdict->row.entry != NULL ? rt_object_entry(vk->config.loaded, verdict->row.entry) : NULL;
    if (entry == NULL) {
        return -EACCES;
    }
    VkStrings rebuilt = {0};
    if (verdict->script_fd >= 0) {
        int r = prepare(&rebuilt);
        r = r < 0 ? r : script_arguments(verdict, argv, &rebuilt);
        if (r < 0) {
            vk_strings_deinit(&rebuilt);
            return r;
        }
        vk_strings_deinit(argv);
        *argv = rebuilt;
    }
    const uint32_t last = verdict->step_count == 0 ? 0 : verdict->step_count - 1;
    char *exe_path = strdup(verdict->steps[last].resolved);
    char *script_path = verdict->script_fd >= 0 ? strdup(verdict->script_path) : NULL;
    if (exe_path == NULL || (verdict->script_fd >= 0 && script_path == NULL)) {
        free(exe_path);
        free(script_path);
        return -ENOMEM;
    }
    commit(vk, verdict, argv, envp, exe_path, script_path);
    Error err = ERROR_INIT;
    const int r = rt_instance_replace(vk->instance, vk->config.loaded, entry, &err);
    vk_log_once(err.code != 0 ? err.message : error_name(-r), "execve");
    (void)vk_sys2(SYS_kill, getpid(), SIGKILL);
    _exit(127);
}

static int64_t exec_path(Vk *vk, GateRequest *request, GuestAddr argv_address, GuestAddr envp_address)
{
    VkStrings argv = {0}, envp = {0};
    char cwd[LIMIT_PATH_SIZE];
    int64_t r = prepare(&argv);
    r = r < 0 ? r : append_guest(vk, &argv, argv_address);
    if (r == 0 && argv.count == 0) {
        r = append(&argv, "", 0); /* Linux 5.18: an empty argv becomes {""} */
    }
    r = r < 0 ? r : prepare(&envp);
    r = r < 0 ? r : append_guest(vk, &envp, envp_address);
    if (r == 0 && argv.size + envp.size > LIMIT_ARG_SIZE) {
        r = -E2BIG;
    }
    if (r == 0) {
        const int64_t size = vk_cwd(vk, cwd);
        request->cwd = size < 0 ? "/" : cwd;
        request->argv0 = argv.bytes;
        const char *slash = strrchr(argv.bytes, '/');
        request->applet = slash != NULL ? slash + 1 : argv.bytes + (argv.bytes[0] == '-'); /* "-sh": a login shell */
        request->pid = (uint32_t)getpid();
        if (size < 0 && request->path[0] != '/' && !request->is_fd_exec && request->dirfd == AT_FDCWD) {
            r = -ENOENT;
        }
    }
    if (r == 0) {
        vk_file_size_lift(vk);
        r = gate_decide(vk->config.gate, request, vk->verdict);
        vk_file_size_restore(vk);
        if (r == 0) {
            r = vk->verdict->kind == GATE_ALLOW ? start_entry(vk, vk->verdict, &argv, &envp) : -(vk->verdict->error > 0 ? vk->verdict->error : EACCES);
            gate_verdict_deinit(vk->verdict);
        }
    }
    vk_strings_deinit(&argv);
    vk_strings_deinit(&envp);
    return r;
}

int64_t vk_sys_execve(Vk *vk, GuestAddr path_address, GuestAddr argv, GuestAddr envp)
{
    return vk_sys_execveat(vk, AT_FDCWD, path_address, argv, envp, 0);
}

#define AT_EXECVE_CHECK_ 0x10000u /* linux/fcntl.h of 6.14: only the descriptor form, which is the one its documentation recommends */

int64_t vk_sys_execveat(Vk *vk, int32_t dirfd, GuestAddr path_address, GuestAddr argv, GuestAddr envp, uint32_t flags)
{
    char path[LIMIT_PATH_SIZE];
    const int r = vk_copy_path(vk, path, path_address);
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
    VkFile file;
    if (!is_fd_exec && vk_file_find(vk, path, &file)) { /* /proc/self/exe, /proc/self/fd/N, /dev/fd/N: that descriptor */
        if (file.kind != VK_FILE_FD) {
            return -EACCES;
        }
        if (file.fd != vk->exe_fd && vk_fd_is_bad(vk, file.fd)) {
            return -ENOENT;
        }
        request.dirfd = file.fd;
        request.is_fd_exec = true;
        request.path = "";
    }
    return exec_path(vk, &request, argv, envp);
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
