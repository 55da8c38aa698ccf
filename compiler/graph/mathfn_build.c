/* The writer of MathPrograms, and the constants of the two formats. */
#include "compiler/graph/mathfn_build.h"

const MathFormat math_f32 = {.dtype = DTYPE_F32,
                             .fraction = 23,
                             .width = 32,
                             .bias = 127,
                             .magic = 0x1.8p23,
                             .sign_bit = UINT64_C(0x80000000),
                             .min_normal = 0x1p-126,
                             .exp_low = -104.5,
                             .exp_high = 89,
                             .log2e = 0x1.715476p+0,
                             .two_over_pi = 0x1.45f306p-1,
                             .ln2 = {0x1.62e430p-1, -0x1.05c610p-29},
                             .ln2_short = {0x1.62e4p-1, 0x1.7f7d1cp-20},
                             .two_thirds = {0x1.555556p-1, -0x1.555556p-26},
                             .half_pi = {0x1.921fb6p+0, -0x1.777a5cp-25, -0x1.ee59dap-50},
                             .trig_limit = 0x1p20};

const MathFormat math_f64 = {
    .dtype = DTYPE_F64,
    .fraction = 52,
    .width = 64,
    .bias = 1023,
    .magic = 0x1.8p52,
    .sign_bit = UINT64_C(0x8000000000000000),
    .min_normal = 0x1p-1022,
    .exp_low = -746,
    .exp_high = 710,
    .log2e = 0x1.71547652b82fep+0,
    .two_over_pi = 0x1.45f306dc9c883p-1,
    .ln2 = {0x1.62e42fefa39efp-1, 0x1.abc9e3b39803fp-56},
    .ln2_short = {0x1.62e42fefa38p-1, 0x1.ef35793c7673p-45},
    .two_thirds = {0x1.5555555555555p-1, 0x1.5555555555555p-55},
    .half_pi = {0x1.921fb54442d18p+0, 0x1.1a62633145c07p-54, -0x1.f1976b7ed8fbcp-110},
    .trig_limit = 0x1p40};

static Reg put(MathBuild *b, MathInstr instr) {
    vec_push(b->arena, &b->code, instr);
    uint32_t reg = b->operands + b->code.len - 1;
    if (reg > UINT16_MAX) BUG("math program too long");
    return (Reg)reg;
}

Reg m_bits(MathBuild *b, uint64_t bits) {
    for (uint32_t i = 0; i < b->code.len; i++)
        if (b->code.data[i].op == MATH_CONST && b->code.data[i].imm == bits)
            return (Reg)(b->operands + i);
    return put(b, (MathInstr){.op = MATH_CONST, .imm = bits});
}

Reg m_const(MathBuild *b, double value) {
    return m_bits(b, (uint64_t)dtype_word_from_f64(b->format->dtype, value));
}

Reg m_op1(MathBuild *b, MathOp op, Reg x) {
    return put(b, (MathInstr){.op = op, .a = x});
}
Reg m_op2(MathBuild *b, MathOp op, Reg x, Reg y) {
    return put(b, (MathInstr){.op = op, .a = x, .b = y});
}
Reg m_op3(MathBuild *b, MathOp op, Reg x, Reg y, Reg z) {
    return put(b, (MathInstr){.op = op, .a = x, .b = y, .c = z});
}
Reg m_shift(MathBuild *b, MathOp op, Reg x, uint32_t count) {
    return put(b, (MathInstr){.op = op, .a = x, .imm = count});
}

Reg m_polynomial(MathBuild *b, Reg x, const double *coefficients, uint32_t count) {
    Reg sum = m_const(b, coefficients[count - 1]);
    for (uint32_t i = count - 1; i-- > 0;) sum = m_fma(b, sum, x, m_const(b, coefficients[i]));
    return sum;
}

Reg m_at_most(MathBuild *b, Reg x, double most) {
    Reg limit = m_const(b, most);
    return m_select(b, m_less(b, limit, x), limit, x);
}

Reg m_at_least(MathBuild *b, Reg x, double least) {
    Reg limit = m_const(b, least);
    return m_select(b, m_less(b, x, limit), limit, x);
}

Reg m_sign_of(MathBuild *b, Reg x) {
    return m_op2(b, MATH_IAND, x, m_bits(b, b->format->sign_bit));
}
