/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cache-int.h - the two halves of the AOT cache: naming (variant.c), running the compiler (compiler.c), keeping files (cache.c).
 */
#pragma once

#include "base/error.h"
#include "base/hash.h"
#include "base/limits.h"
#include "image/cache.h"

/* cache_variant() - hex SHA-256 over everything besides the megabinary that decides the object's bytes: code generator
 * (hash of its sources and LLVM version, from the build), RT_ABI_VERSION, CPU name (and, for "native", cpuid), options. */
int cache_variant(const CacheConfig *config, char ret_hex[DIGEST_HEX_SIZE + 1]) WARN_UNUSED;

/* The memory base objects are compiled for: constant in the product, 0 (loaded) where a sanitizer's shadow lies there. */
uint64_t cache_memory_base(void);

/*
 * compiler_run() - recompiler-compile in a process of its own: megabinary on descriptor 3, progress on 4, stderr captured.
 * Return: 0; -EIO it failed or was killed (err: its last line, or the signal); -ETIMEDOUT; -ENOENT no compiler.
 */
int compiler_run(const CacheConfig *config, int megabinary_fd, const Digest *megabinary, const char *output, Error *err) WARN_UNUSED;
