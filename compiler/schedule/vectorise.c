/* The loop nest of a kernel without register tiles: one loop an axis of the domain, the last one a
 * vector. What the values need (sums, chains of products) is lowered inside, at each position.
 *
 * Precondition: the group's stores share one domain. When every value can be read at flat
 * positions, trailing axes become one, so that short last axes do not waste lanes. */
#include "compiler/schedule/lower.h"

typedef struct Nest {
    uint32_t rank;
    DimId dims[RANK_MAX];
    bool flat;        /* axes 1 .. of the node are one axis here */
    int32_t parallel; /* axis, or -1 */
    int32_t lead;     /* the axis whose rows threads share, if they do */
    int32_t vector;   /* axis, or -1 */
    int32_t put;      /* the axis of which one position is visited, or -1 */
    NodeId at;        /* ... which one */
    ExprId position;
    uint32_t order[RANK_MAX]; /* the node's axis of each axis here */
    ExprId axis[RANK_MAX];
} Nest;

/* ------------------------------------------------------------------ what the group allows */

typedef struct FlatCheck {
    Sched *s;
    bool flat;
} FlatCheck;

static void flat_visit(void *user, NodeId n, bool exact, bool leaf) {
    FlatCheck *f = user;
    const GNode *x = node_of(f->s, n);
    if (x->rank == 0 || !exact) return;
    const Slab *slab = plan_of(f->s, n)->slab;
    if (leaf && slab && !slab_is_prefix(slab)) f->flat = false;
    bool reads_axes = !leaf && !op_is_elementwise(x->op) && x->op != OP_CONST && !node_draws(x) &&
                      x->op != OP_RESHAPE && x->op != OP_AGAIN &&
                      !(x->op == OP_BROADCAST && node_of(f->s, x->args[0])->rank == 0);
    if (reads_axes) f->flat = false;
    /* Behind a reshape positions are flat too: its operand must be as easy. */
    bool same_place = x->op == OP_RESHAPE || x->op == OP_AGAIN;
    if (!leaf && same_place && !plan_of(f->s, x->args[0])->flat) f->flat = false;
}

static bool group_flat(Sched *s, const Group *g, uint32_t number) {
    FlatCheck f = {s, true};
    if (!node_is_none(g->core)) return false;
    for (uint32_t i = 0; i < g->targets.len; i++) {
        const Target *t = &g->targets.data[i];
        if (t->slab && !slab_is_prefix(t->slab)) return false;
        if (t->from_slab && !slab_is_prefix(t->from_slab)) return false;
    }
    walk_group(s, g, number, flat_visit, &f);
    return f.flat;
}

/* A reduction along the last axis keeps its lanes in the vector. */
static bool core_takes_vector(const Sched *s, const Group *g) {
    if (node_is_none(g->core)) return false;
    const GNode *n = node_of(s, g->core);
    if (op_info(n->op)->cls != CLASS_REDUCE || n->op == OP_ARGMAX) return false;
    if (plan_of(s, n->args[0])->taps && !plan_of(s, n->args[0])->stored) return false;
    return n->attr[n->nattr - 1] == (int64_t)node_of(s, n->args[0])->rank - 1;
}

static Nest nest_plan(Lower *l) {
    Sched *s = l->s;
    const GNode *like = node_of(s, l->group->like);
    Nest n = {.rank = like->rank, .vector = -1};
    for (uint32_t i = 0; i < like->rank; i++) n.order[i] = i;
    if (!node_is_none(l->group->transposed)) pack_axes(s, l->group, n.order);
    for (uint32_t i = 0; i < like->rank; i++) n.dims[i] = like->dims[n.order[i]];
    bool plain = node_is_none(l->group->transposed);
    uint32_t put = 0;
    n.at = put_wanted(l, &put);
    n.put = node_is_none(n.at) ? -1 : (int32_t)put;
    if (n.put >= 0) n.dims[put] = dim_const(s->dims, 1);
    uint32_t lead = dims_leading(s, n.dims, n.rank);
    if (plain && n.put < 0 && like->rank > lead + 2 && group_flat(s, l->group, l->number)) {
        n.flat = true;
        n.rank = 2;
        n.dims[0] = like->dims[lead];
        n.dims[1] = dims_product(s, like->dims + lead + 1, like->rank - lead - 1);
        lead = 0;
    }
    n.lead = (int32_t)lead;
    int64_t grain = 1;
    threads_choose(s, l->group, n.dims, n.rank, &n.parallel, &grain);
    if (n.put >= 0 && n.parallel != n.lead) n.parallel = -1; /* little work */
    if (n.parallel < 0) grain = 1;
    l->k->parallel = n.parallel >= 0;
    l->k->grain = grain;
    if (l->k->parallel) l->k->extent = n.dims[n.parallel];
    l->extent = l->k->extent;
    if (n.parallel == 0 && n.rank > 1) l->k->strip = 1;
    for (uint32_t i = 0; i < n.rank && !core_takes_vector(s, l->group); i++)
        if (!dim_equals(s->dims, n.dims[i], 1)) n.vector = (int32_t)i;
    if (n.vector == n.parallel) l->k->strip = 0;
    return n;
}

/* ------------------------------------------------------------------ loops */

static void nest_body(Lower *l, const Nest *n) {
    Index at = {.pred = EXPR_NONE};
    if (n->flat) {
        at.flat = true;
        at.row = n->parallel == n->lead;
        at.pos =
            at.row ? n->axis[1] : l_add(l, l_mul(l, n->axis[0], l_dim(l, n->dims[1])), n->axis[1]);
    } else {
        for (uint32_t i = 0; i < n->rank; i++) at.axis[n->order[i]] = n->axis[i];
    }
    memo_clear(l);
    if (!node_is_none(l->group->transposed))
        pack_store(l, l->group, &at);
    else
        lower_targets(l, &at);
}

static void nest_axis(Lower *l, Nest *n, uint32_t i);

static void vector_at(Lower *l, Nest *n, uint32_t i, ExprId from, ExprId limit) {
    LowerPlace place = l_place(l);
    VarId v = l_new_var(l, "l");
    l_enter_vector(l, v, l->lanes, limit);
    n->axis[i] = l_add(l, from, l_var(l, v));
    if (n->parallel == n->lead && n->lead == (int32_t)i) l->row = n->axis[i];
    nest_axis(l, n, i + 1);
    l_return(l, place);
}

/* Whole vectors, then one with the lanes that are left. */
static void vector_axis(Lower *l, Nest *n, uint32_t i, ExprId from, ExprId to) {
    LowerPlace place = l_place(l);
    ExprId width = l_int(l, l->lanes);
    ExprId full = l_add(l, from, l_mul(l, l_div(l, l_sub(l, to, from), width), width));
    /* Threads get whole vectors of an axis of whole vectors. */
    bool whole = n->parallel == (int32_t)i && l->k->grain % l->lanes == 0 &&
                 dim_is_const(l->s->dims, n->dims[i]) &&
                 dim_value(l->s->dims, n->dims[i]) % l->lanes == 0;
    if (whole) full = to;
    if (full.id != from.id) {
        VarId v = l_new_var(l, "j");
        l_enter_for(l, v, from, full, l->lanes);
        vector_at(l, n, i, l_var(l, v), EXPR_NONE);
        l_return(l, place);
    }
    if (full.id == to.id) return;
    if (dim_is_const(l->s->dims, n->dims[i]) && n->parallel != (int32_t)i) {
        vector_at(l, n, i, full, l_sub(l, to, full));
        return;
    }
    VarId v = l_new_var(l, "j");
    l_enter_for(l, v, full, to, l->lanes);
    vector_at(l, n, i, l_var(l, v), l_sub(l, to, l_var(l, v)));
    l_return(l, place);
}

static void nest_axis(Lower *l, Nest *n, uint32_t i) {
    if (i == n->rank) {
        nest_body(l, n);
        return;
    }
    bool parallel = n->parallel == (int32_t)i;
    Expr lo = {.kind = EXPR_LO, .dtype = DTYPE_I64}, hi = {.kind = EXPR_HI, .dtype = DTYPE_I64};
    ExprId from = parallel ? loop_expr(l->p, l->k, &lo) : l_int(l, 0);
    ExprId to = parallel ? loop_expr(l->p, l->k, &hi) : l_dim(l, n->dims[i]);
    if (n->vector == (int32_t)i) {
        vector_axis(l, n, i, from, to);
        return;
    }
    LowerPlace place = l_place(l);
    if (!parallel && dim_equals(l->s->dims, n->dims[i], 1)) {
        n->axis[i] = n->put == (int32_t)i ? n->position : l_int(l, 0);
    } else {
        VarId v = l_new_var(l, "i");
        l_enter_for(l, v, from, to, 1);
        n->axis[i] = l_var(l, v);
    }
    if (parallel && n->lead == (int32_t)i) l->row = n->axis[i];
    nest_axis(l, n, i + 1);
    l_return(l, place);
}

void lower_loops(Lower *l) {
    Nest n = nest_plan(l);
    lower_scalars(l);
    if (n.put >= 0) n.position = put_position(l, n.at, (uint32_t)n.put);
    if (columns_wanted(l))
        lower_columns(l);
    else
        nest_axis(l, &n, 0);
}
