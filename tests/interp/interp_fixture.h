/* What the evaluator's tests share: a graph, inputs of given numbers, comparison of results. */
#ifndef BMC_TESTS_INTERP_FIXTURE_H
#define BMC_TESTS_INTERP_FIXTURE_H

#include "compiler/interp/interp.h"

#include "compiler/graph/mathfn.h"

#include <check.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static Context *ctx;
static Graph *g;
static DimId B;
static Slot slots[2];
static Tensor inputs[8], slot_values[2];
static InterpRun run;
static int64_t batch;
static const Span nowhere = {0};

static inline DimId n(int64_t value) {
    return dim_const(g->dims, value);
}

static inline void setup(void) {
    ctx = context_create();
    DimTable *dims = dims_create(ctx->arena);
    B = dim_symbol(dims, ctx_sym(ctx, "B"), 64);
    slots[0] = (Slot){.path = ctx_sym(ctx, "w"), .dtype = DTYPE_F32, .rank = 1, .dims = {2}};
    slots[1] = (Slot){.path = ctx_sym(ctx, "v"), .dtype = DTYPE_F32, .rank = 1, .dims = {2}};
    g = graph_create(ctx, dims, slots, 2);
    batch = 2;
    for (int i = 0; i < 2; i++) {
        slot_values[i] = (Tensor){.dtype = DTYPE_F32, .rank = 1, .dims = {2}};
        slot_values[i].data = arena_alloc(ctx->arena, 8);
    }
    run =
        (InterpRun){.symbols = &batch, .inputs = inputs, .slots = slot_values, .arena = ctx->arena};
}
static inline void teardown(void) {
    context_destroy(ctx);
}

/* ---- inputs of given numbers (rounded to the dtype) */

static inline NodeId input(DType t, const double *values, uint32_t rank, ...) {
    Shape s = {.rank = rank};
    Tensor *in = &inputs[g->inputs.len];
    *in = (Tensor){.dtype = t, .rank = rank};
    va_list dims;
    va_start(dims, rank);
    for (uint32_t i = 0; i < rank; i++) {
        in->dims[i] = va_arg(dims, int);
        s.dims[i] = n(in->dims[i]);
    }
    va_end(dims);
    in->data = arena_alloc(ctx->arena, tensor_bytes(in));
    for (size_t i = 0; i < tensor_count(in); i++) {
        int64_t word = dtype_word_from_f64(t, values[i]);
        memcpy((char *)in->data + i * dtype_bytes(t), &word, dtype_bytes(t));
    }
    return g_input(g, ctx_sym(ctx, "x"), t, &s, nowhere);
}
#define VALUES(...) ((const double[]){__VA_ARGS__})

static inline Tensor evaluate(NodeId id) {
    g->outputs.len = 0;
    graph_output(g, ctx_sym(ctx, "y"), id);
    graph_verify(g);
    ck_assert(interp_run(g, &run));
    return run.outputs[0];
}

static inline double at(const Tensor *t, size_t i) {
    int64_t word = 0;
    memcpy(&word, (char *)t->data + i * dtype_bytes(t->dtype), dtype_bytes(t->dtype));
    return dtype_word_to_f64(t->dtype, word);
}

static inline bool same(double a, double b) {
    if (isnan(a) || isnan(b)) return isnan(a) && isnan(b);
    return a == b && signbit(a) == signbit(b);
}

static inline void expect(NodeId id, const double *want, size_t count) {
    Tensor y = evaluate(id);
    ck_assert_uint_eq(tensor_count(&y), count);
    for (size_t i = 0; i < count; i++)
        ck_assert_msg(same(at(&y, i), want[i]), "element %zu is %a, not %a", i, at(&y, i), want[i]);
}
#define EXPECT(id, ...)                                                                            \
    expect((id), VALUES(__VA_ARGS__), sizeof VALUES(__VA_ARGS__) / sizeof(double))

static const double inf = (double)INFINITY, nan_ = (double)NAN;

#endif
