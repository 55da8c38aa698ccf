/* Gradients inside the bodies of loops, seen from outside. */
#ifndef BMC_AUTODIFF_BODY_GRADS_H
#define BMC_AUTODIFF_BODY_GRADS_H

#include "compiler/graph/scan.h"

/* Refuses a gradient inside the loop with respect to a value from outside, where the differentiated
 * value also depends on it by a way outside the loop, which the body does not see. */
void body_grads_check(const Graph *g, NodeId loop);

#endif
