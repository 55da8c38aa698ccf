/* The rules of opt_simplify. A rule gets a node that is about to be added (its operands are in the
 * new graph and simplified) and returns something that gives the same bits for less, or NODE_NONE.
 */
#ifndef BMC_OPT_SIMPLIFY_H
#define BMC_OPT_SIMPLIFY_H

#include "compiler/graph/graph.h"

typedef struct Absence { /* by node of the new graph; filled as far as was asked */
    VEC(bool) maybe;
} Absence;

typedef struct Simplify {
    Graph *g;
    uint32_t depth; /* of rules inside rules; bounded */
    Absence *absence;
} Simplify;

typedef NodeId (*SimplifyRule)(Simplify *s, const GNode *n);

/* Adds a node by way of the rules. */
NodeId simple_add(Simplify *s, const GNode *n);
/* The same for what rules build; shape and dtype as the op determines them. */
NodeId simple_unary(Simplify *s, Op op, NodeId a, Span span);
NodeId simple_binary(Simplify *s, Op op, NodeId a, NodeId b, Span span);
NodeId simple_select(Simplify *s, NodeId condition, NodeId a, NodeId b, Span span);
/* The same op on other operands (of the same dtypes and shapes). */
NodeId simple_with(Simplify *s, const GNode *n, const NodeId *args);
/* A view of `x` with dtype x, shape `to` and the op's attributes. */
NodeId simple_view(Simplify *s, Op op, NodeId x, const Shape *to, const int64_t *attr,
                   uint32_t nattr, Span span);
/* One number everywhere, of n's dtype and shape. */
NodeId simple_const(Simplify *s, const GNode *n, double value);

static inline const GNode *operand(const Simplify *s, const GNode *n, uint32_t i) {
    return graph_node(s->g, n->args[i]);
}
static inline Shape node_shape(const GNode *n) {
    Shape shape = {.rank = n->rank};
    for (uint32_t i = 0; i < n->rank; i++) shape.dims[i] = n->dims[i];
    return shape;
}
static inline bool same_dims(const GNode *a, const GNode *b) {
    if (a->rank != b->rank) return false;
    for (uint32_t i = 0; i < a->rank; i++)
        if (!dim_same(a->dims[i], b->dims[i])) return false;
    return true;
}
/* One number everywhere, equal to `value` in every bit: +0 is not -0. */
bool is_number(const Simplify *s, NodeId id, double value);

/* Some elements may be absent: taps of a window outside its source, which reductions skip. A rule
 * that replaces the node by something that does not depend on it would bring them back. */
bool may_be_absent(Simplify *s, NodeId id);

/* simplify_math.c */
NodeId simplify_neg(Simplify *s, const GNode *n);
NodeId simplify_abs(Simplify *s, const GNode *n);
NodeId simplify_idempotent(Simplify *s, const GNode *n);
NodeId simplify_not(Simplify *s, const GNode *n);
NodeId simplify_stop(Simplify *s, const GNode *n);
NodeId simplify_cast(Simplify *s, const GNode *n);
NodeId simplify_add(Simplify *s, const GNode *n);
NodeId simplify_sub(Simplify *s, const GNode *n);
NodeId simplify_mul(Simplify *s, const GNode *n);
NodeId simplify_div(Simplify *s, const GNode *n);
NodeId simplify_pow(Simplify *s, const GNode *n);
NodeId simplify_extremum(Simplify *s, const GNode *n);
NodeId simplify_compare(Simplify *s, const GNode *n);
NodeId simplify_logic(Simplify *s, const GNode *n);
NodeId simplify_select(Simplify *s, const GNode *n);
NodeId simplify_fma(Simplify *s, const GNode *n);
NodeId simplify_size(Simplify *s, const GNode *n);
/* simplify_view.c */
NodeId simplify_spread_operands(Simplify *s, const GNode *n);
NodeId simplify_constant_view(Simplify *s, const GNode *n);
NodeId simplify_reshape(Simplify *s, const GNode *n);
NodeId simplify_permute(Simplify *s, const GNode *n);
NodeId simplify_broadcast(Simplify *s, const GNode *n);
NodeId simplify_reverse(Simplify *s, const GNode *n);
NodeId simplify_slice(Simplify *s, const GNode *n);
NodeId simplify_concat(Simplify *s, const GNode *n);
/* simplify_reduce.c */
NodeId simplify_unit_axes(Simplify *s, const GNode *n);
NodeId simplify_sum_of_products(Simplify *s, const GNode *n);
NodeId simplify_contract_units(Simplify *s, const GNode *n);
NodeId simplify_contract_operands(Simplify *s, const GNode *n);
NodeId simplify_gather(Simplify *s, const GNode *n);

#endif
