/* Random graphs over every op of ops.def but grad: small, with many special numbers, repeated
 * operands and one run-time size, so that rewrites find work. The growers are expanded from
 * ops.def: an op without one does not compile. */
#ifndef BMC_TESTS_RANDOM_GRAPH_H
#define BMC_TESTS_RANDOM_GRAPH_H

#include "tests/kit/graph_kit.h"
#include "tests/kit/random.h"
#include <math.h>

enum { GROW_MAX = 96, GROW_BATCH = 3 };

typedef struct Grow {
    Kit kit;
    Graph *g;
    Random random;
    DimId batch; /* symbol 0, GROW_BATCH at run time */
    NodeId pool[GROW_MAX];
    uint32_t count;
} Grow;

static inline uint32_t below(Grow *w, uint32_t n) {
    return random_below(&w->random, n);
}

/* A node of the pool, recent ones more often. */
static inline NodeId pick(Grow *w) {
    uint32_t recent = w->count < 6 ? w->count : 6;
    return below(w, 2) ? w->pool[w->count - 1 - below(w, recent)] : w->pool[below(w, w->count)];
}

typedef bool (*Wanted)(DType);
static inline bool want_any(DType t) {
    return t < DTYPE_COUNT;
}
static inline bool want_numeric(DType t) {
    return t != DTYPE_BOOL;
}
static inline bool want_logical(DType t) {
    return !dtype_is_float(t);
}
static inline NodeId pick_type(Grow *w, Wanted wanted) {
    for (int tries = 0; tries < 50; tries++) {
        NodeId id = pick(w);
        if (wanted(graph_node(w->g, id)->dtype)) return id;
    }
    return NODE_NONE;
}

static inline DType type_of(const Grow *w, NodeId id) {
    return graph_node(w->g, id)->dtype;
}

static inline NodeId number_like(Grow *w, NodeId x) {
    static const double numbers[] = {0,    -0.0, 1,         -1,       2,   -2,  0.5,
                                     0.25, 3,    -INFINITY, INFINITY, NAN, 7.5, 1e30};
    static const int64_t integers[] = {0, 1, -1, 2, 5};
    Shape shape = graph_shape(w->g, x);
    DType t = type_of(w, x);
    if (dtype_is_float(t)) return g_const(w->g, t, &shape, numbers[below(w, 14)], nowhere);
    if (t == DTYPE_BOOL) return g_const_int(w->g, t, &shape, below(w, 2), nowhere);
    int64_t value = integers[below(w, 5)];
    return g_const_int(w->g, t, &shape, value, nowhere);
}

/* Another operand of x's dtype and shape: of the pool, x itself, a number, or a stretched scalar.
 */
static inline NodeId partner(Grow *w, NodeId x) {
    Shape shape = graph_shape(w->g, x);
    if (below(w, 4) == 0) return number_like(w, x);
    for (uint32_t tries = 0; tries < w->count; tries++) {
        NodeId y = pick(w);
        const GNode *n = graph_node(w->g, y);
        bool same = n->dtype == type_of(w, x) && n->rank == shape.rank;
        for (uint32_t i = 0; same && i < shape.rank; i++)
            same = dim_same(n->dims[i], shape.dims[i]);
        if (same) return y;
        if (n->dtype == type_of(w, x) && n->rank == 0) return g_splat(w->g, y, &shape, nowhere);
    }
    return x;
}

static inline Shape grow_shape(Grow *w, uint32_t rank) {
    Shape shape = {.rank = rank};
    for (uint32_t i = 0; i < rank; i++)
        shape.dims[i] = below(w, 4) == 0 ? w->batch : dim_const(w->kit.dims, 1 + below(w, 4));
    return shape;
}

static inline bool is_fixed(const Grow *w, const Shape *shape) {
    for (uint32_t i = 0; i < shape->rank; i++)
        if (!dim_is_const(w->kit.dims, shape->dims[i])) return false;
    return true;
}

/* ---- leaves */
static inline NodeId grow_INPUT(Grow *w) {
    static const DType types[] = {DTYPE_F32, DTYPE_F32, DTYPE_F64, DTYPE_I32, DTYPE_U8, DTYPE_BOOL};
    char name[16];
    snprintf(name, sizeof name, "in%u", w->g->inputs.len);
    return kit_input(&w->kit, name, types[below(w, 6)], grow_shape(w, below(w, 4)));
}
static inline NodeId grow_READ(Grow *w) {
    return g_read(w->g, below(w, 2), nowhere);
}
static inline NodeId grow_CONST(Grow *w) {
    Shape shape = {.rank = 1, .dims = {dim_const(w->kit.dims, 3)}};
    int64_t words[3];
    for (int i = 0; i < 3; i++)
        words[i] = dtype_word_from_f64(DTYPE_F32, random_between(&w->random, -2, 2));
    if (below(w, 2)) return number_like(w, pick(w));
    return graph_add(w->g, OP_CONST, DTYPE_F32, &shape, NULL, 0, words, 3, nowhere);
}
static inline NodeId grow_IOTA(Grow *w) {
    Shape shape = grow_shape(w, 1 + below(w, 2));
    return g_iota(w->g, below(w, 2) ? DTYPE_I32 : DTYPE_F32, &shape, below(w, shape.rank), nowhere);
}
static inline NodeId grow_RANDOM(Grow *w) {
    Shape shape = grow_shape(w, below(w, 3));
    return g_random(w->g, &shape, random_bits(&w->random), below(w, 3), nowhere);
}
static inline NodeId grow_SIZE(Grow *w) {
    DimId dim = below(w, 2) ? w->batch : dim_const(w->kit.dims, 5);
    return g_size(w->g, below(w, 2) ? DTYPE_F32 : DTYPE_I32, dim, nowhere);
}
static inline NodeId grow_CLOCK(Grow *w) {
    Shape rank0 = {.rank = 0};
    int64_t which = below(w, 3);
    return graph_add(w->g, OP_CLOCK, DTYPE_F32, &rank0, NULL, 0, &which, 1, nowhere);
}

/* ---- elementwise */
#define GROW_UNARY(name, wanted)                                                                   \
    static inline NodeId grow_##name(Grow *w) {                                                    \
        NodeId x = pick_type(w, wanted);                                                           \
        return node_is_none(x) ? x : g_unary(w->g, OP_##name, x, nowhere);                         \
    }
GROW_UNARY(NEG, want_numeric)
GROW_UNARY(ABS, want_numeric)
GROW_UNARY(SIGN, want_numeric)
GROW_UNARY(FLOOR, dtype_is_float)
GROW_UNARY(EXP, dtype_is_float)
GROW_UNARY(LOG, dtype_is_float)
GROW_UNARY(SQRT, dtype_is_float)
GROW_UNARY(SIN, dtype_is_float)
GROW_UNARY(COS, dtype_is_float)
GROW_UNARY(TANH, dtype_is_float)
GROW_UNARY(ERF, dtype_is_float)
GROW_UNARY(EXPM1, dtype_is_float)
GROW_UNARY(LOG1P, dtype_is_float)
GROW_UNARY(NOT, want_logical)
GROW_UNARY(STOP, want_any)
static inline NodeId grow_CAST(Grow *w) {
    return g_cast(w->g, (DType)below(w, DTYPE_COUNT), pick(w), nowhere);
}
#define GROW_BINARY(name, wanted)                                                                  \
    static inline NodeId grow_##name(Grow *w) {                                                    \
        NodeId x = pick_type(w, wanted);                                                           \
        if (node_is_none(x)) return x;                                                             \
        NodeId y = partner(w, x);                                                                  \
        bool swap = below(w, 2);                                                                   \
        return g_binary(w->g, OP_##name, swap ? y : x, swap ? x : y, nowhere);                     \
    }
GROW_BINARY(ADD, want_numeric)
GROW_BINARY(SUB, want_numeric)
GROW_BINARY(MUL, want_numeric)
GROW_BINARY(DIV, want_numeric)
GROW_BINARY(MOD, want_numeric)
GROW_BINARY(MAX, want_numeric)
GROW_BINARY(MIN, want_numeric)
GROW_BINARY(LESS, want_numeric)
GROW_BINARY(EQUAL, want_any)
GROW_BINARY(AND, want_logical)
GROW_BINARY(OR, want_logical)
/* Not to a small whole number: that row changes rounding and has its own test. */
static inline NodeId grow_POW(Grow *w) {
    NodeId x = pick_type(w, dtype_is_float);
    if (node_is_none(x)) return x;
    return g_binary(w->g, OP_POW, x, kit_splat(&w->kit, x, below(w, 2) ? 0.5 : -3), nowhere);
}
static inline NodeId grow_SELECT(Grow *w) {
    NodeId x = pick(w), y = partner(w, x);
    Shape shape = graph_shape(w->g, x);
    NodeId like = g_const_int(w->g, DTYPE_BOOL, &shape, below(w, 2), nowhere);
    NodeId condition = partner(w, like);
    if (below(w, 3) == 0) condition = g_unary(w->g, OP_NOT, condition, nowhere);
    return g_select(w->g, condition, x, y, nowhere);
}
static inline NodeId grow_FMA(Grow *w) {
    NodeId x = pick_type(w, dtype_is_float);
    if (node_is_none(x)) return x;
    NodeId args[3] = {x, partner(w, x), partner(w, x)};
    return graph_add(w->g, OP_FMA, DTYPE_COUNT, NULL, args, 3, NULL, 0, nowhere);
}

/* ---- views */
static inline NodeId grow_RESHAPE(Grow *w) {
    NodeId x = pick(w);
    Shape from = graph_shape(w->g, x), to = from;
    if (from.rank == 0 || below(w, 3) == 0) {
        if (to.rank + 1 > 5) return NODE_NONE;
        to.dims[to.rank++] = dim_const(w->kit.dims, 1);
        return g_reshape(w->g, x, &to, nowhere);
    }
    to.rank = 1;
    to.dims[0] = dim_const(w->kit.dims, 1);
    for (uint32_t i = 0; i < from.rank; i++)
        to.dims[0] = dim_mul(w->kit.dims, to.dims[0], from.dims[i]);
    return g_reshape(w->g, x, &to, nowhere);
}
static inline NodeId grow_PERMUTE(Grow *w) {
    NodeId x = pick(w);
    uint32_t rank = graph_shape(w->g, x).rank, perm[RANK_MAX];
    for (uint32_t i = 0; i < rank; i++) perm[i] = i;
    for (uint32_t i = rank; i > 1; i--) {
        uint32_t j = below(w, i), t = perm[i - 1];
        perm[i - 1] = perm[j];
        perm[j] = t;
    }
    return g_permute(w->g, x, perm, nowhere);
}
static inline NodeId grow_BROADCAST(Grow *w) {
    NodeId x = pick(w);
    Shape from = graph_shape(w->g, x), to = {.rank = 0};
    int32_t map[RANK_MAX];
    if (from.rank > 3) return NODE_NONE;
    for (uint32_t i = 0; i <= from.rank; i++) {
        if (below(w, 3) == 0) {
            map[to.rank] = -1;
            to.dims[to.rank++] = below(w, 3) ? dim_const(w->kit.dims, 1 + below(w, 3)) : w->batch;
        }
        if (i == from.rank) break;
        map[to.rank] = (int32_t)i;
        to.dims[to.rank++] = from.dims[i];
    }
    return g_broadcast(w->g, x, &to, map, nowhere);
}
static inline NodeId grow_SLICE(Grow *w) {
    NodeId x = pick(w);
    Shape shape = graph_shape(w->g, x);
    DimId first[RANK_MAX], extent[RANK_MAX];
    int64_t step[RANK_MAX];
    for (uint32_t i = 0; i < shape.rank; i++) {
        first[i] = dim_const(w->kit.dims, 0);
        extent[i] = shape.dims[i];
        step[i] = 1;
        if (!dim_is_const(w->kit.dims, shape.dims[i])) continue;
        int64_t size = dim_value(w->kit.dims, shape.dims[i]);
        int64_t from = below(w, (uint32_t)size);
        step[i] = 1 + below(w, 2);
        int64_t most = (size - from - 1) / step[i] + 1;
        first[i] = dim_const(w->kit.dims, from);
        extent[i] = dim_const(w->kit.dims, 1 + below(w, (uint32_t)most));
    }
    return g_slice(w->g, x, first, extent, step, nowhere);
}
static inline NodeId grow_PAD(Grow *w) {
    NodeId x = pick(w);
    Shape shape = graph_shape(w->g, x), rank0 = {.rank = 0};
    DimId low[RANK_MAX], high[RANK_MAX], extent[RANK_MAX];
    int64_t interior[RANK_MAX], step[RANK_MAX];
    for (uint32_t i = 0; i < shape.rank; i++) {
        low[i] = dim_const(w->kit.dims, below(w, 2));
        high[i] = dim_const(w->kit.dims, below(w, 2));
        interior[i] = below(w, 2);
        step[i] = interior[i] + 1;
        extent[i] = shape.dims[i];
    }
    NodeId value = number_like(w, g_const_int(w->g, type_of(w, x), &rank0, 0, nowhere));
    NodeId padded = g_pad(w->g, x, value, low, high, interior, nowhere);
    return below(w, 2) ? padded : g_slice(w->g, padded, low, extent, step, nowhere);
}
static inline NodeId grow_REVERSE(Grow *w) {
    NodeId x = pick(w);
    uint32_t axes[RANK_MAX], count = 0;
    for (uint32_t i = 0; i < graph_shape(w->g, x).rank; i++)
        if (below(w, 2)) axes[count++] = i;
    return g_reverse(w->g, x, axes, count, nowhere);
}
static inline NodeId grow_AGAIN(Grow *w) {
    NodeId x = pick(w);
    return g_again(w->g, x, pick(w), below(w, 3), nowhere);
}
static inline NodeId grow_CONCAT(Grow *w) {
    NodeId x = pick(w), parts[3] = {x};
    uint32_t rank = graph_shape(w->g, x).rank, count = 1 + below(w, 3);
    if (rank == 0) return NODE_NONE;
    for (uint32_t i = 1; i < count; i++) parts[i] = partner(w, x);
    return g_concat(w->g, parts, count, below(w, rank), nowhere);
}
/* Taps outside the source are absent: a reduction skips them, whatever stands between. */
static inline NodeId grow_WINDOW(Grow *w) {
    NodeId x = pick_type(w, want_numeric);
    if (node_is_none(x)) return x;
    Shape shape = graph_shape(w->g, x);
    if (shape.rank == 0 || shape.rank > 3) return NODE_NONE;
    WindowAxis axis = {.axis = below(w, shape.rank), .dilation = 1, .low = 1};
    axis.size = 1 + below(w, 2);
    axis.stride = 1 + below(w, 2);
    axis.high = below(w, 2);
    axis.spacing = 1 + below(w, 2);
    NodeId taps = g_window(w->g, x, &axis, 1, nowhere);
    static const Op between[] = {OP_MUL, OP_SUB, OP_MAX, OP_ADD};
    for (uint32_t i = below(w, 3); i > 0; i--) {
        NodeId other = below(w, 2) ? taps : number_like(w, taps);
        taps = g_binary(w->g, between[below(w, 4)], taps, other, nowhere);
    }
    if (below(w, 3) == 0)
        taps = g_cast(w->g, DTYPE_F32, g_binary(w->g, OP_LESS, taps, taps, nowhere), nowhere);
    static const Op reductions[] = {OP_SUM, OP_REDUCE_MAX, OP_REDUCE_MIN};
    return g_reduce(w->g, reductions[below(w, 3)], taps, &shape.rank, 1, nowhere);
}

/* ---- reductions and indexing */
static inline NodeId grow_reduce(Grow *w, Op op) {
    NodeId x = pick_type(w, want_numeric);
    if (node_is_none(x)) return x;
    uint32_t rank = graph_shape(w->g, x).rank, axes[RANK_MAX], count = 0;
    if (rank == 0) return NODE_NONE;
    for (uint32_t i = 0; i < rank; i++)
        if (below(w, 2)) axes[count++] = i;
    if (count == 0) axes[count++] = below(w, rank);
    if (op == OP_ARGMAX) count = 1;
    return g_reduce(w->g, op, x, axes, count, nowhere);
}
static inline NodeId grow_SUM(Grow *w) {
    return grow_reduce(w, OP_SUM);
}
static inline NodeId grow_REDUCE_MAX(Grow *w) {
    return grow_reduce(w, OP_REDUCE_MAX);
}
static inline NodeId grow_REDUCE_MIN(Grow *w) {
    return grow_reduce(w, OP_REDUCE_MIN);
}
static inline NodeId grow_ARGSORT(Grow *w) {
    NodeId x = pick_type(w, want_numeric);
    if (node_is_none(x) || graph_shape(w->g, x).rank == 0) return NODE_NONE;
    return graph_shape(w->g, x).rank > 3 ? NODE_NONE : g_argsort(w->g, x, nowhere);
}
/* Made of other ops, by a pass: schedule/test_attention.c grows them. */
static inline NodeId grow_ATTENTION(Grow *w) {
    (void)w;
    return NODE_NONE;
}
static inline NodeId grow_ATTENTION_GRAD(Grow *w) {
    (void)w;
    return NODE_NONE;
}
static inline NodeId grow_EXTERN(Grow *w) {
    (void)w;
    return NODE_NONE; /* the graph has no table of functions: codegen/test_codegen_extern.c */
}
static inline NodeId grow_ARGMAX(Grow *w) {
    return grow_reduce(w, OP_ARGMAX);
}
/* Axes of equal size may share a label; the rest is kept or summed alone. */
static inline NodeId grow_CONTRACT(Grow *w) {
    NodeId x = pick_type(w, want_numeric);
    if (node_is_none(x)) return x;
    NodeId y = partner(w, x);
    for (int tries = 0; tries < 20 && below(w, 4); tries++) {
        NodeId other = pick(w);
        if (type_of(w, other) == type_of(w, x)) y = other;
    }
    Shape a = graph_shape(w->g, x), b = graph_shape(w->g, y);
    if (a.rank + b.rank > 6) return NODE_NONE;
    uint32_t la[RANK_MAX], lb[RANK_MAX], out[RANK_MAX], reduced[RANK_MAX], nout = 0, count = 0;
    bool shared[RANK_MAX] = {false};
    uint32_t labels = a.rank;
    for (uint32_t i = 0; i < a.rank; i++) la[i] = i;
    for (uint32_t j = 0; j < b.rank; j++) {
        lb[j] = labels++;
        for (uint32_t i = 0; i < a.rank; i++)
            if (!shared[i] && dim_same(a.dims[i], b.dims[j]) && below(w, 3)) {
                shared[i] = true;
                lb[j] = i;
                labels--;
                break;
            }
    }
    for (uint32_t l = 0; l < labels; l++)
        if (below(w, 2))
            out[nout++] = l;
        else
            reduced[count++] = l;
    return g_contract(w->g, x, la, y, lb, out, nout, reduced, count, nowhere);
}
static inline NodeId grow_index(Grow *w, const Shape *shape, DimId along) {
    if (below(w, 2) && shape->rank) { /* an iota that covers the axis */
        Shape at = *shape;
        uint32_t axis = below(w, at.rank);
        at.dims[axis] = along;
        return g_iota(w->g, DTYPE_I32, &at, axis, nowhere);
    }
    int64_t words[64];
    uint32_t count = 1;
    Shape at = *shape;
    for (uint32_t i = 0; i < at.rank; i++) {
        at.dims[i] = dim_const(w->kit.dims, 2);
        count *= 2;
    }
    for (uint32_t i = 0; i < count; i++)
        words[i] = dtype_word_from_int(DTYPE_I32, (int64_t)below(w, 5) - 1);
    return graph_add(w->g, OP_CONST, DTYPE_I32, &at, NULL, 0, words, count, nowhere);
}
static inline NodeId grow_GATHER(Grow *w) {
    NodeId x = pick(w);
    Shape shape = graph_shape(w->g, x), at = {.rank = below(w, 3)};
    if (shape.rank == 0 || shape.rank > 3) return NODE_NONE;
    for (uint32_t i = 0; i < at.rank; i++) at.dims[i] = dim_const(w->kit.dims, 2);
    uint32_t axis = below(w, shape.rank);
    NodeId index = grow_index(w, &at, shape.dims[axis]);
    return g_gather(w->g, x, &index, &axis, 1, nowhere);
}
static inline NodeId grow_SCATTER_ADD(Grow *w) {
    NodeId x = pick_type(w, want_numeric);
    if (node_is_none(x)) return x;
    Shape updates = graph_shape(w->g, x), at = {.rank = 1, .dims = {updates.dims[0]}};
    if (updates.rank == 0 || !is_fixed(w, &at)) return NODE_NONE;
    Shape to = updates;
    to.dims[0] = dim_const(w->kit.dims, 3);
    int64_t words[64];
    int64_t count = dim_value(w->kit.dims, at.dims[0]);
    if (count > 64) return NODE_NONE;
    for (int64_t i = 0; i < count; i++)
        words[i] = dtype_word_from_int(DTYPE_I32, (int64_t)below(w, 4));
    NodeId index =
        graph_add(w->g, OP_CONST, DTYPE_I32, &at, NULL, 0, words, (uint32_t)count, nowhere);
    return g_scatter_add(w->g, &to, x, &index, (uint32_t[]){0}, 1, nowhere);
}
/* Loops have tests of their own. */
static inline NodeId grow_SCAN(Grow *w) {
    (void)w;
    return NODE_NONE;
}
static inline NodeId grow_TAKE(Grow *w) {
    (void)w;
    return NODE_NONE;
}
static inline NodeId grow_RANDOM_AT(Grow *w) {
    (void)w;
    return NODE_NONE;
}
static inline NodeId grow_GRAD(Grow *w) {
    (void)w;
    return NODE_NONE; /* autodiff has run */
}

typedef NodeId (*Grower)(Grow *w);
static const Grower growers[OP_COUNT] = {
#define OP(name, text, arity, cls, diff) grow_##name,
#include "compiler/graph/ops.def"
#undef OP
};

/* Elements at run time. */
static inline int64_t grow_elements(const Grow *w, NodeId id) {
    const GNode *n = graph_node(w->g, id);
    int64_t symbols[1] = {GROW_BATCH}, count = 1, value;
    for (uint32_t i = 0; i < n->rank; i++) {
        ck_assert(dim_eval(w->kit.dims, n->dims[i], symbols, &value));
        count *= value;
    }
    return count;
}

/* Slots 0 and 1 must exist: f32 [2, 3] and f64 []. */
static inline void grow_graph(Grow *w, uint32_t nodes) {
    w->pool[w->count++] = grow_INPUT(w);
    w->pool[w->count++] = grow_READ(w);
    for (uint32_t tries = 0; w->count < nodes && tries < 20 * nodes; tries++) {
        uint32_t op = below(w, OP_COUNT - 1); /* extern: no generator */
        NodeId id = growers[op < OP_EXTERN ? op : op + 1](w);
        if (node_is_none(id) || grow_elements(w, id) > 2000) continue;
        w->pool[w->count++] = id;
    }
}

#endif
