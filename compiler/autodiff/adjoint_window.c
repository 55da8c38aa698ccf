/* Adjoints of sliding windows.
 *
 * Element p of x is tap t of window o where o·stride + t·dilation - low = p·spacing. Seen from p,
 * with t' = size - 1 - t, that is again a window, over the axis of windows:
 *
 *     o·stride = p·spacing + t'·dilation - (dilation·(size - 1) - low)
 *
 * so stride and spacing change places, and low becomes dilation·(size - 1) - low. What a
 * contraction or a reduction did over a window, its adjoint does over that one: the gradient of a
 * convolution is a convolution, to any order (Dumoulin & Visin 2016, arXiv 1603.07285, draw it). */
#include "compiler/autodiff/adjoint.h"

/* (n - 1) elements further, times the distance of two. */
static DimId reach_of(DimTable *t, DimId count, int64_t step) {
    return dim_mul(t, dim_sub(t, count, dim_const(t, 1)), dim_const(t, step));
}

/* The window over an axis of `windows` windows that gives each of `size` elements back its taps. */
static WindowAxis window_back(DimTable *t, const WindowAxis *w, DimId size, DimId windows) {
    int64_t taps = w->dilation * (w->size - 1);
    WindowAxis back = {.axis = w->axis,
                       .size = w->size,
                       .stride = w->spacing,
                       .dilation = w->dilation,
                       .low = taps - w->low,
                       .spacing = w->stride};
    DimId rest = dim_sub(t, reach_of(t, size, w->spacing), reach_of(t, windows, w->stride));
    /* A size that the stride does not divide for sure: as if all behind the last window were there;
     * spare elements are cut off. */
    int64_t most = taps - w->low - w->high + w->stride - 1;
    back.high = (dim_is_const(t, rest) ? dim_value(t, rest) : most) - back.low + taps;
    return back;
}

/* The windows `back` over g, each axis cut to the size in `want`. */
static NodeId build_window(const Adjoint *a, NodeId g, const WindowAxis *back, uint32_t count,
                           const DimId *want) {
    DimTable *t = a->graph->dims;
    NodeId x = g_window(a->graph, g, back, count, a->node.span);
    Shape shape = graph_shape(a->graph, x);
    DimId first[RANK_MAX];
    int64_t step[RANK_MAX];
    bool cut = false;
    for (uint32_t i = 0; i < shape.rank; i++) {
        first[i] = dim_const(t, 0);
        step[i] = 1;
    }
    for (uint32_t k = 0; k < count; k++) {
        cut |= !dim_same(shape.dims[back[k].axis], want[k]);
        shape.dims[back[k].axis] = want[k];
    }
    return cut ? g_slice(a->graph, x, first, shape.dims, step, a->node.span) : x;
}

/* ---- by itself */

/* One axis: of all pairs of taps those are summed that mean the same one. */
static NodeId give_back_axis(const Adjoint *a, NodeId g, const WindowAxis *w, DimId size) {
    Shape shape = graph_shape(a->graph, g);
    uint32_t tap = shape.rank - 1, axes[2] = {tap, tap + 1};
    WindowAxis back = window_back(a->graph->dims, w, size, shape.dims[w->axis]);
    NodeId x = build_window(a, g, &back, 1, &size);
    shape = graph_shape(a->graph, x);
    if (w->size > 1) {
        Span span = a->node.span;
        NodeId here = g_iota(a->graph, DTYPE_I32, &shape, tap, span);
        NodeId there = g_iota(a->graph, DTYPE_I32, &shape, tap + 1, span);
        NodeId last = g_const_int(a->graph, DTYPE_I32, &shape, w->size - 1, span);
        NodeId both = build_binary(a, OP_ADD, here, there);
        x = build_keep(a, build_binary(a, OP_EQUAL, both, last), x);
    }
    return build_sum(a, x, axes, 2);
}

/* Overlapping windows add up, axis by axis, the last first. */
void adjoint_WINDOW(Adjoint *a) {
    Shape shape = adjoint_operand_shape(a, 0);
    NodeId g = a->grad;
    for (uint32_t k = window_count(&a->node); k-- > 0;) {
        WindowAxis w = window_axis(&a->node, k);
        g = give_back_axis(a, g, &w, shape.dims[w.axis]);
    }
    adjoint_give(a, 0, g);
}

/* ---- behind a contraction */

static bool finds_label(const Labelled *x, uint32_t label, uint32_t *axis) {
    for (uint32_t i = 0; i < x->rank; i++) {
        if (x->label[i] != label) continue;
        *axis = i;
        return true;
    }
    return false;
}

typedef struct Side { /* one of the two factors: g, and the other operand */
    Labelled x;
    WindowAxis back[RANK_MAX];
    DimId want[RANK_MAX];
    uint32_t taps[RANK_MAX]; /* label of each window's taps */
    uint32_t windows, reversed[RANK_MAX], reverses;
} Side;

/* Windowed axis k: the factor that has the label of its windows is seen through windows, the one
 * that has the label of its taps is reversed. */
static bool side_takes(const Adjoint *a, Side side[2], const WindowAxis *w, DimId size,
                       uint32_t windows, uint32_t taps) {
    uint32_t axis[2] = {0}, tap_axis[2] = {0};
    bool slides[2], turns[2];
    for (uint32_t i = 0; i < 2; i++) {
        slides[i] = finds_label(&side[i].x, windows, &axis[i]);
        turns[i] = finds_label(&side[i].x, taps, &tap_axis[i]);
    }
    uint32_t i = slides[0] ? 0 : 1;
    if (slides[0] == slides[1] || turns[0] == turns[1] || slides[0] == turns[0]) return false;
    Side *s = &side[i], *other = &side[1 - i];
    Shape shape = graph_shape(a->graph, s->x.node);
    if (shape.rank + s->windows + 1 > RANK_MAX) return false;
    WindowAxis back = window_back(a->graph->dims, w, size, shape.dims[axis[i]]);
    back.axis = axis[i];
    uint32_t at = s->windows++; /* ascending by axis */
    for (; at > 0 && s->back[at - 1].axis > back.axis; at--) {
        s->back[at] = s->back[at - 1];
        s->want[at] = s->want[at - 1];
        s->taps[at] = s->taps[at - 1];
    }
    s->back[at] = back;
    s->want[at] = size;
    s->taps[at] = taps;
    other->reversed[other->reverses++] = tap_axis[1 - i];
    return true;
}

static void side_build(const Adjoint *a, Side *s) {
    for (uint32_t i = 1; i < s->reverses; i++) /* axes ascend */
        for (uint32_t j = i; j > 0 && s->reversed[j] < s->reversed[j - 1]; j--) {
            uint32_t swap = s->reversed[j];
            s->reversed[j] = s->reversed[j - 1];
            s->reversed[j - 1] = swap;
        }
    if (s->reverses > 0)
        s->x.node = g_reverse(a->graph, s->x.node, s->reversed, s->reverses, a->node.span);
    if (s->windows == 0) return;
    s->x.node = build_window(a, s->x.node, s->back, s->windows, s->want);
    for (uint32_t i = 0; i < s->windows; i++) s->x.label[s->x.rank++] = s->taps[i];
}

/* An operand seen through windows and permutations: index notation makes one window an axis. */
typedef struct Seen {
    Labelled x; /* the source; its windowed axes have the labels of the windows */
    WindowAxis window[RANK_MAX];
    uint32_t windows[RANK_MAX], taps[RANK_MAX]; /* labels */
    uint32_t count;
} Seen;

static bool seen_window(const Adjoint *a, Seen *s, const GNode *n) {
    uint32_t rank = graph_shape(a->graph, n->args[0]).rank;
    for (uint32_t k = 0; k < window_count(n); k++) {
        if (s->count == RANK_MAX) return false;
        WindowAxis w = window_axis(n, k);
        for (uint32_t i = 0; i < s->count; i++) /* a window of windows */
            if (s->windows[i] == s->x.label[w.axis] || s->taps[i] == s->x.label[w.axis])
                return false;
        s->window[s->count] = w;
        s->windows[s->count] = s->x.label[w.axis];
        s->taps[s->count++] = s->x.label[rank + k];
    }
    s->x.node = n->args[0];
    s->x.rank = rank;
    return true;
}

/* False: no window is on top, or one that has to be taken back by itself. */
static bool see_through(const Adjoint *a, const Labelled *operand, Seen *s) {
    s->x = *operand;
    s->count = 0;
    for (;;) {
        GNode n = *graph_node(a->graph, s->x.node);
        if ((n.op != OP_PERMUTE && n.op != OP_WINDOW) || adjoint_is_asked(a, s->x.node)) break;
        if (n.op == OP_WINDOW) {
            if (!seen_window(a, s, &n)) return false;
            continue;
        }
        Labelled old = s->x;
        s->x.node = n.args[0];
        for (uint32_t i = 0; i < old.rank; i++) s->x.label[n.attr[i]] = old.label[i];
    }
    return s->count > 0;
}

bool window_contract_rule(Adjoint *a, const Labelled *g, const Labelled *other,
                          const Labelled *operand) {
    Seen seen;
    if (!see_through(a, operand, &seen)) return false;
    Shape shape = graph_shape(a->graph, seen.x.node);
    Side side[2] = {{.x = *g}, {.x = *other}};
    for (uint32_t k = 0; k < seen.count; k++) {
        WindowAxis *w = &seen.window[k];
        uint32_t axis = 0;
        if (!finds_label(&seen.x, seen.windows[k], &axis)) return false;
        w->axis = axis;
        if (!side_takes(a, side, w, shape.dims[axis], seen.windows[k], seen.taps[k])) return false;
    }
    for (uint32_t i = 0; i < 2; i++) side_build(a, &side[i]);
    adjoint_give_node(
        a, seen.x.node,
        contract_share(a, &side[0].x, &side[1].x, &seen.x, &shape, seen.taps, seen.count));
    return true;
}

/* ---- behind a reduction over exactly its taps */

/* The windows of the operand's reverse view of `y`, whose axes are the operand's. */
static NodeId windows_back(const Adjoint *a, const GNode *n, NodeId y) {
    DimTable *t = a->graph->dims;
    Shape source = graph_shape(a->graph, n->args[0]), windows = graph_shape(a->graph, y);
    WindowAxis back[RANK_MAX];
    DimId want[RANK_MAX];
    for (uint32_t k = 0; k < window_count(n); k++) {
        WindowAxis w = window_axis(n, k);
        want[k] = source.dims[w.axis];
        back[k] = window_back(t, &w, want[k], windows.dims[w.axis]);
    }
    return build_window(a, y, back, window_count(n), want);
}

static bool reduces_taps(Adjoint *a, GNode *window, uint32_t *taps) {
    NodeId seen = adjoint_operand(a, 0);
    *window = *graph_node(a->graph, seen);
    uint32_t rank = a->node.rank;
    if (window->op != OP_WINDOW || adjoint_is_asked(a, seen) ||
        a->node.nattr != window_count(window))
        return false;
    for (uint32_t i = 0; i < a->node.nattr; i++) {
        if (a->node.attr[i] != (int64_t)(rank + i)) return false;
        taps[i] = rank + i;
    }
    return true;
}

bool window_sum_rule(Adjoint *a) {
    GNode window;
    uint32_t taps[RANK_MAX];
    if (!reduces_taps(a, &window, taps)) return false;
    NodeId spread = windows_back(a, &window, a->grad);
    adjoint_give_node(a, window.args[0], build_sum(a, spread, taps, a->node.nattr));
    return true;
}

/* Each x takes its share of every window whose extremum it equals. */
bool window_extremum_rule(Adjoint *a, NodeId share) {
    GNode window;
    uint32_t taps[RANK_MAX];
    if (!reduces_taps(a, &window, taps)) return false;
    NodeId extremum = windows_back(a, &window, a->self);
    NodeId shares = windows_back(a, &window, share);
    Shape shape = graph_shape(a->graph, shares);
    NodeId x = build_unreduce(a, window.args[0], &shape, a->node.attr, a->node.nattr);
    NodeId tied = build_binary(a, OP_EQUAL, x, extremum);
    NodeId sum = build_sum(a, build_keep(a, tied, shares), taps, a->node.nattr);
    adjoint_give_node(a, window.args[0], sum);
    return true;
}
