/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plan-throw.c - which functions an exception can leave; which types' arguments go through memory in tail calls.
 *
 * Only calls of functions that may throw are invokes with a landing pad, and a module in which nothing throws is compiled as if there
 * were no exceptions. May throw: a body with throw, rethrow or throw_ref; one that calls through a table or a reference while
 * any function of the module may throw; one that calls such a function. An imported function may throw only in plain modules, where it can be
 * another instance's: a host function cannot let an exception through (rt/unwind.c).
 * Whether a handler in between catches everything is not looked at: that costs an attribute, never correctness.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "aot/throw-int.h"

typedef struct Edge {
    uint32_t callee, caller;
} Edge;

typedef struct Scan {
    Plan *plan;
    Edge *edges; /* owned */
    size_t edge_count, edge_capacity;
    bool has_exceptions; /* some body throws or catches */
} Scan;

static int edge_add(Scan *scan, uint32_t callee, uint32_t caller)
{
    if (scan->edge_count == scan->edge_capacity) {
        const size_t capacity = scan->edge_capacity == 0 ? 1024 : scan->edge_capacity * 2;
        Edge *edges = realloc(scan->edges, capacity * sizeof(*edges));
        if (edges == NULL) {
            return -ENOMEM;
        }
        scan->edges = edges;
        scan->edge_capacity = capacity;
    }
    scan->edges[scan->edge_count++] = (Edge){callee, caller};
    return 0;
}

/* A tail call to another type: the stack below the caller's frame may be too small for its arguments. */
static void note_tail_call(Plan *plan, uint32_t caller, uint32_t type_index)
{
    const WasmModule *module = plan->module;
    if (plan->signature_ids[module->funcs[caller].type_index] == plan->signature_ids[type_index] || !plan_has_stack_arguments(&module->types[type_index])) {
        return;
    }
    for (uint32_t i = 0; i < module->type_count; i++) { /* equal types are one type */
        plan->is_tail_type[i] |= plan->signature_ids[i] == plan->signature_ids[type_index];
    }
    plan->has_tail_types = true;
}

static int note_instr(Scan *scan, uint32_t caller, const WasmInstr *instr)
{
    Plan *plan = scan->plan;
    switch (instr->opcode) {
    case WASM_OP_RETURN_CALL:
        note_tail_call(plan, caller, plan->module->funcs[instr->index].type_index);
        return edge_add(scan, instr->index, caller);
    case WASM_OP_CALL: return edge_add(scan, instr->index, caller);
    case WASM_OP_RETURN_CALL_REF:
    case WASM_OP_RETURN_CALL_INDIRECT: note_tail_call(plan, caller, instr->index); break;
    case WASM_OP_CALL_REF:
    case WASM_OP_CALL_INDIRECT: break;
    case WASM_OP_THROW:
    case WASM_OP_THROW_REF:
    case WASM_OP_RETHROW: scan->has_exceptions = true; break;
    case WASM_OP_TRY:
    case WASM_OP_TRY_TABLE: scan->has_exceptions = true; return 0;
    default: return 0;
    }
    plan->may_throw[caller] = 1;
    return 0;
}

/* A body that cannot be decoded is reported when it is compiled. */
static int scan_function(Scan *scan, uint32_t func_index)
{
    const WasmFunc *func = &scan->plan->module->funcs[func_index];
    WasmLocals locals;
    if (wasm_locals_read(func->body, func->body_offset, wasm_func_type(scan->plan->module, func_index)->param_count, NULL, &locals, NULL) < 0) {
        return 0;
    }
    WasmInstr instr = {.end = locals.code_start};
    int r = 0;
    while (r == 0 && instr.end < func->body.size && wasm_instr_read(func->body, func->body_offset, instr.end, &instr, NULL) == 0) {
        r = note_instr(scan, func_index, &instr);
    }
    return r;
}

static int compare_edges(const void *a, const void *b)
{
    const Edge *left = a, *right = b;
    return left->callee != right->callee ? (left->callee < right->callee ? -1 : 1) : 0;
}

/* From each function that may throw to its callers. */
static int spread(Scan *scan)
{
    Plan *plan = scan->plan;
    const uint32_t count = plan->module->func_count;
    uint32_t *list = calloc(count + 1u, sizeof(*list));
    if (list == NULL) {
        return -ENOMEM;
    }
    if (scan->edge_count > 0) {
        qsort(scan->edges, scan->edge_count, sizeof(Edge), compare_edges);
    }
    uint32_t pending = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (plan->may_throw[i]) {
            list[pending++] = i;
        }
    }
    while (pending > 0) {
        const uint32_t callee = list[--pending];
        size_t low = 0, high = scan->edge_count;
        while (low < high) {
            const size_t middle = low + (high - low) / 2;
            if (scan->edges[middle].callee < callee) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        for (; low < scan->edge_count && scan->edges[low].callee == callee; low++) {
            const uint32_t caller = scan->edges[low].caller;
            if (!plan->may_throw[caller]) {
                plan->may_throw[caller] = 1;
                list[pending++] = caller;
            }
        }
    }
    free(list);
    return 0;
}

int plan_throws(Plan *plan, Error *err)
{
    const WasmModule *module = plan->module;
    Scan scan = {.plan = plan};
    plan->may_throw = arena_new_array(plan->arena, module->func_count, uint8_t);
    plan->is_tail_type = arena_new_array(plan->arena, module->type_count, bool);
    if (plan->may_throw == NULL || plan->is_tail_type == NULL) {
        return error_set(err, ENOMEM, "out of memory");
    }
    int r = 0;
    for (uint32_t i = module->imported_func_count; i < module->func_count && r == 0; i++) {
        r = scan_function(&scan, i);
    }
    /* A program's exceptions are its own: without tags there are none. */
    plan->has_exceptions = scan.has_exceptions && (!plan->has_entries || module->tag_count > 0);
    for (uint32_t i = 0; i < module->imported_func_count; i++) {
        /* Another instance's exception may pass through a frame whose setjmp records must go. */
        plan->has_exceptions |= !plan->has_entries && plan->jump_kinds[i] != JUMP_NONE;
        plan->may_throw[i] = !plan->has_entries;
    }
    if (!plan->has_exceptions) {
        memset(plan->may_throw, 0, module->func_count);
    } else if (r == 0) {
        r = spread(&scan);
    }
    free(scan.edges);
    return r < 0 ? error_set(err, -r, "out of memory") : 0;
}
