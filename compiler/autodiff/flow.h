/* Through which ways a gradient can flow: along differentiable edges, and through loops, whose
 * results depend on some of their operands only. */
#ifndef BMC_AUTODIFF_FLOW_H
#define BMC_AUTODIFF_FLOW_H

#include "compiler/graph/scan.h"

/* True when operand `i` of the node passes a gradient on: the op has an adjoint and both sides are
 * floats (so conditions, indices and casts to integers cut). Not for SCAN and TAKE. */
bool flow_passes(const Graph *g, const GNode *node, uint32_t i);

/* Adds to `reached` (by node, 0 to `count` - 1) everything that a reached node depends on. */
void flow_collect(const Graph *g, bool *reached, uint32_t count);

/* One loop: flags of its body's inputs (scan.h) and of its results. */
typedef struct LoopFlow {
    bool *inputs;  /* 1 + carries + sequences + captures */
    bool *results; /* carries + yields */
} LoopFlow;

/* What the results flagged in `results` depend on. In the answer a carry's result is flagged too
 * when an iteration's result depends on the carry of the one before. */
LoopFlow flow_back(const Graph *g, const Scan *s, const bool *results);
/* What depends on the operands flagged in `operands`. */
LoopFlow flow_forward(const Graph *g, const Scan *s, const bool *operands);
/* The flags of the loop's operands: a carry's first value is reached through the body, or because
 * a loop of no iterations hands it out. */
bool flow_operand(const Graph *g, const Scan *s, const LoopFlow *back, uint32_t operand);

#endif
