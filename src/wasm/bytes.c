/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bytes.c - LEB128, names, value types.
 */
#include "wasm/bytes-int.h"

#include <errno.h>

#include "base/limits.h"
#include "base/must.h"

/*
 * An N-bit LEB128 has at most ceil(N/7) bytes; "integer representation too long" is the spec's wording when the last
 * one still has its continuation bit, "integer too large" when its unused bits are set.
 */
static int unsigned_read(const WasmBytes *bytes, size_t *position, unsigned bits, uint64_t *ret_value)
{
    uint64_t value = 0;
    size_t at = *position;

    must(bits <= 64 && at <= bytes->end);
    for (unsigned shift = 0;; shift += 7) {
        if (at >= bytes->end)
            return wasm_bytes_error(bytes, at, EBADMSG, "unexpected end of section or function");
        const uint8_t byte = bytes->bytes[at++];
        const unsigned left = bits - shift; /* bits this byte may use */
        if (left <= 7) {
            if (byte & 0x80u)
                return wasm_bytes_error(bytes, *position, EBADMSG, "integer representation too long");
            if (left < 7 && byte >> left != 0)
                return wasm_bytes_error(bytes, *position, EBADMSG, "integer too large");
        }
        value |= (uint64_t)(byte & 0x7fu) << shift;
        if (!(byte & 0x80u))
            break;
    }
    *position = at;
    *ret_value = value;
    return 0;
}

static int signed_read(const WasmBytes *bytes, size_t *position, unsigned bits, int64_t *ret_value)
{
    uint64_t value = 0;
    size_t at = *position;

    must(bits <= 64 && at <= bytes->end);
    for (unsigned shift = 0;; shift += 7) {
        if (at >= bytes->end)
            return wasm_bytes_error(bytes, at, EBADMSG, "unexpected end of section or function");
        const uint8_t byte = bytes->bytes[at++];
        const unsigned left = bits - shift;
        if (left <= 7) {
            if (byte & 0x80u)
                return wasm_bytes_error(bytes, *position, EBADMSG, "integer representation too long");
            /* From the sign bit (left - 1) to bit 6 all equal. */
            const uint8_t top = (uint8_t)(byte >> (left - 1));
            if (top != 0 && top != (uint8_t)(0x7fu >> (left - 1)))
                return wasm_bytes_error(bytes, *position, EBADMSG, "integer too large");
        }
        value |= (uint64_t)(byte & 0x7fu) << shift;
        if (!(byte & 0x80u)) {
            if ((byte & 0x40u) && shift + 7 < 64)
                value |= UINT64_MAX << (shift + 7);
            break;
        }
    }
    *position = at;
    *ret_value = (int64_t)value;
    return 0;
}

int wasm_u32_read_slow(const WasmBytes *bytes, size_t *position, uint32_t *ret_value)
{
    uint64_t value;
    const int r = unsigned_read(bytes, position, 32, &value);

    if (r < 0)
        return r;
    *ret_value = (uint32_t)value;
    return 0;
}

int wasm_u64_read(const WasmBytes *bytes, size_t *position, uint64_t *ret_value)
{
    return unsigned_read(bytes, position, 64, ret_value);
}

int wasm_s32_read_slow(const WasmBytes *bytes, size_t *position, int32_t *ret_value)
{
    int64_t value;
    const int r = signed_read(bytes, position, 32, &value);

    if (r < 0)
        return r;
    *ret_value = (int32_t)value;
    return 0;
}

int wasm_s33_read(const WasmBytes *bytes, size_t *position, int64_t *ret_value)
{
    return signed_read(bytes, position, 33, ret_value);
}

int wasm_s64_read(const WasmBytes *bytes, size_t *position, int64_t *ret_value)
{
    return signed_read(bytes, position, 64, ret_value);
}

int wasm_byte_read(const WasmBytes *bytes, size_t *position, uint8_t *ret_byte)
{
    if (*position >= bytes->end)
        return wasm_bytes_error(bytes, *position, EBADMSG, "unexpected end of section or function");
    *ret_byte = bytes->bytes[(*position)++];
    return 0;
}

int wasm_slice_read(const WasmBytes *bytes, size_t *position, uint64_t size, WasmSlice *ret_slice)
{
    must(*position <= bytes->end);
    if (size > bytes->end - *position)
        return wasm_bytes_error(bytes, *position, EBADMSG, "length out of bounds");
    *ret_slice = (WasmSlice){.bytes = bytes->bytes + *position, .size = (size_t)size};
    *position += (size_t)size;
    return 0;
}

/* The lengths and second-byte ranges of Unicode's table 3-7: no overlong forms, no surrogates, nothing over U+10FFFF. */
bool wasm_utf8_is_valid(WasmSlice text)
{
    size_t i = 0;

    while (i < text.size) {
        const uint8_t lead = text.bytes[i];
        size_t more;
        uint8_t low = 0x80;
        uint8_t high = 0xbf;
        if (lead < 0x80) {
            i++;
            continue;
        }
        if (lead >= 0xc2 && lead <= 0xdf) {
            more = 1;
        } else if (lead >= 0xe0 && lead <= 0xef) {
            more = 2;
            low = lead == 0xe0 ? 0xa0 : 0x80;
            high = lead == 0xed ? 0x9f : 0xbf;
        } else if (lead >= 0xf0 && lead <= 0xf4) {
            more = 3;
            low = lead == 0xf0 ? 0x90 : 0x80;
            high = lead == 0xf4 ? 0x8f : 0xbf;
        } else {
            return false;
        }
        if (more >= text.size - i || text.bytes[i + 1] < low || text.bytes[i + 1] > high)
            return false;
        for (size_t k = 2; k <= more; k++) {
            if ((text.bytes[i + k] & 0xc0u) != 0x80u)
                return false;
        }
        i += more + 1;
    }
    return true;
}

int wasm_name_read(const WasmBytes *bytes, size_t *position, WasmSlice *ret_name)
{
    const size_t start = *position;
    size_t at = start;
    uint32_t size;
    int r = wasm_u32_read(bytes, &at, &size);

    if (r < 0)
        return r;
    r = wasm_slice_read(bytes, &at, size, ret_name);
    if (r < 0)
        return r;
    if (size > LIMIT_NAME_SIZE)
        return wasm_bytes_error(bytes, start, E2BIG, "a name of %u bytes, the limit is %u", size, LIMIT_NAME_SIZE);
    if (!wasm_utf8_is_valid(*ret_name))
        return wasm_bytes_error(bytes, start, EBADMSG, "malformed UTF-8 encoding");
    *position = at;
    return 0;
}

/* Heap types of the GC proposal, refused by name. Return: NULL when the byte is none. */
static const char *gc_type_name(uint8_t byte)
{
    switch (byte) {
    case 0x6a:
        return "arrayref";
    case 0x6b:
        return "structref";
    case 0x6c:
        return "i31ref";
    case 0x6d:
        return "eqref";
    case 0x6e:
        return "anyref";
    case 0x71:
        return "nullref";
    default:
        return NULL;
    }
}

int wasm_heap_type_read(const WasmBytes *bytes, size_t *position, WasmValType *ret_type)
{
    size_t at = *position;
    int64_t value;
    const int r = wasm_s33_read(bytes, &at, &value);

    if (r < 0)
        return r;
    if (value >= 0) {
        *ret_type = WASM_REF_NULL | (uint32_t)(value > WASM_REF_INDEX_MAX ? WASM_REF_INDEX_MAX : value) << 8;
        *position = at;
        return 0;
    }
    const uint8_t byte = bytes->bytes[*position];
    if (at - *position != 1)
        return wasm_bytes_error(bytes, *position, EBADMSG, "malformed reference type");
    if (!wasm_type_is_ref(byte) || byte == WASM_REF || byte == WASM_REF_NULL) {
        const char *name = gc_type_name(byte);
        if (name)
            return wasm_bytes_error(bytes, *position, ENOTSUP, "%s: %s", name, WASM_GC_REFUSED);
        return wasm_bytes_error(bytes, *position, EBADMSG, "malformed reference type");
    }
    *position = at;
    *ret_type = byte;
    return 0;
}

int wasm_value_type_read(const WasmBytes *bytes, size_t *position, WasmValType *ret_type)
{
    size_t at = *position;
    uint8_t byte = 0;
    int r = wasm_byte_read(bytes, &at, &byte);

    if (r < 0)
        return r;
    if (byte == WASM_REF_NULL || byte == WASM_REF) { /* (ref null? ht) */
        WasmValType type;
        r = wasm_heap_type_read(bytes, &at, &type);
        if (r < 0)
            return r;
        *position = at;
        *ret_type = byte == WASM_REF ? wasm_type_non_null(type) : type;
        return 0;
    }
    if ((byte >= WASM_V128 && byte <= WASM_I32) || wasm_type_is_ref(byte)) {
        *position = at;
        *ret_type = byte;
        return 0;
    }
    const char *name = gc_type_name(byte);
    if (name)
        return wasm_bytes_error(bytes, *position, ENOTSUP, "%s: %s", name, WASM_GC_REFUSED);
    return wasm_bytes_error(bytes, *position, EBADMSG, "malformed value type");
}

int wasm_ref_type_read(const WasmBytes *bytes, size_t *position, WasmValType *ret_type)
{
    size_t at = *position;
    const int r = wasm_value_type_read(bytes, &at, ret_type);

    if (r < 0)
        return r;
    if (!wasm_type_is_ref(*ret_type))
        return wasm_bytes_error(bytes, *position, EBADMSG, "malformed reference type");
    *position = at;
    return 0;
}
