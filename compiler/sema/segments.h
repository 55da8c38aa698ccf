/* Loops cut into segments, for `checkpoint(scan ...)`. docs/autodiff.md, Checkpoints. */
#ifndef BMC_SEMA_SEGMENTS_H
#define BMC_SEMA_SEGMENTS_H

#include "compiler/graph/scan.h"

/* Whether the loop's trip is known, at least 4, and its values leave room for one axis more. */
bool segments_possible(const Graph *g, const Scan *s);
/* Adds the loop `s` (forward only; built as for g_scan) to g in segments, each in a loop that runs
 * once. Returns its results, in the arena: the carries' last values, then the yields, stacked. */
NodeId *segments_add(Graph *g, const Scan *s, const NodeId *operands, Span span);

#endif
