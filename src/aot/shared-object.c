/* SPDX-License-Identifier: Apache-2.0 */
/*
 * shared-object.c - object files -> ELF64 shared object by ld.lld-22, and the check of what came out.
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "aot/aot-int.h"
#include "base/cleanup.h"
#include "base/fd.h"
#include "base/file.h"

#define LINKER_PATH "/usr/bin/ld.lld-22"
#define OBJECT_SIZE_MAXIMUM (8ull << 30)

static int wait_for_linker(pid_t pid, int message_fd, Error *err)
{
    char text[400];
    size_t size = 0;
    if (fd_read_full(message_fd, text, sizeof(text) - 1, &size) < 0) {
        size = 0;
    }
    text[size] = '\0';
    text[strcspn(text, "\n")] = '\0';
    int status;
    while (waitpid(pid, &status, 0) < 0) {
        if (errno != EINTR) {
            return error_set(err, errno, "waiting for the linker");
        }
    }
    if (WIFSIGNALED(status)) {
        return error_set(err, EIO, "%s was killed by signal %d", LINKER_PATH, WTERMSIG(status));
    }
    if (WEXITSTATUS(status) != 0) {
        const int code = strstr(text, strerror(ENOSPC)) != NULL ? ENOSPC : EIO;
        return error_set(err, code, "%s", text[0] != '\0' ? text : "the linker failed");
    }
    return 0;
}

/*
 * The object is lld's standard output, into memory: a file that lld opens itself it maps, and a full disk is then a SIGBUS; a
 * failed write to standard output it does not notice. We write the file.
 */
static int run_linker(char **arguments, int object_fd, Error *err)
{
    static char *environment[] = {NULL};
    int pipe_fds[2];
    if (pipe2(pipe_fds, O_CLOEXEC) < 0) {
        return error_set(err, errno, "pipe for the linker");
    }
    _cleanup_(fd_closep) int read_end = pipe_fds[0];
    _cleanup_(fd_closep) int write_end = pipe_fds[1];
    posix_spawn_file_actions_t actions;
    int r = posix_spawn_file_actions_init(&actions);
    if (r != 0) {
        return error_set(err, r, "starting the linker");
    }
    r = posix_spawn_file_actions_adddup2(&actions, write_end, STDERR_FILENO);
    if (r == 0) {
        r = posix_spawn_file_actions_adddup2(&actions, object_fd, STDOUT_FILENO);
    }
    pid_t pid = -1;
    if (r == 0) {
        r = posix_spawn(&pid, LINKER_PATH, &actions, NULL, arguments, environment);
    }
    posix_spawn_file_actions_destroy(&actions);
    if (r != 0) {
        return error_set(err, r, "%s", LINKER_PATH);
    }
    write_end = fd_close(write_end);
    return wait_for_linker(pid, read_end, err);
}

static int object_save(int object_fd, const char *output_path, Error *err)
{
    _cleanup_(fd_closep) int fd = open(output_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    uint64_t size = 0;
    if (fd < 0 || lseek(object_fd, 0, SEEK_SET) < 0) {
        return error_set(err, errno, "%s", output_path);
    }
    const int r = fd_copy(object_fd, fd, OBJECT_SIZE_MAXIMUM, &size);
    return r < 0 ? error_set(err, -r, "%s: cannot write", output_path) : 0;
}

/* @order_path: file of symbols whose sections come first, in that order; NULL: none. */
int object_link(const char *const *inputs, uint32_t input_count, const char *order_path, const char *output_path, Error *err)
{
    static const char *const options[] = {LINKER_PATH, "-shared", "-Bsymbolic", "-z", "defs", "-z", "now", "-z", "relro", "-z",
                                          "separate-loadable-segments", "-z", "max-page-size=4096", "--hash-style=gnu", "--build-id=none", "--eh-frame-hdr",
                                          "--threads=1", "-o", "-"};
    const size_t option_count = sizeof(options) / sizeof(options[0]);
    const char **arguments = calloc(option_count + input_count + 4, sizeof(*arguments));
    char order[4096];
    if (order_path != NULL && snprintf(order, sizeof(order), "--symbol-ordering-file=%s", order_path) >= (int)sizeof(order)) {
        free(arguments);
        return error_set(err, ENAMETOOLONG, "%s: path too long", order_path);
    }
    if (arguments == NULL) {
        return error_set(err, ENOMEM, "out of memory");
    }
    memcpy(arguments, options, sizeof(options));
    for (uint32_t i = 0; i < input_count; i++) {
        arguments[option_count + i] = inputs[i];
    }
    if (order_path != NULL) {
        arguments[option_count + input_count] = order;
        arguments[option_count + input_count + 1] = "--no-warn-symbol-ordering";
    }
    _cleanup_(fd_closep) int object_fd = memfd_create("object", MFD_CLOEXEC);
    int r = object_fd < 0 ? error_set(err, errno, "memory for the object") : 0;
    r = r < 0 ? r : run_linker((char **)arguments, object_fd, err); /* posix_spawn does not change them */
    free(arguments);
    return r < 0 ? r : object_save(object_fd, output_path, err);
}

static int check_dynamic(const FileMap *map, const Elf64_Shdr *section, Error *err)
{
    const uint64_t count = section->sh_size / sizeof(Elf64_Dyn);
    for (uint64_t i = 0; i < count; i++) {
        Elf64_Dyn entry;
        memcpy(&entry, map->bytes + section->sh_offset + i * sizeof(entry), sizeof(entry));
        if (entry.d_tag == DT_NEEDED || entry.d_tag == DT_TEXTREL || entry.d_tag == DT_JMPREL || entry.d_tag == DT_INIT || entry.d_tag == DT_INIT_ARRAY) {
            return error_set(err, EBADMSG, "linked object has dynamic tag %lld", (long long)entry.d_tag);
        }
    }
    return 0;
}

static int check_relocations(const FileMap *map, const Elf64_Shdr *section, Error *err)
{
    const uint64_t count = section->sh_size / sizeof(Elf64_Rela);
    for (uint64_t i = 0; i < count; i++) {
        Elf64_Rela relocation;
        memcpy(&relocation, map->bytes + section->sh_offset + i * sizeof(relocation), sizeof(relocation));
        const uint32_t type = (uint32_t)ELF64_R_TYPE(relocation.r_info);
        if (type != R_X86_64_RELATIVE && type != R_AARCH64_RELATIVE) { /* no number is the other's */
            return error_set(err, EBADMSG, "linked object has a relocation of type %u", (unsigned)ELF64_R_TYPE(relocation.r_info));
        }
    }
    return 0;
}

/* Our own output: a mistake found here is a bug, but shows as an error rather than as a loader's puzzle. */
static int check_sections(const FileMap *map, Error *err)
{
    Elf64_Ehdr header;
    if (map->size < sizeof(header)) {
        return error_set(err, EBADMSG, "linked object is truncated");
    }
    memcpy(&header, map->bytes, sizeof(header));
    if (header.e_shoff > map->size || header.e_shnum * sizeof(Elf64_Shdr) > map->size - header.e_shoff) {
        return error_set(err, EBADMSG, "linked object has no section headers");
    }
    for (uint32_t i = 0; i < header.e_shnum; i++) {
        Elf64_Shdr section;
        memcpy(&section, map->bytes + header.e_shoff + i * sizeof(section), sizeof(section));
        if (section.sh_type == SHT_NOBITS) {
            continue;
        }
        if (section.sh_offset > map->size || section.sh_size > map->size - section.sh_offset) {
            return error_set(err, EBADMSG, "linked object is truncated");
        }
        int r = 0;
        if (section.sh_type == SHT_RELA) {
            r = check_relocations(map, &section, err);
        } else if (section.sh_type == SHT_REL) {
            r = error_set(err, EBADMSG, "linked object has REL relocations");
        } else if (section.sh_type == SHT_DYNAMIC) {
            r = check_dynamic(map, &section, err);
        }
        if (r < 0) {
            return r;
        }
    }
    return 0;
}

int object_check(const char *path, Error *err)
{
    FileMap map;
    int r = file_map(AT_FDCWD, path, OBJECT_SIZE_MAXIMUM, &map, err);
    if (r < 0) {
        return r;
    }
    r = check_sections(&map, err);
    file_unmap(&map);
    return r;
}
