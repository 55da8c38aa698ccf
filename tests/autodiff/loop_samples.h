/* Random loops for the gradient check: cells with and without matrices, several carries, sequences
 * along any axis, both directions, loops inside loops, maps without carries, and what captured
 * values give (weights, biases, tables, outer products). Included by op_samples.h. */
#ifndef BMC_TESTS_LOOP_SAMPLES_H
#define BMC_TESTS_LOOP_SAMPLES_H

#include "compiler/graph/scan.h"

typedef struct LoopMaker {
    Sample *s;
    Graph *outer, *body;
    Scan scan;
    NodeId operands[8], inputs[8]; /* inputs: in the body */
    int64_t sequence_axis[4], yield_axis[4];
    uint32_t count;
} LoopMaker;

static inline LoopMaker loop_open(Sample *s, Graph *outer, int64_t trip) {
    LoopMaker m = {.s = s, .outer = outer, .body = scan_body(outer)};
    m.scan.trip = dim_const(outer->dims, trip);
    m.scan.reverse = random_below(&s->random, 2);
    return m;
}

static inline NodeId loop_input(LoopMaker *m, NodeId operand, const Shape *shape) {
    char name[8];
    snprintf(name, sizeof name, "i%u", m->count);
    NodeId input = g_input(m->body, ctx_sym(m->outer->ctx, name),
                           graph_node(m->outer, operand)->dtype, shape, nowhere);
    m->operands[m->count] = operand;
    m->inputs[m->count++] = input;
    return input;
}
/* In this order: carries, sequences, captures. */
static inline NodeId loop_carry(LoopMaker *m, NodeId first) {
    Shape shape = graph_shape(m->outer, first);
    m->scan.carries++;
    return loop_input(m, first, &shape);
}
static inline NodeId loop_sequence(LoopMaker *m, NodeId whole, uint32_t axis) {
    Shape shape = graph_shape(m->outer, whole);
    shape.rank--;
    for (uint32_t i = axis; i < shape.rank; i++) shape.dims[i] = shape.dims[i + 1];
    m->sequence_axis[m->scan.sequences++] = axis;
    return loop_input(m, whole, &shape);
}
static inline NodeId loop_capture(LoopMaker *m, NodeId value) {
    Shape shape = graph_shape(m->outer, value);
    m->scan.captures++;
    return loop_input(m, value, &shape);
}
/* First the carries' next values, then yields. */
static inline void loop_next(LoopMaker *m, NodeId value) {
    graph_output(m->body, ctx_sym(m->outer->ctx, "next"), value);
}
static inline void loop_gives(LoopMaker *m, NodeId value, uint32_t axis) {
    m->yield_axis[m->scan.yields++] = axis;
    graph_output(m->body, ctx_sym(m->outer->ctx, "y"), value);
}
static inline NodeId loop_close(LoopMaker *m) {
    m->scan.body = m->body;
    m->scan.sequence_axis = m->sequence_axis;
    m->scan.yield_axis = m->yield_axis;
    return g_scan(m->outer, &m->scan, m->operands, nowhere);
}

static inline Shape sized(const Sample *s, uint32_t rank, int64_t a, int64_t b, int64_t c) {
    Shape shape = {.rank = rank};
    int64_t dims[3] = {a, b, c};
    for (uint32_t i = 0; i < rank; i++) shape.dims[i] = dim_const(s->kit.dims, dims[i]);
    return shape;
}
static inline NodeId body_mul(const LoopMaker *m, NodeId a, NodeId b) {
    return g_binary(m->body, OP_MUL, a, b, nowhere);
}
static inline NodeId body_add(const LoopMaker *m, NodeId a, NodeId b) {
    return g_binary(m->body, OP_ADD, a, b, nowhere);
}
static inline NodeId body_op(const LoopMaker *m, Op op, NodeId a) {
    return g_unary(m->body, op, a, nowhere);
}
static inline NodeId body_matmul(const LoopMaker *m, NodeId a, NodeId b) {
    return g_contract(m->body, a, (uint32_t[]){0, 1}, b, (uint32_t[]){1, 2}, (uint32_t[]){0, 2}, 2,
                      (uint32_t[]){1}, 1, nowhere);
}
static inline NodeId body_row(const LoopMaker *m, NodeId row, NodeId like) {
    Shape shape = graph_shape(m->body, like);
    return g_broadcast(m->body, row, &shape, (int32_t[]){-1, 0}, nowhere);
}

/* All elements of the loop's results as one vector, so that each has its own weight in the loss. */
static inline NodeId loop_results(const LoopMaker *m, NodeId loop) {
    NodeId parts[8];
    uint32_t count = 0;
    for (uint32_t i = 0; i < m->scan.carries + m->scan.yields; i++) {
        NodeId r = g_take(m->outer, loop, i, nowhere);
        if (!dtype_is_float(graph_node(m->outer, r)->dtype)) continue;
        Shape shape = graph_shape(m->outer, r), flat = {.rank = 1};
        flat.dims[0] = dim_const(m->outer->dims, 1);
        for (uint32_t k = 0; k < shape.rank; k++)
            flat.dims[0] = dim_mul(m->outer->dims, flat.dims[0], shape.dims[k]);
        parts[count++] = g_reshape(m->outer, r, &flat, nowhere);
    }
    return g_concat(m->outer, parts, count, 0, nowhere);
}

/* h = tanh(w ⊙ h + x), x along any axis. */
static inline NodeId elementwise_cell(Sample *s) {
    Shape element = random_shape(s, random_below(&s->random, 3)), whole = element;
    uint32_t axis = random_below(&s->random, element.rank + 1);
    int64_t trip = 1 + random_below(&s->random, 3);
    for (uint32_t i = whole.rank++; i > axis; i--) whole.dims[i] = whole.dims[i - 1];
    whole.dims[axis] = dim_const(s->kit.dims, trip);
    LoopMaker m = loop_open(s, s->g, trip);
    NodeId h = loop_carry(&m, any(s, element)), x = loop_sequence(&m, any(s, whole), axis);
    NodeId w = loop_capture(&m, any(s, element));
    NodeId next = body_op(&m, OP_TANH, body_add(&m, body_mul(&m, w, h), x));
    loop_next(&m, next);
    loop_gives(&m, random_below(&s->random, 2) ? next : body_mul(&m, h, x),
               random_below(&s->random, element.rank + 1));
    return loop_results(&m, loop_close(&m));
}

/* h = tanh(x @ w + h @ u + b), x [b, t, d]. */
static inline NodeId matrix_cell(Sample *s) {
    int64_t rows = 1 + random_below(&s->random, 2), d = 1 + random_below(&s->random, 3);
    int64_t trip = 1 + random_below(&s->random, 3);
    bool biased = random_below(&s->random, 2);
    LoopMaker m = loop_open(s, s->g, trip);
    Shape state = sized(s, 2, rows, 2, 0), start = sized(s, 1, 2, 0, 0);
    NodeId first = biased ? g_const(s->g, DTYPE_F64, &state, 0.3, nowhere) : any(s, state);
    NodeId h = loop_carry(&m, first);
    NodeId x = loop_sequence(&m, any(s, sized(s, 3, rows, trip, d)), 1);
    NodeId w = loop_capture(&m, any(s, sized(s, 2, d, 2, 0)));
    NodeId u = loop_capture(&m, any(s, sized(s, 2, 2, 2, 0)));
    NodeId z = body_add(&m, body_matmul(&m, x, w), body_matmul(&m, h, u));
    if (biased) z = body_add(&m, z, body_row(&m, loop_capture(&m, any(s, start)), z));
    h = body_op(&m, OP_TANH, z);
    loop_next(&m, h);
    if (random_below(&s->random, 2)) loop_gives(&m, h, 1);
    return loop_results(&m, loop_close(&m));
}

/* Two carries that feed each other, one integer carry, a draw and the iteration's number. */
static inline NodeId coupled_carries(Sample *s) {
    int64_t trip = random_below(&s->random, 4);
    Shape element = random_shape(s, 1), none = {.rank = 0};
    LoopMaker m = loop_open(s, s->g, trip);
    NodeId a = loop_carry(&m, any(s, element)), b = loop_carry(&m, any(s, element));
    NodeId n = loop_carry(&m, g_const_int(s->g, DTYPE_I32, &none, 2, nowhere));
    NodeId w = loop_capture(&m, any(s, element));
    NodeId draw = g_random_at(m.body, &element, 7, 1, (NodeId){0}, nowhere);
    draw = g_cast(m.body, DTYPE_F64, draw, nowhere);
    NodeId t = g_splat(m.body, g_cast(m.body, DTYPE_F64, n, nowhere), &element, nowhere);
    loop_next(&m, body_add(&m, body_op(&m, OP_SIN, b), body_mul(&m, draw, a)));
    loop_next(&m, body_mul(&m, w, body_add(&m, a, body_mul(&m, b, draw))));
    loop_next(&m, g_binary(m.body, OP_ADD, n, n, nowhere));
    loop_gives(&m, body_mul(&m, t, body_mul(&m, a, w)), 0);
    return loop_results(&m, loop_close(&m));
}

/* No carries: rows of x, independent of each other, through captured values of several kinds. */
static inline NodeId parallel_map(Sample *s) {
    int64_t trip = 1 + random_below(&s->random, 3), d = 1 + random_below(&s->random, 3);
    LoopMaker m = loop_open(s, s->g, trip);
    NodeId x = loop_sequence(&m, any(s, sized(s, 2, trip, d, 0)), 0);
    NodeId w = loop_capture(&m, any(s, sized(s, 2, d, 2, 0)));
    NodeId table = loop_capture(&m, any(s, sized(s, 2, 2, 2, 0)));
    NodeId scale = loop_capture(&m, any(s, sized(s, 0, 0, 0, 0)));
    NodeId y = g_contract(m.body, x, (uint32_t[]){0}, w, (uint32_t[]){0, 1}, (uint32_t[]){1}, 1,
                          (uint32_t[]){0}, 1, nowhere);
    NodeId row = g_gather(m.body, table, &(NodeId){0}, (uint32_t[]){0}, 1, nowhere);
    Shape shape = graph_shape(m.body, y);
    y = body_add(&m, y, body_mul(&m, row, g_splat(m.body, scale, &shape, nowhere)));
    loop_gives(&m, body_op(&m, random_below(&s->random, 2) ? OP_EXP : OP_TANH, y), 0);
    if (random_below(&s->random, 2)) loop_gives(&m, scale, 0);
    return loop_results(&m, loop_close(&m));
}

/* A loop in a loop: the inner one starts where the outer one is, and reads what that captured. */
static inline NodeId nested_loops(Sample *s) {
    int64_t outer_trip = 1 + random_below(&s->random, 2), trip = 1 + random_below(&s->random, 2);
    LoopMaker m = loop_open(s, s->g, outer_trip);
    NodeId h = loop_carry(&m, any(s, sized(s, 2, 1, 2, 0)));
    NodeId x = loop_sequence(&m, any(s, sized(s, 3, trip, outer_trip, 2)), 1);
    NodeId u = loop_capture(&m, any(s, sized(s, 2, 2, 2, 0)));
    LoopMaker in = loop_open(s, m.body, trip);
    NodeId state = loop_carry(&in, h), element = loop_sequence(&in, x, 0);
    NodeId w = loop_capture(&in, u);
    NodeId z = body_matmul(&in, state, w);
    z = body_op(&in, OP_TANH, body_add(&in, z, body_row(&in, element, z)));
    loop_next(&in, z);
    loop_gives(&in, z, 1);
    NodeId loop = loop_close(&in);
    loop_next(&m, g_take(m.body, loop, 0, nowhere));
    loop_gives(&m, body_op(&m, OP_SIN, g_take(m.body, loop, 1, nowhere)), 2);
    return loop_results(&m, loop_close(&m));
}

static inline NodeId sample_SCAN(Sample *s) {
    static NodeId (*const kinds[])(Sample *) = {elementwise_cell, matrix_cell, coupled_carries,
                                                parallel_map, nested_loops};
    return kinds[random_below(&s->random, sizeof kinds / sizeof *kinds)](s);
}
static inline NodeId sample_TAKE(Sample *s) {
    return sample_SCAN(s);
}

#endif
