/* SPDX-License-Identifier: Apache-2.0 */
/* lua-config.h - included before every file of Lua: an error ends the process, for not every engine has exceptions or setjmp. */
#pragma once

#include <stddef.h>
#include <stdlib.h>

#define LUAI_THROW(L, c) abort()
#define LUAI_TRY(L, c, a) \
    { a }
#define luai_jmpbuf int

/* Written by program-lua.c. */
void output_take(const char *bytes, size_t size);

#define lua_writestring(s, l) output_take((s), (l))
#define lua_writeline() output_take("\n", 1)
#define l_signalT int
#define luai_makeseed(lua) 1u /* the same on every run */
#define l_randomizePivot() 1u
#define DEB_HOST_MULTIARCH "" /* Debian's luaconf.h takes it from a generated header */
