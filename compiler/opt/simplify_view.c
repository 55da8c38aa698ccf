/* Identities of views: two moves that are one, moves of constants, moves that can wait. All exact:
 * views only say where an element is read. */
#include "compiler/opt/simplify.h"

static const int64_t *word_of(const Simplify *s, NodeId id) {
    const GNode *n = graph_node(s->g, id);
    return n->op == OP_CONST && n->nattr == 1 ? n->attr : NULL;
}

static NodeId constant(Simplify *s, DType dtype, const Shape *shape, int64_t word, Span span) {
    return graph_add(s->g, OP_CONST, dtype, shape, NULL, 0, &word, 1, span);
}

static bool same_map(const GNode *a, const GNode *b) {
    return a->nattr == b->nattr &&
           (a->nattr == 0 || memcmp(a->attr, b->attr, a->nattr * sizeof *a->attr) == 0);
}

/* An elementwise op whose operands are all stretched the same way (or constant) is computed before
 * it is stretched. */
NodeId simplify_spread_operands(Simplify *s, const GNode *n) {
    const GNode *spread = NULL;
    NodeId args[3];
    for (uint32_t i = 0; i < n->nargs; i++) {
        const GNode *x = operand(s, n, i);
        if (word_of(s, n->args[i])) continue;
        if (x->op != OP_BROADCAST || (spread && !same_map(x, spread))) return NODE_NONE;
        spread = x;
    }
    if (!spread) return NODE_NONE;
    Shape small = graph_shape(s->g, spread->args[0]);
    for (uint32_t i = 0; i < n->nargs; i++) {
        const GNode *x = operand(s, n, i);
        const int64_t *word = word_of(s, n->args[i]);
        args[i] = word ? constant(s, x->dtype, &small, *word, x->span) : x->args[0];
    }
    GNode before = *n;
    before.args = args;
    before.rank = small.rank;
    before.dims = small.dims;
    NodeId value = simple_add(s, &before);
    Shape shape = node_shape(n);
    return simple_view(s, OP_BROADCAST, value, &shape, spread->attr, spread->nattr, n->span);
}

/* A constant moved is the same constant; padded or joined with itself, too. */
NodeId simplify_constant_view(Simplify *s, const GNode *n) {
    const int64_t *word = word_of(s, n->args[0]);
    if (!word || n->op == OP_WINDOW) return NODE_NONE;
    for (uint32_t i = 1; i < n->nargs; i++) {
        const int64_t *other = word_of(s, n->args[i]);
        if (!other || *other != *word) return NODE_NONE;
    }
    Shape shape = node_shape(n);
    return constant(s, n->dtype, &shape, *word, n->span);
}

NodeId simplify_reshape(Simplify *s, const GNode *n) {
    const GNode *x = operand(s, n, 0);
    Shape shape = node_shape(n);
    if (x->op == OP_RESHAPE)
        return simple_view(s, OP_RESHAPE, x->args[0], &shape, NULL, 0, n->span);
    if (x->op != OP_BROADCAST || graph_node(s->g, x->args[0])->rank != 0) return NODE_NONE;
    int64_t map[RANK_MAX];
    for (uint32_t i = 0; i < shape.rank; i++) map[i] = -1;
    return simple_view(s, OP_BROADCAST, x->args[0], &shape, map, shape.rank, n->span);
}

NodeId simplify_permute(Simplify *s, const GNode *n) {
    const GNode *x = operand(s, n, 0);
    Shape shape = node_shape(n);
    int64_t attr[RANK_MAX], next = 0;
    if (x->op != OP_PERMUTE && x->op != OP_BROADCAST) return NODE_NONE;
    for (uint32_t i = 0; i < n->rank; i++) attr[i] = x->attr[n->attr[i]];
    if (x->op == OP_BROADCAST) /* still a broadcast when the kept axes stay in order */
        for (uint32_t i = 0; i < n->rank; i++)
            if (attr[i] >= 0 && attr[i] != next++) return NODE_NONE;
    return simple_view(s, x->op, x->args[0], &shape, attr, n->rank, n->span);
}

NodeId simplify_broadcast(Simplify *s, const GNode *n) {
    const GNode *x = operand(s, n, 0);
    Shape shape = node_shape(n);
    int64_t map[RANK_MAX];
    if (x->op != OP_BROADCAST) return NODE_NONE;
    for (uint32_t i = 0; i < n->rank; i++) map[i] = n->attr[i] < 0 ? -1 : x->attr[n->attr[i]];
    return simple_view(s, OP_BROADCAST, x->args[0], &shape, map, n->rank, n->span);
}

/* Axes reversed twice are not reversed. */
NodeId simplify_reverse(Simplify *s, const GNode *n) {
    const GNode *x = operand(s, n, 0);
    Shape shape = node_shape(n);
    bool flipped[RANK_MAX] = {false};
    int64_t axes[RANK_MAX];
    uint32_t count = 0;
    if (x->op != OP_REVERSE) return NODE_NONE;
    for (uint32_t i = 0; i < n->nattr; i++) flipped[n->attr[i]] = true;
    for (uint32_t i = 0; i < x->nattr; i++) flipped[x->attr[i]] = !flipped[x->attr[i]];
    for (uint32_t i = 0; i < n->rank; i++)
        if (flipped[i]) axes[count++] = i;
    return simple_view(s, OP_REVERSE, x->args[0], &shape, axes, count, n->span);
}

/* ---- slices */

static DimId first_of(const GNode *slice, uint32_t axis) {
    return (DimId){(uint32_t)slice->attr[2 * axis]};
}

/* first + step · (first' + step' · i) */
static NodeId slice_of_slice(Simplify *s, const GNode *n, const GNode *x) {
    DimTable *t = s->g->dims;
    Shape shape = node_shape(n);
    int64_t attr[2 * RANK_MAX];
    for (uint32_t i = 0; i < n->rank; i++) {
        int64_t outer = x->attr[2 * i + 1], inner = n->attr[2 * i + 1];
        DimId skip = dim_mul(t, first_of(n, i), dim_const(t, outer));
        attr[2 * i] = dim_add(t, first_of(x, i), skip).id;
        if (__builtin_mul_overflow(outer, inner, &attr[2 * i + 1])) return NODE_NONE;
    }
    return simple_view(s, OP_SLICE, x->args[0], &shape, attr, n->nattr, n->span);
}

/* Exactly what was padded. */
static NodeId slice_of_pad(Simplify *s, const GNode *n, const GNode *x) {
    const GNode *inner = graph_node(s->g, x->args[0]);
    for (uint32_t i = 0; i < n->rank; i++) {
        bool whole = first_of(n, i).id == (uint32_t)x->attr[3 * i] &&
                     n->attr[2 * i + 1] == x->attr[3 * i + 2] + 1 &&
                     dim_same(n->dims[i], inner->dims[i]);
        if (!whole) return NODE_NONE;
    }
    return x->args[0];
}

static bool at_least_zero(const Simplify *s, DimId d) {
    return dim_is_const(s->g->dims, d) && dim_value(s->g->dims, d) >= 0;
}

/* A slice that lies within one part reads only that part. */
static NodeId slice_of_concat(Simplify *s, const GNode *n, const GNode *x) {
    DimTable *t = s->g->dims;
    uint32_t axis = (uint32_t)x->attr[0];
    Shape shape = node_shape(n);
    DimId start = dim_const(t, 0), first = first_of(n, axis);
    if (n->attr[2 * axis + 1] != 1) return NODE_NONE;
    for (uint32_t k = 0; k < x->nargs; k++) {
        DimId end = dim_add(t, start, graph_node(s->g, x->args[k])->dims[axis]);
        DimId before = dim_sub(t, first, start);
        DimId after = dim_sub(t, end, dim_add(t, first, n->dims[axis]));
        if (at_least_zero(s, before) && at_least_zero(s, after)) {
            int64_t attr[2 * RANK_MAX];
            memcpy(attr, n->attr, n->nattr * sizeof *attr);
            attr[2 * axis] = before.id;
            return simple_view(s, OP_SLICE, x->args[k], &shape, attr, n->nattr, n->span);
        }
        start = end;
    }
    return NODE_NONE;
}

/* Stretched axes only get shorter; kept ones are sliced before they are stretched. */
static NodeId slice_of_broadcast(Simplify *s, const GNode *n, const GNode *x) {
    Shape shape = node_shape(n), small = {.rank = 0};
    int64_t attr[2 * RANK_MAX];
    for (uint32_t i = 0; i < n->rank; i++) {
        if (x->attr[i] < 0) continue;
        attr[2 * small.rank] = n->attr[2 * i];
        attr[2 * small.rank + 1] = n->attr[2 * i + 1];
        small.dims[small.rank++] = n->dims[i];
    }
    NodeId part = simple_view(s, OP_SLICE, x->args[0], &small, attr, 2 * small.rank, n->span);
    return simple_view(s, OP_BROADCAST, part, &shape, x->attr, x->nattr, n->span);
}

NodeId simplify_slice(Simplify *s, const GNode *n) {
    const GNode *x = operand(s, n, 0);
    switch (x->op) {
    case OP_SLICE: return slice_of_slice(s, n, x);
    case OP_PAD: return slice_of_pad(s, n, x);
    case OP_CONCAT: return slice_of_concat(s, n, x);
    case OP_BROADCAST: return slice_of_broadcast(s, n, x);
    default: return NODE_NONE;
    }
}

/* A part that is itself joined along the same axis is replaced by its parts. */
NodeId simplify_concat(Simplify *s, const GNode *n) {
    VEC(NodeId) parts = {0};
    bool nested = false;
    for (uint32_t i = 0; i < n->nargs; i++) {
        const GNode *x = operand(s, n, i);
        bool joined = x->op == OP_CONCAT && x->attr[0] == n->attr[0];
        nested = nested || joined;
        for (uint32_t k = 0; joined && k < x->nargs; k++)
            vec_push(s->g->ctx->arena, &parts, x->args[k]);
        if (!joined) vec_push(s->g->ctx->arena, &parts, n->args[i]);
    }
    if (!nested) return NODE_NONE;
    GNode flat = *n;
    flat.args = parts.data;
    flat.nargs = parts.len;
    return simple_add(s, &flat);
}
