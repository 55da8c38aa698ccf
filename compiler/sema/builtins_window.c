/* Builtins that slide windows: conv, conv_transpose, window_sum, window_max.
 *
 * x is [B, spatial axes, channels]. Each becomes one `window` and one contract or reduction over
 * its taps, so that a tap in the margin is absent rather than 0 (docs/numerics.md). A transposed
 * convolution is a convolution whose source stands `stride` apart, with the weights turned round.
 */
#include "compiler/sema/elaborate.h"

enum { SPATIAL_MAX = 3 };

typedef struct Slide {
    uint32_t count; /* spatial axes */
    int64_t size[SPATIAL_MAX], stride[SPATIAL_MAX], dilation[SPATIAL_MAX];
    WindowAxis window[SPATIAL_MAX];
    bool transposed;
} Slide;

/* ------------------------------------------------------------------ arguments */

/* One number for all spatial axes, or a list of one each. */
static bool numbers(Sema *s, const BuiltinCall *c, uint32_t arg, uint32_t count, const char *what,
                    int64_t *out) {
    Value v = c->args[arg];
    bool list = v.kind == V_LIST || v.kind == V_TUPLE;
    bool fits = !list || v.as.list.count == count;
    for (uint32_t i = 0; fits && i < count; i++) {
        out[i] = 1;
        if (v.kind == V_NONE) continue;
        fits = value_is_int(list ? v.as.list.items[i] : v, &out[i]) && out[i] >= 1 &&
               out[i] <= INT32_MAX;
    }
    if (fits) return true;
    Diag *d = sema_error(s, E_ARGUMENT, c->spans[arg],
                         "`%s` of `%s` wants a positive number, or a list of %u, one for each "
                         "spatial axis; got %s",
                         what, c->builtin->name, count, value_string(s, v));
    diag_help(d, "e.g. `%s = 2`", what);
    return false;
}

static Value margins_wrong(Sema *s, const BuiltinCall *c, uint32_t arg) {
    sema_error(s, E_ARGUMENT, c->spans[arg],
               "`pad` of `%s` wants \"same\", \"valid\", a number, or a list with a number or a "
               "pair [low, high] for each spatial axis; got %s",
               c->builtin->name, value_string(s, c->args[arg]));
    return POISON;
}

static bool margin_pair(Value v, int64_t *low, int64_t *high) {
    if (v.kind == V_LIST || v.kind == V_TUPLE) {
        if (v.as.list.count != 2 || !value_is_int(v.as.list.items[0], low) ||
            !value_is_int(v.as.list.items[1], high))
            return false;
    } else {
        if (!value_is_int(v, low)) return false;
        *high = *low;
    }
    return *low >= 0 && *high >= 0 && *low <= INT32_MAX && *high <= INT32_MAX;
}

static int64_t floor_half(int64_t x) {
    return x > 0 ? x / 2 : 0;
}

/* "same": ceil(n / stride) windows, the odd margin behind (as TensorFlow; torch's padding = k / 2
 * where k is odd and the stride 1). Transposed: n · stride results. */
static bool margins_same(Sema *s, const BuiltinCall *c, Slide *slide, uint32_t i, DimId n) {
    DimTable *t = s->program->dims;
    int64_t reach = slide->dilation[i] * (slide->size[i] - 1) + 1, stride = slide->stride[i];
    int64_t total = reach - stride;
    bool exact = true;
    if (!slide->transposed && dim_is_const(t, n)) {
        int64_t size = dim_value(t, n), windows = (size + stride - 1) / stride;
        total = (windows - 1) * stride + reach - size;
    } else if (!slide->transposed) {
        dim_div(t, n, dim_const(t, stride), &exact);
    }
    if (!exact) {
        Text text = {.arena = s->arena};
        dim_print(&text, t, n);
        sema_error(s, E_UNKNOWN_DIM, c->span,
                   "`pad = \"same\"` with stride %lld wants an axis whose size is known or a "
                   "multiple of %lld, got %s",
                   (long long)stride, (long long)stride, text_str(&text));
        return false;
    }
    if (total < 0 && !slide->transposed) total = 0;
    slide->window[i].low = floor_half(total);
    slide->window[i].high = total - slide->window[i].low;
    return true;
}

static bool margins(Sema *s, const BuiltinCall *c, uint32_t arg, Slide *slide, const Shape *x) {
    Value v = c->args[arg];
    bool same = v.kind == V_STR && strcmp(v.as.str, "same") == 0;
    bool valid = v.kind == V_NONE || (v.kind == V_STR && strcmp(v.as.str, "valid") == 0);
    bool list = v.kind == V_LIST || v.kind == V_TUPLE;
    bool fits = !list || v.as.list.count == slide->count;
    for (uint32_t i = 0; fits && i < slide->count; i++) {
        WindowAxis *w = &slide->window[i];
        if (same && !margins_same(s, c, slide, i, x->dims[1 + i])) return false;
        if (!same && !valid) fits = margin_pair(list ? v.as.list.items[i] : v, &w->low, &w->high);
    }
    if (!fits) margins_wrong(s, c, arg);
    return fits;
}

/* ------------------------------------------------------------------ windows */

static void window_transpose(WindowAxis *w) {
    int64_t taps = w->dilation * (w->size - 1);
    w->low = taps - w->low;
    w->high = taps - w->high;
    w->spacing = w->stride;
    w->stride = 1;
}

/* How many windows axis i of x has must be known, up to symbols. */
static bool window_fits(Sema *s, const BuiltinCall *c, const Slide *slide, uint32_t i,
                        const Shape *x) {
    DimTable *t = s->program->dims;
    const WindowAxis *w = &slide->window[i];
    int64_t taps = w->dilation * (w->size - 1);
    DimId n = x->dims[1 + i], one = dim_const(t, 1);
    DimId room = dim_add(t, dim_mul(t, dim_sub(t, n, one), dim_const(t, w->spacing)),
                         dim_const(t, w->low + w->high - taps));
    if (dim_is_const(t, room)) {
        if (dim_value(t, room) >= 0) return true;
        Diag *d = sema_error(
            s, E_SHAPE, c->span, "`%s`: a window of %lld%s does not fit into axis %u of %s",
            c->builtin->name, (long long)w->size,
            w->dilation > 1 ? arena_printf(s->arena, " taps %lld apart", (long long)w->dilation)
                            : "",
            1 + i, shape_string(s, x, NULL));
        diag_note(d, "it spans %lld elements, there are %lld with margins %lld and %lld",
                  (long long)taps + 1, (long long)(dim_value(t, room) + taps + 1),
                  (long long)w->low, (long long)w->high);
        diag_help(d, "a smaller window, or `pad = \"same\"`");
        return false;
    }
    for (int64_t rest = 0; rest < w->stride && rest < 4096; rest++) {
        bool exact;
        dim_div(t, dim_sub(t, room, dim_const(t, rest)), dim_const(t, w->stride), &exact);
        if (exact) return true;
    }
    Diag *d =
        sema_error(s, E_UNKNOWN_DIM, c->span,
                   "`%s`: how many windows with stride %lld axis %u of %s has is known at run "
                   "time only",
                   c->builtin->name, (long long)w->stride, 1 + i, shape_string(s, x, NULL));
    diag_help(d, "fix the size of that axis, or use stride 1");
    return false;
}

/* Reads stride, pad and dilation (arguments `first`, + 1, + 2) for windows of `size` over x. */
static bool slide_read(Sema *s, const BuiltinCall *c, uint32_t first, const Shape *x,
                       Slide *slide) {
    if (!numbers(s, c, first, slide->count, "stride", slide->stride) ||
        !numbers(s, c, first + 2, slide->count, "dilation", slide->dilation))
        return false;
    for (uint32_t i = 0; i < slide->count; i++)
        slide->window[i] = (WindowAxis){.axis = 1 + i,
                                        .size = slide->size[i],
                                        .stride = slide->stride[i],
                                        .dilation = slide->dilation[i],
                                        .spacing = 1};
    if (!margins(s, c, first + 1, slide, x)) return false;
    for (uint32_t i = 0; i < slide->count; i++) {
        if (slide->transposed) window_transpose(&slide->window[i]);
        if (!window_fits(s, c, slide, i, x)) return false;
    }
    return true;
}

static bool spatial_axes(Sema *s, const BuiltinCall *c, Value v, Shape *x, Slide *slide) {
    *x = tensor_shape(s, v);
    slide->count = x->rank - 2;
    if (x->rank >= 3 && slide->count <= SPATIAL_MAX) return true;
    sema_error(s, E_RANK, c->spans[0],
               "`%s` slides over [batch, 1 to 3 spatial axes, channels], got %s", c->builtin->name,
               shape_string(s, x, v.decl));
    return false;
}

/* ------------------------------------------------------------------ convolution */

typedef struct Conv {
    Slide slide;
    Shape x, w;
    NodeId node_x, node_w;
    int64_t groups;
    DimId in, out;      /* of one group */
    bool one_in, split; /* one input channel a group; several groups */
    bool one_out;       /* ... and one output channel each: channels by themselves */
} Conv;

static bool conv_channels(Sema *s, const BuiltinCall *c, Conv *v) {
    DimTable *t = s->program->dims;
    DimId groups = dim_const(t, v->groups), in = v->x.dims[v->x.rank - 1];
    bool exact;
    v->in = v->w.dims[v->w.rank - 2];
    v->out = dim_div(t, v->w.dims[v->w.rank - 1], groups, &exact);
    if (!dim_same(dim_mul(t, v->in, groups), in)) {
        Diag *d = sema_error(s, E_SHAPE, c->span,
                             "`%s` with groups = %lld: %s has another number of channels than the "
                             "weights %s take",
                             c->builtin->name, (long long)v->groups,
                             shape_string(s, &v->x, c->args[0].decl),
                             shape_string(s, &v->w, c->args[1].decl));
        diag_help(d, "weights are [window..., in / groups, out]");
        return false;
    }
    if (!exact)
        sema_error(s, E_DIVISION, c->span,
                   "the output channels of %s do not divide into %lld groups",
                   shape_string(s, &v->w, c->args[1].decl), (long long)v->groups);
    v->split = v->groups > 1;
    v->one_in = dim_equals(t, v->in, 1);
    v->one_out = v->split && dim_equals(t, v->out, 1);
    return exact;
}

static bool conv_read(Sema *s, const BuiltinCall *c, Conv *v, bool transposed) {
    Value x = to_tensor(s, c->args[0], DTYPE_COUNT, c->spans[0]);
    Value w = to_tensor(s, c->args[1], DTYPE_COUNT, c->spans[1]);
    *v = (Conv){.groups = 1, .slide = {.transposed = transposed}};
    if (value_is_poison(x) || value_is_poison(w)) return false;
    if (!spatial_axes(s, c, x, &v->x, &v->slide)) return false;
    if (!unify_dtype(s, c->span, c->builtin->name, &x, &w)) return false;
    if (!dtype_is_float(tensor_dtype(s, x))) {
        sema_error(s, E_DTYPE, c->span, "`%s` wants floats, got %s", c->builtin->name,
                   dtype_name(tensor_dtype(s, x)));
        return false;
    }
    v->w = tensor_shape(s, w);
    if (v->w.rank != v->x.rank) {
        sema_error(
            s, E_RANK, c->spans[1],
            "the weights of `%s` over %s have %u axes, [window..., in / groups, out], got %s",
            c->builtin->name, shape_string(s, &v->x, x.decl), v->x.rank,
            shape_string(s, &v->w, w.decl));
        return false;
    }
    for (uint32_t i = 0; i < v->slide.count; i++) {
        if (!dim_is_const(s->program->dims, v->w.dims[i])) {
            sema_error(s, E_UNKNOWN_DIM, c->spans[1], "the window of `%s` has a run-time size: %s",
                       c->builtin->name, shape_string(s, &v->w, w.decl));
            return false;
        }
        v->slide.size[i] = dim_value(s->program->dims, v->w.dims[i]);
    }
    if (c->args[5].kind != V_NONE &&
        (!value_is_int(c->args[5], &v->groups) || v->groups < 1 || v->groups > INT32_MAX)) {
        sema_error(s, E_ARGUMENT, c->spans[5], "`groups` of `%s` wants a positive number, got %s",
                   c->builtin->name, value_string(s, c->args[5]));
        return false;
    }
    v->node_x = tensor_node(s, x, c->span);
    v->node_w = tensor_node(s, w, c->span);
    return !node_is_none(v->node_x) && !node_is_none(v->node_w) && conv_channels(s, c, v) &&
           slide_read(s, c, 2, &v->x, &v->slide);
}

/* A window of one tap, always there: no window, only a step. */
static bool is_step(const WindowAxis *w) {
    return w->size == 1 && w->spacing == 1 && w->low == 0 && w->high == 0;
}

static NodeId conv_steps(Sema *s, const Conv *v, NodeId x, Span span) {
    DimTable *t = s->program->dims;
    Shape shape = graph_shape(sema_graph(s), x);
    DimId first[RANK_MAX];
    int64_t step[RANK_MAX];
    bool any = false;
    for (uint32_t i = 0; i < shape.rank; i++) {
        const WindowAxis *w = i > 0 && i <= v->slide.count ? &v->slide.window[i - 1] : NULL;
        first[i] = dim_const(t, 0);
        step[i] = w && is_step(w) ? w->stride : 1;
        if (step[i] == 1) continue;
        bool exact;
        DimId last = dim_sub(t, shape.dims[i], dim_const(t, 1));
        shape.dims[i] =
            dim_add(t, dim_div(t, last, dim_const(t, step[i]), &exact), dim_const(t, 1));
        any = true;
    }
    return any ? g_slice(sema_graph(s), x, first, shape.dims, step, span) : x;
}

typedef struct Axes { /* dims and labels being listed */
    Shape shape;
    uint32_t label[RANK_MAX];
} Axes;

static void axis_add(Axes *a, DimId dim, uint32_t label) {
    a->label[a->shape.rank] = label;
    a->shape.dims[a->shape.rank++] = dim;
}

/* y[b, o.., g, out] = Σ over taps.., in of x[b, o.., g, in, taps..] · w[taps.., in, g, out]; axes
 * of one channel are left out. */
static Value conv_build(Sema *s, const BuiltinCall *c, Conv *v) {
    enum { B, O, G = O + SPATIAL_MAX, OUT, TAP, IN = TAP + SPATIAL_MAX };
    Graph *g = sema_graph(s);
    uint32_t n = v->slide.count, reduced[SPATIAL_MAX + 1], nreduced = 0, windows = 0;
    Axes x = {.shape = {.rank = 0}}, w = x, y = x;
    WindowAxis window[SPATIAL_MAX];
    for (uint32_t i = 0; i <= n; i++) axis_add(&x, v->x.dims[i], i == 0 ? B : O + i - 1);
    for (uint32_t i = 0; i < n; i++) {
        if (is_step(&v->slide.window[i])) continue;
        axis_add(&w, v->w.dims[i], TAP + i);
        reduced[nreduced++] = TAP + i;
        window[windows++] = v->slide.window[i];
    }
    bool no_in = v->one_in && nreduced > 0;
    DimId groups = dim_const(s->program->dims, v->groups);
    if (v->split) axis_add(&x, groups, G);
    if (!no_in) axis_add(&x, v->in, IN);
    if (!no_in) axis_add(&w, v->in, IN);
    if (!no_in) reduced[nreduced++] = IN;
    if (v->split) axis_add(&w, groups, G);
    if (!v->one_out) axis_add(&w, v->out, OUT);
    NodeId seen = g_reshape(g, v->node_x, &x.shape, c->span);
    NodeId weights = g_reshape(g, v->node_w, &w.shape, c->span);
    if (v->slide.transposed && windows > 0) {
        uint32_t turned[SPATIAL_MAX];
        for (uint32_t i = 0; i < windows; i++) turned[i] = i;
        weights = g_reverse(g, weights, turned, windows, c->span);
    }
    seen = conv_steps(s, v, seen, c->span);
    if (windows > 0) seen = g_window(g, seen, window, windows, c->span);
    Shape taps = graph_shape(g, seen);
    for (uint32_t i = 0; i < windows; i++) axis_add(&x, w.shape.dims[i], reduced[i]);
    for (uint32_t i = 0; i <= n; i++) axis_add(&y, taps.dims[i], i == 0 ? B : O + i - 1);
    if (v->split) axis_add(&y, groups, G);
    if (!v->one_out) axis_add(&y, v->out, OUT);
    NodeId result = g_contract(g, seen, x.label, weights, w.label, y.label, y.shape.rank, reduced,
                               nreduced, c->span);
    Shape shape = {.rank = n + 2};
    for (uint32_t i = 0; i <= n; i++) shape.dims[i] = taps.dims[i];
    shape.dims[n + 1] = v->w.dims[v->w.rank - 1];
    return value_tensor(s, g_reshape(g, result, &shape, c->span));
}

static Value conv(Sema *s, const BuiltinCall *c) {
    Conv v;
    return conv_read(s, c, &v, c->builtin->op != 0) ? conv_build(s, c, &v) : POISON;
}

/* ------------------------------------------------------------------ pooling */

static Value window_reduce(Sema *s, const BuiltinCall *c) {
    Value v = to_tensor(s, c->args[0], DTYPE_COUNT, c->spans[0]);
    Slide slide = {.count = 0};
    Shape x;
    uint32_t taps[SPATIAL_MAX];
    if (value_is_poison(v) || !spatial_axes(s, c, v, &x, &slide)) return POISON;
    if (tensor_dtype(s, v) == DTYPE_BOOL) {
        sema_error(s, E_DTYPE, c->span, "`%s` wants numbers, got bool", c->builtin->name);
        return POISON;
    }
    if (!numbers(s, c, 1, slide.count, "size", slide.size) || !slide_read(s, c, 2, &x, &slide))
        return POISON;
    NodeId node = tensor_node(s, v, c->span);
    if (node_is_none(node)) return POISON;
    Graph *g = sema_graph(s);
    NodeId seen = g_window(g, node, slide.window, slide.count, c->span);
    for (uint32_t i = 0; i < slide.count; i++) taps[i] = x.rank + i;
    return value_tensor(s, g_reduce(g, (Op)c->builtin->op, seen, taps, slide.count, c->span));
}

const Builtin BUILTINS_WINDOW[] = {
    {"conv", "x, w, stride?, pad?, dilation?, groups?", conv, 0},
    {"conv_transpose", "x, w, stride?, pad?, dilation?, groups?", conv, 1},
    {"window_sum", "x, size, stride?, pad?, dilation?", window_reduce, OP_SUM},
    {"window_max", "x, size, stride?, pad?, dilation?", window_reduce, OP_REDUCE_MAX},
    {NULL, NULL, NULL, 0}};
