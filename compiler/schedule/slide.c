/* Contractions over windows: the loops over k, without the taps that do not exist.
 *
 * Tap t of window o stands at o·stride + t·dilation - low; the source has elements at multiples of
 * `spacing`. Where one of o and t is fixed by the loops around, the other one's range is clipped
 * and no tap needs a test. k keeps its order and its chunks (docs/numerics.md): what is absent is
 * left out, nothing else changes. */
#include "compiler/schedule/tile.h"

/* ------------------------------------------------------------------ finding them */

static void slide_add(Lower *l, Contract *c, NodeId window, uint32_t k, const uint32_t *label) {
    const GNode *n = node_of(l->s, window), *x = node_of(l->s, n->args[0]);
    WindowAxis w = window_axis(n, k);
    if (l->tap_count == TAPS_KNOWN_MAX || label[w.axis] == NONE || label[x->rank + k] == NONE)
        return;
    TapKnown *known = &l->taps[l->tap_count++];
    *known = (TapKnown){.window = window, .axis = k, .position = EXPR_NONE};
    Slide *s = &c->slides[c->slide_count++];
    s->w = w;
    s->source = x->dims[s->w.axis];
    s->windows = n->dims[s->w.axis];
    s->pos = label[s->w.axis];
    s->tap = label[x->rank + k];
    s->known = known;
}

void slides_find(Lower *l, Contract *c) {
    l->tap_count = 0;
    for (uint32_t which = 0; which < 2; which++) {
        NodeId id = which ? c->b : c->a;
        const uint32_t *own = which ? c->label_b : c->label_a;
        const GNode *n = node_of(l->s, id);
        uint32_t label[RANK_MAX], moved[RANK_MAX];
        if (l->group->packed[which] != NONE) continue;
        memcpy(label, own, n->rank * sizeof *label);
        while ((n->op == OP_PERMUTE || n->op == OP_WINDOW) && lower_is_inline(l, id)) {
            for (uint32_t k = 0; n->op == OP_WINDOW && k < window_count(n); k++)
                slide_add(l, c, id, k, label);
            for (uint32_t k = 0; n->op == OP_WINDOW && k < window_count(n); k++)
                label[window_axis(n, k).axis] = NONE; /* no label runs along it further inside */
            memcpy(moved, label, sizeof moved);
            for (uint32_t i = 0; n->op == OP_PERMUTE && i < n->rank; i++)
                label[n->attr[i]] = moved[i];
            id = n->args[0];
            n = node_of(l->s, id);
        }
    }
}

static bool operand_sums_windows(const Sched *s, const Contract *c, uint32_t which) {
    NodeId id = which ? c->b : c->a;
    const GNode *n = node_of(s, id);
    uint32_t label[RANK_MAX], moved[RANK_MAX];
    memcpy(label, which ? c->label_b : c->label_a, n->rank * sizeof *label);
    while ((n->op == OP_PERMUTE || n->op == OP_WINDOW) && !plan_of(s, id)->stored) {
        uint32_t rank = node_of(s, n->args[0])->rank;
        for (uint32_t k = 0; n->op == OP_WINDOW && k < window_count(n); k++)
            if (label[window_axis(n, k).axis] >= c->outer && label[rank + k] < c->outer)
                return true;
        memcpy(moved, label, sizeof moved);
        for (uint32_t i = 0; n->op == OP_PERMUTE && i < n->rank; i++) label[n->attr[i]] = moved[i];
        id = n->args[0];
        n = node_of(s, id);
    }
    return false;
}

bool contract_sums_windows(const Sched *s, const Contract *c) {
    return operand_sums_windows(s, c, 0) || operand_sums_windows(s, c, 1);
}

void slides_forget(Lower *l) {
    for (uint32_t i = 0; i < l->tap_count; i++) {
        l->taps[i].known = false;
        l->taps[i].position = EXPR_NONE;
    }
}

/* ------------------------------------------------------------------ ranges */

typedef struct Range {
    ExprId from, to;
} Range;

/* max(e, 0) / d, rounded up or down */
static ExprId quotient_up(Lower *l, ExprId e, int64_t d) {
    ExprId top = l_max(l, e, l_int(l, 0));
    return d == 1 ? top : l_div(l, l_add(l, top, l_int(l, d - 1)), l_int(l, d));
}
static ExprId quotient_down(Lower *l, ExprId e, int64_t d) {
    ExprId top = l_max(l, e, l_int(l, 0));
    return d == 1 ? top : l_div(l, top, l_int(l, d));
}

/* The values v in [0, count) with 0 <= v·step + start < size; `start` is -low + something >= 0. */
static Range range_of(Lower *l, const Slide *s, ExprId start, int64_t step, ExprId count) {
    ExprId zero = l_int(l, 0), size = l_dim(l, s->source);
    Range r = {zero, count};
    if (s->w.low > 0) r.from = quotient_up(l, l_sub(l, zero, start), step);
    if (s->w.high > 0) {
        ExprId behind = l_add(l, l_sub(l, size, start), l_int(l, step - 1));
        r.to = l_min(l, count, quotient_down(l, behind, step));
    }
    return r;
}

/* Taps of window o. */
static Range taps_at(Lower *l, const Slide *s, ExprId o) {
    ExprId start = l_sub(l, l_mul(l, o, l_int(l, s->w.stride)), l_int(l, s->w.low));
    return range_of(l, s, start, s->w.dilation, l_int(l, s->w.size));
}

/* Windows that have a tap t. */
static Range windows_at(Lower *l, const Slide *s, ExprId t) {
    ExprId start = l_sub(l, l_mul(l, t, l_int(l, s->w.dilation)), l_int(l, s->w.low));
    return range_of(l, s, start, s->w.stride, l_dim(l, s->windows));
}

static bool is_int(const Lower *l, ExprId e, int64_t *v) {
    const Expr *x = &l->k->exprs.data[e.id];
    *v = (int64_t)x->imm;
    return x->kind == EXPR_CONST;
}

/* Taps of window o over a source with holes, dilation 1: t = first + spacing·u, at p + u. */
static void enter_spaced(Lower *l, const Slide *s, ExprId o, ExprId *label) {
    int64_t gap = s->w.spacing, low = s->w.low > 0 ? s->w.low : 0;
    int64_t lift = (low + gap - 1) / gap; /* whole gaps, so that nothing is negative */
    ExprId step = l_int(l, gap), place = l_mul(l, o, l_int(l, s->w.stride));
    place = l_add(l, place, l_int(l, lift * gap - s->w.low));
    ExprId first = l_mod(l, l_sub(l, step, l_mod(l, place, step)), step);
    ExprId p = l_sub(l, l_div(l, l_add(l, place, first), step), l_int(l, lift));
    ExprId from = l_max(l, l_sub(l, l_int(l, 0), p), l_int(l, 0));
    ExprId taps = l_sub(l, l_int(l, s->w.size + gap - 1), first);
    ExprId to = l_min(l, l_div(l, taps, step), l_sub(l, l_dim(l, s->source), p));
    VarId u = l_new_var(l, "t");
    l_enter_for(l, u, from, to, 1);
    label[s->tap] = l_add(l, first, l_mul(l, l_var(l, u), step));
    s->known->known = true;
    s->known->position = l_add(l, p, l_var(l, u));
}

/* ------------------------------------------------------------------ loops over k */

const Slide *slide_with(const Contract *c, uint32_t label, bool tap) {
    for (uint32_t i = 0; i < c->slide_count; i++)
        if ((tap ? c->slides[i].tap : c->slides[i].pos) == label) return &c->slides[i];
    return NULL;
}

/* Labels below `number` have their values. */
void slides_enter_label(Lower *l, const Contract *c, uint32_t row, uint32_t number, ExprId *label) {
    const Slide *t = slide_with(c, number, true), *o = slide_with(c, number, false);
    ExprId zero = l_int(l, 0);
    Range r = {zero, l_dim(l, c->size[number])};
    if (t && t->pos < number && t->pos != row && !t->known->known) {
        if (t->w.spacing > 1 && t->w.dilation == 1) {
            enter_spaced(l, t, label[t->pos], label);
            return;
        }
        if (t->w.spacing == 1) {
            r = taps_at(l, t, label[t->pos]);
            t->known->known = true;
        }
    } else if (o && o->tap < number && o->tap != row && o->w.spacing == 1) {
        r = windows_at(l, o, label[o->tap]);
        o->known->known = true;
    }
    int64_t from, to;
    if (is_int(l, r.from, &from) && is_int(l, r.to, &to) && to == from + 1) {
        label[number] = r.from;
        return;
    }
    VarId k = l_new_var(l, "k");
    l_enter_for(l, k, r.from, r.to, 1);
    label[number] = l_var(l, k);
}

/* k in [from, to): rows of the last reduced label, the first and the last perhaps in part. What is
 * absent in a whole row makes it empty. */
static void enter_segments(Lower *l, const Contract *c, uint32_t row, ExprId from, ExprId to,
                           ExprId *label) {
    uint32_t last = c->outer + c->reduced - 1;
    ExprId size = l_dim(l, c->size[last]), one = l_int(l, 1), none = EXPR_NONE;
    VarId segment = l_new_var(l, "s");
    ExprId first = l_div(l, from, size);
    ExprId end = l_div(l, l_add(l, to, l_sub(l, size, one)), size);
    l_enter_for(l, segment, first, end, 1);
    split_position(l, l_var(l, segment), c->size + c->outer, c->reduced - 1, label + c->outer);
    ahead_of_row(l, c, l_var(l, segment));
    ExprId start = l_mul(l, l_var(l, segment), size);
    Range r;
    r.from = l_max(l, l_sub(l, from, start), l_int(l, 0));
    r.to = l_min(l, l_sub(l, to, start), size);
    for (uint32_t i = 0; i < c->slide_count; i++) {
        const Slide *s = &c->slides[i];
        if (s->pos == row || s->tap == row || s->w.spacing != 1) continue;
        if (s->pos == last || s->tap == last) {
            Range present =
                s->pos == last ? windows_at(l, s, label[s->tap]) : taps_at(l, s, label[s->pos]);
            r.from = l_max(l, r.from, present.from);
            r.to = l_min(l, r.to, present.to);
        } else {
            ExprId at =
                l_sub(l, l_mul(l, label[s->pos], l_int(l, s->w.stride)), l_int(l, s->w.low));
            at = l_add(l, at, l_mul(l, label[s->tap], l_int(l, s->w.dilation)));
            if (s->w.low > 0) none = l_and(l, none, l_op(l, OP_LESS, DTYPE_BOOL, l_int(l, -1), at));
            if (s->w.high > 0)
                none = l_and(l, none, l_op(l, OP_LESS, DTYPE_BOOL, at, l_dim(l, s->source)));
        }
        s->known->known = true;
    }
    if (!expr_is_none(none)) r.to = l_select(l, DTYPE_I64, none, r.to, r.from);
    VarId k = l_new_var(l, "k");
    l_enter_for(l, k, r.from, r.to, 1);
    label[last] = l_var(l, k);
}

void slides_enter_k(Lower *l, const Contract *c, uint32_t row, ExprId from, ExprId to,
                    ExprId *label) {
    if (contract_chunked(l->s, c) && c->reduced > 1) {
        enter_segments(l, c, row, from, to, label);
        return;
    }
    if (contract_chunked(l->s, c) || c->reduced == 0) {
        contract_enter_k(l, c, from, to, label);
        return;
    }
    for (uint32_t i = 0; i < c->reduced; i++) slides_enter_label(l, c, row, c->outer + i, label);
}
