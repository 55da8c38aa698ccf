/* Loops that were extended. The backward part of a loop reads values of the forward part; since
 * nodes are immutable, the loop that also yields them is a new node. It takes the old one's place
 * everywhere: both are members of one family, which is differentiated as one loop, at the place of
 * its root, and computed once.
 *
 * A member has the operands and the results of the older ones, and further yields after them. */
#ifndef BMC_AUTODIFF_FAMILY_H
#define BMC_AUTODIFF_FAMILY_H

#include "compiler/graph/scan.h"

typedef struct Families Families;

Families *families_create(Graph *g);
NodeId family_root(const Families *f, NodeId loop);
NodeId family_latest(const Families *f, NodeId loop);
/* `extended` replaces the latest member `loop`; is_new: it was not in the graph before. */
void family_extend(Families *f, NodeId loop, NodeId extended, bool is_new);
/* Result `i` as the oldest member of the loop's family that has it gives it. */
NodeId family_take(const Families *f, NodeId loop, uint32_t i, Span span);
/* The same graph where every TAKE reads the latest member; `g` itself when nothing was extended.
 * map[graph_size(g)] receives where each node went. */
Graph *families_replace(const Families *f, Graph *g, NodeId *map);

/* Adds a copy of `n`, a node of `from`, on other operands: a loop's body goes along. */
NodeId loop_copy_node(Graph *to, const Graph *from, const GNode *n, const NodeId *args);

#endif
