/* One reverse sweep: from a rank-0 y to any number of x at once. */
#ifndef BMC_AUTODIFF_SWEEP_H
#define BMC_AUTODIFF_SWEEP_H

#include "compiler/graph/graph.h"

typedef struct Sweep Sweep;

/* Sweeps of one graph share their tables. */
Sweep *sweep_create(Graph *graph);
/* result[i] = dy/dxs[i], or NODE_NONE where y does not reach xs[i] through differentiable ops.
 * Stops early (results NODE_NONE) once an error was reported, e.g. at the node limit. */
void sweep_run(Sweep *s, NodeId y, const NodeId *xs, uint32_t count, NodeId *result, Span span);

/* True when operand `i` of the node passes a gradient on: the op has an adjoint and both sides are
 * floats (so conditions, indices and casts to integers cut). */
bool sweep_flows(const Graph *g, const GNode *node, uint32_t i);

#endif
