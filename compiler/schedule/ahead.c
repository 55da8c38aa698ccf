/* Operands asked for before they are needed.
 *
 * A sum over windows goes through its operands block by block of k, and all tiles of the result
 * take a block before the next (tile.c). The first tile would wait for each line of the block, the
 * others find it in the second-level cache. So every tile, beside each row of windows it goes
 * through, asks for its share of the same row one block later: the lines come while the machine
 * multiplies. Only a hint: where it points may be wrong at the edges, and is never checked.
 *
 * An epilogue reads each of its operands once, at the tile's own places: rows that lie far apart,
 * so that nothing reads them ahead (the part of a recurrent layer's sums that was made for all
 * steps at once; a weight and its moments). They are asked for when the tile begins. */
#include "compiler/schedule/tile.h"

enum {
    LINE_BYTES = 64,
    HINTS_MAX = 6,
    EPILOGUE_BYTES = 1 << 20, /* of a buffer: beyond the second-level cache */
    EPILOGUE_K = 64           /* steps of k that pay for the hints */
};

/* Which of `parts` tiles this one is. */
static ExprId tile_number(Lower *l, const Tile *t, ExprId i, ExprId j, uint32_t rows,
                          int64_t *parts) {
    ExprId number = l_int(l, 0);
    *parts = 1;
    for (uint32_t label = 0; label < t->c.outer; label++) {
        int64_t step = 1, size = dim_bound(l->s->dims, t->c.size[label]);
        ExprId at = t->label[label];
        if (label == t->row_label) {
            step = rows;
            at = i;
        } else if (label == t->vector_label) {
            step = (int64_t)t->vectors * l->lanes;
            at = j;
        }
        int64_t count = (size + step - 1) / step;
        if (step > 1) at = l_div(l, at, l_int(l, step));
        number = l_add(l, l_mul(l, number, l_int(l, count)), at);
        *parts *= count;
    }
    return number;
}

void ahead_begin(Lower *l, const Tile *t, ExprId i, ExprId j, uint32_t rows, int64_t block) {
    l->ahead = (Ahead){.block = block};
    l->ahead.tile = tile_number(l, t, i, j, rows, &l->ahead.tiles);
}

/* The stored operand behind views, or false. */
static bool stored_operand(const Lower *l, NodeId *id) {
    while (lower_is_inline(l, *id)) {
        const GNode *n = node_of(l->s, *id);
        if (n->op != OP_PERMUTE && n->op != OP_WINDOW && !node_widens(l->s, *id)) return false;
        *id = n->args[0];
    }
    return plan_of(l->s, *id)->buffer != NONE && !plan_of(l->s, *id)->slab;
}

/* Where row `label[]` of the reduced labels (all but the last) begins in the operand, which has
 * those axes first, and how many elements it has. */
static ExprId row_begin(Lower *l, const Contract *c, uint32_t which, const ExprId *label,
                        int64_t *elements) {
    const bool *in = which ? c->in_b : c->in_a;
    uint32_t last = c->outer + c->reduced - 1;
    ExprId row = l_int(l, 0);
    int64_t size = 1;
    for (uint32_t r = c->outer; r <= last; r++) {
        const Slide *s = slide_with(c, r, false);
        DimId source = s ? s->source : c->size[r];
        ExprId at = label[r];
        if (s && s->w.stride > 1) at = l_mul(l, at, l_int(l, s->w.stride));
        if (r < last)
            row = l_add(l, l_mul(l, row, l_dim(l, source)), at);
        else
            size = dim_bound(l->s->dims, source);
    }
    for (uint32_t o = 0; o < c->outer; o++)
        if (in[o] && !slide_with(c, o, true)) size *= dim_bound(l->s->dims, c->size[o]);
    *elements = size;
    return l_mul(l, row, l_int(l, size));
}

void ahead_of_row(Lower *l, const Contract *c, ExprId segment) {
    uint32_t last = c->outer + c->reduced - 1;
    if (l->ahead.tiles == 0 || !dim_is_const(l->s->dims, c->size[last])) return;
    int64_t width = dim_value(l->s->dims, c->size[last]);
    ExprId label[2 * RANK_MAX];
    ExprId later = l_add(l, segment, l_int(l, (l->ahead.block + width - 1) / width));
    split_position(l, later, c->size + c->outer, c->reduced - 1, label + c->outer);
    for (uint32_t which = 0; which < 2; which++) {
        NodeId id = which ? c->b : c->a;
        int64_t elements;
        if (!stored_operand(l, &id)) continue;
        ExprId begin = row_begin(l, c, which, label, &elements);
        uint32_t bytes = dtype_bytes(node_of(l->s, id)->dtype);
        int64_t lines = (elements * bytes + LINE_BYTES - 1) / LINE_BYTES;
        int64_t own = (lines + l->ahead.tiles - 1) / l->ahead.tiles;
        if (own > HINTS_MAX) own = HINTS_MAX;
        uint32_t position = loop_use(l->p, l->k, plan_of(l->s, id)->buffer, false);
        for (int64_t h = 0; h < own; h++) {
            ExprId line = l_add(l, l_mul(l, l->ahead.tile, l_int(l, own)), l_int(l, h));
            ExprId at = l_add(l, begin, l_mul(l, line, l_int(l, LINE_BYTES / bytes)));
            loop_prefetch(l->p, l->k, l->nested ? &l->parent : NULL, position, at);
        }
    }
}

bool ahead_of_epilogue(const Lower *l, const Tile *t, uint32_t read) {
    const Sched *s = l->s;
    NodeId id = l->group->reads.data[read];
    const NodePlan *p = plan_of(s, id);
    if (!s->options.fusion || !l->group->exact.data[read] || p->buffer == NONE) return false;
    if (dim_bound(s->dims, t->c.k) < EPILOGUE_K || !node_same_dims(s, id, t->c.node)) return false;
    const LoopBuffer *b = &s->out->buffers.data[p->buffer];
    return dim_bound(s->dims, b->count) >= EPILOGUE_BYTES / (int64_t)dtype_bytes(b->dtype);
}

void ahead_of_element(Lower *l, const Tile *t, uint32_t read) {
    NodeId id = l->group->reads.data[read];
    const NodePlan *p = plan_of(l->s, id);
    Index at = {.pred = EXPR_NONE};
    for (uint32_t a = 0; a < t->c.outer; a++) at.axis[a] = t->label[a];
    ExprId place = slab_position(l, id, p->slab, &at);
    uint32_t position = loop_use(l->p, l->k, p->buffer, false);
    loop_prefetch(l->p, l->k, l->nested ? &l->parent : NULL, position, place);
}
