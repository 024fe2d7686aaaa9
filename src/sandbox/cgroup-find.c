/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cgroup-find.c - where this process's control groups are: /proc/self/mountinfo says where hierarchies are mounted and which
 * part of each is visible, /proc/self/cgroup says which group of each this process is in (cgroups(7), proc(5)).
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "sandbox/sandbox-int.h"

#define PROC_TEXT_SIZE (1u << 20)

static const char *const controller_names[_CGROUP_N] = {[CGROUP_MEMORY] = "memory", [CGROUP_PIDS] = "pids", [CGROUP_CPU] = "cpu"};

/* Is word one of the words of text, which are separated by bytes of separators? */
static bool has_word(const char *text, size_t text_size, const char *word, const char *separators)
{
    const size_t word_size = strlen(word);
    const char *end = text + text_size;
    while (text < end) {
        size_t size = strcspn(text, separators);
        size = size > (size_t)(end - text) ? (size_t)(end - text) : size;
        if (size == word_size && memcmp(text, word, size) == 0) {
            return true;
        }
        text += size + 1;
    }
    return false;
}

bool cgroup_word(const char *text, const char *word)
{
    return has_word(text, strlen(text), word, " \n");
}

/* Copies size bytes of a mountinfo field, "\040" and the like undone. false: does not fit. */
static bool field_copy(char *target, size_t target_size, const char *field, size_t size)
{
    size_t used = 0;
    for (size_t i = 0; i < size; i++) {
        char byte = field[i];
        if (byte == '\\' && i + 3 < size && isdigit((unsigned char)field[i + 1])) {
            byte = (char)((field[i + 1] - '0') << 6 | (field[i + 2] - '0') << 3 | (field[i + 3] - '0'));
            i += 3;
        }
        if (used + 1 >= target_size) {
            return false;
        }
        target[used++] = byte;
    }
    target[used] = '\0';
    return true;
}

/*
 * own_path() - the path of this process's group in the hierarchy: controller NULL is v2 ("0::PATH"), else the line whose
 * controller list has it. Return: length, 0 when there is no such line.
 */
static size_t own_path(const char *own, const char *controller, const char **ret_path)
{
    for (const char *line = own; *line;) {
        const size_t line_size = strcspn(line, "\n");
        const char *list = memchr(line, ':', line_size);
        const char *path = list ? memchr(list + 1, ':', line_size - (size_t)(list + 1 - line)) : NULL;
        if (path) {
            list++;
            const size_t list_size = (size_t)(path - list);
            if (controller ? has_word(list, list_size, controller, ",") : list_size == 0) {
                *ret_path = path + 1;
                return line_size - (size_t)(path + 1 - line);
            }
        }
        line += line_size + (line[line_size] != '\0');
    }
    return 0;
}

/* Joins mount point and own path; root is the part of the hierarchy that is mounted there. */
static void place_set(CgroupPlace *place, const char *mount, const char *root, const char *own, const char *controller)
{
    const char *path = "";
    size_t size = own_path(own, controller, &path);
    const size_t root_size = strcmp(root, "/") == 0 ? 0 : strlen(root);
    if (size == 0 || place->is_found) {
        return;
    }
    if (root_size && size >= root_size && memcmp(path, root, root_size) == 0) {
        path += root_size;
        size -= root_size;
    } else if (root_size || (size >= 3 && memcmp(path, "/..", 3) == 0)) {
        size = 0; /* our group lies outside of what is mounted: its top is what we have */
    }
    while (size && path[size - 1] == '/') {
        size--;
    }
    const int mount_size = snprintf(place->mount, sizeof place->mount, "%s", mount);
    const int joined_size = snprintf(place->own, sizeof place->own, "%s%.*s", mount, (int)size, path);
    place->is_found = mount_size < (int)sizeof place->mount && joined_size < (int)sizeof place->own;
}

/* One line: ID PARENT MAJOR:MINOR ROOT MOUNT OPTIONS [TAGS...] - TYPE SOURCE SUPEROPTIONS */
static void read_line(const char *line, size_t line_size, const char *own, CgroupPlaces *places)
{
    char root[1024], mount[512], text[4096];
    char *fields[6], *rest = NULL;
    if (line_size >= sizeof text) {
        return;
    }
    memcpy(text, line, line_size);
    text[line_size] = '\0';
    char *tail = strstr(text, " - ");
    if (!tail) {
        return;
    }
    *tail = '\0';
    size_t count = 0;
    for (char *field = strtok_r(text, " ", &rest); field && count < 6; field = strtok_r(NULL, " ", &rest)) {
        fields[count++] = field;
    }
    char *type = strtok_r(tail + 3, " ", &rest);
    const char *source = strtok_r(NULL, " ", &rest);
    const char *options = strtok_r(NULL, " ", &rest);
    if (count < 5 || !type || !source || !options || !field_copy(root, sizeof root, fields[3], strlen(fields[3])) ||
        !field_copy(mount, sizeof mount, fields[4], strlen(fields[4]))) {
        return;
    }
    if (strcmp(type, "cgroup2") == 0) {
        place_set(&places->unified, mount, root, own, NULL);
    } else if (strcmp(type, "cgroup") == 0) {
        for (size_t i = 0; i < _CGROUP_N; i++) {
            if (has_word(options, strlen(options), controller_names[i], ",")) {
                place_set(&places->legacy[i], mount, root, own, controller_names[i]);
            }
        }
    }
}

void cgroup_places_read(const char *mountinfo, const char *own, CgroupPlaces *ret_places)
{
    *ret_places = (CgroupPlaces){0};
    for (const char *line = mountinfo; *line;) {
        const size_t size = strcspn(line, "\n");
        read_line(line, size, own, ret_places);
        line += size + (line[size] != '\0');
    }
}

int cgroup_places_find(CgroupPlaces *ret_places)
{
    _cleanup_(freep) char *mountinfo = NULL;
    _cleanup_(freep) char *own = NULL;
    size_t size;
    int r = file_read(AT_FDCWD, "/proc/self/mountinfo", PROC_TEXT_SIZE, &mountinfo, &size, NULL);
    r = r == 0 ? file_read(AT_FDCWD, "/proc/self/cgroup", PROC_TEXT_SIZE, &own, &size, NULL) : r;
    if (r == 0) {
        cgroup_places_read(mountinfo, own, ret_places);
    }
    return r;
}
