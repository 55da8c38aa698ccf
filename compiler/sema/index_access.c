/* Index notation, continued: accesses `table[ids[b], j]`, `x[i*s + r]`, `x[i, i]`, `x[b, 1:]`. */
#include "compiler/sema/index_space.h"

/* ------------------------------------------------------------------ accesses */

typedef struct Access {
    Value t;
    uint32_t rank;
    int32_t label[RANK_MAX]; /* of each axis; -1: a tensor stands there */
    Indexed index[RANK_MAX]; /* that tensor */
    bool gathers;
} Access;

/* A fixed position: the axis goes. */
static bool fix_axis(IndexSpace *ix, Access *a, Value at, uint32_t axis, Span span) {
    Sema *s = ix->s;
    DimTable *t = s->program->dims;
    Shape shape = tensor_shape(s, a->t), to = {.rank = 0};
    DimId first[RANK_MAX], where;
    int64_t step[RANK_MAX], i;
    if (value_is_int(at, &i) && i < 0)
        where = dim_sub(t, shape.dims[axis], dim_const(t, -i));
    else if (!value_as_dim(s, at, &where)) {
        sema_error(s, E_INDEX, span, "an index wants a whole number, got %s", value_string(s, at));
        return false;
    }
    DimId rest = dim_sub(t, dim_sub(t, shape.dims[axis], where), dim_const(t, 1));
    if ((dim_is_const(t, rest) && dim_value(t, rest) < 0) ||
        (dim_is_const(t, where) && dim_value(t, where) < 0)) {
        sema_error(s, E_AXIS, span, "position %s lies outside of %s", value_string(s, at),
                   shape_string(s, &shape, NULL));
        return false;
    }
    for (uint32_t k = 0; k < shape.rank; k++) {
        first[k] = k == axis ? where : dim_const(t, 0);
        step[k] = 1;
        if (k != axis) to.dims[to.rank++] = shape.dims[k];
    }
    shape.dims[axis] = dim_const(t, 1);
    NodeId x = tensor_node(s, a->t, span);
    if (node_is_none(x)) return false;
    x = g_slice(sema_graph(s), x, first, shape.dims, step, span);
    a->t = value_tensor(s, g_reshape(sema_graph(s), x, &to, span));
    return true;
}

/* `i`: the whole axis, or as much of it as `where` asks for. */
static bool label_axis(IndexSpace *ix, Access *a, uint32_t label, Span span) {
    NodeId x = tensor_node(ix->s, a->t, span);
    if (node_is_none(x)) return false;
    DimId first = dim_const(ix->s->program->dims, 0);
    x = index_slice(ix->s, x, a->rank, first, ix->labels[label].size, 1, span);
    a->t = value_tensor(ix->s, x);
    a->label[a->rank++] = (int32_t)label;
    return true;
}

/* `a:b`: the next axis of the row `...`. */
static bool slice_axis(IndexSpace *ix, Access *a, const Node *at, uint32_t row) {
    Sema *s = ix->s;
    DimId first, extent;
    NodeId x = tensor_node(s, a->t, at->span);
    if (node_is_none(x)) return false;
    DimId size = tensor_shape(s, a->t).dims[a->rank];
    if (!eval_slice(s, at, size, &first, &extent)) return false;
    a->t = value_tensor(s, index_slice(s, x, a->rank, first, extent, 1, at->span));
    a->label[a->rank++] = (int32_t)ix->row[row];
    return true;
}

static bool affine_axis(IndexSpace *ix, Access *a, const Affine *f, const Node *at, bool *done) {
    DimId size = tensor_shape(ix->s, a->t).dims[a->rank];
    uint32_t labels[RANK_MAX];
    if (!index_fits(ix, f, size, at)) return false;
    *done = index_split(ix, f, &a->t, a->rank, labels, at->span);
    for (uint32_t i = 0; *done && i < f->count; i++) a->label[a->rank++] = (int32_t)labels[i];
    return true;
}

static bool read_position(IndexSpace *ix, Access *a, const Node *at) {
    Sema *s = ix->s;
    int32_t label = at->kind == NODE_NAME ? index_label(ix, at->name) : -1;
    Affine f;
    if (label >= 0) return label_axis(ix, a, (uint32_t)label, at->span);
    if (index_is_affine(ix, at, &f)) {
        bool done;
        if (!affine_axis(ix, a, &f, at, &done)) return false;
        if (done) return true;
    }
    Indexed v = index_eval(ix, at);
    if (ix->failed) return false;
    if (v.v.kind != V_TENSOR) return fix_axis(ix, a, v.v, a->rank, at->span);
    if (!dtype_is_integer(tensor_dtype(s, v.v))) {
        Diag *d = sema_error(s, E_DTYPE, at->span, "an index wants integers, got %s",
                             dtype_name(tensor_dtype(s, v.v)));
        if (!propose_around(s, d, at->span, "i32", "convert it")) diag_help(d, "`i32(...)`");
        return false;
    }
    v.v = tensor_here(s, v.v, at->span);
    if (value_is_poison(v.v)) return false;
    mark_index(s, v.v, tensor_shape(s, a->t).dims[a->rank]);
    a->index[a->rank] = v;
    a->label[a->rank++] = -1;
    a->gathers = true;
    return true;
}

static bool read_positions(IndexSpace *ix, const Node *e, Access *a, uint32_t row_axes) {
    for (uint32_t i = 1, row = 0; i < e->count; i++) {
        const Node *at = e->kids[i];
        if (at->kind == NODE_RANGE) {
            if (!slice_axis(ix, a, at, row++)) return false;
        } else if (at->kind == NODE_ELLIPSIS) {
            for (uint32_t k = 0; k < row_axes; k++) a->label[a->rank++] = (int32_t)ix->row[row++];
        } else if (!read_position(ix, a, at)) {
            return false;
        }
    }
    return true;
}

static bool read_access(IndexSpace *ix, const Node *e, Access *a) {
    Sema *s = ix->s;
    a->t = eval(s, node_kid(e, 0));
    if (value_is_poison(a->t)) return false;
    if (a->t.kind != V_TENSOR) {
        sema_error(s, E_KIND, e->span, "%s cannot be indexed so", value_kind_name(a->t.kind));
        return false;
    }
    Shape shape = tensor_shape(s, a->t);
    uint32_t fixed = 0;
    bool row = false;
    for (uint32_t i = 1; i < e->count; i++) {
        if (e->kids[i]->kind == NODE_ELLIPSIS)
            row = true;
        else
            fixed++;
    }
    if (fixed > shape.rank || (!row && fixed != shape.rank)) {
        sema_error(s, E_RANK, e->span, "%u indices for %s", fixed,
                   shape_string(s, &shape, a->t.decl));
        return false;
    }
    a->t = tensor_here(s, a->t, e->span);
    if (value_is_poison(a->t)) return false;
    return read_positions(ix, e, a, shape.rank - fixed);
}

/* ------------------------------------------------------------------ one index twice */

/* x[i, i] of constant size n: element i of the merged axes is i·(n + 1). The second axis goes. */
static void take_diagonal(IndexSpace *ix, Access *a, uint32_t first, uint32_t second, Span span) {
    Sema *s = ix->s;
    Graph *g = sema_graph(s);
    DimTable *t = s->program->dims;
    NodeId x = a->t.as.tensor.node;
    uint32_t perm[RANK_MAX], n = 0;
    for (uint32_t i = 0; i < a->rank; i++) {
        if (i == second) continue;
        perm[n++] = i;
        if (i == first) perm[n++] = second;
    }
    x = g_permute(g, x, perm, span);
    Shape shape = graph_shape(g, x), to = {.rank = 0};
    DimId size = shape.dims[first];
    for (uint32_t i = 0; i < shape.rank; i++) {
        if (i == first + 1) continue;
        to.dims[to.rank++] = i == first ? dim_mul(t, size, size) : shape.dims[i];
    }
    x = g_reshape(g, x, &to, span);
    x = index_slice(s, x, first, dim_const(t, 0), size, dim_value(t, size) + 1, span);
    a->t = value_tensor(s, x);
    for (uint32_t i = second; i + 1 < a->rank; i++) {
        a->label[i] = a->label[i + 1];
        a->index[i] = a->index[i + 1];
    }
    a->rank--;
}

/* Elsewhere the second place is gathered at the index's own number. */
static void settle_repeats(IndexSpace *ix, Access *a, Span span) {
    Sema *s = ix->s;
    for (uint32_t i = 0; i < a->rank; i++)
        for (uint32_t k = i + 1; a->label[i] >= 0 && k < a->rank; k++) {
            if (a->label[k] != a->label[i]) continue;
            uint32_t label = (uint32_t)a->label[i];
            DimId size = ix->labels[label].size;
            if (dim_is_const(s->program->dims, size) && dim_value(s->program->dims, size) > 0) {
                take_diagonal(ix, a, i, k--, span);
                continue;
            }
            Shape shape = {.rank = 1, .dims = {size}};
            a->index[k] = (Indexed){.rank = 1, .labels = {label}};
            a->index[k].v = value_tensor(s, g_iota(sema_graph(s), DTYPE_I32, &shape, 0, span));
            a->label[k] = -1;
            a->gathers = true;
        }
}

/* Axes with a tensor index, and axes whose index that tensor also has, are gathered together. */
static Indexed gather_access(IndexSpace *ix, Access *a, Span span) {
    Sema *s = ix->s;
    Graph *g = sema_graph(s);
    uint32_t shared[RANK_MAX], ns = 0, axes[RANK_MAX], count = 0, labels[RANK_MAX], n = 0;
    NodeId index[RANK_MAX];
    DType dtype = DTYPE_I32;
    for (uint32_t i = 0; i < a->rank; i++) {
        uint32_t merged[RANK_MAX];
        if (a->label[i] >= 0) continue;
        ns = index_union(shared, ns, a->index[i].labels, a->index[i].rank, merged);
        memcpy(shared, merged, sizeof merged);
        dtype = tensor_dtype(s, a->index[i].v);
    }
    Shape shape = {.rank = ns};
    for (uint32_t i = 0; i < ns; i++) {
        shape.dims[i] = ix->labels[shared[i]].size;
        labels[n++] = shared[i];
    }
    for (uint32_t i = 0; i < a->rank; i++) {
        int32_t label = a->label[i];
        if (label >= 0 && !index_has(shared, ns, (uint32_t)label)) {
            if (n == RANK_MAX) {
                sema_error(s, E_LIMIT, span, "more than %d axes", RANK_MAX);
                return index_fail(ix);
            }
            labels[n++] = (uint32_t)label;
            continue;
        }
        axes[count] = i;
        if (label < 0) {
            Value v = index_spread(ix, a->index[i], shared, ns, span);
            if (value_is_poison(v)) return index_fail(ix);
            index[count++] = v.as.tensor.node;
            continue;
        }
        uint32_t axis = 0;
        while (shared[axis] != (uint32_t)label) axis++;
        index[count++] = g_iota(g, dtype, &shape, axis, span);
    }
    NodeId x = tensor_node(s, a->t, span);
    if (node_is_none(x)) return index_fail(ix);
    Value v = value_tensor(s, g_gather(g, x, index, axes, count, span));
    return index_sorted(ix, v, labels, n, span);
}

static Indexed access_value(IndexSpace *ix, Access *a, Span span) {
    settle_repeats(ix, a, span);
    if (a->gathers) return gather_access(ix, a, span);
    uint32_t labels[RANK_MAX];
    for (uint32_t i = 0; i < a->rank; i++) labels[i] = (uint32_t)a->label[i];
    return index_sorted(ix, a->t, labels, a->rank, span);
}

Indexed index_access(IndexSpace *ix, const Node *e) {
    Access *a = ARENA_NEW(ix->s->arena, Access);
    if (!read_access(ix, e, a)) return index_fail(ix);
    return access_value(ix, a, e->span);
}

Indexed index_labelled(IndexSpace *ix, Value v, const uint32_t *labels, uint32_t rank, Span span) {
    Access *a = ARENA_NEW(ix->s->arena, Access);
    a->t = tensor_here(ix->s, v, span);
    if (value_is_poison(a->t)) return index_fail(ix);
    a->rank = rank;
    for (uint32_t i = 0; i < rank; i++) a->label[i] = (int32_t)labels[i];
    return access_value(ix, a, span);
}
