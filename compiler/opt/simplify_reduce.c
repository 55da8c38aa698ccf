/* Identities of reductions, contractions and gathers. */
#include "compiler/opt/simplify.h"

/* Reduced axes of size 1 do not count: k keeps its numbering without them. A sum over nothing else
 * is +0 + x (a reduction to max or min is x itself). */
NodeId simplify_unit_axes(Simplify *s, const GNode *n) {
    const GNode *x = operand(s, n, 0);
    Shape kept = {.rank = 0}, shape = node_shape(n);
    int64_t axes[RANK_MAX];
    uint32_t count = 0, dropped = 0, next = 0;
    for (uint32_t i = 0; i < x->rank; i++) {
        bool reduced = next < n->nattr && n->attr[next] == i;
        if (reduced) next++;
        if (reduced && dim_equals(s->g->dims, x->dims[i], 1)) {
            dropped++;
            continue;
        }
        if (reduced) axes[count++] = kept.rank;
        kept.dims[kept.rank++] = x->dims[i];
    }
    if (dropped == 0 || may_be_absent(s, n->args[0])) return NODE_NONE;
    NodeId flat = simple_view(s, OP_RESHAPE, n->args[0], &kept, NULL, 0, n->span);
    if (count == 0 && n->op != OP_SUM) return flat;
    if (count == 0) return simple_binary(s, OP_ADD, flat, simple_const(s, n, 0), n->span);
    GNode rest = {.op = n->op,
                  .dtype = n->dtype,
                  .rank = shape.rank,
                  .dims = shape.dims,
                  .nargs = 1,
                  .args = &flat,
                  .nattr = count,
                  .attr = axes,
                  .span = n->span};
    return simple_add(s, &rest);
}

static bool is_reduced(const GNode *n, uint32_t axis) {
    for (uint32_t i = 0; i < n->nattr; i++)
        if (n->attr[i] == axis) return true;
    return false;
}

/* Labels of a stretched operand: the product's axes that are its own. */
static uint32_t own_labels(const GNode *spread, uint32_t *labels) {
    uint32_t count = 0;
    for (uint32_t i = 0; i < spread->rank; i++)
        if (spread->attr[i] >= 0) labels[count++] = i;
    return count;
}

/* sum of a[i, k] · b[k, j], both written out to [i, k, j]: the product is never made. Only where
 * both operands were stretched and every summed axis is in both; a dot product of equal shapes
 * stays a sum, which runs in 16 lanes. */
NodeId simplify_sum_of_products(Simplify *s, const GNode *n) {
    const GNode *product = operand(s, n, 0);
    if (product->op != OP_MUL) return NODE_NONE;
    const GNode *a = operand(s, product, 0), *b = operand(s, product, 1);
    if (a->op != OP_BROADCAST || b->op != OP_BROADCAST) return NODE_NONE;
    uint32_t la[RANK_MAX], lb[RANK_MAX], out[RANK_MAX], reduced[RANK_MAX], nout = 0, count = 0;
    for (uint32_t i = 0; i < product->rank; i++) {
        bool in_a = a->attr[i] >= 0, in_b = b->attr[i] >= 0, gone = is_reduced(n, i);
        if (gone ? !(in_a && in_b) : !(in_a || in_b)) return NODE_NONE;
        if (gone)
            reduced[count++] = i;
        else
            out[nout++] = i;
    }
    own_labels(a, la);
    own_labels(b, lb);
    return g_contract(s->g, a->args[0], la, b->args[0], lb, out, nout, reduced, count, n->span);
}

/* ---- contract */

typedef struct Term { /* one operand of a contract under rewriting */
    NodeId node;
    uint32_t rank;
    uint32_t label[RANK_MAX];
} Term;

static bool term_has(const Term *t, uint32_t label) {
    for (uint32_t i = 0; i < t->rank; i++)
        if (t->label[i] == label) return true;
    return false;
}

/* Reads through a permutation: the labels move instead. */
static bool peel_permute(const Simplify *s, Term *t) {
    const GNode *x = graph_node(s->g, t->node);
    if (x->op != OP_PERMUTE) return false;
    Term inner = {.node = x->args[0], .rank = t->rank};
    for (uint32_t i = 0; i < t->rank; i++) inner.label[x->attr[i]] = t->label[i];
    *t = inner;
    return true;
}

/* Reads through a broadcast: stretched labels are dropped where the other operand has them, or
 * where the result is stretched instead (marked in `spread`). Not when such a label is summed
 * alone. */
static bool peel_broadcast(const Simplify *s, Term *t, const Term *other, uint32_t result_rank,
                           bool *spread) {
    const GNode *x = graph_node(s->g, t->node);
    if (x->op != OP_BROADCAST) return false;
    Term inner = {.node = x->args[0]};
    for (uint32_t i = 0; i < t->rank; i++) {
        if (x->attr[i] >= 0)
            inner.label[inner.rank++] = t->label[i];
        else if (!term_has(other, t->label[i]) && t->label[i] >= result_rank)
            return false;
    }
    for (uint32_t i = 0; i < t->rank; i++)
        if (x->attr[i] < 0 && !term_has(other, t->label[i])) spread[t->label[i]] = true;
    *t = inner;
    return true;
}

NodeId simplify_contract_operands(Simplify *s, const GNode *n) {
    Term term[2];
    bool spread[RANK_MAX] = {false}, changed = false;
    const int64_t *label = n->attr + 1;
    for (uint32_t k = 0; k < 2; k++) {
        term[k] = (Term){.node = n->args[k], .rank = operand(s, n, k)->rank};
        for (uint32_t i = 0; i < term[k].rank; i++) term[k].label[i] = (uint32_t)*label++;
    }
    for (uint32_t k = 0; k < 2; k++)
        while (peel_permute(s, &term[k]) ||
               peel_broadcast(s, &term[k], &term[1 - k], n->rank, spread))
            changed = true;
    if (!changed) return NODE_NONE;
    uint32_t out[RANK_MAX], reduced[2 * RANK_MAX], nout = 0, count = (uint32_t)n->attr[0];
    int64_t map[RANK_MAX];
    Shape shape = node_shape(n);
    for (uint32_t i = 0; i < n->rank; i++) {
        map[i] = spread[i] ? -1 : (int64_t)nout;
        if (!spread[i]) out[nout++] = i;
    }
    for (uint32_t i = 0; i < count; i++) reduced[i] = n->rank + i;
    NodeId inner = g_contract(s->g, term[0].node, term[0].label, term[1].node, term[1].label, out,
                              nout, reduced, count, n->span);
    return simple_view(s, OP_BROADCAST, inner, &shape, map, n->rank, n->span);
}

/* t over the axes of the result, its labels being the axes' numbers. */
static NodeId spread_term(Simplify *s, const Term *t, const GNode *n) {
    Shape shape = node_shape(n), moved = {.rank = t->rank};
    int64_t perm[RANK_MAX], map[RANK_MAX];
    uint32_t used = 0;
    for (uint32_t i = 0; i < n->rank; i++) {
        map[i] = -1;
        for (uint32_t k = 0; k < t->rank; k++) {
            if (t->label[k] != i) continue;
            map[i] = used;
            perm[used++] = k;
        }
    }
    for (uint32_t i = 0; i < t->rank; i++) moved.dims[i] = graph_node(s->g, t->node)->dims[perm[i]];
    NodeId x = simple_view(s, OP_PERMUTE, t->node, &moved, perm, t->rank, n->span);
    return simple_view(s, OP_BROADCAST, x, &shape, map, n->rank, n->span);
}

/* One product an element: a·b + 0, rounded once, as the chain of k does it (a product alone could
 * give -0, and a rounded sum after it loses the -0 of an underflow). */
static NodeId single_product(Simplify *s, const GNode *n, const Term *term) {
    NodeId a = spread_term(s, &term[0], n), b = spread_term(s, &term[1], n);
    if (!dtype_is_float(n->dtype)) return simple_binary(s, OP_MUL, a, b, n->span);
    GNode fma = *n;
    fma.op = OP_FMA;
    fma.args = (NodeId[]){a, b, simple_const(s, n, 0)};
    fma.nargs = 3;
    fma.nattr = 0;
    return simple_add(s, &fma);
}

/* Summed labels of size 1 do not count; without any other there is nothing to sum. An absent term
 * would have to give 0, so windows are left alone. */
NodeId simplify_contract_units(Simplify *s, const GNode *n) {
    Term term[2];
    const int64_t *label = n->attr + 1;
    bool gone[2 * RANK_MAX] = {false};
    uint32_t out[RANK_MAX], reduced[2 * RANK_MAX], count = 0, total = (uint32_t)n->attr[0];
    if (may_be_absent(s, n->args[0]) || may_be_absent(s, n->args[1])) return NODE_NONE;
    for (uint32_t k = 0; k < 2; k++) {
        const GNode *x = operand(s, n, k);
        Shape kept = {.rank = 0};
        term[k] = (Term){.node = n->args[k]};
        for (uint32_t i = 0; i < x->rank; i++, label++) {
            gone[*label] = *label >= n->rank && dim_equals(s->g->dims, x->dims[i], 1);
            if (gone[*label]) continue;
            term[k].label[term[k].rank++] = (uint32_t)*label;
            kept.dims[kept.rank++] = x->dims[i];
        }
        term[k].node = simple_view(s, OP_RESHAPE, term[k].node, &kept, NULL, 0, n->span);
    }
    for (uint32_t i = 0; i < n->rank; i++) out[i] = i;
    for (uint32_t l = n->rank; l < n->rank + total; l++)
        if (!gone[l]) reduced[count++] = l;
    if (count == 0) return single_product(s, n, term);
    if (count == total) return NODE_NONE;
    return g_contract(s->g, term[0].node, term[0].label, term[1].node, term[1].label, out, n->rank,
                      reduced, count, n->span);
}

/* ---- gather */

/* Every index runs along a whole axis of x, each along its own axis of the indices: nothing is
 * looked up, elements only move. y[s…, rest…] = x[s at the indexed axes, rest] */
NodeId simplify_gather(Simplify *s, const GNode *n) {
    const GNode *x = operand(s, n, 0), *first = operand(s, n, 1);
    int64_t axis_of[RANK_MAX]; /* indices' axis -> axis of x */
    for (uint32_t i = 0; i < first->rank; i++) axis_of[i] = -1;
    for (uint32_t k = 1; k < n->nargs; k++) {
        const GNode *index = operand(s, n, k);
        if (index->op != OP_IOTA || axis_of[index->attr[0]] >= 0) return NODE_NONE;
        if (!dim_same(index->dims[index->attr[0]], x->dims[n->attr[k - 1]])) return NODE_NONE;
        axis_of[index->attr[0]] = n->attr[k - 1];
    }
    int64_t perm[RANK_MAX], map[RANK_MAX];
    uint32_t rank = 0;
    Shape moved = {.rank = x->rank}, shape = node_shape(n);
    for (uint32_t i = 0; i < first->rank; i++) {
        map[i] = axis_of[i] < 0 ? -1 : (int64_t)rank;
        if (axis_of[i] >= 0) perm[rank++] = axis_of[i];
    }
    for (uint32_t i = 0, k = 0; i < x->rank; i++) {
        if (k < n->nattr && n->attr[k] == i) {
            k++;
            continue;
        }
        map[first->rank + rank - n->nattr] = rank;
        perm[rank++] = i;
    }
    for (uint32_t i = 0; i < x->rank; i++) moved.dims[i] = x->dims[perm[i]];
    NodeId view = simple_view(s, OP_PERMUTE, n->args[0], &moved, perm, x->rank, n->span);
    return simple_view(s, OP_BROADCAST, view, &shape, map, shape.rank, n->span);
}
