/* SPDX-License-Identifier: Apache-2.0 */
/*
 * signature.h - the structural id of a function type, the same in every object: FNV-1a 32 of the signature text
 * ("iI:i", see RtImportDesc), never 0 or 1. The compiler checks that no two types of one module collide and refuses
 * the module if they do (a collision would let call_indirect confuse types).
 */
#pragma once

#include <stdint.h>

static inline uint32_t signature_id(const char *text)
{
    uint32_t hash = 2166136261u;
    for (; *text != '\0'; text++) {
        hash = (hash ^ (uint8_t)*text) * 16777619u;
    }
    return hash < 2 ? hash + 2 : hash;
}
