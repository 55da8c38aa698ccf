/* Builtins that ask for or change shapes. */
#include "compiler/sema/elaborate.h"

static Value tensor_arg(Sema *s, const BuiltinCall *c, uint32_t i) {
    return to_tensor(s, c->args[i], DTYPE_COUNT, c->spans[i]);
}

static Value shape_of(Sema *s, const BuiltinCall *c) {
    Value v = tensor_arg(s, c, 0);
    if (value_is_poison(v)) return POISON;
    Shape shape = tensor_shape(s, v);
    Value items[RANK_MAX];
    for (uint32_t i = 0; i < shape.rank; i++) items[i] = value_dim(s, shape.dims[i]);
    return value_list(s, items, shape.rank);
}

static Value rank_of(Sema *s, const BuiltinCall *c) {
    if (c->args[0].kind == V_LIST) return value_int(c->args[0].as.list.count);
    Value v = tensor_arg(s, c, 0);
    return value_is_poison(v) ? v : value_int(tensor_shape(s, v).rank);
}

static Value product_of(Sema *s, const BuiltinCall *c) {
    Shape shape;
    if (c->args[0].kind != V_LIST && c->args[0].kind != V_TUPLE) {
        sema_error(s, E_ARGUMENT, c->span, "`product` wants a list of sizes");
        return POISON;
    }
    Value list = c->args[0];
    list.kind = V_LIST;
    if (!value_to_shape(s, list, &shape, c->span)) return POISON;
    DimId d = dim_const(s->program->dims, 1);
    for (uint32_t i = 0; i < shape.rank; i++) d = dim_mul(s->program->dims, d, shape.dims[i]);
    return value_dim(s, d);
}

/* How many elements a reduction over `axis` takes together. */
static Value count_of(Sema *s, const BuiltinCall *c) {
    Value v = tensor_arg(s, c, 0);
    uint32_t axes[RANK_MAX], count;
    if (value_is_poison(v)) return POISON;
    Shape shape = tensor_shape(s, v);
    if (!axes_of(s, c->args[1], &shape, c->spans[1], axes, &count)) return POISON;
    DimId d = dim_const(s->program->dims, 1);
    for (uint32_t i = 0; i < count; i++) d = dim_mul(s->program->dims, d, shape.dims[axes[i]]);
    return value_dim(s, d);
}

static Value reshape(Sema *s, const BuiltinCall *c) {
    Value v = tensor_arg(s, c, 0);
    Shape to;
    DimTable *t = s->program->dims;
    if (value_is_poison(v) || !value_to_shape(s, c->args[1], &to, c->spans[1])) return POISON;
    Shape from = tensor_shape(s, v);
    DimId a = dim_const(t, 1), b = a;
    for (uint32_t i = 0; i < from.rank; i++) a = dim_mul(t, a, from.dims[i]);
    for (uint32_t i = 0; i < to.rank; i++) b = dim_mul(t, b, to.dims[i]);
    if (!dim_same(a, b)) {
        Text ta = {.arena = s->arena}, tb = {.arena = s->arena};
        dim_print(&ta, t, a);
        dim_print(&tb, t, b);
        Diag *d = sema_error(s, E_SHAPE, c->span, "cannot reshape %s to %s: %s elements against %s",
                             shape_string(s, &from, v.decl), shape_string(s, &to, NULL),
                             text_str(&ta), text_str(&tb));
        diag_caret(d, "%s", shape_string(s, &from, v.decl));
        return POISON;
    }
    return tensor_reshape(s, v, &to, c->span);
}

static Value transpose(Sema *s, const BuiltinCall *c) {
    Value v = tensor_arg(s, c, 0);
    if (value_is_poison(v)) return POISON;
    Shape shape = tensor_shape(s, v);
    uint32_t perm[RANK_MAX];
    bool used[RANK_MAX] = {0};
    Value list = c->args[1];
    bool ok = list.kind == V_LIST && list.as.list.count == shape.rank;
    for (uint32_t i = 0; ok && i < shape.rank; i++) {
        int64_t at;
        ok = value_is_int(list.as.list.items[i], &at);
        if (ok && at < 0) at += shape.rank;
        ok = ok && at >= 0 && at < shape.rank && !used[at];
        if (ok) used[at] = true, perm[i] = (uint32_t)at;
    }
    if (!ok) {
        sema_error(s, E_AXIS, c->span, "`%s` wants each axis of %s once, e.g. `[1, 2, 0]`",
                   c->builtin->name, shape_string(s, &shape, v.decl));
        return POISON;
    }
    return tensor_permute(s, v, perm, c->span);
}

static Value broadcast(Sema *s, const BuiltinCall *c) {
    Value v = tensor_arg(s, c, 0);
    Shape to;
    if (value_is_poison(v) || !value_to_shape(s, c->args[1], &to, c->spans[1])) return POISON;
    return tensor_broadcast_to(s, v, &to, c->span);
}

static Value concat(Sema *s, const BuiltinCall *c) {
    Value list = c->args[0];
    if ((list.kind != V_LIST && list.kind != V_TUPLE) || list.as.list.count == 0) {
        sema_error(s, E_ARGUMENT, c->span, "`concat` wants a list of tensors");
        return POISON;
    }
    uint32_t n = list.as.list.count, axis = 0, count;
    NodeId *parts = ARENA_ARRAY(s->arena, NodeId, n);
    Shape first = {0};
    DType dtype = DTYPE_COUNT;
    for (uint32_t i = 0; i < n; i++) {
        Value v = to_tensor(s, list.as.list.items[i], dtype, c->spans[0]);
        if (value_is_poison(v)) return POISON;
        Shape shape = tensor_shape(s, v);
        if (i == 0) {
            first = shape;
            dtype = tensor_dtype(s, v);
            uint32_t axes[RANK_MAX];
            Value at = c->args[1].kind == V_NONE ? value_int(-1) : c->args[1];
            if (!axes_of(s, at, &shape, c->spans[1], axes, &count)) return POISON;
            axis = count == 1 ? axes[0] : 0;
        }
        bool fits = shape.rank == first.rank && tensor_dtype(s, v) == dtype;
        for (uint32_t k = 0; fits && k < shape.rank; k++)
            fits = k == axis || dim_same(shape.dims[k], first.dims[k]);
        if (!fits) {
            sema_error(s, E_SHAPE, c->span, "`concat` along axis %u of %s %s and %s %s", axis,
                       dtype_name(dtype), shape_string(s, &first, NULL),
                       dtype_name(tensor_dtype(s, v)), shape_string(s, &shape, NULL));
            return POISON;
        }
        parts[i] = tensor_node(s, v, c->span);
        if (node_is_none(parts[i])) return POISON;
    }
    return value_tensor(s, n == 1 ? parts[0] : g_concat(sema_graph(s), parts, n, axis, c->span));
}

/* A new axis of size 1, the first unless said otherwise. */
static Value expand(Sema *s, const BuiltinCall *c) {
    Value v = tensor_arg(s, c, 0);
    int64_t at = 0;
    if (value_is_poison(v)) return POISON;
    Shape shape = tensor_shape(s, v), to = {.rank = 0};
    bool given = c->args[1].kind != V_NONE;
    if ((given && !value_is_int(c->args[1], &at)) || shape.rank == RANK_MAX ||
        at < -(int64_t)shape.rank - 1 || at > shape.rank) {
        sema_error(s, E_AXIS, c->span, "`expand` wants the place of the new axis in %s",
                   shape_string(s, &shape, v.decl));
        return POISON;
    }
    if (at < 0) at += shape.rank + 1;
    for (uint32_t i = 0; i <= shape.rank; i++) {
        if (i == (uint32_t)at) to.dims[to.rank++] = dim_const(s->program->dims, 1);
        if (i < shape.rank) to.dims[to.rank++] = shape.dims[i];
    }
    return tensor_reshape(s, v, &to, c->span);
}

static Value reverse(Sema *s, const BuiltinCall *c) {
    Value v = tensor_arg(s, c, 0);
    uint32_t axes[RANK_MAX], count;
    if (value_is_poison(v)) return POISON;
    Shape shape = tensor_shape(s, v);
    if (!axes_of(s, c->args[1], &shape, c->spans[1], axes, &count)) return POISON;
    NodeId a = tensor_node(s, v, c->span);
    if (node_is_none(a) || count == 0) return v;
    return value_tensor(s, g_reverse(sema_graph(s), a, axes, count, c->span));
}

static bool padding(Sema *s, const BuiltinCall *c, uint32_t arg, uint32_t rank, DimId *out) {
    Shape shape;
    if (!value_to_shape(s, c->args[arg], &shape, c->spans[arg])) return false;
    if (shape.rank == rank) {
        memcpy(out, shape.dims, rank * sizeof *out);
        return true;
    }
    sema_error(s, E_RANK, c->spans[arg], "`pad_with` wants one size for each of the %u axes", rank);
    return false;
}

static Value pad_with(Sema *s, const BuiltinCall *c) {
    Value v = tensor_arg(s, c, 0);
    if (value_is_poison(v)) return POISON;
    Shape shape = tensor_shape(s, v);
    DimId low[RANK_MAX], high[RANK_MAX];
    int64_t interior[RANK_MAX] = {0};
    if (!padding(s, c, 1, shape.rank, low) || !padding(s, c, 2, shape.rank, high)) return POISON;
    Value fill = to_tensor(s, c->args[3].kind == V_NONE ? value_int(0) : c->args[3],
                           tensor_dtype(s, v), c->span);
    if (value_is_poison(fill)) return POISON;
    NodeId a = tensor_node(s, v, c->span), b = tensor_node(s, fill, c->span);
    if (node_is_none(a) || node_is_none(b)) return POISON;
    if (tensor_shape(s, fill).rank || tensor_dtype(s, fill) != tensor_dtype(s, v)) {
        sema_error(s, E_ARGUMENT, c->span, "`pad_with` fills with one number");
        return POISON;
    }
    return value_tensor(s, g_pad(sema_graph(s), a, b, low, high, interior, c->span));
}

static Value iota(Sema *s, const BuiltinCall *c) {
    DimId n;
    if (!value_as_dim(s, c->args[0], &n)) {
        sema_error(s, E_ARGUMENT, c->span, "`iota` wants a size");
        return POISON;
    }
    if (!s->build) return sema_unsupported(s, c->span, "`iota` outside a graph");
    Shape shape = {.rank = 1, .dims = {n}};
    return value_tensor(s, g_iota(sema_graph(s), DTYPE_I32, &shape, 0, c->span));
}

/* n equal parts along an axis, as a tuple. */
static Value chunk(Sema *s, const BuiltinCall *c) {
    Value v = tensor_arg(s, c, 0);
    int64_t n;
    if (value_is_poison(v)) return POISON;
    Shape shape = tensor_shape(s, v);
    uint32_t axes[RANK_MAX], count;
    Value at = c->args[2].kind == V_NONE ? value_int(-1) : c->args[2];
    if (!value_is_int(c->args[1], &n) || n < 1 || n > 4096) {
        sema_error(s, E_ARGUMENT, c->span, "`chunk` wants the number of parts");
        return POISON;
    }
    if (!axes_of(s, at, &shape, c->spans[2], axes, &count)) return POISON;
    DimTable *t = s->program->dims;
    bool exact;
    DimId part = dim_div(t, shape.dims[axes[0]], dim_const(t, n), &exact);
    if (count != 1 || !exact) {
        sema_error(s, E_DIVISION, c->span, "axis %u of %s does not divide into %lld parts", axes[0],
                   shape_string(s, &shape, v.decl), (long long)n);
        return POISON;
    }
    NodeId a = tensor_node(s, v, c->span);
    if (node_is_none(a)) return POISON;
    Value parts = {.kind = V_TUPLE, .as.list = {.count = (uint32_t)n}};
    parts.as.list.items = ARENA_ARRAY(s->arena, Value, (size_t)n);
    for (int64_t i = 0; i < n; i++) {
        DimId first[RANK_MAX];
        Shape extent = shape;
        int64_t step[RANK_MAX];
        for (uint32_t k = 0; k < shape.rank; k++) first[k] = dim_const(t, 0), step[k] = 1;
        first[axes[0]] = dim_mul(t, part, dim_const(t, i));
        extent.dims[axes[0]] = part;
        parts.as.list.items[i] =
            value_tensor(s, g_slice(sema_graph(s), a, first, extent.dims, step, c->span));
    }
    return parts;
}

const Builtin BUILTINS_SHAPE[] = {{"shape", "x", shape_of, 0},
                                  {"rank", "x", rank_of, 0},
                                  {"product", "sizes", product_of, 0},
                                  {"count", "x, axis?", count_of, 0},
                                  {"reshape", "x, shape", reshape, 0},
                                  {"transpose", "x, axes", transpose, 0},
                                  {"permute", "x, axes", transpose, 0},
                                  {"broadcast", "x, shape", broadcast, 0},
                                  {"concat", "parts, axis?", concat, 0},
                                  {"expand", "x, axis?", expand, 0},
                                  {"reverse", "x, axis?", reverse, 0},
                                  {"pad_with", "x, low, high, value?", pad_with, 0},
                                  {"iota", "n", iota, 0},
                                  {"chunk", "x, n, axis?", chunk, 0},
                                  {NULL, NULL, NULL, 0}};
