/* SPDX-License-Identifier: Apache-2.0 */
/*
 * share.c - reachability per entry. Every body is decoded once, into the list of functions and element segments that
 * it names; then each entry walks these lists on its own.
 */
#include "wasm/share.h"

#include <errno.h>
#include <inttypes.h>

#include "base/limits.h"
#include "wasm/instr.h"

enum { /* instructions that name a function or an element segment (wasm core 5.4) */
    OP_CALL = 0x10,
    OP_RETURN_CALL = 0x12,
    OP_REF_FUNC = 0xd2,
    OP_TABLE_INIT = 0xfc000c,
};

#define SHARE_STEPS_MAX (2ull << 30) /* [guess] about ten seconds */

typedef struct Share {
    const WasmModule *module;
    const MegaEntries *entries;
    Error *err;
    Buf edges;             /* nodes, by function: first_edges; a node is a function or func_count + element segment */
    uint64_t *first_edges; /* func_count + elem_count + 1 */
    uint32_t *queue;       /* nodes reached by the current entry */
    uint32_t queue_count;
    uint32_t *seen;        /* by node: the last entry that reached it, plus 1 */
    uint32_t *users;       /* by node: entries that reach it */
    uint32_t node_count;
} Share;

static int edge_add(Share *share, uint32_t index, bool is_elem)
{
    const uint32_t limit = is_elem ? share->module->elem_count : share->module->func_count;
    if (index >= limit) {
        return error_set(share->err, EBADMSG, "%s %u of %u", is_elem ? "element segment" : "function", index, limit);
    }
    const uint32_t node = is_elem ? share->module->func_count + index : index;
    buf_append(&share->edges, &node, sizeof(node));
    return buf_error(&share->edges);
}

static int code_edges(Share *share, WasmSlice code, uint64_t module_offset, size_t position)
{
    WasmInstr instr = {.end = position};
    int r = 0;
    while (r == 0 && instr.end < code.size) {
        r = wasm_instr_read(code, module_offset, instr.end, &instr, share->err);
        if (r == 0 && (instr.opcode == OP_CALL || instr.opcode == OP_RETURN_CALL || instr.opcode == OP_REF_FUNC)) {
            r = edge_add(share, instr.index, false);
        } else if (r == 0 && instr.opcode == OP_TABLE_INIT) {
            r = edge_add(share, instr.index, true);
        }
    }
    return r;
}

static int elem_edges(Share *share, const WasmElemSegment *segment)
{
    int r = 0;
    for (uint32_t i = 0; r == 0 && i < segment->item_count; i++) {
        r = segment->func_indices != NULL ? edge_add(share, segment->func_indices[i], false)
                                          : code_edges(share, segment->exprs[i].code, segment->exprs[i].offset, 0);
    }
    return r;
}

static int edges_read(Share *share)
{
    const WasmModule *module = share->module;
    int r = 0;
    for (uint32_t i = 0; r == 0 && i < share->node_count; i++) {
        share->first_edges[i] = share->edges.size / sizeof(uint32_t);
        if (i >= module->func_count) {
            r = elem_edges(share, &module->elems[i - module->func_count]);
        } else if (!module->funcs[i].is_imported) {
            const WasmFunc *func = &module->funcs[i];
            WasmLocals locals;
            r = wasm_locals_read(func->body, func->body_offset, 0, NULL, &locals, share->err);
            r = r < 0 ? r : code_edges(share, func->body, func->body_offset, locals.code_start);
        }
    }
    share->first_edges[share->node_count] = share->edges.size / sizeof(uint32_t);
    return r;
}

static void reach(Share *share, uint32_t entry, uint32_t node)
{
    if (node < share->node_count && share->seen[node] != entry + 1) {
        share->seen[node] = entry + 1;
        share->users[node]++;
        share->queue[share->queue_count++] = node;
    }
}

static void entry_walk(Share *share, uint32_t index)
{
    const MegaEntry *entry = &share->entries->entries[index];
    share->queue_count = 0;
    reach(share, index, entry->start_func);
    reach(share, index, entry->init_func); /* UINT32_MAX: none */
    reach(share, index, entry->thread_func);
    for (uint32_t i = 0; i < entry->elem_count; i++) {
        reach(share, index, share->module->func_count + entry->elems[i].elem_index);
    }
    for (uint32_t i = 0; i < entry->global_count; i++) {
        const EntryGlobal *global = &entry->globals[i];
        if (share->module->globals[global->global_index].type == WASM_FUNCREF && global->value[0] != 0) {
            reach(share, index, (uint32_t)(global->value[0] - 1));
        }
    }
    const uint32_t *edges = (const uint32_t *)(const void *)share->edges.bytes;
    for (uint32_t next = 0; next < share->queue_count; next++) {
        const uint32_t node = share->queue[next];
        for (uint64_t i = share->first_edges[node]; i < share->first_edges[node + 1]; i++) {
            reach(share, index, edges[i]);
        }
    }
}

static void sum(Share *share, uint32_t *data_users, WasmShare *ret_share)
{
    *ret_share = (WasmShare){0};
    for (uint32_t i = 0; i < share->module->func_count; i++) {
        if (share->users[i] > 1) {
            ret_share->shared_func_count += !share->module->funcs[i].is_imported;
            ret_share->saved_code_size += (uint64_t)(share->users[i] - 1) * share->module->funcs[i].body.size;
        }
    }
    for (uint32_t i = 0; i < share->entries->count; i++) {
        const MegaEntry *entry = &share->entries->entries[i];
        for (uint32_t k = 0; k < entry->data_count; k++) {
            const uint32_t data = entry->datas[k].data_index;
            ret_share->saved_data_size += data_users[data]++ > 0 ? share->module->datas[data].bytes.size : 0;
        }
    }
}

int wasm_share_measure(const WasmModule *module, const MegaEntries *entries, Arena *arena, WasmShare *ret_share, Error *err)
{
    Share share = {.module = module, .entries = entries, .err = err, .node_count = module->func_count + module->elem_count};
    share.edges = BUF_INIT((size_t)LIMIT_MODULE_SIZE * 2);
    share.first_edges = arena_new_array(arena, (size_t)share.node_count + 1, uint64_t);
    share.queue = arena_new_array(arena, (size_t)share.node_count + 1, uint32_t);
    share.seen = arena_new_array(arena, (size_t)share.node_count + 1, uint32_t);
    share.users = arena_new_array(arena, (size_t)share.node_count + 1, uint32_t);
    uint32_t *data_users = arena_new_array(arena, (size_t)module->data_count + 1, uint32_t);
    if (!share.first_edges || !share.queue || !share.seen || !share.users || !data_users) {
        return error_set(err, ENOMEM, "no memory for %u functions", module->func_count);
    }
    int r = edges_read(&share);
    if (r == 0 && share.first_edges[share.node_count] * entries->count > SHARE_STEPS_MAX) {
        r = error_set(err, E2BIG, "%" PRIu64 " calls for %u entries", share.first_edges[share.node_count], entries->count);
    }
    for (uint32_t i = 0; r == 0 && i < entries->count; i++) {
        entry_walk(&share, i);
    }
    buf_deinit(&share.edges);
    if (r == 0) {
        sum(&share, data_users, ret_share);
    }
    return r;
}
