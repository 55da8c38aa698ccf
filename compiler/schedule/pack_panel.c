/* Operands of contractions copied in panels: what one register tile reads stands together, k after
 * k, so that it streams through the cache whatever the operand's strides are.
 *
 *     panel p, k, offset o:   copy[(p * (K + 2) + k) * width + o] = operand[k, p * width + o]
 *
 * The two rows between panels keep them from beginning in one set of the cache.
 *
 * and one such copy after another for each position of the axes that are neither k's nor the
 * panel's. Where the operand's neighbours in memory are neighbours in k (x @ w.T), blocks are
 * turned in registers; else rows of a panel are copied.
 *
 * Precondition: the panel's axis has a constant size. Its last panel is whole in memory. */
#include "compiler/schedule/lower.h"

enum { BETWEEN = 2 };

/* The axes of an operand in the order they have in the copy: batch, k, and the panel's. */
typedef struct Panels {
    uint32_t batch[RANK_MAX], batches, k[RANK_MAX], ks;
    DimId count; /* elements of k */
    int64_t columns;
} Panels;

static Panels panels_of(const Sched *s, const Group *pack) {
    const GNode *x = node_of(s, pack->transposed);
    Panels p = {.count = dim_const(s->dims, 1)};
    for (uint32_t i = 0; i < x->rank; i++) {
        if (i == pack->last_axis) continue;
        if (pack->batch >> i & 1) {
            p.batch[p.batches++] = i;
        } else {
            p.k[p.ks++] = i;
            p.count = dim_mul(s->dims, p.count, x->dims[i]);
        }
    }
    p.columns = dim_value(s->dims, x->dims[pack->last_axis]);
    return p;
}

static int64_t padded(const Panels *p, uint32_t panel) {
    return (p->columns + panel - 1) / panel * panel;
}

DimId pack_count(const Sched *s, const Group *pack) {
    const GNode *x = node_of(s, pack->transposed);
    if (pack->panel == 0) return dims_product(s, x->dims, x->rank);
    Panels p = panels_of(s, pack);
    DimId rows = dim_add(s->dims, p.count, dim_const(s->dims, BETWEEN));
    DimId count = dim_mul(s->dims, rows, dim_const(s->dims, padded(&p, pack->panel)));
    for (uint32_t i = 0; i < p.batches; i++) count = dim_mul(s->dims, count, x->dims[p.batch[i]]);
    return count;
}

static ExprId row_major(Lower *l, const GNode *x, const uint32_t *axes, uint32_t count,
                        const Index *at) {
    ExprId pos = l_int(l, 0);
    for (uint32_t i = 0; i < count; i++)
        pos = l_add(l, l_mul(l, pos, l_dim(l, x->dims[axes[i]])), at->axis[axes[i]]);
    return pos;
}

/* `base`: the panel's first column. */
static ExprId panel_position(Lower *l, const Group *pack, const Index *at, ExprId base,
                             ExprId offset) {
    const GNode *x = node_of(l->s, pack->transposed);
    Panels p = panels_of(l->s, pack);
    ExprId k = row_major(l, x, p.k, p.ks, at);
    ExprId count = l_add(l, l_dim(l, p.count), l_int(l, BETWEEN));
    ExprId pos = l_mul(l, k, l_int(l, pack->panel));
    pos = l_add(l, l_mul(l, base, count), pos);
    if (p.batches > 0) {
        ExprId whole = l_mul(l, l_int(l, padded(&p, pack->panel)), count);
        pos = l_add(l, l_mul(l, row_major(l, x, p.batch, p.batches, at), whole), pos);
    }
    return l_add(l, pos, offset);
}

/* Threads that share the rows of a batch share its copies. */
static void panel_note(Lower *l, const Group *pack, const Index *at, uint32_t position) {
    const GNode *x = node_of(l->s, pack->transposed);
    uint32_t lead = dims_leading(l->s, x->dims, x->rank);
    bool rows = lead < x->rank && (pack->batch >> lead & 1) && !expr_is_none(l->row) &&
                at->axis[lead].id == l->row.id && dim_same(x->dims[lead], l->extent);
    access_note(l, position, rows ? ACCESS_ROWS : ACCESS_ANY);
}

ExprId panel_load(Lower *l, const Group *pack, const Index *at) {
    uint32_t position = loop_use(l->p, l->k, pack->pack_buffer, false);
    ExprId base = pack->of_rows ? l->row_panel : l->panel;
    panel_note(l, pack, at, position);
    ExprId offset = l_sub(l, at->axis[pack->last_axis], base);
    return loop_load(l->p, l->k, position, panel_position(l, pack, at, base, offset));
}

/* ------------------------------------------------------------------ the copying kernel */

typedef struct Copy {
    const Group *pack;
    const GNode *x;
    Panels p;
    uint32_t inner; /* the last axis of k */
    int32_t parallel;
    uint32_t position; /* of the copy in the kernel */
    bool turned;
    Index at;
} Copy;

static bool is_view(Op op) {
    return op == OP_PERMUTE || op == OP_SLICE || op == OP_RESHAPE || op == OP_AGAIN;
}

/* The operand's element at (inner + i, panel axis + j) for lanes i and j: where it is loaded from.
 * False: it is no plain load, or i are no neighbours. */
static bool source_block(Lower *l, const Copy *c, LoopBlock *from) {
    Index at = c->at;
    VarId i = l_new_var(l, "i"), j = l_new_var(l, "j");
    uint32_t last = c->pack->last_axis;
    at.axis[c->inner] = l_add(l, at.axis[c->inner], l_var(l, i));
    at.axis[last] = l_add(l, at.axis[last], l_var(l, j));
    memo_clear(l);
    ExprId value = lower_value(l, c->pack->transposed, &at);
    Expr e;
    if (!pack_plain_load(l, value, &e, &from->rounds)) return false;
    from->buffer = e.buffer;
    int64_t unit;
    ExprId start;
    if (!loop_affine(l->p, l->k, e.args[0], j, &start, &from->step)) return false;
    if (!loop_affine(l->p, l->k, start, i, &from->start, &unit)) return false;
    return unit == 1 && from->step != 1;
}

/* Tries it with any position: what was noted of the operand's buffer is forgotten. */
static bool can_turn(Lower *l, const Copy *c) {
    NodeId id = c->pack->transposed;
    while (!plan_of(l->s, id)->stored && !node_is_given(l->s, id)) {
        if (!is_view(node_of(l->s, id)->op) && node_of(l->s, id)->op != OP_CAST) return false;
        id = node_of(l->s, id)->args[0];
    }
    Copy any = *c;
    for (uint32_t i = 0; i < c->x->rank; i++) any.at.axis[i] = l_var(l, l_new_var(l, "x"));
    LoopBlock from;
    bool fine = source_block(l, &any, &from);
    for (uint32_t i = 0; i < l->group->access.len; i++) l->group->access.data[i] = ACCESS_NONE;
    return fine;
}

/* min(most, end - start), as a number where every block is whole. */
static ExprId block_size(Lower *l, ExprId start, ExprId end, uint32_t most, bool whole) {
    return whole ? l_int(l, most) : l_min(l, l_sub(l, end, start), l_int(l, most));
}

static void turned_panels(Lower *l, Copy *c, ExprId from, ExprId to, bool whole) {
    uint32_t width = c->pack->panel, last = c->pack->last_axis;
    ExprId end = l_int(l, c->p.columns);
    VarId panel = l_new_var(l, "p"), part = l_new_var(l, "j"), block = l_new_var(l, "b");
    l_enter_for(l, panel, l_int(l, 0), end, width);
    ExprId base = l_var(l, panel), stop = l_add(l, base, l_int(l, width));
    if (c->p.columns % width != 0) stop = l_min(l, stop, end);
    l_enter_for(l, part, base, stop, l->lanes);
    l_enter_for(l, block, from, to, l->lanes);
    c->at.axis[last] = l_var(l, part);
    c->at.axis[c->inner] = l_var(l, block);
    LoopBlock source, target = {.buffer = c->position, .step = width};
    if (!source_block(l, c, &source)) BUG("kernel %s: no block to turn", l->k->name);
    panel_note(l, c->pack, &c->at, c->position);
    target.start = panel_position(l, c->pack, &c->at, base, l_sub(l, l_var(l, part), base));
    ExprId rows = block_size(l, l_var(l, part), end, l->lanes, c->p.columns % l->lanes == 0);
    ExprId columns = block_size(l, l_var(l, block), to, l->lanes, whole);
    loop_transpose(l->p, l->k, &l->parent, source, target, rows, columns, l->lanes);
}

/* Sixteen k at a time, and of each a stretch of some panels: the operand is read by lines that
 * follow each other, the copy is written so too. */
static void copied_panels(Lower *l, Copy *c, ExprId from, ExprId to, bool whole) {
    enum { BLOCK = 16, STRETCH = 64 };
    uint32_t width = c->pack->panel, last = c->pack->last_axis;
    uint32_t lanes = width < l->lanes ? width : l->lanes;
    uint32_t stretch = width >= STRETCH ? width : STRETCH / width * width;
    VarId block = l_new_var(l, "b"), run = l_new_var(l, "s"), panel = l_new_var(l, "p");
    VarId k = l_new_var(l, "k"), part = l_new_var(l, "v"), lane = l_new_var(l, "l");
    ExprId end = l_int(l, c->p.columns);
    l_enter_for(l, block, from, to, BLOCK);
    ExprId next = l_add(l, l_var(l, block), l_int(l, BLOCK));
    l_enter_for(l, run, l_int(l, 0), end, stretch);
    l_enter_for(l, k, l_var(l, block), whole ? next : l_min(l, next, to), 1);
    ExprId stop = l_add(l, l_var(l, run), l_int(l, stretch));
    if (c->p.columns % stretch != 0) stop = l_min(l, stop, end);
    ExprId base = l_var(l, run), offset = l_int(l, 0);
    if (stretch > width) {
        l_enter_for(l, panel, base, stop, width);
        base = l_var(l, panel);
    }
    if (width > lanes) {
        l_enter_unroll(l, part, width / lanes);
        offset = l_mul(l, l_var(l, part), l_int(l, lanes));
    }
    ExprId left = l_sub(l, end, l_add(l, base, offset));
    l_enter_vector(l, lane, lanes, c->p.columns % width == 0 ? EXPR_NONE : left);
    offset = l_add(l, offset, l_var(l, lane));
    c->at.axis[c->inner] = l_var(l, k);
    c->at.axis[last] = l_add(l, base, offset);
    memo_clear(l);
    ExprId value = lower_value(l, c->pack->transposed, &c->at);
    panel_note(l, c->pack, &c->at, c->position);
    ExprId index = panel_position(l, c->pack, &c->at, base, offset);
    loop_store(l->p, l->k, &l->parent, c->position, index, value, EXPR_NONE);
}

/* Threads share the leading axis where that is enough, else the largest. */
static void choose_parallel(Lower *l, Copy *c) {
    enum { ENOUGH = 16 };
    uint32_t axes[2 * RANK_MAX] = {0}, count = 0;
    for (uint32_t i = 0; i < c->p.batches; i++) axes[count++] = c->p.batch[i];
    for (uint32_t i = 0; i < c->p.ks; i++) axes[count++] = c->p.k[i];
    c->parallel = (int32_t)axes[0];
    for (uint32_t i = 1; i < count && dim_bound(l->s->dims, c->x->dims[axes[0]]) < ENOUGH; i++)
        if (dim_bound(l->s->dims, c->x->dims[axes[i]]) >
            dim_bound(l->s->dims, c->x->dims[c->parallel]))
            c->parallel = (int32_t)axes[i];
    bool first = c->parallel == (int32_t)axes[0];
    DimId extent = c->x->dims[c->parallel];
    l->k->parallel = true;
    l->k->extent = l->extent = extent;
    l->k->grain = first ? threads_grain(l->s, extent) : c->parallel == (int32_t)c->inner ? 16 : 1;
}

static void enter_axis(Lower *l, Copy *c, uint32_t axis, ExprId *from, ExprId *to) {
    Expr lo = {.kind = EXPR_LO, .dtype = DTYPE_I64}, hi = {.kind = EXPR_HI, .dtype = DTYPE_I64};
    bool parallel = c->parallel == (int32_t)axis;
    *from = parallel ? loop_expr(l->p, l->k, &lo) : l_int(l, 0);
    *to = parallel ? loop_expr(l->p, l->k, &hi) : l_dim(l, c->x->dims[axis]);
    if (axis == c->inner) return;
    VarId v = l_new_var(l, "k");
    l_enter_for(l, v, *from, *to, 1);
    c->at.axis[axis] = l_var(l, v);
    if (parallel && axis == dims_leading(l->s, c->x->dims, c->x->rank)) l->row = l_var(l, v);
}

void pack_panels(Lower *l) {
    Copy c = {.pack = l->group, .x = node_of(l->s, l->group->transposed)};
    c.p = panels_of(l->s, c.pack);
    c.inner = c.p.k[c.p.ks - 1];
    c.at.pred = EXPR_NONE;
    c.turned = can_turn(l, &c);
    choose_parallel(l, &c);
    lower_scalars(l);
    ExprId from, to;
    for (uint32_t i = 0; i < c.p.batches; i++) enter_axis(l, &c, c.p.batch[i], &from, &to);
    for (uint32_t i = 0; i < c.p.ks; i++) enter_axis(l, &c, c.p.k[i], &from, &to);
    c.position = loop_use(l->p, l->k, c.pack->pack_buffer, true);
    DimId size = c.x->dims[c.inner];
    uint32_t block = c.turned ? l->lanes : 16;
    bool whole = dim_is_const(l->s->dims, size) && dim_value(l->s->dims, size) % block == 0 &&
                 (c.parallel != (int32_t)c.inner || l->k->grain % block == 0);
    if (c.turned)
        turned_panels(l, &c, from, to, whole);
    else
        copied_panels(l, &c, from, to, whole);
}
