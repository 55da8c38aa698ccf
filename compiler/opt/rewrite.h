/* What the passes share: walking a graph into a new one. */
#ifndef BMC_OPT_REWRITE_H
#define BMC_OPT_REWRITE_H

#include "compiler/graph/graph.h"

typedef struct Rewrite Rewrite;
struct Rewrite {
    const Graph *from;
    Graph *to;
    NodeId *map; /* node of `from` -> node of `to`; set for live nodes with lower ids */
    /* Adds what stands for `n` to `to` and returns it. n is the node with its operands already
     * mapped. NULL: a plain copy. */
    NodeId (*visit)(Rewrite *r, const GNode *n);
    void *user;
};

/* Visits the live nodes in ascending id, then carries outputs, writes and guard over. Returns
 * `from` itself when the result is the same node for node. Requires: no GRAD (its meaning would
 * change). */
Graph *rewrite_graph(const Graph *from, NodeId (*visit)(Rewrite *, const GNode *), void *user);

/* graph_add of `n` as it stands. */
NodeId rewrite_copy(Rewrite *r, const GNode *n);
NodeId rewrite_add(Graph *g, const GNode *n);

#endif
