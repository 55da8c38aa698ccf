/* Places like `i*s + r - p` in the brackets of an index statement: positions that are linear in the
 * indices. They read no index tensor: the axis is sliced, reversed or seen through a window, so
 * that the gradient is a pad, a reverse or the window put back, and never a scatter.
 *
 * With position = first + Σ c·index the axis becomes one axis per index:
 *   c < 0        the index runs backwards: first += c·(n - 1), reverse the result
 *   one index    slice, step c
 *   digits       c of one is the product of the ranges below it: reshape
 *   otherwise    window of n2 taps, stride c1, dilation c2 (the tap index has a constant range)
 * A map that is none of these (two overlapping run-time ranges) is gathered at computed positions.
 */
#include "compiler/sema/index_space.h"

/* An index name outside of a bracket of its own: `i + 1`, `2*i + r`. */
static bool has_index(const IndexSpace *ix, const Node *e) {
    if (!e || e->kind == NODE_INDEX || e->kind == NODE_CALL) return false;
    if (e->kind == NODE_NAME) return index_label(ix, e->name) >= 0;
    for (uint32_t i = 0; i < e->count; i++)
        if (has_index(ix, e->kids[i])) return true;
    return false;
}

static bool fixed_dim(Value v, DimTable *t, DimId *out) {
    int64_t i;
    if (v.kind == V_DIM) {
        *out = v.as.dim;
        return true;
    }
    if (!value_is_int(v, &i)) return false;
    *out = dim_const(t, i);
    return true;
}

/* a += scale·b; false: more indices than axes can be. */
static bool add_scaled(DimTable *t, Affine *a, const Affine *b, DimId scale) {
    a->first = dim_add(t, a->first, dim_mul(t, b->first, scale));
    for (uint32_t i = 0; i < b->count; i++) {
        uint32_t k = 0;
        DimId c = dim_mul(t, b->scale[i], scale);
        while (k < a->count && a->labels[k] != b->labels[i]) k++;
        if (k == RANK_MAX) return false;
        if (k == a->count) {
            a->labels[a->count] = b->labels[i];
            a->scale[a->count++] = c;
        } else {
            a->scale[k] = dim_add(t, a->scale[k], c);
        }
    }
    return true;
}

static bool read_product(IndexSpace *ix, const Node *e, Affine *out) {
    DimTable *t = ix->s->program->dims;
    Affine a, b;
    if (!index_affine(ix, node_kid(e, 0), &a) || !index_affine(ix, node_kid(e, 1), &b))
        return false;
    if (a.count && b.count) return false;
    *out = (Affine){.first = dim_const(t, 0)};
    return a.count ? add_scaled(t, out, &a, b.first) : add_scaled(t, out, &b, a.first);
}

static bool read_sum(IndexSpace *ix, const Node *e, bool minus, Affine *out) {
    DimTable *t = ix->s->program->dims;
    Affine b;
    if (!index_affine(ix, node_kid(e, 0), out) || !index_affine(ix, node_kid(e, 1), &b))
        return false;
    return add_scaled(t, out, &b, dim_const(t, minus ? -1 : 1));
}

bool index_affine(IndexSpace *ix, const Node *e, Affine *out) {
    Sema *s = ix->s;
    DimTable *t = s->program->dims;
    *out = (Affine){.first = dim_const(t, 0)};
    if (!e || ix->failed || !enter(s, e->span)) return false;
    bool ok = false;
    int32_t label = e->kind == NODE_NAME ? index_label(ix, e->name) : -1;
    char op = e->kind == NODE_BINARY || e->kind == NODE_UNARY ? e->name->text[0] : 0;
    if (label >= 0) {
        *out = (Affine){.count = 1,
                        .labels = {(uint32_t)label},
                        .scale = {dim_const(t, 1)},
                        .first = dim_const(t, 0)};
        ok = true;
    } else if (!index_mentions(ix, e)) {
        Value v = eval(s, e);
        if (value_is_poison(v)) ix->failed = true;
        ok = fixed_dim(v, t, &out->first);
    } else if (e->kind == NODE_BINARY && (op == '+' || op == '-')) {
        ok = read_sum(ix, e, op == '-', out);
    } else if (e->kind == NODE_BINARY && op == '*') {
        ok = read_product(ix, e, out);
    } else if (e->kind == NODE_UNARY && op == '-') {
        Affine a;
        ok = index_affine(ix, node_kid(e, 0), &a) && add_scaled(t, out, &a, dim_const(t, -1));
    }
    leave(s);
    return ok;
}

bool index_is_affine(IndexSpace *ix, const Node *e, Affine *out) {
    return has_index(ix, e) && index_affine(ix, e, out);
}

/* ------------------------------------------------------------------ fitting */

static const char *dim_string(Sema *s, DimId d) {
    Text text = {.arena = s->arena};
    dim_print(&text, s->program->dims, d);
    return text_str(&text);
}

/* The largest range of an index without one, when the others have theirs; or NULL. */
static const char *largest_range(IndexSpace *ix, const Affine *a, uint32_t which, DimId size) {
    DimTable *t = ix->s->program->dims;
    DimId last = dim_sub(t, dim_sub(t, size, a->first), dim_const(t, 1));
    for (uint32_t i = 0; i < a->count; i++) {
        const Label *l = &ix->labels[a->labels[i]];
        if (i == which) continue;
        if (!l->known || !dim_is_const(t, a->scale[i]) || dim_value(t, a->scale[i]) < 0)
            return NULL;
        last = dim_sub(t, last, dim_mul(t, a->scale[i], dim_sub(t, l->size, dim_const(t, 1))));
    }
    if (!dim_is_const(t, a->scale[which]) || dim_value(t, a->scale[which]) < 1) return NULL;
    bool exact;
    if (dim_is_const(t, last) && dim_value(t, last) < 0) return NULL;
    DimId steps = dim_div(t, last, a->scale[which], &exact);
    return dim_string(ix->s, dim_add(t, steps, dim_const(t, 1)));
}

static bool ranges_given(IndexSpace *ix, const Affine *a, DimId size, const Node *at) {
    for (uint32_t i = 0; i < a->count; i++) {
        const Label *l = &ix->labels[a->labels[i]];
        if (l->known) continue;
        const char *name = l->name ? l->name->text : "...", *most = largest_range(ix, a, i, size);
        Diag *d = sema_error(ix->s, E_INDEX, at->span, "index `%s` has no range", name);
        diag_note(d, "a range comes from a place where the index stands alone, not from `%s`",
                  node_text(ix->s, at));
        if (most)
            diag_help(d, "`where %s < %s` is all that fits", name, most);
        else
            diag_help(d, "say it: `where %s < n`", name);
        ix->failed = true;
        return false;
    }
    return true;
}

/* First and last position that the place takes, over all values of its indices. False: it may be
 * below 0 or beyond the axis for certain; reported. */
static bool fits(IndexSpace *ix, const Affine *a, DimId size, const Node *at) {
    Sema *s = ix->s;
    DimTable *t = s->program->dims;
    DimId low = a->first, high = a->first;
    for (uint32_t i = 0; i < a->count; i++) {
        DimId n = ix->labels[a->labels[i]].size;
        if (!dim_is_const(t, a->scale[i])) return true; /* positions are computed and checked */
        DimId reach = dim_mul(t, a->scale[i], dim_sub(t, n, dim_const(t, 1)));
        if (dim_value(t, a->scale[i]) < 0)
            low = dim_add(t, low, reach);
        else
            high = dim_add(t, high, reach);
    }
    DimId spare = dim_sub(t, dim_sub(t, size, high), dim_const(t, 1));
    bool below = dim_is_const(t, low) && dim_value(t, low) < 0;
    bool beyond = dim_is_const(t, spare) && dim_value(t, spare) < 0;
    if (!below && !beyond) return true;
    Diag *d =
        sema_error(s, E_INDEX, at->span, "`%s` runs from %s to %s, outside of an axis of %s",
                   node_text(s, at), dim_string(s, low), dim_string(s, high), dim_string(s, size));
    for (uint32_t i = 0; i < a->count; i++) {
        const Label *l = &ix->labels[a->labels[i]];
        const char *most = below ? NULL : largest_range(ix, a, i, size);
        diag_note(d, "`%s` ranges over %s", l->name ? l->name->text : "...",
                  dim_string(s, l->size));
        if (most && i == 0 && l->name) diag_help(d, "`where %s < %s` fits", l->name->text, most);
    }
    ix->failed = true;
    return false;
}

bool index_fits(IndexSpace *ix, const Affine *a, DimId size, const Node *at) {
    return ranges_given(ix, a, size, at) && fits(ix, a, size, at);
}

/* ------------------------------------------------------------------ the views */

typedef struct AffinePlace {
    uint32_t label;
    int64_t scale; /* >= 1 */
    DimId size;
    bool backwards, run_time; /* run_time: of its range */
} AffinePlace;

static bool before(const AffinePlace *a, const AffinePlace *b) {
    if (a->run_time != b->run_time) return a->run_time;
    return a->scale > b->scale;
}

/* A run-time range first, then by falling scale; false: a scale is no number, or two ranges are
 * known at run time only. */
static bool order_places(IndexSpace *ix, const Affine *a, AffinePlace *places, DimId *first) {
    DimTable *t = ix->s->program->dims;
    *first = a->first;
    for (uint32_t i = 0; i < a->count; i++) {
        AffinePlace p = {.label = a->labels[i], .size = ix->labels[a->labels[i]].size};
        if (!dim_is_const(t, a->scale[i])) return false;
        p.scale = dim_value(t, a->scale[i]);
        p.run_time = !dim_is_const(t, p.size);
        if (p.scale == 0 || p.scale == INT64_MIN) return false;
        if (p.scale < 0) {
            DimId reach = dim_mul(t, a->scale[i], dim_sub(t, p.size, dim_const(t, 1)));
            *first = dim_add(t, *first, reach);
            p.scale = -p.scale;
            p.backwards = true;
        }
        uint32_t k = i;
        for (; k > 0 && before(&p, &places[k - 1]); k--) places[k] = places[k - 1];
        places[k] = p;
    }
    for (uint32_t i = 1; i < a->count; i++)
        if (places[i].run_time || dim_value(t, places[i].size) < 1) return false;
    return true;
}

/* Positions that the places span together: 1 + Σ c·(n - 1). */
static DimId reach_of(DimTable *t, const AffinePlace *places, uint32_t count) {
    DimId reach = dim_const(t, 1), one = reach;
    for (uint32_t i = 0; i < count; i++) {
        DimId steps = dim_sub(t, places[i].size, one);
        reach = dim_add(t, reach, dim_mul(t, dim_const(t, places[i].scale), steps));
    }
    return reach;
}

NodeId index_slice(Sema *s, NodeId x, uint32_t axis, DimId first, DimId extent, int64_t step,
                   Span span) {
    Shape shape = graph_shape(sema_graph(s), x);
    DimId from[RANK_MAX];
    int64_t steps[RANK_MAX];
    DimTable *t = s->program->dims;
    if (step == 1 && dim_same(extent, shape.dims[axis]) && dim_equals(t, first, 0)) return x;
    for (uint32_t i = 0; i < shape.rank; i++) {
        from[i] = i == axis ? first : dim_const(t, 0);
        steps[i] = i == axis ? step : 1;
    }
    shape.dims[axis] = extent;
    return g_slice(sema_graph(s), x, from, shape.dims, steps, span);
}

/* One window: the axis counts windows, the taps stand behind it. */
static NodeId slide_axis(Sema *s, NodeId x, uint32_t axis, const AffinePlace *tap, int64_t stride,
                         Span span) {
    Graph *g = sema_graph(s);
    WindowAxis slide = {.axis = axis, .stride = stride, .dilation = tap->scale, .spacing = 1};
    slide.size = dim_value(s->program->dims, tap->size);
    NodeId w = g_window(g, x, &slide, 1, span);
    uint32_t rank = graph_shape(g, w).rank, perm[RANK_MAX], k = 0;
    for (uint32_t i = 0; i + 1 < rank; i++) {
        perm[k++] = i;
        if (i == axis) perm[k++] = rank - 1;
    }
    return g_permute(g, w, perm, span);
}

/* 1 = c_k, n_k = c_(k-1), n_k·n_(k-1) = c_(k-2) …: digits of the position. Then the axis, cut to
 * their product, is reshaped. Sizes may be polynomials. labels: most significant first. */
static bool split_digits(IndexSpace *ix, const Affine *a, NodeId *x, uint32_t axis,
                         uint32_t *labels, Span span) {
    Sema *s = ix->s;
    DimTable *t = s->program->dims;
    DimId want = dim_const(t, 1);
    bool used[RANK_MAX] = {0};
    for (uint32_t k = a->count; k-- > 0;) {
        uint32_t i = 0;
        while (i < a->count && (used[i] || !dim_same(a->scale[i], want))) i++;
        if (i == a->count) return false;
        used[i] = true;
        labels[k] = a->labels[i];
        want = dim_mul(t, want, ix->labels[labels[k]].size);
    }
    *x = index_slice(s, *x, axis, a->first, want, 1, span);
    Shape shape = graph_shape(sema_graph(s), *x), to = {.rank = 0};
    for (uint32_t i = 0; i < shape.rank; i++) {
        if (i != axis) to.dims[to.rank++] = shape.dims[i];
        for (uint32_t k = 0; i == axis && k < a->count; k++)
            to.dims[to.rank++] = ix->labels[labels[k]].size;
    }
    *x = g_reshape(sema_graph(s), *x, &to, span);
    return true;
}

static bool split_windows(IndexSpace *ix, const Affine *a, NodeId *x, uint32_t axis,
                          uint32_t *labels, Span span) {
    Sema *s = ix->s;
    AffinePlace places[RANK_MAX];
    DimId first;
    if (!order_places(ix, a, places, &first)) return false;
    if (a->count == 1) {
        *x = index_slice(s, *x, axis, first, places[0].size, places[0].scale, span);
    } else {
        DimId reach = reach_of(s->program->dims, places, a->count);
        *x = index_slice(s, *x, axis, first, reach, 1, span);
        /* the outermost taps first; only the last window strides */
        for (uint32_t i = a->count; i-- > 1;)
            *x = slide_axis(s, *x, axis, &places[i], i == 1 ? places[0].scale : 1, span);
    }
    uint32_t flipped[RANK_MAX], flips = 0;
    for (uint32_t i = 0; i < a->count; i++) {
        labels[i] = places[i].label;
        if (places[i].backwards) flipped[flips++] = axis + i;
    }
    if (flips) *x = g_reverse(sema_graph(s), *x, flipped, flips, span);
    return true;
}

bool index_split(IndexSpace *ix, const Affine *a, Value *v, uint32_t axis, uint32_t *labels,
                 Span span) {
    NodeId x = tensor_node(ix->s, *v, span);
    if (node_is_none(x) || a->count == 0) return false;
    if (graph_shape(sema_graph(ix->s), x).rank + a->count - 1 > RANK_MAX) return false;
    bool digits = a->count > 1 && split_digits(ix, a, &x, axis, labels, span);
    if (!digits && !split_windows(ix, a, &x, axis, labels, span)) return false;
    *v = value_tensor(ix->s, x);
    return true;
}
