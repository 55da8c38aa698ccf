/* The gradient of attention as one kernel. The weights are made again from q, k and the logarithm
 * of each row's sum, a few rows at a time:
 *
 *     for each batch position (and head):   pack kᵀ and vᵀ; dk = dv = 0
 *         for rows i by 8:
 *             own = Σ do·o;  p = exp(q kᵀ scale - logarithm)
 *             ds = p (do vᵀ - own) scale
 *             dq = ds k;   dk += dsᵀ q;   dv += pᵀ do
 *
 * Rows come in ascending order, so an element of dk or dv is one chain over them, however they are
 * blocked; what it has so far waits in its place. Work memory as of attention, twice.
 * Source: Dao et al. 2022 (arXiv 2205.14135). */
#include "compiler/schedule/lower_attention.h"

typedef struct Given { /* per row: Σ do·o, and the logarithm of the sum */
    RegId own, sums;
} Given;

static ExprId number(Lower *l, float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return l_bits(l, DTYPE_F32, bits);
}

static void rows_own(Attend *x, const RowBlock *b, RegId own) {
    Lower *l = x->l;
    RegId lanes = attend_register(x, "lanes", b->rows, false, true);
    LowerPlace place = l_place(l);
    attend_enter(x, 0, b->rows, 0, true);
    l_set(l, lanes, number(l, 0));
    l_return(l, place);
    VarId c = l_new_var(l, "c");
    l_enter_for(l, c, l_int(l, 0), l_int(l, x->e), ATTENTION_LANES);
    TilePlace at = attend_enter(x, 0, b->rows, 0, true);
    ExprId row = l_add(l, b->i, at.row), column = l_add(l, l_var(l, c), at.column);
    ExprId d_o = attend_operand(x, x->a.d_o, ATTENTION_DO, row, column);
    ExprId args[3] = {d_o, attend_operand(x, x->a.o, ATTENTION_O, row, column), l_reg(l, lanes)};
    l_set(l, lanes, loop_op(l->p, l->k, OP_FMA, DTYPE_F32, args, 3));
    l_return(l, place);
    attend_enter(x, 0, b->rows, 0, false);
    Expr tree = {.kind = EXPR_TREE, .op = OP_ADD, .dtype = DTYPE_F32, .reg = lanes, .var = x->lane};
    l_set(l, own, loop_expr(l->p, l->k, &tree));
    l_return(l, place);
}

static void rows_sums(Attend *x, const RowBlock *b, RegId sums) {
    Lower *l = x->l;
    LowerPlace place = l_place(l);
    TilePlace at = attend_enter(x, 0, b->rows, 0, false);
    Index from = {.pred = EXPR_NONE};
    for (uint32_t i = 0; i < x->a.batch; i++) from.axis[i] = x->batch[i];
    from.axis[x->a.batch] = l_add(l, b->i, at.row);
    memo_clear(l);
    l_set(l, sums, lower_value(l, x->a.sums, &from));
    l_return(l, place);
}

/* p and ds of columns [j, j + a panel). Columns that a row does not look at are made too, and never
 * read. */
static void pair_panel(Attend *x, const RowBlock *b, const Given *given, ExprId j) {
    Lower *l = x->l;
    RegId acc = attend_register(x, "acc", b->rows, true, true);
    LowerPlace place = l_place(l);
    attend_panel(x, b, acc, x->a.q, ATTENTION_Q, 0, x->d, j);
    TilePlace at = attend_enter(x, 0, b->rows, x->vectors, true);
    ExprId column = l_add(l, j, at.column), scale = number(l, x->a.scale);
    ExprId seen = attend_mask(x, l_add(l, b->i, at.row), column);
    ExprId score = l_op(l, OP_MUL, DTYPE_F32, l_reg(l, acc), scale);
    if (!expr_is_none(seen))
        score = l_select(l, DTYPE_F32, seen, score, l_bits(l, DTYPE_F32, 0xFF800000u));
    ExprId z = l_op(l, OP_SUB, DTYPE_F32, score, l_reg(l, given->sums));
    ExprId p_row = l_add(l, l_int(l, x->scores), at.row);
    attend_scratch_set(x, p_row, column, loop_op(l->p, l->k, OP_EXP, DTYPE_F32, &z, 1));
    l_return(l, place);
    if (!attend_target(x, 0) && !attend_target(x, 1)) return;
    attend_panel(x, b, acc, x->a.d_o, ATTENTION_DO, x->values, x->e, j);
    attend_enter(x, 0, b->rows, x->vectors, true);
    ExprId slope = l_op(l, OP_SUB, DTYPE_F32, l_reg(l, acc), l_reg(l, given->own));
    slope = l_op(l, OP_MUL, DTYPE_F32, attend_scratch(x, p_row, column), slope);
    slope = l_op(l, OP_MUL, DTYPE_F32, slope, scale);
    seen = attend_mask(x, l_add(l, b->i, at.row), column);
    if (!expr_is_none(seen)) slope = l_select(l, DTYPE_F32, seen, slope, number(l, 0));
    attend_scratch_set(x, l_add(l, l_int(l, x->slopes), at.row), column, slope);
    l_return(l, place);
}

static void query_tile(Attend *x, const RowBlock *b, RegId acc, ExprId column0, uint32_t vectors,
                       void *user) {
    Lower *l = x->l;
    const Target *t = user;
    uint32_t buffer = attend_store_buffer(x, t);
    LowerPlace place = l_place(l);
    TilePlace at = attend_enter(x, 0, b->rows, vectors, true);
    ExprId to =
        attend_position(x, t, ATTENTION_DQ, l_add(l, b->i, at.row), l_add(l, column0, at.column));
    loop_store(l->p, l->k, &l->parent, buffer, to, l_reg(l, acc), EXPR_NONE);
    l_return(l, place);
}

/* ------------------------------------------------------------------ dk and dv */

/* out[j, c] += Σ_i factor[i][j]·operand[i, c] over the block's rows. */
typedef struct Gather {
    const Target *target;
    AttentionValue result, value;
    NodeId operand;
    int64_t factors; /* row of work memory where they begin */
    int64_t width;
    uint32_t vectors;
    ExprId column0;
} Gather;

static ExprId gather_position(Attend *x, const Gather *g, ExprId j, const TilePlace *at) {
    Lower *l = x->l;
    return attend_position(x, g->target, g->result, l_add(l, j, at->row),
                           l_add(l, g->column0, at->column));
}

/* Rows of the tile are columns j .. j + rows of the block; row q of the block gives its share to
 * the first `some` of them, or with `diagonal` to the first q + 1. */
static void gather_tile(Attend *x, const RowBlock *b, const Gather *g, ExprId j, uint32_t rows,
                        bool diagonal) {
    Lower *l = x->l;
    RegId acc = attend_register(x, "acc", rows, true, true);
    uint32_t buffer = attend_store_buffer(x, g->target);
    LowerPlace place = l_place(l);
    TilePlace at = attend_enter(x, 0, rows, g->vectors, true);
    l_set(l, acc, loop_load(l->p, l->k, buffer, gather_position(x, g, j, &at)));
    l_return(l, place);
    for (uint32_t q = 0; q < b->rows; q++) {
        uint32_t some = diagonal ? q + 1 : rows;
        at = (TilePlace){l_int(l, 0), l_int(l, 0)};
        if (rows > 1) {
            l_enter_copies(l, x->r, 0, some);
            at.row = l_var(l, x->r);
        }
        TilePlace inner = attend_enter(x, 0, 1, g->vectors, true);
        ExprId row = l_add(l, b->i, l_int(l, q));
        ExprId right =
            attend_operand(x, g->operand, g->value, row, l_add(l, g->column0, inner.column));
        ExprId left = attend_scratch(x, l_int(l, g->factors + q), l_add(l, j, at.row));
        ExprId args[3] = {left, right, l_reg(l, acc)};
        l_set(l, acc, loop_op(l->p, l->k, OP_FMA, DTYPE_F32, args, 3));
        l_return(l, place);
    }
    at = attend_enter(x, 0, rows, g->vectors, true);
    loop_store(l->p, l->k, &l->parent, buffer, gather_position(x, g, j, &at), l_reg(l, acc),
               EXPR_NONE);
    l_return(l, place);
}

static void gather_range(Attend *x, const RowBlock *b, const Gather *g, ExprId from, ExprId to,
                         uint32_t rows) {
    if (from.id == to.id) return;
    LowerPlace place = l_place(x->l);
    VarId j = l_new_var(x->l, "j");
    l_enter_for(x->l, j, from, to, rows);
    gather_tile(x, b, g, l_var(x->l, j), rows, false);
    l_return(x->l, place);
}

/* Whole tiles of columns, then what is left: on the diagonal of a causal mask one tile of which a
 * row gives to those up to its own, else single columns. */
static void gather_columns(Attend *x, const RowBlock *b, const Gather *g) {
    Lower *l = x->l;
    ExprId rows = l_int(l, x->rows), zero = l_int(l, 0);
    bool block = b->rows > 1;
    if (x->a.causal && block) { /* b->i is a multiple of the rows of a tile */
        gather_range(x, b, g, zero, b->i, x->rows);
        gather_tile(x, b, g, b->i, b->rows, true);
        return;
    }
    ExprId full = l_mul(l, l_div(l, b->end, rows), rows);
    gather_range(x, b, g, zero, full, x->rows);
    gather_range(x, b, g, full, b->end, 1);
}

static void gather_part(Attend *x, const RowBlock *b, Gather g) {
    if (!g.target) return;
    int64_t left = g.width / ATTENTION_LANES;
    for (int64_t column = 0; left > 0;) {
        g.vectors = left < x->vectors ? (uint32_t)left : x->vectors;
        g.column0 = l_int(x->l, column);
        gather_columns(x, b, &g);
        column += (int64_t)g.vectors * ATTENTION_LANES;
        left -= g.vectors;
    }
}

static void part_zero(Attend *x, uint32_t part, AttentionValue v, int64_t width) {
    Lower *l = x->l;
    const Target *t = attend_target(x, part);
    if (!t) return;
    uint32_t buffer = attend_store_buffer(x, t);
    LowerPlace place = l_place(l);
    VarId j = l_new_var(l, "j"), c = l_new_var(l, "c");
    l_enter_for(l, j, l_int(l, 0), x->s, 1);
    l_enter_for(l, c, l_int(l, 0), l_int(l, width), ATTENTION_LANES);
    TilePlace at = attend_enter(x, 0, 1, 0, true);
    ExprId to = attend_position(x, t, v, l_var(l, j), l_add(l, l_var(l, c), at.column));
    loop_store(l->p, l->k, &l->parent, buffer, to, number(l, 0), EXPR_NONE);
    l_return(l, place);
}

/* ------------------------------------------------------------------ a head */

static void gradient_block(Attend *x, const RowBlock *b) {
    Lower *l = x->l;
    Given given = {attend_register(x, "own", b->rows, false, false),
                   attend_register(x, "sums", b->rows, false, false)};
    rows_own(x, b, given.own);
    rows_sums(x, b, given.sums);
    LowerPlace place = l_place(l);
    VarId j = l_new_var(l, "j");
    l_enter_for(l, j, l_int(l, 0), b->end, x->vectors * ATTENTION_LANES);
    pair_panel(x, b, &given, l_var(l, j));
    l_return(l, place);
    const Target *dq = attend_target(x, 0);
    if (dq) attend_products(x, b, x->slopes, x->a.k, ATTENTION_K, x->d, query_tile, (void *)dq);
    gather_part(x, b,
                (Gather){.target = attend_target(x, 1),
                         .result = ATTENTION_DK,
                         .operand = x->a.q,
                         .value = ATTENTION_Q,
                         .factors = x->slopes,
                         .width = x->d});
    gather_part(x, b,
                (Gather){.target = attend_target(x, 2),
                         .result = ATTENTION_DV,
                         .operand = x->a.d_o,
                         .value = ATTENTION_DO,
                         .factors = x->scores,
                         .width = x->e});
}

static void gradient_head(Attend *x) {
    attend_pack(x, x->a.k, ATTENTION_K, 0, x->d);
    attend_pack(x, x->a.v, ATTENTION_V, x->values, x->e);
    part_zero(x, 1, ATTENTION_DK, x->d);
    part_zero(x, 2, ATTENTION_DV, x->e);
    attend_blocks(x, gradient_block);
}

ExprId lower_ATTENTION_GRAD(Lower *l, NodeId n, const Index *at) {
    (void)at;
    BUG("kernel %s: attention_grad (node %u) has a kernel of its own", l->k->name, n.id);
}

void lower_attention_grad(Lower *l) {
    Attend x = {.l = l};
    attend_heads(&x, gradient_head);
}
