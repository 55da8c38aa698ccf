/* Casts between all dtypes, each rounding once. Float to integer saturates and gives 0 for NaN.
 * bf16 lives in registers as its bits; to f64 and back f16 and bf16 go through f32, rounded to odd
 * on the way down so that the second rounding sees whether anything was lost. */
#include "compiler/codegen/emit.h"

static LLVMTypeRef like(Emit *e, DType t, LLVMValueRef v) {
    return type_like(type_value(e, t), v);
}

static LLVMValueRef bf16_to_f32(Emit *e, LLVMValueRef v) {
    LLVMTypeRef i32 = type_like(LLVMInt32TypeInContext(e->c), v);
    LLVMValueRef wide = LLVMBuildZExt(e->b, v, i32, "");
    wide = LLVMBuildShl(e->b, wide, const_int(i32, 16), "");
    return LLVMBuildBitCast(e->b, wide, like(e, DTYPE_F32, v), "");
}

/* Adding 0x7FFF and the lowest kept bit rounds to nearest even; a NaN keeps its top bits, made
 * quiet. */
static LLVMValueRef f32_to_bf16(Emit *e, LLVMValueRef v) {
    LLVMTypeRef i32 = type_like(LLVMInt32TypeInContext(e->c), v);
    LLVMValueRef bits = LLVMBuildBitCast(e->b, v, i32, "");
    LLVMValueRef sixteen = const_int(i32, 16);
    LLVMValueRef odd =
        LLVMBuildAnd(e->b, LLVMBuildLShr(e->b, bits, sixteen, ""), const_int(i32, 1), "");
    LLVMValueRef sum = LLVMBuildAdd(e->b, bits, const_int(i32, 0x7FFF), "");
    sum = LLVMBuildAdd(e->b, sum, odd, "");
    LLVMValueRef quiet = LLVMBuildOr(e->b, bits, const_int(i32, 0x400000), "");
    LLVMValueRef nan = LLVMBuildFCmp(e->b, LLVMRealUNO, v, v, "");
    sum = LLVMBuildSelect(e->b, nan, quiet, sum, "");
    return LLVMBuildTrunc(e->b, LLVMBuildLShr(e->b, sum, sixteen, ""), like(e, DTYPE_BF16, v), "");
}

/* ---- f16 on machines that have no instruction for it. LLVM would call functions of a compiler's
 * library, which a model does not link. */

static LLVMValueRef integer(Emit *e, LLVMValueRef v, uint64_t value) {
    return const_int(type_like(LLVMInt32TypeInContext(e->c), v), value);
}

/* The exponent moves by 127 - 15; a subnormal is its fraction at the exponent of 2^-14, less 2^-14.
 */
static LLVMValueRef half_to_f32(Emit *e, LLVMValueRef v) {
    LLVMTypeRef i32 = type_like(LLVMInt32TypeInContext(e->c), v), f32 = like(e, DTYPE_F32, v);
    LLVMTypeRef i16 = type_like(LLVMInt16TypeInContext(e->c), v);
    LLVMValueRef h = LLVMBuildZExt(e->b, LLVMBuildBitCast(e->b, v, i16, ""), i32, "");
    LLVMValueRef sign = LLVMBuildAnd(e->b, h, integer(e, v, 0x8000), "");
    sign = LLVMBuildShl(e->b, sign, integer(e, v, 16), "");
    LLVMValueRef size = LLVMBuildAnd(e->b, h, integer(e, v, 0x7fff), "");
    size = LLVMBuildShl(e->b, size, integer(e, v, 13), "");
    LLVMValueRef special =
        LLVMBuildICmp(e->b, LLVMIntUGE, size, integer(e, v, UINT64_C(0x7c00) << 13), "");
    LLVMValueRef tiny =
        LLVMBuildICmp(e->b, LLVMIntULT, size, integer(e, v, UINT64_C(0x0400) << 13), "");
    LLVMValueRef least = integer(e, v, 0x38800000);
    LLVMValueRef fraction = LLVMBuildBitCast(e->b, LLVMBuildAdd(e->b, size, least, ""), f32, "");
    fraction = LLVMBuildFSub(e->b, fraction, LLVMBuildBitCast(e->b, least, f32, ""), "");
    LLVMValueRef bias = LLVMBuildSelect(e->b, special, integer(e, v, UINT64_C(224) << 23),
                                        integer(e, v, UINT64_C(112) << 23), "");
    LLVMValueRef bits = LLVMBuildSelect(e->b, tiny, LLVMBuildBitCast(e->b, fraction, i32, ""),
                                        LLVMBuildAdd(e->b, size, bias, ""), "");
    return LLVMBuildBitCast(e->b, LLVMBuildOr(e->b, bits, sign, ""), f32, "");
}

/* To nearest even: a normal number by adding 0xFFF and the lowest kept bit, a subnormal one by
 * adding 0.5, whose last place is 2^-24. */
static LLVMValueRef f32_to_half(Emit *e, LLVMValueRef v) {
    LLVMTypeRef i32 = type_like(LLVMInt32TypeInContext(e->c), v), f32 = like(e, DTYPE_F32, v);
    LLVMValueRef bits = LLVMBuildBitCast(e->b, v, i32, "");
    LLVMValueRef sign = LLVMBuildLShr(e->b, bits, integer(e, v, 16), "");
    sign = LLVMBuildAnd(e->b, sign, integer(e, v, 0x8000), "");
    LLVMValueRef size = LLVMBuildAnd(e->b, bits, integer(e, v, 0x7fffffff), "");
    LLVMValueRef half = integer(e, v, 0x3f000000);
    LLVMValueRef tiny = LLVMBuildFAdd(e->b, LLVMBuildBitCast(e->b, size, f32, ""),
                                      LLVMBuildBitCast(e->b, half, f32, ""), "");
    tiny = LLVMBuildSub(e->b, LLVMBuildBitCast(e->b, tiny, i32, ""), half, "");
    LLVMValueRef normal = LLVMBuildSub(e->b, size, integer(e, v, UINT64_C(112) << 23), "");
    LLVMValueRef odd = LLVMBuildLShr(e->b, normal, integer(e, v, 13), "");
    odd = LLVMBuildAnd(e->b, odd, integer(e, v, 1), "");
    normal = LLVMBuildAdd(e->b, normal, integer(e, v, 0xfff), "");
    normal = LLVMBuildLShr(e->b, LLVMBuildAdd(e->b, normal, odd, ""), integer(e, v, 13), "");
    LLVMValueRef is_tiny = LLVMBuildICmp(e->b, LLVMIntULT, size, integer(e, v, 0x38800000), "");
    LLVMValueRef is_large = LLVMBuildICmp(e->b, LLVMIntUGE, size, integer(e, v, 0x47800000), "");
    LLVMValueRef is_nan = LLVMBuildICmp(e->b, LLVMIntUGT, size, integer(e, v, 0x7f800000), "");
    LLVMValueRef out = LLVMBuildSelect(e->b, is_tiny, tiny, normal, "");
    out = LLVMBuildSelect(e->b, is_large, integer(e, v, 0x7c00), out, "");
    out = LLVMBuildSelect(e->b, is_nan, integer(e, v, 0x7e00), out, "");
    out = LLVMBuildOr(e->b, out, sign, "");
    LLVMTypeRef i16 = type_like(LLVMInt16TypeInContext(e->c), v);
    return LLVMBuildBitCast(e->b, LLVMBuildTrunc(e->b, out, i16, ""), like(e, DTYPE_F16, v), "");
}

static LLVMValueRef from_half(Emit *e, LLVMValueRef v) {
    if (e->target->software_half) return half_to_f32(e, v);
    return LLVMBuildFPExt(e->b, v, like(e, DTYPE_F32, v), "");
}

static LLVMValueRef to_half(Emit *e, LLVMValueRef v) {
    if (e->target->software_half) return f32_to_half(e, v);
    return LLVMBuildFPTrunc(e->b, v, like(e, DTYPE_F16, v), "");
}

/* f64 -> f32 rounded to odd: truncate towards zero, then set the last bit if anything was lost. f32
 * has 13 bits more than f16 and 16 more than bf16, so rounding that to nearest even rounds once. */
static LLVMValueRef f64_to_f32_odd(Emit *e, LLVMValueRef v) {
    LLVMTypeRef f32 = like(e, DTYPE_F32, v), i32 = type_bits(e, f32);
    LLVMValueRef near = LLVMBuildFPTrunc(e->b, v, f32, "");
    LLVMValueRef back = LLVMBuildFPExt(e->b, near, LLVMTypeOf(v), "");
    LLVMTypeRef over = LLVMTypeOf(v);
    LLVMValueRef size = call_intrinsic(e, "llvm.fabs", &over, 1, &v, 1);
    LLVMValueRef back_size = call_intrinsic(e, "llvm.fabs", &over, 1, &back, 1);
    LLVMValueRef above = LLVMBuildFCmp(e->b, LLVMRealOGT, back_size, size, "");
    LLVMValueRef lost = LLVMBuildFCmp(e->b, LLVMRealONE, back, v, "");
    LLVMValueRef bits = LLVMBuildBitCast(e->b, near, i32, "");
    /* one step towards zero: the magnitude is the low bits of a sign-magnitude number */
    LLVMValueRef down = LLVMBuildSub(e->b, bits, LLVMBuildZExt(e->b, above, i32, ""), "");
    down = LLVMBuildOr(e->b, down, LLVMBuildZExt(e->b, lost, i32, ""), "");
    return LLVMBuildBitCast(e->b, down, f32, "");
}

static LLVMValueRef float_to_float(Emit *e, DType to, DType from, LLVMValueRef v) {
    if (to == from) return v;
    if (from == DTYPE_F16) v = from_half(e, v);
    if (from == DTYPE_BF16) v = bf16_to_f32(e, v);
    if (to == DTYPE_F64) return LLVMBuildFPExt(e->b, v, like(e, DTYPE_F64, v), "");
    if (from == DTYPE_F64)
        v = to == DTYPE_F32 ? LLVMBuildFPTrunc(e->b, v, like(e, DTYPE_F32, v), "")
                            : f64_to_f32_odd(e, v);
    if (to == DTYPE_F16) return to_half(e, v);
    return to == DTYPE_BF16 ? f32_to_bf16(e, v) : v;
}

static LLVMValueRef int_to_float(Emit *e, DType to, DType from, LLVMValueRef v) {
    bool narrow = to == DTYPE_F16 || to == DTYPE_BF16;
    DType first = narrow ? DTYPE_F32 : to;
    LLVMTypeRef type = like(e, first, v);
    v = dtype_is_signed(from) ? LLVMBuildSIToFP(e->b, v, type, "")
                              : LLVMBuildUIToFP(e->b, v, type, "");
    return float_to_float(e, to, first, v);
}

static LLVMValueRef float_to_int(Emit *e, DType to, DType from, LLVMValueRef v) {
    if (from != DTYPE_F64) v = float_to_float(e, DTYPE_F32, from, v);
    LLVMTypeRef over[] = {like(e, to, v), LLVMTypeOf(v)};
    const char *name = dtype_is_signed(to) ? "llvm.fptosi.sat" : "llvm.fptoui.sat";
    return call_intrinsic(e, name, over, 2, &v, 1);
}

static LLVMValueRef int_to_int(Emit *e, DType to, DType from, LLVMValueRef v) {
    LLVMTypeRef type = like(e, to, v);
    if (dtype_bytes(to) < dtype_bytes(from)) return LLVMBuildTrunc(e->b, v, type, "");
    if (dtype_bytes(to) == dtype_bytes(from)) return v;
    return dtype_is_signed(from) ? LLVMBuildSExt(e->b, v, type, "")
                                 : LLVMBuildZExt(e->b, v, type, "");
}

static LLVMValueRef to_bool(Emit *e, DType from, LLVMValueRef v) {
    if (from == DTYPE_BOOL) return v;
    if (!dtype_is_float(from))
        return LLVMBuildICmp(e->b, LLVMIntNE, v, LLVMConstNull(LLVMTypeOf(v)), "");
    if (from != DTYPE_F64) v = float_to_float(e, DTYPE_F32, from, v);
    return LLVMBuildFCmp(e->b, LLVMRealUNE, v, LLVMConstNull(LLVMTypeOf(v)), "");
}

LLVMValueRef emit_cast(Emit *e, DType to, DType from, LLVMValueRef v) {
    if (to == DTYPE_BOOL) return to_bool(e, from, v);
    if (from == DTYPE_BOOL) {
        if (!dtype_is_float(to)) return LLVMBuildZExt(e->b, v, like(e, to, v), "");
        LLVMTypeRef type = like(e, to, v);
        LLVMValueRef one =
            const_like(type, const_bits(e, to, (uint64_t)dtype_word_from_f64(to, 1)));
        return LLVMBuildSelect(e->b, v, one, LLVMConstNull(type), "");
    }
    if (dtype_is_float(from))
        return dtype_is_float(to) ? float_to_float(e, to, from, v) : float_to_int(e, to, from, v);
    return dtype_is_float(to) ? int_to_float(e, to, from, v) : int_to_int(e, to, from, v);
}
