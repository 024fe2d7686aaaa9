/* SPDX-License-Identifier: Apache-2.0 */
/*
 * layout.c - the order of the code in an object, from a profile.
 *
 *   section   every function has one of its own (unit_set_section), so the linker can put it anywhere
 *   order     a list of symbols for the linker: rc_text_begin with the import thunks, the functions of the profile in order of their first
 *             calls, rc_startup_end. What is not in the list follows in order of the units, as everything does without a profile.
 *
 * The objects of units know nothing of it: another profile is another link, and no unit is compiled again.
 */
#include <errno.h>

#include "aot/aot-int.h"

static void symbol_append(const Plan *plan, Buf *order, uint32_t func_index, ExternalKind kind)
{
    const External symbol = {.func_index = func_index, .kind = kind};
    char name[512];
    unit_final_name(plan, &symbol, name, sizeof(name));
    buf_append_format(order, "%s\n", name);
}

int layout_check(const WasmModule *module, const Profile *profile, Error *err)
{
    for (uint32_t i = 0; i < profile->func_count; i++) {
        const uint32_t func_index = profile->funcs[i];
        if (func_index < module->imported_func_count || func_index >= module->func_count) {
            return error_set(err, EBADMSG, "profile: %u is no function with code of this module (%u to %u)", func_index, module->imported_func_count,
                             module->func_count);
        }
    }
    return 0;
}

int layout_order(const Plan *plan, Buf *order, Error *err)
{
    const Profile *profile = plan->options->profile;
    buf_append_string(order, TEXT_BEGIN_SYMBOL "\n");
    for (uint32_t i = 0; i < profile->func_count; i++) {
        const uint32_t func_index = profile->funcs[i];
        symbol_append(plan, order, func_index, EXTERNAL_FUNC);
        if (plan->is_tail_type[plan->module->funcs[func_index].type_index]) {
            symbol_append(plan, order, func_index, EXTERNAL_BODY);
        }
    }
    buf_append_string(order, STARTUP_END_SYMBOL "\n"); /* without a profile's functions there is none */
    return buf_error(order) < 0 ? error_set(err, ENOMEM, "out of memory") : 0;
}
