/* SPDX-License-Identifier: Apache-2.0 */
/* fuzz-profile.c - any bytes as a profile: what is accepted is what would be written, and extending keeps every function once. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/must.h"
#include "wasm/profile.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    Profile profile;
    Error err = ERROR_INIT;
    const int r = profile_read(bytes, size, &profile, &err);
    if (r < 0) {
        must(r == -EBADMSG && err.code == EBADMSG);
        return 0;
    }
    Buf again = BUF_INIT(PROFILE_SIZE_MAXIMUM);
    profile_write(&profile, &again);
    must(buf_error(&again) == 0 && again.size == size && memcmp(again.bytes, bytes, size) == 0);
    uint32_t slots[256];
    for (uint32_t i = 0; i < 256; i++) {
        slots[i] = bytes[i % size] % 3;
    }
    const uint32_t before = profile.func_count;
    must(profile_extend(&profile, slots, 256) == 0 && profile.func_count >= before && profile.func_count <= before + 256);
    buf_clear(&again);
    profile_write(&profile, &again);
    Profile extended;
    must(profile_read(again.bytes, again.size, &extended, NULL) == 0 && extended.func_count == profile.func_count);
    buf_deinit(&again);
    profile_deinit(&extended);
    profile_deinit(&profile);
    return 0;
}
