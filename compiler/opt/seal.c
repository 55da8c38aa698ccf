/* The seal: from here on no bit of any result may change; fusion, layout, tiling, threads and
 * target only decide how the sealed graph is computed. Drops STOP (its work ended with autodiff),
 * verifies every node, marks the graph. */
#include "compiler/opt/opt.h"
#include "compiler/opt/rewrite.h"

static NodeId visit(Rewrite *r, const GNode *n) {
    return n->op == OP_STOP ? n->args[0] : rewrite_copy(r, n);
}

Graph *opt_seal(const Graph *g) {
    Graph *sealed = rewrite_copy_graph(opt_bodies(g, opt_seal), visit, NULL);
    sealed->sealed = true;
    graph_verify(sealed);
    return sealed;
}
