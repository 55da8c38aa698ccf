/* Builtins on products and order: prod, argmin, and what stands on the sorting permutation. */
#include "compiler/sema/elaborate.h"

Value tensor_descending(Sema *s, Value v, Span span) {
    NodeId a = tensor_node(s, v, span);
    if (node_is_none(a)) return POISON;
    Op op = dtype_is_float(tensor_dtype(s, v)) ? OP_NEG : OP_NOT;
    return value_tensor(s, g_unary(sema_graph(s), op, a, span));
}

/* ------------------------------------------------------------------ products */

/* The axes go last and become one. */
static Value gather_axes(Sema *s, Value v, const uint32_t *axes, uint32_t count, DimId *size,
                         Span span) {
    Shape shape = tensor_shape(s, v), to = {.rank = 0};
    uint32_t perm[RANK_MAX], n = 0, next = 0;
    *size = dim_const(s->program->dims, 1);
    for (uint32_t i = 0; i < shape.rank; i++) {
        if (next < count && axes[next] == i) {
            next++;
            continue;
        }
        to.dims[to.rank++] = shape.dims[i];
        perm[n++] = i;
    }
    for (uint32_t i = 0; i < count; i++) {
        perm[n++] = axes[i];
        *size = dim_mul(s->program->dims, *size, shape.dims[axes[i]]);
    }
    to.dims[to.rank++] = *size;
    return tensor_reshape(s, tensor_permute(s, v, perm, span), &to, span);
}

static NodeId cut_last(Sema *s, NodeId x, int64_t first, int64_t extent, Span span) {
    DimTable *t = s->program->dims;
    Shape shape = graph_shape(sema_graph(s), x);
    DimId from[RANK_MAX];
    int64_t step[RANK_MAX];
    for (uint32_t i = 0; i < shape.rank; i++) {
        from[i] = dim_const(t, i + 1 == shape.rank ? first : 0);
        step[i] = 1;
    }
    shape.dims[shape.rank - 1] = dim_const(t, extent);
    return g_slice(sema_graph(s), x, from, shape.dims, step, span);
}

/* One more element, 1, at the end of the last axis. */
static NodeId pad_one(Sema *s, NodeId x, Span span) {
    Graph *g = sema_graph(s);
    DimTable *t = s->program->dims;
    Shape shape = graph_shape(g, x), scalar = shape_scalar();
    DimId low[RANK_MAX], high[RANK_MAX];
    int64_t interior[RANK_MAX] = {0};
    for (uint32_t i = 0; i < shape.rank; i++) {
        low[i] = dim_const(t, 0);
        high[i] = dim_const(t, i + 1 == shape.rank ? 1 : 0);
    }
    DType type = graph_node(g, x)->dtype;
    NodeId one = dtype_is_float(type) ? g_const(g, type, &scalar, 1, span)
                                      : g_const_int(g, type, &scalar, 1, span);
    return g_pad(g, x, one, low, high, interior, span);
}

/* A tree: element i times element i + ceil(n/2), again and again. Its gradient is the product of
 * the others, right where some are zero. */
Value tensor_product(Sema *s, Value v, const uint32_t *axes, uint32_t count, Span span) {
    Graph *g = sema_graph(s);
    DimTable *t = s->program->dims;
    DimId size;
    if (node_is_none(tensor_node(s, v, span))) return POISON;
    Value row = gather_axes(s, v, axes, count, &size, span);
    if (value_is_poison(row)) return POISON;
    if (!dim_is_const(t, size))
        return sema_unsupported(s, span, "a product over a size known only at run time");
    NodeId x = row.as.tensor.node;
    int64_t n = dim_value(t, size);
    if (n == 0) x = pad_one(s, x, span);
    while (n > 1) {
        int64_t half = (n + 1) / 2;
        NodeId high = cut_last(s, x, half, n - half, span);
        if (n % 2) high = pad_one(s, high, span);
        x = g_binary(g, OP_MUL, cut_last(s, x, 0, half, span), high, span);
        n = half;
    }
    Shape to = graph_shape(g, x);
    to.rank--;
    return value_tensor(s, g_reshape(g, x, &to, span));
}

static Value with_kept_axes(Sema *s, Value r, const Shape *shape, const uint32_t *axes,
                            uint32_t count, Span span) {
    Shape to = *shape;
    for (uint32_t i = 0; i < count; i++) to.dims[axes[i]] = dim_const(s->program->dims, 1);
    return value_is_poison(r) ? r : tensor_reshape(s, r, &to, span);
}

static Value prod(Sema *s, const BuiltinCall *c) {
    Value v = to_tensor(s, c->args[0], DTYPE_COUNT, c->spans[0]);
    uint32_t axes[RANK_MAX], count;
    if (value_is_poison(v)) return POISON;
    Shape shape = tensor_shape(s, v);
    if (tensor_dtype(s, v) == DTYPE_BOOL) {
        Diag *d = sema_error(s, E_DTYPE, c->span, "`prod` of bools");
        diag_help(d, "`min(i32(...))` is 1 where all hold");
        return POISON;
    }
    if (!axes_of(s, c->args[1], &shape, c->spans[1], axes, &count)) return POISON;
    if (count == 0) return v;
    Value r = tensor_product(s, v, axes, count, c->span);
    bool keep = c->args[2].kind == V_BOOL && c->args[2].as.truth;
    return keep ? with_kept_axes(s, r, &shape, axes, count, c->span) : r;
}

const Builtin BUILTINS_ORDER[] = {{"prod", "x, axis?, keep?", prod, 0}, {NULL, NULL, NULL, 0}};
