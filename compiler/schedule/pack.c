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

/* The operand of a cast, or the value itself. */
static Expr behind_cast(const Lower *l, const Expr *e, DType to, DType from) {
    if (e->kind != EXPR_OP || e->op != OP_CAST || e->dtype != to) return *e;
    const Expr *x = &l->k->exprs.data[e->args[0].id];
    return x->dtype == from ? *x : *e;
}

bool pack_plain_load(const Lower *l, ExprId value, Expr *load, bool *rounds) {
    Expr wide = l->k->exprs.data[value.id];
    Expr narrow = behind_cast(l, &wide, DTYPE_F32, DTYPE_BF16);
    *load = behind_cast(l, &narrow, DTYPE_BF16, DTYPE_F32);
    *rounds = narrow.dtype == DTYPE_BF16 && load->dtype == DTYPE_F32;
    return load->kind == EXPR_LOAD && load->nargs == 1;
}

ExprId pack_load(Lower *l, const Group *pack, const Index *at) {
    if (pack->panel > 0) return panel_load(l, pack, at);
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
