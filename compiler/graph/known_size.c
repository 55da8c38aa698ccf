/* A graph for one value of a run-time size: the same nodes with that size put in everywhere. What
 * an entry computes for a batch of 1 is then known to the scheduler (compiler/schedule/variants.c).
 *
 * Precondition: no GRAD. Postcondition: for calls with that size the same values, bit for bit: no
 * order of any sum depends on whether a size is known. Cost: linear. */
#include "compiler/graph/scan.h"

typedef struct Bind {
    const Graph *from;
    Graph *to;
    uint32_t symbol;
    int64_t value;
    NodeId *map;
    Graph **bodies; /* per body of `from`, once made */
} Bind;

bool op_attribute_is_dim(Op op, uint32_t position) {
    return op == OP_SIZE || (op == OP_SCAN && position == 6) ||
           (op == OP_SLICE && position % 2 == 0) || (op == OP_PAD && position % 3 != 2);
}

static void shape_bind(const Bind *b, Shape *shape) {
    for (uint32_t i = 0; i < shape->rank; i++)
        shape->dims[i] = dim_bind(b->to->dims, shape->dims[i], b->symbol, b->value);
}

/* Bodies nest at most as deep as the language lets loops nest. */
static int64_t body_bind(Bind *b, int64_t number) {
    Graph *body = b->from->bodies.data[number];
    if (!b->bodies[number]) {
        b->bodies[number] = graph_bind(body, b->symbol, b->value);
        b->bodies[number]->sealed = body->sealed;
    }
    return graph_body(b->to, b->bodies[number]);
}

static void node_bind(Bind *b, uint32_t id) {
    const GNode *n = graph_node(b->from, (NodeId){id});
    Arena *arena = b->from->ctx->arena;
    Shape shape = graph_shape(b->from, (NodeId){id});
    shape_bind(b, &shape);
    NodeId *args = ARENA_ARRAY(arena, NodeId, n->nargs + 1);
    int64_t *attr = ARENA_ARRAY(arena, int64_t, n->nattr + 1);
    for (uint32_t i = 0; i < n->nargs; i++) args[i] = b->map[n->args[i].id];
    for (uint32_t i = 0; i < n->nattr; i++) {
        attr[i] = n->attr[i];
        if (op_attribute_is_dim(n->op, i))
            attr[i] = dim_bind(b->to->dims, (DimId){(uint32_t)attr[i]}, b->symbol, b->value).id;
    }
    if (n->op == OP_SCAN) attr[0] = body_bind(b, attr[0]);
    b->map[id] = graph_add(b->to, n->op, n->dtype, &shape, args, n->nargs, attr, n->nattr, n->span);
}

Graph *graph_bind(const Graph *g, uint32_t symbol, int64_t value) {
    Arena *arena = g->ctx->arena;
    uint32_t size = graph_size(g);
    Bind b = {.from = g, .to = graph_like(g), .symbol = symbol, .value = value};
    b.map = ARENA_ARRAY(arena, NodeId, size + 1);
    b.bodies = ARENA_ARRAY(arena, Graph *, g->bodies.len + 1);
    b.to->bodies.len = 0;
    for (uint32_t i = 0; i < b.to->inputs.len; i++) shape_bind(&b, &b.to->inputs.data[i].shape);
    for (uint32_t i = 0; i < b.to->checks.len; i++)
        b.to->checks.data[i].value = dim_bind(g->dims, b.to->checks.data[i].value, symbol, value);
    bool *live = ARENA_ARRAY(arena, bool, size + 1);
    graph_live(g, live);
    for (uint32_t i = 0; i < size; i++)
        if (live[i]) node_bind(&b, i);
    for (uint32_t i = 0; i < g->outputs.len; i++)
        graph_output(b.to, g->outputs.data[i].name, b.map[g->outputs.data[i].node.id]);
    for (uint32_t i = 0; i < g->writes.len; i++)
        graph_write(b.to, g->writes.data[i].slot, b.map[g->writes.data[i].node.id]);
    if (!node_is_none(g->guard)) b.to->guard = b.map[g->guard.id];
    return b.to;
}
