/* Values that cross into the body of a loop. A body is a graph of its own (graph/scan.h), so a
 * tensor of the graph around it becomes an input of the body; constants, positions and sizes are
 * made again inside. A state that the body writes is a carry: what it reads first is the value of
 * the iteration before. */
#include "compiler/sema/loops.h"

NodeId loop_input(Sema *s, Build *b, LoopInputKind kind, NodeId outer, DType dtype,
                  const Shape *shape, Span span) {
    LoopInput in = {.kind = kind, .outer = outer, .slot = -1};
    in.inner = g_input(b->g, ctx_sym(s->ctx, "x"), dtype, shape, span);
    vec_push(s->arena, &b->loop->inputs, in);
    return in.inner;
}

static NodeId capture(Sema *s, Build *b, NodeId outer, Span span) {
    const Graph *from = b->outer->g;
    const GNode n = *graph_node(from, outer);
    Shape shape = graph_shape(from, outer);
    if (n.op == OP_CONST || n.op == OP_IOTA || n.op == OP_SIZE)
        return graph_add(b->g, n.op, n.dtype, &shape, NULL, 0, n.attr, n.nattr, n.span);
    const void *key = (const void *)((uintptr_t)(outer.id + 1) << 4);
    uint32_t at;
    if (ptrmap_get(&b->loop->captured, key, &at)) return b->loop->inputs.data[at].inner;
    ptrmap_put(s, &b->loop->captured, key, b->loop->inputs.len);
    return loop_input(s, b, LOOP_CAPTURE, outer, n.dtype, &shape, span);
}

NodeId loop_bring(Sema *s, Build *b, const Graph *from, NodeId node, Span span) {
    if (b->g == from) return node;
    if (!b->loop) return NODE_NONE;
    NodeId outer = loop_bring(s, b->outer, from, node, span);
    return node_is_none(outer) ? outer : capture(s, b, outer, span);
}

/* Not shared with other captures of the same node: the slot may be written later. */
NodeId loop_slot(Sema *s, Build *b, uint32_t slot, Span span) {
    s->build = b->outer;
    Value v = read_slot(s, slot, span);
    s->build = b;
    Shape shape = graph_shape(b->outer->g, v.as.tensor.node);
    DType dtype = graph_node(b->outer->g, v.as.tensor.node)->dtype;
    NodeId in = loop_input(s, b, LOOP_CAPTURE, v.as.tensor.node, dtype, &shape, span);
    b->loop->inputs.data[b->loop->inputs.len - 1].slot = (int32_t)slot;
    return in;
}

void loop_write(Sema *s, Build *b, uint32_t slot, NodeId node) {
    for (uint32_t i = 0; i < b->loop->writes.len; i++)
        if (b->loop->writes.data[i].slot == slot) {
            b->loop->writes.data[i].node = node;
            return;
        }
    GraphWrite w = {.slot = slot, .node = node};
    vec_push(s->arena, &b->loop->writes, w);
}

Build *build_root(Build *b) {
    while (b && b->loop) b = b->outer;
    return b;
}

/* The input of the outermost graph that `node` of b is, through conversions and loops. */
GraphInput *build_input(Build *b, NodeId node) {
    for (;;) {
        const GNode *n = graph_node(b->g, node);
        while (n->op == OP_CAST || n->op == OP_RESHAPE) n = graph_node(b->g, n->args[0]);
        if (n->op != OP_INPUT) return NULL;
        if (!b->loop) return &b->g->inputs.data[n->attr[0]];
        const LoopInput *in = &b->loop->inputs.data[n->attr[0]];
        if (in->kind != LOOP_SEQUENCE && in->kind != LOOP_CAPTURE) return NULL;
        node = in->outer;
        b = b->outer;
    }
}
