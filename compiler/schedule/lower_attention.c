/* attention as one kernel: the scores of a few rows at a time, never all of them.
 *
 *     for each batch position (and head):   pack kᵀ
 *         for rows i by 8:
 *             scores = q kᵀ scale, their largest        panels of 32 columns in registers
 *             e = exp(scores - largest), their sum      one pass over the rows in cache
 *             o = (e v) / sum                           register tiles
 *
 * A block's scores fit the first or second level cache, so they need neither memory of size t·s
 * nor the rescaling of the online form, and the order of every sum is the one docs/ops.md writes
 * down whatever the block. Columns behind a causal mask's diagonal are never computed.
 *
 * Work memory: (d + 8) rows of s + 32 floats a thread. Cost: 2 (d + e) operations a pair.
 * Source: Dao et al. 2022 (arXiv 2205.14135) for the recomputing backward pass; Rabe and Staats
 * 2021 (arXiv 2112.05682) for memory that does not grow with t·s. */
#include "compiler/schedule/lower_attention.h"

static ExprId less(Lower *l, ExprId a, ExprId b) {
    return l_op(l, OP_LESS, DTYPE_BOOL, a, b);
}
static ExprId f32_bits(Lower *l, float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return l_bits(l, DTYPE_F32, bits);
}

/* ------------------------------------------------------------------ values */

ExprId attend_operand(Attend *x, NodeId n, AttentionValue v, ExprId row, ExprId column) {
    const int64_t *roles = x->a.roles[v];
    Index at = {.pred = EXPR_NONE};
    for (uint32_t i = 0; i < x->a.rank; i++) {
        uint32_t role = (uint32_t)roles[i];
        bool is_row = role == x->a.batch + ROLE_T || role == x->a.batch + ROLE_S;
        at.axis[i] = role < x->a.batch ? x->batch[role] : is_row ? row : column;
    }
    memo_clear(x->l);
    return lower_value(x->l, n, &at);
}

const Target *attend_target(const Attend *x, uint32_t part) {
    const Group *g = x->l->group;
    for (uint32_t i = 0; i < g->targets.len; i++)
        if (node_of(x->l->s, g->targets.data[i].node)->attr[0] == (int64_t)part)
            return &g->targets.data[i];
    return NULL;
}

uint32_t attend_store_buffer(Attend *x, const Target *t) {
    return loop_use(x->l->p, x->l->k, t->buffer, true);
}

ExprId attend_position(Attend *x, const Target *t, AttentionValue v, ExprId row, ExprId column) {
    const int64_t *roles = x->a.roles[v];
    Index at = {.pred = EXPR_NONE};
    for (uint32_t i = 0; i < x->a.rank; i++) {
        uint32_t role = (uint32_t)roles[i];
        bool is_row = role == x->a.batch + ROLE_T || role == x->a.batch + ROLE_S;
        at.axis[i] = role < x->a.batch ? x->batch[role] : is_row ? row : column;
    }
    access_note(x->l, attend_store_buffer(x, t), slab_access(x->l, t->node, t->slab, &at));
    return slab_position(x->l, t->node, t->slab, &at);
}

/* ------------------------------------------------------------------ work memory */

static ExprId scratch_index(Attend *x, ExprId row, ExprId column) {
    Lower *l = x->l;
    return l_add(l, x->slab, l_add(l, l_mul(l, row, l_dim(l, x->stride)), column));
}

ExprId attend_scratch(Attend *x, ExprId row, ExprId column) {
    return loop_load(x->l->p, x->l->k, x->scratch, scratch_index(x, row, column));
}

void attend_scratch_set(Attend *x, ExprId row, ExprId column, ExprId value) {
    Lower *l = x->l;
    loop_store(l->p, l->k, l->nested ? &l->parent : NULL, x->scratch, scratch_index(x, row, column),
               value, EXPR_NONE);
}

static bool whole_panels(const Attend *x) {
    DimId s = x->a.dims[x->a.batch + ROLE_S];
    return dim_is_const(x->l->s->dims, s) && dim_value(x->l->s->dims, s) % ATTENTION_PANEL == 0;
}

/* Column c of sixteen rows from j on; rows behind the last are zero. */
static void pack_step(Attend *x, NodeId n, AttentionValue v, int64_t first, ExprId j, ExprId c,
                      bool tail) {
    Lower *l = x->l;
    LowerPlace place = l_place(l);
    l_enter_vector(l, x->lane, ATTENTION_LANES, EXPR_NONE);
    ExprId row = l_add(l, j, l_var(l, x->lane)), inside = less(l, row, x->s);
    ExprId safe = tail ? l_select(l, DTYPE_I64, inside, row, l_int(l, 0)) : row;
    ExprId value = attend_operand(x, n, v, safe, c);
    if (tail) value = l_select(l, DTYPE_F32, inside, value, f32_bits(l, 0));
    attend_scratch_set(x, l_add(l, l_int(l, first), c), row, value);
    l_return(l, place);
}

/* j from .. to by sixteen, c < width */
static void pack_range(Attend *x, NodeId n, AttentionValue v, int64_t first, int64_t width,
                       ExprId from, ExprId to, bool tail) {
    Lower *l = x->l;
    LowerPlace place = l_place(l);
    VarId j = l_new_var(l, "j"), c = l_new_var(l, "c");
    l_enter_for(l, j, from, to, ATTENTION_LANES);
    l_enter_for(l, c, l_int(l, 0), l_int(l, width), 1);
    pack_step(x, n, v, first, l_var(l, j), l_var(l, c), tail);
    l_return(l, place);
}

void attend_pack(Attend *x, NodeId n, AttentionValue v, int64_t first, int64_t width) {
    Lower *l = x->l;
    ExprId sixteen = l_int(l, ATTENTION_LANES);
    ExprId full = l_mul(l, l_div(l, x->s, sixteen), sixteen);
    pack_range(x, n, v, first, width, l_int(l, 0), full, false);
    if (!whole_panels(x)) pack_range(x, n, v, first, width, full, l_add(l, x->s, sixteen), true);
}

/* ------------------------------------------------------------------ tiles */

RegId attend_register(Attend *x, const char *name, uint32_t rows, bool vectors, bool lanes) {
    VarId vars[3];
    uint32_t count = 0;
    if (rows > 1) vars[count++] = x->r;
    if (vectors) vars[count++] = x->v;
    if (lanes) vars[count++] = x->lane;
    return loop_reg(x->l->p, x->l->k, name, DTYPE_F32, vars, count);
}

TilePlace attend_enter(Attend *x, uint32_t first, uint32_t rows, uint32_t vectors, bool lanes) {
    Lower *l = x->l;
    TilePlace at = {l_int(l, 0), l_int(l, 0)};
    if (rows > 1) {
        l_enter_copies(l, x->r, first, rows - first);
        at.row = l_var(l, x->r);
    }
    if (vectors > 0) {
        l_enter_unroll(l, x->v, vectors);
        at.column = l_mul(l, l_var(l, x->v), l_int(l, ATTENTION_LANES));
    }
    if (!lanes) return at;
    l_enter_vector(l, x->lane, ATTENTION_LANES, EXPR_NONE);
    at.column = l_add(l, at.column, l_var(l, x->lane));
    return at;
}

static void tile_zero(Attend *x, RegId acc, uint32_t rows, uint32_t vectors) {
    LowerPlace place = l_place(x->l);
    attend_enter(x, 0, rows, vectors, true);
    l_set(x->l, acc, f32_bits(x->l, 0));
    l_return(x->l, place);
}

/* acc = fma(a, b, acc) */
static void tile_step(Attend *x, RegId acc, ExprId a, ExprId b) {
    Lower *l = x->l;
    ExprId args[3] = {a, b, l_reg(l, acc)};
    l_set(l, acc, loop_op(l->p, l->k, OP_FMA, DTYPE_F32, args, 3));
}

void attend_panel(Attend *x, const RowBlock *b, RegId acc, NodeId a, AttentionValue v,
                  int64_t first, int64_t width, ExprId j) {
    Lower *l = x->l;
    tile_zero(x, acc, b->rows, x->vectors);
    LowerPlace place = l_place(l);
    VarId k = l_new_var(l, "k");
    l_enter_for(l, k, l_int(l, 0), l_int(l, width), 1);
    TilePlace at = attend_enter(x, 0, b->rows, x->vectors, true);
    ExprId c = l_var(l, k), row = l_add(l, l_int(l, first), c);
    ExprId left = attend_operand(x, a, v, l_add(l, b->i, at.row), c);
    tile_step(x, acc, left, attend_scratch(x, row, l_add(l, j, at.column)));
    l_return(l, place);
}

ExprId attend_mask(Attend *x, ExprId row, ExprId column) {
    if (node_is_none(x->a.mask)) return EXPR_NONE;
    Index at = {.pred = whole_panels(x) ? EXPR_NONE : less(x->l, column, x->s)};
    for (uint32_t i = 0; i < x->a.batch; i++) at.axis[i] = x->batch[i];
    at.axis[x->a.batch] = row;
    at.axis[x->a.batch + 1] = column;
    memo_clear(x->l);
    return lower_value(x->l, x->a.mask, &at);
}

/* The columns on the diagonal of a causal mask: column q is for rows q and below. */
static void diagonal(Attend *x, const RowBlock *b, RegId acc, int64_t rows0, NodeId n,
                     AttentionValue v, ExprId column0, uint32_t vectors) {
    Lower *l = x->l;
    for (uint32_t q = 0; x->a.causal && q < b->rows; q++) {
        LowerPlace place = l_place(l);
        ExprId j = l_add(l, b->i, l_int(l, q));
        TilePlace at = attend_enter(x, q, b->rows, vectors, true);
        ExprId right = attend_operand(x, n, v, j, l_add(l, column0, at.column));
        tile_step(x, acc, attend_scratch(x, l_add(l, l_int(l, rows0), at.row), j), right);
        l_return(l, place);
    }
}

static void product_tile(Attend *x, const RowBlock *b, int64_t rows0, NodeId n, AttentionValue v,
                         int64_t column, uint32_t vectors, TileFinish finish, void *user) {
    Lower *l = x->l;
    RegId acc = attend_register(x, "acc", b->rows, true, true);
    ExprId column0 = l_int(l, column);
    tile_zero(x, acc, b->rows, vectors);
    LowerPlace place = l_place(l);
    VarId k = l_new_var(l, "j");
    l_enter_for(l, k, l_int(l, 0), b->full, 1);
    TilePlace at = attend_enter(x, 0, b->rows, vectors, true);
    ExprId right = attend_operand(x, n, v, l_var(l, k), l_add(l, column0, at.column));
    ExprId left = attend_scratch(x, l_add(l, l_int(l, rows0), at.row), l_var(l, k));
    tile_step(x, acc, left, right);
    l_return(l, place);
    diagonal(x, b, acc, rows0, n, v, column0, vectors);
    finish(x, b, acc, column0, vectors, user);
}

void attend_products(Attend *x, const RowBlock *b, int64_t rows0, NodeId n, AttentionValue v,
                     int64_t width, TileFinish finish, void *user) {
    int64_t left = width / ATTENTION_LANES;
    for (int64_t column = 0; left > 0;) {
        uint32_t vectors = left < x->vectors ? (uint32_t)left : x->vectors;
        product_tile(x, b, rows0, n, v, column, vectors, finish, user);
        column += (int64_t)vectors * ATTENTION_LANES;
        left -= vectors;
    }
}

/* ------------------------------------------------------------------ the kernel's loops */

void attend_blocks(Attend *x, void (*block)(Attend *x, const RowBlock *b)) {
    Lower *l = x->l;
    ExprId rows = l_int(l, x->rows), full = l_mul(l, l_div(l, x->t, rows), rows);
    for (uint32_t single = 0; single < 2; single++) {
        ExprId from = single ? full : l_int(l, 0), to = single ? x->t : full;
        if (from.id == to.id) continue;
        LowerPlace place = l_place(l);
        VarId i = l_new_var(l, "i");
        RowBlock b = {.rows = single ? 1 : x->rows};
        l_enter_for(l, i, from, to, b.rows);
        b.i = l_var(l, i);
        b.end = x->a.causal ? l_add(l, b.i, l_int(l, b.rows)) : x->s;
        b.full = x->a.causal ? b.i : x->s;
        block(x, &b);
        l_return(l, place);
    }
}

/* By the leading axis when it has rows enough, as every other kernel; else by batch positions. */
static bool threads_by_row(const Attend *x) {
    return x->a.batch > 0 && dim_bound(x->l->s->dims, x->a.dims[0]) >= 2 * ROW_GRAIN;
}

static DimId batch_count(const Attend *x) {
    return dims_product(x->l->s, x->a.dims, x->a.batch);
}

/* One part for every grain of the parallel axis: no thread knows its number. */
static void scratch_make(Attend *x, int64_t rows) {
    Lower *l = x->l;
    DimTable *dims = l->s->dims;
    DimId s = x->a.dims[x->a.batch + ROLE_S];
    x->stride = dim_add(dims, s, dim_const(dims, ATTENTION_PANEL));
    x->slab_size = dim_mul(dims, x->stride, dim_const(dims, rows));
    bool exact;
    DimId grain = dim_const(dims, l->k->grain), parts = dim_const(dims, 1);
    if (l->k->parallel)
        parts = dim_div(dims, dim_add(dims, l->k->extent, dim_const(dims, l->k->grain - 1)), grain,
                        &exact);
    uint32_t buffer =
        buffer_create(l->s, arena_printf(l->s->arena, "attention.%u", l->s->out->buffers.len),
                      STORAGE_ARENA, 0, DTYPE_F32, dim_mul(dims, parts, x->slab_size));
    x->scratch = loop_use(l->p, l->k, buffer, true);
    access_note(l, x->scratch, threads_by_row(x) ? ACCESS_ROWS : ACCESS_ANY);
}

static void heads_enter(Attend *x) {
    Lower *l = x->l;
    Expr lo = {.kind = EXPR_LO, .dtype = DTYPE_I64}, hi = {.kind = EXPR_HI, .dtype = DTYPE_I64};
    bool by_row = threads_by_row(x);
    ExprId outer = l_int(l, 0);
    if (x->a.batch > 0) {
        VarId o = l_new_var(l, "o");
        l_enter_for(l, o, loop_expr(l->p, l->k, &lo), loop_expr(l->p, l->k, &hi), 1);
        outer = l_var(l, o);
    }
    if (by_row) {
        l->row = x->batch[0] = outer;
        for (uint32_t i = 1; i < x->a.batch; i++) {
            VarId o = l_new_var(l, "o");
            l_enter_for(l, o, l_int(l, 0), l_dim(l, x->a.dims[i]), 1);
            x->batch[i] = l_var(l, o);
        }
    } else {
        split_position(l, outer, x->a.dims, x->a.batch, x->batch);
    }
    ExprId part = l_div(l, outer, l_int(l, l->k->grain));
    x->slab = l_mul(l, part, l_dim(l, x->slab_size));
}

void attend_heads(Attend *x, void (*head)(Attend *x)) {
    Lower *l = x->l;
    Sched *s = l->s;
    bool wide = s->options.vector_bytes >= 64 && s->options.vector_registers >= 32;
    x->node = l->group->core;
    x->a = attention_of(s->graph, node_of(s, x->node));
    x->rows = wide ? 8 : 4;
    x->vectors = wide ? 2 : 1;
    x->d = dim_value(s->dims, x->a.dims[x->a.batch + ROLE_D]);
    x->e = dim_value(s->dims, x->a.dims[x->a.batch + ROLE_E]);
    x->r = l_new_var(l, "r");
    x->v = l_new_var(l, "v");
    x->lane = l_new_var(l, "l");
    l->k->parallel = x->a.batch > 0;
    if (l->k->parallel) {
        l->k->extent = l->extent = threads_by_row(x) ? x->a.dims[0] : batch_count(x);
        l->k->grain = threads_by_row(x) ? threads_grain(s, x->a.dims[0]) : 1;
    } else {
        l->k->grain = 1;
    }
    x->t = l_dim(l, x->a.dims[x->a.batch + ROLE_T]);
    x->s = l_dim(l, x->a.dims[x->a.batch + ROLE_S]);
    x->values = x->d;
    x->scores = x->a.gradient ? x->d + x->e : x->d;
    x->slopes = x->scores + x->rows;
    lower_scalars(l);
    scratch_make(x, x->slopes + (x->a.gradient ? x->rows : 0));
    heads_enter(x);
    double pairs = (double)node_bound(s, x->node) / (double)(x->a.gradient ? x->d : x->e) *
                   (double)dim_bound(s->dims, x->a.dims[x->a.batch + ROLE_S]);
    double products =
        x->a.gradient ? 3 * (double)x->d + 2 * (double)x->e : (double)x->d + (double)x->e;
    l->k->flops += 2 * pairs * products / (x->a.causal ? 2 : 1);
    head(x);
}

/* ------------------------------------------------------------------ forward */

typedef struct Rows {
    RegId most, top, lanes, sum;
} Rows;

/* scores[r][j ..] = scale·q kᵀ, -inf where nothing may be seen; most: the largest so far. */
static void score_panel(Attend *x, const RowBlock *b, const Rows *rows, ExprId j) {
    Lower *l = x->l;
    RegId acc = attend_register(x, "acc", b->rows, true, true);
    attend_panel(x, b, acc, x->a.q, ATTENTION_Q, 0, x->d, j);
    LowerPlace place = l_place(l);
    TilePlace at = attend_enter(x, 0, b->rows, x->vectors, true);
    ExprId row = l_add(l, b->i, at.row), column = l_add(l, j, at.column);
    ExprId value = l_op(l, OP_MUL, DTYPE_F32, l_reg(l, acc), f32_bits(l, x->a.scale));
    ExprId seen = attend_mask(x, row, column);
    if (x->a.causal) {
        seen = l_and(l, seen, less(l, column, l_add(l, row, l_int(l, 1))));
    } else if (!whole_panels(x)) {
        seen = l_and(l, seen, less(l, column, x->s));
    }
    if (!expr_is_none(seen))
        value = l_select(l, DTYPE_F32, seen, value, l_bits(l, DTYPE_F32, 0xFF800000u));
    l_set(l, acc, value);
    attend_scratch_set(x, l_add(l, l_int(l, x->scores), at.row), column, l_reg(l, acc));
    l_set(l, rows->most, l_op(l, OP_MAX, DTYPE_F32, l_reg(l, rows->most), l_reg(l, acc)));
    l_return(l, place);
}

static ExprId tree(Attend *x, Op op, RegId lanes) {
    Expr e = {.kind = EXPR_TREE, .op = op, .dtype = DTYPE_F32, .reg = lanes, .var = x->lane};
    return loop_expr(x->l->p, x->l->k, &e);
}

/* reg = value, for each row and lane, or each row. */
static void rows_set(Attend *x, const RowBlock *b, RegId reg, bool lanes, ExprId value) {
    LowerPlace place = l_place(x->l);
    attend_enter(x, 0, b->rows, 0, lanes);
    l_set(x->l, reg, value);
    l_return(x->l, place);
}

/* e = exp(score - largest) in place, and their sum: absent pairs give +0, which changes nothing. */
static void exponentials(Attend *x, const RowBlock *b, const Rows *rows) {
    Lower *l = x->l;
    LowerPlace place = l_place(l);
    VarId v = l_new_var(l, "j");
    l_enter_for(l, v, l_int(l, 0), b->end, ATTENTION_LANES);
    TilePlace at = attend_enter(x, 0, b->rows, 0, true);
    ExprId row = l_add(l, l_int(l, x->scores), at.row), column = l_add(l, l_var(l, v), at.column);
    ExprId z = l_op(l, OP_SUB, DTYPE_F32, attend_scratch(x, row, column), l_reg(l, rows->top));
    RegId e = attend_register(x, "e", b->rows, false, true);
    l_set(l, e, loop_op(l->p, l->k, OP_EXP, DTYPE_F32, &z, 1));
    attend_scratch_set(x, row, column, l_reg(l, e));
    l_set(l, rows->lanes, l_op(l, OP_ADD, DTYPE_F32, l_reg(l, rows->lanes), l_reg(l, e)));
    l_return(l, place);
}

/* The logarithm of the row's sum, which is all the gradient needs to make the weights again. */
static void logarithms(Attend *x, const RowBlock *b, const Rows *rows) {
    Lower *l = x->l;
    const Target *t = attend_target(x, 1);
    if (!t) return;
    uint32_t buffer = attend_store_buffer(x, t);
    LowerPlace place = l_place(l);
    TilePlace at = attend_enter(x, 0, b->rows, 0, false);
    Index to = {.pred = EXPR_NONE};
    for (uint32_t i = 0; i < x->a.batch; i++) to.axis[i] = x->batch[i];
    to.axis[x->a.batch] = l_add(l, b->i, at.row);
    access_note(l, buffer, slab_access(l, t->node, t->slab, &to));
    ExprId sum = l_reg(l, rows->sum);
    ExprId value = l_op(l, OP_ADD, DTYPE_F32, l_reg(l, rows->top),
                        loop_op(l->p, l->k, OP_LOG, DTYPE_F32, &sum, 1));
    loop_store(l->p, l->k, &l->parent, buffer, slab_position(l, t->node, t->slab, &to), value,
               EXPR_NONE);
    l_return(l, place);
}

static void result_tile(Attend *x, const RowBlock *b, RegId acc, ExprId column0, uint32_t vectors,
                        void *user) {
    const Rows *rows = user;
    Lower *l = x->l;
    const Target *t = attend_target(x, 0);
    uint32_t buffer = attend_store_buffer(x, t);
    LowerPlace place = l_place(l);
    TilePlace at = attend_enter(x, 0, b->rows, vectors, true);
    ExprId to =
        attend_position(x, t, ATTENTION_O, l_add(l, b->i, at.row), l_add(l, column0, at.column));
    ExprId value = l_op(l, OP_DIV, DTYPE_F32, l_reg(l, acc), l_reg(l, rows->sum));
    loop_store(l->p, l->k, &l->parent, buffer, to, value, EXPR_NONE);
    l_return(l, place);
}

static void forward_block(Attend *x, const RowBlock *b) {
    Lower *l = x->l;
    Rows rows = {.most = attend_register(x, "most", b->rows, false, true),
                 .top = attend_register(x, "top", b->rows, false, false),
                 .lanes = attend_register(x, "lanes", b->rows, false, true),
                 .sum = attend_register(x, "sum", b->rows, false, false)};
    rows_set(x, b, rows.most, true, l_bits(l, DTYPE_F32, 0xFF800000u));
    LowerPlace place = l_place(l);
    VarId j = l_new_var(l, "j");
    l_enter_for(l, j, l_int(l, 0), b->end, x->vectors * ATTENTION_LANES);
    score_panel(x, b, &rows, l_var(l, j));
    l_return(l, place);
    rows_set(x, b, rows.top, false, tree(x, OP_MAX, rows.most));
    rows_set(x, b, rows.lanes, true, f32_bits(l, 0));
    exponentials(x, b, &rows);
    rows_set(x, b, rows.sum, false, tree(x, OP_ADD, rows.lanes));
    logarithms(x, b, &rows);
    if (attend_target(x, 0))
        attend_products(x, b, x->scores, x->a.v, ATTENTION_V, x->e, result_tile, &rows);
}

static void forward_head(Attend *x) {
    attend_pack(x, x->a.k, ATTENTION_K, 0, x->d);
    attend_blocks(x, forward_block);
}

ExprId lower_ATTENTION(Lower *l, NodeId n, const Index *at) {
    (void)at;
    BUG("kernel %s: attention (node %u) has a kernel of its own", l->k->name, n.id);
}

void lower_attention(Lower *l) {
    Attend x = {.l = l};
    attend_heads(&x, forward_head);
}
