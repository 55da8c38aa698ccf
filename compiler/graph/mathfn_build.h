/* Writing a MathProgram: one small function per instruction, so that the formulas in mathfn_*.c
 * read like formulas. Registers are numbers; constants are shared. */
#ifndef BMC_GRAPH_MATHFN_BUILD_H
#define BMC_GRAPH_MATHFN_BUILD_H

#include "compiler/graph/mathfn.h"

typedef uint16_t Reg;

/* The two formats. `bias_magic` + n has n + bias in its lowest bits (n an integer, |n| small),
 * because one unit in the last place of 1.5·2^fraction is 1; shifting it left by `fraction` gives
 * 2^n. */
typedef struct MathFormat {
    DType dtype;
    uint32_t fraction, width;
    double bias, magic; /* 127 / 1023, 1.5·2^23 / 1.5·2^52 */
    uint64_t sign_bit;
    double min_normal;
    double exp_low, exp_high;  /* exp underflows to 0 below, overflows above */
    double log2e, two_over_pi; /* rounded to the format */
    double ln2[2];             /* ln 2 as the sum of two numbers of the format */
    double ln2_short[2];       /* the same; the first has so few bits that k·first is exact */
    double two_thirds[2];
    double half_pi[3]; /* π/2 in three parts */
    double trig_limit;
} MathFormat;
extern const MathFormat math_f32, math_f64;

typedef struct MathBuild {
    Arena *arena;
    const MathFormat *format;
    uint32_t operands;
    VEC(MathInstr) code;
} MathBuild;

Reg m_const(MathBuild *b, double value);
Reg m_bits(MathBuild *b, uint64_t bits);
Reg m_op1(MathBuild *b, MathOp op, Reg x);
Reg m_op2(MathBuild *b, MathOp op, Reg x, Reg y);
Reg m_op3(MathBuild *b, MathOp op, Reg x, Reg y, Reg z);
Reg m_shift(MathBuild *b, MathOp op, Reg x, uint32_t count);

static inline Reg m_add(MathBuild *b, Reg x, Reg y) {
    return m_op2(b, MATH_ADD, x, y);
}
static inline Reg m_sub(MathBuild *b, Reg x, Reg y) {
    return m_op2(b, MATH_SUB, x, y);
}
static inline Reg m_mul(MathBuild *b, Reg x, Reg y) {
    return m_op2(b, MATH_MUL, x, y);
}
static inline Reg m_div(MathBuild *b, Reg x, Reg y) {
    return m_op2(b, MATH_DIV, x, y);
}
static inline Reg m_fma(MathBuild *b, Reg x, Reg y, Reg z) {
    return m_op3(b, MATH_FMA, x, y, z);
}
static inline Reg m_select(MathBuild *b, Reg mask, Reg x, Reg y) {
    return m_op3(b, MATH_SELECT, mask, x, y);
}
static inline Reg m_less(MathBuild *b, Reg x, Reg y) {
    return m_op2(b, MATH_LT, x, y);
}
static inline Reg m_equal(MathBuild *b, Reg x, Reg y) {
    return m_op2(b, MATH_EQ, x, y);
}

/* c0 + x·(c1 + x·(…)), one fma a coefficient. */
Reg m_polynomial(MathBuild *b, Reg x, const double *coefficients, uint32_t count);
/* min(x, most) and max(x, least) that let NaN through. */
Reg m_at_most(MathBuild *b, Reg x, double most);
Reg m_at_least(MathBuild *b, Reg x, double least);
Reg m_sign_of(MathBuild *b, Reg x); /* the sign bit alone */

#define M_POLYNOMIAL(b, x, name)                                                                   \
    ((b)->format == &math_f32                                                                      \
         ? m_polynomial((b), (x), name##_f32, sizeof name##_f32 / sizeof(double))                  \
         : m_polynomial((b), (x), name##_f64, sizeof name##_f64 / sizeof(double)))

/* ---- pieces used by several functions (mathfn_exp.c, mathfn_log.c) */

/* e^x for x that is finite, or NaN: n = round(x / ln 2), r = x - n ln 2. */
typedef struct ExpParts {
    Reg biased; /* magic + n + the offset asked for: n stands in its low bits */
    Reg r;
} ExpParts;
ExpParts math_exp_reduce(MathBuild *b, Reg x, double offset);
Reg math_exp_polynomial(MathBuild *b, Reg r); /* e^r */
/* p·2^n for `biased` made with offset 2·bias: two multiplications, so that the result may be
 * subnormal or overflow and is rounded once. */
Reg math_scale(MathBuild *b, Reg p, Reg biased);

/* x = 2^k·m with m in [sqrt(1/2), sqrt 2), for finite x > 0; subnormals included. */
typedef struct LogParts {
    Reg k, m;
} LogParts;
LogParts math_log_reduce(MathBuild *b, Reg x);

void math_build_exp(MathBuild *b);
void math_build_expm1(MathBuild *b);
void math_build_tanh(MathBuild *b);
void math_build_erf(MathBuild *b);
void math_build_log(MathBuild *b);
void math_build_log1p(MathBuild *b);
void math_build_pow(MathBuild *b);
void math_build_sin(MathBuild *b);
void math_build_cos(MathBuild *b);

#endif
