/* SPDX-License-Identifier: Apache-2.0 */
/* Arbitrary bytes as an index. The checksum is made right first: it is no defence against somebody who can compute one.
 */
#include <stdlib.h>
#include <string.h>

#include "base/must.h"
#include "manifest/manifest-int.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void touch(const Manifest *m)
{
    volatile size_t sum = strlen(manifest_name(m)) + strlen(manifest_created(m)) + strlen(manifest_megabinary_path(m)) +
                          strlen(manifest_tools_json(m));
    for (size_t i = 0; i < manifest_row_count(m); i++) {
        ManifestRow row;
        manifest_row(m, i, &row);
        must(manifest_find(m, &row.digest) == (int64_t)i && manifest_has_size(m, row.size));
        must((row.flags & MANIFEST_SCRIPT) != 0 ? row.interpreter != NULL && row.entry == NULL
                                                : row.entry != NULL && row.abi != NULL);
        for (uint32_t p = 0; p < row.path_count; p++) {
            sum += strlen(manifest_row_path(m, i, p));
        }
        for (uint32_t a = 0; manifest_row_applet(m, i, a) != NULL; a++) {
            sum += strlen(manifest_row_applet(m, i, a));
        }
    }
}

static void load(const uint8_t *bytes, size_t size)
{
    Manifest *m = NULL;
    if (manifest_from_index(bytes, size, &m, NULL) == 0) {
        touch(m);
        manifest_free(m);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    load(size > 0 ? bytes : (const uint8_t *)"", size);
    if (size < sizeof(IndexHeader)) {
        return 0;
    }
    uint8_t *copy = malloc(size);
    must(copy != NULL);
    memcpy(copy, bytes, size);
    Digest checksum;
    const uint64_t total_size = size;
    memcpy(copy, INDEX_MAGIC, 8);
    memcpy(copy + offsetof(IndexHeader, total_size), &total_size, sizeof(total_size));
    must(sha256(copy + INDEX_CHECKSUM_START, size - INDEX_CHECKSUM_START, &checksum) == 0);
    memcpy(copy + offsetof(IndexHeader, checksum), checksum.bytes, DIGEST_SIZE);
    load(copy, size);
    free(copy);
    return 0;
}
