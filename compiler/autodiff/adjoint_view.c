/* Adjoints of the views: the transpose of a linear map that only moves elements. */
#include "compiler/autodiff/adjoint.h"

void adjoint_RESHAPE(Adjoint *a) {
    Shape shape = adjoint_operand_shape(a, 0);
    adjoint_give(a, 0, build_reshape(a, a->grad, &shape));
}

void adjoint_PERMUTE(Adjoint *a) {
    uint32_t inverse[RANK_MAX];
    for (uint32_t i = 0; i < a->node.rank; i++) inverse[a->node.attr[i]] = i;
    adjoint_give(a, 0, build_permute(a, a->grad, inverse));
}

/* The sum over the axes that were added. */
void adjoint_BROADCAST(Adjoint *a) {
    uint32_t axes[RANK_MAX], count = 0;
    for (uint32_t i = 0; i < a->node.rank; i++)
        if (a->node.attr[i] < 0) axes[count++] = i;
    adjoint_give(a, 0, build_sum(a, a->grad, axes, count));
}

void adjoint_REVERSE(Adjoint *a) {
    uint32_t axes[RANK_MAX];
    for (uint32_t i = 0; i < a->node.nattr; i++) axes[i] = (uint32_t)a->node.attr[i];
    adjoint_give(a, 0, g_reverse(a->graph, a->grad, axes, a->node.nattr, a->node.span));
}

static NodeId zero_scalar(const Adjoint *a) {
    Shape rank0 = {.rank = 0};
    return build_const(a, &rank0, 0);
}

/* What lies behind the last element that `extent` elements `step` apart, the first at `first`, use
 * of an axis of `size`. */
static DimId rest_of_axis(DimTable *t, DimId size, DimId first, DimId extent, int64_t step) {
    DimId rest = dim_sub(t, size, first);
    if (dim_equals(t, extent, 0)) return rest;
    DimId one = dim_const(t, 1);
    DimId reach = dim_mul(t, dim_sub(t, extent, one), dim_const(t, step));
    return dim_sub(t, dim_sub(t, rest, reach), one);
}

/* The gradient does not care how often its value is computed. */
void adjoint_AGAIN(Adjoint *a) {
    adjoint_give(a, 0, a->grad);
}

/* Back to its place among zeros: a step leaves step - 1 zeros between two elements. */
void adjoint_SLICE(Adjoint *a) {
    DimTable *t = a->graph->dims;
    Shape shape = adjoint_operand_shape(a, 0);
    DimId low[RANK_MAX], high[RANK_MAX];
    int64_t interior[RANK_MAX];
    for (uint32_t i = 0; i < shape.rank; i++) {
        int64_t step = a->node.attr[2 * i + 1];
        low[i] = (DimId){(uint32_t)a->node.attr[2 * i]};
        high[i] = rest_of_axis(t, shape.dims[i], low[i], a->node.dims[i], step);
        interior[i] = step - 1;
    }
    adjoint_give(a, 0, g_pad(a->graph, a->grad, zero_scalar(a), low, high, interior, a->node.span));
}

/* The operand's share is its own part of g. The value's is the sum of all the rest: of g where a
 * mask, padded the same way, says so (a difference of sums would cancel). */
void adjoint_PAD(Adjoint *a) {
    Shape shape = adjoint_operand_shape(a, 0);
    DimId low[RANK_MAX], high[RANK_MAX];
    int64_t interior[RANK_MAX], step[RANK_MAX];
    uint32_t axes[RANK_MAX];
    Span span = a->node.span;
    for (uint32_t i = 0; i < shape.rank; i++) {
        low[i] = (DimId){(uint32_t)a->node.attr[3 * i]};
        high[i] = (DimId){(uint32_t)a->node.attr[3 * i + 1]};
        interior[i] = a->node.attr[3 * i + 2];
        step[i] = interior[i] + 1;
    }
    if (adjoint_wants(a, 0))
        adjoint_give(a, 0, g_slice(a->graph, a->grad, low, shape.dims, step, span));
    if (!adjoint_wants(a, 1) || shape.rank == 0) return;
    Shape rank0 = {.rank = 0};
    NodeId inside = g_const_int(a->graph, DTYPE_BOOL, &shape, 1, span);
    NodeId outside = g_const_int(a->graph, DTYPE_BOOL, &rank0, 0, span);
    NodeId mask = g_pad(a->graph, inside, outside, low, high, interior, span);
    for (uint32_t i = 0; i < a->node.rank; i++) axes[i] = i;
    adjoint_give(a, 1, build_sum(a, build_drop(a, mask, a->grad), axes, a->node.rank));
}

void adjoint_CONCAT(Adjoint *a) {
    DimTable *t = a->graph->dims;
    uint32_t axis = (uint32_t)a->node.attr[0];
    DimId first[RANK_MAX];
    int64_t step[RANK_MAX];
    for (uint32_t i = 0; i < a->node.rank; i++) {
        first[i] = dim_const(t, 0);
        step[i] = 1;
    }
    for (uint32_t k = 0; k < a->node.nargs; k++) {
        Shape part = adjoint_operand_shape(a, k);
        if (adjoint_wants(a, k))
            adjoint_give(a, k, g_slice(a->graph, a->grad, first, part.dims, step, a->node.span));
        first[axis] = dim_add(t, first[axis], part.dims[axis]);
    }
}
