/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plan-scan.c - one pass over all bodies, and the partitions that follow from it.
 *
 * A partition is what is compiled, and kept in the cache of units, as a whole: callees are inlined within it. Its borders are chosen by
 * content: a function is the last of its partition when the hash of its opcodes is small for its size. So when one
 * program of a megabinary changes, only the partitions with changed functions differ; the borders behind them are found again.
 * Neither immediates nor byte counts have a say, because indices and the length of their encoding depend on all other functions.
 *
 *   functions   a b c d e f g h i j k        one function before h becomes d'
 *   borders         ^     ^   ^     ^        a b c | d' e f | g h | i j k
 */
#include <errno.h>

#include "aot/aot-int.h"

/* In instructions. Small enough that all CPUs have work and an edit costs little, large enough that callees can be inlined [measured: lua]. */
#define PARTITION_MINIMUM 4096u
#define PARTITION_STEP 16384u   /* beyond the minimum, on average */
#define PARTITION_MAXIMUM 65536u
#define PARTITION_FUNCS_MAXIMUM 8192u /* up to four sections of the object file each, of which there are less than 65280 */
#define PARTITION_SPAN_MAXIMUM (64u << 20) /* bytes in the module: far below UNIT_LINE_BIAS, reached by tables of branches only */

static uint64_t hash_step(uint64_t hash, uint32_t value)
{
    hash = (hash ^ value) * 0x9e3779b97f4a7c15u;
    return hash ^ hash >> 29;
}

static bool changes_table(const WasmInstr *instr)
{
    switch (instr->opcode) {
    case WASM_OP_TABLE_SET:
    case WASM_OP_TABLE_GROW:
    case WASM_OP_TABLE_FILL: return instr->index == 0;
    case WASM_OP_TABLE_INIT: /* element segment and table in either order: be cautious */
    case WASM_OP_TABLE_COPY: return true;
    default: return false;
    }
}

/* What the function's frame, its attributes and its copies (emit-func.c) depend on. */
static void note_call(const Plan *plan, uint32_t func_index, const WasmInstr *instr, FuncScan *scan)
{
    switch (instr->opcode) {
    case WASM_OP_RETURN_CALL:
    case WASM_OP_RETURN_CALL_INDIRECT:
    case WASM_OP_RETURN_CALL_REF: scan->has_tail_call = true; break;
    case WASM_OP_RETHROW: scan->has_rethrow = true; break;
    case WASM_OP_CALL:
        scan->self_calls += instr->index == func_index;
        if (instr->index < plan->module->imported_func_count) {
            const uint8_t kind = plan->jump_kinds[instr->index];
            scan->has_jump |= kind != JUMP_NONE;
            scan->calls_setjmp |= kind == JUMP_SETJMP || kind == JUMP_SIGSETJMP;
        }
        break;
    default: break;
    }
}

static void scan_body(Plan *plan, uint32_t func_index)
{
    const WasmFunc *func = &plan->module->funcs[func_index];
    FuncScan *scan = &plan->scans[func_index];
    WasmLocals locals;
    scan->hash = 1;
    scan->changes_table = true;
    if (wasm_locals_read(func->body, func->body_offset, wasm_func_type(plan->module, func_index)->param_count, NULL, &locals, NULL) < 0) {
        return;
    }
    bool is_changed = false;
    WasmInstr instr = {.end = locals.code_start};
    while (instr.end < func->body.size) {
        if (wasm_instr_read(func->body, func->body_offset, instr.end, &instr, NULL) < 0) {
            return;
        }
        scan->instr_count++;
        scan->hash = hash_step(scan->hash, instr.opcode);
        is_changed |= changes_table(&instr);
        note_call(plan, func_index, &instr, scan);
        if (instr.opcode == WASM_OP_REF_FUNC && instr.index < plan->module->func_count) {
            plan->scans[instr.index].is_referenced = true;
        }
    }
    scan->changes_table = is_changed;
}

int plan_scan(Plan *plan, Error *err)
{
    const WasmModule *module = plan->module;
    plan->scans = arena_new_array(plan->arena, module->func_count, FuncScan);
    if (plan->scans == NULL) {
        return error_set(err, ENOMEM, "out of memory");
    }
    if (module->func_count > 0) {
        plan->scans[0].is_referenced = true; /* emit-reference.c takes it for the beginning of all references */
    }
    for (uint32_t i = module->imported_func_count; i < module->func_count; i++) {
        scan_body(plan, i);
    }
    for (uint32_t i = 0; i < plan->entries.count; i++) {
        plan->scans[plan->entries.entries[i].stub_func].is_stub = true;
    }
    return 0;
}

/* Table 0 is constant when it is the module's own, nobody else can reach it and no function but a start stub changes it. */
bool plan_is_table_constant(const Plan *plan)
{
    const WasmModule *module = plan->module;
    if (!plan->has_entries || module->table_count != 1 || module->tables[0].is_imported) {
        return false;
    }
    for (uint32_t i = module->imported_func_count; i < module->func_count; i++) {
        if (!plan->scans[i].is_stub && plan->scans[i].changes_table) {
            return false;
        }
    }
    return true;
}

/* Is this function the last of the partition? Start stubs, which differ whenever anything does, stay apart. */
static bool is_border(const Plan *plan, const Partition *partition, uint32_t func_index)
{
    const WasmFunc *funcs = plan->module->funcs;
    const FuncScan *scan = &plan->scans[func_index];
    const uint64_t weight = partition->weight;
    if (func_index + 1 == plan->module->func_count || scan->is_stub != scan[1].is_stub) {
        return true;
    }
    if (weight + scan[1].instr_count > PARTITION_MAXIMUM) { /* what is larger than that is alone */
        return true;
    }
    if (func_index + 1 - partition->first_func == PARTITION_FUNCS_MAXIMUM) {
        return true;
    }
    if (funcs[func_index + 1].body_offset + funcs[func_index + 1].body.size - funcs[partition->first_func].body_offset > PARTITION_SPAN_MAXIMUM) {
        return true;
    }
    const uint32_t weighted = scan->instr_count < PARTITION_STEP ? scan->instr_count : PARTITION_STEP;
    return weight >= PARTITION_MINIMUM && (uint32_t)(scan->hash >> 32) / (UINT32_MAX / PARTITION_STEP + 1) < weighted;
}

int plan_partitions(Plan *plan, Error *err)
{
    const WasmModule *module = plan->module;
    for (int pass = 0; pass < 2; pass++) { /* counts, then fills */
        Partition partition = {.first_func = module->imported_func_count};
        plan->partition_count = 0;
        for (uint32_t i = partition.first_func; i < module->func_count; i++) {
            partition.weight += plan->scans[i].instr_count;
            if (is_border(plan, &partition, i)) {
                partition.end_func = i + 1;
                if (pass == 1) {
                    plan->partitions[plan->partition_count] = partition;
                }
                plan->partition_count++;
                partition = (Partition){.first_func = i + 1};
            }
        }
        if (pass == 0) {
            plan->partitions = arena_new_array(plan->arena, plan->partition_count, Partition);
            if (plan->partitions == NULL) {
                return error_set(err, ENOMEM, "out of memory");
            }
        }
    }
    return 0;
}
