/* One reverse sweep: from one or several y to any number of x at once. */
#ifndef BMC_AUTODIFF_SWEEP_H
#define BMC_AUTODIFF_SWEEP_H

#include "compiler/autodiff/family.h"

typedef struct Sweep Sweep;

/* Sweeps of one graph share their tables. */
Sweep *sweep_create(Graph *graph);
/* The loops that sweeps of this graph have extended. */
Families *sweep_families(Sweep *s);

/* A value that the answer depends on, and its adjoint (shaped alike, in the same graph). */
typedef struct SweepSeed {
    NodeId y, adjoint;
} SweepSeed;

/* result[i] = the adjoint of xs[i], or NODE_NONE where no y reaches xs[i] through differentiable
 * ops. Seeds of one y are added in their order, before all other shares.
 * Stops early (results NODE_NONE) once an error was reported, e.g. at the node limit. */
void sweep_run(Sweep *s, const SweepSeed *seeds, uint32_t seed_count, const NodeId *xs,
               uint32_t count, NodeId *result, Span span);

#endif
