/* SPDX-License-Identifier: Apache-2.0 */
/*
 * emit-simd.c - vector instructions: one row an opcode, one function a kind.
 *
 * A v128 is <2 x i64> on the operand stack; pop_as() and push_vector() cast it to the row's shape and back, which costs
 * nothing. Whatever LLVM's generic operations express is left to LLVM; saturating narrowing, swizzle and a few
 * multiplications use the machine's own instructions, which do exactly what WASM says.
 */
#include "aot/aot-int.h"

typedef enum Shape { I8, I16, I32, I64, F32, F64 } Shape;

typedef struct SimdRow {
    void (*emit)(Emit *, const struct SimdRow *, const WasmInstr *); /* NULL: no such row */
    Shape shape;
    int parameter;    /* LLVM opcode, predicate, or a flag */
    const char *name; /* intrinsic */
} SimdRow;

enum { IS_HIGH = 1, IS_SIGNED = 2 };

static LLVMTypeRef shape_type(const Emit *e, Shape shape)
{
    const LLVMTypeRef types[] = {e->unit->i8x16, e->unit->i16x8, e->unit->i32x4, e->unit->i64x2, e->unit->f32x4, e->unit->f64x2};
    return types[shape];
}

static LLVMTypeRef lane_type(const Emit *e, Shape shape)
{
    return LLVMGetElementType(shape_type(e, shape));
}

static LLVMTypeRef mask_type(const Emit *e, Shape shape)
{
    return shape == F32 ? e->unit->i32x4 : shape == F64 ? e->unit->i64x2 : shape_type(e, shape);
}

static LLVMValueRef pop_as(Emit *e, LLVMTypeRef type)
{
    return LLVMBuildBitCast(e->builder, emit_pop(e), type, "");
}

static void push_vector(Emit *e, LLVMValueRef value)
{
    emit_push(e, LLVMBuildBitCast(e->builder, value, e->unit->i64x2, ""));
}

static LLVMValueRef splat(Emit *e, LLVMTypeRef type, LLVMValueRef value)
{
    LLVMValueRef first = LLVMBuildInsertElement(e->builder, LLVMGetPoison(type), value, emit_i32(e, 0), "");
    LLVMValueRef mask = LLVMConstNull(LLVMVectorType(e->unit->i32, LLVMGetVectorSize(type)));
    return LLVMBuildShuffleVector(e->builder, first, LLVMGetPoison(type), mask, "");
}

/* Lanes first, first + step, ... of a (and of b after them), count of them. */
static LLVMValueRef pick(Emit *e, LLVMValueRef a, LLVMValueRef b, unsigned first, unsigned step, unsigned count)
{
    LLVMValueRef mask[16];
    must(count <= 16);
    for (unsigned i = 0; i < count; i++) {
        mask[i] = emit_i32(e, first + i * step);
    }
    return LLVMBuildShuffleVector(e->builder, a, b, LLVMConstVector(mask, count), "");
}

static LLVMValueRef half(Emit *e, LLVMValueRef a, bool is_high)
{
    const unsigned count = LLVMGetVectorSize(LLVMTypeOf(a)) / 2;
    return pick(e, a, LLVMGetPoison(LLVMTypeOf(a)), is_high ? count : 0, 1, count);
}

static LLVMValueRef extend(Emit *e, LLVMValueRef a, LLVMTypeRef type, bool is_signed)
{
    return is_signed ? LLVMBuildSExt(e->builder, a, type, "") : LLVMBuildZExt(e->builder, a, type, "");
}

static LLVMValueRef call_machine(Emit *e, const char *name, LLVMValueRef a, LLVMValueRef b)
{
    LLVMValueRef args[] = {a, b};
    return e->unit->is_aarch64 ? emit_aarch64(e, name, a, b) : emit_intrinsic(e, name, NULL, args, b != NULL ? 2 : 1);
}

/* --- lanes --- */

static void do_splat(Emit *e, const SimdRow *row, const WasmInstr *instr)
{
    (void)instr;
    LLVMValueRef value = emit_pop(e);
    LLVMTypeRef lane = lane_type(e, row->shape);
    push_vector(e, splat(e, shape_type(e, row->shape), LLVMTypeOf(value) == lane ? value : LLVMBuildTrunc(e->builder, value, lane, "")));
}

static void do_extract(Emit *e, const SimdRow *row, const WasmInstr *instr)
{
    LLVMValueRef lane = LLVMBuildExtractElement(e->builder, pop_as(e, shape_type(e, row->shape)), emit_i32(e, instr->lane), "");
    emit_push(e, row->shape <= I16 ? extend(e, lane, e->unit->i32, row->parameter) : lane);
}

static void do_replace(Emit *e, const SimdRow *row, const WasmInstr *instr)
{
    LLVMValueRef value = emit_pop(e);
    LLVMValueRef vector = pop_as(e, shape_type(e, row->shape));
    if (row->shape <= I16) {
        value = LLVMBuildTrunc(e->builder, value, lane_type(e, row->shape), "");
    }
    push_vector(e, LLVMBuildInsertElement(e->builder, vector, value, emit_i32(e, instr->lane), ""));
}

static void do_const(Emit *e, const SimdRow *row, const WasmInstr *instr)
{
    (void)row;
    LLVMValueRef bytes[16];
    for (unsigned i = 0; i < 16; i++) {
        bytes[i] = LLVMConstInt(e->unit->i8, instr->v128[i], 0);
    }
    emit_push(e, LLVMConstBitCast(LLVMConstVector(bytes, 16), e->unit->i64x2));
}

static void do_shuffle(Emit *e, const SimdRow *row, const WasmInstr *instr)
{
    (void)row;
    LLVMValueRef mask[16];
    for (unsigned i = 0; i < 16; i++) {
        mask[i] = emit_i32(e, instr->v128[i]);
    }
    LLVMValueRef b = pop_as(e, e->unit->i8x16);
    LLVMValueRef a = pop_as(e, e->unit->i8x16);
    push_vector(e, LLVMBuildShuffleVector(e->builder, a, b, LLVMConstVector(mask, 16), ""));
}

/* pshufb gives 0 for an index with bit 7: adding 0x70 with saturation sets it for every index above 15. */
static void do_swizzle(Emit *e, const SimdRow *row, const WasmInstr *instr)
{
    (void)row;
    (void)instr;
    LLVMValueRef args[] = {pop_as(e, e->unit->i8x16), unit_const_splat(e->unit->i8x16, LLVMConstInt(e->unit->i8, 0x70, 0))};
    LLVMValueRef index = emit_intrinsic(e, "llvm.uadd.sat", e->unit->i8x16, args, 2);
    push_vector(e, call_machine(e, "llvm.x86.ssse3.pshuf.b.128", pop_as(e, e->unit->i8x16), index));
}

/* --- bits --- */

static void do_bits(Emit *e, const SimdRow *row, const WasmInstr *instr)
{
    LLVMValueRef b = emit_pop(e);
    if (instr->opcode == WASM_OP_V128_NOT) {
        emit_push(e, LLVMBuildNot(e->builder, b, ""));
        return;
    }
    LLVMValueRef a = emit_pop(e);
    b = instr->opcode == WASM_OP_V128_ANDNOT ? LLVMBuildNot(e->builder, b, "") : b;
    emit_push(e, LLVMBuildBinOp(e->builder, (LLVMOpcode)row->parameter, a, b, ""));
}

static void do_bitselect(Emit *e, const SimdRow *row, const WasmInstr *instr)
{
    (void)row;
    (void)instr;
    LLVMBuilderRef builder = e->builder;
    LLVMValueRef mask = emit_pop(e);
    LLVMValueRef b = emit_pop(e);
    LLVMValueRef a = LLVMBuildAnd(builder, emit_pop(e), mask, "");
    emit_push(e, LLVMBuildOr(builder, a, LLVMBuildAnd(builder, b, LLVMBuildNot(builder, mask, ""), ""), ""));
}

static LLVMValueRef mask_bits(Emit *e, LLVMValueRef mask)
{
    LLVMTypeRef type = LLVMIntTypeInContext(e->unit->context, LLVMGetVectorSize(LLVMTypeOf(mask)));
    return LLVMBuildBitCast(e->builder, mask, type, "");
}

static void do_any_true(Emit *e, const SimdRow *row, const WasmInstr *instr)
{
    (void)row;
    (void)instr;
    LLVMTypeRef type = LLVMIntTypeInContext(e->unit->context, 128);
    LLVMValueRef bits = pop_as(e, type);
    emit_push(e, LLVMBuildZExt(e->builder, LLVMBuildICmp(e->builder, LLVMIntNE, bits, LLVMConstNull(type), ""), e->unit->i32, ""));
}

static void do_all_true(Emit *e, const SimdRow *row, const WasmInstr *instr)
{
    (void)instr;
    LLVMTypeRef type = shape_type(e, row->shape);
    LLVMValueRef bits = mask_bits(e, LLVMBuildICmp(e->builder, LLVMIntEQ, pop_as(e, type), LLVMConstNull(type), ""));
    emit_push(e, LLVMBuildZExt(e->builder, LLVMBuildIsNull(e->builder, bits, ""), e->unit->i32, ""));
}

static void do_bitmask(Emit *e, const SimdRow *row, const WasmInstr *instr)
{
    (void)instr;
    LLVMTypeRef type = shape_type(e, row->shape);
    LLVMValueRef bits = mask_bits(e, LLVMBuildICmp(e->builder, LLVMIntSLT, pop_as(e, type), LLVMConstNull(type), ""));
    emit_push(e, LLVMBuildZExt(e->builder, bits, e->unit->i32, ""));
}

/* --- arithmetic --- */

static void do_compare(Emit *e, const SimdRow *row, const WasmInstr *instr)
{
    (void)instr;
    LLVMTypeRef type = shape_type(e, row->shape);
    LLVMValueRef b = pop_as(e, type);
    LLVMValueRef a = pop_as(e, type);
    LLVMValueRef bits = row->shape >= F32 ? LLVMBuildFCmp(e->builder, (LLVMRealPredicate)row->parameter, a, b, "")
                                          : LLVMBuildICmp(e->builder, (LLVMIntPredicate)row->parameter, a, b, "");
    push_vector(e, LLVMBuildSExt(e->builder, bits, mask_type(e, row->shape), ""));
}

static void do_binary(Emit *e, const SimdRow *row, const WasmInstr *instr)
{
    (void)instr;
    LLVMTypeRef type = shape_type(e, row->shape);
    LLVMValueRef b = pop_as(e, type);
    LLVMValueRef a = pop_as(e, type);
    const LLVMOpcode opcode = (LLVMOpcode)row->parameter;
    push_vector(e, row->shape >= F32 ? emit_float_binary(e, opcode, a, b) : LLVMBuildBinOp(e->builder, opcode, a, b, ""));
}

static void do_negate(Emit *e, const SimdRow *row, const WasmInstr *instr)
{
    (void)instr;
    LLVMValueRef a = pop_as(e, shape_type(e, row->shape));
    push_vector(e, row->shape >= F32 ? LLVMBuildFNeg(e->builder, a, "") : LLVMBuildNeg(e->builder, a, ""));
}

/* A generic intrinsic of one operand; llvm.abs has a flag besides (is the minimum poison: no). */
static void do_unary(Emit *e, const SimdRow *row, const WasmInstr *instr)
{
    (void)instr;
    LLVMTypeRef type = shape_type(e, row->shape);
    LLVMValueRef args[] = {pop_as(e, type), LLVMConstInt(e->unit->i1, 0, 0)};
    push_vector(e, emit_intrinsic(e, row->name, type, args, row->parameter ? 2 : 1));
}

static void do_pair(Emit *e, const SimdRow *row, const WasmInstr *instr)
{
    (void)instr;
    LLVMTypeRef type = shape_type(e, row->shape);
    LLVMValueRef b = pop_as(e, type);
    LLVMValueRef args[] = {pop_as(e, type), b};
    push_vector(e, emit_intrinsic(e, row->name, type, args, 2));
}

static void do_machine_pair(Emit *e, const SimdRow *row, const WasmInstr *instr)
{
    (void)instr;
    LLVMTypeRef type = shape_type(e, row->shape);
    LLVMValueRef b = pop_as(e, type);
    LLVMValueRef a = pop_as(e, type);
    push_vector(e, call_machine(e, row->name, a, b));
}

static void do_shift(Emit *e, const SimdRow *row, const WasmInstr *instr)
{
    (void)instr;
    LLVMTypeRef type = shape_type(e, row->shape);
    LLVMTypeRef lane = lane_type(e, row->shape);
    const unsigned width = LLVMGetIntTypeWidth(lane);
    LLVMValueRef count = LLVMBuildAnd(e->builder, emit_pop(e), emit_i32(e, width - 1), "");
    count = width < 32 ? LLVMBuildTrunc(e->builder, count, lane, "") : width > 32 ? LLVMBuildZExt(e->builder, count, lane, "") : count;
    LLVMValueRef a = pop_as(e, type);
    push_vector(e, LLVMBuildBinOp(e->builder, (LLVMOpcode)row->parameter, a, splat(e, type, count), ""));
}

/* (a + b + 1) / 2 in twice the width: LLVM makes pavgb, pavgw of it. */
static void do_average(Emit *e, const SimdRow *row, const WasmInstr *instr)
{
    (void)instr;
    LLVMBuilderRef builder = e->builder;
    LLVMTypeRef type = shape_type(e, row->shape);
    LLVMTypeRef wide_lane = row->shape == I8 ? e->unit->i16 : e->unit->i32;
    LLVMTypeRef wide = LLVMVectorType(wide_lane, LLVMGetVectorSize(type));
    LLVMValueRef one = unit_const_splat(wide, LLVMConstInt(wide_lane, 1, 0));
    LLVMValueRef b = LLVMBuildZExt(builder, pop_as(e, type), wide, "");
    LLVMValueRef sum = LLVMBuildAdd(builder, LLVMBuildZExt(builder, pop_as(e, type), wide, ""), b, "");
    push_vector(e, LLVMBuildTrunc(builder, LLVMBuildLShr(builder, LLVMBuildAdd(builder, sum, one, ""), one, ""), type, ""));
}

/* pmulhrsw wraps in one case, 0x8000 * 0x8000, and gives 0x8000 only then: flip it to 0x7fff. */
static void do_q15mulr(Emit *e, const SimdRow *row, const WasmInstr *instr)
{
    (void)row;
    (void)instr;
    LLVMTypeRef type = e->unit->i16x8;
    LLVMValueRef b = pop_as(e, type);
    LLVMValueRef product = call_machine(e, "llvm.x86.ssse3.pmul.hr.sw.128", pop_as(e, type), b);
    LLVMValueRef minimum = unit_const_splat(type, LLVMConstInt(e->unit->i16, 0x8000, 0));
    LLVMValueRef wrapped = LLVMBuildSExt(e->builder, LLVMBuildICmp(e->builder, LLVMIntEQ, product, minimum, ""), type, "");
    push_vector(e, LLVMBuildXor(e->builder, product, wrapped, ""));
}

static void do_extreme(Emit *e, const SimdRow *row, const WasmInstr *instr)
{
    (void)instr;
    LLVMTypeRef type = shape_type(e, row->shape);
    LLVMValueRef b = pop_as(e, type);
    LLVMValueRef a = pop_as(e, type);
    push_vector(e, emit_float_extreme(e, row->parameter, a, b));
}

/* pmin: b < a ? b : a;  pmax: a < b ? b : a */
static void do_pseudo_extreme(Emit *e, const SimdRow *row, const WasmInstr *instr)
{
    (void)instr;
    LLVMTypeRef type = shape_type(e, row->shape);
    LLVMValueRef b = pop_as(e, type);
    LLVMValueRef a = pop_as(e, type);
    LLVMValueRef takes_b = row->parameter ? LLVMBuildFCmp(e->builder, LLVMRealOLT, b, a, "") : LLVMBuildFCmp(e->builder, LLVMRealOLT, a, b, "");
    push_vector(e, LLVMBuildSelect(e->builder, takes_b, b, a, ""));
}

/* --- between shapes: row->shape is the shape of the result --- */

static void do_extend(Emit *e, const SimdRow *row, const WasmInstr *instr)
{
    (void)instr;
    LLVMValueRef a = pop_as(e, shape_type(e, row->shape - 1));
    push_vector(e, extend(e, half(e, a, row->parameter & IS_HIGH), shape_type(e, row->shape), row->parameter & IS_SIGNED));
}

static void do_extended_multiply(Emit *e, const SimdRow *row, const WasmInstr *instr)
{
    (void)instr;
    LLVMTypeRef narrow = shape_type(e, row->shape - 1);
    LLVMTypeRef type = shape_type(e, row->shape);
    LLVMValueRef b = extend(e, half(e, pop_as(e, narrow), row->parameter & IS_HIGH), type, row->parameter & IS_SIGNED);
    LLVMValueRef a = extend(e, half(e, pop_as(e, narrow), row->parameter & IS_HIGH), type, row->parameter & IS_SIGNED);
    push_vector(e, LLVMBuildMul(e->builder, a, b, ""));
}

static void do_pairwise_add(Emit *e, const SimdRow *row, const WasmInstr *instr)
{
    (void)instr;
    LLVMTypeRef narrow = shape_type(e, row->shape - 1);
    LLVMTypeRef type = shape_type(e, row->shape);
    LLVMValueRef a = pop_as(e, narrow);
    const unsigned count = LLVMGetVectorSize(type);
    LLVMValueRef even = extend(e, pick(e, a, LLVMGetPoison(narrow), 0, 2, count), type, row->parameter & IS_SIGNED);
    LLVMValueRef odd = extend(e, pick(e, a, LLVMGetPoison(narrow), 1, 2, count), type, row->parameter & IS_SIGNED);
    push_vector(e, LLVMBuildAdd(e->builder, even, odd, ""));
}

static LLVMValueRef low_lanes(Emit *e, LLVMValueRef two, LLVMTypeRef type)
{
    (void)type;
    return pick(e, two, LLVMConstNull(LLVMTypeOf(two)), 0, 1, 4); /* the upper two are zero */
}

static void do_convert(Emit *e, const SimdRow *row, const WasmInstr *instr)
{
    (void)instr;
    LLVMTypeRef type = shape_type(e, row->shape);
    LLVMValueRef a = pop_as(e, e->unit->i32x4);
    a = row->shape == F64 ? half(e, a, false) : a;
    push_vector(e, row->parameter ? LLVMBuildSIToFP(e->builder, a, type, "") : LLVMBuildUIToFP(e->builder, a, type, ""));
}

/* row->shape is the float shape here; the result is i32x4. */
static void do_trunc_sat(Emit *e, const SimdRow *row, const WasmInstr *instr)
{
    (void)instr;
    LLVMTypeRef from = shape_type(e, row->shape);
    LLVMTypeRef types[] = {LLVMVectorType(e->unit->i32, LLVMGetVectorSize(from)), from};
    LLVMTypeRef type;
    LLVMValueRef function = unit_intrinsic(e->unit, row->parameter ? "llvm.fptosi.sat" : "llvm.fptoui.sat", types, 2, &type);
    LLVMValueRef a = pop_as(e, from);
    LLVMValueRef result = LLVMBuildCall2(e->builder, type, function, &a, 1, "");
    push_vector(e, row->shape == F64 ? low_lanes(e, result, e->unit->i32x4) : result);
}

static void do_promote(Emit *e, const SimdRow *row, const WasmInstr *instr)
{
    (void)row;
    (void)instr;
    LLVMValueRef low = half(e, pop_as(e, e->unit->f32x4), false);
    push_vector(e, LLVMBuildFPExt(e->builder, low, e->unit->f64x2, ""));
}

static void do_demote(Emit *e, const SimdRow *row, const WasmInstr *instr)
{
    (void)row;
    (void)instr;
    push_vector(e, call_machine(e, "llvm.x86.sse2.cvtpd2ps", pop_as(e, e->unit->f64x2), NULL)); /* upper lanes 0; see emit_demote() */
}

/* --- memory --- */

static LLVMValueRef pop_pointer(Emit *e, const WasmInstr *instr, LLVMTypeRef type)
{
    return emit_access(e, &instr->memarg, type);
}

static void do_load(Emit *e, const SimdRow *row, const WasmInstr *instr)
{
    (void)row;
    emit_push(e, emit_load_memory(e, e->unit->i64x2, pop_pointer(e, instr, e->unit->i64x2)));
}

static void do_store(Emit *e, const SimdRow *row, const WasmInstr *instr)
{
    (void)row;
    LLVMValueRef value = emit_pop(e);
    emit_store_memory(e, value, pop_pointer(e, instr, e->unit->i64x2));
}

static void do_load_extend(Emit *e, const SimdRow *row, const WasmInstr *instr)
{
    LLVMTypeRef type = shape_type(e, row->shape);
    LLVMTypeRef narrow = LLVMVectorType(lane_type(e, row->shape - 1), LLVMGetVectorSize(type));
    LLVMValueRef bits = emit_load_memory(e, e->unit->i64, pop_pointer(e, instr, e->unit->i64));
    push_vector(e, extend(e, LLVMBuildBitCast(e->builder, bits, narrow, ""), type, row->parameter));
}

static void do_load_splat(Emit *e, const SimdRow *row, const WasmInstr *instr)
{
    push_vector(e, splat(e, shape_type(e, row->shape), emit_load_memory(e, lane_type(e, row->shape), pop_pointer(e, instr, lane_type(e, row->shape)))));
}

static void do_load_zero(Emit *e, const SimdRow *row, const WasmInstr *instr)
{
    LLVMValueRef value = emit_load_memory(e, lane_type(e, row->shape), pop_pointer(e, instr, lane_type(e, row->shape)));
    push_vector(e, LLVMBuildInsertElement(e->builder, LLVMConstNull(shape_type(e, row->shape)), value, emit_i32(e, 0), ""));
}

static void do_load_lane(Emit *e, const SimdRow *row, const WasmInstr *instr)
{
    LLVMValueRef vector = pop_as(e, shape_type(e, row->shape));
    LLVMValueRef value = emit_load_memory(e, lane_type(e, row->shape), pop_pointer(e, instr, lane_type(e, row->shape)));
    push_vector(e, LLVMBuildInsertElement(e->builder, vector, value, emit_i32(e, instr->lane), ""));
}

static void do_store_lane(Emit *e, const SimdRow *row, const WasmInstr *instr)
{
    LLVMValueRef vector = pop_as(e, shape_type(e, row->shape));
    LLVMValueRef pointer = pop_pointer(e, instr, lane_type(e, row->shape));
    emit_store_memory(e, LLVMBuildExtractElement(e->builder, vector, emit_i32(e, instr->lane), ""), pointer);
}

/* --- relaxed SIMD: the deterministic choice of each instruction --- */

/* a * b + c, rounded twice; negated: -(a * b) + c */
static void do_multiply_add(Emit *e, const SimdRow *row, const WasmInstr *instr)
{
    (void)instr;
    LLVMTypeRef type = shape_type(e, row->shape);
    LLVMValueRef c = pop_as(e, type);
    LLVMValueRef b = pop_as(e, type);
    LLVMValueRef product = emit_float_binary(e, LLVMFMul, pop_as(e, type), b);
    product = row->parameter ? LLVMBuildFNeg(e->builder, product, "") : product;
    push_vector(e, emit_float_binary(e, LLVMFAdd, product, c));
}

/* Both operands signed: sums of two products as i16 (which saturate nowhere: the second operand has 7 bits), then perhaps pairs of them plus c. */
static void do_dot(Emit *e, const SimdRow *row, const WasmInstr *instr)
{
    (void)instr;
    Unit *unit = e->unit;
    LLVMValueRef c = row->parameter ? pop_as(e, unit->i32x4) : NULL;
    LLVMTypeRef wide = LLVMVectorType(unit->i16, 16);
    LLVMValueRef b = LLVMBuildSExt(e->builder, pop_as(e, unit->i8x16), wide, "");
    LLVMValueRef product = LLVMBuildMul(e->builder, LLVMBuildSExt(e->builder, pop_as(e, unit->i8x16), wide, ""), b, "");
    LLVMValueRef even = pick(e, product, LLVMGetPoison(wide), 0, 2, 8);
    LLVMValueRef sum = LLVMBuildAdd(e->builder, even, pick(e, product, LLVMGetPoison(wide), 1, 2, 8), "");
    if (c == NULL) {
        push_vector(e, sum);
        return;
    }
    LLVMValueRef low = LLVMBuildSExt(e->builder, pick(e, sum, LLVMGetPoison(unit->i16x8), 0, 2, 4), unit->i32x4, "");
    LLVMValueRef high = LLVMBuildSExt(e->builder, pick(e, sum, LLVMGetPoison(unit->i16x8), 1, 2, 4), unit->i32x4, "");
    push_vector(e, LLVMBuildAdd(e->builder, LLVMBuildAdd(e->builder, low, high, ""), c, ""));
}

#define ROW(name) (WASM_OP_##name & 0xffff)

static const SimdRow simd_rows[] = {
    [ROW(V128_LOAD)] = {do_load, I64, 0, NULL},
    [ROW(V128_STORE)] = {do_store, I64, 0, NULL},
    [ROW(V128_LOAD8X8_S)] = {do_load_extend, I16, 1, NULL},
    [ROW(V128_LOAD8X8_U)] = {do_load_extend, I16, 0, NULL},
    [ROW(V128_LOAD16X4_S)] = {do_load_extend, I32, 1, NULL},
    [ROW(V128_LOAD16X4_U)] = {do_load_extend, I32, 0, NULL},
    [ROW(V128_LOAD32X2_S)] = {do_load_extend, I64, 1, NULL},
    [ROW(V128_LOAD32X2_U)] = {do_load_extend, I64, 0, NULL},
    [ROW(V128_LOAD8_SPLAT)] = {do_load_splat, I8, 0, NULL},
    [ROW(V128_LOAD8_LANE)] = {do_load_lane, I8, 0, NULL},
    [ROW(V128_STORE8_LANE)] = {do_store_lane, I8, 0, NULL},
    [ROW(V128_LOAD16_SPLAT)] = {do_load_splat, I16, 0, NULL},
    [ROW(V128_LOAD16_LANE)] = {do_load_lane, I16, 0, NULL},
    [ROW(V128_STORE16_LANE)] = {do_store_lane, I16, 0, NULL},
    [ROW(V128_LOAD32_SPLAT)] = {do_load_splat, I32, 0, NULL},
    [ROW(V128_LOAD32_LANE)] = {do_load_lane, I32, 0, NULL},
    [ROW(V128_STORE32_LANE)] = {do_store_lane, I32, 0, NULL},
    [ROW(V128_LOAD64_SPLAT)] = {do_load_splat, I64, 0, NULL},
    [ROW(V128_LOAD64_LANE)] = {do_load_lane, I64, 0, NULL},
    [ROW(V128_STORE64_LANE)] = {do_store_lane, I64, 0, NULL},
    [ROW(V128_LOAD32_ZERO)] = {do_load_zero, I32, 0, NULL},
    [ROW(V128_LOAD64_ZERO)] = {do_load_zero, I64, 0, NULL},
    [ROW(V128_CONST)] = {do_const, I8, 0, NULL},
    [ROW(I8X16_SHUFFLE)] = {do_shuffle, I8, 0, NULL},
    [ROW(I8X16_SWIZZLE)] = {do_swizzle, I8, 0, NULL},
    [ROW(I8X16_SPLAT)] = {do_splat, I8, 0, NULL},
    [ROW(I8X16_REPLACE_LANE)] = {do_replace, I8, 0, NULL},
    [ROW(I8X16_EXTRACT_LANE_S)] = {do_extract, I8, 1, NULL},
    [ROW(I8X16_EXTRACT_LANE_U)] = {do_extract, I8, 0, NULL},
    [ROW(I16X8_SPLAT)] = {do_splat, I16, 0, NULL},
    [ROW(I16X8_REPLACE_LANE)] = {do_replace, I16, 0, NULL},
    [ROW(I16X8_EXTRACT_LANE_S)] = {do_extract, I16, 1, NULL},
    [ROW(I16X8_EXTRACT_LANE_U)] = {do_extract, I16, 0, NULL},
    [ROW(I32X4_SPLAT)] = {do_splat, I32, 0, NULL},
    [ROW(I32X4_REPLACE_LANE)] = {do_replace, I32, 0, NULL},
    [ROW(I32X4_EXTRACT_LANE)] = {do_extract, I32, 0, NULL},
    [ROW(I64X2_SPLAT)] = {do_splat, I64, 0, NULL},
    [ROW(I64X2_REPLACE_LANE)] = {do_replace, I64, 0, NULL},
    [ROW(I64X2_EXTRACT_LANE)] = {do_extract, I64, 0, NULL},
    [ROW(F32X4_SPLAT)] = {do_splat, F32, 0, NULL},
    [ROW(F32X4_REPLACE_LANE)] = {do_replace, F32, 0, NULL},
    [ROW(F32X4_EXTRACT_LANE)] = {do_extract, F32, 0, NULL},
    [ROW(F64X2_SPLAT)] = {do_splat, F64, 0, NULL},
    [ROW(F64X2_REPLACE_LANE)] = {do_replace, F64, 0, NULL},
    [ROW(F64X2_EXTRACT_LANE)] = {do_extract, F64, 0, NULL},
    [ROW(I8X16_EQ)] = {do_compare, I8, LLVMIntEQ, NULL},
    [ROW(I8X16_NE)] = {do_compare, I8, LLVMIntNE, NULL},
    [ROW(I8X16_LT_S)] = {do_compare, I8, LLVMIntSLT, NULL},
    [ROW(I8X16_LT_U)] = {do_compare, I8, LLVMIntULT, NULL},
    [ROW(I8X16_GT_S)] = {do_compare, I8, LLVMIntSGT, NULL},
    [ROW(I8X16_GT_U)] = {do_compare, I8, LLVMIntUGT, NULL},
    [ROW(I8X16_LE_S)] = {do_compare, I8, LLVMIntSLE, NULL},
    [ROW(I8X16_LE_U)] = {do_compare, I8, LLVMIntULE, NULL},
    [ROW(I8X16_GE_S)] = {do_compare, I8, LLVMIntSGE, NULL},
    [ROW(I8X16_GE_U)] = {do_compare, I8, LLVMIntUGE, NULL},
    [ROW(I16X8_EQ)] = {do_compare, I16, LLVMIntEQ, NULL},
    [ROW(I16X8_NE)] = {do_compare, I16, LLVMIntNE, NULL},
    [ROW(I16X8_LT_S)] = {do_compare, I16, LLVMIntSLT, NULL},
    [ROW(I16X8_LT_U)] = {do_compare, I16, LLVMIntULT, NULL},
    [ROW(I16X8_GT_S)] = {do_compare, I16, LLVMIntSGT, NULL},
    [ROW(I16X8_GT_U)] = {do_compare, I16, LLVMIntUGT, NULL},
    [ROW(I16X8_LE_S)] = {do_compare, I16, LLVMIntSLE, NULL},
    [ROW(I16X8_LE_U)] = {do_compare, I16, LLVMIntULE, NULL},
    [ROW(I16X8_GE_S)] = {do_compare, I16, LLVMIntSGE, NULL},
    [ROW(I16X8_GE_U)] = {do_compare, I16, LLVMIntUGE, NULL},
    [ROW(I32X4_EQ)] = {do_compare, I32, LLVMIntEQ, NULL},
    [ROW(I32X4_NE)] = {do_compare, I32, LLVMIntNE, NULL},
    [ROW(I32X4_LT_S)] = {do_compare, I32, LLVMIntSLT, NULL},
    [ROW(I32X4_LT_U)] = {do_compare, I32, LLVMIntULT, NULL},
    [ROW(I32X4_GT_S)] = {do_compare, I32, LLVMIntSGT, NULL},
    [ROW(I32X4_GT_U)] = {do_compare, I32, LLVMIntUGT, NULL},
    [ROW(I32X4_LE_S)] = {do_compare, I32, LLVMIntSLE, NULL},
    [ROW(I32X4_LE_U)] = {do_compare, I32, LLVMIntULE, NULL},
    [ROW(I32X4_GE_S)] = {do_compare, I32, LLVMIntSGE, NULL},
    [ROW(I32X4_GE_U)] = {do_compare, I32, LLVMIntUGE, NULL},
    [ROW(I64X2_EQ)] = {do_compare, I64, LLVMIntEQ, NULL},
    [ROW(I64X2_NE)] = {do_compare, I64, LLVMIntNE, NULL},
    [ROW(I64X2_LT_S)] = {do_compare, I64, LLVMIntSLT, NULL},
    [ROW(I64X2_GT_S)] = {do_compare, I64, LLVMIntSGT, NULL},
    [ROW(I64X2_LE_S)] = {do_compare, I64, LLVMIntSLE, NULL},
    [ROW(I64X2_GE_S)] = {do_compare, I64, LLVMIntSGE, NULL},
    [ROW(F32X4_EQ)] = {do_compare, F32, LLVMRealOEQ, NULL},
    [ROW(F32X4_NE)] = {do_compare, F32, LLVMRealUNE, NULL},
    [ROW(F32X4_LT)] = {do_compare, F32, LLVMRealOLT, NULL},
    [ROW(F32X4_GT)] = {do_compare, F32, LLVMRealOGT, NULL},
    [ROW(F32X4_LE)] = {do_compare, F32, LLVMRealOLE, NULL},
    [ROW(F32X4_GE)] = {do_compare, F32, LLVMRealOGE, NULL},
    [ROW(F64X2_EQ)] = {do_compare, F64, LLVMRealOEQ, NULL},
    [ROW(F64X2_NE)] = {do_compare, F64, LLVMRealUNE, NULL},
    [ROW(F64X2_LT)] = {do_compare, F64, LLVMRealOLT, NULL},
    [ROW(F64X2_GT)] = {do_compare, F64, LLVMRealOGT, NULL},
    [ROW(F64X2_LE)] = {do_compare, F64, LLVMRealOLE, NULL},
    [ROW(F64X2_GE)] = {do_compare, F64, LLVMRealOGE, NULL},
    [ROW(V128_NOT)] = {do_bits, I64, 0, NULL},
    [ROW(V128_AND)] = {do_bits, I64, LLVMAnd, NULL},
    [ROW(V128_ANDNOT)] = {do_bits, I64, LLVMAnd, NULL},
    [ROW(V128_OR)] = {do_bits, I64, LLVMOr, NULL},
    [ROW(V128_XOR)] = {do_bits, I64, LLVMXor, NULL},
    [ROW(V128_BITSELECT)] = {do_bitselect, I64, 0, NULL},
    [ROW(V128_ANY_TRUE)] = {do_any_true, I64, 0, NULL},
    [ROW(I8X16_ABS)] = {do_unary, I8, 1, "llvm.abs"},
    [ROW(I8X16_NEG)] = {do_negate, I8, 0, NULL},
    [ROW(I8X16_ALL_TRUE)] = {do_all_true, I8, 0, NULL},
    [ROW(I8X16_BITMASK)] = {do_bitmask, I8, 0, NULL},
    [ROW(I8X16_SHL)] = {do_shift, I8, LLVMShl, NULL},
    [ROW(I8X16_SHR_S)] = {do_shift, I8, LLVMAShr, NULL},
    [ROW(I8X16_SHR_U)] = {do_shift, I8, LLVMLShr, NULL},
    [ROW(I8X16_ADD)] = {do_binary, I8, LLVMAdd, NULL},
    [ROW(I8X16_SUB)] = {do_binary, I8, LLVMSub, NULL},
    [ROW(I8X16_ADD_SAT_S)] = {do_pair, I8, 0, "llvm.sadd.sat"},
    [ROW(I8X16_ADD_SAT_U)] = {do_pair, I8, 0, "llvm.uadd.sat"},
    [ROW(I8X16_SUB_SAT_S)] = {do_pair, I8, 0, "llvm.ssub.sat"},
    [ROW(I8X16_SUB_SAT_U)] = {do_pair, I8, 0, "llvm.usub.sat"},
    [ROW(I8X16_AVGR_U)] = {do_average, I8, 0, NULL},
    [ROW(I8X16_MIN_S)] = {do_pair, I8, 0, "llvm.smin"},
    [ROW(I8X16_MIN_U)] = {do_pair, I8, 0, "llvm.umin"},
    [ROW(I8X16_MAX_S)] = {do_pair, I8, 0, "llvm.smax"},
    [ROW(I8X16_MAX_U)] = {do_pair, I8, 0, "llvm.umax"},
    [ROW(I16X8_ABS)] = {do_unary, I16, 1, "llvm.abs"},
    [ROW(I16X8_NEG)] = {do_negate, I16, 0, NULL},
    [ROW(I16X8_ALL_TRUE)] = {do_all_true, I16, 0, NULL},
    [ROW(I16X8_BITMASK)] = {do_bitmask, I16, 0, NULL},
    [ROW(I16X8_SHL)] = {do_shift, I16, LLVMShl, NULL},
    [ROW(I16X8_SHR_S)] = {do_shift, I16, LLVMAShr, NULL},
    [ROW(I16X8_SHR_U)] = {do_shift, I16, LLVMLShr, NULL},
    [ROW(I16X8_ADD)] = {do_binary, I16, LLVMAdd, NULL},
    [ROW(I16X8_SUB)] = {do_binary, I16, LLVMSub, NULL},
    [ROW(I16X8_MUL)] = {do_binary, I16, LLVMMul, NULL},
    [ROW(I16X8_ADD_SAT_S)] = {do_pair, I16, 0, "llvm.sadd.sat"},
    [ROW(I16X8_ADD_SAT_U)] = {do_pair, I16, 0, "llvm.uadd.sat"},
    [ROW(I16X8_SUB_SAT_S)] = {do_pair, I16, 0, "llvm.ssub.sat"},
    [ROW(I16X8_SUB_SAT_U)] = {do_pair, I16, 0, "llvm.usub.sat"},
    [ROW(I16X8_AVGR_U)] = {do_average, I16, 0, NULL},
    [ROW(I16X8_MIN_S)] = {do_pair, I16, 0, "llvm.smin"},
    [ROW(I16X8_MIN_U)] = {do_pair, I16, 0, "llvm.umin"},
    [ROW(I16X8_MAX_S)] = {do_pair, I16, 0, "llvm.smax"},
    [ROW(I16X8_MAX_U)] = {do_pair, I16, 0, "llvm.umax"},
    [ROW(I32X4_ABS)] = {do_unary, I32, 1, "llvm.abs"},
    [ROW(I32X4_NEG)] = {do_negate, I32, 0, NULL},
    [ROW(I32X4_ALL_TRUE)] = {do_all_true, I32, 0, NULL},
    [ROW(I32X4_BITMASK)] = {do_bitmask, I32, 0, NULL},
    [ROW(I32X4_SHL)] = {do_shift, I32, LLVMShl, NULL},
    [ROW(I32X4_SHR_S)] = {do_shift, I32, LLVMAShr, NULL},
    [ROW(I32X4_SHR_U)] = {do_shift, I32, LLVMLShr, NULL},
    [ROW(I32X4_ADD)] = {do_binary, I32, LLVMAdd, NULL},
    [ROW(I32X4_SUB)] = {do_binary, I32, LLVMSub, NULL},
    [ROW(I32X4_MUL)] = {do_binary, I32, LLVMMul, NULL},
    [ROW(I32X4_MIN_S)] = {do_pair, I32, 0, "llvm.smin"},
    [ROW(I32X4_MIN_U)] = {do_pair, I32, 0, "llvm.umin"},
    [ROW(I32X4_MAX_S)] = {do_pair, I32, 0, "llvm.smax"},
    [ROW(I32X4_MAX_U)] = {do_pair, I32, 0, "llvm.umax"},
    [ROW(I64X2_ABS)] = {do_unary, I64, 1, "llvm.abs"},
    [ROW(I64X2_NEG)] = {do_negate, I64, 0, NULL},
    [ROW(I64X2_ALL_TRUE)] = {do_all_true, I64, 0, NULL},
    [ROW(I64X2_BITMASK)] = {do_bitmask, I64, 0, NULL},
    [ROW(I64X2_SHL)] = {do_shift, I64, LLVMShl, NULL},
    [ROW(I64X2_SHR_S)] = {do_shift, I64, LLVMAShr, NULL},
    [ROW(I64X2_SHR_U)] = {do_shift, I64, LLVMLShr, NULL},
    [ROW(I64X2_ADD)] = {do_binary, I64, LLVMAdd, NULL},
    [ROW(I64X2_SUB)] = {do_binary, I64, LLVMSub, NULL},
    [ROW(I64X2_MUL)] = {do_binary, I64, LLVMMul, NULL},
    [ROW(I8X16_POPCNT)] = {do_unary, I8, 0, "llvm.ctpop"},
    [ROW(I8X16_NARROW_I16X8_S)] = {do_machine_pair, I16, 0, "llvm.x86.sse2.packsswb.128"},
    [ROW(I8X16_NARROW_I16X8_U)] = {do_machine_pair, I16, 0, "llvm.x86.sse2.packuswb.128"},
    [ROW(I16X8_NARROW_I32X4_S)] = {do_machine_pair, I32, 0, "llvm.x86.sse2.packssdw.128"},
    [ROW(I16X8_NARROW_I32X4_U)] = {do_machine_pair, I32, 0, "llvm.x86.sse41.packusdw"},
    [ROW(I16X8_Q15MULR_SAT_S)] = {do_q15mulr, I16, 0, NULL},
    [ROW(I32X4_DOT_I16X8_S)] = {do_machine_pair, I16, 0, "llvm.x86.sse2.pmadd.wd"},
    [ROW(I16X8_EXTEND_LOW_I8X16_S)] = {do_extend, I16, IS_SIGNED, NULL},
    [ROW(I16X8_EXTMUL_LOW_I8X16_S)] = {do_extended_multiply, I16, IS_SIGNED, NULL},
    [ROW(I16X8_EXTEND_LOW_I8X16_U)] = {do_extend, I16, 0, NULL},
    [ROW(I16X8_EXTMUL_LOW_I8X16_U)] = {do_extended_multiply, I16, 0, NULL},
    [ROW(I16X8_EXTEND_HIGH_I8X16_S)] = {do_extend, I16, IS_HIGH | IS_SIGNED, NULL},
    [ROW(I16X8_EXTMUL_HIGH_I8X16_S)] = {do_extended_multiply, I16, IS_HIGH | IS_SIGNED, NULL},
    [ROW(I16X8_EXTEND_HIGH_I8X16_U)] = {do_extend, I16, IS_HIGH, NULL},
    [ROW(I16X8_EXTMUL_HIGH_I8X16_U)] = {do_extended_multiply, I16, IS_HIGH, NULL},
    [ROW(I16X8_EXTADD_PAIRWISE_I8X16_S)] = {do_pairwise_add, I16, IS_SIGNED, NULL},
    [ROW(I16X8_EXTADD_PAIRWISE_I8X16_U)] = {do_pairwise_add, I16, 0, NULL},
    [ROW(I32X4_EXTEND_LOW_I16X8_S)] = {do_extend, I32, IS_SIGNED, NULL},
    [ROW(I32X4_EXTMUL_LOW_I16X8_S)] = {do_extended_multiply, I32, IS_SIGNED, NULL},
    [ROW(I32X4_EXTEND_LOW_I16X8_U)] = {do_extend, I32, 0, NULL},
    [ROW(I32X4_EXTMUL_LOW_I16X8_U)] = {do_extended_multiply, I32, 0, NULL},
    [ROW(I32X4_EXTEND_HIGH_I16X8_S)] = {do_extend, I32, IS_HIGH | IS_SIGNED, NULL},
    [ROW(I32X4_EXTMUL_HIGH_I16X8_S)] = {do_extended_multiply, I32, IS_HIGH | IS_SIGNED, NULL},
    [ROW(I32X4_EXTEND_HIGH_I16X8_U)] = {do_extend, I32, IS_HIGH, NULL},
    [ROW(I32X4_EXTMUL_HIGH_I16X8_U)] = {do_extended_multiply, I32, IS_HIGH, NULL},
    [ROW(I32X4_EXTADD_PAIRWISE_I16X8_S)] = {do_pairwise_add, I32, IS_SIGNED, NULL},
    [ROW(I32X4_EXTADD_PAIRWISE_I16X8_U)] = {do_pairwise_add, I32, 0, NULL},
    [ROW(I64X2_EXTEND_LOW_I32X4_S)] = {do_extend, I64, IS_SIGNED, NULL},
    [ROW(I64X2_EXTMUL_LOW_I32X4_S)] = {do_extended_multiply, I64, IS_SIGNED, NULL},
    [ROW(I64X2_EXTEND_LOW_I32X4_U)] = {do_extend, I64, 0, NULL},
    [ROW(I64X2_EXTMUL_LOW_I32X4_U)] = {do_extended_multiply, I64, 0, NULL},
    [ROW(I64X2_EXTEND_HIGH_I32X4_S)] = {do_extend, I64, IS_HIGH | IS_SIGNED, NULL},
    [ROW(I64X2_EXTMUL_HIGH_I32X4_S)] = {do_extended_multiply, I64, IS_HIGH | IS_SIGNED, NULL},
    [ROW(I64X2_EXTEND_HIGH_I32X4_U)] = {do_extend, I64, IS_HIGH, NULL},
    [ROW(I64X2_EXTMUL_HIGH_I32X4_U)] = {do_extended_multiply, I64, IS_HIGH, NULL},
    [ROW(F32X4_ABS)] = {do_unary, F32, 0, "llvm.fabs"},
    [ROW(F32X4_SQRT)] = {do_unary, F32, 0, "llvm.sqrt"},
    [ROW(F32X4_CEIL)] = {do_unary, F32, 0, "llvm.ceil"},
    [ROW(F32X4_FLOOR)] = {do_unary, F32, 0, "llvm.floor"},
    [ROW(F32X4_TRUNC)] = {do_unary, F32, 0, "llvm.trunc"},
    [ROW(F32X4_NEAREST)] = {do_unary, F32, 0, "llvm.roundeven"},
    [ROW(F32X4_NEG)] = {do_negate, F32, 0, NULL},
    [ROW(F32X4_ADD)] = {do_binary, F32, LLVMFAdd, NULL},
    [ROW(F32X4_SUB)] = {do_binary, F32, LLVMFSub, NULL},
    [ROW(F32X4_MUL)] = {do_binary, F32, LLVMFMul, NULL},
    [ROW(F32X4_DIV)] = {do_binary, F32, LLVMFDiv, NULL},
    [ROW(F32X4_MIN)] = {do_extreme, F32, 1, NULL},
    [ROW(F32X4_MAX)] = {do_extreme, F32, 0, NULL},
    [ROW(F32X4_PMIN)] = {do_pseudo_extreme, F32, 1, NULL},
    [ROW(F32X4_PMAX)] = {do_pseudo_extreme, F32, 0, NULL},
    [ROW(F64X2_ABS)] = {do_unary, F64, 0, "llvm.fabs"},
    [ROW(F64X2_SQRT)] = {do_unary, F64, 0, "llvm.sqrt"},
    [ROW(F64X2_CEIL)] = {do_unary, F64, 0, "llvm.ceil"},
    [ROW(F64X2_FLOOR)] = {do_unary, F64, 0, "llvm.floor"},
    [ROW(F64X2_TRUNC)] = {do_unary, F64, 0, "llvm.trunc"},
    [ROW(F64X2_NEAREST)] = {do_unary, F64, 0, "llvm.roundeven"},
    [ROW(F64X2_NEG)] = {do_negate, F64, 0, NULL},
    [ROW(F64X2_ADD)] = {do_binary, F64, LLVMFAdd, NULL},
    [ROW(F64X2_SUB)] = {do_binary, F64, LLVMFSub, NULL},
    [ROW(F64X2_MUL)] = {do_binary, F64, LLVMFMul, NULL},
    [ROW(F64X2_DIV)] = {do_binary, F64, LLVMFDiv, NULL},
    [ROW(F64X2_MIN)] = {do_extreme, F64, 1, NULL},
    [ROW(F64X2_MAX)] = {do_extreme, F64, 0, NULL},
    [ROW(F64X2_PMIN)] = {do_pseudo_extreme, F64, 1, NULL},
    [ROW(F64X2_PMAX)] = {do_pseudo_extreme, F64, 0, NULL},
    [ROW(F32X4_CONVERT_I32X4_S)] = {do_convert, F32, 1, NULL},
    [ROW(F32X4_CONVERT_I32X4_U)] = {do_convert, F32, 0, NULL},
    [ROW(F64X2_CONVERT_LOW_I32X4_S)] = {do_convert, F64, 1, NULL},
    [ROW(F64X2_CONVERT_LOW_I32X4_U)] = {do_convert, F64, 0, NULL},
    [ROW(I32X4_TRUNC_SAT_F32X4_S)] = {do_trunc_sat, F32, 1, NULL},
    [ROW(I32X4_TRUNC_SAT_F32X4_U)] = {do_trunc_sat, F32, 0, NULL},
    [ROW(I32X4_TRUNC_SAT_F64X2_S_ZERO)] = {do_trunc_sat, F64, 1, NULL},
    [ROW(I32X4_TRUNC_SAT_F64X2_U_ZERO)] = {do_trunc_sat, F64, 0, NULL},
    [ROW(F64X2_PROMOTE_LOW_F32X4)] = {do_promote, F64, 0, NULL},
    [ROW(F32X4_DEMOTE_F64X2_ZERO)] = {do_demote, F32, 0, NULL},
    /* relaxed */
    [ROW(I8X16_RELAXED_SWIZZLE)] = {do_swizzle, I8, 0, NULL},
    [ROW(I32X4_RELAXED_TRUNC_F32X4_S)] = {do_trunc_sat, F32, 1, NULL},
    [ROW(I32X4_RELAXED_TRUNC_F32X4_U)] = {do_trunc_sat, F32, 0, NULL},
    [ROW(I32X4_RELAXED_TRUNC_F64X2_S_ZERO)] = {do_trunc_sat, F64, 1, NULL},
    [ROW(I32X4_RELAXED_TRUNC_F64X2_U_ZERO)] = {do_trunc_sat, F64, 0, NULL},
    [ROW(F32X4_RELAXED_MADD)] = {do_multiply_add, F32, 0, NULL},
    [ROW(F32X4_RELAXED_NMADD)] = {do_multiply_add, F32, 1, NULL},
    [ROW(F32X4_RELAXED_MIN)] = {do_extreme, F32, 1, NULL},
    [ROW(F32X4_RELAXED_MAX)] = {do_extreme, F32, 0, NULL},
    [ROW(F64X2_RELAXED_MADD)] = {do_multiply_add, F64, 0, NULL},
    [ROW(F64X2_RELAXED_NMADD)] = {do_multiply_add, F64, 1, NULL},
    [ROW(F64X2_RELAXED_MIN)] = {do_extreme, F64, 1, NULL},
    [ROW(F64X2_RELAXED_MAX)] = {do_extreme, F64, 0, NULL},
    [ROW(I8X16_RELAXED_LANESELECT)] = {do_bitselect, I8, 0, NULL},
    [ROW(I16X8_RELAXED_LANESELECT)] = {do_bitselect, I16, 0, NULL},
    [ROW(I32X4_RELAXED_LANESELECT)] = {do_bitselect, I32, 0, NULL},
    [ROW(I64X2_RELAXED_LANESELECT)] = {do_bitselect, I64, 0, NULL},
    [ROW(I16X8_RELAXED_Q15MULR_S)] = {do_q15mulr, I16, 0, NULL},
    [ROW(I16X8_RELAXED_DOT_I8X16_I7X16_S)] = {do_dot, I16, 0, NULL},
    [ROW(I32X4_RELAXED_DOT_I8X16_I7X16_ADD_S)] = {do_dot, I32, 1, NULL},
};

bool emit_simd(Emit *e, const WasmInstr *instr)
{
    const uint32_t index = instr->opcode & 0xffff;
    if (instr->opcode >> 16 != 0xfd || index >= sizeof(simd_rows) / sizeof(simd_rows[0]) || simd_rows[index].emit == NULL) {
        return false;
    }
    simd_rows[index].emit(e, &simd_rows[index], instr);
    return true;
}
