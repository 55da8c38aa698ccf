/* argsort: a stable merge sort of every row, bottom up, as loops. One row of the operand at a time;
 * rows go to threads by the leading axis.
 *
 * The result's first half holds the permutation and its second the ranks, so the second half is the
 * other buffer that merging needs. A pass merges neighbouring runs of w positions from one half
 * into the other and doubles w; it is empty once w >= n and the permutation stands in the first
 * half. Every element is written once in a pass: n ceil(log2 n) steps, two loads of the operand
 * each. */
#include "compiler/schedule/lower.h"

enum {
    PASSES = 33
}; /* positions are i32: 31 passes sort them, one more may move the halves back */

typedef struct Sort {
    Lower *l;
    NodeId node;
    const GNode *y;
    const Slab *slab;
    Index row; /* of the operand; the last axis is the place in it */
    Index out; /* of the result: the row's axes, the half, the place */
    uint32_t rank;
    uint32_t buffer;
    ExprId n;              /* elements of the row */
    RegId width, from, to; /* halves: 0 or 1 */
} Sort;

static ExprId place_of(const Sort *s, ExprId half, ExprId k) {
    Index at = s->out;
    at.axis[s->rank - 1] = half;
    at.axis[s->rank] = k;
    return slab_position(s->l, s->node, s->slab, &at);
}

static void put(const Sort *s, ExprId half, ExprId k, ExprId value) {
    Lower *l = s->l;
    loop_store(l->p, l->k, l->nested ? &l->parent : NULL, s->buffer, place_of(s, half, k),
               l_cast(l, DTYPE_I32, value), EXPR_NONE);
}

/* The position at k of a half, where `pred` holds; else 0, which every row with an element has. */
static ExprId get(const Sort *s, ExprId half, ExprId k, ExprId pred) {
    Lower *l = s->l;
    Expr e = {.kind = EXPR_LOAD,
              .dtype = DTYPE_I32,
              .nargs = expr_is_none(pred) ? 1 : 3,
              .args = {place_of(s, half, k), pred, l_bits(l, DTYPE_I32, 0)},
              .buffer = s->buffer};
    return l_cast(l, DTYPE_I64, loop_expr(l->p, l->k, &e));
}

static ExprId key(const Sort *s, ExprId position) {
    Index at = s->row;
    at.axis[s->rank - 1] = position;
    return lower_value(s->l, s->y->args[0], &at);
}

static RegId held(Lower *l, const char *name, DType dtype, ExprId value) {
    RegId r = l_new_reg(l, name, dtype, NULL);
    l_set(l, r, value);
    return r;
}

static ExprId l_not(Lower *l, ExprId a) {
    return loop_op(l->p, l->k, OP_NOT, DTYPE_BOOL, &a, 1);
}

/* b stands strictly before a: smaller, or a number where a is NaN. */
static ExprId precedes(Lower *l, ExprId b, ExprId a) {
    ExprId less = l_op(l, OP_LESS, DTYPE_BOOL, b, a);
    if (!dtype_is_float(l_dtype(l, a))) return less;
    ExprId a_is_nan = l_not(l, l_op(l, OP_EQUAL, DTYPE_BOOL, a, a));
    ExprId b_is_number = l_op(l, OP_EQUAL, DTYPE_BOOL, b, b);
    return l_op(l, OP_OR, DTYPE_BOOL, less, l_op(l, OP_AND, DTYPE_BOOL, a_is_nan, b_is_number));
}

/* Runs [i, middle) and [j, end) of one half, the next smallest of which goes to k of the other. At
 * the end of a pair the next one begins. */
static void merge(const Sort *s, ExprId count) {
    Lower *l = s->l;
    ExprId zero = l_int(l, 0), w = l_reg(l, s->width);
    RegId i = held(l, "i", DTYPE_I64, zero), j = held(l, "j", DTYPE_I64, zero);
    RegId middle = held(l, "middle", DTYPE_I64, zero), end = held(l, "end", DTYPE_I64, zero);
    LowerPlace place = l_place(l);
    VarId v = l_new_var(l, "k");
    l_enter_for(l, v, zero, count, 1);
    ExprId k = l_var(l, v), half = l_min(l, l_add(l, k, w), s->n);
    RegId fresh = held(l, "fresh", DTYPE_BOOL, l_op(l, OP_EQUAL, DTYPE_BOOL, k, l_reg(l, end)));
    ExprId begins = l_reg(l, fresh), whole = l_min(l, l_add(l, l_add(l, k, w), w), s->n);
    l_set(l, end, l_select(l, DTYPE_I64, begins, whole, l_reg(l, end)));
    l_set(l, middle, l_select(l, DTYPE_I64, begins, half, l_reg(l, middle)));
    l_set(l, i, l_select(l, DTYPE_I64, begins, k, l_reg(l, i)));
    l_set(l, j, l_select(l, DTYPE_I64, begins, half, l_reg(l, j)));
    ExprId has_left = l_op(l, OP_LESS, DTYPE_BOOL, l_reg(l, i), l_reg(l, middle));
    ExprId has_right = l_op(l, OP_LESS, DTYPE_BOOL, l_reg(l, j), l_reg(l, end));
    ExprId source = l_reg(l, s->from);
    RegId left = held(l, "left", DTYPE_I64, get(s, source, l_reg(l, i), has_left));
    RegId right = held(l, "right", DTYPE_I64, get(s, source, l_reg(l, j), has_right));
    ExprId first = precedes(l, key(s, l_reg(l, right)), key(s, l_reg(l, left)));
    ExprId wanted = l_op(l, OP_OR, DTYPE_BOOL, l_not(l, has_left), first);
    RegId take = held(l, "take", DTYPE_BOOL, l_op(l, OP_AND, DTYPE_BOOL, has_right, wanted));
    ExprId taken = l_reg(l, take), step = l_cast(l, DTYPE_I64, taken);
    put(s, l_reg(l, s->to), k, l_select(l, DTYPE_I64, taken, l_reg(l, right), l_reg(l, left)));
    l_set(l, j, l_add(l, l_reg(l, j), step));
    l_set(l, i, l_add(l, l_reg(l, i), l_sub(l, l_int(l, 1), step)));
    l_return(l, place);
}

static void passes(const Sort *s) {
    Lower *l = s->l;
    ExprId zero = l_int(l, 0);
    LowerPlace place = l_place(l);
    l_enter_for(l, l_new_var(l, "pass"), zero, l_int(l, PASSES), 1);
    ExprId short_runs = l_op(l, OP_LESS, DTYPE_BOOL, l_reg(l, s->width), s->n);
    ExprId swapped = l_op(l, OP_LESS, DTYPE_BOOL, zero, l_reg(l, s->from));
    ExprId open = l_op(l, OP_OR, DTYPE_BOOL, short_runs, swapped);
    RegId more = held(l, "more", DTYPE_BOOL, open);
    merge(s, l_select(l, DTYPE_I64, l_reg(l, more), s->n, zero));
    RegId old = held(l, "old", DTYPE_I64, l_reg(l, s->from));
    l_set(l, s->from, l_select(l, DTYPE_I64, l_reg(l, more), l_reg(l, s->to), l_reg(l, old)));
    l_set(l, s->to, l_select(l, DTYPE_I64, l_reg(l, more), l_reg(l, old), l_reg(l, s->to)));
    l_set(l, s->width, l_add(l, l_reg(l, s->width), l_reg(l, s->width)));
    l_return(l, place);
}

/* 0, 1, 2 … */
static void identity(const Sort *s) {
    Lower *l = s->l;
    LowerPlace place = l_place(l);
    VarId v = l_new_var(l, "k");
    l_enter_for(l, v, l_int(l, 0), s->n, 1);
    put(s, l_int(l, 0), l_var(l, v), l_var(l, v));
    l_return(l, place);
}

/* ranks[permutation[k]] = k */
static void ranks(const Sort *s) {
    Lower *l = s->l;
    LowerPlace place = l_place(l);
    VarId v = l_new_var(l, "k");
    l_enter_for(l, v, l_int(l, 0), s->n, 1);
    RegId at = held(l, "at", DTYPE_I64, get(s, l_int(l, 0), l_var(l, v), EXPR_NONE));
    put(s, l_int(l, 1), l_reg(l, at), l_var(l, v));
    l_return(l, place);
}

ExprId lower_ARGSORT(Lower *l, NodeId n, const Index *at) {
    (void)at;
    BUG("kernel %s: argsort (node %u) has a kernel of its own", l->k->name, n.id);
}

void lower_sort(Lower *l) {
    NodeId n = l->group->core;
    const GNode *y = node_of(l->s, n);
    const Target *t = &l->group->targets.data[0];
    INVARIANT(l->group->targets.len == 1);
    Sort s = {.l = l, .node = n, .y = y, .slab = t->slab, .rank = y->rank - 1};
    s.row.pred = s.out.pred = EXPR_NONE;
    l->k->parallel = s.rank > 1;
    if (l->k->parallel) {
        l->k->extent = l->extent = y->dims[0];
        l->k->grain = threads_grain(l->s, y->dims[0]);
    }
    lower_scalars(l);
    memo_clear(l);
    for (uint32_t i = 0; i + 1 < s.rank; i++) {
        VarId v = l_new_var(l, "row");
        Expr lo = {.kind = EXPR_LO, .dtype = DTYPE_I64}, hi = {.kind = EXPR_HI, .dtype = DTYPE_I64};
        ExprId first = i ? l_int(l, 0) : loop_expr(l->p, l->k, &lo);
        ExprId last = i ? l_dim(l, y->dims[i]) : loop_expr(l->p, l->k, &hi);
        l_enter_for(l, v, first, last, 1);
        s.row.axis[i] = s.out.axis[i] = l_var(l, v);
        if (i == 0) l->row = s.row.axis[0];
    }
    s.n = l_dim(l, y->dims[s.rank]);
    s.buffer = loop_use(l->p, l->k, t->buffer, true);
    access_note(l, s.buffer, l->k->parallel ? slab_access(l, n, s.slab, &s.out) : ACCESS_ANY);
    s.width = held(l, "width", DTYPE_I64, l_int(l, 1));
    s.from = held(l, "from", DTYPE_I64, l_int(l, 0));
    s.to = held(l, "to", DTYPE_I64, l_int(l, 1));
    identity(&s);
    passes(&s);
    ranks(&s);
}
