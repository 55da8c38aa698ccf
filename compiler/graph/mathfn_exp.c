/* exp, expm1, tanh, erf.
 *
 * Reduction (Cody and Waite): n = round(x·log2 e) by adding 1.5·2^fraction, r = x - n·ln 2 in two
 * fused steps; the first is exact, because ln2[0] has a full significand and the product stays
 * inside the fma. e^r = 1 + (r + r²·Q(r)): the last addition is the only one that rounds at the
 * result's size. */
#include "compiler/graph/mathfn_build.h"
#include "compiler/graph/mathfn_tables.h"

ExpParts math_exp_reduce(MathBuild *b, Reg x, double offset) {
    const MathFormat *f = b->format;
    ExpParts parts;
    Reg magic = m_const(b, f->magic + offset);
    parts.biased = m_fma(b, x, m_const(b, f->log2e), magic);
    Reg n = m_sub(b, parts.biased, magic);
    parts.r = m_fma(b, n, m_const(b, -f->ln2[0]), x);
    parts.r = m_fma(b, n, m_const(b, -f->ln2[1]), parts.r);
    return parts;
}

Reg math_exp_polynomial(MathBuild *b, Reg r) {
    Reg square = m_mul(b, r, r);
    Reg q = M_POLYNOMIAL(b, r, exp_q);
    return m_add(b, m_const(b, 1), m_fma(b, square, q, r));
}

/* The low bits of `biased` are n + 2·bias. Halving them gives the exponent field of 2^floor(n/2),
 * the rest the field of 2^ceil(n/2); what stands above is shifted out. */
Reg math_scale(MathBuild *b, Reg p, Reg biased) {
    Reg half = m_shift(b, MATH_ISHR, biased, 1);
    Reg rest = m_op2(b, MATH_ISUB, biased, half);
    Reg first = m_shift(b, MATH_ISHL, half, b->format->fraction);
    Reg second = m_shift(b, MATH_ISHL, rest, b->format->fraction);
    return m_mul(b, m_mul(b, p, first), second);
}

void math_build_exp(MathBuild *b) {
    const MathFormat *f = b->format;
    Reg x = m_at_most(b, m_at_least(b, 0, f->exp_low), f->exp_high);
    ExpParts parts = math_exp_reduce(b, x, 2 * f->bias);
    math_scale(b, math_exp_polynomial(b, parts.r), parts.biased);
}

/* With e^r - 1 = r + q, q = r²·Q(r), and 2^n = 2^h·2^c, h = floor(n/2), c = ceil(n/2):
 *   e^x - 1 = (2^h·q + (2^h·r + (2^h - 2^-c)))·2^c.
 * The inner bracket is exact where it cancels; q also carries what rounding r has lost, which
 * counts for n = ±1. Halves of n, so that nothing overflows before the result does. */
void math_build_expm1(MathBuild *b) {
    const MathFormat *f = b->format;
    Reg x = m_at_most(b, m_at_least(b, 0, f->exp_low), f->exp_high);
    ExpParts parts = math_exp_reduce(b, x, 2 * f->bias);
    Reg n = m_sub(b, parts.biased, m_const(b, f->magic + 2 * f->bias)), r = parts.r;
    Reg above = m_fma(b, n, m_const(b, -f->ln2[0]), x); /* exact */
    Reg lost = m_fma(b, n, m_const(b, -f->ln2[1]), m_sub(b, above, r));
    Reg bend = m_fma(b, m_mul(b, r, r), M_POLYNOMIAL(b, r, exp_q), lost);
    Reg half = m_shift(b, MATH_ISHR, parts.biased, 1);
    Reg rest = m_op2(b, MATH_ISUB, parts.biased, half);
    Reg inverse = m_op2(b, MATH_ISUB, m_bits(b, (uint64_t)(2 * f->bias)), rest);
    Reg first = m_shift(b, MATH_ISHL, half, f->fraction);
    Reg second = m_shift(b, MATH_ISHL, rest, f->fraction);
    Reg unit = m_shift(b, MATH_ISHL, inverse, f->fraction); /* 2^-c */
    Reg value = m_fma(b, first, bend, m_fma(b, first, r, m_sub(b, first, unit)));
    m_op2(b, MATH_IOR, m_mul(b, value, second), m_sign_of(b, 0)); /* expm1(-0) = -0 */
}

/* a = n·ln2/2 + r and the addition theorem: with t = tanh r and S = 2^n = e^(n ln 2),
 *   tanh a = (t·(S + 1) + (S - 1)) / (t·(S - 1) + (S + 1)).
 * For n = 0 that is 2t / 2: no cancellation, no second branch, one division. One constant is enough
 * in the reduction: for n >= 1 its error, relative to a, is damped by the slope of tanh. */
void math_build_tanh(MathBuild *b) {
    const MathFormat *f = b->format;
    double certain = f == &math_f32 ? 9.2 : 19.5; /* from here on the result rounds to 1 */
    Reg one = m_const(b, 1), magic = m_const(b, f->magic + f->bias);
    Reg a = m_at_most(b, m_op1(b, MATH_ABS, 0), certain);
    /* f64 rounds n down a little more often, which keeps r away from where t's error counts most.
     */
    Reg shifted = f == &math_f32 ? a : m_sub(b, a, m_const(b, 0.0859375));
    Reg biased = m_fma(b, shifted, m_const(b, 2 * f->log2e), magic);
    Reg n = m_sub(b, biased, magic);
    Reg r = m_fma(b, n, m_const(b, -f->ln2[0] / 2), a);
    Reg scale = m_shift(b, MATH_ISHL, biased, f->fraction); /* 2^n */
    Reg square = m_mul(b, r, r);
    Reg t = m_fma(b, m_mul(b, r, square), M_POLYNOMIAL(b, square, tanh_p), r);
    Reg less = m_sub(b, scale, one), more = m_add(b, scale, one);
    Reg far = m_less(b, one, n);
    Reg half = m_const(b, 0.5);
    Reg slope = m_select(b, far, m_fma(b, scale, half, m_const(b, 1.5)), more);
    Reg offset = m_select(b, far, m_fma(b, scale, half, m_const(b, -1.5)), less);
    Reg top = m_fma(b, t, slope, offset);
    Reg base = m_select(b, far, half, m_const(b, 0));
    Reg value = m_add(b, base, m_div(b, top, m_fma(b, t, less, more)));
    m_op2(b, MATH_IOR, value, m_sign_of(b, 0));
}

/* Near 0: x + x·P(x²). Beyond: 1 - e^(a·P(a)), a = |x|: log erfc is nearly a parabola, so one
 * polynomial serves up to where the result rounds to 1. */
void math_build_erf(MathBuild *b) {
    const MathFormat *f = b->format;
    double split = 0.921875, certain = f == &math_f32 ? 4.0 : 5.95;
    Reg small = m_fma(b, 0, M_POLYNOMIAL(b, m_mul(b, 0, 0), erf_small), 0);
    Reg a = m_op1(b, MATH_ABS, 0);
    Reg near = m_less(b, a, m_const(b, split));
    Reg t = m_at_most(b, a, certain);
    Reg exponent = m_mul(b, t, M_POLYNOMIAL(b, t, erf_large));
    ExpParts parts = math_exp_reduce(b, exponent, f->bias);
    Reg scale = m_shift(b, MATH_ISHL, parts.biased, f->fraction);
    Reg erfc = m_mul(b, math_exp_polynomial(b, parts.r), scale);
    Reg large = m_op2(b, MATH_IOR, m_sub(b, m_const(b, 1), erfc), m_sign_of(b, 0));
    m_select(b, near, small, large);
}
