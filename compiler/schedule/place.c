/* Thin builders used while lowering: expressions with fixed dtypes, and statements at the current
 * place.
 *
 * Expressions are numbered as they are made, and dumps show the numbers: a program must not depend
 * on the order in which a C compiler evaluates arguments. So at most one argument of a call makes
 * new expressions, and variables and registers get theirs when they are declared. */
#include "compiler/schedule/lower.h"

ExprId l_op(Lower *l, Op op, DType dtype, ExprId a, ExprId b) {
    ExprId args[2] = {a, b};
    return loop_op(l->p, l->k, op, dtype, args, 2);
}
ExprId l_select(Lower *l, DType dtype, ExprId cond, ExprId a, ExprId b) {
    ExprId args[3] = {cond, a, b};
    return loop_op(l->p, l->k, OP_SELECT, dtype, args, 3);
}
DType l_dtype(const Lower *l, ExprId e) {
    return l->k->exprs.data[e.id].dtype;
}
ExprId l_cast(Lower *l, DType to, ExprId a) {
    return l_dtype(l, a) == to ? a : loop_op(l->p, l->k, OP_CAST, to, &a, 1);
}

static ExprId quotient(Lower *l, ExprKind kind, ExprId a, ExprId b) {
    Expr e = {.kind = kind, .dtype = DTYPE_I64, .nargs = 2, .args = {a, b}};
    return loop_expr(l->p, l->k, &e);
}
ExprId l_div(Lower *l, ExprId a, ExprId b) {
    return quotient(l, EXPR_IDIV, a, b);
}
ExprId l_mod(Lower *l, ExprId a, ExprId b) {
    return quotient(l, EXPR_IMOD, a, b);
}

static bool int_value(const Lower *l, ExprId e, int64_t *v) {
    const Expr *x = &l->k->exprs.data[e.id];
    *v = (int64_t)x->imm;
    return x->kind == EXPR_CONST && x->dtype == DTYPE_I64;
}
ExprId l_min(Lower *l, ExprId a, ExprId b) {
    int64_t x, y;
    if (int_value(l, a, &x) && int_value(l, b, &y)) return x < y ? a : b;
    return l_op(l, OP_MIN, DTYPE_I64, a, b);
}
ExprId l_max(Lower *l, ExprId a, ExprId b) {
    int64_t x, y;
    if (int_value(l, a, &x) && int_value(l, b, &y)) return x > y ? a : b;
    return l_op(l, OP_MAX, DTYPE_I64, a, b);
}
ExprId l_and(Lower *l, ExprId a, ExprId b) {
    if (expr_is_none(a)) return b;
    if (expr_is_none(b) || a.id == b.id) return a;
    return l_op(l, OP_AND, DTYPE_BOOL, a, b);
}
ExprId l_bits(Lower *l, DType dtype, uint64_t bits) {
    Expr e = {.kind = EXPR_CONST, .dtype = dtype, .imm = bits};
    return loop_expr(l->p, l->k, &e);
}
ExprId l_reg(Lower *l, RegId r) {
    return loop_of_reg(l->p, l->k, r);
}
ExprId l_var(Lower *l, VarId v) {
    return loop_of_var(l->p, l->k, v);
}

/* ------------------------------------------------------------------ places */

static const StmtId *here(const Lower *l) {
    return l->nested ? &l->parent : NULL;
}

LowerPlace l_place(const Lower *l) {
    return (LowerPlace){l->nested, l->vector, l->parent, l->open_count, l->row};
}
void l_return(Lower *l, LowerPlace at) {
    l->nested = at.nested;
    l->vector = at.vector;
    l->parent = at.parent;
    l->open_count = at.open_count;
    l->row = at.row;
}

static void enter(Lower *l, StmtId loop) {
    l->nested = true;
    l->parent = loop;
}
static void open_variable(Lower *l, VarId v) {
    if (l->open_count == OPEN_MAX) BUG("kernel %s: too many unrolled loops", l->k->name);
    l->open[l->open_count++] = v;
}

void l_enter_for(Lower *l, VarId v, ExprId from, ExprId to, int64_t step) {
    enter(l, loop_for(l->p, l->k, here(l), LOOP_SERIAL, v, from, to, step, 0, EXPR_NONE));
}
void l_enter_copies(Lower *l, VarId v, uint32_t first, uint32_t count) {
    enter(l, loop_for(l->p, l->k, here(l), LOOP_UNROLL, v, EXPR_NONE, EXPR_NONE, first, count,
                      EXPR_NONE));
    open_variable(l, v);
}
void l_enter_unroll(Lower *l, VarId v, uint32_t count) {
    l_enter_copies(l, v, 0, count);
}
void l_enter_vector(Lower *l, VarId v, uint32_t lanes, ExprId limit) {
    enter(l, loop_for(l->p, l->k, here(l), LOOP_VECTOR, v, EXPR_NONE, EXPR_NONE, 0, lanes, limit));
    open_variable(l, v);
    l->vector = true;
}
void l_set(Lower *l, RegId r, ExprId value) {
    loop_set(l->p, l->k, here(l), r, value);
}
void l_flag(Lower *l, ExprId cond, uint32_t bits) {
    loop_flag(l->p, l->k, here(l), cond, bits);
}
VarId l_new_var(Lower *l, const char *name) {
    VarId v = loop_var(l->p, l->k, name);
    l_var(l, v);
    return v;
}
RegId l_new_reg(Lower *l, const char *name, DType dtype, const VarId *extra) {
    VarId vars[OPEN_MAX + 1];
    uint32_t count = 0;
    for (; count < l->open_count; count++) vars[count] = l->open[count];
    if (extra) vars[count++] = *extra;
    RegId r = loop_reg(l->p, l->k, name, dtype, vars, count);
    l_reg(l, r);
    return r;
}
