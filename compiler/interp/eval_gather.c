/* gather and scatter_add. An index out of range is clamped and sets INTERP_INDEX. */
#include "compiler/interp/interp_internal.h"

/* Position in x of row-major element `i` of (index shape S, then the other axes of x). False when
 * an indexed axis is empty: there is no element. */
static bool indexed_position(const Eval *e, const Tensor *x, const Tensor *whole, size_t i,
                             size_t *position) {
    const Tensor *first = &e->args[1]->tensor;
    int64_t at[RANK_MAX];
    size_t stride[RANK_MAX], in_index = 0;
    position_split(whole->dims, whole->rank, i, at);
    tensor_strides(x, stride);
    for (uint32_t k = 0; k < first->rank; k++)
        in_index = in_index * (size_t)first->dims[k] + (size_t)at[k];
    *position = 0;
    uint32_t next = 0, rest = first->rank;
    for (uint32_t axis = 0; axis < x->rank; axis++) {
        int64_t place;
        if (next < e->n->nattr && e->n->attr[next] == (int64_t)axis) {
            place = load_int(&e->args[1 + next++]->tensor, in_index);
            if (place < 0 || place >= x->dims[axis]) {
                e->run->flags |= INTERP_INDEX;
                place = place < 0 ? 0 : x->dims[axis] - 1;
            }
            if (x->dims[axis] == 0) return false;
        } else {
            place = at[rest++];
        }
        *position += (size_t)place * stride[axis];
    }
    return true;
}

bool eval_GATHER(Eval *e) {
    const Tensor *x = &e->args[0]->tensor;
    for (size_t i = 0; i < e->count; i++) {
        size_t position;
        if (indexed_position(e, x, &e->out->tensor, i, &position))
            store_word(&e->out->tensor, i, load_word(x, position));
    }
    return true;
}

/* Sources are added in ascending row-major order, each addition in the node's dtype, from +0. */
bool eval_SCATTER_ADD(Eval *e) {
    const Tensor *updates = &e->args[0]->tensor;
    Tensor *out = &e->out->tensor;
    for (size_t i = 0; i < tensor_count(updates); i++) {
        size_t to;
        if (!indexed_position(e, out, updates, i, &to)) continue;
        if (out->dtype == DTYPE_F64)
            store_f64(out, to, load_f64(out, to) + load_f64(updates, i));
        else if (dtype_is_float(out->dtype))
            store_f32(out, to, load_f32(out, to) + load_f32(updates, i));
        else
            store_int(out, to,
                      (int64_t)((uint64_t)load_int(out, to) + (uint64_t)load_int(updates, i)));
    }
    return true;
}
