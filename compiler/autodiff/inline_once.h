/* `checkpoint(e)` is a loop that runs once (scan.h) while gradients are made. */
#ifndef BMC_AUTODIFF_INLINE_ONCE_H
#define BMC_AUTODIFF_INLINE_ONCE_H

#include "compiler/graph/scan.h"

/* A graph without such loops, bodies included; `g` itself when it has none. */
Graph *inline_once(Graph *g);

#endif
