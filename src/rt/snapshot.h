/* SPDX-License-Identifier: Apache-2.0 */
/*
 * snapshot.h - what an instance holds, as one number: two instances that did the same have the same.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "base/hash.h"
#include "rt/rt.h"

/*
 * rt_instance_digest() - linear memory 0 (every 4 KiB page that is not all zero, with its number; pages that cannot be read by their numbers), globals, and of
 * tables which function each slot has. No address of the host goes into it. @copy: memcpy that answers -1 after a fault. Return: 0, or what the hasher answers.
 */
int rt_instance_digest(const RtInstance *instance, int64_t (*copy)(void *to, const void *from, size_t size), Hasher *hasher) WARN_UNUSED;
