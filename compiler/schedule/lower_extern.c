/* extern: a kernel of thread 0 whose body is one call. The C function wants whole dense arrays:
 * an operand that lies so in its buffer is handed over as it is, another is first copied to one;
 * and a result that belongs into a slab of a larger tensor is copied there afterwards. */
#include "compiler/graph/extern.h"
#include "compiler/schedule/lower.h"

static void array_dims(Lower *l, const GNode *like, LoopArray *a) {
    a->rank = like->rank;
    for (uint32_t i = 0; i < like->rank; i++) a->dims[i] = l_dim(l, like->dims[i]);
}

static VarId each_element(Lower *l, NodeId n) {
    const GNode *x = node_of(l->s, n);
    VarId v = l_new_var(l, "i");
    memo_clear(l);
    l_enter_for(l, v, l_int(l, 0), l_dim(l, dims_product(l->s, x->dims, x->rank)), 1);
    return v;
}

/* A buffer of the kernel's own. */
static uint32_t staging(Lower *l, NodeId n) {
    uint32_t position = loop_use(l->p, l->k, node_arena_buffer(l->s, n), true);
    access_note(l, position, ACCESS_THREAD0);
    return position;
}

static uint32_t operand_position(Lower *l, NodeId n) {
    const NodePlan *p = plan_of(l->s, n);
    if (p->buffer != NONE && !p->slab) {
        uint32_t position = loop_use(l->p, l->k, p->buffer, false);
        access_note(l, position, ACCESS_THREAD0);
        return position;
    }
    uint32_t position = staging(l, n);
    LowerPlace place = l_place(l);
    Index at = {.flat = true, .pos = l_var(l, each_element(l, n)), .pred = EXPR_NONE};
    loop_store(l->p, l->k, &l->parent, position, at.pos, lower_value(l, n, &at), EXPR_NONE);
    l_return(l, place);
    return position;
}

static void result_copy(Lower *l, NodeId n, uint32_t from, const Target *t, uint32_t to) {
    LowerPlace place = l_place(l);
    Index at = {.flat = true, .pos = l_var(l, each_element(l, n)), .pred = EXPR_NONE};
    Expr e = {.kind = EXPR_LOAD,
              .dtype = node_of(l->s, n)->dtype,
              .nargs = 1,
              .args = {at.pos},
              .buffer = from};
    loop_store(l->p, l->k, &l->parent, to, slab_position(l, n, t->slab, &at),
               loop_expr(l->p, l->k, &e), EXPR_NONE);
    l_return(l, place);
}

ExprId lower_EXTERN(Lower *l, NodeId n, const Index *at) {
    (void)at;
    BUG("kernel %s: extern (node %u) has a kernel of its own", l->k->name, n.id);
}

void lower_extern(Lower *l) {
    NodeId n = l->group->core;
    const GNode *y = node_of(l->s, n);
    const Target *t = &l->group->targets.data[0];
    INVARIANT(l->group->targets.len == 1);
    ExternResult *results;
    uint32_t count = extern_results(l->s->graph, y, &results);
    LoopArray *arrays = ARENA_ARRAY(l->s->arena, LoopArray, y->nargs + count);
    for (uint32_t i = 0; i < y->nargs; i++) {
        const GNode *x = node_of(l->s, y->args[i]);
        arrays[i] = (LoopArray){.dtype = x->dtype, .offset = l_int(l, 0)};
        arrays[i].buffer = operand_position(l, y->args[i]);
        array_dims(l, x, &arrays[i]);
    }
    uint32_t target = loop_use(l->p, l->k, t->buffer, true);
    access_note(l, target, ACCESS_THREAD0);
    uint32_t whole = t->slab ? staging(l, n) : target;
    for (uint32_t i = 0; i < count; i++) {
        const ExternResult *r = &results[i];
        LoopArray *a = &arrays[y->nargs + i];
        *a = (LoopArray){.buffer = whole, .dtype = y->dtype, .offset = l_dim(l, r->offset)};
        array_dims(l, r->like == UINT32_MAX ? y : node_of(l->s, y->args[r->like]), a);
    }
    loop_call(l->p, l->k, (uint32_t)y->attr[0], extern_is_gradient(y), arrays, y->nargs,
              y->nargs + count);
    if (t->slab) result_copy(l, n, whole, t, target);
}
