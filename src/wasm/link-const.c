/* SPDX-License-Identifier: Apache-2.0 */
/*
 * link-const.c - the value of a constant expression (wasm core 3.3.10, with extended-const).
 *
 * Imports of globals are refused and immutable globals are constant themselves, so every constant expression of an
 * input has a value at link time. Function references come out as the input's function index + 1.
 */
#include <errno.h>
#include <string.h>

#include "base/must.h"
#include "wasm/instr.h"
#include "wasm/link-int.h"

typedef struct ConstStack {
    LinkConst values[LINK_CONST_DEPTH];
    uint32_t count;
} ConstStack;

static int binary_apply(ConstStack *stack, uint32_t opcode, WasmValType type)
{
    if (stack->count < 2) {
        return -EINVAL;
    }
    const uint64_t a = stack->values[stack->count - 2].value[0], b = stack->values[stack->count - 1].value[0];
    const uint32_t operation = opcode - (type == WASM_I32 ? 0x6au : 0x7cu); /* add, sub, mul in this order */
    uint64_t value = operation == 0 ? a + b : operation == 1 ? a - b : a * b;
    if (type == WASM_I32) {
        value &= UINT32_MAX;
    }
    stack->count--;
    stack->values[stack->count - 1] = (LinkConst){.type = type, .value = {value, 0}};
    return 0;
}

static int global_value(const LinkProgram *program, uint32_t index, uint32_t global_count, LinkConst *ret_value)
{
    if (index >= global_count || program->module->globals[index].is_mutable) {
        return -EINVAL;
    }
    *ret_value = program->globals[index];
    return 0;
}

/* The constant that one instruction pushes. Return: 0; 1 the instruction is not of that kind; -EINVAL. */
static int instr_const(const LinkProgram *program, const WasmInstr *instr, uint32_t global_count, LinkConst *ret_value)
{
    LinkConst value = {0};
    switch (instr->opcode) {
    case 0x23:
        return global_value(program, instr->index, global_count, ret_value);
    case 0x41:
        value = (LinkConst){.type = WASM_I32, .value = {(uint32_t)instr->i32, 0}};
        break;
    case 0x42:
        value = (LinkConst){.type = WASM_I64, .value = {(uint64_t)instr->i64, 0}};
        break;
    case 0x43:
        value = (LinkConst){.type = WASM_F32, .value = {instr->f32_bits, 0}};
        break;
    case 0x44:
        value = (LinkConst){.type = WASM_F64, .value = {instr->f64_bits, 0}};
        break;
    case 0xfd000c:
        value.type = WASM_V128;
        memcpy(value.value, instr->v128, sizeof(value.value)); /* both are little-endian */
        break;
    case 0xd0:
        value.type = instr->type;
        break;
    case 0xd2:
        value = (LinkConst){.type = WASM_FUNCREF, .value = {(uint64_t)instr->index + 1, 0}};
        break;
    default:
        return 1;
    }
    *ret_value = value;
    return 0;
}

static int instr_apply(const LinkProgram *program, const WasmInstr *instr, uint32_t global_count, ConstStack *stack)
{
    if (instr->opcode >= 0x6a && instr->opcode <= 0x6c) {
        return binary_apply(stack, instr->opcode, WASM_I32);
    }
    if (instr->opcode >= 0x7c && instr->opcode <= 0x7e) {
        return binary_apply(stack, instr->opcode, WASM_I64);
    }
    if (stack->count == LINK_CONST_DEPTH) {
        return -EINVAL;
    }
    const int r = instr_const(program, instr, global_count, &stack->values[stack->count]);
    stack->count++;
    return r == 0 ? 0 : -EINVAL;
}

int link_const_eval(Linker *linker, const LinkProgram *program, WasmConstExpr expr, uint32_t global_count,
                    LinkConst *ret_value)
{
    ConstStack stack = {.count = 0};
    for (size_t position = 0;;) {
        WasmInstr instr;
        int r = wasm_instr_read(expr.code, expr.offset, position, &instr, linker->err);
        if (r < 0) {
            return r;
        }
        if (instr.opcode == 0x0b) {
            break;
        }
        r = instr_apply(program, &instr, global_count, &stack);
        if (r < 0) {
            return error_at(linker->err,
                            error_set(linker->err, EINVAL, "constant expression that can not be evaluated"),
                            expr.offset + position);
        }
        position = instr.end;
    }
    if (stack.count != 1) {
        return error_at(linker->err, error_set(linker->err, EINVAL, "constant expression without one value"), expr.offset);
    }
    *ret_value = stack.values[0];
    return 0;
}
