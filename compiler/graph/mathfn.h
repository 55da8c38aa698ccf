/* exp, log, expm1, log1p, tanh, erf, sin, cos, pow: one description, used by the reference
 * evaluator (one element at a time) and by the code generator (a vector at a time), so that both
 * give the same bits.
 *
 * A program is straight-line code over one dtype's registers. Register 0 (and 1 for pow) holds the
 * operand; the last instruction's register is the result. Integer instructions work on the float's
 * bit pattern (same width). There is no branch: special cases are selects. */
#ifndef BMC_GRAPH_MATHFN_H
#define BMC_GRAPH_MATHFN_H

#include "compiler/graph/graph.h"

typedef enum MathOp {
    MATH_CONST, /* imm: the value's bits */
    MATH_ADD,   /* a + b, each rounded once, never contracted */
    MATH_SUB,
    MATH_MUL,
    MATH_DIV,
    MATH_FMA, /* a*b + c */
    MATH_SQRT,
    MATH_FLOOR,
    MATH_RINT, /* to nearest even */
    MATH_ABS,
    MATH_NEG,
    MATH_IADD, /* on bits */
    MATH_ISUB,
    MATH_IAND,
    MATH_IOR,
    MATH_IXOR,
    MATH_ISHL,     /* by imm */
    MATH_ISHR,     /* arithmetic, by imm */
    MATH_IUSHR,    /* logical, by imm */
    MATH_TO_INT,   /* float -> signed integer of the same width, truncating; operand is in range */
    MATH_TO_FLOAT, /* signed integer -> float */
    MATH_LT,       /* float a < b: all ones or zero (ordered) */
    MATH_EQ,       /* float a == b (ordered) */
    MATH_UNORD,    /* a or b is NaN */
    MATH_ILT,      /* signed bits a < b */
    MATH_IEQ,
    MATH_SELECT /* mask a ? b : c */
} MathOp;

typedef struct MathInstr {
    MathOp op;
    uint16_t a, b, c; /* registers */
    uint64_t imm;
} MathInstr;

typedef struct MathProgram {
    const char *name;
    DType dtype; /* F32 or F64 */
    uint32_t operands;
    uint32_t count; /* instructions; instruction i writes register operands + i */
    const MathInstr *code;
} MathProgram;

/* NULL when `op` is not one of OP_EXP OP_LOG OP_EXPM1 OP_LOG1P OP_SIN OP_COS OP_TANH OP_ERF OP_POW
 * or `dtype` not f32/f64. Programs are built in `arena`. f16 and bf16 compute in f32 and round
 * once. */
const MathProgram *math_program(Arena *arena, Op op, DType dtype);
/* Runs it on one element (bits in, bits out). */
double math_run_f64(const MathProgram *p, double a, double b);
float math_run_f32(const MathProgram *p, float a, float b);

/* The random-number contract: the float in [0,1) of element `element` of the draw. */
float philox_uniform(uint64_t seed, uint64_t site, uint64_t step, uint32_t draw, uint64_t element);
/* The site of iteration n of a loop: docs/numerics.md. */
uint64_t philox_site_at(uint64_t site, int64_t iteration);
void philox4x32_10(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]);

#endif
