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
 * the others, right where some are zero. A size that only a run knows is gone through in order. */
Value tensor_product(Sema *s, Value v, const uint32_t *axes, uint32_t count, Span span) {
    Graph *g = sema_graph(s);
    DimTable *t = s->program->dims;
    DimId size;
    if (node_is_none(tensor_node(s, v, span))) return POISON;
    Value row = gather_axes(s, v, axes, count, &size, span);
    if (value_is_poison(row)) return POISON;
    NodeId x = row.as.tensor.node;
    if (!dim_is_const(t, size))
        return value_tensor(s, product_along(s, x, tensor_shape(s, row).rank - 1, span));
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
        if (!propose_around(s, d, c->spans[0], "i32", "convert first; `min` would do as well"))
            diag_help(d, "`min(i32(...))` is 1 where all hold");
        return POISON;
    }
    if (!axes_of(s, c->args[1], &shape, c->spans[1], axes, &count)) return POISON;
    if (count == 0) return v;
    Value r = tensor_product(s, v, axes, count, c->span);
    bool keep = c->args[2].kind == V_BOOL && c->args[2].as.truth;
    return keep ? with_kept_axes(s, r, &shape, axes, count, c->span) : r;
}

/* ------------------------------------------------------------------ order */

/* The one axis that the call names (default: the last); false: reported. */
static bool one_axis_of(Sema *s, const BuiltinCall *c, uint32_t arg, Value v, uint32_t *axis) {
    Shape shape = tensor_shape(s, v);
    uint32_t axes[RANK_MAX], count;
    Value at = c->args[arg].kind == V_NONE ? value_int(-1) : c->args[arg];
    if (!axes_of(s, at, &shape, c->spans[arg], axes, &count)) return false;
    *axis = axes[0];
    if (count == 1) return true;
    sema_error(s, E_AXIS, c->span, "`%s` works along one axis of %s", c->builtin->name,
               shape_string(s, &shape, v.decl));
    return false;
}

/* The axis goes last, or comes back from there. */
static Value swap_to_last(Sema *s, Value v, uint32_t axis, bool back, Span span) {
    uint32_t rank = tensor_shape(s, v).rank, perm[RANK_MAX], k = 0;
    for (uint32_t i = 0; i < rank; i++) {
        if (back) {
            perm[i] = i < axis ? i : i == axis ? rank - 1 : i - 1;
        } else if (i != axis) {
            perm[k++] = i;
        }
    }
    if (!back) perm[k] = axis;
    return tensor_permute(s, v, perm, span);
}

static bool number_operand(Sema *s, const BuiltinCall *c, Value *v) {
    *v = to_tensor(s, c->args[0], DTYPE_COUNT, c->spans[0]);
    if (value_is_poison(*v) || node_is_none(tensor_node(s, *v, c->span))) return false;
    if (tensor_shape(s, *v).rank > 0 && tensor_shape(s, *v).rank < RANK_MAX &&
        tensor_dtype(s, *v) != DTYPE_BOOL)
        return true;
    Diag *d =
        sema_error(s, E_DTYPE, c->span, "`%s` wants numbers along an axis, got %s %s",
                   c->builtin->name, dtype_name(tensor_dtype(s, *v)), value_shape_string(s, *v));
    if (tensor_dtype(s, *v) == DTYPE_BOOL &&
        !propose_around(s, d, c->spans[0], "i32", "convert the condition"))
        diag_help(d, "write `i32(...)` around the condition");
    return false;
}

/* Positions in order along the last axis; row 1: the ranks instead. */
static NodeId ordered(Sema *s, Value last, bool descending, int64_t row, Span span) {
    DimTable *t = s->program->dims;
    Graph *g = sema_graph(s);
    if (descending) last = tensor_descending(s, last, span);
    NodeId both = g_argsort(g, last.as.tensor.node, span);
    Shape shape = graph_shape(g, both), to = {.rank = 0};
    DimId first[RANK_MAX];
    int64_t step[RANK_MAX];
    for (uint32_t i = 0; i < shape.rank; i++) {
        bool half = i + 2 == shape.rank;
        first[i] = dim_const(t, half ? row : 0);
        step[i] = 1;
        if (!half) to.dims[to.rank++] = shape.dims[i];
    }
    shape.dims[shape.rank - 2] = dim_const(t, 1);
    return g_reshape(g, g_slice(g, both, first, shape.dims, step, span), &to, span);
}

/* x[..., at[..., k]]: rows of the last axis, each at positions of its own. */
static NodeId take_along(Sema *s, NodeId x, NodeId at, Span span) {
    Graph *g = sema_graph(s);
    Shape shape = graph_shape(g, at);
    NodeId index[RANK_MAX];
    uint32_t axes[RANK_MAX];
    for (uint32_t i = 0; i < shape.rank; i++) {
        axes[i] = i;
        index[i] = i + 1 == shape.rank ? at : g_iota(g, DTYPE_I32, &shape, i, span);
    }
    return g_gather(g, x, index, axes, shape.rank, span);
}

static bool flag_of(Sema *s, const BuiltinCall *c, uint32_t arg, bool *out) {
    *out = c->args[arg].kind == V_BOOL && c->args[arg].as.truth;
    if (c->args[arg].kind == V_NONE || c->args[arg].kind == V_BOOL) return true;
    sema_error(s, E_ARGUMENT, c->spans[arg], "`descending` of `%s` wants `true` or `false`",
               c->builtin->name);
    return false;
}

enum { WANT_POSITIONS, WANT_RANKS, WANT_VALUES };

static Value sort_along(Sema *s, const BuiltinCall *c) {
    Value v;
    uint32_t axis;
    bool descending;
    if (!number_operand(s, c, &v) || !one_axis_of(s, c, 1, v, &axis) ||
        !flag_of(s, c, 2, &descending))
        return POISON;
    Value last = swap_to_last(s, v, axis, false, c->span);
    NodeId at = ordered(s, last, descending, c->builtin->op == WANT_RANKS, c->span);
    if (c->builtin->op == WANT_VALUES) at = take_along(s, last.as.tensor.node, at, c->span);
    return swap_to_last(s, value_tensor(s, at), axis, true, c->span);
}

/* The k largest along an axis, largest first, and their positions. */
static Value top_k(Sema *s, const BuiltinCall *c) {
    Value v;
    uint32_t axis;
    DimId k;
    DimTable *t = s->program->dims;
    if (!number_operand(s, c, &v) || !one_axis_of(s, c, 2, v, &axis)) return POISON;
    Shape shape = tensor_shape(s, v);
    DimId rest = dim_const(t, 0);
    bool size = value_as_dim(s, c->args[1], &k);
    if (size) rest = dim_sub(t, shape.dims[axis], k);
    if (!size || (dim_is_const(t, rest) && dim_value(t, rest) < 0)) {
        sema_error(s, E_ARGUMENT, c->spans[1], "`top_k` wants how many of %s, got %s",
                   shape_string(s, &shape, v.decl), value_string(s, c->args[1]));
        return POISON;
    }
    Value last = swap_to_last(s, v, axis, false, c->span);
    Value at = value_tensor(s, ordered(s, last, true, 0, c->span));
    Shape cut = tensor_shape(s, at);
    DimId first[RANK_MAX];
    int64_t step[RANK_MAX];
    for (uint32_t i = 0; i < cut.rank; i++) first[i] = dim_const(t, 0), step[i] = 1;
    cut.dims[cut.rank - 1] = k;
    NodeId best = g_slice(sema_graph(s), at.as.tensor.node, first, cut.dims, step, c->span);
    NodeId values = take_along(s, last.as.tensor.node, best, c->span);
    Value both = {.kind = V_TUPLE, .as.list = {.count = 2}};
    both.as.list.items = ARENA_ARRAY(s->arena, Value, 2);
    both.as.list.items[0] = swap_to_last(s, value_tensor(s, values), axis, true, c->span);
    both.as.list.items[1] = swap_to_last(s, value_tensor(s, best), axis, true, c->span);
    return both;
}

/* Between the two elements around position q (n - 1) of the sorted axis, by their distance. */
static NodeId between(Sema *s, NodeId sorted, double q, Span span) {
    Graph *g = sema_graph(s);
    Shape scalar = shape_scalar(), shape = graph_shape(g, sorted);
    uint32_t last = shape.rank - 1;
    DType type = graph_node(g, sorted)->dtype;
    DimId end = dim_sub(s->program->dims, shape.dims[last], dim_const(s->program->dims, 1));
    NodeId place = g_binary(g, OP_MUL, g_const(g, DTYPE_F64, &scalar, q, span),
                            g_size(g, DTYPE_F64, end, span), span);
    NodeId whole = g_unary(g, OP_FLOOR, place, span), low = g_cast(g, DTYPE_I64, whole, span);
    NodeId one = g_const_int(g, DTYPE_I64, &scalar, 1, span);
    NodeId high = g_binary(g, OP_MIN, g_binary(g, OP_ADD, low, one, span),
                           g_size(g, DTYPE_I64, end, span), span);
    NodeId a = g_gather(g, sorted, &low, &last, 1, span),
           b = g_gather(g, sorted, &high, &last, 1, span);
    NodeId part = g_cast(g, type, g_binary(g, OP_SUB, place, whole, span), span);
    Shape rest = graph_shape(g, a);
    NodeId gap = g_binary(g, OP_SUB, b, a, span);
    NodeId move = g_binary(g, OP_MUL, g_splat(g, part, &rest, span), gap, span);
    /* an equal neighbour may be infinite: no 0 · (inf - inf) */
    NodeId level = g_binary(g, OP_EQUAL, a, b, span);
    return g_select(g, level, a, g_binary(g, OP_ADD, a, move, span), span);
}

static Value quantile(Sema *s, const BuiltinCall *c) {
    Value v;
    uint32_t axes[RANK_MAX], count;
    if (!number_operand(s, c, &v)) return POISON;
    Shape shape = tensor_shape(s, v);
    double q = c->args[1].kind == V_NUM ? value_number(c->args[1]) : -1;
    if (!(q >= 0 && q <= 1)) {
        sema_error(s, E_ARGUMENT, c->spans[1], "`quantile` wants a number between 0 and 1, got %s",
                   value_string(s, c->args[1]));
        return POISON;
    }
    if (!dtype_is_float(tensor_dtype(s, v))) {
        Diag *d = sema_error(s, E_DTYPE, c->span, "`quantile` wants floats, got %s",
                             dtype_name(tensor_dtype(s, v)));
        if (!propose_around(s, d, c->spans[0], "f32", "convert first"))
            diag_help(d, "convert first: `f32(...)`");
        return POISON;
    }
    if (!axes_of(s, c->args[2], &shape, c->spans[2], axes, &count)) return POISON;
    DimId size;
    Value row = gather_axes(s, v, axes, count, &size, c->span);
    if (value_is_poison(row)) return POISON;
    NodeId x = row.as.tensor.node;
    NodeId sorted = take_along(s, x, ordered(s, row, false, 0, c->span), c->span);
    Value r = value_tensor(s, between(s, sorted, q, c->span));
    bool keep = c->args[3].kind == V_BOOL && c->args[3].as.truth;
    return keep ? with_kept_axes(s, r, &shape, axes, count, c->span) : r;
}

/* ------------------------------------------------------------------ one position */

/* put(x, at, v, axis): x with v at one position of the axis. */
static Value put(Sema *s, const BuiltinCall *c) {
    Graph *g = sema_graph(s);
    Value x = to_tensor(s, c->args[0], DTYPE_COUNT, c->spans[0]), at = c->args[1];
    uint32_t axis;
    int64_t i;
    if (!value_is_poison(x)) x = tensor_here(s, x, c->spans[0]);
    if (value_is_poison(x)) return POISON;
    Shape shape = tensor_shape(s, x), slot = {.rank = 0};
    if (!one_axis_of(s, c, 3, x, &axis)) return POISON;
    if (value_is_int(at, &i) && i < 0)
        at = value_dim(
            s, dim_sub(s->program->dims, shape.dims[axis], dim_const(s->program->dims, -i)));
    at = to_tensor(s, at, DTYPE_I32, c->spans[1]);
    Value v = to_tensor(s, c->args[2], tensor_dtype(s, x), c->spans[2]);
    if (value_is_poison(at) || value_is_poison(v)) return POISON;
    at = tensor_here(s, at, c->spans[1]);
    if (value_is_poison(at)) return POISON;
    if (tensor_shape(s, at).rank != 0 || !dtype_is_integer(tensor_dtype(s, at))) {
        bool number = tensor_shape(s, at).rank == 0;
        Diag *d = sema_error(
            s, E_ARGUMENT, c->spans[1], "`put` writes at one position, a whole number, not %s%s",
            number ? dtype_name(tensor_dtype(s, at)) : "", number ? "" : value_shape_string(s, at));
        if (number) propose_around(s, d, c->spans[1], "i32", "convert it");
        return POISON;
    }
    int32_t from[RANK_MAX];
    for (uint32_t k = 0; k < shape.rank; k++) {
        from[k] = k == axis ? -1 : (int32_t)slot.rank;
        if (k != axis) slot.dims[slot.rank++] = shape.dims[k];
    }
    if (tensor_dtype(s, v) != tensor_dtype(s, x)) {
        sema_error(s, E_DTYPE, c->spans[2], "`put` of %s into %s", dtype_name(tensor_dtype(s, v)),
                   dtype_name(tensor_dtype(s, x)));
        return POISON;
    }
    v = tensor_broadcast_to(s, v, &slot, c->spans[2]);
    if (value_is_poison(v)) return POISON;
    DType type = tensor_dtype(s, at);
    NodeId here = g_binary(g, OP_EQUAL, g_iota(g, type, &shape, axis, c->span),
                           g_splat(g, at.as.tensor.node, &shape, c->span), c->span);
    NodeId wide = g_broadcast(g, v.as.tensor.node, &shape, from, c->span);
    return value_tensor(s, g_select(g, here, wide, x.as.tensor.node, c->span));
}

const Builtin BUILTINS_ORDER[] = {{"prod", "x, axis?, keep?", prod, 0},
                                  {"argsort", "x, axis?, descending?", sort_along, WANT_POSITIONS},
                                  {"ranks", "x, axis?, descending?", sort_along, WANT_RANKS},
                                  {"sort", "x, axis?, descending?", sort_along, WANT_VALUES},
                                  {"top_k", "x, k, axis?", top_k, 0},
                                  {"quantile", "x, q, axis?, keep?", quantile, 0},
                                  {"put", "x, at, v, axis?", put, 0},
                                  {NULL, NULL, NULL, 0}};
