/* Says why a gradient does not exist. */
#ifndef BMC_AUTODIFF_NOGRAD_H
#define BMC_AUTODIFF_NOGRAD_H

#include "compiler/graph/graph.h"

/* Reports E_NOGRAD for one `grad(y, x)` standing at `span` (the call, or its first argument). y and
 * xs are nodes of `g`; the first x is explained, further ones of the same y are listed. */
void nograd_report(const Graph *g, NodeId y, const NodeId *xs, uint32_t count, Span span);
/* Of a `grad` inside a loop at `span`: `other`, which the loop reads, was computed from x. */
void nograd_outside(const Graph *g, NodeId x, NodeId other, Span span);
/* The message for a constant x. */
void nograd_constant(const Graph *g, NodeId x, Span span);

#endif
