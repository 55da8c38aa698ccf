/* The walk over tiles whose vector operand is in panels: which of the operands stays in which
 * cache.
 *
 *     for blocks of k, for blocks of rows, for panels of columns, for tiles of rows
 *
 * A panel's part and a block of rows share the second-level cache, so that rows come from memory
 * once a block and panels once for each block of rows. A copy that is small as a whole is gone
 * through for each tile of rows instead: the result is written from one end to the other.
 *
 * Source: Goto & van de Geijn 2008; the blocks of k of BLIS, with chains that go on
 * (docs/numerics.md allows no other sum). */
#include "compiler/schedule/choice.h"
#include "compiler/schedule/tile.h"

enum {
    COPY_BYTES = 384 * 1024, /* of a vector operand that is gone through for each tile of rows */
    ROWS_BYTES = 384 * 1024, /* of a block of rows */
    NEAR_BYTES = 16 * 1024,  /* of one in the first-level cache */
    ALL_BYTES = 4096 * 1024, /* of all rows, when they are taken in blocks */
    K_BLOCK = 1024           /* of more than a chunk; divides K_CHUNK */
};

uint32_t tile_panel(const Lower *l, const Tile *t) {
    uint32_t packed = l->group->packed[t->c.in_a[t->vector_label] ? 0 : 1];
    return packed == NONE ? 0 : l->s->groups.data[packed]->panel;
}

static int64_t k_at_once(const Lower *l, const Tile *t) {
    return t->k_block > 0 ? t->k_block : dim_bound(l->s->dims, t->c.k);
}

bool tile_rows_outside(const Lower *l, const Tile *t) {
    int64_t columns = dim_bound(l->s->dims, t->c.size[t->vector_label]);
    return t->parallel != (int32_t)t->vector_label && k_at_once(l, t) <= COPY_BYTES / 4 / columns;
}

/* Few rows and long ones of the vector operand: some of those, side by side, and what the result
 * has so far from the first cache. Read by tiles of columns, each of its rows would be another
 * page. */
static int64_t thin_block(const Sched *s, const Tile *t) {
    enum { ROWS = 4, COLUMNS = 512, BLOCK = 8 };
    int64_t rows = dim_bound(s->dims, t->c.size[t->row_label]);
    int64_t columns = dim_bound(s->dims, t->c.size[t->vector_label]);
    bool thin = rows <= ROWS && columns >= COLUMNS && !contract_chunked(s, &t->c);
    return thin && dim_value(s->dims, t->c.k) > 2 * BLOCK ? BLOCK : 0;
}

/* A small result of a long k: as much of k as leaves both operands' part in the second-level cache,
 * where they need no copies then. A power of two, so that it divides K_CHUNK. */
static int64_t long_block(const Sched *s, const Tile *t) {
    enum { FITS = 768 * 1024, BYTES = 384 * 1024, FEW_ROWS = 128 };
    int64_t k = dim_value(s->dims, t->c.k), sides = dim_bound(s->dims, t->c.size[t->row_label]) +
                                                    dim_bound(s->dims, t->c.size[t->vector_label]);
    int64_t block = K_CHUNK;
    /* few rows would not pay for copies: they take shorter blocks */
    int64_t least = dim_bound(s->dims, t->c.size[t->row_label]) < FEW_ROWS ? 64 : 128;
    uint32_t rows = t->c.in_a[t->vector_label] ? 1 : 0;
    if (!operand_lies_along(s, t->c.node, rows, t->row_label)) return 0; /* k by k it comes well */
    if (sides >= BYTES / 4 / least || k <= FITS / 4 / sides) return 0;
    while (block * sides > BYTES / 4) block /= 2;
    return block >= least && k > block ? block : 0;
}

static int64_t found_block(const Sched *s, const Tile *t, bool panels) {
    bool one_loop = t->c.reduced == 1 || t->c.flat_k;
    if (t->c.slide_count > 0 || !one_loop || !dim_is_const(s->dims, t->c.k)) return 0;
    if (t->c.outer > 2) return 0;
    int64_t thin = thin_block(s, t);
    if (panels) return contract_chunked(s, &t->c) ? K_BLOCK : 0;
    return thin > 0 ? thin : long_block(s, t);
}

int64_t tile_dense_block(const Sched *s, const Tile *t, bool panels) {
    int64_t block = found_block(s, t, panels);
    const uint32_t said = choice_of(s, t->c.node)->k_block;
    if (said == 0 || block == 0) return block;
    return said == CHOICE_ALL_OF_K ? 0 : said;
}

/* Rows that whole tiles leave: 0 none, or -1 when that is known only at run time. */
static int64_t rows_left(const Lower *l, const Tile *t) {
    DimId size = t->c.size[t->row_label];
    bool shared = t->parallel == (int32_t)t->row_label && l->k->grain % t->rows != 0;
    if (!dim_is_const(l->s->dims, size) || shared) return t->rows == 1 ? 0 : -1;
    return dim_value(l->s->dims, size) % t->rows;
}

void tile_row_loop(Lower *l, Tile *t, ExprId from, ExprId to, RowTile tile, void *user) {
    ExprId end = tile_steps(l, from, to, t->rows);
    int64_t left = rows_left(l, t);
    LowerPlace place = l_place(l);
    if (end.id != from.id) {
        VarId i = l_new_var(l, "i");
        l_enter_for(l, i, from, end, t->rows);
        tile(l, t, t->rows, l_var(l, i), user);
        l_return(l, place);
    }
    if (end.id == to.id || left == 0) return;
    uint32_t rows = left > 0 ? (uint32_t)left : 1;
    VarId i = l_new_var(l, "i");
    l_enter_for(l, i, end, to, rows);
    tile(l, t, rows, l_var(l, i), user);
    l_return(l, place);
}

typedef struct PanelTile {
    ExprId from, to; /* rows */
    ExprId j, limit;
    uint32_t vectors;
} PanelTile;

static void panel_tile(Lower *l, Tile *t, uint32_t rows, ExprId i, void *user) {
    const PanelTile *p = user;
    tile_block(l, t, rows, p->vectors, i, p->j, p->limit);
}

/* Whole panels, then the one that is not. */
static void panel_loop(Lower *l, Tile *t, PanelTile p) {
    ExprId from = tile_bound(l, t, t->vector_label, false);
    ExprId to = tile_bound(l, t, t->vector_label, true);
    uint32_t step = t->vectors * l->lanes;
    int64_t left = dim_value(l->s->dims, t->c.size[t->vector_label]) % step;
    ExprId end = left == 0 ? to : tile_steps(l, from, to, step);
    LowerPlace place = l_place(l);
    VarId j = l_new_var(l, "j");
    l_enter_for(l, j, from, end, step);
    p.j = l_var(l, j);
    p.limit = EXPR_NONE;
    p.vectors = t->vectors;
    tile_row_loop(l, t, p.from, p.to, panel_tile, &p);
    l_return(l, place);
    if (left == 0) return;
    j = l_new_var(l, "j");
    l_enter_for(l, j, end, to, step);
    p.j = l_var(l, j);
    p.vectors = (uint32_t)((left + l->lanes - 1) / l->lanes);
    if (left % l->lanes != 0) p.limit = l_int(l, left);
    tile_row_loop(l, t, p.from, p.to, panel_tile, &p);
    l_return(l, place);
}

/* Short k over many columns: a block of rows and the columns of a tile lie in the first cache. With
 * a shorter one the result's own way to memory is all that counts. */
bool tile_is_short(const Lower *l, const Tile *t) {
    enum { K_LEAST = 40, K_SHORT = 96, COLUMNS = 256 };
    const Sched *s = l->s;
    DimId columns = t->c.size[t->vector_label], k = t->c.k;
    return t->stage == STAGE_WHOLE && t->c.slide_count == 0 && tile_panel(l, t) == 0 &&
           t->parallel != (int32_t)t->vector_label && dim_is_const(s->dims, columns) &&
           dim_value(s->dims, columns) >= COLUMNS && dim_is_const(s->dims, k) &&
           dim_value(s->dims, k) >= K_LEAST && dim_value(s->dims, k) <= K_SHORT;
}

/* Then one stream of memory brings them, which is not enough when they come from far. */
static bool rows_in_panels(const Lower *l, const Tile *t) {
    return l->group->packed[t->c.in_a[t->vector_label] ? 1 : 0] != NONE;
}

static int64_t rows_of_block(const Lower *l, const Tile *t, int64_t bytes) {
    int64_t k = k_at_once(l, t), block = k > 0 ? bytes / 4 / k / t->rows * t->rows : 0;
    return block < 4 * t->rows ? 4 * t->rows : block;
}

void tile_panels(Lower *l, Tile *t) {
    PanelTile p = {.limit = EXPR_NONE};
    p.from = tile_bound(l, t, t->row_label, false);
    p.to = tile_bound(l, t, t->row_label, true);
    int64_t k = k_at_once(l, t);
    int64_t block = rows_of_block(l, t, tile_panel(l, t) > 0 ? ROWS_BYTES : NEAR_BYTES);
    LowerPlace place = l_place(l);
    int64_t all = dim_bound(l->s->dims, t->c.size[t->row_label]);
    bool far = rows_in_panels(l, t) && all > ALL_BYTES / 4 / (k > 0 ? k : 1);
    if ((far || tile_panel(l, t) == 0) && all > block) {
        VarId rows = l_new_var(l, "m");
        ExprId end = p.to;
        l_enter_for(l, rows, p.from, end, block);
        p.from = l_var(l, rows);
        p.to = l_min(l, l_add(l, p.from, l_int(l, block)), end);
    }
    panel_loop(l, t, p);
    l_return(l, place);
}
