/* Samples for the gradient check: for every differentiable op of ops.def a function that makes
 * random operands, away from kinks, and applies the op. The table is expanded from ops.def, so an
 * op without a sample does not compile. */
#ifndef BMC_TESTS_OP_SAMPLES_H
#define BMC_TESTS_OP_SAMPLES_H

#include "tests/kit/graph_kit.h"
#include "tests/kit/random.h"
#include <math.h>

enum { VARIABLES_MAX = 6, ELEMENTS_MAX = 2048 };

/* What the loss is differentiated by: an input, or (slot 0) a parameter. */
typedef struct Variable {
    NodeId node;
    DType dtype;
    uint32_t count;
    int32_t input; /* number, or -1: slot 0 */
    double value[ELEMENTS_MAX];
} Variable;

typedef struct Sample {
    Kit kit;
    Graph *g;
    Random random;
    Variable variables[VARIABLES_MAX];
    uint32_t variable_count;
    double step; /* of the central difference */
} Sample;

typedef NodeId (*SampleOp)(Sample *s);

/* ---- operands */

static inline uint32_t shape_count(const Sample *s, const Shape *shape) {
    int64_t count = 1;
    for (uint32_t i = 0; i < shape->rank; i++) count *= dim_value(s->kit.dims, shape->dims[i]);
    ck_assert_int_le(count, ELEMENTS_MAX);
    return (uint32_t)count;
}

/* `rank` axes of 1 to 4 elements. */
static inline Shape random_shape(Sample *s, uint32_t rank) {
    Shape shape = {.rank = rank};
    for (uint32_t i = 0; i < rank; i++)
        shape.dims[i] = dim_const(s->kit.dims, 1 + random_below(&s->random, 4));
    return shape;
}

static inline Variable *new_variable(Sample *s, NodeId node, const Shape *shape, DType dtype) {
    ck_assert_uint_lt(s->variable_count, VARIABLES_MAX);
    Variable *v = &s->variables[s->variable_count++];
    *v = (Variable){.node = node, .dtype = dtype, .count = shape_count(s, shape), .input = -1};
    return v;
}

static inline Variable *variable(Sample *s, Shape shape, double low, double high) {
    char name[8];
    snprintf(name, sizeof name, "x%u", s->variable_count);
    NodeId node = kit_input(&s->kit, name, DTYPE_F64, shape);
    Variable *v = new_variable(s, node, &shape, DTYPE_F64);
    v->input = (int32_t)s->g->inputs.len - 1;
    for (uint32_t i = 0; i < v->count; i++) v->value[i] = random_between(&s->random, low, high);
    return v;
}

static inline NodeId any(Sample *s, Shape shape) {
    return variable(s, shape, -1.5, 1.5)->node;
}
static inline NodeId positive(Sample *s, Shape shape) {
    return variable(s, shape, 0.3, 2.5)->node;
}
static inline NodeId above_minus_half(Sample *s, Shape shape) {
    return variable(s, shape, -0.5, 1.5)->node;
}
/* ±[0.4, 2] */
static inline NodeId nonzero(Sample *s, Shape shape) {
    Variable *v = variable(s, shape, 0.4, 2);
    for (uint32_t i = 0; i < v->count; i++)
        if (random_below(&s->random, 2)) v->value[i] = -v->value[i];
    return v->node;
}
/* Multiples of 0.1, plus `offset`: with different offsets never near each other. */
static inline NodeId on_grid(Sample *s, Shape shape, double offset) {
    Variable *v = variable(s, shape, 0, 1);
    for (uint32_t i = 0; i < v->count; i++)
        v->value[i] = 0.1 * ((int)random_below(&s->random, 30) - 15) + offset;
    return v->node;
}
/* All different, 0.1 apart, shuffled. */
static inline NodeId distinct(Sample *s, Shape shape) {
    Variable *v = variable(s, shape, 0, 1);
    for (uint32_t i = 0; i < v->count; i++) v->value[i] = 0.1 * i - 1;
    for (uint32_t i = v->count; i > 1; i--) {
        uint32_t j = random_below(&s->random, i);
        double t = v->value[i - 1];
        v->value[i - 1] = v->value[j];
        v->value[j] = t;
    }
    return v->node;
}

/* A constant tensor of random integers in [low, high]. */
static inline NodeId integers(Sample *s, Shape shape, DType dtype, int low, int high) {
    int64_t words[ELEMENTS_MAX];
    uint32_t count = shape_count(s, &shape);
    for (uint32_t i = 0; i < count; i++)
        words[i] = dtype_word_from_int(
            dtype, low + (int64_t)random_below(&s->random, (uint32_t)(high - low + 1)));
    return graph_add(s->g, OP_CONST, dtype, &shape, NULL, 0, words, count, nowhere);
}

static inline NodeId floats(Sample *s, Shape shape, double low, double high) {
    int64_t words[ELEMENTS_MAX];
    uint32_t count = shape_count(s, &shape);
    for (uint32_t i = 0; i < count; i++)
        words[i] = dtype_word_from_f64(DTYPE_F64, random_between(&s->random, low, high));
    return graph_add(s->g, OP_CONST, DTYPE_F64, &shape, NULL, 0, words, count, nowhere);
}

static inline uint32_t random_rank(Sample *s) {
    return random_below(&s->random, 4);
}
static inline Shape some_shape(Sample *s) {
    return random_shape(s, random_rank(s));
}
static inline int64_t dim_of(const Sample *s, DimId d) {
    return dim_value(s->kit.dims, d);
}
static inline DimId size(Sample *s, int64_t value) {
    return dim_const(s->kit.dims, value);
}

/* ---- leaves and elementwise */

static inline NodeId sample_INPUT(Sample *s) {
    return any(s, some_shape(s));
}
static inline NodeId sample_READ(Sample *s) {
    NodeId node = g_read(s->g, 0, nowhere);
    Shape shape = graph_shape(s->g, node);
    Variable *v = new_variable(s, node, &shape, DTYPE_F64);
    for (uint32_t i = 0; i < v->count; i++) v->value[i] = random_between(&s->random, -1, 1);
    return node;
}
#define SAMPLE_UNARY(name, operand)                                                                \
    static inline NodeId sample_##name(Sample *s) {                                                \
        return g_unary(s->g, OP_##name, operand(s, some_shape(s)), nowhere);                       \
    }
SAMPLE_UNARY(NEG, any)
SAMPLE_UNARY(ABS, nonzero)
SAMPLE_UNARY(EXP, any)
SAMPLE_UNARY(LOG, positive)
SAMPLE_UNARY(EXPM1, any)
SAMPLE_UNARY(LOG1P, above_minus_half)
SAMPLE_UNARY(SQRT, positive)
SAMPLE_UNARY(SIN, any)
SAMPLE_UNARY(COS, any)
SAMPLE_UNARY(TANH, any)
SAMPLE_UNARY(ERF, any)

/* Down to f32 and up again, or up from f32: on values and with a step that f32 holds. The loss is a
 * polynomial of degree 2 then, so that the difference is exact whatever the step. */
static inline NodeId sample_CAST(Sample *s) {
    bool down = random_below(&s->random, 2);
    s->step = 1;
    Shape shape = some_shape(s);
    NodeId x = kit_input(&s->kit, "x0", down ? DTYPE_F64 : DTYPE_F32, shape);
    Variable *v = new_variable(s, x, &shape, down ? DTYPE_F64 : DTYPE_F32);
    v->input = 0;
    for (uint32_t i = 0; i < v->count; i++)
        v->value[i] = 0x1p-5 * ((int)random_below(&s->random, 64) - 32);
    if (down) x = g_cast(s->g, DTYPE_F32, x, nowhere);
    return g_cast(s->g, DTYPE_F64, x, nowhere);
}

#define SAMPLE_BINARY(name, first, second)                                                         \
    static inline NodeId sample_##name(Sample *s) {                                                \
        Shape shape = some_shape(s);                                                               \
        NodeId a = first, b = second;                                                              \
        return g_binary(s->g, OP_##name, a, b, nowhere);                                           \
    }
SAMPLE_BINARY(ADD, any(s, shape), any(s, shape))
SAMPLE_BINARY(SUB, any(s, shape), any(s, shape))
SAMPLE_BINARY(DIV, any(s, shape), nonzero(s, shape))
SAMPLE_BINARY(MAX, on_grid(s, shape, 0), on_grid(s, shape, 0.05))
SAMPLE_BINARY(MIN, on_grid(s, shape, 0), on_grid(s, shape, 0.05))

/* Also a square: one operand twice. */
static inline NodeId sample_MUL(Sample *s) {
    Shape shape = some_shape(s);
    NodeId a = any(s, shape), b = random_below(&s->random, 3) ? any(s, shape) : a;
    return g_binary(s->g, OP_MUL, a, b, nowhere);
}

/* a / b is kept off the integers. */
static inline NodeId sample_MOD(Sample *s) {
    Shape shape = some_shape(s);
    Variable *a = variable(s, shape, 0.2, 0.8), *b = variable(s, shape, 0.5, 2);
    for (uint32_t i = 0; i < a->count; i++) {
        if (random_below(&s->random, 2)) b->value[i] = -b->value[i];
        a->value[i] = (a->value[i] + (int)random_below(&s->random, 5) - 2) * b->value[i];
    }
    return g_binary(s->g, OP_MOD, a->node, b->node, nowhere);
}

/* A constant exponent of either sign and any base, or both variable and the base positive. */
static inline NodeId sample_POW(Sample *s) {
    static const double exponents[] = {0, 1, 2, 3, 4, -1, -2, 0.5, 1.7};
    Shape shape = some_shape(s);
    if (random_below(&s->random, 2))
        return g_binary(s->g, OP_POW, positive(s, shape), any(s, shape), nowhere);
    double n = exponents[random_below(&s->random, sizeof exponents / sizeof *exponents)];
    NodeId x = n == floor(n) ? nonzero(s, shape) : positive(s, shape);
    return g_binary(s->g, OP_POW, x, kit_splat(&s->kit, x, n), nowhere);
}

static inline NodeId sample_SELECT(Sample *s) {
    Shape shape = some_shape(s);
    NodeId c = integers(s, shape, DTYPE_BOOL, 0, 1), a = any(s, shape), b = any(s, shape);
    return g_select(s->g, c, a, b, nowhere);
}

static inline NodeId sample_FMA(Sample *s) {
    Shape shape = some_shape(s);
    NodeId args[3] = {any(s, shape), any(s, shape), any(s, shape)};
    return graph_add(s->g, OP_FMA, DTYPE_COUNT, NULL, args, 3, NULL, 0, nowhere);
}

/* ---- views */

static inline NodeId sample_RESHAPE(Sample *s) {
    Shape from = random_shape(s, 3), to = {.rank = 2};
    to.dims[0] = dim_mul(s->kit.dims, from.dims[0], from.dims[1]);
    to.dims[1] = from.dims[2];
    return g_reshape(s->g, any(s, from), &to, nowhere);
}

static inline void random_permutation(Sample *s, uint32_t *perm, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) perm[i] = i;
    for (uint32_t i = count; i > 1; i--) {
        uint32_t j = random_below(&s->random, i), t = perm[i - 1];
        perm[i - 1] = perm[j];
        perm[j] = t;
    }
}

static inline NodeId sample_PERMUTE(Sample *s) {
    uint32_t perm[4];
    random_permutation(s, perm, 4);
    return g_permute(s->g, any(s, random_shape(s, 4)), perm, nowhere);
}

static inline NodeId sample_BROADCAST(Sample *s) {
    Shape to = random_shape(s, 4), from = {.rank = 0};
    int32_t map[4];
    for (uint32_t i = 0; i < 4; i++) {
        map[i] = -1;
        if (random_below(&s->random, 2)) continue;
        map[i] = (int32_t)from.rank;
        from.dims[from.rank++] = to.dims[i];
    }
    return g_broadcast(s->g, any(s, from), &to, map, nowhere);
}

static inline NodeId sample_SLICE(Sample *s) {
    Shape shape = {.rank = 2};
    DimId first[2], extent[2];
    int64_t step[2];
    for (uint32_t i = 0; i < 2; i++) {
        uint32_t count = 1 + random_below(&s->random, 3), skip = random_below(&s->random, 3);
        step[i] = 1 + random_below(&s->random, 3);
        first[i] = size(s, skip);
        extent[i] = size(s, count);
        shape.dims[i] = size(s, skip + (count - 1) * step[i] + 1 + random_below(&s->random, 3));
    }
    return g_slice(s->g, any(s, shape), first, extent, step, nowhere);
}

static inline NodeId sample_PAD(Sample *s) {
    DimId low[2], high[2];
    int64_t interior[2];
    for (uint32_t i = 0; i < 2; i++) {
        low[i] = size(s, random_below(&s->random, 3));
        high[i] = size(s, random_below(&s->random, 3));
        interior[i] = random_below(&s->random, 3);
    }
    NodeId x = any(s, random_shape(s, 2)), value = any(s, random_shape(s, 0));
    return g_pad(s->g, x, value, low, high, interior, nowhere);
}

static inline NodeId sample_REVERSE(Sample *s) {
    uint32_t axes[3], count = 0;
    for (uint32_t i = 0; i < 3; i++)
        if (random_below(&s->random, 2)) axes[count++] = i;
    return g_reverse(s->g, any(s, random_shape(s, 3)), axes, count, nowhere);
}

static inline NodeId sample_AGAIN(Sample *s) {
    NodeId x = any(s, some_shape(s));
    return g_again(s->g, x, any(s, some_shape(s)), 1, nowhere);
}

static inline NodeId sample_CONCAT(Sample *s) {
    NodeId parts[3];
    Shape shape = random_shape(s, 3);
    uint32_t axis = random_below(&s->random, 3), count = 1 + random_below(&s->random, 3);
    for (uint32_t i = 0; i < count; i++) {
        shape.dims[axis] = size(s, 1 + random_below(&s->random, 3));
        parts[i] = i == 2 && random_below(&s->random, 2) ? parts[0] : any(s, shape);
    }
    return g_concat(s->g, parts, count, axis, nowhere);
}

static inline NodeId sample_WINDOW(Sample *s) {
    Shape shape = random_shape(s, 3);
    WindowAxis axis[2];
    uint32_t count = 1 + random_below(&s->random, 2), skip = random_below(&s->random, 2);
    for (uint32_t k = 0; k < count; k++) {
        WindowAxis *w = &axis[k];
        w->axis = k + skip;
        w->size = 1 + random_below(&s->random, 3);
        w->stride = 1 + random_below(&s->random, 3);
        w->dilation = 1 + random_below(&s->random, 2);
        w->low = (int64_t)random_below(&s->random, 4) - 1;
        w->high = (int64_t)random_below(&s->random, 4) - 1;
        w->spacing = 1 + random_below(&s->random, 2);
        int64_t need = (w->size - 1) * w->dilation + 1 - w->low - w->high;
        int64_t given = need > 1 ? need : 1;
        shape.dims[w->axis] = size(s, given + random_below(&s->random, 4));
    }
    NodeId x = any(s, shape);
    return g_window(s->g, x, axis, count, nowhere);
}

/* ---- reductions, contract, indexing */

static inline NodeId sample_reduce(Sample *s, Op op, NodeId x) {
    uint32_t axes[3], count = 0;
    for (uint32_t i = 0; i < 3; i++)
        if (random_below(&s->random, 2)) axes[count++] = i;
    if (count == 0) axes[count++] = random_below(&s->random, 3);
    return g_reduce(s->g, op, x, axes, count, nowhere);
}
/* The taps of windows over some axes of x [.., .., ..], every window with one that exists. */
static inline NodeId taps_of(Sample *s, NodeId (*operand)(Sample *s, Shape shape), uint32_t *axes,
                             uint32_t *count) {
    Shape shape = random_shape(s, 3);
    WindowAxis window[2];
    *count = 1 + random_below(&s->random, 2);
    for (uint32_t k = 0; k < *count; k++) {
        int64_t size_of = 1 + random_below(&s->random, 3);
        window[k] = (WindowAxis){.axis = k, .size = size_of, .dilation = 1, .spacing = 1};
        window[k].stride = 1 + random_below(&s->random, 3);
        window[k].low = random_below(&s->random, (uint32_t)size_of);
        window[k].high = random_below(&s->random, (uint32_t)size_of);
        shape.dims[k] = size(s, size_of + random_below(&s->random, 3));
        axes[k] = 3 + k;
    }
    return g_window(s->g, operand(s, shape), window, *count, nowhere);
}
static inline NodeId reduced_taps(Sample *s, Op op, NodeId (*operand)(Sample *s, Shape shape)) {
    uint32_t axes[2], count;
    NodeId taps = taps_of(s, operand, axes, &count);
    return g_reduce(s->g, op, taps, axes, count, nowhere);
}

static inline NodeId sample_SUM(Sample *s) {
    if (random_below(&s->random, 2)) return reduced_taps(s, OP_SUM, any);
    return sample_reduce(s, OP_SUM, any(s, random_shape(s, 3)));
}
static inline NodeId sample_REDUCE_MAX(Sample *s) {
    if (random_below(&s->random, 2)) return reduced_taps(s, OP_REDUCE_MAX, distinct);
    return sample_reduce(s, OP_REDUCE_MAX, distinct(s, random_shape(s, 3)));
}
static inline NodeId sample_REDUCE_MIN(Sample *s) {
    if (random_below(&s->random, 2)) return reduced_taps(s, OP_REDUCE_MIN, distinct);
    return sample_reduce(s, OP_REDUCE_MIN, distinct(s, random_shape(s, 3)));
}

/* A convolution in its three forms: y[b,h,w,o] of x[b,h,w,c] and k[i,j,c,o], the weights' gradient
 * (windows are summed over), channels of their own (no o); any margins, strides, holes. */
static inline NodeId sample_convolution(Sample *s) {
    enum { B, H, W, C, I, J, O };
    Shape x = random_shape(s, 4), k = random_shape(s, 4);
    WindowAxis window[2];
    uint32_t form = random_below(&s->random, 3);
    for (uint32_t i = 0; i < 2; i++) {
        WindowAxis *w = &window[i];
        *w = (WindowAxis){.axis = 1 + i, .size = 1 + random_below(&s->random, 3)};
        w->stride = 1 + random_below(&s->random, 2);
        w->dilation = 1 + random_below(&s->random, 2);
        w->low = (int64_t)random_below(&s->random, 4) - 1;
        w->high = (int64_t)random_below(&s->random, 4) - 1;
        w->spacing = 1 + random_below(&s->random, 2);
        int64_t need = (w->size - 1) * w->dilation + 1 - w->low - w->high;
        x.dims[1 + i] = size(s, (need > 1 ? need : 1) + random_below(&s->random, 2));
        k.dims[i] = size(s, w->size);
    }
    NodeId seen = g_window(s->g, any(s, x), window, 2, nowhere);
    Shape taps = graph_shape(s->g, seen);
    uint32_t lx[] = {B, H, W, C, I, J};
    if (random_below(&s->random, 2)) { /* as index notation has it */
        uint32_t perm[6], old[6];
        random_permutation(s, perm, 6);
        memcpy(old, lx, sizeof old);
        seen = g_permute(s->g, seen, perm, nowhere);
        for (uint32_t i = 0; i < 6; i++) lx[i] = old[perm[i]];
    }
    k.dims[2] = x.dims[3];
    if (form == 0)
        return g_contract(s->g, seen, lx, any(s, k), (uint32_t[]){I, J, C, O},
                          (uint32_t[]){B, H, W, O}, 4, (uint32_t[]){I, J, C}, 3, nowhere);
    if (form == 1) {
        k.rank = 3;
        return g_contract(s->g, seen, lx, any(s, k), (uint32_t[]){I, J, C},
                          (uint32_t[]){B, H, W, C}, 4, (uint32_t[]){I, J}, 2, nowhere);
    }
    Shape g = {.rank = 4, .dims = {x.dims[0], taps.dims[1], taps.dims[2], k.dims[3]}};
    return g_contract(s->g, any(s, g), (uint32_t[]){B, H, W, O}, seen, lx, (uint32_t[]){I, J, C, O},
                      4, (uint32_t[]){B, H, W}, 3, nowhere);
}

/* Up to five labels, each in a, in b or in both, kept or summed, axes in any order. */
static inline NodeId sample_CONTRACT(Sample *s) {
    if (random_below(&s->random, 2)) return sample_convolution(s);
    enum { LABELS = 5 };
    uint32_t la[LABELS], lb[LABELS], out[LABELS], reduced[LABELS], perm[LABELS];
    uint32_t na = 0, nb = 0, nout = 0, nreduced = 0;
    Shape sizes = random_shape(s, LABELS), a = {.rank = 0}, b = {.rank = 0};
    uint32_t labels = 1 + random_below(&s->random, LABELS);
    for (uint32_t l = 0; l < labels; l++) {
        uint32_t where = random_below(&s->random, 4); /* both are the most likely */
        if (where != 0) la[na++] = l;
        if (where != 1) lb[nb++] = l;
        if (random_below(&s->random, 2))
            out[nout++] = l;
        else
            reduced[nreduced++] = l;
    }
    random_permutation(s, perm, na);
    uint32_t mixed[LABELS];
    for (uint32_t i = 0; i < na; i++) mixed[i] = la[perm[i]];
    for (uint32_t i = 0; i < na; i++) a.dims[a.rank++] = sizes.dims[mixed[i]];
    for (uint32_t i = 0; i < nb; i++) b.dims[b.rank++] = sizes.dims[lb[i]];
    return g_contract(s->g, any(s, a), mixed, any(s, b), lb, out, nout, reduced, nreduced, nowhere);
}

/* Random positions, repeated ones and some out of range (they clamp); or one row each, as in
 * logits[b, label[b]], which has a rule of its own. */
static inline NodeId sample_GATHER(Sample *s) {
    Shape x = random_shape(s, 3);
    NodeId index[2];
    uint32_t axes[2], which = random_below(&s->random, 3);
    if (which == 0) { /* x[i, :, j] */
        Shape at = random_shape(s, 2);
        axes[0] = 0;
        axes[1] = 2;
        for (uint32_t k = 0; k < 2; k++)
            index[k] = integers(s, at, DTYPE_I32, -1, (int)dim_of(s, x.dims[axes[k]]));
        return g_gather(s->g, any(s, x), index, axes, 2, nowhere);
    }
    if (which == 1) { /* x[:, i] with any index shape */
        axes[0] = random_below(&s->random, 3);
        index[0] = integers(s, some_shape(s), DTYPE_I64, -1, (int)dim_of(s, x.dims[axes[0]]));
        return g_gather(s->g, any(s, x), index, axes, 1, nowhere);
    }
    bool hot_first = random_below(&s->random, 2); /* x[label[b], b] or x[b, label[b]] */
    uint32_t hot = hot_first ? 0 : 2, along = hot_first ? 1 : 0;
    Shape at = {.rank = 1, .dims = {x.dims[along]}};
    static const DType types[] = {DTYPE_I32, DTYPE_I64, DTYPE_U8, DTYPE_U64};
    DType type = types[random_below(&s->random, 4)];
    NodeId label =
        integers(s, at, type, dtype_is_signed(type) ? -1 : 0, (int)dim_of(s, x.dims[hot]));
    NodeId row = g_iota(s->g, DTYPE_I32, &at, 0, nowhere);
    index[0] = hot_first ? label : row;
    index[1] = hot_first ? row : label;
    axes[0] = hot_first ? hot : along;
    axes[1] = hot_first ? along : hot;
    return g_gather(s->g, any(s, x), index, axes, 2, nowhere);
}

static inline NodeId sample_SCATTER_ADD(Sample *s) {
    Shape x = random_shape(s, 3), at = random_shape(s, 2), updates = at;
    uint32_t axis = random_below(&s->random, 3);
    for (uint32_t i = 0; i < 3; i++)
        if (i != axis) updates.dims[updates.rank++] = x.dims[i];
    NodeId index = integers(s, at, DTYPE_I32, -1, (int)dim_of(s, x.dims[axis]));
    return g_scatter_add(s->g, &x, any(s, updates), &index, &axis, 1, nowhere);
}

/* Has no second derivative, which this check takes: driver/cli/extern.test compares its first. */
static inline NodeId sample_EXTERN(Sample *s) {
    (void)s;
    return NODE_NONE;
}

/* A gradient as a value like any other. */
static inline NodeId sample_GRAD(Sample *s) {
    NodeId x = any(s, some_shape(s));
    return g_grad(s->g, kit_sum_all(&s->kit, g_unary(s->g, OP_SIN, x, nowhere)), x, nowhere);
}

#include "tests/autodiff/loop_samples.h"

static const SampleOp op_samples[OP_COUNT] = {
#define RULE_0(name)                     NULL,
#define RULE_1(name)                     sample_##name,
#define OP(name, text, arity, cls, diff) RULE_##diff(name)
#include "compiler/graph/ops.def"
#undef OP
#undef RULE_0
#undef RULE_1
};

#endif
