/* Loops for the generic tests: h = tanh(w h + x), along a random axis, in either direction; and
 * loops with random bodies. */
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

/* ------------------------------------------------------------------ random bodies */

enum { LOOP_PARTS_MAX = 3 };

typedef struct Loop {
    Sample *s, body;
    Scan scan;
    int64_t axes[2 * LOOP_PARTS_MAX];
} Loop;

static uint32_t below(Loop *l, uint32_t n) {
    return sample_below(&l->body.rng, n);
}

static void body_input(Loop *l, DType dtype, const Shape *shape) {
    Graph *g = l->body.graph;
    vec_push(g->ctx->arena, &l->body.inputs, any);
    g_input(g, ctx_sym(g->ctx, "x"), dtype, shape, nowhere);
}

static void body_node(Loop *l, DType dtype, const Shape *shape) {
    Op op = (Op)below(l, OP_COUNT - 1); /* extern: no sample */
    if (op >= OP_EXTERN) op = (Op)(op + 1);
    uint32_t special = below(l, 6);
    Graph *g = l->body.graph;
    if (special == 0 && dtype == DTYPE_F32)
        g_random_at(g, shape, sample_bits(&l->body.rng), below(l, 9), (NodeId){0}, nowhere);
    else if (special == 1 && dtype_is_float(dtype))
        g_splat(g, g_cast(g, dtype, (NodeId){0}, nowhere), shape, nowhere);
    else if (op != OP_GRAD && op != OP_STOP && op != OP_WINDOW && op != OP_READ && op != OP_INPUT)
        sample_op(&l->body, op, dtype);
}

/* The last but few nodes of that dtype and shape. */
static NodeId body_pick(Loop *l, DType dtype, const Shape *shape) {
    Graph *g = l->body.graph;
    NodeId found = NODE_NONE;
    uint32_t skip = below(l, 3);
    for (uint32_t i = graph_size(g); i-- > 0;) {
        const GNode *n = graph_node(g, (NodeId){i});
        bool fits = n->op != OP_SCAN && n->dtype == dtype && n->rank == shape->rank;
        for (uint32_t k = 0; fits && k < n->rank; k++) fits = dim_same(n->dims[k], shape->dims[k]);
        if (!fits) continue;
        found = (NodeId){i};
        if (skip-- == 0) break;
    }
    return found;
}

static void body_results(Loop *l) {
    Graph *g = l->body.graph;
    Scan *scan = &l->scan;
    for (uint32_t i = 0; i < scan->carries; i++) {
        const GraphInput *in = &g->inputs.data[scan_carry_input(scan, i)];
        graph_output(g, in->name, body_pick(l, in->dtype, &in->shape));
    }
    scan->yields = below(l, LOOP_PARTS_MAX + 1);
    if (scan->carries == 0 && scan->yields == 0) scan->yields = 1;
    for (uint32_t i = 0; i < scan->yields; i++) {
        NodeId y = {below(l, graph_size(g))};
        if (graph_node(g, y)->op == OP_SCAN || graph_node(g, y)->rank > 4) y = (NodeId){0};
        graph_output(g, ctx_sym(g->ctx, "y"), y);
        l->axes[LOOP_PARTS_MAX + i] = below(l, graph_node(g, y)->rank + 1);
    }
}

static NodeId loop_operand(Loop *l, uint32_t input) {
    const Scan *scan = &l->scan;
    const GraphInput *in = &l->body.graph->inputs.data[input];
    Shape shape = in->shape;
    uint32_t first = scan_sequence_input(scan, 0);
    if (input >= first && input < first + scan->sequences) {
        uint32_t axis = (uint32_t)scan->sequence_axis[input - first];
        for (uint32_t i = shape.rank++; i > axis; i--) shape.dims[i] = shape.dims[i - 1];
        shape.dims[axis] = scan->trip;
    }
    return sample_operand(l->s, in->dtype, &shape, l->body.inputs.data[input]);
}

NodeId sample_loop(Sample *s, DType dtype, uint32_t nodes) {
    Graph *g = s->graph;
    Loop loop = {.s = s}, *l = &loop;
    l->body = *s;
    l->body.graph = scan_body(g);
    l->body.reuse = true;
    l->body.inputs.data = NULL;
    l->body.inputs.len = l->body.inputs.cap = 0;
    vec_push(g->ctx->arena, &l->body.inputs, any);
    Scan *scan = &l->scan;
    *scan = (Scan){.body = l->body.graph, .reverse = below(l, 2) == 1};
    const DimId trips[] = {dim_const(g->dims, below(l, 5)), s->steps, s->batch};
    scan->trip = trips[below(l, 3)];
    scan->carries = below(l, LOOP_PARTS_MAX + 1);
    scan->sequences = below(l, LOOP_PARTS_MAX);
    scan->sequence_axis = l->axes;
    scan->yield_axis = l->axes + LOOP_PARTS_MAX;
    Shape usual = sample_shape(&l->body, 0, 2);
    for (uint32_t i = 0; i < scan->carries + scan->sequences; i++) {
        Shape shape = below(l, 3) ? usual : sample_shape(&l->body, 0, 2);
        if (i >= scan->carries) l->axes[i - scan->carries] = below(l, shape.rank + 1);
        body_input(l, dtype, &shape);
    }
    for (uint32_t i = 0; i < nodes; i++) body_node(l, dtype, &usual);
    body_results(l);
    scan->captures = l->body.graph->inputs.len - 1 - scan->carries - scan->sequences;
    s->rng = l->body.rng;
    NodeId *operands = ARENA_ARRAY(g->ctx->arena, NodeId, l->body.graph->inputs.len);
    for (uint32_t i = 1; i < l->body.graph->inputs.len; i++) operands[i - 1] = loop_operand(l, i);
    NodeId made = g_scan(g, scan, operands, nowhere);
    for (uint32_t i = 0; i < scan->carries + scan->yields; i++)
        if (sample_below(&s->rng, 5) > 0 || i == 0) {
            Sym name = ctx_sym(g->ctx, arena_printf(g->ctx->arena, "loop%u.%u", made.id, i));
            graph_output(g, name, g_take(g, made, i, nowhere));
        }
    return made;
}

/* A scan by itself is no value: both give one of its results. */
NodeId sample_SCAN(Sample *s, DType dtype) {
    return recurrence(s, dtype, 0);
}
NodeId sample_TAKE(Sample *s, DType dtype) {
    return recurrence(s, dtype, 1);
}
