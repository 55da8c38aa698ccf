/* Values without operands. */
#include "compiler/schedule/lower.h"

ExprId lower_CONST(Lower *l, NodeId n, const Index *at) {
    const GNode *x = node_of(l->s, n);
    (void)at;
    INVARIANT(x->nattr == 1);
    return l_bits(l, x->dtype, (uint64_t)x->attr[0]);
}

ExprId lower_IOTA(Lower *l, NodeId n, const Index *at) {
    const GNode *x = node_of(l->s, n);
    ExprId axis[RANK_MAX];
    index_axes(l, n, at, axis);
    return l_cast(l, x->dtype, axis[x->attr[0]]);
}

ExprId lower_RANDOM(Lower *l, NodeId n, const Index *at) {
    const GNode *x = node_of(l->s, n);
    Expr e = {.kind = EXPR_RANDOM,
              .dtype = DTYPE_F32,
              .nargs = 1,
              .args = {index_position(l, n, at)},
              .imm = (uint64_t)x->attr[0],
              .imm2 = (uint64_t)x->attr[1]};
    return loop_expr(l->p, l->k, &e);
}

/* The same, with a site of the iteration's own: mixed once a kernel. */
ExprId lower_RANDOM_AT(Lower *l, NodeId n, const Index *at) {
    const GNode *x = node_of(l->s, n);
    static const Index nowhere = {.pred = {UINT32_MAX}};
    Expr site = {.kind = EXPR_SITE,
                 .dtype = DTYPE_I64,
                 .nargs = 1,
                 .args = {lower_value(l, x->args[0], &nowhere)},
                 .imm = (uint64_t)x->attr[0]};
    Expr e = {.kind = EXPR_RANDOM,
              .dtype = DTYPE_F32,
              .nargs = 2,
              .args = {index_position(l, n, at)},
              .imm2 = (uint64_t)x->attr[1]};
    e.args[1] = loop_expr(l->p, l->k, &site);
    return loop_expr(l->p, l->k, &e);
}

ExprId lower_SIZE(Lower *l, NodeId n, const Index *at) {
    const GNode *x = node_of(l->s, n);
    (void)at;
    return l_cast(l, x->dtype, l_dim(l, (DimId){(uint32_t)x->attr[0]}));
}

ExprId lower_CLOCK(Lower *l, NodeId n, const Index *at) {
    const GNode *x = node_of(l->s, n);
    (void)at;
    bool wide = x->dtype != DTYPE_F32;
    Expr e = {
        .kind = EXPR_CLOCK, .dtype = wide ? DTYPE_F64 : DTYPE_F32, .imm = (uint64_t)x->attr[0]};
    return l_cast(l, x->dtype, loop_expr(l->p, l->k, &e));
}

/* A small table of constants: a store each, by thread 0. Large ones are data. */
void lower_constants(Lower *l) {
    NodeId n = l->group->core;
    const GNode *x = node_of(l->s, n);
    const Target *t = &l->group->targets.data[0];
    INVARIANT(l->group->targets.len == 1 && x->nattr <= CONST_STORES_MAX);
    uint32_t position = loop_use(l->p, l->k, t->buffer, true);
    access_note(l, position, ACCESS_THREAD0);
    for (uint32_t i = 0; i < x->nattr; i++) {
        Index at = {.flat = true, .pos = l_int(l, i), .pred = EXPR_NONE};
        ExprId index = slab_position(l, n, t->slab, &at);
        loop_store(l->p, l->k, NULL, position, index, l_bits(l, x->dtype, (uint64_t)x->attr[i]),
                   EXPR_NONE);
    }
}
