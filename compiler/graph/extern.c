/* OP_EXTERN: its shape rule, its results, its builders.
 *
 * A gradient has several results. They stand one behind another in one rank-1 value, from which
 * slices take them: so the graph needs no op with several results. */
#include "compiler/graph/extern.h"
#include "compiler/graph/graph_internal.h"

enum { ATTR_NUMBER, ATTR_GRADIENT, ATTR_COUNT };

const GraphExtern *extern_of(const Graph *g, const GNode *n) {
    return &g->externs->items.data[n->attr[ATTR_NUMBER]];
}

bool extern_is_gradient(const GNode *n) {
    return n->attr[ATTR_GRADIENT] != 0;
}

uint32_t extern_arguments(const GNode *n) {
    return extern_is_gradient(n) ? n->nargs - 2 : n->nargs;
}

static DimId count_of(const Graph *g, const GNode *n) {
    DimId count = dim_const(g->dims, 1);
    for (uint32_t i = 0; i < n->rank; i++) count = dim_mul(g->dims, count, n->dims[i]);
    return count;
}

/* Elements and dtype of the float arguments together; false: there is none, or they differ. */
static bool floats_total(const Graph *g, const NodeId *args, uint32_t count, DimId *total,
                         DType *dtype) {
    *total = dim_const(g->dims, 0);
    *dtype = DTYPE_COUNT;
    for (uint32_t i = 0; i < count; i++) {
        const GNode *x = graph_node(g, args[i]);
        if (!dtype_is_float(x->dtype)) continue;
        if (*dtype != DTYPE_COUNT && *dtype != x->dtype) return false;
        *dtype = x->dtype;
        *total = dim_add(g->dims, *total, count_of(g, x));
    }
    return *dtype != DTYPE_COUNT;
}

uint32_t extern_results(const Graph *g, const GNode *n, ExternResult **out) {
    uint32_t count = 0;
    DimId offset = dim_const(g->dims, 0);
    *out = ARENA_ARRAY(g->ctx->arena, ExternResult, n->nargs + 1);
    if (!extern_is_gradient(n)) {
        (*out)[0] = (ExternResult){UINT32_MAX, offset};
        return 1;
    }
    for (uint32_t i = 0; i < extern_arguments(n); i++) {
        const GNode *x = graph_node(g, n->args[i]);
        if (!dtype_is_float(x->dtype)) continue;
        (*out)[count++] = (ExternResult){i, offset};
        offset = dim_add(g->dims, offset, count_of(g, x));
    }
    return count;
}

void shape_EXTERN(Candidate *c) {
    bool known = c->nattr == ATTR_COUNT && c->g->externs && c->attr[ATTR_NUMBER] >= 0 &&
                 c->attr[ATTR_NUMBER] < (int64_t)c->g->externs->items.len;
    bool gradient = known && c->attr[ATTR_GRADIENT] == 1;
    DimId total;
    DType dtype;
    if (!known || (!gradient && c->attr[ATTR_GRADIENT] != 0)) {
        c->problem = "C1: attr [number of an extern, 0 or 1]";
    } else if (!c->given || c->dtype >= DTYPE_COUNT) {
        c->problem = "C2: a shape and a dtype";
    } else if (gradient &&
               (c->nargs < 3 || !floats_total(c->g, c->args, c->nargs - 2, &total, &dtype))) {
        c->problem = "C3: a gradient has arguments, floats of one dtype, a result and its adjoint";
    } else if (gradient &&
               (c->given->rank != 1 || !dim_same(c->given->dims[0], total) || c->dtype != dtype)) {
        c->problem = "C4: a gradient is all elements of the float arguments, in one row";
    } else {
        c->result_dtype = c->dtype;
        c->result = *c->given;
    }
}

NodeId g_extern(Graph *g, uint32_t number, DType dtype, const Shape *shape, const NodeId *args,
                uint32_t nargs, Span span) {
    int64_t attr[ATTR_COUNT] = {number, 0};
    return graph_add(g, OP_EXTERN, dtype, shape, args, nargs, attr, ATTR_COUNT, span);
}

NodeId g_extern_gradient(Graph *g, uint32_t number, const NodeId *args, uint32_t nargs, Span span) {
    int64_t attr[ATTR_COUNT] = {number, 1};
    Shape shape = {.rank = 1};
    DType dtype;
    INVARIANT(nargs >= 3 && floats_total(g, args, nargs - 2, &shape.dims[0], &dtype));
    return graph_add(g, OP_EXTERN, dtype, &shape, args, nargs, attr, ATTR_COUNT, span);
}
