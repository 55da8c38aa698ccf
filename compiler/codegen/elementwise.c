/* The elementwise ops, on scalars and vectors alike, by the rules of docs/numerics.md. No fast-math
 * flag is ever set. f16 and bf16 compute in f32 and round once. */
#include "compiler/codegen/emit.h"

typedef LLVMValueRef (*OpCode)(Emit *e, DType t, LLVMValueRef *a);

static LLVMTypeRef type_of(LLVMValueRef v) {
    return LLVMTypeOf(v);
}
static bool is_real(DType t) {
    return dtype_is_float(t);
}

static LLVMValueRef unary_intrinsic(Emit *e, const char *name, LLVMValueRef a) {
    LLVMTypeRef over = type_of(a);
    return call_intrinsic(e, name, &over, 1, &a, 1);
}

/* ------------------------------------------------------------------ unary */

static LLVMValueRef op_neg(Emit *e, DType t, LLVMValueRef *a) {
    return is_real(t) ? LLVMBuildFNeg(e->b, a[0], "") : LLVMBuildNeg(e->b, a[0], "");
}

static LLVMValueRef op_abs(Emit *e, DType t, LLVMValueRef *a) {
    if (is_real(t)) return unary_intrinsic(e, "llvm.fabs", a[0]);
    if (!dtype_is_signed(t)) return a[0];
    LLVMValueRef zero = LLVMConstNull(type_of(a[0]));
    LLVMValueRef negative = LLVMBuildICmp(e->b, LLVMIntSLT, a[0], zero, "");
    return LLVMBuildSelect(e->b, negative, LLVMBuildNeg(e->b, a[0], ""), a[0], "");
}

/* 1 above zero, -1 below; zeros and NaN stay what they are. */
static LLVMValueRef op_sign(Emit *e, DType t, LLVMValueRef *a) {
    LLVMTypeRef type = type_of(a[0]);
    LLVMValueRef zero = LLVMConstNull(type);
    if (is_real(t)) {
        LLVMValueRef above = LLVMBuildFCmp(e->b, LLVMRealOGT, a[0], zero, "");
        LLVMValueRef below = LLVMBuildFCmp(e->b, LLVMRealOLT, a[0], zero, "");
        LLVMValueRef v = LLVMBuildSelect(e->b, below, const_real(type, -1), a[0], "");
        return LLVMBuildSelect(e->b, above, const_real(type, 1), v, "");
    }
    LLVMIntPredicate greater = dtype_is_signed(t) ? LLVMIntSGT : LLVMIntUGT;
    LLVMValueRef v = LLVMBuildSelect(e->b, LLVMBuildICmp(e->b, greater, a[0], zero, ""),
                                     const_int(type, 1), zero, "");
    if (!dtype_is_signed(t)) return v;
    LLVMValueRef below = LLVMBuildICmp(e->b, LLVMIntSLT, a[0], zero, "");
    return LLVMBuildSelect(e->b, below, const_int(type, UINT64_MAX), v, "");
}

static LLVMValueRef op_floor(Emit *e, DType t, LLVMValueRef *a) {
    return is_real(t) ? unary_intrinsic(e, "llvm.floor", a[0]) : a[0];
}

static LLVMValueRef op_sqrt(Emit *e, DType t, LLVMValueRef *a) {
    (void)t;
    return unary_intrinsic(e, "llvm.sqrt", a[0]);
}

static LLVMValueRef op_not(Emit *e, DType t, LLVMValueRef *a) {
    (void)t;
    return LLVMBuildNot(e->b, a[0], "");
}

static LLVMValueRef op_stop(Emit *e, DType t, LLVMValueRef *a) {
    (void)e;
    (void)t;
    return a[0];
}

/* ------------------------------------------------------------------ arithmetic */

static LLVMValueRef op_add(Emit *e, DType t, LLVMValueRef *a) {
    return is_real(t) ? LLVMBuildFAdd(e->b, a[0], a[1], "") : LLVMBuildAdd(e->b, a[0], a[1], "");
}
static LLVMValueRef op_sub(Emit *e, DType t, LLVMValueRef *a) {
    return is_real(t) ? LLVMBuildFSub(e->b, a[0], a[1], "") : LLVMBuildSub(e->b, a[0], a[1], "");
}
static LLVMValueRef op_mul(Emit *e, DType t, LLVMValueRef *a) {
    return is_real(t) ? LLVMBuildFMul(e->b, a[0], a[1], "") : LLVMBuildMul(e->b, a[0], a[1], "");
}

static LLVMValueRef op_fma(Emit *e, DType t, LLVMValueRef *a) {
    if (!is_real(t)) return LLVMBuildAdd(e->b, LLVMBuildMul(e->b, a[0], a[1], ""), a[2], "");
    LLVMTypeRef over = type_of(a[0]);
    return call_intrinsic(e, "llvm.fma", &over, 1, a, 3);
}

/* The machine traps on division by zero and on least / -1: both get divisor 1 and are put right. */
typedef struct Divisor {
    LLVMValueRef safe, is_zero, is_minus_one; /* is_minus_one: NULL when unsigned */
} Divisor;

static Divisor divisor_make(Emit *e, DType t, LLVMValueRef b) {
    LLVMTypeRef type = type_of(b);
    Divisor d = {.is_zero = LLVMBuildICmp(e->b, LLVMIntEQ, b, LLVMConstNull(type), "")};
    LLVMValueRef unsafe = d.is_zero;
    if (dtype_is_signed(t)) {
        d.is_minus_one = LLVMBuildICmp(e->b, LLVMIntEQ, b, LLVMConstAllOnes(type), "");
        unsafe = LLVMBuildOr(e->b, d.is_zero, d.is_minus_one, "");
    }
    d.safe = LLVMBuildSelect(e->b, unsafe, const_int(type, 1), b, "");
    return d;
}

static LLVMValueRef op_div(Emit *e, DType t, LLVMValueRef *a) {
    if (is_real(t)) return LLVMBuildFDiv(e->b, a[0], a[1], "");
    Divisor d = divisor_make(e, t, a[1]);
    LLVMValueRef zero = LLVMConstNull(type_of(a[0])), q;
    if (dtype_is_signed(t)) {
        q = LLVMBuildSDiv(e->b, a[0], d.safe, "");
        q = LLVMBuildSelect(e->b, d.is_minus_one, LLVMBuildNeg(e->b, a[0], ""), q, "");
    } else {
        q = LLVMBuildUDiv(e->b, a[0], d.safe, "");
    }
    return LLVMBuildSelect(e->b, d.is_zero, zero, q, "");
}

static LLVMValueRef op_mod(Emit *e, DType t, LLVMValueRef *a) {
    if (is_real(t)) { /* fma(-floor(a / b), b, a) */
        LLVMValueRef q = unary_intrinsic(e, "llvm.floor", LLVMBuildFDiv(e->b, a[0], a[1], ""));
        LLVMValueRef args[] = {LLVMBuildFNeg(e->b, q, ""), a[1], a[0]};
        return op_fma(e, t, args);
    }
    Divisor d = divisor_make(e, t, a[1]);
    LLVMValueRef zero = LLVMConstNull(type_of(a[0])), r;
    if (!dtype_is_signed(t)) {
        r = LLVMBuildURem(e->b, a[0], d.safe, "");
        return LLVMBuildSelect(e->b, d.is_zero, zero, r, "");
    }
    r = LLVMBuildSRem(e->b, a[0], d.safe, "");
    LLVMValueRef some = LLVMBuildICmp(e->b, LLVMIntNE, r, zero, "");
    LLVMValueRef crossed =
        LLVMBuildICmp(e->b, LLVMIntSLT, LLVMBuildXor(e->b, r, a[1], ""), zero, "");
    LLVMValueRef fix = LLVMBuildAnd(e->b, some, crossed, "");
    r = LLVMBuildSelect(e->b, fix, LLVMBuildAdd(e->b, r, a[1], ""), r, "");
    return LLVMBuildSelect(e->b, d.is_zero, zero, r, "");
}

/* ------------------------------------------------------------------ maximum and minimum
 *
 * x86's MAX(a, b) is `a > b ? a : b`: it gives b when either is NaN or both are zero. IEEE 754-2019
 * maximum wants NaN whenever there is one, and -0 < +0. With a constant operand that is not a zero
 * one MAX with the constant first does it all; relu needs one addition more (-0 + +0 = +0). */

typedef enum ConstKind { CONST_NOT, CONST_PLUS_ZERO, CONST_MINUS_ZERO, CONST_OTHER } ConstKind;

static LLVMValueRef const_element(LLVMValueRef v) {
    if (!LLVMIsConstant(v)) return NULL;
    if (!value_is_vector(v)) return v;
    if (LLVMIsNull(v)) return LLVMConstNull(LLVMGetElementType(LLVMTypeOf(v)));
    LLVMValueRef first = LLVMGetAggregateElement(v, 0);
    unsigned lanes = LLVMGetVectorSize(LLVMTypeOf(v));
    for (unsigned i = 1; i < lanes; i++)
        if (LLVMGetAggregateElement(v, i) != first) return NULL;
    return first;
}

static ConstKind const_kind(LLVMValueRef v) {
    LLVMValueRef element = const_element(v);
    if (!element || !LLVMIsAConstantFP(element)) return CONST_NOT;
    LLVMBool lossy;
    double value = LLVMConstRealGetDouble(element, &lossy);
    if (value != value) return CONST_NOT;
    if (value != 0) return CONST_OTHER;
    return LLVMIsNull(element) ? CONST_PLUS_ZERO : CONST_MINUS_ZERO;
}

static LLVMValueRef machine_pick(Emit *e, bool greatest, LLVMValueRef a, LLVMValueRef b) {
    LLVMValueRef first = LLVMBuildFCmp(e->b, greatest ? LLVMRealOGT : LLVMRealOLT, a, b, "");
    return LLVMBuildSelect(e->b, first, a, b, "");
}

/* Equal operands differ at most in the sign of zero: and keeps +0 if there is one, or keeps -0. */
static LLVMValueRef pick_any(Emit *e, bool greatest, LLVMValueRef a, LLVMValueRef b) {
    LLVMTypeRef type = type_of(a), bits = type_bits(e, type);
    LLVMValueRef v = machine_pick(e, greatest, a, b);
    LLVMValueRef ia = LLVMBuildBitCast(e->b, a, bits, ""), ib = LLVMBuildBitCast(e->b, b, bits, "");
    LLVMValueRef both = greatest ? LLVMBuildAnd(e->b, ia, ib, "") : LLVMBuildOr(e->b, ia, ib, "");
    LLVMValueRef equal = LLVMBuildFCmp(e->b, LLVMRealOEQ, a, b, "");
    v = LLVMBuildSelect(e->b, equal, LLVMBuildBitCast(e->b, both, type, ""), v, "");
    LLVMValueRef nan = LLVMBuildFCmp(e->b, LLVMRealUNO, a, a, "");
    return LLVMBuildSelect(e->b, nan, a, v, "");
}

static LLVMValueRef pick_real(Emit *e, bool greatest, LLVMValueRef a, LLVMValueRef b) {
    if (const_kind(a) != CONST_NOT) {
        LLVMValueRef t = a;
        a = b;
        b = t;
    }
    ConstKind kind = const_kind(b);
    ConstKind tie_to_other = greatest ? CONST_MINUS_ZERO : CONST_PLUS_ZERO;
    if (kind == CONST_OTHER || kind == tie_to_other) return machine_pick(e, greatest, b, a);
    if (kind == CONST_PLUS_ZERO && greatest)
        return LLVMBuildFAdd(e->b, machine_pick(e, true, b, a), b, "");
    return pick_any(e, greatest, a, b);
}

static LLVMValueRef pick_integer(Emit *e, DType t, bool greatest, LLVMValueRef a, LLVMValueRef b) {
    static const char *const names[2][2] = {{"llvm.umin", "llvm.umax"}, {"llvm.smin", "llvm.smax"}};
    LLVMTypeRef over = type_of(a);
    LLVMValueRef args[] = {a, b};
    return call_intrinsic(e, names[dtype_is_signed(t)][greatest], &over, 1, args, 2);
}

static LLVMValueRef op_max(Emit *e, DType t, LLVMValueRef *a) {
    if (t == DTYPE_BOOL) return LLVMBuildOr(e->b, a[0], a[1], "");
    return is_real(t) ? pick_real(e, true, a[0], a[1]) : pick_integer(e, t, true, a[0], a[1]);
}
static LLVMValueRef op_min(Emit *e, DType t, LLVMValueRef *a) {
    if (t == DTYPE_BOOL) return LLVMBuildAnd(e->b, a[0], a[1], "");
    return is_real(t) ? pick_real(e, false, a[0], a[1]) : pick_integer(e, t, false, a[0], a[1]);
}

/* ------------------------------------------------------------------ comparison, logic, choice */

static LLVMValueRef op_less(Emit *e, DType t, LLVMValueRef *a) {
    if (is_real(t)) return LLVMBuildFCmp(e->b, LLVMRealOLT, a[0], a[1], "");
    return LLVMBuildICmp(e->b, dtype_is_signed(t) ? LLVMIntSLT : LLVMIntULT, a[0], a[1], "");
}
static LLVMValueRef op_equal(Emit *e, DType t, LLVMValueRef *a) {
    if (is_real(t)) return LLVMBuildFCmp(e->b, LLVMRealOEQ, a[0], a[1], "");
    return LLVMBuildICmp(e->b, LLVMIntEQ, a[0], a[1], "");
}
static LLVMValueRef op_and(Emit *e, DType t, LLVMValueRef *a) {
    (void)t;
    return LLVMBuildAnd(e->b, a[0], a[1], "");
}
static LLVMValueRef op_or(Emit *e, DType t, LLVMValueRef *a) {
    (void)t;
    return LLVMBuildOr(e->b, a[0], a[1], "");
}
static LLVMValueRef op_select(Emit *e, DType t, LLVMValueRef *a) {
    (void)t;
    return LLVMBuildSelect(e->b, a[0], a[1], a[2], "");
}

static const OpCode op_codes[OP_COUNT] = {
    [OP_NEG] = op_neg,   [OP_ABS] = op_abs, [OP_SIGN] = op_sign,     [OP_FLOOR] = op_floor,
    [OP_SQRT] = op_sqrt, [OP_NOT] = op_not, [OP_STOP] = op_stop,     [OP_ADD] = op_add,
    [OP_SUB] = op_sub,   [OP_MUL] = op_mul, [OP_DIV] = op_div,       [OP_MOD] = op_mod,
    [OP_MAX] = op_max,   [OP_MIN] = op_min, [OP_LESS] = op_less,     [OP_EQUAL] = op_equal,
    [OP_AND] = op_and,   [OP_OR] = op_or,   [OP_SELECT] = op_select, [OP_FMA] = op_fma,
};

static LLVMValueRef op_apply(Emit *e, Op op, DType t, LLVMValueRef *args) {
    if (op_codes[op]) return op_codes[op](e, t, args);
    LLVMValueRef v = emit_math(e, op, t, args);
    if (!v) BUG("no code for `%s` of %s", op_info(op)->name, dtype_name(t));
    return v;
}

LLVMValueRef emit_op(Emit *e, Op op, DType to, DType from, LLVMValueRef *args) {
    if (op == OP_CAST) return emit_cast(e, to, from, args[0]);
    bool narrow = from == DTYPE_F16 || from == DTYPE_BF16;
    if (!narrow || op == OP_SELECT || op == OP_STOP) return op_apply(e, op, from, args);
    LLVMValueRef wide[3];
    for (int i = 0; i < op_info(op)->arity; i++) wide[i] = emit_cast(e, DTYPE_F32, from, args[i]);
    LLVMValueRef v = op_apply(e, op, DTYPE_F32, wide);
    return to == from ? emit_cast(e, to, DTYPE_F32, v) : v;
}
