/* What the passes share: walking a graph into a new one. */
#ifndef BMC_OPT_REWRITE_H
#define BMC_OPT_REWRITE_H

#include "compiler/graph/graph.h"

typedef struct Rewrite Rewrite;
struct Rewrite {
    const Graph *from;
    Graph *to;
    NodeId *map; /* node of `from` -> node of `to`; set for live nodes with lower ids */
    NodeId now;  /* the node of `from` being visited */
    bool same;   /* so far the new graph equals the old one */
    void *user;
};

typedef NodeId (*RewriteVisit)(Rewrite *r, const GNode *n);
typedef bool (*RewriteApplies)(const Graph *g, const GNode *n);

/* Visits the live nodes in ascending id, then carries outputs, writes and guard over: always a new
 * graph. Requires: no GRAD (its meaning would change). `visit` NULL: a plain copy. */
Graph *rewrite_copy_graph(const Graph *from, RewriteVisit visit, void *user);
/* The same, starting without bodies: visit adds those of the loops it copies. */
Graph *rewrite_bodies(const Graph *from, RewriteVisit visit, void *user);
/* As rewrite_copy_graph, but `from` itself when the result is the same node for node. */
Graph *rewrite_graph(const Graph *from, RewriteVisit visit, void *user);
/* The same, and without walking when every node is live and `applies` (may be NULL: never) to none.
 */
Graph *rewrite_where(const Graph *from, RewriteApplies applies, RewriteVisit visit, void *user);

/* What `visit` does for every live node: adds what stands for n, whose operands are already nodes
 * of r->to, and returns it. rewrite_copy is graph_add of n as it stands. */
NodeId rewrite_copy(Rewrite *r, const GNode *n);
NodeId rewrite_add(Graph *g, const GNode *n);

/* Outputs, writes and guard. */
void rewrite_roots(const Graph *from, Graph *to, const NodeId *map);

#endif
