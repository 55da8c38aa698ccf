/* Rewrites before sealing: deterministic, independent of target and threads. One file each. A pass
 * returns a new graph (or the same one when nothing changed). They may change rounding only where
 * docs/numerics.md lists the rewrite; most here are exact. */
#ifndef BMC_OPT_OPT_H
#define BMC_OPT_OPT_H

#include "compiler/graph/graph.h"

Graph *opt_simplify(const Graph *g); /* exact identities: x*1, double reverse, views of views ... */
Graph *opt_fold(const Graph *g);     /* constant subgraphs, by the reference evaluator */
Graph *opt_loops(const Graph *g);    /* what a loop's body need not do is taken out of it */
Graph *opt_cse(const Graph *g);      /* commutative operands ordered; hash-consing does the rest */
Graph *opt_dce(const Graph *g);      /* keeps what outputs, writes and guard reach */
Graph *opt_precision(const Graph *g); /* rounds the operands of contractions where that was asked */
Graph *opt_attention(const Graph *g); /* softmax(q k') v and its gradient as one op each */
Graph *
opt_seal(const Graph *g); /* removes STOP, verifies, marks sealed: from here bits are fixed */

/* `pass` on the bodies of all live loops; g itself when none changed. */
const Graph *opt_bodies(const Graph *g, Graph *(*pass)(const Graph *));

#endif
