/* SPDX-License-Identifier: Apache-2.0 */
/*
 * version.c - `recompiler --version`. The LLVM version is the one the code generator was built with: this process has no LLVM.
 */
#include "cmd/version.h"

#include <stdio.h>
#include <string.h>

#include "abi/abi.h"
#include "cmd/cmd.h"
#include "codegen-id.h"

void version_print(void)
{
    __builtin_cpu_init();
    const struct { const char *name; int has; } features[] = {
        {"sse4.2", __builtin_cpu_supports("sse4.2")}, {"popcnt", __builtin_cpu_supports("popcnt")},
        {"avx", __builtin_cpu_supports("avx")},       {"avx2", __builtin_cpu_supports("avx2")},
        {"bmi2", __builtin_cpu_supports("bmi2")},     {"avx512f", __builtin_cpu_supports("avx512f")},
    };
    const char *llvm = strstr(CODEGEN_ID, "LLVM ");
    llvm = llvm != NULL ? llvm + 5 : "unknown";
    if (opt_global.is_json) {
        json_t *list = json_array();
        for (size_t i = 0; i < sizeof(features) / sizeof(features[0]); i++) {
            if (features[i].has) {
                json_array_append_new(list, json_string(features[i].name));
            }
        }
        cmd_print_json(json_pack("{s:s, s:i, s:s, s:s, s:o}", "version", RECOMPILER_VERSION, "abi", (int)RT_ABI_VERSION, "llvm", llvm,
                                 "codegen", CODEGEN_ID, "cpu", list));
        return;
    }
    printf("recompiler %s\nabi %u\nllvm %s\ncpu", RECOMPILER_VERSION, RT_ABI_VERSION, llvm);
    for (size_t i = 0; i < sizeof(features) / sizeof(features[0]); i++) {
        if (features[i].has) {
            printf(" %s", features[i].name);
        }
    }
    printf("\n");
}
