/* SPDX-License-Identifier: Apache-2.0 */
/*
 * archive-lazy.c - dlopen(3) of libarchive by its soname, one dlsym(3) a row.
 */
#define ARCHIVE_LAZY_TABLE
#include "image/archive-lazy.h"

#include <dlfcn.h>
#include <errno.h>
#include <stddef.h>
#include <string.h>

#define ARCHIVE_SONAME "libarchive.so.13"

ArchiveFunctions archive_functions;

int archive_load(Error *err)
{
    static const struct { const char *name; size_t offset; } rows[] = {
#define X(name) {#name, offsetof(ArchiveFunctions, name)},
        ARCHIVE_FUNCTIONS(X)
#undef X
    };
    if (archive_functions.archive_free != NULL) {
        return 0;
    }
    void *library = dlopen(ARCHIVE_SONAME, RTLD_NOW | RTLD_LOCAL);
    if (library == NULL) {
        const int r = error_set(err, ENOSYS, "cannot load " ARCHIVE_SONAME ": %s", dlerror());
        return error_hint(err, r, "install libarchive (Debian: libarchive13)");
    }
    ArchiveFunctions loaded;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        void *symbol = dlsym(library, rows[i].name);
        if (symbol == NULL) {
            return error_set(err, ENOSYS, ARCHIVE_SONAME " has no %s", rows[i].name);
        }
        memcpy((char *)&loaded + rows[i].offset, &symbol, sizeof(symbol)); /* data to function pointer: POSIX dlsym */
    }
    archive_functions = loaded;
    return 0;
}
