/* sin and cos.
 *
 * Reduction to |r| <= π/4 (a little more, because 2/π is rounded) with π/2 in three parts.
 * n·half_pi[0] is subtracted without error: both are multiples of 2^-fraction and the difference is
 * below 1. What the second step loses is kept in `low`, so that r = high + low to more bits than
 * the format has. Beyond trig_limit the result is NaN: there n no longer fits and a value would be
 * noise. */
#include "compiler/graph/mathfn_build.h"
#include "compiler/graph/mathfn_tables.h"

#include <math.h>

typedef struct TrigParts {
    Reg turns; /* the low bits are n */
    Reg high, low;
} TrigParts;

static TrigParts trig_reduce(MathBuild *b, Reg x) {
    const MathFormat *f = b->format;
    TrigParts parts;
    Reg magic = m_const(b, f->magic);
    parts.turns = m_fma(b, x, m_const(b, f->two_over_pi), magic);
    Reg n = m_sub(b, parts.turns, magic);
    Reg exact = m_fma(b, n, m_const(b, -f->half_pi[0]), x);
    Reg product = m_mul(b, n, m_const(b, f->half_pi[1]));
    Reg product_rest = m_fma(b, n, m_const(b, -f->half_pi[1]), product); /* negated */
    parts.high = m_sub(b, exact, product);
    Reg lost = m_sub(b, m_sub(b, exact, parts.high), product);
    lost = m_add(b, lost, product_rest);
    parts.low = m_fma(b, n, m_const(b, -f->half_pi[2]), lost);
    return parts;
}

static Reg sin_polynomial(MathBuild *b, TrigParts r, Reg square) {
    Reg tail = m_fma(b, m_mul(b, r.high, square), M_POLYNOMIAL(b, square, sin_p), r.low);
    return m_add(b, r.high, tail);
}

/* 1 + (r²·(-1/2 + r²·P) - high·low) */
static Reg cos_polynomial(MathBuild *b, TrigParts r, Reg square) {
    Reg v = m_fma(b, square, M_POLYNOMIAL(b, square, cos_p), m_const(b, -0.5));
    Reg minus = m_op1(b, MATH_NEG, m_mul(b, r.high, r.low));
    return m_add(b, m_const(b, 1), m_fma(b, square, v, minus));
}

/* `ahead` quarter turns are added: 0 gives sin, 1 gives cos. `a` >= 0. */
static Reg trig(MathBuild *b, Reg a, int ahead) {
    const MathFormat *f = b->format;
    TrigParts r = trig_reduce(b, a);
    Reg square = m_mul(b, r.high, r.high);
    Reg sine = sin_polynomial(b, r, square), cosine = cos_polynomial(b, r, square);
    Reg quarter = ahead ? m_op2(b, MATH_IADD, r.turns, m_bits(b, 1)) : r.turns;
    Reg parity = m_shift(b, MATH_ISHL, quarter, f->width - 1);
    Reg odd = m_shift(b, MATH_ISHR, parity, f->width - 1);
    Reg sign = m_sign_of(b, m_shift(b, MATH_ISHL, quarter, f->width - 2));
    Reg value = m_op2(b, MATH_IXOR, m_select(b, odd, cosine, sine), sign);
    Reg beyond = m_less(b, m_const(b, f->trig_limit), a);
    return m_select(b, beyond, m_const(b, (double)NAN), value);
}

void math_build_sin(MathBuild *b) {
    Reg value = trig(b, m_op1(b, MATH_ABS, 0), 0);
    m_op2(b, MATH_IXOR, value, m_sign_of(b, 0)); /* odd, and sin(-0) = -0 */
}

void math_build_cos(MathBuild *b) {
    trig(b, m_op1(b, MATH_ABS, 0), 1);
}
