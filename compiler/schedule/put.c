/* One position of an axis: `put(x, at, v, axis)` is select(at == iota along the axis, v, x). Where
 * the result takes the place of x, everything but that position is there already, so the kernel
 * visits only it: at, brought into the axis. Out of range the select gives x there, which is stored
 * where it came from: same bits, no test. */
#include "compiler/schedule/lower.h"

/* `at` in n = select(equal(broadcast(at), iota along *axis), v, x); NODE_NONE: n is something else.
 */
static NodeId position_of(const Sched *s, const GNode *n, uint32_t *axis) {
    if (n->op != OP_SELECT) return NODE_NONE;
    const GNode *equal = node_of(s, n->args[0]);
    if (equal->op != OP_EQUAL) return NODE_NONE;
    for (uint32_t k = 0; k < 2; k++) {
        const GNode *all = node_of(s, equal->args[k]), *count = node_of(s, equal->args[1 - k]);
        if (count->op != OP_IOTA || all->op != OP_BROADCAST) continue;
        if (node_of(s, all->args[0])->rank != 0 || !dtype_is_integer(all->dtype)) continue;
        *axis = (uint32_t)count->attr[0];
        return all->args[0];
    }
    return NODE_NONE;
}

/* The target is stored where x lies. */
static bool takes_its_place(const Sched *s, const Target *t, const GNode *n) {
    const GNode *x = node_of(s, n->args[2]);
    const NodePlan *p = plan_of(s, n->args[2]);
    bool leaf = x->op == OP_READ || node_is_given(s, n->args[2]);
    return leaf && p->buffer == t->buffer && p->slab == t->slab;
}

NodeId put_wanted(const Lower *l, uint32_t *axis) {
    const Sched *s = l->s;
    const Group *g = l->group;
    NodeId at = NODE_NONE;
    if (!node_is_none(g->core) || !node_is_none(g->transposed) || g->partials.len > 0)
        return NODE_NONE;
    for (uint32_t i = 0; i < g->targets.len; i++) {
        const Target *t = &g->targets.data[i];
        const GNode *n = node_of(s, t->node);
        uint32_t along = 0;
        NodeId here = t->from == NONE ? position_of(s, n, &along) : NODE_NONE;
        if (node_is_none(here) || !takes_its_place(s, t, n)) return NODE_NONE;
        if (i > 0 && (!node_same(here, at) || along != *axis)) return NODE_NONE;
        at = here;
        *axis = along;
    }
    if (node_is_none(at)) return at;
    DimId size = node_of(s, g->like)->dims[*axis];
    return dim_is_const(s->dims, size) && dim_value(s->dims, size) > 0 ? at : NODE_NONE;
}

ExprId put_position(Lower *l, NodeId at, uint32_t axis) {
    const Index nowhere = {.pred = EXPR_NONE};
    int64_t size = dim_value(l->s->dims, node_of(l->s, l->group->like)->dims[axis]);
    memo_clear(l);
    ExprId here = l_cast(l, DTYPE_I64, lower_value(l, at, &nowhere));
    here = l_max(l, l_min(l, here, l_int(l, size - 1)), l_int(l, 0));
    RegId r = l_new_reg(l, "at", DTYPE_I64, NULL);
    l_set(l, r, here);
    l->visited = 1 / (double)size;
    return l_reg(l, r);
}
