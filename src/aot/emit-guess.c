/* SPDX-License-Identifier: Apache-2.0 */
/*
 * emit-guess.c - calls through a table whose callee can be one of few small functions: those are called directly, and so inlined.
 *
 *   if (code == shape_area)      ... inlined
 *   else if (code == box_area)   ... inlined
 *   else                         call *code
 *
 * The guess is never wrong, only useless: what is not one of them is called as ever. Candidates are the functions of that signature
 * in the module's element segments; with more than GUESS_MAXIMUM the comparisons would cost more than the call. This is what V8 does with the
 * callees it has counted (there up to four, too).
 */
#include <errno.h>

#include "aot/throw-int.h"

#define GUESS_INSTRUCTIONS 64u /* of a callee that is worth it */

/* --- candidates --- */

static void guess_add(Guess *guess, uint32_t func_index)
{
    for (uint32_t i = 0; i < guess->count; i++) {
        if (i == GUESS_MAXIMUM || guess->funcs[i] == func_index) {
            return;
        }
    }
    if (guess->count < GUESS_MAXIMUM) {
        guess->funcs[guess->count] = func_index;
    }
    guess->count++;
}

int plan_guesses(Plan *plan, Error *err)
{
    const WasmModule *module = plan->module;
    plan->guesses = arena_new_array(plan->arena, module->type_count, Guess);
    if (plan->guesses == NULL) {
        return error_set(err, ENOMEM, "out of memory");
    }
    for (uint32_t i = 0; i < module->elem_count; i++) {
        for (uint32_t k = 0; k < module->elems[i].item_count; k++) {
            bool is_null;
            uint32_t func_index;
            if (meta_elem_item(plan, &module->elems[i], k, &is_null, &func_index) && !is_null) {
                guess_add(&plan->guesses[plan->first_equal[module->funcs[func_index].type_index]], func_index);
            }
        }
    }
    return 0;
}

/* --- code --- */

static bool is_worth_it(const Unit *unit, uint32_t func_index)
{
    const Partition *partition = unit->partition;
    return partition != NULL && func_index >= partition->first_func && func_index < partition->end_func &&
           unit->plan->scans[func_index].instr_count <= GUESS_INSTRUCTIONS;
}

void emit_guessed_call(Emit *e, uint32_t type_index, LLVMValueRef code)
{
    Unit *unit = e->unit;
    const Plan *plan = unit->plan;
    const WasmFuncType *type = &plan->module->types[type_index];
    const Guess *guess = &plan->guesses[plan->first_equal[type_index]];
    LLVMValueRef values[GUESS_MAXIMUM + 1];
    LLVMBasicBlockRef blocks[GUESS_MAXIMUM + 1];
    LLVMBasicBlockRef last = NULL;
    const uint32_t stack_count = e->stack_count;
    const bool may_guess = plan->options->opt_level >= 2 && type->result_count <= 1 && !plan->is_tail_type[type_index] && guess->count <= GUESS_MAXIMUM;
    LLVMValueRef first = type->param_count > 0 ? e->stack[stack_count - type->param_count] : NULL; /* where a call's result goes */
    uint32_t count = 0;
    for (uint32_t i = 0; may_guess && i < guess->count; i++) {
        if (!is_worth_it(unit, guess->funcs[i])) {
            continue;
        }
        LLVMValueRef callee = unit_func(unit, guess->funcs[i]);
        LLVMBasicBlockRef hit = emit_new_block(e), miss = emit_new_block(e);
        last = last != NULL ? last : emit_new_block(e);
        LLVMBuildCondBr(e->builder, LLVMBuildICmp(e->builder, LLVMIntEQ, code, callee, ""), hit, miss);
        emit_at(e, hit);
        emit_call(e, guess->funcs[i], false);
        values[count] = type->result_count == 1 ? emit_pop(e) : NULL;
        blocks[count++] = LLVMGetInsertBlock(e->builder);
        LLVMBuildBr(e->builder, last);
        e->stack_count = stack_count;
        if (first != NULL) {
            e->stack[stack_count - type->param_count] = first;
        }
        emit_at(e, miss);
    }
    emit_call_code(e, type_index, code, NULL, false);
    if (count == 0) {
        return;
    }
    values[count] = type->result_count == 1 ? emit_pop(e) : NULL;
    blocks[count++] = LLVMGetInsertBlock(e->builder);
    LLVMBuildBr(e->builder, last);
    emit_at(e, last);
    if (type->result_count == 1) {
        LLVMValueRef phi = LLVMBuildPhi(e->builder, unit_value_type(unit, type->types[type->param_count]), "");
        LLVMAddIncoming(phi, values, blocks, count);
        emit_push(e, phi);
    }
}
