/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bytes-int.h - the terminals of the binary format (wasm core 5.1.3, 5.2): bytes, LEB128 integers, names, value types.
 *
 * Every function takes the position explicitly: *position is where to read, moved only on success. Errors carry the
 * byte offset in the module ("offset 0x1f: unexpected end"); the caller puts the section's name in front.
 * LEB128 is strict (5.2.2): at most ceil(N/7) bytes, unused bits of the last byte zero or equal to the sign.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "wasm/instr.h"
#include "wasm/module.h"

typedef struct WasmBytes {
    const uint8_t *bytes;
    size_t end;      /* positions are 0 .. end */
    uint64_t offset; /* of bytes[0] in the module */
    Error *err;      /* may be NULL */
} WasmBytes;

/* Raise at a position: the message becomes "offset 0x..: FORMAT". */
#define wasm_bytes_error(bytes_, position_, code_, format_, ...)                                         \
    error_at((bytes_)->err,                                                                              \
             error_set((bytes_)->err, (code_), "offset 0x%llx: " format_,                                \
                       (unsigned long long)((bytes_)->offset + (position_)) __VA_OPT__(, ) __VA_ARGS__), \
             (bytes_)->offset + (position_))

int wasm_u32_read_slow(const WasmBytes *bytes, size_t *position, uint32_t *ret_value) WARN_UNUSED;
int wasm_u64_read(const WasmBytes *bytes, size_t *position, uint64_t *ret_value) WARN_UNUSED;
int wasm_s32_read_slow(const WasmBytes *bytes, size_t *position, int32_t *ret_value) WARN_UNUSED;
int wasm_s33_read(const WasmBytes *bytes, size_t *position, int64_t *ret_value) WARN_UNUSED;
int wasm_s64_read(const WasmBytes *bytes, size_t *position, int64_t *ret_value) WARN_UNUSED;
int wasm_byte_read(const WasmBytes *bytes, size_t *position, uint8_t *ret_byte) WARN_UNUSED;
/* size bytes, borrowed. */
int wasm_slice_read(const WasmBytes *bytes, size_t *position, uint64_t size, WasmSlice *ret_slice) WARN_UNUSED;
/* vec(byte) that is valid UTF-8 and at most LIMIT_NAME_SIZE long (5.2.4). */
int wasm_name_read(const WasmBytes *bytes, size_t *position, WasmSlice *ret_name) WARN_UNUSED;
/* 5.3.4 valtype. */
int wasm_value_type_read(const WasmBytes *bytes, size_t *position, WasmValType *ret_type) WARN_UNUSED;
/* 5.3.3 reftype. */
int wasm_ref_type_read(const WasmBytes *bytes, size_t *position, WasmValType *ret_type) WARN_UNUSED;
/* heaptype, as the nullable reference to it: the immediate of ref.null. */
int wasm_heap_type_read(const WasmBytes *bytes, size_t *position, WasmValType *ret_type) WARN_UNUSED;
/* What every refusal of the garbage collection proposal says. */
#define WASM_GC_REFUSED "GC (garbage collection) is not supported"
bool wasm_utf8_is_valid(WasmSlice text);

/* wasm_instr_decode() - wasm_instr_read() on WasmBytes. */
int wasm_instr_decode(const WasmBytes *bytes, size_t position, WasmInstr *ret_instr) WARN_UNUSED;

static inline int wasm_u32_read(const WasmBytes *bytes, size_t *position, uint32_t *ret_value)
{
    if (__builtin_expect(*position < bytes->end && bytes->bytes[*position] < 0x80u, 1)) {
        *ret_value = bytes->bytes[(*position)++];
        return 0;
    }
    return wasm_u32_read_slow(bytes, position, ret_value);
}

static inline int wasm_s32_read(const WasmBytes *bytes, size_t *position, int32_t *ret_value)
{
    if (__builtin_expect(*position < bytes->end && bytes->bytes[*position] < 0x80u, 1)) {
        const int32_t byte = bytes->bytes[(*position)++];
        *ret_value = (byte ^ 0x40) - 0x40; /* sign of 7 bits */
        return 0;
    }
    return wasm_s32_read_slow(bytes, position, ret_value);
}
