/* gather and scatter_add: positions read from memory. Out of range: clamped, and the sticky flag.
 */
#include "compiler/schedule/lower.h"

/* The value of one index operand as a position on an axis of `size`; flags when it lies outside. An
 * axis may be empty: then no element exists. */
static ExprId position(Lower *l, NodeId index, const Index *at, DimId size, ExprId *exists) {
    const GNode *x = node_of(l->s, index);
    bool counts = x->op == OP_IOTA && dim_same(x->dims[x->attr[0]], size);
    if (counts && dtype_bytes(x->dtype) >= 4 && dtype_is_integer(x->dtype))
        return at->axis[x->attr[0]];
    ExprId zero = l_int(l, 0), end = l_dim(l, size);
    if (!dim_is_const(l->s->dims, size) || dim_equals(l->s->dims, size, 0))
        *exists = l_and(l, *exists, l_op(l, OP_LESS, DTYPE_BOOL, zero, end));
    ExprId i = l_cast(l, DTYPE_I64, lower_value(l, index, at));
    RegId reg = l_new_reg(l, "i", DTYPE_I64, NULL);
    l_set(l, reg, i);
    i = l_reg(l, reg);
    ExprId low = l_op(l, OP_LESS, DTYPE_BOOL, i, zero);
    ExprId inside = l_op(l, OP_LESS, DTYPE_BOOL, i, end);
    ExprId high = loop_op(l->p, l->k, OP_NOT, DTYPE_BOOL, &inside, 1);
    l_flag(l, l_op(l, OP_OR, DTYPE_BOOL, low, high), BMRT_FLAG_INDEX);
    ExprId top = l_op(l, OP_MIN, DTYPE_I64, i, l_sub(l, end, l_int(l, 1)));
    return l_op(l, OP_MAX, DTYPE_I64, top, zero);
}

/* Fills the position in x: indexed axes from the indices, the others from `rest`. */
static void positions(Lower *l, const GNode *n, const DimId *dims, uint32_t rank,
                      const ExprId *axis, Index *to) {
    uint32_t shared = node_of(l->s, n->args[1])->rank;
    Index at = {.pred = EXPR_NONE};
    for (uint32_t i = 0; i < shared; i++) at.axis[i] = axis[i];
    for (uint32_t i = 0, next = 0, rest = shared; i < rank; i++)
        to->axis[i] = next < n->nattr && n->attr[next] == (int64_t)i
                          ? (next++, position(l, n->args[next], &at, dims[i], &to->pred))
                          : axis[rest++];
}

ExprId lower_GATHER(Lower *l, NodeId n, const Index *at) {
    const GNode *y = node_of(l->s, n), *x = node_of(l->s, y->args[0]);
    ExprId axis[RANK_MAX];
    Index to = {.pred = at->pred};
    index_axes(l, n, at, axis);
    positions(l, y, x->dims, x->rank, axis, &to);
    return lower_value(l, y->args[0], &to);
}

/* ------------------------------------------------------------------ scatter_add */

ExprId lower_SCATTER_ADD(Lower *l, NodeId n, const Index *at) {
    (void)at;
    BUG("kernel %s: scatter_add (node %u) has a kernel of its own", l->k->name, n.id);
}

static void zero_fill(Lower *l, const GNode *y, const Target *t, uint32_t skip, ExprId *axis) {
    LowerPlace place = l_place(l);
    Index at = {.pred = EXPR_NONE};
    uint32_t position_of = loop_use(l->p, l->k, t->buffer, true);
    for (uint32_t i = 0; i < y->rank; i++) {
        if (i == skip) {
            at.axis[i] = axis[i];
            continue;
        }
        VarId v = l_new_var(l, "z");
        ExprId from = l_int(l, 0), to = l_dim(l, y->dims[i]);
        l_enter_for(l, v, from, to, 1);
        at.axis[i] = l_var(l, v);
    }
    ExprId index = slab_position(l, t->node, t->slab, &at);
    loop_store(l->p, l->k, l->nested ? &l->parent : NULL, position_of, index,
               l_bits(l, y->dtype, 0), EXPR_NONE);
    l_return(l, place);
}

/* The first index counts the rows of the result, one source row each: rows are independent. */
static bool by_rows(const Sched *s, const GNode *y) {
    const GNode *first = node_of(s, y->args[1]);
    return y->attr[0] == 0 && first->op == OP_IOTA && first->attr[0] == 0 &&
           dim_same(first->dims[0], y->dims[0]);
}

/* out[index(source)] += update[source], sources ascending. By rows, or by columns of the last axis
 * when that is not indexed, or by thread 0 alone. */
void lower_scatter(Lower *l) {
    NodeId n = l->group->core;
    const GNode *y = node_of(l->s, n), *u = node_of(l->s, y->args[0]);
    const Target *t = &l->group->targets.data[0];
    INVARIANT(l->group->targets.len == 1);
    uint32_t last = y->rank - 1, skip = NONE, fixed = NONE;
    ExprId axis[RANK_MAX], source[RANK_MAX];
    if (by_rows(l->s, y)) {
        skip = fixed = 0;
        l->k->grain = threads_grain(l->s, y->dims[0]);
    } else if (y->attr[y->nattr - 1] != (int64_t)last &&
               dim_bound(l->s->dims, y->dims[last]) >= 2 * (int64_t)l->lanes) {
        skip = last;
        fixed = u->rank - 1;
        l->k->grain = l->lanes;
    }
    lower_scalars(l);
    if (skip != NONE) {
        l->k->parallel = true;
        l->k->extent = l->extent = y->dims[skip];
        VarId v = l_new_var(l, "i");
        Expr lo = {.kind = EXPR_LO, .dtype = DTYPE_I64}, hi = {.kind = EXPR_HI, .dtype = DTYPE_I64};
        ExprId first = loop_expr(l->p, l->k, &lo), end = loop_expr(l->p, l->k, &hi);
        l_enter_for(l, v, first, end, 1);
        axis[skip] = source[fixed] = l_var(l, v);
        if (skip == 0) l->row = axis[0];
    }
    memo_clear(l);
    Index in_row = {.pred = EXPR_NONE};
    if (skip == 0) in_row.axis[0] = l->row;
    access_note(l, loop_use(l->p, l->k, t->buffer, true),
                skip == 0 ? slab_access(l, n, t->slab, &in_row) : ACCESS_ANY);
    zero_fill(l, y, t, skip, axis);
    for (uint32_t i = 0; i < u->rank; i++) {
        if (i == fixed) continue;
        VarId v = l_new_var(l, "s");
        ExprId first = l_int(l, 0), end = l_dim(l, u->dims[i]);
        l_enter_for(l, v, first, end, 1);
        source[i] = l_var(l, v);
    }
    Index from = {.pred = EXPR_NONE}, to = {.pred = EXPR_NONE};
    for (uint32_t i = 0; i < u->rank; i++) from.axis[i] = source[i];
    positions(l, y, y->dims, y->rank, source, &to);
    ExprId value = lower_value(l, y->args[0], &from);
    uint32_t position_of = loop_use(l->p, l->k, t->buffer, true);
    ExprId index = slab_position(l, n, t->slab, &to);
    Expr old = {.kind = EXPR_LOAD, .dtype = y->dtype, .nargs = 1, .args = {index}};
    old.buffer = position_of;
    if (!expr_is_none(to.pred)) {
        old.nargs = 3;
        old.args[1] = to.pred;
        old.args[2] = l_bits(l, y->dtype, 0);
    }
    ExprId sum = l_op(l, OP_ADD, y->dtype, loop_expr(l->p, l->k, &old), value);
    loop_store(l->p, l->k, l->nested ? &l->parent : NULL, position_of, index, sum, to.pred);
}
