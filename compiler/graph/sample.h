/* Random, valid, small graphs for the generic tests: one generator per op of ops.def, so that a new
 * op is covered by the gradient check, compiled = reference and the printer's tests as soon as it
 * exists.
 *
 *   Sample *s = sample_create(ctx, seed);
 *   NodeId y = sample_op(s, OP_TANH, DTYPE_F64);   (NODE_NONE: the op takes no such dtype)
 *   graph_output(s->graph, ctx_sym(ctx, "y"), y);
 *   for each input i of s->graph:  sample_fill(s, i, data, element count);
 *   for each slot i:               sample_fill_slot(s, i, data, element count);
 *
 * Values keep away from where the op has a kink or a tie (0 for abs, a = b for max, whole numbers
 * for floor), by more than a finite difference steps. Equal seeds give equal graphs and values. */
#ifndef BMC_GRAPH_SAMPLE_H
#define BMC_GRAPH_SAMPLE_H

#include "compiler/graph/graph.h"

typedef struct SampleRng {
    uint64_t state;
} SampleRng;
uint64_t sample_bits(SampleRng *rng); /* splitmix64 */
uint32_t sample_below(SampleRng *rng, uint32_t n);
double sample_unit(SampleRng *rng); /* [0, 1) */

typedef enum SampleDomain {
    SAMPLE_ANY,      /* floats in [-2, 2], signed in [-9, 9], unsigned in [0, 9], bool either */
    SAMPLE_POSITIVE, /* [0.5, 2.5); integers 1 to 9 */
    SAMPLE_LATTICE,  /* all elements differ, none is 0; `phase` 0 and 1 never meet */
    SAMPLE_FRACTION, /* whole + [0.2, 0.8] */
    SAMPLE_RANGE,    /* [low, high) */
    SAMPLE_INDEX     /* whole numbers in [0, limit) */
} SampleDomain;

typedef struct SampleInput {
    SampleDomain domain;
    int phase;
    double low, high;
    int64_t limit;
} SampleInput;

typedef struct Sample {
    Graph *graph;
    SampleRng rng;
    uint32_t max_dim;        /* largest size of an axis; default 5 */
    bool symbolic;           /* the first axis may be `batch`; default true */
    DimId batch;             /* symbol 0 */
    int64_t batch_value;     /* the value to run it at: 3 */
    DimId steps;             /* symbol 1: of loops, up to 8 */
    int64_t steps_value;     /* 3 */
    bool reuse;              /* operands may be nodes made before (sample_graph) */
    VEC(SampleInput) inputs; /* as graph->inputs */
} Sample;

/* A fresh graph with one slot of shape [2, 3] per dtype. Everything lives in ctx->arena. */
Sample *sample_create(Context *ctx, uint64_t seed);
/* Adds one node of `op` over fresh inputs; its result's dtype is `dtype` except for less, equal,
 * argmax (whose operand has it). NODE_NONE where the op is not defined for the dtype. */
NodeId sample_op(Sample *s, Op op, DType dtype);
/* Adds about `nodes` random nodes that use each other, and an output for every node nothing uses.
 * GRAD and STOP are left out. Values may become infinite or NaN. */
void sample_graph(Sample *s, DType dtype, uint32_t nodes);
/* A loop with a random body of about `nodes` nodes: carries, sequences and yields along any axes,
 * either direction, trips that are numbers (0 too), `steps` or `batch`. Every result becomes an
 * output but for a few that nobody takes. Gives the scan. */
NodeId sample_loop(Sample *s, DType dtype, uint32_t nodes);
/* Fills an input's or slot's elements in its dtype. */
void sample_fill(Sample *s, uint32_t input, void *data, size_t count);
void sample_fill_slot(Sample *s, uint32_t slot, void *data, size_t count);

/* ---- for the generators (sample_ops.c) */
Shape sample_shape(Sample *s, uint32_t least_rank, uint32_t most_rank);
/* A fresh input; with s->reuse maybe a node of that dtype and shape. */
NodeId sample_operand(Sample *s, DType dtype, const Shape *shape, SampleInput in);
/* A first operand of any shape of at least that rank (with s->reuse maybe a node). */
NodeId sample_any_operand(Sample *s, DType dtype, uint32_t least_rank, SampleInput in);
#define OP(name, text, arity, cls, diff) NodeId sample_##name(Sample *s, DType dtype);
#include "compiler/graph/ops.def"
#undef OP

#endif
