/* Loops as nodes: reading a SCAN's attributes, building one, interning bodies.
 *
 * Attributes: body, carries, sequences, captures, yields, kind, trip (a dim), then the scanned
 * axis of each sequence, then the new axis of each yield. */
#include "compiler/graph/scan.h"

enum { HEAD = 7 };

Scan scan_of(const Graph *g, NodeId scan) {
    const GNode *n = graph_node(g, scan);
    if (n->op != OP_SCAN) BUG("node %u is no scan but %s", scan.id, op_info(n->op)->name);
    Scan s = {.body = g->bodies.data[n->attr[0]],
              .carries = (uint32_t)n->attr[1],
              .sequences = (uint32_t)n->attr[2],
              .captures = (uint32_t)n->attr[3],
              .yields = (uint32_t)n->attr[4],
              .reverse = (n->attr[5] & SCAN_REVERSE) != 0,
              .once = (n->attr[5] & SCAN_ONCE) != 0,
              .again = (n->attr[5] & SCAN_AGAIN) != 0,
              .segments = (n->attr[5] & SCAN_SEGMENTS) != 0,
              .trip = {(uint32_t)n->attr[6]},
              .sequence_axis = n->attr + HEAD};
    s.yield_axis = s.sequence_axis + s.sequences;
    return s;
}

Graph *scan_body(const Graph *outer) {
    Graph *body = graph_create(outer->ctx, outer->dims, NULL, 0);
    body->externs = outer->externs;
    body->bf16 = outer->bf16;
    Shape scalar = {.rank = 0};
    g_input(body, ctx_sym(outer->ctx, "iteration"), DTYPE_I64, &scalar, (Span){0});
    return body;
}

/* Equal bodies print alike: nodes are renumbered from the roots, inputs stand in order. Only the
 * names of the inputs and outputs differ, and those mean nothing to a loop. */
uint32_t graph_body(Graph *g, Graph *body) {
    Text text = {.arena = g->ctx->arena};
    graph_print(&text, body);
    const char *own = text_str(&text);
    for (uint32_t i = 0; i < g->bodies.len; i++) {
        if (g->bodies.data[i] == body) return i;
        if (g->bodies.data[i]->sealed != body->sealed) continue;
        Text other = {.arena = g->ctx->arena};
        graph_print(&other, g->bodies.data[i]);
        if (strcmp(own, text_str(&other)) == 0) return i;
    }
    vec_push(g->ctx->arena, &g->bodies, body);
    return g->bodies.len - 1;
}

NodeId g_scan(Graph *g, const Scan *s, const NodeId *operands, Span span) {
    uint32_t count = HEAD + s->sequences + s->yields;
    int64_t *attr = ARENA_ARRAY(g->ctx->arena, int64_t, count);
    const int64_t head[HEAD] = {graph_body(g, (Graph *)(uintptr_t)s->body),
                                s->carries,
                                s->sequences,
                                s->captures,
                                s->yields,
                                (s->reverse ? SCAN_REVERSE : 0) | (s->once ? SCAN_ONCE : 0) |
                                    (s->again ? SCAN_AGAIN : 0) | (s->segments ? SCAN_SEGMENTS : 0),
                                s->trip.id};
    memcpy(attr, head, sizeof head);
    for (uint32_t i = 0; i < s->sequences; i++) attr[HEAD + i] = s->sequence_axis[i];
    for (uint32_t i = 0; i < s->yields; i++) attr[HEAD + s->sequences + i] = s->yield_axis[i];
    uint32_t nargs = s->carries + s->sequences + s->captures;
    return graph_add(g, OP_SCAN, DTYPE_COUNT, NULL, operands, nargs, attr, count, span);
}

NodeId g_take(Graph *g, NodeId scan, uint32_t i, Span span) {
    int64_t attr = i;
    return graph_add(g, OP_TAKE, DTYPE_COUNT, NULL, &scan, 1, &attr, 1, span);
}

NodeId g_random_at(Graph *g, const Shape *shape, uint64_t key, uint32_t draw, NodeId iteration,
                   Span span) {
    int64_t attr[2] = {(int64_t)key, draw};
    return graph_add(g, OP_RANDOM_AT, DTYPE_F32, shape, &iteration, 1, attr, 2, span);
}
