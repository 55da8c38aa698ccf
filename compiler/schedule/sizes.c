/* Sizes of nodes, as the planner asks about them. */
#include "compiler/schedule/sched.h"

DimId dims_product(const Sched *s, const DimId *dims, uint32_t rank) {
    DimId count = dim_const(s->dims, 1);
    for (uint32_t i = 0; i < rank; i++) count = dim_mul(s->dims, count, dims[i]);
    return count;
}

uint32_t dims_leading(const Sched *s, const DimId *dims, uint32_t rank) {
    uint32_t i = 0;
    while (i < rank && dim_equals(s->dims, dims[i], 1)) i++;
    return i;
}

bool node_same_dims(const Sched *s, NodeId a, NodeId b) {
    const GNode *x = node_of(s, a), *y = node_of(s, b);
    if (x->rank != y->rank) return false;
    for (uint32_t i = 0; i < x->rank; i++)
        if (!dim_same(x->dims[i], y->dims[i])) return false;
    return true;
}

int64_t node_bound(const Sched *s, NodeId n) {
    const GNode *x = node_of(s, n);
    return dim_bound(s->dims, dims_product(s, x->dims, x->rank));
}

bool reshape_is_simple(const Sched *s, NodeId n) {
    const GNode *y = node_of(s, n), *x = node_of(s, y->args[0]);
    uint32_t i = 0, j = 0;
    for (;; i++, j++) {
        while (i < x->rank && dim_equals(s->dims, x->dims[i], 1)) i++;
        while (j < y->rank && dim_equals(s->dims, y->dims[j], 1)) j++;
        if (i == x->rank || j == y->rank) return i == x->rank && j == y->rank;
        if (!dim_same(x->dims[i], y->dims[j])) return false;
    }
}

DType accumulator(DType t) {
    return t == DTYPE_F16 || t == DTYPE_BF16 ? DTYPE_F32 : t;
}
