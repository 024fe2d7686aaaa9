/* SPDX-License-Identifier: Apache-2.0 */
/*
 * unit-cache.h - objects of partitions, kept between compilations: what did not change is not compiled again.
 *
 * A directory of files named by the key of what they are made from (unit_key(): all of the code before optimisation and all that
 * decides what becomes of it). An entry is used only when it is ours, whole and the digest in it, over key and object, is right; all
 * others are removed. Entries are as trusted as the cache of objects beside them: whoever may write there could put in code.
 *
 * Thread safe after opening. Several processes may use one directory.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/hash.h"

#define UNIT_CACHE_SIZE_DEFAULT (1ull << 30) /* bytes; some hundred megabinaries of the toolbox's size */

typedef struct UnitCache UnitCache;

/* unit_cache_open() - the directory, made if it is missing. Return: 0; -EACCES it is not ours alone (mode 0700); -ENOMEM; -errno. */
int unit_cache_open(const char *path, uint64_t size_maximum, UnitCache **ret_cache, Error *err) WARN_UNUSED;
/* unit_cache_close() - and removes what was not used for longest, until at most 7/8 of size_maximum are left, if there was more. NULL is fine. */
void unit_cache_close(UnitCache *cache);
/* unit_cache_get() - appends the object to an empty buffer. Return: false when there is none that can be used. */
bool unit_cache_get(UnitCache *cache, const Digest *key, Buf *object);
/* unit_cache_put() - best effort: a full disk costs the next compilation time, not this one its success. */
void unit_cache_put(UnitCache *cache, const Digest *key, const Buf *object);
