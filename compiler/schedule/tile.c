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
#include "compiler/schedule/tile.h"
#include "compiler/schedule/choice.h"

/* ------------------------------------------------------------------ one tile */

static bool int_of(const Lower *l, ExprId e, int64_t *v) {
    const Expr *x = &l->k->exprs.data[e.id];
    *v = (int64_t)x->imm;
    return x->kind == EXPR_CONST;
}

/* Accumulators: rows from i, `vectors` from j, `limit` columns or NONE; of the rows, `some` from
 * row `skip`. `panel`: the row that i's panel begins with. */
typedef struct Block {
    uint32_t rows, vectors, skip, some;
    ExprId i, j, limit, panel;
    VarId r, v, lane;
} Block;

/* Opens the loops over the block's registers and sets the labels of the row and the column. */
static void block_enter(Lower *l, Tile *t, const Block *b) {
    ExprId row = b->i, column = b->j;
    if (b->rows > 1) {
        l_enter_copies(l, b->r, b->skip, b->some);
        row = l_add(l, row, l_var(l, b->r));
    }
    ExprId q = row;
    row = tile_row_value(l, t, q);
    if (b->vectors > 1) {
        l_enter_unroll(l, b->v, b->vectors);
        column = l_add(l, column, l_mul(l, l_var(l, b->v), l_int(l, l->lanes)));
    }
    ExprId limit = b->limit;
    if (b->vectors > 1 && !expr_is_none(limit))
        limit = l_sub(l, limit, l_mul(l, l_var(l, b->v), l_int(l, l->lanes)));
    l_enter_vector(l, b->lane, l->lanes, limit);
    column = l_add(l, column, l_var(l, b->lane));
    l->panel = b->j;
    l->row_panel = b->panel;
    t->label[t->row_label] = row;
    t->label[t->vector_label] = column;
    if (t->mode == ROWS_BY_TAP) tile_place_tap(l, t, q);
    if (t->parallel == t->lead && (int32_t)t->row_label == t->lead) l->row = row;
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

static void block_step(Lower *l, Tile *t, const Block *b, RegId acc) {
    block_enter(l, t, b);
    memo_clear(l);
    l_set(l, acc, contract_step(l, &t->c, l_reg(l, acc), t->label));
}

static void products_from(Lower *l, Tile *t, const Block *b, RegId acc, uint32_t reduced);

/* The taps of the rows' windows one after the other, each for the rows that have it. */
static void products_by_tap(Lower *l, Tile *t, const Block *b, RegId acc, uint32_t reduced) {
    TapKnown before[TAPS_KNOWN_MAX];
    memcpy(before, l->taps, sizeof before);
    for (int64_t tap = 0; tap < t->slide->w.size; tap++) {
        Block some = *b;
        uint32_t from, to;
        if (!tile_rows_with_tap(l->s, t, tap, t->first, b->rows, &from, &to)) continue;
        some.skip = from;
        some.some = to - from;
        t->label[t->slide->tap] = l_int(l, tap);
        t->slide->known->known = true;
        products_from(l, t, &some, acc, reduced + 1);
        memcpy(l->taps, before, sizeof before); /* what inner loops made known */
    }
}

static void products_from(Lower *l, Tile *t, const Block *b, RegId acc, uint32_t reduced) {
    LowerPlace place = l_place(l);
    for (; reduced < t->c.reduced; reduced++) {
        uint32_t number = t->c.outer + reduced;
        if (t->slide->tap == number && t->mode == ROWS_BY_TAP) {
            products_by_tap(l, t, b, acc, reduced);
            l_return(l, place);
            return;
        }
        slides_enter_label(l, &t->c, t->row_label, number, t->label);
    }
    block_step(l, t, b, acc);
    l_return(l, place);
}

/* The operand's blocks are turned into the first cache, some k at a time. */
static void products_near(Lower *l, Tile *t, const Block *b, RegId acc, ExprId from, ExprId to) {
    int64_t step = tile_near_block();
    VarId some = l_new_var(l, "b");
    l_enter_for(l, some, from, to, step);
    ExprId start = l_var(l, some), end = l_min(l, l_add(l, start, l_int(l, step)), to);
    tile_near_fill(l, t, b->j, b->vectors, start, end);
    if (b->rows == 1) t->label[t->row_label] = b->i;
    contract_enter_k(l, &t->c, start, end, t->label);
    block_step(l, t, b, acc);
}

/* Goes on with what the accumulators hold. */
static void block_products(Lower *l, Tile *t, const Block *b, RegId acc, ExprId from, ExprId to) {
    LowerPlace place = l_place(l);
    if (t->slide && t->mode == ROWS_INSIDE) t->slide->known->known = true;
    if (l->near.on) {
        products_near(l, t, b, acc, from, to);
    } else if (t->mode == ROWS_BY_TAP) {
        products_from(l, t, b, acc, 0);
    } else {
        if (b->rows == 1) t->label[t->row_label] = b->i;
        if (t->c.slide_count > 0)
            slides_enter_k(l, &t->c, b->rows == 1 ? NONE : t->row_label, from, to, t->label);
        else
            contract_enter_k(l, &t->c, from, to, t->label);
        block_step(l, t, b, acc);
    }
    slides_forget(l);
    l_return(l, place);
}

static RegId block_sum(Lower *l, Tile *t, const Block *b) {
    RegId acc = block_register(l, t, b, "acc");
    ExprId from = l_int(l, 0), to = l_dim(l, t->c.k);
    if (!contract_chunked(l->s, &t->c)) {
        block_zero(l, t, b, acc);
        block_products(l, t, b, acc, from, to);
        return acc;
    }
    RegId total = block_register(l, t, b, "total");
    LowerPlace place = l_place(l);
    block_zero(l, t, b, total);
    VarId chunk = l_new_var(l, "c");
    l_enter_for(l, chunk, from, to, K_CHUNK);
    from = l_var(l, chunk);
    block_zero(l, t, b, acc);
    block_products(l, t, b, acc, from, l_min(l, l_add(l, from, l_int(l, K_CHUNK)), to));
    block_enter(l, t, b);
    l_set(l, total, contract_add_chunk(l, &t->c, from, l_reg(l, total), l_reg(l, acc)));
    l_return(l, place);
    return total;
}

/* ---- sums that wait in memory */

static ExprId tile_position(Lower *l, const Tile *t) {
    ExprId pos = l_int(l, 0);
    DimId stride = dim_const(l->s->dims, 1);
    for (uint32_t i = t->c.outer; i-- > 0;) {
        pos = l_add(l, l_mul(l, t->label[i], l_dim(l, stride)), pos);
        stride = dim_mul(l->s->dims, stride, t->c.size[i]);
    }
    if (t->stage != STAGE_PART) return pos;
    ExprId chunk = l_div(l, t->from, l_int(l, K_CHUNK));
    return l_add(l, l_mul(l, chunk, l_dim(l, stride)), pos);
}

/* What waits there, or 0 where nothing does yet. */
static ExprId tile_load(Lower *l, const Tile *t, uint32_t buffer, ExprId where) {
    Expr e = {.kind = EXPR_LOAD, .dtype = t->c.dtype, .nargs = 3, .buffer = buffer};
    e.args[0] = tile_position(l, t);
    e.args[1] = where;
    e.args[2] = l_bits(l, t->c.dtype, 0);
    return loop_expr(l->p, l->k, &e);
}

static void tile_store(Lower *l, const Tile *t, uint32_t buffer, RegId value) {
    ExprId at = tile_position(l, t);
    loop_store(l->p, l->k, &l->parent, buffer, at, l_reg(l, value), EXPR_NONE);
}

static void block_part(Lower *l, Tile *t, const Block *b) {
    RegId acc = block_register(l, t, b, "acc");
    ExprId zero = l_int(l, 0), chunk = l_int(l, K_CHUNK);
    ExprId goes_on = l_op(l, OP_LESS, DTYPE_BOOL, zero, l_mod(l, t->from, chunk));
    ExprId later = l_op(l, OP_LESS, DTYPE_BOOL, l_int(l, K_CHUNK - 1), t->from);
    ExprId ends = l_op(l, OP_EQUAL, DTYPE_BOOL, l_mod(l, t->to, chunk), zero);
    ExprId all = l_op(l, OP_EQUAL, DTYPE_BOOL, t->to, l_dim(l, t->c.k));
    ends = l_op(l, OP_OR, DTYPE_BOOL, ends, all);
    LowerPlace place = l_place(l);
    block_enter(l, t, b);
    l_set(l, acc, tile_load(l, t, t->part, goes_on));
    l_return(l, place);
    block_products(l, t, b, acc, t->from, t->to);
    if (!contract_chunked(l->s, &t->c)) {
        block_enter(l, t, b);
        tile_store(l, t, t->part, acc);
        l_return(l, place);
        return;
    }
    RegId sum = block_register(l, t, b, "sum");
    block_enter(l, t, b);
    ExprId before = tile_load(l, t, t->total, later);
    ExprId more = l_op(l, OP_ADD, t->c.dtype, before, l_reg(l, acc));
    more = l_select(l, t->c.dtype, later, more, l_reg(l, acc));
    l_set(l, sum, l_select(l, t->c.dtype, ends, more, before));
    tile_store(l, t, t->part, acc);
    tile_store(l, t, t->total, sum);
    l_return(l, place);
}

/* The chain of one chunk goes on. */
static void block_of_chunk(Lower *l, Tile *t, const Block *b) {
    RegId acc = block_register(l, t, b, "acc");
    ExprId zero = l_int(l, 0), chunk = l_int(l, K_CHUNK);
    ExprId goes_on = l_op(l, OP_LESS, DTYPE_BOOL, zero, l_mod(l, t->from, chunk));
    LowerPlace place = l_place(l);
    block_enter(l, t, b);
    l_set(l, acc, tile_load(l, t, t->part, goes_on));
    l_return(l, place);
    block_products(l, t, b, acc, t->from, t->to);
    block_enter(l, t, b);
    tile_store(l, t, t->part, acc);
    l_return(l, place);
}

/* The last block goes on with what waits and is the result. */
static RegId block_last(Lower *l, Tile *t, const Block *b) {
    RegId acc = block_register(l, t, b, "acc");
    LowerPlace place = l_place(l);
    block_enter(l, t, b);
    l_set(l, acc, loop_load(l->p, l->k, t->part, tile_position(l, t)));
    l_return(l, place);
    block_products(l, t, b, acc, t->from, t->to);
    return acc;
}

static RegId block_total(Lower *l, Tile *t, const Block *b) {
    RegId sum = block_register(l, t, b, "sum");
    ExprId some = l_op(l, OP_LESS, DTYPE_BOOL, l_int(l, 0), l_dim(l, t->c.k));
    LowerPlace place = l_place(l);
    block_enter(l, t, b);
    l_set(l, sum, tile_load(l, t, t->total, some));
    l_return(l, place);
    return sum;
}

/* The lines of the tile's own places that its epilogue will load. */
static void block_ahead(Lower *l, Tile *t, const Block *b) {
    for (uint32_t read = 0; read < l->group->reads.len; read++) {
        if (!ahead_of_epilogue(l, t, read)) continue;
        LowerPlace place = l_place(l);
        ExprId row = b->i, column = b->j;
        if (b->rows > 1) {
            l_enter_unroll(l, b->r, b->rows);
            row = l_add(l, row, l_var(l, b->r));
        }
        if (b->vectors > 1) {
            l_enter_unroll(l, b->v, b->vectors);
            column = l_add(l, column, l_mul(l, l_var(l, b->v), l_int(l, l->lanes)));
        }
        t->label[t->row_label] = tile_row_value(l, t, row);
        t->label[t->vector_label] = column;
        ahead_of_element(l, t, read);
        l_return(l, place);
    }
}

void tile_block(Lower *l, Tile *t, uint32_t rows, uint32_t vectors, ExprId i, ExprId j,
                ExprId limit) {
    Block b = {.rows = rows, .vectors = vectors, .some = rows, .i = i, .j = j, .limit = limit};
    b.panel = i;
    b.r = l_new_var(l, "r");
    b.v = l_new_var(l, "v");
    b.lane = l_new_var(l, "l");
    if (t->stage == STAGE_WHOLE || t->stage == STAGE_LAST) block_ahead(l, t, &b);
    if (t->stage == STAGE_BLOCK) {
        block_part(l, t, &b);
        return;
    }
    if (t->stage == STAGE_PART) {
        ahead_begin(l, t, i, j, t->rows, tile_block_of_k(l->s, t));
        block_of_chunk(l, t, &b);
        l->ahead.tiles = 0;
        return;
    }
    RegId sum = t->stage == STAGE_FINISH ? block_total(l, t, &b)
                : t->stage == STAGE_LAST ? block_last(l, t, &b)
                                         : block_sum(l, t, &b);
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

ExprId tile_bound(Lower *l, const Tile *t, uint32_t label, bool end) {
    Expr e = {.kind = end ? EXPR_HI : EXPR_LO, .dtype = DTYPE_I64};
    if (t->parallel == (int32_t)label) return loop_expr(l->p, l->k, &e);
    return end ? l_dim(l, t->c.size[label]) : l_int(l, 0);
}

ExprId tile_steps(Lower *l, ExprId from, ExprId to, uint32_t step) {
    ExprId width = l_int(l, step);
    return l_add(l, from, l_mul(l, l_div(l, l_sub(l, to, from), width), width));
}

/* Blocks of `vectors` vectors over columns [from, to); returns where they end. */
static ExprId columns_by(Lower *l, Tile *t, uint32_t rows, ExprId i, ExprId from, ExprId to,
                         uint32_t vectors) {
    uint32_t step = vectors * l->lanes;
    ExprId end = tile_steps(l, from, to, step);
    int64_t a, b;
    bool fixed = int_of(l, from, &a) && int_of(l, end, &b);
    if (end.id == from.id) return end;
    if (fixed && b == a + step) {
        tile_block(l, t, rows, vectors, i, from, EXPR_NONE);
        return end;
    }
    LowerPlace place = l_place(l);
    VarId j = l_new_var(l, "j");
    l_enter_for(l, j, from, end, step);
    tile_block(l, t, rows, vectors, i, l_var(l, j), EXPR_NONE);
    l_return(l, place);
    return end;
}

static void rest_of_columns(Lower *l, Tile *t, uint32_t rows, ExprId i, ExprId j, int64_t left) {
    uint32_t vectors = (uint32_t)((left + l->lanes - 1) / l->lanes);
    tile_block(l, t, rows, vectors, i, j, left % l->lanes == 0 ? EXPR_NONE : l_int(l, left));
}

static void columns(Lower *l, Tile *t, uint32_t rows, ExprId i, uint32_t vectors) {
    ExprId from = tile_bound(l, t, t->vector_label, false);
    ExprId to = tile_bound(l, t, t->vector_label, true);
    ExprId at = columns_by(l, t, rows, i, from, to, vectors);
    DimId size = t->c.size[t->vector_label];
    int64_t a, b, step = vectors * l->lanes;
    if (t->parallel == (int32_t)t->vector_label && l->k->grain % step == 0 &&
        dim_is_const(l->s->dims, size) && dim_value(l->s->dims, size) % step == 0)
        return;
    bool fixed = int_of(l, at, &a) && int_of(l, to, &b);
    if (fixed) { /* what is left is one tile, perhaps narrower, its last vector perhaps in part */
        if (b > a) rest_of_columns(l, t, rows, i, at, b - a);
        return;
    }
    if (vectors > 1) at = columns_by(l, t, rows, i, at, to, 1);
    LowerPlace place = l_place(l);
    VarId j = l_new_var(l, "j"); /* at most one partial vector: a loop of none or one */
    l_enter_for(l, j, at, to, l->lanes);
    at = l_var(l, j);
    tile_block(l, t, rows, 1, i, at, l_sub(l, to, at));
    l_return(l, place);
}

static void column_tiles(Lower *l, Tile *t, uint32_t rows, ExprId i, void *user) {
    (void)user;
    uint32_t vectors = t->vectors;
    DimId n = t->c.size[t->vector_label];
    if (rows == 1 && t->rows > 1 && tile_panel(l, t) == 0 && !l->near.on) {
        /* single rows: as many vectors as registers allow; a turned block has its own width */
        vectors = t->rows;
        if (dim_is_const(l->s->dims, n))
            while (vectors > 1 && (int64_t)vectors * l->lanes > dim_value(l->s->dims, n))
                vectors /= 2;
    }
    columns(l, t, rows, i, vectors);
}

/* ------------------------------------------------------------------ rows that are windows */

/* Rows [at, end) in tiles of `rows`: one code for the run of tiles that are inside, one for each
 * other. */
static void fixed_rows(Lower *l, Tile *t, int64_t at, int64_t end, uint32_t rows) {
    while (at < end) {
        uint32_t now = end - at < rows ? (uint32_t)(end - at) : rows;
        int64_t stop = at + now;
        bool inside = t->slide->w.spacing == 1 && tile_inside(l->s, t, at, now);
        while (inside && now == rows && end - stop >= rows && tile_inside(l->s, t, stop, rows))
            stop += rows;
        t->mode = inside ? ROWS_INSIDE : ROWS_BY_TAP;
        t->first = at;
        LowerPlace place = l_place(l);
        ExprId i = l_int(l, at);
        if (stop > at + now) {
            VarId v = l_new_var(l, "i");
            l_enter_for(l, v, i, l_int(l, stop), rows);
            i = l_var(l, v);
        }
        columns(l, t, now, i, t->vectors);
        l_return(l, place);
        at = stop;
    }
    t->mode = ROWS_TESTED;
}

/* Tiles of equal size, nearly; with holes in the source, each phase by itself. */
static void window_rows(Lower *l, Tile *t) {
    int64_t windows = dim_value(l->s->dims, t->slide->windows), gap = t->slide->w.spacing;
    for (t->phase = 0; t->phase < gap && t->phase < windows; t->phase++) {
        int64_t rows = (windows - t->phase + gap - 1) / gap, tiles = (rows + t->rows - 1) / t->rows;
        fixed_rows(l, t, 0, rows, (uint32_t)((rows + tiles - 1) / tiles));
    }
    t->phase = 0;
}

static void even_rows(Lower *l, Tile *t) {
    int64_t n = dim_value(l->s->dims, t->c.size[t->row_label]);
    uint32_t rest = (uint32_t)(n % t->rows);
    LowerPlace place = l_place(l);
    if (n >= t->rows) {
        VarId i = l_new_var(l, "i");
        l_enter_for(l, i, l_int(l, 0), l_int(l, n - rest), t->rows);
        columns(l, t, t->rows, l_var(l, i), t->vectors);
        l_return(l, place);
    }
    if (rest > 0) columns(l, t, rest, l_int(l, n - rest), t->vectors);
}

static void outer_labels(Lower *l, Tile *t, uint32_t label) {
    LowerPlace place = l_place(l);
    for (; label < t->c.outer; label++) {
        if (label == t->row_label || label == t->vector_label) continue;
        VarId o = l_new_var(l, "o");
        ExprId from = tile_bound(l, t, label, false), to = tile_bound(l, t, label, true);
        l_enter_for(l, o, from, to, 1);
        t->label[label] = l_var(l, o);
        if (t->parallel == t->lead && (int32_t)label == t->lead) l->row = t->label[label];
    }
    if (tile_rows_fixed(l->s, t))
        window_rows(l, t);
    else if (t->even)
        even_rows(l, t);
    else if (tile_is_short(l, t) || (tile_panel(l, t) > 0 && !tile_rows_outside(l, t)))
        tile_panels(l, t);
    else
        tile_row_loop(l, t, tile_bound(l, t, t->row_label, false),
                      tile_bound(l, t, t->row_label, true), column_tiles, NULL);
    l_return(l, place);
}

static uint32_t waiting_buffer(Lower *l, const Tile *t, const char *name) {
    Sched *s = l->s;
    uint32_t b =
        buffer_create(s, arena_printf(s->arena, "%s.%u", name, s->out->buffers.len), STORAGE_ARENA,
                      0, t->c.dtype, dims_product(s, t->c.size, t->c.outer));
    uint32_t position = loop_use(l->p, l->k, b, true);
    access_note(l, position, ACCESS_ANY);
    return position;
}

/* Block after block of k, the operands' part of which stays in a cache. Where k is one chunk, the
 * last block has the result; else it waits until all is there. */
static void blocks_of_k(Lower *l, Tile *t) {
    LowerPlace place = l_place(l);
    bool chunked = contract_chunked(l->s, &t->c);
    ExprId size = l_dim(l, t->c.k), end = size;
    int64_t last = 0, k = dim_bound(l->s->dims, t->c.k);
    if (!chunked) {
        last = (k - 1) / t->k_block * t->k_block;
        end = l_int(l, last);
    }
    t->part = waiting_buffer(l, t, "part");
    if (chunked) t->total = waiting_buffer(l, t, "total");
    VarId b = l_new_var(l, "b");
    l_enter_for(l, b, l_int(l, 0), end, t->k_block);
    t->stage = STAGE_BLOCK;
    t->from = l_var(l, b);
    t->to = l_add(l, t->from, l_int(l, t->k_block));
    if (chunked) t->to = l_min(l, t->to, size);
    outer_labels(l, t, 0);
    l_return(l, place);
    t->stage = chunked ? STAGE_FINISH : STAGE_LAST;
    t->from = l_int(l, last);
    t->to = size;
    outer_labels(l, t, 0);
}

bool lower_tiles(Lower *l) {
    Tile t = {.c = contract_of(l->s, l->group->core), .parallel = -1};
    int64_t grain = 1;
    slides_find(l, &t.c);
    if (!tile_choose_labels(l->s, &t)) {
        l->tap_count = 0;
        return false;
    }
    tile_choose_sizes(l->s, &t, l->lanes);
    t.lead = (int32_t)dims_leading(l->s, t.c.size, t.c.outer);
    if (tile_near_wanted(l->s, &t)) tile_near_open(l, &t);
    threads_choose(l->s, l->group, t.c.size, t.c.outer, &t.parallel, &grain);
    bool windows = tile_sums_windows(&t) && contract_chunked(l->s, &t.c) && t.c.reduced > 1;
    t.k_block =
        windows ? tile_block_of_k(l->s, &t) : tile_dense_block(l->s, &t, tile_panel(l, &t) > 0);
    if (l->near.on) t.k_block = 0;
    if (t.c.slide_count > 0 && t.parallel > 0) tile_choose_parallel(l->s, &t, l->lanes, &grain);
    if (t.parallel == (int32_t)t.row_label) t.even = false;
    if (t.parallel == (int32_t)t.vector_label && l->near.on) grain = l->near.width;
    if (t.parallel == (int32_t)t.vector_label && tile_panel(l, &t) > 0) grain = tile_panel(l, &t);
    l->k->parallel = t.parallel >= 0;
    l->k->grain = grain;
    if (l->k->parallel) l->k->extent = t.c.size[t.parallel];
    l->extent = l->k->extent;
    bool whole = t.parallel >= 0 && t.parallel != (int32_t)t.row_label &&
                 t.parallel != (int32_t)t.vector_label && t.k_block == 0;
    if (whole) l->k->strip = 1;
    lower_scalars(l);
    if (t.k_block > 0)
        blocks_of_k(l, &t);
    else
        outer_labels(l, &t, 0);
    bool row_panels = l->group->packed[t.c.in_a[t.vector_label] ? 1 : 0] != NONE;
    choice_note(l->s, l->k, &t, tile_panel(l, &t) > 0, row_panels, l->near.on);
    return true;
}

void lower_tile_parts(Lower *l) {
    NodeId id = l->group->partials.data[0];
    Tile t = {.c = contract_of(l->s, id), .parallel = -1, .stage = STAGE_PART};
    slides_find(l, &t.c);
    if (!tile_choose_labels(l->s, &t)) BUG("kernel %s: no tiles", l->k->name);
    tile_choose_sizes(l->s, &t, l->lanes);
    l->k->parallel = true;
    l->k->extent = l->extent = t.c.k;
    l->k->grain = K_CHUNK;
    lower_scalars(l);
    t.part = loop_use(l->p, l->k, plan_of(l->s, id)->parts, true);
    access_note(l, t.part, ACCESS_ANY);
    Expr lo = {.kind = EXPR_LO, .dtype = DTYPE_I64}, hi = {.kind = EXPR_HI, .dtype = DTYPE_I64};
    ExprId first = loop_expr(l->p, l->k, &lo), end = loop_expr(l->p, l->k, &hi);
    int64_t block = tile_block_of_k(l->s, &t); /* divides a chunk, where ranges begin */
    VarId k = l_new_var(l, "b");
    l_enter_for(l, k, first, end, block);
    t.from = l_var(l, k);
    t.to = l_min(l, l_add(l, t.from, l_int(l, block)), end);
    outer_labels(l, &t, 0);
    choice_note(l->s, l->k, &t, false, false, false);
}
