/* Loops for the generic tests: h = tanh(w h + x), along a random axis, in either direction. */
#include "compiler/graph/sample.h"
#include "compiler/graph/scan.h"

static const Span nowhere = {0};
static const SampleInput any = {.domain = SAMPLE_ANY};

/* Result 0: the last h; 1: all of them, stacked. */
static NodeId recurrence(Sample *s, DType dtype, uint32_t result) {
    Graph *g = s->graph;
    if (!dtype_is_float(dtype)) return NODE_NONE;
    Shape element = sample_shape(s, 0, 2), whole = element;
    int64_t axis = sample_below(&s->rng, element.rank + 1);
    int64_t yield_axis = sample_below(&s->rng, element.rank + 1);
    DimId trip = dim_const(g->dims, 1 + sample_below(&s->rng, s->max_dim));
    for (uint32_t i = whole.rank++; i > axis; i--) whole.dims[i] = whole.dims[i - 1];
    whole.dims[axis] = trip;
    Graph *body = scan_body(g);
    NodeId h = g_input(body, ctx_sym(g->ctx, "h"), dtype, &element, nowhere);
    NodeId x = g_input(body, ctx_sym(g->ctx, "x"), dtype, &element, nowhere);
    NodeId w = g_input(body, ctx_sym(g->ctx, "w"), dtype, &element, nowhere);
    NodeId sum = g_binary(body, OP_ADD, g_binary(body, OP_MUL, w, h, nowhere), x, nowhere);
    NodeId next = g_unary(body, OP_TANH, sum, nowhere);
    graph_output(body, ctx_sym(g->ctx, "h"), next);
    graph_output(body, ctx_sym(g->ctx, "y"), next);
    Scan scan = {.body = body,
                 .carries = 1,
                 .sequences = 1,
                 .captures = 1,
                 .yields = 1,
                 .reverse = sample_below(&s->rng, 2) == 1,
                 .trip = trip,
                 .sequence_axis = &axis,
                 .yield_axis = &yield_axis};
    NodeId operands[] = {sample_operand(s, dtype, &element, any),
                         sample_operand(s, dtype, &whole, any),
                         sample_operand(s, dtype, &element, any)};
    return g_take(g, g_scan(g, &scan, operands, nowhere), result, nowhere);
}

/* A scan by itself is no value: both give one of its results. */
NodeId sample_SCAN(Sample *s, DType dtype) {
    return recurrence(s, dtype, 0);
}
NodeId sample_TAKE(Sample *s, DType dtype) {
    return recurrence(s, dtype, 1);
}
