/* Builders for adjoint rules. The graph they make is what runs, so they leave out what costs time
 * and changes nothing: products with 1, negation of a negation, views of constants. Each shortcut
 * is exact in every bit. */
#include "compiler/autodiff/adjoint.h"

Shape adjoint_operand_shape(const Adjoint *a, uint32_t i) {
    return graph_shape(a->graph, a->node.args[i]);
}

static bool is_pure_view(Op op) {
    return op == OP_BROADCAST || op == OP_RESHAPE || op == OP_PERMUTE || op == OP_REVERSE ||
           op == OP_SLICE;
}

bool adjoint_static(const Adjoint *a, NodeId id, double *value) {
    const GNode *n = graph_node(a->graph, id);
    while (is_pure_view(n->op)) {
        id = n->args[0];
        n = graph_node(a->graph, id);
    }
    return graph_const_value(a->graph, id, value);
}

static bool is_static(const Adjoint *a, NodeId id, double wanted) {
    double value;
    return adjoint_static(a, id, &value) && value == wanted;
}

NodeId build_const(const Adjoint *a, const Shape *shape, double value) {
    return g_const(a->graph, a->node.dtype, shape, value, a->node.span);
}

NodeId build_binary(const Adjoint *a, Op op, NodeId x, NodeId y) {
    return g_binary(a->graph, op, x, y, a->node.span);
}

NodeId build_unary(const Adjoint *a, Op op, NodeId x) {
    return g_unary(a->graph, op, x, a->node.span);
}

NodeId build_neg(const Adjoint *a, NodeId x) {
    const GNode *n = graph_node(a->graph, x);
    double value;
    if (n->op == OP_NEG) return n->args[0];
    if (graph_const_value(a->graph, x, &value)) {
        Shape shape = graph_shape(a->graph, x);
        return g_const(a->graph, n->dtype, &shape, -value, a->node.span);
    }
    return build_unary(a, OP_NEG, x);
}

NodeId build_mul(const Adjoint *a, NodeId x, NodeId y) {
    if (is_static(a, x, 1)) return y;
    if (is_static(a, y, 1)) return x;
    if (is_static(a, x, -1)) return build_neg(a, y);
    if (is_static(a, y, -1)) return build_neg(a, x);
    return build_binary(a, OP_MUL, x, y);
}

NodeId build_div(const Adjoint *a, NodeId x, NodeId y) {
    return is_static(a, y, 1) ? x : build_binary(a, OP_DIV, x, y);
}

static NodeId zeros_like(const Adjoint *a, NodeId x) {
    Shape shape = graph_shape(a->graph, x);
    return g_const(a->graph, graph_node(a->graph, x)->dtype, &shape, 0.0, a->node.span);
}

NodeId build_keep(const Adjoint *a, NodeId condition, NodeId x) {
    return g_select(a->graph, condition, x, zeros_like(a, x), a->node.span);
}

NodeId build_drop(const Adjoint *a, NodeId condition, NodeId x) {
    return g_select(a->graph, condition, zeros_like(a, x), x, a->node.span);
}

static bool same_shape(const Shape *a, const Shape *b) {
    if (a->rank != b->rank) return false;
    for (uint32_t i = 0; i < a->rank; i++)
        if (!dim_same(a->dims[i], b->dims[i])) return false;
    return true;
}

/* A constant keeps being one under any view that repeats or reorders it. */
static bool constant_view(const Adjoint *a, NodeId x, const Shape *to, NodeId *result) {
    double value;
    if (!graph_const_value(a->graph, x, &value)) return false;
    *result = g_const(a->graph, graph_node(a->graph, x)->dtype, to, value, a->node.span);
    return true;
}

NodeId build_broadcast(const Adjoint *a, NodeId x, const Shape *to, const int32_t *from) {
    NodeId result;
    if (constant_view(a, x, to, &result)) return result;
    Shape shape = graph_shape(a->graph, x);
    if (same_shape(&shape, to)) return x;
    return g_broadcast(a->graph, x, to, from, a->node.span);
}

NodeId build_reshape(const Adjoint *a, NodeId x, const Shape *to) {
    NodeId result;
    if (constant_view(a, x, to, &result)) return result;
    Shape shape = graph_shape(a->graph, x);
    if (same_shape(&shape, to)) return x;
    return g_reshape(a->graph, x, to, a->node.span);
}

/* A negated tensor is summed first: its sum is smaller. */
NodeId build_sum(const Adjoint *a, NodeId x, const uint32_t *axes, uint32_t count) {
    const GNode *n = graph_node(a->graph, x);
    if (count == 0) return x;
    if (n->op == OP_NEG) return build_neg(a, build_sum(a, n->args[0], axes, count));
    return g_reduce(a->graph, OP_SUM, x, axes, count, a->node.span);
}

NodeId build_permute(const Adjoint *a, NodeId x, const uint32_t *perm) {
    Shape shape = graph_shape(a->graph, x), to = shape;
    bool identity = true;
    for (uint32_t i = 0; i < shape.rank; i++) {
        to.dims[i] = shape.dims[perm[i]];
        identity = identity && perm[i] == i;
    }
    NodeId result;
    if (identity) return x;
    if (constant_view(a, x, &to, &result)) return result;
    return g_permute(a->graph, x, perm, a->node.span);
}

NodeId build_unreduce(const Adjoint *a, NodeId x, const Shape *full, const int64_t *axes,
                      uint32_t count) {
    int32_t from[RANK_MAX];
    uint32_t reduced = 0;
    for (uint32_t i = 0; i < full->rank; i++) {
        bool gone = reduced < count && axes[reduced] == i;
        from[i] = gone ? -1 : (int32_t)(i - reduced);
        if (gone) reduced++;
    }
    return build_broadcast(a, x, full, from);
}

NodeId build_spread(const Adjoint *a, NodeId x, const Shape *to, const uint32_t *where) {
    uint32_t rank = graph_shape(a->graph, x).rank, perm[RANK_MAX] = {0}, used = 0;
    int32_t from[RANK_MAX];
    for (uint32_t i = 0; i < to->rank; i++) {
        from[i] = -1;
        for (uint32_t j = 0; j < rank; j++) {
            if (where[j] != i) continue;
            from[i] = (int32_t)used;
            perm[used++] = j;
        }
    }
    INVARIANT(used == rank);
    return build_broadcast(a, build_permute(a, x, perm), to, from);
}
