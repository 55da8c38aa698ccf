/* Reductions, in the order docs/numerics.md fixes: blocks of 4,096 elements of k, 16 lanes by
 * k mod 16 starting at +0, the lanes' tree 8-4-2-1, blocks added in ascending order. max and min do
 * not depend on the order.
 *
 * Two shapes of loops give those bits. Along the last axis the 16 lanes are one vector (or two
 * halves of it); along another axis they are 16 accumulators, each a vector over the last axis of
 * the result. Idle lanes add +0, which changes nothing: an accumulator is never -0. */
#include "compiler/schedule/lower.h"

typedef struct Reduce {
    NodeId node;
    const GNode *x; /* the operand */
    Op op;
    DType dtype;  /* of the accumulator */
    ExprId start; /* of an accumulator */
    ExprId size;  /* reduced elements */
    bool blocks;  /* may exceed one block */
    bool whole;   /* the operand is read at flat positions: out * size + k */
    const Index *at;
} Reduce;

static bool is_reduced(const GNode *n, uint32_t axis) {
    for (uint32_t i = 0; i < n->nattr; i++)
        if (n->attr[i] == (int64_t)axis) return true;
    return false;
}

static DimId reduced_size(const Sched *s, const GNode *n, const GNode *x) {
    DimId size = dim_const(s->dims, 1);
    for (uint32_t i = 0; i < n->nattr; i++) size = dim_mul(s->dims, size, x->dims[n->attr[i]]);
    return size;
}

/* The largest value below all others (or above, for min) of a dtype. */
static ExprId extreme(Lower *l, DType t, bool lowest) {
    uint32_t bits = dtype_bytes(t) * 8;
    if (t == DTYPE_F64) return l_bits(l, t, lowest ? 0xFFF0000000000000u : 0x7FF0000000000000u);
    if (t == DTYPE_F32) return l_bits(l, t, lowest ? 0xFF800000u : 0x7F800000u);
    if (t == DTYPE_F16) return l_bits(l, t, lowest ? 0xFC00u : 0x7C00u);
    if (t == DTYPE_BF16) return l_bits(l, t, lowest ? 0xFF80u : 0x7F80u);
    uint64_t top = 1ull << (bits - 1), ones = top | (top - 1);
    if (dtype_is_signed(t)) return l_bits(l, t, lowest ? top : top - 1);
    return l_bits(l, t, lowest ? 0 : ones);
}

/* The operand's value at reduced position k, and whether it is there. */
static ExprId reduce_tap(Lower *l, const Reduce *r, ExprId k, ExprId pred, ExprId *present) {
    const GNode *n = node_of(l->s, r->node);
    Index to = {.pred = l_and(l, r->at->pred, pred)};
    if (r->whole) {
        to.flat = true;
        to.row = n->rank > 0 && index_in_row(l, r->node, r->at);
        Index inner = *r->at;
        uint32_t lead = dims_leading(l->s, n->dims, n->rank);
        if (to.row && !inner.flat) inner.axis[lead] = l_int(l, 0);
        ExprId out = to.row && inner.flat ? inner.pos : index_position(l, r->node, &inner);
        to.pos = l_add(l, l_mul(l, out, r->size), k);
        return l_cast(l, r->dtype, lower_tap(l, n->args[0], &to, present));
    }
    DimId dims[RANK_MAX];
    ExprId axis[RANK_MAX], split[RANK_MAX];
    index_axes(l, r->node, r->at, axis);
    for (uint32_t i = 0; i < n->nattr; i++) dims[i] = r->x->dims[n->attr[i]];
    split_position(l, k, dims, n->nattr, split);
    if (l->split_rows) l->row = split[0];
    for (uint32_t i = 0, out = 0, in = 0; i < r->x->rank; i++)
        to.axis[i] = is_reduced(n, i) ? split[in++] : axis[out++];
    return l_cast(l, r->dtype, lower_tap(l, n->args[0], &to, present));
}

/* What an absent element would be: the start of an accumulator changes nothing. */
static ExprId reduce_operand(Lower *l, const Reduce *r, ExprId k, ExprId pred) {
    ExprId present, value = reduce_tap(l, r, k, pred, &present);
    return expr_is_none(present) ? value : l_select(l, r->dtype, present, value, r->start);
}

/* Reduced axes are the last ones, and positions need no division: k is contiguous. */
static bool reads_whole(const Lower *l, const GNode *n, const GNode *x) {
    bool loaded = !lower_is_inline(l, n->args[0]);
    if (!loaded && !plan_of(l->s, n->args[0])->flat) return false;
    return n->attr[0] == (int64_t)(x->rank - n->nattr) && n->nattr > 1;
}

static Reduce reduce_begin(Lower *l, NodeId id, const Index *at, Op op) {
    const GNode *n = node_of(l->s, id);
    Reduce r = {.node = id, .x = node_of(l->s, n->args[0]), .op = op, .at = at};
    DimId size = reduced_size(l->s, n, r.x);
    r.dtype = op == OP_ADD ? accumulator(n->dtype) : r.x->dtype;
    r.start = op == OP_ADD ? l_bits(l, r.dtype, 0) : extreme(l, r.dtype, op == OP_MAX);
    r.size = l_dim(l, size);
    r.blocks =
        op == OP_ADD && (!dim_is_const(l->s->dims, size) || dim_value(l->s->dims, size) > K_CHUNK);
    r.whole = reads_whole(l, n, r.x);
    return r;
}

/* ------------------------------------------------------------------ lanes in one vector */

static void lanes_step(Lower *l, const Reduce *r, RegId lanes, VarId v, ExprId from, ExprId limit) {
    LowerPlace place = l_place(l);
    l_enter_vector(l, v, SUM_LANES, limit);
    ExprId k = l_add(l, from, l_var(l, v));
    ExprId value = reduce_operand(l, r, k, EXPR_NONE);
    if (!expr_is_none(limit))
        value = l_select(l, r->dtype, l_op(l, OP_LESS, DTYPE_BOOL, l_var(l, v), limit), value,
                         r->start);
    l_set(l, lanes, l_op(l, r->op, r->dtype, l_reg(l, lanes), value));
    l_return(l, place);
}

static void lanes_block(Lower *l, const Reduce *r, RegId lanes, VarId v, ExprId from, ExprId to) {
    LowerPlace place = l_place(l);
    l_enter_vector(l, v, SUM_LANES, EXPR_NONE);
    l_set(l, lanes, r->start);
    l_return(l, place);
    ExprId width = l_int(l, SUM_LANES);
    ExprId full = l_add(l, from, l_mul(l, l_div(l, l_sub(l, to, from), width), width));
    if (full.id != from.id) {
        VarId k = l_new_var(l, "k");
        l_enter_for(l, k, from, full, SUM_LANES);
        lanes_step(l, r, lanes, v, l_var(l, k), EXPR_NONE);
        l_return(l, place);
    }
    if (full.id == to.id) return;
    if (l->k->exprs.data[full.id].kind == EXPR_CONST) {
        lanes_step(l, r, lanes, v, full, l_sub(l, to, full));
        return;
    }
    VarId rest = l_new_var(l, "k"); /* none or once */
    l_enter_for(l, rest, full, to, SUM_LANES);
    lanes_step(l, r, lanes, v, l_var(l, rest), l_sub(l, to, l_var(l, rest)));
    l_return(l, place);
}

/* ------------------------------------------------------------------ lanes in 16 accumulators */

/* Its value, or -1: not a constant. */
static int64_t constant_of(const Lower *l, ExprId e) {
    const Expr *x = &l->k->exprs.data[e.id];
    return x->kind == EXPR_CONST ? (int64_t)x->imm : -1;
}

static void copies_step(Lower *l, const Reduce *r, RegId lanes, ExprId k, ExprId pred) {
    ExprId value = reduce_operand(l, r, k, pred);
    if (!expr_is_none(pred)) value = l_select(l, r->dtype, pred, value, r->start);
    l_set(l, lanes, l_op(l, r->op, r->dtype, l_reg(l, lanes), value));
}

static void copies_block(Lower *l, const Reduce *r, RegId lanes, VarId u, ExprId from, ExprId to) {
    LowerPlace place = l_place(l);
    l_enter_unroll(l, u, SUM_LANES);
    l_set(l, lanes, r->start);
    l_return(l, place);
    ExprId width = l_int(l, SUM_LANES);
    ExprId full = l_add(l, from, l_mul(l, l_div(l, l_sub(l, to, from), width), width));
    if (full.id != from.id) {
        VarId k = l_new_var(l, "k");
        l_enter_for(l, k, from, full, SUM_LANES);
        l_enter_unroll(l, u, SUM_LANES);
        copies_step(l, r, lanes, l_add(l, l_var(l, k), l_var(l, u)), EXPR_NONE);
        l_return(l, place);
    }
    if (full.id == to.id) return;
    int64_t left = constant_of(l, l_sub(l, to, full));
    if (left > 0) {
        l_enter_unroll(l, u, (uint32_t)left);
        copies_step(l, r, lanes, l_add(l, full, l_var(l, u)), EXPR_NONE);
        l_return(l, place);
        return;
    }
    VarId rest = l_new_var(l, "k"); /* none or once */
    l_enter_for(l, rest, full, to, SUM_LANES);
    l_enter_unroll(l, u, SUM_LANES);
    ExprId k = l_add(l, l_var(l, rest), l_var(l, u));
    copies_step(l, r, lanes, k, l_op(l, OP_LESS, DTYPE_BOOL, k, to));
    l_return(l, place);
}

/* ------------------------------------------------------------------ both */

ExprId reduce_tree(Lower *l, Op op, DType dtype, RegId lanes, VarId var) {
    Expr e = {.kind = EXPR_TREE, .op = op, .dtype = dtype, .reg = lanes, .var = var};
    return loop_expr(l->p, l->k, &e);
}

static ExprId tree(Lower *l, const Reduce *r, RegId lanes, VarId var) {
    return reduce_tree(l, r->op, r->dtype, lanes, var);
}

static ExprId reduce_lanes(Lower *l, const Reduce *r) {
    bool copies = l->vector;
    VarId var = l_new_var(l, copies ? "u" : "l");
    RegId lanes = l_new_reg(l, "lanes", r->dtype, &var);
    void (*block)(Lower *, const Reduce *, RegId, VarId, ExprId, ExprId) =
        copies ? copies_block : lanes_block;
    if (!r->blocks) {
        block(l, r, lanes, var, l_int(l, 0), r->size);
        return tree(l, r, lanes, var);
    }
    RegId total = l_new_reg(l, "total", r->dtype, NULL);
    l_set(l, total, r->start);
    LowerPlace place = l_place(l);
    VarId b = l_new_var(l, "b");
    l_enter_for(l, b, l_int(l, 0), r->size, K_CHUNK);
    ExprId from = l_var(l, b);
    block(l, r, lanes, var, from, l_min(l, l_add(l, from, l_int(l, K_CHUNK)), r->size));
    l_set(l, total, l_op(l, r->op, r->dtype, l_reg(l, total), tree(l, r, lanes, var)));
    l_return(l, place);
    return l_reg(l, total);
}

/* max and min inside a vector over the result: one accumulator is enough. */
static ExprId reduce_chain(Lower *l, const Reduce *r) {
    RegId acc = l_new_reg(l, "acc", r->dtype, NULL);
    LowerPlace place = l_place(l);
    l_set(l, acc, r->start);
    VarId k = l_new_var(l, "k");
    int64_t size = constant_of(l, r->size);
    if (size > 0 && size <= SUM_LANES)
        l_enter_unroll(l, k, (uint32_t)size);
    else
        l_enter_for(l, k, l_int(l, 0), r->size, 1);
    ExprId value = reduce_operand(l, r, l_var(l, k), EXPR_NONE);
    l_set(l, acc, l_op(l, r->op, r->dtype, l_reg(l, acc), value));
    l_return(l, place);
    return l_reg(l, acc);
}

/* The result stands in a register of its own, set where all of it is known. */
static ExprId settle(Lower *l, ExprId value, DType dtype) {
    RegId r = l_new_reg(l, "sum", dtype, NULL);
    l_set(l, r, l_cast(l, dtype, value));
    return l_reg(l, r);
}

ExprId reduce_element(Lower *l, NodeId sum, const Index *at, ExprId k, ExprId pred) {
    Reduce r = reduce_begin(l, sum, at, OP_ADD);
    ExprId value = reduce_operand(l, &r, k, pred);
    return expr_is_none(pred) ? value : l_select(l, r.dtype, pred, value, r.start);
}

ExprId reduce_block(Lower *l, NodeId sum, const Index *at, ExprId from, ExprId to) {
    Reduce r = reduce_begin(l, sum, at, OP_ADD);
    VarId var = l_new_var(l, "l");
    RegId lanes = l_new_reg(l, "lanes", r.dtype, &var);
    lanes_block(l, &r, lanes, var, from, to);
    return tree(l, &r, lanes, var);
}

ExprId lower_SUM(Lower *l, NodeId n, const Index *at) {
    if (plan_of(l->s, n)->partial != NONE)
        return settle(l, partial_total(l, n, at), node_of(l->s, n)->dtype);
    Reduce r = reduce_begin(l, n, at, OP_ADD);
    return settle(l, reduce_lanes(l, &r), node_of(l->s, n)->dtype);
}

ExprId lower_REDUCE_MAX(Lower *l, NodeId n, const Index *at) {
    Reduce r = reduce_begin(l, n, at, OP_MAX);
    return l->vector ? reduce_chain(l, &r)
                     : settle(l, reduce_lanes(l, &r), node_of(l->s, n)->dtype);
}

ExprId lower_REDUCE_MIN(Lower *l, NodeId n, const Index *at) {
    Reduce r = reduce_begin(l, n, at, OP_MIN);
    return l->vector ? reduce_chain(l, &r)
                     : settle(l, reduce_lanes(l, &r), node_of(l->s, n)->dtype);
}

/* Where x stands against the best so far, y: larger, or the first NaN. */
static ExprId takes_over(Lower *l, DType dtype, ExprId x, ExprId y) {
    ExprId larger = l_op(l, OP_LESS, DTYPE_BOOL, y, x);
    if (!dtype_is_float(dtype)) return larger;
    ExprId same = l_op(l, OP_EQUAL, DTYPE_BOOL, x, x);
    ExprId nan = loop_op(l->p, l->k, OP_NOT, DTYPE_BOOL, &same, 1);
    ExprId none = l_op(l, OP_EQUAL, DTYPE_BOOL, y, y);
    return l_op(l, OP_OR, DTYPE_BOOL, larger, l_op(l, OP_AND, DTYPE_BOOL, nan, none));
}

/* Some may be absent: the first that is there is the best so far. */
static ExprId argmax_of_taps(Lower *l, const Reduce *r) {
    RegId best = l_new_reg(l, "best", r->dtype, NULL), where = l_new_reg(l, "at", DTYPE_I32, NULL);
    RegId some = l_new_reg(l, "some", DTYPE_BOOL, NULL);
    LowerPlace place = l_place(l);
    l_set(l, best, r->start);
    l_set(l, where, l_bits(l, DTYPE_I32, 0));
    l_set(l, some, l_bits(l, DTYPE_BOOL, 0));
    VarId k = l_new_var(l, "k");
    l_enter_for(l, k, l_int(l, 0), r->size, 1);
    RegId next = l_new_reg(l, "x", r->dtype, NULL), take = l_new_reg(l, "take", DTYPE_BOOL, NULL);
    ExprId present, value = reduce_tap(l, r, l_var(l, k), EXPR_NONE, &present);
    if (expr_is_none(present)) present = l_bits(l, DTYPE_BOOL, 1);
    l_set(l, next, value);
    ExprId had = l_reg(l, some), larger = takes_over(l, r->dtype, l_reg(l, next), l_reg(l, best));
    ExprId first = loop_op(l->p, l->k, OP_NOT, DTYPE_BOOL, &had, 1);
    larger = l_op(l, OP_OR, DTYPE_BOOL, first, larger);
    l_set(l, take, l_op(l, OP_AND, DTYPE_BOOL, present, larger));
    l_set(l, some, l_op(l, OP_OR, DTYPE_BOOL, had, l_reg(l, take)));
    l_set(l, best, l_select(l, r->dtype, l_reg(l, take), l_reg(l, next), l_reg(l, best)));
    ExprId here = l_cast(l, DTYPE_I32, l_var(l, k));
    l_set(l, where, l_select(l, DTYPE_I32, l_reg(l, take), here, l_reg(l, where)));
    l_return(l, place);
    return l_reg(l, where);
}

/* The first NaN, else the lowest index of the largest: a later element takes over only when it is
 * larger, or when it is the first NaN. */
ExprId lower_ARGMAX(Lower *l, NodeId n, const Index *at) {
    Reduce r = reduce_begin(l, n, at, OP_MAX);
    if (plan_of(l->s, node_of(l->s, n)->args[0])->absent) return argmax_of_taps(l, &r);
    RegId best = l_new_reg(l, "best", r.dtype, NULL), where = l_new_reg(l, "at", DTYPE_I32, NULL);
    LowerPlace place = l_place(l);
    /* Of nothing: 0, and nothing is read. */
    bool some = dim_is_const(l->s->dims, reduced_size(l->s, node_of(l->s, n), r.x)) &&
                !dim_equals(l->s->dims, reduced_size(l->s, node_of(l->s, n), r.x), 0);
    ExprId any = some ? EXPR_NONE : l_op(l, OP_LESS, DTYPE_BOOL, l_int(l, 0), r.size);
    l_set(l, best, reduce_operand(l, &r, l_int(l, 0), any));
    l_set(l, where, l_bits(l, DTYPE_I32, 0));
    VarId k = l_new_var(l, "k");
    l_enter_for(l, k, l_int(l, 1), r.size, 1);
    RegId next = l_new_reg(l, "x", r.dtype, NULL), take = l_new_reg(l, "take", DTYPE_BOOL, NULL);
    l_set(l, next, reduce_operand(l, &r, l_var(l, k), EXPR_NONE));
    ExprId x = l_reg(l, next), y = l_reg(l, best);
    l_set(l, take, takes_over(l, r.dtype, x, y));
    l_set(l, best, l_select(l, r.dtype, l_reg(l, take), x, y));
    l_set(
        l, where,
        l_select(l, DTYPE_I32, l_reg(l, take), l_cast(l, DTYPE_I32, l_var(l, k)), l_reg(l, where)));
    l_return(l, place);
    return l_reg(l, where);
}
