/* SPDX-License-Identifier: Apache-2.0 */
/*
 * variant.c - the name of a kind of object: equal variants give equal code for equal megabinaries.
 */
#include <cpuid.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "abi/abi.h"
#include "codegen-id.h" /* generated: CODEGEN_ID */
#include "image/cache-int.h"

uint64_t cache_memory_base(void)
{
#if defined(__SANITIZE_ADDRESS__) || defined(RC_FUZZ)
    return 0; /* the shadow of AddressSanitizer lies at 0x7fff8000 */
#else
    return RT_MEMORY_BASE_DEFAULT;
#endif
}

/* The CPU itself, for --cpu native: leaves 1 and 7 name every feature LLVM looks at. */
static void cpu_text(char *text, size_t size)
{
    unsigned int a = 0, b = 0, c = 0, d = 0, b7 = 0, c7 = 0, d7 = 0, unused = 0;
    (void)__get_cpuid(1, &a, &b, &c, &d);
    (void)__get_cpuid_count(7, 0, &unused, &b7, &c7, &d7);
    (void)snprintf(text, size, "%x.%x.%x.%x.%x.%x", a, c, d, b7, c7, d7);
}

int cache_variant(const CacheConfig *config, char ret_hex[DIGEST_HEX_SIZE + 1])
{
    const char *cpu = config->cpu != NULL ? config->cpu : "x86-64-v2";
    char host[64] = "";
    if (strcmp(cpu, "native") == 0) {
        cpu_text(host, sizeof(host));
    }
    char text[512];
    const int size = snprintf(text, sizeof(text), "recompiler-object-1\n%s\nabi %u\ncpu %s %s\nopt %d\nbase %" PRIx64 "\n", CODEGEN_ID,
                              RT_ABI_VERSION, cpu, host, config->opt_level, cache_memory_base());
    if (size < 0 || (size_t)size >= sizeof(text)) {
        return -EINVAL;
    }
    Digest digest;
    const int r = sha256(text, (size_t)size, &digest);
    if (r == 0) {
        digest_hex(&digest, ret_hex);
    }
    return r;
}
