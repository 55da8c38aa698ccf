/* One generator per op of ops.def: a random valid node, values away from kinks. NODE_NONE where the
 * op is not defined for the dtype. */
#include "compiler/graph/attention_op.h"
#include "compiler/graph/sample.h"
#include "compiler/graph/scan.h"

static const Span nowhere = {0};
static const SampleInput any = {.domain = SAMPLE_ANY};
static const SampleInput positive = {.domain = SAMPLE_POSITIVE};
static const SampleInput lattice[2] = {{.domain = SAMPLE_LATTICE, .phase = 0},
                                       {.domain = SAMPLE_LATTICE, .phase = 1}};
static const SampleInput fraction = {.domain = SAMPLE_FRACTION};

static bool numeric(DType t) {
    return t != DTYPE_BOOL;
}
static bool logical(DType t) {
    return t == DTYPE_BOOL || dtype_is_integer(t);
}
static DimId size(Sample *s, int64_t value) {
    return dim_const(s->graph->dims, value);
}
static bool coin(Sample *s) {
    return sample_below(&s->rng, 2) == 1;
}

/* ---- leaves */

NodeId sample_INPUT(Sample *s, DType dtype) {
    Shape shape = sample_shape(s, 0, 3);
    bool reuse = s->reuse;
    s->reuse = false;
    NodeId id = sample_operand(s, dtype, &shape, any);
    s->reuse = reuse;
    return id;
}
NodeId sample_READ(Sample *s, DType dtype) {
    return g_read(s->graph, (uint32_t)dtype, nowhere);
}
NodeId sample_CONST(Sample *s, DType dtype) {
    Shape shape = {.rank = 2, .dims = {size(s, 2), size(s, 3)}};
    int64_t words[6];
    for (int i = 0; i < 6; i++)
        words[i] = dtype_word_from_f64(dtype, (double)sample_below(&s->rng, 5));
    return graph_add(s->graph, OP_CONST, dtype, &shape, NULL, 0, words, coin(s) ? 6 : 1, nowhere);
}
NodeId sample_IOTA(Sample *s, DType dtype) {
    Shape shape = sample_shape(s, 1, 3);
    if (!numeric(dtype)) return NODE_NONE;
    return g_iota(s->graph, dtype, &shape, sample_below(&s->rng, shape.rank), nowhere);
}
NodeId sample_RANDOM(Sample *s, DType dtype) {
    Shape shape = sample_shape(s, 0, 3);
    if (dtype != DTYPE_F32) return NODE_NONE;
    return g_random(s->graph, &shape, sample_bits(&s->rng), sample_below(&s->rng, 9), nowhere);
}
NodeId sample_SIZE(Sample *s, DType dtype) {
    DimId d = dim_add(s->graph->dims, s->batch, size(s, 2));
    return numeric(dtype) ? g_size(s->graph, dtype, coin(s) ? d : size(s, 7), nowhere) : NODE_NONE;
}
NodeId sample_CLOCK(Sample *s, DType dtype) {
    int64_t which = sample_below(&s->rng, 3);
    if (dtype != DTYPE_F32 && dtype != DTYPE_F64) return NODE_NONE;
    return graph_add(s->graph, OP_CLOCK, dtype, NULL, NULL, 0, &which, 1, nowhere);
}

/* ---- elementwise */

static NodeId unary(Sample *s, Op op, DType dtype, SampleInput in) {
    return g_unary(s->graph, op, sample_any_operand(s, dtype, 0, in), nowhere);
}
static NodeId binary(Sample *s, Op op, DType dtype, SampleInput a, SampleInput b) {
    NodeId x = sample_any_operand(s, dtype, 0, a);
    Shape shape = graph_shape(s->graph, x);
    return g_binary(s->graph, op, x, sample_operand(s, dtype, &shape, b), nowhere);
}

#define SAMPLE_UNARY(NAME, condition, in)                                                          \
    NodeId sample_##NAME(Sample *s, DType dtype) {                                                 \
        return (condition) ? unary(s, OP_##NAME, dtype, in) : NODE_NONE;                           \
    }
#define SAMPLE_BINARY(NAME, condition, a, b)                                                       \
    NodeId sample_##NAME(Sample *s, DType dtype) {                                                 \
        return (condition) ? binary(s, OP_##NAME, dtype, a, b) : NODE_NONE;                        \
    }
#define RANGE(from, to) ((SampleInput){.domain = SAMPLE_RANGE, .low = (from), .high = (to)})

SAMPLE_UNARY(NEG, numeric(dtype), any)
SAMPLE_UNARY(ABS, numeric(dtype), lattice[0])
SAMPLE_UNARY(SIGN, numeric(dtype), lattice[0])
SAMPLE_UNARY(FLOOR, dtype_is_float(dtype), fraction)
SAMPLE_UNARY(EXP, dtype_is_float(dtype), any)
SAMPLE_UNARY(LOG, dtype_is_float(dtype), positive)
SAMPLE_UNARY(EXPM1, dtype_is_float(dtype), any)
SAMPLE_UNARY(LOG1P, dtype_is_float(dtype), positive)
SAMPLE_UNARY(SQRT, dtype_is_float(dtype), positive)
SAMPLE_UNARY(SIN, dtype_is_float(dtype), any)
SAMPLE_UNARY(COS, dtype_is_float(dtype), any)
SAMPLE_UNARY(TANH, dtype_is_float(dtype), any)
SAMPLE_UNARY(ERF, dtype_is_float(dtype), any)
SAMPLE_UNARY(NOT, logical(dtype), any)
SAMPLE_UNARY(STOP, true, any)
SAMPLE_BINARY(ADD, numeric(dtype), any, any)
SAMPLE_BINARY(SUB, numeric(dtype), any, any)
SAMPLE_BINARY(MUL, numeric(dtype), any, any)
SAMPLE_BINARY(DIV, numeric(dtype), any, positive)
/* the quotient stays between 2 and 2.8: no jump */
SAMPLE_BINARY(MOD, numeric(dtype), dtype_is_float(dtype) ? RANGE(2.3, 2.7) : any,
              dtype_is_float(dtype) ? RANGE(1.0, 1.1) : positive)
SAMPLE_BINARY(POW, dtype_is_float(dtype), positive, any)
SAMPLE_BINARY(MAX, numeric(dtype), lattice[0], lattice[1])
SAMPLE_BINARY(MIN, numeric(dtype), lattice[0], lattice[1])
SAMPLE_BINARY(LESS, numeric(dtype), lattice[0], lattice[1])
SAMPLE_BINARY(EQUAL, true, any, any)
SAMPLE_BINARY(AND, logical(dtype), any, any)
SAMPLE_BINARY(OR, logical(dtype), any, any)

/* From another dtype to `dtype`; between floats most of the time, because those have a gradient. */
NodeId sample_CAST(Sample *s, DType dtype) {
    DType from = (DType)sample_below(&s->rng, DTYPE_COUNT);
    if (dtype_is_float(dtype) && coin(s)) from = dtype == DTYPE_F64 ? DTYPE_F32 : DTYPE_F64;
    if (from == dtype) from = dtype == DTYPE_I32 ? DTYPE_F32 : DTYPE_I32;
    NodeId x = sample_any_operand(s, from, 0, dtype_is_float(dtype) ? any : fraction);
    return g_cast(s->graph, dtype, x, nowhere);
}

NodeId sample_SELECT(Sample *s, DType dtype) {
    NodeId x = sample_any_operand(s, dtype, 0, any);
    Shape shape = graph_shape(s->graph, x);
    NodeId cond = sample_operand(s, DTYPE_BOOL, &shape, any);
    return g_select(s->graph, cond, x, sample_operand(s, dtype, &shape, any), nowhere);
}

NodeId sample_FMA(Sample *s, DType dtype) {
    if (!dtype_is_float(dtype)) return NODE_NONE;
    NodeId x = sample_any_operand(s, dtype, 0, any);
    Shape shape = graph_shape(s->graph, x);
    NodeId args[3] = {x, sample_operand(s, dtype, &shape, any),
                      sample_operand(s, dtype, &shape, any)};
    return graph_add(s->graph, OP_FMA, DTYPE_COUNT, NULL, args, 3, NULL, 0, nowhere);
}

/* ---- views */

NodeId sample_RESHAPE(Sample *s, DType dtype) {
    NodeId x = sample_any_operand(s, dtype, 1, any);
    Shape from = graph_shape(s->graph, x), to = {.rank = 0};
    if (coin(s)) to.dims[to.rank++] = size(s, 1);
    uint32_t merged = sample_below(&s->rng, from.rank); /* this axis joins the one before */
    for (uint32_t i = 0; i < from.rank; i++) {
        if (i > 0 && i == merged)
            to.dims[to.rank - 1] = dim_mul(s->graph->dims, to.dims[to.rank - 1], from.dims[i]);
        else
            to.dims[to.rank++] = from.dims[i];
    }
    if (merged == 0) to.dims[to.rank++] = size(s, 1);
    return g_reshape(s->graph, x, &to, nowhere);
}

static void shuffle(Sample *s, uint32_t *order, uint32_t count) {
    for (uint32_t i = count; i > 1; i--) {
        uint32_t k = sample_below(&s->rng, i), swap = order[i - 1];
        order[i - 1] = order[k];
        order[k] = swap;
    }
}

NodeId sample_PERMUTE(Sample *s, DType dtype) {
    NodeId x = sample_any_operand(s, dtype, 2, any);
    uint32_t rank = graph_node(s->graph, x)->rank, perm[RANK_MAX];
    for (uint32_t i = 0; i < rank; i++) perm[i] = i;
    shuffle(s, perm, rank);
    if (perm[0] == 0) { /* so that it does something */
        perm[0] = perm[rank - 1];
        perm[rank - 1] = 0;
    }
    return g_permute(s->graph, x, perm, nowhere);
}

NodeId sample_BROADCAST(Sample *s, DType dtype) {
    NodeId x = sample_any_operand(s, dtype, 0, any);
    Shape from = graph_shape(s->graph, x), to = {.rank = 0};
    int32_t source[RANK_MAX];
    uint32_t added = sample_below(&s->rng, from.rank + 1);
    for (uint32_t i = 0; i <= from.rank; i++) {
        if (i == added) {
            source[to.rank] = -1;
            to.dims[to.rank++] = size(s, 1 + sample_below(&s->rng, 3));
        }
        if (i == from.rank) break;
        source[to.rank] = (int32_t)i;
        to.dims[to.rank++] = from.dims[i];
    }
    return g_broadcast(s->graph, x, &to, source, nowhere);
}

NodeId sample_SLICE(Sample *s, DType dtype) {
    NodeId x = sample_any_operand(s, dtype, 1, any);
    Shape shape = graph_shape(s->graph, x);
    DimId first[RANK_MAX], extent[RANK_MAX];
    int64_t step[RANK_MAX];
    for (uint32_t i = 0; i < shape.rank; i++) {
        first[i] = size(s, 0);
        extent[i] = shape.dims[i];
        step[i] = 1;
        if (!dim_is_const(s->graph->dims, shape.dims[i])) continue;
        int64_t n = dim_value(s->graph->dims, shape.dims[i]);
        if (n <= 0) continue;
        int64_t start = sample_below(&s->rng, (uint32_t)n);
        step[i] = 1 + sample_below(&s->rng, 2);
        first[i] = size(s, start);
        extent[i] = size(s, (n - start + step[i] - 1) / step[i]);
    }
    return g_slice(s->graph, x, first, extent, step, nowhere);
}

NodeId sample_PAD(Sample *s, DType dtype) {
    NodeId x = sample_any_operand(s, dtype, 1, any);
    Shape scalar = {.rank = 0};
    NodeId value = sample_operand(s, dtype, &scalar, any);
    DimId low[RANK_MAX], high[RANK_MAX];
    int64_t interior[RANK_MAX];
    for (uint32_t i = 0; i < graph_node(s->graph, x)->rank; i++) {
        low[i] = size(s, sample_below(&s->rng, 3));
        high[i] = size(s, sample_below(&s->rng, 3));
        interior[i] = sample_below(&s->rng, 3);
    }
    return g_pad(s->graph, x, value, low, high, interior, nowhere);
}

NodeId sample_REVERSE(Sample *s, DType dtype) {
    NodeId x = sample_any_operand(s, dtype, 1, any);
    uint32_t axis = sample_below(&s->rng, graph_node(s->graph, x)->rank);
    return g_reverse(s->graph, x, &axis, 1, nowhere);
}

NodeId sample_AGAIN(Sample *s, DType dtype) {
    NodeId x = sample_any_operand(s, dtype, 0, any);
    NodeId token = sample_any_operand(s, dtype, 0, any);
    return g_again(s->graph, x, token, sample_below(&s->rng, 3), nowhere);
}

NodeId sample_CONCAT(Sample *s, DType dtype) {
    NodeId parts[3] = {sample_any_operand(s, dtype, 1, any)};
    Shape shape = graph_shape(s->graph, parts[0]);
    uint32_t axis = sample_below(&s->rng, shape.rank), count = 2 + sample_below(&s->rng, 2);
    for (uint32_t i = 1; i < count; i++) {
        shape.dims[axis] = size(s, 1 + sample_below(&s->rng, s->max_dim));
        parts[i] = sample_operand(s, dtype, &shape, any);
    }
    return g_concat(s->graph, parts, count, axis, nowhere);
}

/* One window axis of a sequence; its taps are absent at the margins, so only a sum may follow: the
 * node given back is that sum over the taps. */
NodeId sample_WINDOW(Sample *s, DType dtype) {
    if (!numeric(dtype)) return NODE_NONE;
    Shape shape = {.rank = 2, .dims = {size(s, 2), size(s, 6 + sample_below(&s->rng, 3))}};
    NodeId x = sample_operand(s, dtype, &shape, any);
    WindowAxis axis = {.axis = 1};
    axis.size = 1 + sample_below(&s->rng, 3);
    axis.stride = 1 + sample_below(&s->rng, 2);
    axis.dilation = 1 + sample_below(&s->rng, 2);
    axis.low = sample_below(&s->rng, 2);
    axis.high = (int64_t)sample_below(&s->rng, 3) - 1;
    axis.spacing = 1 + sample_below(&s->rng, 2);
    NodeId w = g_window(s->graph, x, &axis, 1, nowhere);
    uint32_t taps = 2;
    return g_reduce(s->graph, OP_SUM, w, &taps, 1, nowhere);
}

/* ---- reductions */

static NodeId reduction(Sample *s, Op op, DType dtype, SampleInput in) {
    if (!numeric(dtype)) return NODE_NONE;
    NodeId x = sample_any_operand(s, dtype, 1, in);
    uint32_t rank = graph_node(s->graph, x)->rank, axes[RANK_MAX], count = 0;
    uint32_t sure = sample_below(&s->rng, rank);
    for (uint32_t i = 0; i < rank; i++)
        if (i == sure || coin(s)) axes[count++] = i;
    return g_reduce(s->graph, op, x, axes, count, nowhere);
}

NodeId sample_SUM(Sample *s, DType dtype) {
    return reduction(s, OP_SUM, dtype, any);
}
NodeId sample_REDUCE_MAX(Sample *s, DType dtype) {
    return reduction(s, OP_REDUCE_MAX, dtype, lattice[0]);
}
NodeId sample_REDUCE_MIN(Sample *s, DType dtype) {
    return reduction(s, OP_REDUCE_MIN, dtype, lattice[0]);
}
NodeId sample_ARGMAX(Sample *s, DType dtype) {
    if (!numeric(dtype)) return NODE_NONE;
    NodeId x = sample_any_operand(s, dtype, 1, lattice[0]);
    uint32_t axis = sample_below(&s->rng, graph_node(s->graph, x)->rank);
    return g_reduce(s->graph, OP_ARGMAX, x, &axis, 1, nowhere);
}

/* Every label goes to a, to b or to both, and to the result or to the sum. */
NodeId sample_CONTRACT(Sample *s, DType dtype) {
    if (!numeric(dtype)) return NODE_NONE;
    uint32_t labels = 2 + sample_below(&s->rng, 3), out[8], reduced[8], nout = 0, nreduced = 0;
    uint32_t la[8], lb[8];
    Shape a = {.rank = 0}, b = {.rank = 0};
    for (uint32_t i = 0; i < labels; i++) {
        DimId d = size(s, 1 + sample_below(&s->rng, s->max_dim));
        if (i == 0 && s->symbolic && sample_below(&s->rng, 4) == 0) d = s->batch;
        uint32_t where = sample_below(&s->rng, 3); /* a, b, both */
        bool sum = i == 1 || (i > 1 && coin(s));
        if (sum) where = sample_below(&s->rng, 5) == 0 ? where : 2;
        if (where != 1) la[a.rank] = i, a.dims[a.rank++] = d;
        if (where != 0) lb[b.rank] = i, b.dims[b.rank++] = d;
        if (sum)
            reduced[nreduced++] = i;
        else
            out[nout++] = i;
    }
    shuffle(s, out, nout);
    shuffle(s, reduced, nreduced);
    NodeId x = sample_operand(s, dtype, &a, any), y = sample_operand(s, dtype, &b, any);
    return g_contract(s->graph, x, la, y, lb, out, nout, reduced, nreduced, nowhere);
}

/* ---- indexing */

static NodeId index_input(Sample *s, const Shape *shape, int64_t limit) {
    DType t = coin(s) ? DTYPE_I32 : DTYPE_I64;
    return sample_operand(s, t, shape, (SampleInput){.domain = SAMPLE_INDEX, .limit = limit});
}

NodeId sample_GATHER(Sample *s, DType dtype) {
    int64_t rows = 2 + sample_below(&s->rng, s->max_dim), columns = 2 + sample_below(&s->rng, 3);
    Shape shape = {.rank = 3, .dims = {size(s, rows), size(s, 2), size(s, columns)}};
    Shape index_shape = sample_shape(s, 0, 2);
    NodeId x = sample_operand(s, dtype, &shape, any), index[2];
    bool both = coin(s);
    index[0] = index_input(s, &index_shape, rows);
    if (both) index[1] = index_input(s, &index_shape, columns);
    return g_gather(s->graph, x, index, (uint32_t[]){0, 2}, both ? 2 : 1, nowhere);
}

NodeId sample_ARGSORT(Sample *s, DType dtype) {
    if (!numeric(dtype)) return NODE_NONE;
    return g_argsort(s->graph, sample_any_operand(s, dtype, 1, coin(s) ? any : lattice[0]),
                     nowhere);
}

/* Fresh operands in random layouts, with or without a mask. */
static NodeId sample_attention(Sample *s, bool gradient) {
    bool heads = coin(s), swap = heads && coin(s), causal = coin(s);
    uint32_t batch = heads ? 2 : 1, rank = batch + 2, nargs = 0, nattr = ATTENTION_ATTR;
    DimId t = size(s, 1 + sample_below(&s->rng, 37));
    DimId dims[2 + ROLES] = {coin(s) && s->symbolic ? s->batch : size(s, 2), size(s, 2)};
    dims[batch + ROLE_T] = t;
    dims[batch + ROLE_S] = causal ? t : size(s, 1 + sample_below(&s->rng, 37));
    for (uint32_t i = ROLE_D; i <= ROLE_E; i++) dims[batch + i] = size(s, coin(s) ? 16 : 48);
    static const uint8_t roles[ATTENTION_VALUES][2] = {
        {ROLE_T, ROLE_D}, {ROLE_S, ROLE_D}, {ROLE_S, ROLE_E}, {ROLE_T, ROLE_E},
        {ROLE_T, ROLE_E}, {ROLE_T, ROLE_D}, {ROLE_S, ROLE_D}, {ROLE_S, ROLE_E}};
    int64_t attr[64] = {0, causal, 0x3E800000, batch};
    NodeId args[7];
    for (uint32_t v = 0; v < (gradient ? ATTENTION_VALUES : ATTENTION_DO); v++) {
        int64_t *list = attr + nattr;
        list[0] = 0;
        list[batch - 1] = batch - 1;
        list[batch] = batch + roles[v][0];
        list[batch + 1] = batch + roles[v][1];
        if (swap) { /* heads behind positions */
            list[1] = list[2];
            list[2] = 1;
        }
        nattr += rank;
        Shape shape = {.rank = rank};
        for (uint32_t i = 0; i < rank; i++) shape.dims[i] = dims[list[i]];
        if (v == ATTENTION_DO) {
            Shape sums = {.rank = batch + 1, .dims = {dims[0], dims[1]}};
            sums.dims[batch] = t;
            args[nargs++] = sample_operand(s, DTYPE_F32, &sums, any);
        }
        if (v <= ATTENTION_V || (gradient && v <= ATTENTION_DO))
            args[nargs++] = sample_operand(s, DTYPE_F32, &shape, any);
    }
    if (coin(s)) {
        Shape mask = {.rank = rank, .dims = {dims[0], dims[1]}};
        mask.dims[batch] = t;
        mask.dims[batch + 1] = dims[batch + ROLE_S];
        args[nargs++] = sample_operand(s, DTYPE_BOOL, &mask, any);
    }
    return g_attention(s->graph, gradient, sample_below(&s->rng, gradient ? 3 : 2), args, nargs,
                       attr, nattr, nowhere);
}
NodeId sample_ATTENTION(Sample *s, DType dtype) {
    return dtype == DTYPE_F32 ? sample_attention(s, false) : NODE_NONE;
}
NodeId sample_ATTENTION_GRAD(Sample *s, DType dtype) {
    return dtype == DTYPE_F32 ? sample_attention(s, true) : NODE_NONE;
}

/* The graph has no table of functions: tests/codegen/test_codegen_extern.c has. */
NodeId sample_EXTERN(Sample *s, DType dtype) {
    (void)s;
    (void)dtype;
    return NODE_NONE;
}

NodeId sample_SCATTER_ADD(Sample *s, DType dtype) {
    if (!numeric(dtype)) return NODE_NONE;
    int64_t rows = 2 + sample_below(&s->rng, s->max_dim);
    Shape shape = {.rank = 2, .dims = {size(s, rows), size(s, 3)}};
    Shape index_shape = sample_shape(s, 1, 2), updates = index_shape;
    updates.dims[updates.rank++] = size(s, 3);
    NodeId index = index_input(s, &index_shape, rows);
    NodeId u = sample_operand(s, dtype, &updates, any);
    return g_scatter_add(s->graph, &shape, u, &index, (uint32_t[]){0}, 1, nowhere);
}

NodeId sample_RANDOM_AT(Sample *s, DType dtype) {
    Shape shape = sample_shape(s, 0, 3), scalar = {.rank = 0};
    if (dtype != DTYPE_F32) return NODE_NONE;
    NodeId at = sample_operand(s, DTYPE_I64, &scalar, any);
    return g_random_at(s->graph, &shape, sample_bits(&s->rng), sample_below(&s->rng, 9), at,
                       nowhere);
}
NodeId sample_GRAD(Sample *s, DType dtype) {
    if (!dtype_is_float(dtype)) return NODE_NONE;
    NodeId x = sample_any_operand(s, dtype, 1, any);
    NodeId y = g_binary(s->graph, OP_MUL, x, g_unary(s->graph, OP_TANH, x, nowhere), nowhere);
    uint32_t axes[RANK_MAX], rank = graph_node(s->graph, x)->rank;
    for (uint32_t i = 0; i < rank; i++) axes[i] = i;
    return g_grad(s->graph, g_reduce(s->graph, OP_SUM, y, axes, rank, nowhere), x, nowhere);
}
