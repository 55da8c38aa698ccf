/* Questions about index expressions: which variables they depend on, and how. */
#include "compiler/loop/loop_internal.h"
#include <math.h>

bool loop_depends(const Kernel *k, ExprId e, VarId var) {
    return k->index->masks.data[e.id].words[var.id / 64] >> (var.id % 64) & 1;
}

typedef struct Affine {
    ExprId base;
    int64_t coefficient;
} Affine;

/* Index arithmetic is shallow (one level per axis and tile level), so a bounded recursion suffices.
 */
enum { AFFINE_DEPTH = 200 };

static bool affine_at(LoopProgram *p, Kernel *k, ExprId e, VarId var, Affine *out, uint32_t depth) {
    if (!loop_depends(k, e, var)) {
        *out = (Affine){e, 0};
        return true;
    }
    Expr x = k->exprs.data[e.id];
    if (x.kind == EXPR_VAR) {
        *out = (Affine){loop_int(p, k, 0), 1};
        return true;
    }
    if (x.kind != EXPR_OP || x.dtype != DTYPE_I64 || x.nargs != 2 || depth >= AFFINE_DEPTH)
        return false;
    Affine a, b;
    if (!affine_at(p, k, x.args[0], var, &a, depth + 1) ||
        !affine_at(p, k, x.args[1], var, &b, depth + 1))
        return false;
    if (x.op == OP_ADD) {
        *out = (Affine){loop_add(p, k, a.base, b.base), a.coefficient + b.coefficient};
        return true;
    }
    if (x.op == OP_SUB) {
        *out = (Affine){loop_sub(p, k, a.base, b.base), a.coefficient - b.coefficient};
        return true;
    }
    const Expr *factor = &k->exprs.data[x.args[1].id];
    if (x.op != OP_MUL || factor->kind != EXPR_CONST) return false;
    *out = (Affine){loop_mul(p, k, a.base, x.args[1]), a.coefficient * (int64_t)factor->imm};
    return true;
}

bool loop_affine(LoopProgram *p, Kernel *k, ExprId e, VarId var, ExprId *base,
                 int64_t *coefficient) {
    Affine a;
    if (!affine_at(p, k, e, var, &a, 0)) return false;
    *base = a.base;
    *coefficient = a.coefficient;
    return true;
}

/* ------------------------------------------------------------------ constants */

/* Rounds a double to a binary float of `exponent_bits` and `mantissa_bits`, to nearest even, once.
 */
static uint64_t round_small(double value, uint32_t exponent_bits, uint32_t mantissa_bits) {
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    uint64_t sign = (bits >> 63) << (exponent_bits + mantissa_bits);
    uint64_t top = (1ull << exponent_bits) - 1;
    int bias = (1 << (exponent_bits - 1)) - 1;
    if (isnan(value)) return sign | top << mantissa_bits | 1ull << (mantissa_bits - 1);
    if (isinf(value)) return sign | top << mantissa_bits;
    if (value == 0) return sign;
    int exponent;
    double fraction = frexp(fabs(value), &exponent); /* fraction in [0.5, 1) */
    int lowest = 1 - bias;                           /* exponent of the smallest normal */
    int scale = exponent - 1 < lowest ? lowest : exponent - 1;
    /* Units of the last place; exact, because it only moves the binary point. */
    double units = ldexp(fraction, exponent - scale + (int)mantissa_bits);
    double whole = floor(units), rest = units - whole;
    uint64_t n = (uint64_t)whole;
    if (rest > 0.5 || (rest == 0.5 && (n & 1))) n++;
    /* The implicit bit and a carry out of the mantissa both add to the exponent field. */
    uint64_t field = n + ((uint64_t)(scale - lowest) << mantissa_bits);
    if (field >= top << mantissa_bits) field = top << mantissa_bits;
    return sign | field;
}

uint64_t loop_const_bits(DType dtype, double value) {
    uint64_t bits = 0;
    if (dtype == DTYPE_F64) {
        memcpy(&bits, &value, sizeof value);
    } else if (dtype == DTYPE_F32) {
        float narrow = (float)value;
        memcpy(&bits, &narrow, sizeof narrow);
    } else if (dtype == DTYPE_F16) {
        bits = round_small(value, 5, 10);
    } else if (dtype == DTYPE_BF16) {
        bits = round_small(value, 8, 7);
    } else if (dtype == DTYPE_BOOL) {
        bits = value != 0;
    } else {
        bool fits = value >= -9223372036854775808.0 && value < 18446744073709551616.0;
        INVARIANT(fits);
        bits = value < 0 ? (uint64_t)(int64_t)value : (uint64_t)value;
        uint32_t width = dtype_bytes(dtype) * 8;
        if (width < 64) bits &= (1ull << width) - 1;
    }
    return bits;
}
