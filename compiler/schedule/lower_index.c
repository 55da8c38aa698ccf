/* gather and scatter_add: positions read from memory. Out of range: clamped, and the sticky flag.
 */
#include "compiler/schedule/lower.h"

/* Over the open loops that the value depends on: the row of an embedding is one number for all
 * lanes, which then are neighbours in memory. */
static RegId position_register(Lower *l, ExprId value) {
    LowerPlace place = l_place(l);
    uint32_t kept = 0, count = l->open_count;
    VarId open[OPEN_MAX];
    memcpy(open, l->open, count * sizeof *open);
    for (uint32_t i = 0; i < count; i++)
        if (loop_depends(l->k, value, open[i])) l->open[kept++] = open[i];
    l->open_count = kept;
    RegId reg = l_new_reg(l, "i", DTYPE_I64, NULL);
    memcpy(l->open, open, count * sizeof *open);
    l_return(l, place);
    return reg;
}

static bool never_empty(const Sched *s, const GNode *n) {
    for (uint32_t i = 0; i < n->rank; i++)
        if (!dim_is_const(s->dims, n->dims[i]) || dim_value(s->dims, n->dims[i]) == 0) return false;
    return true;
}

/* Where a scatter_add puts its updates a gather has read (the embedding of that gradient), and what
 * lies outside it has flagged. So the scatter may run after the guard, and with it everything that
 * only waited for it: flags must be there before. */
static bool flagged_already(const Sched *s, NodeId index, DimId size) {
    for (uint32_t i = s->user_first[index.id]; i < s->user_first[index.id + 1]; i++) {
        const GNode *n = node_of(s, (NodeId){s->users[i]});
        const NodePlan *p = plan_of(s, (NodeId){s->users[i]});
        if (n->op != OP_GATHER || !p->core || p->group == NONE) continue;
        if (s->groups.data[p->group]->phase != PHASE_COMPUTE) continue;
        const GNode *table = node_of(s, n->args[0]);
        for (uint32_t k = 0; k < n->nattr && never_empty(s, table); k++)
            if (node_same(n->args[1 + k], index) && dim_same(table->dims[n->attr[k]], size))
                return true;
    }
    return false;
}

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
    RegId reg = position_register(l, i);
    l_set(l, reg, i);
    i = l_reg(l, reg);
    ExprId low = l_op(l, OP_LESS, DTYPE_BOOL, i, zero);
    ExprId inside = l_op(l, OP_LESS, DTYPE_BOOL, i, end);
    ExprId high = loop_op(l->p, l->k, OP_NOT, DTYPE_BOOL, &inside, 1);
    bool gathers = !node_is_none(l->group->core) && node_of(l->s, l->group->core)->op == OP_GATHER;
    if (gathers || !flagged_already(l->s, index, size))
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

/* How the kernel goes over the result: by rows, by columns of the last axis in vectors when that is
 * not indexed (a row of an embedding), or by thread 0 alone. */
typedef struct Scatter {
    NodeId node;
    const GNode *y, *u; /* the result; what is added */
    const Target *to;
    uint32_t skip, fixed; /* axes of y and u that are the parallel loop's; or NONE */
    bool columns;
} Scatter;

static ExprId range_end(Lower *l, ExprKind kind) {
    Expr e = {.kind = kind, .dtype = DTYPE_I64};
    return loop_expr(l->p, l->k, &e);
}

/* Enters a vector over this thread's columns. */
static ExprId columns_enter(Lower *l) {
    ExprId from = range_end(l, EXPR_LO), to = range_end(l, EXPR_HI);
    VarId j = l_new_var(l, "j"), v = l_new_var(l, "l");
    l_enter_for(l, j, from, to, l->lanes);
    bool whole =
        dim_is_const(l->s->dims, l->extent) && dim_value(l->s->dims, l->extent) % l->lanes == 0;
    l_enter_vector(l, v, l->lanes, whole ? EXPR_NONE : l_sub(l, to, l_var(l, j)));
    return l_add(l, l_var(l, j), l_var(l, v));
}

static void zero_fill(Lower *l, const Scatter *x, ExprId row) {
    LowerPlace place = l_place(l);
    Index at = {.pred = EXPR_NONE};
    uint32_t position_of = loop_use(l->p, l->k, x->to->buffer, true);
    for (uint32_t i = 0; i < x->y->rank; i++) {
        if (i == x->skip) {
            at.axis[i] = row;
            continue;
        }
        VarId v = l_new_var(l, "z");
        ExprId from = l_int(l, 0), to = l_dim(l, x->y->dims[i]);
        l_enter_for(l, v, from, to, 1);
        at.axis[i] = l_var(l, v);
    }
    if (x->columns) at.axis[x->skip] = columns_enter(l);
    ExprId index = slab_position(l, x->node, x->to->slab, &at);
    loop_store(l->p, l->k, l->nested ? &l->parent : NULL, position_of, index,
               l_bits(l, x->y->dtype, 0), EXPR_NONE);
    l_return(l, place);
}

/* The first index counts the rows of the result, one source row each: rows are independent. */
static bool by_rows(const Sched *s, const GNode *y) {
    const GNode *first = node_of(s, y->args[1]);
    return y->attr[0] == 0 && first->op == OP_IOTA && first->attr[0] == 0 &&
           dim_same(first->dims[0], y->dims[0]);
}

static Scatter scatter_plan(Lower *l) {
    const GNode *y = node_of(l->s, l->group->core), *u = node_of(l->s, y->args[0]);
    Scatter x = {.node = l->group->core, .y = y, .u = u, .skip = NONE, .fixed = NONE};
    x.to = &l->group->targets.data[0];
    INVARIANT(l->group->targets.len == 1);
    uint32_t last = y->rank - 1;
    if (by_rows(l->s, y)) {
        x.skip = x.fixed = 0;
        l->k->grain = threads_grain(l->s, y->dims[0]);
    } else if (y->attr[y->nattr - 1] != (int64_t)last &&
               dim_bound(l->s->dims, y->dims[last]) >= 2 * (int64_t)l->lanes) {
        x.columns = true;
        x.skip = last;
        x.fixed = u->rank - 1;
        l->k->grain = l->lanes;
    }
    if (x.skip == NONE) return x;
    l->k->parallel = true;
    l->k->extent = l->extent = y->dims[x.skip];
    return x;
}

/* One update, at the positions that the open loops name. */
static void scatter_add(Lower *l, const Scatter *x, ExprId *source) {
    Index from = {.pred = EXPR_NONE}, to = {.pred = EXPR_NONE};
    positions(l, x->y, x->y->dims, x->y->rank, source, &to);
    if (x->columns) to.axis[x->skip] = source[x->fixed] = columns_enter(l);
    for (uint32_t i = 0; i < x->u->rank; i++) from.axis[i] = source[i];
    ExprId value = lower_value(l, x->y->args[0], &from);
    ExprId index = slab_position(l, x->node, x->to->slab, &to);
    Expr old = {.kind = EXPR_LOAD, .dtype = x->y->dtype, .nargs = 1, .args = {index}};
    old.buffer = loop_use(l->p, l->k, x->to->buffer, true);
    if (!expr_is_none(to.pred)) {
        old.nargs = 3;
        old.args[1] = to.pred;
        old.args[2] = l_bits(l, x->y->dtype, 0);
    }
    ExprId sum = l_op(l, OP_ADD, x->y->dtype, loop_expr(l->p, l->k, &old), value);
    loop_store(l->p, l->k, l->nested ? &l->parent : NULL, old.buffer, index, sum, to.pred);
}

/* out[index(source)] += update[source], sources ascending. */
void lower_scatter(Lower *l) {
    Scatter x = scatter_plan(l);
    ExprId source[RANK_MAX] = {{0}}, row = EXPR_NONE;
    lower_scalars(l);
    if (x.skip == 0 && !x.columns) {
        ExprId first = range_end(l, EXPR_LO), end = range_end(l, EXPR_HI);
        VarId v = l_new_var(l, "i");
        l_enter_for(l, v, first, end, 1);
        l->row = row = source[0] = l_var(l, v);
    }
    memo_clear(l);
    Index in_row = {.pred = EXPR_NONE};
    in_row.axis[0] = row;
    bool rows = !expr_is_none(row);
    access_note(l, loop_use(l->p, l->k, x.to->buffer, true),
                rows ? slab_access(l, x.node, x.to->slab, &in_row) : ACCESS_ANY);
    zero_fill(l, &x, row);
    for (uint32_t i = 0; i < x.u->rank; i++) {
        if (i == x.fixed) continue;
        VarId v = l_new_var(l, "s");
        ExprId first = l_int(l, 0), end = l_dim(l, x.u->dims[i]);
        l_enter_for(l, v, first, end, 1);
        source[i] = l_var(l, v);
    }
    if (x.columns) source[x.fixed] = l_int(l, 0); /* known inside the vector */
    scatter_add(l, &x, source);
}
