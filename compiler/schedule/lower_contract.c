/* contract, one element at a time: one fma chain over k ascending, restarted from +0 every 4,096
 * and the partial sums added in ascending order. The value rule works in any loop nest; tile.c has
 * the register tiles for the shapes that matter. */
#include "compiler/schedule/lower_contract.h"

/* Axes i and i + 1 of a value lie one behind the other in memory: position (0, i * size + j) is
 * where (i, j) is. */
static bool axes_adjoin(const Sched *s, NodeId id, uint32_t i, uint32_t j) {
    for (;;) {
        const GNode *n = node_of(s, id);
        const NodePlan *p = plan_of(s, id);
        if (p->absent) return false;
        if (p->stored || node_is_given(s, id)) return j == i + 1 && !p->slab;
        if (n->op == OP_PERMUTE) {
            i = (uint32_t)n->attr[i];
            j = (uint32_t)n->attr[j];
        } else if (n->op != OP_CAST) {
            return false;
        }
        id = n->args[0];
    }
}

/* Label r of the reduced ones and the next are neighbours in the operand, or in the copy of it. */
static bool labels_adjoin(const Sched *s, const Contract *c, uint32_t which, uint32_t r) {
    NodeId operand = which ? c->b : c->a;
    const uint32_t *label = which ? c->label_b : c->label_a;
    uint32_t rank = node_of(s, operand)->rank, order[RANK_MAX], first = NONE, second = NONE;
    uint32_t packed = s->groups.data[plan_of(s, c->node)->group]->packed[which];
    for (uint32_t i = 0; i < rank; i++) order[i] = i;
    if (packed != NONE) pack_axes(s, s->groups.data[packed], order);
    for (uint32_t i = 0; i < rank; i++) {
        if (label[order[i]] == r) first = i;
        if (label[order[i]] == r + 1) second = i;
    }
    if (first == NONE || second == NONE) return false;
    return packed != NONE ? second == first + 1 : axes_adjoin(s, operand, first, second);
}

static bool k_is_flat(const Sched *s, const Contract *c) {
    for (uint32_t r = c->outer; r + 1 < c->outer + c->reduced; r++)
        if (!labels_adjoin(s, c, 0, r) || !labels_adjoin(s, c, 1, r)) return false;
    return c->reduced > 1 && s->options.fusion;
}

uint32_t contract_vector_label(const Sched *s, NodeId id) {
    const GNode *n = node_of(s, id);
    for (uint32_t i = n->rank; i-- > 0;)
        if (!dim_equals(s->dims, n->dims[i], 1)) return i;
    return n->rank - 1;
}

Contract contract_of(const Sched *s, NodeId id) {
    Contract c = contract_labels(s, id);
    c.flat_k = k_is_flat(s, &c);
    return c;
}

Contract contract_labels(const Sched *s, NodeId id) {
    const GNode *n = node_of(s, id);
    Contract c = {.node = id, .a = n->args[0], .b = n->args[1], .outer = n->rank};
    c.reduced = (uint32_t)n->attr[0];
    c.dtype = accumulator(n->dtype);
    const GNode *a = node_of(s, c.a), *b = node_of(s, c.b);
    for (uint32_t i = 0; i < a->rank; i++) {
        c.label_a[i] = (uint32_t)n->attr[1 + i];
        c.size[c.label_a[i]] = a->dims[i];
        c.in_a[c.label_a[i]] = true;
    }
    for (uint32_t i = 0; i < b->rank; i++) {
        c.label_b[i] = (uint32_t)n->attr[1 + a->rank + i];
        c.size[c.label_b[i]] = b->dims[i];
        c.in_b[c.label_b[i]] = true;
    }
    c.k = dims_product(s, c.size + c.outer, c.reduced);
    return c;
}

/* An operand's element: of the copy with one axis moved last, where there is one. */
static ExprId operand_value(Lower *l, const Contract *c, uint32_t which, const ExprId *label,
                            ExprId *present) {
    NodeId id = which ? c->b : c->a;
    const GNode *x = node_of(l->s, id);
    const uint32_t *labels = which ? c->label_b : c->label_a;
    uint32_t packed = node_same(l->group->core, c->node) ? l->group->packed[which] : NONE;
    Index at = {.pred = EXPR_NONE};
    for (uint32_t i = 0; i < x->rank; i++) at.axis[i] = label[labels[i]];
    *present = EXPR_NONE;
    if (l->near.on && l->near.which == which) return near_load(l, c, label);
    if (packed == NONE) return lower_tap(l, id, &at, present);
    return pack_load(l, l->s->groups.data[packed], &at);
}

/* One product more: acc = fma(a, b, acc), or for integers acc + a * b; acc where one is absent. */
ExprId contract_step(Lower *l, const Contract *c, ExprId acc, const ExprId *label) {
    ExprId args[3], present[2], next;
    for (uint32_t i = 0; i < 2; i++)
        args[i] = l_cast(l, c->dtype, operand_value(l, c, i, label, &present[i]));
    args[2] = acc;
    if (dtype_is_float(c->dtype))
        next = loop_op(l->p, l->k, OP_FMA, c->dtype, args, 3);
    else
        next = l_op(l, OP_ADD, c->dtype, acc, l_op(l, OP_MUL, c->dtype, args[0], args[1]));
    ExprId both = l_and(l, present[0], present[1]);
    return expr_is_none(both) ? next : l_select(l, c->dtype, both, next, acc);
}

bool contract_chunked(const Sched *s, const Contract *c) {
    return !dim_is_const(s->dims, c->k) || dim_value(s->dims, c->k) > K_CHUNK;
}

ExprId contract_add_chunk(Lower *l, const Contract *c, ExprId chunk, ExprId acc, ExprId part) {
    /* The first partial sum is taken as it is: +0 + -0 would lose its sign. */
    ExprId first = l_op(l, OP_EQUAL, DTYPE_BOOL, chunk, l_int(l, 0));
    return l_select(l, c->dtype, first, part, l_op(l, OP_ADD, c->dtype, acc, part));
}

/* The labels of flattened k, or nested loops when k fits one chunk. */
void contract_enter_k(Lower *l, const Contract *c, ExprId from, ExprId to, ExprId *label) {
    if (c->flat_k || c->reduced <= 1 || contract_chunked(l->s, c)) {
        VarId k = l_new_var(l, "k");
        l_enter_for(l, k, from, to, 1);
        for (uint32_t i = 0; i < c->reduced; i++) label[c->outer + i] = l_int(l, 0);
        if (c->flat_k)
            label[c->outer + c->reduced - 1] = l_var(l, k);
        else if (c->reduced > 0)
            split_position(l, l_var(l, k), c->size + c->outer, c->reduced, label + c->outer);
        return;
    }
    for (uint32_t i = 0; i < c->reduced; i++) {
        VarId k = l_new_var(l, "k");
        ExprId first = l_int(l, 0), end = l_dim(l, c->size[c->outer + i]);
        l_enter_for(l, k, first, end, 1);
        label[c->outer + i] = l_var(l, k);
    }
}

/* The label of the result that differs from lane to lane, or NONE: loops cannot depend on it. */
static uint32_t varying_label(const Lower *l, const Contract *c, const ExprId *label) {
    for (uint32_t i = 0; i < c->outer; i++)
        for (uint32_t v = 0; v < l->open_count; v++)
            if (loop_depends(l->k, label[i], l->open[v])) return i;
    return NONE;
}

ExprId lower_CONTRACT(Lower *l, NodeId n, const Index *at) {
    if (plan_of(l->s, n)->partial != NONE) {
        RegId sum = l_new_reg(l, "dot", node_of(l->s, n)->dtype, NULL);
        l_set(l, sum, l_cast(l, node_of(l->s, n)->dtype, partial_total(l, n, at)));
        return l_reg(l, sum);
    }
    Contract c = contract_of(l->s, n);
    ExprId label[2 * RANK_MAX], zero = l_bits(l, c.dtype, 0);
    index_axes(l, n, at, label);
    bool core = node_same(l->group->core, n);
    if (core) slides_find(l, &c);
    RegId part = l_new_reg(l, "acc", c.dtype, NULL), acc = part;
    LowerPlace place = l_place(l);
    ExprId from = l_int(l, 0), to = l_dim(l, c.k);
    bool chunked = contract_chunked(l->s, &c);
    if (chunked) {
        acc = l_new_reg(l, "total", c.dtype, NULL);
        l_set(l, acc, zero);
        VarId chunk = l_new_var(l, "c");
        l_enter_for(l, chunk, from, to, K_CHUNK);
        from = l_var(l, chunk);
        to = l_min(l, l_add(l, from, l_int(l, K_CHUNK)), to);
    }
    LowerPlace inside = l_place(l);
    l_set(l, part, zero);
    if (c.slide_count > 0)
        slides_enter_k(l, &c, varying_label(l, &c, label), from, to, label);
    else
        contract_enter_k(l, &c, from, to, label);
    l_set(l, part, contract_step(l, &c, l_reg(l, part), label));
    if (core) l->tap_count = 0;
    l_return(l, inside);
    if (chunked) l_set(l, acc, contract_add_chunk(l, &c, from, l_reg(l, acc), l_reg(l, part)));
    l_return(l, place);
    RegId result = l_new_reg(l, "dot", node_of(l->s, n)->dtype, NULL);
    l_set(l, result, l_cast(l, node_of(l->s, n)->dtype, l_reg(l, acc)));
    return l_reg(l, result);
}
