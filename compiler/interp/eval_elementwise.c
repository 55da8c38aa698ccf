/* Elementwise ops. f64 computes in double, all other floats in float (rounded once when stored),
 * integers in 64 bits and wrap to their width when stored. */
#include "compiler/interp/interp_internal.h"

#include <math.h>
#include <string.h>

/* ---- absent elements: the result is absent where an operand is */

static bool merge_absent(Eval *e) {
    for (uint32_t k = 0; k < e->n->nargs; k++) {
        if (!e->args[k]->absent) continue;
        if (!e->out->absent) e->out->absent = scratch_alloc(e->count, 1);
        if (!e->out->absent) return false;
        for (size_t i = 0; i < e->count; i++) e->out->absent[i] |= e->args[k]->absent[i];
    }
    return true;
}

/* ---- a kernel for each kind of number; NULL where the op takes none */

typedef struct Kernels {
    float (*f32)(const Eval *e, const float *x);
    double (*f64)(const Eval *e, const double *x);
    int64_t (*whole)(Eval *e, const int64_t *x);
} Kernels;

static bool elementwise(Eval *e, const Kernels *k) {
    DType t = e->n->dtype;
    for (size_t i = 0; i < e->count; i++) {
        float x[3] = {0};
        double y[3] = {0};
        int64_t z[3] = {0};
        for (uint32_t a = 0; a < e->n->nargs; a++) {
            const Tensor *in = &e->args[a]->tensor;
            if (t == DTYPE_F64)
                y[a] = load_f64(in, i);
            else if (dtype_is_float(t))
                x[a] = load_f32(in, i);
            else
                z[a] = load_int(in, i);
        }
        if (t == DTYPE_F64)
            store_f64(&e->out->tensor, i, k->f64(e, y));
        else if (dtype_is_float(t))
            store_f32(&e->out->tensor, i, k->f32(e, x));
        else
            store_int(&e->out->tensor, i, k->whole(e, z));
    }
    return merge_absent(e);
}

#define FLOAT_KERNELS(NAME, F32, F64)                                                              \
    static float NAME##_f32(const Eval *e, const float *x) {                                       \
        (void)e;                                                                                   \
        return F32;                                                                                \
    }                                                                                              \
    static double NAME##_f64(const Eval *e, const double *x) {                                     \
        (void)e;                                                                                   \
        return F64;                                                                                \
    }
#define WHOLE_KERNEL(NAME, INT)                                                                    \
    static int64_t NAME##_whole(Eval *e, const int64_t *x) {                                       \
        (void)e;                                                                                   \
        return INT;                                                                                \
    }
#define EVAL_FLOAT(NAME, F32, F64)                                                                 \
    FLOAT_KERNELS(NAME, F32, F64)                                                                  \
    bool eval_##NAME(Eval *e) {                                                                    \
        return elementwise(e, &(Kernels){NAME##_f32, NAME##_f64, NULL});                           \
    }
#define EVAL_NUMBER(NAME, F32, F64, INT)                                                           \
    FLOAT_KERNELS(NAME, F32, F64)                                                                  \
    WHOLE_KERNEL(NAME, INT)                                                                        \
    bool eval_##NAME(Eval *e) {                                                                    \
        return elementwise(e, &(Kernels){NAME##_f32, NAME##_f64, NAME##_whole});                   \
    }

/* Unsigned 64-bit arithmetic wraps; the store keeps the low bits. */
static int64_t wrap_add(int64_t a, int64_t b) {
    return (int64_t)((uint64_t)a + (uint64_t)b);
}
static int64_t wrap_sub(int64_t a, int64_t b) {
    return (int64_t)((uint64_t)a - (uint64_t)b);
}
static int64_t wrap_mul(int64_t a, int64_t b) {
    return (int64_t)((uint64_t)a * (uint64_t)b);
}

/* ---- unary */

static int64_t whole_abs(const Eval *e, int64_t a) {
    return dtype_is_signed(e->n->dtype) && a < 0 ? wrap_sub(0, a) : a;
}
static int64_t whole_sign(const Eval *e, int64_t a) {
    return dtype_is_signed(e->n->dtype) && a < 0 ? -1 : a != 0;
}

EVAL_NUMBER(NEG, -x[0], -x[0], wrap_sub(0, x[0]))
EVAL_NUMBER(ABS, fabsf(x[0]), fabs(x[0]), whole_abs(e, x[0]))
/* zeros keep their sign, NaN stays */
EVAL_NUMBER(SIGN,
            x[0] > 0   ? 1
            : x[0] < 0 ? -1
                       : x[0],
            x[0] > 0   ? 1
            : x[0] < 0 ? -1
                       : x[0],
            whole_sign(e, x[0]))
EVAL_FLOAT(FLOOR, floorf(x[0]), floor(x[0]))
EVAL_FLOAT(SQRT, sqrtf(x[0]), sqrt(x[0]))
EVAL_FLOAT(EXP, math_run_f32(e->math, x[0], 0), math_run_f64(e->math, x[0], 0))
EVAL_FLOAT(LOG, math_run_f32(e->math, x[0], 0), math_run_f64(e->math, x[0], 0))
EVAL_FLOAT(SIN, math_run_f32(e->math, x[0], 0), math_run_f64(e->math, x[0], 0))
EVAL_FLOAT(COS, math_run_f32(e->math, x[0], 0), math_run_f64(e->math, x[0], 0))
EVAL_FLOAT(TANH, math_run_f32(e->math, x[0], 0), math_run_f64(e->math, x[0], 0))
EVAL_FLOAT(EXPM1, math_run_f32(e->math, x[0], 0), math_run_f64(e->math, x[0], 0))
EVAL_FLOAT(LOG1P, math_run_f32(e->math, x[0], 0), math_run_f64(e->math, x[0], 0))
EVAL_FLOAT(ERF, math_run_f32(e->math, x[0], 0), math_run_f64(e->math, x[0], 0))

/* Between floats one rounding; float to integer truncates and saturates, NaN gives 0; integer to
 * f32 and f64 one rounding, to f16 and bf16 by way of f32; integers wrap; to bool: is it not 0. */
bool eval_CAST(Eval *e) {
    const Tensor *in = &e->args[0]->tensor;
    Tensor *out = &e->out->tensor;
    DType to = out->dtype;
    for (size_t i = 0; i < e->count; i++) {
        int64_t word = load_word(in, i), whole = dtype_word_to_int(in->dtype, word);
        if (dtype_is_float(in->dtype)) {
            double value = dtype_word_to_f64(in->dtype, word);
            store_word(out, i, dtype_word_from_f64(to, value));
        } else if (to == DTYPE_F64) {
            store_f64(out, i, in->dtype == DTYPE_U64 ? (double)(uint64_t)whole : (double)whole);
        } else if (dtype_is_float(to)) {
            store_f32(out, i, in->dtype == DTYPE_U64 ? (float)(uint64_t)whole : (float)whole);
        } else {
            store_int(out, i, whole);
        }
    }
    return merge_absent(e);
}

bool eval_NOT(Eval *e) {
    for (size_t i = 0; i < e->count; i++) {
        int64_t a = load_int(&e->args[0]->tensor, i);
        store_int(&e->out->tensor, i, e->n->dtype == DTYPE_BOOL ? !a : ~a);
    }
    return merge_absent(e);
}

bool eval_STOP(Eval *e) {
    memcpy(e->out->tensor.data, e->args[0]->tensor.data, tensor_bytes(&e->out->tensor));
    return merge_absent(e);
}

/* ---- binary */

/* Truncates; by zero: 0 and the flag; INT64_MIN / -1 wraps like every narrower width does. */
static int64_t whole_div(Eval *e, int64_t a, int64_t b) {
    if (b == 0) {
        e->run->flags |= INTERP_DIVISION;
        return 0;
    }
    if (e->n->dtype == DTYPE_U64) return (int64_t)((uint64_t)a / (uint64_t)b);
    return b == -1 ? wrap_sub(0, a) : a / b;
}

/* a - b·floor(a / b): the sign of b. */
static int64_t whole_mod(Eval *e, int64_t a, int64_t b) {
    if (b == 0) {
        e->run->flags |= INTERP_DIVISION;
        return 0;
    }
    if (e->n->dtype == DTYPE_U64) return (int64_t)((uint64_t)a % (uint64_t)b);
    if (b == -1) return 0;
    int64_t r = a % b;
    return r != 0 && (r < 0) != (b < 0) ? r + b : r;
}

static float max_f32(float a, float b) {
    if (isnan(a) || isnan(b)) return NAN;
    if (a == b) return signbit(a) ? b : a; /* -0 < +0 */
    return a > b ? a : b;
}
static float min_f32(float a, float b) {
    if (isnan(a) || isnan(b)) return NAN;
    if (a == b) return signbit(a) ? a : b;
    return a < b ? a : b;
}
static double max_f64(double a, double b) {
    if (isnan(a) || isnan(b)) return (double)NAN;
    if (a == b) return signbit(a) ? b : a;
    return a > b ? a : b;
}
static double min_f64(double a, double b) {
    if (isnan(a) || isnan(b)) return (double)NAN;
    if (a == b) return signbit(a) ? a : b;
    return a < b ? a : b;
}

EVAL_NUMBER(ADD, x[0] + x[1], x[0] + x[1], wrap_add(x[0], x[1]))
EVAL_NUMBER(SUB, x[0] - x[1], x[0] - x[1], wrap_sub(x[0], x[1]))
EVAL_NUMBER(MUL, x[0] * x[1], x[0] * x[1], wrap_mul(x[0], x[1]))
EVAL_NUMBER(DIV, x[0] / x[1], x[0] / x[1], whole_div(e, x[0], x[1]))
EVAL_NUMBER(MOD, fmaf(-floorf(x[0] / x[1]), x[1], x[0]), fma(-floor(x[0] / x[1]), x[1], x[0]),
            whole_mod(e, x[0], x[1]))
EVAL_FLOAT(POW, math_run_f32(e->math, x[0], x[1]), math_run_f64(e->math, x[0], x[1]))
EVAL_NUMBER(MAX, max_f32(x[0], x[1]), max_f64(x[0], x[1]),
            int_less(e->n->dtype, x[0], x[1]) ? x[1] : x[0])
EVAL_NUMBER(MIN, min_f32(x[0], x[1]), min_f64(x[0], x[1]),
            int_less(e->n->dtype, x[1], x[0]) ? x[1] : x[0])
EVAL_FLOAT(FMA, fmaf(x[0], x[1], x[2]), fma(x[0], x[1], x[2]))

/* Float comparisons are ordered: false when an operand is NaN. */
static bool element_less(const Tensor *a, const Tensor *b, size_t i) {
    if (a->dtype == DTYPE_F64) return load_f64(a, i) < load_f64(b, i);
    if (dtype_is_float(a->dtype)) return load_f32(a, i) < load_f32(b, i);
    return int_less(a->dtype, load_int(a, i), load_int(b, i));
}
static bool element_equal(const Tensor *a, const Tensor *b, size_t i) {
    if (a->dtype == DTYPE_F64) return load_f64(a, i) == load_f64(b, i);
    if (dtype_is_float(a->dtype)) return load_f32(a, i) == load_f32(b, i);
    return load_int(a, i) == load_int(b, i);
}

bool eval_LESS(Eval *e) {
    for (size_t i = 0; i < e->count; i++)
        store_int(&e->out->tensor, i, element_less(&e->args[0]->tensor, &e->args[1]->tensor, i));
    return merge_absent(e);
}
bool eval_EQUAL(Eval *e) {
    for (size_t i = 0; i < e->count; i++)
        store_int(&e->out->tensor, i, element_equal(&e->args[0]->tensor, &e->args[1]->tensor, i));
    return merge_absent(e);
}

bool eval_AND(Eval *e) {
    for (size_t i = 0; i < e->count; i++)
        store_int(&e->out->tensor, i,
                  load_int(&e->args[0]->tensor, i) & load_int(&e->args[1]->tensor, i));
    return merge_absent(e);
}
bool eval_OR(Eval *e) {
    for (size_t i = 0; i < e->count; i++)
        store_int(&e->out->tensor, i,
                  load_int(&e->args[0]->tensor, i) | load_int(&e->args[1]->tensor, i));
    return merge_absent(e);
}

/* ---- ternary */

bool eval_SELECT(Eval *e) {
    for (size_t i = 0; i < e->count; i++) {
        bool first = load_int(&e->args[0]->tensor, i) != 0;
        store_word(&e->out->tensor, i, load_word(&e->args[first ? 1 : 2]->tensor, i));
    }
    return merge_absent(e);
}
