/* Reductions and contract: the order of every addition is part of the meaning (docs/numerics.md).
 *
 * k is an element's row-major number over the reduced axes. Absent elements are skipped; the others
 * keep their number. f16 and bf16 accumulate in f32 and are rounded once at the end. */
#include "compiler/interp/interp_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The operand positions of one result element are base(result) + offset[k]. */
typedef struct Reduction {
    size_t reduced; /* elements */
    size_t *offset; /* by k */
    size_t kept_stride[RANK_MAX];
} Reduction;

static bool is_reduced(const GNode *n, uint32_t axis) {
    for (uint32_t i = 0; i < n->nattr; i++)
        if (n->attr[i] == (int64_t)axis) return true;
    return false;
}

static bool reduction_make(const Eval *e, Reduction *r) {
    const Tensor *x = &e->args[0]->tensor;
    size_t stride[RANK_MAX], reduced_stride[RANK_MAX];
    int64_t reduced_dims[RANK_MAX], index[RANK_MAX];
    uint32_t reduced_rank = 0, kept = 0;
    tensor_strides(x, stride);
    r->reduced = 1;
    for (uint32_t i = 0; i < x->rank; i++) {
        if (is_reduced(e->n, i)) {
            reduced_stride[reduced_rank] = stride[i];
            reduced_dims[reduced_rank++] = x->dims[i];
            r->reduced *= (size_t)x->dims[i];
        } else {
            r->kept_stride[kept++] = stride[i];
        }
    }
    r->offset = scratch_alloc(r->reduced, sizeof *r->offset);
    if (!r->offset) return false;
    for (size_t k = 0; k < r->reduced; k++) {
        position_split(reduced_dims, reduced_rank, k, index);
        for (uint32_t i = 0; i < reduced_rank; i++)
            r->offset[k] += (size_t)index[i] * reduced_stride[i];
    }
    return true;
}

static size_t reduction_base(const Eval *e, const Reduction *r, size_t out) {
    int64_t index[RANK_MAX];
    size_t base = 0;
    position_split(e->out->tensor.dims, e->n->rank, out, index);
    for (uint32_t i = 0; i < e->n->rank; i++) base += (size_t)index[i] * r->kept_stride[i];
    return base;
}

static bool present(const Value *v, size_t position) {
    return !v->absent || !v->absent[position];
}

/* ---- sum: blocks of 4,096; in each, 16 lanes by k mod 16 from +0, then the tree 8-4-2-1; blocks
 * are added in ascending order */

#define SUM_BLOCKS(Type, load)                                                                     \
    static Type sum_##Type(const Value *x, const Reduction *r, size_t base) {                      \
        Type total = 0;                                                                            \
        for (size_t block = 0; block < r->reduced; block += SUM_BLOCK) {                           \
            Type lane[SUM_LANE_COUNT] = {0};                                                       \
            for (size_t k = block; k < block + SUM_BLOCK && k < r->reduced; k++) {                 \
                size_t position = base + r->offset[k];                                             \
                if (present(x, position)) lane[k % SUM_LANE_COUNT] += load(&x->tensor, position);  \
            }                                                                                      \
            for (int half = SUM_LANE_COUNT / 2; half > 0; half /= 2)                               \
                for (int i = 0; i < half; i++) lane[i] += lane[i + half];                          \
            total = block == 0 ? lane[0] : total + lane[0];                                        \
        }                                                                                          \
        return total;                                                                              \
    }
SUM_BLOCKS(float, load_f32)
SUM_BLOCKS(double, load_f64)

static int64_t sum_whole(const Value *x, const Reduction *r, size_t base) {
    uint64_t total = 0; /* wraps; the order does not matter */
    for (size_t k = 0; k < r->reduced; k++)
        if (present(x, base + r->offset[k]))
            total += (uint64_t)load_int(&x->tensor, base + r->offset[k]);
    return (int64_t)total;
}

bool eval_SUM(Eval *e) {
    Reduction r;
    if (!reduction_make(e, &r)) return false;
    for (size_t i = 0; i < e->count; i++) {
        size_t base = reduction_base(e, &r, i);
        if (e->n->dtype == DTYPE_F64)
            store_f64(&e->out->tensor, i, sum_double(e->args[0], &r, base));
        else if (dtype_is_float(e->n->dtype))
            store_f32(&e->out->tensor, i, sum_float(e->args[0], &r, base));
        else
            store_int(&e->out->tensor, i, sum_whole(e->args[0], &r, base));
    }
    free(r.offset);
    return true;
}

/* ---- max and min: IEEE 754-2019 maximum and minimum do not depend on the order. Of nothing: the
 * least (greatest) value of the dtype. */

static double extreme_float(const Value *x, const Reduction *r, size_t base, bool max) {
    double best = max ? -(double)INFINITY : (double)INFINITY;
    for (size_t k = 0; k < r->reduced; k++) {
        size_t position = base + r->offset[k];
        if (!present(x, position)) continue;
        double value = x->tensor.dtype == DTYPE_F64 ? load_f64(&x->tensor, position)
                                                    : (double)load_f32(&x->tensor, position);
        if (isnan(value)) return value;
        bool better = max ? value > best : value < best;
        bool zeros = value == best && (max ? signbit(best) : signbit(value)); /* -0 < +0 */
        if (better || zeros) best = value;
    }
    return best;
}

static int64_t extreme_whole(const Value *x, const Reduction *r, size_t base, bool max) {
    DType t = x->tensor.dtype;
    uint64_t top = UINT64_C(1) << (8 * dtype_bytes(t) - 1), ones = top | (top - 1);
    uint64_t least = dtype_is_signed(t) ? top : 0, greatest = dtype_is_signed(t) ? top - 1 : ones;
    int64_t best = dtype_word_to_int(t, (int64_t)(max ? least : greatest));
    for (size_t k = 0; k < r->reduced; k++) {
        size_t position = base + r->offset[k];
        if (!present(x, position)) continue;
        int64_t value = load_int(&x->tensor, position);
        if (max ? int_less(t, best, value) : int_less(t, value, best)) best = value;
    }
    return best;
}

static bool reduce_extreme(Eval *e, bool max) {
    Reduction r;
    DType t = e->n->dtype;
    if (!reduction_make(e, &r)) return false;
    for (size_t i = 0; i < e->count; i++) {
        size_t base = reduction_base(e, &r, i);
        if (dtype_is_float(t))
            store_word(&e->out->tensor, i,
                       dtype_word_from_f64(t, extreme_float(e->args[0], &r, base, max)));
        else
            store_int(&e->out->tensor, i, extreme_whole(e->args[0], &r, base, max));
    }
    free(r.offset);
    return true;
}

bool eval_REDUCE_MAX(Eval *e) {
    return reduce_extreme(e, true);
}
bool eval_REDUCE_MIN(Eval *e) {
    return reduce_extreme(e, false);
}

/* The first NaN, else the lowest index of the largest (-0 and +0 are equal here). Of nothing: 0. */
static int64_t argmax(const Value *x, const Reduction *r, size_t base) {
    const Tensor *t = &x->tensor;
    int64_t best = -1;
    for (size_t k = 0; k < r->reduced; k++) {
        size_t position = base + r->offset[k];
        if (!present(x, position)) continue;
        size_t champion = best < 0 ? position : base + r->offset[best];
        bool better = best < 0;
        if (t->dtype == DTYPE_F64) {
            if (isnan(load_f64(t, position))) return (int64_t)k;
            better |= load_f64(t, position) > load_f64(t, champion);
        } else if (dtype_is_float(t->dtype)) {
            if (isnan(load_f32(t, position))) return (int64_t)k;
            better |= load_f32(t, position) > load_f32(t, champion);
        } else {
            better |= int_less(t->dtype, load_int(t, champion), load_int(t, position));
        }
        if (better) best = (int64_t)k;
    }
    return best < 0 ? 0 : best;
}

bool eval_ARGMAX(Eval *e) {
    Reduction r;
    if (!reduction_make(e, &r)) return false;
    for (size_t i = 0; i < e->count; i++)
        store_int(&e->out->tensor, i, argmax(e->args[0], &r, reduction_base(e, &r, i)));
    free(r.offset);
    return true;
}
