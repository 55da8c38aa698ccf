/* Elementwise operations on single elements, for the loop interpreter: docs/numerics.md, written as
 * plainly as possible. f16 and bf16 compute in f32 and round once. */
#include "compiler/graph/mathfn.h"
#include "loop_interp.h"
#include <math.h>

static double to_double(DType t, uint64_t w) {
    return dtype_word_to_f64(t, (int64_t)w);
}
static uint64_t from_double(DType t, double v) {
    return (uint64_t)dtype_word_from_f64(t, v);
}
static int64_t to_int(DType t, uint64_t w) {
    return t == DTYPE_BOOL ? (int64_t)w : dtype_word_to_int(t, (int64_t)w);
}
static uint64_t from_int(DType t, int64_t v) {
    return t == DTYPE_BOOL ? (uint64_t)(v != 0) : (uint64_t)dtype_word_from_int(t, v);
}
static bool is_unsigned(DType t) {
    return dtype_is_integer(t) && !dtype_is_signed(t);
}

static double fmax2019(double a, double b) {
    if (isnan(a) || isnan(b)) return NAN;
    if (a == b) return signbit(a) ? b : a;
    return a > b ? a : b;
}
static double fmin2019(double a, double b) {
    if (isnan(a) || isnan(b)) return NAN;
    if (a == b) return signbit(a) ? a : b;
    return a < b ? a : b;
}

/* f32 results are rounded by the caller: +, -, *, / and sqrt of floats computed in double and
 * rounded once more are exact (Figueroa 1995), floor and the like are exact anyway. */
static double float_apply(Op op, const double *x) {
    switch (op) {
    case OP_NEG: return -x[0];
    case OP_ABS: return fabs(x[0]);
    case OP_SIGN: return isnan(x[0]) ? x[0] : x[0] > 0 ? 1 : x[0] < 0 ? -1 : x[0];
    case OP_FLOOR: return floor(x[0]);
    case OP_SQRT: return sqrt(x[0]);
    case OP_STOP: return x[0];
    case OP_ADD: return x[0] + x[1];
    case OP_SUB: return x[0] - x[1];
    case OP_MUL: return x[0] * x[1];
    case OP_DIV: return x[0] / x[1];
    case OP_MAX: return fmax2019(x[0], x[1]);
    case OP_MIN: return fmin2019(x[0], x[1]);
    default: BUG("`%s` on floats", op_info(op)->name);
    }
}

static const MathProgram *function(ScalarFunctions *f, Op op, bool wide) {
    if (!f->asked[op][wide]) {
        f->asked[op][wide] = true;
        f->made[op][wide] = math_program(f->arena, op, wide ? DTYPE_F64 : DTYPE_F32);
    }
    return f->made[op][wide];
}

static uint64_t float_op(ScalarFunctions *functions, Op op, DType t, const uint64_t *args) {
    double x[3] = {0};
    for (int i = 0; i < op_info(op)->arity; i++) x[i] = to_double(t, args[i]);
    if (op == OP_FMA)
        return from_double(t, t == DTYPE_F64 ? fma(x[0], x[1], x[2])
                                             : (double)fmaf((float)x[0], (float)x[1], (float)x[2]));
    if (op == OP_MOD) {
        float a = (float)x[0], b = (float)x[1];
        return from_double(t, t == DTYPE_F64 ? fma(-floor(x[0] / x[1]), x[1], x[0])
                                             : (double)fmaf(-floorf(a / b), b, a));
    }
    const MathProgram *m = function(functions, op, t == DTYPE_F64);
    if (m && t == DTYPE_F64) return from_double(t, math_run_f64(m, x[0], x[1]));
    if (m) return from_double(t, (double)math_run_f32(m, (float)x[0], (float)x[1]));
    return from_double(t, float_apply(op, x));
}

static int64_t int_divide(Op op, DType t, int64_t a, int64_t b) {
    if (b == 0) return 0;
    if (is_unsigned(t))
        return op == OP_DIV ? (int64_t)((uint64_t)a / (uint64_t)b)
                            : (int64_t)((uint64_t)a % (uint64_t)b);
    if (b == -1) return op == OP_DIV ? (int64_t)(0 - (uint64_t)a) : 0;
    int64_t r = a % b;
    return op == OP_DIV ? a / b : r != 0 && (r < 0) != (b < 0) ? r + b : r;
}

static bool int_less(DType t, int64_t a, int64_t b) {
    return is_unsigned(t) ? (uint64_t)a < (uint64_t)b : a < b;
}

static uint64_t int_op(Op op, DType t, const uint64_t *args) {
    int64_t x[3] = {0};
    for (int i = 0; i < op_info(op)->arity; i++) x[i] = to_int(t, args[i]);
    uint64_t a = (uint64_t)x[0], b = (uint64_t)x[1], r;
    switch (op) {
    case OP_NEG: r = 0 - a; break;
    case OP_ABS: r = !is_unsigned(t) && x[0] < 0 ? 0 - a : a; break;
    case OP_SIGN: r = is_unsigned(t) ? a != 0 : (uint64_t)((x[0] > 0) - (x[0] < 0)); break;
    case OP_NOT: r = t == DTYPE_BOOL ? !a : ~a; break;
    case OP_STOP: r = a; break;
    case OP_ADD: r = a + b; break;
    case OP_SUB: r = a - b; break;
    case OP_MUL: r = a * b; break;
    case OP_DIV:
    case OP_MOD: r = (uint64_t)int_divide(op, t, x[0], x[1]); break;
    case OP_MAX: r = int_less(t, x[0], x[1]) ? b : a; break;
    case OP_MIN: r = int_less(t, x[0], x[1]) ? a : b; break;
    case OP_AND: r = a & b; break;
    case OP_OR: r = a | b; break;
    default: BUG("`%s` on integers", op_info(op)->name);
    }
    return from_int(t, (int64_t)r);
}

/* Float to integer saturates, NaN gives 0. */
static int64_t saturate(DType t, double v) {
    if (isnan(v)) return 0;
    int bits = (int)dtype_bytes(t) * 8;
    double top = ldexp(1, dtype_is_signed(t) ? bits - 1 : bits);
    double low = dtype_is_signed(t) ? -top : 0;
    if (v <= low) return dtype_is_signed(t) ? (int64_t)low : 0;
    if (v >= top)
        return dtype_is_signed(t) ? (int64_t)((1ull << (bits - 1)) - 1)
                                  : (int64_t)(bits == 64 ? UINT64_MAX : (1ull << bits) - 1);
    return is_unsigned(t) ? (int64_t)(uint64_t)v : (int64_t)v;
}

static uint64_t cast(DType to, DType from, uint64_t w) {
    if (dtype_is_float(from)) {
        double v = to_double(from, w);
        if (to == DTYPE_BOOL) return v != 0;
        return dtype_is_float(to) ? from_double(to, v) : from_int(to, saturate(to, v));
    }
    int64_t v = to_int(from, w);
    if (to == DTYPE_BOOL) return v != 0;
    if (dtype_is_integer(to)) return from_int(to, v);
    if (to == DTYPE_F64)
        return from_double(to, from == DTYPE_U64 ? (double)(uint64_t)v : (double)v);
    return from_double(to, from == DTYPE_U64 ? (double)(float)(uint64_t)v : (double)(float)v);
}

uint64_t scalar_apply(ScalarFunctions *functions, Op op, DType dtype, DType from,
                      const uint64_t *args) {
    if (op == OP_CAST) return cast(dtype, from, args[0]);
    if (op == OP_SELECT) return args[0] ? args[1] : args[2];
    bool floats = dtype_is_float(from);
    if (op == OP_LESS)
        return floats ? to_double(from, args[0]) < to_double(from, args[1])
                      : int_less(from, to_int(from, args[0]), to_int(from, args[1]));
    if (op == OP_EQUAL)
        return floats ? to_double(from, args[0]) == to_double(from, args[1]) : args[0] == args[1];
    return floats ? float_op(functions, op, from, args) : int_op(op, from, args);
}
