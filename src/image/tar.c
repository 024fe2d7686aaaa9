/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tar.c - walks the headers of a tar file with pread.
 *
 *   header (512) | data, padded to 512 | header ... | two zero blocks
 *   'x': pax records "LENGTH KEY=VALUE\n" for the next header    'L': GNU long name for the next header
 *
 * Everything read is untrusted: sizes are checked against the file's size before they are added, names are bounded by
 * LIMIT_PATH_SIZE (a longer one cannot be a name that is looked for), extended headers by PAX_SIZE.
 */
#include "image/tar.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/limits.h"

#define BLOCK_SIZE 512u
#define PAX_SIZE (1u << 20)

typedef struct TarHeader { /* POSIX ustar */
    char name[100], mode[8], uid[8], gid[8], size[12], mtime[12], checksum[8], type, link[100], magic[6], version[2], user[32], group[32], major[8],
        minor[8], prefix[155], padding[12];
} TarHeader;
_Static_assert(sizeof(TarHeader) == BLOCK_SIZE, "ustar header");

typedef struct TarWalk {
    int fd;
    uint64_t file_size;
    uint64_t offset;               /* of the next header */
    char name[LIMIT_PATH_SIZE];    /* from an extended header, "" when there is none */
    bool is_name_too_long;
    uint64_t pax_size;             /* UINT64_MAX: none */
} TarWalk;

/* Octal with leading spaces, ended by space or NUL; or base 256 with the top bit set (GNU). */
static int number_read(const char *field, size_t size, uint64_t *ret_value)
{
    uint64_t value = 0;
    const uint8_t *bytes = (const uint8_t *)field;
    if ((bytes[0] & 0x80) != 0) {
        if ((bytes[0] & 0x7f) != 0) {
            return -EBADMSG; /* negative, or far beyond any file */
        }
        for (size_t i = 1; i < size; i++) {
            if (value >> 55 != 0) {
                return -EBADMSG;
            }
            value = value << 8 | bytes[i];
        }
        *ret_value = value;
        return 0;
    }
    size_t i = 0;
    while (i < size && field[i] == ' ') {
        i++;
    }
    for (; i < size && field[i] >= '0' && field[i] <= '7'; i++) {
        value = value << 3 | (uint64_t)(field[i] - '0'); /* 12 digits at most: 36 bits */
    }
    if (i < size && field[i] != ' ' && field[i] != '\0') {
        return -EBADMSG;
    }
    *ret_value = value;
    return 0;
}

static bool checksum_is_good(const TarHeader *header)
{
    uint64_t expected = 0;
    uint32_t sum = 0;
    const uint8_t *bytes = (const uint8_t *)header;
    for (size_t i = 0; i < BLOCK_SIZE; i++) {
        const bool is_checksum = i >= offsetof(TarHeader, checksum) && i < offsetof(TarHeader, checksum) + sizeof(header->checksum);
        sum += is_checksum ? ' ' : bytes[i];
    }
    return number_read(header->checksum, sizeof(header->checksum), &expected) == 0 && expected == sum;
}

bool tar_is_plain(int fd)
{
    TarHeader header;
    size_t size = 0;
    return fd_pread_full(fd, &header, sizeof(header), 0, &size) == 0 && size == sizeof(header) && checksum_is_good(&header);
}

static void name_take(TarWalk *walk, const char *bytes, size_t size)
{
    walk->is_name_too_long = size >= sizeof(walk->name);
    if (!walk->is_name_too_long) {
        memcpy(walk->name, bytes, size);
        walk->name[size] = '\0';
    }
}

/* "LENGTH KEY=VALUE\n"...; only path and size are of interest. */
static int pax_read(TarWalk *walk, const char *bytes, size_t size)
{
    while (size > 0) {
        size_t record_size = 0;
        size_t at = 0;
        while (at < size && at < 8 && bytes[at] >= '0' && bytes[at] <= '9') {
            record_size = record_size * 10 + (size_t)(bytes[at++] - '0');
        }
        if (at == 0 || at >= size || bytes[at] != ' ' || record_size > size || record_size < at + 3 || bytes[record_size - 1] != '\n') {
            return -EBADMSG;
        }
        const char *key = bytes + at + 1;
        const char *end = bytes + record_size - 1;
        const char *equals = memchr(key, '=', (size_t)(end - key));
        if (equals == NULL) {
            return -EBADMSG;
        }
        const size_t key_size = (size_t)(equals - key);
        const char *value = equals + 1;
        if (key_size == 4 && memcmp(key, "path", 4) == 0) {
            name_take(walk, value, (size_t)(end - value));
        } else if (key_size == 4 && memcmp(key, "size", 4) == 0) {
            uint64_t number = 0;
            for (const char *digit = value; digit < end; digit++) {
                if (*digit < '0' || *digit > '9' || __builtin_mul_overflow(number, 10u, &number) ||
                    __builtin_add_overflow(number, (uint64_t)(*digit - '0'), &number)) {
                    return -EBADMSG;
                }
            }
            walk->pax_size = number;
        }
        bytes += record_size;
        size -= record_size;
    }
    return 0;
}

/* The data of an extended header. */
static int extension_read(TarWalk *walk, char type, uint64_t offset, uint64_t size)
{
    static const size_t maximum = PAX_SIZE;
    if (size > maximum) {
        return -E2BIG;
    }
    char *bytes = malloc((size_t)size + 1);
    size_t got = 0;
    if (bytes == NULL) {
        return -ENOMEM;
    }
    int r = fd_pread_full(walk->fd, bytes, (size_t)size, offset, &got);
    if (r == 0 && got != size) {
        r = -EBADMSG;
    }
    if (r == 0 && type == 'L') {
        name_take(walk, bytes, strnlen(bytes, (size_t)size));
    } else if (r == 0) {
        r = pax_read(walk, bytes, (size_t)size);
    }
    free(bytes);
    return r;
}

static bool name_equals(const TarWalk *walk, const TarHeader *header, const char *wanted)
{
    char joined[sizeof(header->prefix) + sizeof(header->name) + 2];
    const char *name = walk->name;
    if (walk->is_name_too_long) {
        return false;
    }
    if (name[0] == '\0') {
        const size_t prefix_size = memcmp(header->magic, "ustar", 6) == 0 ? strnlen(header->prefix, sizeof(header->prefix)) : 0;
        const size_t name_size = strnlen(header->name, sizeof(header->name));
        memcpy(joined, header->prefix, prefix_size);
        joined[prefix_size] = '/';
        const size_t start = prefix_size > 0 ? prefix_size + 1 : 0;
        memcpy(joined + start, header->name, name_size);
        joined[start + name_size] = '\0';
        name = joined;
    }
    if (strncmp(name, "./", 2) == 0) {
        name += 2;
    }
    return strcmp(name, wanted) == 0;
}

/* One header. Return: 1 it is the member; 0 go on; -ENOENT the end; < 0. */
static int header_step(TarWalk *walk, const char *wanted, TarMember *member)
{
    TarHeader header;
    size_t got = 0;
    int r = fd_pread_full(walk->fd, &header, sizeof(header), walk->offset, &got);
    if (r < 0) {
        return r;
    }
    if (got == 0 || (got == sizeof(header) && header.name[0] == '\0' && header.checksum[0] == '\0')) {
        return -ENOENT;
    }
    uint64_t size = 0;
    if (got != sizeof(header) || !checksum_is_good(&header) || number_read(header.size, sizeof(header.size), &size) < 0) {
        return -EBADMSG;
    }
    const bool is_extension = header.type == 'x' || header.type == 'g' || header.type == 'L' || header.type == 'K';
    if (!is_extension && walk->pax_size != UINT64_MAX) {
        size = walk->pax_size;
    }
    const bool has_data = is_extension || header.type == '0' || header.type == '\0' || header.type == '7';
    size = has_data ? size : 0;
    const uint64_t data = walk->offset + BLOCK_SIZE;
    if (size > walk->file_size || data > walk->file_size - size) {
        return -EBADMSG; /* truncated */
    }
    walk->offset = data + (size + BLOCK_SIZE - 1) / BLOCK_SIZE * BLOCK_SIZE;
    if (is_extension) {
        return header.type == 'x' || header.type == 'L' ? extension_read(walk, header.type, data, size) : 0;
    }
    const bool is_found = (header.type == '0' || header.type == '\0') && name_equals(walk, &header, wanted);
    walk->name[0] = '\0';
    walk->is_name_too_long = false;
    walk->pax_size = UINT64_MAX;
    *member = (TarMember){.offset = data, .size = size};
    return is_found ? 1 : 0;
}

int tar_find(int fd, const char *name, TarMember *ret_member, Error *err)
{
    struct stat status;
    if (fstat(fd, &status) < 0) {
        return error_set(err, errno, "archive: cannot stat");
    }
    TarWalk walk = {.fd = fd, .file_size = (uint64_t)status.st_size, .pax_size = UINT64_MAX};
    for (uint32_t i = 0; i < LIMIT_IMAGE_FILES; i++) {
        TarMember member;
        const int r = header_step(&walk, name, &member);
        if (r == 1) {
            *ret_member = member;
            return 0;
        }
        if (r == -ENOENT) {
            return error_set(err, ENOENT, "archive: no member %s", name);
        }
        if (r < 0) {
            return error_set(err, -r, "archive: damaged or truncated at byte %llu", (unsigned long long)walk.offset);
        }
    }
    return error_set(err, E2BIG, "archive: too many members");
}
