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

static bool same_node(const GNode *a, const GNode *b) {
    if (a->op != b->op || a->dtype != b->dtype || a->rank != b->rank) return false;
    if (a->nargs != b->nargs || a->nattr != b->nattr) return false;
    for (uint32_t i = 0; i < a->rank; i++)
        if (!dim_same(a->dims[i], b->dims[i])) return false;
    for (uint32_t i = 0; i < a->nargs; i++)
        if (!node_same(a->args[i], b->args[i])) return false;
    return a->nattr == 0 || memcmp(a->attr, b->attr, a->nattr * sizeof *a->attr) == 0;
}

static bool is_identity(const Rewrite *r, const bool *live) {
    uint32_t size = graph_size(r->from);
    if (graph_size(r->to) != size) return false;
    for (uint32_t i = 0; i < size; i++)
        if (!live[i] || r->map[i].id != i ||
            !same_node(graph_node(r->from, (NodeId){i}), graph_node(r->to, (NodeId){i})))
            return false;
    return true;
}

static void carry_roots(Rewrite *r) {
    for (uint32_t i = 0; i < r->from->outputs.len; i++) {
        const GraphOutput *out = &r->from->outputs.data[i];
        graph_output(r->to, out->name, r->map[out->node.id]);
    }
    for (uint32_t i = 0; i < r->from->writes.len; i++) {
        const GraphWrite *write = &r->from->writes.data[i];
        graph_write(r->to, write->slot, r->map[write->node.id]);
    }
    if (!node_is_none(r->from->guard)) r->to->guard = r->map[r->from->guard.id];
}

Graph *rewrite_graph(const Graph *from, NodeId (*visit)(Rewrite *, const GNode *), void *user) {
    Arena *arena = from->ctx->arena;
    uint32_t size = graph_size(from), most_args = 0;
    Rewrite r = {.from = from, .to = graph_like(from), .visit = visit, .user = user};
    bool *live = ARENA_ARRAY(arena, bool, size);
    r.map = ARENA_ARRAY(arena, NodeId, size);
    graph_live(from, live);
    for (uint32_t i = 0; i < size; i++)
        if (graph_node(from, (NodeId){i})->nargs > most_args)
            most_args = graph_node(from, (NodeId){i})->nargs;
    NodeId *args = ARENA_ARRAY(arena, NodeId, most_args);
    for (uint32_t i = 0; i < size; i++) {
        if (!live[i]) continue;
        GNode n = *graph_node(from, (NodeId){i});
        INVARIANT(n.op != OP_GRAD);
        for (uint32_t k = 0; k < n.nargs; k++) args[k] = r.map[n.args[k].id];
        n.args = args;
        r.map[i] = visit ? visit(&r, &n) : rewrite_copy(&r, &n);
    }
    if (is_identity(&r, live)) return (Graph *)from;
    carry_roots(&r);
    return r.to;
}
