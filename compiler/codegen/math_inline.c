/* Math functions: the straight-line programs of graph/mathfn.h, one LLVM instruction per step. The
 * reference evaluator runs the same steps, so the bits agree. */
#include "compiler/codegen/emit.h"
#include "compiler/graph/mathfn.h"

typedef struct MathState {
    Emit *e;
    LLVMTypeRef real, bits;
    LLVMValueRef *values; /* per register: a float or an integer of its width, whichever was made */
    LLVMValueRef *tests;  /* per register: the i1 that a comparison's mask came from, or NULL */
} MathState;

static LLVMValueRef real(const MathState *s, uint16_t r) {
    return LLVMBuildBitCast(s->e->b, s->values[r], s->real, "");
}
static LLVMValueRef bits(const MathState *s, uint16_t r) {
    return LLVMBuildBitCast(s->e->b, s->values[r], s->bits, "");
}

static LLVMValueRef intrinsic(const MathState *s, const char *name, LLVMValueRef *args,
                              unsigned count) {
    LLVMTypeRef over = s->real;
    return call_intrinsic(s->e, name, &over, 1, args, count);
}

static LLVMValueRef test_of(const MathState *s, uint16_t r) {
    if (s->tests[r]) return s->tests[r];
    return LLVMBuildICmp(s->e->b, LLVMIntNE, bits(s, r), LLVMConstNull(s->bits), "");
}

static LLVMValueRef real_step(const MathState *s, const MathInstr *i) {
    LLVMBuilderRef b = s->e->b;
    LLVMValueRef a[3] = {real(s, i->a), NULL, NULL};
    switch (i->op) {
    case MATH_ADD: return LLVMBuildFAdd(b, a[0], real(s, i->b), "");
    case MATH_SUB: return LLVMBuildFSub(b, a[0], real(s, i->b), "");
    case MATH_MUL: return LLVMBuildFMul(b, a[0], real(s, i->b), "");
    case MATH_DIV: return LLVMBuildFDiv(b, a[0], real(s, i->b), "");
    case MATH_FMA:
        a[1] = real(s, i->b);
        a[2] = real(s, i->c);
        return intrinsic(s, "llvm.fma", a, 3);
    case MATH_SQRT: return intrinsic(s, "llvm.sqrt", a, 1);
    case MATH_FLOOR: return intrinsic(s, "llvm.floor", a, 1);
    case MATH_RINT: return intrinsic(s, "llvm.roundeven", a, 1);
    case MATH_ABS: return intrinsic(s, "llvm.fabs", a, 1);
    case MATH_NEG: return LLVMBuildFNeg(b, a[0], "");
    case MATH_TO_INT: return LLVMBuildFPToSI(b, a[0], s->bits, "");
    default: return NULL;
    }
}

static LLVMValueRef bits_step(const MathState *s, const MathInstr *i) {
    LLVMBuilderRef b = s->e->b;
    LLVMValueRef shift = const_int(s->bits, i->imm);
    switch (i->op) {
    case MATH_CONST: return const_int(s->bits, i->imm);
    case MATH_IADD: return LLVMBuildAdd(b, bits(s, i->a), bits(s, i->b), "");
    case MATH_ISUB: return LLVMBuildSub(b, bits(s, i->a), bits(s, i->b), "");
    case MATH_IAND: return LLVMBuildAnd(b, bits(s, i->a), bits(s, i->b), "");
    case MATH_IOR: return LLVMBuildOr(b, bits(s, i->a), bits(s, i->b), "");
    case MATH_IXOR: return LLVMBuildXor(b, bits(s, i->a), bits(s, i->b), "");
    case MATH_ISHL: return LLVMBuildShl(b, bits(s, i->a), shift, "");
    case MATH_ISHR: return LLVMBuildAShr(b, bits(s, i->a), shift, "");
    case MATH_IUSHR: return LLVMBuildLShr(b, bits(s, i->a), shift, "");
    case MATH_TO_FLOAT: return LLVMBuildSIToFP(b, bits(s, i->a), s->real, "");
    default: return NULL;
    }
}

static LLVMValueRef test_step(const MathState *s, const MathInstr *i) {
    LLVMBuilderRef b = s->e->b;
    switch (i->op) {
    case MATH_LT: return LLVMBuildFCmp(b, LLVMRealOLT, real(s, i->a), real(s, i->b), "");
    case MATH_EQ: return LLVMBuildFCmp(b, LLVMRealOEQ, real(s, i->a), real(s, i->b), "");
    case MATH_UNORD: return LLVMBuildFCmp(b, LLVMRealUNO, real(s, i->a), real(s, i->b), "");
    case MATH_ILT: return LLVMBuildICmp(b, LLVMIntSLT, bits(s, i->a), bits(s, i->b), "");
    case MATH_IEQ: return LLVMBuildICmp(b, LLVMIntEQ, bits(s, i->a), bits(s, i->b), "");
    default: return NULL;
    }
}

static bool is_test(MathOp op) {
    return op >= MATH_LT && op <= MATH_IEQ;
}

static void step(MathState *s, const MathInstr *i, uint32_t to) {
    LLVMValueRef v;
    if (is_test(i->op)) {
        s->tests[to] = test_step(s, i);
        v = LLVMBuildSExt(s->e->b, s->tests[to], s->bits, "");
    } else if (i->op == MATH_SELECT) {
        /* Choose among floats when both are, else among bits. */
        bool floats =
            LLVMTypeOf(s->values[i->b]) == s->real && LLVMTypeOf(s->values[i->c]) == s->real;
        LLVMValueRef yes = floats ? s->values[i->b] : bits(s, i->b);
        LLVMValueRef no = floats ? s->values[i->c] : bits(s, i->c);
        v = LLVMBuildSelect(s->e->b, test_of(s, i->a), yes, no, "");
    } else {
        v = bits_step(s, i);
        if (!v) v = real_step(s, i);
    }
    INVARIANT(v);
    s->values[to] = v;
}

LLVMValueRef emit_math(Emit *e, Op op, DType t, LLVMValueRef *args) {
    const MathProgram *p = math_program(e->arena, op, t);
    if (!p) return NULL;
    MathState state = {.e = e, .real = LLVMTypeOf(args[0])}, *s = &state;
    s->bits = type_bits(e, s->real);
    uint32_t registers = p->operands + p->count;
    s->values = ARENA_ARRAY(e->arena, LLVMValueRef, registers);
    s->tests = ARENA_ARRAY(e->arena, LLVMValueRef, registers);
    for (uint32_t i = 0; i < p->operands; i++) s->values[i] = args[i];
    for (uint32_t i = 0; i < p->count; i++) step(s, &p->code[i], p->operands + i);
    return real(s, (uint16_t)(registers - 1));
}
