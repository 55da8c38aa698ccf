/* log, log1p and pow.
 *
 * x = 2^k·m with m in [sqrt(1/2), sqrt 2), by subtracting the bits of sqrt(1/2): no comparison.
 * pow needs log to more bits than the format has (|y·log x| reaches 88 or 710): it is computed as
 * the unevaluated sum of two numbers, after Dekker (1971) with fused residuals. */
#include "compiler/graph/mathfn_build.h"
#include "compiler/graph/mathfn_tables.h"

#include <math.h>

LogParts math_log_reduce(MathBuild *b, Reg x) {
    const MathFormat *f = b->format;
    LogParts parts;
    double lift = (double)f->fraction + 2; /* subnormals become normal by 2^lift */
    Reg tiny = m_less(b, x, m_const(b, f->min_normal));
    Reg lifted = m_mul(b, x, m_const(b, ldexp(1, (int)lift)));
    Reg normal = m_select(b, tiny, lifted, x);
    Reg shift = m_select(b, tiny, m_const(b, -lift), m_const(b, 0));
    Reg offset = m_op2(b, MATH_ISUB, normal, m_const(b, 0x1.6a09e667f3bcdp-1));
    Reg k = m_shift(b, MATH_ISHR, offset, f->fraction);
    Reg field = m_shift(b, MATH_ISHL, k, f->fraction);
    parts.m = m_op2(b, MATH_ISUB, normal, field);
    parts.k = m_add(b, m_op1(b, MATH_TO_FLOAT, k), shift);
    return parts;
}

/* f - f²/2 + f³·P(f) + k ln 2: no division. */
static Reg log_short(MathBuild *b, Reg f, Reg k) {
    const MathFormat *fmt = b->format;
    Reg square = m_mul(b, f, f);
    Reg p = m_polynomial(b, f, log_p_f32, sizeof log_p_f32 / sizeof(double));
    Reg tail = m_mul(b, m_mul(b, f, square), p);
    tail = m_fma(b, k, m_const(b, fmt->ln2_short[1]), tail);
    tail = m_fma(b, square, m_const(b, -0.5), tail);
    return m_fma(b, k, m_const(b, fmt->ln2_short[0]), m_add(b, f, tail));
}

/* s = f / (2 + f): log(1 + f) = f - (f²/2 - s·(f²/2 + R)), R = s²·P(s²); the form of fdlibm, whose
 * largest rounding is the last. */
static Reg log_long(MathBuild *b, Reg f, Reg k) {
    const MathFormat *fmt = b->format;
    Reg s = m_div(b, f, m_add(b, f, m_const(b, 2)));
    Reg z = m_mul(b, s, s);
    Reg rest = m_mul(b, z, m_polynomial(b, z, atanh_1_f64, sizeof atanh_1_f64 / sizeof(double)));
    Reg half = m_mul(b, m_mul(b, f, m_const(b, 0.5)), f);
    Reg low = m_mul(b, k, m_const(b, fmt->ln2_short[1]));
    low = m_fma(b, s, m_add(b, half, rest), low);
    Reg fraction = m_sub(b, f, m_sub(b, half, low));
    return m_fma(b, k, m_const(b, fmt->ln2_short[0]), fraction);
}

/* log(1 + f) + k ln 2 */
static Reg log_sum(MathBuild *b, Reg f, Reg k) {
    return b->format == &math_f32 ? log_short(b, f, k) : log_long(b, f, k);
}

void math_build_log(MathBuild *b) {
    LogParts parts = math_log_reduce(b, 0);
    Reg value = log_sum(b, m_sub(b, parts.m, m_const(b, 1)), parts.k);
    Reg zero = m_const(b, 0), infinity = m_const(b, (double)INFINITY);
    value = m_select(b, m_equal(b, 0, infinity), infinity, value);
    Reg other =
        m_select(b, m_equal(b, 0, zero), m_const(b, -(double)INFINITY), m_const(b, (double)NAN));
    m_select(b, m_less(b, zero, 0), value, other); /* NaN is not above 0 */
}

/* 1 + x = 2^k·(1 + f). Taking k from the rounded sum costs nothing; f comes from x itself:
 * f = 2^-k·x + (2^-k - 1), one fused step, which is x where k = 0. For large x, where 2^-k would
 * leave the format, 1 no longer counts. */
void math_build_log1p(MathBuild *b) {
    const MathFormat *fmt = b->format;
    Reg one = m_const(b, 1), zero = m_const(b, 0), infinity = m_const(b, (double)INFINITY);
    Reg sum = m_add(b, 0, one);
    Reg offset = m_op2(b, MATH_ISUB, sum, m_const(b, 0x1.6a09e667f3bcdp-1));
    Reg k = m_shift(b, MATH_ISHR, offset, fmt->fraction);
    Reg field = m_shift(b, MATH_ISHL, k, fmt->fraction);
    Reg scale = m_op2(b, MATH_ISUB, one, field); /* 2^-k */
    Reg near = m_fma(b, 0, scale, m_sub(b, scale, one));
    Reg far = m_sub(b, m_op2(b, MATH_ISUB, sum, field), one);
    Reg large = m_less(b, m_const(b, ldexp(1, 2 * (int)fmt->fraction)), sum);
    Reg value = log_sum(b, m_select(b, large, far, near), m_op1(b, MATH_TO_FLOAT, k));
    value = m_select(b, m_equal(b, sum, infinity), infinity, value);
    Reg other =
        m_select(b, m_equal(b, sum, zero), m_const(b, -(double)INFINITY), m_const(b, (double)NAN));
    value = m_select(b, m_less(b, zero, sum), value, other); /* NaN is not above 0 */
    m_op2(b, MATH_IOR, value, m_sign_of(b, 0));              /* log1p(-0) = -0 */
}

/* ---- sums of two numbers, hi + lo with |lo| <= ulp(hi)/2 */

typedef struct Pair {
    Reg hi, lo;
} Pair;

/* Exact when y is not in a higher binade than x, or x = 0. */
static Pair fast_sum(MathBuild *b, Reg x, Reg y) {
    Pair p;
    p.hi = m_add(b, x, y);
    p.lo = m_sub(b, y, m_sub(b, p.hi, x));
    return p;
}

static Pair exact_product(MathBuild *b, Reg x, Reg y) {
    Pair p;
    p.hi = m_mul(b, x, y);
    p.lo = m_fma(b, x, y, m_op1(b, MATH_NEG, p.hi));
    return p;
}

/* x·y; the product of the low parts is below the error we keep. */
static Pair pair_product(MathBuild *b, Pair x, Pair y) {
    Pair p = exact_product(b, x.hi, y.hi);
    p.lo = m_fma(b, x.hi, y.lo, p.lo);
    p.lo = m_fma(b, x.lo, y.hi, p.lo);
    return p;
}

/* s = f / (2 + f) as a pair: approximate quotient, then its residual divided once more. */
static Pair log_quotient(MathBuild *b, Reg m) {
    Pair s;
    Reg one = m_const(b, 1);
    Reg f = m_sub(b, m, one);
    Pair below = fast_sum(b, one, m); /* m + 1, exact: m < 2 is not in a higher binade than 1 */
    Reg inverse = m_div(b, one, below.hi);
    s.hi = m_mul(b, f, inverse);
    Reg minus = m_op1(b, MATH_NEG, s.hi);
    Reg residual = m_fma(b, minus, below.hi, f);
    residual = m_fma(b, minus, below.lo, residual);
    s.lo = m_mul(b, residual, inverse);
    return s;
}

/* log m + k ln 2 = 2s + (2/3)s³ + s⁵·P(s²) + k ln 2, first three in pairs. */
static Pair log_pair(MathBuild *b, Reg x) {
    const MathFormat *fmt = b->format;
    LogParts parts = math_log_reduce(b, x);
    Pair s = log_quotient(b, parts.m);
    Pair z = pair_product(b, s, s);
    Pair cube = pair_product(b, s, z);
    Pair two_thirds = {m_const(b, fmt->two_thirds[0]), m_const(b, fmt->two_thirds[1])};
    Pair second = pair_product(b, cube, two_thirds);
    Reg tail = m_mul(b, m_mul(b, cube.hi, z.hi), M_POLYNOMIAL(b, z.hi, atanh_2));
    Reg whole = m_mul(b, parts.k, m_const(b, fmt->ln2_short[0])); /* exact */
    Pair first = fast_sum(b, whole, m_add(b, s.hi, s.hi));
    Pair both = fast_sum(b, first.hi, second.hi);
    Reg low = m_add(b, tail, second.lo);
    low = m_fma(b, parts.k, m_const(b, fmt->ln2_short[1]), low);
    low = m_add(b, low, m_add(b, s.lo, s.lo));
    low = m_add(b, low, m_add(b, first.lo, both.lo));
    return fast_sum(b, both.hi, low);
}

/* x^y = e^(y·log|x|), then the sign, then C99 Annex F. */
typedef struct PowCase {
    Reg odd; /* mask: y is an odd integer */
    Reg integer;
} PowCase;

static PowCase pow_parity(MathBuild *b, Reg y) {
    PowCase c;
    Reg half = m_mul(b, y, m_const(b, 0.5));
    c.integer = m_equal(b, y, m_op1(b, MATH_FLOOR, y)); /* infinity is an even integer */
    Reg even = m_equal(b, half, m_op1(b, MATH_FLOOR, half));
    c.odd = m_op2(b, MATH_IAND, c.integer, m_op2(b, MATH_IXOR, even, m_bits(b, UINT64_MAX)));
    return c;
}

/* |x|^y, right for |x| = 0 and infinity too; NaN only by way of 0·inf, which pow overrides. */
static Reg pow_magnitude(MathBuild *b, Reg a, Reg y) {
    const MathFormat *f = b->format;
    Reg infinity = m_const(b, (double)INFINITY);
    Pair log = log_pair(b, a);
    Reg edge = m_op2(b, MATH_IOR, m_equal(b, a, m_const(b, 0)), m_equal(b, a, infinity));
    Reg at_edge = m_select(b, m_equal(b, a, infinity), infinity, m_const(b, -(double)INFINITY));
    log.hi = m_select(b, edge, at_edge, log.hi);
    Pair e = exact_product(b, y, log.hi);
    e.lo = m_fma(b, y, log.lo, e.lo);
    Reg usable = m_less(b, m_op1(b, MATH_ABS, e.hi), m_const(b, -f->exp_low));
    e.lo = m_select(b, usable, e.lo, m_const(b, 0));
    e.hi = m_at_most(b, m_at_least(b, e.hi, f->exp_low), f->exp_high);
    ExpParts parts = math_exp_reduce(b, e.hi, 2 * f->bias);
    Reg p = math_exp_polynomial(b, m_add(b, parts.r, e.lo));
    return math_scale(b, p, parts.biased);
}

void math_build_pow(MathBuild *b) {
    Reg x = 0, y = 1, one = m_const(b, 1), zero = m_const(b, 0);
    Reg infinity = m_const(b, (double)INFINITY);
    Reg a = m_op1(b, MATH_ABS, x);
    PowCase kind = pow_parity(b, y);
    Reg value = m_select(b, m_equal(b, a, one), one, pow_magnitude(b, a, y));
    Reg negative = m_op2(b, MATH_IAND, m_sign_of(b, x), kind.odd);
    value = m_op2(b, MATH_IXOR, value, negative);
    /* a finite x < 0 to a power that is no integer */
    Reg inside = m_op2(b, MATH_IAND, m_less(b, x, zero), m_less(b, a, infinity));
    Reg outside_domain =
        m_op2(b, MATH_IAND, inside, m_op2(b, MATH_IXOR, kind.integer, m_bits(b, UINT64_MAX)));
    value = m_select(b, outside_domain, m_const(b, (double)NAN), value);
    value = m_select(b, m_op2(b, MATH_UNORD, x, y), m_add(b, x, y), value);
    Reg always_one = m_op2(b, MATH_IOR, m_equal(b, x, one), m_equal(b, y, zero));
    m_select(b, always_one, one, value);
}
