/* Copies of operands with one axis moved last: where an element stands in them. */
#include "compiler/schedule/lower.h"

uint32_t pack_axes(const Sched *s, const Group *pack, uint32_t *order) {
    uint32_t rank = node_of(s, pack->transposed)->rank, next = 0;
    for (uint32_t i = 0; i < rank; i++)
        if (i != pack->last_axis) order[next++] = i;
    order[next++] = pack->last_axis;
    return rank;
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

ExprId pack_load(Lower *l, const Group *pack, const Index *at) {
    uint32_t position = loop_use(l->p, l->k, pack->pack_buffer, false);
    pack_note(l, pack, at, position);
    return loop_load(l->p, l->k, position, pack_position(l, pack, at));
}

void pack_store(Lower *l, const Group *pack, const Index *at) {
    uint32_t position = loop_use(l->p, l->k, pack->pack_buffer, true);
    pack_note(l, pack, at, position);
    ExprId value = lower_value(l, pack->transposed, at);
    loop_store(l->p, l->k, l->nested ? &l->parent : NULL, position, pack_position(l, pack, at),
               value, EXPR_NONE);
}
