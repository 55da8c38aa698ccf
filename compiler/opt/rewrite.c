/* The walk that every pass makes. Hash-consing in the new graph merges what became equal; what
 * nothing reaches is left behind. */
#include "compiler/opt/rewrite.h"

NodeId rewrite_add(Graph *g, const GNode *n) {
    Shape shape = {.rank = n->rank};
    for (uint32_t i = 0; i < n->rank; i++) shape.dims[i] = n->dims[i];
    return graph_add(g, n->op, n->dtype, &shape, n->args, n->nargs, n->attr, n->nattr, n->span);
}

NodeId rewrite_copy(Rewrite *r, const GNode *n) {
    return rewrite_add(r->to, n);
}

void rewrite_roots(const Graph *from, Graph *to, const NodeId *map) {
    for (uint32_t i = 0; i < from->outputs.len; i++) {
        const GraphOutput *out = &from->outputs.data[i];
        graph_output(to, out->name, map[out->node.id]);
    }
    for (uint32_t i = 0; i < from->writes.len; i++) {
        const GraphWrite *write = &from->writes.data[i];
        graph_write(to, write->slot, map[write->node.id]);
    }
    if (!node_is_none(from->guard)) to->guard = map[from->guard.id];
}

static void carry_roots(Rewrite *r) {
    rewrite_roots(r->from, r->to, r->map);
}

static uint32_t most_operands(const Graph *g) {
    uint32_t most = 0;
    for (uint32_t i = 0; i < graph_size(g); i++)
        if (graph_node(g, (NodeId){i})->nargs > most) most = graph_node(g, (NodeId){i})->nargs;
    return most;
}

static void walk(Rewrite *r, const bool *live, RewriteVisit visit) {
    NodeId *args = ARENA_ARRAY(r->from->ctx->arena, NodeId, most_operands(r->from));
    r->same = true;
    for (uint32_t i = 0; i < graph_size(r->from); i++) {
        if (!live[i]) {
            r->same = false;
            continue;
        }
        GNode n = *graph_node(r->from, (NodeId){i});
        INVARIANT(n.op != OP_GRAD);
        for (uint32_t k = 0; k < n.nargs; k++) args[k] = r->map[n.args[k].id];
        n.args = args;
        r->now = (NodeId){i};
        r->map[i] = visit ? visit(r, &n) : rewrite_copy(r, &n);
        r->same = r->same && r->map[i].id == i && graph_size(r->to) == i + 1 &&
                  node_equal(graph_node(r->from, (NodeId){i}), graph_node(r->to, (NodeId){i}));
    }
}

static Rewrite start(const Graph *from, void *user) {
    return (Rewrite){.from = from,
                     .to = graph_like(from),
                     .map = ARENA_ARRAY(from->ctx->arena, NodeId, graph_size(from)),
                     .user = user};
}

static bool *live_nodes(const Graph *g) {
    bool *live = ARENA_ARRAY(g->ctx->arena, bool, graph_size(g));
    graph_live(g, live);
    return live;
}

Graph *rewrite_copy_graph(const Graph *from, RewriteVisit visit, void *user) {
    Rewrite r = start(from, user);
    walk(&r, live_nodes(from), visit);
    carry_roots(&r);
    return r.to;
}

Graph *rewrite_bodies(const Graph *from, RewriteVisit visit, void *user) {
    Rewrite r = start(from, user);
    r.to->bodies.len = 0;
    walk(&r, live_nodes(from), visit);
    carry_roots(&r);
    return r.to;
}

Graph *rewrite_graph(const Graph *from, RewriteVisit visit, void *user) {
    Rewrite r = start(from, user);
    walk(&r, live_nodes(from), visit);
    if (r.same) return (Graph *)from;
    carry_roots(&r);
    return r.to;
}

Graph *rewrite_where(const Graph *from, RewriteApplies applies, RewriteVisit visit, void *user) {
    const bool *live = live_nodes(from);
    for (uint32_t i = 0; i < graph_size(from); i++)
        if (!live[i] || (applies && applies(from, graph_node(from, (NodeId){i}))))
            return rewrite_graph(from, visit, user);
    return (Graph *)from;
}
