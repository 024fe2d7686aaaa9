/* SPDX-License-Identifier: Apache-2.0 */
/*
 * program-sqlite.c - SQLite (Debian's source) in memory with the scripts of bench/workloads as kernels: the rows are the checksum.
 *
 * Compiled with SQLITE_OS_OTHER: the system below it is this file, which has no files and a clock that stands still.
 */

#include "kernels.h"

#include "program-scripts.h"
#include "sqlite3.h"

static int system_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *ret_flags)
{
    (void)vfs, (void)name, (void)file, (void)flags, (void)ret_flags;
    return SQLITE_CANTOPEN;
}

static int system_random(sqlite3_vfs *vfs, int size, char *bytes)
{
    (void)vfs;
    memset(bytes, 7, (size_t)size);
    return size;
}

static int system_time(sqlite3_vfs *vfs, sqlite3_int64 *ret_ms)
{
    (void)vfs;
    *ret_ms = 212345678900000;
    return SQLITE_OK;
}

int sqlite3_os_init(void)
{
    static sqlite3_vfs vfs = {.iVersion = 2, .szOsFile = 64, .mxPathname = 64, .zName = "none", .xOpen = system_open, .xRandomness = system_random,
                              .xCurrentTimeInt64 = system_time};
    return sqlite3_vfs_register(&vfs, 1);
}

int sqlite3_os_end(void)
{
    return SQLITE_OK;
}

static int row_take(void *context, int count, char **values, char **names)
{
    uint64_t *check = context;
    (void)names;
    for (int i = 0; i < count; i++) {
        for (const char *at = values[i] != NULL ? values[i] : "NULL"; *at != '\0'; at++) {
            *check = check_next(*check, (uint8_t)*at);
        }
        *check = check_next(*check, '|');
    }
    return 0;
}

static uint64_t script_run(enum Script script)
{
    uint64_t check = 1;
    sqlite3 *database;
    if (sqlite3_open(":memory:", &database) != SQLITE_OK || sqlite3_exec(database, script_texts[script], row_take, &check, NULL) != SQLITE_OK) {
        abort();
    }
    sqlite3_close(database);
    return check;
}

static uint64_t run_aggregate(void) { return script_run(SCRIPT_AGGREGATE); }
static uint64_t run_index(void) { return script_run(SCRIPT_INDEX); }
static uint64_t run_insert(void) { return script_run(SCRIPT_INSERT); }
static uint64_t run_select(void) { return script_run(SCRIPT_SELECT); }

const Kernel kernels[] = {
    {"sqlite-aggregate", run_aggregate}, {"sqlite-index", run_index}, {"sqlite-insert", run_insert}, {"sqlite-select", run_select}, {NULL, NULL},
};
