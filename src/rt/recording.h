/* SPDX-License-Identifier: Apache-2.0 */
/*
 * recording.h - objects whose code notes first calls (RtObject.is_recording), for `run --record-profile`.
 */
#pragma once

#include <stdint.h>

/*
 * rt_set_recording() - where the instances that are made from now on note the first call of each function.
 * @words: 1 + count of them, zero: how many first calls there were, then for each function which it was. Shared memory where children of fork shall
 * be recorded too. Borrowed. NULL: none; an object that records then gets no instance (-EINVAL), nor one with more than count functions.
 */
void rt_set_recording(uint32_t *words, uint32_t count);
