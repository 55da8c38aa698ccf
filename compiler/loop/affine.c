/* Questions about index expressions: which variables they depend on, and how. */
#include "compiler/loop/loop_internal.h"

bool loop_counts(const LoopProgram *p, uint32_t symbol) {
    for (uint32_t i = 0; i < p->loops.len; i++)
        if (p->loops.data[i].symbol == symbol) return true;
    return false;
}

bool loop_depends(const Kernel *k, ExprId e, VarId var) {
    return k->index->masks.data[e.id].words[var.id / 64] >> (var.id % 64) & 1;
}

typedef struct Affine {
    ExprId base;
    int64_t coefficient;
} Affine;

/* Index arithmetic is shallow (one level per axis and tile level), so a bounded recursion suffices.
 */
enum { AFFINE_DEPTH = 200 };

static bool affine_at(LoopProgram *p, Kernel *k, ExprId e, VarId var, Affine *out, uint32_t depth) {
    if (!loop_depends(k, e, var)) {
        *out = (Affine){e, 0};
        return true;
    }
    Expr x = k->exprs.data[e.id];
    if (x.kind == EXPR_VAR) {
        *out = (Affine){loop_int(p, k, 0), 1};
        return true;
    }
    if (x.kind != EXPR_OP || x.dtype != DTYPE_I64 || x.nargs != 2 || depth >= AFFINE_DEPTH)
        return false;
    Affine a, b;
    if (!affine_at(p, k, x.args[0], var, &a, depth + 1) ||
        !affine_at(p, k, x.args[1], var, &b, depth + 1))
        return false;
    if (x.op == OP_ADD) {
        *out = (Affine){loop_add(p, k, a.base, b.base), a.coefficient + b.coefficient};
        return true;
    }
    if (x.op == OP_SUB) {
        *out = (Affine){loop_sub(p, k, a.base, b.base), a.coefficient - b.coefficient};
        return true;
    }
    const Expr *factor = &k->exprs.data[x.args[1].id];
    if (x.op != OP_MUL || factor->kind != EXPR_CONST) return false;
    *out = (Affine){loop_mul(p, k, a.base, x.args[1]), a.coefficient * (int64_t)factor->imm};
    return true;
}

bool loop_affine(LoopProgram *p, Kernel *k, ExprId e, VarId var, ExprId *base,
                 int64_t *coefficient) {
    Affine a;
    if (!affine_at(p, k, e, var, &a, 0)) return false;
    *base = a.base;
    *coefficient = a.coefficient;
    return true;
}
