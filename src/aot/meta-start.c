/* SPDX-License-Identifier: Apache-2.0 */
/*
 * meta-start.c - instantiation of a plain module (wasm core 4.5.4): globals, tables, segments, start function.
 */
#include <stdlib.h>
#include <string.h>

#include "aot/aot-int.h"

/* A validated constant expression is code without control flow: the families translate it. */
static LLVMValueRef emit_const_expr(Emit *e, const WasmConstExpr *expr)
{
    WasmInstr instr = {.end = 0};
    while (instr.end < expr->code.size) {
        if (wasm_instr_read(expr->code, expr->offset, instr.end, &instr, NULL) < 0 || instr.opcode == WASM_OP_END) {
            break;
        }
        must(emit_variable(e, &instr) || emit_numeric(e, &instr) || emit_simd(e, &instr));
    }
    return emit_pop(e);
}

/* Is the item ref.func or ref.null, known without an instance? */
bool meta_elem_item(const Plan *plan, const WasmElemSegment *segment, uint32_t item, bool *ret_is_null, uint32_t *ret_func)
{
    (void)plan;
    *ret_is_null = false;
    if (segment->func_indices != NULL) {
        *ret_func = segment->func_indices[item];
        return true;
    }
    const WasmConstExpr *expr = &segment->exprs[item];
    WasmInstr instr;
    if (wasm_instr_read(expr->code, expr->offset, 0, &instr, NULL) < 0) {
        *ret_is_null = true;
        return false;
    }
    *ret_is_null = instr.opcode != WASM_OP_REF_FUNC;
    *ret_func = instr.opcode == WASM_OP_REF_FUNC ? instr.index : 0;
    return instr.opcode == WASM_OP_REF_FUNC || instr.opcode == WASM_OP_REF_NULL;
}

static bool is_elem_constant(const Plan *plan, const WasmElemSegment *segment)
{
    for (uint32_t k = 0; k < segment->item_count; k++) {
        bool is_null;
        uint32_t func_index;
        if (!meta_elem_item(plan, segment, k, &is_null, &func_index)) {
            return false;
        }
    }
    return true;
}

static void start_globals(Emit *e, const WasmModule *module)
{
    for (uint32_t i = module->imported_global_count; i < module->global_count; i++) {
        emit_global_set(e, i, emit_const_expr(e, &module->globals[i].init));
    }
    for (uint32_t i = module->imported_table_count; i < module->table_count; i++) {
        if (module->tables[i].has_init) {
            LLVMValueRef args[] = {emit_i32(e, i), emit_i32(e, 0), emit_const_expr(e, &module->tables[i].init),
                                   emit_i32(e, (uint32_t)module->tables[i].limits.minimum)};
            emit_runtime_call(e, offsetof(RtRuntime, table_fill), e->unit->void_type, args, 4);
        }
    }
}

static void start_elems(Emit *e, const WasmModule *module)
{
    for (uint32_t i = 0; i < module->elem_count; i++) {
        const WasmElemSegment *segment = &module->elems[i];
        for (uint32_t k = 0; k < segment->item_count && !is_elem_constant(e->unit->plan, segment); k++) {
            LLVMValueRef args[] = {emit_i32(e, i), emit_i32(e, k),
                                   segment->func_indices != NULL ? emit_func_ref(e, segment->func_indices[k]) : emit_const_expr(e, &segment->exprs[k])};
            emit_runtime_call(e, offsetof(RtRuntime, elem_set), e->unit->void_type, args, 3);
        }
    }
    for (uint32_t i = 0; i < module->elem_count; i++) {
        const WasmElemSegment *segment = &module->elems[i];
        LLVMValueRef index = emit_i32(e, i);
        if (segment->mode == WASM_SEGMENT_ACTIVE) {
            LLVMValueRef args[] = {emit_i32(e, segment->table_index), index, emit_table_index(e, emit_const_expr(e, &segment->offset)), emit_i32(e, 0),
                                   emit_i32(e, segment->item_count)};
            emit_runtime_call(e, offsetof(RtRuntime, table_init), e->unit->void_type, args, 5);
        }
        if (segment->mode != WASM_SEGMENT_PASSIVE) {
            emit_runtime_call(e, offsetof(RtRuntime, elem_drop), e->unit->void_type, &index, 1);
        }
    }
}

static void start_datas(Emit *e, const WasmModule *module)
{
    for (uint32_t i = 0; i < module->data_count; i++) {
        const WasmDataSegment *segment = &module->datas[i];
        if (segment->mode == WASM_SEGMENT_ACTIVE) {
            LLVMValueRef index = emit_i32(e, i);
            const bool is_plain = emit_memory_is_plain(e, segment->memory_index);
            LLVMValueRef address = emit_const_expr(e, &segment->offset);
            LLVMValueRef args[] = {emit_i32(e, segment->memory_index), index, is_plain ? address : emit_widen(e, address), emit_i32(e, 0),
                                   emit_i32(e, (uint32_t)segment->bytes.size)};
            emit_runtime_call(e, is_plain ? offsetof(RtRuntime, memory_init) : offsetof(RtRuntime, memory_init_any), e->unit->void_type,
                              is_plain ? args + 1 : args, is_plain ? 4 : 5);
            emit_runtime_call(e, offsetof(RtRuntime, data_drop), e->unit->void_type, &index, 1);
        }
    }
}

LLVMValueRef meta_instantiate(Unit *unit)
{
    const WasmModule *module = unit->plan->module;
    LLVMTypeRef type = LLVMFunctionType(unit->void_type, &unit->ptr, 1, 0);
    LLVMValueRef function = unit_add_func(unit, "rc_instantiate", type);
    unit_set_func_attributes(unit, function, false);
    Emit e = {.unit = unit, .builder = unit->builder, .function = function, .instance = LLVMGetParam(function, 0)};
    LLVMSetCurrentDebugLocation2(unit->builder, NULL);
    emit_at(&e, emit_new_block(&e));
    start_globals(&e, module);
    start_elems(&e, module);
    start_datas(&e, module);
    if (module->has_start) {
        LLVMValueRef call = LLVMBuildCall2(unit->builder, type, unit_func(unit, module->start_func), &e.instance, 1, "");
        LLVMSetTailCallKind(call, LLVMTailCallKindNoTail);
    }
    LLVMBuildRetVoid(unit->builder);
    free(e.stack);
    return function;
}
