/* The reverse sweep. Three steps over the part of the graph between y and the xs:
 *   1. collect what y reaches through differentiable edges, not below the lowest x;
 *   2. ascending: mark what depends on some x ("wanted"); only along those are adjoints built;
 *   3. descending: apply the rule of each op to its finished adjoint.
 * Ascending id is a topological order, so a node's adjoint is complete before its rule runs.
 *
 * The order in which shares are added is part of the graph's meaning: consumers in descending id,
 * and within one consumer operands in ascending position; each share is added on the right. */
#include "compiler/autodiff/sweep.h"
#include "compiler/autodiff/adjoint.h"
#include <stdlib.h>

typedef struct Mark {
    uint32_t stamp; /* number of the sweep that reached the node */
    bool wanted;    /* depends on some x, or is one */
    bool through;   /* some operand is wanted */
    bool asked;     /* is some x */
    NodeId adjoint;
} Mark;

struct Sweep {
    Graph *graph;
    VEC(Mark) marks;
    VEC(uint32_t) reached; /* node ids of this sweep */
    VEC(uint32_t) stack;
    uint32_t stamp;
};

static const AdjointRule adjoint_rules[OP_COUNT] = {
#define RULE_0(name)                     NULL,
#define RULE_1(name)                     adjoint_##name,
#define OP(name, text, arity, cls, diff) RULE_##diff(name)
#include "compiler/graph/ops.def"
#undef OP
#undef RULE_0
#undef RULE_1
};

Sweep *sweep_create(Graph *graph) {
    Sweep *s = ARENA_NEW(graph->ctx->arena, Sweep);
    s->graph = graph;
    return s;
}

bool sweep_flows(const Graph *g, const GNode *node, uint32_t i) {
    return op_info(node->op)->differentiable && dtype_is_float(node->dtype) &&
           dtype_is_float(graph_node(g, node->args[i])->dtype);
}

/* Marks are only needed for nodes up to y; the nodes a sweep adds lie above. */
static void reserve_marks(Sweep *s, uint32_t count) {
    Mark empty = {.adjoint = NODE_NONE};
    while (s->marks.len < count) vec_push(s->graph->ctx->arena, &s->marks, empty);
}

static bool is_reached(const Sweep *s, NodeId id) {
    return id.id < s->marks.len && s->marks.data[id.id].stamp == s->stamp;
}

static void reach(Sweep *s, NodeId id) {
    if (is_reached(s, id)) return;
    s->marks.data[id.id] = (Mark){.stamp = s->stamp, .adjoint = NODE_NONE};
    vec_push(s->graph->ctx->arena, &s->reached, id.id);
    vec_push(s->graph->ctx->arena, &s->stack, id.id);
}

static int by_id(const void *a, const void *b) {
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static void collect(Sweep *s, NodeId y, uint32_t lowest) {
    s->reached.len = s->stack.len = 0;
    reach(s, y);
    while (s->stack.len) {
        const GNode *n = graph_node(s->graph, (NodeId){s->stack.data[--s->stack.len]});
        for (uint32_t i = 0; i < n->nargs; i++)
            if (n->args[i].id >= lowest && sweep_flows(s->graph, n, i)) reach(s, n->args[i]);
    }
    qsort(s->reached.data, s->reached.len, sizeof *s->reached.data, by_id);
}

static void mark_wanted(Sweep *s, const NodeId *xs, uint32_t count) {
    for (uint32_t i = 0; i < count; i++)
        if (is_reached(s, xs[i]))
            s->marks.data[xs[i].id].wanted = s->marks.data[xs[i].id].asked = true;
    for (uint32_t r = 0; r < s->reached.len; r++) {
        Mark *mark = &s->marks.data[s->reached.data[r]];
        const GNode *n = graph_node(s->graph, (NodeId){s->reached.data[r]});
        for (uint32_t i = 0; i < n->nargs; i++)
            if (is_reached(s, n->args[i]) && s->marks.data[n->args[i].id].wanted &&
                sweep_flows(s->graph, n, i))
                mark->wanted = mark->through = true;
    }
}

bool adjoint_wants(const Adjoint *a, uint32_t operand) {
    NodeId id = a->node.args[operand];
    return is_reached(a->sweep, id) && a->sweep->marks.data[id.id].wanted &&
           sweep_flows(a->graph, &a->node, operand);
}

bool adjoint_is_asked(const Adjoint *a, NodeId id) {
    return is_reached(a->sweep, id) && a->sweep->marks.data[id.id].asked;
}

void adjoint_give(Adjoint *a, uint32_t operand, NodeId share) {
    if (adjoint_wants(a, operand)) adjoint_give_node(a, a->node.args[operand], share);
}

void adjoint_give_node(Adjoint *a, NodeId id, NodeId share) {
    INVARIANT(is_reached(a->sweep, id) && a->sweep->marks.data[id.id].wanted);
    Mark *mark = &a->sweep->marks.data[id.id];
    mark->adjoint = node_is_none(mark->adjoint)
                        ? share
                        : g_binary(a->graph, OP_ADD, mark->adjoint, share, a->node.span);
}

static void propagate(Sweep *s) {
    uint32_t errors = diags_errors(s->graph->ctx->diags);
    for (uint32_t r = s->reached.len; r-- > 0;) {
        NodeId self = {s->reached.data[r]};
        const Mark *mark = &s->marks.data[self.id];
        if (!mark->through || node_is_none(mark->adjoint)) continue;
        Adjoint a = {.graph = s->graph,
                     .sweep = s,
                     .self = self,
                     .node = *graph_node(s->graph, self),
                     .grad = mark->adjoint};
        adjoint_rules[a.node.op](&a);
        if (diags_errors(s->graph->ctx->diags) != errors) return;
    }
}

void sweep_run(Sweep *s, NodeId y, const NodeId *xs, uint32_t count, NodeId *result, Span span) {
    uint32_t lowest = y.id, errors = diags_errors(s->graph->ctx->diags);
    for (uint32_t i = 0; i < count; i++)
        if (xs[i].id < lowest) lowest = xs[i].id;
    reserve_marks(s, y.id + 1);
    s->stamp++;
    collect(s, y, lowest);
    mark_wanted(s, xs, count);
    Shape rank0 = {.rank = 0};
    s->marks.data[y.id].adjoint =
        g_const(s->graph, graph_node(s->graph, y)->dtype, &rank0, 1.0, span);
    propagate(s);
    bool failed = diags_errors(s->graph->ctx->diags) != errors;
    for (uint32_t i = 0; i < count; i++) {
        result[i] = NODE_NONE;
        if (failed || !is_reached(s, xs[i])) continue;
        Shape shape = graph_shape(s->graph, xs[i]);
        DType dtype = graph_node(s->graph, xs[i])->dtype;
        NodeId adjoint = s->marks.data[xs[i].id].adjoint;
        /* reached, but every share was exactly zero (x^0) */
        result[i] = node_is_none(adjoint) ? g_const(s->graph, dtype, &shape, 0.0, span) : adjoint;
    }
}
