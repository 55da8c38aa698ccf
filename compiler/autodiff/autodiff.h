/* Reverse mode on the graph. Replaces every GRAD by the adjoint it stands for, innermost first, so
 * gradients of gradients work; one adjoint rule per op of ops.def, each built from ops of ops.def.
 */
#ifndef BMC_AUTODIFF_AUTODIFF_H
#define BMC_AUTODIFF_AUTODIFF_H

#include "compiler/graph/graph.h"

/* A new graph without GRAD nodes; `g` itself when it has none. Where y does not reach x through
 * differentiable ops, reports E_NOGRAD naming where the path stops (spans of the cutting nodes). */
Graph *autodiff_run(const Graph *g);

#endif
