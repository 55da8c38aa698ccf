/* The reverse sweep. Three steps over the part of the graph between the ys and the xs:
 *   1. collect, in descending id, what the ys reach through differentiable edges, not below the
 *      lowest x;
 *   2. ascending: mark what depends on some x ("wanted"); only along those are adjoints built;
 *   3. descending: apply the rule of each op to its finished adjoint.
 * Ascending id is a topological order, so a node's adjoint is complete before its rule runs. A loop
 * and its extended forms are one: a TAKE of any of them leads to the root, which has the lowest id.
 *
 * The order in which shares are added is part of the graph's meaning: consumers in descending id,
 * and within one consumer operands in ascending position; each share is added on the right. */
#include "compiler/autodiff/sweep.h"
#include "compiler/autodiff/adjoint.h"
#include "compiler/autodiff/flow.h"

typedef struct LoopMark { /* of the root of a family */
    Scan scan;            /* its latest member */
    bool *results;        /* reached */
    bool *operands;       /* reached through the loop */
    bool *wanted;         /* results that depend on some x */
    NodeId *adjoints;     /* of the results */
} LoopMark;

typedef struct Mark {
    uint32_t stamp; /* number of the sweep that reached the node */
    bool wanted;    /* depends on some x, or is one */
    bool through;   /* some operand is wanted */
    bool asked;     /* is some x */
    NodeId adjoint;
    LoopMark *loop;
} Mark;

struct Sweep {
    Graph *graph;
    Families *families;
    VEC(Mark) marks;
    VEC(uint32_t) reached; /* node ids of this sweep, descending */
    VEC(uint32_t) heap;    /* reached but not visited yet; the largest id is first */
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
    s->families = families_create(graph);
    return s;
}

Families *sweep_families(Sweep *s) {
    return s->families;
}

/* Marks are only needed for nodes up to the ys; the nodes a sweep adds lie above. */
static void reserve_marks(Sweep *s, uint32_t count) {
    Mark empty = {.adjoint = NODE_NONE};
    while (s->marks.len < count) vec_push(s->graph->ctx->arena, &s->marks, empty);
}

static bool is_reached(const Sweep *s, NodeId id) {
    return id.id < s->marks.len && s->marks.data[id.id].stamp == s->stamp;
}

/* ---- collecting */

static void heap_push(Sweep *s, uint32_t id) {
    vec_push(s->graph->ctx->arena, &s->heap, id);
    uint32_t *heap = s->heap.data, at = s->heap.len - 1;
    for (; at > 0 && heap[(at - 1) / 2] < id; at = (at - 1) / 2) heap[at] = heap[(at - 1) / 2];
    heap[at] = id;
}

static uint32_t heap_pop(Sweep *s) {
    uint32_t *heap = s->heap.data, largest = heap[0], last = heap[--s->heap.len], at = 0;
    for (uint32_t child = 1; child < s->heap.len; child = 2 * at + 1) {
        if (child + 1 < s->heap.len && heap[child + 1] > heap[child]) child++;
        if (heap[child] <= last) break;
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = last;
    return largest;
}

static void reach(Sweep *s, NodeId id) {
    if (is_reached(s, id)) return;
    s->marks.data[id.id] = (Mark){.stamp = s->stamp, .adjoint = NODE_NONE};
    heap_push(s, id.id);
}

static LoopMark *loop_mark_of(Sweep *s, NodeId root) {
    Arena *arena = s->graph->ctx->arena;
    LoopMark *m = ARENA_NEW(arena, LoopMark);
    m->scan = scan_of(s->graph, family_latest(s->families, root));
    uint32_t results = m->scan.carries + m->scan.yields;
    m->results = ARENA_ARRAY(arena, bool, results);
    m->wanted = ARENA_ARRAY(arena, bool, results);
    m->operands = ARENA_ARRAY(arena, bool, graph_node(s->graph, root)->nargs + 1);
    m->adjoints = ARENA_ARRAY(arena, NodeId, results);
    for (uint32_t i = 0; i < results; i++) m->adjoints[i] = NODE_NONE;
    return m;
}

static void reach_result(Sweep *s, const GNode *take, uint32_t lowest) {
    NodeId root = family_root(s->families, take->args[0]);
    if (!dtype_is_float(take->dtype) || root.id < lowest) return;
    bool first = !is_reached(s, root);
    reach(s, root);
    Mark *mark = &s->marks.data[root.id];
    if (first) mark->loop = loop_mark_of(s, root);
    mark->loop->results[take->attr[0]] = true;
}

static void reach_operands(Sweep *s, NodeId root, uint32_t lowest) {
    LoopMark *m = s->marks.data[root.id].loop;
    const GNode *n = graph_node(s->graph, root);
    LoopFlow back = flow_back(s->graph, &m->scan, m->results);
    for (uint32_t i = 0; i < n->nargs; i++) {
        m->operands[i] = flow_operand(s->graph, &m->scan, &back, i);
        if (m->operands[i] && n->args[i].id >= lowest) reach(s, n->args[i]);
    }
}

static void collect(Sweep *s, uint32_t lowest) {
    while (s->heap.len) {
        NodeId id = {heap_pop(s)};
        const GNode *n = graph_node(s->graph, id);
        vec_push(s->graph->ctx->arena, &s->reached, id.id);
        if (n->op == OP_TAKE) {
            reach_result(s, n, lowest);
        } else if (n->op == OP_SCAN) {
            reach_operands(s, id, lowest);
        } else {
            for (uint32_t i = 0; i < n->nargs; i++)
                if (n->args[i].id >= lowest && flow_passes(s->graph, n, i)) reach(s, n->args[i]);
        }
    }
}

/* ---- marking */

static bool is_wanted(const Sweep *s, NodeId id) {
    return is_reached(s, id) && s->marks.data[id.id].wanted;
}

static bool mark_loop(Sweep *s, const GNode *n, LoopMark *m) {
    bool any = false, *operands = ARENA_ARRAY(s->graph->ctx->arena, bool, n->nargs + 1);
    for (uint32_t i = 0; i < n->nargs; i++) {
        operands[i] = m->operands[i] && is_wanted(s, n->args[i]);
        any = any || operands[i];
    }
    if (any) m->wanted = flow_forward(s->graph, &m->scan, operands).results;
    return any;
}

static bool is_through(Sweep *s, NodeId id) {
    const GNode *n = graph_node(s->graph, id);
    if (n->op == OP_SCAN) return mark_loop(s, n, s->marks.data[id.id].loop);
    if (n->op == OP_TAKE) {
        NodeId root = family_root(s->families, n->args[0]);
        return is_reached(s, root) && s->marks.data[root.id].loop->wanted[n->attr[0]];
    }
    for (uint32_t i = 0; i < n->nargs; i++)
        if (is_wanted(s, n->args[i]) && flow_passes(s->graph, n, i)) return true;
    return false;
}

static void mark_wanted(Sweep *s, const NodeId *xs, uint32_t count) {
    for (uint32_t i = 0; i < count; i++)
        if (is_reached(s, xs[i]))
            s->marks.data[xs[i].id].wanted = s->marks.data[xs[i].id].asked = true;
    for (uint32_t r = s->reached.len; r-- > 0;) {
        NodeId id = {s->reached.data[r]};
        Mark *mark = &s->marks.data[id.id];
        mark->through = is_through(s, id);
        mark->wanted = mark->wanted || mark->through;
    }
}

/* ---- what rules do */

bool adjoint_wants(const Adjoint *a, uint32_t operand) {
    const Sweep *s = a->sweep;
    if (!is_wanted(s, a->node.args[operand])) return false;
    if (a->node.op == OP_SCAN) return s->marks.data[a->self.id].loop->operands[operand];
    return flow_passes(a->graph, &a->node, operand);
}

static void add_share(const Adjoint *a, NodeId *adjoint, NodeId share) {
    *adjoint =
        node_is_none(*adjoint) ? share : g_binary(a->graph, OP_ADD, *adjoint, share, a->node.span);
}

bool adjoint_is_asked(const Adjoint *a, NodeId id) {
    return is_reached(a->sweep, id) && a->sweep->marks.data[id.id].asked;
}

void adjoint_give(Adjoint *a, uint32_t operand, NodeId share) {
    if (adjoint_wants(a, operand)) adjoint_give_node(a, a->node.args[operand], share);
}

void adjoint_give_node(Adjoint *a, NodeId id, NodeId share) {
    INVARIANT(is_wanted(a->sweep, id));
    add_share(a, &a->sweep->marks.data[id.id].adjoint, share);
}

void adjoint_give_result(Adjoint *a, uint32_t i, NodeId share) {
    NodeId root = family_root(a->sweep->families, a->node.args[0]);
    add_share(a, &a->sweep->marks.data[root.id].loop->adjoints[i], share);
}

const NodeId *adjoint_results(const Adjoint *a) {
    return a->sweep->marks.data[a->self.id].loop->adjoints;
}

static void propagate(Sweep *s) {
    uint32_t errors = diags_errors(s->graph->ctx->diags);
    for (uint32_t r = 0; r < s->reached.len; r++) {
        NodeId self = {s->reached.data[r]};
        const Mark *mark = &s->marks.data[self.id];
        if (!mark->through || (node_is_none(mark->adjoint) && !mark->loop)) continue;
        Adjoint a = {.graph = s->graph,
                     .sweep = s,
                     .self = self,
                     .node = *graph_node(s->graph, self),
                     .grad = mark->adjoint};
        adjoint_rules[a.node.op](&a);
        if (diags_errors(s->graph->ctx->diags) != errors) return;
    }
}

static void plant(Sweep *s, const SweepSeed *seeds, uint32_t count, Span span) {
    for (uint32_t i = 0; i < count; i++) {
        NodeId *adjoint = &s->marks.data[seeds[i].y.id].adjoint;
        *adjoint = node_is_none(*adjoint)
                       ? seeds[i].adjoint
                       : g_binary(s->graph, OP_ADD, *adjoint, seeds[i].adjoint, span);
    }
}

void sweep_run(Sweep *s, const SweepSeed *seeds, uint32_t seed_count, const NodeId *xs,
               uint32_t count, NodeId *result, Span span) {
    uint32_t lowest = UINT32_MAX, highest = 0, errors = diags_errors(s->graph->ctx->diags);
    for (uint32_t i = 0; i < count; i++)
        if (xs[i].id < lowest) lowest = xs[i].id;
    for (uint32_t i = 0; i < seed_count; i++)
        if (seeds[i].y.id > highest) highest = seeds[i].y.id;
    reserve_marks(s, highest + 1);
    s->stamp++;
    s->reached.len = s->heap.len = 0;
    for (uint32_t i = 0; i < seed_count; i++) reach(s, seeds[i].y);
    collect(s, lowest);
    mark_wanted(s, xs, count);
    plant(s, seeds, seed_count, span);
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
