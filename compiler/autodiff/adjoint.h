/* What an adjoint rule sees and may do. A rule belongs to one op: given a node y = op(x0, x1, ...)
 * and its adjoint g = dL/dy, it gives each operand that is wanted its share g · dy/dxi, built from
 * ops of ops.def only, so that the result can be differentiated again. */
#ifndef BMC_AUTODIFF_ADJOINT_H
#define BMC_AUTODIFF_ADJOINT_H

#include "compiler/graph/graph.h"

typedef struct Sweep Sweep;

typedef struct Adjoint {
    Graph *graph;
    Sweep *sweep;
    NodeId self; /* y */
    GNode node;  /* y's node, copied: building nodes may move the graph's own array */
    NodeId grad; /* g, shaped as y; of a loop: none, see adjoint_results */
} Adjoint;

typedef void (*AdjointRule)(Adjoint *a);

/* False when nothing the gradient is asked for lies behind this operand: do not build its share. */
bool adjoint_wants(const Adjoint *a, uint32_t operand);
/* Adds `share` (shaped as the operand) to the operand's adjoint. */
void adjoint_give(Adjoint *a, uint32_t operand, NodeId share);

/* The same for a node behind an operand, given its share past that operand: for rules that see
 * through a view. Only where the view's own gradient is not asked for. */
void adjoint_give_node(Adjoint *a, NodeId id, NodeId share);
bool adjoint_is_asked(const Adjoint *a, NodeId id);

/* ---- loops. What reads any member of a loop's family is gathered at its root (family.h). */
/* Adds `share` to result `i` of the loop that the TAKE a->self reads. */
void adjoint_give_result(Adjoint *a, uint32_t i, NodeId share);
/* For the rule of SCAN: the adjoint of each result of the family's latest member, or NODE_NONE. */
const NodeId *adjoint_results(const Adjoint *a);

/* One rule for every differentiable op; leaves have empty ones. */
#define RULE_0(name)
#define RULE_1(name)                     void adjoint_##name(Adjoint *a);
#define OP(name, text, arity, cls, diff) RULE_##diff(name)
#include "compiler/graph/ops.def"
#undef OP
#undef RULE_0
#undef RULE_1

/* ---- builders (adjoint_build.c): as those of graph.h at the node's span, but without the useless
 * nodes: no product with 1, no double negation, no broadcast of a constant. */
static inline NodeId adjoint_operand(const Adjoint *a, uint32_t i) {
    return a->node.args[i];
}
Shape adjoint_operand_shape(const Adjoint *a, uint32_t i);
/* The value of a node that is one number everywhere, seen through views. */
bool adjoint_static(const Adjoint *a, NodeId id, double *value);

NodeId build_const(const Adjoint *a, const Shape *shape, double value);
NodeId build_mul(const Adjoint *a, NodeId x, NodeId y);
NodeId build_div(const Adjoint *a, NodeId x, NodeId y);
NodeId build_neg(const Adjoint *a, NodeId x);
NodeId build_binary(const Adjoint *a, Op op, NodeId x, NodeId y);
NodeId build_unary(const Adjoint *a, Op op, NodeId x);
/* condition ? x : 0, and condition ? 0 : x. */
NodeId build_keep(const Adjoint *a, NodeId condition, NodeId x);
NodeId build_drop(const Adjoint *a, NodeId condition, NodeId x);
NodeId build_broadcast(const Adjoint *a, NodeId x, const Shape *to, const int32_t *from);
NodeId build_sum(const Adjoint *a, NodeId x, const uint32_t *axes, uint32_t count);
NodeId build_reshape(const Adjoint *a, NodeId x, const Shape *to);
NodeId build_permute(const Adjoint *a, NodeId x, const uint32_t *perm);
/* `x` [all axes of `full` but `axes`] stretched back over `axes`. */
NodeId build_unreduce(const Adjoint *a, NodeId x, const Shape *full, const int64_t *axes,
                      uint32_t count);
/* A tensor of shape `to` from x, whose axis i is result axis where[i] (all different, any order).
 */
NodeId build_spread(const Adjoint *a, NodeId x, const Shape *to, const uint32_t *where);

/* ---- contractions (adjoint_reduce.c), and what lies behind a window (adjoint_window.c) */
typedef struct Labelled {
    NodeId node;
    uint32_t rank;
    uint32_t label[RANK_MAX];
} Labelled;
/* The share of `target` = the contraction of `left` and `right` over every label that it lacks: the
 * `first` ones in that order, then the others in the order of the forward result's axes and of k;
 * without such a label, their product. */
NodeId contract_share(const Adjoint *a, const Labelled *left, const Labelled *right,
                      const Labelled *target, const Shape *shape, const uint32_t *first,
                      uint32_t first_count);
/* Each gives a share to the source of the window that it sees through, or is false: no window, or
 * not of that form. */
bool window_contract_rule(Adjoint *a, const Labelled *g, const Labelled *other,
                          const Labelled *operand);
bool window_sum_rule(Adjoint *a);
bool window_extremum_rule(Adjoint *a, NodeId share);

#endif
