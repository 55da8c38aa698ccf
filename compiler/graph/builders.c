/* Thin builders over graph_add: one per op that has operands or attributes worth naming. */
#include "compiler/graph/graph.h"

static Shape rank0(void) {
    return (Shape){.rank = 0};
}

NodeId g_input(Graph *g, Sym name, DType dtype, const Shape *shape, Span span) {
    GraphInput in = {.name = name, .dtype = dtype, .shape = *shape, .span = span};
    vec_push(g->ctx->arena, &g->inputs, in);
    int64_t number = (int64_t)g->inputs.len - 1;
    return graph_add(g, OP_INPUT, DTYPE_COUNT, NULL, NULL, 0, &number, 1, span);
}

NodeId g_read(Graph *g, uint32_t slot, Span span) {
    int64_t number = slot;
    return graph_add(g, OP_READ, DTYPE_COUNT, NULL, NULL, 0, &number, 1, span);
}

NodeId g_const(Graph *g, DType dtype, const Shape *shape, double value, Span span) {
    int64_t word = dtype_word_from_f64(dtype, value);
    return graph_add(g, OP_CONST, dtype, shape, NULL, 0, &word, 1, span);
}

NodeId g_const_int(Graph *g, DType dtype, const Shape *shape, int64_t value, Span span) {
    int64_t word = dtype_word_from_int(dtype, value);
    return graph_add(g, OP_CONST, dtype, shape, NULL, 0, &word, 1, span);
}

NodeId g_iota(Graph *g, DType dtype, const Shape *shape, uint32_t axis, Span span) {
    int64_t attr = axis;
    return graph_add(g, OP_IOTA, dtype, shape, NULL, 0, &attr, 1, span);
}

NodeId g_random(Graph *g, const Shape *shape, uint64_t key, uint32_t draw, Span span) {
    int64_t attr[2] = {(int64_t)key, draw};
    return graph_add(g, OP_RANDOM, DTYPE_F32, shape, NULL, 0, attr, 2, span);
}

NodeId g_size(Graph *g, DType dtype, DimId dim, Span span) {
    int64_t attr = dim.id;
    Shape shape = rank0();
    return graph_add(g, OP_SIZE, dtype, &shape, NULL, 0, &attr, 1, span);
}

NodeId g_unary(Graph *g, Op op, NodeId a, Span span) {
    return graph_add(g, op, DTYPE_COUNT, NULL, &a, 1, NULL, 0, span);
}

NodeId g_cast(Graph *g, DType to, NodeId a, Span span) {
    return graph_add(g, OP_CAST, to, NULL, &a, 1, NULL, 0, span);
}

NodeId g_binary(Graph *g, Op op, NodeId a, NodeId b, Span span) {
    NodeId args[2] = {a, b};
    return graph_add(g, op, DTYPE_COUNT, NULL, args, 2, NULL, 0, span);
}

NodeId g_select(Graph *g, NodeId cond, NodeId a, NodeId b, Span span) {
    NodeId args[3] = {cond, a, b};
    return graph_add(g, OP_SELECT, DTYPE_COUNT, NULL, args, 3, NULL, 0, span);
}

NodeId g_reshape(Graph *g, NodeId a, const Shape *to, Span span) {
    return graph_add(g, OP_RESHAPE, DTYPE_COUNT, to, &a, 1, NULL, 0, span);
}

NodeId g_permute(Graph *g, NodeId a, const uint32_t *perm, Span span) {
    int64_t attr[RANK_MAX];
    uint32_t rank = graph_node(g, a)->rank;
    for (uint32_t i = 0; i < rank; i++) attr[i] = perm[i];
    return graph_add(g, OP_PERMUTE, DTYPE_COUNT, NULL, &a, 1, attr, rank, span);
}

NodeId g_broadcast(Graph *g, NodeId a, const Shape *to, const int32_t *from, Span span) {
    int64_t attr[RANK_MAX];
    for (uint32_t i = 0; i < to->rank; i++) attr[i] = from[i];
    return graph_add(g, OP_BROADCAST, DTYPE_COUNT, to, &a, 1, attr, to->rank, span);
}

NodeId g_splat(Graph *g, NodeId a, const Shape *to, Span span) {
    int32_t from[RANK_MAX];
    for (uint32_t i = 0; i < to->rank; i++) from[i] = -1;
    return g_broadcast(g, a, to, from, span);
}

NodeId g_slice(Graph *g, NodeId a, const DimId *first, const DimId *extent, const int64_t *step,
               Span span) {
    int64_t attr[2 * RANK_MAX];
    Shape shape = {.rank = graph_node(g, a)->rank};
    for (uint32_t i = 0; i < shape.rank; i++) {
        attr[2 * i] = first[i].id;
        attr[2 * i + 1] = step[i];
        shape.dims[i] = extent[i];
    }
    return graph_add(g, OP_SLICE, DTYPE_COUNT, &shape, &a, 1, attr, 2 * shape.rank, span);
}

NodeId g_pad(Graph *g, NodeId a, NodeId value, const DimId *low, const DimId *high,
             const int64_t *interior, Span span) {
    int64_t attr[3 * RANK_MAX];
    NodeId args[2] = {a, value};
    uint32_t rank = graph_node(g, a)->rank;
    for (uint32_t i = 0; i < rank; i++) {
        attr[3 * i] = low[i].id;
        attr[3 * i + 1] = high[i].id;
        attr[3 * i + 2] = interior[i];
    }
    return graph_add(g, OP_PAD, DTYPE_COUNT, NULL, args, 2, attr, 3 * rank, span);
}

static NodeId add_with_axes(Graph *g, Op op, NodeId a, const uint32_t *axes, uint32_t count,
                            Span span) {
    int64_t attr[RANK_MAX];
    if (count > RANK_MAX) BUG("%s over %u axes", op_info(op)->name, count);
    for (uint32_t i = 0; i < count; i++) attr[i] = axes[i];
    return graph_add(g, op, DTYPE_COUNT, NULL, &a, 1, attr, count, span);
}

NodeId g_reverse(Graph *g, NodeId a, const uint32_t *axes, uint32_t count, Span span) {
    return add_with_axes(g, OP_REVERSE, a, axes, count, span);
}

bool window_has_absent(const GNode *n) {
    for (uint32_t i = 0; n->op == OP_WINDOW && i < window_count(n); i++) {
        WindowAxis w = window_axis(n, i);
        if (w.low > 0 || w.high > 0 || w.spacing > 1) return true;
    }
    return false;
}

NodeId g_window(Graph *g, NodeId x, const WindowAxis *axes, uint32_t count, Span span) {
    int64_t attr[WINDOW_WORDS * RANK_MAX];
    INVARIANT(count <= RANK_MAX);
    for (uint32_t i = 0; i < count; i++) {
        WindowAxis w = axes[i];
        int64_t words[WINDOW_WORDS] = {w.axis, w.size, w.stride, w.dilation,
                                       w.low,  w.high, w.spacing};
        memcpy(attr + (size_t)WINDOW_WORDS * i, words, sizeof words);
    }
    return graph_add(g, OP_WINDOW, DTYPE_COUNT, NULL, &x, 1, attr, WINDOW_WORDS * count, span);
}

NodeId g_again(Graph *g, NodeId x, NodeId token, uint32_t site, Span span) {
    int64_t attr = site;
    NodeId args[2] = {x, token};
    return graph_add(g, OP_AGAIN, DTYPE_COUNT, NULL, args, 2, &attr, 1, span);
}

NodeId g_concat(Graph *g, const NodeId *parts, uint32_t count, uint32_t axis, Span span) {
    int64_t attr = axis;
    return graph_add(g, OP_CONCAT, DTYPE_COUNT, NULL, parts, count, &attr, 1, span);
}

NodeId g_reduce(Graph *g, Op op, NodeId a, const uint32_t *axes, uint32_t count, Span span) {
    return add_with_axes(g, op, a, axes, count, span);
}

/* The caller's labels are any small numbers; in the node, label i < rank is result axis i and the
 * reduced labels follow in the order k runs. */
NodeId g_contract(Graph *g, NodeId a, const uint32_t *la, NodeId b, const uint32_t *lb,
                  const uint32_t *out, uint32_t nout, const uint32_t *reduced, uint32_t nreduced,
                  Span span) {
    enum { LABELS = 64 };
    int64_t number[LABELS], attr[1 + 2 * RANK_MAX];
    for (uint32_t i = 0; i < LABELS; i++) number[i] = -1;
    for (uint32_t i = 0; i < nout + nreduced; i++) {
        uint32_t label = i < nout ? out[i] : reduced[i - nout];
        if (label >= LABELS || number[label] >= 0)
            BUG("contract: label %u twice or too large", label);
        number[label] = i;
    }
    uint32_t ra = graph_node(g, a)->rank, rb = graph_node(g, b)->rank;
    attr[0] = nreduced;
    for (uint32_t i = 0; i < ra + rb; i++) {
        uint32_t label = i < ra ? la[i] : lb[i - ra];
        if (label >= LABELS || number[label] < 0) BUG("contract: label %u goes nowhere", label);
        attr[1 + i] = number[label];
    }
    NodeId args[2] = {a, b};
    return graph_add(g, OP_CONTRACT, DTYPE_COUNT, NULL, args, 2, attr, 1 + ra + rb, span);
}

static NodeId add_indexed(Graph *g, Op op, const Shape *shape, NodeId x, const NodeId *index,
                          const uint32_t *axes, uint32_t count, Span span) {
    NodeId args[1 + RANK_MAX];
    int64_t attr[RANK_MAX];
    if (count > RANK_MAX) BUG("%s with %u indices", op_info(op)->name, count);
    args[0] = x;
    for (uint32_t i = 0; i < count; i++) {
        args[1 + i] = index[i];
        attr[i] = axes[i];
    }
    return graph_add(g, op, DTYPE_COUNT, shape, args, 1 + count, attr, count, span);
}

NodeId g_gather(Graph *g, NodeId x, const NodeId *index, const uint32_t *axes, uint32_t count,
                Span span) {
    return add_indexed(g, OP_GATHER, NULL, x, index, axes, count, span);
}

NodeId g_argsort(Graph *g, NodeId x, Span span) {
    return graph_add(g, OP_ARGSORT, DTYPE_COUNT, NULL, &x, 1, NULL, 0, span);
}

NodeId g_scatter_add(Graph *g, const Shape *shape, NodeId updates, const NodeId *index,
                     const uint32_t *axes, uint32_t count, Span span) {
    return add_indexed(g, OP_SCATTER_ADD, shape, updates, index, axes, count, span);
}

NodeId g_grad(Graph *g, NodeId y, NodeId x, Span span) {
    return g_binary(g, OP_GRAD, y, x, span);
}
