/* LLVM types and constants of the loop IR's values. A bool is i1 in a register and a byte in
 * memory; a bf16 is carried as its 16 bits, because LLVM's own conversions to it differ between
 * targets. */
#include "compiler/codegen/emit.h"

LLVMTypeRef type_value(Emit *e, DType t) {
    if (t == DTYPE_BOOL) return LLVMInt1TypeInContext(e->c);
    if (t == DTYPE_F64) return LLVMDoubleTypeInContext(e->c);
    if (t == DTYPE_F32) return LLVMFloatTypeInContext(e->c);
    if (t == DTYPE_F16) return LLVMHalfTypeInContext(e->c);
    return LLVMIntTypeInContext(e->c, dtype_bytes(t) * 8);
}

LLVMTypeRef type_memory(Emit *e, DType t) {
    return t == DTYPE_BOOL ? LLVMInt8TypeInContext(e->c) : type_value(e, t);
}

static bool type_is_vector(LLVMTypeRef t) {
    return LLVMGetTypeKind(t) == LLVMVectorTypeKind;
}

bool value_is_vector(LLVMValueRef v) {
    return type_is_vector(LLVMTypeOf(v));
}

LLVMTypeRef type_like(LLVMTypeRef element, LLVMValueRef shape) {
    LLVMTypeRef t = LLVMTypeOf(shape);
    return type_is_vector(t) ? LLVMVectorType(element, LLVMGetVectorSize(t)) : element;
}

LLVMTypeRef type_bits(Emit *e, LLVMTypeRef t) {
    LLVMTypeRef element = type_is_vector(t) ? LLVMGetElementType(t) : t;
    unsigned bits = 0;
    switch (LLVMGetTypeKind(element)) {
    case LLVMHalfTypeKind: bits = 16; break;
    case LLVMFloatTypeKind: bits = 32; break;
    case LLVMDoubleTypeKind: bits = 64; break;
    case LLVMIntegerTypeKind: bits = LLVMGetIntTypeWidth(element); break;
    default: BUG("bits of a type that has none");
    }
    LLVMTypeRef integer = LLVMIntTypeInContext(e->c, bits);
    return type_is_vector(t) ? LLVMVectorType(integer, LLVMGetVectorSize(t)) : integer;
}

enum { LANES_MAX = 128 };

LLVMValueRef const_like(LLVMTypeRef type, LLVMValueRef scalar) {
    LLVMValueRef lanes[LANES_MAX];
    if (!type_is_vector(type)) return scalar;
    unsigned count = LLVMGetVectorSize(type);
    INVARIANT(count <= LANES_MAX);
    for (unsigned i = 0; i < count; i++) lanes[i] = scalar;
    return LLVMConstVector(lanes, count);
}

static LLVMTypeRef type_element(LLVMTypeRef t) {
    return type_is_vector(t) ? LLVMGetElementType(t) : t;
}

LLVMValueRef const_int(LLVMTypeRef type, uint64_t value) {
    return const_like(type, LLVMConstInt(type_element(type), value, 0));
}

LLVMValueRef const_real(LLVMTypeRef type, double value) {
    return const_like(type, LLVMConstReal(type_element(type), value));
}

LLVMValueRef const_bits(Emit *e, DType t, uint64_t bits) {
    LLVMTypeRef type = type_value(e, t);
    if (!dtype_is_float(t) || t == DTYPE_BF16) return LLVMConstInt(type, bits, 0);
    return LLVMConstBitCast(LLVMConstInt(type_bits(e, type), bits, 0), type);
}

LLVMValueRef const_i64(const Emit *e, int64_t value) {
    return LLVMConstInt(LLVMInt64TypeInContext(e->c), (uint64_t)value, 1);
}

LLVMValueRef call_intrinsic(Emit *e, const char *name, LLVMTypeRef *overloads, unsigned noverloads,
                            LLVMValueRef *args, unsigned nargs) {
    unsigned id = LLVMLookupIntrinsicID(name, strlen(name));
    if (id == 0) BUG("LLVM has no intrinsic %s", name);
    LLVMValueRef f = LLVMGetIntrinsicDeclaration(e->part->module, id, overloads, noverloads);
    return LLVMBuildCall2(e->b, LLVMGlobalGetValueType(f), f, args, nargs, "");
}

LLVMValueRef shuffle(Emit *e, LLVMValueRef a, LLVMValueRef b, const int *lanes, uint32_t count) {
    LLVMValueRef mask[LANES_MAX];
    INVARIANT(count <= LANES_MAX);
    LLVMTypeRef i32 = LLVMInt32TypeInContext(e->c);
    for (uint32_t i = 0; i < count; i++) mask[i] = LLVMConstInt(i32, (uint64_t)lanes[i], 0);
    return LLVMBuildShuffleVector(e->b, a, b ? b : LLVMGetPoison(LLVMTypeOf(a)),
                                  LLVMConstVector(mask, count), "");
}

LLVMValueRef lane_numbers(Emit *e, LLVMTypeRef element, uint32_t lanes) {
    LLVMValueRef numbers[LANES_MAX];
    (void)e;
    INVARIANT(lanes <= LANES_MAX);
    for (uint32_t i = 0; i < lanes; i++) numbers[i] = LLVMConstInt(element, i, 0);
    return LLVMConstVector(numbers, lanes);
}
