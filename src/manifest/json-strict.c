/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How it works: one pass over tokens. Strings, numbers and brackets are checked here; commas, colons, literals and the
 * order of things are left to jansson, which is strict about them. What this pass accepts is never wider than RFC 8259.
 */
#include "manifest/json-strict.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/must.h"

typedef struct Scan {
    const unsigned char *bytes;
    size_t size;
    size_t position;
    Error *err;
} Scan;

void json_freep(json_t **json)
{
    json_decref(*json);
    *json = NULL;
}

static int scan_fail(const Scan *scan, const char *why)
{
    return error_at(scan->err, error_set(scan->err, EBADMSG, "byte %zu: %s", scan->position, why), scan->position);
}

/* Length of the well-formed UTF-8 sequence at p (Unicode 15 table 3-7), 0 when ill-formed. ASCII is handled by the
 * caller. */
static size_t utf8_length(const unsigned char *p, size_t left)
{
    size_t length = 0;
    unsigned char low = 0x80;
    unsigned char high = 0xbf;
    if (p[0] >= 0xc2 && p[0] <= 0xdf) {
        length = 2;
    } else if (p[0] >= 0xe0 && p[0] <= 0xef) {
        length = 3;
        low = p[0] == 0xe0 ? 0xa0 : low;   /* no over-long form */
        high = p[0] == 0xed ? 0x9f : high; /* no surrogate */
    } else if (p[0] >= 0xf0 && p[0] <= 0xf4) {
        length = 4;
        low = p[0] == 0xf0 ? 0x90 : low;
        high = p[0] == 0xf4 ? 0x8f : high; /* <= U+10FFFF */
    }
    if (length == 0 || left < length || p[1] < low || p[1] > high) {
        return 0;
    }
    for (size_t i = 2; i < length; i++) {
        if (p[i] < 0x80 || p[i] > 0xbf) {
            return 0;
        }
    }
    return length;
}

/* Four hex digits at position; -1 when they are not there. */
static int32_t scan_hex4(const Scan *scan, size_t position)
{
    if (scan->size - position < 4) {
        return -1;
    }
    int32_t value = 0;
    for (size_t i = 0; i < 4; i++) {
        const unsigned char c = scan->bytes[position + i];
        int32_t digit = -1;
        if (c >= '0' && c <= '9') {
            digit = c - '0';
        } else if (c >= 'a' && c <= 'f') {
            digit = c - 'a' + 10;
        } else if (c >= 'A' && c <= 'F') {
            digit = c - 'A' + 10;
        }
        if (digit < 0) {
            return -1;
        }
        value = value * 16 + digit;
    }
    return value;
}

/* position is at the backslash. */
static int scan_escape(Scan *scan)
{
    if (scan->size - scan->position < 2) {
        return scan_fail(scan, "unterminated string");
    }
    const unsigned char c = scan->bytes[scan->position + 1];
    if (c != 'u') {
        if (c == 0 || strchr("\"\\/bfnrt", c) == NULL) {
            return scan_fail(scan, "unknown escape in a string");
        }
        scan->position += 2;
        return 0;
    }
    const int32_t unit = scan_hex4(scan, scan->position + 2);
    if (unit < 0) {
        return scan_fail(scan, "\\u without four hex digits");
    }
    if (unit == 0) {
        return scan_fail(scan, "\\u0000 is not allowed");
    }
    size_t length = 6;
    if (unit >= 0xd800 && unit <= 0xdfff) {
        const size_t next = scan->position + 6;
        int32_t low = -1;
        if (unit <= 0xdbff && scan->size - next >= 6 && scan->bytes[next] == '\\' && scan->bytes[next + 1] == 'u') {
            low = scan_hex4(scan, next + 2);
        }
        if (low < 0xdc00 || low > 0xdfff) {
            return scan_fail(scan, "lone surrogate escape");
        }
        length = 12;
    }
    scan->position += length;
    return 0;
}

/* position is at the opening quote. */
static int scan_string(Scan *scan)
{
    scan->position++;
    while (scan->position < scan->size) {
        const unsigned char c = scan->bytes[scan->position];
        if (c == '"') {
            scan->position++;
            return 0;
        }
        if (c < 0x20) {
            return scan_fail(scan, "control character in a string");
        }
        if (c == '\\') {
            const int r = scan_escape(scan);
            if (r < 0) {
                return r;
            }
        } else if (c < 0x80) {
            scan->position++;
        } else {
            const size_t length = utf8_length(scan->bytes + scan->position, scan->size - scan->position);
            if (length == 0) {
                return scan_fail(scan, "not valid UTF-8");
            }
            scan->position += length;
        }
    }
    return scan_fail(scan, "unterminated string");
}

static int scan_number(Scan *scan)
{
    uint64_t value = 0;
    size_t digit_count = 0;
    if (scan->bytes[scan->position] == '-') {
        scan->position++;
    }
    while (scan->position < scan->size) {
        const unsigned char c = scan->bytes[scan->position];
        if (c == '.' || c == 'e' || c == 'E') {
            return scan_fail(scan, "only integers are allowed, no fractions or exponents");
        }
        if (c < '0' || c > '9') {
            break;
        }
        value = value * 10 + (uint64_t)(c - '0');
        if (value > JSON_INTEGER_MAX) {
            return scan_fail(scan, "integer beyond 2^53-1");
        }
        digit_count++;
        scan->position++;
    }
    return digit_count > 0 ? 0 : scan_fail(scan, "malformed number");
}

static int scan_tokens(Scan *scan)
{
    uint32_t depth = 0;
    uint32_t value_count = 0;
    while (scan->position < scan->size) {
        const unsigned char c = scan->bytes[scan->position];
        int r = 0;
        if (c == '"') {
            value_count++;
            r = scan_string(scan);
        } else if (c == '-' || (c >= '0' && c <= '9')) {
            value_count++;
            r = scan_number(scan);
        } else if (c == '{' || c == '[') {
            value_count++;
            if (++depth > LIMIT_JSON_DEPTH) {
                return scan_fail(scan, "nested deeper than 8 levels");
            }
            scan->position++;
        } else if (c == '}' || c == ']') {
            if (depth == 0) {
                return scan_fail(scan, "unbalanced bracket");
            }
            depth--;
            scan->position++;
        } else if (c == ',' || c == ':' || c == ' ' || c == '\t' || c == '\n' || c == '\r' || (c >= 'a' && c <= 'z')) {
            value_count +=
                (c == 't' || c == 'f' || c == 'n'); /* true, false, null; over-counting by their letters is harmless */
            scan->position++;
        } else {
            return scan_fail(scan, "unexpected byte");
        }
        if (r < 0) {
            return r;
        }
        if (value_count > JSON_VALUES_MAX) {
            return error_set(scan->err, E2BIG, "more than %u values", JSON_VALUES_MAX);
        }
    }
    return 0;
}

int json_strict_scan(const char *bytes, size_t size, size_t max_size, Error *err)
{
    must(bytes != NULL || size == 0);
    if (size > max_size) {
        return error_set(err, E2BIG, "%zu bytes, at most %zu are allowed", size, max_size);
    }
    if (size == 0) {
        return error_set(err, EBADMSG, "byte 0: empty document");
    }
    if (size >= 3 && memcmp(bytes, "\xef\xbb\xbf", 3) == 0) {
        return error_set(err, EBADMSG, "byte 0: byte order mark is not allowed");
    }
    Scan scan = {.bytes = (const unsigned char *)bytes, .size = size, .err = err};
    return scan_tokens(&scan);
}

/*
 * When an allocation fails while it reads a token, jansson 2.14 reports a syntax error, or, worse, goes on and hands
 * out a string that lacks characters (found by test-manifest-fault.c). So its allocations are watched, and whatever it
 * says after a failed one is thrown away. The functions are compatible with malloc and free whoever set them.
 */
static _Thread_local bool has_allocation_failed;

static void *watched_malloc(size_t size)
{
    void *pointer = malloc(size);
    has_allocation_failed |= pointer == NULL;
    return pointer;
}

int json_strict_load(const char *bytes, size_t size, size_t max_size, json_t **ret_json, Error *err)
{
    must(ret_json != NULL);
    const int r = json_strict_scan(bytes, size, max_size, err);
    if (r < 0) {
        return r;
    }
    json_error_t error;
    json_set_alloc_funcs(watched_malloc, free);
    has_allocation_failed = false;
    json_t *json = json_loadb(bytes, size, JSON_REJECT_DUPLICATES, &error);
    if (has_allocation_failed) {
        json_decref(json);
        return error_set(err, ENOMEM, "out of memory");
    }
    if (json == NULL) {
        return error_at(err, error_set(err, EBADMSG, "byte %d: %s", error.position, error.text),
                        error.position < 0 ? UINT64_MAX : (uint64_t)error.position);
    }
    *ret_json = json;
    return 0;
}

static bool is_named(const json_t *names, const char *key)
{
    size_t index;
    json_t *name;
    json_array_foreach(names, index, name)
    {
        if (json_is_string(name) && strcmp(json_string_value(name), key) == 0) {
            return true;
        }
    }
    return false;
}

int json_known_keys(const json_t *object, const char *pointer, const char *const *keys, size_t key_count,
                    const json_t *extra, Error *err)
{
    must(json_is_object(object));
    for (void *iter = json_object_iter((json_t *)(uintptr_t)object); iter != NULL;
         iter = json_object_iter_next((json_t *)(uintptr_t)object, iter)) {
        const char *key = json_object_iter_key(iter);
        bool is_known = is_named(extra, key);
        for (size_t i = 0; i < key_count && !is_known; i++) {
            is_known = strcmp(keys[i], key) == 0;
        }
        if (!is_known) {
            return error_set(err, EBADMSG, "%s/%.64s: unknown key", pointer, key);
        }
    }
    return 0;
}

int json_need_string(const json_t *object, const char *pointer, const char *key, size_t max_size,
                     const char **ret_string, Error *err)
{
    const json_t *value = json_object_get(object, key);
    if (!json_is_string(value)) {
        return error_set(err, EBADMSG, "%s/%s: %s", pointer, key, value == NULL ? "missing" : "must be a string");
    }
    const size_t length = json_string_length(value);
    if (length > max_size) {
        return error_set(err, EBADMSG, "%s/%s: longer than %zu bytes", pointer, key, max_size);
    }
    *ret_string = json_string_value(value);
    return 0;
}

int json_need_integer(const json_t *object, const char *pointer, const char *key, uint64_t minimum, uint64_t maximum,
                      uint64_t *ret_value, Error *err)
{
    const json_t *value = json_object_get(object, key);
    if (!json_is_integer(value)) {
        return error_set(err, EBADMSG, "%s/%s: %s", pointer, key, value == NULL ? "missing" : "must be an integer");
    }
    const json_int_t number = json_integer_value(value);
    if (number < 0 || (uint64_t)number < minimum || (uint64_t)number > maximum) {
        return error_set(err, EBADMSG, "%s/%s: must be from %llu to %llu", pointer, key, (unsigned long long)minimum,
                         (unsigned long long)maximum);
    }
    *ret_value = (uint64_t)number;
    return 0;
}

int json_need_object(const json_t *object, const char *pointer, const char *key, json_t **ret_value, Error *err)
{
    json_t *value = json_object_get(object, key);
    if (!json_is_object(value)) {
        return error_set(err, EBADMSG, "%s/%s: %s", pointer, key, value == NULL ? "missing" : "must be an object");
    }
    *ret_value = value;
    return 0;
}

int json_need_array(const json_t *object, const char *pointer, const char *key, size_t max_count, json_t **ret_value,
                    Error *err)
{
    json_t *value = json_object_get(object, key);
    if (!json_is_array(value)) {
        return error_set(err, EBADMSG, "%s/%s: %s", pointer, key, value == NULL ? "missing" : "must be an array");
    }
    if (json_array_size(value) > max_count) {
        return error_set(err, EBADMSG, "%s/%s: more than %zu elements", pointer, key, max_count);
    }
    *ret_value = value;
    return 0;
}

int json_array_string(const json_t *array, const char *pointer, size_t index, size_t max_size, const char **ret_string,
                      Error *err)
{
    const json_t *value = json_array_get(array, index);
    if (!json_is_string(value)) {
        return error_set(err, EBADMSG, "%s/%zu: must be a string", pointer, index);
    }
    const size_t length = json_string_length(value);
    if (length == 0 || length > max_size) {
        return error_set(err, EBADMSG, "%s/%zu: must have 1 to %zu bytes", pointer, index, max_size);
    }
    *ret_string = json_string_value(value);
    return 0;
}
