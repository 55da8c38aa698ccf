/* Adjoints of reductions, contractions and indexing: the ops that join or pick elements. */
#include "compiler/autodiff/adjoint.h"

void adjoint_SUM(Adjoint *a) {
    Shape shape = adjoint_operand_shape(a, 0);
    if (!adjoint_wants(a, 0) || window_sum_rule(a)) return;
    adjoint_give(a, 0, build_unreduce(a, a->grad, &shape, a->node.attr, a->node.nattr));
}

/* g shared equally among the elements that equal the extremum. */
static void extremum_rule(Adjoint *a) {
    Shape shape = adjoint_operand_shape(a, 0);
    const int64_t *axes = a->node.attr;
    uint32_t count = a->node.nattr, plain[RANK_MAX];
    if (!adjoint_wants(a, 0)) return;
    for (uint32_t i = 0; i < count; i++) plain[i] = (uint32_t)axes[i];
    NodeId extremum = build_unreduce(a, a->self, &shape, axes, count);
    NodeId tied = build_binary(a, OP_EQUAL, adjoint_operand(a, 0), extremum);
    NodeId ties = build_sum(a, g_cast(a->graph, a->node.dtype, tied, a->node.span), plain, count);
    NodeId share = build_div(a, a->grad, ties);
    if (window_extremum_rule(a, share)) return;
    adjoint_give(a, 0, build_keep(a, tied, build_unreduce(a, share, &shape, axes, count)));
}

void adjoint_REDUCE_MAX(Adjoint *a) {
    extremum_rule(a);
}
void adjoint_REDUCE_MIN(Adjoint *a) {
    extremum_rule(a);
}

/* ---- contract */

enum { LABEL_MAX = 2 * RANK_MAX };

static Labelled labelled_operand(const Adjoint *a, uint32_t operand) {
    uint32_t first = operand == 0 ? 1 : 1 + graph_shape(a->graph, a->node.args[0]).rank;
    Labelled x = {.node = a->node.args[operand]};
    x.rank = graph_shape(a->graph, x.node).rank;
    for (uint32_t i = 0; i < x.rank; i++) x.label[i] = (uint32_t)a->node.attr[first + i];
    return x;
}

static bool has_label(const Labelled *x, uint32_t label) {
    for (uint32_t i = 0; i < x->rank; i++)
        if (x->label[i] == label) return true;
    return false;
}

/* x spread over `shape`, whose axes are labelled as `like`. */
static NodeId spread_like(const Adjoint *a, const Labelled *x, const Labelled *like,
                          const Shape *shape) {
    uint32_t where[RANK_MAX] = {0};
    for (uint32_t i = 0; i < x->rank; i++)
        for (uint32_t j = 0; j < like->rank; j++)
            if (like->label[j] == x->label[i]) where[i] = j;
    return build_spread(a, x->node, shape, where);
}

NodeId contract_share(const Adjoint *a, const Labelled *left, const Labelled *right,
                      const Labelled *target, const Shape *shape, const uint32_t *first,
                      uint32_t first_count) {
    Labelled result = {.rank = 0};
    uint32_t reduced[LABEL_MAX], count = 0;
    bool taken[LABEL_MAX] = {false};
    Shape result_shape = {.rank = 0};
    for (; count < first_count; count++) taken[reduced[count] = first[count]] = true;
    for (uint32_t label = 0; label < LABEL_MAX; label++)
        if (!taken[label] && !has_label(target, label) &&
            (has_label(left, label) || has_label(right, label)))
            reduced[count++] = label;
    if (count == 0)
        return build_mul(a, spread_like(a, left, target, shape),
                         spread_like(a, right, target, shape));
    for (uint32_t i = 0; i < target->rank; i++) {
        if (!has_label(left, target->label[i]) && !has_label(right, target->label[i])) continue;
        result.label[result.rank++] = target->label[i];
        result_shape.dims[result_shape.rank++] = shape->dims[i];
    }
    result.node = g_contract(a->graph, left->node, left->label, right->node, right->label,
                             result.label, result.rank, reduced, count, a->node.span);
    return spread_like(a, &result, target, shape);
}

/* A contraction of g with the other operand: for y = x @ w, dx = g @ wᵀ and dw = xᵀ @ g, operands
 * in the order in which they stand there. */
void adjoint_CONTRACT(Adjoint *a) {
    Labelled g = {.node = a->grad, .rank = a->node.rank};
    for (uint32_t i = 0; i < g.rank; i++) g.label[i] = i;
    Labelled x = labelled_operand(a, 0), w = labelled_operand(a, 1);
    Shape x_shape = adjoint_operand_shape(a, 0), w_shape = adjoint_operand_shape(a, 1);
    if (adjoint_wants(a, 0) && !window_contract_rule(a, &g, &w, &x))
        adjoint_give(a, 0, contract_share(a, &g, &w, &x, &x_shape, NULL, 0));
    if (adjoint_wants(a, 1) && !window_contract_rule(a, &g, &x, &w))
        adjoint_give(a, 1, contract_share(a, &x, &g, &w, &w_shape, NULL, 0));
}

/* ---- indexing */

typedef struct OneHot {
    uint32_t hot; /* axis of x picked by `index` */
    NodeId index;
    uint32_t axis[RANK_MAX]; /* axis of x that axis i of the indices runs along */
} OneHot;

/* Is every index but one an iota that runs along one whole axis of x? Then no two results read the
 * same element of x: logits[b, label[b]]. */
static bool is_one_hot(const Adjoint *a, const Shape *x, OneHot *out) {
    bool used[RANK_MAX] = {false};
    uint32_t others = 0, rank = graph_shape(a->graph, a->node.args[1]).rank;
    for (uint32_t k = 1; k < a->node.nargs; k++) {
        const GNode *index = graph_node(a->graph, a->node.args[k]);
        uint32_t axis = (uint32_t)a->node.attr[k - 1];
        bool runs = index->op == OP_IOTA && !used[index->attr[0]] &&
                    dim_same(index->dims[index->attr[0]], x->dims[axis]);
        if (runs) {
            used[index->attr[0]] = true;
            out->axis[index->attr[0]] = axis;
        } else {
            out->hot = axis;
            out->index = a->node.args[k];
            others++;
        }
    }
    return others == 1 && a->node.nargs - 2 == rank;
}

/* The index as the gather used it, clamped to [0, size), in a type that holds it and `size`; or
 * NODE_NONE. */
static NodeId clamped_index(const Adjoint *a, NodeId index, DimId size) {
    Graph *g = a->graph;
    Span span = a->node.span;
    DType type = graph_node(g, index)->dtype;
    if (type == DTYPE_U64) return NODE_NONE;
    bool small = dim_bound(g->dims, size) <= INT32_MAX;
    DType wide = type == DTYPE_I64 || type == DTYPE_U32 || !small ? DTYPE_I64 : DTYPE_I32;
    if (wide != type) index = g_cast(g, wide, index, span);
    Shape shape = graph_shape(g, index);
    DimId last = dim_sub(g->dims, size, dim_const(g->dims, 1));
    NodeId top = dim_is_const(g->dims, last)
                     ? g_const_int(g, wide, &shape, dim_value(g->dims, last), span)
                     : g_splat(g, g_size(g, wide, last, span), &shape, span);
    NodeId bottom = g_const_int(g, wide, &shape, 0, span);
    return g_binary(g, OP_MIN, g_binary(g, OP_MAX, index, bottom, span), top, span);
}

/* select(position on the hot axis == index, g, 0): elementwise, where a scatter would have to fill
 * with zeros first and then run in order. */
static NodeId one_hot_share(const Adjoint *a, const Shape *x, const OneHot *pick) {
    NodeId index = clamped_index(a, pick->index, x->dims[pick->hot]);
    if (node_is_none(index)) return NODE_NONE;
    uint32_t where[RANK_MAX], rank = graph_shape(a->graph, index).rank, next = rank;
    for (uint32_t i = 0; i < rank; i++) where[i] = pick->axis[i];
    NodeId spread = build_spread(a, index, x, where);
    DType type = graph_node(a->graph, index)->dtype;
    NodeId place = g_iota(a->graph, type, x, pick->hot, a->node.span);
    NodeId hit = build_binary(a, OP_EQUAL, place, spread);
    for (uint32_t i = 0, k = 0; i < x->rank; i++) { /* the axes of x that no index names */
        if (k < a->node.nattr && a->node.attr[k] == i)
            k++;
        else
            where[next++] = i;
    }
    return build_keep(a, hit, build_spread(a, a->grad, x, where));
}

static NodeId scatter_share(const Adjoint *a, const Shape *x) {
    uint32_t axes[RANK_MAX];
    for (uint32_t i = 0; i < a->node.nattr; i++) axes[i] = (uint32_t)a->node.attr[i];
    return g_scatter_add(a->graph, x, a->grad, a->node.args + 1, axes, a->node.nattr, a->node.span);
}

void adjoint_GATHER(Adjoint *a) {
    if (!adjoint_wants(a, 0)) return;
    Shape x = adjoint_operand_shape(a, 0);
    OneHot pick;
    NodeId share = NODE_NONE;
    if (is_one_hot(a, &x, &pick)) share = one_hot_share(a, &x, &pick);
    adjoint_give(a, 0, node_is_none(share) ? scatter_share(a, &x) : share);
}

void adjoint_SCATTER_ADD(Adjoint *a) {
    uint32_t axes[RANK_MAX];
    for (uint32_t i = 0; i < a->node.nattr; i++) axes[i] = (uint32_t)a->node.attr[i];
    if (!adjoint_wants(a, 0)) return;
    adjoint_give(a, 0,
                 g_gather(a->graph, a->grad, a->node.args + 1, axes, a->node.nattr, a->node.span));
}
