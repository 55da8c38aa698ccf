/* Puts the bodies of loops that run once in the loops' place, when all gradients are made.
 *
 * The forward part becomes what it would have been without `checkpoint`. The backward part computes
 * the forward values anew: its operands come by way of AGAIN, each loop with a site of its own, so
 * that nothing merges the second computation with the first (which would have to be kept). Random
 * numbers have no operand; they get that site themselves. Parameters are there anyway and come
 * directly. */
#include "compiler/autodiff/inline_once.h"
#include "compiler/autodiff/family.h"

typedef struct Inline {
    const Graph *from;
    Graph *to;
    NodeId *map;
    NodeId **results; /* of an inlined loop, by its node */
    uint32_t sites;
} Inline;

/* As deep as loops are nested. */
static bool has_once(const Graph *g) {
    for (uint32_t i = 0; i < graph_size(g); i++) {
        const GNode *n = graph_node(g, (NodeId){i});
        if (n->op != OP_SCAN) continue;
        if ((n->attr[5] & SCAN_ONCE) || has_once(g->bodies.data[n->attr[0]])) return true;
    }
    return false;
}

/* The adjoint that the backward part starts from: of all it reads it is computed last. */
static NodeId latest_operand(const Inline *in, const GNode *loop) {
    NodeId latest = in->map[loop->args[0].id];
    for (uint32_t i = 1; i < loop->nargs; i++)
        if (in->map[loop->args[i].id].id > latest.id) latest = in->map[loop->args[i].id];
    return latest;
}

/* An operand as the body sees it. */
static NodeId body_operand(Inline *in, const Scan *s, const GNode *loop, uint32_t operand) {
    const GraphInput *input = &s->body->inputs.data[1 + operand];
    NodeId whole = in->map[loop->args[operand].id], token = latest_operand(in, loop);
    Op op = graph_node(in->to, whole)->op;
    Span span = loop->span;
    bool fixed = op == OP_READ || op == OP_CONST || op == OP_SIZE || node_same(whole, token);
    NodeId value = s->again && !fixed ? g_again(in->to, whole, token, in->sites, span) : whole;
    return operand >= s->carries ? g_reshape(in->to, value, &input->shape, span) : value;
}

/* A result as the graph sees it: a yield has an axis of one more. */
static NodeId loop_result(Inline *in, const Scan *s, uint32_t result, NodeId value, Span span) {
    if (result < s->carries) return value;
    Shape inner = graph_shape(in->to, value), shape = {.rank = inner.rank + 1};
    uint32_t axis = (uint32_t)s->yield_axis[result - s->carries];
    for (uint32_t i = 0, k = 0; i < shape.rank; i++)
        shape.dims[i] = i == axis ? dim_const(in->to->dims, 1) : inner.dims[k++];
    return g_reshape(in->to, value, &shape, span);
}

/* The same numbers, drawn once more: a mask is not kept either. */
static NodeId random_again(Inline *in, const GNode *n) {
    Shape shape = {.rank = n->rank};
    for (uint32_t i = 0; i < n->rank; i++) shape.dims[i] = n->dims[i];
    const int64_t attr[3] = {n->attr[0], n->attr[1], in->sites};
    return graph_add(in->to, n->op, n->dtype, &shape, NULL, 0, attr, 3, n->span);
}

static void inline_loop(Inline *in, NodeId id) {
    Arena *arena = in->to->ctx->arena;
    Scan s = scan_of(in->from, id);
    const GNode *loop = graph_node(in->from, id);
    const Graph *body = inline_once((Graph *)(uintptr_t)s.body);
    uint32_t size = graph_size(body), outputs = body->outputs.len;
    NodeId *map = ARENA_ARRAY(arena, NodeId, size);
    Shape none = {.rank = 0};
    in->sites += s.again;
    for (uint32_t i = 0; i < size; i++) {
        const GNode *n = graph_node(body, (NodeId){i});
        if (n->op == OP_INPUT && n->attr[0] == 0) {
            map[i] = g_const_int(in->to, DTYPE_I64, &none, 0, n->span);
        } else if (n->op == OP_INPUT) {
            map[i] = body_operand(in, &s, loop, (uint32_t)n->attr[0] - 1);
        } else if (n->op == OP_RANDOM && s.again) {
            map[i] = random_again(in, n);
        } else {
            NodeId *args = ARENA_ARRAY(arena, NodeId, n->nargs ? n->nargs : 1);
            for (uint32_t k = 0; k < n->nargs; k++) args[k] = map[n->args[k].id];
            map[i] = loop_copy_node(in->to, body, n, args);
        }
    }
    in->results[id.id] = ARENA_ARRAY(arena, NodeId, outputs ? outputs : 1);
    for (uint32_t i = 0; i < outputs; i++)
        in->results[id.id][i] =
            loop_result(in, &s, i, map[body->outputs.data[i].node.id], loop->span);
}

static NodeId inline_node(Inline *in, NodeId id) {
    const GNode *n = graph_node(in->from, id);
    if (n->op == OP_TAKE && in->results[n->args[0].id])
        return in->results[n->args[0].id][n->attr[0]];
    NodeId *args = ARENA_ARRAY(in->to->ctx->arena, NodeId, n->nargs ? n->nargs : 1);
    for (uint32_t k = 0; k < n->nargs; k++) args[k] = in->map[n->args[k].id];
    if (n->op != OP_SCAN) return loop_copy_node(in->to, in->from, n, args);
    Scan s = scan_of(in->from, id);
    s.body = inline_once((Graph *)(uintptr_t)s.body);
    return g_scan(in->to, &s, args, n->span);
}

Graph *inline_once(Graph *g) {
    if (!has_once(g)) return g;
    Arena *arena = g->ctx->arena;
    uint32_t size = graph_size(g);
    Inline in = {.from = g, .to = graph_like(g), .map = ARENA_ARRAY(arena, NodeId, size)};
    in.results = ARENA_ARRAY(arena, NodeId *, size);
    in.to->bodies.len = 0;
    for (uint32_t i = 0; i < size; i++) {
        const GNode *n = graph_node(g, (NodeId){i});
        in.map[i] = NODE_NONE;
        if (n->op == OP_SCAN && (n->attr[5] & SCAN_ONCE))
            inline_loop(&in, (NodeId){i});
        else
            in.map[i] = inline_node(&in, (NodeId){i});
    }
    for (uint32_t i = 0; i < g->outputs.len; i++)
        graph_output(in.to, g->outputs.data[i].name, in.map[g->outputs.data[i].node.id]);
    for (uint32_t i = 0; i < g->writes.len; i++)
        graph_write(in.to, g->writes.data[i].slot, in.map[g->writes.data[i].node.id]);
    if (!node_is_none(g->guard)) in.to->guard = in.map[g->guard.id];
    return in.to;
}
