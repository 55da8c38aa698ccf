/* Register tiles of contract: a block of the result in accumulators while k runs.
 *
 *     for rows i by MR, columns j by NV vectors:
 *         acc[MR][NV] = 0;  for k: acc[r][v] = fma(a[i + r, k], b[k, j + v], acc[r][v])
 *         the epilogue on acc, in registers, and the stores
 *
 * The vector label is the result's last; the operand that carries it gives vectors, the other one
 * scalars that the machine broadcasts. The row label is one the vector operand lacks, so that a
 * loaded vector serves MR rows. k is one loop without branches; chunks of 4,096 only where k can
 * exceed them (docs/numerics.md). Neither tile sizes nor the threads touch the order of any sum.
 *
 * Source: Goto & van de Geijn 2008; Low et al. 2016 for the register block. Sizes were measured
 * (docs/schedule.md). */
#include "compiler/schedule/lower_contract.h"

typedef struct Tile {
    Contract c;
    uint32_t row_label, vector_label;
    int32_t parallel; /* label 0, or the vector label of a thin result, or -1 */
    uint32_t rows, vectors;
    ExprId label[2 * RANK_MAX];
} Tile;

/* ------------------------------------------------------------------ choice */

static bool choose_labels(const Sched *s, Tile *t) {
    const Contract *c = &t->c;
    if (c->outer < 2) return false;
    t->vector_label = c->outer - 1;
    if (c->in_a[t->vector_label] == c->in_b[t->vector_label]) return false;
    const bool *in_vector = c->in_a[t->vector_label] ? c->in_a : c->in_b;
    t->row_label = NONE;
    for (uint32_t label = 0; label + 1 < c->outer; label++)
        if (!in_vector[label] && !dim_equals(s->dims, c->size[label], 1)) t->row_label = label;
    return t->row_label != NONE;
}

/* MR rows by NV vectors: MR * NV accumulators, NV vectors of the operand and one spare fit the
 * registers. Costs count vector instructions of one k over all columns; a remainder of columns is a
 * tile of its own, so it is charged for its code and for its cold start (8x2 without a remainder
 * measured 3 % better than 8x3 with one). */
static void choose_sizes(const Sched *s, Tile *t, uint32_t lanes) {
    uint32_t registers = s->options.vector_registers;
    uint32_t widest = registers >= 32 ? 3 : 2;
    t->rows = registers >= 32 ? 8 : 4;
    t->vectors = widest;
    DimId columns = t->c.size[t->vector_label];
    if (!dim_is_const(s->dims, columns)) return;
    uint64_t whole = (uint64_t)dim_value(s->dims, columns) / lanes;
    double best = 0;
    for (uint32_t v = 1; v <= widest && (v == 1 || v <= whole); v++) {
        double tile = (double)(t->rows * v + v) + t->rows / 2.0;
        double rest = (double)(whole % v);
        double cost = (double)(whole / v) * tile;
        if (rest > 0) cost = 1.08 * (cost + t->rows * rest + rest + t->rows / 2.0 + 4);
        if (v == 1 || cost < best) {
            best = cost;
            t->vectors = v;
        }
    }
}

/* ------------------------------------------------------------------ one tile */

typedef struct Block { /* of accumulators: rows from i, `vectors` from j, `limit` columns or NONE */
    uint32_t rows, vectors;
    ExprId i, j, limit;
    VarId r, v, lane;
} Block;

/* Opens the loops over the block's registers and sets the labels of the row and the column. */
static void block_enter(Lower *l, Tile *t, const Block *b) {
    ExprId row = b->i, column = b->j;
    if (b->rows > 1) {
        l_enter_unroll(l, b->r, b->rows);
        row = l_add(l, row, l_var(l, b->r));
    }
    if (b->vectors > 1) {
        l_enter_unroll(l, b->v, b->vectors);
        column = l_add(l, column, l_mul(l, l_var(l, b->v), l_int(l, l->lanes)));
    }
    l_enter_vector(l, b->lane, l->lanes, b->limit);
    column = l_add(l, column, l_var(l, b->lane));
    t->label[t->row_label] = row;
    t->label[t->vector_label] = column;
    if (t->parallel == 0 && t->row_label == 0) l->row = row;
}

static RegId block_register(Lower *l, const Tile *t, const Block *b, const char *name) {
    VarId vars[3];
    uint32_t count = 0;
    if (b->rows > 1) vars[count++] = b->r;
    if (b->vectors > 1) vars[count++] = b->v;
    vars[count++] = b->lane;
    RegId r = loop_reg(l->p, l->k, name, t->c.dtype, vars, count);
    l_reg(l, r);
    return r;
}

static void block_zero(Lower *l, Tile *t, const Block *b, RegId r) {
    LowerPlace place = l_place(l);
    block_enter(l, t, b);
    l_set(l, r, l_bits(l, t->c.dtype, 0));
    l_return(l, place);
}

static void block_products(Lower *l, Tile *t, const Block *b, RegId acc, ExprId from, ExprId to) {
    LowerPlace place = l_place(l);
    block_zero(l, t, b, acc);
    contract_enter_k(l, &t->c, from, to, t->label);
    block_enter(l, t, b);
    memo_clear(l);
    l_set(l, acc, contract_step(l, &t->c, l_reg(l, acc), t->label));
    l_return(l, place);
}

static RegId block_sum(Lower *l, Tile *t, const Block *b) {
    RegId acc = block_register(l, t, b, "acc");
    ExprId from = l_int(l, 0), to = l_dim(l, t->c.k);
    if (!contract_chunked(l->s, &t->c)) {
        block_products(l, t, b, acc, from, to);
        return acc;
    }
    RegId total = block_register(l, t, b, "total");
    LowerPlace place = l_place(l);
    block_zero(l, t, b, total);
    VarId chunk = l_new_var(l, "c");
    l_enter_for(l, chunk, from, to, K_CHUNK);
    from = l_var(l, chunk);
    block_products(l, t, b, acc, from, l_min(l, l_add(l, from, l_int(l, K_CHUNK)), to));
    block_enter(l, t, b);
    l_set(l, total, contract_add_chunk(l, &t->c, from, l_reg(l, total), l_reg(l, acc)));
    l_return(l, place);
    return total;
}

static void block(Lower *l, Tile *t, uint32_t rows, uint32_t vectors, ExprId i, ExprId j,
                  ExprId limit) {
    Block b = {.rows = rows, .vectors = vectors, .i = i, .j = j, .limit = limit};
    b.r = l_new_var(l, "r");
    b.v = l_new_var(l, "v");
    b.lane = l_new_var(l, "l");
    RegId sum = block_sum(l, t, &b);
    LowerPlace place = l_place(l);
    block_enter(l, t, &b);
    memo_clear(l);
    Index at = {.pred = EXPR_NONE};
    for (uint32_t a = 0; a < t->c.outer; a++) at.axis[a] = t->label[a];
    DType dtype = node_of(l->s, t->c.node)->dtype;
    lower_bind(l, t->c.node, &at, l_cast(l, dtype, l_reg(l, sum)));
    lower_targets(l, &at);
    l_return(l, place);
}

/* ------------------------------------------------------------------ columns, rows, outer labels */

static ExprId bound_of(Lower *l, const Tile *t, uint32_t label, bool end) {
    Expr e = {.kind = end ? EXPR_HI : EXPR_LO, .dtype = DTYPE_I64};
    if (t->parallel == (int32_t)label) return loop_expr(l->p, l->k, &e);
    return end ? l_dim(l, t->c.size[label]) : l_int(l, 0);
}

static ExprId whole_steps(Lower *l, ExprId from, ExprId to, uint32_t step) {
    ExprId width = l_int(l, step);
    return l_add(l, from, l_mul(l, l_div(l, l_sub(l, to, from), width), width));
}

static bool int_of(const Lower *l, ExprId e, int64_t *v) {
    const Expr *x = &l->k->exprs.data[e.id];
    *v = (int64_t)x->imm;
    return x->kind == EXPR_CONST;
}

/* Blocks of `vectors` vectors over columns [from, to); returns where they end. */
static ExprId columns_by(Lower *l, Tile *t, uint32_t rows, ExprId i, ExprId from, ExprId to,
                         uint32_t vectors) {
    uint32_t step = vectors * l->lanes;
    ExprId end = whole_steps(l, from, to, step);
    int64_t a, b;
    bool fixed = int_of(l, from, &a) && int_of(l, end, &b);
    if (end.id == from.id) return end;
    if (fixed && b == a + step) {
        block(l, t, rows, vectors, i, from, EXPR_NONE);
        return end;
    }
    LowerPlace place = l_place(l);
    VarId j = l_new_var(l, "j");
    l_enter_for(l, j, from, end, step);
    block(l, t, rows, vectors, i, l_var(l, j), EXPR_NONE);
    l_return(l, place);
    return end;
}

static void columns(Lower *l, Tile *t, uint32_t rows, ExprId i, uint32_t vectors) {
    ExprId from = bound_of(l, t, t->vector_label, false);
    ExprId to = bound_of(l, t, t->vector_label, true);
    ExprId at = columns_by(l, t, rows, i, from, to, vectors);
    int64_t a, b;
    bool fixed = int_of(l, at, &a) && int_of(l, to, &b);
    uint32_t rest = fixed ? (uint32_t)((b - a) / l->lanes) : 1;
    if (at.id != to.id && rest > 0 && vectors > 1) at = columns_by(l, t, rows, i, at, to, rest);
    if (at.id == to.id) return;
    LowerPlace place = l_place(l);
    if (!fixed) { /* at most one partial vector: a loop of none or one */
        VarId j = l_new_var(l, "j");
        l_enter_for(l, j, at, to, l->lanes);
        at = l_var(l, j);
    }
    block(l, t, rows, 1, i, at, l_sub(l, to, at));
    l_return(l, place);
}

/* Whole row tiles, then single rows with as many vectors as registers allow. */
static void tile_rows(Lower *l, Tile *t) {
    ExprId from = bound_of(l, t, t->row_label, false), to = bound_of(l, t, t->row_label, true);
    ExprId end = whole_steps(l, from, to, t->rows);
    LowerPlace place = l_place(l);
    if (end.id != from.id) {
        VarId i = l_new_var(l, "i");
        l_enter_for(l, i, from, end, t->rows);
        columns(l, t, t->rows, l_var(l, i), t->vectors);
        l_return(l, place);
    }
    DimId size = t->c.size[t->row_label];
    bool whole = dim_is_const(l->s->dims, size) && dim_value(l->s->dims, size) % t->rows == 0 &&
                 (t->parallel != (int32_t)t->row_label || l->k->grain % t->rows == 0);
    if (end.id == to.id || whole) return;
    VarId i = l_new_var(l, "i");
    l_enter_for(l, i, end, to, 1);
    uint32_t wide = t->rows;
    DimId n = t->c.size[t->vector_label];
    if (dim_is_const(l->s->dims, n))
        while (wide > 1 && (int64_t)wide * l->lanes > dim_value(l->s->dims, n)) wide /= 2;
    columns(l, t, 1, l_var(l, i), wide);
    l_return(l, place);
}

static void outer_labels(Lower *l, Tile *t, uint32_t label) {
    LowerPlace place = l_place(l);
    for (; label + 1 < t->c.outer; label++) {
        if (label == t->row_label) continue;
        VarId o = l_new_var(l, "o");
        ExprId from = bound_of(l, t, label, false), to = bound_of(l, t, label, true);
        l_enter_for(l, o, from, to, 1);
        t->label[label] = l_var(l, o);
        if (t->parallel == 0 && label == 0) l->row = t->label[0];
    }
    tile_rows(l, t);
    l_return(l, place);
}

bool lower_tiles(Lower *l) {
    Tile t = {.c = contract_of(l->s, l->group->core), .parallel = -1};
    int64_t grain = 1;
    if (!choose_labels(l->s, &t)) return false;
    choose_sizes(l->s, &t, l->lanes);
    threads_choose(l->s, l->group, t.c.size, t.c.outer, &t.parallel, &grain);
    l->k->parallel = t.parallel >= 0;
    l->k->grain = grain;
    if (l->k->parallel) l->k->extent = t.c.size[t.parallel];
    l->extent = l->k->extent;
    lower_scalars(l);
    outer_labels(l, &t, 0);
    return true;
}
