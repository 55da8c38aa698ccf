/* Views: the operand's value at another position. Positions that may fall outside the operand (pad,
 * concat) carry a predicate: nothing is loaded where it is false. */
#include "compiler/schedule/lower.h"

static Index index_like(const Index *at) {
    Index to = {.pred = at->pred};
    return to;
}

/* All of y's dims but those of one element, in order, are x's. */
static ExprId reshape_simple(Lower *l, NodeId n, const Index *at) {
    const GNode *y = node_of(l->s, n), *x = node_of(l->s, y->args[0]);
    Index to = index_like(at);
    uint32_t j = 0;
    for (uint32_t i = 0; i < x->rank; i++) {
        to.axis[i] = l_int(l, 0);
        if (dim_equals(l->s->dims, x->dims[i], 1)) continue;
        while (dim_equals(l->s->dims, y->dims[j], 1)) j++;
        to.axis[i] = at->axis[j++];
    }
    return lower_value(l, y->args[0], &to);
}

ExprId lower_RESHAPE(Lower *l, NodeId n, const Index *at) {
    const GNode *y = node_of(l->s, n), *x = node_of(l->s, y->args[0]);
    Index to = index_like(at);
    if (!at->flat && reshape_is_simple(l->s, n)) return reshape_simple(l, n, at);
    uint32_t lead = dims_leading(l->s, y->dims, y->rank);
    uint32_t from = dims_leading(l->s, x->dims, x->rank);
    bool rows = lead < y->rank && from < x->rank && dim_same(x->dims[from], y->dims[lead]);
    to.flat = true;
    to.row = rows && index_in_row(l, n, at);
    if (!to.row || at->flat) {
        to.pos = to.row ? at->pos : index_position(l, n, at);
    } else {
        Index rest = *at;
        rest.axis[lead] = l_int(l, 0);
        to.pos = index_position(l, n, &rest);
    }
    return lower_value(l, y->args[0], &to);
}

ExprId lower_PERMUTE(Lower *l, NodeId n, const Index *at) {
    const GNode *y = node_of(l->s, n);
    Index to = index_like(at);
    ExprId axis[RANK_MAX];
    index_axes(l, n, at, axis);
    for (uint32_t i = 0; i < y->rank; i++) to.axis[y->attr[i]] = axis[i];
    return lower_value(l, y->args[0], &to);
}

ExprId lower_BROADCAST(Lower *l, NodeId n, const Index *at) {
    const GNode *y = node_of(l->s, n);
    Index to = index_like(at);
    ExprId axis[RANK_MAX];
    if (node_of(l->s, y->args[0])->rank > 0) index_axes(l, n, at, axis);
    for (uint32_t i = 0; i < y->rank; i++)
        if (y->attr[i] >= 0) to.axis[y->attr[i]] = axis[i];
    return lower_value(l, y->args[0], &to);
}

ExprId lower_SLICE(Lower *l, NodeId n, const Index *at) {
    const GNode *y = node_of(l->s, n);
    Index to = index_like(at);
    ExprId axis[RANK_MAX];
    index_axes(l, n, at, axis);
    for (uint32_t i = 0; i < y->rank; i++) {
        ExprId first = l_dim(l, (DimId){(uint32_t)y->attr[2 * i]});
        to.axis[i] = l_add(l, l_mul(l, axis[i], l_int(l, y->attr[2 * i + 1])), first);
    }
    return lower_value(l, y->args[0], &to);
}

/* The kernel counts as a reader of the token, so it runs after what writes that. */
ExprId lower_AGAIN(Lower *l, NodeId n, const Index *at) {
    const GNode *y = node_of(l->s, n);
    const NodePlan *token = plan_of(l->s, y->args[1]);
    if (token->stored && token->buffer != NONE && token->group != l->number)
        access_note(l, loop_use(l->p, l->k, token->buffer, false), ACCESS_NONE);
    return lower_value(l, y->args[0], at);
}

ExprId lower_REVERSE(Lower *l, NodeId n, const Index *at) {
    const GNode *y = node_of(l->s, n);
    Index to = index_like(at);
    index_axes(l, n, at, to.axis);
    for (uint32_t i = 0; i < y->nattr; i++) {
        uint32_t a = (uint32_t)y->attr[i];
        ExprId size = l_dim(l, y->dims[a]);
        to.axis[a] = l_sub(l, l_sub(l, size, l_int(l, 1)), to.axis[a]);
    }
    return lower_value(l, y->args[0], &to);
}

static ExprId less(Lower *l, ExprId a, ExprId b) {
    return l_op(l, OP_LESS, DTYPE_BOOL, a, b);
}

/* The operand's position on one padded axis; *inside gains the conditions for it to exist. */
static ExprId pad_axis(Lower *l, const GNode *y, const GNode *x, uint32_t i, ExprId at,
                       ExprId *inside) {
    DimId low = {(uint32_t)y->attr[3 * i]}, high = {(uint32_t)y->attr[3 * i + 1]};
    int64_t pitch = y->attr[3 * i + 2] + 1;
    ExprId pos = l_sub(l, at, l_dim(l, low)), zero = l_int(l, 0), size = l_dim(l, x->dims[i]);
    if (!dim_equals(l->s->dims, low, 0)) *inside = l_and(l, *inside, less(l, l_int(l, -1), pos));
    if (pitch == 1) {
        if (!dim_equals(l->s->dims, high, 0)) *inside = l_and(l, *inside, less(l, pos, size));
        return pos;
    }
    ExprId whole = l_max(l, pos, zero), step = l_int(l, pitch);
    ExprId quotient = l_div(l, whole, step);
    *inside = l_and(l, *inside, l_op(l, OP_EQUAL, DTYPE_BOOL, l_mod(l, whole, step), zero));
    *inside = l_and(l, *inside, less(l, quotient, size));
    return quotient;
}

/* Is the chosen one of two values there? */
static ExprId present_where(Lower *l, ExprId cond, ExprId a, ExprId b) {
    if (expr_is_none(a) && expr_is_none(b)) return EXPR_NONE;
    if (expr_is_none(a)) a = l_bits(l, DTYPE_BOOL, 1);
    if (expr_is_none(b)) b = l_bits(l, DTYPE_BOOL, 1);
    return l_select(l, DTYPE_BOOL, cond, a, b);
}

ExprId lower_PAD(Lower *l, NodeId n, const Index *at) {
    const GNode *y = node_of(l->s, n), *x = node_of(l->s, y->args[0]);
    Index to = index_like(at);
    ExprId axis[RANK_MAX], inside = EXPR_NONE;
    index_axes(l, n, at, axis);
    for (uint32_t i = 0; i < y->rank; i++) to.axis[i] = pad_axis(l, y, x, i, axis[i], &inside);
    to.pred = l_and(l, at->pred, inside);
    ExprId present, value = lower_tap(l, y->args[0], &to, &present);
    if (expr_is_none(inside)) l->present = present;
    if (expr_is_none(inside)) return value;
    if (!expr_is_none(present)) l->present = present_where(l, inside, present, EXPR_NONE);
    return l_select(l, y->dtype, inside, value, lower_value(l, y->args[1], at));
}

ExprId lower_CONCAT(Lower *l, NodeId n, const Index *at) {
    const GNode *y = node_of(l->s, n);
    uint32_t along = (uint32_t)y->attr[0];
    ExprId axis[RANK_MAX], result = EXPR_NONE, there = EXPR_NONE;
    index_axes(l, n, at, axis);
    DimId end = y->dims[along];
    for (uint32_t k = y->nargs; k-- > 0;) {
        Index to = index_like(at);
        DimId first = dim_sub(l->s->dims, end, node_of(l->s, y->args[k])->dims[along]);
        ExprId from = l_dim(l, first), before = l_sub(l, from, l_int(l, 1));
        ExprId above = k == 0 ? EXPR_NONE : less(l, before, axis[along]);
        ExprId below = k + 1 == y->nargs ? EXPR_NONE : less(l, axis[along], l_dim(l, end));
        for (uint32_t i = 0; i < y->rank; i++) to.axis[i] = axis[i];
        to.axis[along] = l_sub(l, axis[along], from);
        to.pred = l_and(l, at->pred, l_and(l, above, below));
        ExprId present, value = lower_tap(l, y->args[k], &to, &present);
        bool last = expr_is_none(result);
        there = last ? present : present_where(l, below, present, there);
        result = last ? value : l_select(l, y->dtype, below, value, result);
        end = first;
    }
    l->present = there;
    return result;
}

/* The source's position of a tap on one axis; *inside gains the conditions for it to exist. */
static ExprId tap_position(Lower *l, const WindowAxis *w, DimId size, ExprId window, ExprId tap,
                           ExprId *inside) {
    ExprId start = l_mul(l, window, l_int(l, w->stride));
    ExprId pos = l_add(l, start, l_mul(l, tap, l_int(l, w->dilation)));
    pos = l_sub(l, pos, l_int(l, w->low));
    if (w->low > 0) *inside = l_and(l, *inside, less(l, l_int(l, -1), pos));
    if (w->spacing > 1) {
        ExprId whole = l_max(l, pos, l_int(l, 0)), step = l_int(l, w->spacing);
        ExprId rest = l_mod(l, whole, step);
        *inside = l_and(l, *inside, l_op(l, OP_EQUAL, DTYPE_BOOL, rest, l_int(l, 0)));
        pos = l_div(l, whole, step);
    }
    if (w->high > 0) *inside = l_and(l, *inside, less(l, pos, l_dim(l, size)));
    return pos;
}

static const TapKnown *tap_known(const Lower *l, NodeId n, uint32_t axis) {
    for (uint32_t i = 0; i < l->tap_count; i++)
        if (l->taps[i].known && l->taps[i].axis == axis && node_same(l->taps[i].window, n))
            return &l->taps[i];
    return NULL;
}

/* Result axes: the operand's, windowed ones counting windows, then the taps. */
ExprId lower_WINDOW(Lower *l, NodeId n, const Index *at) {
    const GNode *y = node_of(l->s, n), *x = node_of(l->s, y->args[0]);
    Index to = index_like(at);
    ExprId axis[RANK_MAX], inside = EXPR_NONE;
    index_axes(l, n, at, axis);
    for (uint32_t i = 0; i < x->rank; i++) to.axis[i] = axis[i];
    for (uint32_t k = 0; k < window_count(y); k++) {
        WindowAxis w = window_axis(y, k);
        const TapKnown *known = tap_known(l, n, k);
        ExprId here = EXPR_NONE, test = EXPR_NONE;
        if (known) here = known->position;
        if (expr_is_none(here))
            here = tap_position(l, &w, x->dims[w.axis], axis[w.axis], axis[x->rank + k], &test);
        if (!known) inside = l_and(l, inside, test);
        to.axis[w.axis] = here;
    }
    to.pred = l_and(l, at->pred, inside);
    ExprId value = lower_value(l, y->args[0], &to);
    l->present = l_and(l, l->present, inside);
    return value;
}
