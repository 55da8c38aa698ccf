/* Copies of operands with one axis moved last: where an element stands in them. */
#include "compiler/schedule/lower.h"

enum { PACK_BLOCK = 16 };

uint32_t pack_axes(const Sched *s, const Group *pack, uint32_t *order) {
    uint32_t rank = node_of(s, pack->transposed)->rank, next = 0;
    for (uint32_t i = 0; i < rank; i++)
        if (i != pack->last_axis) order[next++] = i;
    order[next++] = pack->last_axis;
    return rank;
}

/* Panels of columns, k after k in each: base * K + k * panel + offset, base a multiple of panel. */
static ExprId panel_position(Lower *l, const Group *pack, const Index *at, ExprId base,
                             ExprId offset) {
    const GNode *x = node_of(l->s, pack->transposed);
    uint32_t order[RANK_MAX], rank = pack_axes(l->s, pack, order);
    ExprId k = l_int(l, 0);
    DimId stride = dim_const(l->s->dims, 1);
    for (uint32_t i = rank - 1; i-- > 0;) {
        ExprId step = l_dim(l, stride);
        k = l_add(l, l_mul(l, at->axis[order[i]], step), k);
        stride = dim_mul(l->s->dims, stride, x->dims[order[i]]);
    }
    ExprId along = l_mul(l, k, l_int(l, pack->panel));
    ExprId count = l_dim(l, stride);
    ExprId first = l_mul(l, base, count);
    return l_add(l, l_add(l, first, along), offset);
}

static ExprId pack_position(Lower *l, const Group *pack, const Index *at) {
    const GNode *x = node_of(l->s, pack->transposed);
    uint32_t order[RANK_MAX], rank = pack_axes(l->s, pack, order);
    ExprId pos = l_int(l, 0);
    DimId stride = dim_const(l->s->dims, 1);
    for (uint32_t i = rank; i-- > 0;) {
        pos = l_add(l, l_mul(l, at->axis[order[i]], l_dim(l, stride)), pos);
        stride = dim_mul(l->s->dims, stride, x->dims[order[i]]);
    }
    return pos;
}

static void pack_note(Lower *l, const Group *pack, const Index *at, uint32_t position) {
    uint32_t order[RANK_MAX];
    pack_axes(l->s, pack, order);
    bool rows = !expr_is_none(l->row) && at->axis[order[0]].id == l->row.id &&
                dim_same(node_of(l->s, pack->transposed)->dims[order[0]], l->extent);
    access_note(l, position, rows ? ACCESS_ROWS : ACCESS_ANY);
}

/* A matrix is copied in blocks of PACK_BLOCK result rows: the lines a column of the operand touches
 * are used for all rows of the block before they leave the cache. */
bool pack_matrix(Lower *l) {
    const Group *pack = l->group;
    const GNode *x = node_of(l->s, pack->transposed);
    uint32_t order[RANK_MAX];
    if (x->rank != 2) return false;
    pack_axes(l->s, pack, order);
    Expr lo = {.kind = EXPR_LO, .dtype = DTYPE_I64}, hi = {.kind = EXPR_HI, .dtype = DTYPE_I64};
    ExprId first = loop_expr(l->p, l->k, &lo), end = loop_expr(l->p, l->k, &hi);
    ExprId columns = l_dim(l, x->dims[order[1]]);
    l->k->parallel = true;
    l->k->extent = l->extent = x->dims[order[0]];
    l->k->grain = threads_grain(l->s, l->extent);
    lower_scalars(l);
    VarId block = l_new_var(l, "b"), column = l_new_var(l, "j"), row = l_new_var(l, "i");
    VarId lane = l_new_var(l, "l");
    l_enter_for(l, block, first, end, PACK_BLOCK);
    l_enter_for(l, column, l_int(l, 0), columns, l->lanes);
    ExprId stop = l_min(l, l_add(l, l_var(l, block), l_int(l, PACK_BLOCK)), end);
    l_enter_for(l, row, l_var(l, block), stop, 1);
    bool whole = dim_is_const(l->s->dims, x->dims[order[1]]) &&
                 dim_value(l->s->dims, x->dims[order[1]]) % l->lanes == 0;
    l_enter_vector(l, lane, l->lanes, whole ? EXPR_NONE : l_sub(l, columns, l_var(l, column)));
    Index at = {.pred = EXPR_NONE};
    at.axis[order[0]] = l->row = l_var(l, row);
    at.axis[order[1]] = l_add(l, l_var(l, column), l_var(l, lane));
    memo_clear(l);
    pack_store(l, pack, &at);
    return true;
}

/* All axes but the last are loops, the first of them split among the threads; within the last one
 * panel after panel. */
void pack_panels(Lower *l) {
    const Group *pack = l->group;
    const GNode *x = node_of(l->s, pack->transposed);
    uint32_t order[RANK_MAX], rank = pack_axes(l->s, pack, order), lanes = l->lanes;
    Expr lo = {.kind = EXPR_LO, .dtype = DTYPE_I64}, hi = {.kind = EXPR_HI, .dtype = DTYPE_I64};
    Index at = {.pred = EXPR_NONE};
    l->k->parallel = true;
    l->k->extent = l->extent = x->dims[order[0]];
    l->k->grain = threads_grain(l->s, l->extent);
    lower_scalars(l);
    for (uint32_t i = 0; i + 1 < rank; i++) {
        VarId v = l_new_var(l, "k");
        ExprId from = i == 0 ? loop_expr(l->p, l->k, &lo) : l_int(l, 0);
        ExprId to = i == 0 ? loop_expr(l->p, l->k, &hi) : l_dim(l, x->dims[order[i]]);
        l_enter_for(l, v, from, to, 1);
        at.axis[order[i]] = l_var(l, v);
        if (i == 0) l->row = at.axis[order[0]];
    }
    VarId panel = l_new_var(l, "p"), part = l_new_var(l, "v"), lane = l_new_var(l, "l");
    ExprId first = l_int(l, 0), end = l_dim(l, x->dims[order[rank - 1]]);
    l_enter_for(l, panel, first, end, pack->panel);
    ExprId offset = l_var(l, lane);
    if (pack->panel > lanes) {
        l_enter_unroll(l, part, pack->panel / lanes);
        offset = l_add(l, l_mul(l, l_var(l, part), l_int(l, lanes)), offset);
    }
    l_enter_vector(l, lane, lanes, EXPR_NONE);
    at.axis[order[rank - 1]] = l_add(l, l_var(l, panel), offset);
    memo_clear(l);
    uint32_t position = loop_use(l->p, l->k, pack->pack_buffer, true);
    access_note(l, position, ACCESS_ANY);
    ExprId value = lower_value(l, pack->transposed, &at);
    ExprId index = panel_position(l, pack, &at, l_var(l, panel), offset);
    loop_store(l->p, l->k, &l->parent, position, index, value, EXPR_NONE);
}

ExprId pack_load(Lower *l, const Group *pack, const Index *at) {
    uint32_t position = loop_use(l->p, l->k, pack->pack_buffer, false);
    if (pack->panel == 0) {
        pack_note(l, pack, at, position);
        return loop_load(l->p, l->k, position, pack_position(l, pack, at));
    }
    access_note(l, position, ACCESS_ANY);
    ExprId offset = l_sub(l, at->axis[pack->last_axis], l->panel);
    ExprId index = panel_position(l, pack, at, l->panel, offset);
    return loop_load(l->p, l->k, position, index);
}

void pack_store(Lower *l, const Group *pack, const Index *at) {
    uint32_t position = loop_use(l->p, l->k, pack->pack_buffer, true);
    pack_note(l, pack, at, position);
    ExprId value = lower_value(l, pack->transposed, at);
    loop_store(l->p, l->k, l->nested ? &l->parent : NULL, position, pack_position(l, pack, at),
               value, EXPR_NONE);
}
