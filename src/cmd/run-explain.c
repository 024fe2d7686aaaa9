/* SPDX-License-Identifier: Apache-2.0 */
/*
 * run-explain.c - `run --explain`: the gate's own steps, printed. It asks the same function that decides; nothing runs.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "cmd/run-int.h"

static void step_hex(const GateStep *step, char text[8 + DIGEST_HEX_SIZE])
{
    char hex[DIGEST_HEX_SIZE + 1] = "";
    if (step->has_digest) {
        digest_hex(&step->digest, hex);
    }
    (void)snprintf(text, 8 + DIGEST_HEX_SIZE, "%s%s", step->has_digest ? "sha256:" : "", hex);
}

static json_t *explain_json(const ContainerConfig *config, const GateVerdict *verdict)
{
    char hex[8 + DIGEST_HEX_SIZE] = "";
    char manifest_hex[DIGEST_HEX_SIZE + 1];
    json_t *chain = json_array();
    for (uint32_t i = 0; i < verdict->step_count; i++) {
        const GateStep *step = &verdict->steps[i];
        step_hex(step, hex);
        json_array_append_new(chain, json_pack("{s:o, s:o, s:s?, s:I, s:b, s:s}", "path", cmd_json_text(step->path), "resolved", cmd_json_text(step->resolved), "sha256",
                                               step->has_digest ? hex : NULL, "size", (json_int_t)step->size, "script", step->is_script, "reason",
                                               step->reason != NULL ? step->reason : ""));
    }
    json_t *keys = json_array();
    for (size_t i = 0; i < config->key_count; i++) {
        json_array_append_new(keys, json_string(config->keys[i]));
    }
    const GateStep *first = verdict->step_count > 0 ? &verdict->steps[0] : NULL;
    const bool is_allowed = verdict->kind == GATE_ALLOW;
    if (first != NULL) {
        step_hex(first, hex);
    }
    digest_hex(manifest_digest(config->manifest), manifest_hex);
    return json_pack("{s:o, s:o, s:o, s:s?, s:o, s:s, s:s, s:s?, s:s?, s:{s:s, s:I, s:s}, s:o, s:{s:s, s:I}, s:o, s:s}", "image", cmd_json_text(config->image),
                     "path", cmd_json_text(config->program), "resolved", cmd_json_text(first != NULL ? first->resolved : NULL), "sha256",
                     first != NULL && first->has_digest ? hex : NULL, "size",
                     first != NULL ? json_integer((json_int_t)first->size) : json_null(), "verdict", is_allowed ? "allow" : "deny", "reason",
                     verdict->reason, "entry", is_allowed ? verdict->row.entry : NULL, "abi", is_allowed ? verdict->row.abi : NULL, "manifest",
                     "name", manifest_name(config->manifest), "serial", (json_int_t)manifest_serial(config->manifest), "sha256", manifest_hex,
                     "keys", keys, "policy", "mode", policy_is_monitor(config->policy) ? "monitor" : "enforce", "generation",
                     (json_int_t)policy_generation(config->policy), "chain", chain, "errno", is_allowed ? "" : error_name(verdict->error));
}

static void explain_print(const ContainerConfig *config, const GateVerdict *verdict)
{
    char hex[8 + DIGEST_HEX_SIZE];
    printf("image     %s\n", cmd_text(config->image));
    for (uint32_t i = 0; i < verdict->step_count; i++) {
        const GateStep *step = &verdict->steps[i];
        step_hex(step, hex);
        printf("%s %s\n", i == 0 ? "path     " : "then     ", cmd_text(step->path));
        printf("  resolved  %s\n  size      %" PRIu64 "\n", cmd_text(step->resolved), step->size);
        printf("  sha256    %s\n  %s%s\n", step->has_digest ? hex : "not computed", step->is_script ? "script: " : "", step->reason != NULL ? step->reason : "");
    }
    printf("manifest  %s serial %" PRIu64 "\n", manifest_name(config->manifest), manifest_serial(config->manifest));
    for (size_t i = 0; i < config->key_count; i++) {
        printf("signed by %s\n", config->keys[i]);
    }
    if (verdict->kind == GATE_ALLOW) {
        printf("verdict   allow: entry %s (abi %s)\n", verdict->row.entry, verdict->row.abi);
    } else {
        printf("verdict   deny: %s (%s)\n", verdict->reason, error_name(verdict->error));
    }
}

int run_explain(const ContainerConfig *config, const Loaded *loaded)
{
    (void)loaded;
    Error err = ERROR_INIT;
    GateVerdict *verdict = calloc(1, sizeof(*verdict));
    const int r = verdict == NULL ? error_set(&err, ENOMEM, "out of memory") : container_decide(config, CONTAINER_ASK_EXPLAIN, verdict, &err);
    if (r < 0) {
        free(verdict);
        return cmd_fail("run", r, &err, EXIT_OWN_FAILURE);
    }
    if (opt_global.is_json) {
        cmd_print_json(explain_json(config, verdict));
    } else {
        explain_print(config, verdict);
    }
    const int code = verdict->kind == GATE_ALLOW ? 0 : verdict->error == ENOENT || verdict->error == ENOTDIR ? EXIT_NOT_FOUND : EXIT_DENIED;
    gate_verdict_deinit(verdict);
    free(verdict);
    return code;
}
