/* The math functions' table, and the machine that runs a MathProgram on one element. The code
 * generator emits the same instructions on vectors; docs/numerics.md states the error bounds. */
#include "compiler/graph/mathfn.h"

#include "compiler/graph/mathfn_build.h"

#include <math.h>

static const struct {
    Op op;
    const char *name;
    uint32_t operands;
    void (*build)(MathBuild *);
} functions[] = {
    {OP_EXP, "exp", 1, math_build_exp},       {OP_LOG, "log", 1, math_build_log},
    {OP_EXPM1, "expm1", 1, math_build_expm1}, {OP_LOG1P, "log1p", 1, math_build_log1p},
    {OP_SIN, "sin", 1, math_build_sin},       {OP_COS, "cos", 1, math_build_cos},
    {OP_TANH, "tanh", 1, math_build_tanh},    {OP_ERF, "erf", 1, math_build_erf},
    {OP_POW, "pow", 2, math_build_pow},
};

const MathProgram *math_program(Arena *arena, Op op, DType dtype) {
    if (dtype != DTYPE_F32 && dtype != DTYPE_F64) return NULL;
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
        if (functions[i].op != op) continue;
        MathBuild b = {.arena = arena,
                       .format = dtype == DTYPE_F32 ? &math_f32 : &math_f64,
                       .operands = functions[i].operands};
        functions[i].build(&b);
        MathProgram *p = ARENA_NEW(arena, MathProgram);
        *p = (MathProgram){.name = functions[i].name,
                           .dtype = dtype,
                           .operands = b.operands,
                           .count = b.code.len,
                           .code = b.code.data};
        return p;
    }
    return NULL;
}

/* ---- one element. The two machines differ only in their types. */

enum { REGISTERS = 512 };

typedef union Bits32 {
    float f;
    uint32_t u;
    int32_t i;
} Bits32;
typedef union Bits64 {
    double f;
    uint64_t u;
    int64_t i;
} Bits64;

#define STEP(Float, Int, Unsigned, fma_, sqrt_, floor_, rint_, fabs_)                              \
    switch (in->op) {                                                                              \
    case MATH_CONST: r->u = (Unsigned)in->imm; break;                                              \
    case MATH_ADD: r->f = a.f + b.f; break;                                                        \
    case MATH_SUB: r->f = a.f - b.f; break;                                                        \
    case MATH_MUL: r->f = a.f * b.f; break;                                                        \
    case MATH_DIV: r->f = a.f / b.f; break;                                                        \
    case MATH_FMA: r->f = fma_(a.f, b.f, c.f); break;                                              \
    case MATH_SQRT: r->f = sqrt_(a.f); break;                                                      \
    case MATH_FLOOR: r->f = floor_(a.f); break;                                                    \
    case MATH_RINT: r->f = rint_(a.f); break;                                                      \
    case MATH_ABS: r->f = fabs_(a.f); break;                                                       \
    case MATH_NEG: r->f = -a.f; break;                                                             \
    case MATH_IADD: r->u = a.u + b.u; break;                                                       \
    case MATH_ISUB: r->u = a.u - b.u; break;                                                       \
    case MATH_IAND: r->u = a.u & b.u; break;                                                       \
    case MATH_IOR: r->u = a.u | b.u; break;                                                        \
    case MATH_IXOR: r->u = a.u ^ b.u; break;                                                       \
    case MATH_ISHL: r->u = a.u << in->imm; break;                                                  \
    case MATH_ISHR: r->i = a.i >> in->imm; break;                                                  \
    case MATH_IUSHR: r->u = a.u >> in->imm; break;                                                 \
    case MATH_TO_INT: r->i = (Int)a.f; break;                                                      \
    case MATH_TO_FLOAT: r->f = (Float)a.i; break;                                                  \
    case MATH_LT: r->u = a.f < b.f ? (Unsigned)-1 : 0; break;                                      \
    case MATH_EQ: r->u = a.f == b.f ? (Unsigned)-1 : 0; break;                                     \
    case MATH_UNORD: r->u = isnan(a.f) || isnan(b.f) ? (Unsigned)-1 : 0; break;                    \
    case MATH_ILT: r->u = a.i < b.i ? (Unsigned)-1 : 0; break;                                     \
    case MATH_IEQ: r->u = a.u == b.u ? (Unsigned)-1 : 0; break;                                    \
    case MATH_SELECT: r->u = a.u ? b.u : c.u; break;                                               \
    }

float math_run_f32(const MathProgram *p, float x, float y) {
    Bits32 registers[REGISTERS];
    INVARIANT(p->dtype == DTYPE_F32 && p->operands + p->count <= REGISTERS);
    registers[0].f = x;
    registers[1].f = y; /* overwritten by the first instruction when there is one operand */
    for (uint32_t k = 0; k < p->count; k++) {
        const MathInstr *in = &p->code[k];
        Bits32 a = registers[in->a], b = registers[in->b], c = registers[in->c];
        Bits32 *r = &registers[p->operands + k];
        STEP(float, int32_t, uint32_t, fmaf, sqrtf, floorf, rintf, fabsf)
    }
    return registers[p->operands + p->count - 1].f;
}

double math_run_f64(const MathProgram *p, double x, double y) {
    Bits64 registers[REGISTERS];
    INVARIANT(p->dtype == DTYPE_F64 && p->operands + p->count <= REGISTERS);
    registers[0].f = x;
    registers[1].f = y;
    for (uint32_t k = 0; k < p->count; k++) {
        const MathInstr *in = &p->code[k];
        Bits64 a = registers[in->a], b = registers[in->b], c = registers[in->c];
        Bits64 *r = &registers[p->operands + k];
        STEP(double, int64_t, uint64_t, fma, sqrt, floor, rint, fabs)
    }
    return registers[p->operands + p->count - 1].f;
}
