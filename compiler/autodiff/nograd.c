/* The diagnostics of autodiff. A missing gradient is explained by the nodes that cut the way from x
 * to y: each is shown in the source with what it does (rounding, comparing, stopping). */
#include "compiler/autodiff/nograd.h"
#include "compiler/graph/scan.h"

enum { NAME_MAX_CHARS = 48, LABELS_MAX = 4, LISTED_MAX = 6 };

/* ---- names: what the user wrote, if it is short; else what the value is */

static const char *source_text(const Graph *g, Span span, uint32_t *len) {
    if (span.file == 0) return NULL;
    const Source *source = sources_get(g->ctx->sources, span.file);
    if (!source || span.end > source->len || span.begin >= span.end) return NULL;
    *len = span.end - span.begin;
    return source->text + span.begin;
}

/* End of the argument that starts at `begin`: the next comma or bracket of its own depth. */
static uint32_t argument_end(const char *text, uint32_t len, uint32_t begin) {
    int depth = 0;
    for (uint32_t i = begin; i < len; i++) {
        char c = text[i];
        if (c == '(' || c == '[' || c == '{') depth++;
        if ((c == ')' || c == ']' || c == '}') && depth-- == 0) return i;
        if (c == ',' && depth == 0) return i;
    }
    return len;
}

/* The span of argument `which` when `span` covers a call `grad(y, x)`. */
static bool grad_argument(const Graph *g, Span span, uint32_t which, Span *out) {
    uint32_t len, begin = 5;
    const char *text = source_text(g, span, &len);
    if (!text || len < 6 || strncmp(text, "grad(", 5) != 0) return false;
    for (uint32_t end = 0;; begin = end + 1) {
        while (begin < len && (text[begin] == ' ' || text[begin] == '\n')) begin++;
        end = argument_end(text, len, begin);
        if (which-- == 0) {
            while (end > begin && text[end - 1] == ' ') end--;
            *out = (Span){span.file, span.begin + begin, span.begin + end};
            return end > begin;
        }
        if (end >= len || text[end] != ',') return false;
    }
}

static const char *text_of(const Graph *g, Span span) {
    uint32_t len;
    const char *text = source_text(g, span, &len);
    if (!text || len > NAME_MAX_CHARS || memchr(text, '\n', len)) return NULL;
    return arena_strndup(g->ctx->arena, text, len);
}

static const char *value_name(const Graph *g, NodeId id) {
    const GNode *n = graph_node(g, id);
    if (n->op == OP_READ) return g->slots[n->attr[0]].path->text;
    if (n->op == OP_INPUT) return g->inputs.data[n->attr[0]].name->text;
    const char *text = text_of(g, n->span);
    return text ? text : op_info(n->op)->name;
}

static const char *target_name(const Graph *g, NodeId x, Span span) {
    Span argument;
    const GNode *n = graph_node(g, x);
    if (n->op != OP_READ && grad_argument(g, span, 1, &argument)) {
        const char *text = text_of(g, argument);
        if (text) return text;
    }
    return value_name(g, x);
}

/* ---- cuts */

typedef enum Cut { CUT_NONE, CUT_STEPS, CUT_COMPARE, CUT_STOP, CUT_CAST } Cut;

static Cut cut_kind(const Graph *g, const GNode *n) {
    switch (n->op) {
    case OP_SIGN:
    case OP_FLOOR:
    case OP_ARGSORT:
    case OP_ARGMAX: return CUT_STEPS;
    case OP_LESS:
    case OP_EQUAL: return CUT_COMPARE;
    case OP_STOP: return CUT_STOP;
    case OP_CAST: {
        bool from_float = dtype_is_float(graph_node(g, n->args[0])->dtype);
        return from_float && !dtype_is_float(n->dtype) ? CUT_CAST : CUT_NONE;
    }
    default: return CUT_NONE; /* follows a cut: logic, an index */
    }
}

static const char *cut_text(const Graph *g, const GNode *n, Cut kind) {
    switch (kind) {
    case CUT_STEPS:
        return arena_printf(g->ctx->arena, "`%s` is piecewise constant", op_info(n->op)->name);
    case CUT_COMPARE: return "a comparison is true or false";
    case CUT_STOP: return "`stop` ends the gradient";
    case CUT_CAST:
        return arena_printf(g->ctx->arena, "`%s` has no fractions", dtype_name(n->dtype));
    case CUT_NONE: break;
    }
    BUG("no cut");
}

/* Adds everything that a flagged node is computed from, and everything computed from one. */
static void spread_down(const Graph *g, bool *above, uint32_t count) {
    for (uint32_t i = count; i-- > 0;) {
        const GNode *n = graph_node(g, (NodeId){i});
        for (uint32_t k = 0; above[i] && k < n->nargs; k++) above[n->args[k].id] = true;
    }
}
static void spread_up(const Graph *g, bool *below, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) {
        const GNode *n = graph_node(g, (NodeId){i});
        for (uint32_t k = 0; k < n->nargs; k++)
            if (below[n->args[k].id]) below[i] = true;
    }
}

static bool *flags(const Graph *g, uint32_t count) {
    return ARENA_ARRAY(g->ctx->arena, bool, count);
}

/* on[i]: node i lies on some way, differentiable or not, from x to y. */
static bool *ways(const Graph *g, NodeId y, NodeId x) {
    bool *below = flags(g, y.id + 1), *above = flags(g, y.id + 1);
    above[y.id] = true;
    spread_down(g, above, y.id + 1);
    below[x.id] = true;
    spread_up(g, below, y.id + 1);
    for (uint32_t i = 0; i <= y.id; i++) below[i] = below[i] && above[i];
    return below;
}

/* The same in a loop's body, from the operands that `on` flags to all results: carries lead from
 * one iteration to the next. */
static bool *ways_in_body(const Graph *g, const Scan *s, const GNode *loop, const bool *on) {
    uint32_t size = graph_size(s->body), outputs = s->body->outputs.len;
    bool *below = flags(g, size), *above = flags(g, size), *inputs = flags(g, loop->nargs + 1);
    for (uint32_t i = 0; i < loop->nargs; i++) inputs[1 + i] = on[loop->args[i].id];
    for (bool changed = true; changed;) {
        changed = false;
        for (uint32_t i = 0; i < size; i++) {
            const GNode *n = graph_node(s->body, (NodeId){i});
            below[i] = n->op == OP_INPUT && inputs[n->attr[0]];
        }
        spread_up(s->body, below, size);
        for (uint32_t i = 0; i < s->carries; i++) {
            if (inputs[1 + i] || !below[s->body->outputs.data[i].node.id]) continue;
            inputs[1 + i] = changed = true;
        }
    }
    for (uint32_t i = 0; i < outputs; i++) above[s->body->outputs.data[i].node.id] = true;
    spread_down(s->body, above, size);
    for (uint32_t i = 0; i < size; i++) below[i] = below[i] && above[i];
    return below;
}

static bool is_labelled(const Diag *d, Span span) {
    for (uint32_t i = 0; i < d->labels.len; i++)
        if (d->labels.data[i].span.file == span.file &&
            d->labels.data[i].span.begin == span.begin && d->labels.data[i].span.end == span.end)
            return true;
    return false;
}

typedef struct Cuts {
    Diag *diag;
    uint32_t kinds; /* met, as bits */
    uint32_t labels;
} Cuts;

/* Labels the cutting nodes in the order they are met, bodies of loops included. */
static void label_on(Cuts *c, const Graph *g, const bool *on, uint32_t from, uint32_t to) {
    for (uint32_t i = from; i < to; i++) {
        const GNode *n = graph_node(g, (NodeId){i});
        if (!on[i]) continue;
        if (n->op == OP_SCAN) { /* as deep as loops are nested */
            Scan s = scan_of(g, (NodeId){i});
            label_on(c, s.body, ways_in_body(g, &s, n, on), 0, graph_size(s.body));
            continue;
        }
        Cut kind = cut_kind(g, n);
        if (kind == CUT_NONE) continue;
        c->kinds |= 1u << kind;
        if (n->span.file == 0 || c->labels == LABELS_MAX || is_labelled(c->diag, n->span)) continue;
        diag_label(c->diag, n->span, "%s: %s", c->labels == 0 ? "the path stops here" : "and here",
                   cut_text(g, n, kind));
        c->labels++;
    }
}

static uint32_t label_cuts(Diag *d, const Graph *g, NodeId y, NodeId x) {
    Cuts cuts = {.diag = d};
    label_on(&cuts, g, ways(g, y, x), x.id + 1, y.id + 1);
    if (cuts.kinds && cuts.labels == 0)
        diag_note(d, "the path is cut inside the prelude or by the compiler");
    return cuts.kinds;
}

static void help_for(Diag *d, uint32_t kinds, bool on_way) {
    if (!on_way)
        diag_help(d, "differentiate with respect to a value that it is computed from");
    else if (kinds & (1u << CUT_STOP))
        diag_help(d, "take the `stop` away, or differentiate with respect to the stopped value");
    else
        diag_help(d, "differentiate a smooth loss instead, e.g. `cross_entropy` or `mse`");
}

void nograd_report(const Graph *g, NodeId y, const NodeId *xs, uint32_t count, Span span) {
    Span place = span;
    if (!grad_argument(g, span, 0, &place) && span.file == 0) place = graph_node(g, y)->span;
    const char *y_text = text_of(g, place), *y_name = y_text ? y_text : value_name(g, y);
    const char *x_name = target_name(g, xs[0], span);
    Diag *d = ctx_error(g->ctx, E_NOGRAD, place, "`%s` has no gradient with respect to `%s`",
                        y_name, x_name);
    bool on_way = xs[0].id <= y.id && ways(g, y, xs[0])[y.id];
    uint32_t kinds = 0;
    if (on_way)
        kinds = label_cuts(d, g, y, xs[0]);
    else
        diag_note(d, "`%s` is not computed from `%s`", y_name, x_name);
    for (uint32_t i = 1; i < count && i <= LISTED_MAX; i++)
        diag_note(d, "nor with respect to `%s`", value_name(g, xs[i]));
    if (count > LISTED_MAX + 1) diag_note(d, "and %u more", count - LISTED_MAX - 1);
    help_for(d, kinds, on_way);
}

void nograd_constant(const Graph *g, NodeId x, Span span) {
    Span place = span;
    grad_argument(g, span, 1, &place);
    Diag *d = ctx_error(g->ctx, E_UNSUPPORTED, place,
                        "not supported yet: a gradient with respect to the constant `%s`",
                        target_name(g, x, span));
    diag_note(d, "equal constants are one value, so other uses of the same number would count too");
    diag_help(d, "make it depend on an input or a parameter");
}

void nograd_outside(const Graph *g, NodeId x, NodeId other, Span span) {
    Span place = span;
    grad_argument(g, span, 1, &place);
    const char *name = target_name(g, x, span);
    Diag *d = ctx_error(g->ctx, E_UNSUPPORTED, place,
                        "not supported yet: a gradient inside `scan` with respect to `%s`, on "
                        "which the loop also depends by way of a value computed outside",
                        name);
    Span from = graph_node(g, other)->span;
    if (from.file != 0) diag_label(d, from, "computed from `%s` outside the block", name);
    diag_help(d, "compute that value inside the block, or put `stop` around it");
}
