/* The frame of the sample generators: numbers, shapes, operands, values, random graphs. */
#include "compiler/graph/sample.h"

#include <math.h>

uint64_t sample_bits(SampleRng *rng) {
    uint64_t z = (rng->state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

uint32_t sample_below(SampleRng *rng, uint32_t n) {
    return (uint32_t)(((sample_bits(rng) >> 32) * n) >> 32);
}

double sample_unit(SampleRng *rng) {
    return (double)(sample_bits(rng) >> 11) * 0x1p-53;
}

static Slot *sample_slots(Context *ctx) {
    Slot *slots = ARENA_ARRAY(ctx->arena, Slot, DTYPE_COUNT);
    for (uint32_t i = 0; i < DTYPE_COUNT; i++) {
        const char *path = arena_printf(ctx->arena, "net.%s", dtype_name((DType)i));
        slots[i] = (Slot){.path = ctx_sym(ctx, path),
                          .kind = SLOT_PARAM,
                          .dtype = (DType)i,
                          .rank = 2,
                          .dims = {2, 3}};
    }
    return slots;
}

Sample *sample_create(Context *ctx, uint64_t seed) {
    Sample *s = ARENA_NEW(ctx->arena, Sample);
    DimTable *dims = dims_create(ctx->arena);
    s->batch = dim_symbol(dims, ctx_sym(ctx, "B"), 16);
    s->batch_value = 3;
    s->steps = dim_symbol(dims, ctx_sym(ctx, "T"), 8);
    s->steps_value = 3;
    s->graph = graph_create(ctx, dims, sample_slots(ctx), DTYPE_COUNT);
    s->rng.state = seed;
    s->max_dim = 5;
    s->symbolic = true;
    return s;
}

/* ---- operands */

Shape sample_shape(Sample *s, uint32_t least_rank, uint32_t most_rank) {
    Shape shape = {.rank = least_rank + sample_below(&s->rng, most_rank - least_rank + 1)};
    for (uint32_t i = 0; i < shape.rank; i++) {
        int64_t size = 1 + sample_below(&s->rng, s->max_dim);
        shape.dims[i] = dim_const(s->graph->dims, size);
    }
    if (s->symbolic && shape.rank > 0 && sample_below(&s->rng, 4) == 0) shape.dims[0] = s->batch;
    return shape;
}

static NodeId fresh_input(Sample *s, DType dtype, const Shape *shape, SampleInput in) {
    Context *ctx = s->graph->ctx;
    Sym name = ctx_sym(ctx, arena_printf(ctx->arena, "x%u", s->graph->inputs.len));
    vec_push(ctx->arena, &s->inputs, in);
    return g_input(s->graph, name, dtype, shape, (Span){0});
}

static bool node_fits(const Graph *g, NodeId id, DType dtype, const Shape *shape) {
    const GNode *n = graph_node(g, id);
    if (n->dtype != dtype || n->rank != shape->rank || n->op == OP_SCAN) return false;
    for (uint32_t i = 0; i < n->rank; i++)
        if (!dim_same(n->dims[i], shape->dims[i])) return false;
    return true;
}

/* Indices must stay in range, so they are never reused from computed values. */
static bool may_reuse(const Sample *s, SampleInput in) {
    return s->reuse && in.domain != SAMPLE_INDEX && graph_size(s->graph) > 0;
}

NodeId sample_operand(Sample *s, DType dtype, const Shape *shape, SampleInput in) {
    enum { TRIES = 12 };
    for (int i = 0; may_reuse(s, in) && i < TRIES; i++) {
        NodeId id = {sample_below(&s->rng, graph_size(s->graph))};
        if (node_fits(s->graph, id, dtype, shape)) return id;
    }
    return fresh_input(s, dtype, shape, in);
}

NodeId sample_any_operand(Sample *s, DType dtype, uint32_t least_rank, SampleInput in) {
    enum { TRIES = 12, MOST_RANK = 4 };
    for (int i = 0; may_reuse(s, in) && i < TRIES; i++) {
        NodeId id = {sample_below(&s->rng, graph_size(s->graph))};
        const GNode *n = graph_node(s->graph, id);
        if (n->op == OP_SCAN) continue; /* no value, but its takes are */
        if (n->dtype == dtype && n->rank >= least_rank && n->rank <= MOST_RANK) return id;
    }
    Shape shape = sample_shape(s, least_rank, least_rank > 3 ? least_rank : 3);
    return fresh_input(s, dtype, &shape, in);
}

/* ---- values */

static int64_t whole_value(Sample *s, DType dtype, const SampleInput *in) {
    if (dtype == DTYPE_BOOL) return sample_below(&s->rng, 2);
    if (in->domain == SAMPLE_INDEX) return sample_below(&s->rng, (uint32_t)in->limit);
    if (in->domain == SAMPLE_POSITIVE) return 1 + sample_below(&s->rng, 9);
    if (!dtype_is_signed(dtype)) return sample_below(&s->rng, 10);
    return (int64_t)sample_below(&s->rng, 19) - 9;
}

static double float_value(Sample *s, const SampleInput *in) {
    double u = sample_unit(&s->rng);
    switch (in->domain) {
    case SAMPLE_POSITIVE: return 0.5 + 2 * u;
    case SAMPLE_RANGE: return in->low + (in->high - in->low) * u;
    case SAMPLE_FRACTION: return (double)sample_below(&s->rng, 7) - 3 + 0.2 + 0.6 * u;
    case SAMPLE_INDEX: return sample_below(&s->rng, (uint32_t)in->limit);
    default: return 4 * u - 2;
    }
}

/* Points (k + 1/4 + phase/2)·h - 2 with h = 4 / count, shuffled: two points of a tensor differ by
 * h, points of two phases by h/2 at least, and none is nearer to 0 than h/4. */
static void fill_lattice(Sample *s, DType dtype, int phase, void *data, size_t count) {
    uint32_t *order = ARENA_ARRAY(s->graph->ctx->arena, uint32_t, count);
    for (uint32_t i = 0; i < count; i++) order[i] = i;
    for (uint32_t i = (uint32_t)count; i > 1; i--) {
        uint32_t k = sample_below(&s->rng, i), swap = order[i - 1];
        order[i - 1] = order[k];
        order[k] = swap;
    }
    for (size_t i = 0; i < count; i++) {
        double h = 4 / (double)count;
        double value = ((double)order[i] + 0.25 + 0.5 * phase) * h - 2;
        int64_t word = dtype_is_float(dtype)
                           ? dtype_word_from_f64(dtype, value)
                           : dtype_word_from_int(dtype, (int64_t)order[i] + (phase ? 1 : 0));
        memcpy((char *)data + i * dtype_bytes(dtype), &word, dtype_bytes(dtype));
    }
}

static void fill(Sample *s, DType dtype, const SampleInput *in, void *data, size_t count) {
    if (in->domain == SAMPLE_LATTICE) {
        fill_lattice(s, dtype, in->phase, data, count);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        int64_t word = dtype_is_float(dtype)
                           ? dtype_word_from_f64(dtype, float_value(s, in))
                           : dtype_word_from_int(dtype, whole_value(s, dtype, in));
        memcpy((char *)data + i * dtype_bytes(dtype), &word,
               dtype_bytes(dtype)); /* little endian */
    }
}

void sample_fill(Sample *s, uint32_t input, void *data, size_t count) {
    INVARIANT(input < s->inputs.len && s->inputs.len == s->graph->inputs.len);
    fill(s, s->graph->inputs.data[input].dtype, &s->inputs.data[input], data, count);
}

void sample_fill_slot(Sample *s, uint32_t slot, void *data, size_t count) {
    INVARIANT(slot < s->graph->slot_count);
    fill(s, s->graph->slots[slot].dtype, &(SampleInput){.domain = SAMPLE_ANY}, data, count);
}

/* ---- nodes */

static NodeId (*const generators[OP_COUNT])(Sample *, DType) = {
#define OP(name, text, arity, cls, diff) sample_##name,
#include "compiler/graph/ops.def"
#undef OP
};

NodeId sample_op(Sample *s, Op op, DType dtype) {
    INVARIANT(op < OP_COUNT && dtype < DTYPE_COUNT);
    return generators[op](s, dtype);
}

/* Sizes multiply through broadcasts and products of labels: a graph stops using what grew too far.
 */
static bool small_enough(const Graph *g, NodeId id) {
    const GNode *n = graph_node(g, id);
    int64_t count = 1;
    for (uint32_t i = 0; i < n->rank; i++) count *= dim_bound(g->dims, n->dims[i]);
    return count <= 4096;
}

void sample_graph(Sample *s, DType dtype, uint32_t nodes) {
    Graph *g = s->graph;
    uint32_t first = graph_size(g);
    s->reuse = true;
    for (uint32_t i = 0; i < nodes; i++) {
        Op op = (Op)sample_below(&s->rng, OP_COUNT - 1); /* extern: no sample */
        if (op >= OP_EXTERN) op = (Op)(op + 1);
        if (op == OP_GRAD || op == OP_STOP || op == OP_WINDOW) continue;
        NodeId id = sample_op(s, op, dtype);
        if (!node_is_none(id) && !small_enough(g, id)) break;
    }
    s->reuse = false;
    bool *used = ARENA_ARRAY(g->ctx->arena, bool, graph_size(g));
    for (uint32_t i = 0; i < graph_size(g); i++) {
        const GNode *n = graph_node(g, (NodeId){i});
        for (uint32_t k = 0; k < n->nargs; k++) used[n->args[k].id] = true;
    }
    for (uint32_t i = first; i < graph_size(g); i++)
        if (!used[i] && graph_node(g, (NodeId){i})->op != OP_SCAN)
            graph_output(g, ctx_sym(g->ctx, arena_printf(g->ctx->arena, "y%u", i)), (NodeId){i});
}
