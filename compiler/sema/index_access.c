/* Index notation, continued: accesses `table[ids[b], j]` and reductions `sum[i](...)`. */
#include "compiler/sema/index_space.h"

/* ------------------------------------------------------------------ accesses */

typedef struct Access {
    Value t;
    uint32_t rank;
    int32_t label[RANK_MAX]; /* of each axis; -1: a tensor stands there */
    Indexed index[RANK_MAX]; /* that tensor */
    bool gathers;
} Access;

/* An index name outside of a bracket of its own: `i + 1`, `2*i + r`. */
static bool is_affine(const IndexSpace *ix, const Node *e) {
    if (!e || e->kind == NODE_INDEX) return false;
    if (e->kind == NODE_NAME) return index_label(ix, e->name) >= 0;
    for (uint32_t i = 0; i < e->count; i++)
        if (is_affine(ix, e->kids[i])) return true;
    return false;
}

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

static bool read_position(IndexSpace *ix, Access *a, const Node *at) {
    Sema *s = ix->s;
    int32_t label = at->kind == NODE_NAME ? index_label(ix, at->name) : -1;
    if (label >= 0) {
        a->label[a->rank++] = label;
        return true;
    }
    if (at->kind == NODE_RANGE || is_affine(ix, at)) {
        sema_unsupported(s, at->span,
                         at->kind == NODE_RANGE ? "a slice in an index statement"
                                                : "arithmetic on an index");
        return false;
    }
    Indexed v = index_eval(ix, at);
    if (ix->failed) return false;
    if (v.v.kind != V_TENSOR) return fix_axis(ix, a, v.v, a->rank, at->span);
    if (!dtype_is_integer(tensor_dtype(s, v.v))) {
        Diag *d = sema_error(s, E_DTYPE, at->span, "an index wants integers, got %s",
                             dtype_name(tensor_dtype(s, v.v)));
        diag_help(d, "`i32(...)`");
        return false;
    }
    mark_index(s, v.v.as.tensor.node, tensor_shape(s, a->t).dims[a->rank]);
    a->index[a->rank] = v;
    a->label[a->rank++] = -1;
    a->gathers = true;
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
    for (uint32_t i = 1; i < e->count; i++) {
        if (e->kids[i]->kind != NODE_ELLIPSIS) {
            if (!read_position(ix, a, e->kids[i])) return false;
            continue;
        }
        for (uint32_t k = 0; k < shape.rank - fixed; k++) a->label[a->rank++] = (int32_t)ix->row[k];
    }
    return true;
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
            if (n == RANK_MAX) return index_fail(ix);
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

Indexed index_access(IndexSpace *ix, const Node *e) {
    Access *a = ARENA_NEW(ix->s->arena, Access);
    if (!read_access(ix, e, a)) return index_fail(ix);
    if (a->gathers) return gather_access(ix, a, e->span);
    uint32_t labels[RANK_MAX];
    for (uint32_t i = 0; i < a->rank; i++) labels[i] = (uint32_t)a->label[i];
    return index_sorted(ix, a->t, labels, a->rank, e->span);
}

/* ------------------------------------------------------------------ reductions */

typedef struct ReductionName {
    const char *name;
    Op op;
    bool mean;
} ReductionName;
static const ReductionName REDUCTIONS[] = {{"sum", OP_SUM, false},
                                           {"mean", OP_SUM, true},
                                           {"max", OP_REDUCE_MAX, false},
                                           {"min", OP_REDUCE_MIN, false}};

static const ReductionName *reduction(const char *name) {
    for (size_t i = 0; i < sizeof REDUCTIONS / sizeof *REDUCTIONS; i++)
        if (strcmp(REDUCTIONS[i].name, name) == 0) return &REDUCTIONS[i];
    return NULL;
}

bool index_is_reduction(Sema *s, const Node *e) {
    const Node *callee = node_kid(e, 0);
    const Node *name = callee && callee->kind == NODE_INDEX ? node_kid(callee, 0) : NULL;
    if (!name || name->kind != NODE_NAME || !reduction(name->name->text)) return false;
    Binding *b = scope_find(s->scope, name->name);
    return !b || (b->def && b->def->kind == NODE_FN);
}

enum { FACTOR_MAX = 16 };
typedef struct Product {
    Indexed factors[FACTOR_MAX];
    uint32_t count;
    VEC(Value) scalars; /* without indices: multiplied in at the end */
    const Node *node;
} Product;

static bool flatten(IndexSpace *ix, const Node *e, Product *p) {
    if (e->kind == NODE_BINARY && strcmp(e->name->text, "*") == 0)
        return flatten(ix, node_kid(e, 0), p) && flatten(ix, node_kid(e, 1), p);
    Indexed v = index_eval(ix, e);
    if (ix->failed) return false;
    if (v.rank == 0) {
        vec_push(ix->s->arena, &p->scalars, v.v);
        return true;
    }
    if (p->count == FACTOR_MAX) {
        sema_error(ix->s, E_LIMIT, e->span, "a product of more than %d factors", FACTOR_MAX);
        ix->failed = true;
        return false;
    }
    p->factors[p->count++] = v;
    return true;
}

/* Sums axes of one value away. */
static Indexed reduce_axes(IndexSpace *ix, Indexed a, Op op, const uint32_t *gone, uint32_t count,
                           Span span) {
    uint32_t axes[RANK_MAX], n = 0, k = 0;
    if (ix->failed) return a;
    for (uint32_t i = 0; i < a.rank; i++) {
        if (index_has(gone, count, a.labels[i]))
            axes[n++] = i;
        else
            a.labels[k++] = a.labels[i];
    }
    a.rank = k;
    NodeId x = tensor_node(ix->s, a.v, span);
    if (n == 0 || node_is_none(x)) return a;
    a.v = value_tensor(ix->s, g_reduce(sema_graph(ix->s), op, x, axes, n, span));
    return a;
}

static Indexed multiply(IndexSpace *ix, Indexed a, Indexed b, const Node *e) {
    Indexed r = {.rank = index_union(a.labels, a.rank, b.labels, b.rank, r.labels)};
    Value x = index_spread(ix, a, r.labels, r.rank, e->span);
    Value y = index_spread(ix, b, r.labels, r.rank, e->span);
    r.v = op_binary(ix->s, e, "*", x, y);
    return value_is_poison(r.v) ? index_fail(ix) : r;
}

/* One binary step of a product: labels in `gone` end here. They run in the order of sum[...]. */
static Indexed contract_two(IndexSpace *ix, Indexed a, Indexed b, const uint32_t *gone,
                            uint32_t ngone, const Node *e) {
    Sema *s = ix->s;
    uint32_t only_a[RANK_MAX], only_b[RANK_MAX], both[RANK_MAX], na = 0, nb = 0, n = 0;
    for (uint32_t i = 0; i < ngone; i++) {
        bool in_a = index_has(a.labels, a.rank, gone[i]),
             in_b = index_has(b.labels, b.rank, gone[i]);
        if (in_a && in_b)
            both[n++] = gone[i];
        else if (in_a)
            only_a[na++] = gone[i];
        else if (in_b)
            only_b[nb++] = gone[i];
    }
    a = reduce_axes(ix, a, OP_SUM, only_a, na, e->span);
    b = reduce_axes(ix, b, OP_SUM, only_b, nb, e->span);
    if (n == 0) return multiply(ix, a, b, e);
    if (!unify_dtype(s, e->span, "*", &a.v, &b.v)) return index_fail(ix);
    Indexed r = {.rank = 0};
    uint32_t merged[RANK_MAX];
    uint32_t m = index_union(a.labels, a.rank, b.labels, b.rank, merged);
    for (uint32_t i = 0; i < m; i++)
        if (!index_has(both, n, merged[i])) r.labels[r.rank++] = merged[i];
    NodeId x = tensor_node(s, a.v, e->span), y = tensor_node(s, b.v, e->span);
    if (node_is_none(x) || node_is_none(y)) return index_fail(ix);
    r.v = value_tensor(
        s, g_contract(sema_graph(s), x, a.labels, y, b.labels, r.labels, r.rank, both, n, e->span));
    return r;
}

/* Left to right; an index that is summed ends at the last factor that has it. */
static Indexed contract_product(IndexSpace *ix, Product *p, const uint32_t *summed, uint32_t count,
                                const Node *e) {
    Indexed acc = p->factors[0];
    for (uint32_t i = 1; i < p->count && !ix->failed; i++) {
        uint32_t gone[RANK_MAX], n = 0;
        for (uint32_t k = 0; k < count; k++) {
            bool later = false;
            for (uint32_t j = i + 1; j < p->count; j++)
                later |= index_has(p->factors[j].labels, p->factors[j].rank, summed[k]);
            if (!later) gone[n++] = summed[k];
        }
        acc = contract_two(ix, acc, p->factors[i], gone, n, e);
    }
    return acc;
}

static bool all_float(Sema *s, const Product *p) {
    for (uint32_t i = 0; i < p->count; i++)
        if (!dtype_is_float(tensor_dtype(s, p->factors[i].v))) return false;
    return true;
}

/* The labels that `sum[i, ...]` names. */
static uint32_t reduced_labels(IndexSpace *ix, const Node *names, const uint32_t *own,
                               uint32_t *out) {
    uint32_t n = 0;
    for (uint32_t i = 1; i < names->count; i++) {
        bool row = names->kids[i]->kind == NODE_ELLIPSIS;
        for (uint32_t k = 0; k < (row ? ix->row_rank : 1) && n < RANK_MAX; k++)
            out[n++] = row ? ix->row[k] : own[i];
    }
    return n;
}

static Indexed reduced_value(IndexSpace *ix, const Node *arg, const ReductionName *r,
                             const uint32_t *summed, uint32_t count) {
    Product *p = ARENA_NEW(ix->s->arena, Product);
    bool product = r->op == OP_SUM && arg->kind == NODE_BINARY && arg->name->text[0] == '*';
    if (!product) return reduce_axes(ix, index_eval(ix, arg), r->op, summed, count, arg->span);
    if (!flatten(ix, arg, p)) return index_fail(ix);
    Indexed v;
    if (p->count >= 2 && all_float(ix->s, p)) {
        v = contract_product(ix, p, summed, count, arg);
    } else {
        v = p->count ? p->factors[0] : (Indexed){.v = value_int(1)};
        for (uint32_t i = 1; i < p->count && !ix->failed; i++)
            v = multiply(ix, v, p->factors[i], arg);
        if (!ix->failed) v = reduce_axes(ix, v, OP_SUM, summed, count, arg->span);
    }
    for (uint32_t i = 0; i < p->scalars.len && !ix->failed; i++) {
        v.v = op_binary(ix->s, arg, "*", v.v, p->scalars.data[i]);
        if (value_is_poison(v.v)) return index_fail(ix);
    }
    return v;
}

static bool ranges_known(IndexSpace *ix, const uint32_t *labels, uint32_t count, Span span) {
    for (uint32_t i = 0; i < count; i++) {
        if (ix->labels[labels[i]].known) continue;
        const Label *l = &ix->labels[labels[i]];
        sema_error(ix->s, E_INDEX, span, "index `%s` has no range",
                   l->name ? l->name->text : "...");
        return false;
    }
    return true;
}

Indexed index_reduce(IndexSpace *ix, const Node *e) {
    Sema *s = ix->s;
    const Node *names = node_kid(e, 0);
    const ReductionName *r = reduction(node_kid(names, 0)->name->text);
    const Node *arg = e->count == 2 ? node_kid(e->kids[1], 0) : NULL;
    uint32_t *own = ARENA_ARRAY(s->arena, uint32_t, names->count + 1), summed[RANK_MAX];
    uint32_t first = ix->count;
    if (!arg) {
        sema_error(s, E_ARGUMENT, e->span, "`%s[...]` takes one expression", r->name);
        return index_fail(ix);
    }
    for (uint32_t i = 1; i < names->count; i++) {
        const Node *at = names->kids[i];
        if (at->kind == NODE_NAME) {
            own[i] = index_add(ix, at->name, at->span);
        } else if (at->kind != NODE_ELLIPSIS) {
            sema_error(s, E_INDEX, at->span, "the brackets of `%s` hold names of indices", r->name);
            return index_fail(ix);
        }
    }
    index_ranges(ix, arg);
    if (ix->failed) return index_fail(ix);
    uint32_t count = reduced_labels(ix, names, own, summed);
    if (!ranges_known(ix, summed, count, names->span)) return index_fail(ix);
    Indexed v = reduced_value(ix, arg, r, summed, count);
    for (uint32_t i = first; i < ix->count; i++) ix->labels[i].active = false;
    if (ix->failed || !r->mean) return v;
    DimId size = dim_const(s->program->dims, 1);
    for (uint32_t i = 0; i < count; i++)
        size = dim_mul(s->program->dims, size, ix->labels[summed[i]].size);
    v.v = op_binary(s, e, "/", v.v, value_dim(s, size));
    return value_is_poison(v.v) ? index_fail(ix) : v;
}
