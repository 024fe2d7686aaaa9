/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cache-int.h - the parts of the AOT cache: naming (variant.c), running the compiler (compiler.c), profiles (cache-layout.c), keeping files (cache.c).
 */
#pragma once

#include "base/buf.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/limits.h"
#include "image/cache.h"

/* cache_variant() - hex SHA-256 over everything besides the megabinary that decides the object's bytes: code generator
 * (hash of its sources and LLVM version, from the build), RT_ABI_VERSION, CPU name (and, for "native", cpuid), options. */
int cache_variant(const CacheConfig *config, char ret_hex[DIGEST_HEX_SIZE + 1]) WARN_UNUSED;

/* The memory base objects are compiled for: constant in the product, 0 (loaded) where a sanitizer's shadow lies there. */
uint64_t cache_memory_base(void);

#define CACHE_VARIANT_SIZE 16u            /* hex digits of it in a name */
#define CACHE_SUFFIX_SIZE 18u             /* of a name: "-<16 hex of the layout>", and its NUL */
#define CACHE_RECORD_SUFFIX "-record"     /* instead of it */

typedef struct CacheLayout {
    bool is_laid_out;
    Digest digest; /* of the text */
    Buf text;      /* of the profile; empty: not read yet */
} CacheLayout;

/* layout_kept() - the one remembered for this megabinary, without its text; none is one too. */
void layout_kept(int dir_fd, const Digest *megabinary, CacheLayout *layout);
int layout_given(const Profile *profile, CacheLayout *layout, Error *err) WARN_UNUSED;
/* layout_open() - a descriptor of the text for the compiler, or -1 when there is no layout. Return: 0; -ESTALE another one is kept by now, or this one was
 * damaged and is forgotten. */
int layout_open(int dir_fd, const Digest *megabinary, CacheLayout *layout, int *ret_fd, Error *err) WARN_UNUSED;
/* layout_remember() - objects are laid out so from now on (or not at all); those of another layout are removed. */
int layout_remember(int dir_fd, const Digest *megabinary, const CacheLayout *layout, Error *err) WARN_UNUSED;
void layout_suffix(const CacheLayout *layout, char suffix[CACHE_SUFFIX_SIZE]); /* of the object's name; "" without a layout */

/*
 * compiler_run() - recompiler-compile in a process of its own: megabinary on descriptor 3, progress on 4, profile (-1: none) on 5, stderr captured.
 * Return: 0; -EIO it failed or was killed (err: its last line, or the signal); -ETIMEDOUT; -ENOENT no compiler.
 */
int compiler_run(const CacheConfig *config, int megabinary_fd, const Digest *megabinary, int profile_fd, const char *output, Error *err) WARN_UNUSED;
