/* SPDX-License-Identifier: Apache-2.0 */
/*
 * emit-aarch64.c - what the x86 instructions that we ask for by name do, for aarch64 (Arm ARM, A64 SIMD and floating-point).
 *
 * Code is generated and linked; there is no runtime for this machine yet (README.md), so nothing here has run on one but what
 * tests/compile/run shows.
 */
#include <string.h>

#include "aot/aot-int.h"
#include "base/must.h"

/* TBL gives 0 for an index above 15, pshufb for one with bit 7 and ignores bits 4 to 6. */
static LLVMValueRef shuffle_bytes(Emit *e, LLVMValueRef a, LLVMValueRef index)
{
    LLVMTypeRef type = LLVMTypeOf(a);
    LLVMValueRef mask = unit_const_splat(type, LLVMConstInt(e->unit->i8, 0x8f, 0));
    LLVMValueRef args[] = {a, LLVMBuildAnd(e->builder, index, mask, "")};
    return emit_intrinsic(e, "llvm.aarch64.neon.tbl1", type, args, 2);
}

static LLVMValueRef limit(Emit *e, const char *name, LLVMValueRef a, uint64_t value)
{
    LLVMTypeRef type = LLVMTypeOf(a);
    LLVMValueRef args[] = {a, unit_const_splat(type, LLVMConstInt(LLVMGetElementType(type), value, 1))};
    return emit_intrinsic(e, name, type, args, 2);
}

/* Signed lanes to lanes of half the width, a's first. */
static LLVMValueRef narrow(Emit *e, LLVMValueRef a, LLVMValueRef b, bool is_signed)
{
    const unsigned count = LLVMGetVectorSize(LLVMTypeOf(a)) * 2;
    const unsigned bits = 128 / count;
    LLVMTypeRef half = LLVMVectorType(LLVMIntTypeInContext(e->unit->context, bits), count / 2);
    const int64_t maximum = is_signed ? (1ll << (bits - 1)) - 1 : (1ll << bits) - 1;
    const int64_t minimum = is_signed ? -maximum - 1 : 0;
    LLVMValueRef mask[16];
    for (unsigned i = 0; i < count; i++) {
        mask[i] = emit_i32(e, i);
    }
    a = LLVMBuildTrunc(e->builder, limit(e, "llvm.smax", limit(e, "llvm.smin", a, (uint64_t)maximum), (uint64_t)minimum), half, "");
    b = LLVMBuildTrunc(e->builder, limit(e, "llvm.smax", limit(e, "llvm.smin", b, (uint64_t)maximum), (uint64_t)minimum), half, "");
    return LLVMBuildShuffleVector(e->builder, a, b, LLVMConstVector(mask, count), "");
}

static LLVMValueRef dot(Emit *e, LLVMValueRef a, LLVMValueRef b)
{
    LLVMTypeRef wide = LLVMVectorType(e->unit->i32, 8);
    LLVMValueRef product = LLVMBuildMul(e->builder, LLVMBuildSExt(e->builder, a, wide, ""), LLVMBuildSExt(e->builder, b, wide, ""), "");
    LLVMValueRef even[4], odd[4];
    for (unsigned i = 0; i < 4; i++) {
        even[i] = emit_i32(e, 2 * i);
        odd[i] = emit_i32(e, 2 * i + 1);
    }
    return LLVMBuildAdd(e->builder, LLVMBuildShuffleVector(e->builder, product, product, LLVMConstVector(even, 4), ""),
                        LLVMBuildShuffleVector(e->builder, product, product, LLVMConstVector(odd, 4), ""), "");
}

/* f64x2 to the two lower lanes of f32x4, the upper ones 0. A signalling NaN becomes quiet before: LLVM folds fptrunc(fpext(x)) to x. */
static LLVMValueRef demote(Emit *e, LLVMValueRef a)
{
    LLVMValueRef quiet = emit_intrinsic(e, "llvm.canonicalize", LLVMTypeOf(a), &a, 1);
    LLVMTypeRef half = LLVMVectorType(e->unit->f32, 2);
    LLVMValueRef lanes = LLVMBuildFPTrunc(e->builder, quiet, half, "");
    LLVMValueRef mask[] = {emit_i32(e, 0), emit_i32(e, 1), emit_i32(e, 2), emit_i32(e, 3)};
    return LLVMBuildShuffleVector(e->builder, lanes, LLVMConstNull(half), LLVMConstVector(mask, 4), "");
}

LLVMValueRef emit_aarch64(Emit *e, const char *name, LLVMValueRef a, LLVMValueRef b)
{
    if (strcmp(name, "llvm.x86.ssse3.pshuf.b.128") == 0) {
        return shuffle_bytes(e, a, b);
    }
    if (strcmp(name, "llvm.x86.ssse3.pmul.hr.sw.128") == 0) { /* saturates where pmulhrsw wraps, which is what the caller mends */
        LLVMValueRef args[] = {a, b};
        return emit_intrinsic(e, "llvm.aarch64.neon.sqrdmulh", LLVMTypeOf(a), args, 2);
    }
    if (strcmp(name, "llvm.x86.sse2.packsswb.128") == 0 || strcmp(name, "llvm.x86.sse2.packssdw.128") == 0) {
        return narrow(e, a, b, true);
    }
    if (strcmp(name, "llvm.x86.sse2.packuswb.128") == 0 || strcmp(name, "llvm.x86.sse41.packusdw") == 0) {
        return narrow(e, a, b, false);
    }
    if (strcmp(name, "llvm.x86.sse2.pmadd.wd") == 0) {
        return dot(e, a, b);
    }
    if (strcmp(name, "llvm.x86.sse2.cvtsd2ss") == 0) { /* of b's lane 0; the caller looks at no other lane */
        return demote(e, b);
    }
    must(strcmp(name, "llvm.x86.sse2.cvtpd2ps") == 0);
    return demote(e, a);
}
