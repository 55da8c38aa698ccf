/* Checks a whole graph: every node against its op's rule (the constraints of docs/ops.md, which
 * stand in shape.c), the order of ids, hash-consing, and the roots. A violation is a bug of the
 * pass that made the graph. */
#include "compiler/graph/graph_internal.h"

static void verify_node(const Graph *g, uint32_t id) {
    const GNode *n = &g->nodes.data[id];
    Shape shape = graph_shape(g, (NodeId){id});
    Graph *shallow = (Graph *)(uintptr_t)g; /* rules intern dims; they never touch nodes */
    Candidate c = {.g = shallow,
                   .op = n->op,
                   .args = n->args,
                   .nargs = n->nargs,
                   .attr = n->attr,
                   .nattr = n->nattr,
                   .dtype = n->dtype,
                   .given = &shape};
    for (uint32_t i = 0; i < n->nargs; i++)
        if (n->args[i].id >= id) c.problem = "an operand does not come before the node";
    if (!c.problem) shape_infer(&c);
    if (!c.problem && g->sealed && (n->op == OP_GRAD || n->op == OP_STOP))
        c.problem = "not in a sealed graph";
    if (!c.problem && n->op == OP_SCAN && g->sealed != g->bodies.data[n->attr[0]]->sealed)
        c.problem = "a graph and its bodies are sealed together";
    if (c.problem) candidate_bug(&c);
}

static bool shape_is_slots(const Graph *g, const GNode *n, const Slot *slot) {
    if (n->dtype != slot->dtype || n->rank != slot->rank) return false;
    for (uint32_t i = 0; i < n->rank; i++)
        if (!dim_equals(g->dims, n->dims[i], slot->dims[i])) return false;
    return true;
}

static void verify_roots(const Graph *g) {
    for (uint32_t i = 0; i < g->outputs.len; i++)
        if (g->outputs.data[i].node.id >= g->nodes.len)
            BUG("output `%s` is no node", g->outputs.data[i].name->text);
    for (uint32_t i = 0; i < g->writes.len; i++) {
        const GraphWrite *w = &g->writes.data[i];
        if (w->slot >= g->slot_count || w->node.id >= g->nodes.len)
            BUG("write %u: no such slot or node", i);
        const Slot *slot = &g->slots[w->slot];
        if (!shape_is_slots(g, graph_node(g, w->node), slot))
            BUG("write of slot `%s`: another dtype or shape than the slot", slot->path->text);
        for (uint32_t k = 0; k < i; k++)
            if (g->writes.data[k].slot == w->slot) BUG("slot `%s` written twice", slot->path->text);
    }
    if (node_is_none(g->guard)) return;
    if (g->guard.id >= g->nodes.len) BUG("the guard is no node");
    const GNode *guard = graph_node(g, g->guard);
    if (guard->rank != 0 || !dtype_is_float(guard->dtype)) BUG("the guard is no rank-0 float");
}

void graph_verify(const Graph *g) {
    for (uint32_t i = 0; i < g->bodies.len; i++)
        graph_verify(g->bodies.data[i]); /* as deep as loops are nested */
    for (uint32_t i = 0; i < g->nodes.len; i++) verify_node(g, i);
    graph_verify_interned(g);
    verify_roots(g);
}
