/* Every pass goes into the bodies of loops first (docs/scan.md): a body is a graph like any other,
 * and one that a pass rewrote is a new body. Equal bodies become one again. */
#include "compiler/graph/scan.h"
#include "compiler/opt/opt.h"
#include "compiler/opt/rewrite.h"

static NodeId visit(Rewrite *r, const GNode *n) {
    Graph *const *bodies = r->user;
    if (n->op != OP_SCAN) return rewrite_copy(r, n);
    GNode loop = *n;
    int64_t *attr = ARENA_ARRAY(r->to->ctx->arena, int64_t, n->nattr);
    memcpy(attr, n->attr, n->nattr * sizeof *attr);
    attr[0] = graph_body(r->to, bodies[n->attr[0]]);
    loop.attr = attr;
    return rewrite_copy(r, &loop);
}

const Graph *opt_bodies(const Graph *g, Graph *(*pass)(const Graph *)) {
    if (g->bodies.len == 0) return g;
    Arena *arena = g->ctx->arena;
    Graph **bodies = ARENA_ARRAY(arena, Graph *, g->bodies.len);
    bool *live = ARENA_ARRAY(arena, bool, graph_size(g));
    bool changed = false;
    graph_live(g, live);
    for (uint32_t i = 0; i < graph_size(g); i++) {
        const GNode *n = graph_node(g, (NodeId){i});
        if (!live[i] || n->op != OP_SCAN || bodies[n->attr[0]]) continue;
        bodies[n->attr[0]] = pass(g->bodies.data[n->attr[0]]);
        changed = changed || bodies[n->attr[0]] != g->bodies.data[n->attr[0]];
    }
    return changed ? rewrite_bodies(g, visit, bodies) : g;
}
