/* SPDX-License-Identifier: Apache-2.0 */
/* Policy documents: what is accepted answers all questions and survives being written again. */
#include <stdlib.h>
#include <string.h>

#include "base/must.h"
#include "manifest/policy.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    Policy *policy = NULL;
    Error err = ERROR_INIT;
    if (policy_parse((const char *)bytes, size, &policy, &err) < 0) {
        must(policy == NULL && err.code != 0);
        return 0;
    }
    const size_t minimum_count = policy_minimum_count(policy);
    PolicyMinimum *minimums = calloc(minimum_count + 1, sizeof(*minimums));
    must(minimums != NULL);
    for (size_t i = 0; i < minimum_count; i++) {
        minimums[i].name = policy_minimum_at(policy, i, &minimums[i].serial);
        must(policy_minimum_serial(policy, minimums[i].name) == minimums[i].serial);
    }
    const PolicySpec spec = {.name = policy_name(policy),
                             .serial = policy_generation(policy),
                             .is_monitor = policy_is_monitor(policy),
                             .has_allow_list = policy_has_allow_list(policy),
                             .allow_count = policy_allow_count(policy),
                             .allow = policy_allow_count(policy) > 0 ? policy_allow_at(policy, 0) : NULL,
                             .deny_count = policy_deny_count(policy),
                             .deny = policy_deny_count(policy) > 0 ? policy_deny_at(policy, 0) : NULL,
                             .minimums = minimums,
                             .minimum_count = minimum_count};
    Buf text = BUF_INIT(16u << 20);
    Policy *again = NULL;
    must(policy_write(&spec, &text, &err) == 0 && policy_parse((const char *)text.bytes, text.size, &again, &err) == 0);
    must(policy_deny_count(again) == policy_deny_count(policy) &&
         policy_allow_count(again) == policy_allow_count(policy));
    for (size_t i = 0; i < policy_deny_count(policy); i++) {
        must(policy_is_denied(again, policy_deny_at(policy, i)));
    }
    policy_free(again);
    buf_deinit(&text);
    free(minimums);
    policy_free(policy);
    return 0;
}
