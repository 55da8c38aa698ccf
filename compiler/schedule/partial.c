/* Long sums by all threads: one kernel sums the blocks, the core's kernel adds up what they come
 * to.
 *
 * A sum restarts every 4,096 elements and its blocks are added in ascending order
 * (docs/numerics.md). So blocks are independent until the end: threads share them, and each reads
 * its stretch of the operands once. A sum of few columns over many rows (the statistics of a
 * normalised layer, the gradient of a bias) otherwise has no axis worth splitting.
 *
 * Sums over the same axes whose operands are ready at the same time share the kernel: the three
 * sums in the backward pass of a normalised layer are one pass over memory. Along the rows the
 * vector runs over the columns; lanes are k mod 16, so a pass takes as many lanes as fit the
 * registers with all columns of a panel, and every line is read by one pass only.
 *
 * Cost: O(partial groups) a sum. */
#include "compiler/schedule/tile.h"

enum { TOGETHER_MAX = 4, BLOCKS_MIN = 2, PARTS_SHARE = 64 };

static DimId summed_size(const Sched *s, NodeId sum) {
    const GNode *n = node_of(s, sum), *x = node_of(s, n->args[0]);
    if (n->op == OP_CONTRACT) return contract_labels(s, sum).k;
    DimId size = dim_const(s->dims, 1);
    for (uint32_t i = 0; i < n->nattr; i++) size = dim_mul(s->dims, size, x->dims[n->attr[i]]);
    return size;
}

static DimId parts_count(const Sched *s, NodeId sum) {
    const GNode *n = node_of(s, sum);
    bool exact;
    DimId up = dim_add(s->dims, summed_size(s, sum), dim_const(s->dims, K_CHUNK - 1));
    DimId blocks = dim_div(s->dims, up, dim_const(s->dims, K_CHUNK), &exact);
    return dim_mul(s->dims, blocks, dims_product(s, n->dims, n->rank));
}

/* All axes are summed, or all but the last one. */
static bool sum_wanted(const Sched *s, NodeId id) {
    const GNode *n = node_of(s, id);
    const GNode *x = node_of(s, n->args[0]);
    if (n->rank > 1 || n->attr[0] != 0 || n->nattr + n->rank != x->rank) return false;
    if (n->rank == 1 && n->attr[n->nattr - 1] == (int64_t)x->rank - 1) return false;
    if (plan_of(s, n->args[0])->absent || plan_of(s, n->args[0])->taps) return false;
    if (dim_bound(s->dims, summed_size(s, id)) < BLOCKS_MIN * K_CHUNK) return false;
    return dim_bound(s->dims, parts_count(s, id)) <= node_bound(s, n->args[0]) / PARTS_SHARE;
}

/* The gradient of a convolution's weights: a sum over all windows of all images. */
static bool windows_wanted(const Sched *s, NodeId id) {
    enum { BLOCKS_MIN_TILES = 4, PARTS_SHARE_TILES = 4 };
    const GNode *n = node_of(s, id);
    Tile t = {.c = contract_labels(s, id), .parallel = -1};
    int64_t operands = node_bound(s, n->args[0]) + node_bound(s, n->args[1]);
    if (t.c.reduced < 2 || !tile_choose_labels(s, &t) || !contract_sums_windows(s, &t.c))
        return false;
    if (dim_bound(s->dims, t.c.k) < BLOCKS_MIN_TILES * K_CHUNK) return false;
    return dim_bound(s->dims, parts_count(s, id)) <= operands / PARTS_SHARE_TILES;
}

bool partial_wanted(const Sched *s, NodeId id) {
    Op op = node_of(s, id)->op;
    if (s->body || !s->options.fusion) return false;
    return op == OP_SUM ? sum_wanted(s, id) : op == OP_CONTRACT && windows_wanted(s, id);
}

static bool may_share_pass(const Sched *s, const Group *g, NodeId id) {
    if (g->partials.len == 0 || g->partials.len >= TOGETHER_MAX) return false;
    const GNode *n = node_of(s, id), *other = node_of(s, g->partials.data[0]);
    if (n->op != OP_SUM || other->op != OP_SUM) return false;
    if (n->rank != other->rank || !node_same_dims(s, n->args[0], other->args[0])) return false;
    uint64_t begins = (uint64_t)g->level << 32 | (uint64_t)2 * g->seq; /* group.c */
    return plan_of(s, n->args[0])->dep < begins;
}

void partial_create(Sched *s, NodeId id) {
    NodePlan *p = plan_of(s, id);
    const GNode *n = node_of(s, id);
    NodeId operand = n->args[0];
    for (uint32_t i = s->groups.len; i-- > 0 && p->partial == NONE;)
        if (may_share_pass(s, s->groups.data[i], id)) p->partial = i;
    if (p->partial == NONE) {
        uint32_t level = 0;
        for (uint32_t i = 0; i < n->nargs; i++)
            if (plan_of(s, n->args[i])->level > level) level = plan_of(s, n->args[i])->level;
        p->partial = group_create(s, NODE_NONE, operand, level == 0 ? 0 : level | 1);
    }
    vec_push(s->arena, &s->groups.data[p->partial]->partials, id);
}

void partial_buffers(Sched *s, Group *g) {
    for (uint32_t i = 0; i < g->partials.len; i++) {
        NodeId id = g->partials.data[i];
        const char *name = arena_printf(s->arena, "parts.%u", s->out->buffers.len);
        plan_of(s, id)->parts = buffer_create(
            s, name, STORAGE_ARENA, 0, accumulator(node_of(s, id)->dtype), parts_count(s, id));
    }
}

/* ------------------------------------------------------------------ the blocks */

typedef struct Blocks {
    uint32_t count; /* sums */
    const NodeId *sums;
    DType dtype[TOGETHER_MAX];
    RegId lanes[TOGETHER_MAX];
    VarId u, v, l;
    uint32_t vectors, first, some; /* lanes [first, first + some) of a pass */
    ExprId column, limit;          /* of the panel; of its one vector, or NONE */
} Blocks;

static ExprId part_position(Lower *l, NodeId sum, ExprId from, ExprId column) {
    const GNode *n = node_of(l->s, sum);
    ExprId block = l_div(l, from, l_int(l, K_CHUNK));
    if (n->rank == 0) return block;
    ExprId result = l_dim(l, dims_product(l->s, n->dims, n->rank));
    return l_add(l, l_mul(l, block, result), column);
}

static void part_store(Lower *l, NodeId sum, ExprId position, ExprId value) {
    uint32_t buffer = loop_use(l->p, l->k, plan_of(l->s, sum)->parts, true);
    access_note(l, buffer, ACCESS_ANY);
    loop_store(l->p, l->k, l->nested ? &l->parent : NULL, buffer, position, value, EXPR_NONE);
}

static ExprId enter_columns(Lower *l, const Blocks *b) {
    ExprId column = b->column;
    if (b->vectors > 1) {
        l_enter_unroll(l, b->v, b->vectors);
        column = l_add(l, column, l_mul(l, l_var(l, b->v), l_int(l, l->lanes)));
    }
    l_enter_vector(l, b->l, l->lanes, b->limit);
    return l_add(l, column, l_var(l, b->l));
}

static void lanes_add(Lower *l, const Blocks *b, ExprId k, ExprId end) {
    LowerPlace place = l_place(l);
    for (uint32_t i = 0; i < b->count; i++) {
        l_enter_copies(l, b->u, b->first, b->some);
        Index at = {.pred = EXPR_NONE};
        ExprId number = l_add(l, k, l_var(l, b->u)), there = EXPR_NONE;
        at.axis[0] = enter_columns(l, b);
        if (!expr_is_none(end)) there = l_op(l, OP_LESS, DTYPE_BOOL, number, end);
        if (i == 0) memo_clear(l);
        ExprId value = reduce_element(l, b->sums[i], &at, number, there);
        ExprId sum = l_op(l, OP_ADD, b->dtype[i], l_reg(l, b->lanes[i]), value);
        l_set(l, b->lanes[i], sum);
        l_return(l, place);
    }
}

/* Elements [from, to) of all sums, for the columns of one panel. */
static void panel_of_block(Lower *l, Blocks *b, ExprId from, ExprId to) {
    LowerPlace place = l_place(l);
    VarId vars[3] = {b->u, b->v, b->l};
    if (b->vectors == 1) vars[1] = b->l;
    for (uint32_t i = 0; i < b->count; i++) {
        b->lanes[i] = loop_reg(l->p, l->k, "lanes", b->dtype[i], vars, b->vectors == 1 ? 2 : 3);
        l_reg(l, b->lanes[i]);
        l_enter_unroll(l, b->u, SUM_LANES);
        enter_columns(l, b);
        l_set(l, b->lanes[i], l_bits(l, b->dtype[i], 0));
        l_return(l, place);
    }
    ExprId width = l_int(l, SUM_LANES);
    ExprId whole = l_add(l, from, l_mul(l, l_div(l, l_sub(l, to, from), width), width));
    for (b->first = 0; b->first < SUM_LANES; b->first += b->some) {
        VarId k = l_new_var(l, "k"), rest = l_new_var(l, "k");
        l_enter_for(l, k, from, whole, SUM_LANES);
        lanes_add(l, b, l_var(l, k), EXPR_NONE);
        l_return(l, place);
        l_enter_for(l, rest, whole, to, SUM_LANES); /* none or once */
        lanes_add(l, b, l_var(l, rest), to);
        l_return(l, place);
    }
    for (uint32_t i = 0; i < b->count; i++) {
        ExprId column = enter_columns(l, b);
        ExprId value = reduce_tree(l, OP_ADD, b->dtype[i], b->lanes[i], b->u);
        part_store(l, b->sums[i], part_position(l, b->sums[i], from, column), value);
        l_return(l, place);
    }
}

/* Accumulators fill half the registers: the rest holds what the operands are computed from. */
static void panels_of_block(Lower *l, Blocks *b, ExprId from, ExprId to) {
    DimId columns = node_of(l->s, b->sums[0])->dims[0];
    uint32_t room = l->s->options.vector_registers / 2 / b->count;
    bool fixed = dim_is_const(l->s->dims, columns);
    int64_t wide = fixed ? dim_value(l->s->dims, columns) / l->lanes : 1;
    b->vectors = 1;
    while (2 * b->vectors <= wide && 2 * b->vectors <= room && b->vectors < 4) b->vectors *= 2;
    b->some = SUM_LANES;
    while (b->some > 1 && b->some * b->vectors > room) b->some /= 2;
    b->limit = EXPR_NONE;
    ExprId zero = l_int(l, 0), end = l_dim(l, columns), step = l_int(l, b->vectors * l->lanes);
    ExprId whole = l_mul(l, l_div(l, end, step), step);
    LowerPlace place = l_place(l);
    VarId j = l_new_var(l, "j");
    l_enter_for(l, j, zero, whole, b->vectors * l->lanes);
    b->column = l_var(l, j);
    panel_of_block(l, b, from, to);
    l_return(l, place);
    if (whole.id == end.id) return;
    VarId rest = l_new_var(l, "j");
    l_enter_for(l, rest, whole, end, l->lanes);
    b->vectors = 1;
    b->column = l_var(l, rest);
    b->limit = l_sub(l, end, b->column);
    panel_of_block(l, b, from, to);
    l_return(l, place);
}

/* Elements a row of the leading axis, if blocks are whole rows and what threads get of that axis
 * is whole blocks: then who computed a row is who sums it. Else 0. */
static int64_t elements_a_row(const Sched *s, const GNode *n, const GNode *x) {
    DimId rest = dim_const(s->dims, 1);
    for (uint32_t i = 1; i < n->nattr; i++) rest = dim_mul(s->dims, rest, x->dims[n->attr[i]]);
    if (n->rank == 0 || n->nattr < 2 || !dim_is_const(s->dims, rest)) return 0;
    int64_t row = dim_value(s->dims, rest), grain = threads_grain(s, x->dims[0]);
    return row > 0 && K_CHUNK % row == 0 && grain * row % K_CHUNK == 0 ? row : 0;
}

/* The range of elements: of the whole sum, or of the rows. */
static void range_open(Lower *l, ExprId *from, ExprId *to) {
    NodeId first = l->group->partials.data[0];
    const GNode *n = node_of(l->s, first), *x = node_of(l->s, n->args[0]);
    int64_t row = elements_a_row(l->s, n, x);
    Expr lo = {.kind = EXPR_LO, .dtype = DTYPE_I64}, hi = {.kind = EXPR_HI, .dtype = DTYPE_I64};
    l->k->parallel = true;
    l->k->extent = l->extent = row > 0 ? x->dims[0] : summed_size(l->s, first);
    l->k->grain = row > 0 ? threads_grain(l->s, x->dims[0]) : K_CHUNK;
    l->k->strip = row > 0 ? K_CHUNK / row : K_CHUNK;
    l->split_rows = row > 0;
    ExprId scale = l_int(l, row > 0 ? row : 1);
    *from = l_mul(l, loop_expr(l->p, l->k, &lo), scale);
    *to = l_mul(l, loop_expr(l->p, l->k, &hi), scale);
}

void lower_partials(Lower *l) {
    const Group *g = l->group;
    const GNode *first = node_of(l->s, g->partials.data[0]);
    if (first->op == OP_CONTRACT) {
        lower_tile_parts(l);
        return;
    }
    Blocks b = {.count = g->partials.len, .sums = g->partials.data};
    for (uint32_t i = 0; i < b.count; i++)
        b.dtype[i] = accumulator(node_of(l->s, b.sums[i])->dtype);
    ExprId from, end;
    range_open(l, &from, &end);
    lower_scalars(l);
    VarId block = l_new_var(l, "b");
    l_enter_for(l, block, from, end, K_CHUNK);
    from = l_var(l, block);
    ExprId to = l_min(l, l_add(l, from, l_int(l, K_CHUNK)), end);
    b.u = l_new_var(l, "u");
    b.v = l_new_var(l, "v");
    b.l = l_new_var(l, "l");
    if (first->rank == 1) {
        panels_of_block(l, &b, from, to);
        return;
    }
    LowerPlace place = l_place(l);
    Index at = {.pred = EXPR_NONE};
    for (uint32_t i = 0; i < b.count; i++) {
        memo_clear(l);
        ExprId value = reduce_block(l, b.sums[i], &at, from, to);
        part_store(l, b.sums[i], part_position(l, b.sums[i], from, EXPR_NONE), value);
        l_return(l, place);
    }
}

/* ------------------------------------------------------------------ what they come to */

ExprId partial_total(Lower *l, NodeId sum, const Index *at) {
    const GNode *n = node_of(l->s, sum);
    DType dtype = accumulator(n->dtype);
    ExprId zero = l_int(l, 0), column = n->rank > 0 ? index_position(l, sum, at) : zero;
    RegId total = l_new_reg(l, "total", dtype, NULL);
    l_set(l, total, l_bits(l, dtype, 0));
    LowerPlace place = l_place(l);
    VarId b = l_new_var(l, "b");
    l_enter_for(l, b, zero, l_dim(l, summed_size(l->s, sum)), K_CHUNK);
    uint32_t buffer = loop_use(l->p, l->k, plan_of(l->s, sum)->parts, false);
    access_note(l, buffer, ACCESS_ANY);
    ExprId part = loop_load(l->p, l->k, buffer, part_position(l, sum, l_var(l, b), column));
    ExprId more = l_op(l, OP_ADD, dtype, l_reg(l, total), part);
    if (n->op == OP_CONTRACT) { /* the first one is taken as it is: +0 + -0 would lose its sign */
        ExprId first = l_op(l, OP_EQUAL, DTYPE_BOOL, l_var(l, b), zero);
        more = l_select(l, dtype, first, part, more);
    }
    l_set(l, total, more);
    l_return(l, place);
    return l_reg(l, total);
}
