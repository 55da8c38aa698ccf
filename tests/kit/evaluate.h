/* Runs a graph in the reference evaluator, in tests. */
#ifndef BMC_TESTS_EVALUATE_H
#define BMC_TESTS_EVALUATE_H

#include "compiler/interp/interp.h"
#include "tests/kit/graph_kit.h"

/* Results live in `arena`. Slots are read, and written back by the run. */
static inline const Tensor *evaluate(const Graph *g, const Tensor *inputs, Tensor *slots,
                                     const int64_t *symbols, Arena *arena, uint32_t *flags) {
    uint32_t count = g->outputs.len ? g->outputs.len : 1;
    InterpRun run = {.symbols = symbols,
                     .inputs = inputs,
                     .slots = slots,
                     .seed = 11,
                     .step = 3,
                     .progress = 0.25,
                     .epoch = 1,
                     .iteration = 3,
                     .outputs = ARENA_ARRAY(arena, Tensor, count),
                     .arena = arena};
    ck_assert_msg(interp_run(g, &run), "the evaluator failed");
    if (flags) *flags = run.flags;
    return run.outputs;
}

static inline Tensor tensor_like(const Graph *g, DType dtype, const Shape *shape, void *data) {
    Tensor t = {.dtype = dtype, .rank = shape->rank, .data = data};
    for (uint32_t i = 0; i < shape->rank; i++) t.dims[i] = dim_value(g->dims, shape->dims[i]);
    return t;
}

#endif
