/* Families of loops: two links a member, to the root and to the next newer one. */
#include "compiler/autodiff/family.h"

typedef struct Member {
    NodeId root, newer;
} Member;

struct Families {
    Graph *graph;
    VEC(Member) members; /* by node; only as long as needed */
    bool extended;
};

Families *families_create(Graph *g) {
    Families *f = ARENA_NEW(g->ctx->arena, Families);
    f->graph = g;
    return f;
}

static Member *member(Families *f, NodeId loop) {
    while (f->members.len <= loop.id) {
        Member alone = {.root = {f->members.len}, .newer = NODE_NONE};
        vec_push(f->graph->ctx->arena, &f->members, alone);
    }
    return &f->members.data[loop.id];
}

NodeId family_root(const Families *f, NodeId loop) {
    return loop.id < f->members.len ? f->members.data[loop.id].root : loop;
}

NodeId family_latest(const Families *f, NodeId loop) {
    while (loop.id < f->members.len && !node_is_none(f->members.data[loop.id].newer))
        loop = f->members.data[loop.id].newer;
    return loop;
}

/* A loop that was in the graph already keeps its own root: its operands come before both. */
void family_extend(Families *f, NodeId loop, NodeId extended, bool is_new) {
    if (node_same(loop, extended)) return;
    NodeId root = member(f, loop)->root;
    member(f, loop)->newer = extended;
    if (is_new) member(f, extended)->root = root;
    f->extended = true;
}

NodeId family_take(const Families *f, NodeId loop, uint32_t i, Span span) {
    NodeId at = family_root(f, loop);
    for (;; at = f->members.data[at.id].newer) {
        Scan s = scan_of(f->graph, at);
        if (i < s.carries + s.yields) return g_take(f->graph, at, i, span);
        INVARIANT(at.id < f->members.len && !node_is_none(f->members.data[at.id].newer));
    }
}

NodeId loop_copy_node(Graph *to, const Graph *from, const GNode *n, const NodeId *args) {
    Shape shape = {.rank = n->rank};
    for (uint32_t i = 0; i < n->rank; i++) shape.dims[i] = n->dims[i];
    const int64_t *attr = n->attr;
    if (n->op == OP_SCAN) {
        int64_t *own = ARENA_ARRAY(to->ctx->arena, int64_t, n->nattr);
        memcpy(own, attr, n->nattr * sizeof *own);
        own[0] = graph_body(to, from->bodies.data[attr[0]]);
        attr = own;
    }
    return graph_add(to, n->op, n->dtype, &shape, args, n->nargs, attr, n->nattr, n->span);
}

/* The latest member stands at the root's place: it has the same operands. Its other members are
 * left out. */
static NodeId replaced(const Families *f, Graph *to, uint32_t id, const NodeId *args) {
    const GNode *n = graph_node(f->graph, (NodeId){id});
    if (n->op == OP_SCAN) n = graph_node(f->graph, family_latest(f, (NodeId){id}));
    return loop_copy_node(to, f->graph, n, args);
}

Graph *families_replace(const Families *f, Graph *g, NodeId *map) {
    for (uint32_t i = 0; i < graph_size(g); i++) map[i] = (NodeId){i};
    if (!f->extended) return g;
    Graph *to = graph_like(g);
    to->bodies.len = 0;
    for (uint32_t i = 0; i < graph_size(g); i++) {
        const GNode *n = graph_node(g, (NodeId){i});
        NodeId *args = ARENA_ARRAY(g->ctx->arena, NodeId, n->nargs ? n->nargs : 1);
        for (uint32_t k = 0; k < n->nargs; k++) args[k] = map[n->args[k].id];
        map[i] = replaced(f, to, i, args);
    }
    for (uint32_t i = 0; i < g->outputs.len; i++)
        graph_output(to, g->outputs.data[i].name, map[g->outputs.data[i].node.id]);
    for (uint32_t i = 0; i < g->writes.len; i++)
        graph_write(to, g->writes.data[i].slot, map[g->writes.data[i].node.id]);
    if (!node_is_none(g->guard)) to->guard = map[g->guard.id];
    return to;
}
