/* SPDX-License-Identifier: Apache-2.0 */
/*
 * arguments.c - argv, envp and the paths of a program, in memory that is reserved when the vkernel starts.
 *
 * Two areas: the running program's and the one that the next execve fills. A miss leaves the first as it is; a hit makes the
 * second one current. Everything stands one behind the other, so an exec with a few hundred bytes touches three pages:
 *
 *   starts of argv | starts of envp | starts of a script's argv | bytes: argv, envp, script's argv, paths ...
 *
 * A list is complete before the next one begins (its bytes must be in one piece).
 */
#include "vk-int.h"

#include <string.h>
#include <sys/mman.h>

#define LISTS 3u
#define STARTS_SIZE (LIMIT_ARG_COUNT * sizeof(uint32_t))
#define BYTES_SIZE (2u * LIMIT_ARG_SIZE + 4u * LIMIT_PATH_SIZE) /* argv and envp as checked; a script's argv; exe and script paths */
#define AREA_SIZE (LISTS * STARTS_SIZE + BYTES_SIZE)

/* Everything that an execve writes, and the vkernel's own state in front of it: page by page what is used together. */
typedef struct Reservation {
    Vk vk;
    GateVerdict verdict __attribute__((aligned(4096)));
    char exec_text[2 * LIMIT_PATH_SIZE];
    char areas[2][AREA_SIZE] __attribute__((aligned(4096)));
} Reservation;

Vk *vk_reserve(void)
{
    Reservation *reservation = mmap(NULL, sizeof(Reservation), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (reservation == MAP_FAILED) {
        return NULL;
    }
    Vk *vk = &reservation->vk;
    vk->verdict = &reservation->verdict;
    vk->exec_text = reservation->exec_text;
    vk->arguments[0].area = reservation->areas[0];
    vk->arguments[1].area = reservation->areas[1];
    return vk;
}

void vk_release(Vk *vk)
{
    (void)munmap(vk, sizeof(Reservation));
}

VkArguments *vk_arguments_begin(Vk *vk)
{
    VkArguments *arguments = &vk->arguments[vk->argv.area == vk->arguments[0].area ? 1 : 0];
    arguments->list_count = 0;
    arguments->size = 0;
    return arguments;
}

static char *bytes_of(const VkArguments *arguments)
{
    return arguments->area + LISTS * STARTS_SIZE;
}

VkStrings vk_strings_begin(VkArguments *arguments)
{
    must(arguments->list_count < LISTS);
    return (VkStrings){.area = arguments->area,
                       .bytes = bytes_of(arguments) + arguments->size,
                       .starts = (uint32_t *)(void *)(arguments->area + arguments->list_count++ * STARTS_SIZE)};
}

/* Bytes that one more string may have, its NUL included. */
static size_t room_of(const VkArguments *arguments, const VkStrings *strings)
{
    const size_t left = LIMIT_ARG_SIZE - strings->size, whole = BYTES_SIZE - arguments->size;
    return strings->count >= LIMIT_ARG_COUNT ? 0 : left < whole ? left : whole;
}

static void string_added(VkArguments *arguments, VkStrings *strings, size_t length)
{
    strings->starts[strings->count++] = strings->size;
    strings->size += (uint32_t)length + 1;
    arguments->size += (uint32_t)length + 1;
}

int vk_strings_append(VkArguments *arguments, VkStrings *strings, const char *string, size_t length)
{
    must(strings->bytes + strings->size == bytes_of(arguments) + arguments->size); /* the last list */
    if (length >= room_of(arguments, strings)) {
        return -E2BIG;
    }
    memcpy(strings->bytes + strings->size, string, length);
    strings->bytes[strings->size + length] = '\0';
    string_added(arguments, strings, length);
    return 0;
}

int vk_strings_append_list(VkArguments *arguments, VkStrings *strings, const char *const *list, size_t count)
{
    int r = 0;
    for (size_t i = 0; r == 0 && i < count; i++) {
        r = vk_strings_append(arguments, strings, list[i], strlen(list[i]));
    }
    return r;
}

int vk_strings_append_guest(Vk *vk, VkArguments *arguments, VkStrings *strings, GuestAddr array)
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
        size_t room = room_of(arguments, strings);
        room = room < LIMIT_ARG_STRING_SIZE ? room : LIMIT_ARG_STRING_SIZE;
        const int64_t length = room == 0 ? -ENAMETOOLONG : vk_copy_string(vk, strings->bytes + strings->size, room, address);
        if (length < 0) {
            return length == -ENAMETOOLONG ? -E2BIG : (int)length;
        }
        string_added(arguments, strings, (size_t)length);
    }
    return 0;
}

const char *vk_arguments_path(VkArguments *arguments, const char *path)
{
    const size_t size = strlen(path) + 1;
    char *copy = bytes_of(arguments) + arguments->size;
    must(size <= LIMIT_PATH_SIZE && size <= BYTES_SIZE - arguments->size);
    memcpy(copy, path, size);
    arguments->size += (uint32_t)size;
    return copy;
}
