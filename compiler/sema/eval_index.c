/* `x[a:b, i, ...]` on lists and tensors: slices, picks and gathers. */
#include "compiler/sema/elaborate.h"

/* Position `v` on an axis of size `size`; negative counts from the end. */
static bool position(Sema *s, Value v, DimId size, DimId *out, Span span) {
    DimTable *t = s->program->dims;
    int64_t i;
    if (value_is_int(v, &i)) {
        *out = i >= 0 ? dim_const(t, i) : dim_sub(t, size, dim_const(t, -i));
        return true;
    }
    if (v.kind == V_DIM) {
        *out = v.as.dim;
        return true;
    }
    sema_error(s, E_STATIC, span, "a bound of a slice wants a whole number, got %s",
               value_string(s, v));
    return false;
}

static bool in_range(Sema *s, DimId at, DimId size, bool end, Span span) {
    DimTable *t = s->program->dims;
    if (!dim_is_const(t, at)) return true;
    DimId rest = dim_sub(t, size, at);
    bool bad = dim_value(t, at) < 0;
    if (dim_is_const(t, rest) && dim_value(t, rest) < (end ? 0 : 1)) bad = true;
    if (!bad) return true;
    Text text = {.arena = s->arena};
    dim_print(&text, t, size);
    sema_error(s, E_AXIS, span, "position %lld lies outside the axis of %s",
               (long long)dim_value(t, at), text_str(&text));
    return false;
}

static Value list_index(Sema *s, const Node *e, Value v) {
    const Node *at = node_kid(e, 1);
    int64_t n = v.as.list.count, from = 0, to = n;
    if (e->count != 2) {
        sema_error(s, E_RANK, e->span, "a list has one axis");
        return POISON;
    }
    if (at->kind == NODE_RANGE) {
        const Node *a = node_kid(at, 0), *b = node_kid(at, 1);
        if (a && !eval_static_int(s, a, &from, "a slice")) return POISON;
        if (b && !eval_static_int(s, b, &to, "a slice")) return POISON;
        if (from < 0) from += n;
        if (to < 0) to += n;
        if (from < 0) from = 0;
        if (to > n) to = n;
        if (to < from) to = from;
        Value r = value_list(s, v.as.list.items + from, (uint32_t)(to - from));
        r.kind = v.kind;
        return r;
    }
    int64_t i;
    if (!eval_static_int(s, at, &i, "an index into a list")) return POISON;
    if (i < 0) i += n;
    if (i < 0 || i >= n) {
        sema_error(s, E_AXIS, at->span, "index %lld of a list of %lld", (long long)i, (long long)n);
        return POISON;
    }
    return v.as.list.items[i];
}

typedef struct Slicing {
    DimId first[RANK_MAX], extent[RANK_MAX];
    bool drop[RANK_MAX], sliced, dropped;
    Value gather[RANK_MAX]; /* the tensors among the indices, and their axes, ascending */
    uint32_t gather_axis[RANK_MAX], gathers;
    Span gather_span;
} Slicing;

bool eval_slice(Sema *s, const Node *at, DimId size, DimId *first, DimId *extent) {
    DimTable *t = s->program->dims;
    DimId from = dim_const(t, 0), to = size;
    const Node *a = node_kid(at, 0), *b = node_kid(at, 1);
    if (a) {
        Value v = eval(s, a);
        if (value_is_poison(v) || !position(s, v, size, &from, a->span)) return false;
    }
    if (b) {
        Value v = eval(s, b);
        if (value_is_poison(v) || !position(s, v, size, &to, b->span)) return false;
    }
    if (!in_range(s, from, size, true, at->span) || !in_range(s, to, size, true, at->span))
        return false;
    *first = from;
    *extent = dim_sub(t, to, from);
    if (!dim_is_const(t, *extent) || dim_value(t, *extent) >= 0) return true;
    sema_error(s, E_AXIS, at->span, "this slice ends before it begins");
    return false;
}

static bool slice_range(Sema *s, const Node *at, DimId size, uint32_t axis, Slicing *sl) {
    if (!eval_slice(s, at, size, &sl->first[axis], &sl->extent[axis])) return false;
    if (!dim_same(sl->extent[axis], size)) sl->sliced = true;
    return true;
}

static bool slice_pick(Sema *s, const Node *at, DimId size, uint32_t axis, Slicing *sl) {
    Value v = eval(s, at);
    if (value_is_poison(v)) return false;
    if (v.kind == V_TENSOR) {
        if (!dtype_is_integer(tensor_dtype(s, v))) {
            sema_error(s, E_DTYPE, at->span, "an index wants integers, got %s",
                       dtype_name(tensor_dtype(s, v)));
            return false;
        }
        v = tensor_here(s, v, at->span);
        if (value_is_poison(v)) return false;
        mark_index(s, v, size);
        sl->gather[sl->gathers] = v;
        sl->gather_axis[sl->gathers++] = axis;
        sl->gather_span = at->span;
        sl->first[axis] = dim_const(s->program->dims, 0);
        sl->extent[axis] = size;
        return true;
    }
    if (!position(s, v, size, &sl->first[axis], at->span)) return false;
    if (!in_range(s, sl->first[axis], size, false, at->span)) return false;
    sl->extent[axis] = dim_const(s->program->dims, 1);
    sl->drop[axis] = sl->sliced = sl->dropped = true;
    return true;
}

/* The index tensors go together by the broadcast rules of the language. */
static bool same_indices(Sema *s, Slicing *sl, NodeId *index) {
    for (uint32_t i = 1; i < sl->gathers; i++)
        for (uint32_t k = 0; k < i; k++)
            if (!broadcast_pair(s, sl->gather_span, "[...]", &sl->gather[k], &sl->gather[i]))
                return false;
    for (uint32_t i = 0; i < sl->gathers; i++) {
        index[i] = tensor_node(s, sl->gather[i], sl->gather_span);
        if (node_is_none(index[i])) return false;
    }
    return true;
}

/* gather puts the indices' shape first; move it to where the first of their axes was. */
static Value gather_at(Sema *s, Value v, Slicing *sl) {
    Graph *g = sema_graph(s);
    NodeId x = tensor_node(s, v, sl->gather_span), index[RANK_MAX];
    if (node_is_none(x) || !same_indices(s, sl, index)) return POISON;
    uint32_t r = graph_shape(g, index[0]).rank, n = graph_shape(g, x).rank, first;
    if (r + n - sl->gathers > RANK_MAX) {
        sema_error(s, E_LIMIT, sl->gather_span, "more than %d axes", RANK_MAX);
        return POISON;
    }
    first = sl->gather_axis[0];
    NodeId y = g_gather(g, x, index, sl->gather_axis, sl->gathers, sl->gather_span);
    uint32_t perm[RANK_MAX], k = 0;
    for (uint32_t a = 0; a < first; a++) perm[k++] = r + a;
    for (uint32_t a = 0; a < r; a++) perm[k++] = a;
    for (uint32_t a = first; a + sl->gathers < n; a++) perm[k++] = r + a;
    return tensor_permute(s, value_tensor(s, y), perm, sl->gather_span);
}

static Value apply_slicing(Sema *s, Value v, Slicing *sl, Span span) {
    Graph *g = sema_graph(s);
    Shape shape = tensor_shape(s, v);
    NodeId x = tensor_node(s, v, span);
    if (node_is_none(x)) return POISON;
    if (sl->sliced) {
        int64_t step[RANK_MAX];
        for (uint32_t i = 0; i < shape.rank; i++) step[i] = 1;
        x = g_slice(g, x, sl->first, sl->extent, step, span);
    }
    if (sl->dropped) {
        Shape to = {.rank = 0};
        uint32_t next = 0;
        for (uint32_t i = 0; i < shape.rank; i++) {
            if (next < sl->gathers && i == sl->gather_axis[next]) sl->gather_axis[next++] = to.rank;
            if (!sl->drop[i]) to.dims[to.rank++] = sl->extent[i];
        }
        x = g_reshape(g, x, &to, span);
    }
    Value y = value_tensor(s, x);
    return sl->gathers ? gather_at(s, y, sl) : y;
}

static Value tensor_index(Sema *s, const Node *e, Value v) {
    Shape shape = tensor_shape(s, v);
    uint32_t given = e->count - 1, axis = 0;
    bool ellipsis = false;
    for (uint32_t i = 1; i < e->count; i++)
        if (e->kids[i]->kind == NODE_ELLIPSIS) ellipsis = true;
    if (ellipsis) given--;
    if (given > shape.rank) {
        sema_error(s, E_RANK, e->span, "%u indices for %s", given, shape_string(s, &shape, v.decl));
        return POISON;
    }
    Slicing sl = {.gathers = 0};
    for (uint32_t i = 1; i < e->count; i++) {
        const Node *at = e->kids[i];
        if (at->kind == NODE_ELLIPSIS) {
            for (uint32_t k = given; k < shape.rank; k++, axis++) {
                sl.first[axis] = dim_const(s->program->dims, 0);
                sl.extent[axis] = shape.dims[axis];
            }
            continue;
        }
        DimId size = shape.dims[axis];
        if (!(at->kind == NODE_RANGE ? slice_range(s, at, size, axis, &sl)
                                     : slice_pick(s, at, size, axis, &sl)))
            return POISON;
        axis++;
    }
    for (; axis < shape.rank; axis++) {
        sl.first[axis] = dim_const(s->program->dims, 0);
        sl.extent[axis] = shape.dims[axis];
    }
    return apply_slicing(s, v, &sl, e->span);
}

Value eval_index(Sema *s, const Node *e) {
    Value v = eval(s, node_kid(e, 0));
    if (value_is_poison(v)) return POISON;
    if (v.kind == V_LIST || v.kind == V_TUPLE) return list_index(s, e, v);
    if (v.kind != V_TENSOR) {
        sema_error(s, E_KIND, e->span, "%s cannot be indexed", value_kind_name(v.kind));
        return POISON;
    }
    if (node_is_none(tensor_node(s, v, e->span))) return POISON;
    return tensor_index(s, e, v);
}

Value tensor_permute(Sema *s, Value v, const uint32_t *perm, Span span) {
    Shape shape = tensor_shape(s, v);
    bool same = true;
    for (uint32_t i = 0; i < shape.rank; i++)
        if (perm[i] != i) same = false;
    v = tensor_here(s, v, span);
    if (value_is_poison(v)) return v;
    NodeId x = v.as.tensor.node;
    return same ? v : value_tensor(s, g_permute(sema_graph(s), x, perm, span));
}

Value tensor_reshape(Sema *s, Value v, const Shape *to, Span span) {
    Shape shape = tensor_shape(s, v);
    v = tensor_here(s, v, span);
    if (value_is_poison(v)) return v;
    NodeId x = v.as.tensor.node;
    return shape_same(&shape, to) ? v : value_tensor(s, g_reshape(sema_graph(s), x, to, span));
}
