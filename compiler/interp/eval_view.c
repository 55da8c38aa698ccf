/* Views: each element of the result is one element of an operand (or padding). A view says where an
 * element comes from; the copy, and the marks of absent elements, follow from that. */
#include "compiler/interp/interp_internal.h"

/* Where an element of the result comes from. */
typedef struct Origin {
    bool none; /* outside every operand: padding, or an absent window tap */
    uint32_t operand;
    int64_t index[RANK_MAX]; /* in the operand */
} Origin;
typedef void (*OriginRule)(const Eval *e, const int64_t *at, Origin *from);

static size_t flat_position(const Tensor *t, const int64_t *index) {
    size_t position = 0;
    for (uint32_t i = 0; i < t->rank; i++)
        position = position * (size_t)t->dims[i] + (size_t)index[i];
    return position;
}

static bool mark_absent(Eval *e, size_t i) {
    if (!e->out->absent) e->out->absent = scratch_alloc(e->count, 1);
    if (!e->out->absent) return false;
    e->out->absent[i] = 1;
    return true;
}

/* `filler`: operand whose one element stands where there is no origin, or UINT32_MAX: absent. */
static bool view(Eval *e, OriginRule rule, uint32_t filler) {
    Tensor *out = &e->out->tensor;
    for (size_t i = 0; i < e->count; i++) {
        int64_t at[RANK_MAX];
        Origin from = {.operand = 0};
        position_split(out->dims, out->rank, i, at);
        rule(e, at, &from);
        if (from.none && filler == UINT32_MAX) {
            if (!mark_absent(e, i)) return false;
            continue;
        }
        const Value *source = e->args[from.none ? filler : from.operand];
        size_t position = from.none ? 0 : flat_position(&source->tensor, from.index);
        INVARIANT(position < tensor_count(&source->tensor));
        store_word(out, i, load_word(&source->tensor, position));
        if (source->absent && source->absent[position] && !mark_absent(e, i)) return false;
    }
    return true;
}

/* The same elements in the same row-major order. */
static void origin_RESHAPE(const Eval *e, const int64_t *at, Origin *from) {
    const Tensor *x = &e->args[0]->tensor;
    position_split(x->dims, x->rank, flat_position(&e->out->tensor, at), from->index);
}

static void origin_PERMUTE(const Eval *e, const int64_t *at, Origin *from) {
    for (uint32_t i = 0; i < e->n->rank; i++) from->index[e->n->attr[i]] = at[i];
}

static void origin_BROADCAST(const Eval *e, const int64_t *at, Origin *from) {
    for (uint32_t i = 0; i < e->n->rank; i++)
        if (e->n->attr[i] >= 0) from->index[e->n->attr[i]] = at[i];
}

static void origin_SLICE(const Eval *e, const int64_t *at, Origin *from) {
    for (uint32_t i = 0; i < e->n->rank; i++) {
        int64_t first = run_dim(e->run, (DimId){(uint32_t)e->n->attr[2 * i]});
        from->index[i] = first + at[i] * e->n->attr[2 * i + 1];
        if (from->index[i] < 0 || from->index[i] >= e->args[0]->tensor.dims[i])
            BUG("a slice outside its operand");
    }
}

static void origin_PAD(const Eval *e, const int64_t *at, Origin *from) {
    for (uint32_t i = 0; i < e->n->rank; i++) {
        int64_t low = run_dim(e->run, (DimId){(uint32_t)e->n->attr[3 * i]});
        int64_t spacing = e->n->attr[3 * i + 2] + 1, inside = at[i] - low;
        if (inside < 0 || inside % spacing != 0 || inside / spacing >= e->args[0]->tensor.dims[i]) {
            from->none = true;
            return;
        }
        from->index[i] = inside / spacing;
    }
}

static void origin_REVERSE(const Eval *e, const int64_t *at, Origin *from) {
    for (uint32_t i = 0; i < e->n->rank; i++) from->index[i] = at[i];
    for (uint32_t k = 0; k < e->n->nattr; k++) {
        int64_t axis = e->n->attr[k];
        from->index[axis] = e->out->tensor.dims[axis] - 1 - at[axis];
    }
}

static void origin_AGAIN(const Eval *e, const int64_t *at, Origin *from) {
    for (uint32_t i = 0; i < e->n->rank; i++) from->index[i] = at[i];
}

static void origin_CONCAT(const Eval *e, const int64_t *at, Origin *from) {
    int64_t axis = e->n->attr[0], rest = at[axis];
    for (uint32_t i = 0; i < e->n->rank; i++) from->index[i] = at[i];
    while (rest >= e->args[from->operand]->tensor.dims[axis])
        rest -= e->args[from->operand++]->tensor.dims[axis];
    from->index[axis] = rest;
}

/* Result axes: those of x, the windowed ones counting windows, then one of taps per window. */
static void origin_WINDOW(const Eval *e, const int64_t *at, Origin *from) {
    const Tensor *x = &e->args[0]->tensor;
    for (uint32_t i = 0; i < x->rank; i++) from->index[i] = at[i];
    for (uint32_t k = 0; k < window_count(e->n); k++) {
        WindowAxis w = window_axis(e->n, k);
        int64_t place = at[w.axis] * w.stride + at[x->rank + k] * w.dilation - w.low;
        if (place < 0 || place % w.spacing != 0 || place / w.spacing >= x->dims[w.axis]) {
            from->none = true;
            return;
        }
        from->index[w.axis] = place / w.spacing;
    }
}

bool eval_RESHAPE(Eval *e) {
    return view(e, origin_RESHAPE, UINT32_MAX);
}
bool eval_PERMUTE(Eval *e) {
    return view(e, origin_PERMUTE, UINT32_MAX);
}
bool eval_BROADCAST(Eval *e) {
    return view(e, origin_BROADCAST, UINT32_MAX);
}
bool eval_SLICE(Eval *e) {
    return view(e, origin_SLICE, UINT32_MAX);
}
bool eval_PAD(Eval *e) {
    return view(e, origin_PAD, 1);
}
bool eval_REVERSE(Eval *e) {
    return view(e, origin_REVERSE, UINT32_MAX);
}
bool eval_AGAIN(Eval *e) {
    return view(e, origin_AGAIN, UINT32_MAX);
}
bool eval_CONCAT(Eval *e) {
    return view(e, origin_CONCAT, UINT32_MAX);
}
bool eval_WINDOW(Eval *e) {
    return view(e, origin_WINDOW, UINT32_MAX);
}
