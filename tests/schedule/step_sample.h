/* A training step as the language builds it: dense layers with relu and dropout, softmax
 * cross-entropy, Adam, accuracy. Sizes are the caller's. */
#ifndef BMC_TESTS_STEP_SAMPLE_H
#define BMC_TESTS_STEP_SAMPLE_H

#include "compiler/autodiff/autodiff.h"
#include "compiler/graph/program.h"
#include "tests/kit/graph_kit.h"

enum { STEP_LAYERS_MAX = 4 };
typedef struct StepSpec {
    int64_t batch; /* bound of B */
    int64_t width[STEP_LAYERS_MAX + 1];
    uint32_t layers;
    bool dropout, momentum_only;
    DType dtype;
} StepSpec;

typedef struct StepSample {
    Program program;
    Entry entry;
    DimId batch;
    uint32_t symbols;
} StepSample;

typedef struct StepBuild {
    Graph *g;
    Context *ctx;
    DimTable *dims;
    const StepSpec *spec;
    DimId batch;
} StepBuild;

static inline void step_slot(StepSample *s, Context *ctx, const char *path, SlotKind kind,
                             DType dtype, uint32_t rank, int64_t a, int64_t b) {
    Slot slot = {
        .path = ctx_sym(ctx, path), .kind = kind, .dtype = dtype, .rank = rank, .dims = {a, b}};
    vec_push(ctx->arena, &s->program.slots, slot);
}

static inline NodeId step_full(StepBuild *b, NodeId like, double v) {
    Shape shape = graph_shape(b->g, like);
    return g_const(b->g, graph_node(b->g, like)->dtype, &shape, v, nowhere);
}
static inline NodeId step_op(StepBuild *b, Op op, NodeId x, NodeId y) {
    return g_binary(b->g, op, x, y, nowhere);
}
static inline NodeId step_row(StepBuild *b, NodeId v, NodeId like) {
    Shape shape = graph_shape(b->g, like);
    return g_broadcast(b->g, v, &shape, (int32_t[]){-1, 0}, nowhere);
}
static inline NodeId step_column(StepBuild *b, NodeId v, NodeId like) {
    Shape shape = graph_shape(b->g, like);
    return g_broadcast(b->g, v, &shape, (int32_t[]){0, -1}, nowhere);
}
static inline NodeId step_splat(StepBuild *b, NodeId v, NodeId like) {
    Shape shape = graph_shape(b->g, like);
    return g_splat(b->g, v, &shape, nowhere);
}

static inline NodeId step_dropout(StepBuild *b, NodeId h, uint64_t key) {
    Shape shape = graph_shape(b->g, h);
    NodeId r = g_random(b->g, &shape, key, 0, nowhere);
    NodeId keep = step_op(b, OP_LESS, r, step_full(b, r, 0.8));
    NodeId scaled = step_op(b, OP_DIV, h, step_full(b, h, 0.8));
    return g_select(b->g, keep, scaled, step_full(b, h, 0), nowhere);
}

static inline NodeId step_mean(StepBuild *b, NodeId rows) {
    NodeId total = g_reduce(b->g, OP_SUM, rows, (uint32_t[]){0}, 1, nowhere);
    NodeId count = g_size(b->g, graph_node(b->g, rows)->dtype, b->batch, nowhere);
    return step_op(b, OP_DIV, total, count);
}

/* -mean(log_softmax(z)[y]) */
static inline NodeId step_loss(StepBuild *b, NodeId z, NodeId y) {
    NodeId top = g_unary(b->g, OP_STOP,
                         g_reduce(b->g, OP_REDUCE_MAX, z, (uint32_t[]){1}, 1, nowhere), nowhere);
    NodeId shifted = step_op(b, OP_SUB, z, step_column(b, top, z));
    NodeId sum = g_reduce(b->g, OP_SUM, g_unary(b->g, OP_EXP, shifted, nowhere), (uint32_t[]){1}, 1,
                          nowhere);
    NodeId lp = step_op(b, OP_SUB, shifted, step_column(b, g_unary(b->g, OP_LOG, sum, nowhere), z));
    Shape rows = {.rank = 1, .dims = {b->batch}};
    NodeId iota = g_iota(b->g, DTYPE_I32, &rows, 0, nowhere);
    NodeId hit = g_gather(b->g, lp, (NodeId[]){iota, y}, (uint32_t[]){0, 1}, 2, nowhere);
    return g_unary(b->g, OP_NEG, step_mean(b, hit), nowhere);
}

static inline NodeId step_read(StepBuild *b, uint32_t slot) {
    return g_read(b->g, slot, nowhere);
}

/* Slots per parameter: w, m, v, t. */
static inline void step_adam(StepBuild *b, uint32_t first, NodeId g) {
    NodeId w = step_read(b, first), m = step_read(b, first + 1), v = step_read(b, first + 2);
    NodeId t = step_read(b, first + 3);
    double beta1 = 0.9, beta2 = 0.999;
    NodeId t1 = step_op(b, OP_ADD, t, step_full(b, t, 1));
    NodeId m1 = step_op(b, OP_ADD, step_op(b, OP_MUL, step_full(b, m, beta1), m),
                        step_op(b, OP_MUL, step_full(b, g, 1 - beta1), g));
    NodeId v1 = step_op(b, OP_ADD, step_op(b, OP_MUL, step_full(b, v, beta2), v),
                        step_op(b, OP_MUL, step_full(b, g, 1 - beta2), step_op(b, OP_MUL, g, g)));
    NodeId c1 =
        step_op(b, OP_SUB, step_full(b, t, 1), step_op(b, OP_POW, step_full(b, t, beta1), t1));
    NodeId c2 =
        step_op(b, OP_SUB, step_full(b, t, 1), step_op(b, OP_POW, step_full(b, t, beta2), t1));
    NodeId top = step_op(b, OP_DIV, m1, step_splat(b, c1, m1));
    NodeId root = g_unary(b->g, OP_SQRT, step_op(b, OP_DIV, v1, step_splat(b, c2, v1)), nowhere);
    NodeId step = step_op(b, OP_DIV, step_op(b, OP_MUL, step_full(b, top, 1e-3), top),
                          step_op(b, OP_ADD, root, step_full(b, root, 1e-8)));
    graph_write(b->g, first, step_op(b, OP_SUB, w, step));
    graph_write(b->g, first + 1, m1);
    graph_write(b->g, first + 2, v1);
    graph_write(b->g, first + 3, t1);
}

static inline void step_slots(StepSample *s, Context *ctx, const StepSpec *spec) {
    static const char *const part[] = {"", ".m", ".v", ".t"};
    for (uint32_t i = 0; i < spec->layers; i++)
        for (uint32_t bias = 0; bias < 2; bias++)
            for (uint32_t k = 0; k < 4; k++) {
                char path[64];
                snprintf(path, sizeof path, "net.dense%u.%s%s", i + 1, bias ? "b" : "w", part[k]);
                uint32_t rank = k == 3 ? 0 : bias ? 1 : 2;
                int64_t in = spec->width[i], out = spec->width[i + 1];
                step_slot(s, ctx, path, k == 0 ? SLOT_PARAM : SLOT_OPTIMIZER, spec->dtype, rank,
                          bias ? out : in, out);
            }
}

static inline NodeId step_layers(StepBuild *b, NodeId x) {
    const StepSpec *spec = b->spec;
    for (uint32_t i = 0; i < spec->layers; i++) {
        NodeId w = step_read(b, 8 * i), bias = step_read(b, 8 * i + 4);
        NodeId z = g_contract(b->g, x, (uint32_t[]){0, 1}, w, (uint32_t[]){1, 2},
                              (uint32_t[]){0, 2}, 2, (uint32_t[]){1}, 1, nowhere);
        x = step_op(b, OP_ADD, z, step_row(b, bias, z));
        if (i + 1 == spec->layers) break;
        x = step_op(b, OP_MAX, x, step_full(b, x, 0));
        if (spec->dropout) x = step_dropout(b, x, 77 + i);
    }
    return x;
}

static inline void step_remove_stops(Graph *g) {
    for (uint32_t i = 0; i < g->nodes.len; i++) INVARIANT(g->nodes.data[i].op != OP_GRAD);
    g->sealed = true;
}

/* The whole step, differentiated and sealed. */
static inline StepSample *step_sample(Context *ctx, const StepSpec *spec) {
    StepSample *s = ARENA_NEW(ctx->arena, StepSample);
    s->program = (Program){.ctx = ctx, .stem = "step", .source = "", .init_entry = -1};
    s->program.dims = dims_create(ctx->arena);
    s->batch = dim_symbol(s->program.dims, ctx_sym(ctx, "B"), spec->batch);
    step_slots(s, ctx, spec);
    StepBuild build = {.ctx = ctx, .dims = s->program.dims, .spec = spec, .batch = s->batch};
    StepBuild *b = &build;
    b->g = graph_create(ctx, s->program.dims, s->program.slots.data, s->program.slots.len);
    Shape xs = {.rank = 2, .dims = {s->batch, dim_const(s->program.dims, spec->width[0])}};
    Shape ys = {.rank = 1, .dims = {s->batch}};
    NodeId x = g_input(b->g, ctx_sym(ctx, "x"), spec->dtype, &xs, nowhere);
    NodeId y = g_input(b->g, ctx_sym(ctx, "y"), DTYPE_I32, &ys, nowhere);
    NodeId z = step_layers(b, x), loss = step_loss(b, z, y);
    NodeId best = g_reduce(b->g, OP_ARGMAX, z, (uint32_t[]){1}, 1, nowhere);
    NodeId right = g_cast(b->g, spec->dtype, step_op(b, OP_EQUAL, best, y), nowhere);
    for (uint32_t i = 0; i < 2 * spec->layers; i++)
        step_adam(b, 4 * i, g_grad(b->g, loss, step_read(b, 4 * i), nowhere));
    graph_output(b->g, ctx_sym(ctx, "loss"), loss);
    graph_output(b->g, ctx_sym(ctx, "accuracy"), step_mean(b, right));
    b->g->guard = loss;
    Graph *done = autodiff_run(b->g);
    if (diags_errors(ctx->diags)) BUG("%s", diags_get(ctx->diags, 0)->message);
    step_remove_stops(done);
    s->entry = (Entry){.name = "step", .kind = BMRT_ENTRY_STEP, .graph = done};
    vec_push(ctx->arena, &s->program.entries, s->entry);
    return s;
}

#endif
