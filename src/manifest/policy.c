/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Loading: PATH.sig over the exact bytes of PATH (envelope.c) -> strict JSON -> sorted digest arrays -> expiry ->
 * rollback memory. An empty allow-list that is present admits nothing; an absent one admits what the manifest lists.
 */
#include "manifest/policy.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/limits.h"
#include "base/must.h"
#include "manifest/json-strict.h"
#include "manifest/manifest-int.h"
#include "manifest/time-text.h"

#define POLICY_SIZE_MAX LIMIT_MANIFEST_SIZE
#define FUTURE_TOLERANCE_S 600

typedef struct DigestSet {
    Digest *digests; /* owned, sorted, unique */
    size_t count;
    bool is_present;
} DigestSet;

typedef struct Minimum {
    char *name; /* owned */
    uint64_t serial;
} Minimum;

struct Policy {
    char name[MANIFEST_NAME_MAX + 1];
    uint64_t serial;
    int64_t created_time;
    int64_t expires_time;
    bool is_monitor;
    DigestSet allow;
    DigestSet deny;
    Minimum *minimums; /* owned, sorted by name */
    size_t minimum_count;
};

Policy *policy_free(Policy *policy)
{
    if (policy != NULL) {
        free(policy->allow.digests);
        free(policy->deny.digests);
        for (size_t i = 0; i < policy->minimum_count; i++) {
            free(policy->minimums[i].name);
        }
        free(policy->minimums);
        free(policy);
    }
    return NULL;
}

void policy_freep(Policy **policy)
{
    *policy = policy_free(*policy);
}

static int compare_digests(const void *a, const void *b)
{
    return memcmp(((const Digest *)a)->bytes, ((const Digest *)b)->bytes, DIGEST_SIZE);
}

static bool set_has(const DigestSet *set, const Digest *digest)
{
    return set->count > 0 && bsearch(digest, set->digests, set->count, sizeof(Digest), compare_digests) != NULL;
}

static int parse_set(const json_t *root, const char *key, DigestSet *set, Error *err)
{
    if (json_object_get(root, key) == NULL) {
        return 0;
    }
    json_t *array;
    int r = json_need_array(root, "", key, SIZE_MAX, &array, err);
    if (r < 0) {
        return r;
    }
    set->is_present = true;
    set->digests = calloc(json_array_size(array) + 1, sizeof(Digest));
    if (set->digests == NULL) {
        return error_set(err, ENOMEM, "out of memory");
    }
    for (size_t i = 0; i < json_array_size(array); i++) {
        const char *text = json_string_value(json_array_get(array, i));
        if (text == NULL || digest_parse_tagged(text, &set->digests[i]) < 0) {
            return error_set(err, EBADMSG, "/%s/%zu: must be \"sha256:\" and 64 lower-case hex digits", key, i);
        }
        set->count++;
    }
    qsort(set->digests, set->count, sizeof(Digest), compare_digests);
    for (size_t i = 1; i < set->count; i++) {
        if (digest_equals(&set->digests[i - 1], &set->digests[i])) {
            char hex[DIGEST_HEX_SIZE + 1];
            digest_hex(&set->digests[i], hex);
            return error_set(err, EBADMSG, "/%s: sha256:%s is listed twice", key, hex);
        }
    }
    return 0;
}

static int compare_minimums(const void *a, const void *b)
{
    return strcmp(((const Minimum *)a)->name, ((const Minimum *)b)->name);
}

static int parse_minimums(Policy *policy, const json_t *root, Error *err)
{
    if (json_object_get(root, "minimum_serial") == NULL) {
        return 0;
    }
    json_t *object;
    int r = json_need_object(root, "", "minimum_serial", &object, err);
    if (r < 0) {
        return r;
    }
    policy->minimums = calloc(json_object_size(object) + 1, sizeof(Minimum));
    if (policy->minimums == NULL) {
        return error_set(err, ENOMEM, "out of memory");
    }
    const char *name;
    json_t *value;
    json_object_foreach(object, name, value)
    {
        if (!manifest_name_is_valid(name)) {
            return error_set(err, EBADMSG, "/minimum_serial/%.64s: not a manifest name", name);
        }
        Minimum *minimum = &policy->minimums[policy->minimum_count];
        r = json_need_integer(object, "/minimum_serial", name, 0, JSON_INTEGER_MAX, &minimum->serial, err);
        if (r < 0) {
            return r;
        }
        minimum->name = strdup(name);
        if (minimum->name == NULL) {
            return error_set(err, ENOMEM, "out of memory");
        }
        policy->minimum_count++;
    }
    qsort(policy->minimums, policy->minimum_count, sizeof(Minimum), compare_minimums);
    return 0;
}

static int parse_time(const json_t *root, const char *key, int64_t *time_value, Error *err)
{
    if (json_object_get(root, key) == NULL) {
        return 0;
    }
    const char *text = "";
    const int r = json_need_string(root, "", key, 64, &text, err);
    if (r < 0) {
        return r;
    }
    return time_parse(text, time_value) < 0 ? error_set(err, EBADMSG, "/%s: must look like 2026-01-01T00:00:00Z", key)
                                            : 0;
}

static int parse_head(Policy *policy, const json_t *root, Error *err)
{
    const char *media_type = "";
    const char *mode = "";
    const char *name = "node";
    int r = json_need_string(root, "", "mediaType", 255, &media_type, err);
    if (r == 0 && strcmp(media_type, POLICY_MEDIA_TYPE) != 0) {
        r = error_set(err, EBADMSG, "/mediaType: must be %s", POLICY_MEDIA_TYPE);
    }
    if (r == 0 && json_object_get(root, "name") != NULL) {
        r = json_need_string(root, "", "name", MANIFEST_NAME_MAX, &name, err);
    }
    r = r < 0 ? r : json_need_integer(root, "", "serial", 0, JSON_INTEGER_MAX, &policy->serial, err);
    r = r < 0 ? r : json_need_string(root, "", "mode", 16, &mode, err);
    if (r < 0) {
        return r;
    }
    if (!manifest_name_is_valid(name)) {
        return error_set(err, EBADMSG,
                         "/name: must be letters, digits and . _ / : @ + -, beginning with a letter or digit");
    }
    if (strcmp(mode, "enforce") != 0 && strcmp(mode, "monitor") != 0) {
        return error_set(err, EBADMSG, "/mode: must be \"enforce\" or \"monitor\"");
    }
    memcpy(policy->name, name, strlen(name) + 1);
    policy->is_monitor = strcmp(mode, "monitor") == 0;
    return 0;
}

static int parse_policy(Policy *policy, const json_t *root, Error *err)
{
    static const char *const keys[] = {"mediaType", "name",  "serial", "created",       "expires",
                                       "mode",      "allow", "deny",   "minimum_serial"};
    if (!json_is_object(root)) {
        return error_set(err, EBADMSG, "/: must be an object");
    }
    policy->expires_time = INT64_MAX;
    int r = json_known_keys(root, "", keys, sizeof(keys) / sizeof(keys[0]), NULL, err);
    r = r < 0 ? r : parse_head(policy, root, err);
    r = r < 0 ? r : parse_time(root, "created", &policy->created_time, err);
    r = r < 0 ? r : parse_time(root, "expires", &policy->expires_time, err);
    r = r < 0 ? r : parse_set(root, "allow", &policy->allow, err);
    r = r < 0 ? r : parse_set(root, "deny", &policy->deny, err);
    return r < 0 ? r : parse_minimums(policy, root, err);
}

int policy_parse(const char *bytes, size_t size, Policy **ret_policy, Error *err)
{
    must(ret_policy != NULL);
    _cleanup_(json_freep) json_t *root = NULL;
    _cleanup_(policy_freep) Policy *policy = calloc(1, sizeof(*policy));
    int r = policy == NULL ? error_set(err, ENOMEM, "out of memory")
                           : json_strict_load(bytes, size, POLICY_SIZE_MAX, &root, err);
    if (r == 0 && policy != NULL) {
        r = parse_policy(policy, root, err);
    }
    if (r < 0) {
        return error_wrap(err, r, "policy");
    }
    *ret_policy = steal(&policy);
    return 0;
}

static int check_time(const Policy *policy, const char *state_dir, int64_t now, Error *err)
{
    int64_t floor = 0;
    const int r = state_dir != NULL ? rollback_clock(state_dir, &floor, err) : 0;
    if (r < 0) {
        return r;
    }
    now = now < floor ? floor : now;
    char text[TIME_TEXT_SIZE];
    if (policy->created_time > now && policy->created_time - now > FUTURE_TOLERANCE_S) {
        time_print(policy->created_time, text);
        return error_set(err, EKEYEXPIRED, "not valid before %s", text);
    }
    if (policy->expires_time <= now) {
        time_print(policy->expires_time, text);
        return error_set(err, EKEYEXPIRED, "expired at %s", text);
    }
    return 0;
}

static int load_verified(const char *bytes, size_t size, const char *envelope, size_t envelope_size, const Trust *trust,
                         const char *state_dir, int64_t now, bool is_recorded, Policy **ret_policy, Error *err)
{
    int r = envelope_verify(trust, envelope, envelope_size, POLICY_MEDIA_TYPE, bytes, size, NULL, err);
    if (r < 0) {
        return r;
    }
    _cleanup_(policy_freep) Policy *policy = NULL;
    Digest digest;
    r = policy_parse(bytes, size, &policy, err);
    r = r < 0 ? r : sha256(bytes, size, &digest);
    r = r < 0 ? r : check_time(policy, state_dir, now, err);
    if (r == 0 && state_dir != NULL) {
        r = is_recorded ? rollback_record_at(state_dir, "policy", policy->name, policy->serial, &digest, policy->created_time, err)
                        : rollback_check(state_dir, "policy", policy->name, policy->serial, &digest, err);
    }
    if (r == 0) {
        *ret_policy = steal(&policy);
    }
    return r;
}

int policy_load(const char *path, const Trust *trust, const char *state_dir, int64_t now, bool is_recorded, Policy **ret_policy,
                Error *err)
{
    must(path != NULL && trust != NULL && ret_policy != NULL);
    char envelope_path[LIMIT_PATH_SIZE];
    if (snprintf(envelope_path, sizeof(envelope_path), "%s.sig", path) >= (int)sizeof(envelope_path)) {
        return error_set(err, ENAMETOOLONG, "%s: name too long", path);
    }
    _cleanup_(freep) char *bytes = NULL;
    _cleanup_(freep) char *envelope = NULL;
    size_t size = 0;
    size_t envelope_size = 0;
    int r = file_read(AT_FDCWD, path, POLICY_SIZE_MAX, &bytes, &size, err);
    if (r < 0) {
        return r;
    }
    r = file_read(AT_FDCWD, envelope_path, LIMIT_SIGNATURE_SIZE, &envelope, &envelope_size, err);
    if (r < 0 && r != -ENOENT) { /* a missing envelope is "not signed" */
        return r;
    }
    r = load_verified(bytes, size, envelope, envelope_size, trust, state_dir, now, is_recorded, ret_policy, err);
    return r < 0 ? error_wrap(err, r, "%s", path) : 0;
}

/* --- questions --- */

bool policy_is_denied(const Policy *policy, const Digest *digest)
{
    return policy != NULL && set_has(&policy->deny, digest);
}

bool policy_has_allow_list(const Policy *policy)
{
    return policy != NULL && policy->allow.is_present;
}

bool policy_is_allowed(const Policy *policy, const Digest *digest)
{
    return !policy_has_allow_list(policy) || set_has(&policy->allow, digest);
}

bool policy_is_monitor(const Policy *policy)
{
    return policy != NULL && policy->is_monitor;
}

uint64_t policy_generation(const Policy *policy)
{
    return policy != NULL ? policy->serial : 0;
}

uint64_t policy_minimum_serial(const Policy *policy, const char *name)
{
    if (policy == NULL || policy->minimum_count == 0) {
        return 0;
    }
    const Minimum wanted = {.name = (char *)(uintptr_t)name};
    const Minimum *found = bsearch(&wanted, policy->minimums, policy->minimum_count, sizeof(Minimum), compare_minimums);
    return found != NULL ? found->serial : 0;
}

const char *policy_name(const Policy *policy)
{
    return policy->name;
}

int64_t policy_expires_time(const Policy *policy)
{
    return policy->expires_time;
}

size_t policy_allow_count(const Policy *policy)
{
    return policy->allow.count;
}

const Digest *policy_allow_at(const Policy *policy, size_t index)
{
    must(index < policy->allow.count);
    return &policy->allow.digests[index];
}

size_t policy_deny_count(const Policy *policy)
{
    return policy->deny.count;
}

const Digest *policy_deny_at(const Policy *policy, size_t index)
{
    must(index < policy->deny.count);
    return &policy->deny.digests[index];
}

size_t policy_minimum_count(const Policy *policy)
{
    return policy->minimum_count;
}

const char *policy_minimum_at(const Policy *policy, size_t index, uint64_t *ret_serial)
{
    must(index < policy->minimum_count);
    *ret_serial = policy->minimums[index].serial;
    return policy->minimums[index].name;
}

/* --- writing --- */

static int write_set(Buf *buf, const char *key, const Digest *digests, size_t count)
{
    _cleanup_(freep) Digest *sorted = calloc(count + 1, sizeof(*sorted));
    if (sorted == NULL) {
        return -ENOMEM;
    }
    if (count > 0) {
        memcpy(sorted, digests, count * sizeof(*sorted));
    }
    qsort(sorted, count, sizeof(*sorted), compare_digests);
    buf_append_format(buf, ",\n  \"%s\": [", key);
    for (size_t i = 0; i < count; i++) {
        if (i > 0 && digest_equals(&sorted[i - 1], &sorted[i])) {
            continue;
        }
        char hex[DIGEST_HEX_SIZE + 1];
        digest_hex(&sorted[i], hex);
        buf_append_format(buf, "%s\n    \"sha256:%s\"", i == 0 ? "" : ",", hex);
    }
    buf_append_string(buf, count > 0 ? "\n  ]" : "]");
    return 0;
}

static int compare_specs(const void *a, const void *b)
{
    return strcmp(((const PolicyMinimum *)a)->name, ((const PolicyMinimum *)b)->name);
}

static int write_minimums(Buf *buf, const PolicySpec *spec)
{
    if (spec->minimum_count == 0) {
        return 0;
    }
    _cleanup_(freep) PolicyMinimum *sorted = calloc(spec->minimum_count, sizeof(*sorted));
    if (sorted == NULL) {
        return -ENOMEM;
    }
    memcpy(sorted, spec->minimums, spec->minimum_count * sizeof(*sorted));
    qsort(sorted, spec->minimum_count, sizeof(*sorted), compare_specs);
    buf_append_string(buf, ",\n  \"minimum_serial\": {");
    for (size_t i = 0; i < spec->minimum_count; i++) {
        buf_append_string(buf, i == 0 ? "" : ", ");
        buf_append_json(buf, sorted[i].name, strlen(sorted[i].name));
        buf_append_format(buf, ": %" PRIu64, sorted[i].serial);
    }
    buf_append_string(buf, "}");
    return 0;
}

static void write_optional(Buf *buf, const char *key, const char *value)
{
    if (value != NULL) {
        buf_append_format(buf, ",\n  \"%s\": ", key);
        buf_append_json(buf, value, strlen(value));
    }
}

int policy_write(const PolicySpec *spec, Buf *buf, Error *err)
{
    must(spec != NULL && buf != NULL);
    _cleanup_(buf_deinit) Buf text = BUF_INIT(POLICY_SIZE_MAX);
    buf_append_string(&text, "{\n  \"mediaType\": \"" POLICY_MEDIA_TYPE "\"");
    write_optional(&text, "name", spec->name);
    buf_append_format(&text, ",\n  \"serial\": %" PRIu64, spec->serial);
    write_optional(&text, "created", spec->created);
    write_optional(&text, "expires", spec->expires);
    write_optional(&text, "mode", spec->is_monitor ? "monitor" : "enforce");
    int r = spec->has_allow_list ? write_set(&text, "allow", spec->allow, spec->allow_count) : 0;
    r = r < 0 ? r : write_set(&text, "deny", spec->deny, spec->deny_count);
    r = r < 0 ? r : write_minimums(&text, spec);
    buf_append_string(&text, "\n}\n");
    r = r < 0 ? r : buf_error(&text);
    if (r < 0) {
        return error_set(err, -r, "policy: too large or out of memory");
    }
    _cleanup_(policy_freep) Policy *check = NULL;
    r = policy_parse((const char *)text.bytes, text.size, &check, err);
    if (r < 0) {
        return r;
    }
    buf_append(buf, text.bytes, text.size);
    r = buf_error(buf);
    return r < 0 ? error_set(err, -r, "policy: does not fit the output buffer") : 0;
}
