/* SPDX-License-Identifier: Apache-2.0 */
/*
 * emit-numeric.c - constants, integer and float arithmetic, comparisons, conversions, references' null tests.
 *
 * Rules (engines.md section 3). Integers: no nsw, nuw or exact; whatever is undefined in LLVM (division by zero, shift by the
 * width) is excluded before. Floats: no fast-math flags. NaN: every machine operation gives a quiet NaN, but LLVM
 * removes operations it takes for the identity (x * 1.0, x - 0.0, demote(promote(x))); an operand of such an
 * operation is made quiet first, so that what is left has a quiet result. min and max: see emit_float_extreme().
 */
#include <math.h>
#include <string.h>

#include "aot/aot-int.h"

static LLVMTypeRef int_type(const Emit *e, bool is_64)
{
    return is_64 ? e->unit->i64 : e->unit->i32;
}

static LLVMTypeRef float_type(const Emit *e, bool is_64)
{
    return is_64 ? e->unit->f64 : e->unit->f32;
}

static void push_bool(Emit *e, LLVMValueRef condition)
{
    emit_push(e, LLVMBuildZExt(e->builder, condition, e->unit->i32, ""));
}

static void emit_int_compare(Emit *e, unsigned which)
{
    static const LLVMIntPredicate predicates[] = {LLVMIntEQ,  LLVMIntNE,  LLVMIntSLT, LLVMIntULT, LLVMIntSGT,
                                                  LLVMIntUGT, LLVMIntSLE, LLVMIntULE, LLVMIntSGE, LLVMIntUGE};
    LLVMValueRef b = emit_pop(e);
    LLVMValueRef a = emit_pop(e);
    push_bool(e, LLVMBuildICmp(e->builder, predicates[which], a, b, ""));
}

static void emit_eqz(Emit *e)
{
    LLVMValueRef a = emit_pop(e);
    push_bool(e, LLVMBuildICmp(e->builder, LLVMIntEQ, a, LLVMConstNull(LLVMTypeOf(a)), ""));
}

static void emit_float_compare(Emit *e, unsigned which)
{
    static const LLVMRealPredicate predicates[] = {LLVMRealOEQ, LLVMRealUNE, LLVMRealOLT, LLVMRealOGT, LLVMRealOLE, LLVMRealOGE};
    LLVMValueRef b = emit_pop(e);
    LLVMValueRef a = emit_pop(e);
    push_bool(e, LLVMBuildFCmp(e->builder, predicates[which], a, b, ""));
}

static void emit_int_unary(Emit *e, const char *name, bool has_zero_flag)
{
    LLVMValueRef args[] = {emit_pop(e), LLVMConstInt(e->unit->i1, 0, 0)}; /* zero is defined */
    emit_push(e, emit_intrinsic(e, name, LLVMTypeOf(args[0]), args, has_zero_flag ? 2 : 1));
}

static LLVMValueRef emit_divide(Emit *e, unsigned which, LLVMValueRef a, LLVMValueRef b)
{
    LLVMTypeRef type = LLVMTypeOf(a);
    LLVMValueRef minus_one = LLVMConstAllOnes(type);
    LLVMBuilderRef builder = e->builder;
    emit_trap_if(e, LLVMBuildICmp(builder, LLVMIntEQ, b, LLVMConstNull(type), ""), RT_TRAP_INTEGER_DIVIDE_BY_ZERO);
    LLVMValueRef is_minus_one = LLVMBuildICmp(builder, LLVMIntEQ, b, minus_one, "");
    switch (which) {
    case 0: {
        LLVMValueRef minimum = LLVMConstInt(type, type == e->unit->i64 ? 1ull << 63 : 1ull << 31, 0);
        LLVMValueRef is_minimum = LLVMBuildICmp(builder, LLVMIntEQ, a, minimum, "");
        emit_trap_if(e, LLVMBuildAnd(builder, is_minus_one, is_minimum, ""), RT_TRAP_INTEGER_OVERFLOW);
        return LLVMBuildSDiv(builder, a, b, "");
    }
    case 1: return LLVMBuildUDiv(builder, a, b, "");
    case 2: /* x rem -1 == x rem 1 == 0, and the minimum does not overflow */
        return LLVMBuildSRem(builder, a, LLVMBuildSelect(builder, is_minus_one, LLVMConstInt(type, 1, 0), b, ""), "");
    default: return LLVMBuildURem(builder, a, b, "");
    }
}

static LLVMValueRef emit_rotate(Emit *e, const char *name, LLVMValueRef a, LLVMValueRef count)
{
    LLVMValueRef args[] = {a, a, count};
    return emit_intrinsic(e, name, LLVMTypeOf(a), args, 3);
}

/* add sub mul div_s div_u rem_s rem_u and or xor shl shr_s shr_u rotl rotr */
static void emit_int_binary(Emit *e, unsigned which)
{
    LLVMBuilderRef builder = e->builder;
    LLVMValueRef b = emit_pop(e);
    LLVMValueRef a = emit_pop(e);
    LLVMTypeRef type = LLVMTypeOf(a);
    LLVMValueRef count = LLVMBuildAnd(builder, b, LLVMConstInt(type, type == e->unit->i64 ? 63 : 31, 0), "");
    LLVMValueRef result = NULL;
    switch (which) {
    case 0: result = LLVMBuildAdd(builder, a, b, ""); break;
    case 1: result = LLVMBuildSub(builder, a, b, ""); break;
    case 2: result = LLVMBuildMul(builder, a, b, ""); break;
    case 3:
    case 4:
    case 5:
    case 6: result = emit_divide(e, which - 3, a, b); break;
    case 7: result = LLVMBuildAnd(builder, a, b, ""); break;
    case 8: result = LLVMBuildOr(builder, a, b, ""); break;
    case 9: result = LLVMBuildXor(builder, a, b, ""); break;
    case 10: result = LLVMBuildShl(builder, a, count, ""); break;
    case 11: result = LLVMBuildAShr(builder, a, count, ""); break;
    case 12: result = LLVMBuildLShr(builder, a, count, ""); break;
    case 13: result = emit_rotate(e, "llvm.fshl", a, count); break;
    default: result = emit_rotate(e, "llvm.fshr", a, count); break;
    }
    emit_push(e, result);
}

static void emit_int_operator(Emit *e, unsigned which)
{
    switch (which) {
    case 0: emit_int_unary(e, "llvm.ctlz", true); break;
    case 1: emit_int_unary(e, "llvm.cttz", true); break;
    case 2: emit_int_unary(e, "llvm.ctpop", false); break;
    default: emit_int_binary(e, which - 3); break;
    }
}

/* The result of arithmetic is never a signalling NaN: the operations below see to it. Vectors come back as v128 and are cast again. */
static bool is_quiet(LLVMValueRef x)
{
    LLVMTypeRef type = LLVMTypeOf(x);
    while (LLVMIsABitCastInst(x) != NULL) {
        x = LLVMGetOperand(x, 0);
    }
    if (LLVMTypeOf(x) != type || LLVMIsAInstruction(x) == NULL) {
        return false;
    }
    switch (LLVMGetInstructionOpcode(x)) {
    case LLVMFAdd:
    case LLVMFSub:
    case LLVMFMul:
    case LLVMFDiv:
    case LLVMSIToFP:
    case LLVMUIToFP: return true;
    default: return false;
    }
}

/* x with a NaN made quiet: adding a NaN to itself does it in hardware. */
static LLVMValueRef emit_quiet(Emit *e, LLVMValueRef x)
{
    if (is_quiet(x)) {
        return x;
    }
    LLVMValueRef is_nan = LLVMBuildFCmp(e->builder, LLVMRealUNO, x, x, "");
    return LLVMBuildSelect(e->builder, is_nan, LLVMBuildFAdd(e->builder, x, x, ""), x, "");
}

static bool is_identity(double number)
{
    return number == 0.0 || fabs(number) == 1.0;
}

/* A v128.const: a bitcast of sixteen bytes, which has no lanes of floating point to look at. */
static bool may_fold_lanes(LLVMValueRef bytes, bool is_double)
{
    uint8_t vector[16];
    for (unsigned i = 0; i < 16; i++) {
        LLVMValueRef byte = LLVMGetAggregateElement(bytes, i);
        if (byte == NULL || LLVMIsAConstantInt(byte) == NULL) {
            return true;
        }
        vector[i] = (uint8_t)LLVMConstIntGetZExtValue(byte);
    }
    double doubles[2];
    float floats[4];
    memcpy(doubles, vector, sizeof(doubles));
    memcpy(floats, vector, sizeof(floats));
    bool may = false;
    for (unsigned i = 0; i < (is_double ? 2 : 4); i++) {
        may |= is_identity(is_double ? doubles[i] : (double)floats[i]);
    }
    return may;
}

/* Constants with which LLVM may take an operation for the identity or a negation: 0, 1, -1; a vector with one of them in any lane. */
static bool may_fold(LLVMValueRef value)
{
    if (!LLVMIsConstant(value)) {
        return false;
    }
    if (LLVMGetTypeKind(LLVMTypeOf(value)) == LLVMVectorTypeKind) {
        const bool is_double = LLVMGetTypeKind(LLVMGetElementType(LLVMTypeOf(value))) == LLVMDoubleTypeKind;
        const bool is_cast = LLVMIsAConstantExpr(value) != NULL && LLVMGetConstOpcode(value) == LLVMBitCast;
        return !is_cast || LLVMGetVectorSize(LLVMTypeOf(LLVMGetOperand(value, 0))) != 16 || may_fold_lanes(LLVMGetOperand(value, 0), is_double);
    }
    if (LLVMIsAConstantFP(value) == NULL) {
        return true;
    }
    LLVMBool loses_information;
    return is_identity(LLVMConstRealGetDouble(value, &loses_information));
}

LLVMValueRef emit_float_binary(Emit *e, LLVMOpcode opcode, LLVMValueRef a, LLVMValueRef b)
{
    if (may_fold(a) != may_fold(b)) {
        a = may_fold(b) ? emit_quiet(e, a) : a;
        b = may_fold(a) ? emit_quiet(e, b) : b;
    }
    return LLVMBuildBinOp(e->builder, opcode, a, b, "");
}

static LLVMValueRef quiet_nan(LLVMTypeRef type)
{
    return LLVMGetTypeKind(type) == LLVMVectorTypeKind ? unit_const_splat(type, LLVMConstReal(LLVMGetElementType(type), NAN)) : LLVMConstReal(type, NAN);
}

/*
 * minimum/maximum order the zeros and give a NaN for a NaN, but the machine code passes a signalling NaN on as it is:
 * in that case the sum of the operands is the result, a quiet NaN. With a constant the sum could fold to the other operand: that
 * one is doubled when it is a NaN, and when it is none the constant was, for which the canonical NaN does.
 */
LLVMValueRef emit_float_extreme(Emit *e, bool is_minimum, LLVMValueRef a, LLVMValueRef b)
{
    LLVMValueRef args[] = {a, b};
    LLVMTypeRef type = LLVMTypeOf(a);
    LLVMValueRef result = emit_intrinsic(e, is_minimum ? "llvm.minimum" : "llvm.maximum", type, args, 2);
    LLVMValueRef is_nan = LLVMBuildFCmp(e->builder, LLVMRealUNO, a, b, "");
    LLVMValueRef sum;
    if (LLVMIsConstant(a) || LLVMIsConstant(b)) {
        LLVMValueRef other = LLVMIsConstant(a) ? b : a;
        LLVMValueRef is_other_nan = LLVMBuildFCmp(e->builder, LLVMRealUNO, other, other, "");
        sum = LLVMBuildSelect(e->builder, is_other_nan, LLVMBuildFAdd(e->builder, other, other, ""), quiet_nan(type), "");
    } else {
        sum = LLVMBuildFAdd(e->builder, a, b, "");
    }
    return LLVMBuildSelect(e->builder, is_nan, sum, result, "");
}

static void emit_float_intrinsic(Emit *e, const char *name)
{
    LLVMValueRef a = emit_pop(e);
    emit_push(e, emit_intrinsic(e, name, LLVMTypeOf(a), &a, 1));
}

/* abs neg ceil floor trunc nearest sqrt add sub mul div min max copysign */
static void emit_float_operator(Emit *e, unsigned which)
{
    static const char *const unary[] = {"llvm.fabs", NULL, "llvm.ceil", "llvm.floor", "llvm.trunc", "llvm.roundeven", "llvm.sqrt"};
    static const LLVMOpcode binary[] = {LLVMFAdd, LLVMFSub, LLVMFMul, LLVMFDiv};
    if (which == 1) {
        emit_push(e, LLVMBuildFNeg(e->builder, emit_pop(e), ""));
        return;
    }
    if (which < 7) {
        emit_float_intrinsic(e, unary[which]);
        return;
    }
    LLVMValueRef b = emit_pop(e);
    LLVMValueRef a = emit_pop(e);
    LLVMValueRef args[] = {a, b};
    switch (which) {
    case 7:
    case 8:
    case 9:
    case 10: emit_push(e, emit_float_binary(e, binary[which - 7], a, b)); break;
    case 11:
    case 12: emit_push(e, emit_float_extreme(e, which == 11, a, b)); break;
    default: emit_push(e, emit_intrinsic(e, "llvm.copysign", LLVMTypeOf(a), args, 2)); break;
    }
}

/* Float to integer with traps. One test on the way that is taken, the reason is found out of line. */
static void emit_trunc(Emit *e, bool is_from_64, bool is_to_64, bool is_signed)
{
    LLVMBuilderRef builder = e->builder;
    LLVMValueRef x = emit_pop(e);
    LLVMTypeRef type = float_type(e, is_from_64);
    const double limit = is_to_64 ? (is_signed ? 0x1p63 : 0x1p64) : (is_signed ? 0x1p31 : 0x1p32);
    LLVMRealPredicate lower = LLVMRealOGT;
    double minimum = -1.0;
    if (is_signed && is_from_64 && !is_to_64) {
        minimum = -2147483649.0; /* open interval: the fraction is cut off */
    } else if (is_signed) {
        minimum = -limit; /* the next lower number is a whole one too small */
        lower = LLVMRealOGE;
    }
    LLVMValueRef is_low = LLVMBuildFCmp(builder, lower, x, LLVMConstReal(type, minimum), "");
    LLVMValueRef is_high = LLVMBuildFCmp(builder, LLVMRealOLT, x, LLVMConstReal(type, limit), "");
    LLVMBasicBlockRef good = emit_new_block(e);
    LLVMBasicBlockRef failed = emit_new_block(e);
    LLVMValueRef branch = LLVMBuildCondBr(builder, LLVMBuildNot(builder, LLVMBuildAnd(builder, is_low, is_high, ""), ""), failed, good);
    LLVMSetMetadata(branch, e->unit->kind_prof, e->unit->unlikely);
    emit_at(e, failed);
    LLVMValueRef is_nan = LLVMBuildFCmp(builder, LLVMRealUNO, x, x, "");
    emit_trap(e, LLVMBuildSelect(builder, is_nan, emit_i32(e, RT_TRAP_INVALID_CONVERSION), emit_i32(e, RT_TRAP_INTEGER_OVERFLOW), ""));
    emit_at(e, good);
    LLVMTypeRef to = int_type(e, is_to_64);
    emit_push(e, is_signed ? LLVMBuildFPToSI(builder, x, to, "") : LLVMBuildFPToUI(builder, x, to, ""));
}

static void emit_trunc_sat(Emit *e, bool is_to_64, bool is_signed)
{
    LLVMValueRef x = emit_pop(e);
    LLVMTypeRef types[] = {int_type(e, is_to_64), LLVMTypeOf(x)};
    LLVMTypeRef type;
    LLVMValueRef function = unit_intrinsic(e->unit, is_signed ? "llvm.fptosi.sat" : "llvm.fptoui.sat", types, 2, &type);
    emit_push(e, LLVMBuildCall2(e->builder, type, function, &x, 1, ""));
}

/* The machine's own instruction, because LLVM folds fptrunc(fpext(x)) to x, which keeps a signalling NaN. */
static void emit_demote(Emit *e)
{
    Unit *unit = e->unit;
    LLVMValueRef x = LLVMBuildInsertElement(e->builder, LLVMConstNull(unit->f64x2), emit_pop(e), emit_i32(e, 0), "");
    LLVMValueRef args[] = {LLVMConstNull(unit->f32x4), x};
    static const char name[] = "llvm.x86.sse2.cvtsd2ss";
    LLVMValueRef result = unit->is_aarch64 ? emit_aarch64(e, name, args[0], x) : emit_intrinsic(e, name, NULL, args, 2);
    emit_push(e, LLVMBuildExtractElement(e->builder, result, emit_i32(e, 0), ""));
}

static void emit_cast(Emit *e, LLVMOpcode opcode, LLVMTypeRef type)
{
    emit_push(e, LLVMBuildCast(e->builder, opcode, emit_pop(e), type, ""));
}

static void emit_sign_extend(Emit *e, LLVMTypeRef narrow)
{
    LLVMValueRef a = emit_pop(e);
    emit_push(e, LLVMBuildSExt(e->builder, LLVMBuildTrunc(e->builder, a, narrow, ""), LLVMTypeOf(a), ""));
}

static bool emit_conversion(Emit *e, uint32_t opcode)
{
    const Unit *u = e->unit;
    switch (opcode) {
    case WASM_OP_I32_WRAP_I64: emit_cast(e, LLVMTrunc, u->i32); break;
    case WASM_OP_I64_EXTEND_I32_S: emit_cast(e, LLVMSExt, u->i64); break;
    case WASM_OP_I64_EXTEND_I32_U: emit_cast(e, LLVMZExt, u->i64); break;
    case WASM_OP_I32_TRUNC_F32_S: emit_trunc(e, false, false, true); break;
    case WASM_OP_I32_TRUNC_F32_U: emit_trunc(e, false, false, false); break;
    case WASM_OP_I32_TRUNC_F64_S: emit_trunc(e, true, false, true); break;
    case WASM_OP_I32_TRUNC_F64_U: emit_trunc(e, true, false, false); break;
    case WASM_OP_I64_TRUNC_F32_S: emit_trunc(e, false, true, true); break;
    case WASM_OP_I64_TRUNC_F32_U: emit_trunc(e, false, true, false); break;
    case WASM_OP_I64_TRUNC_F64_S: emit_trunc(e, true, true, true); break;
    case WASM_OP_I64_TRUNC_F64_U: emit_trunc(e, true, true, false); break;
    case WASM_OP_I32_TRUNC_SAT_F32_S:
    case WASM_OP_I32_TRUNC_SAT_F64_S: emit_trunc_sat(e, false, true); break;
    case WASM_OP_I32_TRUNC_SAT_F32_U:
    case WASM_OP_I32_TRUNC_SAT_F64_U: emit_trunc_sat(e, false, false); break;
    case WASM_OP_I64_TRUNC_SAT_F32_S:
    case WASM_OP_I64_TRUNC_SAT_F64_S: emit_trunc_sat(e, true, true); break;
    case WASM_OP_I64_TRUNC_SAT_F32_U:
    case WASM_OP_I64_TRUNC_SAT_F64_U: emit_trunc_sat(e, true, false); break;
    case WASM_OP_F32_CONVERT_I32_S:
    case WASM_OP_F32_CONVERT_I64_S: emit_cast(e, LLVMSIToFP, u->f32); break;
    case WASM_OP_F32_CONVERT_I32_U:
    case WASM_OP_F32_CONVERT_I64_U: emit_cast(e, LLVMUIToFP, u->f32); break;
    case WASM_OP_F64_CONVERT_I32_S:
    case WASM_OP_F64_CONVERT_I64_S: emit_cast(e, LLVMSIToFP, u->f64); break;
    case WASM_OP_F64_CONVERT_I32_U:
    case WASM_OP_F64_CONVERT_I64_U: emit_cast(e, LLVMUIToFP, u->f64); break;
    case WASM_OP_F32_DEMOTE_F64: emit_demote(e); break;
    case WASM_OP_F64_PROMOTE_F32: emit_cast(e, LLVMFPExt, u->f64); break;
    case WASM_OP_I32_REINTERPRET_F32: emit_cast(e, LLVMBitCast, u->i32); break;
    case WASM_OP_I64_REINTERPRET_F64: emit_cast(e, LLVMBitCast, u->i64); break;
    case WASM_OP_F32_REINTERPRET_I32: emit_cast(e, LLVMBitCast, u->f32); break;
    case WASM_OP_F64_REINTERPRET_I64: emit_cast(e, LLVMBitCast, u->f64); break;
    case WASM_OP_I32_EXTEND8_S:
    case WASM_OP_I64_EXTEND8_S: emit_sign_extend(e, u->i8); break;
    case WASM_OP_I32_EXTEND16_S:
    case WASM_OP_I64_EXTEND16_S: emit_sign_extend(e, u->i16); break;
    case WASM_OP_I64_EXTEND32_S: emit_sign_extend(e, u->i32); break;
    default: return false;
    }
    return true;
}

static bool emit_constant(Emit *e, const WasmInstr *instr)
{
    const Unit *u = e->unit;
    switch (instr->opcode) {
    case WASM_OP_I32_CONST: emit_push(e, emit_i32(e, (uint32_t)instr->i32)); break;
    case WASM_OP_I64_CONST: emit_push(e, emit_i64(e, (uint64_t)instr->i64)); break;
    case WASM_OP_F32_CONST: emit_push(e, LLVMConstBitCast(emit_i32(e, instr->f32_bits), u->f32)); break;
    case WASM_OP_F64_CONST: emit_push(e, LLVMConstBitCast(emit_i64(e, instr->f64_bits), u->f64)); break;
    case WASM_OP_REF_NULL: emit_push(e, LLVMConstPointerNull(u->ptr)); break;
    case WASM_OP_REF_IS_NULL: push_bool(e, LLVMBuildIsNull(e->builder, emit_pop(e), "")); break;
    case WASM_OP_REF_FUNC: emit_push(e, emit_func_ref(e, instr->index)); break;
    default: return false;
    }
    return true;
}

static bool is_between(uint32_t opcode, uint32_t first, uint32_t last)
{
    return opcode >= first && opcode <= last;
}

/* Two i64, low half first, as one i128 and back: LLVM makes add, adc and one mul of it. */
static LLVMValueRef pop_wide(Emit *e, LLVMTypeRef wide)
{
    LLVMValueRef high = LLVMBuildZExt(e->builder, emit_pop(e), wide, "");
    LLVMValueRef low = LLVMBuildZExt(e->builder, emit_pop(e), wide, "");
    return LLVMBuildOr(e->builder, low, LLVMBuildShl(e->builder, high, LLVMConstInt(wide, 64, 0), ""), "");
}

static void emit_wide(Emit *e, uint32_t opcode)
{
    LLVMBuilderRef builder = e->builder;
    LLVMTypeRef wide = LLVMIntTypeInContext(e->unit->context, 128);
    LLVMValueRef result;
    if (opcode >= WASM_OP_I64_MUL_WIDE_S) {
        const LLVMOpcode extend = opcode == WASM_OP_I64_MUL_WIDE_S ? LLVMSExt : LLVMZExt;
        LLVMValueRef b = LLVMBuildCast(builder, extend, emit_pop(e), wide, "");
        result = LLVMBuildMul(builder, LLVMBuildCast(builder, extend, emit_pop(e), wide, ""), b, "");
    } else {
        LLVMValueRef b = pop_wide(e, wide);
        LLVMValueRef a = pop_wide(e, wide);
        result = opcode == WASM_OP_I64_ADD128 ? LLVMBuildAdd(builder, a, b, "") : LLVMBuildSub(builder, a, b, "");
    }
    emit_push(e, LLVMBuildTrunc(builder, result, e->unit->i64, ""));
    emit_push(e, LLVMBuildTrunc(builder, LLVMBuildLShr(builder, result, LLVMConstInt(wide, 64, 0), ""), e->unit->i64, ""));
}

bool emit_numeric(Emit *e, const WasmInstr *instr)
{
    const uint32_t op = instr->opcode;
    if (op == WASM_OP_I32_EQZ || op == WASM_OP_I64_EQZ) {
        emit_eqz(e);
    } else if (is_between(op, WASM_OP_I32_EQ, WASM_OP_I32_GE_U)) {
        emit_int_compare(e, op - WASM_OP_I32_EQ);
    } else if (is_between(op, WASM_OP_I64_EQ, WASM_OP_I64_GE_U)) {
        emit_int_compare(e, op - WASM_OP_I64_EQ);
    } else if (is_between(op, WASM_OP_F32_EQ, WASM_OP_F32_GE)) {
        emit_float_compare(e, op - WASM_OP_F32_EQ);
    } else if (is_between(op, WASM_OP_F64_EQ, WASM_OP_F64_GE)) {
        emit_float_compare(e, op - WASM_OP_F64_EQ);
    } else if (is_between(op, WASM_OP_I32_CLZ, WASM_OP_I32_ROTR)) {
        emit_int_operator(e, op - WASM_OP_I32_CLZ);
    } else if (is_between(op, WASM_OP_I64_CLZ, WASM_OP_I64_ROTR)) {
        emit_int_operator(e, op - WASM_OP_I64_CLZ);
    } else if (is_between(op, WASM_OP_F32_ABS, WASM_OP_F32_COPYSIGN)) {
        emit_float_operator(e, op - WASM_OP_F32_ABS);
    } else if (is_between(op, WASM_OP_F64_ABS, WASM_OP_F64_COPYSIGN)) {
        emit_float_operator(e, op - WASM_OP_F64_ABS);
    } else if (is_between(op, WASM_OP_I64_ADD128, WASM_OP_I64_MUL_WIDE_U)) {
        emit_wide(e, op);
    } else {
        return emit_constant(e, instr) || emit_conversion(e, op);
    }
    return true;
}
