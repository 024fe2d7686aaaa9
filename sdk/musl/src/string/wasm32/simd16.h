/* SPDX-License-Identifier: Apache-2.0 */
/*
 * simd16.h - sixteen bytes at a time. Aligned blocks of sixteen never cross the end of linear memory, so reading beyond a string inside one is
 * harmless. A function that uses these is marked SIMD; the rest of libc stays without SIMD.
 */
#include <stdint.h>
#include <string.h>

typedef signed char bytes16 __attribute__((__vector_size__(16)));
typedef signed char bytes16_unaligned __attribute__((__vector_size__(16), __aligned__(1), __may_alias__));
typedef signed char bytes16_aligned __attribute__((__vector_size__(16), __may_alias__));

#define SIMD __attribute__((__target__("simd128")))
#define SPLAT16(c) ((bytes16){0} + (signed char)(c))
#define ANY16(v) __builtin_wasm_any_true_v128((bytes16)(v))
#define BITS16(v) ((uint32_t)__builtin_wasm_bitmask_i8x16((bytes16)(v)))
