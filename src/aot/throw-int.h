/* SPDX-License-Identifier: Apache-2.0 */
/*
 * throw-int.h - what the files of src/aot share about blocks, exceptions and tail calls with arguments in memory.
 */
#pragma once

#include "aot/aot-int.h"

struct Frame {
    uint32_t opcode;              /* WASM_OP_BLOCK, LOOP, IF; 0: the function body */
    LLVMBasicBlockRef target;     /* where br goes: the end, or a loop's head */
    LLVMBasicBlockRef else_block; /* IF whose else has not come yet */
    uint32_t param_count, result_count;
    uint32_t stack_base;          /* operands below the block's parameters */
    uint32_t phi_base;            /* in Emit.phis: phis of the target, then saved parameters of an IF */
    bool is_target_used;
    bool is_trying;               /* exceptions of what is inside go to dispatch */
    LLVMBasicBlockRef pad;        /* NULL until a call needs it */
    LLVMBasicBlockRef dispatch;   /* NULL until something can throw */
    LLVMBasicBlockRef next_dispatch; /* of a try: where what the catches so far did not take goes; NULL: nothing is left */
    LLVMValueRef exception;       /* phi of dispatch; a catch's exception */
    uint32_t list_count;          /* clauses of a try_table */
    size_t list_start;
};

/* plan.c, plan-throw.c */
int plan_guesses(Plan *plan, Error *err) WARN_UNUSED; /* emit-guess.c */
bool plan_has_stack_arguments(const WasmFuncType *type); /* what the C convention of some target passes on the stack */
int plan_throws(Plan *plan, Error *err) WARN_UNUSED;

/* unit.c */
LLVMValueRef unit_personality(Unit *unit);
/* Functions of tail types: the body that takes its arguments from memory, its type, and the bodies of all functions by index. */
LLVMTypeRef unit_tail_type(Unit *unit, uint32_t type_index);
LLVMValueRef unit_tail_func(Unit *unit, uint32_t func_index);
LLVMValueRef unit_tail_bodies(Unit *unit);

/* emit.c */
/* emit_runtime_call_throwing() - the same when an exception may leave the call. */
LLVMValueRef emit_runtime_call_throwing(Emit *e, size_t offset, LLVMTypeRef result, LLVMValueRef *args, unsigned arg_count);

/* emit-exception.c */
bool emit_exception(Emit *e, const WasmInstr *instr);
void emit_handlers(Emit *e);
LLVMBasicBlockRef emit_landing_pad(Emit *e);
int emit_scan_rethrows(Emit *e, size_t start) WARN_UNUSED;

/* emit-call.c */
/* emit_call_code() - a call of code that has the C convention of that type. func_index: the callee's number in this object's
 * function list, from its reference (the upper bit or a number past the list: foreign), or NULL when it is not known. */
void emit_call_code(Emit *e, uint32_t type_index, LLVMValueRef code, LLVMValueRef func_index, bool is_tail);
void emit_guessed_call(Emit *e, uint32_t type_index, LLVMValueRef code); /* emit-guess.c: the same, to functions it can be */
void emit_tail_entry(Unit *unit, uint32_t func_index);
LLVMValueRef emit_tail_argument(Emit *e, uint32_t index);
