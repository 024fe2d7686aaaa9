/* SPDX-License-Identifier: Apache-2.0 */
/*
 * cleanup.h - locals that own. _cleanup_(fd_closep) int fd = -1; ... *ret = steal_fd(&fd);
 */
#pragma once

#include <stdlib.h>

#define _cleanup_(function) __attribute__((cleanup(function)))

static inline void freep(void *pointer) { free(*(void **)pointer); }

static inline void *steal_pointer_(void *pointer)
{
    void **slot = pointer;
    void *value = *slot;
    *slot = NULL;
    return value;
}
#define steal(pointer) ((__typeof__(*(pointer)))steal_pointer_(pointer))

static inline int steal_fd(int *fd)
{
    int value = *fd;
    *fd = -1;
    return value;
}
