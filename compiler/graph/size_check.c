/* What must hold of the run-time sizes before a graph may run: what its author asked for (two sizes
 * are one), and what its nodes need (a slice lies inside its operand, margins are not negative).
 * Compiled entries check the list when they are called, the reference evaluator when it starts. */
#include "compiler/graph/graph.h"

static bool required(const Graph *g, DimId value, bool zero) {
    for (uint32_t i = 0; i < g->checks.len; i++)
        if (dim_same(g->checks.data[i].value, value) && g->checks.data[i].zero == zero) return true;
    return false;
}

void graph_require(Graph *g, DimId value, bool zero, const char *text, Span span) {
    if (required(g, value, zero)) return;
    GraphCheck check = {.value = value, .zero = zero, .text = text, .span = span};
    vec_push(g->ctx->arena, &g->checks, check);
}

typedef struct Signs {
    bool negative, quotient;
} Signs;

static void sign_visit(void *user, int64_t coefficient, const uint32_t *symbols, uint32_t count) {
    Signs *s = user;
    if (coefficient < 0) s->negative = true;
    for (uint32_t i = 0; i < count; i++)
        if (symbols[i] >= DIM_QUOTIENT) s->quotient = true;
}

/* Sizes are not negative, so a polynomial without a negative coefficient is not either. One with a
 * quotient of sizes is refused elsewhere when it has to be evaluated by an entry. */
static bool may_be_negative(const Graph *g, DimId d) {
    Signs s = {0};
    dim_terms(g->dims, d, sign_visit, &s);
    return s.negative && !s.quotient && !dim_is_const(g->dims, d) && !dim_is_overflow(g->dims, d);
}

static const char *described(const Graph *g, const GNode *n, const char *needs, DimId size) {
    Text t = {.arena = g->ctx->arena};
    if (n->span.file) {
        Place p = sources_place(g->ctx->sources, n->span);
        text_printf(&t, "%s:%u:%u ", p.name, p.line, p.column);
    }
    text_printf(&t, "%s ", needs);
    dim_print(&t, g->dims, size);
    text_add(&t, " >= 0");
    return text_str(&t);
}

static void need(Graph *all, const Graph *g, const GNode *n, const char *needs, DimId size) {
    if (!may_be_negative(g, size) || required(all, size, false)) return;
    graph_require(all, size, false, described(g, n, needs, size), n->span);
}

static void slice_needs(Graph *all, const Graph *g, const GNode *n) {
    DimTable *t = g->dims;
    const GNode *x = graph_node(g, n->args[0]);
    for (uint32_t i = 0; i < n->rank; i++) {
        DimId first = {(uint32_t)n->attr[2 * i]}, one = dim_const(t, 1);
        if (dim_equals(t, n->dims[i], 0)) continue;
        DimId reach = dim_mul(t, dim_sub(t, n->dims[i], one), dim_const(t, n->attr[2 * i + 1]));
        DimId spare = dim_sub(t, dim_sub(t, x->dims[i], one), dim_add(t, first, reach));
        need(all, g, n, "takes a slice, which needs", first);
        need(all, g, n, "takes a slice inside its tensor, which needs", spare);
    }
}

/* At least one window fits (the rules of shape.c have found that these numbers do not overflow). */
static void window_needs(Graph *all, const Graph *g, const GNode *n) {
    const GNode *x = graph_node(g, n->args[0]);
    for (uint32_t i = 0; i < window_count(n); i++) {
        WindowAxis w = window_axis(n, i);
        DimId reach = dim_mul(g->dims, x->dims[w.axis], dim_const(g->dims, w.spacing));
        int64_t spare = w.low + w.high - w.dilation * (w.size - 1) - w.spacing;
        need(all, g, n, "slides a window, which needs",
             dim_add(g->dims, reach, dim_const(g->dims, spare)));
    }
}

static void node_needs(Graph *all, const Graph *g, const GNode *n) {
    for (uint32_t i = 0; i < n->rank; i++)
        need(all, g, n, "makes a tensor, whose size needs", n->dims[i]);
    if (n->op == OP_SLICE) slice_needs(all, g, n);
    if (n->op == OP_WINDOW) window_needs(all, g, n);
    for (uint32_t i = 0; n->op == OP_PAD && i < n->rank; i++)
        for (uint32_t k = 0; k < 2; k++)
            need(all, g, n, "pads, which needs", (DimId){(uint32_t)n->attr[3 * i + k]});
}

enum { BODY_DEPTH_MAX = 64 };

static void graph_needs(Graph *all, const Graph *g, uint32_t depth) {
    uint32_t size = graph_size(g);
    bool *live = ARENA_ARRAY(g->ctx->arena, bool, size);
    graph_live(g, live);
    for (uint32_t i = 0; i < g->checks.len; i++) {
        const GraphCheck *c = &g->checks.data[i];
        graph_require(all, c->value, c->zero, c->text, c->span);
    }
    for (uint32_t i = 0; i < size; i++)
        if (live[i]) node_needs(all, g, graph_node(g, (NodeId){i}));
    for (uint32_t i = 0; i < g->bodies.len && depth < BODY_DEPTH_MAX; i++)
        graph_needs(all, g->bodies.data[i], depth + 1);
}

const GraphCheck *graph_size_checks(const Graph *g, uint32_t *count) {
    Graph *all = graph_create(g->ctx, g->dims, g->slots, g->slot_count);
    graph_needs(all, g, 0);
    *count = all->checks.len;
    return all->checks.data;
}

bool graph_check_holds(const Graph *g, const GraphCheck *check, const int64_t *symbols) {
    int64_t value;
    if (!dim_eval(g->dims, check->value, symbols, &value)) return false;
    return check->zero ? value == 0 : value >= 0;
}
