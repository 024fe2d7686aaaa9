/* SPDX-License-Identifier: Apache-2.0 */
/*
 * json-strict.h - the JSON subset of signed documents (interfaces.md section 2), and checked access to its fields.
 *
 * The scan runs over the raw bytes before jansson sees them, so that two parsers cannot read one document in two ways:
 * UTF-8 without BOM, depth <= LIMIT_JSON_DEPTH, integers only and within +-(2^53-1), no \u0000, no lone surrogate, a
 * bounded number of values (memory). jansson then does the grammar and rejects duplicate keys and trailing bytes. Every
 * failure is -EBADMSG (too large: -E2BIG) with a message that starts with the JSON pointer of the place.
 */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

#define JSON_POINTER_SIZE 384
#define JSON_INTEGER_MAX 9007199254740991ull /* 2^53-1 */
/* Values of one document; bounds jansson's memory to a few hundred MiB. */
#define JSON_VALUES_MAX 4000000u

void json_freep(json_t **json);
/* json_strict_scan() - the rules above, without building anything. Cost: O(size), no allocation. */
int json_strict_scan(const char *bytes, size_t size, size_t max_size, Error *err) WARN_UNUSED;
/* json_strict_load() - scan, then parse; the document must be an object or an array. */
int json_strict_load(const char *bytes, size_t size, size_t max_size, json_t **ret_json, Error *err) WARN_UNUSED;

/* json_known_keys() - every key of object is one of keys (or of the array `extra`, which may be NULL). */
int json_known_keys(const json_t *object, const char *pointer, const char *const *keys, size_t key_count,
                    const json_t *extra, Error *err) WARN_UNUSED;
/* json_need_*() - the field must be there, have the type and lie within the bounds. Strings are borrowed from object.
 */
int json_need_string(const json_t *object, const char *pointer, const char *key, size_t max_size,
                     const char **ret_string, Error *err) WARN_UNUSED;
int json_need_integer(const json_t *object, const char *pointer, const char *key, uint64_t minimum, uint64_t maximum,
                      uint64_t *ret_value, Error *err) WARN_UNUSED;
int json_need_object(const json_t *object, const char *pointer, const char *key, json_t **ret_value,
                     Error *err) WARN_UNUSED;
int json_need_array(const json_t *object, const char *pointer, const char *key, size_t max_count, json_t **ret_value,
                    Error *err) WARN_UNUSED;
/* json_array_string() - element `index` of an array must be a string of 1..max_size bytes. */
int json_array_string(const json_t *array, const char *pointer, size_t index, size_t max_size, const char **ret_string,
                      Error *err) WARN_UNUSED;
