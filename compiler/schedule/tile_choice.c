/* Which labels a tile of contract spans, and how many of each. Costs count vector instructions; the
 * sizes were measured (docs/schedule.md). */
#include "compiler/schedule/choice.h"
#include "compiler/schedule/tile.h"

bool tile_choose_labels(const Sched *s, Tile *t) {
    const Contract *c = &t->c;
    if (c->outer < 2) return false;
    t->vector_label = contract_vector_label(s, c->node);
    if (c->in_a[t->vector_label] == c->in_b[t->vector_label]) return false;
    const bool *in_vector = c->in_a[t->vector_label] ? c->in_a : c->in_b;
    t->row_label = NONE;
    if (slide_with(c, t->vector_label, false) || slide_with(c, t->vector_label, true)) return false;
    for (uint32_t label = 0; label < c->outer; label++)
        if (!in_vector[label] && !dim_equals(s->dims, c->size[label], 1) &&
            (t->row_label == NONE || !slide_with(c, label, true)))
            t->row_label = label;
    for (uint32_t label = 0; label < c->outer && t->row_label == NONE; label++)
        if (!in_vector[label]) t->row_label = label; /* one row */
    if (t->row_label != NONE) t->slide = slide_with(c, t->row_label, false);
    return t->row_label != NONE;
}

/* Columns that one tile of fewer rows can take whole, over rows that come from afar: each row is
 * then read once, where two tiles of columns would read it twice (64 and 96 columns over 4,096 rows
 * of 256 to 1,024: 17 to 20 % less time). */
static bool columns_at_once(const Sched *s, Tile *t, uint64_t whole, uint64_t rest) {
    enum { LEAST = 4, MOST = 6, ROWS = 4, FAR_BYTES = 2 << 20, K_LEAST = 128 };
    const Contract *c = &t->c;
    int64_t bytes = 4 * node_bound(s, c->in_a[t->row_label] ? c->a : c->b);
    if (t->rows != 2 * ROWS || s->options.vector_registers < 32 || rest != 0) return false;
    if (whole < LEAST || whole > MOST || bytes < FAR_BYTES) return false;
    if (dim_bound(s->dims, c->k) < K_LEAST) return false;
    if (!operand_lies_along(s, c->node, c->in_a[t->row_label] ? 0 : 1, c->outer + c->reduced - 1))
        return false; /* rows that are neighbours: another k, another place */
    t->rows = ROWS;
    t->vectors = (uint32_t)whole;
    return true;
}

/* MR rows by NV vectors: MR * NV accumulators, NV vectors of the operand and one spare fit the
 * registers. Costs count vector instructions of one k over all columns; a remainder of columns is a
 * tile of its own, so it is charged for its code and for its cold start (8x2 without a remainder
 * measured 3 % better than 8x3 with one). */
static void choose_dense_sizes(const Sched *s, Tile *t, uint32_t lanes) {
    uint32_t registers = s->options.vector_registers;
    uint32_t widest = registers >= 32 ? 3 : 2;
    DimId columns = t->c.size[t->vector_label], rows = t->c.size[t->row_label];
    t->rows = registers >= 32 ? 8 : 4;
    if (dim_is_const(s->dims, rows) && dim_value(s->dims, rows) < 2 * t->rows - 1) {
        /* few rows are one tile */
        t->rows = (uint32_t)(dim_value(s->dims, rows) > 0 ? dim_value(s->dims, rows) : 1);
        widest = t->rows == 1 ? registers - 4 : (registers - 2) / (t->rows + 1);
    }
    t->vectors = widest;
    if (!dim_is_const(s->dims, columns)) return;
    uint64_t whole = (uint64_t)dim_value(s->dims, columns) / lanes;
    if (columns_at_once(s, t, whole, (uint64_t)dim_value(s->dims, columns) % lanes)) return;
    double best = 0;
    for (uint32_t v = 1; v <= widest && (v == 1 || v <= whole); v++) {
        double tile = (double)(t->rows * v + v) + t->rows / 2.0;
        double rest = (double)(whole % v);
        double cost = (double)(whole / v) * tile;
        if (rest > 0) cost += 1.5 * (t->rows * rest + rest + t->rows / 2.0 + 4);
        if (v == 1 || cost < best) {
            best = cost;
            t->vectors = v;
        }
    }
}

bool tile_sums_windows(const Tile *t) {
    for (uint32_t i = 0; i < t->c.slide_count; i++)
        if (t->c.slides[i].pos >= t->c.outer && t->c.slides[i].tap < t->c.outer) return true;
    return false;
}

static void choose_as_said(const Sched *s, Tile *t) {
    const Choice *said = choice_of(s, t->c.node);
    if (said->rows == 0) return;
    t->rows = said->rows;
    t->vectors = said->vectors;
}

/* Windows: more rows, as their number is seldom a multiple of 8. */
static void choose_window_sizes(const Sched *s, Tile *t, uint32_t lanes) {
    uint32_t registers = s->options.vector_registers, most = registers - 4;
    DimId columns = t->c.size[t->vector_label], rows = t->c.size[t->row_label];
    if (dim_is_const(s->dims, columns)) {
        int64_t whole = (dim_value(s->dims, columns) + lanes - 1) / lanes;
        t->vectors = whole <= 1 ? 1 : whole % 3 == 0 && whole % 2 != 0 && registers >= 32 ? 3 : 2;
    }
    t->rows = t->vectors == 1 ? (registers >= 32 ? 16 : 8) : most / t->vectors;
    choose_as_said(s, t);
    if (t->slide || !dim_is_const(s->dims, rows)) return;
    int64_t n = dim_value(s->dims, rows), tiles = (n + t->rows - 1) / t->rows;
    t->rows = (uint32_t)((n + tiles - 1) / tiles);
    t->even = true;
    if (slide_with(&t->c, t->row_label, true)) t->rows = 1;
}

/* Whole tiles of columns, or of rows that are no windows; else another label. */
void tile_choose_parallel(const Sched *s, Tile *t, uint32_t lanes, int64_t *grain) {
    int64_t most = 0, step = t->vectors * lanes;
    DimId columns = t->c.size[t->vector_label];
    if (dim_is_const(s->dims, columns) && dim_value(s->dims, columns) >= 2 * step &&
        dim_value(s->dims, columns) % step == 0 && t->c.outer - 1 == t->vector_label) {
        t->parallel = (int32_t)t->vector_label;
        *grain = step;
        return;
    }
    DimId rows = t->c.size[t->row_label];
    int64_t tile = t->rows;
    if (t->even && dim_value(s->dims, rows) > tile) { /* fewer rows, if that makes equal tiles */
        while (tile > 6 && dim_value(s->dims, rows) % tile != 0) tile--;
        if (dim_value(s->dims, rows) % tile == 0) {
            t->rows = (uint32_t)tile;
            t->parallel = (int32_t)t->row_label;
            *grain = tile;
            return;
        }
    }
    for (uint32_t label = 0; label + 1 < t->c.outer; label++) {
        int64_t size = dim_bound(s->dims, t->c.size[label]);
        if (label == t->row_label || size <= most) continue;
        most = size;
        t->parallel = (int32_t)label;
    }
    *grain = 1;
    if (most <= 1) t->parallel = -1;
}

/* Elements of k whose operands stay in a second-level cache. */
int64_t tile_block_of_k(const Sched *s, const Tile *t) {
    enum { BYTES = 384 * 1024 };
    int64_t each = 4 * (dim_bound(s->dims, t->c.size[t->vector_label]) +
                        dim_bound(s->dims, t->c.size[t->row_label]));
    int64_t block = K_CHUNK;
    while (block > 512 && block > BYTES / each) block /= 2;
    uint32_t said = choice_of(s, t->c.node)->k_block;
    return said > 0 && said <= K_CHUNK ? said : block;
}

void tile_choose_sizes(const Sched *s, Tile *t, uint32_t lanes) {
    choose_dense_sizes(s, t, lanes);
    choose_as_said(s, t);
    if (t->c.slide_count > 0) choose_window_sizes(s, t, lanes);
}

/* Columns of a whole tile. */
uint32_t tile_columns(const Sched *s, NodeId contract) {
    uint32_t lanes = s->options.vector_bytes / 4;
    Tile t = {.c = contract_labels(s, contract), .parallel = -1};
    if (dtype_bytes(t.c.dtype) != 4 || !tile_choose_labels(s, &t)) return 0;
    tile_choose_sizes(s, &t, lanes);
    return t.vectors * lanes;
}

uint32_t tile_row_count(const Sched *s, NodeId contract, uint32_t *label) {
    Tile t = {.c = contract_labels(s, contract), .parallel = -1};
    if (!tile_choose_labels(s, &t)) return 0;
    tile_choose_sizes(s, &t, s->options.vector_bytes / 4);
    *label = t.row_label;
    bool fits = dim_is_const(s->dims, t.c.size[t.row_label]) && ROW_GRAIN % t.rows == 0;
    return fits ? t.rows : 0;
}

bool tile_in_blocks(const Sched *s, NodeId contract) {
    Tile t = {.c = contract_labels(s, contract), .parallel = -1};
    return tile_choose_labels(s, &t) && tile_dense_block(s, &t, false) > 0;
}
