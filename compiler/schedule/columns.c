/* Sums down the columns of a matrix: the gradient of a bias or a scale, a mean over the batch.
 *
 * One vector of columns at a time reads a line of every row: each row is another page, and nothing
 * is read ahead. Here a panel of several vectors goes down the rows together. The 16 lanes
 * (k mod 16, docs/numerics.md) of all its columns are more accumulators than there are registers,
 * so a pass takes some of the lanes, that is some of each 16 rows; every line is read by one pass.
 *
 *     for columns j by 4 vectors, blocks of 4,096 rows:
 *         for lanes by 4:  for rows k by 16:  lane[u][j] += x[k + u, j]
 *         total[j] += tree(lane[..][j])
 *     what follows the sum (an update), and the stores
 *
 * For operands beyond the second-level cache. Precondition: the result has one axis, the operand's
 * last one, and the summed axes are all others. Same bits as lower_reduce.c. Cost: one pass over
 * the operand. */
#include "compiler/schedule/lower.h"

/* BYTES: what a second-level cache holds costs no pages. */
enum { ROWS_MIN = 64, PANEL_VECTORS = 4, BYTES_MIN = 4 << 20 };

typedef struct Columns {
    NodeId sum;
    DType dtype;   /* of the accumulators */
    ExprId rows;   /* summed elements */
    bool blocks;   /* may exceed one block */
    uint32_t some; /* lanes of a pass */
    RegId lanes, total;
    VarId u, v, lane;
    uint32_t vectors;
    ExprId column, limit; /* of the panel; of its one vector, or NONE */
} Columns;

static DimId rows_of(const Sched *s, const GNode *n) {
    const GNode *x = node_of(s, n->args[0]);
    return dims_product(s, x->dims, x->rank - 1);
}

bool columns_wanted(const Lower *l) {
    const Sched *s = l->s;
    NodeId core = l->group->core;
    if (node_is_none(core) || node_of(s, core)->op != OP_SUM || !s->options.fusion) return false;
    const GNode *n = node_of(s, core), *x = node_of(s, n->args[0]);
    if (n->rank != 1 || n->nattr + 1 != x->rank || plan_of(s, core)->partial != NONE) return false;
    for (uint32_t i = 0; i < n->nattr; i++)
        if (n->attr[i] != (int64_t)i) return false;
    const NodePlan *p = plan_of(s, n->args[0]);
    return !p->absent && !p->taps && dim_is_const(s->dims, n->dims[0]) &&
           dim_value(s->dims, n->dims[0]) >= 2 * (int64_t)l->lanes &&
           dim_bound(s->dims, rows_of(s, n)) >= ROWS_MIN &&
           node_bound(s, n->args[0]) >= BYTES_MIN / (int64_t)dtype_bytes(x->dtype);
}

/* Opens the loops over the panel's registers; the column there. */
static ExprId enter(Lower *l, const Columns *c) {
    ExprId column = c->column;
    if (c->vectors > 1) {
        l_enter_unroll(l, c->v, c->vectors);
        column = l_add(l, column, l_mul(l, l_var(l, c->v), l_int(l, l->lanes)));
    }
    l_enter_vector(l, c->lane, l->lanes, c->limit);
    column = l_add(l, column, l_var(l, c->lane));
    if (l->k->parallel) l->row = column;
    return column;
}

static RegId column_register(Lower *l, const Columns *c, const char *name, bool lanes) {
    VarId vars[3];
    uint32_t count = 0;
    if (lanes) vars[count++] = c->u;
    if (c->vectors > 1) vars[count++] = c->v;
    vars[count++] = c->lane;
    return loop_reg(l->p, l->k, name, c->dtype, vars, count);
}

/* Rows k + u of the pass that begins with lane `first`; `end`: those before it only, or NONE. */
static void pass_step(Lower *l, const Columns *c, uint32_t first, ExprId k, ExprId end) {
    LowerPlace place = l_place(l);
    l_enter_copies(l, c->u, first, c->some);
    Index at = {.pred = EXPR_NONE};
    ExprId row = l_add(l, k, l_var(l, c->u));
    at.axis[0] = enter(l, c);
    ExprId there = expr_is_none(end) ? EXPR_NONE : l_op(l, OP_LESS, DTYPE_BOOL, row, end);
    memo_clear(l);
    ExprId value = reduce_element(l, c->sum, &at, row, there);
    l_set(l, c->lanes, l_op(l, OP_ADD, c->dtype, l_reg(l, c->lanes), value));
    l_return(l, place);
}

static void block_sum(Lower *l, const Columns *c, ExprId from, ExprId to) {
    LowerPlace place = l_place(l);
    l_enter_unroll(l, c->u, SUM_LANES);
    enter(l, c);
    l_set(l, c->lanes, l_bits(l, c->dtype, 0));
    l_return(l, place);
    ExprId width = l_int(l, SUM_LANES);
    ExprId whole = l_add(l, from, l_mul(l, l_div(l, l_sub(l, to, from), width), width));
    for (uint32_t first = 0; first < SUM_LANES; first += c->some) {
        VarId k = l_new_var(l, "k"), rest = l_new_var(l, "k");
        l_enter_for(l, k, from, whole, SUM_LANES);
        pass_step(l, c, first, l_var(l, k), EXPR_NONE);
        l_return(l, place);
        if (whole.id == to.id) continue;
        l_enter_for(l, rest, whole, to, SUM_LANES); /* none or once */
        pass_step(l, c, first, l_var(l, rest), to);
        l_return(l, place);
    }
}

static void panel(Lower *l, Columns *c) {
    c->lanes = column_register(l, c, "lanes", true);
    c->total = column_register(l, c, "total", false);
    LowerPlace place = l_place(l);
    enter(l, c);
    l_set(l, c->total, l_bits(l, c->dtype, 0));
    l_return(l, place);
    ExprId from = l_int(l, 0), to = c->rows;
    if (c->blocks) {
        VarId b = l_new_var(l, "b");
        l_enter_for(l, b, from, to, K_CHUNK);
        from = l_var(l, b);
        to = l_min(l, l_add(l, from, l_int(l, K_CHUNK)), to);
    }
    block_sum(l, c, from, to);
    LowerPlace inner = l_place(l);
    enter(l, c);
    ExprId part = reduce_tree(l, OP_ADD, c->dtype, c->lanes, c->u);
    l_set(l, c->total, c->blocks ? l_op(l, OP_ADD, c->dtype, l_reg(l, c->total), part) : part);
    l_return(l, inner);
    l_return(l, place);
    Index at = {.pred = EXPR_NONE};
    at.axis[0] = enter(l, c);
    memo_clear(l);
    DType dtype = node_of(l->s, c->sum)->dtype;
    RegId sum = l_new_reg(l, "sum", dtype, NULL);
    l_set(l, sum, l_cast(l, dtype, l_reg(l, c->total)));
    lower_bind(l, c->sum, &at, l_reg(l, sum));
    lower_targets(l, &at);
    l_return(l, place);
}

void lower_columns(Lower *l) {
    NodeId id = l->group->core;
    const GNode *n = node_of(l->s, id);
    DimId rows = rows_of(l->s, n);
    uint32_t room = l->s->options.vector_registers / 2;
    Columns c = {.sum = id, .dtype = accumulator(n->dtype), .rows = l_dim(l, rows)};
    c.blocks = !dim_is_const(l->s->dims, rows) || dim_value(l->s->dims, rows) > K_CHUNK;
    c.u = l_new_var(l, "u");
    c.v = l_new_var(l, "v");
    c.lane = l_new_var(l, "l");
    Expr lo = {.kind = EXPR_LO, .dtype = DTYPE_I64}, hi = {.kind = EXPR_HI, .dtype = DTYPE_I64};
    bool parallel = l->k->parallel;
    ExprId from = parallel ? loop_expr(l->p, l->k, &lo) : l_int(l, 0);
    ExprId to = parallel ? loop_expr(l->p, l->k, &hi) : l_dim(l, n->dims[0]);
    ExprId step = l_int(l, PANEL_VECTORS * l->lanes);
    ExprId whole = l_add(l, from, l_mul(l, l_div(l, l_sub(l, to, from), step), step));
    LowerPlace place = l_place(l);
    for (uint32_t narrow = 0; narrow < 2; narrow++) {
        ExprId first = narrow ? whole : from, last = narrow ? to : whole;
        if (first.id == last.id) continue;
        VarId j = l_new_var(l, "j");
        c.vectors = narrow ? 1 : PANEL_VECTORS;
        c.some = narrow ? SUM_LANES : room / PANEL_VECTORS;
        l_enter_for(l, j, first, last, c.vectors * l->lanes);
        c.column = l_var(l, j);
        bool even = dim_value(l->s->dims, n->dims[0]) % l->lanes == 0 &&
                    (!parallel || l->k->grain % l->lanes == 0);
        c.limit = narrow && !even ? l_sub(l, last, c.column) : EXPR_NONE;
        panel(l, &c);
        l_return(l, place);
    }
}
