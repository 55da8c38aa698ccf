/* The reference evaluator: slow, obvious, exact. It is the oracle: compiled code must give the same
 * bits. It evaluates a graph (sealed or not, but without GRAD) one node at a time, following
 * docs/numerics.md to the letter. */
#ifndef BMC_INTERP_INTERP_H
#define BMC_INTERP_INTERP_H

#include "compiler/graph/graph.h"

typedef struct Tensor {
    DType dtype;
    uint32_t rank;
    int64_t dims[RANK_MAX];
    void *data; /* row-major, dense */
} Tensor;
size_t tensor_count(const Tensor *t);
size_t tensor_bytes(const Tensor *t);

enum { /* sticky errors of a run; the compiled step sets the same bits (BMRT_FLAG_...) */
       INTERP_INDEX = 1,     /* an index out of range was clamped */
       INTERP_DIVISION = 2,  /* an integer division by zero gave 0 */
       INTERP_NONFINITE = 4, /* the guard was not finite: writes were skipped */
       INTERP_INPUT = 8      /* an index input was out of range: writes were skipped */
};

typedef struct InterpRun {
    const int64_t *symbols; /* value of each dim symbol */
    const Tensor *inputs;   /* as graph->inputs */
    Tensor *slots;          /* as graph->slots; written in place after everything was computed */
    uint64_t seed, step;
    double progress, epoch, iteration;
    /* results */
    Tensor *outputs; /* as graph->outputs; data allocated in `arena` */
    uint32_t flags;
    Arena *arena;
    /* Optional: called for every node's value (for NaN localisation and node-wise comparison). */
    void (*observe)(void *user, NodeId id, const Tensor *value);
    void *user;
} InterpRun;

/* False only when a size overflows or breaks a condition (graph_size_checks), or memory is short; a
 * diagnostic is in g->ctx. */
bool interp_run(const Graph *g, InterpRun *run);

/* Evaluates one node that depends on constants only (for folding). */
bool interp_constant(const Graph *g, NodeId id, Arena *arena, Tensor *out);

#endif
