/* Random convolution and pooling graphs with their gradients: strides, dilations, margins, groups,
 * holes, odd sizes, a constant or run-time batch. Outputs: y, pooled values, dx, dw, and the second
 * derivative by w. */
#ifndef BMC_TESTS_CONV_GRAPH_H
#define BMC_TESTS_CONV_GRAPH_H

#include "tests/kit/graph_kit.h"
#include "tests/kit/random.h"

typedef struct ConvGraph {
    Random *random;
    DimId batch;     /* a symbol, or NODE constant made by the caller */
    uint32_t widest; /* channels, at most */
} ConvGraph;

static inline int64_t conv_pick(ConvGraph *c, uint32_t from, uint32_t to) {
    return from + random_below(c->random, to - from + 1);
}

/* A window and an axis that holds one to nine of them. */
static inline WindowAxis conv_axis(ConvGraph *c, int64_t axis, int64_t *size) {
    WindowAxis w = {.axis = axis, .size = conv_pick(c, 1, 5), .stride = 1, .dilation = 1};
    if (random_below(c->random, 3) == 0) w.stride = conv_pick(c, 2, 3);
    if (random_below(c->random, 4) == 0) w.dilation = 2;
    w.spacing = random_below(c->random, 5) == 0 ? 2 : 1;
    int64_t reach = w.dilation * (w.size - 1);
    w.low = random_below(c->random, 2) ? reach / 2 : conv_pick(c, 0, 3) - 1;
    w.high = random_below(c->random, 2) ? reach - reach / 2 : conv_pick(c, 0, 3) - 1;
    int64_t need = reach + 1 - w.low - w.high;
    *size = (need > 1 ? need : 1) + (random_below(c->random, 4) ? conv_pick(c, 0, 9) : 29);
    return w;
}

/* y[b, h, w, g, o] of x and weights; channels by themselves (no o) where both are one a group. */
static inline NodeId conv_random(Kit *k, ConvGraph *c, NodeId *x, NodeId *weights) {
    enum { B, H, W, GROUP, O, I, J, C };
    int64_t height, width, in = conv_pick(c, 1, c->widest), out = conv_pick(c, 1, c->widest);
    WindowAxis window[2] = {conv_axis(c, 1, &height), conv_axis(c, 2, &width)};
    bool split = random_below(c->random, 3) == 0, alone = split && random_below(c->random, 2);
    int64_t groups = split ? conv_pick(c, 2, alone ? 40 : 4) : 1;
    Shape xs = kit_shape(k, (int64_t[]){1, height, width, groups, in}, 5);
    Shape ws = kit_shape(k, (int64_t[]){window[0].size, window[1].size, in, groups, out}, 5);
    xs.dims[0] = c->batch;
    if (alone) xs.rank = 4;
    if (alone) ws = kit_shape(k, (int64_t[]){window[0].size, window[1].size, groups}, 3);
    *x = kit_input(k, "x", DTYPE_F32, xs);
    *weights = kit_input(k, "w", DTYPE_F32, ws);
    NodeId seen = g_window(k->g, *x, window, 2, nowhere);
    if (alone)
        return g_contract(k->g, seen, (uint32_t[]){B, H, W, GROUP, I, J}, *weights,
                          (uint32_t[]){I, J, GROUP}, (uint32_t[]){B, H, W, GROUP}, 4,
                          (uint32_t[]){I, J}, 2, nowhere);
    return g_contract(k->g, seen, (uint32_t[]){B, H, W, GROUP, C, I, J}, *weights,
                      (uint32_t[]){I, J, C, GROUP, O}, (uint32_t[]){B, H, W, GROUP, O}, 5,
                      (uint32_t[]){I, J, C}, 3, nowhere);
}

static inline NodeId conv_pool(Kit *k, ConvGraph *c, NodeId y, Op op) {
    WindowAxis window[2];
    Shape shape = graph_shape(k->g, y);
    uint32_t rank = shape.rank;
    for (uint32_t i = 0; i < 2; i++) {
        int64_t n = dim_value(k->dims, shape.dims[1 + i]);
        int64_t size = conv_pick(c, 1, n < 3 ? (uint32_t)n : 3);
        window[i] = (WindowAxis){.axis = 1 + i, .size = size, .dilation = 1, .spacing = 1};
        window[i].stride = conv_pick(c, 1, 3);
        window[i].low = random_below(c->random, (uint32_t)size);
        window[i].high = random_below(c->random, (uint32_t)size);
    }
    NodeId seen = g_window(k->g, y, window, 2, nowhere);
    return g_reduce(k->g, op, seen, (uint32_t[]){rank, rank + 1}, 2, nowhere);
}

static inline void conv_graph(Kit *k, ConvGraph *c) {
    NodeId x, w, y = conv_random(k, c, &x, &w), zero = kit_splat(k, y, 0);
    NodeId active = g_binary(k->g, OP_MAX, y, zero, nowhere);
    Op op = random_below(c->random, 2) ? OP_REDUCE_MAX : OP_SUM;
    NodeId pool = conv_pool(k, c, active, op);
    NodeId loss = kit_sum_all(k, g_binary(k->g, OP_MUL, pool, pool, nowhere));
    NodeId dw = g_grad(k->g, loss, w, nowhere);
    NodeId size = kit_sum_all(k, g_binary(k->g, OP_MUL, dw, dw, nowhere));
    kit_output(k, "y", active);
    kit_output(k, "pool", pool);
    kit_output(k, "dx", g_grad(k->g, loss, x, nowhere));
    kit_output(k, "dw", dw);
    kit_output(k, "second", g_grad(k->g, size, random_below(c->random, 2) ? x : w, nowhere));
}

#endif
