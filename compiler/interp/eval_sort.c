/* argsort: the stable order of every row of the last axis, and its inverse. */
#include "compiler/interp/interp_internal.h"

#include <math.h>
#include <stdlib.h>

/* Element b stands strictly before a: smaller, or a number where a is NaN. */
static bool precedes(const Tensor *x, size_t b, size_t a) {
    if (x->dtype == DTYPE_F64) {
        double p = load_f64(x, b), q = load_f64(x, a);
        return p < q || (isnan(q) && !isnan(p));
    }
    if (dtype_is_float(x->dtype)) {
        float p = load_f32(x, b), q = load_f32(x, a);
        return p < q || (isnan(q) && !isnan(p));
    }
    return int_less(x->dtype, load_int(x, b), load_int(x, a));
}

/* Merges the sorted halves [0, middle) and [middle, n) of `order`: positions in the row at `row`.
 */
static void merge(const Tensor *x, size_t row, int32_t *order, int32_t *spare, size_t middle,
                  size_t n) {
    size_t i = 0, j = middle;
    for (size_t k = 0; k < n; k++) {
        bool right =
            j < n && (i >= middle || precedes(x, row + (size_t)order[j], row + (size_t)order[i]));
        spare[k] = right ? order[j++] : order[i++];
    }
    for (size_t k = 0; k < n; k++) order[k] = spare[k];
}

/* The depth is the number of bits of n. */
static void sort(const Tensor *x, size_t row, int32_t *order, int32_t *spare, size_t n) {
    if (n < 2) return;
    sort(x, row, order, spare, n / 2);
    sort(x, row, order + n / 2, spare, n - n / 2);
    merge(x, row, order, spare, n / 2, n);
}

bool eval_ARGSORT(Eval *e) {
    const Tensor *x = &e->args[0]->tensor;
    size_t n = (size_t)x->dims[x->rank - 1], rows = n ? e->count / (2 * n) : 0;
    int32_t *order = scratch_alloc(2 * n, sizeof *order);
    if (!order) return false;
    for (size_t row = 0; row < rows; row++) {
        for (size_t k = 0; k < n; k++) order[k] = (int32_t)k;
        sort(x, row * n, order, order + n, n);
        for (size_t k = 0; k < n; k++) {
            store_int(&e->out->tensor, row * 2 * n + k, order[k]);
            store_int(&e->out->tensor, (row * 2 + 1) * n + (size_t)order[k], (int64_t)k);
        }
    }
    free(order);
    return true;
}
