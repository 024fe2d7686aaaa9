/* SPDX-License-Identifier: Apache-2.0 */
/* simd128.h - the vector operations of kernels-simd.c: WebAssembly's on one side, SSE4.1's of the same meaning on the other. */
#pragma once

#include <stdint.h>

#ifdef __wasm_simd128__
#include <wasm_simd128.h>
typedef v128_t Vector;
#define vector_load(p) wasm_v128_load(p)
#define vector_store(p, v) wasm_v128_store(p, v)
#define vector_and(a, b) wasm_v128_and(a, b)
#define vector_or(a, b) wasm_v128_or(a, b)
#define vector_xor(a, b) wasm_v128_xor(a, b)
#define bytes_splat(x) wasm_i8x16_splat((int8_t)(x))
#define bytes_add(a, b) wasm_i8x16_add(a, b)
#define bytes_equal(a, b) wasm_i8x16_eq(a, b)
#define bytes_greater(a, b) wasm_i8x16_gt(a, b)
#define bytes_mask(v) ((uint32_t)wasm_i8x16_bitmask(v))
#define bytes_average(a, b) wasm_u8x16_avgr(a, b)
#define bytes_minimum(a, b) wasm_u8x16_min(a, b)
#define bytes_look_up(table, index) wasm_i8x16_swizzle(table, index) /* indexes below 16 */
#define shorts_low(v) wasm_u16x8_extend_low_u8x16(v)
#define shorts_high(v) wasm_u16x8_extend_high_u8x16(v)
#define shorts_splat(x) wasm_i16x8_splat((int16_t)(x))
#define shorts_add(a, b) wasm_i16x8_add(a, b)
#define shorts_multiply(a, b) wasm_i16x8_mul(a, b)
#define shorts_right(v, by) wasm_u16x8_shr(v, by)
#define shorts_pack(a, b) wasm_u8x16_narrow_i16x8(a, b)
#define shorts_dot(a, b) wasm_i32x4_dot_i16x8(a, b)
#define words_splat(x) wasm_i32x4_splat((int32_t)(x))
#define words_add(a, b) wasm_i32x4_add(a, b)
#define words_left(v, by) wasm_i32x4_shl(v, by)
#define words_right(v, by) wasm_u32x4_shr(v, by)
#define words_shuffle(v, a, b, c, d) wasm_i32x4_shuffle(v, v, a, b, c, d)
#define floats_splat(x) wasm_f32x4_splat(x)
#define floats_add(a, b) wasm_f32x4_add(a, b)
#define floats_subtract(a, b) wasm_f32x4_sub(a, b)
#define floats_multiply(a, b) wasm_f32x4_mul(a, b)
#define floats_less(a, b) wasm_f32x4_lt(a, b)
#define floats_root(v) wasm_f32x4_sqrt(v)
#else
#include <smmintrin.h>
typedef __m128i Vector;
static inline __m128 as_floats(Vector v) { return _mm_castsi128_ps(v); }
static inline Vector as_vector(__m128 v) { return _mm_castps_si128(v); }
#define vector_load(p) _mm_loadu_si128((const __m128i *)(const void *)(p))
#define vector_store(p, v) _mm_storeu_si128((__m128i *)(void *)(p), v)
#define vector_and(a, b) _mm_and_si128(a, b)
#define vector_or(a, b) _mm_or_si128(a, b)
#define vector_xor(a, b) _mm_xor_si128(a, b)
#define bytes_splat(x) _mm_set1_epi8((char)(x))
#define bytes_add(a, b) _mm_add_epi8(a, b)
#define bytes_equal(a, b) _mm_cmpeq_epi8(a, b)
#define bytes_greater(a, b) _mm_cmpgt_epi8(a, b)
#define bytes_mask(v) ((uint32_t)_mm_movemask_epi8(v))
#define bytes_average(a, b) _mm_avg_epu8(a, b)
#define bytes_minimum(a, b) _mm_min_epu8(a, b)
#define bytes_look_up(table, index) _mm_shuffle_epi8(table, index)
#define shorts_low(v) _mm_cvtepu8_epi16(v)
#define shorts_high(v) _mm_unpackhi_epi8(v, _mm_setzero_si128())
#define shorts_splat(x) _mm_set1_epi16((short)(x))
#define shorts_add(a, b) _mm_add_epi16(a, b)
#define shorts_multiply(a, b) _mm_mullo_epi16(a, b)
#define shorts_right(v, by) _mm_srli_epi16(v, by)
#define shorts_pack(a, b) _mm_packus_epi16(a, b)
#define shorts_dot(a, b) _mm_madd_epi16(a, b)
#define words_splat(x) _mm_set1_epi32((int)(x))
#define words_add(a, b) _mm_add_epi32(a, b)
#define words_left(v, by) _mm_slli_epi32(v, by)
#define words_right(v, by) _mm_srli_epi32(v, by)
#define words_shuffle(v, a, b, c, d) _mm_shuffle_epi32(v, _MM_SHUFFLE(d, c, b, a))
#define floats_splat(x) as_vector(_mm_set1_ps(x))
#define floats_add(a, b) as_vector(_mm_add_ps(as_floats(a), as_floats(b)))
#define floats_subtract(a, b) as_vector(_mm_sub_ps(as_floats(a), as_floats(b)))
#define floats_multiply(a, b) as_vector(_mm_mul_ps(as_floats(a), as_floats(b)))
#define floats_less(a, b) as_vector(_mm_cmplt_ps(as_floats(a), as_floats(b)))
#define floats_root(v) as_vector(_mm_sqrt_ps(as_floats(v)))
#endif
