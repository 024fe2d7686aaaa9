/* SPDX-License-Identifier: Apache-2.0 */
/* spec-value.c - values of the suite: numbers as decimal bits, NaN classes, v128 as lanes, references by number. */
#include "spec.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct LaneType {
    const char *name;
    uint32_t size;
    bool is_float;
} LaneType;

static const LaneType lane_types[] = {{"i8", 1, false},  {"i16", 2, false}, {"i32", 4, false},
                                      {"i64", 8, false}, {"f32", 4, true},  {"f64", 8, true}};

static const LaneType *lane_type(const char *name)
{
    for (size_t i = 0; name != NULL && i < sizeof(lane_types) / sizeof(lane_types[0]); i++) {
        if (strcmp(lane_types[i].name, name) == 0) {
            return &lane_types[i];
        }
    }
    return NULL;
}

static const char *member(json_t *json, const char *name) { return json_string_value(json_object_get(json, name)); }

/* Signed or unsigned decimal bits. */
static uint64_t bits_of(const char *text) { return text[0] == '-' ? (uint64_t)strtoll(text, NULL, 10) : strtoull(text, NULL, 10); }

static bool lane_check(const LaneType *type, const char *text, const uint8_t *bytes)
{
    uint64_t bits = 0;
    memcpy(&bits, bytes, type->size);
    if (strncmp(text, "nan:", 4) == 0) {
        const uint64_t quiet = type->size == 4 ? 0x7fc00000ull : 0x7ff8000000000000ull;
        const uint64_t magnitude = bits & (type->size == 4 ? 0x7fffffffull : 0x7fffffffffffffffull);
        return strcmp(text, "nan:canonical") == 0 ? magnitude == quiet : (magnitude & quiet) == quiet;
    }
    const uint64_t mask = type->size == 8 ? UINT64_MAX : (1ull << (8 * type->size)) - 1;
    return bits == (bits_of(text) & mask);
}

static const LaneType *vector_lanes(json_t *json, json_t **ret_lanes)
{
    const LaneType *type = lane_type(member(json, "lane_type"));
    *ret_lanes = json_object_get(json, "value");
    return type != NULL && json_array_size(*ret_lanes) == 16 / type->size ? type : NULL;
}

static bool is_reference(const char *type)
{
    return strcmp(type, "externref") == 0 || strcmp(type, "funcref") == 0 || strcmp(type, "exnref") == 0 || strcmp(type, "ref") == 0;
}

bool spec_value_read(json_t *json, RtValue *ret_value)
{
    const char *type = member(json, "type"), *value = member(json, "value");
    memset(ret_value, 0, sizeof(*ret_value));
    if (type != NULL && strcmp(type, "v128") == 0) {
        json_t *lanes;
        const LaneType *lane = vector_lanes(json, &lanes);
        for (size_t i = 0; lane != NULL && i < json_array_size(lanes); i++) {
            const uint64_t bits = bits_of(json_string_value(json_array_get(lanes, i)));
            memcpy(ret_value->v128 + i * lane->size, &bits, lane->size);
        }
        return lane != NULL;
    }
    if (type == NULL || value == NULL) {
        return false;
    }
    if (is_reference(type)) { /* number n is the pointer n + 1: 0 is null */
        ret_value->pointer = strcmp(value, "null") == 0 ? NULL : (void *)(uintptr_t)(bits_of(value) + 1);
        return true;
    }
    const LaneType *lane = lane_type(type);
    if (lane == NULL) {
        return false;
    }
    ret_value->i64 = lane->size == 4 ? (uint32_t)bits_of(value) : bits_of(value);
    return true;
}

static bool reference_check(const char *type, const char *value, const RtValue *got)
{
    if (value == NULL) { /* any reference */
        return got->pointer != NULL;
    }
    if (strcmp(value, "null") == 0) {
        return got->pointer == NULL;
    }
    return strcmp(type, "externref") != 0 ? got->pointer != NULL : (uintptr_t)got->pointer == bits_of(value) + 1;
}

bool spec_value_check(json_t *expected, const RtValue *value, char *text, size_t text_size)
{
    const char *type = member(expected, "type"), *want = member(expected, "value");
    bool is_equal = false;
    if (type == NULL) {
        (void)snprintf(text, text_size, "expected value without a type");
        return false;
    }
    if (strcmp(type, "v128") == 0) {
        json_t *lanes;
        const LaneType *lane = vector_lanes(expected, &lanes);
        is_equal = lane != NULL;
        for (size_t i = 0; is_equal && i < json_array_size(lanes); i++) {
            is_equal = lane_check(lane, json_string_value(json_array_get(lanes, i)), value->v128 + i * lane->size);
        }
    } else if (strcmp(type, "either") == 0) {
        json_t *each;
        size_t i;
        json_array_foreach(json_object_get(expected, "values"), i, each) {
            is_equal = is_equal || spec_value_check(each, value, text, text_size);
        }
    } else if (is_reference(type)) {
        is_equal = reference_check(type, want, value);
    } else {
        const LaneType *lane = lane_type(type);
        is_equal = lane != NULL && want != NULL && lane_check(lane, want, value->v128);
    }
    if (!is_equal) {
        char *dump = json_dumps(expected, JSON_COMPACT);
        (void)snprintf(text, text_size, "got %016llx%016llx want %s", (unsigned long long)value->bits[1], (unsigned long long)value->bits[0],
                       dump != NULL ? dump : "?");
        free(dump);
    }
    return is_equal;
}
