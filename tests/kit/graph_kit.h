/* Short ways to build graphs in tests, and golden files. Everything is made at no place (Span 0).
 */
#ifndef BMC_TESTS_GRAPH_KIT_H
#define BMC_TESTS_GRAPH_KIT_H

#include "compiler/graph/graph.h"
#include <check.h>
#include <stdio.h>
#include <stdlib.h>

static const Span nowhere = {0};

typedef struct Kit {
    Context *ctx;
    DimTable *dims;
    Graph *g;
} Kit;

/* Slots may be NULL. */
static inline Kit kit_create(const Slot *slots, uint32_t slot_count) {
    Kit k = {.ctx = context_create()};
    ck_assert_ptr_nonnull(k.ctx);
    k.dims = dims_create(k.ctx->arena);
    k.g = graph_create(k.ctx, k.dims, slots, slot_count);
    return k;
}

static inline void kit_destroy(Kit *k) {
    context_destroy(k->ctx);
}

/* SHAPE(2, 3): constant sizes. */
#define SHAPE(...)                                                                                 \
    kit_shape(&k, (const int64_t[]){__VA_ARGS__, 0},                                               \
              sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t))
static inline Shape kit_shape(const Kit *k, const int64_t *dims, size_t rank) {
    Shape s = {.rank = (uint32_t)rank};
    for (size_t i = 0; i < rank; i++) s.dims[i] = dim_const(k->dims, dims[i]);
    return s;
}

static inline NodeId kit_input(Kit *k, const char *name, DType dtype, Shape shape) {
    return g_input(k->g, ctx_sym(k->ctx, name), dtype, &shape, nowhere);
}

static inline NodeId kit_splat(Kit *k, NodeId like, double value) {
    Shape shape = graph_shape(k->g, like);
    return g_const(k->g, graph_node(k->g, like)->dtype, &shape, value, nowhere);
}

static inline NodeId kit_sum_all(Kit *k, NodeId x) {
    uint32_t axes[RANK_MAX], rank = graph_shape(k->g, x).rank;
    for (uint32_t i = 0; i < rank; i++) axes[i] = i;
    return rank ? g_reduce(k->g, OP_SUM, x, axes, rank, nowhere) : x;
}

/* [m, k] @ [k, n] */
static inline NodeId kit_matmul(Kit *k, NodeId a, NodeId b) {
    return g_contract(k->g, a, (uint32_t[]){0, 1}, b, (uint32_t[]){1, 2}, (uint32_t[]){0, 2}, 2,
                      (uint32_t[]){1}, 1, nowhere);
}

/* x of rank 1 stretched to the last axis of `like`. */
static inline NodeId kit_row(Kit *k, NodeId x, NodeId like) {
    Shape shape = graph_shape(k->g, like);
    int32_t from[RANK_MAX];
    for (uint32_t i = 0; i < shape.rank; i++) from[i] = i + 1 == shape.rank ? 0 : -1;
    return g_broadcast(k->g, x, &shape, from, nowhere);
}

/* x of rank 1 stretched along the first axis of a rank-2 `like`. */
static inline NodeId kit_column(Kit *k, NodeId x, NodeId like) {
    Shape shape = graph_shape(k->g, like);
    return g_broadcast(k->g, x, &shape, (int32_t[]){0, -1}, nowhere);
}

static inline void kit_output(Kit *k, const char *name, NodeId node) {
    graph_output(k->g, ctx_sym(k->ctx, name), node);
}

/* Compares with tests/PATH; BMC_BLESS=1 writes it instead. */
static inline void kit_golden(const char *path, const char *text) {
    char name[1024];
    snprintf(name, sizeof name, "%s/tests/%s", BMC_SOURCE_DIR, path);
    if (getenv("BMC_BLESS")) {
        FILE *out = fopen(name, "wb");
        ck_assert_msg(out != NULL, "cannot write %s", name);
        ck_assert(fputs(text, out) >= 0);
        ck_assert_int_eq(fclose(out), 0);
        return;
    }
    FILE *in = fopen(name, "rb");
    ck_assert_msg(in != NULL, "no golden file %s (BMC_BLESS=1 writes it)", name);
    char wanted[1 << 16];
    size_t len = fread(wanted, 1, sizeof wanted - 1, in);
    fclose(in);
    wanted[len] = 0;
    if (strcmp(wanted, text) == 0) return;
    fprintf(stderr, "---- wanted\n%s---- is\n%s", wanted, text);
    ck_abort_msg("%s differs (BMC_BLESS=1 refreshes it)", name);
}

static inline void kit_golden_graph(Context *ctx, const char *path, const Graph *g) {
    Text text = {.arena = ctx->arena};
    graph_print(&text, g);
    kit_golden(path, text_str(&text));
}

#endif
