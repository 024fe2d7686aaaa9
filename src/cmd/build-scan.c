/* SPDX-License-Identifier: Apache-2.0 */
/*
 * build-scan.c - what the tree has: programs, scripts, files that will be denied.
 *
 *   executable regular file -> mapped by --program or recipe?  program with that module
 *                           -> "\0asm"                         program, itself the module
 *                           -> "#!"                            script, if its interpreter is a program here
 *                           -> ELF                             warning: it will be denied
 *
 * Content is what counts: one digest is one program, however many paths or hard links it has. Modules are counted by
 * their bytes too, so two programs made from one module share an entry.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/fd.h"
#include "base/must.h"
#include "cmd/build-int.h"
#include "image/tree.h"

#define RESOLVE_INSIDE (0x10u | 0x02u) /* RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS */

/* Room for one more in an arena array: doubled by copying. */
static int room_make(Arena *arena, void *array_pointer, size_t count, size_t *capacity, size_t size)
{
    if (count < *capacity) {
        return 0;
    }
    const size_t grown_capacity = *capacity == 0 ? 16 : *capacity * 2;
    void *grown = arena_array(arena, grown_capacity, size);
    if (grown == NULL) {
        return -ENOMEM;
    }
    void **slot = array_pointer;
    if (count > 0) {
        memcpy(grown, *slot, count * size);
    }
    *slot = grown;
    *capacity = grown_capacity;
    return 0;
}

void build_warn(BuildState *state, const char *path, const char *text)
{
    char absolute[LIMIT_PATH_SIZE + 1];
    (void)snprintf(absolute, sizeof(absolute), "%s%s", path[0] == '/' ? "" : "/", path);
    if (!opt_global.is_quiet && !opt_global.is_json) {
        fprintf(stderr, "recompiler: build: warning: %s: %s\n", cmd_text(absolute), text);
    }
    json_array_append_new(state->warnings, json_pack("{s:o, s:s}", "path", cmd_json_text(absolute), "warning", text));
}

/* "/usr/bin/[" -> "usr/bin/_": a path as an entry name. */
static const char *entry_name(BuildState *state, const char *path)
{
    path += strspn(path, "/");
    char *name = arena_strndup(state->arena, path, strlen(path) > 240 ? 240 : strlen(path));
    for (char *at = name; at != NULL && *at != '\0'; at++) {
        const bool is_good = (*at >= 'a' && *at <= 'z') || (*at >= 'A' && *at <= 'Z') || (*at >= '0' && *at <= '9') || strchr("._/+-", *at) != NULL;
        *at = is_good ? *at : '_';
    }
    if (name == NULL) {
        return NULL;
    }
    for (size_t i = 0; i < state->module_count; i++) {
        if (strcmp(state->modules[i].entry, name) == 0) { /* two paths that differ only in odd bytes */
            const size_t size = strlen(name) + 24;
            char *unique = arena_alloc(state->arena, size);
            if (unique != NULL) {
                (void)snprintf(unique, size, "%s.%zu", name, state->module_count);
            }
            return unique;
        }
    }
    return name;
}

/* Indirect calls of the module made to fit, where that is asked for or another toolchain's C may need it. */
static int module_adapt(BuildState *state, BuildModule *module, Error *err)
{
    if (module->adapt == BUILD_ADAPT_NO || (module->adapt == BUILD_ADAPT_AUTO && !wasm_is_foreign(module->module))) {
        return 0;
    }
    Buf bytes = BUF_INIT(LIMIT_MODULE_SIZE);
    size_t size = 0;
    int r = wasm_adapt_calls(module->module, state->arena, &bytes, &module->adapt_stats, err);
    if (r == 0 && module->adapt_stats.call_count > 0) {
        module->adapted = buf_steal(&bytes, &size);
        r = wasm_module_read(module->adapted, size, state->arena, &module->module, err);
        r = r < 0 ? r : wasm_module_validate(module->module, &WASM_FEATURES_DEFAULT, err);
    }
    buf_deinit(&bytes);
    return r;
}

/* The module of these bytes: known already, or read and validated now. */
static int module_add(BuildState *state, int fd, const char *what, const char *path, BuildAdapt adapt, size_t *ret_index, Error *err)
{
    FileMap map = {0};
    Digest digest;
    int r = file_map_fd(fd, LIMIT_MODULE_SIZE, &map, err);
    r = r < 0 ? r : sha256(map.bytes, map.size, &digest) < 0 ? error_set(err, EIO, "SHA-256 failed") : 0;
    if (r < 0) {
        return error_wrap(err, r, "%s", what);
    }
    for (size_t i = 0; i < state->module_count; i++) {
        if (digest_equals(&state->modules[i].digest, &digest) && state->modules[i].adapt == adapt) {
            file_unmap(&map);
            *ret_index = i;
            return 0;
        }
    }
    BuildModule module = {.digest = digest, .map = map, .adapt = adapt, .entry = entry_name(state, path)};
    r = module.entry == NULL ? error_set(err, ENOMEM, "out of memory") : wasm_module_read(map.bytes, map.size, state->arena, &module.module, err);
    r = r < 0 ? r : wasm_module_validate(module.module, &WASM_FEATURES_DEFAULT, err);
    r = r < 0 ? r : module_adapt(state, &module, err);
    if (r == 0 && room_make(state->arena, &state->modules, state->module_count, &state->module_capacity, sizeof(module)) < 0) {
        r = error_set(err, ENOMEM, "out of memory");
    }
    if (r < 0) {
        free(module.adapted);
        file_unmap(&map);
        return error_wrap(err, r, "%s", what);
    }
    state->modules[state->module_count] = module;
    *ret_index = state->module_count++;
    return 0;
}

static int module_open(BuildState *state, const BuildMapping *mapping, size_t *ret_index, Error *err)
{
    _cleanup_(fd_closep) int fd = open(mapping->module_path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) {
        return error_set(err, errno, "module %s of %s: %s", mapping->module_path, mapping->path, strerror(errno));
    }
    return module_add(state, fd, mapping->module_path, mapping->path, mapping->adapt, ret_index, err);
}

/* Can a manifest name it? UTF-8 without control characters. */
static bool name_is_text(const char *path)
{
    json_t *text = json_string(path);
    json_decref(text);
    for (; *path != '\0'; path++) {
        if ((unsigned char)*path < 0x20 || *path == 0x7f) {
            return false;
        }
    }
    return text != NULL;
}

static int path_add(BuildState *state, const char ***paths, size_t *count, size_t *capacity, const char *path, Error *err)
{
    if (!name_is_text(path)) {
        build_warn(state, path, "the manifest cannot name it (not UTF-8, or control characters); it is allowed by its digest");
        return 0;
    }
    const size_t size = strlen(path) + 2;
    char *copy = arena_alloc(state->arena, size);
    if (copy == NULL || room_make(state->arena, paths, *count, capacity, sizeof(**paths)) < 0) {
        return error_set(err, ENOMEM, "out of memory");
    }
    (void)snprintf(copy, size, "%s%s", path[0] == '/' ? "" : "/", path);
    (*paths)[(*count)++] = copy;
    return 0;
}

static int program_add(BuildState *state, const Digest *digest, uint64_t size, size_t module_index, const BuildMapping *mapping, const char *path, Error *err)
{
    BuildProgram *program = NULL;
    for (size_t i = 0; i < state->program_count && program == NULL; i++) {
        program = digest_equals(&state->programs[i].digest, digest) ? &state->programs[i] : NULL;
    }
    if (program != NULL && program->module_index != module_index) {
        return error_set(err, EEXIST, "/%s has the bytes of %s but another module", path, program->path_count > 0 ? program->paths[0] : "another file");
    }
    if (program == NULL) {
        if (room_make(state->arena, &state->programs, state->program_count, &state->program_capacity, sizeof(*program)) < 0) {
            return error_set(err, ENOMEM, "out of memory");
        }
        program = &state->programs[state->program_count++];
        *program = (BuildProgram){.digest = *digest, .size = size, .module_index = module_index};
    }
    if (mapping != NULL) {
        program->flags |= mapping->flags;
        if (mapping->applet_count > 0) {
            program->applets = mapping->applets;
            program->applet_count = mapping->applet_count;
        }
    }
    return path_add(state, &program->paths, &program->path_count, &program->path_capacity, path, err);
}

/* --- scripts --- */

/* The interpreter of a "#!" line as Linux takes it: spaces skipped, up to white space. Return: 0 or -EINVAL. */
static int interpreter_parse(const char *line, size_t size, char interpreter[LIMIT_SCRIPT_LINE])
{
    size_t at = 2;
    while (at < size && (line[at] == ' ' || line[at] == '\t')) {
        at++;
    }
    const size_t start = at;
    while (at < size && at < LIMIT_SCRIPT_LINE - 1 && line[at] != ' ' && line[at] != '\t' && line[at] != '\n' && line[at] != '\0') {
        at++;
    }
    if (at == start || line[start] != '/') {
        return -EINVAL;
    }
    memcpy(interpreter, line + start, at - start);
    interpreter[at - start] = '\0';
    return path_is_clean(interpreter) ? 0 : -EINVAL;
}

static int script_add(BuildState *state, const char *interpreter, const Digest *digest, uint64_t size, const char *path, Error *err)
{
    for (size_t i = 0; i < state->script_count; i++) {
        BuildScript *known = &state->scripts[i];
        if (digest_equals(&known->digest, digest)) {
            return path_add(state, &known->paths, &known->path_count, &known->path_capacity, path, err);
        }
    }
    if (room_make(state->arena, &state->scripts, state->script_count, &state->script_capacity, sizeof(*state->scripts)) < 0) {
        return error_set(err, ENOMEM, "out of memory");
    }
    BuildScript *script = &state->scripts[state->script_count++];
    *script = (BuildScript){.digest = *digest, .size = size, .interpreter = arena_strndup(state->arena, interpreter, strlen(interpreter))};
    return path_add(state, &script->paths, &script->path_count, &script->path_capacity, path, err);
}

/* --- the walk --- */

typedef struct ScanInode { /* what a mapping's path resolved to */
    dev_t device;
    ino_t inode;
} ScanInode;

typedef struct Scan {
    BuildState *state;
    ScanInode *targets; /* one a mapping; inode 0: not in the tree */
} Scan;

static BuildMapping *mapping_find(const Scan *scan, const TreeNode *node)
{
    for (size_t i = 0; i < scan->state->request->mapping_count; i++) {
        if (scan->targets[i].inode == node->status->st_ino && scan->targets[i].device == node->status->st_dev) {
            return &scan->state->request->mappings[i];
        }
    }
    return NULL;
}

static const BuildSource *source_find(const BuildRequest *request, const char *path)
{
    for (size_t i = 0; i < request->source_count; i++) {
        if (strcmp(request->sources[i].path + 1, path) == 0) {
            return &request->sources[i];
        }
    }
    return NULL;
}

static int file_scan(const Scan *scan, const TreeNode *node, int fd, Error *err)
{
    BuildState *state = scan->state;
    char head[LIMIT_SCRIPT_LINE];
    size_t head_size = 0;
    Digest digest;
    uint64_t size = 0;
    size_t module_index = 0;
    int r = fd_pread_full(fd, head, sizeof(head), 0, &head_size);
    r = r < 0 ? r : sha256_fd(fd, &digest, &size);
    if (r < 0) {
        return error_set(err, -r, "/%s: cannot read", node->path);
    }
    BuildMapping *mapping = mapping_find(scan, node);
    if (mapping != NULL) {
        mapping->is_used = true;
        r = module_open(state, mapping, &module_index, err);
        return r < 0 ? r : program_add(state, &digest, size, module_index, mapping, node->path, err);
    }
    if (head_size >= 4 && memcmp(head, "\0asm", 4) == 0) {
        r = module_add(state, fd, node->path, node->path, BUILD_ADAPT_AUTO, &module_index, err);
        return r < 0 ? r : program_add(state, &digest, size, module_index, NULL, node->path, err);
    }
    const BuildSource *source = source_find(state->request, node->path);
    if (source != NULL) {
        return script_add(state, source->interpreter, &digest, size, node->path, err);
    }
    if (head_size >= 2 && head[0] == '#' && head[1] == '!') {
        char interpreter[LIMIT_SCRIPT_LINE];
        if (interpreter_parse(head, head_size, interpreter) == 0) {
            return script_add(state, interpreter, &digest, size, node->path, err);
        }
        build_warn(state, node->path, "its #! line names no absolute interpreter; it will be denied");
        state->denied_count++;
        return 0;
    }
    if (head_size >= 4 && memcmp(head, "\177ELF", 4) == 0) {
        build_warn(state, node->path, "ELF file without a module; it will be denied");
        state->denied_count++;
    }
    return 0;
}

static int scan_visit(void *context, const TreeNode *node, Error *err)
{
    const Scan *scan = context;
    if (strcmp(node->path, ".recompiler") == 0 || strncmp(node->path, ".recompiler/", 12) == 0) {
        return 0; /* an image built before: its artefacts are replaced */
    }
    const bool is_asked_for = mapping_find(scan, node) != NULL || source_find(scan->state->request, node->path) != NULL;
    if (!S_ISREG(node->status->st_mode) || ((node->status->st_mode & 0111) == 0 && !is_asked_for)) {
        return 0;
    }
    _cleanup_(fd_closep) int fd = openat(node->parent_fd, node->name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        return error_set(err, errno, "/%s: cannot open", node->path);
    }
    return file_scan(scan, node, fd, err);
}

/*
 * Where a path that the tree lacks is made: its deepest directory that exists, resolved inside the root, and the rest. So
 * /bin/x of a tree whose /bin is a link to usr/bin is made in usr/bin, and the link stays.
 */
static int place_resolve(int root_fd, const char *path, char place[LIMIT_PATH_SIZE], Error *err)
{
    char parent[LIMIT_PATH_SIZE];
    char root[LIMIT_PATH_SIZE];
    char proc[32];
    (void)snprintf(parent, sizeof(parent), "%s", path);
    _cleanup_(fd_closep) int fd = -ENOENT;
    while (fd == -ENOENT) {
        *strrchr(parent, '/') = '\0'; /* path begins with '/' and the root itself exists */
        fd = fd_openat2(root_fd, parent[0] != '\0' ? parent : "/", O_PATH | O_DIRECTORY | O_CLOEXEC, 0, RESOLVE_INSIDE);
    }
    if (fd < 0) {
        return error_set(err, -fd, "%s: cannot be made: %s: %s", path, parent, strerror(-fd));
    }
    (void)snprintf(proc, sizeof(proc), "/proc/self/fd/%d", root_fd);
    const ssize_t root_size = readlink(proc, root, sizeof(root) - 1);
    (void)snprintf(proc, sizeof(proc), "/proc/self/fd/%d", fd);
    const ssize_t size = root_size < 0 ? -1 : readlink(proc, place, LIMIT_PATH_SIZE - 1);
    if (size < root_size || size < 0 || memcmp(place, root, (size_t)root_size) != 0) {
        return error_set(err, EIO, "%s: cannot find its directory", path);
    }
    const size_t skipped = root_size == 1 ? 0 : (size_t)root_size; /* the host's own root is one slash */
    const size_t kept = (size_t)size - skipped;
    memmove(place, place + skipped, kept);
    const char *rest = path + strlen(parent);
    if (kept + strlen(rest) >= LIMIT_PATH_SIZE) {
        return error_set(err, ENAMETOOLONG, "%s: path too long", path);
    }
    (void)snprintf(place + kept, LIMIT_PATH_SIZE - kept, "%s", kept == 1 && place[0] == '/' ? rest + 1 : rest);
    return build_path_check(place, err);
}

/* A mapping whose path the tree lacks: the file is made from the module. */
static int program_create(BuildState *state, int root_fd, BuildMapping *mapping, Error *err)
{
    char place[LIMIT_PATH_SIZE];
    char path[LIMIT_PATH_SIZE];
    char directory[LIMIT_PATH_SIZE];
    size_t module_index = 0;
    int r = module_open(state, mapping, &module_index, err);
    r = r < 0 ? r : place_resolve(root_fd, mapping->path, place, err);
    if (r < 0) {
        return r;
    }
    if (snprintf(path, sizeof(path), "%s%s", state->top_path, place) >= (int)sizeof(path)) {
        return error_set(err, ENAMETOOLONG, "%s: path too long", mapping->path);
    }
    (void)snprintf(directory, sizeof(directory), "%s", path);
    *strrchr(directory, '/') = '\0';
    const BuildModule *module = &state->modules[module_index];
    r = dir_make(directory, 0755, err);
    r = r < 0 ? r : file_write_atomic(AT_FDCWD, path, module->map.bytes, module->map.size, 0755, err);
    mapping->is_used = true;
    return r < 0 ? r : program_add(state, &module->digest, module->map.size, module_index, mapping, mapping->path, err);
}

int build_scan(BuildState *state, Error *err)
{
    BuildRequest *request = state->request;
    _cleanup_(fd_closep) int root_fd = open(state->root_path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (root_fd < 0) {
        return error_set(err, errno, "%s: %s", state->root_path, strerror(errno));
    }
    Scan scan = {.state = state, .targets = arena_new_array(state->arena, request->mapping_count + 1, ScanInode)};
    if (scan.targets == NULL) {
        return error_set(err, ENOMEM, "out of memory");
    }
    for (size_t i = 0; i < request->mapping_count; i++) {
        struct stat status;
        _cleanup_(fd_closep) int fd = fd_openat2(root_fd, request->mappings[i].path, O_PATH | O_CLOEXEC, 0, RESOLVE_INSIDE);
        if (fd >= 0 && fstat(fd, &status) == 0) {
            scan.targets[i] = (ScanInode){.device = status.st_dev, .inode = status.st_ino};
            if (!S_ISREG(status.st_mode)) {
                return error_set(err, EINVAL, "%s is not a regular file", request->mappings[i].path);
            }
        }
    }
    int r = tree_visit(state->root_path, scan_visit, &scan, err);
    for (size_t i = 0; r == 0 && i < request->mapping_count; i++) {
        if (scan.targets[i].inode == 0) {
            r = program_create(state, root_fd, &request->mappings[i], err);
        } else if (!request->mappings[i].is_used) {
            /* Another mapping named the same file (a hard or symbolic link of it) first. */
            build_warn(state, request->mappings[i].path, "same file as another program given; the first one counts");
        }
    }
    return r;
}
