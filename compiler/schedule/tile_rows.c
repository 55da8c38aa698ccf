/* The rows of a tile that are windows side by side: which of them have a tap, and where it stands.
 */
#include "compiler/schedule/tile.h"

static bool int_of(const Lower *l, ExprId e, int64_t *v) {
    const Expr *x = &l->k->exprs.data[e.id];
    *v = (int64_t)x->imm;
    return x->kind == EXPR_CONST;
}

/* The row label's value of row q: with holes in the source, rows are taken one phase at a time. */
ExprId tile_row_value(Lower *l, const Tile *t, ExprId q) {
    if (!t->slide || t->slide->w.spacing == 1 || t->mode == ROWS_TESTED) return q;
    return l_add(l, l_mul(l, q, l_int(l, t->slide->w.spacing)), l_int(l, t->phase));
}

/* Where tap `tap` of row q stands in the source: q·step + offset. False: in a hole, for every row.
 */
static bool tap_offset(const Tile *t, int64_t tap, int64_t *step, int64_t *offset) {
    const WindowAxis *w = &t->slide->w;
    int64_t at = t->phase + tap * w->dilation - w->low;
    *step = w->spacing == 1 ? w->stride : 1;
    *offset = at >= 0 ? at / w->spacing : -((w->spacing - 1 - at) / w->spacing);
    return *offset * w->spacing == at;
}

static int64_t ceil_div(int64_t a, int64_t b) { /* b > 0 */
    return a >= 0 ? (a + b - 1) / b : -(-a / b);
}

/* Tells where the tap that label `tap` holds is, in row q. */
void tile_place_tap(Lower *l, const Tile *t, ExprId q) {
    int64_t tap, step, offset;
    if (!t->slide->known->known || !int_of(l, t->label[t->slide->tap], &tap)) return;
    if (!tap_offset(t, tap, &step, &offset)) BUG("kernel %s: a tap in a hole", l->k->name);
    t->slide->known->position = l_add(l, l_mul(l, q, l_int(l, step)), l_int(l, offset));
}

/* Rows [*from, *to) of a tile of `rows` rows, the first one `first`, have the tap. */
bool tile_rows_with_tap(const Sched *s, const Tile *t, int64_t tap, int64_t first, uint32_t rows,
                        uint32_t *from, uint32_t *to) {
    int64_t step, offset, size = dim_value(s->dims, t->slide->source);
    if (!tap_offset(t, tap, &step, &offset)) return false;
    int64_t low = ceil_div(-offset, step) - first, high = ceil_div(size - offset, step) - first;
    if (low < 0) low = 0;
    if (high > rows) high = rows;
    if (low >= high) return false;
    *from = (uint32_t)low;
    *to = (uint32_t)high;
    return true;
}

/* Are the tile's rows and all their taps known now? */
bool tile_rows_fixed(const Sched *s, const Tile *t) {
    const Slide *w = t->slide;
    return w && dim_is_const(s->dims, w->windows) && dim_is_const(s->dims, w->source) &&
           w->tap >= t->c.outer && w->w.size <= 16 && !contract_chunked(s, &t->c) &&
           t->parallel != (int32_t)t->row_label && (w->w.spacing == 1 || w->w.stride == 1);
}

bool tile_inside(const Sched *s, const Tile *t, int64_t first, uint32_t rows) {
    for (int64_t tap = 0; tap < t->slide->w.size; tap++) {
        uint32_t from, to;
        if (!tile_rows_with_tap(s, t, tap, first, rows, &from, &to) || to - from != rows)
            return false;
    }
    return true;
}
